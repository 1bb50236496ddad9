"""Evaluation on Dask: complete, whatever goes wrong on the way."""

import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
from distributed import Client, LocalCluster, wait

from skymist import cluster
from skymist.detector.geometry import icecube_86
from skymist.errors import RequestError, ScanError
from skymist.model import sky
from skymist.model.event import Event, Pulses
from skymist.model.reconstruction import Directions, Fit, Status
from skymist.model.request import Level, ScanRequest
from skymist.model.rows import MemoryRows
from skymist.model.sky import Ints
from skymist.reco.bowl import Bowl
from skymist.scan.block import level_block, with_options
from skymist.scan.progress import Progress, Stage
from skymist.scan.run import Pace, run, scan_serially
from skymist.scan.workers import Done, Workers


@dataclass(frozen=True)
class Slope:
    """Lower to the north; raises, or answers nonsense, in the south if told to."""

    name: ClassVar[str] = "slope"
    version: ClassVar[str] = "1"
    raises_below: float = -2.0
    drops_rows: bool = False
    blind: bool = False

    def __call__(self, event: Event, directions: Directions, start: Fit | None) -> Fit:
        if (directions.dec < self.raises_below).any():
            raise RuntimeError("no light from there")
        if self.blind:
            return Fit.failed(len(directions))
        before = np.zeros(len(directions)) if start is None else start.nllh
        fit = Fit.failed(len(directions))
        whole = Fit(before - directions.dec, fit.energy_gev, fit.time_ns, fit.vertex, fit.status * 0)
        return whole[1:] if self.drops_rows else whole


@dataclass(frozen=True)
class Stuck:
    """Lower to the north; the coarse fits of every third cell mislead those that start from them by `trap`."""

    name: ClassVar[str] = "stuck"
    version: ClassVar[str] = "1"
    trap: float = 10.0

    def __call__(self, event: Event, directions: Directions, start: Fit | None) -> Fit:
        n = len(directions)
        bad = sky.cell_at(4, directions.ra, directions.dec) % 3 == 0
        misled = np.zeros(n) if start is None else self.trap * start.vertex[:, 0]
        mark = np.column_stack([bad, np.zeros(n), np.zeros(n)])
        return Fit(misled - directions.dec, np.full(n, np.nan), misled, mark, np.zeros(n))


def by_cell(rows: MemoryRows) -> tuple[Ints, np.ndarray]:
    order = np.argsort(rows.uniq)
    return rows.uniq[order], rows.fit.nllh[order]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with cluster.connect("local", 2) as client:
        yield client


def event() -> Event:
    nothing = Pulses(*(np.zeros(shape) for shape in ((0, 2), 0, 0, 0, 0)))  # type: ignore[arg-type]
    return Event(1, 2, np.datetime64("2020-01-01T00:00:00", "ns"), "test", icecube_86(), nothing)


def request(*levels: Level) -> ScanRequest:
    return ScanRequest(event().digest, "slope", "1", levels=levels or (Level(4, 0), Level(16, 6)))


def scanned(
    client: Client, reconstruction: Slope | Stuck, rows: MemoryRows | None = None, **changes: Any
) -> tuple[MemoryRows, list[Progress]]:
    rows = rows or MemoryRows()
    return rows, list(run(replace(request(), **changes), event(), reconstruction, client, rows))


def test_every_cell_once_and_progress_to_the_end(client: Client) -> None:
    rows, steps = scanned(client, Slope())
    assert np.unique(rows.uniq).size == rows.uniq.size == 192 + 6 * 16
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert steps[0].done == 0
    assert steps[-1].done == steps[-1].total == rows.uniq.size
    assert {step.nside for step in steps} == {0, 4, 16}


