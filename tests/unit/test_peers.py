"""Maps of other programs, read as sky maps."""

import gzip
import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import healpy as hp
import maps
import numpy as np
import pytest
import xarray as xr
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from skymist.errors import ReadError, RequestError, UnknownNameError
from skymist.model import sky, skymap
from skymist.model.region import best_fit, region
from skymist.store import peer_scans, peers
from skymist.store.fits import read_map, write_multiorder
from skymist.store.peers import FORMATS, identify_peer_map, is_peer_map, read_peer_map
from skymist.store.zarr import SkyMapStore, read_skymap
from skymist.workflow.events import describe_event, identify, load_event
from skymist.workflow.products import summary

NPZ = "run00136766-evt000007637140-GOLD-8_64_512.npz"
JSONS = [
    (reco, run, event)
    for reco in ("millipede_original", "millipede_wilks", "splinempe", "splinempe_pointed")
    for run, event in ((127907, 20178442), (136766, 7637140), (138632, 31747601))
    if run != 127907 or reco.startswith("millipede")
]
EVENTS = {
    127907: "hese_event_01.json",
    136766: "run00136766-evt000007637140-GOLD.pkl",
    138632: "138632_31747601.json",
}
EVENT = {"run": 1, "event": 2, "utc": "2026-03-04T05:06:07", "mjd": 61103.21258101852, "kind": "", "simulated": True}
METADATA = {"run_id": 1, "event_id": 2, "event_type": "neutrino", "mjd": 61103.21258101852, "is_real_event": False}


def reference(shared: Path, reco: str, run: int, event: int) -> tuple[bytes, str]:
    (path,) = (shared / "reference_scans" / reco).glob(f"run{run:08}.evt{event:012}.*.json")
    return path.read_bytes(), path.name


def seeds(shared: Path, run: int) -> dict[str, tuple[float, float]]:
    found = describe_event(load_event(str(shared / "events" / EVENTS[run])))["seeds"]
    return {name: (seed["ra"], seed["dec"]) for name, seed in found.items()}


def known(shared: Path, run: int) -> dict[str, Any]:
    return identify(load_event(str(shared / "events" / EVENTS[run])))


def tables(data: xr.Dataset, mirrored: bool = False, **metadata: Any) -> dict[str, Any]:
    """Return the document that Skymap Scanner would have made of a map, in one of its two conventions."""
    document = {}
    uniq = data["uniq"].to_numpy()
    for nside in np.unique(sky.nside_of(uniq)):
        rows = np.flatnonzero(sky.nside_of(uniq) == nside)
        ra, dec = sky.centers(uniq[rows])
        index = hp.ang2pix(int(nside), np.pi / 2 + (dec if mirrored else -dec), ra)
        llh = data["nllh"].to_numpy()[rows]
        document[f"nside-{nside}"] = {
            "columns": ["index", "llh", "E_in", "E_tot"],
            "data": [[int(i), float(value), 1e4, 2e4] for i, value in zip(index, llh, strict=True)],
            "metadata": {"nside": int(nside), **METADATA, **metadata},
        }
    return document


def as_json(document: Any) -> bytes:
    return json.dumps(document).encode()


def as_npz(document: dict[str, Any], header: bool = True) -> bytes:
    arrays = {}
    for name, table in document.items():
        types = [(column, "<i8" if column == "index" else "<f8") for column in table["columns"]]
        arrays[name] = np.array([tuple(row) for row in table["data"]], types)
    if header:
        metadata = [table["metadata"] for table in document.values()]
        kinds = {key: f"U{len(value)}" if isinstance(value, str) else type(value) for key, value in metadata[0].items()}
        types = list(kinds.items())
        arrays["header"] = np.array([tuple(each.values()) for each in metadata], types)
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def as_fits(data: xr.Dataset, tmp_path: Path, **header: Any) -> bytes:
    made = data.assign_attrs(software="skymist 0.1.0", created="2026-03-04T06:00:00")
    return write_multiorder(made, tmp_path / "map.fits", header=header).read_bytes()


def same_map(found: xr.Dataset, data: xr.Dataset) -> None:
    order, wanted = np.argsort(found["uniq"].to_numpy()), np.argsort(data["uniq"].to_numpy())
    assert np.array_equal(found["uniq"].to_numpy()[order], data["uniq"].to_numpy()[wanted])
    assert np.array_equal(found["nllh"].to_numpy()[order], data["nllh"].to_numpy()[wanted])


