"""Clusters by name."""

import os
import socket
import struct
import threading
from pathlib import Path
from typing import Any

import dask
import psutil
import pytest
from distributed import LocalCluster, Security

from skymist import cluster
from skymist.cluster.leaving import leaving
from skymist.errors import RequestError, ScanError, SchedulerLostError, UnknownNameError

LOOPBACK: dict[str, Any] = {
    "host": "127.0.0.1",
    "dashboard_address": "127.0.0.1:0",
    "worker_dashboard_address": "127.0.0.1:0",
}


@pytest.mark.parametrize("name", ["local", "local-processes"])
def test_nothing_listens_beyond_the_loopback_interface(name: str) -> None:
    with cluster.connect(name, 2) as client:
        assert sum(client.nthreads().values()) == 2
        me = psutil.Process(os.getpid())
        listening = {
            connection.laddr.ip
            for process in (me, *me.children(recursive=True))
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening <= {"127.0.0.1"}


def test_unknown_names_and_numbers_are_refused() -> None:
    with (
        pytest.raises(UnknownNameError, match=r"no cluster is called 'cloud'; there are: .*local, local-processes"),
        cluster.connect("cloud"),
    ):
        pass
    with pytest.raises(RequestError, match="at least one worker"), cluster.connect("local", 0):
        pass


def test_the_number_of_workers_is_that_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "local.yaml").write_text("workers: 3")
    with cluster.connect("local", folder=tmp_path) as client:
        assert sum(client.nthreads().values()) == 3
    assert cluster.show("local", tmp_path) == "local: 3 threads of one process of this machine; nothing is submitted\n"


def test_a_scheduler_that_runs_is_used_and_left_alone() -> None:
    with cluster.connect("local-processes", 1) as running:
        address = running.scheduler.address
        for _ in range(2):
            with cluster.connect(address) as client:
                assert client.submit(int, 1).result() == 1
        with pytest.raises(RequestError, match="leave out --workers"), cluster.connect(address, 2):
            pass
    assert "nothing is submitted" in cluster.show("tls://127.0.0.1:8786")


def test_an_encrypted_scheduler_takes_the_certificates_of_dasks_configuration(tmp_path: Path) -> None:
    """As somebody's `dask scheduler --tls-...` would be used; without certificates the way in is shut."""
    secret = Security.temporary()
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_text(secret.tls_ca_file)
    key.write_text(secret.tls_client_key)
    ours = {"ca-file": certificate, "client.cert": certificate, "client.key": key}
    with LocalCluster(protocol="tls", security=secret, n_workers=1, processes=False, **LOOPBACK) as encrypted:
        address = encrypted.scheduler_address
        assert address.startswith("tls://")
        with (
            dask.config.set({f"distributed.comm.tls.{k}": str(v) for k, v in ours.items()}),
            cluster.connect(address) as client,
        ):
            assert client.submit(int, 1).result() == 1
        with pytest.raises(ScanError, match=f"no scheduler answers at {address}"), cluster.connect(address):
            pass


@pytest.mark.parametrize("name", ["local", "local-processes"])
def test_the_profiler_that_can_lock_a_worker_up_does_not_run(name: str) -> None:
    with dask.config.set({"distributed.worker.profile.enabled": True}), cluster.connect(name, 1) as client:
        (enabled,) = client.run(dask.config.get, "distributed.worker.profile.enabled").values()
        assert not enabled
    assert "PROFILE__ENABLED=False" in cluster.show("slurm")
    assert "name: DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED\n          value: 'False'" in cluster.show("kubernetes")


def test_a_scheduler_that_dies_while_it_says_hello_is_waited_for() -> None:
    first = socket.create_server(("127.0.0.1", 0))
    port = first.getsockname()[1]
    second: list[LocalCluster] = []

    def die_and_return() -> None:
        connection, _ = first.accept()
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing is a reset
        connection.close()
        first.close()
        second.append(LocalCluster(scheduler_port=port, n_workers=1, processes=False, **LOOPBACK))

    thread = threading.Thread(target=die_and_return)
    thread.start()
    try:
        with cluster.connect(f"tcp://127.0.0.1:{port}") as client:
            assert client.submit(int, 1).result() == 1
    finally:
        thread.join()
        second[0].close()


class Hopeless:
    """A client whose attempt to reach its scheduler again has died: closing it raises that, at whatever time."""

    status = "connecting"

    def close(self, timeout: float) -> None:
        assert timeout < 10
        if self.status != "closed":
            raise ValueError("IOStream is not idle; cannot convert to SSL")


def test_a_client_that_cannot_be_closed_does_not_hide_why() -> None:
    """As Distributed's own are when a scheduler dies behind a tunnel, one time out of three."""
    client: Any = Hopeless()
    with pytest.raises(SchedulerLostError, match="why"), leaving(client):
        raise SchedulerLostError("why")
    client.close(1)  # as when it is collected


def test_a_scheduler_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skymist.cluster.address.PATIENCE_S", 1)
    with (
        pytest.raises(ScanError, match=r"no scheduler answers at tcp://127\.0\.0\.1:9"),
        cluster.connect("tcp://127.0.0.1:9"),
    ):
        pass


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "tls://127.0.0.1", "tls://:1", "tls://host:port"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(RequestError, match="is not the address of a scheduler: tls://HOST:PORT"):
        cluster.show(address)
