"""Scans over HTTP: asked for, listed, changed and replaced."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from serving import BOWL, Site, check_problem, opened, serving

from skymist.api import ApiSettings
from skymist.records import Database
from skymist.records.tables import ScanState


@pytest.fixture
def site(database: Database, tmp_path: Path) -> Iterator[Site]:
    with serving(ApiSettings(database, str(tmp_path / "scans"))) as found:
        yield found


def test_the_same_request_is_the_same_scan(site: Site) -> None:
    event = site.event()
    body = {**BOWL, "workers": 2, "priority": 7, "cluster": "local"}
    new = site.call("analyst", "POST", "/scans", json={"event": event, **body})
    assert new.status_code == 201
    scan = new.json()
    assert new.headers["location"] == f"/v1/scans/{scan['id']}"
    assert (scan["state"], scan["workers"], scan["priority"], scan["event_id"]) == ("queued", 2, 7, event)
    for name in ("137840/1", "137840_1", event):
        known = site.call("analyst", "POST", "/scans", json={"event": name, **BOWL})
        assert (known.status_code, known.json()["id"], known.json()["priority"]) == (200, scan["id"], 7)
    alert = site.call("viewer", "GET", "/alerts/137840_1").json()
    assert (alert["scans"], alert["events"]) == ([scan["id"]], [event])
    assert site.call("viewer", "GET", f"/scans/{scan['id']}").json() == scan
    assert site.call("viewer", "GET", f"/scans/{scan['id'][:8]}").json() == scan
    check_problem(site.call("viewer", "GET", "/scans/" + "0" * 64), 404, "no scan is called")
    check_problem(site.call("viewer", "GET", "/scans/zz"), 422)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"event": "1/2"}, "no event is called '1/2'"),
        ({"event": "\x00"}, "body.event"),
        ({"reco": "bowls"}, "no reconstruction is called 'bowls'"),
        ({"options": {"depth": 1}}, "no option of bowl is called 'depth'"),
        ({"options": {"width_deg": 0}}, "bowl needs width_deg > 0"),
        ({"options": {"width_deg": "1e999"}}, "is not a finite number"),
        ({"options": {"width_deg": 10**400}}, "is too large a number"),
        ({"options": {"width_deg": [1]}}, "body.options.width_deg"),
        ({"options": {"rule": "\x00"}, "reco": "auto"}, "body.options.rule"),
        ({"levels": "8:1"}, "the first level has extension 0"),
        ({"levels": "9:0"}, "9"),
        ({"cone": "here,3"}, "no earlier reconstruction is called 'here'"),
        ({"cone": "nan,0,3"}, "a cone of RA nan"),
        ({"seeds": 10}, "body.seeds"),
        ({"seed": -1}, "body.seed"),
        ({"level_options": {"9": {}}}, "options for nside 9"),
        ({"cluster": "cloud"}, "no cluster is called 'cloud'"),
        ({"cluster": "/etc/cluster.yaml"}, "no cluster is called"),
        ({"cluster": "tcp://127.0.0.1:8786"}, "no cluster is called"),
        ({"workers": 0}, "body.workers"),
        ({"priority": "7"}, "body.priority"),
        ({"colour": "red"}, "body.colour"),
    ],
)
def test_what_makes_no_sense_is_refused_and_says_why(
    known: tuple[Site, str], changes: dict[str, Any], reason: str
) -> None:
    site, event = known
    answer = site.call("analyst", "POST", "/scans", json={"event": event, **BOWL, **changes})
    check_problem(answer, 422, reason)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, str]]:
    """A site with an event, which the tests leave as it is."""
    with opened(tmp_path_factory.mktemp("site")) as settings, serving(settings) as site:
        yield site, site.event()


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"event": NaN}', b'{"event": "\\ud800"}', b"\xff", b"[" * 9000]
)
def test_odd_bodies(known: tuple[Site, str], body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = known[0].call("analyst", "POST", "/scans", content=body, headers=headers)
    assert answer.status_code in (400, 422)
    check_problem(answer, answer.status_code)


def test_lists_are_filtered_and_come_in_parts(site: Site) -> None:
    first, second = site.event(1), site.event(2, 137841)
    made = [site.scan(first, seed=k)["id"] for k in range(4)] + [site.scan(second, cone="10,10,5")["id"]]
    site.move(made[1], ScanState.RUNNING, ScanState.COMPLETE, rule="gold")
    site.move(made[2], ScanState.RUNNING)

    def found(query: str) -> list[str]:
        answer = site.call("viewer", "GET", f"/scans?{query}")
        assert answer.status_code == 200, answer.text
        return [each["id"] for each in answer.json()["items"]]

    assert found("") == made[::-1]
    assert found("state=complete") == [made[1]]
    assert found("state=complete&state=running") == [made[2], made[1]]
    assert found(f"event={second}") == found("event=137841/2") == found("alert=137841_2") == [made[4]]
    assert found("reconstruction=bowl&rule=gold") == [made[1]]
    assert found("reconstruction=cascade") == found("role=test") == []
    assert len(found("role=observation")) == 5
    now = quote((datetime.now(UTC) + timedelta(hours=1)).isoformat())
    assert (found(f"since={now}"), len(found(f"until={now}"))) == ([], 5)
    check_problem(site.call("viewer", "GET", "/scans?alert=none"), 422, "no alert")
    check_problem(site.call("viewer", "GET", "/scans?fields=id,beat"), 422, "no field of a scan is called 'beat'")
    part, seen = "/v1/scans?limit=2&fields=state,created", []
    while part:
        answer = site.call("viewer", "GET", part.removeprefix("/v1")).json()
        assert all(set(each) == {"id", "state", "created"} for each in answer["items"])
        assert 1 <= len(answer["items"]) <= 2
        seen += [each["id"] for each in answer["items"]]
        part = answer["next"]
    assert seen == made[::-1]


def test_scans_are_cancelled_run_again_and_deleted(site: Site) -> None:
    scan = site.scan(site.event())["id"]
    path = f"/scans/{scan}"
    check_problem(site.call("analyst", "POST", f"{path}/rescan"), 409, "is queued")
    assert site.call("analyst", "POST", f"{path}/workers", json={"workers": 5}).json()["workers"] == 5
    assert site.call("analyst", "POST", f"{path}/cancel").json()["state"] == "cancelled"
    check_problem(site.call("analyst", "POST", f"{path}/cancel"), 409, "is cancelled")
    check_problem(site.call("analyst", "POST", f"{path}/workers", json={"workers": 6}), 409, "have not ended")
    again = site.call("analyst", "POST", f"{path}/rescan").json()
    assert (again["state"], again["attempt"]) == ("queued", 2)
    site.move(scan, ScanState.RUNNING)
    assert site.call("analyst", "POST", f"{path}/cancel").json()["wanted"] == "cancelled"
    assert site.call("viewer", "GET", f"{path}/progress").json()["wanted"] == "cancelled"
    site.move(scan, ScanState.COMPLETE)
    check_problem(site.call("analyst", "DELETE", path), 409, "only ?force=true deletes it")
    assert site.call("analyst", "DELETE", f"{path}?force=true").status_code == 204
    check_problem(site.call("analyst", "DELETE", path), 410)
    for method, rest in (
        ("GET", ""),
        ("GET", "/progress"),
        ("GET", "/events"),
        ("GET", "/result"),
        ("POST", "/cancel"),
    ):
        check_problem(site.call("analyst", method, path + rest), 410, "was deleted")
    assert site.call("viewer", "GET", "/scans").json()["items"] == []
    assert site.scan("137840/1")["attempt"] == 3  # asking for it brings it back
    assert site.call("analyst", "DELETE", path).status_code == 204  # and cancels it
    assert site.call("analyst", "POST", f"{path}/rescan").json()["state"] == "queued"
    entries = site.call("operator", "GET", f"/log?subject=scan&subject_id={scan}&who=analyst").json()["items"]
    assert [each["action"] for each in entries][::-1] == [
        "asked for", "resized", "cancelled", "queued", "cancelling", "deleted", "queued", "cancelled", "deleted",
        "queued",
    ]  # fmt: skip


def test_a_scan_that_was_replaced_leads_to_the_new_one(site: Site) -> None:
    old = site.scan(site.event(), options={"width_deg": 2})
    body = {"changes": {"options": {"ra_deg": 10}}, "replace": True}
    answer = site.call("analyst", "POST", f"/scans/{old['id']}/remix", json=body)
    assert answer.status_code == 201
    new = answer.json()
    assert new["wish"] == {**old["wish"], "options": {"width_deg": 2, "ra_deg": 10}}
    moved = site.call("viewer", "GET", f"/scans/{old['id']}/progress")
    check_problem(moved, 308, f"scan {new['id'][:12]} took its place")
    assert moved.headers["location"] == f"/v1/scans/{new['id']}/progress"
    moved = site.call("viewer", "GET", f"/scans/{old['id'][:10]}/result?format=png")
    assert moved.headers["location"] == f"/v1/scans/{new['id']}/result?format=png"
    posted = site.call("analyst", "POST", f"/scans/{old['id']}/cancel", follow_redirects=True)
    assert [each.status_code for each in posted.history] == [307]
    assert (posted.json()["id"], posted.json()["state"]) == (new["id"], "cancelled")
    back = {"changes": {"options": {"ra_deg": 120}, "levels": "2:0"}, "replace": True}
    last = site.call("analyst", "POST", f"/scans/{new['id']}/remix", json=back).json()
    final = site.call("viewer", "GET", f"/scans/{old['id']}")
    assert final.headers["location"] == f"/v1/scans/{last['id']}"
    site.move(last["id"], replaced_by=old["id"])  # a ring leads nowhere
    assert site.call("viewer", "GET", f"/scans/{old['id']}").status_code == 200
    check_problem(site.call("analyst", "POST", f"/scans/{old['id']}/remix", json={"changes": {}}), 422, "the same")
    wrong = {"changes": {"event": "x"}}
    check_problem(site.call("analyst", "POST", f"/scans/{old['id']}/remix", json=wrong), 422, "body.changes.event")
