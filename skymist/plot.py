"""Figures of a sky map: the whole sky, the region around the best fit, or both side by side.

They are matplotlib figures without pyplot: nothing global is touched and nothing is written.
East is to the left. Colours are told apart by colour-blind readers, and in grey.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from matplotlib.tri import CubicTriInterpolator, Triangulation

from skymist.errors import UnknownNameError
from skymist.model import region as regions
from skymist.model import sky
from skymist.model import skymap as maps
from skymist.model.region import DEFAULT_CALIBRATION, BestFit, Calibration, Region
from skymist.model.sky import Floats

Theme = Literal["light", "dark"]
Marks = Mapping[str, tuple[float, float]]

_MARKERS = ("*", "D", "s", "^")
_STEPS_DEG = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 45, 90)
_SEAM = 1e-6
"""Radians from right ascension 0, where the view of the whole sky is cut open."""
_PIXELS = 480
"""Of the zoomed view, along each side."""
_WIDEST = 1.4
"""Half the side of the widest view: its corners stay on the sky."""
_PLANE_EDGE = 1.9
"""Radius in the tangent plane; the antipode is at 2."""


@dataclass(frozen=True)
class _Style:
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
        return LinearSegmentedColormap.from_list("likelihood", self.cells).with_extremes(bad=self.missing)


_STYLES: Mapping[str, _Style] = {
    "light": _Style(
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
    "dark": _Style(
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
class _Scene:
    """What both panels draw."""

    tiling: xr.Dataset
    best: BestFit
    inner: Region
    outer: Region
    marks: Marks
    style: _Style

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


def sky_figure(
    skymap: xr.Dataset,
    calibration: str | Calibration = DEFAULT_CALIBRATION,
    *,
    theme: Theme = "light",
    marks: Marks | None = None,
) -> Figure:
    """Return the whole sky in Hammer projection, ICRS, with the galactic plane.

    Parameters
    ----------
    skymap : xarray.Dataset
    calibration : str or Calibration
        Of the regions.
    theme : {"light", "dark"}
    marks : mapping of str to (ra, dec), optional
        Positions to show, such as ``"published"`` or ``"truth"``, in radians.

    Returns
    -------
    matplotlib.figure.Figure
    """
    scene = _scene(skymap, calibration, theme, marks)
    figure = _figure(scene, (11, 7.2))
    image = _draw_sky(figure.add_axes((0.03, 0.16, 0.94, 0.7)), scene)
    _draw_scale(figure, image, scene, (0.58, 0.1, 0.36, 0.025))
    _write_legend(figure, scene, [*_position_handles(scene), _plane_handle(scene)], (0.02, 0.16))
    _write_title(figure, skymap.attrs, scene)
    return figure


def zoom_figure(
    skymap: xr.Dataset,
    calibration: str | Calibration = DEFAULT_CALIBRATION,
    *,
    theme: Theme = "light",
    marks: Marks | None = None,
) -> Figure:
    """Return the surroundings of the best fit with its 50 and 90 % regions.

    The cells are shown as they are; the contours are interpolated between their centres, while
    the areas and errors in the text are those of the cells. Parameters as for `sky_figure`.
    """
    scene = _scene(skymap, calibration, theme, marks)
    figure = _figure(scene, (12, 7.6))
    image = _draw_zoom(figure.add_axes((0.09, 0.1, 0.48, 0.48 * 12 / 7.6)), scene)
    _draw_scale(figure, image, scene, (0.585, 0.1, 0.015, 0.48 * 12 / 7.6))
    _write_legend(figure, scene, [*_position_handles(scene), *_region_handles(scene)], (0.67, 0.87))
    _write_title(figure, skymap.attrs, scene)
    return figure


def combined_figure(
    skymap: xr.Dataset,
    calibration: str | Calibration = DEFAULT_CALIBRATION,
    *,
    theme: Theme = "light",
    marks: Marks | None = None,
) -> Figure:
    """Return both views side by side. Parameters as for `sky_figure`."""
    scene = _scene(skymap, calibration, theme, marks)
    figure = _figure(scene, (16, 7.6))
    image = _draw_sky(figure.add_axes((0.01, 0.375, 0.49, 0.5)), scene)
    _draw_scale(figure, image, scene, (0.105, 0.35, 0.3, 0.02))
    image = _draw_zoom(figure.add_axes((0.565, 0.1, 0.36, 0.36 * 16 / 7.6)), scene)
    _draw_scale(figure, image, scene, (0.935, 0.1, 0.011, 0.36 * 16 / 7.6))
    handles = [*_position_handles(scene), _plane_handle(scene), *_region_handles(scene)]
    _write_legend(figure, scene, handles, (0.02, 0.265), columns=2)
    _write_title(figure, skymap.attrs, scene)
    return figure


def _scene(skymap: xr.Dataset, calibration: str | Calibration, theme: Theme, marks: Marks | None) -> _Scene:
    if theme not in _STYLES:
        raise UnknownNameError("theme", theme, _STYLES)
    inner, outer = (regions.region(skymap, containment, calibration) for containment in (0.5, 0.9))
    return _Scene(maps.leaves(skymap), regions.best_fit(skymap), inner, outer, marks or {}, _STYLES[theme])


def _figure(scene: _Scene, size: tuple[float, float]) -> Figure:
    figure = Figure(figsize=size, dpi=150, facecolor=scene.style.paper)
    FigureCanvasAgg(figure)
    return figure


# ------------------------------------------------------------------------------------- whole sky


def _draw_sky(axes: Axes, scene: _Scene) -> AxesImage:
    ts = scene.ts_at(*_from_hammer(*np.meshgrid(np.linspace(-2, 2, 1000), np.linspace(-1, 1, 500))))
    seen = ts[np.isfinite(ts)]
    top = max(4 * scene.outer.ts, float(np.median(seen)) if seen.size else 0.0, 1e-3)
    colours = scene.style.colours
    image = axes.imshow(ts, colours, PowerNorm(0.5, 0, top), extent=(-2, 2, -1, 1), origin="lower")
    image.set_clip_path(Ellipse((0, 0), 4, 2, transform=axes.transData))
    _draw_sky_lines(axes, scene)
    _draw_positions(axes, scene, *_to_hammer(*_positions(scene)))
    axes.set(xlim=(-2.02, 2.02), ylim=(-1.02, 1.02), aspect="equal")
    axes.set_axis_off()
    return image


def _draw_sky_lines(axes: Axes, scene: _Scene) -> None:
    """Draw the graticule, the outline and the galactic plane."""
    turn, tilt = np.linspace(_SEAM, 2 * np.pi - _SEAM, 181), np.linspace(-np.pi / 2, np.pi / 2, 91)
    look: dict[str, Any] = {"color": scene.style.faint, "lw": 0.5}
    for degrees in range(-60, 90, 30):
        axes.plot(*_to_hammer(turn, np.radians(degrees)), **look)
        x, y = _to_hammer(_SEAM, np.radians(degrees))
        axes.annotate(_signed(degrees), (float(x), float(y)), (4 + abs(degrees) / 10, 0), va="center", **_text(scene))
    for degrees in range(60, 360, 60):
        axes.plot(*_to_hammer(np.radians(degrees), tilt), **look)
        x, y = _to_hammer(np.radians(degrees), 0.0)
        axes.annotate(f"{degrees}°", (float(x), float(y)), (0, -3), ha="center", va="top", **_text(scene))
    for edge in (_SEAM, 2 * np.pi - _SEAM):
        axes.plot(*_to_hammer(edge, tilt), color=scene.style.ink, lw=1)
    x, y = _to_hammer(*sky.galactic_plane(1001))
    plane = _plane_handle(scene)
    plane.set_data(np.where(np.abs(np.diff(x, prepend=x[0])) > 1, np.nan, x), y)  # no line across the seam
    axes.add_line(plane)


def _text(scene: _Scene) -> dict[str, Any]:
    return {"textcoords": "offset points", "color": scene.style.ink, "size": 11}


def _plane_handle(scene: _Scene) -> Line2D:
    return Line2D([], [], color=scene.style.plane, lw=1.4, ls="--", label="galactic plane")


def _to_hammer(ra: Any, dec: Any) -> tuple[Floats, Floats]:
    """Project on the Hammer ellipse, |x| <= 2 and |y| <= 1, RA 180 in the middle, RA growing to the left."""
    half = (np.pi - np.asarray(ra, float) % (2 * np.pi)) / 2
    scale = 1 / np.sqrt(1 + np.cos(dec) * np.cos(half))
    return np.asarray(2 * scale * np.cos(dec) * np.sin(half)), np.asarray(scale * np.sin(dec))


def _from_hammer(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return the positions of points of the ellipse, NaN outside."""
    square = np.where(x**2 / 4 + y**2 <= 1, x**2 / 8 + y**2 / 2, np.nan)
    z = np.sqrt(1 - square)
    half = np.arctan2(z * x / np.sqrt(2), 2 * z**2 - 1)
    return (np.pi - 2 * half) % (2 * np.pi), np.arcsin(np.clip(z * y * np.sqrt(2), -1, 1))


