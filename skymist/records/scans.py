"""Scans as records: asked for, claimed by a runner, watched, ended; each state may only follow certain others."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from skymist.errors import ConflictError, UnknownNameError
from skymist.records import identities, log
from skymist.records.tables import ZARR, Artifact, Event, Scan, ScanState, now

WAITING, QUEUED, RUNNING, COMPLETE, FAILED, CANCELLED = ScanState
NEXT: dict[ScanState, tuple[ScanState, ...]] = {
    WAITING: (QUEUED, CANCELLED),
    QUEUED: (RUNNING, CANCELLED),
    RUNNING: (COMPLETE, FAILED, CANCELLED, QUEUED),
    COMPLETE: (QUEUED,),
    FAILED: (QUEUED,),
    CANCELLED: (QUEUED,),
}
"""What may follow what: a running scan is queued again when its runner is gone, an ended one when somebody asks."""

ENDED = (COMPLETE, FAILED, CANCELLED)

COMPUTED = ("alert", "who")
"""What the database computes of a scan: it is forgotten with each change."""

MOST_DEATHS = 10
"""After so many a scan is taken to be what its runners die of: all others would have to wait for them for ever."""


def get(session: Session, scan_id: str) -> Scan:
    """Return a scan by its id or the beginning of it (at least 8 digits).

    Raises
    ------
    UnknownNameError
        If there is none, or more than one.
    """
    if found := session.get(Scan, scan_id):
        return found
    known: list[Scan] = []
    if 8 <= len(scan_id) < 64 and scan_id.isalnum():
        known = list(session.scalars(select(Scan).where(Scan.id.startswith(scan_id)).limit(2)))
    if len(known) == 1:
        return known[0]
    latest = session.scalars(select(Scan.id).order_by(Scan.created.desc()).limit(3))
    raise UnknownNameError("scan", scan_id[:80], [each[:12] for each in latest])


def locked(session: Session, scan_id: str) -> Scan:
    """Return a scan that nobody else changes until the transaction ends."""
    return session.get_one(Scan, scan_id, with_for_update=True)


def create(session: Session, scan: Scan, who: str, **details: Any) -> tuple[Scan, bool]:
    """Keep a new scan, or return the one of the same request, and whether it is new."""
    if known := session.get(Scan, scan.id):
        return known, False
    try:
        with session.begin_nested():
            session.add(scan)
            session.flush()
            identities.name_scan(session, scan)
    except IntegrityError:  # somebody else asked for it at the same moment
        return session.get_one(Scan, scan.id), False
    log.note(session, who, "asked for", "scan", scan.id, priority=scan.priority, rule=scan.rule, **details)
    session.flush()
    session.refresh(scan, COMPUTED)
    return scan, True


def move(session: Session, scan: Scan, state: ScanState, who: str, **details: Any) -> None:
    """Bring a scan into another state.

    Raises
    ------
    ConflictError
        If that does not follow from the state it is in.
    """
    allowed = NEXT[ScanState(scan.state)]
    if state not in allowed:
        choices = ", ".join(allowed)
        raise ConflictError(f"scan {scan.id[:12]} is {scan.state}; from there it can become {choices}, not {state}")
    log.note(session, who, state, "scan", scan.id, old=scan.state, attempt=scan.attempt, **details)
    scan.state = state
    if state == QUEUED:
        scan.moved = now()
        scan.owner = scan.beat = scan.started = scan.finished = None
        scan.wanted = ""
    if state in ENDED:
        scan.finished, scan.owner = now(), None
    session.flush()


def claim(session: Session, owner: str, at_least: int | None = None) -> Scan | None:
    """Take the queued scan that is most urgent, the oldest of equal ones; None if there is none of that priority."""
    query = select(Scan).where(Scan.state == QUEUED, Scan.deleted.is_(None))
    if at_least is not None:
        query = query.where(Scan.priority >= at_least)
    query = query.order_by(Scan.priority.desc(), Scan.created, Scan.id).limit(1).with_for_update(skip_locked=True)
    scan = session.scalar(query)
    if scan is not None:
        move(session, scan, RUNNING, owner)
        scan.owner, scan.started, scan.beat = owner, now(), now()
        session.flush()
    return scan


def beat(session: Session, scan_id: str, owner: str, progress: dict[str, Any] | None) -> str:
    """Say that a runner still has a scan, and how far it is.

    Returns
    -------
    str
        ``cancelled`` if the scan is to be cancelled, ``lost`` if it is no longer this runner's, else empty.
    """
    scan = session.get(Scan, scan_id, with_for_update=True)
    if scan is None or (scan.state, scan.owner) != (RUNNING, owner):
        return "lost"
    scan.beat = now()
    if progress is not None:
        if progress["done"] != (scan.progress or {}).get("done"):
            scan.moved = scan.beat
        scan.progress = progress
    return scan.wanted


def finish(
    session: Session, scan_id: str, owner: str, state: ScanState, error: str = "", summary: dict[str, Any] | None = None
) -> bool:
    """End a running scan, unless it is no longer this runner's; return whether it was."""
    scan = session.get(Scan, scan_id, with_for_update=True)
    if scan is None or (scan.state, scan.owner) != (RUNNING, owner):
        return False
    scan.error, scan.summary = error, summary
    move(session, scan, state, owner, **({"error": error} if error else {}))
    return True


