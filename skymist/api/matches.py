"""Counterparts: which known sources are in the region of a scan, and what chance gives."""

from typing import Annotated

from fastapi import Query

from skymist.api.access import make_router, operation
from skymist.api.answers import CatalogAnswer, MatchesAnswer, Page, whole
from skymist.api.results import kept_map
from skymist.api.scans import Current
from skymist.api.service import Served
from skymist.api.words import Name
from skymist.crossmatch.catalog import describe
from skymist.crossmatch.fetch import versions
from skymist.errors import UnknownNameError
from skymist.model.region import DEFAULT_CALIBRATION
from skymist.records.tokens import Access
from skymist.workflow.match import at_hand, match_map, own_cache, own_catalogs

router = make_router(tags=["counterparts"])


@router.get("/catalogs", **operation(Access.VIEWER))
def get_catalogs() -> Page[CatalogAnswer]:
    """List the catalogs that can be matched."""
    return whole(_catalog(name) for name in at_hand())


@router.get("/scans/{scan_id}/matches", **operation(Access.VIEWER, 308, 404, 410))
def get_matches(
    service: Served,
    scan: Current,
    catalog: Annotated[list[Name], Query(max_length=20, description="Names; all that are here by default")] = [],  # noqa: B006 (FastAPI's)
    calibration: Annotated[Name, Query(description="Of the regions")] = DEFAULT_CALIBRATION,
) -> MatchesAnswer:
    """Return the sources in the 50 % and 90 % regions of a scan, the nearest outside, and what chance gives."""
    known = at_hand()
    for name in catalog:  # files of descriptions are for those who run the service
        if name not in known:
            raise UnknownNameError("catalog", name, known)
    skymap = kept_map(service, scan)
    with service.drawing:
        return MatchesAnswer(calibration=calibration, **match_map(skymap, catalog or known, calibration))


def _catalog(name: str) -> CatalogAnswer:
    found = describe(name, own_catalogs())
    kept = versions(name, own_cache())
    said = {key: str(found.words[key]) for key in ("title", "version", "reference")}
    return CatalogAnswer(name=name, fetched=kept[-1]["time"] if kept else None, **said)
