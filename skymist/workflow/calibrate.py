"""Regions calibrated for one event: simulate it again and again around its fit, and see where the truth lies.

Wilks' levels hold if the likelihood is right; in ice that is known within some per cent it is not. So this very event
is made anew n times from the light along its fit, in worlds that differ from the model as the real one may, and each
of these pseudo-experiments is scanned as the event was. The levels that their truths do not exceed in 50 % and
90 % of all cases are those of regions that hold the truth as often as they say.
"""

import hashlib
import json
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from distributed import Client, as_completed

from skymist import cluster
from skymist.detector.light import NEAR_LIGHT, shower_table
from skymist.errors import ReadError, RequestError, ScanError
from skymist.model import sky, skymap
from skymist.model.event import Event, Losses, Particle
from skymist.model.reconstruction import Directions, Fit, Reconstruction
from skymist.model.region import RESIMULATED, level_of, wilks_scale
from skymist.model.request import ScanRequest
from skymist.model.sky import Floats
from skymist.reco.track_losses import SEGMENT, TrackLosses
from skymist.scan.run import scan_serially
from skymist.scan.workers import TRIES
from skymist.simulate.conditions import Conditions
from skymist.simulate.event import SATURATED, simulate
from skymist.simulate.losses import bare_light
from skymist.store.calibration import CalibrationStore, Trials
from skymist.store.place import OnWait, Where
from skymist.store.zarr import read_skymap
from skymist.workflow.plain import plain
from skymist.workflow.products import CONTAINMENTS
from skymist.workflow.scan import Stopwatch, load_reconstruction

Profile = Callable[[Event, Directions, Fit], Losses]
"""Takes an event, one direction and the fit there, and returns the light to simulate."""

FEWEST = 20
"""With fewer pseudo-experiments the 90 % level says little."""

SEGMENT_M = SEGMENT
"""Of a track, whose light is known as a whole."""
SHOWERS, CONCENTRATION = 8, 0.3
"""In a segment, and how evenly they share its losses (Dirichlet): one or two have most."""


@dataclass(frozen=True)
class Perturbations:
    """How much the worlds of the pseudo-experiments differ from the model; see `Conditions.drawn`.

    Attributes
    ----------
    ice_sigma, efficiency_sigma : float
        Of scattering and absorption, and of the efficiency of all modules.
    layer_sigma, layer_length_m : float
        Of the dust in layers, and over which height it is the same.
    efficiency_spread, model_spread, delay_spread : float
        From module to module: of the efficiency, and of charge and delays around the light model.
    """

    ice_sigma: float = 0.06
    efficiency_sigma: float = 0.10
    layer_sigma: float = 0.05
    layer_length_m: float = 50.0
    efficiency_spread: float = 0.05
    model_spread: float = 0.20
    delay_spread: float = 0.10

    name: ClassVar[str] = "perturbations"

    def __post_init__(self) -> None:
        wrong = {key: value for key, value in asdict(self).items() if key != "layer_length_m" and not 0 <= value <= 1}
        if wrong:
            raise RequestError(f"perturbations go from 0 to 1, not {wrong}")
        if not 0 < self.layer_length_m <= 1000:
            raise RequestError(f"layers are above 0 and up to 1000 m high, not layer_length_m = {self.layer_length_m}")


@dataclass(frozen=True, eq=False)
class Subject:
    """All that is needed to make pseudo-experiments of one event.

    Attributes
    ----------
    event : Event
        As it was seen.
    request : ScanRequest
        How it was scanned, and how the pseudo-experiments are.
    reconstruction : Reconstruction
    direction : Directions
        One row: that of the best fit, which is the truth of the pseudo-experiments.
    fit : Fit
        One row: the best fit.
    losses : Losses
        Its light: segments of `SEGMENT_M` along a track, or showers.
    perturbations : Perturbations
    seed : int
    """

    event: Event
    request: ScanRequest
    reconstruction: Reconstruction
    direction: Directions
    fit: Fit
    losses: Losses
    perturbations: Perturbations
    seed: int


