"""The catalog of alerts as a table: CSV, ECSV, VOTable or Parquet."""

import csv
from collections.abc import Callable, Mapping, Sequence
from io import StringIO

from astropy.table import Table

from skymist.errors import UnknownNameError
from skymist.fair.entry import COLUMNS, Column, Entry, Type, Values, texts, values_of
from skymist.fair.parquet import arrow_table, parquet_bytes
from skymist.fair.votable import cone_votable, error_votable, write_votable

__all__ = ["COLUMNS", "TABLES", "Column", "Entry", "Type", "cone_votable", "error_votable", "write_table"]

TABLES = {
    "csv": ("text/csv; charset=utf-8", ".csv"),
    "ecsv": ("text/x-ecsv; charset=utf-8", ".ecsv"),
    "votable": ("application/x-votable+xml", ".vot"),
    "parquet": ("application/vnd.apache.parquet", ".parquet"),
}
"""Media type and ending of each kind of table."""

_ECSV_TYPES = {Type.WHOLE: "int64", Type.NUMBER: "float64", Type.FLAG: "bool"}


def write_table(entries: Sequence[Entry], kind: str, about: Mapping[str, str]) -> bytes:
    """Return the catalog as a table of some kind.

    Reading it gives what was written: a number that is none stays apart from one that is not known. (In CSV and ECSV
    both an empty text and an unknown number are an empty cell; VOTables do not tell an empty text from none.)

    Parameters
    ----------
    entries : sequence of Entry
    kind : str
        One of `TABLES`.
    about : mapping of str to str
        What is said of the whole; CSV has no place for it. Names are those of IVOA's note on data origin
        (https://www.ivoa.net/documents/DataOrigin): ``publisher``, ``rights``, ``rights_uri``, ``ivoid``, ``citation``,
        ``query``, ``request_date``, ``server_software``, ``reference_url`` (of the landing page) ...; and ``title``
        and ``description``.

    Raises
    ------
    UnknownNameError
        If there is no such kind.
    """
    writers: dict[str, Callable[[Values], bytes]] = {
        "csv": lambda values: _csv(values).encode(),
        "ecsv": lambda values: _ecsv(values, about).encode(),
        "votable": lambda values: write_votable(COLUMNS, values, about),
        "parquet": lambda values: parquet_bytes(arrow_table(COLUMNS, values, about)),
    }
    if kind not in writers:
        raise UnknownNameError("kind of table", kind, writers)
    return writers[kind](values_of(entries))


def _csv(values: Values) -> str:
    return ",".join(each.name for each in COLUMNS) + "\n" + _rows(values)


def _ecsv(values: Values, about: Mapping[str, str]) -> str:
    """Return the table as ECSV 1.0 (APE 6); astropy writes what is above the rows, which takes it long."""
    empty = Table(
        names=[each.name for each in COLUMNS],
        dtype=[_ECSV_TYPES.get(each.type, "str") for each in COLUMNS],
        units=[each.unit or None for each in COLUMNS],
        descriptions=[each.description for each in COLUMNS],
        meta={key: value for key, value in about.items() if value},
    )
    for column in COLUMNS:
        empty[column.name].meta["ucd"] = column.ucd
    text = StringIO()
    empty.write(text, format="ascii.ecsv", delimiter=",")
    return text.getvalue() + _rows(values)


def _rows(values: Values) -> str:
    text = StringIO()
    cells = (texts(each.type, values[each.name]) for each in COLUMNS)
    csv.writer(text, lineterminator="\n").writerows(zip(*cells, strict=True))
    return text.getvalue()
