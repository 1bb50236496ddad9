"""The sky map's schema, its tiling and its probability."""

from pathlib import Path

import healpy as hp
import numpy as np
import pytest
import xarray as xr
from healpix_geo import zuniq

from skymist.errors import ReadError
from skymist.model import sky, skymap
from skymist.model.reconstruction import Fit
from skymist.model.sky import Floats, Ints


def map_of(uniq: Ints, nllh: Floats) -> xr.Dataset:
    fit = Fit.failed(len(uniq))
    return skymap.create(uniq, Fit(nllh, fit.energy_gev, fit.time_ns, fit.vertex, 2 * np.isnan(nllh)), {})


def scanned(nan: tuple[int, ...] = ()) -> xr.Dataset:
    """Whole sky at nside 1, cells 0 and 1 split to nside 2, one of those split to 8."""
    cells = [sky.all_cells(1), sky.children(sky.all_cells(1)[:2], 2).ravel()]
    cells.append(sky.children(cells[1][:1], 8).ravel())
    uniq = np.concatenate(cells)
    nllh = np.arange(len(uniq), dtype=float)[::-1].copy()
    nllh[list(nan)] = np.nan
    return map_of(uniq, nllh)


def test_leaves_tile_the_sky_once() -> None:
    tiling = skymap.leaves(scanned())
    assert sky.area_sr(tiling["uniq"].to_numpy()).sum() == pytest.approx(4 * np.pi)
    assert tiling["evaluated"].all()
    assert tiling.sizes["cell"] == 10 + 7 + 16


def test_leaves_do_not_depend_on_the_order_of_rows() -> None:
    data = scanned()
    shuffled = data.isel(cell=np.random.default_rng(0).permutation(data.sizes["cell"]))
    xr.testing.assert_identical(skymap.leaves(data).drop_vars("row"), skymap.leaves(shuffled).drop_vars("row"))


def test_a_failed_or_missing_child_takes_its_parents_value() -> None:
    whole = scanned(nan=(13,))
    data = whole.isel(cell=np.delete(np.arange(whole.sizes["cell"]), 25))
    tiling = skymap.leaves(data)
    assert sky.area_sr(tiling["uniq"].to_numpy()).sum() == pytest.approx(4 * np.pi)
    by_cell = dict(zip(tiling["uniq"].to_numpy().tolist(), tiling["nllh"].to_numpy().tolist(), strict=True))
    assert by_cell[int(whole["uniq"][13])] == float(whole["nllh"][0])
    assert by_cell[int(whole["uniq"][25])] == float(whole["nllh"][12])
    assert int((~tiling["evaluated"]).sum()) == 2


def test_what_a_complete_scan_left_out_is_no_part_of_the_tiling() -> None:
    whole = scanned(nan=(13,))
    data = whole.isel(cell=np.delete(np.arange(whole.sizes["cell"]), 25)).assign_attrs(complete=True)
    tiling = skymap.leaves(data)
    assert int(whole["uniq"][25]) not in tiling["uniq"]
    assert int(whole["uniq"][13]) in tiling["uniq"]  # it failed: its parent speaks for it
    assert sky.area_sr(tiling["uniq"].to_numpy()).sum() < 4 * np.pi - 0.01


def test_nan_is_never_best_and_hides_nobody() -> None:
    data = scanned(nan=(0, 12, 35))
    assert skymap.best(data) == 34
    assert np.isfinite(skymap.probability(skymap.leaves(data))).all()
    with pytest.raises(ReadError, match="no cell with a finite"):
        skymap.best(map_of(sky.all_cells(1), np.full(12, np.nan)))


def test_of_equal_values_the_finest_is_best() -> None:
    uniq = np.concatenate([sky.all_cells(1), sky.children(sky.all_cells(1)[:1], 2).ravel()])
    data = map_of(uniq, np.zeros(len(uniq)))
    assert skymap.best(data) == 12


def test_probability_integrates_to_one_also_with_a_huge_range() -> None:
    tiling = skymap.leaves(map_of(sky.all_cells(8), 1e5 + 1e4 * np.random.default_rng(2).uniform(size=768)))
    held = skymap.probability(tiling) * sky.area_sr(tiling["uniq"].to_numpy())
    assert held.sum() == pytest.approx(1.0)


