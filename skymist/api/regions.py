"""What a map says: the regions of a scan, a position in it, and how it differs from another scan."""

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from skymist.api.access import make_router, operation
from skymist.api.results import kept_map
from skymist.api.scans import Current, ScanId
from skymist.api.service import Served, Service
from skymist.api.words import Name
from skymist.model.region import DEFAULT_CALIBRATION
from skymist.records import scans
from skymist.records.tables import Scan
from skymist.records.tokens import Access
from skymist.workflow import products

router = make_router("/v1/scans", tags=["results"])

Calibration = Annotated[Name, Query(description="Of the regions")]


class EventOfMap(BaseModel):
    """Which event a map is of."""

    run: int = Field(description="Of the experiment")
    event: int = Field(description="Of the experiment")
    utc: str = Field(description="When it was")
    kind: str = Field(description="Stream that selected it")
    simulated: bool = Field(description="Whether it is simulation")


class OfMap(BaseModel):
    """Which map it is that something is said of."""

    scan_id: str = Field(description="SHA-256 of its request")
    event: EventOfMap = Field(description="Which event it is of")
    reconstruction: str = Field(description="What it was made with")


class Sides(BaseModel):
    """Errors from the best fit; degrees."""

    ra_plus: float = Field(description="Of right ascension, towards east; 180 if a pole is within")
    ra_minus: float = Field(description="Towards west")
    dec_plus: float = Field(description="Of declination, towards north")
    dec_minus: float = Field(description="Towards south")


class RegionAnswer(BaseModel):
    """A region: its cells, and the polygons that are drawn around it."""

    ts: float | None = Field(description="The level; null if it is infinite")
    area_deg2: float = Field(description="Of its cells")
    contour_area_deg2: float = Field(description="Of the polygons, interpolated between cells")
    perimeter_deg: float = Field(description="Of the polygons")
    pieces: int = Field(description="How many polygons there are")
    holes: int = Field(description="How many holes are in them")
    open: bool = Field(description="Whether it may be larger: it reaches beyond the finest cells")
    errors: dict[str, Sides] = Field(description="By convention: corners of cells, their centres, or contour")


class RowAnswer(Sides):
    """A region by one of the calibrations that fit the map."""

    calibration: str = Field(description="Its name")
    containment: float = Field(description="Such as 0.9")
    ts: float | None = Field(description="The level; null if it is infinite")
    area_deg2: float = Field(description="Of the cells")
    open: bool = Field(description="Whether it may be larger")


class RegionsAnswer(OfMap):
    """The regions of a map."""

    calibration: str = Field(description="Of the regions")
    regions: dict[str, RegionAnswer] = Field(description="By containment in percent: 50 and 90")
    calibrations: list[RowAnswer] = Field(description="The same regions by every calibration that fits the map")


class PositionAnswer(BaseModel):
    """What a map says of a position."""

    ra: float = Field(description="ICRS, degrees")
    dec: float = Field(description="ICRS, degrees")
    uniq: int | None = Field(description="NUNIQ number of the cell there; null if none was scanned")
    evaluated: bool = Field(description="Whether that cell was; else the value is that of a coarser one")
    ts: float | None = Field(description="2 Delta(-ln L); null where nothing was scanned")
    density: float = Field(description="Probability per steradian; 0 where nothing was scanned")
    searched_probability: float = Field(description="Of all sky that is as probable, or more so")
    searched_area_deg2: float = Field(description="Of that sky")
    separation_deg: float = Field(description="From the best fit")
    inside: dict[str, bool] = Field(description="By containment in percent: whether it lies in the region")


class LocatedAnswer(OfMap):
    """A position in a map."""

    calibration: str = Field(description="Of the regions")
    position: PositionAnswer = Field(description="What is there")


