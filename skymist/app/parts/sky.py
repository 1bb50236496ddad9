"""The maps of an alert: side by side, as a difference, and on the whole sky, with what is known around them."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource, CustomJS
from panel.io.document import hold

from skymist.app.models.maps import MOST, Maps
from skymist.app.models.sources import Sources
from skymist.app.parts import sky_words as words
from skymist.app.parts.read_out import read_out
from skymist.app.parts.table import Table
from skymist.app.visit import Visit
from skymist.plot.frames import FRAMES
from skymist.plot.interactive.charts import Chart, link, tell_cursor
from skymist.plot.interactive.scenes import Scene
from skymist.plot.style import style_of

GROWTH_S = 3.0
"""Between two looks at a map that grows: its sources and regions are worked out anew each time."""
_CSS = Path(__file__).with_name("sky.css").read_text(encoding="utf-8")
_SHOW = {"TS": "ts", "probability": "probability"}
_ALL = "all catalogs"
MOVED = """
clearTimeout(moved.waiting)
const {x0, x1, y0, y1} = cb_obj
moved.waiting = setTimeout(() => { moved.data = {box: [x0, x1, y0, y1]} }, 250)
"""
"""Tells the server which part of the plane is looked at, once that has come to rest."""


def sky_view(visit: Visit, alert: dict[str, Any], scans: Sequence[dict[str, Any]]) -> "SkyView":
    """Return the maps of an alert; what they show is loaded when the page is there.

    Parameters
    ----------
    visit : Visit
    alert : dict
        As ``GET /v1/alerts/NAME`` answers.
    scans : sequence of dict
        Of ``GET /v1/scans?alert=NAME``, the latest first.
    """
    return SkyView(visit, alert, scans)


class SkyView(pn.viewable.Viewer):
    """See `sky_view`; `take` shows what is known later.

    Attributes
    ----------
    maps : Maps
        What is looked at; its parameters stand in the page's address.
    """

    def __init__(self, visit: Visit, alert: dict[str, Any], scans: Sequence[dict[str, Any]]) -> None:
        super().__init__()
        self.visit, self.style, self._look = visit, style_of(visit.look.theme), visit.look
        self.maps = Maps(visit.client, alert, scans, visit.look.angles)
        self.sources = Sources(visit.client, visit.look.angles, str(alert.get("time", "")))
        self._busy, self._wanted, self._filling = threading.RLock(), 0, False
        self._due, self._drawn = False, 0.0
        self._make_charts()
        self._make_words()
        self._make_controls()
        self._layout = self._arranged()
        if pn.state.location is not None:
            names = {"scan": "map", "others": "with", "difference": "difference", "calibration": "regions",
                     "show": "colours", "frame": "frame", "notices": "notices"}  # fmt: skip
            pn.state.location.sync(self.maps, names)
        pn.state.onload(visit.guarded(self._load), threaded=True)

    def __panel__(self) -> Any:
        """Return what is shown."""
        return self._layout

    def take(self, alert: dict[str, Any], scans: Sequence[dict[str, Any]]) -> None:
        """Show what is known of the alert and its scans by now; to be called in a thread."""
        self._due = self.maps.take(alert, scans) or self._due
        growing = self.maps.ready and self.maps.document["state"] == "running"
        if not self._due:
            self._fill_choices()
        elif not growing or time.monotonic() - self._drawn >= GROWTH_S:
            self._load()

    # What is on the page.

    def _make_charts(self) -> None:
        self.charts = [Chart(self.style, 1.0, "surroundings of the best fit") for _ in range(MOST)]
        link(self.charts)
        tell_cursor(self.charts)
        self.sky = Chart(self.style, 2.0, "the whole sky")
        tell_cursor([self.sky])
        self.sky.figure.on_event("tap", self._tapped)
        self.moved = ColumnDataSource({"box": [0.0, 0.0, 0.0, 0.0]})
        self.moved.on_change("data", self._moved)
        for chart in self.charts:
            chart.figure.js_on_event("rangesupdate", CustomJS(args={"moved": self.moved}, code=MOVED))

    def _make_words(self) -> None:
        self.heads = [self._html() for _ in self.charts]
        self.scales = [self._html() for _ in self.charts]
        self.sky_scale, self.key, self.regions = self._html(), self._html(), self._html()
        self.compared, self.chance, self.caption, self.answer = (self._html() for _ in range(4))
        self.read_out = read_out(self._look)
        self.table = Table(
            columns=list(words.COLUMNS), label="known sources in the region and the nearest outside", keys=False,
            wide=900, empty="No catalog has a source there.", theme=self._look.theme, sizing_mode="stretch_width",
        )  # fmt: skip
        self.table.param.watch(self._later(self._pick), "selected")
        self.table.on_action(self._point)

    def _html(self) -> Any:
        classes = ["dark"] if self._look.theme == "dark" else []
        look: dict[str, Any] = {"sizing_mode": "stretch_width", "margin": (0, 0, 2, 0)}
        return pn.pane.HTML("", stylesheets=[_CSS], css_classes=classes, **look)

    def _make_controls(self) -> None:
        small: dict[str, Any] = {"margin": (4, 8, 4, 0), "size": "small"}
        self.scan = pmui.Select(label="Map", options={}, width=450, **small)
        self.others = pmui.MultiChoice(
            label="Beside it", options={}, width=330, max_items=MOST - 1, margin=small["margin"],
        )  # fmt: skip
        self.difference = pmui.Switch(label="Difference", value=self.maps.difference, disabled=True, margin=(10, 8))
        self.calibration = pmui.Select(label="Regions by", options=[], width=165, **small)
        self.colours = pmui.Select(label="Colours", options=_SHOW, value=self.maps.show, width=125, **small)
        self.frame = pmui.Select(label="Whole sky in", options=list(FRAMES), value=self.maps.frame, width=125, **small)
        self.notices = pmui.Switch(label="Notices", value=self.maps.notices, margin=(10, 8))
        self.catalog = pmui.Select(label="Catalog", options=[_ALL], value=_ALL, width=260, **small)
        self.ask = pmui.TextInput(
            label="Position or source", placeholder="77.36 5.69, 05h09m26s +05d41m36s, or a name", width=330, **small
        )
        self.buttons = [
            pmui.Button(label=label, variant="outlined", margin=(6, 6, 4, 0), size="small", description=told,
                        on_click=self._later(act))
            for label, told, act in (
                ("Best fit", "Show the surroundings of the best fit again", lambda _: self._move(self.maps.home)),
                ("Closer", "Show a smaller part of the sky", lambda _: self._move(partial(self.maps.closer, 1.0))),
                ("Wider", "Show a larger part of the sky", lambda _: self._move(partial(self.maps.closer, -1.0))),
            )
        ]  # fmt: skip
        chosen: dict[str, Any] = {"scan": self.scan, "others": self.others}
        looks: dict[str, Any] = {"difference": self.difference, "calibration": self.calibration, "show": self.colours,
                                 "frame": self.frame, "notices": self.notices}  # fmt: skip
        for widgets, act in ((chosen, self._choose), (looks, self._set)):
            for name, widget in widgets.items():
                widget.param.watch(self._later(partial(act, name)), "value")
        self.catalog.param.watch(self._later(self._choose_catalog), "value")
        self.ask.param.watch(self._later(self._locate), "value")

    def _arranged(self) -> Any:
        wide: dict[str, Any] = {"sizing_mode": "stretch_width", "margin": 0}
        flow: dict[str, Any] = {"flex_wrap": "wrap", "align_items": "flex-start", "gap": "0 16px", **wide}
        what = pn.FlexBox(self.scan, self.others, self.difference, self.calibration, **flow)
        how = pn.FlexBox(self.colours, self.frame, self.notices, pn.Row(*self.buttons, margin=0), **flow)
        self.panels = [
            pn.Column(
                head, pn.pane.Bokeh(chart.figure, sizing_mode="scale_width", margin=0), scale,
                styles={"flex": "1 1 330px", "max-width": "660px", "min-width": "260px"}, **wide,
            )
            for head, chart, scale in zip(self.heads, self.charts, self.scales, strict=True)
        ]  # fmt: skip
        sky = pn.pane.Bokeh(self.sky.figure, sizing_mode="scale_width", margin=0)
        told = self._html()
        told.object = '<div class="name">The whole sky: a click looks there</div>'
        column: dict[str, Any] = {"styles": {"flex": "1 1 480px", "min-width": "300px"}, **wide}
        self.side = pn.FlexBox(
            pn.Column(told, sky, self.sky_scale, **column), pn.Column(self.regions, self.compared, **column),
            styles={"min-width": "300px"}, **flow,
        )  # fmt: skip
        self.shown = pn.FlexBox(**flow)  # empty, until there is something to be seen in it
        asked = pn.FlexBox(self.ask, pn.Column(self.answer, styles={"flex": "1 1 300px"}, margin=(10, 0)), **flow)
        found = pn.Column(self.catalog, self.table, self.chance, **wide)
        return pn.Column(what, how, self.shown, self.read_out, self.key, asked, found, self.caption, **wide)

    # What people do: in threads, as it takes a while.

    def _later(self, act: Callable[[Any], None]) -> Callable[..., None]:
        """Return a callback that tells what goes wrong, and does nothing while controls are being filled."""

        def acting(event: Any) -> None:
            if not self._filling:
                self.visit.guarded(act)(event)

        return acting

    def _load(self) -> None:
        with self._busy:
            self._due, self._drawn = False, time.monotonic()
            self.maps.load()
            self._fill_choices()
            self._draw()
            self._match()

    def _choose(self, name: str, event: Any) -> None:
        with self._busy:
            self.maps.param.update(**{name: event.new or self.maps.param[name].default})
            self.maps.moved, self.maps.by_hand = False, self.maps.by_hand or name == "scan"
        self._load()

    def _set(self, name: str, event: Any) -> None:
        with self._busy:
            self.maps.param.update(**{name: event.new})
            if name == "calibration":
                self._draw()
                self._match()
            else:
                self._draw(whole=name in ("frame", "notices"))

    def _move(self, act: Callable[[], Any]) -> None:
        self._wanted += 1
        mine = self._wanted
        with self._busy:
            # Who is impatient gets the last of what they asked for.
            if mine == self._wanted and self.maps.plane is not None and act() is not False:
                self._draw(whole=False)

    def _tapped(self, event: Any) -> None:
        """Look where somebody clicked on the whole sky; Bokeh calls this in the event loop."""
        if event.x is not None and event.x**2 / 4 + event.y**2 < 1:
            self._in_thread(lambda: self._move(partial(self.maps.look_on_sky, float(event.x), float(event.y))))

    def _moved(self, _: str, __: Any, new: dict[str, Any]) -> None:
        box = [float(each) for each in new["box"]]
        self._in_thread(lambda: self._move(partial(self.maps.look_within, *box)))

    def _in_thread(self, act: Callable[[], None]) -> None:
        pn.state.execute(self.visit.guarded(act), schedule="thread" if pn.config.nthreads is not None else "auto")

    def _point(self, row: str, _: str) -> None:
        """Choose the row whose button somebody pressed."""
        self.table.selected = row

    def _pick(self, event: Any) -> None:
        with self._busy:
            self.maps.picked = event.new
            self._draw_over()

    def _choose_catalog(self, event: Any) -> None:
        with self._busy:
            self.sources.catalog = self.sources.known.get(event.new, "")
            self._match()

    def _locate(self, event: Any) -> None:
        if not event.new.strip():
            self.maps.place, self.answer.object = None, ""
        else:
            found = self.maps.locate(event.new)
            said = "There is no map yet: it is marked." if found is None else words.position_of(
                event.new.strip(), found, self._look.angles, str(self.maps.alert.get("time", ""))
            )  # fmt: skip
            self.answer.object = f'<div class="words" role="status">{escape(said)}</div>'
        with self._busy:
            if self.maps.look_at_place():
                self._draw(whole=False)
            else:
                self._draw_over()

    # What it looks like then.

    def _fill_choices(self) -> None:
        maps, choices = self.maps, self.maps.choices()
        others = {name: each for name, each in choices.items() if each != maps.scan}
        chosen = [each for each in maps.chosen[1:] if each in others.values()]
        self._filling = True
        try:
            self.scan.param.update(options=choices, value=maps.scan or None)
            self.others.param.update(options=others, value=chosen)
            self.calibration.param.update(options=maps.calibrations(), value=maps.calibration or None)
            self.difference.param.update(disabled=len(maps.chosen) != 2, value=maps.difference)
            self.frame.value, self.colours.value, self.notices.value = maps.frame, maps.show, maps.notices
        finally:
            self._filling = False

    def _draw(self, whole: bool = True) -> None:
        """Show the maps as they are looked at now; the whole sky only if it has changed, too."""
        if self.maps.plane is None:
            self.caption.object = '<div class="words"><p>No scan has a map yet, and nobody told a position.</p></div>'
            return
        shown = self.maps.zooms()
        sky = self.maps.whole() if whole else None
        over = self.maps.over_zoom(), self.maps.over_whole()
        for at, (name, scene) in enumerate(shown):
            self.heads[at].object, self.scales[at].object = words.head_of(name), words.scale_of(scene, self.style)
        if sky is not None:
            self.sky_scale.object = words.scale_of(sky, self.style)
            self._draw_words()
        there = [*self.panels[: len(shown)], self.side]
        _in_document(partial(self._show, shown, sky, over), then=lambda: self._place(there))

    def _place(self, there: Sequence[Any]) -> None:
        """Show panels, and what is said of them: beside one, below several."""
        if list(self.shown) != list(there):
            self.side.styles = {**self.side.styles, "flex": "1 1 100%" if len(there) > 2 else "1.4 1 420px"}
            self.shown[:] = there

    def _show(self, shown: Sequence[tuple[str, Scene]], sky: Scene | None, over: Any) -> None:
        for chart, (name, scene) in zip(self.charts, shown, strict=False):
            chart.show(scene, name)
            chart.over(*over[0])
        if sky is not None:
            self.sky.show(sky, "whole sky")
        self.sky.over(*over[1])

    def _draw_over(self) -> None:
        if self.maps.plane is None:
            return
        zoom, whole = self.maps.over_zoom(), self.maps.over_whole()

        def show() -> None:
            for chart in self.charts:
                chart.over(*zoom)
            self.sky.over(*whole)

        _in_document(show)

    def _draw_words(self) -> None:
        maps, names = self.maps, self.maps.names()
        both = names[:2] if maps.difference and len(names) == 2 else []
        self.key.object = words.key_of(self.style, both)
        if maps.ready:
            self.regions.object = words.regions_of(names, [maps.regions(each) for each in maps.there], maps.calibration)
        self.compared.object = words.difference_of(names, maps.compared() if len(names) == 2 else None)
        self.read_out.turns = maps.turns()
        told = f"<details><summary>The maps in words</summary><p>{escape(maps.caption())}</p></details>"
        self.caption.object = f'<div class="words">{told}</div>'

    def _match(self) -> None:
        """Show the sources of the first map."""
        if not self.maps.ready:
            return
        document = self.maps.document
        self.sources.load(document["id"], self.maps.calibration, growing=document["state"] != "complete")
        self.maps.sources = self.sources.rows()
        self._filling = True
        try:
            chosen = next((title for title, name in self.sources.known.items() if name == self.sources.catalog), _ALL)
            self.catalog.param.update(options=[_ALL, *self.sources.known], value=chosen)
            self.table.param.update(rows=words.source_rows(self.maps.sources), filled=True)
        finally:
            self._filling = False
        told = "".join(f"<p>{escape(each)}</p>" for each in self.sources.words())
        self.chance.object = f'<div class="words"><h2>What chance gives</h2>{told}</div>'
        self._draw_over()


def _in_document(change: Callable[[], None], then: Callable[[], None] = lambda: None) -> None:
    """Change Bokeh's models of this page, all in one message, when its document is free; then do something else."""
    document = pn.state.curdoc

    def changing() -> None:
        with hold(document) if document else nullcontext():
            change()
        then()

    pn.state.execute(changing, schedule=True)
