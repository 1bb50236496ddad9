"""Lines of equal longitude and latitude, as HoloViews elements."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from skymist.plot.frames import Frame, Plane, decimals, hammer_of_offset, signed, step_deg
from skymist.plot.interactive import layers
from skymist.plot.style import Style

_LINE = ("line", "line of")


def of_plane(hv: Any, plane: Plane, style: Style) -> Iterator[Any]:
    """Yield the lines of equal right ascension and declination in a plane; the cursor tells which they are."""
    parts = [
        {layers.X: right, layers.Y: up, _LINE[0]: name}
        for name, ra, dec in _lines(plane)
        for right, up in layers.pieces(*_within(plane, ra, dec))
    ]
    look = {"color": style.faint, "line_width": 0.6, "tools": ["hover"], "show_legend": False}
    yield hv.Path(parts, kdims=[layers.X, layers.Y], vdims=[_LINE]).opts(**look)


def _lines(plane: Plane) -> Iterator[tuple[str, Any, Any]]:
    """Yield names and positions of lines: those of round degrees, a few of each kind; meridians of 45 at a pole."""
    side = np.linspace(-0.5, plane.pixels - 0.5, 60)
    ra, dec = (np.degrees(angle[np.isfinite(angle)]) for angle in plane.to_sky(*np.meshgrid(side, side)))
    pole, middle = plane.pole(), float(np.degrees(plane.ra))
    east = (ra - middle + 180) % 360 - 180
    low, high = min([*dec, 90.0 * pole or 90.0]), max([*dec, 90.0 * pole or -90.0])
    step = 45.0 if pole else step_deg(np.ptp(east))
    for degrees in _multiples(0, 315, step) if pole else _multiples(middle + east.min(), middle + east.max(), step):
        along = np.linspace(low, high, 200)
        yield f"right ascension {degrees % 360:.{decimals(step)}f}°", np.full(200, degrees), along
    step = step_deg(high - low)
    for degrees in _multiples(low, high, step):
        around = middle + (np.linspace(-180, 180, 721) if pole else np.linspace(east.min(), east.max(), 200))
        yield f"declination {signed(degrees, decimals(step))}", around, np.full(around.size, degrees)


def _multiples(low: float, high: float, step: float) -> Any:
    return step * np.arange(np.ceil(low / step), np.floor(high / step) + 1)


def _within(plane: Plane, ra: Any, dec: Any) -> layers.Curve:
    """Return a curve of degrees in a plane, NaN where it is out of view."""
    ra, dec = np.radians(ra), np.radians(dec)
    x, y = (layers.to_degrees(plane, pixel) for pixel in plane.to_pixel(ra, dec))
    seen = plane.holds(ra, dec)
    return np.where(seen, x, np.nan), np.where(seen, y, np.nan)


def of_sky(hv: Any, frame: Frame, style: Style) -> Iterator[Any]:
    """Yield what hides the corners around the Hammer ellipse, lines of equal longitude and latitude, and names."""
    turn, tilt = np.linspace(-np.pi, np.pi, 181), np.linspace(-np.pi / 2, np.pi / 2, 91)
    parallels, meridians = range(-60, 90, 30), range(-120, 180, 60)
    edge = np.concatenate(
        [np.stack(hammer_of_offset(end, tilt[::side]), axis=1) for end, side in ((-np.pi, 1), (np.pi, -1))]
    )
    around = {layers.X: [-2, 2, 2, -2], layers.Y: [-1, -1, 1, 1], "holes": [[edge]]}
    corners = hv.Polygons([around], kdims=[layers.X, layers.Y])
    yield corners.opts(color=style.paper, line_color=style.paper, show_legend=False)
    lines = [hammer_of_offset(turn, np.radians(degrees)) for degrees in parallels]
    lines += [hammer_of_offset(np.radians(degrees), tilt) for degrees in (-180, *meridians, 180)]
    yield hv.Path(lines, kdims=[layers.X, layers.Y]).opts(color=style.faint, line_width=0.6, show_legend=False)
    names = [frame.latitude(degrees) for degrees in parallels]
    edge_names = layers.labels(hv, hammer_of_offset(-np.pi, np.radians(parallels)), names, style)
    yield edge_names.opts(text_align="left", xoffset=0.03)
    names = [f"{round(np.degrees(frame.middle) + degrees) % 360}°" for degrees in meridians]
    yield layers.labels(hv, hammer_of_offset(np.radians(meridians), 0.0), names, style).opts(text_baseline="top")
