"""All records as lines of canonical JSON, one file a table, and back into an empty database.

A row is a line: its columns by name, keys sorted, times in ISO 8601 with ``Z``. Instead of bytes it has their SHA-256,
under which they are kept. Where a map or file is differs from site to site: its ``url`` is written as the path that it
has within the archive. Rows stand in the order of their keys. So equal records are equal bytes, whatever kind of
database they are in and in whatever order they came.

Some tables stay behind: ``tokens``, which are secrets, ``streams`` and ``runners``, which say where this site's own
reading and computing stand, and ``scratches``, which are what people have typed and not said yet.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from alembic import command
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    JSON,
    ColumnElement,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    and_,
    bindparam,
    cast,
    false,
    func,
    or_,
    select,
)
from sqlalchemy.exc import OperationalError, StatementError
from sqlalchemy.orm import Session

from skymist.errors import ConflictError, ReadError, RequestError, StoreError, UnknownNameError
from skymist.model import alert as model
from skymist.records.database import MIGRATIONS, Database, migrate
from skymist.records.mend import LeftOut, mend
from skymist.records.tables import Alert, Base, Scan, ScanState

KEPT_BACK = "tokens", "streams", "runners", "scratches"
"""Tables that are not archived."""

PLACED = "artifacts", "imported_maps"
"""Tables whose ``url`` says where something is kept."""

SUBJECTS = {
    "alert": "alerts", "event": "events", "scan": "scans", "input": "inputs", "identity": "identities",
    "circular": "publications", "notice": "publications",
}  # fmt: skip
"""The tables of what the log tells of."""

ROWS, CONTENTS = 1000, 16
"""How many rows are in memory at a time, and how many with bytes in them."""

Chosen = Mapping[str, ColumnElement[bool]] | None
"""By table, which rows belong to a selection; None if all do."""

Contents = Callable[[list[str]], Iterable[bytes | None]]
"""Returns bytes, given the SHA-256 of each; None for what is not there."""

_NO_ROW = (
    ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, StatementError, RequestError,
)  # fmt: skip
"""What comes of a line that is no row of its table, whatever else it is."""


def _time(value: datetime) -> str:
    known = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)  # SQLite forgets zones
    return known.isoformat().replace("+00:00", "Z")


_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_time).encode


@dataclass(frozen=True)
class Placed:
    """Something that is kept outside of the database.

    Attributes
    ----------
    url : str
        Where it is.
    path : str
        Where it is within an archive: ``maps/FOLDER/NAME.zarr`` or ``files/FOLDER/NAME``.
    sha256 : str
        Of a file; of a map, of its content.
    """

    url: str
    path: str
    sha256: str


def archived() -> list[Table]:
    """Return the tables that are archived, those first that others refer to."""
    return [table for table in Base.metadata.sorted_tables if table.name not in KEPT_BACK]


@contextmanager
def one_state(database: Database) -> Iterator[Session]:
    """Yield a session that sees one state of the database, however long it reads."""
    with database.read() as session:
        if session.get_bind().dialect.name == "postgresql":  # which otherwise shows the latest state to each query
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        yield session


def choose(session: Session, alert_ids: Collection[int] | None) -> Chosen:
    """Return which rows belong to some alerts: theirs, those of what belongs to them, their inputs and their log.

    Parameters
    ----------
    session : Session
    alert_ids : collection of int, or None
        None for everything there is, also what belongs to no alert.

    Raises
    ------
    UnknownNameError
        If there is no alert of such a number.
    """
    if alert_ids is None:
        return None
    wanted = among(Alert.id, alert_ids)
    if unknown := set(alert_ids) - set(session.scalars(select(Alert.id).where(wanted))):
        known = session.scalars(select(Alert.id).order_by(Alert.id.desc()).limit(5))
        raise UnknownNameError("alert number", str(min(unknown)), map(str, known))
    return _closure({"alerts": wanted})


def among(column: Any, numbers: Collection[int]) -> ColumnElement[bool]:
    """Return whether a column is one of some numbers; they may be more than a database takes as parameters."""
    given: Any = bindparam("numbers", sorted(set(numbers)), unique=True, expanding=True, literal_execute=True)
    condition: ColumnElement[bool] = column.in_(given)
    return condition


def _closure(chosen: dict[str, ColumnElement[bool]]) -> Chosen:
    """Follow references from the alerts down; inputs are not owned but shared, and found from those who need them."""
    tables = {table.name: table for table in archived()}
    for name, table in tables.items():
        if name not in (*chosen, "inputs", "log"):
            owners = [key for key in table.foreign_keys if key.column.table.name in chosen]
            chosen[name] = or_(false(), *(key.parent.in_(_keys(key.column.table, chosen)) for key in owners))
    needed = [key.parent for table in tables.values() for key in table.foreign_keys if key.references(tables["inputs"])]
    chosen["inputs"] = or_(*(tables["inputs"].c.id.in_(select(each).where(chosen[each.table.name])) for each in needed))
    log = tables["log"].c
    told = ((kind, _keys(tables[name], chosen, as_text=True)) for kind, name in SUBJECTS.items())
    chosen["log"] = or_(*(and_(log.subject == kind, log.subject_id.in_(keys)) for kind, keys in told))
    return chosen


def _keys(table: Table, chosen: Mapping[str, ColumnElement[bool]], *, as_text: bool = False) -> Any:
    (key,) = table.primary_key.columns
    return select(cast(key, String) if as_text else key).where(chosen[table.name])


def lines(
    session: Session, table: Table, chosen: Chosen = None, take: Callable[[str, bytes], None] = lambda *_: None
) -> Iterator[bytes]:
    """Yield the rows of a table, each a line.

    Parameters
    ----------
    session : Session
        Of `one_state`, if several tables are to fit each other.
    table : Table
    chosen : mapping, optional
        See `choose`.
    take : callable
        Is given each bytes value in turn, and its SHA-256 before it.
    """
    contents = _in_bytes(table)
    for row in session.execute(
        _query(session, table, chosen), execution_options={"yield_per": CONTENTS if contents else ROWS}
    ).mappings():
        values = dict(row)
        for name in contents:
            content, values[name] = values[name], hashlib.sha256(values[name]).hexdigest()
            take(values[name], content)
        if table.name in PLACED:
            values["url"] = path_within(values["url"])
        yield _encode(values).encode() + b"\n"


def _query(session: Session, table: Table, chosen: Chosen) -> Any:
    """Ask for rows in the order of their keys: of bytes, not of a language, which PostgreSQL would take."""
    plain = session.get_bind().dialect.name != "postgresql"
    keys = (key if plain or not isinstance(key.type, String) else key.collate("C") for key in table.primary_key.columns)
    query = select(table).order_by(*keys)
    return query if chosen is None else query.where(chosen[table.name])


def path_within(url: str) -> str:
    """Return where in an archive that is which a site has at some path or URL.

    Examples
    --------
    >>> path_within("s3://maps/scans/observation/137840_57034692.bowl.0123456789ab.zarr")
    'maps/observation/137840_57034692.bowl.0123456789ab.zarr'
    """
    parts = [part for part in url.split("/") if part not in ("", ".", "..")][-2:]
    return "/".join(("maps" if url.endswith(".zarr") else "files", *parts))


def placed(session: Session, chosen: Chosen = None) -> list[Placed]:
    """Return what is kept outside: imported maps, and the maps and files of scans that are complete."""
    found = []
    for table in (each for each in archived() if each.name in PLACED):
        query = select(table.c.url, table.c.sha256).order_by(*table.primary_key.columns)
        query = query if chosen is None else query.where(chosen[table.name])
        if "scan_id" in table.c:
            query = query.join(Scan, Scan.id == table.c.scan_id).where(Scan.state == ScanState.COMPLETE)
        found += [Placed(url, path_within(url), sha256) for url, sha256 in session.execute(query)]
    return found


def content_hash(session: Session, alert_ids: Collection[int] | None = None) -> str:
    """Return the SHA-256 of all archived records, or of those that belong to some alerts.

    It is the same in whatever kind of database they are, in whatever order they came, and wherever the maps are.
    """
    chosen = choose(session, alert_ids)
    return combined({table.name: _sum(lines(session, table, chosen)) for table in archived()})


def combined(sums: Mapping[str, str]) -> str:
    """Return the one hash of records, given that of each table's lines."""
    return hashlib.sha256("".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()).hexdigest()


