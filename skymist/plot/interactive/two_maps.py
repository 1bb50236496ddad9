"""The interactive figure of the difference of two sky maps."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr

from skymist.model import sky
from skymist.model.region import DEFAULT_CALIBRATION, Calibration
from skymist.plot import curves
from skymist.plot.captions import difference_heading
from skymist.plot.difference import change_of, plane_of_both
from skymist.plot.frames import Curve, Plane
from skymist.plot.interactive import layers
from skymist.plot.interactive.graticules import of_plane
from skymist.plot.interactive.libraries import holoviews
from skymist.plot.style import Style, Theme, style_of
from skymist.plot.view import View, change_top, view_of

_DASHES = ("solid", "dashed")
_MARKERS = ("cross", "x")


def difference(
    a: xr.Dataset,
    b: xr.Dataset,
    calibration: str | Calibration = DEFAULT_CALIBRATION,
    *,
    theme: Theme = "light",
    names: tuple[str, str] = ("A", "B"),
) -> Any:
    """Return the difference of TS around the best fits of two maps, with the contours of both.

    It is the twin of `skymist.plot.difference_figure` with the same parameters. Under the cursor are the difference,
    TS of both maps, right ascension and declination (degrees).

    Returns
    -------
    holoviews.Overlay
        For the Bokeh backend. The axes count degrees from the middle of the best fits in its equal-area plane (ZEA),
        x to the west.

    Raises
    ------
    UnknownNameError
        For a theme or a calibration that does not exist.
    RequestError
        If HoloViews or Bokeh are not installed, or a map does not have the calibration.
    """
    style, views = style_of(theme), (view_of(a, calibration), view_of(b, calibration))
    plane = plane_of_both(*views)
    grid = layers.plane_grid(plane)
    values = {("change", f"TS of {names[0]} − TS of {names[1]}"): change_of(*views, plane)}
    for key, name, view in zip(("ts_a", "ts_b"), names, views, strict=True):
        values[key, f"TS of {name}"] = view.ts_at(grid.ra, grid.dec)
    top = change_top(*views)
    with holoviews() as hv:
        parts = [layers.image(hv, grid, values, (layers.shades(style.diverging), (-top, top)), style)]
        parts += of_plane(hv, plane, style)
        parts += _curves(hv, views, names, plane, style)
        parts += _best_fits(hv, views, names, plane, style)
        return layers.plane_overlay(hv, parts, plane, style, layers.title(difference_heading(*views)))


def _curves(hv: Any, views: tuple[View, View], names: tuple[str, str], plane: Plane, style: Style) -> Iterator[Any]:
    """Yield the contours of both, and the great circle between the best fits."""

    def to_plane(rings: Any, closed: bool = True) -> Curve:
        x, y = curves.in_plane(rings, plane, closed)
        return layers.to_degrees(plane, x), layers.to_degrees(plane, y)

    for name, view, dashes in zip(names, views, _DASHES, strict=True):
        for found, width in zip(view.contours, (1.3, 2.2), strict=True):
            look = {"line_dash": dashes, "line_width": width, "label": f"{name}: {found.containment:.0%} contour"}
            yield layers.contour(hv, found, to_plane(found.rings()), style.ink, style, **look)
    a, b = (view.best for view in views)
    apart = float(np.degrees(sky.separation(a.ra, a.dec, b.ra, b.dec)))
    arc = to_plane([sky.unit([a.ra, b.ra], [a.dec, b.dec])], closed=False)
    yield layers.path(hv, arc, style.mark, f"between the best fits: {apart:.2f}°", style, line_width=2)


def _best_fits(hv: Any, views: tuple[View, View], names: tuple[str, str], plane: Plane, style: Style) -> Iterator[Any]:
    for name, view, marker in zip(names, views, _MARKERS, strict=True):
        best = (view.best.ra, view.best.dec)
        at = tuple(layers.to_degrees(plane, pixel) for pixel in plane.to_pixel(*best))
        yield layers.mark(hv, f"{name}: best fit", best, at, view, style, style.ink, marker=marker, size=18)
