"""The archive over HTTP: what is private stays private, what is released is there for everybody and every tool."""

import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime, timedelta
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import numpy as np
import pytest
import pyvo
import xarray as xr
from astropy.io.votable import parse as parse_votable
from desks import notice, take_notice
from serving import Site, check_problem, opened, running, serving
from sqlalchemy import select
from zarr.storage import ZipStore

from skymist.alerts import split
from skymist.api import Limits
from skymist.api import public as api_public
from skymist.fair.record import Site as Keeper
from skymist.model.alert import Tense
from skymist.model.identity import Thing
from skymist.records import Database, identities, tables
from skymist.workflow import ingest
from skymist.workflow.archive.imports import import_map
from skymist.workflow.archive.settings import ArchiveSettings

KEY = "137840_1"
MANY = Limits(per_second=1e6, burst=1_000_000)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service with a scan of a real alert (as far as it knows), of which nothing is released."""
    folder = tmp_path_factory.mktemp("archive")
    archive = ArchiveSettings(Keeper(contact="shift@example.org"), public=True)
    with opened(folder, archive=archive, limits=MANY) as settings, serving(settings) as found, running(settings):
        event = found.event()
        take_notice(found.database, notice())
        take_notice(found.database, notice(number=1, ra=40.4))
        found.scan_id = found.scan(event)["id"]  # type: ignore[attr-defined]
        wait(found)
        yield found


def wait(site: Site) -> None:
    for _ in range(600):
        scan = site.call("viewer", "GET", f"/scans/{site.scan_id}").json()  # type: ignore[attr-defined]
        if scan["state"] == "complete":
            return
        time.sleep(0.05)
    raise AssertionError(scan)


@pytest.fixture(scope="module")
def fragments(site: Site) -> dict[str, str]:
    with site.database.read() as session:
        found = session.query(tables.Identity).order_by(tables.Identity.fragment).all()
        return {f"{each.thing}:{each.fragment}" if each.thing == "revision" else each.thing: each.fragment
                for each in found if not each.fragment.startswith("test")}  # fmt: skip


def public(site: Site, path: str, accept: str = "", **params: object) -> httpx.Response:
    headers = {"Accept": accept} if accept else {}
    return httpx.get(f"{site.url}/public{path}", headers=headers, params=params or None, timeout=60, trust_env=False)


def release(site: Site, fragment: str, **body: str) -> httpx.Response:
    return site.call("approver", "POST", f"/records/{fragment}/release", json=body)


def test_every_thing_has_a_name_and_all_its_documents(site: Site, fragments: dict[str, str]) -> None:
    assert set(fragments) == {"alert", f"revision:{KEY}_event-message", f"revision:{KEY}_0", f"revision:{KEY}_1",
                              "scan", "map"}  # fmt: skip
    for fragment in fragments.values():
        told = site.call("viewer", "GET", f"/records/{fragment}").json()
        assert told["identifier"] == f"ivo://example/skymist#{fragment}"
        assert (told["public"], told["doi"]) == (False, "")
        for name in ("json", "json-ld", "datacite", "prov", "obscore", "html"):
            answer = site.call("viewer", "GET", f"/records/{fragment}/documents/{name}")
            assert answer.status_code == 200
            assert fragment in answer.text
    check_problem(site.call("viewer", "GET", f"/records/{KEY}/documents/docx"), 404, "datacite")
    check_problem(site.call("viewer", "GET", "/records/1_1"), 404, "no record of the archive is called '1_1'")
    assert b"voe:VOEvent" in site.call("viewer", "GET", f"/records/{KEY}_1/documents/voevent").content


def test_a_map_tells_how_it_was_computed(site: Site, fragments: dict[str, str]) -> None:
    document = site.call("viewer", "GET", f"/records/{fragments['map']}/documents/prov").text
    for word in ("numpy", "skymist", "bowl", "requester", "analyst"):
        assert word in document
    said = site.call("viewer", "GET", f"/records/{fragments['map']}/documents/json-ld").json()
    kinds = {each["encodingFormat"] for each in said["distribution"]}
    assert {"application/gzip", "image/png", "application/json"} <= kinds


def test_who_may_release(site: Site, fragments: dict[str, str]) -> None:
    for role in ("viewer", "analyst"):
        check_problem(site.call(role, "POST", f"/records/{KEY}/release", json={}), 403)
    check_problem(release(site, fragments["map"]), 409, "is public or not with its scan")
    check_problem(release(site, f"{KEY}_1"), 409, "is public or not with its alert")
    check_problem(
        site.call("approver", "POST", f"/records/{KEY}/withdraw", json={"reason": "x"}), 409, "was never released"
    )


def test_the_life_of_a_record(site: Site, fragments: dict[str, str]) -> None:
    everything = [f"/records/{each}" for each in fragments.values()]
    assert all(public(site, path).status_code == 404 for path in everything)
    assert public(site, "/alerts").json()["items"] == []
    with site.database.read() as session:
        hidden = session.scalars(select(tables.Alert.id)).all()
    for key in hidden:  # a list that went on after it would tell its values
        check_problem(public(site, "/alerts", after=key, sort="ra"), 422, "no record to go on after")

    later = datetime.now(UTC) + timedelta(days=1)
    assert release(site, KEY, at=later.isoformat()).json()["public"] is False  # an embargo
    assert public(site, f"/records/{KEY}").status_code == 404
    assert (
        site.call("viewer", "GET", f"/records/{KEY}/documents/datacite").json()["dates"][-1]["dateType"] == "Available"
    )

    assert release(site, KEY).json()["public"] is True
    shown = {path: public(site, path).status_code for path in everything}
    assert {path for path, status in shown.items() if status == 200} == {
        f"/records/{KEY}{end}" for end in ("", "_0", "_1")
    }
    (row,) = public(site, "/alerts").json()["items"]
    assert (row["name"], row["ra"], row["map_url"]) == ("IceCube-260304A", 40.4, "")
    page = public(site, f"/records/{KEY}")
    assert "event message" not in page.text
    assert fragments["map"] not in page.text

    assert release(site, fragments["scan"]).status_code == 200
    within = f"/records/{KEY}_event-message"  # what the detector said stays within the site
    assert {path for path in everything if public(site, path).status_code != 200} == {within}
    assert public(site, "/alerts").json()["items"][0]["map_url"].endswith(fragments["map"])
    assert public(site, f"/records/{KEY}", "application/ld+json").json()["@type"] != []

    gone = site.call("approver", "POST", f"/records/{KEY}/withdraw", json={"reason": "sent by mistake"}).json()
    assert (gone["public"], gone["reason"]) == (False, "sent by mistake")
    assert public(site, "/alerts").json()["items"] == []
    for fragment in (KEY, f"{KEY}_1", fragments["map"]):
        answer = public(site, f"/records/{fragment}")
        assert answer.status_code == 410, fragment
        assert "skymist#" in answer.text
        for kind in ("zarr", "fits"):
            assert public(site, f"/records/{fragment}/{kind}").status_code == 404
        for name in ("json", "json-ld", "datacite", "html"):
            assert "40.4" not in public(site, f"/records/{fragment}/{name}").text
        assert public(site, f"/records/{fragment}/voevent").status_code == 404
    check_problem(site.call("approver", "POST", f"/records/{KEY}/withdraw", json={"reason": " "}), 422, "for a reason")
    assert release(site, KEY).json()["reason"] == ""
    assert public(site, f"/records/{KEY}").status_code == 200


def test_nobody_of_the_site_is_named_to_everybody(site: Site, fragments: dict[str, str]) -> None:
    release(site, KEY)
    release(site, fragments["scan"])
    for fragment in fragments.values():
        for name in ("json", "json-ld", "datacite", "prov", "obscore", "html"):
            text = public(site, f"/records/{fragment}/{name}").text
            for word in ("approver", "analyst", "e.csv", "/tmp", "test "):
                assert word not in text, (fragment, name, word)


def test_files_of_a_map_are_what_the_page_says(site: Site, fragments: dict[str, str], tmp_path: Path) -> None:
    import hashlib

    release(site, KEY)
    release(site, fragments["scan"])
    said = public(site, f"/records/{fragments['map']}", "application/ld+json").json()
    for each in said["distribution"]:
        kind = each["contentUrl"].rpartition("/")[2]
        answer = public(site, f"/records/{fragments['map']}/{kind}")
        assert answer.status_code == 200, kind
        if kind != "zarr":  # of which the hash is that of its content
            assert hashlib.sha256(answer.content).hexdigest() == each["sha256"]
        else:
            (tmp_path / "map.zip").write_bytes(answer.content)
            with ZipStore(tmp_path / "map.zip", mode="r") as store, xr.open_zarr(store) as found:
                assert found.sizes["cell"] > 48
    check_problem(public(site, f"/records/{fragments['map']}/docx"), 404, "it has: ")


@pytest.mark.parametrize("name", ["карта.json", 'a"; filename="b.html', "a\r\nSet-Cookie: a=b", "100 %.json"])
def test_an_imported_map_comes_under_the_name_that_it_had(site: Site, tmp_path: Path, name: str) -> None:
    content = json.dumps(result(float(len(name.encode())))).encode()
    kept, _ = import_map(site.database, content, name, tmp_path, "somebody")
    with site.database.read() as session:
        fragment = identities.of(session, Thing.MAP, kept.sha256).fragment
    release(site, KEY)
    release(site, fragment)
    answer = public(site, f"/records/{fragment}/original")
    assert answer.content == content
    value, _, quoted = answer.headers["content-disposition"].partition("''")
    plain = re.fullmatch('attachment; filename="([A-Za-z0-9._-]+)"; filename[*]=UTF-8', value)
    assert plain is not None
    assert (len(plain[1]), unquote(quoted)) == (len(name), name)
    assert not set(quoted) & set('"; \r\n')
    site.call("approver", "POST", f"/records/{fragment}/withdraw", json={"reason": "the end of the test"})


def result(far: float) -> dict[str, object]:
    """Return a result of Skymap Scanner; each distance makes another map."""
    rows = [[pixel, 5.0 + far * pixel, 1e4, 2e4] for pixel in range(48)]
    about = {"nside": 2, "run_id": 137840, "event_id": 1, "version": "1", "is_real_event": True}
    return {"nside-2": {"columns": ["index", "llh", "E_in", "E_tot"], "data": rows, "metadata": about}}


def test_links_can_be_checked_without_what_they_lead_to(site: Site, fragments: dict[str, str]) -> None:
    release(site, KEY)
    release(site, fragments["scan"])
    for path in ("", f"/records/{KEY}", f"/records/{fragments['map']}/fits", f"/records/{fragments['map']}/png"):
        whole, head = (httpx.request(method, f"{site.url}/public{path}", trust_env=False) for method in ("GET", "HEAD"))
        assert (head.status_code, head.content) == (200, b"")
        assert {**head.headers, "date": ""} == {**whole.headers, "date": ""}
        assert head.headers["access-control-allow-origin"] == "*"
    assert httpx.head(f"{site.url}/public/records/9_9", trust_env=False).status_code == 404
    paths = httpx.get(f"{site.url}/v1/openapi.json", trust_env=False).json()["paths"]
    assert all("head" not in each for each in paths.values())


@pytest.mark.parametrize("kind", ["table", "map"])
def test_who_asks_for_much_does_not_keep_others_out(
    site: Site, fragments: dict[str, str], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    release(site, KEY)
    release(site, fragments["scan"])
    path = "/catalog?format=parquet" if kind == "table" else f"/records/{fragments['map']}/zarr"
    where, name = (api_public, "answer_table") if kind == "table" else (api_public.maps, "archive")
    make, go, at_work, most = getattr(where, name), threading.Event(), set[int](), []

    def waiting(*given: Any, **more: Any) -> Any:
        at_work.add(threading.get_ident())
        most.append(len(at_work))
        assert go.wait(60)
        made = make(*given, **more)
        at_work.remove(threading.get_ident())
        return made

    monkeypatch.setattr(where, name, waiting)
    with ThreadPoolExecutor(60) as clients:
        asked = [clients.submit(public, site, path) for _ in range(60)]
        try:
            refused = list(islice(as_completed(asked, 60), 60 - api_public.MOST_WAITING))
            assert site.call("viewer", "GET", "/alerts").status_code == 200
        finally:
            go.set()
    for each in refused:
        check_problem(each.result(), 503, "try again")
        assert int(each.result().headers["retry-after"]) > 0
    assert {each.result().status_code for each in set(asked) - set(refused)} == {200}
    assert set(most) == {1}
    assert public(site, path).status_code == 200


def test_a_deleted_scan_is_gone_and_says_why(site: Site, fragments: dict[str, str]) -> None:
    release(site, KEY)
    release(site, fragments["scan"])
    scan = f"/scans/{site.scan_id}"  # type: ignore[attr-defined]
    assert site.call("analyst", "DELETE", f"{scan}?force=true").status_code == 204
    for fragment in (fragments["scan"], fragments["map"]):
        answer = public(site, f"/records/{fragment}")
        assert answer.status_code == 410
        assert "deleted on 20" in answer.text
        for kind in ("zarr", "fits", "png"):
            assert public(site, f"/records/{fragment}/{kind}").status_code == 404
    assert public(site, "/alerts").json()["items"][0]["map_url"] == ""
    assert fragments["map"] not in public(site, f"/records/{KEY}").text
    assert site.call("analyst", "POST", f"{scan}/rescan").status_code == 200
    wait(site)
    assert public(site, f"/records/{fragments['map']}").status_code == 410  # an analyst's word is not enough
    release(site, fragments["scan"])
    assert public(site, f"/records/{fragments['map']}").status_code == 200
    assert public(site, f"/records/{fragments['map']}/fits").status_code == 200


def test_clients_get_the_format_that_they_ask_for(site: Site) -> None:
    release(site, KEY)
    for accept, media in (
        ("", "text/html"), ("*/*", "text/html"), ("application/ld+json", "application/ld+json"),
        ("text/html,application/ld+json;q=0.9", "text/html"), ("application/vnd.datacite.datacite+json",) * 2,
        ("text/html;q=0.1, application/ld+json", "application/ld+json"), ("image/webp", "text/html"),
        ("application/ld+json;q=nonsense, application/xml", "application/xml"),
    ):  # fmt: skip
        answer = public(site, f"/records/{KEY}", accept)
        assert answer.headers["content-type"].partition(";")[0] == media
    assert 'rel="describedby"' in answer.headers["link"]
    assert "allow-downloads" in public(site, f"/records/{KEY}").headers["content-security-policy"]
    assert answer.headers["access-control-allow-origin"] == "*"


def test_without_the_setting_there_is_no_public_view(tmp_path: Path) -> None:
    with opened(tmp_path) as settings, serving(settings) as found:
        for path in ("/alerts", "/cone", f"/records/{KEY}"):
            assert public(found, path).status_code == 404
        assert not [
            path for path in found.call(None, "GET", "/openapi.json").json()["paths"] if path.startswith("/public")
        ]


@pytest.fixture(scope="module")
def icecat(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service with all of IceCat-1, released."""
    folder = tmp_path_factory.mktemp("icecat")
    with opened(folder, archive=ArchiveSettings(public=True), limits=MANY) as settings:
        fill(settings.database, (shared / "catalogs/icecat1.csv").read_bytes())
        with serving(settings) as found:
            yield found


