"""Figures of sky maps: what they show is where it should be."""

import itertools
from collections.abc import Callable
from functools import cache
from io import BytesIO
from typing import Any

import matplotlib
import numpy as np
import pytest
import xarray as xr
from astropy.coordinates import SkyCoord, get_sun
from astropy.time import Time
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image

from skymist import plot
from skymist.errors import RequestError, UnknownNameError
from skymist.model import sky
from skymist.model import skymap as maps
from skymist.model.calibrations import side_by_side
from skymist.model.contour import contour
from skymist.model.reconstruction import Fit
from skymist.model.region import best_fit, region
from skymist.plot import difference
from skymist.plot.captions import area
from skymist.plot.frames import Plane, frame_of, from_hammer
from skymist.plot.style import STYLES
from skymist.plot.view import view_of
from skymist.plot.zoom import plane_of

PLACES = {"seam": (0.01, -20), "north": (40, 86), "south": (300, -85), "pole": (40, 89.6), "equator": (120, 0)}
SITE = {"name": "icecube-86", "latitude_deg": -89.9944, "longitude_deg": -62.6081, "x_bearing_deg": 152.6081}
FIGURES: list[Callable[..., Figure]] = [plot.sky_figure, plot.zoom_figure, plot.combined_figure]


def bowl(
    ra_deg: float, dec_deg: float, sigma_deg: float = 0.8, levels: tuple[int, ...] = (64, 512), **changes: Any
) -> xr.Dataset:
    return _bowl(ra_deg, dec_deg, sigma_deg, levels).assign_attrs(changes)  # a copy with its own attributes


@cache
def _bowl(ra_deg: float, dec_deg: float, sigma_deg: float, levels: tuple[int, ...]) -> xr.Dataset:
    ra, dec = np.radians([ra_deg, dec_deg])
    uniq = sky.all_cells(8)
    for nside in levels:
        finest = uniq[sky.nside_of(uniq) == sky.nside_of(uniq).max()]
        reach = np.radians(3.5 * sigma_deg) + 1.5 / sky.nside_of(finest)
        near = sky.separation(*sky.centers(finest), ra, dec) < reach
        uniq = np.concatenate([uniq, sky.children(finest[near], nside).ravel()])
    nllh = sky.separation(*sky.centers(uniq), ra, dec) ** 2 / (2 * np.radians(sigma_deg) ** 2)
    n = uniq.size
    attributes: dict[str, Any] = {
        "event": {"run": 5, "event": 77, "utc": "2023-12-02T17:08:24.093", "kind": "neutrino", "simulated": False},
        "reconstruction": {"name": "bowl", "version": "1", "options": {}},
        "complete": True,
    }
    return maps.create(uniq, Fit(nllh, np.ones(n), np.ones(n), np.ones((n, 3)), np.zeros(n)), attributes)


def texts(figure: Figure) -> str:
    """Return everything that is written in a figure."""
    found = [text.get_text() for text in figure.texts]
    for legend in figure.legends:
        found += [text.get_text() for text in legend.get_texts()]
    return "\n".join(found)


