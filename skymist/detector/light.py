"""Cherenkov light in ice: when it arrives and how much of it.

The time distribution is the gamma density of Pandel with a shape and a rate that follow the ice between the
track and the module; the coefficients were fitted to first hits simulated photon by photon through the layered ice.
"""

from math import sqrt

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

# Light of a shower; see `cascade_charge` and `cascade_delay`. Provisional: being refitted.
CASCADE_CHARGE = (
    -15.054, -2.469, 4.731, 16.105, -18.522, 3.225, 15.414, 6.155, 0.761, 1.251, -0.623, 0.118, 0.182, -0.278,
    -0.227, 0.0884, -0.00138, -0.0501, 0.0397, -0.0876, -0.362, 0.890, -0.549, 0.994, 0.275, -0.00222, 0.0538,
)  # fmt: skip
CASCADE_SHIFT = 16.0


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


def cascade_charge(distance: Floats, scattering: Floats, absorption: Floats, cos_psi: Floats, cos_eta: Floats) -> Floats:
    """Return the photo-electrons that each GeV of a shower gives a module of efficiency 1.

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
    tau, absorbed = distance * scattering, distance * absorption
    q, q2 = np.exp(-tau / 3), np.exp(-tau / 10)
    p1, p2, p3 = cos_psi, (3 * cos_psi**2 - 1) / 2, (5 * cos_psi**3 - 3 * cos_psi) / 2
    p4 = (35 * cos_psi**4 - 30 * cos_psi**2 + 3) / 8
    bump = np.exp(-(((np.arccos(np.clip(cos_psi, -1, 1)) - 0.72) / 0.25) ** 2))
    cz = cos_eta
    terms = (
        1.0, np.log(distance + 1), tau, absorbed, distance * np.sqrt(absorption * scattering), q, q2, np.log1p(tau),
        p1, p1 * q, p1 * q2, p2, p2 * q, p2 * q2, p3 * q, p3 * q2, p4 * q, bump * q, bump * q2,
        cz, cz * q, cz * q2, cz**2, cz**2 * q, cz**3 * q, p1 * cz, p1 * cz * q2,
    )  # fmt: skip
    return np.asarray(np.exp(sum(c * term for c, term in zip(CASCADE_CHARGE, terms, strict=True))))


def cascade_delay(
    distance: Floats, scattering: Floats, absorption: Floats, cos_psi: Floats, cos_eta: Floats
) -> tuple[Floats, Floats]:
    """Return shape and rate (1/ns) of the gamma density of a shower's light.

    Times count from ``distance * N_GROUP / C + CASCADE_SHIFT`` ns after the shower's light maximum. Parameters
    as for `cascade_charge`.
    """
    tau = distance * scattering
    away, back = (1 - cos_eta) / 2, (1 - cos_psi) / 2
    shape = 0.3 + 0.4 * tau + 0.3 * away**2 + 0.5 * back**2
    rate = (RATE[0] + RATE[1] * absorption + RATE[2] * scattering) * np.exp(
        0.037 * cos_psi + 0.085 * cos_eta - 0.157 * np.log1p(tau)
    )
    return shape, rate
