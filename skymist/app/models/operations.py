"""What the operator's page knows: the service's own account of itself, as tables of words, and a history of it."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import param

from skymist.app.models import angles
from skymist.app.visit import Visit

REMEMBERED = 300
"""Looks that are remembered: ten minutes at one in two seconds."""

DEFAULT_NUMBER = "as configured"

Cell = dict[str, str]
Row = list[Cell]


@dataclass(frozen=True)
class Moment:
    """What is drawn over time."""

    time: datetime
    rate: float
    running: int
    queued: int


class Operations(param.Parameterized):
    """The service as it was at the last look.

    Parameters
    ----------
    visit : Visit
        Of whoever looks.
    """

    document = param.Dict(default={}, doc="As GET /v1/operations tells it; empty before the first look")

    def __init__(self, visit: Visit, **given: Any) -> None:
        super().__init__(**given)
        self.visit = visit
        self.history: deque[Moment] = deque(maxlen=REMEMBERED)

    def look(self) -> None:
        """Ask the service how it is."""
        found = self.visit.client.operations()
        states = found["queue"]["states"]
        moment = Moment(datetime.fromisoformat(found["time"]), found["rate"], states["running"], states["queued"])
        if not self.history or moment.time > self.history[-1].time:
            self.history.append(moment)
        self.document = found

    def retry(self, input_id: str) -> str:
        """Have the service read a message of the quarantine once more; return what came of it in words."""
        found = self.visit.client.retry(input_id)
        self.look()
        return f"message {input_id[:12]} of {found['source']} is {found['status']} now"

    @property
    def headline(self) -> str:
        """Whether all is well, in words."""
        if not self.document:
            return "Looking…"
        troubles = self.document["troubles"]
        if not troubles:
            return "All is well"
        errors = sum(each["severity"] == "error" for each in troubles)
        told = [many(errors, "error")] if errors else []
        told += [many(len(troubles) - errors, "warning")] if len(troubles) > errors else []
        return " and ".join(told)

    @property
    def when(self) -> str:
        """When that was so, in words."""
        return f"at {utc(self.document['time'])[11:]} UTC" if self.document else ""

    @property
    def severity(self) -> str:
        """The worst of all troubles: error, warning, or success if there is none."""
        troubles = self.document.get("troubles", [])
        return str(troubles[0]["severity"]) if troubles else "success"

    @property
    def troubles(self) -> list[Cell]:
        """What is wrong, the worst first."""
        marks = {"error": "✖ error", "warning": "⚠ warning"}
        return [
            {"mark": marks[each["severity"]], "kind": each["severity"], "text": each["words"], "href": each["link"]}
            for each in self.document.get("troubles", [])
        ]

    @property
    def figures(self) -> dict[str, str]:
        """The numbers that are looked at first."""
        if not self.document:
            return {}
        queue, streams, machine = self.document["queue"], self.document["streams"], self.document["machine"]
        threads = sum(each["threads"] or 0 for each in self.document["clusters"])
        well = sum(each["state"] == "listening" for each in streams)
        free = machine["disk_free_bytes"]
        return {
            "Cells per second": speed(self.document["rate"]),
            "Scans running": str(queue["states"]["running"]),
            "Scans queued": str(queue["states"]["queued"]),
            "Oldest queued": took(queue["oldest_s"]) or "none",
            "Threads of clusters": str(threads),
            "Streams listening": f"{well} of {len(streams)}" if streams else "none configured",
            "Disk of maps free": "elsewhere" if free is None else f"{size(free)}, {free / machine['disk_bytes']:.0%}",
        }

    def tables(self, *names: str) -> list[dict[str, Any]]:
        """Return some of `TABLES`, as a board shows them; none before the first look."""
        return [TABLES[name](self) for name in names] if self.document else []

    @property
    def versions(self) -> str:
        """What runs, and since when."""
        if not self.document:
            return ""
        told = self.document["versions"]
        tables = {**told, "tables of the database": told["database"]}
        named = ", ".join(f"{name} {value}" for name, value in tables.items() if name != "database")
        return f"{named}; this service answers since {utc(self.document['api']['started'])} UTC"

    @property
    def stages(self) -> list[dict[str, Any]]:
        """How long things took in the last day, each with ``said``: the same in words."""
        stages = self.document["latencies"]["stages"] if self.document else []
        return [{**each, "said": latency_in_words(each)} for each in stages]


def latency_in_words(stage: Mapping[str, Any]) -> str:
    """Return what a histogram of latencies shows, in words."""
    if not stage["n"]:
        return "nothing of that in the last day"
    shares = ", ".join(
        f"{share} within {took(stage[key])}" for share, key in (("half", "p50_s"), ("90%", "p90_s"), ("99%", "p99_s"))
    )
    return f"{stage['n']:,} in the last day; {shares}"


def took(seconds: float | None) -> str:
    """Return a duration in words; empty for None.

    >>> took(0.0123), took(3.21), took(200), took(8000), took(200_000)
    ('12 ms', '3.2 s', '3.3 min', '2.2 h', '2.3 d')
    """
    if seconds is None:
        return ""
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0)):
        if seconds >= length * (2 if unit == "d" else 1):
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds * 1000:.0f} ms"


def speed(rate: float) -> str:
    """Return a number of cells a second.

    >>> speed(0.31), speed(1234.5)
    ('0.3', '1,234')
    """
    return f"{rate:.1f}" if 0 < rate < 10 else f"{rate:,.0f}"


def size(n: float | None) -> str:
    """Return a number of bytes in words.

    >>> size(900), size(12_345), size(6.7e9)
    ('900 B', '12.3 kB', '6.7 GB')
    """
    if n is None:
        return "unknown"
    for unit, length in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= length:
            return f"{n / length:.1f} {unit}"
    return f"{n:.0f} B"


def many(n: int, what: str) -> str:
    """Return a number of things in words."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def utc(moment: str | None) -> str:
    """Return when something was, to the second; empty for None."""
    return "" if moment is None else angles.utc(moment)[:19]


