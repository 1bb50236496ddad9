"""An event in the detector, in three dimensions and in time."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param
from panel.custom import JSComponent

from skymist.app.models.event import NONE, EventModel
from skymist.app.parts.assets import script, style
from skymist.app.visit import Visit
from skymist.plot.style import Style, style_of

_CSS = Path(__file__).with_name("sky.css").read_text(encoding="utf-8")


class Detector(JSComponent):
    """See ``event_view.js``; Plotly itself comes with Panel's extension of that name."""

    scene = param.Dict({}, doc="Modules, strings, lines and times, see `EventModel.scene`")
    colours = param.Dict(doc="ink, paper, faint, mark, lines")
    theme = param.String()
    caption = param.String(doc="For readers who do not see it")

    _esm = script("common", "event_view")
    _stylesheets = style("event_view")


def event_view(visit: Visit, event_id: str, scans: Sequence[dict[str, Any]]) -> "EventView":
    """Return an event in the detector; it is loaded when the page is there.

    Parameters
    ----------
    visit : Visit
    event_id : str
    scans : sequence of dict
        Of its alert, the latest first.
    """
    return EventView(visit, event_id, scans)


class EventView(pn.viewable.Viewer):
    """See `event_view`; `take` shows what is known later."""

    def __init__(self, visit: Visit, event_id: str, scans: Sequence[dict[str, Any]]) -> None:
        super().__init__()
        self.visit, dark = visit, visit.look.theme == "dark"
        self.model = EventModel(visit.client, event_id, scans, visit.look.angles)
        self.figure = Detector(
            colours=colours_of(style_of(visit.look.theme)), theme=visit.look.theme, sizing_mode="stretch_width"
        )
        self.scan = pmui.Select(label="Best fit of", options={NONE: ""}, size="small", margin=(4, 0, 4, 0),
                                sizing_mode="stretch_width")  # fmt: skip
        self.scan.param.watch(visit.guarded(self._choose), "value")
        classes = ["dark"] if dark else []
        self.words = pn.pane.HTML("", stylesheets=[_CSS], css_classes=classes, sizing_mode="stretch_width", margin=0)
        wide: dict[str, Any] = {"sizing_mode": "stretch_width", "margin": 0}
        beside = pn.Column(self.scan, self.words, styles={"flex": "1 1 320px", "min-width": "280px"}, **wide)
        figure = pn.Column(self.figure, styles={"flex": "2.4 1 520px", "min-width": "300px"}, **wide)
        self._layout = pn.FlexBox(figure, beside, flex_wrap="wrap", align_items="flex-start", gap="0 20px", **wide)
        pn.state.onload(visit.guarded(self._load), threaded=True)

    def __panel__(self) -> Any:
        """Return what is shown."""
        return self._layout

    def take(self, scans: Sequence[dict[str, Any]]) -> None:
        """Let the scans be chosen that are known by now; to be called in a thread."""
        if self.model.take(scans):
            self._load()

    def _load(self) -> None:
        self.model.load()
        self.scan.param.update(options={NONE: "", **self.model.choices()}, value=self.model.scan)
        self._draw()

    def _choose(self, event: Any) -> None:
        if event.new != self.model.scan:
            self.model.scan = event.new or ""
            self._draw()

    def _draw(self) -> None:
        caption = self.model.caption()
        self.figure.param.update(scene=self.model.scene(), caption=caption)
        rows = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
                       for name, value in self.model.facts())  # fmt: skip
        self.words.object = (
            f'<div class="words facts"><table><caption>The event</caption><tbody>{rows}</tbody></table>'
            f"<details><summary>The event in words</summary><p>{escape(caption)}</p></details></div>"
        )


def colours_of(style: Style) -> dict[str, Any]:
    """Return the colours of a theme, as the figure takes them."""
    one = {name: getattr(style, name) for name in ("ink", "paper", "faint", "mark")}
    return {**one, "lines": list(style.lines)}
