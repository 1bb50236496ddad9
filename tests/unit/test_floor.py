"""Floor: the same as a plain sum over much finer cells, and as the harmonics of healpy."""

from bisect import bisect_left

import healpy as hp
import numpy as np
import pytest
import xarray as xr
from maps import of_cells, random_map

from skymist.errors import ReadError, RequestError
from skymist.model import floor, sky, skymap
from skymist.model.floor import with_floor
from skymist.model.reconstruction import Status
from skymist.model.region import best_fit, region


def point(ra_deg: float, dec_deg: float, nside: int = 4096) -> xr.Dataset:
    """All probability in one fine cell."""
    levels, ra, dec = [sky.all_cells(8)], np.radians(ra_deg), np.radians(dec_deg)
    while (finer := 8 * int(sky.nside_of(levels[-1][0]))) <= nside:
        parents = levels[-1][np.argsort(sky.separation(*sky.centers(levels[-1]), ra, dec))[:24]]
        levels.append(sky.children(parents, finer).ravel())
    cells = np.concatenate(levels)
    return of_cells(cells, np.where(cells == sky.cell_at(nside, ra, dec), 0.0, 800.0))


def brute_force(data: xr.Dataset, sigma: float, ra: np.ndarray, dec: np.ndarray, depth: int = 2) -> np.ndarray:
    """The density at positions: a sum over all leaves, each divided by 4**depth, of the kernel."""
    tiling = skymap.leaves(data)
    density, uniq = skymap.probability(tiling), tiling["uniq"].to_numpy()
    held = density > density.max() * 1e-25
    fine = (uniq[held, None] * 4**depth + np.arange(4**depth)).ravel()
    mass = np.repeat(density[held], 4**depth) * sky.area_sr(fine)
    at = sky.unit(*sky.centers(fine))
    chords = [np.sum((at - each) ** 2, axis=1) for each in sky.unit(ra, dec)]
    norm = 2 * np.pi * sigma**2 * (1 - np.exp(-2 / sigma**2))
    return np.array([mass @ np.exp(-chord / (2 * sigma**2)) / norm for chord in chords])


@pytest.mark.parametrize(("ra", "dec"), [(12.0, 34.0), (0.0, -89.95), (359.99, 2.0)])
def test_a_point_becomes_a_gaussian_of_that_sigma(ra: float, dec: float) -> None:
    found = with_floor(point(ra, dec), 0.2)
    at = sky.centers(sky.cell_at(4096, *np.radians([ra, dec])))
    tiling = skymap.leaves(found)
    uniq, held = tiling["uniq"].to_numpy(), skymap.probability(tiling) * sky.area_sr(tiling["uniq"].to_numpy())
    assert held.sum() == pytest.approx(1, abs=1e-12)
    inside = np.degrees(sky.separation(*sky.centers(uniq), *at))
    fine = (uniq[inside < 1, None] * 256 + np.arange(256)).ravel()
    near = np.degrees(sky.separation(*sky.centers(fine), *at))
    share = np.repeat(held[inside < 1], 256) / 256
    for radius in (0.2, 0.3, 0.4):  # 39.3 % in the first
        assert share[near < radius].sum() == pytest.approx(1 - np.exp(-((radius / 0.2) ** 2) / 2), abs=0.01)
    for axis in sky.to_plane(*sky.centers(uniq), *at):
        assert np.degrees(np.sqrt(held @ axis**2)) == pytest.approx(0.2, rel=0.01)
    ts = tiling["ts"].to_numpy()
    tail = (inside > 0.3) & (inside < 1.6)  # up to 8 sigma
    assert np.abs(ts[tail] - (inside[tail] / 0.2) ** 2).max() < 0.1
    assert region(found, 0.9, "wilks").area_deg2 == pytest.approx(np.pi * 4.605 * 0.2**2, rel=0.08)
    assert region(found, 0.9, "icecube-2016").area_deg2 == pytest.approx(np.pi * 64.2 * 0.2**2, rel=0.02)


