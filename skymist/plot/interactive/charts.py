"""Charts for pages that live: a Bokeh figure that is made once and shows one scene after another.

`skymist.plot.interactive.zoom` and its like make a figure for a report. Here only what has changed goes to the browser:
an image of 0.5 MB (a tenth of it once the connection has compressed it) and curves.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from skymist.plot.interactive import layers
from skymist.plot.interactive.libraries import library
from skymist.plot.interactive.scenes import Line, Scale, Scene, Spot
from skymist.plot.style import Style

_DASHES = {"plane": "dashed", "notice": "dotted", "second": "dashed"}
_WIDTHS = {"graticule": 0.6, "edge": 1.0, "plane": 1.4, "inner": 2.4, "outer": 2.4, "notice": 1.8, "field": 1.8}
_BARE = "graticule", "edge"
"""Lines about which the cursor tells nothing."""
KINDS = ("graticule", "edge", "plane", "inner", "outer", "first", "second", "notice", "field")
MARKERS = {
    "best": ("cross", 18), "sun": ("circle_dot", 15), "moon": ("circle_x", 15), "mark": ("diamond", 12),
    "source": ("star", 13), "picked": ("star", 21), "place": ("x", 15), "notice": ("dot", 8),
}  # fmt: skip
SHADES = 512
"""Colours in a scale."""
_SKY_ROOM = 0.03
"""Around the ellipse, as a share of its height: for the names of parallels."""
CURSOR = """
const left = cb_obj.event_name === "mouseleave"
window.dispatchEvent(new CustomEvent("skymist-cursor", {detail: left ? {} : {here, sources, x: cb_obj.x, y: cb_obj.y}}))
"""
"""Tells whoever listens in the page where the cursor is; ``read_out.js`` makes words of it, without the server."""


def line_look(kind: str, style: Style) -> dict[str, Any]:
    """Return colour, width and dashes of a kind of line."""
    colours = {"graticule": style.faint, "edge": style.ink, "plane": style.plane, "inner": style.inner,
               "outer": style.outer, "field": style.mark}  # fmt: skip
    return {
        "line_color": colours.get(kind, style.ink), "line_width": _WIDTHS.get(kind, 2.0),
        "line_dash": _DASHES.get(kind, "solid"),
    }  # fmt: skip


def spot_colour(kind: str, style: Style) -> str:
    """Return the colour of a kind of position."""
    return {"best": style.ink, "notice": style.ink, "sun": style.body, "moon": style.body}.get(kind, style.mark)


class Chart:
    """A figure of one scene at a time, without axes or anything else around: what it is stands beside it.

    Parameters
    ----------
    style : Style
    aspect : float
        Width by height of what is shown: 1 of a plane, 2 of the whole sky.
    description : str
        For readers who do not see it.

    Attributes
    ----------
    figure : bokeh.plotting.figure
    """

    def __init__(self, style: Style, aspect: float, description: str = "") -> None:
        models, plotting = library("bokeh.models"), library("bokeh.plotting")
        self.style, self._models = style, models
        self.image = models.ColumnDataSource({"image": [], "x": [], "y": [], "dw": [], "dh": []})
        self.mapper = models.LinearColorMapper(palette=layers.shades(style.colours), nan_color="rgba(0, 0, 0, 0)")
        self.lines = {kind: models.ColumnDataSource({"xs": [], "ys": [], "name": []}) for kind in KINDS}
        self.spots = models.ColumnDataSource(_columns([], style))
        self.labels = models.ColumnDataSource({"x": [], "y": [], "label": []})
        self.texts = models.ColumnDataSource({"x": [], "y": [], "text": [], "dx": [], "dy": []})
        self.figure = plotting.figure(
            x_range=models.Range1d(-1, 1), y_range=models.Range1d(-1, 1), sizing_mode="scale_width",
            aspect_ratio=aspect, width=600, height=round(600 / aspect), toolbar_location=None, tools="",
            name=description,
            x_axis_type=None, y_axis_type=None, outline_line_color=None, min_border=0,
            background_fill_color=style.paper, border_fill_color=style.paper,
        )  # fmt: skip
        self._draw(aspect > 1)
        self._scale: Scale = "ts"
        self._base: tuple[Sequence[Line], Sequence[Spot]] = ((), ())
        self._on_top: tuple[Sequence[Line], Sequence[Spot]] = ((), ())

    def _draw(self, whole: bool) -> None:
        figure, style, models = self.figure, self.style, self._models
        figure.grid.visible = False
        if whole:
            turn = np.linspace(0, 2 * np.pi, 181)
            figure.patch(2 * np.cos(turn), np.sin(turn), fill_color=style.missing, line_color=None)
        else:
            figure.background_fill_color = style.missing
        figure.image(image="image", x="x", y="y", dw="dw", dh="dh", source=self.image, color_mapper=self.mapper)
        told = []
        for kind, source in self.lines.items():
            look = line_look(kind, style)
            if kind not in _BARE:
                wide = {**look, "line_color": style.paper, "line_width": look["line_width"] + 1.6, "line_dash": "solid"}
                figure.multi_line("xs", "ys", source=source, **wide)
            drawn = figure.multi_line("xs", "ys", source=source, **look)
            told += [] if kind in _BARE else [drawn]
        around = {"line_color": style.paper, "fill_color": style.paper, "line_width": 5}
        figure.scatter("x", "y", marker="marker", size="size", source=self.spots, **around)
        look = {"line_color": "colour", "fill_color": "colour", "fill_alpha": "fill", "line_width": 2}
        told.append(figure.scatter("x", "y", marker="marker", size="size", source=self.spots, **look))
        text = {"text_color": style.ink, "text_font_size": "12px", "background_fill_color": style.paper,
                "background_fill_alpha": 0.75, "padding": 1}  # fmt: skip
        figure.text("x", "y", text="label", source=self.labels, x_offset=10, y_offset=-8, **text)
        figure.text("x", "y", text="text", source=self.texts, x_offset="dx", y_offset="dy", **text)
        hover = models.HoverTool(renderers=told, tooltips="@name", point_policy="follow_mouse")
        wheel = models.WheelZoomTool(modifiers="ctrl")
        pan = models.PanTool()
        figure.add_tools(hover, *(() if whole else (pan, wheel)))
        figure.toolbar.active_drag = None if whole else pan
        figure.toolbar.active_scroll = None if whole else wheel

    def show(self, scene: Scene, name: str = "") -> None:
        """Show a scene in the place of the one before, and all of it; the read-out calls it by its name."""
        left, bottom, width, height = scene.box
        low, high = scene.limits
        self._scale = scene.scale
        self.mapper.update(palette=palette_of(scene, self.style), low=low, high=high)
        self.image.tags = [{**scene.about, "name": name}]
        self.image.data = {"image": [scene.image], "x": [left], "y": [bottom], "dw": [width], "dh": [height]}
        room = _SKY_ROOM * height if scene.about.get("onto") == "sky" else 0.0
        self.figure.x_range.update(start=left - 2 * room, end=left + width + 2 * room)
        self.figure.y_range.update(start=bottom - room, end=bottom + height + room)
        self.texts.data = _texts(scene)
        self._base = scene.lines, scene.spots
        self._refresh()

    def over(self, lines: Iterable[Line], spots: Iterable[Spot]) -> None:
        """Show lines and positions over the scene, in the place of those before."""
        self._on_top = tuple(lines), tuple(spots)
        self._refresh()

    def _refresh(self) -> None:
        lines = [*self._base[0], *self._on_top[0]]
        for kind, source in self.lines.items():
            data = _curves([each for each in lines if each.kind == kind])
            if not _same(source.data, data):
                source.data = data
        # A difference has the names of both maps' best fits: there is no room for those of notices.
        over = [each for each in self._on_top[1] if self._scale != "change" or each.kind != "notice"]
        spots = [*over, *self._base[1]]
        named = [each for each in spots if each.label]
        self.spots.data = _columns(spots, self.style)
        self.labels.data = {"x": [each.x for each in named], "y": [each.y for each in named],
                            "label": [each.label for each in named]}  # fmt: skip


def palette_of(scene: Scene, style: Style, number: int = SHADES) -> list[str]:
    """Return the colours of a scene's scale."""
    colours = {"ts": style.colours, "root": style.colours, "probability": style.rising, "change": style.diverging}
    return layers.shades(colours[scene.scale], 0.5 if scene.scale == "root" else 1.0, number)


