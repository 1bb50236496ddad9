"""What the timeline of an alert shows: which steps, how they are written, and a scale of latencies."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import param

from skymist.app.models import angles
from skymist.model.latency import signed

KINDS = {
    "event": "event", "notice": "notices", "file": "files", "scan": "scans", "circular": "circulars",
    "comment": "comments", "retraction": "retractions", "name": "names", "release": "releases",
}  # fmt: skip
"""Kinds of steps, in the order of their filters, as people call them."""

MILESTONES = {"notice": "notice", "map": "map", "circular": "circular"}
"""What the scale shows, and how people call it."""

MISSING = {"notice": "a notice (entries of catalogs are none)", "map": "a map", "circular": "a circular that was sent"}
"""What is said of those that were not reached."""

LOW_S, HIGH_S = 1.0, 1e9
"""From a second to thirty years: the ends of the widest scale."""

_TICKS = (
    (1.0, "1 s"), (10.0, "10 s"), (60.0, "1 min"), (600.0, "10 min"), (3600.0, "1 h"), (86_400.0, "1 d"),
    (2_629_800.0, "1 month"), (31_557_600.0, "1 y"), (315_576_000.0, "10 y"),
)  # fmt: skip

Json = dict[str, Any]


class Timeline(param.Parameterized):
    """The steps of a timeline, and which of them are shown."""

    told = param.Dict(default={}, doc="As GET /v1/alerts/NAME/timeline answers")
    hidden = param.List(default=[], item_type=str, doc="Kinds of steps that are not shown")

    @property
    def steps(self) -> list[Json]:
        """All steps, as they are shown."""
        return [_step(each) for each in self.told.get("steps", ())]

    @property
    def shown(self) -> list[Json]:
        """Steps of the kinds that are not hidden."""
        return [each for each in self.steps if each["kind"] not in self.hidden]

    @property
    def kinds(self) -> list[Json]:
        """Kinds of which there are steps, with their number."""
        counts = {kind: sum(each["kind"] == kind for each in self.told.get("steps", ())) for kind in KINDS}
        return [{"kind": kind, "name": KINDS[kind], "count": count} for kind, count in counts.items() if count]

    @property
    def scale(self) -> Json:
        """The scale of latencies: its marks and ticks, each with a place from 0 to 1."""
        return scale(self.told.get("milestones", {}))

    def hide(self, kinds: Iterable[str]) -> None:
        """Choose which kinds are not shown; words that are none are passed over."""
        wanted = set(kinds)
        self.hidden = [kind for kind in KINDS if kind in wanted]


def scale(latencies: Mapping[str, float]) -> Json:
    """Return a logarithmic scale of latencies.

    Parameters
    ----------
    latencies : mapping
        Of `MILESTONES`, seconds since the event.

    Returns
    -------
    dict
        ``marks`` (name, at, text) with the event at 0, ``ticks`` (at, text), and ``words``, which say the same. What
        came before the event is no point of a logarithm: it stands at 0, and its text has a minus.
    """
    known = [(name, float(latencies[name])) for name in MILESTONES if name in latencies]
    high = min(max([10 * LOW_S, *(3 * seconds for _, seconds in known)]), HIGH_S)
    marks = [{"name": "event", "at": 0.0, "text": "0 s"}]
    marks += [{"name": MILESTONES[name], "at": _place(value, high), "text": signed(value)} for name, value in known]
    ticks = [{"at": _place(seconds, high), "text": text} for seconds, text in _TICKS if seconds < high]
    missing = [MISSING[name] for name in MILESTONES if name not in latencies]
    words = ["From the event", *(f"to the first {MILESTONES[name]} {signed(value)}" for name, value in known)]
    said = [f"{', '.join(words)}."] if known else []
    said += [f"Not yet: {', '.join(missing)}."] if missing else []
    return {"marks": marks, "ticks": ticks, "words": " ".join(said)}


def _place(seconds: float, high: float) -> float:
    """Return where a latency is; a tenth of the scale is below a second."""
    if seconds <= 0:
        return 0.0
    span = math.log10(high / LOW_S)
    return min(max(0.08 + 0.92 * math.log10(seconds / LOW_S) / span, 0.02), 1.0)


def _step(said: Mapping[str, Any]) -> Json:
    """Return a step as it is shown."""
    return {
        "kind": said["kind"], "time": said["time"], "utc": angles.utc(said["time"]),
        "what": said["what"], "who": person(said["who"]), "detail": said["detail"],
        "since": "" if said["kind"] == "event" else signed(said["since_event_s"]),
        "before": "" if said["kind"] == "event" else signed(said["since_before_s"]),
        "milestone": MILESTONES.get(said["milestone"], ""), "links": links(said),
    }  # fmt: skip


def person(who: str) -> str:
    """Return who did something; of a runner (``HOST:PROCESS:TIME``) that it is one, and where."""
    host, *rest = who.split(":")
    return f"runner on {host}" if len(rest) == 2 and rest[0].isdecimal() else who


def links(said: Mapping[str, Any]) -> list[Json]:
    """Return where a step leads: to its scan or circular, and to the message that brought it."""
    found, number = [], said["subject_id"]
    if said["subject"] == "scan":
        found.append({"text": "open scan", "href": f"/scan?id={number}"})
    if said["subject"] in ("circular", "notice"):
        found.append({"text": f"open {said['subject']}", "href": f"/circular?id={number}"})
    if said.get("input_id"):
        found.append({"text": "message as it came", "href": f"/v1/inputs/{said['input_id']}/content"})
    return found
