"""``skymist archive``: what lasts of alerts, scans and maps: names, metadata, what is public; also `crates`."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from skymist.cli import archived, crates, text
from skymist.cli.db import database_option, json_option, opened, user
from skymist.cli.own import ROLES, server_option
from skymist.cli.selection import filter_options, filters, find, given, names_argument, record
from skymist.cli.site import archive_settings, config_option, where
from skymist.errors import ConflictError, RequestError
from skymist.store.place import Place, place

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from skymist.records.tables import Identity

FORMATS = "html", "json", "json-ld", "datacite", "prov", "obscore", "voevent"
TABLES = "csv", "ecsv", "votable", "parquet", "icecat", "hats"
"""As `describe` and `catalog` of `skymist.workflow.archive` have them, which take too long to import."""

record_argument = click.argument("name", metavar="ID|ALERT")


@click.group()
def archive() -> None:
    """Keep what lasts: names for ever, metadata, what is public, bundles, tables for other tools."""


for whole in (crates.export, crates.verify, crates.import_, crates.snapshot):
    archive.add_command(whole)


@archive.command("list")
@names_argument
@filter_options
@config_option
@database_option()
@json_option
def archive_list(names: tuple[str, ...], config: Path | None, database: str, as_json: bool, **values: Any) -> None:
    """List the records of alerts: of those that are named (or whose ID is given), or of all that fit."""
    site, words = archive_settings(config).site, given(values, names)
    with opened(where(config, database)) as records, records.read() as session:
        rows = [_state(session, site.authority, each) for each in _records(session, names, words)]
    if as_json:
        text.print_json({"records": rows})
    else:
        text.print_rows(rows, ("record", "thing", "access", "released", "doi"))


@archive.command("show")
@record_argument
@click.option("--as", "kind", type=click.Choice(FORMATS), default="json-ld", show_default=True, help="In whose words.")
@click.option("--to", type=place, metavar="PATH|URL", help="File; printed if not given.")
@click.option("--public", is_flag=True, help="As everybody would see it: without names of people.")
@server_option
@config_option
@database_option()
def archive_show(
    name: str, kind: str, to: Place | None, public: bool, server: str | None, config: Path | None, database: str
) -> None:
    """Say what a record is, in the words of a standard: DataCite, schema.org, W3C PROV, ObsCore or VOEvent.

    ID is what follows # in its identifier, such as 137840_57034692 (skymist archive list shows all of them).
    """
    from skymist.workflow.archive.describe import describe, document

    if server is not None:
        if public:
            raise RequestError("--public needs the database: leave it out, or look at /public of the service")
        content = archived.document(server, name, kind)
    else:
        site = archive_settings(config).site
        with opened(where(config, database)) as records, records.read() as session:
            content = document(describe(session, site, record(session, name), public=public), kind)
    if to is None:
        click.echo(content.decode(), nl=False)
    else:
        to.write_bytes(content)
        click.echo(to)


@archive.command("release")
@names_argument
@filter_options
@click.option("--record", "records_", metavar="ID", multiple=True, help="This record, such as scan_...; repeat.")
@click.option("--scans", is_flag=True, help="Also all complete scans of these alerts, with their maps.")
@click.option("--at", metavar="TIME", help="Not before this time, UTC: an embargo.")
@click.option("--all", "everything", is_flag=True, help="Of all alerts that fit, if none is named.")
@server_option
@config_option
@database_option()
def archive_release(
    names: tuple[str, ...], records_: tuple[str, ...], scans: bool, at: str | None, everything: bool,
    server: str | None, config: Path | None, database: str, **values: Any,
) -> None:  # fmt: skip
    """Make alerts public: those that are named (or whose ID is given), or, with --all, all observations that fit.

    It is shown by a service whose settings say archive: {public: true}.
    """
    from skymist.records import catalog, identities

    words = given(values, names)
    _check_release(names, records_, scans or words["role"] != ROLES[0], everything)
    if server is not None and (everything or scans):
        raise RequestError("--all and --scans need the database: with --server, name alerts and each --record")
    moment = None if at is None else catalog.Search.parse({"since": at}).since
    later, hidden = _ahead(moment), dict[str, str]()
    if server is not None:
        try:
            hidden.update(archived.release(server, names, records_, words["role"], later))
        finally:  # what is public by now is told also if the next one is refused
            archived.tell_released(hidden, later)
        return
    with opened(where(config, database)) as records, records.begin() as session:
        chosen = [identities.get(session, each) for each in records_]
        own = _own(session, find(session, names, words), scans) if names or everything else []
        left = {each.fragment: _why_left(session, each) for each in own} if everything else {}
        chosen += [each for each in own if not left.get(each.fragment)]
        if not (chosen or left):
            raise RequestError("no alert fits: nothing was released")
        for each in chosen:
            identities.release(session, each, user(), moment)
        hidden |= {each.fragment: _why_hidden(session, each, later) for each in chosen}
    archived.tell_released(hidden, later)
    for fragment in filter(left.get, left):
        text.note(f"{fragment} {left[fragment]}", "left as it is:")


def _check_release(names: tuple[str, ...], records: tuple[str, ...], of_alerts: bool, everything: bool) -> None:
    """Raise RequestError if it is not clear what is to be released, or if something asked for would be ignored."""
    if names and everything:
        raise RequestError("name alerts or say --all, not both")
    if not (names or records or everything):
        raise RequestError("name alerts or a --record, or say --all for all alerts that fit")
    if (asked := filters()) and not everything:
        raise RequestError(f"without --all nothing is filtered: leave out {asked}")
    if of_alerts and not (names or everything):
        raise RequestError("--scans and --role are about alerts: name them, or leave these out beside --record")


@archive.command("withdraw")
@record_argument
@click.option("--reason", required=True, metavar="TEXT", help="In words; stands on the tombstone.")
@server_option
@config_option
@database_option()
def archive_withdraw(name: str, reason: str, server: str | None, config: Path | None, database: str) -> None:
    """Make the record ID private again; if anybody may have seen it, a tombstone says why it is gone."""
    from skymist.records import identities

    if server is not None:
        fragment, seen = archived.withdraw(server, name, reason)
    else:
        with opened(where(config, database)) as records, records.begin() as session:
            found = record(session, name)
            identities.withdraw(session, found, user(), reason)
            fragment, seen = found.fragment, found.withdrawn is not None
    click.echo(f"{fragment} is private again; {'there is a tombstone' if seen else 'nobody has seen it'}")


@archive.command("doi")
@record_argument
@click.option("--publish", is_flag=True, help="Findable, for ever; else it is a draft.")
@config_option
@database_option()
def archive_doi(name: str, publish: bool, config: Path | None, database: str) -> None:
    """Register a DOI for the public record ID, or bring what DataCite knows of it up to date.

    It goes to the account that the settings name (archive: {datacite: ...}); without, nowhere.
    """
    settings = archive_settings(config, account=True)
    if settings.datacite is None:
        raise RequestError(
            "no account at DataCite: --config FILE with archive: {datacite: {prefix, username, password}}"
        )
    from skymist.workflow.archive.doi import register

    with opened(where(config, database)) as records:
        with records.read() as session:
            fragment = record(session, name).fragment
        click.echo(register(records, settings.datacite, settings.site, fragment, user(), publish=publish))


@archive.command("table")
@names_argument
@filter_options
@click.option("--format", "kind", type=click.Choice(TABLES), default="csv", show_default=True,
              help="Kind of table; icecat has IceCat-1's columns, hats is a folder.")  # fmt: skip
@click.option("--to", type=place, required=True, metavar="PATH|URL", help="File; for hats an empty folder.")
@config_option
@database_option()
def archive_table(
    names: tuple[str, ...], kind: str, to: Place, config: Path | None, database: str, **values: Any
) -> None:
    """Write the catalog as a table that other tools read: of alerts that are named, or of all that fit."""
    from skymist.workflow.archive import catalog

    site, words = archive_settings(config).site, given(values, names)
    if kind == "hats" and to.names():
        raise ConflictError(f"{to} is not empty, and old partitions would be read, too; choose another place")
    asked = " ".join(f"{key}={value}" for key, value in words.items() if value is not None)
    with opened(where(config, database)) as records, records.read() as session:
        found = find(session, names, words)
        if kind == "hats":
            for path, content in catalog.hats(session, site, found, asked):
                _within(to, path).write_bytes(content)
        else:
            to.write_bytes(catalog.table(session, site, found, kind, query=asked))
    click.echo(f"{to}: {len(found)} alerts")


def _records(session: "Session", names: tuple[str, ...], words: dict[str, Any]) -> "list[Identity]":
    """Return the records of alerts, each alert with all that belongs to it."""
    from sqlalchemy import select

    from skymist.records.tables import Identity

    found: list[Identity] = []
    for alert in find(session, names, words):
        own = select(Identity).where(Identity.alert_id == alert.id)
        found += session.scalars(own.order_by(Identity.thing, Identity.created, Identity.fragment))
    return found


def _own(session: "Session", found: Iterable[Any], scans: bool) -> "list[Identity]":
    """Return the identities of alerts, and of their complete scans."""
    from sqlalchemy import select

    from skymist.model.identity import Thing
    from skymist.records import identities
    from skymist.records.tables import Identity, Scan, ScanState

    chosen = [identities.of(session, Thing.ALERT, str(alert.id)) for alert in found]
    if scans:
        complete = select(Identity).join(Scan, Scan.id == Identity.scan_id).where(
            Identity.thing == Thing.SCAN, Scan.state == ScanState.COMPLETE, Scan.deleted.is_(None),
            Identity.alert_id.in_([each.alert_id for each in chosen]),
        )  # fmt: skip
        chosen += session.scalars(complete)
    return chosen


def _ahead(moment: "datetime | None") -> "datetime | None":
    """Return a time if it is yet to come."""
    from skymist.records.tables import now

    return moment if moment is not None and moment > now() else None


def _why_left(session: "Session", identity: "Identity") -> str:
    """Return why a record is not released along with all others; empty if it is."""
    from skymist.records import identities

    if identity.withdrawn is not None:
        return "is withdrawn: name it to bring it back"
    if identities.is_public(session, identity):
        return "is public already"
    if _ahead(identity.released):
        return f"is under an embargo until {_written(identity.released)}: name it to end that"
    return ""


def _why_hidden(session: "Session", identity: "Identity", moment: "datetime | None") -> str:
    """Return why a record that was released is not public at a moment (now if None); empty if it is."""
    from skymist.model.identity import Thing
    from skymist.records import identities

    if identities.is_public(session, identity, moment):
        return ""
    if identity.alert_id is not None:
        alert = identities.of(session, Thing.ALERT, str(identity.alert_id))
        if not identities.is_public(session, alert, moment):
            return f"waits for its alert, {alert.fragment}"
    return f"stays hidden: {identities.why_gone(session, identity)}"


def _state(session: "Session", authority: str, identity: "Identity") -> dict[str, Any]:
    from skymist.model.identity import ivo, uuid_of
    from skymist.records import identities
    from skymist.records.tables import now

    identifier, public = ivo(authority, identity.fragment), identities.is_public(session, identity)
    own = identities.carrier(session, identity)
    ahead = own.released is not None and own.released > now()
    access = "withdrawn" if own.withdrawn else "embargoed" if ahead else "private"
    return {
        "record": identity.fragment, "identifier": identifier, "uuid": str(uuid_of(identifier)),
        "thing": identity.thing, "access": "open" if public else access, "doi": identity.doi,
        "released": _written(own.released), "withdrawn": _written(own.withdrawn), "reason": own.reason,
    }  # fmt: skip


def _written(time: Any) -> str:
    return "" if time is None else f"{time:%Y-%m-%dT%H:%M:%SZ}"


def _within(folder: Place, path: str) -> Place:
    for part in path.split("/"):
        folder = folder / part
    return folder
