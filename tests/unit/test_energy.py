"""Energies from losses, the document of the command, its table and its figure."""

import csv
import json
import sys
from functools import cache
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from skymist import cli
from skymist.detector.geometry import icecube_86
from skymist.errors import RequestError, UnknownNameError
from skymist.model import sky
from skymist.model import skymap as maps
from skymist.model.event import Event, Losses
from skymist.model.reconstruction import Fit
from skymist.plot.losses import losses_figure
from skymist.readers import read_events
from skymist.reco import energy
from skymist.simulate.event import simulate
from skymist.workflow.energy import energies, in_tev, sentences, write_figure
from skymist.workflow.events import load_event
from skymist.workflow.simulate import simulate_event

UP = np.array([0.0, 0.0, 1.0])
SEGMENT = 25.0


def straight(energies_gev: list[float] | np.ndarray, first_m: float = -800.0) -> energy.Profile:
    """Return a track straight up through the middle of the detector."""
    height = first_m + SEGMENT * np.arange(len(energies_gev))
    position = np.column_stack([np.zeros((len(height), 2)), height])
    return energy.profile(Losses(position, np.array(energies_gev, float)), icecube_86(), UP)


def map_of(event: Event, reconstruction: str = "track-mpe", energy_gev: float = 1e5, away_m: float = 0.0, **options):
    """Return a map of one cell, that of the truth."""
    truth = event.truth
    assert truth is not None
    ra, dec = sky.to_sky(event.detector, event.time, truth.zenith, truth.azimuth)
    vertex = np.array([[truth.x + away_m, truth.y, truth.z]])
    fit = Fit(np.zeros(1), np.array([energy_gev]), np.array([truth.time_ns]), vertex, np.zeros(1))  # type: ignore[arg-type]
    attributes = {
        "request": {"event": event.digest},
        "reconstruction": {"name": reconstruction, "version": "1", "options": options},
        "complete": True,
    }
    return maps.create(np.atleast_1d(sky.cell_at(1024, ra, dec)), fit, attributes)


@cache
def through_going() -> Event:
    return simulate_event(3, 0, energy_gev=2e5, zenith=1.4, azimuth=0.3, vertex=np.zeros(3))


@cache
def starting() -> Event:
    return simulate_event(3, 6, "starting", energy_gev=4e5, zenith=1.4, azimuth=0.3, vertex=np.array([0.0, 0, -300]))


@cache
def cascade() -> Event:
    return simulate_event(3, 2, "cascade", energy_gev=1e5, zenith=1.0, azimuth=0.3, vertex=np.array([0.0, 0, -300]))


def test_a_profile_counts_from_where_the_track_enters() -> None:
    track = straight(np.ones(64))
    low, high = icecube_86().position[:, 2].min() - 60, icecube_86().position[:, 2].max() + 60
    assert track.distance_m == pytest.approx(track.position[:, 2] - low, abs=energy.EDGE_STEP)
    assert track.inside.tolist() == ((track.position[:, 2] > low) & (track.position[:, 2] < high)).tolist()
    assert track.length_m == pytest.approx(high - low, abs=SEGMENT)
    assert energy.deposited_energy(track).value == pytest.approx(track.inside.sum())


def test_a_track_beside_the_detector_has_no_energy() -> None:
    beside = Losses(np.array([[2000.0, 0, 0], [2000, 0, 25]]), np.ones(2))
    with pytest.raises(RequestError, match="misses the instrumented volume of icecube-86"):
        energy.profile(beside, icecube_86(), UP)
    with pytest.raises(RequestError, match="too few modules"):
        energy.profile(Losses(), icecube_86(), UP)


def test_the_largest_bins_do_not_count() -> None:
    even = np.full(40, 100.0)
    spiked = even.copy()
    spiked[[7, 8, 30]] = 1e6
    assert energy.truncated_rate(even, SEGMENT, 75.0, 0.3) == pytest.approx(4.0)
    assert energy.truncated_rate(spiked, SEGMENT, 75.0, 0.3) == pytest.approx(4.0)
    assert energy.truncated_rate(spiked, SEGMENT, 75.0, 0.0) > 1000  # type: ignore[operator]
    assert energy.truncated_rate(even[:11], SEGMENT, 75.0, 0.3) is None
    assert energy.truncated_rate(np.zeros(40), SEGMENT, 75.0, 0.3) == energy.FAINTEST


