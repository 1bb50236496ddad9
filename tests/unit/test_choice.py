"""auto: which reconstruction runs, that it says why, and that all doors ask it."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from events import from_simulated

from skymist import cli
from skymist.errors import RequestError, UnknownNameError
from skymist.model import sky
from skymist.model.event import TOPOLOGIES, Event
from skymist.model.region import population_levels, region
from skymist.model.request import Cone, Level
from skymist.plugins import RECONSTRUCTIONS
from skymist.plugins import names as registered
from skymist.readers import read_event
from skymist.reco.cascade import Cascade
from skymist.reco.topology import Evidence
from skymist.reco.track_losses import TrackLosses
from skymist.reco.track_mpe import TrackMPE
from skymist.store.zarr import read_skymap
from skymist.workflow import choice as workflow
from skymist.workflow.choice import CHOICES, RULES, Auto, by_icecube, by_likelihood, choose, load, names
from skymist.workflow.scan import scan_event
from skymist.workflow.simulate import simulate_event, write_events

SHOWER = Evidence(2.0, 30.0, 0.0, 0.97, 400.0, 50.0)
STARTING = Evidence(900.0, 30.0, 0.1, 0.6, 400.0, 50.0)
EDGE = Evidence(900.0, 0.2, 0.3, 0.6, 25.0, 2.0)
PASSING = Evidence(900.0, 0.0, 500.0, 0.3, 0.0, 0.0)
RUNS = {SHOWER: "cascade", STARTING: "track-losses", EDGE: "track-losses", PASSING: "track-mpe"}
BY_TOPOLOGY = {"cascade": SHOWER, "starting": STARTING, "through-going": PASSING}


@pytest.fixture
def weighs(monkeypatch: pytest.MonkeyPatch) -> Callable[[Evidence | None], None]:
    """Says what the light of every event tells."""
    return lambda found: monkeypatch.setattr(workflow, "weigh", lambda *_: found)


@pytest.fixture(scope="module")
def event() -> Event:
    return simulate_event(3, 0, "cascade", 1e5)


def alert(event: Event, kind: str, truncated: object = None) -> Event:
    return replace(event, kind=kind, alert={"reco": {"energy": {"truncated": truncated}}})


@pytest.mark.parametrize("found", RUNS)
def test_what_runs_follows_from_the_light(weighs: Callable[[Evidence], None], event: Event, found: Evidence) -> None:
    weighs(found)
    choice = by_likelihood(event)
    assert choice.reconstruction == RUNS[found]
    assert choice.topology in TOPOLOGIES
    assert choice.scores["spread"] == found.spread
    assert ("not clear" in choice.why) == (found is EDGE)


def test_the_sentence_has_the_numbers(weighs: Callable[[Evidence], None], event: Event) -> None:
    weighs(SHOWER)
    assert "97 % of the light comes from 100 m of the track" in by_likelihood(event).why
    weighs(STARTING)
    assert "no light on 400 m of the track" in by_likelihood(event).why
    assert "50 PE" in by_likelihood(event).why


def test_the_timing_fit_needs_clear_evidence(weighs: Callable[[Evidence | None], None], event: Event) -> None:
    """Whatever is near a threshold, or unknown, is left to the fit that is good for both."""
    doubtful = replace(PASSING, lead=9.0), replace(PASSING, dark=0.9, lead=0.0), replace(SHOWER, share=0.5)
    for found in doubtful:
        weighs(found)
        assert by_likelihood(event).reconstruction == "track-losses"
        assert "not clear" in by_likelihood(event).why
    weighs(replace(PASSING, dark=1.5))
    assert by_likelihood(event).reconstruction == "track-losses"
    assert "rather starts" in by_likelihood(event).why
    weighs(None)
    assert by_likelihood(event).reconstruction == "track-losses"
    assert "too little light" in by_likelihood(event).why


@pytest.mark.parametrize(
    ("kind", "energy", "runs", "topology"),
    [
        ("neutrino", 77e3, "track-losses", "through-going"),
        ("gfu", 50e3, "track-losses", "through-going"),
        ("ehe", 49e3, "track-mpe", "through-going"),
        ("hese", None, "track-losses", "starting"),
        ("estres", 3e3, "track-losses", "starting"),
        ("Cascade", None, "cascade", "cascade"),
    ],
)
def test_icecubes_rule_goes_by_stream_and_energy(
    event: Event, kind: str, energy: float | None, runs: str, topology: str
) -> None:
    choice = by_icecube(alert(event, kind, energy))
    assert (choice.reconstruction, choice.topology, choice.rule) == (runs, topology, "icecube")
    assert kind.lower() in choice.why


@pytest.mark.parametrize(
    ("kind", "energy", "missing"),
    [("simulation", 77e3, "no known stream"), ("neutrino", None, "no energy"), ("ehe", "much", "no energy")],
)
def test_without_stream_or_energy_the_likelihood_decides(
    weighs: Callable[[Evidence], None], event: Event, kind: str, energy: object, missing: str
) -> None:
    weighs(STARTING)
    choice = by_icecube(alert(event, kind, energy))
    assert (choice.reconstruction, choice.rule) == ("track-losses", "likelihood")
    assert missing in choice.why
    assert "400 m" in choice.why


def test_options_are_for_what_is_chosen(weighs: Callable[[Evidence], None], event: Event) -> None:
    weighs(SHOWER)
    chosen, choice = choose(load("auto", {"charge_weight": "0.5"}), event)
    assert chosen == Cascade(charge_weight=0.5)
    assert choice is not None
    weighs(PASSING)
    assert choose(load("auto", {"rule": "likelihood"}, seed=4), event)[0] == TrackMPE(seed=4)
    with pytest.raises(UnknownNameError, match="no option of track-mpe is called 'charge_weight'"):
        choose(load("auto", {"charge_weight": "0.5"}), event)


def test_a_reconstruction_that_is_named_is_not_chosen(event: Event) -> None:
    assert choose(load("cascade", {}), event) == (Cascade(), None)
    assert names(Cascade()) == ("cascade",)
    assert set(names(Auto())) == set(CHOICES) <= set(registered(RECONSTRUCTIONS))


def test_errors_name_the_choices() -> None:
    with pytest.raises(UnknownNameError, match="no reconstruction is called 'magic'; there are: auto, bowl, cascade"):
        load("magic", {})
    with pytest.raises(UnknownNameError, match="no rule of auto is called 'dice'; there are: icecube, likelihood"):
        load("auto", {"rule": "dice"})
    assert set(RULES) == {"likelihood", "icecube"}
    with pytest.raises(RequestError, match="no option of track-mpe is called 'rule'"):
        load("track-mpe", {"rule": "icecube"})


@pytest.fixture
def shell(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[int, str]]:
    """Runs the command line in this process."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["skymist", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        answer, notes = capfd.readouterr()
        return int(stop.value.code or 0), answer or notes

    return run


