"""The cascade reconstruction: likelihood, derivatives, choice of light and search."""

import json
import os
import platform
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from subprocess import run

import healpy as hp
import numpy as np
import pytest
from events import from_decoded, from_simulated
from hypothesis import given, settings
from hypothesis import strategies as st

from skymist.detector.geometry import icecube_86
from skymist.detector.light import MEAN_CHARGE, N_GROUP, C, shower_table
from skymist.errors import RequestError
from skymist.model import sky
from skymist.model.event import Event, Losses, Particle, TimeWindows
from skymist.model.reconstruction import Directions, Fit, Status
from skymist.model.request import default_levels
from skymist.reco import cascade_kernels, cascade_pair_kernels
from skymist.reco.cascade import Cascade, CascadeData, prepare, start_steps
from skymist.reco.cascade_light import NEAR, PULSES_PER_PHOTON, QUANTILES, REACH, ShowerLight, around, cores
from skymist.reco.cascade_reference import nllh
from skymist.reco.track_mpe import ice_grid
from skymist.simulate.event import simulate
from skymist.simulate.losses import flight_of
from skymist.testing import check_reconstruction
from skymist.workflow.simulate import simulate_event

RECO, PAIR = Cascade(), Cascade(points=2)
PLACE = np.array([20.0, 30.0, -250.0])
OFFSET = st.floats(-60, 60)


@cache
def shower(seed: int, energy_gev: float = 5e4) -> Event:
    return simulate_event(seed, 0, "cascade", energy_gev, vertex=PLACE)


@cache
def data_of(event: Event) -> CascadeData:
    data = prepare(event, RECO.charge_weight, RECO.charge_spread)
    assert data
    return data


def toward(origin: np.ndarray) -> Directions:
    origin = np.atleast_2d(origin)
    return Directions(*sky.lonlat(origin), origin)


def place_of(event: Event) -> np.ndarray:
    assert event.truth
    return np.array([event.truth.x, event.truth.y, event.truth.z])


def flight(event: Event) -> np.ndarray:
    assert event.truth
    return flight_of(event.truth)


