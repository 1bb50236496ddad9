"""The house is in order: what is said twice says the same."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import skymist
from skymist.errors import ReadError, SkymistError, UnknownNameError

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_environment_yml_lists_what_pyproject_lists() -> None:
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    wanted = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
    assert set(listed) - {"python" + PROJECT["requires-python"], "pip"} == set(wanted)


def test_versions_agree() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text()


def test_every_public_name_exists() -> None:
    assert sorted(skymist.__all__) == skymist.__all__
    for name in skymist.__all__:
        assert getattr(skymist, name) is not None


def test_contributing_shows_every_part() -> None:
    shown = set(re.findall(r"^  (\w+)(?:\.py|/)", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE))
    there = {path.stem for path in (ROOT / "skymist").iterdir() if not path.stem.startswith(("_", "py", "."))}
    assert shown == there


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ReadError("too short", "x.i3", 12), "x.i3, at 12: too short"),
        (ReadError("too short", "x.i3"), "x.i3: too short"),
        (ReadError("too short"), "too short"),
        (ReadError("too short", "frame P", 3).within("x.i3"), "x.i3: frame P, at 3: too short"),
        (UnknownNameError("fruit", "pear", ["b", "a"]), "no fruit is called 'pear'; there are: a, b"),
    ],
)
def test_errors_read_well(error: SkymistError, text: str) -> None:
    assert str(error) == text
