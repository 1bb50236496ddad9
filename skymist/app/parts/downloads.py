"""The files of an alert, as plain links."""

from typing import Any

import param
from panel.custom import JSComponent

from skymist.app.parts.assets import script, style


class Downloads(JSComponent):
    """See ``downloads.js``."""

    groups = param.List(doc="As `skymist.app.models.alert.grouped` returns them")
    theme = param.String()
    calibration = param.String(doc="Of the regions in files of maps")
    calibrations = param.List(doc="All that there are")
    loaded = param.Boolean(False, doc="Whether the service has been asked")

    _esm = script("common", "downloads")
    _stylesheets = style("downloads")


def downloads(theme: str, calibrations: list[str]) -> Any:
    """Return an empty list of files."""
    return Downloads(theme=theme, calibrations=calibrations, sizing_mode="stretch_width", margin=0)
