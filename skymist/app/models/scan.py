"""What the page of one scan knows and does: it follows a scan to its end, whoever started it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import numpy as np
import param

from skymist.app.models.angles import energy as energy_words
from skymist.app.models.angles import names, number, position
from skymist.app.models.launch import duration
from skymist.errors import ConflictError, RequestError
from skymist.model import sky
from skymist.workflow.exports import EXPORTS

if TYPE_CHECKING:
    from skymist.client.service import Client

ENDED = "complete", "failed", "cancelled"
STATES = {
    "waiting": ("◷", "waiting for another scan", "default"), "queued": ("◔", "queued", "info"),
    "running": ("▶", "running", "primary"), "complete": ("✓", "complete", "success"),
    "failed": ("✗", "failed", "error"), "cancelled": ("⊘", "cancelled", "warning"),
    "cancelling": ("◌", "being cancelled", "warning"), "deleted": ("⌫", "deleted", "error"),
}  # fmt: skip
"""By state a sign, words, and the colour in which these are shown besides."""


class ScanView(param.Parameterized):
    """A scan, as the service told of it last.

    Parameters
    ----------
    asked : str
        Its id, or the first digits.
    """

    asked = param.String(doc="Id that the page was opened with, or the first digits of it")
    document = param.Dict(default={}, doc="What the service says of the scan; empty before it is loaded")
    progress = param.Dict(default=None, allow_None=True, doc="How far it is; None before it has begun")
    state = param.String(doc="One of STATES; empty before it is loaded")
    successor = param.Boolean(False, doc="Whether it has taken the place of the scan that was asked for")
    lost = param.String(doc="Why the service could not be asked at the last try; empty if it could")

    def load(self, client: "Client") -> None:
        """Ask for all there is to know.

        Raises
        ------
        RequestError
            If there is no such scan.
        """
        if not self.asked:
            raise RequestError("no scan is named: /scan?id=ID shows one, and /scans all of them")
        try:
            found = client.get_scan(self.id).document
        except ConflictError:  # it was deleted
            self.state = "deleted"
            return
        with param.parameterized.batch_call_watchers(self):
            self.successor = self.successor or not str(found["id"]).startswith(self.asked)
            self.document, self.progress, self.state = found, found["progress"], state_of(found)

    def poll(self, client: "Client") -> None:
        """Ask how far it is; for all there is to know, if it has become something else."""
        if not self.document:
            self.load(client)
            return
        try:
            told = client.refer(self.id).follow()
        except ConflictError:
            self.state = "deleted"
            return
        if not self.take(told):
            self.load(client)

    def take(self, told: Mapping[str, Any]) -> bool:
        """Take how far it is, as the service said to somebody (`skymist.client.scan.Scan.follow`).

        Returns
        -------
        bool
            Whether that is all: else it has become something else, and has to be asked for.
        """
        known = self.state, self.id, self.document.get("attempt")
        if (state_of(told), told["id"], told["attempt"]) != known:
            return False
        if told["progress"] != self.progress:
            self.progress = told["progress"]
        return True

    @property
    def id(self) -> str:
        """SHA-256 of its request, if it is known; else what was asked for."""
        return str(self.document.get("id", self.asked))

    @property
    def ended(self) -> bool:
        """Whether nothing will happen until somebody asks for it."""
        return self.state in (*ENDED, "deleted")

    @property
    def title(self) -> str:
        """What is run on which event, in a line."""
        if not self.document:
            return f"Scan {self.asked[:12]}"
        event = self.document["alert"] or f"event {self.document['event_id'][:12]}"
        return f"{self.document['request']['reconstruction']} of {event}"

    @property
    def facts(self) -> dict[str, str]:
        """What there is to know of the request, in words."""
        if not self.document:
            return {}
        request, wish = self.document["request"], self.document["wish"]
        chosen, who = self.document["chosen"], self.document["who"] or "unknown"
        options = {key: value for key, value in request["options"].items() if wish["options"].get(key) is not None}
        workers = "as configured" if self.document["workers"] is None else str(self.document["workers"])
        facts = {
            "reconstruction": f"{request['reconstruction']} {request['version']}",
            "chosen because": chosen["why"] if chosen else "",
            "options": ", ".join(f"{key} = {value}" for key, value in options.items()) or "defaults",
            "levels": ", ".join(f"{nside}:{cells}" for nside, cells in request["levels"]),
            "cone": _cone(request["cone"]),
            "seeds": f"{wish['seeds']}, random seed {wish['seed']}",
            "asked for by": f"rule {self.document['rule']}" if self.document["rule"] else who,
            "asked for": moment(self.document["created"]),
            "cluster": f"{self.document['cluster']}, workers {workers}, priority {self.document['priority']}",
            "attempt": str(self.document["attempt"]) if self.document["attempt"] > 1 else "",
            "took" if self.ended else "so far": took(self.document),
            "id": self.id,
        }
        return {key: value for key, value in facts.items() if value}

    @property
    def bars(self) -> list[dict[str, Any]]:
        """How far each level is, from coarse to fine."""
        levels = (self.progress or {}).get("levels", [])
        return [
            {"name": f"nside {each['nside']}", "done": each["done"], "failed": each["failed"], "total": each["total"],
             "note": _cell_time(each.get("cell_seconds"))}
            for each in levels
        ]  # fmt: skip

    @property
    def numbers(self) -> dict[str, str]:
        """Rate, what remains, and who works on it, in words."""
        if self.progress is None:
            return {}
        told, going = self.progress, self.state == "running"
        found = {
            "rate, last 5 s": f"{told['rate']:,.0f} cells/s" if going else "",
            "mean rate": f"{told['mean_rate']:,.0f} cells/s",
            "remains": (duration(told["eta"]) if told["eta"] is not None else "not known yet") if going else "",
            "computing": duration(told["seconds"]),
            "workers": f"{told['workers']} with {told['threads']} threads",
        }
        return {key: value for key, value in found.items() if value}

    def result(self, angles: str) -> dict[str, Any]:
        """Return what was found: ``facts`` in words, ``alert`` and its ``href``; empty before it is complete.

        Parameters
        ----------
        angles : str
            How positions are written.
        """
        summary = self.document.get("summary")
        if self.state != "complete" or not summary:
            return {}
        best, time = summary["best"], summary["event"]["utc"]
        energy = best["energy_gev"]
        facts = {
            f"best fit, {names(angles)}": position(best["ra"], best["dec"], angles, time),
            **{f"{share} % region": _region(each) for share, each in summary["regions"].items()},
            "energy": "not fitted" if energy is None else energy_words(energy / 1000),
            "truth": _truth(summary, angles),
            "cells": f"{sum(summary['cells'].values()):,}"
            + (f", {summary['failed_cells']:,} of them failed" if summary["failed_cells"] else ""),
            "took": f"{duration(summary['seconds']['total'])}, computing {duration(summary['seconds']['compute'])}",
        }
        named = self.document["alert"] or ""
        told = urlencode({"name": named, "role": self.document["role"]})
        kept = {key: value for key, value in facts.items() if value}
        return {"facts": kept, "alert": named, "href": f"/alert?{told}", "calibration": summary["calibration"]}

    @property
    def files(self) -> list[dict[str, str]]:
        """What can be downloaded: name, words and path of each."""
        if self.state != "complete":
            return []
        kinds = {**{kind: each.about for kind, each in EXPORTS.items()}, "zarr": "the map itself, as a zip"}
        path = f"/v1/scans/{self.id}/result?format="
        return [{"name": kind, "about": about, "url": f"{path}{kind}"} for kind, about in kinds.items()]

    @property
    def trouble(self) -> str:
        """What is in the way, or went wrong, in words; empty if nothing."""
        if self.state == "deleted":
            return "This scan was deleted. Its map is kept: Rescan brings it back."
        if self.state == "failed":
            return str(self.document.get("error") or "it failed, and nobody knows why")
        told = self.progress or {}
        return str(told.get("trouble") or "") if self.state == "running" else ""

    @property
    def slow_cells(self) -> list[dict[str, Any]]:
        """The slowest cells: number, place (degrees, ICRS), seconds and worker."""
        slow = (self.progress or {}).get("slowest", [])
        places = _places(tuple(each["uniq"] for each in slow)) if slow else ()
        return [
            {"nside": nside, "ra": ra, "dec": dec, "seconds": each["seconds"], "worker": str(each["worker"])}
            for each, (nside, ra, dec) in zip(slow, places, strict=True)
        ]

    def cancel(self, client: "Client") -> None:
        """Cancel it; one that runs ends as soon as its runner hears of it."""
        self._take(client.refer(self.id).cancel().document)

    def rescan(self, client: "Client") -> None:
        """Run it once more, also if it was deleted."""
        self._take(client.refer(self.id).rescan().document)

    def set_workers(self, client: "Client", number: int) -> None:
        """Have it run with so many workers."""
        self._take(client.refer(self.id).set_workers(number).document)

    def _take(self, found: dict[str, Any]) -> None:
        with param.parameterized.batch_call_watchers(self):
            self.document, self.progress, self.state = found, found["progress"], state_of(found)


@lru_cache(maxsize=64)  # all who follow a scan see the same cells
def _places(cells: tuple[int, ...]) -> tuple[tuple[int, float, float], ...]:
    """Return nside, right ascension and declination (degrees) of cells by their numbers."""
    uniq = np.array(cells, np.int64)
    ra, dec = (np.degrees(each) for each in sky.centers(uniq))
    return tuple(zip(sky.nside_of(uniq).tolist(), ra.tolist(), dec.tolist(), strict=True))


def moment(text: str | None) -> str:
    """Return a time of the service as people read it, UTC."""
    return f"{_parsed(text):%Y-%m-%d %H:%M:%S} UTC" if text else ""


def took(document: Mapping[str, Any]) -> str:
    """Return how long a scan took from when a runner had it, or has taken so far; empty before that."""
    if not document.get("started"):
        return ""
    end = _parsed(document["finished"]) if document.get("finished") else datetime.now(UTC)
    return duration((end - _parsed(document["started"])).total_seconds())


def _parsed(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def state_of(told: Mapping[str, Any]) -> str:
    """Return what a scan is doing, by a name of `STATES`."""
    return "cancelling" if told["state"] == "running" and told["wanted"] == "cancelled" else str(told["state"])


def _cone(cone: list[float] | None) -> str:
    return "the whole sky" if cone is None else f"{cone[2]:g}° around RA {cone[0]:.2f}°, Dec {cone[1]:+.2f}°"


def _region(told: Mapping[str, Any]) -> str:
    """Return the size of a region, and how far it goes from the best fit, in words."""
    errors = [f"{'−' if key.endswith('minus') else '+'}{abs(told[key]):.2f}°" for key in _ERRORS]
    return f"{number(told['area_deg2'])} deg² (RA {errors[0]} {errors[1]}, Dec {errors[2]} {errors[3]})"


_ERRORS = "ra_plus", "ra_minus", "dec_plus", "dec_minus"


def _truth(summary: Mapping[str, Any], angles: str) -> str:
    """Return where a simulated particle came from, and how far that is from the best fit; empty if nobody knows."""
    truth = summary.get("truth")
    if not truth or truth.get("ra") is None:
        return ""
    best = summary["best"]
    away = sky.separation(*(np.radians(each) for each in (truth["ra"], truth["dec"], best["ra"], best["dec"])))
    where = position(truth["ra"], truth["dec"], angles, summary["event"]["utc"])
    return f"{where}, {np.degrees(away):.2f}° away"


def _cell_time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{1000 * seconds:.2g} ms a cell" if seconds < 0.0995 else f"{seconds:.2g} s a cell"
