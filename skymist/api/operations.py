"""How the service is: for who operates it."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from skymist.api.access import Caller, make_router, operation
from skymist.api.dask import dashboard_of
from skymist.api.service import Served
from skymist.records.tables import ScanState
from skymist.records.tokens import Access

router = make_router("/v1/operations", tags=["system"])


class TroubleAnswer(BaseModel):
    """Something that is wrong."""

    severity: Literal["error", "warning"] = Field(description="error: the service does not do what it is for")
    kind: str = Field(description="For programs")
    words: str = Field(description="For people")
    link: str = Field(description="Page of the dashboard that tells more; empty if there is none")


class ProcessAnswer(BaseModel):
    """The process that answers."""

    owner: str = Field(description="Machine, number and start of the process")
    started: datetime = Field(description="When it began")


class RunnerAnswer(BaseModel):
    """A process that carries out scans."""

    owner: str = Field(description="Machine, number and start of the process")
    state: Literal["running", "lost"] = Field(description="lost: gone without a word")
    started: datetime = Field(description="When it was first heard of")
    beat: datetime = Field(description="When it was last heard of")
    slots: int = Field(description="Ordinary scans at a time")
    scans: int = Field(description="That it has now")


class HeldAnswer(BaseModel):
    """A cluster that a runner holds."""

    id: str = Field(description="That no other has; empty while it is starting")
    name: str = Field(description="Of its configuration")
    state: Literal["starting", "running", "lost"] = Field(description="starting: its first worker is waited for")
    owner: str = Field(description="The runner that holds it")
    asked: int | None = Field(description="Workers asked for; null for as many as its configuration says")
    workers: int | None = Field(description="Workers that are there; null if its scheduler does not tell")
    threads: int | None = Field(description="Cells at a time; null if its scheduler does not tell")
    scans: int = Field(description="Scans that use it")
    since: datetime = Field(description="When it was started")
    idle_since: datetime | None = Field(description="When the last scan left it; null while one uses it")
    dashboard: str = Field(description="Path of Dask's dashboard on this service; empty if there is none")
    no_dashboard: str = Field(description="Why there is none, in words")


class SourceAnswer(BaseModel):
    """A source of messages."""

    name: str = Field(description="Which")
    state: str = Field(description="connecting, listening, silent, troubled or stopped")
    trouble: str = Field(description="Why it does not listen, in words")
    lag: int | None = Field(description="Messages that are not read yet; null if nobody knows")
    heard: datetime | None = Field(description="The last message or heartbeat")
    silent_s: float | None = Field(description="Seconds since then")
    told: datetime = Field(description="When it was last looked at")
    told_s: float = Field(description="Seconds since then")


class GroupAnswer(BaseModel):
    """Scans of one cluster and priority that have not ended."""

    cluster: str = Field(description="Where they run")
    priority: int = Field(description="Greater goes first")
    running: int = Field(description="That run")
    queued: int = Field(description="That are next")
    waiting: int = Field(description="That wait for another scan")
    oldest_s: float | None = Field(description="Seconds for which the oldest one is queued")


class QueueAnswer(BaseModel):
    """What waits."""

    states: dict[ScanState, int] = Field(description="Number of scans by state")
    oldest_s: float | None = Field(description="Seconds for which the oldest one is queued")
    groups: list[GroupAnswer] = Field(description="Of those that have not ended, the most urgent first")


class ActiveAnswer(BaseModel):
    """A scan that has not ended."""

    id: str = Field(description="Of the scan")
    alert: str | None = Field(description="Name that the alert of the event has now")
    reconstruction: str = Field(description="What is fitted")
    state: ScanState = Field(description="What it is doing")
    wanted: str = Field(description="cancelled, while a running scan is being cancelled")
    cluster: str = Field(description="Where it runs")
    priority: int = Field(description="Greater goes first")
    asked: int | None = Field(description="Workers asked for; null for as many as the configuration says")
    waited_s: float | None = Field(description="Seconds since it was queued; null if it runs")
    running_s: float | None = Field(description="Seconds since it was started")
    beat_s: float | None = Field(description="Seconds since its runner was heard of")
    stage: str = Field(description="What a running scan does; empty if that is not known")
    trouble: str = Field(description="What is in its way, in words")
    done: int | None = Field(description="Cells that are done")
    total: int | None = Field(description="All cells")
    rate: float = Field(description="Cells a second")
    eta_s: float | None = Field(description="Seconds that it will still take")
    workers: int | None = Field(description="Workers that it has")


class StageAnswer(BaseModel):
    """How long one thing took whenever it was done in the last day."""

    stage: str = Field(description="For programs")
    words: str = Field(description="From what to what")
    n: int = Field(description="How often it was done")
    counts: list[int] = Field(description="By bin")
    p50_s: float | None = Field(description="Half took less; seconds")
    p90_s: float | None = Field(description="90 % took less; seconds")
    p99_s: float | None = Field(description="99 % took less; seconds")


class LatenciesAnswer(BaseModel):
    """How long things took in the last day."""

    edges_s: list[float] = Field(description="Edges of the bins, seconds; what is beyond is in the first or the last")
    stages: list[StageAnswer] = Field(description="In their order")


class FailedAnswer(BaseModel):
    """A scan that failed."""

    id: str = Field(description="Of the scan")
    alert: str | None = Field(description="Name that the alert of the event has now")
    reconstruction: str = Field(description="What was fitted")
    reason: str = Field(description="Why, in words")
    time: datetime = Field(description="When")


class FailedScans(BaseModel):
    """Scans that failed in the last day."""

    n: int = Field(description="How many")
    items: list[FailedAnswer] = Field(description="The latest first, at most 50")


class UnreadAnswer(BaseModel):
    """A message that could not be read."""

    id: str = Field(description="SHA-256 of its bytes")
    source: str = Field(description="Topic, folder or person")
    kind: str = Field(description="notice or event")
    reason: str = Field(description="Why, in words")
    time: datetime = Field(description="When it first came")
    times: int = Field(description="How often it came")


class UnreadMessages(BaseModel):
    """Messages of the last day that could not be read."""

    n: int = Field(description="How many")
    items: list[UnreadAnswer] | None = Field(description="The latest first, at most 50; null for viewers")


class UnsentAnswer(BaseModel):
    """A circular or notice that could not be sent."""

    id: int = Field(description="Of the publication")
    kind: str = Field(description="circular or notice")
    alert: str = Field(description="Name of its alert")
    state: str = Field(description="approved: somebody has to send it again; sending: it is tried again")
    reason: str = Field(description="Why, in words")
    time: datetime = Field(description="When it last changed")


class UnsentPublications(BaseModel):
    """Circulars and notices that could not be sent, however long ago."""

    n: int = Field(description="How many")
    items: list[UnsentAnswer] = Field(description="The latest first, at most 50")


class ErrorsAnswer(BaseModel):
    """What went wrong."""

    scans: FailedScans = Field(description="That failed in the last day")
    quarantine: UnreadMessages = Field(description="Messages of the last day that could not be read")
    publications: UnsentPublications = Field(description="That could not be sent")


class SizesAnswer(BaseModel):
    """How much is kept; looked at every ten seconds."""

    database_bytes: int = Field(description="Of the records")
    maps: int = Field(description="Number of maps")
    maps_bytes: int = Field(description="Of all maps, as they are in memory")
    files: int = Field(description="Number of files made of them")
    files_bytes: int = Field(description="Of all files")


class MachineAnswer(BaseModel):
    """What is left of the machine that answers."""

    memory_bytes: int = Field(description="All of it")
    memory_free_bytes: int = Field(description="That can be had")
    load: float = Field(description="Processes that want a processor, mean of a minute")
    processors: int = Field(description="That it has")
    disk_bytes: int | None = Field(description="Of the disk of the maps; null if they are elsewhere")
    disk_free_bytes: int | None = Field(description="That is left of it")


class VersionsAnswer(BaseModel):
    """Of what runs."""

    skymist: str = Field(description="Of skymist")
    python: str = Field(description="Of Python")
    dask: str = Field(description="Of Dask")
    distributed: str = Field(description="Of Dask's part for clusters")
    database: str = Field(description="Of the tables")


class OperationsAnswer(BaseModel):
    """How the service is."""

    time: datetime = Field(description="When it was looked at; the same for a second")
    troubles: list[TroubleAnswer] = Field(description="What is wrong, the worst first; empty if all is well")
    api: ProcessAnswer = Field(description="Who answers")
    runners: list[RunnerAnswer] = Field(description="Who carries out scans; lost ones are remembered for an hour")
    clusters: list[HeldAnswer] = Field(description="That runners hold now")
    streams: list[SourceAnswer] = Field(description="Where messages come from")
    queue: QueueAnswer = Field(description="What waits")
    scans: list[ActiveAnswer] = Field(description="That have not ended, those that run first; not more than 50")
    rate: float = Field(description="Cells a second, of all scans that run")
    latencies: LatenciesAnswer = Field(description="How long things took in the last day")
    errors: ErrorsAnswer = Field(description="What went wrong")
    sizes: SizesAnswer = Field(description="How much is kept")
    machine: MachineAnswer = Field(description="What is left of the machine that answers")
    versions: VersionsAnswer = Field(description="Of what runs")


@router.get("", **operation(Access.VIEWER))
async def get_operations(service: Served, person: Caller) -> OperationsAnswer:
    """Tell how the service is: what runs and waits, how long things took, and what is wrong."""
    found = await run_in_threadpool(service.overview.look)
    clusters = [{**each, **dashboard_of(each)} for each in found["clusters"]]
    answer = OperationsAnswer.model_validate({**found, "clusters": clusters})
    if not person.role.includes(Access.ANALYST):  # as for /v1/quarantine: what strangers send is not for everybody
        answer.errors.quarantine.items = None
    return answer