def test_brighter_tracks_are_those_of_muons_with_more_energy() -> None:
    found = [energy.muon_energy(straight(np.full(64, each))) for each in (20.0, 200.0, 2000.0)]
    values = [each.value for each in found if each]
    assert np.diff(np.log(values)) == pytest.approx(np.log(10) * energy.muon_relation().slope)
    assert all(each.low < each.value < each.high for each in found if each)


def test_a_steady_muon_is_found_by_what_it_loses() -> None:
    """A muon that loses b E and nothing by chance: the relation must be of that order, as few losses are large."""
    lost = 1e6 * energy.RADIATION * SEGMENT
    found = energy.muon_energy(straight(np.full(64, lost)))
    assert found is not None
    assert 1e6 < found.value < 6e6


def test_where_light_begins_tells_starting_tracks() -> None:
    inside = straight(np.ones(64)).inside
    from_outside, within = np.full(64, 100.0), np.full(64, 100.0)
    within[: np.flatnonzero(inside)[0] + 16] = 1e-3
    assert energy.vertex(straight(from_outside)) is None
    assert energy.vertex(straight(within)) == pytest.approx(400 + energy.VERTEX, abs=SEGMENT)
    giant = from_outside.copy()
    giant[40] = 1.3e4  # nearly all that a muon with such losses has: no vertex
    assert energy.vertex(straight(giant)) is None
    noise = within.copy()
    noise[np.flatnonzero(inside)[0] + 2] = 500.0  # nor is a spot of light that nothing follows
    assert energy.vertex(straight(noise)) == energy.vertex(straight(within))
    assert energy.vertex(straight(np.zeros(64))) is None


def test_an_estimate_is_most_likely_where_it_is() -> None:
    estimate = energy.Estimate.of(np.log(1e5), 0.3)
    grid = np.geomspace(1e4, 1e6, 201)
    assert grid[np.argmax(estimate.likelihood(grid))] == pytest.approx(1e5)
    ln_energy = np.log(1e5) + np.linspace(-6, 6, 100_001)
    likely = estimate.likelihood(np.exp(ln_energy))
    for within, share in ((0.3, 0.69), (1.9 * 0.3, 0.90)):
        assert likely[np.abs(ln_energy - np.log(1e5)) < within].sum() / likely.sum() == pytest.approx(share, abs=0.01)
    wide = estimate.likelihood(estimate.high, 0.6) / estimate.likelihood(1e5, 0.6)
    assert wide > estimate.likelihood(estimate.high) / estimate.likelihood(1e5)


def test_a_muon_from_outside() -> None:
    document = energies(through_going(), map_of(through_going()))
    assert document["topology"] == "through-going"
    assert document["muon_energy_gev"]["value"] == pytest.approx(2e5, rel=1.0)
    assert document["deposited_gev"]["value"] == pytest.approx(document["truth"]["deposited_gev"], rel=0.3)
    rows = document["profile"]
    assert sum(row["energy_gev"] for row in rows if row["inside"]) == pytest.approx(document["deposited_gev"]["value"])
    truth = sum(row["simulated_gev"] for row in rows if row["inside"])
    assert truth == pytest.approx(document["truth"]["deposited_gev"], rel=0.1)
    place = np.array([[row[name] for name in "xyz"] for row in rows])
    distance = np.array([row["distance_m"] for row in rows])
    assert np.linalg.norm(place - place[0], axis=1) == pytest.approx(distance - distance[0])
    entered = [row["distance_m"] for row in rows if row["inside"]]
    assert -1 <= min(entered) < SEGMENT
    assert max(entered) <= document["length_m"] + 1
    assert list(document["neutrino_energy_gev"]) == ["2.19", "2.5"]
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_a_muon_that_starts_inside() -> None:
    document = energies(starting(), map_of(starting()), [2.5])
    truth = starting().truth
    assert truth is not None
    assert document["topology"] == "starting"
    flight = -sky.unit(truth.azimuth, np.pi / 2 - truth.zenith)
    first = document["profile"][0]
    ahead = (np.array([truth.x, truth.y, truth.z]) - [first[name] for name in "xyz"]) @ flight + first["distance_m"]
    assert document["start_m"] == pytest.approx(ahead, abs=75)
    low, high = document["neutrino_energy_gev"]["2.5"]["90"]
    assert low < 4e5 < high
    assert "muon at its vertex" in "\n".join(sentences(document))


