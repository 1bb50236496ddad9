"""Where things are in figures, by astropy's and matplotlib's independent knowledge of the same."""

import importlib
import sys

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from maps import random_map
from matplotlib.projections.geo import HammerAxes

import skymist
from skymist.detector.geometry import icecube_86
from skymist.errors import RequestError, UnknownNameError
from skymist.model import sky
from skymist.plot import curves, frames, view
from skymist.plot.chart import wcs_of
from skymist.plot.frames import Plane, frame_of, from_hammer, hammer_of_offset, step_deg, to_hammer

CRAB = 83.6331, 22.0145
GALACTIC_CENTRE = 266.40499, -28.93617
SITE = {"name": "icecube-86", "latitude_deg": -89.9944, "longitude_deg": -62.6081, "x_bearing_deg": 152.6081}
ABOUT = {"event": {"utc": "2022-06-24T16:13:16.4"}, "detector": SITE}


def circle(ra_deg: float, dec_deg: float, radius_deg: float, n: int = 40) -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, n, endpoint=False)
    out = sky.unit(*np.radians([ra_deg, dec_deg]))
    east = np.cross([0.3, -0.2, 0.9], out)
    east /= np.linalg.norm(east)
    edge = np.cos(turn)[:, None] * east + np.sin(turn)[:, None] * np.cross(out, east)
    return np.cos(np.radians(radius_deg)) * out + np.sin(np.radians(radius_deg)) * edge


@pytest.mark.parametrize("middle", [(120, 0), (0.01, -20), (300, -85), (40, 90), (10, -90), (224.1, 41.3)])
def test_pixels_are_where_fits_world_coordinates_have_them(middle: tuple[float, float]) -> None:
    plane = Plane(*np.radians(middle), 0.2, 300)
    rng = np.random.default_rng(4)
    x, y = rng.uniform(-0.2, 0.2, (2, 200))
    ra, dec = sky.from_plane(x, y, plane.ra, plane.dec)
    found = wcs_of(plane).world_to_pixel(SkyCoord(ra, dec, unit="rad", frame="icrs"))
    assert plane.to_pixel(ra, dec) == (pytest.approx(found[0], abs=1e-6), pytest.approx(found[1], abs=1e-6))
    back = plane.to_sky(*found)
    assert np.degrees(sky.separation(*back, ra, dec)).max() < 1e-9
    assert plane.holds(ra, dec).all()


def test_east_is_left_and_north_is_up_in_a_plane() -> None:
    plane = Plane(*np.radians(CRAB), 0.05)
    middle = plane.to_pixel(plane.ra, plane.dec)
    east = plane.to_pixel(plane.ra + 0.01, plane.dec)
    north = plane.to_pixel(plane.ra, plane.dec + 0.01)
    assert middle == pytest.approx((239.5, 239.5))
    assert east[0] < middle[0] - 10
    assert north[1] > middle[1] + 10


def test_a_plane_knows_its_side_and_its_pole() -> None:
    assert Plane(1.0, 0.2, np.sqrt(2)).side_deg == pytest.approx(180)
    assert Plane(1.0, 1.5, 0.1).pole() == 1
    assert Plane(1.0, -1.5, 0.1).pole() == -1
    assert Plane(1.0, 1.5, 0.06).pole() == 0
    assert Plane(1.0, 0.2, 0.3).holds(1.0, np.pi / 2) == np.False_


def test_hammer_is_that_of_matplotlib_seen_from_inside() -> None:
    rng = np.random.default_rng(1)
    lon, lat = rng.uniform(-3.1, 3.1, 500), rng.uniform(-1.5, 1.5, 500)
    known = HammerAxes.HammerTransform(10).transform_non_affine(np.stack([lon, lat], axis=1)) / np.sqrt(2)
    x, y = to_hammer(lon + 1.0, lat, middle=1.0)
    assert x == pytest.approx(-known[:, 0], abs=1e-12)
    assert y == pytest.approx(known[:, 1], abs=1e-12)


def test_hammer_keeps_areas_and_comes_back() -> None:
    rng = np.random.default_rng(3)
    x, y = 2 * rng.uniform(-1, 1, 2000), rng.uniform(-1, 1, 2000)
    lon, lat = from_hammer(x, y)
    inside = np.isfinite(lon)
    assert np.array_equal(inside, x**2 / 4 + y**2 <= 1)
    back = to_hammer(lon[inside], lat[inside])
    assert back == (pytest.approx(x[inside], abs=1e-9), pytest.approx(y[inside], abs=1e-9))
    assert np.mean(lat[inside] > np.radians(30)) == pytest.approx(0.25, abs=0.04)


