"""Coverage maps, read back by mocpy and by a plain reader of FITS and JSON."""

import json
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from maps import random_map
from mocpy import MOC

from skymist.errors import RequestError
from skymist.model import sky
from skymist.model.region import region
from skymist.store.moc import write_moc, write_moc_json


def theirs(path: Path) -> MOC:
    return MOC.load(path, "json" if path.suffix == ".json" else "fits")


def write(cells: np.ndarray, path: Path) -> Path:
    return write_moc_json(cells, path) if path.suffix == ".json" else write_moc(cells, path)


def random_cells(seed: int) -> np.ndarray:
    """Return cells that overlap, stand twice, and are siblings now and then."""
    rng = np.random.default_rng(seed)
    cells = [sky.uniq_of(nside, rng.integers(0, 12 * nside**2, 40)) for nside in (2, 4, 32, 1024)]
    siblings = sky.children(sky.uniq_of(8, rng.integers(0, 768, 5)), 64).ravel()
    return rng.permutation(np.concatenate([*cells, cells[1], siblings]))


@pytest.mark.parametrize("name", ["moc.fits", "moc.json"])
@pytest.mark.parametrize("seed", range(6))
def test_mocpy_reads_a_region_with_the_same_area_and_the_same_sky(seed: int, name: str, tmp_path: Path) -> None:
    found = region(random_map(seed, finest=128), 0.9, "wilks")
    moc = theirs(write(found.cells, tmp_path / name))
    assert moc.sky_fraction * 4 * np.pi * np.degrees(1) ** 2 == pytest.approx(found.area_deg2, rel=1e-12)
    rng = np.random.default_rng(seed)
    ra, dec = sky.centers(rng.choice(found.cells, 20))
    ra = np.concatenate([ra, rng.uniform(0, 2 * np.pi, 2000)])
    dec = np.concatenate([dec, np.arcsin(rng.uniform(-1, 1, 2000))])
    inside = found.contains(ra, dec)
    assert inside[:20].all()
    assert not inside.all()

    assert np.array_equal(moc.contains_lonlat(ra * u.rad, dec * u.rad), inside)


@pytest.mark.parametrize("name", ["moc.fits", "moc.json"])
@pytest.mark.parametrize("seed", range(5))
def test_cells_are_merged_as_mocpy_merges_them(seed: int, name: str, tmp_path: Path) -> None:
    cells = random_cells(seed)
    path = write(cells, tmp_path / name)
    order = np.log2(sky.nside_of(cells)).astype(np.uint8)
    expected = MOC.from_healpix_cells(sky.ipix_of(cells).astype(np.uint64), order, max_depth=10)
    assert theirs(path) == expected
    if name == "moc.json":
        mine = {int(level): sorted(pixels) for level, pixels in json.loads(path.read_bytes()).items()}
        right = {int(level): sorted(pixels) for level, pixels in expected.serialize("json").items() if pixels}
        assert mine == right
    else:
        with fits.open(path) as units:
            assert np.array_equal(units[1].data["UNIQ"], np.sort(expected.uniq_hpx))


def test_the_header_is_that_of_the_standard(tmp_path: Path) -> None:
    meta = {"MOCID": "ivo://x/y", "object": "1_2", "CONTAINMENT": 0.9}
    path = write_moc(sky.uniq_of(64, np.array([5, 9])), tmp_path / "moc.fits", meta)
    with fits.open(path) as units:
        units.verify("exception")
        header = units[1].header
        assert [column.name for column in units[1].columns] == ["UNIQ"]
        assert units[1].columns[0].format == "K"
    expected = {
        "MOCVERS": "2.0", "MOCDIM": "SPACE", "ORDERING": "NUNIQ", "COORDSYS": "C", "MOCORD_S": 6, "MOCTOOL": "skymist",
        "MOCID": "ivo://x/y", "OBJECT": "1_2", "CONTAINMENT": 0.9,
    }  # fmt: skip
    assert {key: header[key] for key in expected} == expected


@pytest.mark.parametrize("name", ["moc.fits", "moc.json"])
def test_nothing_and_the_whole_sky_are_mocs_too(name: str, tmp_path: Path) -> None:
    assert theirs(write(np.empty(0, np.int64), tmp_path / name)).sky_fraction == 0
    whole = theirs(write(np.random.default_rng(1).permutation(sky.all_cells(16)), tmp_path / name))
    assert whole.sky_fraction == 1
    assert len(whole.uniq_hpx) == 12


@pytest.mark.parametrize("name", ["moc.fits", "moc.json"])
def test_the_order_of_the_cells_does_not_matter(name: str, tmp_path: Path) -> None:
    cells = random_cells(7)
    one, two = (write(each, tmp_path / name).read_bytes() for each in (cells, np.sort(cells)[::-1]))
    assert one == two


@pytest.mark.parametrize("wrong", [3, -1, 0, 16 * 4**29])
def test_numbers_of_no_cell_are_refused(wrong: int, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=f"^{wrong} is not the number of a HEALPix cell"):
        write_moc(np.array([7, wrong]), tmp_path / "moc.fits")
    assert not list(tmp_path.iterdir())


def test_the_finest_cells_there_are_fit_in(tmp_path: Path) -> None:
    last = sky.uniq_of(2**29, np.array([0, 12 * 4**29 - 1]))
    assert np.array_equal(np.sort(theirs(write_moc(last, tmp_path / "moc.fits")).uniq_hpx), np.sort(last))
