"""The track reconstruction: likelihood, derivatives, search and cleaning."""

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from subprocess import run
from typing import NamedTuple

import numpy as np
import pytest
from events import from_decoded, from_simulated
from hypothesis import given, settings
from hypothesis import strategies as st

from skymist.detector.light import DELAY, C
from skymist.errors import RequestError
from skymist.model import sky
from skymist.model.event import Event, Particle, TimeWindows
from skymist.model.reconstruction import Directions, Fit, Status
from skymist.reco import kernels
from skymist.reco.arrival import table
from skymist.reco.hits import clean
from skymist.reco.reference import Reference, closest_approach
from skymist.reco.track_mpe import JITTER, TrackMPE, ice_grid, is_compiled, plane_frames, prepare, start_offsets
from skymist.simulate.losses import flight_of
from skymist.testing import check_reconstruction
from skymist.workflow.simulate import simulate_event

RECO = TrackMPE()
REAL = "136766_7637140", "138632_31747601", "127907_20178442", "130322_1414689"
ANGLE = st.floats(-1, 1)
OFFSET = st.floats(-80, 80)


class Muon(NamedTuple):
    """Its direction of flight, and where it is after 10 us."""

    flight: np.ndarray
    point: np.ndarray


@cache
def muon_event(seed: int) -> tuple[Muon, Event]:
    event = simulate_event(seed, 0, energy_gev=2e5)
    assert event.truth
    return Muon(flight_of(event.truth), np.array([event.truth.x, event.truth.y, event.truth.z])), event


def toward(origin: np.ndarray) -> Directions:
    origin = np.atleast_2d(origin)
    return Directions(*sky.lonlat(origin), origin)


def evaluate(event: Event, frame: np.ndarray, point: np.ndarray) -> np.ndarray:
    """nllh, gradient (3), Hessian (aa, ab, bb, at, bt, tt) of the compiled likelihood."""
    data, out = prepare(event, RECO.charge_exponent), np.empty(10)
    assert data
    model = data.hits, data.silent, table(JITTER), *ice_grid(), RECO.light_weight
    kernels.evaluate(frame, *model, point, out)
    out[0] += data.constant
    return out


def reference(event: Event, frame: np.ndarray, point: np.ndarray) -> float:
    data = prepare(event, RECO.charge_exponent)
    assert data
    vertex = data.center + point[:2] @ frame[:2]
    return _reference(event).nllh(-frame[2], vertex, data.time_ns + point[2])


@cache
def _reference(event: Event) -> Reference:
    return Reference(event, RECO)


def test_contract() -> None:
    check_reconstruction(RECO, muon_event(1)[1])


