"""A region in few numbers: the circle of the notices, an ellipse, and what each of them gets wrong."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr

from skymist.model import region as regions
from skymist.model import sky
from skymist.model import skymap as maps
from skymist.model.alert import radius_of
from skymist.model.cells import divided
from skymist.model.region import DEFAULT_CALIBRATION, BestFit, Calibration, Region
from skymist.model.sky import Floats, Ints

_FINE = 0.01
"""Cells on the border are divided down to this share of the minor axis."""
_SMOOTH = 0.05
"""Cells are divided to this share of a region's size before their moments are taken: large ones are bent."""
_FINEST = 2**29
_SQUARE_DEGREES = np.degrees(1.0) ** 2
_LONGEST = 1.05
"""No corner of a cell is farther from its centre, in roots of its area."""
_FARTHEST = 2.0
"""How far from its centre the plane goes: the antipode."""
_STEEPEST = 1.56
"""Half the angle from the centre, so near to the antipode that the plane stretches without end."""


@dataclass(frozen=True)
class Circle:
    """A circle around the best fit, as notices give it.

    Attributes
    ----------
    ra, dec : float
        Centre: that of the best cell. Radians, ICRS.
    radius_deg : float
    area_deg2 : float
        Of the circle.
    missed_deg2 : float
        Area of the region that is not in it.
    spare_deg2 : float
        Area in it that is not of the region.
    probability : float
        That it holds, by `skymist.model.skymap.probability`.
    """

    ra: float
    dec: float
    radius_deg: float
    area_deg2: float
    missed_deg2: float
    spare_deg2: float
    probability: float


@dataclass(frozen=True)
class Ellipse:
    """An ellipse with the area of the region, and the shape and direction of its second moments.

    It is one on the plane that touches the sky at its centre and keeps areas (`skymist.model.sky.to_plane`), which
    differs from one of constant sum of distances on the sphere only where it is large.

    Attributes
    ----------
    ra, dec : float
        Centre: the centroid of the region, which is not the best fit. Radians, ICRS.
    major_deg, minor_deg : float
        Semi-axes: the angle from the centre to their ends.
    angle_deg : float
        Position angle of the major axis, from north through east, in [0, 180).
    area_deg2, missed_deg2, spare_deg2, probability : float
        As of `Circle`.
    """

    ra: float
    dec: float
    major_deg: float
    minor_deg: float
    angle_deg: float
    area_deg2: float
    missed_deg2: float
    spare_deg2: float
    probability: float


def circle(skymap: xr.Dataset, containment: float, calibration: str | Calibration = DEFAULT_CALIBRATION) -> Circle:
    """Return the circle by which notices give a region.

    Its radius is ``sqrt(mean RA error * cos(dec) * mean Dec error)`` of the region's errors, the rule of IceCube's
    notices. Of a region that holds a pole there is no error in right ascension: then it is the circle with its area.

    Parameters
    ----------
    skymap : xarray.Dataset
        A sky map, see `skymist.model.skymap`.
    containment : float
    calibration : str or Calibration

    Raises
    ------
    RequestError
        If the containment or the calibration does not fit, see `skymist.model.region.region`.
    UnknownNameError
        If no calibration has that name.
    ReadError
        If the map has no finite value.
    """
    found, best = regions.region(skymap, containment, calibration), regions.best_fit(skymap)
    radius = _radius(found, best)
    half_chord = 2 * np.sin(np.radians(radius) / 2)
    shape = _Shape(best.ra, best.dec, half_chord, half_chord, 0.0)
    return Circle(best.ra, best.dec, radius, *_losses(skymap, found, shape))


def ellipse(skymap: xr.Dataset, containment: float, calibration: str | Calibration = DEFAULT_CALIBRATION) -> Ellipse:
    """Return the ellipse with the area and the second moments of a region.

    See `circle` for parameters and errors.
    """
    found, best = regions.region(skymap, containment, calibration), regions.best_fit(skymap)
    shape = _moments(found.cells, best)
    major, minor = (float(np.degrees(2 * np.arcsin(min(half / 2, 1)))) for half in (shape.major, shape.minor))
    angle = float(np.degrees(shape.angle) % 180)
    return Ellipse(shape.ra, shape.dec, major, minor, angle, *_losses(skymap, found, shape))


