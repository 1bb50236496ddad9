"""The map of a scan while it fills in, for who watches: small, and asked for again and again at little cost."""

import asyncio
import time
from functools import partial
from typing import Annotated

from fastapi import Query, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from skymist.api.access import make_router, operation
from skymist.api.results import find_place
from skymist.api.scans import Current
from skymist.api.service import Served, Service
from skymist.plot.frames import FrameName
from skymist.records.tables import Scan
from skymist.records.tokens import Access
from skymist.store.place import Place

router = make_router("/v1/scans", tags=["results"])

LOOKS = 20
"""So many times, in the seconds in which a store commits at the latest, who waits looks whether it has."""

MOST_SECONDS = 10.0

Paths = list[list[int]]


class BestSoFar(BaseModel):
    """The best fit so far."""

    ra: float = Field(description="Of the cell's centre, degrees, ICRS")
    dec: float = Field(description="The same")
    nllh: float = Field(description="Its negative log-likelihood")
    nside: int = Field(description="Of the cell")


class RegionSoFar(BaseModel):
    """A region so far."""

    containment: float = Field(description="0.5 or 0.9")
    ts: float | None = Field(description="Its level of TS; null if all is within")
    area_deg2: float = Field(description="Of its cells")
    open: bool = Field(description="Whether it may go on beyond what was looked at")


class Picture(BaseModel):
    """Numbers by pixel: 0 where nothing is known, else TS = top ((number - 1) / (highest - 1))²."""

    width: int = Field(description="Pixels")
    height: int = Field(description="Pixels")
    top: float = Field(description="TS of the highest number, which stands for all above, too")
    image: str = Field(description="PNG, 8-bit grayscale, as base64")
    best: list[float] = Field(description="Best fit: x to the right and y down from the upper left corner, pixels")
    contours: list[list[list[int]]] = Field(
        description="Of the 50 and the 90 % region: curves as steps x, y, x, y ... from the upper left corner on"
    )


class SkyPicture(Picture):
    """The whole sky in Hammer projection."""

    frame: str = Field(description="equatorial, galactic or local")
    title: str = Field(description="Of the frame, as people write it")
    middle: float = Field(description="Longitude in the middle, degrees; longitudes grow to the left")
    turn: list[list[float]] = Field(description="Matrix that turns vectors from ICRS into the frame")


class NearPicture(Picture):
    """The surroundings of the best fit on an equal-area plane (ZEA), north up and east to the left."""

    ra: float = Field(description="Of the middle, degrees, ICRS")
    dec: float = Field(description="The same")
    size: float = Field(description="Half a side in the plane, radians")
    side_deg: float = Field(description="Side on the sky along the middle, degrees")


class PictureAnswer(BaseModel):
    """What a map looks like as far as it is."""

    version: int = Field(description="Another number after each commit: the rows, and one more when it is complete")
    stored: int = Field(description="When the last rows were committed, UTC, milliseconds since 1970")
    cells: int = Field(description="That were evaluated")
    failed: int = Field(description="That have no likelihood")
    levels: dict[str, int] = Field(description="Cells by nside")
    complete: bool = Field(description="Whether no more come")
    utc: str = Field(description="Time of the event; empty if it is not known")
    best: BestSoFar = Field(description="The best fit so far")
    calibration: str = Field(description="Of the regions")
    highest: int = Field(description="Highest number of a pixel")
    fraction: float = Field(description="Of a pixel, in which contours are counted")
    regions: list[RegionSoFar] = Field(description="That of 50 and that of 90 %")
    sky: SkyPicture = Field(description="The whole sky")
    near: NearPicture = Field(description="The surroundings of the best fit")


_PICTURE = operation(Access.VIEWER, 308, 404, 410)
_PICTURE["responses"][200] = {"model": PictureAnswer, "description": "The picture"}
_PICTURE["responses"][204] = {"description": "There is no other than that of `after`"}


@router.get("/{scan_id}/picture", response_class=Response, **_PICTURE)
async def get_picture(
    service: Served,
    scan: Current,
    after: Annotated[int | None, Query(ge=0, le=2**53, description="Version that is known; 0 for none")] = None,
    wait: Annotated[float, Query(ge=0, le=MOST_SECONDS, description="Seconds to wait for another one")] = 0.0,
    frame: Annotated[FrameName, Query(description="Of the whole sky")] = "equatorial",
) -> Response:
    """Return what the map looks like, also while the scan goes on; nothing (204) if that is known already."""
    content = await _awaited(service, scan, frame, after, wait)
    if content is None and after is None:
        raise HTTPException(404, f"scan {scan.id[:12]} is {scan.state} and has no map yet")
    return Response(status_code=204) if content is None else Response(content, media_type="application/json")


async def _awaited(service: Service, scan: Scan, frame: str, after: int | None, wait: float) -> bytes | None:
    """Look again and again, without a thread that waits; the records are not asked again."""
    kept = await run_in_threadpool(service.pictures.place, scan.id, partial(find_place, service, scan))
    until = time.monotonic() + wait
    while True:
        content = await run_in_threadpool(service.pictures.newer, kept, frame, after)
        left = until - time.monotonic()
        if content is not None or left <= 0:
            return content
        await asyncio.sleep(min(_pause(kept), left))


def _pause(kept: Place) -> float:
    """Return the seconds between two looks."""
    return kept.commit_seconds / LOOKS
