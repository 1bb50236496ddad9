"""Cells and frames."""

import json
import re
import warnings
from pathlib import Path

import healpy as hp
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
    np.testing.assert_array_equal([found.ra, found.dec], sky.centers(cells))
    zenith, azimuth = sky.to_detector(icecube_86(), NOW, found.ra, found.dec)
    np.testing.assert_allclose([lon, lat], [azimuth, np.pi / 2 - zenith], atol=1e-12)
    assert azimuth.min() >= 0
    assert azimuth.max() < 2 * np.pi


@pytest.mark.parametrize("nside", [0, -8, 3, 2**30])
def test_impossible_resolutions_are_refused(nside: int) -> None:
    with pytest.raises(RequestError) as error:
        sky.level_nside(nside)
    assert str(error.value) == f"nside {nside} is not a power of two from 1 to 2**29"


@pytest.mark.parametrize("order", range(30))
def test_the_first_and_the_last_cell_of_each_order(order: int) -> None:
    nside = 2**order
    assert sky.level_nside(nside) == nside
    ends = np.array([4 * nside**2, 16 * nside**2 - 1])
    assert sky.nside_of(ends).tolist() == [nside, nside]
    assert sky.ipix_of(ends).tolist() == [0, 12 * nside**2 - 1]
    assert sky.uniq_of(nside, [0, 12 * nside**2 - 1]).tolist() == ends.tolist()
    assert sky.zuniq_of(ends).tolist() == [4 ** (29 - order), (24 * nside**2 - 1) * 4 ** (29 - order)]
    assert sky.zuniq_of(ends).dtype == np.uint64
    assert sky.area_sr(ends) == pytest.approx(4 * np.pi / (12 * nside**2), rel=1e-15)
    ra, dec = sky.centers(ends)
    assert sky.cell_at(nside, ra, dec).tolist() == ends.tolist()


