"""Figures of a sky map: the whole sky, the region around the best fit, or both side by side.

They are matplotlib figures without pyplot: nothing global is touched and nothing is written.
East is to the left. Colours are told apart by colour-blind readers, and in grey.
"""

import xarray as xr
from matplotlib.figure import Figure

from skymist.model.region import DEFAULT_CALIBRATION, Calibration
from skymist.plot.scene import (
    Marks,
    Theme,
    draw_scale,
    empty_figure,
    position_handles,
    region_handles,
    scene_of,
    write_legend,
    write_title,
)
from skymist.plot.whole_sky import draw_sky, plane_handle
from skymist.plot.zoom import draw_zoom

__all__ = ["combined_figure", "sky_figure", "zoom_figure"]


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
    scene = scene_of(skymap, calibration, theme, marks)
    figure = empty_figure(scene, (11, 7.2))
    image = draw_sky(figure.add_axes((0.03, 0.16, 0.94, 0.7)), scene)
    draw_scale(figure, image, scene, (0.58, 0.1, 0.36, 0.025))
    write_legend(figure, scene, [*position_handles(scene), plane_handle(scene)], (0.02, 0.16))
    write_title(figure, skymap.attrs, scene)
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
    scene = scene_of(skymap, calibration, theme, marks)
    figure = empty_figure(scene, (12, 7.6))
    image = draw_zoom(figure.add_axes((0.09, 0.1, 0.48, 0.48 * 12 / 7.6)), scene)
    draw_scale(figure, image, scene, (0.585, 0.1, 0.015, 0.48 * 12 / 7.6))
    write_legend(figure, scene, [*position_handles(scene), *region_handles(scene)], (0.67, 0.87))
    write_title(figure, skymap.attrs, scene)
    return figure


def combined_figure(
    skymap: xr.Dataset,
    calibration: str | Calibration = DEFAULT_CALIBRATION,
    *,
    theme: Theme = "light",
    marks: Marks | None = None,
) -> Figure:
    """Return both views side by side. Parameters as for `sky_figure`."""
    scene = scene_of(skymap, calibration, theme, marks)
    figure = empty_figure(scene, (16, 7.6))
    image = draw_sky(figure.add_axes((0.01, 0.375, 0.49, 0.5)), scene)
    draw_scale(figure, image, scene, (0.105, 0.35, 0.3, 0.02))
    image = draw_zoom(figure.add_axes((0.565, 0.1, 0.36, 0.36 * 16 / 7.6)), scene)
    draw_scale(figure, image, scene, (0.935, 0.1, 0.011, 0.36 * 16 / 7.6))
    handles = [*position_handles(scene), plane_handle(scene), *region_handles(scene)]
    write_legend(figure, scene, handles, (0.02, 0.265), columns=2)
    write_title(figure, skymap.attrs, scene)
    return figure
