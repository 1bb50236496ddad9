"""Short lists of what there is: all commands with their one line, all files that a map becomes."""

import re
from collections.abc import Iterator
from typing import Any

import click
from docutils import nodes
from docutils.parsers.rst import Directive
from pieces import table
from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    """Register it with Sphinx."""
    app.add_directive("command-list", Commands)
    app.add_directive("file-formats", Files)
    for part in ("description", "options"):
        app.connect(f"sphinx-click-process-{part}", _plain)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _plain(_app: Sphinx, _context: click.Context, lines: list[str]) -> None:
    """Have help texts read as they are: they are no reStructuredText, but for what sphinx-click has put there."""
    for at, line in enumerate(lines):
        if not line.lstrip().startswith(("..", ":")):
            lines[at] = re.sub(r"([*`|]|_(?=\W|$))", r"\\\1", line)


class Commands(Directive):
    """All commands that do something, with one line each."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        rows = [([nodes.literal("", path)], said) for path, said in commands()]
        return [table(("command", "what"), rows, (32, 68))]


def commands() -> Iterator[tuple[str, str]]:
    """Yield the path and the one line of each command that is no group."""
    for path, command in all_commands():
        if not isinstance(command, click.Group):
            yield path, command.get_short_help_str(limit=200)


def all_commands(command: Any = None, path: str = "skymist") -> Iterator[tuple[str, Any]]:
    """Yield the path of each command and group, and what it is."""
    from skymist.cli import skymist

    command = command or skymist
    if command is not skymist:
        yield path, command
    if isinstance(command, click.Group):
        for name, below in sorted(command.commands.items()):
            yield from all_commands(below, f"{path} {name}")


class Files(Directive):
    """All files that are made of a map."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        from skymist.workflow.exports import EXPORTS

        rows = [
            ([nodes.literal("", kind)], [nodes.literal("", each.ending)], [nodes.literal("", each.media)], each.about)
            for kind, each in EXPORTS.items()
        ]
        return [table(("format", "ending", "media type", "content"), rows, (18, 22, 26, 34))]
