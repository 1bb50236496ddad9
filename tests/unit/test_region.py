"""Best fit, calibrations and regions."""

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import healpy as hp
import numpy as np
import pytest
import xarray as xr
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from maps import of_cells

from skymist.errors import ReadError, RequestError, UnknownNameError
from skymist.model import sky
from skymist.model import skymap as maps
from skymist.model.reconstruction import Fit
from skymist.model.region import (
    CALIBRATIONS,
    Calibration,
    best_fit,
    find_calibration,
    level_of,
    population_levels,
    population_of,
    region,
    wilks_scale,
)

CELL_512 = float(np.degrees(np.sqrt(sky.area_sr(sky.uniq_of(512, 0)))))
RA = st.floats(0, 360, exclude_max=True)
DEC = st.floats(-90, 90)
AT_CENTRE = pytest.approx((0, 0), abs=1e-9)


def fit(nllh: Any) -> Fit:
    n = len(nllh)
    return Fit(nllh, np.full(n, 1e5), np.arange(n), np.zeros((n, 3)), np.where(np.isfinite(nllh), 0, 2))


def refined(ra: float, dec: float, radius_deg: float, levels: tuple[int, ...] = (8, 64, 512)) -> sky.Ints:
    """Return all cells of the first level, and those of the others within a radius of a position."""
    cells = [sky.all_cells(levels[0])]
    for nside in levels[1:]:
        reach = np.radians(radius_deg) + 1.5 * np.sqrt(sky.area_sr(cells[-1]))
        near = sky.separation(*sky.centers(cells[-1]), ra, dec) < reach
        cells.append(sky.children(cells[-1][near], nside).ravel())
    return np.concatenate(cells)


def paraboloid(ra_deg: float, dec_deg: float, sigma_deg: float = 1.0, **refinement: Any) -> xr.Dataset:
    """Return a map with nllh = separation**2 / (2 sigma**2)."""
    ra, dec = np.radians([ra_deg, dec_deg])
    uniq = refined(ra, dec, 3.5 * sigma_deg, **refinement)
    separation = sky.separation(*sky.centers(uniq), ra, dec)
    return maps.create(uniq, fit(separation**2 / (2 * np.radians(sigma_deg) ** 2)), {})


@pytest.fixture(scope="module")
def reference(shared: Path) -> xr.Dataset:
    """The published scan of run 136766, event 7637140; its file has theta = pi/2 + dec."""
    cells, nllh = [], []
    with np.load(shared / "reference_scans" / "run00136766-evt000007637140-GOLD-8_64_512.npz") as levels:
        for nside in (8, 64, 512):
            table = levels[f"nside-{nside}"]
            theta, phi = hp.pix2ang(nside, table["index"])
            cells.append(sky.cell_at(nside, phi, theta - np.pi / 2))
            nllh.append(table["llh"])
    return maps.create(np.concatenate(cells), fit(np.concatenate(nllh)), {})


@pytest.mark.parametrize(("containment", "area"), [(0.5, 2.334), (0.9, 7.462)])
def test_areas_of_the_reference_map(reference: xr.Dataset, containment: float, area: float) -> None:
    assert region(reference, containment, "icecube-2016").area_deg2 == pytest.approx(area, rel=0.001)


def test_errors_of_the_reference_map_are_the_published_ones_within_a_cell(reference: xr.Dataset) -> None:
    """224.12 +2.2 -1.93, 41.31 +1.47 -1.5; ours reach to the corners of cells, theirs to the centres."""
    found, best = region(reference, 0.9, "icecube-2016"), best_fit(reference)
    assert (np.degrees(best.ra), np.degrees(best.dec)) == pytest.approx((224.12, 41.31), abs=0.005)
    half_diagonal = CELL_512 / np.sqrt(2)
    in_ra, in_dec = half_diagonal / np.cos(best.dec), 0.05 + half_diagonal
    assert 0 < found.ra_plus - 2.2 < in_ra
    assert 0 < found.ra_minus - 1.93 < in_ra
    assert 0 < found.dec_plus - 1.47 < in_dec
    assert 0 < found.dec_minus - 1.5 < in_dec
    assert not found.open


