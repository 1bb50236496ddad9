"""Every shell block of the README and of how-to guides is run by a test, or says why not."""

import re
from pathlib import Path

import pytest
from guides import ROOT, commands, joined, pages, shell_blocks
from markdown_it import MarkdownIt

TESTS = {path: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")}


def who_runs(page: str) -> list[Path]:
    return [path for path, text in TESTS.items() if f'commands("{page}")' in text]


@pytest.mark.parametrize("page", pages())
def test_each_block_is_run_or_says_why_not(page: str) -> None:
    run = [block.line for block in shell_blocks((ROOT / page).read_text(encoding="utf-8")) if not block.reason]
    assert not run or who_runs(page), f"{page}: no test runs the blocks in lines {run}, and they do not say why"


@pytest.mark.parametrize("page", pages())
def test_blocks_are_fenced_so_that_none_is_overlooked(page: str) -> None:
    tokens = MarkdownIt().parse((ROOT / page).read_text(encoding="utf-8"))
    assert [token.map for token in tokens if token.type == "code_block"] == []


@pytest.mark.parametrize("page", pages())
def test_a_reason_stands_directly_above_a_block(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    told = re.findall(r"<!-- not executed", text)
    assert len(told) == len([block for block in shell_blocks(text) if block.reason])


def test_a_test_that_runs_a_page_runs_something() -> None:
    named = {page for text in TESTS.values() for page in re.findall(r'commands\("((?:README|docs)[^"]*)"\)', text)}
    assert named <= set(pages())
    assert all(commands(page) for page in named)
    assert {"README.md", "docs/howto/archive.md", "docs/howto/maps.md"} <= named


def test_blocks_are_found_with_their_reasons() -> None:
    marked = "<!-- not executed: why -->\n```console\n$ a\n```\n"
    page = f"a\n\n{marked}\n1. b\n\n   ```\n   c \\\n     d  # e\n   ```\n\n```yaml\nf: g\n```\n"
    found = shell_blocks(page)
    assert [(block.line, block.language, block.reason) for block in found] == [(4, "console", "why"), (10, "", "")]
    assert joined(found[1].text) == "c d  # e\n"
