"""Simulated events as a whole, and how they are written."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skymist import cli
from skymist.detector.geometry import icecube_86
from skymist.detector.light import DELAY, C
from skymist.errors import RequestError, UnknownNameError
from skymist.model.event import Event
from skymist.readers import read_event, read_events
from skymist.simulate import losses as maker
from skymist.simulate.event import simulate
from skymist.store.simulated_set import write_set
from skymist.workflow.simulate import parse_vertex, simulate_event, write_events


def modules(event: Event, hlc: bool = True) -> int:
    return len(np.unique(event.pulses.dom[event.pulses.hlc] if hlc else event.pulses.dom, axis=0))


def test_an_event_depends_on_seed_and_index_alone() -> None:
    assert simulate_event(1, 5).digest == simulate_event(1, 5).digest
    assert len({simulate_event(*place).digest for place in ((1, 5), (1, 6), (2, 5), (5, 1))}) == 4


@pytest.mark.parametrize("kind", maker.MAKERS)
def test_an_event_knows_its_truth(kind: str) -> None:
    event = simulate_event(3, 0, kind, 2e5, zenith=1.0, azimuth=2.0, vertex=np.array([10.0, 20.0, 30.0]))
    assert event.truth is not None
    assert (event.run, event.event, event.truth.topology) == (3, 0, kind)
    assert (event.truth.zenith, event.truth.azimuth) == pytest.approx((1.0, 2.0))
    away = np.array([10.0, 20.0, 30.0]) - [event.truth.x, event.truth.y, event.truth.z]
    assert np.linalg.norm(np.cross(away, maker.flight_of(event.truth))) < 1e-6
    assert event.losses.energy_gev.sum() > 1000
    assert event.simulated


def test_no_photon_outruns_light() -> None:
    event = simulate_event(3, 0)
    muon = event.truth
    assert muon is not None
    row, first = np.unique(icecube_86().index(event.pulses.dom), return_index=True)
    away = icecube_86().position[row] - [muon.x, muon.y, muon.z]
    along = away @ maker.flight_of(muon)
    rho = np.linalg.norm(away - along[:, None] * maker.flight_of(muon), axis=1)
    early = event.pulses.time_ns[first] - (muon.time_ns + along / C + rho * DELAY)
    signal = event.pulses.hlc[first] & (rho < 100)
    assert signal.sum() > 50
    assert np.sort(early[signal])[2] > -25  # noise comes first now and then
    assert np.median(early[signal]) < 200


def test_more_energy_more_light_and_dead_modules_stay_dark() -> None:
    events = {energy: [simulate_event(seed, 0, energy_gev=energy) for seed in range(6)] for energy in (1e4, 1e6)}
    low, high = (np.median([event.pulses.charge_pe.sum() for event in each]) for each in events.values())
    assert high > 20 * low
    for event in events[1e6]:
        assert (icecube_86().efficiency[icecube_86().index(event.pulses.dom)] > 0).all()


def test_pulses_are_in_order_and_on_existing_modules() -> None:
    pulses = simulate_event(7, 0).pulses
    row = icecube_86().index(pulses.dom)
    assert (row >= 0).all()
    assert np.array_equal(np.lexsort((pulses.time_ns, row)), np.arange(len(pulses)))
    assert (pulses.charge_pe > 0).all()
    assert 0.5 < pulses.hlc.mean() < 1
    assert np.ptp(pulses.time_ns) <= 10_000


def test_perturbed_events_are_of_the_same_particle() -> None:
    nominal, other = (simulate_event(1, 0, perturbed=perturbed) for perturbed in (False, True))
    assert nominal.truth == other.truth
    assert nominal.losses.tobytes() == other.losses.tobytes()
    assert nominal.digest != other.digest


def test_a_bright_event_saturates_and_a_dark_one_is_noise() -> None:
    near = icecube_86().position[2000] + [0, 0, 12.0]
    bright = simulate_event(1, 0, "cascade", 1e7, vertex=near)
    assert 0 < len(bright.exclusions["SaturationWindows"]) < 100
    far = simulate_event(1, 0, "cascade", 1e3, vertex=np.array([3000.0, 0.0, 0.0]))
    assert not far.exclusions
    assert 5 < len(far.pulses) < 70


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables_are_read_back(tmp_path: Path, suffix: str) -> None:
    made = [simulate_event(1, index, energy_gev=2e4) for index in range(2)]
    written = list(write_events(tmp_path / f"a{suffix}", 2, made.__getitem__))
    assert written == [tmp_path / f"a-0{suffix}", tmp_path / f"a-1{suffix}"]
    again = read_event(tmp_path / f"a-1{suffix}")
    assert again.digest == made[1].digest
    assert again.truth == made[1].truth


def test_a_set_is_read_back(tmp_path: Path) -> None:
    made = [simulate_event(2, index, kind, 5e4) for index, kind in enumerate(maker.MAKERS)]
    written = list(write_events(tmp_path / "a.npz", 3, made.__getitem__))
    assert written == [None, None, tmp_path / "a.npz"]
    for before, after in zip(made, read_events(tmp_path / "a.npz"), strict=True):
        assert after.truth is not None
        assert before.truth is not None
        for name in ("dom", "time_ns", "charge_pe", "hlc"):
            assert np.array_equal(getattr(before.pulses, name), getattr(after.pulses, name))
        assert after.truth.topology == before.truth.topology
        for name in ("zenith", "azimuth", "x", "y", "z", "time_ns", "energy_gev"):
            assert getattr(after.truth, name) == pytest.approx(getattr(before.truth, name), abs=1e-6)
        np.testing.assert_allclose(after.losses.position, before.losses.position, atol=1e-6)
        np.testing.assert_allclose(after.losses.energy_gev, before.losses.energy_gev)


def test_what_cannot_be_simulated_or_written(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="there are: cascade, starting, through-going"):
        simulate_event(1, 0, "double-bang")
    for text in ("1,2", "a,b,c", "1,2,nan", ""):
        with pytest.raises(RequestError, match="is not X,Y,Z in metres"):
            parse_vertex(text)
    with pytest.raises(RequestError, match=r"x.root: events are written as .csv, .parquet or .npz"):
        next(write_events(tmp_path / "x.root", 1, lambda index: pytest.fail("nothing is simulated")))
    event = simulate_event(1, 0, "cascade", 1e4)
    for wrong in (replace(event, truth=None), replace(event, detector=replace(event.detector, name="other"))):
        with pytest.raises(RequestError, match="a set holds"):
            write_set([wrong], tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("--kind", "cascade", "-n", "2", "--perturbed", "--out", "set.npz"), 0, "set.npz\n"),
        (("--kind", "starting", "--vertex", "0,0,0", "--zenith", "90", "--azimuth", "10"), 0, "simulated.csv\n"),
        (("--kind", "tau"), 2, "'tau' is not one of 'through-going', 'starting', 'cascade'"),
        (("--vertex", "0,0"), 2, "vertex '0,0' is not X,Y,Z in metres"),
        (("--zenith", "0", "--vertex", "9000,0,0"), 2, "misses the detector"),
        (("--out", "set.zip"), 2, "set.zip: events are written as .csv, .parquet or .npz"),
        (("--out", "/dev/null/set.npz"), 2, "/dev/null/set.npz"),
    ],
)
def test_command_line(
    words: tuple[str, ...],
    status: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["skymist", "simulate", *words])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    answer, notes = capfd.readouterr()
    assert int(stop.value.code or 0) == status
    assert message in (notes if status else answer)
    if not status:
        events = list(read_events(answer.strip()))
        assert {event.truth.topology for event in events if event.truth} == {words[1]}
        assert len(events) == (2 if "-n" in words else 1)


def test_simulation_photon_by_photon_is_as_bright(shared: Path) -> None:
    """The same losses give the same charge and hit as many modules, within what differs from event to event."""
    path = shared / "simulated" / "tracks_real_geometry_dev.npz"
    with np.load(path) as data:
        length = data["truth"]["length_m"]
    ratios = []
    for index, theirs in enumerate(read_events(path)):
        if theirs.truth is None or theirs.truth.topology != "through-going" or len(ratios) == 12:
            continue
        ours = simulate(*with_bare_light(theirs, float(length[index])), icecube_86(), np.random.default_rng(index))
        charges = [event.pulses.charge_pe.sum() for event in (ours, theirs)]
        ratios.append(np.log([charges[0] / charges[1], modules(ours) / modules(theirs)]))
    assert len(ratios) == 12
    assert np.abs(np.mean(ratios, axis=0)).max() < 0.15
    assert np.std(ratios, axis=0).max() < 0.35


def with_bare_light(event: Event, length: float) -> tuple[maker.Particle, maker.Losses]:
    """The truth, and its losses with the light of the muon itself, which the sets do not list."""
    truth, losses = event.truth, event.losses
    assert truth
    entry, flight = np.array([truth.x, truth.y, truth.z]), maker.flight_of(truth)
    along = (losses.position - entry) @ flight
    steps = np.append(np.arange(0, length, maker.STEP_M), length)
    energy = truth.energy_gev - np.interp(steps, along, np.cumsum(losses.energy_gev))
    distance, light = maker.steps_of_light(along, losses.energy_gev, energy, length)
    return truth, maker.Losses(entry + distance[:, None] * flight, light)
