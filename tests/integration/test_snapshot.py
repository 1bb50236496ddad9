"""Snapshots on disk and in a real S3 server: when they are due, what stays, and what dies on the way."""

import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from archives import SITE, Archive, content_hash, documents, files, made
from seaweed import Server, running

from skymist.errors import RequestError, StoreError
from skymist.records import Database
from skymist.store import lease
from skymist.store.place import Place, place
from skymist.workflow.archive import snapshot
from skymist.workflow.archive.restore import restore, verify
from skymist.workflow.archive.snapshot import Snapshots

pytestmark = pytest.mark.integration

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR = 3600.0


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    with made(tmp_path_factory.mktemp("archive")) as found:
        yield found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("seaweed")) as found:
        yield found


@pytest.fixture(params=["path", "URL"])
def to(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "path":
        return place(tmp_path / "snapshots")
    request.getfixturevalue("server")
    return place(f"s3://maps/{tmp_path.name}")


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(snapshot, "now", found)
    return found


def there(to: Place) -> list[str]:
    """What there is; SeaweedFS also lists folders for a while that are empty."""
    return sorted({path.partition("/")[0] for path in to.files()})


def snapshots(archive: Archive, to: Place, keep: int = 2, **more: Any) -> Snapshots:
    return Snapshots(archive.database, to, HOUR, keep, site=SITE, documents=documents, **more)


def test_a_snapshot_comes_back_without_loss(archive: Archive, to: Place, clock: Clock, tmp_path: Path) -> None:
    taken = snapshots(archive, to).take()
    assert taken is not None
    found = verify(to / "20260304T120000Z")
    assert (found.problems, found.digest, found.files) == ((), taken.digest, taken.files)
    with closing(Database(str(tmp_path / "records.sqlite"))) as database:
        restore(found.where, database, tmp_path / "out")
        assert content_hash(database) == content_hash(archive.database)
    assert files(tmp_path / "out") == files(archive.out)
    damaged = to / "20260304T120000Z" / "records/alerts.jsonl"
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-2] + b"x" + content[-1:])
    assert [each for each in verify(found.where).problems if "records/alerts.jsonl" in each]


def test_large_files_go_piece_by_piece(server: Server) -> None:
    large, pieces = place("s3://maps/large"), [bytes([k]) * 1_000_000 for k in range(16)]
    large.write_chunks(iter(pieces))  # in several parts
    read = list(large.chunks())
    assert (len(read) > 1, b"".join(read)) == (True, b"".join(pieces))


def test_one_is_made_when_it_is_due_and_the_last_ones_stay(archive: Archive, to: Place, clock: Clock) -> None:
    foreign = to / "20200101T000000Z" / "thesis.tex"
    foreign.write_bytes(b"not ours")
    for hour in range(4):
        assert snapshots(archive, to).take() is not None
        assert snapshots(archive, to).take() is None  # whoever asks
        clock.later(HOUR - 1)
        assert snapshots(archive, to).take() is None
        clock.later(1)
        names = [f"20260304T{12 + each}0000Z" for each in range(hour + 1)]
        assert snapshots(archive, to).complete() == names[-2:]
    assert there(to) == ["20200101T000000Z", *names[-2:]]
    assert foreign.read_bytes() == b"not ours"


def test_one_with_doubts_takes_no_place_of_one_without(archive: Archive, to: Place, clock: Clock) -> None:
    """So many stay of each."""
    whole = [snapshots(archive, to).take()]
    clock.later(HOUR)
    whole.append(snapshots(archive, to).take())
    archive.out.rename(archive.out.with_name("away"))
    try:
        for _ in range(4):
            clock.later(HOUR)
            found = snapshots(archive, to).take()
            assert found is not None
            assert found.doubts
        names = [each.where.name for each in whole if each is not None]
        assert there(to) == [*names, "20260304T160000Z", "20260304T170000Z"]
    finally:
        archive.out.with_name("away").rename(archive.out)
    for _ in range(2):
        clock.later(HOUR)
        assert snapshots(archive, to).take() is not None
    assert there(to) == ["20260304T180000Z", "20260304T190000Z"]


