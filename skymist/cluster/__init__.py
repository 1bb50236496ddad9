"""A name to a Dask cluster: this machine, SLURM, Kubernetes, or a scheduler that runs somewhere.

Each kind is a dataclass whose fields are the keys of its file in ``cluster_configs/``; `config` says how a name becomes
one. Nothing listens beyond the loopback interface unless a configuration says otherwise.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from skymist.cluster import config
from skymist.cluster.local import Local
from skymist.cluster.slurm import Slurm
from skymist.errors import RequestError

if TYPE_CHECKING:
    from distributed import Client

_SETTINGS = {
    # Its profiler looks at all threads a hundred times a second. Where Python is older than 3.11.9 and threads come and
    # go, as those of time limits do, that locks a process up for good (python/cpython#106883). Nobody reads it anyway.
    "distributed.worker.profile.enabled": False,
    # Its dashboard would answer whatever page a browser of this machine shows; so it answers its own alone.
    "distributed.scheduler.dashboard.bokeh-application.allow_websocket_origin": [],
}


@contextmanager
def connect(
    name: str = "local", workers: int | None = None, folder: Path | None = None, dashboard: bool = False
) -> "Iterator[Client]":
    """Start the cluster of that name and close it at the end, whatever happens.

    Parameters
    ----------
    name : str
        A name of `names`, a file (.yaml), or the address of a scheduler (``tls://HOST:PORT``).
    workers : int, optional
        Exactly so many threads or processes of this machine, or jobs or pods elsewhere; what the
        configuration says by default.
    folder : Path, optional
        The user's own configurations; they go before those of skymist.
    dashboard : bool
        Whether to serve Dask's dashboard on the loopback interface, where that kind of cluster can: so it is if the
        configuration says so, too.

    Yields
    ------
    distributed.Client
        With at least one worker, unless it is an address; it is not made Dask's default client.

    Raises
    ------
    UnknownNameError
        If no cluster has that name, or a file has a key that is none.
    RequestError
        If a value makes no sense, or something needed is not installed.
    ScanError
        If no worker comes.
    """
    if workers is not None and workers < 1:
        raise RequestError(f"--workers {workers}: a cluster needs at least one worker")
    kind = config.load(name, folder)
    if dashboard and isinstance(kind, Local | Slurm):
        kind = replace(kind, dashboard=True)
    with start(kind, name, workers) as client:
        yield client


@contextmanager
def start(kind: config.Cluster, name: str, workers: int | None) -> "Iterator[Client]":
    """Start a cluster whose configuration is read already; see `connect`."""
    import dask

    _quieten()
    with (
        dask.config.set(_SETTINGS),
        kind.connect(config.label(name), workers) as client,
    ):
        yield client


def names(folder: Path | None = None) -> tuple[str, ...]:
    """Return the names of the clusters, sorted; those of the user's folder are among them."""
    return tuple(sorted(config.files(folder)))


def capacity(name: str, workers: int | None = None, folder: Path | None = None) -> int | None:
    """Return how many cells a cluster evaluates at a time once all its workers are there; None if nobody knows."""
    return config.load(name, folder).capacity(workers)


def show(name: str, folder: Path | None = None) -> str:
    """Return exactly what would be submitted; parameters and errors as for `connect`."""
    return config.load(name, folder).show(config.label(name))


def _quieten() -> None:
    """Let Dask log only if its configuration says how: what it tells with tracebacks, scans tell in words."""
    import dask
    import distributed  # noqa: F401 (sets its loggers up when it is first imported)

    if dask.config.get("logging", None) is None:
        for name in ("distributed", "distributed.client", "tornado.application"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
