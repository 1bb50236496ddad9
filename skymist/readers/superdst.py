"""I3SuperDST: the compressed pulses of a whole event.

Layout and rounding after icecube/icetray-public, dataclasses/payload/I3SuperDST (BSD-2-Clause).
Two-byte stamps hold 8 bits of time, 6 of charge, a coincidence and a stop bit; what does not fit
overflows into the following words. Times are kept to 1 ns, in-ice charges to 0.05 photo-electrons.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from skymist.readers.archive import U8, Archive
from skymist.readers.series import PULSE_LIMIT, Series, series_of

_LARGEST_TAG = 247
_FIRST_TIME, _LATER_TIME, _CHARGE, _WORD = 2047, 255, 63, 0xFFFF
_STOP = 0x8000
_START_NS = -512
_LAST_IN_ICE = 59
_FLAGS_HLC, _FLAGS_SLC = 7, 4
_RUN_DIGITS = 8


def read_superdst(archive: Archive) -> Series:
    """Read the body of an I3SuperDST as the pulses it stands for."""
    archive.enter("I3SuperDST", range(1, 2))
    archive.frame_object()
    stamps = _compact(archive, "stamps", "<u2")
    headers = _compact(archive, "headers", "<u2")
    runs = [_compact(archive, "bytes", "u1") for _ in range(4)]
    extra = _compact(archive, "bytes", "u1")
    if max(len(stamps), len(headers)) > PULSE_LIMIT:
        raise archive.error(f"{len(stamps)} stamps; the limit is {PULSE_LIMIT}")
    try:
        columns = np.array(list(_readouts(headers.tolist(), stamps.tolist(), extra.tolist())), np.int64)
    except IndexError as error:
        raise archive.error("SuperDST ends inside a readout") from error
    dom, start, code, hlc = columns.reshape(-1, 4).T
    icetop = (dom & 63) > _LAST_IN_ICE
    width = _widths(archive, runs, 2 * icetop + hlc)
    charge = np.where(icetop, 10.0 ** (np.minimum(code, 16383) * 9 / 16383 - 2), code * 0.05 + 0.025)
    flags = np.where(hlc, _FLAGS_HLC, _FLAGS_SLC)
    order = np.lexsort([start, dom])
    time, width = _without_overlap(dom[order], start[order].astype(np.float64), width[order])
    om = np.column_stack([dom >> 6, (dom & 63) + 1, np.zeros_like(dom)])
    return series_of(om[order], time, charge[order], width, flags[order])


def _compact(archive: Archive, kind: str, dtype: str) -> NDArray[np.int_]:
    """Read a vector whose length is written in as few bytes as it needs."""
    archive.enter(f"CompactVector of {kind}")
    archive.enter("SizeCodec")
    size = archive.number(U8)
    if size >= _LARGEST_TAG:
        start = archive.skip(255 - size)
        size = int.from_bytes(archive.data[start : archive.at], "little")
    return archive.array(dtype, size)


def _readouts(headers: list[int], stamps: list[int], extra: list[int]) -> Iterator[tuple[int, int, int, int]]:
    """Yield (dom, time, charge code, hlc) of every pulse; each header's stamps end with a stop bit.

    The first stamp of a readout counts from the first one of the readout before.
    """
    at, more, reference = 0, extra[::-1], _START_NS
    for header in headers:
        dom, time, full = header & 0x1FFF, (header >> 13) << 8, _FIRST_TIME
        icetop, now, word = (dom & 63) > _LAST_IN_ICE, reference, 0
        while not word & _STOP:
            word = stamps[at]
            at += 1
            time |= word & 0xFF
            if time == full:
                at, time = _overflow(stamps, at, time)
            charge = word >> 8 & 0x3F
            if icetop:
                charge |= more.pop() << 6
            elif charge == _CHARGE:
                at, charge = _overflow(stamps, at, charge)
            now += time
            if full == _FIRST_TIME:
                reference, full = now, _LATER_TIME
            yield dom, now, charge, word >> 14 & 1
            time = 0
            if icetop:
                break


def _overflow(stamps: list[int], at: int, value: int) -> tuple[int, int]:
    """Add the words that follow, up to the first that is not full."""
    word = _WORD
    while word == _WORD:
        word = stamps[at]
        value += word
        at += 1
    return at, value


def _widths(archive: Archive, runs: list[NDArray[np.int_]], stream: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the widths in ns: each of the four streams has its own run-length coded powers of two."""
    width = np.empty(len(stream))
    for k, codes in enumerate(runs):
        mine = stream == k
        powers, lengths = _runs(archive, codes.tolist())
        if sum(lengths) != mine.sum():
            raise archive.error(f"{sum(lengths)} SuperDST widths for {mine.sum()} stamps")
        width[mine] = np.repeat(2.0 ** np.array(powers, float), lengths)
    return width


def _runs(archive: Archive, codes: list[int]) -> tuple[list[int], list[int]]:
    """Split bytes into 4 bits of code and 4 of run length; successive digits make a longer run."""
    powers: list[int] = []
    lengths: list[int] = []
    digit = 0
    for code in codes:
        power, length = code & 0xF, code >> 4
        digit = digit + 1 if powers and powers[-1] == power else 0
        if digit >= _RUN_DIGITS:
            raise archive.error("SuperDST widths with an absurd run length")
        if digit:
            lengths[-1] += length << 4 * digit
        else:
            powers.append(power)
            lengths.append(length)
    return powers, lengths


def _without_overlap(
    dom: NDArray[np.int64], time: NDArray[np.float64], width: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shorten pulses that reach into the next one of their module."""
    gap = np.where(dom[1:] == dom[:-1], np.diff(time), np.inf)
    width[:-1] = np.minimum(width[:-1], gap)
    for module in np.unique(dom[:-1][gap == 0]):
        first, last = np.searchsorted(dom, [module, module + 1])
        time[first:last], width[first:last] = _shared(time[first:last].tolist(), width[first:last].tolist())
    return time, width


def _shared(time: list[float], width: list[float]) -> tuple[list[float], list[float]]:
    """Let pulses of equal time share the width of the one before, in sequence."""
    pending = False
    for i in range(len(time)):
        if pending or (width[i] == 0 and i < len(time) - 1):
            pending = i == 0
            if i:
                _share(time, width, i)
    return time, width


def _share(time: list[float], width: list[float], i: int) -> None:
    if width[i - 1] == 0 and width[i] > 0:
        width[i - 1] = width[i]
    width[i - 1] /= 2
    width[i] = width[i - 1]
    time[i] = time[i - 1] + width[i - 1]
