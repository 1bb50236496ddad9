"""The sky map's schema, its tiling and its probability."""

import hashlib
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
    tiling = skymap.leaves(scanned(nan=(5,)))
    np.testing.assert_array_equal(skymap.probability(tiling) == 0, tiling["uniq"] == 4 + 5)
    for attributes, where in (({}, ""), ({"scan_id": "abc"}, "abc: ")):
        with pytest.raises(ReadError) as error:
            skymap.best(map_of(sky.all_cells(1), np.full(12, np.inf)).assign_attrs(attributes))
        assert str(error.value) == f"{where}the sky map has no cell with a finite likelihood"


def test_leaves_by_hand() -> None:
    """Base cells 0, 1 and 2 and the children of 1, one of which failed and one of which is missing."""
    children = sky.children([5], 2)[0]
    uniq = np.array([children[3], 5, children[0], 4, children[2], 6])
    data = map_of(uniq, np.array([1.0, 9.0, 3.0, 5.0, np.nan, 7.0])).assign_attrs(scan_id="abc")
    tiling = skymap.leaves(data)
    assert tiling["uniq"].to_numpy().tolist() == [4, *children, 6]
    assert tiling["nllh"].to_numpy().tolist() == [5, 3, 9, 9, 1, 7]
    assert tiling["ts"].to_numpy().tolist() == [8, 4, 16, 16, 0, 12]
    assert tiling["row"].to_numpy().tolist() == [3, 2, 1, 1, 0, 5]
    assert tiling["evaluated"].to_numpy().tolist() == [True, True, False, False, True, True]
    assert (tiling.attrs, list(tiling.coords), dict(tiling.sizes)) == (data.attrs, ["uniq"], {"cell": 6})
    complete = skymap.leaves(data.assign_attrs(complete=True))
    assert complete["uniq"].to_numpy().tolist() == [4, *children[[0, 2, 3]], 6]
    weight, area = np.exp(-tiling["nllh"].to_numpy()), np.pi / 3 * np.array([4, 1, 1, 1, 1, 4]) / 4
    np.testing.assert_allclose(skymap.probability(tiling), weight / (weight @ area), rtol=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_leaves_have_the_finest_value_at_each_place(seed: int) -> None:
    """Also where a level between is missing, has one cell only, or failed altogether."""
    rng = np.random.default_rng(seed)
    cells = [sky.all_cells(1)[rng.permutation(12)[:10]]]
    for nside, number in ((2, 9), (4, (20, 1)[seed % 2]), (16, 60)):
        some = rng.choice(np.concatenate(cells), 4, replace=False)
        inside = np.concatenate([sky.children([cell], 16).ravel() for cell in some])
        cells.append(np.unique(sky.parent(rng.choice(inside, number), nside)))
    uniq = rng.permutation(np.concatenate(cells))
    nllh = np.where(rng.uniform(size=uniq.size) < 0.2, np.nan, rng.uniform(size=uniq.size))
    nllh[(sky.nside_of(uniq) == 2) & (seed > 3)] = np.nan
    tiling = skymap.leaves(map_of(uniq, nllh))
    tiles = tiling["uniq"].to_numpy()
    assert tiles.dtype == np.int64
    assert np.all(np.diff(sky.zuniq_of(tiles).astype(np.int64)) > 0)
    assert sky.area_sr(tiles).sum() == pytest.approx(4 * np.pi * 10 / 12)
    for place in sky.all_cells(16):
        around = [int(sky.parent(place, nside)) for nside in (16, 4, 2, 1)]
        rows = [int(row) for cell in around for row in np.flatnonzero(uniq == cell)]
        known = [row for row in rows if np.isfinite(nllh[row])] or rows[-1:]
        at = np.flatnonzero(np.isin(tiles, around))
        assert tiling["row"].to_numpy()[at].tolist() == known[:1]
    np.testing.assert_array_equal(tiling["nllh"], nllh[tiling["row"]])
    np.testing.assert_array_equal(tiling["ts"], 2 * (nllh[tiling["row"]] - np.nanmin(nllh)))


def test_the_finest_cells_that_there_are_keep_their_numbers() -> None:
    uniq = 4**30 + np.array([12345, 12346, 777])
    assert skymap.leaves(map_of(uniq, np.arange(3.0)))["uniq"].to_numpy().tolist() == sorted(uniq)
    tiles = skymap.whole_sky(map_of(uniq, np.arange(3.0)))
    assert np.isin(uniq, tiles["uniq"].to_numpy()).all()
    assert dict(tiles.sizes) == {"tile": tiles["uniq"].size}
    coarse = 4**29 + np.arange(5)
    fine = sky.children(coarse[2:3], 2**29).ravel()
    found = skymap.leaves(map_of(np.append(coarse, fine), np.arange(9.0)))
    assert found["uniq"].to_numpy().tolist() == [*coarse[:2], *fine, *coarse[3:]]


def test_a_map_without_cells_has_no_leaves() -> None:
    with pytest.raises(ReadError, match="no cell with a finite likelihood"):
        skymap.leaves(scanned().isel(cell=slice(0)))


def test_of_equal_values_the_finest_is_best() -> None:
    uniq = np.concatenate([sky.all_cells(1), sky.children(sky.all_cells(1)[:1], 2).ravel()])
    data = map_of(uniq, np.zeros(len(uniq)))
    assert skymap.best(data) == 12
    assert skymap.best(data.isel(cell=slice(None, None, -1))) == 3


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
        (lambda data: data.assign_attrs(schema_version=99), "schema version 99; this skymist reads version 1"),
        (lambda data: data.drop_attrs(), "schema version None; this skymist reads version 1"),
        (lambda data: data.drop_vars("nllh"), "not a sky map: it has no variable 'nllh' along 'cell'"),
        (lambda data: data.drop_vars("uniq"), "not a sky map: it has no variable 'uniq' along 'cell'"),
        (lambda data: data.assign(time=data["time"][0]), "not a sky map: it has no variable 'time' along 'cell'"),
        (lambda data: data.isel(axis=0), "not a sky map: it has no variable 'vertex' along 'cell'"),
        (lambda data: data.isel(cell=[0, 0, 1]), "a cell stands in it twice"),
        (
            lambda data: data.assign_coords(uniq=("cell", 3 + np.arange(data.sizes["cell"]))),
            "3 is not the number of a HEALPix cell",
        ),
    ],
)
def test_what_is_no_sky_map_is_refused(change: object, message: str) -> None:
    data = change(scanned())  # type: ignore[operator]
    for given, source in ((("here",), "here"), ((), "sky map")):
        with pytest.raises(ReadError) as error:
            skymap.validate(data, *given)
        assert str(error.value) == f"{source}: {message}"


