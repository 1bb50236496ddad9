"""NumPy's ``.npz`` files: a zip of arrays, read in bounded memory and without pickle."""

import io
import math
import struct
import tokenize
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skymist.errors import ReadError
from skymist.readers.source import MIB, Stream

Arrays = dict[str, NDArray[Any]]

ARRAYS_LIMIT = 256 * MIB
"""Of all arrays that are read together."""

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others are decompressed without a bound
_NO_ZIP = (zipfile.BadZipFile, OSError, RuntimeError, ValueError, OverflowError, struct.error)
_NO_ARRAY = (ValueError, TypeError, KeyError, SyntaxError, tokenize.TokenError, RecursionError, MemoryError)


def read_npz(path: Path, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> Arrays:
    """Return those arrays of a file that are asked for; the others are not even decompressed.

    Raises
    ------
    ReadError
        If a required one is missing, if they are too large, or if the file is corrupt.
    """
    try:
        with _Frugal(path) as file, zipfile.ZipFile(file) as archive:
            there = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            missing = [name for name in required if name not in there]
            if missing:
                raise ReadError(f"it lacks {', '.join(missing)}")
            wanted = {name: there[name] for name in (*required, *optional) if name in there}
            _check(wanted)
            return {name: _array(_content(archive, info, name), name) for name, info in wanted.items()}
    except _NO_ZIP as error:
        raise ReadError(f"not a zip of arrays that can be read: {str(error)[:200]}") from error


class _Frugal(io.BufferedReader):
    """A file that gives a mebibyte at a time: a zip directory that needs more would fill the memory."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(MIB + 1 if size is None or size < 0 else min(size, MIB + 1))
        if len(data) > MIB:
            raise ReadError(f"its directory is larger than {MIB} bytes")
        return data


def _check(wanted: dict[str, zipfile.ZipInfo]) -> None:
    """Refuse what would need much memory before anything is decompressed."""
    size = sum(info.file_size for info in wanted.values())
    if size > ARRAYS_LIMIT:
        raise ReadError(f"{size} bytes when decompressed; the limit is {ARRAYS_LIMIT}")
    for name, info in wanted.items():
        if info.compress_type not in _METHODS:
            raise ReadError(f"compressed by method {info.compress_type}; understood: stored, deflated", name)


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> bytes:
    """Return the bytes of a member; never more than the directory says, whatever is in it."""
    with archive.open(info) as member:
        return Stream(member, name).exactly(info.file_size)


def _array(data: bytes, name: str) -> NDArray[Any]:
    """Return the array of a ``.npy`` file, whose header must tell exactly the bytes that follow."""
    file = io.BytesIO(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a header in the style of an old NumPy
            old = np.lib.format.read_magic(file) == (1, 0)
            header = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
            shape, by_column, dtype = header(file)
        if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(data) - file.tell():
            raise ValueError(f"{dtype} of shape {shape} does not describe the {len(data)} bytes that there are")
        return np.frombuffer(data, dtype, offset=file.tell()).reshape(shape, order="F" if by_column else "C")
    except _NO_ARRAY as error:
        raise ReadError(f"not an array of numbers: {str(error)[:200]}", name) from error