def test_sources_are_where_astropy_has_them_in_galactic_coordinates() -> None:
    frame = frame_of("galactic", {})
    for ra, dec in (CRAB, GALACTIC_CENTRE, (10.0, 80.0), (350.0, -60.0)):
        known = SkyCoord(ra, dec, unit="deg").galactic
        lon, lat = frame.forward(*np.radians([ra, dec]))
        assert np.degrees(lon) == pytest.approx(known.l.deg, abs=2e-5)  # J2000 and ICRS are 0.02 arcsec apart
        assert np.degrees(lat) == pytest.approx(known.b.deg, abs=2e-5)
    assert frame.to_hammer(*np.radians(GALACTIC_CENTRE)) == (pytest.approx(0, abs=1e-4), pytest.approx(0, abs=1e-4))
    north_of_it = SkyCoord(l=30, b=0, unit="deg", frame="galactic").icrs
    assert frame.to_hammer(north_of_it.ra.rad, north_of_it.dec.rad)[0] < -0.1  # longitudes grow to the left


def test_the_local_frame_is_zenith_and_azimuth_of_the_detector() -> None:
    frame, time = frame_of("local", ABOUT), np.datetime64("2022-06-24T16:13:16.4", "ns")
    rng = np.random.default_rng(8)
    ra, dec = rng.uniform(0, 6, 50), rng.uniform(-1.5, 1.5, 50)
    zenith, azimuth = sky.to_detector(icecube_86(), time, ra, dec)
    lon, lat = frame.forward(ra, dec)
    assert np.degrees(sky.separation(lon, lat, azimuth, np.pi / 2 - zenith)).max() < 1e-6
    assert frame.latitude(30) == "60°"
    assert frame.latitude(-60) == "150°"
    x, y = frame.to_hammer(ra, dec)
    back = frame.from_hammer(x, y)
    assert np.degrees(sky.separation(*back, ra, dec)).max() < 1e-4
    # At the pole the zenith is the south celestial pole: what is up there is at the top.
    assert frame.to_hammer(0.3, -np.pi / 2)[1] > 0.99


def test_frames_that_cannot_be() -> None:
    with pytest.raises(UnknownNameError, match="no frame is called 'ecliptic'; there are: equatorial, galactic, local"):
        frame_of("ecliptic", ABOUT)
    with pytest.raises(RequestError, match="the map does not say where its detector is"):
        frame_of("local", {"event": ABOUT["event"]})


def test_dense_curves_keep_their_points_and_their_length() -> None:
    ring = circle(50, 60, 20, n=7)
    found = curves.dense(ring)
    steps = np.arccos(np.clip(np.sum(found[1:] * found[:-1], axis=1), -1, 1))
    chords = np.arccos(np.sum(ring * np.roll(ring, -1, axis=0), axis=1))
    assert steps.max() <= curves.STEP * (1 + 1e-6)
    assert steps.sum() == pytest.approx(chords.sum(), rel=1e-6)
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(len(found)))
    assert found[0] == pytest.approx(found[-1])
    assert np.abs(found[:, None] - ring).sum(axis=2).min(axis=0).max() < 1e-12
    assert len(curves.dense(ring[[0, 0, 1]], closed=False)) == len(curves.dense(ring[:2], closed=False)) + 1


@pytest.mark.parametrize("where", [(0, 30, 12), (359, -50, 25), (180, 0, 12), (20, 85, 15), (100, -89, 30), (0, 0, 80)])
def test_rings_go_on_at_the_other_side_of_the_seam(where: tuple[float, float, float]) -> None:
    ra, dec, radius = where
    frame = frame_of("equatorial", {})
    x, y = curves.in_frame([circle(*where, n=400)], frame)
    drawn = np.isfinite(x)
    # Every point that is drawn is on the ring, and nothing is drawn across the sky.
    back = frame.from_hammer(x[drawn] * (1 - 1e-9), y[drawn] * (1 - 1e-9))
    away = np.degrees(sky.separation(*back, *np.radians([ra, dec])))
    assert away == pytest.approx(np.full(away.size, radius), abs=0.06)
    jumps = np.hypot(np.diff(x), np.diff(y))
    assert np.nanmax(jumps) < 0.12
    # A piece ends at the edge of the ellipse, and the next one begins opposite.
    gaps = np.flatnonzero(~drawn)
    assert x[gaps - 1] ** 2 / 4 + y[gaps - 1] ** 2 == pytest.approx(np.ones(gaps.size))
    assert x[gaps + 1] == pytest.approx(-x[gaps - 1])
    assert y[gaps + 1] == pytest.approx(y[gaps - 1])
    crossings = {(180, 0, 12): 0, (20, 85, 15): 1, (100, -89, 30): 1}.get(where, 2)
    assert gaps.size == crossings


