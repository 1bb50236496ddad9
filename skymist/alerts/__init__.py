"""Alerts of others: bytes to revisions, one file for each format they come in.

Read are the JSON notices of GCN's topic for single neutrinos, VOEvents and classic text notices of IceCube's streams,
the table of gold and bronze alerts that GCN keeps, and the catalog IceCat-1; content tells which of them it is. A
search for tracks in coincidence with gravitational waves (`skymist.alerts.lvk_search`) is known, and tells of no alert.
What makes a notice useless (no run, no event, no time, or words that do not tell whether it is real) is a `ReadError`;
what only cannot be right is left out or kept, and noted among the doubts of the revision.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from skymist.alerts import amon_table, icecat
from skymist.alerts.lvk_search import is_search
from skymist.alerts.notice_json import SIZE_LIMIT, SIZE_LIMIT_WITH_MAP, read_json
from skymist.alerts.notice_text import is_notice, read_text
from skymist.alerts.voevent import read_voevent
from skymist.errors import ReadError
from skymist.model.alert import Revision

__all__ = ["read_revisions", "read_table", "split"]

_TABLES = amon_table, icecat
_HEADER_LINES, _HEADER_SIZE = 100, 4000
_KNOWN = "a JSON, VOEvent or text notice of IceCube, GCN's table of gold and bronze alerts, or IceCat-1"


def read_revisions(content: bytes, source: str = "") -> tuple[Revision, ...]:
    """Return what a notice says, or what all rows of a table say, in the order of the file.

    Parameters
    ----------
    content : bytes
    source : str
        Where it came from, for errors.

    Raises
    ------
    ReadError
        If it is nothing that is known, or if it or a row of it cannot be read; names the source and, where that helps,
        the byte (JSON) or the line.
    """
    found: list[Revision] = []
    for each in read_table(content, source):
        if isinstance(each, ReadError):
            raise each
        found.append(each)
    return tuple(found)


def read_table(content: bytes, source: str = "") -> Iterator[Revision | ReadError]:
    """Return, row by row, what a table says or why it cannot be read: a bad row does not lose the others.

    A notice is taken for a table of one row.
    """
    table = _table_in(content)
    if table is None and is_search(content):
        return  # it tells of no alert
    if table is None or not table.rows:
        yield _told(partial(_read_notice, content, table), source)
        return
    for line, text in table.rows:
        yield _told(partial(table.read, text), source, line)


def split(content: bytes, source: str = "") -> Iterator[bytes]:
    """Return messages of one revision each, that can be kept, refused and read again alone.

    Those of a table are in the order of the times of the events (what cannot be read comes last), so that alerts
    which are named as they come in are named in the order of events.
    """
    table = _table_in(content)
    if table is None or not table.rows:
        yield content
        return
    read = zip(table.rows, read_table(content, source), strict=True)
    for (_, text), _ in sorted(read, key=lambda pair: _order(pair[1])):
        yield f"{table.header}\n{text}\n".encode(errors="surrogateescape")


@dataclass(frozen=True)
class _Table:
    """A table: how a row of it is read, the line with the names of its columns, and the rows with their lines."""

    read: Callable[[str], Revision]
    header: str
    rows: list[tuple[int, str]]


def _table_in(content: bytes) -> _Table | None:
    """Return the table that content is, if it is one."""
    if len(content) > SIZE_LIMIT_WITH_MAP or content.lstrip()[:1] in (b"{", b"<"):
        return None
    # Bytes that are no UTF-8 harm only the row they are in.
    lines = [line.rstrip("\r") for line in content.decode("utf-8-sig", "surrogateescape").split("\n")]
    for number, header in enumerate((line[:_HEADER_SIZE] for line in lines[:_HEADER_LINES]), 1):
        for table in _TABLES:
            if table.is_header(header):
                read = partial(table.read_row, columns=table.columns_in(header))
                rows = enumerate(lines[number:], number + 1)
                return _Table(read, header, [(line, text) for line, text in rows if text.strip() and text[0] != "#"])
    return None


def _read_notice(content: bytes, table: _Table | None) -> Revision:
    """Return what a notice says; a table is here only if it has no rows."""
    if table is not None:
        raise ReadError("a table without rows")
    head = content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    limit = SIZE_LIMIT if head == b"<" or is_notice(content) else SIZE_LIMIT_WITH_MAP
    if len(content) > limit:
        raise ReadError(f"{len(content)} bytes; the limit is {limit}")
    if head in (b"{", b"<"):
        return read_json(content) if head == b"{" else read_voevent(content)
    if is_notice(content):
        return read_text(content)
    raise ReadError(f"neither {_KNOWN}" if head else "it is empty")


def _told(read: Callable[[], Revision], source: str, line: int | None = None) -> Revision | ReadError:
    """Return what `read` returns, or its error with the place."""
    try:
        return read()
    except ReadError as error:
        return ReadError(error.reason, source, error.offset if line is None else line)


def _order(each: Revision | ReadError) -> tuple[bool, int, int, int, int]:
    if isinstance(each, ReadError):
        return True, 0, 0, 0, 0
    return False, int(each.time.astype("int64")), each.run, each.event, each.number or 0
