"""Compiled core of the fit of a track with losses: charges of segments, their energies, and first arrivals.

Coordinates as in `kernels`: a and b (m) move the track in the plane normal to it, t (ns) is the time at which it
crosses that plane, which holds the charge centroid. Segment j covers ``(first + j) * SEGMENT`` and the next 25 m along
the flight.

Columns of modules: x, y, z from the centre (m); height of the ice layer (m), scattering and absorption integrated up
to it; efficiency; photo-electrons. Of hits, in addition: time (ns) and number of independent photo-electrons.
"""

import numpy as np
from numpy.typing import NDArray

from skymist.detector import light
from skymist.detector.light import COS_CHERENKOV, LEAST_SHAPE, N_GROUP, RATE, RING, SHAPE, SHIFT, SIN_CHERENKOV, C
from skymist.reco.arrival import Q_MIN, Q_STEP, SHAPES, SOFT, W_MAX, W_STEP
from skymist.reco.kernels import _dot, _solve, _weights, compiled

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

SEGMENT = 25.0  # m
CORE2 = 4.0  # m^2
CLOSE = 60.0  # m, nearer than this the light of a segment comes from two places
DARK_REACH = 150.0  # m, farther than this from it a dark module says nothing about a segment
HALF = 7.2  # m, of two Gauss points in a segment
COMPONENTS = 4  # of an arrival time
AROUND = 8
DARK = 0.02  # PE of a module that are none of the track's light
FLOOR, WINDOW = 1e-3, 6000.0  # share of first hits that are noise, and how many ns they are spread over
A0, A1, A2, A3 = SHAPE
R0, R1, R2 = RATE
COT = COS_CHERENKOV / SIN_CHERENKOV

_features = compiled()(light.shower_features)


@compiled()
def _means(
    ice: Array, bottom: float, step: float, layer: float, int_b: float, int_a: float, rise: float
) -> tuple[float, float]:
    """Return mean scattering and absorption of the last `rise` metres."""
    climb = rise if abs(rise) > 1e-3 else 1e-3
    u = min(max((layer - climb - bottom) / step, 0.0), len(ice) - 1.0)
    i = np.uint64(u)
    d = layer - climb - bottom - step * i
    half, inverse = (u - i) * step * d / 2, 1 / climb
    b = (int_b - ice[i, 2] - d * ice[i, 0] - half * ice[i, 4]) * inverse
    a = (int_a - ice[i, 3] - d * ice[i, 1] - half * ice[i, 5]) * inverse
    return b, a


@compiled()
def _yield(
    distance: float, rise: float, cos_psi: float, layer: float, int_b: float, int_a: float, ice: Array, bottom: float,
    step: float, table: Array,
) -> float:  # fmt: skip
    """Return photo-electrons per GeV."""
    b, a = _means(ice, bottom, step, layer, int_b, int_a, rise)
    features = _features(distance, b, a, cos_psi, rise / distance)
    total = 0.0
    for k in range(27):
        total += table[k, 0] * features[k]
    return np.exp(total)