def calibrate(
    event: Event,
    path: Where,
    reconstruction: Reconstruction | None = None,
    n: int = 200,
    seed: int = 0,
    perturbations: Perturbations | None = None,
    *,
    profile: Profile | None = None,
    cluster_name: str = "local",
    workers: int | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    on_wait: OnWait = lambda _: None,
    watch: Stopwatch | None = None,
) -> xr.Dataset:
    """Calibrate the regions of a map by pseudo-experiments, or go on where that stopped.

    Each pseudo-experiment is kept in the store of the map as soon as it is done. The result depends on the
    first `n` of this seed, and not on when, by how many workers or in which order they were made.

    Parameters
    ----------
    event : Event
    path : path, URL or Place
        The store of the finished map of this event.
    reconstruction : Reconstruction, optional
        That of the map; loaded by its name if not given.
    n : int
        Number of pseudo-experiments.
    seed : int
        Of all their random numbers.
    perturbations : Perturbations, optional
        The usual ones if not given.
    profile : callable, optional
        Takes the event, one direction and the fit there, and returns the light to simulate; what fits the
        reconstruction if not given.
    cluster_name, workers
        See `skymist.cluster.connect`.
    on_progress : callable (done: int, total: int)
        Called when the workers are ready and after each pseudo-experiment.
    on_wait : callable
        Told, in words, why nothing happens: the lease of a killed writer must expire, or the store cannot be written.
    watch : Stopwatch, optional
        Filled with the stages ``setup``, ``compute`` and ``write``.

    Returns
    -------
    xarray.Dataset
        The map with its calibration, so that ``region(skymap, 0.9, "resimulated")`` works: see `result`.

    Raises
    ------
    ReadError
        If there is no map, or nothing was found in it.
    RequestError
        If the map is not complete, or of another event or reconstruction.
    ScanError
        If a pseudo-experiment fails; what is done is kept.
    StoreError
        If another process writes the map.
    """
    watch = watch or Stopwatch()
    data = read_skymap(path)
    reconstruction = reconstruction or reconstruction_of(data)
    profile = profile or profile_of(reconstruction)
    request = request_of(event, data, reconstruction)
    subject = subject_of(event, data, request, reconstruction, perturbations or Perturbations(), seed, profile)
    about = {"profile": profile.__qualname__, **_described(subject)}
    identity = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]
    created = datetime.now(UTC).isoformat(timespec="seconds")
    with CalibrationStore(path, identity, {**about, "created": created}, on_wait=on_wait) as store:
        missing = np.setdiff1d(np.arange(n), store.trials.index)
        watch.lap("setup")
        if missing.size:
            with cluster.connect(cluster_name, workers) as client, closing(resimulate(subject, missing, client)) as new:
                on_progress(n - missing.size, n)
                for done, trial in enumerate(new, n - missing.size + 1):
                    store.append(trial)
                    on_progress(done, n)
            watch.lap("compute")
        trials = store.trials
        store.publish({"id": identity, **result(trials[trials.index < n]), **store.attributes})
    watch.lap("write")
    return read_skymap(path)


def reconstruction_of(data: xr.Dataset) -> Reconstruction:
    """Return the reconstruction that made a map, with its options.

    Raises
    ------
    RequestError
        If the map does not say it, as those of other programs.
    """
    request = _recorded(data)
    return load_reconstruction(request.reconstruction, request.options)


def request_of(event: Event, data: xr.Dataset, reconstruction: Reconstruction) -> ScanRequest:
    """Return how a map was made.

    Raises
    ------
    RequestError
        If it is not complete, of another event, reconstruction or program.
    """
    request = _recorded(data)
    if event.digest != request.event:
        raise RequestError(f"the map is not of {event.name} with these pulses; give the event that was scanned")
    options = asdict(reconstruction)  # type: ignore[call-overload]  # the protocol cannot say "dataclass"
    used = replace(request, reconstruction=reconstruction.name, version=reconstruction.version, options=options)
    if used.id != request.id:
        asked, made = ((r.reconstruction, r.version, dict(r.options)) for r in (used, request))
        raise RequestError(f"the map was made with {made}, not {asked}; scan again, or calibrate with the former")
    if not data.attrs["complete"]:
        raise RequestError("the map is not complete; the same skymist scan finishes it")
    return request


