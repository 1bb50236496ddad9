"""``skymist map``: look at sky maps, compare them, and write them as files for other tools."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from skymist.cli import text
from skymist.cli.db import json_option
from skymist.store.place import Place, place

if TYPE_CHECKING:
    import xarray as xr

# Heavy parts are imported by the commands that need them.

SHARES = 0.5, 0.9


@click.group("map")
def sky_map() -> None:
    """Look at sky maps, compare them and export them.

    A MAP is a .zarr folder (or its URL), a result of Skymap Scanner (JSON, NPZ) or a multi-order FITS map.
    """


map_argument = click.argument("path", metavar="MAP", type=place)
calibration_option = click.option(
    "--calibration", metavar="NAME", show_default=f"{text.CALIBRATION}; probability for densities",
    help=text.MEANING,
)  # fmt: skip
floor_option = click.option(
    "--floor", "floor_deg", type=float, default=0.0, metavar="DEG",
    help="Convolve the probability with a Gaussian of this sigma first; IceCube takes 0.2.",
)  # fmt: skip
containment_option = click.option(
    "--containment", "containments", type=float, multiple=True, default=SHARES, show_default="0.5 and 0.9",
    metavar="SHARE", help="Of the region; repeat.",
)  # fmt: skip


def peer_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add what results of others may leave out."""
    utc = click.option("--utc", metavar="TIME", help="Time of the event, if a result of others does not tell it.")
    convention = click.option(
        "--convention", metavar="NAME", help="Of declination, if results of others do not tell it: standard, mirrored."
    )
    return convention(utc(command))


@sky_map.command("show")
@map_argument
@peer_options
@calibration_option
@json_option
def show(path: Place, calibration: str | None, as_json: bool, **read: Any) -> None:
    """Say what a MAP holds, also while it is still growing."""
    from skymist.workflow import products

    data, calibration = _loaded(path, calibration, **read)
    kind = "map" if path.exists() else "zarr"  # a store is a folder
    _tell(products.summary(data, calibration, {}, {kind: path}), as_json, text.print_map)


@sky_map.command("regions")
@map_argument
@containment_option
@click.option("--all-calibrations", "compared", is_flag=True, help="Also by every calibration that fits the MAP.")
@floor_option
@peer_options
@calibration_option
@json_option
def regions(
    path: Place, containments: tuple[float, ...], compared: bool, calibration: str | None, as_json: bool, **read: Any
) -> None:
    """Say how large the regions of a MAP are: cells, contours, and errors in three conventions."""
    from skymist.workflow import products

    data, calibration = _loaded(path, calibration, **read)
    _tell(products.regions(data, calibration, containments, compared=compared), as_json, _print_regions)


@sky_map.command("shapes")
@map_argument
@containment_option
@floor_option
@peer_options
@calibration_option
@json_option
def shapes(path: Place, containments: tuple[float, ...], calibration: str | None, as_json: bool, **read: Any) -> None:
    """Say which circle and ellipse come closest to the regions of a MAP, and what they lose."""
    from skymist.workflow import products

    data, calibration = _loaded(path, calibration, **read)
    _tell(products.shapes(data, calibration, containments), as_json, _print_shapes)


@sky_map.command("locate", context_settings={"ignore_unknown_options": True})  # a declination may begin with a minus
@map_argument
@click.argument("ra", type=float)
@click.argument("dec", type=float)
@floor_option
@peer_options
@calibration_option
@json_option
def locate(path: Place, ra: float, dec: float, calibration: str | None, as_json: bool, **read: Any) -> None:
    """Say what a MAP tells of the position RA DEC (degrees, ICRS): TS, searched probability and area."""
    from skymist.workflow import products

    data, calibration = _loaded(path, calibration, **read)
    _tell(products.locate(data, ra, dec, calibration), as_json, _print_position)


@sky_map.command("diff")
@click.argument("a", type=place)
@click.argument("b", type=place)
@peer_options
@calibration_option
@json_option
def diff(a: Place, b: Place, calibration: str | None, as_json: bool, **read: Any) -> None:
    """Compare the maps A and B: best fits, densities and regions."""
    from skymist.workflow import products

    (one, usual), (other, also_usual) = (_loaded(path, calibration, **read) for path in (a, b))
    # Levels of TS are none for a density: if only one of them is a density, both are compared by probability.
    common = usual if usual == also_usual else "probability"
    _tell(products.difference(one, other, common), as_json, _print_difference)


