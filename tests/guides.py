"""Shell blocks of the README and of how-to guides: each is run by a test, or says why not.

A block that is not run has a comment directly above it: ``<!-- not executed: needs a SLURM cluster -->``. All others of
a page are run by the test that calls `commands` with its name; tests/unit/test_docs_commands.py looks for that call.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
SHELL = "", "console", "bash", "sh", "shell"
_REASON = re.compile(r"^\s*<!-- not executed: (\S.*?) -->\s*$")


@dataclass(frozen=True)
class Block:
    """A fenced block of shell commands."""

    line: int
    language: str
    text: str
    reason: str


def pages() -> list[str]:
    """The README and all how-to guides."""
    return ["README.md", *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs/howto").glob("*.md")))]


def shell_blocks(text: str) -> list[Block]:
    """All shell blocks of a page, with the reason why one is not run."""
    found, above = [], ""
    for token in MarkdownIt().parse(text):
        if token.type == "fence" and token.info.strip() in SHELL:
            told = _REASON.match(above)
            assert token.map is not None
            found.append(Block(token.map[0] + 1, token.info.strip(), token.content, told[1] if told else ""))
        above = token.content if token.type == "html_block" else ""
    return found


def commands(page: str) -> list[str]:
    """The commands of all blocks of a page that are run, without prompts and remarks, each in one line."""
    text = (ROOT / page).read_text(encoding="utf-8")
    lines = [line for block in shell_blocks(text) if not block.reason for line in joined(block.text).splitlines()]
    told = [re.sub(r"\s+# .*$", "", line.removeprefix("$ ")).strip() for line in lines]
    return [line for line in told if line and not line.startswith("#")]


def joined(text: str) -> str:
    """A text with each line that goes on in the next one joined to that."""
    return re.sub(r"\s*\\\n\s*", " ", text)
