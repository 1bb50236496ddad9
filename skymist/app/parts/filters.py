"""A row of controls that say what a list is to show: native ones, each with its label, which are there at once."""

from collections.abc import Callable
from typing import Any

import param
from panel.custom import JSComponent

from skymist.app.parts.assets import script, style


class Filters(JSComponent):
    """See ``filters.js``.

    Fields are mappings with ``name``, ``label`` and, optionally, ``options`` (pairs of a value and its word: something
    to choose from), ``flag`` (yes or no), ``hint`` (what may be written there), ``width`` (pixels) and ``folded``
    (shown on demand, or if it says something). Values are texts by these names; of a flag, ``yes`` or nothing.
    """

    fields = param.List()
    values = param.Dict(default={})
    usual = param.Dict(default={}, doc="Values that filter nothing, where that is not an empty text")
    label = param.String(default="filters")
    theme = param.String(default="light")

    _esm = script("common", "filters")
    _stylesheets = style("filters")

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._acts: list[Callable[[str, str], None]] = []

    def on_change(self, act: Callable[[str, str], None]) -> None:
        """Have a function called with the name of a field and its new text; both are empty for "clear"."""
        self._acts.append(act)

    def _handle_msg(self, data: Any) -> None:
        for act in self._acts:
            act(str(data.get("name", "")), str(data.get("value", "")))
