"""Calibration by pseudo-experiments: known levels come out, nothing is lost or made twice, and mistakes are told."""

import hashlib
import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import xarray as xr

from skymist import cli
from skymist.detector.volume import contains, deposited
from skymist.errors import ReadError, RequestError, ScanError
from skymist.model import sky, skymap
from skymist.model.event import Event, Losses
from skymist.model.reconstruction import Directions, Fit, Reconstruction
from skymist.model.region import region
from skymist.model.request import Level
from skymist.reco.cascade import Cascade
from skymist.reco.hits import clean
from skymist.reco.track_losses import TrackLosses
from skymist.reco.track_mpe import TrackMPE
from skymist.store.zarr import SkyMapStore, read_skymap
from skymist.workflow import products
from skymist.workflow.calibrate import (
    Perturbations,
    Subject,
    calibrate,
    profile_of,
    pseudo_experiment,
    reconstruction_of,
    request_of,
    simulate_again,
    spread,
    subject_of,
)
from skymist.workflow.events import load_event
from skymist.workflow.scan import scan_event
from skymist.workflow.simulate import simulate_event

GRID = (Level(32, 0),)  # 1.8 degrees
QUICK = ("--reco", "bowl", "--levels", "2:0,8:4")


@dataclass(frozen=True)
class Wobbly:
    """A Gaussian around a place that lies off the truth, by what the pulses decide: TS of the truth is known.

    Off by more than it says: TS of the truth is `scale` times chi-squared with two degrees of freedom.
    """

    scale: float = 1.0
    width_deg: float = 6.0
    blind: bool = False
    breaks: bool = False

    name: ClassVar[str] = "wobbly"
    version: ClassVar[str] = "1"

    def __call__(self, event: Event, directions: Directions, start: Fit | None) -> Fit:
        truth, n = event.truth, len(directions)
        assert truth is not None
        again = event.pulse_set == "simulated"
        if self.breaks and again:
            raise ArithmeticError("no light in this world")
        if self.blind and again:
            return Fit.failed(n)
        rng = np.random.default_rng(list(hashlib.sha256(event.pulses.tobytes()).digest()))
        away = np.radians(self.width_deg) * np.sqrt(self.scale * rng.chisquare(2))
        bearing, radius = rng.uniform(0, 2 * np.pi), 2 * np.sin(away / 2)
        found = sky.to_sky(event.detector, event.time, truth.zenith, truth.azimuth)
        place = sky.from_plane(radius * np.cos(bearing), radius * np.sin(bearing), *map(float, found))
        nllh = sky.separation(directions.ra, directions.dec, *place) ** 2 / (2 * np.radians(self.width_deg) ** 2)
        return Fit(nllh, np.full(n, 1e4), np.full(n, truth.time_ns), np.tile([10, 20, 30], (n, 1)), np.zeros(n))


def faint(_event: Event, _direction: Directions, fit: Fit) -> Losses:
    """Return hardly any light, which is simulated at once; noise is enough for `Wobbly`."""
    return Losses(fit.vertex, np.array([100.0]))


@pytest.fixture(scope="module")
def demo() -> Event:
    return replace(load_event("demo"), pulse_set="as it was")


@pytest.fixture(scope="module")
def muon() -> Event:
    return simulate_event(5, 0, "through-going", 1e5, zenith=1.5, vertex=np.array([0.0, 0.0, -350.0]))


def scanned(event: Event, out: Path, reconstruction: Reconstruction, levels: tuple[Level, ...] = GRID) -> Path:
    return Path(scan_event(event, reconstruction, levels, out=out).encoding["source"])


def calibrated(event: Event, path: Path, n: int, reco: Reconstruction | None = None, **settings: Any) -> xr.Dataset:
    return calibrate(event, path, reco or Wobbly(), n, **{"profile": faint, **settings})


def rows_of(path: Path) -> xr.Dataset:
    (group,) = path.glob("calibration/*/")
    return xr.open_zarr(group, consolidated=False).load()


def found_by(data: xr.Dataset) -> dict[str, Any]:
    return {key: value for key, value in data.attrs["calibration"].items() if key != "created"}


