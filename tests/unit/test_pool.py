"""Clusters that stay up between scans."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from distributed import Client

from skymist import cluster
from skymist.cluster.pool import Pool


def test_a_cluster_is_shared_until_nobody_needs_it() -> None:
    with closing(Pool()) as pool:
        with pool.connect("local", 1) as first, pool.connect("local", 1) as second:
            assert first is second
            pool.rest(0)
            assert first.status == "running"
        pool.rest(60)
        with pool.connect("local", 1) as third:
            assert third is first
        pool.rest(0)
        assert first.status == "closed"


def test_one_that_was_lost_is_replaced() -> None:
    with closing(Pool()) as pool:
        with pool.connect("local", 1) as lost:
            lost.close()
            with pool.connect("local", 1) as other:
                assert other.submit(int, 1).result() == 1
        pool.rest(60)
        assert (lost.status, other.status) == ("closed", "running")


def test_one_that_cannot_be_stopped_is_told_and_holds_nothing_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = cluster.connect

    @contextmanager
    def unwilling(*words: object) -> Iterator[Client]:
        with whole("local", 1) as client:
            yield client
        raise TimeoutError("scancel does not answer")

    monkeypatch.setattr("skymist.cluster.connect", unwilling)
    pool = Pool()
    with pool.connect("anything"):
        pass
    pool.rest(0)
    assert "could not be stopped in good order" in caplog.text
    assert "scancel does not answer" in caplog.text
    pool.close()
