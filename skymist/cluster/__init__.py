"""A name to a Dask cluster: this machine, SLURM, Kubernetes, or a scheduler that runs somewhere.

Each kind is a dataclass whose fields are the keys of its file in ``cluster_configs/``; `config` says how a name becomes
one. Nothing listens beyond the loopback interface unless a configuration says otherwise.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from skymist.cluster import config
from skymist.errors import RequestError

if TYPE_CHECKING:
    from distributed import Client


@contextmanager
def connect(name: str = "local", workers: int | None = None, folder: Path | None = None) -> "Iterator[Client]":
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
    with start(config.load(name, folder), name, workers) as client:
        yield client


@contextmanager
def start(kind: config.Cluster, name: str, workers: int | None) -> "Iterator[Client]":
    """Start a cluster whose configuration is read already; see `connect`."""
    import dask

    _quieten()
    # Its profiler looks at all threads a hundred times a second. Where Python is older than 3.11.9 and threads come and
    # go, as those of time limits do, that locks a process up for good (python/cpython#106883). Nobody reads it anyway.
    with (
        dask.config.set({"distributed.worker.profile.enabled": False}),
        kind.connect(config.label(name), workers) as client,
    ):
        yield client


def names(folder: Path | None = None) -> tuple[str, ...]:
    """Return the names of the clusters, sorted; those of the user's folder are among them."""
    return tuple(sorted(config.files(folder)))


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
