"""Catalogs: whatever table they are in, sources come out alike; fetched ones are kept by their content."""

import hashlib
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.table import Table

from skymist.crossmatch.catalog import describe, descriptions, read_catalog, shipped
from skymist.crossmatch.fetch import fetch, load_catalog, versions
from skymist.errors import ReadError, RequestError, StoreError, UnknownNameError

NAMES = ["TXS 0506+056", "NGC 1068", "polar"]
RA, DEC = [77.35818, 40.66963, 359.9], [5.69315, -0.01329, 89.9]
COLUMNS = {"name": "id", "ra": "ra", "dec": "dec"}


def table(**more: Any) -> Table:
    return Table({"id": NAMES, "ra": RA, "dec": DEC, "err": [0.1, np.nan, 0.0], "kind": ["a", "", "c"], **more})


def write(folder: Path, content: Table, where: str, kind: str, **words: Any) -> Path:
    content.write(folder / where, format=kind, overwrite=True)
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({"title": "Mine", "version": "2", "file": where, "columns": COLUMNS, **words}))
    return path


@pytest.mark.parametrize(
    ("file", "kind"),
    [("a.fits", "fits"), ("a.ecsv", "ascii.ecsv"), ("a.xml", "votable"), ("a.vot", "votable"), ("a.csv", "ascii.csv")],
)
def test_any_table_gives_the_same_sources(tmp_path: Path, file: str, kind: str) -> None:
    error = {"column": "err", "unit": "deg", "containment": 0.95}
    path = write(tmp_path, table(), file, kind, columns={**COLUMNS, "error": error}, keep=["kind"])
    found = load_catalog(path, tmp_path)
    np.testing.assert_allclose(np.degrees(found.ra), RA)
    np.testing.assert_allclose(np.degrees(found.dec), DEC)
    assert found.names.tolist() == NAMES
    assert np.degrees(found.error_90[0]) == pytest.approx(0.1 * np.sqrt(np.log(10) / np.log(20)))
    assert np.isnan(found.error_90[1:]).all()
    assert found.properties["kind"].tolist()[::2] == ["a", "c"]
    assert found.sha256 == hashlib.sha256((tmp_path / file).read_bytes()).hexdigest()
    assert (found.name, found.title, found.version) == ("mine", "Mine", "2")


def test_units_frames_and_sexagesimal_text(tmp_path: Path) -> None:
    place = SkyCoord(RA * units.deg, DEC * units.deg)
    for frame, coordinates, epoch in (
        ("galactic", (place.galactic.l.deg, place.galactic.b.deg), None),
        ("fk5", (place.fk5.ra.deg, place.fk5.dec.deg), "J2000"),
        ("fk4", (place.fk4.ra.deg, place.fk4.dec.deg), "B1950"),
    ):
        content = Table({"id": NAMES, "one": coordinates[0], "two": coordinates[1]})
        columns = (
            {"name": "id", "lon": "one", "lat": "two"}
            if frame == "galactic"
            else {"name": "id", "ra": "one", "dec": "two"}
        )
        words = {"frame": frame, "columns": columns, **({"epoch": epoch} if epoch else {})}
        found = load_catalog(write(tmp_path, content, "a.ecsv", "ascii.ecsv", **words), tmp_path)
        apart = SkyCoord(found.ra * units.rad, found.dec * units.rad).separation(place)
        assert apart.max() < 0.05 * units.arcsec
    text = Table(
        {
            "id": NAMES,
            "ra": place.ra.to_string("h", sep=":", precision=4),
            "dec": place.dec.to_string(sep=" ", precision=3),
        }
    )
    found = load_catalog(write(tmp_path, text, "a.csv", "ascii.csv"), tmp_path)
    assert SkyCoord(found.ra * units.rad, found.dec * units.rad).separation(place).max() < 0.01 * units.arcsec
    hours = Table({"id": NAMES, "ra": np.array(RA) / 15, "dec": np.array(DEC) * 60})
    columns = {"name": "id", "ra": {"column": "ra", "unit": "hourangle"}, "dec": {"column": "dec", "unit": "arcmin"},
               "error": {"value": 2, "unit": "arcsec"}}  # fmt: skip
    found = load_catalog(write(tmp_path, hours, "a.csv", "ascii.csv", columns=columns), tmp_path)
    np.testing.assert_allclose(np.degrees(found.ra), RA)
    np.testing.assert_allclose(np.degrees(found.dec), DEC)
    np.testing.assert_allclose(np.degrees(found.error_90) * 3600, 2)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"colums": {}}, "no key of a description is called 'colums'; there are: about, columns"),
        ({"columns": {"name": "id", "ra": "ra"}}, "its columns have no dec"),
        ({"columns": {**COLUMNS, "flux": "f"}}, "no column of a description is called 'flux'"),
        ({"columns": {**COLUMNS, "ra": "RAJ2000"}}, "no column of the table is called 'RAJ2000'; there are: dec, err"),
        ({"columns": {**COLUMNS, "ra": {"column": "ra", "unit": "TeV"}}}, "TeV is no unit of angles"),
        ({"columns": {**COLUMNS, "dec": {"column": "dec", "unit": "rad"}}}, "declination beyond the poles"),
        ({"columns": {**COLUMNS, "dec": "err"}}, r"row 2 \(NGC 1068\) has no position"),
        ({"columns": {**COLUMNS, "dec": "kind"}}, "row 1: the dec is 'a', no angle"),
        ({"columns": {**COLUMNS, "error": {"column": "err", "containment": 95}}}, "between 0 and 1, not 95"),
        ({"frame": "ecliptic"}, "no frame is called 'ecliptic'; there are: fk4, fk5, galactic, icrs"),
        ({"file": "b.csv"}, "b.csv: cannot be read: No such file"),
        ({"file": "mine.yaml"}, "its ending '.yaml' tells no format; there are: .fits"),
        ({"table": {"url": "https://a", "query": "b"}}, "either a file or a table"),
        ({"sha256": "00"}, "its SHA-256 is"),
        ({"keep": ["none"]}, "no column of the table is called 'none'"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, words: dict[str, Any], reason: str) -> None:
    with pytest.raises(ReadError, match=reason):
        load_catalog(write(tmp_path, table(), "a.csv", "ascii.csv", **words), tmp_path)


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    path = write(tmp_path, table(), "a.csv", "ascii.csv")
    for content in (b"", b"\x00\xff", b"id,ra,dec\n"):
        (tmp_path / "a.csv").write_bytes(content)
        with pytest.raises(ReadError, match="table"):
            load_catalog(path, tmp_path)
    (tmp_path / "mine.yaml").write_text("- a list")
    with pytest.raises(ReadError, match="a description is a mapping"):
        load_catalog(path, tmp_path)
    with pytest.raises(UnknownNameError, match="no catalog is called 'nothing'; there are: 3fhl, 4fgl-dr4, 5bzcat"):
        load_catalog("nothing", tmp_path)


