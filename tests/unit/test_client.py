"""The client: what it sends to whom, what it makes of answers, and how long it goes on asking."""

import gc
import io
import json
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote_plus

import numpy as np
import pytest
from serving import Site, opened, running, serving

import skymist
from skymist.client import Scan, calls
from skymist.errors import ConflictError, ReadError, RequestError, ScanError, StoreError
from skymist.model.request import parse_levels
from skymist.records.tokens import Access
from skymist.scan.progress import Progress, Stage
from skymist.workflow.events import demo_path

SECRET = "skymist_0123456789"
ID = "0123456789abcdef" * 4

Answer = tuple[int, bytes, dict[str, str]]


class Scripted(ThreadingHTTPServer):
    """Gives the answers that it was told, one after another (the last one for ever), and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[Answer | None] = []
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def says(self, document: Any, status: int = 200, **headers: str) -> None:
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.answers.append((status, content, {key.replace("_", "-"): value for key, value in headers.items()}))

    def breaks(self) -> None:
        self.answers.append(None)


class _Handler(BaseHTTPRequestHandler):
    server: Scripted

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path, dict(self.headers), body))
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer is None:  # the connection ends without a word
            self.close_connection = True
            return
        status, content, headers = answer
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = _answer

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Scripted]:
    monkeypatch.delenv("SKYMIST_TOKEN", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with Scripted() as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@pytest.fixture
def client(server: Scripted) -> Iterator[skymist.client.Client]:
    with skymist.connect(server.url, SECRET) as found:
        yield found


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client would have waited between tries; no time passes."""
    found: list[float] = []
    monkeypatch.setattr(calls, "time", SimpleNamespace(sleep=found.append, monotonic=lambda: sum(found)))
    return found


