"""What is under the cursor of a map, in one line of a fixed place: worked out in the browser."""

from typing import Any

import param
from panel.custom import JSComponent

from skymist.app.parts.assets import script, style
from skymist.app.visit import Look

IDLE = "Move the cursor over a map to read position, TS and probability there."


class ReadOut(JSComponent):
    """See ``read_out.js``: charts tell the page where the cursor is (`skymist.plot.interactive.charts.tell_cursor`)."""

    theme = param.String()
    angles = param.String(doc="How positions are written")
    turns = param.Dict({}, doc="Rotations from ICRS by the name of the frame")
    idle = param.String(IDLE)

    _esm = script("read_out")
    _stylesheets = style("read_out")


def read_out(look: Look) -> Any:
    """Return the line; its `turns` are set when it is known which event is looked at."""
    return ReadOut(theme=look.theme, angles=look.angles, sizing_mode="stretch_width")