def test_known_levels_come_out_within_their_uncertainty(demo: Event, tmp_path: Path) -> None:
    n, scale = 80, 2.5
    path = scanned(demo, tmp_path, Wobbly(scale))
    data = calibrated(demo, path, n, Wobbly(scale))
    found = data.attrs["calibration"]
    ts = rows_of(path)["ts"].to_numpy()
    assert len(ts) == found["n"] == n
    assert found["scale"] == pytest.approx(scale, abs=3 * found["scale_error"])
    assert found["scale_error"] == pytest.approx(scale / np.sqrt(0.9 * n), rel=0.3)
    for share in (0.5, 0.9):
        known, level = -2 * scale * np.log1p(-share), found["levels"][f"{100 * share:g}"]
        assert abs((ts <= known).sum() - n * share) < 3 * np.sqrt(n * share * (1 - share))
        assert level["low"] < level["ts"] < level["high"]
        assert level["ts"] == pytest.approx(known, abs=3 * (level["high"] - level["low"]) / 2)
        used = region(data, share, "resimulated")
        assert (used.ts, used.calibration) == (level["ts"], "resimulated")
        assert used.area_deg2 > 2 * region(data, share, "wilks").area_deg2
    median_error = np.sqrt(2 * np.log(2) * scale) * Wobbly().width_deg
    assert found["median_error_deg"] == pytest.approx(median_error, rel=0.15)


def test_interrupted_it_goes_on_to_the_same_result(demo: Event, tmp_path: Path) -> None:
    whole, parts = (scanned(demo, tmp_path / name, Wobbly()) for name in ("whole", "parts"))
    straight = calibrated(demo, whole, 16, workers=1)
    seen: list[int] = []

    def stop(done: int, total: int) -> None:
        seen.append(done)
        if done == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        calibrated(demo, parts, 16, workers=2, on_progress=stop)
    assert seen == list(range(10))
    assert rows_of(parts).sizes["trial"] == 9
    assert "calibration" not in read_skymap(parts).attrs
    seen.clear()
    again = calibrated(demo, parts, 16, workers=2, on_progress=lambda done, total: seen.append(done))
    assert seen == list(range(9, 17))
    assert found_by(again) == found_by(straight)
    xr.testing.assert_equal(*(rows_of(path).sortby("index") for path in (parts, whole)))


def test_more_adds_and_fewer_are_the_first_of_them(demo: Event, tmp_path: Path) -> None:
    path = scanned(demo, tmp_path, Wobbly())
    few = found_by(calibrated(demo, path, 5))
    assert few["notes"]
    before = rows_of(path)
    many = found_by(calibrated(demo, path, 22))
    assert (many["n"], many["notes"]) == (22, [])
    xr.testing.assert_equal(rows_of(path).isel(trial=slice(5)), before)
    assert sorted(rows_of(path)["index"].to_numpy()) == list(range(22))
    assert found_by(calibrated(demo, path, 5)) == few


def test_another_seed_or_world_is_another_calibration_and_the_first_is_kept(demo: Event, tmp_path: Path) -> None:
    path = scanned(demo, tmp_path, Wobbly())
    first = found_by(calibrated(demo, path, 4))
    others = [calibrated(demo, path, 4, seed=1), calibrated(demo, path, 4, perturbations=Perturbations(ice_sigma=0.0))]
    levels = [found["levels"] for found in (first, *map(found_by, others))]
    assert levels[0] != levels[1] != levels[2] != levels[0]
    made: list[int] = []
    again = calibrated(demo, path, 4, on_progress=lambda done, total: made.append(done))
    assert found_by(again) == first
    assert not made
    assert first["perturbations"]["ice_sigma"] == 0.06
    assert found_by(others[1])["perturbations"]["ice_sigma"] == 0.0


def test_the_map_is_as_it_was_and_a_scan_of_it_keeps_the_calibration(demo: Event, tmp_path: Path) -> None:
    path = scanned(demo, tmp_path, Wobbly())
    before = read_skymap(path)
    after = calibrated(demo, path, 3)
    xr.testing.assert_equal(before, after)
    again = scan_event(demo, Wobbly(), GRID, out=tmp_path)
    assert again.attrs == after.attrs
    with SkyMapStore(path, after.attrs), pytest.raises(Exception, match="another process is writing"):
        calibrated(demo, path, 3)


