"""The whole service as its users start it: a file becomes a map, whatever part of it is killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

import skymist
from skymist.errors import SkymistError
from skymist.workflow.events import demo_path

pytestmark = pytest.mark.integration

RULES = """
rules:
  - name: any
    scans:
      - {name: fast, reco: bowl, levels: "2:0,4:6", priority: 200}
      - {name: fine, after: fast, reco: bowl, levels: "8:0,16:12", options: {seconds: 0.005}}
"""


class Service:
    """``skymist serve`` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.incoming, self.log = folder, folder / "incoming", folder / "log"
        self.incoming.mkdir()
        (folder / "rules.yaml").write_text(RULES)
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        where = ["--database", f"{self.folder}/r.sqlite", "--out", f"{self.folder}/out", "--folder", str(self.incoming)]
        words = ["serve", *where, "--rules", f"{self.folder}/rules.yaml", "--port", str(self.port)]
        own = {**os.environ, "XDG_CONFIG_HOME": str(self.folder / "config")}
        with self.log.open("a") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "skymist", *words], env=own, stderr=log)
        until(self.answers)

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
def started(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Service]:
    patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    service = Service(folder)
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
        for _ in range(2):  # everything at once, the one who would start it again included
            parts = list(service.parts().values())
            for each in (psutil.Process(service.process.pid), *parts):
                each.send_signal(signal.SIGKILL)
            psutil.wait_procs(parts, 10)
            service.process.wait()
            service.start()
        until(complete(service))
        cells = sum(level["done"] for level in service.scans()["any/fine"]["progress"]["levels"])
    assert cells == 768 + 12 * 4


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
    assert "no setting is called 'colour'; there are: clusters, database" in done.stderr
    assert "Traceback" not in done.stderr
