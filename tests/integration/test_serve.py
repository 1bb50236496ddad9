"""The whole service as its users start it: a file becomes a map, whatever part of it is killed."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from integration import test_replay as replayed
from sqlalchemy import func, select

import skymist
from skymist.errors import SkymistError
from skymist.records import Database, tables
from skymist.workflow.events import demo_path

pytestmark = pytest.mark.integration

KILLS = int(os.environ.get("SKYMIST_KILLS", "4"))

RULES = """
rules:
  - name: any
    scans:
      - {name: fast, reco: bowl, levels: "2:0,4:6", priority: 200}
      - {name: fine, after: fast, reco: bowl, levels: "8:0,16:12", options: {seconds: 0.005}}
"""


class Service:
    """``skymist serve`` in a folder of its own."""

    def __init__(self, folder: Path, *more: str) -> None:
        self.more = more
        self.folder, self.incoming, self.log = folder, folder / "incoming", folder / "log"
        self.incoming.mkdir()
        (folder / "rules.yaml").write_text(RULES)
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.launch()
        until(self.answers)

    def kill(self) -> None:
        """Kill everything at once, the one who would start it again included."""
        parts = list(self.parts().values())
        for each in (psutil.Process(self.process.pid), *parts):
            each.kill()
        psutil.wait_procs(parts, 10)
        self.process.wait()

    def launch(self) -> None:
        where = ["--database", f"{self.folder}/r.sqlite", "--out", f"{self.folder}/out", "--folder", str(self.incoming)]
        words = ["serve", *where, "--rules", f"{self.folder}/rules.yaml", "--port", str(self.port), *self.more]
        own = {**os.environ, "XDG_CONFIG_HOME": str(self.folder / "config")}
        with self.log.open("a") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "skymist", *words], env=own, stderr=log)

    def answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            with skymist.connect(self.url) as client:
                return bool(client.health()["status"] == "ok")
        except SkymistError:
            return False

    def scans(self) -> dict[str, dict[str, Any]]:
        with skymist.connect(self.url) as client:
            return {each.document["rule"]: each.document for each in client.scans()}

    def parts(self) -> dict[str, psutil.Process]:
        found = {}
        for each in psutil.Process(self.process.pid).children():
            name = next((word.removeprefix("--part=") for word in each.cmdline() if word.startswith("--part=")), "")
            found[name] = each
        return found

    def said(self) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


def until(look: Callable[[], bool], patience_s: float = 90) -> None:
    end = time.monotonic() + patience_s
    while not look():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.1)


@contextmanager
def started(folder: Path, patch: pytest.MonkeyPatch, *more: str) -> Iterator[Service]:
    patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    service = Service(folder, *more)
    service.start()
    try:
        yield service
    finally:
        parts = list(service.parts().values()) if service.process.poll() is None else []
        service.process.terminate()
        service.process.wait(60)
        psutil.wait_procs(parts, 20)
        assert not any(part.is_running() for part in parts)


def states(service: Service) -> dict[str, str]:
    return {rule: each["state"] for rule, each in service.scans().items()}


def complete(service: Service) -> Callable[[], bool]:
    return lambda: states(service) == {"any/fast": "complete", "any/fine": "complete"}


def test_a_file_becomes_maps_with_nobody_watching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with started(tmp_path, monkeypatch) as service:
        assert set(service.parts()) == {"api", "workflow", "streams"}
        assert (tmp_path / "config" / "skymist" / "tokens.yaml").stat().st_mode & 0o77 == 0
        (service.incoming / "event.csv").write_bytes(demo_path().read_bytes())
        until(complete(service))
        for killed in ("workflow", "streams", "api"):
            before = service.parts()[killed]
            before.send_signal(signal.SIGKILL)
            before.wait(10)
        until(lambda: set(service.parts()) == {"api", "workflow", "streams"})
        until(service.answers)
        assert complete(service)()
    assert service.process.returncode == 0
    assert [each for each in service.said() if each["level"] == "error"] == []


def test_killed_again_and_again_it_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with started(tmp_path, monkeypatch) as service:
        (service.incoming / "event.csv").write_bytes(demo_path().read_bytes())
        until(lambda: states(service).get("any/fine") == "running")
        for _ in range(2):
            service.kill()
            service.start()
        until(complete(service))
        cells = sum(level["done"] for level in service.scans()["any/fine"]["progress"]["levels"])
    assert cells == 768 + 12 * 4


def test_killed_again_and_again_while_it_reads(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    messages, rng = replayed.messages(shared), random.Random(50)
    clean, records = (Database(str(tmp_path / name)) for name in ("clean.sqlite", "r.sqlite"))
    clean.upgrade()
    replayed.replay(clean.url, messages)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    service, hit = Service(tmp_path), 0
    (service.incoming / "event.csv").write_bytes(demo_path().read_bytes())
    for number in range(KILLS):
        before = taken(records) if number else 0
        for position in range(number, len(messages), KILLS):
            (service.incoming / f"{position:04d}").write_bytes(messages[position][1])
        there = sum(1 for _ in service.incoming.iterdir())
        enough = rng.randint(before, there)
        service.launch()
        until(lambda enough=enough: records.version() is not None and taken(records) >= enough)
        service.kill()
        hit += before < taken(records) < there
    service.start()
    try:
        until(lambda: taken(records) == len(messages) + 1)
        until(complete(service), patience_s=240)  # it had been interrupted again and again
    finally:
        service.process.terminate()
        service.process.wait(60)
    assert hit > KILLS / 4  # or nobody was killed in the middle of anything
    assert of_notices(records) == of_notices(clean)
    for database in (clean, records):
        database.close()


def taken(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(tables.Input)) or 0


def of_notices(database: Database) -> tuple[dict[str, set[str]], Counter[tuple[str, str]]]:
    """Return the revisions of each alert, and how often the log tells of which message; all but those of the event."""
    entry = tables.LogEntry
    with database.read() as session:
        known = {
            f"{alert.run}_{alert.event}": {each.id for each in alert.revisions}
            for alert in session.scalars(select(tables.Alert).where(tables.Alert.role == "observation"))
        }
        event = set(session.scalars(select(tables.Event.input_id)))
        rows = session.execute(select(entry.action, entry.input_id).where(entry.input_id.is_not(None)))
        return known, Counter((action, input_id) for action, input_id in rows if input_id not in event)


def test_parts_end_with_the_one_that_started_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    service = Service(tmp_path)
    service.start()
    parts = list(service.parts().values())
    service.process.send_signal(signal.SIGKILL)
    service.process.wait()
    _, left = psutil.wait_procs(parts, 30)
    assert left == []


def test_wrong_settings_end_it_with_one_line(tmp_path: Path) -> None:
    config = tmp_path / "service.yaml"
    config.write_text("colour: red\n")
    words = [sys.executable, "-m", "skymist", "serve", "--config", str(config)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "no setting is called 'colour'; there are: archive, circulars, clusters" in done.stderr
    assert "Traceback" not in done.stderr
