"""Every record of IceCat-1 and of scans of real events is valid by all standards, and FAIR as F-UJI has it.

A whole site is asked as an outsider would ask it, over HTTP; its records go out as a crate and come back.
"""

import json
import re
import shutil
import time
import warnings
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import comet
import fuji
import httpx
import pyshacl
import pytest
from archives import validate
from fuji_harvest import Assessed
from lxml import etree
from prov.model import ProvDocument
from rdflib import Graph
from serving import Site as Service
from serving import opened, running, serving
from sqlalchemy import select

from skymist.alerts import split
from skymist.api import Limits
from skymist.fair.record import Site
from skymist.model import skymap
from skymist.model.identity import Thing
from skymist.records import Database, dump, identities
from skymist.records.tables import Artifact, Identity, Scan, ScanState
from skymist.store.place import place
from skymist.store.zarr import read_skymap
from skymist.workflow import ingest, reproduce
from skymist.workflow import service as workflow
from skymist.workflow.archive import exchange
from skymist.workflow.archive.describe import describe, documents
from skymist.workflow.archive.recorded import of_scan
from skymist.workflow.archive.restore import restore, verify
from skymist.workflow.archive.settings import ArchiveSettings
from skymist.workflow.wish import Wish

with warnings.catch_warnings():  # its way to resolve references is one that jsonschema has given up
    warnings.simplefilter("ignore", DeprecationWarning)
    from datacite import schema45

pytestmark = [
    pytest.mark.integration,
    # rdflib's own readers and writers use what rdflib has given up.
    pytest.mark.filterwarnings("ignore:(ConjunctiveGraph|Dataset[.].*) is deprecated:DeprecationWarning"),
]
SITE = Site("example.org", "An archive for tests", licence="CC-BY-4.0", contact="archive@example.org")
PREFIX = "10.5072"  # of DOIs that nobody may resolve
ALERTS = 348


@dataclass
class Filled:
    """A service with all that there is, and its database."""

    service: Service
    database: Database
    out: Path
    scans: list[str]


