"""Scans that are killed, interrupted or lose workers end with the same map."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from skymist import cluster
from skymist.model.request import ScanRequest, parse_levels
from skymist.scan.run import run
from skymist.store.zarr import SkyMapStore, read_skymap
from skymist.workflow.events import load_event
from skymist.workflow.scan import load_reconstruction

pytestmark = pytest.mark.integration

KILLS = int(os.environ.get("SKYMIST_KILLS", "4"))
SLOW = "seconds=0.004"
COMMAND = [sys.executable, "-m", "skymist", "scan", "demo", "--reco", "bowl", "--option", SLOW, "--json"]
LEVELS = "4:0,16:12,64:12"


def start(out: Path) -> "subprocess.Popen[str]":
    command = [*COMMAND, "--levels", LEVELS, "--out", str(out)]
    pipe = subprocess.PIPE
    # Tests in the background of a shell ignore interrupts, and would hand that down.
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, preexec_fn=heed_interrupts)


def heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def finish(process: "subprocess.Popen[str]") -> dict[str, object]:
    answer, notes = process.communicate(timeout=120)
    assert process.returncode == 0, notes
    return dict(json.loads(answer))


def by_cell(skymap: xr.Dataset) -> xr.Dataset:
    rows = np.argsort(skymap["uniq"].to_numpy())
    return skymap.isel(cell=rows).drop_attrs()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    document = finish(start(tmp_path_factory.mktemp("undisturbed")))
    return by_cell(read_skymap(Path(document["outputs"]["zarr"])))  # type: ignore[index]


def test_killed_at_random_moments_it_ends_with_the_same_map(undisturbed: xr.Dataset, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for number in range(KILLS):
        out = tmp_path / str(number)
        process = start(out)
        while not list(out.glob("*.zarr/zarr.json")):
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 2.5))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        document = finish(start(out))
        xr.testing.assert_identical(by_cell(read_skymap(Path(document["outputs"]["zarr"]))), undisturbed)  # type: ignore[index]


def test_interrupted_it_says_so_and_goes_on(undisturbed: xr.Dataset, tmp_path: Path) -> None:
    process = start(tmp_path)
    while not list(tmp_path.glob("*.zarr/uniq/c/0")):  # the first rows are on disk
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    answer, notes = process.communicate(timeout=60)
    assert process.returncode == 130
    assert answer == ""
    assert "the same command goes on" in notes
    assert "Traceback" not in notes
    (store,) = tmp_path.glob("*.zarr")
    before = read_skymap(store)
    assert not before.attrs["complete"]
    assert 0 < before.sizes["cell"] < undisturbed.sizes["cell"]
    finish(start(tmp_path))
    xr.testing.assert_identical(by_cell(read_skymap(store)), undisturbed)


def test_a_worker_killed_in_the_middle_costs_nothing(undisturbed: xr.Dataset, tmp_path: Path) -> None:
    event, bowl = load_event("demo"), load_reconstruction("bowl", {"seconds": 0.004})
    request = ScanRequest(event.digest, bowl.name, bowl.version, levels=parse_levels(LEVELS))
    killed = 0
    with cluster.connect("local-processes", 2) as client, SkyMapStore(tmp_path, {"scan_id": request.id}) as store:
        victim = next(iter(client.run(os.getpid).values()))
        for step in run(request, event, bowl, client, store):
            if step.done > 200 and not killed:
                os.kill(victim, signal.SIGKILL)
                killed = victim
        assert killed not in client.run(os.getpid).values()
    xr.testing.assert_identical(by_cell(read_skymap(tmp_path)), undisturbed)
