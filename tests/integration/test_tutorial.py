"""The tutorial on reconstructions, followed to the letter."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "docs" / "tutorials" / "reconstruction.md").read_text()
FILES = dict(re.findall(r"^`([\w.]+)`\n\n```\w+\n(.*?)^```$", TUTORIAL, re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^\$ (.+)$", TUTORIAL, re.MULTILINE)

pytestmark = pytest.mark.integration


def run(words: list[str], folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        words, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=250
    )


def test_the_example_plug_in_is_what_the_tutorial_makes() -> None:
    assert set(FILES) == {"pyproject.toml", "skymist_example.py", "test_tutorial_line.py"}
    for name in ("pyproject.toml", "skymist_example.py"):
        assert FILES[name] == (ROOT / "tests" / "plugin" / name).read_text()


def test_every_step_in_order(tmp_path: Path) -> None:
    """The package is put where only these commands see it, as this environment has the example already."""
    site, folder = tmp_path / "site", tmp_path / "package"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_text(content)
    installs, *others = COMMANDS
    assert installs == "pip install --editable ."
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--target", str(site)]
    done = run([sys.executable, "-m", "pip", "install", *offline, "."], folder)
    assert done.returncode == 0, done.stderr
    (folder / "skymist_example.py").unlink()  # what is installed is used, not what lies here
    answers = {}
    for command in others:
        words = [sys.executable, "-m", *shlex.split(command)]
        done = run(words, folder, PYTHONPATH=str(site), PYTEST_ADDOPTS="-p no:cacheprovider")
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        answers[command] = done.stdout
    assert "2 passed" in answers["pytest -q"]
    assert "truth" in answers["skymist scan demo --reco tutorial-line"]
