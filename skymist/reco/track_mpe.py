"""track-mpe: the direction of a muon from the first light in each module.

Per module the density of the first of N photo-electrons, p(t) S(t)**(N**beta - 1) N**beta, with p the
Pandel density of layered ice and S its survival probability: for beta = 1 the multi-photo-electron likelihood
of AMANDA (Ahrens et al., Nucl. Instrum. Meth. A 524 (2004) 169); beta < 1 allows for light that was not
emitted independently. To this comes, with a weight, the probability of each module to see light or none.
"""

from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from skymist.detector.ice import south_pole_ice
from skymist.detector.light import JITTER, C, attenuation, brightness
from skymist.model.effort import converged
from skymist.model.event import Event
from skymist.model.options import check, limits
from skymist.model.reconstruction import Directions, Fit, Status
from skymist.reco import compiling
from skymist.reco.arrival import table
from skymist.reco.hits import Hits, clean

Floats = NDArray[np.float64]
Found = tuple[Floats, Floats, NDArray[np.bool_]]
"""Points (a, b, t) in m, m and ns, shape (n, 3), their nllh and whether each is a minimum."""

KERNELS = "skymist.reco.kernels"
MIN_MODULES = 5
SILENT_REACH = 75.0  # m; modules without light farther than this from all hits say little about the track

# The search at the coarsest level: a smeared likelihood of few modules from every start, then the full one.
WIDE_JITTER, WIDE_MODULES, WIDE_ROUNDS, WIDE_TOLERANCE = 0.3, 40, 8, 0.1
START_REACH = 100.0  # m
APART, RIVAL = 15.0, 5.0  # a second minimum is this far (m) from the first and at most this much worse
SEARCH_ROUNDS, ROUNDS, TOLERANCE = 12, 30, 1e-3  # most of the sky needs no exact minimum


@dataclass(frozen=True)
class TrackMPE:
    """Fit of an infinite track: per direction its place (two coordinates) and time.

    Attributes
    ----------
    charge_exponent : float
        beta; smaller values widen the contours. With 0.6, Wilks regions of muons simulated photon by photon
        cover what they say.
    light_weight : float
        Weight of the logarithm of the hit/no-hit probabilities, which keep the track near its light. Below 1
        because single losses, not in this likelihood, make them less certain than they pretend to be.
    starts : int
        Places at which the fits of the coarsest level start.
    seed : int
        Turns the pattern of these places.
    """

    charge_exponent: float = field(default=0.6, metadata=limits(above=0, maximum=1))
    light_weight: float = field(default=0.5, metadata=limits(minimum=0, maximum=10))
    starts: int = field(default=5, metadata=limits(minimum=1, maximum=100))
    seed: int = 0

    name: ClassVar[str] = "track-mpe"
    version: ClassVar[str] = "1"
    cell_seconds: ClassVar[tuple[float, float]] = (8e-4, 2e-4)

    def __post_init__(self) -> None:
        check(self)

    @property
    def compiled(self) -> bool:
        """Whether the kernels were compiled on this machine before; if not, the first call takes some 10 s."""
        return is_compiled()

    def __call__(self, event: Event, directions: Directions, start: Fit | None) -> Fit:
        """Maximise the likelihood at each direction; see `Reconstruction`.

        An event with fewer than five usable modules fails in every direction, and so does a
        direction whose start has failed.
        """
        data = prepare(event, self.charge_exponent)
        if data is None or not len(directions):
            return Fit.failed(len(directions))
        frames = plane_frames(-directions.origin)
        found = self._search(data, frames) if start is None else self._follow(data, frames, start)
        return _as_fit(data, frames, found)

    def _search(self, data: "TrackData", frames: Floats) -> Found:
        """Fit from several places with a smeared likelihood, and from the best one or two of them in full."""
        points, cost = self._survey(data, frames)
        row, first = np.arange(len(frames)), np.argmin(cost, axis=1)
        best = self._descend(data, frames, points[row, first], rounds=SEARCH_ROUNDS)
        least = cost[row, first]
        same = np.linalg.norm(points[:, :, :2] - points[row, first, None, :2], axis=2) < APART
        cost = np.where(same, np.inf, cost)
        second = np.argmin(cost, axis=1)
        rival = np.flatnonzero(cost[row, second] < least + RIVAL)
        other = self._descend(data, frames[rival], points[rival, second[rival]], rounds=SEARCH_ROUNDS)
        better = other[1] < best[1][rival]
        for ours, theirs in zip(best, other, strict=True):
            ours[rival[better]] = theirs[better]
        return best

    def _survey(self, data: "TrackData", frames: Floats) -> tuple[Floats, Floats]:
        offsets = start_offsets(self.starts, self.seed)
        n, k = len(frames), len(offsets)
        points = np.zeros((n * k, 3))
        points[:, :2] = np.tile(offsets, (n, 1))
        frames = np.repeat(frames, k, axis=0)
        compiling.kernels(KERNELS).early_times(frames, data.hits, points)
        points, cost, _ = self._descend(data.thinned(), frames, points, WIDE_JITTER, WIDE_ROUNDS, WIDE_TOLERANCE)
        return points.reshape(n, k, 3), cost.reshape(n, k)

    def _follow(self, data: "TrackData", frames: Floats, start: Fit) -> Found:
        """Fit from the start's place, moved along the new direction to the plane through the centre."""
        points = np.einsum("nij,nj->ni", frames, start.vertex - data.center)
        points[:, 2] = start.time_ns - data.time_ns - points[:, 2] / C
        return self._descend(data, frames, points)

    def _descend(
        self,
        data: "TrackData",
        frames: Floats,
        points: Floats,
        jitter: float = JITTER,
        rounds: int = ROUNDS,
        tolerance: float = TOLERANCE,
    ) -> Found:
        nllh, taken = np.empty(len(frames)), np.zeros(len(frames), np.int64)
        model = data.hits, data.silent, table(jitter), *ice_grid(), self.light_weight
        compiling.kernels(KERNELS).descend(frames, *model, rounds, tolerance, points, nllh, taken)
        return points, nllh, converged(taken)


