"""Evaluate the cells of a plan as Dask futures, in blocks sized by measured speed."""

import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
import xarray as xr
from distributed import Client, Future, as_completed, wait

from skymist import plugins
from skymist.errors import ScanError
from skymist.model import sky, skymap
from skymist.model.event import Event
from skymist.model.reconstruction import Directions, Fit, Reconstruction, Status
from skymist.model.request import ScanRequest
from skymist.model.sky import Ints
from skymist.scan import plan

BLOCK_SECONDS = (0.02, 0.2)
"""How long a block should take: long against Dask's milliseconds, short against a person's patience."""

BLOCKS_PER_THREAD = 4
"""Of a level, so that threads end it together though some cells take longer."""

TRIES = 3
"""How often a single cell may raise before it counts as failed."""

HOPELESS = 10
"""After so many errors without any success, the reconstruction is broken and not the cells."""


class Rows(Protocol):
    """What has been evaluated so far, in the order in which it came in; a store is one."""

    @property
    def uniq(self) -> Ints:
        """Cells, shape (n,)."""
        ...

    @property
    def fit(self) -> Fit:
        """Their fits, n rows."""
        ...

    def append(self, uniq: Ints, fit: Fit) -> None:
        """Add evaluated cells."""
        ...


class MemoryRows:
    """Rows of a scan that need not outlive the process."""

    def __init__(self) -> None:
        self.uniq: Ints = np.empty(0, np.int64)
        self.fit = Fit.failed(0)

    def append(self, uniq: Ints, fit: Fit) -> None:
        """Add evaluated cells."""
        self.uniq = np.concatenate([self.uniq, uniq])
        self.fit = Fit.concatenate([self.fit, fit])


@dataclass(frozen=True)
class Progress:
    """How far a scan is.

    Attributes
    ----------
    nside : int
        The level that is being evaluated.
    done, total : int
        Cells.
    rate : float
        Cells per second since the start (or the resumption).
    """

    nside: int
    done: int
    total: int
    rate: float


def run(
    request: ScanRequest, event: Event, reconstruction: Reconstruction, client: Client, rows: Rows
) -> Generator[Progress, None, None]:
    """Evaluate every cell of the request that `rows` does not hold yet.

    The first progress comes when the workers are ready; then one for each block, after it was
    appended to `rows`. Closing the iterator cancels what is in flight; what was appended stays.

    Parameters
    ----------
    request : ScanRequest
    event : Event
    reconstruction : Reconstruction
    client : distributed.Client
    rows : Rows
        Grows; its content decides what is left to do.

    Yields
    ------
    Progress

    Raises
    ------
    ScanError
        If the scheduler is lost, or if no cell at all could be fitted.
    """
    cells = plan.next_cells(request, rows.uniq, rows.fit.nllh)
    before, total = len(rows.uniq), plan.most_cells(request)
    workers = _Workers(client, event)
    try:
        if cells.size:
            workers.warm_up(_Block(reconstruction, cells[:1], ()))
        start = time.monotonic()
        yield Progress(0, before, total, 0.0)
        while cells.size:
            for block in workers.evaluate(_level(request, reconstruction, cells, rows)):
                rows.append(*block)
                done, seconds = len(rows.uniq), time.monotonic() - start
                yield Progress(int(sky.nside_of(cells[0])), done, max(total, done), (done - before) / seconds)
            cells = plan.next_cells(request, rows.uniq, rows.fit.nllh)
        if not np.isfinite(rows.fit.nllh).any():
            raise ScanError(f"{reconstruction.name} could not fit any of {len(rows.uniq)} directions")
    finally:
        workers.cancel()


def scan_serially(request: ScanRequest, event: Event, reconstruction: Reconstruction) -> xr.Dataset:
    """Return the map of a scan in this thread, for where many events are scanned at once; parameters as for `run`.

    The same map as that of `run`, but an error of the reconstruction ends it, and where nothing could be fitted it
    holds no finite value.
    """
    rows = MemoryRows()
    while (cells := plan.next_cells(request, rows.uniq, rows.fit.nllh)).size:
        rows.append(cells, _evaluate(event, _level(request, reconstruction, cells, rows))[0])
    return skymap.create(rows.uniq, rows.fit, {"scan_id": request.id, "complete": True})


def with_options(reconstruction: Reconstruction, options: Mapping[str, Any]) -> Reconstruction:
    """Return the reconstruction with some options changed: values, or text as on a command line.

    Raises
    ------
    UnknownNameError
        If it has no such option.
    RequestError
        If an option has a wrong value.
    """
    if not options:
        return reconstruction
    before = asdict(reconstruction)  # type: ignore[call-overload]  # the protocol cannot say "dataclass"
    changed: Reconstruction = plugins.configure(type(reconstruction), {**before, **options})
    return changed


def _starts(request: ScanRequest, cells: Ints, rows: Rows) -> tuple[Fit, ...]:
    """Return the fits from which the cells start, those of the enclosing cells first; empty at the first level."""
    found = plan.start_rows(request, cells, rows.uniq, rows.fit.nllh)
    known = Fit.concatenate([rows.fit, Fit.failed(1)])  # the last row stands for "no more": -1
    return () if found is None else tuple(known[row] for row in found)