def test_a_plane_is_not_crossed_by_what_passes_its_antipode() -> None:
    plane = Plane(1.0, 0.3, 1.4)
    x, y = curves.in_plane([circle(np.degrees(1.0) + 180, -np.degrees(0.3) + 4, 4.0001, n=400)], plane)
    assert np.isnan(x).sum() == 1
    assert np.nanmax(np.hypot(np.diff(x), np.diff(y))) * plane.step < 1


def test_no_ring_is_no_curve() -> None:
    assert all(part.size == 0 for part in curves.in_frame([], frame_of("equatorial", {})))


def test_offsets_keep_both_sides_of_the_seam() -> None:
    assert hammer_of_offset(np.pi, 0.0)[0] == pytest.approx(-2)
    assert hammer_of_offset(-np.pi, 0.0)[0] == pytest.approx(2)


def test_steps_are_round() -> None:
    assert [step_deg(span) for span in (0.004, 0.9, 4.9, 70, 400)] == [0.001, 0.2, 1, 15, 90]


def test_the_view_of_a_map_gives_its_values() -> None:
    skymap = random_map(2, "islands")
    seen = view.view_of(skymap, "wilks", {"there": (1.0, 0.5)})
    assert seen.ts_at(np.array([seen.best.ra, np.nan]), np.array([seen.best.dec, 0.0])) == pytest.approx(
        [0, np.nan], nan_ok=True
    )
    area = sky.area_sr(seen.tiling["uniq"].to_numpy()) * np.degrees(1.0) ** 2
    assert np.sum(seen.density * area) == pytest.approx(1)
    best = np.array([seen.best.ra]), np.array([seen.best.dec])
    assert seen.density_at(*best) == pytest.approx([seen.density.max()])
    assert [found.containment for found in seen.contours] == [0.5, 0.9]
    with pytest.raises(UnknownNameError, match="no quantity is called 'energy'; there are: probability, ts"):
        seen.shown_at("energy", *best)  # type: ignore[arg-type]


def test_what_is_drawn_is_worked_out_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    packages = ("model", "plot")
    again = tuple(f"skymist.{package}" for package in packages)
    for name in [name for name in sys.modules if name.startswith((*again, "matplotlib", "mpl_toolkits"))]:
        monkeypatch.delitem(sys.modules, name)
    for package in packages:
        monkeypatch.setattr(skymist, package, getattr(skymist, package))
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # to import it is an error now
    for name in ("view", "frames", "curves", "captions", "pulses"):
        importlib.import_module(f"skymist.plot.{name}")
    with pytest.raises(ModuleNotFoundError, match="matplotlib"):
        importlib.import_module("skymist.plot.zoom")


def test_pixels_of_the_whole_sky_fill_the_ellipse_evenly() -> None:
    grid = frames.hammer_grid(frame_of("equatorial", {}), 40)
    assert grid.ra.shape == (20, 40)
    # Where matplotlib's imshow has the centres of so many pixels between -2 and 2, and -1 and 1.
    assert grid.x == pytest.approx(-2 + (np.arange(40) + 0.5) * 0.1)
    assert grid.y == pytest.approx(-1 + (np.arange(20) + 0.5) * 0.1)
    assert grid.range == (pytest.approx((-2, 2)), pytest.approx((-1, 1)))
    inside = np.isfinite(grid.ra)
    x, y = to_hammer(grid.ra[inside], grid.dec[inside])
    assert x == pytest.approx(np.meshgrid(grid.x, grid.y)[0][inside])
    assert y == pytest.approx(np.meshgrid(grid.x, grid.y)[1][inside])


@pytest.mark.parametrize("middle", [(120, 0), (0.01, -20), (300, -85), (40, 89), (224.1, 41.3)])
@pytest.mark.parametrize("size", [0.02, 0.3])
def test_a_plane_knows_how_far_it_reaches(middle: tuple[float, float], size: float) -> None:
    plane = Plane(*np.radians(middle), size, 200)
    ra, dec = (np.degrees(each) for each in plane.grid())
    (west, east), (low, high) = plane.reach_deg()
    off = (ra - middle[0] + 180) % 360 - 180
    assert west <= off.min()
    assert off.max() <= east
    assert low <= dec.min()
    assert dec.max() <= high
    if not plane.pole():
        assert (west, east) == pytest.approx((off.min(), off.max()), rel=0.03)
    assert (low, high) == pytest.approx((dec.min(), dec.max()), abs=2 * np.degrees(plane.step))
    across, up = plane.steps_deg()
    assert across == 45 if plane.pole() else (east - west) / across <= 5 < 3 * (east - west) / across
    assert (high - low) / up <= 5
