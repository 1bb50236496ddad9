"""How far a scan is, as one typed event after another for whoever shows it."""

import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from skymist.errors import ReadError
from skymist.model import region, sky, skymap
from skymist.model.reconstruction import Fit, Status
from skymist.model.rows import Rows
from skymist.model.sky import Ints
from skymist.scan.block import Block, Cost

LATELY = 5.0
"""Seconds over which the last rate is taken."""

SLOWEST = 5
"""So many of the slowest cells are named."""

LOOK_SHARE = 0.02
"""Of the time, at most, goes into finding the region so far."""


class Stage(StrEnum):
    """What a scan is doing."""

    READY = "ready"
    RUNNING = "running"
    NO_WORKERS = "no workers"
    NO_SCHEDULER = "no scheduler"
    NO_STORE = "no store"
    COMPLETE = "complete"


@dataclass(frozen=True)
class LevelProgress:
    """One resolution: cells that are done, of them failed, and all of them (an upper limit until it is planned).

    `cell_seconds` is the mean time for a cell on one thread; None while no cell was timed.
    """

    nside: int
    done: int
    failed: int
    total: int
    cell_seconds: float | None = None


@dataclass(frozen=True)
class SlowCell:
    """A cell that took long, by its NUNIQ number."""

    uniq: int
    seconds: float
    worker: str


@dataclass(frozen=True)
class BestSoFar:
    """The best fit of what is in: degrees, ICRS, and the area of the 90 % region around it (`DEFAULT_CALIBRATION`)."""

    ra: float
    dec: float
    nllh: float
    area_90_deg2: float