@compiled()
def charges(
    frame: Array, modules: Array, hits: int, p0: float, p1: float, first: int, reach: float, ice: Array, bottom: float,
    step: float, table: Array, light: Array, span: Ints,
) -> None:  # fmt: skip
    """Write what each GeV in each segment gives each module, and which segments are in its reach."""
    e1z, e2z, dz = frame[0, 2], frame[1, 2], frame[2, 2]
    count = light.shape[1]
    for i in range(len(modules)):
        x, y, z = modules[i, 0], modules[i, 1], modules[i, 2]
        y1 = frame[0, 0] * x + frame[0, 1] * y + frame[0, 2] * z - p0
        y2 = frame[1, 0] * x + frame[1, 1] * y + frame[1, 2] * z - p1
        along = frame[2, 0] * x + frame[2, 1] * y + frame[2, 2] * z
        side2 = y1 * y1 + y2 * y2 + CORE2
        lift = y1 * e1z + y2 * e2z
        layer, int_b, int_a, scale = modules[i, 3], modules[i, 4], modules[i, 5], modules[i, 6]
        far = reach if i < hits else DARK_REACH
        half = np.sqrt(far * far - side2) if side2 < far * far else 0.0
        low = max(0, int(np.floor((along - half) / SEGMENT)) - first)
        high = min(count, int(np.floor((along + half) / SEGMENT)) - first + 1)
        span[i, 0], span[i, 1] = low, max(low, high) if half > 0 else low
        for j in range(span[i, 0], span[i, 1]):
            ahead = along - (first + j + 0.5) * SEGMENT
            distance = np.sqrt(side2 + ahead * ahead)
            if distance > CLOSE:
                rise = lift + ahead * dz
                light[i, j] = scale * _yield(
                    distance, rise, ahead / distance, layer, int_b, int_a, ice, bottom, step, table
                )
            else:
                total = 0.0
                for side in range(-1, 2, 2):
                    part = ahead + side * HALF
                    distance = np.sqrt(side2 + part * part)
                    total += _yield(
                        distance, lift + part * dz, part / distance, layer, int_b, int_a, ice, bottom, step, table
                    )
                light[i, j] = scale * total / 2


@compiled()
def energies(
    modules: Array, light: Array, span: Ints, noise: float, spread: float, prior: float, rounds: int, energy: Array,
    mean: Array, work: Array,
) -> float:  # fmt: skip
    """Find energies by expectation maximisation from equal ones, and return the nllh of the charges.

    Charges are negative binomial with variance mu (1 + spread mu); its score is Poisson's with the weight 1 / (1 + spread mu).
    Charges alone hardly tell neighbouring segments apart. A fixed number of rounds from a fixed start keeps their energies
    even where nothing else is known, and makes them, and so the nllh, a smooth function of the track.
    """
    count = light.shape[1]
    up, down = work[0], work[1]
    seen = given = 0.0
    for i in range(len(modules)):
        seen += modules[i, 7]
        for j in range(span[i, 0], span[i, 1]):
            given += light[i, j]
    energy[:] = seen / max(given, 1e-9)
    for turn in range(rounds):
        up[:] = 1e-12
        down[:] = prior
        for i in range(len(modules)):
            total = noise
            for j in range(span[i, 0], span[i, 1]):
                total += energy[j] * light[i, j]
            weight = 1.0 / (1.0 + spread * total)
            ratio = weight * modules[i, 7] / total
            for j in range(span[i, 0], span[i, 1]):
                up[j] += ratio * light[i, j]
                down[j] += weight * light[i, j]
        for j in range(count):
            step = up[j] / down[j]
            energy[j] *= step * np.sqrt(step)
    value = 0.0
    for i in range(len(modules)):
        total = noise
        for j in range(span[i, 0], span[i, 1]):
            total += energy[j] * light[i, j]
        mean[i] = total
        value += (modules[i, 7] + 1 / spread) * np.log1p(spread * total) - modules[i, 7] * np.log(total)
    for j in range(count):
        value += prior * energy[j]
    return value


@compiled()
def even_out(energy: Array, share: float, lit: Array) -> None:
    """Write energies to which the light is added that a muon gives everywhere between where it comes from and goes to."""
    count = len(energy)
    for j in range(count):
        before = after = 0.0
        for k in range(AROUND):
            before += energy[j - k] if j - k >= 0 else 0.0
            after += energy[j + k] if j + k < count else 0.0
        lit[j] = energy[j] + share * min(before, after) / AROUND


