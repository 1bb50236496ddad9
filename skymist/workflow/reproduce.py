"""Run the recorded request of a map once more on the recorded event, and say whether the same map comes out."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from skymist import cluster, plugins
from skymist.errors import ReadError, RequestError
from skymist.model import region, sky, skymap
from skymist.model.event import Event
from skymist.model.reconstruction import Reconstruction
from skymist.model.request import ScanRequest
from skymist.model.sky import Floats
from skymist.readers import known_events
from skymist.scan.progress import Progress
from skymist.store.place import OnWait, Where
from skymist.store.zarr import read_skymap
from skymist.workflow import events
from skymist.workflow.plain import plain
from skymist.workflow.scan import scan_request

SMALL = 1e-9
"""Differences of likelihoods up to this one are told as rounding."""

CALIBRATION = "probability"
"""Of the areas that are compared: it depends on the likelihoods and on nothing else."""


@dataclass(frozen=True)
class Pair:
    """A value of the recorded map, and what it is now; None where the map does not say."""

    then: Any
    now: Any


@dataclass(frozen=True)
class Reproduction:
    """How a map that was made again compares with the one that was kept.

    Attributes
    ----------
    scan_id : str
    identical : bool
        Whether both have the same content, to the last bit.
    content : Pair
        `skymist.model.skymap.content_hash` of both; that of the new map as if it had been asked for in the same words.
    cells : int
        That both maps have.
    only_then, only_now : int
        Cells that only one of them has.
    nllh : float
        The largest difference of a negative log-likelihood; infinite where only one could be fitted.
    others : tuple of str
        What else differs in these cells by more than rounding, such as ``energy``: names of columns.
    best_deg : float
        From one best fit to the other.
    area_50_deg2, area_90_deg2 : Pair
        By the calibration `CALIBRATION`.
    software : mapping of str to Pair
        Versions that are different, of the reconstruction too; empty if none is, or nobody knows.
    host : mapping of str to Pair
        What is different of the kind of machine.
    recorded : bool
        Whether the map says with which software and on what kind of machine it was made.
    """

    scan_id: str
    identical: bool
    content: Pair
    cells: int
    only_then: int
    only_now: int
    nllh: float
    others: tuple[str, ...]
    best_deg: float
    area_50_deg2: Pair
    area_90_deg2: Pair
    software: Mapping[str, Pair]
    host: Mapping[str, Pair]
    recorded: bool

    @property
    def verdict(self) -> str:
        """By how much the maps differ, and what has changed, in words."""
        if self.identical:
            return "identical"
        return f"{self._difference()}; {self.changed or 'no version and no kind of machine has changed'}"

    @property
    def changed(self) -> str:
        """What is not as it was when the map was made, in words; empty if nothing is."""
        pairs = {**self.software, **self.host}.items()
        words = [f"{name} {pair.then or 'none'} is now {pair.now or 'none'}" for name, pair in pairs]
        if not self.recorded:
            words.append("the map does not say with what else it was made")
        return ", ".join(words)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-like values, None for what is infinite."""
        return dict(plain({**asdict(self), "verdict": self.verdict}))

    def _difference(self) -> str:
        if self.only_then or self.only_now:
            return (
                f"different: {self.only_then} cells are only in the recorded map and {self.only_now} only in the new "
                f"one; likelihoods of the other {self.cells} differ by up to {self.nllh:.3g}, {self._regions()}"
            )
        if self.nllh <= SMALL:
            but = f", but these differ: {', '.join(self.others)}" if self.others else ""
            return f"the likelihoods are the same within {SMALL:g}{but}"
        return f"different: likelihoods differ by up to {self.nllh:.3g}, {self._regions()}"

    def _regions(self) -> str:
        areas = (f"{pair.then:.4g} and {pair.now:.4g} deg2" for pair in (self.area_50_deg2, self.area_90_deg2))
        return f"best fits by {self.best_deg:.3g} deg, areas (50 %, 90 %): {', '.join(areas)}"


