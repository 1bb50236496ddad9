"""``skymist calibrate``: regions that hold for one event, from pseudo-experiments of it."""

from pathlib import Path
from typing import Any

import click

from skymist.cli import bars, scanned, text
from skymist.cli.options import key_values
from skymist.store.place import Place, place


@click.command()
@click.argument("event")
@scanned.scan_options
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
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Of the pseudo-experiments."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
def calibrate(
    event: str,
    path: Place | None,
    number: int,
    perturbed: tuple[str, ...],
    pulses: str | None,
    mirror: Path | None,
    seed: int,
    as_json: bool,
    **scan: Any,
) -> None:
    """Calibrate the regions of EVENT: simulate it many times around its fit, in other ice, and scan each.

    The levels are kept in the map: --calibration resimulated uses them. The same command again goes on where it was
    interrupted, and a larger -n adds to what is there.
    """
    from skymist import plugins
    from skymist.workflow import calibrate as workflow
    from skymist.workflow import events, products
    from skymist.workflow.plain import plain
    from skymist.workflow.scan import Stopwatch

    watch = Stopwatch()
    perturbations = plugins.configure(workflow.Perturbations, key_values(perturbed))
    scanned.check(path, **scan)
    loaded = events.load_event(event, pulses, mirror)
    watch.lap("read")
    path = path or place(scanned.scan(loaded, watch, **scan).encoding["source"])
    with bars.of_count("pseudo-experiments") as show:
        skymap = workflow.calibrate(
            loaded, path, None, number, seed, perturbations,
            cluster_name=scan["cluster"], workers=scan["workers"], on_progress=show, on_wait=text.note,
            watch=watch,
        )  # fmt: skip
    found = products.resimulated(skymap)
    assert found is not None
    watch.lap("write")
    how = {"chosen": skymap.attrs["reconstruction"]["chosen"]} if "chosen" in skymap.attrs["reconstruction"] else {}
    document = {"map": str(path), "event": plain(events.identify(loaded)), **how, **found}
    document["seconds"] = {**watch.seconds, "total": sum(watch.seconds.values())}
    if as_json:
        text.print_json(document)
    else:
        text.print_calibration(document)
