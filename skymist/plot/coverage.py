"""Which cells a scan evaluated, level by level, and how their fits ended."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import ListedColormap
from matplotlib.patches import Ellipse, Patch

from skymist.model import region as regions
from skymist.model import sky
from skymist.model.reconstruction import Status
from skymist.model.region import BestFit
from skymist.model.sky import Floats, Ints
from skymist.plot.captions import caption, event_name
from skymist.plot.chart import add_chart, draw_scale_bar
from skymist.plot.frames import Plane, frame_of, hammer_grid, to_hammer
from skymist.plot.marks import best_handle, place_at
from skymist.plot.page import Page, empty_page, write_heading, write_legend
from skymist.plot.style import Style, Theme, style_of

_LOCAL = 1.0
"""Cells that go no farther than so many radians from the best fit are shown in a plane."""
_COLUMNS = 3
_OUTLINED = 4000
"""More cells than that are drawn without their borders."""
_NAMES = {Status.OK: "converged", Status.NOT_CONVERGED: "not converged", Status.FAILED: "failed"}


def coverage_figure(skymap: xr.Dataset, *, theme: Theme = "light") -> Page:
    """Return one panel for each resolution with the cells that were evaluated there.

    A level that covers much of the sky is shown in Hammer projection (ICRS), a local one around the best fit.

    Parameters
    ----------
    skymap : xarray.Dataset
    theme : {"light", "dark"}

    Returns
    -------
    Page
        A matplotlib figure.

    Raises
    ------
    UnknownNameError
        For a theme that does not exist.
    ReadError
        If the map has no finite value.
    """
    style, best = style_of(theme), regions.best_fit(skymap)
    uniq, status = skymap["uniq"].to_numpy(), skymap["status"].to_numpy()
    level = sky.nside_of(uniq)
    nsides = np.unique(level)
    columns, rows = min(len(nsides), _COLUMNS), -(-len(nsides) // _COLUMNS)
    page = empty_page(style, (max(5.2 * columns, 9.5), 2.25 + 5.0 * rows), caption("coverage", skymap))
    for at, nside in enumerate(nsides):
        here = level == nside
        _draw_level(page, style, _place(page, at, columns), uniq[here], status[here], best)
    height = page.get_size_inches()[1]
    handles = [Patch(color=colour, label=_NAMES[each]) for each, colour in _colours(style).items()]
    handles = [handle for handle, each in zip(handles, _NAMES, strict=True) if (status == each).any()]
    write_legend(
        page, style, [best_handle(best, style), *handles], (0.03, 0.62 / height), room=(0.94, 0.55 / height), columns=4
    )
    _write_heading(page, skymap, style)
    return page


def _write_heading(page: Page, skymap: xr.Dataset, style: Style) -> None:
    about = skymap.attrs["reconstruction"]
    total = f"{skymap.sizes['cell']:,} cells in all"
    notes = [f"{about['name']} {about['version']}", total, *([] if skymap.attrs["complete"] else ["scan not complete"])]
    simulated = skymap.attrs["event"]["simulated"]
    write_heading(page, style, event_name(skymap.attrs), "   ".join(notes), simulated=simulated)


def _place(page: Page, at: int, columns: int) -> tuple[float, float, float, float]:
    """Return where a panel is: a square with room for the names of its lines."""
    width, height = page.get_size_inches()
    cell = width / columns
    side = min(cell - 1.2, 3.9)
    left = (at % columns) * cell + (cell - side) / 2 + 0.2
    bottom = height - 1.35 - 0.5 - side - (at // columns) * 5.0
    return left / width, bottom / height, side / width, side / height


def _draw_level(
    page: Page, style: Style, place: tuple[float, float, float, float], uniq: Ints, status: Any, best: BestFit
) -> None:
    """Draw the cells of one level, and how many they are."""
    ra, dec = sky.lonlat(sky.corners(uniq))
    far = float(sky.separation(ra, dec, best.ra, best.dec).max())
    if far < _LOCAL:
        x, y = sky.to_plane(ra, dec, best.ra, best.dec)
        chart = add_chart(page, place, Plane(best.ra, best.dec, 1.08 * float(np.abs([x, y]).max())), style, size=11)
        _draw_cells(chart.axes, style, np.stack(chart.plane.to_pixel(ra, dec), axis=-1), status)
        draw_scale_bar(chart)
        place_at(chart.axes, [best_handle(best, style)], *chart.plane.to_pixel(best.ra, best.dec))
    else:
        left, bottom, width, height = place
        wide = page.add_axes((left - 0.1 * width, bottom, 1.2 * width, height))
        _draw_sky(wide, style, uniq, status)
        place_at(wide, [best_handle(best, style)], *to_hammer(best.ra, best.dec))
    middle, top = place[0] + place[2] / 2, place[1] + place[3]
    title = f"nside {sky.nside_of(uniq[0])}: {len(uniq):,} cells"
    lift = 0.25 / page.get_size_inches()[1]
    page.text(middle, top + lift, title, color=style.ink, size=14, ha="center", va="center")


def _draw_cells(axes: Axes, style: Style, corners: Floats, status: Any) -> None:
    colours = _colours(style)
    edges: dict[str, Any] = {"edgecolors": style.paper, "linewidths": 0.4} if len(corners) <= _OUTLINED else {}
    for each, colour in colours.items():
        if (status == each).any():
            axes.add_collection(PolyCollection(list(corners[status == each]), facecolors=colour, **edges))


def _draw_sky(axes: Axes, style: Style, uniq: Ints, status: Any) -> None:
    """Draw cells on the Hammer ellipse."""
    frame = frame_of("equatorial", {})
    grid = hammer_grid(frame, 800)
    shown, seen = np.full(grid.ra.shape, np.nan), np.isfinite(grid.ra)
    row = sky.find(uniq, grid.ra[seen], grid.dec[seen])
    shown[seen] = np.where(row >= 0, status[row], np.nan)
    colours = ListedColormap(list(_colours(style).values())).with_extremes(bad=style.missing)
    image = axes.imshow(shown, colours, vmin=-0.5, vmax=2.5, extent=(-2, 2, -1, 1), origin="lower")
    outline = Ellipse((0, 0), 4, 2, fill=False, edgecolor=style.faint, lw=1)
    axes.add_patch(outline)
    image.set_clip_path(Ellipse((0, 0), 4, 2, transform=axes.transData))
    tilt = np.linspace(-np.pi / 2, np.pi / 2, 91)
    for degrees in (60, 120, 180, 240, 300):
        axes.plot(*frame.to_hammer(np.radians(degrees), tilt), color=style.paper, lw=0.5)
        x, y = frame.to_hammer(np.radians(degrees), 0.0)
        look: dict[str, Any] = {"size": 9, "ha": "center", "va": "center", "path_effects": style.halo(2)}
        axes.text(float(x), float(y), f"{degrees}°", color=style.ink, **look)
    axes.set(xlim=(-2.02, 2.02), ylim=(-1.02, 1.02), aspect="equal")
    axes.set_axis_off()


def _colours(style: Style) -> dict[Status, str]:
    return {Status.OK: style.cells[1], Status.NOT_CONVERGED: style.inner, Status.FAILED: style.mark}
