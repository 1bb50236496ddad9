"""Results of Skymap Scanner: for each resolution a table of pixels in RING order, as JSON or as NPZ.

Columns are ``index``, ``llh`` = -ln L, ``E_in`` and ``E_tot`` (GeV), in newer ones also the vertex ``X``, ``Y``, ``Z``
(m) and its time ``T`` (ns). Our energy is what was lost in the instrumented volume: ``E_in``. (``E_tot`` counts losses
outside, too, which no module saw.) JSON has each table with its metadata under ``nside-N``; NPZ has an array of that
name, and the metadata as rows of an array ``header``, if at all.
"""

import json
import re
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from healpix_geo import ring
from numpy.typing import NDArray

from skymist.errors import ReadError
from skymist.model import sky
from skymist.model.reconstruction import Fit, Status
from skymist.model.sky import Floats, Ints

LIMIT = 128 * 2**20
"""Bytes of a file when it is decompressed."""
MAX_NSIDE = 2**16
"""Cells of a thousandth of a degree: no neutrino is known that well."""
NAN = "<skyreader.nan>"
"""How NaN is written where it has to be JSON to the letter."""

_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # the others are decompressed without a bound
_NO_ARRAYS = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, TypeError, LookupError, RuntimeError,
              ArithmeticError, SyntaxError, MemoryError)  # fmt: skip
_EVENT = {"run_id": "run", "event_id": "event", "event_type": "kind", "mjd": "mjd", "is_real_event": "real"}
_TRUTH = {"True": True, "1": True, "1.0": True, "False": False, "0": False, "0.0": False}
_LARGEST = 3e38  # of what single precision holds


@dataclass(frozen=True)
class Level:
    """The pixels of one resolution.

    Attributes
    ----------
    nside : int
    columns : mapping
        (n,) float64 by name, ``index`` and ``llh`` among them.
    metadata : mapping
        What the file says of them.
    """

    nside: int
    columns: Mapping[str, Floats]
    metadata: Mapping[str, Any]

    def cells(self, *, mirrored: bool) -> Ints:
        """Return the cells of the pixels, theta being pi/2 - dec, or pi/2 + dec if `mirrored`."""
        index = self.columns["index"].astype(np.uint64)
        ra, dec = np.radians(ring.healpix_to_lonlat(index, self.nside.bit_length() - 1, num_threads=1))
        return sky.cell_at(self.nside, ra, -dec if mirrored else dec)