def is_of_use(found: xr.Dataset, tmp_path: Path) -> dict[str, Any]:
    """Do with a map what is done with our own; return its summary."""
    json.dumps(dict(found.attrs), allow_nan=False)
    written = read_map(write_multiorder(found, tmp_path / "again.fits"))
    assert written.attrs["RUNID"] == found.attrs["event"]["run"]
    return summary(found, "icecube-2016", {}, {})


@pytest.mark.parametrize(("reco", "run", "event"), JSONS)
def test_reference_results_stand_where_they_should(
    shared: Path, tmp_path: Path, reco: str, run: int, event: int
) -> None:
    content, name = reference(shared, reco, run, event)
    truth = json.loads((shared / "decoded" / f"{run}_{event}.json").read_text())["reference_results"][reco]["nside-1"]
    assert is_peer_map(content)
    for seed, position in seeds(shared, run).items():
        found = read_peer_map(content, name, position, reconstruction=reco)
        best = best_fit(found)
        assert np.degrees([best.ra, best.dec]) == pytest.approx([truth["best_ra_deg"], truth["best_dec_deg"]]), seed
        assert best.nllh == truth["best_llh"]
    said = is_of_use(found, tmp_path)
    assert (said["event"]["run"], said["event"]["event"]) == (run, event)
    assert said["event"]["utc"][:22] == known(shared, run)["utc"][:22]
    assert said["reconstruction"]["name"] == reco
    assert (said["simulated"], said["complete"], found.attrs["imported"]["convention"]) == (False, True, "standard")


def test_what_came_after_the_change_tells_and_else_the_position_does(shared: Path) -> None:
    for reco, run, event in JSONS:
        content, name = reference(shared, reco, run, event)
        marked = b'"complete"' in content
        old = json.loads(content)
        for mark in ("complete", "version"):
            old["nside-1"]["metadata"].pop(mark, None)
        for position in seeds(shared, run).values():
            imported = read_peer_map(content, name, position).attrs["imported"]
            assert imported["evidence"].startswith("its metadata have complete" if marked else "the best fit is ")
            if run != 138632:
                assert read_peer_map(as_json(old), name, position).attrs["imported"]["convention"] == "standard"
        if run == 138632 and len(old["nside-1"]["data"]) > 1:
            with pytest.raises(RequestError, match=r"41\.35 deg from the position if standard, 41\.35 if mirrored"):
                read_peer_map(as_json(old), name, position)
        elif run == 138632:
            assert "both are the same" in read_peer_map(as_json(old), name).attrs["imported"]["evidence"]


def test_old_map_is_turned_over(shared: Path, tmp_path: Path) -> None:
    content = (shared / "reference_scans" / NPZ).read_bytes()
    assert is_peer_map(content)
    for position in seeds(shared, 136766).values():
        found = read_peer_map(content, NPZ, position, event=known(shared, 136766))
        imported = found.attrs["imported"]
        assert imported["convention"] == "mirrored"
        assert imported["separation_deg"]["mirrored"] < 4.1 < 80 < imported["separation_deg"]["standard"]
    assert imported["format"] == "skymap-scanner-npz"
    assert imported["evidence"] == "the best fit is 0.66 deg from the position if mirrored, 82.00 if standard"
    assert found.attrs["scan_id"] == imported["sha256"]
    assert "pulse_set" not in found.attrs["event"]
    said = is_of_use(found, tmp_path)
    assert said["event"]["utc"] == known(shared, 136766)["utc"]
    assert said["regions"]["90"]["area_deg2"] == pytest.approx(7.462, rel=0.01)
    assert said["failed_cells"] == imported["cells_missing"] == 58


