"""Names for ever, and who sees a record when."""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from astropy.io.votable.ucd import parse_ucd
from desks import notice
from hypothesis import given, settings
from hypothesis import strategies as st
from rdflib import RDF, Graph, Namespace
from sqlalchemy import select
from sqlalchemy.orm import Session

from skymist.errors import ConflictError, RequestError, UnknownNameError
from skymist.fair.datacite import datacite
from skymist.fair.provenance import provenance_json
from skymist.fair.record import Site, Status
from skymist.model.alert import EVENT_MESSAGE, SILENT, Kind, Revision, Role, Tense
from skymist.model.identity import Thing
from skymist.records import Database, alerts, identities, scans, tables
from skymist.records.tables import Alert, Artifact, Event, Identity, ImportedMap, Input, Scan
from skymist.workflow.archive.catalog import table
from skymist.workflow.archive.describe import describe, document, documents, formats

TIME = np.datetime64("2026-03-04T05:06:07.123456789", "ns")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
SUMMARY = {
    "best": {"ra": 12.5, "dec": 3.5, "energy_gev": 1e5}, "regions": {"90": {"area_deg2": 4.25}},
    "calibration": "wilks", "cells": {"8": 768},
}  # fmt: skip


def add(database: Database, *revisions: Revision) -> None:
    with database.begin() as session:
        for each in revisions:
            alerts.record(session, each, None, "test")


def names(database: Database, thing: Thing) -> list[str]:
    with database.read() as session:
        query = select(Identity.fragment).where(Identity.thing == thing)
        return sorted(session.scalars(query))


