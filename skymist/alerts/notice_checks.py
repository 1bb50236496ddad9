"""Check notices before they go out: the schema requires nothing, so this does; and each number against the record."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from skymist.alerts.notice_json import read_json
from skymist.alerts.write_json import PIPELINES, SCHEMA, SECONDS_PER_YEAR, notice_of
from skymist.errors import ReadError, SkymistError
from skymist.model.alert import Kind, Revision, Tense, present
from skymist.model.circular import Finding, Level

ERROR, WARNING = Level.ERROR, Level.WARNING
REQUIRED = (
    "$schema", "mission", "messenger", "id", "event_name", "record_number", "alert_datetime", "alert_type",
    "alert_tense", "trigger_time",
)  # fmt: skip
MEASURED = "ra", "dec", "ra_dec_error", "nu_energy", "p_astro", "far"
TYPES: Mapping[str, tuple[type, ...]] = {
    "$schema": (str,), "mission": (str,), "instrument": (str,), "messenger": (str,), "pipeline": (str,),
    "record_number": (int,), "event_name": (str, list), "id": (str, list), "alert_datetime": (str,),
    "alert_type": (str,), "alert_tense": (str,), "alert_topology": (str,), "number_of_events": (int,),
    "ra": (int, float), "dec": (int, float), "ra_dec_error": (int, float, list),
    "containment_probability": (int, float), "systematic_included": (bool,), "healpix_url": (str,),
    "healpix_file": (str,), "trigger_time": (str,), "nu_energy": (int, float), "p_astro": (int, float),
    "far": (int, float), "additional_info": (str,),
}  # fmt: skip
"""All fields that we write or know of, with the types of the schema."""

WORDS: Mapping[str, tuple[str, ...]] = {
    "$schema": (SCHEMA,), "mission": ("IceCube",), "messenger": ("Neutrino",), "alert_type": tuple(Kind),
    "alert_tense": tuple(Tense), "pipeline": tuple(PIPELINES.values()), "alert_topology": ("Track", "Cascade"),
}  # fmt: skip

MOST_FREQUENT_HZ = 1e-5
"""Alerts of IceCube have false alarms up to some ten a year, 3e-7 Hz; what is above this is a rate per year."""

_LAST = 1e-8
"""By which two numbers may differ that are written with ten digits."""


def check_notice(content: bytes, expected: Revision | None = None) -> list[Finding]:
    """Return all that is wrong with a notice, or may be.

    Parameters
    ----------
    content : bytes
    expected : Revision, optional
        What the records say; without it, only the notice itself is looked at.
    """
    try:
        notice = json.loads(content)
    except ValueError as error:
        return [Finding(ERROR, "JSON", f"not JSON: {error}", "notice")]
    if not isinstance(notice, dict):
        return [Finding(ERROR, "JSON", "a notice is a JSON object", "notice")]
    found = [*_fields(notice), *_values(notice)]
    if any(each.level == ERROR for each in found):
        return found
    found += _meaning(notice, content)
    return found if expected is None else [*found, *_against(notice, expected)]


def _fields(notice: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what is missing, not known or of a wrong type."""
    for name in REQUIRED:
        if name not in notice:
            yield Finding(ERROR, "missing", "a notice without it cannot be understood", name)
    for name, value in notice.items():
        if name not in TYPES:
            yield Finding(WARNING, "unknown", "no field of these notices", name)
        elif not isinstance(value, TYPES[name]) or (isinstance(value, bool) and bool not in TYPES[name]):
            types = " or ".join(kind.__name__ for kind in TYPES[name])
            yield Finding(ERROR, "type", f"it is {value!r}, which is no {types}", name, says=repr(value)[:80])
        elif isinstance(value, float) and not math.isfinite(value):
            yield Finding(ERROR, "type", "it is no finite number", name, says=repr(value))
    for name, choices in WORDS.items():
        if isinstance(notice.get(name), str) and notice[name] not in choices:
            why = f"it is {notice[name]!r}, none of {', '.join(choices)}"
            yield Finding(ERROR, "word", why, name, says=notice[name])


