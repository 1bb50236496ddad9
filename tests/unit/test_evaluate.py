"""Evaluation: figures that follow from closed forms, cuts, and failures that stay alone."""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from skymist import cli
from skymist.detector.geometry import icecube_86
from skymist.errors import ReadError, RequestError, ScanError, UnknownNameError
from skymist.model import sky
from skymist.model.event import Event, Losses, Particle, Pulses
from skymist.model.reconstruction import Directions, Fit
from skymist.model.region import Calibration
from skymist.model.request import Level
from skymist.readers import write_table
from skymist.reco.bowl import Bowl
from skymist.workflow.evaluate import evaluate, hit_modules, parse_range, select
from skymist.workflow.simulate import simulate_event

WHEN = np.datetime64("2020-01-01T00:00:00", "ns")
PLACE = np.array([10.0, 20.0, 30.0])
GRID = (Level(32, 0),)  # 1.8 degrees


def at_sky(ra_deg: float, dec_deg: float, doms: int = 3, topology: str = "through-going") -> Event:
    """Return an event whose truth is at a place on the sky, with 1 TeV lost inside and much more outside."""
    detector = icecube_86()
    zenith, azimuth = sky.to_detector(detector, WHEN, *np.radians([ra_deg, dec_deg]))
    truth = Particle(float(zenith), float(azimuth), *PLACE, 1e4, 1e6, topology)
    dom = np.repeat(detector.dom[:doms], 2, axis=0)
    n = len(dom)
    pulses = Pulses(dom, np.arange(n), np.ones(n), np.ones(n), np.ones(n))  # type: ignore[arg-type]
    losses = Losses(np.array([PLACE, [0, 0, 2000]]), np.array([1e3, 1e6]))
    return Event(0, doms, WHEN, "simulation", detector, pulses, truth=truth, losses=losses)


def at_quantiles(bowl: Bowl, quantiles: list[float]) -> dict[int, Event]:
    """Return events whose truth lies at these quantiles of the bowl's Gaussian, each at another bearing."""
    away = bowl.width_deg * np.sqrt(-2 * np.log1p(-np.array(quantiles)))
    bearing = 2.4 * np.arange(len(away))
    x, y = (2 * np.sin(np.radians(away) / 2) * way for way in (np.cos(bearing), np.sin(bearing)))
    ra, dec = sky.from_plane(x, y, np.radians(bowl.ra_deg), np.radians(bowl.dec_deg))
    return {k: at_sky(*np.degrees([ra[k], dec[k]])) for k in range(len(away))}


def test_coverage_and_areas_follow_the_closed_form() -> None:
    bowl = Bowl(120.0, 10.0, width_deg=20.0)
    quantiles = [0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95]
    report = evaluate(at_quantiles(bowl, quantiles), bowl, GRID, "wilks", name="closed form")
    assert (report["n"], report["failed"], report["set"], report["calibration"]) == (10, 0, "closed form", "wilks")
    assert report["coverage"] == {"50": 0.5, "90": 0.9}
    assert report["coverage_error"]["50"] == pytest.approx(np.sqrt(0.25 / 10))
    for label, share in (("50", 0.5), ("90", 0.9)):
        radius = np.radians(20) * np.sqrt(-2 * np.log1p(-share))
        cap = 2 * np.pi * (1 - np.cos(radius)) * np.degrees(1) ** 2
        assert report["area_deg2"][label] == pytest.approx(cap, rel=0.03)
        assert [row["inside"][label] for row in report["events"]] == [value < share for value in quantiles]
    away = 20 * np.sqrt(-2 * np.log1p(-np.array(quantiles)))
    errors = [row["error_deg"] for row in report["events"]]
    assert errors == pytest.approx(away, abs=1.3)
    assert [row["error_interpolated_deg"] for row in report["events"]] == pytest.approx(away, abs=0.05)
    assert [row["ts_truth"] for row in report["events"]] == pytest.approx((away / 20) ** 2, abs=0.4)
    found = [report[key] for key in ("median_deg", "q68_deg", "q90_deg")]
    assert found == pytest.approx(np.quantile(errors, [0.5, 0.68, 0.9]))


def test_other_calibrations_stand_beside_the_chosen_one() -> None:
    bowl = Bowl(120.0, 10.0, width_deg=10.0)
    narrow = Calibration.of_table("narrow", {0.5: 0.5, 0.9: 2.0})
    report = evaluate(at_quantiles(bowl, [0.1, 0.4, 0.75, 0.97]), bowl, GRID, narrow)
    others = report["calibrations"]
    assert list(others) == ["narrow", "wilks", "icecube-2016", "probability"]
    assert report["coverage"] == others["narrow"]["coverage"] == {"50": 0.25, "90": 0.5}
    assert others["wilks"]["coverage"] == {"50": 0.5, "90": 0.75}
    assert others["icecube-2016"]["coverage"] == {"50": 1.0, "90": 1.0}
    areas = [others[name]["area_deg2"]["90"] for name in ("narrow", "wilks", "icecube-2016")]
    assert areas == sorted(areas)
    # On a sphere a Gaussian of 10 degrees is nearly flat: the densest 90 % are those of Wilks.
    assert others["probability"]["area_deg2"]["90"] == pytest.approx(areas[1], rel=0.05)