def test_finer_cells_start_from_their_own_parent(client: Client) -> None:
    rows, _ = scanned(client, Slope())
    fine = sky.nside_of(rows.uniq) == 16
    _, dec = sky.centers(rows.uniq)
    coarse = dict(zip(rows.uniq.tolist(), rows.fit.nllh.tolist(), strict=True))
    parents = np.array([coarse[cell] for cell in sky.parent(rows.uniq[fine], 4).tolist()])
    assert np.allclose(rows.fit.nllh[fine], parents - dec[fine])


@pytest.mark.parametrize("changes", [{}, {"seeds": 3}, {"level_options": {16: {"trap": 3.0}}}])
def test_a_serial_scan_gives_the_same_map(client: Client, changes: dict[str, Any]) -> None:
    rows, _ = scanned(client, Stuck(), **changes)
    data = scan_serially(replace(request(), **changes), event(), Stuck())
    order = np.argsort(data["uniq"].to_numpy())
    uniq, nllh = by_cell(rows)
    assert np.array_equal(data["uniq"].to_numpy()[order], uniq)
    assert np.array_equal(data["nllh"].to_numpy()[order], nllh)
    assert data.attrs["complete"]


def test_a_serial_scan_hides_no_error() -> None:
    with pytest.raises(RuntimeError, match="no light from there"):
        scan_serially(request(), event(), Slope(raises_below=-0.5))
    assert np.isnan(scan_serially(request(), event(), Slope(blind=True))["nllh"]).all()


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("stop_after", [1, 30, 100, 150])
def test_a_closed_scan_goes_on_to_the_same_map(client: Client, stop_after: int, seeds: int) -> None:
    rows = MemoryRows()
    steps = run(replace(request(), seeds=seeds), event(), Stuck(), client, rows)
    next(step for step in steps if step.done >= stop_after)
    steps.close()
    assert rows.uniq.size < 288
    scanned(client, Stuck(), rows, seeds=seeds)
    straight, _ = scanned(client, Stuck(), seeds=seeds)
    for one, other in zip(by_cell(rows), by_cell(straight), strict=True):
        assert np.array_equal(one, other)


def misled(rows: MemoryRows) -> np.ndarray:
    fine = sky.nside_of(rows.uniq) == 16
    _, dec = sky.centers(rows.uniq[fine])
    return np.asarray(rows.fit.nllh[fine] + dec > 5)


def test_several_seeds_help_where_the_parent_misleads(client: Client) -> None:
    one, _ = scanned(client, Stuck())
    several, _ = scanned(client, Stuck(), seeds=4)
    assert 0 < misled(one).sum() < misled(one).size
    assert not misled(several).any()
    assert several.uniq.size == one.uniq.size


def test_of_equal_seeds_the_parent_counts(client: Client) -> None:
    """With a trap too small to matter to a float every start is as good as the parent, whose trace is in the time."""
    rows, _ = scanned(client, Stuck(trap=1e-30), seeds=4)
    fine = sky.nside_of(rows.uniq) == 16
    assert np.array_equal(rows.fit.time_ns[fine] > 0, sky.parent(rows.uniq[fine], 4) % 3 == 0)
    assert 0 < (rows.fit.time_ns[fine] > 0).sum() < fine.sum()


def test_options_of_one_level_hold_there_only(client: Client) -> None:
    rows, _ = scanned(client, Stuck(), level_options={16: {"trap": 0.0}})
    assert not misled(rows).any()
    rows, _ = scanned(client, Stuck(trap=0.0), level_options={4: {"trap": 10.0}})
    assert not misled(rows).any()
    rows, _ = scanned(client, Stuck(trap=0.0), level_options={16: {"trap": 10.0}})
    assert misled(rows).any()


def test_options_are_changed_in_a_copy() -> None:
    stuck = Stuck(3.0)
    assert with_options(stuck, {}) is stuck
    assert with_options(stuck, {"trap": "4"}) == Stuck(4.0)
    with pytest.raises(RequestError, match="no option of stuck is called 'depth'"):
        with_options(stuck, {"depth": "4"})