def read_json(content: bytes) -> list[Level]:
    """Read a result in JSON, in which NaN may be a token, ``null`` or `NAN`.

    Raises
    ------
    ReadError
        If it is none.
    """
    try:
        document = json.loads(content, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise ReadError(f"not JSON: {error.msg}", offset=error.pos) from error
    except (ValueError, RecursionError) as error:
        raise ReadError(f"not JSON: {error}") from error
    return [_from_json(name, table) for name, table in document.items()]


def read_npz(content: bytes) -> list[Level]:
    """Read a result in NPZ, without pickle.

    Raises
    ------
    ReadError
        If it is none.
    """
    arrays = _arrays(content)
    header = arrays.pop("header", None)
    said = {} if header is None else {f"nside-{row.get('nside')}": row for row in _rows(header)}
    return [_from_array(name, array, said.get(name, {})) for name, array in arrays.items()]


def fit_of(levels: Sequence[Level]) -> Fit:
    """Return the pixels of all levels as a fit; those without a finite likelihood have failed."""

    def column(name: str) -> Floats:
        values = np.concatenate([each.columns.get(name, np.full_like(each.columns["llh"], np.nan)) for each in levels])
        return np.where(np.abs(values) < _LARGEST, values, np.nan)

    nllh, energy = column("llh"), column("E_in").astype(np.float32)
    vertex = np.stack([column(axis) for axis in "XYZ"], axis=1, dtype=np.float32, casting="same_kind")
    return Fit(nllh, energy, column("T"), vertex, np.where(np.isnan(nllh), Status.FAILED, Status.OK))


def event_of(levels: Sequence[Level]) -> dict[str, Any]:
    """Return what the metadata say of the event; keys as in a map's ``event``.

    Raises
    ------
    ReadError
        If they contradict each other, or do not say clearly whether the event is real.
    """
    found: dict[str, Any] = {}
    for level in levels:
        said = {key: level.metadata.get(name) for name, key in _EVENT.items()}
        for key, value in said.items():
            if value is None or value == NAN or value != value:
                continue
            if found.setdefault(key, value) != value:
                raise ReadError(f"the metadata of its levels contradict each other: {found[key]!r} and {value!r}")
    real = {"simulated": not truth("is_real_event", found.pop("real"))} if "real" in found else {}
    return {**found, **real}


def truth(key: str, value: Any) -> bool:
    """Return what a boolean says, also as a number or in Python's words; ReadError if it is anything else."""
    if (said := _TRUTH.get(str(value))) is None:
        raise ReadError(f"{key} {str(value)[:40]!r} is neither True nor False")
    return said


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ReadError("not JSON of a result: a name stands twice in one object")
    return found


def _from_json(name: str, table: Any) -> Level:
    table = table if isinstance(table, dict) else {}
    columns, rows, metadata = table.get("columns"), table.get("data"), table.get("metadata", {})
    if not (isinstance(columns, list) and isinstance(rows, list) and isinstance(metadata, dict)):
        raise ReadError("not a table of columns, data and metadata", name)
    names = [str(column) for column in columns]
    if len(set(names)) != len(names):
        raise ReadError("a column stands in it twice", name)
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            raise ReadError(f"not {len(names)} values", f"{name}, row {number}")
    values = np.array([[_number(value, name) for value in row] for row in rows], float).reshape(len(rows), len(names))
    return _level(name, dict(zip(names, values.T, strict=True)), metadata)


def _number(value: Any, name: str) -> float:
    if value is None or value == NAN:
        return np.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ReadError(f"{str(value)[:40]!r} is not a number", name)
    try:
        return float(value)
    except OverflowError:
        raise ReadError("a number is too large", name) from None


def _arrays(content: bytes) -> dict[str, NDArray[Any]]:
    """Return all arrays of a zip; never more bytes than the limit."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            members = archive.infolist()
        if sum(member.file_size for member in members) > LIMIT:
            raise ReadError(f"more than {LIMIT} bytes when decompressed")
        if not {member.compress_type for member in members} <= _METHODS:
            raise ReadError("compressed by a method other than deflate")
        with warnings.catch_warnings(action="ignore"), np.load(BytesIO(content), allow_pickle=False) as arrays:
            return {name: np.asarray(arrays[name]) for name in arrays}
    except _NO_ARRAYS as error:
        raise ReadError(f"not a zip of arrays: {str(error)[:200]}") from error


def _rows(header: NDArray[Any]) -> list[dict[str, Any]]:
    names = header.dtype.names
    if names is None or header.ndim != 1:
        raise ReadError("not a table", "header")
    return [dict(zip(names, row, strict=True)) for row in header.tolist()]


def _from_array(name: str, array: NDArray[Any], metadata: Mapping[str, Any]) -> Level:
    fields = {field: array[field] for field in array.dtype.names or ()}
    if any(values.ndim != 1 or values.dtype.kind not in "iuf" for values in fields.values()):
        raise ReadError("not a table of numbers", name)
    return _level(name, {field: values.astype(float) for field, values in fields.items()}, metadata)


def _level(name: str, columns: Mapping[str, Floats], metadata: Mapping[str, Any]) -> Level:
    """Return a level, all pixels of which exist, and none twice."""
    number = re.fullmatch(r"nside-(\d{1,9})", name)
    nside = int(number[1]) if number else 0
    if not 1 <= nside <= MAX_NSIDE or nside & (nside - 1):
        raise ReadError(f"not called nside-N, N being a power of two up to {MAX_NSIDE}", name)
    if metadata.get("nside", nside) != nside:
        raise ReadError(f"its metadata say nside {metadata['nside']}", name)
    missing = [column for column in ("index", "llh") if column not in columns]
    if missing:
        raise ReadError(f"it lacks the column {' and '.join(missing)}", name)
    index = columns["index"]
    if not np.all((index >= 0) & (index < 12 * nside**2) & (index == np.floor(index))):
        raise ReadError(f"an index is not a whole number below {12 * nside**2}", name)
    if np.unique(index).size != index.size:
        raise ReadError("a pixel stands in it twice", name)
    return Level(nside, columns, metadata)
