"""Parquet, with what its columns are in the metadata of its fields and as the VO tells it.

Reference: Taylor et al. 2025, Parquet in the VO (VOParquet 1.0), https://www.ivoa.net/documents/Notes/VOParquet
"""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from skymist.fair.entry import Column, Type, Values
from skymist.fair.votable import describe

_TYPES = {
    Type.TEXT: pa.string(),
    Type.TIME: pa.timestamp("ns", tz="UTC"),
    Type.WHOLE: pa.int64(),
    Type.NUMBER: pa.float64(),
    Type.FLAG: pa.bool_(),
}


def arrow_table(columns: Sequence[Column], values: Values, about: Mapping[str, str]) -> pa.Table:
    """Return columns, with their description, as Arrow has them; see `skymist.fair.catalog.write_table`."""
    fields = [pa.field(each.name, _TYPES[each.type], metadata=_told(each)) for each in columns]
    votable = {
        "IVOA.VOTable-Parquet.version": "1.0",
        "IVOA.VOTable-Parquet.content": describe(columns, values, about),
    }
    schema = pa.schema(fields, metadata={**{key: value for key, value in about.items() if value}, **votable})
    return pa.table([_array(each.type, values[each.name]) for each in columns], schema=schema)


def parquet_bytes(table: pa.Table) -> bytes:
    """Return the file of a table."""
    content = BytesIO()
    pq.write_table(table, content, compression="zstd")
    return content.getvalue()


def _told(column: Column) -> dict[str, str]:
    told = {"unit": column.unit, "ucd": column.ucd, "description": column.description}
    return {key: value for key, value in told.items() if value}


def _array(kind: Type, values: Any) -> pa.Array:
    if kind is Type.TIME:
        values = np.array([each.removesuffix("Z") or "NaT" for each in values], "datetime64[ns]")
    return pa.array(values, _TYPES[kind])
