"""From photons to pulses: what photomultipliers and digitisers of IceCube make of light.

Times and shares of late and after-pulses, jitter and charge are those of the sets simulated photon by photon, which
follow the measurements of the tubes (arXiv:1002.2442).
"""

import numpy as np
from numpy.typing import NDArray

from skymist.model.detector import Detector
from skymist.model.event import Pulses, TimeWindows
from skymist.simulate.photons import Photons

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Hits = tuple[Ints, Floats, Floats]  # row of the module, time (ns), charge (PE)

JITTER_NS = 2.0
LATE, LATE_NS, LATE_SPREAD_NS = 0.03, 150.0, 20.0
AFTER = 0.04
AFTER_NS = ((0.37, 700.0, 220.0), (0.50, 2100.0, 600.0), (0.13, 5600.0, 600.0))  # share, mean, width

# Charge of one photo-electron above the discriminator: an exponential of badly amplified ones and a Gaussian around 1
# (the form of arXiv:1002.2442 and 2002.00997); the mean of both is 0.8625 PE.
DISCRIMINATOR_PE = 0.1
BAD, BAD_PE = 0.24, 0.327
GOOD_SPREAD = 0.30

SLOT_NS = 3.3  # of the digitiser: photons of one slot make one pulse
LINEAR_PE_NS = 31.0  # up to this a tube is linear within a tenth
SOFT_PE_NS, HARD_PE_NS, LIMIT_PE_NS = 132.0, 64.0, 80.0  # its saturation at a gain of 1e7: `compressed`

NOISE_HZ = 560.0
FOLLOWED, FOLLOWED_NS, FOLLOWED_SPREAD = 0.12, 1200.0, 0.9  # noise that makes more noise; log-normal in time

HLC_NS, HLC_REACH = 1000.0, 2
TRIGGER = 8  # pulses in coincidence
BEFORE_NS, WINDOW_NS = 4000.0, 10_000.0  # what is kept begins so long before the trigger


def read_out(
    photons: Photons, detector: Detector, middle_ns: float, rng: np.random.Generator
) -> tuple[Pulses, TimeWindows]:
    """Return the pulses of an event, and when tubes were saturated.

    Parameters
    ----------
    photons : Photons
    detector : Detector
    middle_ns : float
        Where to look if there is no light.
    rng : numpy.random.Generator
    """
    module, time, charge = merged(*_amplified(photons, rng))
    start = _trigger(detector, module, time, middle_ns) - BEFORE_NS
    inside = (time >= start) & (time < start + WINDOW_NS)
    hits = module[inside], time[inside], charge[inside]
    windows = _saturated(detector, *hits)
    joined = (np.concatenate(pair) for pair in zip(hits, _noise(detector, start, rng), strict=True))
    return _pulses(detector, *joined), windows


def single_photons(count: int, rng: np.random.Generator) -> Floats:
    """Draw charges (PE) of single photo-electrons."""
    good = np.abs(rng.normal(1.0, GOOD_SPREAD, count) - DISCRIMINATOR_PE)
    bad = rng.exponential(BAD_PE, count)
    return np.asarray(DISCRIMINATOR_PE + np.where(rng.uniform(size=count) < BAD, bad, good))


def compressed(charge: Floats) -> Floats:
    """Return the charge (PE) that a tube gives in a slot instead of one proportional to the light.

    The current I (PE/ns) becomes I L / (L + S/M exp(-H/I)), L = ln(1 + S/I), and M at most: the inverse of the
    measured curve (arXiv:1002.2442) as IceCube's own simulation has it.
    """
    current = np.maximum(charge / SLOT_NS, 1e-3)
    kept = np.log1p(SOFT_PE_NS / current)
    return np.asarray(charge * kept / (kept + SOFT_PE_NS / LIMIT_PE_NS * np.exp(-HARD_PE_NS / current)))