@dataclass(frozen=True)
class Told:
    """Says what it is told, wherever it is asked; cannot do events with as many modules as `fails`."""

    name: ClassVar[str] = "told"
    version: ClassVar[str] = "1"
    levels: ClassVar = (Level(1, 0), Level(4, 5))
    vertex: tuple[float, float, float] = (0.0, 0.0, 0.0)
    energy_gev: float = 0.0  # unknown
    fails: int = -1

    def __call__(self, event: Event, directions: Directions, start: Fit | None) -> Fit:
        if hit_modules(event) == self.fails:
            raise RuntimeError("too few modules")
        n = len(directions)
        return Fit(-directions.dec, np.full(n, self.energy_gev), np.zeros(n), np.tile(self.vertex, (n, 1)), np.zeros(n))  # type: ignore[arg-type]


def test_energy_is_compared_with_what_was_lost_inside() -> None:
    events = {k: at_sky(10, 80, topology=topology) for k, topology in enumerate(("starting", "cascade"))}
    report = evaluate(events, Told(energy_gev=2e3))
    assert report["log_energy"] == pytest.approx({"bias": np.log(2), "q68": 0}, abs=1e-6)
    assert report["events"][0]["deposited_gev"] == 1e3
    unknown = evaluate(events, Told())
    assert unknown["log_energy"] == {"bias": None, "q68": None}
    nothing = {0: replace(events[0], losses=Losses())}
    assert evaluate(nothing, Told(energy_gev=2e3))["log_energy"]["bias"] is None


def test_a_vertex_counts_along_the_track_only_for_cascades() -> None:
    """The best cell is always the same; the vertex is moved by 30 m along its direction and by 4 m across."""
    cells = sky.all_cells(4)
    ra, dec = sky.centers(cells)
    best = np.lexsort((cells, -dec))[0]  # of four around the pole
    zenith, azimuth = sky.to_detector(icecube_86(), WHEN, ra[best], dec[best])
    origin = sky.unit(azimuth, np.pi / 2 - zenith)
    across = np.cross(origin, [1.0, 0, 0])
    moved = PLACE + 30 * origin + 4 * across / np.linalg.norm(across)
    kinds = ("through-going", "starting", "cascade", "")
    report = evaluate({k: at_sky(10, 80, topology=kind) for k, kind in enumerate(kinds)}, Told(tuple(moved)))
    assert [row["vertex_m"] for row in report["events"]] == pytest.approx([4, 4, np.hypot(30, 4), 4], abs=1e-4)
    assert list(report["topologies"]) == [*kinds[:3], "unknown"]
    assert report["topologies"]["cascade"]["vertex_m"] == pytest.approx(np.hypot(30, 4), abs=1e-4)


def test_an_event_that_fails_does_not_lose_the_others() -> None:
    events = {7: at_sky(10, 80, doms=3), 8: at_sky(10, 80, doms=4), 9: at_sky(10, 80, doms=5)}
    seen: list[tuple[int, int]] = []
    report = evaluate(events, Told(fails=4), on_progress=lambda done, total: seen.append((done, total)))
    assert (report["n"], report["failed"]) == (2, 1)
    assert [row["index"] for row in report["events"]] == [7, 8, 9]
    assert "too few modules" in report["events"][1]["reason"]
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]
    with pytest.raises(ScanError, match=r"told failed on each of 1 events; the first: .*too few modules"):
        evaluate({0: events[8]}, Told(fails=4))


