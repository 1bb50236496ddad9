"""``skymist alerts`` and ``skymist quarantine``: what came in, in the database itself or by way of the service."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from skymist.cli import text
from skymist.cli.db import database_option, json_option, opened, user
from skymist.errors import RequestError, UnknownNameError

if TYPE_CHECKING:
    from skymist.client import Client
    from skymist.model.alert import Role
    from skymist.records import Database

ROLES = "observation", "prediction", "test"
"""Of alerts, as `skymist.model.alert.Role` has them; that takes too long to import for a word of help."""

ALERT = "name", "role", "run", "event", "time", "stream", "retracted", "created"
REVISION = "id", "number", "input_id", "received", "content"
INPUT = "id", "source", "position", "kind", "received", "times", "status", "reason"
STREAM = "name", "state", "trouble", "lag", "heard", "changed"
"""Fields of records that are shown; those of the REST API."""

CONTENT = "number", "kind", "issued", "catalog", "ra", "dec", "radius_90", "energy_tev", "comment"
"""Of a revision in a table, see `skymist.model.alert.Revision`."""

_ID = 12
"""So many digits of a SHA-256 are shown; any beginning that is the only one of its kind will do."""

server_option = click.option(
    "--server", metavar="URL", help="A service (skymist serve) instead of a database; its token is in SKYMIST_TOKEN."
)
_role_option = click.option(
    "--role", type=click.Choice(ROLES), default=ROLES[0], show_default=True, help="Of real alerts, or of which others."
)


def print_rows(rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> None:
    """Print some columns of dictionaries as a table, as wide as it is."""
    cells = [columns, *([_cell(row.get(name)) for name in columns] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(columns))]
    for line in cells:
        click.echo("   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return "" if value is None else " ".join(str(value).split())


class Own:
    """A database, with those methods of `skymist.client.Client` that commands need; the same documents come of them."""

    def __init__(self, database: "Database") -> None:
        self._database = database

    def alerts(self, *, role: str, stream: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield alerts, the latest first."""
        from sqlalchemy import select

        from skymist.records.tables import Alert

        query = select(Alert).where(Alert.role == role).order_by(Alert.time.desc(), Alert.id.desc())
        with self._database.read() as session:
            for each in session.scalars(query if stream is None else query.where(Alert.stream == stream)):
                yield written(each, ALERT)

    def alert(self, name: str, *, role: str) -> dict[str, Any]:
        """Return what is known of an alert."""
        from sqlalchemy import select

        from skymist.records import alerts
        from skymist.records.tables import Alias, Event, Scan

        with self._database.read() as session:
            found = alerts.find(session, name, _role(role))
            whole, same = alerts.whole(found), Event.alert_id == found.id
            aliases = select(Alias.name).where(Alias.alert_id == found.id).order_by(Alias.name)
            events = select(Event.id).where(same).order_by(Event.received.desc())
            scans = select(Scan.id).join(Event, Event.id == Scan.event_id).where(same, Scan.deleted.is_(None))
            return {
                **written(found, ALERT), "current": whole.current.to_dict(), "revisions": len(whole.revisions),
                "doubts": list(whole.doubts), "aliases": list(session.scalars(aliases)),
                "events": list(session.scalars(events)),
                "scans": list(session.scalars(scans.order_by(Scan.created.desc(), Scan.id))),
            }  # fmt: skip

    def revisions(self, name: str, *, role: str) -> list[dict[str, Any]]:
        """Return all revisions of an alert in their order."""
        from skymist.records import alerts

        with self._database.read() as session:
            found = alerts.find(session, name, _role(role))
            by_id = {each.id: each for each in found.revisions}
            return [written(by_id[each.id], REVISION) for each in alerts.whole(found).revisions]

    def retract(self, name: str, reason: str, *, role: str) -> dict[str, Any]:
        """Add a retraction to an alert."""
        from skymist.records import alerts
        from skymist.workflow.service import retract

        with self._database.read() as session:
            alert_id = alerts.find(session, name, _role(role)).id
        retract(self._database, alert_id, reason, user())
        return self.alert(name, role=role)

    def streams(self) -> list[dict[str, Any]]:
        """Return the sources of messages and how far they were read."""
        from sqlalchemy import select

        from skymist.records.tables import Stream

        with self._database.read() as session:
            return [written(each, STREAM) for each in session.scalars(select(Stream).order_by(Stream.name))]

    def quarantine(self) -> Iterator[dict[str, Any]]:
        """Yield messages that could not be read, the latest first."""
        from skymist.records import inputs

        with self._database.read() as session:
            yield from [written(each, INPUT) for each in reversed(inputs.quarantined(session))]

    def retry(self, input_id: str) -> dict[str, Any]:
        """Try once more to read one of them; `RequestError` with the reason, if that is still not possible."""
        from skymist.workflow.ingest import retry

        if reason := retry(self._database, input_id).reason:
            raise RequestError(reason)
        return {"id": input_id}


