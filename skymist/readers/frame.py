"""I3Frame: named objects of one stream; an .i3 file is a row of them.

Layout of versions 5 and 6 after icecube/icetray-public, icetray/private/icetray/I3Frame.cxx
(BSD-2-Clause): they differ in the checksum only.
"""

from binascii import crc_hqx
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import google_crc32c

from skymist.errors import ReadError
from skymist.readers.archive import U8, U32, U64, open_archive
from skymist.readers.source import MIB, Stream

FRAME_LIMIT = 128 * MIB
_OBJECT_LIMIT = 10_000
_TAG = b"[i3]"
_ESCAPE = 0xFFFFFFFF
DAQ, PHYSICS = "Q", "P"


@dataclass(frozen=True)
class Frame:
    """The objects of a frame, as bytes by name.

    Attributes
    ----------
    stream : str
        One letter: G(eometry), C(alibration), D(etector status), Q (DAQ), P(hysics), ...
    objects : mapping of str to bytes
        Archives; empty for streams that hold no events.
    size : int
        How many objects were read for it.
    """

    stream: str
    objects: Mapping[str, bytes]
    size: int

    def class_of(self, name: str) -> str:
        """Return the name of an object's class, or nothing if it is no archive of an object."""
        try:
            return open_archive(self.objects[name])[1]
        except ReadError:
            return ""


def read_frame(stream: Stream) -> Frame | None:
    """Read the next frame, verifying its checksum; None at the end of the stream.

    Raises
    ------
    ReadError
        If there are bytes that are no frame, or not the frame that was written.
    """
    tag = stream.read(len(_TAG))
    if not tag:
        return None
    if tag != _TAG:
        raise stream.error("no frame: it does not begin with [i3]")
    version = U32.unpack(stream.exactly(U32.size))[0]
    if version not in (5, 6):
        raise stream.error(f"frame of version {version}; understood: 5, 6")
    stream.exactly(2 * U8.size)
    body = _Body(stream, version)
    letter = body.take(U8.size).decode("latin-1")
    objects = dict(_objects(body))
    body.verify()
    return Frame(letter, objects if letter in (DAQ, PHYSICS) else {}, len(objects))


def read_frames(stream: Stream) -> Iterator[Frame]:
    """Yield all frames, the physics frames with the objects of the DAQ frame in front of them."""
    inherited: Mapping[str, bytes] = {}
    while (frame := read_frame(stream)) is not None:
        if frame.stream == DAQ:
            inherited = frame.objects
        if frame.stream == PHYSICS:
            frame = replace(frame, objects={**inherited, **frame.objects})
        yield frame


class _Body:
    """The part of a frame that the checksum covers."""

    def __init__(self, stream: Stream, version: int) -> None:
        self._stream, self._version = stream, version
        self._checksum = 0 if version == 6 else 0xFFFF
        self._left = FRAME_LIMIT

    def take(self, size: int) -> bytes:
        self._left -= size
        if self._left < 0:
            raise self._stream.error(f"the frame is larger than the limit of {FRAME_LIMIT} bytes")
        data = self._stream.exactly(size)
        self._checksum = _checksum(self._version, self._checksum, data)
        return data

    def count(self) -> int:
        n = int(U32.unpack(self.take(U32.size))[0])
        if n > _OBJECT_LIMIT:
            raise self._stream.error(f"a frame of {n} objects; the limit is {_OBJECT_LIMIT}")
        return n

    def counted(self) -> bytes:
        """Return bytes preceded by their number, which is escaped where it exceeds 32 bits."""
        size = U32.unpack(self._stream.exactly(U32.size))[0]
        if size == _ESCAPE:
            size = U64.unpack(self._stream.exactly(U64.size))[0]
        written = U32.pack(size & _ESCAPE)
        self._checksum = _checksum(self._version, self._checksum, written)
        return self.take(size)

    def name(self) -> str:
        return self.counted().decode("utf-8", "replace")

    def verify(self) -> None:
        stored = U32.unpack(self._stream.exactly(U32.size))[0]
        if stored != self._checksum:
            raise self._stream.error(f"checksum {stored:#010x} stored, {self._checksum:#010x} computed")


def _objects(body: _Body) -> Iterator[tuple[str, bytes]]:
    for _ in range(body.count()):
        name = body.name()
        body.counted()  # the C++ type, which is spelled differently by each compiler
        yield name, body.counted()


def _checksum(version: int, value: int, data: bytes) -> int:
    """Continue CRC-32C from 0 without a final inversion (version 6), or CRC-16-CCITT (version 5)."""
    if version == 6:
        return int(google_crc32c.extend(value ^ _ESCAPE, data)) ^ _ESCAPE
    return crc_hqx(data, value)
