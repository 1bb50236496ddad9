"""What cells cost: said by reconstructions, measured by workers, kept with the map."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skymist.model import sky
from skymist.model.effort import converged, counting
from skymist.model.reconstruction import Fit, Reconstruction
from skymist.model.request import Level, parse_levels
from skymist.reco.cascade import Cascade
from skymist.reco.track_losses import TrackLosses
from skymist.reco.track_mpe import TrackMPE
from skymist.scan.run import Pace
from skymist.store.diagnostics import read_diagnostics
from skymist.store.zarr import SkyMapStore
from skymist.workflow import exports
from skymist.workflow.events import load_event
from skymist.workflow.scan import scan_event

LEVELS = parse_levels("1:0,2:3")


def test_rounds_are_counted_for_whoever_listens() -> None:
    assert converged(np.array([3, -4])).tolist() == [True, False]
    with counting() as effort:
        converged(np.array([5]))
        converged(np.array([], np.int64))
        assert converged(np.array([-2])).tolist() == [False]
    assert (effort.iterations, effort.evaluations) == (2, 7)
    with counting() as other:
        pass
    assert other.evaluations == 0


@pytest.mark.parametrize("reconstruction", [TrackMPE(), TrackLosses(), Cascade()], ids=lambda reco: reco.name)
def test_the_reconstructions_say_what_they_did(reconstruction: Reconstruction) -> None:
    event = load_event("demo")
    directions = sky.directions(event.detector, event.time, sky.all_cells(1)[:1])
    with counting() as effort:
        reconstruction(event, directions, None)
    assert 1 <= effort.iterations <= 30
    assert effort.evaluations > effort.iterations


def test_the_cost_of_each_cell_is_kept_with_the_map(tmp_path: Path) -> None:
    pace = Pace(diagnose=True)
    data = scan_event(load_event("demo"), TrackMPE(), LEVELS, out=tmp_path, cluster_name="local-processes", pace=pace)
    costs = read_diagnostics(data.encoding["source"])
    assert costs is not None
    assert sorted(costs["uniq"].to_numpy().tolist()) == sorted(data["uniq"].to_numpy().tolist())
    assert (costs["seconds"] > 0).all()
    assert (costs["evaluations"] >= costs["iterations"]).all()
    assert (costs["iterations"] > 0).all()
    assert set(costs["worker"].to_numpy().tolist()) <= {"0", "1"}
    table = pd.read_csv(io.BytesIO(exports.export(data, "csv").read_bytes()))
    assert {"seconds", "iterations", "evaluations", "worker"} <= set(table.columns)
    assert table["seconds"].notna().all()


def test_without_being_asked_nothing_is_kept(tmp_path: Path) -> None:
    data = scan_event(load_event("demo"), TrackMPE(), (Level(1, 0),), out=tmp_path)
    assert read_diagnostics(data.encoding["source"]) is None
    assert "seconds" not in exports.export(data, "csv").read_bytes().decode().partition("\n")[0]


def test_a_resumed_scan_adds_to_the_costs(tmp_path: Path) -> None:
    cells, path = sky.all_cells(1), tmp_path / "map.zarr"
    for part, worker in ((cells[:5], "a"), (cells[5:], "b")):
        with SkyMapStore(path, {"scan_id": "abc", "request": {"levels": [[1, 0]]}}) as store:
            store.append(part, Fit.failed(len(part)))
            store.note(part, part / 10, part, part, worker)
    costs = read_diagnostics(path)
    assert costs is not None
    assert np.array_equal(costs["uniq"], cells)
    assert np.array_equal(costs["seconds"], cells / 10)
    assert costs["worker"].to_numpy().tolist() == ["a"] * 5 + ["b"] * 7
