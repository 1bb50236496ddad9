"""How far a scan is, what was asked for, and what it has found."""

from pathlib import Path
from typing import Any

import param

from skymist.app.parts.told import Told


class Progress(Told):
    """See ``progress.js``; all values are words already."""

    theme = param.String()
    trouble = param.String(doc="What is in the way, or went wrong; empty if nothing")
    bars = param.List(doc="By level: name, done, failed, total and note")
    numbers = param.Dict(default={}, doc="Rate, what remains and the like")
    slow = param.List(doc="Slow cells: place, nside, seconds and worker")
    facts = param.Dict(default={}, doc="What was asked for")
    result = param.Dict(default={}, doc="What was found: facts, alert and href; empty before that")
    files = param.List(doc="Downloads: name, about and url")

    _esm = Path(__file__).with_name("progress.js")
    _stylesheets = [Path(__file__).with_name("progress.css").read_text(encoding="utf-8")]  # noqa: RUF012 (Panel's)

    def put(self, **values: Any) -> None:
        """Show values; those that are shown already are not sent again."""
        self.param.update({name: value for name, value in values.items() if value != getattr(self, name)})
