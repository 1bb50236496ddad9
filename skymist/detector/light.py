"""Cherenkov light in ice: when it arrives and how much of it.

Arrival times have the gamma density of Pandel with a shape and a rate that follow the ice between source and module.
There are two sources: a track, whose first hits the coefficients below were fitted to, and a shower, whose charge and
times are in a table. All were fitted to light simulated photon by photon through the layered ice.
"""

from functools import cache
from importlib.resources import files
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

C = 0.299792458  # m/ns
N_PHASE = 1.3195  # at 400 nm
N_GROUP = 1.35634
COS_CHERENKOV = 1 / N_PHASE
SIN_CHERENKOV = sqrt(1 - COS_CHERENKOV**2)

DELAY = (N_GROUP / SIN_CHERENKOV - COS_CHERENKOV / SIN_CHERENKOV) / C
"""Unscattered light reaches distance rho from the track ``rho * DELAY`` ns after the particle passes closest."""

# Shape, rate (1/ns), shift (ns) and width (in units of the inverse rate) of the arrival-time density; see `pandel`.
SHAPE = (0.0557, 0.431, 0.331, 0.00959)
RATE = (0.001154, 0.01674 * C / N_GROUP, 0.4119 * C / N_GROUP)
SHIFT = 5.52
JITTER = 0.03

# Light of a muon with average losses against distance; see `attenuation` and `expected_charge`.
YIELD_RANGE = 0.37
YIELD_POWER = 2.0


SHOWER_FEATURES = (
    "one", "ln_distance", "scattered", "absorbed", "diffused", "near", "middle", "ln_diffused", "p1", "p1_near",
    "p1_middle", "p2", "p2_near", "p2_middle", "p3_near", "p3_middle", "p4_near", "ring_near", "ring_middle", "up",
    "up_near", "up_middle", "up2", "up2_near", "up3_near", "p1_up", "p1_up_middle",
)  # fmt: skip
"""Names of `shower_features`: diffused is the distance in units of half the geometric mean of scattering and absorption
length, near and middle fade within 3 and 10 of it, p are Legendre polynomials of the emission angle, ring is 1 at the
Cherenkov angle, up is the vertical component of the photon's direction."""

RING = 0.17  # width of the Cherenkov ring of a shower in the cosine of the emission angle
SHOWER_RISE = 5.0  # ns, softens the arrival of unscattered light
LEAST_SHAPE = 0.3  # or light would come long before it can: the rise goes with SHOWER_RISE / shape
MEAN_CHARGE = 0.8625  # PE that one photo-electron is measured as, on average


class NearLight(NamedTuple):
    """By how much light is earlier at a distance d than the gamma density has it, both times exp(-(d / reach_m)**2).

    Attributes
    ----------
    share : float
        Of its delay.
    early_ns : float
        Of all. In the simulated sets modules are made larger than they are, so that light comes to them earlier.
    reach_m : float
    """

    share: float
    early_ns: float
    reach_m: float


NEAR_LIGHT = NearLight(0.4, 4.0, 50.0)
"""That of the first light of muons simulated photon by photon: `tools/fit_near_light.py`."""


def pandel(path: Floats, scattering: Floats, absorption: Floats, cos_eta: Floats) -> tuple[Floats, Floats]:
    """Return shape and rate (1/ns) of the gamma density of the arrival time after ``SHIFT`` ns.

    Times count from the arrival of unscattered light. ``Generator.gamma(shape, 1 / rate)`` draws them;
    the first of several photons is the earliest of as many draws.

    Parameters
    ----------
    path : array
        Length of the straight photon path from the track, in metres.
    scattering, absorption : array
        Mean coefficients along it, in 1/m.
    cos_eta : array
        Vertical component of the photon's direction; 1 goes straight up, into a module's photocathode.
    """
    tau = path * scattering
    away = (1 - cos_eta) / 2
    a0, a1, a2, a3 = SHAPE
    r0, r1, r2 = RATE
    return a0 + a1 * tau + a2 * away**2 + a3 * away * tau, r0 + r1 * absorption + r2 * scattering


def attenuation(scattering: Floats, absorption: Floats) -> Floats:
    """Return by how much per metre from the track the logarithm of the light of a muon falls (diffusion length)."""
    return np.asarray(YIELD_RANGE * np.sqrt(3 * scattering * absorption))


def expected_charge(distance: Floats, attenuation: Floats, ln_scale: float) -> Floats:
    """Return the photo-electrons that a muon with average losses gives a module of efficiency 1.

    A power law times the exponential of `attenuation`, fitted to which modules muons of 30 TeV to 1 PeV hit.

    Parameters
    ----------
    distance : array
        From the track, in metres.
    attenuation : array
        From `attenuation`, with the ice within 20 m of the module's depth.
    ln_scale : float
        Brightness of the track, from `brightness`.
    """
    return np.asarray(np.exp(ln_scale - attenuation * distance) * distance**-YIELD_POWER)


def muon_brightness(energy_gev: float) -> float:
    """Return the logarithmic brightness of an average muon that enters with this energy.

    Light grows with the losses, ionisation and radiation being equal at 722 GeV; the constant is that of
    muons of 30 TeV to 1 PeV simulated photon by photon, which spread by 0.6 around it.
    """
    return 5.55 + float(np.log1p(energy_gev / 722.0))


