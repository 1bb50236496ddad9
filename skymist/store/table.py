"""Growing tables in a group of their own beside the columns of a map; the number of rows is written last."""

import errno
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import zarr

from skymist.model.columns import Columns
from skymist.store.place import Place

CHUNK = 4096

Table = TypeVar("Table", bound=Columns)


def open_table(kept: Place, name: str, kind: type[Columns], dim: str, attributes: Mapping[str, Any]) -> zarr.Group:
    """Return the group of that name; one without a number of rows was cut off while it was made, and is made again.

    Parameters
    ----------
    kept : Place
        The store of a sky map.
    name : str
    kind : type
        Of the rows: one-dimensional columns.
    dim : str
        Name of their dimension.
    attributes : mapping
        Kept beside the rows when they are begun.
    """
    if (kept / name / "zarr.json").exists():
        found = zarr.open_group(kept.zarr_store(), path=name, mode="r+")
        if "rows" in found.attrs:
            return found
    (kept / name).remove()
    group = zarr.open_group(kept.zarr_store(), path=name, mode="w", attributes=dict(attributes))
    for column, (dtype, *_) in kind.LAYOUT.items():
        group.create_array(column, shape=(0,), chunks=(CHUNK,), dtype=np.dtype(dtype), dimension_names=[dim])
    group.attrs["rows"] = 0
    return group


def read_table(group: zarr.Group, kind: type[Table]) -> Table:
    """Return its rows."""
    rows = int(str(group.attrs["rows"]))
    return kind(*(np.asarray(array_of(group, name)[:rows]) for name in kind.LAYOUT))


def fill_table(group: zarr.Group, first: int, rows: Columns) -> None:
    """Write rows from the place `first` on; their number is left to the caller, and it may be repeated."""
    last = first + len(rows)
    for name in rows.LAYOUT if len(rows) else ():
        array = array_of(group, name)
        array.resize((last,))
        array[first:last] = getattr(rows, name)


def array_of(group: zarr.Group, name: str) -> "zarr.Array[Any]":
    """Return the array of that name."""
    try:
        array = group[name]
    except KeyError:
        raise FileNotFoundError(errno.ENOENT, f"its column {name} is gone") from None
    assert isinstance(array, zarr.Array)
    return array
