"""The likelihood of `cascade` in plain NumPy: slow, readable, and what the compiled one is tested against."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, gammaln, log_expit, logsumexp

from skymist.detector.ice import south_pole_ice
from skymist.detector.light import (
    N_GROUP,
    SHOWER_RISE,
    C,
    cascade_charge,
    cascade_delay,
    shower_table,
)
from skymist.reco.cascade_light import ShowerLight

Floats = NDArray[np.float64]

NOISE = 0.01  # photo-electrons
FLOOR = 1e-3 / 3000.0  # 1/ns
TICK = 1e-3  # ns


def nllh(light: ShowerLight, flight: Floats, point: Floats, charge_weight: float, charge_spread: float) -> float:
    """Return -ln L of a shower, or of two.

    Parameters
    ----------
    light : ShowerLight
    flight : (3,) float64
        Their direction of flight.
    point : (5,) or (7,) float64
        x, y, z (m) and t (ns) of its maximum, from the centre and time of the light, and ln(E / GeV). Of two: those of
        their centre of energy and of their sum, how far apart they are (m), and ln(E2 / E1).
    charge_weight, charge_spread : float
        See `Cascade`.
    """
    each = showers(flight, point)
    paths = [ways(light.modules, flight, shower[:3]) for shower in each]
    charge = np.array([cascade_charge(*path) for path in paths]) * np.exp(each[:, 4:] + light.modules[:, 6])
    delays = time_nllh(light, paths, charge / charge.sum(axis=0), each[:, 3])
    return charge_weight * charge_nllh(light, charge.sum(axis=0), charge_spread) + delays


def showers(flight: Floats, point: Floats) -> Floats:
    """Return x, y, z, t and ln(E / GeV) of each shower, shape (1, 5) or (2, 5)."""
    if len(point) == 5:
        return point[None]
    apart, share = point[5], expit([-point[6], point[6]])
    along = apart * np.array([-share[1], share[0]])
    place = point[:3] + along[:, None] * flight
    return np.column_stack([place, point[3] + along / C, point[4] + np.log(share)])


def ways(modules: Floats, flight: Floats, place: Floats) -> tuple[Floats, ...]:
    """Return what the light model asks for, at each module; see `light.shower_features`."""
    away = modules[:, :3] - place
    distance = np.sqrt((away**2).sum(axis=1) + 1)
    return distance, *south_pole_ice().means(modules[:, 3], away[:, 2]), away @ flight / distance, away[:, 2] / distance


def charge_nllh(light: ShowerLight, charge: Floats, spread: float) -> float:
    """Return -ln L of the charges: negative binomial, without the terms that are the same for all showers."""
    seen, mean = light.modules[:, 7], charge + NOISE
    terms = (seen + 1 / spread) * np.log1p(spread * mean) - seen * np.log(mean)
    return float(terms[seen >= 0].sum())


def time_nllh(light: ShowerLight, paths: list[tuple[Floats, ...]], share: Floats, time_ns: Floats) -> float:
    """Return -ln L of the times: a mean of densities, each with its share of the light, and a floor."""
    each = [ln_density(light, path, time) for path, time in zip(paths, time_ns, strict=True)]
    ln_p = logsumexp(each, b=share[:, owners(light)], axis=0)
    return -float(light.times[:, 1] @ np.logaddexp(ln_p, np.log(FLOOR)))


def owners(light: ShowerLight) -> NDArray[np.int64]:
    """Return the module of each time."""
    return np.repeat(np.arange(len(light.modules)), np.diff(light.first))


def ln_density(light: ShowerLight, paths: tuple[Floats, ...], time_ns: float) -> Floats:
    """Return ln of the density of each time: a gamma density of a clock that starts softly."""
    module = owners(light)
    shape, rate = (values[module] for values in cascade_delay(*paths))
    late = light.times[:, 0] - time_ns - paths[0][module] * N_GROUP / C - shower_table()[1]
    clock = SHOWER_RISE * np.logaddexp(0, late / SHOWER_RISE) + TICK
    ln_p = (shape - 1) * np.log(rate * clock) - rate * clock + np.log(rate) - gammaln(shape)
    return np.asarray(ln_p + log_expit(late / SHOWER_RISE))
