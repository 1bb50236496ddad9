"""Clusters by name."""

import os
from pathlib import Path

import psutil
import pytest

from skymist import cluster
from skymist.errors import RequestError, ScanError, UnknownNameError


@pytest.mark.parametrize("name", ["local", "local-processes"])
def test_nothing_listens_beyond_the_loopback_interface(name: str) -> None:
    with cluster.connect(name, 2) as client:
        assert sum(client.nthreads().values()) == 2
        me = psutil.Process(os.getpid())
        listening = {
            socket.laddr.ip
            for process in (me, *me.children(recursive=True))
            for socket in process.net_connections("inet")
            if socket.status == psutil.CONN_LISTEN
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
