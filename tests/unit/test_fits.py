"""FITS maps, read back by others and by us."""

import gzip
import warnings
from pathlib import Path
from typing import Any

import healpy as hp
import mhealpy
import numpy as np
import pytest
import xarray as xr
from astropy.io import fits
from astropy.time import Time
from maps import of_cells
from mocpy import MOC

from skymist.errors import ReadError, RequestError, StoreError
from skymist.model import sky
from skymist.model import skymap as maps
from skymist.model.reconstruction import Fit
from skymist.model.region import best_fit, region
from skymist.store.fits import read_map, write_flat, write_multiorder

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of NumPy, for how it documents its functions
    from ligo.skymap.io import read_sky_map

ATTRIBUTES: dict[str, Any] = {
    "event": {
        "run": 138632,
        "event": 31747601,
        "utc": "2023-12-02T17:08:24.093230219",
        "mjd": 60280.714167746,
        "kind": "neutrino",
        "simulated": False,
    },
    "reconstruction": {"name": "track-mpe", "version": "1", "options": {"pulses": "SplitInIcePulses", "beta": 0.7}},
    "scan_id": "0123456789abcdef" * 4,
    "request": {},
    "software": "skymist 0.1.0",
    "complete": True,
    "created": "2026-01-02T03:04:05+00:00",
}


def gaussian(ra: float = 2.4, dec: float = 0.1, sigma: float = 0.03, **changes: Any) -> xr.Dataset:
    uniq = sky.all_cells(8)
    for nside in (64, 256):
        finest = uniq[sky.nside_of(uniq) == sky.nside_of(uniq).max()]
        near = sky.separation(*sky.centers(finest), ra, dec) < 4 * sigma
        uniq = np.concatenate([uniq, sky.children(finest[near], nside).ravel()])
    nllh = sky.separation(*sky.centers(uniq), ra, dec) ** 2 / (2 * sigma**2)
    n = uniq.size
    fit = Fit(nllh, np.full(n, 1e5), np.zeros(n), np.zeros((n, 3)), np.zeros(n))
    return maps.create(uniq, fit, {**ATTRIBUTES, **changes})


@pytest.fixture(scope="module")
def skymap() -> xr.Dataset:
    return gaussian()


def header_of(path: Path) -> fits.Header:
    with fits.open(path) as units:
        units.verify("exception")
        return units[1].header


@pytest.mark.parametrize("name", ["map.fits", "map.multiorder.fits.gz"])
def test_round_trip(skymap: xr.Dataset, tmp_path: Path, name: str) -> None:
    found = read_map(write_multiorder(skymap, tmp_path / name))
    tiling = maps.leaves(skymap).sortby("uniq")
    assert np.array_equal(found["uniq"], tiling["uniq"])
    assert np.allclose(found["probdensity"], maps.probability(tiling), rtol=1e-12, atol=0)
    assert found.attrs["SCANID"] == ATTRIBUTES["scan_id"]


def test_mhealpy_reads_the_same_map(skymap: xr.Dataset, tmp_path: Path) -> None:
    theirs = mhealpy.HealpixMap.read_map(str(write_multiorder(skymap, tmp_path / "map.fits.gz")), density=True)
    area = np.asarray(theirs.pixarea(np.arange(theirs.npix)).value)
    density = np.asarray(theirs.data)
    assert theirs.is_moc
    assert np.sum(density * area) == pytest.approx(1)
    best_first = np.argsort(-density)
    held = np.cumsum((density * area)[best_first])
    area_90 = np.degrees(np.degrees(area[best_first][: np.searchsorted(held, 0.9) + 1].sum()))
    assert region(skymap, 0.9, "probability").area_deg2 == pytest.approx(area_90)
    best = best_fit(skymap)
    at_best = theirs[theirs.ang2pix(np.pi / 2 - best.dec, best.ra)]
    assert at_best.value == density.max()


