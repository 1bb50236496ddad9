"""Takes the browser to another page."""

from pathlib import Path

import param
from panel.custom import JSComponent


class Go(JSComponent):
    """Shows nothing; as soon as `to` is set, the browser goes there."""

    to = param.String(doc="Path and query of a page, such as /scan?id=...")

    _esm = Path(__file__).with_name("go.js")
