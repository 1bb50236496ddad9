"""What the README shows works."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from guides import ROOT, commands

README = (ROOT / "README.md").read_text()
COMMANDS = commands("README.md")

pytestmark = pytest.mark.integration


def run(command: str, folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    words = [sys.executable, "-m", "skymist", *shlex.split(command)[1:]]
    where = {**os.environ, **environment}
    return subprocess.run(words, cwd=folder, env=where, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.timeout(900)  # in a fresh clone all kernels are compiled here
def test_every_command_in_order(shared: Path, tmp_path: Path) -> None:
    assert len(COMMANDS) >= 8
    shutil.copy(shared / "catalogs" / "icecat1.csv", tmp_path)
    own = {"SKYMIST_MIRROR": str(shared / "events"), "XDG_DATA_HOME": str(tmp_path / "data")}
    for command in COMMANDS:
        done = run(command, tmp_path, **own)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        assert done.stdout
        assert "Traceback" not in done.stderr
    assert len(list((tmp_path / "scans").glob("*.png"))) == 7


def test_the_python_example(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "BestFit" in done.stdout


def test_the_make_targets_exist() -> None:
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text()


def test_the_picture_is_there() -> None:
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (ROOT / picture).stat().st_size > 10_000
