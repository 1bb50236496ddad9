"""Which cells to evaluate next: a pure function of the request and the rows so far.

Laws (tested): the answer depends on the set of rows and not on their order; a cell is never asked
for twice; a plan replayed on stored rows goes on exactly as if the scan had never stopped.
"""

from itertools import pairwise

import numpy as np

from skymist.model import sky
from skymist.model.request import ScanRequest
from skymist.model.sky import Floats, Ints


def next_cells(request: ScanRequest, uniq: Ints, nllh: Floats, ahead: float = 1.0) -> Ints:
    """Return the cells that certainly belong to the scan and were not evaluated yet; empty when it is done.

    No level waits for the whole of the one before. While m cells of a level are out, those of its lowest that
    would stay among the `extension` lowest if all m were lower still can be split: so a few slow cells hold up
    only what depends on them. More rows never take a cell back.

    Parameters
    ----------
    request : ScanRequest
    uniq : (n,) int64
        Cells evaluated so far.
    nllh : (n,) float64
        Their negative log-likelihoods, NaN where the fit failed.
    ahead : float
        Predictive threshold: a level of which this share is in counts as if it were complete. Below 1, cells come
        in that may turn out not to belong to the scan.

    Returns
    -------
    (m,) int64
        From coarse to fine.
    """
    wanted, pending, asked = _inside(sky.all_cells(request.levels[0].nside), request), 0, []
    for level, finer in zip(request.levels, (*request.levels[1:], None), strict=True):
        evaluated = np.isin(wanted, uniq)
        asked.append(wanted[~evaluated])
        total, pending = wanted.size + pending, asked[-1].size + pending
        unsure = pending if pending > (1 - ahead) * total else 0
        if finer is None or (unsure and request.seeds > 1):  # those around a cell have to be known, too
            break
        rows = np.isin(uniq, wanted[evaluated])
        chosen = _lowest(uniq[rows], nllh[rows], finer.extension - unsure)
        wanted = _inside(np.sort(sky.children(chosen, finer.nside).ravel()), request)
        pending = min(pending, finer.extension - chosen.size) * (finer.nside // level.nside) ** 2
    return np.concatenate(asked)


def parent_rows(request: ScanRequest, cells: Ints, uniq: Ints) -> Ints | None:
    """Return for each cell the row of the coarser cell that holds it, or None at the first level."""
    sides = [level.nside for level in request.levels]
    depth = sides.index(int(sky.nside_of(cells[0])))
    if depth == 0:
        return None
    order = np.argsort(uniq)
    return np.asarray(order[np.searchsorted(uniq, sky.parent(cells, sides[depth - 1]), sorter=order)])


def start_rows(request: ScanRequest, cells: Ints, uniq: Ints, nllh: Floats) -> Ints | None:
    """Return for each cell the rows of the fits it starts from, shape (seeds, m), or None at the first level.

    The first is the coarser cell that holds it. Then come the cells around that one, the lowest value
    first; -1 where no more of them were fitted.
    """
    parents = parent_rows(request, cells, uniq)
    if parents is None:
        return None
    around = sky.neighbours(uniq[parents])
    order = np.argsort(uniq)
    rows = order[np.minimum(np.searchsorted(uniq, around, sorter=order), uniq.size - 1)]
    known = (uniq[rows] == around) & (rows != parents[:, None]) & np.isfinite(nllh[rows])
    lowest = np.lexsort((around, np.where(known, nllh[rows], np.inf)))
    rows = np.take_along_axis(np.where(known, rows, -1), lowest, axis=1)
    return np.vstack([parents, rows.T[: request.seeds - 1]])


def most_cells(request: ScanRequest) -> dict[int, int]:
    """Return how many cells the request evaluates, by nside; with a cone or failed cells it can be fewer."""
    first = request.levels[0].nside
    total = {first: int(_inside(sky.all_cells(first), request).size)}
    for coarse, fine in pairwise(request.levels):
        inside = min(coarse.nside**2 * 12, fine.extension) * (fine.nside // coarse.nside) ** 2
        total[fine.nside] = min(inside, _cells_in_cone(request, fine.nside))
    return total


def _lowest(uniq: Ints, nllh: Floats, number: int) -> Ints:
    """Return the cells with the lowest values: those that can still matter to the region.

    On simulated tracks this loses no event that "nearest to the minimum" keeps, and it follows a
    likelihood with two minima, which the nearest cells do not.
    """
    finite = np.isfinite(nllh)
    uniq, nllh = uniq[finite], nllh[finite]
    return np.asarray(uniq[np.lexsort((uniq, nllh))[: max(number, 0)]])


def _inside(cells: Ints, request: ScanRequest) -> Ints:
    """Return the cells of one level that the cone, if there is one, asks for."""
    if request.cone is None or not cells.size:
        return cells
    margin = _margin(request, int(sky.nside_of(cells[0])))
    return np.asarray(cells[request.cone.holds(cells, margin)])


def _margin(request: ScanRequest, nside: int) -> float:
    """Return how far beyond the cone cells are taken, in cell widths.

    Coarse cells may hold finer ones inside the cone: the farthest corner is 1.05 widths from the centre.
    """
    return 0.5 if nside == request.levels[-1].nside else 1.1


def _cells_in_cone(request: ScanRequest, nside: int) -> int:
    """Return the number of cells of a full cone and its margin, or of the whole sky."""
    if request.cone is None:
        return 12 * nside**2
    reach = np.radians(request.cone.radius) + _margin(request, nside) * np.sqrt(np.pi / 3) / nside
    return int(np.ceil(6 * nside**2 * (1 - np.cos(min(reach, np.pi))) * 1.1)) + 8
