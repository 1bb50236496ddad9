"""Alerts, notices, events and what could not be read, over HTTP."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import PULSES, TABLE, Site, check_problem, serving

from skymist.api import ApiSettings
from skymist.records import Database, tables
from skymist.records.tables import ScanState, now


@pytest.fixture
def site(database: Database, tmp_path: Path) -> Iterator[Site]:
    with serving(ApiSettings(database, str(tmp_path / "scans"))) as found:
        yield found


def notice(**changes: Any) -> bytes:
    """A notice as GCN's topic for single neutrinos has them."""
    usual = {"id": ["137840_1"], "event_name": ["IceCube-260304A"], "trigger_time": "2026-03-04T05:06:07.123Z",
             "alert_datetime": "2026-03-04T05:07:00Z", "alert_type": "initial", "alert_tense": "current",
             "record_number": 0, "pipeline": "Gold", "ra": 10.5, "dec": -3.25}  # fmt: skip
    return json.dumps({**usual, **changes}).encode()


def names(site: Site, query: str = "") -> list[str]:
    return [each["name"] for each in site.call("viewer", "GET", f"/alerts?{query}").json()["items"]]


def test_a_notice_makes_an_alert_once(site: Site) -> None:
    first = site.call("analyst", "POST", "/notices?name=n.json", content=notice())
    assert (first.status_code, first.json()["alerts"]) == (201, ["IceCube-260304A"])
    again = site.call("analyst", "POST", "/notices", content=notice())
    assert (again.status_code, again.json()) == (200, first.json())
    update = notice(alert_type="update", record_number=1, ra=10.75, alert_datetime="2026-03-04T09:00:00Z")
    assert (
        site.call("analyst", "POST", "/notices", content=update, headers={"X-File-Name": "u.json"}).status_code == 201
    )
    for name in ("IceCube-260304A", "ic260304a", "137840_1"):
        alert = site.call("viewer", "GET", f"/alerts/{name}").json()
        assert (alert["name"], alert["stream"], alert["retracted"]) == ("IceCube-260304A", "gold", False)
        assert alert["current"]["ra"] == 10.75
    revisions = site.call("viewer", "GET", "/alerts/IceCube-260304A/revisions").json()["items"]
    assert [(each["number"], each["content"]["ra"]) for each in revisions] == [(0, 10.5), (1, 10.75)]
    assert revisions == alert["revisions"]
    assert revisions[0]["input_id"] == first.json()["input_id"]
    entries = site.call("viewer", "GET", "/alerts/IceCube-260304A/log").json()["items"]
    assert {each["who"] for each in entries if each["action"] == "revised"} == {"analyst"}
    check_problem(site.call("viewer", "GET", "/alerts/IceCube-990101A"), 404, "no alert (observation) is called")


def test_lists_leave_tests_out(site: Site) -> None:
    for run, day, more in ((1, 1, {}), (2, 2, {"pipeline": "Bronze"}), (3, 3, {"alert_tense": "test"})):
        content = notice(id=[f"{run}_1"], event_name=None, trigger_time=f"2026-01-0{day}T00:00:00Z", **more)
        assert site.call("analyst", "POST", "/notices", content=content).status_code == 201
    assert names(site) == ["IceCube-260102A", "IceCube-260101A"]
    assert len(names(site, "role=test")) == 1
    assert names(site, "stream=bronze") == ["IceCube-260102A"]
    assert names(site, "since=2026-01-02T00:00:00Z") == ["IceCube-260102A"]
    assert names(site, "until=2026-01-02T01:00:00%2B01:00") == ["IceCube-260101A"]
    assert names(site, "retracted=true") == names(site, "has_scan=true") == []
    part = site.call("viewer", "GET", "/alerts?limit=1").json()
    rest = site.call("viewer", "GET", part["next"].removeprefix("/v1")).json()
    assert [each["name"] for each in part["items"] + rest["items"]] == names(site)
    assert rest["next"] is None
    check_problem(site.call("viewer", "GET", "/alerts/3_1"), 404)
    assert site.call("viewer", "GET", "/alerts/3_1?role=test").json()["role"] == "test"


def test_an_alert_with_a_scan_is_found(site: Site) -> None:
    site.call("analyst", "POST", "/notices", content=notice())
    site.call("analyst", "POST", "/notices", content=notice(id=["5_5"], event_name=None))
    scan = site.scan(site.event())["id"]
    assert (names(site, "has_scan=true"), len(names(site, "has_scan=false"))) == (["IceCube-260304A"], 1)
    assert site.call("viewer", "GET", "/scans?alert=IceCube-260304A").json()["items"][0]["id"] == scan
    site.call("analyst", "DELETE", f"/scans/{scan}")
    assert names(site, "has_scan=true") == []


def test_an_alert_is_taken_back_with_a_reason(site: Site) -> None:
    site.call("analyst", "POST", "/notices", content=notice())
    path = "/alerts/IceCube-260304A/retract"
    check_problem(site.call("analyst", "POST", path, json={"reason": "noise"}), 403, "needs the role approver")
    check_problem(site.call("approver", "POST", path, json={"reason": " "}), 422, "a reason in words")
    check_problem(site.call("approver", "POST", path, json={"reason": "noise", "role": "test"}), 404)
    alert = site.call("approver", "POST", path, json={"reason": "noise"}).json()
    assert (alert["retracted"], alert["current"]["comment"], alert["current"]["kind"]) == (True, "noise", "retraction")
    check_problem(site.call("approver", "POST", path, json={"reason": "noise"}), 409, "is retracted already")
    entries = site.call("viewer", "GET", "/alerts/IceCube-260304A/log").json()["items"]
    assert ("approver", "retracted") in {(each["who"], each["action"]) for each in entries}
    assert names(site, "retracted=true") == ["IceCube-260304A"]


