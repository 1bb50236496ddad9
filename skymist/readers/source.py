"""Sources: open what may be hostile, in bounded memory and time."""

import bz2
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from skymist.errors import ReadError
from skymist.model.event import Event

MIB = 1 << 20
FILE_LIMIT = 16 * MIB
"""What is read as a whole may be no larger than this, also after decompression."""

_EXPANSION, _ALLOWANCE = 50, 64 * MIB
_CHUNK = 64 << 10


@dataclass(frozen=True)
class Format:
    """One kind of source; registered by name in the entry-point group ``skymist.readers``.

    Attributes
    ----------
    sniff : callable (head: bytes, name: str) -> bool
        Whether a source with these first bytes (decompressed) and this file name is of this kind.
    read : callable (path: Path, pulses: str or None) -> iterator of Event
        The events of a source, lazily; raises `ReadError`, or `UnknownNameError` for a pulse set.
    """

    sniff: Callable[[bytes, str], bool]
    read: Callable[[Path, str | None], Iterator[Event]]


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Stream:
    """Bytes read forward, whose every failure is a `ReadError` with the position.

    Positions count decompressed bytes; what has more than `limit` of them is refused.
    """

    def __init__(self, raw: _Readable, name: str, limit: int | None = None) -> None:
        self.name = name
        self._raw, self._limit = raw, limit
        self._chunk, self._next, self._passed = b"", 0, 0

    @property
    def at(self) -> int:
        """The position: how many bytes have been read."""
        return self._passed + self._next

    def error(self, reason: str) -> ReadError:
        """Return a `ReadError` for the present position."""
        return ReadError(reason, self.name, self.at)

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; fewer only where the source ends."""
        parts = []
        while size and (self._next < len(self._chunk) or self._refill()):
            part = self._chunk[self._next : self._next + size]
            self._next += len(part)
            parts.append(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def exactly(self, size: int) -> bytes:
        """Return `size` bytes or raise if the source ends before."""
        data = self.read(size)
        if len(data) != size:
            raise self.error(f"truncated: {size - len(data)} of {size} bytes are missing")
        return data

    def _refill(self) -> bool:
        self._passed, self._next, self._chunk = self._passed + len(self._chunk), 0, b""
        try:
            self._chunk = self._raw.read(_CHUNK)
        except (OSError, EOFError, zlib.error) as error:
            raise self.error(f"cannot be read or decompressed: {error}") from error
        if self._limit is not None and self._passed + len(self._chunk) > self._limit:
            raise self.error(f"larger than the limit of {self._limit} bytes")
        return bool(self._chunk)


@contextmanager
def open_stream(path: Path) -> Iterator[Stream]:
    """Open a file; gzip, bzip2 and Zstandard are recognised by their first bytes and undone.

    What is compressed may grow to 50 times its size and 64 MiB: compressed detector data grow by
    less than 20, a bomb by more than 1000.
    """
    with _open(path) as file:
        size, magic = path.stat().st_size, file.read(4)
        file.seek(0)
        limit = _ALLOWANCE + _EXPANSION * size
        if magic[:2] == b"\x1f\x8b":
            yield Stream(gzip.GzipFile(fileobj=file), str(path), limit)
        elif magic[:3] == b"BZh":
            yield Stream(bz2.BZ2File(file), str(path), limit)
        elif magic == b"\x28\xb5\x2f\xfd":
            yield Stream(_Zstandard(file), str(path), limit)
        else:
            yield Stream(file, str(path))


def read_all(path: Path, limit: int = FILE_LIMIT) -> bytes:
    """Return the (decompressed) content of a file of at most `limit` bytes."""
    with open_stream(path) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise ReadError(f"larger than the limit of {limit} bytes", str(path))
    if not data:
        raise ReadError("the file is empty", str(path))
    return data


def head(path: Path, size: int = 4096) -> bytes:
    """Return the first (decompressed) bytes of a file; nothing if they cannot be decompressed."""
    with open_stream(path) as stream:
        try:
            return stream.read(size)
        except ReadError:
            return b""


def inflate(data: bytes, limit: int) -> bytes:
    """Undo zlib, up to `limit` bytes.

    Raises
    ------
    ReadError
        If `data` are not one complete zlib stream, or if they are larger when decompressed.
    """
    engine = zlib.decompressobj()
    try:
        out = engine.decompress(data, limit)
    except zlib.error as error:
        raise ReadError(f"not zlib: {error}") from error
    if not engine.eof:
        raise ReadError("zlib data truncated, or larger than the limit when decompressed", offset=len(out))
    return out


def parse_json(text: str | bytes, name: str = "") -> Any:
    """Return what JSON holds; where it is malformed or nested too deeply, an error tells of `name`."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ReadError(f"not JSON: {error.msg}", name, error.pos) from error
    except UnicodeDecodeError as error:
        raise ReadError(f"not UTF-8: {error.reason}", name, error.start) from error
    except RecursionError as error:
        raise ReadError("JSON nested too deeply", name) from error
    except ValueError as error:
        raise ReadError(f"not JSON: {error}", name) from error


def _open(path: Path) -> BinaryIO:
    try:
        if not path.is_file():
            raise ReadError("not a file" if path.exists() else "no such file", str(path))
        return path.open("rb")
    except (OSError, ValueError) as error:
        raise ReadError(f"cannot be opened: {error}", str(path)) from error


class _Zstandard:
    """Zstandard frames in a row, with errors that are an OSError; imports its library when needed."""

    def __init__(self, file: BinaryIO) -> None:
        import zstandard

        self._error = zstandard.ZstdError
        engine = zstandard.ZstdDecompressor(max_window_size=128 * MIB)
        self._reader = cast("io.RawIOBase", engine.stream_reader(file, read_across_frames=True))

    def read(self, size: int, /) -> bytes:
        try:
            return self._reader.read(size) or b""
        except self._error as error:
            raise OSError(str(error)) from error
