"""``skymist map``: what it says of maps of any kind, and one clear line for each mistake."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from maps import random_map
from unit.test_exports import peaked_map, stored

from skymist import cli
from skymist.model import sky
from skymist.model.region import best_fit, region
from skymist.store.zarr import read_skymap
from skymist.workflow.exports import EXPORTS, export
from skymist.workflow.maps import load_map

LEGACY = "reference_scans/run00136766-evt000007637140-GOLD-8_64_512.npz"
"""Upside down, without a time, and IceCube's published areas are of it."""
TOLD = ("--convention", "mirrored", "--utc", "2022-06-24T16:13:16.40")


class Shell:
    """Runs the command line in this process."""

    def __init__(self, capture: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.capture, self.patch = capture, patch

    def __call__(self, *words: str) -> tuple[int, str, str]:
        self.patch.setattr(sys, "argv", ["skymist", "map", *words])
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
    monkeypatch.chdir(tmp_path)
    return Shell(capfd, monkeypatch)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of two maps, and of peers' files of the first."""
    found = tmp_path_factory.mktemp("maps")
    stored(random_map(4, "islands", finest=128), found, "one.zarr")
    stored(random_map(8, "pole", finest=128), found, "two.zarr")
    for kind in ("fits", "skyscan-json", "skyscan-npz"):
        export(load_map(found / "one.zarr"), kind)
    return found


def test_regions_by_cells_and_contours(shell: Shell, folder: Path) -> None:
    found = shell.json("regions", str(folder / "one.zarr"), "--calibration", "wilks")
    for share in ("50", "90"):
        expected, said = region(read_skymap(folder / "one.zarr"), float(share) / 100, "wilks"), found["regions"][share]
        assert (said["ts"], said["area_deg2"], said["open"]) == (expected.ts, expected.area_deg2, expected.open)
        assert said["errors"]["corners"]["ra_plus"] == expected.ra_plus
        assert set(said["errors"]) == {"corners", "centres", "contour"}
    status, answer, _ = shell("regions", str(folder / "one.zarr"), "--calibration", "wilks")
    assert status == 0
    assert f"{found['regions']['90']['area_deg2']:,.2f} deg²" in answer
    assert "contour" in answer


def test_any_containment_that_the_calibration_has(shell: Shell, folder: Path) -> None:
    words = ("regions", str(folder / "one.zarr"), "--containment", "0.683", "--containment", "0.99")
    found = shell.json(*words, "--calibration", "wilks")
    assert list(found["regions"]) == ["68.3", "99"]
    assert found["regions"]["68.3"]["ts"] == pytest.approx(2.2977, abs=1e-3)  # one sigma in two dimensions
    for share, told in (("0.683", "'icecube-2016' has no containment"), ("1.5", "not between 0 and 1")):
        status, answer, notes = shell("regions", str(folder / "one.zarr"), "--containment", share)
        assert (status, answer) == (2, "")
        assert told in notes


def test_all_calibrations_side_by_side(shell: Shell, folder: Path) -> None:
    words = ("regions", str(folder / "one.zarr"), "--all-calibrations")
    rows = shell.json(*words)["calibrations"]
    assert {row["calibration"] for row in rows} == {"wilks", "icecube-2016", "probability"}
    for row in rows:
        expected = region(read_skymap(folder / "one.zarr"), row["containment"], row["calibration"])
        assert (row["ts"], row["area_deg2"]) == (expected.ts, expected.area_deg2)
    assert shell(*words)[1].count("icecube-2016") >= 3


def test_published_areas_come_out_of_the_file_they_were_published_for(shell: Shell, shared: Path) -> None:
    found = shell.json("regions", str(shared / LEGACY), *TOLD)
    assert found["calibration"] == "icecube-2016"
    assert found["regions"]["50"]["area_deg2"] == pytest.approx(2.334, rel=1e-3)
    assert found["regions"]["90"]["area_deg2"] == pytest.approx(7.462, rel=1e-3)


def test_results_that_do_not_tell_need_to_be_told(shell: Shell, shared: Path) -> None:
    for words, told in (((), "'standard'"), (TOLD[:2], "give run, event and utc"), (("--convention", "up"), "'up'")):
        status, answer, notes = shell("show", str(shared / LEGACY), *words)
        assert (status, answer) == (2, "")
        assert told in notes
        assert len(notes.splitlines()) == 1
    up, down = (shell.json("show", str(shared / LEGACY), *TOLD[2:], "--convention", each)
                for each in ("standard", "mirrored"))  # fmt: skip
    assert up["best"]["dec"] == pytest.approx(-down["best"]["dec"])


def test_what_one_of_two_maps_has_to_be_told_does_not_change_the_other(shell: Shell, shared: Path) -> None:
    old = str(shared / LEGACY)
    for kind in ("fits", "skyscan-json"):
        (made,) = shell.json("export", old, "--format", kind, "--to", f"a.{kind}", *TOLD)["files"].values()
        found = shell.json("diff", old, made, *TOLD)
        assert (found["same_event"], found["separation_deg"]) == (True, 0.0)
        assert found["overlaps"][1]["iou"] == pytest.approx(1)


def test_maps_of_others_are_shown_as_ours(shell: Shell, folder: Path) -> None:
    ours = shell.json("show", str(folder / "one.zarr"))
    for file in ("one.skyscan.json", "one.skyscan.npz"):
        theirs = shell.json("show", str(folder / file))
        assert theirs["best"]["ra"] == pytest.approx(ours["best"]["ra"])
        assert theirs["regions"] == ours["regions"]
    density = shell.json("show", str(folder / "one.multiorder.fits.gz"))
    same = shell.json("show", str(folder / "one.zarr"), "--calibration", "probability")
    assert (density["calibration"], ours["calibration"]) == ("probability", "icecube-2016")
    for share in ("50", "90"):
        assert density["regions"][share]["area_deg2"] == pytest.approx(same["regions"][share]["area_deg2"], rel=1e-9)


def test_circle_and_ellipse_say_what_they_lose(shell: Shell, folder: Path) -> None:
    found = shell.json("shapes", str(folder / "two.zarr"), "--calibration", "wilks")["shapes"]
    for share in ("50", "90"):
        held = region(read_skymap(folder / "two.zarr"), float(share) / 100, "wilks").area_deg2
        for shape in found[share].values():
            # what both share, counted from either side
            assert held - shape["missed_deg2"] == pytest.approx(shape["area_deg2"] - shape["spare_deg2"], rel=0.05)
            assert 0 < shape["probability"] < 1
    answer = shell("shapes", str(folder / "two.zarr"), "--calibration", "wilks")[1]
    assert answer.count("circle") == answer.count("ellipse") == 2


def test_a_position_with_a_negative_declination(shell: Shell, folder: Path) -> None:
    data = read_skymap(folder / "one.zarr")
    best, place = best_fit(data), SkyCoord(11.5, -5.7, unit=u.deg)
    found = shell.json("locate", str(folder / "one.zarr"), "11.5", "-5.7")["position"]
    away = place.separation(SkyCoord(best.ra, best.dec, unit=u.rad)).deg
    assert (found["ra"], found["dec"]) == (11.5, -5.7)
    assert found["separation_deg"] == pytest.approx(away)
    here = shell.json("locate", str(folder / "one.zarr"), *(str(np.degrees(each)) for each in (best.ra, best.dec)))
    assert (here["position"]["ts"], here["position"]["inside"]) == (0, {"50": True, "90": True})
    answer = shell("locate", str(folder / "one.zarr"), "11.5", "-5.7")[1]
    assert f"{away:.2f}° from the best fit" in answer
    assert "90 %: outside" in answer


def test_positions_that_are_none(shell: Shell, folder: Path) -> None:
    for words in (("10", "91"), ("nan", "0"), ("10", "-90.1")):
        status, answer, notes = shell("locate", str(folder / "one.zarr"), *words)
        assert (status, answer) == (2, "")
        assert "is no position on the sky" in notes
    assert shell("locate", str(folder / "one.zarr"), "10", "-x")[0] == 2


def test_two_maps(shell: Shell, folder: Path) -> None:
    maps = [str(folder / name) for name in ("one.zarr", "two.zarr")]
    a, b = (best_fit(read_skymap(path)) for path in maps)
    found = shell.json("diff", *maps)
    assert found["separation_deg"] == pytest.approx(np.degrees(sky.separation(a.ra, a.dec, b.ra, b.dec)))
    assert found["jensen_shannon_bits"] == pytest.approx(1)
    assert [each["common_deg2"] for each in found["overlaps"]] == [0, 0]
    answer = shell("diff", *maps)[1]
    assert f"{found['separation_deg']:.2f}° apart" in answer
    assert f"{found['cells']['common']:,} cells in both" in answer
    same = shell.json("diff", maps[0], str(folder / "one.multiorder.fits.gz"))
    assert same["calibration"] == "probability"  # the other one is no likelihood
    assert same["jensen_shannon_bits"] == pytest.approx(0, abs=1e-9)
    assert [each["iou"] for each in same["overlaps"]] == pytest.approx([1, 1])


def test_a_floor_makes_regions_larger(shell: Shell, tmp_path: Path) -> None:
    words = ("regions", str(stored(peaked_map(0.15), tmp_path)))
    plain, wide = shell.json(*words, "--calibration", "probability"), shell.json(*words, "--floor", "0.4")
    assert wide["calibration"] == "probability"  # levels of TS are none for what is no likelihood any more
    assert wide["floor_deg"] == 0.4
    assert "floor_deg" not in plain
    for share in ("50", "90"):
        ratio = wide["regions"][share]["area_deg2"] / plain["regions"][share]["area_deg2"]
        assert ratio == pytest.approx((0.15**2 + 0.4**2) / 0.15**2, rel=0.1)
    assert "floor 0.4°" in shell(*words, "--floor", "0.4")[1]
    for floor in ("-1", "nan", "90"):
        status, answer, notes = shell(*words, "--floor", floor)
        assert (status, answer) == (2, "")
        assert "makes no sense" in notes


def test_export_in_all_formats_prints_the_files_and_what_cannot_be(shell: Shell, tmp_path: Path) -> None:
    store = stored(peaked_map(0.02, 4096), tmp_path)  # whose finest cells would be 200 million on the whole sky
    status, answer, notes = shell("export", str(store), "--all", "--to", "out")
    assert (status, len(notes.splitlines())) == (0, 1)
    assert notes.startswith("no fits-flat: ")
    assert "4096" in notes
    endings = [each.ending for kind, each in EXPORTS.items() if kind != "fits-flat"]
    assert answer.splitlines() == [f"out/map{ending}" for ending in endings]
    assert sorted(each.name for each in Path("out").iterdir()) == sorted(f"map{ending}" for ending in endings)


def test_export_of_a_result_of_others_leaves_it_alone(shell: Shell, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "run00000001.evt000000000002.json"
    file.write_bytes((folder / "one.skyscan.json").read_bytes())
    status, answer, notes = shell("export", str(file), "--format", "json")
    assert (status, answer) == (2, "")
    assert "is the map itself" in notes
    found = shell.json("export", str(file), "--format", "moc")
    assert found == {"files": {"moc": str(file.with_suffix(".moc.fits"))}, "failed": {}}
    assert file.read_bytes() == (folder / "one.skyscan.json").read_bytes()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("export", "one.zarr"), "one of --format FORMAT and --all"),
        (("export", "one.zarr", "--all", "--format", "png"), "one of --format FORMAT and --all"),
        (("export", "one.zarr", "--format", "gif"), "no export format is called 'gif'; there are: contours-ecsv,"),
        (("regions", "nowhere.json"), "nowhere.json: there is no such file"),
        (("show", "one.zarr", "--convention", "up"), "no declination convention is called 'up'"),
        (("diff", "one.zarr", "nowhere.fits"), "nowhere.fits"),
        (("shapes", "note.txt"), "none of the formats that are understood"),
        (("show", "."), "not a sky map store"),
        (("regions", "one.zarr", "--calibration", "mine"), "no calibration is called 'mine'"),
        (("export", "one.zarr", "--all", "--calibration", "resimulated"), "no calibration of its own"),
    ],
)
def test_mistakes_are_told_in_one_line(
    shell: Shell, folder: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(folder)
    Path("note.txt").write_text("not a map")
    status, answer, notes = shell(*words)
    assert (status, answer) == (2, "")
    assert told in notes
    assert "Traceback" not in notes
