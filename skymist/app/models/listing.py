"""A list that the service gives part by part: what is looked for, which part is shown, and what has come in since."""

import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self
from urllib.parse import urlencode

import param

from skymist.client.service import Client
from skymist.errors import RequestError

PAGE = 100
"""Rows of a part."""
_MOST_AT_ONCE = 500
"""Items that the service gives at once."""


class Listing(param.Parameterized):
    """Part of a list; what kind of list, its subclasses say.

    Parameters
    ----------
    client : Client
    **given
        What is looked for.
    """

    page = param.Integer(default=1, bounds=(1, 1000))
    selected = param.String(doc="Key of the row that is pointed at")

    items = param.List(doc="As the service gives them")
    more = param.Boolean(doc="Whether there is a next part")
    fresh = param.List(doc="Keys of those that came since the last look")
    loaded = param.Boolean(doc="Whether the service has been asked")
    trouble = param.String(doc="Why what is looked for makes no sense; empty if it does")

    FILTERS: ClassVar[tuple[str, ...]] = ()
    """Parameters that say what is looked for."""
    PLACES: ClassVar[tuple[str, ...]] = ("page", "selected")
    """Those that say what of it is shown."""

    def __init__(self, client: Client, **given: Any) -> None:
        super().__init__(**given)
        self._client, self._turn = client, threading.RLock()
        self._stood: Any = None
        self._starts: tuple[dict[str, Any], dict[int, str]] = ({}, {})

    def query(self) -> dict[str, Any]:
        """Return what the service is asked for.

        Raises
        ------
        RequestError
            If something of it makes no sense.
        """
        raise NotImplementedError

    def key(self, item: Mapping[str, Any]) -> str:
        """Return what an item is called here."""
        raise NotImplementedError

    def _part(self, **query: Any) -> dict[str, Any]:
        """Return a part as the service gives it: ``items`` and ``next``."""
        raise NotImplementedError

    def _stands(self, changes: Mapping[str, Any]) -> Any:
        """Return what is another when the part has to be asked for again, of what the service says of changes."""
        raise NotImplementedError

    def take(self, query: Mapping[str, str]) -> Self:
        """Take what the address of a page tells of; what makes no sense in it is left out."""
        for name in (*self.FILTERS, *self.PLACES):
            if name in query:
                self.accept(name, query[name])
        return self

    def accept(self, name: str, text: str) -> None:
        """Take a value as an address has it."""
        kind = self.param[name]
        value: Any = text[:200]
        if isinstance(kind, param.Boolean):
            value = text == "yes"
        elif isinstance(kind, param.Integer):
            value = int(text) if text.isdecimal() and len(text) < 5 else 0
        try:
            self.param.update(**{name: value})
        except ValueError:
            return

    def address(self) -> str:
        """Return what an address has to say of this list: whatever is not as usual."""
        said = {**self.values(), **{name: str(getattr(self, name)) for name in self._unusual(self.PLACES)}}
        return f"?{urlencode(said)}" if said else ""

    def values(self) -> dict[str, str]:
        """Return as texts what is looked for; whatever is not as usual."""
        return {
            name: "yes" if getattr(self, name) is True else str(getattr(self, name))
            for name in self._unusual(self.FILTERS)
        }

    def _unusual(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if getattr(self, name) != self.param[name].default]

    def narrowed(self) -> bool:
        """Return whether anything is looked for."""
        return bool(self._unusual(self.FILTERS))

    def clear(self, **changes: Any) -> None:
        """Look for whatever there is, but for some changes."""
        usual = {name: self.param[name].default for name in (*self.FILTERS, *self.PLACES)}
        self.param.update(**{**usual, **changes})

    def load(self) -> None:
        """Ask the service for the part that is to be shown; what came in meanwhile is seen at the next look."""
        with self._turn:
            self._read(anew=True)

    def look(self) -> bool:
        """Ask whether anything has changed, and for the same part again if so; return whether it has.

        While another look goes on, or what was asked for makes no sense, nothing has.
        """
        if self.trouble or not self._turn.acquire(blocking=False):
            return False
        try:
            told = self._client.changes()
            changed = bool(self._stands(told) != self._stood)
            if changed:
                self._read(anew=False)
                self._stood = self._stands(told)
            return changed
        finally:
            self._turn.release()

    def _read(self, *, anew: bool) -> None:
        before = {self.key(each) for each in self.items}
        try:
            query, asked = self.query(), self.page
            page, after = self._start(query)
            found = self._part(**query, limit=PAGE, after=after)
        except RequestError as refusal:
            self.param.update(items=[], more=False, fresh=[], loaded=True, trouble=str(refusal))
            return
        fresh = [] if anew else [key for each in found["items"] if (key := self.key(each)) not in before]
        if found["next"]:
            self._starts[1][page + 1] = after_of(found["next"])
        # Somebody may have turned the page meanwhile.
        self.param.update(
            items=found["items"], more=bool(found["next"]), fresh=fresh, page=page if self.page == asked else self.page,
            loaded=True, trouble="",
        )  # fmt: skip

    def _start(self, query: dict[str, Any]) -> tuple[int, str | None]:
        """Return the page, no further than the last one, and behind which item it begins.

        The service counts no pages: what was not walked through yet is walked through now, in great steps.
        """
        if self._starts[0] != query:
            self._starts = (query, {})
        at, starts = self.page, self._starts[1]
        known = max((each for each in starts if each <= at), default=1)
        while known < at:
            step = min(at - known, _MOST_AT_ONCE // PAGE)
            part = self._part(**query, limit=step * PAGE, after=starts.get(known))
            if part["next"]:
                known += step
                starts[known] = after_of(part["next"])
            else:
                at = known + max(0, (len(part["items"]) - 1) // PAGE)
        return at, starts.get(at)


def after_of(path: str) -> str:
    """Return where the next part of a list begins, of the path of that part."""
    found = re.search(r"[?&]after=([^&]+)", path)
    return found[1] if found else ""