# ----------------------------------------------------------------------------------------- zoom


def _draw_zoom(axes: Axes, scene: _Scene) -> AxesImage:
    size = _view_radius(scene)
    line = np.linspace(-size, size, _PIXELS)
    ts = scene.ts_at(*sky.from_plane(*np.meshgrid(line, line), scene.best.ra, scene.best.dec))
    span = Normalize(0, max(2 * scene.outer.ts, 1e-3))
    image = axes.imshow(ts, scene.style.colours, span, extent=(-size, size, -size, size), origin="lower")
    _draw_contours(axes, scene, size)
    _draw_graticule(axes, scene, line)
    _draw_positions(axes, scene, *sky.to_plane(*_positions(scene), scene.best.ra, scene.best.dec))
    axes.set(xlim=(size, -size), ylim=(-size, size), aspect="equal")
    axes.set_xlabel("right ascension (ICRS)", color=scene.style.ink, size=14, labelpad=6)
    axes.set_ylabel("declination (ICRS)", color=scene.style.ink, size=14, labelpad=6)
    axes.tick_params(color=scene.style.faint, labelcolor=scene.style.ink, labelsize=13)
    axes.spines[:].set_color(scene.style.faint)
    return image


def _view_radius(scene: _Scene) -> float:
    """Return half the side of the view: the 90 % region and some room, three cells at least."""
    ra, dec = sky.lonlat(sky.corners(scene.outer.cells))
    x, y = sky.to_plane(ra, dec, scene.best.ra, scene.best.dec)
    reach = 1.25 * np.nanmax(np.abs([x, y]))
    return float(np.clip(reach, 3 * np.sqrt(sky.area_sr(scene.best.uniq)), _WIDEST))


