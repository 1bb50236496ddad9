"""Circulars and notices of ours: drafted, edited, checked, approved by somebody else, sent once."""

from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request
from pydantic import Field
from sqlalchemy import Select, select
from sqlalchemy.orm import selectinload

from skymist.api.access import Caller, make_router, operation
from skymist.api.answers import (
    CommentAnswer,
    DiffAnswer,
    EditedAnswer,
    FindingAnswer,
    Page,
    PreviewAnswer,
    PublicationAnswer,
    PublicationItem,
    RedraftedAnswer,
    ScratchAnswer,
    page,
    whole,
)
from skymist.api.bodies import (
    ApproveBody,
    CommentBody,
    DraftBody,
    RedraftBody,
    ScratchBody,
    SendBody,
    SentBody,
    TextBody,
    UnlockBody,
    WithdrawBody,
)
from skymist.api.lists import ByNumber, latest_first
from skymist.api.service import Served
from skymist.api.words import Id, Name
from skymist.model.alert import Role, Tense
from skymist.model.circular import State
from skymist.records import alerts, publications
from skymist.records.tables import Publication, Text
from skymist.records.tokens import Access
from skymist.workflow.desk import Desk, document

router = make_router("/v1/publications", tags=["publications"])

Revision = Annotated[int | None, Query(ge=1, le=1_000_000, description="Number of a revision; the last by default")]


class PublicationFilter(ByNumber):
    """Which publications to list."""

    kind: Name | None = Field(None, description="circular or notice")
    state: list[State] = Field([], max_length=5, description="Any of these")
    role: Role | None = Field(None, description="World in which they are told; all by default")
    alert: Name | None = Field(None, description="Any name of an alert")


async def _desk(service: Served) -> Desk:
    return service.desk


Desked = Annotated[Desk, Depends(_desk)]


def look_up(service: Served, publication_id: Annotated[Id, Path(description="Of the publication")]) -> Publication:
    """Return a publication."""
    with service.database.read() as session:
        return publications.get(session, None, publication_id)


Found = Annotated[Publication, Depends(look_up)]


@router.get("", **operation(Access.VIEWER))
def find_publications(
    service: Served, request: Request, wanted: Annotated[PublicationFilter, Query()]
) -> Page[PublicationItem]:
    """List circulars and notices, the latest first."""
    with service.database.read() as session:
        query = _filtered(wanted)
        if wanted.alert is not None:
            alert = alerts.find(session, wanted.alert, wanted.role or Role.OBSERVATION)
            query = query.where(Publication.alert_id == alert.id)
        query = latest_first(session, query, Publication.created, Publication.id, wanted.after)
        found = session.scalars(query.limit(wanted.limit + 1)).all()
        documents = [document(each) for each in found]
    return page(request, documents, wanted.limit, lambda each: each["id"], PublicationItem.model_validate)


def _filtered(wanted: PublicationFilter) -> Select[Any]:
    named = selectinload(Publication.texts).load_only(Text.number, Text.aside, Text.who)
    query = select(Publication).options(named)
    for column, value in ((Publication.kind, wanted.kind), (Publication.role, wanted.role)):
        query = query if value is None else query.where(column == value)
    return query.where(Publication.state.in_(wanted.state)) if wanted.state else query


@router.post("", status_code=201, **operation(Access.ANALYST, 404, 409, 413))
def draft(service: Served, desk: Desked, person: Caller, body: DraftBody) -> PublicationAnswer:
    """Draft a circular or notice of an alert from all that is known of it."""
    with service.database.read() as session:
        alert_id = alerts.find(session, body.alert, body.role).id
    said = {"detector_state": body.detector_state, "remark": body.remark, "reason": body.reason}
    made = desk.draft(body.kind, alert_id, person.name, body.template, body.scan, Tense(body.tense), **said)
    return PublicationAnswer.model_validate(desk.show(body.kind, made["id"]))


@router.get("/{publication_id}", **operation(Access.VIEWER, 404))
def show(desk: Desked, found: Found, revision: Revision = None) -> PublicationAnswer:
    """Return a text with its facts, where each stands and what it comes from, and with its history."""
    return PublicationAnswer.model_validate(desk.show(found.kind, found.id, revision))


@router.post("/{publication_id}/texts", status_code=201, **operation(Access.ANALYST, 404, 409, 413))
def edit(desk: Desked, person: Caller, found: Found, body: TextBody) -> EditedAnswer:
    """Add a revision; if it cannot count, it is kept aside, and `aside` says how both go together."""
    told = desk.edit(found.kind, found.id, body.base, body.subject, body.body, person.name, body.note)
    return EditedAnswer.model_validate(told)


@router.get("/{publication_id}/scratch", **operation(Access.ANALYST, 404))
def show_scratch(desk: Desked, person: Caller, found: Found) -> ScratchAnswer | None:
    """Return what you have typed and not saved, null if that is nothing; nobody else sees it."""
    kept = desk.scratch(found.kind, found.id, person.name)
    return None if kept is None else ScratchAnswer.model_validate(kept)


