"""How far a scan is, what was asked for, and what it has found."""

import json
from typing import Any

import param

from skymist.app.parts.assets import script, style
from skymist.app.parts.told import Told


class Progress(Told):
    """See ``progress.js``; all values are words already.

    They are

    - ``trouble``: what is in the way, or went wrong; empty if nothing,
    - ``bars``: by level ``name``, ``done``, ``failed``, ``total`` and ``note``,
    - ``numbers``: rate, what remains and the like, by their names,
    - ``slow``: slow cells: ``place``, ``nside``, ``seconds`` and ``worker``,
    - ``facts``: what was asked for, by names,
    - ``result``: what was found: ``facts``, ``alert`` and ``href``; empty before that,
    - ``files``: downloads: ``name``, ``about`` and ``url``.
    """

    theme = param.String()
    label = param.String(default="progress")
    content = param.String(default="{}", doc="All values as JSON: as a text they go ten times as fast")

    _esm = script("common", "progress")
    _stylesheets = style("progress")

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._said: dict[str, Any] = {}

    def put(self, **values: Any) -> None:
        """Show values; all others stay."""
        self._said.update(values)
        self.content = json.dumps(self._said, ensure_ascii=False, separators=(",", ":"))
