"""DOIs at a service that speaks as DataCite does."""

import base64
import logging
from collections.abc import Iterator
from pathlib import Path

import datacite_service
import pytest
from datacite import DataCiteRESTClient, schema45
from datacite.errors import DataCiteError
from datacite_service import DRAFT, FINDABLE, PASSWORD, PREFIX, REGISTERED, USERNAME, DataCite
from desks import notice, scan, take_notice
from sqlalchemy import select

from skymist.errors import ConflictError, SendError, UnknownNameError
from skymist.fair.datacite import datacite
from skymist.fair.record import Site
from skymist.model.alert import Tense
from skymist.model.identity import Thing
from skymist.records import Database, identities
from skymist.records.tables import Identity, LogEntry, Scan, now
from skymist.workflow.archive import doi as dois
from skymist.workflow.archive.describe import describe, documents
from skymist.workflow.archive.doi import register

KEY = "137840_1"
DOI = f"{PREFIX}/skymist.{KEY}"
SITE = Site(home="https://archive.example.org/public")


@pytest.fixture
def service() -> Iterator[DataCite]:
    with datacite_service.running() as found:
        yield found


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Database]:
    """A database with an alert that is public, and a test that never is."""
    found = Database(str(tmp_path / "records.sqlite"))
    found.upgrade()
    take_notice(found, notice())
    take_notice(found, notice(), Tense.TEST)
    with found.begin() as session:
        identities.release(session, identities.get(session, KEY), "test")
    yield found
    found.close()


def doi_of(records: Database, fragment: str = KEY) -> str:
    with records.read() as session:
        return identities.get(session, fragment).doi


def attributes(client: DataCiteRESTClient, **changes: object) -> dict[str, object]:
    found = {
        "creators": [{"name": "Somebody"}], "titles": [{"title": "A map"}], "publisher": {"name": "We"},
        "publicationYear": "2026", "types": {"resourceTypeGeneral": "Dataset", "resourceType": "Map"},
        "schemaVersion": "http://datacite.org/schema/kernel-4", "url": "https://example.org/1",
    }  # fmt: skip
    return {**found, "doi": f"{client.prefix}/x", **changes}


def test_the_stand_in_behaves_as_the_real_one(service: DataCite) -> None:
    client = DataCiteRESTClient(USERNAME, PASSWORD, PREFIX, url=service.url)
    assert client.draft_doi(doi=f"{PREFIX}/x", metadata={"url": "https://example.org/1"}) == f"{PREFIX}/x"
    assert client.get_metadata(f"{PREFIX}/X")["state"] == DRAFT
    with pytest.raises(DataCiteError, match="This DOI has already been taken"):
        client.draft_doi(doi=f"{PREFIX}/x", metadata={"url": "https://example.org/1"})
    with pytest.raises(DataCiteError, match=r'"source": "metadata".*Is invalid'):
        client.show_doi(f"{PREFIX}/x")  # a draft need not be described, what is to be found does
    with pytest.raises(DataCiteError, match="URL is not valid"):
        client.update_url(f"{PREFIX}/x", "nowhere")
    client.update_doi(f"{PREFIX}/x", attributes(client))
    for act, state in ((client.hide_doi, DRAFT), (client.show_doi, FINDABLE), (client.hide_doi, REGISTERED)):
        act(f"{PREFIX}/x")
        assert service.dois[f"{PREFIX}/x"]["state"] == state
    assert client.private_doi(attributes(client), "https://example.org/2", f"{PREFIX}/y") == f"{PREFIX}/y"
    assert service.dois[f"{PREFIX}/y"]["state"] == REGISTERED
    with pytest.raises(DataCiteError, match="not authorized"):
        client.post_doi({"type": "dois", "attributes": attributes(client, doi="10.54321/x")})
    with pytest.raises(DataCiteError, match="JSONAPI"):
        client.post_doi({"type": "dois"})
    for username, password in ((USERNAME, "x"), ("X", PASSWORD)):
        other = DataCiteRESTClient(username, password, PREFIX, url=service.url)
        with pytest.raises(DataCiteError, match=r"Bad credentials\."):
            other.draft_doi(doi=f"{PREFIX}/z")
        with pytest.raises(DataCiteError, match="doesn't exist"):
            other.get_metadata(f"{PREFIX}/y")