def _recorded(data: xr.Dataset) -> ScanRequest:
    if not data.attrs["request"]:
        raise RequestError("the map does not say how it was made, as those of other programs: give one of skymist")
    return ScanRequest.from_dict(data.attrs["request"])


def subject_of(
    event: Event,
    data: xr.Dataset,
    request: ScanRequest,
    reconstruction: Reconstruction,
    perturbations: Perturbations,
    seed: int,
    profile: Profile | None = None,
) -> Subject:
    """Return what to simulate of an event, given its map; parameters as for `calibrate`.

    Raises
    ------
    ReadError
        If the map has no finite value.
    RequestError
        If its best fit does not say how much light there was.
    """
    row = skymap.best(data)
    direction = sky.directions(event.detector, event.time, data["uniq"].to_numpy()[row : row + 1])
    fit = skymap.fit_of(data)[row : row + 1]
    losses = (profile or profile_of(reconstruction))(event, direction, fit)
    if not len(losses) or not np.isfinite(losses.energy_gev).all():
        raise RequestError(f"the best fit of {reconstruction.name} has no energy, so its light cannot be simulated")
    return Subject(event, request, reconstruction, direction, fit, losses, perturbations, seed)


def resimulate(subject: Subject, indices: Iterable[int], client: Client) -> Generator[Trials, None, None]:
    """Yield pseudo-experiments, one row each, as they are done; closing it cancels the others.

    Parameters
    ----------
    subject : Subject
    indices : iterable of int
        Which.
    client : distributed.Client

    Raises
    ------
    ScanError
        If one fails again and again, or the scheduler is lost.
    """
    # A task and not scattered data: that dies with its worker, a task is run again.
    shared = client.submit(_same, subject, pure=False)
    repeat = {"pure": False, "retries": TRIES - 1}
    flying = {client.submit(pseudo_experiment, shared, int(index), **repeat) for index in indices}
    try:
        for future, trial in as_completed(list(flying), client.loop, with_results=True, raise_errors=False):
            flying.remove(future)
            status = future.status
            future.release()
            if status == "error":
                raise ScanError(f"a pseudo-experiment failed: {type(trial[1]).__name__}: {trial[1]}")
            if status != "finished":
                raise ScanError(f"the Dask scheduler was lost (a task is {status}); the same command goes on")
            yield trial
    finally:
        client.cancel(list(flying))
        shared.release()


def pseudo_experiment(subject: Subject, index: int) -> Trials:
    """Make the event again and scan it in this thread; a row that says how well the truth was found."""
    again = simulate_again(subject, index)
    assert again.truth is not None
    ra, dec = sky.to_sky(again.detector, again.time, again.truth.zenith, again.truth.azimuth)
    found = scan_serially(subject.request, again, subject.reconstruction)
    try:
        best = sky.centers(found["uniq"].to_numpy()[skymap.best(found)])
    except ReadError:  # nothing was fitted
        return Trials(*(np.array([value]) for value in (index, np.inf, np.nan)))
    tiling = skymap.leaves(found)
    at = int(sky.find(tiling["uniq"].to_numpy(), ra, dec))
    ts = tiling["ts"].to_numpy()[at] if at >= 0 else np.nan
    error = np.degrees(sky.separation(*best, ra, dec))
    return Trials(np.array([index]), np.array([np.inf if np.isnan(ts) else ts]), np.array([error]))


def simulate_again(subject: Subject, index: int) -> Event:
    """Return the event as it might have been seen, in another world.

    The truth is the fit, turned about its vertex by less than a cell: so it lies anywhere in its cell.
    """
    event, vertex = subject.event, subject.fit.vertex[0].astype(np.float64)
    # Without the event's digest, all events of a set would be given the same worlds.
    rng = np.random.default_rng([subject.seed, index, int(event.digest[:8], 16)])
    width = np.sqrt(sky.area_sr(sky.uniq_of(subject.request.levels[-1].nside, 0)))
    turn = _small_rotation(subject.direction.origin[0], width / np.sqrt(np.pi), rng)
    azimuth, elevation = sky.lonlat(turn @ subject.direction.origin[0])
    x, y, z = (float(metres) for metres in vertex)
    truth = Particle(np.pi / 2 - float(elevation), float(azimuth), x, y, z, float(subject.fit.time_ns[0]))
    losses = spread(subject.losses, -subject.direction.origin[0], rng)
    losses = replace(losses, position=vertex + (losses.position - vertex) @ turn.T)
    world = Conditions.drawn(rng, **asdict(subject.perturbations))
    again = simulate(truth, losses, event.detector, rng, world, event.run, event.event)
    errata = {name: windows for name, windows in event.exclusions.items() if name != SATURATED}
    return replace(again, time=event.time, exclusions={**errata, **again.exclusions})


