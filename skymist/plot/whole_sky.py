"""The whole sky in Hammer projection."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse

from skymist.model import sky
from skymist.model.sky import Floats
from skymist.plot.scene import Scene, draw_positions, positions, signed

_SEAM = 1e-6
"""Radians from right ascension 0, where the view is cut open."""


def draw_sky(axes: Axes, scene: Scene) -> AxesImage:
    """Draw the TS of the whole sky; the colour scale is the square root."""
    ts = scene.ts_at(*from_hammer(*np.meshgrid(np.linspace(-2, 2, 1000), np.linspace(-1, 1, 500))))
    seen = ts[np.isfinite(ts)]
    top = max(4 * scene.outer.ts, float(np.median(seen)) if seen.size else 0.0, 1e-3)
    colours = scene.style.colours
    image = axes.imshow(ts, colours, PowerNorm(0.5, 0, top), extent=(-2, 2, -1, 1), origin="lower")
    image.set_clip_path(Ellipse((0, 0), 4, 2, transform=axes.transData))
    _draw_sky_lines(axes, scene)
    draw_positions(axes, scene, *to_hammer(*positions(scene)))
    axes.set(xlim=(-2.02, 2.02), ylim=(-1.02, 1.02), aspect="equal")
    axes.set_axis_off()
    return image


def _draw_sky_lines(axes: Axes, scene: Scene) -> None:
    """Draw the graticule, the outline and the galactic plane."""
    turn, tilt = np.linspace(_SEAM, 2 * np.pi - _SEAM, 181), np.linspace(-np.pi / 2, np.pi / 2, 91)
    look: dict[str, Any] = {"color": scene.style.faint, "lw": 0.5}
    for degrees in range(-60, 90, 30):
        axes.plot(*to_hammer(turn, np.radians(degrees)), **look)
        x, y = to_hammer(_SEAM, np.radians(degrees))
        axes.annotate(signed(degrees), (float(x), float(y)), (4 + abs(degrees) / 10, 0), va="center", **_text(scene))
    for degrees in range(60, 360, 60):
        axes.plot(*to_hammer(np.radians(degrees), tilt), **look)
        x, y = to_hammer(np.radians(degrees), 0.0)
        axes.annotate(f"{degrees}°", (float(x), float(y)), (0, -3), ha="center", va="top", **_text(scene))
    for edge in (_SEAM, 2 * np.pi - _SEAM):
        axes.plot(*to_hammer(edge, tilt), color=scene.style.ink, lw=1)
    x, y = to_hammer(*sky.galactic_plane(1001))
    plane = plane_handle(scene)
    plane.set_data(np.where(np.abs(np.diff(x, prepend=x[0])) > 1, np.nan, x), y)  # no line across the seam
    axes.add_line(plane)


def _text(scene: Scene) -> dict[str, Any]:
    return {"textcoords": "offset points", "color": scene.style.ink, "size": 11}


def plane_handle(scene: Scene) -> Line2D:
    """Return the galactic plane as it stands in the legend."""
    return Line2D([], [], color=scene.style.plane, lw=1.4, ls="--", label="galactic plane")


def to_hammer(ra: Any, dec: Any) -> tuple[Floats, Floats]:
    """Project on the Hammer ellipse, |x| <= 2 and |y| <= 1, RA 180 in the middle, RA growing to the left."""
    half = (np.pi - np.asarray(ra, float) % (2 * np.pi)) / 2
    scale = 1 / np.sqrt(1 + np.cos(dec) * np.cos(half))
    return np.asarray(2 * scale * np.cos(dec) * np.sin(half)), np.asarray(scale * np.sin(dec))


def from_hammer(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return the positions of points of the ellipse, NaN outside."""
    square = np.where(x**2 / 4 + y**2 <= 1, x**2 / 8 + y**2 / 2, np.nan)
    z = np.sqrt(1 - square)
    half = np.arctan2(z * x / np.sqrt(2), 2 * z**2 - 1)
    return (np.pi - 2 * half) % (2 * np.pi), np.arcsin(np.clip(z * y * np.sqrt(2), -1, 1))