def test_the_life_of_a_doi(service: DataCite, records: Database) -> None:
    settings = service.settings()
    assert register(records, settings, SITE, KEY, "somebody") == DOI
    assert (service.dois[DOI]["state"], doi_of(records)) == (DRAFT, DOI)
    assert service.dois[DOI]["url"] == f"https://archive.example.org/public/records/{KEY}"
    assert register(records, settings, SITE, f"ivo://example/skymist#{KEY}", "somebody", publish=True) == DOI
    assert service.dois[DOI]["state"] == FINDABLE

    take_notice(records, notice(number=1, name="IceCube-260304B"))
    assert register(records, settings, SITE, KEY, "somebody") == DOI
    assert service.dois[DOI]["state"] == FINDABLE
    assert service.dois[DOI]["version"] == "2"

    with records.begin() as session:
        identities.withdraw(session, identities.get(session, KEY), "somebody", "sent by mistake")
    for publish in (False, True):  # whatever is asked for: it leads to a tombstone
        register(records, settings, SITE, KEY, "somebody", publish=publish)
        assert service.dois[DOI]["state"] == REGISTERED
    assert "sent by mistake" in str(service.dois[DOI]["descriptions"])
    assert "40.1" not in str(service.dois[DOI])

    with records.begin() as session:
        identities.release(session, identities.get(session, KEY), "somebody")
    register(records, settings, SITE, KEY, "somebody")
    assert service.dois[DOI]["state"] == REGISTERED
    register(records, settings, SITE, KEY, "somebody", publish=True)
    assert (service.dois[DOI]["state"], doi_of(records)) == (FINDABLE, DOI)
    with records.read() as session:
        minted = session.query(LogEntry).filter_by(action="minted").all()
        assert [(each.who, each.subject_id, each.details) for each in minted] == [("somebody", KEY, {"doi": DOI})]
    assert list(service.dois) == [DOI]


def test_what_is_sent_is_public_and_valid(service: DataCite, records: Database) -> None:
    register(records, service.settings(), SITE, KEY, "somebody", publish=True)
    sent = {key: value for key, value in service.dois[DOI].items() if key != "state"}
    schema45.validator.validate({**sent, "doi": DOI})
    with records.read() as session:
        record = describe(session, SITE, identities.get(session, KEY), public=True).record
    assert {key: value for key, value in {**sent, "doi": DOI}.items() if value} == datacite(record)
    assert "somebody" not in str(sent)


def test_it_stands_in_every_document_from_then_on(service: DataCite, records: Database) -> None:
    register(records, service.settings(), SITE, KEY, "somebody")
    with records.read() as session:
        found = documents(describe(session, SITE, identities.get(session, KEY)))
    for name in ("datacite.json", "schema.org.jsonld", "index.html", "prov.json"):
        assert DOI.encode() in found[name], name


def test_what_is_not_public_gets_none(service: DataCite, records: Database) -> None:
    for fragment in (f"test_{KEY}", f"test_{KEY}_0"):
        with pytest.raises(ConflictError, match="is not public, so that its DOI would lead nowhere"):
            register(records, service.settings(), SITE, fragment, "somebody")
    with records.begin() as session:  # without a DOI, there is nothing to be hidden
        identities.withdraw(session, identities.get(session, KEY), "somebody", "sent by mistake")
    with pytest.raises(ConflictError, match="release it first"):
        register(records, service.settings(), SITE, KEY, "somebody")
    with pytest.raises(ConflictError, match="release what it belongs to first"):
        register(records, service.settings(), SITE, f"{KEY}_0", "somebody")
    with pytest.raises(UnknownNameError, match="no record of the archive"):
        register(records, service.settings(), SITE, "1_1", "somebody")
    assert (service.requests, doi_of(records)) == ([], "")


def test_a_revision_has_one_of_its_own(service: DataCite, records: Database) -> None:
    assert register(records, service.settings(), SITE, f"{KEY}_0", "somebody", publish=True) == f"{DOI}_0"
    assert doi_of(records) == ""


