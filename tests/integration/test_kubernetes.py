"""Scans on pods of a real Kubernetes API server, with the operator of dask-kubernetes; pods are local processes."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import xarray as xr
import yaml

from skymist.store.zarr import read_skymap

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SLOW = "--reco", "bowl", "--option", "seconds=0.03"
LEVELS = "--levels", "4:0,16:12,64:12"
PATIENCE_S = 90


@dataclass(frozen=True)
class Rig:
    """The cluster under test and how to talk to it without any of the code under test."""

    folder: Path
    home: Path
    event: Path

    def run(self, *command: str, **how: Any) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "KUBE_RIG_HOME": str(self.home), "KUBE_RIG_MAX_S": "1200"}
        return subprocess.run(
            [str(self.folder / command[0]), *command[1:]], env=environment, text=True, capture_output=True, timeout=200
        )

    def api(self, method: str, path: str) -> Any:
        token, url = ((self.home / name).read_text().strip() for name in ("token", "url"))
        with httpx.Client(verify=False, headers={"Authorization": f"Bearer {token}"}, trust_env=False) as client:
            return client.request(method, url + path).json()

    def names(self, what: str, labels: str = "") -> list[str]:
        base = "/apis/kubernetes.dask.org/v1" if what.startswith("dask") else "/api/v1"
        found = self.api("GET", f"{base}/namespaces/default/{what}?labelSelector={labels}")["items"]
        return [it["metadata"]["name"] for it in found if "deletionTimestamp" not in it["metadata"]]

    def workers(self) -> list[str]:
        return self.names("pods", "dask.org/component=worker")

    def suspend(self, pod: str) -> None:
        """Let a pod fall silent, as if its node had been cut off."""
        (started,) = [line.split() for line in (self.home / "logs/kubelet.log").read_text().splitlines() if pod in line]
        os.killpg(int(started[4]), signal.SIGSTOP)

    def is_clean(self) -> bool:
        left = [self.api("GET", f"/api/v1/namespaces/default/{it}?labelSelector={OURS}") for it in KINDS]
        return not any(it["items"] for it in left) and not self.names("daskclusters")

    def start(self, *arguments: str, inside: bool = False) -> "subprocess.Popen[str]":
        """Start Python where Kubernetes is found; inside of the cluster, where its service names resolve."""
        environment = {
            **os.environ,
            "KUBECONFIG": str(self.home / "kubeconfig"),
            "KUBE_RIG_HOME": str(self.home),
            "PYTHONPATH": f"{ROOT}:{self.folder / 'shim'}",
            "PYTHONWARNINGS": "ignore:Kubernetes version",
        }
        command = [*([str(self.folder / "with-cluster-dns")] if inside else []), sys.executable, *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment, start_new_session=True)

    def scan(self, config: Path, out: Path, *options: str, inside: bool = False) -> "subprocess.Popen[str]":
        where = "--cluster", str(config), "--out", str(out), "--json"
        return self.start("-m", "skymist", "scan", str(self.event), *where, *options, inside=inside)


KINDS = "pods", "services", "secrets"
OURS = "app.kubernetes.io/managed-by=skymist"


@pytest.fixture(scope="module")
def bare(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A control plane that has never heard of Dask."""
    if os.geteuid() != 0:
        pytest.skip("the stand-in kubelet needs root")
    event = shared / "events" / "138632_31747601.json"
    rig = Rig(shared.resolve().parent / "kubernetes", tmp_path_factory.mktemp("kube"), event)
    try:
        done = rig.run("kube-up")
        assert done.returncode == 0, done.stderr
        yield rig
    finally:
        rig.run("kube-down", "--purge")


