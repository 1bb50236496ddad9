"""Detector: where the optical modules are, and where on Earth."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Detector:
    """Positions of optical modules in a right-handed frame (x, y horizontal, z up).

    Attributes
    ----------
    name : str
        Such as ``"icecube-86"``.
    dom : (n, 2) int16
        String and position on the string of each module, sorted, no duplicates.
    position : (n, 3) float64
        Metres.
    efficiency : (n,) float64
        Relative photon detection efficiency; 0 for a dead module.
    latitude_deg, longitude_deg : float
        Of the origin, geodetic.
    x_bearing_deg : float
        Compass bearing (from north through east) of the x axis, at the origin.
    """

    name: str
    dom: NDArray[np.int16]
    position: NDArray[np.float64]
    efficiency: NDArray[np.float64]
    latitude_deg: float
    longitude_deg: float
    x_bearing_deg: float

    def __len__(self) -> int:
        return len(self.dom)

    @cached_property
    def _keys(self) -> NDArray[np.int64]:
        return _key(self.dom)

    def index(self, dom: NDArray[np.int16]) -> NDArray[np.int64]:
        """Return the row of each (string, position) pair, -1 where this detector has no such module.

        Parameters
        ----------
        dom : (m, 2) int16

        Returns
        -------
        (m,) int64
        """
        keys = _key(dom)
        at = np.minimum(np.searchsorted(self._keys, keys), len(self) - 1)
        return np.where(self._keys[at] == keys, at, -1)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the geometry."""
        site = np.array([self.latitude_deg, self.longitude_deg, self.x_bearing_deg])
        sha = hashlib.sha256()
        for array in (site, self.dom, self.position, self.efficiency):
            sha.update(np.ascontiguousarray(array).tobytes())
        return sha.hexdigest()


def _key(dom: NDArray[np.int16]) -> NDArray[np.int64]:
    return np.asarray(dom[:, 0], np.int64) * 65536 + dom[:, 1]
