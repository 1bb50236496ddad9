"""Rows of the list of scans, for `skymist.app.parts.table`: what stands in each cell, and where it leads."""

from collections.abc import Iterable, Mapping
from typing import Any

from skymist.app.models.alert_rows import path_of
from skymist.app.models.angles import UNKNOWN, utc
from skymist.app.models.launch import duration
from skymist.app.models.scan import ENDED, STATES, state_of, took

Part = dict[str, Any]

COLUMNS: tuple[Mapping[str, Any], ...] = (
    {"key": "scan", "title": "Scan", "row_head": True},
    {"key": "state", "title": "State", "under": "scan"},
    {"key": "alert", "title": "Alert"},
    {"key": "reconstruction", "title": "Reconstruction", "under": "alert"},
    {"key": "progress", "title": "Progress"},
    {"key": "speed", "title": "Speed, time left", "under": "progress", "wrap": True},
    {"key": "where", "title": "Runs on"},
    {"key": "took", "title": "Took", "under": "where"},
    {"key": "asked", "title": "Asked for (UTC)"},
    {"key": "who", "title": "By", "under": "asked"},
)


def rows(items: Iterable[Mapping[str, Any]], fresh: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Return a row for each scan.

    Parameters
    ----------
    items : iterable of mapping
        As ``GET /v1/scans`` gives them.
    fresh : iterable of str
        Ids of those of which it is to be shown that they have just come.
    """
    arrived = set(fresh)
    return [_row(each, fresh=each["id"] in arrived) for each in items]


def _row(scan: Mapping[str, Any], *, fresh: bool) -> dict[str, Any]:
    state, href = state_of(scan), f"/scan?id={scan['id']}"
    progress = scan["progress"] or {}
    going = progress if scan["state"] == "running" else {}
    sign, words, _ = STATES[state]
    time = took(scan)
    return {
        "id": scan["id"],
        "href": href,
        "fresh": fresh,
        "faint": state == "cancelled",
        "cells": {
            "scan": [{"text": scan["id"][:12], "href": href}],
            "state": [{"text": f"{sign} {words}", "chip": state}],
            "alert": [_alert(scan)],
            "reconstruction": [_text(scan["request"]["reconstruction"])],
            "progress": [_progress(progress, complete=state == "complete")],
            "speed": [_text(scan["error"] or _speed(progress, going))],
            "where": [_text(_where(scan, going))],
            "took": [_text(time if state in ENDED or not time else f"{time} so far")],
            "asked": [_text(utc(scan["created"])[:16])],
            "who": [_text(f"rule {scan['rule']}" if scan["rule"] else scan["who"] or "")],
        },
    }


def _alert(scan: Mapping[str, Any]) -> Part:
    if not scan["alert"]:
        return _text("")
    return {"text": scan["alert"], "href": path_of({"name": scan["alert"], "role": scan["role"]})}


def _progress(progress: Mapping[str, Any], *, complete: bool) -> Part:
    """Return how much is done; 100 % only when all is."""
    done, total = progress.get("done", 0), progress.get("total", 0)
    percent = 100 if complete else int(100 * done / total) if total else 0
    return {"text": f"{percent} %", "meter": percent}


def _speed(progress: Mapping[str, Any], going: Mapping[str, Any]) -> str:
    """Return the level it is at, and while it runs how fast, and for how long."""
    told = [f"nside {progress['nside']}"] if progress.get("done") else []
    if going:
        told.append(f"{going['rate']:,.0f} cells/s")
        told.extend([f"{duration(going['eta'])} left"] if going["eta"] is not None else [])
    return ", ".join(told)


def _where(scan: Mapping[str, Any], going: Mapping[str, Any]) -> str:
    """Return where it runs, and how many cells at a time if that is known, else with how many workers."""
    number = going.get("threads", scan["workers"])
    return str(scan["cluster"]) if number is None else f"{scan['cluster']} × {number}"


def _text(text: str) -> Part:
    return {"text": text or UNKNOWN}
