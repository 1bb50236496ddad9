"""One opened page: who looks, through which client, and how they want to see things."""

import logging
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from skymist.errors import SkymistError, own_fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skymist.client.service import Client

Theme = Literal["light", "dark"]
Angles = Literal["deg", "hms", "galactic", "local"]
THEMES: tuple[Theme, ...] = ("light", "dark")
ANGLES: tuple[Angles, ...] = ("deg", "hms", "galactic", "local")
ROLES = ("viewer", "analyst", "approver", "operator")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Look:
    """How a person wants to see things; a cookie keeps it.

    Attributes
    ----------
    theme : {"light", "dark"}
    angles : {"deg", "hms", "galactic", "local"}
        How positions are written.
    """

    theme: Theme = "light"
    angles: Angles = "deg"

    @classmethod
    def parse(cls, text: str) -> "Look":
        """Return the look of a cookie (``dark.hms``); what makes no sense counts as the default."""
        theme, _, angles = text.partition(".")
        return cls(
            next((each for each in THEMES if each == theme), "light"),
            next((each for each in ANGLES if each == angles), "deg"),
        )


@dataclass(frozen=True)
class Visitor:
    """Who opens a page: what the door knows of a request.

    Attributes
    ----------
    token : str
        That lets them in.
    name, role : str
    look : Look
    query : mapping of str to str
        Of the page's address.
    """

    token: str
    name: str
    role: str
    look: Look = field(default_factory=Look)
    query: Mapping[str, str] = field(default_factory=dict)


VISITOR: ContextVar[Visitor] = ContextVar("visitor")
"""Of the request that is being answered."""


@dataclass
class Visit:
    """What a page is made with.

    Attributes
    ----------
    client : skymist.client.service.Client
        Of the service, as this person.
    visitor : Visitor
    say : callable
        Shows a line of words on the page, of a kind: "error", "warning", "success" or "info".
    """

    client: "Client"
    visitor: Visitor
    say: Callable[[str, str], None] = lambda text, kind: None  # noqa: ARG005

    @property
    def look(self) -> Look:
        """How they want to see things."""
        return self.visitor.look

    @property
    def query(self) -> Mapping[str, str]:
        """Of the page's address."""
        return self.visitor.query

    def may(self, role: str) -> bool:
        """Return whether they may do what a role may; the service decides, this only greys out what it would refuse."""
        return ROLES.index(self.visitor.role) >= ROLES.index(role)

    @contextmanager
    def telling(self) -> "Iterator[None]":
        """Show what goes wrong inside in words: no traceback reaches a user."""
        try:
            yield
        except SkymistError as trouble:
            self.say(str(trouble), "error")
        except Exception as trouble:  # noqa: BLE001 (a page must stay usable)
            _log.exception("dashboard")
            self.say(own_fault(trouble), "error")

    def guarded(self, act: Callable[..., Any]) -> Callable[..., None]:
        """Return a callback that shows what goes wrong in words."""

        def acting(*given: Any) -> None:
            with self.telling():
                act(*given)

        return acting
