"""``skymist alerts`` and ``skymist quarantine``: what came in, in the database itself or by way of the service."""

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from skymist.cli import text
from skymist.cli.db import database_option, json_option
from skymist.cli.own import ID, Own, role_option, server_option, source
from skymist.cli.scans import print_scans
from skymist.cli.selection import filter_options, standard
from skymist.errors import RequestError, UnknownNameError

if TYPE_CHECKING:
    from skymist.client import Client

COLUMNS = (
    "name", "time", "stream", "run_event", "ra", "dec", "radius_90", "energy_tev", "signalness", "retracted"
)  # fmt: skip
"""Of a list of alerts."""

CONTENT = "number", "kind", "issued", "catalog", "ra", "dec", "radius_90", "energy_tev", "comment"
"""Of a revision in a table, see `skymist.model.alert.Revision`."""


@click.group()
def alerts() -> None:
    """Alerts: list them, show all revisions and scans of one, retract one."""


@alerts.command("list")
@filter_options
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, metavar="N", help="At most.")
@server_option
@database_option()
@json_option
def alerts_list(limit: int, server: str | None, database: str, as_json: bool, **words: Any) -> None:
    """List alerts, the latest first if nothing else is asked for."""
    with source(server, database) as records:
        found = list(islice(records.alerts(**standard(words)), limit))
    if as_json:
        text.print_json({"alerts": found})
    else:
        text.print_rows((_row(each) for each in found), COLUMNS)


def _row(alert: Mapping[str, Any]) -> dict[str, Any]:
    shown = {
        key: "" if alert[key] is None else form.format(alert[key])
        for key, form in (("ra", "{:.2f}"), ("dec", "{:+.2f}"), ("radius_90", "{:.2f}"), ("energy_tev", "{:.0f}"),
                          ("signalness", "{:.2f}"))
    }  # fmt: skip
    return {**alert, **shown, "time": alert["time"][:19], "run_event": f"{alert['run']}/{alert['event']}"}


@alerts.command("show")
@click.argument("name")
@role_option
@server_option
@database_option()
@json_option
def alerts_show(name: str, role: str, server: str | None, database: str, as_json: bool) -> None:
    """Show all revisions and scans of the alert NAME: IceCube-YYMMDDX, an earlier name of it, or RUN/EVENT."""
    with source(server, database) as records:
        found = {**records.alert(name, role=role), "revisions": list(records.revisions(name, role=role))}
        scans = [] if as_json else [each.document for each in records.scans(alert=name, role=role)]
    if as_json:
        text.print_json(found)
    else:
        _print_alert(found)
        print_scans(scans)


@alerts.command("retract")
@click.argument("name")
@click.option("--reason", required=True, metavar="TEXT", help="In words; stands in the retraction.")
@role_option
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
        text.print_rows(
            ({**each, "id": each["id"][:ID]} for each in found), ("id", "received", "source", "position", "reason")
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
        click.echo(f"{each['id'][:ID]}  {each['reason'] or 'accepted'}")
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
            raise UnknownNameError("message in quarantine", begin[:80], [each[:ID] for each in known])
    return [each for each in known if not which or each.startswith(which)]


def _print_alert(found: Mapping[str, Any]) -> None:
    gone = "  [bold red]retracted[/]" if found["retracted"] else ""
    where = f"run {found['run']} event {found['event']}"
    text.answers.print(f"[bold]{escape(found['name'])}[/]  {where}  {found['time']}  {found['stream']}{gone}")
    for name in found["aliases"]:
        text.answers.print(f"also: {escape(name)}")
    text.print_rows((each["content"] for each in found["revisions"]), CONTENT)
    for doubt in found["doubts"]:
        text.answers.print(f"[bold]doubtful:[/] {escape(doubt)}")
