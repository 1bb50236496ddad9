"""The picture of a growing map: its pixels, lines and words say what the map says."""

import base64
import io
import json
import zlib

import numpy as np
import pytest
import xarray as xr
from maps import ATTRIBUTES, SHAPES, random_map
from PIL import Image

from skymist.errors import ReadError, UnknownNameError
from skymist.model import contour, region, sky, skymap
from skymist.plot import live
from skymist.plot.frames import FRAMES, Plane, frame_of, hammer_grid


def seen(picture: dict) -> np.ndarray:
    """Return the numbers of an image, rows from the north."""
    image = Image.open(io.BytesIO(base64.b64decode(picture["image"])))
    assert (image.mode, image.size) == ("L", (picture["width"], picture["height"]))
    return np.asarray(image)


def positions(picture: dict, attributes: dict) -> tuple[np.ndarray, np.ndarray]:
    """Return those of all pixels, rows from the north."""
    if "frame" in picture:
        grid = hammer_grid(frame_of(picture["frame"], attributes), picture["width"])
        return grid.ra[::-1], grid.dec[::-1]
    plane = Plane(np.radians(picture["ra"]), np.radians(picture["dec"]), picture["size"], picture["width"])
    ra, dec = plane.grid()
    return ra[::-1], dec[::-1]


def walked(picture: dict, which: int, fraction: float) -> list[np.ndarray]:
    """Return the points of contours, in pixels."""
    return [np.cumsum(np.reshape(path, (-1, 2)), axis=0) * fraction for path in picture["contours"][which]]


def begun(data: xr.Dataset, rows: int) -> xr.Dataset:
    return data.isel(cell=slice(0, rows)).assign_attrs({**data.attrs, "complete": False})


@pytest.mark.parametrize("rows", [1, 700, 1500, None])
@pytest.mark.parametrize("shape", SHAPES)
def test_each_pixel_shows_the_cell_that_is_there(shape: str, rows: int | None) -> None:
    data = random_map(3, shape)
    data = data if rows is None else begun(data, rows)
    picture, leaves = live.picture(data), skymap.leaves(data)
    for part in ("sky", "near"):
        ra, dec = positions(picture[part], data.attrs)
        there = np.isfinite(ra)
        row = sky.find(leaves["uniq"].to_numpy(), ra[there], dec[there])
        ts = np.where(row >= 0, leaves["ts"].to_numpy()[row], np.nan)
        expected = np.zeros(ra.shape, np.uint8)
        expected[there] = live.indices(ts, picture[part]["top"])
        np.testing.assert_array_equal(seen(picture[part]), expected)


@pytest.mark.parametrize("frame", FRAMES)
def test_the_sky_is_shown_in_every_frame(frame: str) -> None:
    data = random_map(1)
    data.attrs["detector"] = ATTRIBUTES["detector"]
    found = live.picture(data, frame)["sky"]
    ra, _ = positions(found, data.attrs)
    assert (seen(found)[np.isfinite(ra)] > 0).all()
    assert (seen(found)[np.isnan(ra)] == 0).all()
    turn, forward = np.array(found["turn"]), frame_of(frame, data.attrs).forward
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=2e-4)  # but for aberration
    np.testing.assert_allclose(turn @ sky.unit(1.0, 0.5), sky.unit(*forward(1.0, 0.5)), atol=2e-4)


def test_a_complete_map_shows_nothing_outside_of_its_cone() -> None:
    data = random_map(0, "round")
    kept = sky.separation(*sky.centers(data["uniq"].to_numpy()), *sky.centers(data["uniq"].to_numpy()[-1])) < 1.0
    numbers = seen(live.picture(data.isel(cell=kept))["sky"])
    assert np.count_nonzero(numbers) / numbers.size == pytest.approx(np.pi / 4 * (1 - np.cos(1.0)) / 2, rel=0.05)


