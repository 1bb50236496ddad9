"""Notices of GCN's topic for single neutrinos: JSON.

The schema (gcn/notices/icecube/single_neutrino_alerts) requires nothing, and it and the documentation disagree in
places; so nothing is demanded here but the numbers and the time of the event, and whether it is real.
"""

import base64
import binascii
import hashlib
import json
import math
import re
from typing import Any

import numpy as np

from skymist.alerts.values import Draft, kind_of, shown, time, whole
from skymist.errors import ReadError
from skymist.model.alert import DAYS_PER_YEAR, STREAMS, UNKNOWN_TIME, Kind, Revision, Tense

SIZE_LIMIT, SIZE_LIMIT_WITH_MAP = 1 << 20, 8 << 20
"""Of notices in bytes, without and with a sky map in them."""

_ID = re.compile(r"\s*(\d+)_(\d+)\s*", re.ASCII)
_DEPTH = 16
_SECONDS_PER_YEAR = DAYS_PER_YEAR * 86_400


def read_json(content: bytes) -> Revision:
    """Return what a notice says.

    Raises
    ------
    ReadError
        If it is no JSON object, too large or too deep, or does not tell run, event, time and what world it is of.
    """
    notice = _parsed(content)
    draft = Draft()
    run, event = _numbers(draft, _listed(notice.pop("id", None)))
    counted = notice.pop("record_number", None)
    number = draft.count("record_number", counted)
    kind = _kind(draft, notice.pop("alert_type", None), number)
    when = _when(notice.pop("trigger_time", None), kind)
    said = {
        "number": None if counted is None and kind == Kind.RETRACTION else number,
        "kind": kind,
        "tense": _tense(draft, notice.pop("alert_tense", None)),
        "issued": draft.time("alert_datetime", notice.pop("alert_datetime", None)),
        "name": _name(draft, _listed(notice.pop("event_name", None)), when),
        "stream": _stream(draft, notice.pop("pipeline", None)),
        **_place(draft, notice),
        "energy_tev": draft.number("nu_energy", notice.pop("nu_energy", None), 0),
        "signalness": draft.number("p_astro", notice.pop("p_astro", None), 0, 1),
        "far_per_year": _scaled(draft.number("far", notice.pop("far", None), 0), _SECONDS_PER_YEAR),
        "map_url": draft.url("healpix_url", notice.pop("healpix_url", None)),
    }
    _note_file(draft, notice.pop("healpix_file", None))
    notice.pop("$schema", None)
    draft.extra.update({key: value for key, value in notice.items() if value is not None})
    return draft.revision(run, event, when, **said)


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        # What JSON has no number for stays text, so that whatever is kept can be written again.
        notice = json.loads(content, parse_constant=str, parse_float=_float, parse_int=_int)
    except json.JSONDecodeError as error:
        raise ReadError(f"not JSON: {error.msg}", offset=error.pos) from error
    except (ValueError, RecursionError) as error:
        raise ReadError(f"not JSON: {error}") from error
    if not isinstance(notice, dict):
        raise ReadError("a notice is a JSON object")
    if _too_deep(notice, _DEPTH):
        raise ReadError(f"JSON nested over {_DEPTH} deep")
    file = notice.get("healpix_file")
    size = len(content) - (len(file) if isinstance(file, str) else 0)
    if size > SIZE_LIMIT:
        raise ReadError(f"{size} bytes beside the map; the limit is {SIZE_LIMIT}")
    return notice


def _float(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def _int(text: str) -> int | str:
    return int(text) if len(text) < 17 else text


def _too_deep(item: Any, depth: int) -> bool:
    children = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    return depth == 0 or any(_too_deep(child, depth - 1) for child in children)


def _listed(value: Any) -> list[str]:
    """Return the texts of what may be one, a list of some, or nothing."""
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str) and each]


def _numbers(draft: Draft, ids: list[str]) -> tuple[int, int]:
    found = list(dict.fromkeys(match.groups() for match in map(_ID.fullmatch, ids) if match))
    if not found:
        raise ReadError(f"its id says no RUN_EVENT, such as 137840_57034692: {shown(ids)}")
    if len(found) > 1:
        draft.doubts.append(f"ids of {len(found)} events, of which the first counts: {shown(ids)}")
    if len(ids) > 1:
        draft.extra["id"] = ids
    return whole("the run in its id", found[0][0]), whole("the event in its id", found[0][1])


