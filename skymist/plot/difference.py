"""Two sky maps of one place: where one is higher than the other."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D

from skymist.model import sky
from skymist.model.region import DEFAULT_CALIBRATION, BestFit, Calibration
from skymist.model.sky import Floats
from skymist.plot import curves
from skymist.plot.captions import area, difference_caption, difference_heading
from skymist.plot.chart import Chart, add_chart, draw_compass, draw_plane, draw_scale_bar
from skymist.plot.frames import Plane
from skymist.plot.marks import best_handle, contour_id, draw_contour, place_at
from skymist.plot.page import Page, draw_scale, empty_page, write_heading, write_legend
from skymist.plot.style import Theme, style_of
from skymist.plot.view import View, change_top, reach, view_of
from skymist.plot.zoom import WIDEST

_DASHES = {"A": "solid", "B": (0, (4, 1.6))}
_MARKERS = {"A": "+", "B": "x"}


def difference_figure(
    a: xr.Dataset,
    b: xr.Dataset,
    calibration: str | Calibration = DEFAULT_CALIBRATION,
    *,
    theme: Theme = "light",
    names: tuple[str, str] = ("A", "B"),
) -> Page:
    """Return the difference of TS around the best fits of two maps, their contours, and how far apart they are.

    Parameters
    ----------
    a, b : xarray.Dataset
        Sky maps, of the same event or not.
    calibration : str or Calibration
        Of the contours of both.
    theme : {"light", "dark"}
    names : (str, str)
        What the maps are called.

    Returns
    -------
    Page
        A matplotlib figure. Where one of the maps has no value, the difference has none.

    Raises
    ------
    UnknownNameError
        For a theme or a calibration that does not exist.
    RequestError
        If a map does not have the calibration.
    """
    style = style_of(theme)
    views = view_of(a, calibration), view_of(b, calibration)
    page = empty_page(style, (12, 7.6), difference_caption(*views))
    chart = add_chart(page, (0.105, 0.105, 0.465, 0.465 * 12 / 7.6), plane_of_both(*views), style)
    image = _draw_change(chart, *views)
    handles = [
        handle for name, key, view in zip(names, "AB", views, strict=True) for handle in _draw(chart, key, name, view)
    ]
    handles.append(_join(chart, views[0].best, views[1].best))
    draw_scale_bar(chart)
    draw_compass(chart)
    label = f"TS of {names[0]} − TS of {names[1]}"
    draw_scale(page, style, image, label, (0.585, 0.105, 0.015, 0.465 * 12 / 7.6), extend="both")
    write_legend(page, style, handles, (0.69, 0.845), room=(0.3, 0.8))
    heading = difference_heading(*views)
    write_heading(page, style, heading.title, "   ".join(heading.notes), simulated=heading.simulated)
    return page


def plane_of_both(a: View, b: View) -> Plane:
    """Return the part of the sky that holds the 90 % regions of both maps, around the middle of their best fits."""
    middle = sky.unit(a.best.ra, a.best.dec) + sky.unit(b.best.ra, b.best.dec)
    opposite = np.linalg.norm(middle) < 1e-6
    ra, dec = (a.best.ra, a.best.dec) if opposite else (float(angle) for angle in sky.lonlat(middle))
    far = [reach(view.outer, ra, dec) for view in (a, b)]
    cells = [3 * float(np.sqrt(sky.area_sr(view.best.uniq))) for view in (a, b)]
    places = [np.abs(sky.to_plane(view.best.ra, view.best.dec, ra, dec)).max() for view in (a, b)]
    return Plane(ra, dec, min(max(*(1.2 * each for each in (*far, *places)), *cells), WIDEST))


def change_of(a: View, b: View, plane: Plane) -> Floats:
    """Return TS of a minus TS of b at the pixels of a plane, NaN where one of them has none."""
    places = plane.grid()
    return a.ts_at(*places) - b.ts_at(*places)


def _draw_change(chart: Chart, a: View, b: View) -> Any:
    change = change_of(a, b, chart.plane)
    top = change_top(a, b)
    image = chart.axes.imshow(change, chart.style.diverging, Normalize(-top, top), origin="lower")
    draw_plane(chart)
    return image


def _draw(chart: Chart, key: str, name: str, view: View) -> list[Line2D]:
    """Draw contours and best fit of one map; return how they stand in the legend."""
    style = chart.style
    regions = (view.inner, view.outer)
    for found, width in zip(view.contours, (1.3, 2.2), strict=True):
        line, gid = curves.in_plane(found.rings(), chart.plane), f"{key}-{contour_id(found)}"
        draw_contour(chart.axes, line, style, style.ink, width=width, gid=gid, ls=_DASHES[key])
    best = view.best
    mark = best_handle(best, style, f"{name}: best fit")
    mark.set(marker=_MARKERS[key], gid=f"{key}-best-fit")
    place_at(chart.axes, [mark], *chart.plane.to_pixel(best.ra, best.dec))
    text = f"{name}: contours\n" + "\n".join(f"{each.containment:.0%}: {area(each.area_deg2)}" for each in regions)
    return [mark, Line2D([], [], color=style.ink, lw=2.2, ls=_DASHES[key], label=text)]


def _join(chart: Chart, a: BestFit, b: BestFit) -> Line2D:
    """Join the best fits along a great circle; return how that stands in the legend."""
    arc = sky.unit([a.ra, b.ra], [a.dec, b.dec])
    apart = float(np.degrees(sky.separation(a.ra, a.dec, b.ra, b.dec)))
    handle = Line2D([], [], color=chart.style.mark, lw=2, label=f"between the best fits\n{apart:.2f}°", gid="between")
    handle.set_data(*curves.in_plane([arc], chart.plane, closed=False))
    chart.axes.add_line(handle)
    return handle
