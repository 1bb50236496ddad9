"""The workers of a Dask cluster, kept busy with blocks whose size follows from measured speed."""

import time
import uuid
from collections import deque
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any, NamedTuple

from distributed import Client, Future, as_completed
from distributed.client import ClosedClientError

from skymist.errors import ScanError, SchedulerLostError
from skymist.model.event import Event
from skymist.model.reconstruction import Fit
from skymist.scan.block import Block, Cost, TimeLimitError, work

BLOCK_SECONDS = (0.1, 0.2)
"""How long a block should take: long against Dask's milliseconds, short against a person's patience."""

THREAD_SECONDS = 0.004
"""A block is longer by this for each worker thread: a scheduler hands out only so many (`benchmarks/scaling.py`)."""

BLOCKS_PER_THREAD = 4
"""Of what waits, so that threads end together though some cells take longer."""

IN_FLIGHT = 3
"""Blocks a thread: one that it works on, one that lies ready, and one in the queue, ahead of lower priorities."""

TRIES = 3
"""How often a single cell may raise before it counts as failed."""

HOPELESS = 10
"""After so many errors without any success, the reconstruction is broken and not the cells."""

NAP = 0.005
"""Seconds between looks at what has come in: short against a block."""


@contextmanager
def _scheduler() -> Iterator[None]:
    """Tell the loss of the scheduler in one way."""
    try:
        yield
    except (OSError, CancelledError, ClosedClientError) as error:
        raise SchedulerLostError("the Dask scheduler was lost") from error


class Done(NamedTuple):
    """A block that was evaluated, or (`cost` None) given up as failed."""

    block: Block
    fit: Fit
    cost: Cost | None


