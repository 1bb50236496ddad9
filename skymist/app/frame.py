"""What all pages have: the head, messages in words, and a look."""

from typing import Any

import panel as pn
import panel_material_ui as pmui

from skymist.app.parts.masthead import masthead
from skymist.app.sitemap import Page
from skymist.app.visit import Look, Visit

_COLOURS = {
    "light": {"primary": {"main": "#0b4aa2"}, "background": {"default": "#ffffff", "paper": "#ffffff"}},
    "dark": {"primary": {"main": "#7fb3ff"}, "background": {"default": "#10141c", "paper": "#181c27"}},
}
"""Those of figures (`skymist.plot.style`), so that these lie on the page without an edge."""

MOST_MESSAGES = 5
"""On a page at a time: of more, the oldest go."""


def frame(page: Page, visit: Visit) -> Any:
    """Return a page with its head and its messages; what goes wrong while it is made is one of these.

    Returns
    -------
    panel.viewable.Viewable
    """
    messages = pmui.Column(sizing_mode="stretch_width", margin=0)
    visit.say = lambda text, kind: _show(messages, text, kind)
    body: Any = pmui.Column()
    with visit.telling():
        body = page.make(visit)
    keys = getattr(body, "skymist_keys", {})
    shown = pmui.Column(messages, body, sizing_mode="stretch_width", margin=(8, 20, 40, 20))
    return pmui.Column(
        masthead(visit, page.name, keys), shown, sizing_mode="stretch_width", margin=0,
        theme_config=theme(visit.look), dark_theme=visit.look.theme == "dark",
    )  # fmt: skip


def theme(look: Look) -> dict[str, Any]:
    """Return the colours of a look, as Material UI takes them."""
    return {"palette": _COLOURS[look.theme], "typography": {"fontSize": 14}}


def prepare(page: Page, look: Look) -> None:
    """Have Panel load what a page needs, in the theme of a look."""
    pn.extension(*page.extensions, theme="dark" if look.theme == "dark" else "default")


def _show(messages: Any, text: str, kind: str) -> None:
    """Show a line; the same line is not shown twice at a time."""
    others = [each for each in messages if each.object != text][1 - MOST_MESSAGES :]
    messages[:] = [*others, pmui.Alert(object=text, severity=kind, closeable=True, sizing_mode="stretch_width")]
