"""Evaluation on Dask: complete, whatever goes wrong on the way."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from distributed import Client

from skymist import cluster
from skymist.detector.geometry import icecube_86
from skymist.errors import ScanError
from skymist.model import sky
from skymist.model.event import Event, Pulses
from skymist.model.reconstruction import Directions, Fit, Status
from skymist.model.request import Level, ScanRequest
from skymist.model.sky import Ints
from skymist.scan.run import MemoryRows, Progress, run


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


def scanned(client: Client, reconstruction: Slope, rows: MemoryRows | None = None) -> tuple[MemoryRows, list[Progress]]:
    rows = rows or MemoryRows()
    return rows, list(run(request(), event(), reconstruction, client, rows))


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


@pytest.mark.parametrize("stop_after", [1, 2, 3, 6])
def test_a_closed_scan_goes_on_to_the_same_map(client: Client, stop_after: int) -> None:
    rows = MemoryRows()
    steps = run(request(), event(), Slope(), client, rows)
    for _ in range(stop_after):
        next(steps)
    steps.close()
    assert rows.uniq.size < 288
    scanned(client, Slope(), rows)
    straight, _ = scanned(client, Slope())
    for one, other in zip(by_cell(rows), by_cell(straight), strict=True):
        assert np.array_equal(one, other)


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
