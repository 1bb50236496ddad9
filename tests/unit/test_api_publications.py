"""Circulars and notices over HTTP: every step with its role, nothing lost when two edit, nothing sent unapproved."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desks import notice, take_notice
from serving import BOWL, PULSES, TABLE, Site, check_problem, opened, running, serving

import skymist
from skymist.client import Client
from skymist.errors import ConflictError, RequestError
from skymist.records.tokens import Access

PATH = "/publications"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with opened(tmp_path_factory.mktemp("site")) as settings, serving(settings) as found:
        take_notice(found.database, notice())
        yield found


def draft(site: Site, **more: Any) -> dict[str, Any]:
    answer = site.call("analyst", "POST", PATH, json={"alert": "IceCube-260304A", **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_the_whole_way_with_every_role(site: Site) -> None:
    check_problem(site.call("viewer", "POST", PATH, json={"alert": "IceCube-260304A"}), 403)
    made = draft(site, remark="The event is the first of its kind.")
    where = f"{PATH}/{made['id']}"
    assert "The event is the first of its kind." in made["body"]
    assert made["spans"][0]["fact"]["name"] == "date"
    assert site.call("viewer", "GET", f"{where}/findings").json() == {"items": [], "next": None}
    text = {"base": 1, "subject": made["subject"], "body": made["body"].replace("0.83", "0.38")}
    assert site.call("analyst", "POST", f"{where}/texts", json=text).json()["head"] == 2
    found = site.call("viewer", "GET", f"{where}/findings").json()["items"]
    assert [(each["level"], each["says"], each["expected"]) for each in found] == [("error", "0.38", "0.83")]
    check_problem(site.call("analyst", "POST", f"{where}/approve", json={"revision": 2}), 403)
    check_problem(site.call("approver", "POST", f"{where}/approve", json={"revision": 2}), 409, "has errors")
    diff = site.call("viewer", "GET", f"{where}/diff").json()["diff"]
    assert "-On 2026-03-04" in diff
    assert "0.38 per year" in diff
    again = {**text, "base": 2, "body": made["body"]}
    assert site.call("analyst", "POST", f"{where}/texts", json=again).json()["head"] == 3
    assert site.call("analyst", "POST", f"{where}/comments", json={"text": "Good."}).json()["number"] == 3
    preview = site.call("viewer", "GET", f"{where}/preview").json()
    check_problem(site.call("approver", "POST", f"{where}/send", json={"confirm": preview["sha256"]}), 409, "is draft")
    assert site.call("approver", "POST", f"{where}/approve", json={"revision": 3}).json()["state"] == "approved"
    check_problem(site.call("analyst", "POST", f"{where}/send", json={"confirm": preview["sha256"]}), 403)
    check_problem(
        site.call("approver", "POST", f"{where}/send", json={"confirm": "0" * 64}), 422, "look at it once more"
    )
    sent = site.call("approver", "POST", f"{where}/send", json={"confirm": preview["sha256"]})
    assert (sent.status_code, sent.json()["state"]) == (202, "sending")
    shown = site.call("viewer", "GET", where).json()
    assert [each["who"] for each in shown["texts"]] == ["analyst"] * 3
    log = site.call("operator", "GET", f"/log?subject=circular&subject_id={made['id']}").json()["items"]
    assert [each["action"] for each in log] == ["sending", "approved", "commented", "edited", "edited", "drafted"]


def test_two_who_edit_at_once_lose_nothing(site: Site) -> None:
    made = draft(site)
    where = f"{PATH}/{made['id']}/texts"
    mine, theirs = (
        {"base": 1, "subject": made["subject"], "body": made["body"] + words} for words in ("Mine.\n", "Theirs.\n")
    )
    assert site.call("analyst", "POST", where, json=mine).json()["aside"] is None
    aside = site.call("approver", "POST", where, json=theirs).json()["aside"]
    assert (aside["revision"], aside["conflicts"]) == (3, 1)
    assert "Mine." in aside["merged"]
    assert "Theirs." in aside["merged"]
    assert aside["reason"] == "there is a later revision, 2, by analyst"
    assert "Theirs." in site.call("viewer", "GET", f"{PATH}/{made['id']}?revision=3").json()["body"]


def test_lists_locks_and_what_is_put_aside(site: Site) -> None:
    made = draft(site, kind="notice")
    where = f"{PATH}/{made['id']}"
    listed = site.call("viewer", "GET", f"{PATH}?kind=notice&state=draft&alert=IceCube-260304A").json()["items"]
    assert made["id"] in [each["id"] for each in listed]
    assert site.call("viewer", "GET", f"{PATH}?kind=notice&limit=1&role=observation").json()["items"] == []
    assert site.call("analyst", "POST", f"{where}/lock").json()["locked_by"] == "analyst"
    check_problem(site.call("approver", "POST", f"{where}/lock"), 409, "is being edited by analyst until")
    assert site.call("approver", "POST", f"{where}/unlock", json={"by_force": True}).json()["locked_by"] == ""
    assert site.call("analyst", "POST", f"{where}/withdraw", json={}).json()["state"] == "withdrawn"
    assert site.call("analyst", "POST", f"{where}/reopen").json()["state"] == "draft"
    check_problem(site.call("analyst", "POST", f"{where}/redraft", json={}), 409, "nothing has changed")


def test_what_does_not_exist_or_makes_no_sense(site: Site) -> None:
    check_problem(site.call("viewer", "GET", f"{PATH}/999"), 404, "no publication is called '999'")
    check_problem(site.call("viewer", "GET", f"{PATH}/0x"), 422)
    check_problem(site.call("analyst", "POST", PATH, json={"alert": "nothing"}), 422, "no alert (observation)")
    check_problem(site.call("analyst", "POST", PATH, json={"alert": "IceCube-260304A", "kind": "poem"}), 422, "poem")
    check_problem(
        site.call("analyst", "POST", PATH, json={"alert": "IceCube-260304A", "template": "poem"}), 422, "poem"
    )
    check_problem(site.call("analyst", "POST", PATH, json={"alert": "IceCube-260304A", "scan": "abcdefabcdef"}), 422)
    made = draft(site)
    text = {"base": 7, "subject": "x", "body": "y"}
    check_problem(site.call("analyst", "POST", f"{PATH}/{made['id']}/texts", json=text), 422, "no revision of circular")


def test_the_client_does_the_same(site: Site) -> None:
    def client(role: Access) -> Client:
        return skymist.connect(site.url, site.tokens[role])

    with client(Access.ANALYST) as analyst, client(Access.APPROVER) as approver:
        made = analyst.circulars.draft("IceCube-260304A", remark="A remark of people.")
        number = made["id"]
        told = analyst.circulars.edit(number, 1, made["subject"], made["body"] + "More words.\n", "added words")
        assert told["head"] == 2
        assert analyst.circulars.check(number) == []
        with pytest.raises(RequestError, match="needs the role approver"):
            analyst.circulars.approve(number, 2)
        assert approver.circulars.approve(number, 2)["approver"] == "approver"
        assert "+More words." in approver.circulars.diff(number)
        approver.circulars.comment(number, "Fine.")
        assert [each["text"] for each in analyst.circulars.show(number)["comments"]] == ["Fine."]
        assert number in [each["id"] for each in analyst.circulars.find(state="approved")]
        sha256 = analyst.circulars.preview(number)["sha256"]
        assert approver.circulars.send(number, sha256)["state"] == "sending"
        with pytest.raises(ConflictError, match="is sending"):
            analyst.circulars.withdraw(number)
        other = analyst.circulars.draft("IceCube-260304A", template="update")["id"]
        assert "revised position" in analyst.circulars.show(other)["subject"]
        analyst.circulars.lock(other)
        analyst.circulars.unlock(other)
        analyst.circulars.withdraw(other, "not needed")
        assert analyst.circulars.reopen(other)["state"] == "draft"
        approver.circulars.approve(other, 1)
        assert approver.circulars.sent_by_hand(other, "34265")["number"] == "34265"
        with pytest.raises(ConflictError, match="nothing has changed"):
            analyst.notices.redraft(analyst.notices.draft("IceCube-260304A")["id"])


def test_counterparts_of_a_scan(tmp_path: Path) -> None:
    with opened(tmp_path) as settings, serving(settings) as site:
        with running(settings), skymist.connect(site.url, site.tokens[Access.ANALYST]) as client:
            (tmp_path / "e.csv").write_text(TABLE.format(run=137840, event=1) + PULSES)
            scan = client.scan(tmp_path / "e.csv", **BOWL)
            scan.wait()
            found = scan.matches("neutrino-candidates", calibration="wilks")
        assert (found["calibration"], found["trials"]["catalogs"]) == ("wilks", 1)
        (only,) = found["matches"]
        assert only["catalog"]["name"] == "neutrino-candidates"
        assert set(only["chance"]) >= {"expected_local", "p_number", "p_best"}
        where = f"/scans/{scan.id}/matches"
        check_problem(site.call("viewer", "GET", f"{where}?catalog=/etc/passwd.yaml"), 422, "no catalog is called")
        check_problem(site.call("viewer", "GET", f"{where}?calibration=x"), 422, "no calibration")
        assert "neutrino-candidates" in [
            each["name"] for each in site.call("viewer", "GET", "/catalogs").json()["items"]
        ]
