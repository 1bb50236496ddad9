"""What docs/howto/hpc.md and docs/howto/cloud.md show works, as far as it needs no cluster."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from guides import ROOT, commands

from skymist.cli import skymist
from skymist.cluster.config import load


def blocks(page: str) -> list[str]:
    """The YAML of a guide, fenced in a list or not."""
    found = re.findall(r"^( *)```yaml\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def told(page: str, lines: list[str], home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the commands of a guide print where its settings are those of the user."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.delenv("SKYMIST_CLUSTER_CONFIGS", raising=False)
    (home / "skymist/clusters").mkdir(parents=True)
    (home / "skymist/clusters" / f"{page}.yaml").write_text("".join(blocks(f"docs/howto/{NAMES[page]}.md")))
    said = []
    for line in lines:
        done = CliRunner().invoke(skymist, shlex.split(line)[1:])
        assert done.exit_code == 0, f"{line}\n{done.output}\n{done.exception!r}"
        said.append(done.stdout)
    return "".join(said)


NAMES = {"slurm": "hpc", "kubernetes": "cloud"}


def test_jobs_are_shown_as_the_settings_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = told("slurm", commands("docs/howto/hpc.md"), tmp_path, monkeypatch)
    assert "#SBATCH -p short" in said
    assert "#SBATCH -A icecube" in said
    assert "ib0" in said


def test_pods_are_shown_as_the_settings_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = told("kubernetes", commands("docs/howto/cloud.md"), tmp_path, monkeypatch)
    shown = [each for each in yaml.safe_load_all(said) if each]
    assert {each["metadata"]["namespace"] for each in shown} == {"astro"}
    assert "REGISTRY/skymist:0.1.0" in said
    assert "cloud.google.com/gke-spot" in said


@pytest.mark.parametrize("kind", NAMES)
def test_settings_of_guides_are_accepted(kind: str, tmp_path: Path) -> None:
    (tmp_path / f"{kind}.yaml").write_text("".join(blocks(f"docs/howto/{NAMES[kind]}.md")))
    assert load(kind, tmp_path).show("run")
