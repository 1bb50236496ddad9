"""Snapshots: the whole archive as a crate, again and again, in a place elsewhere.

Each has the time of its beginning as its name. What is there says what is due: it does not matter which process made
the last one, or how it died.
"""

import logging
import re
import threading
from datetime import UTC, datetime, timedelta

from skymist.errors import RequestError, SkymistError, own_fault
from skymist.fair.record import Site
from skymist.records import Database
from skymist.records.tables import now
from skymist.store.place import Where, place
from skymist.workflow.archive import bundle
from skymist.workflow.archive.bundle import Documents, Exported, Tables

AGAIN_S = 60.0
"""After which is tried again what could not be done, or what another process was doing."""

_NAME = "%Y%m%dT%H%M%SZ"
_PATTERN = re.compile(r"(\d{8}T\d{6}Z)(\.lease)?")

_log = logging.getLogger(__name__)


class Snapshots:
    """Makes snapshots until it is stopped; may be killed at any moment.

    Parameters
    ----------
    database : Database
    to : path, URL or Place
        Folder of the snapshots.
    every_s : float
        From the beginning of one to that of the next.
    keep : int
        How many stay; older ones are removed. So many of those without doubts stay in any case: what is not whole does
        not take their place.
    site : Site
    documents, tables : callable
        See `skymist.workflow.archive.bundle.export`.

    Raises
    ------
    RequestError
        If that is never, or none.
    """

    def __init__(
        self,
        database: Database,
        to: Where,
        every_s: float,
        keep: int,
        *,
        site: Site,
        documents: Documents = lambda _: (),
        tables: Tables = lambda _: {},
    ) -> None:
        if not every_s > 0 or keep < 1:
            raise RequestError(f"snapshots every {every_s} s, of which {keep} stay, are none")
        self.database, self.to, self.every_s, self.keep = database, place(to), every_s, keep
        self.site, self.documents, self.tables = site, documents, tables

    def run(self, stop: threading.Event) -> None:
        """Make one whenever it is due, until `stop` is set; trouble is logged, and it is tried again."""
        while not stop.wait(self._pause()):
            pass

    def _pause(self) -> float:
        """Make one if it is due, and return for how many seconds there is nothing to do."""
        try:
            self.take()
            last = self._past()[-1:]
            return max(1.0, self.every_s - (now() - _time_of(last[0])).total_seconds()) if last else AGAIN_S
        except SkymistError as error:
            _log.warning("no snapshot: %s; trying again", error)
        except Exception as fault:  # noqa: BLE001 (whatever is wrong, the next one may do)
            _log.exception("no snapshot: %s", own_fault(fault))
        return AGAIN_S

    def take(self) -> Exported | None:
        """Make one if it is due, and remove what is too old; None if it is not due.

        Raises
        ------
        StoreError
            If something cannot be read or written, or another process is making one.
        """
        for name in self.complete()[len(self._past()) :]:
            _log.warning("%s has a time that is yet to come: it does not count, and is not removed", self.to / name)
        if not self._due():
            return None
        lock = self.to.lock()
        try:
            if not self._due():  # somebody else was faster
                return None
            self._remove(self._unfinished())
            made = bundle.export(
                self.database, self.to / now().strftime(_NAME), site=self.site, documents=self.documents,
                tables=self.tables,
            )  # fmt: skip
            self._remove(self._old())
        finally:
            lock.close()
        _log.info("snapshot %s: %d files, digest %s", made.where, made.files, made.digest)
        for doubt in made.doubts:
            _log.warning("snapshot %s: %s", made.where.name, doubt)
        return made

    def complete(self) -> list[str]:
        """Return the names of the snapshots that have ended, the oldest first."""
        return [name for name in self._names() if bundle.is_complete(self.to / name)]

    def _due(self) -> bool:
        last = self._past()[-1:]
        return not last or now() >= _time_of(last[0]) + timedelta(seconds=self.every_s)

    def _past(self) -> list[str]:
        """Return those that count; clocks that differ by less than from one to the next do no harm."""
        latest = now() + timedelta(seconds=self.every_s)
        return [name for name in self.complete() if _time_of(name) <= latest]

    def _old(self) -> list[str]:
        past = self._past()
        whole = [name for name in past if not bundle.doubts(self.to / name)]
        stay = {*past[-self.keep :], *whole[-self.keep :]}
        return [name for name in past if name not in stay]

    def _unfinished(self) -> list[str]:
        return [name for name in self._names() if bundle.is_unfinished(self.to / name)]

    def _names(self) -> list[str]:
        return sorted({found[1] for name in self.to.names() if (found := _PATTERN.fullmatch(name))})

    def _remove(self, names: list[str]) -> None:
        for name in names:
            bundle.discard(self.to / name)
            (self.to / f"{name}.lease").remove()  # of an export that was killed


def _time_of(name: str) -> datetime:
    return datetime.strptime(name, _NAME).replace(tzinfo=UTC)
