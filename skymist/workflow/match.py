"""Match a sky map with catalogs, and with the alerts before it."""

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from skymist.crossmatch.catalog import SourceCatalog, describe, descriptions
from skymist.crossmatch.chance import of_trials
from skymist.crossmatch.fetch import load_catalog, versions
from skymist.crossmatch.match import match, prepare
from skymist.model.alert import Kind, Revision, Role
from skymist.model.region import DEFAULT_CALIBRATION
from skymist.records import Database, alerts, tables
from skymist.workflow.plain import plain

CANDIDATES = "neutrino-candidates"
"""The catalog that comes with skymist."""


def own_cache() -> Path:
    """Return where a user's fetched catalogs are."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "skymist", "catalogs")


def own_catalogs() -> Path:
    """Return where a user's own descriptions of catalogs are."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config", "skymist", "catalogs")


def at_hand() -> list[str]:
    """Return the names of catalogs that can be matched without a network."""
    names = descriptions(own_catalogs())
    return [name for name in names if describe(name, own_catalogs()).table is None or versions(name, own_cache())]


def match_map(
    skymap: xr.Dataset, catalogs: Sequence[str | Path | SourceCatalog], calibration: str = DEFAULT_CALIBRATION
) -> dict[str, Any]:
    """Return the sources of catalogs in the region of a map, as JSON-like values.

    Returns
    -------
    dict
        ``matches``: by catalog, see `skymist.crossmatch.match.Matches.to_dict`; ``trials``: how many catalogs there
        were, and the probability ``p_best`` that the best of all their sources is as good by chance.

    Raises
    ------
    UnknownNameError
        If there is no such catalog or calibration.
    """
    prepared = prepare(skymap, calibration)
    found = [match(prepared, each if isinstance(each, SourceCatalog) else load(each)) for each in catalogs]
    chances = [each.chance.p_best for each in found if len(each.catalog.names)]
    trials = {"catalogs": len(found), "p_best": of_trials(chances)}
    return dict(plain({"matches": [each.to_dict() for each in found], "trials": trials}))


def load(which: str | Path) -> SourceCatalog:
    """Return a catalog by name or description; one that was read is kept in memory while its files are the same."""
    path = describe(which, own_catalogs()).path
    fetched = own_cache() / path.stem
    stamp = tuple(each.stat().st_mtime_ns for each in (path, path.parent, fetched) if each.exists())
    return _load(str(which), stamp)


@lru_cache(maxsize=16)
def _load(which: str, stamp: tuple[int, ...]) -> SourceCatalog:  # noqa: ARG001 (it is what the memory is of)
    return load_catalog(which, own_cache(), own_catalogs())


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
