"""From losses to photons at the modules."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from skymist.detector.ice import Ice
from skymist.detector.light import N_GROUP, C, cascade_charge, cascade_delay, shower_arrival
from skymist.model.columns import Columns
from skymist.model.detector import Detector
from skymist.model.event import Losses, Particle
from skymist.simulate.conditions import Conditions
from skymist.simulate.losses import flight_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NEAREST_M, FARTHEST_M = 4.0, 1000.0  # light of a shower does not come from one point, nor from everywhere
MANY = 10_000  # photons of one shower in one module: of more, each stands for several
BLOCK = 16  # showers at a time, so that what is in work fits into the processor's cache


@dataclass(frozen=True, eq=False)
class Photons(Columns):
    """Photons that modules see.

    Attributes
    ----------
    module : (n,) int64
        Row of the module in the detector.
    time_ns : (n,) float64
    weight : (n,) float64
        For how many each stands.
    """

    module: Ints
    time_ns: Floats
    weight: Floats

    LAYOUT: ClassVar = {"module": ("<i8",), "time_ns": ("<f8",), "weight": ("<f8",)}


@dataclass(frozen=True, eq=False)
class Paths(Columns):
    """Straight ways of light, all (n,): from which shower to which module, and what the light model asks for."""

    shower: Ints
    module: Ints
    distance: Floats
    scattering: Floats
    absorption: Floats
    cos_psi: Floats
    cos_eta: Floats

    LAYOUT: ClassVar = {
        **dict.fromkeys(("shower", "module"), ("<i8",)),
        **dict.fromkeys(("distance", "scattering", "absorption", "cos_psi", "cos_eta"), ("<f8",)),
    }

    @property
    def light(self) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """The arguments of the light model."""
        return self.distance, self.scattering, self.absorption, self.cos_psi, self.cos_eta


def photons(
    truth: Particle, losses: Losses, detector: Detector, conditions: Conditions, rng: np.random.Generator
) -> Photons:
    """Draw the photons that the losses of a particle send to the modules.

    Parameters
    ----------
    truth : Particle
        The losses lie on its path and are made as it passes with the speed of light.
    losses : Losses
    detector : Detector
    conditions : Conditions
    rng : numpy.random.Generator
    """
    flight = flight_of(truth)
    seen, slow = conditions.efficiencies(detector.efficiency, rng), conditions.slowness(len(detector), rng)
    passed = truth.time_ns + (losses.position - [truth.x, truth.y, truth.z]) @ flight / C
    parts = [Photons(*np.empty((3, 0)))]
    for paths, count in lit_paths(losses, flight, detector, seen, conditions.ice, rng):
        shape, rate = cascade_delay(*paths.light)
        straight = passed[paths.shower] + paths.distance * (N_GROUP / C)
        drawn = np.minimum(count, MANY)
        clock = rng.standard_gamma(np.repeat(shape, drawn)) * np.repeat(slow[paths.module] / rate, drawn)
        late = shower_arrival(clock, np.repeat(paths.distance, drawn))
        weight = np.repeat(count / drawn, drawn)
        parts.append(Photons(np.repeat(paths.module, drawn), np.repeat(straight, drawn) + late, weight))
    return Photons.concatenate(parts)


def lit_paths(
    losses: Losses, flight: Floats, detector: Detector, seen: Floats, ice: Ice, rng: np.random.Generator
) -> Iterator[tuple[Paths, Ints]]:
    """Yield the ways on which photons come, some showers at a time, and how many on each.

    Most of the modules are far from most of the showers, and to ask the light model for all of them would take nearly
    all the time. So photons are drawn from an upper limit of the light first, which is a function of distance alone,
    and kept with the ratio of the light to the limit: the numbers are Poisson's, exactly.

    Parameters
    ----------
    losses : Losses
    flight : (3,) float64
    detector : Detector
    seen : (m,) float64
        Efficiency of each module.
    ice : Ice
    rng : numpy.random.Generator
    """
    live = np.flatnonzero(seen > 0)
    position, layer = detector.position[live], ice.layer(detector.position[live])
    distances, limits = brightest(ice)
    for first in range(0, len(losses), BLOCK):
        showers = losses[first : first + BLOCK]
        away = position[None] - showers.position[:, None]
        distance = np.clip(np.sqrt(np.einsum("smx,smx->sm", away, away)), NEAREST_M, FARTHEST_M)
        most = showers.energy_gev[:, None] * seen[live] * limits[np.searchsorted(distances, distance, "right") - 1]
        count = rng.poisson(most)
        shower, module = some = np.nonzero(count)
        near, up = distance[some], away[some][:, 2]
        cosines = away[some] @ flight / near, up / near
        paths = Paths(first + shower, live[module], near, *ice.means(layer[module], up), *cosines)
        mean = losses.energy_gev[paths.shower] * seen[paths.module] * cascade_charge(*paths.light)
        kept: Ints = rng.binomial(count[some].astype(np.int64), np.minimum(mean / most[some], 1))
        yield paths[kept > 0], kept[kept > 0]


@lru_cache(maxsize=8)
def brightest(ice: Ice) -> tuple[Floats, Floats]:
    """Return distances (m), and the most light per GeV from each of them to the next: in any layer, at any angle."""
    distance = np.geomspace(NEAREST_M, FARTHEST_M, 80)
    layer = np.argsort(ice.scattering)[np.linspace(0, len(ice.scattering) - 1, 5).astype(int)]
    grid = np.meshgrid(distance, layer, np.linspace(-1, 1, 17), np.linspace(-1, 1, 5), indexing="ij")
    charge = cascade_charge(grid[0], ice.scattering[grid[1]], ice.absorption[grid[1]], grid[2], grid[3])
    return distance, 1.1 * charge.max(axis=(1, 2, 3))
