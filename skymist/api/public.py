"""The public view: what people have released, for everybody, without a token and without a way to change anything.

There are lists and tables of alerts, a cone search as the IVOA has it, and for each record a page, its metadata by
content negotiation, and its files. It exists only if the site's settings say so.

References: IVOA Simple Cone Search 1.03; https://signposting.org/FAIR.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Annotated, Any, TypeVar
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException

from skymist.api import maps
from skymist.api.access import refuse_unknown
from skymist.api.answers import EntryAnswer, Page, page
from skymist.api.catalog import TABLE, PublicFilter, PublicTableFilter, answer_table
from skymist.api.problems import answers
from skymist.api.records import DOCUMENT, Fragment
from skymist.api.results import MEDIA, of_media
from skymist.api.service import Served, Service
from skymist.errors import RequestError
from skymist.fair.front import front
from skymist.fair.page import links as page_links
from skymist.fair.record import Status
from skymist.fair.votable import cone_votable, error_votable
from skymist.model.request import Cone
from skymist.records import catalog, identities
from skymist.records.catalog import Search
from skymist.records.tables import ZARR, Artifact, Identity, ImportedMap, Input, now
from skymist.store.place import Place, place
from skymist.workflow.archive.catalog import FORMATS as TABLES
from skymist.workflow.archive.catalog import about, entries
from skymist.workflow.archive.describe import FORMATS, describe, document, formats, links
from skymist.workflow.archive.writer import Described

router = APIRouter(prefix="/public", tags=["public"])

VOTABLE = "application/x-votable+xml"
MOST_FOUND = 10_000
"""Rows of a cone search; who gets so many is told that there may be more."""

MOST_WAITING = 4
"""Requests for which large files are made or which wait for that; who comes next is told to come again."""

PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; frame-ancestors 'none'; sandbox allow-downloads"
)
OPEN = {"access-control-allow-origin": "*"}
"""Whatever is here is for everybody, also for programs in a browser."""

_LIST: dict[str, Any] = {"responses": answers(404), "dependencies": [Depends(refuse_unknown)]}

Operation = TypeVar("Operation", bound=Callable[..., Response])


def _page(path: str, **about: Any) -> Callable[[Operation], Operation]:
    """Have an operation answer GET, and HEAD, by which checkers of links ask; OpenAPI is told of it once."""

    def add(operation: Operation) -> Operation:
        router.head(path, include_in_schema=False, **about)(operation)
        return router.get(path, **about)(operation)

    return add


@_page("", response_class=Response, responses={**answers(404), 200: of_media("The page", ["text/html"])},
       dependencies=[Depends(refuse_unknown)])  # fmt: skip
def get_front(service: Served, request: Request, wanted: Annotated[PublicFilter, Query()]) -> Response:
    """Return the catalog as a page for people; its filters are those of the lists."""
    with service.database.read() as session:
        found = catalog.find(session, wanted.search(public=now()), wanted.limit + 1, wanted.after)
        rows = entries(session, service.site, found[: wanted.limit], public=True)
    further = ""
    if len(found) > wanted.limit:
        asked = {**request.query_params, "after": str(found[wanted.limit - 1].id)}
        further = f"{service.site.home.rstrip('/')}?{urlencode(asked)}"
    tables = {name: media for name, (media, _) in TABLES.items()}
    content = front(service.site, rows, tables, wanted.words(), further)
    return Response(content, media_type="text/html", headers={**OPEN, "content-security-policy": PAGE_POLICY})


@router.get("/alerts", **_LIST)
def find_alerts(
    service: Served, request: Request, response: Response, wanted: Annotated[PublicFilter, Query()]
) -> Page[EntryAnswer]:
    """List alerts that are public, the latest event first if nothing else is asked for."""
    response.headers.update(OPEN)
    with service.database.read() as session:
        found = catalog.find(session, wanted.search(public=now()), wanted.limit + 1, wanted.after)
        rows = entries(session, service.site, found, public=True)
    ids = {row.identifier: alert.id for row, alert in zip(rows, found, strict=True)}
    return page(request, rows, wanted.limit, lambda each: ids[each.identifier], EntryAnswer.model_validate)


@router.get(
    "/catalog", response_class=Response, responses={**answers(404), 200: TABLE}, dependencies=[Depends(refuse_unknown)]
)
def get_table(service: Served, wanted: Annotated[PublicTableFilter, Query()]) -> Response:
    """Return alerts that are public as a table."""
    with _drawing(service):
        answer = answer_table(service, wanted, wanted.search(public=now()), public=True)
    answer.headers.update(OPEN)
    return answer


@router.get("/cone", response_class=Response, responses={**answers(), 200: of_media("The table", [VOTABLE])},
            openapi_extra={"parameters": [
                {"name": name, "in": "query", "required": name != "VERB", "schema": {"type": "number"},
                 "description": about_it} for name, about_it in
                (("RA", "degrees, ICRS"), ("DEC", "degrees, ICRS"), ("SR", "radius, degrees"), ("VERB", "1, 2 or 3"))
            ]})  # fmt: skip
def search_cone(service: Served, request: Request) -> Response:
    """Find alerts in a circle, as the IVOA's Simple Cone Search has it."""
    asked = {key.upper(): value for key, value in request.query_params.items()}
    try:
        content = _cone(service, asked)
    except RequestError as error:  # which the standard wants as a table, too
        content = error_votable(str(error))
    return Response(content, media_type=VOTABLE, headers=OPEN)


