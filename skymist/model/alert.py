"""Alert: what telescopes were told of one event, revision beside revision."""

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, Self

import numpy as np

from skymist.errors import RequestError

DAYS_PER_YEAR = 365.0
"""Of the rates in notices of IceCube, which are quoted per year in circulars and in Hz in JSON."""

UNKNOWN_TIME = np.datetime64("NaT", "ns")
"""Of the event that a retraction takes back, if it does not say; in records it has that of its alert."""

EVENT_MESSAGE, SKY_MAP = SILENT = "event message", "sky map of others"
"""Sources that know an event and its time but say nothing of it: they stand where revisions have their catalog.

No telescope was told by them, and so the world is not either.
"""

SAME_EVENT = np.timedelta64(1, "s")
"""Two events of one run this near, one of whose numbers begins with the other's, are one with a truncated number."""


class Tense(StrEnum):
    """What a notice refers to; the words of GCN's ``alert_tense``."""

    CURRENT = "current"
    ARCHIVAL = "archival"
    PLANNED = "planned"
    INJECTION = "injection"
    COMMANDED = "commanded"
    TEST = "test"

    @property
    def role(self) -> "Role":
        """In which of the worlds it lives that are never mixed."""
        if self in (Tense.CURRENT, Tense.ARCHIVAL):
            return Role.OBSERVATION
        return Role.PREDICTION if self == Tense.PLANNED else Role.TEST


class Role(StrEnum):
    """Of an alert: the real sky, what is planned, and all that only looks like the sky (words of VOEvent 2.0)."""

    OBSERVATION = "observation"
    PREDICTION = "prediction"
    TEST = "test"


class Kind(StrEnum):
    """What a revision does; the words of GCN's ``alert_type``."""

    INITIAL = "initial"
    SUBSEQUENT = "subsequent"
    UPDATE = "update"
    RETRACTION = "retraction"


STREAMS = "gold", "bronze", "cascade"
"""The selections of which IceCube sends alerts, in the order of their purity."""


@dataclass(frozen=True)
class Revision:
    """One notice, in one form whatever it came as; None where it does not say.

    Attributes
    ----------
    run, event : int
        The experiment's identifiers.
    time : numpy.datetime64[ns]
        Of the event, UTC.
    number : int or None
        The experiment's count of revisions from 0; None for a catalog's entry, and for a retraction that has none.
    kind : Kind
    tense : Tense
    issued : numpy.datetime64[ns] or None
        When it was sent, UTC.
    name : str
        IceCube-YYMMDDX, empty if it has none.
    stream : str
        One of `STREAMS`, or empty.
    selection : str
        The event selection behind the stream (``gfu``, ``ehe``, ``hese``), or empty.
    ra, dec : float or None
        Degrees, ICRS.
    radius_50, radius_90 : float or None
        Degrees, radius of a circle that holds the source with 50 % or 90 %.
    errors_90 : tuple of float or None
        Degrees: to greater and smaller RA, to greater and smaller Dec, with 90 %; in RA as coordinates differ.
    ellipse_90 : tuple of float or None
        Degrees: semi-axes and position angle of the major one from north through east.
    systematic : bool or None
        Whether the errors contain what is not statistical.
    energy_tev : float or None
        Most probable energy of the neutrino.
    signalness : float or None
        Probability of being astrophysical.
    far_per_year : float or None
        False alarms like this one, or more signal-like, a year.
    map_url : str
        Where its sky map is, or empty.
    catalog : str
        Name of the catalog whose entry it is, ``event message`` for what the detector's own message says of an event,
        or empty for a notice.
    comment : str
    doubts : tuple of str
        What in it cannot be right, in words; nothing of it was mended.
    extra : mapping
        Whatever else it says, JSON-like.
    """

    run: int
    event: int
    time: np.datetime64
    number: int | None = None
    kind: Kind = Kind.INITIAL
    tense: Tense = Tense.CURRENT
    issued: np.datetime64 | None = None
    name: str = ""
    stream: str = ""
    selection: str = ""
    ra: float | None = None
    dec: float | None = None
    radius_50: float | None = None
    radius_90: float | None = None
    errors_90: tuple[float, float, float, float] | None = None
    ellipse_90: tuple[float, float, float] | None = None
    systematic: bool | None = None
    energy_tev: float | None = None
    signalness: float | None = None
    far_per_year: float | None = None
    map_url: str = ""
    catalog: str = ""
    comment: str = ""
    doubts: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Run and event as notices write them: ``137840_57034692``."""
        return f"{self.run}_{self.event}"

    @property
    def topology(self) -> str:
        """What it looks like: ``track``, ``cascade`` or empty."""
        return {"cascade": "cascade", "": ""}.get(self.stream, "track")

    @property
    def circle_90(self) -> float | None:
        """Radius of a circle with 90 %, degrees: as told, else of that with the area of asymmetric errors."""
        if self.radius_90 is None and self.errors_90 is not None and self.dec is not None:
            return radius_of(self.errors_90, self.dec)
        return self.radius_90

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-like values, without what it does not say."""
        values = {key: _written(value) for key, value in asdict(self).items()}
        return {key: value for key, value in values.items() if value not in (None, "", [], {})}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the revision that `to_dict` describes."""
        known = {item.name for item in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise RequestError(f"a revision has no {unknown[0]}; it has {', '.join(sorted(known))}")
        read = dict(values)
        for key in ("time", "issued"):
            if key in read:
                read[key] = np.datetime64(read[key].removesuffix("Z"), "ns")
        for key in ("errors_90", "ellipse_90", "doubts"):
            if key in read:
                read[key] = tuple(read[key])
        for key, kind in (("kind", Kind), ("tense", Tense)):
            if key in read:
                read[key] = kind(read[key])
        return cls(**read)

    @cached_property
    def id(self) -> str:
        """SHA-256 of the canonical JSON: the same content is the same revision, however often and wherever it comes."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()


