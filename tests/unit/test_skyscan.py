"""Results in the formats of Skymap Scanner: its own written again, and ours."""

import io
import json
import zipfile
from pathlib import Path

import healpy as hp
import numpy as np
import pytest
import xarray as xr
from maps import SHAPES, random_map

from skymist.errors import RequestError
from skymist.model import sky
from skymist.store import peer_scans, skyscan
from skymist.store.peers import read_peer_map

LEGACY = "run00136766-evt000007637140-GOLD-8_64_512.npz"
JSONS = ("millipede_original", "millipede_wilks", "splinempe", "splinempe_pointed")


def arrays(content: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(content), allow_pickle=False) as found:
        return {name: found[name] for name in found}


def fitted(seed: int, **event: object) -> xr.Dataset:
    """Return a map that has a value in every column, and cells that failed."""
    data = random_map(seed, finest=128)
    rng, n = np.random.default_rng(seed), data.sizes["cell"]
    data = data.assign(
        energy=("cell", rng.lognormal(10, 2, n).astype(np.float32)),
        time=("cell", rng.normal(1e4, 300, n)),
        vertex=(("cell", "axis"), rng.normal(0, 200, (n, 3)).astype(np.float32)),
        nllh=data["nllh"].where(data["uniq"] % 13 > 0),
    )
    data["status"] = ("cell", np.where(np.isnan(data["nllh"]), 2, 0).astype(np.uint8))
    return data.assign_attrs(event={**data.attrs["event"], **event})


@pytest.mark.parametrize("folder", JSONS)
def test_its_json_is_written_again_byte_by_byte(shared: Path, folder: str) -> None:
    paths = sorted((shared / "reference_scans" / folder).glob("*.json"))
    assert len(paths) >= 2
    for path in paths:
        content = path.read_bytes()
        levels = peer_scans.read_json(content)
        assert skyscan.to_json(levels, skyscan.layout_of(content)) == content
        assert skyscan.to_json(levels) == content.strip()


@pytest.mark.parametrize("folder", JSONS)
def test_its_json_survives_being_npz_in_between(shared: Path, folder: str) -> None:
    for path in (shared / "reference_scans" / folder).glob("*.json"):
        content = path.read_bytes()
        between = skyscan.to_npz(peer_scans.read_json(content))
        again = skyscan.to_json(peer_scans.read_npz(between), skyscan.layout_of(content))
        assert again == content


def test_its_legacy_npz_is_written_again_with_the_same_names_types_and_values(shared: Path) -> None:
    content = (shared / "reference_scans" / LEGACY).read_bytes()
    old, new = arrays(content), arrays(skyscan.to_npz(peer_scans.read_npz(content)))
    assert list(new) == list(old) == ["nside-64", "nside-512", "nside-8"]
    for name, array in old.items():
        assert new[name].dtype == array.dtype
        assert new[name].tobytes() == array.tobytes()


