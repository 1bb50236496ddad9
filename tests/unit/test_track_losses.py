"""The fit of a track with its losses: contract, direction, energies and where there is no light."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import healpy as hp
import numpy as np
import pytest
from events import from_decoded, from_simulated

from skymist.detector.light import C
from skymist.detector.volume import contains, deposited
from skymist.errors import RequestError
from skymist.model import sky
from skymist.model.event import Event
from skymist.model.reconstruction import Directions, Fit, Status
from skymist.reco.track_losses import TrackLosses
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


@pytest.mark.parametrize("option", ["charge_exponent", "charge_weight", "spread", "prior", "evenness", "reach"])
def test_options_are_checked(option: str) -> None:
    with pytest.raises(RequestError, match=option):
        TrackLosses(**{option: -1.0})


def test_a_real_shower_comes_from_the_hemisphere_that_millipede_finds(shared: Path) -> None:
    """Of the four southern cells of nside 1 millipede takes 8; which of them is best here hangs on little."""
    event = from_decoded(shared / "decoded" / "127907_20178442.json")
    scan = json.loads((shared / "reference_scans/millipede_wilks/run00127907.evt000020178442.HESE_1.json").read_text())
    rows = np.array(scan["nside-1"]["data"], float)
    theta, phi = hp.pix2ang(1, rows[:, 0].astype(int))
    zenith, azimuth = sky.to_detector(event.detector, event.time, phi, np.pi / 2 - theta)
    origin = sky.unit(azimuth, np.pi / 2 - zenith)
    fit = RECO(event, Directions(*sky.lonlat(origin), origin), None)
    assert np.argmin(rows[:, 1]) >= 8
    assert np.argmin(fit.nllh) >= 8


def test_photon_by_photon_simulation(shared: Path) -> None:
    """Around the truth, within a degree for through-going muons and some degrees for starting ones."""
    path = shared / "simulated" / "tracks_real_geometry_dev.npz"
    for index, rings in ((1, (0.7, 3.0)), (4, (0.7, 3.0)), (7, (3.0, 10.0))):
        event = from_simulated(path, index)
        directions = around(event, rings)
        fit = RECO(event, directions, from_truth(event, len(directions)))
        assert np.argmin(fit.nllh) == 0
        assert abs(np.log(fit.energy_gev[0] / deposited(event.losses, event.detector))) < 0.4
