"""Best fit and regions: where the particle came from, and how well that is known.

A region is the set of leaves of a map whose test statistic TS = 2 (nllh - best) does not exceed a
level. What level holds which share of the truth is a question of calibration; every region names
the one it used.

Positions are ICRS in radians; areas and errors, which are read by people, are in degrees.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from skymist.errors import RequestError, UnknownNameError
from skymist.model import sky
from skymist.model import skymap as maps
from skymist.model.sky import Floats, Ints

DEFAULT_CALIBRATION = "icecube-2016"

_FIT_RADIUS = 2.1
"""Cell widths around the best cell used for interpolation: 13 cells where the grid is square."""
_FIT_LIMIT_RAD = 0.5
"""Farther out the sky is not flat enough for a paraboloid."""


@dataclass(frozen=True)
class Calibration:
    """How a containment becomes a TS level.

    Attributes
    ----------
    name : str
    level : callable
        (tiling from `skymap.leaves`, containment) -> TS level.
    """

    name: str
    level: Callable[[xr.Dataset, float], float]

    @classmethod
    def of_table(cls, name: str, levels: Mapping[float, float]) -> "Calibration":
        """Return a calibration that knows a few containments, such as levels from re-simulation.

        Parameters
        ----------
        name : str
        levels : mapping of float to float
            TS level by containment.
        """

        def look_up(_: xr.Dataset, containment: float) -> float:
            if containment not in levels:
                known = ", ".join(str(value) for value in sorted(levels))
                raise RequestError(f"calibration {name!r} has no containment {containment}; it has: {known}")
            return levels[containment]

        return cls(name, look_up)


class LevelRange(NamedTuple):
    """A TS level, and the interval that holds the true one in 68 % of all cases or more."""

    ts: float
    low: float
    high: float


@dataclass(frozen=True)
class BestFit:
    """The cell of the lowest negative log-likelihood.

    Attributes
    ----------
    row : int
        Of the sky map.
    uniq : int
        The cell.
    ra, dec : float
        Its centre, ICRS in radians. This is the position that errors count from.
    nllh, energy_gev, time_ns : float
    vertex : tuple of float
        Metres, detector coordinates.
    ra_interpolated, dec_interpolated : float
        The minimum of a paraboloid through the cells around, radians; the centre where there is none.
    """

    row: int
    uniq: int
    ra: float
    dec: float
    nllh: float
    energy_gev: float
    time_ns: float
    vertex: tuple[float, float, float]
    ra_interpolated: float
    dec_interpolated: float


@dataclass(frozen=True, eq=False)
class Region:
    """The leaves within a TS level of the best fit, islands included.

    Errors are the extent of the cells, corners included, from the best fit's cell centre: they
    bound exactly the area that is counted. A region that reaches a celestial pole has 180 degrees
    of error in right ascension on both sides.

    Attributes
    ----------
    containment : float
        Such as 0.9.
    calibration : str
    ts : float
        The level.
    area_deg2 : float
    ra_plus, ra_minus, dec_plus, dec_minus : float
        Degrees of right ascension and declination, not negative.
    cells : (n,) int64
        NUNIQ numbers.
    open : bool
        Whether it may go on beyond what was looked at: it touches cells that were not evaluated
        at the finest resolution of the map, or the edge of a cone.
    """

    containment: float
    calibration: str
    ts: float
    area_deg2: float
    ra_plus: float
    ra_minus: float
    dec_plus: float
    dec_minus: float
    cells: Ints
    open: bool

    def contains(self, ra: ArrayLike, dec: ArrayLike) -> NDArray[np.bool_]:
        """Return whether positions lie in the region.

        Parameters
        ----------
        ra, dec : float or array
            ICRS, radians.
        """
        return np.asarray(sky.find(self.cells, ra, dec) >= 0)


def region(skymap: xr.Dataset, containment: float, calibration: str | Calibration = DEFAULT_CALIBRATION) -> Region:
    """Return the region that holds the truth with the given probability, as far as the calibration goes.

    Parameters
    ----------
    skymap : xarray.Dataset
        A sky map.
    containment : float
        Share of the truth, between 0 and 1.
    calibration : str or Calibration
        Which TS level that takes.

    Raises
    ------
    RequestError
        If the containment is not between 0 and 1, or not one of those that were calibrated, or the map has no
        calibration of its own and that was asked for.
    UnknownNameError
        If no calibration has that name.
    ReadError
        If the map has no finite value.
    """
    return finder(skymap)(containment, calibration)


def finder(skymap: xr.Dataset) -> Callable[[float, str | Calibration], Region]:
    """Return `region` of one map, for several of its regions: what they share is done once.

    Raises
    ------
    ReadError
        If the map has no finite value.
    """
    best, tiling = best_fit(skymap), maps.leaves(skymap)

    def find(containment: float, calibration: str | Calibration) -> Region:
        calibration = find_calibration(calibration)
        level = level_in(tiling, containment, calibration)
        cells = tiling["uniq"].to_numpy()[tiling["ts"].to_numpy() <= level]
        area = float(np.degrees(np.degrees(np.sum(sky.area_sr(cells)))))
        extent = _extent(cells, best.ra, best.dec)
        return Region(containment, calibration.name, level, area, *extent, cells, _is_open(skymap, cells))

    return find


def find_calibration(calibration: str | Calibration) -> Calibration:
    """Return the calibration of that name.

    Raises
    ------
    UnknownNameError
    """
    if isinstance(calibration, Calibration):
        return calibration
    known = {**CALIBRATIONS, POPULATION.name: POPULATION, RESIMULATED.name: RESIMULATED}
    if calibration not in known:
        raise UnknownNameError("calibration", calibration, known)
    return known[calibration]


def level_in(tiling: xr.Dataset, containment: float, calibration: Calibration) -> float:
    """Return the TS that no leaf of a region exceeds; leaves as of `skymist.model.skymap.leaves`.

    Raises
    ------
    RequestError
        As `region` does.
    """
    if not 0 < containment < 1:
        raise RequestError(f"containment {containment} is not between 0 and 1, such as 0.9")
    # The best cell may be a coarse one, all of whose children are worse than the level: the best of them is in it.
    return max(calibration.level(tiling, containment), float(tiling["ts"].min()))


def level_of(ts: Floats, containment: float) -> LevelRange:
    """Return the level that the next TS does not exceed with this probability, from n that are known.

    It is the k-th smallest of n, k = containment (n + 1), rounded up: that holds whatever the distribution is. How many
    values lie below the true quantile is binomial, which gives the interval, exactly and without an assumption as well.
    """
    from scipy.stats import binom  # takes a while to import

    n = len(ts)
    ordered = np.concatenate([[0.0], np.sort(ts), [np.inf]])
    k = min(int(np.ceil(containment * (n + 1) - 1e-9)), n)
    low, high = (int(binom.ppf(tail, n, containment)) for tail in (0.16, 0.84))
    return LevelRange(float(ordered[k]), float(ordered[low]), float(ordered[high + 1]))


def wilks_scale(ts: Floats, containment: float = 0.9) -> tuple[float, float]:
    """Return by how much TS is larger than chi-squared with two degrees of freedom, and the error of that.

    The maximum of the likelihood if only those up to the quantile are known and the others are larger:
    a few that are very much so do not matter.
    """
    k = max(int(containment * len(ts)), 1)
    ordered = np.sort(ts)  # so that the sum, too, does not depend on who was done first
    scale = np.minimum(ordered, ordered[k - 1]).sum() / (2 * k)
    return float(scale), float(scale / np.sqrt(k))


def best_fit(skymap: xr.Dataset) -> BestFit:
    """Return the best cell and the interpolated minimum.

    Parameters
    ----------
    skymap : xarray.Dataset
        A sky map.

    Raises
    ------
    ReadError
        If the map has no finite value.
    """
    row = maps.best(skymap)
    uniq = int(skymap["uniq"].to_numpy()[row])
    ra, dec = (float(angle) for angle in sky.centers(uniq))
    nllh, energy, time = (float(skymap[name].to_numpy()[row]) for name in ("nllh", "energy", "time"))
    x, y, z = (float(metres) for metres in skymap["vertex"].to_numpy()[row])
    smooth_ra, smooth_dec = _interpolated(skymap, uniq, ra, dec)
    return BestFit(row, uniq, ra, dec, nllh, energy, time, (x, y, z), smooth_ra, smooth_dec)


def _wilks(_: xr.Dataset, containment: float) -> float:
    """Return the quantile of chi-squared with two degrees of freedom (Wilks 1938): 1.386, 4.605."""
    return float(-2 * np.log1p(-containment))


def _highest_density(tiling: xr.Dataset, containment: float) -> float:
    """Return the TS of the last leaf that the smallest set with this probability needs.

    Leaves of equal TS go in together.
    """
    held = maps.probability(tiling) * sky.area_sr(tiling["uniq"].to_numpy())
    ts = tiling["ts"].to_numpy()
    best_first = np.argsort(ts)  # NaN last
    total = np.cumsum(held[best_first])
    last = np.searchsorted(total, containment * total[-1])
    return float(ts[best_first[last]])


def _resimulated(tiling: xr.Dataset, containment: float) -> float:
    """Return the level that pseudo-experiments of this very event gave, which stands in the map."""
    found = tiling.attrs.get("calibration")
    if found is None:
        raise RequestError("the map has no calibration of its own: run skymist calibrate EVENT --map MAP first")
    levels = {float(share) / 100: level["ts"] for share, level in found["levels"].items()}
    levels = {share: np.inf if ts is None else float(ts) for share, ts in levels.items()}
    return Calibration.of_table(RESIMULATED.name, levels).level(tiling, containment)


def _population(tiling: xr.Dataset, containment: float) -> float:
    """Return the level that holds for simulated events that the same reconstruction was run on.

    For some reconstructions it depends on the topology, which the map says then.
    """
    if "floor" in tiling.attrs:
        raise RequestError(
            "calibration 'population' knows nothing of maps with a floor: its levels are of maps without"
        )
    about = tiling.attrs.get("reconstruction", {})
    name = about.get("name", "")
    topology = about.get("topology") or about.get("chosen", {}).get("topology")
    levels = population_levels().get(f"{name}/{topology}") or population_levels().get(name)
    if levels is None:
        known = ", ".join(sorted(population_levels()))
        asked = f"the reconstruction {name!r}" + (f" of what is {topology}" if topology else "")
        raise RequestError(f"calibration 'population' knows nothing of {asked}; it knows: {known}")
    return Calibration.of_table(POPULATION.name, levels).level(tiling, containment)


def population_of(reconstruction: str) -> bool:
    """Tell whether `POPULATION` has levels for a reconstruction."""
    return any(name.partition("/")[0] == reconstruction for name in population_levels())


@cache
def population_levels() -> Mapping[str, Mapping[float, float]]:
    """Return TS levels by reconstruction (or RECONSTRUCTION/TOPOLOGY) and containment; see ``tools/fit_levels.py``."""
    rows = [line.split(",") for line in LEVELS_TABLE.read_text().splitlines() if not line.startswith("#")][1:]
    found: dict[str, dict[float, float]] = {}
    for name, containment, ts, *_ in rows:
        found.setdefault(name, {})[float(containment)] = float(ts)
    return found


LEVELS_TABLE = Path(__file__).parent / "tables" / "levels.csv"

RESIMULATED = Calibration("resimulated", _resimulated)
"""That of the map itself, which most maps do not have: so it is not one of `CALIBRATIONS`, which fit any map."""

POPULATION = Calibration("population", _population)
"""That of a built-in reconstruction; nor is it one of `CALIBRATIONS`, because there are others."""

CALIBRATIONS: Mapping[str, Calibration] = {
    entry.name: entry
    for entry in (
        Calibration("wilks", _wilks),
        # IceCube found these by re-simulating one event under varied ice, and uses them for its other alerts.
        Calibration.of_table("icecube-2016", {0.5: 22.2, 0.9: 64.2}),
        Calibration("probability", _highest_density),
    )
}


def _extent(cells: Ints, ra: float, dec: float) -> tuple[float, float, float, float]:
    """Return ra_plus, ra_minus, dec_plus, dec_minus of the cells' corners, in degrees."""
    corner_ra, corner_dec = sky.lonlat(sky.corners(cells))
    north = np.degrees(corner_dec - dec)
    east = np.degrees((corner_ra - ra + np.pi) % (2 * np.pi) - np.pi)
    if np.any(np.pi / 2 - np.abs(corner_dec) < 1e-9):  # a pole has every right ascension
        east = np.array([-180.0, 180.0])
    return float(east.max()), float(-east.min()), float(north.max()), float(-north.min())