def test_levels_are_those_of_the_reconstruction_unless_given() -> None:
    own = evaluate({0: at_sky(10, 80)}, Told())
    assert (own["levels"], own["events"][0]["cells"]) == ([[1, 0], [4, 5]], 12 + 5 * 16)
    given = evaluate({0: at_sky(10, 80)}, Told(), (Level(2, 0),))
    assert (given["levels"], given["events"][0]["cells"]) == ([[2, 0]], 48)
    assert given["ms_per_cell"] == pytest.approx(given["events"][0]["ms"] / 48)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four simulated muons as a set, of which the last starts in the detector."""
    events = [simulate_event(3, index, energy_gev=energy) for index, energy in enumerate((1e4, 3e4, 1e5, 1e5))]
    return write_set(tmp_path_factory.mktemp("sets") / "muons.npz", events, (1, 1, 1, 2))


def write_set(path: Path, events: list[Event], types: tuple[int, ...]) -> Path:
    keys = ("zenith", "azimuth", "x", "y", "z", "time_ns", "energy_GeV")
    truth = np.zeros(len(events), [("type", "i1"), *((key, "<f8") for key in keys)])
    for k, event in enumerate(events):
        truth[k] = (types[k], *(getattr(event.truth, key.lower()) for key in keys))
    pulses = Pulses.concatenate([event.pulses for event in events])
    columns = {"string": pulses.dom[:, 0], "om": pulses.dom[:, 1], "time_ns": pulses.time_ns}
    columns |= {"charge_pe": pulses.charge_pe, "hlc": pulses.hlc}
    offsets = np.cumsum([0, *(len(event.pulses) for event in events)])
    np.savez(path, **columns, offsets=offsets, truth=truth)  # type: ignore[arg-type]
    return path


def test_cuts(simulated: Path) -> None:
    source = str(simulated)
    everything = select(source)
    assert list(everything) == [0, 1, 2, 3]
    assert list(select(source, parse_range("1:3"))) == [1, 2]
    assert list(select(source, parse_range("2:"))) == [2, 3]
    assert list(select(source, topology="starting")) == [3]
    hit = [hit_modules(event) for event in everything.values()]
    middle = sorted(hit)[1:3]
    chosen = select(source, doms=(middle[0], middle[1]))
    assert [hit[k] for k in chosen] == [number for number in hit if middle[0] <= number <= middle[1]]
    assert 2 <= len(chosen) < 4


@pytest.mark.parametrize("text", ["", "3", "a:b", "-1:4", "1:2:3", "0:-1"])
def test_a_range_is_two_numbers(text: str) -> None:
    with pytest.raises(RequestError, match="such as 0:20"):
        parse_range(text)


def test_what_cannot_be_evaluated(simulated: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"muons\.npz: nothing to evaluate; of 0 events read none is left"):
        select(str(simulated), parse_range("0:0"))
    with pytest.raises(RequestError, match="of 4 events read none is left after the cuts"):
        select(str(simulated), doms=(5000, None))
    with pytest.raises(UnknownNameError, match="cascade, starting, through-going"):
        select(str(simulated), topology="double")
    write_table(replace(at_sky(0, 0), truth=None), tmp_path / "real.csv")
    with pytest.raises(ReadError, match=r"real\.csv: event 0 has no truth"):
        select(str(tmp_path / "real.csv"))


def shell(patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    patch.setattr(sys, "argv", ["skymist", "evaluate", *words])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    answer, notes = capture.readouterr()
    return int(stop.value.code or 0), answer, notes


QUICK = ("--reco", "bowl", "--levels", "4:0,8:4")


def test_the_command_prints_one_json_document_of_the_promised_form(
    simulated: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    words = (str(simulated), *QUICK, "--option", "width_deg=30", "--events", "1:4", "--json")
    status, answer, notes = shell(monkeypatch, capfd, *words)
    assert status == 0, notes
    document = json.loads(answer)
    figures = {"n", "failed", "median_deg", "q68_deg", "q90_deg", "coverage", "coverage_error", "area_deg2"}
    figures |= {"log_energy", "vertex_m", "ms_per_cell", "calibrations"}
    assert set(document) == figures | {"set", "reconstruction", "levels", "calibration", "topologies", "events"}
    assert {kind: found["n"] for kind, found in document["topologies"].items()} == {"through-going": 2, "starting": 1}
    assert all(set(found) == figures for found in document["topologies"].values())
    assert document["reconstruction"]["options"]["width_deg"] == 30
    assert [row["index"] for row in document["events"]] == [1, 2, 3]


def test_the_command_prints_tables_for_people(
    simulated: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    status, answer, _ = shell(monkeypatch, capfd, str(simulated), *QUICK)
    assert status == 0
    for part in ("muons.npz", "bowl", "through-going", "starting", "all", "median", "icecube-2016", "wilks", "deg²"):
        assert part in answer
    assert "…" not in answer


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--events", "0:0"), "nothing to evaluate"),
        (("--events", "first"), "such as 0:20"),
        (("--min-doms", "5000"), "nothing to evaluate"),
        (("--topology", "round"), "no topology is called 'round'; there are: cascade, starting, through-going"),
        (("--calibration", "luck"), "no calibration is called 'luck'"),
        (("--levels", "8:0,4:3"), "coarse to fine"),
        (("--reco", "magic"), "no reconstruction is called 'magic'"),
    ],
)
def test_each_mistake_is_one_clear_message_and_status_2(
    simulated: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    message: str,
) -> None:
    status, answer, notes = shell(monkeypatch, capfd, str(simulated), *words)
    assert (status, answer) == (2, "")
    assert message in notes
    assert "Traceback" not in notes


def test_an_interrupted_evaluation_says_that_nothing_is_kept(
    simulated: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("skymist.workflow.evaluate.evaluate", stop)
    status, answer, notes = shell(monkeypatch, capfd, str(simulated), *QUICK)
    assert (status, answer) == (130, "")
    assert "nothing is kept" in notes


def test_tracks_of_the_reference_set(shared: Path) -> None:
    from skymist.reco.track_mpe import TrackMPE

    events = select(str(shared / "simulated" / "tracks_real_geometry_dev.npz"), slice(0, 2))
    report = evaluate(events, TrackMPE(), (Level(4, 0), Level(32, 4), Level(256, 6)))
    assert (report["n"], list(report["topologies"])) == (2, ["through-going"])
    assert report["q90_deg"] < 1
    assert report["vertex_m"] < 20
    assert all(row["ts_truth"] >= 0 for row in report["events"])
