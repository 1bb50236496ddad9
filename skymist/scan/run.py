"""Evaluate a scan: what the plan asks for goes to the workers, what they find to the rows, until all is there."""

import time
from collections.abc import Generator
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from distributed import Client

from skymist.errors import RequestError, ScanError
from skymist.model import sky, skymap
from skymist.model.event import Event
from skymist.model.reconstruction import Reconstruction
from skymist.model.request import ScanRequest
from skymist.model.rows import MemoryRows, Rows
from skymist.model.sky import Ints
from skymist.scan import plan
from skymist.scan.block import Block, evaluate, level_block
from skymist.scan.progress import Progress, Stage, Tracker
from skymist.scan.workers import Done, Workers

TICK = 0.5
"""Seconds after which a scan says how far it is, though nothing came in."""

PROBES = 6
"""Directions, at most, of which two tell how long one takes; more are tried if those can't be evaluated."""

PLAN_SHARE = 0.1
"""Of the time, at most, goes into planning, unless a thread is about to have nothing to do."""


@dataclass(frozen=True)
class Pace:
    """How a scan is carried out; nothing of it changes the map.

    Attributes
    ----------
    priority : int
        Among scans on one cluster: higher ones go first, equal ones share. Realtime alerts have 100 or more.
    ahead : float
        Predictive threshold, 0.1 to 1: idle workers begin with a finer level when this share of the coarser one is
        in. Results that turn out not to belong to the scan are dropped. At 1 they begin only with what is certain.
    cell_limit : float
        Seconds after which a single cell is given up and counts as failed.
    diagnose : bool
        Whether each cell is evaluated and timed alone, and its cost kept with the map.

    Raises
    ------
    RequestError
        If a value makes no sense.
    """

    priority: int = 0
    ahead: float = 0.9
    cell_limit: float = 600.0
    diagnose: bool = False

    def __post_init__(self) -> None:
        if not 0.1 <= self.ahead <= 1:
            raise RequestError(f"a predictive threshold is from 0.1 to 1, not {self.ahead}")
        if not self.cell_limit > 0:
            raise RequestError(f"the time limit of a cell is more than 0 s, not {self.cell_limit}")


DEFAULT_PACE = Pace()


def run(
    request: ScanRequest,
    event: Event,
    reconstruction: Reconstruction,
    client: Client,
    rows: Rows,
    pace: Pace = DEFAULT_PACE,
) -> Generator[Progress, None, None]:
    """Evaluate every cell of the request that `rows` does not hold yet.

    The first progress comes when the workers are ready; then one whenever cells came in, after they were
    appended to `rows`, and at least every `TICK` seconds. Closing the iterator cancels what is in flight; what was
    appended stays.

    Parameters
    ----------
    request : ScanRequest
    event : Event
    reconstruction : Reconstruction
    client : distributed.Client
    rows : Rows
        Grows; its content decides what is left to do.
    pace : Pace

    Yields
    ------
    Progress

    Raises
    ------
    SchedulerLostError
        If the scheduler is lost.
    ScanError
        If no cell at all could be fitted.
    """
    board = _Board(request, reconstruction, rows, pace.ahead)
    tracker = Tracker(plan.most_cells(request), rows)
    workers = Workers(client, event, pace.priority, pace.cell_limit, pace.diagnose)
    try:
        if (cells := board.certain()).size:
            workers.warm_up(board.probes(cells))
        tracker.start()
        yield tracker.progress(Stage.READY, None, workers.workers, workers.threads)
        while board.ask(workers):
            workers.submit()
            for done in workers.collect(TICK):
                board.take(done)
                tracker.add(*done)
                if pace.diagnose and done.cost:
                    rows.note(done.block.cells, *done.cost)
            workers.count()
            yield tracker.progress(*_stage(workers, rows), workers.workers, workers.threads)
        if not np.isfinite(rows.fit.nllh).any():
            raise ScanError(f"{reconstruction.name} could not fit any of {len(rows.uniq)} directions")
        tracker.complete()
        yield tracker.progress(Stage.COMPLETE, None, workers.workers, workers.threads)
    finally:
        workers.cancel()


