"""``skymist simulate``: events whose truth is known."""

from functools import partial
from math import radians
from pathlib import Path

import click
from rich.progress import track

from skymist.cli.text import notes

_KINDS = ("through-going", "starting", "cascade")


@click.command()
@click.option(
    "--kind", type=click.Choice(_KINDS), default=_KINDS[0], show_default=True,
    help="A muon from outside, a muon from a neutrino that interacts inside, or an electromagnetic shower.",
)  # fmt: skip
@click.option(
    "--energy", type=click.FloatRange(min=1e3, max=1e8), default=1e5, show_default=True, metavar="GEV",
    help="Of the muon as it enters the detector, of the neutrino (starting), or of the shower.",
)  # fmt: skip
@click.option("--zenith", type=click.FloatRange(0, 180), metavar="DEG", help="Where it comes from; random by default.")
@click.option("--azimuth", type=click.FloatRange(0, 360), metavar="DEG", help="The same.")
@click.option("--vertex", metavar="X,Y,Z", help="Where it starts, or a point on its way (m); random by default.")
@click.option("-n", "--number", type=click.IntRange(min=1), default=1, show_default=True, help="How many events.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all random numbers.")
@click.option("--perturbed", is_flag=True, help="Draw other ice and another efficiency for each event.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("simulated.csv"), show_default=True,
    help="Event table (.csv, .parquet), several are numbered; or one set of all events (.npz).",
)  # fmt: skip
def simulate(
    kind: str,
    energy: float,
    zenith: float | None,
    azimuth: float | None,
    vertex: str | None,
    number: int,
    seed: int,
    perturbed: bool,
    out: Path,
) -> None:
    """Simulate events in IceCube, with the light model that the reconstructions use.

    Event i of a seed is always the same, however many there are.
    """
    from skymist.workflow.simulate import parse_vertex, simulate_event, write_events

    angles = [None if angle is None else radians(angle) for angle in (zenith, azimuth)]
    place = None if vertex is None else parse_vertex(vertex)
    make = partial(simulate_event, seed, kind=kind, energy_gev=energy, vertex=place, perturbed=perturbed)
    make = partial(make, zenith=angles[0], azimuth=angles[1])
    written = write_events(out, number, make)
    show = track(written, "simulating", number, console=notes, transient=True, disable=not notes.is_terminal)
    for path in [path for path in show if path is not None]:
        click.echo(path)
