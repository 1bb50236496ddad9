"""Clusters that stay up between scans, so that the next one need not wait for workers."""

import logging
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from skymist import cluster

if TYPE_CHECKING:
    from distributed import Client

Key = tuple[str, int | None]

_log = logging.getLogger(__name__)


@dataclass
class _Held:
    """One cluster: entered once, left when nobody needs it any more."""

    context: "AbstractContextManager[Client]"
    client: "Client"
    users: int = 0
    used: float = field(default_factory=time.monotonic)

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
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._held: dict[Key, _Held] = {}
        self._old: list[_Held] = []
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
            context = cluster.connect(*key, self._folder)
            held = _Held(context, context.__enter__(), users=1)
            with self._lock:
                self._held[key] = held
            return held

    def _idle(self, idle_s: float) -> list[_Held]:
        with self._lock:
            since = time.monotonic() - idle_s
            rested = [key for key, held in self._held.items() if not held.users and held.used < since]
            ended = [held for held in self._old if not held.users]
            self._old = [held for held in self._old if held.users]
            return ended + [self._held.pop(key) for key in rested]
