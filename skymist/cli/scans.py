"""``skymist scans``: those that the service makes, whoever asked for them."""

from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from skymist.cli import text
from skymist.cli.db import database_option, json_option
from skymist.cli.own import ID, role_option, server_option, source

STATES = "waiting", "queued", "running", "complete", "failed", "cancelled"
"""As `skymist.records.tables.ScanState` has them; that takes too long to import for a word of help."""

COLUMNS = "id", "alert", "rule", "reconstruction", "state", "done", "ra", "dec", "area_90", "asked for"
"""Of the list; degrees and square degrees, of what is not complete those so far."""

ENDINGS = {"zarr": ".zarr", "fits": ".multiorder.fits.gz", "png": ".png"}
"""Of what is brought home."""


@click.group()
def scans() -> None:
    """List scans of the service, show one, bring one home, cancel one or run it again."""


@scans.command("list")
@click.option("--alert", metavar="NAME", help="Only of this alert.")
@click.option("--state", multiple=True, type=click.Choice(STATES), help="Only in this state; repeat for several.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, metavar="N", help="At most.")
@role_option
@server_option
@database_option()
@json_option
def scans_list(
    alert: str | None, state: tuple[str, ...], limit: int, role: str, server: str | None, database: str, as_json: bool
) -> None:
    """List scans, the latest first, with their best fits so far."""
    with source(server, database) as records:
        documents = (each.document for each in records.scans(alert=alert, state=state, role=role))
        found = list(islice(documents, limit))
    if as_json:
        text.print_json({"scans": found})
    else:
        print_scans(found)


@scans.command("show")
@click.argument("scan_id", metavar="ID")
@server_option
@database_option()
@json_option
def scans_show(scan_id: str, server: str | None, database: str, as_json: bool) -> None:
    """Show the scan ID (its first 8 digits will do): how far it is, and what it has found."""
    with source(server, database) as records:
        found = records.get_scan(scan_id)
        document = found.document
        if document["summary"] is not None:
            document = {**document, "summary": {**document["summary"], "outputs": found.links}}
    if as_json:
        text.print_json(document)
    else:
        _print_scan(document)


@scans.command("get")
@click.argument("scan_id", metavar="ID")
@click.option("--server", metavar="URL", required=True, help="The service; its token is in SKYMIST_TOKEN.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("scans"), show_default=True,
              metavar="DIR", help="Folder.")  # fmt: skip
@json_option
def scans_get(scan_id: str, server: str, out: Path, as_json: bool) -> None:
    """Bring the map of the scan ID home, with its FITS file and figure."""
    from skymist.client import connect

    with connect(server) as client:
        outputs = download(client.get_scan(scan_id), out)
    if as_json:
        text.print_json({"outputs": outputs})
    for path in () if as_json else outputs.values():
        click.echo(path)


@scans.command("cancel")
@click.argument("scan_id", metavar="ID")
@server_option
@database_option()
@json_option
def scans_cancel(scan_id: str, server: str | None, database: str, as_json: bool) -> None:
    """Cancel the scan ID; what was computed is kept."""
    with source(server, database) as records:
        _print_state(records.get_scan(scan_id).cancel().document, as_json)


@scans.command("rescan")
@click.argument("scan_id", metavar="ID")
@server_option
@database_option()
@json_option
def scans_rescan(scan_id: str, server: str | None, database: str, as_json: bool) -> None:
    """Run the scan ID once more, after it has ended; what was computed and is kept is not computed again."""
    with source(server, database) as records:
        _print_state(records.get_scan(scan_id).rescan().document, as_json)


def download(found: Any, folder: Path) -> dict[str, str]:
    """Bring the map and its files home, and return where they are."""
    scan_id = found.id[:ID]
    return {kind: str(found.save(kind, folder / f"{scan_id}{ending}")) for kind, ending in ENDINGS.items()}


def print_scans(found: Iterable[Mapping[str, Any]]) -> None:
    """Print scans as a table."""
    text.print_rows((_row(each) for each in found), COLUMNS)


def _row(document: Mapping[str, Any]) -> dict[str, Any]:
    progress, summary = document["progress"] or {}, document["summary"]
    best, total = progress.get("best") or {}, progress.get("total")
    found = best.get("ra"), best.get("dec"), best.get("area_90_deg2")
    if summary is not None:
        found = summary["best"]["ra"], summary["best"]["dec"], summary["regions"]["90"]["area_deg2"]
    numbers = ["" if value is None else f"{value:.2f}" for value in found]
    return {
        **document, **dict(zip(("ra", "dec", "area_90"), numbers, strict=True)),
        "id": document["id"][:ID], "state": _state(document), "asked for": document["created"][:19],
        "reconstruction": document["request"]["reconstruction"],
        "done": f"{100 * progress['done'] / total:.0f} %" if total else "",
    }  # fmt: skip


def _state(document: Mapping[str, Any]) -> str:
    return "cancelling" if document["state"] == "running" and document["wanted"] else str(document["state"])


def _print_scan(document: Mapping[str, Any]) -> None:
    asked = document["rule"] or "a person"
    heading = f"[bold]{document['id'][:ID]}[/]  {_state(document)}  {escape(document['alert'] or '')}"
    text.answers.print(f"{heading}  asked for by {escape(asked)} at {document['created'][:19]}")
    if document["error"]:
        text.answers.print(f"[bold red]{escape(document['error'])}[/]")
    if document["summary"] is not None:
        text.print_map(document["summary"])
    else:
        print_scans([document])


def _print_state(document: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        text.print_json(document)
    else:
        click.echo(f"scan {document['id'][:ID]} is {_state(document)}")
