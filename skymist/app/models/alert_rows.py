"""Rows of the list of alerts, for `skymist.app.parts.table`: what stands in each cell, and where it leads."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import numpy as np

from skymist.app.models import angles
from skymist.app.models.alerts import key_of

Part = dict[str, Any]

NEW_MIN = 15
"""Minutes for which an alert counts as new."""


def columns(frame: str) -> list[dict[str, Any]]:
    """Return the heads of the table; `frame` is that of positions."""
    found: list[dict[str, Any]] = [
        {"key": "name", "title": "Alert", "sort": "name", "row_head": True},
        {"key": "stream", "title": "Stream", "under": "name", "beside": True},
        {"key": "time", "title": "Time (UTC)", "sort": "time", "falling": True},
        {"key": "age", "title": "Age", "under": "time"},
        {"key": "position", "title": angles.names(frame), "sort": "ra" if frame in ("deg", "hms") else ""},
        {"key": "radius", "title": "90 % radius", "under": "position"},
        {"key": "energy", "title": "Energy (TeV)", "sort": "energy", "falling": True, "number": True},
        {"key": "signalness", "title": "Signalness", "sort": "signalness", "falling": True, "number": True,
         "under": "energy"},
        {"key": "far", "title": "FAR (1/yr)", "sort": "far", "number": True},
        {"key": "scan", "title": "Scan"},
        {"key": "map", "title": "Latest map", "under": "scan"},
        {"key": "circular", "title": "Circular"},
        {"key": "needs", "title": "Needs", "under": "circular"},
    ]  # fmt: skip
    return [{key: value for key, value in each.items() if value} for each in found]


def rows(
    items: Iterable[Mapping[str, Any]], frame: str, fresh: Iterable[str] = (), now: datetime | None = None
) -> list[dict[str, Any]]:
    """Return a row for each alert.

    Parameters
    ----------
    items : iterable of mapping
        As ``GET /v1/alerts`` gives them.
    frame : str
        In which positions are written.
    fresh : iterable of str
        Of which alerts (RUN_EVENT) it is to be shown that they have just come.
    now : datetime, optional
    """
    arrived = set(fresh)
    return [_row(each, frame, key_of(each) in arrived, now) for each in items]


def _row(item: Mapping[str, Any], frame: str, fresh: bool, now: datetime | None) -> dict[str, Any]:
    number = angles.number
    return {
        "id": key_of(item),
        "href": path_of(item),
        "fresh": fresh,
        "faint": item["retracted"],
        "cells": {
            "name": _names(item, now),
            "stream": [_chip(item["stream"], item["stream"])] if item["stream"] else [_text(angles.UNKNOWN)],
            "time": [_text(angles.utc(item["time"]))],
            "age": [_text(angles.age(item["time"], now))],
            "position": [_position(item, frame)],
            "radius": [_text(angles.radius(item["radius_90"]))],
            "energy": [_text(number(item["energy_tev"]))],
            "signalness": [_text(angles.share(item["signalness"]))],
            "far": [_text(number(item["far_per_year"]), title=angles.far_in_words(item["far_per_year"]))],
            "scan": [_scan(item["scan"])] if item["scan"] else [_text(angles.UNKNOWN)],
            "map": [_map(item["map"])] if item["map"] else [_text(angles.UNKNOWN)],
            "circular": [_circular(item["circular"])] if item["circular"] else [_text(angles.UNKNOWN)],
            "needs": [_need(item, each) for each in item["needs"]],
        },
    }


def path_of(item: Mapping[str, Any]) -> str:
    """Return the address of an alert's page."""
    role = {} if item["role"] == "observation" else {"role": item["role"]}
    return f"/alert?{urlencode({'name': item['name'], **role})}"


def _names(item: Mapping[str, Any], now: datetime | None) -> list[Part]:
    """Return its name with all that keeps one from taking it for a real, valid, old one."""
    parts = [{**_text(item["name"]), "href": path_of(item), "strike": item["retracted"]}]
    if item["retracted"]:
        parts.append(_chip("retracted", "retracted"))
    # A test says more by its tense: an injection is one, too.
    if item["role"] != "observation":
        parts.append(_chip("odd", item["role"] if item["tense"] == "current" else item["tense"]))
    elif item["tense"] != "current":
        parts.append(_chip("old", item["tense"]))
    if _is_new(item, now):
        parts.append(_chip("new", "new"))
    return parts


def _is_new(item: Mapping[str, Any], now: datetime | None) -> bool:
    """Return whether it has come lately, and is about what has just been."""
    present = angles.moment(now or datetime.now().astimezone())
    times = angles.moment(item["created"]), angles.moment(item["time"])
    limit = np.timedelta64(NEW_MIN, "m")
    return present is not None and all(each is not None and present - each < limit * k
                                       for each, k in zip(times, (1, 96), strict=True))  # fmt: skip


def _position(item: Mapping[str, Any], frame: str) -> Part:
    """Return where it was told to be; if nobody has told, where its latest map has its best fit, and that it is so."""
    told, latest = item["ra"] is not None, item["map"]
    place = item if told or latest is None else latest
    text = angles.position(place["ra"], place["dec"], frame, item["time"])
    if place is item or text == angles.UNKNOWN:
        return _text(text)
    title = f"no notice has come; this is the best fit of scan {latest['id'][:12]} with {latest['reconstruction']}"
    return _text(f"{text} (our map)", title=title)


def _scan(scan: Mapping[str, Any]) -> Part:
    share = f" {scan['share']:.0%}" if scan["state"] == "running" and scan["share"] is not None else ""
    title = f"scan {scan['id'][:12]} with {scan['reconstruction']}"
    return {**_chip(scan["state"], f"{scan['state']}{share}", title=title), "href": f"/scan?id={scan['id']}"}


def _map(scan: Mapping[str, Any]) -> Part:
    title = f"map of scan {scan['id'][:12]}"
    return {**_text(scan["reconstruction"], title=title), "href": f"/scan?id={scan['id']}"}


def _circular(circular: Mapping[str, Any]) -> Part:
    title = f"circular {circular['id']}"
    return {**_chip(circular["state"], circular["state"], title=title), "href": f"/circular?id={circular['id']}"}


def _need(item: Mapping[str, Any], need: str) -> Part:
    href = path_of(item)
    if "circular" in need and item["circular"]:
        href = f"/circular?id={item['circular']['id']}"
    elif "notice" in need:
        href = "/circulars"
    elif item["scan"] and item["scan"]["state"] == "failed":
        href = f"/scan?id={item['scan']['id']}"
    return {**_chip("need", need), "href": href}


def _text(text: str, title: str = "") -> Part:
    return {"text": text, "title": title} if title else {"text": text}


def _chip(kind: str, text: str, title: str = "") -> Part:
    return {**_text(text, title), "chip": kind}
