"""Outgoing: what a site says of its circulars, and the channels by which they leave it; without settings, none does."""

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from skymist.circulars.send import GCN, Gcn, GcnSettings
from skymist.errors import ReadError, RequestError, UnknownNameError
from skymist.model.region import find_calibration
from skymist.records.publications import CIRCULAR, NOTICE
from skymist.workflow.courier import Channel
from skymist.workflow.desk_settings import DeskSettings
from skymist.workflow.settings import revealed

_OF_DESK = {item.name for item in fields(DeskSettings)} - {"real", "destinations"}
_KEYS = {*_OF_DESK, "real", "gcn"}


def desk_settings(
    circulars: Mapping[str, Any] | None,
    notices: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> DeskSettings:
    """Return what a site says of its circulars, and where they and its notices go.

    Parameters
    ----------
    circulars, notices, environment
        As of `make_channels`.

    Raises
    ------
    RequestError
        If something of it makes no sense; the message names the key and the valid choices.
    """
    found = dict(circulars or {})
    for key in found:
        if key not in _KEYS:
            raise UnknownNameError("setting of circulars", str(key), _KEYS)
    given = {key: value for key, value in found.items() if key in _OF_DESK}
    for key in ("reporter", "contact", "map_url", "authority"):
        if not isinstance(given.get(key, ""), str):
            raise RequestError(f"circulars: {key} is text, not {given[key]!r}")
    if "templates" in given:
        given["templates"] = Path(str(given["templates"]))
        if not given["templates"].is_dir():
            raise ReadError("circulars: there is no such folder of templates", str(given["templates"]))
    if "catalogs" in given:
        if not isinstance(given["catalogs"], list | tuple):
            raise RequestError("circulars: catalogs are a list of names")
        given["catalogs"] = tuple(map(str, given["catalogs"]))
    find_calibration(str(given.get("calibration", DeskSettings.calibration)))
    places = _destinations(circulars or {}, notices or {}, environment)
    return DeskSettings(**given, real=is_real(circulars), destinations=places)


def _destinations(
    circulars: Mapping[str, Any], notices: Mapping[str, Any], environment: Mapping[str, str]
) -> dict[str, str]:
    """Return addresses by the kind of what goes there."""
    found = {}
    if gcn := circulars.get("gcn"):
        found[CIRCULAR] = str(revealed("gcn", {"url": gcn.get("url", GCN)}, environment)["url"])
    if settings := notices.get("settings"):
        servers = revealed("notices", {"servers": settings.get("bootstrap.servers", "")}, environment)["servers"]
        found[NOTICE] = f"{servers}, topic {notices.get('topic', '')}"
    return found


def is_real(circulars: Mapping[str, Any] | None) -> bool:
    """Return whether what is about the real sky goes out, instead of tests."""
    found = (circulars or {}).get("real", False)
    if not isinstance(found, bool):
        raise RequestError(f"circulars: real is true or false, not {found!r}")
    return found


def make_channels(
    circulars: Mapping[str, Any] | None,
    notices: Mapping[str, Any] | None,
    environment: Mapping[str, str] = os.environ,
) -> dict[str, Channel]:
    """Return channels by the kind of what goes out; none that nobody has configured.

    Parameters
    ----------
    circulars : mapping or None
        With ``gcn``: the fields of `skymist.circulars.send.GcnSettings`; ``$NAME`` is taken from `environment`.
    notices : mapping or None
        ``topic`` and ``settings`` of librdkafka.

    Raises
    ------
    RequestError
        If something of it makes no sense.
    """
    found: dict[str, Channel] = {}
    if circulars and circulars.get("gcn"):
        found[CIRCULAR] = Gcn(_gcn_settings(revealed("gcn", circulars["gcn"], environment)))
    if notices:
        from skymist.alerts.publish import Topic

        if set(notices) != {"topic", "settings"}:
            raise RequestError(f"notices need topic and settings, and nothing else, not {', '.join(map(str, notices))}")
        found[NOTICE] = Topic(str(notices["topic"]), revealed("notices", notices["settings"], environment))
    return found


def _gcn_settings(given: Mapping[str, Any]) -> GcnSettings:
    known = [item.name for item in fields(GcnSettings)]
    for key in given:
        if key not in known:
            raise UnknownNameError("setting of gcn", key, known)
    missing = [key for key in ("token_url", "client_id", "client_secret", "refresh_token") if key not in given]
    if missing:
        raise RequestError(f"GCN's circulars need the setting {missing[0]}")
    return GcnSettings(**given)
