"""News: what of the log people want to be told at once, in a line that can be read on a telephone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from skymist.model.alert import Kind, Role
from skymist.records.tables import Alert, Event, LogEntry, Publication, Scan, Stream

KINDS: Mapping[str, str] = {
    "alert": "an event is heard of for the first time",
    "revision": "something new is told of it",
    "retraction": "it is taken back",
    "map": "a scan is complete",
    "scan-failed": "a scan has failed",
    "draft": "a circular or notice is drafted",
    "approved": "one is approved, and can be sent",
    "sent": "one has gone out",
    "not-sent": "one could not be sent",
    "quarantine": "a message cannot be read",
    "stream": "a source of messages is silent, in trouble, or back",
}
"""What there is to tell."""

MOST = 500
"""Entries of the log that are looked at together."""


@dataclass(frozen=True)
class News:
    """One thing to be told.

    Attributes
    ----------
    id : int
        Of the entry of the log.
    time : datetime
    kind : str
        One of `KINDS`.
    role : Role or None
        World that it is of; None for what is of the service itself.
    stream : str
        gold, bronze, cascade or empty.
    text : str
        In one line.
    path : str
        Of the page that shows it.
    """

    id: int
    time: datetime
    kind: str
    role: Role | None
    stream: str
    text: str
    path: str


def since(session: Session, after: int | None) -> tuple[list[News], int]:
    """Return the news of the log behind an entry, in their order, and up to which entry that is.

    Parameters
    ----------
    session : Session
    after : int or None
        Id of an entry; None for the last `MOST` entries.
    """
    query = select(LogEntry).limit(MOST)
    if after is None:
        entries = list(session.scalars(query.order_by(LogEntry.id.desc())))[::-1]
    else:
        entries = list(session.scalars(query.where(LogEntry.id > after).order_by(LogEntry.id)))
    found = [told for entry in entries if (told := of_entry(session, entry)) is not None]
    return found, entries[-1].id if entries else after or 0


def of_entry(session: Session, entry: LogEntry) -> News | None:
    """Return what an entry of the log tells, None if it is nothing to be told at once."""
    tell = _TELLERS.get(entry.subject)
    return None if tell is None else tell(session, entry)


def _of_alert(session: Session, entry: LogEntry) -> News | None:
    if entry.action != "revised":
        return None
    alert = session.get_one(Alert, int(entry.subject_id))
    first = alert.revisions[0].id == entry.details["revision"] if alert.revisions else True
    kind = "retraction" if entry.details["kind"] == Kind.RETRACTION else "alert" if first else "revision"
    words = {"retraction": "is retracted", "alert": "is new", "revision": "has a new revision"}[kind]
    return _about(entry, kind, alert, f"{alert.name} {words}{_facts(alert)}", _page(alert))


def _of_scan(session: Session, entry: LogEntry) -> News | None:
    kind = {"complete": "map", "failed": "scan-failed"}.get(entry.action)
    scan = None if kind is None else session.get(Scan, entry.subject_id)
    if kind is None or scan is None:
        return None
    event = session.get_one(Event, scan.event_id)
    alert = None if event.alert_id is None else session.get(Alert, event.alert_id)
    name = alert.name if alert else f"run {event.run} event {event.event}"
    what = "is complete" if kind == "map" else f"has failed: {scan.error or 'no reason is known'}"
    text = f"{name}: scan {scan.id[:12]} with {scan.request['reconstruction']} {what}"
    stream = alert.stream if alert else ""
    return News(entry.id, entry.time, kind, Role(scan.role), stream, text, f"/scan?id={scan.id}")


def _of_publication(session: Session, entry: LogEntry) -> News | None:
    said = {"drafted": "draft", "approved": "approved", "sent": "sent"}.get(entry.action)
    if entry.action == "approved" and entry.details.get("old") == "sending":
        said = "not-sent"
    found = None if said is None else session.get(Publication, int(entry.subject_id))
    if said is None or found is None:
        return None
    words = {
        "draft": "is drafted and waits for somebody to read it",
        "approved": f"is approved by {entry.who} and can be sent",
        "sent": f"is sent{f' as {found.number}' if found.number else ''}",
        "not-sent": f"could not be sent: {entry.details.get('reason') or found.error}",
    }[said]
    alert = session.get_one(Alert, found.alert_id)
    text = f"{alert.name}: {found.kind} {found.id} {words}"
    return News(entry.id, entry.time, said, Role(found.role), alert.stream, text, f"/circular?id={found.id}")


def _of_input(_: Session, entry: LogEntry) -> News | None:
    if entry.action != "quarantined":
        return None
    text = f"message {entry.subject_id[:12]} cannot be read: {entry.details['reason']}"
    return News(entry.id, entry.time, "quarantine", None, "", text, "/alerts?show=quarantine")


def _of_stream(session: Session, entry: LogEntry) -> News | None:
    if entry.action not in ("silent", "troubled", "listening"):
        return None
    stream = session.get(Stream, entry.subject_id)
    name, trouble = entry.subject_id if stream is None else stream.name, entry.details.get("trouble")
    text = f"stream {name} is {entry.action}{f': {trouble}' if trouble else ''}"
    return News(entry.id, entry.time, "stream", None, "", text, "/operations")


_TELLERS: Mapping[str, Callable[[Session, LogEntry], News | None]] = {
    "alert": _of_alert, "scan": _of_scan, "circular": _of_publication, "notice": _of_publication, "input": _of_input,
    "stream": _of_stream,
}  # fmt: skip


def _about(entry: LogEntry, kind: str, alert: Alert, text: str, path: str) -> News:
    return News(entry.id, entry.time, kind, Role(alert.role), alert.stream, text, path)


def _page(alert: Alert) -> str:
    role = "" if alert.role == Role.OBSERVATION else f"&role={alert.role}"
    return f"/alert?name={alert.run}_{alert.event}{role}"


def _facts(alert: Alert) -> str:
    """Return what one wants to know before one gets up."""
    said: list[str] = [alert.stream] if alert.stream else []
    numbers: list[tuple[Any, str]] = [
        (alert.signalness, "signalness {:.2f}"), (alert.energy_tev, "{:.0f} TeV"), (alert.ra, "RA {:.2f}°"),
        (alert.dec, "Dec {:+.2f}°"), (alert.radius_90, "90 % within {:.2f}°"),
    ]  # fmt: skip
    said += [form.format(value) for value, form in numbers if value is not None]
    return f" ({', '.join(said)})" if said else ""
