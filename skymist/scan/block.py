"""A block of cells: what one Dask task evaluates, and how a worker does it."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass, replace
from functools import partial
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np
from dask.typing import Key
from distributed import Worker, get_worker

from skymist import plugins
from skymist.model import sky
from skymist.model.effort import Effort, counting
from skymist.model.event import Event
from skymist.model.reconstruction import Directions, Fit, Reconstruction, Status
from skymist.model.request import ScanRequest
from skymist.model.rows import Rows
from skymist.model.sky import Floats, Ints
from skymist.scan import plan

COMPILING_SECONDS = 300.0
"""Time allowed for loading and compiling on top of that for a cell."""

LEAVING_SECONDS = 10.0
"""Time, at most, for a worker that leaves to tell that its block failed: slow beside a thread that hangs."""

SENDING_SECONDS = 0.2
"""Time for what a worker has told to be on the wire."""

FAREWELL_SECONDS = 10.0
"""Time for others to take over the results of a worker that leaves."""

T = TypeVar("T")


class TimeLimitError(Exception):
    """A block took longer than a single cell may."""


@dataclass(frozen=True)
class Block:
    """Cells of one level, with what they are evaluated, and the fits from which each of them starts.

    Attributes
    ----------
    reconstruction : Reconstruction
    cells : (n,) int64
    starts : tuple of Fit
        n rows each, those of the enclosing cells first; empty at the first level.
    certain : bool
        Whether the cells belong to the scan whatever comes in; else they are evaluated ahead of that.
    tries : int
        How often a single cell was tried.
    """

    reconstruction: Reconstruction
    cells: Ints
    starts: tuple[Fit, ...]
    certain: bool = True
    tries: int = 0

    def split(self, size: int) -> tuple[Self, Self]:
        """Return the first `size` cells and the others."""
        return self._part(slice(None, size)), self._part(slice(size, None))

    def smaller(self) -> list[Self]:
        """Return the halves, to find the cell that fails; of a single cell, another try."""
        return [self.again()] if len(self.cells) == 1 else list(self.split(len(self.cells) // 2))

    def singles(self) -> list[Self]:
        """Return each cell as a block."""
        return [self._part(slice(row, row + 1)) for row in range(len(self.cells))]

    def again(self) -> Self:
        """Return another try."""
        return replace(self, tries=self.tries + 1)

    def _part(self, index: slice) -> Self:
        return replace(self, cells=self.cells[index], starts=tuple(start[index] for start in self.starts), tries=0)


class Cost(NamedTuple):
    """What the cells of a block cost.

    Attributes
    ----------
    seconds : (n,) float64
        Of computing, by cell; if they were not evaluated alone, the mean.
    iterations, evaluations : (n,) int64
        See `skymist.model.effort.Effort`; if they were not evaluated alone, 0.
    worker : str
        Where.
    """

    seconds: Floats
    iterations: Ints
    evaluations: Ints
    worker: str


def level_block(request: ScanRequest, reconstruction: Reconstruction, cells: Ints, rows: Rows) -> Block:
    """Return cells of one level with its options and the fits from which they start.

    Parameters
    ----------
    request : ScanRequest
    reconstruction : Reconstruction
    cells : (n,) int64
        All of one nside.
    rows : Rows
        Holds the coarser cells of all of them.
    """
    found = plan.start_rows(request, cells, rows.uniq, rows.fit.nllh)
    starts: tuple[Fit, ...] = ()
    if found is not None:
        known = Fit.concatenate([rows.fit, Fit.failed(1)])  # the last row stands for "no more": -1
        starts = tuple(known[row] for row in found)
    options = request.level_options.get(int(sky.nside_of(cells[0])), {})
    return Block(with_options(reconstruction, options), cells, starts)


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


def evaluate(event: Event, block: Block) -> Fit:
    """Return the fits of a block's cells: of each the lowest from all its starts, of equal ones the first."""
    directions = sky.directions(event.detector, event.time, block.cells)
    if not block.starts:
        return _fit(event, block.reconstruction, directions, None)
    first, *others = block.starts
    rows = [np.arange(len(first)), *(np.flatnonzero(start.status != Status.FAILED) for start in others)]
    owner = np.concatenate(rows)
    starts = Fit.concatenate([start[row] for start, row in zip(block.starts, rows, strict=True)])
    fit = _fit(event, block.reconstruction, directions[owner], starts)
    lowest = np.lexsort((np.where(np.isfinite(fit.nllh), fit.nllh, np.inf), owner))
    _, begin = np.unique(owner[lowest], return_index=True)
    return fit[lowest[begin]]