@router.put("/{publication_id}/scratch", **operation(Access.ANALYST, 404, 409, 413))
def keep_scratch(desk: Desked, person: Caller, found: Found, body: ScratchBody) -> ScratchAnswer:
    """Keep what you are typing, in the place of what you typed before, and return what is wrong with it."""
    told = desk.jot(found.kind, found.id, body.base, body.subject, body.body, person.name, body.seen)
    return ScratchAnswer.model_validate(told)


@router.delete("/{publication_id}/scratch", status_code=204, **operation(Access.ANALYST, 404))
def discard_scratch(desk: Desked, person: Caller, found: Found) -> None:
    """Remove what you have typed and not saved; it may be nothing."""
    desk.forget(found.kind, found.id, person.name)


@router.post("/{publication_id}/redraft", **operation(Access.ANALYST, 404, 409, 413))
def redraft(desk: Desked, person: Caller, found: Found, body: RedraftBody) -> RedraftedAnswer:
    """Have a text say what is known now; what people wrote stays."""
    return RedraftedAnswer.model_validate(desk.redraft(found.kind, found.id, person.name, body.scan))


@router.get("/{publication_id}/findings", **operation(Access.VIEWER, 404))
def check(desk: Desked, found: Found, revision: Revision = None) -> Page[FindingAnswer]:
    """Return all that is wrong with a text, or may be, by what is known now."""
    return whole(FindingAnswer.model_validate(each) for each in desk.check(found.kind, found.id, revision))


@router.get("/{publication_id}/diff", **operation(Access.VIEWER, 404))
def diff(desk: Desked, found: Found, old: Revision = None, new: Revision = None) -> DiffAnswer:
    """Return what is different between two revisions."""
    return DiffAnswer(diff=desk.diff(found.kind, found.id, old, new))


@router.post("/{publication_id}/lock", **operation(Access.ANALYST, 404, 409))
def lock(desk: Desked, person: Caller, found: Found) -> PublicationItem:
    """Keep others from editing for ten minutes; may be asked for again and again."""
    return PublicationItem.model_validate(desk.lock(found.kind, found.id, person.name))


@router.post("/{publication_id}/unlock", **operation(Access.ANALYST, 404, 409, 413))
def unlock(desk: Desked, person: Caller, found: Found, body: UnlockBody) -> PublicationItem:
    """Let others edit again; by force also what somebody else has locked, which the log tells."""
    return PublicationItem.model_validate(desk.unlock(found.kind, found.id, person.name, by_force=body.by_force))


@router.post("/{publication_id}/comments", status_code=201, **operation(Access.ANALYST, 404, 413))
def comment(desk: Desked, person: Caller, found: Found, body: CommentBody) -> CommentAnswer:
    """Say something about a publication to all who see it here."""
    return CommentAnswer.model_validate(desk.comment(found.kind, found.id, body.text, person.name))


@router.post("/{publication_id}/approve", **operation(Access.APPROVER, 404, 409, 413))
def approve(desk: Desked, person: Caller, found: Found, body: ApproveBody) -> PublicationItem:
    """Approve the last revision, word for word; who wrote it cannot, and it has to be without errors."""
    return PublicationItem.model_validate(desk.approve(found.kind, found.id, body.revision, person.name))


@router.post("/{publication_id}/withdraw", **operation(Access.ANALYST, 404, 409, 413))
def withdraw(desk: Desked, person: Caller, found: Found, body: WithdrawBody) -> PublicationItem:
    """Put aside what will not be sent."""
    return PublicationItem.model_validate(desk.withdraw(found.kind, found.id, person.name, body.reason))


@router.post("/{publication_id}/reopen", **operation(Access.ANALYST, 404, 409))
def reopen(desk: Desked, person: Caller, found: Found) -> PublicationItem:
    """Make a draft again of what was withdrawn or approved."""
    return PublicationItem.model_validate(desk.reopen(found.kind, found.id, person.name))


@router.get("/{publication_id}/preview", **operation(Access.VIEWER, 404))
def preview(desk: Desked, found: Found) -> PreviewAnswer:
    """Return what would go out, byte for byte, with its SHA-256; and a link and an e-mail to send it by hand."""
    return PreviewAnswer.model_validate(desk.preview(found.kind, found.id))


@router.post("/{publication_id}/send", status_code=202, **operation(Access.APPROVER, 404, 409, 413))
def send(desk: Desked, person: Caller, found: Found, body: SendBody) -> PublicationItem:
    """Have what is approved sent, once; whoever asks confirms it by its SHA-256."""
    return PublicationItem.model_validate(desk.send(found.kind, found.id, body.confirm, person.name))


@router.post("/{publication_id}/sent", **operation(Access.APPROVER, 404, 409, 413))
def sent_by_hand(desk: Desked, person: Caller, found: Found, body: SentBody) -> PublicationItem:
    """Note that a person has sent what is approved, and what it is called there."""
    return PublicationItem.model_validate(desk.sent_by_hand(found.kind, found.id, body.number, person.name))
