"""What a map says of itself in its own attributes: those of ACDD 1.3 and CF 1.11, so that a lone copy is understood.

Attribute Convention for Data Discovery 1.3 (ESIP 2015); NetCDF Climate and Forecast Metadata Conventions 1.11 (2023).
There are no ``geospatial_*`` attributes: they are places on the Earth, and the positions of a map are on the sky. Nor
are there ``creator_*``, ``publisher_*`` and ``license`` without a `Site`: nobody but the person who made a map can say
who made it, and what others may do with it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from skymist.fair.record import Agent, Site
from skymist.model import region, sky, skymap
from skymist.model.identity import Thing, content_fragment, ivo

CONVENTIONS = "CF-1.11, ACDD-1.3"
STANDARD_NAMES = "CF Standard Name Table v85"
KEYWORDS = "neutrino astronomy", "multi-messenger astronomy", "sky localization", "likelihood", "HEALPix", "multi-order"
REFERENCES = (
    "Reinecke & Hivon 2015, A&A 580, A132 (NUNIQ numbers)",
    "Singer & Price 2016, PRD 93, 024013 (multi-order probability maps)",
)
COMMENT = (
    "Each row along cell is one evaluation of the likelihood, coarse and fine, in the order in which they were made. "
    "uniq is the HEALPix cell (4 nside**2 + ipix, nested, ICRS). For probability use the group tiling, whose cells "
    "tile the sky: probdensity (1/sr) is proportional to exp(-nllh) of the finest cells, flat prior, and integrates "
    "to one. time is in ns on the clock of the event, and no date. Positions are on the sky, so nothing is geospatial."
)

_TYPES = {"person": "person", "organisation": "institution", "software": "group"}


def describe(data: xr.Dataset, site: Site | None = None) -> dict[str, str]:
    """Return attributes that say what a complete map is.

    Parameters
    ----------
    data : xarray.Dataset
        See `skymist.model.skymap`; with the attributes that a scan gives it.
    site : Site, optional
        The archive that it is made for, with the licence that this gives.

    Returns
    -------
    dict of str to str

    Raises
    ------
    ReadError
        If no cell has a finite value.
    """
    attributes = data.attrs
    event, how = attributes["event"], attributes["reconstruction"]
    moment, method = _zulu(event["utc"]), f"{how['name']} version {how['version']}"
    ran = attributes.get("provenance", {}).get("stretches", ())
    name = f"run {event['run']} event {event['event']}"
    return {
        "Conventions": CONVENTIONS,
        "title": f"{_warning(event)}Sky map of {name} by {how['name']}",
        "summary": _summary(name, data),
        "keywords": ", ".join([*KEYWORDS, *(["simulation"] if event["simulated"] else [])]),
        "id": content_fragment(Thing.MAP, skymap.content_hash(data)),
        "history": "\n".join(_history(attributes, ran)),
        "source": f"{_warning(event)}likelihood scan of one event, {method}, {attributes['software']}",
        "processing_level": "derived: reconstruction of one event in each direction of the sky",
        "comment": COMMENT,
        "references": "; ".join(REFERENCES),
        "standard_name_vocabulary": STANDARD_NAMES,
        "instrument": str(attributes["detector"]["name"]),
        "date_created": _zulu(attributes["created"]),
        "date_modified": _zulu(ran[-1].get("ended", attributes["created"]) if ran else attributes["created"]),
        "time_coverage_start": moment,
        "time_coverage_end": moment,
        "time_coverage_duration": "PT0S",
        **({} if site is None else _of_site(site)),
    }


def _of_site(site: Site) -> dict[str, str]:
    """Return who made and keeps it, and what may be done with it."""
    people = site.creators or (Agent(site.publisher, "creator", "organisation"),)
    return {
        "naming_authority": ivo(site.authority, "").removesuffix("#"),
        "license": f"https://spdx.org/licenses/{site.licence}.html",
        "creator_name": "; ".join(each.name for each in people),
        "creator_type": "; ".join(_TYPES.get(each.kind, each.kind) for each in people),
        **_given("creator_url", "; ".join(each.identifier for each in people if each.identifier)),
        **_given("creator_email", site.contact if "@" in site.contact else ""),
        "publisher_name": site.publisher,
        "publisher_type": "institution",
        **_given("publisher_url", site.home),
        **_given("publisher_email", site.contact if "@" in site.contact else ""),
    }


def _given(name: str, value: str) -> dict[str, str]:
    return {name: value} if value else {}


def _summary(name: str, data: xr.Dataset) -> str:
    """Return what was done and what was found, in words."""
    event, best = data.attrs["event"], region.best_fit(data)
    of_what = " This is a simulated event, not an observation of the sky." if event["simulated"] else ""
    stream = event["kind"] or "no stream"
    return (
        f"Where the neutrino candidate {name} ({_zulu(event['utc'])}, {stream}) in {data.attrs['detector']['name']} "
        f"came from: negative log-likelihood of each direction of the sky, from coarse to fine.{of_what} Best fit RA "
        f"{np.degrees(best.ra):.4f} deg, Dec {np.degrees(best.dec):+.4f} deg (ICRS){_areas(data)}."
    )


def _areas(data: xr.Dataset) -> str:
    """Return the areas of the usual regions, in words; where all leaves are worse than the best fit, there are none."""
    tiling, calibration = skymap.leaves(data), region.find_calibration(region.DEFAULT_CALIBRATION)
    uniq, ts = tiling["uniq"].to_numpy(), tiling["ts"].to_numpy()
    told = ""
    for share in (0.5, 0.9):
        area = np.degrees(np.degrees(sky.area_sr(uniq[ts <= calibration.level(tiling, share)]).sum()))
        told += f", {100 * share:g} % region {area:.4g} deg2" if area else ""
    return f"{told} (calibration {calibration.name})" if told else ""


def _history(attributes: Mapping[str, Any], stretches: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what was done when, the first first; a map that does not say how it was computed has its creation only."""
    how = attributes["reconstruction"]
    what = f"sky scan with {how['name']} {how['version']}, request {attributes['scan_id']}"
    if not stretches:
        yield f"{_zulu(attributes['created'])}: {attributes['software']}: {what}"
    for each in stretches:
        more = f", begun {each['starts']} times" if each["starts"] > 1 else ""
        yield f"{_zulu(each['started'])}: skymist {each['software']['skymist']}: {what}{more}"


def _warning(event: Mapping[str, Any]) -> str:
    return "SIMULATED EVENT: " if event["simulated"] else ""


def _zulu(time: str) -> str:
    """Return a time in UTC with the letter that says so."""
    return time.removesuffix("Z").removesuffix("+00:00") + "Z"