def _draw_contours(axes: Axes, scene: _Scene, size: float) -> None:
    """Draw where a smooth surface through the centres of evaluated leaves has the levels of the regions.

    It is the logarithm that is interpolated, lest steep flanks make the surface swing.
    """
    line = np.linspace(-size, size, _PIXELS // 2)
    scale = max(scene.outer.ts, 1.0)
    x, y, ts = _leaves_in_view(scene, size)
    try:
        surface = CubicTriInterpolator(Triangulation(x, y), np.log1p(ts / scale), kind="geom")
    except (RuntimeError, ValueError):  # fewer than three cells, or all in one line: there is no surface
        return
    height = surface(*np.meshgrid(line, line))
    for found, colour in scene.regions:
        level = np.log1p(found.ts / scale)
        if height.min() < level < height.max():
            axes.contour(line, line, height, levels=[level], colors=[colour], linewidths=2.4)


def _leaves_in_view(scene: _Scene, size: float) -> tuple[Floats, Floats, Floats]:
    """Return the place in the plane and the TS of evaluated leaves in the view and a little around it."""
    uniq, ts = scene.tiling["uniq"].to_numpy(), scene.tiling["ts"].to_numpy()
    x, y = sky.to_plane(*sky.centers(uniq), scene.best.ra, scene.best.dec)
    reach = 1.3 * size + 2 * np.sqrt(sky.area_sr(uniq))
    near = (np.maximum(np.abs(x), np.abs(y)) < reach) & (np.hypot(x, y) < _PLANE_EDGE)
    use = near & np.isfinite(ts) & scene.tiling["evaluated"].to_numpy()
    return x[use], y[use], ts[use]


def _draw_graticule(axes: Axes, scene: _Scene, line: Floats) -> None:
    """Draw and name lines of equal right ascension and declination."""
    best = scene.best
    ra, dec = (np.degrees(angle) for angle in sky.from_plane(*np.meshgrid(line, line), best.ra, best.dec))
    ra = np.degrees(best.ra) + (ra - np.degrees(best.ra) + 180) % 360 - 180  # the jump is opposite to the best fit
    pole = _pole_in_view(scene, line[-1])
    step = 45.0 if pole else _step(np.ptp(ra[0]))
    meridians = {f"{value % 360:.{_decimals(step)}f}°": value for value in _multiples(ra, step)}
    step = _step(np.ptp(dec))
    parallels = {_signed(value, _decimals(step)): value for value in _multiples(dec, step)}
    look: dict[str, Any] = {"colors": scene.style.faint, "linewidths": 0.6, "linestyles": "solid"}
    axes.contour(line, line, dec, levels=list(parallels.values()), **look)
    tilt = np.radians(np.linspace(dec.min(), dec.max(), 200))
    for meridian in meridians.values():
        axes.plot(*sky.to_plane(np.radians(meridian), tilt, best.ra, best.dec), color=scene.style.faint, lw=0.6)
    axes.set_xticks(*_crossings({} if pole else meridians, ra[0], line))
    axes.set_yticks(*_crossings({} if pole else parallels, dec[:, -1], line))
    if pole:
        _name_around_pole(axes, scene, line[-1], pole, meridians)
        _name_on_parallels(axes, scene, line[-1], parallels)


def _name_around_pole(axes: Axes, scene: _Scene, size: float, pole: int, meridians: Mapping[str, float]) -> None:
    """Name meridians within the frame, just before they leave it."""
    outward = pole * np.pi / 2 * (1 - np.linspace(0, 1, 2000) ** 2)
    for name, meridian in meridians.items():
        x, y = sky.to_plane(np.radians(meridian), outward, scene.best.ra, scene.best.dec)
        last = np.argmax(np.maximum(np.abs(x), np.abs(y)) > 0.93 * size) - 1
        _write_inside(axes, scene, x[last], y[last], name)


def _name_on_parallels(axes: Axes, scene: _Scene, size: float, parallels: Mapping[str, float]) -> None:
    """Name parallels near the meridian that runs from a pole through the best fit."""
    for name, parallel in parallels.items():
        x, y = sky.to_plane(scene.best.ra + np.pi / 3, np.radians(parallel), scene.best.ra, scene.best.dec)
        if max(abs(x), abs(y)) < 0.85 * size:
            _write_inside(axes, scene, float(x), float(y), name)


def _write_inside(axes: Axes, scene: _Scene, x: float, y: float, text: str) -> None:
    halo = [withStroke(linewidth=3, foreground=scene.style.paper)]
    axes.text(x, y, text, color=scene.style.ink, size=12, ha="center", va="center", path_effects=halo)


def _crossings(lines: Mapping[str, float], values: Floats, edge: Floats) -> tuple[list[float], list[str]]:
    """Return where along an edge of the view lines meet it, and their names.

    Parameters
    ----------
    lines : mapping of name to value
    values : (n,) float
        Monotonic, along the edge.
    edge : (n,) float
        The plane's coordinate along the edge.
    """
    rising = np.argsort(values)
    met = {name: value for name, value in lines.items() if values.min() <= value <= values.max()}
    places = np.interp(list(met.values()), values[rising], edge[rising])
    return list(places), list(met)


def _step(span: float) -> float:
    """Return the round step that divides a range of degrees into five parts at most."""
    return next((step for step in _STEPS_DEG if span / step <= 5), _STEPS_DEG[-1])


def _decimals(step: float) -> int:
    return max(0, int(np.ceil(-np.log10(step) - 1e-9)))


def _multiples(values: Floats, step: float) -> Floats:
    return np.arange(np.ceil(values.min() / step), np.floor(values.max() / step) + 1) * step


def _signed(degrees: float, decimals: int = 0) -> str:
    """Return degrees with a sign, unless they are zero."""
    return f"{degrees:+.{decimals}f}°".replace("-", "−") if round(degrees, decimals) else "0°"


def _pole_in_view(scene: _Scene, size: float) -> int:
    """Return +1 or -1 if that pole is within the square view, else 0."""
    for pole in (1, -1):
        if np.max(np.abs(sky.to_plane(0.0, pole * np.pi / 2, scene.best.ra, scene.best.dec))) <= size:
            return pole
    return 0


# --------------------------------------------------------------------------------------- shared


def _positions(scene: _Scene) -> tuple[Floats, Floats]:
    """Return the best fit, then the marks."""
    ra, dec = zip((scene.best.ra, scene.best.dec), *scene.marks.values(), strict=True)
    return np.array(ra), np.array(dec)


def _draw_positions(axes: Axes, scene: _Scene, x: Floats, y: Floats) -> None:
    for handle, east, north in zip(_position_handles(scene), x, y, strict=True):
        handle.set_data([east], [north])
        axes.add_line(handle)


def _position_handles(scene: _Scene) -> list[Line2D]:
    style = scene.style
    halo = [withStroke(linewidth=4.5, foreground=style.paper)]
    best = scene.best
    label = f"best fit\nRA {np.degrees(best.ra):.2f}°, Dec {_signed(np.degrees(best.dec), 2)}"
    handles = [Line2D([], [], ls="", marker="+", color=style.ink, ms=15, mew=2.2, label=label, path_effects=halo)]
    for marker, (name, (ra, dec)) in zip(itertools.cycle(_MARKERS), scene.marks.items(), strict=False):
        label = f"{name}\nRA {np.degrees(ra) % 360:.2f}°, Dec {_signed(np.degrees(dec), 2)}"
        shape: dict[str, Any] = {"marker": marker, "color": style.mark, "ms": 12, "mew": 0}
        handles.append(Line2D([], [], ls="", label=label, path_effects=halo, **shape))
    return handles


def _region_handles(scene: _Scene) -> list[Line2D]:
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


def _write_legend(
    figure: Figure, scene: _Scene, handles: Sequence[Line2D], place: tuple[float, float], columns: int = 1
) -> None:
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


def _draw_scale(figure: Figure, image: AxesImage, scene: _Scene, place: tuple[float, float, float, float]) -> None:
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


def _write_title(figure: Figure, attributes: Mapping[str, Any], scene: _Scene) -> None:
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