@compiled()
def shares(light: Array, span: Ints, hits: int, energy: Array, segment: Ints, share: Array) -> None:
    """Write for each hit the segments that light it most, and their shares of its light.

    The light of the brightest one left out is taken off the others, so that shares change smoothly as segments change ranks.
    """
    top, value = np.empty(COMPONENTS + 1, np.int64), np.empty(COMPONENTS + 1)
    for i in range(hits):
        top[:], value[:] = -1, 0.0
        for j in range(span[i, 0], span[i, 1]):
            new, k = energy[j] * light[i, j], COMPONENTS
            if new <= value[k]:
                continue
            while k > 0 and value[k - 1] < new:
                top[k], value[k] = top[k - 1], value[k - 1]
                k -= 1
            top[k], value[k] = j, new
        total = DARK
        for k in range(COMPONENTS):
            segment[i, k] = top[k] if value[k] > value[COMPONENTS] else -1
            share[i, k] = value[k] - value[COMPONENTS]
            total += share[i, k]
        for k in range(COMPONENTS):
            share[i, k] /= total


@compiled()
def _angular(table: Array, k: int, cos_psi: float, near: float, middle: float, up: float) -> float:
    """Return what depends on the emission angle of the logarithm of shape (k = 1) or rate (2) of a shower's light."""
    p1, p2 = cos_psi, (3 * cos_psi * cos_psi - 1) / 2
    p3 = (5 * cos_psi * cos_psi - 3) * cos_psi / 2
    p4 = ((35 * cos_psi * cos_psi - 30) * cos_psi * cos_psi + 3) / 8
    off = (cos_psi - COS_CHERENKOV) / RING
    ring = np.exp(-off * off)
    return (
        p1 * (table[8, k] + table[9, k] * near + table[10, k] * middle + table[25, k] * up + table[26, k] * up * middle)
        + p2 * (table[11, k] + table[12, k] * near + table[13, k] * middle)
        + p3 * (table[14, k] * near + table[15, k] * middle)
        + p4 * table[16, k] * near
        + ring * (table[17, k] * near + table[18, k] * middle)
    )


@compiled()
def _look_up(times: Array, x: float, q: float) -> tuple[float, float]:
    """Return density and survival probability at time x (units of the inverse rate) and shape q**2."""
    w = x / (abs(x) + SOFT)
    u = (min(max(w, 2 * W_STEP - W_MAX), W_MAX - 2 * W_STEP) + W_MAX) / W_STEP
    v = (min(max(q, Q_MIN + Q_STEP), Q_MIN + (SHAPES - 3) * Q_STEP) - Q_MIN) / Q_STEP
    i, j = int(u), int(v)
    u0, _, _ = _weights(u - i)
    v0, _, _ = _weights(v - j)
    density = survival = 0.0
    for k in range(4):
        row = (i - 1 + k) * SHAPES + j - 1
        density += u0[k] * _dot(v0, times[row, 0], times[row + 1, 0], times[row + 2, 0], times[row + 3, 0])
        survival += u0[k] * _dot(v0, times[row, 1], times[row + 1, 1], times[row + 2, 1], times[row + 3, 1])
    return np.exp(density), np.exp(survival)