def _sum(pieces: Iterable[bytes]) -> str:
    sha = hashlib.sha256()
    for piece in pieces:
        sha.update(piece)
    return sha.hexdigest()


def check_empty(database: Database, version: str) -> None:
    """Raise an error unless records of a version of the tables can be brought into a database.

    Raises
    ------
    RequestError
        If this skymist does not know the version, or that of the database.
    ConflictError
        If the database holds anything.
    """
    known = versions()
    for each in (version, _version_of(database)):
        if each not in (None, *known):
            raise RequestError(f"tables of version {each} are unknown to this skymist: {', '.join(reversed(known))}")
    if _is_new(database):
        return
    found = MetaData()
    with database.read() as session:
        found.reflect(session.connection())
        for table in found.sorted_tables:
            if table.name != "alembic_version" and session.execute(select(table).limit(1)).first() is not None:
                raise ConflictError(f"{database} is not empty ({table.name}); records go into an empty database only")


def load(
    database: Database,
    version: str,
    records: Mapping[str, Iterable[bytes]],
    contents: Contents,
    url: Callable[[str], str],
    expected: str = "",
    then: Callable[[Session], object] = lambda _: None,
    left_out: LeftOut | None = None,
) -> tuple[dict[str, int], str]:
    """Bring records into an empty database and its tables to this version, all at once or nothing.

    Parameters
    ----------
    database : Database
    version : str
        Of the tables of the records.
    records : mapping of str to iterable of bytes
        The lines of each table.
    contents : callable
        Returns the bytes with some SHA-256 each.
    url : callable
        Returns where that is now which has a path in the archive.
    expected : str
        What `content_hash` said of them; not looked at if empty.
    then : callable
        Done with the records of this version before anybody else sees them.
    left_out : callable, optional
        Is told of each line that is no row, in words, and so of rows that need it; without, there must be none.

    Returns
    -------
    rows : dict of str to int
        How many each table has then, also those that older versions do not have.
    content_hash : str
        Of all of them, as they are in tables of this version.

    Raises
    ------
    RequestError, ConflictError
        See `check_empty`.
    ReadError
        If a line is no row of its table, or there are tables that are not archived, or rows that this version of the
        tables cannot be made of.
    StoreError
        If the database does not give back what was brought into it.
    """
    check_empty(database, version)
    database.make_folder()
    with database.begin() as session:
        _go_to(session, version)
        found = MetaData()
        found.reflect(session.connection())
        if unknown := records.keys() - (found.tables.keys() - {*KEPT_BACK, "alembic_version"}):
            raise ReadError(f"{min(unknown)} is no table of version {version} that is archived", "records")
        tables = [table for table in found.sorted_tables if table.name in records]
        filling = _Filling(session, contents, url, left_out)
        for table in tables:
            filling.fill(table, records[table.name])
        if expected and combined({table.name: _sum(lines(session, table)) for table in tables}) != expected:
            raise StoreError(f"{database} does not give back the records that were brought into it")
        if version != versions()[0]:
            _upgrade(session, version)
        if left_out is not None:
            mend(session, left_out)
            session.flush()
        counts = {table.name: _count(session, table) for table in archived()}
        came = content_hash(session)
        then(session)
    return counts, came


