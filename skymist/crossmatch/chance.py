"""Chance: how often sources that have nothing to do with an event lie in its region.

Sources keep their declinations, as catalogs have more of them in some parts of the sky than in others; right ascensions
are what chance decides. A region covers a certain share of all right ascensions at each declination. That share follows
from the shape of HEALPix cells, so nothing has to be shuffled: all probabilities here are exact.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from skymist.model import sky
from skymist.model.sky import Floats, Ints

BAND_DEG = 10.0
"""Sources within so many degrees of the best fit's declination tell the local density."""


@dataclass(frozen=True)
class Chance:
    """Chance coincidences of one catalog with one region.

    Attributes
    ----------
    density : float
        Sources per square degree around the declination of the best fit.
    expected_local : float
        Sources in a region of this area, from that density.
    p_local : float
        Probability of at least one, 1 - exp(-expected).
    expected_scrambled : float
        Sources in the region if right ascensions are random, declinations as they are.
    p_number : float
        Probability of at least as many as there are.
    p_best : float
        Probability that the best source, that of the lowest TS, is as good as here, or better.
    """

    density: float
    expected_local: float
    p_local: float
    expected_scrambled: float
    p_number: float
    p_best: float


@dataclass(frozen=True, eq=False)
class Rings:
    """Cells by the rings that they are in: cells of one size whose centres have one declination.

    In the plane of HEALPix (Calabretta & Roukema 2007, MNRAS 381, 865; Gorski et al. 2005, ApJ 622, 759) each cell is a
    square on its corner, ``|x - xc| + |y - yc| <= h`` with h = pi / (4 nside). Towards the poles, right ascensions are
    stretched by sigma. So a cell covers 2 (h - |y - yc|) / sigma of right ascension: only its ring matters. Rings of
    one size are at multiples of h: at any height there are cells of two, and what they cover is linear between them.

    Attributes
    ----------
    nside : (m,) int64
    ring : (m,) int64
        Of each cell, counted from the south pole: height in units of h.
    """

    nside: Ints
    ring: Ints

    @classmethod
    def of_cells(cls, cells: Ints) -> Self:
        """Return the rings of cells, NUNIQ numbers without overlaps."""
        nside = sky.nside_of(cells)
        height, _ = _plane(sky.centers(cells)[1])
        return cls(nside, np.rint((height / (np.pi / 4) + 2) * nside).astype(np.int64))

    def shares(self, dec: Floats, cells: NDArray[np.bool_] | None = None) -> Floats:
        """Return which share of all right ascensions cells cover at some declinations.

        Parameters
        ----------
        dec : (n,) ndarray
            Radians.
        cells : (m,) ndarray of bool, optional
            Which of the cells; all by default.

        Returns
        -------
        (n,) ndarray
            From 0 to 1.
        """
        nside, ring = (self.nside, self.ring) if cells is None else (self.nside[cells], self.ring[cells])
        y, sigma = _plane(np.asarray(dec, float))
        found = np.zeros(y.shape)
        for level in np.unique(nside):
            used = ring[nside == level]
            count, height = np.bincount(used, minlength=4 * level + 1), (y / (np.pi / 4) + 2) * level
            near = np.flatnonzero((height > used.min() - 1) & (height < used.max() + 1))
            found[near] += np.interp(height[near], np.arange(count.size), count) / (4 * level)
        return np.minimum(found / sigma, 1.0)


def chance(
    rings: Rings, region: NDArray[np.bool_], best: NDArray[np.bool_], dec: Floats, inside: int, area_deg2: float,
    best_dec: float,
) -> Chance:  # fmt: skip
    """Return what chance gives for a catalog.

    Parameters
    ----------
    rings : Rings
        Of all cells of a map.
    region, best : (m,) ndarray of bool
        Cells of the region, and all that are as good as that of the best source, or better.
    dec : (n,) ndarray
        Of all sources, radians.
    inside : int
        Sources in the region.
    area_deg2 : float
        Of the region.
    best_dec : float
        Of the best fit, radians.
    """
    density = local_density(dec, best_dec)
    share = rings.shares(dec, region)
    expected = float(density * area_deg2)
    # log1p keeps what is small exact.
    p_best = -np.expm1(np.sum(np.log1p(-np.minimum(rings.shares(dec, best), 1 - 1e-16)))) if len(dec) else 1.0
    return Chance(
        density, expected, float(-np.expm1(-expected)), float(share.sum()), at_least(share, inside), float(p_best)
    )


def local_density(dec: Floats, around: float) -> float:
    """Return the sources per square degree in a band of declination, at a pole a cap, around a declination."""
    half = np.radians(BAND_DEG)
    low, high = max(around - half, -np.pi / 2), min(around + half, np.pi / 2)
    area = 2 * np.pi * (np.sin(high) - np.sin(low)) * np.degrees(1.0) ** 2
    return float(np.count_nonzero((dec >= low) & (dec <= high)) / area)


def at_least(probabilities: Floats, number: int) -> float:
    """Return the probability that at least so many of independent events happen (Poisson's binomial distribution).

    Examples
    --------
    >>> at_least(np.array([0.5, 0.5]), 1)
    0.75
    """
    if number <= 0:
        return 1.0
    some = probabilities[probabilities > 0]
    terms = np.stack([1 - some, some], axis=1)  # of polynomials, whose products are those of all together
    while len(terms) > 1:
        if len(terms) % 2:
            terms = np.concatenate([terms, np.eye(1, terms.shape[1])])
        one, other = terms[::2], terms[1::2]
        terms = np.zeros((len(one), min(2 * one.shape[1] - 1, number)))
        for power in range(min(one.shape[1], number)):
            width = min(other.shape[1], terms.shape[1] - power)
            terms[:, power : power + width] += one[:, power, None] * other[:, :width]
    return float(min(1.0, max(0.0, 1 - terms[:, :number].sum())))


def of_trials(probabilities: list[float]) -> float | None:
    """Return the probability that the best of several catalogs is as good by chance (Sidak 1967).

    Catalogs are taken for independent. As many sources stand in several of them, it is too large rather than too small.

    Examples
    --------
    >>> round(of_trials([0.1, 0.5]), 10)
    0.19
    """
    return float(-np.expm1(len(probabilities) * np.log1p(-min(probabilities)))) if probabilities else None


def _plane(dec: Floats) -> tuple[Floats, Floats]:
    """Return the height of declinations in the plane of HEALPix, and the stretch of right ascensions there."""
    z = np.sin(dec)
    sigma = np.where(np.abs(z) > 2 / 3, np.sqrt(3 * np.maximum(1 - np.abs(z), 0.0)), 1.0)
    y = np.where(np.abs(z) > 2 / 3, np.sign(z) * np.pi / 4 * (2 - sigma), 3 * np.pi / 8 * z)
    return y, np.maximum(sigma, 1e-12)
