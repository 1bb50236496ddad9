"""How good a reconstruction is: scan events whose truth is known, and compare."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import xarray as xr
from distributed import Client

from skymist import cluster
from skymist.detector.volume import deposited
from skymist.errors import ReadError, RequestError, ScanError, UnknownNameError
from skymist.model import sky, skymap
from skymist.model.detector import Detector
from skymist.model.event import TOPOLOGIES, Event, Particle
from skymist.model.reconstruction import Reconstruction
from skymist.model.region import (
    CALIBRATIONS,
    DEFAULT_CALIBRATION,
    POPULATION,
    RESIMULATED,
    BestFit,
    Calibration,
    best_fit,
    find_calibration,
    population_of,
    region,
)
from skymist.model.request import Level, ScanRequest, default_levels
from skymist.model.rows import MemoryRows
from skymist.model.sky import Floats
from skymist.readers import read_events
from skymist.scan.run import run
from skymist.store.calibration import Trials
from skymist.workflow.calibrate import Perturbations, resimulate, result, subject_of
from skymist.workflow.choice import Auto, choose, names
from skymist.workflow.plain import plain
from skymist.workflow.products import CONTAINMENTS
from skymist.workflow.scan import topology_of

Row = dict[str, Any]
"""What is known of one event after its scan."""

UNKNOWN = "unknown"
"""The topology of events whose truth does not say it."""

_QUANTILES = {"median": 0.5, "q68": 0.68, "q90": 0.9}
_SHARES = {f"{100 * share:g}": share for share in CONTAINMENTS}


def parse_range(text: str) -> slice:
    """Read ``A:B``, events from A (counted from 0) to before B; either may be left out.

    Raises
    ------
    RequestError
    """
    try:
        first, last = (int(part) if part.strip() else None for part in text.split(":"))
    except ValueError:
        first = last = -1
    if min(first or 0, last or 0) < 0:
        raise RequestError(f"events {text!r} are not A:B, such as 0:20, 40: or :20, counted from 0")
    return slice(first, last)


def select(
    source: str,
    events: slice = slice(None),
    doms: tuple[int | None, int | None] = (None, None),
    topology: str | None = None,
) -> dict[int, Event]:
    """Read those events of a file that are asked for.

    Parameters
    ----------
    source : str
        Any file of events.
    events : slice
        Which, as they are counted in the file from 0.
    doms : (int or None, int or None)
        Least and greatest number of modules that were hit.
    topology : str, optional
        Only those that truly are of this one.

    Returns
    -------
    dict of int to Event
        By place in the file.

    Raises
    ------
    ReadError
        If it cannot be read, or an event has no truth.
    RequestError
        If no event is left.
    UnknownNameError
        If there is no such topology.
    """
    if topology not in (None, *TOPOLOGIES):
        raise UnknownNameError("topology", str(topology), TOPOLOGIES)
    low, high = doms
    chosen, read = {}, 0
    for index, event in islice(enumerate(read_events(source)), events.start, events.stop):
        read += 1
        if event.truth is None:
            raise ReadError(f"event {index} has no truth to compare with", source)
        fits = (low or 0) <= hit_modules(event) and (high is None or hit_modules(event) <= high)
        if fits and topology in (None, event.truth.topology):
            chosen[index] = event
    if not chosen:
        raise RequestError(f"{source}: nothing to evaluate; of {read} events read none is left after the cuts")
    return chosen


def hit_modules(event: Event) -> int:
    """Return how many modules have a pulse."""
    return len(np.unique(event.pulses.dom, axis=0))


def evaluate(
    events: Mapping[int, Event],
    reconstruction: Reconstruction | Auto,
    levels: tuple[Level, ...] | None = None,
    calibration: str | Calibration | None = None,
    seed: int = 0,
    *,
    pseudo_experiments: int = 0,
    name: str = "",
    cluster_name: str = "local",
    workers: int | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> dict[str, Any]:
    """Scan events with truth and say how far the best fits and regions are right.

    Parameters
    ----------
    events : mapping of int to Event
        By a number to name them with; see `select`.
    reconstruction : Reconstruction or Auto
        With the latter, each event is scanned with what fits it.
    levels : tuple of Level, optional
        The reconstruction's own by default.
    calibration : str or Calibration, optional
        Of the regions; the others that are known are reported beside it. By default each event's own, if there are
        pseudo-experiments, else that of the population of simulated events, if it is known for the reconstruction.
    seed : int
        Of all random numbers.
    pseudo_experiments : int
        How often each event is simulated again for a calibration of its own; see `skymist.workflow.calibrate`.
    name : str
        Of the set, for the report.
    cluster_name, workers
        See `skymist.cluster.connect`.
    on_progress : callable (done: int, total: int)
        Called when the workers are ready and after each event.

    Returns
    -------
    dict
        JSON-like, None where nothing is known: figures of all events (``n`` of them; those ``failed`` are left
        out of every figure), the same under ``topologies``, and each event under ``events``. Angles are
        in degrees, 68 % and 90 % quantiles are called q68 and q90. If ``auto`` chooses, events say under ``chosen``
        what and why, and ``confusion`` and ``ran`` count chosen topologies and reconstructions by the true topology.

    Raises
    ------
    ScanError
        If every event failed; with the first reason.
    """
    known = all(population_of(it) for it in names(reconstruction))
    usual = RESIMULATED if pseudo_experiments else POPULATION if known else DEFAULT_CALIBRATION
    chosen = find_calibration(usual if calibration is None else calibration)
    others = [*([RESIMULATED] if pseudo_experiments else []), *([POPULATION] if known else []), *CALIBRATIONS.values()]
    calibrations = [chosen, *(other for other in others if other.name != chosen.name)]
    rows: list[Row] = []
    with cluster.connect(cluster_name, workers) as client:
        scan = partial(_scan, reconstruction, levels, seed, client, pseudo_experiments)
        on_progress(0, len(events))
        for index, event in events.items():
            rows.append(_row(index, event, scan, calibrations))
            on_progress(len(rows), len(events))
    reasons = [row["reason"] for row in rows if "reason" in row]
    if len(reasons) == len(rows):
        raise ScanError(f"{reconstruction.name} failed on each of {len(rows)} events; the first: {reasons[0]}")
    return _report(name, reconstruction, levels, chosen.name, rows)


def _report(
    name: str,
    reconstruction: Reconstruction | Auto,
    levels: tuple[Level, ...] | None,
    calibration: str,
    rows: list[Row],
) -> Row:
    auto = isinstance(reconstruction, Auto)
    plan = levels if levels is not None or isinstance(reconstruction, Auto) else default_levels(reconstruction)
    kinds = [kind for kind in (*TOPOLOGIES, UNKNOWN) if any(row["topology"] == kind for row in rows)]
    document: Row = plain(
        {
            "set": name,
            "reconstruction": {
                "name": reconstruction.name,
                "version": reconstruction.version,
                "options": _options(reconstruction),
            },
            "levels": plan,
            "calibration": calibration,
            **({"confusion": _counts(rows, "topology"), "ran": _counts(rows, "reconstruction")} if auto else {}),
            **_figures(rows),
            "topologies": {kind: _figures([row for row in rows if row["topology"] == kind]) for kind in kinds},
            "events": rows,
        }
    )
    return document


def _counts(rows: list[Row], key: str) -> dict[str, dict[str, int]]:
    """Return how often what was chosen, by true topology."""
    chosen: dict[str, dict[str, int]] = {}
    for row in rows:
        if "chosen" in row:
            counts = chosen.setdefault(row["topology"], {})
            counts[row["chosen"][key]] = counts.get(row["chosen"][key], 0) + 1
    return chosen


def _options(reconstruction: Reconstruction | Auto) -> dict[str, Any]:
    return asdict(reconstruction)  # type: ignore[arg-type]  # the protocol cannot say "dataclass"


def _scan(
    reconstruction: Reconstruction | Auto,
    levels: tuple[Level, ...] | None,
    seed: int,
    client: Client,
    pseudo_experiments: int,
    event: Event,
) -> tuple[xr.Dataset, float]:
    """Return the map of an event, and the seconds that it took once the workers were ready."""
    fitting, choice = choose(reconstruction, event)
    options, steps = _options(fitting), default_levels(fitting) if levels is None else levels
    request = ScanRequest(event.digest, fitting.name, fitting.version, options, steps, None, seed)
    rows = MemoryRows()
    with closing(run(request, event, fitting, client, rows)) as progress:
        next(progress)
        began = time.perf_counter()
        for _ in progress:
            pass
    seconds = time.perf_counter() - began
    found = skymap.create(rows.uniq, rows.fit, {"scan_id": request.id, "complete": True})
    how = topology_of(event, fitting.name, found) if choice is None else {"chosen": choice.to_dict()}
    found.attrs["reconstruction"] = {"name": fitting.name, **how}
    if pseudo_experiments:
        subject = subject_of(event, found, request, fitting, Perturbations(), seed)
        trials = Trials.concatenate(list(resimulate(subject, range(pseudo_experiments), client)))
        found.attrs["calibration"] = result(trials)
    return found, seconds


def _row(
    index: int,
    event: Event,
    scan: Callable[[Event], tuple[xr.Dataset, float]],
    calibrations: Iterable[Calibration],
) -> Row:
    topology = UNKNOWN if event.truth is None else event.truth.topology or UNKNOWN
    row = {"index": index, "topology": topology, "doms": hit_modules(event)}
    try:
        found, seconds = scan(event)
        if "chosen" in found.attrs["reconstruction"]:
            row["chosen"] = found.attrs["reconstruction"]["chosen"]
        return {**row, "cells": found.sizes["cell"], "ms": 1000 * seconds, **_compare(event, found, calibrations)}
    except Exception as error:  # noqa: BLE001 (whatever goes wrong with one event, the others count)
        return {**row, "reason": f"{type(error).__name__}: {error}"}


def _compare(event: Event, found: xr.Dataset, calibrations: Iterable[Calibration]) -> Row:
    """Return how far the map of an event is right; NaN where that cannot be said."""
    if event.truth is None:
        raise RequestError("the event has no truth to compare with")
    ra, dec = sky.to_sky(event.detector, event.time, event.truth.zenith, event.truth.azimuth)
    best, tiling = best_fit(found), skymap.leaves(found)
    at = int(sky.find(tiling["uniq"].to_numpy(), ra, dec))
    energy = deposited(event.losses, event.detector) or np.nan
    regions = {calibration.name: _regions(found, calibration, float(ra), float(dec)) for calibration in calibrations}
    return {
        "error_deg": np.degrees(sky.separation(best.ra, best.dec, ra, dec)),
        "error_interpolated_deg": np.degrees(sky.separation(best.ra_interpolated, best.dec_interpolated, ra, dec)),
        "ts_truth": tiling["ts"].to_numpy()[at] if at >= 0 else np.nan,
        "scale": found.attrs.get("calibration", {}).get("scale"),
        **next(iter(regions.values())),
        "vertex_m": _vertex_distance(event.detector, event.time, event.truth, best),
        "energy_gev": best.energy_gev,
        "deposited_gev": energy,
        "log_energy": np.log(best.energy_gev / energy) if best.energy_gev > 0 else np.nan,
        "calibrations": regions,
    }


def _regions(found: xr.Dataset, calibration: Calibration, ra: float, dec: float) -> Row:
    regions = {label: region(found, share, calibration) for label, share in _SHARES.items()}
    return {
        "inside": {label: bool(item.contains(ra, dec)) for label, item in regions.items()},
        "area_deg2": {label: item.area_deg2 for label, item in regions.items()},
    }


def _vertex_distance(detector: Detector, time: np.datetime64, truth: Particle, best: BestFit) -> float:
    """Return how far the true vertex is from the fitted one, or where no place on a track counts, from the track."""
    away = np.array([truth.x, truth.y, truth.z]) - best.vertex
    if truth.topology != "cascade":
        zenith, azimuth = sky.to_detector(detector, time, best.ra, best.dec)
        origin = sky.unit(azimuth, np.pi / 2 - zenith)
        away -= (away @ origin) * origin
    return float(np.linalg.norm(away))


def _figures(rows: Sequence[Row]) -> Row:
    """Return the figures of some events; those that failed are counted, and left out of all others."""
    good = [row for row in rows if "reason" not in row]
    error, energy = _known(good, "error_deg"), _known(good, "log_energy")
    bias = _quantile(energy, 0.5)
    cells, milliseconds = (sum(row[key] for row in good) for key in ("cells", "ms"))
    names = good[0]["calibrations"] if good else ()
    return {
        "n": len(good),
        "failed": len(rows) - len(good),
        **{f"{label}_deg": _quantile(error, share) for label, share in _QUANTILES.items()},
        **_contained(good),
        "log_energy": {"bias": bias, "q68": _quantile(np.abs(energy - bias), 0.68)},
        "vertex_m": _quantile(_known(good, "vertex_m"), 0.5),
        "ms_per_cell": milliseconds / cells if cells else np.nan,
        "calibrations": {name: _contained([row["calibrations"][name] for row in good]) for name in names},
    }


def _contained(rows: Sequence[Row]) -> Row:
    """Return the share of regions that hold the truth, its binomial standard error, and the median areas."""
    n = len(rows)
    held = {label: sum(row["inside"][label] for row in rows) for label in _SHARES}
    # The error is that of (k + 1) / (n + 2), so that 20 of 20 is not taken for certain.
    odds = {label: (count + 1) / (n + 2) for label, count in held.items()}
    return {
        "coverage": {label: count / n if n else np.nan for label, count in held.items()},
        "coverage_error": {label: np.sqrt(p * (1 - p) / n) if n else np.nan for label, p in odds.items()},
        "area_deg2": {label: _quantile(np.array([row["area_deg2"][label] for row in rows]), 0.5) for label in _SHARES},
    }


def _known(rows: Sequence[Row], key: str) -> Floats:
    values = np.array([row[key] for row in rows], float)
    return np.asarray(values[np.isfinite(values)])


def _quantile(values: Floats, share: float) -> float:
    return float(np.quantile(values, share)) if values.size else np.nan
