"""Folders are watched; what is in them becomes records, once, and what cannot be read is put aside."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from skymist.alerts import folder
from skymist.alerts.folder import Folder
from skymist.alerts.kafka import Kafka
from skymist.alerts.stream import Message
from skymist.errors import RequestError, StoreError
from skymist.records import Database, inputs, patiently, tables
from skymist.workflow import listen
from skymist.workflow.events import demo_path
from skymist.workflow.ingest import Outcome

NOTICE = {
    "id": ["137840_57034692"], "event_name": ["IceCube-230416A"], "alert_tense": "current", "record_number": 0,
    "trigger_time": "2023-04-16T05:22:26.150574Z", "pipeline": "Bronze Track Alert", "ra": 345.82, "dec": 9.01,
}  # fmt: skip
SETTINGS = {"bootstrap.servers": "127.0.0.1:1", "group.id": "tests"}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = Database(str(tmp_path / "records.sqlite"))
    found.upgrade()
    yield found
    found.close()


@pytest.fixture
def incoming(tmp_path: Path) -> Path:
    (tmp_path / "incoming").mkdir()
    return tmp_path / "incoming"


@contextmanager
def listening(database: Database, *sources: object) -> Iterator[list[Outcome]]:
    stop, heard = threading.Event(), []
    thread = threading.Thread(target=listen.listen, args=(database, sources, stop, heard.append))
    thread.start()
    try:
        yield heard
    finally:
        stop.set()
        thread.join()


def until(look: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not look():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.02)


def test_whatever_is_put_into_a_folder_is_kept(database: Database, incoming: Path) -> None:
    (incoming / "a.json").write_text(json.dumps(NOTICE))
    (incoming / ".hidden").write_text("{}")
    (incoming / "b.csv.partial").write_text("{}")
    with listening(database, Folder(incoming)) as heard:
        until(lambda: len(heard) == 1)
        (incoming / "c.bin").write_bytes(b"\x00 nothing")
        (incoming / "b.csv.partial").write_bytes(demo_path().read_bytes())
        (incoming / "b.csv.partial").rename(incoming / "b.csv")
        until(lambda: len(heard) == 3)
        (incoming / "a.json").write_text(json.dumps({**NOTICE, "record_number": 1}))
        until(lambda: len(heard) == 4)
    assert [bool(outcome.event_id) for outcome in heard[:3]] in ([False, True, False], [False, False, True])
    with database.read() as session:
        (bad,) = inputs.quarantined(session)
        assert (bad.position, bad.source) == ("c.bin", str(incoming))
        names = set(session.scalars(select(tables.Alert.name)))
        stream = session.get_one(tables.Stream, str(incoming))
        assert (stream.state, stream.trouble) == ("stopped", "")
        assert stream.heard is not None
        assert len(session.scalars(select(tables.Revision)).all()) == 3
    assert "IceCube-230416A" in names
    with listening(database, Folder(incoming)) as again:
        until(lambda: len(again) == 3)
    assert not any(outcome.new for outcome in again)


def test_a_file_is_given_when_it_does_not_grow_any_more(incoming: Path) -> None:
    stop, source = threading.Event(), Folder(incoming)
    found = source.messages(stop)
    (incoming / "a").write_text("one")
    assert next(found) is None  # it is there, but may yet grow
    (incoming / "a").write_text("one two")
    assert next(found) is None
    message = next(found)
    assert message == Message(b"one two", "either", str(incoming), "a")
    assert source.lag() == 1
    source.commit(message)
    assert next(found) is None
    assert source.lag() == 0


def test_what_a_folder_cannot_give_is_told(incoming: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RequestError, match="is no folder that could be watched"):
        Folder(incoming / "none")
    monkeypatch.setattr(folder, "LIMIT", 3)
    source, stop = Folder(incoming), threading.Event()
    (incoming / "large").write_text("1234")
    found = source.messages(stop)
    next(found)
    assert next(found) is None
    assert source.trouble.endswith("large cannot be read: larger than the limit of 3 bytes")
    (incoming / "large").unlink()
    incoming.rmdir()
    assert next(found) is None
    assert "No such file" in source.trouble


def test_nothing_is_forgotten_before_it_is_kept(
    database: Database, incoming: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (incoming / "a.json").write_text(json.dumps(NOTICE))
    tries: list[int] = []
    take = listen.take_message

    def sometimes(*given: object) -> Outcome:
        tries.append(1)
        if len(tries) == 1:
            raise StoreError("the database is away")
        return take(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(listen, "take_message", sometimes)
    source = Folder(incoming)
    with listening(database, source) as heard:
        until(lambda: bool(heard))
    assert len(tries) == 2
    assert set(source._done) == {"a.json"}


@pytest.mark.parametrize(
    ("topics", "settings", "said"),
    [
        (
            {"x": "news"},
            SETTINGS,
            "no kind of the topic x is called 'news'; there are: either, event, heartbeat, notice",
        ),
        ({}, SETTINGS, "Kafka needs topics"),
        ({"x": "notice"}, {"group.id": "me"}, "needs the setting bootstrap.servers"),
        ({"x": "notice"}, {**SETTINGS, "colour": "red"}, "does not take these settings"),
    ],
)
def test_wrong_settings_of_kafka_are_told(topics: dict[str, str], settings: dict[str, str], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        Kafka(topics, settings)


def test_secrets_come_from_the_environment(incoming: Path) -> None:
    kafka = {"topics": {"x": "notice"}, "settings": {**SETTINGS, "sasl.password": "$SECRET"}}
    assert len(listen.make_sources([str(incoming)], kafka, {"SECRET": "s"})) == 2
    with pytest.raises(RequestError, match=r"sasl\.password of kafka is in the variable SECRET, which is not set"):
        listen.make_sources([], kafka, {})
    with pytest.raises(RequestError, match="kafka needs topics and settings, and nothing else, not topics"):
        listen.make_sources([], {"topics": {}}, {})


def test_a_broker_that_is_not_there_is_told_and_looked_for(database: Database) -> None:
    source = Kafka({"x": "notice", "gcn.heartbeat": "heartbeat"}, SETTINGS)
    with listening(database, source):
        until(lambda: bool(source.trouble))
    with database.read() as session:
        stream = session.get_one(tables.Stream, "kafka://127.0.0.1:1")
    assert stream.state == "stopped"
    assert "127.0.0.1:1" in stream.trouble or "broker" in stream.trouble.lower()


def test_while_the_database_is_away_it_is_waited_for() -> None:
    stop, tries = threading.Event(), []

    def step() -> None:
        tries.append(1)
        stop.set()
        raise StoreError("down")

    patiently(step, stop)
    assert tries == [1]


def test_a_source_that_fails_is_not_left_behind_unnoticed(database: Database, incoming: Path) -> None:
    class Broken(Folder):
        def messages(self, stop: threading.Event) -> Iterator[Message | None]:
            yield None
            raise ZeroDivisionError

    stop = threading.Event()
    with pytest.raises(ZeroDivisionError):
        listen.listen(database, [Folder(incoming), Broken(incoming)], stop)
    assert stop.is_set()
