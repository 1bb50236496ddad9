"""Compiled core of the cascade fit: the likelihood with its derivatives, and damped Gauss-Newton steps on it.

Coordinates of a shower: x, y, z (m) and t (ns) of its light maximum, counted from the centre and time of the data, and
the logarithm of its energy in GeV. `cascade_pair_kernels` has those of two showers.

The formulas and constants of `light` are compiled in, but Numba's cache watches this file only: after changing them,
change this file too. The test against `cascade_reference` tells if that was forgotten.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skymist.detector import light
from skymist.detector.light import COS_CHERENKOV, LEAST_SHAPE, N_GROUP, RING, SHOWER_RISE, C
from skymist.reco.kernels import Array, _mean, compiled

Ints = NDArray[np.int64]
Way = tuple[float, float, float, float, float, float, float]
"""Distance (m), mean scattering and absorption (1/m), cosines of psi and eta as `light.shower_features` has them, and
by how much scattering and absorption change with the rise of the light."""
Five = tuple[float, float, float, float, float]
Score = tuple[float, float, float, float]

NOISE = 0.01  # photo-electrons a module; more than the physical value, which makes single hits less convincing
FLOOR = 1e-3 / 3000.0  # 1/ns, density of light that is not the shower's
LN_FLOOR = math.log(FLOOR)
CORE2 = 1.0  # m^2, rounds off the distance near the shower
LEVEL = 1e-3  # m, light that rises less is taken to rise by this
TICK = 1e-3  # ns, least time of the density
SLOW = N_GROUP / C  # ns/m
BRIGHT = 30.0  # most of ln(photo-electrons), so that no trial overflows

FAR, LATE, MORE = 40.0, 150.0, 1.5  # m, ns and ln E: the longest step of a fit
PAIR = 7  # coordinates of two showers
LONGEST, UNEVEN = 300.0, 7.0  # m between two showers and ln of the ratio of their energies: no more is looked for
HELD = 1e12  # curvature along what is at such a limit

_base: Any = compiled()(light.shower_base)

MODEL = (
    "float64[:,::1], float64[:,::1], int64[::1], float64[:,::1], float64, float64, float64[:,::1], float64, float64, "
    "float64"
)


@compiled()
def _way(modules: Array, i: int, flight: Array, p: Array, ice: Array, bottom: float, step: float) -> Way:
    """Return the way of light to module i."""
    x, y, z = modules[i, 0] - p[0], modules[i, 1] - p[1], modules[i, 2] - p[2]
    distance = np.sqrt(x * x + y * y + z * z + CORE2)
    rise = z if abs(z) > LEVEL else LEVEL
    b, b_rise = _mean(ice, bottom, step, modules[i, 3], modules[i, 4], rise, 0)
    a, a_rise = _mean(ice, bottom, step, modules[i, 3], modules[i, 5], rise, 1)
    along = x * flight[0] + y * flight[1] + z * flight[2]
    return distance, b, a, along / distance, z / distance, b_rise, a_rise


@compiled()
def _fading(way: Way) -> Five:
    """Return what costs time and all columns of the table share: depth, near, middle, ring and ln(1 + depth)."""
    distance, b, a, cos_psi = way[:4]
    depth, off = 2 * distance * np.sqrt(a * b), (cos_psi - COS_CHERENKOV) / RING
    return depth, np.exp(-depth / 3), np.exp(-depth / 10), np.exp(-off * off), np.log(1 + depth)


@compiled()
def _logarithm(table: Array, k: int, way: Way, fading: Five, out: Array) -> float:
    """Return the sum of `light.shower_features` with column k of the table; write its slopes in the way's values."""
    distance, b, a, p, u = way[:5]
    depth, near, middle, ring, ln_depth = fading
    c = table[:, k]
    p2, p3 = (3 * p * p - 1) / 2, (5 * p * p - 3) * p / 2
    p4 = ((35 * p * p - 30) * p * p + 3) / 8
    turn2, turn3, turn4 = 3 * p, (15 * p * p - 3) / 2, (35 * p * p - 15) * p / 2
    turn_ring = -2 * (p - COS_CHERENKOV) / (RING * RING) * ring
    by_near = c[5] + c[9] * p + c[12] * p2 + c[14] * p3 + c[16] * p4 + c[17] * ring
    by_near += u * (c[20] + u * (c[23] + u * c[24]))
    by_middle = c[6] + c[10] * p + c[13] * p2 + c[15] * p3 + c[18] * ring + u * (c[21] + p * c[26])
    by_depth = c[4] + c[7] / (1 + depth) - near / 3 * by_near - middle / 10 * by_middle
    out[0] = c[1] / (distance + 1) + c[2] * b + c[3] * a + by_depth * depth / distance
    out[1] = c[2] * distance + by_depth * depth / (2 * b)
    out[2] = c[3] * distance + by_depth * depth / (2 * a)
    out[3] = (
        c[8] + c[11] * turn2 + c[25] * u
        + near * (c[9] + c[12] * turn2 + c[14] * turn3 + c[16] * turn4 + c[17] * turn_ring)
        + middle * (c[10] + c[13] * turn2 + c[15] * turn3 + c[18] * turn_ring + c[26] * u)
    )  # fmt: skip
    out[4] = (
        c[19] + 2 * c[22] * u + c[25] * p
        + near * (c[20] + u * (2 * c[23] + 3 * u * c[24])) + middle * (c[21] + p * c[26])
    )  # fmt: skip
    total: float = (
        c[0] + c[1] * np.log(distance + 1) + distance * (c[2] * b + c[3] * a) + c[4] * depth
        + c[7] * ln_depth + near * by_near + middle * by_middle
        + c[8] * p + c[11] * p2 + u * (c[19] + c[22] * u + c[25] * p)
    )  # fmt: skip
    return total


