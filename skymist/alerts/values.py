"""Values of notices in whatever format: read strictly, and what cannot be right in them told in words."""

import json
import math
import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np

from skymist.errors import ReadError
from skymist.model.alert import Kind, Revision

ONE_SECOND = np.timedelta64(1, "s")
"""Two accounts of one time may differ by this much, from rounding."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"\d{1,15}", re.ASCII)
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?\s*(?:Z|UTC?|[+-]00:?00)?", re.ASCII)
_NAME = re.compile(r"(?:IceCube|IC)[- ]?(Cascade)?[- ]?(\d{6})([A-Z]{1,2})", re.ASCII | re.IGNORECASE)
_URL = re.compile(r"https?://[!-~]{1,2000}", re.ASCII)
_NUL = re.compile(rb"(?<!\\)(\\\\)*\\u0000")  # as JSON writes it; PostgreSQL keeps no such text
_YEARS = range(1970, 2262)  # what counts of nanoseconds from 1970 can hold, without what is none of ours
_TEXT_LIMIT = 80
_RETRACTED_FAR = 1000 * (1 - 1e-9)  # a year, also where it came as a rate in Hz


@dataclass
class Draft:
    """A revision while it is read.

    Attributes
    ----------
    doubts : list of str
        What in it cannot be right.
    extra : dict
        What it says besides.
    """

    doubts: list[str] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)

    def number(self, name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float | None:
        """Return a finite number, of JSON or as text; None, with a doubt, for what is none from `low` to `high`."""
        if value is None or value == "":
            return None
        found = _finite(value)
        if found is None:
            self.doubts.append(f"{name} is {shown(value)}: no finite number")
        elif not low <= found <= high:
            self.doubts.append(f"{name} is {shown(value)}: {f'below {low:g}' if found < low else f'above {high:g}'}")
        else:
            return found
        return None

    def radius(self, name: str, value: Any, degrees: float = 1) -> float | None:
        """Return a radius in degrees, if it is one, from one in units of so many `degrees`."""
        found = self.number(name, value, 0, 180 / degrees)
        if found == 0:
            self.doubts.append(f"{name} is 0")
        return found * degrees if found else None

    def position(self, ra: Any, dec: Any) -> tuple[float | None, float | None]:
        """Return a position in degrees: both coordinates, or none if one is wrong or missing."""
        found = self.number("ra", ra, 0, 360), self.number("dec", dec, -90, 90)
        if None not in found:
            return found
        if found != (None, None):
            self.doubts.append(f"half a position: ra {shown(ra)}, dec {shown(dec)}")
        return None, None

    def time(self, name: str, value: Any) -> np.datetime64 | None:
        """Return a time, if it is one."""
        if value is None or value == "":
            return None
        try:
            return time(name, value)
        except ReadError as error:
            self.doubts.append(error.reason)
            return None

    def agree(self, time: np.datetime64, other: np.datetime64 | None, name: str) -> None:
        """Note if another account of the time of the event, of this name, is another one."""
        if other is not None and abs(other - time) > ONE_SECOND:
            self.doubts.append(f"{name} is {(other - time) / ONE_SECOND:+.0f} s from the time of the event")

    def count(self, name: str, value: Any) -> int:
        """Return the number of a revision; 0 if there is none, with a doubt if that cannot be one."""
        found = self.number(name, value, 0, 1e6)
        if found is not None and found != int(found):
            self.doubts.append(f"{name} is {shown(value)}: not whole")
            return 0
        return int(found or 0)

    def url(self, name: str, value: Any) -> str:
        """Return an address in the web, or nothing."""
        if value is None or value == "":
            return ""
        if isinstance(value, str) and _URL.fullmatch(value.strip()):
            return value.strip()
        self.doubts.append(f"{name} is {shown(value)}: no address in the web")
        return ""

    def name(self, value: str, time: np.datetime64) -> str:
        """Return a name as all notices and circulars should write it; other names go into `extra`."""
        if not value:
            return ""
        found = _NAME.fullmatch(value.strip())
        if not found:
            self.extra["event_name"] = value
            self.doubts.append(f"event_name is {shown(value)}, not IceCube-YYMMDDX")
            return ""
        cascade, day, letter = found.groups()
        if not np.isnat(time) and day != str(np.datetime_as_string(time, "D"))[2:].replace("-", ""):
            self.doubts.append(
                f"event_name is {value.strip()}, but the event was on {np.datetime_as_string(time, 'D')}"
            )
        return f"IceCube{'-Cascade ' if cascade else '-'}{day}{letter.upper()}"

    def revision(self, run: int, event: int, time: np.datetime64, **said: Any) -> Revision:
        """Return the revision, with the doubts that hold in any format.

        Raises
        ------
        ReadError
            If it has text that cannot be kept.
        """
        found = Revision(run, event, time, **said)
        self._odd(found)
        found = replace(found, doubts=tuple(self.doubts), extra=self.extra)
        try:
            text = json.dumps(found.to_dict(), ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ReadError("text that is not UTF-8") from error
        if _NUL.search(text):
            raise ReadError("text with a character of number 0")
        return found

    def _odd(self, found: Revision) -> None:
        """Note what is possible but cannot well be meant."""
        if found.issued is not None and found.time > found.issued:
            self.doubts.append("the event is later than the notice")
        if found.kind == Kind.RETRACTION:
            return
        frequent = (found.far_per_year or 0) >= _RETRACTED_FAR
        if found.energy_tev == 0 and found.signalness == 0 and frequent:
            self.doubts.append("no energy, no signalness and 1000 false alarms a year: it looks like a retraction")
            return
        if found.energy_tev == 0:
            self.doubts.append("the energy is 0")
        if frequent:
            self.doubts.append(f"{found.far_per_year:g} false alarms a year")


def shown(value: Any) -> str:
    """Return a value for people, not too long."""
    text = value if isinstance(value, str) else repr(value)
    return repr(value if len(text) <= _TEXT_LIMIT else f"{text[:_TEXT_LIMIT]}…")


def whole(name: str, value: Any) -> int:
    """Return a number of a run or event.

    Raises
    ------
    ReadError
        If it is none.
    """
    if value is None or value == "":
        raise ReadError(f"it has no {name}")
    if isinstance(value, bool) or not _WHOLE.fullmatch(str(value).strip()):
        raise ReadError(f"{name} is {shown(value)}: not a whole number of up to 15 digits")
    return int(value)


def time(name: str, value: Any) -> np.datetime64:
    """Return a time that is written as ISO 8601, UTC.

    Raises
    ------
    ReadError
        If it is none, or of a year in which there is no event.
    """
    if value is None or value == "":
        raise ReadError(f"it has no {name}")
    found = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    try:
        if found and datetime.fromisoformat(f"{found[1]}T{found[2]}").year in _YEARS:
            return np.datetime64(f"{found[1]}T{found[2]}.{found[3] or '0'}"[:29], "ns")
    except ValueError:
        pass
    wanted = f"a UTC time YYYY-MM-DDTHH:MM:SS.sss of the years {_YEARS[0]} to {_YEARS[-1]}"
    raise ReadError(f"{name} is {shown(value)}: not {wanted}")


def classic_time(name: str, date: str, clock: str) -> np.datetime64:
    """Return the time that GCN's classic notices write as yy/mm/dd and hh:mm:ss.ss."""
    century = "20" if re.match(r"\d\d/", date) else ""
    return time(name, f"{century}{date.replace('/', '-')}T{clock}")


def day_number_time(days: float | None, zero: str, seconds: float | None = 0) -> np.datetime64 | None:
    """Return the time so many days and seconds after the day `zero`, if both are told and it is a time of today."""
    if days is None or seconds is None or not (0 <= days < 100_000 and 0 <= seconds < 86_401):
        return None
    # Days and their fraction apart: together in nanoseconds they have more digits than a float.
    day, fraction = divmod(days, 1)
    since = np.timedelta64(int(day), "D") + np.timedelta64(round((fraction * 86_400 + seconds) * 1e9), "ns")
    return np.datetime64(zero, "ns") + since


def systematic(text: str) -> bool | None:
    """Return whether errors contain what is not statistical, as the words of GCN's notices say; None if they don't."""
    words = text.lower()
    if "stat-only" in words or "statistical only" in words or "no systematic" in words:
        return False
    return True if re.search(r"stat\w{0,7} ?(\+|and) ?(the )?sys", words) else None


def kind_of(number: int, retraction: bool = False) -> Kind:
    """Return what the revision of this number does, where a notice has no word for it."""
    if retraction:
        return Kind.RETRACTION
    return Kind.UPDATE if number else Kind.INITIAL


def _finite(value: Any) -> float | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) <= 1e300 else None