def test_a_shower_of_known_energy() -> None:
    data = map_of(cascade(), "cascade", 1e5)
    document = energies(cascade(), data, [2.19])
    assert (document["topology"], document["muon_energy_gev"]) == ("cascade", None)
    assert document["deposited_gev"]["value"] == pytest.approx(1e5)
    assert [row["energy_gev"] for row in document["profile"]] == pytest.approx([1e5])
    assert document["neutrino_energy_gev"]["2.19"]["median"] == pytest.approx(1e5, rel=0.1)
    assert document["alternatives"]["neutral current"]["2.19"]["median"] > 1.5e5
    along = energies(cascade(), map_of(cascade()), [2.19], "cascade")
    assert len(along["profile"]) > 1
    assert along["deposited_gev"]["value"] == pytest.approx(1e5, rel=0.35)


def test_two_showers_are_told_apart(tmp_path: Path) -> None:
    place = np.array([[0.0, 0, -300]]) + np.outer([0, 80], -sky.unit(0.3, np.pi / 2 - 1.0))
    truth, losses = cascade().truth, Losses(place, np.array([6e4, 4e4]))
    assert truth is not None
    event = simulate(truth, losses, icecube_86(), np.random.default_rng(1))
    document = energies(event, map_of(event, "cascade", points=2), [2.19])
    found, simulated = (np.array([row[key] for row in document["profile"]]) for key in ("energy_gev", "simulated_gev"))
    assert simulated.tolist() == [6e4, 4e4]
    assert found == pytest.approx(simulated, rel=0.25)
    assert document["deposited_gev"]["value"] == pytest.approx(found.sum())
    assert document["profile"][1]["distance_m"] - document["profile"][0]["distance_m"] == pytest.approx(80, abs=10)
    assert write_figure(document, tmp_path / "two.png").stat().st_size > 10_000


def test_what_was_chosen_for_a_map_counts_unless_another_is_asked_for() -> None:
    data = map_of(starting())
    data.attrs["reconstruction"]["chosen"] = {"topology": "through-going", "why": "it is not clear"}
    document = energies(starting(), data, [2.5])
    assert (document["topology"], document["reason"]) == ("through-going", "it is not clear")
    document = energies(starting(), data, [2.5], "starting")
    assert (document["topology"], document["reason"]) == ("starting", "as asked for")
    assert document["start_m"] == energies(starting(), map_of(starting()), [2.5])["start_m"]


def test_what_makes_no_sense_is_said() -> None:
    data = map_of(cascade(), "cascade")
    with pytest.raises(UnknownNameError, match="no topology is called 'round'; there are: cascade, starting, thr"):
        energies(cascade(), data, topology="round")
    with pytest.raises(RequestError, match="the map is not of run"):
        energies(through_going(), data)
    with pytest.raises(RequestError, match="the best fit of cascade has no place"):
        energies(cascade(), data.assign(vertex=data["vertex"] * np.nan))
    with pytest.raises(RequestError, match="misses the instrumented volume"):
        energies(cascade(), map_of(cascade(), "cascade", away_m=3000.0))


def test_an_unfinished_map_is_said_to_be() -> None:
    data = map_of(cascade(), "cascade")
    data.attrs["complete"] = False
    assert any("not complete" in each for each in energies(cascade(), data)["assumptions"])


def test_muons_of_the_reference_set(shared: Path) -> None:
    ratios = []
    for index, event in enumerate(read_events(str(shared / "simulated" / "tracks_real_geometry_dev.npz"))):
        if index == 8:
            break
        if event.truth is not None and event.truth.topology == "through-going":
            found = energies(event, map_of(event))
            assert found["topology"] == "through-going"
            ratios.append(np.log(found["muon_energy_gev"]["value"] / event.truth.energy_gev))
    assert len(ratios) >= 4
    assert abs(np.median(ratios)) < 0.35
    assert np.abs(ratios).max() < 1.0


@pytest.mark.parametrize(
    ("gev", "spoken"), [(1.0, "1 GeV"), (999.0, "999 GeV"), (1.234e5, "123 TeV"), (5e6, "5 PeV"), (2e9, "2 EeV")]
)
def test_energies_are_spoken_in_round_numbers(gev: float, spoken: str) -> None:
    assert in_tev(gev) == spoken


@pytest.mark.parametrize(("make", "theme"), [(through_going, "light"), (starting, "dark"), (cascade, "light")])
def test_figures_are_drawn(make, theme: str, tmp_path: Path) -> None:
    event = make()
    data = map_of(event, "cascade" if make is cascade else "track-mpe")
    path = write_figure(energies(event, data, [2.5]), tmp_path / "losses.png", theme)
    image = matplotlib.image.imread(path)
    assert image[0, 0, :3] == pytest.approx({"light": (1.0, 1.0, 1.0), "dark": (0.063, 0.078, 0.110)}[theme], abs=0.01)
    assert len(np.unique(image.reshape(-1, 4), axis=0)) > 50


