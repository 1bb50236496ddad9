"""The energy that a particle lost along its way, against the distance from where it entered the detector."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from skymist.model.sky import Floats
from skymist.plot.style import Style, Theme, style_of

_DECADES = 4
"""Fainter segments than so many below the brightest are not shown."""
_AROUND = 150.0
"""Metres before the entry and after the exit that are shown."""
_SHOWER, _SHOWERS = 25.0, 2
"""Width of the bar of a single shower, in metres, and how many there may be."""


def losses_figure(
    distance_m: Floats,
    energy_gev: Floats,
    edges: Mapping[str, float],
    *,
    truth_gev: Floats | None = None,
    title: str = "",
    lines: Sequence[str] = (),
    simulated: bool = False,
    theme: Theme = "light",
) -> Figure:
    """Return the energies of the segments of a track, or of one or two showers.

    Parameters
    ----------
    distance_m, energy_gev : (n,) float64
        Middles of the segments, from the entry into the instrumented volume on, and their energies.
    edges : mapping of str to float
        Places to mark, by their names, in metres: ``{"entry": 0, "exit": 900}``. The first and the last bound what
        is drawn in colour; beyond, segments are grey.
    truth_gev : (n,) float64, optional
        What was really lost in each segment.
    title : str
    lines : sequence of str
        What else is to be said, above the view.
    simulated : bool
        Says so.
    theme : {"light", "dark"}

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    UnknownNameError
        For a theme that does not exist.
    """
    style = style_of(theme)
    figure = Figure(figsize=(12, 6.75), dpi=150, facecolor=style.paper)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.11, 0.12, 0.86, 0.58), facecolor=style.paper)
    _draw_energies(axes, distance_m, energy_gev, edges, truth_gev, style)
    _mark(axes, edges, style)
    segment = distance_m[1] - distance_m[0] if len(distance_m) > _SHOWERS else None
    _dress(axes, "energy of a shower" if segment is None else f"energy lost in {segment:.0f} m", style)
    handles, names = axes.get_legend_handles_labels()
    figure.legend(
        handles, names, loc="upper right", bbox_to_anchor=(0.98, 0.87), frameon=False, fontsize=14, labelcolor=style.ink
    )
    figure.text(0.03, 0.965, title, color=style.ink, size=19, weight="bold", va="top")
    figure.text(0.03, 0.895, "\n".join(lines), color=style.ink, size=14, va="top", linespacing=1.5)
    if simulated:
        figure.text(0.97, 0.96, "SIMULATED EVENT", color=style.warning, size=19, weight="bold", va="top", ha="right")
    return figure


def _draw_energies(
    axes: Axes, distance: Floats, energy: Floats, edges: Mapping[str, float], truth: Floats | None, style: Style
) -> None:
    """Draw bars from the bottom of a logarithmic scale up, and the truth as steps over them."""
    width = float(distance[1] - distance[0]) if len(distance) > _SHOWERS else _SHOWER
    places = list(edges.values())
    inside = (distance >= min(places)) & (distance <= max(places))
    shown = (distance > min(places) - _AROUND) & (distance < max(places) + _AROUND)
    top = max(float(np.max(each[shown], initial=0.0)) for each in (energy, energy if truth is None else truth))
    bottom = max(top, 1.0) * 10.0**-_DECADES
    for rows, colour, label in ((inside, style.cells[1], "fitted"), (shown & ~inside, style.faint, "fitted, outside")):
        if (rows & (energy > bottom)).any():
            look: dict[str, Any] = {"width": 0.92 * width, "color": colour, "lw": 0, "label": label}
            axes.bar(distance[rows], np.maximum(energy[rows], bottom) - bottom, bottom=bottom, **look)
    if truth is not None:
        sides = np.append(distance[shown] - width / 2, distance[shown][-1:] + width / 2)
        axes.stairs(np.maximum(truth[shown], bottom), sides, baseline=None, color=style.mark, lw=2, label="simulated")
    axes.set_yscale("log")
    axes.set(xlim=(min(places) - _AROUND, max(places) + _AROUND), ylim=(bottom, 3 * max(top, 1.0)))


def _mark(axes: Axes, edges: Mapping[str, float], style: Style) -> None:
    for name, place in edges.items():
        axes.axvline(place, color=style.ink, lw=1.4, ls="--")
        look: dict[str, Any] = {"textcoords": "offset points", "color": style.ink, "size": 14, "va": "top"}
        axes.annotate(name, (place, 1), (6, -6), xycoords=("data", "axes fraction"), **look)


def _dress(axes: Axes, quantity: str, style: Style) -> None:
    axes.set_xlabel("distance from the entry into the instrumented volume (m)", color=style.ink, size=15)
    axes.set_ylabel(quantity, color=style.ink, size=15)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _in_units(value)))
    axes.tick_params(which="both", colors=style.ink, labelsize=13)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(style.faint)


def _in_units(energy_gev: float) -> str:
    for unit, size in (("EeV", 1e9), ("PeV", 1e6), ("TeV", 1e3)):
        if energy_gev >= 0.999 * size:
            return f"{energy_gev / size:.3g} {unit}"
    return f"{energy_gev:.3g} GeV"