def _values(notice: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield numbers that cannot be."""
    limits = {"ra": (0, 360), "dec": (-90, 90), "p_astro": (0, 1), "containment_probability": (0, 1), "far": (0, 1e3),
              "nu_energy": (0, 1e9), "record_number": (0, 1000), "number_of_events": (1, 1)}  # fmt: skip
    for name, (low, high) in limits.items():
        value = notice.get(name)
        if isinstance(value, int | float) and not low <= value <= high:
            yield Finding(ERROR, "range", f"it is {value}, not from {low} to {high}", name, says=str(value))
    radii = notice.get("ra_dec_error")
    listed = radii if isinstance(radii, list) else [radii]
    numbers = [each for each in listed if isinstance(each, int | float)]
    shaped = 1 <= len(numbers) == len(listed) <= 3 and all(0 < each < 180 for each in numbers[:2])
    if radii is not None and not shaped:
        yield Finding(ERROR, "range", f"it is {radii}, no radius or ellipse", "ra_dec_error", says=str(radii))
    if ("ra" in notice) != ("dec" in notice):
        yield Finding(ERROR, "missing", "half a position", "ra" if "dec" in notice else "dec")
    url = notice.get("healpix_url")
    if isinstance(url, str) and not url.startswith("https://"):
        yield Finding(WARNING, "link", "not https", "healpix_url", says=url[:80])


def _meaning(notice: Mapping[str, Any], content: bytes) -> Iterator[Finding]:
    """Yield what contradicts itself, by our reader and by what these notices are."""
    try:
        revision = read_json(content)
    except ReadError as error:
        yield Finding(ERROR, "unreadable", error.reason, "notice")
        return
    for doubt in revision.doubts:
        yield Finding(WARNING, "doubt", doubt, doubt.split()[0])
    far = notice.get("far", 0)
    if far > MOST_FREQUENT_HZ:
        why = f"{far} Hz are {far * SECONDS_PER_YEAR:.3g} a year: rates of notices are in Hz"
        yield Finding(ERROR, "unit", why, "far", says=str(far))
    kind, number = notice["alert_type"], notice["record_number"]
    if (kind == Kind.INITIAL) != (number == 0) and kind != Kind.RETRACTION:
        why = f"it is {kind}, and its number is {number}: initial is number 0, and nothing else is"
        yield Finding(WARNING, "sequence", why, "alert_type", says=kind)
    measured = [name for name in MEASURED if name in notice]
    if kind == Kind.RETRACTION and measured:
        yield Finding(ERROR, "retraction", "a retraction gives no position and no energy", measured[0])
    if kind != Kind.RETRACTION and "ra" not in notice:
        yield Finding(ERROR, "missing", "a notice of an event has a position", "ra")
    topology = "Cascade" if notice.get("pipeline") == PIPELINES["cascade"] else "Track"
    if "pipeline" in notice and notice.get("alert_topology", topology) != topology:
        why = f"it is {notice['alert_topology']}, and the pipeline is {notice['pipeline']}"
        yield Finding(ERROR, "contradiction", why, "alert_topology", says=notice["alert_topology"])


def _against(notice: Mapping[str, Any], expected: Revision) -> Iterator[Finding]:
    """Yield where a notice and the records disagree."""
    try:
        sent = np.datetime64(str(notice["alert_datetime"]).removesuffix("Z"), "ns")
        wanted = notice_of(expected, sent=sent if not np.isnat(sent) else present(), tense=expected.tense)
    except (SkymistError, ValueError) as error:
        yield Finding(ERROR, "unreadable", str(error), "notice")
        return
    for name in sorted(wanted.keys() | notice.keys()):
        says, known = notice.get(name), wanted.get(name)
        if name in TYPES and not _same(says, known):
            why = f"it is {_shown(says)} here and {_shown(known)} in the records"
            yield Finding(ERROR, "disagrees", why, name, _shown(says), _shown(known), "the records")


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(*pair) for pair in zip(one, other, strict=True))
    if isinstance(one, int | float) and isinstance(other, int | float) and not isinstance(one, bool):
        return math.isclose(one, other, rel_tol=_LAST)
    return bool(one == other)


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value)[:80]
