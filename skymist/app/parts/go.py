"""Takes the browser to another page."""

import param
from panel.custom import JSComponent

from skymist.app.parts.assets import script


class Go(JSComponent):
    """Shows nothing; as soon as `to` is set, the browser goes there."""

    to = param.String(doc="Path and query of a page, such as /scan?id=...")

    _esm = script("go")
