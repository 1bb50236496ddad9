"""From one event to a finished map with its regions and files: the wiring that all doors share."""

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr
from distributed import Client

from skymist import cluster, plugins
from skymist.errors import RequestError, SchedulerLostError
from skymist.fair import acdd
from skymist.fair.record import Site
from skymist.model import sky, skymap
from skymist.model.event import TOPOLOGIES, Event
from skymist.model.reconstruction import Reconstruction
from skymist.model.region import population_levels
from skymist.model.request import Cone, Level, ScanRequest, default_levels
from skymist.reco.topology import weigh_track
from skymist.scan.block import with_options
from skymist.scan.progress import Progress, Stage
from skymist.scan.run import DEFAULT_PACE, Pace, run
from skymist.store.place import OnWait, Where, place
from skymist.store.zarr import SkyMapStore, read_skymap
from skymist.workflow import accessor  # noqa: F401 (so that maps of scans have .skymist)
from skymist.workflow.environment import Stretch
from skymist.workflow.events import describe_particle, identify

PATIENCE = 300.0
"""Seconds for which a scan waits for a scheduler after it has lost one."""

THROUGH_GOING, STARTING, _ = TOPOLOGIES


class Stopwatch:
    """Seconds spent in each stage, one stage after the other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Count the time since the last lap for `stage`."""
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._last = now


def load_reconstruction(name: str, options: Mapping[str, Any], seed: int = 0) -> Reconstruction:
    """Return a registered reconstruction with its options set; `seed` too, if it has that option.

    Parameters
    ----------
    name : str
        Of a built-in or a plug-in, such as ``track-mpe``.
    options : mapping
        Values, or text as it stands on a command line.
    seed : int
        Of its random numbers, if it has any.

    Raises
    ------
    UnknownNameError
        If no reconstruction has that name, or no option.
    RequestError
        If an option has a wrong value.
    """
    plugin = plugins.load(plugins.RECONSTRUCTIONS, name)
    seeded = {"seed": seed} if "seed" in getattr(plugin, "__dataclass_fields__", {}) else {}
    reconstruction = plugins.configure(plugin, {**seeded, **options})
    if not isinstance(reconstruction, Reconstruction):
        raise RequestError(f"{name} is no reconstruction: it needs a name, a version and to be callable")
    return reconstruction


def scan_event(
    event: Event,
    reconstruction: Reconstruction,
    levels: tuple[Level, ...] | None = None,
    cone: Cone | None = None,
    seed: int = 0,
    *,
    seeds: int = 1,
    level_options: Mapping[int, Mapping[str, Any]] | None = None,
    chosen: Mapping[str, Any] | None = None,
    site: Site | None = None,
    out: Where = "scans",
    cluster_name: str = "local",
    workers: int | None = None,
    pace: Pace = DEFAULT_PACE,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_wait: OnWait = lambda _: None,
    watch: Stopwatch | None = None,
) -> xr.Dataset:
    """Scan the sky into a store, or finish a scan that stopped there.

    Parameters
    ----------
    event : Event
    reconstruction : Reconstruction
        See `load_reconstruction`.
    levels : tuple of Level, optional
        The reconstruction's own, or `DEFAULT_LEVELS`, if not given.
    cone : Cone, optional
        Only this circle.
    seed : int
        Of all random numbers; recorded in the request.
    seeds : int
        Fits of the coarser level from which each cell starts; the best result counts.
    level_options : mapping of int to mapping, optional
        By nside, options of the reconstruction that are different at that level (values or text).
    chosen : mapping, optional
        How the reconstruction was chosen (JSON-like); the map says it under ``reconstruction``, its id does not
        depend on it.
    site : Site, optional
        The archive that the map is made for: the map says who keeps it, and under which licence.
    out : path, URL or Place
        Folder of the store. Its name follows from the request: the same request is found again,
        and if its map is complete, read and not computed.
    cluster_name, workers
        See `skymist.cluster.connect`.
    pace : Pace
        Priority, time limit of a cell and the like.
    on_progress : callable
        Called when the workers are ready, whenever cells came in and at least twice a second. What it raises ends
        the scan like an interruption.
    on_wait : callable
        Told, in words, why nothing happens: the lease of a killed writer must expire, or the store cannot be written.
    watch : Stopwatch, optional
        Filled with the stages ``setup``, ``compute`` and ``write``.

    Returns
    -------
    xarray.Dataset
        The sky map; ``encoding["source"]`` is the path or URL of its store.

    Raises
    ------
    RequestError
        If levels, seeds or options make no sense; nothing was begun.
    ScanError
        If the scan cannot be finished; what was evaluated is kept, and the same call resumes.
    StoreError
        If another process writes this store.
    """
    request = make_request(event, reconstruction, levels, cone, seed, seeds=seeds, level_options=level_options)
    return scan_request(
        event, reconstruction, request, connect=partial(cluster.connect, cluster_name, workers),
        cluster_name=cluster_name, chosen=chosen, site=site, out=out, pace=pace, on_progress=on_progress,
        on_wait=on_wait, watch=watch,
    )  # fmt: skip


