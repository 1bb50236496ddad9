"""What others take for the same sky map: ligo.skymap, mocpy and healpy beside ours, in one run.

    python benchmarks/peers.py [TRIALS]

Maps are made up (seeded), of three resolutions up to nside 512. Each part gives the same answer in both programs, or
is not compared: the 90 % region and its area, membership of 10,000 positions, the cells of 100,000 positions, a file
written and read. healpy has maps of one resolution only (3.1 million pixels here), which is told as what it is.
"""

import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import healpy as hp
import numpy as np
from astropy import units
from astropy.table import Table
from mocpy import MOC

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from maps import Tiling, random_map, stored
from measured import Tell, median_ms, results

from skymist.model import sky
from skymist.model.contour import contour
from skymist.model.region import region
from skymist.store.fits import read_map, write_multiorder
from skymist.store.zarr import read_skymap

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from ligo.skymap import io, postprocess

FINEST, ORDER = 512, 9
SHAPES = "round", "banana", "pole"
Work = Callable[[], object]


def main() -> None:
    """Compare on maps of each shape."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with results("peers") as tell:
        for seed, shape in enumerate(SHAPES):
            tiling = Tiling.of(random_map(seed, shape, FINEST))
            for work in (regions, members, cells, contours, files):
                work(tell, shape, tiling, trials)


def told(tell: Tell, shape: str, what: str, peer: str, ours: Work, theirs: Work, trials: int, leaves: int) -> None:
    """Time both, the slower kind fewer times."""
    mine, other = median_ms(ours, trials), median_ms(theirs, max(3, trials // 3))
    tell("parts", map=shape, leaves=leaves, what=what, peer=peer, ours_ms=mine, theirs_ms=other, ratio=other / mine)


def regions(tell: Tell, shape: str, tiling: Tiling, trials: int) -> None:
    """Compare the 90 % region of the probability, its cells and area."""
    uniq, flat = tiling.uniq.astype(np.uint64), flat_of(tiling)

    def of_ligo() -> float:
        level = postprocess.find_greedy_credible_levels(tiling.held, tiling.density)
        return float(sky.area_sr(tiling.uniq[level <= 0.9]).sum())

    def of_mocpy() -> float:
        moc = MOC.from_valued_healpix_cells(uniq, tiling.held, ORDER, cumul_to=0.9, strict=False)
        return float(moc.sky_fraction * 4 * np.pi)

    def of_healpy() -> float:
        order = np.argsort(-flat)
        return float((np.cumsum(flat[order]) <= 0.9).sum() * hp.nside2pixarea(FINEST))

    def ours() -> float:
        return region(tiling.data, 0.9, "probability").area_deg2

    for peer, theirs in (("ligo.skymap", of_ligo), ("mocpy", of_mocpy), ("healpy, one resolution", of_healpy)):
        assert abs(np.degrees(np.degrees(theirs())) - ours()) < 0.01 * ours(), f"{peer} has another area"
        told(tell, shape, "90 % region and area", peer, ours, theirs, trials, tiling.uniq.size)


def members(tell: Tell, shape: str, tiling: Tiling, trials: int) -> None:
    """Compare which of 10,000 positions lie in the 90 % region, the region being there."""
    ra, dec = positions(10_000)
    found = region(tiling.data, 0.9, "probability")
    orders = np.log2(sky.nside_of(found.cells)).astype(np.uint8)
    moc = MOC.from_healpix_cells(sky.ipix_of(found.cells).astype(np.uint64), orders, 29)
    lon, lat = ra * units.rad, dec * units.rad
    assert np.array_equal(moc.contains_lonlat(lon, lat), found.contains(ra, dec))
    told(
        tell, shape, "10,000 positions in a region", "mocpy",
        lambda: found.contains(ra, dec), lambda: moc.contains_lonlat(lon, lat), trials, tiling.uniq.size,
    )  # fmt: skip


def cells(tell: Tell, shape: str, tiling: Tiling, trials: int) -> None:
    """Compare the look-up of a map at 100,000 positions."""
    ra, dec = positions(100_000)
    flat = flat_of(tiling) / hp.nside2pixarea(FINEST)

    def of_healpy() -> np.ndarray:
        return np.asarray(flat[hp.ang2pix(FINEST, np.pi / 2 - dec, ra, nest=True)])

    def ours() -> np.ndarray:
        return np.asarray(tiling.density[sky.find(tiling.uniq, ra, dec)])

    np.testing.assert_allclose(of_healpy(), ours(), rtol=1e-9, atol=1e-100)
    told(
        tell, shape, "values at 100,000 positions", "healpy, one resolution", ours, of_healpy, trials, tiling.uniq.size
    )


def contours(tell: Tell, shape: str, tiling: Tiling, trials: int) -> None:
    """Compare the 90 % contour: ours from the cells, theirs from pixels of one resolution."""
    credible = postprocess.find_greedy_credible_levels(flat_of(tiling))
    told(
        tell, shape, "90 % contour", "ligo.skymap, one resolution",
        lambda: contour(tiling.data, 0.9, "probability"),
        lambda: list(postprocess.contour(credible, [0.9], nest=True, degrees=True)), trials, tiling.uniq.size,
    )  # fmt: skip


def files(tell: Tell, shape: str, tiling: Tiling, trials: int) -> None:
    """Compare a multi-order file, written and read."""
    table = Table({"UNIQ": tiling.uniq, "PROBDENSITY": tiling.density / units.sr})
    with tempfile.TemporaryDirectory() as name:
        data = read_skymap(stored(tiling.data, Path(name)))
        mine, other = f"{name}/ours.fits", f"{name}/theirs.fits"

        def of_ligo() -> None:
            io.write_sky_map(other, table, nest=True)

        told(
            tell, shape, "multi-order FITS, written", "ligo.skymap",
            lambda: write_multiorder(data, mine), of_ligo, trials, tiling.uniq.size,
        )  # fmt: skip
        told(
            tell, shape, "multi-order FITS, read", "ligo.skymap",
            lambda: read_map(mine), lambda: io.read_sky_map(other, moc=True), trials, tiling.uniq.size,
        )  # fmt: skip


def flat_of(tiling: Tiling) -> np.ndarray:
    """Return the probability of each pixel of the finest resolution, nested."""
    times = (FINEST // sky.nside_of(tiling.uniq)) ** 2
    first = sky.ipix_of(tiling.uniq) * times
    found = np.empty(12 * FINEST**2)
    for start, many, weight in zip(first, times, tiling.held, strict=True):
        found[start : start + many] = weight / many
    return found


def positions(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return isotropic positions, radians."""
    rng = np.random.default_rng(count)
    return rng.uniform(0, 2 * np.pi, count), np.arcsin(rng.uniform(-1, 1, count))


if __name__ == "__main__":
    main()
