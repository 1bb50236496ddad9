"""A table that people read row by row: sorted and paged by whoever fills it, moved through with j and k.

It is a real ``<table>``: screen readers, find-in-page, middle clicks and copying work as everywhere. Cells are made of
parts, each a mapping with ``text`` and, optionally,

- ``href``: where it leads,
- ``chip``: shown as a small sign of this kind (gold, running, need ...); the word says it, the colour only helps,
- ``strike``: struck through,
- ``meter``: a share in percent, drawn before the words,
- ``title``: what is shown when one points at it,
- ``action``: a button, which calls ``on_action(row id, action)``,
- ``download``: the link is to a file.

All of it is shown as text: nothing from outside becomes HTML.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from skymist.app.parts.assets import script, style

KEYS = {
    "j / k": "next, previous row", "Enter": "open the row", "n / p": "next, previous page",
}  # fmt: skip
"""What a table adds to the help of a page."""


class Table(JSComponent):
    """See ``table.js``.

    Columns are mappings with ``key``, ``title`` and, optionally, ``sort`` (what `sort` becomes at a click on the
    head), ``falling`` (first the greatest), ``number`` (to the right), ``under`` (key of the column in whose cell it
    stands where there is little room), ``beside`` (there, on the same line), ``wrap`` (long text), and ``row_head``
    (what names the row). Rows are mappings with ``id``, ``cells``
    (lists of parts by the keys of columns) and, optionally, ``href``, ``fresh`` (it has just come) and ``faint``.
    """

    columns = param.List()
    rows = param.List()
    content = param.String(default="[]", doc="The rows as JSON: as a text they come and go ten times as fast")
    label = param.String(doc="What it is a table of")
    empty = param.String(default="nothing", doc="What it says if there are no rows")
    sort = param.String(doc="A column's, with a dash for the greatest first; whoever fills the table sorts")
    selected = param.String(doc="Id of the row that is pointed at")
    page = param.Integer(default=1)
    size = param.Integer(default=100, doc="Rows of a page")
    more = param.Boolean(doc="Whether there is a next page")
    news = param.String(doc="What has just come, for screen readers")
    wide = param.Integer(default=1380, doc="Pixels from which on each column stands for itself")
    theme = param.String(default="light")
    keys = param.Boolean(default=True, doc="Whether it listens to j, k, Enter, n and p")
    loading_words = param.String(default="loading …", doc="What it says before it was filled")
    filled = param.Boolean(doc="Whether it was filled")

    _rename: ClassVar[Mapping[str, str | None]] = {"rows": None}
    _esm = script("common", "table")
    _stylesheets = style("table")

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._acts: list[Callable[[str, str], None]] = []
        self.param.watch(self._write, "rows")
        self._write()

    def _write(self, *_: Any) -> None:
        rows = [{**row, "cells": {key: [_short(each) for each in parts] for key, parts in row["cells"].items()}}
                for row in self.rows]  # fmt: skip
        self.content = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))

    def on_action(self, act: Callable[[str, str], None]) -> None:
        """Have a function called with the row's id and the action of a button in it."""
        self._acts.append(act)

    def _handle_msg(self, data: Any) -> None:
        for act in self._acts:
            act(str(data["row"]), str(data["action"]))


def _short(part: Mapping[str, Any]) -> Any:
    """Return a part that is nothing but a text as this text, as most are: half of what goes to the browser."""
    return part["text"] if len(part) == 1 else part
