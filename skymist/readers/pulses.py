"""Pulse sets of a frame: compressed, plain, masked or united, resolved by name.

Layouts after icecube/icetray-public, dataclasses (BSD-2-Clause).
"""

from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import pairwise
from struct import Struct
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from skymist.errors import ReadError
from skymist.readers.archive import U32, Archive, open_archive
from skymist.readers.frame import Frame
from skymist.readers.series import PULSE_LIMIT, Series, union
from skymist.readers.superdst import read_superdst

_Value = TypeVar("_Value")
OMKey = tuple[int, int, int]
OMKEY = Struct("<iIB")
_BITS = Struct("<HB")
_CHAIN_LIMIT = 16
_MAP, _MASK, _UNION, _SUPERDST = (
    "I3RecoPulseSeriesMap",
    "I3RecoPulseSeriesMapMask",
    "I3RecoPulseSeriesMapUnion",
    "I3SuperDST",
)
_PULSE_VERSIONS = range(2, 4)


class PulseSets:
    """The pulse sets of one frame, each read at most once."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._complete: dict[str, bool] = {}
        self._series: dict[str, Series] = {}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all sets whose sources are there, sorted."""
        return tuple(sorted(name for name in self._frame.objects if self._is_complete(name, _CHAIN_LIMIT)))

    def read(self, name: str, chain: int = _CHAIN_LIMIT) -> Series:
        """Return all pulses of a set exactly as the experiment's own software does.

        Parameters
        ----------
        name : str
            One of `names`.
        chain : int
            How many sets may lie between it and the recorded pulses.

        Raises
        ------
        ReadError
            If the set, or one that it is made from, is missing or corrupt.
        """
        if name not in self._frame.objects or not chain:
            raise ReadError("missing, or made from itself", f"pulse set {name}")
        if name not in self._series:
            try:
                self._series[name] = self._read(name, chain)
            except ReadError as error:
                raise error.within(f"pulse set {name}") from error
        return self._series[name]

    def _read(self, name: str, chain: int) -> Series:
        archive, kind = open_archive(self._frame.objects[name])
        if kind == _SUPERDST:
            return read_superdst(archive)
        if kind == _MAP:
            return _read_map(archive)
        series = [self.read(parent, chain - 1) for parent in _read_parents(archive, kind)]
        return _masked(series[0], archive) if kind == _MASK else union(series)

    def _is_complete(self, name: str, chain: int) -> bool:
        if name not in self._complete:
            self._complete[name] = False  # what leads back to itself is made from nothing
            self._complete[name] = bool(chain) and self._has_source(name, chain)
        return self._complete[name]

    def _has_source(self, name: str, chain: int) -> bool:
        kind = self._frame.class_of(name) if name in self._frame.objects else ""
        if kind not in (_MASK, _UNION):
            return kind in (_MAP, _SUPERDST)
        try:
            parents = _read_parents(open_archive(self._frame.objects[name])[0], kind)
        except ReadError:
            return False
        return all(self._is_complete(parent, chain - 1) for parent in parents)


def read_omkey(archive: Archive) -> OMKey:
    """Read (string, position, photomultiplier)."""
    archive.enter("OMKey", range(2, 3))
    string, om, pmt = archive.unpack(OMKEY)
    return string, om, pmt


def _read_parents(archive: Archive, kind: str) -> list[str]:
    """Begin a mask or a union: the names of the sets that it is made from."""
    if kind == _MASK:
        version = archive.enter(kind, range(1, 3))
        archive.frame_object()
        parents = [archive.string()]
        archive.skip(4 if version == 1 else 0)
        return parents
    if kind != _UNION:
        raise archive.error(f"{kind} is no pulse set")
    archive.enter(kind)
    archive.frame_object()
    archive.enter("vector of string")
    parents = [archive.string() for _ in archive.items(U32.size)]
    if not 0 < len(parents) <= _CHAIN_LIMIT:
        raise archive.error(f"a union of {len(parents)} pulse sets")
    return parents


def read_om_map(archive: Archive, read_value: Callable[[Archive], _Value]) -> Iterator[tuple[OMKey, _Value]]:
    """Read a std::map from module to anything."""
    archive.enter("map")
    for _ in archive.items(OMKEY.size):
        archive.enter("pair")
        key = read_omkey(archive)
        yield key, read_value(archive)


def _read_map(archive: Archive) -> Series:
    archive.enter(_MAP)
    archive.frame_object()
    found = list(read_om_map(archive, _read_pulses))
    modules = [key for key, _ in found]
    if any(after <= before for before, after in pairwise(modules)):
        raise archive.error("a map whose modules are not in their order")
    om = np.array(modules, np.int64).reshape(-1, 3)
    pulses = np.concatenate([pulses for _, pulses in found if len(pulses)] or [np.empty(0, _pulse_layout(0, 3))])
    if len(pulses) > PULSE_LIMIT:
        raise archive.error(f"{len(pulses)} pulses; the limit is {PULSE_LIMIT}")
    counts = np.array([len(pulses) for _, pulses in found], np.int64)
    return Series(om, counts, pulses["time"].astype("<f8"), pulses["charge"], pulses["width"], pulses["flags"])


def _read_pulses(archive: Archive) -> NDArray[np.void]:
    archive.enter("vector of I3RecoPulse")
    n = archive.count(0)
    tracking, version = archive.describe("I3RecoPulse") if n else (0, 3)
    if version not in _PULSE_VERSIONS:
        raise archive.error(f"I3RecoPulse of version {version}; understood: 2, 3")
    return archive.array(_pulse_layout(tracking, version), n)


def _pulse_layout(tracking: int, version: int) -> np.dtype[np.void]:
    """Return the layout of an I3RecoPulse, the number of a tracked object included."""
    number = [("number", "<u4")] if tracking else []
    time = ("time", "<f8" if version == 3 else "<f4")
    return np.dtype([*number, time, ("charge", "<f4"), ("width", "<f4"), ("flags", "u1")])


def _masked(parent: Series, archive: Archive) -> Series:
    """Read the bits of a mask and apply them: one per module, then one per pulse of the chosen modules."""
    modules = _read_bits(archive)
    archive.enter("vector of bitmask")
    bits = [_read_bits(archive) for _ in archive.items(_BITS.size)]
    if len(modules) != len(parent.om) or len(bits) != modules.sum():
        raise archive.error(f"a mask of {len(modules)} modules, {len(bits)} of them set, for {len(parent.om)} modules")
    if [len(item) for item in bits] != parent.counts[modules].tolist():
        raise archive.error("a mask whose bits are not as many as the pulses")
    keep = np.repeat(modules, parent.counts)
    keep[keep] = np.concatenate([*bits, np.empty(0, bool)])
    return parent[keep]


def _read_bits(archive: Archive) -> NDArray[np.bool_]:
    archive.enter("bitmask")
    size, padding = archive.unpack(_BITS)
    if padding > 8 * size:
        raise archive.error(f"a mask of {size} bytes of which {padding} bits are unused")
    return np.unpackbits(archive.array("u1", size), count=8 * size - padding, bitorder="little").view(bool)