@compiled()
def _in_place(way: Way, modules: Array, i: int, flight: Array, point: Array, by: Array, row: Array) -> None:
    """Turn slopes in the quantities of the way into those in the place of the shower."""
    distance, _, _, p, u, b_rise, a_rise = way
    for k in range(3):
        side = (modules[i, k] - point[k]) / distance
        row[k] = -by[0] * side + (by[3] * (p * side - flight[k]) + by[4] * u * side) / distance
    row[2] -= by[1] * b_rise + by[2] * a_rise + by[4] / distance


@compiled()
def _delays(
    way: Way, fading: Five, modules: Array, i: int, flight: Array, p: Array, table: Array, by: Array, shapes: Array,
    rates: Array,
) -> tuple[float, float]:  # fmt: skip
    """Return power (shape without its least value) and rate of arrival times; write the slopes of their logarithms."""
    distance, b, a = way[:3]
    shape, rate = _base(distance, b, a)
    shape_0, rate_0 = _base(0.0, 0.0, 0.0)
    ln_shape = _logarithm(table, 1, way, fading, by) + np.log(shape)
    by[0] += (shape - shape_0) / (shape * distance)  # the base is linear in the distance times b
    by[1] += (shape - shape_0) / (shape * b)
    _in_place(way, modules, i, flight, p, by, shapes)
    ln_rate = _logarithm(table, 2, way, fading, by) + np.log(rate)
    by[1] += (_base(0.0, 1.0, 0.0)[1] - rate_0) / rate  # and in b and a
    by[2] += (_base(0.0, 0.0, 1.0)[1] - rate_0) / rate
    _in_place(way, modules, i, flight, p, by, rates)
    return np.exp(ln_shape), np.exp(ln_rate)


@compiled()
def _digamma(x: float) -> float:
    """Return the logarithmic derivative of the gamma function at x > 0, within 1e-7."""
    shift = 0.0
    while x < 5.0:
        shift -= 1 / x
        x += 1.0
    y = 1 / (x * x)
    return shift + math.log(x) - 0.5 / x - y * (1 / 12 - y * (1 / 120 - y / 252))


@compiled()
def _arrival(late: float, shape: float, rate: float, norm: float, digamma: float) -> Score:
    """Return the logarithm of the density of a delay of `late` ns, with slopes in delay, shape and ln rate.

    `norm` is ln rate - lnGamma(shape) and `digamma` its slope; they are the same for all light of a module.
    """
    u = late / SHOWER_RISE
    small = np.exp(-abs(u))
    soft = np.log1p(small)
    started = (1.0 if u > 0 else small) / (1 + small)
    clock = SHOWER_RISE * (soft + max(u, 0.0)) + TICK
    turned = rate * clock
    ln_turned = np.log(turned)
    ln_p = (shape - 1) * ln_turned - turned + norm - soft + min(u, 0.0)
    odds = np.exp(-abs(ln_p - LN_FLOOR))
    share = (1.0 if ln_p > LN_FLOOR else odds) / (1 + odds)
    by_delay = share * (((shape - 1) / clock - rate) * started + (1 - started) / SHOWER_RISE)
    by_shape = share * (ln_turned - digamma)
    return max(ln_p, LN_FLOOR) + np.log1p(odds), by_delay, by_shape, share * (shape - turned)


@compiled()
def _charge(seen: float, expected: float, spread: float) -> tuple[float, float, float]:
    """Return the nllh of a charge (negative binomial), with slope and expected curvature in the logarithm of the light.

    `expected` is without noise, both in photo-electrons; `spread` is the squared relative scatter of modules.
    """
    mean = expected + NOISE
    wide = 1 + spread * mean
    value = (seen + 1 / spread) * np.log(wide) - seen * np.log(mean)
    slope = (seen * spread + 1) / wide - seen / mean
    return value, slope * expected, expected * expected / (mean * wide)


