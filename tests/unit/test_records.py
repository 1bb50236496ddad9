"""Records in real databases of both kinds: nothing twice, nothing lost, nothing of the log changed."""

import base64
import json
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import DateTime, LargeBinary, MetaData, func, inspect, select, text
from sqlalchemy.exc import DBAPIError

from skymist.errors import ConflictError, RequestError, StoreError, UnknownNameError
from skymist.model import alert as model
from skymist.model.alert import Kind, Revision, Role, Tense
from skymist.records import Database, alerts, inputs, log, scans, tables
from skymist.records.tables import ScanState

DAY = np.datetime64("2023-04-16", "ns")


def revision(hour: float = 5, event: int = 1, **changes: object) -> Revision:
    time = DAY + np.timedelta64(int(hour * 3600), "s")
    return Revision(**{"run": 137840, "event": event, "time": time, "number": 0, "stream": "gold", **changes})


def record(database: Database, *revisions: Revision) -> list[str]:
    names = []
    for each in revisions:
        with database.begin() as session:
            names.append(alerts.record(session, each, None, "test")[0].name)
    return names


def count(database: Database, table: type[tables.Base]) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_tables_go_up_and_down(database_url: str) -> None:
    database = Database(database_url)
    assert database.version() is None
    with pytest.raises(StoreError, match=r"has tables of version None, this is 0008: run skymist db upgrade"):
        database.check()
    database.upgrade()
    database.check()
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.Base.metadata) == []
    database.downgrade("base")
    assert set(inspect(database.engine).get_table_names()) <= {"alembic_version"}
    database.upgrade()
    assert record(database, revision()) == ["IceCube-230416A"]
    database.close()


SINCE = {"deaths": 0}
"""What columns that came later say of rows that were there before."""

WORKED_OUT = "ra", "dec", "x", "y", "z", "radius_90", "energy_tev", "signalness", "far_per_year", "pixel", "public"
"""Columns of alerts that came later, and follow from their revisions."""


def test_a_database_of_an_earlier_version_keeps_all_it_has(database_url: str) -> None:
    written = json.loads(Path(__file__).with_name("records_0001.json").read_text(encoding="utf-8"))
    later = {"publications", "texts", "comments", "identities", "imported_maps", "runners", "scratches"}
    wanted = {
        table.name: [
            {each.name: ({**SINCE, **row})[each.name] for each in table.columns if each.name not in WORKED_OUT}
            for row in written[table.name]
        ]
        for table in tables.Base.metadata.sorted_tables if table.name not in later
    }  # fmt: skip
    with closing(Database(database_url)) as database:
        database.upgrade("0001")
        _insert(database, written)
        database.upgrade()
        assert _earlier(database, later) == wanted
        names = _names(database)
        database.downgrade("0001")
        database.upgrade()
        assert _earlier(database, later) == wanted
        assert _names(database) == names
        with database.read() as session:
            found = alerts.whole(alerts.find(session, "IceCube-260304B"))
            assert (found.retracted, len(found.revisions)) == (True, 4)
            assert {scan.state for scan in session.scalars(select(tables.Scan))} == set(ScanState)
        with pytest.raises(DBAPIError, match="log"), database.begin() as session:
            session.execute(text("DELETE FROM log"))


def test_an_upgrade_works_out_what_is_new_as_if_it_had_been_there(database_url: str, tmp_path: Path) -> None:
    written = json.loads(Path(__file__).with_name("records_0001.json").read_text(encoding="utf-8"))
    with closing(Database(database_url)) as database, closing(Database(str(tmp_path / "new.sqlite"))) as new:
        database.upgrade("0001")
        _insert(database, written)
        database.upgrade()
        new.upgrade()
        with database.read() as session:
            received = session.scalars(select(tables.Revision).order_by(tables.Revision.received, tables.Revision.id))
            record(new, *(Revision.from_dict(each.content) for each in received))
        of_alerts = [
            {name for name in _names(each) if name[0] in ("alert", "revision")} for each in (database, new)
        ]  # fmt: skip
        assert of_alerts[0] == of_alerts[1] != set()
        worked_out = [
            {(row["role"], row["run"], row["event"]): [row[name] for name in WORKED_OUT] for row in
             _rows(each)["alerts"]} for each in (database, new)
        ]  # fmt: skip
        assert worked_out[0] == worked_out[1]
        assert any(row[0] is not None for row in worked_out[0].values())
        things = {name[0] for name in _names(database)}
        assert things == {"alert", "revision", "scan", "map"}