def test_what_cannot_be_read_is_kept_and_tried_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = check_problem(
        site.call("analyst", "POST", "/notices?name=x.json", content=b"{"), 422, "kept in quarantine"
    )
    other = check_problem(site.call("analyst", "POST", "/events?name=e.csv", content=b"#"), 422, "kept in quarantine")
    assert "/tmp" not in other["detail"]
    items = site.call("analyst", "GET", "/quarantine").json()["items"]
    assert [(each["id"], each["kind"], each["position"], each["source"], each["size"]) for each in items] == [
        (other["input"], "event", "e.csv", "analyst", 1), (problem["input"], "notice", "x.json", "analyst", 1),
    ]  # fmt: skip
    check_problem(site.call("viewer", "GET", "/quarantine"), 403)
    path = f"/quarantine/{problem['input']}/retry"
    check_problem(site.call("viewer", "POST", path), 403)
    again = check_problem(site.call("analyst", "POST", path), 422, "kept in quarantine")
    assert again["input"] == problem["input"]
    monkeypatch.setattr("skymist.workflow.ingest.read_revisions", lambda *_: ())
    taken = site.call("analyst", "POST", path).json()
    assert (taken["status"], taken["size"]) == ("accepted", 1)
    check_problem(site.call("operator", "POST", path), 409, "is accepted")
    check_problem(site.call("operator", "POST", f"/quarantine/{'0' * 64}/retry"), 404)


def test_events_are_uploaded_once(site: Site) -> None:
    content = TABLE.format(run=137840, event=7) + PULSES
    first = site.call("analyst", "POST", "/events", content=content, headers={"X-File-Name": "e.csv"})
    again = site.call("analyst", "POST", "/events?name=e.csv", content=content)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    site.event(8)
    items = site.call("viewer", "GET", "/events").json()["items"]
    assert [each["event"] for each in items] == [8, 7]
    found = site.call("viewer", "GET", f"/events/{first.json()['event_id']}").json()
    assert found == items[1] == site.call("viewer", "GET", "/events/137840_7").json()
    assert (found["run"], found["event"], found["file"], found["role"]) == (137840, 7, "e.csv", "observation")
    assert site.call("viewer", "GET", "/events?run=1").json()["items"] == []
    part = site.call("viewer", "GET", "/events?limit=1").json()
    rest = site.call("viewer", "GET", part["next"].removeprefix("/v1")).json()
    assert part["items"] + rest["items"] == items
    for name in ("../x", "a/b", "..", "%00", "a" * 300):
        check_problem(site.call("analyst", "POST", f"/events?name={name}", content=b"x"), 422, "query.name")


def test_what_there_is(site: Site) -> None:
    known = {each["name"]: each for each in site.call("viewer", "GET", "/reconstructions").json()["items"]}
    assert {"bowl", "cascade", "track-losses", "track-mpe"} <= set(known)
    assert known["bowl"]["options"][0] == {
        "name": "ra_deg", "type": "float", "default": 120.0, "about": "The minimum, ICRS.", "unit": "deg",
        "above": None, "minimum": None, "maximum": None, "choices": [], "rule": "",
    }  # fmt: skip
    assert [each["rule"] for each in known["cascade"]["options"]] == [
        "0 < charge_weight <= 10", "0 < charge_spread <= 10", "1 <= starts <= 20", "points = 1 or 2"
    ]  # fmt: skip
    assert next(iter(known)) == "auto"
    assert (known["auto"]["levels"], known["auto"]["options"][0]["choices"]) == ("", ["likelihood", "icecube"])
    assert known["cascade"]["levels"] == "8:0,64:12"
    assert "local" in [each["name"] for each in site.call("viewer", "GET", "/clusters").json()["items"]]
    with site.database.begin() as session:
        session.add(tables.Stream(name="gcn", state="reading", lag=3, heard=now()))
    streams = site.call("viewer", "GET", "/streams").json()["items"]
    assert [(each["name"], each["state"], each["lag"]) for each in streams] == [("gcn", "reading", 3)]
    health = site.call(None, "GET", "/health").json()
    assert (health["status"], health["database"]) == ("ok", site.database.version())


def test_numbers_for_prometheus(site: Site) -> None:
    site.call("analyst", "POST", "/notices", content=notice())
    site.call("analyst", "POST", "/notices", content=b"{")
    scan = site.scan(site.event())["id"]
    site.move(scan, ScanState.RUNNING, started=now())
    site.move(scan, ScanState.COMPLETE)
    with site.database.begin() as session:
        session.add(tables.Stream(name="gcn", lag=3, heard=now()))
    text = site.call("viewer", "GET", "/metrics").text
    for line in (
        'skymist_scans{state="complete"} 1.0', 'skymist_scans{state="queued"} 0.0',
        'skymist_alerts{role="observation",stream="gold"} 1.0', 'skymist_inputs{status="quarantined"} 1.0',
        'skymist_inputs{status="accepted"} 2.0', 'skymist_stream_lag{stream="gcn"} 3.0',
        'skymist_request_seconds_count{method="POST",route="/v1/notices",status="201"} 1.0',
        'skymist_request_seconds_count{method="POST",route="/v1/notices",status="422"} 1.0',
    ):  # fmt: skip
        assert line in text.splitlines()
    stages = [line for line in text.splitlines() if line.startswith("skymist_stage_seconds{")]
    assert len(stages) == 9
    assert all(float(line.split()[-1]) >= 0 for line in stages)