def _cell(text: object, **more: str) -> Cell:
    return {"text": "" if text is None else str(text), **more}


def _table(key: str, title: str, columns: str, rows: Iterable[Row], empty: str, n: int | None = None) -> dict[str, Any]:
    """Return a table; a column that begins with # holds numbers."""
    found = list(rows)
    more = f" (the latest {len(found)} of {n:,})" if n is not None and n > len(found) > 0 else ""
    return {"key": key, "title": title + more, "columns": columns.split("|"), "rows": found, "empty": empty}


def _scans(model: Operations) -> dict[str, Any]:
    rows = (_scan_row(model, each) for each in model.document["scans"])
    columns = "Scan|State|#Done|#Cells/s|#Time left|Cluster|#Workers|#Priority|#For|Change"
    return _table("scans", "Scans that have not ended", columns, rows, "No scan runs or waits.")


def _scan_row(model: Operations, scan: Mapping[str, Any]) -> Row:
    state = "cancelling" if scan["wanted"] == "cancelled" else scan["state"]
    running = scan["state"] == "running"
    trouble = scan["trouble"] or (scan["stage"] if scan["stage"].startswith("no ") else "")
    done = f"{scan['done']:,} of {scan['total']:,}" if scan["total"] else ""
    href = f"/scan?id={scan['id']}"
    change = _cell("workers, cancel", href=href) if model.visit.may("analyst") else _off("workers, cancel", "analyst")
    return [
        _cell(f"{scan['alert'] or scan['id'][:8]} {scan['reconstruction']}", href=href, note=scan["id"]),
        _cell(f"{state}: {trouble}" if trouble else state, kind="warning" if trouble else ""),
        _cell(done), _cell(speed(scan["rate"]) if running else ""), _cell(took(scan["eta_s"]) if running else ""),
        _cell(scan["cluster"]), _cell(_workers(scan["workers"], scan["asked"]) if running else _asked(scan["asked"])),
        _cell(scan["priority"]), _cell(took(scan["running_s"] if running else scan["waited_s"])), change,
    ]  # fmt: skip


def _off(text: str, role: str) -> Cell:
    """Return something that would be refused, with the reason."""
    return _cell(text, off=f"needs the role {role}")


def _workers(there: int | None, asked: int | None) -> str:
    known = "unknown" if there is None else str(there)
    return known if asked is None else f"{known} of {asked}"


def _asked(asked: int | None) -> str:
    return DEFAULT_NUMBER if asked is None else str(asked)


def _queue(model: Operations) -> dict[str, Any]:
    rows = (
        [_cell(each["cluster"]), *(_cell(each[key]) for key in ("priority", "running", "queued", "waiting")),
         _cell(took(each["oldest_s"]))]
        for each in model.document["queue"]["groups"]
    )  # fmt: skip
    columns = "Cluster|#Priority|#Running|#Queued|#Waiting for another scan|#Oldest queued for"
    return _table("queue", "Queue", columns, rows, "Nothing waits.")


def _clusters(model: Operations) -> dict[str, Any]:
    columns = "Cluster|State|#Workers|#Threads|#Scans|Since (UTC)|Unused since (UTC)|Dask"
    rows = (_cluster_row(model, each) for each in model.document["clusters"])
    return _table(
        "clusters", "Clusters", columns, rows, "No runner holds a cluster: one is started with the next scan."
    )


def _cluster_row(model: Operations, held: Mapping[str, Any]) -> Row:
    return [
        _cell(held["name"], note=f"held by {held['owner']}"),
        _cell(held["state"], kind="warning" if held["state"] == "lost" else ""),
        _cell(_workers(held["workers"], None if held["state"] == "running" else held["asked"])), _cell(held["threads"]),
        _cell(held["scans"]), _cell(utc(held["since"])), _cell(utc(held["idle_since"]) or "in use"), _dask(model, held),
    ]  # fmt: skip