def test_of_a_map_that_was_imported_twice_an_upgrade_keeps_the_first(database_url: str) -> None:
    with closing(Database(database_url)) as database:
        database.upgrade("0005")
        moment = datetime(2026, 3, 4, tzinfo=UTC)
        with database.begin() as session:
            kept = alerts.record(session, revision(), None, "test")[0]
            for name, content, minute in (("a", "one", 2), ("b", "one", 1), ("c", "two", 1), ("d", "two", 1),
                                          ("e", "three", 3)):  # fmt: skip
                item, _ = inputs.receive(session, name.encode(), "map", "test")
                session.add(tables.ImportedMap(
                    id=name, input_id=item.id, alert_id=kept.id, file="map.fits", format="", reconstruction="", url="",
                    sha256=content, size=1, summary={}, created=moment + timedelta(minutes=minute),
                ))  # fmt: skip
        before = _rows(database)
        database.upgrade()
        after = _rows(database)
        assert sorted(row["id"] for row in after["imported_maps"]) == ["b", "c", "e"]
        assert all(row in before["imported_maps"] for row in after.pop("imported_maps"))
        assert after == {name: before.get(name, []) for name in after}  # tables that came later are empty
        database.downgrade("0005")
        assert len(_rows(database)["imported_maps"]) == 3


def _names(database: Database) -> set[tuple[str, str]]:
    return {(row["thing"], row["fragment"]) for row in _rows(database)["identities"]}


def _earlier(database: Database, later: set[str]) -> dict[str, list[dict[str, Any]]]:
    """Return all rows without tables and columns that came later."""
    return {
        table: [{key: value for key, value in row.items() if key not in WORKED_OUT} for row in rows]
        for table, rows in _rows(database).items() if table not in later
    }  # fmt: skip


def _insert(database: Database, written: dict[str, list[dict[str, Any]]]) -> None:
    """Write rows as an earlier version had them; the database knows its columns."""
    earlier = MetaData()
    earlier.reflect(database.engine)
    decode: dict[type, Callable[[str], Any]] = {DateTime: datetime.fromisoformat, LargeBinary: base64.b64decode}
    with database.engine.begin() as connection:
        for table in (each for each in earlier.sorted_tables if each.name in written):
            kinds = {column.name: next((kind for kind in decode if isinstance(column.type, kind)), None)
                     for column in table.columns}  # fmt: skip
            rows = [{key: decode[kind](value) if (kind := kinds[key]) and value is not None else value
                     for key, value in row.items()} for row in written[table.name]]  # fmt: skip
            connection.execute(table.insert(), rows)