@compiled()
def _add(out: Array, curve: Array, row: Array, slope: float, weight: float) -> None:
    """Add a term with this slope, and a curvature, along the direction `row` of the coordinates."""
    for k in range(len(row)):
        out[k] += slope * row[k]
        lever = weight * row[k]
        for j in range(k + 1):
            curve[k, j] += lever * row[j]


@compiled()
def _score(
    modules: Array, i: int, p: Array, distance: float, power: float, arrival: Score, shapes: Array, rates: Array,
    row: Array,
) -> None:  # fmt: skip
    """Turn the slopes of the density of a time in delay, shape and rate into those in the coordinates of the shower."""
    _, by_delay, by_shape, by_rate = arrival
    for k in range(3):
        away = (modules[i, k] - p[k]) / distance
        row[k] = by_delay * SLOW * away + power * by_shape * shapes[k] + by_rate * rates[k]
    row[3], row[4] = -by_delay, 0.0


@compiled()
def _add_times(
    modules: Array, i: int, times: Array, start: int, stop: int, distance: float, p: Array, power: float, rate: float,
    shift: float, shapes: Array, rates: Array, row: Array, slope: Array, curve: Array,
) -> float:  # fmt: skip
    """Add the times of module i and return their nllh."""
    value = 0.0
    shape = power + LEAST_SHAPE
    norm, digamma = np.log(rate) - math.lgamma(shape), _digamma(shape)
    begin = p[3] + SLOW * distance + shift
    for n in range(start, stop):
        arrival = _arrival(times[n, 0] - begin, shape, rate, norm, digamma)
        value -= times[n, 1] * arrival[0]
        _score(modules, i, p, distance, power, arrival, shapes, rates, row)
        _add(slope, curve, row, -times[n, 1], times[n, 1])
    return value


@compiled()
def evaluate(
    flight: Array, modules: Array, times: Array, first: Ints, ice: Array, bottom: float, step: float, table: Array,
    shift: float, weight: float, spread: float, p: Array, slope: Array, curve: Array, work: Array,
) -> float:  # fmt: skip
    """Return the nllh of a shower; write its gradient and the lower half of its curvature.

    The curvature of the times is the sum of squares of their scores.
    """
    slope[:] = 0.0
    curve[:] = 0.0
    value = 0.0
    by, row, shapes, rates = work[0], work[1], work[2], work[3]
    for i in range(len(modules)):
        way = _way(modules, i, flight, p, ice, bottom, step)
        fading = _fading(way)
        if modules[i, 7] >= 0:
            bright = _logarithm(table, 0, way, fading, by)
            f, f1, f2 = _charge(modules[i, 7], np.exp(min(bright + modules[i, 6] + p[4], BRIGHT)), spread)
            value += weight * f
            _in_place(way, modules, i, flight, p, by, row)
            row[3], row[4] = 0.0, 1.0
            _add(slope, curve, row, weight * f1, weight * f2)
        if first[i + 1] > first[i]:
            power, rate = _delays(way, fading, modules, i, flight, p, table, by, shapes, rates)
            value += _add_times(
                modules, i, times, first[i], first[i + 1], way[0], p, power, rate, shift, shapes, rates, row, slope,
                curve,
            )  # fmt: skip
    return value


@compiled()
def _hold(p: Array, slope: Array, curve: Array) -> None:
    """Let no step change what is at its limit and would go beyond."""
    if len(p) == PAIR:
        for k, low, high in ((5, 0.0, LONGEST), (6, -UNEVEN, UNEVEN)):
            if (p[k] <= low and slope[k] > 0) or (p[k] >= high and slope[k] < 0):
                curve[k, k] += HELD


@compiled()
def _solve(slope: Array, curve: Array, damping: float, root: Array, move: Array) -> bool:
    """Write the Gauss-Newton step with the diagonal raised (Cholesky's decomposition); tell if there is one."""
    for k in range(len(move)):
        for j in range(k + 1):
            total = curve[k, j]
            for i in range(j):
                total -= root[k, i] * root[j, i]
            if j < k:
                root[k, j] = total / root[j, j]
            else:
                total += damping * curve[k, k] + 1e-9
                if not total > 0:
                    return False
                root[k, k] = np.sqrt(total)
    for k in range(len(move)):
        total = -slope[k]
        for j in range(k):
            total -= root[k, j] * move[j]
        move[k] = total / root[k, k]
    for k in range(len(move) - 1, -1, -1):
        for j in range(k + 1, len(move)):
            move[k] -= root[j, k] * move[j]
        move[k] /= root[k, k]
    return True


