"""The Earth as neutrinos cross it: how much matter lies between a detector in the ice and the sky."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

RADIUS_KM = 6371.0
DEPTH_KM = 1.948  # of IceCube's middle below the surface of the ice

# Outer radius (km), and density (g/cm3) as a polynomial in r / RADIUS_KM from the constant up: the preliminary
# reference Earth model (Dziewonski and Anderson, 1981, Phys. Earth Planet. Inter. 25), with ice where it has an ocean.
SHELLS: tuple[tuple[float, tuple[float, ...]], ...] = (
    (1221.5, (13.0885, 0.0, -8.8381)),
    (3480.0, (12.5815, -1.2638, -3.6426, -5.5281)),
    (5701.0, (7.9565, -6.4761, 5.5283, -3.0807)),
    (5771.0, (5.3197, -1.4836)),
    (5971.0, (11.2494, -8.0298)),
    (6151.0, (7.1089, -3.8045)),
    (6346.6, (2.6910, 0.6924)),
    (6356.0, (2.900,)),
    (6368.0, (2.600,)),
    (RADIUS_KM, (0.917,)),
)

_STEPS = 10_000


def density(radius_km: ArrayLike) -> Floats:
    """Return the density (g/cm3) at each distance from the centre of the Earth; 0 outside."""
    radius = np.asarray(radius_km, float)
    shell = np.searchsorted([outer for outer, _ in SHELLS], radius)
    inside = [np.polynomial.polynomial.polyval(radius / RADIUS_KM, coefficients) for _, coefficients in SHELLS]
    return np.asarray(np.choose(shell, [*inside, np.zeros_like(radius)]))


def column(cos_zenith: float, depth_km: float = DEPTH_KM) -> float:
    """Return the matter (g/cm2) between a detector and the sky, in one direction.

    Parameters
    ----------
    cos_zenith : float
        Of where one looks: 1 is up, -1 through the centre of the Earth.
    depth_km : float
        Of the detector below the surface.
    """
    radius = RADIUS_KM - depth_km
    length = -radius * cos_zenith + np.sqrt(RADIUS_KM**2 - radius**2 * (1 - cos_zenith**2))
    step = length / _STEPS
    along = step * (np.arange(_STEPS) + 0.5)
    crossed = np.sqrt(radius**2 + along**2 + 2 * radius * along * cos_zenith)
    return float(density(np.minimum(crossed, RADIUS_KM)).sum() * step * 1e5)
