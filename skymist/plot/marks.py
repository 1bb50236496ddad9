"""Marks of positions and curves, and how they stand in the legend."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from skymist.model.contour import Contour
from skymist.model.region import BestFit, Region
from skymist.model.sky import Floats
from skymist.plot.captions import area
from skymist.plot.frames import signed
from skymist.plot.style import Style
from skymist.plot.view import Earlier, Marks, View

_MARKERS = ("*", "D", "s", "^", "v", "P", "X")
_BODIES: Mapping[str, dict[str, Any]] = {
    "Sun": {"ls": "", "marker": "$\\odot$", "ms": 15, "mew": 0.5},
    "Moon": {"ls": "", "marker": "$☾$", "ms": 15, "mew": 0.5},
}
EARLIER_DASHES = ((1.2, 1.2), (5, 2), (5, 2, 1.2, 2), (2.5, 2.5))


def best_handle(best: BestFit, style: Style, label: str = "best fit") -> Line2D:
    """Return the best fit as it stands in the legend."""
    text = f"{label}\n{place_text(best.ra, best.dec)}"
    look: dict[str, Any] = {"ls": "", "marker": "+", "ms": 15, "mew": 2.2, "path_effects": style.halo(4.5)}
    return Line2D([], [], color=style.ink, label=text, gid="best-fit", **look)


def mark_handles(marks: Marks, style: Style) -> list[Line2D]:
    """Return marks as they stand in the legend."""
    handles = []
    for marker, (name, (ra, dec)) in zip(itertools.cycle(_MARKERS), marks.items(), strict=False):
        shape: dict[str, Any] = {"ls": "", "marker": marker, "ms": 12, "mew": 0, "path_effects": style.halo(4.5)}
        handles.append(Line2D([], [], color=style.mark, label=f"{name}\n{place_text(ra, dec)}", gid=name, **shape))
    return handles


def body_handles(bodies: Marks, style: Style) -> list[Line2D]:
    """Return Sun and Moon as they stand in the legend."""
    return [
        Line2D([], [], color=style.body, label=name, gid=name, path_effects=style.halo(2.5), **_BODIES[name])
        for name in bodies
    ]


def region_handles(view: View, style: Style) -> list[Line2D]:
    """Return the regions as they stand in the legend, with area and errors."""
    pairs = ((view.inner, style.inner), (view.outer, style.outer))
    return [Line2D([], [], color=colour, lw=2.4, label=_region_text(region)) for region, colour in pairs]


def brief_handles(view: View, style: Style) -> list[Line2D]:
    """Return the contours as they stand in a legend that has no room for errors."""
    return [
        Line2D([], [], color=colour, lw=2, label=f"{found.containment:.0%} contour")
        for found, colour in zip(view.contours, (style.inner, style.outer), strict=True)
    ]


def plane_handle(style: Style) -> Line2D:
    """Return the galactic plane as it stands in the legend."""
    return Line2D([], [], color=style.plane, lw=1.4, ls="--", label="galactic plane", gid="galactic-plane")


def earlier_handles(earlier: Sequence[Earlier], style: Style) -> list[Line2D]:
    """Return earlier results as they stand in the legend: a dashed contour each, and its best fit if that is known."""
    handles = []
    for dashes, one in zip(itertools.cycle(EARLIER_DASHES), earlier, strict=False):
        text = f"{one.label}\n{one.contour.containment:.0%}: {area(one.contour.area_deg2)}"
        marker: dict[str, Any] = {} if one.ra is None else {"marker": "x", "ms": 9, "mew": 1.8}
        handles.append(Line2D([], [], color=style.ink, lw=1.5, ls=(0, dashes), label=text, gid=one.label, **marker))
    return handles


def contour_id(contour: Contour) -> str:
    """Return the name of a contour in SVG files."""
    return f"contour-{round(100 * contour.containment)}"


def draw_contour(
    axes: Axes, curve: tuple[Floats, Floats], style: Style, colour: str, *, width: float, gid: str, ls: Any = "solid"
) -> None:
    """Draw a contour at its place in a view, parted from what is behind it."""
    axes.plot(*curve, color=colour, lw=width, ls=ls, zorder=4, gid=gid, path_effects=style.halo(width + 1.5))


def place_at(axes: Axes, handles: Sequence[Line2D], x: Any, y: Any) -> None:
    """Draw marks at their places in a view; places that are not finite are left out.

    In SVG files marks and curves have their names as ids, as `Artist.set_gid` gives them.
    """
    for handle, right, up in zip(handles, np.atleast_1d(x), np.atleast_1d(y), strict=True):
        if np.isfinite(right) and np.isfinite(up):
            drawn = Line2D([float(right)], [float(up)])
            drawn.update_from(handle)
            drawn.set(zorder=6, gid=handle.get_gid())
            axes.add_line(drawn)


def place_text(ra: float, dec: float) -> str:
    """Return a position as people read it."""
    return f"RA {np.degrees(ra) % 360:.2f}°, Dec {signed(np.degrees(dec), 2)}"


def positions(marks: Marks) -> tuple[Any, Any]:
    """Return right ascensions and declinations of marks."""
    places = np.array(list(marks.values()), float).reshape(-1, 2)
    return places[:, 0], places[:, 1]


def _region_text(found: Region) -> str:
    return (
        f"{found.containment:.0%}: {area(found.area_deg2)}{' (edge not refined)' if found.open else ''}\n"
        f"RA +{found.ra_plus:.2f}° −{found.ra_minus:.2f}°\n"
        f"Dec +{found.dec_plus:.2f}° −{found.dec_minus:.2f}°"
    )