@compiled()
def _learn(curve: Array, step: Array, change: Array, turned: Array) -> None:
    """Correct a curvature so that it explains by how much the last step changed the slope (as BFGS does).

    Without this, steps go to and fro along directions in which sums of squares are not the curvature.
    """
    bent = along = 0.0
    for k in range(len(step)):
        turned[k] = 0.0
        for j in range(len(step)):
            turned[k] += curve[max(k, j), min(k, j)] * step[j]
        bent += turned[k] * step[k]
        along += change[k] * step[k]
    if along > 1e-3 * bent:
        for k in range(len(step)):
            for j in range(k + 1):
                curve[k, j] += change[k] * change[j] / along - turned[k] * turned[j] / bent


@compiled()
def _shorten(move: Array) -> None:
    """Keep a step within what the local picture can be trusted for."""
    far = max(abs(move[0]), abs(move[1]), abs(move[2])) / FAR
    excess = max(far, abs(move[3]) / LATE, abs(move[4]) / MORE, 1.0)
    if len(move) == PAIR:
        excess = max(excess, abs(move[5]) / FAR, abs(move[6]) / MORE)
    for k in range(len(move)):
        move[k] /= excess


@compiled()
def _step(p: Array, move: Array, slope: Array, trial: Array) -> float:
    """Write where a step leads, within the limits of two showers; return by how much it should lower the nllh."""
    gain = 0.0
    for k in range(len(p)):
        trial[k] = p[k] + move[k]
        gain -= slope[k] * move[k] / 2
    if len(p) == PAIR:
        trial[5] = min(max(trial[5], 0.0), LONGEST)
        trial[6] = min(max(trial[6], -UNEVEN), UNEVEN)
    return gain


def descent(likelihood: Any) -> Any:
    """Return what descends in a likelihood such as `evaluate`.

    A function that makes one, because what is given a compiled function cannot be kept on disk. Each gets a name of its
    own: functions of equal names and types are one to the linker, which takes the first that is loaded for all.
    """

    def descend_one(
        flight: Array, modules: Array, times: Array, first: Ints, ice: Array, bottom: float, step: float, table: Array,
        shift: float, weight: float, spread: float, rounds: int, tolerance: float, p: Array, work: Array,
    ) -> tuple[float, int]:  # fmt: skip
        """Descend from p, in place; return the nllh and the number of rounds, negative if they were not enough."""
        trial, move, now, new, made, turned = work[4], work[5], work[6], work[7], work[8], work[9]
        n = len(p)
        root, curve, fresh = work[10 : 10 + n], work[10 + n : 10 + 2 * n], work[10 + 2 * n : 10 + 3 * n]
        best, damping, gain = np.inf, 1e-2, np.inf
        trial[:] = p
        for turn in range(rounds):
            value = likelihood(
                flight, modules, times, first, ice, bottom, step, table, shift, weight, spread, trial, new, fresh, work
            )
            if value < best:
                if best < np.inf:
                    for k in range(len(move)):
                        made[k], now[k] = trial[k] - p[k], new[k] - now[k]
                    _learn(fresh, made, now, turned)
                best = value
                p[:], now[:], curve[:] = trial, new, fresh
                _hold(p, now, curve)
                damping = max(damping / 5, 1e-5)
            elif damping > 1e6 or not value < np.inf:
                break
            else:
                damping *= 5.0
            while not _solve(now, curve, damping, root, move):
                damping = 4.0 * damping + 1e-3
                if damping > 1e9:
                    return np.nan, -turn - 1
            _shorten(move)
            gain = _step(p, move, now, trial)
            if gain < tolerance and damping < 0.1:
                return best, turn + 1
        return best, turn + 1 if gain < tolerance else -turn - 1

    descend_one.__qualname__ = f"descend_in_{likelihood.__module__.rpartition('.')[2]}"
    return compiled()(descend_one)


_descend = descent(evaluate)


@compiled(f"void(float64[:,::1], {MODEL}, int64, float64, float64[:,::1], float64[::1], int64[::1])")
def descend(
    flight: Array, modules: Array, times: Array, first: Ints, ice: Array, bottom: float, step: float, table: Array,
    shift: float, weight: float, spread: float, rounds: int, tolerance: float, points: Array, nllh: Array,
    taken: Ints,
) -> None:  # fmt: skip
    """Fit each direction of flight from the point given for it, in place; say how many rounds that took."""
    work = np.zeros((25, 5))
    for n in range(len(flight)):
        nllh[n], taken[n] = _descend(
            flight[n], modules, times, first, ice, bottom, step, table, shift, weight, spread, rounds, tolerance,
            points[n], work,
        )  # fmt: skip
