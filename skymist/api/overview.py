"""What one looks at first: how much there is to do, and whether anything has changed."""

from datetime import datetime, timedelta

from pydantic import BaseModel, Field

from skymist.api.access import make_router, operation
from skymist.api.answers import Answer
from skymist.api.service import Served
from skymist.records import standing
from skymist.records.tables import ScanState, now
from skymist.records.tokens import Access

router = make_router(tags=["system"])

RECENT = timedelta(hours=24)


class OverviewAnswer(Answer):
    """How much there is to do."""

    recent: int = Field(description="Observations whose event was in the last 24 hours")
    scans: dict[ScanState, int] = Field(description="Scans that are waiting, queued or running; none is left out")
    needing: int = Field(description="Observations of which something waits for a person")
    quarantined: int = Field(description="Messages that could not be read")


class ChangesAnswer(BaseModel):
    """Whether anything has changed: compare with an earlier answer."""

    version: int = Field(description="Counts up with all that is done to alerts, scans, publications and all else")
    moved: datetime | None = Field(description="When cells of a running scan last came in; null if none is running")


@router.get("/overview", **operation(Access.VIEWER))
def get_overview(service: Served) -> OverviewAnswer:
    """Tell how much there is to do."""
    with service.database.read() as session:
        return OverviewAnswer.model_validate(standing.overview(session, now() - RECENT))


@router.get("/changes", **operation(Access.VIEWER))
def get_changes(service: Served) -> ChangesAnswer:
    """Tell whether anything has changed, for next to nothing: an open page may ask every second."""
    with service.database.read() as session:
        return ChangesAnswer(version=standing.version(session), moved=standing.moved(session))