def test_what_finds_nothing_makes_regions_infinite_and_is_not_hidden(demo: Event, tmp_path: Path) -> None:
    path = scanned(demo, tmp_path, Wobbly(blind=True))
    data = calibrated(demo, path, 3, Wobbly(blind=True))
    found = products.summary(data, "resimulated", {}, {})
    assert found["resimulated"]["levels"]["50"]["ts"] is None
    assert found["resimulated"]["median_error_deg"] is None
    assert found["regions"]["50"]["area_deg2"] == pytest.approx(41252.96, rel=1e-6)
    json.dumps(found, allow_nan=False)


def test_mistakes_are_told(demo: Event, tmp_path: Path) -> None:
    path = scanned(demo, tmp_path, Wobbly())
    with pytest.raises(RequestError, match=f"the map is not of {demo.name} with these pulses"):
        calibrated(replace(demo, pulses=demo.pulses[:-1]), path, 3)
    with pytest.raises(RequestError, match=r"made with .*'scale': 1.0.*, not .*'scale': 2.0"):
        calibrated(demo, path, 3, Wobbly(2.0))
    with pytest.raises(RequestError, match="no reconstruction is called 'wobbly'"):
        reconstruction_of(read_skymap(path))
    with pytest.raises(RequestError, match="skymist calibrate EVENT --map MAP first"):
        region(read_skymap(path), 0.9, "resimulated")
    with pytest.raises(RequestError, match="the best fit of wobbly has no energy"):
        calibrated(demo, path, 3, profile=lambda *_: Losses(np.zeros((1, 3)), np.array([np.nan])))
    with pytest.raises(ReadError, match="nowhere"):
        calibrated(demo, tmp_path / "nowhere.zarr", 3)
    with pytest.raises(RequestError, match="from 0 to 1"):
        Perturbations(model_spread=-0.1)
    with pytest.raises(RequestError, match="layer_length_m = 0"):
        Perturbations(layer_length_m=0.0)


def test_a_map_that_is_not_complete_is_refused(demo: Event, tmp_path: Path) -> None:
    data = read_skymap(scanned(demo, tmp_path, Wobbly()))
    with SkyMapStore(tmp_path / "part.zarr", data.attrs) as store:
        store.append(data["uniq"].to_numpy()[:100], skymap.fit_of(data)[:100])
    with pytest.raises(RequestError, match="not complete"):
        calibrated(demo, tmp_path / "part.zarr", 3)


def test_a_reconstruction_that_breaks_is_told_and_what_was_done_is_kept(demo: Event, tmp_path: Path) -> None:
    path = scanned(demo, tmp_path, Wobbly(breaks=True))
    with pytest.raises(ScanError, match="a pseudo-experiment failed: ArithmeticError: no light in this world"):
        calibrated(demo, path, 3, Wobbly(breaks=True))
    assert "calibration" not in read_skymap(path).attrs


def subject(event: Event, tmp_path: Path, **changes: Any) -> Subject:
    """Return a muon with its true direction, vertex and light, however it was scanned."""
    truth, data = event.truth, read_skymap(scanned(event, tmp_path, Wobbly()))
    assert truth is not None
    request = request_of(event, data, Wobbly())
    found = subject_of(event, data, request, Wobbly(), Perturbations(0, 0, 0, 50, 0, 0, 0), 3, faint)
    ra, dec = (np.atleast_1d(angle) for angle in sky.to_sky(event.detector, event.time, truth.zenith, truth.azimuth))
    direction = Directions(ra, dec, sky.unit(truth.azimuth, np.pi / 2 - truth.zenith)[None])
    vertex = np.array([[truth.x, truth.y, truth.z]], "f4")
    fit = Fit(np.zeros(1), np.full(1, 1e4, "f4"), np.array([truth.time_ns]), vertex, np.zeros(1, "u1"))
    return replace(found, **{"direction": direction, "fit": fit, **changes})


