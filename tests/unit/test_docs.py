"""The site: it is built without a warning, all its links lead somewhere, and it needs nothing from anywhere else."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from sphinx.util.inventory import InventoryFile

import skymist
from skymist.records.tables import Base

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
sys.path.append(str(DOCS / "extensions"))

import diagrams  # noqa: E402
import listings  # noqa: E402
import notebook_pages  # noqa: E402
import openapi  # noqa: E402
import settings_tables  # noqa: E402

LINKS = {"a": "href", "link": "href", "img": "src", "script": "src", "iframe": "src", "source": "src", "object": "data"}


class Page(HTMLParser):
    """What a page has that can be pointed at, and what it points at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[tuple[str, str]] = []
        self.pictures_without_words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attrs}
        self.anchors |= {found[key] for key in ("id", "name") if found.get(key)}
        if found.get(LINKS.get(tag, "")):
            self.links.append((tag, found[LINKS[tag]]))
        if tag == "img" and not found.get("alt"):
            self.pictures_without_words.append(found.get("src", ""))


@cache
def parsed(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-n", "--keep-going", "-b", "html"]
    done = subprocess.run(
        [*command, "-d", str(out / "trees"), str(DOCS), str(out / "html")],
        cwd=out, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: parsed(path) for path in sorted(site.rglob("*.html"))}


def inside(pages: dict[Path, Page]) -> Iterator[tuple[Path, str, str]]:
    for path, page in pages.items():
        for tag, link in page.links:
            if not urlsplit(link).scheme and not link.startswith("//"):
                yield path, tag, link


def test_every_link_within_the_site_leads_somewhere(site: Path, pages: dict[Path, Page]) -> None:
    broken = []
    for path, _, link in inside(pages):
        parts = urlsplit(link)
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        there = target.is_file() and target.is_relative_to(site)
        if there and parts.fragment and target.suffix == ".html":
            there = unquote(parts.fragment) in parsed(target).anchors
        if not there:
            broken.append(f"{path.relative_to(site)}: {link}")
    assert broken == []


def test_no_page_needs_another_host(site: Path, pages: dict[Path, Page]) -> None:
    asked = {link for page in pages.values() for tag, link in page.links if tag != "a" and urlsplit(link).netloc}
    assert asked == set()
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)\"']*", styles) == []


def test_every_picture_has_words(pages: dict[Path, Page]) -> None:
    assert {str(path): page.pictures_without_words for path, page in pages.items() if page.pictures_without_words} == {}


def test_no_page_names_a_folder_of_the_machine(pages: dict[Path, Page]) -> None:
    assert [str(path) for path in pages if re.search(rf"{ROOT}|{Path.home()}/", path.read_text(encoding="utf-8"))] == []


def test_every_page_is_in_the_contents(site: Path, pages: dict[Path, Page]) -> None:
    linked = {(path.parent / link.partition("#")[0]).resolve() for path, tag, link in inside(pages) if tag == "a"}
    unlinked = {path.relative_to(site) for path in pages if path not in linked}
    assert {str(path) for path in unlinked} <= {"search.html", "genindex.html", "py-modindex.html"}


def test_every_page_of_the_docs_is_built(site: Path) -> None:
    sources = [path.relative_to(DOCS) for path in DOCS.rglob("*.md") if "_build" not in path.parts]
    assert len(sources) > 30
    assert [str(path) for path in sources if not (site / path.with_suffix(".html")).exists()] == []


def test_every_notebook_is_a_page(site: Path) -> None:
    names = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert {path.stem for path in site.glob("tutorials/notebooks/*.html")} == names


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    with (site / "objects.inv").open("rb") as file:
        found = InventoryFile.load(file, "", lambda base, path: path)
    told = {name for kind, names in found.items() if kind.startswith("py:") for name in names}
    assert {f"skymist.{name}" for name in skymist.__all__} <= told
    assert {"skymist.testing.check_reconstruction", "skymist.client.Client", "skymist.model.options.limits"} <= told


def test_every_operation_of_the_service_is_in_the_reference(site: Path) -> None:
    told = "".join(path.read_text(encoding="utf-8") for path in site.glob("reference/rest/*.html"))
    names = [f'id="{openapi.anchor(f"{method} {path}")}"' for method, path, _ in openapi.operations()]
    assert len(names) > 50
    assert [name for name in names if told.count(name) != 1] == []


def test_every_command_and_option_is_in_the_reference(site: Path) -> None:
    told = "".join(path.read_text(encoding="utf-8") for path in site.glob("reference/cli/*.html"))
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", told))
    missing = []
    for path, command in listings.all_commands():
        if f"{path} [OPTIONS]" not in text:
            missing.append(path)
        names = {name for option in command.params if not getattr(option, "hidden", False) for name in option.opts}
        anchors = {
            name: f'id="cmdoption-{path.replace(" ", "-")}-{name.lstrip("-")}"' for name in names if name[0] == "-"
        }
        missing += [f"{path} {name}" for name, anchor in anchors.items() if anchor not in told]
    assert missing == []


def test_every_setting_has_words() -> None:
    page = (DOCS / "reference/configuration.md").read_text(encoding="utf-8")
    shown = re.findall(r"\{settings\} (\S+)\n(?::without: (.*))?", page)
    assert len(shown) > 8
    for path, without in shown:
        module, _, name = path.rpartition(".")
        kind = getattr(import_module(module), name)
        told = settings_tables.meanings(kind)
        assert [item.name for item in fields(kind) if not (told.get(item.name) or item.name in without.split())] == []


def test_every_cluster_configuration_is_shown() -> None:
    page = (DOCS / "reference/configuration.md").read_text(encoding="utf-8")
    there = {path.name for path in (ROOT / "cluster_configs").glob("*.yaml")}
    assert set(re.findall(r"\{literalinclude\} \.\./\.\./cluster_configs/(\S+)", page)) == there


def test_every_table_of_the_database_is_in_the_reference(site: Path) -> None:
    told = (site / "reference/data-model.html").read_text(encoding="utf-8")
    assert [name for name in Base.metadata.tables if f'id="table-{name.replace("_", "-")}"' not in told] == []


def test_diagrams_have_all_their_arrows() -> None:
    lines = ["flowchart LR", "  [*] --> a", "  a --> b", "  b --> a: again", "c[See you] -->|so| b"]
    edges, names = diagrams.parse(lines)
    assert edges == [("[*]", "a", ""), ("a", "b", ""), ("b", "a", "again"), ("c", "b", "so")]
    assert names["c"] == "See you"
    drawn = diagrams.draw(edges, names)
    assert drawn.count('class="edge"') == 4
    assert ">See you<" in drawn
    assert diagrams.is_known(lines)
    assert not diagrams.is_known([*lines, "a ==> b"])


def test_a_notebook_becomes_a_page(tmp_path: Path) -> None:
    cells = [
        {
            "cell_type": "markdown",
            "source": ["# A *title*\n", "See [maps](../docs/howto/maps.md), [next](two.ipynb#x)."],
        },
        {"cell_type": "code", "source": ["x = '''\n", "```\n", "'''"], "outputs": [{"text": ["out\n"]}]},
        {"cell_type": "code", "source": []},
    ]
    path = tmp_path / "one.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": {"language_info": {"name": "python"}}}))
    page = notebook_pages.page(path)
    assert page.startswith("# A *title*\n\n*This page is the notebook [one.ipynb](../../../notebooks/one.ipynb)")
    assert "[maps](../../howto/maps.md), [next](two.md#x)" in page
    assert "````python\nx = '''\n```\n'''\n````" in page
    assert "```text\nout\n```" in page
