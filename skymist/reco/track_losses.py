"""track-losses: the direction of a muon from its light, the energies that it lost on the way being fitted too.

The track is cut into segments of 25 m, each giving the light of a shower in proportion to its energy. The charges of
all modules, hit or not, give the energies: not negative, with an exponential prior, by a few rounds of expectation
maximisation; charges are negative binomial, because light is known to some 20 % a module. The first hit of each
module comes from the segments that light it, in proportion to their light, with the timing of `track-mpe` where they
light it under the Cherenkov angle. So a muon that starts in the detector, or is not there at all, gives no light from
where it has not been, and a through-going one is timed as there. Modules of which a part is excluded, or which are too
bright to be believed, only say when their light began, as for `cascade`. After "millipede" (Aartsen et al., JINST 9
(2014) P03009). Weights were chosen on muons simulated photon by photon.
"""

from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from skymist.detector.ice import south_pole_ice
from skymist.detector.light import JITTER, MEAN_CHARGE, N_GROUP, C, shower_table
from skymist.detector.volume import contains
from skymist.model.effort import converged
from skymist.model.event import Event, Losses
from skymist.model.options import check, limits
from skymist.model.reconstruction import Directions, Fit, Status
from skymist.model.request import Level
from skymist.reco.arrival import table
from skymist.reco.cascade_light import believed
from skymist.reco.compiling import is_compiled, kernels
from skymist.reco.hits import clean
from skymist.reco.track_mpe import TrackMPE, near_silent, plane_frames

Floats = NDArray[np.float64]

MIN_MODULES = 5
SILENT_REACH = 110.0  # m, from a hit

SEGMENT = 25.0  # m
FIRST, COUNT = -32, 64  # segments, counted from the plane through the charge centroid
NOISE = 0.02  # PE in each module
ENERGY_ROUNDS = 8  # charges alone tell neighbouring segments badly apart: more rounds make energies uneven, not better
DARK_REACH = 200.0  # m, farther than this from it a dark module says nothing about a segment
FADING = 0.4  # of the squared reach: from there on light is faded out
CORE2 = 4.0  # m^2, rounds off the distance near the track
CLOSE, HALF = 60.0, 7.2  # m: a segment nearer than this gives light from two points (Gauss), so far from its middle
AROUND = 8  # segments, over which energies are averaged for the even light

COMPONENTS = 4  # segments whose light may come first
DARK = 0.02  # PE of a module that are none of the track's light
FLOOR, WINDOW = 1e-3, 6000.0  # share of first hits that are noise, and how many ns they are spread over

# The search at the coarsest level: with few modules from every start, then with all of them from the best.
THIN_MODULES, THIN_ROUNDS, THIN_TOLERANCE = 40, 6, 0.2
SEARCH_ROUNDS, SEARCH_TOLERANCE = 6, 0.5  # most of the sky needs no exact minimum
ROUNDS, TOLERANCE = 12, 0.03
BRIGHTEST, EARLY = 6, 0.15  # modules around which a shower may be, and which share of hits may come before its light


class Found(NamedTuple):
    """Points (a, b, t) in m, m and ns, energies in GeV, nllh, and whether it is a minimum; a row each direction."""

    points: Floats
    energy: Floats
    nllh: Floats
    converged: NDArray[np.bool_]