def test_header_says_what_it_is(skymap: xr.Dataset, tmp_path: Path) -> None:
    path = write_multiorder(skymap, tmp_path / "map.fits", "wilks", {"ALERT-STREAM": "GOLD", "SENDER": "someone"})
    header = header_of(path)
    expected = {
        "PIXTYPE": "HEALPIX",
        "ORDERING": "NUNIQ",
        "COORDSYS": "C",
        "INDXSCHM": "EXPLICIT",
        "MOCORDER": 8,
        "NSIDE": 256,
        "TTYPE1": "UNIQ",
        "TTYPE2": "PROBDENSITY",
        "TUNIT2": "sr-1",
        "RUNID": 138632,
        "EVENTID": 31747601,
        "DATE-OBS": "2023-12-02T17:08:24.093230219",
        "MJD-OBS": 60280.714167746,
        "EVENT-TYPE": "neutrino",
        "SIMULATED": False,
        "SENDER": "someone",
        "ALERT-STREAM": "GOLD",
        "CREATOR": "skymist 0.1.0",
        "DATE": "2026-01-02T03:04:05",
        "SCANID": ATTRIBUTES["scan_id"],
        "RECO": "track-mpe",
        "RECOOPTS": '{"beta": 0.7, "pulses": "SplitInIcePulses"}',
        "CALIBRAT": "wilks",
    }
    assert {key: header[key] for key in expected} == expected
    assert header["RA"] == pytest.approx(np.degrees(2.4), abs=0.2)
    for percent in (50, 90):
        found = region(skymap, percent / 100, "wilks")
        assert header[f"RA_ERR_PLUS_{percent}"] == found.ra_plus
        assert header[f"DEC_ERR_MINUS_{percent}"] == found.dec_minus
        assert header[f"CONTOUR AREA ({percent}%)"] == found.area_deg2
        assert header[f"TS_LEVEL_{percent}"] == found.ts


def test_simulation_is_never_taken_for_the_sky(tmp_path: Path) -> None:
    event = {**ATTRIBUTES["event"], "simulated": True}
    header = header_of(write_multiorder(gaussian(event=event), tmp_path / "map.fits"))
    assert header["SIMULATED"] is True
    assert "SIMULATED EVENT" in str(header["COMMENT"])


def test_long_options_survive(tmp_path: Path) -> None:
    options = {f"option_{i}": "x" * 30 for i in range(10)}
    reconstruction = {"name": "x", "version": "1", "options": options}
    header = header_of(write_multiorder(gaussian(reconstruction=reconstruction), tmp_path / "map.fits"))
    assert header["RECOOPTS"].count("x" * 30) == 10


@pytest.mark.parametrize("write", [write_multiorder, write_flat])
def test_same_map_same_bytes(skymap: xr.Dataset, tmp_path: Path, write: Any) -> None:
    for suffix in (".fits", ".fits.gz"):
        one, two = (write(skymap, tmp_path / f"{name}{suffix}").read_bytes() for name in "ab")
        assert one == two
        assert (gzip.decompress(one) if suffix == ".fits.gz" else one).startswith(b"SIMPLE  =")


def test_nothing_is_left_of_a_failed_write(skymap: xr.Dataset, tmp_path: Path) -> None:
    (tmp_path / "map.fits").mkdir()
    with pytest.raises(StoreError, match=r"map.fits cannot be written"):
        write_multiorder(skymap, tmp_path / "map.fits")
    assert [path.name for path in tmp_path.iterdir()] == ["map.fits"]


def test_a_cone_is_completed_with_nothing(tmp_path: Path) -> None:
    skymap = gaussian()
    near = sky.separation(*sky.centers(skymap["uniq"]), 2.4, 0.1) < 0.5
    path = write_multiorder(skymap.isel(cell=np.flatnonzero(near)), tmp_path / "cone.fits")
    found = read_map(path)
    area = sky.area_sr(found["uniq"])
    assert area.sum() == pytest.approx(4 * np.pi)
    assert (found["probdensity"] * area).sum() == pytest.approx(1)
    assert mhealpy.HealpixMap.read_map(str(path)).is_moc


def test_failed_cells_have_no_probability(tmp_path: Path) -> None:
    skymap = gaussian()
    hole = skymap["uniq"].to_numpy()[5]
    values = skymap["nllh"].where(skymap["uniq"] != hole)
    found = read_map(write_multiorder(skymap.assign(nllh=values), tmp_path / "map.fits"))
    assert found["probdensity"].to_numpy()[found["uniq"] == hole] == 0
    assert (found["probdensity"] * sky.area_sr(found["uniq"])).sum() == pytest.approx(1)


@pytest.mark.parametrize("nside", [None, 512, 32, 4])
def test_healpy_reads_the_flat_map(skymap: xr.Dataset, tmp_path: Path, nside: int | None) -> None:
    path = write_flat(skymap, tmp_path / "flat.fits", nside)
    held, ts = hp.read_map(path, field=(0, 1), nest=None, dtype=float)
    assert hp.get_nside(held) == (nside or 256)
    assert held.sum() == pytest.approx(1, abs=1e-12)
    assert ts.min() == pytest.approx(0, abs=1e-6)
    assert header_of(path)["ORDERING"] == "NESTED"
    tiling, best = maps.leaves(skymap), best_fit(skymap)
    if nside in (None, 512):
        at = sky.find(tiling["uniq"], *sky.centers(sky.all_cells(64)))
        here = sky.ipix_of(sky.cell_at(nside or 256, *sky.centers(sky.all_cells(64))))
        assert ts[here] == pytest.approx(tiling["ts"].to_numpy()[at], rel=1e-6)
    else:
        assert np.nanargmin(ts) == sky.ipix_of(sky.cell_at(nside, best.ra, best.dec))


