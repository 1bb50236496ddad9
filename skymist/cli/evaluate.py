"""``skymist evaluate``: how good a reconstruction is on events whose truth is known."""

from collections.abc import Mapping
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from skymist.cli import bars, text
from skymist.cli.cluster import cluster_options
from skymist.cli.options import key_values
from skymist.cli.status import INTERRUPTED


@click.command()
@click.argument("source", metavar="SET")
@click.option("--reco", default="track-mpe", show_default=True, metavar="NAME", help="Reconstruction, or auto.")
@click.option("--option", "options", multiple=True, metavar="K=V", help="Option of the reconstruction; repeat.")
@click.option("--events", "which", default=":", metavar="A:B", help="From event A to before B, counted from 0.")
@click.option("--min-doms", type=click.IntRange(min=0), metavar="N", help="Only events that hit as many modules.")
@click.option("--max-doms", type=click.IntRange(min=0), metavar="N", help="Only events that hit no more modules.")
@click.option("--topology", metavar="NAME", help="Only events that truly are through-going, starting or cascade.")
@click.option("--levels", metavar="SPEC", help="NSIDE:CELLS,... from coarse to fine; the reconstruction's by default.")
@click.option(
    "--calibration",
    metavar="NAME",
    show_default="resimulated with --pseudo, else population where it is known",
    help=f"Of the regions that count: {text.one_of(text.CALIBRATIONS)}; others stand beside it.",
)
@click.option(
    "--pseudo",
    default=0,
    type=click.IntRange(min=0),
    metavar="N",
    help="Simulate each event N times again for a calibration of its own; 40 or more.",
)
@cluster_options
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Of all random numbers."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")  # fmt: skip
def evaluate(
    source: str,
    reco: str,
    options: tuple[str, ...],
    which: str,
    min_doms: int | None,
    max_doms: int | None,
    topology: str | None,
    levels: str | None,
    calibration: str | None,
    pseudo: int,
    cluster: str,
    workers: int | None,
    seed: int,
    as_json: bool,
) -> None:
    """Scan all events of a SET and compare with their truth: errors, coverage and areas of regions, energies.

    SET is a set of simulated events (.npz), or any file of events that have a truth.
    """
    from skymist.model.region import find_calibration
    from skymist.model.request import parse_levels
    from skymist.workflow import evaluate as workflow
    from skymist.workflow.choice import load

    if calibration is not None:
        find_calibration(calibration)
    steps = None if levels is None else parse_levels(levels)
    reconstruction = load(reco, key_values(options), seed)
    events = workflow.select(source, workflow.parse_range(which), (min_doms, max_doms), topology)
    try:
        with bars.of_count("events") as show:
            document = workflow.evaluate(
                events, reconstruction, steps, calibration, seed,
                pseudo_experiments=pseudo, name=source, cluster_name=cluster, workers=workers, on_progress=show,
            )  # fmt: skip
    except KeyboardInterrupt:
        text.note("interrupted; nothing is kept, --events A:B evaluates a part")
        raise click.exceptions.Exit(INTERRUPTED) from None
    if as_json:
        text.print_json(document)
    else:
        _print(document)


def _print(document: Mapping[str, Any]) -> None:
    reconstruction, levels = document["reconstruction"], document["levels"]
    plan = ",".join(f"{nside}:{extension}" for nside, extension in levels) if levels else "of what is chosen"
    text.answers.print(f"[bold]{escape(document['set'])}[/]")
    text.answers.print(f"{reconstruction['name']} (version {reconstruction['version']}), levels {plan}")
    text.answers.print(_accuracy(document))
    text.answers.print()
    text.answers.print(_coverage(document))
    if "confusion" in document:
        text.answers.print()
        text.answers.print(_chosen(document))
    for row in document["events"]:
        if "reason" in row:
            text.answers.print(f"event {row['index']} failed: {escape(row['reason'])}")


def _accuracy(document: Mapping[str, Any]) -> Table:
    table = _table("", "events", "median", "68 %", "90 %", "ln E", "68 %", "vertex", "ms/cell")
    for name, found in _groups(document).items():
        angles = (_number(found[key], "{:.2f}°") for key in ("median_deg", "q68_deg", "q90_deg"))
        energy = _number(found["log_energy"]["bias"], "{:+.2f}"), _number(found["log_energy"]["q68"], "{:.2f}")
        vertex, speed = _number(found["vertex_m"], "{:.1f} m"), _number(found["ms_per_cell"], "{:.2f}")
        table.add_row(name, str(found["n"]), *angles, *energy, vertex, speed)
    return table


def _coverage(document: Mapping[str, Any]) -> Table:
    """Return how many regions hold the truth, by calibration; the chosen one stands first."""
    table = _table("", "regions", "50 % hold", "90 % hold", "50 % deg²", "90 % deg²")
    for name, found in _groups(document).items():
        for calibration, regions in found["calibrations"].items():
            held = (f"{regions['coverage'][key]:.2f} ± {regions['coverage_error'][key]:.2f}" for key in ("50", "90"))
            areas = (_number(regions["area_deg2"][key], "{:,.2f}") for key in ("50", "90"))
            table.add_row(name, calibration, *held, *areas)
            name = ""
    return table


def _chosen(document: Mapping[str, Any]) -> Table:
    """Return as what events of each true topology were taken, and what ran on them."""
    table = _table("truly", "taken for", "ran")
    for truth in document["confusion"]:
        counts = (document[key][truth].items() for key in ("confusion", "ran"))
        table.add_row(truth, *(", ".join(f"{n} {name}" for name, n in sorted(each)) for each in counts))
    return table


def _groups(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the figures of each topology, and of all events if there is more than one."""
    kinds = dict(document["topologies"])
    return kinds if len(kinds) == 1 else {**kinds, "all": document}


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def _table(*headers: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for place, header in enumerate(headers):
        table.add_column(header, justify="right" if place else "left", overflow="fold")
    return table
