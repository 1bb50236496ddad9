"""The catalog of alerts: what can be asked of it, and tables of what was found."""

from typing import Annotated, Any, Literal

from fastapi import Query, Response
from pydantic import Field

from skymist.api.access import make_router, operation
from skymist.api.lists import Paging
from skymist.api.results import kept_map, of_media
from skymist.api.scans import ScanId
from skymist.api.service import Served, Service
from skymist.api.words import Id, Moment, Name
from skymist.model.alert import Role
from skymist.model.region import DEFAULT_CALIBRATION, region
from skymist.records import catalog, scans
from skymist.records.catalog import SORTS, Search
from skymist.records.tables import ScanState
from skymist.records.tokens import Access
from skymist.workflow.archive.catalog import FORMATS, table

router = make_router(tags=["catalog"])

MOST_ROWS = 200_000
"""Of a table: more are fetched in parts, or exported."""

Numbers = Annotated[str, Field(pattern=r"^[0-9.eE+-]{0,30}:[0-9.eE+-]{0,30}$")]
Order = Annotated[str, Field(pattern=r"^-?[a-z]{1,20}$")]
TableFormat = Literal["csv", "ecsv", "votable", "parquet", "icecat"]


_NOT_ASKED = {"limit", "after", "format", "overlaps"}
"""Of the filters, what is no property of alerts."""
_OTHER_WORDS = {"state": "scan_states", "q": "words"}
"""What the records call some of them."""


class PublicFilter(Paging):
    """What everybody can ask of the catalog."""

    stream: Name | None = Field(None, description="gold, bronze or cascade")
    retracted: bool | None = Field(None, description="Only those that are, or are not")
    since: Moment | None = Field(None, description="Event at or after this time")
    until: Moment | None = Field(None, description="Event before this time")
    name: Name | None = Field(None, description="Beginning of the name")
    cone: str | None = Field(None, max_length=100, description="RA,DEC,RADIUS in degrees, ICRS: positions in a circle")
    energy_tev: Numbers | None = Field(None, description="LOW:HIGH, LOW: or :HIGH")
    signalness: Numbers | None = Field(None, description="LOW:HIGH, LOW: or :HIGH")
    far_per_year: Numbers | None = Field(None, description="LOW:HIGH, LOW: or :HIGH")
    sort: Order = Field("-time", description=f"{', '.join(SORTS)}; with a dash the greatest first")
    after: Id | None = Field(None, description="Id of the last item that was seen")

    def search(self, **more: Any) -> Search:
        """Return it as the records understand it."""
        said = self.model_dump(exclude=_NOT_ASKED)
        return Search.parse({_OTHER_WORDS.get(key, key): value for key, value in said.items()}, **more)

    def words(self) -> str:
        """Return what was asked for, for the head of a table."""
        asked = self.model_dump(exclude_defaults=True, exclude=_NOT_ASKED - {"overlaps"}, mode="json")
        return " ".join(f"{key}={value}" for key, value in sorted(asked.items()))


class AlertFilter(PublicFilter):
    """Which alerts to list."""

    role: Role = Field(Role.OBSERVATION, description="Tests and predictions are shown on request only")
    has_scan: bool | None = Field(None, description="Only those with a scan, or without")
    state: list[ScanState] = Field([], max_length=6, description="Only those with a scan in any of these states")
    needs: bool | None = Field(None, description="Only those of which something waits for a person, or nothing does")
    q: Name | None = Field(None, description="Part of the name, of an earlier one, or of RUN_EVENT")
    overlaps: ScanId | None = Field(
        None, description="Only those whose 90 % circle touches the 90 % region of this scan"
    )


def found_by(service: Service, wanted: AlertFilter) -> Search:
    """Return what a client of the site asks of the catalog."""
    cells = None
    if wanted.overlaps is not None:
        with service.database.read() as session:
            scan = scans.get(session, wanted.overlaps)
        cells = region(kept_map(service, scan), 0.9, DEFAULT_CALIBRATION).cells
    return wanted.search(region=cells)


class TableFilter(AlertFilter):
    """Which alerts to write into a table."""

    format: TableFormat = Field("csv", description="Kind of table; icecat has IceCat-1's columns")
    limit: Annotated[int, Field(ge=1, le=MOST_ROWS, description="Most rows")] = MOST_ROWS


class PublicTableFilter(PublicFilter):
    """Which alerts to write into a table for everybody."""

    format: TableFormat = Field("csv", description="Kind of table; icecat has IceCat-1's columns")
    limit: Annotated[int, Field(ge=1, le=MOST_ROWS, description="Most rows")] = MOST_ROWS


TABLE = of_media("The table", (media for media, _ in FORMATS.values()))
_TABLE = operation(Access.VIEWER, 404)
_TABLE["responses"][200] = TABLE


@router.get("/catalog", response_class=Response, **_TABLE)
def get_table(service: Served, wanted: Annotated[TableFilter, Query()]) -> Response:
    """Return the catalog as a table: CSV, ECSV, VOTable, Parquet, or CSV with IceCat-1's columns."""
    search = found_by(service, wanted)
    with service.drawing:
        return answer_table(service, wanted, search, public=False)


def answer_table(
    service: Service, wanted: TableFilter | PublicTableFilter, search: Search, *, public: bool
) -> Response:
    """Return the alerts that were found as a file; one at a time is to be made, see `Service.drawing`."""
    with service.database.read() as session:
        found = catalog.find(session, search, wanted.limit, wanted.after)
        content = table(session, service.site, found, wanted.format, public=public, query=wanted.words())
    media, ending = FORMATS[wanted.format]
    headers = {"Content-Disposition": f'attachment; filename="alerts{ending}"'}
    return Response(content, media_type=media, headers=headers)