def work(event: Event, block: Block, limit: float, alone: bool, known: int | None) -> tuple[Fit, Cost]:
    """Run on a worker: evaluate a block and say what it cost.

    Parameters
    ----------
    event : Event
    block : Block
    limit : float
        Seconds after which it is given up: what a single cell may take.
    alone : bool
        Whether to evaluate and time each cell alone.
    known : int, optional
        A cell that was evaluated elsewhere, so that it can be trusted to end.

    Raises
    ------
    TimeLimitError
        After the limit. What hangs can't be stopped, so a worker process leaves, and its nanny or cluster replaces it.
    """
    worker = get_worker()
    try:
        _warm_up(event, block, limit, known)
        parts = block.singles() if alone else [block]
        done = [_within(limit, partial(_measured, event, part)) for part in parts]
    except TimeLimitError:
        if not worker.address.startswith("inproc://"):
            worker.loop.add_callback(_leave, worker, worker.get_current_task())
        raise
    fits, seconds, efforts = zip(*done, strict=True)
    sizes = np.array([len(fit) for fit in fits])
    rounds, evaluations = (np.array([astuple(effort) for effort in efforts]) * alone).T
    mean = np.repeat(np.array(seconds) / sizes, sizes)
    cost = Cost(mean, np.repeat(rounds, sizes), np.repeat(evaluations, sizes), str(worker.name))
    return Fit.concatenate(fits), cost


async def _leave(worker: Worker, key: Key) -> None:
    """End this process, after the scheduler knows the error of its task, and others have its results.

    An error that does not arrive would make another worker run the task, and leave, too.

    Dask's own way, `close_gracefully`, may run a task again whose error is still under way, and lets its nanny leave
    too if the scheduler closes the connection first. Nor would it end while something hangs.
    """
    end = time.monotonic() + LEAVING_SECONDS
    while worker.state.tasks.get(key) in worker.state.executing and time.monotonic() < end:
        await asyncio.sleep(SENDING_SECONDS)
    await asyncio.sleep(SENDING_SECONDS)
    farewell = worker.scheduler.retire_workers(workers=[worker.address], close_workers=False, remove=False)
    with suppress(OSError):  # or time is up, which is one, too
        await asyncio.wait_for(farewell, FAREWELL_SECONDS)
    os._exit(0)


def _within(limit: float, function: Callable[[], T]) -> T:
    """Return what `function` does, waiting for it no longer than that."""
    answer: Future[T] = Future()

    def call() -> None:
        try:
            answer.set_result(function())
        except BaseException as error:  # noqa: BLE001 (raised again below, in the thread that asked)
            answer.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    if not wait([answer], timeout=limit).done:
        raise TimeLimitError(f"more than {limit:g} s")
    return answer.result()


def _measured(event: Event, block: Block) -> tuple[Fit, float, Effort]:
    began = time.perf_counter()
    with counting() as effort:
        fit = evaluate(event, block)
    return fit, time.perf_counter() - began, effort


_warm: set[tuple[str, str]] = set()


def _warm_up(event: Event, block: Block, limit: float, known: int | None) -> None:
    """Load tables and compile before the clock starts, once a process; what fails now is told when it fails again.

    A cell that hangs would take as long as compiling may, so a known one is preferred to the first of the block.
    """
    key = block.reconstruction.name, block.reconstruction.version
    if key in _warm:
        return
    first = block.split(1)[0] if known is None else replace(block, cells=np.array([known]), starts=())
    try:
        _within(limit + COMPILING_SECONDS, partial(evaluate, event, first))
    except TimeLimitError:
        raise
    except Exception:  # noqa: BLE001 (whatever a plug-in raises)
        return
    _warm.add(key)


def _fit(event: Event, reconstruction: Reconstruction, directions: Directions, start: Fit | None) -> Fit:
    fit = reconstruction(event, directions, start)
    if len(fit) != len(directions):
        raise ValueError(f"{reconstruction.name} returned {len(fit)} rows for {len(directions)} directions")
    return fit
