"""The service in this process: the real app on a port of loopback, and a runner."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from skymist.api import ApiSettings, create_app
from skymist.records import Database, tokens
from skymist.workflow.rules import Rules
from skymist.workflow.runner import Runner, RunnerSettings


@contextmanager
def serving(database: Database, out: Path) -> Iterator[str]:
    """Serve a database, and yield the URL."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create_app(ApiSettings(database, str(out))), log_config=None))
        thread = threading.Thread(target=server.run, args=([found],))
        thread.start()
        try:
            while not server.started and thread.is_alive():
                thread.join(0.01)
            yield f"http://127.0.0.1:{found.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def running(database: Database, out: Path) -> Iterator[None]:
    """Carry out whatever scans are asked for; no rule asks for any."""
    stop = threading.Event()
    settings = RunnerSettings(out, tick_s=0.02, beat_s=0.05)
    thread = threading.Thread(target=Runner(database, Rules(()), settings).run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def token(database: Database, role: str = "operator") -> str:
    """Return a new token."""
    with database.begin() as session:
        return tokens.create(session, "someone", role, "the tests")[1]
