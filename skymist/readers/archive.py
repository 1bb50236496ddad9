"""Portable binary archive: how IceCube's framework stores an object.

Little-endian Boost serialization, as in icecube/icetray-public (BSD-2-Clause): a class is
described by (tracking, version) where one of its objects appears for the first time in an archive,
and every object of a tracked class is preceded by a number.
"""

from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from skymist.errors import ReadError

U8, U32, U64 = Struct("<B"), Struct("<I"), Struct("<Q")
I32, I64 = Struct("<i"), Struct("<q")
_POINTER = Struct("<BBh")
_ESCAPE = 0xFFFFFFFF
_SIZE_LIMIT = 16 << 20
_ITEM_LIMIT = 100_000


class Archive:
    """A cursor over the bytes of one object, which knows the classes it has met.

    Every method moves the cursor and raises `ReadError` with its position where the bytes end or
    make no sense; a count is believed only if the bytes that remain can hold it.
    """

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0
        self._classes: dict[str, tuple[int, int]] = {}

    def error(self, reason: str) -> ReadError:
        """Return a `ReadError` for the present position."""
        return ReadError(reason, offset=self.at)

    def skip(self, size: int) -> int:
        """Move on by `size` bytes; return the position before."""
        start = self.at
        if size > len(self.data) - start:
            raise self.error(f"truncated: {size} bytes announced, {len(self.data) - start} remain")
        self.at += size
        return start

    def unpack(self, layout: Struct) -> tuple[Any, ...]:
        """Return the values of a fixed layout."""
        return layout.unpack_from(self.data, self.skip(layout.size))

    def number(self, layout: Struct) -> int:
        """Return one integer."""
        return int(self.unpack(layout)[0])

    def count(self, size: int) -> int:
        """Return the length of a collection whose items have at least `size` bytes each."""
        n = self.number(U32)
        if n == _ESCAPE:
            n = self.number(U64)
        if n * size > len(self.data) - self.at:
            raise self.error(f"{n} items announced, {len(self.data) - self.at} bytes remain")
        return n

    def items(self, size: int) -> range:
        """Return a range over the items, read one by one, of a collection."""
        n = self.count(size)
        if n > _ITEM_LIMIT:
            raise self.error(f"{n} items; the limit is {_ITEM_LIMIT}")
        return range(n)

    def string(self) -> str:
        """Return a string."""
        size = self.count(1)
        start = self.skip(size)
        return self.data[start : self.at].decode("utf-8", "replace")

    def array(self, dtype: DTypeLike, n: int) -> NDArray[Any]:
        """Return `n` packed items, without a copy."""
        layout = np.dtype(dtype)
        return np.frombuffer(self.data, layout, n, self.skip(n * layout.itemsize))

    def describe(self, name: str) -> tuple[int, int]:
        """Return (tracking, version) of a class, reading it where the class is new."""
        if name not in self._classes:
            tracking, version = self.number(U8), self.number(U8)
            self._classes[name] = tracking, self.number(U64) if version == 0xFF else version
        return self._classes[name]

    def enter(self, name: str, versions: range = range(1)) -> int:
        """Begin an object of a class, of one of the `versions` that are understood; return which."""
        tracking, version = self.describe(name)
        if version not in versions:
            raise self.error(f"{name} of version {version}; understood: {', '.join(map(str, versions))}")
        if tracking:
            self.skip(U32.size)
        return version

    def frame_object(self) -> None:
        """Read the (empty) base class of everything that is put into a frame."""
        self.enter("I3FrameObject")


def open_archive(data: bytes) -> tuple[Archive, str]:
    """Return an archive in front of its only object, and the name of that object's class."""
    archive = Archive(data)
    if len(data) > _SIZE_LIMIT:
        raise archive.error(f"an object of {len(data)} bytes; the limit is {_SIZE_LIMIT}")
    _, _, class_id = archive.unpack(_POINTER)
    if class_id < 0:
        raise archive.error("no object")
    return archive, archive.string()
