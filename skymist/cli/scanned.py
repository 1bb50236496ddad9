"""The scan that a command works on: that of a given map, or one that is found or made."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from skymist.cli import bars, text
from skymist.cli.cluster import cluster_options
from skymist.cli.options import by_level
from skymist.errors import RequestError
from skymist.store.place import Place, place

if TYPE_CHECKING:
    import xarray as xr

    from skymist.model.event import Event
    from skymist.model.reconstruction import Reconstruction
    from skymist.workflow.choice import Auto, Choice
    from skymist.workflow.scan import Stopwatch


def scan_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--map`` as `path`, and the options that `scan` takes."""
    for option in reversed((
        click.option("--map", "path", type=place, metavar="MAP",
                     help="Map of the event (a .zarr folder, or its URL); else the scan is found in --out, or made."),
        click.option("--reco", metavar="NAME", show_default="track-mpe", help="Reconstruction of the scan, or auto."),
        click.option("--option", "options", multiple=True, metavar="K=V",
                     help="Option of the reconstruction, or NSIDE:K=V of one level only; repeat."),
        click.option("--levels", metavar="SPEC", show_default="the reconstruction's own, else 8:0,64:12,512:24",
                     help="NSIDE:CELLS,... of the scan, from coarse to fine."),
        click.option("--out", type=place, default="scans", show_default=True, metavar="PATH|URL",
                     help="Folder of the scan, also in an object store (s3://BUCKET/KEY)."),
        cluster_options,
    )):  # fmt: skip
        command = option(command)
    return command


def check(path: Place | None, *, reco: str | None, options: tuple[str, ...], levels: str | None, **_: Any) -> None:
    """Refuse a map together with what would make another; `RequestError`."""
    if path is not None and (reco or options or levels):
        raise RequestError("--map says how it was scanned: leave out --reco, --option and --levels")


def scan(
    event: "Event",
    watch: "Stopwatch",
    *,
    reco: str | None,
    options: tuple[str, ...],
    levels: str | None,
    out: Place,
    cluster: str,
    workers: int | None,
) -> "xr.Dataset":
    """Return the map of a scan, which is made if there is none; it says what was chosen, and why."""
    from skymist.model.request import parse_levels
    from skymist.workflow.choice import load
    from skymist.workflow.scan import scan_event

    everywhere, at_level = by_level(options)
    steps = None if levels is None else parse_levels(levels)
    reconstruction, chosen = chosen_for(event, load(reco or "track-mpe", everywhere))
    with bars.of_scan() as show:
        return scan_event(
            event, reconstruction, steps, level_options=at_level, chosen=None if chosen is None else chosen.to_dict(),
            out=out, cluster_name=cluster, workers=workers, on_progress=show, on_wait=text.note,
            watch=watch,
        )  # fmt: skip


def chosen_for(event: "Event", asked: "Reconstruction | Auto") -> "tuple[Reconstruction, Choice | None]":
    """Return what to run on an event, and say of what has to be compiled for it."""
    from skymist.workflow.choice import choose

    text.note_compiling(asked)
    reconstruction, choice = choose(asked, event)
    if choice is not None:
        text.note_compiling(reconstruction)
    return reconstruction, choice
