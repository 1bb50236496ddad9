"""Files of contours: read back by astropy, regions, shapely and a small reader of DS9's regions."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from astropy.table import Table
from maps import SHAPES, of_cells, random_map
from regions import Regions

from skymist.model import sky
from skymist.model.contour import Contour, contours
from skymist.store.contours import flat_polygons, write_ds9, write_ecsv, write_geojson

META = {"event": "1_2", "scan_id": "0" * 64, "calibration": "wilks"}
NORTH, SOUTH = (0.0, 90.0), (0.0, -90.0)


def circle(ra: float, dec: float, radius: float, n: int = 40, hole: bool = False) -> np.ndarray:
    """Return a regular polygon around a position (degrees), counter-clockwise, or clockwise if it is a hole."""
    turn = np.linspace(0.3, 2 * np.pi + 0.3, n, endpoint=False)
    center, east = sky.unit(*np.radians([ra, dec])), sky.unit(np.radians(ra + 90), 0.0)
    north = np.cross(center, east)
    ring = np.cos(np.radians(radius)) * center + np.sin(np.radians(radius)) * (
        np.cos(turn)[:, None] * east + np.sin(turn)[:, None] * north
    )
    return ring[::-1] if hole else ring


def within(rings: list[np.ndarray], n: int = 4000, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return random positions (degrees) and whether rings of regular polygons have them on the left of all sides.

    Only for convex polygons, holes among them: a position is out of a hole if it is right of any of its sides.
    """
    rng = np.random.default_rng(seed)
    ra, dec = rng.uniform(-180, 180, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    at = sky.unit(*np.radians([ra, dec]))
    inside = np.ones(n, bool)
    for ring in rings:
        hole = np.cross(ring[0], ring[1]) @ ring.mean(axis=0) < 0
        left = np.cross(ring, np.roll(ring, -1, axis=0)) @ at.T > 0
        inside &= left.any(axis=0) if hole else left.all(axis=0)
    return ra, dec, inside


def from_the_edge(at: np.ndarray, rings: tuple[np.ndarray, ...]) -> np.ndarray:
    """Return how far positions (unit vectors) are from the nearest side of any ring, in degrees."""
    a = np.concatenate(rings)
    b = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    pole = np.cross(a, b)
    pole /= np.linalg.norm(pole, axis=1)[:, None]
    beside = (np.cross(pole, a) @ at.T > 0) & (np.cross(b, pole) @ at.T > 0)  # the foot lies between the ends
    line = np.where(beside, np.abs(np.arcsin(pole @ at.T)), np.pi)
    corner = 2 * np.arcsin(np.minimum(np.linalg.norm(a[:, None] - at, axis=-1) / 2, 1))
    return np.degrees(np.minimum(line, corner).min(axis=0))


def shape_of(polygons: list[list[np.ndarray]]) -> shapely.MultiPolygon:
    found = shapely.MultiPolygon([(rings[0], rings[1:]) for rings in polygons])
    assert found.is_valid, shapely.is_valid_reason(found)
    return found


def follows_the_rfc(polygons: list[list[Any]]) -> None:
    for rings in polygons:
        for number, ring in enumerate(np.asarray(each) for each in rings):
            assert len(ring) >= 4
            assert np.array_equal(ring[0], ring[-1])
            assert np.abs(ring).max(axis=0)[0] <= 180
            assert np.abs(ring).max(axis=0)[1] <= 90
            assert shapely.LinearRing(ring).is_ccw == (number == 0)
            jumps = np.abs(np.diff(ring, axis=0))
            along_the_edge = np.abs(ring[:-1, 1]) == 90
            assert np.all((jumps[:, 0] < 181) | along_the_edge)


CASES = {
    "a circle": [circle(40, 10, 5)],
    "across RA 180": [circle(179, 10, 5)],
    "across RA 0": [circle(359.5, -30, 5)],
    "north pole": [circle(*NORTH, 12)],
    "south pole": [circle(*SOUTH, 12)],
    "beside the north pole": [circle(100, 80, 9.9)],
    "over the north pole": [circle(181, 80, 15)],
    "over the south pole": [circle(181, -80, 15)],
    "across RA 180, with a hole there": [circle(180, 0, 30), circle(179, 2, 10, hole=True)],
    "across RA 180, with a hole aside": [circle(180, 0, 30), circle(160, 2, 5, hole=True)],
    "ring around the north pole": [circle(*NORTH, 30), circle(*NORTH, 20, hole=True)],
    "ring around the south pole": [circle(*SOUTH, 30), circle(*SOUTH, 20, hole=True)],
    "ring beside the pole, around it": [circle(50, 70, 40), circle(50, 75, 30, hole=True)],
    "band along the equator": [circle(*NORTH, 95), circle(*NORTH, 85, hole=True)],
    "tilted band": [circle(30, 40, 89, n=90), circle(30, 40, 70, n=90, hole=True)],
    "all but a circle": [circle(40, 10, 5, hole=True)],
    "all but a circle at RA 180": [circle(180, 10, 5, hole=True)],
    "all but a pole": [circle(*SOUTH, 5, hole=True)],
    "all but both poles": [circle(*NORTH, 5, hole=True), circle(*SOUTH, 5, hole=True)],
    "all but a circle and a pole": [circle(*NORTH, 9, hole=True), circle(30, 30, 9, hole=True)],
    "all but two circles": [circle(20, 20, 9, hole=True), circle(-50, 20, 9, hole=True)],
    "a third of the sky": [circle(250, -40, 80, n=90)],
    "a triangle": [circle(120, 60, 50, n=3)],
}


@pytest.mark.parametrize("name", CASES)
def test_flat_polygons_hold_the_same_positions(name: str) -> None:
    polygons = flat_polygons(CASES[name])
    follows_the_rfc(polygons)
    ra, dec, inside = within(CASES[name])
    assert 0 < inside.sum() < inside.size
    assert np.array_equal(shapely.contains_xy(shape_of(polygons), ra, dec), inside)


@pytest.mark.parametrize("seed", range(40))
def test_flat_polygons_of_any_circle_and_of_all_but_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ra, dec = rng.uniform(0, 360), np.degrees(np.arcsin(rng.uniform(-1, 1)))
    for hole in (False, True):
        rings = [circle(ra, dec, rng.uniform(1, 85), int(rng.integers(3, 60)), hole)]
        polygons = flat_polygons(rings)
        follows_the_rfc(polygons)
        at_ra, at_dec, inside = within(rings, 1000, seed)
        assert np.array_equal(shapely.contains_xy(shape_of(polygons), at_ra, at_dec), inside)


@pytest.mark.parametrize("hole", [False, True])
@pytest.mark.parametrize(
    "corners",
    [
        [(180, 0), (190, 10), (180, 20), (170, 10)],
        [(180, 0), (180, 20), (170, 10)],
        [(180, 0), (190, 10), (180, 20)],
        [(180, -5), (180, 0), (180, 5), (180, 20), (150, 10)],
        [(170, 0), (180, 5), (170, 10)],
        [(-170, 10), (-180, 5), (-170, 0)],
        [(170, 0), (190, 5), (180, 10), (190, 15), (170, 20)],
        [(0, 60), (90, 60), (180, 60), (270, 60)],
        [(0, 60), (180, 60), (200, 50), (340, 50)],
        [(180, 0), (190, 0), (190, 20), (180, 20), (180, 10), (179, 5)],
        [(180, 60), (0, 60), (270, 20)],
        [(0, 90), (10, 60), (50, 60)],
        [(0, 90), (170, 60), (190, 60)],
    ],
)
def test_points_on_the_antimeridian_and_on_a_pole(corners: list[tuple[float, float]], hole: bool) -> None:
    ring = sky.unit(*np.radians(corners).T)
    ring = ring[::-1] if hole else ring
    clockwise = np.cross(ring, np.roll(ring, -1, axis=0)).sum(axis=0) @ ring.mean(axis=0) < 0
    rings = [ring]
    polygons = flat_polygons(rings)
    follows_the_rfc(polygons)
    made = Contour(0.9, "wilks", 4.6, ((ring,),), 1.0, 1.0, open=False)
    ra, dec, _ = within([], 3000)
    inside = made.contains(np.radians(ra), np.radians(dec))
    assert inside.mean() > 0.5 if clockwise else inside.mean() < 0.5
    assert np.array_equal(shapely.contains_xy(shape_of(polygons), ra, dec), inside)


@pytest.mark.parametrize("seed", range(2 * len(SHAPES)))
def test_geojson_holds_what_a_contour_holds(seed: int, tmp_path: Path) -> None:
    made = contours(random_map(seed, finest=128), (0.5, 0.9), "icecube-2016")
    document = json.loads(write_geojson(made, tmp_path / "a.geojson", META).read_bytes())
    assert document["type"] == "FeatureCollection"
    assert "right ascension" in document["frame"]
    assert len(document["features"]) == 2
    for contour, feature in zip(made, document["features"], strict=True):
        polygons = feature["geometry"]["coordinates"]
        follows_the_rfc(polygons)
        shape = shape_of(polygons)
        assert shape.equals(shapely.from_geojson(json.dumps(feature["geometry"])))
        rng = np.random.default_rng(seed)
        around = np.concatenate(contour.rings())[rng.integers(0, sum(map(len, contour.rings())), 1500)]
        at = around + rng.normal(0, 0.02, around.shape)
        ra, dec = sky.lonlat(at)
        inside = contour.contains(ra, dec)
        assert 0.1 < inside.mean() < 0.9
        found = shapely.contains_xy(shape, (np.degrees(ra) + 180) % 360 - 180, np.degrees(dec))
        wrong = found != inside
        assert np.count_nonzero(wrong) < 10
        assert from_the_edge(sky.unit(ra, dec)[wrong], contour.rings()).max(initial=0) < 0.001
        said = feature["properties"]
        assert said == {
            "containment": contour.containment, "ts": contour.ts, "calibration": "icecube-2016", "event": "1_2",
            "area_deg2": contour.area_deg2, "perimeter_deg": contour.perimeter_deg, "open": contour.open,
        }  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_flat_polygons_of_contours_of_any_topology(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cells = sky.all_cells((4, 8)[seed % 2])
    waves, phases = rng.normal(0, 3, (8, 3)), rng.uniform(0, 2 * np.pi, 8)
    values = np.sin(sky.unit(*sky.centers(cells)) @ waves.T + phases).sum(axis=1)
    (made,) = contours(of_cells(cells, values - values.min()), (float(rng.uniform(0.3, 0.95)),), "wilks")
    polygons = flat_polygons(made.rings())
    follows_the_rfc(polygons)
    ra, dec = rng.uniform(-180, 180, 2000), np.degrees(np.arcsin(rng.uniform(-1, 1, 2000)))
    inside = made.contains(np.radians(ra), np.radians(dec))
    wrong = shapely.contains_xy(shape_of(polygons), ra, dec) != inside
    assert from_the_edge(sky.unit(*np.radians([ra, dec]))[wrong], made.rings()).max(initial=0) < 0.001
    assert 0 < np.count_nonzero(inside) < 2000


def test_geojson_of_the_whole_sky_is_the_whole_map(tmp_path: Path) -> None:
    cells = sky.all_cells(4)
    made = contours(of_cells(cells, np.linspace(0, 0.1, cells.size)), (0.9,), "wilks")
    assert made[0].rings() == ()
    document = json.loads(write_geojson(made, tmp_path / "a.geojson").read_bytes())
    polygons = document["features"][0]["geometry"]["coordinates"]
    follows_the_rfc(polygons)
    assert shape_of(polygons).area == 360 * 180


def test_a_level_without_bound_is_null_in_json(tmp_path: Path) -> None:
    made = [Contour(0.9, "resimulated", np.inf, (), 41252.96, 0.0, open=True)]
    said = json.loads(write_geojson(made, tmp_path / "a.geojson", {"when": np.float64(3)}).read_bytes())
    assert said["features"][0]["properties"]["ts"] is None
    assert said["meta"] == {"when": 3.0}
    assert Table.read(write_ecsv(made, tmp_path / "a.ecsv"), format="ascii.ecsv").meta["contours"][0]["ts"] is None


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_astropy_reads_the_table(seed: int, tmp_path: Path) -> None:
    made = contours(random_map(seed, finest=128), (0.5, 0.9), "wilks")
    table = Table.read(write_ecsv(made, tmp_path / "a.ecsv", META), format="ascii.ecsv")
    assert {name: table[name].dtype.name for name in table.colnames} == {
        "containment": "float64", "polygon": "int64", "ring": "int64", "hole": "bool",
        "ra": "float64", "dec": "float64",
    }  # fmt: skip
    assert table["ra"].unit == table["dec"].unit == "deg"
    assert {key: table.meta[key] for key in META} == META
    assert [each["area_deg2"] for each in table.meta["contours"]] == [each.area_deg2 for each in made]
    for contour in made:
        for piece, rings in enumerate(contour.polygons):
            for number, ring in enumerate(rings):
                rows = table[table["containment"] == contour.containment]
                rows = rows[(rows["polygon"] == piece) & (rows["ring"] == number)]
                assert set(rows["hole"]) == {number > 0}
                back = sky.unit(np.radians(rows["ra"]), np.radians(rows["dec"]))
                assert np.allclose(back, ring, rtol=0, atol=1e-10)
    assert len(table) == sum(len(ring) for contour in made for ring in contour.rings())
    holes = sum(len(rings) - 1 for contour in made for rings in contour.polygons)
    assert seed != 3 or holes  # the annulus


def regions_of(text: str) -> list[tuple[bool, np.ndarray, str]]:
    """Return what DS9 draws: whether a polygon is excluded, its corners in degrees, and its label."""
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", "global"))]
    assert lines[0] == "icrs"
    found = []
    for line in lines[1:]:
        match = re.fullmatch(r"(-?)polygon\(([-0-9.,]+)\) # color=\w+ text=\{(.+)\} tag=\{\3\}", line)
        assert match, line
        found.append((match[1] == "-", np.array(match[2].split(","), float).reshape(-1, 2), match[3]))
    return found


@pytest.mark.parametrize("seed", range(len(SHAPES)))
def test_ds9_gets_each_ring_and_holes_are_excluded(seed: int, tmp_path: Path) -> None:
    made = contours(random_map(seed, finest=128), (0.5, 0.9), "wilks")
    text = write_ds9(made, tmp_path / "a.reg", {**META, "note": "two\nlines"}).read_text()
    assert text.startswith("# Region file format: DS9")
    assert "# note: two lines\n" in text
    assert f"area_deg2 {made[0].area_deg2}" in text
    found = regions_of(text)
    rings = [(number > 0, ring, f"{100 * c.containment:g}%") for c in made for piece in c.polygons
             for number, ring in enumerate(piece)]  # fmt: skip
    assert len(found) == len(rings)
    for (excluded, corners, label), (hole, ring, name) in zip(found, rings, strict=True):
        assert (excluded, label) == (hole, name)
        assert corners[:, 0].min() >= 0
        assert corners[:, 0].max() <= 360
        assert np.allclose(sky.unit(*np.radians(corners).T), ring, rtol=0, atol=2e-9)


def test_astropy_regions_reads_what_ds9_gets(tmp_path: Path) -> None:
    (made,) = contours(random_map(3, finest=128), (0.9,), "wilks")
    found = Regions.read(write_ds9([made], tmp_path / "a.reg", META), format="ds9")
    rings = made.rings()
    assert [each.meta["include"] for each in found] == [True, False]  # an annulus
    for each, ring in zip(found, rings, strict=True):
        assert each.vertices.frame.name == "icrs"
        back = sky.unit(each.vertices.ra.radian, each.vertices.dec.radian)
        assert np.allclose(back, ring, rtol=0, atol=1e-8)


def test_ds9_excludes_what_a_region_of_more_than_half_of_the_sky_leaves_out(tmp_path: Path) -> None:
    ring = circle(40, 10, 5, hole=True)
    made = [Contour(0.9, "wilks", 4.6, ((ring,),), 41000.0, 31.0, open=False)]
    ((excluded, _, _),) = regions_of(write_ds9(made, tmp_path / "a.reg").read_text())
    assert excluded


@pytest.mark.parametrize("write", [write_ecsv, write_ds9, write_geojson])
def test_no_contours_are_a_file_too_and_the_same_ones_the_same_bytes(write: Any, tmp_path: Path) -> None:
    assert write([], tmp_path / "none").stat().st_size
    made = contours(random_map(1, finest=128), (0.9,), "wilks")
    one, two = (write(made, tmp_path / name, META).read_bytes() for name in "ab")
    assert one == two