@settings(max_examples=40, deadline=None)
@given(cos=ANGLE, azimuth=st.floats(0, 6.3), a=OFFSET, b=OFFSET, t=st.floats(-500, 500), seed=st.integers(1, 3))
def test_kernel_equals_reference(cos: float, azimuth: float, a: float, b: float, t: float, seed: int) -> None:
    frame = plane_frames(-sky.unit(azimuth, np.arcsin([cos])))[0]
    event, point = muon_event(seed)[1], np.array([a, b, t])
    assert evaluate(event, frame, point)[0] == pytest.approx(reference(event, frame, point), rel=1e-10, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(cos=ANGLE, azimuth=st.floats(0, 6.3), a=OFFSET, b=OFFSET, t=st.floats(-300, 300))
def test_gradient_is_the_slope_of_the_reference(cos: float, azimuth: float, a: float, b: float, t: float) -> None:
    frame = plane_frames(-sky.unit(azimuth, np.arcsin([cos])))[0]
    event, point, step = muon_event(2)[1], np.array([a, b, t]), 1e-5
    moves = step * np.eye(3)
    slope = [(reference(event, frame, point + m) - reference(event, frame, point - m)) / (2 * step) for m in moves]
    np.testing.assert_allclose(evaluate(event, frame, point)[1:4], slope, rtol=1e-4, atol=1e-4)


def test_hessian_at_the_minimum() -> None:
    """Second derivatives of shape and rate are left out: 10 % of the curvature at most, none of it in time."""
    muon, event = muon_event(2)
    frame = plane_frames(muon.flight[None])[0]
    point = fitted_point(event, muon)
    gradients = [
        evaluate(event, frame, point + m)[1:4] - evaluate(event, frame, point - m)[1:4] for m in np.eye(3) * 1e-3
    ]
    numeric = np.array(gradients) / 2e-3
    _, _, _, _, aa, ab, bb, at, bt, tt = evaluate(event, frame, point)
    analytic = np.array([[aa, ab, at], [ab, bb, bt], [at, bt, tt]])
    size = np.sqrt(np.diag(numeric))
    np.testing.assert_allclose(analytic / np.outer(size, size), numeric / np.outer(size, size), atol=0.1)
    np.testing.assert_allclose(tt, numeric[2, 2], rtol=1e-3)


def fitted_point(event: Event, muon: Muon) -> np.ndarray:
    data = prepare(event, RECO.charge_exponent)
    directions = toward(-muon.flight)
    fit = RECO(event, directions, RECO(event, directions, None))  # the search alone stops early
    frame = plane_frames(muon.flight[None])[0]
    assert data
    return np.array([*(frame[:2] @ (fit.vertex[0] - data.center)), fit.time_ns[0] - data.time_ns])


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_fit_is_a_minimum_of_the_whole_function(seed: int) -> None:
    muon, event = muon_event(seed)
    frame, point = plane_frames(muon.flight[None])[0], fitted_point(event, muon)
    least = reference(event, frame, point)
    for move in np.vstack([np.eye(3), -np.eye(3)]) * [0.5, 0.5, 2.0]:
        assert reference(event, frame, point + move) > least


@pytest.mark.parametrize("seed", range(1, 6))
def test_finds_the_simulated_track(seed: int) -> None:
    """Of directions on rings around the truth, the truth or its neighbour is the best; the track is where it was."""
    muon, event = muon_event(seed)
    frame = plane_frames(muon.flight[None])[0]
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    rings = np.concatenate(
        [[[0.0, 0.0]], *(r * np.column_stack([np.cos(turn), np.sin(turn)]) for r in (0.005, 0.05, 0.5))]
    )
    origin = rings @ frame[:2] - frame[2]
    fit = RECO(event, toward(origin / np.linalg.norm(origin, axis=1, keepdims=True)), None)
    assert np.argmin(fit.nllh) <= 12
    away = (fit.vertex[0] - muon.point) - ((fit.vertex[0] - muon.point) @ muon.flight) * muon.flight
    assert np.linalg.norm(away) < 5


def test_a_finer_level_starts_from_its_parent() -> None:
    """Moving the start along the track changes nothing but rounding."""
    muon, event = muon_event(1)
    directions = toward(-muon.flight)
    cold = RECO(event, directions, None)
    moved = replace(cold, vertex=cold.vertex + 100 * muon.flight, time_ns=cold.time_ns + 100 / C)
    warm = RECO(event, directions, moved)
    assert warm.nllh[0] == pytest.approx(cold.nllh[0], abs=1e-3)
    np.testing.assert_allclose(warm.vertex, cold.vertex, atol=0.1)


def test_noise_alone_fails_everywhere() -> None:
    event = muon_event(1)[1]
    quiet = replace(event, pulses=event.pulses[~event.pulses.hlc])
    fit = RECO(quiet, toward(sky.unit([0.0, 1.0], [0.0, 1.0])), None)
    assert (fit.status == Status.FAILED).all()
    assert np.isnan(fit.nllh).all()
    nothing = replace(event, pulses=event.pulses[:0])
    assert (RECO(nothing, toward(sky.unit([0.0], [0.0])), None).status == Status.FAILED).all()


def test_a_failed_parent_fails_its_children_only() -> None:
    event = muon_event(1)[1]
    directions = toward(sky.unit([0.0, 1.0], [0.0, 1.0]))
    start = RECO(event, directions, None)
    nllh, vertex = start.nllh.copy(), start.vertex.copy()
    nllh[0], vertex[0] = np.nan, np.nan
    fit = RECO(event, directions, replace(start, nllh=nllh, vertex=vertex))
    assert fit.status[0] == Status.FAILED
    assert np.isfinite(fit.nllh[1])


def test_options_are_checked_and_matter() -> None:
    with pytest.raises(RequestError, match="charge_exponent"):
        TrackMPE(charge_exponent=0)
    event, directions = muon_event(1)[1], toward(sky.unit([0.5], [0.5]))
    values = {
        reco(event, directions, None).nllh[0]
        for reco in (RECO, TrackMPE(charge_exponent=0.5), TrackMPE(light_weight=0.1))
    }
    assert len(values) == 3


def test_the_seed_turns_the_starts() -> None:
    one, other = start_offsets(5, 0), start_offsets(5, 1)
    assert not np.allclose(one, other)
    np.testing.assert_allclose(np.hypot(*one.T), np.hypot(*other.T))
    np.testing.assert_array_equal(one[0], 0)


def test_cleaning_drops_what_it_says() -> None:
    muon, event = muon_event(1)
    hits = clean(event)
    detector = event.detector
    assert not np.isin(detector.dom[hits.module, 0], range(79, 87)).any()
    assert not np.intersect1d(hits.silent, hits.module).size
    assert (detector.efficiency[hits.silent] > 0).all()
    along, distance, _ = closest_approach(detector.position[hits.module], -muon.flight, muon.point)
    late = hits.time_ns - (10_000.0 + along / C + distance * DELAY)
    assert np.mean(late > -100) > 0.97
    assert np.ptp(hits.time_ns) <= 6000


def test_cleaning_respects_exclusions() -> None:
    event = muon_event(1)[1]
    hits = clean(event)
    dom = event.detector.dom[hits.module[:3]]
    windows = TimeWindows(dom, np.full(3, -np.inf), np.full(3, np.inf))
    left = clean(replace(event, exclusions={"CalibrationErrata": windows}))
    assert not np.isin(hits.module[:3], left.module).any()
    assert not np.isin(hits.module[:3], left.silent).any()
    assert len(left) >= len(hits) - 10


def test_what_comes_after_hidden_light_is_no_first_hit() -> None:
    event = simulate_event(3, 1)
    hits, pulses = clean(event), event.pulses
    brightest = event.detector.dom[hits.module[np.argmax(hits.charge_pe)]]
    first = pulses.time_ns[(pulses.dom == brightest).all(axis=1)].min()
    hidden = TimeWindows(brightest[None], np.array([first - 1]), np.array([first + 1]))
    left = clean(replace(event, exclusions={"SaturationWindows": hidden}))
    module = event.detector.index(brightest[None])[0]
    assert module not in left.module
    assert module not in left.silent
    after = TimeWindows(brightest[None], np.array([first + 1]), np.array([first + 1e4]))
    assert module in clean(replace(event, exclusions={"SaturationWindows": after})).module


def test_importing_the_reconstruction_does_not_import_numba() -> None:
    code = "import sys, skymist.reco.track_mpe as t; t.is_compiled(); sys.exit('numba' in sys.modules)"
    assert run([sys.executable, "-c", code], check=False).returncode == 0
    assert is_compiled()


@cache
def shared_event(shared: Path, name: str) -> Event:
    return from_decoded(shared / "decoded" / f"{name}.json")


@pytest.mark.parametrize("name", REAL)
def test_no_runaway_tracks_on_real_events(shared: Path, name: str) -> None:
    event = shared_event(shared, name)
    fit = RECO(event, sky.directions(event.detector, event.time, sky.all_cells(8)), None)
    data = prepare(event, RECO.charge_exponent)
    assert data
    assert (fit.status != Status.FAILED).all()
    assert np.linalg.norm(fit.vertex - data.center, axis=1).max() < 500


def scan(event: Event) -> Directions:
    """The best direction of the default scan 8:0,64:12,512:24."""
    cells, start = sky.all_cells(8), None
    for nside, keep in ((64, 12), (512, 24), (0, 1)):
        fit = RECO(event, sky.directions(event.detector, event.time, cells), start)
        best = np.argsort(fit.nllh)[:keep]
        if not nside:
            return sky.directions(event.detector, event.time, cells[best])
        finer = sky.children(cells[best], nside)
        start, cells = fit[np.repeat(best, finer.shape[1])], finer.ravel()
    raise AssertionError


def error_deg(found: Directions, ra: float, dec: float) -> float:
    return float(np.degrees(sky.separation(found.ra[0], found.dec[0], ra, dec)))


@pytest.mark.parametrize(
    ("name", "ra", "dec", "limit"), [(REAL[0], 224.12, 41.31, 0.75), (REAL[1], 139.04, 0.37, 0.5)], ids=REAL[:2]
)
def test_published_positions(shared: Path, name: str, ra: float, dec: float, limit: float) -> None:
    assert error_deg(scan(shared_event(shared, name)), np.radians(ra), np.radians(dec)) < limit


def true_direction(event: Event) -> tuple[float, float]:
    truth: Particle | None = event.truth
    assert truth
    ra, dec = sky.to_sky(event.detector, event.time, truth.zenith, truth.azimuth)
    return float(ra), float(dec)


@pytest.mark.parametrize(("name", "limit"), [("sim_wBDT_21220_27_0", 0.2), ("sim_wBDT_21220_9_0", 0.45)])
def test_official_simulation(shared: Path, name: str, limit: float) -> None:
    event = shared_event(shared, name)
    assert error_deg(scan(event), *true_direction(event)) < limit


def test_photon_by_photon_simulation(shared: Path) -> None:
    path = shared / "simulated" / "tracks_real_geometry_dev.npz"
    events = [from_simulated(path, index) for index in range(3)]
    errors = [error_deg(scan(event), *true_direction(event)) for event in events]
    assert np.median(errors) < 0.4


def test_fits_are_stored_as_they_are_used(shared: Path) -> None:
    """A start that went through the map's precision gives the same fit, bit for bit."""
    event = shared_event(shared, REAL[1])
    coarse = RECO(event, sky.directions(event.detector, event.time, sky.all_cells(1)), None)
    again = Fit(coarse.nllh, coarse.energy_gev, coarse.time_ns, coarse.vertex.astype("<f4"), coarse.status)
    finer = sky.directions(event.detector, event.time, sky.children(sky.all_cells(1), 2)[:, 0])
    assert RECO(event, finer, coarse).nllh.tobytes() == RECO(event, finer, again).nllh.tobytes()
