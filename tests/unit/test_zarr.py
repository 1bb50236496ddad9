"""The store: what is committed is there, what is not is not, and one process writes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from skymist.errors import ReadError, StoreError
from skymist.model import sky
from skymist.model.reconstruction import Fit
from skymist.model.sky import Ints
from skymist.store.zarr import SkyMapStore, read_skymap

ATTRIBUTES = {"scan_id": "abc", "request": {"levels": [[8, 0]]}}


def fit_of(uniq: Ints) -> Fit:
    values = uniq.astype(float)
    return Fit(values, values, values, np.column_stack([values] * 3), uniq % 3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "map.zarr"


def test_rows_come_back_as_they_were(path: Path) -> None:
    cells = sky.all_cells(4)
    with SkyMapStore(path, ATTRIBUTES) as store:
        for block in np.array_split(cells, 7):
            store.append(block, fit_of(block))
        store.commit(complete=True)
    data = read_skymap(path)
    assert np.array_equal(data["uniq"], cells)
    assert np.array_equal(data["vertex"][:, 2], cells.astype("f4"))
    assert np.array_equal(data["status"], cells % 3)
    assert data.attrs["complete"]
    assert data.attrs["request"] == {"levels": [[8, 0]]}


def test_a_growing_map_shows_its_committed_rows(path: Path) -> None:
    cells = sky.all_cells(2)
    with SkyMapStore(path, ATTRIBUTES) as store:
        store.append(cells[:10], fit_of(cells[:10]))
        store.commit()
        store.append(cells[10:], fit_of(cells[10:]))
        assert read_skymap(path).sizes["cell"] == 10
        assert not read_skymap(path).attrs["complete"]
    assert read_skymap(path).sizes["cell"] == 48


def test_rows_beyond_the_committed_number_are_overwritten(path: Path) -> None:
    cells = sky.all_cells(2)
    with SkyMapStore(path, ATTRIBUTES) as store:
        store.append(cells[:10], fit_of(cells[:10]))
    group = zarr.open_group(path, mode="r+")
    for name in ("uniq", "nllh", "status"):  # a process died here, in the middle of a commit
        array = group[name]
        assert isinstance(array, zarr.Array)
        array.resize((30,))
        array[10:30] = 7
    (path / "nllh" / "c" / "0.1234.partial").write_bytes(b"half")
    assert read_skymap(path).sizes["cell"] == 10
    with SkyMapStore(path, ATTRIBUTES) as store:
        assert np.array_equal(store.uniq, cells[:10])
        store.append(cells[10:], fit_of(cells[10:]))
    data = read_skymap(path)
    assert np.array_equal(data["uniq"], cells)
    assert np.array_equal(data["nllh"], cells.astype(float))
    assert not list(path.rglob("*.partial"))


def test_a_store_cut_off_while_it_was_made_is_made_again(path: Path) -> None:
    with SkyMapStore(path, ATTRIBUTES):
        pass
    about = json.loads((path / "zarr.json").read_text())
    del about["attributes"]["rows"]
    (path / "zarr.json").write_text(json.dumps(about))
    (path / "vertex" / "zarr.json").unlink()
    with SkyMapStore(path, ATTRIBUTES) as store:
        store.append(sky.all_cells(1), fit_of(sky.all_cells(1)))
    assert read_skymap(path).sizes["cell"] == 12


def test_two_writers_are_refused_also_from_two_processes(path: Path) -> None:
    with SkyMapStore(path, ATTRIBUTES):
        with pytest.raises(StoreError, match="another process"):
            SkyMapStore(path, ATTRIBUTES)
        code = "import sys, pathlib, skymist.store.zarr as z; z.SkyMapStore(pathlib.Path(sys.argv[1]), {})"
        other = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
        assert "another process is writing" in other.stderr
    with SkyMapStore(path, ATTRIBUTES):
        pass


def test_another_scans_store_is_refused(path: Path) -> None:
    with SkyMapStore(path, ATTRIBUTES):
        pass
    with pytest.raises(StoreError, match="another scan"):
        SkyMapStore(path, {"scan_id": "other"})
    with SkyMapStore(path, ATTRIBUTES):
        pass


def test_what_is_no_store_is_one_clear_error(path: Path) -> None:
    with pytest.raises(ReadError, match=r"no zarr\.json"):
        read_skymap(path)
    path.mkdir()
    (path / "zarr.json").write_text("{")
    with pytest.raises(ReadError, match="not a sky map"):
        read_skymap(path)
    xr.Dataset({"x": ("y", [1])}).to_zarr(path, mode="w", zarr_format=3, consolidated=False)
    with pytest.raises(ReadError, match="not a sky map"):
        read_skymap(path)


def test_nothing_in_a_store_is_a_pickle(path: Path) -> None:
    with SkyMapStore(path, ATTRIBUTES) as store:
        store.append(sky.all_cells(1), fit_of(sky.all_cells(1)))
    assert "pickle" not in "".join(file.read_text() for file in path.rglob("zarr.json"))
