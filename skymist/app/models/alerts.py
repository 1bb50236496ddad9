"""The list of alerts."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import param

from skymist.app.models.listing import Listing
from skymist.errors import RequestError

STREAMS = ("", "gold", "bronze", "cascade")
ROLES = ("observation", "prediction", "test")
RETRACTED = ("", "no", "yes")
STATES = ("", "waiting", "queued", "running", "complete", "failed", "cancelled")

SHOWS = ("", "quarantine", "send")
"""Parts of the page: the list, what could not be read, sending in."""

_AGO = re.compile(r"(\d{1,6}(?:\.\d{1,3})?) ?(min|h|d)")
_UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_NUMBER = r"[0-9.eE+-]{1,30}"


class AlertList(Listing):
    """Part of a list of alerts.

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

    show: Any = param.Selector(default="", objects=[*SHOWS], doc="Which part of the page")

    FILTERS: ClassVar[tuple[str, ...]] = (
        "words", "stream", "role", "state", "needs", "retracted", "since", "until", "energy", "signalness", "far",
        "cone",
    )  # fmt: skip
    PLACES: ClassVar[tuple[str, ...]] = ("sort", "page", "selected", "show")

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

    def key(self, item: Mapping[str, Any]) -> str:
        """Return RUN_EVENT of an alert."""
        return key_of(item)

    def _part(self, **query: Any) -> dict[str, Any]:
        return self._client.alert_page(**query)

    def _stands(self, changes: Mapping[str, Any]) -> Any:
        at_work = any(each["scan"] and each["scan"]["state"] == "running" for each in self.items)
        return changes["version"], changes["moved"] if at_work else None


def key_of(item: Mapping[str, Any]) -> str:
    """Return what an alert is called here: RUN_EVENT, which no renaming changes."""
    return f"{item['run']}_{item['event']}"


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
