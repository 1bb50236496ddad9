"""Comparison of two sky maps: how far apart they are, how alike, and how much of their regions they share.

The maps may be of any resolutions, of the same event or not, ours or of other programs. Both are brought to the tiling
that has the finer of their cells at each place, without interpolation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from skymist.model import region as regions
from skymist.model import sky
from skymist.model import skymap as maps
from skymist.model.region import DEFAULT_CALIBRATION, Calibration
from skymist.model.sky import Floats, Ints


@dataclass(frozen=True)
class Overlap:
    """What the regions of two maps have in common.

    Attributes
    ----------
    containment : float
    area_a_deg2, area_b_deg2 : float
        Of each region.
    common_deg2, union_deg2 : float
        Of what is in both, and in one of them at least.
    iou : float
        Intersection over union (Jaccard index): 0 if nothing is in both, 1 if they are the same.
    probability_of_a_in_b, probability_of_b_in_a : float
        That one map gives to the region of the other.
    """

    containment: float
    area_a_deg2: float
    area_b_deg2: float
    common_deg2: float
    union_deg2: float
    iou: float
    probability_of_a_in_b: float
    probability_of_b_in_a: float


@dataclass(frozen=True)
class Comparison:
    """How two maps, a and b, relate; see `compare`.

    Attributes
    ----------
    separation_deg : float
        Between the best fits, which are centres of cells.
    position_angle_deg : float
        Bearing of the best fit of b as seen from that of a, north through east, 0 to 360; 0 if they are the same.
    ts_of_b_in_a, ts_of_a_in_b : float
        Test statistic of one map at the best fit of the other; NaN if that was not scanned.
    jensen_shannon_bits : float
        Divergence of the probabilities: 0 if they are the same, 1 if they have no place in common.
    overlaps : tuple of Overlap
        One for each containment.
    same_event : bool
        Whether both maps say that they are of the same run and event.
    calibration : str
        Of the regions.
    """

    separation_deg: float
    position_angle_deg: float
    ts_of_b_in_a: float
    ts_of_a_in_b: float
    jensen_shannon_bits: float
    overlaps: tuple[Overlap, ...]
    same_event: bool
    calibration: str


@dataclass(frozen=True)
class Agreement:
    """Whether two maps have the same cells with the same values; see `agreement`.

    Attributes
    ----------
    common, only_a, only_b : int
        Cells that both maps have, and that only one has.
    failed_in_one : int
        Of those that both have, cells that have a value in one of them only.
    nllh : float
        Largest absolute difference of the negative log-likelihood; NaN where no cell has a value in both.
    energy : float
        Largest difference of the energy as a share of the larger one; NaN where no cell has an energy in both.
    """

    common: int
    only_a: int
    only_b: int
    failed_in_one: int
    nllh: float
    energy: float

    def within(self, nllh: float = 1e-6, energy: float = 1e-3) -> bool:
        """Return whether both maps have the same cells and failures, and values that differ by no more than that.

        Energies that are not known do not count.
        """
        same_cells = not (self.only_a or self.only_b or self.failed_in_one)
        return same_cells and self.nllh <= nllh and not self.energy > energy


def compare(
    a: xr.Dataset,
    b: xr.Dataset,
    containments: Sequence[float] = (0.5, 0.9),
    calibration: str | Calibration = DEFAULT_CALIBRATION,
) -> Comparison:
    """Compare two sky maps.

    Swapped maps give the same numbers under swapped names; only the position angle is another one, as it is
    seen from the other place. Sky that a map did not scan has no probability there.

    Parameters
    ----------
    a, b : xarray.Dataset
        Sky maps.
    containments : sequence of float
        Of the regions that are compared, each between 0 and 1.
    calibration : str or Calibration
        Of the regions of both.

    Returns
    -------
    Comparison
        The divergence is that of Lin (1991, IEEE Trans. Inf. Theory 37, 145), to base 2.

    Raises
    ------
    RequestError
        If a containment is not between 0 and 1, or not one of those that were calibrated.
    UnknownNameError
        If no calibration has that name.
    ReadError
        If a map has no finite value.
    """
    calibration = regions.find_calibration(calibration)
    fit_a, fit_b = regions.best_fit(a), regions.best_fit(b)
    tiles, leaves = difference(a, b), (maps.leaves(a), maps.leaves(b))
    here_a, here_b = (sky.find(tiles["uniq"].to_numpy(), fit.ra, fit.dec) for fit in (fit_a, fit_b))
    return Comparison(
        float(np.degrees(sky.separation(fit_a.ra, fit_a.dec, fit_b.ra, fit_b.dec))),
        float(np.degrees(sky.position_angle(fit_a.ra, fit_a.dec, fit_b.ra, fit_b.dec))),
        float(tiles["ts_a"].to_numpy()[here_b]),
        float(tiles["ts_b"].to_numpy()[here_a]),
        _jensen_shannon(*_held(tiles)),
        tuple(_overlap(tiles, leaves, containment, calibration) for containment in containments),
        _same_event(a, b),
        calibration.name,
    )


def difference(a: xr.Dataset, b: xr.Dataset) -> xr.Dataset:
    """Return two sky maps side by side, on the tiling that has the finer of their cells at each place.

    Returns
    -------
    xarray.Dataset
        Dim ``tile``, the whole sky, sorted along it; ``uniq``, ``ts_a``, ``ts_b``, ``delta_ts`` = ts_a - ts_b, and
        ``probdensity_a`` and ``probdensity_b`` [1/sr]. TS is NaN and density 0 where a map was not scanned.

    Raises
    ------
    ReadError
        If a map has no finite value.
    """
    tilings = maps.whole_sky(a), maps.whole_sky(b)
    uniq, *rows = _join(*(tiling["uniq"].to_numpy() for tiling in tilings))
    columns = {
        f"{name}_{letter}": ("tile", tiling[name].to_numpy()[row])
        for letter, tiling, row in zip("ab", tilings, rows, strict=True)
        for name in ("ts", "probdensity")
    }
    with np.errstate(invalid="ignore"):  # maps of other programs have infinite TS: of two, the difference is NaN
        columns["delta_ts"] = "tile", columns["ts_a"][1] - columns["ts_b"][1]
    return xr.Dataset(columns, {"uniq": ("tile", uniq)})


def agreement(a: xr.Dataset, b: xr.Dataset) -> Agreement:
    """Compare two sky maps cell by cell, such as a scan and its repetition.

    Parameters
    ----------
    a, b : xarray.Dataset
        Sky maps. Only cells of the same resolution are compared, in whatever order they came in.

    Returns
    -------
    Agreement
    """
    cells_a, cells_b = (each["uniq"].to_numpy() for each in (a, b))
    common, in_a, in_b = np.intersect1d(cells_a, cells_b, assume_unique=True, return_indices=True)
    nllh, energy = (
        [each[name].to_numpy()[rows].astype(float) for each, rows in ((a, in_a), (b, in_b))]
        for name in ("nllh", "energy")
    )
    failed = int(np.count_nonzero(np.isfinite(nllh[0]) != np.isfinite(nllh[1])))
    larger = np.maximum(np.maximum(*np.abs(energy)), np.finfo(float).tiny)
    return Agreement(
        common.size, cells_a.size - common.size, cells_b.size - common.size, failed,
        _largest(*nllh), _largest(energy[0] / larger, energy[1] / larger),
    )  # fmt: skip


def _largest(a: Floats, b: Floats) -> float:
    both = np.isfinite(a) & np.isfinite(b)
    return float(np.abs(a[both] - b[both]).max()) if both.any() else np.nan


def _join(a: Ints, b: Ints) -> tuple[Ints, Ints, Ints]:
    """Return the finer cell at each place of two sorted tilings of the sky, and the index of that place in both.

    Cells are nested, so each place where a cell of one of the two begins is where a cell of the new tiling does.
    """
    first_a, first_b = _first(a), _first(b)
    first = np.union1d(first_a, first_b)
    in_a, in_b = (np.searchsorted(each, first, side="right") - 1 for each in (first_a, first_b))
    return np.maximum(a[in_a], b[in_b]), in_a, in_b  # finer cells have higher numbers


def _first(uniq: Ints) -> Ints:
    """Return the first cell of the finest order there is that each cell holds."""
    return np.asarray(sky.ipix_of(uniq) * (2**29 // sky.nside_of(uniq)) ** 2)


def _held(tiles: xr.Dataset) -> tuple[Floats, Floats]:
    """Return the probability of each tile in both maps."""
    area = sky.area_sr(tiles["uniq"].to_numpy())
    return tiles["probdensity_a"].to_numpy() * area, tiles["probdensity_b"].to_numpy() * area


def _jensen_shannon(p: Floats, q: Floats) -> float:
    middle = (p + q) / 2
    bits = (_relative(p, middle) + _relative(q, middle)) / 2
    return min(max(bits, 0.0), 1.0)  # sums of rounded numbers may be off by 1e-16


def _relative(p: Floats, q: Floats) -> float:
    """Return the relative entropy in bits (Kullback-Leibler divergence)."""
    some = (p > 0) & (q > 0)  # q is the mean of p and another: it is 0 only if that half of p is too small for a float
    return float(np.sum(p[some] * np.log2(p[some] / q[some])))


def _overlap(
    tiles: xr.Dataset, leaves: tuple[xr.Dataset, xr.Dataset], containment: float, calibration: Calibration
) -> Overlap:
    area = sky.area_sr(tiles["uniq"].to_numpy()) * np.degrees(1.0) ** 2
    in_a, in_b = (
        _inside(tiles[f"ts_{letter}"].to_numpy(), regions.level_in(each, containment, calibration))
        for letter, each in zip("ab", leaves, strict=True)
    )
    held_a, held_b = _held(tiles)
    common, union = float(area[in_a & in_b].sum()), float(area[in_a | in_b].sum())
    return Overlap(
        containment, float(area[in_a].sum()), float(area[in_b].sum()), common, union, common / union,
        float(held_a[in_b].sum()), float(held_b[in_a].sum()),
    )  # fmt: skip


def _inside(ts: Floats, level: float) -> NDArray[np.bool_]:
    return np.asarray(ts <= level)  # never where it is NaN


def _same_event(a: xr.Dataset, b: xr.Dataset) -> bool:
    one, other = (each.attrs.get("event") or {} for each in (a, b))
    return all(name in one and one[name] == other.get(name) for name in ("run", "event"))