def test_reference_areas(shared: Path) -> None:
    with np.load(shared / "reference_scans" / "run00136766-evt000007637140-GOLD-8_64_512.npz") as source:
        levels = {int(name.split("-")[1]): source[name] for name in source.files}
    uniq, nllh = [], []
    for nside, rows in levels.items():
        theta, phi = hp.pix2ang(nside, rows["index"])
        uniq.append(sky.cell_at(nside, phi, theta - np.pi / 2))  # this old map is mirrored
        nllh.append(rows["llh"])
    tiling = skymap.leaves(map_of(np.concatenate(uniq), np.concatenate(nllh)))
    area = sky.area_sr(tiling["uniq"].to_numpy()) * np.degrees(1) ** 2
    inside = [area[tiling["ts"].to_numpy() <= level].sum() for level in (22.2, 64.2)]
    assert inside == pytest.approx([2.334, 7.462], rel=0.005)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.assign_attrs(schema_version=99), "schema version 99"),
        (lambda data: data.drop_vars("nllh"), "no variable 'nllh'"),
        (lambda data: data.isel(cell=[0, 0, 1]), "twice"),
        (lambda data: data.assign_coords(uniq=("cell", np.arange(data.sizes["cell"]))), "not the number"),
    ],
)
def test_what_is_no_sky_map_is_refused(change: object, message: str) -> None:
    with pytest.raises(ReadError, match=message):
        skymap.validate(change(scanned()), "here")  # type: ignore[operator]


def test_numbers_along_the_sky_are_those_of_others() -> None:
    cells = np.concatenate([sky.all_cells(nside)[:: max(1, nside**2 // 7)] for nside in (1, 2, 32, 1024)])
    ipix, order = zuniq.to_nested(sky.zuniq_of(cells))
    assert np.array_equal(ipix, sky.ipix_of(cells))
    assert np.array_equal(2 ** order.astype(int), sky.nside_of(cells))


def test_the_whole_sky_is_tiled_and_holds_all_probability() -> None:
    data = scanned(nan=(13,))
    part = data.isel(cell=data["uniq"].to_numpy() > 7).assign_attrs(complete=True)
    tiles = skymap.whole_sky(part)
    area = sky.area_sr(tiles["uniq"].to_numpy())
    assert area.sum() == pytest.approx(4 * np.pi)
    assert (tiles["probdensity"] * area).sum() == pytest.approx(1)
    assert np.all(np.diff(sky.zuniq_of(tiles["uniq"]).astype(np.int64)) > 0)
    missing = np.isin(tiles["uniq"], sky.uncovered(skymap.leaves(part)["uniq"].to_numpy()))
    assert 0 < missing.sum() < len(missing)
    assert (tiles["probdensity"].to_numpy()[missing] == 0).all()
    assert np.array_equal(np.isnan(tiles["ts"]), missing)


def asked(data: xr.Dataset) -> xr.Dataset:
    return data.assign_attrs(request={"levels": [[1, 0]], "options": {"b": 1, "a": 0.1}})


def test_the_same_map_has_the_same_content_however_it_is_kept() -> None:
    data = asked(scanned(nan=(13,)))
    content = skymap.content_hash(data)
    assert len(content) == 64
    shuffled = data.isel(cell=np.random.default_rng(0).permutation(data.sizes["cell"]))
    other_end = data.assign({name: data[name].astype(data[name].dtype.newbyteorder(">")) for name in data.data_vars})
    nan = data["nllh"].to_numpy().copy()
    nan.view("u8")[13] |= 1 << 63 | 7  # another NaN
    worded = data.assign_attrs(request={"options": {"a": 0.1, "b": 1}, "levels": [[1, 0]]}, created="another time")
    for same in (shuffled, other_end, data.assign(nllh=("cell", nan)), worded):
        assert skymap.content_hash(same) == content


def test_another_map_has_another_content() -> None:
    data = asked(scanned())
    changed = data["nllh"].to_numpy().copy()
    changed[3] = np.nextafter(changed[3], np.inf)
    status = data["status"].to_numpy().copy()
    status[3] = 1
    others = [
        data, data.assign(nllh=("cell", changed)), data.assign(status=("cell", status)), data.isel(cell=slice(1, None)),
        data.assign_coords(uniq=("cell", data["uniq"].to_numpy() + 2**55)),
        data.assign_coords(uniq=("cell", data["uniq"].to_numpy() + 2**55 + 1)),
        data.assign_attrs(request={"levels": [[2, 0]]}), data.drop_attrs(),
    ]  # fmt: skip
    assert len({skymap.content_hash(each) for each in others}) == len(others)
