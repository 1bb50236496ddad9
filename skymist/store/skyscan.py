"""Results as Skymap Scanner writes them, JSON and NPZ, of maps of ours and of its own; see `peer_scans` for the way in.

A map of ours has no ``E_tot``; a result that was imported lost it. Whoever wants a result of Skymap Scanner as it was
reads its levels (`peer_scans.read_json`, `peer_scans.read_npz`) and writes these: they hold all that is in the file,
but for how JSON is laid out, which is a `Layout`.
"""

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from healpix_geo import ring
from numpy.typing import NDArray

from skymist.errors import RequestError
from skymist.model import sky
from skymist.store.peer_scans import NAN, Level
from skymist.store.place import Given, write_bytes

_PIXEL = "index"
_VERSION = 1  # of theirs that goes with theta = pi/2 - dec
_KINDS = {bool: "?", int: "<i8", float: "<f8"}


class Layout(NamedTuple):
    """How a document in JSON is laid out; the default is what Skymap Scanner writes.

    Attributes
    ----------
    before, after : str
        White space around it.
    indent : int or None
        Of each step; None is all in one line.
    nan : str or None
        What stands for NaN: the token ``NaN``, which JSON does not have, `peer_scans.NAN`, or None for ``null``.
    """

    before: str = ""
    after: str = ""
    indent: int | None = 4
    nan: str | None = "NaN"


def write_json(skymap: xr.Dataset, path: Given) -> Given:
    """Write a map as a result in JSON.

    Parameters
    ----------
    skymap : xarray.Dataset
        Every row is written, failed ones with NaN.
    path : path, URL or Place

    Returns
    -------
    path, URL or Place
        `path`.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    return write_bytes(path, to_json(levels_of(skymap)))


def write_npz(skymap: xr.Dataset, path: Given) -> Given:
    """Write a map as a result in NPZ; all else as for `write_json`."""
    return write_bytes(path, to_npz(levels_of(skymap)))


def levels_of(skymap: xr.Dataset) -> list[Level]:
    """Return the rows of a map as Skymap Scanner has them, from coarse to fine, pixels in RING order.

    Theta is pi/2 - dec. Our energy stands in ``E_in``, and in ``E_tot``, which we do not have, as well.
    """
    uniq = skymap["uniq"].to_numpy()
    nside = sky.nside_of(uniq)
    said = _metadata(skymap.attrs)
    return [_level(skymap, np.flatnonzero(nside == each), int(each), said) for each in np.unique(nside)]


def to_json(levels: Sequence[Level], layout: Layout | None = None) -> bytes:
    """Return a document of levels: byte for byte that which they were read from, if it had the same layout.

    Numbers are written with the fewest digits that tell them from others, as Python does.
    """
    layout = layout or Layout()
    document = {f"nside-{level.nside}": _table(level, layout.nan) for level in levels}
    text = json.dumps(document, indent=layout.indent)
    return f"{layout.before}{text}{layout.after}".encode()


def layout_of(content: bytes) -> Layout:
    """Return how a document that `peer_scans.read_json` reads is laid out, as far as a `Layout` can tell."""
    text = content.decode()
    bare = text.strip()
    start = text.index(bare)
    second = bare.splitlines()[1] if "\n" in bare else None
    indent = None if second is None else len(second) - len(second.lstrip())
    nan = NAN if f'"{NAN}"' in bare else "NaN" if "NaN" in bare else None if "null" in bare else "NaN"
    return Layout(text[:start], text[start + len(bare) :], indent, nan)


def to_npz(levels: Sequence[Level]) -> bytes:
    """Return a zip of one array a level and, if they have metadata, one named ``header``; without pickle.

    Names, types and values are those of the file that they were read from; the same levels give the same bytes.

    Raises
    ------
    RequestError
        If the metadata are no table: other names in another level, or values that are not numbers or words.
    """
    arrays = {f"nside-{level.nside}": _array(level) for level in levels}
    if any(level.metadata for level in levels):
        arrays = {"header": _header([level.metadata for level in levels]), **arrays}
    content = BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    return content.getvalue()


def _metadata(attributes: Mapping[str, Any]) -> dict[str, Any]:
    event = attributes["event"]
    return {
        "complete": bool(attributes["complete"]),
        "run_id": int(event["run"]),
        "event_id": int(event["event"]),
        "event_type": str(event["kind"]),
        "mjd": float(event["mjd"]),
        "is_real_event": not event["simulated"],
        "version": _VERSION,
    }


def _level(skymap: xr.Dataset, rows: NDArray[np.int64], nside: int, said: Mapping[str, Any]) -> Level:
    ra, dec = sky.centers(skymap["uniq"].to_numpy()[rows])
    order = nside.bit_length() - 1
    index = ring.lonlat_to_healpix(np.degrees(ra), np.degrees(dec), order, num_threads=1).astype(float)
    rows, index = rows[np.argsort(index)], np.sort(index)
    x, y, z = skymap["vertex"].to_numpy()[rows].T.astype(float)
    energy = skymap["energy"].to_numpy()[rows].astype(float)
    llh, time = (skymap[name].to_numpy()[rows].astype(float) for name in ("nllh", "time"))
    columns = {_PIXEL: index, "llh": llh, "E_in": energy, "E_tot": energy, "X": x, "Y": y, "Z": z, "T": time}
    return Level(nside, columns, {"nside": nside, **said})


def _table(level: Level, nan: str | None) -> dict[str, Any]:
    columns = [_values(name, values, nan) for name, values in level.columns.items()]
    rows = [list(row) for row in zip(*columns, strict=True)]
    table = {"columns": list(level.columns), "data": rows}
    return {**table, "metadata": dict(level.metadata)} if level.metadata else table


def _values(name: str, values: NDArray[np.float64], nan: str | None) -> list[Any]:
    found: list[Any] = (values.astype(np.int64) if name == _PIXEL else values).tolist()
    return found if nan == "NaN" else [nan if value != value else value for value in found]


def _array(level: Level) -> NDArray[np.void]:
    types = [(name, "<i8" if name == _PIXEL else "<f8") for name in level.columns]
    found = np.empty(level.columns[_PIXEL].size, types)
    for name, values in level.columns.items():
        found[name] = values
    return found


def _header(rows: Sequence[Mapping[str, Any]]) -> NDArray[np.void]:
    names = list(rows[0])
    for row in rows:
        if list(row) != names:
            raise RequestError(f"NPZ has one header for all levels: {', '.join(row)} are not {', '.join(names)}")
    types = [(name, _type(name, [row[name] for row in rows])) for name in names]
    return np.array([tuple(row.values()) for row in rows], types)


def _type(name: str, values: Sequence[Any]) -> str:
    (kind, *others) = {type(value) for value in values}
    if kind is str and not others:
        return f"<U{max(1, *(len(value) for value in values))}"
    if others or kind not in _KINDS:
        raise RequestError(f"NPZ holds numbers and words: {name} is {str(values[0])[:40]!r}")
    return _KINDS[kind]