def test_one_of_a_time_to_come_does_not_count(
    archive: Archive, to: Place, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    clock.now = datetime(2090, 1, 1, tzinfo=UTC)
    for _ in range(2):
        clock.later(HOUR)
        assert snapshots(archive, to).take() is not None
    wrong, clock.now = there(to), NOON
    assert len(wrong) == 2
    for _ in range(3):
        assert snapshots(archive, to)._pause() == HOUR
        clock.later(HOUR)
    assert there(to) == ["20260304T130000Z", "20260304T140000Z", *wrong]
    assert f"{to / wrong[0]} has a time that is yet to come: it does not count" in caplog.text


def test_what_a_killed_one_left_is_removed_first(archive: Archive, to: Place, clock: Clock) -> None:
    def killed(_: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        snapshots(archive, to, tables=killed).take()
    (to / "20260304T120000Z.lease").write_bytes(b"of a process that was killed")
    assert "20260304T120000Z" in there(to)
    assert snapshots(archive, to).complete() == []
    clock.later(1)
    assert snapshots(archive, to).take() is not None
    assert there(to) == ["20260304T120001Z"]


def test_of_two_processes_one_makes_it(
    archive: Archive, to: Place, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEWAL", 0.2)
    begun, go_on = threading.Event(), threading.Event()

    def slow(_: Any) -> dict[str, bytes]:
        begun.set()
        assert go_on.wait(60)
        return {}

    thread = threading.Thread(target=snapshots(archive, to, tables=slow).take)
    thread.start()
    try:
        assert begun.wait(60)
        with pytest.raises(StoreError, match="another process is writing"):
            snapshots(archive, to).take()
    finally:
        go_on.set()
        thread.join()
    assert snapshots(archive, to).take() is None
    assert len(snapshots(archive, to).complete()) == 1


def test_it_goes_on_until_it_is_stopped(archive: Archive, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    stop, found = threading.Event(), Snapshots(archive.database, tmp_path / "s", 1.0, 2, site=SITE)
    thread = threading.Thread(target=found.run, args=(stop,))
    thread.start()
    seen: set[str] = set()
    until = time.monotonic() + 60
    while len(seen) < 4:
        seen |= set(found.complete())
        assert time.monotonic() < until
        time.sleep(0.05)
    stop.set()
    thread.join()
    assert len(found.complete()) == 2
    assert f"snapshot {tmp_path}/s/{min(seen)}: " in caplog.text
    assert "digest" in caplog.text


def test_trouble_is_logged_and_it_is_tried_again(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    troubles = iter([StoreError("the server does not answer"), ZeroDivisionError("x")])

    def troubled(_: Any) -> dict[str, bytes]:
        for error in troubles:
            raise error
        return {}

    monkeypatch.setattr(snapshot, "AGAIN_S", 0.01)
    stop, found = threading.Event(), snapshots(archive, place(tmp_path / "s"), tables=troubled)
    thread = threading.Thread(target=found.run, args=(stop,))
    thread.start()
    until = time.monotonic() + 60
    while not found.complete():
        assert time.monotonic() < until
        time.sleep(0.05)
    stop.set()
    thread.join()
    assert "no snapshot: the server does not answer; trying again" in caplog.text
    assert "no snapshot: a fault of skymist itself, told in its log: ZeroDivisionError" in caplog.text
    assert len(found.to.names()) == 1


FOR_EVER = """
import sys
from skymist.fair.record import Site
from skymist.records import Database
from skymist.workflow.archive.snapshot import Snapshots
def told(session):
    print("begun", flush=True)
    import time
    time.sleep(600)
Snapshots(Database(sys.argv[1]), sys.argv[2], 3600.0, 2, site=Site(), tables=told).take()
"""


def test_after_a_killed_process_the_next_one_makes_it(
    archive: Archive, to: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-c", FOR_EVER, archive.database.url, str(to)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGKILL)
    assert there(to)
    assert snapshots(archive, to).complete() == []
    monkeypatch.setattr(lease, "SECONDS", 1.0)
    assert snapshots(archive, to).take() is not None
    (name,) = there(to)
    assert snapshots(archive, to).complete() == [name]
    assert verify(to / name).problems == ()


def test_never_and_none_are_refused(archive: Archive, tmp_path: Path) -> None:
    for every, keep in ((0, 1), (1, 0)):
        with pytest.raises(RequestError, match=f"snapshots every {every} s, of which {keep} stay, are none"):
            Snapshots(archive.database, tmp_path, every, keep, site=SITE)
