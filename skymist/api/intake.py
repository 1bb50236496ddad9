"""What people send in: notices and events, as they are."""

from typing import Annotated, Any

from fastapi import Header, Query, Response
from sqlalchemy import select
from starlette.exceptions import HTTPException

from skymist.api.access import RAW, Caller, RawBody, make_router, operation
from skymist.api.answers import ReceivedAnswer
from skymist.api.problems import INPUT
from skymist.api.service import Served, Service
from skymist.api.words import FileName
from skymist.model.alert import Role
from skymist.records.tables import Alert
from skymist.records.tokens import Access
from skymist.workflow.ingest import EVENT, NOTICE, Outcome, take

router = make_router()


def _intake(**links: Any) -> dict[str, Any]:
    """Return what OpenAPI is told of an operation that takes messages, and where these are found from then on."""
    told = operation(Access.ANALYST, 413, **RAW)
    retry = _link("retry_input_v1_quarantine__input_id__retry_post", input_id="input")
    told["responses"][422]["links"] = {"retry": retry}
    told["responses"][200] = {"model": ReceivedAnswer, "description": "The same bytes came before", "links": links}
    told["responses"][201] = {"links": links}
    return told


def _link(operation_id: str, **fields: str) -> dict[str, Any]:
    """Return a link to an operation, whose parameters are fields of the answer."""
    parameters = {name: f"$response.body#/{field}" for name, field in fields.items()}
    return {"operationId": operation_id, "parameters": parameters}


_ALERT = {
    "alert": _link("get_alert_v1_alerts__name__get", name="alerts/0"),
    "revisions": _link("get_revisions_v1_alerts__name__revisions_get", name="alerts/0"),
    "retract": _link("retract_alert_v1_alerts__name__retract_post", name="alerts/0"),
}
_EVENT = {"event": _link("get_event_v1_events__event__get", event="event_id")}

QueryName = Annotated[FileName, Query(description="Name of the file, whose ending may tell its format")]
HeaderName = Annotated[FileName, Header(alias="X-File-Name", description="The same, for those who prefer a header")]


@router.post("/notices", status_code=201, tags=["alerts"], **_intake(**_ALERT))
def post_notice(
    service: Served, person: Caller, content: RawBody, response: Response,
    name: QueryName = "", x_name: HeaderName = "",
) -> ReceivedAnswer:  # fmt: skip
    """Take a notice as it is, in any form that is known; what cannot be read is kept in quarantine."""
    return _received(service, response, take(service.database, content, NOTICE, person.name, name or x_name))


@router.post("/events", status_code=201, tags=["events"], **_intake(**_EVENT))
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
        query = select(Alert.name, Alert.role).where(Alert.id.in_(outcome.alert_ids)).order_by(Alert.name, Alert.role)
        found = session.execute(query).all()
    return ReceivedAnswer(
        input_id=outcome.input_id, event_id=outcome.event_id, alerts=[name for name, _ in found],
        roles=[Role(role) for _, role in found],
    )  # fmt: skip