def _rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of all tables that there are, JSON-like."""
    there = inspect(database.engine).get_table_names()

    def plain(value: Any) -> Any:
        if isinstance(value, datetime):
            return value.isoformat()
        return base64.b64encode(value).decode() if isinstance(value, bytes) else value

    with database.read() as session:
        return {
            table.name: [
                {key: plain(value) for key, value in row.items()}
                for row in session.execute(table.select().order_by(*table.primary_key.columns)).mappings()
            ]
            for table in tables.Base.metadata.sorted_tables if table.name in there
        }  # fmt: skip


def test_of_long_names_the_end_is_kept(database: Database) -> None:
    with database.begin() as session:
        item, _ = inputs.receive(session, b"x", "notice", "/long" * 99 + "/folder", "x" * 255 + ".json")
        (told,) = log.entries(session, "input", item.id)
        assert (len(item.source), item.position[-5:], len(told.who), told.who[-7:]) == (200, ".json", 100, "/folder")


def test_urls(tmp_path: Path) -> None:
    assert Database(str(tmp_path / "x.sqlite")).url.startswith("sqlite:////")
    assert "secret" not in str(Database("postgresql://me:secret@127.0.0.1/x"))
    with pytest.raises(RequestError, match="sqlite:// is no database"):
        Database("sqlite://")
    with pytest.raises(RequestError, match="mysql:// is no database"):
        Database("mysql://x/y")
    with pytest.raises(StoreError, match=r"postgresql.*127\.0\.0\.1"):
        Database("postgresql://me@127.0.0.1:1/x").version()


def test_a_revision_is_kept_once(database: Database) -> None:
    assert record(database, revision(), revision(), revision(number=1)) == ["IceCube-230416A"] * 3
    assert (count(database, tables.Alert), count(database, tables.Revision)) == (1, 2)
    with database.read() as session:
        found = alerts.whole(alerts.find(session, "137840_1"))
        actions = [entry.action for entry in log.entries(session, "alert", 1)]
    assert [each.number for each in found.revisions] == [0, 1]
    assert actions == ["revised", "revised"]


def test_worlds_are_kept_apart(database: Database) -> None:
    record(database, revision(), revision(tense=Tense.TEST), revision(event=2, hour=6, tense=Tense.INJECTION))
    with database.read() as session:
        real, test = (alerts.find(session, "IceCube-230416A", role) for role in (Role.OBSERVATION, Role.TEST))
        assert real.id != test.id
        assert alerts.find(session, "137840/2", Role.TEST).name == "IceCube-230416B"
        with pytest.raises(UnknownNameError, match=r"no alert \(observation\) is called '137840/2'; there are: IceC"):
            alerts.find(session, "137840/2")


def test_letters_are_kept_whatever_comes_later(database: Database) -> None:
    assert record(database, revision(8), revision(5, 2), revision(8, number=1), revision(1, 3)) == [
        "IceCube-230416A", "IceCube-230416B", "IceCube-230416A", "IceCube-230416C"
    ]  # fmt: skip
    assert record(database, revision(9, 4, stream="cascade")) == ["IceCube-Cascade 230416A"]


def test_the_name_of_the_sender_goes_first(database: Database) -> None:
    assert record(database, revision(8), revision(5, 2, name="IC230416A")) == ["IceCube-230416A", "IceCube-230416A"]
    with database.read() as session:
        assert alerts.find(session, "IceCube-230416A").event == 2
        assert alerts.find(session, "IceCube-230416B").event == 1
    assert record(database, revision(8, name="IceCube-230416F", number=1)) == ["IceCube-230416F"]
    with database.read() as session:
        assert alerts.find(session, "IceCube-230416B").event == 1  # what it was called before
    assert record(database, revision(9, 3, name="IceCube-230416F")) == ["IceCube-230416C"]  # it has that name already
    assert record(database, revision(10, 4)) == ["IceCube-230416D"]


def test_a_truncated_number_finds_its_alert_in_any_order(database: Database) -> None:
    short, whole = revision(event=2917585), revision(event=29175858, number=1)
    for run, pair in enumerate([(short, whole), (whole, short)]):
        moved = [Revision.from_dict({**each.to_dict(), "run": run}) for each in pair]
        record(database, *moved)
        with database.read() as session:
            by_short, by_whole = (alerts.find(session, f"{run}_{each.event}") for each in (short, whole))
            assert by_short.id == by_whole.id
            assert by_whole.event == 29175858
            assert len(alerts.whole(by_whole).doubts) == 1


def test_a_retraction_is_a_revision(database: Database) -> None:
    record(database, revision(number=1, kind=Kind.RETRACTION), revision())
    with database.read() as session:
        assert alerts.find(session, "IceCube-230416A").retracted


def test_many_writers_make_no_name_twice(database: Database) -> None:
    said = [revision(hour=i / 4, event=i + 1, number=number) for i in range(30) for number in (0, 1)]
    rng = random.Random(7)
    shuffled = [rng.sample(said, len(said)) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda each: record(database, *each), shuffled))
    assert (count(database, tables.Alert), count(database, tables.Revision)) == (30, 60)
    with database.read() as session:
        names = set(session.scalars(select(tables.Alert.name)))
    assert names == {f"IceCube-230416{model.letter(i)}" for i in range(30)}


def test_the_log_cannot_be_changed(database: Database) -> None:
    record(database, revision())
    for statement in ("DELETE FROM log", "UPDATE log SET who = 'nobody'"):
        with pytest.raises(DBAPIError, match="the log is never changed"), database.begin() as session:
            session.execute(text(statement))
    assert count(database, tables.LogEntry) == 1


def test_messages_are_kept_once_and_can_be_put_aside(database: Database) -> None:
    with database.begin() as session:
        item, new = inputs.receive(session, b"\xff\x00", "notice", "topic", "0:1")
        inputs.quarantine(session, item, "not JSON")
        inputs.quarantine(session, item, "not JSON")
    assert new
    with database.begin() as session:
        again, new = inputs.receive(session, b"\xff\x00", "notice", "topic", "0:2")
        assert (new, again.times, again.position) == (False, 2, "0:1")
        assert [each.reason for each in inputs.quarantined(session)] == ["not JSON"]
        inputs.accept(session, again)
        assert inputs.quarantined(session) == []
        assert [each.action for each in log.entries(session, "input", item.id)] == [
            "received", "quarantined", "accepted"
        ]  # fmt: skip


def test_nothing_is_kept_of_a_transaction_that_fails(database: Database) -> None:
    def begin_and_fail() -> None:
        with database.begin() as session:
            alerts.record(session, revision(), None, "test")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        begin_and_fail()
    assert (count(database, tables.Alert), count(database, tables.LogEntry)) == (0, 0)


def test_times_have_a_zone(database: Database) -> None:
    east = datetime(2023, 4, 16, 5, tzinfo=timezone(timedelta(hours=2)))
    with database.begin() as session:
        session.add(tables.Stream(name="x", heard=east))
    with database.read() as session:
        assert session.get_one(tables.Stream, "x").heard == datetime(2023, 4, 16, 3, tzinfo=UTC)
    with pytest.raises(Exception, match="has no time zone"), database.begin() as session:
        session.add(tables.Stream(name="y", heard=datetime(2023, 4, 16)))


def put(database: Database, name: str, **changes: object) -> str:
    """Keep a scan of an event of its own."""
    with database.begin() as session:
        item, _ = inputs.receive(session, b"event", "event", "test", "e.json")
        if session.get(tables.Event, "e") is None:
            session.add(tables.Event(id="e", input_id=item.id, file="e.json", role="test", run=1, event=1, time="",
                                     kind=""))  # fmt: skip
            session.flush()
        wanted = {"event_id": "e", "role": "test", "request": {}, "wish": {}, "state": ScanState.QUEUED, **changes}
        scans.create(session, tables.Scan(id=name * 16, **wanted), "test")
    return name * 16


def test_states_follow_each_other_as_drawn(database: Database) -> None:
    scan_id = put(database, "aaaa")
    with database.begin() as session:
        scan = scans.get(session, scan_id[:8])
        with pytest.raises(ConflictError, match="is queued; from there it can become running, cancelled, not complete"):
            scans.move(session, scan, ScanState.COMPLETE, "test")
        with pytest.raises(ConflictError, match="only what is complete, failed, cancelled can be run again"):
            scans.again(session, scan, "test")
        assert scans.claim(session, "me") is scan
        assert not scans.finish(session, scan_id, "other", ScanState.COMPLETE)
        assert scans.finish(session, scan_id, "me", ScanState.COMPLETE, summary={"x": 1})
        with pytest.raises(ConflictError, match="is complete"):
            scans.cancel(session, scan, "test")
        scans.again(session, scan, "test")
        assert (scan.state, scan.attempt, scan.finished) == (ScanState.QUEUED, 2, None)
    with database.read() as session, pytest.raises(UnknownNameError, match="no scan is called 'bbbbbbbb'"):
        scans.get(session, "bbbbbbbb")


def test_the_most_urgent_goes_first_and_once(database: Database) -> None:
    ids = {put(database, name, priority=priority) for name, priority in (("aaaa", 0), ("bbbb", 200), ("cccc", 100))}
    with database.begin() as session:
        first = scans.claim(session, "me")
        assert first is not None
        assert first.id.startswith("bbbb")
    lock, taken = threading.Lock(), [first.id]

    def grab(owner: int) -> None:
        with database.begin() as session:
            found = scans.claim(session, f"runner {owner}", at_least=0)
        with lock:
            taken.extend([found.id] if found else [])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(grab, range(4)))
    assert len(taken) == 3
    assert set(taken) == ids


def test_scans_of_dead_runners_are_queued_again(database: Database) -> None:
    put(database, "aaaa")
    put(database, "bbbb")
    with database.begin() as session:
        one, other = scans.claim(session, "dead"), scans.claim(session, "alive")
        assert one is not None
        assert other is not None
        assert scans.recover(session, lambda owner: owner == "alive", timedelta(minutes=1)) == [one]
        assert (one.state, other.state) == (ScanState.QUEUED, ScanState.RUNNING)
        assert scans.beat(session, one.id, "dead", None) == "lost"
        assert scans.beat(session, other.id, "alive", {"done": 3}) == ""
        scans.cancel(session, other, "test")
        assert scans.beat(session, other.id, "alive", None) == "cancelled"
        assert scans.recover(session, lambda _: True, timedelta(0)) == [other]
        assert other.state == ScanState.CANCELLED


def test_a_scan_of_which_runners_die_ends(database: Database) -> None:
    """As one whose reconstruction crashes would take all others with it for ever."""
    scan_id = put(database, "aaaa")
    for death in range(1, scans.MOST_DEATHS + 1):
        with database.begin() as session:
            assert scans.claim(session, "mortal") is not None
            (gone,) = scans.recover(session, lambda _: False, timedelta(minutes=1))
            assert (gone.state == ScanState.FAILED) == (death == scans.MOST_DEATHS)
    with database.begin() as session:
        scan = scans.locked(session, scan_id)
        assert scan.error == "10 runners died in the middle of it; what they computed is kept"
        scans.again(session, scan, "test")
        assert scans.claim(session, "mortal") is not None
        assert scans.recover(session, lambda _: False, timedelta(minutes=1)) == [scan]
        assert (scan.state, scan.error) == (ScanState.QUEUED, "")


def test_a_scan_waits_for_another(database: Database) -> None:
    first = put(database, "aaaa")
    put(database, "bbbb", after_id=first, state=ScanState.WAITING)
    with database.begin() as session:
        assert scans.release(session) == []
        scans.cancel(session, scans.get(session, first), "test")
        (released,) = scans.release(session)
        assert released.state == ScanState.QUEUED
        scans.replace(session, released, first, "test")
        assert (released.replaced_by, released.state) == (first, ScanState.CANCELLED)
