"""Scans on a real SLURM: jobs that are cancelled, suspended or leave are replaced, and none is left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import xarray as xr
import yaml
from distributed import Client

from skymist import cluster
from skymist.errors import RequestError, ScanError
from skymist.model.request import parse_levels
from skymist.workflow.events import load_event
from skymist.workflow.scan import load_reconstruction, scan_event

pytestmark = pytest.mark.integration

RIG = Path(__file__).parents[3] / "shared" / "slurm"
EVENT = "events/138632_31747601.json"
CONFIG = {
    "kind": "slurm", "threads": 1, "memory": "512 MB", "walltime": "00:10:00", "margin_s": 60,
    "minimum": 1, "maximum": 3, "idle_s": 2, "worker_ttl_s": 5, "wait_s": 60,
    "interface": "lo", "scheduler_host": "127.0.0.1",
}  # fmt: skip


def ask(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def works() -> bool:
    try:
        return bool(subprocess.run(["sinfo", "--noheader"], check=True, capture_output=True, timeout=10).stdout)
    except (subprocess.SubprocessError, OSError):
        return False


def missing(reason: str) -> None:
    if os.environ.get("SKYMIST_REQUIRE_SHARED"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module", autouse=True)
def slurm() -> Iterator[None]:
    """The SLURM that is here, or the one-node SLURM of the reference rig."""
    if works():
        yield
        return
    if not RIG.is_dir() or os.getuid() != 0:
        missing("needs SLURM, or the rig in ../shared/slurm and the rights of root")
    subprocess.run([RIG / "slurm-up", "4", "test"], check=True, timeout=300)
    yield
    subprocess.run([RIG / "slurm-down"], check=True, timeout=60)


def jobs_of_scans(states: str) -> list[str]:
    lines = ask("squeue", "--noheader", "--format=%A %j", f"--states={states}").splitlines()
    return [line.split()[0] for line in lines if " skymist-" in line]


@pytest.fixture
def queue() -> Callable[..., list[str]]:
    """Tells the jobs of scans that came after the test began, whoever else uses this SLURM."""
    every = "PD,R,S,CF,CG"
    before = set(jobs_of_scans(every))
    return lambda states=every: [job for job in jobs_of_scans(states) if job not in before]


@pytest.fixture
def configure(tmp_path: Path, queue: Callable[..., list[str]]) -> Iterator[Callable[..., str]]:
    """Writes a configuration and returns its file; at the end, none of its jobs is left."""

    def write(**values: Any) -> str:
        file, folder = tmp_path / "rig.yaml", str(tmp_path / "jobs")
        file.write_text(yaml.safe_dump({**CONFIG, "shared_directory": folder, "log_directory": folder, **values}))
        return str(file)

    yield write
    left = queue()
    if left:
        ask("scancel", *left)
    assert not left
    assert not [process for process in psutil.process_iter() if str(tmp_path) in " ".join(words_of(process))]
    assert not list((tmp_path / "jobs").glob("tls-*"))  # the key is gone, too


def words_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def until(happened: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.2)


def workers_of(client: Client) -> set[str]:
    return set(client.scheduler_info(n_workers=-1)["workers"])


def by_cell(skymap: xr.Dataset) -> xr.Dataset:
    return skymap.isel(cell=np.argsort(skymap["uniq"].to_numpy())).drop_attrs()


def test_a_scan_survives_that_one_job_is_cancelled_and_another_suspended(
    configure: Callable[..., str], queue: Callable[..., list[str]], shared: Path, tmp_path: Path
) -> None:
    event, bowl = load_event(str(shared / EVENT)), load_reconstruction("bowl", {"seconds": 0.06})
    levels, seen = parse_levels("8:0,16:12"), set()
    disturbed: list[str] = []

    def disturb(step: Any) -> None:
        running = queue("R")
        seen.update(running)
        if not disturbed and len(running) == 4 and step.done > 20:
            disturbed.extend(running[:2])
            ask("scancel", running[0])
            ask("scontrol", "suspend", running[1])

    found = scan_event(event, bowl, levels, out=tmp_path, cluster_name=configure(), workers=4, on_progress=disturb)
    assert len(disturbed) == 2
    assert len(seen) > 4  # somebody came instead
    local = scan_event(event, load_reconstruction("bowl", {}), levels, out=tmp_path, workers=2)
    xr.testing.assert_identical(by_cell(found), by_cell(local))
    assert len(np.unique(found["uniq"])) == found.sizes["cell"] == 768 + 48


def test_jobs_come_for_work_and_go_without(configure: Callable[..., str], queue: Callable[..., list[str]]) -> None:
    with cluster.connect(configure()) as client:
        futures = client.map(time.sleep, [0.5] * 30, pure=False)
        until(lambda: len(workers_of(client)) == 3)
        client.gather(futures)
        until(lambda: len(workers_of(client)) == 1)
        until(lambda: len(queue()) == 1)


def test_workers_leave_before_the_walltime_ends_and_others_come(configure: Callable[..., str]) -> None:
    with cluster.connect(configure(walltime="00:00:14", margin_s=6), 1) as client:
        first = workers_of(client)
        until(lambda: workers_of(client) - first)
        assert client.submit(int, 1).result() == 1


def test_everything_is_encrypted_unless_told_otherwise(configure: Callable[..., str], tmp_path: Path) -> None:
    with cluster.connect(configure(processes=2)) as client:
        address = client.scheduler.address
        assert address.startswith("tls://127.0.0.1:")
        assert {worker.partition("://")[0] for worker in client.nthreads()} == {"tls"}
        (folder,) = (tmp_path / "jobs").glob("tls-*")
        assert {path.stat().st_mode & 0o077 for path in (folder, *folder.iterdir())} == {0}
        with pytest.raises(ScanError, match="no scheduler answers at tls://"), cluster.connect(address):
            pass
        client.wait_for_workers(2)
    with cluster.connect(configure(tls=False)) as client:
        assert client.scheduler.address.startswith("tcp://127.0.0.1:")
        with cluster.connect(client.scheduler.address) as other:
            assert other.submit(int, 1).result() == 1


def test_an_error_inside_leaves_no_job(configure: Callable[..., str], queue: Callable[..., list[str]]) -> None:
    with pytest.raises(RuntimeError, match="mine"), cluster.connect(configure(), 2):
        raise RuntimeError("mine")
    assert queue() == []


def test_interrupted_it_leaves_no_job(
    configure: Callable[..., str], queue: Callable[..., list[str]], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "skymist", "scan", "demo", "--reco", "bowl", "--option", "seconds=0.5"]
    process = subprocess.Popen(
        [*command, "--cluster", configure(), "--out", str(tmp_path)], stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    until(lambda: list(tmp_path.glob("*.zarr/uniq/c/0")) or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    notes = process.communicate(timeout=60)[1]
    assert process.returncode == 130, notes
    assert "Traceback" not in notes
    assert queue() == []


@pytest.mark.parametrize(
    ("values", "said"),
    [({"partition": "nowhere"}, "nvalid partition"), ({"prologue": ["echo no luck; exit 1"]}, "no luck")],
)
def test_jobs_that_never_work_are_told(configure: Callable[..., str], values: dict[str, Any], said: str) -> None:
    with pytest.raises(ScanError, match=said), cluster.connect(configure(**values)):
        pass


def test_jobs_that_only_wait_are_told(configure: Callable[..., str]) -> None:
    with (
        pytest.raises(ScanError, match="no worker after 3 s; the queue says: PENDING"),
        cluster.connect(configure(threads=999, wait_s=3)),
    ):
        pass


@pytest.mark.parametrize("values", [{"scheduler_host": "192.0.2.1"}, {"scheduler_host": None, "interface": "ib77"}])
def test_a_place_where_the_scheduler_cannot_listen_is_told(
    configure: Callable[..., str], values: dict[str, Any]
) -> None:
    with (
        pytest.raises(RequestError, match=r"cannot listen on (192\.0\.2\.1|ib77)"),
        cluster.connect(configure(**values)),
    ):
        pass


def test_check_says_what_works(configure: Callable[..., str]) -> None:
    answer = ask(sys.executable, "-m", "skymist", "cluster", "check", configure(), "--json")
    document = json.loads(answer)
    steps = [step["name"] for step in document["steps"]]
    assert document["ok"]
    assert steps == ["configuration", "sbatch", "squeue", "scancel", "worker", "versions", "scan", "cleaned up"]
