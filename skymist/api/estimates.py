"""Estimates: what a scan would be and take, before anybody starts it."""

from pydantic import BaseModel, Field

from skymist.api.access import make_router, operation
from skymist.api.bodies import ScanBody
from skymist.api.changes import check_cluster
from skymist.api.service import Served
from skymist.records.tables import ScanState
from skymist.records.tokens import Access
from skymist.workflow import service as workflow
from skymist.workflow.estimate import Prospect, foresee

router = make_router("/v1/estimates", tags=["scans"])


class LevelAnswer(BaseModel):
    """One resolution of a scan that is not begun."""

    nside: int = Field(description="Of HEALPix")
    cells: int = Field(description="That are evaluated, at most")
    seconds: float | None = Field(description="Of one thread, for all of them; null if unknown")


class EstimateAnswer(BaseModel):
    """What a scan would be, and what it would take."""

    scan_id: str = Field(description="Id that the scan would have")
    state: ScanState | None = Field(description="Of that scan if it was asked for before; null if not")
    event_id: str = Field(description="Digest of the event")
    reconstruction: str = Field(description="That would be run")
    why: str = Field(description="How it was chosen, in words; empty if it was named")
    seeds: list[str] = Field(description="Earlier reconstructions of the event, around which a cone can be")
    levels: list[LevelAnswer] = Field(description="From coarse to fine")
    cells: int = Field(description="Of all levels")
    threads: int | None = Field(description="Cells that the cluster evaluates at a time; null if unknown")
    thread_seconds: float | None = Field(description="What one thread would take; null if unknown")
    wall_seconds: float | None = Field(description="What the cluster takes once its workers are there; null if unknown")
    basis: str = Field(description="What it was estimated from, in words")


@router.post("", **operation(Access.VIEWER, 413))
def estimate_scan(service: Served, body: ScanBody) -> EstimateAnswer:
    """Tell what a scan would be and take, or why it would be refused; nothing is begun."""
    check_cluster(service, body.cluster)
    wish = body.wish()
    with service.database.read() as session:
        event = workflow.find_event(session, body.event)
    return _told(foresee(service.database, event.id, wish, body.cluster, body.workers, service.clusters))


def _told(found: Prospect) -> EstimateAnswer:
    cost, state = found.estimate, None if found.state is None else ScanState(found.state)
    return EstimateAnswer(
        scan_id=found.request.id, state=state, event_id=found.request.event,
        reconstruction=found.request.reconstruction, why=found.why, seeds=sorted(found.event.seeds),
        levels=[LevelAnswer(nside=each.nside, cells=each.cells, seconds=each.seconds) for each in cost.levels],
        cells=cost.cells, threads=cost.threads, thread_seconds=cost.thread_seconds, wall_seconds=cost.wall_seconds,
        basis=cost.basis,
    )  # fmt: skip
