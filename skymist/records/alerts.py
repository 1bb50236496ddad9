"""Alerts: each revision finds its alert, each alert its name, in whatever order they come."""

import re
from dataclasses import replace
from itertools import count

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from skymist.errors import ReadError, UnknownNameError
from skymist.model import alert as model
from skymist.model import sky
from skymist.model.alert import Role
from skymist.records import identities, log
from skymist.records.tables import PIXEL_NSIDE, Alert, Alias, Revision, now

BY_SENDER, BY_ORDER = "sender", "order"
_LOCK = 0x5C7_A1E27
"""Any number: who records alerts in PostgreSQL holds this lock; in SQLite there is one writer anyway."""


def record(session: Session, revision: model.Revision, input_id: str | None, who: str) -> tuple[Alert, bool]:
    """Add a revision to its alert, which is made if there is none.

    Parameters
    ----------
    session : Session
        A transaction.
    revision : skymist.model.alert.Revision
    input_id : str or None
        The message that it was read from; None if a person made it.
    who : str
        For the log.

    Returns
    -------
    alert : Alert
    new : bool
        False if it was known already; nothing is changed then.
    """
    _one_at_a_time(session)
    if known := session.get(Revision, revision.id):
        return known.alert, False
    alert = _find(session, revision) or _create(session, revision)
    kept = Revision(
        id=revision.id, alert_id=alert.id, input_id=input_id, number=revision.number, content=revision.to_dict()
    )
    session.add(kept)
    session.flush()
    identities.name_revision(session, alert, kept)
    session.refresh(alert, ["revisions"])
    _take_name(session, alert, revision)
    _refresh(session, alert)
    announce(alert)
    log.note(session, who, "revised", "alert", alert.id, input_id=input_id, revision=revision.id,
             number=revision.number, kind=revision.kind, name=alert.name)  # fmt: skip
    return alert, True


def dated(session: Session, revision: model.Revision) -> model.Revision:
    """Return a revision with the time of its event, which a retraction need not say: that of its alert.

    Raises
    ------
    ReadError
        If there is no such alert yet.
    """
    if not np.isnat(revision.time):
        return revision
    try:
        alert = find(session, revision.key, revision.tense.role)
    except UnknownNameError:
        raise ReadError(f"it takes back {revision.key}, of which nothing is known, and does not say its time") from None
    found = whole(alert)
    known = (each for each in found.revisions if replace(each, time=revision.time).id == revision.id)
    return next(known, replace(revision, time=found.time))


def named(revision: model.Revision, alert: Alert) -> model.Revision:
    """Return a revision with the name and stream that its alert has: not all sources say them."""
    return replace(revision, name=revision.name or alert.name, stream=revision.stream or alert.stream)


def announce(alert: Alert) -> None:
    """Have the workflow look at an alert of which something new is known."""
    alert.changed, alert.due = now(), True


def whole(alert: Alert) -> model.Alert:
    """Return an alert with its revisions in their order."""
    return model.Alert(tuple(model.Revision.from_dict(each.content) for each in alert.revisions))


def find(session: Session, name: str, role: Role = Role.OBSERVATION) -> Alert:
    """Return an alert by any of its names: ``IceCube-YYMMDDX``, an earlier name, or ``RUN_EVENT`` (also with a slash).

    Raises
    ------
    UnknownNameError
        If no alert of that role has the name; the message lists those of the latest.
    """
    if alert := _named(session, role, standard_name(name)):
        return alert
    if key := re.fullmatch(r"(\d{1,18})[_/](\d{1,18})", name):
        run, event = int(key[1]), int(key[2])
        query = select(Alert).where(Alert.role == role, Alert.run == run, Alert.event == event)
        alias = session.get(Alias, (role, f"{run}_{event}"))
        if found := session.scalar(query) or (alias and session.get(Alert, alias.alert_id)):
            return found
    latest = select(Alert.name).where(Alert.role == role).order_by(Alert.time.desc()).limit(5)
    raise UnknownNameError(f"alert ({role})", name[:80], session.scalars(latest))


def standard_name(name: str) -> str:
    """Return the usual writing of an alert's name.

    Examples
    --------
    >>> standard_name("IC110514A"), standard_name("IceCubeCascade-200701b"), standard_name("220624A")
    ('IceCube-110514A', 'IceCube-Cascade 200701B', 'IceCube-220624A')
    """
    parts = re.fullmatch(r"(?:IC(?:ECUBE)?)?[-_ ]*(CASCADE)?[-_ ]*(\d{6}[A-Z]{1,3})", name.strip().upper())
    if not parts:
        return name.strip()
    return f"IceCube-Cascade {parts[2]}" if parts[1] else f"IceCube-{parts[2]}"


