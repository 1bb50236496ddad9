"""The service in this process: the real app on a port of loopback, clients of every role, and a runner."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from skymist.api import ApiSettings, create_app
from skymist.records import Database, scans, tables, tokens
from skymist.records.tables import ScanState
from skymist.records.tokens import Access
from skymist.workflow.rules import Rules
from skymist.workflow.runner import Runner, RunnerSettings

TABLE = "# run = {run}\n# event = {event}\n# utc = 2026-03-04T05:06:07.123456789\n# detector = icecube-86\n"
PULSES = "string,om,time_ns,charge_pe\n" + "".join(f"{30 + k},{20 + k},{1000 + 90 * k},1.5\n" for k in range(8))
BOWL = {"reco": "bowl", "levels": "2:0,8:4"}


class Site:
    """A service on loopback with a token for each role."""

    def __init__(self, url: str, database: Database) -> None:
        self.url, self.database = url, database
        self._clients: dict[str | None, httpx.Client] = {}
        with database.begin() as session:
            self.tokens = {role: tokens.create(session, str(role), role, "test")[1] for role in Access}

    def as_(self, role: str | None) -> httpx.Client:
        """Return a client with the token of a role, or another token."""
        if role not in self._clients:
            headers = {} if role is None else {"Authorization": f"Bearer {self.tokens.get(role, role)}"}
            client = httpx.Client(base_url=f"{self.url}/v1", headers=headers, timeout=60, trust_env=False, verify=False)
            self._clients[role] = client
        return self._clients[role]

    def call(self, role: str | None, method: str, path: str, **what: Any) -> httpx.Response:
        return self.as_(role).request(method, path, **what)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def event(self, event: int = 1, run: int = 137840) -> str:
        """Upload an event and return its id."""
        content = TABLE.format(run=run, event=event) + PULSES
        return str(self.call("analyst", "POST", "/events?name=e.csv", content=content).json()["event_id"])

    def scan(self, event: str, **changes: Any) -> dict[str, Any]:
        """Ask for a scan and return it."""
        answer = self.call("analyst", "POST", "/scans", json={"event": event, **BOWL, **changes})
        assert answer.status_code in (200, 201), answer.text
        return dict(answer.json())

    def move(self, scan_id: str, *states: ScanState, **values: Any) -> None:
        """Let a scan come to one state after the other, as a runner does, with other values."""
        with self.database.begin() as session:
            scan = session.get_one(tables.Scan, scan_id)
            for key, value in values.items():
                setattr(scan, key, value)
            for state in states:
                scans.move(session, scan, state, "runner")


@contextmanager
def opened(folder: Path, **more: Any) -> Iterator[ApiSettings]:
    """Make a database in a folder, and yield the settings of a service of it."""
    with closing(Database(f"sqlite:///{folder}/records.sqlite")) as database:
        database.upgrade()
        yield ApiSettings(database, str(folder / "scans"), **more)


@contextmanager
def serving(
    settings: ApiSettings, ws: str = "none", add: Callable[[FastAPI], object] = lambda app: None
) -> Iterator[Site]:
    """Start a service on loopback, and stop it."""
    app = create_app(settings)
    add(app)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, ws=ws, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            thread.join(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        with closing(Site(f"http://127.0.0.1:{port}", settings.database)) as site:
            yield site
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def running(settings: ApiSettings, **more: Any) -> Iterator[None]:
    """Carry out whatever scans are asked for; no rule asks for any."""
    stop = threading.Event()
    runner = Runner(settings.database, Rules(()), RunnerSettings(settings.out, tick_s=0.02, beat_s=0.05, **more))
    thread = threading.Thread(target=runner.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def check_problem(answer: httpx.Response, status: int, detail: str = "") -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = dict(answer.json())
    assert problem["status"] == status
    assert problem["instance"].startswith("/")
    assert detail in problem["detail"]
    return problem