@dataclass(frozen=True)
class TrackLosses:
    """Fit of a track with losses: per direction its place, its time and the energies of its segments.

    Attributes
    ----------
    most_timed : float
        N photo-electrons of a module count as N / (1 + N / most_timed) when the first of them is timed: what delays
        one of them, or is wrong about the ice, concerns the others too.
    charge_weight : float
        Weight of the logarithm of the likelihood of the charges.
    spread : float
        Charges have the variance mu (1 + spread mu).
    prior : float
        Of the energies, 1/GeV: keeps segments dark that nobody can see.
    evenness : float
        Light that a muon gives everywhere between where it comes from and goes to, beside the energies that charges
        give: in units of the mean energy of the eight segments before or after, whichever is less.
    reach : float
        How far (m) the light of a segment is followed.
    seed : int
        Turns the pattern of starts of the timing fit, whose results are starts here.
    """

    most_timed: float = field(default=12.0, metadata=limits(above=0, maximum=1000))
    charge_weight: float = field(default=0.4, metadata=limits(above=0, maximum=10))
    spread: float = field(default=0.1, metadata=limits(above=0, maximum=10))
    prior: float = field(default=5e-5, metadata=limits(above=0, maximum=1, unit="1/GeV"))
    evenness: float = field(default=2.0, metadata=limits(minimum=0, maximum=100))
    reach: float = field(default=300.0, metadata=limits(above=50, maximum=1000, unit="m"))
    seed: int = 0

    name: ClassVar[str] = "track-losses"
    version: ClassVar[str] = "1"
    cell_seconds: ClassVar[tuple[float, float]] = (6e-3, 3e-3)
    levels: ClassVar[tuple[Level, ...]] = (Level(4, 0), Level(16, 20), Level(64, 12), Level(512, 12))

    def __post_init__(self) -> None:
        check(self)

    @property
    def compiled(self) -> bool:
        """Whether the kernels were compiled on this machine before; if not, the first call takes some 30 s."""
        return TrackMPE().compiled and is_compiled(Path(__file__).with_name("losses_kernels.py"), "descend")

    def __call__(self, event: Event, directions: Directions, start: Fit | None) -> Fit:
        """Maximise the likelihood at each direction; see `Reconstruction`.

        The energy is what was lost in the instrumented volume. An event with fewer than five usable modules fails in
        every direction, and so does a direction whose start has failed.
        """
        data = prepare(event, self.most_timed)
        if data is None or not len(directions):
            return Fit.failed(len(directions))
        frames = plane_frames(-directions.origin)
        if start is None:
            return _as_fit(event, data, frames, self._search(event, data, directions, frames))
        return _as_fit(event, data, frames, self._descend(data, frames, from_fit(data, frames, start)))

    def profile(self, event: Event, direction: Directions, fit: Fit) -> Losses:
        """Return the energies of the segments of one fitted track, at their middles, in the order of flight.

        Parameters
        ----------
        event : Event
        direction, fit : Directions, Fit
            One row each. The fit may be another reconstruction's: only its place and time are used.

        Returns
        -------
        Losses
            Empty if the event has too few usable modules.
        """
        data = prepare(event, self.most_timed)
        if data is None:
            return Losses()
        frames = plane_frames(-direction.origin)
        found = self._descend(data, frames, from_fit(data, frames, fit), rounds=1)
        return Losses(_middles(data, frames, found.points)[0], found.energy[0])

    def evaluate(self, data: "Data", frames: Floats, points: Floats) -> Floats:
        """Return the nllh of tracks at points (a, b, t), in m, m and ns, shape (n, 3)."""
        return self._descend(data, frames, points, rounds=1).nllh

    def _search(self, event: Event, data: "Data", directions: Directions, frames: Floats) -> Found:
        """Fit from the timing fit's track and from tracks through the brightest place, and go on from the better."""
        timing = TrackMPE(seed=self.seed)(event, directions, None)
        thin = data.thinned()
        starts = [from_fit(data, frames, timing), _through_the_brightest(data, frames)]
        tried = [self._descend(thin, frames, points, THIN_ROUNDS, THIN_TOLERANCE) for points in starts]
        nllh = np.stack([each.nllh for each in tried])
        best = np.argmin(np.where(np.isfinite(nllh), nllh, np.inf), axis=0)
        points = np.stack([each.points for each in tried])[best, np.arange(len(frames))]
        return self._descend(data, frames, points, SEARCH_ROUNDS, SEARCH_TOLERANCE)

    def _descend(
        self, data: "Data", frames: Floats, points: Floats, rounds: int = ROUNDS, tolerance: float = TOLERANCE
    ) -> Found:
        from skymist.reco.losses_light_kernels import Settings, Tables

        n = len(frames)
        points, energy, nllh, taken = points.copy(), np.zeros((n, COUNT)), np.full(n, np.nan), np.zeros(n, np.int64)
        tables = Tables(table(JITTER), *(tuple(column) for column in shower_table()[0].T.tolist()))
        settings = Settings(NOISE, self.spread, self.prior, self.charge_weight, self.evenness, self.reach)
        kernels("skymist.reco.losses_kernels").descend(
            frames, data.modules, tables, settings, rounds, tolerance, points, energy, nllh, taken
        )
        return Found(points, energy, nllh, converged(taken))


