"""One event in the detector: its light, the fits of it, and how it is told."""

import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import param

from skymist.app.models import angles
from skymist.app.models.maps import name_of
from skymist.app.models.shelf import SHELF, Shelf
from skymist.client.service import Client
from skymist.errors import RequestError
from skymist.model import sky
from skymist.model.event import Event
from skymist.model.region import best_fit
from skymist.model.sky import Floats
from skymist.plot.captions import event_caption
from skymist.plot.pulses import Axis, Hits, axis_of, box_of, hits_of, strings_of, time_range
from skymist.workflow.events import load_event

NONE = "no fit"
PARTS = 200
"""Steps of the slider of time, from the first light to the last."""


class EventModel(param.Parameterized):
    """What is looked at of an event.

    Parameters
    ----------
    client : Client
    event_id : str
        Digest of the event, or another of its names.
    found : sequence of dict
        The scans of its alert, the latest first.
    angles_in : {"deg", "hms", "galactic", "local"}
        How the person sees positions.
    """

    scan = param.String(doc="First digits of the id of the scan whose best fit is drawn; empty for none")

    def __init__(
        self, client: Client, event_id: str, found: Sequence[dict[str, Any]], angles_in: str = "deg",
        shelf: Shelf = SHELF, **more: Any,
    ) -> None:  # fmt: skip
        super().__init__(**more)
        self.client, self.event_id, self.angles, self.shelf = client, event_id, angles_in, shelf
        self.found = [dict(each) for each in found]
        self.document: dict[str, Any] = {}
        self._read: tuple[Event, Hits] | None = None

    def load(self) -> None:
        """Bring the event, and choose the latest scan of it that is complete.

        Raises
        ------
        RequestError
            If the service does not know it, or it has no light in the detector.
        ReadError
            If its file cannot be read.
        """
        self.document = self.client.event(self.event_id)
        event = _event_of(self.client, self.document["id"], self.document["file"])
        self._read = event, hits_of(event)
        if self.scan not in self.choices().values():
            self.scan = next(iter(self.choices().values()), "")

    def choices(self) -> dict[str, str]:
        """Return the complete scans of the event, by how people call them: the id's first digits."""
        mine = [each for each in self.found if each["event_id"] == self.document.get("id", self.event_id)]
        return {name_of(each): each["id"][:12] for each in mine if each["state"] == "complete"}

    def take(self, found: Sequence[dict[str, Any]]) -> bool:
        """Take the scans that are known by now; return whether one more may be chosen."""
        before = self.choices()
        self.found = [dict(each) for each in found]
        return self.choices() != before

    @property
    def read(self) -> tuple[Event, Hits]:
        """The event and its light.

        Raises
        ------
        RequestError
            If it is not loaded yet.
        """
        if self._read is None:
            raise RequestError("the event is not loaded yet")
        return self._read

    def axes(self) -> list[Axis]:
        """Return what may be drawn over the light: the best fit of the chosen scan, the truth, and earlier fits."""
        event, _ = self.read
        found = [] if self._fit() is None else [self._fit()]
        if event.truth is not None:
            found.append(axis_of(event, event.truth, "truth"))
        found += [axis_of(event, seed, name) for name, seed in event.seeds.items()]
        return [each for each in found if each is not None and np.isfinite(each.vertex).all()]

    def _fit(self) -> Axis | None:
        event, _ = self.read
        full = next((each["id"] for each in self.found if self.scan and each["id"].startswith(self.scan)), None)
        if full is None:
            return None
        data = self.shelf.get(self.client.get_scan(full)).data
        about = data.attrs["reconstruction"]
        topology = about.get("topology") or about.get("chosen", {}).get("topology") or ""
        return axis_of(event, best_fit(data), f"best fit of {about['name']}", topology)

    def scene(self) -> dict[str, Any]:
        """Return all that a browser draws, JSON-like: metres, ns, PE.

        Each line has ``name``, ``told``, ``kind`` (fit, truth or earlier), ``x``, ``y``, ``z`` (one point of a
        cascade), ``travel`` and ``vertex``.
        """
        event, hits = self.read
        low, high = box_of(np.concatenate([event.detector.position, hits.position]))
        strings = strings_of(event.detector)
        begin, end = time_range(hits)
        # What is far before and after the event is noise: the slider has no room for it.
        first = max(float(hits.time_ns.min()), begin - 0.15 * (end - begin))
        last = min(float(hits.time_ns.max()), end + 0.25 * (end - begin))
        return {
            "modules": {
                **_columns(hits.position), "string": hits.dom[:, 0].tolist(), "module": hits.dom[:, 1].tolist(),
                "charge": np.round(hits.charge_pe, 3).tolist(), "time": np.round(hits.time_ns, 1).tolist(),
                "size": np.round(hits.radius_m / hits.radius_m.max(), 4).tolist(),
            },
            "strings": _columns(strings),
            "lines": [_line(each, low, high) for each in self.axes()],
            "times": {"first": first, "last": max(last, first + 1), "low": begin, "high": end, "parts": PARTS},
            "title": f"Run {event.run}, event {event.event}",
            "simulated": event.simulated,
        }  # fmt: skip

    def facts(self) -> list[tuple[str, str]]:
        """Return what there is to say of the event, as names and values."""
        event, hits = self.read
        charge, strings = hits.charge_pe, np.unique(hits.dom[:, 0]).size
        order = np.argsort(charge)[::-1]
        top = order[0]
        half = int(np.searchsorted(np.cumsum(charge[order]), charge.sum() / 2)) + 1
        begin, end = time_range(hits)
        brightest = f"string {hits.dom[top, 0]}, module {hits.dom[top, 1]}: {charge[top]:,.1f} PE"
        return [
            ("event", f"{event.name}, {angles.utc(event.utc)} UTC{', SIMULATED' if event.simulated else ''}"),
            ("pulses", f"{event.pulses.time_ns.size:,} of {event.pulse_set or 'the only set'}"),
            ("modules with light", f"{charge.size:,} of {len(event.detector):,}, on {strings} strings"),
            ("charge", f"{charge.sum():,.0f} PE; half of it in {half} modules"),
            ("brightest", brightest),
            ("first light", f"most modules within {(end - begin) / 1000:.1f} µs"),
            ("selection", event.kind or "not said"),
        ]  # fmt: skip

    def caption(self) -> str:
        """Return what the figure shows, for readers who do not see it."""
        event, hits = self.read
        told = [event_caption(event, hits.charge_pe.size, float(hits.charge_pe.sum()))]
        told += [f"{each.label}: {_direction(event, each, self.angles)}." for each in self.axes()]
        return " ".join(told)


