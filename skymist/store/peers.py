"""Maps that other programs made, as sky maps: results of Skymap Scanner and public multi-order FITS maps.

Two conventions of declination exist. HEALPix and newer results have theta = pi/2 - dec; older results have
theta = pi/2 + dec, the sky upside down, and do not say so. Their metadata, if there are any, do not have ``complete``
and ``version`` yet, which came after the change; where these lack, too, only a position tells. There is no
specification: these are facts of the public code of icecube/skymap_scanner and icecube/skyreader, and of its files.
"""

import gzip
import hashlib
import re
import zlib
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import xarray as xr

from skymist.detector.geometry import icecube_86
from skymist.errors import ReadError, RequestError, UnknownNameError
from skymist.model import sky, skymap
from skymist.model.reconstruction import Fit
from skymist.model.sky import Ints
from skymist.store import peer_fits, peer_scans
from skymist.store.fits import GZIP
from skymist.store.peer_scans import LIMIT, Level, truth

JSON, NPZ, FITS = FORMATS = ("skymap-scanner-json", "skymap-scanner-npz", "multi-order-fits")
STANDARD, MIRRORED = CONVENTIONS = ("standard", "mirrored")

CELLS_LIMIT = 4_000_000
"""Of cells that refined ones may lack in a file."""

_READERS = {JSON: peer_scans.read_json, NPZ: peer_scans.read_npz}
_SNIFFED = 2**16
_MARKS = ("complete", "version")
_FACTS = "run", "event", "utc", "mjd", "kind", "simulated", "truth"
_NAMED = re.compile(r"run(\d{1,18})[.-]evt(\d{1,18})(?:[.-](?!json|npz|fits|gz)([A-Za-z]+))?")
_UTC = re.compile(r"(19|20|21)\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?")
_MJD_ZERO = np.datetime64("1858-11-17T00:00:00", "us")
_MJD_RANGE = 15020, 88069  # 1900 to 2099
_DAY_US = 86_400_000_000
_ROUNDED = np.timedelta64(1, "s")  # days often have few decimals

Position = tuple[float, float]
_Map = tuple[Ints, Fit, dict[str, Any]]  # cells, their fits, attributes


def is_peer_map(content: bytes) -> bool:
    """Tell by its beginning whether a file may be one that `read_peer_map` reads."""
    try:
        return _format(_unpacked(content, _SNIFFED)) is not None
    except ReadError:
        return False


def read_peer_map(
    content: bytes,
    source: str = "",
    position: Position | None = None,
    *,
    convention: str | None = None,
    event: Mapping[str, Any] | None = None,
    reconstruction: str = "",
) -> xr.Dataset:
    """Read a map of another program.

    Parameters
    ----------
    content : bytes
        Of the file; gzip is understood.
    source : str
        Name of the file. It tells run and event if it is one of Skymap Scanner's and the content does not.
    position : (ra, dec), optional
        Where the event comes from by its notice, a catalog or another reconstruction; degrees, ICRS. It tells the
        convention of declination if nothing else does.
    convention : str, optional
        One of `CONVENTIONS`, for whoever knows it.
    event : mapping, optional
        What is known of the event, keys as in a map's ``event``; it goes before what the file says, but for the time:
        that has to be the same. Results of which nothing says whether the event was simulated count as simulated, as
        for their own reader.
    reconstruction : str
        Its name, which results do not tell.

    Returns
    -------
    xarray.Dataset
        A sky map. ``scan_id`` is the SHA-256 of `content`, ``request`` is empty, and ``imported`` says what was read:
        format, convention of declination, and the evidence for that. What a refined cell lacks in the file has failed,
        so that the value of the refined cell stands there.

    Raises
    ------
    ReadError
        If it is no such map.
    RequestError
        If nothing tells the convention of declination, or which event it is and when, or if it is of another event or
        time.
    UnknownNameError
        If there is no such convention.
    """
    if convention is not None and convention not in CONVENTIONS:
        raise UnknownNameError("declination convention", convention, CONVENTIONS)
    digest = hashlib.sha256(content).hexdigest()
    try:
        kind, (uniq, fit, attributes) = _read(content, position, convention)
        attributes["event"] = _event(attributes["event"], event or {}, source)
    except ReadError as error:
        raise (error.within(source) if source else error) from error
    except RequestError as error:
        raise RequestError(f"{source or 'a map'}: {error}") from error
    attributes["reconstruction"]["name"] = reconstruction or attributes["reconstruction"]["name"] or "unknown"
    attributes["imported"] |= {"format": kind, "source": source, "sha256": digest, "size": len(content)}
    found = skymap.create(uniq, fit, {"scan_id": digest, "request": {}, "detector": _site(), **attributes})
    return skymap.validate(found, source)


