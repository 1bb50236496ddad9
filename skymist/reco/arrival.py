"""Tables of the arrival-time density: logarithms of density and survival, as cubic B-splines."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import spline_filter
from scipy.special import gammainc, gammaincc, gammaln, ndtr

Floats = NDArray[np.float64]

FLOOR = 1e-3
"""Share of first hits that are not the track's light: noise, pre-pulses, other muons."""

SOFT = 0.3
"""Times x (in units of the inverse rate) are tabulated on w = x / (|x| + SOFT)."""

TIMES, SHAPES = 512, 48
W_MAX = 0.997
Q_MIN, Q_MAX = 0.15, 7.5
W_STEP = 2 * W_MAX / (TIMES - 1)
Q_STEP = (Q_MAX - Q_MIN) / (SHAPES - 1)


@cache
def table(jitter: float) -> Floats:
    """Return B-spline coefficients of ln p and ln S of the dimensionless residual x.

    p is the gamma density of shape q**2 and unit rate, smeared with a Gaussian of width `jitter`
    (van Eijndhoven et al., arXiv:0704.1706, but with a width in units of the inverse rate), plus
    a floor with long tails; S is the probability of a later arrival.

    Returns
    -------
    (TIMES * SHAPES, 2) float64
        Coefficients on the grid w = -W_MAX + i W_STEP, q = Q_MIN + j Q_STEP, in row i * SHAPES + j.
    """
    w = np.linspace(-W_MAX, W_MAX, TIMES)
    q = np.linspace(Q_MIN, Q_MAX, SHAPES)
    density, survival = first_arrival(SOFT * w / (1 - np.abs(w)), q**2, jitter)
    logs = np.log(density), np.log(survival)
    return np.column_stack([spline_filter(values, mode="mirror").ravel() for values in logs])


def first_arrival(x: Floats, shape: Floats, jitter: float) -> tuple[Floats, Floats]:
    """Return density and survival of the smeared gamma density with its floor, shape (len(x), len(shape)).

    Gamma probabilities in bins a fifth of `jitter` wide (finer at the pole at 0) are convolved with the
    Gaussian; beyond 400 times `jitter`, where nothing is steep, the gamma density itself is taken.
    """
    edges = np.concatenate([[0.0], np.geomspace(1e-4, 1, 20), np.arange(2, 2000)]) * jitter / 5
    mass = np.diff(gammainc(shape[None], edges[:, None]), axis=0)
    z = (x[:, None] - (edges[1:] + edges[:-1])[None] / 2) / jitter
    kernel = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    # Not with @: BLAS sums in another order if it has another number of threads, and a scan on worker processes, which
    # have one, would differ from one on threads wherever a fit is far from its minimum.
    density = np.einsum("xb,bs->xs", kernel, mass) / jitter
    survival = np.einsum("xb,bs->xs", ndtr(-z), mass) + gammaincc(shape, edges[-1])
    far = x > edges[-60]
    density[far] = np.exp((shape - 1) * np.log(x[far, None]) - x[far, None] - gammaln(shape))
    survival[far] = gammaincc(shape, x[far, None])
    tail = 1 / (1 + np.abs(x))[:, None]
    later = np.where(x[:, None] > 0, tail / 2, 1 - tail / 2)
    return (1 - FLOOR) * density + FLOOR / 2 * tail**2, (1 - FLOOR) * survival + FLOOR * later
