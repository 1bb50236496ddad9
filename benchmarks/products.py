"""Contours and files of a map: how long they take, contours beside what others do for the same map, in one run.

    python benchmarks/products.py [TRIALS]

Maps are made up (seeded), of three resolutions, with about 3,000, 4,000 and 15,000 leaves. The others are matplotlib's
tricontour, which triangulates the plane (right ascension and declination: no poles, no right ascension 0, no areas),
and contours of a grid of 500 x 500 positions in the plane, in which each has the value of its cell. Neither includes
the leaves of the map and its level, which ours does; the region of cells is there for comparison. Of the map with
4,000 leaves all files are written, in this process and by the command.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib
import numpy as np
import xarray as xr

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from contourpy import contour_generator
from maps import of_cells, stored
from matplotlib import pyplot
from measured import Tell, median_ms, results

from skymist.model import sky, skymap
from skymist.model.contour import contour
from skymist.model.region import region
from skymist.store.zarr import read_skymap
from skymist.workflow.exports import export_all

matplotlib.use("Agg")

SIZES = ((24, 128, 200), (24, 128, 576), (24, 512, 200))
"""Cells of nside 8 that are refined to 64, then to what, and how many of those are."""


def main() -> None:
    """Draw contours of maps of each size, and write the files of one."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    positions = np.random.default_rng(1).uniform([0, -1], [2 * np.pi, 1], (10_000, 2)).T
    with results("products") as tell:
        for size in SIZES:
            data = banana(*size)
            drawn, ours = contour(data, 0.9), median_ms(lambda data=data: contour(data, 0.9), trials)
            plane = median_ms(of_matplotlib(data, drawn.ts), max(3, trials // 3))
            grid = median_ms(of_grid(data, drawn.ts), max(3, trials // 3))
            tell(
                "contours", leaves=skymap.leaves(data).sizes["cell"], ours_ms=ours,
                region_ms=median_ms(lambda data=data: region(data, 0.9), trials),
                positions_ms=median_ms(lambda drawn=drawn: drawn.contains(*positions), trials),
                tricontour_ms=plane, tricontour_ratio=plane / ours, grid_ms=grid, grid_ratio=grid / ours,
            )  # fmt: skip
        exports(banana(*SIZES[1]), max(3, trials // 5), tell)


def exports(data: xr.Dataset, trials: int, tell: Tell) -> None:
    """Write a map in all formats."""
    with TemporaryDirectory() as folder:
        store, files = stored(data, Path(folder)), Path(folder, "files")
        data = read_skymap(store)
        command = [str(Path(sys.executable).with_name("skymist")), "map", "export", store, "--all", "--to", files]
        alone = median_ms(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL), trials)
        within = median_ms(lambda: export_all(data, files), trials)
        count = sum(each.is_file() for each in files.rglob("*"))
    tell("files", leaves=skymap.leaves(data).sizes["cell"], files=count, command_ms=alone, in_process_ms=within)


def banana(keep: int, finest: int, keep_finest: int) -> xr.Dataset:
    """Return a bent map of three resolutions."""

    def nllh(uniq: sky.Ints) -> sky.Floats:
        x, y = (each / np.radians(1.5) for each in sky.to_plane(*sky.centers(uniq), 2.0, 0.4))
        return np.asarray(0.5 * (x**2 + ((y - x**2 / 8) / 0.5) ** 2))

    levels = [sky.all_cells(8)]
    for nside, best in ((64, keep), (finest, keep_finest)):
        last = levels[-1]
        levels.append(sky.children(last[np.argsort(nllh(last))[:best]], nside).ravel())
    cells = np.concatenate(levels)
    return of_cells(cells, nllh(cells))


def of_matplotlib(data: xr.Dataset, level: float) -> Callable[[], object]:
    """Return what contours a map's leaves with matplotlib."""
    tiling = skymap.leaves(data)
    ra, dec = sky.centers(tiling["uniq"].to_numpy())
    root = np.sqrt(tiling["ts"].to_numpy())
    _, axes = pyplot.subplots()
    return lambda: axes.tricontour(ra, dec, root, levels=[np.sqrt(level)]).remove()


def of_grid(data: xr.Dataset, level: float) -> Callable[[], object]:
    """Return what contours the values of a map on a grid."""
    tiling = skymap.leaves(data)
    cells, root = tiling["uniq"].to_numpy(), np.sqrt(tiling["ts"].to_numpy())
    ra, dec = np.meshgrid(2.0 + np.linspace(-0.3, 0.3, 500), 0.4 + np.linspace(-0.25, 0.25, 500))
    return lambda: contour_generator(ra, dec, root[sky.find(cells, ra, dec)]).lines(np.sqrt(level))


if __name__ == "__main__":
    main()
