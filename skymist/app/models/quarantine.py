"""What could not be read, and what people send in by hand."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

import param

from skymist.app.models import angles
from skymist.app.models.alert_rows import path_of
from skymist.client.service import Client
from skymist.errors import SkymistError

MOST = 200
"""Messages that are shown, the latest."""
RETRY = "retry"
NOTICE, EVENT = "notice", "event"
KINDS = {"find out": "", "a notice": NOTICE, "an event": EVENT}

_PACKETS = b'"value"', b'"GCDQp_packet"', b'"frames"'
"""What is in events as JSON, and in no notice."""
_UNITS = ("bytes", "kB", "MB", "GB")


class Quarantine(param.Parameterized):
    """Messages that could not be read, the latest first.

    Parameters
    ----------
    client : Client
    """

    items = param.List(doc="As GET /v1/quarantine gives them")
    more = param.Boolean(doc="Whether there are older ones")

    def __init__(self, client: Client, **given: Any) -> None:
        super().__init__(**given)
        self._client = client

    def load(self) -> None:
        """Ask the service."""
        found = list(islice(self._client.quarantine(), MOST + 1))
        self.param.update(items=found[:MOST], more=len(found) > MOST)

    def retry(self, input_id: str) -> tuple[str, str]:
        """Have a message read once more, and return what came of it in words, and whether that is good or bad news."""
        try:
            self._client.retry(input_id)
        except SkymistError as trouble:
            return f"message {input_id[:12]} still cannot be read: {trouble}", "warning"
        finally:
            self.load()
        return f"message {input_id[:12]} could be read now", "success"


COLUMNS: Sequence[Mapping[str, Any]] = (
    {"key": "received", "title": "Received (UTC)", "row_head": True},
    {"key": "age", "title": "Age", "under": "received"},
    {"key": "source", "title": "Source"},
    {"key": "kind", "title": "Taken for", "under": "source"},
    {"key": "reason", "title": "Why it cannot be read", "wrap": True},
    {"key": "size", "title": "Size", "number": True},
    {"key": "acts", "title": "What to do"},
)


def rows(items: Sequence[Mapping[str, Any]], may: bool, now: datetime | None = None) -> list[dict[str, Any]]:
    """Return a row for each message, for `skymist.app.parts.table`; `may` is whether they may be tried again."""
    return [_row(each, may, now) for each in items]


def _row(item: Mapping[str, Any], may: bool, now: datetime | None) -> dict[str, Any]:
    source = f"{item['source']} {item['position']}".strip()
    times = f" (came {item['times']} times)" if item["times"] > 1 else ""
    file = {"text": "download", "href": f"/v1/inputs/{item['id']}/content", "download": True,
            "title": f"{item['id'][:12]}, byte for byte as it came"}  # fmt: skip
    again = [{"text": "Try again", "action": RETRY}] if may else []
    return {
        "id": item["id"],
        "cells": {
            "received": [{"text": angles.utc(item["received"])}],
            "age": [{"text": angles.age(item["received"], now)}],
            "source": [{"text": f"{source}{times}"}],
            "kind": [{"text": item["kind"], "chip": item["kind"]}],
            "reason": [{"text": item["reason"]}],
            "size": [{"text": size(item["size"])}],
            "acts": [file, *again],
        },
    }


def size(count: int) -> str:
    """Return a number of bytes as people write it.

    Examples
    --------
    >>> size(1), size(2048), size(3_500_000)
    ('1 byte', '2.05 kB', '3.50 MB')
    """
    if count == 1:
        return "1 byte"
    value, unit = float(count), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{angles.number(value) if unit else count} {_UNITS[unit]}"


def guess(content: bytes) -> str:
    """Return whether bytes look like a notice or like an event; the service decides whether they can be read."""
    head = content[:4096].lstrip()
    if head[:1] == b"<" or head[:1] == b"[":
        return NOTICE
    if head[:1] == b"{":
        return EVENT if any(each in content for each in _PACKETS) else NOTICE
    text = head.isascii() and b"\x00" not in head
    table = head.startswith(b"#") or (b"," in head and b"om" in head)
    return NOTICE if text and not table else EVENT


def send(client: Client, name: str, content: bytes, kind: str = "") -> dict[str, Any]:
    """Send in a notice or an event, and return what came of it.

    Parameters
    ----------
    client : Client
    name : str
        Of the file.
    content : bytes
    kind : str
        `NOTICE` or `EVENT`; empty if it is to be found out.

    Returns
    -------
    dict
        ``name``, ``kind``, ``words``, ``severity`` ("success", "warning" or "error") and ``links``: pairs of a name
        and an address.
    """
    sort = kind or guess(content)
    told: dict[str, Any] = {"name": name, "kind": sort, "links": []}
    if not content:
        return {**told, "words": f"{name} is empty", "severity": "error"}
    try:
        taken = client.post_content(sort, content, name)
    except SkymistError as trouble:
        words = f"{name}, taken for {_a(sort)}: {trouble}"
        return {**told, "words": words, "severity": "warning" if "quarantine" in str(trouble) else "error"}
    pairs = list(zip(taken["alerts"], taken["roles"], strict=True))
    links = [(alert, path_of({"name": alert, "role": role})) for alert, role in pairs]
    words = f"{name} is {_a(sort)}" + (" of" if links else ", which says nothing of an alert")
    return {**told, "words": words, "severity": "success", "links": links}


def _a(kind: str) -> str:
    return next(words for words, key in KINDS.items() if key == kind)
