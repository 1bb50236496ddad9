"""Neutrino energies: known cross-sections and columns, and laws that any range must keep."""

import numpy as np
import pytest

from skymist.detector import earth
from skymist.errors import RequestError
from skymist.reco import neutrino
from skymist.reco.energy import Estimate

MUON = Estimate.of(np.log(1e5), 0.3)
DIRECTIONS = (1.0, 0.2, 0.0, -0.3, -1.0)
SPECTRA = (2.0, 2.19, 2.5, 3.0)


def test_the_earth_is_as_heavy_as_it_is() -> None:
    radius = (np.arange(63710) + 0.5) * 0.1
    mass = np.sum(4 * np.pi * radius**2 * earth.density(radius) * 0.1) * 1e12
    assert mass == pytest.approx(5.97e24, rel=0.01)
    assert earth.column(-1.0) == pytest.approx(1.1e10, rel=0.01)
    assert earth.column(1.0) == pytest.approx(0.917 * 1948e2, rel=1e-3)
    assert earth.column(0.5) == pytest.approx(2 * earth.column(1.0), rel=1e-3)
    assert earth.density(7000.0) == 0


def test_columns_grow_towards_the_nadir() -> None:
    columns = [earth.column(cosine) for cosine in np.linspace(1, -1, 41)]
    assert (np.diff(columns) > 0).all()


def test_cross_sections_are_those_that_are_known() -> None:
    """Within 10 % of Cooper-Sarkar, Mertsch and Sarkar, JHEP 08 (2011) 042: 100 TeV and 1 PeV, charged currents."""
    for energy, known in ((1e5, 2.0e-34), (1e6, 7.0e-34)):
        assert neutrino.cross_section(energy, neutrino.CHARGED[0]) == pytest.approx(known, rel=0.1)
    for charged, neutral in zip(neutrino.CHARGED, neutrino.NEUTRAL, strict=True):
        ratio = neutrino.cross_section(neutrino.ENERGY, neutral) / neutrino.cross_section(neutrino.ENERGY, charged)
        assert ratio.min() > 0.25
        assert ratio.max() < 0.5
        assert (np.diff(neutrino.cross_section(neutrino.ENERGY, charged)) > 0).all()


@pytest.mark.parametrize("cos_zenith", DIRECTIONS)
def test_transmission_is_a_share_that_falls_with_the_energy(cos_zenith: float) -> None:
    share = neutrino.transmission(neutrino.ENERGY, cos_zenith)
    assert share.shape == (2, len(neutrino.ENERGY))
    assert (share >= 0).all()
    assert (share <= 1).all()
    assert (np.diff(share, axis=1) <= 0).all()


def test_nothing_is_lost_above_the_horizon_and_much_through_the_core() -> None:
    assert neutrino.transmission(1e6, 0.2).min() > 0.99
    assert neutrino.transmission(1e6, -1.0).max() < 0.05
    assert 0.2 < neutrino.transmission(1e5, -1.0).mean() < 0.4


def test_inelasticities_have_the_means_that_they_should() -> None:
    y = neutrino.inelasticity_at((np.arange(1000) + 0.5) / 1000)
    assert (y >= 0).all()
    assert (y <= 1).all()
    for energy, mean in zip((1e3, 1e4, 1e5, 1e6, 1e7, 1e8), neutrino.MEAN_INELASTICITY, strict=True):
        row = np.argmin(np.abs(neutrino.ENERGY - energy))
        assert y[row].mean() == pytest.approx(mean, abs=0.005)
    below = neutrino.inelasticity_below(np.linspace(0, 1, 11))
    assert (below[:, 0] == 0).all()
    assert below[:, -1] == pytest.approx(1)
    assert (np.diff(below, axis=1) > 0).all()