def fill(database: Database, content: bytes) -> None:
    for part in split(content):
        ingest.take(database, part, ingest.NOTICE, "icecat1.csv")
    with database.begin() as session:
        for each in session.query(tables.Identity).filter_by(thing="alert"):
            identities.release(session, each, "test")


def test_pyvo_finds_what_looking_at_all_of_them_finds(icecat: Site, shared: Path) -> None:
    from skymist.alerts import read_revisions
    from skymist.model import sky

    known = read_revisions((shared / "catalogs/icecat1.csv").read_bytes())
    place = np.radians([[each.ra, each.dec] for each in known]).T
    keys = np.array([each.key for each in known])
    rng = np.random.default_rng(5)
    cones = [(float(rng.uniform(0, 360)), float(np.degrees(np.arcsin(rng.uniform(-1, 1)))), float(rng.uniform(1, 40)))
             for _ in range(88)]  # fmt: skip
    cones += [(ra, dec, radius) for ra in (0.0, 359.99) for dec in (90.0, -90.0, 0.0) for radius in (25.0, 90.0)]
    service = pyvo.dal.SCSService(f"{icecat.url}/public/cone")
    hits = 0
    for ra, dec, radius in cones:
        found = service.search(pos=(ra, dec), radius=radius).to_table()
        near = np.degrees(sky.separation(*place, *np.radians([ra, dec]))) <= radius
        assert sorted(f"{row['run']}_{row['event']}" for row in found) == sorted(keys[near])
        hits += len(found)
    assert hits > 1000
    assert len(cones) == 100


