"""The timeline of an alert: notices, scans, circulars and people in one list, with latencies."""

from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, Field

from skymist.api.access import make_router, operation
from skymist.api.alerts import Found
from skymist.api.answers import Answer
from skymist.api.service import Served
from skymist.records.tables import Alert
from skymist.records.tokens import Access
from skymist.workflow import timeline
from skymist.workflow.timeline import KINDS

router = make_router(tags=["alerts"])

Kind = Literal["event", "notice", "file", "scan", "circular", "comment", "retraction", "name", "release"]
"""Those of `KINDS`: the document of the API has to have them to the letter."""


class StepAnswer(Answer):
    """Something that happened to an alert."""

    time: str = Field(description="UTC; that of the event has nanoseconds")
    kind: Kind = Field(description="What it is of")
    what: str = Field(description="In words")
    who: str = Field(description="Owner of a token, source of a message, or a part of skymist; empty for the event")
    detail: str = Field(description="More, in words; may be empty")
    subject: str = Field(description="alert, revision, event, scan, circular, notice or identity")
    subject_id: str = Field(description="Which")
    input_id: str | None = Field(description="Message that brought it")
    milestone: str = Field(description="notice, map or circular, if it is the first of these; else empty")
    since_event_s: float = Field(description="Seconds since the event; negative if it came before")
    since_before_s: float = Field(description="Seconds since the step before, also if that is not shown")


class TimelineAnswer(BaseModel):
    """What happened to an alert, and how long it took."""

    name: str = Field(description="Of the alert")
    time: str = Field(description="Of the event, UTC")
    steps: list[StepAnswer] = Field(description="In their order")
    milestones: dict[str, float] = Field(
        description="Seconds from the event to the first notice, map and circular, as far as there are any"
    )


@router.get("/alerts/{name}/timeline", **operation(Access.VIEWER, 404))
def get_timeline(
    service: Served, alert: Found,
    kind: Annotated[list[Kind], Query(max_length=len(KINDS), description="Only steps of these kinds")] = [],  # noqa: B006
) -> TimelineAnswer:  # fmt: skip
    """Return all that happened to an alert, in order, with the latency since the event and since the step before."""
    with service.database.read() as session:
        found = session.get_one(Alert, alert.id)
        steps = timeline.timeline(timeline.gather(session, found))
        name, time = found.name, found.time
    shown = [StepAnswer.model_validate(each) for each in steps if not kind or each.kind in kind]
    return TimelineAnswer(name=name, time=time, steps=shown, milestones=timeline.milestones(steps))