@compiled()
def arrivals(
    frame: Array, hits: Array, p0: float, p1: float, p2: float, first: int, segment: Ints, share: Array, times: Array,
    ice: Array, bottom: float, step: float, table: Array,
) -> float:  # fmt: skip
    """Return the nllh of the first hits: a mixture of the light of segments with the given shares."""
    e1z, e2z, dz = frame[0, 2], frame[1, 2], frame[2, 2]
    value = 0.0
    for i in range(len(hits)):
        x, y, z = hits[i, 0], hits[i, 1], hits[i, 2]
        y1 = frame[0, 0] * x + frame[0, 1] * y + frame[0, 2] * z - p0
        y2 = frame[1, 0] * x + frame[1, 1] * y + frame[1, 2] * z - p1
        along = frame[2, 0] * x + frame[2, 1] * y + frame[2, 2] * z
        side2 = y1 * y1 + y2 * y2 + CORE2
        lift = y1 * e1z + y2 * e2z
        bright = along - np.sqrt(side2) * COT
        layer, int_b, int_a = hits[i, 3], hits[i, 4], hits[i, 5]
        density = survival = 0.0
        rest = 1.0
        for k in range(COMPONENTS):
            j = segment[i, k]
            if j < 0:
                break
            rest -= share[i, k]
            from_ = (first + j) * SEGMENT
            emitted = min(max(bright, from_), from_ + SEGMENT)
            ahead = along - emitted
            distance = np.sqrt(side2 + ahead * ahead)
            rise = lift + ahead * dz
            up = rise / distance
            b, a = _means(ice, bottom, step, layer, int_b, int_a, rise)
            tau, h = distance * b, (1 - up) / 2
            shape = A0 + A1 * tau + A2 * h * h + A3 * h * tau
            rate = R0 + R1 * a + R2 * b
            if emitted != bright:
                near, middle, cos_psi = np.exp(-tau / 3), np.exp(-tau / 10), ahead / distance
                shape *= np.exp(
                    _angular(table, 1, cos_psi, near, middle, up) - _angular(table, 1, COS_CHERENKOV, near, middle, up)
                )
                rate *= np.exp(
                    _angular(table, 2, cos_psi, near, middle, up) - _angular(table, 2, COS_CHERENKOV, near, middle, up)
                )
            late = hits[i, 8] - SHIFT - p2 - emitted / C - distance * N_GROUP / C
            p, s = _look_up(times, rate * late, np.sqrt(shape))
            density += share[i, k] * p * rate
            survival += share[i, k] * s
        density += (rest + FLOOR) / WINDOW
        survival += rest + FLOOR
        value -= np.log(density) + (hits[i, 9] - 1) * np.log(survival) + np.log(hits[i, 9])
    return value


@compiled()
def _charge_slopes(
    modules: Array, light: Array, span: Ints, energy: Array, mean: Array, noise: float, spread: float, move: float,
    axis: int, slopes: Array,
) -> None:  # fmt: skip
    """Write how the expected charges change per metre, given the light at a moved track."""
    for i in range(len(modules)):
        total = noise
        for j in range(span[i, 0], span[i, 1]):
            total += energy[j] * light[i, j]
        slopes[i, axis] = (total - mean[i]) / move


@compiled()
def _expand(
    frame: Array, modules: Array, hits: int, p: Array, first: int, reach: float, segment: Ints, share: Array,
    energy: Array, mean: Array, times: Array, ice: Array, bottom: float, step: float, table: Array, noise: float,
    spread: float, weight: float, light: Array, span: Ints, slopes: Array, fresh: bool, out: Array,
) -> None:  # fmt: skip
    """Write gradient and an approximate Hessian in (a, b, t) at p; energies and shares stay as they are."""
    if fresh:
        charges(frame, modules, hits, p[0] + 1.0, p[1], first, reach, ice, bottom, step, table, light, span)
        _charge_slopes(modules, light, span, energy, mean, noise, spread, 1.0, 0, slopes)
        charges(frame, modules, hits, p[0], p[1] + 1.0, first, reach, ice, bottom, step, table, light, span)
        _charge_slopes(modules, light, span, energy, mean, noise, spread, 1.0, 1, slopes)
    old = out[4:].copy()
    out[1:] = 0.0
    for i in range(len(modules)):
        mu = mean[i]
        curve = weight / (mu * (1 + spread * mu))
        pull = curve * (mu - modules[i, 7])
        out[1] += pull * slopes[i, 0]
        out[2] += pull * slopes[i, 1]
        out[4] += curve * slopes[i, 0] * slopes[i, 0]
        out[5] += curve * slopes[i, 0] * slopes[i, 1]
        out[6] += curve * slopes[i, 1] * slopes[i, 1]
    model = (first, segment, share, times, ice, bottom, step, table)
    near = modules[:hits]
    da, dt = 0.5, 2.0
    ap = arrivals(frame, near, p[0] + da, p[1], p[2], *model)
    am = arrivals(frame, near, p[0] - da, p[1], p[2], *model)
    bp = arrivals(frame, near, p[0], p[1] + da, p[2], *model)
    bm = arrivals(frame, near, p[0], p[1] - da, p[2], *model)
    tp = arrivals(frame, near, p[0], p[1], p[2] + dt, *model)
    tm = arrivals(frame, near, p[0], p[1], p[2] - dt, *model)
    out[1] += (ap - am) / (2 * da)
    out[2] += (bp - bm) / (2 * da)
    out[3] += (tp - tm) / (2 * dt)
    if not fresh:
        out[4:] = old
        return
    here = arrivals(frame, near, p[0], p[1], p[2], *model)
    ab = arrivals(frame, near, p[0] + da, p[1] + da, p[2], *model)
    at = arrivals(frame, near, p[0] + da, p[1], p[2] + dt, *model)
    bt = arrivals(frame, near, p[0], p[1] + da, p[2] + dt, *model)
    out[4] += (ap - 2 * here + am) / (da * da)
    out[6] += (bp - 2 * here + bm) / (da * da)
    out[9] += (tp - 2 * here + tm) / (dt * dt)
    out[5] += (ab - ap - bp + here) / (da * da)
    out[7] += (at - ap - tp + here) / (da * dt)
    out[8] += (bt - bp - tp + here) / (da * dt)


