"""Photons are those of the light model, no more and no fewer, at its times."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from skymist.detector.geometry import icecube_86
from skymist.detector.ice import south_pole_ice
from skymist.detector.light import N_GROUP, NEAR_LIGHT, C, cascade_charge, cascade_delay, shower_arrival
from skymist.model.event import Losses, Particle
from skymist.simulate.conditions import Conditions
from skymist.simulate.losses import flight_of
from skymist.simulate.photons import FARTHEST_M, MANY, NEAREST_M, Photons, brightest, photons

DETECTOR, ICE = icecube_86(), south_pole_ice()
TRUTH = Particle(1.0, 2.0, 20.0, 30.0, -250.0, 10_000.0)
PLACE = np.array([[20.0, 30.0, -250.0]])


def shine(
    energy: float,
    seed: int = 1,
    place: np.ndarray = PLACE,
    conditions: Conditions | None = None,
    truth: Particle = TRUTH,
) -> Photons:
    """Photons of showers of this energy."""
    losses = Losses(place, np.full(len(place), energy))
    return photons(truth, losses, DETECTOR, conditions or Conditions(), np.random.default_rng(seed))


def expected() -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Photo-electrons per GeV of every module, and what the light model takes."""
    away = DETECTOR.position - PLACE[0]
    distance = np.linalg.norm(away, axis=1)
    coefficients = ICE.means(ICE.layer(DETECTOR.position), away[:, 2])
    paths = (distance, *coefficients, away @ flight_of(TRUTH) / distance, away[:, 2] / distance)
    return DETECTOR.efficiency * cascade_charge(*paths), paths


def per_module(light: Photons) -> np.ndarray:
    return np.bincount(light.module, light.weight, len(DETECTOR))


def test_the_numbers_are_poisson_with_the_mean_of_the_model() -> None:
    mean = 200 * 1e4 * expected()[0]
    drawn = sum(per_module(shine(1e4, seed)) for seed in range(200))
    bright = mean > 20
    pull = (drawn[bright] - mean[bright]) / np.sqrt(mean[bright])
    assert bright.sum() > 300
    assert abs(pull.mean()) < 0.2
    assert pull.std() == pytest.approx(1, abs=0.1)
    faint = ~bright
    assert drawn[faint].sum() == pytest.approx(mean[faint].sum(), rel=0.1)
    assert drawn[DETECTOR.efficiency == 0].sum() == 0


def test_times_are_those_of_the_model() -> None:
    mean, paths = expected()
    module = int(np.argmax(mean))
    light = shine(2000 / mean[module])
    shape, rate = (float(value[module]) for value in cascade_delay(*paths))
    straight = TRUTH.time_ns + paths[0][module] * N_GROUP / C
    delay = light.time_ns[light.module == module] - straight
    assert len(delay) > 1500
    assert delay.min() >= -NEAR_LIGHT.early_ns
    other = shower_arrival(np.random.default_rng(2).gamma(shape, 1 / rate, 20_000), paths[0][module])
    # Unscattered light comes at one time, but for rounding.
    assert stats.ks_2samp(delay.round(6), other.round(6)).pvalue > 1e-3


def test_near_light_comes_earlier_and_far_light_as_it_was() -> None:
    clock = np.array([1.0, 10.0, 100.0])
    near, farther, far = (shower_arrival(clock, np.full(3, metres)) for metres in (10.0, 40.0, 500.0))
    assert (near < farther).all()
    assert (farther < far).all()
    np.testing.assert_allclose(shower_arrival(clock, np.full(3, 1000.0)), far, atol=1e-9)
    assert near.min() > -NEAR_LIGHT.early_ns


def test_losses_are_made_as_the_particle_passes() -> None:
    """Any point of its path says the same: 300 m ahead it is there 300 m / c later."""
    ahead = 300 * flight_of(TRUTH)
    x, y, z = PLACE[0] + ahead
    later = replace(TRUTH, x=x, y=y, z=z, time_ns=TRUTH.time_ns + 300 / C)
    one, other = (shine(1e5, place=PLACE + ahead, truth=truth) for truth in (TRUTH, later))
    np.testing.assert_allclose(one.time_ns, other.time_ns, atol=1e-6)