@dataclass(frozen=True)
class Progress:
    """How far a scan is.

    Attributes
    ----------
    stage : Stage
    trouble : str or None
        What is in the way at present, in words.
    levels : tuple of LevelProgress
        From coarse to fine.
    seconds : float
        Since the workers were ready, or the scan was resumed.
    rate, mean_rate : float
        Cells per second in the last `LATELY` seconds, and since then.
    eta : float or None
        Seconds that it will still take; None while there is nothing to tell it from.
    slowest : tuple of SlowCell
        The slowest first.
    best : BestSoFar or None
    workers, threads : int
        Of the cluster.
    """

    stage: Stage
    trouble: str | None
    levels: tuple[LevelProgress, ...]
    seconds: float
    rate: float
    mean_rate: float
    eta: float | None
    slowest: tuple[SlowCell, ...]
    best: BestSoFar | None
    workers: int
    threads: int

    @property
    def done(self) -> int:
        """Cells that were evaluated, of all levels."""
        return sum(level.done for level in self.levels)

    @property
    def total(self) -> int:
        """Cells of all levels."""
        return sum(level.total for level in self.levels)

    @property
    def nside(self) -> int:
        """The finest level of which something is in, 0 if nothing is."""
        return max((level.nside for level in self.levels if level.done), default=0)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-like values."""
        return {**asdict(self), "done": self.done, "total": self.total, "nside": self.nside}


class Tracker:
    """Counts what comes in.

    Parameters
    ----------
    totals : mapping of int to int
        Cells by nside.
    rows : Rows
        What the scan starts from, and into which its results go.
    """

    def __init__(self, totals: Mapping[int, int], rows: Rows) -> None:
        self._totals, self._rows = dict(totals), rows
        self._done: Counter[int] = Counter()
        self._failed: Counter[int] = Counter()
        self._slowest: list[SlowCell] = []
        self._spent: dict[int, tuple[float, int]] = {}  # by nside: worker seconds, and of how many cells
        self._best: BestSoFar | None = None
        self._looked = (float("-inf"), 0.0)
        self._count(rows.uniq, rows.fit)
        self._before = self._done.total()
        self.start()

    def start(self) -> None:
        """Start the clock."""
        self._began = time.monotonic()
        self._lately = deque([(self._began, self._before)])

    def add(self, block: Block, fit: Fit, cost: Cost | None) -> None:
        """Count a block."""
        self._count(block.cells, fit)
        if cost is None:
            return
        nside = int(sky.nside_of(block.cells[0]))
        seconds, cells = self._spent.get(nside, (0.0, 0))
        self._spent[nside] = seconds + float(cost.seconds.sum()), cells + len(block.cells)
        self._note_slow(block.cells, cost)

    def progress(self, stage: Stage, trouble: str | None = None, workers: int = 0, threads: int = 0) -> Progress:
        """Return how far the scan is now."""
        now, done = time.monotonic(), self._done.total()
        while len(self._lately) > 1 and self._lately[0][0] < now - LATELY:
            self._lately.popleft()
        since, before = self._lately[0]
        self._lately.append((now, done))
        seconds = now - self._began
        rate = (done - before) / (now - since) if now > since else 0.0
        mean = (done - self._before) / seconds if seconds else 0.0
        levels = tuple(self._level(nside) for nside in sorted(self._totals))
        self._look(now, final=stage == Stage.COMPLETE)
        eta = self._eta(levels, seconds)
        return Progress(
            stage, trouble, levels, seconds, rate, mean, eta, tuple(self._slowest), self._best, workers, threads
        )

    def complete(self) -> None:
        """Take the rows for all there is: a cone or failed cells make them fewer, and what was done in vain is gone."""
        self._done.clear()
        self._failed.clear()
        self._count(self._rows.uniq, self._rows.fit)
        self._totals = {nside: self._done[nside] for nside in self._totals}

    def _count(self, uniq: Ints, fit: Fit) -> None:
        nside, failed = sky.nside_of(uniq), fit.status == Status.FAILED
        for cells, counter in ((nside, self._done), (nside[failed], self._failed)):
            sides, counts = np.unique(cells, return_counts=True)
            counter.update(dict(zip(sides.tolist(), counts.tolist(), strict=True)))

    def _level(self, nside: int) -> LevelProgress:
        done = self._done[nside]
        spent, timed = self._spent.get(nside, (0.0, 0))
        total = max(done, self._totals[nside])
        return LevelProgress(nside, done, self._failed[nside], total, spent / timed if timed else None)

    def _note_slow(self, cells: Ints, cost: Cost) -> None:
        """Keep the slowest; of a block that was timed as a whole its first cell stands for all."""
        row = int(np.argmax(cost.seconds))
        cell = SlowCell(int(cells[row]), float(cost.seconds[row]), cost.worker)
        self._slowest = sorted([*self._slowest, cell], key=lambda slow: -slow.seconds)[:SLOWEST]

    def _eta(self, levels: tuple[LevelProgress, ...], seconds: float) -> float | None:
        """Return what is left, in worker seconds, over worker seconds per second so far."""
        spent = sum(used for used, _ in self._spent.values())
        if not spent or not seconds:
            return None
        left, cost = 0.0, 0.0
        for level in levels:  # a level of which nothing is known costs as much as the one before
            used, cells = self._spent.get(level.nside, (cost, 1))
            cost = used / cells
            left += (level.total - level.done) * cost
        return left * seconds / spent

    def _look(self, now: float, *, final: bool) -> None:
        """Find the best fit and the region so far, unless that was done a moment ago."""
        before, took = self._looked
        if final or self._best is None or now > before + max(1.0, took / LOOK_SHARE):
            began = time.perf_counter()
            self._best = best_so_far(self._rows) or self._best
            self._looked = now, time.perf_counter() - began


def best_so_far(rows: Rows) -> BestSoFar | None:
    """Return the best fit and the 90 % region of rows; None if nothing was fitted yet."""
    data = skymap.create(rows.uniq, rows.fit, {"complete": False})
    try:
        row = skymap.best(data)
    except ReadError:
        return None
    ra, dec = (float(np.degrees(angle[0])) for angle in sky.centers(rows.uniq[row : row + 1]))
    area = region.region(data, 0.9).area_deg2
    return BestSoFar(ra, dec, float(rows.fit.nllh[row]), area)
