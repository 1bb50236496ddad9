"""The timeline of an alert: a scale of latencies, filters, and a list of all that happened."""

from typing import Any

import param
from panel.custom import JSComponent

from skymist.app.parts.assets import script, style


class TimelineList(JSComponent):
    """See ``timeline.js``."""

    steps = param.List(doc="As `skymist.app.models.timeline.Timeline.steps`")
    kinds = param.List(doc="As `skymist.app.models.timeline.Timeline.kinds`")
    scale = param.Dict(default={}, doc="As `skymist.app.models.timeline.Timeline.scale`")
    hidden = param.List(doc="Kinds that are not shown")
    theme = param.String()

    _esm = script("common", "timeline")
    _stylesheets = style("timeline")


def timeline_list(theme: str) -> Any:
    """Return an empty timeline."""
    return TimelineList(theme=theme, sizing_mode="stretch_width", margin=0)
