"""``skymist doctor``: whether what skymist needs is there, and what to do where it is not."""

from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import click

from skymist.cli import text
from skymist.cli.cluster import folder_option
from skymist.cli.db import json_option


@click.command()
@click.option(
    "--config", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", envvar="SKYMIST_CONFIG",
    show_envvar=True, help="Settings of a service: what they name is looked at, too.",
)  # fmt: skip
@folder_option()
@click.option(
    "--out", type=click.Path(path_type=Path), default="scans", show_default=True, metavar="PATH",
    help="Folder where maps are to go.",
)  # fmt: skip
@json_option
def doctor(config: Path | None, folder: Path, out: Path, as_json: bool) -> None:
    """Look at the installation, clusters and, with --config, a service, and say what to do.

    Exit status 1 if something is wrong. It sends nothing and starts no worker: skymist cluster check NAME does that.
    """
    from skymist.workflow import doctor as workflow

    looks = [workflow.of_installation(folder, out)]
    if config is not None:
        from skymist.cli.site import of_service

        looks.append(workflow.of_service(of_service(config)))
    found = []
    for each in chain.from_iterable(looks):
        found.append(each)
        if not as_json:
            _print(each)
    bad = sum(each.state == workflow.BAD for each in found)
    if as_json:
        text.print_json({"ok": not bad, "findings": [asdict(each) for each in found]})
    elif not bad:
        click.echo("nothing is wrong")
    if bad:
        raise click.exceptions.Exit(1)


def _print(finding: Any) -> None:
    click.echo(f"{finding.state:<15} {finding.part}: {finding.name}: {finding.found}")
    if finding.hint:
        click.echo(f"{'':<15} -> {finding.hint}")
