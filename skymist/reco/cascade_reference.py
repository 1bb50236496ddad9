"""The likelihood of `cascade` in plain NumPy: slow, readable, and what the compiled one is tested against."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, log_expit

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
    """Return -ln L of a shower.

    Parameters
    ----------
    light : ShowerLight
    flight : (3,) float64
        Its direction of flight.
    point : (5,) float64
        x, y, z (m) and t (ns) of its maximum, from the centre and time of the light, and ln(E / GeV).
    charge_weight, charge_spread : float
        See `Cascade`.
    """
    paths = ways(light.modules, flight, point[:3])
    return charge_weight * charge_nllh(light, paths, point[4], charge_spread) + time_nllh(light, paths, point[3])


def ways(modules: Floats, flight: Floats, place: Floats) -> tuple[Floats, ...]:
    """Return what the light model asks for, at each module; see `light.shower_features`."""
    away = modules[:, :3] - place
    distance = np.sqrt((away**2).sum(axis=1) + 1)
    return distance, *south_pole_ice().means(modules[:, 3], away[:, 2]), away @ flight / distance, away[:, 2] / distance


def charge_nllh(light: ShowerLight, paths: tuple[Floats, ...], ln_energy: float, spread: float) -> float:
    """Return -ln L of the charges: negative binomial, without the terms that are the same for all showers."""
    seen = light.modules[:, 7]
    mean = cascade_charge(*paths) * np.exp(ln_energy + light.modules[:, 6]) + NOISE
    terms = (seen + 1 / spread) * np.log1p(spread * mean) - seen * np.log(mean)
    return float(terms[seen >= 0].sum())


def time_nllh(light: ShowerLight, paths: tuple[Floats, ...], time_ns: float) -> float:
    """Return -ln L of the times: a gamma density of a clock that starts softly, and a floor."""
    module = np.repeat(np.arange(len(light.modules)), np.diff(light.first))
    shape, rate = (values[module] for values in cascade_delay(*paths))
    late = light.times[:, 0] - time_ns - paths[0][module] * N_GROUP / C - shower_table()[1]
    clock = SHOWER_RISE * np.logaddexp(0, late / SHOWER_RISE) + TICK
    ln_p = (shape - 1) * np.log(rate * clock) - rate * clock + np.log(rate) - gammaln(shape)
    ln_p += log_expit(late / SHOWER_RISE)
    return -float(light.times[:, 1] @ np.logaddexp(ln_p, np.log(FLOOR)))
