"""cascade: the direction of a shower from when and how much light each module sees.

The light is that of one point, the maximum of the shower (`skymist.detector.light`). Charges of all modules around it,
lit or not, are negative binomial; the times at each, as quantiles of its charge, have a gamma density. The charges tell
energy and place, the times place and, with the charges, direction. Weights below 1 stand for what the light model does
not know; they, and how far light counts, were chosen on twenty cascades simulated photon by photon such that the truth
is as likely as possible and regions hold it as often as they say.

With two points, a second shower may follow on the way, at the speed of light: for taus that decay, and for what is
longer than a shower. Each fit goes on from that of a single shower, and is never worse.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from skymist.detector.ice import south_pole_ice
from skymist.detector.light import N_GROUP, C, cascade_charge, shower_table
from skymist.model import sky
from skymist.model.effort import converged
from skymist.model.event import Event, Losses
from skymist.model.options import check, limits
from skymist.model.reconstruction import Directions, Fit, Status
from skymist.model.request import Level
from skymist.reco.cascade_light import ShowerLight, around, cores
from skymist.reco.compiling import is_compiled, kernels
from skymist.reco.track_mpe import ice_grid

Floats = NDArray[np.float64]
Found = tuple[Floats, Floats, NDArray[np.bool_]]
"""Points (x, y, z, t, ln E), shape (n, 5), their nllh and whether each is a minimum. Of two showers, shape (n, 7):
those of their centre of energy and of their sum, how far apart they are (m), and ln(E2 / E1)."""

MIN_MODULES = 5
ROUNDS, TOLERANCE = 30, 1e-2  # a hundredth in the nllh is far less than contours are certain to
START_STEP = 15.0  # m between starts along the flight
WHOLE = 0.0, -7.0  # m and ln(E2 / E1) of a single shower
SPLITS = (20.0, -1.5), (20.0, 1.5)  # and of two, into which it is parted to start with
SEED_POWERS = 1.0, 0.5  # of the charge: weights of the centroids from which the search in all directions starts


@dataclass(frozen=True)
class Cascade:
    """Fit of a point-like shower: per direction its place, time and energy.

    Of two showers, the place and time are those of their centre of energy, and the energy is their sum.

    Attributes
    ----------
    charge_weight : float
        Weight of the logarithm of the likelihood of the charges. Below 1 because the light model is off by some 20 %
        a module, and by much the same for neighbours.
    charge_spread : float
        Squared relative scatter of the charges around those expected, beyond that of counting.
    starts : int
        Places along the flight at which the fits of the coarsest level start.
    points : int
        1, or 2 for a second shower on the way, up to some 150 m further on; takes eight times as long.
    """

    charge_weight: float = field(default=0.25, metadata=limits(above=0, maximum=10))
    charge_spread: float = field(default=0.04, metadata=limits(above=0, maximum=10))
    starts: int = field(default=1, metadata=limits(minimum=1, maximum=20))
    points: int = field(default=1, metadata=limits(choices=(1, 2)))

    name: ClassVar[str] = "cascade"
    version: ClassVar[str] = "1"
    levels: ClassVar[tuple[Level, ...]] = (Level(8, 0), Level(64, 12))

    def __post_init__(self) -> None:
        check(self)

    @property
    def cell_seconds(self) -> tuple[float, float]:
        """Seconds of a cell at the first level and at a finer one, on the average of four alerts."""
        return (8e-4 * self.starts, 2e-4) if self.points == 1 else (5e-3, 5e-3)

    @property
    def compiled(self) -> bool:
        """Whether the kernels were compiled on this machine before; if not, the first call takes some 10 s."""
        files = ("cascade_kernels.py", "cascade_pair_kernels.py")[: self.points]
        return all(is_compiled(Path(__file__).with_name(name), "descend") for name in files)

    def __call__(self, event: Event, directions: Directions, start: Fit | None) -> Fit:
        """Maximise the likelihood at each direction; see `Reconstruction`.

        An event with fewer than five modules with light fails in every direction, and so does a direction whose
        start has failed.
        """
        data = prepare(event, self.charge_weight, self.charge_spread)
        if data is None or not len(directions):
            return Fit.failed(len(directions))
        return _as_fit(data.light, self._find(data, directions, start))

    def profile(self, event: Event, direction: Directions, fit: Fit) -> Losses:
        """Return place and energy of each shower of a fit, in the order of flight.

        Parameters
        ----------
        event : Event
        direction, fit : Directions, Fit
            One row each.

        Returns
        -------
        Losses
            As many as `points`; empty if two are wanted of an event with too few modules with light.
        """
        if self.points == 1:
            return Losses(fit.vertex.astype(float), fit.energy_gev.astype(float))
        data = prepare(event, self.charge_weight, self.charge_spread)
        if data is None:
            return Losses()
        points, _, _ = self._find(data, direction, fit)
        return _showers(data.light, -direction.origin[0], points[0])

    def _find(self, data: "CascadeData", directions: Directions, start: Fit | None) -> Found:
        flight = np.ascontiguousarray(-directions.origin)
        if start is None:
            found = self._search(data, flight)
        else:
            relative = np.column_stack([start.vertex - data.light.center, start.time_ns - data.light.time_ns])
            found = self._descend(data, flight, np.column_stack([relative, np.log(start.energy_gev.astype(float))]))
        return found if self.points == 1 else self._part(data, flight, found)

    def _search(self, data: "CascadeData", flight: Floats) -> Found:
        """Fit from places before and behind that of the event, and take the best."""
        best = None
        for step in start_steps(self.starts):
            points = np.tile([0.0, 0.0, 0.0, 0.0, data.ln_energy], (len(flight), 1))
            points[:, :3] += step * flight
            points[:, 3] += step / C
            found = self._descend(data, flight, points)
            best = found if best is None else _better(best, found)
        assert best is not None
        return best

    def _part(self, data: "CascadeData", flight: Floats, single: Found) -> Found:
        """Return the best fits of two showers, or those of one as two at the same place where that is better."""
        points, nllh, found = single
        best = np.column_stack([points, np.tile(WHOLE, (len(points), 1))]), nllh, found
        for split in SPLITS:
            parted = np.column_stack([points, np.tile(split, (len(points), 1))])
            best = _better(best, self._descend(data, flight, parted))
        return best

    def _descend(self, data: "CascadeData", flight: Floats, points: Floats) -> Found:
        return descend(data.light, flight, points, self.charge_weight, self.charge_spread)


@dataclass(frozen=True, eq=False)
class CascadeData:
    """What the fits of one event share: its light around the best shower of any direction, and that one's energy."""

    light: ShowerLight
    ln_energy: float