@dataclass(frozen=True, eq=False)
class TrackData:
    """What the likelihood needs of one event.

    Attributes
    ----------
    center : (3,) float64
        Charge-weighted centroid of the hits, in metres.
    time_ns : float
        Charge-weighted mean of the first hits, on the event's clock.
    hits : (n, 10) float64
        x, y, z from the centre (m); height of the ice layer (m), scattering and absorption integrated up to
        it; time (ns) of the first hit from `time_ns`; exponent of the survival probability; attenuation
        (1/m) and logarithm of the expected light at 1 m.
    silent : (m, 5) float64
        Of near modules without light: x, y, z from the centre; attenuation; logarithm of the light at 1 m.
    constant : float
        The part of the nllh that does not depend on the track.
    """

    center: Floats
    time_ns: float
    hits: Floats
    silent: Floats
    constant: float

    def thinned(self) -> Self:
        """Return every k-th module, such that some 40 to 80 hits remain."""
        k = max(len(self.hits) // WIDE_MODULES, 1)
        return replace(self, hits=self.hits[::k].copy(), silent=self.silent[::k].copy())


@lru_cache(maxsize=8)
def prepare(event: Event, charge_exponent: float) -> TrackData | None:
    """Return the cleaned event in the form of the likelihood, None if too few modules saw light."""
    hits = clean(event)
    if len(hits) < MIN_MODULES:
        return None
    position = event.detector.position[hits.module]
    center = np.average(position, axis=0, weights=hits.charge_pe)
    time = float(np.average(hits.time_ns, weights=hits.charge_pe))
    layer = south_pole_ice().layer(position)
    light = _light(event, hits, hits.module)
    n_eff = np.maximum(hits.charge_pe, 1.0) ** charge_exponent
    integrals = south_pole_ice().integrals(layer)
    rows = np.column_stack([position - center, layer, *integrals, hits.time_ns - time, n_eff - 1, *light])
    silent = near_silent(event, hits)
    dark = np.column_stack([event.detector.position[silent] - center, *_light(event, hits, silent)])
    return TrackData(center, time, rows, dark, -float(np.log(n_eff).sum()))


def near_silent(event: Event, hits: Hits, reach: float = SILENT_REACH) -> NDArray[np.int64]:
    """Return the rows of modules without light that are within `reach` (m) of a hit, near enough to matter."""
    position = event.detector.position
    distance, _ = KDTree(position[hits.module]).query(position[hits.silent])
    return hits.silent[distance < reach]


def _light(event: Event, hits: Hits, module: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return attenuation around modules and the logarithm of the light they expect at 1 m."""
    layer = south_pole_ice().layer(event.detector.position[module])
    means = south_pole_ice().means(layer + 20, np.full(len(layer), 40.0))
    efficiency = event.detector.efficiency[module]
    ln_scale = brightness(len(hits), float(hits.charge_pe.sum()))
    return attenuation(*means), ln_scale + np.log(np.where(efficiency > 0, efficiency, 1.0))


@lru_cache(maxsize=1)
def ice_grid() -> tuple[Floats, float, float]:
    """Return coefficients, their integrals and slopes at the nodes, shape (n, 6); lowest node and step in m."""
    ice = south_pole_ice()
    slopes = (np.append(np.diff(values) / ice.step, 0.0) for values in (ice.scattering, ice.absorption))
    columns = ice.scattering, ice.absorption, ice.scattering_integral, ice.absorption_integral, *slopes
    return np.column_stack(columns), ice.bottom, ice.step


def plane_frames(travel: Floats) -> Floats:
    """Return per direction of flight two unit vectors normal to it, the first horizontal, and itself; (n, 3, 3)."""
    first = np.column_stack([-travel[:, 1], travel[:, 0], np.zeros(len(travel))])
    size = np.linalg.norm(first, axis=1, keepdims=True)
    first = np.where(size > 1e-9, first / np.maximum(size, 1e-9), [1.0, 0.0, 0.0])
    return np.stack([first, np.cross(travel, first), travel], axis=1)


def start_offsets(n: int, seed: int) -> Floats:
    """Return `n` places in the plane (m), the first at its centre, the others in a sunflower pattern around it."""
    k = np.arange(n)
    radius = START_REACH * np.sqrt(k / max(n - 1, 1))
    angle = np.pi * (3 - np.sqrt(5)) * (k + seed)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


def is_compiled() -> bool:
    """Tell, without importing Numba, whether its cache holds the kernels, so that no compilation is needed."""
    return compiling.is_compiled(Path(__file__).with_name("kernels.py"), "descend")


def _as_fit(data: TrackData, frames: Floats, found: Found) -> Fit:
    points, nllh, settled = found
    usable = np.isfinite(nllh)
    status = np.where(usable, np.where(settled, Status.OK, Status.NOT_CONVERGED), Status.FAILED)
    points = np.where(usable[:, None], points, np.nan)
    vertex = data.center + np.einsum("ni,nij->nj", points[:, :2], frames[:, :2])
    unknown = np.full(len(nllh), np.nan)
    return Fit(np.where(usable, nllh + data.constant, np.nan), unknown, points[:, 2] + data.time_ns, vertex, status)
