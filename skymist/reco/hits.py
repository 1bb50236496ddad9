"""Pulse cleaning: which light of an event belongs to one track."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from skymist.model.detector import Detector
from skymist.model.event import Event, Pulses

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

RADIUS = 150.0  # m
NEAR = 1000.0  # ns
ROUNDS = 3
WINDOW = 6000.0  # ns
LATE = 1500.0  # ns

INFILL = {"icecube-86": range(79, 87)}
"""Strings of a denser inner detector, by detector: their modules would outweigh all others in a track fit."""


@dataclass(frozen=True, eq=False)
class Hits:
    """The cleaned light of an event, one row a module.

    Attributes
    ----------
    module : (n,) int64
        Row of the module in the detector.
    time_ns : (n,) float64
        First pulse.
    charge_pe : (n,) float64
        Of all pulses.
    silent : (m,) int64
        Modules that could have seen light and have not.
    """

    module: NDArray[np.int64]
    time_ns: Floats
    charge_pe: Floats
    silent: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.module)


@lru_cache(maxsize=8)  # a scan asks again for each block
def clean(event: Event) -> Hits:
    """Return first hits and charges after the cleaning that track reconstructions use.

    Pulses in exclusion windows, what their modules saw afterwards, and infill strings are dropped. Of the rest stay
    those in the brightest 6 us that pass seeded radius-time cleaning (grown in three rounds from local coincidences
    through neighbours within 150 m and 1 us) and are not later than the module's median charge by 1.5 us. Of the last
    few events it is remembered, so nobody may change what it returns.
    """
    excluded = _excluded(event)
    pulses = event.pulses[~excluded & (event.pulses.charge_pe > 0)]
    module = event.detector.index(pulses.dom)
    usable = (module >= 0) & ~_infill(event, pulses.dom)
    pulses, module = pulses[usable], module[usable]
    keep = _window(pulses)
    pulses, module = pulses[keep], module[keep]
    keep = _seeded_rt(event.detector, pulses, module)
    pulses, module = pulses[keep], module[keep]
    keep = _prompt(pulses, module)
    pulses, module = pulses[keep], module[keep]
    return _first_hits(event, pulses, module, event.detector.index(event.pulses.dom[excluded]))


def _excluded(event: Event) -> Mask:
    """Tell which pulses lie in an exclusion window, or after one that hides light: that is no first light."""
    pulses, drop = event.pulses, np.zeros(len(event.pulses), bool)
    for windows in event.exclusions.values():
        for dom, start, stop in zip(windows.dom, windows.start_ns, windows.stop_ns, strict=True):
            since = (pulses.dom == dom).all(axis=1) & (pulses.time_ns >= start)
            if (pulses.time_ns[since] <= stop).any():
                drop |= since
    return drop


def _infill(event: Event, dom: NDArray[np.int16]) -> Mask:
    return np.isin(dom[:, 0], INFILL.get(event.detector.name, ()))


def _window(pulses: Pulses) -> Mask:
    order = np.argsort(pulses.time_ns, kind="stable")
    time = pulses.time_ns[order]
    charge = np.append(0.0, np.cumsum(pulses.charge_pe[order], dtype=float))
    inside = charge[np.searchsorted(time, time + WINDOW, "right")] - charge[:-1]
    if not len(inside):
        return np.zeros(0, bool)
    start = time[np.argmax(inside)]
    return np.asarray((pulses.time_ns >= start) & (pulses.time_ns <= start + WINDOW))


def _seeded_rt(detector: Detector, pulses: Pulses, module: NDArray[np.int64]) -> Mask:
    """Keep what is near, in space and time, to the hard local coincidences that have company."""
    core = pulses.hlc & _has_neighbour(detector, pulses, module, pulses.hlc)
    for _ in range(ROUNDS):
        core |= _has_neighbour(detector, pulses, module, core)
    return core


def _has_neighbour(detector: Detector, pulses: Pulses, module: NDArray[np.int64], core: Mask) -> Mask:
    """Tell which pulses have one of `core` in another module within the radius and time.

    Modules and times make one sorted axis, module by module, so that a search per pulse and
    neighbouring module finds whether any core pulse lies in the time window.
    """
    hit, row = np.unique(module, return_inverse=True)
    position = detector.position[hit]
    gap = np.linalg.norm(position[:, None] - position[None], axis=-1)
    span = np.ptp(pulses.time_ns) + 4 * NEAR if len(pulses) else 0.0
    clock = pulses.time_ns - pulses.time_ns.min(initial=np.inf)
    axis = np.sort(row[core] * span + clock[core])
    near = np.zeros(len(pulses), bool)
    lit = np.unique(row[core])
    for other in lit:
        ask = np.flatnonzero((gap[row, other] <= RADIUS) & (row != other) & ~near)
        at = other * span + clock[ask]
        near[ask] = np.searchsorted(axis, at + NEAR, "right") > np.searchsorted(axis, at - NEAR, "left")
    return near


def _prompt(pulses: Pulses, module: NDArray[np.int64]) -> Mask:
    keep = np.ones(len(pulses), bool)
    for rows in _by_module(module):
        order = rows[np.argsort(pulses.time_ns[rows], kind="stable")]
        charge = np.cumsum(pulses.charge_pe[order])
        median = pulses.time_ns[order][np.searchsorted(charge, charge[-1] / 2)]
        keep[rows] = pulses.time_ns[rows] <= median + LATE
    return keep


def _by_module(module: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    order = np.argsort(module, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(module[order])) + 1) if len(module) else []


def _first_hits(event: Event, pulses: Pulses, module: NDArray[np.int64], excluded: NDArray[np.int64]) -> Hits:
    groups = _by_module(module)
    hit = np.array([module[rows[0]] for rows in groups], np.int64)
    time = np.array([pulses.time_ns[rows].min() for rows in groups], float)
    charge = np.array([pulses.charge_pe[rows].sum(dtype=float) for rows in groups], float)
    usable = (event.detector.efficiency > 0) & ~_infill(event, event.detector.dom)
    usable[hit] = False
    usable[excluded[excluded >= 0]] = False
    return Hits(hit, time, charge, np.flatnonzero(usable))
