"""Maps that others have made come into the records: beside the alert that they are of, and beside our own."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
import xarray as xr
from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from skymist.errors import ConflictError, UnknownNameError
from skymist.model import alert as model
from skymist.model import skymap
from skymist.model.alert import SKY_MAP, Role, Tense
from skymist.records import Database, alerts, identities, inputs, log, tables
from skymist.store.peers import check_time, identify_peer_map, read_peer_map
from skymist.store.place import Place, Where, absolute
from skymist.store.zarr import SkyMapStore
from skymist.workflow import products
from skymist.workflow.maps import usual_calibration

MAP = "map"
"""Kind of message."""


def import_map(
    database: Database, content: bytes, file: str, out: Where, who: str, *,
    convention: str | None = None, reconstruction: str = "", utc: str | None = None,
) -> tuple[tables.ImportedMap, bool]:  # fmt: skip
    """Keep a map of another program, with our map of it; the alert is made if there is none.

    A map that does not say whether it is of a real event is taken to be what the alert of its run and event is, and
    without one to be a simulation.

    Parameters
    ----------
    database : Database
    content : bytes
        A result of Skymap Scanner (JSON, NPZ), or a public multi-order FITS map.
    file : str
        Its name, which may tell run and event.
    out : path, URL or Place
        Folder of the maps; each role has its own folder in it.
    who : str
        For the log.
    convention : str, optional
        Of declination, if neither the file nor the position of the alert tells it; see `skymist.store.peers`.
    reconstruction : str
        Its name, which results do not tell.
    utc : str, optional
        Time of the event, if neither the file nor the records tell it.

    Returns
    -------
    kept : skymist.records.tables.ImportedMap
    new : bool
        False if it was known already, whatever its file is called; nothing is changed then.

    Raises
    ------
    ReadError
        If it is no such map.
    ConflictError
        If it is kept already, in another convention than this one.
    RequestError
        If nothing tells the convention, or which event it is of and when that was, or if `utc` is another time.
    """
    file = PurePath(file).name[-inputs.LONGEST :]
    digest = hashlib.sha256(content).hexdigest()
    with database.read() as session:
        known = _known(session, digest)
    if known:
        _check_same(known, convention)
        return known, False
    said = identify_peer_map(content, file)
    with database.read() as session:
        alert = _alert(session, said)
    event = _event(said, alert, utc)
    data = read_peer_map(
        content, file, _position(alert), convention=convention, event=event, reconstruction=reconstruction
    )
    with database.read() as session:
        if known := _known(session, skymap.content_hash(data)):
            return known, False
    summary = {**products.summary(data, usual_calibration(data), {}, {}), "imported": data.attrs["imported"]}
    url = _store(data, absolute(out) / _role(data.attrs["event"]))
    try:
        return _keep(database, data, content, url, summary, who)
    except IntegrityError:  # somebody else keeps the same at this moment
        return _keep(database, data, content, url, summary, who)


def _check_same(known: tables.ImportedMap, convention: str | None) -> None:
    """Refuse to take a map once more in another way than before: what came of it may have been used."""
    before = known.summary["imported"]["convention"]
    if convention is not None and convention != before:
        raise ConflictError(f"{known.file} is kept already, in the convention {before}, not {convention}")


def _known(session: Session, *sha256: str) -> tables.ImportedMap | None:
    """Return a map by the SHA-256 of its file, or of its content."""
    kept = tables.ImportedMap
    return session.scalar(select(kept).where(or_(kept.id.in_(sha256), kept.sha256.in_(sha256))))


def _role(event: Mapping[str, Any]) -> Role:
    return Role.TEST if event["simulated"] else Role.OBSERVATION


def _alert(session: Session, event: Mapping[str, Any]) -> tables.Alert | None:
    """Return the alert of a map; if it does not say whether its event is real, an observation before a test."""
    for role in (_role(event),) if "simulated" in event else (Role.OBSERVATION, Role.TEST):
        try:
            return alerts.find(session, f"{event['run']}_{event['event']}", role)
        except UnknownNameError:
            continue
    return None


def _event(said: Mapping[str, Any], alert: tables.Alert | None, utc: str | None) -> dict[str, Any]:
    """Return what is known of an event beside what its map says; the time of its alert only if the map has none."""
    real = {} if alert is None else {"simulated": alert.role != Role.OBSERVATION}
    if alert is None or {"utc", "mjd"} & set(said):
        return real if utc is None else {**real, "utc": utc}
    if utc is not None:
        check_time(alert.time, utc)
    return {**real, "utc": alert.time}


def _position(alert: tables.Alert | None) -> tuple[float, float] | None:
    return None if alert is None or alert.ra is None or alert.dec is None else (alert.ra, alert.dec)


def _store(data: xr.Dataset, folder: Place) -> str:
    """Keep our map of it, and return where; one that a killed process has left there is finished."""
    event, about = data.attrs["event"], json.dumps(data.attrs, sort_keys=True)
    digest = hashlib.sha256(f"{skymap.content_hash(data)}{about}".encode()).hexdigest()
    kept = folder / f"run{event['run']:08d}.evt{event['event']:012d}.{_slug(data)}.{digest[:12]}.zarr"
    with SkyMapStore(kept, data.attrs) as store:
        if not store.rows_kept:
            store.append(data["uniq"].to_numpy(), skymap.fit_of(data))
        store.commit(complete=bool(data.attrs["complete"]))
    return str(kept)


def _slug(data: xr.Dataset) -> str:
    name = data.attrs["reconstruction"]["name"][:40]
    return "".join(each if (each.isascii() and each.isalnum()) or each in "-_" else "-" for each in name)


def _keep(
    database: Database, data: xr.Dataset, content: bytes, url: str, summary: dict[str, Any], who: str
) -> tuple[tables.ImportedMap, bool]:
    imported, sha256 = data.attrs["imported"], skymap.content_hash(data)
    with database.begin() as session:
        if known := _known(session, imported["sha256"], sha256):
            return known, False
        item, _ = inputs.receive(session, content, MAP, who, imported["source"])
        inputs.accept(session, item)
        alert = _alert(session, data.attrs["event"]) or _make(session, data.attrs["event"], item.id, who)
        kept = tables.ImportedMap(
            id=item.id, input_id=item.id, alert_id=alert.id, file=imported["source"], format=imported["format"],
            reconstruction=data.attrs["reconstruction"]["name"][:100], url=url, sha256=sha256, size=len(content),
            summary=summary,
        )  # fmt: skip
        session.add(kept)
        session.flush()
        identities.name_map(session, sha256, alert.id)
        log.note(session, who, "imported", "alert", alert.id, input_id=item.id, map=sha256, format=kept.format)
        return kept, True


def _make(session: Session, event: Mapping[str, Any], input_id: str, who: str) -> tables.Alert:
    """Make an alert of which only a map is known."""
    time = np.datetime64(event["utc"].removesuffix("Z"), "ns")
    tense = Tense.TEST if _role(event) == Role.TEST else Tense.CURRENT
    kind = f"event type {event['kind']}" if event["kind"] else ""
    said = model.Revision(event["run"], event["event"], time, tense=tense, catalog=SKY_MAP, comment=kind)
    return alerts.record(session, said, input_id, who)[0]