@pytest.mark.parametrize("nside", [1, 2, 8, 64])
def test_cells_are_those_of_healpy(nside: int) -> None:
    cells = sky.all_cells(nside)
    ipix = np.arange(12 * nside**2)
    np.testing.assert_array_equal(cells, 4 * nside**2 + ipix)
    theta, phi = hp.pix2ang(nside, ipix, nest=True)
    ra, dec = sky.centers(cells)
    np.testing.assert_allclose([ra, dec], [phi, np.pi / 2 - theta], atol=1e-12)
    some = cells[:: max(1, nside**2 // 4)]
    theirs = np.moveaxis(hp.boundaries(nside, some - 4 * nside**2, nest=True), 1, -1)
    ours = sky.corners(some)
    apart = np.linalg.norm(ours[:, :, None] - theirs[:, None], axis=-1)
    assert apart.min(axis=2).max() < 1e-7
    assert apart.min(axis=1).max() < 1e-7
    around = np.sort(hp.get_all_neighbours(nside, some - 4 * nside**2, nest=True).T, axis=1)
    for cell, found, known in zip(some, sky.neighbours(some), around, strict=True):
        assert set(found.tolist()) - {cell} == {4 * nside**2 + int(each) for each in known if each >= 0}
        assert np.sum(found == cell) == np.sum(known < 0)


@pytest.mark.parametrize("kind", [np.int32, np.uint64])
def test_whole_numbers_of_other_types_are_the_same_cells(kind: type) -> None:
    uniq = sky.uniq_of(np.array([2**20, 2**29], kind), np.array([5, 77], kind))
    assert uniq.tolist() == [4**21 + 5, 4**30 + 77]
    assert (
        uniq.dtype
        == sky.ipix_of(np.array([5, 6], kind)).dtype
        == sky.nside_of(np.array([5, 6], kind)).dtype
        == np.int64
    )
    fine = 4**30 + np.array([5, 6, 7])
    where = sky.centers(fine)
    same = fine.astype(np.uint64)  # a float has not that many digits
    assert sky.find(same, *where).tolist() == [0, 1, 2]
    for function in (sky.ipix_of, sky.zuniq_of, sky.neighbours, sky.corners, sky.area_sr):
        np.testing.assert_array_equal(function(same), function(fine))
    np.testing.assert_array_equal(sky.parent(same, 2**28), sky.parent(fine, 2**28))
    np.testing.assert_array_equal(sky.children(same // 4, 2**29), sky.children(fine // 4, 2**29))
    assert sky.parent(same, 2**28).dtype == sky.children(same, 2**29).dtype == sky.neighbours(same).dtype == np.int64


def test_cells_of_several_orders_at_once_are_what_they_are_alone() -> None:
    rng = np.random.default_rng(4)
    cells = rng.permutation([sky.uniq_of(2**order, rng.integers(12 * 4**order)) for order in (0, 3, 3, 9, 20, 29)])
    for function in (sky.corners, sky.neighbours):
        np.testing.assert_array_equal(function(cells), np.concatenate([function([each]) for each in cells]))
    alone = [sky.centers(each) for each in cells]
    np.testing.assert_array_equal(sky.centers(cells), np.transpose(alone))
    assert sky.centers(cells.reshape(2, 3))[0].shape == (2, 3)


def test_children_and_their_shape() -> None:
    assert sky.children([4, 6], 2).tolist() == [[16, 17, 18, 19], [24, 25, 26, 27]]
    assert sky.children([4, 6], 1).tolist() == [[4], [6]]
    assert sky.children([], 8).shape == (0, 0)
    assert sky.parent([16, 19, 20, 64], 1).tolist() == [4, 4, 5, 4]
    for wrong, nside, named in (([4, 16], 4, "[1, 2]"), ([16], 1, "[2]")):
        with pytest.raises(
            ValueError, match=rf"^cells of nside {re.escape(named)} have no common children of {nside}$"
        ):
            sky.children(wrong, nside)


def test_positions_all_around_and_at_the_poles() -> None:
    found = sky.cell_at(1, [[-0.1, 2 * np.pi - 0.1], [0.1, 2 * np.pi + 0.1]], 0.0)
    assert found.tolist() == [[8, 8], [8, 8]]
    assert sky.cell_at(512, -0.1, 0.2) == sky.cell_at(512, 2 * np.pi - 0.1, 0.2)
    assert sky.cell_at(1, [0.1, 2.0, 4.0, 6.0], np.pi / 2).tolist() == [4, 5, 6, 7]
    assert sky.cell_at(1, [0.1, 2.0, 4.0, 6.0], -np.pi / 2).tolist() == [12, 13, 14, 15]
    assert sky.cell_at(4, 0.3, 0.2).shape == ()
    ra, dec = sky.lonlat(np.array([[1.0, 0, 0], [0, -2.0, 0], [0, 0, 3.0], [-1.0, 0, -1.0]]))
    assert np.degrees(ra) == pytest.approx([0, 270, 0, 180])
    assert np.degrees(dec) == pytest.approx([0, 0, 90, -45])
    assert sky.unit(np.pi / 6, [np.pi / 6, -np.pi / 2]) == pytest.approx(
        np.array([[0.75, np.sqrt(3) / 4, 0.5], [0, 0, -1]])
    )


def test_the_uncovered_sky_is_in_the_fewest_cells() -> None:
    assert sky.uncovered([]).tolist() == list(range(4, 16))
    assert sky.uncovered(np.arange(4, 16)).size == 0
    some = np.array([4, 5, sky.uniq_of(4, 35), sky.uniq_of(2, 12)])  # the third in cell 2, the last cell 3's first
    expected = [*range(8, 16), 25, 26, 27, 29, 30, 31, 96, 97, 98]
    assert sorted(sky.uncovered(some[[2, 0, 3, 1]]).tolist()) == expected


def test_separations_are_accurate_at_all_angles() -> None:
    assert sky.separation(1.0, 0.3, 1.0, 0.3 + 1e-9) == pytest.approx(1e-9, rel=1e-6)
    assert sky.separation(0.0, 0.0, [np.pi / 2, np.pi - 1e-9], 0.0) == pytest.approx(
        [np.pi / 2, np.pi - 1e-9], rel=1e-15
    )
    assert sky.separation(0.2, 0.5, 0.2 + np.pi, -0.5) == pytest.approx(np.pi)
    assert sky.separation(2.0, 0.5, 2.0, 0.5) == 0


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
    assert sky.lonlat(np.stack(np.broadcast_arrays(-1.0, 0.0, 0.0), axis=-1)) == pytest.approx(
        sky.from_plane(2, 0, 0, 0)
    )
    assert sky.to_plane(1.0 + np.pi / 2, 0.0, 1.0, 0.0) == pytest.approx((np.sqrt(2), 0))
    assert sky.to_plane(1.0, -np.pi / 2, 1.0, 0.0) == pytest.approx((0, -np.sqrt(2)))
    assert y[2] == pytest.approx(0.01, rel=1e-3)
    assert np.isnan(sky.from_plane(2.1, 0, 0, 0)).all()


def test_find_prefers_the_finest_and_says_none() -> None:
    fine = sky.children([sky.uniq_of(4, 7)], 8)[0]
    cells = np.concatenate([[sky.uniq_of(4, 7)], fine[:2]])
    assert sky.find(cells, *sky.centers(fine)).tolist() == [1, 2, 0, 0]
    assert sky.find(cells, *sky.centers(sky.uniq_of(4, 8))) == -1
    assert sky.find(cells[[1, 0, 2]], *sky.centers(fine.reshape(2, 2))).tolist() == [[0, 2], [1, 1]]
    assert sky.find([], 0.1, [0.2, 0.3]).tolist() == [-1, -1]
    assert sky.find([], [0.2, 0.3], 0.1).tolist() == [-1, -1]
    assert sky.find([], 0.1, 0.2).shape == ()
    both = np.append(sky.all_cells(1)[::-1], sky.all_cells(16)[::-1])
    assert sky.find(both, *sky.centers(sky.all_cells(16))).tolist() == list(range(12 + 3071, 11, -1))
    assert sky.find(both[:12], *sky.centers(sky.all_cells(16))).tolist() == np.repeat(range(11, -1, -1), 256).tolist()


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
    assert [each.size for each in sky.galactic_plane()] == [361, 361]  # one a degree, and the first again


def test_position_angles_as_astropy_has_them() -> None:
    rng = np.random.default_rng(2)
    ra, dec = rng.uniform(0, 2 * np.pi, (2, 500)), np.arcsin(rng.uniform(-1, 1, (2, 500)))
    angle = sky.position_angle(ra[0], dec[0], ra[1], dec[1])
    one, other = (SkyCoord(*each, unit="rad") for each in zip(ra, dec, strict=True))
    np.testing.assert_allclose(angle, one.position_angle(other).rad, atol=1e-9)
    assert sky.position_angle(0.0, 0.0, 0.1, 0.0) == pytest.approx(np.pi / 2)  # east
    assert sky.position_angle(0.0, 0.0, 0.0, 0.1) == 0  # north
    assert sky.position_angle(1.0, 0.3, 1.0, 0.3) == 0
    assert sky.position_angle(0.0, 0.0, -0.1, 0.0) == pytest.approx(3 * np.pi / 2)  # west
    assert sky.position_angle(0.0, 0.0, -1e-20, 0.1) == 0  # not 2 pi


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


def test_moments_are_split_to_the_nanosecond() -> None:
    moment = np.datetime64("2022-03-15T23:59:59.999999999", "ns")
    assert sky._julian(moment) == (2400000.5 + 59653, 86_399_999_999_999 / 86_400e9)
    assert sky._julian(moment + np.timedelta64(1, "ns")) == (2400000.5 + 59654, 0.0)
    assert sky._julian(np.datetime64("1858-11-16T12:00", "ns")) == (2400000.5 - 1, 0.5)


def test_without_a_time_there_is_no_sun() -> None:
    for body in (sky.sun, sky.moon):
        with pytest.raises(RequestError) as error:
            body(np.datetime64("NaT", "ns"))
        assert str(error.value) == "without a time nobody knows where Sun and Moon are"


def test_the_sun_shines_in_years_without_known_leap_seconds() -> None:
    assert np.isfinite(sky.sun(np.datetime64("2060-01-01", "ns"))).all()
    assert np.isfinite(sky.moon(np.datetime64("1951-01-01", "ns"))).all()
