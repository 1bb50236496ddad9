"""Optical properties of the South Pole ice: layers of scattering and absorption, and their tilt."""

from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_TILT_AZIMUTH_DEG = 225.0


@dataclass(frozen=True, eq=False)
class Ice:
    """Layered ice: coefficients that are linear in height between the nodes of a regular grid, constant beyond.

    Attributes
    ----------
    bottom, step : float
        Height of the lowest node and the distance of the nodes, in metres.
    scattering, absorption : (n,) float64
        Effective scattering and absorption coefficients at the nodes, in 1/m.
    tilt_distance : (k,) float64
        Distances from the origin along the tilt direction, in metres.
    tilt_z : (m,) float64
        Heights at which the tilt is given, in metres.
    tilt_shift : (m, k) float64
        How much higher (m) a layer is there than at the origin.
    """

    bottom: float
    step: float
    scattering: Floats
    absorption: Floats
    tilt_distance: Floats
    tilt_z: Floats
    tilt_shift: Floats

    @cached_property
    def scattering_integral(self) -> Floats:
        """Integral of the scattering coefficient from the lowest node to each node, dimensionless."""
        return self._integral(self.scattering)

    @cached_property
    def absorption_integral(self) -> Floats:
        """Integral of the absorption coefficient from the lowest node to each node, dimensionless."""
        return self._integral(self.absorption)

    def layer(self, position: Floats) -> Floats:
        """Return the height (m) that the layer at each position, shape (n, 3), has at the origin."""
        azimuth = np.radians(_TILT_AZIMUTH_DEG)
        along = position[:, 0] * np.cos(azimuth) + position[:, 1] * np.sin(azimuth)
        column, f = _place(self.tilt_distance, along)
        row, g = _place(self.tilt_z, position[:, 2])
        low = (1 - f) * self.tilt_shift[row, column] + f * self.tilt_shift[row, column + 1]
        high = (1 - f) * self.tilt_shift[row + 1, column] + f * self.tilt_shift[row + 1, column + 1]
        return np.asarray(position[:, 2] - (1 - g) * low - g * high)

    def means(self, z: Floats, rise: Floats) -> tuple[Floats, Floats]:
        """Return mean scattering and absorption (1/m) along straight paths.

        Parameters
        ----------
        z : array
            Height of the layer where the light arrives, in metres.
        rise : array
            How far the light has come up, in metres; negative for light that comes down.
        """
        return self._mean(self.scattering, z, rise), self._mean(self.absorption, z, rise)

    def integrals(self, z: Floats) -> tuple[Floats, Floats]:
        """Return scattering and absorption integrated from the lowest node to each height (m), dimensionless."""
        return self._integrated(self.scattering, z), self._integrated(self.absorption, z)

    def _mean(self, values: Floats, z: Floats, rise: Floats) -> Floats:
        level = np.abs(rise) < 1e-3
        start = np.where(level, z - 1e-3, z - rise)
        return (self._integrated(values, z) - self._integrated(values, start)) / (z - start)

    def _integrated(self, values: Floats, z: Floats) -> Floats:
        nodes = self.bottom + self.step * np.arange(len(values))
        integral = self._integral(values)
        at = np.clip(np.floor((z - self.bottom) / self.step).astype(int), 0, len(values) - 1)
        d = z - nodes[at]
        slope = np.append(np.diff(values) / self.step, 0.0)[at] * (d > 0)
        return np.asarray(integral[at] + d * (values[at] + slope * d / 2))

    def _integral(self, values: Floats) -> Floats:
        return np.append(0.0, np.cumsum((values[1:] + values[:-1]) / 2 * self.step))


@cache
def south_pole_ice() -> Ice:
    """Return the ice of the South Pole at 400 nm."""
    layers, tilt = _table("ice_layers.csv"), _table("ice_tilt.csv")
    z = layers["z"].to_numpy()
    return Ice(
        float(z[0]),
        float(z[1] - z[0]),
        layers["scattering"].to_numpy(),
        layers["absorption"].to_numpy(),
        np.array([float(name) for name in tilt.columns[1:]]),
        tilt["z"].to_numpy(),
        tilt.to_numpy()[:, 1:],
    )


def _place(nodes: Floats, values: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Return the interval of sorted nodes that holds each value, and the value's fraction of it, clamped."""
    at = np.clip(np.searchsorted(nodes, values, "right") - 1, 0, len(nodes) - 2)
    return at, np.clip((values - nodes[at]) / (nodes[at + 1] - nodes[at]), 0.0, 1.0)


def _table(name: str) -> pd.DataFrame:
    with (files("skymist.detector") / "tables" / name).open() as stream:
        return pd.read_csv(stream, comment="#", dtype=float)
