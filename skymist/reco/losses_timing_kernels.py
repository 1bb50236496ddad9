"""Compiled arrival of the first light of a track with losses: whence it comes, and how likely the hits are.

First light comes from the few brightest segments of a module; `losses_reference` says in plain NumPy how.
"""

import numpy as np

from skymist.detector.light import COS_CHERENKOV, N_GROUP, RATE, SHAPE, SHIFT, SIN_CHERENKOV, C
from skymist.reco.arrival import Q_MIN, Q_STEP, SHAPES, SOFT, W_MAX, W_STEP
from skymist.reco.elementary import exp, ln
from skymist.reco.kernels import Four, compiled, dot, weights
from skymist.reco.losses_light_kernels import Array, Ints, Scratch, Tables, View, angular, fading, place
from skymist.reco.track_losses import COMPONENTS, DARK, FIRST, FLOOR, SEGMENT, WINDOW

Six = tuple[float, float, float, float, float, float]

A0, A1, A2, A3 = SHAPE
R0, R1, R2 = RATE
COT = COS_CHERENKOV / SIN_CHERENKOV
LATE = 150.0  # ns, the longest step in time
SETTLED = 0.02  # a gain that is not worth another round


@compiled()
def _brightest(s: Scratch, i: int, top: Ints, value: Array) -> None:
    """Write which segments light module i most, and how much, in falling order."""
    at = s.slot[i]
    top[:], value[:] = -1, 0.0
    for j in range(s.span[at, 0], s.span[at, 1]):
        new, k = s.lit[j] * s.light[j, at], COMPONENTS
        if new <= value[k]:
            continue
        while k > 0 and value[k - 1] < new:
            top[k], value[k] = top[k - 1], value[k - 1]
            k -= 1
        top[k], value[k] = j, new


@compiled()
def sources(view: View, s: Scratch) -> int:
    """Place the points from which the first light of each hit may come, with their shares of its light.

    These are the brightest segments. The light of the next one is taken off them, so that shares change smoothly as
    segments change ranks. A segment sends its light from where that leaves under the Cherenkov angle, or from its end
    that is next to there.
    """
    top, value = np.empty(COMPONENTS + 1, np.int64), np.empty(COMPONENTS + 1)
    n = 0
    for i in range(len(view.modules)):
        s.first[i] = n
        if not view.modules[i, 7] > 0:
            continue
        _brightest(s, i, top, value)
        least, total = value[COMPONENTS], DARK
        for k in range(COMPONENTS):
            total += value[k] - least
        bright = s.side[i, 2] - np.sqrt(s.side[i, 0]) * COT
        for k in range(COMPONENTS):
            if value[k] > least:
                start = (FIRST + top[k]) * SEGMENT
                emitted = min(max(bright, start), start + SEGMENT)
                n = place(s, n, i, top[k], s.side[i, 2] - emitted, (value[k] - least) / total)
    s.first[len(view.modules)] = n
    return n


@compiled()
def delays(view: View, tables: Tables, n: int, s: Scratch) -> None:
    """Write root of the shape, rate (1/ns) and how late hits are (ns) for a track at time 0, in the first rows.

    As for `track-mpe` under the Cherenkov angle, elsewhere as much different from that as for a shower.
    """
    way = s.way
    for k in range(n):
        distance, b, a, p, up = way[0, k], way[1, k], way[2, k], way[3, k], way[4, k]
        i, emitted = s.module[k], (s.side[s.module[k], 2] - s.ahead[k]) / C
        tau, h = distance * b, (1 - up) / 2
        near, middle = fading(2 * distance * np.sqrt(a * b))
        shape = angular(tables.shape, p, near, middle, up) - angular(tables.shape, COS_CHERENKOV, near, middle, up)
        rate = angular(tables.rate, p, near, middle, up) - angular(tables.rate, COS_CHERENKOV, near, middle, up)
        way[0, k] = np.sqrt((A0 + A1 * tau + A2 * h * h + A3 * h * tau) * exp(shape))
        way[1, k] = (R0 + R1 * a + R2 * b) * exp(rate)
        way[2, k] = view.modules[i, 8] - SHIFT - emitted - distance * N_GROUP / C


@compiled()
def _row(table: Array, at: np.uint64, v: Four, k: int) -> float:
    """Return the spline along the shapes."""
    one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)
    return dot(v, table[at, k], table[at + one, k], table[at + two, k], table[at + three, k])


