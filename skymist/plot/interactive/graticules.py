"""Lines of equal longitude and latitude, as HoloViews elements."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from skymist.plot.frames import Curve, Frame, Plane, decimals, hammer_graticule, signed
from skymist.plot.interactive import layers
from skymist.plot.style import Style

_LINE = ("line", "line of")


def of_plane(hv: Any, plane: Plane, style: Style) -> Iterator[Any]:
    """Yield the lines of equal right ascension and declination in a plane; the cursor tells which they are."""
    parts = [
        {layers.X: right, layers.Y: up, _LINE[0]: name}
        for name, ra, dec in lines_of(plane)
        for right, up in layers.pieces(*within(plane, ra, dec))
    ]
    look = {"color": style.faint, "line_width": 0.6, "tools": ["hover"], "show_legend": False}
    yield hv.Path(parts, kdims=[layers.X, layers.Y], vdims=[_LINE]).opts(**look)


def lines_of(plane: Plane) -> Iterator[tuple[str, Any, Any]]:
    """Yield names and positions of lines: those of round degrees, a few of each kind; meridians of 45 at a pole."""
    (west, east), (low, high) = plane.reach_deg()
    pole, middle, (step, up) = plane.pole(), float(np.degrees(plane.ra)), plane.steps_deg()
    for degrees in _multiples(0, 315, step) if pole else _multiples(middle + west, middle + east, step):
        along = np.linspace(low, high, 200)
        yield f"right ascension {degrees % 360:.{decimals(step)}f}°", np.full(200, degrees), along
    for degrees in _multiples(low, high, up):
        around = middle + (np.linspace(-180, 180, 721) if pole else np.linspace(west, east, 200))
        yield f"declination {signed(degrees, decimals(up))}", around, np.full(around.size, degrees)


def _multiples(low: float, high: float, step: float) -> Any:
    return step * np.arange(np.ceil(low / step), np.floor(high / step) + 1)


def within(plane: Plane, ra: Any, dec: Any) -> Curve:
    """Return a curve of degrees in a plane, NaN where it is out of view; x counts degrees to the west."""
    ra, dec = np.radians(ra), np.radians(dec)
    x, y = (layers.to_degrees(plane, pixel) for pixel in plane.to_pixel(ra, dec))
    seen = plane.holds(ra, dec)
    return np.where(seen, x, np.nan), np.where(seen, y, np.nan)


def of_sky(hv: Any, frame: Frame, style: Style) -> Iterator[Any]:
    """Yield what hides the corners around the Hammer ellipse, lines of equal longitude and latitude, and names."""
    graticule = hammer_graticule(frame)
    right, left = (np.stack(side, axis=1) for side in graticule.sides)
    edge = np.concatenate([right, left[::-1]])
    around = {layers.X: [-2, 2, 2, -2], layers.Y: [-1, -1, 1, 1], "holes": [[edge]]}
    corners = hv.Polygons([around], kdims=[layers.X, layers.Y])
    yield corners.opts(color=style.paper, line_color=style.paper, show_legend=False)
    lines = hv.Path([*graticule.lines, *graticule.sides], kdims=[layers.X, layers.Y])
    yield lines.opts(color=style.faint, line_width=0.6, show_legend=False)
    yield layers.labels(hv, graticule.parallels, style).opts(text_align="left", xoffset=0.03)
    yield layers.labels(hv, graticule.meridians, style).opts(text_baseline="top")
