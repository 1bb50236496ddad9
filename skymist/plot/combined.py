"""The whole sky and the surroundings of the best fit side by side."""

import xarray as xr

from skymist.model.region import DEFAULT_CALIBRATION, Calibration
from skymist.plot.captions import map_caption, notes_of
from skymist.plot.chart import add_chart
from skymist.plot.frames import FrameName, frame_of
from skymist.plot.marks import best_handle, body_handles, mark_handles, plane_handle, region_handles
from skymist.plot.page import Page, draw_scale, empty_page, write_legend, write_title
from skymist.plot.style import Theme, style_of
from skymist.plot.view import Marks, view_of
from skymist.plot.whole_sky import TS_LABEL, draw_sky
from skymist.plot.zoom import draw_zoom, draw_zoom_scale, plane_of


def combined_figure(
    skymap: xr.Dataset,
    calibration: str | Calibration = DEFAULT_CALIBRATION,
    *,
    theme: Theme = "light",
    marks: Marks | None = None,
    frame: FrameName = "equatorial",
) -> Page:
    """Return both views side by side. Parameters and errors as for `sky_figure`; the zoom is in ICRS."""
    style, view = style_of(theme), view_of(skymap, calibration, marks)
    where = frame_of(frame, skymap.attrs)
    page = empty_page(style, (16, 7.6), map_caption("combined", view))
    image = draw_sky(page.add_axes((0.01, 0.375, 0.49, 0.5)), view, style, where)
    draw_scale(page, style, image, TS_LABEL, (0.105, 0.355, 0.3, 0.02))
    chart = add_chart(page, (0.57, 0.105, 0.345, 0.345 * 16 / 7.6), plane_of(view), style)
    image = draw_zoom(chart, view, ())
    draw_zoom_scale(page, view, style, image, (0.924, 0.105, 0.011, 0.345 * 16 / 7.6))
    places = [best_handle(view.best, style), *mark_handles(view.marks, style)]
    about = [plane_handle(style), *body_handles(view.bodies, style), *region_handles(view, style)]
    write_legend(page, style, [*places, *about], (0.02, 0.255), room=(0.49, 0.245), columns=3)
    write_title(page, style, skymap.attrs, notes_of(skymap.attrs, view.outer.calibration, where.title))
    return page
