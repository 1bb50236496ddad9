"""Cells and frames."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import GCRS, SkyCoord, get_body
from astropy.time import Time
from astropy.utils import iers
from hypothesis import given, settings
from hypothesis import strategies as st

from skymist.detector.geometry import icecube_86
from skymist.errors import RequestError
from skymist.model import sky

NOW = np.datetime64("2023-12-02T17:08:24.093230219", "ns")
ORDERS = st.integers(0, 12)


@given(ORDERS, st.data())
def test_uniq_round_trip(order: int, data: st.DataObject) -> None:
    ipix = data.draw(st.integers(0, 12 * 4**order - 1))
    uniq = sky.uniq_of(2**order, ipix)
    assert sky.nside_of(uniq) == 2**order
    assert sky.ipix_of(uniq) == ipix


@given(ORDERS, st.integers(0, 4), st.data())
def test_children_tile_their_parent(order: int, deeper: int, data: st.DataObject) -> None:
    uniq = sky.uniq_of(2**order, [data.draw(st.integers(0, 12 * 4**order - 1))])
    inside = sky.children(uniq, 2 ** (order + deeper))[0]
    assert np.array_equal(sky.parent(inside, 2**order), np.repeat(uniq, inside.size))
    assert np.sum(sky.area_sr(inside)) == pytest.approx(sky.area_sr(uniq)[0])


@given(st.floats(0, 2 * np.pi), st.floats(-np.pi / 2, np.pi / 2), ORDERS)
def test_a_cell_holds_its_positions(ra: float, dec: float, order: int) -> None:
    cell = sky.cell_at(2**order, ra, dec)
    assert sky.separation(*sky.centers(cell), ra, dec) < 1.5 / 2**order


@given(st.floats(0.01, np.pi - 0.01), st.floats(0, 2 * np.pi))
def test_detector_and_sky_are_inverse(zenith: float, azimuth: float) -> None:
    there = sky.to_sky(icecube_86(), NOW, zenith, azimuth)
    back = sky.to_detector(icecube_86(), NOW, *there)
    assert sky.separation(back[1], np.pi / 2 - back[0], azimuth, np.pi / 2 - zenith) < 1e-9


def test_seeds_of_real_events_within_a_tenth_of_an_arcsecond(shared: Path) -> None:
    seen = 0
    for path in sorted((shared / "decoded").glob("1*.json")):
        source = json.loads(path.read_text())
        time = np.datetime64(source["utc"][:29], "ns")
        for seed in source["particles"].values():
            ra, dec = sky.to_sky(icecube_86(), time, seed["zenith"], seed["azimuth"])
            apart = sky.separation(ra, dec, np.radians(seed["ra_deg"]), np.radians(seed["dec_deg"]))
            assert np.degrees(apart) * 3600 < 0.1
            seen += 1
    assert seen == 14


def test_directions_point_where_the_cells_are() -> None:
    cells = sky.all_cells(4)
    found = sky.directions(icecube_86(), NOW, cells)
    lon, lat = sky.lonlat(found.origin)
    ra, dec = sky.to_sky(icecube_86(), NOW, np.pi / 2 - lat, lon)
    assert sky.separation(ra, dec, *sky.centers(cells)).max() < 1e-9


@pytest.mark.parametrize("nside", [0, -8, 3, 2**30])
def test_impossible_resolutions_are_refused(nside: int) -> None:
    with pytest.raises(RequestError, match="power of two"):
        sky.level_nside(nside)


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 360, exclude_max=True), st.floats(-90, 90), st.floats(0, 2 * np.pi), st.floats(0, 3.1))
def test_plane_and_sky(ra0: float, dec0: float, bearing: float, distance: float) -> None:
    centre = np.radians([ra0, dec0])
    radius = 2 * np.sin(distance / 2)  # equal areas
    place = sky.from_plane(radius * np.sin(bearing), radius * np.cos(bearing), *centre)
    assert sky.separation(*place, *centre) == pytest.approx(distance, abs=1e-9)
    back = sky.to_plane(*place, *centre)
    assert back == pytest.approx((radius * np.sin(bearing), radius * np.cos(bearing)), abs=1e-7)


def test_plane_has_east_and_north_where_they_belong() -> None:
    x, y = sky.to_plane([0.01, 6.28, 0], [0.5, 0.5, 0.51], 0.0, 0.5)
    assert x[0] > 0 > x[1]
    assert y[2] == pytest.approx(0.01, rel=1e-3)
    assert np.isnan(sky.from_plane(2.1, 0, 0, 0)).all()


def test_find_prefers_the_finest_and_says_none() -> None:
    fine = sky.children([sky.uniq_of(4, 7)], 8)[0]
    cells = np.concatenate([[sky.uniq_of(4, 7)], fine[:2]])
    assert sky.find(cells, *sky.centers(fine)).tolist() == [1, 2, 0, 0]
    assert sky.find(cells, *sky.centers(sky.uniq_of(4, 8))) == -1


def test_neighbours_touch() -> None:
    for nside in (1, 2, 16):
        cells = sky.all_cells(nside)
        around = sky.neighbours(cells)
        assert around.shape == (cells.size, 8)
        own, theirs = sky.corners(cells), sky.corners(around.ravel()).reshape(cells.size, 8, 4, 3)
        apart = np.abs(own[:, None, :, None] - theirs[:, :, None]).max(-1)
        assert np.all(apart.min((2, 3)) < 1e-9)


def test_galactic_positions_as_astropy_has_them() -> None:
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 2 * np.pi, 500), np.arcsin(rng.uniform(-1, 1, 500))
    lon, lat = sky.to_galactic(ra, dec)
    theirs = SkyCoord(ra, dec, unit="rad").galactic
    # astropy goes by way of FK5, which is turned against ICRS by 0.025 arcsec.
    assert np.degrees(sky.separation(lon, lat, theirs.l.rad, theirs.b.rad)).max() * 3600 < 0.03
    assert sky.separation(*sky.from_galactic(lon, lat), ra, dec).max() < 1e-12
    assert sky.separation(*sky.galactic_plane(90), *sky.from_galactic(np.linspace(0, 2 * np.pi, 90), 0)).max() == 0


def test_position_angles_as_astropy_has_them() -> None:
    rng = np.random.default_rng(2)
    ra, dec = rng.uniform(0, 2 * np.pi, (2, 500)), np.arcsin(rng.uniform(-1, 1, (2, 500)))
    angle = sky.position_angle(ra[0], dec[0], ra[1], dec[1])
    one, other = (SkyCoord(*each, unit="rad") for each in zip(ra, dec, strict=True))
    np.testing.assert_allclose(angle, one.position_angle(other).rad, atol=1e-9)
    assert sky.position_angle(0.0, 0.0, 0.1, 0.0) == pytest.approx(np.pi / 2)  # east
    assert sky.position_angle(0.0, 0.0, 0.0, 0.1) == 0  # north
    assert sky.position_angle(1.0, 0.3, 1.0, 0.3) == 0


@pytest.mark.parametrize("body", ["sun", "moon"])
def test_sun_and_moon_among_the_stars_as_astropy_has_them(body: str) -> None:
    rng = np.random.default_rng(3)
    start = np.datetime64("2010-01-01T00:00:00", "ns")
    times = start + (rng.uniform(0, 20 * 365.25, 300) * 86400e9).astype("timedelta64[ns]")
    ra, dec = np.array([getattr(sky, body)(time) for time in times]).T
    with iers.conf.set_temp("auto_download", False), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of years whose leap seconds nobody knows yet
        moments = Time(times, scale="utc")
        apparent = get_body(body, moments, ephemeris="builtin")
        # Without distance this takes away what shifts stars, too: aberration, and the deflection by the Sun. The Sun
        # itself has none, but 1.3 arcsec are taken away all the same.
        stars = SkyCoord(apparent.ra, apparent.dec, frame=GCRS(obstime=moments)).icrs
    assert np.degrees(sky.separation(ra, dec, apparent.ra.rad, apparent.dec.rad)).max() < 0.01
    assert np.degrees(sky.separation(ra, dec, stars.ra.rad, stars.dec.rad)).max() * 3600 < 2


def test_sun_at_the_equinox_and_moon_at_an_eclipse() -> None:
    ra, dec = sky.sun(np.datetime64("2024-03-20T03:06:00", "ns"))  # of date; precession in 24 years is 0.3 degrees
    assert abs(np.degrees(dec)) < 0.2
    assert abs(np.degrees(ra + np.pi) % 360 - 180) < 0.4
    eclipse = np.datetime64("2024-04-08T18:17:16", "ns")  # greatest eclipse; gamma 0.34 Earth radii is 0.33 degrees
    assert 0.25 < np.degrees(sky.separation(*sky.sun(eclipse), *sky.moon(eclipse))) < 0.4


def test_without_a_time_there_is_no_sun() -> None:
    for body in (sky.sun, sky.moon):
        with pytest.raises(RequestError, match="without a time"):
            body(np.datetime64("NaT", "ns"))


def test_the_sun_shines_in_years_without_known_leap_seconds() -> None:
    assert np.isfinite(sky.sun(np.datetime64("2060-01-01", "ns"))).all()
    assert np.isfinite(sky.moon(np.datetime64("1951-01-01", "ns"))).all()
