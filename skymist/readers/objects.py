"""Classes of a frame other than pulses: header, particle, windows.

Layouts after icecube/icetray-public, dataclasses (BSD-2-Clause).
"""

from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from typing import TypeVar

import numpy as np

from skymist.errors import ReadError
from skymist.model.event import Particle, TimeWindows
from skymist.readers.archive import I32, I64, U32, U64, Archive, open_archive
from skymist.readers.frame import Frame
from skymist.readers.pulses import read_om_map

_Value = TypeVar("_Value")
_PAIR, _TRIPLE = Struct("<2d"), Struct("<3d")
_TICKS_PER_S = 10_000_000_000
_YEARS = range(2000, 2200)
_AFTER_LEAP_SECOND = {
    2005: "2006-01-01",
    2008: "2009-01-01",
    2012: "2012-07-01",
    2015: "2015-07-01",
    2016: "2017-01-01",
}


@dataclass(frozen=True)
class Header:
    """What is used of an I3EventHeader: its start time, and which splitter made the frame."""

    run: int
    event: int
    splitter: str
    time: np.datetime64


def read_object(frame: Frame, name: str, kind: str, read: Callable[[Archive], _Value]) -> _Value:
    """Read one object of a frame, of the class `kind`; an error names the object."""
    if name not in frame.objects:
        raise ReadError(f"the frame has no {name}")
    try:
        archive, found = open_archive(frame.objects[name])
        if found != kind:
            raise archive.error(f"a {found} where a {kind} is expected")
        return read(archive)
    except ReadError as error:
        raise error.within(name) from error


def read_header(archive: Archive) -> Header:
    """Read an I3EventHeader."""
    version = archive.enter("I3EventHeader", range(4))
    archive.frame_object()
    run = archive.number(U32)
    if version > 0:
        archive.number(U32)  # sub-run
    event = archive.number(U32)
    if version > 1:
        archive.number(I32)  # state
    splitter = ""
    if version > 2:
        archive.number(U32)  # sub-event
        splitter = archive.string()
    return Header(run, event, splitter, _read_time(archive))


def read_particle(archive: Archive) -> Particle:
    """Read an I3Particle, of which the type, shape and fit status are not needed."""
    archive.enter("I3Particle", range(2, 6))
    archive.frame_object()
    for layout in (I32, U64, I32, I32, I32):  # minor and major id, type, shape, fit status
        archive.number(layout)
    archive.enter("I3Position")
    archive.frame_object()
    x, y, z = archive.unpack(_TRIPLE)
    archive.enter("I3Direction")
    archive.frame_object()
    zenith, azimuth = archive.unpack(_PAIR)
    time, energy = archive.unpack(_PAIR)
    return Particle(zenith, azimuth, x, y, z, time, energy)


def read_windows(archive: Archive) -> TimeWindows:
    """Read an I3TimeWindowSeriesMap; a window without an end gets the largest number as its end."""
    archive.enter("I3TimeWindowSeriesMap")
    archive.frame_object()
    rows = [(*key[:2], *window) for key, windows in read_om_map(archive, _read_window_series) for window in windows]
    table = np.array(rows, float).reshape(-1, 4)
    if np.isnan(table).any():
        raise archive.error("a time window with a limit that is not a number")
    table = table[(np.abs(table[:, :2]) < 2**15).all(axis=1)]
    largest = np.finfo(float).max
    return TimeWindows(table[:, :2].astype("<i2"), *np.clip(table[:, 2:], -largest, largest).T.copy())


def read_text(archive: Archive) -> str:
    """Read an I3String."""
    archive.enter("I3String")
    archive.frame_object()
    return archive.string()


def _read_window_series(archive: Archive) -> list[tuple[float, float]]:
    archive.enter("I3TimeWindowSeries", range(2))
    archive.frame_object()
    archive.enter("vector of I3TimeWindow")
    return [_read_window(archive) for _ in archive.items(_PAIR.size)]


def _read_window(archive: Archive) -> tuple[float, float]:
    archive.enter("I3TimeWindow", range(2))
    archive.frame_object()
    start, stop = archive.unpack(_PAIR)
    return start, stop


def _read_time(archive: Archive) -> np.datetime64:
    """Read an I3Time: a year, and 0.1 ns ticks since it began, leap seconds included."""
    archive.enter("I3Time")
    archive.frame_object()
    year, ticks = archive.number(I32), archive.number(I64)
    if year not in _YEARS or not 0 <= ticks <= 367 * 86400 * _TICKS_PER_S:
        raise archive.error(f"no time: year {year}, {ticks} ticks")
    begin = np.datetime64(f"{year}-01-01", "ns")
    time = begin + np.timedelta64(ticks // 10, "ns")
    if time >= np.datetime64(_AFTER_LEAP_SECOND.get(year, "NaT")):
        time -= np.timedelta64(1, "s")
    return time
