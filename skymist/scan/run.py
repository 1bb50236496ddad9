"""Evaluate the cells of a plan as Dask futures, in blocks sized by measured speed."""

import time
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from distributed import Client, Future, as_completed, wait

from skymist.errors import ScanError
from skymist.model import sky
from skymist.model.event import Event
from skymist.model.reconstruction import Fit, Reconstruction
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
    workers = _Workers(client, event, reconstruction)
    try:
        if cells.size:
            workers.warm_up(cells[:1])
        start = time.monotonic()
        yield Progress(0, before, total, 0.0)
        while cells.size:
            parents = plan.parent_rows(request, cells, rows.uniq)
            starts = None if parents is None else rows.fit[parents]
            for block in workers.evaluate(_Block(cells, starts)):
                rows.append(*block)
                done, seconds = len(rows.uniq), time.monotonic() - start
                yield Progress(int(sky.nside_of(cells[0])), done, max(total, done), (done - before) / seconds)
            cells = plan.next_cells(request, rows.uniq, rows.fit.nllh)
        if not np.isfinite(rows.fit.nllh).any():
            raise ScanError(f"{reconstruction.name} could not fit any of {len(rows.uniq)} directions")
    finally:
        workers.cancel()


@dataclass(frozen=True)
class _Block:
    """Cells that one task evaluates, and the fits they start from."""

    cells: Ints
    starts: Fit | None
    tries: int = 0

    def split(self, size: int) -> tuple[Self, Self]:
        """Return the first `size` cells and the others."""
        return self._part(slice(None, size)), self._part(slice(size, None))

    def smaller(self) -> tuple[Self, ...]:
        """Return the halves, to find the cell that fails; of a single cell, another try."""
        one = type(self)(self.cells, self.starts, self.tries + 1)
        return self.split(len(self.cells) // 2) if len(self.cells) > 1 else (one,)

    def _part(self, index: slice) -> Self:
        return type(self)(self.cells[index], None if self.starts is None else self.starts[index])


class _Workers:
    """Keeps every worker thread busy with blocks, and no result longer than needed."""

    def __init__(self, client: Client, event: Event, reconstruction: Reconstruction) -> None:
        self.client, self.reconstruction = client, reconstruction
        # A task and not scattered data: that dies with its worker, a task is run again.
        self.event = client.submit(_same, event, pure=False)
        self.flying: dict[Future, _Block] = {}
        self.seconds_per_cell = BLOCK_SECONDS[0] / 4
        self.threads, self.counted = 1, float("-inf")
        self.errors: int | None = 0  # None after the first success

    def warm_up(self, cells: Ints) -> None:
        """Let each worker load its tables and compile before the clock starts."""
        addresses = list(self.client.scheduler_info(n_workers=-1)["workers"])
        for _ in range(2):  # the second time it is warm, and its time says how large the first blocks can be
            first = [self._submit(_Block(cells, None), workers=[address]) for address in addresses]
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
                raise ScanError(f"{self.reconstruction.name} fails everywhere: {type(error).__name__}: {error}")
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
        arguments = (self.event, self.reconstruction, block.cells, block.starts)
        return self.client.submit(_evaluate, *arguments, pure=False, **where)

    def _thread_count(self) -> int:
        """Return the number of worker threads, asked for at most once a second."""
        if time.monotonic() > self.counted + 1:
            self.threads, self.counted = max(1, sum(self.client.nthreads().values())), time.monotonic()
        return self.threads


def _same(event: Event) -> Event:
    return event


def _evaluate(event: Event, reconstruction: Reconstruction, cells: Ints, starts: Fit | None) -> tuple[Fit, float]:
    """Run on a worker: fit the cells and say how long it took."""
    began = time.perf_counter()
    fit = reconstruction(event, sky.directions(event.detector, event.time, cells), starts)
    if len(fit) != len(cells):
        raise ValueError(f"{reconstruction.name} returned {len(fit)} rows for {len(cells)} directions")
    return fit, time.perf_counter() - began