def _cone(service: Service, asked: Mapping[str, str]) -> bytes:
    ra, dec, radius, verb = (_number(asked, name, usual) for name, usual in
                             (("RA", None), ("DEC", None), ("SR", None), ("VERB", 2.0)))  # fmt: skip
    if not (-90 <= dec <= 90 and 0 <= radius <= 180) or verb not in (1, 2, 3):
        raise RequestError("DEC goes from -90 to 90, SR from 0 to 180 degrees, and VERB is 1, 2 or 3")
    said = {**about(service.site, f"RA={ra} DEC={dec} SR={radius}")}
    found: list[Any] = []
    if radius > 0:  # with 0, the standard asks for the columns alone
        search = Search(cone=Cone(ra % 360, dec, radius), public=now())
        with service.database.read() as session:
            some = catalog.find(session, search, MOST_FOUND + 1)
            found = entries(session, service.site, some[:MOST_FOUND], public=True)
        if len(some) > MOST_FOUND:
            said["QUERY_STATUS"] = "OVERFLOW"
    return cone_votable(found, int(verb), said)


def _number(asked: Mapping[str, str], name: str, usual: float | None) -> float:
    text = asked.get(name, "" if usual is None else str(usual))
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < 1e6:
        raise RequestError(f"{name} is a number in degrees, not {text[:40]!r}; a cone search needs RA, DEC and SR")
    return value


@_page(
    "/records/{fragment}", response_class=Response, responses={**answers(404, 410), 200: DOCUMENT},
    dependencies=[Depends(refuse_unknown)],
)  # fmt: skip
def get_record(service: Served, request: Request, fragment: Fragment) -> Response:
    """Return a record that is public: a page for people, or its metadata in the format that is asked for (Accept)."""
    with service.database.read() as session:
        found = _public(service, session, fragment)
        return _answer(found, _wanted(request.headers.get("accept", ""), found))


_PART = of_media(
    "The document or file",
    (*MEDIA.values(), *(each.media_type for each in FORMATS.values()), "application/octet-stream"),
)


@_page(
    "/records/{fragment}/{kind}",
    response_class=Response,
    responses={**answers(404, 410), 200: _PART},
    dependencies=[Depends(refuse_unknown)],
)
def get_part(service: Served, fragment: Fragment, kind: str) -> Response:
    """Return metadata of a record in a format, or a file of it."""
    with service.database.read() as session:
        found = _public(service, session, fragment)
        if kind in formats(found):
            return _answer(found, kind)
        file = next((each for each in found.record.files if each.kind == kind), None)
        if file is None:
            raise HTTPException(404, f"{fragment} has no {kind[:40]!a}; it has: {', '.join(_parts(found))}")
        kept = _kept(session, identities.get(session, fragment), kind)
    if isinstance(kept, bytes):
        content = kept
    elif kind == ZARR:
        with _drawing(service):
            content = maps.archive(kept)
    else:
        content = kept.read_bytes()
    name = file.name if kind != ZARR else f"{file.name}.zip"
    return Response(content, media_type=file.media_type, headers={**OPEN, **({} if kind == "png" else _saved(name))})


def _saved(name: str) -> dict[str, str]:
    """Return the header by which a file is saved under its name, which cannot say anything else (RFC 6266)."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)  # for simple clients, such as curl
    return {"Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"}


def _parts(found: Described) -> list[str]:
    return list(dict.fromkeys([*formats(found), *(each.kind for each in found.record.files)]))


def _public(service: Service, session: Session, fragment: str) -> Described:
    """Return a record for everybody; what was never public is not known here."""
    identity = session.get(Identity, fragment)
    if identity is None or not (identities.is_public(session, identity) or identities.was_public(session, identity)):
        raise HTTPException(404, "there is no public record of that name")
    return describe(session, service.site, identity, public=True)


def _answer(found: Described, name: str) -> Response:
    """Return a record in one of its formats; a tombstone says 410, whatever it is asked for."""
    named = {media: url for each, (media, url) in links(found).items() if each != "html"}
    headers = {**OPEN, "Link": page_links(found.record, named), "Vary": "Accept"}
    if name == "html":
        headers["content-security-policy"] = PAGE_POLICY
    status = 410 if found.record.status == Status.WITHDRAWN else 200
    return Response(document(found, name), status, headers, FORMATS[name].media_type)


def _wanted(accept: str, found: Described) -> str:
    """Return the format that a client likes best; a page if it does not say, or takes anything."""
    known = {media: name for name, (media, _) in links(found).items()}
    asked = []
    for place_, part in enumerate(accept.split(",")[:20]):
        media, *settings = (text.strip().lower() for text in part.split(";"))
        asked.append((-_quality(settings), place_, media))
    for quality, _, media in sorted(asked):
        if quality < 0 and media in ("*/*", "text/*"):
            return "html"
        if quality < 0 and media in known:
            return known[media]
    return "html"


def _quality(settings: list[str]) -> float:
    text = next((each[2:] for each in settings if each.startswith("q=")), "1")
    try:
        return float(text)
    except ValueError:
        return 0.0


def _kept(session: Session, identity: Identity, kind: str) -> bytes | Place:
    """Return a file of a map, or where it is."""
    if identity.scan_id is None:
        kept = session.scalars(select(ImportedMap).where(ImportedMap.sha256 == identity.subject)).one()
        return session.get_one(Input, kept.input_id).content
    return place(session.get_one(Artifact, (identity.scan_id, kind)).url)


_waiting = BoundedSemaphore(MOST_WAITING)  # of the process, as its threads and processors are


@contextmanager
def _drawing(service: Service) -> Iterator[None]:
    """Make one file at a time, as for clients of the site, but let few wait: each holds a thread that others need."""
    if not _waiting.acquire(blocking=False):
        raise HTTPException(503, "too many ask for large files at present: try again", {"Retry-After": "5"})
    try:
        with service.drawing:
            yield
    finally:
        _waiting.release()
