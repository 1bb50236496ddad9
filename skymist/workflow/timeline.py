"""The timeline of an alert: everything that happened to it, in order, and how long after the event it did.

Times are those of the records: when a notice came in, not when it was issued, which stands in its words.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from skymist.model import alert as model
from skymist.model.alert import SILENT, Kind
from skymist.model.identity import Thing
from skymist.model.latency import in_words
from skymist.model.revisions import differences, label_of
from skymist.records import alerts
from skymist.records.publications import KINDS as PUBLICATIONS
from skymist.records.tables import Alert, Event, Identity, Input, LogEntry, Publication, Revision, Scan, ScanState

KINDS = {
    "event": "the event itself", "notice": "notices", "file": "files", "scan": "scans", "circular": "circulars",
    "comment": "comments", "retraction": "retractions", "name": "names", "release": "releases",
}  # fmt: skip
"""What steps are of, and how people call these."""

MILESTONES = {"notice": "first notice", "map": "first map", "circular": "first circular"}
"""What is measured from the event on."""


@dataclass(frozen=True)
class Step:
    """Something that happened.

    Attributes
    ----------
    time : str
        ISO 8601, UTC; that of the event has nanoseconds.
    kind : str
        One of `KINDS`.
    what : str
        In words.
    who : str
        Owner of a token, source of a message, or a part of skymist; empty for the event itself.
    detail : str
        More, in words.
    subject, subject_id : str
        Kind of record (alert, revision, event, scan, circular, notice, identity), and which.
    input_id : str or None
        Message that brought it.
    milestone : str
        One of `MILESTONES` if it is the first of its kind; else empty.
    since_event_s, since_before_s : float
        Seconds since the event and since the step before; negative if it came before the event.
    """

    time: str
    kind: str
    what: str
    who: str = ""
    detail: str = ""
    subject: str = ""
    subject_id: str = ""
    input_id: str | None = None
    milestone: str = ""
    since_event_s: float = 0.0
    since_before_s: float = 0.0


@dataclass(frozen=True)
class Known:
    """What a timeline is made of.

    Attributes
    ----------
    alert : Alert
    revisions : sequence of Revision
    sources : mapping
        Of an input, by its id: where it came from, in words.
    events, scans, publications : mapping
        By id; all of them, also those that are deleted or withdrawn.
    identities : mapping
        By fragment, those of the alert, its scans and maps.
    entries : sequence of LogEntry
        Of all of these, in their order.
    """

    alert: Alert
    revisions: Sequence[Revision]
    sources: Mapping[str, str] = field(default_factory=dict)
    events: Mapping[str, Event] = field(default_factory=dict)
    scans: Mapping[str, Scan] = field(default_factory=dict)
    publications: Mapping[str, Publication] = field(default_factory=dict)
    identities: Mapping[str, Identity] = field(default_factory=dict)
    entries: Sequence[LogEntry] = ()


def gather(session: Session, alert: Alert) -> Known:
    """Return what the records have on an alert."""
    events = {each.id: each for each in session.scalars(select(Event).where(Event.alert_id == alert.id))}
    scans = {each.id: each for each in session.scalars(select(Scan).where(Scan.event_id.in_(events)))}
    told = session.scalars(select(Publication).where(Publication.alert_id == alert.id))
    published = {str(each.id): each for each in told}
    named = session.scalars(select(Identity).where(Identity.alert_id == alert.id))
    fragments = {each.fragment: each for each in named}
    of = (
        ("alert",), [str(alert.id)]), (("event",), events), (("scan",), scans), (PUBLICATIONS, published), (
        ("identity",), fragments,
    )  # fmt: skip
    same = (and_(LogEntry.subject.in_(subjects), LogEntry.subject_id.in_(list(ids))) for subjects, ids in of)
    entries = session.scalars(select(LogEntry).where(or_(*same)).order_by(LogEntry.id)).all()
    ids = {*(each.input_id for each in alert.revisions), *(each.input_id for each in events.values())} - {None}
    messages = session.execute(select(Input.id, Input.source, Input.position).where(Input.id.in_(ids)))
    sources = {key: f"{source} {position}".strip() for key, source, position in messages}
    return Known(alert, list(alert.revisions), sources, events, scans, published, fragments, entries)


def timeline(known: Known) -> list[Step]:
    """Return everything that happened, in order; of two things at the same time that which was noted first."""
    placed = [(_moment(each.time), number, each) for number, each in _all(known)]
    origin = _moment(known.alert.time)
    found: list[Step] = []
    before, reached = None, set[str]()
    for moment, _, each in sorted(placed, key=lambda item: item[:2]):
        milestone = "" if each.milestone in reached else each.milestone
        reached.add(milestone)
        since = 0.0 if before is None else _seconds(moment - before)
        found.append(replace(
            each, milestone=milestone, since_event_s=_seconds(moment - origin), since_before_s=since
        ))  # fmt: skip
        before = moment
    return found


def _moment(time: str) -> np.datetime64:
    return np.datetime64(time.removesuffix("Z"), "ns")


def _seconds(span: np.timedelta64) -> float:
    return float(span / np.timedelta64(1, "s"))


def _written(time: datetime) -> str:
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _all(known: Known) -> Iterator[tuple[int, Step]]:
    """Yield steps with a number that orders those of the same time."""
    alert = known.alert
    yield -1, Step(alert.time, "event", "event in the detector", "", f"run {alert.run}, event {alert.event}",
                   "alert", alert.name)  # fmt: skip
    noted = [(each.id, step) for each in known.entries for step in _noted(known, each)]
    yield from noted
    yield from _revisions(known, {step.input_id for _, step in noted if step.kind == "file"})


def _noted(known: Known, entry: LogEntry) -> Iterator[Step]:
    """Yield what an entry of the log tells; nothing if another record tells it, or it is of no use to people."""
    write = _WRITERS.get(entry.subject)
    found = None if write is None else write(known, entry)
    if found is not None:
        yield replace(found, time=_written(entry.time), who=entry.who)


# --- notices


def _revisions(known: Known, brought: set[str | None]) -> Iterator[tuple[int, Step]]:
    """Yield the revisions as they came in; what says nothing only if no file is shown that says the same."""
    noted = {each.details.get("revision"): each for each in known.entries if each.action == "revised"}
    came = sorted(known.revisions, key=lambda each: (each.received, noted[each.id].id if each.id in noted else 0))
    before: model.Revision | None = None
    for each in came:
        said, entry = model.Revision.from_dict(each.content), noted.get(each.id)
        if said.catalog in SILENT and each.input_id in brought:
            continue
        step = _revision(known, each, said, before)
        yield (entry.id if entry else 0), replace(step, who=entry.who if entry else "")
        if said.catalog not in SILENT and said.kind != Kind.RETRACTION:
            before = said


def _revision(known: Known, kept: Revision, said: model.Revision, before: model.Revision | None) -> Step:
    retraction = said.kind == Kind.RETRACTION
    kind = "retraction" if retraction else "file" if said.catalog in SILENT else "notice"
    source = known.sources.get(kept.input_id or "", "")
    parts = [f"from {source}"] if source else []
    parts += [f"reason: {said.comment}"] if retraction and said.comment else []
    parts += _issued(known.alert, said)
    if before is not None and not retraction and kind == "notice":
        changed = ", ".join(str(each) for each in differences(before, said) if each.name not in _NO_NEWS)
        parts.append(f"against {label_of(before)}: {changed or 'the same values'}")
    return Step(
        _written(kept.received), kind, _title(said), detail="; ".join(parts), subject="revision", subject_id=kept.id,
        input_id=kept.input_id, milestone="notice" if kind == "notice" and not said.catalog else "",
    )  # fmt: skip


_NO_NEWS = "kind", "tense", "comment", "map_url", "selection"
"""Differences that are no news to telescopes."""


def _title(said: model.Revision) -> str:
    if said.kind == Kind.RETRACTION:
        return "the alert was retracted"
    if said.catalog:
        return f"{said.catalog} came in" if said.catalog in SILENT else f"entry of {said.catalog} came in"
    return f"notice, {label_of(said)} ({said.kind}), came in"


def _issued(alert: Alert, said: model.Revision) -> list[str]:
    """Return when it was issued, in words, if it says so."""
    if said.issued is None:
        return []
    after = _seconds(said.issued - _moment(alert.time))
    written = np.datetime_as_string(said.issued, unit="s").replace("T", " ")
    return [f"issued {written} UTC, {in_words(after)} the event"]


# --- what the log tells


def _of_alert(known: Known, entry: LogEntry) -> Step | None:
    said = entry.details
    step = partial(Step, "", subject="alert", subject_id=known.alert.name)
    if entry.action == "named":
        return step("name", f"called {said['new']} from now on", detail=f"before: {said['old']}")
    if entry.action == "renumbered":
        old, new = (f"run {run}, event {event}" for run, event in (said["old"], said["new"]))
        return step("name", f"numbers are {new} from now on", detail=f"before: {old}")
    if entry.action == "doubted":
        return step("name", f"not called {said['name']}", detail=said["reason"])
    if entry.action == "imported":
        return step("file", "sky map of others came in", detail=said["format"], input_id=entry.input_id,
                    milestone="map")  # fmt: skip
    if entry.action == "refused":
        kind = "circular" if said.get("rule") == "circular" else "scan"
        return step(kind, f"{said.get('rule') or 'a rule'} was refused", detail=said["reason"])
    return None


def _of_event(known: Known, entry: LogEntry) -> Step | None:
    event = known.events[entry.subject_id]
    if entry.action != "received":
        return None
    return Step(
        "", "file", "event file came in", detail=f"{event.file} ({event.kind})" if event.kind else event.file,
        subject="event", subject_id=event.id, input_id=entry.input_id,
    )  # fmt: skip


def _of_scan(known: Known, entry: LogEntry) -> Step | None:
    scan = known.scans[entry.subject_id]
    told = _SCAN.get(entry.action)
    if told is None or (entry.action == ScanState.QUEUED and entry.details.get("old") == ScanState.WAITING):
        return None
    words, more = told
    label = f"scan {scan.id[:8]} ({scan.request['reconstruction']})"
    complete = entry.action == ScanState.COMPLETE
    return Step(
        "", "scan", f"{label} {words}", detail=more(scan, entry.details), subject="scan", subject_id=scan.id,
        milestone="map" if complete else "",
    )  # fmt: skip


def _asked(scan: Scan, said: Mapping[str, Any]) -> str:
    levels = ", ".join(f"nside {nside}" for nside, _ in scan.request.get("levels", ()))
    by = f"by the rule {said['rule']}" if said.get("rule") else "by a person"
    return "; ".join(filter(None, (by, levels, f"on {scan.cluster}")))


def _again(_: Scan, said: Mapping[str, Any]) -> str:
    if "gone" in said:
        return f"its runner {said['gone']} is gone"
    return f"it was {said.get('old', '')}"


def _attempt(_: Scan, said: Mapping[str, Any]) -> str:
    return f"attempt {said['attempt']}" if said.get("attempt", 1) > 1 else ""


def _best(scan: Scan, _: Mapping[str, Any]) -> str:
    """Return what it found; of one that was run again that of the last run."""
    if not scan.summary:
        return ""
    best, region = scan.summary["best"], scan.summary.get("regions", {}).get("90")
    where = f"best fit RA {best['ra']:.2f}°, Dec {best['dec']:+.2f}°"
    if region is None:
        return where
    area = region["area_deg2"]
    return f"{where}; 90 % within {area:{',.0f' if area >= 100 else '.3g'}} deg²"


_NOTHING: Callable[[Scan, Mapping[str, Any]], str] = lambda scan, said: ""  # noqa: ARG005, E731
_SCAN: dict[str, tuple[str, Callable[[Scan, Mapping[str, Any]], str]]] = {
    "asked for": ("asked for", _asked),
    "running": ("started", _attempt),
    "complete": ("complete", _best),
    "failed": ("failed", lambda _, said: said.get("error", "")),
    "cancelling": ("is to be cancelled", _NOTHING),
    "cancelled": ("cancelled", _NOTHING),
    "queued": ("queued again", _again),
    "replaced": ("replaced", lambda _, said: f"by scan {said['by'][:8]}"),
    "resized": ("given other workers", lambda _, said: f"{said['old'] or 'usual'} → {said['new'] or 'usual'} workers"),
    "fell back": ("replaced by its fallback", lambda _, said: f"scan {said['to'][:8]}"),
    "refused": ("has no fallback", lambda _, said: said["reason"]),
    "deleted": ("deleted", _NOTHING),
}
"""Of actions in the log: how people read them, and what more there is to say."""


def _of_publication(known: Known, entry: LogEntry) -> Step | None:
    found, said = known.publications[entry.subject_id], entry.details
    told = _TOLD.get(entry.action)
    if told is None or (entry.action == "draft" and said.get("reason") == "it was edited"):
        return None
    refused = entry.action == "approved" and said.get("old") == "sending"
    sends = entry.action == "sending" and "old" not in said
    words = "not taken" if refused else "goes out" if sends else told
    comment = next((each.text for each in found.comments if each.id == said.get("comment")), "")
    parts = [f"revision {said['revision']}" if "revision" in said else "", comment, said.get("note", "")]
    parts += [said.get("reason", ""), f"by {said['channel']}" if "channel" in said else ""]
    if entry.action == "sent":
        words = f"sent as {said['number']}" if said.get("number") else "sent"
    return Step(
        "", "comment" if entry.action == "commented" else "circular", f"{found.kind} {found.id} {words}",
        detail="; ".join(filter(None, parts)), subject=found.kind, subject_id=str(found.id),
        milestone="circular" if entry.action == "sent" and found.kind == "circular" else "",
    )  # fmt: skip


_TOLD = {
    "drafted": "drafted", "edited": "edited", "kept aside": "edited, but kept aside", "commented": "commented",
    "approved": "approved", "draft": "is a draft again", "sending": "confirmed to be sent", "sent": "sent",
    "withdrawn": "withdrawn",
}  # fmt: skip
"""Locks come and go and change nothing."""


def _of_identity(known: Known, entry: LogEntry) -> Step | None:
    identity, said = known.identities[entry.subject_id], entry.details
    thing = "the alert" if identity.thing == Thing.ALERT else f"{identity.thing} {identity.subject[:8]}"
    words: dict[str, tuple[str, str]] = {
        "released": (f"{thing} released to the public", f"from {str(said.get('at', ''))[:19]} UTC on"),
        "withdrew": (f"{thing} withdrawn from the public", f"reason: {said.get('reason', '')}"),
        "minted": (f"{thing} has a DOI", str(said.get("doi", ""))),
    }
    if entry.action not in words:
        return None
    what, detail = words[entry.action]
    return Step("", "release", what, detail=detail, subject="identity", subject_id=identity.fragment)


_WRITERS: dict[str, Callable[[Known, LogEntry], Step | None]] = {
    "alert": _of_alert, "event": _of_event, "scan": _of_scan, "identity": _of_identity,
    **dict.fromkeys(PUBLICATIONS, _of_publication),
}  # fmt: skip


def milestones(steps: Iterable[Step]) -> dict[str, float]:
    """Return the latencies of what was reached, seconds since the event."""
    return {each.milestone: each.since_event_s for each in steps if each.milestone}


def of(session: Session, name: str, role: model.Role = model.Role.OBSERVATION) -> list[Step]:
    """Return the timeline of an alert by any of its names.

    Raises
    ------
    UnknownNameError
        If there is no such alert.
    """
    return timeline(gather(session, alerts.find(session, name, role)))
