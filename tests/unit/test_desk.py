"""The desk: drafts from records and maps, edits that lose nothing, approval by somebody else."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from desks import notice, scan, take_notice
from sqlalchemy import text as sql
from sqlalchemy.exc import IntegrityError

from skymist.alerts import read_revisions
from skymist.errors import ConflictError, RequestError, UnknownNameError
from skymist.model.alert import Role, Tense
from skymist.model.circular import Level, errors
from skymist.records import Database, log, publications
from skymist.records.publications import CIRCULAR, NOTICE
from skymist.records.tables import Publication, Scan, now
from skymist.workflow import service
from skymist.workflow.desk import Desk
from skymist.workflow.desk_settings import DeskSettings
from skymist.workflow.wish import Wish

OTHER = Wish("bowl", levels="2:0,8:12,64:12", options={"ra_deg": 80.0})


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(
        database, DeskSettings(reporter="The shift", contact="Ask the shift.", map_url="https://example.org/{name}")
    )


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, int, str]]:
    """A desk, the number of an alert, and the scan of its event."""
    folder = tmp_path_factory.mktemp("scanned")
    database = Database(str(folder / "records.sqlite"))
    database.upgrade()
    alert = take_notice(database, notice())
    scan_id = scan(database, folder / "scans")
    yield Desk(database, DeskSettings(reporter="The shift")), alert, scan_id
    database.close()


def test_a_draft_of_a_scan_is_clean_and_tells_where_all_comes_from(scanned: tuple[Desk, int, str]) -> None:
    desk, alert, scan_id = scanned
    made = desk.draft(CIRCULAR, alert, "shifter")
    shown = desk.show(CIRCULAR, made["id"])
    assert desk.check(CIRCULAR, made["id"]) == []
    assert shown["template"] == "track"
    assert shown["subject"].startswith("IceCube-260304A - ")
    by_name = {fact["name"]: fact for fact in shown["facts"] if "of" not in fact}
    assert (by_name["ra"]["source"], by_name["ra"]["source_id"]) == ("scan", scan_id)
    assert by_name["far_per_year"]["source"] == "revision"
    assert by_name["ra_plus"]["detail"].endswith("calibration icecube-2016")
    catalog = next(fact for fact in shown["facts"] if fact["name"] == "sources_inside")
    assert (catalog["of"], catalog["source"], len(catalog["source_id"])) == (
        "neutrino-source candidates",
        "catalog",
        64,
    )
    spans = {each["fact"]["name"]: shown["body"][each["start"] : each["end"]] for each in shown["spans"]}
    assert spans["far_per_year"] == "0.83"
    assert spans["dec"][0] in "+-"
    assert desk.draft(CIRCULAR, alert, "shifter", "counterparts")["template"] == "counterparts"


def test_a_draft_without_a_scan_has_the_position_of_the_notice(desk: Desk) -> None:
    alert = take_notice(desk.database, notice())
    shown = desk.show(CIRCULAR, desk.draft(CIRCULAR, alert, "shifter")["id"])
    assert "RA: 40.10 deg J2000" in shown["body"]
    assert "Error radius: 0.90 deg" in shown["body"]
    assert desk.check(CIRCULAR, shown["id"]) == []


def test_what_changes_in_the_records_is_told_and_drafted_again(desk: Desk) -> None:
    alert = take_notice(desk.database, notice())
    number = desk.draft(CIRCULAR, alert, "shifter")["id"]
    with pytest.raises(ConflictError, match="nothing has changed since revision 1"):
        desk.redraft(CIRCULAR, number, "shifter")
    shown = desk.show(CIRCULAR, number)
    edited = shown["body"].replace("reports a neutrino candidate.", "is glad to report a neutrino candidate.")
    desk.edit(CIRCULAR, number, 1, shown["subject"], edited, "shifter")
    take_notice(desk.database, notice(number=1, ra=41.25, far_per_year=1.5))
    found = errors(desk.check(CIRCULAR, number))
    assert {each.says for each in found} == {"40.10", "0.83"}
    assert {each.expected for each in found} == {"41.25", "1.5"}
    assert all(each.source.startswith("revision 1") and each.where.startswith("line ") for each in found)
    told = desk.redraft(CIRCULAR, number, "shifter")
    assert (told["conflicts"], told["aside"]) == (0, None)
    assert {(each["name"], each["old"], each["new"]) for each in told["changes"]} == {
        ("ra", 40.1, 41.25), ("far_per_year", 0.83, 1.5),
    }  # fmt: skip
    now = desk.show(CIRCULAR, number)
    assert "is glad to report" in now["body"]
    assert "RA: 41.25 deg J2000" in now["body"]
    assert desk.check(CIRCULAR, number) == []
    assert "-RA: 40.10 deg J2000" in desk.diff(CIRCULAR, number)
    assert [each["number"] for each in now["texts"]] == [1, 2, 3]
    desk.lock(CIRCULAR, number, "another")
    take_notice(desk.database, notice(number=2, ra=42.25))
    aside = desk.redraft(CIRCULAR, number, "shifter")["aside"]
    assert (aside["revision"], aside["reason"]) == (4, "it is being edited by another")
    assert "RA: 42.25 deg J2000" in aside["merged"]


def test_an_old_map_is_an_error(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "records.sqlite"))
    database.upgrade()
    desk = Desk(database)
    alert = take_notice(database, notice())
    first = scan(database, tmp_path / "scans")
    number = desk.draft(CIRCULAR, alert, "shifter")["id"]
    second = scan(database, tmp_path / "scans", OTHER)
    found = errors(desk.check(CIRCULAR, number))
    assert found[0].rule == "stale map"
    assert found[0].says == first[:12]
    assert any(each.rule == "disagrees" for each in found)
    with pytest.raises(ConflictError, match="has errors: the map: it was drafted from"):
        desk.approve(CIRCULAR, number, 1, "approver")
    desk.redraft(CIRCULAR, number, "shifter")
    assert desk.check(CIRCULAR, number) == []
    assert desk.approve(CIRCULAR, number, 2, "approver")["state"] == "approved"
    old = desk.draft(CIRCULAR, alert, "shifter", scan_id=first[:12])
    (warning,) = desk.check(CIRCULAR, old["id"])
    assert (warning.level, warning.rule, warning.says) == (Level.WARNING, "old map", first[:12])
    with pytest.raises(ConflictError, match="nothing has changed"):  # what somebody has chosen stays
        desk.redraft(CIRCULAR, old["id"], "shifter")
    assert desk.approve(CIRCULAR, old["id"], 1, "approver")["state"] == "approved"
    last = desk.redraft(CIRCULAR, old["id"], "shifter", second[:12])
    assert ("scan", first, second) in {(each["name"], each["old"], each["new"]) for each in last["changes"]}
    assert desk.check(CIRCULAR, old["id"]) == []
    with pytest.raises(UnknownNameError, match="no complete scan of this alert"):
        desk.draft(CIRCULAR, alert, "shifter", scan_id="0" * 12)
    gone = desk.draft(CIRCULAR, alert, "shifter", scan_id=first[:12])["id"]
    with database.begin() as session:  # what somebody has chosen is no more
        session.get_one(Scan, first).deleted = now()
    assert errors(desk.check(CIRCULAR, gone))[0].rule == "stale map"
    assert {(each["name"], each["new"]) for each in desk.redraft(CIRCULAR, gone, "shifter")["changes"]} >= {
        ("scan", None)
    }
    assert desk.check(CIRCULAR, gone) == []
    database.close()


def test_what_fits_an_alert_follows_from_its_records(desk: Desk) -> None:
    database, alert = desk.database, take_notice(desk.database, notice())
    number = desk.draft(CIRCULAR, alert, "shifter")["id"]
    desk.approve(CIRCULAR, number, 1, "approver")
    desk.sent_by_hand(CIRCULAR, number, "34265", "approver")
    take_notice(database, notice(number=1, ra=40.6))
    update = desk.show(CIRCULAR, desk.draft(CIRCULAR, alert, "shifter")["id"])
    assert update["template"] == "update"
    assert "moves by 0.49 deg from the one given before (RA 40.10 deg, Dec +10.20 deg)" in update["body"]
    assert desk.check(CIRCULAR, update["id"]) == []
    service.retract(database, alert, "An air shower was seen", "approver")
    back = desk.show(CIRCULAR, desk.draft(CIRCULAR, alert, "shifter")["id"])
    assert back["template"] == "retraction"
    assert "An air shower was seen." in back["body"]
    assert desk.check(CIRCULAR, back["id"]) == []


def test_edits_and_approvals_of_people(desk: Desk) -> None:
    alert = take_notice(desk.database, notice())
    number = desk.draft(CIRCULAR, alert, "workflow")["id"]
    shown = desk.show(CIRCULAR, number)

    def edit(base: int, who: str, words: str) -> dict[str, object]:
        return desk.edit(CIRCULAR, number, base, shown["subject"], shown["body"] + words + "\n", who)

    assert edit(1, "ann", "The first sentence.")["aside"] is None
    with pytest.raises(ConflictError, match="ann was the last to edit circular"):
        desk.approve(CIRCULAR, number, 2, "ann")
    with pytest.raises(ConflictError, match="has a later revision, 2: look at that first"):
        desk.approve(CIRCULAR, number, 1, "bob")
    assert desk.approve(CIRCULAR, number, 2, "bob")["approver"] == "bob"
    assert edit(2, "cyd", "Another one.")["state"] == "draft"
    with pytest.raises(ConflictError, match="is draft; it can become approved, withdrawn, not sending"):
        desk.send(CIRCULAR, number, desk.preview(CIRCULAR, number)["sha256"], "bob")
    desk.approve(CIRCULAR, number, 3, "bob")
    with pytest.raises(RequestError, match="look at it once more"):
        desk.send(CIRCULAR, number, "0" * 64, "bob")
    assert desk.send(CIRCULAR, number, desk.preview(CIRCULAR, number)["sha256"], "bob")["state"] == "sending"
    with pytest.raises(ConflictError, match="is sending; what is edited is a draft, or approved"):
        edit(3, "cyd", "Too late.")
    with desk.database.read() as session:
        actions = [(each.who, each.action) for each in log.entries(session, "circular", number)]
    assert actions == [
        ("workflow", "drafted"), ("ann", "edited"), ("bob", "approved"), ("cyd", "draft"), ("cyd", "edited"),
        ("bob", "approved"), ("bob", "sending"),
    ]  # fmt: skip


def test_a_lock_keeps_others_out_and_loses_nothing(desk: Desk) -> None:
    alert = take_notice(desk.database, notice())
    number = desk.draft(CIRCULAR, alert, "workflow")["id"]
    shown = desk.show(CIRCULAR, number)
    assert desk.lock(CIRCULAR, number, "ann")["locked_by"] == "ann"
    with pytest.raises(ConflictError, match="is being edited by ann until"):
        desk.lock(CIRCULAR, number, "bob")
    with pytest.raises(ConflictError, match="being edited by ann, not by bob"):
        desk.unlock(CIRCULAR, number, "bob")
    told = desk.edit(CIRCULAR, number, 1, shown["subject"], shown["body"] + "Bob's words.\n", "bob")
    assert (told["aside"]["revision"], told["aside"]["reason"], told["head"]) == (2, "it is being edited by ann", 1)
    assert "Bob's words." in desk.show(CIRCULAR, number, 2)["body"]
    assert desk.edit(CIRCULAR, number, 1, shown["subject"], shown["body"] + "Ann's words.\n", "ann")["head"] == 3
    assert desk.unlock(CIRCULAR, number, "bob", by_force=True)["locked_by"] == ""
    assert desk.comment(CIRCULAR, number, "Is the time right?", "bob")["number"] == 3
    with pytest.raises(RequestError, match="needs words"):
        desk.comment(CIRCULAR, number, " ", "bob")
    assert [each["text"] for each in desk.show(CIRCULAR, number)["comments"]] == ["Is the time right?"]
    desk.withdraw(CIRCULAR, number, "ann", "not needed")
    assert desk.reopen(CIRCULAR, number, "ann")["state"] == "draft"


def test_two_people_at_once_lose_no_word_and_send_nothing_unapproved(desk: Desk) -> None:
    """A hundred random orders of two people who edit, approve and send the same circular."""
    alert = take_notice(desk.database, notice(stream="bronze"))
    rng = np.random.default_rng(5)
    for _ in range(100 if desk.database.engine.dialect.name == "sqlite" else 10):
        _interleave(desk, alert, rng)


def _interleave(desk: Desk, alert: int, rng: np.random.Generator) -> None:
    number = desk.draft(CIRCULAR, alert, "workflow")["id"]
    seen: dict[str, dict[str, object]] = {who: desk.show(CIRCULAR, number) for who in ("ann", "bob")}
    written: list[str] = []
    for _ in range(12):
        who, what = ("ann", "bob")[rng.integers(2)], ("look", "edit", "edit", "approve", "send")[rng.integers(5)]
        shown = seen[who]
        try:
            if what == "look":
                seen[who] = desk.show(CIRCULAR, number)
            elif what == "edit":
                words = f"Sentence of {who} that is the {'abcdefghijklmnopqrstuvwxyz'[len(written)]} one."
                body = f"{shown['body']}\n{words}\n"
                told = desk.edit(CIRCULAR, number, shown["revision"], str(shown["subject"]), body, who)
                written.append(words)
                if told["aside"] is not None:
                    assert words in told["aside"]["merged"]
                seen[who] = desk.show(CIRCULAR, number)
            elif what == "approve":
                desk.approve(CIRCULAR, number, int(str(shown["revision"])), who)
            else:
                desk.send(CIRCULAR, number, desk.preview(CIRCULAR, number)["sha256"], who)
        except ConflictError:
            pass
    with desk.database.read() as session:
        found = publications.get(session, CIRCULAR, number)
        everything = "\n".join(each.body for each in found.texts)
        assert all(words in everything for words in written)
        head = publications.text(found)
        if found.state == "sending":
            assert found.approved == found.head
            assert found.approver not in ("", publications.last_editor(found))
        entries = [each.action for each in log.entries(session, "circular", number)]
    assert entries.count("sending") <= 1
    assert not head.aside


@pytest.mark.parametrize("state", ["sending", "sent"])
def test_the_database_itself_sends_nothing_unapproved(desk: Desk, state: str) -> None:
    alert = take_notice(desk.database, notice())
    number = desk.draft(CIRCULAR, alert, "workflow")["id"]
    with pytest.raises(IntegrityError, match="sent_is_approved"), desk.database.begin() as session:
        session.execute(sql(f"UPDATE publications SET state = '{state}' WHERE id = {number}"))
    with pytest.raises(IntegrityError, match="sent_is_approved"), desk.database.begin() as session:
        session.get_one(Publication, number).state = state


def test_a_notice_is_drafted_checked_and_approved_as_well(desk: Desk) -> None:
    alert = take_notice(desk.database, notice())
    shown = desk.show(NOTICE, desk.draft(NOTICE, alert, "shifter")["id"])
    assert '"alert_tense": "test"' in shown["body"]
    assert desk.check(NOTICE, shown["id"]) == []
    wrong = shown["body"].replace('"ra": 40.1', '"ra": 41.1')
    desk.edit(NOTICE, shown["id"], 1, shown["subject"], wrong, "shifter")
    found = desk.check(NOTICE, shown["id"])
    assert [(each.where, each.says, each.expected) for each in errors(found)] == [("ra", "41.1", "40.1")]
    with pytest.raises(ConflictError, match="has errors"):
        desk.approve(NOTICE, shown["id"], 2, "approver")
    real = desk.show(NOTICE, desk.draft(NOTICE, alert, "shifter", tense=Tense.CURRENT)["id"])
    assert '"alert_tense": "current"' in real["body"]
    assert desk.approve(NOTICE, real["id"], 1, "approver")["state"] == "approved"
    preview = desk.preview(NOTICE, real["id"])
    assert (preview["web_link"], preview["email"]) == (None, None)
    (found,) = read_revisions(preview["voevent"].encode())
    assert (found.key, found.tense.role, found.ra) == ("137840_1", Role.OBSERVATION, 40.1)


def test_names_and_numbers_that_do_not_exist(desk: Desk) -> None:
    alert = take_notice(desk.database, notice())
    number = desk.draft(CIRCULAR, alert, "shifter")["id"]
    with pytest.raises(UnknownNameError, match="no template is called 'poem'; there are: cascade, coincidence"):
        desk.draft(CIRCULAR, alert, "shifter", "poem")
    with pytest.raises(UnknownNameError, match="no kind of notice is called 'track'"):
        desk.draft(NOTICE, alert, "shifter", "track")
    with pytest.raises(UnknownNameError, match="no notice is called"):
        desk.show(NOTICE, number)
    with pytest.raises(UnknownNameError, match="no revision of circular"):
        desk.show(CIRCULAR, number, 7)
    with pytest.raises(UnknownNameError, match="kind of publication"):
        desk.draft("poem", alert, "shifter")


def test_doubts_about_an_alert_are_warnings(desk: Desk) -> None:
    alert = take_notice(desk.database, notice(energy_tev=0.0))
    number = desk.draft(CIRCULAR, alert, "shifter")["id"]
    found = desk.check(CIRCULAR, number)
    assert [(each.level, each.rule, each.why) for each in found] == [
        (Level.WARNING, "doubt", "revision 0: the energy is 0")
    ]


def test_other_alerts_in_the_region_are_found(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "records.sqlite"))
    database.upgrade()
    desk, alert = Desk(database), take_notice(database, notice())
    scan(database, tmp_path / "scans")
    facts = {
        fact["name"]: fact["value"] for fact in desk.show(CIRCULAR, desk.draft(CIRCULAR, alert, "x")["id"])["facts"]
    }
    before = replace(
        notice(event=7), time=np.datetime64("2025-03-04T05:06:07", "ns"), name="IceCube-250304A",
        ra=float(facts["ra"]), dec=float(facts["dec"]) + 0.1,
    )  # fmt: skip
    take_notice(database, before)
    take_notice(database, replace(before, event=8, name="IceCube-250304B"), Tense.TEST)  # of another world
    shown = desk.show(CIRCULAR, desk.draft(CIRCULAR, alert, "x", "coincidence")["id"])
    assert "- IceCube-250304A: 0.10 deg from the position, 365.00 days before this event." in shown["body"]
    assert "IceCube-250304B" not in shown["body"]
    assert desk.check(CIRCULAR, shown["id"]) == []
    assert Role.TEST
    database.close()
