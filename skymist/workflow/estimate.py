"""What a scan will take, before it is begun: its cells, and how long cells took before."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import log2
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from sqlalchemy import select

from skymist import cluster
from skymist.model.event import Event
from skymist.model.reconstruction import Reconstruction
from skymist.model.request import ScanRequest
from skymist.records import Database, tables
from skymist.records.tables import ScanState
from skymist.scan.plan import most_cells
from skymist.workflow import choice
from skymist.workflow.ingest import load_event
from skymist.workflow.wish import Wish

LATEST = 200
"""So many earlier scans are looked at."""


class CellSeconds(NamedTuple):
    """Seconds that one thread takes for a cell.

    Attributes
    ----------
    first : float
        Of the first level, where the fit starts from nothing.
    finer : mapping of int to float
        Of finer levels, by nside: the finer it is, the nearer is the fit that a cell starts from.
    """

    first: float
    finer: Mapping[int, float]

    def at(self, nside: int) -> float:
        """Return that of a finer level: that of the nearest one that is known, the coarser one of two."""
        known = min(self.finer, key=lambda each: (abs(log2(each / nside)), each), default=0)
        return self.finer[known] if known else self.first


@dataclass(frozen=True)
class Earlier:
    """A scan that was completed.

    Attributes
    ----------
    request : mapping
        As `ScanRequest.to_dict` writes it.
    progress : mapping
        As `Progress.to_dict` writes it.
    event, kind : str
        Digest of its event, and the stream that selected that.
    """

    request: Mapping[str, Any]
    progress: Mapping[str, Any]
    event: str
    kind: str


@dataclass(frozen=True)
class LevelEstimate:
    """One resolution: how many cells there are at most, and how long one thread takes for them; None if unknown."""

    nside: int
    cells: int
    seconds: float | None


@dataclass(frozen=True)
class Estimate:
    """What a scan will take.

    Attributes
    ----------
    levels : tuple of LevelEstimate
        From coarse to fine.
    threads : int or None
        Cells that the cluster evaluates at a time; None if that is not known.
    basis : str
        What it was estimated from, in words.
    """

    levels: tuple[LevelEstimate, ...]
    threads: int | None
    basis: str

    @property
    def cells(self) -> int:
        """Of all levels."""
        return sum(level.cells for level in self.levels)

    @property
    def thread_seconds(self) -> float | None:
        """What one thread would take; None if unknown."""
        spent = [level.seconds for level in self.levels]
        return None if None in spent else sum(each for each in spent if each is not None)

    @property
    def wall_seconds(self) -> float | None:
        """What all threads of the cluster take, once they are there; None if unknown."""
        alone = self.thread_seconds
        return None if alone is None or not self.threads else alone / self.threads


@dataclass(frozen=True)
class Prospect:
    """What a wish means for an event, and what it will take.

    Attributes
    ----------
    event : Event
    reconstruction : Reconstruction
    request : ScanRequest
    why : str
        How the reconstruction was chosen; empty if it was named.
    state : str or None
        Of the same scan, if it was asked for before.
    estimate : Estimate
    """

    event: Event
    reconstruction: Reconstruction
    request: ScanRequest
    why: str
    state: str | None
    estimate: Estimate


def foresee(
    database: Database,
    event_id: str,
    wish: Wish,
    cluster_name: str = "local",
    workers: int | None = None,
    clusters: Path | None = None,
) -> Prospect:
    """Return what a scan would be and take; nothing is begun.

    Parameters
    ----------
    database : Database
    event_id : str
        Digest of an event that is known.
    wish : Wish
    cluster_name, workers
        Where it would run.
    clusters : Path, optional
        The site's own cluster configurations.

    Raises
    ------
    RequestError
        If the wish does not fit the event, just as `skymist.workflow.service.ask` would.
    """
    event = _event(database, event_id)
    named, why = _named(database, event_id, wish)
    reconstruction, request, _ = named.apply(event)
    with database.read() as session:
        known = session.get(tables.Scan, request.id)
        state = None if known is None or known.deleted is not None else known.state
    stated = getattr(reconstruction, "cell_seconds", None)
    found, basis = judge(request, event.kind, earlier(database, request.reconstruction), stated)
    threads = cluster.capacity(cluster_name, workers, clusters)
    return Prospect(event, reconstruction, request, why, state, estimate(request, found, threads, basis))


def estimate(request: ScanRequest, seconds: CellSeconds | None, threads: int | None, basis: str) -> Estimate:
    """Return what a request takes if cells take so long; with several seeds a finer cell is fitted several times."""
    levels = []
    for row, (nside, cells) in enumerate(most_cells(request).items()):
        each = None if seconds is None else seconds.at(nside) * request.seeds if row else seconds.first
        levels.append(LevelEstimate(nside, cells, None if each is None else each * cells))
    return Estimate(tuple(levels), threads, basis)


def judge(
    request: ScanRequest, kind: str, scans: Iterable[Earlier], stated: tuple[float, float] | None = None
) -> tuple[CellSeconds | None, str]:
    """Return how long cells take by the scans that are most like a request, and in words which these are.

    Parameters
    ----------
    request : ScanRequest
    kind : str
        Stream that selected the event.
    scans : iterable of Earlier
        Of the same reconstruction.
    stated : pair of float, optional
        What the reconstruction says of itself: it goes before scans with other options.
    """
    timed = [(each, spent) for each in scans if (spent := spent_on_cells(each)) is not None]
    same = [pair for pair in timed if _options(pair[0].request) == _options(request.to_dict())]
    steps: list[tuple[str, Callable[[Earlier], bool]]] = [
        ("of this event, with the same options", lambda each: each.event == request.event),
        (f"of events of the stream {kind}, with the same options", lambda each: bool(kind) and each.kind == kind),
        ("with the same options", lambda _: True),
    ]
    for words, fits in steps:
        if found := [spent for each, spent in same if fits(each)]:
            return _middle(found), _told(found, request.reconstruction, words)
    if stated is not None:
        first, finer = map(float, stated)
        return CellSeconds(
            first, {request.levels[-1].nside: finer}
        ), f"what {request.reconstruction} says of its speed on one processor"
    if timed:
        found = [spent for _, spent in timed]
        return _middle(found), _told(found, request.reconstruction, "with other options")
    return None, f"unknown: no scan by {request.reconstruction} was completed here, and it does not say how fast it is"


def spent_on_cells(scan: Earlier) -> CellSeconds | None:
    """Return how long the cells of a scan took; None if not all levels were timed, as when it was resumed."""
    spent = {level["nside"]: level.get("cell_seconds") for level in scan.progress["levels"]}
    if None in spent.values():
        return None
    first = spent.pop(scan.request["levels"][0][0])
    seeds = scan.request.get("seeds", 1)
    return CellSeconds(first, {nside: each / seeds for nside, each in spent.items()})


def earlier(database: Database, reconstruction: str) -> list[Earlier]:
    """Return the latest complete scans by a reconstruction."""
    Scan, Event = tables.Scan, tables.Event
    query = select(Scan.request, Scan.progress, Event.id, Event.kind).join(Event, Event.id == Scan.event_id)
    query = query.where(Scan.state == ScanState.COMPLETE, Scan.progress.is_not(None))
    query = query.where(Scan.request["reconstruction"].as_string() == reconstruction)
    with database.read() as session:
        rows = session.execute(query.order_by(Scan.created.desc()).limit(LATEST)).all()
    return [Earlier(request, progress, event, kind) for request, progress, event, kind in rows if progress]


def _options(request: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what of a request decides how long a cell takes, beside the event."""
    options = {key: value for key, value in request["options"].items() if key != "seed"}
    return request["version"], options, request.get("level_options", {})


