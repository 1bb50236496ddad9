"""A map in its store as others read it over HTTP: its committed rows and its tiling, found without listing folders."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from itertools import product
from typing import Any

import zarr

from skymist.store import tiling
from skymist.store.place import Place
from skymist.store.tiling import METADATA

_NODE = rf"((?:{tiling.GROUP}/)?[a-z][a-z0-9_]*)"
_CHUNK = re.compile(rf"{_NODE}/(c(?:/[0-9]{{1,9}}){{1,3}})")
_ARRAY = re.compile(rf"{_NODE}/zarr\.json")


def read(kept: Place, key: str) -> bytes | None:
    """Return what a key of the store holds, None if there is nothing.

    Parameters
    ----------
    kept : Place
        The store.
    key : str
        ``zarr.json``, ``NAME/zarr.json`` or ``NAME/c/0``, also below ``tiling/``; nothing else is a key, so none leads
        out of the store.
    """
    if key == METADATA:
        return json.dumps(metadata(kept)).encode()
    if array := _ARRAY.fullmatch(key):
        found = metadata(kept)["consolidated_metadata"]["metadata"].get(array[1])
        return None if found is None else json.dumps(found).encode()
    return _chunk(kept, key) if _CHUNK.fullmatch(key) else None


def metadata(kept: Place) -> dict[str, Any]:
    """Return the metadata of the map, all its columns and its tiling in one, with as many rows as are committed."""
    group = zarr.open_group(kept.zarr_store(), mode="r")
    attributes = dict(group.attrs)
    columns = {name: _column(kept, name, int(str(attributes["rows"]))) for name in sorted(group.array_keys())}
    whole = {"kind": "inline", "must_understand": False, "metadata": {**columns, **tiling.nodes(kept)}}
    return {"zarr_format": 3, "node_type": "group", "attributes": attributes, "consolidated_metadata": whole}


def archive(kept: Place) -> bytes:
    """Return the map as a zip file, which ``xarray.open_zarr`` reads."""
    content, found = io.BytesIO(), metadata(kept)
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as file:
        file.writestr(METADATA, json.dumps(found))
        for name, node in found["consolidated_metadata"]["metadata"].items():
            file.writestr(f"{name}/{METADATA}", json.dumps(node))
            for key in _keys(name, node) if node["node_type"] == "array" else ():
                if (chunk := _chunk(kept, key)) is not None:
                    file.writestr(key, chunk)
    return content.getvalue()


def _column(kept: Place, name: str, rows: int) -> dict[str, Any]:
    column: dict[str, Any] = json.loads((kept / name / METADATA).read_bytes())
    return {**column, "shape": [min(rows, column["shape"][0]), *column["shape"][1:]]}


def _keys(name: str, column: dict[str, Any]) -> Iterator[str]:
    """Yield the keys of the chunks of a column."""
    chunks = column["chunk_grid"]["configuration"]["chunk_shape"]
    counts = (-(-length // size) for length, size in zip(column["shape"], chunks, strict=True))
    for index in product(*map(range, counts)):
        yield "/".join((name, "c", *map(str, index)))


def _chunk(kept: Place, key: str) -> bytes | None:
    where = kept
    for part in key.split("/"):
        where = where / part
    return where.read_bytes() if where.exists() else None
