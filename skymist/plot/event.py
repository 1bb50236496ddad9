"""One event in the detector: where it was seen, when, how bright, and the track or vertex that was fitted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D

from skymist.model.event import Event, Particle
from skymist.model.region import BestFit
from skymist.model.sky import Floats
from skymist.plot.captions import event_caption
from skymist.plot.page import Page, draw_scale, empty_page, write_heading, write_legend
from skymist.plot.pulses import (
    MARGIN_M,
    Axis,
    Hits,
    axes_of,
    box_of,
    cut,
    heading_of,
    hits_of,
    side_of,
    strings_of,
    time_range,
)
from skymist.plot.style import Style, Theme, style_of

_SIDE = 0.355
"""Width of a view as a share of the page."""
_SIZE = (13.5, 7.6)
_TIMES = "viridis"
_SHOWN_PE = (1.0, 10.0, 100.0, 1000.0, 10_000.0, 100_000.0)


def event_figure(
    event: Event, fit: BestFit | Particle | None = None, *, theme: Theme = "light", topology: str = ""
) -> Page:
    """Return an event in the detector, from above and from the side.

    Each module that saw light is a sphere whose volume goes with its charge, coloured by the time of its first pulse;
    strings are faint. Both views have equal axes; the side view is turned so that it shows the track at full length.

    Parameters
    ----------
    event : Event
    fit : BestFit or Particle, optional
        A track, or the vertex of a cascade, to draw over it. Of a simulated event the truth is drawn, too.
    theme : {"light", "dark"}
    topology : str
        One of `skymist.model.event.TOPOLOGIES`: ``"cascade"`` makes a vertex of a fit that does not say what it is.

    Returns
    -------
    Page
        A matplotlib figure.

    Raises
    ------
    RequestError
        If the event has no pulse in the detector.
    UnknownNameError
        For a theme that does not exist.
    """
    style, hits = style_of(theme), hits_of(event)
    page = empty_page(style, _SIZE, _caption(event, hits))
    axes = axes_of(event, fit, topology)
    right = side_of(next((axis for axis in axes if not axis.cascade), None))
    places = np.concatenate([event.detector.position, hits.position])
    east, north, up = np.eye(3)
    sights = _Sight(east, north, -up), _Sight(right, up, np.cross(right, up))
    half = max(sight.reach(places) for sight in sights) + MARGIN_M
    low, high = box_of(places)
    span = Normalize(*time_range(hits))
    for sight, left, names in zip(sights, (0.068, 0.493), _names(right), strict=True):
        view = _add_view(page, style, left, sight, places, half, names)
        _draw_strings(view, event, style, sight)
        spheres = _draw_hits(view, hits, style, span, sight)
        for axis in axes:
            _draw_axis(view, axis, style, low, high, sight)
    draw_scale(page, style, spheres, "first pulse (ns)", (0.89, 0.105, 0.014, 0.34), extend="both")
    write_legend(page, style, [*_sizes(hits, style, half), *_axis_handles(axes, style)], (0.858, 0.8), room=(0.14, 0.3))
    heading = heading_of(event, hits)
    write_heading(page, style, heading.title, "   ".join(heading.notes), simulated=heading.simulated)
    return page


def _caption(event: Event, hits: Hits) -> str:
    return event_caption(event, hits.charge_pe.size, float(hits.charge_pe.sum()), seen="flat")


@dataclass(frozen=True, eq=False)
class _Sight:
    """Unit vectors to the right, upwards and away from whoever looks."""

    right: Floats
    up: Floats
    away: Floats

    def middle(self, places: Floats) -> tuple[float, float]:
        across, over = places @ self.right, places @ self.up
        return float(across.min() + across.max()) / 2, float(over.min() + over.max()) / 2

    def reach(self, places: Floats) -> float:
        return float(max(np.ptp(places @ self.right), np.ptp(places @ self.up))) / 2


def _add_view(
    page: Page, style: Style, left: float, sight: _Sight, places: Floats, half: float, names: tuple[str, str, str]
) -> Axes:
    """Add axes in which a metre has the same length in all directions, and in the other view."""
    axes = page.add_axes((left, 0.105, _SIDE, _SIDE * _SIZE[0] / _SIZE[1]), facecolor=style.paper)
    x, y = sight.middle(places)
    axes.set(xlim=(x - half, x + half), ylim=(y - half, y + half), aspect="equal")
    axes.set_xlabel(names[0], color=style.ink, size=13)
    axes.set_ylabel(names[1], color=style.ink, size=13, labelpad=0)
    axes.set_title(names[2], color=style.ink, size=13)
    axes.tick_params(color=style.faint, labelcolor=style.ink, labelsize=11)
    axes.spines[:].set_color(style.faint)
    return axes


def _names(right: Floats) -> tuple[tuple[str, str, str], tuple[str, str, str]]:
    return ("x (m)", "y (m)", "from above"), (_side_name(right), "z (m)", "from the side")


def _side_name(right: Floats) -> str:
    azimuth = round(float(np.degrees(np.arctan2(right[1], right[0])))) % 360
    return "x (m)" if azimuth == 0 else f"horizontal distance towards azimuth {azimuth}° (m)"


def _draw_strings(axes: Axes, event: Event, style: Style, sight: _Sight) -> None:
    """Draw each string as a line from its first module to its last, which from above is a point."""
    ends = strings_of(event.detector)
    x, y = ends @ sight.right, ends @ sight.up
    look: dict[str, Any] = {"color": style.faint, "alpha": 0.6, "lw": 0.5, "zorder": 1}
    axes.plot(x, y, marker="" if sight.up[2] else "o", ms=2.2, mew=0, **look)


def _draw_hits(axes: Axes, hits: Hits, style: Style, span: Normalize, sight: _Sight) -> EllipseCollection:
    """Draw spheres, the nearest last."""
    order = np.argsort(-hits.position @ sight.away, kind="stable")
    centre = np.stack([hits.position @ sight.right, hits.position @ sight.up], axis=1)[order]
    size = 2 * hits.radius_m[order]
    spheres = EllipseCollection(
        size, size, np.zeros(size.size), units="xy", offsets=centre, transOffset=axes.transData,
        array=hits.time_ns[order], cmap=_TIMES, norm=span, edgecolors=style.ink, linewidths=0.35, zorder=3,
    )  # fmt: skip
    axes.add_collection(spheres, autolim=False)
    return spheres


def _draw_axis(axes: Axes, axis: Axis, style: Style, low: Floats, high: Floats, sight: _Sight) -> None:
    """Draw a track with an arrow at its end, or a vertex."""
    look = _look(style, axis)
    ends = axis.vertex[None] if axis.cascade else axis.within(low, high)
    places = np.stack([ends @ sight.right, ends @ sight.up], axis=1)
    if len(places) == 2:
        places = _in_view(axes, *places)
    axes.plot(*places.T, zorder=5, gid=axis.label, **look)
    if len(places) == 2 and np.hypot(*(places[1] - places[0])) > 1:
        back = places[1] - 0.02 * (places[1] - places[0])
        arrow = {"arrowstyle": "-|>", "color": look["color"], "lw": look["lw"], "mutation_scale": 18, "shrinkB": 0}
        axes.annotate("", tuple(places[1]), tuple(back), arrowprops=arrow, zorder=5)


def _in_view(axes: Axes, start: Floats, stop: Floats) -> Floats:
    """Return the part of a line that is in a view, and a little away from its frame."""
    low, high = np.array([axes.get_xlim(), axes.get_ylim()]).T
    room = 0.02 * (high - low)
    first, last = cut(start, stop - start, low + room, high - room)
    first, last = max(first, 0.0), min(last, 1.0)
    return np.stack([start + first * (stop - start), start + last * (stop - start)])[: 2 if first <= last else 0]


def _look(style: Style, axis: Axis) -> dict[str, Any]:
    fit = axis.label == "fit"
    look: dict[str, Any] = {"color": style.ink if fit else style.mark, "lw": 2.2 if fit else 1.8}
    if axis.cascade:
        return {**look, "ls": "", "marker": "*" if fit else "X", "ms": 15, "mew": 0, "path_effects": style.halo(4)}
    return {**look, "path_effects": style.halo(4)} if fit else {**look, "ls": (0, (4, 2))}


def _axis_handles(axes: Sequence[Axis], style: Style) -> list[Line2D]:
    handles = []
    for axis in axes:
        zenith, azimuth = np.degrees(axis.zenith), np.degrees(axis.azimuth) % 360
        text = f"{axis.label}\nzenith {zenith:.1f}°\nazimuth {azimuth:.1f}°"
        handles.append(Line2D([], [], label=text, **_look(style, axis)))
    return handles


def _sizes(hits: Hits, style: Style, half: float) -> list[Line2D]:
    """Return what charges the sizes of the spheres mean, of those that are there."""
    most = float(hits.charge_pe.max())
    shown = [each for each in _SHOWN_PE if each <= most][-3:] or [most]
    points = _SIDE * _SIZE[0] * 72 / (2 * half)  # of a metre
    handles = []
    for charge in shown:
        diameter = 2 * max(float(np.cbrt(charge / most)) * float(hits.radius_m.max()), float(hits.radius_m.min()))
        look: dict[str, Any] = {"ls": "", "marker": "o", "mew": 0.5, "ms": diameter * points}
        handles.append(Line2D([], [], color=style.faint, markeredgecolor=style.ink, label=f"{charge:,.0f} PE", **look))
    return handles
