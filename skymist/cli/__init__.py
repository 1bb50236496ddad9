"""The command line: ``skymist``."""

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from skymist.cli import bars, served, text
from skymist.cli.archive import archive
from skymist.cli.calibrate import calibrate
from skymist.cli.cluster import cluster, cluster_options
from skymist.cli.db import db
from skymist.cli.doctor import doctor
from skymist.cli.draw import draw_event, draw_map
from skymist.cli.energy import energy
from skymist.cli.evaluate import evaluate
from skymist.cli.maps import sky_map
from skymist.cli.match import catalogs, match
from skymist.cli.options import by_level
from skymist.cli.publications import circular, notice
from skymist.cli.records import alerts, quarantine
from skymist.cli.reproduce import reproduce
from skymist.cli.scanned import chosen_for
from skymist.cli.scans import scans
from skymist.cli.serve import serve
from skymist.cli.simulate import simulate
from skymist.cli.status import BAD_INPUT, FAILED, INTERRUPTED
from skymist.cli.stream import stream
from skymist.cli.token import token
from skymist.errors import ScanError, SkymistError
from skymist.store.place import Place, place

# Heavy parts are imported by the commands that need them: --help and usage errors come at once.

DEFAULT_OUT = "scans"


def main() -> None:
    """Run the command line; every known error becomes one line and an exit status."""
    gc.set_threshold(100_000)  # imports make many objects and no garbage: a tenth off the start-up time
    try:
        code = skymist.main(standalone_mode=False, prog_name="skymist")
    except click.ClickException as error:
        error.show()
        code = BAD_INPUT
    except (click.Abort, KeyboardInterrupt):
        text.note("interrupted; what was computed is kept, the same command goes on from there")
        code = INTERRUPTED
    except SkymistError as error:
        text.note(str(error), "error:")
        code = FAILED if isinstance(error, ScanError) else BAD_INPUT
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == __package__.partition(".")[0]:
            raise
        text.note(f"this needs {error.name}: pip install 'skymist[service]'", "error:")
        code = BAD_INPUT
    except OSError as error:
        text.note(f"{error.filename or 'input or output'}: {error.strerror or error}", "error:")
        code = BAD_INPUT
    gc.freeze()  # nor is the end the time to look for garbage: a second, otherwise
    sys.exit(code)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="skymist")
def skymist() -> None:
    """Neutrino alerts from the raw event to a calibrated sky map."""


_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
_mirror_option = click.option(
    "--mirror",
    type=click.Path(path_type=Path),
    envvar="SKYMIST_MIRROR",
    show_envvar=True,
    help="Folder in which public events are looked for before the network.",
)
_pulses_option = click.option("--pulses", metavar="NAME", help="Pulse set; the event's usual one by default.")
_out_option = click.option(
    "--out", type=place, default=DEFAULT_OUT, show_default=True, metavar="PATH|URL",
    help="Folder for the map and its files, also in an object store (s3://BUCKET/KEY).",
)  # fmt: skip
_calibration_option = click.option(
    "--calibration", default=text.CALIBRATION, show_default=True, metavar="NAME",
    help=text.MEANING,
)  # fmt: skip


def _scan_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed((
        click.option("--reco", default="track-mpe", show_default=True, metavar="NAME",
                     help="Reconstruction, or auto for what fits the event (rule=icecube: as IceCube chooses)."),
        click.option("--option", "options", multiple=True, metavar="K=V",
                     help="Option of the reconstruction, or NSIDE:K=V of one level only; repeat."),
        click.option("--levels", metavar="SPEC", show_default="the reconstruction's own, else 8:0,64:12,512:24",
                     help="NSIDE:CELLS,... from coarse to fine; each level splits that many cells of the one before."),
        click.option("--cone", metavar="CIRCLE",
                     help="Scan only RA,DEC,RADIUS (degrees, ICRS), or SEED,RADIUS around an earlier reconstruction."),
        click.option("--seeds", type=click.IntRange(1, 9), default=1, show_default=True, metavar="N",
                     help="Fits of the level before from which each cell starts; the best result counts."),
        cluster_options,
        click.option("--priority", type=int, default=0, show_default=True, metavar="N",
                     help="Among scans on one cluster: higher ones first; 100 and more is realtime."),
        click.option("--ahead", type=click.FloatRange(0.1, 1), default=0.9, show_default=True, metavar="SHARE",
                     help="Idle workers begin with a finer level when this share of the coarser one is in."),
        click.option("--cell-limit", type=click.FloatRange(0, min_open=True), default=600, show_default=True,
                     metavar="SECONDS", help="After which a single cell is given up and counts as failed."),
        click.option("--diagnose", is_flag=True, help="Time each cell alone and keep with the map what it cost."),
        _pulses_option,
        _mirror_option,
        _calibration_option,
        _out_option,
        click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N",
                     help="Of all random numbers."),
        _json_option,
    )):  # fmt: skip
        command = option(command)
    return command


