"""Public events from a mirror, the network or the cache, and only if they are the published ones."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pooch
import pytest

from skymist.errors import ReadError, UnknownNameError
from skymist.readers import fetch, known_events, public, read_event

CONTENT = b"an event"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(pooch, "os_cache", lambda _: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, cache: Path) -> str:
    monkeypatch.setattr(public, "_EVENTS", {"1/2": ("event.json", hashlib.sha256(CONTENT).hexdigest())})
    monkeypatch.setattr(public, "_URL", "http://127.0.0.1:9/")
    return str(cache / "event.json")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "www").mkdir()
    with HTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "www"))) as server:
        monkeypatch.setattr(public, "_URL", f"http://127.0.0.1:{server.server_port}/")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield tmp_path / "www"
        server.shutdown()
        thread.join()


def test_the_names_are_listed() -> None:
    assert "136766/7637140" in known_events()
    with pytest.raises(UnknownNameError, match="IC220624A"):
        fetch("IC990101A")


def test_download_once_then_the_cache(known: str, server: Path) -> None:
    (server / "event.json").write_bytes(CONTENT)
    path = fetch("1/2")
    assert (str(path), path.read_bytes()) == (known, CONTENT)
    (server / "event.json").unlink()
    assert fetch("1/2") == path


def test_another_file_is_refused(known: str, server: Path) -> None:
    (server / "event.json").write_bytes(b"something else")
    with pytest.raises(ReadError, match="cannot be downloaded"):
        fetch("1/2")
    assert not Path(known).exists()


@pytest.mark.usefixtures("known")
def test_offline_says_what_to_do() -> None:
    with pytest.raises(ReadError, match=r"put event\.json into a folder and name it as the mirror"):
        fetch("1/2")


@pytest.mark.usefixtures("known")
def test_a_mirror_comes_first_and_is_checked_too(tmp_path: Path) -> None:
    (tmp_path / "event.json").write_bytes(CONTENT)
    assert fetch("1/2", tmp_path) == tmp_path / "event.json"
    (tmp_path / "event.json").write_bytes(CONTENT + b"?")
    with pytest.raises(ReadError, match="not the published file"):
        fetch("1/2", tmp_path)


def test_every_known_event_is_in_the_reference_data(shared: Path) -> None:
    for name in known_events():
        event = read_event(fetch(name, shared / "events"))
        assert name in (f"{event.run}/{event.event}", "IC220624A", "IceCube-220624A")
    assert read_event(fetch("IC220624A", shared / "events")).event == 7637140
