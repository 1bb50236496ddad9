"""What is wrong with the service, in words, the worst first: of the document of `skymist.workflow.operations`."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from skymist.records import streams
from skymist.records.tables import ScanState
from skymist.scan.progress import Stage

SILENT_S = 300.0
"""A source of messages that is silent for so long is in trouble, and one of which nobody tells."""

WAITED_S = 600.0
"""A scan that waits for so long to be started."""

MUTE_S = 60.0
"""A running scan of whose runner nothing is heard for so long."""

LITTLE, HARDLY_ANY = 0.10, 0.02
"""Shares of a disk or of the memory that are left."""

ERROR, WARNING = "error", "warning"

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Trouble:
    """Something that is wrong.

    Attributes
    ----------
    severity : str
        error (the service does not do what it is for) or warning.
    kind : str
        For programs.
    words : str
        For people.
    link : str
        Page of the dashboard that tells more; empty if there is none.
    """

    severity: str
    kind: str
    words: str
    link: str = ""


def troubles(document: Document) -> list[dict[str, Any]]:
    """Return all that is wrong, the worst first."""
    finders = _runners, _clusters, _streams, _queue, _scans, _unsent, _errors, _room
    found = [trouble for find in finders for trouble in find(document)]
    return [asdict(each) for each in sorted(found, key=lambda each: each.severity != ERROR)]


def _runners(document: Document) -> Iterator[Trouble]:
    there = [each for each in document["runners"] if each["state"] != "lost"]
    if not there:
        yield Trouble(ERROR, "no runner", "no runner is there: no scan is carried out (skymist serve --part workflow)")
    for each in document["runners"]:
        if each["state"] == "lost":
            left = f"; {_many(each['scans'], 'scan')} of it not taken over yet" if each["scans"] else ""
            words = f"runner {each['owner']} was lost, last heard of at {each['beat']:%H:%M:%S} UTC{left}"
            yield Trouble(WARNING if there else ERROR, "runner lost", words)


def _clusters(document: Document) -> Iterator[Trouble]:
    for each in document["clusters"]:
        if each["state"] == "lost":
            yield Trouble(WARNING, "cluster lost", f"the scheduler of cluster {each['name']} does not answer")


def _streams(document: Document) -> Iterator[Trouble]:
    for each in document["streams"]:
        name, state, silent = each["name"], each["state"], each["silent_s"]
        if state == streams.STOPPED:
            continue
        if each["told_s"] > SILENT_S:
            yield Trouble(ERROR, "stream lost", f"nobody listens to {name} for {_span(each['told_s'])}")
        elif state == streams.TROUBLED:
            yield Trouble(ERROR, "stream troubled", f"stream {name}: {each['trouble']}")
        elif state == streams.SILENT and silent is not None and silent > SILENT_S:
            yield Trouble(ERROR, "stream silent", f"stream {name} is silent for {_span(silent)}")


def _queue(document: Document) -> Iterator[Trouble]:
    oldest = document["queue"]["oldest_s"]
    if oldest is not None and oldest > WAITED_S:
        n = document["queue"]["states"][ScanState.QUEUED]
        words = f"{_many(n, 'scan')} queued, the oldest for {_span(oldest)}"
        yield Trouble(WARNING, "queue", words, "/scans?state=queued")


def _scans(document: Document) -> Iterator[Trouble]:
    fine = "", Stage.READY, Stage.RUNNING, Stage.COMPLETE
    for each in document["scans"]:
        name = f"scan {each['id'][:8]}" + (f" of {each['alert']}" if each["alert"] else "")
        link = f"/scan?id={each['id']}"
        if each["beat_s"] is not None and each["beat_s"] > MUTE_S:
            yield Trouble(WARNING, "scan", f"{name}: its runner is silent for {_span(each['beat_s'])}", link)
        elif each["stage"] not in fine:
            words = each["trouble"] or each["stage"]
            yield Trouble(WARNING, "scan", f"{name}: {words}", link)


def _unsent(document: Document) -> Iterator[Trouble]:
    for each in document["errors"]["publications"]["items"]:
        words = f"{each['kind']} {each['id']} of {each['alert']} was not sent: {each['reason']}"
        link = f"/circular?id={each['id']}" if each["kind"] == "circular" else ""
        yield Trouble(ERROR, "not sent", words, link)


def _errors(document: Document) -> Iterator[Trouble]:
    failed, unread = document["errors"]["scans"]["n"], document["errors"]["quarantine"]["n"]
    if failed:
        yield Trouble(WARNING, "failed", f"{_many(failed, 'scan')} failed in the last day", "/scans?state=failed")
    if unread:
        words = f"{_many(unread, 'message')} of the last day could not be read"
        yield Trouble(WARNING, "quarantine", words, "/alerts?show=quarantine")


def _room(document: Document) -> Iterator[Trouble]:
    machine = document["machine"]
    for what, free, whole in (
        ("disk of the maps", machine["disk_free_bytes"], machine["disk_bytes"]),
        ("memory", machine["memory_free_bytes"], machine["memory_bytes"]),
    ):
        if free is not None and free < LITTLE * whole:
            severity = ERROR if free < HARDLY_ANY * whole else WARNING
            yield Trouble(severity, "room", f"{100 * free / whole:.1f} % of the {what} is left ({free / 1e9:.1f} GB)")


def _many(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _span(seconds: float) -> str:
    """Return a time in words.

    >>> _span(400), _span(8000), _span(200_000)
    ('6 min', '2 h 13 min', '2 d 7 h')
    """
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