def test_light_adds_up() -> None:
    place = np.concatenate([PLACE, PLACE + np.array([30.0, 40.0, 50.0])])
    both = len(shine(1e5, place=place).module)
    apart = sum(len(shine(1e5, place=place[k : k + 1]).module) for k in range(2))
    assert both == pytest.approx(apart, abs=6 * np.sqrt(apart))


def test_many_photons_are_few_that_stand_for_several() -> None:
    mean = expected()[0]
    light = shine(1e8)
    drawn = np.bincount(light.module, minlength=len(mean))
    assert drawn.max() == MANY
    assert light.weight.max() > 10
    assert per_module(light).sum() == pytest.approx(1e8 * mean.sum(), rel=0.01)


def test_the_limit_is_above_the_light() -> None:
    """Else light would be lost: for real modules and showers anywhere."""
    rng = np.random.default_rng(0)
    module, place = rng.choice(len(DETECTOR), 20_000), rng.uniform(-550, 550, (20_000, 3))
    away = DETECTOR.position[module] - place
    distance = np.clip(np.linalg.norm(away, axis=1), NEAREST_M, FARTHEST_M)
    coefficients = ICE.means(ICE.layer(DETECTOR.position[module]), away[:, 2])
    light = cascade_charge(distance, *coefficients, rng.uniform(-1, 1, len(distance)), away[:, 2] / distance)
    edges, limit = brightest(ICE)
    above = light > limit[np.searchsorted(edges, distance, "right") - 1]
    assert above.mean() < 1e-3


def test_no_losses_no_light() -> None:
    assert len(shine(1e5, place=np.empty((0, 3))).module) == 0


def test_conditions_change_the_light() -> None:
    nominal = shine(1e5).weight.sum()
    assert shine(1e5, conditions=Conditions(efficiency=0.5)).weight.sum() == pytest.approx(nominal / 2, rel=0.05)
    dirty = replace(ICE, absorption=1.1 * ICE.absorption, scattering=1.1 * ICE.scattering)
    far = np.linalg.norm(DETECTOR.position - PLACE[0], axis=1) > 100
    clear_light, dirty_light = (per_module(shine(1e5, conditions=Conditions(ice)))[far].sum() for ice in (ICE, dirty))
    assert dirty_light < 0.95 * clear_light
    odd = per_module(shine(1e6, conditions=Conditions(model_spread=0.3)))
    mean = 1e6 * expected()[0]
    bright = mean > 300
    assert np.log(odd[bright] / mean[bright]).std() == pytest.approx(0.3, rel=0.25)
    slow = shine(1e6, conditions=Conditions(delay_spread=1.0))
    modules = np.flatnonzero(bright)
    late = [[light.time_ns[light.module == m].mean() for m in modules] for light in (shine(1e6), slow)]
    assert np.std(np.diff(late, axis=0)) > 30


def test_drawn_conditions() -> None:
    rng = np.random.default_rng(3)
    drawn = [Conditions.drawn(rng, model_spread=0.2) for _ in range(400)]
    ratio = np.array([each.ice.scattering / ICE.scattering for each in drawn])
    assert np.ptp(ratio, axis=1).max() < 1e-9
    assert ratio[:, 0].mean() == pytest.approx(1, abs=0.01)
    assert ratio[:, 0].std() == pytest.approx(0.06, rel=0.15)
    assert np.std([each.efficiency for each in drawn]) == pytest.approx(0.10, rel=0.15)
    assert drawn[0].model_spread == 0.2


def test_layers_are_perturbed_smoothly() -> None:
    rng = np.random.default_rng(4)
    drawn = [Conditions.drawn(rng, 0, 0, layer_sigma=0.1, layer_length_m=50.0).ice for _ in range(300)]
    dust = np.log([each.scattering / ICE.scattering for each in drawn])
    np.testing.assert_allclose(dust, np.log([each.absorption / ICE.absorption for each in drawn]), atol=1e-9)
    assert dust.std() == pytest.approx(0.1, rel=0.1)
    near, far = (np.corrcoef(dust[:, 50], dust[:, 50 + step])[0, 1] for step in (2, 30))
    assert near > 0.8
    assert abs(far) < 0.2
