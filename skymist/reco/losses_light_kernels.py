"""Compiled light of a track with losses: what its segments give each module, and their energies.

Light is worked out at points on the track, one or two for each segment and module, kept one after the other in long
arrays: loops over these are simple enough for vector instructions. `losses_reference` says in plain NumPy what all
this is.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skymist.detector.light import COS_CHERENKOV, RING
from skymist.reco.elementary import exp, ln
from skymist.reco.kernels import FAST, compiled
from skymist.reco.track_losses import (
    AROUND,
    CLOSE,
    COMPONENTS,
    CORE2,
    COUNT,
    DARK_REACH,
    ENERGY_ROUNDS,
    FADING,
    FIRST,
    HALF,
    SEGMENT,
)
from skymist.reco.track_mpe import ice_grid

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Terms = tuple[float, ...]

REORDERED = FAST | {"reassoc"}  # vector instructions add in another order
LEAST = 1e-12  # keeps dark energies positive
ICE, BOTTOM, STEP = ice_grid()
LEVEL = 1e-3  # m, light that rises less is taken to rise by this


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
def scratch(n: int) -> Scratch:
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
def pass_modules(view: View, a: float, b: float, s: Scratch) -> int:
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
def place(s: Scratch, n: int, i: int, j: int, ahead: float, share: float) -> int:
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
                n = place(s, n, i, j, ahead, share)
            else:
                apart = HALF * min(2 * (1 - square / (CLOSE * CLOSE)), 1.0)
                n = place(s, n, i, j, ahead - apart, share / 2)
                n = place(s, n, i, j, ahead + apart, share / 2)
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
def ways(view: View, n: int, s: Scratch) -> None:
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
def fading(depth: float) -> tuple[float, float]:
    """Return exp(-depth / 3) and exp(-depth / 10)."""
    part = exp(-depth / 30)
    middle = part * part * part
    return middle * middle * middle * part, middle


@compiled()
def angular(c: Terms, p: float, near: float, middle: float, up: float) -> float:
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
        near, middle = fading(depth)
        total = (
            c[0] + c[1] * ln(distance + 1) + distance * (c[2] * b + c[3] * a) + c[4] * depth + c[7] * ln(1 + depth)
            + near * (c[5] + up * (c[20] + up * (c[23] + up * c[24]))) + middle * (c[6] + up * c[21])
            + up * (c[19] + up * c[22]) + angular(c, p, near, middle, up)
        )  # fmt: skip
        way[5, k] = exp(total)


@compiled()
def charges(view: View, tables: Tables, reach: float, slots: int, s: Scratch) -> None:
    """Write what each GeV in each segment gives each module, and which modules see it."""
    n = _points(view, reach, s)
    ways(view, n, s)
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
def energies(settings: Settings, slots: int, s: Scratch) -> None:
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
def charge_nllh(modules: Array, settings: Settings, slots: int, s: Scratch) -> float:
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
def even_out(evenness: float, s: Scratch) -> None:
    """Write energies with the light that a muon gives everywhere between where it comes from and where it goes to."""
    for j in range(COUNT):
        before = after = 0.0
        for k in range(AROUND):
            before += s.energy[j - k] if j - k >= 0 else 0.0
            after += s.energy[j + k] if j + k < COUNT else 0.0
        s.lit[j] = s.energy[j] + evenness * min(before, after) / AROUND
