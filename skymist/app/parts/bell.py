"""A bell: news as notifications of the browser, for who has asked their browser for them."""

from typing import Any

import param
from panel.custom import JSComponent

from skymist.app.parts.assets import script


class Bell(JSComponent):
    """A switch and what it tells; see ``bell.js``. Off until somebody turns it on, and kept by the browser."""

    news = param.List(doc="The last that were new: id, text and path")
    dark = param.Boolean()

    _esm = script("bell")

    def ring(self, fresh: list[dict[str, Any]]) -> None:
        """Tell what is new."""
        if fresh:
            self.news = [{key: each[key] for key in ("id", "text", "path")} for each in fresh][-5:]
