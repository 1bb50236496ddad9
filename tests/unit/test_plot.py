"""Figures: what they show is where it should be."""

import itertools
from collections.abc import Callable
from io import BytesIO
from typing import Any

import matplotlib
import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure

from skymist import plot
from skymist.errors import UnknownNameError
from skymist.model import sky
from skymist.model import skymap as maps
from skymist.model.reconstruction import Fit
from skymist.model.region import best_fit, region
from skymist.plot import whole_sky

PLACES = {"seam": (0.01, -20), "north": (40, 86), "south": (300, -85), "pole": (40, 89.6), "equator": (120, 0)}
FIGURES: list[Callable[..., Figure]] = [plot.sky_figure, plot.zoom_figure, plot.combined_figure]


def bowl(ra_deg: float, dec_deg: float, sigma_deg: float = 0.8, **changes: Any) -> xr.Dataset:
    ra, dec = np.radians([ra_deg, dec_deg])
    uniq = sky.all_cells(8)
    for nside in (64, 512):
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
    return maps.create(uniq, Fit(nllh, np.ones(n), np.ones(n), np.ones((n, 3)), np.zeros(n)), {**attributes, **changes})


def texts(figure: Figure) -> str:
    """Return everything that is written in a figure."""
    found = [text.get_text() for text in figure.texts]
    for legend in figure.legends:
        found += [text.get_text() for text in legend.get_texts()]
    return "\n".join(found)


def contours(axes: Axes, colour: str) -> np.ndarray[Any, Any]:
    """Return the vertices of the region that is drawn in one colour."""
    (found,) = (
        item
        for item in axes.collections
        if isinstance(item, QuadContourSet)
        and np.allclose(item.get_edgecolor(), matplotlib.colors.to_rgba(colour), atol=0.01)
    )
    return np.concatenate([path.vertices for path in found.get_paths()])


@pytest.mark.parametrize(
    ("figure", "place", "theme"),
    [
        (plot.sky_figure, "seam", "light"),
        (plot.sky_figure, "north", "dark"),
        (plot.zoom_figure, "seam", "dark"),
        (plot.zoom_figure, "pole", "light"),
        (plot.combined_figure, "south", "light"),
        (plot.combined_figure, "pole", "dark"),
    ],
)
def test_figures_are_drawn(figure: Callable[..., Figure], place: str, theme: str) -> None:
    drawn = figure(bowl(*PLACES[place]), "wilks", theme=theme, marks={"truth": tuple(np.radians(PLACES[place]))})
    buffer = BytesIO()
    drawn.savefig(buffer, format="png", dpi=40)
    image = matplotlib.image.imread(BytesIO(buffer.getvalue()))
    paper = {"light": (1.0, 1.0, 1.0), "dark": (0.063, 0.078, 0.110)}[theme]
    assert image[0, 0, :3] == pytest.approx(paper, abs=0.01)
    assert len(np.unique(image.reshape(-1, 4), axis=0)) > 200
    assert "truth" in texts(drawn)


@pytest.mark.parametrize("place", ["seam", "north", "south", "equator"])
def test_ticks_stand_where_the_sky_has_them(place: str) -> None:
    data = bowl(*PLACES[place])
    best, axes = best_fit(data), plot.zoom_figure(data, "wilks").axes[0]
    assert axes.get_xlim()[0] > axes.get_xlim()[1]  # east is left
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert 2 <= len(names) <= 7
    for at, name in zip(axes.get_xticks(), names, strict=True):
        ra, _ = sky.from_plane(at, axes.get_ylim()[0], best.ra, best.dec)
        assert sky.separation(ra, best.dec, np.radians(float(name[:-1])), best.dec) < 1e-4
    for at, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True):
        _, dec = sky.from_plane(axes.get_xlim()[0], at, best.ra, best.dec)
        assert np.degrees(dec) == pytest.approx(float(label.get_text()[:-1].replace("−", "-")), abs=0.01)


def test_ticks_cross_right_ascension_zero() -> None:
    axes = plot.zoom_figure(bowl(0.01, -20), "wilks").axes[0]
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert "0°" in names
    assert {"1°", "359°"} <= set(names)


def test_around_a_pole_lines_are_named_in_the_frame() -> None:
    figure = plot.zoom_figure(bowl(40, 89.6), "wilks")
    axes = figure.axes[0]
    assert not axes.get_xticks().size
    named = {text.get_text(): text.get_position() for text in axes.texts}
    assert {"0°", "45°", "180°", "315°", "+89°"} <= set(named)
    best = best_fit(bowl(40, 89.6))
    for name, degrees in (("45°", 45), ("180°", 180), ("315°", 315)):
        ra, _ = sky.from_plane(*named[name], best.ra, best.dec)
        assert np.degrees(ra) == pytest.approx(degrees, abs=0.5)


