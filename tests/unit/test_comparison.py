"""Two maps side by side: the same numbers as healpy, astropy and scipy give at one resolution; laws of order."""

from pathlib import Path

import healpy as hp
import numpy as np
import pytest
import xarray as xr
from astropy.coordinates import SkyCoord
from maps import SHAPES, of_cells, random_map
from scipy.spatial.distance import jensenshannon

from skymist.errors import ReadError, RequestError, UnknownNameError
from skymist.model import region, sky, skymap
from skymist.model.comparison import Agreement, agreement, compare, difference
from skymist.store.fits import write_multiorder
from skymist.store.peers import read_peer_map

TWO_DF = {0.5: 2 * np.log(2), 0.9: 2 * np.log(10)}


def bowl(ra: float, dec: float, levels: tuple[int, ...] = (4, 16, 64), width: float = 0.12) -> xr.Dataset:
    """Return a map of a likelihood that is round; degrees."""

    def nllh(uniq: np.ndarray) -> np.ndarray:
        away = sky.separation(*sky.centers(uniq), *np.radians([ra, dec]))
        return 1000 + 0.5 * (away / width) ** 2

    cells = [sky.all_cells(levels[0])]
    for nside in levels[1:]:
        cells.append(sky.children(cells[-1][np.argsort(nllh(cells[-1]))[:48]], nside).ravel())
    uniq = np.concatenate(cells)
    return of_cells(uniq, nllh(uniq))


def flat(data: xr.Dataset, nside: int = 64) -> np.ndarray:
    """Return nllh at one resolution, RING, by healpy alone; NaN where nothing was scanned."""
    theta, phi = hp.pix2ang(nside, np.arange(12 * nside**2))
    found = np.full(theta.size, np.nan)
    uniq, nllh = data["uniq"].to_numpy(), data["nllh"].to_numpy()
    for level in (2**order for order in range(nside.bit_length())):
        here = (uniq >= 4 * level**2) & (uniq < 16 * level**2) & np.isfinite(nllh)
        values = np.full(12 * level**2, np.nan)
        values[uniq[here] - 4 * level**2] = nllh[here]
        value = values[hp.ang2pix(level, theta, phi, nest=True)]
        found = np.where(np.isfinite(value), value, found)
    return found


def cone(number: int) -> xr.Dataset:
    """Return a finished map of one of the twelve cells of nside 1."""
    cells = sky.children(np.array([4 + number]), 16).ravel()
    return of_cells(cells, np.arange(cells.size) / 10)