def spread(losses: Losses, flight: Floats, rng: np.random.Generator) -> Losses:
    """Return the losses of segments as showers at random places in them, with the same sum in each.

    Of a segment's light as much as a bare muon gives is even, the rest is in few large and many small showers: what
    lies behind the sum is not known, and varies from event to event. One or two losses are showers already.
    """
    if len(losses) <= 2:
        return losses
    n, energy = len(losses), losses.energy_gev[:, None]
    even = np.minimum(SEGMENT_M * bare_light(np.array([1e5])) / np.maximum(energy, 1e-9), 1)
    share = even / SHOWERS + (1 - even) * rng.dirichlet(np.full(SHOWERS, CONCENTRATION), n)
    along = np.sort(rng.uniform(-SEGMENT_M / 2, SEGMENT_M / 2, (n, SHOWERS)), axis=1)
    position = losses.position[:, None] + along[:, :, None] * flight
    return Losses(position.reshape(-1, 3), (energy * share).ravel())


def profile_of(reconstruction: Reconstruction) -> Profile:
    """Return what says which light to simulate around the fits of a reconstruction: its own, or that along a track."""
    profile: Profile | None = getattr(reconstruction, "profile", None)
    return profile if callable(profile) else TrackLosses().profile


def result(trials: Trials) -> dict[str, Any]:
    """Return what pseudo-experiments say about levels: JSON-like, None where a level is infinite.

    Parameters
    ----------
    trials : Trials
        In any order.

    Returns
    -------
    dict
        ``name``, ``n``; ``levels`` by containment in per cent, each with ``ts`` and its 68 % interval ``low`` to
        ``high``; ``scale`` and ``scale_error``, by how much all TS are larger than Wilks'; ``median_error_deg``, and
        ``notes`` for people.
    """
    n, scale = len(trials), wilks_scale(trials.ts)
    error = np.where(np.isnan(trials.error_deg), np.inf, trials.error_deg)
    few = f"{n} pseudo-experiments are too few for a 90 % level: make {FEWEST} or more, better 200"
    document: dict[str, Any] = plain(
        {
            "name": RESIMULATED.name,
            "n": n,
            "levels": {f"{100 * share:g}": level_of(trials.ts, share)._asdict() for share in CONTAINMENTS},
            "scale": scale[0],
            "scale_error": scale[1],
            "median_error_deg": np.median(error),
            "notes": [few] if n < FEWEST else [],
        }
    )
    return document


def _described(subject: Subject) -> dict[str, Any]:
    """Return, JSON-like, how pseudo-experiments are made."""
    return {
        "scan_id": subject.request.id,
        "seed": subject.seed,
        "perturbations": asdict(subject.perturbations),
        "reconstruction": {"name": subject.reconstruction.name, "version": subject.reconstruction.version},
        "light": hashlib.sha256(shower_table()[0].tobytes() + repr(NEAR_LIGHT).encode()).hexdigest()[:12],
        "software": f"skymist {version('skymist')}",
    }


def _same(subject: Subject) -> Subject:
    return subject


def _small_rotation(axis: Floats, radius: float, rng: np.random.Generator) -> Floats:
    """Return the matrix (3, 3) that turns a unit vector to anywhere within a radius of it, uniformly."""
    from scipy.spatial.transform import Rotation

    across = np.cross(axis, rng.normal(size=3))
    angle = radius * np.sqrt(rng.uniform())
    return np.asarray(Rotation.from_rotvec(angle * across / np.linalg.norm(across)).as_matrix())
