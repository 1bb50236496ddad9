"""Clusters that stay up between scans, so that the next one need not wait for workers."""

import logging
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from skymist import cluster
from skymist.cluster.config import label
from skymist.cluster.local import can_show

if TYPE_CHECKING:
    from distributed import Client

Key = tuple[str, int | None]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """How one cluster is.

    Attributes
    ----------
    id : str
        That no other has or had; empty while it is starting.
    name : str
        Of its configuration.
    state : str
        starting (its first worker is waited for), running, or lost.
    asked : int or None
        Workers that were asked for; None for as many as the configuration says.
    workers, threads : int or None
        That there are; None if its scheduler does not tell.
    scans : int
        That use it.
    since : str
        When it was started, UTC.
    idle_since : str or None
        When the last scan left it, UTC.
    dashboard : str
        Where Dask's dashboard is, on the loopback interface of the runner's machine; empty if there is none.
    """

    id: str
    name: str
    state: str
    asked: int | None
    workers: int | None
    threads: int | None
    scans: int
    since: str
    idle_since: str | None
    dashboard: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-like values."""
        return asdict(self)


@dataclass
class _Held:
    """One cluster: entered once, left when nobody needs it any more."""

    context: "AbstractContextManager[Client]"
    client: "Client"
    users: int = 0
    used: float = field(default_factory=time.monotonic)
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    mark: str = field(default_factory=lambda: secrets.token_hex(4))

    def report(self, key: Key) -> Report:
        name, threads = label(key[0]), self._threads()
        idle = None if self.users else _written(datetime.now(UTC) - timedelta(seconds=time.monotonic() - self.used))
        return Report(
            f"{re.sub(r'[^A-Za-z0-9_-]+', '-', name)[-60:]}.{self.mark}", name,
            "lost" if threads is None else "running", key[1], None if threads is None else len(threads),
            None if threads is None else sum(threads), self.users, _written(self.since), idle, _dashboard(self.client),
        )  # fmt: skip

    def _threads(self) -> list[int] | None:
        """Return how many threads each worker has; None if its scheduler does not tell, as one that is being closed."""
        try:
            return list(self.client.nthreads().values())
        except Exception:  # noqa: BLE001 (whatever happens to one that is lost: the others are told of)
            return None

    def leave(self) -> None:
        try:
            self.context.__exit__(None, None, None)
        except Exception:  # noqa: BLE001 (a batch system that does not answer must not end what others wait for)
            _log.exception("a cluster could not be stopped in good order")


class Pool:
    """Clusters by name and number of workers, shared by scans.

    Parameters
    ----------
    folder : Path, optional
        The user's own configurations.
    dashboards : bool
        Whether to serve Dask's dashboard of each that can have one, on the loopback interface.
    """

    def __init__(self, folder: Path | None = None, *, dashboards: bool = False) -> None:
        self._folder, self._dashboards = folder, dashboards and can_show()
        if dashboards and not self._dashboards:
            _log.warning("no dashboard of Dask: bokeh is not installed (pip install 'skymist[dashboard]')")
        self._held: dict[Key, _Held] = {}
        self._old: list[_Held] = []
        self._coming: dict[Key, datetime] = {}
        self._starting: dict[Key, Lock] = {}
        self._lock = Lock()

    @contextmanager
    def connect(self, name: str, workers: int | None = None) -> "Iterator[Client]":
        """Yield a client of a cluster that may be shared; parameters and errors as for `skymist.cluster.connect`."""
        held = self._take((name, workers))
        try:
            yield held.client
        finally:
            with self._lock:
                held.users -= 1
                held.used = time.monotonic()

    def rest(self, idle_s: float) -> None:
        """Stop clusters that nobody has used for so long, and those that were lost."""
        for held in self._idle(idle_s):
            held.leave()

    def report(self) -> list[Report]:
        """Tell of all that are held, those that were started first before the others."""
        with self._lock:
            held, coming = list(self._held.items()), list(self._coming.items())
        found = [each.report(key) for key, each in held]
        found += [
            Report("", label(name), "starting", asked, 0, 0, 1, _written(since), None, "")
            for (name, asked), since in coming
        ]
        return sorted(found, key=lambda report: report.since)

    def close(self) -> None:
        """Stop all."""
        with self._lock:
            everything = [*self._held.values(), *self._old]
            self._held, self._old = {}, []
        for held in everything:
            held.leave()

    def _take(self, key: Key) -> _Held:
        with self._lock:
            starting = self._starting.setdefault(key, Lock())
        with starting:  # the others wait for the one that starts it; other clusters are not held up
            with self._lock:
                held = self._held.get(key)
                if held is not None and held.client.status != "running":
                    self._old.append(self._held.pop(key))
                    held = None
                if held is not None:
                    held.users += 1
                    return held
            return self._start(key)

    def _start(self, key: Key) -> _Held:
        context = cluster.connect(*key, self._folder, self._dashboards)
        with self._lock:
            self._coming[key] = datetime.now(UTC)
        try:
            held = _Held(context, context.__enter__(), users=1)
            with self._lock:
                self._held[key] = held
        finally:
            with self._lock:
                del self._coming[key]
        return held

    def _idle(self, idle_s: float) -> list[_Held]:
        with self._lock:
            since = time.monotonic() - idle_s
            rested = [key for key, held in self._held.items() if not held.users and held.used < since]
            ended = [held for held in self._old if not held.users]
            self._old = [held for held in self._old if held.users]
            return ended + [self._held.pop(key) for key in rested]


def _written(time: datetime) -> str:
    """Return a time without what changes at each look at it."""
    return time.replace(microsecond=0).isoformat()


def _dashboard(client: "Client") -> str:
    """Return where the dashboard is of a cluster whose scheduler is in this process.

    That of any other is on a machine that somebody else may choose, as who asks for a scan names an address; so nobody
    is led there.
    """
    scheduler = getattr(client.cluster, "scheduler", None)
    server, extra = getattr(scheduler, "http_server", None), getattr(scheduler, "http_application", None)
    if server is None or not getattr(extra, "applications", ()):  # which only a dashboard adds
        return ""
    return f"http://127.0.0.1:{server.port}" if server.address == "127.0.0.1" else ""
