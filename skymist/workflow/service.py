"""What people and rules ask of the service: scans of events that are known, and words about alerts."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from skymist.errors import ConflictError, RequestError, UnknownNameError
from skymist.model import alert as model
from skymist.model.alert import Kind, Role
from skymist.records import Database, alerts, log, scans, tables
from skymist.records.tables import ScanState
from skymist.workflow.ingest import load_event
from skymist.workflow.wish import Wish


def ask(
    database: Database,
    event_id: str,
    wish: Wish,
    who: str,
    *,
    cluster: str = "local",
    workers: int | None = None,
    priority: int = 0,
    rule: str = "",
    after_id: str | None = None,
    instead_id: str | None = None,
    stalled_s: float | None = None,
) -> tuple[tables.Scan, bool]:
    """Ask for a scan of an event that is known.

    Parameters
    ----------
    database : Database
    event_id : str
        Digest of the event.
    wish : Wish
    who : str
        For the log.
    cluster, workers, priority
        Where it runs and how urgent it is; they are no part of its identity.
    rule : str
        The rule that asks, empty for a person.
    after_id : str, optional
        Scan that has to end first.
    instead_id : str, optional
        Scan that this one is a fallback of.
    stalled_s : float, optional
        Seconds without progress after which the rule's fallback is run.

    Returns
    -------
    scan : skymist.records.tables.Scan
    new : bool
        False if the same was asked for before: then nothing is changed.

    Raises
    ------
    RequestError
        If the wish does not fit the event.
    """
    event = load_event(database, event_id)
    _, request, chosen = wish.apply(event)
    state = ScanState.QUEUED if after_id is None else ScanState.WAITING
    with database.begin() as session:
        known = session.get_one(tables.Event, event_id)
        scan = tables.Scan(
            id=request.id, event_id=event_id, role=known.role, request=request.to_dict(), wish=wish.to_dict(),
            chosen=chosen, rule=rule, after_id=after_id, instead_id=instead_id, cluster=cluster, workers=workers,
            priority=priority, stalled_s=stalled_s, state=state,
        )  # fmt: skip
        return scans.create(session, scan, who, event=event_id)


def remix(
    database: Database, scan_id: str, changes: Mapping[str, Any], who: str, *, replace: bool = False
) -> tuple[tables.Scan, bool]:
    """Ask for a scan like another one, with some settings changed.

    Parameters
    ----------
    changes : mapping
        Fields of `Wish`; options are laid over those of the other scan.
    replace : bool
        Whether the new scan takes the place of the other one.

    Raises
    ------
    RequestError
        If the changes make no sense, or change nothing.
    """
    with database.read() as session:
        old = scans.get(session, scan_id)
    wish = Wish.from_dict(old.wish).changed(**changes)
    scan, new = ask(
        database, old.event_id, wish, who, cluster=old.cluster, workers=old.workers, priority=old.priority,
        rule=old.rule,
    )  # fmt: skip
    if scan.id == old.id:
        raise RequestError(f"nothing is changed: scan {old.id[:12]} is the same; rescan runs it once more")
    if replace:
        with database.begin() as session:
            scans.replace(session, scans.locked(session, old.id), scan.id, who)
    return scan, new


def find_event(session: Session, text: str) -> tables.Event:
    """Return an event by its digest, by ``RUN/EVENT`` or by any name of its alert; the last that came of several.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    if found := session.get(tables.Event, text):
        return found
    latest = select(tables.Event).order_by(tables.Event.received.desc(), tables.Event.id)
    for role in Role:
        try:
            alert = alerts.find(session, text, role)
        except UnknownNameError:
            continue
        if event := session.scalar(latest.where(tables.Event.alert_id == alert.id).limit(1)):
            return event
    known = [f"{each.run}/{each.event}" for each in session.scalars(latest.limit(5))]
    raise UnknownNameError("event", text[:80], dict.fromkeys(known))


def retract(database: Database, alert_id: int, reason: str, who: str) -> tables.Alert:
    """Add a retraction to an alert.

    Raises
    ------
    ConflictError
        If it is retracted already.
    RequestError
        If no reason is given.
    """
    if not reason.strip():
        raise RequestError("a retraction needs a reason in words")
    with database.begin() as session:
        record = session.get_one(tables.Alert, alert_id, with_for_update=True)
        found = alerts.whole(record)
        if found.retracted:
            raise ConflictError(f"{record.name} is retracted already")
        last = found.current
        number = max((each.number or 0 for each in found.revisions), default=0) + 1
        said = model.Revision(
            found.run, found.event, found.time, number, Kind.RETRACTION, last.tense, comment=reason.strip(),
            issued=model.present(), stream=last.stream, selection=last.selection,
        )  # fmt: skip
        alert, _ = alerts.record(session, said, None, who)
        log.note(session, who, "retracted", "alert", alert.id, reason=reason.strip())
        return alert
