"""How much energy a neutrino had, given what was seen of it: a range, for each spectrum that it may come from.

The probability of an energy is the product of the flux, E^-gamma in equal parts of neutrinos and antineutrinos; how
many of them the Earth lets through; how likely they interact; and how likely what was seen is then. Neutrinos of the
atmosphere are not thought of, nor those that come out of neutral currents in the Earth with less energy. A muon loses
what it loses on average.
"""

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skymist.detector.earth import column
from skymist.errors import RequestError
from skymist.reco.energy import Estimate

Floats = NDArray[np.float64]

ENERGY = np.geomspace(1e3, 1e10, 701)
"""Energies of neutrinos that are thought of, in GeV."""

AVOGADRO = 6.022e23  # nucleons in a gram
IONISATION, RADIATION = 2.6e-3, 3.4e-6  # of a muon, dE/dx = a + b E in GeV and g/cm2 of water (arXiv:1208.3430)
DENSITY = 0.917  # g/cm3, of ice
SPECTRA = 0.0, 5.0  # least and greatest gamma

# log10 of the cross-section (cm2) of a nucleon is c1 + c2 l + c3 l^2 + c4 / l with l = ln(log10 E/GeV - c0); Connolly,
# Thorne and Waters, Phys. Rev. D 83 (2011) 113009, made for 10 TeV and more. Charged and neutral currents, of neutrinos
# and antineutrinos.
CHARGED = (-1.826, -17.31, -6.406, 1.431, -17.91), (-1.033, -15.95, -7.247, 1.569, -17.72)
NEUTRAL = (-1.826, -17.31, -6.448, 1.431, -18.61), (-1.033, -15.95, -7.296, 1.569, -18.30)
Current = tuple[tuple[float, ...], tuple[float, ...]]

# Mean share of the energy that hadrons get, from 1 TeV up in decades; of neutrinos and antineutrinos together, after
# Gandhi, Quigg, Reno and Sarcevic, Astropart. Phys. 5 (1996) 81.
MEAN_INELASTICITY = 0.44, 0.40, 0.32, 0.27, 0.25, 0.24
SHARES = (np.arange(40) + 0.5) / 40  # of interactions, ordered by inelasticity

LOSS_SCATTER = 0.5  # of the logarithm of what a muon loses within some 500 m


class Range(NamedTuple):
    """Energies (GeV): the median, and the central intervals that hold 68 % and 90 %."""

    median: float
    central_68: tuple[float, float]
    central_90: tuple[float, float]


def through_going(muon: Estimate, cos_zenith: float, spectra: Iterable[float]) -> dict[float, Range]:
    """Return the energies of a neutrino whose muon comes from outside, by spectrum.

    A muon of the energy E that is seen was made with more, E0, and flown (dE/dx = a + b E) from anywhere up to where
    the ice and the Earth begin. So there are as many of E as

        1 / (a + b E) times the interactions in which the muon gets an E0 between E and what can be lost.

    Parameters
    ----------
    muon : Estimate
        Where it enters the detector.
    cos_zenith : float
        Of where it comes from.
    spectra : iterable of float
        The gamma of E^-gamma.

    Raises
    ------
    RequestError
        If a spectrum is none.
    """
    energy = np.geomspace(muon.value / 50, muon.value * 50, 301)
    most = (energy + IONISATION / RADIATION) * np.exp(RADIATION * min(column(cos_zenith), 1e8))
    made = inelasticity_below(1 - energy / ENERGY[:, None]) - inelasticity_below(1 - most / ENERGY[:, None])
    density = muon.likelihood(energy) / (IONISATION + RADIATION * energy) * energy
    return _ranges(made @ density, cos_zenith, CHARGED, spectra)


def starting(
    muon: Estimate | None, deposited: Estimate, length_m: float, cos_zenith: float, spectra: Iterable[float]
) -> dict[float, Range]:
    """Return the energies of a neutrino that makes a muon in the detector, by spectrum.

    Hadrons and what the muon loses give the deposited energy; the muon leaves with the rest.

    Parameters
    ----------
    muon : Estimate or None
        Where it is made; None if that cannot be told.
    deposited : Estimate
        In the detector.
    length_m : float
        Of the muon's way there.
    cos_zenith, spectra
        As for `through_going`.
    """
    inelasticity = inelasticity_at(SHARES)
    start = (1 - inelasticity) * ENERGY[:, None]
    lost = (start + IONISATION / RADIATION) * -np.expm1(-RADIATION * DENSITY * 100 * length_m)
    lost = np.minimum(lost, start)
    seen = hadronic_light(inelasticity * ENERGY[:, None]) + lost
    likely = deposited.likelihood(seen, LOSS_SCATTER * lost / seen)
    if muon is not None:
        likely = likely * muon.likelihood(start)
    return _ranges(likely.mean(axis=1), cos_zenith, CHARGED, spectra)