def test_what_failed_shows_what_was_known_before() -> None:
    data = begun(random_map(0, "round"), 1500)
    data["nllh"][1000] = np.nan
    picture = live.picture(data)
    assert picture["failed"] == 1
    assert np.count_nonzero(seen(picture["sky"])) == np.count_nonzero(seen(live.picture(random_map(0, "round"))["sky"]))


def test_the_same_rows_give_the_same_picture_in_any_order() -> None:
    data = random_map(2)
    shuffled = data.isel(cell=np.random.default_rng(0).permutation(data.sizes["cell"]))
    assert json.dumps(live.picture(data)) == json.dumps(live.picture(shuffled))


@pytest.mark.parametrize("shape", SHAPES)
def test_numbers_and_lines_are_those_of_the_map(shape: str) -> None:
    data = random_map(5, shape)
    picture = live.picture(data)
    for which, share in enumerate((0.5, 0.9)):
        wanted, told = region.region(data, share), picture["regions"][which]
        assert (told["ts"], told["area_deg2"], told["open"]) == (wanted.ts, wanted.area_deg2, wanted.open)
        near, drawn = picture["near"], walked(picture["near"], which, picture["fraction"])
        plane = Plane(np.radians(near["ra"]), np.radians(near["dec"]), near["size"], near["width"])
        rings = np.concatenate(contour.contour(data, share).rings())
        x, y = plane.to_pixel(*sky.lonlat(rings))
        points = np.stack([x + 0.5, near["width"] - y - 0.5], axis=-1)
        points = points[(points > 0).all(axis=1) & (points < near["width"]).all(axis=1)]
        nearest = np.linalg.norm(points[:, None] - np.concatenate(drawn)[None], axis=-1).min(axis=1)
        assert nearest.max() < 2 * live.APART
    best = region.best_fit(data)
    assert (picture["best"]["ra"], picture["best"]["dec"]) == (np.degrees(best.ra), np.degrees(best.dec))
    column, row = (int(each) for each in picture["near"]["best"])
    assert seen(picture["near"])[row, column] == 1


def test_a_curve_across_the_seam_has_a_part_at_either_side() -> None:
    paths = walked(live.picture(random_map(1, "wrap"))["sky"], 1, live.FRACTION)
    assert {bool((path[:, 0] < live.WIDE / 2).all()) for path in paths} == {True, False}
    for path in paths:
        assert np.abs(np.diff(path[:, 0])).max() < 20


def test_the_surroundings_stay_where_they_are_while_little_changes() -> None:
    data = random_map(4, "round")
    fine = range(data.sizes["cell"] - 1000, data.sizes["cell"], 50)
    places = {tuple(live.picture(begun(data, rows))["near"][key] for key in ("ra", "dec", "size")) for rows in fine}
    assert len(places) <= 3
    sizes = [live.picture(begun(data, rows))["near"]["size"] for rows in (768, 2304, data.sizes["cell"])]
    assert sizes[0] > sizes[1] >= sizes[2]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_picture_is_small(shape: str) -> None:
    for rows in (100, 768, 2000):
        text = json.dumps(live.picture(begun(random_map(6, shape), rows)), separators=(",", ":"))
        assert len(zlib.compress(text.encode())) < 40_000  # as it is on its way to a browser


def test_tops_have_two_digits_so_that_images_stay_the_same() -> None:
    data = begun(random_map(4, "round"), 768)
    assert live.picture(data)["near"]["top"] == 130.0
    tops = [live._rounded_up(top) for top in (1.0, 1.01, 99.9, 128.4, 0.001, 2345.6)]
    assert tops == [1.0, 1.1, 100.0, 130.0, 0.001, 2400.0]


def test_what_cannot_be_shown_is_said() -> None:
    data = random_map(0)
    with pytest.raises(UnknownNameError, match="equatorial"):
        live.picture(data, "ecliptic")
    data["nllh"][:] = np.nan
    with pytest.raises(ReadError, match="no cell"):
        live.picture(data)
