"""Simulated muon tracks: the light model run forwards, for demonstrations and tests of the whole chain.

What reconstruction and simulation share (ice, arrival times, light yield) is shared in code, so this
tests machinery and statistics; how well the model describes ice is tested on photon-by-photon simulation.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skymist.detector.ice import Ice, south_pole_ice
from skymist.detector.light import (
    COS_CHERENKOV,
    DELAY,
    SHIFT,
    SIN_CHERENKOV,
    C,
    attenuation,
    expected_charge,
    muon_brightness,
    pandel,
)
from skymist.model.detector import Detector
from skymist.model.event import Event, Particle, Pulses
from skymist.model.sky import unit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SPREAD = 0.6  # of the logarithm of the light, from muon to muon
LOSS_SEGMENT_M, LOSS_SPREAD = 25.0, 0.8
JITTER_NS, SPE_SPREAD, PULSE_NS = 2.0, 0.3, 5.0
NOISE_HZ, WINDOW_NS = 560.0, 10_000.0
HLC_NS, HLC_REACH = 1000.0, 2
REACH_M = 300.0
MIDDLE_NS = 10_000.0
WHEN = np.datetime64("2026-01-01T00:00:00", "ns")


@dataclass(frozen=True)
class Muon:
    """An infinite track.

    Attributes
    ----------
    zenith, azimuth : float
        Where it comes from, radians.
    energy_gev : float
        Where it enters the detector.
    point : (3,) float64
        On the track, passed at `MIDDLE_NS`; metres.
    """

    zenith: float
    azimuth: float
    energy_gev: float
    point: Floats

    @property
    def flight(self) -> Floats:
        """Unit vector of flight."""
        return -unit(self.azimuth, np.pi / 2 - self.zenith)


def random_muon(
    rng: np.random.Generator, energy_gev: float, zenith: float | None = None, azimuth: float | None = None
) -> Muon:
    """Return a muon through a disc of 300 m around the origin; isotropic where no angle (radians) is given."""
    cos_zenith, turn, radius, angle = rng.uniform(-1, 1), rng.uniform(0, 2 * np.pi), rng.uniform(), rng.uniform()
    zenith = float(np.arccos(cos_zenith)) if zenith is None else zenith
    azimuth = float(turn) if azimuth is None else azimuth
    origin = unit(azimuth, np.pi / 2 - zenith)
    across = np.cross(origin, [0.0, 0.0, 1.0] if abs(origin[2]) < 0.9 else [1.0, 0.0, 0.0])
    across /= np.linalg.norm(across)
    place = across * np.cos(2 * np.pi * angle) + np.cross(origin, across) * np.sin(2 * np.pi * angle)
    return Muon(zenith, azimuth, energy_gev, REACH_M * np.sqrt(radius) * place)


def simulate(muon: Muon, detector: Detector, rng: np.random.Generator, run: int = 0, event: int = 0) -> Event:
    """Return the event that a muon makes: photons, charge spread, time jitter and dark noise.

    Parameters
    ----------
    muon : Muon
    detector : Detector
    rng : numpy.random.Generator
    run, event : int
        Identifiers to give it.
    """
    row, time, charge = _photons(muon, detector, south_pole_ice(), rng)
    noise_row, noise_time, noise_charge = _noise(detector, rng)
    row, time = np.concatenate([row, noise_row]), np.concatenate([time, noise_time])
    row, time, charge = _merged(row, time, np.concatenate([charge, noise_charge]))
    dom = detector.dom[row]
    width = np.full(len(row), PULSE_NS)
    pulses = Pulses(dom, np.round(time, 1), np.round(charge, 3), width, _coincident(dom, time))
    x, y, z = (float(value) for value in muon.point)
    truth = Particle(muon.zenith, muon.azimuth, x, y, z, MIDDLE_NS, muon.energy_gev)
    names = ("simulated",)
    return Event(run, event, WHEN, "simulation", detector, pulses, names[0], names, truth=truth)


def _photons(muon: Muon, detector: Detector, ice: Ice, rng: np.random.Generator) -> tuple[Ints, Floats, Floats]:
    """Return row of the module, time and charge of every detected photon."""
    away = detector.position - muon.point
    along = away @ muon.flight
    beside = away - along[:, None] * muon.flight
    rho = np.sqrt(np.sum(beside**2, axis=1) + 4.0)  # light does not diverge on the track itself
    emitted = along - rho * COS_CHERENKOV / SIN_CHERENKOV
    mean = _mean_charge(muon, detector, ice, rho, rng) * _losses(emitted, rng)
    row = np.repeat(np.arange(len(detector)), rng.poisson(mean))

    path = rho / SIN_CHERENKOV
    cos_eta = (COS_CHERENKOV * muon.flight[2]) + SIN_CHERENKOV * beside[:, 2] / rho
    scattering, absorption = ice.means(ice.layer(detector.position), path * cos_eta)
    shape, rate = pandel(path, scattering, absorption, cos_eta)
    direct = MIDDLE_NS + along / C + rho * DELAY
    late = SHIFT + rng.gamma(shape[row], 1 / rate[row]) + rng.normal(0, JITTER_NS, len(row))
    return row, direct[row] + late, _charges(len(row), rng)


def _mean_charge(muon: Muon, detector: Detector, ice: Ice, rho: Floats, rng: np.random.Generator) -> Floats:
    layer = ice.layer(detector.position)
    scattering, absorption = ice.means(layer + 20, np.full(len(layer), 40.0))
    ln_light = muon_brightness(muon.energy_gev) + rng.normal(0, SPREAD)
    return detector.efficiency * expected_charge(rho, attenuation(scattering, absorption), ln_light)


def _losses(emitted: Floats, rng: np.random.Generator) -> Floats:
    """Return how much brighter than average the track is where each module's light was made."""
    segment = np.floor(emitted / LOSS_SEGMENT_M).astype(int)
    _, index = np.unique(segment, return_inverse=True)
    return np.asarray(rng.lognormal(-(LOSS_SPREAD**2) / 2, LOSS_SPREAD, index.max() + 1)[index])


