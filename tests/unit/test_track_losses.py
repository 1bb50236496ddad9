"""The fit of a track with its losses: contract, direction, energies and where there is no light."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import healpy as hp
import numpy as np
import pytest
from events import from_decoded, from_simulated
from hypothesis import given
from hypothesis import strategies as st

from skymist.detector.light import C
from skymist.detector.volume import contains, deposited
from skymist.errors import RequestError
from skymist.model import sky
from skymist.model.event import Event
from skymist.model.reconstruction import Directions, Fit, Status
from skymist.reco.losses_reference import charges, energies, even_out, nllh, pass_by, shares
from skymist.reco.track_losses import COUNT, Data, TrackLosses, prepare
from skymist.reco.track_mpe import plane_frames
from skymist.simulate.losses import flight_of
from skymist.testing import check_reconstruction
from skymist.workflow.simulate import simulate_event

RECO = TrackLosses()


@cache
def muon(kind: str, index: int) -> Event:
    return simulate_event(3, index, kind, 3e5, zenith=1.2, azimuth=0.7 + index, vertex=np.array([0.0, 30.0, 0.0]))


def around(event: Event, rings_deg: tuple[float, ...]) -> Directions:
    """The true direction first, then six on each ring around it."""
    assert event.truth
    origin = -flight_of(event.truth)
    side = np.cross(origin, [0.0, 0.0, 1.0])
    side /= np.linalg.norm(side)
    other = np.cross(origin, side)
    turn = np.linspace(0, 2 * np.pi, 6, endpoint=False)
    ways = [origin, *(origin + np.radians(r) * (np.cos(t) * side + np.sin(t) * other) for r in rings_deg for t in turn)]
    places = np.array(ways) / np.linalg.norm(ways, axis=1, keepdims=True)
    return Directions(*sky.lonlat(places), places)


def from_truth(event: Event, n: int) -> Fit:
    assert event.truth
    truth, nothing = event.truth, np.zeros(n)
    place = np.tile([truth.x, truth.y, truth.z], (n, 1))
    return Fit(nothing, nothing, np.full(n, truth.time_ns), place, nothing)


def data_of(event: Event, reco: TrackLosses = RECO) -> Data:
    data = prepare(event, reco.most_timed)
    assert data
    return data


def some_tracks(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames in all directions, with points in their planes."""
    rng = np.random.default_rng(5)
    flight = rng.normal(size=(n, 3))
    frames = plane_frames(flight / np.linalg.norm(flight, axis=1, keepdims=True))
    return frames, rng.normal(size=(n, 3)) * [60.0, 60.0, 200.0]


OTHER = TrackLosses(most_timed=40.0, charge_weight=0.5, spread=0.2, prior=1e-4, evenness=0.0, reach=200.0)


@pytest.mark.parametrize("reco", [RECO, OTHER], ids=["default", "other options"])
@pytest.mark.parametrize("kind", ["through-going", "starting"])
def test_the_compiled_likelihood_is_the_readable_one(kind: str, reco: TrackLosses) -> None:
    data = data_of(muon(kind, 1), reco)
    frames, points = some_tracks(6)
    readable = [nllh(data, frame, point, reco) for frame, point in zip(frames, points, strict=True)]
    assert np.ptp(readable) > 100
    np.testing.assert_allclose(reco.evaluate(data, frames, points), readable, atol=1e-6)


@pytest.mark.parametrize("name", ["127907_20178442", "130322_1414689", "136766_7637140", "138632_31747601"])
def test_the_compiled_likelihood_is_the_readable_one_on_real_events(shared: Path, name: str) -> None:
    data = data_of(from_decoded(shared / "decoded" / f"{name}.json"))
    frames, points = some_tracks(4)
    readable = [nllh(data, frame, point, RECO) for frame, point in zip(frames, points, strict=True)]
    np.testing.assert_allclose(RECO.evaluate(data, frames, points), readable, atol=1e-6)


