"""The map of a scan in a browser while it fills in: how old it is, how much is sent, and what it costs the scan.

    python benchmarks/live.py [ROUNDS]

The whole service (`skymist serve`) runs as a user would start it, on this machine alone, and scans the real event
138632/31747601 with ``track-losses``; each scan has another seed, so that nothing is known before.

1. One page of a scan is open in headless Chromium. Each drawn update says how long ago its rows were committed to the
   store: from there to after the second animation frame, by one clock, which is that of this machine. What comes over
   the wire is counted by a relay between browser and service, compressed as it is, all that the page is sent included.
2. Scans without anybody who watches and with 20 who do take turns, ROUNDS times (3 if not said). Those who watch are
   sessions of the page as a browser has them, each with its WebSocket, but without what a browser would do with what
   it gets, which it would do on another machine: they run in a process of their own, on the same processors, and count
   against the scan. They are there before it begins: it waits for another one, which then is cancelled.
"""

import asyncio
import html
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import yaml
from measured import Tell, results, spread
from service import EVENT, PORT, serving

import skymist
from skymist.client import Client
from skymist.client.scan import Scan

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
WISH: dict[str, Any] = {"reco": "track-losses", "levels": "8:0,32:256,128:256"}
"""Some 9,000 cells, half a minute: as long as one can watch."""
WATCHING = 20


def main() -> None:
    """Follow a scan, and let many follow it."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    if reason := missing():
        print(f"skipped: {reason}")
        return
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "rules.yaml").write_text("rules: []\n")
        options = "--rules", f"{home}/rules.yaml", "--slots", "1"
        with results("live") as tell, serving(home, *options) as (url, _), connected(home, url) as client:
            event = client.post_event(EVENT)["event_id"]
            run(client, event, 0)  # compiles, and opens the dashboard
            one_page(client, event, tell)
            speeds(client, event, url, rounds, tell)


def missing() -> str:
    """Return what is not there."""
    try:
        import playwright.sync_api  # noqa: F401
        import websockets  # noqa: F401
    except ModuleNotFoundError as error:
        return f"{error.name} is not installed"
    return next((f"{each} is not there" for each in (CHROMIUM, EVENT) if not each.exists()), "")


def connected(home: Path, url: str) -> Client:
    return skymist.connect(url, token_of(home, url))


def token_of(home: Path, url: str) -> str:
    return str(yaml.safe_load((home / "skymist" / "tokens.yaml").read_text())[url])


def run(client: Client, event: str, seed: int) -> float:
    """Return the cells per second of a scan."""
    scan = client.scan(event, **WISH, seed=seed).wait()
    progress = scan.progress
    assert progress is not None
    return progress.mean_rate


def one_page(client: Client, event: str, tell: Tell) -> None:
    """Tell how old what one page shows is, and what it is sent."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play, Relay(int(PORT)) as relay:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        with closing(browser):
            context = browser.new_context(viewport={"width": 1600, "height": 1000})
            context.add_cookies([{"name": "skymist_token", "value": client_token(client), "url": relay.url}])
            page = context.new_page()
            scan = client.scan(event, **WISH, seed=1)
            page.goto(f"{relay.url}/scan?id={scan.id}")
            page.wait_for_function("(window.skymistDrawn ?? []).length > 0", timeout=60_000)
            before = relay.bytes
            ended(scan, lambda: page.wait_for_timeout(200))
            page.wait_for_timeout(1500)
            drawn, sent = page.evaluate("window.skymistDrawn")[1:], relay.bytes - before
    age, size = (spread([each[key] for each in drawn], unit) for key, unit in (("ms", "ms"), ("bytes", "bytes")))
    tell("updates", updates=len(drawn), cells=scan.progress.done, **age, **size, wire_bytes=sent / len(drawn))  # type: ignore[union-attr]


def ended(scan: Scan, wait: Any) -> None:
    while scan.refresh().state not in ("complete", "failed", "cancelled"):
        wait()
    if scan.state != "complete":
        raise SystemExit(f"the scan is {scan.state}: {scan.document['error']}")


def speeds(client: Client, event: str, url: str, rounds: int, tell: Tell) -> None:
    """Tell how fast scans are without and with those who watch."""
    alone, watched = [], []
    for turn in range(rounds):
        alone.append(run(client, event, 100 + turn))
        first, scan = (client.scan(event, **WISH, seed=seed + turn) for seed in (200, 300))
        with watching(url, client_token(client), scan.id) as count:
            first.cancel()
            scan.wait()
        assert scan.progress is not None
        watched.append(scan.progress.mean_rate)
        tell("speeds", watching=WATCHING, alone=alone[-1], watched=watched[-1], ratio=watched[-1] / alone[-1])
        print(count())
        while pages_open(url, client):
            time.sleep(1)


