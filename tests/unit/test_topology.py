"""What the light says of an event: laws on simulated muons and showers, and the sets of the reference data."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from events import from_simulated

from skymist.model import sky
from skymist.model.event import Event
from skymist.model.reconstruction import Directions, Fit
from skymist.reco.topology import ONE_SHOWER, Evidence, weigh, weigh_track
from skymist.workflow.simulate import simulate_event

LEVEL = {"zenith": np.pi / 2, "azimuth": 0.0}  # flies towards negative x
VERTICAL = {"zenith": np.pi, "azimuth": 0.0}  # flies up


def along_truth(event: Event) -> Evidence:
    """Weigh the light along the true track."""
    truth = event.truth
    assert truth is not None
    origin = sky.unit(truth.azimuth, np.pi / 2 - truth.zenith)[None]
    place, when = np.array([[truth.x, truth.y, truth.z]], "<f4"), np.array([truth.time_ns])
    fit = Fit(np.zeros(1), np.ones(1, "<f4"), when, place, np.zeros(1, "u1"))
    found = weigh_track(event, Directions(np.zeros(1), np.zeros(1), origin), fit)
    assert found is not None
    return found


@pytest.mark.parametrize("index", range(2))
def test_one_shower_explains_a_cascade_and_no_muon(index: int) -> None:
    shower = along_truth(simulate_event(3, index, "cascade", 1e5, perturbed=True))
    muon = along_truth(simulate_event(3, index, "through-going", 1e5, perturbed=True))
    assert shower.spread < ONE_SHOWER < 100 < muon.spread
    assert muon.share < shower.share <= 1


@pytest.mark.parametrize("index", range(2))
def test_a_muon_from_outside_leaves_no_dark_way_and_shines_before_it_is_brightest(index: int) -> None:
    found = along_truth(simulate_event(12, index, "through-going", 2e5, vertex=np.array([0.0, 0.0, -300.0])))
    assert found.dark < 1
    assert found.dark_m <= 100
    assert found.lead > 100


def test_the_way_to_the_vertex_is_dark_and_as_long_as_it_is() -> None:
    found = [
        along_truth(simulate_event(5, 1, "starting", 3e5, vertex=np.array([x, 40.0, -350.0]), **LEVEL))
        for x in (200.0, 0.0)
    ]
    assert all(each.dark > 5 for each in found)
    assert found[1].dark_m - found[0].dark_m == pytest.approx(200, abs=60)
    assert found[1].missing_pe > found[0].missing_pe > 10
    assert found[0].lead < found[0].spread


def test_a_muon_that_is_made_at_the_edge_is_not_said_to_come_from_outside() -> None:
    found = along_truth(simulate_event(6, 0, "starting", 3e5, vertex=np.array([0.0, 0.0, -510.0]), **VERTICAL))
    assert found.spread > ONE_SHOWER
    assert min(found.dark, found.lead) < 1
    assert found.dark > 1 or found.lead < 10


def test_the_search_finds_the_muon_behind_a_shower() -> None:
    found = weigh(simulate_event(12, 3, "starting", 3e4, vertex=np.array([-120.0, 140.0, -250.0])))
    assert found is not None
    assert found.spread > ONE_SHOWER
    assert found.dark > 5


def test_nothing_is_said_of_an_event_without_light() -> None:
    event = simulate_event(3, 0, "cascade", 1e5)
    assert weigh(replace(event, pulses=event.pulses[:3])) is None


@pytest.mark.parametrize(("index", "starts"), [(1, False), (16, False), (19, True), (43, True)])
def test_muons_of_the_reference_simulation(shared: Path, index: int, starts: bool) -> None:
    found = along_truth(from_simulated(shared / "simulated" / "tracks_real_geometry_dev.npz", index))
    assert found.spread > ONE_SHOWER
    assert (found.dark > 1) == starts


@pytest.mark.parametrize("index", [8, 22, 40])
def test_cascades_of_the_reference_simulation(shared: Path, index: int) -> None:
    assert along_truth(from_simulated(shared / "simulated" / "cascades_dev.npz", index)).spread < ONE_SHOWER