def _line(axis: Axis, low: Floats, high: Floats) -> dict[str, Any]:
    kind = "fit" if axis.label.startswith("best fit of") else axis.label if axis.label == "truth" else "earlier"
    points = axis.vertex[None] if axis.cascade else axis.within(low, high)
    zenith, azimuth = np.degrees(axis.zenith), np.degrees(axis.azimuth) % 360
    return {
        **_columns(points), "name": axis.label, "kind": kind, "cascade": axis.cascade,
        "told": f"{axis.label}: zenith {zenith:.1f}°, azimuth {azimuth:.1f}°", "travel": axis.travel.tolist(),
        "vertex": axis.vertex.tolist(),
    }  # fmt: skip


def _direction(event: Event, axis: Axis, angles_in: str) -> str:
    ra, dec = (float(np.degrees(each)) for each in sky.to_sky(event.detector, event.time, axis.zenith, axis.azimuth))
    return f"from {angles.position(ra, dec, angles_in, event.utc)}"


def _columns(places: Floats) -> dict[str, list[float | None]]:
    rounded = np.round(places, 1)
    return {name: [None if np.isnan(each) else float(each) for each in column]
            for name, column in zip("xyz", rounded.T, strict=True)}  # fmt: skip


def _event_of(client: Client, event_id: str, file: str) -> Event:
    """Return an event; those that were looked at last are kept, as a file with one name has one content."""
    kept = _EVENTS.get(event_id)
    if kept is None:
        kept = read_bytes(client.event_file(event_id), file)
        _EVENTS[event_id] = kept
        while len(_EVENTS) > _MOST:
            _EVENTS.pop(next(iter(_EVENTS)), None)
    return kept


_MOST = 16
_EVENTS: dict[str, Event] = {}


def read_bytes(content: bytes, file: str) -> Event:
    """Read an event from memory; readers want a file, whose name may tell its format."""
    with tempfile.TemporaryDirectory(prefix="skymist-") as folder:
        path = Path(folder, PurePath(file).name or "event")
        path.write_bytes(content)
        return load_event(str(path))
