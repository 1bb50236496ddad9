"""The editor of a text: marks at their places, lists of them beside it, and nothing that is typed is lost."""

from typing import Any

import param
from panel.custom import JSComponent

from skymist.app.parts.assets import script, style


class Editor(JSComponent):
    """See ``editor.js``; texts and marks are those of `skymist.app.models.writing.Writing`."""

    what: Any = param.String(default="circular", doc="That is edited, in a word")
    whose: Any = param.String(doc="Text and person: by which a window finds again what it could not hand over")
    text: Any = param.Dict(default={}, doc="What is put into it")
    typed: Any = param.Dict(default={}, doc="What stands in it, at the latest a second after it was typed")
    saving: Any = param.Dict(default={}, doc="That it is to be saved: count, text, note")
    dropping: Any = param.Integer(default=0, doc="How often changes were discarded")
    marks: Any = param.Dict(default={})
    condition: Any = param.Dict(default={})
    readonly: Any = param.Boolean(default=True)
    most: Any = param.Integer(default=0, doc="Lines that it may have; 0: any number")
    theme: Any = param.String(default="light")

    _esm = script("common", "editor")
    _stylesheets = style("editor")
