"""The herald: reads the log as it grows, and tells news where hooks say.

How far a hook has been told is an entry of the log itself: nothing is told twice after a restart unless it died between
telling and noting, and what happened in between is told late.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from skymist.errors import SendError
from skymist.records import Database, log, patiently
from skymist.records.tables import LogEntry, now
from skymist.workflow import news
from skymist.workflow.hooks import Hook
from skymist.workflow.news import News

WHO = "herald"
HOOK = "hook"
TICK_S = 1.0
MOST_AT_ONCE = 200
LATE = timedelta(hours=6)
"""What is older is not told any more: it helps nobody at night."""
PAUSES_S = 5.0, 300.0
"""The first and the longest pause after a hook that could not be reached."""

_log = logging.getLogger(__name__)


@dataclass
class _Listener:
    """A hook, how far it has been told, and when it is tried again."""

    hook: Hook
    told: int
    pause_s: float = PAUSES_S[0]
    due: float = field(default_factory=time.monotonic)


class Herald:
    """Tells hooks what happens, until it is stopped.

    Parameters
    ----------
    database : Database
    hooks : sequence of Hook
    site : str
        Address of the dashboard, for links; empty: there are none.
    """

    def __init__(self, database: Database, hooks: Sequence[Hook], site: str = "") -> None:
        self.database, self.site = database, site.rstrip("/")
        with database.begin() as session:
            self._listeners = [_Listener(hook, _position(session, hook.name)) for hook in hooks]

    def run(self, stop: threading.Event) -> None:
        """Tell what there is, and what comes, until `stop` is set."""
        while not stop.wait(TICK_S):
            patiently(partial(self.look, stop), stop)

    def look(self, stop: threading.Event | None = None) -> None:
        """Tell all that is new to each hook that can be reached."""
        for listener in self._listeners:
            if time.monotonic() >= listener.due and not (stop is not None and stop.is_set()):
                self._tell(listener)

    def _tell(self, listener: _Listener) -> None:
        hook = listener.hook
        while True:
            entries = self._after(listener.told)
            for entry in entries:
                found = self._news(entry)
                if found is not None and hook.wants(found) and not self._deliver(listener, found):
                    return
                listener.told = entry.id
            if len(entries) < MOST_AT_ONCE:
                return

    def _after(self, told: int) -> list[LogEntry]:
        query = select(LogEntry).where(LogEntry.id > told, LogEntry.subject != HOOK)
        with self.database.read() as session:
            return list(session.scalars(query.order_by(LogEntry.id).limit(MOST_AT_ONCE)))

    def _news(self, entry: LogEntry) -> News | None:
        if now() - entry.time > LATE:
            return None
        with self.database.read() as session:
            return news.of_entry(session, entry)

    def _deliver(self, listener: _Listener, found: News) -> bool:
        """Tell a hook one thing; False if that is to be tried again later."""
        hook = listener.hook
        try:
            hook.channel.tell(found, f"{self.site}{found.path}" if self.site else "")
        except SendError as error:
            _log.warning("hook %s: %s; tried again in %.0f s", hook.name, error, listener.pause_s)
            listener.due = time.monotonic() + listener.pause_s
            listener.pause_s = min(2 * listener.pause_s, PAUSES_S[1])
            return False
        listener.pause_s = PAUSES_S[0]
        with self.database.begin() as session:
            log.note(session, WHO, "told", HOOK, hook.name[:64], upto=found.id, kind=found.kind)
        return True


def _position(session: Session, name: str) -> int:
    """Return up to which entry a hook was told; a new one is told what happens from now on."""
    query = select(LogEntry).where(LogEntry.subject == HOOK, LogEntry.subject_id == name[:64])
    if last := session.scalar(query.order_by(LogEntry.id.desc()).limit(1)):
        return int(last.details["upto"])
    newest = int(session.scalar(select(func.max(LogEntry.id))) or 0)
    log.note(session, WHO, "begun", HOOK, name[:64], upto=newest)
    return newest