def _when(value: Any, kind: Kind) -> np.datetime64:
    """Return the time of the event, unless this only takes back what an earlier notice said of it."""
    return UNKNOWN_TIME if kind == Kind.RETRACTION and value is None else time("trigger_time", value)


def _name(draft: Draft, names: list[str], when: np.datetime64) -> str:
    if len(names) > 1:
        draft.extra["event_names"] = names
    ours = next((each for each in names if each.strip().lower().startswith("icecube")), "".join(names[:1]))
    return draft.name(ours, when)


def _kind(draft: Draft, value: Any, number: int) -> Kind:
    if isinstance(value, str) and value.lower() in list(Kind):
        return Kind(value.lower())
    if value is not None:
        draft.doubts.append(f"alert_type is {shown(value)}, none of {', '.join(Kind)}")
    return kind_of(number)


def _tense(draft: Draft, value: Any) -> Tense:
    """Return the tense; what is unknown is refused, for it must not pass for the real sky."""
    if value is None:
        draft.doubts.append("it has no alert_tense: taken for real")
        return Tense.CURRENT
    word = value.lower() if isinstance(value, str) else value
    if word == "injections":  # in GCN's documentation; the schema has the other one
        return Tense.INJECTION
    if not isinstance(word, str) or word not in list(Tense):
        raise ReadError(f"alert_tense is {shown(value)}, none of {', '.join(Tense)}")
    return Tense(word)


def _stream(draft: Draft, value: Any) -> str:
    if value is None:
        return ""
    words = value.lower().split() if isinstance(value, str) else []
    found = [stream for stream in STREAMS if stream in words]
    if len(found) == 1:
        return found[0]
    draft.extra["pipeline"] = value
    draft.doubts.append(f"pipeline is {shown(value)}, not Gold Track Alert, Bronze Track Alert or Cascade Alert")
    return ""


def _place(draft: Draft, notice: dict[str, Any]) -> dict[str, Any]:
    """Take out where it came from, and return that in the terms of `Revision`."""
    ra, dec = draft.position(notice.pop("ra", None), notice.pop("dec", None))
    systematic = notice.pop("systematic_included", None)
    if not isinstance(systematic, bool | None):
        draft.doubts.append(f"systematic_included is {shown(systematic)}, neither true nor false")
        systematic = None
    errors = _errors(draft, notice.pop("ra_dec_error", None), notice.pop("containment_probability", None))
    return {"ra": ra, "dec": dec, "systematic": systematic, **errors}


def _errors(draft: Draft, error: Any, probability: Any) -> dict[str, Any]:
    """Return the radius of 50 % or 90 % and, of the latter, the ellipse; all else is kept besides."""
    values = error if isinstance(error, list) else [error]
    if error is None or not values:
        return {}
    held = 0.9 if probability is None else draft.number("containment_probability", probability, 0, 1)
    percent = next((each for each in (50, 90) if held is not None and math.isclose(held, each / 100)), None)
    if percent != 90 or len(values) > 3:
        draft.extra |= {"ra_dec_error": error, "containment_probability": probability}
    if percent is None or len(values) > 3:
        draft.doubts.append(f"ra_dec_error {shown(error)} is no radius or ellipse that holds 50 % or 90 %")
        return {}
    return _region(draft, values, percent)


def _region(draft: Draft, values: list[Any], percent: int) -> dict[str, Any]:
    major = draft.radius("ra_dec_error", values[0])
    minor = draft.radius("ra_dec_error", values[1]) if len(values) > 1 else None
    if major is None or minor is None:
        return {f"radius_{percent}": major}
    if minor > major:
        draft.doubts.append(f"ra_dec_error {shown(values)} has its smaller semi-axis first")
    angle = draft.number("position angle in ra_dec_error", values[2], -360, 360) if len(values) > 2 else None
    said: dict[str, Any] = {f"radius_{percent}": math.sqrt(major * minor)}  # of the circle of the same area
    return said | ({"ellipse_90": (major, minor, angle or 0.0)} if percent == 90 else {})


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _note_file(draft: Draft, text: Any) -> None:
    """Keep what tells whether a map is the one that was sent, not the map."""
    if text is None:
        return
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except (AttributeError, ValueError, binascii.Error):
        draft.doubts.append("healpix_file is not base64")
        return
    draft.extra["healpix_file"] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