@pytest.mark.parametrize("nside", [None, 64, 512])
def test_pixels_of_the_flat_map_hold_the_probability_of_their_cells(
    skymap: xr.Dataset, tmp_path: Path, nside: int | None
) -> None:
    held = hp.read_map(write_flat(skymap, tmp_path / "flat.fits", nside), nest=True, dtype=float)
    tiling = maps.leaves(skymap)
    uniq, density = tiling["uniq"].to_numpy(), maps.probability(tiling)
    nside = nside or 256
    coarse = hp.ud_grade(held, 8, order_in="NEST", order_out="NEST", power=-2)  # sums
    wanted = np.zeros(768)
    np.add.at(wanted, sky.ipix_of(sky.parent(uniq, 8)), density * sky.area_sr(uniq))
    assert coarse == pytest.approx(wanted, rel=1e-9, abs=1e-300)
    best = int(np.argmax(held))
    ra, dec = sky.centers(sky.uniq_of(nside, best))
    if nside >= 256:
        here = density[sky.find(uniq, ra, dec)]
        assert held[best] == pytest.approx(here * hp.nside2pixarea(nside), rel=1e-12)


@pytest.mark.parametrize("nside", [None, 64])
def test_ligo_skymap_reads_the_flat_map(skymap: xr.Dataset, tmp_path: Path, nside: int | None) -> None:
    path = write_flat(skymap, tmp_path / "flat.fits.gz", nside)
    held, about = read_sky_map(str(path), nest=True)
    assert about["nest"] is True
    assert held.sum() == pytest.approx(1, abs=1e-12)
    assert np.array_equal(held, hp.read_map(path, nest=True, dtype=float))
    assert about["creator"] == "skymist 0.1.0"
    assert Time(about["gps_time"], format="gps").utc.isot == "2023-12-02T17:08:24.093"


def test_mocpy_reads_the_multi_order_map(skymap: xr.Dataset, tmp_path: Path) -> None:
    path = write_multiorder(skymap, tmp_path / "map.fits")
    moc = MOC.from_multiordermap_fits_file(path, cumul_to=0.9)
    within = region(skymap, 0.9, "probability")
    one_cell = sky.area_sr(within.cells).max() / (4 * np.pi)
    assert moc.sky_fraction * 4 * np.pi * np.degrees(1) ** 2 == pytest.approx(within.area_deg2, abs=one_cell * 41253)


def test_the_flat_header_follows_what_aladin_and_healpy_look_for(skymap: xr.Dataset, tmp_path: Path) -> None:
    header = header_of(write_flat(skymap, tmp_path / "flat.fits", 64))
    expected = {
        "PIXTYPE": "HEALPIX", "ORDERING": "NESTED", "COORDSYS": "C", "INDXSCHM": "IMPLICIT", "NSIDE": 64,
        "FIRSTPIX": 0, "LASTPIX": 12 * 64**2 - 1, "TTYPE1": "PROB", "TUNIT1": "pix-1", "TTYPE2": "TS",
    }  # fmt: skip
    assert {key: header[key] for key in expected} == expected


def test_a_fine_flat_map_has_to_be_asked_for(tmp_path: Path) -> None:
    cells = np.concatenate([sky.all_cells(4)[1:], sky.children(sky.all_cells(4)[:1], 8).ravel()])
    fine = sky.children(cells[-1:], 2048).ravel()
    data = of_cells(np.concatenate([cells, fine]), np.arange(cells.size + fine.size) / 1e4)
    data = data.assign_attrs(software="skymist 0.1.0", created="2026-01-02T03:04:05+00:00")
    with pytest.raises(RequestError, match=r"nside 2048 has 50,331,648 pixels, 0\.6 GB: give an nside, such as 1024"):
        write_flat(data, tmp_path / "flat.fits", calibration="wilks")
    assert not list(tmp_path.iterdir())
    path = write_flat(data, tmp_path / "flat.fits", 128, "wilks")
    assert header_of(path)["NSIDE"] == 128