@sky_map.command("export")
@map_argument
@click.option(
    "--format",
    "kind",
    metavar="FORMAT",
    help="fits (multi-order), fits-flat, png, pdf, svg, csv, json; of the contours contours-ecsv, ds9, "
    "geojson; of the cells of the 90 % region moc, moc-json; as Skymap Scanner skyscan-json, skyscan-npz.",
)
@click.option("--all", "everything", is_flag=True, help="In every format.")
@floor_option
@peer_options
@calibration_option
@click.option("--to", type=place, metavar="PATH|URL", help="File, with --all a folder; beside the map by default.")
@json_option
def export(
    path: Place, kind: str | None, everything: bool, calibration: str | None, to: Place | None, as_json: bool,
    **read: Any,
) -> None:  # fmt: skip
    """Write a MAP in a format that other tools read, or in all of them."""
    from skymist.workflow import exports

    if (kind is None) != everything:
        raise click.UsageError("give one of --format FORMAT and --all")
    if kind is not None:
        exports.format_of(kind)
    data, calibration = _loaded(path, calibration, **read)
    if kind is None:
        found = exports.export_all(data, to, calibration)
    else:
        found = exports.Exported({kind: exports.export(data, kind, to, calibration)})
    for each, why in found.failed.items():
        text.note(f"no {each}: {why}")
    files = {each: str(file) for each, file in found.files.items()}
    _tell({"files": files, "failed": found.failed}, as_json, lambda _: click.echo("\n".join(files.values())))


def _loaded(path: Place, calibration: str | None, **read: Any) -> "tuple[xr.Dataset, str]":
    """Return a map and the calibration for it; one that is named has to exist before the map is read."""
    from skymist.model.region import find_calibration
    from skymist.workflow.maps import load_map, usual_calibration

    if calibration is not None:
        find_calibration(calibration)
    data = load_map(path, **read)
    return data, calibration or usual_calibration(data)


def _tell(document: Mapping[str, Any], as_json: bool, show: Callable[[Mapping[str, Any]], None]) -> None:
    (text.print_json if as_json else show)(document)


def _print_regions(document: Mapping[str, Any]) -> None:
    _print_map_line(document)
    sizes = ("region", "TS", "cells", "contour", "pieces", "holes", "")
    text.print_rows(map(_size, *zip(*document["regions"].items(), strict=True)), sizes)
    click.echo()
    text.print_rows(_errors(document["regions"]), ("region", "errors by", "RA", "Dec"))
    if "calibrations" in document:
        click.echo()
        rows = [{**_row_of(each), "area": _square(each["area_deg2"])} for each in document["calibrations"]]
        text.print_rows(rows, ("calibration", "region", "TS", "area", "RA", "Dec", ""))


def _size(share: str, found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "region": f"{share} %", "TS": _level(found["ts"]), "cells": _square(found["area_deg2"]),
        "contour": _square(found["contour_area_deg2"]), "pieces": found["pieces"], "holes": found["holes"],
        "": _open(found),
    }  # fmt: skip


