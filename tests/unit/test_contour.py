"""Contours on the sphere."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as some
from maps import SHAPES, of_cells, random_map

from skymist.errors import ReadError, RequestError, UnknownNameError
from skymist.model import sky, skymap
from skymist.model.contour import Contour, _near_edge, _surface, contour, contours
from skymist.model.region import CALIBRATIONS, Calibration, region
from skymist.store.peers import read_peer_map

WHOLE_DEG2 = 4 * np.pi * np.degrees(1) ** 2


def at(ts: float) -> Calibration:
    return Calibration("made up", lambda _tiling, _containment: ts)


def round_map(nside: int, ra: float, dec: float, width: float, radius: float = 0.0) -> xr.Dataset:
    cells = sky.all_cells(nside)
    return of_cells(cells, 0.5 * ((sky.separation(*sky.centers(cells), ra, dec) - radius) / width) ** 2)


def cap_deg2(radius: float) -> float:
    return float(2 * np.pi * (1 - np.cos(radius)) * np.degrees(1) ** 2)


def isotropic(n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 2 * np.pi, n), np.arcsin(rng.uniform(-1, 1, n))


def fits_its_cells(data: xr.Dataset, containment: float, calibration: str | Calibration) -> Contour:
    drawn, cells = contour(data, containment, calibration), region(data, containment, calibration)
    tiling = skymap.leaves(data)
    held, ts = tiling["uniq"].to_numpy(), tiling["ts"].to_numpy()
    known = ~np.isnan(ts)
    assert (drawn.ts, drawn.calibration, drawn.open) == (cells.ts, cells.calibration, cells.open)
    assert np.array_equal(drawn.contains(*sky.centers(held[known])), ts[known] <= cells.ts)
    assert abs(drawn.area_deg2 - cells.area_deg2) <= half_an_edge_deg2(drawn, held) + 1e-9
    return drawn


def half_an_edge_deg2(drawn: Contour, cells: np.ndarray) -> float:
    total = 0.0
    finest = np.sqrt(sky.area_sr(cells).min())
    for ring in drawn.rings():
        step = np.roll(ring, -1, axis=0) - ring
        at = sky.find(cells, *sky.lonlat(ring + step / 2))
        edge = np.where(at < 0, finest, np.sqrt(sky.area_sr(cells[at])))
        total += float(np.sum(edge / 2 * np.linalg.norm(step, axis=-1)))
    return float(np.degrees(np.degrees(total)))


@pytest.mark.parametrize("calibration", CALIBRATIONS)
@pytest.mark.parametrize("seed", range(len(SHAPES)))
def test_all_shapes_hold_the_leaves_of_their_region_and_no_others(seed: int, calibration: str) -> None:
    data = random_map(seed, finest=128)
    for containment in (0.5, 0.9):
        drawn = fits_its_cells(data, containment, calibration)
        assert len(drawn.polygons) > 0


def test_reference_scans_hold_the_leaves_of_their_region_and_no_others(shared: Path) -> None:
    files = sorted((shared / "reference_scans").glob("*/*.json"))
    assert len(files) == 10
    for file in files:
        data = read_peer_map(file.read_bytes(), file.name, convention="standard")
        for calibration in CALIBRATIONS:
            fits_its_cells(data, 0.9, calibration)


def test_the_old_reference_scan_has_failed_cells_and_fits_as_well(shared: Path) -> None:
    (file,) = (shared / "reference_scans").glob("*.npz")
    data = read_peer_map(file.read_bytes(), file.name, convention="mirrored", event={"utc": "2022-06-24T16:13:16.405"})
    for containment, published in ((0.5, 2.33), (0.9, 7.462)):
        drawn = fits_its_cells(data, containment, "icecube-2016")
        assert drawn.area_deg2 == pytest.approx(published, rel=0.05)


@pytest.mark.parametrize("nside", [1, 2, 4])
def test_coarsest_maps_fit_at_any_level(nside: int) -> None:
    rng = np.random.default_rng(nside)
    for _ in range(10):
        data = of_cells(sky.all_cells(nside), rng.exponential(size=12 * nside**2))
        for ts in (0.01, 1.0, 3.0):
            fits_its_cells(data, 0.9, at(ts))


@pytest.mark.parametrize(
    ("ra", "dec", "radius"),
    [
        (1.0, 0.3, 0.2),
        (0.0, 0.0, 0.2),
        (2.0, np.pi / 2, 0.3),
        (2.0, -np.pi / 2, 0.3),
        (6.2, 1.4, 0.4),
        (3.0, -0.5, 2.5),
    ],
)
def test_round_contour_is_the_cap_it_should_be(ra: float, dec: float, radius: float) -> None:
    drawn = contour(round_map(32, ra, dec, radius / 2), 0.9, at(4.0))
    ((ring,),) = drawn.polygons
    away = sky.separation(*sky.lonlat(ring), ra, dec)
    assert away == pytest.approx(radius, abs=2e-3)
    assert drawn.area_deg2 == pytest.approx(cap_deg2(radius), rel=0.01)
    assert drawn.perimeter_deg == pytest.approx(360 * np.sin(radius), rel=0.01)
    positions = isotropic(10_000)
    off = sky.separation(*positions, ra, dec) - radius
    clear = np.abs(off) > 4e-3
    assert np.array_equal(drawn.contains(*positions)[clear], off[clear] < 0)
    assert drawn.contains(ra, dec)
    there_and_opposite = drawn.contains([[ra] * 3, [ra + np.pi] * 3], [[dec], [-dec]])
    assert there_and_opposite.tolist() == [[True] * 3, [False] * 3]
    assert not drawn.contains(ra + np.pi, -dec)


@pytest.mark.parametrize(("ra", "dec"), [(0.0, 0.1), (4.0, np.pi / 2), (4.0, -1.5)])
def test_annulus_has_an_outer_ring_and_a_hole(ra: float, dec: float) -> None:
    drawn = contour(round_map(32, ra, dec, 0.1, radius=0.5), 0.9, at(4.0))
    ((outer, hole),) = drawn.polygons
    assert sky.separation(*sky.lonlat(outer), ra, dec) == pytest.approx(0.7, abs=5e-3)
    assert sky.separation(*sky.lonlat(hole), ra, dec) == pytest.approx(0.3, abs=5e-3)
    assert drawn.area_deg2 == pytest.approx(cap_deg2(0.7) - cap_deg2(0.3), rel=0.01)
    positions = isotropic(10_000)
    away = sky.separation(*positions, ra, dec)
    clear = (np.abs(away - 0.7) > 0.01) & (np.abs(away - 0.3) > 0.01)
    assert np.array_equal(drawn.contains(*positions)[clear], (away[clear] > 0.3) & (away[clear] < 0.7))


def test_the_piece_with_the_best_fit_is_first_also_where_another_is_larger() -> None:
    cells = sky.all_cells(32)
    small, large = (sky.separation(*sky.centers(cells), ra, 0.2) / width for ra, width in ((4.0, 0.1), (1.0, 0.2)))
    data = of_cells(cells, np.minimum(small**2 / 2, large**2 / 2 + 0.1))
    first, second = contour(data, 0.9, at(1.5)).polygons
    assert [sky.separation(*sky.lonlat(piece[0].mean(axis=0)), 4.0, 0.2) < 0.1 for piece in (first, second)] == [1, 0]
    assert len(first[0]) < len(second[0])


def test_three_bands_about_the_sky_are_two_pieces_with_the_best_first() -> None:
    cells = sky.all_cells(16)
    _, dec = sky.centers(cells)
    north, belt = (np.pi / 2 - dec) / 0.3, dec / 0.2  # a cap in the north, and a belt that has two holes
    drawn = contour(of_cells(cells, 0.5 * np.minimum(north**2 + 0.1, belt**2)), 0.9, at(1.0))
    assert [len(piece) for piece in drawn.polygons] == [2, 1]
    assert drawn.area_deg2 == pytest.approx(WHOLE_DEG2 * np.sin(0.2) + cap_deg2(0.3 * np.sqrt(0.9)), rel=0.02)
    assert drawn.contains([0.0, 0.0, 0.0], [0.0, 1.5, -1.5]).tolist() == [True, True, False]


@pytest.mark.parametrize("seed", range(len(SHAPES)))
def test_area_is_that_of_the_plane_projection_and_of_random_positions(seed: int) -> None:
    drawn = contour(random_map(seed, finest=128), 0.9)
    ra0, dec0 = sky.lonlat(drawn.polygons[0][0][0])
    signed = 0.0
    for ring in drawn.rings():
        x, y = sky.to_plane(*sky.lonlat(ring), float(ra0), float(dec0))  # east to the right: as seen from outside
        signed += float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) / 2)
    assert drawn.area_deg2 == pytest.approx(np.degrees(np.degrees(signed)), rel=2e-3)
    side = 1.1 * max(np.abs(sky.to_plane(*sky.lonlat(ring), float(ra0), float(dec0))).max() for ring in drawn.rings())
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-side, side, (2, 20_000))
    share = drawn.contains(*sky.from_plane(x, y, float(ra0), float(dec0))).mean()
    error = np.sqrt(share * (1 - share) / x.size)
    assert share == pytest.approx(drawn.area_deg2 / np.degrees(np.degrees(4 * side**2)), abs=4 * error)


@settings(max_examples=25, deadline=None)
@given(seed=some.integers(0, 10_000), quantile=some.floats(0.05, 0.95))
def test_region_and_the_rest_of_the_sky_share_their_contour(seed: int, quantile: float) -> None:
    rng = np.random.default_rng(seed)
    cells = sky.all_cells(8)
    poles = rng.normal(size=(6, 3))
    height = np.sin(3 * sky.unit(*sky.centers(cells)) @ poles.T) @ rng.normal(size=6)
    root = height - height.min()
    level = float(np.quantile(root, quantile)) + 1e-9
    drawn = contour(of_cells(cells, root**2 / 2), 0.9, at(level**2))
    rest = contour(of_cells(cells, (root.max() - root) ** 2 / 2), 0.9, at((root.max() - level) ** 2))
    assert drawn.area_deg2 + rest.area_deg2 == pytest.approx(WHOLE_DEG2, rel=1e-9)
    assert drawn.perimeter_deg == pytest.approx(rest.perimeter_deg, rel=1e-9)
    positions = isotropic(1000, seed)
    assert np.array_equal(drawn.contains(*positions), ~rest.contains(*positions))


@pytest.mark.parametrize("seed", range(len(SHAPES)))
def test_region_lies_to_the_left_and_rings_are_closed_and_simple(seed: int) -> None:
    drawn = contour(random_map(seed, finest=128), 0.9)
    for ring in drawn.rings():
        assert len(ring) >= 3
        assert np.linalg.norm(ring, axis=-1) == pytest.approx(1)
        step = np.roll(ring, -1, axis=0) - ring
        length = np.linalg.norm(step, axis=-1)
        assert length.min() > 0
        middle = ring + step / 2
        left = np.cross(ring, step) / length[:, None]
        for side, inside in ((1e-4, True), (-1e-4, False)):
            beside = middle + side * length[:, None] * left
            assert np.all(drawn.contains(*sky.lonlat(beside)) == inside)


def excess_deg2(ring: np.ndarray) -> float:
    """The area of a polygon on the sphere by its interior angles (Girard)."""
    before, after = np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0)
    to_before, to_after = (each - ring * np.sum(each * ring, axis=1, keepdims=True) for each in (before, after))
    sine = np.sum(np.cross(to_after, to_before) * ring, axis=1)
    angles = np.arctan2(sine, np.sum(to_after * to_before, axis=1)) % (2 * np.pi)
    return float((angles.sum() - (len(ring) - 2) * np.pi) * np.degrees(1) ** 2)


@pytest.mark.parametrize(("nside", "ts"), [(2, 3.0), (4, 2.0), (8, 6.0)])
def test_area_is_that_of_the_angles_and_perimeter_that_of_the_sides(nside: int, ts: float) -> None:
    rng = np.random.default_rng(nside)
    for _ in range(5):
        drawn = contour(of_cells(sky.all_cells(nside), rng.exponential(2.0, 12 * nside**2)), 0.9, at(ts))
        sides = [sky.separation(*sky.lonlat(ring), *sky.lonlat(np.roll(ring, -1, axis=0))) for ring in drawn.rings()]
        assert drawn.perimeter_deg == pytest.approx(np.degrees(np.concatenate(sides).sum()), rel=1e-9)
        areas = []
        for outer, *holes in drawn.polygons:
            areas.append(excess_deg2(outer) - sum(WHOLE_DEG2 - excess_deg2(hole) for hole in holes))
            assert all(excess_deg2(outer) < excess_deg2(hole) for hole in holes)
        assert drawn.area_deg2 == pytest.approx(sum(areas), rel=1e-9)
        assert areas[1:] == sorted(areas[1:], reverse=True)


@pytest.mark.parametrize("share", [0.35, 0.5, 0.6, 0.99])
def test_a_lone_cell_keeps_a_third_of_the_way_to_those_around(share: float) -> None:
    cells = sky.all_cells(8)
    ts = 1e-3 if share == 0.35 else 100 * share**2
    values = np.where(np.arange(cells.size) == 400, 0.0, 100.0)
    drawn = contour(of_cells(cells, values / 2), 0.9, at(ts))
    ((ring,),) = drawn.polygons
    nodes = sky.unit(*sky.centers(cells))
    crossings = nodes[400] * (1 - share) + np.delete(nodes, 400, axis=0) * share
    crossings /= np.linalg.norm(crossings, axis=-1, keepdims=True)
    for point in ring:
        assert np.linalg.norm(crossings - point, axis=-1).min() < 1e-12
    assert (drawn.containment, drawn.calibration, drawn.ts) == (0.9, "made up", ts)


@pytest.mark.parametrize("share", [0.4, 0.6])
def test_root_of_ts_is_linear_between_two_cells(share: float) -> None:
    cells = sky.all_cells(4)
    ts = np.where(np.arange(cells.size) < 40, 0.0, 100.0)
    drawn = contour(of_cells(cells, ts / 2), 0.9, at((10 * share) ** 2))
    nodes = sky.unit(*sky.centers(cells))
    between = nodes[:40, None] * (1 - share) + nodes[None, 40:] * share
    between /= np.linalg.norm(between, axis=-1, keepdims=True)
    for point in np.concatenate(drawn.rings()):
        assert np.linalg.norm(between - point, axis=-1).min() < 1e-12


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nodes_far_from_the_edge_make_no_difference(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    coarse = sky.all_cells(8)
    fine = sky.children(rng.choice(coarse, 6, replace=False), 64).ravel()
    cells = np.concatenate([coarse, fine])
    poles = rng.normal(size=(9, 3))
    height = np.sin(5 * sky.unit(*sky.centers(cells)) @ poles.T) @ rng.normal(size=9)
    data = of_cells(cells, (height - height.min()) ** 2 / 2)
    for share in (0.05, 0.5, 0.9):
        level = at(float(np.quantile(2 * data["nllh"].to_numpy(), share)) + 1e-9)
        few = fits_its_cells(data, 0.9, level)
        with monkeypatch.context() as patched:
            patched.setattr("skymist.model.contour._FEW", 10**9)
            every = contour(data, 0.9, level)
        assert [len(piece) for piece in few.polygons] == [len(piece) for piece in every.polygons]
        assert few.area_deg2 == pytest.approx(every.area_deg2, rel=1e-12)
        surface = _surface(data)
        inside = surface.ts <= every.ts
        near = _near_edge(surface, inside)
        assert not near.all()
        # Nodes that are missing near the edge are found where circles of triangles hold them.
        at_the_edge = (inside[surface.near] != inside[:, None]).any(axis=1)
        some_of_them = near & (at_the_edge | (rng.random(near.size) < 0.1))
        with monkeypatch.context() as patched:
            patched.setattr("skymist.model.contour._near_edge", lambda *_, kept=some_of_them: kept.copy())
            found = contour(data, 0.9, level)
        assert [len(piece) for piece in found.polygons] == [len(piece) for piece in every.polygons]
        assert found.area_deg2 == pytest.approx(every.area_deg2, rel=1e-12)


def test_nodes_within_three_cells_of_the_edge_count_and_some_all_over_the_sky() -> None:
    coarse = sky.all_cells(16)
    here = np.random.default_rng(4).random(coarse.size) < 0.3
    cells = np.concatenate([coarse[~here], sky.children(coarse[here], 64).ravel()])
    data = of_cells(cells, 0.5 * (sky.separation(*sky.centers(cells), 0.3, 0.25) / 0.1) ** 2)
    surface, uniq = _surface(data), skymap.leaves(data)["uniq"].to_numpy()
    inside = surface.ts <= 20
    around = sky.neighbours(uniq)  # of the same size; who is larger is found by them, who is smaller finds this one
    a, b = np.repeat(np.arange(uniq.size), around.shape[1]), sky.find(uniq, *sky.centers(around.ravel()))
    known = sky.nside_of(uniq[b]) <= sky.nside_of(uniq[a])
    touch = np.zeros((uniq.size,) * 2, bool)
    touch[a[known], b[known]] = touch[b[known], a[known]] = True
    near = (touch & (inside[:, None] != inside)).any(axis=1)
    for _ in range(2):
        near = near | touch[near].any(axis=0)
    best = np.argmin(surface.ts)
    far = _near_edge(surface, inside) & ~near
    assert np.array_equal(_near_edge(surface, inside) & near, near)
    assert np.array_equal(np.unique(sky.parent(uniq[far | near], 2)), sky.all_cells(2))
    assert far.sum() <= 49 < near.sum() < uniq.size / 2
    assert not near[best]
    assert far[best]


def test_patch_of_the_finest_cells_in_the_coarsest_sky() -> None:
    coarse = sky.all_cells(8)
    cells = np.concatenate([coarse, sky.children(sky.cell_at(8, [1.0], [0.3]), 256).ravel()])
    away = sky.separation(*sky.centers(cells), 1.0, 0.3)
    data = of_cells(cells, 0.5 * (away / 0.02) ** 2)
    for ts in (0.5, 4.0, 20.0):
        true, drawn = cap_deg2(0.02 * np.sqrt(ts)), fits_its_cells(data, 0.9, at(ts))
        assert abs(drawn.area_deg2 - true) < abs(region(data, 0.9, at(ts)).area_deg2 - true)


def test_level_that_is_the_value_of_a_leaf_counts_it_in_and_runs_to_the_middle() -> None:
    data = round_map(16, 1.0, 0.2, 0.2)
    ts = np.sort(np.unique(skymap.leaves(data)["ts"].to_numpy()))
    middle = ((np.sqrt(ts[30]) + np.sqrt(ts[31])) / 2) ** 2
    exact, between = contour(data, 0.9, at(float(ts[30]))), contour(data, 0.9, at(float(middle)))
    assert (exact.ts, between.ts) == (ts[30], middle)
    assert exact.area_deg2 == pytest.approx(between.area_deg2)
    fits_its_cells(data, 0.9, at(float(ts[30])))


def test_values_that_only_rounding_tells_apart_have_a_contour_between_them() -> None:
    cells = sky.all_cells(4)
    ts = np.append(0.0, np.full(cells.size - 1, 2.5))
    ts[80:120] = np.nextafter(2.5, 3)
    assert np.sqrt(ts[80]) == np.sqrt(2.5)
    drawn = fits_its_cells(of_cells(cells, ts / 2), 0.9, at(2.5))
    assert np.isfinite(np.concatenate(drawn.rings())).all()


def test_single_cell_is_a_polygon_of_a_size_that_it_may_have() -> None:
    cells = sky.all_cells(8)
    for row in (0, 17, 40, 63, 400, 767):
        nllh = np.full(cells.size, 1e7)
        nllh[row] = 0.0
        drawn = fits_its_cells(of_cells(cells, nllh), 0.9, at(1e-3))
        ((ring,),) = drawn.polygons
        assert len(ring) >= 4
        assert 0.1 < drawn.area_deg2 / np.degrees(np.degrees(sky.area_sr(cells[row]))) < 1


def test_all_but_one_cell_has_a_hole() -> None:
    cells = sky.all_cells(8)
    nllh = np.zeros(cells.size)
    nllh[400] = 50.0
    drawn = fits_its_cells(of_cells(cells, nllh), 0.9, at(99.0))
    assert [len(piece) for piece in drawn.polygons] == [1]
    assert drawn.area_deg2 > 0.99 * WHOLE_DEG2


def test_small_holes_count_as_exactly_as_small_islands() -> None:
    rng = np.random.default_rng(4)
    cells = np.concatenate([sky.all_cells(4), sky.children(sky.cell_at(4, [1.0], [0.3]), 64).ravel()])
    cells = np.concatenate([cells, sky.children(sky.cell_at(64, [1.0, 1.03], [0.3, 0.31]), 4096).ravel()])
    root = np.where(sky.nside_of(cells) == 4096, rng.uniform(size=cells.size), 0.3)
    root[:2] = 0.0, 1.0
    drawn = contour(of_cells(cells, root**2 / 2), 0.9, at(0.64))
    rest = contour(of_cells(cells, (1 - root) ** 2 / 2), 0.9, at(0.2**2 - 1e-12))
    assert len(drawn.polygons[0]) > 100
    assert len(rest.polygons) > 100
    assert WHOLE_DEG2 - drawn.area_deg2 == pytest.approx(rest.area_deg2, rel=1e-6)


def test_whole_sky_has_no_ring() -> None:
    drawn = contour(of_cells(sky.all_cells(4), np.zeros(192)), 0.9)
    assert (drawn.polygons, drawn.rings(), drawn.perimeter_deg) == ((), (), 0.0)
    assert drawn.area_deg2 == pytest.approx(WHOLE_DEG2)
    assert drawn.contains(*isotropic(100)).all()
    assert drawn.contains(0.1, 0.1).dtype == np.bool_
    assert drawn.contains(np.zeros((2, 3)), 0.1).shape == (2, 3)


@pytest.mark.parametrize(("nside", "radius"), [(64, 0.1), (2**20, 1e-5)])
def test_cone_ends_half_a_cell_beyond_its_last_cells(nside: int, radius: float) -> None:
    side = np.arange(-radius, radius, 0.3 / nside)
    x, y = (each.ravel() for each in np.meshgrid(side, side))
    cells = np.unique(sky.cell_at(nside, *sky.from_plane(x, y, 0.0, 0.5)))
    away = sky.separation(*sky.centers(cells), 0.0, 0.5)
    data = of_cells(cells[away < radius], 0.5 * (3 * away[away < radius] / radius) ** 2)
    inner = fits_its_cells(data, 0.9, at(4.0))
    assert inner.area_deg2 == pytest.approx(cap_deg2(2 / 3 * radius), rel=0.05)
    assert not inner.open
    everything = fits_its_cells(data, 0.9, at(np.inf))
    assert everything.open
    assert everything.area_deg2 == pytest.approx(region(data, 0.9, at(np.inf)).area_deg2, rel=0.02)


def test_failed_cells_are_passed_over() -> None:
    whole = round_map(16, 1.0, 0.2, 0.2)
    near = np.argsort(whole["nllh"].to_numpy())
    nllh = whole["nllh"].to_numpy().copy()
    nllh[near[[3, 9, 40]]] = np.nan
    holed = contour(of_cells(whole["uniq"].to_numpy(), nllh), 0.9, at(4.0))
    assert [len(piece) for piece in holed.polygons] == [1]
    assert holed.area_deg2 == pytest.approx(contour(whole, 0.9, at(4.0)).area_deg2, rel=0.02)
    assert holed.contains(*sky.centers(whole["uniq"].to_numpy()[near[[3, 9]]])).all()


@pytest.mark.parametrize("known", [1, 3, 5, 40])
def test_map_of_which_most_failed_still_has_a_contour(known: int) -> None:
    nllh = np.full(192, np.nan)
    nllh[:known] = np.arange(known) / 10
    drawn = contour(of_cells(sky.all_cells(4), nllh), 0.9, at(2.0))
    assert drawn.contains(*sky.centers(sky.all_cells(4)[: min(known, 11)])).all()
    assert 0 < drawn.area_deg2 < 0.3 * WHOLE_DEG2


def test_contours_are_those_that_are_asked_for_one_by_one() -> None:
    data = random_map(1, finest=128)
    for together, alone in zip(contours(data, (0.5, 0.9)), (contour(data, 0.5), contour(data, 0.9)), strict=True):
        assert (together.containment, together.ts) == (alone.containment, alone.ts)
        assert all(np.array_equal(a, b) for a, b in zip(together.rings(), alone.rings(), strict=True))


def test_wishes_that_make_no_sense_are_refused() -> None:
    data = round_map(4, 1.0, 0.2, 0.2)
    with pytest.raises(RequestError, match=r"containment 1\.5 is not between 0 and 1"):
        contour(data, 1.5)
    with pytest.raises(UnknownNameError, match="no calibration is called 'pear'"):
        contour(data, 0.9, "pear")
    with pytest.raises(ReadError, match="no cell with a finite likelihood"):
        contour(of_cells(sky.all_cells(1), np.full(12, np.nan)), 0.9)


def test_a_cell_too_small_for_arithmetic_is_told() -> None:
    cell = sky.cell_at(2**27, 1.0, 0.3)
    with pytest.raises(RequestError) as error:
        contour(of_cells(np.array([cell]), np.array([5.0])), 0.9)
    expected = f"cells of nside {2**27} are too small for a contour: the arithmetic cannot tell them apart"
    assert str(error.value) == expected