def brightness(n_hit: int, charge: float) -> float:
    """Return the logarithmic brightness of a muon that hit `n_hit` modules with `charge` photo-electrons in all.

    Found on simulated muons within 0.5, which is 4 m in the distance at which a module is hit with even odds.
    """
    return 3.5 + 0.29 * float(np.log(charge / n_hit)) + 1.19 * float(np.log(n_hit))


def shower_maximum(energy_gev: float) -> float:
    """Return how far (m) beyond its start an electromagnetic shower gives most light (0.619 m per unit of depth)."""
    return 0.619 * (2.018 + 0.632 * float(np.log(energy_gev)))


def shower_features(
    distance: Floats, scattering: Floats, absorption: Floats, cos_psi: Floats, cos_eta: Floats
) -> tuple[Floats, ...]:
    """Return what the light of a shower depends on: 27 features, named by `SHOWER_FEATURES`.

    Parameters
    ----------
    distance : array
        From the shower's light maximum to the module, in metres.
    scattering, absorption : array
        Mean coefficients along the straight path, in 1/m.
    cos_psi : array
        Cosine of the angle between the shower's direction of flight and the path.
    cos_eta : array
        Vertical component of the photon's direction.
    """
    depth = 2 * distance * np.sqrt(absorption * scattering)
    near, middle = np.exp(-depth / 3), np.exp(-depth / 10)
    p1, p2, p3 = cos_psi, (3 * cos_psi * cos_psi - 1) / 2, (5 * cos_psi * cos_psi - 3) * cos_psi / 2
    p4 = ((35 * cos_psi * cos_psi - 30) * cos_psi * cos_psi + 3) / 8
    off = (cos_psi - COS_CHERENKOV) / RING
    ring, up = np.exp(-off * off), cos_eta
    return (
        1.0 + 0.0 * distance, np.log(distance + 1), distance * scattering, distance * absorption, depth, near, middle,
        np.log(1 + depth), p1, p1 * near, p1 * middle, p2,
        p2 * near, p2 * middle, p3 * near, p3 * middle, p4 * near, ring * near, ring * middle, up, up * near,
        up * middle, up * up, up * up * near, up * up * up * near, p1 * up, p1 * up * middle,
    )  # fmt: skip


def shower_base(distance: Floats, scattering: Floats, absorption: Floats) -> tuple[Floats, Floats]:
    """Return shape and rate (1/ns) of arrival times in the rough, which `shower` corrects."""
    rate = RATE[0] + RATE[1] * absorption + RATE[2] * scattering
    return 0.4 + 0.45 * distance * scattering, rate


def cascade_charge(
    distance: Floats, scattering: Floats, absorption: Floats, cos_psi: Floats, cos_eta: Floats
) -> Floats:
    """Return the photo-electrons that each GeV of a shower gives a module of efficiency 1; see `shower_features`."""
    features = shower_features(distance, scattering, absorption, cos_psi, cos_eta)
    table = shower_table()[0]
    return np.asarray(np.exp(sum(c * feature for c, feature in zip(table[:, 0], features, strict=True))))


def cascade_delay(
    distance: Floats, scattering: Floats, absorption: Floats, cos_psi: Floats, cos_eta: Floats
) -> tuple[Floats, Floats]:
    """Return shape and rate (1/ns) of the gamma density of a shower's light; see `shower_features`.

    What it distributes is the clock of `shower_arrival`.
    """
    features = shower_features(distance, scattering, absorption, cos_psi, cos_eta)
    table = shower_table()[0]
    ln_shape, ln_rate = (sum(c * f for c, f in zip(table[:, k], features, strict=True)) for k in (1, 2))
    shape, rate = shower_base(distance, scattering, absorption)
    return np.asarray(LEAST_SHAPE + shape * np.exp(ln_shape)), np.asarray(rate * np.exp(ln_rate))


def shower_arrival(clock: Floats, distance: Floats) -> Floats:
    """Return when light arrives (ns after unscattered light from the maximum) whose clock is drawn from the density.

    The clock starts softly, within `SHOWER_RISE`, as a shower is metres long: clock = rise ln(1 + exp(late / rise)).
    Light from within some 50 m is earlier than that, by `NEAR_LIGHT`.

    Parameters
    ----------
    clock : (n,) float64
        ns; see `cascade_delay`.
    distance : (n,) float64
        In metres.
    """
    late = clock / SHOWER_RISE
    late = SHOWER_RISE * (late + np.log(-np.expm1(-np.maximum(late, 1e-12)))) + shower_table()[1]
    share, early, reach = NEAR_LIGHT
    near = np.exp(-((distance / reach) ** 2))
    return np.asarray(np.maximum(late, 0) * (1 - share * near) - early * near)


@cache
def shower_table() -> tuple[Floats, float]:
    """Return coefficients of `shower_features` for charge, shape and rate, shape (27, 3), and the shift in ns.

    Fitted by ``tools/fit_light.py`` to cascades and muons simulated photon by photon through the layered, tilted ice:
    charges to those of cascades, times to bulk and first light of both.
    """
    text = (files("skymist.detector") / "tables" / "shower_light.csv").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    rows = [line.split(",") for line in lines[1:]]
    assert tuple(row[0] for row in rows) == SHOWER_FEATURES
    shift = next(line for line in text.splitlines() if line.startswith("# shift_ns"))
    return np.array([[float(value) for value in row[1:]] for row in rows]), float(shift.partition("=")[2])