def pages_open(url: str, client: Client) -> int:
    """Return how many pages the service thinks are open."""
    headers = {"Authorization": f"Bearer {client_token(client)}"}
    told = httpx.get(f"{url}/v1/metrics", headers=headers).text
    return int(float(re.findall(r"^skymist_pages_open (.+)$", told, re.MULTILINE)[0]))


def client_token(client: Client) -> str:
    return str(client._calls._http.headers["authorization"].partition(" ")[2])


@contextmanager
def watching(url: str, token: str, scan_id: str, number: int = WATCHING) -> Iterator[Any]:
    """Have sessions watch a scan; yield what says, after the end, what they were sent and took."""
    command = [sys.executable, __file__, "--watch", url, scan_id, str(number)]
    told: list[str] = []
    process = subprocess.Popen(
        command, env={**os.environ, "SKYMIST_TOKEN": token}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    process.stdout.readline()  # all are there
    try:
        yield lambda: told[0]
    finally:
        out, _ = process.communicate("\n")
        told.append(out.strip())


def watch(url: str, scan_id: str, number: str) -> None:
    """Hold sessions until a line comes in: the other process."""
    asyncio.run(_watch(url, scan_id, os.environ["SKYMIST_TOKEN"], int(number)))


async def _watch(url: str, scan_id: str, token: str, number: int) -> None:
    letters, sessions = [0], []
    for _ in range(number):
        opened = asyncio.Event()
        session = asyncio.create_task(_session(url, scan_id, token, opened, letters))
        await asyncio.wait({session, asyncio.create_task(opened.wait())}, return_when=asyncio.FIRST_COMPLETED)
        if session.done():
            session.result()
        sessions.append(session)
    print("there", flush=True)
    began, letters[0] = time.process_time(), 0
    await asyncio.to_thread(sys.stdin.readline)
    for session in sessions:
        session.cancel()
    await asyncio.wait(sessions)
    used = time.process_time() - began
    print(f"{letters[0]:,} letters came to {number} sessions, which took their process {used:.1f} s")


async def _session(url: str, scan_id: str, token: str, opened: asyncio.Event, letters: list[int]) -> None:
    """Open the page as a browser does, and take what it is sent."""
    import websockets

    headers = {"Cookie": f"skymist_token={token}"}
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        page = (await http.get(f"{url}/scan", params={"id": scan_id}, headers=headers)).text
    found = re.search(r'"token":\s*"([^"]+)"', html.unescape(page))
    if found is None:
        raise SystemExit(f"no page: {page[:500]}")
    where = f"{url.replace('http', 'ws', 1)}/scan/ws?id={scan_id}"
    connect = websockets.connect(
        where,
        subprotocols=["bokeh", found[1]],
        additional_headers=headers,
        origin=url,
        max_size=None,
        open_timeout=120,
    )  # type: ignore[arg-type, list-item, unused-ignore]
    async with connect as line:
        await line.recv()  # three fragments: header, metadata and content of the greeting
        for fragment in _ready():
            await line.send(fragment)
        opened.set()
        async for message in line:
            letters[0] += len(message)


def _ready() -> list[str]:
    """Return the message with which a browser says that it shows the page (Bokeh's protocol)."""
    event = {"type": "event", "name": "document_ready", "values": {"type": "map", "entries": []}}
    change = {"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": event}
    return [json.dumps({"msgid": "1", "msgtype": "PATCH-DOC"}), "{}", json.dumps({"events": [change]})]


class Relay:
    """Passes on what browser and service say, and counts the bytes that the service sends."""

    def __init__(self, port: int) -> None:
        self.port, self.bytes = port, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def __enter__(self) -> "Relay":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                browser, _ = self.listener.accept()
                service = socket.create_connection(("127.0.0.1", self.port))
                for way in ((browser, service, False), (service, browser, True)):
                    threading.Thread(target=self._pass, args=way, daemon=True).start()

    def _pass(self, source: socket.socket, goal: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while part := source.recv(65536):
                self.bytes += len(part) if counted else 0
                goal.sendall(part)
            goal.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--watch"]:
        watch(*sys.argv[2:])
    else:
        main()
