"""What a page does when its connection to the service ends."""

from pathlib import Path

from panel.custom import JSComponent


class Lifeline(JSComponent):
    """See ``lifeline.js``: to the login, if that has ended; else it says what is wrong, and how to go on."""

    _esm = Path(__file__).with_name("lifeline.js")
    _stylesheets = [Path(__file__).with_name("lifeline.css").read_text(encoding="utf-8")]  # noqa: RUF012 (Panel's)
