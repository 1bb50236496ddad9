"""The instrumented volume, and what energy was deposited in it."""

import numpy as np
from numpy.typing import NDArray

from skymist.model.detector import Detector
from skymist.model.event import Losses

MARGIN_M = 60.0
"""How far beyond its outer modules a detector still sees light well: half the spacing of IceCube's strings."""

_BEARINGS = 720


def contains(detector: Detector, position: NDArray[np.float64], margin_m: float = MARGIN_M) -> NDArray[np.bool_]:
    """Return which places lie in the volume of all modules, dead ones included, widened by a margin.

    Horizontally that is the convex hull of the modules with a margin around it: what, seen along no bearing, lies
    farther out than the outermost module and the margin. So it needs no hull, and holds for a single string as well.

    Parameters
    ----------
    detector : Detector
    position : (n, 3) float64
        Metres.
    margin_m : float
        Horizontally and vertically.

    Returns
    -------
    (n,) bool
    """
    turn = np.linspace(0, 2 * np.pi, _BEARINGS, endpoint=False)
    bearing = np.stack([np.cos(turn), np.sin(turn)])
    outermost = (detector.position[:, :2] @ bearing).max(axis=0)
    beside = (position[:, :2] @ bearing <= outermost + margin_m).all(axis=1)
    low, high = detector.position[:, 2].min() - margin_m, detector.position[:, 2].max() + margin_m
    return np.asarray(beside & (position[:, 2] >= low) & (position[:, 2] <= high))


def deposited(losses: Losses, detector: Detector, margin_m: float = MARGIN_M) -> float:
    """Return the energy (GeV) of the losses in the volume; see `contains`."""
    return float(losses.energy_gev[contains(detector, losses.position, margin_m)].sum())
