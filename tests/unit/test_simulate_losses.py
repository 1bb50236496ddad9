"""Simulated particles: where they fly, what they lose, and how bright that is."""

import numpy as np
import pytest

from skymist.detector.geometry import icecube_86
from skymist.detector.volume import contains
from skymist.errors import RequestError
from skymist.simulate import losses as maker
from skymist.simulate.losses import IONISATION, RADIATION, STEP_M

DOWN = np.array([0.0, 0.0, -1.0])


def test_the_spectrum_gives_the_mean_loss() -> None:
    share = np.geomspace(1e-8, 1, 4000)
    assert np.trapezoid(maker.spectrum(share), share) == pytest.approx(RADIATION, rel=0.005)


@pytest.mark.parametrize("energy", [1e3, 1e5])
def test_muons_lose_on_average_what_they_should(energy: float) -> None:
    rng = np.random.default_rng(1)
    lost = [energy - maker.propagate(energy, 100.0, rng)[2][-1] for _ in range(3000)]
    gone = 1 - np.exp(-100 * RADIATION)
    expected = gone * energy + IONISATION / RADIATION * gone
    assert np.mean(lost) == pytest.approx(expected, rel=0.1)


def test_energy_is_conserved_and_falls() -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        at, lost, energy = maker.propagate(1e5, 1000.0, rng)
        assert len(at) > 100
        assert (np.diff(at) >= 0).all()
        assert (np.diff(energy) <= 0).all()
        assert lost.sum() < 1e5 - energy[-1]
        drawn = np.searchsorted(np.arange(0, 1000, STEP_M), at, "right")
        per_step = np.bincount(drawn, lost, len(energy))[1:]
        assert (per_step <= -np.diff(energy) * (1 + 1e-9)).all()


def test_a_muon_stops_and_is_dark_from_there_on() -> None:
    at, light = maker.muon_light(100.0, 2000.0, np.random.default_rng(3))
    assert 150 < at.max() < 500  # 100 GeV / IONISATION is 420 m
    assert light.sum() < 100


def test_a_muon_without_large_losses_is_as_bright_as_known() -> None:
    """0.19 GeV a metre, and two fifths more from small losses at 100 TeV."""
    assert maker.bare_light(np.array([1e5]))[0] == pytest.approx(0.19 * 1.425, rel=0.01)
    nothing = np.empty(0)
    at, light = maker.steps_of_light(nothing, nothing, np.full(5, 1e5), 18.0)
    np.testing.assert_allclose(at, [2.5, 7.5, 12.5, 16.5])
    assert light.sum() == pytest.approx(18 * 0.19 * 1.425, rel=0.01)


def test_steps_keep_the_light_and_its_centre() -> None:
    lost = np.array([100.0, 300.0, 1e5])
    at, light = maker.steps_of_light(np.array([11.0, 12.0, 40.0]), lost, np.full(11, 1e4), 50.0)
    bare = maker.steps_of_light(np.empty(0), np.empty(0), np.full(11, 1e4), 50.0)[1].sum()
    assert light.sum() == pytest.approx(lost.sum() + bare)
    assert at[np.argmax(light)] == pytest.approx(40 + 0.619 * (2.018 + 0.632 * np.log(1e5)), abs=0.01)


def test_hadrons_give_less_light() -> None:
    rng = np.random.default_rng(4)
    share = [maker.hadronic_light(1e5, rng) / 1e5 for _ in range(500)]
    assert np.mean(share) == pytest.approx(0.894, abs=0.01)
    assert 0.03 < np.std(share) < 0.08
    assert max(share) <= 1


@pytest.mark.parametrize("kind", ["through-going", "starting"])
def test_losses_lie_on_the_path_around_the_detector(kind: str) -> None:
    rng = np.random.default_rng(5)
    for _ in range(10):
        flight = maker.random_flight(rng)
        truth, losses = maker.MAKERS[kind](1e5, icecube_86(), rng, flight, None)
        np.testing.assert_allclose(maker.flight_of(truth), flight, atol=1e-12)
        away = losses.position - [truth.x, truth.y, truth.z]
        along = away @ flight
        np.testing.assert_allclose(away, along[:, None] * flight, atol=1e-6)
        assert (np.diff(along) > 0).all()
        assert along.min() > 0
        assert truth.topology == kind
        assert contains(icecube_86(), losses.position, 60.0).any()


def test_a_starting_muon_shares_the_energy_with_hadrons() -> None:
    vertex = np.array([10.0, 20.0, 30.0])
    for seed in range(10):
        truth, losses = maker.starting(1e5, icecube_86(), np.random.default_rng(seed), DOWN, vertex)
        assert (truth.x, truth.y, truth.z) == (10, 20, 30)
        hadrons = 1e5 - truth.energy_gev
        near = losses.energy_gev[losses.position[:, 2] > 20].sum()
        assert 0.6 * hadrons < near < hadrons + 0.2 * truth.energy_gev


def test_a_cascade_is_one_shower() -> None:
    truth, losses = maker.cascade(1e5, icecube_86(), np.random.default_rng(0), DOWN)
    assert losses.energy_gev.tolist() == [1e5]
    assert losses.position[0].tolist() == [truth.x, truth.y, truth.z]


def test_vertices_are_in_the_detector() -> None:
    rng = np.random.default_rng(6)
    place = np.array([maker.cascade(1e5, icecube_86(), rng, DOWN)[1].position[0] for _ in range(300)])
    assert contains(icecube_86(), place, 60.0).mean() > 0.95
    assert place.std(axis=0).min() > 200


def test_a_muon_that_misses_is_an_error() -> None:
    far = np.array([5000.0, 0.0, 0.0])
    with pytest.raises(RequestError, match=r"\(5000, 0, 0\) m .* misses the detector icecube-86"):
        maker.through_going(1e5, icecube_86(), np.random.default_rng(0), DOWN, far)
    with pytest.raises(RequestError, match="misses"):
        maker.starting(1e5, icecube_86(), np.random.default_rng(0), DOWN, np.array([0.0, 0.0, -5000.0]))


def test_directions_are_isotropic_unless_given() -> None:
    rng = np.random.default_rng(0)
    flights = np.array([maker.random_flight(rng) for _ in range(600)])
    assert np.abs(flights.mean(axis=0)).max() < 0.1
    np.testing.assert_allclose(np.linalg.norm(flights, axis=1), 1)
    fixed = maker.random_flight(rng, zenith=1.0, azimuth=2.0)
    np.testing.assert_allclose(fixed, [-np.sin(1) * np.cos(2), -np.sin(1) * np.sin(2), -np.cos(1)])