def keep(session: Session, artifacts: list[Artifact], who: str) -> None:
    """Record the files of a scan; those of an earlier attempt are replaced."""
    for item in artifacts:
        session.merge(item)
        if item.kind == ZARR:
            alert_id = session.scalar(select(Event.alert_id).join(Scan).where(Scan.id == item.scan_id))
            identities.name_map(session, item.sha256, alert_id, item.scan_id)
        log.note(session, who, "wrote", "scan", item.scan_id, kind=item.kind, url=item.url, sha256=item.sha256)


def cancel(session: Session, scan: Scan, who: str) -> None:
    """Cancel a scan; one that is running ends as soon as its runner hears of it.

    Raises
    ------
    ConflictError
        If it has ended.
    """
    if scan.state == RUNNING:
        scan.wanted = CANCELLED
        log.note(session, who, "cancelling", "scan", scan.id)
    else:
        move(session, scan, CANCELLED, who)


def again(session: Session, scan: Scan, who: str) -> None:
    """Queue a scan that has ended once more; what was computed and is kept is not computed again.

    Raises
    ------
    ConflictError
        If it has not ended.
    """
    if scan.state not in ENDED:
        raise ConflictError(f"scan {scan.id[:12]} is {scan.state}; only what is {', '.join(ENDED)} can be run again")
    identities.stay_gone(session, scan)
    scan.attempt, scan.deaths = scan.attempt + 1, 0
    scan.deleted, scan.replaced_by, scan.error = None, None, ""
    move(session, scan, QUEUED, who)


def replace(session: Session, scan: Scan, new_id: str, who: str) -> None:
    """Say that another scan takes the place of this one, which is cancelled if it has not ended."""
    scan.replaced_by = new_id
    log.note(session, who, "replaced", "scan", scan.id, by=new_id)
    if scan.state not in ENDED:
        cancel(session, scan, who)


def recover(session: Session, alive: Callable[[str], bool], silence: timedelta) -> list[Scan]:
    """Queue scans again whose runner is gone: known to be dead, or not heard of for `silence`.

    One of which too many runners have died has failed.
    """
    found = gone(session, alive, silence, lock=True)
    for scan in found:
        scan.deaths += 1
        state = CANCELLED if scan.wanted == CANCELLED else QUEUED
        if state == QUEUED and scan.deaths >= MOST_DEATHS:
            state = FAILED
            scan.error = f"{scan.deaths} runners died in the middle of it; what they computed is kept"
        move(session, scan, state, "skymist", gone=scan.owner)
    return found


def gone(session: Session, alive: Callable[[str], bool], silence: timedelta, *, lock: bool = False) -> list[Scan]:
    """Return running scans whose runner is gone; see `recover`."""
    late = now() - silence
    running = _in_state(session, RUNNING, lock)
    return [scan for scan in running if not alive(scan.owner or "") or scan.beat is None or scan.beat < late]


def release(session: Session) -> list[Scan]:
    """Queue scans that waited for another one which has ended now."""
    found = ready(session, lock=True)
    for scan in found:
        move(session, scan, QUEUED, "skymist", after=scan.after_id)
    return found


def ready(session: Session, *, lock: bool = False) -> list[Scan]:
    """Return waiting scans of which nothing has to end any more."""
    return [scan for scan in _in_state(session, WAITING, lock) if _ended(session, scan.after_id)]


def queued(session: Session) -> bool:
    """Return whether there is anything for `claim`, of whatever priority."""
    return session.scalar(select(Scan.id).where(Scan.state == QUEUED, Scan.deleted.is_(None)).limit(1)) is not None


def _in_state(session: Session, state: ScanState, lock: bool) -> Sequence[Scan]:
    """Return scans in a state; if they are locked, without those that somebody else has."""
    query = select(Scan).where(Scan.state == state)
    return session.scalars(query.with_for_update(skip_locked=True) if lock else query).all()


def _ended(session: Session, scan_id: str | None) -> bool:
    before = session.get(Scan, scan_id) if scan_id else None
    return before is None or before.state in ENDED
