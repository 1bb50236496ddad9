"""Earlier alerts as a catalog, with which a sky map is matched like any other."""

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from skymist.crossmatch.catalog import SourceCatalog
from skymist.model.alert import Kind, Revision, Role
from skymist.records import Database, alerts, tables


def earlier_alerts(database: Database, before: np.datetime64, role: Role, but: int | None = None) -> SourceCatalog:
    """Return alerts as a catalog: those of events before a time, with a position, and not retracted.

    Parameters
    ----------
    database : Database
    before : numpy.datetime64
    role : Role
    but : int, optional
        Number of an alert that is left out.
    """
    time = f"{np.datetime_as_string(before, unit='ns')}Z"
    query = select(tables.Alert).where(tables.Alert.role == role, tables.Alert.time < time)
    query = query.where(tables.Alert.retracted.is_(False)).options(selectinload(tables.Alert.revisions))
    rows: list[tuple[str, str, str, Revision]] = []  # name, time, stream
    with database.read() as session:
        for each in session.scalars(query.order_by(tables.Alert.time)):
            placed = [said for said in alerts.whole(each).revisions if _has_place(said)]
            if placed and each.id != but:
                rows.append((each.name, each.time, each.stream, placed[-1]))
    places = np.array([(said.ra, said.dec, _error(said)) for *_, said in rows], float).reshape(-1, 3)
    ra, dec, error = np.radians(places).T
    names, times, streams = (np.array([row[place] for row in rows], str) for place in range(3))
    kept = {"time": times, "stream": streams}
    return SourceCatalog("alerts", "earlier alerts", time[:19], "", "", names, ra, dec, error, kept)


def _has_place(said: Revision) -> bool:
    return said.ra is not None and said.kind != Kind.RETRACTION


def _error(said: Revision) -> float:
    """Return the radius of the circle that has the area of the 90 % errors of a revision, degrees; NaN if unknown."""
    if said.errors_90 is not None:
        east, west, north, south = said.errors_90
        return float(np.sqrt((east + west) / 2 * np.cos(np.radians(said.dec or 0.0)) * (north + south) / 2))
    return float("nan") if said.radius_90 is None else said.radius_90
