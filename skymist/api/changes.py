"""What changes scans: ask for one, cancel it, run it again, ask for another like it."""

from fastapi import Query, Response
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException

from skymist import cluster
from skymist.api.access import Caller, make_router, operation
from skymist.api.answers import ScanAnswer
from skymist.api.bodies import RemixBody, ScanBody, WorkersBody
from skymist.api.scans import Current, Found
from skymist.api.service import Served, Service
from skymist.errors import ConflictError, UnknownNameError
from skymist.records import log, scans
from skymist.records.tables import Scan, ScanState, now
from skymist.records.tokens import Access
from skymist.workflow import service as workflow

router = make_router("/v1/scans", tags=["scans"])

_NEW_OR_KNOWN = operation(Access.ANALYST, 409, 413)
_NEW_OR_KNOWN["responses"][200] = {"model": ScanAnswer, "description": "It was asked for before"}
_CHANGE = operation(Access.ANALYST, 307, 404, 409, 410)
_REMIX = operation(Access.ANALYST, 307, 404, 409, 410, 413)
_REMIX["responses"][200] = _NEW_OR_KNOWN["responses"][200]


@router.post("", status_code=201, **_NEW_OR_KNOWN)
def ask_for_scan(service: Served, person: Caller, body: ScanBody, response: Response) -> ScanAnswer:
    """Ask for a scan of an event that is known; the same request is the same scan."""
    check_cluster(service, body.cluster)
    wish = body.wish()
    with service.database.read() as session:
        event = workflow.find_event(session, body.event)
    scan, new = workflow.ask(
        service.database, event.id, wish, person.name, cluster=body.cluster, workers=body.workers,
        priority=body.priority,
    )  # fmt: skip
    if scan.deleted is not None:
        with service.database.begin() as session:
            scan = _again(session, scan.id, person.name)
    return _told(response, scan, new)


@router.post("/{scan_id}/remix", status_code=201, **_REMIX)
def remix_scan(service: Served, person: Caller, scan: Current, body: RemixBody, response: Response) -> ScanAnswer:
    """Ask for a scan of the same event with some settings changed, which may take its place."""
    other, new = workflow.remix(service.database, scan.id, body.changes.given(), person.name, replace=body.replace)
    return _told(response, other, new)


@router.post("/{scan_id}/cancel", **_CHANGE)
def cancel_scan(service: Served, person: Caller, scan: Current) -> ScanAnswer:
    """Cancel a scan; one that is running ends as soon as its runner hears of it."""
    with service.database.begin() as session:
        found = scans.locked(session, scan.id)
        scans.cancel(session, found, person.name)
        return ScanAnswer.model_validate(found)


@router.post("/{scan_id}/rescan", **operation(Access.ANALYST, 404, 409))
def run_again(service: Served, person: Caller, scan: Found) -> ScanAnswer:
    """Run a scan that has ended once more, also a deleted one; what was computed is not computed again."""
    with service.database.begin() as session:
        return ScanAnswer.model_validate(_again(session, scan.id, person.name))


@router.post("/{scan_id}/workers", **operation(Access.ANALYST, 307, 404, 409, 410, 413))
def set_workers(service: Served, person: Caller, scan: Current, body: WorkersBody) -> ScanAnswer:
    """Change the number of workers of a scan that has not ended."""
    with service.database.begin() as session:
        found = scans.locked(session, scan.id)
        if found.state in scans.ENDED:
            raise ConflictError(f"scan {scan.id[:12]} is {found.state}; workers are for scans that have not ended")
        log.note(session, person.name, "resized", "scan", found.id, old=found.workers, new=body.workers)
        found.workers = body.workers
        return ScanAnswer.model_validate(found)


@router.delete("/{scan_id}", status_code=204, **operation(Access.ANALYST, 404, 409, 410))
def delete_scan(
    service: Served, person: Caller, scan: Found, force: bool = Query(False, description="Also a complete one")
) -> None:
    """Hide a scan, which is cancelled if it has not ended; its map is kept, and rescan brings it back."""
    with service.database.begin() as session:
        found = scans.locked(session, scan.id)
        if found.deleted is not None:
            raise HTTPException(410, f"scan {scan.id[:12]} was deleted already")
        if found.state == ScanState.COMPLETE and not force:
            raise ConflictError(f"scan {scan.id[:12]} is complete; only ?force=true deletes it")
        if found.state not in scans.ENDED:
            scans.cancel(session, found, person.name)
        found.deleted = now()
        log.note(session, person.name, "deleted", "scan", found.id, state=found.state)


def check_cluster(service: Service, name: str) -> None:
    """Take names only: files and addresses are for those who run the service."""
    if name not in (known := cluster.names(service.clusters)):
        raise UnknownNameError("cluster", name, known)


def _again(session: Session, scan_id: str, who: str) -> Scan:
    scan = scans.locked(session, scan_id)
    scans.again(session, scan, who)
    session.refresh(scan, scans.COMPUTED)
    return scan


def _told(response: Response, scan: Scan, new: bool) -> ScanAnswer:
    response.status_code = 201 if new else 200
    response.headers["Location"] = f"/v1/scans/{scan.id}"
    return ScanAnswer.model_validate(scan)
