"""What photomultipliers and digitisers make of photons."""

from dataclasses import replace

import numpy as np
import pytest

from skymist.detector.geometry import icecube_86
from skymist.model.event import Pulses, TimeWindows
from skymist.simulate.photons import Photons
from skymist.simulate.readout import (
    LIMIT_PE_NS,
    LINEAR_PE_NS,
    NOISE_HZ,
    SLOT_NS,
    coincident,
    compressed,
    merged,
    read_out,
    single_photons,
)

DETECTOR = icecube_86()
FEW = replace(DETECTOR, dom=DETECTOR.dom[:5], position=DETECTOR.position[:5], efficiency=DETECTOR.efficiency[:5])
NONE = Photons(np.empty(0, np.int64), np.empty(0), np.empty(0))


def at(module: int, time: np.ndarray) -> Photons:
    return Photons(np.full(len(time), module), time, np.ones(len(time)))


def read(light: Photons, seed: int = 1, detector: object = FEW) -> tuple[Pulses, TimeWindows]:
    return read_out(light, detector, 10_000.0, np.random.default_rng(seed))  # type: ignore[arg-type]


def test_charge_of_one_photon() -> None:
    charge = single_photons(400_000, np.random.default_rng(1))
    assert charge.mean() == pytest.approx(0.8625, abs=0.003)
    assert charge.min() >= 0.1
    assert np.median(charge) == pytest.approx(0.93, abs=0.03)


def test_merging_keeps_charge_order_and_first_times() -> None:
    rng = np.random.default_rng(2)
    module, time, charge = rng.integers(0, 5, 5000), rng.uniform(0, 900, 5000), rng.uniform(0, 1, 5000)
    row, when, sums = merged(module, time, charge)
    assert sums.sum() == pytest.approx(charge.sum())
    assert np.array_equal(np.lexsort((when, row)), np.arange(len(row)))
    assert len(row) < 5000
    for m in range(5):
        assert when[row == m][0] == time[module == m].min()
        slots = np.floor((when[row == m] - when[row == m][0]) / SLOT_NS)
        assert (np.diff(slots) >= 1).all()


def test_saturation_is_linear_then_bends_and_ends() -> None:
    light = np.geomspace(1e-3, 1e7, 300)
    seen = compressed(light)
    linear = light < LINEAR_PE_NS * SLOT_NS
    assert (seen[linear] > 0.88 * light[linear]).all()
    assert (seen[light < 30] > 0.999 * light[light < 30]).all()
    assert (np.diff(seen) > 0).all()
    assert seen.max() < 1.05 * LIMIT_PE_NS * SLOT_NS


def test_a_saturated_module_is_told() -> None:
    _, windows = read(at(2, np.full(40, 10_000.0)))
    assert len(windows) == 0
    pulses, windows = read(at(2, np.random.default_rng(0).normal(10_100, 3, 4000)))
    assert windows.dom.tolist() == [FEW.dom[2].tolist()]
    inside = (pulses.time_ns >= windows.start_ns[0]) & (pulses.time_ns <= windows.stop_ns[0])
    assert 0 < windows.stop_ns[0] - windows.start_ns[0] < 40
    assert pulses.charge_pe[inside].sum() < 0.7 * 4000 * 0.8625
    assert pulses.charge_pe.max() > 100


def test_late_and_after_pulses() -> None:
    delays, n = [], 0
    for seed in range(40):
        pulses, _ = read(at(0, np.full(60, 10_000.0)), seed)
        first = pulses[(pulses.dom == FEW.dom[0]).all(axis=1)]
        delays.append(np.repeat(first.time_ns - 10_000.0, np.maximum(np.rint(first.charge_pe / 0.8625), 1).astype(int)))
        n += 60
    delay = np.concatenate(delays)
    assert np.mean((delay > 90) & (delay < 210)) * len(delay) / n == pytest.approx(0.03, abs=0.012)
    assert np.mean(delay > 300) * len(delay) / n == pytest.approx(0.04, abs=0.015)
    assert np.median(delay[delay > 300]) == pytest.approx(1700, abs=600)


def test_noise_alone() -> None:
    events = [read(NONE, seed, DETECTOR)[0] for seed in range(40)]
    live = (DETECTOR.efficiency > 0).sum()
    assert np.mean([len(pulses) for pulses in events]) == pytest.approx(live * NOISE_HZ * 1e-5, rel=0.1)
    assert (DETECTOR.efficiency[DETECTOR.index(np.concatenate([pulses.dom for pulses in events]))] > 0).all()
    again = [len(pulses) - len(np.unique(pulses.dom, axis=0)) for pulses in events]
    assert 0.02 < np.sum(again) / np.sum([len(pulses) for pulses in events]) < 0.15
    times = np.concatenate([pulses.time_ns for pulses in events])
    assert times.min() >= 6000
    assert times.max() <= 16_000


def test_the_window_is_cut_around_the_trigger() -> None:
    times = np.concatenate([np.full(10, 50_000.0), np.full(10, 50_500.0), [45_500.0, 56_600.0]])
    light = Photons(np.tile([0, 1], 11), times, np.ones(22))
    pulses, _ = read(light)
    assert 8 < len(pulses) < 24
    assert pulses.time_ns.min() >= 50_000 - 4100
    assert pulses.time_ns.max() <= 50_500 + 6100


def test_local_coincidence() -> None:
    dom = np.array([[1, 1], [1, 3], [1, 10], [1, 11], [2, 1], [5, 5], [5, 5]], np.int16)
    time = np.array([0.0, 900.0, 0.0, 1100.0, 100.0, 0.0, 50.0])
    assert coincident(dom, time).tolist() == [True, True, False, False, False, False, False]
    assert coincident(dom[:0], time[:0]).tolist() == []
