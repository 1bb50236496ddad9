"""The files of an alert, as plain links."""

from pathlib import Path
from typing import Any

import param
from panel.custom import JSComponent


class Downloads(JSComponent):
    """See ``downloads.js``."""

    groups = param.List(doc="As `skymist.app.models.alert.grouped` returns them")
    theme = param.String()
    calibration = param.String(doc="Of the regions in files of maps")
    calibrations = param.List(doc="All that there are")
    loaded = param.Boolean(False, doc="Whether the service has been asked")

    _esm = Path(__file__).with_name("downloads.js")
    _stylesheets = [Path(__file__).with_name("downloads.css").read_text(encoding="utf-8")]  # noqa: RUF012 (Panel's)


def downloads(theme: str, calibrations: list[str]) -> Any:
    """Return an empty list of files."""
    return Downloads(theme=theme, calibrations=calibrations, sizing_mode="stretch_width", margin=0)