@compiled()
def _spline(table: Array, at: np.uint64, u: tuple[Four, Four, Four], v: Four, k: int) -> tuple[float, float, float]:
    """Return the spline of column k, with two derivatives along the times."""
    row = np.uint64(SHAPES)
    r0, r1 = _row(table, at, v, k), _row(table, at + row, v, k)
    r2, r3 = _row(table, at + row + row, v, k), _row(table, at + row + row + row, v, k)
    return dot(u[0], r0, r1, r2, r3), dot(u[1], r0, r1, r2, r3), dot(u[2], r0, r1, r2, r3)


@compiled()
def _look_up(times: Array, x: float, q: float) -> Six:
    """Return density and survival probability at time x and shape q**2, each with two derivatives in x."""
    inverse = 1 / (abs(x) + SOFT)
    w = x * inverse
    at_w = (min(max(w, 2 * W_STEP - W_MAX), W_MAX - 2 * W_STEP) + W_MAX) / W_STEP
    at_q = (min(max(q, Q_MIN + Q_STEP), Q_MIN + (SHAPES - 3) * Q_STEP) - Q_MIN) / Q_STEP
    i, j = int(at_w), int(at_q)
    u, v = weights(at_w - i), weights(at_q - j)[0]
    slope = SOFT * inverse * inverse / W_STEP if abs(w) < W_MAX - 2 * W_STEP else 0.0
    bend = -2 * slope * inverse if x > 0 else 2 * slope * inverse
    corner = np.uint64((i - 1) * SHAPES + j - 1)
    f, f1, f2 = _spline(times, corner, u, v, 0)
    g, g1, g2 = _spline(times, corner, u, v, 1)
    p, late, by_p, by_late = exp(f), exp(g), f1 * slope, g1 * slope
    by_pp, by_lates = f2 * slope * slope + f1 * bend + by_p * by_p, g2 * slope * slope + g1 * bend + by_late * by_late
    return p, p * by_p, p * by_pp, late, late * by_late, late * by_lates


@compiled()
def _arrivals(times: Array, t: float, n: int, s: Scratch) -> None:
    """Write for n points density and survival probability of their first light, each with two derivatives in t."""
    for k in range(n):
        share, rate = s.share[k], s.way[1, k]
        p, p1, p2, late, late1, late2 = _look_up(times, rate * (s.way[2, k] - t), s.way[0, k])
        s.arrival[0, k], s.arrival[3, k] = share * rate * p, share * late
        s.arrival[1, k], s.arrival[4, k] = -share * rate * rate * p1, -share * rate * late1
        s.arrival[2, k], s.arrival[5, k] = share * rate * rate * rate * p2, share * rate * rate * late2


@compiled()
def timing(view: View, times: Array, t: float, s: Scratch) -> tuple[float, float, float]:
    """Return the nllh of the first hits, and its slope and curvature in t."""
    _arrivals(times, t, s.first[len(view.modules)], s)
    value = slope = curve = 0.0
    for i in range(len(view.modules)):
        if not view.modules[i, 7] > 0:
            continue
        p = p1 = p2 = late = late1 = late2 = 0.0
        rest = 1 + FLOOR
        for k in range(s.first[i], s.first[i + 1]):
            p, p1, p2 = p + s.arrival[0, k], p1 + s.arrival[1, k], p2 + s.arrival[2, k]
            late, late1, late2 = late + s.arrival[3, k], late1 + s.arrival[4, k], late2 + s.arrival[5, k]
            rest -= s.share[k]
        p, late, n_eff = p + rest / WINDOW, late + rest, view.modules[i, 9]
        by_p, by_late = p1 / p, late1 / late
        s.terms[1, i] = -ln(p) - (n_eff - 1) * ln(late) - ln(n_eff)
        value += s.terms[1, i]
        slope -= by_p + (n_eff - 1) * by_late
        curve -= p2 / p - by_p * by_p + (n_eff - 1) * (late2 / late - by_late * by_late)
    return value, slope, curve


@compiled()
def settle(view: View, times: Array, p: Array, s: Scratch, rounds: int) -> tuple[float, float, float]:
    """Move t to where the first hits are most likely, in at most so many rounds; return as `timing`."""
    best, slope, curve = timing(view, times, p[2], s)
    left = False
    for _ in range(rounds):
        move = min(max(-slope / max(curve, abs(curve) / 10, 1e-5), -LATE), LATE)
        if -slope * move < SETTLED:
            break
        value, by_t, by_tt = timing(view, times, p[2] + move, s)
        left = not value < best
        if left:
            curve = 4 * max(curve, abs(slope / move))
        else:
            p[2] += move
            best, slope, curve = value, by_t, by_tt
    return timing(view, times, p[2], s) if left else (best, slope, curve)
