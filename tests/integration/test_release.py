"""What is released: built, installed alone into clean environments, and it works there."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import skymist

ROOT = Path(__file__).parents[2]
PYTHONS = "3.11", "3.12", "3.13"
UV = next((path for path in [Path(sys.executable).with_name("uv")] if path.exists()), None)
"""Installs in a tenth of the time; the development environment has it."""

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


def run(*words: str, folder: Path = ROOT, **environment: str) -> str:
    own = {key: value for key, value in os.environ.items() if not key.startswith(("SKYMIST", "PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(
        words, cwd=folder, env={**own, **environment}, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def interpreter(version: str) -> str | None:
    """Return a Python of a version, if this machine has one."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    ways = [shutil.which(f"python{version}"), *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))]
    for each in ways:
        if each and subprocess.run([each, "-c", ""], capture_output=True, check=False).returncode == 0:
            return each
    return None


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the source distribution."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-d", str(folder))
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, source


def test_the_wheel_has_all_that_is_needed_and_nothing_else(built: tuple[Path, Path]) -> None:
    names = zipfile.ZipFile(built[0]).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"skymist", built[0].name.split("-py3")[0] + ".dist-info"}
    assert {"skymist/py.typed", "skymist/__init__.pyi", "skymist/cluster_configs/slurm.yaml"} <= set(names)
    here = {str(path.relative_to(ROOT)) for path in (ROOT / "skymist").rglob("*")
            if path.is_file() and "__pycache__" not in path.parts}  # fmt: skip
    assert here <= set(names)


def test_the_source_builds_the_same_wheel(built: tuple[Path, Path], tmp_path: Path) -> None:
    wheel, source = built
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "again"), folder=folder)
    (again,) = (tmp_path / "again").glob("*.whl")
    first, second = (
        {each.filename: each.CRC for each in zipfile.ZipFile(path).infolist() if "RECORD" not in each.filename}
        for path in (wheel, again)
    )
    assert first == second
    assert {"docs", "notebooks", "tests", "README.md", "CHANGELOG.md"} <= {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("version", PYTHONS)
def test_alone_in_a_clean_environment_it_works(version: str, built: tuple[Path, Path], tmp_path: Path) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"needs Python {version}")
    run(python, "-m", "venv", *(["--without-pip"] if UV else []), str(tmp_path / "venv"))
    own = str(tmp_path / "venv" / "bin" / "python")
    install = (
        [str(UV), "pip", "install", "--quiet", "--python", own] if UV else [own, "-m", "pip", "install", "--quiet"]
    )
    run(*install, str(built[0]))
    told = run(own, "-W", "error::SyntaxWarning", "-m", "skymist", "demo", "--out", "scans", folder=tmp_path)
    assert "truth" in told
    assert len(list((tmp_path / "scans").glob("*.png"))) == 1
    told = run(own, "-m", "skymist", "doctor", folder=tmp_path)
    assert told.endswith("nothing is wrong\n")
    assert "skymist[service]: alembic is not installed" in told
    assert run(own, "-c", "import skymist; print(len(skymist.__all__))", folder=tmp_path).strip() == str(
        len(skymist.__all__)
    )
