"""The catalog as tables: whoever reads them back finds the same values, and what they are."""

import csv
import io
import math
import re
import warnings
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import hats
import mocpy
import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy import units
from astropy.coordinates import Latitude, Longitude
from astropy.io import fits, votable
from astropy.io.votable.ucd import parse_ucd
from astropy.table import Table
from hats.io.validation import is_valid_catalog
from hats.pixel_math import compute_spatial_index
from lxml import etree
from pyvo.dal import DALQueryError
from pyvo.dal.scs import SCSResults

from skymist.errors import RequestError, UnknownNameError
from skymist.fair.catalog import COLUMNS, TABLES, Entry, Type, cone_votable, error_votable, write_table
from skymist.fair.hats import write_hats
from skymist.model import sky

ABOUT = {
    "title": "Alerts",
    "description": "All alerts of 90 % & more <of them>",
    "publisher": 'The "archive"',
    "rights": "CC-BY-4.0",
    "ivoid": "ivo://example/skymist",
    "query": "signalness>0.5",
    "request_date": "2026-01-02T03:04:05",
    "reference_url": "https://example.org/public?a=1&b=2",
    "contact": "",
}
FULL = Entry(
    identifier="ivo://example/skymist#137840_57034692", name="IceCube-230416A", role="observation", run=137840,
    event=999_999_999_999_999, time="2023-04-16T05:22:26.123456789Z", stream="bronze", retracted=True,
    released="2023-05-01T00:00:00.000000000Z", revision=0, ra=345.85, dec=9.14, radius_90=0.1 + 0.2, ra_plus_90=1e-300,
    ra_minus_90=0.0, dec_plus_90=5e-324, dec_minus_90=-0.0, energy_tev=1.7976931348623157e308, signalness=1.0,
    far_per_year=2.53, map_identifier="ivo://example/skymist#map_0123456789abcdef",
    map_url="https://example.org/a?b=<1>&c=\"2\",3",
    url="https://example.org/public/137840_57034692", doi="10.5072/skymist.1",
)  # fmt: skip
BARE = Entry("ivo://example/skymist#1_2", "", "test", 1, 2, "2011-05-14T01:32:22.654109000Z")
ODD = replace(BARE, identifier="ivo://example/skymist#1_3", ra=math.nan, energy_tev=math.inf, signalness=-math.inf)
WIDE = replace(FULL, identifier="ivo://example/skymist#1_4", name="Île 日本", ra=0.0, dec=-90.0, retracted=False)
ENTRIES = [FULL, BARE, ODD, WIDE]
BUNDLED = Path(votable.__file__).parent / "data"


@pytest.fixture(scope="module")
def schema() -> Any:
    return etree.XMLSchema(etree.parse(BUNDLED / "VOTable.v1.4.xsd"))


@pytest.fixture(scope="module")
def many() -> list[Entry]:
    """A hundred thousand alerts, also at the poles, where RA begins and where the last HEALPix cells are."""
    rng, n = np.random.default_rng(7), 100_000
    ra, dec = rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    corners = [(0, 0), (360, 0), (0, 90), (123, 90), (0, -90), (200, -90), (315, 0), (315, -1e-9), (359.9999999999, 1)]
    ra[: len(corners)], dec[: len(corners)] = np.array(corners).T
    times = np.datetime64("2011-05-14", "ns") + rng.integers(0, 10**18, n)
    said = np.column_stack([ra, dec, rng.random((n, 2))]).tolist()
    return [
        Entry(f"ivo://example/skymist#{run}_7", "", "test", run, 7, f"{time}Z", "gold", False, "", None, *numbers)
        for run, (time, numbers) in enumerate(zip(times, said, strict=True))
    ]


def read_csv(content: bytes) -> list[Entry]:
    rows = csv.DictReader(io.StringIO(content.decode(), newline=""))
    return [Entry(*(value_of(each.type, row[each.name]) for each in COLUMNS)) for row in rows]


def value_of(kind: Type, text: str) -> Any:
    read = {Type.WHOLE: int, Type.NUMBER: float, Type.FLAG: {"False": False, "True": True}.get}
    return text if kind not in read else read[kind](text) if text else None