def evaluate(light: ShowerLight, towards: np.ndarray, point: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """nllh, gradient and the lower half of the curvature of the compiled likelihood of one shower, or of two."""
    n = len(point)
    kernels = cascade_kernels if n == 5 else cascade_pair_kernels
    slope, curve, work = np.empty(n), np.empty((n, n)), np.empty((39, n))
    model = (
        light.modules,
        light.times,
        light.first,
        *ice_grid(),
        *shower_table(),
        RECO.charge_weight,
        RECO.charge_spread,
    )
    return kernels.evaluate(towards, *model, point, slope, curve, work), slope, curve


def reference(light: ShowerLight, towards: np.ndarray, point: np.ndarray) -> float:
    return nllh(light, towards, point, RECO.charge_weight, RECO.charge_spread)


@st.composite
def hypotheses(draw: st.DrawFn, pairs: st.SearchStrategy[bool]) -> tuple[ShowerLight, np.ndarray, np.ndarray]:
    """The light of an event, a direction of flight, and one shower or two."""
    data = data_of(shower(draw(st.integers(1, 3))))
    towards = sky.unit(draw(st.floats(0, 6.3)), np.arcsin(draw(st.floats(-1, 1))))
    moved = [draw(OFFSET), draw(OFFSET), draw(OFFSET), draw(st.floats(-200, 200)), data.ln_energy]
    moved[4] += draw(st.floats(-1, 1))
    second = [draw(st.floats(0, 150)), draw(st.floats(-5, 5))] if draw(pairs) else []
    return data.light, towards, np.array(moved + second)


@pytest.mark.parametrize(("reco", "cells"), [(RECO, 6), (PAIR, 2)])
def test_contract(reco: Cascade, cells: int) -> None:
    check_reconstruction(reco, shower(1), cells)


@settings(max_examples=30, deadline=None)
@given(hypotheses(st.booleans()))
def test_kernel_equals_reference(given: tuple[ShowerLight, np.ndarray, np.ndarray]) -> None:
    assert evaluate(*given)[0] == pytest.approx(reference(*given), rel=1e-9, abs=1e-5)


@settings(max_examples=20, deadline=None)
@given(hypotheses(st.booleans()))
def test_gradient_is_the_slope_of_the_reference(given: tuple[ShowerLight, np.ndarray, np.ndarray]) -> None:
    light, towards, point = given
    moves = 1e-7 * np.eye(len(point))
    slope = [(reference(light, towards, point + m) - reference(light, towards, point - m)) / 2e-7 for m in moves]
    np.testing.assert_allclose(evaluate(*given)[1], slope, rtol=1e-4, atol=1e-3)


@settings(max_examples=10, deadline=None)
@given(hypotheses(st.just(True)))
def test_two_showers_at_one_place_are_one(given: tuple[ShowerLight, np.ndarray, np.ndarray]) -> None:
    light, towards, point = given
    point[5] = 0.0
    assert evaluate(light, towards, point)[0] == pytest.approx(evaluate(light, towards, point[:5])[0], abs=1e-6)


def test_curvature_is_positive() -> None:
    data = data_of(shower(1))
    _, _, curve = evaluate(data.light, flight(shower(1)), np.array([0, 0, 0, 0, data.ln_energy]))
    assert (np.linalg.eigvalsh(curve, "L") > 0).all()


@pytest.mark.parametrize("seed", range(1, 4))
def test_a_fit_is_a_minimum_of_the_whole_function(seed: int) -> None:
    event = shower(seed)
    light, towards = data_of(event).light, flight(event)
    fit = RECO(event, toward(-towards), None)
    point = np.array([*(fit.vertex[0] - light.center), fit.time_ns[0] - light.time_ns, np.log(fit.energy_gev[0])])
    least = reference(light, towards, point)
    assert fit.status[0] == Status.OK
    assert least == pytest.approx(fit.nllh[0], abs=1e-3)
    for move in np.vstack([np.eye(5), -np.eye(5)]) * [1, 1, 1, 4, 0.1]:
        assert reference(light, towards, point + move) > least


@pytest.mark.parametrize("seed", range(1, 4))
def test_finds_the_simulated_shower(seed: int) -> None:
    """The truth is among the likely directions, and there place, time and energy are what they were."""
    event = shower(seed)
    truth = event.truth
    assert truth
    everywhere = RECO(event, sky.directions(event.detector, event.time, sky.all_cells(4)), None)
    fit = RECO(event, toward(-flight(event)), None)
    assert 2 * (fit.nllh[0] - everywhere.nllh.min()) < 9
    assert 2 * (np.median(everywhere.nllh) - fit.nllh[0]) > 9
    assert np.linalg.norm(fit.vertex[0] - place_of(event)) < 4
    assert fit.time_ns[0] == pytest.approx(truth.time_ns, abs=15)
    assert fit.energy_gev[0] == pytest.approx(truth.energy_gev, rel=0.15)


def test_brighter_showers_have_more_energy_and_smaller_contours() -> None:
    cells = sky.all_cells(4)
    share = []
    for energy in (3e3, 3e4):
        event = shower(7, energy)
        fit = RECO(event, sky.directions(event.detector, event.time, cells), None)
        assert fit.energy_gev[np.argmin(fit.nllh)] == pytest.approx(energy, rel=0.3)
        share.append(np.exp(fit.nllh.min() - fit.nllh).mean())
    assert share[1] < share[0]


def two_showers(seed: int, apart: float, energies: tuple[float, float]) -> Event:
    rng = np.random.default_rng(seed)
    ahead = sky.unit(rng.uniform(0, 2 * np.pi), np.arcsin(rng.uniform(-1, 1)))
    azimuth, elevation = (float(angle) for angle in sky.lonlat(-ahead))
    truth = Particle(np.pi / 2 - elevation, azimuth, *PLACE, 10_000.0, sum(energies), "cascade")
    losses = Losses(PLACE + np.array([[0.0], [apart]]) * ahead, np.array(energies))
    return simulate(truth, losses, icecube_86(), rng)


@pytest.mark.parametrize(
    ("seed", "apart", "energies"), [(1, 60.0, (1e5, 1e5)), (2, 80.0, (5e4, 1e5)), (3, 100.0, (5e4, 4e4))]
)
def test_finds_two_showers(seed: int, apart: float, energies: tuple[float, float]) -> None:
    """From their true direction, and more likely than a single one and than a pair that flies the other way."""
    event = two_showers(seed, apart, energies)
    direction = toward(-flight(event))
    fit = PAIR(event, direction, None)
    found = PAIR.profile(event, direction, fit)
    assert fit.status[0] == Status.OK
    np.testing.assert_allclose(found.position, event.losses.position, atol=5)
    assert np.linalg.norm(found.position[1] - found.position[0]) == pytest.approx(apart, abs=5)
    assert found.energy_gev == pytest.approx(event.losses.energy_gev, rel=0.25)
    assert found.energy_gev.sum() == pytest.approx(fit.energy_gev[0], rel=0.01)
    assert RECO(event, direction, None).nllh[0] - fit.nllh[0] > 20
    assert PAIR(event, toward(flight(event)), None).nllh[0] - fit.nllh[0] > 20


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names a processor of that kind")
def test_kernels_of_another_processor_find_two_showers(tmp_path: Path) -> None:
    """There the compiler inlines less, and kernels of one and of two showers may take each other's functions."""
    other = {"NUMBA_CPU_NAME": "x86-64-v3", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "-q", f"{__file__}::test_finds_two_showers", "-p", "no:cacheprovider"]
    done = run(command, env=os.environ | other, capture_output=True, text=True, check=False)
    assert "3 passed" in done.stdout, done.stdout[-2000:]


@pytest.mark.parametrize("seed", range(1, 4))
def test_of_a_single_shower_the_second_is_negligible(seed: int) -> None:
    event = shower(seed)
    direction = toward(-flight(event))
    single, pair = RECO(event, direction, None), PAIR(event, direction, None)
    assert single.nllh[0] - 3 < pair.nllh[0] <= single.nllh[0]
    found = PAIR.profile(event, direction, pair)
    share = found.energy_gev / found.energy_gev.sum()
    assert np.linalg.norm(found.position[1] - found.position[0]) * np.sqrt(share.prod()) < 8
    assert pair.energy_gev[0] == pytest.approx(single.energy_gev[0], rel=0.05)


def test_two_showers_are_never_worse_than_one() -> None:
    event = two_showers(1, 60.0, (1e5, 1e5))
    directions = sky.directions(event.detector, event.time, sky.all_cells(1))
    start = RECO(event, directions, None)
    assert (PAIR(event, directions, None).nllh <= start.nllh).all()
    assert (PAIR(event, directions, start).nllh <= RECO(event, directions, start).nllh).all()


def test_the_profile_of_a_single_shower_is_its_fit() -> None:
    fit = RECO(shower(1), toward(-flight(shower(1))), None)
    losses = RECO.profile(shower(1), toward(-flight(shower(1))), fit)
    np.testing.assert_array_equal(losses.position, fit.vertex)
    np.testing.assert_array_equal(losses.energy_gev, fit.energy_gev)


def test_a_finer_level_starts_from_its_parent() -> None:
    event = shower(1)
    directions = toward(-flight(event))
    cold = RECO(event, directions, None)
    moved = replace(cold, vertex=cold.vertex + np.array([[5, -5, 5]], "<f4"), time_ns=cold.time_ns - 20)
    warm = RECO(event, directions, moved)
    assert warm.nllh[0] == pytest.approx(cold.nllh[0], abs=0.03)
    np.testing.assert_allclose(warm.vertex, cold.vertex, atol=0.5)


def test_a_failed_parent_fails_its_children_only() -> None:
    event = shower(1)
    directions = toward(sky.unit([0.0, 1.0], [0.0, 1.0]))
    start = Fit.concatenate([Fit.failed(1), RECO(event, directions[1:], None)])
    fit = RECO(event, directions, start)
    assert fit.status[0] == Status.FAILED
    assert np.isfinite(fit.nllh[1])


def test_too_little_light_fails_everywhere() -> None:
    event = shower(1)
    module = event.detector.index(event.pulses.dom)
    few = np.isin(module, cores(event)[0][:4])
    for poor in (event.pulses[:0], event.pulses[few], event.pulses[~event.pulses.hlc]):
        fit = RECO(replace(event, pulses=poor), toward(sky.unit([0.0, 1.0], [0.0, 1.0])), None)
        assert (fit.status == Status.FAILED).all()
        assert np.isnan(fit.nllh).all()


def test_light_is_that_of_the_event() -> None:
    """Charges are those of all live modules near the shower; lit ones have some ordered times."""
    event = shower(1, 1e4)
    light = data_of(event).light
    away = np.linalg.norm(event.detector.position - light.center, axis=1)
    near = (away < REACH) & (event.detector.efficiency > 0)
    distance = np.linalg.norm(light.modules[:, :3], axis=1)
    counted = light.modules[:, 7] >= 0
    assert distance.max() < REACH
    assert not event.exclusions
    assert counted.sum() == near.sum()
    pulses = event.pulses[np.isin(event.detector.index(event.pulses.dom), np.flatnonzero(near))]
    charge = light.modules[counted, 7].sum() * MEAN_CHARGE * PULSES_PER_PHOTON
    assert 0.6 * pulses.charge_pe.sum() < charge <= pulses.charge_pe.sum()
    each = np.diff(light.first)
    assert each.max() == QUANTILES
    assert light.lit == np.sum(each > 0) > 50
    for a, b in zip(light.first, light.first[1:], strict=False):
        assert (np.diff(light.times[a:b, 0]) >= 0).all()
    late = light.times[:, 0] - np.repeat(distance, each) * N_GROUP / C
    assert ((late > -300) & (late < 4000)).all()


def bright_event(charge: float) -> tuple[Event, int]:
    """An event, and one of its modules, far enough to be timed, in which every pulse has this charge."""
    event = shower(1)
    module, _, seen = cores(event)
    far = np.linalg.norm(event.detector.position[module] - PLACE, axis=1) > 1.2 * NEAR
    module = int(module[far][np.argmax(seen[far])])
    pulses = event.pulses
    same = event.detector.index(pulses.dom) == module
    charges = np.where(same, np.float32(charge), pulses.charge_pe)
    return replace(event, pulses=replace(pulses, charge_pe=charges)), module


def row_of(event: Event, light: ShowerLight, module: int) -> int:
    return int(np.argmin(np.linalg.norm(light.modules[:, :3] + light.center - event.detector.position[module], axis=1)))


def test_near_modules_say_how_much_light_and_not_when() -> None:
    light = around(shower(1), PLACE, 10_000.0)
    near = np.linalg.norm(light.modules[:, :3], axis=1) < NEAR
    assert near.sum() > 3
    assert (light.modules[near, 7] > 0).any()
    assert not np.diff(light.first)[near].any()


def test_a_module_too_bright_to_be_believed_keeps_its_first_light_only() -> None:
    event, module = bright_event(2000.0)
    light = around(event, PLACE, 10_000.0)
    row = row_of(event, light, module)
    assert light.modules[row, 7] == -1
    assert np.diff(light.first)[row] == 1
    begin = event.pulses.time_ns[event.detector.index(event.pulses.dom) == module].min()
    assert light.times[light.first[row], 0] + light.time_ns < begin + 30
    fit = RECO(event, toward(-flight(event)), None)
    np.testing.assert_allclose(fit.vertex[0], PLACE, atol=4)


def test_exclusions_are_dropped() -> None:
    event = shower(1)
    lit, _, charge = cores(event)
    near = np.linalg.norm(event.detector.position[lit] - PLACE, axis=1) < REACH
    module = int(lit[near][np.argsort(charge[near])[near.sum() // 2]])
    dom = event.detector.dom[[module]]
    before = around(event, PLACE, 10_000.0)
    row = row_of(event, before, module)
    assert before.modules[row, 7] > 0
    windows = TimeWindows(dom, np.full(1, -np.inf), np.full(1, np.inf))
    after = around(replace(event, exclusions={"test": windows, **event.exclusions}), PLACE, 10_000.0)
    np.testing.assert_array_equal(after.modules, np.delete(before.modules, row, axis=0))
    np.testing.assert_array_equal(np.diff(after.first), np.delete(np.diff(before.first), row))


def test_light_of_the_infill_counts() -> None:
    """A shower amid DeepCore is lit up by it; a track fit leaves it out."""
    place = np.array([45.0, -35.0, -350.0])
    event = simulate_event(3, 0, "cascade", 5e4, vertex=place)
    light = data_of(event).light
    infill = icecube_86().position[np.isin(icecube_86().dom[:, 0], range(79, 87))]
    lit = (light.modules[:, :3] + light.center)[np.diff(light.first) > 0]
    assert sum((np.linalg.norm(infill - at, axis=1) < 0.1).any() for at in lit) > 30
    fit = RECO(event, toward(-flight(event)), None)
    np.testing.assert_allclose(fit.vertex[0], place, atol=4)


def test_options_are_checked_and_matter() -> None:
    for name, wrong in {"charge_weight": 0.0, "charge_spread": 11.0, "starts": 0}.items():
        with pytest.raises(RequestError, match=f"cascade needs .* {name} <= "):
            Cascade(**{name: wrong})
    with pytest.raises(RequestError, match="points = 1 or 2, not 3"):
        Cascade(points=3)
    event, directions = shower(1), toward(sky.unit([0.5], [0.5]))
    assert RECO(event, directions, None).nllh[0] != Cascade(charge_weight=0.5)(event, directions, None).nllh[0]


def test_more_starts_never_find_less() -> None:
    event, directions = shower(2), toward(sky.unit([0.5, 2.0], [0.5, -0.3]))
    assert (Cascade(starts=3)(event, directions, None).nllh <= RECO(event, directions, None).nllh).all()
    np.testing.assert_array_equal(start_steps(3), [0, -15, 15])


def test_its_own_levels() -> None:
    assert [level.nside for level in default_levels(RECO)] == [8, 64]


def test_importing_the_reconstruction_does_not_import_numba() -> None:
    code = (
        "import sys; from skymist.reco.cascade import Cascade as c; "
        "sys.exit(10 + c().compiled if 'numba' not in sys.modules else 1)"
    )
    assert run([sys.executable, "-c", code], check=False).returncode == 11


def best_cell(reco: Cascade, event: Event) -> tuple[float, float, float, float]:
    """Error (degrees), distance (m) and ln(E / truth) of the best cell, and the test statistic of the truth."""
    directions = sky.directions(event.detector, event.time, sky.all_cells(8))
    fit = reco(event, directions, None)
    best, here = int(np.argmin(fit.nllh)), flight(event)
    at_truth = reco(event, toward(-here), None).nllh[0]
    error = np.degrees(np.arccos(-directions.origin[best] @ here))
    assert event.truth
    ln_ratio = np.log(fit.energy_gev[best] / event.truth.energy_gev)
    away = np.linalg.norm(fit.vertex[best] - place_of(event))
    return float(error), float(away), float(ln_ratio), 2 * float(at_truth - fit.nllh.min())


def test_photon_by_photon_simulation(shared: Path) -> None:
    path = shared / "simulated" / "cascades_dev.npz"
    found = np.array([best_cell(RECO, from_simulated(path, index)) for index in (3, 12, 42)])
    error, away, ln_ratio, ts = found.T
    assert np.median(error) < 12
    assert np.median(away) < 5
    assert np.abs(ln_ratio).max() < 0.3
    assert np.mean(ts < 4.61) > 0.6


def test_an_event_in_the_dust_knows_that_it_knows_nothing(shared: Path) -> None:
    """A dozen lit modules in the darkest ice: most of the sky stays possible."""
    event = from_simulated(shared / "simulated" / "cascades_dev.npz", 30)
    fit = RECO(event, sky.directions(event.detector, event.time, sky.all_cells(4)), None)
    assert np.mean(2 * (fit.nllh - fit.nllh.min()) < 4.61) > 0.3


def test_a_real_cascade_of_which_two_modules_hold_most_of_the_charge(shared: Path) -> None:
    """The best of twelve cells of a published scan, and the vertex it found there."""
    event = from_decoded(shared / "decoded" / "127907_20178442.json")
    scan = json.loads((shared / "reference_scans/millipede_wilks/run00127907.evt000020178442.HESE_1.json").read_text())
    rows = np.array(scan["nside-1"]["data"], float)
    theta, phi = hp.pix2ang(1, rows[:, 0].astype(int))
    zenith, azimuth = sky.to_detector(event.detector, event.time, phi, np.pi / 2 - theta)
    fit = RECO(event, toward(sky.unit(azimuth, np.pi / 2 - zenith)), None)
    assert np.argmin(rows[:, 1]) == 8
    assert np.argmin(fit.nllh) == 8
    assert (fit.nllh[:4] - fit.nllh[8] > 1).all()
    assert np.median(np.linalg.norm(fit.vertex - rows[:, 4:7], axis=1)) < 25
