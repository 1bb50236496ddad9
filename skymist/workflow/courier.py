"""The courier: takes what people have approved and confirmed to where it is to go, once, whatever dies on the way.

A text is marked as tried before it goes out and as sent when its number is known. A courier that finds one tried, by
another that is gone or by itself without an answer, waits until whatever arrived can be found, looks for it where it
should have arrived, and sends it only if it is not there.
"""

import logging
import threading
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from skymist.circulars.send import digest
from skymist.errors import SendError, StoreError, own_fault
from skymist.records import Database, patiently, publications
from skymist.records.tables import Publication, now
from skymist.workflow.desk_settings import wrong_sky
from skymist.workflow.process import alive, own_name

SILENCE_S = 300.0
"""After which a sender of another machine that was not heard of is taken to be gone: longer than any request takes."""

AGAIN_S = 15.0
"""Until what could not be sent is tried again."""

_log = logging.getLogger(__name__)


class Channel(Protocol):
    """Where publications of one kind go."""

    name: str
    settle_s: float
    """For how long what has arrived may not be found yet."""

    def content(self, subject: str, body: str) -> bytes:
        """Return the bytes that go out."""

    def prepare(self) -> None:
        """Do all that comes before sending; nothing goes out, whatever happens."""

    def send(self, content: bytes) -> str:
        """Send, and return what it is called there; `SendError` tells what is known otherwise."""

    def find(self, content: bytes, since: datetime) -> str | None:
        """Return what it is called there if it has arrived since then; `SendError` if nobody knows."""

    def close(self) -> None:
        """Let go of connections."""


class Courier:
    """Sends publications until it is stopped; may be killed at any moment.

    Parameters
    ----------
    database : Database
    channels : mapping of str to Channel
        By kind of publication.
    real : bool
        Whether it sends what is about the real sky, and nothing else; otherwise it sends only tests.
    again_s : float
        Until what could not be sent is tried again.
    """

    def __init__(
        self, database: Database, channels: Mapping[str, Channel], *, real: bool = False, again_s: float = AGAIN_S
    ) -> None:
        self.database, self.channels, self.real, self.again_s = database, channels, real, again_s
        self.owner = own_name()
        self._later: dict[int, float] = {}

    def run(self, stop: threading.Event) -> None:
        """Send what there is, and what comes, until `stop` is set."""
        while not stop.wait(0.5):
            patiently(partial(self._until_empty, stop), stop)

    def deliver(self) -> bool:
        """Take one publication as far as it goes now; False if there is none."""
        with self.database.begin() as session:
            found = publications.claim(
                session, self.owner, self._has_it, timedelta(seconds=SILENCE_S), self._wanted(), self._resting()
            )
            text = None if found is None else publications.text(found)
        if found is None or text is None:
            return False
        try:
            self._take(found, text.subject, text.body)
        except SendError as error:
            self._failed(found, error)
        except StoreError:  # the database is away
            raise
        except Exception as fault:  # noqa: BLE001 (one that cannot be sent must not keep back the others)
            _log.exception("%s %d", found.kind, found.id)
            self._failed(found, SendError(own_fault(fault), "unknown"))
        return True

    def _until_empty(self, stop: threading.Event) -> None:
        while not stop.is_set() and self.deliver():
            pass

    def _take(self, found: Publication, subject: str, body: str) -> None:
        channel = self.channels[found.kind]
        content = channel.content(subject, body)
        if found.tried is not None and (number := self._found(channel, content, found.tried)):
            self._arrived(found, number)
            return
        self._refuse_what_must_not(found, content)
        channel.prepare()
        began = time.monotonic()
        with self.database.begin() as session:
            if not publications.trying(session, found.id, self.owner):
                return
        if time.monotonic() - began > SILENCE_S / 3:  # this process was stopped, and another may send it by now
            raise SendError("it took too long to begin", "unknown")
        self._arrived(found, channel.send(content))

    def _found(self, channel: Channel, content: bytes, tried: datetime) -> str | None:
        """Return what it is called if it arrived when it was tried before."""
        if (rest := channel.settle_s - (now() - tried).total_seconds()) > 0:
            raise SendError(f"it may have arrived; that is looked for in {rest:.0f} s", "unknown")
        return channel.find(content, tried)

    def _refuse_what_must_not(self, found: Publication, content: bytes) -> None:
        """Refuse bytes that nobody has confirmed, and the sky of the wrong world."""
        if digest(content) != found.confirmed:
            raise SendError("it is not what was confirmed", "refused")
        if words := wrong_sky(found.role, real=self.real):
            raise SendError(words, "refused")

    def _arrived(self, found: Publication, number: str) -> None:
        with self.database.begin() as session:
            publications.arrived(session, found.id, self.owner, number)
        _log.info("%s %d is sent: %s", found.kind, found.id, number)

    def _failed(self, found: Publication, error: SendError) -> None:
        _log.warning("%s %d: %s", found.kind, found.id, error)
        with self.database.begin() as session:
            if error.outcome == "refused":
                publications.refused(session, found.id, self.owner, str(error))
            else:
                publications.postponed(session, found.id, self.owner, str(error), tried=error.outcome == "unknown")
                self._later[found.id] = time.monotonic() + self.again_s

    def _wanted(self) -> list[str]:
        return list(self.channels)

    def _resting(self) -> list[int]:
        return [number for number, when in self._later.items() if when > time.monotonic()]

    def _has_it(self, owner: str) -> bool:
        """Return whether another sender may still be there; this one is not, as it has come here again."""
        return owner != self.owner and alive(owner)
