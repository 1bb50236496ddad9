"""``skymist energy``: how much energy an event has, and where along its track."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from skymist.cli import scanned, text
from skymist.store.place import Place, place


@click.command()
@click.argument("event")
@scanned.scan_options
@click.option(
    "--spectrum", "spectra", type=float, multiple=True, metavar="GAMMA", default=(2.19, 2.5), show_default=True,
    help="Neutrinos come from E^-GAMMA; repeat.",
)  # fmt: skip
@click.option(
    "--topology", metavar="NAME", show_default="as its light looks",
    help="through-going, starting or cascade.",
)  # fmt: skip
@click.option("--profile", type=place, metavar="FILE.csv", help="Table of the losses to write.")
@click.option("--plot", "figure", type=place, metavar="FILE", help="Figure of them: .png, .pdf or .svg.")
@click.option("--theme", default="light", show_default=True, metavar="NAME", help="Of the figure: light or dark.")
@click.option("--pulses", metavar="NAME", help="Pulse set; the event's usual one by default.")
@click.option(
    "--mirror", type=click.Path(path_type=Path), envvar="SKYMIST_MIRROR", show_envvar=True,
    help="Folder in which public events are looked for before the network.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
def energy(
    event: str,
    path: Place | None,
    spectra: tuple[float, ...],
    topology: str | None,
    profile: Place | None,
    figure: Place | None,
    theme: str,
    pulses: str | None,
    mirror: Path | None,
    as_json: bool,
    **scan: Any,
) -> None:
    """Tell the energies of EVENT at the best fit of its map: deposited, of the muon, and of the neutrino.

    The neutrino's is a range: it depends on the spectrum that it comes from. The document says what else is assumed.
    """
    from skymist.store.zarr import read_skymap
    from skymist.workflow import energy as workflow
    from skymist.workflow.events import load_event
    from skymist.workflow.scan import Stopwatch

    scanned.check(path, **scan)
    loaded = load_event(event, pulses, mirror)
    skymap = read_skymap(path) if path else scanned.scan(loaded, Stopwatch(), **scan)
    document = workflow.energies(loaded, skymap, spectra, topology)
    written = {
        "profile": profile and workflow.write_profile(document, profile),
        "figure": figure and workflow.write_figure(document, figure, theme),
    }
    document = {
        "map": str(path or skymap.encoding["source"]),
        **document,
        "outputs": {kind: str(file) for kind, file in written.items() if file},
    }
    if as_json:
        text.print_json(document)
    else:
        _print(document)


def _print(document: Mapping[str, Any]) -> None:
    event, truth, reconstruction = document["event"], document["truth"], document["reconstruction"]
    chosen = reconstruction.get("chosen")
    simulated = "  [bold magenta]simulated[/]" if event["simulated"] else ""
    name = f"[bold]run {event['run']} event {event['event']}[/]"
    text.answers.print(f"{name}  {text.moment(event['utc'])} UTC{simulated}")
    text.answers.print(f"{reconstruction['name']} (version {reconstruction['version']}): {document['topology']}")
    if chosen:
        text.print_chosen(chosen)
    if not chosen or document["reason"] != chosen["why"]:
        text.answers.print(escape(document["reason"]))
    text.answers.print(_table(document))
    if truth:
        lost = "" if truth["deposited_gev"] is None else f", deposited {_spoken(truth['deposited_gev'])}"
        text.answers.print(f"truth: {truth['topology'] or 'particle'} of {_spoken(truth['energy_gev'])}{lost}")
    for line in document["assumptions"]:
        text.answers.print(f"[dim]- {escape(line)}[/]")
    for file in document["outputs"].values():
        text.answers.print(escape(file))


def _table(document: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for column, header in enumerate(("energy", "", "68 %", "90 %")):
        table.add_column(header, justify="right" if column else "left")
    _add_estimate(table, "deposited", document["deposited_gev"])
    if document["muon_energy_gev"] is not None:
        where = "vertex" if document["topology"] == "starting" else "entry"
        _add_estimate(table, f"muon at its {where}", document["muon_energy_gev"])
    for name, ranges in {"": document["neutrino_energy_gev"], **document["alternatives"]}.items():
        for gamma, found in ranges.items():
            label = f"neutrino, E^-{gamma}" + (f", {name}" if name else "")
            table.add_row(label, _spoken(found["median"]), _between(*found["68"]), _between(*found["90"]))
    return table


def _add_estimate(table: Table, name: str, found: Mapping[str, float]) -> None:
    table.add_row(name, _spoken(found["value"]), _between(found["low"], found["high"]))


def _between(low: float, high: float) -> str:
    return f"{_spoken(low)} to {_spoken(high)}"


def _spoken(energy_gev: float) -> str:
    from skymist.workflow.energy import in_tev

    return in_tev(energy_gev)
