"""The machine itself, in threads or processes; everything stays on the loopback interface."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from skymist.errors import RequestError

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

# An in-process scheduler or worker without an explicit address serves HTTP on all interfaces.
LOOPBACK = "127.0.0.1:0"
_QUIET: dict[str, Any] = {
    "dashboard_address": LOOPBACK,
    "silence_logs": logging.CRITICAL,  # also in workers' processes
}
# Nannies replace workers that leave. Dask looks once more after this time, and would close the nanny of one that is
# just then being replaced again; a scan in which many cells hang would end up without workers.
_PATIENT = {"distributed.deploy.lost-worker-timeout": "1 day"}


@dataclass(frozen=True)
class Local:
    """Threads or processes of this machine.

    Attributes
    ----------
    processes : bool
        Processes of their own instead of threads of this one.
    workers : int, optional
        How many; as many as there are cores by default.
    dashboard : bool
        Whether Dask's dashboard is served on the loopback interface: whoever has an account on this machine may look.
    """

    processes: bool
    workers: int | None
    dashboard: bool = False

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise RequestError(f"workers must be at least 1, not {self.workers}")
        if self.dashboard and not can_show():
            raise RequestError("dashboard: true needs bokeh: pip install 'skymist[interactive]'")

    @contextmanager
    def connect(self, name: str, workers: int | None) -> "Iterator[Client]":  # noqa: ARG002 (the protocol's)
        """Start the workers, yield a client, and stop them."""
        import dask.config
        from distributed import Client

        count = self.capacity(workers)
        start = _processes if self.processes else _threads
        # Results need not pass through the scheduler: workers are near.
        options = {"set_as_default": False, "direct_to_workers": True}
        with dask.config.set(_PATIENT), start(count, self.dashboard) as cluster, Client(cluster, **options) as client:
            client.wait_for_workers(1)
            yield client

    def capacity(self, workers: int | None) -> int:
        """Return how many cells are evaluated at a time."""
        return workers or self.workers or _cores()

    def show(self, name: str) -> str:
        """Say in words what would be started; nothing is submitted."""
        what = "processes" if self.processes else "threads of one process"
        return f"{name}: {self.workers or _cores()} {what} of this machine; nothing is submitted\n"


def can_show() -> bool:
    """Return whether what Dask's dashboard needs is installed."""
    return find_spec("bokeh") is not None


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _threads(count: int, dashboard: bool) -> "LocalCluster":
    from distributed import LocalCluster, Worker

    class SilentWorker(Worker):  # type: ignore[misc]  # distributed is not typed
        """A worker without the dashboard that LocalCluster turns on with its address."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "dashboard": False})

    return LocalCluster(
        n_workers=1,
        threads_per_worker=count,
        processes=False,
        worker_class=SilentWorker,
        worker_dashboard_address=LOOPBACK,
        scheduler_kwargs={"dashboard": dashboard},
        **_QUIET,
    )


def _processes(count: int, dashboard: bool) -> "LocalCluster":
    from distributed import LocalCluster

    shown = {"scheduler_kwargs": {"dashboard": dashboard}}
    return LocalCluster(n_workers=count, threads_per_worker=1, host="127.0.0.1", **shown, **_QUIET)