@contextmanager
def source(server: str | None, database: str) -> "Iterator[Client | Own]":
    """Yield a service, or a database where none is given."""
    if server:
        from skymist.client import connect

        with connect(server) as client:
            yield client
    else:
        with opened(database) as records:
            yield Own(records)


@click.group()
def alerts() -> None:
    """Alerts: list them, show all revisions of one, retract one."""


@alerts.command("list")
@_role_option
@click.option("--stream", metavar="NAME", help="Only gold, bronze or cascade.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, metavar="N", help="At most.")
@server_option
@database_option()
@json_option
def alerts_list(role: str, stream: str | None, limit: int, server: str | None, database: str, as_json: bool) -> None:
    """List alerts, the latest first."""
    with source(server, database) as records:
        found = list(islice(records.alerts(role=role, stream=stream), limit))
    if as_json:
        text.print_json({"alerts": found})
    else:
        print_rows(found, ("name", "time", "stream", "run", "event", "retracted"))


@alerts.command("show")
@click.argument("name")
@_role_option
@server_option
@database_option()
@json_option
def alerts_show(name: str, role: str, server: str | None, database: str, as_json: bool) -> None:
    """Show all revisions of the alert NAME: IceCube-YYMMDDX, an earlier name of it, or RUN/EVENT."""
    with source(server, database) as records:
        found = {**records.alert(name, role=role), "revisions": list(records.revisions(name, role=role))}
    if as_json:
        text.print_json(found)
    else:
        _print_alert(found)


@alerts.command("retract")
@click.argument("name")
@click.option("--reason", required=True, metavar="TEXT", help="In words; stands in the retraction.")
@_role_option
@server_option
@database_option()
@json_option
def alerts_retract(name: str, reason: str, role: str, server: str | None, database: str, as_json: bool) -> None:
    """Add a retraction to the alert NAME: a revision like others; nothing is removed, and nobody is told."""
    with source(server, database) as records:
        found = records.retract(name, reason, role=role)
    if as_json:
        text.print_json(found)
    else:
        click.echo(f"{found['name']} is retracted")


@click.group()
def quarantine() -> None:
    """Messages that could not be read: list them with the reasons, try again."""


@quarantine.command("list")
@server_option
@database_option()
@json_option
def quarantine_list(server: str | None, database: str, as_json: bool) -> None:
    """List messages that could not be read, the latest first."""
    with source(server, database) as records:
        found = list(records.quarantine())
    if as_json:
        text.print_json({"quarantine": found})
    else:
        print_rows(
            ({**each, "id": each["id"][:_ID]} for each in found), ("id", "received", "source", "position", "reason")
        )


@quarantine.command("retry")
@click.argument("which", metavar="[ID]...", nargs=-1)
@server_option
@database_option()
@json_option
def quarantine_retry(which: tuple[str, ...], server: str | None, database: str, as_json: bool) -> None:
    """Try again to read the messages ID (skymist quarantine list names them), or all of them.

    A later version of skymist may understand what an earlier one could not. Exit status 1 if one still cannot be read.
    """
    with source(server, database) as records:
        chosen = _chosen(which, [each["id"] for each in records.quarantine()])
        tried = [{"id": each, "reason": _reason(records, each)} for each in chosen]
    if as_json:
        text.print_json({"retried": tried})
    for each in () if as_json else tried:
        click.echo(f"{each['id'][:_ID]}  {each['reason'] or 'accepted'}")
    if any(each["reason"] for each in tried):
        raise click.exceptions.Exit(1)


def _reason(records: "Client | Own", input_id: str) -> str:
    """Try once more to read a message, and return why that is not possible; empty if it is."""
    try:
        records.retry(input_id)
    except RequestError as error:
        return str(error)
    return ""


def _chosen(which: tuple[str, ...], known: list[str]) -> list[str]:
    """Return the messages that are meant: those whose ids begin so, or all."""
    for begin in which:
        if sum(each.startswith(begin) for each in known) != 1:
            raise UnknownNameError("message in quarantine", begin[:80], [each[:_ID] for each in known])
    return [each for each in known if not which or each.startswith(which)]


def written(record: object, keys: tuple[str, ...]) -> dict[str, Any]:
    """Return some fields of a record as JSON-like values, times as the REST API writes them."""
    values = {key: getattr(record, key) for key in keys}
    times = {key: item.isoformat().replace("+00:00", "Z") for key, item in values.items() if isinstance(item, datetime)}
    return {**values, **times}


def _role(name: str) -> "Role":
    from skymist.model.alert import Role

    return Role(name)


def _print_alert(found: Mapping[str, Any]) -> None:
    gone = "  [bold red]retracted[/]" if found["retracted"] else ""
    where = f"run {found['run']} event {found['event']}"
    text.answers.print(f"[bold]{escape(found['name'])}[/]  {where}  {found['time']}  {found['stream']}{gone}")
    for name in found["aliases"]:
        text.answers.print(f"also: {escape(name)}")
    print_rows((each["content"] for each in found["revisions"]), CONTENT)
    for doubt in found["doubts"]:
        text.answers.print(f"[bold]doubtful:[/] {escape(doubt)}")
