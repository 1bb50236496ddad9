"""What particles do in ice: where they fly and where they make light.

All light is that of point showers with one direction of flight, which move with the speed of light from the place
and time of the truth: `Losses` hold where and how bright they are. A muon is a row of them; as its bare Cherenkov
light counts as small showers, which are brightest at the Cherenkov angle too, it has its cone.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from skymist.detector.light import shower_maximum
from skymist.errors import RequestError
from skymist.model.detector import Detector
from skymist.model.event import TOPOLOGIES, Losses, Particle
from skymist.model.sky import unit

Floats = NDArray[np.float64]

START_NS = 10_000.0  # when the particle is at its place
DENSITY = 0.917  # of ice, in g/cm3

# Mean loss of a muon, dE/dx = a + b E per metre of water (Review of Particle Physics; arXiv:1208.3430); the share of
# each process in b, and where the losses to pairs, which are many and small, become rare: `spectrum`.
IONISATION, RADIATION = 0.26 * DENSITY, 3.4e-4 * DENSITY
PAIRS, BREMSSTRAHLUNG, NUCLEAR = 0.50, 0.36, 0.14
PAIR_SOFTNESS = 2.1e-3
LEAST_GEV = 0.5  # of a loss that is drawn; smaller ones are part of the muon's own light

# Light of a bare muon in GeV of electromagnetic shower per metre, and by how much its smallest losses add to it,
# 0.188 + 0.0206 ln E/GeV (arXiv:1206.5530 and 1210.5140, as photon propagators use them).
CHERENKOV = 0.19
SECONDARIES = 0.188, 0.0206

STEP_M = 5.0  # losses within a step are one shower
MARGIN_M = 150.0  # around the detector, beyond which a muon is not followed
REACH_M = 300.0  # muons cross the middle of the detector within this distance


def through_going(
    energy_gev: float, detector: Detector, rng: np.random.Generator, flight: Floats, vertex: Floats | None = None
) -> tuple[Particle, Losses]:
    """Return a muon from outside, at the place where it enters the surroundings of the detector, and its losses.

    Parameters
    ----------
    energy_gev : float
        Of the muon where it enters.
    detector : Detector
    rng : numpy.random.Generator
    flight : (3,) float64
        Direction of flight.
    vertex : (3,) float64, optional
        A point on its path; drawn from a disc of 300 m across the middle of the detector if not given.

    Raises
    ------
    RequestError
        If it misses the detector.
    """
    point = _across(detector, flight, rng) if vertex is None else vertex
    enter, leave = _crossing(detector, point, flight)
    entry = point + enter * flight
    losses = _along(entry, flight, *muon_light(energy_gev, leave - enter, rng))
    return _particle(entry, flight, energy_gev, "through-going"), losses


def starting(
    energy_gev: float, detector: Detector, rng: np.random.Generator, flight: Floats, vertex: Floats | None = None
) -> tuple[Particle, Losses]:
    """Return a muon from a neutrino of this energy at its vertex, and its losses, of which the hadrons are the first.

    The energy of the particle is the muon's. Parameters as for `through_going`; `vertex` is drawn near a random
    module if not given.
    """
    point = _near_a_module(detector, rng) if vertex is None else vertex
    _, leave = _crossing(detector, point, flight)
    inelasticity = rng.beta(0.9, 2.1)  # roughly that of charged currents at 100 TeV
    muon = (1 - inelasticity) * energy_gev
    hadrons = hadronic_light(inelasticity * energy_gev, rng)
    distance, light = muon_light(muon, leave, rng)
    distance, light = np.append(shower_maximum(hadrons), distance), np.append(hadrons, light)
    order = np.argsort(distance, kind="stable")
    return _particle(point, flight, muon, "starting"), _along(point, flight, distance[order], light[order])


def cascade(
    energy_gev: float, detector: Detector, rng: np.random.Generator, flight: Floats, vertex: Floats | None = None
) -> tuple[Particle, Losses]:
    """Return an electromagnetic shower where it makes most light. Parameters as for `starting`."""
    point = _near_a_module(detector, rng) if vertex is None else vertex
    return _particle(point, flight, energy_gev, "cascade"), Losses(point[None], np.array([energy_gev]))


MAKERS: dict[str, Callable[..., tuple[Particle, Losses]]] = dict(
    zip(TOPOLOGIES, (through_going, starting, cascade), strict=True)
)


def random_flight(rng: np.random.Generator, zenith: float | None = None, azimuth: float | None = None) -> Floats:
    """Return a direction of flight that comes from these angles (radians); isotropic where none is given."""
    cos_zenith, turn = rng.uniform(-1, 1), rng.uniform(0, 2 * np.pi)
    elevation = np.arcsin(cos_zenith) if zenith is None else np.pi / 2 - zenith
    return -unit(turn if azimuth is None else azimuth, elevation)


def flight_of(truth: Particle) -> Floats:
    """Return the direction (3,) in which a particle flies."""
    return -unit(truth.azimuth, np.pi / 2 - truth.zenith)


def spectrum(share: Floats) -> Floats:
    """Return how many losses of a share v of its energy a muon has per metre and unit of ln v.

    Bremsstrahlung is b (4/3 (1 - v) + v^2), complete screening; nuclear losses fall like 1 - v; those to pairs are
    flat in ln v up to the softness s and fall like v^-2 beyond, (1 + v/s)^-2, which follows detailed simulation
    of muons of 20 TeV to 1 PeV within 10 % from 1e-5 to 0.01. Each gives its share of b as the integral of v dN/dv.
    """
    pairs = PAIRS / PAIR_SOFTNESS / (1 + share / PAIR_SOFTNESS) ** 2
    bremsstrahlung = BREMSSTRAHLUNG * (4 / 3 * (1 - share) + share**2)
    return np.asarray(RADIATION * (pairs + bremsstrahlung + 2 * NUCLEAR * (1 - share)))


def propagate(energy_gev: float, length_m: float, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Return where along its path (m) a muon loses how much (GeV), and its energy at every step of the way.

    The number of losses is Poisson and their shares of the energy independent; what is lost in between solves
    dE/dx = -a - b' E, where b' is that of the losses too small to be drawn.
    """
    least = min(LEAST_GEV / energy_gev, 0.5)
    soft = float(spectrum(np.zeros(1))[0]) * least
    at, share = _stochastic(least, length_m, rng)
    steps = np.append(np.arange(0, length_m, STEP_M), length_m)
    left = np.append(0.0, np.cumsum(np.log1p(-share)))
    kept = np.exp(left[np.searchsorted(at, steps, "right")] - soft * steps)
    paid = np.append(0.0, np.cumsum(IONISATION * np.diff(steps) / np.maximum(kept[:-1], 1e-9)))
    before = np.exp(left[:-1] - soft * at) * (energy_gev - np.interp(at, steps, paid))
    return at, share * np.maximum(before, 0), np.maximum(kept * (energy_gev - paid), 0)