def test_scan_records_what_was_chosen_and_why(
    shell: Callable[..., tuple[int, str]], weighs: Callable[[Evidence], None]
) -> None:
    weighs(PASSING)
    scan = ("scan", "demo", "--levels", "2:0", "--json")
    document = json.loads(shell(*scan, "--reco", "auto")[1])
    chosen = document["reconstruction"]["chosen"]
    assert document["reconstruction"]["name"] == chosen["reconstruction"] == "track-mpe"
    assert (chosen["topology"], chosen["rule"], chosen["scores"]["lead"]) == ("through-going", "likelihood", 500)
    named = json.loads(shell(*scan, "--reco", "track-mpe")[1])
    assert named["scan_id"] == document["scan_id"]
    assert named["seconds"]["compute"] == 0
    shown = shell("map", "show", document["outputs"]["zarr"])[1]
    assert f"auto: track-mpe, because {chosen['why']}" in shown


def test_a_map_that_is_there_already_is_told_to_be_chosen(
    shell: Callable[..., tuple[int, str]], weighs: Callable[[Evidence], None]
) -> None:
    weighs(PASSING)
    scan = ("scan", "demo", "--levels", "2:0", "--reco")
    assert "auto:" not in shell(*scan, "track-mpe")[1]
    assert "auto: track-mpe, because" in shell(*scan, "auto")[1]


def test_an_unknown_option_names_what_was_chosen(
    shell: Callable[..., tuple[int, str]], weighs: Callable[[Evidence], None]
) -> None:
    weighs(SHOWER)
    status, notes = shell("scan", "demo", "--reco", "auto", "--option", "depth=3")
    assert status == 2
    assert "no option of cascade is called 'depth'" in notes


