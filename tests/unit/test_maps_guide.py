"""What docs/howto/maps.md says is so: its commands are run in their order, and so is its Python."""

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from guides import commands
from unit.test_exports import peaked_map, stored

from skymist.cli import skymist
from skymist.client.scan import Scan
from skymist.model.extent import CONVENTIONS
from skymist.model.region import region
from skymist.store.zarr import read_skymap
from skymist.workflow.exports import EXPORTS

GUIDE = (Path(__file__).parents[2] / "docs" / "howto" / "maps.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def named(text: str) -> str:
    """The same with the names of maps that are there."""
    return text.replace("MAP", "one.zarr").replace("OTHER", "two.zarr")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("guide")
    stored(peaked_map(0.2), found, "one.zarr")
    stored(peaked_map(0.15, ra=40.3), found, "two.zarr")
    return found


@pytest.fixture(scope="module")
def told(folder: Path) -> dict[str, str]:
    """What the commands of the guide print, one after the other."""
    found: dict[str, str] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in commands("docs/howto/maps.md"):
            said = CliRunner().invoke(skymist, shlex.split(named(line))[1:])
            assert said.exit_code == 0, f"{line}\n{said.output}\n{said.exception!r}"
            found[line] = said.stdout
    return found


def test_every_command_is_shown_and_says_something(told: dict[str, str]) -> None:
    group: Any = skymist.commands["map"]
    assert {line.split()[2] for line in told} == set(group.commands)
    table = GUIDE.partition("## What they say")[2].partition("###")[0]
    assert set(re.findall(r"^\| `([a-z]+)` \|", table, re.MULTILINE)) == set(group.commands)
    assert all(told.values())


def test_regions_are_told_in_the_conventions_that_are_listed(told: dict[str, str], folder: Path) -> None:
    listed = re.findall(r"^\| `([a-z]+)` \|", GUIDE.partition("### Errors in three")[2].partition("###")[0], re.M)
    assert sorted(listed) == sorted(CONVENTIONS)
    answer = told["skymist map regions MAP"]
    assert all(answer.count(name) >= 2 for name in CONVENTIONS)
    assert f"{region(read_skymap(folder / 'one.zarr'), 0.9).area_deg2:,.2f} deg²" in answer
    assert "2.30" in told["skymist map regions MAP --containment 0.683 --calibration wilks"]
    assert "icecube-2016" in told["skymist map regions MAP --all-calibrations"]


def test_a_floor_is_of_probability(told: dict[str, str]) -> None:
    assert "probability regions" in told["skymist map regions MAP --floor 0.2"]
    assert "icecube-2016 regions" in told["skymist map regions MAP"]


def test_the_table_of_files_is_whole(told: dict[str, str], folder: Path) -> None:
    rows = re.findall(r"^\| (`[a-z0-9`, -]+`) \| (`\.[a-z.`, ]+`) \|", GUIDE, re.MULTILINE)
    listed = {
        kind: ending
        for kinds, endings in rows
        for kind, ending in zip(re.findall(r"`(.*?)`", kinds), re.findall(r"`(.*?)`", endings), strict=True)
    }
    assert listed == {kind: each.ending for kind, each in EXPORTS.items()}
    assert (folder / "one.contours.geojson").exists()
    assert {each.name for each in (folder / "files").iterdir()} == {f"one{ending}" for ending in listed.values()}
    printed = told["skymist map export MAP --all --to files"].splitlines()
    assert printed == [f"files/one{each.ending}" for each in EXPORTS.values()]


def test_the_python_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    for block in blocks("python"):
        exec(compile(named(block), "guide", "exec"), names)
    assert names["region"].area_deg2 == region(read_skymap("one.zarr"), 0.9).area_deg2
    assert names["outline"].contains(names["best"].ra, names["best"].dec)
    assert names["both"].separation_deg == pytest.approx(0.3 * np.cos(np.radians(10)), abs=0.1)
    assert 0 < names["both"].jensen_shannon_bits < 1


def test_the_client_has_what_the_guide_names() -> None:
    assert set(re.findall(r"`scan\.([a-z]+)\(", GUIDE)) == {"regions", "position", "difference", "save"}
    assert all(hasattr(Scan, name) for name in re.findall(r"`scan\.([a-z]+)\(", GUIDE))
