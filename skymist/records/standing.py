"""How alerts stand: their last scan, map and circular, and what waits for a person.

A list of alerts is told this for its own rows only, by a few queries for all of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Select, func, or_, select, union
from sqlalchemy.orm import Session, aliased

from skymist.model.alert import Role, Tense
from skymist.model.circular import State
from skymist.records import alerts
from skymist.records.publications import CIRCULAR, NOTICE, OWN_HANDS
from skymist.records.scans import COMPLETE, FAILED, QUEUED, RUNNING, WAITING
from skymist.records.tables import Alert, Event, Input, InputStatus, LogEntry, Publication, Revision, Scan, Text

UNFINISHED = WAITING, QUEUED, RUNNING
OPEN = State.DRAFT, State.APPROVED
"""States in which a publication waits for a person."""


class Need(StrEnum):
    """What waits for a person."""

    EDIT_CIRCULAR = "edit circular"
    APPROVE_CIRCULAR = "approve circular"
    SEND_CIRCULAR = "send circular"
    EDIT_NOTICE = "edit notice"
    APPROVE_NOTICE = "approve notice"
    SEND_NOTICE = "send notice"
    LOOK_AT_SCAN = "scan failed"


_STEPS = {
    CIRCULAR: (Need.EDIT_CIRCULAR, Need.APPROVE_CIRCULAR, Need.SEND_CIRCULAR),
    NOTICE: (Need.EDIT_NOTICE, Need.APPROVE_NOTICE, Need.SEND_NOTICE),
}


@dataclass(frozen=True)
class LastScan:
    """A scan of an alert.

    Attributes
    ----------
    id, state : str
    reconstruction : str
    share : float or None
        Of its cells that are done, from 0 to 1; None while nobody knows.
    ra, dec : float or None
        Of its best fit, degrees, ICRS; None before it is complete.
    """

    id: str
    state: str
    reconstruction: str
    share: float | None
    ra: float | None = None
    dec: float | None = None


@dataclass(frozen=True)
class LastCircular:
    """A circular of an alert."""

    id: int
    state: str


@dataclass
class Standing:
    """How one alert stands.

    Attributes
    ----------
    tense : Tense
        Of its last revision.
    revision_count : int
    scan : LastScan or None
        The one that was asked for last.
    map : LastScan or None
        The one of those that are complete.
    circular : LastCircular or None
        The last that was not withdrawn.
    needs : list of Need
    """

    tense: Tense = Tense.CURRENT
    revision_count: int = 0
    scan: LastScan | None = None
    map: LastScan | None = None
    circular: LastCircular | None = None
    needs: list[Need] = field(default_factory=list)


def of(session: Session, ids: Sequence[int]) -> dict[int, Standing]:
    """Return how alerts stand, by their ids."""
    found = {key: Standing() for key in ids}
    _add_tenses(session, found)
    _add_scans(session, found)
    _add_publications(session, found)
    for key in session.scalars(_failed().where(Event.alert_id.in_(ids)).distinct()):
        if key is not None:
            found[key].needs.append(Need.LOOK_AT_SCAN)
    return found


def _add_tenses(session: Session, found: dict[int, Standing]) -> None:
    tense = Revision.content["tense"].as_string()
    query = select(Revision.alert_id, func.count(), func.min(tense), func.max(tense))
    mixed = []
    query = query.where(Revision.alert_id.in_(found)).group_by(Revision.alert_id)
    for key, count, first, last in session.execute(query):
        found[key].revision_count, found[key].tense = count, Tense(first or Tense.CURRENT)
        mixed += [key] if first != last else []
    for alert in session.scalars(select(Alert).where(Alert.id.in_(mixed))) if mixed else ():
        found[alert.id].tense = alerts.whole(alert).current.tense


def _add_scans(session: Session, found: dict[int, Standing]) -> None:
    reconstruction = Scan.request["reconstruction"].as_string()
    done, total = (Scan.progress[name].as_float() for name in ("done", "total"))
    best = (Scan.summary[("best", name)].as_float() for name in ("ra", "dec"))
    query = (
        select(Event.alert_id, Scan.id, Scan.state, reconstruction, done, total, *best)
        .join(Event, Event.id == Scan.event_id)
        .where(Event.alert_id.in_(found), Scan.deleted.is_(None), Scan.replaced_by.is_(None))
        .order_by(Scan.created, Scan.id)
    )
    for key, name, state, reco, cells, all_cells, ra, dec in session.execute(query):
        share = cells / all_cells if cells is not None and all_cells else None
        scan = LastScan(name, state, reco or "", share, ra, dec)
        found[key].scan = scan
        if state == COMPLETE:
            found[key].map = scan


def _add_publications(session: Session, found: dict[int, Standing]) -> None:
    query = (
        select(Publication.alert_id, Publication.id, Publication.kind, Publication.state)
        .where(Publication.alert_id.in_(found), Publication.state != State.WITHDRAWN)
        .order_by(Publication.id)
    )
    rows = session.execute(query).all()
    edited = _edited(session, [key for _, key, _, state in rows if state == State.DRAFT])
    for alert, key, kind, state in rows:
        if kind == CIRCULAR:
            found[alert].circular = LastCircular(key, state)
        if state in OPEN:
            found[alert].needs.append(_step(kind, state, key in edited))


def _edited(session: Session, drafts: Sequence[int]) -> set[int]:
    """Return which drafts a person has written something of; the others are as skymist made them."""
    query = select(Text.publication_id).where(Text.publication_id.in_(drafts), Text.who.not_in(OWN_HANDS))
    return set(session.scalars(query.where(~Text.aside).distinct())) if drafts else set()


def _step(kind: str, state: str, edited: bool) -> Need:
    edit, approve, send = _STEPS[kind]
    return send if state == State.APPROVED else approve if edited else edit


def _failed() -> Select[int | None]:
    """Select alerts of failed scans that nobody did anything about: no other scan has come since, or in its place."""
    other = aliased(Scan)
    since = or_(other.instead_id == Scan.id, other.created > Scan.finished)
    answered = select(other.id).where(
        other.event_id == Scan.event_id, other.id != Scan.id, other.deleted.is_(None),
        other.state.in_((*UNFINISHED, COMPLETE)), since,
    )  # fmt: skip
    failed = Scan.state == FAILED, Scan.deleted.is_(None), Scan.replaced_by.is_(None), Event.alert_id.is_not(None)
    return select(Event.alert_id).join(Scan, Scan.event_id == Event.id).where(*failed, ~answered.exists())


def needing() -> ColumnElement[bool]:
    """Return that something of an alert waits for a person."""
    waiting = select(Publication.alert_id).where(Publication.state.in_(OPEN))
    return Alert.id.in_(union(waiting, _failed()))


def with_scans(states: Iterable[str]) -> ColumnElement[bool]:
    """Return that an alert has a scan in one of some states; deleted and replaced ones do not count."""
    wanted = list(states)
    query = select(Event.alert_id).join(Scan, Scan.event_id == Event.id)
    query = query.where(Scan.deleted.is_(None), Scan.replaced_by.is_(None))
    if COMPLETE not in wanted:  # few, and found by their state
        return Alert.id.in_(query.where(Scan.state.in_(wanted), Event.alert_id.is_not(None)).correlate(None))
    # The index of states, which in an expression is not used, would find all scans there are for each alert.
    return query.where(Scan.state.concat("").in_(wanted), Event.alert_id == Alert.id).correlate(Alert).exists()


@dataclass(frozen=True)
class Overview:
    """What one wants to know first.

    Attributes
    ----------
    recent : int
        Observations since a time.
    scans : dict
        Scans that have not ended, by their state.
    needing : int
        Observations of which something waits for a person.
    quarantined : int
        Messages that could not be read.
    """

    recent: int
    scans: dict[str, int]
    needing: int
    quarantined: int


def overview(session: Session, since: datetime) -> Overview:
    """Return the numbers that head the list of alerts; `since` is that of the recent ones."""
    real = select(func.count()).select_from(Alert).where(Alert.role == Role.OBSERVATION)
    states = select(Scan.state, func.count()).where(Scan.state.in_(UNFINISHED), Scan.deleted.is_(None))
    unread = select(func.count()).select_from(Input).where(Input.status == InputStatus.QUARANTINED)
    return Overview(
        recent=session.scalar(real.where(Alert.time >= f"{since:%Y-%m-%dT%H:%M:%S}")) or 0,
        scans={str(row[0]): row[1] for row in session.execute(states.group_by(Scan.state))},
        needing=session.scalar(real.where(needing())) or 0,
        quarantined=session.scalar(unread) or 0,
    )


def version(session: Session) -> int:
    """Return a number that counts up with all that is done, to anything: one look at the end of an index."""
    return session.scalar(select(func.max(LogEntry.id))) or 0


def moved(session: Session) -> datetime | None:
    """Return when cells of a running scan last came in; None if none is running."""
    return session.scalar(select(func.max(Scan.moved)).where(Scan.state == RUNNING))
