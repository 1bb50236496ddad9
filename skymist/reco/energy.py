"""Energies from the losses along a track: what was deposited, and what the muon had.

A muon loses dE/dx = a + b E on average, but much of it in few large losses, which say more about luck than about E. So
the way through the detector is cut into bins, those with the largest losses are left out, and the mean of the others
tells the energy (arXiv:1208.3430); how, was found on simulated muons, ``tools/fit_muon_energy.py``.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skymist.detector.volume import contains
from skymist.errors import RequestError
from skymist.model.columns import Columns
from skymist.model.detector import Detector
from skymist.model.event import Losses

Floats = NDArray[np.float64]

RADIATION = 3.4e-4 * 0.917  # 1/m, b of a muon in ice (Review of Particle Physics)
FAINTEST = 0.1  # GeV/m; a muon gives more
FEWEST_BINS = 4

# A track starts in the volume if it is dark there for so long (m) before half of its light. Of muons simulated photon
# by photon no through-going one (of 60) is, and all that start 200 m inside (17) are; of others of 10 TeV and more 3 of
# 178 and 61 of 65. Light is found from some 80 m before the vertex on; hadrons add to it up to 20 m beyond.
DARK_WAY = 150.0
DARK = 0.1  # of the mean of the segments, where large losses count only as much as the mean
VERTEX, SHOWER = 80.0, 20.0

EDGE_STEP = 1.0  # m

# Of ln E, 68 % of simulated events at their best fits: of what 80 tracks deposited, a quarter of them in other ice; of
# 60 showers; of starting muons, whose way is shorter and whose beginning is not certain.
DEPOSITED_SIGMA, SHOWER_SIGMA, STARTING_SIGMA = 0.18, 0.12, 0.5
TAILED = (0.8, 0.8), (0.2, 2.4)  # normal distributions, shares and widths: 68 % are within 1


class Estimate(NamedTuple):
    """An energy (GeV) and the interval that holds the true one in 68 % of all cases."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, ln_energy: float, sigma: float) -> Self:
        """Return the estimate with this error of the logarithm."""
        return cls(*(float(np.exp(ln_energy + shift)) for shift in (0.0, -sigma, sigma)))

    def likelihood(self, energy_gev: ArrayLike, scatter: ArrayLike = 0.0) -> Floats:
        """Return how likely this estimate is for other true energies; with more scatter of the logarithm if given.

        Errors have the tails that simulated events have: 90 % of them are within 1.9 times as much as 68 %.
        """
        sigma = np.hypot(np.log(self.high / self.low) / 2, scatter)
        off = np.log(self.value / np.maximum(energy_gev, 1e-30)) / sigma
        return np.asarray(sum(share / width * np.exp(-((off / width) ** 2) / 2) for share, width in TAILED) / sigma)


@dataclass(frozen=True, eq=False)
class Profile(Columns):
    """Losses along a track in the order of flight.

    Attributes
    ----------
    distance_m : (n,) float64
        Of the middle of each segment from where the track enters the instrumented volume.
    position : (n, 3) float64
        The middles, m.
    energy_gev : (n,) float64
    inside : (n,) bool
        Whether the middle is in the volume.
    """

    distance_m: Floats
    position: Floats
    energy_gev: Floats
    inside: NDArray[np.bool_]

    LAYOUT: ClassVar = {
        "distance_m": ("<f8",),
        "position": ("<f8", 3),
        "energy_gev": ("<f8",),
        "inside": ("?",),
    }

    @property
    def segment_m(self) -> float:
        """Length of a segment; 0 if there is only one."""
        return float(self.distance_m[1] - self.distance_m[0]) if len(self) > 1 else 0.0

    @property
    def length_m(self) -> float:
        """Of the segments in the volume."""
        return self.segment_m * int(self.inside.sum())


class Muon(NamedTuple):
    """How the relation of a muon's energy to its truncated losses was found: see `muon_energy`."""

    bin_m: float
    dropped: float
    intercept: float
    slope: float
    sigma: float


def profile(losses: Losses, detector: Detector, flight: Floats) -> Profile:
    """Return the losses of equally long segments of a track with their distances from the entry into the detector.

    Parameters
    ----------
    losses : Losses
        At the middles of the segments, in the order of flight; a single one is a shower.
    detector : Detector
    flight : (3,) float64
        Direction of flight.

    Raises
    ------
    RequestError
        If the track does not cross the instrumented volume.
    """
    if not len(losses):
        raise RequestError("too few modules saw light for the losses along a track")
    along = (losses.position - losses.position[0]) @ flight
    enter, _ = crossing(detector, losses.position[0], flight)
    return Profile(along - enter, losses.position, losses.energy_gev, contains(detector, losses.position))


