"""``skymist match`` and ``skymist catalogs``: which known sources are in a region, and what chance gives."""

from collections.abc import Mapping
from typing import Any

import click
from rich.markup import escape

from skymist.cli import text
from skymist.cli.db import database_option, json_option, opened
from skymist.cli.own import role_option
from skymist.store.place import Place, place

COLUMNS = "name", "ra", "dec", "separation", "region", "searched", "error", "edge"
"""Of sources: degrees; the probability of all that is as probable as their place, or more so."""


@click.command("match")
@click.argument("path", metavar="MAP", type=place)
@click.option("--catalog", "catalogs", multiple=True, metavar="NAME|FILE",
              help="A catalog, or the file of a description; repeat. All that are at hand by default.")  # fmt: skip
@click.option("--calibration", default=text.CALIBRATION, show_default=True, metavar="NAME", help="Of the regions.")
@click.option("--alerts", is_flag=True, help="Also the alerts in the database that were before this event.")
@role_option
@database_option()
@json_option
def match(
    path: Place, catalogs: tuple[str, ...], calibration: str, alerts: bool, role: str, database: str, as_json: bool
) -> None:
    """Find the sources of catalogs in the 50 % and 90 % regions of a MAP (a .zarr folder, or its URL)."""
    from skymist.store.zarr import read_skymap
    from skymist.workflow.match import at_hand, match_map

    skymap = read_skymap(path)
    wanted: list[Any] = list(catalogs or at_hand())
    if alerts:
        wanted.append(_alerts_before(skymap.attrs["event"], role, database))
    document = {"map": str(path), "calibration": calibration, **match_map(skymap, wanted, calibration)}
    if as_json:
        text.print_json(document)
    else:
        _print(document)


def _alerts_before(event: Mapping[str, Any], role: str, database: str) -> Any:
    import numpy as np

    from skymist.model.alert import Role
    from skymist.workflow.earlier import earlier_alerts

    with opened(database) as records:
        return earlier_alerts(records, np.datetime64(event["utc"], "ns"), Role(role))


def _print(document: Mapping[str, Any]) -> None:
    first = document["matches"][0] if document["matches"] else None
    if first is not None:
        areas = f"50 % {first['area_50']:.2f} deg², 90 % {first['area_90']:.2f} deg²"
        text.answers.print(f"regions: {areas} ({document['calibration']})")
    for found in document["matches"]:
        about = found["catalog"]
        click.echo()
        what = f"{about['sources']} sources, {escape(about['version'])}"
        text.answers.print(f"[bold]{escape(about['title'])}[/] ({what})")
        rows = [_row(each) for each in found["inside"]]
        if found["nearest"] is not None:
            rows.append({**_row(found["nearest"]), "region": "outside"})
        text.print_rows(rows, COLUMNS)
        text.answers.print(_chance(found))
    if document["trials"]["p_best"] is not None and document["trials"]["catalogs"] > 1:
        trials = document["trials"]
        click.echo(f"\nbest source of all {trials['catalogs']} catalogs: p = {trials['p_best']:.2g}")


def _row(source: Mapping[str, Any]) -> dict[str, Any]:
    error = source["error_90_deg"]
    return {
        "name": source["name"], "ra": f"{source['ra']:.3f}", "dec": f"{source['dec']:+.3f}",
        "separation": f"{source['separation_deg']:.2f}", "region": "50 %" if source["inside_50"] else "90 %",
        "searched": f"{source['searched_probability']:.3g}", "error": "" if error is None else f"{error:.3f}",
        "edge": "on the edge" if source["edge"] else "",
    }  # fmt: skip


def _chance(found: Mapping[str, Any]) -> str:
    chance, inside = found["chance"], len(found["inside"])
    return (
        f"{inside} in the 90 % region; by chance {chance['expected_scrambled']:.2g} (by local density "
        f"{chance['expected_local']:.2g}), at least so many: p = {chance['p_number']:.2g}; best source: "
        f"p = {chance['p_best']:.2g}"
    )


@click.group("catalogs")
def catalogs() -> None:
    """Catalogs of sources: list them, fetch one from its service."""


@catalogs.command("list")
@json_option
def catalogs_list(as_json: bool) -> None:
    """List the catalogs that have a description, and which versions of them are here."""
    from skymist.crossmatch.catalog import describe, descriptions
    from skymist.crossmatch.fetch import versions
    from skymist.workflow.match import own_cache, own_catalogs

    rows = []
    for name in descriptions(own_catalogs()):
        words = describe(name, own_catalogs())
        kept = versions(name, own_cache())
        here = "yes" if words.table is None else kept[-1]["time"][:19] if kept else ""
        rows.append({"name": name, "title": words.words["title"], "version": words.words["version"], "here": here})
    if as_json:
        text.print_json({"catalogs": rows})
    else:
        text.print_rows(rows, ("name", "title", "version", "here"))


@catalogs.command("fetch")
@click.argument("name")
@json_option
def catalogs_fetch(name: str, as_json: bool) -> None:
    """Fetch the catalog NAME from its service, and keep it under the hash of what came."""
    from skymist.crossmatch.fetch import fetch
    from skymist.workflow.match import own_cache, own_catalogs

    found = fetch(name, own_cache(), own_catalogs())
    if as_json:
        text.print_json(found)
    else:
        click.echo(f"{name}: {found['rows']} sources, SHA-256 {found['sha256'][:12]}")