@pytest.mark.parametrize(("seed", "shape", "sigma_deg"), [
    (0, "round", 0.4), (1, "banana", 0.3), (2, "islands", 1.0), (4, "pole", 0.5), (5, "wrap", 3.0),
])  # fmt: skip
def test_it_is_the_convolution(seed: int, shape: str, sigma_deg: float) -> None:
    data = random_map(seed, shape, finest=256)
    found = with_floor(data, sigma_deg)
    tiling = skymap.leaves(found)
    uniq, ts = tiling["uniq"].to_numpy(), tiling["ts"].to_numpy()
    rng = np.random.default_rng(seed)
    some = np.concatenate([rng.choice(np.flatnonzero(ts < limit), 12) for limit in (5, 30, 64)] + [[np.argmin(ts)]])
    theirs = brute_force(data, np.radians(sigma_deg), *sky.centers(uniq[some]))
    np.testing.assert_allclose(ts[some], -2 * np.log(theirs / theirs[-1]), rtol=0.02, atol=0.03)
    density = skymap.probability(tiling)
    np.testing.assert_allclose(density[some[ts[some] < 5]], theirs[ts[some] < 5], rtol=0.02)


def test_it_is_what_healpy_smooths() -> None:
    nside, sigma = 32, 6.0
    cells = sky.all_cells(nside)
    rng = np.random.default_rng(3)
    ra, dec = sky.centers(cells)
    nllh = 40 * sky.separation(ra, dec, 1.0, 0.5) + rng.normal(0, 0.5, cells.size)
    data = of_cells(cells, nllh)
    density = skymap.probability(skymap.leaves(data))
    ring = hp.reorder(density, n2r=True)
    theirs = hp.smoothing(ring, sigma=np.radians(sigma), lmax=95, iter=5)
    found = skymap.leaves(with_floor(data, sigma))
    ours = skymap.probability(found)
    at_ra, at_dec = sky.centers(found["uniq"].to_numpy())
    there = hp.get_interp_val(theirs, np.pi / 2 - at_dec, at_ra)
    high = ours > ours.max() / 20
    np.testing.assert_allclose(ours[high], there[high], rtol=0.06)  # that is interpolated, this is not
    assert np.average(ours[high] / there[high]) == pytest.approx(1, abs=0.02)


def test_variances_of_a_gaussian_add_up_and_areas_grow() -> None:
    floors = 0.0, 0.3, 1.0, 3.0
    data = random_map(0, "round", finest=256)
    areas = [region(with_floor(data, sigma), 0.9, "wilks").area_deg2 for sigma in floors]
    width = np.sqrt(areas[0] / (np.pi * 4.605 * 0.6))  # by 0.6 of it
    expected = [np.pi * 4.605 * np.sqrt((width**2 + each**2) * (0.36 * width**2 + each**2)) for each in floors]
    assert areas == pytest.approx(expected, rel=0.04)
    curved = random_map(1, "banana", finest=256)
    areas = [region(with_floor(curved, sigma), 0.9, "wilks").area_deg2 for sigma in floors[:3]]
    assert np.all(np.diff(areas) > 0)


def test_what_the_map_says_of_it() -> None:
    data = random_map(0, "round", finest=256)
    data.attrs["calibration"] = {"levels": {"90": {"ts": 5.0}}}
    found = skymap.validate(with_floor(data, 0.3))
    assert found.attrs["floor"] == {"sigma_deg": 0.3, "kernel": "Fisher"}
    assert "calibration" not in found.attrs
    assert found.attrs["event"] == data.attrs["event"]
    assert with_floor(found, 0.4).attrs["floor"]["sigma_deg"] == pytest.approx(0.5)
    assert with_floor(data, 0) is data
    assert best_fit(found).nllh == best_fit(data).nllh
    uniq = found["uniq"].to_numpy()
    assert np.sum(sky.area_sr(uniq)) == pytest.approx(4 * np.pi)  # no holes, no overlaps


