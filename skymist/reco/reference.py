"""The likelihood of `track-mpe` in plain NumPy: slow, readable, and what the compiled one is tested against."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from skymist.detector.ice import south_pole_ice
from skymist.detector.light import (
    COS_CHERENKOV,
    DELAY,
    JITTER,
    SHIFT,
    SIN_CHERENKOV,
    C,
    attenuation,
    brightness,
    expected_charge,
    pandel,
)
from skymist.model.event import Event
from skymist.reco.arrival import Q_MIN, Q_STEP, SHAPES, SOFT, TIMES, W_MAX, W_STEP, table
from skymist.reco.hits import Hits, clean
from skymist.reco.track_mpe import TrackMPE, near_silent

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reference:
    """The negative log-likelihood of tracks through one event."""

    event: Event
    reco: TrackMPE

    @cached_property
    def hits(self) -> Hits:
        """The light that the track explains."""
        return clean(self.event)

    @cached_property
    def silent(self) -> NDArray[np.int64]:
        """Near modules without light."""
        return near_silent(self.event, self.hits)

    def nllh(self, origin: Floats, vertex: Floats, time_ns: float) -> float:
        """Return -ln L of a track from direction `origin` that is at `vertex` (m) at `time_ns`."""
        hits, weight = self.hits, self.reco.light_weight
        timing = self._first_hits(origin, vertex, time_ns)
        seen = np.log(-np.expm1(-self._charge(hits.module, origin, vertex)))
        dark = -self._charge(self.silent, origin, vertex)
        return -float(timing.sum() + weight * seen.sum() + weight * dark.sum())

    def _first_hits(self, origin: Floats, vertex: Floats, time_ns: float) -> Floats:
        """Return the logarithm of the density of the first of N photo-electrons: p S**(N**beta - 1) N**beta."""
        position = self.event.detector.position[self.hits.module]
        along, distance, cos_eta = closest_approach(position, origin, vertex)
        path = distance / SIN_CHERENKOV
        ice = south_pole_ice()
        means = ice.means(ice.layer(position), path * cos_eta)
        shape, rate = pandel(path, *means, cos_eta)
        residual = self.hits.time_ns - (time_ns + along / C + distance * DELAY)
        log_p, log_s = arrival(rate * (residual - SHIFT), np.sqrt(shape))
        n_eff = np.maximum(self.hits.charge_pe, 1.0) ** self.reco.charge_exponent
        return np.asarray(np.log(rate) + log_p + (n_eff - 1) * log_s + np.log(n_eff))

    def _charge(self, module: NDArray[np.int64], origin: Floats, vertex: Floats) -> Floats:
        position = self.event.detector.position[module]
        _, distance, _ = closest_approach(position, origin, vertex)
        ice = south_pole_ice()
        around = ice.means(ice.layer(position) + 20, np.full(len(position), 40.0))
        efficiency = self.event.detector.efficiency[module]
        scale = brightness(len(self.hits), float(self.hits.charge_pe.sum()))
        return expected_charge(distance, attenuation(*around), scale) * np.where(efficiency > 0, efficiency, 1.0)


def closest_approach(position: Floats, origin: Floats, vertex: Floats) -> tuple[Floats, Floats, Floats]:
    """Return how far along the track modules are passed, at what distance, and the photons' vertical direction.

    The distance is rounded off within 2 m, where the formulas of the far field end.
    """
    travel = -origin
    along = (position - vertex) @ travel
    across = position - vertex - along[:, None] * travel
    distance = np.sqrt(np.sum(across**2, axis=1) + 4.0)
    return along, distance, travel[2] * COS_CHERENKOV + SIN_CHERENKOV * across[:, 2] / distance


def arrival(x: Floats, q: Floats, jitter: float = JITTER) -> tuple[Floats, Floats]:
    """Return ln p and ln S at dimensionless times and roots of the shape, constant beyond the table's edges."""
    w = np.clip(x / (np.abs(x) + SOFT), 2 * W_STEP - W_MAX, W_MAX - 2 * W_STEP)
    q = np.clip(q, Q_MIN + Q_STEP, Q_MIN + (SHAPES - 3) * Q_STEP)
    at = np.stack([(w + W_MAX) / W_STEP, (q - Q_MIN) / Q_STEP])
    log_p, log_s = (
        map_coordinates(c.reshape(TIMES, SHAPES), at, order=3, prefilter=False, mode="mirror") for c in table(jitter).T
    )
    return log_p, log_s
