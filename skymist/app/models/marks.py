"""Marks in a text: which letters state a fact and where it comes from, and which are found wrong and why."""

from collections.abc import Iterable, Mapping
from typing import Any

from skymist.circulars.slots import SLOTS

UNITS: Mapping[str, str] = {
    **dict.fromkeys(
        ("ra", "dec", "ra_plus", "ra_minus", "dec_plus", "dec_minus", "radius_90", "previous_ra", "previous_dec",
         "shift", "source_ra", "source_dec", "separation"), "°",
    ),
    "area_90": " deg²", "energy_tev": " TeV", "far_per_year": " per year", "purity": " %", "containment": " %",
    "days": " days",
}  # fmt: skip
"""Behind the values of facts."""

SHORT_ID = 12
_HASHES = "scan", "catalog", "revision"


def label(fact: Mapping[str, Any]) -> str:
    """Return what a fact is, and whose."""
    return f"{fact['name']} of {fact['of']}" if fact.get("of") else str(fact["name"])


def value(fact: Mapping[str, Any]) -> str:
    """Return the value of a fact with its unit.

    Examples
    --------
    >>> value({"name": "area_90", "value": 7.4601}), value({"name": "ra", "value": 40.1})
    ('7.4601 deg²', '40.1°')
    """
    return f"{fact['value']}{UNITS.get(str(fact['name']), '')}"


def about(fact: Mapping[str, Any]) -> str:
    """Return what a fact of this name is, in words."""
    slot = SLOTS.get(str(fact["name"]))
    return "" if slot is None else slot.about


def source(fact: Mapping[str, Any]) -> str:
    """Return where a fact comes from, in words.

    Examples
    --------
    >>> source({"name": "ra", "value": 1.0, "source": "scan", "source_id": "1a2b3c4d5e6f7a8b", "detail": "bowl"})
    'map of scan 1a2b3c4d5e6f: bowl'
    """
    kind, of, detail = (str(fact.get(key, "")) for key in ("source", "source_id", "detail"))
    of = of[:SHORT_ID] if kind in _HASHES else of
    detail = detail.removeprefix(f"scan {of}, ")
    words = {
        "scan": f"map of scan {of}", "revision": f"revision {of} of the alert", "alert": "the record of the alert",
        "catalog": f"catalog {of}".strip(), "setting": f"settings of this site {of}".strip(), "person": f"said by {of}",
        "circular": "an earlier circular", "publication": "this service",
    }.get(kind, f"{kind} {of}".strip() or "unknown")  # fmt: skip
    return f"{words}: {detail}" if detail else words


def link(fact: Mapping[str, Any], alert: str, role: str) -> str:
    """Return the page on which one sees where a fact comes from; empty if there is none."""
    kind, of = fact.get("source"), fact.get("source_id")
    if kind == "scan" and of:
        return f"/scan?id={of}"
    return f"/alert?name={alert}&role={role}" if kind in ("revision", "alert") else ""


def of_facts(spans: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return marks of facts, in their order: start, end, label, value, and lines on where it comes from."""
    found = []
    for span in spans:
        fact = span["fact"]
        found.append({
            "start": span["start"], "end": span["end"], "label": label(fact), "value": value(fact),
            "about": about(fact), "source": source(fact),
        })  # fmt: skip
    return sorted(found, key=lambda each: int(each["start"]))


def of_findings(findings: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return marks of findings: errors first, then in the order of the text."""
    keys = "level", "rule", "why", "where", "says", "expected", "source", "start", "end"
    found = [{key: each[key] for key in keys} for each in findings]
    return sorted(found, key=lambda each: (each["level"] != "error", -1 if each["start"] is None else each["start"]))


def count(findings: Iterable[Mapping[str, Any]]) -> str:
    """Return how many there are, in words.

    Examples
    --------
    >>> count([{"level": "error"}, {"level": "warning"}, {"level": "error"}]), count([])
    ('2 errors, 1 warning', 'nothing wrong found')
    """
    levels = [each["level"] for each in findings]
    told = [
        f"{number} {level}{'' if number == 1 else 's'}"
        for level in ("error", "warning")
        if (number := levels.count(level))
    ]
    return ", ".join(told) or "nothing wrong found"
