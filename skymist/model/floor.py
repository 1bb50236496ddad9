"""Floor: a sky map whose probability is smeared by a Gaussian, for what the likelihood does not know.

IceCube takes 0.2 degrees for tracks fitted with splines, whose statistical error may be smaller than what is known of
the ice and of the pointing.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from skymist.errors import RequestError
from skymist.model import sky
from skymist.model import skymap as maps
from skymist.model.cells import divided
from skymist.model.reconstruction import Fit, Status
from skymist.model.sky import Floats, Ints

CELLS_LIMIT = 200_000
"""Of a map that has a floor, where that needs fine cells."""
WIDEST_DEG = 20.0

_WIDTH = 0.3
"""Width of the cells that result, at most, in units of sigma; where the map was not finest, twice as much."""
_REACH = 9.0
"""How far from a source the Gaussian goes, in units of sigma: its TS is 81 there, more than any level in use."""
_SOURCE_TS = 100.0
"""What is less probable than this is not smeared: it only shows where nothing more probable is near."""
_BLOCK = 4.0
"""Width of the parts of the sky that are done at once, at least, in units of sigma."""
_NOTHING = 16.0
"""Natural logarithm of what one source may be less than another one, so that it need not be added: 1e-7."""
_PAIRS = 50_000
"""Of sources and cells that are looked at at once: they stay in the cache, and a product of matrices that small is made
in one thread. Threads would wait for each other where others work as well, many times longer than the product takes."""
_AT_ONCE = 5_000
"""Sources of these, at most."""
_LONGEST = 1.05
"""No corner of a cell is farther from its centre, in roots of its area."""

_Bools = NDArray[np.bool_]


def with_floor(skymap: xr.Dataset, sigma_deg: float) -> xr.Dataset:
    """Return a sky map whose probability is that of a map, convolved with a Gaussian on the sphere.

    The kernel is Fisher's, ``exp(cos(angle) / sigma**2)`` (Fisher 1953, Proc. R. Soc. A 217, 295), so that sigma is the
    error of each of the two axes where it is small. All that is within TS 100 of the best fit is smeared; what is less
    probable stays, and so do cells beyond 9 sigma. The values of a cell other than the likelihood are those of the leaf
    it comes from.

    Parameters
    ----------
    skymap : xarray.Dataset
        A sky map, see `skymist.model.skymap`.
    sigma_deg : float
        From 0, which changes nothing, to 20 degrees.

    Returns
    -------
    xarray.Dataset
        A sky map without coarse cells under finer ones, whose ``nllh`` is the negative logarithm of the probability, so
        that TS = -2 ln(p / p_max); its lowest value is that of the given map. Near the best fit all cells are at most
        0.3 sigma wide, or twice that where the given map had not been evaluated at its finest resolution, so that
        ``open`` of a region still says what it says. A cell that failed counts as no failure where the smeared
        probability of others gives it a value. Where a cone ends, what would go beyond is lost, and the rest is
        normalised; cells on that edge are taken whole, so that it may move out by one of them. The attribute
        ``floor`` says sigma; levels of re-simulation, which are not those of this map, are left out. Of a map with a
        floor the squares of both add up.

    Raises
    ------
    RequestError
        If sigma makes no sense, or the floor needs more than `CELLS_LIMIT` cells.
    ReadError
        If the map has no finite value.
    """
    if not 0 <= sigma_deg <= WIDEST_DEG:
        raise RequestError(f"a floor of {sigma_deg} deg makes no sense: it goes from 0 to {WIDEST_DEG:g}, such as 0.2")
    if sigma_deg == 0:
        return skymap
    sigma = float(np.radians(sigma_deg))
    nside = _nside(_WIDTH * sigma)
    leaves = maps.leaves(skymap)
    sources = _Sources.of(leaves, max(nside // 2, 1), sigma_deg)
    tiles = _refined(_Tiles.of(leaves, skymap["uniq"].to_numpy(), nside), sources, nside, sigma, sigma_deg)
    with np.errstate(divide="ignore"):  # far away there is none
        smeared = np.log(_convolved(sources, tiles, sigma))
    value = -np.logaddexp(smeared, tiles.log_rest)
    best = float(skymap["nllh"].to_numpy()[maps.best(skymap)])
    value = np.where(np.isfinite(value), value - value.min() + best, np.nan)
    fit = maps.fit_of(skymap.isel(cell=tiles.row))
    attributes = {key: known for key, known in skymap.attrs.items() if key != "calibration"}
    before = float(skymap.attrs.get("floor", {}).get("sigma_deg", 0.0))
    attributes["floor"] = {"sigma_deg": float(np.hypot(before, sigma_deg)), "kernel": "Fisher"}
    status = np.where(np.isfinite(value) & (fit.status == Status.FAILED), Status.OK, fit.status)
    smeared_fit = Fit(value, fit.energy_gev, fit.time_ns, fit.vertex, status.astype(fit.status.dtype))
    return maps.create(tiles.uniq, smeared_fit, attributes)


@dataclass(frozen=True, eq=False)
class _Tiles:
    """Cells without overlaps, and what is known of them."""

    uniq: Ints
    log_rest: Floats
    """Logarithm of the density of what is not smeared, which may be too small for a number."""
    row: Ints
    finest: _Bools
    """Whether it was looked at with the finest resolution of the map, even if that failed."""

    @classmethod
    def of(cls, leaves: xr.Dataset, known: Ints, nside: int) -> "_Tiles":
        """Return leaves; those that are finer than nside as their parents, with what they hold."""
        uniq, row = leaves["uniq"].to_numpy(), leaves["row"].to_numpy()
        level, log_density = sky.nside_of(uniq), _log_density(leaves)
        log_mass = log_density + np.log(sky.area_sr(uniq))
        parent = uniq // np.maximum(level // nside, 1) ** 2
        new = np.diff(parent, prepend=0) != 0  # leaves are sorted along the sky
        first = np.flatnonzero(new)
        best = np.lexsort((-log_mass, np.cumsum(new)))[first]
        rest = np.logaddexp.reduceat(np.where(_is_source(log_density), -np.inf, log_mass), first)
        finest = np.logical_and.reduceat(np.isin(uniq, known) & (level == level.max()), first)
        return cls(parent[first], rest - np.log(sky.area_sr(parent[first])), row[best], finest)

    def take(self, rows: Ints, uniq: Ints) -> "_Tiles":
        """Return parts of some tiles."""
        return _Tiles(uniq, self.log_rest[rows], self.row[rows], self.finest[rows])


@dataclass(frozen=True, eq=False)
class _Sources:
    """Points that stand for the probability of the cells around them."""

    at: Floats
    mass: Floats
    variance: Floats
    """Of a cell, by each axis, radians**2."""
    width: float

    @classmethod
    def of(cls, leaves: xr.Dataset, nside: int, sigma_deg: float) -> "_Sources":
        """Return the sources of a map: one in each cell of nside, at the centre of what is in it."""
        log_density = _log_density(leaves)
        held = _is_source(log_density)
        uniq, log_density = leaves["uniq"].to_numpy()[held], log_density[held]
        level = sky.nside_of(uniq)
        _check(int(np.sum(np.maximum(nside // level, 1) ** 2)), sigma_deg)
        fine, rows = _split(uniq, np.maximum(level, nside))
        area = sky.area_sr(fine)
        mass = np.exp(log_density)[rows] * area
        _, cell = np.unique(sky.parent(fine, nside), return_inverse=True)
        total = np.bincount(cell, mass).astype(float)
        points = sky.unit(*sky.centers(fine))
        at = np.stack([np.bincount(cell, mass * each) for each in points.T], axis=-1) / total[:, None]
        off = np.sum((points - at[cell]) ** 2, axis=1) / 2 + area / 12  # that of a square
        at /= np.linalg.norm(at, axis=1, keepdims=True)
        width = float(np.sqrt(np.pi / 3) / nside)
        return cls(at, total, np.bincount(cell, mass * off) / total, width)


def _log_density(leaves: xr.Dataset) -> Floats:
    """Return the logarithm of the probability density of leaves, in units of the highest; none has -inf."""
    nllh = leaves["nllh"].to_numpy()
    return np.where(np.isfinite(nllh), np.nanmin(nllh) - nllh, -np.inf)


def _is_source(log_density: Floats) -> _Bools:
    return np.asarray(log_density >= -_SOURCE_TS / 2)


def _refined(tiles: _Tiles, sources: _Sources, nside: int, sigma: float, sigma_deg: float) -> _Tiles:
    """Return tiles that are fine wherever the Gaussian of a source goes."""
    tree = cKDTree(sources.at)
    wanted = np.where(tiles.finest, nside, max(nside // 2, 1))
    rows, uniq = np.arange(tiles.uniq.size), tiles.uniq
    done_rows, done = [], []
    while uniq.size:
        reach = _REACH * sigma + _LONGEST * (np.sqrt(sky.area_sr(uniq)) + sources.width)
        coarse = sky.nside_of(uniq) < wanted[rows]
        far, _ = tree.query(sky.unit(*sky.centers(uniq)))
        coarse &= far <= 2 * np.sin(np.minimum(reach, np.pi) / 2)
        done_rows.append(rows[~coarse])
        done.append(uniq[~coarse])
        rows, uniq = np.repeat(rows[coarse], 4), divided(uniq[coarse], 1).ravel()
        _check(uniq.size + sum(len(each) for each in done), sigma_deg, tiles.uniq.size)
    rows, uniq = np.concatenate(done_rows), np.concatenate(done)
    order = np.argsort(sky.zuniq_of(uniq))
    return tiles.take(rows[order], uniq[order])


def _convolved(sources: _Sources, tiles: _Tiles, sigma: float) -> Floats:
    """Return the density that the sources give at the centres of the tiles."""
    at = sky.unit(*sky.centers(tiles.uniq))
    found = np.zeros(len(at))
    kappa = 1 / (sigma**2 + sources.variance)
    log_height = np.log(sources.mass * kappa / (2 * np.pi * -np.expm1(-2 * kappa)))
    tree = cKDTree(sources.at)
    block = sky.cell_at(_nside(_BLOCK * sigma, finest=False), *sky.lonlat(at))
    order = np.argsort(block, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(block[order])) + 1):
        middle = at[rows].mean(axis=0)
        middle /= np.linalg.norm(middle)
        offset = at[rows] - middle
        around = float(np.sqrt(np.max(np.sum(offset**2, axis=1))))  # chords all along: 2 (1 - cos) is their square
        reach = around + min(_REACH * sigma + 3 * sources.width, 2.0)
        near = np.array(tree.query_ball_point(middle, reach, return_sorted=False), np.int64)
        if near.size:
            near, away = _that_matter(sources.at[near] - middle, near, kappa, log_height, around)
            found[rows] = _sums(offset, away, kappa[near], log_height[near])
    return found


def _that_matter(away: Floats, near: Ints, kappa: Floats, log_height: Floats, around: float) -> tuple[Ints, Floats]:
    """Leave out sources that are nothing beside the others, wherever one is in a block."""
    distance = np.sqrt(np.sum(away**2, axis=1))
    most, least = (
        log_height[near] - kappa[near] / 2 * each**2 for each in (np.maximum(distance - around, 0), distance + around)
    )
    kept = most > least.max() - _NOTHING
    return near[kept], away[kept]


def _sums(at: Floats, sources: Floats, kappa: Floats, log_height: Floats) -> Floats:
    """Return the sum over sources of height times exp(-kappa / 2 * distance**2), with one product of matrices."""
    left = np.column_stack([at, np.sum(at**2, axis=1), np.ones(len(at))])
    constant = log_height - kappa / 2 * np.sum(sources**2, axis=1)
    right = np.column_stack([sources * kappa[:, None], -kappa / 2, constant])
    total = np.zeros(len(at))
    for some in np.array_split(right, 1 + len(right) // _AT_ONCE):
        step = _PAIRS // len(some)
        total += np.concatenate([np.exp(left[k : k + step] @ some.T).sum(axis=1) for k in range(0, len(left), step)])
    return total


def _split(uniq: Ints, nside: Ints) -> tuple[Ints, Ints]:
    """Return the children of cells that each of them has at a resolution of its own, and whose they are."""
    number = (nside // sky.nside_of(uniq)) ** 2
    rows = np.repeat(np.arange(uniq.size), number)
    within = np.arange(rows.size) - np.repeat(np.cumsum(number) - number, number)
    return np.asarray((uniq * number)[rows] + within), rows


def _nside(width: float, finest: bool = True) -> int:
    """Return the resolution whose cells are no wider, or else the one before it."""
    order = np.log2(np.sqrt(np.pi / 3) / width)
    return int(2 ** np.clip(np.ceil(order) if finest else np.floor(order), 0, 29))


def _check(cells: int, sigma_deg: float, given: int = 0) -> None:
    if cells > CELLS_LIMIT + given:
        raise RequestError(
            f"a floor of {sigma_deg:g} deg needs more than {CELLS_LIMIT:,} cells: the map is too coarse, or too "
            "wide, for so small a floor"
        )