@pytest.mark.parametrize("seed", range(8))
def test_divergence_and_overlap_as_healpy_and_scipy_have_them_at_one_resolution(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ra, dec = rng.uniform(0, 360), np.degrees(np.arcsin(rng.uniform(-1, 1)))
    levels = [(2, 8, 64), (4, 16, 64), (8, 32), (1, 16)]
    a, b = (bowl(ra + way * 5, np.clip(dec + way * 3, -90, 90), levels[(seed + way) % 4]) for way in (0, 1))
    found = compare(a, b, calibration="wilks")
    one, other = flat(a), flat(b)
    p, q = (np.exp(each.min() - each) / np.exp(each.min() - each).sum() for each in (one, other))
    assert found.jensen_shannon_bits == pytest.approx(jensenshannon(p, q, base=2) ** 2, rel=1e-9)
    pixel = hp.nside2pixarea(64, degrees=True)
    for overlap in found.overlaps:
        in_a, in_b = (2 * (each - each.min()) <= TWO_DF[overlap.containment] for each in (one, other))
        assert overlap.iou == pytest.approx((in_a & in_b).sum() / (in_a | in_b).sum(), rel=1e-9)
        assert overlap.common_deg2 == pytest.approx((in_a & in_b).sum() * pixel)
        assert overlap.union_deg2 == pytest.approx((in_a | in_b).sum() * pixel)
        assert (overlap.area_a_deg2, overlap.area_b_deg2) == pytest.approx((in_a.sum() * pixel, in_b.sum() * pixel))
        assert overlap.probability_of_a_in_b == pytest.approx(p[in_b].sum())
        assert overlap.probability_of_b_in_a == pytest.approx(q[in_a].sum())


@pytest.mark.parametrize("seed", range(len(SHAPES)))
@pytest.mark.parametrize("calibration", ["wilks", "probability"])  # the latter ends with the TS of a leaf
def test_the_numbers_of_two_maps_are_those_of_each(seed: int, calibration: str) -> None:
    a, b = random_map(seed), random_map(seed, SHAPES[(seed + 1) % len(SHAPES)], finest=256)
    found = compare(a, b, calibration=calibration)
    fits = [region.best_fit(each) for each in (a, b)]
    one, other = (SkyCoord(fit.ra, fit.dec, unit="rad") for fit in fits)
    assert found.separation_deg == pytest.approx(one.separation(other).deg, abs=1e-9)
    assert found.position_angle_deg == pytest.approx(one.position_angle(other).deg, abs=1e-6)
    for overlap in found.overlaps:
        regions = [region.region(each, overlap.containment, calibration) for each in (a, b)]
        assert [overlap.area_a_deg2, overlap.area_b_deg2] == pytest.approx([each.area_deg2 for each in regions])
        assert overlap.area_a_deg2 + overlap.area_b_deg2 == pytest.approx(overlap.union_deg2 + overlap.common_deg2)
    for ts, data, fit in ((found.ts_of_b_in_a, a, fits[1]), (found.ts_of_a_in_b, b, fits[0])):
        row = sky.find(data["uniq"].to_numpy(), fit.ra, fit.dec)
        assert ts == pytest.approx(2 * (data["nllh"].to_numpy()[row] - data["nllh"].to_numpy().min()))


@pytest.mark.parametrize("seed", range(2))
def test_swapped_maps_give_the_same_under_swapped_names(seed: int) -> None:
    a, b = random_map(seed), random_map(seed + 1)
    one, other = compare(a, b), compare(b, a)
    assert one.jensen_shannon_bits == other.jensen_shannon_bits
    assert one.separation_deg == pytest.approx(other.separation_deg, abs=1e-12)
    assert (one.ts_of_b_in_a, one.ts_of_a_in_b) == (other.ts_of_a_in_b, other.ts_of_b_in_a)
    for there, back in zip(one.overlaps, other.overlaps, strict=True):
        assert (there.area_a_deg2, there.area_b_deg2) == (back.area_b_deg2, back.area_a_deg2)
        assert (there.common_deg2, there.union_deg2, there.iou) == (back.common_deg2, back.union_deg2, back.iou)
        assert there.probability_of_a_in_b == back.probability_of_b_in_a
        assert there.probability_of_b_in_a == back.probability_of_a_in_b
    here, there = difference(a, b), difference(b, a)
    np.testing.assert_array_equal(here["delta_ts"], -there["delta_ts"])
    np.testing.assert_array_equal(here["uniq"], there["uniq"])


def test_a_map_is_as_itself_also_where_it_is_stored_finer() -> None:
    data = random_map(1)
    leaves = skymap.leaves(data)
    coarse = sky.nside_of(leaves["uniq"].to_numpy()) == 64
    fine = sky.children(leaves["uniq"].to_numpy()[coarse], 128).ravel()
    cells = np.concatenate([leaves["uniq"].to_numpy()[~coarse], fine])
    finer = of_cells(cells, np.concatenate([leaves["nllh"].to_numpy()[~coarse], np.repeat(leaves["nllh"][coarse], 4)]))
    for other in (data, finer):
        found = compare(data, other)
        assert found.jensen_shannon_bits == pytest.approx(0, abs=1e-15)
        assert (found.separation_deg, found.position_angle_deg) == (0, 0)
        assert (found.ts_of_a_in_b, found.ts_of_b_in_a) == (0, 0)
        assert [overlap.iou for overlap in found.overlaps] == pytest.approx([1, 1])
        assert found.same_event


def test_maps_without_a_place_in_common() -> None:
    found = compare(cone(0), cone(11), calibration="wilks")
    assert found.jensen_shannon_bits == pytest.approx(1, abs=1e-12)
    assert np.isnan([found.ts_of_a_in_b, found.ts_of_b_in_a]).all()
    assert [(each.iou, each.common_deg2, each.probability_of_a_in_b) for each in found.overlaps] == [(0, 0, 0)] * 2
    assert (found.calibration, len(found.overlaps)) == ("wilks", 2)
    assert np.isnan(difference(cone(0), cone(11))["delta_ts"]).all()


def test_the_tiling_is_the_finer_of_both_and_covers_the_sky_once() -> None:
    a, b = random_map(2), random_map(3, "wrap", finest=128)
    tiles = difference(a, b)
    uniq = tiles["uniq"].to_numpy()
    assert sky.area_sr(uniq).sum() == pytest.approx(4 * np.pi, rel=1e-12)
    assert np.all(np.diff(sky.zuniq_of(uniq).astype(np.int64)) > 0)
    assert dict(tiles.sizes) == {"tile": uniq.size}
    both = [skymap.whole_sky(each)["uniq"].to_numpy() for each in (a, b)]
    sides = [sky.nside_of(each[sky.find(each, *sky.centers(uniq))]) for each in both]
    np.testing.assert_array_equal(sky.nside_of(uniq), np.maximum(*sides))
    for letter, data in zip("ab", (a, b), strict=True):
        assert float((tiles[f"probdensity_{letter}"] * sky.area_sr(uniq)).sum()) == pytest.approx(1)
        there = sky.find(skymap.leaves(data)["uniq"].to_numpy(), *sky.centers(uniq))
        np.testing.assert_array_equal(tiles[f"ts_{letter}"], skymap.leaves(data)["ts"].to_numpy()[there])


def test_a_failed_cell_has_the_value_of_the_one_around_it_and_hides_no_other() -> None:
    a, b = bowl(80, 20), bowl(83, 21)
    there = region.best_fit(b)
    nllh = a["nllh"].to_numpy().copy()
    at = sky.find(a["uniq"].to_numpy(), there.ra, there.dec)
    nllh[at] = np.nan
    around = int(sky.find(a["uniq"].to_numpy()[sky.nside_of(a["uniq"]) == 16], there.ra, there.dec))
    expected = 2 * (nllh[sky.nside_of(a["uniq"]) == 16][around] - np.nanmin(nllh))
    whole, found = compare(a, b), compare(a.assign(nllh=("cell", nllh)), b)
    assert found.ts_of_b_in_a == pytest.approx(expected)
    assert found.ts_of_b_in_a != pytest.approx(whole.ts_of_b_in_a)
    assert (found.ts_of_a_in_b, found.separation_deg) == (whole.ts_of_a_in_b, whole.separation_deg)
    assert found.jensen_shannon_bits == pytest.approx(whole.jensen_shannon_bits, abs=0.01)


def test_infinite_values_of_other_programs_are_without_probability() -> None:
    a, b = bowl(10, -40), bowl(11, -40)
    worst = [each["nllh"].where(each["nllh"] < 1050, np.inf) for each in (a, b)]
    assert agreement(a.assign(nllh=worst[0]), a.assign(nllh=worst[0])).within(0)
    found = compare(a.assign(nllh=worst[0]), b.assign(nllh=worst[1]), calibration="wilks")
    assert found.jensen_shannon_bits == pytest.approx(compare(a, b, calibration="wilks").jensen_shannon_bits, abs=1e-9)


def test_the_same_map_by_way_of_another_format_and_another_event(tmp_path: Path) -> None:
    data = random_map(4).assign_attrs(software="skymist", created="2026-03-04T06:00:00")
    path = write_multiorder(data, tmp_path / "map.fits")
    again = read_peer_map(path.read_bytes(), path.name, event=data.attrs["event"])
    found = compare(data, again)
    assert found.same_event
    assert found.jensen_shannon_bits < 1e-12
    assert found.overlaps[0].iou == pytest.approx(1)
    other = again.assign_attrs(event={**data.attrs["event"], "event": 3})
    assert not compare(data, other).same_event
    assert not compare(data.assign_attrs(event={}), data.assign_attrs(event={})).same_event


def test_what_cannot_be_compared() -> None:
    data = bowl(10, 10)
    with pytest.raises(RequestError, match="between 0 and 1"):
        compare(data, data, (1.5,))
    with pytest.raises(RequestError, match=r"no containment 0\.7"):
        compare(data, data, (0.7,))
    with pytest.raises(UnknownNameError, match="calibration"):
        compare(data, data, calibration="none")
    with pytest.raises(ReadError, match="no cell with a finite likelihood"):
        compare(data, data.assign(nllh=data["nllh"] * np.nan))


def test_a_repeated_scan_agrees_and_what_differs_is_told() -> None:
    data = bowl(10, 10)
    data = data.assign(energy=data["energy"] + np.float32(1e5))
    again = data.isel(cell=np.random.default_rng(0).permutation(data.sizes["cell"]))
    found = agreement(data, again)
    assert (found.common, found.only_a, found.only_b, found.failed_in_one) == (data.sizes["cell"], 0, 0, 0)
    assert (found.nllh, found.energy) == (0, 0)
    assert found.within(0, 0)
    change = np.where(np.arange(data.sizes["cell"]) == 77, 1.0, 0.0)
    nllh = agreement(data, data.assign(nllh=data["nllh"] + 0.25 * change))
    assert nllh.nllh == 0.25
    assert nllh.within(0.25)
    assert not nllh.within(0.2)
    energy = agreement(data, data.assign(energy=data["energy"] * (1 - 0.5 * change)))
    assert energy.energy == pytest.approx(0.5)
    assert energy.within(energy=0.5001)
    assert not energy.within(energy=0.4)


def test_values_agree_up_to_a_millionth_and_energies_up_to_a_thousandth() -> None:
    assert Agreement(1, 0, 0, 0, 1e-6, 1e-3).within()
    assert not Agreement(1, 0, 0, 0, np.nextafter(1e-6, 1), 1e-3).within()
    assert not Agreement(1, 0, 0, 0, 1e-6, np.nextafter(1e-3, 1)).within()


def test_failures_and_cells_of_one_map_are_no_agreement() -> None:
    data = bowl(10, 10)
    failed = agreement(data, data.assign(nllh=data["nllh"].where(np.arange(data.sizes["cell"]) != 5)))
    assert (failed.failed_in_one, failed.nllh) == (1, 0)
    assert not failed.within()
    less = agreement(data.isel(cell=slice(7, None)), data)
    assert (less.common, less.only_a, less.only_b) == (data.sizes["cell"] - 7, 0, 7)
    assert not less.within()
    nothing = agreement(cone(0), cone(11))
    assert np.isnan([nothing.nllh, nothing.energy]).all()
    assert not nothing.within()
    unknown = data.assign(energy=data["energy"] * np.float32(np.nan))
    assert agreement(data, unknown).within()


def test_two_reconstructions_of_a_real_event(shared: Path) -> None:
    results = []
    for reconstruction in ("millipede_original", "millipede_wilks"):
        (path,) = (shared / "reference_scans" / reconstruction).glob("run00138632.*.json")
        results.append(read_peer_map(path.read_bytes(), path.name, convention="standard"))
    found = compare(*results, calibration="wilks")
    assert found.same_event
    p, q = (np.exp(each.min() - each) / np.exp(each.min() - each).sum() for each in map(flat, results))
    assert found.jensen_shannon_bits == pytest.approx(jensenshannon(p, q, base=2) ** 2, rel=1e-9)
    assert not agreement(*results).within()
