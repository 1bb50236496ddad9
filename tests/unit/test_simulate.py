"""Simulated tracks."""

import numpy as np

from skymist.detector.geometry import icecube_86
from skymist.detector.light import DELAY, C
from skymist.model.event import Event
from skymist.simulate import track


def simulated(seed: int, energy_gev: float = 1e5) -> Event:
    rng = np.random.default_rng(seed)
    return track.simulate(track.random_muon(rng, energy_gev), icecube_86(), rng)


def test_seeded_and_different() -> None:
    assert simulated(1).digest == simulated(1).digest
    assert simulated(1).digest != simulated(2).digest


def test_no_photon_outruns_light() -> None:
    event = simulated(3)
    muon = event.truth
    assert muon is not None
    flight = -track.unit(muon.azimuth, np.pi / 2 - muon.zenith)
    away = icecube_86().position[icecube_86().index(event.pulses.dom)] - [muon.x, muon.y, muon.z]
    along = away @ flight
    rho = np.linalg.norm(away - along[:, None] * flight, axis=1)
    early = event.pulses.time_ns - (muon.time_ns + along / C + rho * DELAY)
    signal = event.pulses.hlc & (rho < 100)
    assert signal.sum() > 300
    assert np.quantile(early[signal], 0.01) > -10
    assert np.median(early[signal]) < 300


def test_more_energy_more_light_and_dead_modules_stay_dark() -> None:
    charges = [np.mean([simulated(seed, energy).pulses.charge_pe.sum() for seed in range(4)]) for energy in (1e4, 1e6)]
    assert charges[1] > 20 * charges[0]
    event = simulated(5)
    assert (icecube_86().efficiency[icecube_86().index(event.pulses.dom)] > 0).all()


def test_pulses_are_in_order_and_on_existing_modules() -> None:
    pulses = simulated(7).pulses
    row = icecube_86().index(pulses.dom)
    assert (row >= 0).all()
    assert np.array_equal(np.lexsort((pulses.time_ns, row)), np.arange(len(pulses)))
    assert (pulses.charge_pe > 0).all()
    assert 0.5 < pulses.hlc.mean() < 1


def test_directions_are_isotropic_unless_given() -> None:
    rng = np.random.default_rng(0)
    cosines = [np.cos(track.random_muon(rng, 1e5).zenith) for _ in range(400)]
    assert abs(np.mean(cosines)) < 0.1
    fixed = track.random_muon(rng, 1e5, zenith=1.0, azimuth=2.0)
    assert (fixed.zenith, fixed.azimuth) == (1.0, 2.0)
    assert np.linalg.norm(fixed.point) <= track.REACH_M
    assert abs(fixed.point @ fixed.flight) < 1e-9
