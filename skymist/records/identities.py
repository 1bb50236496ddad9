"""Identities: what a thing is called for ever, from when on it is public, and what is left when it is not any more.

A fragment is given once, in the transaction that makes the thing, and never changes: not if an alert gets another name
or number, and not if its thing is deleted. Only what a person has released is public, from the later of two times on
(its own, and that of its alert) until the first of three (either is withdrawn, or a scan deleted). What everybody may
have seen leaves a tombstone.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from skymist.errors import ConflictError, RequestError, UnknownNameError
from skymist.model.alert import SILENT, Role
from skymist.model.identity import Thing, alert_fragment, content_fragment, revision_fragment
from skymist.records import log
from skymist.records.tables import ZARR, Alert, Artifact, Event, Identity, Revision, Scan, now

_NEVER = datetime.max.replace(tzinfo=UTC)


def name_alert(session: Session, alert: Alert) -> Identity:
    """Give a new alert its identifier; no other has it, as whatever has these numbers is of the alert that had them."""
    fragment = alert_fragment(Role(alert.role), alert.run, alert.event)
    return _keep(session, Identity(fragment=fragment, thing=Thing.ALERT, subject=str(alert.id), alert_id=alert.id))


def name_revision(session: Session, alert: Alert, revision: Revision) -> Identity:
    """Give a new revision its identifier."""
    whole = of(session, Thing.ALERT, str(alert.id)).fragment
    parts = whole, revision.number, str(revision.content.get("catalog", "")), revision.id
    fragment = revision_fragment(*parts, taken=False)
    if session.get(Identity, fragment) is not None:
        fragment = revision_fragment(*parts, taken=True)
    return _keep(session, Identity(fragment=fragment, thing=Thing.REVISION, subject=revision.id, alert_id=alert.id))


def name_scan(session: Session, scan: Scan) -> Identity:
    """Give a new scan its identifier."""
    alert_id = session.scalar(select(Event.alert_id).where(Event.id == scan.event_id))
    fragment = content_fragment(Thing.SCAN, scan.id)
    return _keep(
        session,
        Identity(fragment=fragment, thing=Thing.SCAN, subject=scan.id, alert_id=alert_id, scan_id=scan.id),
    )


def name_map(session: Session, sha256: str, alert_id: int | None, scan_id: str | None = None) -> Identity:
    """Give a map its identifier, which it has already if the same content was made before."""
    fragment = content_fragment(Thing.MAP, sha256)
    if known := session.get(Identity, fragment):
        return known
    made = Identity(fragment=fragment, thing=Thing.MAP, subject=sha256, alert_id=alert_id, scan_id=scan_id)
    try:
        with session.begin_nested():
            return _keep(session, made)
    except IntegrityError:  # somebody else has made the same at the same moment
        return session.get_one(Identity, fragment)


def get(session: Session, fragment: str) -> Identity:
    """Return an identity by its fragment, or by an identifier that ends with it.

    Raises
    ------
    UnknownNameError
        If there is none; the message lists some that begin alike, or the latest.
    """
    asked = fragment.rpartition("#")[2]
    if found := session.get(Identity, asked):
        return found
    query = select(Identity.fragment).order_by(Identity.created.desc()).limit(3)
    alike = session.scalars(query.where(Identity.fragment.startswith(asked[:20], autoescape=True))).all()
    raise UnknownNameError("record of the archive", asked[:80], alike or session.scalars(query))


def of(session: Session, thing: Thing, subject: str) -> Identity:
    """Return the identity of a thing.

    Raises
    ------
    UnknownNameError
        If it has none.
    """
    found = session.scalar(select(Identity).where(Identity.thing == thing, Identity.subject == subject))
    if found is None:
        raise UnknownNameError(f"{thing} of the archive", subject[:80], ())
    return found


def release(session: Session, identity: Identity, who: str, at: datetime | None = None) -> None:
    """Make a record public, now or from a time to come; what had been withdrawn is public again.

    The revisions of an alert are public with it, and the map of a scan with the scan. What everybody may have seen
    keeps the time from which on it was public.

    Raises
    ------
    ConflictError
        If it is a test or a prediction, follows another record, or is to disappear until a time in the future.
    """
    _take(session, identity)
    if (role := _role(session, identity)) != Role.OBSERVATION:
        raise ConflictError(f"{identity.fragment} is no observation but a {role}, and stays within the site")
    seen, moment = _seen(session, identity), max(at or now(), now())
    if seen and moment > now():
        raise ConflictError(f"{identity.fragment} was public already: release it without a time, or withdraw it")
    if not seen:
        identity.released = moment
    identity.withdrawn, identity.reason = None, ""
    _tell_alert(session, identity, identity.released)
    log.note(session, who, "released", "identity", identity.fragment, at=moment.isoformat())


def withdraw(session: Session, identity: Identity, who: str, reason: str) -> None:
    """Make a record private again; if it was public already, a tombstone tells why it is gone.

    Raises
    ------
    ConflictError
        If it was not released, is withdrawn already, or follows another record.
    RequestError
        If no reason is given.
    """
    _take(session, identity)
    if not reason.strip():
        raise RequestError("a record is withdrawn for a reason, in words, which its tombstone tells")
    if identity.released is None:
        raise ConflictError(f"{identity.fragment} was never released: nobody outside has seen it")
    if identity.withdrawn is not None:
        raise ConflictError(f"{identity.fragment} is withdrawn already: {identity.reason}")
    if _seen(session, identity):
        identity.withdrawn, identity.reason = now(), reason
    else:
        identity.released = None
    _tell_alert(session, identity, None)
    log.note(session, who, "withdrew", "identity", identity.fragment, reason=reason)


def stay_gone(session: Session, scan: Scan) -> None:
    """Keep a scan that was deleted private when it is run again: who does that need not be who may release it."""
    own = of(session, Thing.SCAN, scan.id)
    if scan.deleted is None or own.released is None or own.withdrawn is not None:
        return
    if own.released <= scan.deleted:
        own.withdrawn, own.reason = scan.deleted, deletion(scan.deleted)
    else:
        own.released = None


def give_doi(session: Session, identity: Identity, doi: str, who: str) -> None:
    """Fill the slot of the DOI, which is never emptied again."""
    identity.doi = doi
    log.note(session, who, "minted", "identity", identity.fragment, doi=doi)


def carrier(session: Session, identity: Identity) -> Identity:
    """Return the record with which one is released: the alert of a revision, the scan of a map, else itself."""
    if identity.thing == Thing.REVISION:
        return of(session, Thing.ALERT, str(identity.alert_id))
    if identity.thing == Thing.MAP and identity.scan_id is not None:
        return of(session, Thing.SCAN, identity.scan_id)
    return identity


def is_public(session: Session, identity: Identity, moment: datetime | None = None) -> bool:
    """Return whether everybody may see a record; a scan needs its alert to be public, too."""
    shown = _shown(session, identity)
    return shown is not None and shown[0] <= (moment or now()) < shown[1]


def shown_from(session: Session, identity: Identity) -> datetime | None:
    """Return from when on everybody may see a record, as things stand; None if never, or not any more."""
    shown = _shown(session, identity)
    return shown[0] if shown is not None and max(shown[0], now()) < shown[1] else None


def was_public(session: Session, identity: Identity) -> bool:
    """Return whether a record that is private now was public: its tombstone may be shown."""
    return public_until(session, identity) is not None


def public_until(session: Session, identity: Identity) -> datetime | None:
    """Return when a record that was public ceased to be; None if it is public, or nobody has seen it."""
    shown = _shown(session, identity)
    return shown[1] if shown is not None and shown[0] <= shown[1] <= now() else None


def why_gone(session: Session, identity: Identity) -> str:
    """Return why a record is not public any more, in words; empty if nothing has ended that."""
    own, alert = carrier(session, identity), _alert(session, identity)
    if own.withdrawn is not None or alert.withdrawn is not None:
        return own.reason or alert.reason
    deleted = _deleted(session, identity)
    return "" if deleted is None else deletion(deleted)


def public_alerts(moment: datetime) -> ColumnElement[bool]:
    """Return the condition that an alert is public at a moment."""
    return Alert.public <= moment


def maps(session: Session, alert_ids: Sequence[int], moment: datetime | None = None) -> list[Identity]:
    """Return the maps of some alerts that are there, those made by others first, then the older ones.

    Parameters
    ----------
    session : Session
    alert_ids : sequence of int
    moment : datetime, optional
        Only what everybody may see then; the same as `is_public`, asked of all at once.
    """
    scan, alert = aliased(Identity), aliased(Identity)
    released, withdrawn = (func.coalesce(getattr(scan, name), getattr(Identity, name)) for name in _SPAN)
    made = and_(Artifact.scan_id == Identity.scan_id, Artifact.kind == ZARR, Artifact.sha256 == Identity.subject)
    query = (
        select(Identity)
        .join(alert, and_(alert.alert_id == Identity.alert_id, alert.thing == Thing.ALERT))
        .join(Alert, Alert.id == Identity.alert_id)
        .outerjoin(scan, and_(scan.scan_id == Identity.scan_id, scan.thing == Thing.SCAN))
        .outerjoin(Scan, Scan.id == Identity.scan_id)
        .outerjoin(Artifact, made)
        .where(Identity.alert_id.in_(alert_ids), Identity.thing == Thing.MAP, Scan.deleted.is_(None))
        .where(or_(Identity.scan_id.is_(None), Artifact.sha256.is_not(None)))
    )
    if moment is not None:
        ends = (or_(each.is_(None), each > moment) for each in (withdrawn, alert.withdrawn))
        query = query.where(Alert.role == Role.OBSERVATION, released <= moment, alert.released <= moment, *ends)
    return list(session.scalars(query.order_by(Identity.scan_id.is_not(None), Identity.created, Identity.fragment)))


_SPAN = "released", "withdrawn"


def _shown(session: Session, identity: Identity) -> tuple[datetime, datetime] | None:
    """Return from when on and until when everybody may see a record; None if never."""
    own, alert = carrier(session, identity), _alert(session, identity)
    within = _role(session, identity) != Role.OBSERVATION or _is_silent(session, identity)
    if within or own.released is None or alert.released is None:
        return None
    ends = own.withdrawn, alert.withdrawn, _deleted(session, identity)
    return max(own.released, alert.released), min(end or _NEVER for end in ends)


def _seen(session: Session, identity: Identity) -> bool:
    """Return whether everybody may have seen a record."""
    return is_public(session, identity) or was_public(session, identity)


def _alert(session: Session, identity: Identity) -> Identity:
    """Return the identity of the alert that a record belongs to; its own if there is none."""
    own = carrier(session, identity)
    return own if own.alert_id is None else of(session, Thing.ALERT, str(own.alert_id))


def _role(session: Session, identity: Identity) -> Role:
    if identity.alert_id is not None:
        return Role(session.get_one(Alert, identity.alert_id).role)
    return Role.TEST if identity.scan_id is None else Role(session.get_one(Scan, identity.scan_id).role)


def _is_silent(session: Session, identity: Identity) -> bool:
    if identity.thing != Thing.REVISION:
        return False
    return session.get_one(Revision, identity.subject).content.get("catalog") in SILENT


def _deleted(session: Session, identity: Identity) -> datetime | None:
    return None if identity.scan_id is None else session.get_one(Scan, identity.scan_id).deleted


def deletion(moment: datetime) -> str:
    """Return why a deleted scan is not public any more, in words."""
    return f"deleted on {moment:%Y-%m-%d at %H:%M:%S} UTC"


def _tell_alert(session: Session, identity: Identity, public: datetime | None) -> None:
    """Write into an alert since when it is public, by which it is found."""
    if identity.thing == Thing.ALERT:
        session.execute(update(Alert).where(Alert.id == identity.alert_id).values(public=public))


def _take(session: Session, identity: Identity) -> None:
    """See that a record is released by itself, and that nobody else changes it until the transaction ends."""
    session.flush()  # or what was changed already would be read over
    session.refresh(identity, with_for_update=True)
    if identity.thing == Thing.REVISION or (identity.thing == Thing.MAP and identity.scan_id is not None):
        whole = "alert" if identity.thing == Thing.REVISION else "scan"
        raise ConflictError(f"{identity.fragment} is public or not with its {whole}")


def _keep(session: Session, identity: Identity) -> Identity:
    session.add(identity)
    session.flush()
    return identity
