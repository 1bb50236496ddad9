"""Scans: ask for them, find them, watch them."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Query, Request, Response
from pydantic import Field
from sqlalchemy import Select, select
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse

from skymist.api.access import make_router, operation
from skymist.api.answers import Page, ProgressAnswer, ScanAnswer, page
from skymist.api.lists import ByName, latest_first
from skymist.api.service import Served
from skymist.api.words import Moment, Name
from skymist.errors import UnknownNameError
from skymist.model.alert import Role
from skymist.records import alerts, scans
from skymist.records.tables import Event, Scan, ScanState
from skymist.records.tokens import Access
from skymist.workflow import service as workflow

router = make_router("/v1/scans", tags=["scans"])

ScanId = Annotated[
    str, Field(pattern=r"^[0-9a-f]{8,64}$", description="Id of a scan, or its first digits (at least 8)")
]
FIELDS = ", ".join(ScanAnswer.model_fields)


class ScanFilter(ByName):
    """Which scans to list."""

    state: list[ScanState] = Field([], max_length=6, description="Any of these")
    event: Name | None = Field(None, description="Id of an event, RUN/EVENT or the name of an alert")
    alert: Name | None = Field(None, description="Name of an alert")
    reconstruction: Name | None = Field(None, description="Name of the reconstruction that is run")
    rule: Name | None = Field(None, description="Name of the rule that asked for it")
    by_rule: bool | None = Field(None, description="Whether a rule asked for it, and not a person")
    who: Name | None = Field(None, description="Who asked for it first")
    role: Role | None = Field(None, description="observation, prediction or test; all by default")
    since: Moment | None = Field(None, description="Asked for at or after this time")
    until: Moment | None = Field(None, description="Asked for before this time")
    fields: str | None = Field(
        None, pattern=r"^[a-z_]{1,20}(,[a-z_]{1,20}){0,30}$", description=f"Only these of: {FIELDS}"
    )


def look_up(service: Served, scan_id: ScanId) -> Scan:
    """Return a scan, also one that is deleted or replaced."""
    with service.database.read() as session:
        return scans.get(session, scan_id)


def look_up_current(service: Served, request: Request, scan_id: ScanId) -> Scan:
    """Return a scan; 410 if it is deleted, and the way to the one that took its place if there is one."""
    with service.database.read() as session:
        scan = scans.get(session, scan_id)
        new = _successor(session, scan)
    if scan.deleted is not None:
        raise HTTPException(410, f"scan {scan.id[:12]} was deleted; POST to its /rescan brings it back")
    if new.id != scan.id:
        path = quote(request.scope["path"].replace(request.path_params["scan_id"], new.id, 1))
        where = f"{path}?{request.url.query}" if request.url.query else path
        status = 308 if request.method == "GET" else 307
        raise HTTPException(status, f"scan {new.id[:12]} took its place", {"Location": where})
    return scan


def _successor(session: Session, scan: Scan) -> Scan:
    """Return the scan that took the place of this one, directly or not; itself if they take turns."""
    seen, last = {scan.id}, scan
    while last.replaced_by is not None and (new := session.get(Scan, last.replaced_by)):
        if new.id in seen:
            return scan
        seen.add(new.id)
        last = new
    return last


Found = Annotated[Scan, Depends(look_up)]
Current = Annotated[Scan, Depends(look_up_current)]


@router.get("", response_model_exclude_unset=True, **operation(Access.VIEWER))
def find_scans(service: Served, request: Request, wanted: Annotated[ScanFilter, Query()]) -> Page[ScanAnswer]:
    """List scans, the latest first; deleted ones are left out."""
    names = _fields(wanted.fields)
    columns = select(*(getattr(Scan, name) for name in names)).where(Scan.deleted.is_(None))
    with service.database.read() as session:
        query = latest_first(session, _filtered(session, columns, wanted), Scan.created, Scan.id, wanted.after)
        found = session.execute(query.limit(wanted.limit + 1)).mappings().all()
    return page(request, found, wanted.limit, lambda row: row["id"], lambda row: ScanAnswer.model_validate(dict(row)))


def _fields(text: str | None) -> list[str]:
    """Return the names of fields in a text; the id is always among them."""
    names = ["id", *(ScanAnswer.model_fields if text is None else text.split(","))]
    for name in names:
        if name not in ScanAnswer.model_fields:
            raise UnknownNameError("field of a scan", name, ScanAnswer.model_fields)
    return list(dict.fromkeys(names))


def _filtered(session: Session, query: Select[Any], wanted: ScanFilter) -> Select[Any]:
    if wanted.state:
        query = query.where(Scan.state.in_(wanted.state))
    if wanted.event is not None:
        query = query.where(Scan.event_id == workflow.find_event(session, wanted.event).id)
    if wanted.alert is not None:
        alert = alerts.find(session, wanted.alert, wanted.role or Role.OBSERVATION)
        query = query.where(Scan.event_id.in_(select(Event.id).where(Event.alert_id == alert.id)))
    if wanted.reconstruction is not None:
        query = query.where(Scan.request["reconstruction"].as_string() == wanted.reconstruction)
    if wanted.by_rule is not None:
        query = query.where((Scan.rule != "") == wanted.by_rule)
    for column, value in ((Scan.rule, wanted.rule), (Scan.role, wanted.role), (Scan.who, wanted.who)):
        query = query if value is None else query.where(column == value)
    if wanted.since is not None:
        query = query.where(Scan.created >= wanted.since)
    return query if wanted.until is None else query.where(Scan.created < wanted.until)


@router.get("/{scan_id}", **operation(Access.VIEWER, 308, 404, 410))
async def get_scan(scan: Current) -> ScanAnswer:
    """Return a scan."""
    return ScanAnswer.model_validate(scan)


@router.get("/{scan_id}/progress", **operation(Access.VIEWER, 308, 404, 410))
async def get_progress(scan: Current) -> ProgressAnswer:
    """Return how far a scan is."""
    return ProgressAnswer.model_validate(scan)


_TOLD = {"type": "object", "required": ["event", "data"], "properties": {
    "event": {"enum": ["state", "progress", "end"]},
    "data": {"type": "string", "description": "JSON: id, state, wanted, attempt, progress, error and deleted"},
}}  # fmt: skip
_STREAM = operation(Access.VIEWER, 308, 404, 410)
_STREAM["responses"][200] = {"description": "What changes", "content": {"text/event-stream": {"schema": _TOLD}}}


@router.get("/{scan_id}/events", response_class=Response, **_STREAM)
async def watch_scan(service: Served, scan: Current) -> StreamingResponse:
    """Send what changes as it changes (server-sent events), until the scan has ended."""
    if service.live.full:
        raise HTTPException(503, "too many clients watch scans: ask for /progress instead", {"Retry-After": "30"})
    return StreamingResponse(service.live.watch(scan.id), media_type="text/event-stream")