def entries_of(columns: dict[str, Any]) -> list[Entry]:
    """Entries of numpy's (masked) columns; a masked text is an empty one."""
    lists = []
    for each in COLUMNS:
        empty = "" if each.type in (Type.TEXT, Type.TIME) else None
        lists.append([empty if value is None else value for value in np.ma.asarray(columns[each.name]).tolist()])
    return [Entry(*row) for row in zip(*lists, strict=True)]


def read_ecsv(content: bytes) -> list[Entry]:
    table = Table.read(content.decode(), format="ascii.ecsv")
    return entries_of({name: table[name] for name in table.colnames})


def read_votable(content: bytes) -> list[Entry]:
    table = votable.parse(io.BytesIO(content), verify="exception").get_first_table()
    return entries_of({name: table.array[name] for name in table.array.dtype.names})


def read_parquet(content: bytes) -> list[Entry]:
    table = pq.read_table(io.BytesIO(content))
    for each in COLUMNS:
        if each.type == Type.TIME:
            times = np.datetime_as_string(table[each.name].to_numpy(), unit="ns")
            texts = ["" if text == "NaT" else f"{text}Z" for text in times]
            table = table.set_column(table.column_names.index(each.name), each.name, [texts])
    return [Entry(**row) for row in table.to_pylist()]


READERS = {"csv": read_csv, "ecsv": read_ecsv, "votable": read_votable, "parquet": read_parquet}


def test_columns_are_the_fields() -> None:
    assert [each.name for each in COLUMNS] == [each.name for each in fields(Entry)]
    for each in COLUMNS:
        assert each.description
        parse_ucd(each.ucd, check_controlled_vocabulary=True)
        units.Unit(each.unit, format="vounit")
    assert set(TABLES) == set(READERS)


@pytest.mark.parametrize("kind", TABLES)
def test_nothing_is_lost(kind: str) -> None:
    content = write_table(ENTRIES, kind, ABOUT)
    found, wanted = READERS[kind](content), ENTRIES
    if kind == "votable":  # for astropy what is no number is not known; the file says which it is
        assert content.count(b"<TD>NaN</TD>") == 1
        wanted = [replace(each, ra=None) if each is ODD else each for each in wanted]
    assert [repr(each) for each in found] == [repr(each) for each in wanted]
    assert write_table(ENTRIES, kind, ABOUT) == content


@pytest.mark.parametrize("kind", TABLES)
def test_there_may_be_no_alerts(kind: str) -> None:
    assert READERS[kind](write_table([], kind, ABOUT)) == []


@pytest.mark.parametrize("kind", TABLES)
def test_many_alerts_come_back(kind: str, many: list[Entry]) -> None:
    assert READERS[kind](write_table(many[:3000], kind, ABOUT)) == many[:3000]


def test_other_kinds_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="no kind of table is called 'xlsx'; there are: csv, ecsv"):
        write_table(ENTRIES, "xlsx", ABOUT)


def test_ecsv_says_what_its_columns_are() -> None:
    table = Table.read(write_table(ENTRIES, "ecsv", ABOUT).decode(), format="ascii.ecsv")
    assert table.meta == {key: value for key, value in ABOUT.items() if value}
    for each in COLUMNS:
        column = table[each.name]
        assert (column.description, column.meta["ucd"]) == (each.description, each.ucd)
        assert column.unit == (units.Unit(each.unit) if each.unit else None)
    assert (table["run"].dtype, table["ra"].dtype, table["retracted"].dtype) == (np.int64, np.float64, np.bool_)


def test_the_votable_is_valid_and_says_what_its_columns_are(schema: Any) -> None:
    content = write_table(ENTRIES, "votable", ABOUT)
    schema.assertValid(etree.fromstring(content))
    found = votable.parse(io.BytesIO(content), verify="exception")
    check_header(found)
    (resource,) = found.resources
    assert resource.links[0].href == ABOUT["reference_url"]
    assert resource.description == ABOUT["description"]
    told = {key: value for key, value in ABOUT.items() if value and key != "description"}
    assert {each.name: each.value for each in resource.infos} == told
    ascii_only = votable.parse(io.BytesIO(write_table([FULL], "votable", {})), verify="exception").get_first_table()
    assert [each.datatype for each in ascii_only.fields][:4] == ["char", "char", "char", "long"]