def _errors(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for share, each in found.items():
        for convention, sides in each["errors"].items():
            yield {"region": f"{share} %", "errors by": convention, **_sides(sides)}


def _row_of(row: Mapping[str, Any]) -> dict[str, Any]:
    region, ts = f"{100 * row['containment']:g} %", _level(row["ts"])
    return {"calibration": row["calibration"], "region": region, "TS": ts, "": _open(row), **_sides(row)}


def _sides(found: Mapping[str, Any]) -> dict[str, str]:
    both = {"RA": "ra", "Dec": "dec"}
    return {name: f"+{found[f'{key}_plus']:.2f}° -{found[f'{key}_minus']:.2f}°" for name, key in both.items()}


def _open(found: Mapping[str, Any]) -> str:
    return "may be larger: reaches beyond the finest cells" if found["open"] else ""


def _print_shapes(document: Mapping[str, Any]) -> None:
    _print_map_line(document)
    columns = ("region", "shape", "RA", "Dec", "size", "angle", "area", "missed", "spare", "probability")
    rows = [_shape(share, *each) for share, both in document["shapes"].items() for each in both.items()]
    text.print_rows(rows, columns)


def _shape(share: str, name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    axes = [found[key] for key in ("radius_deg", "major_deg", "minor_deg") if key in found]
    angle = f"{found['angle_deg']:.1f}°" if "angle_deg" in found else ""
    areas = {key: _square(found[f"{key}_deg2"]) for key in ("area", "missed", "spare")}
    return {
        "region": f"{share} %", "shape": name, "RA": f"{found['ra']:.3f}°", "Dec": f"{found['dec']:+.3f}°",
        "size": " x ".join(f"{axis:.3f}°" for axis in axes), "angle": angle, **areas,
        "probability": f"{found['probability']:.3f}",
    }  # fmt: skip


def _print_position(document: Mapping[str, Any]) -> None:
    found = document["position"]
    _print_map_line(document)
    where = f"RA {found['ra']:.4f}°, Dec {found['dec']:+.4f}°"
    click.echo(f"{where}, {found['separation_deg']:.2f}° from the best fit")
    if not found["evaluated"]:
        click.echo("not evaluated there: the value is that of a coarser cell, or there is none")
    searched = f"{found['searched_probability']:.4g} in {_square(found['searched_area_deg2'])}"
    click.echo(f"TS {_number(found['ts'])}; searched probability {searched}")
    within = [f"{share} %: {'inside' if inside else 'outside'}" for share, inside in found["inside"].items()]
    click.echo(f"{', '.join(within)} ({document['calibration']})")


def _print_difference(document: Mapping[str, Any]) -> None:
    for name in ("a", "b"):
        text.answers.print(f"{name}: ", end="")
        _print_map_line({**document[name], "calibration": document["calibration"]})
    if not document["same_event"]:
        text.answers.print("[bold]maps of two different events[/]")
    angle = f"{document['separation_deg']:.2f}° apart, b at position angle {document['position_angle_deg']:.1f}° from a"
    text.answers.print(f"best fits {angle}")
    click.echo(f"TS of b in a {_number(document['ts_of_b_in_a'])}, of a in b {_number(document['ts_of_a_in_b'])}")
    click.echo(f"Jensen-Shannon divergence {document['jensen_shannon_bits']:.3f} bits (0 the same, 1 disjoint)")
    _print_cells(document["cells"])
    columns = ("region", "area a", "area b", "common", "together", "IoU", "a in b", "b in a")
    text.print_rows(map(_overlap, document["overlaps"]), columns)


def _print_cells(found: Mapping[str, Any]) -> None:
    others = f"{found['common']:,} cells in both, {found['only_a']:,} only in a, {found['only_b']:,} only in b"
    if found["nllh"] is None:
        click.echo(others)
    else:
        energy = "" if found["energy"] is None else f", energy by {100 * found['energy']:.2g} %"
        click.echo(f"{others}; -ln L differs by {found['nllh']:.3g} at most{energy}")


def _overlap(found: Mapping[str, Any]) -> dict[str, Any]:
    areas = {"area a": "area_a", "area b": "area_b", "common": "common", "together": "union"}
    shares = {"IoU": "iou", "a in b": "probability_of_a_in_b", "b in a": "probability_of_b_in_a"}
    return {
        "region": f"{100 * found['containment']:g} %",
        **{name: _square(found[f"{key}_deg2"]) for name, key in areas.items()},
        **{name: f"{found[key]:.3f}" for name, key in shares.items()},
    }


def _print_map_line(document: Mapping[str, Any]) -> None:
    event = document["event"]
    name = f"[bold]run {event['run']} event {event['event']}[/]"
    simulated = "  [bold magenta]simulated[/]" if event["simulated"] else ""
    floor = f"; floor {document['floor_deg']:g}°" if "floor_deg" in document else ""
    how = f"{escape(document['reconstruction'])}; {document['calibration']} regions{floor}"
    text.answers.print(f"{name}  {text.moment(event['utc'])} UTC{simulated}  {how}")


def _level(ts: float | None) -> str:
    return "∞" if ts is None else f"{ts:.2f}"


def _number(value: float | None) -> str:
    return "not scanned" if value is None else f"{value:.2f}"


_square = partial("{:,.2f} deg²".format)
