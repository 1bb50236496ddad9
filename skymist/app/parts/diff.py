"""Two texts and what is different between them, word by word."""

from typing import Any

import param
from panel.custom import JSComponent

from skymist.app.parts.assets import script, style


class Diff(JSComponent):
    """See ``diff.js``; pieces are those of `skymist.app.models.compare.words`."""

    head: Any = param.String(doc="Which two, in words")
    parts: Any = param.List(doc="Each with a title and pieces")
    theme: Any = param.String(default="light")

    _esm = script("common", "diff")
    _stylesheets = style("diff")