def test_all_that_is_shipped_can_be_described_and_ours_be_read(tmp_path: Path) -> None:
    for name, path in descriptions().items():
        assert describe(name).path == path
        assert path.parent == shipped()
    found = load_catalog("neutrino-candidates", tmp_path)
    where = {
        str(name): (ra, dec)
        for name, ra, dec in zip(found.names, np.degrees(found.ra), np.degrees(found.dec), strict=True)
    }
    assert where["TXS 0506+056"] == pytest.approx((77.3582, 5.6931), abs=1e-4)
    assert where["3HSP J095507.9+355101"] == pytest.approx(
        (15 * (9 + 55 / 60 + 7.9 / 3600), 35 + 51 / 60 + 1 / 3600), abs=1e-3
    )
    own = tmp_path / "own"
    own.mkdir()
    write(own, table(), "a.csv", "ascii.csv").rename(own / "neutrino-candidates.yaml")
    assert len(load_catalog("neutrino-candidates", tmp_path, own).names) == 3


@contextmanager
def tap(content: Table | None) -> Iterator[tuple[str, list[str]]]:
    """A TAP service that knows one table, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

        def do_POST(self) -> None:
            asked.append(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
            body = io.BytesIO()
            if content is not None:
                content.write(body, format="votable")
                text = body.getvalue().replace(b"<RESOURCE", b'<RESOURCE type="results"').replace(
                    b'type="results" type="results"', b'type="results"'
                )  # fmt: skip
                text = text.replace(b"<TABLE", b'<INFO name="QUERY_STATUS" value="OK"/><TABLE', 1)
            self.send_response(200 if content is not None else 500)
            self.send_header("Content-Type", "application/x-votable+xml")
            self.end_headers()
            self.wfile.write(text if content is not None else b"broken")

        do_GET = do_POST

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/tap", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def remote(folder: Path, url: str, **more: Any) -> Path:
    path = folder / "far.yaml"
    words = {"title": "Far", "table": {"url": url, "query": "SELECT * FROM far"}, "columns": COLUMNS, **more}
    path.write_text(yaml.safe_dump(words))
    return path


def test_a_fetched_catalog_is_kept_by_its_content(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with tap(table()) as (url, asked):
        path = remote(tmp_path, url)
        with pytest.raises(StoreError, match="far is not here yet: skymist catalogs fetch far"):
            load_catalog(path, cache)
        first = fetch(path, cache)
        assert fetch(path, cache)["sha256"] == first["sha256"]  # the same content is the same version
        assert "SELECT" in asked[0]
    assert (first["rows"], first["url"]) == (3, url)
    found = load_catalog(path, cache)  # without a network
    assert found.sha256 == first["sha256"]
    np.testing.assert_allclose(np.degrees(found.ra), RA)
    more = table()
    more.add_row(["new", 10.0, 20.0, 0.1, "d"])
    with tap(more) as (url, _):
        second = fetch(remote(tmp_path, url), cache)
    assert [each["sha256"] for each in versions("far", cache)] == [first["sha256"], second["sha256"]]
    assert len(load_catalog(tmp_path / "far.yaml", cache).names) == 4
    pinned = remote(tmp_path, url, sha256=first["sha256"])
    assert len(load_catalog(pinned, cache).names) == 3
    kept = cache / "far" / f"{first['sha256']}.ecsv"
    kept.write_bytes(kept.read_bytes() + b" ")
    with pytest.raises(StoreError, match="is damaged: remove it"):
        load_catalog(pinned, cache)
    (cache / "far" / "x.json").write_text("{")
    with pytest.raises(StoreError, match="cannot be read"):
        versions("far", cache)


def test_what_cannot_be_fetched_is_told(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for url, kind, reason in (
        ("http://example.org/tap", RequestError, "fetched by https, or from this machine"),
        ("http://127.0.0.1:9/tap", ReadError, "it gives no table"),
    ):
        with pytest.raises(kind, match=reason):
            fetch(remote(tmp_path, url), cache)
    with tap(None) as (url, _), pytest.raises(ReadError, match="it gives no table"):
        fetch(remote(tmp_path, url), cache)
    with tap(Table({"a": [1]})) as (url, _), pytest.raises(ReadError, match="no column of the table"):
        fetch(remote(tmp_path, url), cache)
    with pytest.raises(RequestError, match="is a file: there is nothing to fetch"):
        fetch("neutrino-candidates", cache)
    assert not cache.exists()
    assert json.dumps(versions("far", cache)) == "[]"
    assert read_catalog(describe("neutrino-candidates")).sha256
