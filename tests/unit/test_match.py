"""Matches: the same areas, searched probabilities and memberships as ligo.skymap and mocpy have; honest chances."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.table import Table
from maps import SHAPES, of_cells, random_map
from mocpy import MOC
from scipy.stats import kstest

from skymist.crossmatch.catalog import SourceCatalog
from skymist.crossmatch.chance import Rings, at_least, local_density, of_trials
from skymist.crossmatch.match import match, prepare
from skymist.model import region, sky, skymap


def sources(n: int, seed: int, error: float = np.nan) -> SourceCatalog:
    """Isotropic ones."""
    rng = np.random.default_rng(seed)
    ra, dec = rng.uniform(0, 2 * np.pi, n), np.arcsin(rng.uniform(-1, 1, n))
    names = np.array([f"source {number}" for number in range(n)])
    return SourceCatalog("test", "test", "1", "", "ab" * 32, names, ra, dec, np.full(n, error), {"rank": np.arange(n)})


@pytest.fixture(scope="module")
def oracle() -> Callable[..., Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ligo.skymap.postprocess import crossmatch

    return crossmatch


def density_of(data: xr.Dataset) -> Table:
    tiling = skymap.leaves(data)
    density = skymap.probability(tiling) / units.sr
    return Table({"UNIQ": tiling["uniq"].to_numpy(), "PROBDENSITY": density})


@pytest.mark.parametrize("seed", range(50))
def test_areas_searched_probabilities_and_members_as_others_have_them(seed: int, oracle: Callable[..., Any]) -> None:
    data = random_map(seed)
    best = region.best_fit(data)
    catalog = sources(300, seed)
    rng = np.random.default_rng(seed)
    # Most of the sky has no probability: half of the sources are where there is some.
    near_ra, near_dec = sky.from_plane(*rng.normal(0, 0.05, (2, 150)), best.ra, best.dec)
    catalog.ra[:150], catalog.dec[:150] = near_ra, near_dec
    found = match(prepare(data, "probability"), catalog)
    table = density_of(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = oracle(table, SkyCoord(catalog.ra * units.rad, catalog.dec * units.rad), contours=(0.5, 0.9))
    np.testing.assert_allclose([found.area_50, found.area_90], theirs.contour_areas, rtol=0.01)
    np.testing.assert_allclose(found.searched_probability, theirs.searched_prob, rtol=0.01, atol=1e-9)
    some = found.searched_probability < 1 - 1e-9  # the order of cells without probability means nothing
    np.testing.assert_allclose(found.searched_area_deg2[some], theirs.searched_area[some], rtol=0.01)
    cells = region.region(data, 0.9, "probability").cells
    moc = MOC.from_healpix_cells(
        sky.ipix_of(cells).astype(np.uint64), np.log2(sky.nside_of(cells)).astype(np.uint8), 29
    )
    inside = moc.contains_lonlat(catalog.ra * units.rad, catalog.dec * units.rad)
    np.testing.assert_array_equal(found.inside_90, inside)
    np.testing.assert_array_equal(np.sort(found.rows), np.flatnonzero(inside))
    assert found.inside_90.sum() >= found.inside_50.sum()


def test_what_is_told_of_a_match() -> None:
    data = of_cells(sky.all_cells(8), np.linspace(0, 30, 768))
    best = region.best_fit(data)
    catalog = sources(3, 1, error=0.01)
    catalog.ra[:], catalog.dec[:] = (best.ra, best.ra, best.ra + np.pi), (best.dec, best.dec + 0.02, -best.dec)
    found = match(prepare(data, "wilks"), catalog).to_dict()
    assert found["inside"][0]["name"] == "source 0"
    assert found["inside"][0]["separation_deg"] == 0
    assert found["inside"][0]["inside_50"]
    assert found["inside"][0]["error_90_deg"] == pytest.approx(0.573, abs=1e-3)
    assert found["inside"][0]["properties"] == {"rank": 0}
    assert found["nearest"]["name"] == "source 2"
    assert not found["nearest"]["inside_90"]
    assert found["catalog"] == {
        "name": "test", "title": "test", "version": "1", "reference": "", "sha256": "ab" * 32, "sources": 3,
    }  # fmt: skip


def test_an_error_may_reach_over_the_border() -> None:
    data = random_map(0, "round")
    prepared = prepare(data, "wilks")
    best, area = region.best_fit(data), region.region(data, 0.9, "wilks")
    away = np.linspace(0, np.radians(12), 200)
    ra, dec = sky.from_plane(away, 0 * away, best.ra, best.dec)
    catalog = sources(200, 1, error=np.radians(0.5))
    catalog.ra[:], catalog.dec[:] = ra, dec
    found = match(prepared, catalog)
    border = int(np.flatnonzero(area.contains(ra, dec)).max())
    assert set(np.flatnonzero(found.edge)) <= set(range(border - 15, border + 15))
    assert found.edge[border]
    assert found.edge[border + 3]
    assert not found.edge[0]


def test_a_map_without_part_of_the_sky_and_a_catalog_without_sources() -> None:
    cells = sky.all_cells(8)[:64]
    data = of_cells(cells, np.arange(64.0))
    far = sources(50, 3)
    found = match(prepare(data), far)
    nowhere = np.isnan(found.ts)
    assert 30 < nowhere.sum() < 50
    assert np.all(found.searched_probability[nowhere] == 1)
    nothing = match(prepare(data), sources(0, 1)).to_dict()
    assert (nothing["inside"], nothing["nearest"]) == ([], None)
    assert (nothing["chance"]["p_best"], nothing["chance"]["p_number"]) == (1, 1)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_share_of_right_ascension_is_that_of_the_cells(shape: str) -> None:
    data = random_map(5, shape, finest=128)
    cells = region.region(data, 0.9, "icecube-2016").cells
    center = sky.centers(cells)[1]
    dec = np.linspace(max(center.min() - 0.1, -1.57), min(center.max() + 0.1, 1.57), 41)
    ra = (np.arange(40_000) + 0.5) / 40_000 * 2 * np.pi
    brute = [np.mean(sky.find(cells, ra, np.full(ra.shape, each)) >= 0) for each in dec]
    np.testing.assert_allclose(Rings.of_cells(cells).shares(dec), brute, atol=1e-3)
    half = np.arange(cells.size) % 2 == 0
    parts = [Rings.of_cells(cells).shares(dec, part) for part in (half, ~half)]
    np.testing.assert_allclose(np.sum(parts, axis=0), brute, atol=1e-3)


def test_all_of_the_sky_is_all_of_right_ascension() -> None:
    dec = np.linspace(-np.pi / 2, np.pi / 2, 101)
    rings = Rings.of_cells(sky.all_cells(4))
    np.testing.assert_allclose(rings.shares(dec)[1:-1], 1, atol=1e-9)
    assert np.all(rings.shares(dec, np.zeros(192, bool)) == 0)


def test_numbers_by_chance() -> None:
    rng = np.random.default_rng(2)
    probabilities = rng.uniform(0, 0.3, 40)
    drawn = (rng.uniform(size=(100_000, 40)) < probabilities).sum(axis=1)
    for number in (0, 1, 4, 8, 12):
        assert at_least(probabilities, number) == pytest.approx(np.mean(drawn >= number), abs=0.005)
    assert of_trials([]) is None
    everywhere = sources(200_000, 4)
    whole = 4 * np.pi * np.degrees(1) ** 2
    for dec in (0.0, 1.2, np.pi / 2, -np.pi / 2):
        assert local_density(everywhere.dec, dec) == pytest.approx(200_000 / whole, rel=0.05)


@pytest.mark.parametrize("shape", SHAPES)
def test_chance_probabilities_of_isotropic_sources_are_uniform(shape: str) -> None:
    prepared = prepare(random_map(7, shape))
    best = np.array([match(prepared, sources(700, 1000 + trial)).chance.p_best for trial in range(500)])
    assert kstest(best, "uniform").pvalue > 0.01
    few = np.array([match(prepared, sources(20, 9000 + trial)).chance.p_best for trial in range(500)])
    assert kstest(few, "uniform").pvalue > 0.01
