"""The regions of one map by all calibrations that fit it, to be seen side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import xarray as xr

from skymist.errors import RequestError
from skymist.model.region import CALIBRATIONS, POPULATION, RESIMULATED, Region, finder

NAMES = (*CALIBRATIONS, POPULATION.name, RESIMULATED.name)
"""In the order of the table."""


@dataclass(frozen=True)
class Row:
    """One region; see `skymist.model.region.Region` for what its numbers mean. Areas and errors are in degrees."""

    calibration: str
    containment: float
    ts: float
    area_deg2: float
    ra_plus: float
    ra_minus: float
    dec_plus: float
    dec_minus: float
    open: bool


def side_by_side(skymap: xr.Dataset, containments: Sequence[float] = (0.5, 0.9)) -> list[Row]:
    """Return the regions of a map by each calibration that fits it.

    A calibration that does not know the reconstruction or the containment is left out, as is that of
    re-simulation of a map that has none.

    Parameters
    ----------
    skymap : xarray.Dataset
        A sky map, see `skymist.model.skymap`.
    containments : sequence of float
        Between 0 and 1.

    Returns
    -------
    list of Row
        By calibration as in `NAMES`, then in the order of `containments`.

    Raises
    ------
    RequestError
        If a containment is not between 0 and 1.
    ReadError
        If the map has no finite value.
    """
    for share in containments:
        if not 0 < share < 1:
            raise RequestError(f"containment {share} is not between 0 and 1, such as 0.9")
    find = finder(skymap)
    return [row for name in NAMES for share in containments for row in _row(find, share, name)]


def _row(find: Callable[[float, str], Region], containment: float, name: str) -> list[Row]:
    """Return the region as a row, or none if the calibration does not fit."""
    try:
        found = find(containment, name)
    except RequestError:
        return []
    errors = found.ra_plus, found.ra_minus, found.dec_plus, found.dec_minus
    return [Row(name, containment, found.ts, found.area_deg2, *errors, found.open)]