def _count(session: Session, table: Table) -> int:
    return session.scalar(select(func.count()).select_from(table)) or 0


def _upgrade(session: Session, version: str) -> None:
    """Bring the tables to this version within the transaction of a session: all of it counts, or nothing."""
    try:
        migrate(session.connection(), command.upgrade, "head")
    except OperationalError:  # the database is away
        raise
    except _NO_ROW as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise ReadError(f"those of version {version} cannot be brought to this one: {reason}", "records") from None


def versions() -> list[str]:
    """Return all versions of the tables, the newest first."""
    return [each.revision for each in ScriptDirectory(MIGRATIONS).walk_revisions()]


def _is_new(database: Database) -> bool:
    """Return whether it is a file that will be made, with its folder."""
    return database.engine.dialect.name == "sqlite" and not Path(database.engine.url.database or "").exists()


def _version_of(database: Database) -> str | None:
    return None if _is_new(database) else database.version()


def _go_to(session: Session, version: str) -> None:
    """Make the tables of a version, or go back to them: there is nothing in them that could be lost."""
    connection, known = session.connection(), versions()
    found = MigrationContext.configure(connection).get_current_revision()
    newer = found is not None and known.index(found) < known.index(version)
    migrate(connection, command.downgrade if newer else command.upgrade, version)