def test_the_header_has_what_icecube_publishes(skymap: xr.Dataset, tmp_path: Path) -> None:
    published = [
        "RUNID", "EVENTID", "SENDER", "DATE-OBS", "MJD-OBS", "EVENT-TYPE", "RA", "DEC", "COMMENTS", "NOTE",
        *(f"{angle}_ERR_{side}_{share}" for angle in ("RA", "DEC") for side in ("PLUS", "MINUS") for share in (50, 90)),
        "CONTOUR AREA (50%)", "CONTOUR AREA (90%)",
    ]  # fmt: skip
    for path in (write_multiorder(skymap, tmp_path / "a.fits"), write_flat(skymap, tmp_path / "b.fits", 8)):
        header = header_of(path)
        assert [key for key in published if key not in header] == []
        assert header["COMMENTS"] == "50%(90%) uncertainty location => Change in 2LLH of 22.2(64.2)"
        assert "ALERT-STREAM" not in header  # nobody said that it was an alert
        assert "LONGSTRN" not in header  # no text is that long


@pytest.mark.parametrize("kind", ["gold", "BRONZE", "cascade"])
def test_the_stream_of_an_alert_is_named(tmp_path: Path, kind: str) -> None:
    event = {**ATTRIBUTES["event"], "kind": kind}
    header = header_of(write_multiorder(gaussian(event=event), tmp_path / "map.fits"))
    assert header["ALERT-STREAM"] == kind.upper()
    given = header_of(write_multiorder(gaussian(event=event), tmp_path / "b.fits", header={"alert-stream": "TEST"}))
    assert given["ALERT-STREAM"] == "TEST"


def test_a_level_without_bound_is_left_out(tmp_path: Path) -> None:
    levels = {"50": {"ts": 2.0}, "90": {"ts": None}}
    data = gaussian(calibration={"levels": levels})
    header = header_of(write_multiorder(data, tmp_path / "map.fits", "resimulated"))
    assert header["TS_LEVEL_50"] == 2.0
    assert "TS_LEVEL_90" not in header
    assert header["COMMENTS"].endswith("2(inf)")


@pytest.mark.parametrize("length", [30, 50, 62, 90])
def test_a_comment_that_does_not_fit_beside_a_long_text_is_left_out(tmp_path: Path, length: int) -> None:
    cells = of_cells(sky.all_cells(1), np.arange(12.0))
    event = {**cells.attrs["event"], "kind": "k" * length}
    made = cells.assign_attrs(event=event, software="", created="")
    header = fits.getheader(write_multiorder(made, tmp_path / "map.fits"), 1)
    assert header["EVENT-TYPE"] == "k" * length
    assert bool(header.comments["EVENT-TYPE"]) == (length == 30)


def test_what_fits_cannot_hold_is_left_out_of_the_header(tmp_path: Path) -> None:
    event = {**ATTRIBUTES["event"], "kind": "caf\u00e9\nnight"}
    more = {"INF": np.inf, "NAN": np.float32("nan"), "FINE": np.float32(0.5)}
    header = header_of(write_multiorder(gaussian(event=event), tmp_path / "map.fits", header=more))
    assert header["EVENT-TYPE"] == "caf??night"
    assert header["FINE"] == 0.5
    assert "INF" not in header
    assert "NAN" not in header


def test_flat_nside_is_checked(skymap: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="nside 100 is not a power of two"):
        write_flat(skymap, tmp_path / "flat.fits", 100)
    with pytest.raises(RequestError, match="nside 0 is not a power of two"):
        write_flat(skymap, tmp_path / "flat.fits", 0)


def test_other_files_are_refused_in_one_way(skymap: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"flat\.fits: "):
        read_map(write_flat(skymap, tmp_path / "flat.fits", 8))
    with pytest.raises(ReadError, match=r"none\.fits: "):
        read_map(tmp_path / "none.fits")
    for content in (b"", b"no map", write_multiorder(skymap, tmp_path / "a.fits").read_bytes()[:9000]):
        (tmp_path / "bad.fits").write_bytes(content)
        with pytest.raises(ReadError, match=r"bad\.fits: "):
            read_map(tmp_path / "bad.fits")


@pytest.mark.parametrize("suffix", [".fits", ".fits.gz"])
def test_damaged_files_give_a_map_or_a_read_error(skymap: xr.Dataset, tmp_path: Path, suffix: str) -> None:
    whole = write_multiorder(skymap, tmp_path / f"whole{suffix}").read_bytes()
    rng = np.random.default_rng(5)
    refused = 0
    for _ in range(60):
        damaged = np.frombuffer(whole, np.uint8).copy()
        where = rng.integers(0, 9000 if suffix == ".fits" else damaged.size, 3)
        damaged[where] ^= rng.integers(1, 256, 3).astype(np.uint8)
        (tmp_path / f"bad{suffix}").write_bytes(damaged.tobytes())
        try:
            read_map(tmp_path / f"bad{suffix}")
        except ReadError:
            refused += 1
    assert refused > 5