def test_the_cone_search_tells_what_is_wrong_as_the_standard_has_it(icecat: Site) -> None:
    for params in ({}, {"RA": 1}, {"RA": "x", "DEC": 0, "SR": 1}, {"RA": 0, "DEC": 91, "SR": 1},
                   {"RA": 0, "DEC": 0, "SR": -1}, {"RA": "nan", "DEC": 0, "SR": 1},
                   {"RA": 0, "DEC": 0, "SR": 1, "VERB": 7}):  # fmt: skip
        answer = public(icecat, "/cone", **params)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("application/x-votable+xml")
        (info,) = [each for each in parse_votable(BytesIO(answer.content)).infos if each.name == "Error"]
        assert info.value
    with pytest.raises(pyvo.DALQueryError, match="SR from 0 to 180"):
        pyvo.dal.SCSService(f"{icecat.url}/public/cone").search(pos=(0, 80), radius=200)
    empty = parse_votable(BytesIO(public(icecat, "/cone", RA=0, DEC=0, SR=0).content)).get_first_table()
    assert len(empty.array) == 0
    lower = parse_votable(BytesIO(public(icecat, "/cone", ra=10, dec=0, sr=60, verb=3).content)).get_first_table()
    assert len(lower.array) > 10
    assert len(lower.fields) > 20