def test_published_numbers_of_the_old_map(shared: Path) -> None:
    """IC220624A in IceCat-1: 224.12 +2.2 -1.93, 41.31 +1.47 -1.5; 50 and 90 % areas."""
    content = (shared / "reference_scans" / NPZ).read_bytes()
    published = json.loads((shared / "decoded" / "136766_7637140.json").read_text())["published"]
    icecat = {key: float(value) for key, value in published["icecat1"].items() if key.startswith(("RA", "DEC"))}
    found = read_peer_map(content, NPZ, (icecat["RA"], icecat["DEC"]), event=known(shared, 136766))
    areas = [region(found, share, "icecube-2016").area_deg2 for share in (0.5, 0.9)]
    assert areas == pytest.approx(published["icecat1_area_deg2_50_90"], rel=0.01)
    best, at_90 = best_fit(found), region(found, 0.9, "icecube-2016")
    assert np.degrees([best.ra, best.dec]) == pytest.approx([icecat["RA"], icecat["DEC"]], abs=0.005)
    assert best.energy_gev == pytest.approx(18536.121)
    ours = [at_90.ra_plus, at_90.ra_minus, at_90.dec_plus, at_90.dec_minus]
    theirs = [icecat[key] for key in ("RA_ERR_PLUS", "RA_ERR_MINUS", "DEC_ERR_PLUS", "DEC_ERR_MINUS")]
    assert ours == pytest.approx(theirs, abs=0.14)  # ours are to the corners of cells, theirs to a line between centres


def test_what_a_divided_cell_lacks_has_its_value(shared: Path) -> None:
    content = (shared / "reference_scans" / NPZ).read_bytes()
    found = read_peer_map(content, NPZ, convention="mirrored", event=known(shared, 136766))
    tiling = skymap.leaves(found)
    assert sky.area_sr(tiling["uniq"]).sum() == pytest.approx(4 * np.pi)
    stand_in = tiling.isel(cell=np.flatnonzero(~tiling["evaluated"]))
    assert stand_in.sizes["cell"] == 58
    assert np.isfinite(stand_in["nllh"]).all()


@pytest.mark.parametrize("seed", [1, 4])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("write", [as_json, as_npz, lambda document: gzip.compress(as_json(document))])
def test_either_convention_gives_the_same_map(seed: int, mirrored: bool, write: Callable[[Any], bytes]) -> None:
    data = maps.random_map(seed, finest=256)
    best, areas = best_fit(data), [region(data, share).area_deg2 for share in (0.5, 0.9)]
    content = write(tables(data, mirrored))
    assert is_peer_map(content)
    found = read_peer_map(content, position=(np.degrees(best.ra), np.degrees(best.dec) + 0.3))
    assert found.attrs["imported"]["convention"] == ("mirrored" if mirrored else "standard")
    assert found.attrs["event"] == {**EVENT, "utc": "2026-03-04T05:06:07.000000", "kind": "neutrino"}
    told = read_peer_map(content, convention="mirrored" if mirrored else "standard")
    for each in (found, told):
        same_map(each, data)
        assert [region(each, share).area_deg2 for share in (0.5, 0.9)] == areas


def test_every_pixel_of_every_convention() -> None:
    for nside in (1, 2, 64, peer_scans.MAX_NSIDE):
        index = np.unique(np.linspace(0, 12 * nside**2 - 1, 5000).astype(int))
        level = peer_scans.Level(nside, {"index": index.astype(float), "llh": np.zeros(index.size)}, {})
        theta, phi = hp.pix2ang(nside, index)
        for mirrored, dec in ((False, np.pi / 2 - theta), (True, theta - np.pi / 2)):
            assert np.array_equal(level.cells(mirrored=mirrored), sky.cell_at(nside, phi, dec))
            assert np.unique(level.cells(mirrored=mirrored)).size == index.size


