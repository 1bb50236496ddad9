"""The command line: answers, exit statuses, and one clear line for each mistake."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from skymist import cli
from skymist.cli import text
from skymist.model import region

QUICK = ("--reco", "bowl", "--levels", "2:0,8:4")


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

    def json(self, *words: str) -> dict:  # type: ignore[type-arg]
        status, answer, notes = self(*words, "--json")
        assert status == 0, notes
        return dict(json.loads(answer))


@pytest.fixture
def shell(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    return Shell(capfd, monkeypatch, tmp_path)


def test_scan_prints_one_json_document_of_the_promised_form(shell: Shell) -> None:
    document = shell.json("scan", "demo", *QUICK, "--seed", "3", "--option", "width_deg=5")
    assert set(document["event"]) == {"run", "event", "utc", "mjd", "kind"}
    assert document["reconstruction"]["name"] == "bowl"
    assert document["reconstruction"]["options"]["width_deg"] == 5
    assert set(document["best"]) >= {"ra", "dec", "zenith", "azimuth", "nllh", "energy_gev"}
    assert document["calibration"] == "icecube-2016"
    for share in ("50", "90"):
        assert set(document["regions"][share]) >= {"area_deg2", "ra_plus", "ra_minus", "dec_plus", "dec_minus"}
    assert document["cells"] == {"2": 48, "8": 64}
    assert set(document["seconds"]) == {"read", "setup", "compute", "write", "total"}
    assert document["seconds"]["total"] == pytest.approx(sum(document["seconds"].values()) / 2)
    assert set(document["outputs"]) == {"zarr", "fits", "png"}
    assert all(Path(path).exists() for path in document["outputs"].values())


def test_what_has_to_be_compiled_is_said_once(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skymist.reco.bowl.Bowl.compiled", False, raising=False)
    status, _, notes = shell("scan", "demo", *QUICK)
    assert status == 0
    assert notes.count("compiling bowl for this machine") == 1


def test_the_same_scan_again_computes_nothing(shell: Shell) -> None:
    first, second = (shell.json("scan", "demo", *QUICK) for _ in range(2))
    assert first["seconds"]["compute"] > second["seconds"]["compute"] == 0
    for varying in (first, second):
        varying.pop("seconds")
    assert first == second


def test_seeds_and_options_of_one_level_are_recorded(shell: Shell) -> None:
    words = ("--seeds", "3", "--option", "width_deg=5", "--option", "8:width_deg=2")
    plain, special = shell.json("scan", "demo", *QUICK), shell.json("scan", "demo", *QUICK, *words)
    assert special["reconstruction"]["options"]["width_deg"] == 5
    assert special["reconstruction"]["level_options"] == {"8": {"width_deg": 2}}
    assert special["scan_id"] != plain["scan_id"]
    assert special["cells"] == plain["cells"]


def test_a_pointed_scan_around_a_seed_is_the_one_around_its_place(shell: Shell) -> None:
    fitted = {"zenith": 1.0, "azimuth": 2.0, "x": 0, "y": 0, "z": 0, "time_ns": 0, "energy_gev": None}
    Path("seeded.csv").write_text(
        "# run = 1\n# event = 2\n# utc = 2020-01-01T00:00:00\n# kind = test\n# detector = icecube-86\n"
        f"# seeds = {json.dumps({'Spline': fitted})}\nstring,om,time_ns,charge_pe\n1,1,100.0,1.0\n"
    )
    place = shell.json("events", "show", "seeded.csv")["seeds"]["Spline"]
    scan = ("scan", "seeded.csv", *QUICK, "--cone")
    named, typed = shell.json(*scan, "Spline,3"), shell.json(*scan, f"{place['ra']},{place['dec']},3")
    assert named["scan_id"] == typed["scan_id"]
    assert named["cells"]["8"] < 10
    status, _, notes = shell(*scan, "Line,3")
    assert status == 2
    assert "no earlier reconstruction is called 'Line'; there are: Spline" in notes


def test_map_show_says_what_scan_said(shell: Shell) -> None:
    document = shell.json("scan", "demo", *QUICK, "--calibration", "wilks")
    shown = shell.json("map", "show", document["outputs"]["zarr"], "--calibration", "wilks")
    for key in ("scan_id", "event", "best", "regions", "cells"):
        assert shown[key] == document[key]


@pytest.mark.parametrize("kind", ["fits", "fits-flat", "png", "pdf", "svg", "csv", "json"])
def test_map_export(shell: Shell, kind: str) -> None:
    store = shell.json("scan", "demo", *QUICK)["outputs"]["zarr"]
    status, answer, _ = shell("map", "export", store, "--format", kind)
    assert status == 0
    assert Path(answer.strip()).stat().st_size > 100
    status, answer, _ = shell("map", "export", store, "--format", kind, "--to", "somewhere/else")
    assert (status, answer.strip()) == (0, "somewhere/else")


def test_an_unknown_export_format_lists_the_known(shell: Shell) -> None:
    store = shell.json("scan", "demo", *QUICK)["outputs"]["zarr"]
    status, _, notes = shell("map", "export", store, "--format", "gif")
    assert status == 2
    assert "no export format is called 'gif'; there are: contours-ecsv, csv, ds9" in notes


def test_text_for_people(shell: Shell) -> None:
    status, answer, _ = shell("scan", "demo", *QUICK)
    assert status == 0
    for part in ("simulated", "best fit", "90 % region", "deg²", "truth", "icecube-2016"):
        assert part in answer
    status, answer, _ = shell("events", "show", "demo")
    assert status == 0
    assert "pulses" in answer


def test_events_show_has_the_promised_fields(shell: Shell) -> None:
    document = shell.json("events", "show", "demo")
    assert set(document) >= {"run", "event", "utc", "mjd", "kind", "pulse_sets", "pulses", "seeds"}
    pulses = document["pulses"]
    assert set(pulses) == {"dom", "time_ns", "charge_pe", "width_ns", "hlc"}
    assert len({len(column) for column in pulses.values()}) == 1
    assert set(document["truth"]) == {"ra", "dec", "zenith", "azimuth", "x", "y", "z", "time_ns", "energy_gev"}


def test_simulate_makes_events_that_can_be_read(shell: Shell) -> None:
    status, answer, _ = shell("simulate", "-n", "2", "--seed", "4", "--energy", "20000", "--out", "some.parquet")
    assert status == 0
    names = answer.split()
    assert names == ["some-0.parquet", "some-1.parquet"]
    shown = [shell.json("events", "show", name) for name in names]
    assert shown[0]["simulated"]
    assert shown[0]["truth"] != shown[1]["truth"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("scan", "nowhere.json"), "nowhere.json"),
        (("scan", "demo", "--reco", "magic"), "no reconstruction is called 'magic'; there are: "),
        (("scan", "demo", "--reco", "bowl", "--option", "depth=3"), "no option of bowl is called 'depth'"),
        (("scan", "demo", "--reco", "bowl", "--option", "width_deg"), "is not KEY=VALUE"),
        (("scan", "demo", "--reco", "bowl", "--option", "width_deg=x"), "is not of type float"),
        (("scan", "demo", "--levels", "8:0,4:3"), "coarse to fine"),
        (("scan", "demo", *QUICK, "--option", "x:width_deg=3"), "is not KEY=VALUE or NSIDE:KEY=VALUE"),
        (("scan", "demo", *QUICK, "--option", "8:depth=3"), "no option of bowl is called 'depth'"),
        (("scan", "demo", *QUICK, "--option", "8:width_deg=0"), "width_deg"),
        (("scan", "demo", *QUICK, "--option", "64:width_deg=3"), "options for nside 64, but the levels are 2, 8"),
        (("scan", "demo", *QUICK, "--seeds", "10"), "--seeds"),
        (("scan", "demo", "--cone", "1,2"), "RA,DEC,RADIUS"),
        (("scan", "demo", "--cone", "Spline,3"), "no earlier reconstruction is called 'Spline'; there are: none"),
        (("scan", "demo", "--reco", "bowl", "--option", "width_deg=0"), "width_deg"),
        (("scan", "demo", *QUICK, "--out", "/dev/null/scans"), "/dev/null/scans"),
        (("simulate", "--out", "/dev/null/x.csv"), "/dev/null/x.csv"),
        (("scan", "demo", *QUICK, "--cluster", "moon"), "no cluster is called 'moon'; there are: "),
        (("scan", "demo", "--calibration", "luck"), "no calibration is called 'luck'"),
        (("scan", "demo", "--pulses", "Nothing"), "pulse set"),
        (("scan", "demo", "--workers", "0"), "--workers"),
        (("scan", "demo", "--seed", "-1"), "--seed"),
        (("scan",), "EVENT"),
        (("map", "show", "nowhere.zarr"), "nowhere.zarr"),
        (("map", "export", "nowhere.zarr", "--format", "png"), "nowhere.zarr"),
        (("events", "fetch", "nobody"), "nobody"),
        (("paint",), "paint"),
    ],
)
def test_each_mistake_is_one_clear_message_and_status_2(shell: Shell, words: tuple[str, ...], message: str) -> None:
    status, answer, notes = shell(*words)
    assert status == 2
    assert message in notes
    assert answer == ""
    assert "Traceback" not in notes


def test_a_scan_that_fails_is_status_1(shell: Shell) -> None:
    Path("dark.csv").write_text(
        "# run = 1\n# event = 2\n# utc = 2020-01-01T00:00:00\n# kind = test\n# detector = icecube-86\n"
        "string,om,time_ns,charge_pe\n1,1,100.0,1.0\n"
    )
    status, answer, notes = shell("scan", "dark.csv", "--levels", "2:0")
    assert status == 1
    assert "could not fit any of 48 directions" in notes
    assert answer == ""


def test_help_names_all_calibrations() -> None:
    """Help has a list of its own, because that of the regions takes long to import."""
    known = {*region.CALIBRATIONS, region.POPULATION.name, region.RESIMULATED.name}
    assert set(text.CALIBRATIONS) == known
    assert all(region.find_calibration(name).name == name for name in text.CALIBRATIONS)
    assert text.CALIBRATION == region.DEFAULT_CALIBRATION
    for words in (("scan",), ("demo",), ("map", "show"), ("map", "export"), ("evaluate",)):
        told = "".join(CliRunner().invoke(cli.skymist, [*words, "--help"]).output.split())  # however it is wrapped
        assert text.one_of(text.CALIBRATIONS).replace(" ", "") in told, words