def test_tables_and_filters_for_everybody(icecat: Site) -> None:
    import pandas as pd

    whole = pd.read_csv(BytesIO(public(icecat, "/catalog").content))
    assert len(whole) == 348
    for kind in ("ecsv", "votable", "parquet", "icecat"):
        assert public(icecat, "/catalog", format=kind, stream="gold").status_code == 200
    gold = pd.read_parquet(BytesIO(public(icecat, "/catalog", format="parquet", stream="gold").content))
    assert len(gold) == (whole.stream == "gold").sum()
    strong = public(icecat, "/alerts", signalness="0.6:", sort="-signalness", limit=500).json()["items"]
    assert [each["signalness"] for each in strong] == sorted(whole.signalness[whole.signalness >= 0.6], reverse=True)
    first = public(icecat, "/alerts", limit=100, sort="energy").json()
    rest = httpx.get(f"{icecat.url}{first['next']}", trust_env=False).json()
    energies = [each["energy_tev"] for each in first["items"] + rest["items"]]
    assert len(energies) == 200
    assert energies == sorted(energies)
    near = public(icecat, "/alerts", cone="77.4,5.7,3").json()["items"]
    assert "IceCube-170922A" in [each["name"] for each in near]
    for wrong, status in (({"cone": "1,2"}, 422), ({"sort": "colour"}, 422), ({"energy_tev": "x"}, 422),
                          ({"role": "test"}, 422), ({"format": "docx"}, 422)):  # fmt: skip
        check_problem(public(icecat, "/alerts", **wrong), status)
    check_problem(public(icecat, "/catalog", format="docx"), 422, "icecat")


