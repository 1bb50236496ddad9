"""The head of the page of an alert: what is known of it, how it stands, and the ways to its neighbours."""

from typing import Any

import param
from panel.custom import JSComponent

from skymist.app.parts.assets import script, style

KEYS = {"p": "previous alert by time", "n": "next alert by time", "c": "copy the permalink"}
"""What works on the page of an alert."""


class AlertHead(JSComponent):
    """See ``alert_head.js``."""

    head = param.Dict(default={}, doc="As `skymist.app.models.alert.AlertView.head`")
    theme = param.String()
    go = param.String(doc="Address that the browser goes to as soon as it is set")

    _esm = script("common", "alert_head")
    _stylesheets = style("alert_head")


def alert_head(theme: str) -> Any:
    """Return an empty head."""
    return AlertHead(theme=theme, sizing_mode="stretch_width", margin=0)
