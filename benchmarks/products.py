"""Contours and files of a map: how long they take, contours beside what others do for the same map, in one run.

    python benchmarks/products.py [TRIALS]

Maps are made up (seeded), of three resolutions, with about 3,000, 4,000 and 15,000 leaves. The others are matplotlib's
tricontour, which triangulates the plane (right ascension and declination: no poles, no right ascension 0, no areas),
and contours of a grid of 500 x 500 positions in the plane, in which each has the value of its cell. Neither includes
the leaves of the map and its level, which ours does; the region of cells is there for comparison. Of the map with
4,000 leaves all files are written, in this process and by the command.
"""

import statistics
import subprocess
import sys
import time
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

from skymist.model import sky, skymap
from skymist.model.contour import contour, contours
from skymist.model.region import region
from skymist.store.zarr import read_skymap
from skymist.workflow.exports import export_all

matplotlib.use("Agg")

SIZES = ((24, 128, 200), (24, 128, 576), (24, 512, 200))
"""Cells of nside 8 that are refined to 64, then to what, and how many of those are."""


def main() -> None:
    """Print milliseconds and ratios."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    positions = np.random.default_rng(1).uniform([0, -1], [2 * np.pi, 1], (10_000, 2)).T
    for size in SIZES:
        data = banana(*size)
        ts = skymap.leaves(data)["ts"]
        print(f"\nmap of {ts.size} leaves, 90 % by calibration icecube-2016")
        ours = timed(lambda data=data: contour(data, 0.9), trials)
        drawn = contour(data, 0.9)
        rows = sum(len(ring) for ring in drawn.rings())
        print(f"contour                        {ours:8.2f} ms   {rows} points, {drawn.area_deg2:.3f} deg2")
        for name, other in (
            ("contours, 50 and 90 %", lambda data=data: contours(data)),
            ("region of cells", lambda data=data: region(data, 0.9)),
            ("matplotlib tricontour", of_matplotlib(data, drawn.ts)),
            ("grid in the plane", of_grid(data, drawn.ts)),
        ):
            theirs = timed(other, max(3, trials // 3))
            print(f"{name:<30} {theirs:8.2f} ms   {theirs / ours:.1f} times as long")
        took = timed(lambda drawn=drawn: drawn.contains(*positions), trials)
        print(f"10,000 positions within        {took:8.2f} ms")
    tell_exports(banana(*SIZES[1]), max(3, trials // 5))


def tell_exports(data: xr.Dataset, trials: int) -> None:
    """Print how long it takes to write a map in all formats."""
    with TemporaryDirectory() as folder:
        store, files = stored(data, Path(folder)), Path(folder, "files")
        data = read_skymap(store)
        command = [str(Path(sys.executable).with_name("skymist")), "map", "export", store, "--all", "--to", files]
        alone = timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL), trials)
        within = timed(lambda: export_all(data, files), trials)
    print(f"\nall files of the map of {skymap.leaves(data).sizes['cell']} leaves")
    print(f"by the command, with its start {alone:8.0f} ms")
    print(f"in a process that runs         {within:8.0f} ms")


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


def timed(work: Callable[[], object], trials: int) -> float:
    """Return the median milliseconds of some work, warm."""
    work()
    took = []
    for _ in range(trials):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e3


if __name__ == "__main__":
    main()