def test_the_site_asks_more(site: Site) -> None:
    scan = site.scan_id  # type: ignore[attr-defined]
    best = site.call("viewer", "GET", f"/scans/{scan}/result").json()["best"]
    for event, ra, dec in ((901, best["ra"], best["dec"]), (902, (best["ra"] + 180) % 360, -best["dec"])):
        take_notice(site.database, notice(event=event, name="", ra=ra, dec=dec), Tense.TEST)
    found = site.call("viewer", "GET", f"/alerts?role=test&overlaps={scan[:12]}").json()["items"]
    assert [each["event"] for each in found] == [901]
    everything = site.call("viewer", "GET", "/alerts?has_scan=true&sort=-energy").json()["items"]
    assert [each["name"] for each in everything] == ["IceCube-260304A"]
    assert everything[0]["energy_tev"] == 210.5
    rows = site.call("viewer", "GET", "/catalog?format=csv").text.splitlines()
    assert len(rows) == 2
    assert "map_" in rows[1]
    check_problem(site.call(None, "GET", "/catalog"), 401)
    assert json.loads(site.call("viewer", "GET", f"/records/{KEY}/documents/json").text)["revisions"][-1]["ra"] == 40.4


def test_the_front_page_leads_people_and_machines_on(icecat: Site) -> None:
    from lxml import html

    answer = public(icecat, "", limit=20, sort="-energy", stream="gold")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    page = html.fromstring(answer.content)
    shown = page.xpath("//tbody/tr/th//a/text()")
    listed = public(icecat, "/alerts", limit=20, sort="-energy", stream="gold").json()["items"]
    assert shown == [each["name"] for each in listed]
    (further,) = page.xpath("//a[@rel='next']/@href")
    following = public(icecat, "", **dict(httpx.URL(further).params))
    assert not set(html.fromstring(following.content).xpath("//tbody/tr/th//a/text()")) & set(shown)
    said = json.loads(page.xpath("//script[@type='application/ld+json']/text()")[0])
    home = Keeper().home
    for each in said["dataset"]["distribution"]:
        found = public(icecat, each["contentUrl"].removeprefix(home))
        assert found.headers["content-type"].startswith(each["encodingFormat"])
    assert all(url.startswith((home, "https://")) for url in page.xpath("//a/@href"))
    check_problem(public(icecat, "", colour="red"), 422, "there is no query parameter 'colour' here")
    assert "There is none." in public(icecat, "", name="nothing").text