class _Shape(NamedTuple):
    """An ellipse on the plane; semi-axes there, and the position angle of the major one. Radians."""

    ra: float
    dec: float
    major: float
    minor: float
    angle: float

    def scaled_radius(self, uniq: Ints) -> tuple[Floats, Floats]:
        """Return where cells' centres are: 1 on the border; and by how much of that a cell reaches out at most."""
        ra, dec = sky.centers(uniq)
        x, y = sky.to_plane(ra, dec, self.ra, self.dec)
        sine, cosine = np.sin(self.angle), np.cos(self.angle)
        along, across = x * sine + y * cosine, x * cosine - y * sine
        size = _LONGEST * np.sqrt(sky.area_sr(uniq))
        # The plane stretches the sky most across the direction from its centre: by the secant of half the distance.
        far = np.minimum(np.hypot(x, y), _FARTHEST)
        stretch = 1 / np.cos(np.minimum(np.arcsin(far / 2) + size / 2, _STEEPEST))
        return np.hypot(along / self.major, across / self.minor), size * stretch / self.minor


def _radius(found: Region, best: BestFit) -> float:
    """Return the radius of the circle, degrees."""
    if found.ra_plus == 180 and found.ra_minus == 180:
        share = np.sqrt(found.area_deg2 / (4 * np.pi * _SQUARE_DEGREES))
        return float(np.degrees(2 * np.arcsin(np.clip(share, 0, 1))))
    errors = found.ra_plus, found.ra_minus, found.dec_plus, found.dec_minus
    return min(radius_of(errors, float(np.degrees(best.dec))), 180.0)


def _moments(cells: Ints, best: BestFit) -> _Shape:
    """Return the ellipse with the area and second moments of cells."""
    fine = _no_larger(cells, _SMOOTH * np.sqrt(np.sum(sky.area_sr(cells))))
    area = sky.area_sr(fine)
    total = float(area.sum())
    middle = area @ sky.unit(*sky.centers(fine)) / total
    ra, dec = best.ra, best.dec
    if np.linalg.norm(middle) > 1e-6:  # of the whole sky there is no centroid
        ra, dec = (float(angle) for angle in sky.lonlat(middle))
    x, y = sky.to_plane(*sky.centers(fine), ra, dec)
    own = float(area @ area) / 12 / total  # of a square
    spread = np.cov(np.stack([x, y]), aweights=area, bias=True) + own * np.eye(2)
    (small, large), axes = np.linalg.eigh(spread)
    major = min(float(np.sqrt(total / np.pi) * (large / small) ** 0.25), _FARTHEST)
    return _Shape(ra, dec, major, total / np.pi / major, float(np.arctan2(axes[0, 1], axes[1, 1])))


def _losses(skymap: xr.Dataset, found: Region, shape: _Shape) -> tuple[float, float, float, float]:
    """Return area, missed and spare area in square degrees, and the probability that a shape holds."""
    tiling = maps.leaves(skymap)
    cells = tiling["uniq"].to_numpy()
    held = sky.area_sr(cells) * _share_inside(cells, shape)
    area = np.pi * shape.major * shape.minor * _SQUARE_DEGREES
    common = float(np.sum(held[np.isin(cells, found.cells)])) * _SQUARE_DEGREES
    missed, spare = max(found.area_deg2 - common, 0.0), max(area - common, 0.0)
    return float(area), float(missed), float(spare), min(float(held @ maps.probability(tiling)), 1.0)


def _share_inside(cells: Ints, shape: _Shape) -> Floats:
    """Return how much of each cell is in a shape: those on its border are divided until they are small."""
    share = np.zeros(cells.size)
    owner, weight = np.arange(cells.size), 1.0
    while cells.size:
        radius, reach = shape.scaled_radius(cells)
        small = (np.sqrt(sky.area_sr(cells)) < _FINE * shape.minor) | (sky.nside_of(cells) == _FINEST)
        cut = (np.abs(radius - 1) < reach) & ~small
        share += weight * np.bincount(owner[(radius <= 1) & ~cut], minlength=share.size)
        cells, owner, weight = divided(cells[cut], 1).ravel(), np.repeat(owner[cut], 4), weight / 4
    return share


def _no_larger(cells: Ints, width: float) -> Ints:
    """Return cells of which those that are wider are divided, down to the finest that there are."""
    parts = []
    while cells.size:
        wide = (np.sqrt(sky.area_sr(cells)) > width) & (sky.nside_of(cells) < _FINEST)
        parts.append(cells[~wide])
        cells = divided(cells[wide], 1).ravel()
    return np.concatenate(parts)