def add_scan(session: Session, alert: Alert | None, number: int = 1, role: Role = Role.OBSERVATION) -> Scan:
    """Keep a complete scan of an event, which has a map."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    session.add(Input(id=digest, source="test", kind="event", content=b""))
    session.flush()
    session.add(Event(id=digest, input_id=digest, file="", role=role, run=1, event=number, time="", kind="",
                      alert_id=None if alert is None else alert.id))  # fmt: skip
    session.flush()
    request = {"reconstruction": "bowl", "version": "1"}
    made, _ = scans.create(
        session, Scan(id=digest, event_id=digest, role=role, request=request, wish={}, state="complete"), "test"
    )
    add_map(session, made, digest)
    return made


def add_map(session: Session, scan: Scan, sha256: str) -> Identity:
    scans.keep(session, [Artifact(scan_id=scan.id, kind="zarr", url=f"/nowhere/{sha256}", sha256=sha256, size=1)], "t")
    session.flush()
    return identities.of(session, Thing.MAP, sha256)


class World:
    """An observation with two revisions, a scan of it with its map, and a map of others."""

    def __init__(self, session: Session, revision: Revision | None = None) -> None:
        self.session = session
        told = revision or notice()
        self.row, _ = alerts.record(session, told, None, "test")
        number = told.run + told.event
        self.scan_row = add_scan(session, self.row, number, Role(self.row.role))
        imported = hashlib.sha256(b"a map of others").hexdigest()
        session.add(Input(id=imported, source="test", kind="map", content=b""))
        session.flush()
        session.add(ImportedMap(id=imported, input_id=imported, alert_id=self.row.id, file="a", format="b", url="c",
                                reconstruction="d", sha256=imported, size=1, summary=SUMMARY))  # fmt: skip
        self.things = {
            "alert": identities.of(session, Thing.ALERT, str(self.row.id)),
            "revision": identities.of(session, Thing.REVISION, self.row.revisions[0].id),
            "scan": identities.of(session, Thing.SCAN, self.scan_row.id),
            "map": identities.of(session, Thing.MAP, self.scan_row.id),
            "imported": identities.name_map(session, imported, self.row.id),
        }

    def release(self, name: str, at: datetime | None = None) -> None:
        identities.release(self.session, self.things[name], "test", at)

    def withdraw(self, name: str, reason: str = "a reason") -> None:
        identities.withdraw(self.session, self.things[name], "test", reason)

    def delete(self) -> None:
        self.scan_row.deleted = tables.now()

    def shown(self) -> str:
        """Of alert, revision, scan, map and the map of others: public (+), a tombstone (t), unknown (.)."""
        marks = []
        for each in self.things.values():
            public, gone = identities.is_public(self.session, each), identities.was_public(self.session, each)
            assert not (public and gone)
            assert bool(identities.why_gone(self.session, each)) or not gone
            marks.append("+" if public else "t" if gone else ".")
        there = {"map": marks[3], "imported": marks[4]}
        maps = identities.maps(self.session, [self.row.id], identities.now())
        assert {self.things[name] for name, mark in there.items() if mark == "+"} == set(maps)
        return "".join(marks)


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    with database.begin() as session:
        yield World(session)


def test_names_of_all_things(database: Database) -> None:
    entry = Revision(137840, 1, TIME, catalog="IceCat-1", name="IceCube-260304A")
    message = Revision(137840, 1, TIME, catalog=EVENT_MESSAGE)
    taken_back = Revision(137840, 1, TIME, kind=Kind.RETRACTION, comment="noise")
    add(database, notice(), notice(number=1), entry, message, taken_back)
    add(database, Revision(137840, 1, TIME, 0, tense=Tense.TEST), Revision(137840, 1, TIME, 0, tense=Tense.PLANNED))
    assert names(database, Thing.ALERT) == ["137840_1", "prediction_137840_1", "test_137840_1"]
    assert names(database, Thing.REVISION) == [
        "137840_1_0", "137840_1_1", "137840_1_event-message", "137840_1_icecat-1", "137840_1_retraction",
        "prediction_137840_1_0", "test_137840_1_0",
    ]  # fmt: skip


def test_another_revision_with_the_same_number_has_a_name_of_its_own(database: Database) -> None:
    first, second, third = (notice(ra=ra) for ra in (40.1, 40.2, 40.3))
    add(database, first, second, third, first)
    usual = "137840_1_0"
    assert names(database, Thing.REVISION) == sorted([usual, *(f"{usual}-{each.id[:8]}" for each in (second, third))])


def test_names_stay_when_alerts_get_other_names_and_numbers(database: Database) -> None:
    add(database, notice(event=123, name=""))
    before = names(database, Thing.ALERT) + names(database, Thing.REVISION)
    add(database, notice(event=12345, number=1, name="IceCube-260304B"), notice(event=12345, number=2, ra=41.0))
    with database.read() as session:
        (alert,) = session.scalars(select(Alert))
        assert (alert.event, alert.name) == (12345, "IceCube-260304B")
        assert alerts.find(session, "137840_123").id == alert.id
    assert names(database, Thing.ALERT) + names(database, Thing.REVISION) == [
        *before, "137840_123_1", "137840_123_2",
    ]  # fmt: skip


def test_a_number_that_was_truncated_stays_with_its_alert(database: Database) -> None:
    add(database, notice(event=123), notice(event=12345, number=1))
    add(database, Revision(137840, 123, TIME + np.timedelta64(1, "h"), 0, ra=1.0, dec=2.0))
    assert names(database, Thing.ALERT) == ["137840_123"]
    assert len(names(database, Thing.REVISION)) == 3


def test_records_are_found_by_fragment_and_identifier(database: Database) -> None:
    add(database, notice(), notice(number=1))
    with database.read() as session:
        for asked in ("137840_1_1", "ivo://example.org/skymist#137840_1_1"):
            assert identities.get(session, asked).fragment == "137840_1_1"
        with pytest.raises(UnknownNameError, match=r"no record of the archive is called '137840_1_2'"):
            identities.get(session, "137840_1_2")
        with pytest.raises(UnknownNameError, match="137840_1, 137840_1_0, 137840_1_1"):
            identities.get(session, "137840")
        with pytest.raises(UnknownNameError, match="no scan of the archive"):
            identities.of(session, Thing.SCAN, "0" * 64)


def test_the_same_map_is_named_once_also_by_two_at_once(database: Database) -> None:
    """On SQLite one waits for the other; on PostgreSQL the second one meets the name of the first."""
    add(database, notice())
    first_has_named, errors = threading.Event(), []

    def other() -> None:
        try:
            first_has_named.wait()
            with database.begin() as session:
                assert identities.name_map(session, "ab" * 32, 1).alert_id == 1
        except Exception as error:  # noqa: BLE001 (of a thread, which pytest does not see)
            errors.append(error)

    thread = threading.Thread(target=other)
    thread.start()
    with database.begin() as session:
        identities.name_map(session, "ab" * 32, 1)
        first_has_named.set()
        time.sleep(0.3)  # the other one is in the middle of it
    thread.join()
    assert errors == []
    assert names(database, Thing.MAP) == ["map_abababababababab"]


def test_release_and_withdrawal_at_once_leave_what_the_last_one_said(database: Database) -> None:
    """Each waits for the other, so that the list of alerts never shows what its record does not."""
    with database.begin() as session:
        world = World(session)
        world.release("alert")
        world.withdraw("alert")
    both = threading.Barrier(2)

    def do(action: str) -> None:
        for _ in range(15):
            both.wait()
            try:
                with database.begin() as session:
                    found = identities.get(session, "137840_1")
                    session.get_one(Alert, found.alert_id)  # as callers have it, from before
                    if action == "release":
                        identities.release(session, found, "test")
                    else:
                        identities.withdraw(session, found, "test", "a reason")
            except ConflictError:
                pass
            both.wait()
            with database.read() as session:
                check_column(session)
            both.wait()

    threads = [threading.Thread(target=do, args=(action,)) for action in ("release", "withdraw")]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    with database.read() as session:
        check_column(session)


def check_column(session: Session) -> None:
    """An alert is found by when it was released, which its identity says."""
    for alert in session.scalars(select(Alert).execution_options(populate_existing=True)):
        own = identities.of(session, Thing.ALERT, str(alert.id))
        assert alert.public == (own.released if own.withdrawn is None else None)


def test_only_what_was_released_is_public(world: World) -> None:
    assert world.shown() == "....."
    world.release("alert")
    assert world.shown() == "++..."
    world.release("scan")
    assert world.shown() == "++++."
    world.release("imported")
    assert world.shown() == "+++++"
    world.withdraw("scan", "of another event")
    assert world.shown() == "++tt+"
    world.withdraw("alert", "sent by mistake")
    assert world.shown() == "ttttt"
    reasons = [identities.why_gone(world.session, each) for each in world.things.values()]
    assert reasons == [*["sent by mistake"] * 2, *["of another event"] * 2, "sent by mistake"]
    world.release("alert")
    assert world.shown() == "++tt+"
    world.release("scan")
    assert world.shown() == "+++++"
    check_column(world.session)


def test_a_scan_waits_for_its_alert(world: World) -> None:
    world.release("scan")
    assert world.shown() == "....."
    world.withdraw("scan")  # nobody has seen it
    assert world.things["scan"].released is None
    world.release("scan")
    world.release("alert")
    assert world.shown() == "++++."


def test_an_embargo_ends_by_itself(world: World) -> None:
    later = tables.now() + timedelta(days=1)
    world.release("alert", later)
    assert world.shown() == "....."
    alert = world.things["alert"]
    assert not identities.is_public(world.session, alert)
    assert identities.is_public(world.session, alert, later)
    world.release("alert", later + timedelta(days=1))  # which may be put off
    assert not identities.is_public(world.session, alert, later)
    world.release("scan", later + timedelta(days=9))
    world.release("alert")
    assert world.shown() == "++..."
    world.withdraw("alert")
    assert world.shown() == "tt..."  # nobody knows of the scan


def test_a_withdrawn_embargo_leaves_nothing(world: World) -> None:
    world.release("alert", tables.now() + timedelta(days=1))
    world.withdraw("alert")
    assert world.shown() == "....."
    assert world.things["alert"].released is None
    check_column(world.session)


def test_what_everybody_saw_does_not_disappear_until_a_time(world: World) -> None:
    later = tables.now() + timedelta(days=1)
    world.release("alert")
    since = world.things["alert"].released
    with pytest.raises(ConflictError, match="was public already: release it without a time"):
        world.release("alert", later)
    world.release("alert")
    assert world.things["alert"].released == since
    world.withdraw("alert")
    with pytest.raises(ConflictError, match="was public already"):
        world.release("alert", later)
    assert world.shown() == "tt..."
    world.release("alert")
    assert world.things["alert"].released == since


def test_what_cannot_be_done(world: World) -> None:
    for name, whole in (("revision", "alert"), ("map", "scan")):
        for act in (world.release, world.withdraw):
            with pytest.raises(ConflictError, match=f"is public or not with its {whole}"):
                act(name)
    with pytest.raises(ConflictError, match="never released"):
        world.withdraw("alert")
    world.release("alert")
    for empty in ("", "  \n"):
        with pytest.raises(RequestError, match="for a reason"):
            world.withdraw("alert", empty)
    world.withdraw("alert", "noise")
    with pytest.raises(ConflictError, match="withdrawn already: noise"):
        world.withdraw("alert", "another reason")
    assert world.things["alert"].reason == "noise"


@pytest.mark.parametrize("tense", [Tense.TEST, Tense.INJECTION, Tense.COMMANDED, Tense.PLANNED])
def test_what_is_no_observation_is_never_public(database: Database, tense: Tense) -> None:
    with database.begin() as session:
        world = World(session, Revision(137840, 1, TIME, 0, tense=tense))
        for name in ("alert", "scan", "imported"):
            with pytest.raises(ConflictError, match="is no observation but a"):
                world.release(name)
            world.things[name].released = LONG_AGO  # whoever wrote that
        assert world.shown() == "....."


def test_a_scan_without_an_alert_says_itself_what_it_is(database: Database) -> None:
    with database.begin() as session:
        for number, role in enumerate((Role.TEST, Role.OBSERVATION), 1):
            found = identities.of(session, Thing.SCAN, add_scan(session, None, number, role).id)
            if role == Role.TEST:
                with pytest.raises(ConflictError, match="but a test"):
                    identities.release(session, found, "test")
            else:
                identities.release(session, found, "test")
            assert identities.is_public(session, found) == (role == Role.OBSERVATION)


@pytest.mark.parametrize("source", SILENT)
def test_what_the_detector_said_itself_stays_within_the_site(database: Database, source: str) -> None:
    with database.begin() as session:
        world = World(session)
        alerts.record(session, Revision(137840, 1, TIME, catalog=source), None, "test")
        world.release("alert")
        own = identities.get(session, f"137840_1_{source.replace(' ', '-')}")
        assert (identities.is_public(session, own), world.shown()) == (False, "++...")
        for fragment in ("137840_1", "137840_1_0"):
            found = describe(session, Site(), identities.get(session, fragment), public=True)
            for name, content in documents(found).items():
                assert source.replace(" ", "-").encode() not in content, (fragment, name)
                assert source.encode() not in content, (fragment, name)
        world.withdraw("alert")
        assert not identities.was_public(session, own)


def test_what_only_the_detector_said_is_no_revision_for_everybody(database: Database) -> None:
    with database.begin() as session:
        alert, _ = alerts.record(session, Revision(1, 2, TIME, catalog=EVENT_MESSAGE, comment="within"), None, "test")
        own = identities.of(session, Thing.ALERT, str(alert.id))
        identities.release(session, own, "test")
        found = describe(session, Site(), own, public=True)
        assert "voevent" not in formats(found)
        assert found.record.description.startswith("A candidate for")
        assert not [file for file, content in documents(found).items() if b"within" in content]
        inside = describe(session, Site(), own)
        assert "voevent" in formats(inside)
        assert b"within" in document(inside, "json")


@pytest.mark.parametrize("nanoseconds", [-411, 411])
def test_the_message_of_the_detector_displaces_no_catalog(database: Database, nanoseconds: int) -> None:
    entry = Revision(137840, 1, TIME, catalog="IceCat-1", ra=40.1, dec=-3.0, errors_90=(1.0, 1.0, 1.0, 1.0))
    with database.begin() as session:
        alert, _ = alerts.record(session, entry, None, "test")
        later = TIME + np.timedelta64(nanoseconds, "ns")
        alerts.record(session, Revision(137840, 1, later, catalog=EVENT_MESSAGE), None, "test")
        for public in (True, False):
            (row,) = table(session, Site(), [alert], "icecat", public=public).decode().splitlines()[1:]
            assert row.startswith("IC260304A,")
            assert "40.1" in row
        found = describe(session, Site(), identities.of(session, Thing.ALERT, str(alert.id)), public=True)
        assert b"40.1" in document(found, "voevent")


def test_a_catalog_stands_beside_what_was_sent_and_is_not_its_version(database: Database) -> None:
    entry = Revision(137840, 1, TIME, catalog="IceCat-1", ra=40.1, dec=-3.0)
    add(database, notice(), notice(number=1), entry, Revision(137840, 1, TIME, catalog=EVENT_MESSAGE))
    with database.read() as session:

        def said(name: str) -> tuple[Status, str, list[tuple[str, str]]]:
            record = describe(session, Site(), identities.get(session, f"137840_1_{name}")).record
            kinds = [
                (each.kind, each.target.rpartition("_")[2]) for each in record.relations if "VersionOf" in each.kind
            ]
            return record.status, record.version, kinds

        assert said("icecat-1") == (Status.CURRENT, "IceCat-1", [("IsVersionOf", "1")])
        assert said("event-message")[:2] == (Status.CURRENT, EVENT_MESSAGE)
        after, before = ("IsPreviousVersionOf", "1"), ("IsNewVersionOf", "0")
        assert said("0") == (Status.SUPERSEDED, "0", [("IsVersionOf", "1"), after])
        assert said("1") == (Status.CURRENT, "1", [("IsVersionOf", "1"), before])
        assert describe(session, Site(), identities.get(session, "137840_1_0")).before == ""


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated")  # within rdflib
def test_all_records_are_one_graph(world: World) -> None:
    alerts.record(world.session, notice(number=1), None, "test")
    graph = Graph()
    for each in world.session.scalars(select(Identity)):
        graph.parse(data=document(describe(world.session, Site(), each), "json-ld"), format="json-ld")
    schema, terms, prov = (
        Namespace(f"http{url}") for url in ("s://schema.org/", "://purl.org/dc/terms/", "://www.w3.org/ns/prov#")
    )
    records = set(graph.subjects(RDF.type, schema.Dataset))
    assert len(records) == len(list(world.session.scalars(select(Identity))))
    for word in (terms.hasVersion, terms.isVersionOf, terms.replaces, terms.isReplacedBy):
        assert set(graph.objects(None, word)) <= records
        assert list(graph.objects(None, word))
    stated = (
        schema.variableMeasured / schema.propertyID
        | schema.spatialCoverage / schema.additionalProperty / schema.propertyID
    )
    for word in set(graph.objects(None, stated)):
        assert parse_ucd(str(word), check_controlled_vocabulary=True)
    made_of = {each for each in graph.objects(None, prov.wasDerivedFrom) if str(each).startswith("ivo://")}
    assert made_of
    assert made_of <= records


def test_the_end_of_a_record_is_when_it_ended(world: World) -> None:
    for name in ("alert", "scan"):
        world.release(name)
    began = tables.now()
    world.withdraw("alert")
    for name in ("alert", "revision", "scan", "map"):
        record = describe(world.session, Site(), world.things[name], public=True).record
        assert record.ended == record.changed == world.things["alert"].withdrawn
        assert record.ended >= began
        dates = {each["dateType"]: each["date"] for each in datacite(record)["dates"]}
        assert dates["Available"] <= dates["Withdrawn"]
        (end,) = provenance_json(record)["wasInvalidatedBy"].values()
        assert end["prov:time"][:19] == dates["Withdrawn"][:19]


def test_a_time_that_has_been_is_now(world: World) -> None:
    """Else a record would have been public, and have a tombstone, that nobody ever saw."""
    world.release("alert")
    world.withdraw("alert")
    world.release("scan", LONG_AGO)
    assert world.things["scan"].released > world.things["alert"].withdrawn
    assert world.shown() == "tt..."


def test_a_deleted_scan_leaves_a_tombstone_if_it_was_public(world: World) -> None:
    world.release("alert")
    world.delete()
    assert world.shown() == "++..."
    world.scan_row.deleted = None
    world.release("scan")
    world.delete()
    assert world.shown() == "++tt."
    for name in ("scan", "map"):
        found = describe(world.session, Site(), world.things[name], public=True)
        assert (found.record.status, found.revision) == (Status.WITHDRAWN, None)
        assert found.record.reason.startswith("deleted on 20")
        assert set(found.content) == {"identifier", "status", "reason"}
        assert [each.kind for each in found.record.files] == []
    scans.again(world.session, world.scan_row, "test")  # which brings it back, for the site
    assert world.shown() == "++tt."
    world.release("scan")
    assert world.shown() == "++++."


def test_what_nobody_saw_before_it_was_deleted_comes_back_private(world: World) -> None:
    world.release("alert")
    world.release("scan", tables.now() + timedelta(days=1))
    world.delete()
    scans.again(world.session, world.scan_row, "test")
    assert world.things["scan"].released is None
    assert world.shown() == "++..."


def test_a_tombstone_tells_nothing_but_why(world: World) -> None:
    world.release("alert")
    world.withdraw("alert", "sent by mistake")
    for name in ("alert", "revision"):
        for file, content in documents(describe(world.session, Site(), world.things[name], public=True)).items():
            assert b"40.1" not in content, (name, file)
            assert b"210.5" not in content, (name, file)
            assert b"gold" not in content, (name, file)
            assert b"05:06:07" not in content, (name, file)
        assert b"40.1" in documents(describe(world.session, Site(), world.things[name]))["content.json"]


def test_another_content_is_another_map_and_the_first_one_says_so(world: World) -> None:
    world.release("alert")
    world.release("scan")
    second = add_map(world.session, world.scan_row, "cd" * 32)
    assert second.fragment == "map_cdcdcdcdcdcdcdcd"
    first = describe(world.session, Site(), world.things["map"], public=True).record
    latest = describe(world.session, Site(), second, public=True).record
    assert (first.status, latest.status) == (Status.SUPERSEDED, Status.CURRENT)
    assert [each.kind for each in first.files] == ["json"]
    assert ("IsPreviousVersionOf", "map_cdcdcdcdcdcdcdcd") in [
        (each.kind, each.target.rpartition("#")[2]) for each in first.relations
    ]
    assert identities.is_public(world.session, second)
    add_map(world.session, world.scan_row, "cd" * 32)
    assert identities.of(world.session, Thing.MAP, "cd" * 32).fragment == second.fragment


def test_what_a_later_run_found_is_not_said_of_the_map_before_it(world: World) -> None:
    world.scan_row.started = world.scan_row.finished = tables.now()
    world.scan_row.summary = SUMMARY
    second = add_map(world.session, world.scan_row, "cd" * 32)
    for there, gone in ((second, world.things["map"]), (world.things["map"], second)):
        record = describe(world.session, Site(), there).record
        assert (record.status, record.ra, record.area_90_deg2, record.version) == (Status.CURRENT, 12.5, 4.25, "2")
        assert record.activity is not None
        found = describe(world.session, Site(), gone)
        assert (found.record.status, found.record.ra, found.record.activity) == (Status.SUPERSEDED, None, None)
        assert not [name for name, content in documents(found).items() if b"12.5" in content or b"4.25" in content]
        assert identities.maps(world.session, [world.row.id])[-1] is there
        add_map(world.session, world.scan_row, world.things["map"].subject)  # the first content again


def test_a_retracted_alert_stays_public(world: World) -> None:
    world.release("alert")
    alerts.record(world.session, Revision(137840, 1, TIME, kind=Kind.RETRACTION, comment="noise"), None, "test")
    found = describe(world.session, Site(), world.things["alert"], public=True).record
    assert (world.shown(), found.status, found.reason) == ("++...", Status.RETRACTED, "noise")
    retraction = identities.get(world.session, "137840_1_retraction")
    assert identities.is_public(world.session, retraction)


def test_a_doi_is_kept_through_everything(world: World) -> None:
    world.release("alert")
    identities.give_doi(world.session, world.things["alert"], "10.5072/skymist.137840_1", "test")
    world.withdraw("alert")
    alerts.record(world.session, notice(number=1, event=12), None, "test")
    world.release("alert")
    assert identities.get(world.session, "137840_1").doi == "10.5072/skymist.137840_1"


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["release", "embargo", "withdraw", "wait"]), st.sampled_from(["alert", "scan"])),
    max_size=12,
)


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with closing(Database(f"sqlite:///{tmp_path_factory.mktemp('identities')}/records.sqlite")) as found:
        found.upgrade()
        yield found


@settings(max_examples=60, deadline=None)
@given(ACTIONS, st.booleans())
def test_whatever_was_seen_is_public_or_has_a_tombstone_and_nothing_else(
    memory: Database, actions: list[tuple[str, str]], deleted: bool
) -> None:
    clock, seen = [datetime(2026, 1, 1, tzinfo=UTC)], set[str]()

    def tick(hours: float = 1) -> datetime:
        clock[0] += timedelta(hours=hours)
        return clock[0]

    with memory.read() as session, pytest.MonkeyPatch.context() as patch:  # nothing of it is kept
        patch.setattr(identities, "now", lambda: clock[0])
        world = World(session)
        for action, name in actions:
            tick(100 if action == "wait" else 1)
            try:
                if action in ("release", "embargo"):
                    world.release(name, clock[0] + timedelta(hours=48) if action == "embargo" else None)
                elif action == "withdraw":
                    world.withdraw(name)
            except ConflictError:
                pass
            shown = dict(zip(world.things, world.shown(), strict=True))
            seen |= {each for each, mark in shown.items() if mark == "+"}
            assert {each for each, mark in shown.items() if mark == "t"} <= seen
            assert {each for each, mark in shown.items() if mark != "."} == seen
            assert (shown["alert"], shown["scan"]) == (shown["revision"], shown["map"])
            check_column(session)
        if deleted:
            world.scan_row.deleted = tick()
            assert list(world.shown()[2:4]) == ["t" if "scan" in seen else "."] * 2
        session.rollback()


def test_nothing_of_a_path_is_told(world: World, tmp_path: Path) -> None:
    world.release("alert")
    world.release("scan")
    for name in ("scan", "map"):
        for content in documents(describe(world.session, Site(), world.things[name], public=True)).values():
            assert b"/nowhere/" not in content
            assert str(tmp_path).encode() not in content