def electron(shower: Estimate, cos_zenith: float, spectra: Iterable[float]) -> dict[float, Range]:
    """Return the energies of an electron neutrino that makes a shower by a charged current, by spectrum.

    All its energy is seen but what hadrons do not turn into light. Parameters as for `starting`.
    """
    inelasticity = inelasticity_at(SHARES)
    seen = (1 - inelasticity) * ENERGY[:, None] + hadronic_light(inelasticity * ENERGY[:, None])
    return _ranges(shower.likelihood(seen).mean(axis=1), cos_zenith, CHARGED, spectra)


def neutral(shower: Estimate, cos_zenith: float, spectra: Iterable[float]) -> dict[float, Range]:
    """Return the energies of a neutrino that makes a shower by a neutral current: it shows only the hadrons' share."""
    seen = hadronic_light(inelasticity_at(SHARES) * ENERGY[:, None])
    return _ranges(shower.likelihood(seen).mean(axis=1), cos_zenith, NEUTRAL, spectra)


def cross_section(energy_gev: ArrayLike, coefficients: tuple[float, ...]) -> Floats:
    """Return the cross-section (cm2) of a nucleon; see `CHARGED` and `NEUTRAL`."""
    c0, c1, c2, c3, c4 = coefficients
    ln = np.log(np.log10(energy_gev) - c0)
    return np.asarray(10 ** (c1 + c2 * ln + c3 * ln**2 + c4 / ln))


def transmission(energy_gev: ArrayLike, cos_zenith: float) -> Floats:
    """Return which share of neutrinos, and of antineutrinos, escapes charged currents in the Earth, shape (2, n)."""
    crossed = AVOGADRO * column(cos_zenith)
    return np.stack([np.exp(-crossed * cross_section(energy_gev, coefficients)) for coefficients in CHARGED])


def inelasticity_below(share: Floats) -> Floats:
    """Return how likely hadrons get less than a share of the energy, shape (len(ENERGY), n).

    Quarks and antiquarks in equal parts give 1 + (1 - y)^2, and y^(p - 1) stands for how many there are; p makes the
    mean right. It is the form with which IceCube describes what it measures (arXiv:1808.07629).
    """
    y, p = np.clip(share, 0, 1), _powers()[:, None]
    return np.asarray(y**p * _terms(y, p) / _terms(np.ones_like(y), p))


def inelasticity_at(below: Floats) -> Floats:
    """Return the inelasticities below which these shares of interactions are, shape (len(ENERGY), n)."""
    # y^p is nearly even: its distribution is easily turned round.
    even = np.linspace(0, 1, 400)
    share = even ** (1 / _powers()[:, None])
    return np.array([np.interp(below, row, y) for row, y in zip(inelasticity_below(share), share, strict=True)])


def hadronic_light(energy_gev: Floats) -> Floats:
    """Return the energy of an electromagnetic shower with the light of hadrons of this energy (on average).

    After Gabriel et al., Nucl. Instrum. Meth. A 338 (1994) 336, as `skymist.simulate.losses.hadronic_light`.
    """
    return np.asarray(energy_gev * (1 - 0.533 * (np.maximum(energy_gev, 3.0) / 0.399) ** -0.130))


@cache
def _powers() -> Floats:
    """Return p of `inelasticity_below` at each of `ENERGY`."""
    p = np.linspace(0.2, 2, 400)
    mean = (2 / (p + 1) - 2 / (p + 2) + 1 / (p + 3)) / _terms(np.ones_like(p), p)
    wanted = np.interp(np.log10(ENERGY), 3 + np.arange(len(MEAN_INELASTICITY)), MEAN_INELASTICITY)
    return np.asarray(np.interp(wanted, mean, p))


def _terms(y: Floats, p: Floats) -> Floats:
    return np.asarray(2 / p - 2 * y / (p + 1) + y**2 / (p + 2))


def _ranges(likely: Floats, cos_zenith: float, current: Current, spectra: Iterable[float]) -> dict[float, Range]:
    """Return the range for each spectrum, from how likely what was seen is at each of `ENERGY`."""
    arriving = transmission(ENERGY, cos_zenith) * [cross_section(ENERGY, coefficients) for coefficients in current]
    weight = likely * arriving.sum(axis=0)
    return {gamma: _range(weight * (ENERGY / ENERGY[0]) ** (1 - _checked(gamma))) for gamma in spectra}


def _checked(gamma: float) -> float:
    low, high = SPECTRA
    if not low <= gamma <= high:
        raise RequestError(f"spectrum E^-{gamma:g}: the index goes from {low:g} to {high:g}")
    return gamma


def _range(weight: Floats) -> Range:
    """Return the central intervals of a density in ln E."""
    below = np.cumsum(weight) - weight / 2
    if not below[-1] > 0:
        raise RequestError(f"no neutrino between {ENERGY[0]:g} and {ENERGY[-1]:g} GeV makes what was seen")
    shares = 0.05, 0.16, 0.5, 0.84, 0.95
    a, b, median, c, d = np.exp(np.interp(shares, below / weight.sum(), np.log(ENERGY))).tolist()
    return Range(median, (b, c), (a, d))