def test_calibrate_calibrates_what_was_chosen(
    shell: Callable[..., tuple[int, str]], weighs: Callable[[Evidence], None]
) -> None:
    weighs(PASSING)
    status, answer = shell("calibrate", "demo", "--reco", "auto", "--levels", "2:0", "-n", "1", "--json")
    assert status == 0, answer
    document = json.loads(answer)
    assert document["chosen"]["reconstruction"] == "track-mpe"
    assert ".track-mpe." in document["map"]


def test_evaluate_chooses_for_each_event_and_counts(
    shell: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = ("cascade", "through-going", "through-going")
    list(write_events(Path("set.npz"), 3, lambda k: simulate_event(7, k, kinds[k], 5e4)))
    told = iter((SHOWER, PASSING, EDGE) * 2)
    monkeypatch.setattr(workflow, "weigh", lambda *_: next(told))
    words = ("evaluate", "set.npz", "--reco", "auto", "--levels", "1:0")
    status, answer = shell(*words, "--json")
    assert status == 0, answer
    document = json.loads(answer)
    assert [row["chosen"]["reconstruction"] for row in document["events"]] == ["cascade", "track-mpe", "track-losses"]
    assert document["confusion"] == {"cascade": {"cascade": 1}, "through-going": {"through-going": 2}}
    assert document["ran"]["through-going"] == {"track-mpe": 1, "track-losses": 1}
    assert document["reconstruction"]["name"] == "auto"
    assert "2 through-going" in shell(*words)[1]


@pytest.mark.parametrize("kind", TOPOLOGIES)
def test_simulated_events_are_recognised(kind: str) -> None:
    inside = None if kind == "through-going" else np.array([-120.0, 140.0, -250.0])
    choice = by_likelihood(simulate_event(13, 3, kind, 3e4, vertex=inside, perturbed=True))
    assert choice.topology == kind
    assert choice.reconstruction == RUNS[BY_TOPOLOGY[kind]]


@pytest.mark.parametrize(
    ("name", "index", "topology"),
    [("tracks_real_geometry", 15, "starting"), ("cascades", 44, "cascade")],
)
def test_hard_events_of_the_reference_simulation(shared: Path, name: str, index: int, topology: str) -> None:
    """A shower with a faint muon, and one with little light."""
    found = by_likelihood(from_simulated(shared / "simulated" / f"{name}_dev.npz", index))
    assert found.topology == topology


@pytest.mark.parametrize(
    ("name", "runs"),
    [("138632_31747601.json", "track-losses"), ("hese_event_01.json", "track-losses")],
)
def test_icecubes_rule_on_public_alerts(shared: Path, name: str, runs: str) -> None:
    choice = by_icecube(read_event(shared / "events" / name))
    assert (choice.reconstruction, choice.rule) == (runs, "icecube")


@pytest.mark.parametrize("kind", ["through-going", "starting"])
def test_a_map_of_losses_says_what_its_best_fit_shows_and_has_levels_for_that(kind: str, tmp_path: Path) -> None:
    inside = None if kind == "through-going" else np.array([-120.0, 140.0, -250.0])
    event = simulate_event(13, 3, kind, 3e4, vertex=inside, perturbed=True)
    around = Cone(*to_sky(event), 3.0)
    scan_event(event, TrackLosses(), (Level(32, 0),), around, out=tmp_path)
    stored = read_skymap(next(tmp_path.glob("*.zarr")))
    assert stored.attrs["reconstruction"]["topology"] == kind
    levels = population_levels()[f"track-losses/{kind}"]
    assert region(stored, 0.9, "population").ts == levels[0.9]


def test_other_maps_need_no_topology(event: Event, tmp_path: Path) -> None:
    skymap = scan_event(event, TrackMPE(), (Level(1, 0),), out=tmp_path)
    assert "topology" not in skymap.attrs["reconstruction"]
    assert region(skymap, 0.9, "population").ts == population_levels()["track-mpe"][0.9]


def to_sky(event: Event) -> tuple[float, float]:
    assert event.truth is not None
    ra, dec = sky.to_sky(event.detector, event.time, event.truth.zenith, event.truth.azimuth)
    return float(np.degrees(ra)), float(np.degrees(dec))