class _Filling:
    """Puts lines into tables; see `load` for what it is given."""

    def __init__(
        self, session: Session, contents: Contents, url: Callable[[str], str], left_out: LeftOut | None
    ) -> None:
        self.session, self.contents, self.url, self.left_out = session, contents, url, left_out

    def fill(self, table: Table, lines: Iterable[bytes]) -> None:
        """Insert rows, and have the numbers of later ones go on after them."""
        first, remaining = 1, iter(lines)
        for column in table.columns:
            if isinstance(column.type, JSON):
                column.type.none_as_null = True
        while batch := list(islice(remaining, CONTENTS if _in_bytes(table) else ROWS)):
            self._insert(table, batch, first)
            first += len(batch)
        _go_on(self.session, table)

    def _insert(self, table: Table, batch: list[bytes], first: int, without: Iterable[str] = ()) -> bool:
        """Insert lines, and return whether all came in.

        `first` is the number of the first one; `without` are columns that stay empty.
        """
        try:
            with self.session.begin_nested():
                self.session.execute(table.insert(), self._rows(table, batch, without))
            return True
        except OperationalError:  # the database is away
            raise
        except _NO_ROW as error:
            reason = str(getattr(error, "orig", error)).partition("\n")[0]
        where = f"records/{table.name}.jsonl, line"
        if self.left_out is None:
            last = first + len(batch) - 1
            raise ReadError(f"no rows for this database: {reason}", f"{where}s {first} to {last}")
        if len(batch) > 1:  # those of them that can be inserted are found by halves
            half = len(batch) // 2
            came = self._insert(table, batch[:half], first), self._insert(table, batch[half:], first + half)
            return all(came)
        if without:
            return False
        needs = [key.parent for key in table.foreign_keys if key.column.table.name == "inputs"]
        spare = [column.name for column in needs if column.nullable]
        if spare and self._insert(table, batch, first, spare):
            self.left_out(f"{where} {first}: comes without its message: {reason}")
            return True
        self.left_out(f"{where} {first}: left out: {reason}")
        return False

    def _rows(self, table: Table, batch: list[bytes], without: Iterable[str]) -> list[dict[str, Any]]:
        rows = [_row(line, table, self.url) | dict.fromkeys(without) for line in batch]
        if self.left_out is not None and table.name == "revisions":
            for row in rows:
                _check_revision(row)
        for name in _in_bytes(table):
            for row, content in zip(rows, self.contents([row[name] for row in rows]), strict=True):
                row[name] = _checked(row[name], content)
        return rows


def _in_bytes(table: Table) -> list[str]:
    return [column.name for column in table.columns if isinstance(column.type, LargeBinary)]


def _checked(sha256: str, content: bytes | None) -> bytes:
    """Return what has a SHA-256, if it has."""
    if content is None or hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"the message {sha256!r} is not there, or another one")
    return content


def _check_revision(row: Mapping[str, Any]) -> None:
    """Raise an error unless the id of a revision is that of its content, as it is in all versions of the tables."""
    if model.Revision.from_dict(row["content"]).id != row["id"]:
        raise ValueError(f"the revision {row['id']!r} is another one")


def _row(line: bytes, table: Table, url: Callable[[str], str]) -> dict[str, Any]:
    """Return a row as the database takes it, but for bytes."""
    row: dict[str, Any] = json.loads(line)
    if row.keys() != (names := set(table.columns.keys())):
        raise ValueError(f"the columns are {', '.join(sorted(row))}, and should be {', '.join(sorted(names))}")
    if table.name == "inputs" and row["id"] != row["content"]:
        raise ValueError(f"the message {row['id']!r} is another one")
    for column in table.columns:
        if isinstance(column.type, DateTime) and row[column.name] is not None:
            row[column.name] = datetime.fromisoformat(row[column.name])
    if table.name in PLACED:
        row["url"] = url(row["url"])
    return row


def _go_on(session: Session, table: Table) -> None:
    """Have PostgreSQL count on from the highest number; SQLite does so by itself."""
    keys = list(table.primary_key.columns)
    if session.get_bind().dialect.name == "postgresql" and len(keys) == 1 and isinstance(keys[0].type, Integer):
        highest = session.scalar(select(func.max(keys[0])))
        if highest is not None:
            session.execute(select(func.setval(func.pg_get_serial_sequence(table.name, keys[0].name), highest)))
