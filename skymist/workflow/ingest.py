"""What came in becomes records: at least once in, exactly once in effect."""

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePath

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from skymist.alerts import read_revisions
from skymist.alerts.lvk_search import is_search, read_search
from skymist.errors import ReadError, SkymistError, StoreError, own_fault
from skymist.model import alert as model
from skymist.model.alert import EVENT_MESSAGE, Tense
from skymist.model.event import Event
from skymist.readers import read_event
from skymist.records import Database, alerts, inputs, log, tables

NOTICE, EVENT = "notice", "event"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of a message.

    Attributes
    ----------
    input_id : str
        SHA-256 of its content.
    new : bool
        Whether these bytes came for the first time.
    alert_ids : tuple of int
        The alerts it says something about.
    event_id : str or None
        The event that it holds.
    reason : str
        Why it could not be read, empty if it could: it is in quarantine then.
    """

    input_id: str
    new: bool
    alert_ids: tuple[int, ...] = ()
    event_id: str | None = None
    reason: str = ""


def take(database: Database, content: bytes, kind: str, source: str, position: str = "") -> Outcome:
    """Keep a message and what it says, in one transaction; nothing is lost if it cannot be read.

    Parameters
    ----------
    database : Database
    content : bytes
    kind : str
        `NOTICE` or `EVENT`.
    source, position : str
        Where it came from; see `skymist.records.inputs.receive`. Of an event, the position is its file's name.
    """
    message = content, kind, source, position
    try:
        found, reason = _read(*message)
        try:
            return _keep(database, message, found, reason)
        except IntegrityError:  # somebody else keeps the same at this moment
            return _keep(database, message, found, reason)
    except StoreError:  # the database is away
        raise
    except Exception as fault:  # noqa: BLE001 (a message that nobody can read must not end the stream)
        _log.exception("a message of %s %s", source, position)
        return _keep(database, message, (), own_fault(fault))


def _keep(
    database: Database, message: tuple[bytes, str, str, str], found: tuple[model.Revision, ...] | Event, reason: str
) -> Outcome:
    source = message[2]
    with database.begin() as session:
        item, new = inputs.receive(session, *message)
        if isinstance(found, tuple) and not reason:
            found, reason = _date(session, found)
        if reason:
            inputs.quarantine(session, item, reason)
            return Outcome(item.id, new, reason=reason)
        inputs.accept(session, item)
        if new and isinstance(found, tuple) and is_search(item.content):
            _note_search(session, item, source)
        if isinstance(found, Event):
            event_id, alert_id = _keep_event(session, found, item, source)
            return Outcome(item.id, new, (alert_id,), event_id)
        ids = [alerts.record(session, revision, item.id, source)[0].id for revision in model.by_time(found)]
        return Outcome(item.id, new, tuple(dict.fromkeys(ids)))


def retry(database: Database, input_id: str) -> Outcome:
    """Try once more to read a message that is in quarantine: a later version may understand it."""
    with database.read() as session:
        item = session.get_one(tables.Input, input_id)
    return take(database, item.content, item.kind, item.source, item.position)


def load_event(database: Database, event_id: str) -> Event:
    """Return an event that was kept."""
    with database.read() as session:
        record = session.get_one(tables.Event, event_id)
        content = session.get_one(tables.Input, record.input_id).content
    return _event_of(content, record.file)


def _read(content: bytes, kind: str, source: str, position: str) -> tuple[tuple[model.Revision, ...] | Event, str]:
    """Return what a message says, or why that cannot be told."""
    try:
        if kind == EVENT:
            return _event_of(content, PurePath(position).name), ""
        if is_search(content):
            read_search(content)  # which may be impossible
        return read_revisions(content, f"{source} {position}".strip()), ""
    except SkymistError as error:
        return (), str(error)


def _note_search(session: Session, item: tables.Input, source: str) -> None:
    """Keep in the log what a search for tracks with a gravitational wave has found: it is no alert."""
    found = read_search(item.content)
    tracks = [f"{each.key} ({each.seconds} s, p = {each.p_generic})" for each in found.tracks]
    log.note(session, source, "searched", "input", item.id, reference=found.reference, p_generic=found.p_generic,
             p_bayesian=found.p_bayesian, tracks=tracks, doubts=list(found.doubts))  # fmt: skip


def _date(session: Session, found: tuple[model.Revision, ...]) -> tuple[tuple[model.Revision, ...], str]:
    """Return revisions that all have a time, or why that cannot be."""
    try:
        return tuple(alerts.dated(session, each) for each in found), ""
    except ReadError as error:
        return (), str(error)


def _event_of(content: bytes, file: str) -> Event:
    """Read an event from memory; readers want a file, whose name may tell its format."""
    with tempfile.TemporaryDirectory(prefix="skymist-") as folder:
        path = Path(folder, PurePath(file).name or "event")
        path.write_bytes(content)
        try:
            return read_event(path)
        except ReadError as error:  # nobody knows the file by its temporary name
            reason, source = (text.replace(f"{folder}/", "") for text in (error.reason, error.source))
            raise ReadError(reason.replace(folder, "the message"), source, error.offset) from None


def _keep_event(session: Session, event: Event, item: tables.Input, who: str) -> tuple[str, int]:
    """Keep an event with its alert, which is made if no notice came before."""
    tense = Tense.TEST if event.simulated else Tense.CURRENT
    said = model.Revision(event.run, event.event, event.time, tense=tense, catalog=EVENT_MESSAGE, stream=_stream(event))
    alert, _ = alerts.record(session, said, item.id, who)
    if session.get(tables.Event, event.digest) is None:
        session.add(tables.Event(
            id=event.digest, input_id=item.id, file=PurePath(item.position).name, role=tense.role, run=event.run,
            event=event.event, time=f"{event.utc}Z", kind=event.kind, alert_id=alert.id,
        ))  # fmt: skip
        alerts.announce(alert)
        log.note(session, who, "received", "event", event.digest, input_id=item.id, alert=alert.id)
    return event.digest, alert.id


def _stream(event: Event) -> str:
    return "cascade" if "cascade" in event.kind.lower() else ""
