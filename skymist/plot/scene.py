"""What all views share: colours, positions, legend, scale and title."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from skymist.errors import UnknownNameError
from skymist.model import region as regions
from skymist.model import sky
from skymist.model import skymap as maps
from skymist.model.region import BestFit, Calibration, Region
from skymist.model.sky import Floats

Theme = Literal["light", "dark"]
Marks = Mapping[str, tuple[float, float]]

_MARKERS = ("*", "D", "s", "^")


@dataclass(frozen=True)
class Style:
    """Colours of one theme: `cells` runs from the best fit to the least likely."""

    paper: str
    ink: str
    faint: str
    cells: tuple[str, ...]
    inner: str
    outer: str
    plane: str
    mark: str
    missing: str
    warning: str

    @property
    def colours(self) -> Colormap:
        """From the best fit to the least likely."""
        return LinearSegmentedColormap.from_list("likelihood", self.cells).with_extremes(bad=self.missing)


STYLES: Mapping[str, Style] = {
    "light": Style(
        paper="#ffffff",
        ink="#1a1a1a",
        faint="#8a8a8a",
        cells=("#0b2a5b", "#2a6bb0", "#7fb3d9", "#c9dff0", "#f3f8fc"),
        inner="#ffb000",
        outer="#d1440c",
        plane="#6b3fa0",
        mark="#d6006e",
        missing="#dddddd",
        warning="#b00020",
    ),
    "dark": Style(
        paper="#10141c",
        ink="#f0f0f0",
        faint="#7d8799",
        cells=("#fff3b8", "#e9a94b", "#a65a56", "#4d3560", "#181a2b"),
        inner="#2f7dff",
        outer="#7fdcff",
        plane="#c9a6ff",
        mark="#6ef0b0",
        missing="#333a48",
        warning="#ff7b8a",
    ),
}


@dataclass(frozen=True, eq=False)
class Scene:
    """What both panels draw."""

    tiling: xr.Dataset
    best: BestFit
    inner: Region
    outer: Region
    marks: Marks
    style: Style

    @property
    def regions(self) -> tuple[tuple[Region, str], tuple[Region, str]]:
        """The regions and their colours."""
        return (self.inner, self.style.inner), (self.outer, self.style.outer)

    def ts_at(self, ra: Floats, dec: Floats) -> Floats:
        """Return the TS of the leaf at each position, NaN where there is none or no position."""
        ts = np.full(ra.shape, np.nan)
        seen = np.isfinite(ra)
        row = sky.find(self.tiling["uniq"].to_numpy(), ra[seen], dec[seen])
        ts[seen] = np.where(row >= 0, self.tiling["ts"].to_numpy()[row], np.nan)
        return ts


def scene_of(skymap: xr.Dataset, calibration: str | Calibration, theme: Theme, marks: Marks | None) -> Scene:
    """Gather what the views draw; `UnknownNameError` for a theme that does not exist."""
    if theme not in STYLES:
        raise UnknownNameError("theme", theme, STYLES)
    inner, outer = (regions.region(skymap, containment, calibration) for containment in (0.5, 0.9))
    return Scene(maps.leaves(skymap), regions.best_fit(skymap), inner, outer, marks or {}, STYLES[theme])


def empty_figure(scene: Scene, size: tuple[float, float]) -> Figure:
    """Return a figure of this size in inches."""
    figure = Figure(figsize=size, dpi=150, facecolor=scene.style.paper)
    FigureCanvasAgg(figure)
    return figure


def positions(scene: Scene) -> tuple[Floats, Floats]:
    """Return the best fit, then the marks."""
    ra, dec = zip((scene.best.ra, scene.best.dec), *scene.marks.values(), strict=True)
    return np.array(ra), np.array(dec)


def draw_positions(axes: Axes, scene: Scene, x: Floats, y: Floats) -> None:
    """Draw the best fit and the marks at their places in a view."""
    for handle, east, north in zip(position_handles(scene), x, y, strict=True):
        handle.set_data([east], [north])
        axes.add_line(handle)


def position_handles(scene: Scene) -> list[Line2D]:
    """Return best fit and marks as they stand in the legend."""
    style = scene.style
    halo = [withStroke(linewidth=4.5, foreground=style.paper)]
    best = scene.best
    label = f"best fit\nRA {np.degrees(best.ra):.2f}°, Dec {signed(np.degrees(best.dec), 2)}"
    handles = [Line2D([], [], ls="", marker="+", color=style.ink, ms=15, mew=2.2, label=label, path_effects=halo)]
    for marker, (name, (ra, dec)) in zip(itertools.cycle(_MARKERS), scene.marks.items(), strict=False):
        label = f"{name}\nRA {np.degrees(ra) % 360:.2f}°, Dec {signed(np.degrees(dec), 2)}"
        shape: dict[str, Any] = {"marker": marker, "color": style.mark, "ms": 12, "mew": 0}
        handles.append(Line2D([], [], ls="", label=label, path_effects=halo, **shape))
    return handles


def region_handles(scene: Scene) -> list[Line2D]:
    """Return the regions as they stand in the legend, with area and errors."""
    handles = []
    for found, colour in scene.regions:
        area = f"{found.area_deg2:.3g}" if found.area_deg2 < 100 else f"{found.area_deg2:.0f}"
        label = (
            f"{found.containment:.0%}: {area} deg²{' (edge not refined)' if found.open else ''}\n"
            f"RA +{found.ra_plus:.2f}° −{found.ra_minus:.2f}°\n"
            f"Dec +{found.dec_plus:.2f}° −{found.dec_minus:.2f}°"
        )
        handles.append(Line2D([], [], color=colour, lw=2.4, label=label))
    return handles


def write_legend(
    figure: Figure, scene: Scene, handles: Sequence[Line2D], place: tuple[float, float], columns: int = 1
) -> None:
    """Write a legend outside the views; `place` is its upper left corner in the figure."""
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=place,
        ncols=columns,
        frameon=False,
        fontsize=13,
        labelcolor=scene.style.ink,
        labelspacing=0.9,
    )


def draw_scale(figure: Figure, image: AxesImage, scene: Scene, place: tuple[float, float, float, float]) -> None:
    """Draw the colour scale; it says that everything beyond its end has the same colour."""
    upright = place[3] > place[2]
    axes = figure.add_axes(place)
    bar = figure.colorbar(image, cax=axes, extend="max", orientation="vertical" if upright else "horizontal")
    bar.set_label("TS = −2 Δ ln L", color=scene.style.ink, size=13)
    bar.locator = MaxNLocator(5 if upright else 3)
    bar.outline.set_edgecolor(scene.style.faint)
    for found, colour in scene.regions if upright else ():
        axes.axhline(found.ts, color=colour, lw=2.4)
    axes.tick_params(colors=scene.style.ink, labelsize=12)


def write_title(figure: Figure, attributes: Mapping[str, Any], scene: Scene) -> None:
    """Write which event this is, and how the map was made."""
    event, reconstruction = attributes["event"], attributes["reconstruction"]
    style = scene.style
    moment = event["utc"][:19].replace("T", " ")
    title = f"Run {event['run']}, event {event['event']}   {moment} UTC"
    made = [
        f"{reconstruction['name']} {reconstruction['version']}",
        f"regions: {scene.outer.calibration}",
        "ICRS",
        *([] if attributes["complete"] else ["scan not complete"]),
    ]
    figure.text(0.03, 0.965, title, color=style.ink, size=18, weight="bold", va="top")
    figure.text(0.03, 0.905, "   ".join(made), color=style.ink, size=13, va="top")
    if event["simulated"]:
        figure.text(0.97, 0.92, "SIMULATED EVENT", color=style.warning, size=19, weight="bold", va="top", ha="right")


def signed(degrees: float, decimals: int = 0) -> str:
    """Return degrees with a sign, unless they are zero."""
    return f"{degrees:+.{decimals}f}°".replace("-", "−") if round(degrees, decimals) else "0°"