def scan_serially(request: ScanRequest, event: Event, reconstruction: Reconstruction) -> xr.Dataset:
    """Return the map of a scan in this thread, for where many events are scanned at once; parameters as for `run`.

    The same map as that of `run`, but an error of the reconstruction ends it, and where nothing could be fitted it
    holds no finite value.
    """
    rows = MemoryRows()
    while (cells := plan.next_cells(request, rows.uniq, rows.fit.nllh)).size:
        rows.append(cells, evaluate(event, level_block(request, reconstruction, cells, rows)))
    return skymap.create(rows.uniq, rows.fit, {"scan_id": request.id, "complete": True})


class _Board:
    """What was asked for and what is known: rows, and results ahead of them that may yet belong to the scan."""

    def __init__(self, request: ScanRequest, reconstruction: Reconstruction, rows: Rows, ahead: float) -> None:
        self.request, self.reconstruction, self.rows, self.ahead = request, reconstruction, rows, ahead
        self.early = MemoryRows()
        self._next_plan = 0.0

    def ask(self, workers: Workers) -> bool:
        """Give the workers what they are to do next; False if the scan is complete."""
        began = time.monotonic()
        if any(block.certain for block in workers.waiting) or (not workers.is_short and began < self._next_plan):
            return True
        workers.waiting.clear()  # by now more may be certain
        certain = self.certain()
        busy = [block.cells for block in workers.flying.values()]
        missing = certain[~np.isin(certain, np.concatenate([certain[:0], *busy]))]
        workers.waiting.extend(self._blocks(missing, certain=True))
        if not missing.size and workers.has_idle:
            workers.waiting.extend(self._blocks(self._likely(busy), certain=False))
        now = time.monotonic()
        self._next_plan = now + (now - began) / PLAN_SHARE
        return bool(certain.size)

    def certain(self) -> Ints:
        """Return the cells that certainly belong to the scan and are not known; known ones go into the rows."""
        while True:
            cells = plan.next_cells(self.request, self.rows.uniq, self.rows.fit.nllh)
            known = cells[np.isin(cells, self.early.uniq)]
            if not known.size:
                return cells
            self.rows.append(known, self.early.take(known))

    def take(self, done: Done) -> None:
        """Keep a block that came in."""
        rows = self.rows if done.block.certain else self.early
        rows.append(done.block.cells, done.fit)

    def probes(self, cells: Ints) -> Block:
        """Return a few directions, far apart, which are finer cells than those of any level: none is computed twice."""
        nside = sky.nside_of(cells)
        coarsest = cells[nside == nside.min()]
        few = self._block(coarsest[:: -(-coarsest.size // PROBES)])
        finer = min(2 * self.request.levels[-1].nside, 2**29)
        return replace(few, cells=sky.cell_at(finer, *sky.centers(few.cells)), starts=())

    def _likely(self, busy: list[Ints]) -> Ints:
        """Return the cells that will belong to the scan if what is missing of each level changes nothing."""
        if self.ahead == 1:
            return np.empty(0, np.int64)
        known = self._known()
        cells = plan.next_cells(self.request, known.uniq, known.fit.nllh, self.ahead)
        return cells[~np.isin(cells, np.concatenate([cells[:0], *busy]))]

    def _blocks(self, cells: Ints, *, certain: bool) -> list[Block]:
        nside = sky.nside_of(cells)
        return [replace(self._block(cells[nside == side]), certain=certain) for side in np.unique(nside)]

    def _block(self, cells: Ints) -> Block:
        return level_block(self.request, self.reconstruction, cells, self._known())

    def _known(self) -> Rows:
        if not len(self.early.uniq):
            return self.rows
        known = MemoryRows()
        for rows in (self.rows, self.early):
            known.append(rows.uniq, rows.fit)
        return known


def _stage(workers: Workers, rows: Rows) -> tuple[Stage, str | None]:
    """Return what the scan is doing, and what is in its way."""
    if rows.trouble:
        return Stage.NO_STORE, rows.trouble
    if not workers.workers:
        return Stage.NO_WORKERS, "no worker is connected"
    return Stage.RUNNING, None
