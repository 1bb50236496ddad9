import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymist.app.models import angles
from skymist.app.visit import ANGLES
from skymist.detector.geometry import icecube_86
from skymist.model import sky

TIME = "2017-09-22T20:54:30.436000000Z"
RA, DEC = 77.43, 5.72

right_ascensions = st.floats(0, 360, allow_nan=False)
declinations = st.floats(-90, 90, allow_nan=False)


def read_hms(text):
    hours, minutes, seconds, sign, degrees, arcmin, arcsec = re.fullmatch(
        r"(\d\d)h(\d\d)m(\d\d\.\d)s ([+−])(\d\d)°(\d\d)′(\d\d)″", text
    ).groups()
    ra = 15 * (int(hours) + int(minutes) / 60 + float(seconds) / 3600)
    dec = int(degrees) + int(arcmin) / 60 + int(arcsec) / 3600
    return ra, -dec if sign == "−" else dec, (int(hours), int(minutes), float(seconds), int(arcmin), int(arcsec))


@given(right_ascensions, declinations)
def test_hours_and_degrees_come_back_within_their_last_digit(ra, dec):
    found_ra, found_dec, (hours, minutes, seconds, arcmin, arcsec) = read_hms(angles.position(ra, dec, "hms"))
    assert abs((found_ra - ra + 180) % 360 - 180) <= 15 * 0.05 / 3600 + 1e-9
    assert abs(found_dec - dec) <= 0.5 / 3600 + 1e-9
    assert hours < 24
    assert max(minutes, seconds, arcmin, arcsec) < 60


@given(right_ascensions, declinations)
def test_degrees_come_back_and_never_say_360(ra, dec):
    said = angles.position(ra, dec, "deg").replace("−", "-").replace("°", "").split()
    found_ra, found_dec = map(float, said)
    assert 0 <= found_ra < 360
    assert abs((found_ra - ra + 180) % 360 - 180) <= 0.005 + 1e-9
    assert abs(found_dec - dec) <= 0.005 + 1e-9


@given(right_ascensions, declinations)
def test_galactic_positions_are_those_of_the_model(ra, dec):
    said = re.fullmatch(r"l ([\d.]+)° b ([+−][\d.]+)°", angles.position(ra, dec, "galactic"))
    lon, lat = (np.radians(float(each.replace("−", "-"))) for each in said.groups())
    back = sky.from_galactic(lon, lat)
    assert np.degrees(sky.separation(np.radians(ra), np.radians(dec), *back)) < 0.01


@given(st.floats(0, 360, exclude_max=True), st.floats(-89, 89))
def test_local_positions_are_zenith_and_azimuth_in_the_detector(ra, dec):
    said = re.fullmatch(r"zen ([\d.]+)° az ([\d.]+)°", angles.position(ra, dec, "local", TIME))
    zenith, azimuth = (np.radians(float(each)) for each in said.groups())
    back = sky.to_sky(icecube_86(), np.datetime64(TIME.removesuffix("Z"), "ns"), zenith, azimuth)
    assert np.degrees(sky.separation(np.radians(ra), np.radians(dec), *back)) < 0.01


@pytest.mark.parametrize(("frame", "text"), [
    ("deg", "77.43° +5.72°"),
    ("hms", "05h09m43.2s +05°43′12″"),
    ("galactic", "l 195.42° b −19.56°"),
    ("no such frame", "77.43° +5.72°"),
])  # fmt: skip
def test_a_position_is_written_in_the_frame_of_the_person(frame, text):
    assert angles.position(RA, DEC, frame) == text


def test_without_a_time_local_says_that_it_is_icrs():
    assert angles.position(RA, DEC, "local") == "77.43° +5.72° ICRS"
    assert angles.position(RA, DEC, "local", "yesterday") == "77.43° +5.72° ICRS"


@pytest.mark.parametrize("ra", [359.9999, 360.0, -0.00001, 0.0])
def test_the_end_of_the_circle_is_its_beginning(ra):
    assert angles.position(ra, 0.0, "deg") == "0.00° +0.00°"
    assert angles.position(ra, 0.0, "hms").startswith("00h00m00.0s")