def test_a_direction_that_always_raises_is_a_failed_cell_and_no_more(client: Client) -> None:
    rows, _ = scanned(client, Slope(raises_below=-1.3))
    _, dec = sky.centers(rows.uniq)
    assert np.array_equal(rows.fit.status == Status.FAILED, dec < -1.3)
    assert rows.uniq.size == 288
    assert 0 < (dec < -1.3).sum() < 10


def test_a_reconstruction_that_always_raises_is_told_with_its_error(client: Client) -> None:
    with pytest.raises(ScanError, match="slope fails everywhere: RuntimeError: no light from there"):
        scanned(client, Slope(raises_below=2.0))


def test_no_direction_fitted_is_an_error(client: Client) -> None:
    with pytest.raises(ScanError, match="slope could not fit any of 192 directions"):
        scanned(client, Slope(blind=True))


def test_a_wrong_number_of_rows_is_an_error(client: Client) -> None:
    with pytest.raises(ScanError, match="ValueError: slope returned"):
        scanned(client, Slope(drops_rows=True))


def test_results_are_not_kept_on_the_cluster(client: Client) -> None:
    rows, _ = scanned(client, Slope())
    assert rows.uniq.size
    deadline = time.monotonic() + 10
    while client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@dataclass(frozen=True)
class Slow:
    """Lower to the north; one cell of nside 4, the best of all or the worst, takes long."""

    name: ClassVar[str] = "slow"
    version: ClassVar[str] = "1"
    seconds: float = 1.0
    best: bool = True
    each: float = 0.0

    def __call__(self, event: Event, directions: Directions, start: Fit | None) -> Fit:
        n = len(directions)
        here = sky.cell_at(4, directions.ra, directions.dec) == SLOW_CELL
        time.sleep(self.each * n + self.seconds * (start is None and here.any()))
        nllh = np.where(here, -5.0 if self.best else 5.0, -directions.dec)
        return Fit(nllh, np.full(n, np.nan), np.zeros(n), np.zeros((n, 3)), np.zeros(n))


SLOW_CELL = 200


def test_idle_workers_go_ahead_of_a_slow_cell(client: Client) -> None:
    """While the slow cell is out, the level after it is evaluated: all of it but what depends on that cell."""
    asked, slow = request(Level(4, 0), Level(16, 48)), Slow(2.5, best=False, each=0.005)
    steps = run(asked, event(), slow, client, MemoryRows(), Pace(ahead=1.0))
    before = [step for step in steps if step.levels[0].done < 192]
    assert before[-1].levels[1].done >= 20 * 16


