"""Configurations: which file counts, and what is wrong with one."""

import os
import subprocess
import sys
import zipfile
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from skymist.cluster import config
from skymist.errors import SkymistError

ROOT = Path(__file__).parents[2]


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)


@pytest.mark.parametrize("name", config.KINDS)
def test_every_key_of_a_kind_has_its_value_and_its_comment_in_the_file_that_comes_with_skymist(name: str) -> None:
    text = (config.shipped() / f"{name}.yaml").read_text() if (config.shipped() / f"{name}.yaml").exists() else ""
    assert set(yaml.safe_load(text) or {}) == {field.name for field in fields(config.KINDS[name])}
    for line in text.splitlines():
        assert not line or line.startswith((" ", "#")) or "# " in line, line


def test_single_values_are_replaced(tmp_path: Path) -> None:
    write(tmp_path, "slurm.yaml", "partition: long\nprologue: [module load python]")
    found, shipped = config.load("slurm", tmp_path), config.load("slurm")
    assert (found.partition, found.prologue) == ("long", ("module load python",))
    assert (found.walltime, found.maximum) == (shipped.walltime, shipped.maximum)


def test_another_name_is_another_cluster(tmp_path: Path) -> None:
    write(tmp_path, "slurm.yaml", "partition: long")
    write(tmp_path, "night.yaml", "kind: slurm\nmaximum: 500")
    assert set(config.files(tmp_path)) == {*config.files(), "night"}
    assert config.load("night", tmp_path).maximum == 500
    assert config.load("night", tmp_path).partition is None
    assert config.load(str(tmp_path / "night.yaml")) == config.load("night", tmp_path)
    assert config.label(str(tmp_path / "night.yaml")) == "night"


def test_a_name_of_skymist_keeps_its_kind(tmp_path: Path) -> None:
    write(tmp_path, "local-processes.yaml", "workers: 3")
    assert config.load("local-processes", tmp_path) == config.Local(processes=True, workers=3)


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert config.files(tmp_path / "none") == config.files()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("walltme: x", "no key of {file} is called 'walltme'; there are: account, "),
        ("walltime: 12:00:00", "{file}: walltime must be text, not 43200 (put it in quotes)"),
        ("walltime: two hours", "{file}: walltime must be HH:MM:SS or D-HH:MM:SS, not 'two hours'"),
        ("margin_s: 3600", "{file}: margin_s must be less than half the walltime (02:00:00), not 3600"),
        ("memory: much", "{file}: memory must be a number with a unit such as 8 GB, not 'much'"),
        ("maximum: 1.5", "{file}: maximum must be a whole number, not 1.5"),
        ("maximum: true", "{file}: maximum must be a whole number, not True"),
        ("maximum: 0", "{file}: maximum must be at least minimum (1), not 0"),
        ("processes: 0", "{file}: processes must be at least 1, not 0"),
        ("prologue: ls", "{file}: prologue must be a list of texts, not 'ls'"),
        ("prologue: [1]", "{file}: prologue must be a list of texts, not [1]"),
        ("account: [a]", "{file}: account must be text or null, not ['a']"),
        ("tls:", "{file}: tls must be true or false, not None"),
        ("kind: pbs", "{file}: kind must be one of kubernetes, local, slurm, not 'pbs'"),
        ("kind: [slurm]", "{file}: kind must be one of kubernetes, local, slurm, not ['slurm']"),
        ("- a", "{file}: must be a list of KEY: VALUE"),
        ("a: [", "{file}: is not YAML: "),
        ("a: !!python/object/apply:os.getcwd []", "{file}: is not YAML: "),
    ],
)
def test_mistakes_name_the_file_the_key_and_what_is_valid(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path, "slurm.yaml", text)
    with pytest.raises(SkymistError) as error:
        config.load("slurm", tmp_path)
    assert str(error.value).startswith(said.format(file=tmp_path / "slurm.yaml"))


def test_a_file_of_no_kind_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "mine.yaml", "maximum: 3")
    with pytest.raises(SkymistError, match=r"mine.yaml: kind must be one of kubernetes, local, slurm, not None"):
        config.load("mine", tmp_path)
    with pytest.raises(SkymistError, match="there is no such cluster configuration"):
        config.load(str(tmp_path / "none.yaml"))


def test_a_wheel_has_the_files_where_they_are_found(tmp_path: Path) -> None:
    build = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, tmp_path], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    list_files = "from skymist.cluster import config; print(*config.files().values())"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    answer = subprocess.check_output([sys.executable, "-c", list_files], env=environment, cwd=tmp_path, text=True)
    installed = tmp_path / "site" / "skymist" / "cluster_configs"
    assert set(answer.split()) == {str(installed / path.name) for path in config.shipped().iterdir()}
