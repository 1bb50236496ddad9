"""Keywords of FITS files: what they say of the event, the fit and the regions of a sky map.

Names are those of IceCube's public maps, as far as these have one; ours come on top.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from astropy.io import fits

from skymist.model import region as regions
from skymist.model.alert import STREAMS
from skymist.model.region import Calibration, Region

Value = str | int | float | bool
Card = tuple[str, Value, str]

_SIMULATED = "SIMULATED EVENT, NOT AN OBSERVATION OF THE SKY"
_ERRORS = {
    "RA_ERR_PLUS": "ra_plus", "RA_ERR_MINUS": "ra_minus", "DEC_ERR_PLUS": "dec_plus", "DEC_ERR_MINUS": "dec_minus",
}  # fmt: skip
_PERCENT = 50, 90
_DENSITY = "multi-order-fits"  # as `skymist.store.peers` calls it, which needs this module
_NOT_PRINTABLE = re.compile(r"[^ -~]")
_SHORT = 68  # characters of a text that stands in one card
_CARD = 80  # characters of a card


def pixel_cards(ordering: str, indexing: str, nside: int) -> list[Card]:
    """Return how cells are numbered, as Aladin and healpy want it."""
    return [
        ("EXTNAME", "SKYMAP", ""),
        ("PIXTYPE", "HEALPIX", "HEALPix pixelisation"),
        ("ORDERING", ordering, "pixel ordering scheme"),
        ("COORDSYS", "C", "celestial (ICRS)"),
        ("INDXSCHM", indexing, "how pixels are numbered"),
        ("NSIDE", nside, "finest resolution"),
    ]


def describe(skymap: xr.Dataset, calibration: str | Calibration, note: str) -> list[Card]:
    """Return what the header says of the event, the fit and the regions.

    Parameters
    ----------
    skymap : xarray.Dataset
    calibration : str or Calibration
        Of the regions.
    note : str
        What a reader of the file has to know of its values.

    Returns
    -------
    list of (keyword, value, comment)

    Raises
    ------
    UnknownNameError, RequestError, ReadError
        As for `skymist.model.region.region`.
    """
    about = skymap.attrs
    return [*_event_cards(about), *_origin_cards(about), *_region_cards(skymap, calibration), ("NOTE", note, "")]


def set_cards(header: fits.Header, cards: Iterable[Card]) -> None:
    """Set keywords, later ones in the place of earlier ones.

    What FITS cannot hold is left out (numbers that are not finite) or becomes ``?`` (all but printable ASCII).
    Long names follow the HIERARCH convention, and long texts that of LONGSTRN, which is told then
    (FITS 4.0, section 4.2.1.2, has no need of it, but fitsverify warns).
    """
    for keyword, value, comment in cards:
        if keyword == "COMMENT":
            header.add_comment(value)
            continue
        plain = value.item() if isinstance(value, np.generic) else value
        if isinstance(plain, float) and not np.isfinite(plain):
            continue
        if isinstance(plain, str):
            plain = _NOT_PRINTABLE.sub("?", plain)
        if isinstance(plain, str) and len(plain.replace("'", "''")) > _SHORT and "LONGSTRN" not in header:
            header["LONGSTRN"] = ("OGIP 1.0", "long texts go on in CONTINUE")
        if len(keyword) > 8:
            keyword = f"HIERARCH {keyword}"
            comment = comment if len(f"{keyword} = '{plain}' / {comment}") <= _CARD else ""  # astropy would warn
        header[keyword] = (plain, comment)


def _event_cards(attributes: Mapping[str, Any]) -> list[Card]:
    event = attributes["event"]
    cards: list[Card] = [
        ("OBJECT", f"{event['run']}_{event['event']}", "unique identifier: run_event"),
        ("RUNID", event["run"], "run number"),
        ("EVENTID", event["event"], "event number"),
        # Without TIMESYS times are UTC (FITS 4.0, section 9.2.1). With it, mocpy takes the map for one of time.
        ("DATE-OBS", event["utc"], "UTC of the event"),
        ("MJD-OBS", event["mjd"], "[d] the same as modified Julian date"),
        ("EVENT-TYPE", event["kind"], "stream that selected it"),
        ("RADESYS", "ICRS", "frame of RA and DEC"),
        ("SIMULATED", bool(event["simulated"]), "whether this is simulation"),
    ]
    if event["simulated"]:
        cards.insert(0, ("COMMENT", _SIMULATED, ""))
    return [*cards, *_stream_cards(event)]


def _origin_cards(attributes: Mapping[str, Any]) -> list[Card]:
    """Return which scan by which program made the map."""
    reconstruction = attributes["reconstruction"]
    return [
        ("SENDER", "skymist", "who made this map"),
        ("CREATOR", attributes["software"], "software"),
        *_date_cards(attributes["created"]),
        ("SCANID", attributes["scan_id"], ""),
        ("RECO", reconstruction["name"], "reconstruction"),
        ("RECOVERS", reconstruction["version"], "its version"),
        ("RECOOPTS", json.dumps(reconstruction["options"], sort_keys=True), "its options"),
        ("COMPLETE", bool(attributes["complete"]), "whether the scan was finished"),
        *floor_cards(attributes),
    ]


def floor_cards(attributes: Mapping[str, Any]) -> list[Card]:
    """Return the sigma of the Gaussian that the probability of a map was convolved with, if it was."""
    floor = attributes.get("floor")
    return [("FLOORDEG", floor["sigma_deg"], "[deg] sigma it was convolved with")] if floor else []


def _date_cards(created: str) -> list[Card]:
    """Return when the scan was made; results of others do not tell, and an empty date is one nobody can read."""
    date = created.removesuffix("Z").removesuffix("+00:00")
    return [("DATE", date, "UTC at which the scan was made")] if date else []


def _stream_cards(event: Mapping[str, Any]) -> list[Card]:
    """Return the alert stream if the event's kind is one; whoever knows it otherwise gives it as a keyword."""
    stream = str(event["kind"]).lower()
    return [("ALERT-STREAM", stream.upper(), "of public alerts")] if stream in STREAMS else []


