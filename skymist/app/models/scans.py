"""The list of scans, and the events of which more can be asked for."""

import time
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

import param

from skymist.app.models.angles import utc
from skymist.app.models.listing import Listing
from skymist.app.models.scan import ENDED
from skymist.errors import RequestError

if TYPE_CHECKING:
    from skymist.client.service import Client

STATE_FILTERS = {
    "": (), "not ended": ("waiting", "queued", "running"), "waiting": ("waiting", "queued"), "running": ("running",),
    "complete": ("complete",), "failed": ("failed",), "cancelled": ("cancelled",),
}  # fmt: skip
BY_FILTERS = ("", "me", "people", "rules")

FIELDS = (
    "id", "event_id", "alert", "role", "state", "wanted", "request", "rule", "who", "cluster", "workers", "progress",
    "error", "created", "started", "finished",
)  # fmt: skip
MOST_EVENTS = 100
"""Of which one can be chosen."""


class ScanList(Listing):
    """Part of a list of scans, the latest first.

    Parameters
    ----------
    client : Client
    me : str
        Name of the person, for the filter.
    **given
        What is looked for.
    """

    state: Any = param.Selector(default="", objects=list(STATE_FILTERS), doc="What they are doing; empty: anything")
    reconstruction = param.String(doc="Name of one; empty: any")
    alert = param.String(doc="Name of an alert, or RUN_EVENT; empty: any")
    by: Any = param.Selector(default="", objects=list(BY_FILTERS), doc="Who asked for them; empty: anybody")

    FILTERS: ClassVar[tuple[str, ...]] = ("state", "reconstruction", "alert", "by")

    def __init__(self, client: "Client", me: str, **given: Any) -> None:
        super().__init__(client, **given)
        self.me = me

    def query(self) -> dict[str, Any]:
        """Return what the service is asked for."""
        asked: dict[str, dict[str, Any]] = {
            "me": {"who": self.me}, "people": {"by_rule": False}, "rules": {"by_rule": True},
        }  # fmt: skip
        named = {"reconstruction": self.reconstruction, "alert": self.alert.strip()}
        given = {"state": list(STATE_FILTERS[self.state]), **named, **asked.get(self.by, {})}
        return {"fields": ",".join(FIELDS), **{key: value for key, value in given.items() if value not in ("", [])}}

    def key(self, item: Mapping[str, Any]) -> str:
        """Return the id of a scan."""
        return str(item["id"])

    def _part(self, **query: Any) -> dict[str, Any]:
        return self._client.scan_page(**query)

    def _stands(self, changes: Mapping[str, Any]) -> Any:
        ended = all(each["state"] in ENDED for each in self.items)
        return changes["version"], None if ended else time.monotonic()  # how long it has taken is shown, too


class EventChoice(param.Parameterized):
    """The events of which a scan can be asked for, and one that is chosen or sent in."""

    events = param.List(doc="As the service tells of them, those that came last first")
    event = param.String(doc="Digest of the one that is chosen, or any name it was asked for by; empty: none")
    alerts = param.List(doc="Names of the alerts that a file belongs to, once it was sent in")

    def load(self, client: "Client") -> None:
        """Ask which events there are, the latest of them, and which the chosen one is.

        Raises
        ------
        RequestError
            If there is none of the name that is chosen.
        """
        events = list(islice(client.events(limit=MOST_EVENTS), MOST_EVENTS))
        if self.event:
            chosen = client.event(self.event)
            events = events if any(each["id"] == chosen["id"] for each in events) else [chosen, *events]
            self.event = chosen["id"]
        self.events = events

    @property
    def options(self) -> dict[str, str]:
        """Digests of the events by their words."""
        return {event_words(each): each["id"] for each in self.events}

    def upload(self, client: "Client", name: str, content: bytes) -> str:
        """Send the file of an event in, and choose that; return its digest.

        Raises
        ------
        RequestError
            If it is no file of an event that can be read, or the person may not.
        """
        if not content:
            raise RequestError(f"the file {name!r} is empty")
        with TemporaryDirectory(prefix="skymist-") as folder:
            file = Path(folder, Path(name).name or "event")
            file.write_bytes(content)
            told = client.post_event(file)
        self.load(client)
        with param.parameterized.batch_call_watchers(self):
            self.event, self.alerts = str(told["event_id"]), told["alerts"]
        return str(told["event_id"])


def event_words(event: Mapping[str, Any]) -> str:
    """Return an event in a line, by which people know it."""
    kind = f", {event['kind']}" if event["kind"] else ""
    role = "" if event["role"] == "observation" else f", {event['role']}"
    return f"{event['run']}/{event['event']}, {utc(event['time'])} UTC{kind}{role}, {event['id'][:8]}"
