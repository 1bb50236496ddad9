"""What docs/howto/service.md and login.md say is so."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from guides import commands
from serving import opened, running, serving

import skymist
from skymist.api import ApiSettings, Oidc, create_app
from skymist.cli import skymist as command_line
from skymist.records import Database, scans
from skymist.records.tokens import Access
from skymist.workflow.events import demo_path
from skymist.workflow.settings import ServiceSettings

GUIDES = Path(__file__).parents[2] / "docs" / "howto"
GUIDE, LOGIN = ((GUIDES / name).read_text(encoding="utf-8") for name in ("service.md", "login.md"))


def block(language: str, guide: str = GUIDE) -> str:
    return guide.partition(f"```{language}\n")[2].partition("```")[0]


def test_the_states_are_drawn_as_they_are() -> None:
    arrows = [line.split() for line in block("mermaid").splitlines() if "-->" in line]
    drawn = [(begin, end) for begin, _, end in arrows if begin != "[*]"]
    assert drawn == [(begin, end) for begin, after in scans.NEXT.items() for end in after]


def test_the_settings_are_settings(tmp_path: Path) -> None:
    (tmp_path / "service.yaml").write_text(block("yaml"))
    found = ServiceSettings.load(tmp_path / "service.yaml", tmp_path)
    assert found.kafka is not None
    assert set(found.kafka) == {"topics", "settings"}


def test_the_paths_are_all_there_are() -> None:
    rows = re.findall(r"^\| (`/.*?) \|", GUIDE, re.MULTILINE)
    told = {word for row in rows for path in re.findall(r"`(/[^`]*)`", row) for word in re.findall(r"/([a-z]+)", path)}
    document = create_app(ApiSettings(Database("sqlite:///none"), "scans")).openapi()
    there = {word for path in document["paths"] for word in re.findall(r"/([a-z]+)(?![a-z0-9])", path)}
    assert told == there


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "event.csv").write_bytes(demo_path().read_bytes())
    monkeypatch.chdir(tmp_path)
    with opened(tmp_path) as settings, serving(settings) as site, running(settings):
        monkeypatch.setenv("SKYMIST_TOKEN", site.tokens[Access.ANALYST])
        names: dict[str, object] = {}
        exec(compile(block("python").replace("http://127.0.0.1:8642", site.url), "guide", "exec"), names)
    assert str(getattr(names["skymap"], "attrs", {})["request"])


def test_the_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with opened(tmp_path) as settings, serving(settings) as site, running(settings):
        monkeypatch.setenv("SKYMIST_TOKEN", site.tokens[Access.ANALYST])
        monkeypatch.setenv("SKYMIST_DATABASE", str(tmp_path / "records.sqlite"))
        scan = site.scan(site.event())["id"]
        with skymist.connect(site.url) as service:
            service.get_scan(scan).wait()
        told: dict[str, str] = {}
        for line in commands("docs/howto/service.md"):
            (token,) = re.findall(r"\b([0-9a-f]{16})\b.*ANALYST", told.get("skymist token list", "")) or [""]
            words = line.replace("http://127.0.0.1:8642", site.url).replace("ID", scan if "scans" in line else token)
            done = CliRunner().invoke(command_line, shlex.split(words)[1:])
            assert done.exit_code == 0, f"{words}\n{done.output}\n{done.exception!r}"
            told[line] = done.stdout
        assert len(list((tmp_path / "maps").glob("*.zarr"))) == 1
        assert "skymist_" in told["skymist token create --role analyst --owner ANALYST --days 30"]


def test_people_log_in_by_the_settings_that_are_shown(tmp_path: Path) -> None:
    (tmp_path / "service.yaml").write_text(block("yaml", LOGIN))
    found = ServiceSettings.load(tmp_path / "service.yaml", tmp_path)
    assert found.oidc is not None
    assert Oidc(**{**found.oidc, "client_secret": "x"}).logs_in
    assert found.origins == ("https://alerts.example.org",)