def check_header(found: Any) -> None:
    assert found.version == "1.4"
    (resource,) = found.resources
    assert [each.system for each in resource.coordinate_systems] == ["ICRS"]
    assert [(each.timescale, each.refposition) for each in resource.time_systems] == [("UTC", "TOPOCENTER")]
    told = {each.name: each for each in found.get_first_table().fields}
    for each in COLUMNS:
        field = told[each.name]
        assert (field.ucd, field.description) == (each.ucd, each.description)
        assert field.unit == (units.Unit(each.unit) if each.unit else None)
    assert (told["ra"].ref, told["dec"].ref, told["time"].ref) == ("icrs", "icrs", "utc")
    assert (told["time"].xtype, told["name"].datatype, told["time"].datatype) == ("timestamp", "unicodeChar", "char")


def test_what_no_xml_can_contain_is_replaced(schema: Any) -> None:
    content = write_table([replace(BARE, name="a\0b\x1b\ufffe")], "votable", {"query": "\x07"})
    schema.assertValid(etree.fromstring(content))
    assert read_votable(content)[0].name == "a\ufffdb\ufffd\ufffd"


def test_parquet_says_what_its_columns_are() -> None:
    found = pq.read_schema(io.BytesIO(write_table(ENTRIES, "parquet", ABOUT)))
    for each in COLUMNS:
        told = {"unit": each.unit, "ucd": each.ucd, "description": each.description}
        assert found.field(each.name).metadata == {key.encode(): value.encode() for key, value in told.items() if value}
    assert str(found.field("time").type) == "timestamp[ns, tz=UTC]"
    assert found.metadata[b"rights"] == b"CC-BY-4.0"
    assert found.metadata[b"IVOA.VOTable-Parquet.version"] == b"1.0"
    described = found.metadata[b"IVOA.VOTable-Parquet.content"]
    check_header(votable.parse(io.BytesIO(described), verify="exception"))
    assert b"<DATA" not in described


@pytest.mark.parametrize("verb", [1, 2, 3])
def test_a_cone_search_answers_as_its_standard_wants(verb: int, schema: Any) -> None:
    entries = [FULL, WIDE, replace(BARE, ra=359.99, dec=90.0)]
    content = cone_votable(entries, verb, ABOUT)
    schema.assertValid(etree.fromstring(content))
    words = re.findall(rb'ucd="([A-Z_-]+)"', content)
    assert words == [b"ID_MAIN", b"POS_EQ_RA_MAIN", b"POS_EQ_DEC_MAIN", b"OBS_ANG-SIZE"]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        votable.parse(io.BytesIO(content), verify="warn")
    # UCDs of the first kind are all that is to be said against it by later standards, and this one wants them.
    assert [str(each.message).split("'")[1].encode() for each in told if "W06" in str(each.message)] == words
    assert len(told) == len(words)
    found = SCSResults(votable.parse(io.BytesIO(content)))
    assert [each.id for each in found] == [each.identifier for each in entries]
    assert [(each.pos.ra.deg, each.pos.dec.deg) for each in found] == [(each.ra, each.dec) for each in entries]
    assert found.getrecord(0)["time"] == FULL.time
    names = [each.name for each in COLUMNS if each.verb <= verb]
    assert list(found.fieldnames) == names
    assert {1: len(names) == 6, 2: "energy_tev" in names, 3: len(names) == len(COLUMNS)}[verb]
    fields = found.votable.get_first_table().fields
    assert all(each.description and each.ucd for each in fields)


def test_an_empty_cone_has_columns_and_a_wrong_verbosity_is_told(schema: Any) -> None:
    content = cone_votable([], 2, {})
    schema.assertValid(etree.fromstring(content))
    assert len(SCSResults(votable.parse(io.BytesIO(content)))) == 0
    with pytest.raises(RequestError, match="VERB is 4, neither of 1, 2 and 3"):
        cone_votable([], 4, {})


def test_errors_of_a_cone_search_are_told(schema: Any) -> None:
    content = error_votable("DEC is '<91\0>': not from -90 to 90")
    schema.assertValid(etree.fromstring(content))
    found = votable.parse(io.BytesIO(content), verify="exception")
    with pytest.raises(DALQueryError, match="DEC is '<91\ufffd>': not from -90 to 90"):
        SCSResults(found)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "alerts"


def save(folder: Path, entries: list[Entry], about: dict[str, str] = ABOUT, **options: int) -> Any:
    """Write a HATS catalog, and return its properties."""
    for name, content in write_hats(entries, about, **options):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return hats.read_hats(folder).catalog_info