def link(charts: Sequence[Chart]) -> None:
    """Have several charts of one plane show the same part of it, whichever is moved."""
    for chart in charts[1:]:
        chart.figure.x_range, chart.figure.y_range = charts[0].figure.x_range, charts[0].figure.y_range


def tell_cursor(charts: Sequence[Chart]) -> None:
    """Have the browser tell the page where the cursor is in one of some charts of the same view, and what all hold."""
    for here, chart in enumerate(charts):
        args = {"sources": [each.image for each in charts], "here": here}
        code = library("bokeh.models").CustomJS(args=args, code=CURSOR)
        for event in ("mousemove", "mouseleave"):
            chart.figure.js_on_event(event, code)


def _curves(lines: Sequence[Line]) -> dict[str, list[Any]]:
    parts = [(x, y, line.name) for line in lines for x, y in line.pieces]
    return {
        "xs": [np.asarray(x, np.float32) for x, _, _ in parts], "ys": [np.asarray(y, np.float32) for _, y, _ in parts],
        "name": [name for *_, name in parts],
    }  # fmt: skip


def _same(a: Mapping[str, Sequence[Any]], b: Mapping[str, Sequence[Any]]) -> bool:
    """Return whether curves are the same: what has not changed is not sent."""
    if list(a["name"]) != list(b["name"]):
        return False
    return all(np.array_equal(one, two) for key in ("xs", "ys") for one, two in zip(a[key], b[key], strict=True))


def _columns(spots: Sequence[Spot], style: Style) -> dict[str, list[Any]]:
    looks = [MARKERS[each.kind] for each in spots]
    return {
        "x": [each.x for each in spots], "y": [each.y for each in spots], "name": [each.name for each in spots],
        "marker": [marker for marker, _ in looks],
        "size": [size for _, size in looks], "colour": [spot_colour(each.kind, style) for each in spots],
        "fill": [0.0 if each.kind in ("sun", "moon") else 1.0 for each in spots],
    }  # fmt: skip


def _texts(scene: Scene) -> dict[str, list[Any]]:
    """Return names of lines; in a plane they stand within, just above the bottom and right of the left edge."""
    plane = scene.about.get("onto") == "plane"
    return {
        "x": [each.x for each in scene.texts], "y": [each.y for each in scene.texts],
        "text": [each.text for each in scene.texts],
        "dx": [(4 if each.degrees else 3) if plane else 2 for each in scene.texts], "dy": [-3 for _ in scene.texts],
    }  # fmt: skip
