"""Circulars: the facts that they state, what is wrong with them, and the states they go through."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

Value = str | int | float


class State(StrEnum):
    """What has become of a circular or notice of ours."""

    DRAFT = "draft"
    APPROVED = "approved"
    SENDING = "sending"
    SENT = "sent"
    WITHDRAWN = "withdrawn"


NEXT: Mapping[State, tuple[State, ...]] = {
    State.DRAFT: (State.APPROVED, State.WITHDRAWN),
    State.APPROVED: (State.DRAFT, State.SENDING, State.SENT, State.WITHDRAWN),
    State.SENDING: (State.SENT, State.APPROVED),
    State.SENT: (),
    State.WITHDRAWN: (State.DRAFT,),
}
"""What may follow what: an edit makes a draft of what was approved; what was refused elsewhere is approved still; what
went out by hand was approved, too. There is no way from a draft to where it is sent."""


class Level(StrEnum):
    """How grave a finding is: errors keep a circular from being approved."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Fact:
    """One value that a circular may state, and where it comes from.

    Attributes
    ----------
    name : str
        What it is: a slot, see `skymist.circulars.slots`.
    value : str, int or float
        In the unit of its slot.
    of : str
        Whose it is, such as a source's; empty if it is the event's.
    source : str
        Kind of record it comes from: revision, scan, catalog, setting, person.
    source_id : str
        Which: an id or a hash.
    detail : str
        In words, such as ``revision 1, received 2023-04-16``.
    """

    name: str
    value: Value
    of: str = ""
    source: str = ""
    source_id: str = ""
    detail: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What it is, and whose."""
        return self.name, self.of

    @property
    def label(self) -> str:
        """Its key for people."""
        return f"{self.name} of {self.of}" if self.of else self.name

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-like values, without what is empty."""
        return {key: value for key, value in asdict(self).items() if value != "" or key == "value"}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the fact that `to_dict` describes."""
        return cls(**values)


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, or may be, in a text.

    Attributes
    ----------
    level : Level
    rule : str
        Short name of what it breaks, such as ``disagrees``.
    why : str
        In words.
    where : str
        Place for people: ``subject``, ``line 7`` or the name of a field.
    says, expected : str
        Both values, where two disagree.
    source : str
        Where the expected one comes from.
    start, end : int or None
        Of the letters meant, counted from the beginning of the body.
    """

    level: Level
    rule: str
    why: str
    where: str = ""
    says: str = ""
    expected: str = ""
    source: str = ""
    start: int | None = None
    end: int | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.why}" if self.where else self.why

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-like values."""
        return asdict(self)


@dataclass(frozen=True)
class Change:
    """A fact that is another one than before; None where it was not there, or is not any more."""

    name: str
    of: str
    old: Value | None
    new: Value | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-like values."""
        return asdict(self)


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Return those that keep a circular from being approved."""
    return [each for each in findings if each.level == Level.ERROR]


def changes(old: Iterable[Fact], new: Iterable[Fact]) -> list[Change]:
    """Return what is another value than before, in the order of names."""
    before, after = ({fact.key: fact.value for fact in facts} for facts in (old, new))
    keys = sorted(before.keys() | after.keys())
    return [Change(*key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]