class OverlapAnswer(BaseModel):
    """How the regions of two maps lie to each other."""

    containment: float = Field(description="Such as 0.9")
    area_a_deg2: float = Field(description="Of the region in a")
    area_b_deg2: float = Field(description="Of the region in b")
    common_deg2: float = Field(description="Of what is in both")
    union_deg2: float = Field(description="Of what is in one of them or in both")
    iou: float | None = Field(description="The one divided by the other: 1 if they are the same, 0 if they are apart")
    probability_of_a_in_b: float = Field(description="Probability by a of the region in b")
    probability_of_b_in_a: float = Field(description="Probability by b of the region in a")


class CellsAnswer(BaseModel):
    """How far the same cells of two maps have the same values."""

    common: int = Field(description="Cells that both have")
    only_a: int = Field(description="Cells that only a has")
    only_b: int = Field(description="Cells that only b has")
    failed_in_one: int = Field(description="Of those that both have, cells that have a value in one of them only")
    nllh: float | None = Field(description="Largest difference of the negative log-likelihood; null if none has both")
    energy: float | None = Field(description="Largest difference of the energy, as a share; null if none has both")


class DifferenceAnswer(BaseModel):
    """How two maps compare; a is the scan of the path."""

    a: OfMap = Field(description="The one")
    b: OfMap = Field(description="The other")
    same_event: bool = Field(description="Whether both are of the same run and event")
    calibration: str = Field(description="Of the regions")
    separation_deg: float = Field(description="Of the best fits")
    position_angle_deg: float = Field(description="Of b's best fit as seen from a's, north through east")
    ts_of_b_in_a: float | None = Field(description="TS in a where b fits best; null where nothing was scanned")
    ts_of_a_in_b: float | None = Field(description="TS in b where a fits best; null where nothing was scanned")
    jensen_shannon_bits: float = Field(description="Divergence of the densities: 0 the same, 1 disjoint")
    overlaps: list[OverlapAnswer] = Field(description="Of the 50 % and 90 % regions")
    cells: CellsAnswer = Field(description="Cells that both evaluated, whatever the regions are")


@router.get("/{scan_id}/regions", **operation(Access.VIEWER, 308, 404, 410))
def get_regions(service: Served, scan: Current, calibration: Calibration = DEFAULT_CALIBRATION) -> RegionsAnswer:
    """Return the 50 % and 90 % regions: areas of cells and contours, and errors in three conventions."""
    data = kept_map(service, scan)
    with service.drawing:
        return RegionsAnswer.model_validate(products.regions(data, calibration, compared=True))


@router.get("/{scan_id}/position", **operation(Access.VIEWER, 308, 404, 410))
def get_position(
    service: Served,
    scan: Current,
    ra: Annotated[float, Query(ge=0, le=360, description="Right ascension, ICRS, degrees")],
    dec: Annotated[float, Query(ge=-90, le=90, description="Declination, ICRS, degrees")],
    calibration: Calibration = DEFAULT_CALIBRATION,
) -> LocatedAnswer:
    """Return what the map says of a position: TS, searched probability and area, and whether it is in the regions."""
    data = kept_map(service, scan)
    with service.drawing:
        return LocatedAnswer.model_validate(products.locate(data, ra, dec, calibration))


@router.get("/{scan_id}/difference", **operation(Access.VIEWER, 308, 404, 410))
def get_difference(
    service: Served,
    scan: Current,
    other: Annotated[ScanId, Query()],
    calibration: Calibration = DEFAULT_CALIBRATION,
) -> DifferenceAnswer:
    """Return how the map compares with that of another scan, of the same event or not."""
    one, two = kept_map(service, scan), kept_map(service, _other(service, other))
    with service.drawing:
        return DifferenceAnswer.model_validate(products.difference(one, two, calibration))


def _other(service: Service, scan_id: str) -> Scan:
    """Return the scan to compare with; one that another took the place of is compared as it was."""
    with service.database.read() as session:
        found = scans.get(session, scan_id)
    if found.deleted is not None:
        raise HTTPException(410, f"scan {found.id[:12]} was deleted; POST to its /rescan brings it back")
    return found
