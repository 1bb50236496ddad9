"""A table of values, with links to where they come from."""

from typing import Any

import param
from panel.custom import JSComponent

from skymist.app.parts.assets import script, style


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

    _esm = script("common", "facts")
    _stylesheets = style("facts")
