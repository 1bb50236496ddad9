"""The catalog: which alerts fit what somebody looks for, in some order, part by part.

Whatever can be asked of numbers is asked in the database, also what is in a circle: coarse pixels find who may be, unit
vectors tell who is. Only whether circles touch a region is found out here.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    String,
    and_,
    bindparam,
    cast,
    exists,
    func,
    or_,
    select,
    union,
)
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from skymist.errors import RequestError, UnknownNameError
from skymist.model import sky
from skymist.model.alert import Role
from skymist.model.request import Cone
from skymist.model.sky import Ints
from skymist.records import standing
from skymist.records.alerts import standard_name
from skymist.records.identities import public_alerts
from skymist.records.tables import PIXEL_NSIDE, Alert, Alias, Event, Scan

SORTS: dict[str, InstrumentedAttribute[Any]] = {
    "time": Alert.time, "energy": Alert.energy_tev, "signalness": Alert.signalness, "far": Alert.far_per_year,
    "ra": Alert.ra, "dec": Alert.dec, "name": Alert.name,
}  # fmt: skip
"""What a list can be sorted by; with a dash before it the greatest comes first. What is unknown comes last."""

YEARS = 1900, 2200
"""Within which times can be asked for: all that is there, in each way of writing times."""

WIDE_DEG = 30.0
"""Circles of this radius hold so many alerts that the order of the list finds them sooner than their place does."""


class Range(NamedTuple):
    """Numbers from `low` to `high`, both among them; None where there is no limit."""

    low: float | None = None
    high: float | None = None

    @classmethod
    def parse(cls, text: str) -> "Range":
        """Read ``LOW:HIGH``, ``LOW:`` or ``:HIGH``.

        Raises
        ------
        RequestError
        """
        low, colon, high = text.partition(":")
        try:
            found = cls(*(None if not part.strip() else float(part) for part in (low, high)))
        except ValueError:
            found = cls()
        if not colon or found == cls() or not all(np.isfinite(each) for each in found if each is not None):
            raise RequestError(f"{text!r} is no range LOW:HIGH, such as 100:500, 100: or :500")
        return found


_RANGES = "energy_tev", "signalness", "far_per_year"


@dataclass(frozen=True, eq=False)
class Search:
    """What alerts are looked for; None, or nothing, is whatever.

    Attributes
    ----------
    role : Role
    streams : tuple of str
        Any of these.
    retracted : bool or None
    since, until : datetime or None
        Time of the event, the second not included.
    cone : Cone or None
        Positions in a circle.
    region : (n,) int64 or None
        Cells: alerts whose 90 % circle touches one of them (its centre is inside) or whose position is in one.
    energy_tev, signalness, far_per_year : Range or None
    has_scan : bool or None
    scan_states : tuple of str
        With a scan in any of these.
    needs : bool or None
        Whether something of it waits for a person.
    words : str
        Part of a name, of an earlier name, or of RUN_EVENT.
    public : datetime or None
        Only what is public at this moment.
    name : str
        Beginning of the name.
    sort : str
        One of `SORTS`, with a dash for the greatest first.

    Raises
    ------
    UnknownNameError
        If there is no such order.
    """

    role: Role = Role.OBSERVATION
    streams: tuple[str, ...] = ()
    retracted: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    cone: Cone | None = None
    region: Ints | None = None
    energy_tev: Range | None = None
    signalness: Range | None = None
    far_per_year: Range | None = None
    has_scan: bool | None = None
    scan_states: tuple[str, ...] = ()
    needs: bool | None = None
    words: str = ""
    public: datetime | None = None
    name: str = ""
    sort: str = "-time"

    @classmethod
    def parse(cls, words: Mapping[str, Any], **more: Any) -> Self:
        """Return what is asked for in words: times, circles and ranges as text, one `stream`; those left out are None.

        Raises
        ------
        RequestError
            If one of them makes no sense.
        """
        said = {key: value for key, value in words.items() if value is not None}
        stream = said.pop("stream", None)
        readers: dict[str, Callable[[Any], Any]] = {
            "cone": Cone.parse,
            "since": _moment,
            "until": _moment,
            **dict.fromkeys(_RANGES, Range.parse),
        }
        read = {key: readers[key](value) if key in readers else value for key, value in said.items()}
        return cls(**read, **more, streams=() if stream is None else (stream,))

    def __post_init__(self) -> None:
        if self.sort.removeprefix("-") not in SORTS:
            raise UnknownNameError("order of the catalog", self.sort, [*SORTS, *(f"-{name}" for name in SORTS)])


def find(session: Session, search: Search, limit: int | None = None, after: int | None = None) -> list[Alert]:
    """Return alerts in the order that was asked for.

    Parameters
    ----------
    session : Session
    search : Search
    limit : int, optional
        At most; all by default.
    after : int, optional
        Id of the last alert that was seen.

    Raises
    ------
    UnknownNameError
        If there is no alert to go on after.
    """
    conditions = list(_conditions(search))
    if search.region is not None:
        conditions.append(Alert.id.in_(_inline(_touching(session, search.role, search.region))))
    query = _sorted(session, select(Alert).where(*conditions), search, after)
    return list(session.scalars(query.limit(limit)))


def _conditions(search: Search) -> Iterator[ColumnElement[bool]]:
    yield Alert.role == search.role
    for given, condition in (
        (search.streams, Alert.stream.in_(search.streams)),
        (search.name, func.lower(Alert.name).startswith(search.name.lower(), autoescape=True)),
        (search.retracted is not None, Alert.retracted == search.retracted),
        (search.has_scan is not None, _SCANNED if search.has_scan else ~_SCANNED),
        (search.scan_states, standing.with_scans(search.scan_states)),
        (search.needs is not None, standing.needing() if search.needs else ~standing.needing()),
        (search.words.strip(), _called(search.role, search.words.strip())),
    ):
        if given:
            yield condition
    for name in _RANGES:
        column = getattr(Alert, name)
        if (asked := getattr(search, name)) is not None:
            yield from _between(column if _sorts(search, column) else column + 0.0, *asked)
    yield from _when(search)
    if search.cone is not None:
        yield _in_cone(search.role, search.cone)


_SCANNED = exists().where(Event.alert_id == Alert.id, Scan.event_id == Event.id, Scan.deleted.is_(None))


def _called(role: Role, words: str) -> ColumnElement[bool]:
    """Return that words are in a name that an alert has or had, or begin its run, its event, or RUN_EVENT."""
    begun = re.sub(r"(?i)^ic(ecube)?[-_ ]*(?=[0-9])", "IceCube-", words)  # as people begin to write a name
    parts = {each.lower() for each in (words, standard_name(words), begun)}
    other = aliased(Alert)
    # Looked up first and apart, names and numbers each in an index that holds all that is asked for: several times as
    # fast as to go through all rows in some order.
    found = [
        select(key).where(
            table.role == role, or_(*(func.lower(table.name).contains(each, autoescape=True) for each in parts))
        )
        for table, key in ((other, other.id), (Alias, Alias.alert_id))
    ]
    if numbers := re.fullmatch(r"([0-9]{1,18})(?:[_/]([0-9]{0,18}))?", words):
        first, second = numbers.groups()
        run, event = (cast(column, String) for column in (other.run, other.event))
        fits = or_(run.startswith(first), event.startswith(first))
        if second is not None:
            fits = and_(other.run == int(first), event.startswith(second))
        found.append(select(other.id).where(other.role == role, fits))
    return Alert.id.in_(union(*found))


def _sorts(search: Search, column: InstrumentedAttribute[Any]) -> bool:
    """Return whether a list is in the order of a column.

    The index of any other column must not be used, and in an expression (+ 0) it is not: to sort the many rows that it
    may find takes longer than to go through all of them in order, but SQLite cannot know how many there are.
    """
    return SORTS[search.sort.removeprefix("-")] is column


def _when(search: Search) -> Iterator[ColumnElement[bool]]:
    time = Alert.time if _sorts(search, Alert.time) else Alert.time.concat("")
    if search.since is not None:
        yield time >= _written(search.since)
    if search.until is not None:
        yield time < _written(search.until)
    if search.public is not None:
        yield public_alerts(search.public)


def _moment(time: str | datetime) -> datetime:
    try:
        read = time if isinstance(time, datetime) else datetime.fromisoformat(time)
    except ValueError:
        raise RequestError(f"{time!r} is no time such as 2023-04-16 or 2023-04-16T05:22:26, UTC") from None
    if not YEARS[0] <= read.year <= YEARS[1]:
        raise RequestError(f"{time} is not between the years {YEARS[0]} and {YEARS[1]}")
    return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)


def _written(time: datetime) -> str:
    """Return a time as those of events are kept: with nanoseconds."""
    return f"{time:%Y-%m-%dT%H:%M:%S.%f}000Z"


def _between(column: Any, low: float | None, high: float | None) -> Iterator[ColumnElement[bool]]:
    if low is not None:
        yield column >= low
    if high is not None:
        yield column <= high


def _in_cone(role: Role, cone: Cone) -> ColumnElement[bool]:
    """Return that a position is within a circle: the chord between unit vectors is as precise for the smallest."""
    x, y, z = (float(each) for each in sky.unit(np.radians(cone.ra), np.radians(cone.dec)))
    chord = 2 * np.sin(np.radians(cone.radius) / 2)
    near = _squared(Alert.x - x) + _squared(Alert.y - y) + _squared(Alert.z - z) <= float(chord**2) * (1 + 1e-12)
    if cone.radius >= WIDE_DEG:
        return near
    # Looked up first and apart: few are found, whatever the list is sorted by.
    inside = select(Alert.id).where(Alert.role == role, Alert.pixel.in_(_inline(_pixels(cone))), near)
    return Alert.id.in_(inside.correlate(None))


def _squared(term: ColumnElement[Any]) -> ColumnElement[Any]:
    return term * term


def _pixels(cone: Cone) -> list[int]:
    """Return the coarse pixels that may hold positions in a circle: corners are 1.05 widths from the centre."""
    cells = sky.all_cells(PIXEL_NSIDE)
    return [int(each) for each in sky.ipix_of(cells[cone.holds(cells, margin_cells=1.1)])]


def _inline(numbers: Sequence[int]) -> BindParameter[Any]:
    """Return numbers to be written into the query, as there may be more of them than a database takes parameters."""
    return bindparam(None, numbers, expanding=True, literal_execute=True)


_SIZES = 0.0, 1.0, 3.0, 10.0, 30.0, 361.0
"""Radii in degrees: alerts with small circles are looked for near the region only."""


def _touching(session: Session, role: Role, region: Ints) -> list[int]:
    """Return the ids of alerts whose circles touch a region."""
    from scipy.spatial import cKDTree  # takes a while to import

    found = list(_near(session, role, region)) if region.size else []
    if not found:
        return []
    key, *place = np.array(found).T
    ra, dec, radius = np.radians(place)
    tree = cKDTree(sky.unit(*sky.centers(region)))
    near = tree.query(sky.unit(ra, dec))[0] <= 2 * np.sin(np.minimum(radius, np.pi) / 2)
    return [int(each) for each in key[near | (sky.find(region, ra, dec) >= 0)]]


def _near(session: Session, role: Role, region: Ints) -> Iterator[tuple[Any, ...]]:
    """Yield id, position and radius of alerts whose circles may touch a region: as near as they are large."""
    corners = sky.corners(region).reshape(-1, 3)
    middle = sky.lonlat(corners.sum(axis=0))
    reach = float(np.degrees(sky.separation(*middle, *sky.lonlat(corners)).max()))
    lon, lat = (float(np.degrees(each)) for each in middle)
    circle, height = func.coalesce(Alert.radius_90, 0.0), Alert.dec + 0.0
    for smaller, size in pairwise(_SIZES):
        around = reach + size
        query = select(Alert.id, Alert.ra, Alert.dec, circle).where(
            Alert.role == role, Alert.pixel.is_not(None), circle >= smaller, circle < size,
            height.between(lat - around, lat + around),
        )  # fmt: skip
        if around < WIDE_DEG:
            query = query.where(Alert.pixel.in_(_inline(_pixels(Cone(lon, lat, around)))))
        yield from ((key, ra, dec, radius) for key, ra, dec, radius in session.execute(query))


def _sorted(session: Session, query: Select[Any], search: Search, after: int | None) -> Select[Any]:
    """Return a query in an order that no two alerts share, those after one alert; what is unknown comes last.

    Of an alert that could not be asked for nothing is told either: where it stands in the order would tell its values.
    """
    column, falling = SORTS[search.sort.removeprefix("-")], search.sort.startswith("-")
    order = (column.desc(), Alert.id.desc()) if falling else (column.asc(), Alert.id.asc())
    if after is not None:
        shown = [] if search.public is None else [public_alerts(search.public)]
        seen = select(column, Alert.id).where(Alert.id == after, Alert.role == search.role, *shown)
        last = session.execute(seen).first()
        if last is None:
            raise UnknownNameError("record to go on after", str(after), ())
        query = query.where(_behind(column, falling, *last))
    return query.order_by(order[0].nulls_last(), order[1])


def _behind(column: InstrumentedAttribute[Any], falling: bool, value: Any, key: int) -> ColumnElement[bool]:
    later = Alert.id < key if falling else Alert.id > key
    if value is None:
        return and_(column.is_(None), later)
    beyond = column < value if falling else column > value
    return or_(beyond, and_(column == value, later), column.is_(None))
