"""The operator's page: whether all is well, what runs and waits, how long things took, what went wrong."""

from typing import Any

import panel as pn
import panel_material_ui as pmui

from skymist.app.models.operations import Operations
from skymist.app.parts.again import again
from skymist.app.parts.board import Board
from skymist.app.parts.histogram import Histogram, Lines
from skymist.app.visit import Visit

PERIOD_MS = 2000


def page(visit: Visit) -> Any:
    """Return the page."""
    return _Page(visit).view


class _Page:
    def __init__(self, visit: Visit) -> None:
        self.visit, self.model = visit, Operations(visit)
        theme = visit.look.theme
        whole: dict[str, Any] = {"theme": theme, "sizing_mode": "stretch_width"}
        self.state = Board(headline=self.model.headline, **whole)
        self.work, self.errors = Board(**whole), Board(**whole)
        self.rate = Lines("cells per second", ["rate"], theme)
        self.queue = Lines("scans", ["running", "queued"], theme)
        self.times: dict[str, Histogram] = {}
        self.none = Board(**whole)
        self.latencies = _row()
        self.errors.param.watch(visit.guarded(self.retry), "pressed")
        self.view = pmui.Column(
            self.state, _row(_wide(self.rate.figure), _wide(self.queue.figure)), self.work,
            Board(title="How long things took in the last day", **whole), self.latencies, self.none, self.errors,
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        pn.state.onload(visit.guarded(self.begin), threaded=True)

    def begin(self) -> None:
        """Show how the service is, and look again and again."""
        self.look()
        again(self.visit.guarded(self.look), PERIOD_MS)

    def look(self) -> None:
        """Show how the service is now."""
        self.model.look()
        self.show()

    def retry(self, event: Any) -> None:
        """Try once more to read a message."""
        self.visit.say(self.model.retry(event.new["act"]), "success")
        self.show()

    def show(self) -> None:
        """Show what is known."""
        model = self.model
        self.state.param.update(
            severity=model.severity, headline=model.headline, when=model.when, troubles=model.troubles,
            figures=model.figures,
        )  # fmt: skip
        self.work.tables = model.tables("scans", "clusters", "queue", "runners", "streams", "sizes")
        self.errors.param.update(tables=model.tables("failed", "unsent", "quarantine"), footer=model.versions)
        if len(self.latencies) != len(model.stages):
            self._begin_latencies()
        self._tell_latencies()
        pn.state.execute(self._draw, schedule=True)  # figures are changed where the document is at hand

    def _begin_latencies(self) -> None:
        edges, theme = self.model.document["latencies"]["edges_s"], self.visit.look.theme
        self.times = {each["stage"]: Histogram(each["words"], edges, theme) for each in self.model.stages}
        self.words = {name: Board(theme=theme, sizing_mode="stretch_width", margin=0) for name in self.times}
        bars = {name: _pane(each.figure) for name, each in self.times.items()}
        self.shares = {name: pmui.Column(self.words[name], bars[name], **_SHARE) for name in self.times}
        self.latencies[:] = list(self.shares.values())

    def _tell_latencies(self) -> None:
        """Tell in words what figures show, and show none that is empty."""
        for stage in self.model.stages:
            self.words[stage["stage"]].footer = f"{stage['words']}: {stage['said']}"
            self.shares[stage["stage"]].visible = stage["n"] > 0
        none = [stage["words"] for stage in self.model.stages if not stage["n"]]
        self.none.footer = f"Nothing to measure: {'; '.join(none)}." if none else ""

    def _draw(self) -> None:
        seen = list(self.model.history)
        times = [each.time.replace(tzinfo=None) for each in seen]
        self.rate.show(times, {"rate": [each.rate for each in seen]})
        self.queue.show(times, {key: [getattr(each, key) for each in seen] for key in ("running", "queued")})
        for stage in self.model.stages:
            self.times[stage["stage"]].show(stage["counts"])


_SHARE: dict[str, Any] = {"styles": {"flex": "1 1 420px", "min-width": "0"}, "margin": (4, 12, 4, 0)}


def _row(*parts: Any) -> Any:
    return pn.FlexBox(*parts, sizing_mode="stretch_width")


def _wide(figure: Any) -> Any:
    return pmui.Column(_pane(figure), **_SHARE)


def _pane(figure: Any) -> Any:
    return pn.pane.Bokeh(figure, sizing_mode="stretch_width")