@pytest.fixture(scope="module")
def filled(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """IceCat-1, the real events and their scans; all of it released, with DOIs."""
    folder = tmp_path_factory.mktemp("fair")
    many = Limits(per_second=1e6, burst=1_000_000)
    with opened(folder, archive=ArchiveSettings(SITE, public=True), limits=many) as settings:
        database = settings.database
        for part in split((shared / "catalogs/icecat1.csv").read_bytes()):
            assert not ingest.take(database, part, ingest.NOTICE, "icecat1.csv").reason
        with running(settings):
            scans = [scan(database, file) for file in sorted((shared / "events").iterdir())]
        _release(database)
        with serving(settings) as found:
            yield Filled(found, database, folder / "scans", scans)


def scan(database: Database, file: Path) -> str:
    """Have a real event scanned, and return the id of the scan."""
    taken = ingest.take(database, file.read_bytes(), ingest.EVENT, "telescope", file.name)
    assert taken.event_id is not None, taken.reason
    asked, _ = workflow.ask(database, taken.event_id, Wish("track-mpe"), "shifter")
    for _ in range(1200):
        with database.read() as session:
            state = session.get_one(Scan, asked.id).state
        if state == ScanState.COMPLETE:
            return asked.id
        time.sleep(0.05)
    raise AssertionError(state)


def _release(database: Database) -> None:
    with database.begin() as session:
        for each in session.scalars(select(Identity).where(Identity.thing.in_((Thing.ALERT, Thing.SCAN)))):
            identities.release(session, each, "approver")
        for each in session.scalars(select(Identity)):
            identities.give_doi(session, each, f"{PREFIX}/skymist.{each.fragment}", "approver")


@pytest.fixture(scope="module")
def said(filled: Filled) -> dict[str, dict[str, bytes]]:
    """All documents of all records, for everybody."""
    with filled.database.read() as session:
        found = (describe(session, SITE, each, public=True) for each in session.scalars(select(Identity)))
        return {each.record.fragment: documents(each) for each in found}


def test_there_is_a_record_of_everything(said: dict[str, dict[str, bytes]], filled: Filled) -> None:
    with filled.database.read() as session:
        kinds = [each.thing for each in session.scalars(select(Identity))]
    assert kinds.count(Thing.ALERT) >= ALERTS
    assert kinds.count(Thing.REVISION) >= ALERTS
    assert kinds.count(Thing.SCAN) == kinds.count(Thing.MAP) == 4
    assert len(said) == len(kinds)


def test_all_are_valid_as_datacite_has_it(said: dict[str, dict[str, bytes]]) -> None:
    for fragment, found in said.items():
        document = json.loads(found["datacite.json"])
        assert schema45.validate(document), fragment
        assert document["doi"] == f"{PREFIX}/skymist.{fragment}"


def test_all_have_the_shapes_of_schema_org(said: dict[str, dict[str, bytes]]) -> None:
    shapes = Graph().parse(Path(__file__).parents[1] / "shapes.ttl")
    whole = Graph()
    for found in said.values():
        whole.parse(data=found["schema.org.jsonld"], format="json-ld")
    conforms, _, text = pyshacl.validate(whole, shacl_graph=shapes)
    assert conforms, text[:3000]
    broken = json.loads(found["schema.org.jsonld"])
    del broken["license"]
    assert not pyshacl.validate(Graph().parse(data=json.dumps(broken), format="json-ld"), shacl_graph=shapes)[0]


def test_the_provenance_of_all_comes_back(said: dict[str, dict[str, bytes]]) -> None:
    for fragment, found in said.items():
        document = ProvDocument.deserialize(content=found["prov.json"].decode(), format="json")
        again = ProvDocument.deserialize(content=document.serialize(format="json"), format="json")
        assert again == document, fragment
        assert json.loads(document.serialize(format="json"))["entity"]


def test_all_alerts_are_valid_voevents(said: dict[str, dict[str, bytes]]) -> None:
    xsd = etree.XMLSchema(etree.parse(Path(comet.__file__).parent / "schema" / "VOEvent-v2.0.xsd"))
    count = 0
    for fragment, found in said.items():
        if "voevent.xml" in found:
            event = etree.fromstring(found["voevent.xml"])
            xsd.assertValid(event)
            assert event.get("ivorn") == f"ivo://example.org/skymist#{fragment}"
            count += 1
        elif fragment[0].isdigit():  # of what only the detector's own message tells, nothing was told
            assert json.loads(found["content.json"])["revisions"] == []
    assert count >= 2 * ALERTS


def test_all_have_full_marks(said: dict[str, dict[str, bytes]], filled: Filled) -> None:
    lost = {}
    with httpx.Client(timeout=60, trust_env=False) as client:
        for fragment in shown(filled):
            for name, found in fuji.score(visited(client, filled, fragment)).items():
                if found.earned != found.total or found.why:
                    lost[f"{fragment} {name}"] = found.why
        assert lost == {}
        one = visited(client, filled, next(each for each in said if each.startswith("map_")))
        for name in fuji.METRICS:
            planted = fuji.score(fuji.plant(one, name))[name]
            assert planted.earned < planted.total, name


def shown(filled: Filled) -> list[str]:
    """Return what everybody may see: all but what the detector's own messages say."""
    with filled.database.read() as session:
        found = {each.fragment: identities.is_public(session, each) for each in session.scalars(select(Identity))}
    hidden = [fragment for fragment, public in found.items() if not public]
    assert [fragment.partition("_event-message")[1] for fragment in hidden] == ["_event-message"] * 4
    return [fragment for fragment, public in found.items() if public]


def visited(client: httpx.Client, filled: Filled, fragment: str) -> Assessed:
    """Return what a client gets of a record; the site's own address stands for that of this test."""

    def fetch(url: str, accept: str) -> tuple[int, dict[str, str], bytes]:
        there = url.replace(SITE.home, f"{filled.service.url}/public")
        answer = client.get(there, headers={"Accept": accept} if accept else {})
        return answer.status_code, {key.lower(): value for key, value in answer.headers.items()}, answer.content

    url = f"{SITE.home}/records/{fragment}"
    status, headers, page = fetch(url, "text/html")
    return Assessed(url, status, headers, page, fetch)


def test_all_of_it_goes_out_and_comes_back(filled: Filled, tmp_path: Path) -> None:
    made = exchange.export_archive(filled.database, SITE, tmp_path / "crate")
    assert made.doubts == ()
    assert validate(tmp_path / "crate", "REQUIRED", tmp_path / "cache") == []
    with filled.database.read() as session:
        before = dump.content_hash(session)
        maps = {each.sha256 for each in session.scalars(select(Artifact).where(Artifact.kind == "zarr"))}
    assert made.content_hash == before
    assert verify(tmp_path / "crate").problems == ()
    with closing(Database(str(tmp_path / "new.sqlite"))) as new:
        back = restore(tmp_path / "crate", new, tmp_path / "scans")
        assert back.content_hash == before
        with new.read() as session:
            assert dump.content_hash(session) == before
            stores = session.scalars(select(Artifact.url).where(Artifact.kind == "zarr")).all()
        assert {skymap.content_hash(read_skymap(each)) for each in stores} == maps
        assert all(str(tmp_path) in str(place(each)) for each in stores)
    readable = (tmp_path / "crate/metadata").iterdir()
    assert re.fullmatch(r"[A-Za-z0-9._-]+", next(readable).name)
    shutil.rmtree(tmp_path / "crate")


def test_every_scan_can_be_made_again(filled: Filled) -> None:
    for scan_id in filled.scans:
        found = reproduce.reproduce(*of_scan(filled.database, scan_id))
        assert found.identical, found.verdict
        assert found.verdict == "identical"
