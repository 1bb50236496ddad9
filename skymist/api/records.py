"""Records of the archive: their metadata in the words of others, and what of them is public."""

from typing import Annotated, Any

from fastapi import Path as InPath
from fastapi import Response

from skymist.api.access import Caller, make_router, operation
from skymist.api.answers import RecordAnswer
from skymist.api.bodies import ReleaseBody, WithdrawBody
from skymist.api.results import of_media
from skymist.api.service import Served
from skymist.model.identity import ivo, uuid_of
from skymist.records import identities
from skymist.records.tables import Identity
from skymist.records.tokens import Access
from skymist.workflow.archive.describe import FORMATS, describe, document

router = make_router("/v1/records", tags=["archive"])

Fragment = Annotated[
    str,
    InPath(pattern=r"^[A-Za-z0-9._-]{1,120}$", description="What follows # in its identifier: RUN_EVENT, map_..., ..."),
]
Format = Annotated[str, InPath(pattern=r"^[a-z-]{1,20}$", description=f"One of {', '.join(FORMATS)}")]

DOCUMENT = of_media("The document", (each.media_type for each in FORMATS.values()))
_DOCUMENT = operation(Access.VIEWER, 404)
_DOCUMENT["responses"][200] = DOCUMENT


def answer_of(service: Any, identity: Identity) -> RecordAnswer:
    """Return what clients are told of a record's identity."""
    identifier = ivo(service.site.authority, identity.fragment)
    with service.database.read() as session:
        public, shown_from = identities.is_public(session, identity), identities.shown_from(session, identity)
    return RecordAnswer(
        identifier=identifier, uuid=str(uuid_of(identifier)), public=public, shown_from=shown_from,
        **{name: getattr(identity, name) for name in RecordAnswer.model_fields if hasattr(identity, name)},
    )  # fmt: skip


@router.get("/{fragment}", **operation(Access.VIEWER, 404))
def get_record(service: Served, fragment: Fragment) -> RecordAnswer:
    """Return what a record is called, and how it stands to the world."""
    with service.database.read() as session:
        found = identities.get(session, fragment)
    return answer_of(service, found)


@router.get("/{fragment}/documents/{format}", response_class=Response, **_DOCUMENT)
def get_document(service: Served, fragment: Fragment, format: Format) -> Response:
    """Return a record in the words of others: DataCite, schema.org, PROV, ObsCore, VOEvent, or as a page."""
    with service.database.read() as session:
        found = describe(session, service.site, identities.get(session, fragment))
        return Response(document(found, format), media_type=FORMATS[format].media_type)


@router.post("/{fragment}/release", **operation(Access.APPROVER, 404, 409, 413))
def release(service: Served, person: Caller, fragment: Fragment, body: ReleaseBody) -> RecordAnswer:
    """Make a record public, now or from a time on; revisions go with their alert, maps with their scan."""
    with service.database.begin() as session:
        found = identities.get(session, fragment)
        identities.release(session, found, person.name, body.at)
    return answer_of(service, found)


@router.post("/{fragment}/withdraw", **operation(Access.APPROVER, 404, 409, 413))
def withdraw(service: Served, person: Caller, fragment: Fragment, body: WithdrawBody) -> RecordAnswer:
    """Make a record private again; if anybody may have seen it, a tombstone says why it is gone."""
    with service.database.begin() as session:
        found = identities.get(session, fragment)
        identities.withdraw(session, found, person.name, body.reason)
    return answer_of(service, found)