def _written(value: Any) -> Any:
    if isinstance(value, np.datetime64):
        return f"{np.datetime_as_string(value, unit='ns')}Z"
    return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True)
class Alert:
    """All revisions of one event; nothing of it depends on the order in which they came.

    Attributes
    ----------
    revisions : tuple of Revision
        In their order: what only knows the event, catalogs, then by number, retractions after what they retract, by
        the time of issue; a retraction without a number is the last word.

    Raises
    ------
    RequestError
        If there is no revision.
    """

    revisions: tuple[Revision, ...]

    def __post_init__(self) -> None:
        if not self.revisions:
            raise RequestError("an alert has at least one revision")
        object.__setattr__(self, "revisions", tuple(sorted(self.revisions, key=_order)))

    @property
    def current(self) -> Revision:
        """The last one; a catalog's entry only where there is no other."""
        return self.revisions[-1]

    @property
    def first(self) -> Revision:
        """The first that was sent, else a catalog's entry, else what says nothing but that there was an event."""
        spoken = [each for each in self.told if each.catalog not in SILENT] or self.told
        return next((each for each in spoken if not each.catalog), spoken[0])

    @property
    def run(self) -> int:
        """The experiment's run."""
        return self.first.run

    @property
    def event(self) -> int:
        """The number of the event; where one is truncated, the whole one."""
        return max((each.event for each in self.revisions), key=lambda event: (len(str(event)), event))

    @property
    def time(self) -> np.datetime64:
        """Of the event, as first told, UTC."""
        return self.first.time

    @property
    def told(self) -> tuple[Revision, ...]:
        """The revisions without retractions; all of them if there is nothing else."""
        return tuple(each for each in self.revisions if each.kind != Kind.RETRACTION) or self.revisions

    def last(self, name: str) -> Revision | None:
        """Return the last of `told` that says a thing (a field of `Revision`); None if none does."""
        return next((each for each in reversed(self.told) if getattr(each, name) not in (None, "")), None)

    @property
    def retracted(self) -> bool:
        """Whether the last word is a retraction."""
        return self.current.kind == Kind.RETRACTION

    @property
    def doubts(self) -> tuple[str, ...]:
        """What cannot be right in a revision, and where revisions contradict each other, in words."""
        found = [f"{_label(each)}: {doubt}" for each in self.revisions for doubt in each.doubts]
        for each in self.revisions:
            if each.event != self.event:
                found.append(f"{_label(each)}: the event is {each.event} there and {self.event} elsewhere")
            if abs(each.time - self.time) > SAME_EVENT:
                seconds = (each.time - self.time) / np.timedelta64(1, "s")
                found.append(
                    f"{_label(each)}: the time of the event is {seconds:+.0f} s from that of {_label(self.first)}"
                )
        return tuple(found)


def _order(revision: Revision) -> tuple[int, int, bool, int, str]:
    issued = revision.time if revision.issued is None else revision.issued
    retraction = revision.kind == Kind.RETRACTION
    number = sys.maxsize if retraction and revision.number is None else revision.number or 0
    source = 0 if revision.catalog in SILENT else 1 if revision.catalog else 2
    return (source, number, retraction, int(issued.astype(np.int64)), revision.id)


def _label(revision: Revision) -> str:
    return revision.catalog or f"revision {revision.number or 0}"


def radius_of(errors: tuple[float, float, float, float], dec: float) -> float:
    """Return the radius that IceCube gives for asymmetric errors, degrees.

    It is ``sqrt(mean RA error * cos(dec) * mean Dec error)``: of the circle with the area of the ellipse.
    """
    east, west, north, south = errors
    return float(np.sqrt((east + west) / 2 * np.cos(np.radians(dec)) * (north + south) / 2))


def present() -> np.datetime64:
    """Return the present time, UTC."""
    return np.datetime64(datetime.now(UTC).replace(tzinfo=None), "ns")


def same_event(one: Revision, other: Revision) -> bool:
    """Return whether two revisions are of one event: the same numbers, or one truncated at the same time in one run."""
    if one.run != other.run or one.tense.role != other.tense.role:
        return False
    short, long = sorted((str(one.event), str(other.event)))
    return short == long or (long.startswith(short) and bool(abs(one.time - other.time) <= SAME_EVENT))


def base_name(revision: Revision) -> str:
    """Return the name of an alert without its letter: ``IceCube-230416``, or ``IceCube-Cascade 230416``."""
    day = str(np.datetime_as_string(revision.time, unit="D"))[2:].replace("-", "")
    return f"IceCube-Cascade {day}" if revision.topology == "cascade" else f"IceCube-{day}"


def letter(count: int) -> str:
    """Return the letter of the alert that has `count` before it on its day: A to Z, then AA, AB and so on.

    Examples
    --------
    >>> letter(0), letter(25), letter(26)
    ('A', 'Z', 'AA')
    """
    text = ""
    count += 1
    while count:
        count, rest = divmod(count - 1, 26)
        text = chr(ord("A") + rest) + text
    return text


def by_time(revisions: Iterable[Revision]) -> list[Revision]:
    """Return revisions in the order of event times, then of numbers: so that names follow the order of events."""
    return sorted(revisions, key=lambda each: (each.time.astype(np.int64), each.run, each.event, each.number or 0))
