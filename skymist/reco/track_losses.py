"""track-losses: the direction of a muon from its light, its losses along the way being fitted too.

The track is cut into segments of 25 m, each giving the light of a shower in proportion to its energy. The charges of all
modules, hit or not, give the energies (not negative, with an exponential prior; negative binomial, because light is
known to some 20 % a module); the first hit of each module comes from a mixture of the segments that light it, in the
proportions of their light. So a muon that starts within the detector, or is not there at all, gives no light from
where it has not been, and the timing of a through-going one is that of `track-mpe`.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from skymist.detector.ice import south_pole_ice
from skymist.detector.light import JITTER, MEAN_CHARGE, C, shower_table
from skymist.detector.volume import contains
from skymist.errors import RequestError
from skymist.model.event import Event, Losses
from skymist.model.reconstruction import Directions, Fit, Status
from skymist.reco.arrival import table
from skymist.reco.hits import clean
from skymist.reco.track_mpe import TrackMPE, ice_grid, plane_frames

Floats = NDArray[np.float64]

MIN_MODULES = 5
SILENT_REACH = 110.0  # m, from a hit
SEGMENT = 25.0  # m
FIRST, COUNT = -32, 64  # segments, from the charge centroid
START_ENERGY = 500.0  # GeV in each


@dataclass(frozen=True)
class TrackLosses:
    """Fit of a track with losses: per direction its place, its time and the energies of its segments.

    Attributes
    ----------
    charge_exponent : float
        As in `track-mpe`: N photo-electrons count as N ** charge_exponent.
    charge_weight : float
        Weight of the logarithm of the likelihood of the charges.
    spread : float
        alpha of the charges: variance mu (1 + alpha mu).
    prior : float
        Of the energies, 1/GeV: keeps segments that nobody sees dark.
    reach : float
        Light of a segment is followed so far, m.
    seed : int
        Turns the pattern of starts of the timing fit, which is one of the starts here.
    """

    charge_exponent: float = 0.6
    charge_weight: float = 0.2
    spread: float = 0.1
    prior: float = 5e-5
    reach: float = 300.0
    seed: int = 0

    name: ClassVar[str] = "track-losses"
    version: ClassVar[str] = "1"

    def __post_init__(self) -> None:
        if not (0 < self.charge_exponent <= 1 and 0 < self.charge_weight <= 10 and self.reach > 50):
            raise RequestError("track-losses needs 0 < charge_exponent <= 1, 0 < charge_weight <= 10 and reach > 50")

    def __call__(self, event: Event, directions: Directions, start: Fit | None) -> Fit:
        """Maximise the likelihood at each direction; see `Reconstruction`."""
        data = prepare(event, self.charge_exponent)
        if data is None or not len(directions):
            return Fit.failed(len(directions))
        frames = plane_frames(-directions.origin)
        if start is None:
            found = self._search(event, data, directions, frames)
        else:
            found = self._descend(data, frames, _points(data, frames, start), rounds=6)
        return self._as_fit(event, data, frames, found)

    def _search(self, event, data, directions, frames):
        timing = TrackMPE(charge_exponent=self.charge_exponent, seed=self.seed)(event, directions, None)
        starts = [_points(data, frames, timing), *_bright(data, frames)]
        thin = data.thinned()
        found = [self._descend(thin, frames, points, rounds=6, tolerance=0.2) for points in starts]
        nllh = np.stack([each[2] for each in found])
        best = np.argmin(np.where(np.isfinite(nllh), nllh, np.inf), axis=0)
        row = np.arange(len(frames))
        points, energy = (np.stack([each[k] for each in found])[best, row] for k in (0, 1))
        return self._descend(data, frames, points, energy, rounds=3)

    def _descend(self, data, frames, points, energy=None, rounds=8, tolerance=0.05):
        from skymist.reco.losses_kernels import descend

        n = len(frames)
        cold = 6 if energy is None else 2
        energy = np.full((n, COUNT), START_ENERGY) if energy is None else energy.copy()
        points, nllh, converged = points.copy(), np.full(n, np.nan), np.zeros(n, bool)
        model = data.modules, data.hits, FIRST, self.reach, table(JITTER), *ice_grid(), shower_table()[0]
        descend(
            frames, *model, 0.02, self.spread, self.prior, self.charge_weight, cold, 2, rounds, tolerance,
            points, energy, nllh, converged,
        )  # fmt: skip
        return points, energy, nllh, converged

    def _as_fit(self, event, data, frames, found):
        points, energy, nllh, converged = found
        usable = np.isfinite(nllh)
        status = np.where(usable, np.where(converged, Status.OK, Status.NOT_CONVERGED), Status.FAILED)
        points = np.where(usable[:, None], points, np.nan)
        vertex = data.center + np.einsum("ni,nij->nj", points[:, :2], frames[:, :2])
        middle = (np.arange(FIRST, FIRST + COUNT) + 0.5) * SEGMENT
        places = vertex[:, None] + middle[None, :, None] * frames[:, None, 2]
        inside = contains(event.detector, places.reshape(-1, 3)).reshape(energy.shape)
        total = np.where(usable, np.sum(energy * inside, axis=1), np.nan)
        return Fit(np.where(usable, nllh, np.nan), total, points[:, 2] + data.time_ns, vertex, status)


@dataclass(frozen=True, eq=False)
class Data:
    center: Floats
    time_ns: float
    modules: Floats
    hits: int

    def thinned(self):
        k = max(self.hits // 80, 1)
        if k == 1:
            return self
        hits, silent = self.modules[: self.hits][::k], self.modules[self.hits :][::k]
        return replace(self, modules=np.concatenate([hits, silent]), hits=len(hits))


@lru_cache(maxsize=8)
def prepare(event: Event, charge_exponent: float) -> Data | None:
    hits = clean(event)
    if len(hits) < MIN_MODULES:
        return None
    position, ice = event.detector.position, south_pole_ice()
    center = np.average(position[hits.module], axis=0, weights=hits.charge_pe)
    time = float(np.average(hits.time_ns, weights=hits.charge_pe))
    near = [np.linalg.norm(position[hits.silent] - place, axis=1) < SILENT_REACH for place in position[hits.module]]
    row = np.concatenate([hits.module, hits.silent[np.any(near, axis=0)]])
    layer, n = ice.layer(position[row]), len(hits)
    modules = np.zeros((len(row), 10))
    modules[:, :7] = np.column_stack([position[row] - center, layer, *ice.integrals(layer), event.detector.efficiency[row]])
    modules[:n, 7] = hits.charge_pe / MEAN_CHARGE
    modules[:n, 8] = hits.time_ns - time
    modules[:n, 9] = np.maximum(hits.charge_pe, 1.0) ** charge_exponent
    return Data(center, time, modules, n)


def _points(data, frames, fit):
    points = np.einsum("nij,nj->ni", frames, fit.vertex - data.center)
    points[:, 2] = fit.time_ns - data.time_ns - points[:, 2] / C
    return points


def _bright(data, frames):
    """Tracks through the brightest module's surroundings."""
    hits = data.modules[: data.hits]
    top = hits[np.argsort(-hits[:, 7])[:6]]
    place = np.average(top[:, :3], axis=0, weights=top[:, 7])
    from skymist.detector.light import N_GROUP
    late = hits[:, 8] - np.linalg.norm(hits[:, :3] - place, axis=1) * N_GROUP / C
    when = np.quantile(late, 0.15)
    points = np.einsum("nij,j->ni", frames, place)
    points[:, 2] = when - points[:, 2] / C
    yield points
