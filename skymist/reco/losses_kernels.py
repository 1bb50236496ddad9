"""Compiled descent of a track with losses to the minimum of its likelihood.

Coordinates as in `kernels`: a and b (m) move the track in the plane normal to it, t (ns) is the time at which it
crosses that plane, which holds the charge centroid. How much light there is, is in `losses_light_kernels`, and when
it comes in `losses_timing_kernels`.

All these files, the ice and the formulas and constants of `light`, `track_losses` and `elementary` are compiled in,
but Numba's cache watches this file only: after changing them, count up `COMPILED`. The test against
`losses_reference` tells if that was forgotten.
"""

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from skymist.detector.light import SHOWER_FEATURES
from skymist.reco.kernels import compiled, solve
from skymist.reco.losses_light_kernels import (
    Array,
    Scratch,
    Settings,
    Tables,
    View,
    charge_nllh,
    charges,
    energies,
    even_out,
    pass_modules,
    scratch,
    ways,
)
from skymist.reco.losses_timing_kernels import LATE, delays, settle, sources, timing

Ints = NDArray[np.int64]

COMPILED = 1
PROBE = 0.1  # m, the step of differences
TIMING_CURVATURE = 0.6  # of the sum of squares of the slopes: on average over fits
SETTLE = 4  # rounds in which each trial's time is fitted
SURE = 1.0  # gains beyond this are not those of a last step
FAR = 40.0  # m, the longest step of the descent


@compiled()
def _light_up(view: View, tables: Tables, settings: Settings, p: Array, s: Scratch) -> float:
    """Return the weighted nllh of the charges of a track at (a, b), and write whence and how its first light comes."""
    slots = pass_modules(view, p[0], p[1], s)
    charges(view, tables, settings.reach, slots, s)
    energies(settings, slots, s)
    value = settings.weight * charge_nllh(view.modules, settings, slots, s)
    even_out(settings.evenness, s)
    n = sources(view, s)
    ways(view, n, s)
    delays(view, tables, n, s)
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
        first, slope, _ = timing(view, tables.times, p[2], s)
        p[axis] -= PROBE
        out[1 + axis] = (charge + first - out[0]) / PROBE
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
) -> tuple[float, int]:  # fmt: skip
    """Descend from p, in place, write the energies there; return the nllh and the number of rounds.

    That is negative if they were not enough. They are when the next step would gain next to nothing, or the last one
    gained just what the parabola had promised, so that it led to its bottom.
    """
    out, old, move, trial = np.zeros(10), np.zeros(3), np.zeros(3), p.copy()
    best, promise, tries = np.inf, 0.0, SETTLE if rounds > 1 else 0
    for turn in range(rounds):
        charge = _light_up(view, tables, settings, trial, s)
        first, slope, curve = settle(view, tables.times, trial, s, tries)
        value = charge + first
        if value < best:
            gain, best = best - value, value
            move[2] = trial[2] - p[2]
            p[:], energy[:], old[:] = trial, s.energy, out[1:4]
            if promise < SURE and abs(gain - promise) < tolerance:
                return best, turn + 1
            if turn == rounds - 1:
                break
            out[0], out[3], out[9] = value, slope, curve
            _expand(view, tables, settings, trial, s, rows, out)
            if gain < np.inf:
                _learn(out, move, out[1:4] - old)
            promise = _step(out, move)
            if promise < tolerance:
                return best, turn + 1
        else:  # the least of the parabola through both values
            fall = out[1] * move[0] + out[2] * move[1] + out[3] * move[2]
            move *= min(max(-fall / (2 * (value - best - fall)), 0.1), 0.5)
            promise = 0.0
            if not value < np.inf or abs(move[0]) + abs(move[1]) < PROBE / 10:
                break
        trial[:] = p + move
    return best, -turn - 1


def _signature() -> Any:
    kinds: Any = types
    number, table, row = kinds.float64, kinds.float64[:, ::1], kinds.float64[::1]
    terms = kinds.UniTuple(number, len(SHOWER_FEATURES))
    tables = kinds.NamedTuple((table, terms, terms, terms), Tables)
    settings = kinds.NamedUniTuple(number, len(Settings._fields), Settings)
    event = kinds.float64[:, :, ::1], table, tables, settings
    return kinds.void(*event, kinds.int64, number, table, table, row, kinds.int64[::1])


@compiled()
def _in_order(modules: Array, flight: Array) -> Array:
    """Return modules in the order in which something that flies along `flight` passes them."""
    along = modules[:, 0] * flight[0] + modules[:, 1] * flight[1] + modules[:, 2] * flight[2]
    return modules[np.argsort(along, kind="mergesort")]


@compiled(_signature())
def descend(
    frames: Array, modules: Array, tables: Tables, settings: Settings, rounds: int, tolerance: float, points: Array,
    energy: Array, nllh: Array, taken: Ints,
) -> None:  # fmt: skip
    """Fit each direction from the point given for it, in place; one round only evaluates it."""
    s, rows = scratch(len(modules)), np.zeros((6, len(modules)))
    for n in range(len(frames)):
        if np.isfinite(points[n]).all():
            view = View(frames[n], _in_order(modules, frames[n, 2]))
            nllh[n], taken[n] = _descend(view, tables, settings, rounds, tolerance, points[n], energy[n], s, rows)