def test_two_floors_are_one_of_their_squares() -> None:
    data = random_map(1, "banana", finest=256)
    twice, once = with_floor(with_floor(data, 0.6), 0.8), with_floor(data, 1.0)
    for share in (0.5, 0.9):
        assert region(twice, share, "wilks").area_deg2 == pytest.approx(
            region(once, share, "wilks").area_deg2, rel=0.03
        )


def test_a_region_that_reaches_what_was_not_looked_at_stays_open() -> None:
    data = random_map(0, "round")
    assert not region(data, 0.9, "wilks").open
    assert not region(with_floor(data, 0.2), 0.9, "wilks").open
    narrow = data.isel(cell=np.sort(np.argsort(data["nllh"].to_numpy())[:300]))  # not all that the level needs
    rough = xr.concat(
        [data.isel(cell=slice(0, 768)), narrow.isel(cell=narrow["uniq"].to_numpy() >= 4 * 512**2)], "cell"
    )
    assert region(rough, 0.9, "wilks").open
    assert region(with_floor(rough, 0.2), 0.9, "wilks").open
    failed = data.assign(nllh=data["nllh"].where(nth_best(data) != 5))
    assert not region(failed, 0.9, "wilks").open
    assert not region(with_floor(failed, 0.2), 0.9, "wilks").open


def nth_best(data: xr.Dataset) -> np.ndarray:
    return np.argsort(np.argsort(data["nllh"].to_numpy()))


def test_a_cell_without_value_gets_that_of_those_around() -> None:
    cells = sky.all_cells(32)
    nllh = 200 * sky.separation(*sky.centers(cells), 1.0, 0.5) ** 2
    whole = with_floor(of_cells(cells, nllh), 4.0)
    lost = np.argsort(nllh)[3]
    nllh[lost] = np.nan
    data = of_cells(cells, nllh)
    data["status"][lost] = Status.FAILED
    found = with_floor(data, 4.0)
    assert (skymap.failures(data), skymap.failures(found)) == (1, 0)
    assert np.isfinite(found["nllh"].to_numpy()).all()
    assert np.abs(found["nllh"].to_numpy() - whole["nllh"].to_numpy()).max() < 0.2


def test_a_cone_keeps_its_edge() -> None:
    cells = sky.all_cells(64)
    cells = cells[sky.separation(*sky.centers(cells), 1.0, 0.5) < 0.1]
    data = of_cells(cells, 100 * sky.separation(*sky.centers(cells), 1.0, 0.5))
    found = with_floor(data, 1.0)
    assert np.sum(sky.area_sr(found["uniq"].to_numpy())) == pytest.approx(np.sum(sky.area_sr(cells)))


@pytest.mark.parametrize("sigma", [-0.1, np.nan, 20.001, np.inf])
def test_a_floor_that_makes_no_sense_is_refused(sigma: float) -> None:
    with pytest.raises(RequestError) as error:
        with_floor(random_map(0), sigma)
    assert str(error.value) == f"a floor of {sigma} deg makes no sense: it goes from 0 to 20, such as 0.2"


def test_the_widest_floor_is_fisher_s_on_the_sphere() -> None:
    cells = sky.all_cells(16)
    data = of_cells(cells, np.where(np.arange(cells.size) == 1000, 0.0, 800.0))
    found = with_floor(data, 20.0)
    uniq, ts = found["uniq"].to_numpy(), skymap.leaves(found)["ts"].to_numpy()
    assert uniq.tolist() == cells.tolist()  # 0.3 sigma is wider than these
    away = sky.separation(*sky.centers(uniq), *sky.centers(cells[1000]))
    own = np.pi / 3 / 16**2 / 12  # of a square, by each axis
    expected = 2 * (1 - np.cos(away)) / (np.radians(20) ** 2 + own)
    np.testing.assert_allclose(ts, expected, rtol=1e-3, atol=1e-3)


