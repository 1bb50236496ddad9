"""What stands above a list: counts that lead to what they count, a search box, and the parts of the page.

It also keeps the address of the page, without a step back in the browser for each change.
"""

from collections.abc import Callable
from typing import Any

import param
from panel.custom import JSComponent

from skymist.app.parts.assets import script, style


class Headline(JSComponent):
    """See ``headline.js``.

    Items are mappings with ``key``, ``text`` and, optionally, ``href`` (a plain click calls ``on_choose(key)``
    instead, unless it has ``leave``), ``kind`` (``need`` or ``bad`` stand out) and ``current`` (that is what is shown).
    """

    items = param.List()
    views = param.List(doc="Parts of the page, as items")
    label = param.String(doc="What the counts are of")
    words = param.String(doc="What is searched for")
    search_label = param.String(doc="Of the search box; without, there is none")
    address = param.String(allow_None=True, default=None, doc="Path and query that the page has now; None: left alone")
    theme = param.String(default="light")

    _esm = script("common", "headline")
    _stylesheets = style("headline")

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._acts: list[Callable[[str], None]] = []

    def on_choose(self, act: Callable[[str], None]) -> None:
        """Have a function called with the key of an item that is clicked."""
        self._acts.append(act)

    def _handle_msg(self, data: Any) -> None:
        for act in self._acts:
            act(str(data["key"]))
