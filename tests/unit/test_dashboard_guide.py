"""What docs/howto/dashboard.md says is so."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from skymist.app.launch import launch
from skymist.app.pages import alerts, circular, scans
from skymist.app.parts import alert_head, masthead
from skymist.app.sitemap import PAGES
from skymist.app.visit import ROLES
from skymist.cli import skymist
from skymist.errors import RequestError, UnknownNameError
from skymist.workflow.hooks import CHANNELS, USUAL, make_hooks
from skymist.workflow.news import KINDS
from skymist.workflow.settings import ServiceSettings

DOCS = Path(__file__).parents[2] / "docs" / "howto"
GUIDE = (DOCS / "dashboard.md").read_text(encoding="utf-8")
SECRETS = {"SMTP_PASSWORD": "x", "SLACK_WEBHOOK": "https://hooks.example.org/x", "MATRIX_TOKEN": "x"}


def block(language: str) -> str:
    return GUIDE.partition(f"```{language}\n")[2].partition("```")[0]


def table(head: str) -> list[list[str]]:
    """Return the rows of the table whose head begins with a word."""
    rows = GUIDE.partition(f"\n| {head} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def hooks_of(tmp_path: Path) -> ServiceSettings:
    (tmp_path / "service.yaml").write_text(block("yaml"))
    return ServiceSettings.load(tmp_path / "service.yaml", tmp_path)


def test_each_page_has_its_section() -> None:
    told = re.findall(r"^### (\w+): `(/\w+)", GUIDE, re.MULTILINE)
    assert told == [(page.title, page.path) for page in PAGES.values()]


def test_the_keys_are_those_that_work() -> None:
    told = {(where, key.strip("`")) for key, wheres, _ in table("key") for where in wheres.split(", ")}
    there = {"everywhere": masthead.KEYS, "alerts": alerts.KEYS, "scans": scans.KEYS, "alert": alert_head.KEYS,
             "circular": circular.KEYS}  # fmt: skip
    assert told == {(where, key) for where, keys in there.items() for key in keys}


def test_the_roles_are_all_there_are() -> None:
    assert tuple(row[0] for row in table("role")) == ROLES


def test_each_kind_of_news_is_told_as_it_is() -> None:
    assert {kind.strip("`"): words for kind, words, _ in table("`when`")} == KINDS
    assert tuple(kind.strip("`") for kind, _, usual in table("`when`") if usual) == USUAL


def test_the_example_of_hooks_is_accepted(tmp_path: Path) -> None:
    found = make_hooks(hooks_of(tmp_path).hooks, SECRETS)
    assert {type(hook.channel) for hook in found} == set(CHANNELS.values())
    assert found[0].when == USUAL
    assert found[0].streams == ("gold",)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_is_not_set_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=name):
        make_hooks(hooks_of(tmp_path).hooks, {key: value for key, value in SECRETS.items() if key != name})


def test_there_are_no_hooks_by_default(tmp_path: Path) -> None:
    assert make_hooks(ServiceSettings.load(None, tmp_path).hooks, {}) == []


def test_the_python_example_is_python_and_names_pages() -> None:
    compile(block("python"), "guide", "exec")
    named = re.findall(r'launch\("(\w+)"', block("python"))
    assert named
    assert set(named) <= set(PAGES)
    with pytest.raises(UnknownNameError, match="alerts"):
        launch("weather")


@pytest.mark.parametrize("line", re.findall(r"`?skymist ((?:serve|token) [^`\n]*)", GUIDE))
def test_the_commands_are_commands(line: str) -> None:
    words = line.split()
    told = CliRunner().invoke(skymist, [*words[: 2 if words[0] == "token" else 1], "--help"])
    assert told.exit_code == 0
    assert {word for word in words if word.startswith("--")} <= set(re.findall(r"--[a-z-]+", told.output))


@pytest.mark.parametrize(("words", "picture"), re.findall(r"!\[(.*?)\]\((.*?)\)", GUIDE))
def test_the_pictures_are_there_and_say_what_they_show(words: str, picture: str) -> None:
    assert len(words) > 40
    if not (DOCS.parent / "screenshots").exists():
        pytest.skip("tools/screenshots.py has not made them yet")
    assert (DOCS / picture).stat().st_size > 10_000


@pytest.mark.parametrize("link", re.findall(r"(?<!!)\[[^]]*\]\(([^)]*)\)", GUIDE))
def test_the_links_lead_somewhere(link: str) -> None:
    file, _, place = link.partition("#")
    heads = re.findall(r"^#+ (.*)$", (DOCS / file).read_text(encoding="utf-8"), re.MULTILINE)
    slugs = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
    assert not place or place in slugs