@pytest.fixture(scope="module")
def large(many: list[Entry], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The HATS catalog of many alerts, of which every thousandth has no position."""
    folder = tmp_path_factory.mktemp("large") / "alerts"
    save(folder, [replace(each, ra=None) if each.run % 1000 == 500 else each for each in many], rows=5000)
    return folder


def test_a_hundred_thousand_alerts_by_place(large: Path) -> None:
    assert is_valid_catalog(large, strict=True)
    found = hats.read_hats(large)
    assert len(found) == 99_900
    assert (found.catalog_info.skymist_without_position, found.catalog_info.obs_copyright) == ("100", "CC-BY-4.0")
    assert found.schema.names == ["_healpix_29", *(each.name for each in COLUMNS)]
    assert b"IVOA.VOTable-Parquet.content" in pq.read_schema(large / "dataset" / "_common_metadata").metadata
    runs = []
    for pixel in found.get_healpix_pixels():
        path = large / f"dataset/Norder={pixel.order}/Dir={pixel.dir}/Npix={pixel.pixel}.parquet"
        part = pq.ParquetFile(path).read(["_healpix_29", "ra", "dec", "run"])
        index = part["_healpix_29"].to_numpy()
        assert 0 < len(part) <= 5000
        assert np.all(np.diff(index) >= 0)
        assert np.all(index >> 2 * (29 - pixel.order) == pixel.pixel)
        assert np.mean(index == compute_spatial_index(part["ra"].to_numpy(), part["dec"].to_numpy())) > 0.999
        runs += part["run"].to_pylist()
    assert sorted(runs) == [run for run in range(100_000) if run % 1000 != 500]


def test_the_moc_is_where_alerts_are(many: list[Entry], large: Path) -> None:
    moc = mocpy.MOC.from_fits(large / "moc.fits")
    ra, dec = np.array([(each.ra, each.dec) for each in many if each.run % 1000 != 500]).T
    assert moc.max_order == 8
    assert moc == mocpy.MOC.from_lonlat(Longitude(ra, "deg"), Latitude(dec, "deg"), max_norder=8)
    told = hats.read_hats(large).catalog_info
    assert told.moc_sky_fraction == pytest.approx(moc.sky_fraction, rel=1e-12)
    with fits.open(large / "moc.fits") as units:
        units.verify("exception")
        assert (units[1].header["ORDERING"], units[1].header["MOCORD_S"]) == ("NUNIQ", 8)


def at(cells: Any) -> list[Entry]:
    ra, dec = np.degrees(sky.centers(cells))
    return [replace(BARE, run=run, ra=one, dec=other) for run, (one, other) in enumerate(zip(ra, dec, strict=True))]


def test_cells_that_fill_another_become_it(folder: Path) -> None:
    parent = sky.uniq_of(64, 12345)
    beside = sky.uniq_of(256, 7)
    save(folder, at(np.append(sky.children([parent], 256), beside)))
    assert fits.getdata(folder / "moc.fits", 1)["UNIQ"].tolist() == [parent, beside]


@pytest.mark.parametrize(("entries", "files"), [(at(sky.all_cells(1)[:1]) * 3, 1), (at(sky.all_cells(1)), 12), ([], 0)])
def test_few_alerts_many_at_one_place_and_none(entries: list[Entry], files: int, folder: Path) -> None:
    assert save(folder, entries, rows=1).total_rows == len(entries)
    assert is_valid_catalog(folder, strict=True)
    assert len(list(folder.rglob("Npix=*.parquet"))) == files
    assert mocpy.MOC.from_fits(folder / "moc.fits").empty() == (not entries)


def test_alerts_that_are_nowhere_are_counted(folder: Path) -> None:
    told = save(folder, ENTRIES)
    assert (told.total_rows, told.skymist_without_position) == (2, "2")
    with pytest.raises(RequestError, match="at least 1 row, not 0"):
        next(write_hats(ENTRIES, ABOUT, rows=0))


def test_properties_are_read_as_they_were_meant(folder: Path) -> None:
    told = save(folder, [FULL], {"title": "a\\b = c:\n d", "publisher": "é"})
    assert (told.obs_title, told.hats_creator, told.hats_order) == ("a\\b = c: d", "é", "0")