@pytest.mark.parametrize("cos_zenith", DIRECTIONS)
def test_harder_spectra_and_brighter_muons_mean_more_energy(cos_zenith: float) -> None:
    found = neutrino.through_going(MUON, cos_zenith, SPECTRA)
    medians = [found[gamma].median for gamma in SPECTRA]
    assert medians == sorted(medians, reverse=True)
    assert len(set(medians)) == len(SPECTRA)
    scale = [
        neutrino.through_going(Estimate.of(np.log(energy), 0.3), cos_zenith, [2.19])[2.19].median
        for energy in (1e4, 3e4, 1e5, 3e5, 1e6, 1e7)
    ]
    assert scale == sorted(scale)
    assert all(each.median > MUON.low for each in found.values())


@pytest.mark.parametrize("gamma", SPECTRA)
def test_ranges_hold_one_another(gamma: float) -> None:
    for found in (
        neutrino.through_going(MUON, 0.0, [gamma]),
        neutrino.starting(MUON, MUON, 500.0, 0.0, [gamma]),
        neutrino.starting(None, MUON, 500.0, 0.0, [gamma]),
        neutrino.electron(MUON, 0.0, [gamma]),
        neutrino.neutral(MUON, 0.0, [gamma]),
    ):
        (low90, high90), (low68, high68) = found[gamma].central_90, found[gamma].central_68
        assert low90 < low68 < found[gamma].median < high68 < high90


def test_a_range_is_what_simulated_neutrinos_say() -> None:
    """Draw neutrinos, let them interact on the way and their muons lose energy, and keep those with this muon."""
    rng, n, horizon = np.random.default_rng(4), 400_000, 0.0
    energy = 10 ** rng.uniform(4, 9, n)
    arriving = neutrino.transmission(energy, horizon) * [neutrino.cross_section(energy, c) for c in neutrino.CHARGED]
    weight = arriving.sum(axis=0) * energy**-1.5
    row = np.searchsorted(neutrino.ENERGY, energy)
    share = neutrino.inelasticity_at(np.linspace(0, 1, 201))[row, rng.integers(0, 201, n)]
    ratio = neutrino.IONISATION / neutrino.RADIATION
    way = rng.uniform(0, min(earth.column(horizon), 6e6), n)
    left = ((1 - share) * energy + ratio) * np.exp(-neutrino.RADIATION * way) - ratio
    weight *= np.where(left > 1, MUON.likelihood(np.maximum(left, 1)), 0)
    order = np.argsort(energy)
    drawn = np.interp([0.16, 0.5, 0.84], np.cumsum(weight[order]) / weight.sum(), energy[order])
    found = neutrino.through_going(MUON, horizon, [2.5])[2.5]
    expected = [found.central_68[0], found.median, found.central_68[1]]
    assert np.log(drawn) == pytest.approx(np.log(expected), abs=0.06)


def test_an_electron_shows_all_and_a_neutral_current_only_a_share() -> None:
    shower = Estimate.of(np.log(1e5), 0.1)
    electron, neutral = (make(shower, 0.5, [2.5])[2.5] for make in (neutrino.electron, neutrino.neutral))
    assert electron.median == pytest.approx(1e5, rel=0.05)
    assert neutral.median > 1.5 * electron.median
    assert neutral.central_90[1] > 5 * electron.central_90[1]


def test_a_starting_muon_takes_away_what_is_not_deposited() -> None:
    deposited = Estimate.of(np.log(5e4), 0.1)
    dim, bright = (
        neutrino.starting(Estimate.of(np.log(energy), 0.2), deposited, 300.0, 0.0, [2.5])[2.5] for energy in (3e4, 3e5)
    )
    assert 5e4 < dim.median < 1.2e5
    assert bright.median > 3e5


@pytest.mark.parametrize("gamma", [-1.0, 6.0, float("nan")])
def test_a_spectrum_that_makes_no_sense(gamma: float) -> None:
    with pytest.raises(RequestError, match="the index goes from 0 to 5"):
        neutrino.through_going(MUON, 0.0, [gamma])


def test_what_no_neutrino_makes() -> None:
    with pytest.raises(RequestError, match="no neutrino between"):
        neutrino.electron(Estimate.of(np.log(1e-3), 0.1), 0.0, [2.5])
