"""``skymist db``: the database of records; here is also how the other commands come to it."""

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from skymist.cli import text
from skymist.errors import RequestError, StoreError

if TYPE_CHECKING:
    from skymist.records import Database

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")


def own_database() -> str:
    """Return where a user's own records are by default."""
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return str(Path(home, "skymist", "records.sqlite"))


database_option = partial(
    click.option, "--database", metavar="URL", default=own_database, envvar="SKYMIST_DATABASE", show_envvar=True,
    show_default="~/.local/share/skymist/records.sqlite",
    help="Records: sqlite:///FILE (or just the file) or postgresql://USER@HOST/NAME.",
)  # fmt: skip


def connect(url: str) -> "Database":
    """Return a database of whatever version, also one that is yet to be made.

    Raises
    ------
    RequestError
        If the URL is no database's.
    """
    from skymist.records import Database

    return Database(url)


@contextmanager
def opened(url: str) -> "Iterator[Database]":
    """Yield a database whose tables are of this version, and close it.

    Raises
    ------
    StoreError
        If there is none, or its tables are of another version: ``skymist db upgrade`` mends both.
    """
    database = connect(url)
    try:
        _require(database)
        database.check()
        yield database
    finally:
        database.close()


def user() -> str:
    """Return who is at the command line, for the log."""
    return f"command line: {getpass.getuser()}"


@click.group()
def db() -> None:
    """Make the database of records, bring it to this version or back to an earlier one."""


@db.command()
@database_option()
@json_option
def upgrade(database: str, as_json: bool) -> None:
    """Make the tables, or bring them to this version; existing records are kept."""
    with _of_any_version(database) as records:
        before = _version(records)
        records.upgrade()
        _tell(records, before, as_json)


@db.command()
@click.argument("revision")
@database_option()
@json_option
def downgrade(revision: str, database: str, as_json: bool) -> None:
    """Go back to the tables of an earlier REVISION (base: none at all); what only newer ones hold is lost."""
    with _of_any_version(database) as records:
        from alembic.util import CommandError

        _require(records)
        before = records.version()
        try:
            records.downgrade(revision)
        except CommandError as error:
            raise RequestError(f"{records}: {error}") from None
        _tell(records, before, as_json)


@db.command()
@database_option()
@json_option
def version(database: str, as_json: bool) -> None:
    """Print the version of the tables."""
    with _of_any_version(database) as records:
        found = _version(records)
        if as_json:
            text.print_json({"database": str(records), "version": found})
        else:
            click.echo(found or "no tables")


@db.command()
@database_option()
@json_option
def check(database: str, as_json: bool) -> None:
    """Say whether this skymist can work with the tables; exit status 2 if not."""
    with opened(database) as records:
        if as_json:
            text.print_json({"database": str(records), "version": records.version(), "ok": True})
        else:
            click.echo(f"{records}: tables of version {records.version()}, as they have to be")


@contextmanager
def _of_any_version(url: str) -> "Iterator[Database]":
    records = connect(url)
    try:
        yield records
    finally:
        records.close()


def _require(records: "Database") -> None:
    """Refuse a SQLite file that is not there: opening would make it."""
    if (file := _file(records)) and not Path(file).exists():
        raise StoreError(f"{records}: there is no such database; skymist db upgrade makes it")


def _version(records: "Database") -> str | None:
    file = _file(records)
    return None if file and not Path(file).exists() else records.version()


def _file(records: "Database") -> str:
    """Return the file of a SQLite database, else nothing."""
    return (records.engine.url.database or "") if records.engine.dialect.name == "sqlite" else ""


def _tell(records: "Database", before: str | None, as_json: bool) -> None:
    now = records.version()
    if as_json:
        text.print_json({"database": str(records), "before": before, "version": now})
    else:
        change = "nothing to do" if now == before else f"from version {before}"
        click.echo(f"{records}: tables of version {now} ({change})")
