"""Arrival times and amount of light."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gamma, norm

from skymist.detector import light
from skymist.reco.arrival import FLOOR, first_arrival


def test_delay_is_the_shortest_way_of_light() -> None:
    """Fermat with the group velocity: unscattered light is emitted at the Cherenkov angle."""
    rho = 40.0
    angle = np.arccos(light.COS_CHERENKOV)
    along, path = -rho / np.tan(angle), rho / np.sin(angle)
    assert rho * light.DELAY == pytest.approx((along + path * light.N_GROUP) / light.C)


def test_scattering_delays_and_absorption_hurries() -> None:
    path, up = np.array([60.0]), np.array([0.0])

    def mean(b: float, a: float) -> float:
        shape, rate = light.pandel(path, np.array([b]), np.array([a]), up)
        return float((shape / rate)[0])

    assert mean(0.05, 0.01) > mean(0.02, 0.01) * 1.05
    assert mean(0.03, 0.02) < mean(0.03, 0.01)


def test_a_module_sees_light_from_below_earlier() -> None:
    path, b, a = np.full(2, 60.0), np.full(2, 0.03), np.full(2, 0.01)
    shape, _ = light.pandel(path, b, a, np.array([1.0, -1.0]))
    assert shape[0] < shape[1]


@given(distance=st.floats(3, 300), further=st.floats(1.01, 3), scale=st.floats(0, 15))
def test_light_falls_with_distance(distance: float, further: float, scale: float) -> None:
    near, far = light.expected_charge(np.array([distance, distance * further]), np.array([0.01, 0.01]), scale)
    assert near > far * further**2


def test_brightness_grows_with_hits_and_charge() -> None:
    assert light.brightness(100, 2000) > light.brightness(100, 1000) > light.brightness(50, 500)


@pytest.mark.parametrize("shape", [0.06, 0.8, 1.5, 9.0, 40.0])
@pytest.mark.parametrize("jitter", [0.03, 0.3])
def test_smeared_gamma_density_against_quadrature(shape: float, jitter: float) -> None:
    """Against the mean of the Gaussian over equally probable times, which the pole at 0 does not hurt."""
    x = np.array([-0.05, 0.0, 0.02, 0.3, 1.0, 3.0, 8.0, 30.0])
    density, survival = first_arrival(x, np.array([shape]), jitter)
    times = gamma.ppf((np.arange(200_000) + 0.5) / 200_000, shape)
    for k, time in enumerate(x):
        smeared = norm.pdf(time - times, scale=jitter).mean()
        expected = (1 - FLOOR) * smeared + FLOOR / 2 / (1 + abs(time)) ** 2
        assert density[k, 0] == pytest.approx(expected, rel=0.01, abs=1e-5)
    assert (np.diff(survival[:, 0]) < 0).all()


def test_density_is_normalised_and_survival_its_integral() -> None:
    x = np.concatenate([np.linspace(-3, 3, 6001), np.geomspace(3, 1e4, 3000)[1:]])
    density, survival = first_arrival(x, np.array([0.5, 4.0]), 0.03)
    steps = np.diff(x)[:, None] * (density[1:] + density[:-1]) / 2
    np.testing.assert_allclose(survival[0] - np.cumsum(steps, axis=0), survival[1:], atol=2e-4)
    np.testing.assert_allclose(steps.sum(axis=0), 1, atol=1e-3)
