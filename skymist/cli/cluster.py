"""``skymist cluster``: where scans can run, what would be submitted, and whether it works."""

import os
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click

from skymist.cli import text

_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")


def own_configs() -> Path:
    """Return where a user's own configurations are by default."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home, "skymist", "clusters")


folder_option = partial(
    click.option, "--cluster-configs", "folder", type=click.Path(file_okay=False, path_type=Path), default=own_configs,
    envvar="SKYMIST_CLUSTER_CONFIGS", show_envvar=True, metavar="DIR", show_default="~/.config/skymist/clusters",
    help="Folder of your own cluster configurations.",
)  # fmt: skip


def cluster_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--cluster``, which is passed on as the file of one (or an address), and ``--workers``."""
    for option in reversed((
        click.option("--cluster", default="local", show_default=True, metavar="NAME", callback=_locate,
                     help="Where to compute: local (threads), local-processes, slurm, kubernetes, one of your own "
                     "(skymist cluster list), a file.yaml, or a scheduler at tls://HOST:PORT."),
        click.option("--workers", type=click.IntRange(min=1), metavar="N", show_default="as the cluster's file says",
                     help="Exactly so many threads or processes of this machine, or jobs or pods elsewhere."),
        folder_option(is_eager=True, expose_value=False, callback=_remember),
    )):  # fmt: skip
        command = option(command)
    return command


def _remember(context: click.Context, _: click.Parameter, folder: Path) -> None:
    context.meta[__name__] = folder


def _locate(context: click.Context, _: click.Parameter, name: str) -> str:
    """Return the file of a cluster, so that what is behind the door need not know the user's folder."""
    from skymist.cluster import config

    if context.params.get("server") or config.is_address(name):  # a service knows its own names
        return name
    return str(config.locate(name, context.meta[__name__]))


@click.group()
def cluster() -> None:
    """Where scans can run: list the names, show what would be submitted, check that it works."""


@cluster.command("list")
@folder_option()
@_json_option
def cluster_list(folder: Path, as_json: bool) -> None:
    """List the names for --cluster, with the file of each."""
    from skymist.cluster import config

    files = {name: str(path) for name, path in sorted(config.files(folder).items())}
    if as_json:
        text.print_json(files)
        return
    for name, path in files.items():
        click.echo(f"{name:<20} {path}")


@cluster.command("show")
@click.argument("name")
@folder_option()
def cluster_show(name: str, folder: Path) -> None:
    """Print exactly what would be submitted for NAME: job script or manifests."""
    from skymist.cluster import show

    click.echo(show(name, folder), nl=False)


@cluster.command("check")
@click.argument("name")
@folder_option()
@click.option(
    "--wait",
    default=300,
    show_default=True,
    type=click.IntRange(min=1),
    metavar="SECONDS",
    help="How long to wait in the queue.",
)
@_json_option
def cluster_check(name: str, folder: Path, wait: int, as_json: bool) -> None:
    """Start one worker of NAME, scan 12 cells with it, and say step by step what works; exit status 1 if not all."""
    from skymist.workflow.check_cluster import check

    steps = []
    for step in check(name, folder, wait):
        steps.append(step)
        if not as_json:
            _print(step)
    works = all(step.ok for step in steps)
    if as_json:
        text.print_json({"cluster": name, "ok": works, "steps": [asdict(step) for step in steps]})
    if not works:
        raise click.exceptions.Exit(1)


def _print(step: Any) -> None:
    click.echo(f"{'ok    ' if step.ok else 'FAILED'}  {step.name}: {step.found}")
    if step.hint:
        click.echo(f"        {step.hint}")