def identify_peer_map(content: bytes, source: str = "") -> dict[str, Any]:
    """Return what a map of another program says of its event; its file's name tells which it is if nothing else does.

    Returns
    -------
    dict
        ``run`` and ``event``, and what else it says of ``utc``, ``mjd``, ``kind`` and ``simulated``.

    Raises
    ------
    ReadError
        If it is no such map.
    RequestError
        If nothing tells which event it is of.
    """
    try:
        _, (_, _, attributes) = _read(content, None, STANDARD)
        said = _with_name(attributes["event"], source)
    except ReadError as error:
        raise (error.within(source) if source else error) from error
    if not {"run", "event"} <= set(said):
        raise RequestError(f"{source or 'a map'} does not say which event it is of: its name may, as run1.evt2.json")
    return {**said, **{key: _whole(key, said[key]) for key in ("run", "event")}}


def check_time(utc: str, given: str) -> None:
    """Raise RequestError if the time that is given for an event is not the one that is known, to a second."""
    one, other = (_times({"utc": each})["utc"] for each in (utc, given))
    if abs(np.datetime64(one) - np.datetime64(other)) > _ROUNDED:
        raise RequestError(f"its time is {one}, not {other}: leave the time out, as it is known")


def _read(content: bytes, position: Position | None, convention: str | None) -> tuple[str, _Map]:
    plain = _unpacked(content, LIMIT + 1)
    if len(plain) > LIMIT:
        raise ReadError(f"more than {LIMIT} bytes")
    kind = _format(plain)
    if kind is None:
        raise ReadError(f"none of the formats that are understood: {', '.join(FORMATS)}")
    if kind == FITS:
        return kind, _of_density(plain, convention)
    return kind, _of_levels(_READERS[kind](plain), position, convention)


def _unpacked(content: bytes, size: int) -> bytes:
    """Return a file that may be compressed, or as much of it."""
    if not content.startswith(GZIP):
        return content[:size]
    try:
        return gzip.GzipFile(fileobj=BytesIO(content)).read(size)
    except (OSError, EOFError, zlib.error) as error:
        raise ReadError(f"it cannot be decompressed: {error}") from error


def _format(plain: bytes) -> str | None:
    """Return which of the formats it may be."""
    start = plain[:_SNIFFED]
    if start.startswith(b"SIMPLE  =") and b"NUNIQ" in start:
        return FITS
    if start.startswith(b"PK\x03\x04") and b"nside-" in start:
        return NPZ
    return JSON if re.match(rb'\s*\{\s*"nside-\d', start) else None


def _of_density(plain: bytes, convention: str | None) -> _Map:
    if convention == MIRRORED:
        raise RequestError(f"a multi-order map is never {MIRRORED}")
    uniq, fit, cards = peer_fits.read_density(plain)
    about = {"convention": STANDARD, "evidence": "its format has no other", "header": peer_fits.said_of(cards)}
    return uniq, fit, {"event": peer_fits.event_of(cards), **peer_fits.origin_of(cards), "imported": about}


def _of_levels(levels: Sequence[Level], position: Position | None, convention: str | None) -> _Map:
    fit = peer_scans.fit_of(levels)
    if not np.isfinite(fit.nllh).any():
        raise ReadError("no pixel has a finite likelihood")
    cells = {each: np.concatenate([level.cells(mirrored=each == MIRRORED) for level in levels]) for each in CONVENTIONS}
    marks = [mark for mark in _MARKS if all(mark in level.metadata for level in levels)]
    about = _choose(cells, int(np.nanargmin(fit.nllh)), marks, position, convention)
    uniq = cells[about["convention"]]
    missing = _missing(uniq)
    attributes = {
        "event": peer_scans.event_of(levels),
        "reconstruction": {"name": "", "version": "", "options": {}},
        "software": "skymap_scanner",
        "created": "",
        "complete": all(truth("complete", level.metadata.get("complete", True)) for level in levels),
        "imported": {**about, "cells_missing": missing.size},
    }
    return np.concatenate([uniq, missing]), Fit.concatenate([fit, Fit.failed(missing.size)]), attributes


def _choose(
    cells: Mapping[str, Ints], best: int, marks: Sequence[str], position: Position | None, convention: str | None
) -> dict[str, Any]:
    """Return the convention, the evidence for it, and how far from the position the best fit is in each."""
    away = {} if position is None else {each: _away(int(uniq[best]), position) for each, uniq in cells.items()}
    near, far = sorted(CONVENTIONS, key=lambda each: away.get(each, 0.0))
    told = f"the best fit is {away[near]:.2f} deg from the position if {near}, {away[far]:.2f} if {far}" if away else ""
    width = np.degrees(np.sqrt(sky.area_sr(cells[STANDARD][best])))
    if convention:
        found, evidence = convention, "whoever imported it said so"
    elif marks:
        found, evidence = STANDARD, f"its metadata have {' and '.join(marks)}"
    elif np.array_equal(cells[STANDARD], cells[MIRRORED]):
        found, evidence = STANDARD, "both are the same: its pixels lie on the equator"
    elif away and 2 * away[near] < away[far] and away[far] - away[near] > width:
        found, evidence = near, told
    else:
        raise RequestError(
            "nothing tells whether its declinations are 'standard' (theta = pi/2 - dec) or 'mirrored' "
            f"(theta = pi/2 + dec){told and ': '}{told}; give the convention, or a position of the event that tells"
        )
    return {"convention": found, "evidence": evidence, **({"separation_deg": away} if away else {})}


