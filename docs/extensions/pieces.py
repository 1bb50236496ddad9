"""What all extensions make pages of: tables, words with code in them, sections."""

import re
from collections.abc import Iterable, Sequence

from docutils import nodes

Cell = str | Sequence[nodes.Node]
"""Words, in which what stands in backticks is code, or nodes."""


def words(text: str) -> list[nodes.Node]:
    """Return a text as nodes; what stands in single or double backticks is code."""
    parts = re.split(r"(`+)(.+?)\1", " ".join(text.split()))
    found: list[nodes.Node] = []
    for plain, code in zip(parts[::3], [*parts[2::3], ""], strict=True):
        found += [nodes.Text(plain)] if plain else []
        found += [nodes.literal("", code)] if code else []
    return found


def paragraph(cell: Cell, *classes: str) -> nodes.paragraph:
    """Return a paragraph."""
    return nodes.paragraph("", "", *(words(cell) if isinstance(cell, str) else cell), classes=list(classes))


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]], widths: Sequence[int]) -> nodes.table:
    """Return a table.

    Parameters
    ----------
    head : sequence of str
    rows : iterable of sequence of Cell
    widths : sequence of int
        Of the columns, in proportion.
    """
    group = nodes.tgroup("", *(nodes.colspec(colwidth=width) for width in widths), cols=len(head))
    group += nodes.thead("", _row(head))
    group += nodes.tbody("", *(_row(row) for row in rows))
    return nodes.table("", group, classes=["reference-table"])


def _row(cells: Sequence[Cell]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", paragraph(cell)) for cell in cells))


def section(title: Cell, name: str, *content: nodes.Node) -> nodes.section:
    """Return a section whose anchor is made of a name."""
    head = nodes.title("", "", *(words(title) if isinstance(title, str) else title))
    return nodes.section("", head, *content, ids=[anchor(name)], names=[nodes.fully_normalize_name(name)])


def anchor(name: str) -> str:
    """Return the anchor of a name; names that differ by more than signs have different ones."""
    return nodes.make_id(re.sub(r"[{}]", "", name).replace("_", "-"))
