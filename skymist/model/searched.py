"""One position in a sky map: its likelihood, and how much of the map is as probable, or more."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from skymist.errors import RequestError
from skymist.model import region as regions
from skymist.model import sky
from skymist.model import skymap as maps
from skymist.model.region import DEFAULT_CALIBRATION, Calibration
from skymist.model.sky import Floats

CONTAINMENTS = {"50": 0.5, "90": 0.9}


@dataclass(frozen=True)
class Position:
    """What a map says of a position.

    Attributes
    ----------
    ra, dec : float
        Radians, ICRS.
    uniq : int or None
        The leaf that holds it; None where the map has none.
    evaluated : bool
        Whether that leaf was evaluated itself: the value of its parent stands in otherwise.
    ts : float
        Of that leaf; NaN where there is none.
    density : float
        Probability per steradian, see `skymist.model.skymap.probability`; 0 where there is no leaf.
    searched_probability, searched_area_deg2 : float
        Probability and area of all leaves that are as dense or denser, its own included; 1 and the area of the map
        where there is no leaf. Of many positions of true sources the former is uniform if the map is right
        (Sidery et al. 2014, Phys. Rev. D 89, 084060).
    separation_deg : float
        From the centre of the best cell.
    inside : dict
        By containment in percent ("50", "90"): whether it lies in that region.
    """

    ra: float
    dec: float
    uniq: int | None
    evaluated: bool
    ts: float
    density: float
    searched_probability: float
    searched_area_deg2: float
    separation_deg: float
    inside: dict[str, bool]


def position(
    skymap: xr.Dataset, ra: float, dec: float, calibration: str | Calibration = DEFAULT_CALIBRATION
) -> Position:
    """Return what a map says of a position.

    Parameters
    ----------
    skymap : xarray.Dataset
        A sky map, see `skymist.model.skymap`.
    ra, dec : float
        Radians, ICRS.
    calibration : str or Calibration
        Of the regions.

    Raises
    ------
    RequestError
        If it is no position, or the calibration does not fit.
    UnknownNameError
        If no calibration has that name.
    ReadError
        If the map has no finite value.
    """
    if not (np.isfinite(ra) and abs(dec) <= np.pi / 2):
        degrees = f"RA {np.degrees(ra):g}, Dec {np.degrees(dec):g}"
        raise RequestError(f"{degrees} is no position: Dec goes from -90 to 90 degrees")
    ra, dec = float(ra), float(dec)
    calibration = regions.find_calibration(calibration)
    best, tiling = regions.best_fit(skymap), maps.leaves(skymap)
    levels = {name: regions.level_in(tiling, share, calibration) for name, share in CONTAINMENTS.items()}
    cells, density = tiling["uniq"].to_numpy(), maps.probability(tiling)
    probability, area = searched(tiling["ts"].to_numpy(), density, sky.area_sr(cells))
    separation = float(np.degrees(sky.separation(ra, dec, best.ra, best.dec)))
    at = int(sky.find(cells, ra, dec))
    if at < 0:
        outside = dict.fromkeys(levels, False)
        return Position(ra, dec, None, False, np.nan, 0.0, 1.0, float(area.max()), separation, outside)
    ts = float(tiling["ts"].to_numpy()[at])
    return Position(
        ra, dec, int(cells[at]), bool(tiling["evaluated"].to_numpy()[at]), ts, float(density[at]),
        float(probability[at]), float(area[at]), separation, {name: ts <= level for name, level in levels.items()},
    )  # fmt: skip


def searched(ts: Floats, density: Floats, area_sr: Floats) -> tuple[Floats, Floats]:
    """Return, of each cell, the probability and the area of all cells that are as dense, or denser.

    Cells of the same density come in together: which one of them is first means nothing.

    Parameters
    ----------
    ts, density, area_sr : (n,) ndarray
        Test statistic, probability per steradian and steradians, of cells that do not overlap. The TS says which one
        is denser, also where the density itself is too small for a number; those without one (NaN) come last.

    Returns
    -------
    probability, area_deg2 : (n,) ndarray
    """
    rank = np.where(np.isnan(ts), np.inf, ts)
    order = np.argsort(rank, kind="stable")
    last = np.searchsorted(rank[order], rank[order], side="right") - 1
    probability, area = np.empty(density.size), np.empty(density.size)
    probability[order] = np.cumsum((density * area_sr)[order])[last]
    area[order] = np.cumsum(area_sr[order])[last] * np.degrees(1.0) ** 2
    return probability, area
