"""What the operator's page knows, of a real service with a runner that works."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from serving import Site, opened, running, serving
from unit.test_api_alerts import notice

from skymist.api import ApiSettings
from skymist.app.models.operations import TABLES, Operations, latency_in_words
from skymist.app.visit import Look, Visit, Visitor
from skymist.client import connect
from skymist.errors import ReadError, RequestError
from skymist.records.tables import Publication, Scan, ScanState, now
from skymist.workflow import operations


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[ApiSettings]:
    with opened(tmp_path) as found:
        yield found


@pytest.fixture
def site(settings: ApiSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(operations, "FRESH_S", 0.0)
    monkeypatch.setattr(operations, "SLOW_FRESH_S", 0.0)
    with serving(settings) as found:
        yield found


@contextmanager
def seen_by(site: Site, role: str) -> Iterator[Operations]:
    with connect(site.url, site.tokens[role]) as client:
        model = Operations(Visit(client, Visitor("", role, role, Look())))
        model.look()
        yield model


def rows(model: Operations, name: str) -> list[list[dict[str, str]]]:
    (table,) = model.tables(name)
    assert {len(row) for row in table["rows"]} <= {len(table["columns"])}
    found: list[list[dict[str, str]]] = table["rows"]
    return found


def until(model: Operations, true: Callable[[], Any]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, model.document
        time.sleep(0.02)
        model.look()


def test_before_the_first_look_nothing_is_claimed(site: Site) -> None:
    with connect(site.url, site.tokens["viewer"]) as client:
        model = Operations(Visit(client, Visitor("", "v", "viewer", Look())))
        assert (model.headline, model.figures, model.tables(*TABLES), model.stages) == ("Looking…", {}, [], [])


def test_a_service_that_works_is_told_in_words(site: Site, settings: ApiSettings) -> None:
    with running(settings, dask_dashboard=True), seen_by(site, "operator") as model:
        site.scan(site.event())
        until(model, lambda: model.document["clusters"] and model.document["clusters"][0]["dashboard"])
        until(model, lambda: not model.document["scans"])
        assert model.troubles == [each for each in model.troubles if "left" in each["text"]]  # of this machine's own
        if not model.troubles:
            assert (model.headline, model.severity) == ("All is well", "success")
        (cluster,) = rows(model, "clusters")
        assert cluster[0]["text"] == "local"
        assert cluster[-1]["text"] == "Dask dashboard of local"
        assert cluster[-1]["href"].startswith("/dask/local.")
        ((owner, state, *_),) = rows(model, "runners")
        assert state["text"] == "running"
        assert owner["text"]
        assert model.figures["Scans running"] == "0"
        assert "skymist" in model.versions
        said = {each["stage"]: each["said"] for each in model.stages}
        assert said["finished"].startswith("1 in the last day; half within ")
        assert said["sent"] == "nothing of that in the last day"
        assert len(model.history) > 1
        assert [row[0]["text"] for row in rows(model, "sizes")][:2] == ["Database", "Maps"]
    with running(settings), seen_by(site, "viewer") as model:
        site.scan(site.event(), seed=3)
        until(model, lambda: model.document["clusters"])
        until(model, lambda: model.document["clusters"][0]["state"] == "running")
        ((*_, dask),) = rows(model, "clusters")
        assert "href" not in dask
        assert "dask_dashboard: true" in dask["off"]


def test_dasks_dashboard_is_greyed_out_for_who_is_no_operator(site: Site, settings: ApiSettings) -> None:
    with running(settings, dask_dashboard=True), seen_by(site, "approver") as model:
        site.scan(site.event())
        until(model, lambda: model.document["clusters"] and model.document["clusters"][0]["dashboard"])
        ((*_, dask),) = rows(model, "clusters")
        assert dask == {"text": "Dask dashboard of local", "off": "needs the role operator"}


def test_what_waits_and_what_went_wrong_is_told_with_links(site: Site) -> None:
    scan = site.scan(site.event(), workers=3)["id"]
    failed = site.scan(site.event(), seed=2)["id"]
    site.call("analyst", "POST", "/notices", content=b"<script>alert(1)</script>")
    site.call("analyst", "POST", "/notices", content=notice(id=["137840_1"], event_name=None))
    drafted = site.call("analyst", "POST", "/publications", json={"alert": "137840_1"}).json()["id"]
    with site.database.begin() as session:
        wrong = session.get_one(Scan, failed)
        wrong.state, wrong.error, wrong.finished = ScanState.FAILED, "no light", now()
        session.get_one(Publication, drafted).error = "GCN says no"
    with seen_by(site, "viewer") as model:
        assert model.headline.startswith("2 errors and ")
        assert model.severity == "error"
        assert [each["href"] for each in model.troubles if "not sent" in each["text"]] == [f"/circular?id={drafted}"]
        ((name, state, *_, change),) = rows(model, "scans")
        assert (name["href"], state["text"], change["off"]) == (f"/scan?id={scan}", "queued", "needs the role analyst")
        assert rows(model, "failed")[0][2]["text"] == "no light"
        assert rows(model, "unsent")[0][0]["href"] == f"/circular?id={drafted}"
        (quarantine,) = model.tables("quarantine")
        assert (quarantine["rows"], quarantine["empty"]) == (
            [], "1 message of the last day could not be read; analysts see them here."
        )  # fmt: skip
        with pytest.raises(RequestError, match="needs the role analyst"):
            model.retry("0" * 64)
    with seen_by(site, "analyst") as model:
        ((*_, change),) = rows(model, "scans")
        assert change["href"] == f"/scan?id={scan}"


def test_an_analyst_tries_a_message_once_more(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as younger:  # an earlier skymist that did not know such notices yet
        younger.setattr("skymist.workflow.ingest.read_revisions", unknown)
        site.call("analyst", "POST", "/notices", content=notice(id=["137840_1"]))
    with seen_by(site, "analyst") as model:
        ((*_, act),) = rows(model, "quarantine")
        assert act["text"] == "Try again"
        assert "is accepted now" in model.retry(act["act"])
        assert rows(model, "quarantine") == []


def unknown(content: bytes) -> Any:
    raise ReadError("is of no known form")


def test_latencies_are_told_in_words() -> None:
    stage = {"n": 1200, "p50_s": 40.0, "p90_s": 130.0, "p99_s": 7300.0}
    assert latency_in_words(stage) == "1,200 in the last day; half within 40.0 s, 90% within 2.2 min, 99% within 2.0 h"