@lru_cache(maxsize=8)
def prepare(event: Event, charge_weight: float, charge_spread: float) -> CascadeData | None:
    """Return the light around the most likely shower of twelve directions, None if too few modules saw light."""
    module, time, charge = cores(event)
    if len(module) < MIN_MODULES:
        return None
    position = event.detector.position[module]
    seeds = [np.average(position, axis=0, weights=charge**power) for power in SEED_POWERS]
    begin = [early_time(position, time, seed) for seed in seeds]
    light = around(event, seeds[0], begin[0])
    if not _enough(light):
        return None
    points = [
        [*(seed - seeds[0]), moment - begin[0], ln_energy_at(light, seed - seeds[0])]
        for seed, moment in zip(seeds, begin, strict=True)
    ]
    flight = -sky.unit(*sky.centers(sky.all_cells(1)))
    each = np.repeat(np.array(points), len(flight), axis=0)
    where, nllh, _ = descend(light, np.tile(flight, (len(seeds), 1)), each, charge_weight, charge_spread)
    if not np.isfinite(nllh).any():
        return None
    x, y, z, t, ln_energy = where[np.nanargmin(nllh)]
    light = around(event, light.center + np.array([x, y, z]), light.time_ns + float(t))
    return CascadeData(light, float(ln_energy)) if _enough(light) else None


def _enough(light: ShowerLight) -> bool:
    """Tell whether five modules have light, and five a charge that counts, without which there is no energy."""
    return light.lit >= MIN_MODULES and int((light.modules[:, 7] >= 0).sum()) >= MIN_MODULES


def early_time(position: Floats, time: Floats, place: Floats) -> float:
    """Return when a shower at `place` (m) happened if a tenth of the modules saw light too early for it."""
    return float(np.quantile(time - np.linalg.norm(position - place, axis=1) * N_GROUP / C, 0.1))


def ln_energy_at(light: ShowerLight, place: Floats) -> float:
    """Return the logarithm of the energy (GeV) at `place` for which all charge is as expected at right angles."""
    modules = light.modules[light.modules[:, 7] >= 0]
    away = modules[:, :3] - place
    distance = np.sqrt((away**2).sum(axis=1) + 1)
    means = south_pole_ice().means(modules[:, 3], away[:, 2])
    expected = cascade_charge(distance, *means, np.zeros(len(away)), away[:, 2] / distance) * np.exp(modules[:, 6])
    return float(np.log(max(modules[:, 7].sum(), 1.0) / expected.sum()))


def descend(light: ShowerLight, flight: Floats, points: Floats, charge_weight: float, charge_spread: float) -> Found:
    """Fit each direction of flight from the point given for it; see `Found` for what points are."""
    fit = kernels(f"skymist.reco.{'cascade' if points.shape[1] == 5 else 'cascade_pair'}_kernels").descend
    points, nllh, taken = points.copy(), np.empty(len(flight)), np.zeros(len(flight), np.int64)
    model = light.modules, light.times, light.first, *ice_grid(), *shower_table(), charge_weight, charge_spread
    fit(flight, *model, ROUNDS, TOLERANCE, points, nllh, taken)
    return points, nllh, converged(taken)


def start_steps(n: int) -> Floats:
    """Return `n` steps along the flight (m), the shortest first."""
    k = np.arange(n)
    return np.asarray(START_STEP * ((k + 1) // 2) * np.where(k % 2, -1.0, 1.0))


def _better(one: Found, other: Found) -> Found:
    choose = other[1] < one[1]
    return (
        np.where(choose[:, None], other[0], one[0]),
        np.where(choose, other[1], one[1]),
        np.where(choose, other[2], one[2]),
    )


def _showers(light: ShowerLight, flight: Floats, point: Floats) -> Losses:
    """Return the first and the second shower of a point."""
    share = 1 / (1 + np.exp([point[6], -point[6]]))
    along = point[5] * np.array([-share[1], share[0]])
    return Losses(light.center + point[:3] + along[:, None] * flight, np.exp(point[4]) * share)


def _as_fit(light: ShowerLight, found: Found) -> Fit:
    points, nllh, settled = found
    usable = np.isfinite(nllh)
    status = np.where(usable, np.where(settled, Status.OK, Status.NOT_CONVERGED), Status.FAILED)
    points = np.where(usable[:, None], points, np.nan)
    nllh = np.where(usable, nllh, np.nan)
    vertex, energy = light.center + points[:, :3], np.exp(points[:, 4])
    time = points[:, 3] + light.time_ns
    return Fit(nllh, energy.astype("<f4"), time, vertex.astype("<f4"), status)
