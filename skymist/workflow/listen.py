"""Listen to sources of messages: each is kept before its source forgets it."""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DataError, DBAPIError

from skymist.alerts import read_revisions
from skymist.alerts.folder import Folder
from skymist.alerts.stream import EITHER, EVENT, NOTICE, Message, Source
from skymist.errors import ReadError, RequestError, StoreError
from skymist.records import Database, inputs, streams, tables
from skymist.workflow.ingest import Outcome, take
from skymist.workflow.runner import patiently

REPORT_S = 2.0
"""Seconds between two reports of how a source is."""

SILENCE_S = 60.0
"""A source with heartbeats of which nothing was heard for so long is silent."""

_log = logging.getLogger(__name__)


def listen(
    database: Database,
    sources: Sequence[Source],
    stop: threading.Event,
    on_outcome: Callable[[Outcome], None] = lambda _: None,
) -> None:
    """Keep what comes from all sources until `stop` is set.

    May be killed at any moment: what its source has not forgotten comes again, and what is known changes nothing.

    Parameters
    ----------
    database : Database
    sources : sequence of Source
        Each has a thread of its own.
    stop : threading.Event
    on_outcome : callable
        Told of each message after it is kept.

    Raises
    ------
    Exception
        Whatever a source or `on_outcome` raised; `stop` is set then, as no source must go silent while others go on.
    """
    listeners = [_Listener(database, each, on_outcome) for each in sources]
    threads = [threading.Thread(target=each.run, args=(stop,)) for each in listeners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in listeners:
        if each.error is not None:
            raise each.error


class _Listener:
    """One source."""

    def __init__(self, database: Database, source: Source, on_outcome: Callable[[Outcome], None]) -> None:
        self.database, self.source, self.on_outcome = database, source, on_outcome
        self.name = _fitting(source.name)
        self.error: Exception | None = None
        self._reported = 0.0
        self._heard: datetime | None = None

    def run(self, stop: threading.Event) -> None:
        """Listen until `stop` is set, and set it if that cannot go on; `error` tells why."""
        try:
            self._run(stop)
        except Exception as error:  # noqa: BLE001 (it is raised where all threads are waited for)
            self.error = error
            stop.set()
            self._report(stop, streams.STOPPED, f"{type(error).__name__}: {error}")
        else:
            self._report(stop, streams.STOPPED)

    def _run(self, stop: threading.Event) -> None:
        with closing(self.source.messages(stop)) as messages:
            for message in messages:
                if message is not None:
                    self._keep(message, stop)
                if time.monotonic() > self._reported + REPORT_S:
                    self._report(stop)

    def _keep(self, message: Message, stop: threading.Event) -> None:
        """Keep a message, and only then have its source forget it."""
        kept: list[Outcome] = []
        patiently(lambda: kept.append(_keep_surely(self.database, message)), stop)
        if kept:  # else the database is away and we are to stop: it comes again
            self.source.commit(message)
            self._heard = tables.now()
            self.on_outcome(kept[0])

    def _report(self, stop: threading.Event, state: str = "", trouble: str = "") -> None:
        self._reported = time.monotonic()
        silent, trouble = self.source.silent_s(), trouble or self.source.trouble
        if not state and trouble:
            state = streams.TROUBLED
        elif not state:
            state = streams.SILENT if silent is not None and silent > SILENCE_S else streams.LISTENING
        heard = self._heard if silent is None or silent > REPORT_S else tables.now()
        lag = None if state == streams.STOPPED else self.source.lag()
        places = self.source.positions()

        def write() -> None:
            with self.database.begin() as session:
                streams.report(session, self.name, state, _plain(trouble), lag, heard, places)

        patiently(write, stop)


def take_message(database: Database, message: Message) -> Outcome:
    """Keep a message; where its source does not say whether it is a notice or an event, its content does."""
    return take(database, message.content, _kind_of(message), *_place(message))


def _keep_surely(database: Database, message: Message) -> Outcome:
    """Keep a message even if what reads it has a fault: it waits in quarantine for a better version then.

    Raises
    ------
    StoreError
        If the database is away, or has just been told the same by another process.
    """
    try:
        return take_message(database, message)
    except StoreError:
        raise
    except Exception as error:
        if isinstance(error, DBAPIError) and not isinstance(error, DataError):
            raise StoreError(f"{database}: {str(error.orig).splitlines()[0]}") from error
        _log.exception("a message of %s at %s cannot be read", message.source, message.position)
        cause = error.orig if isinstance(error, DBAPIError) else error
        return _put_aside(database, message, _plain(f"unforeseen: {type(cause).__name__}: {cause}"))


def _put_aside(database: Database, message: Message, reason: str) -> Outcome:
    kind = EVENT if message.kind == EITHER else message.kind
    with database.begin() as session:
        item, new = inputs.receive(session, message.content, kind, *_place(message))
        inputs.quarantine(session, item, reason)
        return Outcome(item.id, new, reason=reason)


def _place(message: Message) -> tuple[str, str]:
    """Return source and position as records can hold them; the end of a position may tell a file's format."""
    return _fitting(message.source), _plain(message.position)[-200:]


def _fitting(name: str) -> str:
    """Return the name of a source as it stands in records, whose log has room for no more."""
    return _plain(name)[-100:]


def _plain(text: str) -> str:
    """Return text that every database takes: names of files may be any bytes."""
    return text.encode(errors="replace").decode().replace("\0", "?")


def _kind_of(message: Message) -> str:
    """Return what a message is; what is neither is taken for an event, whose error names all that is known."""
    if message.kind != EITHER:
        return message.kind
    try:
        read_revisions(message.content)
    except ReadError:
        return EVENT
    return NOTICE


def make_sources(
    folders: Sequence[str], kafka: Mapping[str, Any] | None, environment: Mapping[str, str] = os.environ
) -> list[Source]:
    """Return the sources that settings name.

    Parameters
    ----------
    folders : sequence of str
        To watch.
    kafka : mapping or None
        ``topics`` and ``settings``; see `skymist.alerts.kafka.Kafka`. A setting ``$NAME`` is taken from `environment`.

    Raises
    ------
    RequestError
        If something of it makes no sense.
    """
    found: list[Source] = [Folder(Path(each)) for each in folders]
    if kafka:
        from skymist.alerts.kafka import Kafka

        if set(kafka) != {"topics", "settings"}:
            raise RequestError(f"kafka needs topics and settings, and nothing else, not {', '.join(map(str, kafka))}")
        reveal = partial(_reveal, environment)
        found.append(Kafka(kafka["topics"], {key: reveal(key, value) for key, value in kafka["settings"].items()}))
    return found


def _reveal(environment: Mapping[str, str], key: str, value: Any) -> Any:
    if not (isinstance(value, str) and value.startswith("$")):
        return value
    if value[1:] not in environment:
        raise RequestError(f"the setting {key} of kafka is in the variable {value[1:]}, which is not set")
    return environment[value[1:]]