@pytest.mark.parametrize("place", PLACES)
def test_contours_are_smooth_and_as_large_as_the_regions(place: str) -> None:
    data = bowl(*PLACES[place])
    best, axes = best_fit(data), plot.zoom_figure(data, "wilks").axes[0]
    for containment, colour, level in ((0.5, "#ffb000", 1.386), (0.9, "#d1440c", 4.605)):
        ra, dec = sky.from_plane(*contours(axes, colour).T, best.ra, best.dec)
        radius = np.degrees(sky.separation(ra, dec, *np.radians(PLACES[place])))
        assert radius == pytest.approx(np.full(radius.size, 0.8 * np.sqrt(level)), rel=0.03)
        assert np.pi * np.mean(radius) ** 2 == pytest.approx(region(data, containment, "wilks").area_deg2, rel=0.06)


def test_the_view_holds_the_region_and_the_cell_colours_the_truth() -> None:
    data = bowl(120, 0)
    best, axes = best_fit(data), plot.zoom_figure(data, "wilks").axes[0]
    (image,) = axes.images
    ts = np.asarray(image.get_array())
    middle = ts.shape[0] // 2
    assert ts[middle - 1 : middle + 1, middle - 1 : middle + 1].min() == 0
    x, y = sky.to_plane(*sky.lonlat(sky.corners(region(data, 0.9, "wilks").cells)), best.ra, best.dec)
    assert np.abs([x, y]).max() < axes.get_ylim()[1]
    assert image.get_clim() == pytest.approx((0, 2 * 4.605), abs=0.01)


@pytest.mark.parametrize("place", PLACES)
def test_the_whole_sky_is_darkest_at_the_best_fit(place: str) -> None:
    data = bowl(*PLACES[place], sigma_deg=5.0)
    axes = plot.sky_figure(data, "wilks").axes[0]
    ts = np.asarray(axes.images[0].get_array())
    row, column = np.unravel_index(np.nanargmin(ts), ts.shape)
    x, y = np.linspace(-2, 2, ts.shape[1])[column], np.linspace(-1, 1, ts.shape[0])[row]
    ra, dec = whole_sky.from_hammer(x, y)
    assert sky.separation(ra, dec, *np.radians(PLACES[place])) < np.radians(1.5)
    assert np.isnan(ts[0, 0])
    assert np.mean(np.isfinite(ts)) == pytest.approx(np.pi / 4, rel=0.01)


def test_hammer_keeps_areas_and_comes_back() -> None:
    rng = np.random.default_rng(3)
    x, y = 2 * rng.uniform(-1, 1, 2000), rng.uniform(-1, 1, 2000)
    ra, dec = whole_sky.from_hammer(x, y)
    inside = np.isfinite(ra)
    assert np.array_equal(inside, x**2 / 4 + y**2 <= 1)
    assert whole_sky.to_hammer(ra[inside], dec[inside]) == (
        pytest.approx(x[inside], abs=1e-9),
        pytest.approx(y[inside], abs=1e-9),
    )
    assert np.mean(dec[inside] > np.radians(30)) == pytest.approx(0.25, abs=0.04)
    assert whole_sky.to_hammer(3.2, 0.0)[0] < 0  # right ascension grows to the left


def test_the_legend_holds_the_numbers() -> None:
    data = bowl(224.1, 41.3)
    found = region(data, 0.9, "wilks")
    written = texts(plot.combined_figure(data, "wilks", marks={"published": (3.9, 0.7)}))
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
        plot.combined_figure(skymap, calibration).canvas.draw()


def test_unknown_theme() -> None:
    with pytest.raises(UnknownNameError, match="no theme is called 'blue'; there are: dark, light"):
        plot.sky_figure(bowl(0, 0), theme="blue")  # type: ignore[arg-type]


def test_nothing_global_is_touched() -> None:
    before = dict(matplotlib.rcParams)
    plot.combined_figure(bowl(10, 10)).canvas.draw()
    assert dict(matplotlib.rcParams) == before
    assert not matplotlib._pylab_helpers.Gcf.get_all_fig_managers()


def test_same_map_same_picture() -> None:
    pictures = []
    for _ in range(2):
        buffer = BytesIO()
        plot.combined_figure(bowl(10, 10)).savefig(buffer, format="png", dpi=40)
        pictures.append(buffer.getvalue())
    assert pictures[0] == pictures[1]