def _noise(detector: Detector, rng: np.random.Generator) -> tuple[Ints, Floats, Floats]:
    live = np.flatnonzero(detector.efficiency > 0)
    count = rng.poisson(len(live) * NOISE_HZ * WINDOW_NS * 1e-9)
    time = MIDDLE_NS + WINDOW_NS * rng.uniform(-0.5, 0.5, count)
    return rng.choice(live, count), time, _charges(count, rng)


def _charges(count: int, rng: np.random.Generator) -> Floats:
    return np.asarray(np.abs(rng.normal(1.0, SPE_SPREAD, count)) + 0.05)


def _merged(row: Ints, time: Floats, charge: Floats) -> tuple[Ints, Floats, Floats]:
    """Join photons of one module that a digitiser could not tell apart; sorted by module and time."""
    order = np.lexsort((time, row))
    row, time, charge = row[order], time[order], charge[order]
    slot = np.floor(time / PULSE_NS).astype(np.int64)
    first = np.flatnonzero(np.append(True, (np.diff(row) != 0) | (np.diff(slot) != 0)))[: len(row)]
    return row[first], time[first], np.add.reduceat(charge, first) if len(row) else charge


def _coincident(dom: NDArray[np.int16], time: Floats) -> NDArray[np.bool_]:
    """Return which pulses have another within a microsecond on one of the two modules above or below."""
    string, om = dom[:, 0].astype(np.int64), dom[:, 1].astype(np.int64)
    near = np.zeros(len(time), bool)
    clock = time - time.min(initial=np.inf)
    span = np.ptp(time) + 4 * HLC_NS if len(time) else 1.0
    axis = np.sort((string * 1000 + om) * span + clock)
    for step in range(-HLC_REACH, HLC_REACH + 1):
        at = (string * 1000 + om + step) * span + clock
        found = np.searchsorted(axis, at + HLC_NS, "right") > np.searchsorted(axis, at - HLC_NS, "left")
        near |= found & (step != 0)
    return near
