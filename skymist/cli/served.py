"""A scan that a service makes (``skymist scan EVENT --server URL``): upload, follow, print as if it were made here."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from skymist.cli import bars, text
from skymist.cli.options import by_level
from skymist.cli.scans import download
from skymist.cli.status import INTERRUPTED
from skymist.errors import RequestError

if TYPE_CHECKING:
    from skymist.client import Scan

_HERE_ONLY = "pulses", "ahead", "cell_limit", "diagnose"
"""What a service decides by itself."""


def scan(
    event: str,
    server: str,
    *,
    reco: str,
    options: tuple[str, ...],
    levels: str | None,
    cone: str | None,
    seeds: int,
    cluster: str,
    workers: int | None,
    priority: int,
    mirror: Path | None,
    calibration: str,
    out: Any,
    seed: int,
    as_json: bool,
    **here: Any,
) -> None:
    """Have a service scan an event, and print what it has found."""
    from skymist.client import connect
    from skymist.model.region import find_calibration

    if given := [f"--{key.replace('_', '-')}" for key in here if key in _HERE_ONLY and _is_given(key)]:
        raise RequestError(f"leave out {text.one_of([*given, '--server'])}: a service decides that by itself")
    find_calibration(calibration)
    everywhere, at_level = by_level(options)
    with connect(server) as client:
        found = client.scan(
            _locate(event, mirror), reco=reco, options=everywhere, levels=levels, cone=cone, seeds=seeds, seed=seed,
            level_options={str(nside): special for nside, special in at_level.items()}, workers=workers,
            priority=priority, cluster=_name(cluster) if _is_given("cluster") else None,
        )  # fmt: skip
        try:
            with bars.of_scan() as show:
                found.wait(show)
        except KeyboardInterrupt:
            text.note(f"scan {found.id[:12]} goes on at {server}; the same command follows it again")
            raise click.exceptions.Exit(INTERRUPTED) from None
        document = _summary(found, calibration)
        if _is_given("out"):
            document["outputs"] = download(found, Path(out))
    if as_json:
        text.print_json(document)
    else:
        text.print_map(document)


def _is_given(name: str) -> bool:
    """Return whether an option was given, rather than left at its default."""
    return click.get_current_context().get_parameter_source(name) not in (
        ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP
    )  # fmt: skip


def _locate(event: str, mirror: Path | None) -> str | Path:
    """Return the file of an event, where there is one here; all other names are the service's."""
    from skymist.readers import fetch, known_events
    from skymist.workflow.events import DEMO, demo_path

    if event == DEMO:
        return demo_path()
    return fetch(event, mirror) if not Path(event).exists() and event in known_events() else event


def _name(cluster: str) -> str:
    """Return the name of a cluster at the service, for which the option has put a file of this machine."""
    return cluster if "://" in cluster else Path(cluster).stem


def _summary(found: "Scan", calibration: str) -> dict[str, Any]:
    document = found.summary
    if document["calibration"] == calibration:
        return document
    from skymist.workflow.products import summary

    seconds = {name: value for name, value in document["seconds"].items() if name != "total"}
    return summary(found.skymap(), calibration, seconds, document["outputs"])
