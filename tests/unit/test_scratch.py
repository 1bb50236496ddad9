"""What is being typed is kept: for who types it, one text each, until it is saved or cannot be saved any more."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from desks import notice, take_notice
from serving import Site, check_problem, opened, serving
from sqlalchemy import select

import skymist
from skymist.client import Client
from skymist.errors import ConflictError, RequestError, UnknownNameError
from skymist.records import Database, dump
from skymist.records.publications import CIRCULAR
from skymist.records.tables import Scratch
from skymist.records.tokens import Access
from skymist.workflow.desk import Desk
from skymist.workflow.desk_settings import DeskSettings
from skymist.workflow.outgoing import desk_settings


def made(database: Database) -> tuple[Desk, int]:
    """A desk with a circular."""
    desk = Desk(database)
    return desk, int(desk.draft(CIRCULAR, take_notice(database, notice()), "workflow")["id"])


def kept(database: Database) -> list[tuple[str, int, str]]:
    with database.read() as session:
        found = session.scalars(select(Scratch).order_by(Scratch.who))
        return [(each.who, each.base, each.body) for each in found]


def test_the_last_text_of_each_person_is_kept(database: Database) -> None:
    desk, number = made(database)
    first = desk.jot(CIRCULAR, number, 1, "a subject", "One.", "ana")
    desk.jot(CIRCULAR, number, 1, "a subject", "Two.", "bob")
    again = desk.jot(CIRCULAR, number, 1, "", "One and more.", "ana", _time(first))
    assert kept(database) == [("ana", 1, "One and more."), ("bob", 1, "Two.")]
    assert desk.scratch(CIRCULAR, number, "ana") == again
    assert desk.scratch(CIRCULAR, number, "eve") is None
    desk.forget(CIRCULAR, number, "ana")
    desk.forget(CIRCULAR, number, "ana")
    assert [who for who, _, _ in kept(database)] == ["bob"]


def _time(told: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(told["changed"])


def test_two_windows_of_one_person_do_not_overwrite_each_other(database: Database) -> None:
    desk, number = made(database)
    first = desk.jot(CIRCULAR, number, 1, "s", "From one window.", "ana")
    for seen in (None, _time(first) - timedelta(microseconds=1)):
        with pytest.raises(ConflictError, match=r"ana has typed in circular 1 in another window, at [\d:]{8} UTC"):
            desk.jot(CIRCULAR, number, 1, "s", "From the other.", "ana", seen)
    assert kept(database) == [("ana", 1, "From one window.")]
    same = desk.jot(CIRCULAR, number, 1, "s", "From one window.", "ana")  # a request that comes twice
    assert same["changed"] == first["changed"]
    desk.jot(CIRCULAR, number, 1, "s", "From the other.", "ana", _time(first))
    assert kept(database) == [("ana", 1, "From the other.")]


def test_what_is_saved_is_not_kept_twice(database: Database) -> None:
    desk, number = made(database)
    desk.jot(CIRCULAR, number, 1, "s", "Of ana.\n\n", "ana")
    desk.jot(CIRCULAR, number, 1, "s", "Of bob.", "bob")
    desk.edit(CIRCULAR, number, 1, "s", "Something else.", "ana")
    assert [who for who, _, _ in kept(database)] == ["ana", "bob"]
    desk.edit(CIRCULAR, number, 2, "s", "Of ana.", "ana")
    assert [who for who, _, _ in kept(database)] == ["bob"]
    assert desk.edit(CIRCULAR, number, 1, "s", "Of bob.", "bob")["aside"] is not None
    assert kept(database) == []  # what is put aside is a revision, too


@pytest.mark.parametrize("end", ["withdrawn", "sent"])
def test_what_cannot_be_saved_any_more_is_removed(database: Database, end: str) -> None:
    desk, number = made(database)
    desk.jot(CIRCULAR, number, 1, "s", "Words.", "ana")
    if end == "withdrawn":
        desk.withdraw(CIRCULAR, number, "bob")
    else:
        desk.approve(CIRCULAR, number, 1, "bob")
        assert len(kept(database)) == 1
        desk.sent_by_hand(CIRCULAR, number, "34567", "bob")
    assert kept(database) == []
    with pytest.raises(ConflictError, match=f"is {end}; what is edited is a draft, or approved"):
        desk.jot(CIRCULAR, number, 1, "s", "Words.", "ana")


def test_of_nothing_there_is_no_scratch(database: Database) -> None:
    desk, number = made(database)
    with pytest.raises(UnknownNameError, match="no circular is called '99'"):
        desk.jot(CIRCULAR, 99, 1, "s", "b", "ana")
    with pytest.raises(UnknownNameError, match="no revision of circular 1 is called '7'"):
        desk.jot(CIRCULAR, number, 7, "s", "b", "ana")
    assert kept(database) == []


def test_archives_hold_no_scratches(database: Database) -> None:
    desk, number = made(database)
    with dump.one_state(database) as session:
        before = dump.content_hash(session)
    desk.jot(CIRCULAR, number, 1, "s", "Half a sen", "ana")
    with dump.one_state(database) as session:
        assert dump.content_hash(session) == before
    assert "scratches" in dump.KEPT_BACK


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    desk = desk_settings({"gcn": {"url": "http://127.0.0.1:9"}})
    with opened(tmp_path_factory.mktemp("site"), desk=desk) as settings, serving(settings) as found:
        take_notice(found.database, notice())
        yield found


def draft(site: Site) -> tuple[str, dict[str, Any]]:
    answer = site.call("analyst", "POST", "/publications", json={"alert": "IceCube-260304A"})
    return f"/publications/{answer.json()['id']}/scratch", dict(answer.json())


def test_an_answer_says_what_is_wrong_where_and_which_facts_stand_where(site: Site) -> None:
    where, first = draft(site)
    assert site.call("analyst", "GET", where).json() is None
    body = "Half a sentence. " + first["body"].replace("0.83", "0.38")
    text = {"base": 1, "subject": first["subject"], "body": body}
    told = site.call("analyst", "PUT", where, json=text).json()
    assert {key: told[key] for key in text} == text
    assert [body[each["start"] : each["end"]] for each in told["findings"]] == ["0.38"]
    for span in told["spans"]:
        assert body[span["start"] : span["end"]] != ""
    names = [each["fact"]["name"] for each in told["spans"]]
    assert "far_per_year" not in names
    assert {"ra", "dec", "energy_tev"} <= set(names)
    assert site.call("analyst", "GET", where).json() == told
    assert site.call("approver", "GET", where).json() is None
    assert site.call("analyst", "DELETE", where).status_code == 204
    assert site.call("analyst", "GET", where).json() is None


def test_who_may_not_edit_has_no_scratch(site: Site) -> None:
    where, first = draft(site)
    text = {"base": 1, "subject": first["subject"], "body": "x"}
    for method, more in (("GET", {}), ("PUT", {"json": text}), ("DELETE", {})):
        check_problem(site.call("viewer", method, where, **more), 403, "needs the role analyst")
    check_problem(site.call("analyst", "PUT", where, json={**text, "body": "\0"}), 422)
    check_problem(site.call("analyst", "PUT", where, json={**text, "base": 0}), 422)
    check_problem(site.call("analyst", "PUT", where, json={**text, "seen": "noon"}), 422, "is not a time")


def test_the_client_does_the_same(site: Site) -> None:
    def client(role: Access) -> Client:
        return skymist.connect(site.url, site.tokens[role])

    with client(Access.ANALYST) as ana, client(Access.VIEWER) as viewer:
        number = ana.circulars.draft("IceCube-260304A")["id"]
        assert ana.circulars.scratch(number) is None
        told = ana.circulars.keep_scratch(number, 1, "s", "One.")
        with pytest.raises(ConflictError, match="another window"):
            ana.circulars.keep_scratch(number, 1, "s", "Two.")
        told = ana.circulars.keep_scratch(number, 1, "s", "Two.", told["changed"])
        assert ana.circulars.scratch(number) == told
        with pytest.raises(RequestError, match="needs the role analyst"):
            viewer.circulars.scratch(number)
        ana.circulars.discard_scratch(number)
        assert ana.circulars.scratch(number) is None


def test_a_preview_says_where_it_would_go(site: Site) -> None:
    where, first = draft(site)
    told = site.call("viewer", "GET", where.replace("scratch", "preview")).json()
    assert (told["channel"], told["destination"], told["stand_in"]) == ("gcn", "http://127.0.0.1:9", True)
    assert told["real"] is False
    assert "only tests may go out" in told["hindrance"]
    assert first["edited_by"] == "analyst"


def test_what_hinders_that_something_goes_out() -> None:
    gcn = {"token_url": "https://a/t", "client_id": "a", "client_secret": "b", "refresh_token": "c"}
    notices = {"topic": "t", "settings": {"bootstrap.servers": "$SERVERS"}}
    real = desk_settings({"real": True, "gcn": gcn}, notices, {"SERVERS": "kafka.gcn.nasa.gov"})
    assert real.destinations == {"circular": "https://gcn.nasa.gov", "notice": "kafka.gcn.nasa.gov, topic t"}
    assert not real.is_stand_in("circular")
    assert not real.is_stand_in("notice")
    assert real.hindrance("circular", "observation") == ""
    assert "only the real sky may go out" in real.hindrance("circular", "test")
    tests = replace(real, real=False, destinations={"circular": "https://gcn.nasa.gov.example.org"})
    assert tests.is_stand_in("circular")
    assert tests.hindrance("circular", "test") == ""
    assert DeskSettings().hindrance("notice", "test") == "this site sends no notices: its settings say no address"
