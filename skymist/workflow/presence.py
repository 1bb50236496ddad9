"""A runner tells that it is there, and which clusters it holds."""

import threading
import time
from typing import Any

from skymist.cluster.pool import Pool
from skymist.records import Database, patiently, runners

LOOK_S = 1.0
"""Seconds between two looks at the clusters."""

BEAT_S = 15.0
"""Seconds after which it tells of itself though nothing has changed."""


class Presence:
    """What a runner tells of itself.

    Parameters
    ----------
    database : Database
    owner : str
        Its name, as scans have it.
    slots : int
        Ordinary scans at a time.
    pool : Pool
        Its clusters.
    """

    def __init__(self, database: Database, owner: str, slots: int, pool: Pool) -> None:
        self.database, self.owner, self.slots, self.pool = database, owner, slots, pool
        self._told: list[dict[str, Any]] | None = None
        self._when = 0.0

    def run(self, stop: threading.Event) -> None:
        """Tell until `stop` is set, and then that it has ended."""
        while not stop.is_set():
            patiently(self.look, stop)
            stop.wait(LOOK_S)
        patiently(self._leave, stop)

    def look(self) -> None:
        """Tell what has changed, or that nothing has."""
        found = [each.to_dict() for each in self.pool.report()]
        if found == self._told and time.monotonic() < self._when + BEAT_S:
            return
        with self.database.begin() as session:
            runners.report(session, self.owner, self.slots, found)
        self._told, self._when = found, time.monotonic()

    def _leave(self) -> None:
        with self.database.begin() as session:
            runners.leave(session, self.owner)
