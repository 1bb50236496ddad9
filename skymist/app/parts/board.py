"""A board of troubles, numbers and tables that keeps still while what it tells changes."""

import param
from panel.custom import JSComponent

from skymist.app.parts.assets import script, style


class Board(JSComponent):
    """See ``board.js``."""

    theme = param.String()
    headline = param.String(doc="Whether all is well, in words; empty for none")
    when = param.String(doc="When that was so, in words")
    title = param.String(doc="Of what follows; empty for none")
    severity = param.String(default="success", doc="error, warning or success")
    troubles = param.List(doc="mark, kind, text and href of each")
    figures = param.Dict(default={}, doc="Numbers by name")
    tables = param.List(doc="key, title, columns, rows and empty of each; a column that begins with # holds numbers")
    footer = param.String()
    pressed = param.Dict(
        default={}, doc="The button in a table that was pressed last: the act of its cell, and the time"
    )

    _esm = script("common", "board")
    _stylesheets = style("board")
