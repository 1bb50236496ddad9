"""``skymist cluster``: answers and exit statuses."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from skymist.cli import skymist
from skymist.errors import UnknownNameError

LOCAL = "kind: local\nworkers: 1"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own folder, by default."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "skymist" / "clusters").mkdir(parents=True)
    return tmp_path / "skymist" / "clusters"


def ask(*words: str, status: int = 0) -> str:
    result = CliRunner().invoke(skymist, words)
    assert result.exit_code == status, result.output
    return result.stdout


def test_list_names_the_file_of_each(folder: Path) -> None:
    (folder / "mine.yaml").write_text(LOCAL)
    files = json.loads(ask("cluster", "list", "--json"))
    assert {"local", "local-processes", "slurm", "mine"} <= set(files)
    assert files["mine"] == str(folder / "mine.yaml")
    assert f"mine {' ' * 15} {folder / 'mine.yaml'}" in ask("cluster", "list")


def test_the_folder_can_be_another(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.yaml").write_text(LOCAL)
    assert "other" not in json.loads(ask("cluster", "list", "--json"))
    assert "other" in json.loads(ask("cluster", "list", "--json", "--cluster-configs", str(tmp_path)))
    monkeypatch.setenv("SKYMIST_CLUSTER_CONFIGS", str(tmp_path))
    assert ask("cluster", "show", "other") == "other: 1 threads of one process of this machine; nothing is submitted\n"


def test_check_says_step_by_step_what_works(folder: Path) -> None:
    (folder / "mine.yaml").write_text(LOCAL)
    document = json.loads(ask("cluster", "check", "mine", "--json"))
    assert document["ok"]
    assert [step["name"] for step in document["steps"]] == ["configuration", "worker", "versions", "scan", "cleaned up"]
    answer = ask("cluster", "check", "mine")
    assert "ok      scan: 12 cells in " in answer
    assert "the same as here" in answer


def test_check_says_what_does_not_work(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "mine.yaml").write_text("kind: local\nworkers: none")
    answer = ask("cluster", "check", "mine", status=1)
    assert (
        f"FAILED  configuration: {folder / 'mine.yaml'}: workers must be a whole number or null, not 'none'" in answer
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    document = json.loads(ask("cluster", "check", "slurm", "--json", status=1))
    assert [step["ok"] for step in document["steps"]] == [True, False, False, False]
    assert "where jobs are submitted" in document["steps"][1]["hint"]


@pytest.mark.parametrize("word", ["mine", "file"])
def test_scans_run_on_a_cluster_of_ones_own(folder: Path, tmp_path: Path, word: str) -> None:
    (folder / "mine.yaml").write_text(LOCAL)
    where = word if word == "mine" else str(folder / "mine.yaml")
    scan = ("scan", "demo", "--reco", "bowl", "--levels", "2:0", "--out", str(tmp_path), "--json")
    assert json.loads(ask(*scan, "--cluster", where))["cells"] == {"2": 48}


@pytest.mark.parametrize("command", [("scan", "demo"), ("calibrate", "demo"), ("evaluate", "x.npz")])
def test_unknown_names_list_ones_own(folder: Path, command: tuple[str, ...]) -> None:
    (folder / "mine.yaml").write_text(LOCAL)
    result = CliRunner().invoke(skymist, [*command, "--cluster", "moon"])
    assert isinstance(result.exception, UnknownNameError)
    assert "mine" in str(result.exception)
