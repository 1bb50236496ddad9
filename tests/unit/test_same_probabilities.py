"""One map, one probability: whoever reads our files, with whatever they like to use."""

import io
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import mhealpy
import numpy as np
import pytest
import xarray as xr
import xdggs
import zarr
from astropy.table import Table
from healpix_geo import zuniq
from maps import SHAPES, random_map

from skymist.api import maps as served
from skymist.model import sky, skymap
from skymist.model.request import Cone, parse_levels
from skymist.readers import fetch, read_event
from skymist.store.fits import write_multiorder
from skymist.store.place import place
from skymist.store.tiling import GROUP
from skymist.store.zarr import SkyMapStore, read_skymap
from skymist.workflow.scan import load_reconstruction, scan_event

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of NumPy, for how it documents its functions
    from ligo.skymap.io import read_sky_map

ATTRIBUTES = {
    "software": "skymist 0.1.0", "created": "2026-01-02T03:04:05+00:00", "request": {},
    "detector": {"name": "icecube-86", "latitude_deg": -89.99, "longitude_deg": -62.6, "x_bearing_deg": 152.6},
}  # fmt: skip


def stored(data: xr.Dataset, folder: Path) -> xr.Dataset:
    """Keep a map as a scan does, and return what is read of it."""
    with SkyMapStore(folder / "map.zarr", {**data.attrs, **ATTRIBUTES}) as store:
        store.append(data["uniq"].to_numpy(), skymap.fit_of(data))
        store.commit(complete=True)
    return read_skymap(folder / "map.zarr")


def expected(data: xr.Dataset) -> dict[int, float]:
    """Return the probability of each cell of the sky, as our own model has it."""
    tiling = skymap.leaves(data)
    cells = tiling["uniq"].to_numpy()
    rest = dict.fromkeys(sky.uncovered(cells).tolist(), 0.0)
    return {**by_cell(cells, skymap.probability(tiling)), **rest}


def by_cell(uniq: np.ndarray, density: np.ndarray) -> dict[int, float]:
    return dict(zip(uniq.tolist(), (density * sky.area_sr(uniq)).tolist(), strict=True))


def readings(data: xr.Dataset, folder: Path) -> Iterator[tuple[str, dict[int, float]]]:
    """Yield the probability of each cell as others read it."""
    file = write_multiorder(data, folder / "map.multiorder.fits.gz")
    ligo = read_sky_map(str(file), moc=True)
    yield "ligo.skymap", by_cell(np.asarray(ligo["UNIQ"]), np.asarray(ligo["PROBDENSITY"]))
    astropy = Table.read(str(file), hdu=1)
    yield "astropy", by_cell(np.asarray(astropy["UNIQ"]), np.asarray(astropy["PROBDENSITY"]))
    moc = mhealpy.HealpixMap.read_map(str(file), density=True)
    area = np.asarray(moc.pixarea(np.arange(moc.npix)).value)
    yield "mhealpy", dict(zip(moc.uniq.tolist(), (np.asarray(moc.data) * area).tolist(), strict=True))
    plain = xr.open_zarr(data.encoding["source"], group=GROUP).load()
    yield "xarray", by_cell(plain["uniq"].to_numpy(), plain["probdensity"].to_numpy())
    decoded = xdggs.decode(xr.open_zarr(data.encoding["source"], group=GROUP).load())
    ipix, order = zuniq.to_nested(decoded["cell_ids"].to_numpy())
    uniq = sky.uniq_of(2 ** order.astype(int), ipix)
    yield "xdggs", by_cell(uniq, decoded["probdensity"].to_numpy())


def check(data: xr.Dataset, folder: Path) -> None:
    right = expected(data)
    assert sum(right.values()) == pytest.approx(1)
    for reader, found in readings(data, folder):
        assert found.keys() == right.keys(), reader
        worst = max(abs(found[cell] - right[cell]) for cell in right)
        assert worst < 1e-6 * max(right.values()), reader


@pytest.mark.parametrize("seed", range(len(SHAPES)))
def test_of_a_random_map(seed: int, tmp_path: Path) -> None:
    check(stored(random_map(seed, finest=256), tmp_path), tmp_path)


def test_of_part_of_the_sky_with_failed_cells(tmp_path: Path) -> None:
    data = random_map(1, finest=128)
    rows = np.flatnonzero(data["uniq"].to_numpy() % 7 > 0)
    nllh = data["nllh"].where(data["uniq"] % 11 > 0)
    check(stored(data.assign(nllh=nllh).isel(cell=rows), tmp_path), tmp_path)


def test_of_the_scan_of_a_real_event(shared: Path, tmp_path: Path) -> None:
    event = read_event(fetch("138632/31747601", shared / "events"))
    reconstruction = replace(load_reconstruction("track-mpe", {}), starts=1)  # type: ignore[type-var]
    levels, cone = parse_levels("8:0,32:6,128:6"), Cone(140.0, 0.0, 60.0)
    check(scan_event(event, reconstruction, levels, cone, out=tmp_path), tmp_path)


def test_places_are_the_same_too(tmp_path: Path) -> None:
    data = stored(random_map(2, finest=128), tmp_path)
    tiles = xdggs.decode(xr.open_zarr(data.encoding["source"], group=GROUP).load())
    places = tiles.dggs.cell_centers()
    ra, dec = (np.radians(places[name].to_numpy()) for name in ("longitude", "latitude"))
    at = sky.find(tiles["uniq"].to_numpy(), ra, dec)
    assert np.array_equal(at, np.arange(tiles.sizes["tile"]))
    best = tiles.isel(tile=int(np.argmax(tiles["probdensity"].to_numpy())))
    assert float(best["ts"]) == float(tiles["ts"].min())
    cell = tiles["cell_ids"].to_numpy()[7]
    assert float(tiles.sel(cell_ids=cell)["probdensity"]) == float(tiles["probdensity"][7])


def test_what_is_served_is_the_same(tmp_path: Path) -> None:
    kept = place(stored(random_map(3, finest=128), tmp_path).encoding["source"])
    memory = zarr.storage.MemoryStore()
    with zipfile.ZipFile(io.BytesIO(served.archive(kept))) as file:
        names = file.namelist()
    for name in names:
        content = served.read(kept, name)
        assert content is not None
        memory._store_dict[name] = zarr.core.buffer.cpu.Buffer.from_bytes(content)
    with xr.open_zarr(memory, group=GROUP) as found, xr.open_zarr(str(kept), group=GROUP) as here:
        xr.testing.assert_identical(found.load(), here.load())
    for key in ("tiling/../zarr.json", "tiling/tiling/zarr.json", "tiling/none/zarr.json", "diagnostics/uniq/c/0"):
        assert served.read(kept, key) is None
