"""The timeline of an alert: a scale of latencies, filters, and a list of all that happened."""

from pathlib import Path
from typing import Any

import param
from panel.custom import JSComponent


class TimelineList(JSComponent):
    """See ``timeline.js``."""

    steps = param.List(doc="As `skymist.app.models.timeline.Timeline.steps`")
    kinds = param.List(doc="As `skymist.app.models.timeline.Timeline.kinds`")
    scale = param.Dict(default={}, doc="As `skymist.app.models.timeline.Timeline.scale`")
    hidden = param.List(doc="Kinds that are not shown")
    theme = param.String()

    _esm = Path(__file__).with_name("timeline.js")
    _stylesheets = [Path(__file__).with_name("timeline.css").read_text(encoding="utf-8")]  # noqa: RUF012 (Panel's)


def timeline_list(theme: str) -> Any:
    """Return an empty timeline."""
    return TimelineList(theme=theme, sizing_mode="stretch_width", margin=0)
