"""The map of a scan, which fills in while the scan runs; see ``live_map.js`` for what it shows and how."""

import json
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import panel as pn
import param
from matplotlib.colors import to_hex
from panel.io.document import unlocked

from skymist.app import feed
from skymist.app.feed import News
from skymist.app.models.angles import position
from skymist.app.parts.assets import script, style
from skymist.app.parts.told import Told
from skymist.app.visit import Visit
from skymist.plot.live import HIGHEST
from skymist.plot.style import STYLES

_FRAMES = {"galactic": "galactic", "local": "local"}
"""Of the whole sky, for those who write positions in it; all others see it in ICRS."""


NOTHING = "No cell has come in yet: the map appears here as soon as one does."


def nothing(news: News) -> None:
    """Take news, and leave it."""


class LiveMap(Told):
    """See ``live_map.js``. Each part is sent only when it changes.

    Parameters
    ----------
    visit : Visit
    scan_id : str
    hear : callable
        Is told all news, too, where pages are changed: it asks nobody anything.
    """

    colours = param.Dict(doc="Of lines and text by what they are for, and `cells`: of each number, from 1 on")
    angles = param.String(doc="How the person writes positions")
    sky_image = param.String(doc="The whole sky: PNG as base64")
    near_image = param.String(doc="The surroundings of the best fit: PNG as base64")
    sky = param.String(doc="All else of the whole sky, as JSON")
    near = param.String(doc="All else of the surroundings, as JSON")
    trouble = param.String(doc="Why nothing new comes")
    facts = param.String(doc="All else, as JSON, with the version of all; it is sent last")

    _esm = script("common", "projections", "live_map")
    _stylesheets = style("live_map")

    def __init__(self, visit: Visit, scan_id: str, hear: feed.Take = nothing, **params: Any) -> None:
        super().__init__(
            colours=palette(visit.look.theme), angles=visit.look.angles, facts=json.dumps({"version": 0}),
            sizing_mode="stretch_width", **params,
        )  # fmt: skip
        self._visit, self._scan_id, self._hear = visit, scan_id, hear
        self._frame = _FRAMES.get(visit.look.angles, "equatorial")
        self._document = pn.state.curdoc
        self._lock = threading.Lock()
        self._latest: News | None = None  # that is not shown yet
        self._shown: dict[str, Any] | None = None
        self._stop: Callable[[], None] = lambda: None
        self._closed = False

    def follow(self) -> None:
        """Show how the scan is from now on; once more, if it has ended and runs again."""
        self.leave()
        if not self._closed:
            self._stop = feed.watch(self._visit.client, self._scan_id, self._take, self._frame)

    def leave(self) -> None:
        """Show nothing new any more."""
        self._stop()

    def close(self) -> None:
        """Show nothing new ever again: who follows it later comes too late."""
        self._closed = True
        self.leave()

    def _cleanup(self, root: Any = None) -> None:
        super()._cleanup(root)
        if not self._models:  # it is not on the page any more
            self.leave()

    def _take(self, news: News) -> None:
        """Have news shown where pages are changed; the latest ones count."""
        if news.ended and news.trouble and news.picture is None and self._frame == "local":
            self._frame = "equatorial"  # some maps do not say where their detector is
            self.follow()
            return
        with self._lock:
            waiting, self._latest = self._latest is not None, news
        if not waiting:
            if self._document is None:
                self._show()
            else:
                self._document.add_next_tick_callback(self._show)

    def _show(self) -> None:
        with self._lock:
            news, self._latest = self._latest, None
        if news is None:
            return
        changes: dict[str, Any] = {"trouble": news.trouble}
        if news.picture is None:
            changes["facts"] = json.dumps({"version": 0, "words": NOTHING})
        if news.picture is not None and news.picture is not self._shown:
            self._shown = news.picture
            changes |= _parts(news.picture, self.angles)
        with unlocked():  # what is changed elsewhere goes with it, in one message
            self.param.update({key: value for key, value in changes.items() if value != getattr(self, key)})
            self._hear(news)


def live_map(visit: Visit, scan_id: str, hear: feed.Take = nothing) -> LiveMap:
    """Return the map of a scan; it fills in as long as the page is open and the scan runs.

    Parameters
    ----------
    visit : Visit
    scan_id : str
    hear : callable
        As `LiveMap` has it.

    Returns
    -------
    LiveMap
        Its `follow` is to be called when the scan runs again.
    """
    shown = LiveMap(visit, scan_id, hear)
    pn.state.onload(shown.follow)
    pn.state.on_session_destroyed(lambda _: shown.close())
    return shown


def palette(theme: str) -> dict[str, Any]:
    """Return the colours of a theme."""
    style = STYLES[theme]
    cells = [to_hex(style.colours(share)) for share in np.linspace(0, 1, HIGHEST)]
    names = ("paper", "ink", "faint", "inner", "outer", "mark", "missing")
    return {"cells": cells, **{name: getattr(style, name) for name in names}}


def parts(picture: dict[str, Any], angles: str) -> dict[str, str]:
    """Return the parts of a picture as they are sent, the facts last."""
    sky, near = dict(picture["sky"]), dict(picture["near"])
    images = {"sky_image": sky.pop("image"), "near_image": near.pop("image")}
    facts = {key: value for key, value in picture.items() if key not in ("sky", "near")}
    facts["best"] = {**facts["best"], "text": position(facts["best"]["ra"], facts["best"]["dec"], angles, facts["utc"])}
    texts = {"sky": sky, "near": near, "facts": {**facts, "line": line(facts)}}
    return images | {name: json.dumps(value, separators=(",", ":")) for name, value in texts.items()}


_KEPT: dict[tuple[int, str], tuple[dict[str, Any], dict[str, str]]] = {}
_MOST_KEPT = 8


def _parts(picture: dict[str, Any], angles: str) -> dict[str, str]:
    """Return the parts of a picture; all who watch get the same ones, which are made once."""
    kept = _KEPT.get((id(picture), angles))
    if kept is None or kept[0] is not picture:
        kept = picture, parts(picture, angles)
        _KEPT[id(picture), angles] = kept
        for oldest in [*_KEPT][:-_MOST_KEPT]:
            _KEPT.pop(oldest, None)
    return kept[1]


def line(facts: dict[str, Any]) -> str:
    """Return what a picture shows, in a line of words."""
    levels = ", ".join(f"{number:,} of nside {nside}" for nside, number in facts["levels"].items())
    failed = f", {facts['failed']:,} without a fit" if facts["failed"] else ""
    regions = ", ".join(
        f"{100 * each['containment']:.0f} % region {area(each['area_deg2'])}{' or more' if each['open'] else ''}"
        for each in facts["regions"]
    )
    so_far = "" if facts["complete"] else " so far"
    return f"{facts['cells']:,} cells ({levels}{failed}) · best fit{so_far} {facts['best']['text']} · {regions}"


def area(deg2: float) -> str:
    """Return an area with three digits or all before the point.

    Examples
    --------
    >>> area(0.01234), area(5.678), area(12345.6)
    ('0.0123 deg²', '5.68 deg²', '12,346 deg²')
    """
    return f"{deg2:,.0f} deg²" if deg2 >= 100 else f"{deg2:.3g} deg²"
