"""Compiled core of the track fit: the likelihood with its derivatives, and Newton's method on it.

Coordinates: a and b (m) move the track in the plane normal to it, t (ns) is the time at which it
crosses that plane, which holds the charge centroid.

The constants of `light` and `arrival` are compiled in, but Numba's cache watches this file only: after
changing them, change this file too. The test against `reference` tells if that was forgotten.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from skymist.detector.light import COS_CHERENKOV, DELAY, RATE, SHAPE, SHIFT, SIN_CHERENKOV, C
from skymist.reco.arrival import Q_MIN, Q_STEP, SHAPES, SOFT, W_MAX, W_STEP

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Four = tuple[float, float, float, float]
F = TypeVar("F", bound=Callable[..., object])

A0, A1, A2, A3 = SHAPE
R0, R1, R2 = RATE
CORE2 = 4.0  # m^2, rounds off the distance near the track
LEVEL = 1e-3  # m, light that rises less is taken to rise by this
BRIGHT = 30.0  # PE, beyond which a module is certain to be hit

FAST = {"contract", "nsz", "arcp"}  # nothing that would let NaN or the order of a sum go astray

_MODEL = "float64[:,::1], float64[:,::1], float64[:,::1], float64[:,::1], float64, float64, float64"


def compiled(signature: Any = None, flags: set[str] = FAST) -> Callable[[F], F]:
    """Compile without the GIL; a function with a signature is compiled on import and kept on disk."""
    keep = signature is not None
    decorator: Any = njit(signature, cache=keep, nogil=True, fastmath=flags, error_model="numpy")
    decorate: Callable[[F], F] = decorator
    return decorate


@compiled()
def weights(f: float) -> tuple[Four, Four, Four]:
    """Return cubic B-spline weights at fraction f of a cell, with first and second derivatives."""
    g = 1.0 - f
    return (
        (g * g * g / 6, (4 - 6 * f * f + 3 * f * f * f) / 6, (4 - 6 * g * g + 3 * g * g * g) / 6, f * f * f / 6),
        (-g * g / 2, (3 * f * f - 4 * f) / 2, (4 * g - 3 * g * g) / 2, f * f / 2),
        (g, 3 * f - 2, 3 * g - 2, f),
    )


@compiled()
def dot(weights: Four, c0: float, c1: float, c2: float, c3: float) -> float:
    """Return the sum of four weighted coefficients."""
    return weights[0] * c0 + weights[1] * c1 + weights[2] * c2 + weights[3] * c3


@compiled()
def _along(table: Array, at: np.uint64, power: float, v0: Four, v1: Four, v2: Four) -> tuple[float, float, float]:
    """Return the spline of ln p + power ln S along four shapes, with first and second derivative."""
    c0 = table[at, 0] + power * table[at, 1]
    c1 = table[at + np.uint64(1), 0] + power * table[at + np.uint64(1), 1]
    c2 = table[at + np.uint64(2), 0] + power * table[at + np.uint64(2), 1]
    c3 = table[at + np.uint64(3), 0] + power * table[at + np.uint64(3), 1]
    return dot(v0, c0, c1, c2, c3), dot(v1, c0, c1, c2, c3), dot(v2, c0, c1, c2, c3)


@compiled()
def _timing(table: Array, x: float, q: float, power: float) -> tuple[float, float, float, float, float, float]:
    """Return ln p + power ln S at time x and shape q**2, with derivatives in x and q."""
    size = abs(x) + SOFT
    w = x / size
    inside_w = abs(w) < W_MAX - 2 * W_STEP
    u = (min(max(w, 2 * W_STEP - W_MAX), W_MAX - 2 * W_STEP) + W_MAX) / W_STEP
    inside_q = Q_MIN + Q_STEP < q < Q_MIN + (SHAPES - 3) * Q_STEP
    v = (min(max(q, Q_MIN + Q_STEP), Q_MIN + (SHAPES - 3) * Q_STEP) - Q_MIN) / Q_STEP
    i, j = int(u), int(v)
    u0, u1, u2 = weights(u - i)
    v0, v1, v2 = weights(v - j)
    corner = np.uint64((i - 1) * SHAPES + j - 1)
    r0 = _along(table, corner, power, v0, v1, v2)
    r1 = _along(table, corner + np.uint64(SHAPES), power, v0, v1, v2)
    r2 = _along(table, corner + np.uint64(2 * SHAPES), power, v0, v1, v2)
    r3 = _along(table, corner + np.uint64(3 * SHAPES), power, v0, v1, v2)
    f = dot(u0, r0[0], r1[0], r2[0], r3[0])
    fu = dot(u1, r0[0], r1[0], r2[0], r3[0])
    fuu = dot(u2, r0[0], r1[0], r2[0], r3[0])
    fv = dot(u0, r0[1], r1[1], r2[1], r3[1])
    fuv = dot(u1, r0[1], r1[1], r2[1], r3[1])
    fvv = dot(u0, r0[2], r1[2], r2[2], r3[2])
    wx = (SOFT / (size * size) / W_STEP) if inside_w else 0.0
    wxx = -2 * wx / size if x > 0 else 2 * wx / size
    qv = 1 / Q_STEP if inside_q else 0.0
    return f, fu * wx, fv * qv, fuu * wx * wx + fu * wxx, fuv * wx * qv, fvv * qv * qv


@compiled()
def _mean(
    ice: Array, bottom: float, step: float, layer: float, integral: float, rise: float, k: int
) -> tuple[float, float]:
    """Return mean coefficient k (0 scattering, 1 absorption) of the last `rise` metres, and its derivative."""
    z = layer - rise
    n = len(ice)
    u = min(max((z - bottom) / step, 0.0), n - 1.0)
    i = np.uint64(u)
    d = z - bottom - step * i
    here = ice[i, k]
    start = here + ice[i, k + 4] * (u - i) * step
    mean = (integral - ice[i, k + 2] - d * (here + start) / 2) / rise
    return mean, (start - mean) / rise


@compiled()
def _light(rho: float, attenuation: float, ln_light: float) -> tuple[float, float, float]:
    """Return expected photo-electrons (`expected_charge`, power 2) with two derivatives in distance."""
    near = 1 / rho
    mu = np.exp(ln_light - attenuation * rho) * near * near
    slope = -attenuation - 2 * near
    return mu, mu * slope, mu * (slope * slope + 2 * near * near)


@compiled()
def _arrival(
    layer: float,
    int_b: float,
    int_a: float,
    power: float,
    table: Array,
    ice: Array,
    bottom: float,
    step: float,
    rho: float,
    kappa: float,
    rest: float,
) -> tuple[float, float, float, float, float, float, float, float, float, float]:
    """Return the logarithm of the density of one first hit, with derivatives in distance, cos(eta) and time.

    Second derivatives leave out those of shape and rate, which the Newton steps do not need.
    """
    path = rho / SIN_CHERENKOV
    rise = path * kappa
    sharp = abs(rise) > LEVEL
    rise_rho, rise_kappa = (kappa / SIN_CHERENKOV, path) if sharp else (0.0, 0.0)
    rise = rise if sharp else LEVEL
    b, b_rise = _mean(ice, bottom, step, layer, int_b, rise, 0)
    a, a_rise = _mean(ice, bottom, step, layer, int_a, rise, 1)
    tau, h = path * b, (1 - kappa) / 2
    xi = A0 + A1 * tau + A2 * h * h + A3 * h * tau
    q = np.sqrt(xi)
    lean = A1 + A3 * h
    q_rho = lean * (b / SIN_CHERENKOV + path * b_rise * rise_rho) / (2 * q)
    q_kappa = (lean * path * b_rise * rise_kappa - A2 * h - A3 * tau / 2) / (2 * q)
    r = R0 + R1 * a + R2 * b
    r_rise = R1 * a_rise + R2 * b_rise
    r_rho, r_kappa = r_rise * rise_rho, r_rise * rise_kappa
    late = rest - rho * DELAY
    f, fx, fq, fxx, fxq, fqq = _timing(table, r * late, q, power)
    x_rho, x_kappa = r_rho * late - r * DELAY, r_kappa * late
    fqq -= fq / q
    return (
        f + np.log(r),
        fx * x_rho + fq * q_rho + r_rho / r,
        fx * x_kappa + fq * q_kappa + r_kappa / r,
        -fx * r,
        fxx * x_rho * x_rho + 2 * fxq * x_rho * q_rho + fqq * q_rho * q_rho - 2 * fx * r_rho * DELAY - (r_rho / r) ** 2,
        fxx * x_rho * x_kappa
        + fxq * (x_rho * q_kappa + x_kappa * q_rho)
        + fqq * q_rho * q_kappa
        - fx * r_kappa * DELAY
        - r_rho * r_kappa / (r * r),
        fxx * x_kappa * x_kappa + 2 * fxq * x_kappa * q_kappa + fqq * q_kappa * q_kappa - (r_kappa / r) ** 2,
        -r * (fxx * x_rho + fxq * q_rho) - fx * r_rho,
        -r * (fxx * x_kappa + fxq * q_kappa) - fx * r_kappa,
        fxx * r * r,
    )


@compiled()
def _add_silent(frame: Array, silent: Array, weight: float, p0: float, p1: float, out: Array) -> None:
    """Add the modules that saw nothing: minus the logarithm of exp(-mu)."""
    e1x, e1y, e1z = frame[0, 0], frame[0, 1], frame[0, 2]
    e2x, e2y, e2z = frame[1, 0], frame[1, 1], frame[1, 2]
    for i in range(len(silent)):
        x, y, z = silent[i, 0], silent[i, 1], silent[i, 2]
        y1 = e1x * x + e1y * y + e1z * z - p0
        y2 = e2x * x + e2y * y + e2z * z - p1
        rho = np.sqrt(y1 * y1 + y2 * y2 + CORE2)
        mu, mu1, mu2 = _light(rho, silent[i, 3], silent[i, 4])
        ra, rb = -y1 / rho, -y2 / rho
        out[0] += weight * mu
        out[1] += weight * mu1 * ra
        out[2] += weight * mu1 * rb
        out[4] += weight * (mu2 * ra * ra + mu1 * (1 - ra * ra) / rho)
        out[5] += weight * (mu2 - mu1 / rho) * ra * rb
        out[6] += weight * (mu2 * rb * rb + mu1 * (1 - rb * rb) / rho)


@compiled()
def evaluate(
    frame: Array,
    hits: Array,
    silent: Array,
    table: Array,
    ice: Array,
    bottom: float,
    step: float,
    weight: float,
    p: Array,
    out: Array,
) -> None:
    """Write nllh, its gradient and Hessian in (a, b, t) to out: f, a, b, t, aa, ab, bb, at, bt, tt."""
    e1x, e1y, e1z = frame[0, 0], frame[0, 1], frame[0, 2]
    e2x, e2y, e2z = frame[1, 0], frame[1, 1], frame[1, 2]
    dx, dy, dz = frame[2, 0], frame[2, 1], frame[2, 2]
    p0, p1, p2 = p[0], p[1], p[2]
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = s9 = 0.0
    for i in range(len(hits)):
        x, y, z = hits[i, 0], hits[i, 1], hits[i, 2]
        y1 = e1x * x + e1y * y + e1z * z - p0
        y2 = e2x * x + e2y * y + e2z * z - p1
        along = dx * x + dy * y + dz * z
        rho = np.sqrt(y1 * y1 + y2 * y2 + CORE2)
        lift = (y1 * e1z + y2 * e2z) / rho
        kappa = dz * COS_CHERENKOV + SIN_CHERENKOV * lift
        rest = hits[i, 6] - SHIFT - along / C - p2
        layer, int_b, int_a, power = hits[i, 3], hits[i, 4], hits[i, 5], hits[i, 7]
        f, fr, fk, ft, frr, frk, fkk, frt, fkt, ftt = _arrival(
            layer, int_b, int_a, power, table, ice, bottom, step, rho, kappa, rest
        )
        mu, mu1, mu2 = _light(rho, hits[i, 8], hits[i, 9])
        if mu < BRIGHT:
            seen = -np.expm1(-mu)
            odds = 1 / seen - 1
            f += weight * np.log(seen)
            fr += weight * odds * mu1
            frr += weight * odds * (mu2 - mu1 * mu1 / seen)
        ra, rb = -y1 / rho, -y2 / rho
        ka = -(SIN_CHERENKOV * e1z + SIN_CHERENKOV * lift * ra) / rho
        kb = -(SIN_CHERENKOV * e2z + SIN_CHERENKOV * lift * rb) / rho
        s0 -= f
        s1 -= fr * ra + fk * ka
        s2 -= fr * rb + fk * kb
        s3 -= ft
        s4 -= frr * ra * ra + 2 * frk * ra * ka + fkk * ka * ka + fr * (1 - ra * ra) / rho
        s5 -= frr * ra * rb + frk * (ra * kb + rb * ka) + fkk * ka * kb - fr * ra * rb / rho
        s6 -= frr * rb * rb + 2 * frk * rb * kb + fkk * kb * kb + fr * (1 - rb * rb) / rho
        s7 -= frt * ra + fkt * ka
        s8 -= frt * rb + fkt * kb
        s9 -= ftt
    out[0], out[1], out[2], out[3] = s0, s1, s2, s3
    out[4], out[5], out[6], out[7], out[8], out[9] = s4, s5, s6, s7, s8, s9
    _add_silent(frame, silent, weight, p0, p1, out)


@compiled()
def solve(out: Array, damping: float, move: Array) -> bool:
    """Newton step from gradient and Hessian with the diagonal raised; tell whether the Hessian was positive."""
    aa = out[4] + damping * max(abs(out[4]), 1e-4)
    bb = out[6] + damping * max(abs(out[6]), 1e-4)
    tt = out[9] + damping * max(abs(out[9]), 1e-5)
    if aa <= 0:
        return False
    l21, l31 = out[5] / aa, out[7] / aa
    d2 = bb - l21 * out[5]
    if d2 <= 0:
        return False
    m32 = out[8] - l21 * out[7]
    l32 = m32 / d2
    d3 = tt - l31 * out[7] - l32 * m32
    if d3 <= 0:
        return False
    z1 = -out[1]
    z2 = -out[2] - l21 * z1
    z3 = (-out[3] - l31 * z1 - l32 * z2) / d3
    move[2] = z3
    move[1] = z2 / d2 - l32 * z3
    move[0] = z1 / aa - l21 * move[1] - l31 * z3
    return True


@compiled()
def _newton(
    frame: Array,
    hits: Array,
    silent: Array,
    table: Array,
    ice: Array,
    bottom: float,
    step: float,
    weight: float,
    rounds: int,
    tolerance: float,
    p: Array,
    work: Array,
) -> tuple[float, int]:
    """Descend from p, in place; return the nllh and the number of rounds, negative if they were not enough."""
    now, new, move, trial = work[0], work[1], work[2], work[3]
    now[0] = np.inf
    trial[:3] = p
    damping, gain = 1e-3, np.inf
    for turn in range(rounds):
        evaluate(frame, hits, silent, table, ice, bottom, step, weight, trial, new)
        if new[0] < now[0]:
            p[:] = trial[:3]
            now[:] = new
            damping = max(damping / 8, 1e-6)
        elif damping > 1e6 or not new[0] < np.inf:
            break
        else:
            damping *= 6.0
        while not solve(now, damping, move):
            damping *= 4.0
        shrink = min(1.0, 60.0 / max(abs(move[0]), abs(move[1]), 1e-9), 200.0 / max(abs(move[2]), 1e-9))
        gain = 0.0
        for k in range(3):
            move[k] *= shrink
            trial[k] = p[k] + move[k]
            gain -= now[1 + k] * move[k] / 2
        if gain < tolerance and damping < 0.1:
            return now[0], turn + 1
    return now[0], turn + 1 if gain < tolerance else -turn - 1


@compiled(f"void(float64[:,:,::1], {_MODEL}, int64, float64, float64[:,::1], float64[::1], int64[::1])")
def descend(
    frames: Array,
    hits: Array,
    silent: Array,
    table: Array,
    ice: Array,
    bottom: float,
    step: float,
    weight: float,
    rounds: int,
    tolerance: float,
    points: Array,
    nllh: Array,
    taken: Ints,
) -> None:
    """Fit each direction from the point given for it, in place; say how many rounds that took, see `_newton`."""
    work = np.empty((4, 10))
    for n in range(len(frames)):
        nllh[n], taken[n] = _newton(
            frames[n], hits, silent, table, ice, bottom, step, weight, rounds, tolerance, points[n], work
        )


@compiled("void(float64[:,:,::1], float64[:,::1], float64[:,::1])")
def early_times(frames: Array, hits: Array, points: Array) -> None:
    """Set the time of each point so that a quarter of the hits come too early for a track through it."""
    late = np.empty(len(hits))
    for n in range(len(frames)):
        frame, p = frames[n], points[n]
        for i in range(len(hits)):
            x, y, z = hits[i, 0], hits[i, 1], hits[i, 2]
            y1 = frame[0, 0] * x + frame[0, 1] * y + frame[0, 2] * z - p[0]
            y2 = frame[1, 0] * x + frame[1, 1] * y + frame[1, 2] * z - p[1]
            along = frame[2, 0] * x + frame[2, 1] * y + frame[2, 2] * z
            late[i] = hits[i, 6] - along / C - np.sqrt(y1 * y1 + y2 * y2) * DELAY
        p[2] = np.sort(late)[len(late) // 4]