def muon_light(energy_gev: float, length_m: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return the light of a muon step by step: how far along (m), and as that of showers of how many GeV."""
    at, lost, energy = propagate(energy_gev, length_m, rng)
    return steps_of_light(at, lost, energy, length_m)


def steps_of_light(at: Floats, lost: Floats, energy: Floats, length_m: float) -> tuple[Floats, Floats]:
    """Join losses to one shower a step, at their centre of light, and add the light of the muon itself.

    Parameters
    ----------
    at, lost : (n,) float64
        Where along the path losses begin (m), and how large they are (GeV).
    energy : (m,) float64
        Of the muon at the start of each step, and at its end.
    length_m : float
        Of the path.
    """
    start = np.arange(0, length_m, STEP_M)
    length = np.minimum(STEP_M, length_m - start)
    bare = length * np.where(energy[:-1] > 0, bare_light(energy[:-1]), 0)
    at = at + [shower_maximum(each) for each in np.maximum(lost, 1.0)]
    step = np.minimum((at / STEP_M).astype(int), len(start) - 1)
    light = bare + np.bincount(step, lost, len(start))
    moment = bare * (start + length / 2) + np.bincount(step, lost * at, len(start))
    lit = light > 0
    return moment[lit] / light[lit], np.asarray(light[lit], float)


def bare_light(energy_gev: Floats) -> Floats:
    """Return the light of a muon of this energy without its larger losses, as GeV of showers per metre."""
    constant, slope = SECONDARIES
    return CHERENKOV * (1 + np.maximum(constant + slope * np.log(np.maximum(energy_gev, 1e-3)), 0))


def hadronic_light(energy_gev: float, rng: np.random.Generator) -> float:
    """Return the energy of an electromagnetic shower of the same light as a hadronic one.

    The share is F = 1 - (E / 0.399 GeV)^-0.130 (1 - 0.467), the form of Gabriel et al. (NIM A 338 (1994) 336), and
    fluctuates by 0.379 F (log10 E/GeV)^-1.16, as IceCube's photon propagators have it.
    """
    energy = max(energy_gev, 3.0)
    share = 1 - (energy / 0.399) ** -0.130 * (1 - 0.467)
    width = 0.379 * share * np.log10(energy) ** -1.16
    return energy_gev * float(np.clip(rng.normal(share, width), 0.1, 1))


def _stochastic(least: float, length_m: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return places along the path, sorted, and shares of the energy lost there, from `least` up."""
    ln_share = np.linspace(np.log(least), 0, 500)
    rate = spectrum(np.exp(ln_share))
    total = np.append(0.0, np.cumsum((rate[1:] + rate[:-1]) / 2 * np.diff(ln_share)))
    n = rng.poisson(total[-1] * length_m)
    share = np.exp(np.interp(rng.uniform(0, total[-1], n), total, ln_share))
    return np.sort(rng.uniform(0, length_m, n)), np.minimum(share, 1 - 1e-9)


def _particle(place: Floats, flight: Floats, energy_gev: float, topology: str) -> Particle:
    zenith, azimuth = np.arccos(np.clip(-flight[2], -1, 1)), np.arctan2(-flight[1], -flight[0]) % (2 * np.pi)
    x, y, z = (float(value) for value in place)
    return Particle(float(zenith), float(azimuth), x, y, z, START_NS, energy_gev, topology)


def _along(place: Floats, flight: Floats, distance: Floats, light: Floats) -> Losses:
    return Losses(place + distance[:, None] * flight, light)


def _crossing(detector: Detector, point: Floats, flight: Floats) -> tuple[float, float]:
    """Return how far along (m) a line enters and leaves a box around the detector."""
    low, high = detector.position.min(axis=0) - MARGIN_M, detector.position.max(axis=0) + MARGIN_M
    with np.errstate(divide="ignore", invalid="ignore"):
        sides = np.sort([(low - point) / flight, (high - point) / flight], axis=0)
    enter, leave = float(np.nanmax(sides[0])), float(np.nanmin(sides[1]))
    if leave <= max(enter, 0):
        place = ", ".join(f"{value:g}" for value in point)
        raise RequestError(f"a muon through ({place}) m with this direction misses the detector {detector.name}")
    return enter, leave


def _across(detector: Detector, flight: Floats, rng: np.random.Generator) -> Floats:
    """Return a point of a disc in the middle of the detector, perpendicular to the flight."""
    side = np.cross(flight, np.eye(3)[np.argmin(np.abs(flight))])
    side /= np.linalg.norm(side)
    radius, turn = REACH_M * np.sqrt(rng.uniform()), rng.uniform(0, 2 * np.pi)
    middle = (detector.position.min(axis=0) + detector.position.max(axis=0)) / 2
    return np.asarray(middle + radius * (np.cos(turn) * side + np.sin(turn) * np.cross(flight, side)))


def _near_a_module(detector: Detector, rng: np.random.Generator) -> Floats:
    """Return a place in the instrumented volume, whatever its shape."""
    return np.asarray(rng.choice(detector.position) + rng.normal(0, 30.0, 3))
