"""What pages there are, and where: each is a module of `skymist.app.pages` with a function ``page(visit)``."""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from skymist.errors import UnknownNameError

if TYPE_CHECKING:
    from skymist.app.visit import Visit


@dataclass(frozen=True)
class Page:
    """A page of the dashboard.

    Attributes
    ----------
    name : str
        Of its module here, and the last word of its address.
    title : str
        As people call it.
    in_menu : bool
        Whether every page links to it.
    extensions : tuple of str
        Of Panel, that it needs.
    """

    name: str
    title: str
    in_menu: bool = False
    extensions: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Its address on the service."""
        return f"/{self.name}"

    def make(self, visit: "Visit") -> Any:
        """Return what it shows, for `skymist.app.frame.frame`."""
        return import_module(f"skymist.app.pages.{self.name}").page(visit)


_ALL = (
    Page("alerts", "Alerts", True),
    Page("alert", "Alert", extensions=("plotly",)),
    Page("scans", "Scans", True),
    Page("scan", "Scan"),
    Page("circulars", "Circulars", True),
    Page("circular", "Circular"),
    Page("operations", "Operations", True),
    Page("watch", "Watch", True),
)
PAGES = {page.name: page for page in _ALL}


def find(name: str) -> Page:
    """Return a page by its name.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    if name not in PAGES:
        raise UnknownNameError("page", name, PAGES)
    return PAGES[name]
