"""Two texts and what is different between them, word by word."""

from pathlib import Path
from typing import Any

import param
from panel.custom import JSComponent


class Diff(JSComponent):
    """See ``diff.js``; pieces are those of `skymist.app.models.compare.words`."""

    head: Any = param.String(doc="Which two, in words")
    parts: Any = param.List(doc="Each with a title and pieces")
    theme: Any = param.String(default="light")

    _esm = Path(__file__).with_name("diff.js")
    _stylesheets = [Path(__file__).with_name("diff.css").read_text(encoding="utf-8")]  # noqa: RUF012 (Panel's)
