"""What people send in: notices and events, as they are."""

from typing import Annotated

from fastapi import Header, Query, Response
from sqlalchemy import select
from starlette.exceptions import HTTPException

from skymist.api.access import RAW, Caller, RawBody, make_router, operation
from skymist.api.answers import ReceivedAnswer
from skymist.api.problems import INPUT
from skymist.api.service import Served, Service
from skymist.api.words import FileName
from skymist.records.tables import Alert
from skymist.records.tokens import Access
from skymist.workflow.ingest import EVENT, NOTICE, Outcome, take

router = make_router()

_INTAKE = operation(Access.ANALYST, 413, **RAW)
_INTAKE["responses"][200] = {"model": ReceivedAnswer, "description": "The same bytes came before"}

QueryName = Annotated[FileName, Query(description="Name of the file, whose ending may tell its format")]
HeaderName = Annotated[FileName, Header(alias="X-File-Name", description="The same, for those who prefer a header")]


@router.post("/notices", status_code=201, tags=["alerts"], **_INTAKE)
def post_notice(
    service: Served, person: Caller, content: RawBody, response: Response,
    name: QueryName = "", x_name: HeaderName = "",
) -> ReceivedAnswer:  # fmt: skip
    """Take a notice as it is, in any form that is known; what cannot be read is kept in quarantine."""
    return _received(service, response, take(service.database, content, NOTICE, person.name, name or x_name))


@router.post("/events", status_code=201, tags=["events"], **_INTAKE)
def post_event(
    service: Served, person: Caller, content: RawBody, response: Response,
    name: QueryName = "", x_name: HeaderName = "",
) -> ReceivedAnswer:  # fmt: skip
    """Take the file of an event as it is; what cannot be read is kept in quarantine."""
    return _received(service, response, take(service.database, content, EVENT, person.name, name or x_name))


def refuse_unread(outcome: Outcome) -> None:
    """Tell that a message could not be read; it is kept nevertheless."""
    if outcome.reason:
        reason = f"{outcome.reason}; it is kept in quarantine"
        raise HTTPException(422, reason, {INPUT: outcome.input_id})


def _received(service: Service, response: Response, outcome: Outcome) -> ReceivedAnswer:
    refuse_unread(outcome)
    response.status_code = 201 if outcome.new else 200
    with service.database.read() as session:
        names = session.scalars(select(Alert.name).where(Alert.id.in_(outcome.alert_ids)).order_by(Alert.name)).all()
    return ReceivedAnswer(input_id=outcome.input_id, event_id=outcome.event_id, alerts=list(names))
