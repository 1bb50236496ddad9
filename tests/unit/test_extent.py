"""Errors in right ascension and declination: what IceCube published, and shapes whose extent is known."""

import json
from pathlib import Path

import numpy as np
import pytest
from maps import SHAPES, of_cells, random_map

from skymist.errors import RequestError, UnknownNameError
from skymist.model import region as regions
from skymist.model import sky
from skymist.model.contour import Contour, contour
from skymist.model.extent import CONVENTIONS, Extent, extent, of_contour
from skymist.store.peers import read_peer_map

NPZ = "run00136766-evt000007637140-GOLD-8_64_512.npz"
EVENT = {"run": 136766, "event": 7637140, "utc": "2022-06-24T16:13:16.405259", "mjd": 59754.67588432}


def test_centres_give_what_icecube_published(shared: Path) -> None:
    """IC220624A in IceCat-1: 224.12 +2.2 -1.93, 41.31 +1.47 -1.5, whose map was upside down: so are the last two."""
    published = json.loads((shared / "decoded" / "136766_7637140.json").read_text())["published"]
    named = ("RA_ERR_PLUS", "RA_ERR_MINUS", "DEC_ERR_MINUS", "DEC_ERR_PLUS")
    content = (shared / "reference_scans" / NPZ).read_bytes()
    found = read_peer_map(content, NPZ, convention="mirrored", event=EVENT)
    ours = extent(found, 0.9, "icecube-2016", "centres")
    assert ours == pytest.approx([float(published["icecat1"][name]) for name in named], rel=0.0025)
    areas = [regions.region(found, share, "icecube-2016").area_deg2 for share in (0.5, 0.9)]
    assert areas == pytest.approx(published["icecat1_area_deg2_50_90"], rel=0.001)
    for convention in ("corners", "contour"):
        others = extent(found, 0.9, "icecube-2016", convention)
        assert np.all(np.array(others) > ours)
        assert others == pytest.approx(ours, abs=0.11)  # a cell is 0.115 deg wide


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "pole"])
def test_each_is_the_extent_of_its_points(shape: str) -> None:
    data = random_map(SHAPES.index(shape), shape)
    best, found = regions.best_fit(data), regions.region(data, 0.9, "wilks")
    line = contour(data, 0.9, "wilks")
    share = np.linspace(0, 1, 50)[:, None, None]
    rings = [((1 - share) * ring + share * np.roll(ring, -1, axis=0)).reshape(-1, 3) for ring in line.rings()]
    points = {
        "corners": sky.lonlat(sky.corners(found.cells).reshape(-1, 3)),
        "centres": sky.centers(found.cells),
        "contour": sky.lonlat(np.concatenate(rings)),
    }
    for convention in CONVENTIONS:
        ra, dec = points[convention]
        east = np.degrees(np.angle(np.exp(1j * (ra - best.ra))))
        north = np.degrees(dec - best.dec)
        theirs = [east.max(), -east.min(), north.max(), -north.min()]
        assert extent(data, 0.9, "wilks", convention) == pytest.approx(theirs, abs=1e-5)
    assert extent(data, 0.9, "wilks") == extent(data, 0.9, "wilks", "corners")


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("side", [-1, 1])
def test_a_pole_inside_has_all_right_ascensions_and_is_reached(convention: str, side: int) -> None:
    cells = sky.all_cells(32)
    at = 0.4, side * np.radians(88)
    data = of_cells(cells, (sky.separation(*sky.centers(cells), *at) / np.radians(3)) ** 2 / 2)
    best, found = np.degrees(regions.best_fit(data).dec), extent(data, 0.9, "wilks", convention)
    assert found[:2] == (180, 180)
    towards, away = (found.dec_plus, found.dec_minus)[::side]
    assert towards == pytest.approx(90 - abs(best))
    assert 4 < away < 8.5
    whole = extent(of_cells(cells, 1e-9 * np.arange(cells.size)), 0.9, "wilks", convention)
    assert sum(whole) == pytest.approx(360 + 180)


def test_one_cell_has_no_extent_between_centres() -> None:
    data = of_cells(sky.all_cells(1), np.where(np.arange(12) == 2, 0.0, 100.0))  # this one touches the pole
    found = extent(data, 0.9, "wilks", "centres")
    assert found == Extent(0, 0, 0, 0)
    assert not np.signbit(found).any()  # people would read -0.0
    assert extent(data, 0.9, "wilks").ra_plus == 180


@pytest.mark.parametrize("missing", range(4))
@pytest.mark.parametrize("side", [-1, 1])
def test_three_of_the_four_cells_at_a_pole_do_not_hold_it(side: int, missing: int) -> None:
    cells = sky.all_cells(2)
    four = sky.cell_at(2, np.radians([45, 135, 225, 315]), side * np.radians(89))
    nllh = np.where(np.isin(cells, np.delete(four, missing)), 0.1, 100.0)
    nllh[cells == four[(missing + 2) % 4]] = 0.0
    found = extent(of_cells(cells, nllh), 0.9, "wilks", "centres")
    assert found == pytest.approx((90, 90, 0, 0), abs=1e-9)


@pytest.mark.parametrize("child", range(4))
def test_a_region_on_one_side_of_the_best_fit_has_no_extent_to_the_other(child: int) -> None:
    coarse = sky.all_cells(1)
    fine = sky.children(coarse[4:5], 2)[0]  # around right ascension 0, all of them worse than the coarse cell
    nllh = np.where(np.arange(16) == 4, 0.0, 500.0)
    nllh[12 + child] = 400.0
    ra, dec = np.degrees(sky.centers(fine[child]))
    east = (ra + 180) % 360 - 180
    found = extent(of_cells(np.append(coarse, fine), nllh), 0.9, "wilks", "centres")
    assert found == pytest.approx([max(each, 0) for each in (east, -east, dec, -dec)], abs=1e-9)
    assert max(found) > 15


@pytest.mark.parametrize("ra", [0.0, 200.0])
@pytest.mark.parametrize("side", [-1, 1])
def test_arcs_reach_farther_than_their_ends(ra: float, side: int) -> None:
    """Half-way between two positions at dec, 80 degrees of right ascension apart, tan is tan(dec) / cos(40)."""
    south, north = (-30, 50)[::side] * np.array(side)
    ring = sky.unit(*np.radians([[ra - 40, ra + 40, ra + 40, ra - 40], [south, south, north, north]]))
    drawn = Contour(0.9, "made up", 1.0, ((ring,),), 0.0, 0.0, False)
    best = regions.best_fit(of_cells(sky.cell_at(64, *np.radians([[ra + 3], [5]])), np.zeros(1)))
    east, up = (np.degrees(best.ra) - ra + 180) % 360 - 180, np.degrees(best.dec)
    top, bottom = np.degrees(np.arctan(np.tan(np.radians([north, south])) / np.cos(np.radians(40))))
    assert of_contour(drawn, best) == pytest.approx((40 - east, 40 + east, top - up, up - bottom), abs=1e-9)


def test_a_convention_that_does_not_exist_is_named() -> None:
    data = random_map(0)
    with pytest.raises(UnknownNameError) as error:
        extent(data, 0.9, "wilks", "edges")
    assert str(error.value) == "no convention of errors is called 'edges'; there are: centres, contour, corners"
    with pytest.raises(RequestError, match="not between 0 and 1"):
        extent(data, 90, "wilks", "centres")