def test_a_figure_shows_the_energies_where_they_are() -> None:
    distance, lost = np.arange(-100, 1000, 25.0), np.geomspace(1, 1e4, 44)
    axes = losses_figure(distance, lost, {"entry": 0.0, "exit": 800.0}, truth_gev=lost[::-1], simulated=True).axes[0]
    bars = [patch for patch in axes.patches if hasattr(patch, "get_height") and patch.get_width() > 0]
    tops = {round(bar.get_x() + bar.get_width() / 2): bar.get_y() + bar.get_height() for bar in bars}
    shown = {round(place): value for place, value in zip(distance, lost, strict=True) if place < 950 and value > 1}
    assert {place: tops[place] for place in shown} == pytest.approx(shown)
    assert {text.get_text() for text in axes.texts} == {"entry", "exit"}
    colours = {bar.get_facecolor() for bar in bars}
    assert len(colours) == 2  # inside and outside


def test_a_figure_of_nothing_known() -> None:
    with pytest.raises(UnknownNameError, match="no theme is called 'blue'"):
        losses_figure(np.zeros(1), np.ones(1), {"entry": 0.0}, theme="blue")  # type: ignore[arg-type]
    document = energies(cascade(), map_of(cascade(), "cascade"))
    with pytest.raises(UnknownNameError, match="no figure format is called 'bmp'; there are: pdf, png, svg"):
        write_figure(document, Path("losses.bmp"))
    dark = losses_figure(np.arange(3.0), np.zeros(3), {"entry": 0.0, "exit": 3.0})
    dark.canvas.draw()


def shell(patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    patch.setattr(sys, "argv", ["skymist", *words])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    answer, notes = capture.readouterr()
    return int(stop.value.code or 0), answer, notes


def test_the_command_on_a_scan_of_the_demo(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    status, answer, _ = shell(monkeypatch, capfd, "scan", "demo", "--levels", "4:0,32:3,256:4", "--json")
    store = json.loads(answer)["outputs"]["zarr"]
    words = ("energy", "demo", "--map", store, "--spectrum", "2.37", "--profile", "losses.csv", "--plot", "losses.png")
    status, answer, _ = shell(monkeypatch, capfd, *words, "--json")
    document = json.loads(answer)
    assert status == 0
    assert list(document["neutrino_energy_gev"]) == ["2.37"]
    assert document["outputs"] == {"profile": "losses.csv", "figure": "losses.png"}
    truth = load_event("demo").truth
    assert truth is not None
    assert document["muon_energy_gev"]["value"] == pytest.approx(truth.energy_gev, rel=0.6)
    with Path("losses.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["energy_gev"]) for row in rows] == [row["energy_gev"] for row in document["profile"]]
    assert Path("losses.png").read_bytes().startswith(b"\x89PNG")
    status, answer, _ = shell(monkeypatch, capfd, *words[:4])
    assert status == 0
    for part in ("through-going", "deposited", "muon at its entry", "neutrino, E^-2.19", "TeV", "truth", "spectrum"):
        assert part in answer
    assert "…" not in answer
    for wrong, message in (
        (("--reco", "auto"), "leave out --reco, --option and --levels"),
        (("--spectrum", "9"), "the index goes from 0 to 5"),
        (("--topology", "round"), "no topology is called 'round'"),
        (("--plot", "x.bmp"), "no figure format is called 'bmp'"),
        (("--plot", "x.png", "--theme", "blue"), "no theme is called 'blue'"),
    ):
        status, answer, notes = shell(monkeypatch, capfd, *words[:4], *wrong)
        assert (status, answer) == (2, "")
        assert message in notes
        assert "Traceback" not in notes


def test_the_command_scans_with_what_fits_the_event_and_says_why(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("energy", "demo", "--reco", "auto", "--levels", "4:0,16:3", "--spectrum", "2.37")
    status, answer, _ = shell(monkeypatch, capfd, *words, "--json")
    document = json.loads(answer)
    assert status == 0
    chosen = document["reconstruction"]["chosen"]
    assert (chosen["reconstruction"], chosen["topology"]) == (document["reconstruction"]["name"], document["topology"])
    assert chosen["why"] == document["reason"]
    assert Path(document["map"]).is_dir()
    status, answer, _ = shell(monkeypatch, capfd, *words)
    assert status == 0
    assert answer.count(f"auto: {chosen['reconstruction']}, because {chosen['why']}") == 1
    assert answer.count(chosen["why"]) == 1
