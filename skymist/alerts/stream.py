"""What a source of messages is: it gives each at least once, and forgets it when it is told that it is kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event
from typing import Protocol

NOTICE, EVENT, EITHER = "notice", "event", "either"
KINDS = NOTICE, EVENT, EITHER
"""What a source brings; of ``either``, each message tells by its content."""

QUIET_S = 0.5
"""A source says at least so often that it has nothing."""


@dataclass(frozen=True)
class Message:
    """One message as it came.

    Attributes
    ----------
    content : bytes
    kind : str
        One of `KINDS`.
    source, position : str
        Where it came from: a topic and its offset, a folder and the name of the file.
    """

    content: bytes
    kind: str
    source: str
    position: str


class Source(Protocol):
    """Messages from somewhere, of one thread.

    Attributes
    ----------
    name : str
    trouble : str
        What is in its way at present, in words; empty if nothing is.
    """

    name: str
    trouble: str

    def messages(self, stop: Event) -> Iterator[Message | None]:
        """Yield messages until `stop` is set, and None where there is nothing for a while or only a sign of life."""
        ...

    def commit(self, message: Message) -> None:
        """Forget a message that is kept now; all those before it are."""
        ...

    def lag(self) -> int | None:
        """Return how many messages are yet to be read, None if that is not known."""
        ...

    def silent_s(self) -> float | None:
        """Return how long nothing at all was heard from where something always should be; None if nothing need be."""
        ...
