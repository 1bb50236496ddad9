"""How the service is, as it tells who operates it: what runs and waits, how long it took, and what is wrong."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from distributed import Client
from serving import Site, check_problem, opened, running, serving
from sqlalchemy import select
from unit.test_api_alerts import notice

from skymist import cluster
from skymist.api import ApiSettings
from skymist.cluster.pool import Pool
from skymist.records import Database, runners, streams
from skymist.records.tables import Alert, Publication, Runner, Scan, ScanState, Stream, now
from skymist.workflow import operations
from skymist.workflow.presence import Presence
from skymist.workflow.process import own_name
from skymist.workflow.trouble import troubles


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


def look(site: Site, role: str = "viewer") -> dict[str, Any]:
    answer = site.call(role, "GET", "/operations")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def until(site: Site, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    end = time.monotonic() + 60
    while not true(found := look(site)):
        assert time.monotonic() < end, found
        time.sleep(0.02)
    return found


def kinds(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["severity"], each["kind"]) for each in document["troubles"] if each["kind"] != "room"]


def test_a_runner_tells_of_itself_and_of_its_clusters_until_it_ends(site: Site, settings: ApiSettings) -> None:
    assert kinds(look(site)) == [("error", "no runner")]
    with running(settings):
        scan = site.scan(site.event())
        found = until(site, lambda told: bool(told["clusters"]) and not told["scans"])
        (runner,), (cluster,) = found["runners"], found["clusters"]
        assert (runner["state"], runner["slots"], runner["owner"]) == ("running", 4, cluster["owner"])
        assert (cluster["name"], cluster["state"], cluster["workers"]) == ("local", "running", 1)
        assert cluster["threads"] >= 1
        until(site, lambda told: told["clusters"][0]["idle_since"] is not None and told["clusters"][0]["scans"] == 0)
        assert cluster["dashboard"] == ""
        assert "dask_dashboard: true" in cluster["no_dashboard"]
        assert kinds(found) == []
        assert found["queue"]["states"]["complete"] == 1
        assert found["sizes"]["maps"] == 1
        assert found["sizes"]["maps_bytes"] > 0
        assert found["sizes"]["files"] == 2
        assert scan["id"] not in [each["id"] for each in found["scans"]]
        stages = {each["stage"]: each for each in found["latencies"]["stages"]}
        assert (stages["started"]["n"], stages["finished"]["n"], stages["asked"]["n"]) == (1, 1, 0)
        assert sum(stages["finished"]["counts"]) == 1
        assert 0 < stages["finished"]["p50_s"] <= stages["finished"]["p99_s"]
        text = site.call("viewer", "GET", "/metrics").text
        assert 'skymist_cluster_threads{cluster="local"' in text
        assert 'skymist_runners{state="running"} 1.0' in text
        assert "skymist_maps 1.0" in text
        assert "skymist_disk_free_bytes" in text
    assert look(site)["runners"] == []


def test_what_waits_is_told_by_cluster_and_priority(site: Site) -> None:
    event = site.event()
    site.scan(event, priority=7)
    site.scan(event, seed=2, priority=7)
    site.scan(event, seed=3, cluster="local-processes")
    with site.database.begin() as session:
        oldest = session.scalars(select(Scan).order_by(Scan.created)).first()
        assert oldest is not None
        oldest.moved = now() - timedelta(hours=1)
    found = look(site)
    groups = [(each["cluster"], each["priority"], each["queued"]) for each in found["queue"]["groups"]]
    assert groups == [("local", 7, 2), ("local-processes", 0, 1)]
    assert 3600 <= found["queue"]["oldest_s"] < 3700
    assert [each["priority"] for each in found["scans"]] == [7, 7, 0]
    assert ("warning", "queue") in kinds(found)
    assert "3 scans queued, the oldest for 1 h 0 min" in [each["words"] for each in found["troubles"]]


def test_failures_quarantine_and_what_was_not_sent_are_told(site: Site) -> None:
    scan = site.scan(site.event())["id"]
    with site.database.begin() as session:
        failed = session.get_one(Scan, scan)
        failed.state, failed.error, failed.finished = ScanState.FAILED, "no light", now()
    site.call("analyst", "POST", "/notices", content=b"<nonsense>")
    site.call("analyst", "POST", "/notices", content=notice(id=["137840_1"], event_name=None))
    drafted = site.call("analyst", "POST", "/publications", json={"alert": "137840_1"}).json()["id"]
    with site.database.begin() as session:
        session.get_one(Publication, drafted).error = "GCN says no"
    found = look(site)
    assert [each["reason"] for each in found["errors"]["scans"]["items"]] == ["no light"]
    assert (found["errors"]["quarantine"]["n"], found["errors"]["quarantine"]["items"]) == (1, None)
    assert look(site, "analyst")["errors"]["quarantine"]["items"][0]["source"] == "analyst"
    assert [each["reason"] for each in found["errors"]["publications"]["items"]] == ["GCN says no"]
    assert kinds(found) == [("error", "no runner"), ("error", "not sent"), ("warning", "failed"),
                            ("warning", "quarantine")]  # fmt: skip


def test_a_runner_that_is_gone_without_a_word_is_lost_and_so_are_its_clusters(site: Site) -> None:
    dead = own_name().rsplit(":", 1)[0] + ":1.00"
    held = {"id": "local.00000000", "name": "local", "state": "running", "asked": None, "workers": 1, "threads": 2,
            "scans": 0, "since": now().isoformat(), "idle_since": None, "dashboard": "http://127.0.0.1:1"}  # fmt: skip
    with site.database.begin() as session:
        runners.report(session, dead, 4, [held])
        runners.report(session, "elsewhere:1:1.00", 4, [held])
    found = look(site)
    assert {each["owner"]: each["state"] for each in found["runners"]} == {dead: "lost", "elsewhere:1:1.00": "running"}
    assert [each["owner"] for each in found["clusters"]] == ["elsewhere:1:1.00"]
    assert "it is on elsewhere" in found["clusters"][0]["no_dashboard"]
    assert kinds(found) == [("warning", "runner lost")]
    with site.database.begin() as session:
        session.get_one(Runner, dead).beat = now() - timedelta(hours=2)
    with site.database.begin() as session:
        runners.report(session, "elsewhere:1:1.00", 4, [])
    assert [each["owner"] for each in look(site)["runners"]] == ["elsewhere:1:1.00"]


def test_streams_that_are_silent_troubled_or_lost_are_told(site: Site) -> None:
    long_ago = now() - timedelta(minutes=7)
    with site.database.begin() as session:
        streams.report(session, "fine", streams.LISTENING, lag=3, heard=now())
        streams.report(session, "quiet", streams.SILENT, heard=long_ago)
        streams.report(session, "broken", streams.TROUBLED, "no route")
        streams.report(session, "ended", streams.STOPPED)
        streams.report(session, "gone", streams.LISTENING)
    with site.database.begin() as session:
        session.get_one(Stream, "gone").changed = long_ago
    found = look(site)
    words = [each["words"] for each in found["troubles"] if each["kind"].startswith("stream")]
    assert words == ["stream broken: no route", "nobody listens to gone for 7 min", "stream quiet is silent for 7 min"]
    assert [each["lag"] for each in found["streams"] if each["name"] == "fine"] == [3]


def test_latencies_count_what_is_fresh(site: Site) -> None:
    event = now() - timedelta(seconds=100)
    site.event()
    with site.database.begin() as session:
        (alert,) = session.scalars(select(Alert)).all()
        alert.time, alert.created = f"{event:%Y-%m-%dT%H:%M:%S.%f}123", event + timedelta(seconds=40)
    stages = {each["stage"]: each for each in look(site)["latencies"]["stages"]}
    assert (stages["noticed"]["n"], round(stages["noticed"]["p50_s"])) == (1, 40)
    edges = look(site)["latencies"]["edges_s"]
    (place,) = (k for k, n in enumerate(stages["noticed"]["counts"]) if n)
    assert edges[place] <= 40 <= edges[place + 1]
    with site.database.begin() as session:
        (alert,) = session.scalars(select(Alert)).all()
        alert.time = "2017-09-22T20:54:30.436123456"
    assert {each["stage"]: each["n"] for each in look(site)["latencies"]["stages"]}["noticed"] == 0


def test_little_room_is_told() -> None:
    room = {"disk_free_bytes": 5, "disk_bytes": 100, "memory_free_bytes": 1, "memory_bytes": 100}
    wrong = {key: {"n": 0, "items": []} for key in ("scans", "quarantine", "publications")}
    document = {"runners": [{"state": "running"}], "clusters": [], "streams": [], "scans": [], "machine": room,
                "queue": {"oldest_s": None}, "errors": wrong}  # fmt: skip
    assert [(each["severity"], each["words"]) for each in troubles(document)] == [
        ("error", "1.0 % of the memory is left (0.0 GB)"),
        ("warning", "5.0 % of the disk of the maps is left (0.0 GB)"),
    ]


def test_who_asks_within_a_second_is_told_the_same(settings: ApiSettings) -> None:
    with serving(settings) as site:
        assert look(site)["time"] == look(site)["time"]


def test_it_needs_a_token(site: Site) -> None:
    check_problem(site.call(None, "GET", "/operations"), 401)


def test_a_runner_writes_only_what_has_changed(settings: ApiSettings) -> None:
    with closing(Pool()) as pool:
        presence = Presence(settings.database, "me:1:1.00", 2, pool)

        def beat(database: Database) -> datetime:
            presence.look()
            with database.read() as session:
                return session.get_one(Runner, "me:1:1.00").beat

        first = beat(settings.database)
        assert beat(settings.database) == first
        with pool.connect("local", 1):
            assert beat(settings.database) > first


def test_a_cluster_is_told_of_while_it_starts(monkeypatch: pytest.MonkeyPatch, settings: ApiSettings) -> None:
    asked, go = threading.Event(), threading.Event()
    whole = cluster.connect

    @contextmanager
    def slow(*words: object) -> Iterator[Client]:
        asked.set()
        go.wait(60)
        with whole("local", 1) as client:
            yield client

    monkeypatch.setattr("skymist.cluster.connect", slow)
    with closing(Pool()) as pool:

        def use() -> None:
            with pool.connect("batch", 3):
                pass

        thread = threading.Thread(target=use)
        thread.start()
        assert asked.wait(60)
        assert [(each.name, each.state, each.asked, each.workers) for each in pool.report()] == [
            ("batch", "starting", 3, 0)
        ]
        go.set()
        thread.join()
        assert [(each.name, each.state) for each in pool.report()] == [("batch", "running")]