def _middle(found: list[CellSeconds]) -> CellSeconds:
    sides = sorted({nside for each in found for nside in each.finer})
    finer = {nside: median(each.finer[nside] for each in found if nside in each.finer) for nside in sides}
    return CellSeconds(median(each.first for each in found), finer)


def _told(found: list[CellSeconds], reconstruction: str, words: str) -> str:
    what = "a scan" if len(found) == 1 else f"the median of {len(found)} scans"
    return f"{what} by {reconstruction} {words}"


def _named(database: Database, event_id: str, wish: Wish) -> tuple[Wish, str]:
    """Return a wish that names what ``auto`` chooses, and why; it takes seconds, and is done once for an event."""
    if wish.reco != choice.AUTO:
        return wish, ""
    rule = str(wish.options.get("rule", choice.Auto.rule))
    chosen = _chosen(database, event_id, rule, wish.seed)
    options = {key: value for key, value in wish.options.items() if key != "rule"}
    return replace(wish, reco=chosen.reconstruction, options=options), chosen.why


@lru_cache(maxsize=256)
def _chosen(database: Database, event_id: str, rule: str, seed: int) -> choice.Choice:
    return choice.RULES[rule](_event(database, event_id), seed)


@lru_cache(maxsize=8)
def _event(database: Database, event_id: str) -> Event:
    """Return an event; whoever fills a form in asks again and again about the same one."""
    return load_event(database, event_id)
