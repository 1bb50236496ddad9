"""The whole sky in Hammer projection."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse

from skymist.model import sky
from skymist.model.region import DEFAULT_CALIBRATION, Calibration
from skymist.plot import curves
from skymist.plot.captions import map_caption
from skymist.plot.frames import Frame, FrameName, frame_of, hammer_of_offset
from skymist.plot.marks import (
    best_handle,
    body_handles,
    brief_handles,
    contour_id,
    draw_contour,
    mark_handles,
    place_at,
    plane_handle,
    positions,
)
from skymist.plot.page import Page, draw_scale, empty_page, notes_of, write_legend, write_title
from skymist.plot.style import Style, Theme, style_of
from skymist.plot.view import Marks, View, view_of

TS_LABEL = "TS = −2 Δ ln L"


def sky_figure(
    skymap: xr.Dataset,
    calibration: str | Calibration = DEFAULT_CALIBRATION,
    *,
    theme: Theme = "light",
    marks: Marks | None = None,
    frame: FrameName = "equatorial",
) -> Page:
    """Return the whole sky in Hammer projection, with the galactic plane, Sun and Moon.

    Parameters
    ----------
    skymap : xarray.Dataset
    calibration : str or Calibration
        Of the contours.
    theme : {"light", "dark"}
    marks : mapping of str to (ra, dec), optional
        Positions to show, such as ``"published"`` or ``"truth"``, in radians.
    frame : {"equatorial", "galactic", "local"}
        ICRS, galactic coordinates, or zenith and azimuth in the detector at the time of the event.

    Returns
    -------
    Page
        A matplotlib figure.

    Raises
    ------
    UnknownNameError
        For a theme, a frame or a calibration that does not exist.
    RequestError
        If the map does not say where its detector is, and `frame` is ``"local"``.
    """
    style, view = style_of(theme), view_of(skymap, calibration, marks)
    where = frame_of(frame, skymap.attrs)
    page = empty_page(style, (11, 7.4), map_caption("sky", view))
    image = draw_sky(page.add_axes((0.03, 0.18, 0.94, 0.69)), view, style, where)
    draw_scale(page, style, image, TS_LABEL, (0.66, 0.1, 0.31, 0.022))
    write_legend(page, style, sky_handles(view, style), (0.02, 0.165), room=(0.62, 0.15), columns=3)
    write_title(page, style, skymap.attrs, notes_of(skymap.attrs, view.outer.calibration, where.title))
    return page


def sky_handles(view: View, style: Style) -> list[Line2D]:
    """Return what stands in the legend of the whole sky."""
    lines = [*brief_handles(view, style), plane_handle(style)]
    return [best_handle(view.best, style), *mark_handles(view.marks, style), *lines, *body_handles(view.bodies, style)]


def draw_sky(axes: Axes, view: View, style: Style, frame: Frame) -> AxesImage:
    """Draw the TS of the whole sky; the colour scale is the square root."""
    ts = view.ts_at(*frame.from_hammer(*np.meshgrid(np.linspace(-2, 2, 1000), np.linspace(-1, 1, 500))))
    seen = ts[np.isfinite(ts)]
    finite = view.outer.ts if np.isfinite(view.outer.ts) else 0.0
    top = max(4 * finite, float(np.median(seen)) if seen.size else 0.0, 1e-3)
    image = axes.imshow(ts, style.colours, PowerNorm(0.5, 0, top), extent=(-2, 2, -1, 1), origin="lower")
    image.set_clip_path(Ellipse((0, 0), 4, 2, transform=axes.transData))
    _draw_graticule(axes, style, frame)
    _draw_curves(axes, view, style, frame)
    for handles, marks in (
        (body_handles(view.bodies, style), view.bodies),
        (mark_handles(view.marks, style), view.marks),
        ([best_handle(view.best, style)], {"": (view.best.ra, view.best.dec)}),
    ):
        place_at(axes, handles, *frame.to_hammer(*positions(marks)))
    axes.set(xlim=(-2.02, 2.02), ylim=(-1.02, 1.02), aspect="equal")
    axes.set_axis_off()
    return image


def _draw_curves(axes: Axes, view: View, style: Style, frame: Frame) -> None:
    """Draw the galactic plane and the contours."""
    handle = plane_handle(style)
    handle.set_data(*curves.in_frame([sky.unit(*sky.galactic_plane(1001))], frame, closed=False))
    axes.add_line(handle)
    for found, colour in zip(view.contours, (style.inner, style.outer), strict=True):
        line = curves.in_frame(found.rings(), frame)
        draw_contour(axes, line, style, colour, width=1.6, gid=contour_id(found))


def _draw_graticule(axes: Axes, style: Style, frame: Frame) -> None:
    """Draw and name lines of equal longitude and latitude, and the outline."""
    turn, tilt = np.linspace(-np.pi, np.pi, 181), np.linspace(-np.pi / 2, np.pi / 2, 91)
    look: dict[str, Any] = {"color": style.faint, "lw": 0.5}
    text: dict[str, Any] = {
        "textcoords": "offset points", "color": style.ink, "size": 11, "path_effects": style.halo(2), "zorder": 5,
    }  # fmt: skip
    for degrees in range(-60, 90, 30):
        axes.plot(*hammer_of_offset(turn, np.radians(degrees)), **look)
        x, y = hammer_of_offset(-np.pi, np.radians(degrees))
        name, out = frame.latitude(degrees), (4 + abs(degrees) / 10, 0)
        axes.annotate(name, (float(x), float(y)), out, va="center", annotation_clip=False, **text)
    for degrees in range(-120, 180, 60):
        axes.plot(*hammer_of_offset(np.radians(degrees), tilt), **look)
        x, y = hammer_of_offset(np.radians(degrees), 0.0)
        name = f"{round(np.degrees(frame.middle) + degrees) % 360}°"
        axes.annotate(name, (float(x), float(y)), (0, -3), ha="center", va="top", **text)
    for edge in (-np.pi, np.pi):
        axes.plot(*hammer_of_offset(edge, tilt), color=style.ink, lw=1)