class Workers:
    """Hands blocks to the threads of a cluster and takes in results, none of which is kept longer than needed.

    Parameters
    ----------
    client : distributed.Client
    event : Event
    priority : int
        Of all blocks; Dask works on higher ones first.
    limit : float
        Seconds that a cell may take.
    alone : bool
        Whether workers evaluate and time each cell of a block alone.
    """

    @_scheduler()
    def __init__(self, client: Client, event: Event, priority: int, limit: float, alone: bool) -> None:
        self._client, self._priority, self._limit, self._alone = client, priority, limit, alone
        # Keys by scan: Dask then keeps what workers have no thread for in one queue, in the order of priority, and
        # does not hand it out beforehand to workers that may turn out to be the busier ones.
        self._name, self._number = uuid.uuid4().hex, count()
        # A task and not scattered data: that dies with its worker, a task is run again.
        self._event = client.submit(_same, event, key=(f"event-{self._name}", 0), priority=priority)
        self._results = as_completed(loop=client.loop)
        self._seconds_per_cell: float | None = None  # unknown
        self._counted = float("-inf")
        self._errors: int | None = 0  # None after the first success
        self._known: int | None = None  # a cell of which the fit ends
        self.waiting: deque[Block] = deque()
        self.flying: dict[Future, Block] = {}
        self.workers, self.threads = 0, 0
        self.count()

    @property
    def has_idle(self) -> bool:
        """Whether there is room for another block."""
        return not self.waiting and len(self.flying) < IN_FLIGHT * max(self.threads, 1)

    @property
    def is_short(self) -> bool:
        """Whether a thread is about to have nothing to do."""
        return len(self.flying) < 2 * max(self.threads, 1)

    @_scheduler()
    def warm_up(self, block: Block) -> None:
        """Let a worker load, compile and prepare the event; the time of a cell says how large first blocks can be.

        Parameters
        ----------
        block : Block
            Cells to try, two at a time, until two could be evaluated. With the first of them, other workers load and
            compile.
        """
        while self.workers and len(block.cells):
            pair, block = block.split(2)
            probe = self._submit(pair, alone=True)
            if probe.exception() is None:
                _, cost = probe.result()
                self._seconds_per_cell, self._known = float(cost.seconds[-1]), int(pair.cells[0])
                return

    @_scheduler()
    def submit(self) -> None:
        """Send off what waits until every thread has enough to do; certain blocks before others."""
        share = -(-sum(len(block.cells) for block in self.waiting) // (BLOCKS_PER_THREAD * max(self.threads, 1)))
        while self.waiting and len(self.flying) < IN_FLIGHT * max(self.threads, 1):
            block = self._take(share)
            future = self._submit(block)
            self.flying[future] = block
            self._results.add(future)

    def collect(self, patience: float) -> list[Done]:
        """Return what has come in, after at most `patience` seconds; what failed is tried again in smaller parts.

        Raises
        ------
        SchedulerLostError
            If the scheduler no longer knows the blocks.
        ScanError
            If every block fails.
        """
        deadline = time.monotonic() + patience
        while not (batch := self._results.next_batch(block=False)):
            if time.monotonic() > deadline:
                return []
            time.sleep(NAP)
        results = self._fetch([future for future in batch if future.status == "finished"])
        return [done for future in batch for done in self._settle(future, results.get(future.key))]

    @_scheduler()
    def count(self) -> None:
        """Ask for the number of workers and threads, at most once a second."""
        if time.monotonic() > self._counted + 1:
            threads = self._client.nthreads()
            self.workers, self.threads, self._counted = len(threads), sum(threads.values()), time.monotonic()

    def cancel(self) -> None:
        """Drop what is in flight."""
        if self.flying:
            with suppress(SchedulerLostError), _scheduler():
                self._client.cancel(list(self.flying))
        self._event.release()

    @_scheduler()
    def _fetch(self, finished: list[Future]) -> dict[str, Any]:
        """Return results by key, all in one go: one by one they would take longer than many blocks."""
        try:
            return dict(zip((future.key for future in finished), self._client.gather(finished), strict=True))
        except (OSError, CancelledError):
            raise
        except Exception:  # noqa: BLE001 (one was lost with its worker and failed when it was run again)
            return {future.key: future.result() for future in finished if future.exception() is None}

    def _settle(self, future: Future, result: tuple[Fit, Cost] | None) -> list[Done]:
        status = future.status
        if result is None and status in ("lost", "pending"):  # with its worker; Dask runs it again
            self._results.add(future)
            return []
        block = self.flying.pop(future)
        error = future.exception() if status == "error" else None
        future.release()  # a kept future makes a dying worker's stored results run again
        if result is not None:
            fit, cost = result
            self._seconds_per_cell, self._errors = float(cost.seconds.mean()), None
            return [Done(block, fit, cost)]
        if error is None:
            raise SchedulerLostError("the Dask scheduler was lost")
        if self._is_lost(block, error):
            return [Done(block, Fit.failed(1), None)]
        parts = block.singles() if isinstance(error, TimeLimitError) else block.smaller()
        self.waiting.extendleft(parts)
        return []

    def _is_lost(self, block: Block, error: Exception) -> bool:
        """Tell whether a block that raised is given up; an error of every block is told and not hidden."""
        if self._errors is not None:
            self._errors += 1
            if self._errors >= HOPELESS:
                raise ScanError(f"{block.reconstruction.name} fails everywhere: {type(error).__name__}: {error}")
        tries = 1 if isinstance(error, TimeLimitError) else TRIES
        return len(block.cells) == 1 and block.tries + 1 >= tries

    def _take(self, share: int) -> Block:
        """Return the next block: `share` cells, or as many as take the time that a block should; first a single one."""
        block, size = self.waiting.popleft(), 1
        longer = THREAD_SECONDS * self.threads
        if self._seconds_per_cell is not None:
            shortest, longest = (int((seconds + longer) / self._seconds_per_cell) for seconds in BLOCK_SECONDS)
            size = max(1, shortest, min(longest, share))
        if size < len(block.cells):
            block, rest = block.split(size)
            self.waiting.appendleft(rest)
        return block

    def _submit(self, block: Block, *, alone: bool = False) -> Future:
        # Of equal scans those that are certain come first.
        priority = self._priority if block.certain else self._priority - 0.5
        key, settings = (f"block-{self._name}", next(self._number)), (self._limit, self._alone or alone, self._known)
        return self._client.submit(work, self._event, block, *settings, key=key, priority=priority)


def _same(event: Event) -> Event:
    return event
