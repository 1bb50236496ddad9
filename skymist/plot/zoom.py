"""The surroundings of the best fit, on an equal-area plane."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.image import AxesImage
from matplotlib.patheffects import withStroke
from matplotlib.tri import CubicTriInterpolator, Triangulation

from skymist.model import sky
from skymist.model.sky import Floats
from skymist.plot.scene import Scene, draw_positions, positions, signed

_STEPS_DEG = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 45, 90)
_PIXELS = 480
"""Of the view, along each side."""
_WIDEST = 1.4
"""Half the side of the widest view: its corners stay on the sky."""
_PLANE_EDGE = 1.9
"""Radius in the tangent plane; the antipode is at 2."""


def draw_zoom(axes: Axes, scene: Scene) -> AxesImage:
    """Draw cells, contours, graticule and positions around the best fit."""
    size = _view_radius(scene)
    line = np.linspace(-size, size, _PIXELS)
    ts = scene.ts_at(*sky.from_plane(*np.meshgrid(line, line), scene.best.ra, scene.best.dec))
    span = Normalize(0, max(2 * scene.outer.ts, 1e-3))
    image = axes.imshow(ts, scene.style.colours, span, extent=(-size, size, -size, size), origin="lower")
    _draw_contours(axes, scene, size)
    _draw_graticule(axes, scene, line)
    draw_positions(axes, scene, *sky.to_plane(*positions(scene), scene.best.ra, scene.best.dec))
    axes.set(xlim=(size, -size), ylim=(-size, size), aspect="equal")
    axes.set_xlabel("right ascension (ICRS)", color=scene.style.ink, size=14, labelpad=6)
    axes.set_ylabel("declination (ICRS)", color=scene.style.ink, size=14, labelpad=6)
    axes.tick_params(color=scene.style.faint, labelcolor=scene.style.ink, labelsize=13)
    axes.spines[:].set_color(scene.style.faint)
    return image


def _view_radius(scene: Scene) -> float:
    """Return half the side of the view: the 90 % region and some room, three cells at least."""
    ra, dec = sky.lonlat(sky.corners(scene.outer.cells))
    x, y = sky.to_plane(ra, dec, scene.best.ra, scene.best.dec)
    reach = 1.25 * np.nanmax(np.abs([x, y]))
    return float(np.clip(reach, 3 * np.sqrt(sky.area_sr(scene.best.uniq)), _WIDEST))


def _draw_contours(axes: Axes, scene: Scene, size: float) -> None:
    """Draw where a smooth surface through the centres of evaluated leaves has the levels of the regions.

    It is the logarithm that is interpolated, lest steep flanks make the surface swing.
    """
    line = np.linspace(-size, size, _PIXELS // 2)
    scale = max(scene.outer.ts, 1.0)
    x, y, ts = _leaves_in_view(scene, size)
    try:
        surface = CubicTriInterpolator(Triangulation(x, y), np.log1p(ts / scale), kind="geom")
    except (RuntimeError, ValueError):  # fewer than three cells, or all in one line: there is no surface
        return
    height = surface(*np.meshgrid(line, line))
    for found, colour in scene.regions:
        level = np.log1p(found.ts / scale)
        if height.min() < level < height.max():
            axes.contour(line, line, height, levels=[level], colors=[colour], linewidths=2.4)


def _leaves_in_view(scene: Scene, size: float) -> tuple[Floats, Floats, Floats]:
    """Return the place in the plane and the TS of evaluated leaves in the view and a little around it."""
    uniq, ts = scene.tiling["uniq"].to_numpy(), scene.tiling["ts"].to_numpy()
    x, y = sky.to_plane(*sky.centers(uniq), scene.best.ra, scene.best.dec)
    reach = 1.3 * size + 2 * np.sqrt(sky.area_sr(uniq))
    near = (np.maximum(np.abs(x), np.abs(y)) < reach) & (np.hypot(x, y) < _PLANE_EDGE)
    use = near & np.isfinite(ts) & scene.tiling["evaluated"].to_numpy()
    return x[use], y[use], ts[use]


def _draw_graticule(axes: Axes, scene: Scene, line: Floats) -> None:
    """Draw and name lines of equal right ascension and declination."""
    best = scene.best
    ra, dec = (np.degrees(angle) for angle in sky.from_plane(*np.meshgrid(line, line), best.ra, best.dec))
    ra = np.degrees(best.ra) + (ra - np.degrees(best.ra) + 180) % 360 - 180  # the jump is opposite to the best fit
    pole = _pole_in_view(scene, line[-1])
    step = 45.0 if pole else _step(np.ptp(ra[0]))
    meridians = {f"{value % 360:.{_decimals(step)}f}°": value for value in _multiples(ra, step)}
    step = _step(np.ptp(dec))
    parallels = {signed(value, _decimals(step)): value for value in _multiples(dec, step)}
    look: dict[str, Any] = {"colors": scene.style.faint, "linewidths": 0.6, "linestyles": "solid"}
    axes.contour(line, line, dec, levels=list(parallels.values()), **look)
    tilt = np.radians(np.linspace(dec.min(), dec.max(), 200))
    for meridian in meridians.values():
        axes.plot(*sky.to_plane(np.radians(meridian), tilt, best.ra, best.dec), color=scene.style.faint, lw=0.6)
    axes.set_xticks(*_crossings({} if pole else meridians, ra[0], line))
    axes.set_yticks(*_crossings({} if pole else parallels, dec[:, -1], line))
    if pole:
        _name_around_pole(axes, scene, line[-1], pole, meridians)
        _name_on_parallels(axes, scene, line[-1], parallels)


def _name_around_pole(axes: Axes, scene: Scene, size: float, pole: int, meridians: Mapping[str, float]) -> None:
    """Name meridians within the frame, just before they leave it."""
    outward = pole * np.pi / 2 * (1 - np.linspace(0, 1, 2000) ** 2)
    for name, meridian in meridians.items():
        x, y = sky.to_plane(np.radians(meridian), outward, scene.best.ra, scene.best.dec)
        last = np.argmax(np.maximum(np.abs(x), np.abs(y)) > 0.93 * size) - 1
        _write_inside(axes, scene, x[last], y[last], name)


def _name_on_parallels(axes: Axes, scene: Scene, size: float, parallels: Mapping[str, float]) -> None:
    """Name parallels near the meridian that runs from a pole through the best fit."""
    for name, parallel in parallels.items():
        x, y = sky.to_plane(scene.best.ra + np.pi / 3, np.radians(parallel), scene.best.ra, scene.best.dec)
        if max(abs(x), abs(y)) < 0.85 * size:
            _write_inside(axes, scene, float(x), float(y), name)


def _write_inside(axes: Axes, scene: Scene, x: float, y: float, text: str) -> None:
    halo = [withStroke(linewidth=3, foreground=scene.style.paper)]
    axes.text(x, y, text, color=scene.style.ink, size=12, ha="center", va="center", path_effects=halo)


def _crossings(lines: Mapping[str, float], values: Floats, edge: Floats) -> tuple[list[float], list[str]]:
    """Return where along an edge of the view lines meet it, and their names.

    Parameters
    ----------
    lines : mapping of name to value
    values : (n,) float
        Monotonic, along the edge.
    edge : (n,) float
        The plane's coordinate along the edge.
    """
    rising = np.argsort(values)
    met = {name: value for name, value in lines.items() if values.min() <= value <= values.max()}
    places = np.interp(list(met.values()), values[rising], edge[rising])
    return list(places), list(met)


def _step(span: float) -> float:
    """Return the round step that divides a range of degrees into five parts at most."""
    return next((step for step in _STEPS_DEG if span / step <= 5), _STEPS_DEG[-1])


def _decimals(step: float) -> int:
    return max(0, int(np.ceil(-np.log10(step) - 1e-9)))


def _multiples(values: Floats, step: float) -> Floats:
    return np.arange(np.ceil(values.min() / step), np.floor(values.max() / step) + 1) * step


def _pole_in_view(scene: Scene, size: float) -> int:
    """Return +1 or -1 if that pole is within the square view, else 0."""
    for pole in (1, -1):
        if np.max(np.abs(sky.to_plane(0.0, pole * np.pi / 2, scene.best.ra, scene.best.dec))) <= size:
            return pole
    return 0
