"""``skymist map draw`` and ``skymist events draw``: figures as files."""

import re
from collections.abc import Sequence
from math import isfinite, nan, radians
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from skymist.cli import text
from skymist.cli.db import json_option
from skymist.cli.maps import calibration_option, floor_option, map_argument, peer_options
from skymist.errors import RequestError, UnknownNameError
from skymist.store.place import Place, place

if TYPE_CHECKING:
    import xarray as xr

    from skymist.crossmatch.catalog import SourceCatalog
    from skymist.model.event import Event
    from skymist.workflow.figures import Look

# Heavy parts are imported by the commands that need them.

theme_option = click.option("--theme", default="light", show_default=True, metavar="NAME", help="light or dark.")
to_option = click.option(
    "--to", type=place, metavar="FILE",
    help="What to write: its ending says PNG, PDF or SVG, or HTML for an interactive page.",
)  # fmt: skip
caption_option = click.option("--caption", "told", is_flag=True, help="Say also in words what the figure shows.")


@click.command("draw")
@map_argument
@click.option(
    "--figure", metavar="NAME", show_default="combined; zoom for HTML",
    help="combined, sky, zoom, coverage, calibrations, or difference --with another map.",
)  # fmt: skip
@click.option("--with", "other", type=place, metavar="MAP", help="Second map of the difference.")
@click.option("--frame", metavar="NAME", help="Of the whole sky: equatorial, galactic or local.")
@click.option("--show", metavar="WHAT", help="What the zoom's colour means: ts or probability.")
@click.option("--mark", "marks", multiple=True, metavar="NAME=RA,DEC", help="A position (degrees, ICRS); repeat.")
@click.option(
    "--sources", multiple=True, metavar="NAME|FILE",
    help="A catalog, or the file of a description: the sources around the best fit are marked; repeat.",
)  # fmt: skip
@click.option("--earlier", multiple=True, type=place, metavar="MAP", help="An earlier result to show too; repeat.")
@floor_option
@peer_options
@calibration_option
@theme_option
@to_option
@caption_option
@json_option
def draw_map(path: Place, figure: str | None, to: Place | None, told: bool, as_json: bool, **wishes: Any) -> None:
    """Draw a MAP into a file, beside it by default, and print which."""
    from skymist.workflow import figures

    ending = ".png" if to is None else figures.ending_of(to)
    kind = figure or ("zoom" if ending == figures.PAGE else "combined")
    read = {key: wishes.pop(key) for key in ("floor_deg", "convention", "utc")}
    _check(kind, ending, **wishes)
    data, look = _read_map(path, kind, read, **wishes)
    file, caption = figures.save(kind, data, to, look)
    _tell(file, kind, caption, told=told, as_json=as_json)


@click.command("draw")
@click.argument("event")
@click.option("--map", "path", type=place, metavar="MAP", help="Whose best fit is drawn over it.")
@click.option("--pulses", metavar="NAME", help="Pulse set; the event's usual one by default.")
@click.option(
    "--mirror", type=click.Path(path_type=Path), envvar="SKYMIST_MIRROR", show_envvar=True,
    help="Folder in which public events are looked for before the network.",
)  # fmt: skip
@peer_options
@theme_option
@to_option
@caption_option
@json_option
def draw_event(
    event: str, path: Place | None, pulses: str | None, mirror: Path | None, theme: str, to: Place | None, told: bool,
    as_json: bool, **read: Any,
) -> None:  # fmt: skip
    """Draw EVENT in the detector into a file, in the working folder by default, and print which."""
    from skymist.workflow import figures
    from skymist.workflow.events import load_event
    from skymist.workflow.maps import load_map

    ending = ".png" if to is None else figures.ending_of(to)
    figures.check(figures.EVENT, figures.Look(theme), ending)
    found: Event = load_event(event, pulses, mirror)
    look = figures.Look(theme, fitted=None if path is None else load_map(path, **read))
    file, caption = figures.save(figures.EVENT, found, to, look)
    _tell(file, figures.EVENT, caption, told=told, as_json=as_json)