def test_failures_and_numbers() -> None:
    rows = [
        [0, 10.0, 5.0, 6.0, 1.0, 2.0, 3.0, 4.0],
        [1, float("nan"), float("nan"), 0.0, 0.0, 0.0, 0.0, 0.0],
        [2, None, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [3, peer_scans.NAN, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [4, float("inf"), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [5, 11, 1e300, 0.0, 1e300, 0.0, 0.0, 0.0],
    ]
    columns = ["index", "llh", "E_in", "E_tot", "X", "Y", "Z", "T"]
    table = {"columns": columns, "data": rows, "metadata": {"nside": 1, "version": 1, "complete": False, **METADATA}}
    found = read_peer_map(as_json({"nside-1": table}))
    assert found["status"].values.tolist() == [0, 2, 2, 2, 2, 0]
    assert np.isnan(found["nllh"].values).tolist() == [False, True, True, True, True, False]
    assert found["energy"].values[0] == 5
    assert np.isnan(found["energy"].values[5])
    assert found["vertex"].values[0].tolist() == [1, 2, 3]
    assert found["time"].values[0] == 4
    assert not found.attrs["complete"]
    assert found.attrs["reconstruction"]["name"] == "unknown"


def test_it_can_be_kept(tmp_path: Path) -> None:
    found = read_peer_map(as_json(tables(maps.random_map(1, finest=128), complete=True)), "x.json")
    with SkyMapStore(tmp_path / "x.zarr", found.attrs) as store:
        store.append(found["uniq"].to_numpy(), skymap.fit_of(found))
        store.commit(complete=True)
    xr.testing.assert_identical(read_skymap(tmp_path / "x.zarr").sortby("uniq"), found.sortby("uniq"))


def test_the_event_is_known_from_somewhere() -> None:
    bare = {name: {**table, "metadata": {}} for name, table in tables(maps.random_map(1, finest=128)).items()}
    content = as_npz(bare, header=False)
    with pytest.raises(RequestError, match=r"x\.npz: it does not say which event it is of, or when that was"):
        read_peer_map(content, "x.npz", convention="standard")
    found = read_peer_map(content, "x.npz", convention="standard", event=EVENT)
    assert found.attrs["event"] == EVENT
    name = "run00000012.evt000000000034.HESE_8_64.npz"
    found = read_peer_map(content, name, convention="standard", event={"utc": "2026-03-04 05:06:07Z"})
    assert found.attrs["event"] == {**EVENT, "run": 12, "event": 34, "kind": "HESE"}
    with pytest.raises(RequestError, match="it is of run 12, not of run 13"):
        read_peer_map(content, name, convention="standard", event={**EVENT, "run": 13, "event": 34})


@pytest.mark.parametrize(("said", "complete"), [(True, True), ("True", True), (0, False), ("False", False)])
def test_whether_a_result_is_complete_is_what_it_says(said: object, complete: bool) -> None:
    content = small(metadata={**METADATA, "nside": 2, "complete": said})
    assert read_peer_map(content, "x.json").attrs["complete"] is complete
    with pytest.raises(ReadError, match=r"complete 'maybe' is neither True nor False"):
        read_peer_map(small(metadata={**METADATA, "nside": 2, "complete": "maybe"}), "x.json")


@pytest.mark.parametrize(
    ("said", "simulated"),
    [(True, False), (1, False), (1.0, False), ("True", False), (False, True), (0, True), ("False", True),
     (None, True), ("<skyreader.nan>", True), *((odd, None) for odd in ("no", "false", "", 2, -1, [], {}, [True]))],
)  # fmt: skip
def test_whether_an_event_is_real_is_not_guessed(said: object, simulated: bool | None) -> None:
    content = small(metadata={**METADATA, "nside": 2, "complete": True, "is_real_event": said})
    if simulated is None:
        with pytest.raises(ReadError, match=r"x\.json: is_real_event .* is neither True nor False"):
            read_peer_map(content, "x.json")
        with pytest.raises(ReadError, match="is neither True nor False"):
            identify_peer_map(content)
    else:
        assert read_peer_map(content).attrs["event"]["simulated"] is simulated


@pytest.mark.parametrize("kind", ["JSON", "FITS"])
def test_an_event_has_one_time(tmp_path: Path, kind: str) -> None:
    data = maps.random_map(1, finest=128)
    content = as_fits(data, tmp_path) if kind == "FITS" else as_json(tables(data, complete=True))
    time = read_peer_map(content).attrs["event"]
    for near in ("2026-03-04T05:06:06.5", "2026-03-04 05:06:08Z"):
        found = read_peer_map(content, event={"utc": near}).attrs["event"]
        assert (found["utc"], found["mjd"]) == (time["utc"], time["mjd"])
    for event in ({"utc": "2026-03-04T05:06:09"}, {"utc": "2020-01-01T00:00:00"}, {"mjd": 61103.3}):
        with pytest.raises(RequestError, match=r"a map: its time is 2026-03-04T05:06:0.*, not 20.*: leave the time"):
            read_peer_map(content, event=event)


def test_what_cannot_be_told_is_asked_for() -> None:
    content = as_json(tables(maps.random_map(0, finest=128)))
    both = r"'standard' \(theta = pi/2 - dec\) or 'mirrored' \(theta = pi/2 \+ dec\)"
    with pytest.raises(RequestError, match=rf"{both}; give the convention, or a position"):
        read_peer_map(content)
    with pytest.raises(RequestError, match=rf"{both}: the best fit is .* deg from the position if .*; give"):
        read_peer_map(content, position=(0, 0))
    with pytest.raises(UnknownNameError, match="no declination convention is called 'odd'; there are: mirrored, "):
        read_peer_map(content, convention="odd")
    for position in ((0, 91), (float("nan"), 0), (0, float("nan"))):
        with pytest.raises(RequestError, match="is no position on the sky"):
            read_peer_map(content, position=position)


@pytest.mark.parametrize("seed", range(12))
def test_public_maps_keep_probability_and_regions(seed: int, tmp_path: Path) -> None:
    data = maps.random_map(seed, finest=256)
    found = read_peer_map(as_fits(data, tmp_path))
    tiling, again = skymap.leaves(data).sortby("uniq"), skymap.leaves(found).sortby("uniq")
    before = xr.DataArray(skymap.probability(tiling), {"cell": tiling["uniq"].to_numpy()}, ("cell",))
    after = xr.DataArray(skymap.probability(again), {"cell": again["uniq"].to_numpy()}, ("cell",))
    assert set(after["cell"].values) == set(before["cell"].values[before.values > 0])
    assert np.allclose(after, before.sel(cell=after["cell"]), rtol=1e-9, atol=0)
    for share in (0.5, 0.9):
        ours, theirs = region(data, share, "probability"), region(found, share, "probability")
        assert theirs.area_deg2 == pytest.approx(ours.area_deg2, rel=1e-6)
        assert set(theirs.cells) == set(ours.cells)
    assert best_fit(found).uniq == tiling["uniq"].values[np.argmin(tiling["nllh"].values)]


def test_public_maps_say_what_they_are_of(tmp_path: Path) -> None:
    data = maps.random_map(3)
    content = as_fits(data, tmp_path, SENDER="IceCube Collaboration", **{"ALERT-STREAM": "GOLD"})
    found = read_peer_map(gzip.compress(content), "map.fits.gz")
    assert found.attrs["event"] == data.attrs["event"]
    assert found.attrs["reconstruction"] == data.attrs["reconstruction"]
    assert found.attrs["complete"] is True
    imported = found.attrs["imported"]
    assert (imported["format"], imported["convention"]) == ("multi-order-fits", "standard")
    assert imported["header"]["ALERT-STREAM"] == "GOLD"
    assert imported["header"]["CONTOUR AREA (90%)"] == region(data, 0.9).area_deg2
    assert not {"TTYPE1", "NAXIS2"} & set(imported["header"])
    assert is_of_use(found, tmp_path)["simulated"] is True


def edited(content: bytes, change: Callable[[fits.BinTableHDU], Any]) -> bytes:
    """Return a FITS file with something changed."""
    file = io.BytesIO()
    with fits.open(io.BytesIO(content)) as units:
        changed = change(units[1])
        table = units[1] if changed is None else changed
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(file)
    return file.getvalue()


def table_of(header: fits.Header, *columns: fits.Column) -> fits.BinTableHDU:
    table = fits.BinTableHDU.from_columns(columns)
    for key in ("ORDERING", "COORDSYS", "RUNID", "EVENTID", "DATE-OBS", "MJD-OBS"):
        table.header[key] = header[key]
    return table


def test_older_headers_and_pixels_to_ignore(tmp_path: Path) -> None:
    """Public maps once had other keywords, and say that pixels that are not finite are to be ignored."""
    data = maps.random_map(4, finest=128)
    hole = best_fit(data).uniq

    def older(unit: fits.BinTableHDU) -> None:
        ours = "DATE-OBS", "MJD-OBS", "EVENT-TYPE", "SIMULATED", "RECO", "RECOVERS", "RECOOPTS", "CREATOR", "DATE"
        for key in ours:
            del unit.header[key]
        unit.header["EVENTMJD"], unit.header["I3TYPE"] = 59754.67588432013, "gfu-gold"
        unit.data["PROBDENSITY"][unit.data["UNIQ"] == hole] = np.nan

    found = read_peer_map(edited(as_fits(data, tmp_path, SENDER="IceCube Collaboration"), older))
    event = {"run": 1, "event": 2, "utc": "2022-06-24T16:13:16.405259", "mjd": 59754.67588432013}
    assert found.attrs["event"] == {**event, "kind": "gfu-gold", "simulated": False}
    assert found.attrs["software"] == "IceCube Collaboration"
    assert skymap.failures(found) == 1
    assert found["uniq"].values[found["status"].values == 2] == hole
    assert best_fit(found).uniq != hole
    assert is_of_use(found, tmp_path)["failed_cells"] == 1


CHANGES: dict[str, tuple[Callable[[fits.BinTableHDU], Any], str]] = {
    "ordering": (lambda unit: unit.header.set("ORDERING", "NESTED_NUNIQ") and None, "a multi-order map has 'NUNIQ'"),
    "frame": (lambda unit: unit.header.set("COORDSYS", "G") and None, "COORDSYS is 'G'"),
    "negative": (lambda unit: unit.data["PROBDENSITY"].__setitem__(7, -1.5), r"PROBDENSITY is -1\.5 in a cell"),
    "nothing": (lambda unit: unit.data["PROBDENSITY"].fill(0), "nowhere positive"),
    "nans": (lambda unit: unit.data["PROBDENSITY"].fill(np.nan), "nowhere positive"),
    "twice": (lambda unit: unit.data["UNIQ"].__setitem__(7, unit.data["UNIQ"][8]), "one twice"),
    "overlap": (lambda unit: unit.data["UNIQ"].__setitem__(7, 4), "its cells overlap"),
    "too fine": (lambda unit: unit.data["UNIQ"].__setitem__(7, 4**20), "finer than nside 65536"),
    "no time": (lambda unit: unit.header.set("DATE-OBS", "2023-13-01T00:00:00"), "is no time in UTC"),
    "no day": (lambda unit: unit.header.set("MJD-OBS", 9876543.21), "is not a day from 1900 to 2099"),
    "no run": (lambda unit: unit.header.set("RUNID", "-7"), "run '-7' is not a whole number"),
    "list of options": (lambda unit: unit.header.set("RECOOPTS", "[1]"), "RECOOPTS is not a JSON object"),
    "options": (lambda unit: unit.header.set("RECOOPTS", "{"), "RECOOPTS is not JSON"),
    "missing": (lambda unit: unit.columns.del_col("PROBDENSITY") and None, "Key 'PROBDENSITY' does not exist"),
    "fractions": (
        lambda unit: table_of(
            unit.header,
            fits.Column("UNIQ", "D", array=unit.data["UNIQ"] + 0.5),
            fits.Column("PROBDENSITY", "D", array=unit.data["PROBDENSITY"]),
        ),
        "Cannot cast",
    ),
    "two a row": (
        lambda unit: table_of(
            unit.header,
            fits.Column("UNIQ", "2K", array=np.arange(8, 16).reshape(4, 2)),
            fits.Column("PROBDENSITY", "2D", array=np.ones((4, 2))),
        ),
        "more than one number a row",
    ),
    "text": (
        lambda unit: table_of(
            unit.header, fits.Column("UNIQ", "K", array=[8]), fits.Column("PROBDENSITY", "3A", array=["abc"])
        ),
        "could not convert",
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_other_fits_files_are_refused(change: str, tmp_path: Path) -> None:
    edit, told = CHANGES[change]
    content = edited(as_fits(maps.random_map(5, finest=128), tmp_path), lambda unit: result(edit(unit)))
    with pytest.raises(ReadError, match=told) as refused:
        read_peer_map(content, "some.fits")
    assert str(refused.value).startswith("some.fits: ")


def result(changed: Any) -> fits.BinTableHDU | None:
    return changed if isinstance(changed, fits.BinTableHDU) else None


@pytest.mark.parametrize(
    ("key", "told"), [("TFIELDS", "announces 1000000000 columns"), ("NAXIS2", "not a multi-order")]
)
def test_sizes_are_not_believed(key: str, told: str, tmp_path: Path) -> None:
    content = as_fits(maps.random_map(5, finest=128), tmp_path)
    (card,) = re.findall(rb"%-8s= +\d+" % key.encode(), content)
    with pytest.raises(ReadError, match=told):
        read_peer_map(content.replace(card, b"%-8s= %20d" % (key.encode(), 10**9)))


def test_a_fits_map_is_not_mirrored(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="a multi-order map is never mirrored"):
        read_peer_map(as_fits(maps.random_map(5, finest=128), tmp_path), convention="mirrored")


def small(**changes: Any) -> bytes:
    table = {"columns": ["index", "llh"], "data": [[0, 1.0], [5, 2.0]], "metadata": {"nside": 2, "complete": True}}
    return as_json({"nside-2": {**table, "metadata": {**METADATA, **table["metadata"]}, **changes}})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "none of the formats that are understood: skymap-scanner-json, skymap-scanner-npz, multi-order-fits"),
        (b'{"G": 1}', "none of the formats"),
        (b'{"nside-2": 1}', "nside-2: not a table of columns, data and metadata"),
        (b'{"nside-2": {"columns": [', "at 25: not JSON: Expecting value"),
        (b'{"nside-2": "\xff"}', "not JSON: 'utf-8' codec"),
        (b'{"nside-1": ' + b"[" * 100_000, "not JSON"),
        (b'{"nside-1": 1, "nside-1": 1}', "a name stands twice"),
        (small(columns=["index"]), "nside-2, row 0: not 1 values"),
        (small(columns=["index", "x"]), "nside-2: it lacks the column llh"),
        (small(columns=["llh", "llh"]), "a column stands in it twice"),
        (small(columns=[], data=[]), "it lacks the column index and llh"),
        (small(data=[]), "no pixel has a finite likelihood"),
        (small(data=[[0, float("nan")]]), "no pixel has a finite likelihood"),
        (small(data=[[0, 1.0], [0, 2.0]]), "a pixel stands in it twice"),
        (small(data=[[48, 1.0]]), "an index is not a whole number below 48"),
        (small(data=[[-1, 1.0]]), "an index is not a whole number below 48"),
        (small(data=[[0.5, 1.0]]), "an index is not a whole number below 48"),
        (small(data=[[None, 1.0]]), "an index is not a whole number below 48"),
        (small(data=[[0, "1.0"]]), "nside-2: '1.0' is not a number"),
        (small(data=[[0, True]]), "nside-2: 'True' is not a number"),
        (small(data=[[0, [1.0]]]), "is not a number"),
        (small(data=[[0, 10**400]]), "a number is too large"),
        (small(data=[[0, 1.0, 2.0]]), "row 0: not 2 values"),
        (small(data=[{"index": 0}]), "row 0: not 2 values"),
        (small(metadata={"nside": 4}), "its metadata say nside 4"),
        (small().replace(b"nside-2", b"nside-3"), "not called nside-N"),
        (small().replace(b"nside-2", b"nside-131072"), "not called nside-N"),
        (small().replace(b'"run_id": 1', b'"run_id": 1.5'), "run '1.5' is not a whole number"),
        (small().replace(b'"mjd": 6', b'"mjd": 66'), "is not a day from 1900 to 2099"),
        (small().replace(b'"mjd": 6', b'"mjd": "a", "x": 6'), "MJD 'a' is not a day"),
        (gzip.compress(small())[:-20], "it cannot be decompressed"),
        (b"\x1f\x8bnothing", "it cannot be decompressed"),
        (b"PK\x03\x04 nside-1", "not a zip of arrays"),
        (b"SIMPLE  = NUNIQ", "not a multi-order FITS map"),
    ],
)
def test_other_files_are_refused(content: bytes, told: str) -> None:
    with pytest.raises(ReadError, match=told) as refused:
        read_peer_map(content, "some file")
    assert str(refused.value).startswith("some file")
    with pytest.raises(ReadError, match=told):
        read_peer_map(content)


def test_levels_of_two_events_are_refused() -> None:
    document = tables(maps.random_map(2, finest=128), complete=True)
    document["nside-64"]["metadata"]["event_id"] = 3
    with pytest.raises(ReadError, match="the metadata of its levels contradict each other: 2 and 3"):
        read_peer_map(as_json(document))


def zipped(method: int = zipfile.ZIP_STORED, **members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "-") + ".npy", content)
    return file.getvalue()


def npy(descr: str, shape: tuple[int, ...], size: int = 0) -> bytes:
    """Return an array of zeros as its header says, or one that is not."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + bytes(size)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (zipped(nside_1=b"no array"), "nside-1: it lacks the column index and llh"),
        (zipped(nside_1=npy("'<f8'", (2,), 16)), "nside-1: it lacks the column"),
        (zipped(nside_1=npy("'|O'", (2,), 16)), "allow_pickle=False"),
        (zipped(nside_1=npy("'<f8'", (10**9,))), "not a zip of arrays"),
        (zipped(nside_1=npy("'<f8'", (4 * 10**12,))), "not a zip of arrays"),
        (zipped(nside_1=npy("[('index', '<U3'), ('llh', '<f8')]", (1,), 20)), "nside-1: not a table of numbers"),
        (zipped(nside_1=npy("[('index', '<i8'), ('llh', '<f8', (2,))]", (1,), 24)), "nside-1: not a table of num"),
        (zipped(nside_1=npy("[('index', '<i8'), ('llh', '<f8')]", (1, 1), 16)), "nside-1: not a table of numbers"),
        (zipped(nside_1=b"", header=npy("'<f8'", (2,), 16)), "header: not a table"),
        (zipped(zipfile.ZIP_LZMA, nside_1=b""), "compressed by a method other than deflate"),
    ],
)
def test_other_zips_are_refused(content: bytes, told: str) -> None:
    with pytest.raises(ReadError, match=told):
        read_peer_map(content)


def test_bombs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (peers, peer_scans):
        monkeypatch.setattr(module, "LIMIT", 10_000)
    with pytest.raises(ReadError, match="more than 10000 bytes"):
        read_peer_map(gzip.compress(small() + b" " * 20_000))
    with pytest.raises(ReadError, match="more than 10000 bytes when decompressed"):
        read_peer_map(zipped(zipfile.ZIP_DEFLATED, nside_1=bytes(20_000)))
    tower = {"nside-1": [0], "nside-65536": [0]}
    tables = {
        name: {"columns": ["index", "llh"], "data": [[i, 1.0] for i in index], "metadata": {"complete": True}}
        for name, index in tower.items()
    }
    with pytest.raises(ReadError, match="cells of nside 1 are divided into more than 4000000 of nside 65536"):
        read_peer_map(as_json(tables))


def test_what_is_not_from_a_peer_is_told_apart(shared: Path, tmp_path: Path) -> None:
    for path in (shared / "events").iterdir():
        assert not is_peer_map(path.read_bytes())
    assert not is_peer_map(b"")
    assert not is_peer_map(b"\x1f\x8b")
    assert not is_peer_map(fits_of_nothing())
    assert is_peer_map(gzip.compress(as_fits(maps.random_map(0, finest=128), tmp_path)))
    assert len(set(FORMATS)) == 3


def fits_of_nothing() -> bytes:
    file = io.BytesIO()
    fits.PrimaryHDU(np.zeros(3)).writeto(file)
    return file.getvalue()


def trouble(content: bytes) -> str:
    """Return why a file is refused, if it is; all else but a valid map fails the test."""
    try:
        skymap.validate(read_peer_map(content, "file"))
    except (ReadError, RequestError) as error:
        return str(error)
    return ""


@pytest.mark.parametrize("write", ["json", "npz", "fits", "fits.gz"])
def test_damaged_files_give_a_map_or_one_clear_error(write: str, tmp_path: Path) -> None:
    data = maps.random_map(1, finest=128)
    few = data.isel(cell=np.r_[0:768:64, 768:800])
    whole = {
        "json": lambda: as_json(tables(few, complete=True)),
        "npz": lambda: as_npz(tables(few, complete=True)),
        "fits": lambda: as_fits(few, tmp_path),
        "fits.gz": lambda: gzip.compress(as_fits(few, tmp_path)),
    }[write]()
    rng = np.random.default_rng(7)
    refused = 0
    for number in range(150):
        damaged = bytearray(whole)
        for at in rng.integers(0, min(len(damaged), 9000), rng.integers(1, 6)):
            damaged[at] = rng.integers(0, 256)
        content = bytes(damaged[: rng.integers(len(damaged))] if number % 5 == 0 else damaged)
        is_peer_map(content)
        refused += trouble(content).startswith("file: ")
    assert refused > 30


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 2**70), st.floats(), st.text(max_size=3),
    st.lists(st.integers(0, 3), max_size=2), st.dictionaries(st.sampled_from(["nside", "data"]), st.none(), max_size=2),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_value_may_be_anything(data: st.DataObject) -> None:
    document = json.loads(small())
    table = document["nside-2"]
    places: list[tuple[Any, Any]] = [(table, key) for key in table]
    places += [(table["metadata"], key) for key in [*table["metadata"], "version"]]
    places += [(table["data"][0], 0), (table["data"][0], 1), (table["columns"], 1), (table["data"], 0)]
    for container, key in data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=2)):
        container[key] = data.draw(JUNK)
    assert trouble(as_json(document)).startswith(("file: ", "file, at ")) or "complete" in table["metadata"]
