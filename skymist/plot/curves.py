"""Curves on the sphere, cut to a view: what crosses the seam of the whole sky goes on at its other side."""

from collections.abc import Iterable

import numpy as np

from skymist.model import sky
from skymist.model.sky import Floats
from skymist.plot.frames import Frame, Plane, hammer_of_offset

STEP = np.radians(0.5)
"""Longest piece of a great circle that is drawn as a straight line."""


def dense(ring: Floats, closed: bool = True) -> Floats:
    """Return a curve with points along its great circles, no two of which are farther apart than `STEP`.

    Parameters
    ----------
    ring : (n, 3) float64
        Unit vectors.
    closed : bool
        Whether the last point is joined to the first.

    Returns
    -------
    (m, 3) float64
        It ends where it began if it is closed.
    """
    start, stop = (ring, np.roll(ring, -1, axis=0)) if closed else (ring[:-1], ring[1:])
    angle = np.arctan2(np.linalg.norm(np.cross(start, stop), axis=1), np.sum(start * stop, axis=1))
    parts = np.maximum(np.ceil(angle / STEP), 1).astype(int)
    row = np.repeat(np.arange(len(start)), parts)
    along = (np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)) / parts[row]
    angle, along = angle[row, None], along[:, None]
    size = np.where(angle > 0, np.sin(angle), 1.0)
    near = np.where(angle > 0, np.sin((1 - along) * angle) / size, 1.0)
    points = near * start[row] + np.sin(along * angle) / size * stop[row]
    return np.concatenate([points, stop[-1:]])


def galactic_plane() -> list[Floats]:
    """Return the galactic equator as one curve of unit vectors; its last point is its first."""
    return [sky.unit(*sky.galactic_plane(1001))]


def in_frame(rings: Iterable[Floats], frame: Frame, closed: bool = True) -> tuple[Floats, Floats]:
    """Return x and y of curves on the Hammer ellipse, with NaN between the pieces.

    At the seam a piece ends at one edge of the ellipse and the next begins at the other, at the same latitude.
    """
    pieces = [_cut(*frame.forward(*sky.lonlat(dense(ring, closed))), frame.middle) for ring in rings]
    return _joined(pieces)


def in_plane(rings: Iterable[Floats], plane: Plane, closed: bool = True) -> tuple[Floats, Floats]:
    """Return column and row of curves in a plane's pixels, with NaN between the pieces and across the antipode."""
    pieces = []
    for ring in rings:
        x, y = plane.to_pixel(*sky.lonlat(dense(ring, closed)))
        jumps = np.flatnonzero(np.hypot(np.diff(x), np.diff(y)) * plane.step > 1) + 1
        pieces.append((np.insert(x, jumps, np.nan), np.insert(y, jumps, np.nan)))
    return _joined(pieces)


def _cut(lon: Floats, lat: Floats, middle: float) -> tuple[Floats, Floats]:
    offset = (lon - middle + np.pi) % (2 * np.pi) - np.pi
    before = np.flatnonzero(np.abs(np.diff(offset)) > np.pi)
    edge = np.copysign(np.pi, offset[before])
    gap = edge - offset[before]
    rest = offset[before + 1] + edge  # from the other edge on
    share = np.where(gap + rest == 0, 0.5, gap / np.where(gap + rest == 0, 1, gap + rest))
    height = lat[before] + share * (lat[before + 1] - lat[before])
    places = np.repeat(before + 1, 3)
    offset = np.insert(offset, places, np.stack([edge, np.full(edge.size, np.nan), -edge], axis=1).ravel())
    lat = np.insert(lat, places, np.stack([height, np.full(edge.size, np.nan), height], axis=1).ravel())
    return hammer_of_offset(offset, lat)


def _joined(pieces: list[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """Put NaN after each piece but the last."""
    gap = np.array([np.nan])
    columns = [[part for piece in pieces for part in (piece[axis], gap)][:-1] for axis in (0, 1)]
    x, y = (np.concatenate(column) if column else np.empty(0) for column in columns)
    return x, y
