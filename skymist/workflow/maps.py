"""Read a sky map, whoever made it: ours, a result of Skymap Scanner, or a public multi-order FITS map."""

from contextlib import suppress
from typing import Any

import xarray as xr

from skymist.errors import ReadError, RequestError, UnknownNameError
from skymist.model.region import DEFAULT_CALIBRATION
from skymist.store.peers import CONVENTIONS, FITS, read_peer_map
from skymist.store.place import Where, place
from skymist.store.tiling import METADATA
from skymist.store.zarr import read_skymap
from skymist.workflow import accessor  # noqa: F401 (so that maps that are read have .skymist)

__all__ = ["DENSITY_CALIBRATION", "load_map", "read_skymap", "usual_calibration"]

DENSITY_CALIBRATION = "probability"
"""Of maps that hold a density and no likelihood: there is no TS for which levels were calibrated."""


def load_map(
    where: Where, *, convention: str | None = None, utc: str | None = None, floor_deg: float = 0.0
) -> xr.Dataset:
    """Read a sky map of any kind.

    Parameters
    ----------
    where : path, URL or Place
        A store of ours (a ``.zarr`` folder), also one that still grows; a result of Skymap Scanner (JSON, NPZ); or a
        multi-order FITS map.
    convention : str, optional
        Of declination in results of Skymap Scanner that do not tell it: ``standard`` or ``mirrored``.
    utc : str, optional
        Time of the event, for results that do not tell it. What a map says itself counts, so that maps of several
        kinds can be read with the same arguments.
    floor_deg : float
        Sigma of a Gaussian on the sky with which the probability is convolved; none if 0.

    Returns
    -------
    xarray.Dataset
        A sky map; ``encoding["source"]`` is where it was read from.

    Raises
    ------
    ReadError
        If there is no map, or none that can be read.
    RequestError
        If nothing tells the convention, the event or its time, or if the floor makes no sense for this map.
    UnknownNameError
        If there is no such convention.
    StoreError
        If the object store cannot be reached.
    """
    from skymist.model.floor import with_floor  # takes a while to import

    data = with_floor(_read(where, convention, utc), floor_deg)
    data.encoding["source"] = str(place(where))
    return data


def usual_calibration(data: xr.Dataset) -> str:
    """Return the calibration of regions for who names none: that of densities for what is no likelihood."""
    density = data.attrs.get("imported", {}).get("format") == FITS
    return DENSITY_CALIBRATION if density or "floor" in data.attrs else DEFAULT_CALIBRATION


def _read(where: Where, convention: str | None, utc: str | None) -> xr.Dataset:
    if convention is not None and convention not in CONVENTIONS:
        raise UnknownNameError("declination convention", convention, CONVENTIONS)
    kept = place(where)
    if (kept / METADATA).exists():
        return read_skymap(kept)
    if kept.exists():
        return _of_others(kept.read_bytes(), kept.name, convention, utc)
    if not kept.names():
        raise ReadError("there is no such file, and no folder with something in it", str(kept))
    return read_skymap(kept)  # says what it lacks


def _of_others(content: bytes, name: str, convention: str | None, utc: str | None) -> xr.Dataset:
    """Return the map of a file, which is told no more than it needs."""
    told: list[dict[str, Any]] = [{}]
    if convention is not None:
        told.append({"convention": convention})
    if utc is not None:
        told += [{**each, "event": {"utc": utc}} for each in told]
    for each in told[:-1]:
        with suppress(RequestError):
            return read_peer_map(content, name, **each)
    return read_peer_map(content, name, **told[-1])