def merged(module: Ints, time: Floats, charge: Floats) -> Hits:
    """Join photons of one module that a digitiser could not tell apart; sorted by module and time.

    The slots of a module begin with its first photon, and a pulse with its own first.
    """
    if not len(module):
        return module, time, charge
    begin = np.full(module.max() + 1, np.inf)
    np.minimum.at(begin, module, time)
    slot = ((time - begin[module]) / SLOT_NS).astype(np.int64)
    key = module * (slot.max() + 1) + slot
    order = np.argsort(key, kind="stable")
    first = np.flatnonzero(np.diff(key[order], prepend=-1))
    return module[order[first]], np.minimum.reduceat(time[order], first), np.add.reduceat(charge[order], first)


def coincident(dom: NDArray[np.int16], time: Floats) -> NDArray[np.bool_]:
    """Return which pulses have another within a microsecond on one of the two modules above or below."""
    string, om = dom[:, 0].astype(np.int64), dom[:, 1].astype(np.int64)
    near = np.zeros(len(time), bool)
    clock = time - time.min(initial=np.inf)
    span = np.ptp(time) + 4 * HLC_NS if len(time) else 1.0
    axis = np.sort((string * 1000 + om) * span + clock)
    for step in range(-HLC_REACH, HLC_REACH + 1):
        at = (string * 1000 + om + step) * span + clock
        found = np.searchsorted(axis, at + HLC_NS, "right") > np.searchsorted(axis, at - HLC_NS, "left")
        near |= found & (step != 0)
    return near


def _amplified(photons: Photons, rng: np.random.Generator) -> Hits:
    """Return what photomultipliers make of photons: time and charge of each, some late, and after-pulses."""
    n = len(photons)
    late = np.where(rng.uniform(size=n) < LATE, rng.normal(LATE_NS, LATE_SPREAD_NS, n), 0)
    time = photons.time_ns + rng.normal(0, JITTER_NS, n) + late
    again = np.flatnonzero(rng.uniform(size=n) < AFTER)
    share, mean, width = np.array(AFTER_NS).T
    kind = rng.choice(len(share), len(again), p=share)
    module = np.concatenate([photons.module, photons.module[again]])
    time = np.concatenate([time, time[again] + np.abs(rng.normal(mean[kind], width[kind]))])
    weight = np.concatenate([photons.weight, photons.weight[again]])
    return module, time, weight * single_photons(len(module), rng)


def _saturated(detector: Detector, module: Ints, time: Floats, charge: Floats) -> TimeWindows:
    """Return from when to when each tube gives a tenth less than it should."""
    over = charge > LINEAR_PE_NS * SLOT_NS
    row, first = np.unique(module[over], return_index=True)
    last = np.append(first, over.sum())[1:] - 1
    return TimeWindows(detector.dom[row], np.round(time[over][first], 1), np.round(time[over][last] + SLOT_NS, 1))


def _trigger(detector: Detector, module: Ints, time: Floats, middle_ns: float) -> float:
    """Return when enough pulses were in coincidence, or else the first light."""
    found = np.sort(time[coincident(detector.dom[module], time)])
    if len(found) >= TRIGGER:
        return float(found[TRIGGER - 1])
    return float(time.min()) if len(time) else middle_ns


def _noise(detector: Detector, start_ns: float, rng: np.random.Generator) -> Hits:
    """Return dark noise; some of it comes in pairs, shortly after one another in the same module."""
    live = np.flatnonzero(detector.efficiency > 0)
    alone = rng.poisson(len(live) * NOISE_HZ * WINDOW_NS * 1e-9 / (1 + FOLLOWED))
    module, time = rng.choice(live, alone), start_ns + rng.uniform(0, WINDOW_NS, alone)
    again = np.flatnonzero(rng.uniform(size=alone) < FOLLOWED)
    after = time[again] + FOLLOWED_NS * rng.lognormal(0, FOLLOWED_SPREAD, len(again))
    module, time = np.append(module, module[again]), np.append(time, after)
    inside = time < start_ns + WINDOW_NS
    return module[inside], time[inside], single_photons(int(inside.sum()), rng)


def _pulses(detector: Detector, module: Ints, time: Floats, charge: Floats) -> Pulses:
    order = np.lexsort((time, module))
    module, time = module[order], np.round(time[order], 1)
    dom, width = detector.dom[module], np.full(len(module), SLOT_NS)
    return Pulses(dom, time, np.round(compressed(charge[order]), 3), width, coincident(dom, time))
