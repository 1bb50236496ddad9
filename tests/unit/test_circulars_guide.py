"""What docs/howto/circulars.md and docs/howto/counterparts.md say is so."""

import re
import shlex
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from desks import notice, scan, take_notice
from guides import commands

from skymist.circulars.send import Gcn
from skymist.cli import skymist
from skymist.crossmatch.catalog import _checked
from skymist.model.circular import NEXT
from skymist.records import Database
from skymist.workflow.outgoing import desk_settings, is_real, make_channels
from skymist.workflow.settings import ServiceSettings

DOCS = Path(__file__).parents[2] / "docs" / "howto"
GUIDE, COUNTERPARTS = ((DOCS / name).read_text(encoding="utf-8") for name in ("circulars.md", "counterparts.md"))


def block(text: str, language: str) -> str:
    return text.partition(f"```{language}\n")[2].partition("```")[0]


def test_the_states_are_drawn_as_they_are() -> None:
    arrows = [line.split() for line in block(GUIDE, "mermaid").splitlines() if "-->" in line]
    drawn = {(begin, end) for begin, _, end in arrows if begin != "[*]"}
    assert drawn == {(str(begin), str(end)) for begin, after in NEXT.items() for end in after}


def test_the_settings_are_settings(tmp_path: Path) -> None:
    text = block(GUIDE, "yaml").replace("/etc/skymist/templates", str(tmp_path))
    (tmp_path / "service.yaml").write_text(text)
    found = ServiceSettings.load(tmp_path / "service.yaml", tmp_path)
    desk = desk_settings(found.circulars)
    assert (desk.reporter, desk.catalogs) == ("The Example Collaboration", ("neutrino-candidates", "4fgl-dr4", "3fhl"))
    assert not is_real(found.circulars)
    secrets = {f"GCN_{name}": "x" for name in ("CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN")}
    channels = make_channels(found.circulars, found.notices, secrets)
    assert set(channels) == {"circular", "notice"}
    gcn = channels["circular"]
    assert isinstance(gcn, Gcn)
    gcn.close()


def test_the_description_is_one() -> None:
    assert _checked(yaml.safe_load(block(COUNTERPARTS, "yaml")))["title"] == "My catalog"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with records of an alert that was scanned, where an editor adds a sentence."""
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nprintf '\\nMore will follow.\\n' >> \"$1\"\n")
    editor.chmod(0o755)
    for name, value in {"SKYMIST_DATABASE": "records.sqlite", "EDITOR": "./editor", "XDG_CONFIG_HOME": "."}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    with closing(Database("records.sqlite")) as database:
        database.upgrade()
        take_notice(database, notice(name="IceCube-230416A"))
        scan(database, tmp_path / "scans")
    return tmp_path


def say(line: str) -> str:
    told = CliRunner().invoke(skymist, shlex.split(line)[1:])
    assert told.exit_code == 0, f"{line}\n{told.output}\n{told.exception!r}"
    return told.stdout


def test_the_commands_make_a_circular_that_is_approved(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {}
    for line in commands("docs/howto/circulars.md"):
        monkeypatch.setenv("LOGNAME", "approver" if " approve " in line else "analyst")
        told[line] = say(line)
    assert desk.is_dir()
    assert "far_per_year" in told["skymist circular show 1 --facts"]
    assert "+More will follow." in told["skymist circular diff 1"]
    assert "More will follow." in told["skymist circular send 1 --dry-run"]


def test_the_commands_match_a_map(desk: Path) -> None:
    (found,) = desk.glob("scans/*/*.zarr")
    told = [say(line.replace("MAP", str(found))) for line in commands("docs/howto/counterparts.md")]
    assert "neutrino-candidates" in told[0]
    assert "sources" in told[1]


@pytest.mark.parametrize(
    "line",
    [line for text in (GUIDE, COUNTERPARTS) for each in re.findall(r"```console\n(.*?)```", text, re.DOTALL)
     for line in each.splitlines()],
)  # fmt: skip
def test_the_commands_are_commands(line: str) -> None:
    words = line.removeprefix("$ skymist ").split()
    given = {word for word in words if word.startswith("--")}
    depth = 2 if words[0] in ("circular", "notice", "catalogs") else 1
    told = CliRunner().invoke(skymist, [*words[:depth], "--help"])
    assert told.exit_code == 0
    assert given <= set(re.findall(r"--[a-z-]+", told.output))