def crossing(detector: Detector, place: Floats, flight: Floats) -> tuple[float, float]:
    """Return how far along (m) from a place a track enters and leaves the instrumented volume.

    Raises
    ------
    RequestError
        If it does not.
    """
    reach = np.linalg.norm(detector.position - place, axis=1).max() + 100.0
    along = np.arange(-reach, reach, EDGE_STEP)
    inside = along[contains(detector, place + along[:, None] * flight)]
    if not inside.size:
        raise RequestError(f"the track misses the instrumented volume of {detector.name}: no energy can be told")
    return float(inside[0]), float(inside[-1])


def deposited_energy(track: Profile) -> Estimate:
    """Return the energy that a track deposited in the volume."""
    return Estimate.of(float(np.log(max(track.energy_gev[track.inside].sum(), 1.0))), DEPOSITED_SIGMA)


def shower_energy(energy_gev: float) -> Estimate:
    """Return the energy of a shower that was fitted as one, with its error."""
    return Estimate.of(float(np.log(energy_gev)), SHOWER_SIGMA)


def vertex(track: Profile) -> float | None:
    """Return how far (m) from its entry into the volume a track begins; None if it comes from outside.

    That is behind the last long dark way before half of the light. What little light there may be before it is that of
    noise, or of modules which are not well known.
    """
    distance, energy = track.distance_m[track.inside], track.energy_gev[track.inside]
    light = np.minimum(energy, energy.mean()) if energy.size else energy
    half = np.searchsorted(np.cumsum(light), light.sum() / 2)
    lit = np.flatnonzero(light[: half + 1] >= DARK * light.mean()) if light.any() else np.empty(0, int)
    dark = np.diff(lit, prepend=-1) - 1  # segments before each lit one
    begins = lit[dark * track.segment_m >= DARK_WAY]
    return float(distance[begins[-1]]) - track.segment_m / 2 + VERTEX if begins.size else None


def muon_energy(track: Profile, start_m: float | None = None) -> Estimate | None:
    """Return the energy of a muon where it enters the volume, or begins, from its losses, the largest left out.

    Parameters
    ----------
    track : Profile
    start_m : float, optional
        Where it begins, from the entry.

    Returns
    -------
    Estimate or None
        None if its way is too short.
    """
    relation = muon_relation()
    start, clear, sigma = (0.0, 0.0, relation.sigma) if start_m is None else (start_m, SHOWER, STARTING_SIGMA)
    used = track.inside & (track.distance_m > start + clear)
    rate = truncated_rate(track.energy_gev[used], track.segment_m, relation.bin_m, relation.dropped)
    if rate is None:
        return None
    # The relation holds for the middle of the way; before, the muon had more.
    before = RADIATION * (float(track.distance_m[used].mean()) - start)
    return Estimate.of(relation.intercept + relation.slope * float(np.log(rate)) + before, sigma)


def truncated_rate(energy_gev: Floats, segment_m: float, bin_m: float, dropped: float) -> float | None:
    """Return the mean dE/dx (GeV/m) of bins of whole segments without the largest ones; None if there are too few.

    Parameters
    ----------
    energy_gev : (n,) float64
        Of segments in a row.
    segment_m, bin_m : float
        Lengths.
    dropped : float
        Share of the bins.
    """
    each = max(round(bin_m / segment_m), 1) if segment_m else 1
    number = len(energy_gev) // each
    if number < FEWEST_BINS:
        return None
    bins = np.sort(energy_gev[: number * each].reshape(number, each).sum(axis=1)) / (each * segment_m)
    return max(float(bins[: int(np.ceil(number * (1 - dropped)))].mean()), FAINTEST)


@cache
def muon_relation() -> Muon:
    """Return bins, and ln E/GeV = intercept + slope ln(GeV/m) +- sigma, as ``tools/fit_muon_energy.py`` found them."""
    text = (files("skymist.reco") / "tables" / "muon_energy.csv").read_text()
    names, values = (line for line in text.splitlines() if not line.startswith("#"))
    return Muon(**dict(zip(names.split(","), map(float, values.split(",")), strict=True)))