def test_the_clock_of_an_event_says_nothing() -> None:
    event = muon("through-going", 1)
    directions = around(event, (2.0,))
    later = replace(event, pulses=replace(event.pulses, time_ns=event.pulses.time_ns + 4096.0))
    one, other = RECO(event, directions, None), RECO(later, directions, None)
    np.testing.assert_allclose(other.nllh, one.nllh, atol=1e-3)
    np.testing.assert_allclose(other.time_ns, one.time_ns + 4096.0, atol=0.1)


def test_the_axes_normal_to_a_track_and_the_order_of_modules_say_nothing() -> None:
    data = data_of(muon("starting", 1))
    frames, points = some_tracks(4)
    turned = frames.copy()
    turned[:, 0], turned[:, 1] = 0.6 * frames[:, 0] + 0.8 * frames[:, 1], 0.6 * frames[:, 1] - 0.8 * frames[:, 0]
    moved = points.copy()
    moved[:, 0], moved[:, 1] = 0.6 * points[:, 0] + 0.8 * points[:, 1], 0.6 * points[:, 1] - 0.8 * points[:, 0]
    order = np.append(np.arange(data.hits)[::-1], np.arange(data.hits, len(data.modules))[::-1])
    mirrored = replace(data, modules=np.ascontiguousarray(data.modules[order]))
    expected = RECO.evaluate(data, frames, points)
    np.testing.assert_allclose(RECO.evaluate(data, turned, moved), expected, atol=1e-6)
    np.testing.assert_allclose(RECO.evaluate(mirrored, frames, points), expected, atol=1e-6)


def test_light_is_in_proportion_to_efficiency_and_ends_within_its_reach() -> None:
    data = data_of(muon("through-going", 1))
    frame, point = (each[0] for each in some_tracks(1))
    light = charges(data, pass_by(data.modules, frame, point), RECO.reach)
    double = replace(data, modules=data.modules * [*[1] * 6, 2, *[1] * 4])
    np.testing.assert_allclose(charges(double, pass_by(data.modules, frame, point), RECO.reach), 2 * light)
    passing = pass_by(data.modules, frame, point)
    away = np.sqrt(passing.square[:, None] + (passing.along[:, None] - 25 * (np.arange(COUNT) - 31.5)) ** 2)
    lit, far = light[: data.hits], away[: data.hits] > RECO.reach
    assert far.any()
    assert not lit[far].any()
    assert (lit[~far] > 0).all()


@given(st.integers(0, 10**6))
def test_energies_are_not_negative_and_explain_the_charge(seed: int) -> None:
    """Neither are the shares of the first light, which all together are less than all of it."""
    rng = np.random.default_rng(seed)
    light = rng.exponential(0.01, (30, COUNT)) * (rng.random((30, COUNT)) < 0.3)
    seen = np.round(light @ rng.exponential(300.0, COUNT))
    energy = energies(seen, light, RECO.spread, RECO.prior)
    assert (energy >= 0).all()
    assert (light @ energy).sum() == pytest.approx(seen.sum(), rel=0.3)
    part = shares(light * even_out(energy, RECO.evenness))
    assert (part >= 0).all()
    assert (part.sum(axis=1) < 1).all()


def test_a_module_too_bright_to_be_believed_says_only_when_its_light_began() -> None:
    event = muon("through-going", 1)
    pulses = event.pulses
    dom = pulses.dom[np.argmax(pulses.charge_pe)]
    same = (pulses.dom == dom).all(axis=1)
    brighter = replace(pulses, charge_pe=np.where(same, 1e5, pulses.charge_pe).astype("f4"))
    data = data_of(replace(event, pulses=brighter))
    row = data.modules[:, 7].argmax()
    assert (data.modules[row, 9:] == [1, 0]).all()
    assert (np.delete(data.modules[:, 10], row) == 1).all()
    frames, points = some_tracks(3)
    changed = data.modules.copy()
    changed[row, 7] *= 5
    expected = RECO.evaluate(data, frames, points)
    np.testing.assert_allclose(RECO.evaluate(replace(data, modules=changed), frames, points), expected, atol=1e-6)


