"""The 90 % contours of all calibrations that fit a map, and a table of what each of them says."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D

from skymist.model import sky
from skymist.model.calibrations import Row, side_by_side
from skymist.model.contour import Contour, contour
from skymist.plot import curves
from skymist.plot.captions import calibrations_caption, event_name
from skymist.plot.chart import Chart, add_chart, draw_compass, draw_plane, draw_scale_bar
from skymist.plot.frames import Plane
from skymist.plot.marks import best_handle, place_at
from skymist.plot.page import Page, draw_scale, empty_page, write_heading, write_legend
from skymist.plot.style import Style, Theme, style_of
from skymist.plot.view import View, view_of
from skymist.plot.whole_sky import TS_LABEL
from skymist.plot.zoom import WIDEST

_DASHES = ("solid", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)), (0, (3, 3)))
_HEADS = ("calibration", "", "TS level", "area (deg²)", "RA error (°)", "Dec error (°)")
_EDGES = (0.0, 0.25, 0.375, 0.545, 0.785, 1.0)
"""Where the columns of the table are, as shares of its width: the first begins there, the others end."""


def calibrations_figure(skymap: xr.Dataset, *, theme: Theme = "light") -> Page:
    """Return the surroundings of the best fit with the 90 % contour of every calibration that fits the map.

    Parameters
    ----------
    skymap : xarray.Dataset
    theme : {"light", "dark"}

    Returns
    -------
    Page
        A matplotlib figure: the contours, and beside them a table of `skymist.model.calibrations.side_by_side`.

    Raises
    ------
    UnknownNameError
        For a theme that does not exist.
    ReadError
        If the map has no finite value.
    """
    style, rows = style_of(theme), side_by_side(skymap)
    names = list(dict.fromkeys(row.calibration for row in rows))
    found, view = [contour(skymap, 0.9, name) for name in names], view_of(skymap, names[0])
    page = empty_page(style, (15.5, 7.6), calibrations_caption(skymap.attrs, view.best, rows))
    plane = _plane(found, view.best.ra, view.best.dec)
    chart = add_chart(page, (0.08, 0.105, 0.36, 0.36 * 15.5 / 7.6), plane, style)
    handles = _handles(names, style)
    image = _draw(chart, view, found, handles)
    draw_scale(page, style, image, TS_LABEL, (0.45, 0.105, 0.012, 0.36 * 15.5 / 7.6))
    _write_table(page, style, rows)
    write_legend(page, style, [best_handle(view.best, style), *handles], (0.535, 0.3), room=(0.45, 0.22), columns=2)
    _write_heading(page, style, skymap)
    return page


def _draw(chart: Chart, view: View, found: Sequence[Contour], handles: Sequence[Line2D]) -> Any:
    """Draw the cells, all contours and the best fit; return the image."""
    top = max([each.ts for each in found if np.isfinite(each.ts)], default=0.0)
    span = Normalize(0, max(1.5 * top, 1e-3))
    image = chart.axes.imshow(view.ts_at(*chart.plane.grid()), chart.style.colours, span, origin="lower")
    draw_plane(chart)
    for each, handle in zip(found, handles, strict=True):
        curve = Line2D(*curves.in_plane(each.rings(), chart.plane))
        curve.update_from(handle)
        curve.set(zorder=4, gid=each.calibration)
        chart.axes.add_line(curve)
    place = chart.plane.to_pixel(view.best.ra, view.best.dec)
    place_at(chart.axes, [best_handle(view.best, chart.style)], *place)
    draw_scale_bar(chart)
    draw_compass(chart)
    return image


def _write_heading(page: Page, style: Style, skymap: xr.Dataset) -> None:
    about = skymap.attrs["reconstruction"]
    notes = [f"{about['name']} {about['version']}", "90 % contours", "ICRS"]
    notes += [] if skymap.attrs["complete"] else ["scan not complete"]
    simulated = skymap.attrs["event"]["simulated"]
    write_heading(page, style, event_name(skymap.attrs), "   ".join(notes), simulated=simulated)


def _plane(found: Sequence[Contour], ra: float, dec: float) -> Plane:
    """Return the part of the sky that holds all contours."""
    rings = [ring for each in found for ring in each.rings()]
    if not rings:
        return Plane(ra, dec, WIDEST)
    x, y = sky.to_plane(*sky.lonlat(np.concatenate(rings)), ra, dec)
    return Plane(ra, dec, min(1.25 * float(np.max(np.abs([x, y]), initial=1e-6)), WIDEST))


def _handles(names: Sequence[str], style: Style) -> list[Line2D]:
    """Return the contours as they stand in the legend: told apart by colour and by dashes."""
    looks = zip(names, itertools.cycle(style.lines), itertools.cycle(_DASHES), strict=False)
    return [Line2D([], [], color=colour, ls=dashes, lw=2.2, label=name) for name, colour, dashes in looks]


def _write_table(page: Page, style: Style, rows: Sequence[Row]) -> None:
    """Write one line for each calibration and containment."""
    left, width, top, step = 0.525, 0.455, 0.825, min(0.055, 0.45 / (len(rows) + 1))
    lines = [_HEADS, *(_cells(row) for row in rows)]
    for at, cells in enumerate(lines):
        height = top - at * step
        for column, (text, edge) in enumerate(zip(cells, _EDGES, strict=True)):
            look: dict[str, Any] = {"size": 11.5, "va": "center", "ha": "right" if column else "left"}
            weight = "normal" if at else "bold"
            page.text(left + edge * width, height, text, color=style.ink, weight=weight, **look)
    for below in (0.5, len(lines) - 0.5):
        height = top - below * step
        page.add_artist(Line2D([left, left + width], [height, height], color=style.faint, lw=0.8))
    if any(row.open for row in rows):
        page.text(
            left, top - (len(lines) + 0.1) * step, "* its edge was not refined", color=style.ink, size=11, va="center"
        )


def _cells(row: Row) -> tuple[str, ...]:
    ts = f"{row.ts:.2f}" if np.isfinite(row.ts) else "none"
    area = f"{row.area_deg2:.4g}{'*' if row.open else ''}"
    ra, dec = f"+{row.ra_plus:.2f} −{row.ra_minus:.2f}", f"+{row.dec_plus:.2f} −{row.dec_minus:.2f}"
    return row.calibration, f"{row.containment:.0%}", ts, area, ra, dec
