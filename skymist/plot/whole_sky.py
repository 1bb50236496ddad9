"""The whole sky in Hammer projection."""

from typing import Any

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse

from skymist.model.region import DEFAULT_CALIBRATION, Calibration
from skymist.plot import curves
from skymist.plot.captions import map_caption, notes_of
from skymist.plot.frames import Frame, FrameName, frame_of, hammer_graticule, hammer_grid
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
from skymist.plot.page import Page, draw_scale, empty_page, write_legend, write_title
from skymist.plot.style import Style, Theme, style_of
from skymist.plot.view import Marks, View, sky_top, view_of

TS_LABEL = "TS = −2 Δ ln L"
COLUMNS = 1000
"""Pixels across the ellipse."""


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
    grid = hammer_grid(frame, COLUMNS)
    ts = view.ts_at(grid.ra, grid.dec)
    image = axes.imshow(ts, style.colours, PowerNorm(0.5, 0, sky_top(view, ts)), extent=(-2, 2, -1, 1), origin="lower")
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
    handle.set_data(*curves.in_frame(curves.galactic_plane(), frame, closed=False))
    axes.add_line(handle)
    for found, colour in zip(view.contours, (style.inner, style.outer), strict=True):
        line = curves.in_frame(found.rings(), frame)
        draw_contour(axes, line, style, colour, width=1.6, gid=contour_id(found))


def _draw_graticule(axes: Axes, style: Style, frame: Frame) -> None:
    """Draw and name lines of equal longitude and latitude, and the outline."""
    graticule = hammer_graticule(frame)
    look: dict[str, Any] = {"color": style.faint, "lw": 0.5}
    text: dict[str, Any] = {
        "textcoords": "offset points", "color": style.ink, "size": 11, "path_effects": style.halo(2), "zorder": 5,
    }  # fmt: skip
    for line in graticule.lines:
        axes.plot(*line, **look)
    for name in graticule.parallels:
        out = 4 + abs(name.degrees) / 10, 0
        axes.annotate(name.text, (name.x, name.y), out, va="center", annotation_clip=False, **text)
    for name in graticule.meridians:
        axes.annotate(name.text, (name.x, name.y), (0, -3), ha="center", va="top", **text)
    for side in graticule.sides:
        axes.plot(*side, color=style.ink, lw=1)
