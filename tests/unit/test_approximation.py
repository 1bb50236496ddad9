"""Circle and ellipse: their losses against points thrown at the sky, their shapes against known ones."""

import numpy as np
import pytest
import xarray as xr
from astropy.wcs import WCS
from maps import SHAPES, of_cells, random_map

from skymist.errors import RequestError
from skymist.model import sky, skymap
from skymist.model.approximation import Circle, Ellipse, _Shape, circle, ellipse
from skymist.model.region import best_fit, region

POINTS = 400_000


def thrown(ra: float, dec: float, reach: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Uniform points in a cap, and the square degrees that each of them stands for."""
    rng = np.random.default_rng(5)
    cosine, around = rng.uniform(np.cos(reach), 1, POINTS), rng.uniform(0, 2 * np.pi, POINTS)
    sine = np.sqrt(1 - cosine**2)
    x, y = sine * np.cos(around), sine * np.sin(around)
    # Turn the pole of the cap to its centre: about y, then about z.
    a, b = np.pi / 2 - dec, ra
    turned = np.cos(a) * x + np.sin(a) * cosine, y, np.cos(a) * cosine - np.sin(a) * x
    lon = np.arctan2(turned[1], turned[0]) + b
    area = 2 * np.pi * (1 - np.cos(reach)) * np.degrees(1) ** 2 / POINTS
    return lon % (2 * np.pi), np.arcsin(np.clip(turned[2], -1, 1)), area


def in_ellipse(found: Ellipse, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """On the plane of astropy's zenithal equal-area projection."""
    plane = WCS(naxis=2)
    plane.wcs.ctype, plane.wcs.cdelt = ["RA---ZEA", "DEC--ZEA"], [1, 1]
    plane.wcs.crval = np.degrees([found.ra, found.dec])
    east, north = plane.wcs_world2pix(np.degrees(ra), np.degrees(dec), 0)
    east, north = np.radians(east + 1), np.radians(north + 1)
    angle = np.radians(found.angle_deg)
    along, across = east * np.sin(angle) + north * np.cos(angle), east * np.cos(angle) - north * np.sin(angle)
    major, minor = (2 * np.sin(np.radians(axis) / 2) for axis in (found.major_deg, found.minor_deg))
    return (along / major) ** 2 + (across / minor) ** 2 <= 1


@pytest.mark.parametrize("shape", SHAPES)
def test_losses_are_those_of_points_thrown_at_the_sky(shape: str) -> None:
    data = random_map(SHAPES.index(shape), shape, finest=256)
    part = region(data, 0.9, "wilks")
    tiling = skymap.leaves(data)
    density, cells = skymap.probability(tiling), tiling["uniq"].to_numpy()
    for found in (circle(data, 0.9, "wilks"), ellipse(data, 0.9, "wilks")):
        ra, dec, each = thrown(found.ra, found.dec, np.radians(16))
        if isinstance(found, Circle):
            inside = sky.separation(ra, dec, found.ra, found.dec) <= np.radians(found.radius_deg)
        else:
            inside = in_ellipse(found, ra, dec)
        member = part.contains(ra, dec)
        error = 4 * each * np.sqrt(max(inside.sum(), member.sum()))
        assert found.area_deg2 == pytest.approx(inside.sum() * each, abs=error)
        assert found.missed_deg2 == pytest.approx((member & ~inside).sum() * each, abs=error)
        assert found.spare_deg2 == pytest.approx((inside & ~member).sum() * each, abs=error)
        held = np.sum(density[sky.find(cells, ra, dec)][inside]) * each / np.degrees(1) ** 2
        assert found.probability == pytest.approx(held, abs=0.03)
        # What is common to both is the same from either side.
        assert found.area_deg2 - found.spare_deg2 == pytest.approx(part.area_deg2 - found.missed_deg2)


def test_the_circle_is_that_of_the_notices() -> None:
    data = random_map(1, "banana")
    part, best, found = region(data, 0.9, "wilks"), best_fit(data), circle(data, 0.9, "wilks")
    east, north = (part.ra_plus + part.ra_minus) / 2, (part.dec_plus + part.dec_minus) / 2
    assert found.radius_deg == pytest.approx(np.sqrt(east * np.cos(best.dec) * north))
    assert (found.ra, found.dec) == (best.ra, best.dec)
    around_pole = random_map(4, "pole")
    assert circle(around_pole, 0.9, "wilks").area_deg2 == pytest.approx(region(around_pole, 0.9, "wilks").area_deg2)


@pytest.mark.parametrize("place", [(0.0, 0.2), (3.0, -1.0), (1.0, 1.35)])
def test_both_are_what_a_sum_over_small_cells_says(place: tuple[float, float]) -> None:
    cells = sky.all_cells(8)
    x, y = np.degrees(sky.to_plane(*sky.centers(cells), *place))
    data = of_cells(cells, 0.5 * ((x + 0.5 * y) / 8) ** 2 + 0.5 * (y / 17) ** 2)
    part, density = region(data, 0.9, "wilks"), skymap.probability(skymap.leaves(data))
    fine = (cells[:, None] * 4**5 + np.arange(4**5)).ravel()
    ra, dec = sky.centers(fine)
    member = np.repeat(np.isin(cells, part.cells), 4**5)
    each = float(sky.area_sr(fine[0])) * np.degrees(1) ** 2

    middle = sky.unit(ra[member], dec[member]).mean(axis=0)
    (ra0, dec0), found = sky.lonlat(middle), ellipse(data, 0.9, "wilks")
    assert np.degrees(sky.separation(found.ra, found.dec, ra0, dec0)) < 0.01
    (small, large), axes = np.linalg.eigh(np.cov(sky.to_plane(ra[member], dec[member], float(ra0), float(dec0))))
    halves = np.sqrt(np.radians(np.radians(part.area_deg2)) / np.pi) * (large / small) ** np.array([0.25, -0.25])
    assert (found.major_deg, found.minor_deg) == pytest.approx(np.degrees(2 * np.arcsin(halves / 2)), rel=2e-3)
    turned = found.angle_deg - np.degrees(np.arctan2(*axes[:, 1]))
    assert abs((turned + 90) % 180 - 90) < 0.2
    assert 0 <= found.angle_deg < 180
    assert found.area_deg2 == pytest.approx(part.area_deg2, rel=1e-9)

    around = circle(data, 0.9, "wilks")
    assert around.area_deg2 == pytest.approx(129600 / np.pi * np.sin(np.radians(around.radius_deg) / 2) ** 2, rel=1e-9)
    apart = sky.separation(ra, dec, around.ra, around.dec)
    for shape, inside in ((found, in_ellipse(found, ra, dec)), (around, np.degrees(apart) <= around.radius_deg)):
        close = 2e-3 * shape.area_deg2
        assert shape.missed_deg2 == pytest.approx((member & ~inside).sum() * each, abs=close)
        assert shape.spare_deg2 == pytest.approx((inside & ~member).sum() * each, abs=close)
        held = np.sum(np.repeat(density, 4**5)[inside]) * each / np.degrees(1) ** 2
        assert shape.probability == pytest.approx(held, abs=2e-3)


def test_a_region_is_the_same_where_it_is_stored_finer() -> None:
    cells = sky.all_cells(8)
    x, y = np.degrees(sky.to_plane(*sky.centers(cells), 1.0, 0.2))
    nllh = 0.5 * ((x + 0.5 * y) / 8) ** 2 + 0.5 * (y / 17) ** 2
    east = x > 0
    both = np.append(cells, sky.children(cells[east], 128).ravel())
    coarse, finer = of_cells(cells, nllh), of_cells(both, np.append(nllh, np.repeat(nllh[east], 256)))
    one, other = (ellipse(data, 0.9, "wilks") for data in (coarse, finer))
    assert np.degrees(sky.separation(one.ra, one.dec, other.ra, other.dec)) < 0.02
    assert (other.major_deg, other.minor_deg) == pytest.approx((one.major_deg, one.minor_deg), rel=2e-3)
    assert other.angle_deg == pytest.approx(one.angle_deg, abs=0.2)
    assert other.area_deg2 == pytest.approx(one.area_deg2)
    assert other.missed_deg2 == pytest.approx(one.missed_deg2, abs=2e-3 * one.area_deg2)
    assert other.probability == pytest.approx(one.probability, abs=2e-3)


def test_the_centre_of_a_small_region_is_its_centroid() -> None:
    cells = sky.uniq_of(4096, 70_000_000) + np.arange(3)  # three of four siblings, the first of which is best
    data = of_cells(cells, np.array([0.0, 0.1, 0.2]))
    found = ellipse(data, 0.9, "wilks")
    expected = sky.lonlat(sky.unit(*sky.centers(cells)).mean(axis=0))
    width = float(np.sqrt(sky.area_sr(cells[0])))
    assert sky.separation(found.ra, found.dec, *expected) < 0.01 * width
    assert sky.separation(found.ra, found.dec, *sky.centers(cells[0])) > 0.3 * width


def tilted(ra_deg: float, dec_deg: float, angle_deg: float, axes_deg: tuple[float, float]) -> xr.Dataset:
    """A Gaussian likelihood whose 90 % region is an ellipse with these semi-axes."""
    at, angle = np.radians([ra_deg, dec_deg]), np.radians(angle_deg)
    cells = sky.all_cells(16)
    for nside in (64, 512):
        near = sky.separation(*sky.centers(cells), *at) < np.radians(1.2 * axes_deg[0]) + 1.1 / int(np.sqrt(cells[0]))
        cells = sky.children(cells[near], nside).ravel()
    offset = np.degrees(sky.to_plane(*sky.centers(cells), *at))
    major, minor = np.array([[np.sin(angle), np.cos(angle)], [np.cos(angle), -np.sin(angle)]]) @ offset
    data = of_cells(cells, 2.302585 * ((major / axes_deg[0]) ** 2 + (minor / axes_deg[1]) ** 2))
    data.attrs["complete"] = True
    return data


@pytest.mark.parametrize(("ra", "dec", "angle"), [(40, 10, 30), (0.1, -60, 150), (200, 80, 95), (300, 0, 1)])
def test_an_ellipse_is_found_again(ra: float, dec: float, angle: float) -> None:
    data = tilted(ra, dec, angle, (4.0, 1.5))
    found = ellipse(data, 0.9, "wilks")
    assert np.degrees(sky.separation(found.ra, found.dec, *np.radians([ra, dec]))) < 0.05
    assert (found.major_deg, found.minor_deg) == pytest.approx((4.0, 1.5), rel=0.02)
    assert found.angle_deg == pytest.approx(angle, abs=1)
    assert found.missed_deg2 < 0.05 * found.area_deg2
    assert found.probability == pytest.approx(0.9, abs=0.01)


def test_regions_of_one_cell_and_of_the_whole_sky() -> None:
    one = random_map(0).isel(cell=[0])
    for found in (ellipse(one, 0.9, "wilks"), circle(one, 0.9, "wilks")):
        assert 0 < found.probability <= 1
    round_one = ellipse(of_cells(np.array([sky.uniq_of(64, 5000)]), np.zeros(1)), 0.9, "wilks")
    assert round_one.area_deg2 == pytest.approx(0.839, abs=0.001)
    assert round_one.major_deg < 1.1 * round_one.minor_deg
    whole = of_cells(sky.all_cells(2), 1e-9 * np.arange(48))
    sphere = 129600 / np.pi
    for found in (ellipse(whole, 0.9, "wilks"), circle(whole, 0.9, "wilks")):
        assert found.area_deg2 == pytest.approx(sphere)
        assert found.missed_deg2 < 0.01 * sphere
        assert found.probability > 0.99
    with pytest.raises(RequestError, match="not between 0 and 1"):
        circle(whole, 1.5)


@pytest.mark.parametrize("nside", [2**26, 2**29])
def test_a_cell_that_cannot_be_divided_has_an_ellipse(nside: int) -> None:
    cell = sky.uniq_of(nside, 77777)
    found = ellipse(of_cells(np.array([cell]), np.zeros(1)), 0.9, "wilks")
    assert found.area_deg2 == pytest.approx(float(sky.area_sr(cell)) * np.degrees(1) ** 2)
    assert found.probability == pytest.approx(1, abs=0.15)


def test_two_of_the_finest_cells_have_an_ellipse_twice_as_long_as_wide() -> None:
    cells = sky.uniq_of(2**29, np.array([77776, 77777]))  # with an edge in common, at the equator
    found = ellipse(of_cells(cells, np.zeros(2)), 0.9, "wilks")
    centres = 0.25 * np.hypot(np.pi / 4, 2 / 3) ** 2 / (np.pi / 3)  # a cell there is a rhombus
    assert found.major_deg / found.minor_deg == pytest.approx(np.sqrt((centres + 1 / 12) * 12), rel=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_no_part_of_a_cell_is_farther_than_its_reach(seed: int) -> None:
    rng = np.random.default_rng(seed)
    major = rng.uniform(0.05, 2)
    shape = _Shape(rng.uniform(0, 6), rng.uniform(-1.5, 1.5), major, major * rng.uniform(0.1, 1), rng.uniform(0, 3))
    for nside in (1, 4, 16):
        cells = sky.all_cells(nside)
        radius, reach = shape.scaled_radius(cells)
        within, _ = shape.scaled_radius(sky.children(cells, 16 * nside).ravel())
        assert np.all(np.abs(within.reshape(cells.size, -1) - radius[:, None]) <= reach[:, None])
