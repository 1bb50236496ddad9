"""Sky maps of any shape, to compare what we make of them with what others do."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from skymist.model import sky, skymap
from skymist.model.reconstruction import Fit
from skymist.store.zarr import SkyMapStore

ATTRIBUTES = {
    "software": "skymist 0.1.0", "created": "2026-01-02T03:04:05+00:00", "request": {},
    "detector": {"name": "icecube-86", "latitude_deg": -89.99, "longitude_deg": -62.6, "x_bearing_deg": 152.6},
}  # fmt: skip
SHAPES = "round", "banana", "islands", "ring", "pole", "wrap"


@dataclass(frozen=True)
class Tiling:
    """A map, and its leaves with their density and probability, as others want them."""

    data: xr.Dataset
    uniq: np.ndarray
    density: np.ndarray
    held: np.ndarray

    @classmethod
    def of(cls, data: xr.Dataset) -> "Tiling":
        tiling = skymap.leaves(data)
        uniq, density = tiling["uniq"].to_numpy(), skymap.probability(tiling)
        return cls(data, uniq, density, density * sky.area_sr(uniq))


def random_map(seed: int, shape: str = "", finest: int = 512) -> xr.Dataset:
    """Return a map of three resolutions whose likelihood has some shape; the same for the same seed."""
    rng = np.random.default_rng(seed)
    shape = shape or SHAPES[seed % len(SHAPES)]
    ra, dec = rng.uniform(0, 2 * np.pi), np.arcsin(rng.uniform(-0.95, 0.95))
    if shape == "pole":
        dec = np.copysign(np.pi / 2 - rng.uniform(0.0, 0.02), rng.uniform(-1, 1))
    if shape == "wrap":
        ra = rng.uniform(-0.01, 0.01) % (2 * np.pi)
    width, other = np.radians(rng.uniform(0.8, 3.0)), rng.uniform(0, 2 * np.pi)

    def nllh(uniq: np.ndarray) -> np.ndarray:
        x, y = sky.to_plane(*sky.centers(uniq), ra, dec)
        x, y = np.cos(other) * x + np.sin(other) * y, np.cos(other) * y - np.sin(other) * x
        if shape == "banana":
            return 0.5 * ((x / width) ** 2 + ((y - x**2 / width) / (0.4 * width)) ** 2)
        if shape == "islands":
            two = [(x - side) ** 2 + y**2 for side in (-1.5 * width, 1.5 * width)]
            return np.minimum(two[0], two[1] + 0.2 * width**2) / (width / 2) ** 2
        if shape == "ring":
            return 0.5 * ((np.hypot(x, y) - 1.5 * width) / (0.3 * width)) ** 2 + 0.1 * (x / width)
        return 0.5 * ((x / width) ** 2 + (y / (0.6 * width)) ** 2)

    levels = [sky.all_cells(8)]
    for nside, keep in ((64, 24), (finest, 200)):
        last = levels[-1]
        levels.append(sky.children(last[np.argsort(nllh(last))[:keep]], nside).ravel())
    cells = np.concatenate(levels)
    return skymap.validate(of_cells(cells, nllh(cells)), "a random map")


def of_cells(cells: np.ndarray, nllh: np.ndarray) -> xr.Dataset:
    """Return a finished map of cells and their likelihoods."""
    nothing = np.zeros(cells.size)
    fit = Fit(nllh, nothing, nothing, np.zeros((cells.size, 3)), np.zeros(cells.size, np.uint8))
    attributes = {
        "scan_id": "0" * 64, "complete": True, "reconstruction": {"name": "bowl", "version": "1", "options": {}},
        "event": {"run": 1, "event": 2, "utc": "2026-03-04T05:06:07", "mjd": 61103.2, "kind": "", "simulated": True},
    }  # fmt: skip
    return skymap.create(cells, fit, attributes)


def stored(data: xr.Dataset, folder: Path, name: str = "map.zarr") -> Path:
    """Keep a map as a scan does."""
    with SkyMapStore(folder / name, {**data.attrs, **ATTRIBUTES}) as store:
        store.append(data["uniq"].to_numpy(), skymap.fit_of(data))
        store.commit(complete=True)
    return folder / name
