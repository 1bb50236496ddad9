"""Interactive figures of one sky map."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from skymist.model.contour import Contour
from skymist.model.region import DEFAULT_CALIBRATION, Calibration
from skymist.plot import curves
from skymist.plot.captions import Heading, event_name, notes_of
from skymist.plot.frames import Curve, Frame, FrameName, Grid, Plane, frame_of, hammer_grid
from skymist.plot.interactive import layers
from skymist.plot.interactive.graticules import of_plane, of_sky
from skymist.plot.interactive.libraries import holoviews
from skymist.plot.marks import plane_handle
from skymist.plot.style import Style, Theme, style_of
from skymist.plot.view import (
    Earlier,
    Marks,
    Show,
    View,
    bodies_in,
    earlier_of,
    has_galactic_plane,
    sky_top,
    view_of,
    zoom_top,
)
from skymist.plot.zoom import plane_of

_MARKERS = ("star", "diamond", "square", "triangle", "inverted_triangle", "hex", "plus")
_BODIES = {"Sun": "circle_dot", "Moon": "circle_x"}
_DASHES = ("dotted", "dashed", "dotdash", "dashdot")
COLUMNS = 800
"""Pixels across the ellipse: pages with more are large."""
_OTHER: Mapping[Show, Show] = {"ts": "probability", "probability": "ts"}
_NAMES: Mapping[Show, layers.Name] = {"ts": layers.TS, "probability": layers.DENSITY}
_COORDINATES = {
    "equatorial": (),
    "galactic": (("l", "l (°)"), ("b", "b (°)")),
    "local": (("azimuth", "azimuth (°)"), ("zenith", "zenith (°)")),
}


def zoom(
    skymap: xr.Dataset,
    calibration: str | Calibration = DEFAULT_CALIBRATION,
    *,
    theme: Theme = "light",
    marks: Marks | None = None,
    earlier: Sequence[tuple[str, Contour | xr.Dataset]] = (),
    show: Show = "ts",
) -> Any:
    """Return the surroundings of the best fit with its 50 and 90 % contours.

    It is the twin of `skymist.plot.zoom_figure` with the same parameters. Under the cursor are TS, probability density
    (1/deg²), right ascension and declination (degrees); of marks name, position and TS; of contours level and area.

    Returns
    -------
    holoviews.Overlay
        For the Bokeh backend. The axes count degrees from the best fit in its equal-area plane (ZEA), x to the west.

    Raises
    ------
    UnknownNameError
        For a theme, a quantity or a calibration that does not exist.
    RequestError
        If HoloViews or Bokeh are not installed, or the map does not have the calibration.
    """
    style, view = style_of(theme), view_of(skymap, calibration, marks)
    plane, before = plane_of(view), earlier_of(earlier, calibration)
    grid = layers.plane_grid(plane)
    shown, other = view.shown_at(show, grid.ra, grid.dec), _OTHER[show]
    values = {_NAMES[show]: shown, _NAMES[other]: view.shown_at(other, grid.ra, grid.dec)}
    palette = layers.shades(style.colours if show == "ts" else style.rising)
    colours = palette, (0.0, zoom_top(view, shown, show))
    with holoviews() as hv:
        parts = [layers.image(hv, grid, values, colours, style), *of_plane(hv, plane, style)]
        parts += _zoom_curves(hv, view, before, plane, style)
        parts += _zoom_marks(hv, view, before, plane, style)
        return layers.plane_overlay(hv, parts, plane, style, _title(view, "ICRS"))


def sky(
    skymap: xr.Dataset,
    calibration: str | Calibration = DEFAULT_CALIBRATION,
    *,
    theme: Theme = "light",
    marks: Marks | None = None,
    frame: FrameName = "equatorial",
) -> Any:
    """Return the whole sky in Hammer projection, with the galactic plane, Sun and Moon.

    It is the twin of `skymist.plot.sky_figure` with the same parameters. Under the cursor are TS, right ascension and
    declination, and longitude and latitude of another frame (degrees).

    Returns
    -------
    holoviews.Overlay
        For the Bokeh backend; abs(x) <= 2 and abs(y) <= 1 as of `skymist.plot.frames.to_hammer`.

    Raises
    ------
    UnknownNameError
        For a theme, a frame or a calibration that does not exist.
    RequestError
        If HoloViews or Bokeh are not installed, the map does not have the calibration, or it does not say where its
        detector is and `frame` is ``"local"``.
    """
    style, view = style_of(theme), view_of(skymap, calibration, marks)
    where = frame_of(frame, skymap.attrs)
    grid = hammer_grid(where, COLUMNS)
    ts = view.ts_at(grid.ra, grid.dec)
    values = {layers.TS: ts, **_other_coordinates(where, grid)}
    colours = layers.shades(style.colours, 0.5), (0.0, sky_top(view, ts))
    with holoviews() as hv:
        parts = [layers.image(hv, grid, values, colours, style), *of_sky(hv, where, style)]
        parts += _sky_curves(hv, view, where, style)
        parts += list(_positions(hv, view, where.to_hammer, view.bodies, style))
        return hv.Overlay(parts).opts(
            frame_width=945, frame_height=450, xlim=(-2.05, 2.25), ylim=(-1.024, 1.024), xaxis=None, yaxis=None,
            title=_title(view, where.title), legend_position="bottom", legend_cols=4, hooks=[layers.dress(style)],
        )  # fmt: skip


def _title(view: View, frame: str) -> str:
    """Return event, reconstruction and calibration, in two lines."""
    about = view.attributes
    notes = notes_of(about, view.outer.calibration, frame)
    return layers.title(Heading(event_name(about), notes, about["event"]["simulated"]))


def _other_coordinates(frame: Frame, grid: Grid) -> Mapping[layers.Name, Any]:
    """Return longitude and latitude, as people count them, in a frame other than ICRS; degrees."""
    names = _COORDINATES[frame.name]
    if not names:
        return {}
    seen = np.isfinite(grid.ra)
    lon, lat = np.full(grid.ra.shape, np.nan), np.full(grid.ra.shape, np.nan)
    lon[seen], lat[seen] = (np.degrees(angle) for angle in frame.forward(grid.ra[seen], grid.dec[seen]))
    return dict(zip(names, (lon % 360, 90 - lat if frame.zenithal else lat), strict=True))


def _zoom_curves(hv: Any, view: View, earlier: Sequence[Earlier], plane: Plane, style: Style) -> Iterator[Any]:
    """Yield galactic plane, contours and earlier contours."""

    def to_plane(rings: Any, closed: bool = True) -> Curve:
        x, y = curves.in_plane(rings, plane, closed)
        return layers.to_degrees(plane, x), layers.to_degrees(plane, y)

    if has_galactic_plane(plane):
        yield _galactic_plane(hv, to_plane(curves.galactic_plane(), closed=False), style)
    for found, colour in zip(view.contours, (style.inner, style.outer), strict=True):
        yield layers.contour(hv, found, to_plane(found.rings()), colour, style)
    for at, one in enumerate(earlier):
        look = {"line_dash": _DASHES[at % len(_DASHES)], "line_width": 1.5, "label": one.label}
        yield layers.contour(hv, one.contour, to_plane(one.contour.rings()), style.ink, style, **look)


def _zoom_marks(hv: Any, view: View, earlier: Sequence[Earlier], plane: Plane, style: Style) -> Iterator[Any]:
    """Yield Sun and Moon where they are in view, earlier best fits, marks, and the best fit on top."""

    def to_plane(ra: Any, dec: Any) -> Any:
        return tuple(layers.to_degrees(plane, pixel) for pixel in plane.to_pixel(ra, dec))

    for one in earlier:
        if one.ra is not None and one.dec is not None:
            here, look = (one.ra, one.dec), {"marker": "x", "size": 10}
            yield layers.mark(hv, f"{one.label}: best fit", here, to_plane(*here), view, style, style.ink, **look)
    yield from _positions(hv, view, to_plane, bodies_in(plane, view), style)


def _sky_curves(hv: Any, view: View, frame: Frame, style: Style) -> Iterator[Any]:
    """Yield galactic plane and contours."""
    yield _galactic_plane(hv, curves.in_frame(curves.galactic_plane(), frame, closed=False), style)
    for found, colour in zip(view.contours, (style.inner, style.outer), strict=True):
        yield layers.contour(hv, found, curves.in_frame(found.rings(), frame), colour, style, line_width=1.6)


def _galactic_plane(hv: Any, curve: Curve, style: Style) -> Any:
    handle = plane_handle(style)
    look: dict[str, Any] = {"line_width": handle.get_linewidth(), "line_dash": "dashed"}
    return layers.path(hv, curve, style.plane, str(handle.get_label()), style, **look)


def _positions(hv: Any, view: View, project: Any, bodies: Marks, style: Style) -> Iterator[Any]:
    """Yield Sun and Moon, marks, and the best fit on top."""
    for name, place in bodies.items():
        look = {"marker": _BODIES[name], "fill_alpha": 0.0}
        yield layers.mark(hv, name, place, project(*place), view, style, style.body, **look)
    for at, (name, place) in enumerate(view.marks.items()):
        look = {"marker": _MARKERS[at % len(_MARKERS)], "line_width": 0}
        yield layers.mark(hv, name, place, project(*place), view, style, style.mark, **look)
    best = (view.best.ra, view.best.dec)
    yield layers.mark(hv, "best fit", best, project(*best), view, style, style.ink, marker="cross", size=18)
