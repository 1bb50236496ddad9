"""Which cells to evaluate next: a pure function of the request and the rows so far.

Laws (tested): the answer depends on the set of rows and not on their order; a cell is never asked
for twice; a plan replayed on stored rows goes on exactly as if the scan had never stopped.
"""

from itertools import pairwise

import numpy as np

from skymist.model import sky
from skymist.model.request import Cone, Level, ScanRequest
from skymist.model.sky import Floats, Ints


def next_cells(request: ScanRequest, uniq: Ints, nllh: Floats) -> Ints:
    """Return the cells of the first level that is not complete; empty when the scan is done.

    Parameters
    ----------
    request : ScanRequest
    uniq : (n,) int64
        Cells evaluated so far.
    nllh : (n,) float64
        Their negative log-likelihoods, NaN where the fit failed.

    Returns
    -------
    (m,) int64
    """
    wanted = _first_level(request.levels[0], request.cone)
    for level, finer in zip(request.levels, (*request.levels[1:], None), strict=True):
        missing = wanted[~np.isin(wanted, uniq)]
        if missing.size or finer is None:
            return missing
        here = sky.nside_of(uniq) == level.nside
        wanted = _split(uniq[here], nllh[here], finer, request.cone)
    raise AssertionError("a request has at least one level")


def parent_rows(request: ScanRequest, cells: Ints, uniq: Ints) -> Ints | None:
    """Return for each cell the row of the coarser cell that holds it, or None at the first level."""
    sides = [level.nside for level in request.levels]
    depth = sides.index(int(sky.nside_of(cells[0])))
    if depth == 0:
        return None
    order = np.argsort(uniq)
    return np.asarray(order[np.searchsorted(uniq, sky.parent(cells, sides[depth - 1]), sorter=order)])


def most_cells(request: ScanRequest) -> int:
    """Return how many cells the request evaluates; with a cone or failed cells it can be fewer."""
    total = _first_level(request.levels[0], request.cone).size
    for coarse, fine in pairwise(request.levels):
        inside = min(coarse.nside**2 * 12, fine.extension) * (fine.nside // coarse.nside) ** 2
        total += inside if request.cone is None else min(inside, _cells_in(request.cone, fine.nside))
    return total


def _first_level(level: Level, cone: Cone | None) -> Ints:
    cells = sky.all_cells(level.nside)
    return cells if cone is None else cells[cone.holds(cells, margin_cells=1.0)]


def _split(uniq: Ints, nllh: Floats, level: Level, cone: Cone | None) -> Ints:
    """Return the children of the cells with the lowest values: those that can still matter to the region.

    On simulated tracks this loses no event that "nearest to the minimum" keeps, and it follows a
    likelihood with two minima, which the nearest cells do not.
    """
    finite = np.isfinite(nllh)
    uniq, nllh = uniq[finite], nllh[finite]
    chosen = uniq[np.lexsort((uniq, nllh))[: level.extension]]
    cells = np.sort(sky.children(chosen, level.nside).ravel())
    return cells if cone is None else cells[cone.holds(cells, margin_cells=0.5)]


def _cells_in(cone: Cone, nside: int) -> int:
    """Return the number of cells of a full cone."""
    fraction = (1 - np.cos(np.radians(cone.radius))) / 2
    return int(np.ceil(12 * nside**2 * fraction * 1.1)) + 8