def light_of(event: Event) -> tuple[int, float]:
    """Return the number of modules that saw light, and their charge, but of none more than of a bright one.

    Whether the brightest were saturated, and so are left out, is a matter of chance.
    """
    hits = clean(event)
    return len(hits), float(np.minimum(hits.charge_pe, 200.0).sum())


def test_the_profile_finds_the_energy_and_gives_back_the_light(muon: Event, tmp_path: Path) -> None:
    bare = subject(muon, tmp_path)
    profile = profile_of(bare.reconstruction)(muon, bare.direction, bare.fit)
    inside = contains(muon.detector, profile.position)
    assert profile.energy_gev[inside].sum() == pytest.approx(deposited(muon.losses, muon.detector), rel=0.25)
    hits, charge = light_of(muon)
    again = [light_of(simulate_again(replace(bare, losses=profile), index)) for index in range(5)]
    assert np.mean(again, axis=0) == pytest.approx([hits, charge], rel=0.2)


def test_a_reconstruction_that_knows_its_light_says_it() -> None:
    dim, track, shower = TrackLosses(prior=1e-2), TrackMPE(), Cascade(points=2)
    owners = [getattr(profile_of(each), "__self__", None) for each in (dim, track, shower)]
    assert owners == [dim, TrackLosses(), shower]


def test_pseudo_experiments_are_of_the_event_and_differ(muon: Event, tmp_path: Path) -> None:
    around = subject(muon, tmp_path)
    one, other = (simulate_again(around, index) for index in (0, 1))
    assert one.digest != other.digest
    assert one.digest == simulate_again(around, 0).digest != simulate_again(replace(around, seed=4), 0).digest
    assert (one.time, one.run, one.detector) == (muon.time, muon.run, muon.detector)
    truths = [simulate_again(around, index).truth for index in range(20)]
    assert all(truth is not None for truth in truths)
    place = np.array([sky.unit(truth.azimuth, np.pi / 2 - truth.zenith) for truth in truths if truth])
    away = np.degrees(np.arccos(place @ around.direction.origin[0]))
    assert 0.3 < away.max() < 1.8  # of a cell of 1.8 degrees


def test_showers_keep_the_sum_of_their_segment_and_stay_in_it() -> None:
    flight, rng = np.array([0.0, 0.6, 0.8]), np.random.default_rng(1)
    place, energy = np.arange(0, 250, 25.0)[:, None] * flight, np.geomspace(1, 1e4, 10)
    showers = spread(Losses(place, energy), flight, rng)
    along = showers.position @ flight
    assert np.allclose(showers.position, along[:, None] * flight)
    segment = np.round(along / 25).astype(int)
    assert np.allclose(np.bincount(segment, showers.energy_gev), energy)
    largest = showers.energy_gev.reshape(10, -1).max(axis=1) / energy
    assert largest[0] < 0.2  # no more than a bare muon's light: even
    assert largest[-1] > 0.3


def test_a_single_shower_stays_one(muon: Event, tmp_path: Path) -> None:
    fit = subject(muon, tmp_path).fit
    single = profile_of(Cascade())(muon, subject(muon, tmp_path).direction, fit)
    assert spread(single, np.array([0, 0, 1.0]), np.random.default_rng(1)) is single
    assert np.array_equal(single.position, fit.vertex)
    assert single.energy_gev == [10_000]


def test_a_real_fit_finds_its_pseudo_experiments(muon: Event, tmp_path: Path) -> None:
    levels = (Level(4, 0), Level(32, 6))
    path = scanned(muon, tmp_path, TrackMPE(starts=3), levels)
    data = calibrate(muon, path, n=3)
    rows = rows_of(path)
    assert np.isfinite(rows["ts"]).all()
    assert (rows["error_deg"] < 3).all()  # cells of 1.8 degrees
    fitted = reconstruction_of(data)
    assert fitted == TrackMPE(starts=3)
    alone = pseudo_experiment(subject_of(muon, data, request_of(muon, data, fitted), fitted, Perturbations(), 0), 1)
    at = rows["index"].to_numpy() == 1
    assert (alone.ts, alone.error_deg) == (rows["ts"].to_numpy()[at], rows["error_deg"].to_numpy()[at])


