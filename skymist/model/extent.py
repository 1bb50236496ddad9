"""Errors of a position in right ascension and declination, by three conventions of how far a region reaches."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from skymist.errors import UnknownNameError
from skymist.model import region as regions
from skymist.model import sky
from skymist.model.contour import Contour, contour
from skymist.model.region import DEFAULT_CALIBRATION, BestFit, Calibration, Region
from skymist.model.sky import Floats

CORNERS, CENTRES, CONTOUR = CONVENTIONS = ("corners", "centres", "contour")

_NEAR_POLE = np.pi / 2 - 1e-9
"""Finer than any cell, and not so near that all right ascensions are one."""


class Extent(NamedTuple):
    """How far a region reaches from the best fit's cell centre: degrees of the coordinates, not negative."""

    ra_plus: float
    ra_minus: float
    dec_plus: float
    dec_minus: float


def extent(
    skymap: xr.Dataset,
    containment: float,
    calibration: str | Calibration = DEFAULT_CALIBRATION,
    convention: str = CORNERS,
) -> Extent:
    """Return the asymmetric errors of the best fit.

    Right ascension is counted the shorter way round, so that an error is 180 degrees at most. A region that holds a
    celestial pole has 180 degrees on both sides, and its declination reaches the pole.

    Parameters
    ----------
    skymap : xarray.Dataset
        A sky map, see `skymist.model.skymap`.
    containment : float
        Such as 0.9.
    calibration : str or Calibration
    convention : str
        ``corners``: of the cells, corners included, as in `skymist.model.region.Region`: it bounds the counted area.
        ``centres``: of the cells' centres; it is 0 for a region of one cell. IceCube's catalog has these
        (IceCat-1, Abbasi et al. 2023, ApJS 269, 25): of run 136766, event 7637140 to all digits that it gives, but
        with the two errors of declination swapped, since the map of that time was upside down.
        ``contour``: of the interpolated contour (`skymist.model.contour`), arcs between its points included.

    Returns
    -------
    Extent
        Degrees.

    Raises
    ------
    RequestError
        If the containment or the calibration does not fit, see `skymist.model.region.region`.
    UnknownNameError
        If there is no such calibration or convention.
    ReadError
        If the map has no finite value.
    """
    if convention not in CONVENTIONS:
        raise UnknownNameError("convention of errors", convention, CONVENTIONS)
    if convention == CONTOUR:
        return of_contour(contour(skymap, containment, calibration), regions.best_fit(skymap))
    found = regions.region(skymap, containment, calibration)
    return of_corners(found) if convention == CORNERS else of_centres(found, regions.best_fit(skymap))


def of_corners(found: Region) -> Extent:
    """Return the extent of a region by the convention ``corners``."""
    return Extent(found.ra_plus, found.ra_minus, found.dec_plus, found.dec_minus)


def of_centres(found: Region, best: BestFit) -> Extent:
    """Return the extent of a region by the convention ``centres``."""
    around = np.arange(4) * np.pi / 2 + np.pi / 4  # in each of the four cells that meet at a pole
    south, north = (bool(np.all(found.contains(around, side * _NEAR_POLE))) for side in (-1, 1))
    return _reach(*sky.centers(found.cells), best.ra, best.dec, south, north)


def of_contour(found: Contour, best: BestFit) -> Extent:
    """Return the extent of a contour, which is the convention ``contour``."""
    points = [sky.lonlat(np.concatenate([ring, _arc_extrema(ring)])) for ring in found.rings()]
    ra, dec = (np.concatenate([np.empty(0), *part]) for part in (zip(*points, strict=True) if points else ([], [])))
    south, north = found.contains(np.zeros(2), np.array([-1, 1]) * np.pi / 2)
    return _reach(ra, dec, best.ra, best.dec, bool(south), bool(north))


def _reach(ra: Floats, dec: Floats, best_ra: float, best_dec: float, south: bool, north: bool) -> Extent:
    """Return the extent of points, and of the poles that are inside."""
    east = np.degrees((ra - best_ra + np.pi) % (2 * np.pi) - np.pi)
    up = np.degrees(dec - best_dec)
    dec_plus = 90 - np.degrees(best_dec) if north else up.max(initial=0.0)
    dec_minus = 90 + np.degrees(best_dec) if south else -up.min(initial=0.0)
    ra_plus, ra_minus = (180.0, 180.0) if south or north else (east.max(initial=0.0), -east.min(initial=0.0))
    return Extent(*(float(each) + 0.0 for each in (ra_plus, ra_minus, dec_plus, dec_minus)))  # never -0.0


def _arc_extrema(ring: Floats) -> Floats:
    """Return where the arcs of a ring are farthest north or south, of those that are so between their ends."""
    following = np.roll(ring, -1, axis=0)
    normal = np.cross(ring, following)
    top = np.array([0.0, 0.0, 1.0]) * np.sum(normal**2, axis=1, keepdims=True) - normal[:, 2:] * normal
    top = np.concatenate([top, -top])
    ring, following, normal = (np.concatenate([each, each]) for each in (ring, following, normal))
    after = np.sum(np.cross(ring, top) * normal, axis=1) > 0
    before = np.sum(np.cross(top, following) * normal, axis=1) > 0
    return np.asarray(top[after & before])
