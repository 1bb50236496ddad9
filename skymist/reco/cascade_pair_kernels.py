"""Compiled core of the fit of two showers in a row: their likelihood with its derivatives; see `cascade_kernels`.

Coordinates: x, y, z (m) and t (ns) of the centre of energy, the logarithm of both energies together, how far apart the
showers are (m), and the logarithm of the ratio of their energies, second to first. So one shower is two of the same
place, whatever the ratio.

Numba's cache watches this file only: after changing `cascade_kernels` or `light`, change this file too.
"""

import math

import numpy as np

from skymist.detector.light import LEAST_SHAPE, C
from skymist.reco.cascade_kernels import (
    BRIGHT,
    MODEL,
    PAIR,
    SLOW,
    Ints,
    _add,
    _arrival,
    _charge,
    _delays,
    _digamma,
    _fading,
    _in_place,
    _logarithm,
    _score,
    _way,
    descent,
)
from skymist.reco.kernels import Array, compiled

Seen = tuple[float, float, float, float, float, float, float]
"""Light of a shower (PE), distance (m), first time (ns), power and rate of the density of times, its `norm` and
`digamma` as `_arrival` has them."""

DARK = -300.0  # least of ln(photo-electrons)
LEAST = 1e-300  # share of the light, so that it has a logarithm


@compiled()
def _split(flight: Array, p: Array, one: Array, other: Array) -> float:
    """Write the coordinates of each of two showers; return the share of the energy that the second has."""
    share: float = 1 / (1 + np.exp(-p[6]))
    for shower, along, part in ((one, -share * p[5], 1 - share), (other, (1 - share) * p[5], share)):
        for k in range(3):
            shower[k] = p[k] + along * flight[k]
        shower[3], shower[4] = p[3] + along / C, p[4] + np.log(part)
    return share


@compiled()
def _join(flight: Array, apart: float, share: float, one: Array, other: Array, row: Array) -> None:
    """Turn slopes in the coordinates of each of two showers into those in the coordinates of both."""
    behind, ahead = one[3] / C, other[3] / C
    for k in range(3):
        behind += flight[k] * one[k]
        ahead += flight[k] * other[k]
    for k in range(5):
        row[k] = one[k] + other[k]
    row[5] = (1 - share) * ahead - share * behind
    row[6] = (1 - share) * other[4] - share * one[4] - share * (1 - share) * apart * (behind + ahead)


@compiled()
def _shower(
    modules: Array, i: int, timed: bool, flight: Array, p: Array, ice: Array, bottom: float, step: float, table: Array,
    shift: float, by: Array, slopes: Array,
) -> Seen:  # fmt: skip
    """Return what module i sees of a shower; write the slopes of the logarithms of light, power and rate."""
    way = _way(modules, i, flight, p, ice, bottom, step)
    fading = _fading(way)
    bright = np.exp(min(max(_logarithm(table, 0, way, fading, by) + modules[i, 6] + p[4], DARK), BRIGHT))
    _in_place(way, modules, i, flight, p, by, slopes[0])
    slopes[0, 3], slopes[0, 4] = 0.0, 1.0
    if not timed:
        return bright, way[0], 0.0, 0.0, 0.0, 0.0, 0.0
    power, rate = _delays(way, fading, modules, i, flight, p, table, by, slopes[1], slopes[2])
    shape = power + LEAST_SHAPE
    begin = p[3] + SLOW * way[0] + shift
    return bright, way[0], begin, power, rate, np.log(rate) - math.lgamma(shape), _digamma(shape)


@compiled()
def _time_of(modules: Array, i: int, time: float, p: Array, seen: Seen, slopes: Array, row: Array) -> float:
    """Return the logarithm of the density of a time of module i, and write its slopes."""
    _, distance, begin, power, rate, norm, digamma = seen
    arrival = _arrival(time - begin, power + LEAST_SHAPE, rate, norm, digamma)
    _score(modules, i, p, distance, power, arrival, slopes[1], slopes[2], row)
    return arrival[0]


@compiled()
def _weigh(part: float, share: float, light: Array, row: Array) -> None:
    """Turn the slopes of one of two densities into those of their mixture, of which it is a part.

    Its weight is the share of the light; how that changes with its light counts, too.
    """
    for k in range(5):
        row[k] = part * row[k] + (part - share) * light[k]


@compiled()
def evaluate(
    flight: Array, modules: Array, times: Array, first: Ints, ice: Array, bottom: float, step: float, table: Array,
    shift: float, weight: float, spread: float, p: Array, slope: Array, curve: Array, work: Array,
) -> float:  # fmt: skip
    """Return the nllh of two showers; write its gradient and the lower half of its curvature.

    Their light adds up, and so do their densities of times, in proportion to it.
    """
    slope[:] = 0.0
    curve[:] = 0.0
    value = 0.0
    by, one, other, row, mine, its = work[0], work[1], work[2], work[3], work[31:34], work[34:37]
    a, b = work[37], work[38]
    share = _split(flight, p, a, b)
    for i in range(len(modules)):
        timed = first[i + 1] > first[i]
        near = _shower(modules, i, timed, flight, a, ice, bottom, step, table, shift, by, mine)
        far = _shower(modules, i, timed, flight, b, ice, bottom, step, table, shift, by, its)
        light = near[0] + far[0]
        of_near, of_far = near[0] / light, far[0] / light
        if modules[i, 7] >= 0:
            f, f1, f2 = _charge(modules[i, 7], light, spread)
            value += weight * f
            for k in range(5):
                one[k], other[k] = of_near * mine[0, k], of_far * its[0, k]
            _join(flight, p[5], share, one, other, row)
            _add(slope, curve, row, weight * f1, weight * f2)
        for n in range(first[i], first[i + 1]):
            f1 = _time_of(modules, i, times[n, 0], a, near, mine, one) + np.log(of_near + LEAST)
            f2 = _time_of(modules, i, times[n, 0], b, far, its, other) + np.log(of_far + LEAST)
            f = max(f1, f2) + np.log1p(np.exp(-abs(f1 - f2)))
            value -= times[n, 1] * f
            _weigh(np.exp(f1 - f), of_near, mine[0], one)
            _weigh(np.exp(f2 - f), of_far, its[0], other)
            _join(flight, p[5], share, one, other, row)
            _add(slope, curve, row, -times[n, 1], times[n, 1])
    return value


_descend = descent(evaluate)


@compiled(f"void(float64[:,::1], {MODEL}, int64, float64, float64[:,::1], float64[::1], int64[::1])")
def descend(
    flight: Array, modules: Array, times: Array, first: Ints, ice: Array, bottom: float, step: float, table: Array,
    shift: float, weight: float, spread: float, rounds: int, tolerance: float, points: Array, nllh: Array,
    taken: Ints,
) -> None:  # fmt: skip
    """Fit each direction of flight from the point given for it, in place; say how many rounds that took."""
    work = np.zeros((39, PAIR))
    for n in range(len(flight)):
        nllh[n], taken[n] = _descend(
            flight[n], modules, times, first, ice, bottom, step, table, shift, weight, spread, rounds, tolerance,
            points[n], work,
        )  # fmt: skip
