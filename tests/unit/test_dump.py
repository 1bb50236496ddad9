"""Records as lines: the same in every kind of database, and back without loss."""

import base64
import hashlib
import json
import random
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from archives import fill
from desks import notice, take_notice
from sqlalchemy import JSON, Boolean, LargeBinary, String, func, inspect, select, text, update

from skymist.errors import ConflictError, ReadError, RequestError, StoreError, UnknownNameError
from skymist.model.identity import Thing
from skymist.records import Database, alerts, dump, identities, inputs, log, tables

NEWEST = "0008"


@pytest.fixture
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database of the kind that `database` is not; without tables."""
    import postgres

    is_file = request.getfixturevalue("database").engine.dialect.name == "sqlite"
    url = postgres.create(request.getfixturevalue("postgresql")) if is_file else str(tmp_path / "new" / "other.sqlite")
    with closing(Database(url)) as found:
        yield found


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(str(tmp_path / "one.sqlite"))) as found:
        found.upgrade()
        yield found


class Dump:
    """All lines by table, and all contents."""

    def __init__(self, database: Database, alert_ids: tuple[int, ...] | None = None) -> None:
        self.contents: dict[str, bytes] = {}
        with dump.one_state(database) as session:
            chosen = dump.choose(session, alert_ids)
            self.lines = {
                each.name: list(dump.lines(session, each, chosen, self.contents.__setitem__))
                for each in dump.archived()
            }
            self.hash = dump.content_hash(session, alert_ids)

    def load(self, database: Database, **changes: Any) -> dict[str, int]:
        given = {"version": NEWEST, "records": self.lines, "contents": self.of, "url": str, **changes}
        return dump.load(database, **given)[0]

    def of(self, names: list[str]) -> list[bytes | None]:
        return [self.contents.get(name) for name in names]

    def rows(self, table: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines[table]]


def test_records_go_into_a_database_of_the_other_kind_and_back(database: Database, other: Database) -> None:
    fill(database)
    before = Dump(database)
    counts = before.load(other, expected=before.hash)
    assert counts == {name: len(lines) for name, lines in before.lines.items()}
    assert all(counts[name] for name in counts if name not in ("artifacts", "imported_maps"))
    after = Dump(other)
    assert (after.hash, after.lines, after.contents) == (before.hash, before.lines, before.contents)
    other.check()
    with other.read() as session:
        assert {name: session.scalar(text(f"SELECT COUNT(*) FROM {name}")) for name in dump.KEPT_BACK} == {
            "tokens": 0, "streams": 0, "runners": 0, "scratches": 0,
        }  # fmt: skip


def test_an_imported_database_goes_on_and_its_log_cannot_be_changed(database: Database, other: Database) -> None:
    fill(database)
    Dump(database).load(other)
    with other.read() as session:
        highest = {name: session.scalar(text(f"SELECT MAX(id) FROM {name}")) for name in ("alerts", "log")}
    assert take_notice(other, notice(event=99, name="")) == highest["alerts"] + 1
    with other.read() as session:
        assert session.scalar(select(func.max(tables.LogEntry.id))) > highest["log"]
    with pytest.raises(Exception, match="the log is never changed"), other.begin() as session:
        session.execute(text("DELETE FROM log"))


def test_lines_are_canonical(sqlite: Database) -> None:
    fill(sqlite)
    found = Dump(sqlite)
    for lines in found.lines.values():
        for line in lines:
            assert line == json.dumps(json.loads(line), sort_keys=True, separators=(",", ":")).encode() + b"\n"
    assert {row["content"] for row in found.rows("inputs")} == {row["id"] for row in found.rows("inputs")}
    assert all(hashlib.sha256(content).hexdigest() == name for name, content in found.contents.items())
    assert all(row["time"].endswith("Z") for row in found.rows("log"))
    assert found.rows("log") == sorted(found.rows("log"), key=lambda row: row["id"])
    assert not set(dump.KEPT_BACK) & found.lines.keys()
    assert set(dump.KEPT_BACK) | found.lines.keys() == tables.Base.metadata.tables.keys()


def test_the_hash_depends_on_no_order(sqlite: Database, tmp_path: Path) -> None:
    fill(sqlite)
    found = Dump(sqlite)
    for lines in found.lines.values():
        random.Random(1).shuffle(lines)
    with closing(Database(str(tmp_path / "shuffled.sqlite"))) as shuffled:
        found.load(shuffled, expected=found.hash)


def test_the_hash_sees_every_change(sqlite: Database) -> None:
    fill(sqlite)
    seen = {Dump(sqlite).hash}
    with sqlite.begin() as session:
        session.execute(text("DROP TRIGGER log_keeps_update"))
        session.execute(text("PRAGMA ignore_check_constraints = ON"))
    for table in dump.archived():
        for column in (each for each in table.columns if not each.primary_key and not each.foreign_keys):
            with sqlite.begin() as session:
                changed = session.execute(update(table).values({column.name: _other(column)})).rowcount
            before = len(seen)
            seen.add(Dump(sqlite).hash)
            assert len(seen) == before + (changed > 0), column
    assert len(seen) > 60


def _other(column: Any) -> Any:
    """Return another value of a column, whatever its type is."""
    name = column.name
    values: dict[type, Any] = {
        String: text(f"'x' || COALESCE({name}, '')"), JSON: {"other": 1}, Boolean: text(f"NOT {name}"),
        LargeBinary: b"other", tables.UtcDateTime: tables.now(),
    }  # fmt: skip
    number = text(f"COALESCE({name}, 0) + 1")
    return next((values[each] for each in values if isinstance(column.type, each)), number)


def test_a_selection_has_all_that_belongs_to_it_and_nothing_else(database: Database, other: Database) -> None:
    first, second = fill(database)
    whole, found = Dump(database), Dump(database, (first,))
    assert {row["id"] for row in found.rows("alerts")} == {first}
    for name in ("aliases", "revisions", "events", "publications", "identities"):
        expected = [row for row in whole.rows(name) if row["alert_id"] == first]
        assert found.rows(name) == expected != []
    assert found.rows("scans") == whole.rows("scans")
    inputs = {row["input_id"] for name in ("revisions", "events") for row in found.rows(name)}
    assert {row["id"] for row in found.rows("inputs")} == inputs == found.contents.keys()
    told = {(row["subject"], row["subject_id"]) for row in found.rows("log")}
    assert ("alert", str(first)) in told
    assert ("alert", str(second)) not in told
    assert {subject for subject, _ in told} == {"alert", "event", "scan", "input", "circular", "identity"}
    found.load(other, expected=found.hash)
    assert Dump(other).lines == found.lines
    assert Dump(database, (first, second)).rows("alerts") == whole.rows("alerts")


def test_an_alert_that_is_not_there_cannot_be_selected(sqlite: Database) -> None:
    with sqlite.read() as session, pytest.raises(UnknownNameError, match="no alert number is called '7'"):
        dump.choose(session, (7,))


def test_a_selection_may_be_large(sqlite: Database) -> None:
    fill(sqlite)
    with sqlite.begin() as session:
        row = dict(session.execute(select(tables.Alert.__table__).limit(1)).mappings().one())
        many = [{**row, "id": 100 + k, "event": 100 + k, "name": f"x{k}"} for k in range(33_000)]
        session.execute(tables.Alert.__table__.insert(), many)
    with sqlite.read() as session:
        chosen = dump.choose(session, range(100, 33_100))
        assert sum(1 for _ in dump.lines(session, tables.Alert.__table__, chosen)) == 33_000


def test_what_changes_meanwhile_is_not_seen(database: Database) -> None:
    fill(database)
    before = Dump(database)
    with dump.one_state(database) as session:
        seen = {}
        for table in dump.archived():
            seen[table.name] = list(dump.lines(session, table))
            if len(seen) == 1:
                take_notice(database, notice(event=1000, name=""))
    assert seen == before.lines
    assert Dump(database).lines != before.lines


def test_records_go_into_an_empty_database_only(database: Database, sqlite: Database) -> None:
    found = Dump(sqlite)
    with database.begin() as session:
        log.note(session, "somebody", "came", "alert", 1)
    with pytest.raises(ConflictError, match=r"is not empty \(log\); records go into an empty database only"):
        found.load(database)


def test_records_of_a_newer_version_are_refused(sqlite: Database) -> None:
    with pytest.raises(RequestError, match=r"tables of version 9999 are unknown to this skymist: 0001, "):
        Dump(sqlite).load(sqlite, version="9999")
    found = Dump(sqlite)
    with sqlite.begin() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '8888'"))
    with pytest.raises(RequestError, match=r"tables of version 8888 are unknown"):
        found.load(sqlite)


def old_records() -> tuple[dict[str, list[bytes]], dict[str, bytes]]:
    """Lines of the first version of the tables, as `dump` writes them, and the messages."""
    written = json.loads(Path(__file__).with_name("records_0001.json").read_text(encoding="utf-8"))
    contents = [base64.b64decode(row["content"]) for row in written["inputs"]]
    for row, content in zip(written["inputs"], contents, strict=True):
        row["content"] = hashlib.sha256(content).hexdigest()
    for row in written["artifacts"]:
        row["url"] = dump.path_within(row["url"])
    keys = {"aliases": ("role", "name"), "artifacts": ("scan_id", "kind")}
    records = {}
    for name in written.keys() - set(dump.KEPT_BACK):
        rows = sorted(written[name], key=lambda row: [row[key] for key in keys.get(name, ("id",))])
        text = (json.dumps(row, sort_keys=True, separators=(",", ":")).replace("+00:00", "Z") for row in rows)
        records[name] = [f"{line}\n".encode() for line in text]
    return records, {hashlib.sha256(content).hexdigest(): content for content in contents}


def load_old(database: Database, records: dict[str, list[bytes]], **more: Any) -> dict[str, int]:
    _, contents = old_records()
    return dump.load(database, "0001", records, lambda names: [contents[name] for name in names], str, **more)[0]


def hash_of(records: dict[str, list[bytes]]) -> str:
    return dump.combined({name: hashlib.sha256(b"".join(rows)).hexdigest() for name, rows in records.items()})


@pytest.mark.parametrize("there", [None, NEWEST, "0001", "0003"])
def test_records_of_an_earlier_version_are_brought_to_this_one(database_url: str, there: str | None) -> None:
    """Whatever version of the tables the empty database has."""
    records, _ = old_records()
    with closing(Database(database_url)) as database:
        if there is not None:
            database.upgrade(there)
        counts = load_old(database, records, expected=hash_of(records))
        database.check()
        found = Dump(database)
        assert counts == {name: len(rows) for name, rows in found.lines.items()}
        assert {name: counts[name] for name in records} == {name: len(rows) for name, rows in records.items()}
        assert [row["name"] for row in found.rows("alerts")] == [json.loads(line)["name"] for line in records["alerts"]]
        assert len(found.rows("identities")) >= len(records["alerts"]) + len(records["revisions"])


def rows_in(database: Database) -> dict[str, int]:
    with database.read() as session:
        names = inspect(session.connection()).get_table_names()
        found = {name: session.scalar(text(f"SELECT COUNT(*) FROM {name}")) for name in names}
    return {name: count for name, count in found.items() if count and name != "alembic_version"}


class _Killed(BaseException):
    pass


def killed(*_: Any) -> None:
    raise _Killed


@pytest.mark.parametrize("there", [None, NEWEST])
def test_of_an_earlier_version_all_comes_in_or_nothing(database_url: str, there: str | None) -> None:
    records, _ = old_records()
    row = json.loads(records["revisions"][-1])
    del row["content"]["time"], row["content"]["number"]
    spoilt = {**records, "revisions": [*records["revisions"][:-1], json.dumps(row).encode()]}
    with closing(Database(database_url)) as database:
        if there is not None:
            database.upgrade(there)
        with pytest.raises(ReadError, match="records: those of version 0001 cannot be brought to this one: KeyError"):
            load_old(database, spoilt)
        assert (rows_in(database), database.version()) == ({}, there)
        with pytest.raises(StoreError, match="does not give back the records"):
            load_old(database, records, expected="0" * 64)
        assert (rows_in(database), database.version()) == ({}, there)
        with pytest.raises(_Killed):
            load_old(database, records, then=killed)
        assert (rows_in(database), database.version()) == ({}, there)
        load_old(database, records)
        database.check()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "Expecting property name"),
        (b"[]", "has no attribute"),
        (b'{"id":1}', "the columns are id, and should be changed, created"),
        (b'{"alert_id":3,"name":"x","role":{}}', "type 'dict' is not supported|cannot adapt"),
        (b'{"alert_id":987,"name":"x","role":"test"}', "FOREIGN KEY|foreign key"),
        (b'{"alert_id":%d,"name":"x","role":"test"}' % 10**30, "too large|out of range"),
        (b'{"alert_id":' + 9999 * b"[" + b"]" * 9999 + b',"name":"x","role":"test"}', "recursion"),
    ],
)
def test_a_line_that_is_no_row_is_named_and_nothing_is_imported(
    database: Database, other: Database, line: bytes, reason: str
) -> None:
    fill(database)
    found = Dump(database)
    table = "aliases" if b"alert_id" in line else "alerts"
    found.lines[table].append(line)
    with pytest.raises(
        ReadError, match=rf"records/{table}\.jsonl, lines 1 to \d: no rows for this database: .*({reason})"
    ):
        found.load(other)
    assert rows_in(other) == {}


def test_what_is_no_row_is_left_out_of_damaged_records_with_what_needs_it(database: Database, other: Database) -> None:
    first, second = fill(database)
    found, told = Dump(database), list[str]()
    events = {row["input_id"] for row in found.rows("events")}
    told_of = [row["input_id"] for row in found.rows("revisions") if row["alert_id"] == first]
    notices = [each for each in told_of if each not in (None, *events)]
    del found.contents[min(events)]
    found.contents[notices[0]] += b" "
    found.lines["comments"] = [b"{", *found.lines["comments"]]
    found.lines["texts"] = [each for each in found.lines["texts"] if json.loads(each)["publication_id"] != 1]
    found.lines["revisions"] = [each for each in found.lines["revisions"] if json.loads(each)["alert_id"] != second]
    with pytest.raises(ReadError, match=f"the message '({min(events)}|{notices[0]})' is not there, or another one"):
        found.load(other)
    names = found.lines["identities"]
    found.lines["identities"] = [each for each in names if json.loads(each)["alert_id"] is None]
    counts = found.load(other, left_out=told.append)
    after = Dump(other)
    assert counts == {name: len(lines) for name, lines in after.lines.items()}
    assert {row["id"] for row in found.rows("inputs")} - after.contents.keys() == {min(events), notices[0]}
    assert [row["id"] for row in after.rows("alerts")] == [first]
    assert (counts["events"], counts["scans"], counts["publications"]) == (0, 0, 0)
    before = {(row["fragment"], row["subject"]) for row in map(json.loads, names) if row["alert_id"] == first}
    assert {(row["fragment"], row["subject"]) for row in after.rows("identities")} <= before
    assert all(row["released"] is None for row in after.rows("identities"))
    assert after.rows("alerts")[0]["public"] is None
    assert "identities, 137840_1: private now: whether it was public is not there" in told
    lost = {None, min(events), notices[0]}  # a person has sent no message
    assert [row["input_id"] for row in after.rows("revisions")] == [None if each in lost else each for each in told_of]
    kept = {row["id"] for row in found.rows("revisions")}
    assert {row["subject"] for row in after.rows("identities") if row["thing"] == "revision"} == kept
    assert len([each for each in told if "is not there, or another one" in each]) == 2
    assert any(re.match(r"records/comments\.jsonl, line 1: left out: Expecting property name", each) for each in told)
    assert any(re.match(r"records/revisions\.jsonl, line \d: comes without its message: ", each) for each in told)
    assert f"alerts, {second}: left out: what it is of is not there" in told
    assert "publications, 1: left out: what it is of is not there" in told
    assert after.rows("log") == found.rows("log")


def encoded(rows: list[dict[str, Any]]) -> list[bytes]:
    return [json.dumps(row).encode() for row in rows]


def names_of(found: Dump) -> set[tuple[Any, ...]]:
    keys = "fragment", "thing", "subject", "alert_id", "scan_id"
    return {tuple(row[key] for key in keys) for row in found.rows("identities")}


DOUBTFUL = "; it may have had another name"


@pytest.mark.parametrize(
    ("lost", "doubtful"),
    [
        ((Thing.ALERT, Thing.REVISION), {"137840_5703469"}),
        ((Thing.ALERT,), set()),
        ((Thing.REVISION,), set()),
    ],
)
def test_names_that_are_lost_come_back_the_same(
    database: Database, other: Database, lost: tuple[Thing, ...], doubtful: set[str]
) -> None:
    """Also of an alert that got other numbers, and of revisions that have the same."""
    take_notice(database, notice(event=5703469, name=""))
    for ra in range(40, 46):
        take_notice(database, notice(event=57034692, number=1, name="", ra=float(ra)))
    found, told = Dump(database), list[str]()
    before, rows = names_of(found), found.rows("identities")
    assert len({row["subject"] for row in rows if row["fragment"].startswith("137840_5703469_1-")}) == 5
    found.lines["identities"] = encoded([row for row in rows if row["thing"] not in lost])
    random.Random(1).shuffle(found.lines["revisions"])
    found.load(other, left_out=told.append)
    assert names_of(Dump(other)) == before
    assert {line.split()[1].rstrip(":") for line in told if line.endswith(DOUBTFUL)} == doubtful
    assert len(told) == len([row for row in rows if row["thing"] in lost])


def test_a_name_that_may_have_been_another_is_told(sqlite: Database, tmp_path: Path) -> None:
    take_notice(sqlite, notice(event=5703469, name=""))
    for ra in (40.5, 41.0):
        take_notice(sqlite, notice(event=57034692, number=1, name="", ra=ra))
    found, told = Dump(sqlite), list[str]()
    first, *others = sorted(found.rows("revisions"), key=lambda row: row["received"])
    found.lines |= {"identities": [], "log": [], "revisions": encoded(others)}
    with closing(Database(str(tmp_path / "without log.sqlite"))) as database:
        found.load(database, left_out=told.append)
        assert {row["fragment"] for row in Dump(database).rows("identities") if row["thing"] == "alert"} == {
            "137840_57034692"
        }
    found, told = Dump(sqlite), list[str]()
    found.lines |= {"identities": [], "revisions": encoded([first, *others[1:]])}
    with closing(Database(str(tmp_path / "without one.sqlite"))) as database:
        found.load(database, left_out=told.append)
    doubtful = {line.split()[1].rstrip(":") for line in told if line.endswith(DOUBTFUL)}
    assert doubtful == {"137840_5703469", "137840_5703469_1"}


def add_maps_of_both(database: Database) -> None:
    """Add a map that a scan has made, one that it had made before, and one of others; all without a store."""
    with database.begin() as session:
        scan = session.scalars(select(tables.Scan)).one()
        alert_id = session.scalar(select(tables.Event.alert_id).where(tables.Event.id == scan.event_id))
        item, _ = inputs.receive(session, b"a map of others", "event", "somebody", "map.fits")
        session.add(tables.Artifact(scan_id=scan.id, kind=tables.ZARR, url="/a/b/x.zarr", sha256="1" * 64, size=1))
        session.add(tables.ImportedMap(
            id=item.id, input_id=item.id, alert_id=alert_id, file="map.fits", format="FITS", reconstruction="others",
            url="/a/b/y.zarr", sha256="2" * 64, size=1, summary={},
        ))  # fmt: skip
        for digit in "13":
            identities.name_map(session, digit * 64, alert_id, scan.id)
        identities.name_map(session, "2" * 64, alert_id)


def flip(text: str, at: int) -> str:
    letters = list(text)
    letters[at] = chr(ord(letters[at]) ^ 1)
    return "".join(letters)


ALTERED = ("subject", 0), ("subject", -1), ("thing", 0), ("fragment", -1), ("thing", Thing.MAP), ("thing", Thing.SCAN)


@pytest.mark.parametrize("thing", Thing)
@pytest.mark.parametrize(("key", "change"), ALTERED)
def test_a_name_that_was_altered_is_given_again(
    sqlite: Database, tmp_path: Path, thing: Thing, key: str, change: int | Thing
) -> None:
    fill(sqlite)
    add_maps_of_both(sqlite)
    found = Dump(sqlite)
    before, rows = names_of(found), found.rows("identities")
    of_thing = [at for at, row in enumerate(rows) if row["thing"] == thing and row["subject"] != "3" * 64]
    for at in of_thing[:2]:
        row = rows[at]
        altered = {**row, key: change if isinstance(change, Thing) else flip(row[key], change)}
        if altered == row:
            continue
        found.lines["identities"] = encoded([*rows[:at], altered, *rows[at + 1 :]])
        told = list[str]()
        with closing(Database(str(tmp_path / f"{at}.sqlite"))) as database:
            found.load(database, left_out=told.append)
            assert names_of(Dump(database)) == before
            with database.read() as session:
                assert identities.of(session, thing, row["subject"]).released is None
                assert {each.public for each in session.scalars(select(tables.Alert))} != {None} or thing == Thing.ALERT
        assert any(re.match(rf"(identities, {altered['fragment']}|records/.*): left out: ", line) for line in told)
        assert f"identities, {row['fragment']}: private now: whether it was public is not there" in told


def test_names_that_are_not_altered_stay(database: Database, other: Database) -> None:
    fill(database)
    add_maps_of_both(database)
    found, told = Dump(database), list[str]()
    found.load(other, left_out=told.append)
    assert (told, Dump(other).lines) == ([], found.lines)


def test_an_alert_whose_name_another_one_has_gets_its_own(sqlite: Database, tmp_path: Path) -> None:
    take_notice(sqlite, notice(event=2, name=""))
    take_notice(sqlite, notice(event=3, name=""))
    found, told = Dump(sqlite), list[str]()
    before, rows = names_of(found), found.rows("identities")
    next(row for row in rows if row["fragment"] == "137840_2")["fragment"] = "137840_3"
    found.lines["identities"] = encoded(rows)
    with closing(Database(str(tmp_path / "two.sqlite"))) as database:
        found.load(database, left_out=told.append)
        assert names_of(Dump(database)) == before
    assert "identities, 137840_3: left out: it is no name of alert 1" in told


def change_to_list(row: dict[str, Any]) -> None:
    row["content"] = [1]


def rename_time(row: dict[str, Any]) -> None:
    row["content"]["tine"] = row["content"].pop("time")


def lose_time(row: dict[str, Any]) -> None:
    del row["content"]["time"]


def take_another_kind(row: dict[str, Any]) -> None:
    row["content"]["kind"] = "initiak"


def move_it(row: dict[str, Any]) -> None:
    row["content"]["run"] += 1


@pytest.mark.parametrize("change", [change_to_list, rename_time, lose_time, take_another_kind, move_it])
@pytest.mark.parametrize("version", [NEWEST, "0001"])
def test_a_revision_that_is_another_one_is_left_out(
    sqlite: Database, tmp_path: Path, version: str, change: Callable[[dict[str, Any]], None]
) -> None:
    if version == NEWEST:
        fill(sqlite)
        records, contents = Dump(sqlite).lines, Dump(sqlite).contents
    else:
        records, contents = old_records()
    rows = [json.loads(line) for line in records["revisions"]]
    spoilt = next(row for row in rows if sum(each["alert_id"] == row["alert_id"] for each in rows) > 1)
    change(spoilt)
    told = list[str]()
    with closing(Database(str(tmp_path / "new.sqlite"))) as database:
        given = {**records, "revisions": encoded(rows)}
        counts, _ = dump.load(
            database, version, given, lambda names: [contents[name] for name in names], str, left_out=told.append
        )
        assert counts["revisions"] == len(rows) - 1
        with database.read() as session:
            for alert in session.scalars(select(tables.Alert)):
                alerts.whole(alert)
    assert told[0].startswith(f"records/revisions.jsonl, line {rows.index(spoilt) + 1}: left out: ")


@pytest.mark.parametrize("name", ["fruits", "tokens", "streams", "alembic_version"])
@pytest.mark.parametrize("version", [NEWEST, "0004"])
def test_tables_that_are_not_archived_are_refused(sqlite: Database, name: str, version: str) -> None:
    found = Dump(sqlite)
    with pytest.raises(ReadError, match=rf"records: {name} is no table of version {version} that is archived"):
        found.load(sqlite, version=version, records={name: []})
    assert rows_in(sqlite) == {}


def test_a_database_that_does_not_give_back_what_it_got_is_left_empty(sqlite: Database, tmp_path: Path) -> None:
    fill(sqlite)
    with closing(Database(str(tmp_path / "two.sqlite"))) as two:
        with pytest.raises(StoreError, match="does not give back the records"):
            Dump(sqlite).load(two, expected="0" * 64)
        assert rows_in(two) == {}


def test_where_things_are_does_not_count(sqlite: Database, tmp_path: Path) -> None:
    first, _ = fill(sqlite)
    with sqlite.begin() as session:
        scan = session.scalars(select(tables.Scan)).one()
        scan.state = tables.ScanState.COMPLETE
        for kind in ("x.zarr", "x.png"):
            session.add(
                tables.Artifact(scan_id=scan.id, kind=kind[2:], url=f"/a/observation/{kind}", sha256="0", size=1)
            )
    found = Dump(sqlite)
    assert {row["url"] for row in found.rows("artifacts")} == {"maps/observation/x.zarr", "files/observation/x.png"}
    with closing(Database(str(tmp_path / "moved.sqlite"))) as moved:
        found.load(moved, expected=found.hash, url=lambda path: f"s3://elsewhere/{path.partition('/')[2]}")
        with moved.read() as session:
            places = {each.url: each.path for each in dump.placed(session)}
            assert places["s3://elsewhere/observation/x.png"] == "files/observation/x.png"
            assert len(places) == len(dump.placed(session, dump.choose(session, (first,)))) == 2
        with moved.begin() as session:
            session.scalars(select(tables.Scan)).one().state = tables.ScanState.QUEUED
        with moved.read() as session:
            assert dump.placed(session) == []


def test_everything_that_the_log_tells_of_is_known(sqlite: Database) -> None:
    fill(sqlite)
    assert {row["subject"] for row in Dump(sqlite).rows("log")} <= {*dump.SUBJECTS, "token", "stream"}
    assert set(dump.SUBJECTS.values()) <= tables.Base.metadata.tables.keys()
