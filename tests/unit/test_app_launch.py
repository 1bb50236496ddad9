"""Single pages: by `panel serve` and in notebooks, of a service elsewhere; what they know is in the package."""

import ast
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pages import hear, say, session_token
from serving import Site, opened, serving
from websockets.sync.client import connect

from skymist.app import launch
from skymist.app.sitemap import PAGES
from skymist.errors import RequestError, UnknownNameError

DASHBOARDS = Path(__file__).parents[2] / "dashboards"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with opened(tmp_path_factory.mktemp("site")) as settings, serving(settings) as found:
        yield found


def test_each_page_has_a_launcher_without_logic() -> None:
    files = sorted(DASHBOARDS.glob("*.py"))
    assert [each.stem for each in files] == sorted(PAGES)
    for file in files:
        words, imported, call = ast.parse(file.read_text()).body
        assert isinstance(words, ast.Expr)
        assert isinstance(imported, ast.ImportFrom)
        assert ast.unparse(call) == f"launch('{file.stem}').servable(title='{PAGES[file.stem].title} - skymist')"


def test_panel_serves_a_launcher(site: Site) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["serve", str(DASHBOARDS / "alerts.py"), "--address", "127.0.0.1", "--port", str(port)]
    own = {**os.environ, "SKYMIST_SERVER": site.url, "SKYMIST_TOKEN": site.tokens["viewer"]}
    process = subprocess.Popen([sys.executable, "-m", "panel", *words], env=own, stderr=subprocess.PIPE, text=True)
    try:
        page = answer_of(f"http://127.0.0.1:{port}/alerts", process)
        url, asked = f"ws://127.0.0.1:{port}/alerts/ws", ["bokeh", session_token(page)]
        with connect(url, subprotocols=asked, proxy=None) as tab:
            assert hear(tab).msgtype == "ACK"
            say(tab, "PULL-DOC-REQ")
            assert hear(tab).msgtype == "PULL-DOC-REPLY"
    finally:
        process.terminate()
        said = process.communicate(timeout=30)[1]
    assert "Traceback" not in said, said
    assert "<title>Alerts - skymist</title>" in page  # which it gets once all of it is made
    assert "Traceback" not in said


def answer_of(url: str, process: "subprocess.Popen[str]", patience_s: float = 120) -> str:
    """Return a page as soon as its server has started."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end and process.poll() is None:
        try:
            return httpx.get(url, timeout=60).raise_for_status().text
        except httpx.ConnectError:
            time.sleep(0.2)
    raise AssertionError("it does not answer")


def test_a_page_for_a_notebook(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYMIST_TOKEN", site.tokens["viewer"])
    shown = launch("operations", site.url, look="dark.hms")
    assert hasattr(shown, "_repr_mimebundle_")


def test_what_cannot_be_launched(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYMIST_TOKEN", "skymist_" + "0" * 64)
    with pytest.raises(UnknownNameError, match="alerts"):
        launch("kitchen", site.url)
    with pytest.raises(RequestError, match="unknown, expired or revoked"):
        launch("alerts", site.url)
