"""What scans give: numbers, files and the map itself, also of scans that still go on."""

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import xarray as xr
from fastapi import Path as InPath
from fastapi import Query, Response
from starlette.exceptions import HTTPException

from skymist.api import maps
from skymist.api.access import make_router, operation
from skymist.api.scans import Current
from skymist.api.service import Served, Service
from skymist.api.words import Name
from skymist.model.region import DEFAULT_CALIBRATION, find_calibration
from skymist.records.tables import Artifact, Event, Scan, ScanState
from skymist.records.tokens import Access
from skymist.store.place import Place, place
from skymist.store.tiling import METADATA
from skymist.store.zarr import read_skymap
from skymist.workflow.exports import EXPORTS, export
from skymist.workflow.plain import plain
from skymist.workflow.products import summary

router = make_router("/v1/scans", tags=["results"])

ZARR = "zarr"
MEDIA = {**{kind: each.media for kind, each in EXPORTS.items()}, ZARR: "application/zip"}
Format = Literal[
    "json", "fits", "fits-flat", "png", "pdf", "svg", "csv", "contours-ecsv", "ds9", "geojson", "moc", "moc-json",
    "skyscan-json", "skyscan-npz", "zarr",
]  # fmt: skip
"""Those of `EXPORTS` and `ZARR`: the document of the API has to have them to the letter."""
BYTES: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}


def of_media(description: str, media: Iterable[str]) -> dict[str, Any]:
    """Return what OpenAPI is told of an answer that is a file of one of these types."""
    content = {each: {"schema": {"type": "object"}} if "json" in each else BYTES for each in sorted(set(media))}
    return {"description": description, "content": content}


_FILE = operation(Access.VIEWER, 308, 404, 410)
_FILE["responses"][200] = of_media("The file", MEDIA.values())
_KEY = operation(Access.VIEWER, 308, 404, 410)
_KEY["responses"][200] = of_media("What the key holds", ("application/octet-stream", "application/json"))


@router.get("/{scan_id}/result", response_class=Response, **_FILE)
def get_result(
    service: Served,
    scan: Current,
    format: Annotated[Format, Query(description="Kind of file; zarr as a zip, FITS compressed")] = "json",
    calibration: Annotated[Name | None, Query(description=f"Of the regions; {DEFAULT_CALIBRATION} by default")] = None,
) -> Response:
    """Return the map in a format; of a scan that goes on, that of the cells so far."""
    if calibration is not None:
        find_calibration(calibration)
    ending = ".zarr.zip" if format == ZARR else EXPORTS[format].ending
    headers = {"Content-Disposition": f'attachment; filename="{scan.id[:12]}{ending}"'}
    return Response(_content(service, scan, format, calibration), media_type=MEDIA[format], headers=headers)


@router.get("/{scan_id}/zarr/{key:path}", response_class=Response, **_KEY)
def get_key(
    service: Served, scan: Current, key: Annotated[str, InPath(max_length=200, description="zarr.json, uniq/c/0 ...")]
) -> Response:
    """Return a part of the map as Zarr v3: this path is one that ``xarray.open_zarr`` opens."""
    content = maps.read(_kept(service, scan), key)
    if content is None:
        raise HTTPException(404, "the map has no such key")
    return Response(content, media_type=MEDIA["json"] if key.endswith(METADATA) else "application/octet-stream")


def kept_map(service: Service, scan: Scan) -> xr.Dataset:
    """Return the map of a scan; 404 if there is none yet, or no cell of it has a likelihood."""
    data = read_skymap(_kept(service, scan))
    if not np.isfinite(data["nllh"]).any():
        raise HTTPException(404, f"no cell of the map of scan {scan.id[:12]} has a likelihood yet")
    return data


def _content(service: Service, scan: Scan, kind: str, calibration: str | None) -> bytes:
    if calibration is None and (ready := _ready(service, scan, kind)) is not None:
        return ready
    with service.drawing:
        if kind == ZARR:
            return maps.archive(_kept(service, scan))
        data = kept_map(service, scan)
        if kind == "json":
            return json.dumps(summary(data, calibration or DEFAULT_CALIBRATION, {}, {})).encode()
        with tempfile.TemporaryDirectory(prefix="skymist-") as folder:
            file = Path(folder, f"map{EXPORTS[kind].ending}")
            export(data, kind, file, calibration or DEFAULT_CALIBRATION)
            return file.read_bytes()


def _ready(service: Service, scan: Scan, kind: str) -> bytes | None:
    """Return what was made when the scan was complete, if it is there."""
    if scan.state != ScanState.COMPLETE or kind == ZARR:
        return None
    if kind == "json" and scan.summary:
        return json.dumps(plain(scan.summary)).encode()
    with service.database.read() as session:
        made = session.get(Artifact, (scan.id, kind))
    file = None if made is None else place(made.url)
    return file.read_bytes() if file is not None and file.exists() else None


def find_place(service: Service, scan: Scan) -> Place:
    """Return where the map of a scan is, or will be: where it was recorded to be, or where the runner writes it."""
    with service.database.read() as session:
        made = session.get(Artifact, (scan.id, ZARR))
        event = session.get_one(Event, scan.event_id)
    name = f"run{event.run:08d}.evt{event.event:012d}.{scan.request['reconstruction']}.{scan.id[:12]}.zarr"
    return place(service.settings.out) / scan.role / name if made is None else place(made.url)


def _kept(service: Service, scan: Scan) -> Place:
    """Return the store of a scan."""
    kept = find_place(service, scan)
    if not (kept / METADATA).exists():
        raise HTTPException(404, f"scan {scan.id[:12]} is {scan.state} and has no map yet")
    return kept