def test_all_but_the_likelihood_is_that_of_the_leaf_a_cell_comes_from() -> None:
    data = random_map(0, "round", finest=256)
    rng = np.random.default_rng(6)
    n = data.sizes["cell"]
    data = data.assign(
        energy=("cell", rng.uniform(size=n).astype("f4")), time=("cell", rng.uniform(size=n)),
        vertex=(("cell", "axis"), rng.uniform(size=(n, 3)).astype("f4")),
        status=("cell", (np.arange(n) % 2).astype("u1")),
    )  # fmt: skip
    found, leaves = with_floor(data, 0.6), skymap.leaves(data)
    uniq, tiles = found["uniq"].to_numpy(), leaves["uniq"].to_numpy()
    assert int(sky.nside_of(uniq).max()) == 512
    row = leaves["row"].to_numpy()[sky.find(tiles, *sky.centers(uniq))]
    for name in ("energy", "time", "vertex", "status"):
        np.testing.assert_array_equal(found[name], data[name].to_numpy()[row])
        assert found[name].dtype == data[name].dtype
    wide = with_floor(data, 2.5)  # cells of 0.75 deg or less: the finest four by four of the map are one
    coarse = wide["uniq"].to_numpy()
    assert int(sky.nside_of(coarse).max()) == 128
    for cell, energy in zip(
        coarse[sky.nside_of(coarse) == 128], wide["energy"][sky.nside_of(coarse) == 128], strict=True
    ):
        inside = np.flatnonzero(np.isin(tiles, sky.children([cell], 256).ravel()))
        if inside.size:
            at = leaves["row"].to_numpy()[inside[np.argmin(leaves["nllh"].to_numpy()[inside])]]
            assert float(energy) == float(data["energy"][at])


def test_a_floor_that_needs_too_much_is_refused() -> None:
    with pytest.raises(RequestError) as error:
        with_floor(of_cells(sky.all_cells(8), np.zeros(768)), 0.2)
    assert str(error.value) == (
        f"a floor of 0.2 deg needs more than {floor.CELLS_LIMIT:,} cells: the map is too coarse, or too wide, for so "
        "small a floor"
    )
    with pytest.raises(RequestError, match="needs more than"):
        with_floor(random_map(0), 0.001)
    with pytest.raises(ReadError):
        with_floor(of_cells(sky.all_cells(2), np.full(48, np.nan)), 0.2)


def test_the_limit_is_for_what_comes_beside_the_cells_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    data = random_map(1, finest=128)
    needed = with_floor(data, 1.0).sizes["cell"]

    def passes(limit: int) -> bool:
        monkeypatch.setattr(floor, "CELLS_LIMIT", limit)
        try:
            return bool(with_floor(data, 1.0).sizes["cell"] == needed)
        except RequestError as error:
            return not str(error).startswith(f"a floor of 1 deg needs more than {limit:,} cells: ")

    lowest = bisect_left(range(needed + 1), True, key=passes)
    assert needed - skymap.leaves(data).sizes["cell"] <= lowest < needed


@pytest.mark.parametrize("shape", ["banana", "islands"])
def test_what_is_left_out_is_nothing_and_parts_are_the_whole(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = random_map(2, shape, finest=128)
    found = with_floor(data, 3.0)
    for name, value in (("_NOTHING", 1e9), ("_AT_ONCE", 40), ("_PAIRS", 4000)):
        monkeypatch.setattr(floor, name, value)
    plain = with_floor(data, 3.0)
    np.testing.assert_array_equal(found["uniq"], plain["uniq"])
    density = [np.exp(each["nllh"].min() - each["nllh"]) for each in (found, plain)]
    np.testing.assert_allclose(*density, rtol=1e-5, atol=1e-16)


def test_a_flat_sky_of_cells_of_two_sizes_stays_flat() -> None:
    coarse = sky.all_cells(8)
    here = sky.separation(*sky.centers(coarse), 1.0, 0.5) < 0.3
    cells = np.concatenate([coarse[~here], sky.children(coarse[here], 128).ravel()])
    found = with_floor(of_cells(cells, np.zeros(cells.size)), 5.0)["nllh"].to_numpy()
    assert found == pytest.approx(found.mean(), abs=0.01)
