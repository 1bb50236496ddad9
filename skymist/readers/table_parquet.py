"""The table format's Parquet files: a header and columns, and back."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skymist.errors import ReadError
from skymist.readers.series import PULSE_LIMIT
from skymist.readers.source import MIB, parse_json

_CODECS = ("UNCOMPRESSED", "SNAPPY")  # which cannot grow by more than about 20
_TYPES = {"bool", "float", "double"} | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
_CHUNK_LIMIT, _UNCOMPRESSED_LIMIT = 10_000, 64 * MIB


def read_parquet(data: bytes, columns: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the header, and those of the `columns` that there are, of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(pa.BufferReader(data)) as file:
            header = (file.metadata.metadata or {}).get(b"skymist", b"{}")
            there = [name for name in columns if name in file.schema_arrow.names]
            _check(file.metadata, file.schema_arrow, there)
            table = file.read(there, use_threads=False)
            return parse_json(header, "header skymist"), {name: _numbers(table.column(name), name) for name in there}
    except (pa.ArrowException, OSError, ValueError, KeyError, MemoryError) as error:
        raise ReadError(f"not a Parquet file that can be read: {str(error)[:200]}") from error


def write_parquet(header: Mapping[str, Any], columns: Mapping[str, NDArray[Any]], path: Path) -> None:
    """Write a header and columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: np.ascontiguousarray(column) for name, column in columns.items()})
    pq.write_table(table.replace_schema_metadata({"skymist": json.dumps(header)}), path, compression="snappy")


def _check(metadata: Any, schema: Any, columns: list[str]) -> None:
    """Refuse what would need much memory, or is no number, before anything is decompressed."""
    if metadata.num_rows > PULSE_LIMIT or metadata.num_row_groups * metadata.num_columns > _CHUNK_LIMIT:
        raise ReadError(f"{metadata.num_rows} rows in {metadata.num_row_groups} groups; the limit is {PULSE_LIMIT}")
    chunks = [
        metadata.row_group(group).column(column)
        for group in range(metadata.num_row_groups)
        for column in range(metadata.num_columns)
    ]
    codecs = {chunk.compression for chunk in chunks} - set(_CODECS)
    if codecs:
        raise ReadError(f"compressed by {', '.join(codecs)}; understood: {', '.join(_CODECS)}")
    size = sum(chunk.total_uncompressed_size for chunk in chunks)
    if size > _UNCOMPRESSED_LIMIT:
        raise ReadError(f"{size} bytes when decompressed; the limit is {_UNCOMPRESSED_LIMIT}")
    for name in columns:
        if str(schema.field(name).type) not in _TYPES:
            raise ReadError(f"column {name} is of type {schema.field(name).type}, which is no number")


def _numbers(column: Any, name: str) -> NDArray[Any]:
    if column.null_count:
        raise ReadError(f"column {name} has {column.null_count} nulls")
    return np.asarray(column.to_numpy())
