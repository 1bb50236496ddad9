"""Events: what the detector recorded."""

import re
from typing import Annotated

from fastapi import Query, Request, Response
from pydantic import Field
from sqlalchemy import select

from skymist.api.access import make_router, operation
from skymist.api.answers import EventAnswer, Page, page
from skymist.api.lists import ByName, latest_first
from skymist.api.results import of_media
from skymist.api.service import Served
from skymist.api.words import Id, Name
from skymist.model.alert import Role
from skymist.records.tables import Event, Input
from skymist.records.tokens import Access
from skymist.workflow import service as workflow

router = make_router("/v1/events", tags=["events"])


class EventFilter(ByName):
    """Which events to list."""

    role: Role | None = Field(None, description="observation, prediction or test; all by default")
    run: Id | None = Field(None, description="Of the experiment")


@router.get("", **operation(Access.VIEWER))
def find_events(service: Served, request: Request, wanted: Annotated[EventFilter, Query()]) -> Page[EventAnswer]:
    """List events, those that came last first."""
    query = select(Event)
    for column, value in ((Event.role, wanted.role), (Event.run, wanted.run)):
        query = query if value is None else query.where(column == value)
    with service.database.read() as session:
        query = latest_first(session, query, Event.received, Event.id, wanted.after)
        found = session.scalars(query.limit(wanted.limit + 1)).all()
    return page(request, found, wanted.limit, lambda each: each.id, EventAnswer.model_validate)


EventName = Annotated[Name, Field(description="Id, RUN_EVENT or the name of its alert")]
BINARY = "application/octet-stream"
_FILE = operation(Access.VIEWER, 404)
_FILE["responses"][200] = of_media("The file", [BINARY])


@router.get("/{event}", **operation(Access.VIEWER, 404))
def get_event(service: Served, event: EventName) -> EventAnswer:
    """Return an event; the last that came of several."""
    with service.database.read() as session:
        return EventAnswer.model_validate(workflow.find_event(session, event))


@router.get("/{event}/file", response_class=Response, **_FILE)
def get_event_file(service: Served, event: EventName) -> Response:
    """Return the file of an event, byte for byte as it came; nothing in it was checked but that it is an event."""
    with service.database.read() as session:
        found = workflow.find_event(session, event)
        content = session.get_one(Input, found.input_id).content
    name = re.sub(r"[^A-Za-z0-9_.+-]", "_", found.file).lstrip(".") or found.id[:12]
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=BINARY, headers=headers)
