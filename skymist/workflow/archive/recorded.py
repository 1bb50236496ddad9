"""What is recorded of a scan, so that it can be made again: its map and the event that it is of."""

import xarray as xr
from sqlalchemy.orm import Session

from skymist.errors import RequestError
from skymist.model.event import Event
from skymist.model.identity import Thing
from skymist.records import Database, identities, scans, tables
from skymist.store.zarr import read_skymap
from skymist.workflow import ingest


def of_scan(database: Database, scan_id: str) -> tuple[xr.Dataset, Event]:
    """Return the map of a scan of the records and the event that it is of, for `reproduce`.

    Parameters
    ----------
    database : Database
    scan_id : str
        Or the beginning of it, or what the archive calls the scan or its map (``scan_...``, ``map_...``).

    Raises
    ------
    UnknownNameError
        If there is no such scan.
    RequestError
        If it has no map.
    ReadError
        If its map is not where it was kept.
    """
    with database.read() as session:
        named = _in_archive(session, scan_id)
        scan = scans.get(session, scan_id if named is None else str(named.scan_id))
        made = session.get(tables.Artifact, (scan.id, tables.ZARR))
    if made is None or scan.deleted is not None:
        why = "was deleted" if scan.deleted is not None else f"is {scan.state} and has no map"
        raise RequestError(f"scan {scan.id[:12]} {why}")
    if named is not None and named.thing == Thing.MAP and named.subject != made.sha256:
        raise RequestError(f"{named.fragment} is not there any more: a later run of scan {scan.id[:12]} replaced it")
    return read_skymap(made.url), ingest.load_event(database, scan.event_id)


def _in_archive(session: Session, name: str) -> tables.Identity | None:
    """Return the scan or map that a name of the archive is of; None for any other text."""
    if not name.startswith(("scan_", "map_", "ivo://")):
        return None
    identity = identities.get(session, name)
    if identity.scan_id is None:
        raise RequestError(f"{identity.fragment} was not made here, so that it cannot be made again")
    return identity
