"""What the command line prints: answers on standard output, progress and notes on standard error."""

import json
from collections.abc import Iterable, Mapping, Sequence
from math import degrees, radians
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

CALIBRATIONS = "population", "resimulated", "wilks", "icecube-2016", "probability"
"""Of regions, as `skymist.model.region` knows them; that takes too long to import for a word of help."""
CALIBRATION = "icecube-2016"
"""The default there."""
MEANING = (
    f"What makes a region of a likelihood: {', '.join(CALIBRATIONS[:-1])} or {CALIBRATIONS[-1]}; resimulated is that "
    "of skymist calibrate, population that of a built-in reconstruction."
)
"""Help for the choice of a calibration."""

notes = Console(stderr=True, highlight=False, soft_wrap=True)
answers = Console(highlight=False, soft_wrap=True)


def moment(utc: str) -> str:
    """Return a time as people read it: without zeros at the end of its seconds."""
    day, _, hours = utc.partition("T")
    return f"{day} {hours.rstrip('0').rstrip('.') if '.' in hours else hours}".rstrip()


def one_of(names: Sequence[str]) -> str:
    """Return names as a choice in words."""
    return f"{', '.join(names[:-1])} or {names[-1]}"


def note(message: str, label: str = "") -> None:
    """Tell the person something that is not the answer."""
    notes.print(f"[bold red]{label}[/] {escape(message)}" if label else escape(message))


def note_compiling(reconstruction: object) -> None:
    """Say that the first use of a reconstruction on this machine takes a while, if it does."""
    if not getattr(reconstruction, "compiled", True):
        name = getattr(reconstruction, "name", "the reconstruction")
        note(f"compiling {name} for this machine: once, up to half a minute")


def print_json(document: Mapping[str, Any]) -> None:
    """Print one JSON document, on one line."""
    click.echo(json.dumps(document, allow_nan=False))