def parse_mark(words: str) -> tuple[str, tuple[float, float]]:
    """Return the name and the position (radians) of a mark that is written NAME=RA,DEC (degrees, ICRS).

    Raises
    ------
    RequestError
        If it is not written like that, or is no position.
    """
    name, _, numbers = words.rpartition("=")
    try:
        ra, dec = (float(number) for number in numbers.split(","))
    except ValueError:
        ra = dec = nan
    if not (name and isfinite(ra) and abs(dec) <= 90):
        raise RequestError(f"the mark {words!r} is not NAME=RA,DEC in degrees, such as 'TXS 0506+056=77.36,5.69'")
    return name, (radians(ra % 360), radians(dec))


def _name_of(where: Place) -> str:
    """Return what a map is called in a legend: its file's name without the event and without the ending."""
    stem = re.sub(r"\.\w+(\.gz)?$", "", where.name)
    return re.sub(r"^run\d+[.-]evt\d+[.-]", "", stem)


def _check(kind: str, ending: str, **wishes: Any) -> None:
    """Refuse what makes no sense before any map is read."""
    from skymist.workflow import figures

    if kind not in figures.OF_MAPS:
        raise UnknownNameError("figure of a map", kind, figures.OF_MAPS)
    given = {key: wishes[key] for key in ("theme", "calibration", "frame", "show")}
    marks = dict(parse_mark(each) for each in wishes["marks"]) or dict.fromkeys(wishes["sources"], (0.0, 0.0))
    earlier = [(str(each), None) for each in wishes["earlier"]]
    figures.check(kind, figures.Look(**given, marks=marks, earlier=earlier), ending)  # type: ignore[arg-type]
    if (wishes["other"] is not None) != (kind == "difference"):
        raise RequestError(
            "the figure 'difference' needs a second map: --with MAP" if kind == "difference" else
            f"the figure {kind!r} takes no second map (--with); difference does"
        )  # fmt: skip


def _read_map(
    path: Place, kind: str, read: dict[str, Any], *, sources: Sequence[str], marks: Sequence[str],
    earlier: Sequence[Place], other: Place | None, **given: Any,
) -> "tuple[xr.Dataset, Look]":  # fmt: skip
    """Return a map and how it is to be drawn."""
    from skymist.workflow import figures
    from skymist.workflow.exports import truth_of
    from skymist.workflow.maps import load_map
    from skymist.workflow.match import load

    catalogs = [load(each) for each in sources]  # quick to read, and their names are often wrong
    data = load_map(path, **read)
    found = truth_of(data) if "marks" in figures.FIGURES[kind].takes else {}
    if catalogs:
        found |= _sources(data, catalogs, given["calibration"])
    found |= dict(parse_mark(each) for each in marks)
    before = [(_name_of(each), load_map(each, **read)) for each in earlier]
    second = None if other is None else load_map(other, **read)
    return data, figures.Look(marks=found, earlier=before, other=second, **given)


def _sources(data: "xr.Dataset", catalogs: "Sequence[SourceCatalog]", calibration: str | None) -> dict[str, Any]:
    """Return the sources of all catalogs that are marked, and say if there are more."""
    import numpy as np

    from skymist.workflow.figures import sources_in_view

    names, ra, dec = (np.concatenate([getattr(each, key) for each in catalogs]) for key in ("names", "ra", "dec"))
    found, count = sources_in_view(data, names, ra, dec, calibration)
    if count > len(found):
        text.note(f"{count} sources in view: the {len(found)} nearest to the best fit are marked")
    return found


def _tell(file: Place, kind: str, caption: str, *, told: bool, as_json: bool) -> None:
    if as_json:
        text.print_json({"figure": kind, "file": str(file), "caption": caption})
        return
    click.echo(str(file))
    if told:
        click.echo(caption)
