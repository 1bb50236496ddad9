"""Files of a map in every format: what other tools read in them is what the map says."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import xarray as xr
from astropy.io.fits import getheader
from astropy.table import Table
from astropy.time import Time
from maps import ATTRIBUTES, of_cells, random_map, stored
from mocpy import MOC

from skymist import plot
from skymist.api.results import MEDIA, Format
from skymist.errors import RequestError, UnknownNameError
from skymist.model import sky
from skymist.model.contour import contour
from skymist.model.region import region
from skymist.store.peers import read_peer_map
from skymist.store.zarr import read_skymap
from skymist.workflow.exports import EXPORTS, export, export_all, name_of
from skymist.workflow.maps import load_map

BEGINS = {
    "fits": b"\x1f\x8b", "fits-flat": b"\x1f\x8b", "png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml", "csv": b"nside",
    "json": b"{", "contours-ecsv": b"# %ECSV", "ds9": b"# Region file format: DS9", "geojson": b"{",
    "moc": b"SIMPLE  =", "moc-json": b"{", "skyscan-json": b'{\n    "nside-', "skyscan-npz": b"PK",
}  # fmt: skip


def peaked_map(width_deg: float, finest: int = 512, ra: float = 40.0, dec: float = 10.0) -> xr.Dataset:
    """A map of few cells around one place, as of a good track."""
    here = np.radians(ra), np.radians(dec)
    levels = [sky.all_cells(8)]
    for nside in [each for each in (64, 512, 4096) if each <= finest]:
        away = sky.separation(*sky.centers(levels[-1]), *here)
        levels.append(sky.children(levels[-1][np.argsort(away)[:12]], nside).ravel())
    cells = np.concatenate(levels)
    return of_cells(cells, sky.separation(*sky.centers(cells), *here) ** 2 / np.radians(width_deg) ** 2 / 2)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(random_map(4, "islands", finest=128), tmp_path_factory.mktemp("maps"))


@pytest.fixture(scope="module")
def drawn() -> list[int]:
    """How many figures were drawn for all files."""
    return []


@pytest.fixture(scope="module")
def files(kept: Path, drawn: list[int], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    draw = plot.combined_figure

    def counted(*given: object, **more: object) -> object:
        drawn.append(1)
        return draw(*given, **more)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plot, "combined_figure", counted)
        found = export_all(load_map(kept), tmp_path_factory.mktemp("files"), "wilks")
    assert found.failed == {}
    return {kind: Path(str(file)) for kind, file in found.files.items()}


def test_the_service_has_every_format_and_no_other() -> None:
    assert sorted(get_args(Format)) == sorted([*EXPORTS, "zarr"]) == sorted(MEDIA)
    assert set(BEGINS) == set(EXPORTS)
    assert len({each.ending for each in EXPORTS.values()}) == len(EXPORTS)


def test_every_format_at_once_and_the_figure_is_drawn_once(files: dict[str, Path], drawn: list[int]) -> None:
    assert list(files) == list(EXPORTS)
    for kind, file in files.items():
        assert file.name == f"map{EXPORTS[kind].ending}"
        assert file.read_bytes().startswith(BEGINS[kind]), kind
    assert len(drawn) == 1


def test_cells_of_the_region_are_a_moc_for_mocpy(files: dict[str, Path], kept: Path) -> None:
    area = region(read_skymap(kept), 0.9, "wilks").area_deg2
    sky_deg2 = 4 * np.pi * np.degrees(1) ** 2
    for found in (MOC.load(files["moc"]), MOC.load(files["moc-json"], format="json")):
        assert found.sky_fraction * sky_deg2 == pytest.approx(area, rel=1e-9)


def test_contours_are_the_same_in_each_of_their_files(files: dict[str, Path], kept: Path) -> None:
    expected = contour(read_skymap(kept), 0.9, "wilks")
    corners = sum(len(ring) for ring in expected.rings())
    table = Table.read(files["contours-ecsv"], format="ascii.ecsv")
    assert np.count_nonzero(np.isclose(table["containment"], 0.9)) == corners
    features = json.loads(files["geojson"].read_bytes())["features"]
    assert [each["properties"]["containment"] for each in features] == [0.5, 0.9]
    assert features[1]["properties"]["area_deg2"] == pytest.approx(expected.area_deg2)
    shown = [line for line in files["ds9"].read_text().splitlines() if "polygon(" in line]
    assert len(shown) == len(expected.rings()) + len(contour(read_skymap(kept), 0.5, "wilks").rings())


def test_results_as_of_skymap_scanner_come_back_as_the_same_map(files: dict[str, Path], kept: Path) -> None:
    expected = read_skymap(kept).sortby("uniq")
    for kind in ("skyscan-json", "skyscan-npz"):
        found = read_peer_map(files[kind].read_bytes(), kind).sortby("uniq")
        np.testing.assert_array_equal(found["uniq"], expected["uniq"])
        np.testing.assert_array_equal(found["nllh"], expected["nllh"])


def test_dates_of_files_of_a_result_of_others_are_dates(files: dict[str, Path], tmp_path: Path) -> None:
    again = load_map(files["skyscan-json"])  # does not tell when it was made
    for kind in ("fits", "fits-flat", "moc"):
        header = getheader(str(export(again, kind, tmp_path / f"{kind}.fits")), 1)
        dates = {key: Time(header[key]).mjd for key in ("DATE", "DATE-OBS") if key in header}
        assert dates == {"DATE-OBS": pytest.approx(again.attrs["event"]["mjd"])}


def test_a_density_is_not_said_to_be_a_likelihood(files: dict[str, Path], tmp_path: Path) -> None:
    headers = [getheader(str(files["fits"]), 1)]
    headers.append(getheader(str(export(load_map(files["fits"]), "fits", tmp_path / "a.fits", "wilks")), 1))
    assert headers[0]["RA"] == headers[1]["RA"]
    assert ["NLLH" in each for each in headers] == [True, False]


def test_one_file_alone_is_the_same(files: dict[str, Path], kept: Path, tmp_path: Path) -> None:
    for kind in ("fits", "json", "csv", "moc", "geojson", "skyscan-json"):
        alone = export(load_map(kept), kind, tmp_path / files[kind].name, "wilks")
        assert alone.read_bytes() == files[kind].read_bytes(), kind


def test_files_lie_beside_the_map_and_never_take_its_place(kept: Path, tmp_path: Path) -> None:
    result = tmp_path / "run00000001.evt000000000002.json"
    export(load_map(kept), "skyscan-json", result)
    content = result.read_bytes()
    peer = load_map(result)
    assert str(export(peer, "csv")) == str(tmp_path / "run00000001.evt000000000002.csv")
    for to in (None, result):
        with pytest.raises(RequestError, match="is the map itself"):
            export(peer, "json", to)
    assert result.read_bytes() == content


def test_a_summary_does_not_replace_a_result_that_lies_beside_the_map(kept: Path, tmp_path: Path) -> None:
    for kind, name in (("skyscan-npz", "scan.npz"), ("skyscan-json", "scan.json")):
        export(load_map(kept), kind, tmp_path / name)
    content = (tmp_path / "scan.json").read_bytes()
    with pytest.raises(RequestError, match=r"scan\.json is a map of another program"):
        export(load_map(tmp_path / "scan.npz"), "json")
    assert (tmp_path / "scan.json").read_bytes() == content
    for _ in range(2):  # a summary may be made again
        export(load_map(tmp_path / "scan.npz"), "json", tmp_path / "new.json")


def test_a_map_that_is_told_as_this_folder_has_its_own_name(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(kept)
    assert name_of(load_map("."), "csv") == f"{kept.stem}.csv"
    assert str(export(load_map("."), "moc-json")) == str(kept.with_name(f"{kept.stem}.moc.json"))
    monkeypatch.chdir(kept / "uniq")
    assert str(export(load_map(".."), "moc-json")) == str(kept.with_name(f"{kept.stem}.moc.json"))


def test_no_file_is_put_into_the_store_of_a_map_or_over_it_by_another_name(kept: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in kept.iterdir())
    (tmp_path / "link").symlink_to(kept)
    for to in (kept, kept / "map.csv", tmp_path / "link" / "x.csv", kept / ".." / kept.name / "uniq"):
        with pytest.raises(RequestError, match="is the map itself, or in it"):
            export(load_map(kept), "csv", to)
    assert sorted(path.name for path in kept.iterdir()) == before
    export(load_map(kept), "csv", kept.with_name(f"{kept.name}.csv"))  # a neighbour whose name begins alike


def test_a_calibration_that_does_not_fit_is_told_before_anything_is_written(kept: Path, tmp_path: Path) -> None:
    for wrong, error in (("mine", UnknownNameError), ("resimulated", RequestError)):
        with pytest.raises(error):
            export_all(load_map(kept), tmp_path / "none", wrong)
    assert not (tmp_path / "none").exists()


def test_a_map_of_nowhere_needs_a_place_and_has_the_name_of_its_event(tmp_path: Path) -> None:
    data = random_map(2, "round", finest=128).assign_attrs(ATTRIBUTES)
    with pytest.raises(RequestError, match="read from no file"):
        export(data, "moc")
    with pytest.raises(UnknownNameError, match="no export format is called 'gif'"):
        export(data, "gif", tmp_path / "x")
    assert name_of(data, "csv") == "run00000001.evt000000000002.csv"
    assert export(data, "csv", tmp_path / "x").read_bytes().startswith(b"nside")


def test_a_floor_is_in_the_names_of_files_and_in_the_probability(tmp_path: Path) -> None:
    kept = stored(peaked_map(0.15), tmp_path)
    data = load_map(kept, floor_deg=0.3)
    file = export(data, "fits")
    assert str(file) == str(tmp_path / "map.floor0.3.multiorder.fits.gz")
    told = {kind: export(data, kind) for kind in ("moc", "json")}
    assert json.loads(told.pop("json").read_bytes())["floor_deg"] == 0.3
    assert [getheader(str(each), 1)["FLOORDEG"] for each in (file, *told.values())] == [0.3] * 2
    wide = region(load_map(str(file)), 0.9, "probability").area_deg2
    expected = np.pi * 2 * np.log(10) * (0.15**2 + 0.3**2)  # a Gaussian of both widths
    assert wide == pytest.approx(expected, rel=0.05)
    assert region(load_map(kept), 0.9, "probability").area_deg2 < expected / 3
    for floor in (-1.0, np.nan, 90.0):
        with pytest.raises(RequestError, match="makes no sense"):
            load_map(kept, floor_deg=floor)


def test_figures_of_many_threads_are_the_same(tmp_path: Path) -> None:
    data = peaked_map(1.0, 64)
    files = [tmp_path / f"{number}.png" for number in range(12)]
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda file: export(data, "png", file), files))
    assert len({file.read_bytes() for file in files}) == 1
