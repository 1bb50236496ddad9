"""Axes that know the sky around a position: graticule, names of its lines, scale bar and compass."""

from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
from astropy.visualization.wcsaxes import WCSAxes
from astropy.wcs import WCS

from skymist.plot import curves
from skymist.plot.frames import Plane, decimals, signed, step_deg
from skymist.plot.marks import plane_handle
from skymist.plot.page import Page, Place
from skymist.plot.style import Style

_ARROW = 0.075
"""Length of the compass' arms as a share of the view."""


@dataclass(frozen=True, eq=False)
class Chart:
    """Axes of a plane around a position; their data coordinates are its pixels."""

    axes: Any
    plane: Plane
    style: Style


def add_chart(page: Page, place: Place, plane: Plane, style: Style, *, size: float = 14) -> Chart:
    """Add axes of a plane to a page, with graticule.

    Parameters
    ----------
    page : Page
    place : (float, float, float, float)
        Left, bottom, width and height, as shares of the page.
    plane : Plane
    style : Style
    size : float
        Of the letters.
    """
    axes = WCSAxes(page, place, wcs=wcs_of(plane))
    page.add_axes(axes)
    axes.set(xlim=(-0.5, plane.pixels - 0.5), ylim=(-0.5, plane.pixels - 0.5), facecolor=style.missing)
    axes.coords.frame.set_color(style.faint)
    chart = Chart(axes, plane, style)
    _dress(chart, size)
    return chart


def wcs_of(plane: Plane) -> WCS:
    """Return the FITS world coordinates of a plane: ZEA (Calabretta & Greisen 2002, A&A 395, 1077, sect. 5.1.7)."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---ZEA", "DEC--ZEA"]
    wcs.wcs.crval = [np.degrees(plane.ra) % 360, np.degrees(plane.dec)]
    wcs.wcs.crpix = [(plane.pixels + 1) / 2] * 2
    wcs.wcs.cdelt = [-np.degrees(plane.step), np.degrees(plane.step)]
    wcs.wcs.lonpole = 180.0  # not the default where the middle is a pole
    wcs.wcs.radesys = "ICRS"
    wcs.pixel_shape = (plane.pixels, plane.pixels)
    return wcs


def _dress(chart: Chart, size: float) -> None:
    """Draw and name lines of equal right ascension and declination."""
    pole, steps = chart.plane.pole(), chart.plane.steps_deg()
    names = "right ascension (ICRS)", "declination (ICRS)"
    for coordinate, step, name in zip(chart.axes.coords, steps, names, strict=True):
        coordinate.set_format_unit(u.deg, decimal=True, show_decimal_unit=True)
        coordinate.set_major_formatter("d" + ("." + "d" * decimals(step) if decimals(step) else ""))
        coordinate.set_ticks(spacing=step * u.deg, color=chart.style.faint)
        coordinate.set_ticklabel(color=chart.style.ink, size=size - 1, exclude_overlapping=True)
        coordinate.set_axislabel(name, color=chart.style.ink, size=size)
        coordinate.grid(color=chart.style.faint, lw=0.6, alpha=1, ls="solid")
    if pole:
        _name_inside(chart, pole, steps[1], size)
        return
    for coordinate, side in zip(chart.axes.coords, "bl", strict=True):
        coordinate.set_ticklabel_position(side)
        coordinate.set_ticks_position(side)


def _name_inside(chart: Chart, pole: int, step: float, size: float) -> None:
    """Name the lines around a pole within the frame: at its edge there would be too many."""
    for coordinate in chart.axes.coords:
        coordinate.set_ticklabel_visible(False)
        coordinate.set_ticks_visible(False)
        coordinate.set_axislabel("")
    both = chart.axes.coords[0]
    both.set_axislabel("right ascension and declination (ICRS)", color=chart.style.ink, size=size)
    both.set_axislabel_visibility_rule("always")
    both.set_axislabel_position("b")
    _name_meridians(chart, pole, size)
    _name_parallels(chart, step, size)


def _name_meridians(chart: Chart, pole: int, size: float) -> None:
    """Name meridians just before they leave the frame; those that do not, halfway between the poles."""
    plane = chart.plane
    outward = pole * np.pi / 2 * (1 - 2 * np.linspace(0, 0.999, 2000) ** 2)
    for degrees in range(0, 360, 45):
        x, y = plane.to_pixel(np.radians(degrees), outward)
        middle = np.maximum(np.abs(x / plane.pixels - 0.5), np.abs(y / plane.pixels - 0.5))
        crossed = np.flatnonzero((middle[:-1] < 0.455) & (middle[1:] >= 0.455))
        at = int(crossed[0]) if crossed.size else int(np.argmin(np.abs(outward)))
        if 0.1 < middle[at] < 0.46 and _is_free(chart, float(x[at]), float(y[at])):
            _write(chart, float(x[at]), float(y[at]), f"{degrees}°", size=size - 2)


def _name_parallels(chart: Chart, step: float, size: float) -> None:
    """Name circles around a pole near one meridian, which leaves the best fit's free."""
    plane = chart.plane
    for degrees in np.arange(-90 + step, 90 - step / 2, step):
        x, y = plane.to_pixel(plane.ra + np.pi / 3, np.radians(degrees))
        inside = 0.08 * plane.pixels < min(x, y) and max(x, y) < 0.92 * plane.pixels
        if inside and _is_free(chart, float(x), float(y)):
            _write(chart, float(x), float(y), signed(float(degrees), decimals(step)), size=size - 2)


