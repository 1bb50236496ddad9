"""Ice layers and their tilt."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from skymist.detector.ice import south_pole_ice

ICE = south_pole_ice()
HEIGHT = st.floats(-1000, 1000)


def local(values: np.ndarray, z: np.ndarray) -> np.ndarray:
    return np.interp(z, ICE.bottom + ICE.step * np.arange(len(values)), values)


def test_values_of_the_published_table() -> None:
    z = np.array([819.60, -830.40])
    scattering, absorption = ICE.means(z, np.full(2, 1e-3))
    np.testing.assert_allclose(scattering, [0.241813, 0.196923], rtol=1e-4)
    np.testing.assert_allclose(absorption, [0.067108, 0.054894], rtol=1e-4)


@given(z=HEIGHT, rise=st.floats(-600, 600))
def test_means_are_integrals(z: float, rise: float) -> None:
    path = z - rise * (np.arange(20000) + 0.5) / 20000
    means = ICE.means(np.array([z]), np.array([rise]))
    for mean, values in zip(means, (ICE.scattering, ICE.absorption), strict=True):
        np.testing.assert_allclose(mean[0], local(values, path).mean(), rtol=1e-4)


@given(z=HEIGHT, first=st.floats(1, 300), second=st.floats(1, 300))
def test_paths_add_up(z: float, first: float, second: float) -> None:
    parts = first * ICE.means(np.array([z]), np.array([first]))[0]
    parts += second * ICE.means(np.array([z - first]), np.array([second]))[0]
    whole = ICE.means(np.array([z]), np.array([first + second]))[0]
    np.testing.assert_allclose(parts, (first + second) * whole, rtol=1e-9)


def test_tilt_of_the_published_table() -> None:
    """At distance 448.48 m along azimuth 225 deg and 1353 m depth the layers are 8.94 m higher than at the origin."""
    place = 448.48 * np.cos(np.radians(225))
    z = 1948.07 - 1353.04
    assert abs(ICE.layer(np.array([[place, place, z]]))[0] - (z - 8.94)) < 0.8


@given(x=st.floats(-2000, 2000), y=st.floats(-2000, 2000), z=HEIGHT)
def test_tilt_is_bounded_everywhere(x: float, y: float, z: float) -> None:
    assert abs(ICE.layer(np.array([[x, y, z]]))[0] - z) <= 41.3
