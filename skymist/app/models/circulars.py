"""All circulars and notices: which there are, and which of them wait for somebody."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import param

from skymist.client.service import Client

KINDS, ROLES = ("circular", "notice"), ("observation", "prediction", "test")
STATES = ("draft", "approved", "sending", "sent", "withdrawn")
ALL = "all"
MOST = 200
"""That the list shows; filters find older ones."""

ICONS = {"draft": "✎", "approved": "✓", "sending": "➤", "sent": "✔", "withdrawn": "✕"}
"""Beside the word of a state."""


class Circulars(param.Parameterized):
    """The list, with its filters and what waits for this person.

    Parameters
    ----------
    client : Client
    name, role : str
        Who looks, and what they may do.
    """

    kind: Any = param.Selector(default=ALL, objects=[ALL, *KINDS])
    state: Any = param.Selector(default=ALL, objects=[ALL, *STATES])
    world: Any = param.Selector(default=ALL, objects=[ALL, *ROLES], doc="Role of what is told: the real sky, or tests")
    found: Any = param.List(doc="As the service lists them, the latest first")
    waiting: Any = param.List(doc="As `found`, whatever the filters say: what is not sent and not withdrawn")

    def __init__(self, client: Client, name: str, role: str, **given: Any) -> None:
        super().__init__(**{key: value for key, value in given.items() if value in self.param[key].objects})
        self._client, self.me, self.role, self._turn = client, name, role, threading.RLock()

    def load(self) -> None:
        """Ask the service."""
        with self._turn:  # of two updates at once one may never be told
            states = None if self.state == ALL else self.state
            world = None if self.world == ALL else self.world
            kinds = KINDS if self.kind == ALL else (self.kind,)
            found = self._listed(kinds, state=states, role=world)
            waiting = self._listed(KINDS, state=["draft", "approved", "sending"])
            self.param.update(found=found, waiting=waiting)

    def _listed(self, kinds: Sequence[str], **filters: Any) -> list[dict[str, Any]]:
        given = {key: value for key, value in filters.items() if value is not None}
        listed = [
            each for kind in kinds for each in islice(self._client.publications(kind).find(**given, limit=MOST), MOST)
        ]
        return sorted(listed, key=lambda each: (each["created"], each["id"]), reverse=True)[:MOST]

    @property
    def to_approve(self) -> list[dict[str, Any]]:
        """Drafts that this person may approve: those that somebody else has edited last, and nobody is editing."""
        return [each for each in self._free("draft") if each["edited_by"] != self.me] if self.may_approve else []

    @property
    def may_approve(self) -> bool:
        """Whether this person may approve and send what others have written."""
        return self.role in ("approver", "operator")

    @property
    def to_send(self) -> list[dict[str, Any]]:
        """What is approved, and waits for an approver to have it sent."""
        return self._free("approved") if self.may_approve else []

    @property
    def free(self) -> list[dict[str, Any]]:
        """Drafts that nobody is editing."""
        return self._free("draft")

    @property
    def mine(self) -> list[dict[str, Any]]:
        """What this person is editing."""
        return [each for each in self.waiting if each["locked_by"] == self.me]

    def _free(self, state: str) -> list[dict[str, Any]]:
        return [each for each in self.waiting if each["state"] == state and each["locked_by"] in ("", self.me)]


def moment(text: str | None, *, seconds: bool = False) -> str:
    """Return a time of the service for people.

    Examples
    --------
    >>> moment("2026-03-04T05:06:07.123Z"), moment("2026-03-04T05:06:07.123Z", seconds=True), moment(None)
    ('2026-03-04 05:06 UTC', '2026-03-04 05:06:07 UTC', '')
    """
    return "" if not text else f"{text[:10]} {text[11 : 19 if seconds else 16]} UTC"


def clock(text: str | None) -> str:
    """Return the time of day of a time of the service.

    Examples
    --------
    >>> clock("2026-03-04T05:06:07.123Z")
    '05:06:07 UTC'
    """
    return "" if not text else f"{text[11:19]} UTC"


def age(text: str, now: datetime | None = None) -> str:
    """Return how long ago something was.

    Examples
    --------
    >>> age("2026-03-04T05:06:07Z", datetime(2026, 3, 4, 7, tzinfo=UTC))
    '1 h ago'
    """
    seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(text)).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit} ago"
    return "now"
