"""Files of an alert: one list of all that can be downloaded, and messages byte for byte as they came."""

from pathlib import PurePath
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Path as InPath
from fastapi import Response
from pydantic import BaseModel, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException

from skymist.api.access import Caller, make_router, operation
from skymist.api.alerts import Found
from skymist.api.answers import Page, whole
from skymist.api.results import BYTES, MEDIA, ZARR
from skymist.api.service import Served
from skymist.model import alert as model
from skymist.model.identity import Thing
from skymist.model.revisions import label_of
from skymist.records import alerts, identities
from skymist.records.tables import Alert, Artifact, Event, Identity, Input, InputStatus, Scan, ScanState
from skymist.records.tokens import Access
from skymist.workflow.archive.describe import FORMATS
from skymist.workflow.exports import EXPORTS

router = make_router(tags=["archive"])

InputId = Annotated[str, InPath(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the message")]

_CONTENT = operation(Access.VIEWER, 404)
_CONTENT["responses"][200] = {"description": "The bytes", "content": {"application/octet-stream": BYTES}}


class FileAnswer(BaseModel):
    """Something that can be downloaded."""

    group: str = Field(description="scan, record, notice or event: what it belongs to")
    of: str = Field(description="Which of these: id of a scan or event, fragment of a record, or id of a message")
    label: str = Field(description="The same for people")
    format: str = Field(description="Kind of file")
    about: str = Field(description="What it is, in a few words")
    name: str = Field(description="Usual name of the file")
    url: str = Field(description="Path on this service")
    media: str = Field(description="Its media type")
    size: int | None = Field(description="Bytes; null if it is made when it is asked for")
    sha256: str | None = Field(description="Of the content, if it is kept")
    calibrated: bool = Field(description="Whether ?calibration= decides about the regions in it")


@router.get("/alerts/{name}/files", **operation(Access.VIEWER, 404))
def get_files(service: Served, alert: Found) -> Page[FileAnswer]:
    """List all files of an alert: of its scans that have a map, of its records, its notices and its events."""
    with service.database.read() as session:
        found = session.get_one(Alert, alert.id)
        return whole([*_of_scans(session, found), *_of_messages(session, found), *_of_records(session, found)])


@router.get("/inputs/{input_id}/content", response_class=Response, **_CONTENT)
def get_input(service: Served, person: Caller, input_id: InputId) -> Response:
    """Return a message byte for byte as it came, whatever is in it; to analysts also what could not be read."""
    with service.database.read() as session:
        kept = session.get(Input, input_id)
        if kept is None:
            raise HTTPException(404, f"there is no message {input_id[:12]}")
        if kept.status == InputStatus.QUARANTINED and not person.role.includes(Access.ANALYST):
            raise HTTPException(403, f"message {input_id[:12]} could not be read; seeing it needs the role analyst")
        file = session.scalar(select(Event.file).where(Event.input_id == input_id).limit(1))
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(file or _name(kept))}"}
    return Response(kept.content, media_type="application/octet-stream", headers=headers)


def _name(kept: Input) -> str:
    """Return a name for a message, whose ending tells what it looks like."""
    begins = kept.content.lstrip()[:1]
    ending = {b"{": ".json", b"[": ".json", b"<": ".xml"}.get(begins, PurePath(kept.position).suffix or ".txt")
    return f"{kept.kind}-{kept.id[:12]}{ending if ending.isprintable() and len(ending) < 12 else '.bin'}"


def _of_scans(session: Session, alert: Alert) -> list[FileAnswer]:
    ours = select(Scan).join(Event, Event.id == Scan.event_id).where(Event.alert_id == alert.id)
    query = ours.where(Scan.deleted.is_(None), Scan.state == ScanState.COMPLETE).order_by(Scan.created.desc(), Scan.id)
    return [file for scan in session.scalars(query) for file in _of_scan(session, scan)]


def _of_scan(session: Session, scan: Scan) -> list[FileAnswer]:
    kept = {each.kind: each for each in session.scalars(select(Artifact).where(Artifact.scan_id == scan.id))}
    about = {**{kind: each.about for kind, each in EXPORTS.items()}, ZARR: "the map itself: every cell, as a zip"}
    endings = {**{kind: each.ending for kind, each in EXPORTS.items()}, ZARR: ".zarr.zip"}
    # The size of the store is not that of the zip that is made of it.
    sizes = {kind: each.size for kind, each in kept.items() if kind != ZARR}
    return [
        FileAnswer(
            group="scan", of=scan.id, label=f"scan {scan.id[:8]} ({scan.request['reconstruction']})", format=kind,
            about=about[kind], name=f"{scan.id[:12]}{endings[kind]}", url=f"/v1/scans/{scan.id}/result?format={kind}",
            media=MEDIA[kind], size=sizes.get(kind), sha256=kept[kind].sha256 if kind in sizes else None,
            calibrated=kind not in _AS_THEY_ARE,
        )
        for kind in (*EXPORTS, ZARR)
    ]  # fmt: skip


_AS_THEY_ARE = {ZARR, "csv", "skyscan-json", "skyscan-npz"}
"""Formats without regions."""


def _of_messages(session: Session, alert: Alert) -> list[FileAnswer]:
    came = session.execute(select(Event.input_id, Event.file).where(Event.alert_id == alert.id))
    files = {each.input_id: each.file for each in came}
    ids = dict.fromkeys([*(each.input_id for each in alert.revisions if each.input_id), *files])
    query = select(Input, func.length(Input.content)).where(Input.id.in_(ids)).order_by(Input.received, Input.id)
    return [_message(kept, size, files.get(kept.id)) for kept, size in session.execute(query)]


def _message(kept: Input, size: int, file: str | None) -> FileAnswer:
    source = f"{kept.source} {kept.position}".strip()
    return FileAnswer(
        group="notice" if file is None else "event", of=kept.id, label=source, format="raw",
        about="message as it came" if file is None else "file of the event as it came", name=file or _name(kept),
        url=f"/v1/inputs/{kept.id}/content", media="application/octet-stream", size=size, sha256=kept.id,
        calibrated=False,
    )  # fmt: skip


def _of_records(session: Session, alert: Alert) -> list[FileAnswer]:
    own = identities.of(session, Thing.ALERT, str(alert.id))
    found: list[tuple[Identity, str, bool]] = [(own, f"alert {alert.name}", True)]
    for said in alerts.whole(alert).revisions:
        found.append(
            (identities.of(session, Thing.REVISION, said.id), label_of(said), said.catalog not in model.SILENT)
        )
    scans = select(Identity).where(Identity.alert_id == alert.id, Identity.thing.in_((Thing.SCAN, Thing.MAP)))
    for each in session.scalars(scans.order_by(Identity.created, Identity.fragment)):
        found.append((each, f"{each.thing} {each.subject[:8]}", False))
    return [file for each in found for file in _record(*each)]


def _record(identity: Identity, label: str, told: bool) -> list[FileAnswer]:
    """Return the documents of a record; only what says something of a particle is a VOEvent."""
    where: dict[str, Any] = {"group": "record", "of": identity.fragment, "label": label}
    return [
        FileAnswer(
            **where, format=name, about=_WORDS[name], name=f"{identity.fragment}.{each.file}",
            url=f"/v1/records/{quote(identity.fragment)}/documents/{name}", media=each.media_type, size=None,
            sha256=None, calibrated=False,
        )
        for name, each in FORMATS.items() if name != "voevent" or told
    ]  # fmt: skip


_WORDS = {
    "datacite": "metadata as of DataCite", "json-ld": "metadata as of schema.org", "json": "what it says, as JSON",
    "prov": "where it comes from, as W3C PROV", "obscore": "a row of ObsCore", "voevent": "VOEvent 2.0",
    "html": "page for people",
}  # fmt: skip
