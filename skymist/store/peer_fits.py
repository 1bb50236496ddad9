"""Public multi-order FITS maps, those of IceCube and our own, as sky maps.

What a header says of its event differs from year to year: ``MJD-OBS`` was once ``EVENTMJD``, ``EVENT-TYPE`` was
``I3TYPE``. Its ``NOTE`` says to ignore pixels that are infinite or NaN: there the fit did not converge.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from skymist.errors import ReadError
from skymist.model import sky
from skymist.model.reconstruction import Fit, Status
from skymist.model.sky import Floats, Ints
from skymist.store.fits import read_map_bytes
from skymist.store.peer_scans import MAX_NSIDE

_EVENT = {"run": ("RUNID",), "event": ("EVENTID",), "utc": ("DATE-OBS", "START"), "mjd": ("MJD-OBS", "EVENTMJD"),
          "kind": ("EVENT-TYPE", "I3TYPE"), "simulated": ("SIMULATED",)}  # fmt: skip
_LAYOUT = re.compile(r"XTENSION|EXTNAME|BITPIX|NAXIS|PCOUNT|GCOUNT|T(FIELDS|TYPE|FORM|UNIT|DIM)|CHECKSUM|DATASUM")


def read_density(content: bytes) -> tuple[Ints, Fit, dict[str, Any]]:
    """Read the cells that have a density, with nllh = -ln(density).

    Density 0 is no value: there nothing was evaluated, or nothing expected. Where it is not finite, the fit failed.

    Returns
    -------
    uniq : (n,) int64
    fit : Fit
    cards : dict
        The header.

    Raises
    ------
    ReadError
        If it is no such map, if cells overlap or are too small, or if a density is negative or none is positive.
    """
    found = read_map_bytes(content)
    uniq, density = found["uniq"].to_numpy(), found["probdensity"].to_numpy()
    _check_cells(uniq, found.attrs)
    if np.any(density < 0):
        raise ReadError(f"PROBDENSITY is {np.nanmin(density):g} in a cell")
    if not np.any(np.isfinite(density) & (density > 0)):
        raise ReadError("PROBDENSITY is nowhere positive")
    there = density != 0
    return uniq[there], _fit(density[there]), found.attrs


def event_of(cards: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a header says of the event; keys as in a map's ``event``. What is published is no simulation."""
    known = {key: next((cards[name] for name in names if name in cards), None) for key, names in _EVENT.items()}
    return {"simulated": False, **{key: value for key, value in known.items() if value is not None}}


def origin_of(cards: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a header says of who made it and how, as attributes of a map.

    Raises
    ------
    ReadError
        If it gives options that are not JSON.
    """
    try:
        options = json.loads(cards.get("RECOOPTS", "{}"))
    except (ValueError, TypeError, RecursionError) as error:
        raise ReadError(f"RECOOPTS is not JSON: {error}") from error
    if not isinstance(options, dict):
        raise ReadError("RECOOPTS is not a JSON object")
    reconstruction = {"name": str(cards.get("RECO", "")), "version": str(cards.get("RECOVERS", "")), "options": options}
    return {
        "reconstruction": reconstruction,
        "software": str(cards.get("CREATOR") or cards.get("SENDER") or "unknown"),
        "created": str(cards.get("DATE", "")),
        "complete": bool(cards.get("COMPLETE", True)),
    }


def said_of(cards: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords that are not about how the table is laid out."""
    said = {key: value for key, value in cards.items() if key and not _LAYOUT.match(key)}
    return {key: value for key, value in said.items() if isinstance(value, str | int | float)}


def _check_cells(uniq: Ints, cards: Mapping[str, Any]) -> None:
    system = str(cards.get("COORDSYS", "C"))
    if system.strip()[:1].upper() not in ("C", "Q"):
        raise ReadError(f"COORDSYS is {system!r}, a map of the equatorial sky has 'C'")
    if uniq.max() >= 16 * MAX_NSIDE**2:
        raise ReadError(f"it has cells finer than nside {MAX_NSIDE}")
    scale = (MAX_NSIDE // sky.nside_of(uniq)) ** 2
    first, width = sky.ipix_of(uniq) * scale, scale
    order = np.argsort(first)
    if np.any(first[order][1:] < (first + width)[order][:-1]):
        raise ReadError("its cells overlap")


def _fit(density: Floats) -> Fit:
    ok, unknown = np.isfinite(density), Fit.failed(density.size)
    nllh = np.where(ok, -np.log(np.where(ok, density, 1.0)), np.nan)
    return Fit(nllh, unknown.energy_gev, unknown.time_ns, unknown.vertex, np.where(ok, Status.OK, Status.FAILED))