@dataclass(frozen=True)
class _Block:
    """Cells that one task evaluates, with what, and the fits from which each of them starts."""

    reconstruction: Reconstruction
    cells: Ints
    starts: tuple[Fit, ...]
    tries: int = 0

    def split(self, size: int) -> tuple[Self, Self]:
        """Return the first `size` cells and the others."""
        return self._part(slice(None, size)), self._part(slice(size, None))

    def smaller(self) -> tuple[Self, ...]:
        """Return the halves, to find the cell that fails; of a single cell, another try."""
        if len(self.cells) == 1:
            return (replace(self, tries=self.tries + 1),)
        return self.split(len(self.cells) // 2)

    def _part(self, index: slice) -> Self:
        return replace(self, cells=self.cells[index], starts=tuple(start[index] for start in self.starts), tries=0)


def _level(request: ScanRequest, reconstruction: Reconstruction, cells: Ints, rows: Rows) -> _Block:
    """Return all that is to be evaluated of one level, with its options and starts."""
    here = with_options(reconstruction, request.level_options.get(int(sky.nside_of(cells[0])), {}))
    return _Block(here, cells, _starts(request, cells, rows))


class _Workers:
    """Keeps every worker thread busy with blocks, and no result longer than needed."""

    def __init__(self, client: Client, event: Event) -> None:
        self.client = client
        # A task and not scattered data: that dies with its worker, a task is run again.
        self.event = client.submit(_same, event, pure=False)
        self.flying: dict[Future, _Block] = {}
        self.seconds_per_cell = BLOCK_SECONDS[0] / 4
        self.threads, self.counted = 1, float("-inf")
        self.errors: int | None = 0  # None after the first success

    def warm_up(self, block: _Block) -> None:
        """Let each worker load its tables and compile before the clock starts."""
        addresses = list(self.client.scheduler_info(n_workers=-1)["workers"])
        for _ in range(2):  # the second time it is warm, and its time says how large the first blocks can be
            first = [self._submit(block, workers=[address]) for address in addresses]
            wait(first)
        if first and first[0].status == "finished":
            self.seconds_per_cell = first[0].result()[1]

    def evaluate(self, level: _Block) -> Iterator[tuple[Ints, Fit]]:
        """Yield evaluated cells in the order in which they come in."""
        share = -(-len(level.cells) // (BLOCKS_PER_THREAD * self._thread_count()))
        waiting = deque([level])
        results = as_completed(with_results=True, raise_errors=False)
        while waiting or self.flying:
            while waiting and len(self.flying) < 2 * self._thread_count():
                block = self._take(waiting, share)
                future = self._submit(block)
                self.flying[future] = block
                results.add(future)
            future, result = next(results)
            block, status = self.flying.pop(future), future.status
            future.release()  # a kept future makes a dying worker's stored results run again
            if status == "finished":
                fit, seconds = result
                self.seconds_per_cell, self.errors = seconds / len(block.cells), None
                yield block.cells, fit
            elif status != "error":
                raise ScanError(f"the Dask scheduler was lost (a block is {status}); the same command resumes the scan")
            elif self._is_lost(block, result[1]):
                yield block.cells, Fit.failed(1)
            else:
                waiting.extend(block.smaller())

    def cancel(self) -> None:
        """Drop what is in flight."""
        if self.flying:
            self.client.cancel(list(self.flying))
        self.event.release()

    def _is_lost(self, block: _Block, error: Exception) -> bool:
        """Tell whether a block that raised is given up; an error of every block is told and not hidden."""
        if self.errors is not None:
            self.errors += 1
            if self.errors >= HOPELESS:
                raise ScanError(f"{block.reconstruction.name} fails everywhere: {type(error).__name__}: {error}")
        return len(block.cells) == 1 and block.tries + 1 >= TRIES

    def _take(self, waiting: deque[_Block], share: int) -> _Block:
        """Return the next block: `share` cells, or as many as take the time that a block should take."""
        block = waiting.popleft()
        shortest, longest = (int(seconds / self.seconds_per_cell) for seconds in BLOCK_SECONDS)
        size = max(1, shortest, min(longest, share))
        if size < len(block.cells):
            block, rest = block.split(size)
            waiting.appendleft(rest)
        return block

    def _submit(self, block: _Block, **where: Any) -> Future:
        return self.client.submit(_evaluate, self.event, block, pure=False, **where)

    def _thread_count(self) -> int:
        """Return the number of worker threads, asked for at most once a second."""
        if time.monotonic() > self.counted + 1:
            self.threads, self.counted = max(1, sum(self.client.nthreads().values())), time.monotonic()
        return self.threads


def _same(event: Event) -> Event:
    return event


def _evaluate(event: Event, block: _Block) -> tuple[Fit, float]:
    """Run on a worker: fit the cells and say how long it took."""
    began = time.perf_counter()
    directions = sky.directions(event.detector, event.time, block.cells)
    fit = _best(event, block, directions) if block.starts else _fit(event, block.reconstruction, directions, None)
    return fit, time.perf_counter() - began


def _best(event: Event, block: _Block, directions: Directions) -> Fit:
    """Return the lowest of the fits from all starts of each direction; of equal ones that of the first start."""
    first, *others = block.starts
    rows = [np.arange(len(first)), *(np.flatnonzero(start.status != Status.FAILED) for start in others)]
    owner = np.concatenate(rows)
    starts = Fit.concatenate([start[row] for start, row in zip(block.starts, rows, strict=True)])
    fit = _fit(event, block.reconstruction, directions[owner], starts)
    lowest = np.lexsort((np.where(np.isfinite(fit.nllh), fit.nllh, np.inf), owner))
    _, begin = np.unique(owner[lowest], return_index=True)
    return fit[lowest[begin]]


def _fit(event: Event, reconstruction: Reconstruction, directions: Directions, start: Fit | None) -> Fit:
    fit = reconstruction(event, directions, start)
    if len(fit) != len(directions):
        raise ValueError(f"{reconstruction.name} returned {len(fit)} rows for {len(directions)} directions")
    return fit