_MODEL = (
    "float64[:,::1], int64, int64, float64, float64[:,::1], float64[:,::1], float64, float64, float64[:,::1], float64, "
    "float64, float64, float64, float64"
)


@compiled(
    f"void(float64[:,:,::1], {_MODEL}, int64, int64, float64, float64[:,::1], float64[:,::1], float64[::1], "
    "boolean[::1])"
)
def descend(
    frames: Array, modules: Array, hits: int, first: int, reach: float, times: Array, ice: Array, bottom: float,
    step: float, table: Array, noise: float, spread: float, prior: float, weight: float, even: float, scoring: int,
    rounds: int, tolerance: float, points: Array, energy: Array, nllh: Array, converged: NDArray[np.bool_],
) -> None:  # fmt: skip
    """Fit each direction from the point and energies given for it, in place."""
    n, count = len(modules), energy.shape[1]
    light, span = np.zeros((n, count)), np.zeros((n, 2), np.int64)
    mean, slopes, work = np.empty(n), np.empty((n, 2)), np.empty((2, count))
    segment, share = np.empty((hits, COMPONENTS), np.int64), np.empty((hits, COMPONENTS))
    out, move, trial, guess, best = np.empty(10), np.empty(3), np.empty(3), np.empty(count), np.empty(count)
    floor = np.empty(count)
    for m in range(len(frames)):
        frame, p = frames[m], points[m]
        converged[m] = False
        now, damping = np.inf, 1e-2
        trial[:] = p
        fresh, gain = True, np.inf
        for turn in range(rounds):
            charges(frame, modules, hits, trial[0], trial[1], first, reach, ice, bottom, step, table, light, span)
            value = weight * energies(modules, light, span, noise, spread, prior, scoring, guess, mean, work)
            even_out(guess, even, floor)
            shares(light, span, hits, floor, segment, share)
            value += arrivals(
                frame, modules[:hits], trial[0], trial[1], trial[2], first, segment, share, times, ice, bottom, step,
                table,
            )  # fmt: skip
            if value < now:
                now = value
                p[:] = trial
                best[:] = guess
                damping = max(damping / 6, 1e-4)
                _expand(
                    frame, modules, hits, p, first, reach, segment, share, best, mean, times, ice, bottom, step, table,
                    noise, spread, weight, light, span, slopes, fresh, out,
                )  # fmt: skip
                fresh = False
            elif damping > 1e5 or not value < np.inf:
                break
            else:
                damping *= 8.0
                fresh = True
            while not _solve(out, damping, move):
                damping = max(4.0 * damping, 1e-2)
            shrink = min(1.0, 40.0 / max(abs(move[0]), abs(move[1]), 1e-9), 150.0 / max(abs(move[2]), 1e-9))
            gain = 0.0
            for k in range(3):
                move[k] *= shrink
                trial[k] = p[k] + move[k]
                gain -= out[1 + k] * move[k] / 2
            if gain < tolerance and damping < 1.0:
                converged[m] = True
                break
        nllh[m] = now
        energy[m] = best
