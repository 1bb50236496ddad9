"""The likelihood of `track-losses` in plain NumPy: slow, readable, and what the compiled one is tested against."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skymist.detector.ice import south_pole_ice
from skymist.detector.light import (
    COS_CHERENKOV,
    N_GROUP,
    SHIFT,
    SIN_CHERENKOV,
    C,
    cascade_charge,
    pandel,
    shower_features,
    shower_table,
)
from skymist.reco.reference import arrival
from skymist.reco.track_losses import (
    AROUND,
    CLOSE,
    COMPONENTS,
    CORE2,
    COUNT,
    DARK,
    DARK_REACH,
    ENERGY_ROUNDS,
    FADING,
    FIRST,
    FLOOR,
    HALF,
    NOISE,
    SEGMENT,
    WINDOW,
    Data,
    TrackLosses,
)

Floats = NDArray[np.float64]

STARTS = (FIRST + np.arange(COUNT)) * SEGMENT


class Passing(NamedTuple):
    """How a track passes modules: squared distance, its vertical component, how far along, and the flight's rise."""

    square: Floats
    lift: Floats
    along: Floats
    climb: float


def nllh(data: Data, frame: Floats, point: Floats, reco: TrackLosses) -> float:
    """Return -ln L of a track, without the terms that are the same for all tracks.

    Parameters
    ----------
    data : Data
    frame : (3, 3) float64
        Two axes of the plane normal to the track, and its direction of flight.
    point : (3,) float64
        Where in that plane it passes (m), and when (ns).
    reco : TrackLosses
    """
    passing = pass_by(data.modules, frame, point)
    light = charges(data, passing, reco.reach)
    seen, counts = data.modules[:, 7], data.modules[:, 10] > 0
    energy = energies(seen[counts], light[counts], reco.spread, reco.prior)
    charge = charge_nllh(seen[counts], NOISE + light[counts] @ energy, reco.spread) + reco.prior * energy.sum()
    share = shares(light[: data.hits] * even_out(energy, reco.evenness))
    timing = first_hits(data.modules[: data.hits], pass_by(data.modules[: data.hits], frame, point), point[2], share)
    return float(reco.charge_weight * charge - timing.sum())


def pass_by(modules: Floats, frame: Floats, point: Floats) -> Passing:
    """Return how the track passes each module; the distance is rounded off within 2 m."""
    place = modules[:, :3] @ frame.T
    across = place[:, :2] - point[:2]
    return Passing((across**2).sum(axis=1) + CORE2, across @ frame[:2, 2], place[:, 2], float(frame[2, 2]))


def ways(modules: Floats, passing: Passing, ahead: Floats) -> tuple[Floats, ...]:
    """Return what the light model asks for from points `ahead` m before the foot of each module, shape (n, COUNT)."""
    distance = np.sqrt(passing.square[:, None] + ahead**2)
    rise = passing.lift[:, None] + ahead * passing.climb
    return distance, *south_pole_ice().means(modules[:, 3, None], rise), ahead / distance, rise / distance


def charges(data: Data, passing: Passing, reach: float) -> Floats:
    """Return what each GeV in each segment gives each module, shape (n, COUNT).

    Near segments give light from two points, which draw together with the distance; light fades out within its reach.
    """
    ahead = passing.along[:, None] - STARTS - SEGMENT / 2
    square = passing.square[:, None] + ahead**2
    apart = HALF * np.clip(2 * (1 - square / CLOSE**2), 0, 1)
    light = sum(cascade_charge(*ways(data.modules, passing, ahead + side * apart)) for side in (-1, 1)) / 2
    far = np.where(np.arange(len(square)) < data.hits, reach, DARK_REACH)[:, None]
    part = np.clip((1 - square / far**2) / (1 - FADING), 0, 1)
    return np.asarray(light * data.modules[:, 6, None] * part**2 * (3 - 2 * part))


def energies(seen: Floats, light: Floats, spread: float, prior: float) -> Floats:
    """Return energies (GeV) after some rounds of expectation maximisation from equal ones."""
    energy = np.full(COUNT, seen.sum() / max(light.sum(), 1e-9))
    for _ in range(ENERGY_ROUNDS):
        mean = NOISE + light @ energy
        weight = 1 / (1 + spread * mean)
        energy = energy * ((1e-12 + (weight * seen / mean) @ light) / (prior + weight @ light)) ** 1.5
    return energy


def charge_nllh(seen: Floats, mean: Floats, spread: float) -> float:
    """Return -ln L of the charges: negative binomial with the variance mean (1 + spread mean)."""
    return float(np.sum((seen + 1 / spread) * np.log1p(spread * mean) - seen * np.log(mean)))


def even_out(energy: Floats, evenness: float) -> Floats:
    """Return energies with the light that a muon gives everywhere between where it comes from and where it goes to."""
    before = np.convolve(energy, np.ones(AROUND))[:COUNT]
    after = np.convolve(energy, np.ones(AROUND))[AROUND - 1 :]
    return energy + evenness * np.minimum(before, after) / AROUND


def shares(light: Floats) -> Floats:
    """Return the shares of the first light of each hit that come from each segment, the brightest few.

    The light of the next one is taken off them.
    """
    least = -np.sort(-light, axis=1)[:, COMPONENTS]
    above = np.maximum(light - least[:, None], 0)
    return np.asarray(above / (DARK + above.sum(axis=1, keepdims=True)))


def first_hits(modules: Floats, passing: Passing, time_ns: float, share: Floats) -> Floats:
    """Return the logarithm of the density of the first of N photo-electrons: p S**(N - 1) N, mixtures over segments."""
    bright = passing.along - np.sqrt(passing.square) * COS_CHERENKOV / SIN_CHERENKOV
    emitted = np.clip(bright[:, None], STARTS, STARTS + SEGMENT)
    way = ways(modules, passing, passing.along[:, None] - emitted)
    shape, rate = delays(*way)
    late = modules[:, 8, None] - SHIFT - time_ns - emitted / C - way[0] * N_GROUP / C
    log_p, log_s = arrival(rate * late, np.sqrt(shape))
    rest = 1 + FLOOR - share.sum(axis=1)
    density = (share * rate * np.exp(log_p)).sum(axis=1) + rest / WINDOW
    survival = (share * np.exp(log_s)).sum(axis=1) + rest
    n_eff = modules[:, 9]
    return np.asarray(np.log(density) + (n_eff - 1) * np.log(survival) + np.log(n_eff))


def delays(distance: Floats, b: Floats, a: Floats, cos_psi: Floats, up: Floats) -> tuple[Floats, Floats]:
    """Return shape and rate (1/ns).

    As for `track-mpe` under the Cherenkov angle, elsewhere as much different from that as for a shower.
    """
    shape, rate = pandel(distance, b, a, up)
    here = np.stack(shower_features(distance, b, a, cos_psi, up))
    there = np.stack(shower_features(distance, b, a, np.full_like(cos_psi, COS_CHERENKOV), up))
    turned = np.tensordot(shower_table()[0][:, 1:], here - there, axes=(0, 0))
    return shape * np.exp(turned[0]), rate * np.exp(turned[1])