def curve(axes: Axes, gid: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the points of the curve or mark of that name."""
    (found,) = (line for line in axes.lines if line.get_gid() == gid)
    x, y = np.asarray(found.get_xdata(), float), np.asarray(found.get_ydata(), float)
    return x, y


def zoom_of(skymap: xr.Dataset, calibration: str = "wilks", **options: Any) -> tuple[Axes, Plane]:
    return plot.zoom_figure(skymap, calibration, **options).axes[0], plane_of(view_of(skymap, calibration))


@cache
def zoomed(place: str) -> tuple[Axes, Plane, dict[str, tuple[float, float]]]:
    """Return the zoom of one place, its plane and its marks; tests share it, and do not change it."""
    ra, dec = np.radians(PLACES[place])
    marks = {"truth": (ra, dec), "south": (ra, dec - 0.01), "east": (ra + 0.02, dec)}
    return (*zoom_of(bowl(*PLACES[place]), marks=marks), marks)


def zoom_page(place: str) -> Any:
    return zoomed(place)[0].figure


@cache
def skied(frame: Any, place: str) -> Figure:
    """Return the whole sky of a wide map; tests share it, and do not change it."""
    data, marks = bowl(*PLACES[place], sigma_deg=5.0, levels=(64,)), {"truth": tuple(np.radians(PLACES[place]))}
    return plot.sky_figure(data, "wilks", frame=frame, marks=marks)


@cache
def combined() -> Figure:
    """Return both views of one map, on dark paper."""
    marks = {"truth": tuple(np.radians(PLACES["pole"])), "published": (3.9, 0.7)}
    return plot.combined_figure(bowl(*PLACES["pole"]), "wilks", theme="dark", marks=marks)


@pytest.mark.parametrize(
    ("figure", "theme"),
    [(lambda: skied("equatorial", "seam"), "light"), (lambda: zoom_page("pole"), "light"), (combined, "dark")],
)
def test_figures_are_drawn(figure: Callable[[], Figure], theme: str) -> None:
    drawn = figure()
    buffer = BytesIO()
    drawn.savefig(buffer, format="png", dpi=40)
    image = matplotlib.image.imread(BytesIO(buffer.getvalue()))
    paper = {"light": (1.0, 1.0, 1.0), "dark": (0.063, 0.078, 0.110)}[theme]
    assert image[0, 0, :3] == pytest.approx(paper, abs=0.01)
    assert len(np.unique(image.reshape(-1, 4), axis=0)) > 200
    assert "truth" in texts(drawn)


@pytest.mark.parametrize("place", PLACES)
def test_a_source_is_where_the_world_coordinates_of_the_axes_have_it(place: str) -> None:
    axes, _, marks = zoomed(place)
    for name, (ra, dec) in marks.items():
        known = axes.wcs.world_to_pixel(SkyCoord(ra, dec, unit="rad"))  # type: ignore[attr-defined]
        (x,), (y,) = curve(axes, name)
        assert (x, y) == (pytest.approx(float(known[0]), abs=1e-4), pytest.approx(float(known[1]), abs=1e-4))
    assert curve(axes, "east")[0][0] < curve(axes, "truth")[0][0]


def test_lines_are_named_across_right_ascension_zero() -> None:
    figure = zoom_page("seam")
    figure.draw_without_rendering()
    names = [name for side in figure.axes[0].coords[0]._ticklabels.text.values() for name in side]  # type: ignore[attr-defined]
    assert {"1°", "0°", "359°"} <= set(names)


def test_around_a_pole_lines_are_named_in_the_frame() -> None:
    axes, plane, _ = zoomed("pole")
    named = {text.get_text(): text.get_position() for text in axes.texts}
    meridians = [name for name in named if name.removesuffix("°").isdigit() and int(name[:-1]) % 45 == 0]
    assert len(meridians) >= 5
    for name in meridians:
        ra, dec = plane.to_sky(*named[name])
        assert sky.separation(ra, dec, np.radians(float(name[:-1])), dec) < np.radians(0.02)
    assert np.degrees(plane.to_sky(*named["+89°"])[1]) == pytest.approx(89, abs=0.01)


@pytest.mark.parametrize("place", PLACES)
def test_contours_are_smooth_and_as_large_as_the_regions(place: str) -> None:
    data = bowl(*PLACES[place])
    axes, plane, _ = zoomed(place)
    for containment, level in ((50, 1.386), (90, 4.605)):
        ra, dec = plane.to_sky(*curve(axes, f"contour-{containment}"))
        radius = np.degrees(sky.separation(ra, dec, *np.radians(PLACES[place])))
        assert radius == pytest.approx(np.full(radius.size, 0.8 * np.sqrt(level)), rel=0.04)
        assert np.pi * np.mean(radius) ** 2 == pytest.approx(
            region(data, containment / 100, "wilks").area_deg2, rel=0.06
        )


def test_the_view_holds_the_region_and_the_cell_colours_the_truth() -> None:
    data = bowl(*PLACES["equator"])
    axes, plane, _ = zoomed("equator")
    (image,) = axes.images
    ts = np.asarray(image.get_array())
    middle = ts.shape[0] // 2
    assert ts[middle - 1 : middle + 1, middle - 1 : middle + 1].min() == 0
    assert plane.holds(*sky.lonlat(sky.corners(region(data, 0.9, "wilks").cells))).all()
    assert image.get_clim() == pytest.approx((0, 2 * 4.605), abs=0.01)
    row, column = 100, 390  # of a pixel anywhere
    cell = sky.find(data["uniq"].to_numpy(), *plane.to_sky(column, row))
    nllh = data["nllh"].to_numpy()
    assert ts[row, column] == pytest.approx(2 * (nllh[cell] - nllh.min()))


def test_probability_is_shown_per_square_degree() -> None:
    data = bowl(120, 0)
    axes, plane = zoom_of(data, show="probability")
    (image,) = axes.images
    shown = np.asarray(image.get_array())
    pixel = np.degrees(plane.step) ** 2
    # Most of a Gaussian of 0.8 degrees is in the view, whose edge is at 1.25 times its 90 % radius.
    assert np.nansum(shown) * pixel == pytest.approx(0.97, abs=0.02)
    assert np.nanmax(shown) == pytest.approx(1 / (2 * np.pi * 0.8**2), rel=0.02)
    with pytest.raises(UnknownNameError, match="no quantity is called 'energy'"):
        plot.zoom_figure(data, "wilks", show="energy")  # type: ignore[arg-type]


def test_earlier_results_are_drawn_beside_the_map() -> None:
    data, before = bowl(120, 0), bowl(120.6, 0.3, 1.2)
    old = contour(before, 0.9, "wilks")
    figure = plot.zoom_figure(data, "wilks", earlier=[("revision 1", before), ("circle", old)])
    axes, plane = figure.axes[0], plane_of(view_of(data, "wilks"))
    for name in ("revision 1", "circle"):
        curves = [line for line in axes.lines if line.get_gid() == name and len(np.asarray(line.get_xdata())) > 1]
        ra, dec = plane.to_sky(curves[0].get_xdata(), curves[0].get_ydata())
        away = np.degrees(sky.separation(ra, dec, *np.radians([120.6, 0.3])))
        assert away == pytest.approx(np.full(away.size, 1.2 * np.sqrt(4.605)), rel=0.04)
    best = best_fit(before)
    (mark,) = (line for line in axes.lines if line.get_gid() == "revision 1" and len(np.asarray(line.get_xdata())) == 1)
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == pytest.approx(plane.to_pixel(best.ra, best.dec))  # type: ignore[index]
    assert f"revision 1\n90%: {area(old.area_deg2)}" in texts(figure)


def test_sun_and_moon_are_named_in_the_zoom_only_where_they_are_in_view() -> None:
    ra, dec = (np.degrees(angle) for angle in sky.sun(np.datetime64("2023-12-02T17:08:24.093", "ns")))
    near = plot.zoom_figure(bowl(ra + 1, dec), "wilks")
    assert "Sun" in texts(near)
    assert "Moon" not in texts(near)
    assert "Sun" not in texts(zoom_page("equator"))
    whole = skied("equatorial", "seam")
    assert {"Sun", "Moon"} <= set(texts(whole).splitlines())
    x, y = curve(whole.axes[0], "Sun")
    found = from_hammer(x[0], y[0])
    known = get_sun(Time("2023-12-02T17:08:24.093"))
    assert np.degrees(sky.separation(*found, known.ra.rad, known.dec.rad)) < 0.02


def test_the_galactic_plane_passes_the_galactic_centre() -> None:
    axes, plane = zoom_of(bowl(266.4, -28.9))
    x, y = curve(axes, "galactic-plane")
    known = SkyCoord(l=np.linspace(-0.5, 0.5, 50), b=0, unit="deg", frame="galactic").icrs
    at = plane.to_pixel(known.ra.rad, known.dec.rad)
    away = np.nanmin(np.hypot(x[:, None] - at[0], y[:, None] - at[1]), axis=0)
    assert away.max() < np.radians(0.2) / plane.step  # points are 0.36 degrees apart
    assert "galactic plane" in texts(axes.figure)  # type: ignore[arg-type]
    assert "galactic plane" not in texts(zoom_page("equator"))


@pytest.mark.parametrize("place", ["equator", "north", "seam"])
def test_the_scale_bar_is_as_long_as_it_says(place: str) -> None:
    axes, plane, _ = zoomed(place)
    x, y = curve(axes, "scale-bar")
    middle = (plane.pixels - 1) / 2
    half = (x[1] - x[0]) / 2  # moved to where the scale holds
    ends = plane.to_sky(np.array([middle - half, middle + half]), np.array([middle, middle]))
    length = np.degrees(sky.separation(ends[0][0], ends[1][0], ends[0][1], ends[1][1]))
    assert f"{length:.6g}°" in [text.get_text() for text in axes.texts]
    assert 0.08 < (x[1] - x[0]) / plane.pixels < 0.3
    assert y[0] == y[1]


@pytest.mark.parametrize("place", PLACES)
def test_the_compass_shows_north_and_east_where_it_stands(place: str) -> None:
    axes, plane, _ = zoomed(place)
    named = {text.get_text(): np.array(text.get_position()) for text in axes.texts if text.get_text() in ("N", "E")}
    foot = np.array([0.885, 0.115]) * plane.pixels
    _, dec = plane.to_sky(*foot)
    _, north = plane.to_sky(*(foot + 0.05 * (named["N"] - foot)))
    _, east = plane.to_sky(*(foot + 0.05 * (named["E"] - foot)))
    assert north - dec > 10 * abs(east - dec)
    right, up = named["N"] - foot, named["E"] - foot
    assert right[0] * up[1] - right[1] * up[0] > 0  # east is a quarter turn to the left of north
    assert right @ up == pytest.approx(0, abs=0.03 * (right @ right))


@pytest.mark.parametrize(
    ("frame", "place"), [*(("equatorial", place) for place in PLACES), ("galactic", "seam"), ("galactic", "pole")]
)
def test_the_whole_sky_is_darkest_at_the_best_fit(frame: Any, place: str) -> None:
    axes = skied(frame, place).axes[0]
    ts = np.asarray(axes.images[0].get_array())
    row, column = np.unravel_index(np.nanargmin(ts), ts.shape)
    left, right, low, high = axes.images[0].get_extent()
    x = left + (column + 0.5) * (right - left) / ts.shape[1]
    y = low + (row + 0.5) * (high - low) / ts.shape[0]
    ra, dec = frame_of(frame, {}).from_hammer(np.array([x]), np.array([y]))
    assert sky.separation(ra[0], dec[0], *np.radians(PLACES[place])) < np.radians(1.5)
    assert np.isnan(ts[0, 0])
    assert np.mean(np.isfinite(ts)) == pytest.approx(np.pi / 4, rel=0.01)
    ra, dec = frame_of(frame, {}).from_hammer(*(part * (1 - 1e-9) for part in curve(axes, "contour-90")))
    away = np.degrees(sky.separation(ra, dec, *np.radians(PLACES[place])))
    assert np.nanmax(np.abs(away - 5 * np.sqrt(4.605))) < 0.5


def test_a_local_view_needs_a_detector() -> None:
    with pytest.raises(RequestError, match="the map does not say where its detector is"):
        plot.sky_figure(bowl(10, 10, levels=(64,)), "wilks", frame="local")
    written = texts(plot.sky_figure(bowl(10, 10, levels=(64,), detector=SITE), "wilks", frame="local"))
    assert "zenith and azimuth, icecube-86" in written


def test_the_legend_holds_the_numbers() -> None:
    found = region(bowl(*PLACES["pole"]), 0.9, "wilks")
    written = texts(combined())
    for part in (
        "Run 5, event 77",
        "2023-12-02 17:08:24 UTC",
        "bowl 1",
        "wilks",
        f"90%: {found.area_deg2:.3g} deg²",
        f"RA +{found.ra_plus:.2f}° −{found.ra_minus:.2f}°",
        f"Dec +{found.dec_plus:.2f}° −{found.dec_minus:.2f}°",
        "published\nRA 223.45°, Dec +40.11°",
    ):
        assert part in written
    assert "SIMULATED" not in written
    assert "not" not in written


def test_warnings_are_written() -> None:
    data = bowl(224.1, 41.3, complete=False)
    data.attrs["event"] = {**data.attrs["event"], "simulated": True}
    for figure in FIGURES:
        written = texts(figure(data, "icecube-2016"))
        assert "SIMULATED EVENT" in written
        assert "scan not complete" in written
    assert "edge not refined" in written


def test_odd_maps_are_drawn_too() -> None:
    """Few cells, all in a line; a cone; failed cells; a region as wide as the sky."""
    data = bowl(224.1, 41.3)
    coarse = data.isel(cell=slice(768))
    near = sky.separation(*sky.centers(data["uniq"]), *np.radians([224.1, 41.3])) < 0.02
    holes = data["nllh"].where(np.arange(data.sizes["cell"]) % 3 != 0)
    odd = (
        data.isel(cell=[0]),
        data.isel(cell=[-1]),
        data.isel(cell=[0, 1]),
        coarse.isel(cell=np.flatnonzero(np.abs(sky.centers(coarse["uniq"])[1]) < 1e-9)),
        data.isel(cell=np.flatnonzero(near)),
        data.assign(nllh=holes),
        coarse,
        coarse.assign(nllh=coarse["nllh"] * 1e-6),
        coarse.assign(nllh=coarse["nllh"] * 0),
    )
    for skymap, calibration in zip(odd, itertools.cycle(("wilks", "probability")), strict=False):
        figure = plot.combined_figure(skymap, calibration)
        figure.set_dpi(25)
        figure.canvas.draw()


def test_unknown_theme() -> None:
    for figure in (*FIGURES, plot.coverage_figure, plot.calibrations_figure):
        with pytest.raises(UnknownNameError, match="no theme is called 'blue'; there are: dark, light"):
            figure(bowl(0, 0), theme="blue")


def test_the_difference_is_that_of_ts_and_has_its_sign() -> None:
    a, b = bowl(120, 0), bowl(121, 0.5)
    views = view_of(a, "wilks"), view_of(b, "wilks")
    figure = plot.difference_figure(a, b, "wilks", names=("new", "old"))
    axes, plane = figure.axes[0], difference.plane_of_both(*views)
    shown = np.asarray(axes.images[0].get_array())
    for view, sign in zip(views, (-1, 1), strict=True):
        column, row = (round(float(each)) for each in plane.to_pixel(view.best.ra, view.best.dec))
        known = 1.118**2 / 0.8**2  # squared distance in units of sigma
        assert shown[row, column] == pytest.approx(sign * known, rel=0.15)
    low, high = axes.images[0].get_clim()
    assert low == -high
    apart = np.degrees(sky.separation(views[0].best.ra, views[0].best.dec, views[1].best.ra, views[1].best.dec))
    assert f"between the best fits\n{apart:.2f}°" in texts(figure)
    x, y = curve(axes, "between")
    assert (x[0], y[0]) == pytest.approx(plane.to_pixel(views[0].best.ra, views[0].best.dec), abs=1e-6)
    assert (x[-1], y[-1]) == pytest.approx(plane.to_pixel(views[1].best.ra, views[1].best.dec), abs=1e-6)
    for key, view in zip("AB", views, strict=True):
        assert plane.holds(*sky.lonlat(np.concatenate(view.contours[1].rings()))).all()
        ra, dec = plane.to_sky(*curve(axes, f"{key}-contour-90"))
        away = np.degrees(sky.separation(ra, dec, view.best.ra, view.best.dec))
        assert away.mean() == pytest.approx(0.8 * np.sqrt(4.605), rel=0.04)


def test_a_map_does_not_differ_from_itself() -> None:
    a = bowl(0.01, -20)
    figure = plot.difference_figure(a, a, "wilks")
    assert np.nanmax(np.abs(np.asarray(figure.axes[0].images[0].get_array()))) == 0
    assert "between the best fits\n0.00°" in texts(figure)


def test_maps_at_opposite_ends_of_the_sky_are_drawn() -> None:
    figure = plot.difference_figure(bowl(0, 0), bowl(180, 0), "wilks")
    figure.set_dpi(25)
    figure.canvas.draw()


def test_coverage_has_a_panel_for_each_level_with_all_its_cells() -> None:
    data = bowl(0.01, 60)
    status = np.zeros(data.sizes["cell"], np.uint8)
    status[-5:], status[3], status[-9:-5] = 2, 2, 1
    figure = plot.coverage_figure(data.assign(status=("cell", status)))
    written = texts(figure)
    for nside, number in maps.counts(data).items():
        assert f"nside {nside}: {number:,} cells" in written
    whole, *local = figure.axes
    shown = np.asarray(whole.images[0].get_array())
    assert np.nanmax(shown) == 2
    assert np.mean(shown == 2) == pytest.approx(np.pi / 4 / 768, rel=0.3)
    drawn = [sum(len(cells.get_paths()) for cells in axes.collections) for axes in local]
    assert drawn == list(maps.counts(data).values())[1:]
    assert [len(cells.get_paths()) for cells in local[-1].collections] == [drawn[-1] - 9, 4, 5]
    assert {"converged", "not converged", "failed"} <= set(written.splitlines())


def test_the_cells_of_coverage_are_where_they_are() -> None:
    data = bowl(120, 40)
    axes = plot.coverage_figure(data).axes[-1]
    uniq = data["uniq"].to_numpy()
    finest = uniq[sky.nside_of(uniq) == 512]
    ra, dec = sky.lonlat(sky.corners(finest))
    known = np.stack(axes.wcs.world_to_pixel(SkyCoord(ra, dec, unit="rad")), axis=-1)  # type: ignore[attr-defined]
    (cells,) = axes.collections
    found = np.array([path.vertices[:4] for path in cells.get_paths()])
    assert found == pytest.approx(known, abs=1e-4)


def test_the_table_of_calibrations_says_what_the_regions_are() -> None:
    data = bowl(224.1, 41.3)
    figure = plot.calibrations_figure(data)
    written = texts(figure)
    for row in side_by_side(data):
        assert row.calibration in written
        assert f"+{row.ra_plus:.2f} −{row.ra_minus:.2f}" in written
        assert f"{row.area_deg2:.4g}" in written
    plane_axes = figure.axes[0]
    wide = [np.nanmax(curve(plane_axes, name)[0]) for name in ("wilks", "icecube-2016")]
    assert wide[1] > wide[0]
    assert "* its edge was not refined" in written


@pytest.mark.parametrize("kind", ["sky", "zoom", "combined", "coverage", "calibrations", "difference"])
def test_captions_say_what_is_to_be_seen(kind: str) -> None:
    data = bowl(224.1, 41.3, complete=False)
    best, found = best_fit(data), region(data, 0.9, "wilks")
    said = plot.caption(kind, data, "wilks", other=data if kind == "difference" else None)
    assert "event 77 of run 5, 2023-12-02 17:08:24 UTC" in said
    assert f"RA {np.degrees(best.ra):.2f}°, Dec +{np.degrees(best.dec):.2f}°" in said
    assert "scan not complete" in said
    assert "\n" not in said
    if kind != "coverage":
        assert f"{found.area_deg2:.3g} deg²" in said
        assert "wilks" in said


def test_captions_of_figures_that_do_not_exist() -> None:
    with pytest.raises(UnknownNameError, match="no figure is called 'globe'; there are: calibrations, combined"):
        plot.caption("globe", bowl(0, 0))


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_files_carry_the_caption_and_not_the_time(kind: str) -> None:
    figure, file = zoom_page("equator"), BytesIO()
    figure.savefig(file, format=kind, dpi=30)
    content = file.getvalue()
    if kind == "png":
        assert Image.open(file).text["Description"] == figure.caption  # type: ignore[attr-defined]
    elif kind == "svg":
        assert figure.caption in content.decode()
        assert 'id="contour-90"' in content.decode()
        assert "<dc:date>" not in content.decode()
    else:
        assert b"/Subject" in content
        assert b"/CreationDate" not in content
        again = BytesIO()
        figure.savefig(again, format=kind, dpi=30)
        assert content == again.getvalue()
    assert len(content) < 400_000


def blocks(figure: Figure) -> dict[str, Bbox]:
    """Return the boxes of all that must not touch each other: views with their labels, legends, and texts."""
    figure.set_dpi(100)
    figure.draw_without_rendering()  # lays everything out, and paints nothing
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    found = {f"view {at}": axes.get_tightbbox(renderer) for at, axes in enumerate(figure.axes)}
    found |= {f"legend {at}": legend.get_tightbbox(renderer) for at, legend in enumerate(figure.legends)}
    found |= {f"{at} {text.get_text()}": text.get_window_extent(renderer) for at, text in enumerate(figure.texts)}
    return {name: box for name, box in found.items() if box is not None}


LAYOUTS: list[Callable[[xr.Dataset], Figure]] = [
    lambda skymap: plot.sky_figure(skymap, "wilks", marks={"published": (1.0, 0.5), "truth": (3.9, 0.7)}),
    lambda skymap: plot.zoom_figure(skymap, "wilks", marks={f"source {n}": (1.0, n / 10) for n in range(12)}),
    lambda skymap: plot.zoom_figure(skymap, "wilks", show="probability", earlier=[("first", skymap)] * 4),
    lambda skymap: plot.combined_figure(skymap, "icecube-2016", marks={"published": (1.0, 0.5), "truth": (3.9, 0.7)}),
    plot.coverage_figure,
    lambda skymap: plot.difference_figure(skymap, bowl(225, 41), "wilks"),
    plot.calibrations_figure,
]


@pytest.mark.parametrize(
    ("number", "place"), [*((number, "pole") for number in range(len(LAYOUTS))), (1, "seam"), (3, "seam")]
)
def test_nothing_that_is_written_overlaps_or_leaves_the_page(number: int, place: str) -> None:
    data = bowl(*PLACES[place], 3.0, levels=(64,))
    data.attrs["event"] = {**data.attrs["event"], "simulated": True, "run": 123456, "event": 123456789}
    figure = LAYOUTS[number](data)
    page = figure.bbox
    found = blocks(figure)
    for name, box in found.items():
        assert page.x0 - 1 <= box.x0 <= box.x1 <= page.x1 + 1, name
        assert page.y0 - 1 <= box.y0 <= box.y1 <= page.y1 + 1, name
    for (one, box), (other, second) in itertools.combinations(found.items(), 2):
        both = Bbox.intersection(box, second)
        assert both is None or both.width < 2 or both.height < 2, f"{one!r} and {other!r}"


def _luminance(colour: str) -> float:
    """Return relative luminance as WCAG 2 defines it."""
    red, green, blue = (
        c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in matplotlib.colors.to_rgb(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", STYLES)
def test_colours_are_told_apart_in_grey(theme: str) -> None:
    style = STYLES[theme]
    cells = [_luminance(colour) for colour in style.cells]
    assert sorted(cells) in (cells, cells[::-1])
    change = [_luminance(colour) for colour in style.change]
    middle = len(change) // 2
    assert change[middle] == (max(change) if theme == "light" else min(change))
    for colour in (style.ink, style.warning, style.mark, style.plane, *style.lines):
        light, dark = sorted((_luminance(colour), _luminance(style.paper)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 4


def test_nothing_global_is_touched() -> None:
    before = dict(matplotlib.rcParams)
    figure = plot.combined_figure(bowl(10, 10, levels=(64,)))
    figure.set_dpi(25)
    figure.canvas.draw()
    assert dict(matplotlib.rcParams) == before
    assert not matplotlib._pylab_helpers.Gcf.get_all_fig_managers()


def test_same_map_same_picture() -> None:
    pictures = []
    again = plot.zoom_figure(bowl(*PLACES["equator"]), "wilks", marks=zoomed("equator")[2])
    for figure in (zoom_page("equator"), again):
        buffer = BytesIO()
        figure.savefig(buffer, format="png", dpi=40)
        pictures.append(buffer.getvalue())
    assert pictures[0] == pictures[1]
