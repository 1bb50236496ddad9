"""Which light of an event a shower has to explain."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skymist.detector.ice import south_pole_ice
from skymist.detector.light import MEAN_CHARGE, N_GROUP, C
from skymist.model.event import Event

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WINDOW = 6000.0  # ns, the brightest of which an event is looked for in
REACH = 165.0  # m, within which modules count; farther away the light is known worse than it tells
EARLY, LATE = -300.0, 4000.0  # ns after unscattered light, between which light may be the shower's
NEAR = 60.0  # m, within which charges alone count: the length of a shower shows in its times, which the table lacks
QUANTILES = 80  # most times of a module; a third of that blurs its first light, and so place and direction
SATURATION = 0.15  # n photo-electrons of a module weigh as n / (1 + 0.15 n), as the model is not good for more
MOST_PE, MOST_SHARE = 1500.0, 1 / 3  # a module that saw more than this, or than this share, keeps its first light only

PULSES_PER_PHOTON = 1.055
"""Charge that the light model does not hold: 3 % of photons are delayed in the tube, 2.5 % make early after-pulses."""


@dataclass(frozen=True, eq=False)
class ShowerLight:
    """The light around a shower in the form of its likelihood.

    Attributes
    ----------
    center : (3,) float64
        Place that positions count from, in metres.
    time_ns : float
        Time that times count from, on the event's clock.
    modules : (n, 8) float64
        x, y, z from the centre (m); height of the ice layer (m), scattering and absorption integrated up to it;
        logarithm of the efficiency; photo-electrons, -1 where they do not count.
    times : (m, 2) float64
        Quantiles of the light of the modules, one module after the other: time (ns) and weight.
    first : (n + 1,) int64
        Where the times of each module begin.
    """

    center: Floats
    time_ns: float
    modules: Floats
    times: Floats
    first: Ints

    @property
    def lit(self) -> int:
        """Number of modules with light."""
        return int((np.diff(self.first) > 0).sum())


def cores(event: Event) -> tuple[Ints, Floats, Floats]:
    """Return module, first time (ns) and charge (PE) of the modules with local coincidences in the brightest 6 us."""
    pulses, module = event.pulses, event.detector.index(event.pulses.dom)
    good = pulses.hlc & (module >= 0) & (pulses.charge_pe > 0)
    module, time, charge = module[good], pulses.time_ns[good], pulses.charge_pe[good].astype(float)
    good = _brightest(time, charge)
    module, time, charge = module[good], time[good], charge[good]
    lit, row = np.unique(module, return_inverse=True)
    begin, total = np.full(len(lit), np.inf), np.zeros(len(lit))
    np.minimum.at(begin, row, time)
    np.add.at(total, row, charge)
    return lit, begin, total


def around(event: Event, place: Floats, time_ns: float) -> ShowerLight:
    """Return the light that can be that of a shower near `place` (m) at about `time_ns`.

    All live modules near enough count, with or without light. Those of which a part is excluded, or which are too
    bright to be believed, only say when their light began.
    """
    detector = event.detector
    away = np.linalg.norm(detector.position - place, axis=1)
    module = np.flatnonzero((away < REACH) & (detector.efficiency > 0))
    row, time, seen = _light_of(event, module, time_ns + away * N_GROUP / C)
    charge: Floats = np.bincount(row, seen, len(module)).astype(float)
    trusted = believed(event, module, charge, time_ns)
    edges = np.searchsorted(row, np.arange(len(module) + 1))
    times = []
    for m, first, last, whole, far in zip(module, edges, edges[1:], trusted, away[module] > NEAR, strict=False):
        rows = _quantiles(time[first:last], seen[first:last])[: None if far else 0]
        times.append(_outside(event, detector.dom[m], rows if whole else rows[:1]))
    useful = np.flatnonzero(trusted | [len(rows) > 0 for rows in times])
    return ShowerLight(
        place,
        time_ns,
        _columns(event, module[useful], place, np.where(trusted, charge, -1.0)[useful]),
        np.concatenate([np.empty((0, 2)), *times]) - [time_ns, 0.0],
        np.cumsum([0, *(len(times[k]) for k in useful)]),
    )


def _light_of(event: Event, module: Ints, begin_ns: Floats) -> tuple[Ints, Floats, Floats]:
    """Return place in `module`, time and photo-electrons of the pulses that come when they may, in order."""
    pulses, owner = event.pulses, event.detector.index(event.pulses.dom)
    delay = pulses.time_ns - begin_ns[owner]
    good = np.isin(owner, module) & (delay > EARLY) & (delay < LATE) & (pulses.charge_pe > 0)
    row, time = np.searchsorted(module, owner[good]).astype(np.int64), pulses.time_ns[good]
    order = np.lexsort((time, row))
    seen = pulses.charge_pe[good][order].astype(float) / (MEAN_CHARGE * PULSES_PER_PHOTON)
    return row[order], time[order], seen


def _columns(event: Event, module: Ints, place: Floats, charge: Floats) -> Floats:
    position = event.detector.position[module]
    layer = south_pole_ice().layer(position)
    ways = layer, *south_pole_ice().integrals(layer), np.log(event.detector.efficiency[module])
    return np.column_stack([position - place, *ways, charge])


def _brightest(time: Floats, charge: Floats) -> NDArray[np.bool_]:
    order = np.argsort(time, kind="stable")
    total = np.append(0.0, np.cumsum(charge[order]))
    inside = total[np.searchsorted(time[order], time[order] + WINDOW, "right")] - total[:-1]
    start = time[order][np.argmax(inside)] if len(time) else 0.0
    return np.asarray((time >= start) & (time <= start + WINDOW))


def believed(event: Event, module: Ints, charge: Floats, time_ns: float) -> NDArray[np.bool_]:
    """Tell which modules' charge counts: it is complete, and not too much to be believed nor most of all there is."""
    return np.asarray((charge < min(MOST_PE, MOST_SHARE * max(charge.sum(), 1.0))) & ~_excluded(event, module, time_ns))


def _excluded(event: Event, module: Ints, time_ns: float) -> NDArray[np.bool_]:
    """Tell which modules are excluded at some time at which light may come."""
    bad = np.zeros(len(module), bool)
    for windows in event.exclusions.values():
        touch = (windows.stop_ns > time_ns + EARLY) & (windows.start_ns < time_ns + LATE + REACH * N_GROUP / C)
        bad |= np.isin(module, event.detector.index(windows.dom[touch]))
    return bad


def _outside(event: Event, dom: NDArray[np.int16], rows: Floats) -> Floats:
    """Return the times of a module that no window excludes."""
    for windows in event.exclusions.values():
        same = (windows.dom == dom).all(axis=1)
        if len(rows) and same.any():
            hidden = (rows[:, :1] >= windows.start_ns[same]) & (rows[:, :1] <= windows.stop_ns[same])
            rows = rows[~hidden.any(axis=1)]
    return rows


def _quantiles(time: Floats, seen: Floats) -> Floats:
    """Return times and weights of equal parts of the light of a module."""
    if not len(time):
        return np.empty((0, 2))
    total = np.cumsum(seen)
    number = int(np.clip(round(float(total[-1])), 1, QUANTILES))
    at = np.searchsorted(total, total[-1] * (np.arange(number) + 0.5) / number)
    weight = total[-1] / (1 + SATURATION * total[-1]) / number
    return np.column_stack([time[np.minimum(at, len(time) - 1)], np.full(number, weight)])
