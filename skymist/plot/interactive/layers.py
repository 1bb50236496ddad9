"""What interactive maps are made of: images, curves and marks as HoloViews elements, and how they look."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import Colormap, to_hex

from skymist.model.contour import Contour
from skymist.model.sky import Floats
from skymist.plot.captions import Heading
from skymist.plot.frames import Curve, Grid, LineName, Plane, signed
from skymist.plot.interactive.libraries import library
from skymist.plot.style import Style
from skymist.plot.view import View
from skymist.plot.whole_sky import TS_LABEL

X, Y = "x", "y"
Name = tuple[str, str]
"""Of a quantity: of its column, and as people read it."""
RA, DEC = ("ra", "RA (°)"), ("dec", "Dec (°)")
TS, DENSITY = ("ts", TS_LABEL), ("density", "probability density (1/deg²)")
SHADES = 1024
"""Colours in a scale: a root needs many where it is steep."""

_FORMATS = {"ra": "{0.0000}", "dec": "{0.0000}", "density": "{%.3g}", "name": ""}

EASTWARDS = "return String(Number((-tick).toFixed(6))).replace('-', '\u2212')"
"""In JavaScript: the name of a tick at so many degrees to the west."""

Colours = tuple[Sequence[str], tuple[float, float]]
"""Of a scale from its lower to its upper end, and the values there."""


def plane_grid(plane: Plane) -> Grid:
    """Return the pixels of a plane; x counts degrees to the west, which is to the right, and y to the north."""
    line = to_degrees(plane, np.arange(plane.pixels))
    return Grid(line, line, *plane.grid())


def to_degrees(plane: Plane, pixel: Any) -> Any:
    """Return how many degrees a column or a row of a plane is from its middle."""
    return np.degrees((np.asarray(pixel, float) - (plane.pixels - 1) / 2) * plane.step)


def image(hv: Any, grid: Grid, values: Mapping[Name, Floats], colours: Colours, style: Style) -> Any:
    """Return the raster of the first of the values; the cursor tells all of them, and the position.

    Parameters
    ----------
    hv : module
    grid : Grid
    values : mapping of Name to (rows, columns) ndarray
    colours : Colours
    style : Style
    """
    known = {**values, RA: np.degrees(grid.ra), DEC: np.degrees(grid.dec)}
    # Single precision is a tenth of an arc second, and half the size of the page.
    data = (grid.x, grid.y, *(np.asarray(value, np.float32) for value in known.values()))
    (_, label), *_ = known
    palette, limits = colours
    return hv.Image(data, kdims=[X, Y], vdims=list(known)).opts(
        cmap=list(palette), clim=limits, colorbar=True, clabel=label, clipping_colors={"NaN": style.missing},
        **_hover(list(known), shown=label),
    )  # fmt: skip


def _hover(names: Sequence[Name], shown: str = "") -> dict[str, Any]:
    """Return the options for what the cursor tells; of what an image shows Bokeh has another name."""
    columns = {name: "@image" if name[1] == shown else f"@{{{name[0]}}}" for name in names}
    tips = [(label, f"{column}{_FORMATS.get(key, '{0.000}')}") for (key, label), column in columns.items()]
    return {
        "tools": ["hover"], "hover_tooltips": tips,
        "hover_formatters": {column: "printf" for name, column in columns.items() if name == DENSITY},
    }  # fmt: skip


def shades(colours: Colormap, power: float = 1.0, number: int = SHADES) -> list[str]:
    """Return a scale whose colours go with a power of the value."""
    return [to_hex(colours(value)) for value in np.linspace(0, 1, number) ** power]


def contour(hv: Any, found: Contour, curve: Curve, colour: str, style: Style, **look: Any) -> Any:
    """Return a contour, parted from what is behind it; the cursor tells what it is."""
    facts = {
        ("contour", "contour"): f"{found.containment:.0%}", ("calibration", "calibration"): found.calibration,
        ("level", "TS level"): f"{found.ts:.4g}", ("area", "area (deg²)"): f"{found.area_deg2:.4g}",
        ("edge", "edge"): "not refined" if found.open else "refined",
    }  # fmt: skip
    return path(hv, curve, colour, look.pop("label", f"{found.containment:.0%} contour"), style, facts, **look)


def path(
    hv: Any, curve: Curve, colour: str, label: str, style: Style, facts: Mapping[Name, str] | None = None, **look: Any
) -> Any:
    """Return a curve with what the cursor tells of it, over a wider one in the colour of the paper."""
    facts, width = facts or {}, look.pop("line_width", 2.4)
    parts = [{X: x, Y: y, **{key: text for (key, _), text in facts.items()}} for x, y in pieces(*curve)]
    under = hv.Path([(x, y) for x, y in pieces(*curve)], kdims=[X, Y])
    over = hv.Path(parts, kdims=[X, Y], vdims=list(facts), label=label)
    halo = under.opts(color=style.paper, line_width=width + 1.5, show_legend=False)
    return halo * over.opts(color=colour, line_width=width, tools=["hover"] if facts else [], show_legend=True, **look)


def pieces(x: Floats, y: Floats) -> list[Curve]:
    """Return the pieces of a curve between which there is NaN."""
    breaks = np.flatnonzero(np.isnan(x))
    both = zip(np.split(x, breaks), np.split(y, breaks), strict=True)
    found = [(right[np.isfinite(right)], up[np.isfinite(right)]) for right, up in both]
    return [piece for piece in found if len(piece[0]) > 1]


def mark(
    hv: Any, label: str, place: tuple[float, float], at: Any, view: View, style: Style, colour: str, **look: Any
) -> Any:
    """Return a position, parted from what is behind it; the cursor tells its name, where it is and the map's TS there.

    Parameters
    ----------
    hv : module
    label : str
    place : (float, float)
        Right ascension and declination, radians.
    at : (x, y)
        Where that is in the view.
    view : View
    style : Style
    colour : str
    **look
        Options of HoloViews' points.
    """
    ra, dec = (np.atleast_1d(np.asarray(angle, float)) for angle in place)
    here = [float(at[0])], [float(at[1])]
    data = (*here, [label], np.degrees(ra) % 360, np.degrees(dec), view.ts_at(ra, dec))
    names = [("name", "position"), RA, DEC, TS]
    look = {"color": colour, "size": 15, "line_width": 2, **look}
    around = {**look, "color": style.paper, "line_width": look["line_width"] + 3}
    under = hv.Points(here, kdims=[X, Y]).opts(**around, show_legend=False)
    return under * hv.Points(data, kdims=[X, Y], vdims=names, label=label).opts(**look, **_hover(names))


def labels(hv: Any, names: Sequence[LineName], style: Style) -> Any:
    """Return names of lines where they are written in the view."""
    found = hv.Labels([(name.x, name.y, name.text) for name in names], kdims=[X, Y], vdims=["text"])
    return found.opts(text_color=style.ink, text_font_size="9pt", show_legend=False)


def to_east(plane: Plane) -> str:
    """Return what the x axis of a plane counts."""
    return f"degrees to the east of RA {np.degrees(plane.ra) % 360:.2f}°"


def to_north(plane: Plane) -> str:
    """Return what the y axis of a plane counts."""
    return f"degrees to the north of Dec {signed(np.degrees(plane.dec), 2)}"


def title(heading: Heading) -> str:
    """Return what stands above a figure, in two lines."""
    notes = [*(["SIMULATED EVENT"] if heading.simulated else []), *heading.notes]
    return f"{heading.title}\n{'   '.join(notes)}"


def plane_overlay(hv: Any, parts: Sequence[Any], plane: Plane, style: Style, title: str) -> Any:
    """Return the layers of a plane as one figure: equal scales, east to the left, a scale bar."""
    (left, right), (low, high) = plane_grid(plane).range

    def finish(plot: Any, _: Any) -> None:
        models = library("bokeh.models")
        bar = models.ScaleBar(
            range=plot.state.x_range, unit="°", dimensional=models.Angular(include=["°"]), location="bottom_left",
            bar_line_color=style.ink, label_text_color=style.ink, background_fill_alpha=0, border_line_color=None,
        )  # fmt: skip
        plot.state.add_layout(bar)
        # x grows to the right, as of any image: it is only its ticks that count to the east.
        plot.state.xaxis.formatter = models.CustomJSTickFormatter(code=EASTWARDS)

    return hv.Overlay(list(parts)).opts(
        frame_width=560, frame_height=560, xlim=(left, right), ylim=(low, high), title=title,
        xlabel=to_east(plane), ylabel=to_north(plane), legend_position="right", hooks=[dress(style), finish],
    )  # fmt: skip


def dress(style: Style) -> Callable[[Any, Any], None]:
    """Return what gives a figure the colours of a theme, as HoloViews calls it when Bokeh's figure is there."""

    def apply(plot: Any, _: Any) -> None:
        models, figure = library("bokeh.models"), plot.state
        figure.background_fill_color = figure.border_fill_color = style.paper
        figure.outline_line_color, figure.title.text_color = style.faint, style.ink
        figure.grid.visible = False
        look = {"major_label_text_color": style.ink, "axis_label_text_color": style.ink, "axis_line_color": style.faint}
        for axis in figure.axis:
            axis.update(**look, major_tick_line_color=style.faint, minor_tick_line_color=None)
        for bar in figure.select(models.ColorBar):
            bar.update(major_label_text_color=style.ink, title_text_color=style.ink, background_fill_color=style.paper)
        for legend in figure.legend:
            legend.update(label_text_color=style.ink, background_fill_color=style.paper, border_line_color=None)
            legend.click_policy = "hide"
        for tool in figure.select(models.BoxZoomTool):
            tool.match_aspect = True

    return apply