@skymist.command()
@click.argument("event")
@click.option(
    "--server", metavar="URL", is_eager=True, help="Have a service scan, which may know EVENT by any name of its alert."
)
@_scan_options
def scan(event: str, server: str | None, **settings: Any) -> None:
    """Scan the sky for EVENT: a file, the name of a public event, or "demo".

    The same command again finishes a scan that was interrupted, and repeats none that is done.
    """
    if server is None:
        _scan(event, **settings)
    else:
        served.scan(event, server, **settings)


@skymist.command()
@_scan_options
def demo(**settings: Any) -> None:
    """Scan the bundled, simulated event and compare with the truth."""
    _scan("demo", **settings)


def _scan(
    source: str,
    *,
    reco: str,
    options: tuple[str, ...],
    levels: str | None,
    cone: str | None,
    seeds: int,
    cluster: str,
    workers: int | None,
    priority: int,
    ahead: float,
    cell_limit: float,
    diagnose: bool,
    pulses: str | None,
    mirror: Path | None,
    calibration: str,
    out: Place,
    seed: int,
    as_json: bool,
) -> None:
    from skymist.model.region import find_calibration
    from skymist.model.request import Cone, parse_levels
    from skymist.scan.run import Pace
    from skymist.workflow import choice, events, exports, products
    from skymist.workflow import scan as workflow

    watch = workflow.Stopwatch()
    find_calibration(calibration)
    steps = None if levels is None else parse_levels(levels)
    everywhere, at_level = by_level(options)
    asked = choice.load(reco, everywhere, seed)
    event = events.load_event(source, pulses, mirror)
    circle = None if cone is None else Cone.parse(cone, event)
    watch.lap("read")
    reconstruction, chosen = chosen_for(event, asked)
    watch.lap("setup")
    with bars.of_scan() as show:
        skymap = workflow.scan_event(
            event, reconstruction, steps, circle, seed, seeds=seeds, level_options=at_level,
            chosen=None if chosen is None else chosen.to_dict(), out=out, cluster_name=cluster, workers=workers,
            pace=Pace(priority, ahead, cell_limit, diagnose), on_progress=show, on_wait=text.note, watch=watch,
        )  # fmt: skip
    files = {kind: exports.export(skymap, kind, None, calibration) for kind in ("fits", "png")}
    watch.lap("write")
    document = products.summary(skymap, calibration, watch.seconds, {"zarr": skymap.encoding["source"], **files})
    if as_json:
        text.print_json(document)
    else:
        text.print_map(document)


@skymist.group()
def events() -> None:
    """Look at events, and get public ones."""


@events.command("show")
@click.argument("event")
@_pulses_option
@_mirror_option
@_json_option
def events_show(event: str, pulses: str | None, mirror: Path | None, as_json: bool) -> None:
    """Say what EVENT holds: identifiers, pulse sets, pulses, earlier reconstructions (angles in degrees)."""
    from skymist.workflow.events import describe_event, load_event

    document = describe_event(load_event(event, pulses, mirror))
    if as_json:
        text.print_json(document)
    else:
        text.print_event(document)


@events.command("list")
def events_list() -> None:
    """List the public events that can be fetched by name."""
    from skymist.readers import known_events

    for name in known_events():
        click.echo(name)


@events.command("fetch")
@click.argument("name")
@_mirror_option
def events_fetch(name: str, mirror: Path | None) -> None:
    """Get a public event into the local cache, checked by its hash, and print where it is."""
    from skymist.readers import fetch

    click.echo(fetch(name, mirror))


events.add_command(draw_event)
sky_map.add_command(draw_map)
for command in (
    alerts, archive, calibrate, catalogs, circular, cluster, db, doctor, energy, evaluate, match, notice, quarantine,
    reproduce, scans, serve, simulate, sky_map, stream, token,
):  # fmt: skip
    skymist.add_command(command)
