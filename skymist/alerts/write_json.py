"""Write notices of GCN's topic for single neutrinos: JSON, by the schema gcn/notices/icecube/single_neutrino_alerts.

What is not known is left out. A retraction says what it takes back, and why: no position, no energy.
"""

import json
from typing import Any

import numpy as np

from skymist.errors import RequestError
from skymist.model.alert import DAYS_PER_YEAR, Kind, Revision, Tense

SCHEMA = "https://gcn.nasa.gov/schema/main/gcn/notices/icecube/single_neutrino_alerts.schema.json"
SECONDS_PER_YEAR = DAYS_PER_YEAR * 86_400
PIPELINES = {"gold": "Gold Track Alert", "bronze": "Bronze Track Alert", "cascade": "Cascade Alert"}
DIGITS = 10
"""Significant ones of what is computed; what was told is written as it was told."""


def notice_of(revision: Revision, *, sent: np.datetime64, tense: Tense = Tense.TEST) -> dict[str, Any]:
    """Return a revision as a notice, in the order of the schema's example.

    Parameters
    ----------
    revision : Revision
    sent : numpy.datetime64
        When it goes out, UTC.
    tense : Tense
        What it refers to: a test, if nothing else is said.

    Raises
    ------
    RequestError
        If the revision has no number.
    """
    if revision.number is None:
        raise RequestError(f"a notice of {revision.key} needs the number of the revision")
    retraction = revision.kind == Kind.RETRACTION
    notice = {
        "$schema": SCHEMA, "mission": "IceCube", "instrument": "IC86", "messenger": "Neutrino",
        "pipeline": PIPELINES.get(revision.stream), "record_number": revision.number,
        "event_name": [revision.name] if revision.name else None, "id": [revision.key],
        "alert_datetime": _time(sent), "alert_type": str(revision.kind), "alert_tense": str(tense),
        "alert_topology": revision.topology.capitalize() or None, "number_of_events": 1,
        **({} if retraction else _measured(revision)), "trigger_time": _time(revision.time),
        "additional_info": revision.comment or None,
    }  # fmt: skip
    return {key: value for key, value in notice.items() if value is not None}


def write_json(revision: Revision, *, sent: np.datetime64, tense: Tense = Tense.TEST) -> bytes:
    """Return a revision as the bytes of a notice: the same gives the same bytes. See `notice_of`."""
    notice = notice_of(revision, sent=sent, tense=tense)
    return (json.dumps(notice, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _measured(revision: Revision) -> dict[str, Any]:
    """Return what was measured: where it came from, and what it is."""
    error = _error(revision)
    far = revision.far_per_year
    return {
        "ra": _number(revision.ra), "dec": _number(revision.dec), "ra_dec_error": error,
        "containment_probability": None if error is None else 0.9,
        "systematic_included": revision.systematic if error is not None else None,
        "healpix_url": revision.map_url or None, "nu_energy": _number(revision.energy_tev),
        "p_astro": _number(revision.signalness), "far": None if far is None else _rounded(far / SECONDS_PER_YEAR),
    }  # fmt: skip


def _error(revision: Revision) -> float | list[float] | None:
    """Return the 90 % error as the schema has it: a radius, or semi-axes and position angle."""
    if revision.ellipse_90 is not None:
        return [float(each) for each in revision.ellipse_90]
    if revision.radius_90 is not None:
        return _number(revision.radius_90)
    return None if revision.circle_90 is None else _rounded(revision.circle_90)


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _time(time: np.datetime64) -> str:
    """Return a time as ISO 8601, without zeros at the end of what is below a millisecond."""
    text = str(np.datetime_as_string(time, unit="ns"))
    return f"{text[:23]}{text[23:].rstrip('0')}Z"