@settings(max_examples=25, deadline=None)
@given(RA, st.floats(-89, 89))  # on a pole itself whole rings of cells come and go
def test_wilks_area_of_a_paraboloid_is_analytic(ra: float, dec: float) -> None:
    data = paraboloid(ra, dec, 2.0)
    for containment, level in ((0.5, 1.3863), (0.9, 4.6052)):
        found = region(data, containment, "wilks")
        assert found.ts == pytest.approx(level, abs=1e-4)
        assert found.area_deg2 == pytest.approx(np.pi * level * 2.0**2, rel=0.02)
        assert not found.open


@settings(max_examples=25, deadline=None)
@given(RA, RA, st.floats(-80, 80))
def test_rotation_in_right_ascension_changes_nothing(ra: float, other: float, dec: float) -> None:
    here, there = (region(paraboloid(value, dec), 0.9, "wilks") for value in (ra, other))
    assert here.area_deg2 == pytest.approx(there.area_deg2, rel=0.03)
    for side in ("dec_plus", "dec_minus"):
        assert getattr(here, side) == pytest.approx(getattr(there, side), abs=2 * CELL_512)
    for side in ("ra_plus", "ra_minus"):
        shrink = np.cos(np.radians(abs(dec) + 2.3))
        assert getattr(here, side) == pytest.approx(getattr(there, side), abs=2 * CELL_512 / shrink)


@pytest.mark.parametrize("ra", [0.0, 1e-7, 359.9999999, 90.0])
def test_errors_are_symmetric_at_the_seam(ra: float) -> None:
    found = region(paraboloid(ra, 0.0), 0.9, "wilks")
    radius = np.sqrt(4.6052)
    for side in ("ra_plus", "ra_minus", "dec_plus", "dec_minus"):
        assert getattr(found, side) == pytest.approx(radius, abs=CELL_512)


@pytest.mark.parametrize("pole", [1, -1])
@pytest.mark.parametrize("away_deg", [0.0, 0.7, 1.9])
def test_a_region_with_a_pole(pole: int, away_deg: float) -> None:
    data = paraboloid(77.0, pole * (90 - away_deg))
    found, best = region(data, 0.9, "wilks"), best_fit(data)
    to_pole = 90 - abs(np.degrees(best.dec))
    assert (found.ra_plus, found.ra_minus) == (180, 180)
    assert (found.dec_plus if pole > 0 else found.dec_minus) == pytest.approx(to_pole, abs=1e-6)
    other = found.dec_minus if pole > 0 else found.dec_plus
    assert other == pytest.approx(np.sqrt(4.6052), abs=1.5 * CELL_512)
    assert found.contains(np.linspace(0, 6, 7), pole * np.pi / 2).all()
    assert found.area_deg2 == pytest.approx(np.pi * 4.6052, rel=0.02)


def test_a_region_near_a_pole_knows_how_wide_it_is() -> None:
    """sin(half width in right ascension) = sin(radius) / cos(dec) for a circle."""
    found = region(paraboloid(10.0, 80.0), 0.9, "wilks")
    half = np.degrees(np.arcsin(np.sin(np.radians(np.sqrt(4.6052))) / np.cos(np.radians(80))))
    assert found.ra_plus == pytest.approx(half, rel=0.06)
    assert found.ra_minus == pytest.approx(half, rel=0.06)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.99))
def test_probability_region_is_the_smallest_that_holds_enough(seed: int, containment: float) -> None:
    rng = np.random.default_rng(seed)
    uniq = refined(*rng.uniform((0, -1.5), (6, 1.5)), 20, levels=(4, 16))
    data = maps.create(uniq, fit(rng.gamma(2, 2, uniq.size)), {})
    found, tiling = region(data, containment, "probability"), maps.leaves(data)
    held = maps.probability(tiling) * sky.area_sr(tiling["uniq"])
    inside = np.isin(tiling["uniq"], found.cells)
    worst = inside & (tiling["ts"].to_numpy() == tiling["ts"].to_numpy()[inside].max())
    assert held[inside].sum() >= containment - 1e-12
    assert held[inside & ~worst].sum() < containment


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99))
@settings(max_examples=20, deadline=None)
def test_regions_nest(one: float, other: float) -> None:
    assume(one < other)
    data = paraboloid(200, -30, levels=(8, 64))
    for calibration in ("wilks", "probability"):
        small, large = region(data, one, calibration), region(data, other, calibration)
        assert np.isin(small.cells, large.cells).all()
        assert small.area_deg2 <= large.area_deg2


