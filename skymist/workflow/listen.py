"""Listen to sources of messages: each is kept before its source forgets it."""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from datetime import datetime
from pathlib import Path
from typing import Any

from skymist.alerts import read_revisions, split
from skymist.alerts.folder import Folder
from skymist.alerts.stream import EITHER, EVENT, NOTICE, Message, Source
from skymist.errors import ReadError, RequestError
from skymist.records import Database, patiently, streams, tables
from skymist.workflow.ingest import Outcome, take
from skymist.workflow.settings import revealed

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
    """
    with ThreadPoolExecutor(len(sources), "source") as threads:
        listening = [threads.submit(_Listener(database, each, on_outcome).run, stop) for each in sources]
        wait(listening, return_when=FIRST_EXCEPTION)
        stop.set()  # one that has failed is not left behind unnoticed
    for each in listening:
        each.result()


class _Listener:
    """One source."""

    def __init__(self, database: Database, source: Source, on_outcome: Callable[[Outcome], None]) -> None:
        self.database, self.source, self.on_outcome = database, source, on_outcome
        self._reported = 0.0
        self._heard: datetime | None = None

    def run(self, stop: threading.Event) -> None:
        """Listen until `stop` is set."""
        for message in self.source.messages(stop):
            if message is not None:
                self._keep(message, stop)
            if time.monotonic() > self._reported + REPORT_S:
                self._report(stop)
        self._report(stop, streams.STOPPED)

    def _keep(self, message: Message, stop: threading.Event) -> None:
        """Keep a message, and only then have its source forget it."""
        outcomes: list[Outcome] = []

        def keep() -> None:
            outcomes[:] = [take_message(self.database, part) for part in parts(message)]

        patiently(keep, stop)
        if outcomes:  # else the database is away and we are to stop: it comes again
            self.source.commit(message)
            self._heard = tables.now()
        for outcome in outcomes:
            self.on_outcome(outcome)

    def _report(self, stop: threading.Event, state: str = "") -> None:
        self._reported = time.monotonic()
        silent, trouble = self.source.silent_s(), self.source.trouble
        if not state and trouble:
            state = streams.TROUBLED
        elif not state:
            state = streams.SILENT if silent is not None and silent > SILENCE_S else streams.LISTENING
        heard = self._heard if silent is None or silent > REPORT_S else tables.now()
        lag = None if state == streams.STOPPED else self.source.lag()

        def write() -> None:
            with self.database.begin() as session:
                streams.report(session, self.source.name, state, trouble, lag, heard)

        patiently(write, stop)


def parts(message: Message) -> list[Message]:
    """Return a message for each row of a table, by the times of the events: a bad row does not lose the others.

    What is no table is one message.
    """
    contents = [message.content] if message.kind == EVENT else list(split(message.content))
    if contents == [message.content]:
        return [message]
    where = message.position[-180:]
    return [Message(each, NOTICE, message.source, f"{where}:{number}") for number, each in enumerate(contents, 1)]


def take_message(database: Database, message: Message) -> Outcome:
    """Keep a message; where its source does not say whether it is a notice or an event, its content does."""
    kind = _kind_of(message) if message.kind == EITHER else message.kind
    return take(database, message.content, kind, message.source, message.position)


def _kind_of(message: Message) -> str:
    """Return what a message is; what is neither is taken for an event, whose error names all that is known."""
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
        found.append(Kafka(kafka["topics"], revealed("kafka", kafka["settings"], environment)))
    return found
