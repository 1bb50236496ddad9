"""How alerts stand, and what of them waits for a person, on both kinds of database."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from skymist.model.alert import Kind, Revision, Role, Tense
from skymist.records import Database, alerts, catalog, inputs, publications, standing, tables
from skymist.records.catalog import Search
from skymist.records.standing import Need
from skymist.records.tables import ScanState, now

TIME = np.datetime64("2026-03-04T05:06:07", "ns")
LONG_AGO = now() - timedelta(days=1)


def told(session, event=1, **more):
    said = Revision(137840, event, TIME, 0, **{"stream": "gold", "ra": 10.0, "dec": 1.0, **more})
    return alerts.record(session, said, None, "test")[0]


def scanned(session, alert, number, state, **more):
    """A scan of an alert's event, which is made if there is none."""
    key = f"{alert.id:064x}"
    if session.get(tables.Event, key) is None:
        item, _ = inputs.receive(session, f"event {alert.id}".encode(), "event", "test")
        session.add(tables.Event(id=key, input_id=item.id, file="e.csv", role=alert.role, run=alert.run,
                                 event=alert.event, time=alert.time, kind="gfu", alert_id=alert.id))  # fmt: skip
        session.flush()
    given = {"request": {"reconstruction": f"reco-{number}"}, "wish": {}, "created": LONG_AGO, "finished": LONG_AGO}
    scan = tables.Scan(id=f"{alert.id * 1000 + number:064x}", event_id=key, role=alert.role, state=state,
                       **{**given, **more})  # fmt: skip
    session.add(scan)
    session.flush()
    return scan


def drafted(session, alert, who="skymist", kind="circular"):
    made = tables.Publication(kind=kind, template="initial", alert_id=alert.id, role=alert.role)
    return publications.create(session, made, tables.Text(subject="S", body="B", made="B", facts=[]), who)


def needs(database, alert):
    with database.read() as session:
        found = standing.of(session, [alert.id])[alert.id].needs
        asked = [each.id for each in catalog.find(session, Search(needs=True, role=Role(alert.role)))]
    assert (alert.id in asked) == bool(found)
    return found


def test_an_alert_that_was_only_told_needs_nothing(database: Database) -> None:
    with database.begin() as session:
        alert = told(session)
    with database.read() as session:
        assert vars(standing.of(session, [alert.id])[alert.id]) == {
            "tense": "current", "revision_count": 1, "scan": None, "map": None, "circular": None, "needs": [],
        }  # fmt: skip
    assert needs(database, alert) == []


def test_the_tense_is_that_of_the_last_revision(database: Database) -> None:
    with database.begin() as session:
        alert = told(session)
        said = alerts.whole(alert).current
        alerts.record(session, replace(said, number=1, kind=Kind.UPDATE, tense=Tense.ARCHIVAL), None, "test")
        other = told(session, 2, tense=Tense.INJECTION)
    with database.read() as session:
        found = standing.of(session, [alert.id, other.id])
    assert (found[alert.id].tense, found[alert.id].revision_count) == (Tense.ARCHIVAL, 2)
    assert found[other.id].tense == Tense.INJECTION


def test_the_last_scan_and_the_last_map_need_not_be_the_same(database: Database) -> None:
    with database.begin() as session:
        alert = told(session)
        best = {"best": {"ra": 138.5, "dec": 0}}
        old = scanned(session, alert, 1, ScanState.COMPLETE, progress={"done": 8, "total": 8}, summary=best)
        new = scanned(session, alert, 2, ScanState.RUNNING, progress={"done": 3, "total": 12}, created=now())
        scanned(session, alert, 3, ScanState.COMPLETE, created=now(), deleted=now())
        scanned(session, alert, 4, ScanState.CANCELLED, created=now(), replaced_by=new.id)
    with database.read() as session:
        found = standing.of(session, [alert.id])[alert.id]
    assert (found.scan.id, found.scan.state, found.scan.reconstruction, found.scan.share) == (
        new.id, "running", "reco-2", 0.25,
    )  # fmt: skip
    assert (found.map.id, found.map.share, found.map.ra, found.map.dec) == (old.id, 1.0, 138.5, 0.0)
    assert (found.scan.ra, found.scan.dec) == (None, None)


def test_scans_of_alerts_are_found_by_their_state(database: Database) -> None:
    with database.begin() as session:
        first, second, third = (told(session, event) for event in (1, 2, 3))
        scanned(session, first, 1, ScanState.RUNNING)
        scanned(session, second, 1, ScanState.COMPLETE)
        scanned(session, third, 1, ScanState.RUNNING, deleted=now())

    def having(*states):
        with database.read() as session:
            return {each.id for each in catalog.find(session, Search(scan_states=states))}

    assert having("running") == {first.id}
    assert having("complete") == {second.id}
    assert having("complete", "queued", "running") == {first.id, second.id}
    assert having("failed") == set()


def test_a_failed_scan_waits_for_somebody_until_another_one_is_asked_for(database: Database) -> None:
    with database.begin() as session:
        alert = told(session)
        scanned(session, alert, 1, ScanState.FAILED)
    assert needs(database, alert) == [Need.LOOK_AT_SCAN]
    with database.begin() as session:
        scanned(session, alert, 2, ScanState.QUEUED, created=now())
    assert needs(database, alert) == []