def _region_cards(skymap: xr.Dataset, calibration: str | Calibration) -> list[Card]:
    best = regions.best_fit(skymap)
    calibration = regions.find_calibration(calibration)
    cards: list[Card] = [
        ("CALIBRAT", calibration.name, "how containment becomes a TS level"),
        ("RA", np.degrees(best.ra), "[deg] best fit, centre of its cell"),
        ("DEC", np.degrees(best.dec), "[deg] best fit, centre of its cell"),
        *([] if _is_density(skymap.attrs) else [("NLLH", best.nllh, "-ln L at the best fit")]),
        ("ENERGY", best.energy_gev, "[GeV] at the best fit"),
    ]
    found = {percent: regions.region(skymap, percent / 100, calibration) for percent in _PERCENT}
    for percent, region in found.items():
        cards += _error_cards(region, percent)
    levels = [f"{region.ts:.4g}" for region in found.values()]
    said = f"50%(90%) uncertainty location => Change in 2LLH of {levels[0]}({levels[1]})"
    return [*cards, ("COMMENTS", said, "")]


def _is_density(attributes: Mapping[str, Any]) -> bool:
    """Tell whether a map was read from FITS: it has no likelihood, and ``nllh`` is minus the logarithm of a density."""
    return bool(attributes.get("imported", {}).get("format") == _DENSITY)


def _error_cards(region: Region, percent: int) -> list[Card]:
    errors = [(f"{key}_{percent}", getattr(region, name), f"[deg] {percent}% region") for key, name in _ERRORS.items()]
    return [
        *errors,
        (f"CONTOUR AREA ({percent}%)", region.area_deg2, "[deg2]"),
        (f"TS_LEVEL_{percent}", region.ts, "2 Delta(-ln L)"),
        (f"OPEN_{percent}", region.open, "reaches unscanned sky"),
    ]
