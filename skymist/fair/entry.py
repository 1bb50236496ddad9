"""Entry: a row of the catalog of alerts; and what its columns are, of which tables of any kind are made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

_SPECIAL = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}


class Type(StrEnum):
    """What the values of a column are.

    Times are text, too: ISO 8601, UTC, with ``Z`` and up to nanoseconds. Where there is nothing, text and times are
    empty, and the others are None.
    """

    TEXT = "text"
    TIME = "time"
    WHOLE = "whole"
    NUMBER = "number"
    FLAG = "flag"


@dataclass(frozen=True)
class Column:
    """What a column is.

    Attributes
    ----------
    name : str
        Of the field of `Entry`.
    type : Type
    description : str
    ucd : str
        IVOA's word for what it is (UCD1+), or empty.
    unit : str
        In the VO's spelling, or empty.
    verb : int
        From which verbosity on a cone search tells it: 1 to 3.
    """

    name: str
    type: Type
    description: str
    ucd: str = ""
    unit: str = ""
    verb: int = 2


@dataclass(frozen=True)
class Entry:
    """What the catalog says of an alert; `COLUMNS` says what its fields are."""

    identifier: str
    name: str
    role: str
    run: int
    event: int
    time: str
    stream: str = ""
    retracted: bool = False
    released: str = ""
    revision: int | None = None
    ra: float | None = None
    dec: float | None = None
    radius_90: float | None = None
    ra_plus_90: float | None = None
    ra_minus_90: float | None = None
    dec_plus_90: float | None = None
    dec_minus_90: float | None = None
    energy_tev: float | None = None
    signalness: float | None = None
    far_per_year: float | None = None
    map_identifier: str = ""
    map_url: str = ""
    url: str = ""
    doi: str = ""


COLUMNS = (
    Column("identifier", Type.TEXT, "IVOA identifier of the alert", "meta.id;meta.main", verb=1),
    Column("name", Type.TEXT, "Name, such as IceCube-YYMMDDX", "meta.id", verb=1),
    Column("role", Type.TEXT, "Whether it is an observation, a prediction or a test", "meta.code.class"),
    Column("run", Type.WHOLE, "Run of the detector", "meta.id.part"),
    Column("event", Type.WHOLE, "Event within the run", "meta.id.part"),
    Column("time", Type.TIME, "Time of the event, UTC", "time.epoch;meta.main", verb=1),
    Column("stream", Type.TEXT, "Selection of which it was sent: gold, bronze or cascade", "meta.code.class"),
    Column("retracted", Type.FLAG, "Whether the last word is a retraction", "meta.code.status"),
    Column("released", Type.TIME, "When it became public, or will, UTC", "time.release", verb=3),
    Column("revision", Type.WHOLE, "Number of the latest revision, from 0", "meta.version"),
    Column("ra", Type.NUMBER, "Right ascension, ICRS", "pos.eq.ra;meta.main", "deg", verb=1),
    Column("dec", Type.NUMBER, "Declination, ICRS", "pos.eq.dec;meta.main", "deg", verb=1),
    Column("radius_90", Type.NUMBER, "Radius that holds the source with 90 %", "stat.error;pos.eq", "deg", verb=1),
    Column("ra_plus_90", Type.NUMBER, "Error to greater RA, 90 %", "stat.error;pos.eq.ra;stat.max", "deg", verb=3),
    Column("ra_minus_90", Type.NUMBER, "Error to smaller RA, 90 %", "stat.error;pos.eq.ra;stat.min", "deg", verb=3),
    Column("dec_plus_90", Type.NUMBER, "Error to greater Dec, 90 %", "stat.error;pos.eq.dec;stat.max", "deg", verb=3),
    Column("dec_minus_90", Type.NUMBER, "Error to smaller Dec, 90 %", "stat.error;pos.eq.dec;stat.min", "deg", verb=3),
    Column("energy_tev", Type.NUMBER, "Most probable neutrino energy", "phys.energy;phys.particle.neutrino", "TeV"),
    Column("signalness", Type.NUMBER, "Probability of being astrophysical", "stat.probability"),
    Column("far_per_year", Type.NUMBER, "Rate of false alarms like it, or more signal-like", "arith.rate", "yr-1"),
    Column("map_identifier", Type.TEXT, "IVOA identifier of its sky map", "meta.ref.ivoid", verb=3),
    Column("map_url", Type.TEXT, "Where its sky map is", "meta.ref.url"),
    Column("url", Type.TEXT, "Landing page", "meta.ref.url"),
    Column("doi", Type.TEXT, "DOI, without scheme", "meta.ref.doi", verb=3),
)  # fmt: skip
"""All columns of the catalog, in their order."""

Values = Mapping[str, Any]
"""Lists or arrays of the values of columns, by name."""


def values_of(entries: Sequence[Entry]) -> dict[str, list[Any]]:
    """Return the values of all columns."""
    return {column.name: [getattr(entry, column.name) for entry in entries] for column in COLUMNS}


def texts(kind: Type, values: Sequence[Any]) -> Sequence[str]:
    """Return values as text that says all of them, in the words of VOTable; empty where there is none."""
    if kind is Type.NUMBER:
        return ["" if each is None else _SPECIAL.get(text := repr(float(each)), text) for each in values]
    if kind in (Type.WHOLE, Type.FLAG):
        return ["" if each is None else str(each) for each in values]
    return values