def _one_at_a_time(session: Session) -> None:
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def _find(session: Session, revision: model.Revision) -> Alert | None:
    same_run = select(Alert).where(Alert.role == revision.tense.role, Alert.run == revision.run)
    if found := session.scalar(same_run.where(Alert.event == revision.event)):
        return found
    for alert in session.scalars(same_run):
        short, long = sorted((str(alert.event), str(revision.event)), key=len)
        if long.startswith(short) and any(model.same_event(revision, each) for each in whole(alert).revisions):
            return alert
    return None


def _create(session: Session, revision: model.Revision) -> Alert:
    role, time, name = revision.tense.role, revision.to_dict()["time"], standard_name(revision.name)
    sent = bool(name) and _free(session, role, name)
    alert = Alert(
        role=role, run=revision.run, event=revision.event, time=time,
        name=name if sent else _next_name(session, revision), named_by=BY_SENDER if sent else BY_ORDER,
    )  # fmt: skip
    session.add(alert)
    session.flush()
    identities.name_alert(session, alert)
    return alert


def _refresh(session: Session, alert: Alert) -> None:
    """Write out of the revisions what is searched for."""
    found, key = whole(alert), (alert.run, alert.event)
    alert.run, alert.event, alert.retracted = found.run, found.event, found.retracted
    alert.time, alert.stream = found.first.to_dict()["time"], found.current.stream or found.first.stream
    for name in ("energy_tev", "signalness", "far_per_year"):
        setattr(alert, name, None if (said := found.last(name)) is None else getattr(said, name))
    _place(alert, found.last("ra"))
    for each in found.revisions:
        if each.event != found.event:
            session.merge(Alias(role=alert.role, name=each.key, alert_id=alert.id))
    if key != (alert.run, alert.event):
        log.note(session, "skymist", "renumbered", "alert", alert.id, old=list(key), new=[alert.run, alert.event])
    session.flush()


def _place(alert: Alert, said: model.Revision | None) -> None:
    """Write where an alert is, as the last revision with a position says."""
    if said is None or said.ra is None or said.dec is None:
        alert.ra = alert.dec = alert.radius_90 = alert.x = alert.y = alert.z = alert.pixel = None
        return
    alert.ra, alert.dec, alert.radius_90 = said.ra, said.dec, said.circle_90
    ra, dec = np.radians([said.ra, said.dec])
    alert.x, alert.y, alert.z = (float(each) for each in sky.unit(ra, dec))
    alert.pixel = int(sky.ipix_of(sky.cell_at(PIXEL_NSIDE, ra, dec)))


def _take_name(session: Session, alert: Alert, revision: model.Revision) -> None:
    """Give an alert the name that its sender uses; what it was called before remains a name of it."""
    name, role = standard_name(revision.name), Role(alert.role)
    if not name or name == alert.name:
        alert.named_by = BY_SENDER if name else alert.named_by
        return
    holder = _named(session, role, name)
    if holder is not None and holder.id == alert.id:
        return
    if not _free(session, role, name):
        log.note(session, "skymist", "doubted", "alert", alert.id, name=name, reason="another alert has that name")
    elif alert.named_by == BY_SENDER:
        session.add(Alias(role=role, name=name, alert_id=alert.id))
    else:
        session.add(Alias(role=role, name=alert.name, alert_id=alert.id))
        _rename(session, alert, name, BY_SENDER)
    session.flush()


def _free(session: Session, role: Role, name: str) -> bool:
    """Return whether a sender's name can be had; an alert that only had it by order gets the next letter."""
    holder = _named(session, role, name)
    if holder is None:
        return True
    if holder.named_by == BY_SENDER or holder.name != name:
        return False
    _rename(session, holder, _next_name(session, whole(holder).first), BY_ORDER)
    return True


def _rename(session: Session, alert: Alert, name: str, named_by: str) -> None:
    log.note(session, "skymist", "named", "alert", alert.id, old=alert.name, new=name)
    alert.name, alert.named_by = name, named_by
    session.flush()


def _named(session: Session, role: Role, name: str) -> Alert | None:
    found = session.scalar(select(Alert).where(Alert.role == role, Alert.name == name))
    alias = None if found else session.get(Alias, (role, name))
    return session.get(Alert, alias.alert_id) if alias else found


def _next_name(session: Session, revision: model.Revision) -> str:
    """Return the first free name of the day: alerts get letters in the order in which they are known, and keep them."""
    role, base = revision.tense.role, model.base_name(revision)
    taken = {
        name
        for table in (Alert, Alias)
        for name in session.scalars(select(table.name).where(table.role == role, table.name.startswith(base)))
    }
    return next(name for name in (base + model.letter(number) for number in count()) if name not in taken)