def test_a_little_south_is_south_and_nothing_is_not():
    assert angles.position(0.0, -0.004, "hms") == "00h00m00.0s −00°00′14″"
    assert angles.position(0.0, -0.00001, "hms") == "00h00m00.0s +00°00′00″"
    assert angles.position(0.0, -0.004, "deg") == angles.position(0.0, -0.0, "deg") == "0.00° +0.00°"
    assert angles.position(0.0, -0.996, "hms").endswith("−00°59′46″")
    assert angles.position(0.0, -0.006, "deg") == "0.00° −0.01°"


def test_poles_are_written_whole():
    assert angles.position(10.0, 90.0, "hms") == "00h40m00.0s +90°00′00″"
    assert angles.position(10.0, -90.0, "deg") == "10.00° −90.00°"
    assert angles.position(10.0, 89.99999, "hms").endswith("+90°00′00″")


@pytest.mark.parametrize("frame", ANGLES)
def test_what_is_not_known_is_a_dash_in_each_frame(frame):
    assert angles.position(None, None, frame, TIME) == angles.position(float("nan"), 0.0, frame) == "–"
    assert angles.position(1.0, None, frame) == "–"
    assert angles.names(frame) == angles.NAMES[frame]


@pytest.mark.parametrize("time", [
    TIME, "2017-09-22T20:54:30.436+00:00", "2017-09-22 20:54:30.436", np.datetime64("2017-09-22T20:54:30.436"),
    datetime(2017, 9, 22, 20, 54, 30, 436000, tzinfo=UTC), datetime(2017, 9, 22, 20, 54, 30, 436000),
])  # fmt: skip
def test_times_may_come_in_any_form(time):
    assert angles.moment(time) == np.datetime64("2017-09-22T20:54:30.436", "ns")
    assert angles.utc(time) == "2017-09-22 20:54:30"


@pytest.mark.parametrize("time", [None, "", "soon", "NaT"])
def test_no_time_is_a_dash(time):
    assert angles.moment(time) is None
    assert angles.utc(time) == angles.age(time) == "–"


@pytest.mark.parametrize(("seconds", "text"), [
    (0, "0 s"), (59.9, "59 s"), (60, "1 min"), (12 * 60 + 40, "12 min"), (3600, "1 h"), (86399, "23 h"),
    (3 * 86400, "3 d"), (800 * 86400, "2 y"), (-30, "in 30 s"), (-3 * 3600, "in 3 h"),
])  # fmt: skip
def test_ages_are_told_in_their_largest_unit(seconds, text):
    now = datetime(2024, 3, 1, tzinfo=UTC)
    assert angles.age(now - timedelta(seconds=seconds), now) == text


@given(st.floats(1e-12, 1e12))
def test_numbers_keep_three_digits(value):
    text = angles.number(value).replace("×10^", "e").replace("−", "-")
    assert float(text) == pytest.approx(value, rel=6e-3)


@pytest.mark.parametrize(("told", "text"), [
    (angles.energy(0.99), "0.990 TeV"), (angles.energy(187.2), "187 TeV"), (angles.energy(5900), "5.90 PeV"),
    (angles.energy(None), "–"), (angles.radius(0.049), "0.049°"), (angles.radius(31.4), "31°"),
    (angles.radius(float("nan")), "–"), (angles.share(0.5), "0.50"), (angles.share(None), "–"),
    (angles.far(0.0123), "0.0123 per year"), (angles.far(None), "–"), (angles.far_in_words(0.1), "1 in 10 years"),
    (angles.far_in_words(0), "never"), (angles.far_in_words(None), "–"), (angles.number(0), "0"),
    (angles.number(-3.14159), "−3.14"), (angles.number(999.9), "1000"), (angles.number(1234567.0), "1.23×10^6"),
])  # fmt: skip
def test_numbers_have_their_units(told, text):
    assert told == text


def test_durations_can_be_written_alone():
    assert angles.span(timedelta(minutes=90)) == "1 h"
