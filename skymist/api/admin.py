"""For those who run the service: tokens, the log, and what could not be read."""

from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import Field
from sqlalchemy import Select, func, select

from skymist.api.access import Caller, make_router, operation
from skymist.api.answers import InputAnswer, LogAnswer, NewTokenAnswer, Page, TokenAnswer, page, whole
from skymist.api.bodies import TokenBody
from skymist.api.intake import refuse_unread
from skymist.api.lists import ByName, ByNumber, latest_first
from skymist.api.service import Served
from skymist.api.words import Moment, Name
from skymist.errors import ConflictError, UnknownNameError
from skymist.records import tokens
from skymist.records.tables import Input, InputStatus, LogEntry
from skymist.records.tokens import Access
from skymist.workflow.ingest import retry

router = make_router(tags=["administration"])

InputId = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of its bytes")]
TokenId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$", description="Of the token")]


class LogFilter(ByNumber):
    """Which entries to list."""

    who: Name | None = Field(None, description="Owner of a token, or a part of skymist")
    action: Name | None = Field(None, description="A verb")
    subject: Name | None = Field(None, description="alert, scan, event, input, token or stream")
    subject_id: Name | None = Field(None, description="Which")
    since: Moment | None = Field(None, description="At or after this time")
    until: Moment | None = Field(None, description="Before this time")


@router.get("/log", **operation(Access.OPERATOR))
def get_log(service: Served, request: Request, wanted: Annotated[LogFilter, Query()]) -> Page[LogAnswer]:
    """List who did what, the latest first."""
    query = select(LogEntry)
    for name in ("who", "action", "subject", "subject_id"):
        if (value := getattr(wanted, name)) is not None:
            query = query.where(getattr(LogEntry, name) == value)
    if wanted.since is not None:
        query = query.where(LogEntry.time >= wanted.since)
    if wanted.until is not None:
        query = query.where(LogEntry.time < wanted.until)
    with service.database.read() as session:
        query = latest_first(session, query, LogEntry.time, LogEntry.id, wanted.after)
        found = session.scalars(query.limit(wanted.limit + 1)).all()
    return page(request, found, wanted.limit, lambda each: each.id, LogAnswer.model_validate)


@router.get("/quarantine", **operation(Access.ANALYST))
def find_quarantined(service: Served, request: Request, wanted: Annotated[ByName, Query()]) -> Page[InputAnswer]:
    """List messages that could not be read, the latest first; /v1/inputs has their bytes."""
    query = _inputs().where(Input.status == InputStatus.QUARANTINED)
    with service.database.read() as session:
        query = latest_first(session, query, Input.received, Input.id, wanted.after)
        found = session.execute(query.limit(wanted.limit + 1)).all()
    return page(request, found, wanted.limit, lambda each: each.id, InputAnswer.model_validate)


def _inputs() -> Select[Any]:
    """Select messages without their bytes, of which there may be many."""
    columns = [column for column in Input.__table__.columns if column.name != "content"]
    return select(*columns, func.length(Input.content).label("size"))


@router.post("/quarantine/{input_id}/retry", **operation(Access.ANALYST, 404, 409))
def retry_input(service: Served, input_id: InputId) -> InputAnswer:
    """Try once more to read a message; a later version of skymist may understand it."""
    with service.database.read() as session:
        found = session.get(Input, input_id)
        if found is None:
            known = session.scalars(select(Input.id).where(Input.status == InputStatus.QUARANTINED).limit(3))
            raise UnknownNameError("message", input_id, known)
        if found.status != InputStatus.QUARANTINED:
            raise ConflictError(f"message {input_id[:12]} is {found.status}; only what is quarantined is tried again")
    refuse_unread(retry(service.database, input_id))
    with service.database.read() as session:
        return InputAnswer.model_validate(session.execute(_inputs().where(Input.id == input_id)).one())


@router.get("/tokens", **operation(Access.OPERATOR))
def get_tokens(service: Served) -> Page[TokenAnswer]:
    """List all tokens, the oldest first."""
    with service.database.read() as session:
        return whole(TokenAnswer.model_validate(each) for each in tokens.everyone(session))


@router.post("/tokens", status_code=201, **operation(Access.OPERATOR, 413))
def create_token(service: Served, person: Caller, body: TokenBody) -> NewTokenAnswer:
    """Make a token; it is shown this once."""
    with service.database.begin() as session:
        token, text = tokens.create(session, body.owner, body.role, person.name, body.days)
        return NewTokenAnswer(**TokenAnswer.model_validate(token).model_dump(), token=text)


@router.delete("/tokens/{token_id}", status_code=204, response_class=Response, **operation(Access.OPERATOR, 404, 409))
def revoke_token(service: Served, person: Caller, token_id: TokenId) -> None:
    """End a token now."""
    with service.database.begin() as session:
        tokens.revoke(session, token_id, person.name)