def keep_tokens(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "skymist" / "tokens.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    file.chmod(mode)
    return file


# Tokens


def test_the_token_is_the_argument_else_of_the_environment_else_the_kept_one(
    server: Scripted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.says({"name": "someone"})

    def sent(token: str | None = None) -> str | None:
        with skymist.connect(server.url + "/", token) as client:
            client.me()
        return server.asked[-1][2].get("Authorization")

    assert sent() is None
    keep_tokens(tmp_path, f"{server.url}/v1: kept\nhttps://elsewhere.example: other\n")
    assert sent() == "Bearer kept"
    monkeypatch.setenv("SKYMIST_TOKEN", "environment")
    assert sent() == "Bearer environment"
    assert sent("argument") == "Bearer argument"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_of_tokens_that_others_may_use_is_refused(server: Scripted, tmp_path: Path, mode: int) -> None:
    file = keep_tokens(tmp_path, f"{server.url}: {SECRET}\n", mode)
    with pytest.raises(RequestError, match=f"chmod 600 {file}") as told:
        skymist.connect(server.url)
    assert SECRET not in str(told.value)
    file.chmod(0o600)
    skymist.connect(server.url).close()


@pytest.mark.parametrize("text", [f"[{SECRET}]", f"{{ {SECRET}", "1: 2", SECRET, f"https://u@h: {SECRET}"])
def test_a_file_that_is_no_mapping_is_refused_without_showing_it(server: Scripted, tmp_path: Path, text: str) -> None:
    keep_tokens(tmp_path, text)
    with pytest.raises(RequestError) as told:
        skymist.connect(server.url)
    assert SECRET not in str(told.value)
    assert told.value.__cause__ is None


def test_a_remembered_token_is_for_this_user_and_this_service_only(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.says({})
    file = skymist.client.remember_token(server.url, "first")
    skymist.client.remember_token("https://elsewhere.example", "other")
    assert skymist.client.remember_token(f"{server.url}/", SECRET) == file
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in file.parent.iterdir()] == ["tokens.yaml"]
    for url, sent in ((server.url, f"Bearer {SECRET}"), (server.url.replace("127.0.0.1", "localhost"), None)):
        with skymist.connect(url) as client:
            client.me()
        assert server.asked[-1][2].get("Authorization") == sent


def test_a_token_never_goes_in_clear_over_the_network() -> None:
    for url in ("http://alerts.example.org", "http://10.0.0.1:8642", "http://127.0.0.1.example.org"):
        with pytest.raises(RequestError, match="https://"):
            skymist.connect(url, SECRET)
    for url in ("https://alerts.example.org", "http://localhost:1", "http://127.0.0.2:1", "http://[::1]:1"):
        skymist.connect(url, SECRET).close()


@pytest.mark.parametrize(
    "url", ["alerts.example.org", "ftp://x", "https://", "http://h:port", "http://h?q=1", "http://["]
)
def test_what_is_no_url_of_a_service_is_refused(url: str) -> None:
    with pytest.raises(RequestError, match="is no service"):
        skymist.connect(url)


def test_a_password_in_the_url_is_refused_and_not_shown() -> None:
    with pytest.raises(RequestError, match="no user or password") as told:
        skymist.connect(f"https://someone:{SECRET}@h/?q=1")
    assert SECRET not in str(told.value)


def test_another_host_gets_no_token(server: Scripted, client: skymist.client.Client) -> None:
    with Scripted() as other:
        thread = threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        other.says({"name": "nobody"})
        server.says({}, 307, Location=f"{other.url}/v1/me")
        assert client.me() == {"name": "nobody"}
        other.shutdown()
        thread.join()
    assert "Authorization" in server.asked[0][2]
    assert "Authorization" not in other.asked[0][2]


# Errors and patience


@pytest.mark.parametrize(
    ("status", "kind", "error", "text"),
    [
        (401, "about:blank", RequestError, "goes into SKYMIST_TOKEN"),
        (403, "about:blank", RequestError, "a token of a higher role"),
        (404, "urn:skymist:unknown-name", RequestError, "no scan is called"),
        (409, "urn:skymist:conflict", ConflictError, "no scan is called"),
        (413, "about:blank", RequestError, "no scan is called"),
        (422, "urn:skymist:unreadable", ReadError, "no scan is called"),
        (422, "urn:skymist:invalid", RequestError, "no scan is called"),
        (500, "urn:skymist:defect", StoreError, "no scan is called"),
    ],
)
def test_a_problem_becomes_one_line(
    server: Scripted, client: skymist.client.Client, status: int, kind: str, error: type[Exception], text: str
) -> None:
    server.says({"type": kind, "status": status, "detail": "no scan is called 'x';\nthere are: none"}, status)
    with pytest.raises(error, match=text) as told:
        client.get_scan("x")
    assert type(told.value) is error
    assert "\n" not in str(told.value)
    assert len(server.asked) == 1


def test_an_answer_that_is_none_of_skymist_is_told_as_such(server: Scripted, client: skymist.client.Client) -> None:
    server.says(b"<html>Welcome!</html>")
    with pytest.raises(StoreError, match="is that the URL of a service"):
        client.me()
    server.answers.clear()
    server.says(b"<html>Oh no!</html>", 502)
    with pytest.raises(StoreError, match="answers 502 Bad Gateway"):
        client.me()


def test_a_busy_service_is_asked_again_when_it_says(
    server: Scripted, client: skymist.client.Client, waits: list[float]
) -> None:
    for seconds in ("3", "2"):
        server.says({}, 429 if seconds == "3" else 503, Retry_After=seconds)
    server.says({"id": ID, "state": "queued"}, 201)
    assert client.scan("136766/7637140", reco="bowl").state == "queued"
    assert waits == [3, 2]
    assert {json.loads(body)["event"] for _, _, _, body in server.asked} == {"136766/7637140"}


def test_patience_ends(server: Scripted, client: skymist.client.Client, waits: list[float]) -> None:
    server.says({"type": "urn:skymist:store", "detail": "the database cannot be used at present"}, 503)
    with pytest.raises(StoreError, match="the database cannot be used at present"):
        client.me()
    assert len(server.asked) == len(waits) + 1 > 5
    assert sum(waits) <= calls.PATIENCE_S
    assert all(second > first for first, second in pairwise(waits[:5]))


def test_a_broken_connection_is_tried_again_only_where_that_does_nothing_twice(
    server: Scripted, client: skymist.client.Client, waits: list[float]
) -> None:
    server.breaks()
    server.breaks()
    server.says({"id": ID, "state": "queued"})
    scan = client.scan("x")
    assert len(server.asked) == 3
    server.answers.clear()
    server.breaks()
    with pytest.raises(StoreError, match="cannot be reached"):
        scan.rescan()
    assert len(server.asked) == 4


def test_what_nobody_heard_is_said_again(waits: list[float], caplog: pytest.LogCaptureFixture) -> None:
    """A connection that is refused has done nothing, whatever was to be sent; who waits is told why."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{found.getsockname()[1]}"
    with skymist.connect(url) as client, pytest.raises(StoreError, match=f"{url} cannot be reached"):
        client.retract("IceCube-230416A", "a fault")
    assert len(waits) > 5
    (told,) = [record.getMessage() for record in caplog.records if record.name == "skymist.client.calls"]
    assert told.startswith(f"{url} cannot be reached")
    assert told.endswith("trying again for 10 s")


# What is sent and what comes


def test_lists_come_page_after_page(server: Scripted, client: skymist.client.Client) -> None:
    server.says({"items": [{"name": "A"}, {"name": "B"}], "next": "/v1/alerts?role=test&limit=2&after=7"})
    server.says({"items": [{"name": "C"}], "next": None})
    assert [each["name"] for each in client.alerts(role="test", limit=2, stream=None)] == ["A", "B", "C"]
    assert [path for _, path, _, _ in server.asked] == [
        "/v1/alerts?role=test&limit=2", "/v1/alerts?role=test&limit=2&after=7"
    ]  # fmt: skip


def test_names_stay_within_their_place_in_the_path(server: Scripted, client: skymist.client.Client) -> None:
    server.says({"name": "IceCube-230416A"})
    for name in ("136766/7637140", "../tokens", "IceCube-Cascade 200701B", "a?b#c"):
        client.alert(name)
        path = server.asked[-1][1]
        assert path.startswith("/v1/alerts/")
        assert path.count("/") == 3
        assert path.endswith("?role=observation")
        assert "#" not in path


@pytest.mark.parametrize("name", ["event.json", "ün sauber é.i3.zst", ".hidden", "x" * 230 + ".npz"])
def test_files_are_uploaded_as_they_are(
    server: Scripted, client: skymist.client.Client, tmp_path: Path, name: str
) -> None:
    file = tmp_path / name
    file.write_bytes(bytes(range(256)))
    server.says({"id": "digest"}, 201)
    client.post_event(file)
    method, url, _, body = server.asked[0]
    path, _, query = url.partition("?name=")
    assert (method, path, body) == ("POST", "/v1/events", bytes(range(256)))
    sent = unquote_plus(query)
    assert Path(sent).suffix == file.suffix or file.name.startswith(".")
    assert len(sent) <= 200
    assert sent[0].isalnum() or sent[0] == "_"


def test_waiting_goes_on_while_the_service_is_away(
    server: Scripted, client: skymist.client.Client, waits: list[float]
) -> None:
    """Progress of two connections, with an outage that is longer than the patience of a call between them."""
    found: list[float] = []
    scan = Scan(client._calls, {"id": ID, "state": "queued"})
    server.says(scan.document)
    server.says(told(progress(3)) + told(progress(5)) + b"event: progr")  # and there it breaks
    for _ in range(12):
        server.breaks()
    server.says({"id": ID, "state": "running"})
    server.says(b": still here\n\n" + told(progress(9)) + b"event: end\ndata: {}\n\n")
    server.says({"id": ID, "state": "complete"})
    assert scan.wait(lambda step: found.append(step.done)).state == "complete"
    assert found == [3, 5, 9]
    assert sum(waits) > calls.PATIENCE_S


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_waiting_for_a_scan_that_fails_says_why(server: Scripted, client: skymist.client.Client, state: str) -> None:
    server.says({"id": ID, "state": state, "error": "could not fit any of 48 directions"})
    with pytest.raises(ScanError, match=f"{ID[:12]} is {state}: could not fit any"):
        Scan(client._calls, {"id": ID, "state": "queued"}).wait()


# Maps


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK, but no zip", "cannot be unpacked"),
        (lambda: packed({"../../outside": b"x"}), "leads out of it"),
        (lambda: packed({"/outside": b"x"}), "leads out of it"),
        (lambda: packed({"c/0": bytes(3000)}), "unpacks to more than 1,000 bytes"),
        (lambda: packed({"zarr.json": b"{}" * 50})[:60] + packed({"zarr.json": b"{}" * 50})[70:], "cannot be unpacked"),
    ],
)
def test_a_map_that_is_none_does_no_harm(
    server: Scripted, client: skymist.client.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    content: bytes | Callable[[], bytes], reason: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(skymist.client.scan, "LARGEST_MAP", 1000)
    server.says(content if isinstance(content, bytes) else content())
    folder = tmp_path / "maps"
    with pytest.raises(ReadError, match=reason):
        Scan(client._calls, {"id": ID, "state": "complete"}).save("zarr", folder / "map.zarr")
    assert list(folder.iterdir()) == []
    assert not (tmp_path / "outside").exists()


def test_a_download_that_breaks_off_is_begun_again(
    server: Scripted, client: skymist.client.Client, tmp_path: Path, waits: list[float]
) -> None:
    server.breaks()
    server.says(b"\x89PNG all of it")
    saved = Scan(client._calls, {"id": ID, "state": "complete"}).save("png", tmp_path / "new" / "map.png")
    assert saved.read_bytes() == b"\x89PNG all of it"
    assert [each.name for each in saved.parent.iterdir()] == ["map.png"]


def packed(files: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return written.getvalue()


def progress(done: int) -> dict[str, Any]:
    level = {"nside": 8, "done": done, "failed": 0, "total": 768}
    return {
        "stage": "running", "trouble": None, "levels": [level], "seconds": 1.0, "rate": 2.0, "mean_rate": 2.0,
        "eta": None, "slowest": [{"uniq": 256, "seconds": 0.5, "worker": "w"}], "workers": 1, "threads": 2,
        "best": {"ra": 1.0, "dec": 2.0, "nllh": 3.0, "area_90_deg2": 4.0}, "done": done, "total": 768, "nside": 8,
    }  # fmt: skip


def told(found: dict[str, Any]) -> bytes:
    return f"event: progress\ndata: {json.dumps({'id': ID, 'progress': found})}\n\n".encode()


# The real service


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with opened(tmp_path_factory.mktemp("site")) as settings, serving(settings) as found, running(settings):
        yield found


@pytest.fixture(scope="module")
def service(site: Site) -> Iterator[skymist.client.Client]:
    with skymist.connect(site.url, site.tokens[Access.OPERATOR]) as client:
        yield client


@pytest.fixture(scope="module")
def done(service: skymist.client.Client) -> Scan:
    """A scan that was waited for."""
    return service.scan(demo_path(), reco="bowl", levels="2:0,8:4", options={"width_deg": 5.0}).wait()


def test_a_scan_of_a_service_is_the_same_as_one_made_here(done: Scan, tmp_path: Path) -> None:
    event, reconstruction = skymist.load_event("demo"), skymist.load_reconstruction("bowl", {"width_deg": 5.0})
    here = skymist.scan_event(event, reconstruction, parse_levels("2:0,8:4"), out=tmp_path)
    assert here.attrs["scan_id"] == done.id
    there = done.skymap()
    one, other = (each.sortby("uniq").drop_attrs() for each in (there, here))  # rows are in the order they came in
    assert one.identical(other)
    assert done.summary["best"]["ra"] == np.degrees(skymist.best_fit(here).ra)
    assert done.summary["cells"] == {"2": 48, "8": 64}


def test_the_same_request_is_the_same_scan(service: skymist.client.Client, done: Scan) -> None:
    again = service.scan(demo_path(), reco="bowl", levels="2:0,8:4", options={"width_deg": "5"})
    assert (again.id, again.state) == (done.id, "complete")
    assert service.get_scan(done.id[:10]).id == done.id
    assert done.id in {each.id for each in service.scans(state="complete", limit=1)}


def test_progress_is_told_while_one_waits(service: skymist.client.Client) -> None:
    steps: list[Progress] = []
    scan = service.scan(demo_path(), reco="bowl", levels="2:0,8:4", options={"width_deg": 6.0}).wait(steps.append)
    assert steps
    assert steps[-1] == scan.progress
    assert steps[-1].stage == Stage.COMPLETE
    assert (steps[-1].done, steps[-1].total, steps[-1].nside) == (112, 112, 8)
    assert steps[-1].best is not None


def test_results_are_saved_as_files(done: Scan, tmp_path: Path) -> None:
    assert done.save("fits", tmp_path / "map.fits.gz").read_bytes()[:2] == b"\x1f\x8b"
    assert done.save("png", tmp_path / "map.png").read_bytes()[1:4] == b"PNG"
    assert json.loads(done.save("json", tmp_path / "map.json").read_text())["scan_id"] == done.id
    assert skymist.read_skymap(done.save("zarr", tmp_path / "map.zarr")).attrs["scan_id"] == done.id
    with pytest.raises(RequestError, match="is there already"):
        done.save("zarr", tmp_path / "map.zarr")
    with pytest.raises(RequestError, match="format"):
        done.save("gif", tmp_path / "map.gif")
    assert not (tmp_path / "map.gif").exists()


def test_the_folder_of_a_map_goes_with_the_client(site: Site, done: Scan) -> None:
    client = skymist.connect(site.url, site.tokens[Access.VIEWER])
    folder = Path(client.get_scan(done.id).skymap().encoding["source"])
    assert folder.exists()
    client.close()
    del client
    gc.collect()
    assert not folder.parent.exists()


def test_scans_are_changed(service: skymist.client.Client, done: Scan) -> None:
    other = done.remix(options={"width_deg": 7.0}).wait()
    assert other.id != done.id
    assert other.document["request"]["options"]["width_deg"] == 7
    with pytest.raises(ConflictError, match="is complete"):
        other.cancel()
    assert other.rescan().wait().state == "complete"
    with pytest.raises(ConflictError, match="force"):
        other.delete()
    other.delete(force=True)
    with pytest.raises(RequestError, match="was deleted"):
        other.refresh()
    assert other.id not in {each.id for each in service.scans()}


def test_what_the_service_refuses_is_told_in_its_words(service: skymist.client.Client, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no event is called '1/2'; there are"):
        service.scan("1/2", reco="bowl")
    with pytest.raises(RequestError, match=r"no reconstruction is called .magic.; there are: .*bowl"):
        service.scan(demo_path(), reco="magic")
    with pytest.raises(RequestError, match="depth"):
        service.scan(demo_path(), reco="bowl", depth=3)
    (tmp_path / "dark.json").write_text("{}")
    with pytest.raises((ReadError, RequestError), match="quarantine"):
        service.post_event(tmp_path / "dark.json")
    found = next(iter(service.quarantine()))
    assert "dark.json" in found["position"]
    with pytest.raises((ReadError, RequestError), match="quarantine"):
        service.retry(found["id"])


def test_roles_are_told(site: Site, done: Scan) -> None:
    with skymist.connect(site.url, site.tokens[Access.VIEWER]) as viewer:
        assert viewer.me()["role"] == "viewer"
        with pytest.raises(RequestError, match="ask for a token of a higher role"):
            viewer.get_scan(done.id).rescan()
    with skymist.connect(site.url, "skymist_guess") as nobody:
        assert nobody.health()["status"] == "ok"
        with pytest.raises(RequestError, match=r"unknown, expired or revoked.*SKYMIST_TOKEN"):
            nobody.me()


def test_alerts_are_listed_and_retracted(service: skymist.client.Client, done: Scan) -> None:
    alert = next(iter(service.alerts(role="test")))
    name = alert["name"]
    assert service.alert(f"{alert['run']}/{alert['event']}", role="test")["name"] == name
    assert [each["content"]["catalog"] for each in service.revisions(name, role="test")] == ["event message"]
    assert service.retract(name, "only a demonstration", role="test")["retracted"]
    with pytest.raises(ConflictError, match="is retracted already"):
        service.retract(name, "only a demonstration", role="test")
    assert list(service.alerts()) == []


def test_the_service_says_what_it_has(service: skymist.client.Client, done: Scan) -> None:
    assert {"bowl", "track-mpe"} <= {each["name"] for each in service.reconstructions()}
    assert "local" in {each["name"] for each in service.clusters()}
    assert list(service.streams()) == []
    assert done.document["event_id"] in {each["id"] for each in service.events()}