@pytest.mark.parametrize("trouble", ["lost", "dropped", "500", "503", "429", "page"])
def test_once_more_after_trouble_gives_one(service: DataCite, records: Database, trouble: str) -> None:
    service.trouble.append(trouble)
    with pytest.raises(SendError, match=r"DataCite") as failed:
        register(records, service.settings(), SITE, KEY, "somebody", publish=True)
    assert failed.value.outcome == "unknown"
    assert (doi_of(records), list(service.dois)) == ("", [DOI] if trouble == "lost" else [])
    assert register(records, service.settings(), SITE, KEY, "somebody", publish=True) == DOI
    assert (service.dois[DOI]["state"], list(service.dois), doi_of(records)) == (FINDABLE, [DOI], DOI)


def test_an_update_that_fails_leaves_it(service: DataCite, records: Database) -> None:
    register(records, service.settings(), SITE, KEY, "somebody")
    service.trouble += ["dropped"]
    with pytest.raises(SendError, match="cannot be reached"):
        register(records, service.settings(), SITE, KEY, "somebody")
    with pytest.raises(SendError, match=r"Bad credentials\."):
        register(records, service.settings(password="x"), SITE, KEY, "somebody")
    assert doi_of(records) == DOI


def test_what_datacite_refuses_is_told_in_its_words(service: DataCite, records: Database) -> None:
    for settings, words in (
        (service.settings(password="wr0ng"), r"does not take 10\.12345/skymist\.137840_1: Bad credentials\."),
        (service.settings(prefix="10.54321"), "not authorized to access this resource"),
    ):
        with pytest.raises(SendError, match=words) as failed:
            register(records, settings, SITE, KEY, "somebody")
        assert failed.value.outcome == "refused"
    with pytest.raises(SendError, match="url: URL is not valid"):
        register(records, service.settings(), Site(home="nowhere"), KEY, "somebody", publish=True)
    assert (service.dois, doi_of(records)) == ({}, "")


def test_another_account_does_not_get_a_second_one(service: DataCite, records: Database) -> None:
    register(records, service.settings(), SITE, KEY, "somebody")
    with pytest.raises(ConflictError, match=r"has the DOI 10\.12345/skymist.* which is not of the prefix 10\.54321"):
        register(records, service.settings(prefix="10.54321"), SITE, KEY, "somebody")
    assert doi_of(records) == DOI


def test_without_a_service_nothing_is_kept(records: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with datacite_service.running() as service:
        settings = service.settings()
    monkeypatch.setattr(dois, "TIMEOUT_S", 5.0)
    with pytest.raises(SendError, match=r"DataCite at http://127\.0\.0\.1:\d+/ cannot be reached") as failed:
        register(records, settings, SITE, KEY, "somebody")
    assert failed.value.outcome == "unknown"
    assert doi_of(records) == ""


def test_secrets_are_nowhere_told(service: DataCite, records: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "v3ry-s3cret"
    settings = service.settings(password=secret)
    told = [repr(settings), str(settings)]
    for trouble in ("", "dropped", "500", "page"):
        service.trouble += [trouble] if trouble else []
        with pytest.raises(SendError) as failed:
            register(records, settings, SITE, KEY, "somebody")
        told += [str(failed.value), repr(failed.value)]
        assert failed.value.__suppress_context__
    register(records, service.settings(), SITE, KEY, "somebody")
    with records.read() as session:
        told += [str(each.details) for each in session.query(LogEntry)]
    for hidden in (secret, PASSWORD, *(base64.b64encode(f"{USERNAME}:{each}".encode()).decode() for each in
                                       (secret, PASSWORD))):  # fmt: skip
        assert hidden not in "\n".join([*told, caplog.text])
    assert caplog.text


def test_that_of_a_deleted_scan_is_hidden(service: DataCite, records: Database, tmp_path: Path) -> None:
    scan_id = scan(records, tmp_path / "scans")
    with records.begin() as session:
        identities.release(session, identities.of(session, Thing.SCAN, scan_id), "test")
        (fragment,) = session.scalars(select(Identity.fragment).where(Identity.thing == Thing.MAP))
    found = register(records, service.settings(), SITE, fragment, "somebody", publish=True)
    assert service.dois[found]["state"] == FINDABLE
    with records.begin() as session:
        session.get_one(Scan, scan_id).deleted = now()
    register(records, service.settings(), SITE, fragment, "somebody")
    assert service.dois[found]["state"] == REGISTERED
    assert "deleted on" in str(service.dois[found]["descriptions"])
    with records.read() as session:
        assert session.get_one(Identity, fragment).doi == found
