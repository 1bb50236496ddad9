"""What a check of a cluster says; that it works is tested with the command line and on SLURM."""

import threading
from collections.abc import Iterator

import pytest
from distributed import Client

from skymist import cluster
from skymist.model.event import Event
from skymist.model.reconstruction import Fit
from skymist.model.sky import Ints
from skymist.workflow import check_cluster


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with cluster.connect("local", 1) as client:
        yield client


def test_other_versions_are_told() -> None:
    there = {**check_cluster._versions(), "numba": "0.1"}
    step = check_cluster._compare(there)
    assert not step.ok
    assert step.found.startswith("numba 0.1 there, ")
    assert "same versions" in step.hint


def test_other_values_are_told(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    true = check_cluster._evaluate

    def wrong_here(event: Event, cells: Ints) -> Fit:
        here = threading.current_thread() is threading.main_thread()
        return true(event, cells[::-1] if here else cells)

    monkeypatch.setattr(check_cluster, "_evaluate", wrong_here)
    *_, scan = check_cluster._work(client)
    assert not scan.ok
    assert "other values than here" in scan.found


def test_what_a_worker_raises_is_told(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_cluster, "_versions", lambda: 1 / 0)
    (step,) = check_cluster._work(client)
    assert step.found == "the worker says: ZeroDivisionError: division by zero"
    assert "key python" in step.hint
