"""What an event looks like: a muon from outside, one that starts inside, or a shower alone.

A quick search with `track-losses` gives a track. Its light comes from segments of 25 m, whose energies explain the
charges of all modules; what the event is, is told by how much worse they do so under a constraint, in units of the
logarithm of the likelihood:

- all light from `SHOWER_M` of the track: hardly worse for a shower, tens to thousands for a muon;
- a muon of at least `FLOOR` wherever the track is before its first light: worse for one that starts in the detector,
  where modules near the way to its vertex should have seen it;
- no light before the brightest `SHOWER_M`: worse for a muon that was not made there.

Where no module would see a muon, nothing is asked. So the vertex of a muon at the edge of the detector cannot be told
from a large loss of a passing one: for such, and only for such, both the second and the third are small.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skymist.detector.ice import south_pole_ice
from skymist.detector.light import MEAN_CHARGE, cascade_charge
from skymist.model import sky
from skymist.model.event import Event
from skymist.model.reconstruction import Directions, Fit
from skymist.reco.hits import clean
from skymist.reco.track_losses import SEGMENT, TrackLosses

Floats = NDArray[np.float64]
Finer = tuple[tuple[int, int], ...]

NSIDE, FINER = 2, ((8, 3), (32, 2), (64, 1))
"""The search: all cells of the first nside, then so many of the best split to a finer one."""
AGAIN = ((8, 3),)
"""That for the muon of what looks like a shower alone: all cells again, from its place."""
ONE_SHOWER = 10.0
"""If a row of showers is better by no more in the logarithm of the likelihood, one is enough."""

SHOWER = 4  # segments
SHOWER_M = SHOWER * SEGMENT
"""How much of the track a single shower takes in the fit."""

FLOOR = 1.0
"""GeV/m, as a shower of the same light: bare muons give 0.3, the average one of 10 TeV 3."""
BOUND = 3.0
"""By how much the logarithm of the likelihood may be worse for a start that is not excluded."""
STARTS = 1.0
"""With more `Evidence.dark` a muon starts in view."""

HIT_REACH, SILENT_REACH = 500.0, 150.0  # m
CORE = 6.0  # m: nobody knows a track better
NOISE, ROUNDS = 0.03, 30  # PE in each module; of expectation maximisation
SPREAD, PRIOR = 0.1, 5e-5  # of charges, and of energies (1/GeV): as in `track-losses`
FAINT = 0.3  # PE of all modules together: where a muon of FLOOR gives less, nobody looks


@dataclass(frozen=True)
class Evidence:
    """Differences of the logarithm of the likelihood, and where the light is.

    Attributes
    ----------
    spread : float
        How much better than a single shower a row of them explains the light. At least 0.
    dark : float
        How much worse a muon on the way to the first light would explain that there is none. At least 0.
    lead : float
        How much worse it is explained if there is no light from before the brightest `SHOWER_M`. At least 0.
    share : float
        Of all light of the track, that of the brightest `SHOWER_M`.
    dark_m : float
        How long the way to the first light is, from where a muon would be seen on, in metres.
    missing_pe : float
        Light that a muon of `FLOOR` gives on the whole of that way.
    """

    spread: float
    dark: float
    lead: float
    share: float
    dark_m: float
    missing_pe: float

    @property
    def starts(self) -> bool:
        """Whether a muon rather starts inside than comes from outside."""
        return self.dark > STARTS


class Row(NamedTuple):
    """Charges (PE) of n modules, and light (PE/GeV) that each of s segments of a track gives each of them."""

    charge: Floats
    light: Floats


def weigh(event: Event, seed: int = 0) -> Evidence | None:
    """Return what the light says of an event's topology, None if too few modules saw any.

    A faint muon that leaves a bright shower is easily missed: what looks like a shower alone is searched again from
    its place.

    Parameters
    ----------
    event : Event
    seed : int
        Of the search for its track.
    """
    reconstruction = TrackLosses(seed=seed)
    found = _search(event, reconstruction, None, FINER)
    if not np.isfinite(found[1].nllh).all():
        return None
    evidence = weigh_track(event, *found)
    if evidence is None or evidence.spread > ONE_SHOWER:
        return evidence
    again = _search(event, reconstruction, found[1], AGAIN)
    better = again[1].nllh[0] < found[1].nllh[0]
    return (weigh_track(event, *again) or evidence) if better else evidence


def weigh_track(event: Event, direction: Directions, fit: Fit) -> Evidence | None:
    """Return what the light along one track says; None if no module would see a muon there."""
    row = _row(event, TrackLosses().profile(event, direction, fit).position, -direction.origin[0])
    if not row.light.size:
        return None
    energy, free = _explain(row, _between(row, 0))
    pe = energy * row.light.sum(axis=0)
    bright = np.convolve(pe, np.ones(SHOWER))[SHOWER - 1 :]
    k = int(np.argmax(bright))
    near = range(max(k - 1, 0), k + 2)  # the brightest by themselves need not be those that explain all light best
    spread = min(_explain(row, _between(row, first, first + SHOWER))[1] for first in near) - free
    lead = _explain(row, _between(row, k))[1] - free
    first = _first_light(row, free)
    way, after = _between(row, 0, first), _between(row, first)
    muon = way * FLOOR * SEGMENT
    dark = _explain(row, after, muon)[1] - _explain(row, after)[1]
    dark_m = SEGMENT * float(way.sum())
    share, missing = float(bright[k] / pe.sum()), float(np.sum(row.light @ muon))
    return Evidence(max(0.0, spread), max(0.0, dark), max(0.0, lead), share, dark_m, missing)


def _search(event: Event, reconstruction: TrackLosses, start: Fit | None, finer: Finer) -> tuple[Directions, Fit]:
    """Return the best track of a search in all directions, one row each, from one start or from everywhere."""
    cells = sky.all_cells(NSIDE)
    directions = sky.directions(event.detector, event.time, cells)
    fit = reconstruction(event, directions, None if start is None else start[np.zeros(len(cells), int)])
    for nside, count in finer:
        best = _lowest(fit)[:count]
        children = sky.children(cells[best], nside)
        cells = children.ravel()
        directions = sky.directions(event.detector, event.time, cells)
        fit = reconstruction(event, directions, fit[np.repeat(best, children.shape[1])])
    best = _lowest(fit)[:1]
    return directions[best], fit[best]


def _lowest(fit: Fit) -> NDArray[np.intp]:
    return np.argsort(np.where(np.isfinite(fit.nllh), fit.nllh, np.inf), kind="stable")


def _between(row: Row, first: int, last: int | None = None) -> Floats:
    """Return 1 for segments from `first` to before `last`, 0 for others."""
    chosen = np.zeros(row.light.shape[1])
    chosen[first:last] = 1
    return chosen


def _row(event: Event, place: Floats, flight: Floats) -> Row:
    """Return the segments where a muon would be seen, from the first to the last."""
    hits, position = clean(event), event.detector.position
    near = np.linalg.norm(position[hits.silent][:, None] - place, axis=2).min(axis=1, initial=np.inf) < SILENT_REACH
    module = np.append(hits.module, hits.silent[near])
    charge = np.append(hits.charge_pe / MEAN_CHARGE, np.zeros(near.sum()))
    reach = np.where(np.arange(len(module)) < len(hits), HIT_REACH, SILENT_REACH)
    light = _light(event, module, reach, place, flight)
    seen = np.flatnonzero(light.sum(axis=0) * FLOOR * SEGMENT > FAINT)
    part = slice(seen[0], seen[-1] + 1) if seen.size else slice(0)
    return Row(charge, light[:, part])


def _light(event: Event, module: NDArray[np.int64], reach: Floats, place: Floats, flight: Floats) -> Floats:
    """Return the photo-electrons that each GeV at s places gives n modules, shape (n, s); 0 out of reach."""
    position, ice = event.detector.position[module], south_pole_ice()
    i, j = np.nonzero(np.linalg.norm(position[:, None] - place, axis=2) < reach[:, None])
    away = position[i] - place[j]
    distance = np.maximum(np.linalg.norm(away, axis=1), CORE)
    means = ice.means(ice.layer(position)[i], away[:, 2])
    efficiency = event.detector.efficiency[module]
    light = np.zeros((len(module), len(place)))
    light[i, j] = cascade_charge(distance, *means, away @ flight / distance, away[:, 2] / distance)
    return np.where(efficiency > 0, efficiency, 1.0)[:, None] * light


def _explain(row: Row, allowed: Floats, floor: Floats | None = None) -> tuple[Floats, float]:
    """Return the energies (GeV) of the allowed segments that explain the charges best, and the nllh.

    Charges are negative binomial with variance mu (1 + SPREAD mu). `floor` is light that is there anyway, in GeV.
    """
    charge, light = row
    base = NOISE if floor is None else NOISE + light @ floor
    energy = allowed * charge.sum() / light.sum()
    for _ in range(ROUNDS):
        mu = light @ energy + base
        weight = 1 / (1 + SPREAD * mu)
        energy = energy * (light.T @ (weight * charge / mu) + 1e-12) / (light.T @ weight + PRIOR)
    mu = light @ energy + base
    nllh = np.sum((charge + 1 / SPREAD) * np.log1p(SPREAD * mu) - charge * np.log(mu))
    return energy, float(nllh + PRIOR * energy.sum())


def _first_light(row: Row, free: float) -> int:
    """Return the last segment with which the light may begin: the more of them are dark, the worse."""
    low, high = 0, row.light.shape[1]
    while high - low > 1:
        middle = (low + high) // 2
        if _explain(row, _between(row, middle))[1] < free + BOUND:
            low = middle
        else:
            high = middle
    return low