def of_map(where: Where, source: str | None = None, mirror: Path | None = None) -> tuple[xr.Dataset, Event]:
    """Return a map and the event that it is of, for `reproduce`.

    Parameters
    ----------
    where : path, URL or Place
        The map.
    source : str, optional
        See `skymist.workflow.events.load_event`; it may be left out for a public event and the bundled one.
    mirror : Path, optional
        Folder in which public events are looked for first.

    Raises
    ------
    ReadError
        If there is no map, or the event cannot be read.
    RequestError
        If it is no public event and no source is given.
    """
    data = read_skymap(where)
    about = data.attrs.get("event", {})
    source = source or _known(about)
    event, pulses = events.load_event(source, None, mirror), about.get("pulse_set")
    if pulses != event.pulse_set and pulses in event.pulse_sets:
        event = events.load_event(source, pulses, mirror)
    return data, event


def reproduce(
    data: xr.Dataset,
    event: Event,
    *,
    anyway: bool = False,
    out: Where | None = None,
    cluster_name: str = "local",
    workers: int | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_wait: OnWait = lambda _: None,
) -> Reproduction:
    """Make a map again and compare.

    Parameters
    ----------
    data : xarray.Dataset
        The map that was kept; see `of_map` and `skymist.workflow.archive.recorded`.
    event : Event
        The one that it is of.
    anyway : bool
        Whether to try it, too, if another version of the reconstruction is installed than made the map.
    out : path, URL or Place, optional
        Folder in which the new map is kept; the same call goes on with it if it was interrupted. In a temporary folder
        if not given.
    cluster_name, workers
        See `skymist.cluster.connect`.
    on_progress, on_wait : callable
        See `skymist.workflow.scan.scan_event`.

    Raises
    ------
    RequestError
        If the map is not complete, does not say how it was made, or is of another event; if another version of the
        reconstruction is installed; or if `out` holds the map itself, or a copy.
    ScanError
        If the scan cannot be finished.
    """
    request = _request_of(data, event)
    reconstruction = _reconstruction(data, request, anyway)
    folder = tempfile.TemporaryDirectory(prefix="skymist-") if out is None else nullcontext(out)
    with folder as kept:
        new = scan_request(
            event, reconstruction, replace(request, version=reconstruction.version),
            connect=partial(cluster.connect, cluster_name, workers), cluster_name=cluster_name, out=kept,
            on_progress=on_progress, on_wait=on_wait,
        )  # fmt: skip
    if all(new.attrs.get(name) == data.attrs.get(name) for name in ("created", "provenance")):
        raise RequestError(f"{new.encoding['source']} is the map itself, or a copy: choose another --out")
    return compare(data, new)


def compare(data: xr.Dataset, new: xr.Dataset) -> Reproduction:
    """Return how a map that was made again compares with the one that was kept."""
    then, now = data["uniq"].to_numpy(), new["uniq"].to_numpy()
    both, first, second = np.intersect1d(then, now, assume_unique=True, return_indices=True)
    content = Pair(*(skymap.content_hash(each.assign_attrs(request=data.attrs["request"])) for each in (data, new)))
    best = [region.best_fit(each) for each in (data, new)]
    areas = [[region.region(each, share, CALIBRATION).area_deg2 for each in (data, new)] for share in (0.5, 0.9)]
    recorded = bool(_stretches(data))
    return Reproduction(
        scan_id=str(data.attrs["scan_id"]),
        identical=content.then == content.now,
        content=content,
        cells=both.size,
        only_then=then.size - both.size,
        only_now=now.size - both.size,
        nllh=_largest(data["nllh"].to_numpy()[first], new["nllh"].to_numpy()[second]),
        others=tuple(_others(data.isel(cell=first), new.isel(cell=second))),
        best_deg=float(np.degrees(sky.separation(best[0].ra, best[0].dec, best[1].ra, best[1].dec))),
        area_50_deg2=Pair(*areas[0]),
        area_90_deg2=Pair(*areas[1]),
        software=_different(_software(data), _software(new), recorded),
        host=_different(_joined(data, "host"), _joined(new, "host"), recorded),
        recorded=recorded,
    )


def _known(about: Mapping[str, Any]) -> str:
    """Return the name of an event that everybody can have."""
    name = f"{about.get('run')}/{about.get('event')}"
    if name in known_events():
        return name
    demo = events.load_event(events.DEMO)
    if name == f"{demo.run}/{demo.event}":
        return events.DEMO
    raise RequestError(f"{name} is no public event: give its file with --event")


