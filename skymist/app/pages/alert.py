"""Placeholder of the page."""

import panel_material_ui as pmui

from skymist.app.visit import Visit


def page(visit: Visit) -> pmui.Column:
    """Return the page."""
    return pmui.Column(pmui.Typography("alert"))
