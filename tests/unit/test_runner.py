"""From a message to maps with nobody watching: by rule, in order, again after a death, not for what is retracted."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from skymist.errors import RequestError
from skymist.fair.record import Site
from skymist.model import skymap
from skymist.model.alert import Role
from skymist.records import Database, alerts, inputs, log, scans, tables
from skymist.records.tables import ScanState
from skymist.store.zarr import read_skymap
from skymist.workflow import ingest, service
from skymist.workflow.events import demo_path
from skymist.workflow.rules import Plan, Rule, Rules, load_rules
from skymist.workflow.runner import Runner, RunnerSettings
from skymist.workflow.schedule import fall_back, schedule
from skymist.workflow.wish import Wish

RULES = """
rules:
  - name: any
    scans:
      - {name: fast, reco: bowl, levels: "2:0,4:6", priority: 200}
      - {name: fine, after: fast, reco: bowl, levels: "4:0,8:6", options: {seconds: 0.01}, stalled_s: 300,
         fallback: {reco: bowl, levels: "1:0"}}
"""


@pytest.fixture
def rules(tmp_path: Path) -> Rules:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return load_rules(path)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = Database(str(tmp_path / "records.sqlite"))
    found.upgrade()
    yield found
    found.close()


def take_demo(database: Database) -> ingest.Outcome:
    return ingest.take(database, demo_path().read_bytes(), ingest.EVENT, "test", "demo.csv")


@contextmanager
def running(database: Database, rules: Rules, out: Path) -> Iterator[Runner]:
    settings = RunnerSettings(out=out, tick_s=0.02, beat_s=0.05, site=Site("example.org"))
    stop, found = threading.Event(), Runner(database, rules, settings)
    thread = threading.Thread(target=found.run, args=(stop,))
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def all_scans(database: Database) -> dict[str, tables.Scan]:
    with database.read() as session:
        return {
            scan.rule or scan.id: scan for scan in session.scalars(select(tables.Scan).order_by(tables.Scan.created))
        }


def until(look: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not look():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.02)


def ended(database: Database, *names: str) -> Callable[[], bool]:
    return lambda: all(name in all_scans(database) and all_scans(database)[name].state in scans.ENDED for name in names)


def test_a_message_becomes_two_maps(database: Database, rules: Rules, tmp_path: Path) -> None:
    with running(database, rules, tmp_path / "out"):
        outcome = take_demo(database)
        until(ended(database, "any/fast", "any/fine"))
    found = all_scans(database)
    fast, fine = found["any/fast"], found["any/fine"]
    assert (fast.state, fine.state) == (ScanState.COMPLETE, ScanState.COMPLETE)
    assert fast.finished is not None
    assert fine.started is not None
    assert fast.finished <= fine.started
    assert fast.summary is not None
    assert set(fast.summary["regions"]) == {"50", "90"}
    assert fast.progress is not None
    with database.read() as session:
        kept = {
            item.kind: item
            for item in session.scalars(select(tables.Artifact).where(tables.Artifact.scan_id == fast.id))
        }
        done = [entry.action for entry in log.entries(session, "scan", fast.id)]
    assert set(kept) == {"zarr", "fits", "png"}
    assert all(Path(item.url).exists() and "/out/test/" in item.url for item in kept.values())
    assert done == ["asked for", "running", "complete", "wrote", "wrote", "wrote"]
    data = read_skymap(kept["zarr"].url)
    assert data.attrs["scan_id"] == fast.id
    assert kept["zarr"].sha256 == skymap.content_hash(data)
    assert data.attrs["naming_authority"] == "ivo://example.org/skymist"
    assert data.attrs["provenance"]["stretches"][0]["cluster"] == "local"
    assert not take_demo(database).new
    assert outcome.alert_ids
    schedule(database, rules)
    assert len(all_scans(database)) == 2


def test_a_stopped_runner_leaves_its_scans_to_the_next(database: Database, rules: Rules, tmp_path: Path) -> None:
    take_demo(database)
    with running(database, rules, tmp_path):
        until(lambda: "any/fine" in all_scans(database) and all_scans(database)["any/fine"].progress is not None)
    assert all_scans(database)["any/fine"].state == ScanState.QUEUED
    with running(database, rules, tmp_path):
        until(ended(database, "any/fine"))
    assert all_scans(database)["any/fine"].state == ScanState.COMPLETE


def test_a_running_scan_can_be_cancelled_and_asked_for_again(database: Database, rules: Rules, tmp_path: Path) -> None:
    event_id = take_demo(database).event_id
    assert event_id is not None
    wish = Wish("bowl", {"seconds": 0.1}, "8:0")
    scan, new = service.ask(database, event_id, wish, "me")
    assert new
    assert not service.ask(database, event_id, wish, "me")[1]
    with running(database, Rules(()), tmp_path):
        until(lambda: all_scans(database)[scan.id].progress is not None)
        with database.begin() as session:
            scans.cancel(session, scans.get(session, scan.id), "me")
        until(ended(database, scan.id))
    assert all_scans(database)[scan.id].state == ScanState.CANCELLED


def test_what_cannot_be_fitted_fails_in_words(database: Database, tmp_path: Path) -> None:
    event_id = take_demo(database).event_id
    assert event_id is not None
    scan, _ = service.ask(database, event_id, Wish("bowl", {}, "2:0"), "me", cluster="nowhere")
    with running(database, Rules(()), tmp_path):
        until(ended(database, scan.id))
    found = all_scans(database)[scan.id]
    assert found.state == ScanState.FAILED
    assert "nowhere" in found.error


def test_the_fallback_of_what_stalls(database: Database, rules: Rules) -> None:
    take_demo(database)
    schedule(database, rules)
    assert fall_back(database, rules) == 0
    with database.begin() as session:
        fine = session.scalars(select(tables.Scan).where(tables.Scan.rule == "any/fine")).one()
        scans.move(session, fine, ScanState.QUEUED, "test")
        fine.moved = fine.moved.replace(year=2020)
    assert fall_back(database, rules) == 1
    assert fall_back(database, rules) == 0
    instead = all_scans(database)["any/fine/fallback"]
    assert (instead.instead_id, instead.state) == (fine.id, ScanState.QUEUED)
    assert all_scans(database)["any/fine"].fallback_id == instead.id


def test_what_is_refused_is_noted_once_and_holds_nothing_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = take_demo(database)
    unfit = Wish("bowl", cone="SplineMPE,10")  # for an event without such a fit
    first = Plan("first", Wish("bowl", {}, "2:0"), stalled_s=1.0, fallback=Plan("fallback", unfit))
    refused = Rules((Rule("bad", {}, (first, Plan("second", unfit))),))
    assert schedule(database, refused) == 1
    with database.begin() as session:
        scan = scans.locked(session, all_scans(database)["bad/first"].id)
        scan.moved = scan.moved.replace(year=2020)
    for _ in range(2):
        assert fall_back(database, refused) == 0
    assert [(each.subject, each.details["rule"]) for each in noted(database)] == [
        ("alert", "bad/second"),
        ("scan", "bad/first/fallback"),
    ]
    assert all("no earlier reconstruction is called 'SplineMPE'" in each.details["reason"] for each in noted(database))

    monkeypatch.setattr(Rules, "choose", lambda *_: 1 / 0)
    with database.begin() as session:
        session.get_one(tables.Alert, taken.alert_ids[0]).due = True
    assert schedule(database, refused) == 1
    assert schedule(database, refused) == 0
    assert noted(database)[-1].details["reason"] == "a fault of skymist itself, told in its log: ZeroDivisionError"


def noted(database: Database) -> list[tables.LogEntry]:
    with database.read() as session:
        return list(
            session.scalars(
                select(tables.LogEntry).where(tables.LogEntry.action == "refused").order_by(tables.LogEntry.id)
            )
        )


def test_nothing_begins_for_what_was_retracted(database: Database, rules: Rules) -> None:
    (alert_id,) = take_demo(database).alert_ids
    schedule(database, rules)
    service.retract(database, alert_id, "a flash in the lab", "me")
    with pytest.raises(RequestError, match="is retracted already"):
        service.retract(database, alert_id, "again", "me")
    schedule(database, rules)
    assert {scan.state for scan in all_scans(database).values()} == {ScanState.CANCELLED}
    with database.read() as session:
        assert alerts.whole(session.get_one(tables.Alert, alert_id)).current.comment == "a flash in the lab"


def test_like_another_but_different(database: Database) -> None:
    event_id = take_demo(database).event_id
    assert event_id is not None
    old, _ = service.ask(database, event_id, Wish("bowl", {"width_deg": 3.0}, "2:0"), "me", priority=7)
    new, is_new = service.remix(database, old.id, {"options": {"dec_deg": 2.0}}, "me", replace=True)
    assert is_new
    assert (new.request["options"]["width_deg"], new.priority) == (3.0, 7)
    found = all_scans(database)[old.id]
    assert (found.replaced_by, found.state) == (new.id, ScanState.CANCELLED)
    with pytest.raises(RequestError, match="nothing is changed"):
        service.remix(database, new.id, {"levels": "2:0"}, "me")
    with pytest.raises(RequestError, match="no setting of a scan is called 'colour'"):
        service.remix(database, new.id, {"colour": 1}, "me")


def test_events_by_any_name(database: Database) -> None:
    event_id = take_demo(database).event_id
    with database.read() as session:
        event = session.get_one(tables.Event, event_id)
        name = session.get_one(tables.Alert, event.alert_id).name
        for text in (event_id, f"{event.run}/{event.event}", name):
            assert service.find_event(session, text or "").id == event_id
        with pytest.raises(RequestError, match=f"no event is called '1/2'; there are: {event.run}/{event.event}"):
            service.find_event(session, "1/2")
        assert alerts.find(session, name, Role.TEST).role == Role.TEST


def test_a_poison_message_is_kept_and_can_be_retried(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = ingest.take(database, b"\x00 no event", ingest.EVENT, "test", "x.json")
    assert "x.json" in outcome.reason
    assert "skymist-" not in outcome.reason
    assert ingest.retry(database, outcome.input_id).reason == outcome.reason
    monkeypatch.setattr(ingest, "_event_of", lambda *_: ingest.read_event(demo_path()))
    assert ingest.retry(database, outcome.input_id).event_id is not None


def test_a_retraction_need_not_say_when_the_event_was(database: Database) -> None:
    said = {"id": ["137840_1"], "alert_tense": "current", "trigger_time": "2023-04-16T05:22:01.5Z"}
    retraction = json.dumps({**said, "alert_type": "retraction", "trigger_time": None}).encode()
    early = ingest.take(database, retraction, ingest.NOTICE, "test")
    assert "takes back 137840_1, of which nothing is known" in early.reason
    for number in (1, 0):
        ingest.take(database, json.dumps({**said, "record_number": number}).encode(), ingest.NOTICE, "test")
        assert ingest.retry(database, early.input_id).reason == ""
    with database.read() as session:
        found = alerts.whole(alerts.find(session, "137840_1"))
        assert inputs.quarantined(session) == []
    assert (len(found.revisions), len(found.doubts), found.retracted) == (3, 0, True)
    assert {str(each.time) for each in found.revisions} == {"2023-04-16T05:22:01.500000000"}


def test_a_message_that_shows_a_fault_of_ours_is_kept(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b'{"id": ["137840_1"], "alert_tense": "current", "trigger_time": "2023-04-16T05:22:01.5Z"}'

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(alerts, "record", fail)
    outcome = ingest.take(database, content, ingest.NOTICE, "test")
    assert outcome.reason == "a fault of skymist itself, told in its log: ZeroDivisionError"
    monkeypatch.undo()
    assert ingest.retry(database, outcome.input_id).reason == ""


def test_the_same_message_at_the_same_moment_is_kept_once(database: Database) -> None:
    content = b'{"id": ["137840_1"], "alert_tense": "current", "trigger_time": "2023-04-16T05:22:01.5Z"}'
    for number in range(10):
        other = content.replace(b"_1", f"_{number}".encode())
        with ThreadPoolExecutor(8) as threads:
            kept = list(threads.map(lambda _, other=other: ingest.take(database, other, ingest.NOTICE, "x"), range(8)))
        assert [outcome.reason for outcome in kept] == [""] * 8
        assert sum(outcome.new for outcome in kept) == 1
    with database.read() as session:
        assert {item.times for item in session.scalars(select(tables.Input))} == {8}