def test_a_fallback_answers_a_failed_scan_and_an_earlier_scan_does_not(database: Database) -> None:
    with database.begin() as session:
        alert = told(session)
        failed = scanned(session, alert, 1, ScanState.FAILED)
        scanned(session, alert, 2, ScanState.COMPLETE, created=LONG_AGO - timedelta(hours=1))
    assert needs(database, alert) == [Need.LOOK_AT_SCAN]
    with database.begin() as session:
        scanned(session, alert, 3, ScanState.WAITING, created=LONG_AGO, instead_id=failed.id)
    assert needs(database, alert) == []


@pytest.mark.parametrize("end", [{"deleted": LONG_AGO}, {"replaced_by": "0" * 64}])
def test_a_failed_scan_that_was_put_away_waits_for_nobody(database: Database, end: dict[str, object]) -> None:
    with database.begin() as session:
        alert = told(session)
        scanned(session, alert, 1, ScanState.FAILED, **end)
    assert needs(database, alert) == []


@pytest.mark.parametrize("kind", ["circular", "notice"])
def test_a_text_waits_for_its_editor_then_for_its_approver_then_for_its_sender(database: Database, kind: str) -> None:
    with database.begin() as session:
        alert = told(session)
        draft = drafted(session, alert, kind=kind)
    assert needs(database, alert) == [f"edit {kind}"]
    with database.begin() as session:
        found = publications.get(session, kind, draft.id, lock=True)
        publications.edit(session, found, 1, tables.Text(subject="S", body="C", note="", facts=[], made=""), "ana")
    assert needs(database, alert) == [f"approve {kind}"]
    with database.begin() as session:
        publications.approve(session, publications.get(session, kind, draft.id, lock=True), 2, "ben")
    assert needs(database, alert) == [f"send {kind}"]
    with database.begin() as session:
        publications.sent_by_hand(session, publications.get(session, kind, draft.id, lock=True), "1", "ben")
    assert needs(database, alert) == []
    with database.read() as session:
        circular = standing.of(session, [alert.id])[alert.id].circular
    assert (circular and circular.state) == ("sent" if kind == "circular" else None)


def test_a_text_that_was_kept_aside_or_withdrawn_does_not_count(database: Database) -> None:
    with database.begin() as session:
        alert = told(session)
        draft = drafted(session, alert)
        session.add(tables.Text(publication_id=draft.id, number=2, aside=True, who="ana", subject="S", body="C",
                                made="B", facts=[]))  # fmt: skip
    assert needs(database, alert) == [Need.EDIT_CIRCULAR]
    with database.begin() as session:
        publications.withdraw(session, publications.get(session, "circular", draft.id, lock=True), "ana")
    assert needs(database, alert) == []
    with database.read() as session:
        assert standing.of(session, [alert.id])[alert.id].circular is None


def test_the_overview_counts_the_real_sky(database: Database) -> None:
    with database.begin() as session:
        alert, test = told(session), told(session, 2, tense=Tense.TEST)
        for each in (alert, test):
            drafted(session, each)
            scanned(session, each, 1, ScanState.QUEUED)
        scanned(session, alert, 2, ScanState.RUNNING)
        item, _ = inputs.receive(session, b"?", "notice", "test")
        inputs.quarantine(session, item, "nonsense")
    with database.read() as session:
        found = standing.overview(session, TIME.astype("datetime64[us]").item())
        later = standing.overview(session, now())
    assert (found.recent, later.recent, found.needing, found.quarantined) == (1, 0, 1, 1)
    assert found.scans == {"queued": 2, "running": 1}


def test_the_version_counts_up_with_whatever_is_done(database: Database) -> None:
    def version():
        with database.read() as session:
            return standing.version(session)

    seen = [version()]
    with database.begin() as session:
        alert = told(session)
    seen.append(version())
    with database.begin() as session:
        drafted(session, alert)
    seen.append(version())
    assert seen[0] < seen[1] < seen[2] == version()


def test_cells_of_a_running_scan_move_a_time_of_their_own(database: Database) -> None:
    with database.begin() as session:
        scan = scanned(session, told(session), 1, ScanState.RUNNING)
    with database.read() as session:
        assert standing.moved(session) == scan.moved
    with database.begin() as session:
        session.get_one(tables.Scan, scan.id).state = ScanState.COMPLETE
    with database.read() as session:
        assert standing.moved(session) is None


def test_words_find_names_of_all_times_and_run_and_event(database: Database) -> None:
    with database.begin() as session:
        alert = told(session, 57034692, name="IceCube-260304A")
        session.add(tables.Alias(role=alert.role, name="IceCube-991231B", alert_id=alert.id))
        other = told(session, 12, name="IceCube-260305A")

    def found(words, role=Role.OBSERVATION):
        with database.read() as session:
            return {each.id for each in catalog.find(session, Search(words=words, role=role))}

    for words in ("260304", "icecube-260304a", "IC260304A", "ic2603 04".replace(" ", ""), "0304", "991231",
                  "137840_5703", "137840/57034692", "57034692"):  # fmt: skip
        assert found(words) == {alert.id}, words
    assert found("IC2603") == found("icecube") == found("137840") == found("  ") == {alert.id, other.id}
    assert found("%") == found("nothing") == set()
    assert found("260304", Role.TEST) == set()