def test_the_first_cell_that_there_is_is_one_and_so_is_no_cell_at_all() -> None:
    data = scanned()
    assert data["uniq"].min() == 4
    assert skymap.validate(data) is data
    nothing = data.isel(cell=slice(0))
    assert skymap.validate(nothing) is nothing


def test_a_map_says_what_its_columns_are_and_gives_them_back() -> None:
    rng = np.random.default_rng(8)
    n = 12
    fit = Fit(*rng.normal(size=(3, n)), rng.normal(size=(n, 3)), np.arange(n) % 3)
    about = {"scan_id": "abc", "schema_version": 0}
    data = skymap.create(sky.all_cells(1)[::-1].astype(np.int32), fit, about)
    assert data.attrs == {"scan_id": "abc", "schema_version": 1}
    assert about["schema_version"] == 0
    assert (list(data.coords), data["uniq"].dtype) == (["uniq"], np.int64)
    assert data["uniq"].to_numpy().tolist() == list(range(15, 3, -1))
    assert {name: data[name].dims for name in data.variables} == {
        "uniq": ("cell",), "nllh": ("cell",), "energy": ("cell",), "time": ("cell",), "vertex": ("cell", "axis"),
        "status": ("cell",),
    }  # fmt: skip
    units = {"uniq": "1", "nllh": "1", "energy": "GeV", "time": "ns", "vertex": "m", "status": "1"}
    assert {name: data[name].attrs["units"] for name in data.variables} == units
    assert all(data[name].attrs["long_name"] for name in data.variables)
    assert data["status"].attrs["flag_values"] == [0, 1, 2]
    assert data["status"].attrs["flag_meanings"] == "ok not_converged failed"
    back = skymap.fit_of(data)
    for field in ("nllh", "energy_gev", "time_ns", "vertex", "status"):
        np.testing.assert_array_equal(getattr(back, field), getattr(fit, field))


def test_columns_that_nobody_knows_are_kept() -> None:
    data = skymap.from_columns({"uniq": sky.all_cells(1), "other": np.arange(12)}, {"a": 1})
    assert (data["other"].dims, data["other"].attrs, data.attrs) == (("cell",), {}, {"a": 1})


def test_numbers_of_cells_and_of_failures() -> None:
    data = scanned(nan=(0, 13, 14))
    assert skymap.counts(data) == {1: 12, 2: 8, 8: 16}
    assert list(skymap.counts(data.isel(cell=slice(None, None, -1)))) == [1, 2, 8]
    assert skymap.failures(data) == 3
    assert skymap.failures(data.assign(status=("cell", np.arange(36) % 3))) == 12  # one that did not converge is none


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


def test_the_content_is_that_of_the_request_and_of_the_columns_by_name() -> None:
    data = asked(scanned(nan=(13,))).isel(cell=slice(None, None, -1))
    sha = hashlib.sha256(b'{"levels":[[1,0]],"options":{"a":0.1,"b":1}}')
    order = np.argsort(data["uniq"].to_numpy())
    for name, kind in (
        ("energy", "<f4"), ("nllh", "<f8"), ("status", "u1"), ("time", "<f8"), ("uniq", "<i8"), ("vertex", "<f4"),
    ):  # fmt: skip
        sha.update(name.encode() + data[name].to_numpy()[order].astype(kind).tobytes())
    assert skymap.content_hash(data) == sha.hexdigest()
    assert skymap.content_hash(data.drop_attrs()) != sha.hexdigest()


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
