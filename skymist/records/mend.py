"""Records of which some rows are lost: without what is nothing any more, and with names for the rest."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import ColumnElement, String, Table, and_, cast, delete, exists, func, or_, select
from sqlalchemy.orm import Session

from skymist.model.alert import Role
from skymist.model.identity import DIGITS, Thing, alert_fragment, revision_fragment
from skymist.records import identities
from skymist.records.tables import ZARR, Alert, Artifact, Base, Identity, ImportedMap, LogEntry, Revision, Scan

LeftOut = Callable[[str], object]
"""Is told of what cannot be brought in, in words."""

_TABLES = Base.metadata.tables
_STEM = re.compile(r"((?:[a-z]+_)?\d+_\d+)_")
"""Of the name of a revision: the name of its alert."""


def mend(session: Session, left_out: LeftOut) -> None:
    """Remove what cannot be without the rows that are lost, and name what has lost its name.

    Names are given as they were: an alert is called as its revisions are, or by the first numbers that it had, and of
    two revisions that would be called the same, the one that came first is. If that may not be what it was called, as
    more is lost, that is told. It is private then, as nobody knows what it was.
    """
    _drop_lone(session, left_out)
    _drop_names(session, left_out)
    for name, doubtful in _name_again(session, left_out):
        more = "; it may have had another name" if doubtful else ""
        left_out(f"identities, {name.fragment}: private now: whether it was public is not there{more}")


def _drop_lone(session: Session, left_out: LeftOut) -> None:
    alerts, revisions = _TABLES["alerts"], _TABLES["revisions"]
    publications, texts = _TABLES["publications"], _TABLES["texts"]
    _drop(session, alerts, alerts.c.role.not_in(list(Role)), left_out, "its role is none")
    _drop(session, alerts, alerts.c.id.not_in(select(revisions.c.alert_id)), left_out)
    head = and_(texts.c.publication_id == publications.c.id, texts.c.number == publications.c.head)
    _drop(session, publications, ~select(texts.c.number).where(head).exists(), left_out)


def _drop_names(session: Session, left_out: LeftOut) -> None:
    """Remove names of what is not there, and those that their things cannot have."""
    names, revisions = _TABLES["identities"], _TABLES["revisions"]
    maps, files = _TABLES["imported_maps"], _TABLES["artifacts"]
    thing, subject, digits = names.c.thing, names.c.subject, func.substr(names.c.subject, 1, DIGITS)
    there = select(files.c.sha256).where(files.c.kind == ZARR).union(select(maps.c.sha256)).subquery()
    begun = select(func.substr(there.c.sha256, 1, DIGITS))
    wrong = {  # maps and scans are named by content; maps that a scan has made before are not there any more
        Thing.ALERT: subject.is_distinct_from(cast(names.c.alert_id, String)),
        Thing.REVISION: ~exists().where(revisions.c.id == subject, revisions.c.alert_id == names.c.alert_id),
        Thing.SCAN: or_(subject.is_distinct_from(names.c.scan_id), names.c.fragment != "scan_" + digits),
        Thing.MAP: or_(
            names.c.fragment != "map_" + digits,
            and_(subject.not_in(select(there.c.sha256)), digits.in_(begun)),
            and_(names.c.scan_id.is_(None), subject.not_in(select(maps.c.sha256))),
        ),
    }
    told = (and_(thing == each, condition) for each, condition in wrong.items())
    _drop(session, names, or_(thing.not_in(list(Thing)), *told), left_out, "nothing that is there has this name")


def _drop(
    session: Session,
    table: Table,
    condition: ColumnElement[bool],
    left_out: LeftOut,
    why: str = "what it is of is not there",
) -> None:
    """Remove rows, and before them those that need them."""
    key = table.primary_key.columns[0]
    for name in session.execute(select(*table.primary_key.columns).where(condition).order_by(key)):
        left_out(f"{table.name}, {' '.join(map(str, name))}: left out: {why}")
    for other in Base.metadata.sorted_tables:
        for needs in (each.parent for each in other.foreign_keys if each.references(table)):
            _drop(session, other, needs.in_(select(key).where(condition)), left_out)
    session.execute(delete(table).where(condition))


def _name_again(session: Session, left_out: LeftOut) -> Iterator[tuple[Identity, bool]]:
    """Yield the names that are given, and of each whether it is doubtful."""
    yield from _name_alerts(session, left_out)
    yield from _name_revisions(session, left_out)
    for scan in session.scalars(select(Scan).where(Scan.id.not_in(_named(Thing.SCAN))).order_by(Scan.id)):
        yield identities.name_scan(session, scan), False
    for name in _name_maps(session):
        yield name, False


def _named(thing: Thing) -> Any:
    return select(Identity.subject).where(Identity.thing == thing)


def _names_of(session: Session, thing: Thing) -> list[Identity]:
    return list(session.scalars(select(Identity).where(Identity.thing == thing).order_by(Identity.fragment)))


def _name_alerts(session: Session, left_out: LeftOut) -> Iterator[tuple[Identity, bool]]:
    known = {each.alert_id: each for each in _names_of(session, Thing.ALERT)}
    alerts = session.scalars(select(Alert).order_by(Alert.id)).all()
    for alert in alerts:
        name = known.get(alert.id)
        if name is not None and name.fragment not in (*_as_revisions(session, alert), *_by_numbers(session, alert)):
            _drop_name(session, known.pop(alert.id), left_out)
    for alert in alerts:
        if alert.id not in known:
            alert.public = None
            yield _name_alert(session, alert)


def _drop_name(session: Session, name: Identity, left_out: LeftOut) -> None:
    left_out(f"identities, {name.fragment}: left out: it is no name of {name.thing} {name.subject}")
    session.delete(name)
    session.flush()


def _name_alert(session: Session, alert: Alert) -> tuple[Identity, bool]:
    sure, guessed = _as_revisions(session, alert), _by_numbers(session, alert)
    other = f"{guessed[0]}-{alert.id}"  # if other alerts have all of them
    fragment = next(each for each in (*sure, *guessed, other) if session.get(Identity, each) is None)
    name = Identity(fragment=fragment, thing=Thing.ALERT, subject=str(alert.id), alert_id=alert.id)
    session.add(name)
    session.flush()
    return name, len({*(sure or guessed), fragment}) > 1


def _as_revisions(session: Session, alert: Alert) -> list[str]:
    """Return what an alert is called in the names of its revisions."""
    query = select(Identity.fragment).where(Identity.thing == Thing.REVISION, Identity.alert_id == alert.id)
    found = (_STEM.match(each) for each in session.scalars(query.order_by(Identity.created, Identity.fragment)))
    return [each[1] for each in found if each]


def _by_numbers(session: Session, alert: Alert) -> list[str]:
    """Return what an alert may be called: by the first numbers that it had, later ones, and those in its revisions."""
    numbers = list[tuple[int, int]]()
    for details in _told(session, alert.id, "renumbered"):
        match details:
            case {"old": [int(run), int(event)]}:
                numbers.append((run, event))
    numbers.append((alert.run, alert.event))
    numbers += [(each.content["run"], each.content["event"]) for each in alert.revisions]
    return [alert_fragment(Role(alert.role), run, event) for run, event in numbers]


def _told(session: Session, alert_id: int, action: str) -> list[dict[str, Any]]:
    """Return what the log tells of something that was done to an alert."""
    query = select(LogEntry.details).where(LogEntry.subject == "alert", LogEntry.subject_id == str(alert_id))
    found = session.scalars(query.where(LogEntry.action == action).order_by(LogEntry.id))
    return [each for each in found if isinstance(each, dict)]


def _name_revisions(session: Session, left_out: LeftOut) -> Iterator[tuple[Identity, bool]]:
    """Name revisions in the order in which they came, as it was the first that got the plain name."""
    whole = {each.alert_id: each.fragment for each in _names_of(session, Thing.ALERT)}
    there = {each.id: each.content for each in session.scalars(select(Revision))}
    for name in _names_of(session, Thing.REVISION):
        said = there[name.subject]
        parts = whole[name.alert_id], said.get("number"), said.get("catalog", ""), name.subject
        if name.fragment not in {revision_fragment(*parts, taken=taken) for taken in (False, True)}:
            _drop_name(session, name, left_out)
    nameless = select(Revision).where(Revision.id.not_in(_named(Thing.REVISION)))
    for revision in session.scalars(nameless.order_by(Revision.received, Revision.id)):
        told = _told(session, revision.alert_id, "revised")
        same = {str(each.get("revision")) for each in told if each.get("number") == revision.number}
        yield identities.name_revision(session, revision.alert, revision), bool(same - there.keys())


def _name_maps(session: Session) -> Iterator[Identity]:
    """Name maps; what several have made is of the first."""
    alert_of = {each.subject: each.alert_id for each in _names_of(session, Thing.SCAN)}
    made = select(Artifact).where(Artifact.kind == ZARR, Artifact.sha256.not_in(_named(Thing.MAP)))
    found = [(each.created, each.sha256, alert_of[each.scan_id], each.scan_id) for each in session.scalars(made)]
    kept = select(ImportedMap).where(ImportedMap.sha256.not_in(_named(Thing.MAP)))
    of_others = [(each.created, each.sha256, each.alert_id, None) for each in session.scalars(kept)]
    first = dict[str, tuple[int | None, str | None]]()
    for _, sha256, alert_id, scan_id in sorted((*found, *of_others), key=lambda each: each[0]):
        first.setdefault(sha256, (alert_id, scan_id))
    for sha256, of in first.items():
        yield identities.name_map(session, sha256, *of)
