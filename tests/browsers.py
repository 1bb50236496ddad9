"""A real service for the dashboard, with people of all roles and a stand-in for GCN, and a browser that watches itself.

Whatever a page asks of another host, says on the console or throws is kept; `Tab.check` fails for it.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gcn
import httpx
import psutil
import pytest
import yaml
from integration.test_serve import Service, until

import skymist
from skymist.client import Client

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
]
AXE = "axe-core@4.10.3"
PEOPLE = {"vic": "viewer", "ana": "analyst", "ben": "approver", "olga": "operator"}
"""Whose tokens there are, and their roles."""

RULES = """
rules:
  - name: any
    scans:
      - {name: fast, reco: track-mpe, levels: "8:0,64:12"}
"""


def needs(reason: str) -> None:
    """Skip a test, or fail where CI asks for all of them."""
    if os.environ.get("SKYMIST_REQUIRE_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass
class Site:
    """A running service with its people."""

    service: Service
    gcn: gcn.Gcn
    tokens: dict[str, str]

    @property
    def url(self) -> str:
        return self.service.url

    def client(self, person: str) -> Client:
        return skymist.connect(self.url, self.tokens[person])

    def send(self, *files: Path) -> list[dict[str, Any]]:
        """Send files with events, and return what became of them."""
        with self.client("ana") as client:
            return [client.post_event(file) for file in files]


@contextmanager
def serving(folder: Path, rules: str = RULES, **settings: Any) -> Iterator[Site]:
    """Yield a service in a folder; what is about the real sky goes to the stand-in."""
    with gcn.running(indexing_s=0.2) as stand_in, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        said = {"reporter": "The shift", "contact": "Ask the shift.", "real": True,
                "gcn": {**stand_in.settings(), "settle_s": 1.0}}  # fmt: skip
        (folder / "service.yaml").write_text(yaml.safe_dump({"circulars": said, **settings}))
        service = Service(folder, f"--config={folder}/service.yaml")
        (folder / "rules.yaml").write_text(rules)
        service.start()
        try:
            with skymist.connect(service.url) as first:
                tokens = {name: _token(first, name, role) for name, role in PEOPLE.items()}
            cookies = {"skymist_token": tokens["vic"]}
            until(lambda: httpx.get(f"{service.url}/alerts", cookies=cookies).status_code != 503)
            yield Site(service, stand_in, tokens)
        finally:
            parts = list(service.parts().values()) if service.process.poll() is None else []
            service.process.terminate()
            service.process.wait(60)
            psutil.wait_procs(parts, 20)


def _token(client: Client, owner: str, role: str) -> str:
    return str(client._calls.post("tokens", {"owner": owner, "role": role})["token"])


@contextmanager
def browsing() -> Iterator["Browser"]:
    """Yield Chromium, without a window."""
    if not CHROMIUM:
        needs("needs Chromium (Debian's package chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def browsing_alone(browser: "Browser", folder: Path) -> Iterator[tuple["subprocess.Popen[bytes]", "Page"]]:
    """Yield a Chromium that may be killed, and a page of it."""
    words = [*FLAGS, "--headless", "--remote-debugging-port=0", f"--user-data-dir={folder}/profile", "about:blank"]
    process = subprocess.Popen([CHROMIUM, *words], stderr=subprocess.DEVNULL)
    try:
        port = folder / "profile" / "DevToolsActivePort"
        until(lambda: port.exists() and len(port.read_text().splitlines()) > 1)
        found = browser.browser_type.connect_over_cdp(f"http://127.0.0.1:{port.read_text().splitlines()[0]}")
        yield process, found.contexts[0].new_page()
    finally:
        process.kill()
        process.wait()


def axe(folder: Path) -> str:
    """Return the script of axe-core, of npm."""
    if not shutil.which("npm"):
        needs("needs npm, for axe-core")
    done = subprocess.run(["npm", "pack", AXE, "--silent"], cwd=folder, capture_output=True, text=True, timeout=120)
    if done.returncode:
        needs(f"{AXE} cannot be had: {done.stderr.strip()[-300:]}")
    shutil.unpack_archive(folder / done.stdout.strip().splitlines()[-1], folder)
    return (folder / "package" / "axe.min.js").read_text(encoding="utf-8")


@dataclass
class Tab:
    """One page of one person."""

    page: "Page"
    url: str
    trouble: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Keep whatever goes wrong from now on."""
        self.page.on("console", lambda said: self._heard(said.type, said.text))
        self.page.on("pageerror", lambda error: self.trouble.append(f"error: {error}"))
        self.page.on("request", lambda asked: self._asked(asked.url))
        self.page.on("requestfailed", lambda asked: self._failed(asked.url, str(asked.failure)))
        self.page.on("response", lambda answer: self._answered(answer.url, answer.status))

    def _heard(self, kind: str, text: str) -> None:
        left = "closed before the connection is established" in text  # a page that is left while it loads
        if kind == "error" and not left:
            self.trouble.append(f"console: {text}")

    def _asked(self, url: str) -> None:
        own = self.url, self.url.replace("http", "ws", 1), "data:", "blob:"
        if not url.startswith(own):
            self.trouble.append(f"foreign: {url}")

    def _failed(self, url: str, failure: str) -> None:
        if "ERR_ABORTED" not in failure:  # a page that is left while it loads
            self.trouble.append(f"failed: {url} {failure}")

    def _answered(self, url: str, status: int) -> None:
        if status >= 400:
            self.trouble.append(f"answered {status}: {url}")

    def go(self, path: str, heading: str | None = None) -> "Page":
        """Open a page of the service, and wait until it is there."""
        self.page.goto(self.url + path)
        self.page.get_by_role("navigation", name="pages", exact=True).wait_for()
        if heading is not None:
            self.page.get_by_text(heading).first.wait_for()
        return self.page

    def check(self) -> None:
        """Fail if anything went wrong."""
        assert self.trouble == []


def opened(
    browser: "Browser", site: Site, person: str, *, look: str = "light.deg", width: int = 1600, height: int = 1000
) -> tuple["BrowserContext", Tab]:
    """Return a browser of a person who has logged in, with one page."""
    context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
    context.set_default_timeout(30_000)
    context.add_cookies([
        {"name": "skymist_token", "value": site.tokens[person], "url": site.url},
        {"name": "skymist_look", "value": look, "url": site.url},
    ])  # fmt: skip
    tab = Tab(context.new_page(), site.url)
    tab.watch()
    return context, tab
