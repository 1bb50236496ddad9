"""The list of scans: which are shown, and what has changed in them since the last look."""

import threading
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import param

from skymist.app.models.angles import utc
from skymist.app.models.launch import duration
from skymist.app.models.scan import ENDED, STATES, state_of, took
from skymist.errors import RequestError

if TYPE_CHECKING:
    from skymist.client.service import Client

STATE_FILTERS = {
    "any": (), "not ended": ("waiting", "queued", "running"), "running": ("running",), "complete": ("complete",),
    "failed": ("failed",), "cancelled": ("cancelled",),
}  # fmt: skip
BY_FILTERS = ("everybody", "me", "people", "rules")

FIELDS = (
    "id", "event_id", "alert", "role", "state", "wanted", "request", "rule", "who", "cluster", "workers", "progress",
    "error", "created", "started", "finished",
)  # fmt: skip
PAGE = 100
"""So many scans are shown first, and so many more each time."""


class ScanList(param.Parameterized):
    """Scans that pass the filters, the latest first, as rows of a table.

    Parameters
    ----------
    me : str
        Name of the person, for the filter.
    """

    state: Any = param.Selector(default="any", objects=list(STATE_FILTERS), doc="What the scans shall be doing")
    reconstruction = param.String(doc="Name of one; empty: any")
    alert = param.String(doc="Name of an alert, or RUN_EVENT; empty: any")
    by: Any = param.Selector(default="everybody", objects=list(BY_FILTERS), doc="Who asked for them")
    rows = param.List(doc="What is shown, the latest scan first")
    more = param.Boolean(False, doc="Whether there are more scans than are shown")
    loaded = param.Boolean(False, doc="Whether the service has been asked")
    trouble = param.String(doc="Why the service refuses the filters; empty if it does not")

    def __init__(self, me: str, **params: Any) -> None:
        super().__init__(**params)
        self.me, self.limit = me, PAGE
        self._lock = threading.Lock()
        self._seen: Any = None  # filters and version of the last answer

    @property
    def filters(self) -> dict[str, Any]:
        """What is asked for, in the words of the service."""
        asked: dict[str, dict[str, Any]] = {
            "me": {"who": self.me}, "people": {"by_rule": False}, "rules": {"by_rule": True},
        }  # fmt: skip
        named = {"reconstruction": self.reconstruction, "alert": self.alert.strip()}
        given = {"state": list(STATE_FILTERS[self.state]), **named, **asked.get(self.by, {})}
        return {key: value for key, value in given.items() if value not in ("", [])}

    @property
    def filtered(self) -> bool:
        """Whether some scans are left out."""
        return bool(self.filters)

    @property
    def quiet(self) -> bool:
        """Whether all that is shown has ended."""
        return all(row["state"] in ENDED for row in self.rows)

    def refresh(self, client: "Client") -> dict[str, list[tuple[int, Any]]] | None:
        """Ask the service again; no more than whether anything was done, as long as nothing that is shown goes on.

        Returns
        -------
        dict or None
            By column the rows that have changed, with their new values; None if there are other rows than before.
        """
        with self._lock:
            asked, version = (self.filters, self.limit), client.changes()["version"]
            if self.quiet and (asked, version) == self._seen:
                return {}
            try:
                rows, trouble = self._ask(client), ""
            except RequestError as refusal:  # there is no such alert
                rows, trouble = [], str(refusal)
            before, now = self.rows, rows[: self.limit]
            same = [row["id"] for row in now] == [row["id"] for row in before]
            same = same and self.loaded and trouble == self.trouble
            self.more, self.trouble, self._seen = len(rows) > self.limit, trouble, (asked, version)
            self.rows, self.loaded = now, True
            return changes(before, now) if same else None

    def _ask(self, client: "Client") -> list[dict[str, Any]]:
        """Return the rows of all scans that are to be shown, and one more if there are more."""
        found = client.scans(limit=min(self.limit + 1, 500), fields=",".join(FIELDS), **self.filters)
        return [row_of(scan.document) for scan in islice(found, self.limit + 1)]

    def show_more(self) -> None:
        """Have more scans be shown from the next look on."""
        self.limit += PAGE


def changes(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> dict[str, list[tuple[int, Any]]]:
    """Return what is different in rows of the same scans, by column: numbers of rows and new values."""
    found: dict[str, list[tuple[int, Any]]] = {}
    for number, (old, new) in enumerate(zip(before, now, strict=True)):
        for column in new:
            if old[column] != new[column]:
                found.setdefault(column, []).append((number, new[column]))
    return found


def row_of(scan: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a scan: values in words, and what these are sorted by."""
    progress, state = scan["progress"] or {}, state_of(scan)
    going = scan["state"] == "running" and bool(progress)
    done, total = progress.get("done", 0), progress.get("total", 0)
    sign, words, _ = STATES[state]
    return {
        "id": scan["id"], "state": state, "shown_state": f"{sign} {words}", "alert": scan["alert"] or "",
        "role": scan["role"], "reconstruction": scan["request"]["reconstruction"],
        "done": _percent(done, total, complete=state == "complete"),
        "level": f"nside {progress['nside']}" if done else "",
        "rate": f"{progress['rate']:,.0f} cells/s" if going else "",
        "remains": f"{duration(progress['eta'])} left" if going and progress["eta"] is not None else "",
        "workers": _workers(scan, progress if going else {}),
        "who": f"rule {scan['rule']}" if scan["rule"] else scan["who"] or "",
        "asked": utc(scan["created"])[:16], "took": took(scan), "error": scan["error"] or "",
    }  # fmt: skip


def _percent(done: int, total: int, *, complete: bool) -> int:
    """Return how much is done; 100 only when all is."""
    return 100 if complete else int(100 * done / total) if total else 0


def _workers(scan: Mapping[str, Any], progress: Mapping[str, Any]) -> str:
    """Return where it runs, and how many cells at a time if that is known, else with how many workers."""
    number = progress.get("threads", scan["workers"])
    return str(scan["cluster"]) if number is None else f"{scan['cluster']} × {number}"


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
        events = list(islice(client.events(limit=PAGE), PAGE))
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
