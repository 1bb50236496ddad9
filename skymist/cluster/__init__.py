"""Names of Dask clusters; everything stays on the loopback interface unless a name says otherwise."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from distributed import Client, LocalCluster, Worker

from skymist.errors import RequestError, UnknownNameError


@contextmanager
def connect(name: str = "local", workers: int | None = None) -> Iterator[Client]:
    """Start the cluster of that name and close it at the end.

    Parameters
    ----------
    name : str
        ``local`` (threads of this process) or ``local-processes``.
    workers : int, optional
        Threads or processes; as many as there are cores by default.

    Yields
    ------
    distributed.Client

    Raises
    ------
    UnknownNameError
        If no cluster has that name.
    RequestError
        If `workers` is less than one.
    """
    if name not in _CLUSTERS:
        raise UnknownNameError("cluster", name, _CLUSTERS)
    count = workers if workers is not None else len(os.sched_getaffinity(0))
    if count < 1:
        raise RequestError(f"--workers {count}: a cluster needs at least one worker")
    with _CLUSTERS[name](count) as cluster, Client(cluster) as client:
        client.wait_for_workers(1)
        yield client


def names() -> tuple[str, ...]:
    """Return the names of the clusters."""
    return tuple(_CLUSTERS)


class _SilentWorker(Worker):  # type: ignore[misc]  # distributed is not typed
    """A worker without the dashboard that LocalCluster turns on with its address."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "dashboard": False})


# An in-process scheduler or worker without an explicit address serves HTTP on all interfaces.
_LOOPBACK = "127.0.0.1:0"
_NO_DASHBOARD: dict[str, Any] = {"dashboard_address": _LOOPBACK, "scheduler_kwargs": {"dashboard": False}}


def _threads(count: int) -> LocalCluster:
    return LocalCluster(
        n_workers=1,
        threads_per_worker=count,
        processes=False,
        worker_class=_SilentWorker,
        worker_dashboard_address=_LOOPBACK,
        **_NO_DASHBOARD,
    )


def _processes(count: int) -> LocalCluster:
    return LocalCluster(n_workers=count, threads_per_worker=1, host="127.0.0.1", **_NO_DASHBOARD)


_CLUSTERS: dict[str, Callable[[int], LocalCluster]] = {"local": _threads, "local-processes": _processes}