@pytest.fixture(scope="module")
def without_operator(bare: Rig, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a scan says there."""
    folder = tmp_path_factory.mktemp("bare")
    scan = bare.scan(write(folder), folder, "--reco", "bowl", *LEVELS)
    _, notes = scan.communicate(timeout=60)
    assert scan.returncode == 2, notes
    return notes


@pytest.fixture(scope="module")
def rig(bare: Rig, without_operator: str) -> Rig:
    done = bare.run("kube-up", sys.executable)
    assert done.returncode == 0, done.stderr
    return bare


def write(folder: Path, **values: Any) -> Path:
    """Write a configuration for pods that are processes of this machine: they cannot use Secrets."""
    here = {"tls": "environment", "service_type": "LoadBalancer", "environment": {"PYTHONPATH": str(ROOT)}}
    path = folder / "rig.yaml"
    path.write_text(yaml.safe_dump({"kind": "kubernetes", "start_timeout_s": 60, **here, **values}))
    return path


def wait_until(found: Callable[[], Any], process: "subprocess.Popen[str] | None" = None) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (it := found()):
        assert process is None or process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
    return it


def rows(out: Path) -> int:
    """Return how many cells are in the store."""
    metadata = [json.loads(path.read_text()) for path in out.glob("*.zarr/zarr.json")]
    return sum(it["attributes"].get("rows", 0) for it in metadata)


def finish(process: "subprocess.Popen[str]") -> xr.Dataset:
    answer, notes = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, notes
    return by_cell(read_skymap(Path(json.loads(answer)["outputs"]["zarr"])))


def by_cell(skymap: xr.Dataset) -> xr.Dataset:
    return skymap.isel(cell=np.argsort(skymap["uniq"].to_numpy())).drop_attrs()


def scan_here(rig: Rig, out: Path, *options: str) -> xr.Dataset:
    command = [sys.executable, "-m", "skymist", "scan", str(rig.event), "--json", "--out", str(out), *options]
    answer = subprocess.run(command, check=True, text=True, capture_output=True, timeout=PATIENCE_S).stdout
    return by_cell(read_skymap(Path(json.loads(answer)["outputs"]["zarr"])))


def test_without_the_operator_it_says_how_to_install_it(without_operator: str) -> None:
    assert "the operator is missing; install it with Helm" in without_operator
    assert "Traceback" not in without_operator


def test_a_scan_that_loses_pods_ends_with_the_same_map(rig: Rig, tmp_path: Path) -> None:
    out = tmp_path / "pods"
    scan = rig.scan(write(tmp_path, worker_ttl_s=5), out, *SLOW, *LEVELS, "--workers", "2")
    wait_until(lambda: rows(out) >= 20 and len(rig.workers()) == 2, scan)
    assert len(rig.names("pods", OURS)) == 3
    assert not rig.names("daskautoscalers")  # exactly two workers were asked for
    check_what_is_open(rig)
    silent, other = rig.workers()
    rig.suspend(silent)
    wait_until(lambda: rows(out) >= 200, scan)
    rig.api("DELETE", f"/api/v1/namespaces/default/pods/{other}")
    lossy = finish(scan)
    assert np.unique(lossy["uniq"]).size == lossy["uniq"].size
    xr.testing.assert_identical(lossy, scan_here(rig, tmp_path / "here", "--reco", "bowl", *LEVELS))
    wait_until(rig.is_clean)


def test_a_scan_that_loses_its_scheduler_goes_on_with_another_cluster(rig: Rig, tmp_path: Path) -> None:
    out = tmp_path / "pods"
    scan = rig.scan(write(tmp_path), out, *SLOW, *LEVELS, "--workers", "1")
    wait_until(lambda: rows(out) >= 20, scan)
    (scheduler,) = rig.names("pods", "dask.org/component=scheduler")
    rig.api("DELETE", f"/api/v1/namespaces/default/pods/{scheduler}")
    xr.testing.assert_identical(finish(scan), scan_here(rig, tmp_path / "here", "--reco", "bowl", *LEVELS))
    wait_until(rig.is_clean)


def check_what_is_open(rig: Rig) -> None:
    """The load balancer leads to the scheduler alone, which talks to nobody without the certificate."""
    (name,) = [it for it in rig.names("services") if it.endswith("-client")]
    service = rig.api("GET", f"/api/v1/namespaces/default/services/{name}")
    assert [it["port"] for it in service["spec"]["ports"]] == [8786]
    address = service["status"]["loadBalancer"]["ingress"][0]["ip"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address, 8787), timeout=5)
    anyone = ssl.create_default_context()
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((address, 8786), timeout=5) as plain,
        anyone.wrap_socket(plain) as encrypted,
        pytest.raises(ssl.SSLError, match="certificate required"),
    ):
        encrypted.recv(1)


def test_inside_the_cluster_no_load_balancer_is_needed(rig: Rig, tmp_path: Path) -> None:
    track = "--reco", "track-mpe", "--levels", "8:0,32:12"
    config = write(tmp_path, service_type="ClusterIP")
    found = finish(rig.scan(config, tmp_path / "pods", *track, "--workers", "1", inside=True))
    here = scan_here(rig, tmp_path / "here", *track)
    xr.testing.assert_identical(found, here)
    wait_until(rig.is_clean)


ADAPT = """
import sys, time
from pathlib import Path
from skymist import cluster

def sleep(number):
    time.sleep(0.1)
    return number

with cluster.connect(sys.argv[1]) as client:
    def count():
        return len(client.scheduler_info(n_workers=-1)["workers"])
    while count() < 2:
        assert client.gather(client.map(sleep, range(8), pure=False)) == list(range(8))
    print("grown", flush=True)
    while count() > 1:
        time.sleep(0.2)
    print("shrunk", flush=True)
    raise RuntimeError("the end")
"""


@contextmanager
def slow_to_make_pods(rig: Rig, seconds: float) -> Iterator[None]:
    """Let Kubernetes take its time from a deployment to its pod, as a busy one does."""
    group = int((rig.home / "run/controller-manager.pid").read_text().split()[0])
    os.killpg(group, signal.SIGSTOP)
    try:
        yield
        wait_until(lambda: rig.names("daskclusters"))
        time.sleep(seconds)
    finally:
        os.killpg(group, signal.SIGCONT)


def test_workers_come_with_the_work_and_go_even_after_an_error(rig: Rig, tmp_path: Path) -> None:
    script = tmp_path / "adapt.py"
    script.write_text(ADAPT)
    with slow_to_make_pods(rig, 2 + 1):  # the operator waits 2 s for a pod, and a minute after it has failed
        process = rig.start(str(script), str(write(tmp_path, minimum=1, maximum=2)))
    answer, notes = process.communicate(timeout=PATIENCE_S)
    assert answer.split() == ["grown", "shrunk"], notes
    assert "RuntimeError: the end" in notes
    assert "try again in 60 seconds" not in (rig.home / "logs/operator.log").read_text()
    wait_until(rig.is_clean)


def test_what_a_killed_client_leaves_is_deleted(rig: Rig, tmp_path: Path) -> None:
    scan = rig.scan(write(tmp_path, idle_timeout_s=3), tmp_path, *SLOW, *LEVELS, "--workers", "1")
    wait_until(lambda: rows(tmp_path) > 0, scan)
    scan.send_signal(signal.SIGKILL)
    scan.communicate()
    assert rig.names("daskclusters")
    wait_until(rig.is_clean)


def test_an_interrupted_scan_leaves_nothing(rig: Rig, tmp_path: Path) -> None:
    scan = rig.scan(write(tmp_path), tmp_path, *SLOW, *LEVELS, "--workers", "1")
    wait_until(lambda: rows(tmp_path) > 0, scan)
    scan.send_signal(signal.SIGINT)
    _, notes = scan.communicate(timeout=PATIENCE_S)
    assert scan.returncode == 130, notes
    wait_until(rig.is_clean)


def test_pods_that_cannot_start_are_told_and_deleted(rig: Rig, tmp_path: Path) -> None:
    """The kubelet here refuses Secrets, which are the default."""
    scan = rig.scan(write(tmp_path, tls="secret", start_timeout_s=8), tmp_path, *SLOW, *LEVELS)
    wait_until(lambda: rig.names("secrets", OURS), scan)
    _, notes = scan.communicate(timeout=PATIENCE_S)
    assert scan.returncode == 1, notes
    assert "its scheduler is not ready (8 s); pod skymist-" in notes
    assert "CreateContainerConfigError" in notes
    assert "Traceback" not in notes
    assert not rig.names("daskclusters")  # the operator may still need a minute for what it owned
