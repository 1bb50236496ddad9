"""Figures of times: histograms of how long things took, and lines of the last minutes."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bokeh import models, plotting

from skymist.plot.style import Style, style_of

BOKEH: Any = models
FIGURE: Any = plotting.figure
"""Whose own types leave no room for how they are meant to be used."""

TICKS = {0.01: "10 ms", 1.0: "1 s", 60.0: "1 min", 3600.0: "1 h", 86400.0: "1 d"}
"""Of the axis of durations, whose scale is logarithmic."""

DASHES = "solid", "dashed", "dotted"
COLOURS = {"light": ("#2a6bb0", "#d1440c", "#5a5a5a"), "dark": ("#7fdcff", "#ffb86b", "#c8c8c8")}
"""By theme; of the first, the second and the third line."""

SHORTEST_S = 120.0
"""Of the time that is shown, so that the first moments do not fill all of it."""


class Histogram:
    """How long one thing took, in bins of equal ratio.

    Parameters
    ----------
    name : str
        From what to what.
    edges_s : sequence of float
        Of the bins, seconds.
    theme : {"light", "dark"}
    """

    def __init__(self, name: str, edges_s: Sequence[float], theme: str) -> None:
        style = style_of(theme)
        self.source = BOKEH.ColumnDataSource(_bars(edges_s, [0] * (len(edges_s) - 1)))
        self.edges_s = edges_s
        drawn = FIGURE(
            height=170, sizing_mode="stretch_width", x_axis_type="log", toolbar_location=None, tools="",
            x_range=BOKEH.Range1d(edges_s[0], edges_s[-1]), y_range=BOKEH.Range1d(0, 1),
            x_axis_label=f"{name} (logarithmic)", y_axis_label="number",
        )  # fmt: skip
        bars = {"fill_color": COLOURS[theme][0], "line_color": style.paper}
        drawn.quad(left="left", right="right", top="count", bottom=0, source=self.source, **bars)
        drawn.xaxis.ticker = BOKEH.FixedTicker(ticks=list(TICKS))
        drawn.xaxis.major_label_overrides = TICKS
        self.figure = _styled(drawn, style)

    def show(self, counts: Sequence[int]) -> None:
        """Show other counts; in the thread of the page's document."""
        self.source.data = _bars(self.edges_s, counts)
        self.figure.y_range.end = 1.1 * max(1, *counts)


class Lines:
    """What changed over the last minutes.

    Parameters
    ----------
    name : str
        Of the axis, with its unit.
    names : sequence of str
        Of the lines; at most three.
    theme : {"light", "dark"}
    """

    def __init__(self, name: str, names: Sequence[str], theme: str) -> None:
        style = style_of(theme)
        self.source = BOKEH.ColumnDataSource({"time": [], **{each: [] for each in names}})
        self.names = tuple(names)
        drawn = FIGURE(
            height=150, sizing_mode="stretch_width", x_axis_type="datetime", toolbar_location=None, tools="",
            x_range=BOKEH.Range1d(0, 1), y_range=BOKEH.Range1d(0, 1), x_axis_label="time, UTC", y_axis_label=name,
        )  # fmt: skip
        for each, colour, dash in zip(names, COLOURS[theme], DASHES, strict=False):
            words = {"legend_label": each} if len(names) > 1 else {}
            drawn.step(
                "time", each, source=self.source, mode="after", color=colour, line_dash=dash, line_width=2, **words
            )
        drawn.xaxis.formatter = BOKEH.DatetimeTickFormatter(
            seconds="%H:%M:%S", minsec="%H:%M:%S", minutes="%H:%M", hours="%H:%M"
        )
        self.figure = _styled(drawn, style)

    def show(self, times: Sequence[datetime], columns: Mapping[str, Sequence[float]]) -> None:
        """Show other values; in the thread of the page's document."""
        self.source.data = {"time": list(times), **columns}
        most = max((max(columns[each], default=0) for each in self.names), default=0)
        self.figure.y_range.end = 1.25 * max(1, most)  # with room for the legend
        if times:
            self.figure.x_range.update(start=min(times[0], times[-1] - timedelta(seconds=SHORTEST_S)), end=times[-1])


def _bars(edges_s: Sequence[float], counts: Sequence[int]) -> dict[str, list[Any]]:
    return {"left": list(edges_s[:-1]), "right": list(edges_s[1:]), "count": list(counts)}


def _styled(drawn: Any, style: Style) -> Any:
    """Give a figure the colours of a theme."""
    drawn.background_fill_color = drawn.border_fill_color = style.paper
    drawn.outline_line_color = None
    drawn.yaxis.ticker = BOKEH.AdaptiveTicker(min_interval=1, mantissas=[1, 2, 5], desired_num_ticks=4)  # whole numbers
    drawn.yaxis.formatter = BOKEH.NumeralTickFormatter(format="0,0")
    for axis in drawn.axis:
        axis.axis_label_text_color = axis.major_label_text_color = style.ink
        axis.axis_line_color = axis.major_tick_line_color = style.faint
        axis.minor_tick_line_color = None
        axis.axis_label_text_font_style = "normal"
    drawn.grid.grid_line_color, drawn.grid.grid_line_alpha = style.faint, 0.25
    for legend in drawn.legend:
        legend.label_text_color, legend.background_fill_alpha, legend.border_line_color = style.ink, 0.0, None
        legend.location, legend.orientation = "top_left", "horizontal"
    return drawn