def _request_of(data: xr.Dataset, event: Event) -> ScanRequest:
    """Return how a map was made, if it can be made again of this event."""
    if not data.attrs.get("request"):
        raise RequestError("the map does not say how it was made, so nobody can make it again")
    try:
        request = ScanRequest.from_dict(data.attrs["request"])
    except (KeyError, TypeError, ValueError) as error:
        raise ReadError(
            f"its request is none that this skymist knows: {error}", str(data.encoding.get("source", ""))
        ) from error
    if event.digest != request.event:
        detail = f"SHA-256 {event.digest[:12]} instead of {request.event[:12]}"
        raise RequestError(f"the map is not of {event.name} with the pulses {event.pulse_set!r}: {detail}")
    if not data.attrs["complete"]:
        raise RequestError("the map is not complete; the same skymist scan finishes it")
    return request


def _reconstruction(data: xr.Dataset, request: ScanRequest, anyway: bool) -> Reconstruction:
    """Return the reconstruction of a request, in the version that is installed if `anyway`."""
    plugin = plugins.load(plugins.RECONSTRUCTIONS, request.reconstruction)
    reconstruction: Reconstruction = plugins.configure(plugin, request.options)
    if reconstruction.version != request.version and not anyway:
        made, here = f"{request.reconstruction} {request.version}", f"version {reconstruction.version} is installed"
        raise RequestError(f"the map was made by {made} ({data.attrs['software']}), {here}: try that with --anyway")
    return reconstruction


def _largest(one: Floats, other: Floats) -> float:
    """Return the largest difference: nothing where neither knows a value, infinite where only one does."""
    with np.errstate(invalid="ignore"):
        apart = np.abs(one - other)
    apart[(one == other) | np.isnan(one) & np.isnan(other)] = 0
    return float(np.nan_to_num(apart, nan=np.inf).max(initial=0))


def _others(data: xr.Dataset, new: xr.Dataset) -> Iterator[str]:
    """Yield the names of columns that differ, but for the likelihood; the cells are the same."""
    for name in sorted(({*data.data_vars, *new.data_vars}) - {"nllh"}, key=str):
        if name not in data or name not in new:
            yield str(name)
            continue
        if not _is_same(data[name].to_numpy(), new[name].to_numpy()):
            yield str(name)


def _is_same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Return whether values are the same; numbers are if they differ by rounding only, as seen from the largest."""
    if one.dtype.kind != "f" or one.shape != other.shape:
        return np.array_equal(one, other)
    small = max(SMALL, 4 * float(np.finfo(one.dtype).eps))
    largest = float(np.abs(one[np.isfinite(one)]).max(initial=0))
    return np.allclose(one, other, rtol=small, atol=small * largest, equal_nan=True)


def _stretches(data: xr.Dataset) -> list[dict[str, Any]]:
    """Return how a map was computed, by stretches; where the workers were other machines, those count."""
    found = _mapping(data.attrs, "provenance").get("stretches")
    stretches = [each for each in found if isinstance(each, Mapping)] if isinstance(found, Sequence) else []
    joined = [{**each, **_mapping(each, "worker")} for each in stretches]
    return [each for each in joined if _mapping(each, "software") and _mapping(each, "host")]


def _mapping(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return what a map says under a key, if it says it as it should."""
    found = values.get(key)
    return found if isinstance(found, Mapping) else {}


def _joined(data: xr.Dataset, key: str) -> dict[str, str]:
    """Return by name what a map says of its software or host; several values if that changed meanwhile."""
    found: dict[str, list[str]] = {}
    for stretch in _stretches(data):
        for name, value in stretch[key].items():
            found.setdefault(name, []).append(str(value))
    return {name: ", ".join(dict.fromkeys(values)) for name, values in found.items()}


def _software(data: xr.Dataset) -> dict[str, str]:
    """Return versions by name; the reconstruction has one apart from the distribution that it is in."""
    request = data.attrs["request"]
    return {**_joined(data, "software"), f"the reconstruction {request['reconstruction']}": request["version"]}


def _different(then: Mapping[str, str], now: Mapping[str, str], recorded: bool) -> dict[str, Pair]:
    """Return by name what is not the same; what only one has counts if the other had to say it."""
    names = sorted({*then, *now} if recorded else then.keys() & now.keys())
    return {name: Pair(then.get(name), now.get(name)) for name in names if then.get(name) != now.get(name)}
