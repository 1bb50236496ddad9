"""``skymist reproduce``: make a map again from what was recorded, and say whether it is the same."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from skymist.cli import bars, text
from skymist.cli.cluster import cluster_options
from skymist.cli.db import database_option, json_option, opened
from skymist.cli.status import FAILED
from skymist.errors import RequestError
from skymist.store.place import Place, place

if TYPE_CHECKING:
    import xarray as xr

    from skymist.model.event import Event
    from skymist.workflow.reproduce import Reproduction


@click.command()
@click.argument("what", metavar="ID|MAP")
@click.option(
    "--event", "source", metavar="EVENT", help="File of the event of a MAP; public and bundled ones are found without."
)
@click.option("--anyway", is_flag=True, help="Try it with another version of the reconstruction than made the map.")
@click.option("--out", type=place, metavar="PATH|URL", help="Folder in which the new map is kept; else none is.")
@click.option(
    "--mirror", type=click.Path(path_type=Path), envvar="SKYMIST_MIRROR", show_envvar=True,
    help="Folder in which public events are looked for before the network.",
)  # fmt: skip
@cluster_options
@database_option()
@json_option
def reproduce(
    what: str, source: str | None, anyway: bool, out: Place | None, mirror: Path | None, cluster: str,
    workers: int | None, database: str, as_json: bool,
) -> None:  # fmt: skip
    """Run the request of a scan again, and compare the maps.

    It is that of the scan ID of the database (its first 8 digits, scan_... or map_... will do), or of a MAP (a .zarr
    folder, or its URL).
    Exit status 0 if both maps are identical, 1 if not.
    """
    from skymist.workflow import reproduce as workflow

    data, event = _found(what, source, mirror, database)
    with bars.of_scan() as show:
        found = workflow.reproduce(
            data, event, anyway=anyway, out=out, cluster_name=cluster, workers=workers, on_progress=show,
            on_wait=text.note,
        )  # fmt: skip
    if as_json:
        text.print_json(found.to_dict())
    else:
        _print(found)
    if not found.identical:
        raise click.exceptions.Exit(FAILED)


def _found(what: str, source: str | None, mirror: Path | None, database: str) -> "tuple[xr.Dataset, Event]":
    """Return the map that is meant and its event: what looks like a path or URL is one, all else a scan."""
    if not what.startswith("ivo://") and ("/" in what or what.endswith(".zarr") or Path(what).exists()):
        from skymist.workflow.reproduce import of_map

        return of_map(place(what), source, mirror)
    if source is not None:
        raise RequestError("--event is for a MAP: the database has the events of its scans")
    with opened(database) as records:
        from skymist.workflow.archive.recorded import of_scan

        return of_scan(records, what)


def _print(found: "Reproduction") -> None:
    text.answers.print(f"[bold]scan {found.scan_id[:12]}[/]: {escape(found.verdict)}")
    if found.identical and found.changed:
        text.answers.print(f"though {escape(found.changed)}")
    text.answers.print(f"{found.cells:,} cells; content {found.content.then[:16]}, now {found.content.now[:16]}")
