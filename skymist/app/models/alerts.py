"""The list of alerts: what is looked for, which part of it is shown, and what has come in since."""

import re
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode

import param

from skymist.client.service import Client
from skymist.errors import RequestError

PAGE = 100
"""Rows of a part."""
_MOST_AT_ONCE = 500
"""Items that the service gives at once."""

STREAMS = ("", "gold", "bronze", "cascade")
ROLES = ("observation", "prediction", "test")
RETRACTED = ("", "no", "yes")
STATES = ("", "waiting", "queued", "running", "complete", "failed", "cancelled")

SHOWS = ("", "quarantine", "send")
"""Parts of the page: the list, what could not be read, sending in."""

_AGO = re.compile(r"(\d{1,6}(?:\.\d{1,3})?) ?(min|h|d)")
_UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_NUMBER = r"[0-9.eE+-]{1,30}"


class AlertList(param.Parameterized):
    """Part of a list of alerts, as the service gives it.

    Parameters
    ----------
    client : Client
    **given
        What is looked for.
    """

    words = param.String(doc="Part of a name, or of RUN_EVENT")
    stream: Any = param.Selector(default="", objects=[*STREAMS])
    role: Any = param.Selector(default="observation", objects=[*ROLES])
    state: Any = param.Selector(default="", objects=[*STATES], doc="Of a scan")
    needs = param.Boolean(doc="Only what waits for a person")
    retracted: Any = param.Selector(default="", objects=[*RETRACTED])
    since = param.String(doc="A time, UTC, or 24 h, 7 d: so long ago")
    until = param.String(doc="As since")
    energy = param.String(doc="TeV: LOW:HIGH; a number alone is the least")
    signalness = param.String(doc="As energy")
    far = param.String(doc="A year: LOW:HIGH; a number alone is the most")
    cone = param.String(doc="RA,DEC,RADIUS in degrees")
    sort = param.String(default="-time")
    page = param.Integer(default=1, bounds=(1, 1000))
    selected = param.String(doc="RUN_EVENT of the row that is pointed at")

    show: Any = param.Selector(default="", objects=[*SHOWS], doc="Which part of the page")

    items = param.List(doc="As GET /v1/alerts gives them")
    more = param.Boolean(doc="Whether there is a next part")
    fresh = param.List(doc="RUN_EVENT of those that came since the last look")

    FILTERS: ClassVar[tuple[str, ...]] = (
        "words", "stream", "role", "state", "needs", "retracted", "since", "until", "energy", "signalness", "far",
        "cone",
    )  # fmt: skip
    PLACES: ClassVar[tuple[str, ...]] = ("sort", "page", "selected", "show")

    def __init__(self, client: Client, **given: Any) -> None:
        super().__init__(**given)
        self._client, self._turn = client, threading.RLock()
        self._version, self._moved, self._refused = -1, None, False
        self._starts: tuple[dict[str, Any], dict[int, str]] = ({}, {})

    @classmethod
    def of_address(cls, client: Client, query: Mapping[str, str]) -> "AlertList":
        """Return the list that the address of a page tells of; what makes no sense in it is left out."""
        made = cls(client)
        for name in (*cls.FILTERS, *cls.PLACES):
            if name in query:
                made.accept(name, query[name])
        return made

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

    def query(self, now: datetime | None = None) -> dict[str, Any]:
        """Return what the service is asked for.

        Raises
        ------
        RequestError
            If something of it makes no sense.
        """
        present = now or datetime.now(UTC)
        return {
            "q": self.words.strip() or None,
            "stream": self.stream or None,
            "role": self.role,
            "state": [self.state] if self.state else None,
            "needs": True if self.needs else None,
            "retracted": {"yes": True, "no": False}.get(self.retracted),
            "since": moment_of("since", self.since, present),
            "until": moment_of("until", self.until, present),
            "energy_tev": range_of("energy", self.energy),
            "signalness": range_of("signalness", self.signalness),
            "far_per_year": range_of("far", self.far, most=True),
            "cone": self.cone.replace(" ", "") or None,
            "sort": self.sort,
        }

    def load(self) -> None:
        """Ask the service for the part that is to be shown; what came in meanwhile is seen at the next look."""
        with self._turn:
            self._refused = True
            self._read(self.query(), anew=True)
            self._refused = False

    def look(self) -> bool:
        """Ask whether anything has changed, and for the same part again if so; return whether it has.

        While another look goes on, or what was asked for makes no sense, nothing has.
        """
        if self._refused or not self._turn.acquire(blocking=False):
            return False
        try:
            told = self._client.changes()
            at_work = any(each["scan"] and each["scan"]["state"] == "running" for each in self.items)
            changed = told["version"] != self._version or (at_work and told["moved"] != self._moved)
            if changed:
                self._read(self.query(), anew=False)
                self._version, self._moved = told["version"], told["moved"]
            return changed
        finally:
            self._turn.release()

    def _read(self, query: dict[str, Any], *, anew: bool) -> None:
        before = {key_of(each) for each in self.items}
        page, after = self._start(query)
        found = self._client.alert_page(**query, limit=PAGE, after=after)
        fresh = [] if anew else [key for each in found["items"] if (key := key_of(each)) not in before]
        if found["next"]:
            self._starts[1][page + 1] = after_of(found["next"])
        self.param.update(items=found["items"], more=bool(found["next"]), fresh=fresh, page=page)

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
            part = self._client.alert_page(**query, limit=step * PAGE, after=starts.get(known))
            if part["next"]:
                known += step
                starts[known] = after_of(part["next"])
            else:
                at = known + max(0, (len(part["items"]) - 1) // PAGE)
        return at, starts.get(at)


def key_of(item: Mapping[str, Any]) -> str:
    """Return what an alert is called here: RUN_EVENT, which no renaming changes."""
    return f"{item['run']}_{item['event']}"


def after_of(path: str) -> str:
    """Return where the next part of a list begins, of the path of that part."""
    found = re.search(r"[?&]after=([^&]+)", path)
    return found[1] if found else ""


def moment_of(name: str, text: str, now: datetime) -> str | None:
    """Return a time as the service wants it.

    Parameters
    ----------
    name : str
        Of the field, for the message.
    text : str
        A day, a time (UTC), or how long ago: ``24 h``, ``7 d``, ``30 min``; may be empty.
    now : datetime

    Raises
    ------
    RequestError
        If it is none of these.
    """
    words = text.strip().lower()
    if not words:
        return None
    if ago := _AGO.fullmatch(words):
        return f"{now - float(ago[1]) * _UNITS[ago[2]]:%Y-%m-%dT%H:%M:%SZ}"
    try:
        read = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        examples = "2023-04-16, 2023-04-16 05:22 (UTC), 24 h or 7 d"
        raise RequestError(f"{name}: {text.strip()!r} is no time; write {examples}") from None
    read = read if read.tzinfo else read.replace(tzinfo=UTC)
    return f"{read.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def range_of(name: str, text: str, *, most: bool = False) -> str | None:
    """Return a range LOW:HIGH as the service wants it; a number alone is the least, or the most, that is wanted.

    Raises
    ------
    RequestError
        If it is none.
    """
    words = text.replace(" ", "")
    if not words:
        return None
    if re.fullmatch(_NUMBER, words):
        return f":{words}" if most else f"{words}:"
    if re.fullmatch(f"({_NUMBER})?:({_NUMBER})?", words) and words != ":":
        return words
    raise RequestError(f"{name}: {text.strip()!r} is no range; write 100, 100:500, 100: or :500")