@dataclass(frozen=True, eq=False)
class Data:
    """What the likelihood needs of one event.

    Attributes
    ----------
    center : (3,) float64
        Charge-weighted centroid of the hits, in metres.
    time_ns : float
        Charge-weighted mean of the first hits, on the event's clock.
    modules : (n, 11) float64
        Hits, then near modules without light: x, y, z from the centre (m); height of the ice layer (m), scattering and
        absorption integrated up to it; efficiency; photo-electrons; time (ns) of the first from `time_ns`; how
        many independent ones they count as; 1 if their charge counts, 0 if it is that of a part, or too much of all.
    hits : int
        How many modules saw light.
    """

    center: Floats
    time_ns: float
    modules: Floats
    hits: int

    def thinned(self) -> Self:
        """Return every k-th module, such that some 40 to 80 hits remain."""
        k = max(self.hits // THIN_MODULES, 1)
        hits, silent = self.modules[: self.hits : k], self.modules[self.hits :: k]
        return replace(self, modules=np.concatenate([hits, silent]), hits=len(hits))


@lru_cache(maxsize=8)
def prepare(event: Event, most_timed: float) -> Data | None:
    """Return the cleaned event in the form of the likelihood, None if too few modules saw light."""
    hits = clean(event)
    if len(hits) < MIN_MODULES:
        return None
    position, ice = event.detector.position, south_pole_ice()
    center = np.average(position[hits.module], axis=0, weights=hits.charge_pe)
    time = float(np.average(hits.time_ns, weights=hits.charge_pe))
    row, n = np.concatenate([hits.module, near_silent(event, hits, SILENT_REACH)]), len(hits)
    layer = ice.layer(position[row])
    efficiency = event.detector.efficiency[row]
    known = np.where(efficiency > 0, efficiency, 1.0)
    charge, late = np.zeros(len(row)), np.zeros(len(row))
    charge[:n], late[:n] = hits.charge_pe / MEAN_CHARGE, hits.time_ns - time
    counts = believed(event, row, charge, float(hits.time_ns.min()))
    several = np.maximum(charge / (1 + charge / most_timed), 1.0)
    seen = np.column_stack([charge, late, np.where(counts, several, 1.0), counts])
    modules = np.column_stack([position[row] - center, layer, *ice.integrals(layer), known, seen])
    return Data(center, time, np.ascontiguousarray(modules), n)


def from_fit(data: Data, frames: Floats, fit: Fit) -> Floats:
    """Return the places of a fit, moved along the directions to the plane through the centre."""
    points = np.einsum("nij,nj->ni", frames, fit.vertex - data.center)
    points[:, 2] = fit.time_ns - data.time_ns - points[:, 2] / C
    return np.asarray(points)


def _through_the_brightest(data: Data, frames: Floats) -> Floats:
    """Return tracks through the brightest modules, when a shower there would have lit the others."""
    hits = data.modules[: data.hits]
    top = hits[np.argsort(-hits[:, 7], kind="stable")[:BRIGHTEST]]
    place = np.average(top[:, :3], axis=0, weights=top[:, 7])
    when = np.quantile(hits[:, 8] - np.linalg.norm(hits[:, :3] - place, axis=1) * N_GROUP / C, EARLY)
    points = frames @ place
    points[:, 2] = when - points[:, 2] / C
    return np.asarray(points)


def _middles(data: Data, frames: Floats, points: Floats) -> Floats:
    """Return the middles of the segments of each track, shape (n, COUNT, 3), m."""
    place = data.center + np.einsum("ni,nij->nj", points[:, :2], frames[:, :2])
    along = (np.arange(FIRST, FIRST + COUNT) + 0.5) * SEGMENT
    return np.asarray(place[:, None] + along[None, :, None] * frames[:, None, 2])


def _as_fit(event: Event, data: Data, frames: Floats, found: Found) -> Fit:
    usable = np.isfinite(found.nllh)
    status = np.where(usable, np.where(found.converged, Status.OK, Status.NOT_CONVERGED), Status.FAILED)
    points = np.where(usable[:, None], found.points, np.nan)
    vertex = data.center + np.einsum("ni,nij->nj", points[:, :2], frames[:, :2])
    inside = contains(event.detector, _middles(data, frames, points).reshape(-1, 3)).reshape(-1, COUNT)
    energy = np.sum(found.energy * inside, axis=1)
    energy = np.where(usable & (energy > 0), energy, np.nan)
    return Fit(np.where(usable, found.nllh, np.nan), energy, points[:, 2] + data.time_ns, vertex, status)
