"""The table format's CSV files: text to a header and columns, and back."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skymist.errors import ReadError
from skymist.readers.series import PULSE_LIMIT
from skymist.readers.source import MIB, parse_json

_HEADER_LIMIT = MIB
_JSON = ("{", "[", '"')


def read_csv(data: bytes, columns: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the header, and those of the `columns` that there are, of a CSV file."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReadError(f"not UTF-8: {error.reason}", offset=error.start) from error
    if text.count("\n") > PULSE_LIMIT:
        raise ReadError(f"{text.count(chr(10))} lines; the limit is {PULSE_LIMIT}")
    lines = [line.strip() for line in text.split("\n")]
    start = next((i for i, line in enumerate(lines) if line[:1] != "#"), len(lines))
    if sum(map(len, lines[:start])) > _HEADER_LIMIT:
        raise ReadError(f"a header of more than {_HEADER_LIMIT} characters")
    header = dict(_header_line(line) for line in lines[:start] if "=" in line)
    names = [name.strip() for name in lines[start].split(",")] if start < len(lines) else []
    there = [name for name in columns if name in names]
    rows = [line for line in lines[start + 1 :] if line]
    if not (rows and there):
        return header, {name: np.empty(0) for name in there}
    try:
        table = np.loadtxt(rows, delimiter=",", comments=None, usecols=[names.index(name) for name in there], ndmin=2)
    except ValueError as error:
        raise ReadError(f"not a table of numbers: {error} (rows count from line {start + 2})", offset=start) from error
    return header, dict(zip(there, table.T, strict=True))


def write_csv(header: Mapping[str, Any], columns: Mapping[str, NDArray[Any]], path: Path) -> None:
    """Write a header and columns so that every number can be read back exactly."""
    lines = [f"# {key} = {_header_text(item)}" for key, item in header.items()] + [",".join(columns)]
    rows = zip(*(_texts(column) for column in columns.values()), strict=True)
    path.write_text("\n".join([*lines, *map(",".join, rows)]) + "\n", "utf-8")


def _header_line(line: str) -> tuple[str, Any]:
    key, value = (part.strip() for part in line.lstrip("#").split("=", 1))
    return key, parse_json(value, f"header {key}") if value.startswith(_JSON) else value


def _header_text(item: object) -> str:
    plain = str(item)
    if isinstance(item, int) or (plain.isprintable() and plain == plain.strip() and not plain.startswith(_JSON)):
        return plain
    return json.dumps(item)


def _texts(column: NDArray[Any]) -> list[str]:
    """Return numbers as the shortest text or, for single precision, the 9 digits that identify them."""
    if column.dtype == np.float32:
        return [f"{value:.9g}" for value in column.tolist()]
    return [repr(value) for value in (column.astype(int) if column.dtype == bool else column).tolist()]