class Shell:
    """Runs the command line in this process."""

    def __init__(self, capture: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.capture, self.patch = capture, patch
        patch.chdir(folder)

    def __call__(self, *words: str) -> tuple[int, str, str]:
        self.patch.setattr(sys, "argv", ["skymist", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        answer, notes = self.capture.readouterr()
        return int(stop.value.code or 0), answer, notes

    def json(self, *words: str) -> dict[str, Any]:
        status, answer, notes = self(*words, "--json")
        assert status == 0, notes
        return dict(json.loads(answer))


@pytest.fixture
def shell(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    return Shell(capfd, monkeypatch, tmp_path)


def test_the_command_scans_calibrates_and_all_others_use_it(shell: Shell) -> None:
    document = shell.json("calibrate", "demo", *QUICK, "-n", "4", "--perturb", "ice_sigma=0.1", "--seed", "2")
    assert set(document["levels"]) == {"50", "90"}
    assert set(document["levels"]["50"]) == {"ts", "low", "high"}
    assert (document["n"], document["seed"], document["perturbations"]["ice_sigma"]) == (4, 2, 0.1)
    assert set(document["compared"]) == {"wilks", "icecube-2016", "resimulated"}
    assert document["compared"]["wilks"]["90"]["ts"] == pytest.approx(4.605, abs=1e-3)
    assert document["seconds"]["total"] > 0
    scan = shell.json("scan", "demo", *QUICK, "--calibration", "resimulated")
    assert scan["outputs"]["zarr"] == document["map"]
    assert scan["regions"]["90"]["ts"] == document["levels"]["90"]["ts"]
    same = ("calibrate", "demo", "-n", "4", "--seed", "2", "--perturb", "ice_sigma=0.1", "--map", document["map"])
    assert shell.json(*same)["id"] == document["id"]
    status, answer, _ = shell("map", "show", document["map"], "--calibration", "resimulated")
    assert status == 0
    for part in ("resimulated", "icecube-2016", "too few", "4 pseudo-experiments (seed 2)"):
        assert part in answer
    assert shell("map", "export", document["map"], "--format", "png", "--calibration", "resimulated")[0] == 0
    status, answer, _ = shell(*same)
    assert status == 0
    assert "50 %: TS" in answer


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("demo", *QUICK, "--map", "x.zarr"), "leave out --reco, --option and --levels"),
        (("demo", "--map", "nowhere.zarr"), "nowhere.zarr"),
        (("demo", "--perturb", "dust=3"), "no option of perturbations is called 'dust'; there are: "),
        (("demo", "--perturb", "ice_sigma=3"), "from 0 to 1"),
        (("demo", "-n", "0"), "-n"),
        (("nowhere.json",), "nowhere.json"),
    ],
)
def test_each_mistake_is_one_clear_message_and_status_2(shell: Shell, words: tuple[str, ...], message: str) -> None:
    status, answer, notes = shell("calibrate", *words)
    assert (status, answer) == (2, "")
    assert message in notes
    assert "Traceback" not in notes


def test_a_map_without_its_own_calibration_says_what_to_run(shell: Shell) -> None:
    store = shell.json("scan", "demo", *QUICK)["outputs"]["zarr"]
    assert shell.json("map", "show", store)["resimulated"] is None
    status, _, notes = shell("map", "show", store, "--calibration", "resimulated")
    assert status == 2
    assert "run skymist calibrate EVENT --map MAP first" in notes


def test_killed_it_goes_on_to_the_same_result(demo: Event, shell: Shell, tmp_path: Path) -> None:
    words = ("calibrate", "demo", *QUICK, "-n", "30", "--json")
    process = subprocess.Popen([sys.executable, "-m", "skymist", *words], stdout=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("scans/*.zarr/calibration/*/ts/c/0")):  # the first row is on disk
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (path,) = tmp_path.glob("scans/*.zarr")
    (group,) = path.glob("calibration/*/")
    assert json.loads((group / "zarr.json").read_text())["attributes"]["rows"] < 30
    resumed = shell.json(*words[:-1])
    straight = shell.json(*words[:-1], "--out", "straight")
    for varying in (resumed, straight):
        for key in ("created", "seconds", "map"):
            varying.pop(key)
    assert resumed == straight