def _is_free(chart: Chart, x: float, y: float) -> bool:
    """Return whether neither the scale bar nor the compass are there."""
    across, up = x / chart.plane.pixels, y / chart.plane.pixels
    return up > 0.25 or 0.32 < across < 0.72


def draw_plane(chart: Chart) -> None:
    """Draw the galactic plane."""
    handle = plane_handle(chart.style)
    handle.set_data(*curves.in_plane(curves.galactic_plane(), chart.plane, closed=False))
    chart.axes.add_line(handle)


def draw_scale_bar(chart: Chart, size: float = 12) -> None:
    """Draw a bar of round length, in degrees on the sky, at the lower left."""
    plane, ink = chart.plane, chart.style.ink
    length = step_deg(plane.side_deg, most=9)
    width = 4 * np.sin(np.radians(length) / 4) / plane.step  # as it would be across the middle
    left, height = 0.05 * plane.pixels, 0.045 * plane.pixels
    chart.axes.plot(
        [left, left + width], [height, height], color=ink, lw=2.5, solid_capstyle="butt", zorder=7,
        path_effects=chart.style.halo(5), gid="scale-bar",
    )  # fmt: skip
    _write(chart, left + width / 2, height + 0.012 * plane.pixels, f"{length:g}°", size=size, va="bottom")


def draw_compass(chart: Chart, size: float = 12) -> None:
    """Draw where north and east are at the lower right, as they are there: near a pole they are turned."""
    plane = chart.plane
    x, y = 0.885 * plane.pixels, 0.115 * plane.pixels
    ra, dec = (float(angle) for angle in plane.to_sky(x, y))
    if not np.isfinite(ra):
        return
    small = plane.step
    for name, (to_ra, to_dec) in {
        "N": (ra, dec + small), "E": (ra + small / max(np.cos(dec), small), dec)
    }.items():  # fmt: skip
        right, up = plane.to_pixel(to_ra, to_dec)
        far = np.array([float(right) - x, float(up) - y])
        arm = far / np.linalg.norm(far) * _ARROW * plane.pixels
        look: dict[str, Any] = {"arrowstyle": "-|>", "color": chart.style.ink, "lw": 1.6, "shrinkA": 0, "shrinkB": 0}
        look["path_effects"] = chart.style.halo(3.5)
        chart.axes.annotate("", (x + arm[0], y + arm[1]), (x, y), arrowprops=look, zorder=7)
        _write(chart, x + 1.3 * arm[0], y + 1.3 * arm[1], name, size=size)


def _write(chart: Chart, x: float, y: float, text: str, *, size: float, va: str = "center") -> None:
    look: dict[str, Any] = {"ha": "center", "va": va, "zorder": 7, "path_effects": chart.style.halo(3), "clip_on": True}
    chart.axes.text(x, y, text, color=chart.style.ink, size=size, **look)