def test_its_npz_with_a_header_is_written_again() -> None:
    pixels = np.array([(3, 1.5, np.nan, 2.0), (1, 0.1, 7.0, np.inf)], [("index", int), *((n, float) for n in "abc")])
    pixels.dtype.names = ("index", "llh", "E_in", "E_tot")
    kinds = [("nside", int), ("run_id", int), ("event_type", "U4"), ("mjd", float), ("is_real_event", bool)]
    header = np.array([(1, 7, "HESE", 57517.64354153215, True), (2, 7, "HESE", 57517.64354153215, True)], kinds)
    old = {"header": header, "nside-1": pixels, "nside-2": pixels}
    file = io.BytesIO()
    np.savez(file, **old)  # type: ignore[arg-type]
    new = arrays(skyscan.to_npz(peer_scans.read_npz(file.getvalue())))
    assert list(new) == list(old)
    for name, array in old.items():
        assert new[name].dtype == array.dtype
        assert new[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("text", ["NaN", "null", '"<skyreader.nan>"'])
@pytest.mark.parametrize("indent", [None, 1, 2])
def test_other_ways_to_lay_out_json_are_kept(text: str, indent: int | None) -> None:
    table = {"columns": ["index", "llh"], "data": [[5, 1e-7], [2, float("nan")]], "metadata": {"nside": 1}}
    document = {"nside-1": table, "nside-2": {"columns": ["index", "llh"], "data": [[40, 12.0]]}}
    content = f"\n {json.dumps(document, indent=indent)}\n".replace("NaN", text).encode()
    levels = peer_scans.read_json(content)
    assert skyscan.to_json(levels, skyscan.layout_of(content)) == content


@pytest.mark.parametrize("seed", range(len(SHAPES)))
@pytest.mark.parametrize("write", [skyscan.write_json, skyscan.write_npz])
def test_a_map_of_ours_is_read_back_the_same(seed: int, write: object, tmp_path: Path) -> None:
    data = fitted(seed, kind="neutrino", simulated=bool(seed % 2))
    path = write(data, tmp_path / "result")  # type: ignore[operator]
    found = read_peer_map(path.read_bytes(), "result")
    order, wanted = np.argsort(found["uniq"].to_numpy()), np.argsort(data["uniq"].to_numpy())
    for name in ("uniq", "nllh", "energy", "time", "vertex", "status"):
        assert found[name].dtype == data[name].dtype
        assert np.array_equal(found[name].to_numpy()[order], data[name].to_numpy()[wanted], equal_nan=name != "uniq")
    assert found.attrs["imported"]["convention"] == "standard"
    assert found.attrs["imported"]["cells_missing"] == 0
    for key in ("run", "event", "mjd", "kind", "simulated"):
        assert found.attrs["event"][key] == data.attrs["event"][key]


def test_pixels_are_those_of_healpy_in_ring_order(tmp_path: Path) -> None:
    data = fitted(3)
    document = json.loads(skyscan.write_json(data, tmp_path / "result.json").read_bytes())
    assert list(document) == ["nside-8", "nside-64", "nside-128"]
    for name, table in document.items():
        nside, rows = int(name.removeprefix("nside-")), np.array(table["data"])
        assert table["columns"] == ["index", "llh", "E_in", "E_tot", "X", "Y", "Z", "T"]
        assert all(type(row[0]) is int for row in table["data"])
        assert np.all(np.diff(rows[:, 0]) > 0)
        theta, ra = hp.pix2ang(nside, rows[:, 0].astype(int))
        at = sky.find(data["uniq"].to_numpy(), ra, np.pi / 2 - theta)
        same = sky.nside_of(data["uniq"].to_numpy()[at]) == nside  # find takes the finest of those that overlap
        assert np.array_equal(data["nllh"].to_numpy()[at][same], rows[same, 1], equal_nan=True)
        assert np.array_equal(rows[:, 2], rows[:, 3])
        assert table["metadata"]["nside"] == nside
        assert list(table["metadata"])[1:] == [
            "complete", "run_id", "event_id", "event_type", "mjd", "is_real_event", "version",
        ]  # fmt: skip


def test_npz_needs_no_pickle_and_is_the_same_each_time(tmp_path: Path) -> None:
    data = fitted(1)
    one, two = (skyscan.write_npz(data, tmp_path / name).read_bytes() for name in ("a.npz", "b.npz"))
    assert one == two
    with zipfile.ZipFile(io.BytesIO(one)) as archive:
        assert archive.namelist() == ["header.npy", "nside-8.npy", "nside-64.npy", "nside-128.npy"]
    header = arrays(one)["header"]
    assert header["nside"].tolist() == [8, 64, 128]
    assert not header["is_real_event"].any()


def test_metadata_that_are_no_table_cannot_be_npz() -> None:
    columns = {"index": np.zeros(1), "llh": np.ones(1)}
    with pytest.raises(RequestError, match="one header for all levels"):
        skyscan.to_npz(
            [peer_scans.Level(1, columns, {"nside": 1}), peer_scans.Level(2, columns, {"nside": 2, "mjd": 5.0})]
        )
    with pytest.raises(RequestError, match=r"mjd is '\[1\]'"):
        skyscan.to_npz([peer_scans.Level(1, columns, {"nside": 1, "mjd": [1]})])
