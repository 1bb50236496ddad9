"""``skymist calibrate``: regions that hold for one event, from pseudo-experiments of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from skymist.cli import text
from skymist.errors import RequestError

if TYPE_CHECKING:
    from skymist.model.event import Event
    from skymist.workflow.scan import Stopwatch

_OF_THE_SCAN = ("reco", "options", "levels")


@click.command()
@click.argument("event")
@click.option(
    "--map", "path", type=click.Path(path_type=Path), metavar="MAP",
    help="Map of the event (a .zarr folder); without it, the scan is found in --out, or made first.",
)  # fmt: skip
@click.option("--reco", metavar="NAME", show_default="track-mpe", help="Reconstruction of the scan, or auto.")
@click.option(
    "--option", "options", multiple=True, metavar="K=V",
    help="Option of the reconstruction, or NSIDE:K=V of one level only; repeat.",
)  # fmt: skip
@click.option(
    "--levels", metavar="SPEC", show_default="the reconstruction's own, else 8:0,64:12,512:24",
    help="NSIDE:CELLS,... of the scan, from coarse to fine.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("scans"), show_default=True,
    help="Folder of the scan.",
)  # fmt: skip
@click.option(
    "-n", "--number", type=click.IntRange(min=1), default=200, show_default=True, help="How many pseudo-experiments."
)
@click.option(
    "--perturb", "perturbed", multiple=True, metavar="K=V",
    help="How much their ice and modules differ from the model, such as ice_sigma=0.05; repeat.",
)  # fmt: skip
@click.option("--pulses", metavar="NAME", help="Pulse set; the event's usual one by default.")
@click.option(
    "--mirror", type=click.Path(path_type=Path), envvar="SKYMIST_MIRROR", show_envvar=True,
    help="Folder in which public events are looked for before the network.",
)  # fmt: skip
@click.option(
    "--cluster", default="local", show_default=True, metavar="NAME",
    help="Where to compute: local (threads) or local-processes.",
)  # fmt: skip
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="As many as cores by default.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Of the pseudo-experiments."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
def calibrate(
    event: str,
    path: Path | None,
    number: int,
    perturbed: tuple[str, ...],
    pulses: str | None,
    mirror: Path | None,
    cluster: str,
    workers: int | None,
    seed: int,
    as_json: bool,
    **scan: Any,
) -> None:
    """Calibrate the regions of EVENT: simulate it many times around its fit, in other ice, and scan each.

    The levels are kept in the map: --calibration resimulated uses them. The same command again goes on where it was
    interrupted, and a larger -n adds to what is there.
    """
    from skymist import plugins
    from skymist.cli import _key_values
    from skymist.workflow import calibrate as workflow
    from skymist.workflow import events, products
    from skymist.workflow.scan import Stopwatch

    watch = Stopwatch()
    perturbations = plugins.configure(workflow.Perturbations, _key_values(perturbed))
    if path is not None and any(scan[key] for key in _OF_THE_SCAN):
        raise RequestError("--map says how it was scanned: leave out --reco, --option and --levels")
    loaded = events.load_event(event, pulses, mirror)
    watch.lap("read")
    path = path or _scan(loaded, cluster, workers, watch, **scan)
    with text.count("pseudo-experiments") as show:
        skymap = workflow.calibrate(
            loaded, path, None, number, seed, perturbations,
            cluster_name=cluster, workers=workers, on_progress=show, watch=watch,
        )  # fmt: skip
    found = products.resimulated(skymap)
    assert found is not None
    watch.lap("write")
    how = {"chosen": skymap.attrs["reconstruction"]["chosen"]} if "chosen" in skymap.attrs["reconstruction"] else {}
    document = {"map": str(path), "event": products.plain(events.identify(loaded)), **how, **found}
    document["seconds"] = {**watch.seconds, "total": sum(watch.seconds.values())}
    if as_json:
        text.print_json(document)
    else:
        text.print_calibration(document)


def _scan(
    event: "Event",
    cluster: str,
    workers: int | None,
    watch: "Stopwatch",
    *,
    reco: str | None,
    options: tuple[str, ...],
    levels: str | None,
    out: Path,
) -> Path:
    """Return the map of a scan, which is made if there is none."""
    from skymist.cli import _by_level
    from skymist.model.request import parse_levels
    from skymist.workflow.choice import choose, load
    from skymist.workflow.scan import scan_event

    everywhere, at_level = _by_level(options)
    asked = load(reco or "track-mpe", everywhere)
    text.note_compiling(asked)
    reconstruction, chosen = choose(asked, event)
    text.note_compiling(reconstruction)
    with text.progress() as show:
        skymap = scan_event(
            event, reconstruction, None if levels is None else parse_levels(levels), level_options=at_level,
            chosen=None if chosen is None else chosen.to_dict(), out=out, cluster_name=cluster, workers=workers,
            on_progress=show, watch=watch,
        )  # fmt: skip
    return Path(skymap.encoding["source"])
