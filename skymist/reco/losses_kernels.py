"""Compiled core of the fit of a track with losses: light and energies of segments, first arrivals, and the descent.

Coordinates as in `kernels`: a and b (m) move the track in the plane normal to it, t (ns) is the time at which it
crosses that plane, which holds the charge centroid. `losses_reference` says in plain NumPy what the likelihood is.

Light is worked out at points on the track, one or two for each segment and module, kept one after the other in long
arrays: loops over these are simple enough for vector instructions.

The ice and the formulas and constants of `light`, `track_losses` and `elementary` are compiled in, but Numba's cache
watches this file only: after changing them, change this file too. The test against `losses_reference` tells if that was
forgotten.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from skymist.detector.light import (
    COS_CHERENKOV,
    N_GROUP,
    RATE,
    RING,
    SHAPE,
    SHIFT,
    SHOWER_FEATURES,
    SIN_CHERENKOV,
    C,
)
from skymist.reco.arrival import Q_MIN, Q_STEP, SHAPES, SOFT, W_MAX, W_STEP
from skymist.reco.elementary import exp, ln
from skymist.reco.kernels import FAST, Four, compiled, dot, solve, weights
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
from skymist.reco.track_mpe import ice_grid

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Terms = tuple[float, ...]
Six = tuple[float, float, float, float, float, float]

A0, A1, A2, A3 = SHAPE
R0, R1, R2 = RATE
COT = COS_CHERENKOV / SIN_CHERENKOV
REORDERED = FAST | {"reassoc"}  # vector instructions add in another order
LEAST = 1e-12  # keeps dark energies positive
ICE, BOTTOM, STEP = ice_grid()
LEVEL = 1e-3  # m, light that rises less is taken to rise by this
PROBE = 0.1  # m, the step of differences
TIMING_CURVATURE = 0.6  # of the sum of squares of the slopes: on average over fits
SETTLE, SETTLED = 4, 0.02  # rounds in which each trial's time is fitted, and a gain that is not worth another one
SURE = 1.0  # gains beyond this are not those of a last step
FAR, LATE = 40.0, 150.0  # m and ns, the longest step of the descent


class Tables(NamedTuple):
    """What light does: arrival times, and the coefficients of `light.shower_features`."""

    times: Array
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
    """An event along one direction: axes a, b and flight; modules in the order in which the flight passes them."""

    frame: Array
    modules: Array


class Scratch(NamedTuple):
    """What one evaluation leaves behind.

    Of each point on the track: `module` and `segment`, distance `ahead` to the module's foot, `share`, and the rows of
    `way` (distance, scattering, absorption, cosine of the emission angle, rise / distance, result); `arrival`, how much
    first light comes now and how much later, with two derivatives in t each. Of each module: how it is passed in
    `side`, its `slot` among those that light can reach, `mean` charge, the nllh of charge and first hit in `terms`,
    and the `first` point that it is timed from. Of each slot: `span` of segments, charge `seen`, whether it `counts`,
    what is `expected`, and two `factors`. Of segments: `light` per GeV that each slot gets and the `range` of slots
    that get any, `energy`, and `lit` with the even light.
    """

    module: Ints
    segment: Ints
    ahead: Array
    share: Array
    way: Array
    side: Array
    slot: Ints
    mean: Array
    terms: Array
    first: Ints
    span: Ints
    seen: Array
    counts: Array
    expected: Array
    factors: Array
    arrival: Array
    light: Array
    range: Ints
    energy: Array
    lit: Array


@compiled()
def _scratch(n: int) -> Scratch:
    """Return room for n modules."""
    points = n * (COUNT + int(2 * CLOSE / SEGMENT) + 2)
    return Scratch(
        np.empty(points, np.int64), np.empty(points, np.int64), np.empty(points), np.empty(points),
        np.empty((6, points)), np.empty((n, 3)), np.empty(n, np.int64), np.empty(n), np.zeros((2, n)),
        np.empty(n + 1, np.int64), np.empty((n, 2), np.int64), np.empty(n), np.empty(n), np.empty(n),
        np.empty((2, n)), np.empty((6, n * COMPONENTS)), np.zeros((COUNT, n)), np.empty((COUNT, 2), np.int64),
        np.empty(COUNT), np.empty(COUNT),
    )  # fmt: skip


@compiled()
def _pass(view: View, a: float, b: float, s: Scratch) -> int:
    """Write how each module is passed: distance squared, its vertical component, and how far along the track.

    Number those that light can reach, and all hits, and return how many these are.
    """
    frame, modules, n = view.frame, view.modules, 0
    for i in range(len(modules)):
        x, y, z = modules[i, 0], modules[i, 1], modules[i, 2]
        y1 = frame[0, 0] * x + frame[0, 1] * y + frame[0, 2] * z - a
        y2 = frame[1, 0] * x + frame[1, 1] * y + frame[1, 2] * z - b
        s.side[i, 0] = y1 * y1 + y2 * y2 + CORE2
        s.side[i, 1] = y1 * frame[0, 2] + y2 * frame[1, 2]
        s.side[i, 2] = frame[2, 0] * x + frame[2, 1] * y + frame[2, 2] * z
        s.slot[i] = -1
        if modules[i, 7] > 0 or s.side[i, 0] < DARK_REACH * DARK_REACH:
            s.slot[i], s.seen[n], s.counts[n] = n, modules[i, 7], modules[i, 10]
            n += 1
    return n


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
        at = s.slot[i]
        if at < 0:
            continue
        side2, along = s.side[i, 0], s.side[i, 2]
        far = reach if view.modules[i, 7] > 0 else DARK_REACH
        half = np.sqrt(max(far * far - side2, 0.0))
        s.span[at, 0] = max(0, int(np.floor((along - half) / SEGMENT)) - FIRST)
        s.span[at, 1] = min(COUNT, int(np.floor((along + half) / SEGMENT)) - FIRST + 1) if half > 0 else 0
        for j in range(s.span[at, 0], s.span[at, 1]):
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
def _means(layer: float, int_b: float, int_a: float, rise: float) -> tuple[float, float]:
    """Return mean scattering and absorption of the last `rise` metres."""
    climb = rise if abs(rise) > LEVEL else LEVEL
    z = layer - climb - BOTTOM
    u = min(max(z / STEP, 0.0), len(ICE) - 1.0)
    i = np.uint64(u)
    d = z - STEP * i
    half, inverse = (u - i) * STEP * d / 2, 1 / climb
    b = (int_b - ICE[i, 2] - d * ICE[i, 0] - half * ICE[i, 4]) * inverse
    a = (int_a - ICE[i, 3] - d * ICE[i, 1] - half * ICE[i, 5]) * inverse
    return b, a


@compiled()
def _ways(view: View, n: int, s: Scratch) -> None:
    """Write the ways of light from n points."""
    modules, way, dz = view.modules, s.way, view.frame[2, 2]
    for k in range(n):
        i, ahead = s.module[k], s.ahead[k]
        distance = np.sqrt(s.side[i, 0] + ahead * ahead)
        rise, inverse = s.side[i, 1] + ahead * dz, 1 / distance
        way[0, k] = distance
        way[1, k], way[2, k] = _means(modules[i, 3], modules[i, 4], modules[i, 5], rise)
        way[3, k], way[4, k] = ahead * inverse, rise * inverse


@compiled()
def _fading(depth: float) -> tuple[float, float]:
    """Return exp(-depth / 3) and exp(-depth / 10)."""
    part = exp(-depth / 30)
    middle = part * part * part
    return middle * middle * middle * part, middle


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
        near, middle = _fading(depth)
        total = (
            c[0] + c[1] * ln(distance + 1) + distance * (c[2] * b + c[3] * a) + c[4] * depth + c[7] * ln(1 + depth)
            + near * (c[5] + up * (c[20] + up * (c[23] + up * c[24]))) + middle * (c[6] + up * c[21])
            + up * (c[19] + up * c[22]) + _angular(c, p, near, middle, up)
        )  # fmt: skip
        way[5, k] = exp(total)


@compiled()
def _charges(view: View, tables: Tables, reach: float, slots: int, s: Scratch) -> None:
    """Write what each GeV in each segment gives each module, and which modules see it."""
    n = _points(view, reach, s)
    _ways(view, n, s)
    _yields(tables.charge, s.way, n)
    s.range[:, 0], s.range[:, 1] = slots, 0
    s.light[:, :slots] = 0.0
    for k in range(n):
        j, at = s.segment[k], s.slot[s.module[k]]
        s.light[j, at] += s.share[k] * s.way[5, k]
        s.range[j, 0], s.range[j, 1] = min(s.range[j, 0], at), at + 1


@compiled()
def _expect(noise: float, slots: int, s: Scratch) -> None:
    """Write the charges that these energies give."""
    s.expected[:slots] = noise
    for j in range(COUNT):
        row, out = _part(s.light[j], s.range[j]), _part(s.expected, s.range[j])
        energy = s.energy[j]
        for k in range(len(row)):
            out[k] += energy * row[k]


@compiled()
def _part(row: Array, between: Ints) -> Array:
    """Return part of a row, as only loops that count from 0 are simple enough for vector instructions."""
    return row[between[0] : max(between[0], between[1])]


@compiled(flags=REORDERED)
def _sum(row: Array, factor: Array) -> float:
    """Return the sum of products."""
    total = 0.0
    for k in range(len(row)):
        total += factor[k] * row[k]
    return total


@compiled()
def _energies(settings: Settings, slots: int, s: Scratch) -> None:
    """Find energies by expectation maximisation from equal ones: those of all charge.

    Charges are negative binomial with the variance mu (1 + spread mu), whose score is Poisson's with the weight
    1 / (1 + spread mu). Charges alone hardly tell neighbouring segments apart: a fixed number of rounds from a fixed
    start keeps them even where nothing else is known, and makes them, and so the nllh, a smooth function of the track.
    """
    seen = given = 0.0
    for k in range(slots):
        seen += s.counts[k] * s.seen[k]
    for j in range(COUNT):
        given += _sum(_part(s.light[j], s.range[j]), _part(s.counts, s.range[j]))
    s.energy[:] = seen / max(given, 1e-9)
    for _ in range(ENERGY_ROUNDS):
        _expect(settings.noise, slots, s)
        for k in range(slots):
            weight = s.counts[k] / (1 + settings.spread * s.expected[k])
            s.factors[0, k], s.factors[1, k] = weight * s.seen[k] / s.expected[k], weight
        for j in range(COUNT):
            row = _part(s.light[j], s.range[j])
            up, down = _sum(row, _part(s.factors[0], s.range[j])), _sum(row, _part(s.factors[1], s.range[j]))
            step = (up + LEAST) / (down + settings.prior)
            s.energy[j] *= step * np.sqrt(step)  # a little farther than the exponent 1, which crawls


@compiled()
def _charge_nllh(modules: Array, settings: Settings, slots: int, s: Scratch) -> float:
    """Return the nllh of charges and energies."""
    spread, value = settings.spread, 0.0
    _expect(settings.noise, slots, s)
    for i in range(len(modules)):
        s.mean[i] = s.expected[s.slot[i]] if s.slot[i] >= 0 else settings.noise
    for i in range(len(modules)):
        s.terms[0, i] = (modules[i, 7] + 1 / spread) * ln(1 + spread * s.mean[i]) - modules[i, 7] * ln(s.mean[i])
    for i in range(len(modules)):
        value += modules[i, 10] * s.terms[0, i]
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
def _sources(view: View, s: Scratch) -> int:
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
                n = _place(s, n, i, top[k], s.side[i, 2] - emitted, (value[k] - least) / total)
    s.first[len(view.modules)] = n
    return n


@compiled()
def _delays(view: View, tables: Tables, n: int, s: Scratch) -> None:
    """Write root of the shape, rate (1/ns) and how late hits are (ns) for a track at time 0, in the first rows.

    As for `track-mpe` under the Cherenkov angle, elsewhere as much different from that as for a shower.
    """
    way = s.way
    for k in range(n):
        distance, b, a, p, up = way[0, k], way[1, k], way[2, k], way[3, k], way[4, k]
        i, emitted = s.module[k], (s.side[s.module[k], 2] - s.ahead[k]) / C
        tau, h = distance * b, (1 - up) / 2
        near, middle = _fading(2 * distance * np.sqrt(a * b))
        shape = _angular(tables.shape, p, near, middle, up) - _angular(tables.shape, COS_CHERENKOV, near, middle, up)
        rate = _angular(tables.rate, p, near, middle, up) - _angular(tables.rate, COS_CHERENKOV, near, middle, up)
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
def _timing(view: View, times: Array, t: float, s: Scratch) -> tuple[float, float, float]:
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
def _settle(view: View, times: Array, p: Array, s: Scratch, rounds: int) -> tuple[float, float, float]:
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
def _light_up(view: View, tables: Tables, settings: Settings, p: Array, s: Scratch) -> float:
    """Return the weighted nllh of the charges of a track at (a, b), and write whence and how its first light comes."""
    slots = _pass(view, p[0], p[1], s)
    _charges(view, tables, settings.reach, slots, s)
    _energies(settings, slots, s)
    value = settings.weight * _charge_nllh(view.modules, settings, slots, s)
    _even_out(settings.evenness, s)
    n = _sources(view, s)
    _ways(view, n, s)
    _delays(view, tables, n, s)
    return value


@compiled()
def _expand(view: View, tables: Tables, settings: Settings, p: Array, s: Scratch, rows: Array, out: Array) -> None:
    """Write gradient and approximate Hessian in (a, b, t) at p; `out` holds the value, its slope and curvature in t.

    Slopes in a and b are differences of the whole function, energies and shares included. In the Hessian charges have
    their expected curvature, first hits squares of their slopes (see `TIMING_CURVATURE`).
    """
    rows[0], rows[1] = s.mean, s.terms[1]
    for axis in range(2):
        p[axis] += PROBE
        charge = _light_up(view, tables, settings, p, s)
        timing, slope, _ = _timing(view, tables.times, p[2], s)
        p[axis] -= PROBE
        out[1 + axis] = (charge + timing - out[0]) / PROBE
        out[7 + axis] = (slope - out[3]) / PROBE
        rows[2 + axis], rows[4 + axis] = (s.mean - rows[0]) / PROBE, (s.terms[1] - rows[1]) / PROBE
    out[4:7] = 0.0
    for i in range(len(view.modules)):
        curve = settings.weight * view.modules[i, 10] / (rows[0, i] * (1 + settings.spread * rows[0, i]))
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
    """Descend from p, in place, write the energies there, and return the nllh and whether it converged.

    That is when the next step would gain next to nothing, or the last one gained just what the parabola had promised,
    so that it led to its bottom.
    """
    out, old, move, trial = np.zeros(10), np.zeros(3), np.zeros(3), p.copy()
    best, promise, settle = np.inf, 0.0, SETTLE if rounds > 1 else 0
    for turn in range(rounds):
        charge = _light_up(view, tables, settings, trial, s)
        timing, slope, curve = _settle(view, tables.times, trial, s, settle)
        value = charge + timing
        if value < best:
            gain, best = best - value, value
            move[2] = trial[2] - p[2]
            p[:], energy[:], old[:] = trial, s.energy, out[1:4]
            if promise < SURE and abs(gain - promise) < tolerance:
                return best, True
            if turn == rounds - 1:
                break
            out[0], out[3], out[9] = value, slope, curve
            _expand(view, tables, settings, trial, s, rows, out)
            if gain < np.inf:
                _learn(out, move, out[1:4] - old)
            promise = _step(out, move)
            if promise < tolerance:
                return best, True
        else:  # the least of the parabola through both values
            fall = out[1] * move[0] + out[2] * move[1] + out[3] * move[2]
            move *= min(max(-fall / (2 * (value - best - fall)), 0.1), 0.5)
            promise = 0.0
            if not value < np.inf or abs(move[0]) + abs(move[1]) < PROBE / 10:
                break
        trial[:] = p + move
    return best, False


def _signature() -> Any:
    kinds: Any = types
    number, table, row = kinds.float64, kinds.float64[:, ::1], kinds.float64[::1]
    terms = kinds.UniTuple(number, len(SHOWER_FEATURES))
    tables = kinds.NamedTuple((table, terms, terms, terms), Tables)
    settings = kinds.NamedUniTuple(number, len(Settings._fields), Settings)
    event = kinds.float64[:, :, ::1], table, tables, settings
    return kinds.void(*event, kinds.int64, number, table, table, row, kinds.boolean[::1])


@compiled()
def _in_order(modules: Array, flight: Array) -> Array:
    """Return modules in the order in which something that flies along `flight` passes them."""
    along = modules[:, 0] * flight[0] + modules[:, 1] * flight[1] + modules[:, 2] * flight[2]
    return modules[np.argsort(along, kind="mergesort")]


@compiled(_signature())
def descend(
    frames: Array, modules: Array, tables: Tables, settings: Settings, rounds: int, tolerance: float, points: Array,
    energy: Array, nllh: Array, converged: Mask,
) -> None:  # fmt: skip
    """Fit each direction from the point given for it, in place; one round only evaluates it."""
    s, rows = _scratch(len(modules)), np.zeros((6, len(modules)))
    for n in range(len(frames)):
        if np.isfinite(points[n]).all():
            view = View(frames[n], _in_order(modules, frames[n, 2]))
            nllh[n], converged[n] = _descend(view, tables, settings, rounds, tolerance, points[n], energy[n], s, rows)
