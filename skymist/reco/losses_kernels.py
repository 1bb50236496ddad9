"""Compiled core of the fit of a track with losses: charges of segments, their energies, first arrivals, the descent.

Coordinates as in `kernels`: a and b (m) move the track in the plane normal to it, t (ns) is the time at which it
crosses that plane, which holds the charge centroid. `losses_reference` says in plain NumPy what the likelihood is.

Light is worked out at points on the track, one or two for each segment and module, kept one after the other in long
arrays: loops over these are simple enough for vector instructions.

The formulas and constants of `light`, `track_losses` and `elementary` are compiled in, but Numba's cache watches this
file only: after changing them, change this file too. The test against `losses_reference` tells if that was forgotten.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import types as _types
from numpy.typing import NDArray

from skymist.detector.light import COS_CHERENKOV, N_GROUP, RATE, RING, SHAPE, SHIFT, SIN_CHERENKOV, C
from skymist.reco.arrival import Q_MIN, Q_STEP, SHAPES, SOFT, W_MAX, W_STEP
from skymist.reco.elementary import exp, ln
from skymist.reco.kernels import Four, compiled, dot, solve, weights
from skymist.reco.track_losses import (
    AROUND,
    CLOSE,
    COMPONENTS,
    CORE2,
    COUNT,
    DARK,
    DARK_REACH,
    ENERGY_ROUNDS,
    FADING,
    FIRST,
    FLOOR,
    HALF,
    SEGMENT,
    WINDOW,
)

types: Any = _types  # not typed

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Terms = tuple[float, ...]
Six = tuple[float, float, float, float, float, float]

A0, A1, A2, A3 = SHAPE
R0, R1, R2 = RATE
COT = COS_CHERENKOV / SIN_CHERENKOV
LEVEL = 1e-3  # m, light that rises less is taken to rise by this
PROBE = 0.1  # m, the step of differences
TIMING_CURVATURE = 0.6  # of the sum of squares of the slopes: on average over fits
SETTLE, SETTLED = 4, 0.02  # rounds in which each trial's time is fitted, and a gain that is not worth another one
FAR, LATE = 40.0, 150.0  # m and ns, the longest step of the descent


class Tables(NamedTuple):
    """What light does: arrival times, ice, and the coefficients of `light.shower_features`."""

    times: Array
    ice: Array
    bottom: float
    step: float
    charge: Terms
    shape: Terms
    rate: Terms


class Settings(NamedTuple):
    """The options of `TrackLosses`, and the photo-electrons of noise in each module."""

    noise: float
    spread: float
    prior: float
    weight: float
    evenness: float
    reach: float


class View(NamedTuple):
    """An event seen along one direction: axes a, b and flight; modules, those with light first; how many these are."""

    frame: Array
    modules: Array
    hits: int


class Scratch(NamedTuple):
    """What one evaluation leaves behind.

    Of each point on the track: `module` and `segment`, distance `ahead` to the module's foot, `share`, and the rows of
    `way` (distance, scattering, absorption, cosine of the emission angle, rise / distance, result). Of each module:
    distance from the track squared and `lift` in `side`, `light` per GeV of each segment and their `span`; `mean`
    charge and nllh of charge and first hit in `terms`. Of segments: `energy`, and `lit` with the even light.
    """

    module: Ints
    segment: Ints
    ahead: Array
    share: Array
    way: Array
    side: Array
    light: Array
    span: Ints
    mean: Array
    terms: Array
    first: Ints
    energy: Array
    lit: Array
    sums: Array


@compiled()
def _scratch(n: int, hits: int) -> Scratch:
    """Return room for n modules."""
    points = n * (COUNT + int(2 * CLOSE / SEGMENT) + 2)
    return Scratch(
        np.empty(points, np.int64), np.empty(points, np.int64), np.empty(points), np.empty(points),
        np.empty((6, points)), np.empty((n, 3)), np.zeros((n, COUNT)), np.zeros((n, 2), np.int64), np.empty(n),
        np.zeros((2, n)), np.empty(hits + 1, np.int64), np.empty(COUNT), np.empty(COUNT), np.empty((2, COUNT)),
    )  # fmt: skip


@compiled()
def _pass(view: View, a: float, b: float, side: Array) -> None:
    """Write how each module is passed: distance squared, its vertical component, and how far along the track."""
    frame, modules = view.frame, view.modules
    for i in range(len(modules)):
        x, y, z = modules[i, 0], modules[i, 1], modules[i, 2]
        y1 = frame[0, 0] * x + frame[0, 1] * y + frame[0, 2] * z - a
        y2 = frame[1, 0] * x + frame[1, 1] * y + frame[1, 2] * z - b
        side[i, 0] = y1 * y1 + y2 * y2 + CORE2
        side[i, 1] = y1 * frame[0, 2] + y2 * frame[1, 2]
        side[i, 2] = frame[2, 0] * x + frame[2, 1] * y + frame[2, 2] * z


@compiled()
def _place(s: Scratch, n: int, i: int, j: int, ahead: float, share: float) -> int:
    """Add a point and return how many there are."""
    s.module[n], s.segment[n], s.ahead[n], s.share[n] = i, j, ahead, share
    return n + 1


@compiled()
def _points(view: View, reach: float, s: Scratch) -> int:
    """Place the points from which modules are lit, write the spans of segments, and return how many points there are.

    The two points of a near segment draw together with the distance and light fades out before it is out of reach, so
    that nothing jumps when the track is moved.
    """
    n = 0
    for i in range(len(view.modules)):
        side2, along = s.side[i, 0], s.side[i, 2]
        far = reach if i < view.hits else DARK_REACH
        half = np.sqrt(max(far * far - side2, 0.0))
        s.span[i, 0] = max(0, int(np.floor((along - half) / SEGMENT)) - FIRST)
        s.span[i, 1] = min(COUNT, int(np.floor((along + half) / SEGMENT)) - FIRST + 1) if half > 0 else 0
        for j in range(s.span[i, 0], s.span[i, 1]):
            ahead = along - (FIRST + j + 0.5) * SEGMENT
            square = side2 + ahead * ahead
            part = min(max((1 - square / (far * far)) / (1 - FADING), 0.0), 1.0)
            share = view.modules[i, 6] * part * part * (3 - 2 * part)
            if square >= CLOSE * CLOSE:
                n = _place(s, n, i, j, ahead, share)
            else:
                apart = HALF * min(2 * (1 - square / (CLOSE * CLOSE)), 1.0)
                n = _place(s, n, i, j, ahead - apart, share / 2)
                n = _place(s, n, i, j, ahead + apart, share / 2)
    return n


@compiled()
def _means(tables: Tables, layer: float, int_b: float, int_a: float, rise: float) -> tuple[float, float]:
    """Return mean scattering and absorption of the last `rise` metres."""
    climb = rise if abs(rise) > LEVEL else LEVEL
    z = layer - climb - tables.bottom
    u = min(max(z / tables.step, 0.0), len(tables.ice) - 1.0)
    i = np.uint64(u)
    d = z - tables.step * i
    half, inverse, ice = (u - i) * tables.step * d / 2, 1 / climb, tables.ice
    b = (int_b - ice[i, 2] - d * ice[i, 0] - half * ice[i, 4]) * inverse
    a = (int_a - ice[i, 3] - d * ice[i, 1] - half * ice[i, 5]) * inverse
    return b, a


@compiled()
def _ways(view: View, tables: Tables, n: int, s: Scratch) -> None:
    """Write the ways of light from n points."""
    modules, way, dz = view.modules, s.way, view.frame[2, 2]
    for k in range(n):
        i, ahead = s.module[k], s.ahead[k]
        distance = np.sqrt(s.side[i, 0] + ahead * ahead)
        rise, inverse = s.side[i, 1] + ahead * dz, 1 / distance
        way[0, k] = distance
        way[1, k], way[2, k] = _means(tables, modules[i, 3], modules[i, 4], modules[i, 5], rise)
        way[3, k], way[4, k] = ahead * inverse, rise * inverse


@compiled()
def _angular(c: Terms, p: float, near: float, middle: float, up: float) -> float:
    """Return the part of the sum of `light.shower_features` that depends on the emission angle."""
    off, p2 = (p - COS_CHERENKOV) / RING, p * p
    ring = exp(-off * off)
    return (
        p * (c[8] + c[9] * near + c[25] * up + middle * (c[10] + c[26] * up))
        + (1.5 * p2 - 0.5) * (c[11] + c[12] * near + c[13] * middle)
        + (2.5 * p2 - 1.5) * p * (c[14] * near + c[15] * middle)
        + ((4.375 * p2 - 3.75) * p2 + 0.375) * c[16] * near
        + ring * (c[17] * near + c[18] * middle)
    )


@compiled()
def _yields(c: Terms, way: Array, n: int) -> None:
    """Write photo-electrons per GeV, in the last row."""
    for k in range(n):
        distance, b, a, p, up = way[0, k], way[1, k], way[2, k], way[3, k], way[4, k]
        depth = 2 * distance * np.sqrt(a * b)
        thirtieth = exp(-depth / 30)
        middle = thirtieth * thirtieth * thirtieth
        near = middle * middle * middle * thirtieth
        total = (
            c[0] + c[1] * ln(distance + 1) + distance * (c[2] * b + c[3] * a) + c[4] * depth + c[7] * ln(1 + depth)
            + near * (c[5] + up * (c[20] + up * (c[23] + up * c[24]))) + middle * (c[6] + up * c[21])
            + up * (c[19] + up * c[22]) + _angular(c, p, near, middle, up)
        )  # fmt: skip
        way[5, k] = exp(total)


@compiled()
def _charges(view: View, tables: Tables, reach: float, s: Scratch) -> None:
    """Write what each GeV in each segment gives each module, and which segments it sees."""
    n = _points(view, reach, s)
    _ways(view, tables, n, s)
    _yields(tables.charge, s.way, n)
    for i in range(len(view.modules)):
        for j in range(s.span[i, 0], s.span[i, 1]):
            s.light[i, j] = 0.0
    for k in range(n):
        s.light[s.module[k], s.segment[k]] += s.share[k] * s.way[5, k]


@compiled()
def _expected(energy: Array, light: Array, i: int, low: int, high: int) -> float:
    """Return the charge that module i expects from a span of segments."""
    even = odd = 0.0  # two sums, as each addition waits for the one before
    j = low
    while j < high - 1:
        even += energy[j] * light[i, j]
        odd += energy[j + 1] * light[i, j + 1]
        j += 2
    if j < high:
        even += energy[j] * light[i, j]
    return even + odd


@compiled()
def _equal_energies(modules: Array, s: Scratch) -> None:
    """Write the same energy to all segments: that of all charge."""
    seen = given = 0.0
    for i in range(len(modules)):
        seen += modules[i, 7]
        for j in range(s.span[i, 0], s.span[i, 1]):
            given += s.light[i, j]
    s.energy[:] = seen / max(given, 1e-9)


@compiled()
def _energies(modules: Array, settings: Settings, s: Scratch) -> None:
    """Find energies by expectation maximisation from equal ones.

    Charges are negative binomial with the variance mu (1 + spread mu), whose score is Poisson's with the weight
    1 / (1 + spread mu). Charges alone hardly tell neighbouring segments apart: a fixed number of rounds from a fixed
    start keeps them even where nothing else is known, and makes them, and so the nllh, a smooth function of the track.
    """
    _equal_energies(modules, s)
    up, down, light, energy = s.sums[0], s.sums[1], s.light, s.energy
    for _ in range(ENERGY_ROUNDS):
        up[:], down[:] = 1e-12, settings.prior
        for i in range(len(modules)):
            low, high = s.span[i, 0], s.span[i, 1]
            if low >= high:
                continue
            mean = settings.noise + _expected(energy, light, i, low, high)
            weight = 1 / (1 + settings.spread * mean)
            ratio = weight * modules[i, 7] / mean
            for j in range(low, high):
                up[j] += ratio * light[i, j]
                down[j] += weight * light[i, j]
        for j in range(COUNT):
            step = up[j] / down[j]
            energy[j] *= step * np.sqrt(step)  # a little farther than the exponent 1, which crawls


@compiled()
def _charge_nllh(modules: Array, settings: Settings, s: Scratch) -> float:
    """Return the nllh of charges and energies."""
    spread, value = settings.spread, 0.0
    for i in range(len(modules)):
        s.mean[i] = settings.noise + _expected(s.energy, s.light, i, s.span[i, 0], s.span[i, 1])
    for i in range(len(modules)):
        s.terms[0, i] = (modules[i, 7] + 1 / spread) * ln(1 + spread * s.mean[i]) - modules[i, 7] * ln(s.mean[i])
    for i in range(len(modules)):
        value += s.terms[0, i]
    for j in range(COUNT):
        value += settings.prior * s.energy[j]
    return value


@compiled()
def _even_out(evenness: float, s: Scratch) -> None:
    """Write energies with the light that a muon gives everywhere between where it comes from and where it goes to."""
    for j in range(COUNT):
        before = after = 0.0
        for k in range(AROUND):
            before += s.energy[j - k] if j - k >= 0 else 0.0
            after += s.energy[j + k] if j + k < COUNT else 0.0
        s.lit[j] = s.energy[j] + evenness * min(before, after) / AROUND


@compiled()
def _brightest(s: Scratch, i: int, top: Ints, value: Array) -> None:
    """Write which segments light module i most, and how much, in falling order."""
    top[:], value[:] = -1, 0.0
    for j in range(s.span[i, 0], s.span[i, 1]):
        new, k = s.lit[j] * s.light[i, j], COMPONENTS
        if new <= value[k]:
            continue
        while k > 0 and value[k - 1] < new:
            top[k], value[k] = top[k - 1], value[k - 1]
            k -= 1
        top[k], value[k] = j, new


@compiled()
def _sources(view: View, s: Scratch) -> int:
    """Place the points from which the first light of each hit may come, with their shares of its light.

    These are the brightest segments. The light of the next one is taken off them, so that shares change smoothly as
    segments change ranks. A segment sends its light from where that leaves under the Cherenkov angle, or from its end
    that is next to there.
    """
    top, value = np.empty(COMPONENTS + 1, np.int64), np.empty(COMPONENTS + 1)
    n = 0
    for i in range(view.hits):
        s.first[i] = n
        _brightest(s, i, top, value)
        least, total = value[COMPONENTS], DARK
        for k in range(COMPONENTS):
            total += value[k] - least
        bright = s.side[i, 2] - np.sqrt(s.side[i, 0]) * COT
        for k in range(COMPONENTS):
            if value[k] > least:
                start = (FIRST + top[k]) * SEGMENT
                emitted = min(max(bright, start), start + SEGMENT)
                n = _place(s, n, i, top[k], s.side[i, 2] - emitted, (value[k] - least) / total)
    s.first[view.hits] = n
    return n


@compiled()
def _delays(tables: Tables, way: Array, n: int) -> None:
    """Write root of the shape, rate (1/ns) and time of flight (ns) of the light, in the first rows.

    As for `track-mpe` under the Cherenkov angle, elsewhere as much different from that as for a shower.
    """
    for k in range(n):
        distance, b, a, p, up = way[0, k], way[1, k], way[2, k], way[3, k], way[4, k]
        tau, h = distance * b, (1 - up) / 2
        thirtieth = exp(-tau / 30)
        middle = thirtieth * thirtieth * thirtieth
        near = middle * middle * middle * thirtieth
        shape = _angular(tables.shape, p, near, middle, up) - _angular(tables.shape, COS_CHERENKOV, near, middle, up)
        rate = _angular(tables.rate, p, near, middle, up) - _angular(tables.rate, COS_CHERENKOV, near, middle, up)
        way[0, k] = np.sqrt((A0 + A1 * tau + A2 * h * h + A3 * h * tau) * exp(shape))
        way[1, k] = (R0 + R1 * a + R2 * b) * exp(rate)
        way[2, k] = distance * N_GROUP / C


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
def _mixture(view: View, times: Array, t: float, s: Scratch, i: int) -> tuple[float, float, float, float]:
    """Return density and survival probability of the first light of module i; slope and curvature of its nllh in t."""
    rest = 1.0
    p = p1 = p2 = late = late1 = late2 = 0.0
    for k in range(s.first[i], s.first[i + 1]):
        share, q, rate = s.share[k], s.way[0, k], s.way[1, k]
        emitted = (s.side[i, 2] - s.ahead[k]) / C
        x = rate * (view.modules[i, 8] - SHIFT - t - emitted - s.way[2, k])
        f, f1, f2, g, g1, g2 = _look_up(times, x, q)
        p += share * rate * f
        p1 -= share * rate * rate * f1
        p2 += share * rate * rate * rate * f2
        late += share * g
        late1 -= share * rate * g1
        late2 += share * rate * rate * g2
        rest -= share
    p += (rest + FLOOR) / WINDOW
    late += rest + FLOOR
    by_p, by_late, more = p1 / p, late1 / late, view.modules[i, 9] - 1
    curve = p2 / p - by_p * by_p + more * (late2 / late - by_late * by_late)
    return p, late, -by_p - more * by_late, -curve


@compiled()
def _timing(view: View, times: Array, t: float, s: Scratch) -> tuple[float, float, float]:
    """Return the nllh of the first hits, and its slope and curvature in t."""
    value = slope = curve = 0.0
    for i in range(view.hits):
        s.terms[1, i], s.side[i, 1], by_t, by_tt = _mixture(view, times, t, s, i)
        slope += by_t
        curve += by_tt
    for i in range(view.hits):
        n_eff = view.modules[i, 9]
        s.terms[1, i] = -ln(s.terms[1, i]) - (n_eff - 1) * ln(s.side[i, 1]) - ln(n_eff)
    for i in range(view.hits):
        value += s.terms[1, i]
    return value, slope, curve


@compiled()
def _settle(view: View, times: Array, p: Array, rounds: int, s: Scratch) -> tuple[float, float, float]:
    """Move t to where the first hits are most likely, in at most so many rounds; return as `_timing`."""
    best, slope, curve = _timing(view, times, p[2], s)
    left = False
    for _ in range(rounds):
        move = min(max(-slope / max(curve, abs(curve) / 10, 1e-5), -LATE), LATE)
        if -slope * move < SETTLED:
            break
        value, by_t, by_tt = _timing(view, times, p[2] + move, s)
        left = not value < best
        if left:
            curve = 4 * max(curve, abs(slope / move))
        else:
            p[2] += move
            best, slope, curve = value, by_t, by_tt
    return _timing(view, times, p[2], s) if left else (best, slope, curve)


@compiled()
def _evaluate(
    view: View, tables: Tables, settings: Settings, p: Array, settle: int, s: Scratch
) -> tuple[float, float, float]:
    """Return the nllh of a track at (a, b, t), and its slope and curvature in t, which may be moved before."""
    _pass(view, p[0], p[1], s.side)
    _charges(view, tables, settings.reach, s)
    _energies(view.modules, settings, s)
    value = settings.weight * _charge_nllh(view.modules, settings, s)
    _even_out(settings.evenness, s)
    n = _sources(view, s)
    _ways(view, tables, n, s)
    _delays(tables, s.way, n)
    timing, slope, curve = _settle(view, tables.times, p, settle, s)
    return value + timing, slope, curve


@compiled()
def _expand(view: View, tables: Tables, settings: Settings, p: Array, s: Scratch, rows: Array, out: Array) -> None:
    """Write gradient and approximate Hessian in (a, b, t) at p; `out` holds the value, its slope and curvature in t.

    Slopes in a and b are differences of the whole function, energies and shares included. In the Hessian charges have
    their expected curvature, first hits squares of their slopes (see `TIMING_CURVATURE`).
    """
    rows[0], rows[1] = s.mean, s.terms[1]
    for axis in range(2):
        p[axis] += PROBE
        value, slope, _ = _evaluate(view, tables, settings, p, 0, s)
        p[axis] -= PROBE
        out[1 + axis] = (value - out[0]) / PROBE
        out[7 + axis] = (slope - out[3]) / PROBE
        rows[2 + axis], rows[4 + axis] = (s.mean - rows[0]) / PROBE, (s.terms[1] - rows[1]) / PROBE
    out[4:7] = 0.0
    for i in range(len(view.modules)):
        curve = settings.weight / (rows[0, i] * (1 + settings.spread * rows[0, i]))
        out[4] += curve * rows[2, i] * rows[2, i] + TIMING_CURVATURE * rows[4, i] * rows[4, i]
        out[5] += curve * rows[2, i] * rows[3, i] + TIMING_CURVATURE * rows[4, i] * rows[5, i]
        out[6] += curve * rows[3, i] * rows[3, i] + TIMING_CURVATURE * rows[5, i] * rows[5, i]
    out[1] -= out[4] * PROBE / 2
    out[2] -= out[6] * PROBE / 2


@compiled()
def _learn(out: Array, step: Array, change: Array) -> None:
    """Correct the Hessian so that it explains by how much the last step changed the gradient (as BFGS does)."""
    turned = (
        out[4] * step[0] + out[5] * step[1] + out[7] * step[2],
        out[5] * step[0] + out[6] * step[1] + out[8] * step[2],
        out[7] * step[0] + out[8] * step[1] + out[9] * step[2],
    )
    bent = turned[0] * step[0] + turned[1] * step[1] + turned[2] * step[2]
    along = change[0] * step[0] + change[1] * step[1] + change[2] * step[2]
    if along > 1e-3 * abs(bent):
        at = 4
        for k in range(3):
            for j in range(k + 1):
                out[at] += change[k] * change[j] / along - turned[k] * turned[j] / bent
                at += 1


@compiled()
def _step(out: Array, move: Array) -> float:
    """Write a Newton step, damped as far as needed and not too long, and return by how much it should gain."""
    damping = 1e-3
    while not solve(out, damping, move):
        damping *= 4.0
    shrink = min(1.0, FAR / max(abs(move[0]), abs(move[1]), 1e-9), LATE / max(abs(move[2]), 1e-9))
    gain = 0.0
    for k in range(3):
        move[k] *= shrink
        gain -= out[1 + k] * move[k] / 2
    return gain


@compiled()
def _descend(
    view: View, tables: Tables, settings: Settings, rounds: int, tolerance: float, p: Array, energy: Array, s: Scratch,
    rows: Array,
) -> tuple[float, bool]:  # fmt: skip
    """Descend from p, in place, write the energies there, and return the nllh and whether it converged."""
    out, old, move, trial = np.zeros(10), np.zeros(3), np.zeros(3), p.copy()
    best, gain, settle = np.inf, np.inf, SETTLE if rounds > 1 else 0
    for turn in range(rounds):
        value, slope, curve = _evaluate(view, tables, settings, trial, settle, s)
        if value < best:
            best, gain = value, best - value
            move[2] = trial[2] - p[2]
            p[:], energy[:], old[:] = trial, s.energy, out[1:4]
            if turn == rounds - 1:
                break
            out[0], out[3], out[9] = value, slope, curve
            _expand(view, tables, settings, trial, s, rows, out)
            if gain < np.inf:
                _learn(out, move, out[1:4] - old)
            if _step(out, move) < tolerance:
                return best, True
        else:  # the least of the parabola through both values
            fall = out[1] * move[0] + out[2] * move[1] + out[3] * move[2]
            move *= min(max(-fall / (2 * (value - best - fall)), 0.1), 0.5)
            if not value < np.inf or abs(move[0]) + abs(move[1]) < PROBE / 10:
                break
        trial[:] = p + move
    return best, gain < tolerance


def _signature() -> Any:
    number, table = types.float64, types.Array(types.float64, 2, "C")
    terms = types.UniTuple(number, 27)
    tables = types.NamedTuple((table, table, number, number, terms, terms, terms), Tables)
    settings = types.NamedUniTuple(number, len(Settings._fields), Settings)
    frames, row = types.Array(number, 3, "C"), types.Array(number, 1, "C")
    given = frames, table, types.int64, tables, settings, types.int64, number
    return types.void(*given, table, table, row, types.Array(types.boolean, 1, "C"))


@compiled(_signature())
def descend(
    frames: Array, modules: Array, hits: int, tables: Tables, settings: Settings, rounds: int, tolerance: float,
    points: Array, energy: Array, nllh: Array, converged: Mask,
) -> None:  # fmt: skip
    """Fit each direction from the point given for it, in place; one round only evaluates it."""
    s, rows = _scratch(len(modules), hits), np.zeros((6, len(modules)))
    for n in range(len(frames)):
        view = View(frames[n], modules, hits)
        nllh[n], converged[n] = _descend(view, tables, settings, rounds, tolerance, points[n], energy[n], s, rows)
