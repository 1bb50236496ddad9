"""Sets of cells of any resolution: union, intersection, difference, and the fewest cells that say the same.

Cells are NUNIQ numbers, as in `skymist.model.sky`. Inside they are ranges of the cells of order 29, the finest that
64 bits hold (IVOA MOC 2.0): so sets of any resolutions are compared exactly.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skymist.errors import RequestError
from skymist.model import sky
from skymist.model.sky import Ints

ORDER = 29
"""The finest; a range counts cells of this order."""

_Bools = NDArray[np.bool_]


def union(*cells: Ints) -> Ints:
    """Return the sky that is in any of the sets, in the fewest cells.

    Parameters
    ----------
    *cells : (n,) int64
        NUNIQ numbers in any order; they may overlap.

    Returns
    -------
    (m,) int64
        Sorted along the sky, without overlaps.

    Raises
    ------
    RequestError
        If a number is not that of a HEALPix cell.
    """
    return of_ranges(to_ranges(np.concatenate([np.empty(0, np.int64), *map(_checked, cells)])))


def intersection(*cells: Ints) -> Ints:
    """Return the sky that is in all of the sets, in the fewest cells; see `union`. Of no sets it is empty."""
    sets = [to_ranges(each) for each in cells]
    return of_ranges(_combined(sets, lambda inside: np.all(inside, axis=0)))


def difference(a: Ints, b: Ints) -> Ints:
    """Return the sky that is in `a` and not in `b`, in the fewest cells; see `union`."""
    return of_ranges(_combined([to_ranges(a), to_ranges(b)], lambda inside: inside[0] & ~inside[1]))


def area_deg2(cells: Ints) -> float:
    """Return the area of the sky that a set covers, in square degrees: what is covered twice counts once."""
    ranges = to_ranges(cells)
    share = np.sum((ranges[:, 1] - ranges[:, 0]).astype(float)) / (12 * 4.0**ORDER)
    return float(share * 4 * np.pi * np.degrees(1.0) ** 2)


def divided(cells: Ints, depth: int) -> Ints:
    """Return the children of each cell, `depth` levels down, shape (n, 4**depth)."""
    return np.asarray(np.asarray(cells, np.int64)[:, None] * 4**depth + np.arange(4**depth))


def to_ranges(cells: ArrayLike) -> Ints:
    """Return the ranges of cells of order 29 that a set covers.

    Returns
    -------
    (k, 2) int64
        First, and one past the last; in order, and with gaps between them.

    Raises
    ------
    RequestError
        If a number is not that of a HEALPix cell.
    """
    cells = _checked(cells)
    size = (2**ORDER // sky.nside_of(cells)) ** 2
    first = sky.ipix_of(cells) * size
    order = np.argsort(first)
    start, end = first[order], np.maximum.accumulate((first + size)[order])
    new = np.append(True, start[1:] > end[:-1])[: start.size]
    return np.stack([start[new], end[np.append(new[1:], True)[: start.size]]], axis=-1)


def of_ranges(ranges: Ints) -> Ints:
    """Return the fewest cells that cover ranges as `to_ranges` gives them; (m,) int64, sorted along the sky."""
    found = []
    for order in range(ORDER + 1):
        step = 4 ** (ORDER - order)
        start, end = ranges[:, 0], ranges[:, 1]
        first, last = -(-start // step), end // step
        some = last > first
        found.append(sky.uniq_of(2**order, _counted(first[some], last[some])))
        whole = np.stack([start[some], first[some] * step, last[some] * step, end[some]], axis=-1).reshape(-1, 2)
        ranges = np.concatenate([ranges[~some], whole[whole[:, 1] > whole[:, 0]]])  # what is left for finer cells
    cells = np.concatenate(found)
    return cells[np.argsort(sky.zuniq_of(cells))]


def _combined(sets: list[Ints], rule: Callable[[_Bools], _Bools]) -> Ints:
    """Return the ranges where a rule holds for whether each set is there."""
    edges = np.unique(np.concatenate([np.empty(0, np.int64), *(each.ravel() for each in sets)]))
    if edges.size < 2:
        return np.empty((0, 2), np.int64)
    # After an odd number of edges of a set one is inside of it.
    inside = np.array([np.searchsorted(each.ravel(), edges, side="right") % 2 == 1 for each in sets])
    held = rule(inside)
    change = np.flatnonzero(np.diff(held, prepend=False))  # at the last edge nothing is inside
    return edges[change].reshape(-1, 2)


def _counted(first: Ints, last: Ints) -> Ints:
    """Return all numbers from each first one to the one before each last one."""
    length = last - first
    before = np.cumsum(length) - length
    return np.asarray(np.repeat(first - before, length) + np.arange(length.sum()), np.int64)


def _checked(cells: ArrayLike) -> Ints:
    cells = np.asarray(cells, np.int64).ravel()
    wrong = cells[(cells < 4) | (cells >= 4 ** (ORDER + 2))]  # all others are one: orders follow without a gap
    if wrong.size:
        raise RequestError(f"{wrong[0]} is not the number of a HEALPix cell: NUNIQ = 4 nside**2 + ipix")
    return cells
