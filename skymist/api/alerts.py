"""Alerts: what telescopes were told, revision by revision."""

from typing import Annotated, Any

from fastapi import Depends, Query, Request
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from skymist.api.access import Caller, make_router, operation
from skymist.api.answers import AlertAnswer, AlertItem, LogAnswer, Page, RevisionAnswer, page, whole
from skymist.api.bodies import RetractBody
from skymist.api.catalog import AlertFilter, found_by
from skymist.api.service import Served
from skymist.api.words import Name
from skymist.model.alert import Role
from skymist.model.identity import Thing
from skymist.records import alerts, catalog, identities, log, standing
from skymist.records.standing import Standing
from skymist.records.tables import Alert, Alias, Event, Scan
from skymist.records.tokens import Access
from skymist.workflow import service as workflow

router = make_router(tags=["alerts"])

AlertName = Annotated[Name, Field(description="Any of its names, or RUN_EVENT")]
AskedRole = Annotated[Role, Query(description="Tests and predictions are never mixed with observations")]


def look_up(
    service: Served, name: AlertName,
    role: AskedRole = Role.OBSERVATION,
) -> Alert:  # fmt: skip
    """Return an alert."""
    with service.database.read() as session:
        return alerts.find(session, name, role)


Found = Annotated[Alert, Depends(look_up)]


@router.get("/alerts", **operation(Access.VIEWER))
def find_alerts(service: Served, request: Request, wanted: Annotated[AlertFilter, Query()]) -> Page[AlertItem]:
    """List alerts, the latest event first; observations if nothing else is asked for."""
    search = found_by(service, wanted)
    with service.database.read() as session:
        found = catalog.find(session, search, wanted.limit + 1, wanted.after)
        stand = standing.of(session, [each.id for each in found])
    return page(request, found, wanted.limit, lambda each: each.id, lambda each: _item(each, stand[each.id]))


_OWN = [name for name in AlertItem.model_fields if name in Alert.__table__.columns]


def _item(alert: Alert, stand: Standing) -> AlertItem:
    return AlertItem.model_validate({**{name: getattr(alert, name) for name in _OWN}, **vars(stand)})


@router.get("/alerts/{name}", **operation(Access.VIEWER, 404))
def get_alert(service: Served, alert: Found) -> AlertAnswer:
    """Return all that is known of an alert."""
    with service.database.read() as session:
        return _answer(session, session.get_one(Alert, alert.id))


def _answer(session: Session, alert: Alert) -> AlertAnswer:
    known, same = alerts.whole(alert), Event.alert_id == alert.id
    found: dict[str, Any] = {
        "record": identities.of(session, Thing.ALERT, str(alert.id)).fragment,
        "aliases": session.scalars(select(Alias.name).where(Alias.alert_id == alert.id).order_by(Alias.name)).all(),
        "current": known.current.to_dict(),
        "revisions": _revisions(alert),
        "doubts": known.doubts,
        "events": session.scalars(select(Event.id).where(same).order_by(Event.received.desc())).all(),
        "scans": session.scalars(
            select(Scan.id).join(Event, Event.id == Scan.event_id).where(same, Scan.deleted.is_(None))
            .order_by(Scan.created.desc(), Scan.id)
        ).all(),
    }  # fmt: skip
    stand = standing.of(session, [alert.id])[alert.id]
    return AlertAnswer(**_item(alert, stand).model_dump(), **found)


def _revisions(alert: Alert) -> list[RevisionAnswer]:
    order = [each.id for each in alerts.whole(alert).revisions]
    ordered = sorted(alert.revisions, key=lambda each: order.index(each.id))
    return [RevisionAnswer.model_validate(each) for each in ordered]


@router.get("/alerts/{name}/revisions", **operation(Access.VIEWER, 404))
def get_revisions(service: Served, alert: Found) -> Page[RevisionAnswer]:
    """Return all revisions of an alert in their order."""
    with service.database.read() as session:
        return whole(_revisions(session.get_one(Alert, alert.id)))


@router.get("/alerts/{name}/log", **operation(Access.VIEWER, 404))
def get_log(service: Served, alert: Found) -> Page[LogAnswer]:
    """Return what was done to an alert, in that order."""
    with service.database.read() as session:
        return whole(LogAnswer.model_validate(each) for each in log.entries(session, "alert", alert.id))


@router.post("/alerts/{name}/retract", **operation(Access.APPROVER, 404, 409, 413))
def retract_alert(service: Served, person: Caller, name: AlertName, body: RetractBody) -> AlertAnswer:
    """Take an alert back, with the reason; nothing of it is removed."""
    with service.database.read() as session:
        found = alerts.find(session, name, body.role)
    workflow.retract(service.database, found.id, body.reason, person.name)
    with service.database.read() as session:
        return _answer(session, session.get_one(Alert, found.id))