def print_rows(rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> None:
    """Print some columns of dictionaries as a table, as wide as it is."""
    cells = [columns, *([_cell(row.get(name)) for name in columns] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(columns))]
    for line in cells:
        click.echo("   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return "" if value is None else " ".join(str(value).split())


def print_map(document: Mapping[str, Any]) -> None:
    """Print the summary of a map; of a simulated event also how far the best fit is from the truth."""
    best, truth, reconstruction = document["best"], document["truth"], document["reconstruction"]
    cells = ", ".join(f"{count:,} of nside {nside}" for nside, count in document["cells"].items())
    _print_event_line({**document["event"], "simulated": document["simulated"]})
    answers.print(f"{reconstruction['name']} (version {reconstruction['version']}): {cells}")
    if "chosen" in reconstruction:
        print_chosen(reconstruction["chosen"])
    if not document["complete"]:
        answers.print("[bold]not complete:[/] the scan was interrupted or is still running")
    if document["failed_cells"]:
        answers.print(f"{document['failed_cells']} cells could not be fitted")
    answers.print(_regions(document))
    reaching = [f"{share} %" for share, found in document["regions"].items() if found["open"]]
    if reaching:
        answers.print(f"{' and '.join(reaching)} may be larger: the region reaches beyond the finest cells")
    if document["resimulated"]:
        answers.print()
        print_resimulated(document["resimulated"])
    angles = f"zenith {best['zenith']:.2f}°, azimuth {best['azimuth']:.2f}°"
    answers.print(f"ICRS; {document['calibration']} regions; {angles}")
    if truth:
        apart = _apart(best, truth)
        answers.print(f"truth: RA {truth['ra']:.2f}°, Dec {truth['dec']:+.2f}°, {apart:.2f}° from the best fit")
    if document["seconds"]["total"]:
        answers.print("seconds: " + ", ".join(f"{name} {value:.2f}" for name, value in document["seconds"].items()))
    for path in document["outputs"].values():
        answers.print(escape(path))


def print_chosen(chosen: Mapping[str, Any]) -> None:
    """Print what ``auto`` has chosen, and why."""
    answers.print(f"auto: {chosen['reconstruction']}, because {escape(chosen['why'])}")


def print_calibration(document: Mapping[str, Any]) -> None:
    """Print what the calibration of a map has found."""
    _print_event_line(document["event"])
    if "chosen" in document:
        print_chosen(document["chosen"])
    print_resimulated(document)
    answers.print("seconds: " + ", ".join(f"{name} {value:.2f}" for name, value in document["seconds"].items()))
    answers.print(escape(document["map"]))


def print_resimulated(found: Mapping[str, Any]) -> None:
    """Print the calibration that a map has of its own, beside the usual ones."""
    table = _table("regions", *(f"{share} %: {what}" for share in found["levels"] for what in ("TS", "area")))
    for name, levels in found["compared"].items():
        ranges = found["levels"] if name == found["name"] else {}
        cells = ((_ts(levels[share], ranges.get(share)), f"{levels[share]['area_deg2']:,.2f} deg²") for share in levels)
        table.add_row(name, *(cell for pair in cells for cell in pair))
    answers.print(table)
    scale = f"TS {_number(found['scale'])} ± {_number(found['scale_error'])} times as large as Wilks'"
    error = f"median error {_number(found['median_error_deg'])}°"
    answers.print(f"{found['name']}: {found['n']} pseudo-experiments (seed {found['seed']}), {scale}, {error}")
    for remark in found["notes"]:
        answers.print(remark)


def print_event(document: Mapping[str, Any]) -> None:
    """Print what an event holds."""
    pulses = document["pulses"]
    modules = len({tuple(dom) for dom in pulses["dom"]})
    light = f"{len(pulses['dom'])} pulses ({sum(pulses['charge_pe']):.0f} PE) on {modules} modules"
    _print_event_line(document)
    answers.print(f"{light} of {escape(document['detector'])}, pulse set {escape(document['pulse_set'])}")
    answers.print(f"pulse sets: {escape(', '.join(document['pulse_sets']))}")
    for name, windows in document["exclusions"].items():
        answers.print(f"{escape(name)}: {windows} windows left out")
    table = _table("earlier reconstruction", "RA", "Dec", "zenith", "azimuth", "energy")
    seeds = {**document["seeds"], **({"truth": document["truth"]} if document["truth"] else {})}
    for name, seed in seeds.items():
        energy = "" if seed["energy_gev"] is None else f"{seed['energy_gev'] / 1000:,.1f} TeV"
        angles = (f"{seed['ra']:.2f}°", f"{seed['dec']:+.2f}°", f"{seed['zenith']:.2f}°", f"{seed['azimuth']:.2f}°")
        table.add_row(escape(name), *angles, energy)
    if seeds:
        answers.print(table)


def _print_event_line(event: Mapping[str, Any]) -> None:
    simulated = "  [bold magenta]simulated[/]" if event["simulated"] else ""
    name = f"run {event['run']} event {event['event']}"
    answers.print(f"[bold]{name}[/]  {moment(event['utc'])} UTC  {escape(event['kind'])}{simulated}")


def _regions(document: Mapping[str, Any]) -> Table:
    best = document["best"]
    table = _table("", "RA", "Dec", "area")
    table.add_row("best fit", f"{best['ra']:.2f}°", f"{best['dec']:+.2f}°")
    for share, found in document["regions"].items():
        ra = f"+{found['ra_plus']:.2f}° -{found['ra_minus']:.2f}°"
        dec = f"+{found['dec_plus']:.2f}° -{found['dec_minus']:.2f}°"
        table.add_row(f"{share} % region", ra, dec, f"{found['area_deg2']:.2f} deg²")
    return table


def _ts(level: Mapping[str, Any], limits: Mapping[str, Any] | None) -> str:
    span = f" ({_number(limits['low'])} to {_number(limits['high'])})" if limits else ""
    return _number(level["ts"]) + span


def _number(value: float | None) -> str:
    return "∞" if value is None else f"{value:.2f}"


def _table(*headers: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for place, header in enumerate(headers):
        table.add_column(header, justify="right" if place else "left")
    return table


def _apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Return the angle between two positions in degrees."""
    from skymist.model.sky import separation  # heavy, and only simulated events need it

    places = (radians(place[key]) for place in (one, other) for key in ("ra", "dec"))
    return degrees(float(separation(*places)))