def _is_open(skymap: xr.Dataset, cells: Ints) -> bool:
    """Return whether cells, or those they touch, are not among the finest of the map."""
    uniq = skymap["uniq"].to_numpy()
    nside = sky.nside_of(uniq)
    known = uniq[nside == nside.max()]
    return not (np.isin(cells, known).all() and np.isin(sky.neighbours(cells), known).all())


def _interpolated(skymap: xr.Dataset, uniq: int, ra: float, dec: float) -> tuple[float, float]:
    """Return the minimum of a paraboloid fitted to the cells of the same size around a cell.

    It counts only if it is a minimum and lies within one cell width of the centre.
    """
    cells, nllh = skymap["uniq"].to_numpy(), skymap["nllh"].to_numpy()
    width = float(np.sqrt(sky.area_sr(uniq)))
    near = np.flatnonzero((sky.nside_of(cells) == sky.nside_of(uniq)) & np.isfinite(nllh))
    near = near[sky.separation(*sky.centers(cells[near]), ra, dec) < min(_FIT_RADIUS * width, _FIT_LIMIT_RAD)]
    near = near[np.argsort(cells[near])]  # in whatever order they came in
    x, y = (offset / width for offset in sky.to_plane(*sky.centers(cells[near]), ra, dec))
    offset = _paraboloid_minimum(x, y, nllh[near])
    if offset is None or np.hypot(*offset) > 1:
        return ra, dec
    found_ra, found_dec = sky.from_plane(offset[0] * width, offset[1] * width, ra, dec)
    return float(found_ra), float(found_dec)


def _paraboloid_minimum(x: Floats, y: Floats, value: Floats) -> Floats | None:
    """Return where the least-squares paraboloid is lowest, None if it is none or has no minimum."""
    design = np.stack([np.ones_like(x), x, y, x**2 / 2, x * y, y**2 / 2], axis=-1)
    if len(x) < 8 or np.linalg.matrix_rank(design) < 6:
        return None
    _, gx, gy, hxx, hxy, hyy = np.linalg.lstsq(design, value - value.min(), rcond=None)[0]
    hessian = np.array([[hxx, hxy], [hxy, hyy]])
    if not np.all(np.linalg.eigvalsh(hessian) > 0):
        return None
    return np.asarray(-np.linalg.solve(hessian, [gx, gy]))