def test_contract() -> None:
    check_reconstruction(RECO, muon("through-going", 1), cells=3)


@pytest.mark.parametrize(("kind", "last"), [("through-going", 0), ("starting", 6)])
def test_finds_the_simulated_track(kind: str, last: int) -> None:
    """From nothing: the truth is best of all, for a starting muon within 2 degrees."""
    event = muon(kind, 1)
    directions = around(event, (2.0, 20.0))
    fit = RECO(event, directions, None)
    assert np.argmin(fit.nllh) <= last
    assert abs(np.log(fit.energy_gev[0] / deposited(event.losses, event.detector))) < 0.6


def test_a_fit_does_not_depend_on_where_along_the_track_it_starts() -> None:
    event = muon("through-going", 1)
    directions = around(event, ())
    start = from_truth(event, 1)
    assert event.truth
    moved = replace(start, vertex=start.vertex + 100 * flight_of(event.truth), time_ns=start.time_ns + 100 / C)
    one, other = RECO(event, directions, start), RECO(event, directions, moved)
    assert one.nllh[0] == pytest.approx(other.nllh[0], abs=0.05)


def test_a_starting_muon_is_dark_upstream_of_its_vertex() -> None:
    event = muon("starting", 1)
    truth = event.truth
    assert truth
    profile = RECO.profile(event, around(event, ()), from_truth(event, 1))
    ahead = (profile.position - [truth.x, truth.y, truth.z]) @ flight_of(truth)
    inside = contains(event.detector, profile.position)
    upstream, downstream = (profile.energy_gev[inside & where].sum() for where in (ahead < -150, ahead > -150))
    assert upstream < 0.1 * downstream


def test_noise_alone_fails_everywhere() -> None:
    event = muon("through-going", 1)
    quiet = replace(event, pulses=event.pulses[:0])
    directions = around(event, (2.0,))
    assert (RECO(quiet, directions, None).status == Status.FAILED).all()
    assert not len(RECO.profile(quiet, directions[:1], from_truth(event, 1)))


@pytest.mark.parametrize("option", ["most_timed", "charge_weight", "spread", "prior", "evenness", "reach"])
def test_options_are_checked(option: str) -> None:
    with pytest.raises(RequestError, match=option):
        TrackLosses(**{option: -1.0})


def test_a_real_shower_comes_from_where_millipede_finds_it(shared: Path) -> None:
    """Of twelve cells millipede takes 8; here 4, 11 and 8, which share a corner, are left, in an order by chance."""
    event = from_decoded(shared / "decoded" / "127907_20178442.json")
    path = shared / "reference_scans" / "millipede_original" / "run00127907.evt000020178442.HESE_1.json"
    scan = json.loads(path.read_text())
    rows = np.array(scan["nside-1"]["data"], float)
    theirs = rows[np.argmin(rows[:, 1]), 0]
    directions = sky.directions(event.detector, event.time, sky.all_cells(4))
    within = hp.ang2pix(1, np.degrees(directions.ra), np.degrees(directions.dec), lonlat=True)
    nllh = RECO(event, directions, None).nllh
    order = np.argsort([np.min(nllh[within == cell]) for cell in range(12)])
    assert theirs in order[:3]


def test_photon_by_photon_simulation(shared: Path) -> None:
    """Around the truth, within a degree for through-going muons and some degrees for starting ones."""
    path = shared / "simulated" / "tracks_real_geometry_dev.npz"
    for index, rings in ((1, (0.7, 3.0)), (4, (0.7, 3.0)), (7, (3.0, 10.0))):
        event = from_simulated(path, index)
        directions = around(event, rings)
        fit = RECO(event, directions, from_truth(event, len(directions)))
        assert np.argmin(fit.nllh) == 0
        assert abs(np.log(fit.energy_gev[0] / deposited(event.losses, event.detector))) < 0.4
