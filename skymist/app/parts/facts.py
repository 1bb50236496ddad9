"""A table of values, with links to where they come from."""

from pathlib import Path
from typing import Any

import param
from panel.custom import JSComponent


class Facts(JSComponent):
    """See ``facts.js``.

    A row is a list of cells, or a mapping with `cells` and whether it `differs`; a cell is a text, or a mapping with
    `text`, `href`, `more` (a second line) and `keep` (all on one line).
    """

    columns: Any = param.List(doc="Their heads")
    rows: Any = param.List()
    caption: Any = param.String()
    none: Any = param.String(default="There is nothing.", doc="What is told if there are no rows")
    theme: Any = param.String(default="light")

    _esm = Path(__file__).with_name("facts.js")
    _stylesheets = [Path(__file__).with_name("facts.css").read_text(encoding="utf-8")]  # noqa: RUF012 (Panel's)
