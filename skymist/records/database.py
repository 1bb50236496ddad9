"""Open a database, bring its tables to this version, and change it in transactions."""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from threading import Event, Lock
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import Session

from skymist.errors import RequestError, StoreError

BUSY_S = 30.0
"""Seconds for which a transaction waits for another one to end."""

_log = logging.getLogger(__name__)

MIGRATIONS = str(Path(__file__).parent / "migrations")


class Database:
    """A SQL database of records.

    Parameters
    ----------
    url : str
        ``sqlite:///FILE`` or ``postgresql://USER@HOST/NAME``; a password belongs into libpq's own places
        (``~/.pgpass``, ``PGPASSFILE``), not into what others may read. A bare path is a SQLite file.

    Raises
    ------
    RequestError
        If the URL is none of these.
    """

    def __init__(self, url: str) -> None:
        self.url = _url(url)
        is_file = self.url.startswith("sqlite")  # which is never away, as a server may be
        try:
            self.engine = create_engine(self.url, pool_pre_ping=not is_file, pool_size=20, max_overflow=20)
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise RequestError(f"{self}: no database can be opened: {error}") from None
        self._turn: AbstractContextManager[Any] = nullcontext()
        if is_file:
            self._turn = Lock()  # its one writer is waited for by looking again and again, where some look for ever
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)

    def __str__(self) -> str:
        return make_url(self.url).render_as_string(hide_password=True)

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """Yield a session whose changes all take effect at the end, or none if something is raised."""
        with self._turn, self._telling(), Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Yield a session that sees one state of the database and changes nothing; it waits for no writer."""
        quiet = self.engine.execution_options(skymist_read=True)
        with self._telling(), Session(quiet, expire_on_commit=False) as session:
            yield session

    def upgrade(self, revision: str = "head") -> None:
        """Bring the tables to this version, step by step; existing records are kept."""
        self._migrate(command.upgrade, revision)

    def downgrade(self, revision: str) -> None:
        """Go back to the tables of an earlier version (``base``: none); what only newer ones hold is lost."""
        self._migrate(command.downgrade, revision)

    def check(self) -> str:
        """Return the version of the tables, which is that of this skymist.

        Raises
        ------
        StoreError
            If there are none, or they are older or newer.
        """
        found, wanted = self.version(), _newest()
        if found != wanted:
            raise StoreError(f"{self} has tables of version {found}, this is {wanted}: run skymist db upgrade")
        return wanted

    def version(self) -> str | None:
        """Return the version of the tables, None if there are none."""
        with self._telling(), self.engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    def make_folder(self) -> None:
        """Make the folder of a file in which there is nothing yet."""
        if self.engine.dialect.name == "sqlite" and (file := make_url(self.url).database):
            Path(file).parent.mkdir(parents=True, exist_ok=True)

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()

    def _migrate(self, step: Any, revision: str) -> None:
        self.make_folder()
        with self._telling(), self.engine.begin() as connection:
            migrate(connection, step, revision)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Tell in words what is wrong with the database."""
        try:
            yield
        except (OperationalError, sqlite3.OperationalError) as error:
            reason = str(error.orig if isinstance(error, DBAPIError) else error).strip().splitlines()[0]
            raise StoreError(f"{self}: {reason}") from error


def migrate(connection: Connection, step: Callable[[Config, str], object], revision: str) -> None:
    """Bring tables to a version within the transaction of a connection, so that all of it counts or nothing.

    Parameters
    ----------
    connection : Connection
    step : callable
        Alembic's upgrade or downgrade.
    revision : str
    """
    config = Config()
    config.set_main_option("script_location", MIGRATIONS)
    config.attributes["connection"] = connection
    step(config, revision)


def patiently(step: Callable[[], object], stop: Event) -> None:
    """Do a step; while the database is away, try it again.

    Parameters
    ----------
    step : callable
        Whose transactions take effect as a whole or not at all.
    stop : threading.Event
        Gives up once it is set.
    """
    while True:
        try:
            step()
            return
        except StoreError as error:
            _log.warning("%s; trying again", error)
            if stop.wait(1.0):
                return


@cache
def _newest() -> str:
    """Return the version of the newest migration."""
    return str(ScriptDirectory(MIGRATIONS).get_current_head())


def _url(text: str) -> str:
    if "://" not in text:
        return f"sqlite:///{Path(text).absolute()}"
    scheme, rest = text.split("://", 1)
    if scheme in ("postgresql", "postgres"):
        return f"postgresql+psycopg://{rest}"
    if scheme == "postgresql+psycopg" or (scheme == "sqlite" and rest.startswith("/") and rest != "/"):
        return text
    raise RequestError(f"{scheme}:// is no database: there are sqlite:///FILE and postgresql://USER@HOST/NAME")


def _prepare_sqlite(connection: sqlite3.Connection, _: Any) -> None:
    """WAL lets readers read while one writes; every committed transaction is on disk."""
    connection.isolation_level = None  # the driver would begin transactions too late
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_S * 1000:.0f}"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """Take the lock of writers at once, as one that is taken later cannot be waited for."""
    reading = connection.get_execution_options().get("skymist_read", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