def _dask(model: Operations, held: Mapping[str, Any]) -> Cell:
    text = f"Dask dashboard of {held['name']}"
    if not held["dashboard"]:
        return _cell(text, off=held["no_dashboard"])
    return _cell(text, href=held["dashboard"], aside="yes") if model.visit.may("operator") else _off(text, "operator")


def _runners(model: Operations) -> dict[str, Any]:
    rows = (
        [_cell(each["owner"].rpartition(":")[0]), _cell(each["state"], kind="error" if each["state"] == "lost" else ""),
         _cell(f"{each['scans']} (ordinary ones: up to {each['slots']})"), _cell(utc(each["started"])),
         _cell(utc(each["beat"]))]
        for each in model.document["runners"]
    )  # fmt: skip
    empty = "No runner is there: skymist serve --part workflow starts one."
    return _table("runners", "Runners", "Runner|State|#Scans|Since (UTC)|Last heard of (UTC)", rows, empty)


def _streams(model: Operations) -> dict[str, Any]:
    rows = (
        [_cell(each["name"]), _state(each), _cell("unknown" if each["lag"] is None else f"{each['lag']:,}"),
         _cell(utc(each["heard"]) or "never"), _cell(took(each["silent_s"]))]
        for each in model.document["streams"]
    )  # fmt: skip
    columns = "Stream|State|#Messages not read yet|Last heard (UTC)|#Ago"
    empty = "No stream is configured: what comes in is uploaded."
    return _table("streams", "Streams", columns, rows, empty)


def _state(stream: Mapping[str, Any]) -> Cell:
    kind = {"troubled": "error", "silent": "warning"}.get(stream["state"], "")
    return _cell(f"{stream['state']}: {stream['trouble']}" if stream["trouble"] else stream["state"], kind=kind)


def _failed(model: Operations) -> dict[str, Any]:
    found = model.document["errors"]["scans"]
    rows = (
        [_cell(f"{each['alert'] or each['id'][:8]} {each['reconstruction']}", href=f"/scan?id={each['id']}"),
         _cell(utc(each["time"])), _cell(each["reason"])]
        for each in found["items"]
    )  # fmt: skip
    title, empty = "Scans that failed in the last day", "No scan failed in the last day."
    return _table("failed", title, "Scan|When (UTC)|Why", rows, empty, found["n"])


def _unsent(model: Operations) -> dict[str, Any]:
    found = model.document["errors"]["publications"]
    rows = (
        [_cell(f"{each['kind']} {each['id']} of {each['alert']}", **_of_circular(each)), _cell(each["state"]),
         _cell(utc(each["time"])), _cell(each["reason"])]
        for each in found["items"]
    )  # fmt: skip
    empty = "Everything that was to be sent went out."
    return _table("unsent", "Not sent", "What|State|When (UTC)|Why", rows, empty, found["n"])


def _of_circular(item: Mapping[str, Any]) -> Cell:
    return {"href": f"/circular?id={item['id']}"} if item["kind"] == "circular" else {}


def _quarantine(model: Operations) -> dict[str, Any]:
    found = model.document["errors"]["quarantine"]
    items, n = found["items"] or [], found["n"]
    rows = (
        [_cell(each["source"], note=each["id"]), _cell(each["kind"]), _cell(utc(each["time"])), _cell(each["reason"]),
         _cell("Try again", act=each["id"])]
        for each in items
    )  # fmt: skip
    empty = "No message of the last day is in quarantine."
    if n and found["items"] is None:
        empty = f"{many(n, 'message')} of the last day could not be read; analysts see them here."
    title = "Messages that could not be read in the last day"
    return _table("quarantine", title, "From|Kind|When (UTC)|Why|Quarantine", rows, empty, n)


def _sizes(model: Operations) -> dict[str, Any]:
    kept, machine = model.document["sizes"], model.document["machine"]
    told = {
        "Database": size(kept["database_bytes"]),
        "Maps": f"{kept['maps']:,}, {size(kept['maps_bytes'])} as they are in memory",
        "Files made of them": f"{kept['files']:,}, {size(kept['files_bytes'])}",
        "Disk of the maps": _left(machine["disk_free_bytes"], machine["disk_bytes"]),
        "Memory": _left(machine["memory_free_bytes"], machine["memory_bytes"]),
        "Load (mean of a minute)": f"{machine['load']:.2f} on {many(machine['processors'], 'processor')}",
    }
    rows = ([_cell(name), _cell(words)] for name, words in told.items())
    return _table("sizes", "Stores and the machine that answers", "What|How much", rows, "")


def _left(free: int | None, whole: int | None) -> str:
    return "elsewhere" if free is None or not whole else f"{size(free)} free of {size(whole)} ({free / whole:.0%})"


TABLES: dict[str, Callable[[Operations], dict[str, Any]]] = {
    "scans": _scans, "queue": _queue, "clusters": _clusters, "runners": _runners, "streams": _streams,
    "failed": _failed, "unsent": _unsent, "quarantine": _quarantine, "sizes": _sizes,
}  # fmt: skip
"""All tables of the page."""
