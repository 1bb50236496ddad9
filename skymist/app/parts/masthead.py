"""The head of every page: where one can go, what time it is (UTC), who one is, and how things are shown."""

from typing import Any

import param
from panel.custom import JSComponent

from skymist.app.parts.assets import script, style
from skymist.app.sitemap import PAGES
from skymist.app.visit import Visit

KEYS = {"?": "this help", "g a": "alerts", "g s": "scans", "g c": "circulars", "g o": "operations", "g w": "watch"}
"""What works on every page."""


class Masthead(JSComponent):
    """See ``masthead.js``; a page may add keys of its own to what ``?`` shows."""

    pages = param.List(doc="name, title and path of each page in the menu")
    here = param.String(doc="Name of this page")
    title = param.String(doc="What this page is called")
    person = param.String()
    role = param.String()
    theme = param.String()
    angles = param.String()
    keys = param.Dict(doc="What keys do, in words")

    _esm = script("common", "masthead")
    _stylesheets = style("masthead")


def masthead(visit: Visit, here: str, keys: dict[str, str]) -> Any:
    """Return the head of a page."""
    menu = [{"name": each.name, "title": each.title, "path": each.path} for each in PAGES.values() if each.in_menu]
    who, look = visit.visitor, visit.look
    return Masthead(
        pages=menu, here=here, title=PAGES[here].title, person=who.name, role=who.role, theme=look.theme,
        angles=look.angles, keys={**keys, **KEYS}, sizing_mode="stretch_width",
    )  # fmt: skip
