"""What the simulated world is like: the ice, and how well the modules see."""

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from skymist.detector.ice import Ice, south_pole_ice

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Conditions:
    """The nominal world, or one that differs from it as much as the real one may.

    Attributes
    ----------
    ice : Ice
    efficiency : float
        Of all modules, relative to the nominal.
    efficiency_spread : float
        Of the logarithm of the efficiency, from module to module.
    model_spread : float
        Of the logarithm of the charge around the light model, from module to module; 0.17 to 0.25 for single
        showers simulated photon by photon.
    delay_spread : float
        Of the logarithm of the delays around the light model, from module to module.
    """

    ice: Ice = field(default_factory=south_pole_ice)
    efficiency: float = 1.0
    efficiency_spread: float = 0.0
    model_spread: float = 0.0
    delay_spread: float = 0.0

    @classmethod
    def drawn(
        cls,
        rng: np.random.Generator,
        ice_sigma: float = 0.06,
        efficiency_sigma: float = 0.10,
        layer_sigma: float = 0.0,
        layer_length_m: float = 50.0,
        **spreads: float,
    ) -> Self:
        """Return a world with other ice and another efficiency.

        Parameters
        ----------
        rng : numpy.random.Generator
        ice_sigma : float
            Scattering and absorption are scaled as a whole by a normal factor of this width each.
        efficiency_sigma : float
            So is the efficiency of all modules.
        layer_sigma, layer_length_m : float
            Layers are dirtier or cleaner by a log-normal factor of this width, the same for scattering and
            absorption because it is the same dust, with a Gaussian correlation over this length in depth.
        **spreads
            The attributes of that name.
        """
        ice = south_pole_ice()
        scattering, absorption = (_factor(rng, ice_sigma) for _ in range(2))
        dust = np.exp(layer_sigma * _smooth(rng, len(ice.scattering), layer_length_m / ice.step))
        other = replace(
            ice, scattering=scattering * dust * ice.scattering, absorption=absorption * dust * ice.absorption
        )
        return cls(other, _factor(rng, efficiency_sigma), **spreads)

    def efficiencies(self, nominal: Floats, rng: np.random.Generator) -> Floats:
        """Return the light that each module sees per light of the model, for nominal efficiencies of shape (n,)."""
        spread = np.hypot(self.efficiency_spread, self.model_spread)
        return np.asarray(self.efficiency * nominal * np.exp(rng.normal(0, spread, len(nominal))))

    def slowness(self, n: int, rng: np.random.Generator) -> Floats:
        """Return the delay of each of n modules per delay of the model."""
        return np.exp(rng.normal(0, self.delay_spread, n))


def _factor(rng: np.random.Generator, sigma: float) -> float:
    return max(0.1, float(rng.normal(1, sigma)))


def _smooth(rng: np.random.Generator, n: int, length: float) -> Floats:
    """Return n normal numbers whose correlation is a Gaussian of this length."""
    reach = int(np.ceil(3 * length))
    kernel = np.exp(-((np.arange(-reach, reach + 1) / max(length, 1e-3)) ** 2))
    return np.convolve(rng.normal(size=n + 2 * reach), kernel / np.linalg.norm(kernel), "valid")