@pytest.mark.parametrize("ahead", [0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("best", [True, False])
def test_what_was_done_ahead_in_vain_is_dropped(client: Client, ahead: float, best: bool) -> None:
    rows = MemoryRows()
    *_, last = run(request(), event(), Slow(0.3, best), client, rows, Pace(ahead=ahead))
    assert (last.done, last.total) == (288, 288)
    serial = scan_serially(request(), event(), Slow(0.0, best))
    uniq, nllh = by_cell(rows)
    order = np.argsort(serial["uniq"].to_numpy())
    assert np.array_equal(uniq, serial["uniq"].to_numpy()[order])
    assert np.array_equal(nllh, serial["nllh"].to_numpy()[order])


def test_a_cell_that_hangs_fails_and_holds_up_nothing_else(client: Client) -> None:
    rows = MemoryRows()
    # The limit is long against any pause of a busy machine: other cells must not exceed it.
    steps = list(run(request(), event(), Slow(30.0), client, rows, Pace(cell_limit=3.0)))
    assert rows.uniq[rows.fit.status == Status.FAILED].tolist() == [SLOW_CELL]
    assert rows.uniq.size == 288
    assert steps[-1].levels[0].failed == 1
    assert steps[-1].stage is Stage.COMPLETE


def test_a_result_that_is_lost_with_its_worker_is_found_again() -> None:
    loopback = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=2, threads_per_worker=1, **loopback) as two, Client(two) as client:
        block = level_block(request(), Bowl(seconds=0.5), np.array([64]), MemoryRows())
        workers = Workers(client, event(), 0, 10.0, False)
        workers.waiting.append(block)
        workers.submit()
        (future,) = workers.flying
        wait([future])
        (holder,) = client.who_has(future)[future.key]
        client.run(lambda dask_worker: bool(dask_worker.loop.call_later(0.1, os._exit, 1)), workers=[holder])
        while future.status == "finished":
            time.sleep(0.001)
        done: list[Done] = []
        while workers.flying:
            done += workers.collect(0.1)
        assert [(found.block, len(found.fit)) for found in done] == [(block, 1)]
        workers.cancel()


def test_a_reconstruction_that_always_hangs_is_told(client: Client) -> None:
    with pytest.raises(ScanError, match=r"bowl fails everywhere: TimeLimitError: more than 0\.05 s"):
        list(run(request(), event(), Bowl(seconds=1.0), client, MemoryRows(), Pace(cell_limit=0.05)))


def test_a_scan_of_higher_priority_overtakes(client: Client) -> None:
    """Two threads are full of a long scan; the urgent one, which begins later, ends first."""
    ended: list[str] = []

    def scan(name: str, levels: tuple[Level, ...], priority: int) -> None:
        list(run(replace(request(), levels=levels), event(), Bowl(seconds=0.005), client, MemoryRows(), Pace(priority)))
        ended.append(name)

    background = [threading.Thread(target=scan, args=("background", (Level(8, 0),), 0)) for _ in range(3)]
    for thread in background:
        thread.start()
    time.sleep(0.5)
    scan("realtime", (Level(4, 0),), 100)
    for thread in background:
        thread.join()
    assert ended[0] == "realtime"


def test_progress_says_all_there_is_to_show(client: Client) -> None:
    rows = MemoryRows()
    steps = list(run(request(), event(), Bowl(seconds=0.002, fail_declination_deg=60), client, rows))
    assert steps[0].stage is Stage.READY
    assert {step.stage for step in steps[1:-1]} == {Stage.RUNNING}
    last = steps[-1]
    assert (last.workers, last.threads, last.trouble) == (1, 2, None)
    assert [level.nside for level in last.levels] == [4, 16]
    assert sum(level.failed for level in last.levels) == (rows.fit.status == Status.FAILED).sum() > 0
    assert last.eta == 0
    assert last.mean_rate == pytest.approx(288 / last.seconds)
    assert last.best is not None
    assert 0 < last.best.area_90_deg2 < 41253
    assert last.slowest[0].seconds >= 0.002
    json.dumps(last.to_dict(), allow_nan=False)
    middle = next(step for step in steps if step.done > 100)
    assert middle.eta is not None
    assert 0 < middle.eta < 60


def test_no_worker_is_told_and_waited_for() -> None:
    loopback = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=0, threads_per_worker=1, **loopback) as empty, Client(empty) as client:
        steps = run(request(), event(), Bowl(), client, MemoryRows())
        assert next(steps).stage is Stage.READY
        waiting = next(steps)
        assert waiting.stage is Stage.NO_WORKERS
        assert waiting.trouble == "no worker is connected"
        empty.scale(1)
        assert list(steps)[-1].done == 288


def test_rows_that_cannot_be_kept_are_told(client: Client) -> None:
    rows = MemoryRows()
    rows.trouble = "disk full"
    steps = list(run(request(), event(), Bowl(), client, rows))
    assert (steps[1].stage, steps[1].trouble) == (Stage.NO_STORE, "disk full")


@pytest.mark.parametrize(("name", "value"), [("ahead", 0.0), ("ahead", 1.1), ("cell_limit", 0.0)])
def test_a_pace_that_makes_no_sense_is_refused(name: str, value: float) -> None:
    with pytest.raises(RequestError, match=r"threshold|time limit"):
        Pace(**{name: value})