def test_probability_takes_cells_from_the_best_on() -> None:
    share = np.array([0.03, 0.4, 0.3, 0.15, 0.12])
    data = maps.create(sky.all_cells(1)[:5], fit(-np.log(share)), {})
    for containment, most in ((0.399, 0.4), (0.401, 0.3), (0.699, 0.3), (0.84, 0.15), (0.86, 0.12), (0.98, 0.03)):
        found = region(data, containment, "probability")
        assert found.ts == pytest.approx(2 * np.log(0.4 / most))
        assert found.cells.tolist() == (4 + np.flatnonzero(share >= most)).tolist()


def test_wilks_is_chi_squared_with_two_degrees() -> None:
    data = paraboloid(0, 0, levels=(8,))
    assert region(data, 1 - np.exp(-4.5), "wilks").ts == pytest.approx(9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_cells_without_value_are_never_inside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    nllh = np.where(rng.random(768) < 0.3, np.nan, rng.random(768))
    data = maps.create(sky.all_cells(8), fit(nllh), {})
    for calibration in ("wilks", "probability", "icecube-2016"):
        found = region(data, 0.9, calibration)
        assert np.isfinite(nllh[sky.ipix_of(found.cells)]).all()
    assert np.isfinite(best_fit(data).nllh)


def test_islands_are_all_in() -> None:
    data = paraboloid(0, 0, 12, levels=(8, 16))
    values = data["nllh"].to_numpy()
    far = sky.separation(*sky.centers(data["uniq"]), np.pi, 0.3)
    both = maps.create(data["uniq"].to_numpy(), fit(np.minimum(values, far**2 / (2 * np.radians(12) ** 2) + 0.5)), {})
    found = region(both, 0.9, "wilks")
    assert found.contains([0, np.pi], [0, 0.3]).all()
    assert not found.contains(np.pi / 2, 0)


def test_contains_exactly_its_cells() -> None:
    data = paraboloid(0, 41)
    found, tiling = region(data, 0.9, "wilks"), maps.leaves(data)
    inside = found.contains(*sky.centers(tiling["uniq"]))
    assert np.array_equal(tiling["uniq"].to_numpy()[inside], found.cells)
    assert found.area_deg2 == pytest.approx(np.degrees(np.degrees(sky.area_sr(found.cells).sum())))


def test_open_where_refinement_or_the_cone_ends() -> None:
    closed = paraboloid(50, 20, 1)
    assert not region(closed, 0.9, "wilks").open
    assert region(closed, 0.9, "icecube-2016").open  # 8 sigma: beyond the refined 3.5
    coarse = paraboloid(50, 20, 30, levels=(4,))
    assert not region(coarse, 0.9, "wilks").open  # the whole sky at one resolution has no edge
    near = sky.separation(*sky.centers(coarse["uniq"]), *np.radians([50, 20])) < np.radians(40)
    assert region(coarse.isel(cell=np.flatnonzero(near)), 0.9, "wilks").open


def test_a_failed_cell_inside_does_not_open_the_region() -> None:
    data = paraboloid(50, 20)
    failed = data["nllh"].copy()
    failed[int(np.argsort(data["nllh"].to_numpy())[40])] = np.nan
    assert not region(data.assign(nllh=failed), 0.9, "wilks").open


@settings(max_examples=30, deadline=None)
@given(RA, DEC)
def test_interpolation_finds_the_minimum_between_cells(ra: float, dec: float) -> None:
    best = best_fit(paraboloid(ra, dec, levels=(8, 64)))
    truth = np.radians([ra, dec])
    width = np.sqrt(sky.area_sr(best.uniq))
    assert sky.separation(best.ra, best.dec, *truth) < 0.8 * width
    assert sky.separation(best.ra_interpolated, best.dec_interpolated, *truth) < 0.05 * width


def test_no_interpolation_where_there_is_no_paraboloid() -> None:
    data = paraboloid(100, 10, 5, levels=(8, 64))
    alone = best_fit(data.isel(cell=[best_fit(data).row]))
    assert (alone.ra_interpolated, alone.dec_interpolated) == (alone.ra, alone.dec)
    far = np.flatnonzero(sky.separation(*sky.centers(data["uniq"]), *np.radians([100, 10])) > np.radians(5))
    edge = best_fit(data.isel(cell=far))  # the minimum is where no cell was evaluated
    assert (edge.ra_interpolated, edge.dec_interpolated) == (edge.ra, edge.dec)


def test_interpolation_steps_over_failed_cells() -> None:
    data = paraboloid(100, 10, 5, levels=(8, 64))
    best = best_fit(data)
    failed = np.isin(data["uniq"], sky.neighbours([best.uniq])[0, :2])
    found = best_fit(data.assign(nllh=data["nllh"].where(~failed)))
    assert sky.separation(found.ra_interpolated, found.dec_interpolated, *np.radians([100, 10])) < 1e-3


def quadric(nside: int, x0: float, y0: float, ra_deg: float = 359.9, dec_deg: float = 30.0) -> xr.Dataset:
    """Return a map that is a paraboloid on the plane at a cell, and lowest off its centre by some cell widths.

    Cells that are lower than this one have failed.
    """
    cells = sky.all_cells(nside)
    best = sky.cell_at(nside, *np.radians([ra_deg, dec_deg]))
    x, y = np.array(sky.to_plane(*sky.centers(cells), *sky.centers(best))) / np.sqrt(np.pi / 3) * nside
    nllh = 1000 + 1.5 * (x - x0) ** 2 + 0.8 * (x - x0) * (y - y0) + (y - y0) ** 2
    return maps.create(cells, fit(np.where(nllh >= nllh[cells == best], nllh, np.nan)), {})


def interpolated(data: xr.Dataset) -> tuple[float, float]:
    """Return how far the interpolated minimum is from the best cell's centre to east and north, in cell widths."""
    best = best_fit(data)
    offset = sky.to_plane(best.ra_interpolated, best.dec_interpolated, best.ra, best.dec)
    x, y = np.array(offset) / np.sqrt(sky.area_sr(best.uniq))
    return float(x), float(y)


@pytest.mark.parametrize("place", [(359.9, 30.0), (0.1, -5.0), (120.0, 88.0)])
def test_of_a_paraboloid_the_minimum_is_exact(place: tuple[float, float]) -> None:
    for nside in (4, 16, 64):
        assert interpolated(quadric(nside, 0.2, -0.3, *place)) == pytest.approx((0.2, -0.3), abs=1e-6)
    assert interpolated(quadric(2, 0.2, -0.3, *place)) == AT_CENTRE  # the sky is too round there


def test_a_minimum_counts_up_to_one_cell_width_from_the_centre() -> None:
    assert interpolated(quadric(64, 0.6, 0.79)) == pytest.approx((0.6, 0.79), abs=1e-6)
    assert interpolated(quadric(64, -0.6, -0.79)) == pytest.approx((-0.6, -0.79), abs=1e-6)
    assert interpolated(quadric(64, 0.6, 0.81)) == AT_CENTRE


def test_a_paraboloid_takes_eight_cells() -> None:
    data = quadric(64, 0.2, -0.3)
    best = best_fit(data)
    near = np.argsort(sky.separation(*sky.centers(data["uniq"]), best.ra, best.dec))
    assert interpolated(data.isel(cell=near[:8])) == pytest.approx((0.2, -0.3), abs=1e-6)
    assert interpolated(data.isel(cell=near[:7])) == AT_CENTRE
    assert (
        interpolated(data.isel(cell=np.append(near[:7], near[13:]))) == AT_CENTRE
    )  # cells farther out count for nothing
    assert interpolated(data.isel(cell=near[:9])) == interpolated(data.isel(cell=near[8::-1]))


def test_best_fit_carries_the_row() -> None:
    data = paraboloid(20, 20, levels=(8,))
    best = best_fit(data)
    assert best.row == np.argmin(data["nllh"].to_numpy())
    assert (best.energy_gev, best.time_ns, best.vertex) == (1e5, best.row, (0, 0, 0))
    assert (best.uniq, best.nllh) == (int(data["uniq"][best.row]), float(data["nllh"].min()))
    assert (best.ra, best.dec) == tuple(float(each) for each in sky.centers(best.uniq))


def test_a_new_calibration_is_an_entry_of_a_table() -> None:
    own = Calibration.of_table("re-simulated", {0.9: 12.0})
    found = region(paraboloid(20, 20), 0.9, own)
    assert (found.containment, found.calibration, found.ts) == (0.9, "re-simulated", 12.0)
    with pytest.raises(RequestError, match=r"'re-simulated' has no containment 0.5; it has: 0.9"):
        region(paraboloid(20, 20), 0.5, own)


def calibrated(levels: dict[str, Any]) -> xr.Dataset:
    """Return a map with a calibration of its own, in the form in which it is stored."""
    return paraboloid(20, 20).assign_attrs(calibration={"levels": {key: {"ts": ts} for key, ts in levels.items()}})


def test_a_map_may_bring_its_own_calibration() -> None:
    data = calibrated({"50": 3.0, "90": 8.5})
    found = region(data, 0.9, "resimulated")
    assert (found.calibration, found.ts) == ("resimulated", 8.5)
    assert region(data, 0.5, "resimulated").area_deg2 < found.area_deg2
    assert np.array_equal(found.cells, region(data, 1 - np.exp(-8.5 / 2), "wilks").cells)
    with pytest.raises(RequestError, match=r"'resimulated' has no containment 0.68; it has: 0.5, 0.9"):
        region(data, 0.68, "resimulated")


def test_a_level_without_bound_is_the_whole_sky() -> None:
    found = region(calibrated({"90": None}), 0.9, "resimulated")
    assert found.ts == np.inf
    assert np.radians(np.radians(found.area_deg2)) == pytest.approx(4 * np.pi)


def test_a_map_without_its_own_calibration_says_how_to_get_one() -> None:
    with pytest.raises(RequestError) as error:
        region(paraboloid(20, 20), 0.9, "resimulated")
    expected = "the map has no calibration of its own: run skymist calibrate EVENT --map MAP first"
    assert str(error.value) == expected
    assert "resimulated" not in CALIBRATIONS  # those serve for any map
    with pytest.raises(UnknownNameError, match="probability, resimulated, wilks"):
        find_calibration("resimulate")


def of(reconstruction: dict[str, Any]) -> xr.Dataset:
    data = paraboloid(20, 20)
    data.attrs["reconstruction"] = reconstruction
    return data


def test_levels_of_the_population_are_those_of_the_reconstruction_and_topology(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"one": {0.9: 4.0}, "two/starting": {0.9: 30.0}, "two/through-going": {0.9: 6.0}}
    monkeypatch.setattr("skymist.model.region.population_levels", lambda: table)
    assert region(of({"name": "one"}), 0.9, "population").ts == 4
    assert region(of({"name": "two", "topology": "starting"}), 0.9, "population").ts == 30
    chosen = {"name": "two", "chosen": {"topology": "through-going"}}
    assert region(of(chosen), 0.9, "population").ts == 6
    with pytest.raises(RequestError, match=r"knows nothing of the reconstruction 'two'; it knows: one, two/starting"):
        region(of({"name": "two"}), 0.9, "population")
    with pytest.raises(RequestError, match="'three' of what is starting"):
        region(of({"name": "three", "topology": "starting"}), 0.9, "population")
    with pytest.raises(RequestError, match=r"^calibration 'population' has no containment 0.5; it has: 0.9$"):
        region(of({"name": "one"}), 0.5, "population")
    assert [population_of(name) for name in ("one", "two", "three")] == [True, True, False]


@pytest.mark.parametrize("attributes", [{}, {"reconstruction": {}}, {"reconstruction": {"version": "1"}}])
def test_a_map_of_nobody_knows_what_has_no_level_of_the_population(attributes: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as error:
        region(paraboloid(20, 20, levels=(8,)).assign_attrs(attributes), 0.9, "population")
    known = ", ".join(sorted(population_levels()))
    assert str(error.value) == f"calibration 'population' knows nothing of the reconstruction ''; it knows: {known}"


def test_levels_of_the_population_are_not_those_of_a_map_with_a_floor() -> None:
    data = of({"name": next(iter(population_levels()))}).assign_attrs(floor={"sigma_deg": 0.2})
    with pytest.raises(RequestError) as error:
        region(data, 0.9, "population")
    expected = "calibration 'population' knows nothing of maps with a floor: its levels are of maps without"
    assert str(error.value) == expected


def test_levels_in_the_table_rise_with_the_containment() -> None:
    levels = population_levels()
    assert {"cascade", "track-mpe"} <= set(levels)
    assert all(0 < known[0.5] < known[0.9] for known in levels.values())


def test_a_level_holds_the_next_value_and_its_interval_the_truth_as_often_as_they_say() -> None:
    rng, n, share = np.random.default_rng(3), 40, 0.9
    levels = np.array([level_of(rng.chisquare(2, n), share) for _ in range(1000)])
    held = 1 - np.exp(-levels[:, 0] / 2)
    assert share < held.mean() < share + 1 / (n + 1) + 0.005
    known = -2 * np.log1p(-share)
    inside = (levels[:, 1] <= known) & (known < levels[:, 2])
    assert 0.67 < inside.mean() < 0.85


def test_too_few_values_leave_the_level_open_above() -> None:
    assert level_of(np.array([3.0]), 0.5) == (3.0, 0.0, np.inf)
    assert level_of(np.arange(1.0, 6.0), 0.9) == (5.0, 4.0, np.inf)
    assert level_of(np.array([1.0, 2.0, np.inf]), 0.9).ts == np.inf


@pytest.mark.parametrize(("n", "share"), [(9, "0.5"), (19, "0.9"), (29, "0.1"), (40, "0.9"), (99, "0.55"), (3, "0.9")])
def test_a_level_is_the_value_of_a_rank(n: int, share: str) -> None:
    """The rank is share (n + 1), rounded up; the interval is that of how many values are below the true level."""
    below = np.cumsum([math.comb(n, k) * float(share) ** k * (1 - float(share)) ** (n - k) for k in range(n + 1)])
    low, high = np.searchsorted(below, [0.16, 0.84])
    values = [0.0, *np.arange(1.0, n + 1), np.inf]
    expected = min(math.ceil(Fraction(share) * (n + 1)), n), low, high + 1
    found = level_of(np.random.default_rng(n).permutation(values[1:-1]), float(share))
    assert found == tuple(values[rank] for rank in expected)


def test_the_scale_counts_what_is_beyond_the_quantile_as_the_quantile() -> None:
    assert wilks_scale(np.array([10.0, 1.0, 3.0, 2.0]), 0.5) == pytest.approx((1.75, 1.75 / np.sqrt(2)))
    assert wilks_scale(np.array([10.0, 1.0, 3.0, 2.0]), 0.1) == pytest.approx((2.0, 2.0))
    assert wilks_scale(np.arange(20.0)) == wilks_scale(np.arange(20.0), 0.9)


def test_the_scale_is_that_of_all_but_the_tail() -> None:
    ts = 3 * np.random.default_rng(2).chisquare(2, 5000)
    scale, error = wilks_scale(ts)
    assert scale == pytest.approx(3, abs=3 * error)
    assert error < 0.06
    worse = np.where(ts > np.quantile(ts, 0.95), np.inf, ts)
    assert wilks_scale(worse)[0] == pytest.approx(scale)
    assert wilks_scale(np.array([np.inf]))[0] == np.inf


def test_bad_requests_name_the_choices() -> None:
    data = paraboloid(20, 20, levels=(8,))
    with pytest.raises(UnknownNameError, match="calibration is called 'wilkes'; there are: icecube-2016, pop"):
        find_calibration("wilkes")
    with pytest.raises(RequestError, match=r"0.68; it has: 0.5, 0.9"):
        region(data, 0.68, "icecube-2016")
    for containment in (0, 1, 90, -0.1):
        with pytest.raises(RequestError) as error:
            region(data, containment, "wilks")
        assert str(error.value) == f"containment {containment} is not between 0 and 1, such as 0.9"
    with pytest.raises(ReadError, match="no cell with a finite"):
        region(data.assign(nllh=data["nllh"] * np.nan), 0.9)


@settings(max_examples=30, deadline=None)
@given(RA, DEC, st.floats(5, 60))
def test_the_uncovered_sky_completes_a_map(ra: float, dec: float, radius: float) -> None:
    uniq = refined(*np.radians([ra, dec]), radius, levels=(4, 16))
    uniq = uniq[sky.separation(*sky.centers(uniq), *np.radians([ra, dec])) < np.radians(radius)]
    assume(uniq.size)
    tiles = maps.leaves(maps.create(uniq, fit(np.ones(uniq.size)), {}))["uniq"].to_numpy()
    both = np.concatenate([tiles, sky.uncovered(tiles)])
    assert sky.area_sr(both).sum() == pytest.approx(4 * np.pi)
    held = sky.find(both, *sky.centers(sky.all_cells(32)))
    assert held.min() >= 0
    assert np.unique(held).size == both.size


def test_a_best_cell_whose_children_are_all_much_worse_has_a_region() -> None:
    cells = np.concatenate([sky.all_cells(1), sky.children(sky.all_cells(1)[:1], 2).ravel()])
    nllh = np.concatenate([[0.0], np.full(11, 500.0), [300.0, 310.0, 320.0, 330.0]])
    found = region(of_cells(cells, nllh), 0.9, "wilks")
    assert list(found.cells) == [sky.children(sky.all_cells(1)[:1], 2)[0, 0]]
    assert found.ts == 600.0
