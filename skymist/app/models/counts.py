"""What heads the lists: how much there is to do, and whether anybody still tells us of new events."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import param

from skymist.client.service import Client

RECENT = "24 h"
_DEAF = "silent", "troubled", "stopped"


class Counts(param.Parameterized):
    """Counts of the whole site, as of the last look.

    Parameters
    ----------
    client : Client
    """

    counts = param.Dict(default={}, doc="As GET /v1/overview gives them")
    streams = param.List(doc="As GET /v1/streams gives them")

    def __init__(self, client: Client, **given: Any) -> None:
        super().__init__(**given)
        self._client = client

    def load(self) -> None:
        """Ask the service."""
        self.param.update(counts=self._client.overview(), streams=list(self._client.streams()))

    def items(self, shown: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the counts in words, with what of the list each of them is of.

        Parameters
        ----------
        shown : mapping
            What is looked for now.
        """
        if not self.counts:
            return []
        running, waiting = (self._scans(*states) for states in (("running",), ("waiting", "queued")))
        needing, unread = self.counts["needing"], self.counts["quarantined"]
        said = [
            _item("recent", f"{_counted(self.counts['recent'], 'alert')} in the last 24 h", {"since": RECENT}, shown),
            _item("running", f"{_counted(running, 'scan')} running", {"state": "running"}, shown),
        ]
        if waiting:
            said.append(_item("queued", f"{waiting} queued", {"state": "queued"}, shown))
        words = f"{_counted(needing, 'alert')} need{'s' if needing == 1 else ''} a decision"
        said.append({**_item("needs", words, {"needs": "yes"}, shown), "kind": "need" if needing else ""})
        if unread:
            words = f"{_counted(unread, 'message')} could not be read"
            said.append({**_item("quarantine", words, {"show": "quarantine"}, shown), "kind": "bad"})
        return [*said, *self._of_streams()]

    def _scans(self, *states: str) -> int:
        return sum(self.counts["scans"].get(each, 0) for each in states)

    def _of_streams(self) -> list[dict[str, Any]]:
        """Return one line for all streams that listen, and one for each that does not."""
        deaf = [each for each in self.streams if each["state"] in _DEAF]
        said = [
            {"key": f"stream {each['name']}", "text": f"stream {each['name']} is {each['state']}", "kind": "bad",
             "href": "/operations", "leave": True}
            for each in deaf
        ]  # fmt: skip
        if not self.streams:
            return [{"key": "streams", "text": "no stream is listened to", "href": "/operations", "leave": True}]
        heard = len(self.streams) - len(deaf)
        words = f"{_counted(heard, 'stream')} listening"
        return [*([{"key": "streams", "text": words, "href": "/operations", "leave": True}] if heard else []), *said]


def of_scans(scans: Mapping[str, int], shown: str) -> list[dict[str, Any]]:
    """Return in words how many scans have not ended, with what of the list of scans each count is of.

    Parameters
    ----------
    scans : mapping of str to int
        How many are in a state, as GET /v1/overview tells.
    shown : str
        Filter of states that the list has now, see `skymist.app.models.scans.STATE_FILTERS`.
    """
    counts = {"running": scans.get("running", 0), "waiting": scans.get("waiting", 0) + scans.get("queued", 0)}
    return [
        {"key": key, "text": f"{_counted(count, 'scan')} {key}", "href": f"/scans?state={key}", "current": shown == key}
        for key, count in counts.items()
    ]


def _counted(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"


def _item(key: str, text: str, filters: Mapping[str, str], shown: Mapping[str, Any]) -> dict[str, Any]:
    current = all(shown.get(name) in (value, True if value == "yes" else value) for name, value in filters.items())
    return {"key": key, "text": text, "href": f"/alerts?{urlencode(filters)}", "current": current}


FILTERS: Mapping[str, Mapping[str, Any]] = {
    "recent": {"since": RECENT},
    "running": {"state": "running"},
    "queued": {"state": "queued"},
    "needs": {"needs": True},
    "quarantine": {"show": "quarantine"},
}
"""What an item has the list look for, by its key."""
