"""With which software, on what kind of machine and when a map was computed; no names of machines, people or folders."""

import platform
from collections.abc import Generator, Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, entry_points, version
from os import cpu_count
from pathlib import Path
from typing import Any

from distributed import Client, Future

from skymist.cluster import config
from skymist.plugins import RECONSTRUCTIONS
from skymist.scan.progress import Progress

PACKAGES = "skymist", "numpy", "numba", "scipy", "healpix-geo", "pyerfa", "dask", "distributed", "xarray", "zarr"
"""Distributions that may change what is in a map, or how it is kept."""

SURROUNDINGS = "software", "host", "cluster", "worker"
"""Of a stretch: what may change the numbers that it gives."""


@cache
def software(reconstruction: str) -> dict[str, str]:
    """Return versions by name: Python, `PACKAGES`, and the distribution that a reconstruction comes from."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    points = entry_points(group=RECONSTRUCTIONS, name=reconstruction)
    return {**found, **{point.dist.name: point.dist.version for point in points if point.dist is not None}}


@cache
def host() -> dict[str, str | int]:
    """Return what kind of machine this is: its system, architecture, processor and number of cores."""
    machine: dict[str, str | int] = {"system": platform.system(), "machine": platform.machine()}
    return {**machine, "processor": _processor(), "cores": cpu_count() or 1}


def here(reconstruction: str) -> dict[str, Any]:
    """Return the software and kind of machine of this process."""
    return {"software": software(reconstruction), "host": host()}


def cluster_name(name: str) -> str:
    """Return what a cluster is called; the address of a scheduler would name a machine."""
    return "a running scheduler" if config.is_address(name) else config.label(name)


def now() -> str:
    """Return the present time, UTC, in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Stretch:
    """What is known of a scan from the moment at which a process began or resumed it.

    Parameters
    ----------
    reconstruction : str
        Its name.
    cluster : str
        Where it is carried out, as `skymist.cluster.connect` takes it.
    """

    def __init__(self, reconstruction: str, cluster: str) -> None:
        self._reconstruction = reconstruction
        self._about: dict[str, Any] = {**here(reconstruction), "cluster": cluster_name(cluster), "started": now()}
        self._workers = self._threads = 0
        self._worker: dict[str, Any] | None = None

    def follow(self, client: Client, steps: Generator[Progress, None, None]) -> Generator[Progress, None, None]:
        """Yield the steps of a scan, and keep what they and a worker say of the cluster.

        One worker speaks for all, and nobody waits for it: to ask each takes as long as the slowest, which may hang.
        """
        asked: Future | None = None
        with suppress(Exception):  # if the scheduler is lost, the scan itself says so
            asked = client.submit(here, self._reconstruction, pure=False)
        with closing(steps):
            for step in steps:
                self._workers, self._threads = max(self._workers, step.workers), max(self._threads, step.threads)
                yield step
        with suppress(Exception):  # the scan is done, whatever becomes of this
            if asked is not None and asked.status == "finished":
                self._worker = asked.result(timeout=1)

    def after(self, provenance: Mapping[str, Any] | None, *, ended: bool = False) -> dict[str, Any]:
        """Return what a map says under ``provenance``, given what it said before.

        Stretches in a row with the same surroundings are one, which says how often it was begun; the end is missing
        where the process died.
        """
        about = {**self._about, "workers": self._workers, "threads": self._threads, "starts": 1}
        if self._worker not in (None, here(self._reconstruction)):
            about["worker"] = self._worker
        if ended:
            about["ended"] = now()
        before = list((provenance or {}).get("stretches", ()))
        if before and all(before[-1].get(key) == about.get(key) for key in SURROUNDINGS):
            last = before.pop()
            about = {**about, "started": last["started"], "starts": last["starts"] + 1}
        return {"stretches": [*before, about]}


def _processor() -> str:
    """Return what the processor calls itself."""
    with suppress(OSError), Path("/proc/cpuinfo").open() as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip() in ("model name", "CPU part"):
                return value.strip()
    return platform.processor()
