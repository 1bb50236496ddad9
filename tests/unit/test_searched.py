"""Searched probability of a position: the same as ligo.skymap has it."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.table import Table
from maps import of_cells, random_map

from skymist.errors import RequestError, UnknownNameError
from skymist.model import sky, skymap
from skymist.model.region import Calibration, best_fit, region
from skymist.model.searched import position, searched


@pytest.fixture(scope="module")
def oracle() -> Callable[..., Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ligo.skymap.postprocess import crossmatch

    return crossmatch


@pytest.mark.parametrize("seed", range(6))
def test_it_is_what_ligo_skymap_has(seed: int, oracle: Callable[..., Any]) -> None:
    data = random_map(seed)
    tiling, best = skymap.leaves(data), best_fit(data)
    density = skymap.probability(tiling)
    ra, dec = sky.from_plane(*np.random.default_rng(seed).normal(0, 0.03, (2, 12)), best.ra, best.dec)
    table = Table({"UNIQ": tiling["uniq"].to_numpy(), "PROBDENSITY": density / units.sr})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = oracle(table, SkyCoord(ra * units.rad, dec * units.rad))
    found = [position(data, *at, "wilks") for at in zip(ra, dec, strict=True)]
    np.testing.assert_allclose([each.searched_probability for each in found], theirs.searched_prob, rtol=0.01)
    some = theirs.searched_prob < 1 - 1e-9  # the order of cells without probability means nothing
    areas = np.array([each.searched_area_deg2 for each in found])
    np.testing.assert_allclose(areas[some], theirs.searched_area[some], rtol=0.01)
    np.testing.assert_allclose([each.density for each in found], theirs.probdensity, rtol=1e-9)
    np.testing.assert_allclose([each.separation_deg for each in found], np.degrees(
        SkyCoord(ra * units.rad, dec * units.rad).separation(SkyCoord(best.ra * units.rad, best.dec * units.rad)).rad
    ), rtol=1e-6, atol=1e-9)  # fmt: skip
    for name, share in (("50", 0.5), ("90", 0.9)):
        members = region(data, share, "wilks").contains(ra, dec)
        assert [each.inside[name] for each in found] == members.tolist()


def test_cells_of_the_same_density_come_in_together() -> None:
    density, area = np.array([1.0, 3.0, 1.0, 2.0, 0.0]), np.array([0.1, 0.1, 0.2, 0.15, 0.5])
    with np.errstate(divide="ignore"):
        ts = -2 * np.log(density / 3)
    probability, square_degrees = searched(ts, density, area)
    np.testing.assert_allclose(probability, [0.9, 0.3, 0.9, 0.6, 0.9])
    np.testing.assert_allclose(square_degrees / np.degrees(1) ** 2, [0.55, 0.1, 0.55, 0.25, 1.05])


def test_cells_without_value_are_as_far_as_those_of_infinite_ts() -> None:
    probability, square_degrees = searched(
        np.array([np.nan, 0.0, np.inf]), np.array([0.0, 2.0, 0.0]), np.array([0.25, 0.5, 1.0])
    )
    np.testing.assert_array_equal(probability, [1, 1, 1])
    np.testing.assert_allclose(square_degrees / np.degrees(1) ** 2, [1.75, 0.5, 1.75])


def test_far_cells_keep_their_order_where_the_density_is_too_small_for_a_number() -> None:
    cells = sky.all_cells(4)
    nllh = 1000.0 * np.arange(cells.size)
    nllh[7] = np.nan
    data = of_cells(cells, nllh)
    for row in (0, 1, 100, 191):
        ra, dec = (float(angle) for angle in sky.centers(cells[row]))
        found = position(data, ra, dec)
        assert found.searched_area_deg2 == pytest.approx((row + 1 - (row > 7)) / 192 * 129600 / np.pi)
        assert found.searched_probability == pytest.approx(1)
    failed = position(data, *(float(angle) for angle in sky.centers(cells[7])))
    assert (failed.density, failed.searched_area_deg2) == (0, pytest.approx(129600 / np.pi))


def test_the_best_fit_itself_and_a_cell_whose_parent_stands_in() -> None:
    data = random_map(0, "round")
    best = best_fit(data)
    found = position(data, best.ra, best.dec)
    assert (found.uniq, found.ts, found.separation_deg) == (best.uniq, 0, pytest.approx(0, abs=1e-9))
    assert found.evaluated
    assert found.inside == {"50": True, "90": True}
    failed = data.copy(deep=True)
    failed["nllh"][best.row] = np.nan
    stand_in = position(failed, best.ra, best.dec)
    assert (stand_in.uniq, stand_in.evaluated) == (best.uniq, False)
    assert stand_in.ts > 0


def test_a_position_that_is_nowhere_in_the_map() -> None:
    data = of_cells(sky.all_cells(8)[:64], np.arange(64.0))
    found = position(data, 4.0, -1.0)
    assert (found.uniq, found.evaluated, found.density, found.searched_probability) == (None, False, 0, 1)
    assert np.isnan(found.ts)
    assert found.searched_area_deg2 == pytest.approx(64 / 768 * 129600 / np.pi)
    assert found.inside == {"50": False, "90": False}
    assert (found.ra, found.dec) == (4.0, -1.0)
    best = best_fit(data)
    assert found.separation_deg == pytest.approx(np.degrees(sky.separation(4.0, -1.0, best.ra, best.dec)))


def test_a_pole_is_a_position_and_a_leaf_at_the_level_is_in_its_region() -> None:
    data = of_cells(sky.all_cells(1), np.arange(12.0))
    found = position(data, 1.0, np.pi / 2, Calibration.of_table("own", {0.5: 1.0, 0.9: 2.0}))
    assert (found.ra, found.dec, found.uniq, found.ts) == (1.0, np.pi / 2, 4, 0)
    found = position(data, 2.0, np.pi / 2, Calibration.of_table("own", {0.5: 1.0, 0.9: 2.0}))
    assert (found.uniq, found.ts, found.inside) == (5, 2, {"50": False, "90": True})
    assert position(data, 0.5, -np.pi / 2).uniq == 12


def test_what_is_no_position_or_calibration_is_refused() -> None:
    data = random_map(0)
    for ra, dec in ((np.nan, 0), (0, 1.6), (0, np.nan), (np.inf, 0)):
        with pytest.raises(RequestError, match="is no position: Dec goes from -90 to 90 degrees"):
            position(data, ra, dec)
    with pytest.raises(RequestError) as error:
        position(data, 0.5, 1.6)
    assert str(error.value) == "RA 28.6479, Dec 91.6732 is no position: Dec goes from -90 to 90 degrees"
    with pytest.raises(UnknownNameError, match="icecube-2016"):
        position(data, 0, 0, "mine")
    assert position(data, -0.5, 0).uniq == position(data, 2 * np.pi - 0.5, 0).uniq
