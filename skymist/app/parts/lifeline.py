"""What a page does when its connection to the service ends."""

from panel.custom import JSComponent

from skymist.app.parts.assets import script, style


class Lifeline(JSComponent):
    """See ``lifeline.js``: to the login, if that has ended; else it says what is wrong, and how to go on."""

    _esm = script("lifeline")
    _stylesheets = style("lifeline")
