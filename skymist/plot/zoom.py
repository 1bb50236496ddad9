"""The surroundings of the best fit, on an equal-area plane with the coordinates of the sky (FITS WCS, ZEA)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Normalize
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D

from skymist.model import sky
from skymist.model.contour import Contour
from skymist.model.region import DEFAULT_CALIBRATION, Calibration
from skymist.plot import curves
from skymist.plot.captions import map_caption, notes_of
from skymist.plot.chart import Chart, add_chart, draw_compass, draw_plane, draw_scale_bar
from skymist.plot.frames import Plane
from skymist.plot.marks import (
    best_handle,
    body_handles,
    contour_id,
    draw_contour,
    earlier_handles,
    mark_handles,
    place_at,
    plane_handle,
    positions,
    region_handles,
)
from skymist.plot.page import Page, draw_scale, empty_page, write_legend, write_title
from skymist.plot.style import Style, Theme, style_of
from skymist.plot.view import (
    Earlier,
    Marks,
    Show,
    View,
    bodies_in,
    earlier_of,
    has_galactic_plane,
    reach,
    view_of,
    zoom_top,
)
from skymist.plot.whole_sky import TS_LABEL

WIDEST = 1.4
"""Half the side of the widest view: its corners stay on the sky."""


def zoom_figure(
    skymap: xr.Dataset,
    calibration: str | Calibration = DEFAULT_CALIBRATION,
    *,
    theme: Theme = "light",
    marks: Marks | None = None,
    earlier: Sequence[tuple[str, Contour | xr.Dataset]] = (),
    show: Show = "ts",
) -> Page:
    """Return the surroundings of the best fit with its 50 and 90 % regions.

    The cells are shown as they are; the contours are interpolated between their centres, while the areas and errors in
    the text are those of the cells. The galactic plane, Sun and Moon are shown where they are in view.

    Parameters
    ----------
    skymap, calibration, theme, marks
        As for `sky_figure`.
    earlier : sequence of (str, Contour or xarray.Dataset)
        Earlier results to compare with, by what they are called: a contour, or a sky map, of which the 90 % contour and
        the best fit are shown.
    show : {"ts", "probability"}
        What the cells' colour means: TS, or probability per square degree.

    Returns
    -------
    Page
        A matplotlib figure; its first axes have the sky's coordinates (astropy's ``WCSAxes``).

    Raises
    ------
    UnknownNameError
        For a theme, a quantity or a calibration that does not exist.
    """
    style, view = style_of(theme), view_of(skymap, calibration, marks)
    before = earlier_of(earlier, calibration)
    page = empty_page(style, (12, 7.6), map_caption("zoom", view))
    chart = add_chart(page, (0.105, 0.105, 0.465, 0.465 * 12 / 7.6), plane_of(view), style)
    image = draw_zoom(chart, view, before, show)
    draw_zoom_scale(page, view, style, image, (0.585, 0.105, 0.015, 0.465 * 12 / 7.6), show)
    write_legend(page, style, zoom_handles(chart, view, before), (0.69, 0.845), room=(0.3, 0.8))
    write_title(page, style, skymap.attrs, notes_of(skymap.attrs, view.outer.calibration, "ICRS"))
    return page


def plane_of(view: View) -> Plane:
    """Return the part of the sky that is shown: the 90 % region and some room, three cells at least."""
    best = view.best
    size = max(1.25 * reach(view.outer, best.ra, best.dec), 3 * float(np.sqrt(sky.area_sr(best.uniq))))
    return Plane(best.ra, best.dec, min(size, WIDEST))


def draw_zoom(chart: Chart, view: View, earlier: Sequence[Earlier], show: Show = "ts") -> AxesImage:
    """Draw cells, contours and positions around the best fit."""
    plane, style, axes = chart.plane, chart.style, chart.axes
    values = view.shown_at(show, *plane.grid())
    colours = style.colours if show == "ts" else style.rising
    image: AxesImage = axes.imshow(values, colours, Normalize(0, zoom_top(view, values, show)), origin="lower")
    draw_plane(chart)
    for found, colour in zip(view.contours, (style.inner, style.outer), strict=True):
        line = curves.in_plane(found.rings(), plane)
        draw_contour(axes, line, style, colour, width=2.4, gid=contour_id(found))
    handles = earlier_handles(earlier, style)
    for one, handle in zip(earlier, handles, strict=True):
        curve = Line2D(*curves.in_plane(one.contour.rings(), plane))
        curve.update_from(handle)
        curve.set(zorder=4, gid=one.label)
        curve.set_marker("")
        axes.add_line(curve)
    _draw_positions(chart, view, earlier, handles)
    draw_scale_bar(chart)
    draw_compass(chart)
    return image


def _draw_positions(chart: Chart, view: View, earlier: Sequence[Earlier], handles: Sequence[Line2D]) -> None:
    """Draw Sun and Moon, earlier best fits, marks, and the best fit on top."""
    style, plane = chart.style, chart.plane
    place_at(chart.axes, body_handles(view.bodies, style), *plane.to_pixel(*positions(view.bodies)))
    for one, handle in zip(earlier, handles, strict=True):
        if one.ra is not None and one.dec is not None:
            place_at(chart.axes, [handle], *plane.to_pixel(one.ra, one.dec))
    place_at(chart.axes, mark_handles(view.marks, style), *plane.to_pixel(*positions(view.marks)))
    place_at(chart.axes, [best_handle(view.best, style)], *plane.to_pixel(view.best.ra, view.best.dec))


def zoom_handles(chart: Chart, view: View, earlier: Sequence[Earlier]) -> list[Line2D]:
    """Return what stands in the legend: of galactic plane, Sun and Moon only what is in view."""
    style = chart.style
    plane = [plane_handle(style)] if has_galactic_plane(chart.plane) else []
    return [
        best_handle(view.best, style), *mark_handles(view.marks, style), *region_handles(view, style),
        *earlier_handles(earlier, style), *plane, *body_handles(bodies_in(chart.plane, view), style),
    ]  # fmt: skip


def draw_zoom_scale(
    page: Page, view: View, style: Style, image: Any, place: tuple[float, float, float, float], show: Show = "ts"
) -> Colorbar:
    """Draw the colour scale of the cells; for TS with the levels of the contours."""
    if show == "probability":
        return draw_scale(page, style, image, "probability density (1/deg²)", place, extend="neither")
    bar = draw_scale(page, style, image, TS_LABEL, place)
    for found, colour in ((view.inner, style.inner), (view.outer, style.outer)):
        if np.isfinite(found.ts):
            bar.ax.axhline(found.ts, color=colour, lw=2.4)
    return bar