def make_request(
    event: Event,
    reconstruction: Reconstruction,
    levels: tuple[Level, ...] | None = None,
    cone: Cone | None = None,
    seed: int = 0,
    *,
    seeds: int = 1,
    level_options: Mapping[int, Mapping[str, Any]] | None = None,
) -> ScanRequest:
    """Return the request of a scan; parameters and errors as for `scan_event`."""
    return ScanRequest(
        event.digest,
        reconstruction.name,
        reconstruction.version,
        asdict(reconstruction),  # type: ignore[call-overload]  # the protocol cannot say "dataclass"
        default_levels(reconstruction) if levels is None else levels,
        cone,
        seed,
        seeds,
        {nside: _typed(reconstruction, options) for nside, options in (level_options or {}).items()},
    )


def scan_request(
    event: Event,
    reconstruction: Reconstruction,
    request: ScanRequest,
    *,
    connect: Callable[[], AbstractContextManager[Client]],
    cluster_name: str = "local",
    chosen: Mapping[str, Any] | None = None,
    site: Site | None = None,
    out: Where = "scans",
    pace: Pace = DEFAULT_PACE,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_wait: OnWait = lambda _: None,
    watch: Stopwatch | None = None,
) -> xr.Dataset:
    """Scan what a request says on whatever `connect` gives; all else as for `scan_event`.

    Parameters
    ----------
    request : ScanRequest
        Of this event and reconstruction; see `make_request`.
    connect : callable
        Gives a client when it is entered; called again if the scheduler is lost.
    cluster_name : str
        What the map says of where it was computed.
    """
    path = place(out) / f"{event.name}.{reconstruction.name}.{request.id[:12]}.zarr"
    watch = watch or Stopwatch()
    how: dict[str, Any] = {} if chosen is None else {"chosen": dict(chosen)}
    attributes = _attributes(event, reconstruction, request, how)
    with SkyMapStore(path, attributes, on_wait=on_wait) as store:
        watch.lap("write")
        if not store.complete:
            stretch = Stretch(reconstruction.name, cluster_name)

            def begin(client: Client) -> Generator[Progress, None, None]:
                return stretch.follow(client, run(request, event, reconstruction, client, store, pace))

            for step in _steps(connect, begin, on_wait):
                if step.stage is Stage.READY:
                    store.describe({"provenance": stretch.after(store.attributes.get("provenance"))})
                    watch.lap("setup")
                elif step.stage is Stage.COMPLETE:
                    watch.lap("compute")
                on_progress(step)
            watch.lap("setup")
            found = skymap.create(store.uniq, store.fit, {**store.attributes, "complete": True})
            how = how or topology_of(event, reconstruction.name, found)
            found.attrs["reconstruction"] = {**attributes["reconstruction"], **how}
            found.attrs["provenance"] = stretch.after(store.attributes.get("provenance"), ended=True)
            store.describe({name: found.attrs[name] for name in ("reconstruction", "provenance")})
            store.describe(acdd.describe(found, site))
            store.commit(complete=True)
    result = read_skymap(path)
    result.attrs["reconstruction"].update(how)  # a map that was there already may have been asked for by name
    watch.lap("write")
    return result


def _steps(
    connect: Callable[[], AbstractContextManager[Client]],
    begin: Callable[..., Generator[Progress, None, None]],
    on_wait: Callable[[str], None],
) -> Iterator[Progress]:
    """Yield the progress of a scan; where the scheduler is lost, go on with another as soon as there is one."""
    step: Progress | None = None
    lost: float | None = None
    known = False  # whether there ever was a scheduler
    while True:
        try:
            with connect() as client, closing(begin(client)) as steps:
                known = True
                for step in steps:
                    lost = None if step.stage is Stage.RUNNING else lost
                    yield step
            return
        except SchedulerLostError as error:
            lost = lost or time.monotonic()
            if not known or time.monotonic() > lost + PATIENCE:
                raise
            trouble = f"{error}; looking for another"
            if step is None:
                on_wait(trouble)
            else:
                yield replace(step, stage=Stage.NO_SCHEDULER, trouble=trouble)
            time.sleep(1)


def topology_of(event: Event, reconstruction: str, data: xr.Dataset) -> dict[str, str]:
    """Return under ``topology`` what a muon looks like at the best fit of a map, if its regions depend on that."""
    if f"{reconstruction}/{STARTING}" not in population_levels() or not np.isfinite(data["nllh"]).any():
        return {}
    row = skymap.best(data)
    direction = sky.directions(event.detector, event.time, data["uniq"].to_numpy()[row : row + 1])
    evidence = weigh_track(event, direction, skymap.fit_of(data)[row : row + 1])
    return {"topology": STARTING if evidence is not None and evidence.starts else THROUGH_GOING}


def _typed(reconstruction: Reconstruction, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as the reconstruction understands them, so that equal ones are recorded in one way."""
    changed = with_options(reconstruction, options)
    return {key: getattr(changed, key) for key in options}


def _attributes(
    event: Event, reconstruction: Reconstruction, request: ScanRequest, how: Mapping[str, Any]
) -> dict[str, Any]:
    site = event.detector
    truth = {} if event.truth is None else {"truth": describe_particle(event, event.truth)}
    return {
        "scan_id": request.id,
        "request": request.to_dict(),
        "event": {**identify(event), **truth},
        "detector": {
            "name": site.name,
            "latitude_deg": site.latitude_deg,
            "longitude_deg": site.longitude_deg,
            "x_bearing_deg": site.x_bearing_deg,
        },
        "reconstruction": {
            "name": reconstruction.name,
            "version": reconstruction.version,
            "options": dict(request.options),
            **({"level_options": request.to_dict()["level_options"]} if request.level_options else {}),
            **how,
        },
        "software": f"skymist {version('skymist')}",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
