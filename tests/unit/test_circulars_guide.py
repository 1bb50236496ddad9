"""What docs/circulars.md and docs/counterparts.md say is so."""

import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from skymist.circulars.send import Gcn
from skymist.cli import skymist
from skymist.crossmatch.catalog import _checked
from skymist.model.circular import NEXT
from skymist.workflow.outgoing import desk_settings, is_real, make_channels
from skymist.workflow.settings import ServiceSettings

DOCS = Path(__file__).parents[2] / "docs"
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


@pytest.mark.parametrize(
    "line", [line for text in (GUIDE, COUNTERPARTS) for line in block(text, "console").splitlines()]
)
def test_the_commands_are_commands(line: str) -> None:
    words = line.removeprefix("$ skymist ").split()
    given = {word for word in words if word.startswith("--")}
    depth = 2 if words[0] in ("circular", "notice", "catalogs") else 1
    told = CliRunner().invoke(skymist, [*words[:depth], "--help"])
    assert told.exit_code == 0
    assert given <= set(re.findall(r"--[a-z-]+", told.output))