def _away(uniq: int, position: Position) -> float:
    ra, dec = position
    if not (np.isfinite(ra) and abs(dec) <= 90):
        raise RequestError(f"{ra}, {dec} is no position on the sky in degrees")
    return float(np.degrees(sky.separation(*sky.centers(uniq), np.radians(ra), np.radians(dec))))


def _missing(uniq: Ints) -> Ints:
    """Return the cells that a file lacks of those that finer levels divide.

    A finished map has no hole where a child lacks only if that is a row without value; see `skymap.leaves`.
    """
    nside = sky.nside_of(uniq)
    levels = [int(level) for level in np.unique(nside)]
    known, room = uniq[nside == levels[0]], CELLS_LIMIT
    for at, level in enumerate(levels[1:], 1):
        fine = orphans = uniq[nside == level]
        new = [known, fine]
        for coarse in reversed(levels[:at]):
            parents = sky.parent(orphans, coarse)
            held = np.isin(parents, known)
            divided, orphans = np.unique(parents[held]), orphans[~held]
            room -= divided.size * (level // coarse) ** 2
            if room < 0:
                raise ReadError(f"cells of nside {coarse} are divided into more than {CELLS_LIMIT} of nside {level}")
            new.append(sky.children(divided, level).ravel())
        known = np.unique(np.concatenate(new))
    return np.setdiff1d(known, uniq)


def _event(said: Mapping[str, Any], known: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return the event of a map: what the importer knows, then what the file says, then what its name says.

    Of times, that of the file: two would be another's time for the same fit.
    """
    said = {"kind": "", "simulated": True, **_with_name(said, source)}
    if {"utc", "mjd"} & set(said) and {"utc", "mjd"} & set(known):
        check_time(_times(said)["utc"], _times(known)["utc"])
        known = {key: value for key, value in known.items() if key not in ("utc", "mjd")}
    facts = {key: value for key, value in {**said, **known}.items() if key in _FACTS}
    if not {"run", "event"} <= set(facts) or not {"utc", "mjd"} & set(facts):
        raise RequestError("it does not say which event it is of, or when that was: give run, event and utc")
    ids = {key: _whole(key, facts[key]) for key in ("run", "event")}
    for key, value in ids.items():
        if (own := _whole(key, said.get(key, value))) != value:
            raise RequestError(f"it is of {key} {own}, not of {key} {value}")
    return {**facts, **ids, **_times(facts), "kind": str(facts["kind"]), "simulated": bool(facts["simulated"])}


def _with_name(said: Mapping[str, Any], source: str) -> dict[str, Any]:
    named = _NAMED.search(source)
    if named and not {"run", "event"} & set(said):
        return {"run": named[1], "event": named[2], "kind": named[3] or "", **said}
    return dict(said)


def _whole(name: str, value: Any) -> int:
    if not re.fullmatch(r"\d{1,18}", str(value).strip()):
        raise ReadError(f"{name} {str(value)[:40]!r} is not a whole number")
    return int(value)


def _times(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``utc`` and ``mjd``; the one that lacks follows from the other."""
    if facts.get("utc") is None:
        utc = str(_MJD_ZERO + np.timedelta64(round(_day(facts["mjd"]) * _DAY_US), "us"))
    else:
        utc = str(facts["utc"]).strip().replace(" ", "T").removesuffix("Z").removesuffix("+00:00")
    try:
        moment = np.datetime64(utc if _UTC.fullmatch(utc) else "none", "ns").astype(_MJD_ZERO.dtype)
    except ValueError:
        raise ReadError(f"{utc[:40]!r} is no time in UTC such as 2022-06-24T16:13:16.40") from None
    return {"utc": utc, "mjd": _day(facts.get("mjd", (moment - _MJD_ZERO) / np.timedelta64(1, "D")))}


def _day(mjd: Any) -> float:
    try:
        day = float(mjd)
    except (TypeError, ValueError, OverflowError):
        day = np.nan
    if not _MJD_RANGE[0] <= day < _MJD_RANGE[1]:
        raise ReadError(f"MJD {str(mjd)[:40]!r} is not a day from 1900 to 2099")
    return day


def _site() -> dict[str, Any]:
    """Return where the detector is: all of these maps are IceCube's."""
    site = icecube_86()
    places = ("name", "latitude_deg", "longitude_deg", "x_bearing_deg")
    return {key: getattr(site, key) for key in places}
