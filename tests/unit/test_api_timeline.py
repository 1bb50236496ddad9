"""The timeline of an alert and the list of its files, over HTTP."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from desks import notice as revision
from desks import scan, take_notice
from serving import BOWL, PULSES, TABLE, Site, check_problem, opened, serving
from unit.test_api_alerts import notice

import skymist
from skymist.model.alert import Tense
from skymist.workflow.archive.describe import FORMATS
from skymist.workflow.exports import EXPORTS

NAME = "IceCube-260304A"
EVENT_TIME = "2026-03-04T05:06:07.123456789Z"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with an alert with all that can happen to one."""
    folder = tmp_path_factory.mktemp("site")
    with opened(folder) as settings, serving(settings) as found:
        take_notice(found.database, revision())
        scan(found.database, folder / "scans")
        take_notice(found.database, revision(number=1, ra=40.6, energy_tev=180.0))
        send_a_circular(found)
        record = found.call("viewer", "GET", f"/alerts/{NAME}").json()["record"]
        assert found.call("approver", "POST", f"/records/{record}/release", json={}).status_code == 200
        said = {"reason": "<b>noise</b>"}
        assert found.call("approver", "POST", f"/alerts/{NAME}/retract", json=said).status_code == 200
        withdrawn = found.call("approver", "POST", f"/records/{record}/withdraw", json={"reason": "it was noise"})
        assert withdrawn.status_code == 200
        yield found


def send_a_circular(site: Site) -> None:
    made = site.call("analyst", "POST", "/publications", json={"alert": NAME}).json()
    where = f"/publications/{made['id']}"
    assert site.call("analyst", "POST", f"{where}/comments", json={"text": "Looks good."}).status_code == 201
    assert site.call("approver", "POST", f"{where}/approve", json={"revision": 1}).status_code == 200
    assert site.call("approver", "POST", f"{where}/sent", json={"number": "GCN 12345"}).status_code == 200


def timeline(site: Site, query: str = "", name: str = NAME) -> dict[str, Any]:
    return dict(site.call("viewer", "GET", f"/alerts/{name}/timeline?{query}").json())


def test_everything_is_there_and_in_order(site: Site) -> None:
    steps = timeline(site)["steps"]
    assert [each["time"] for each in steps] == sorted(each["time"] for each in steps)
    words = [(each["kind"], each["what"].split(" (")[0]) for each in steps]
    scan_id = site.call("viewer", "GET", f"/scans?alert={NAME}").json()["items"][0]["id"]
    assert words == [
        ("event", "event in the detector"), ("notice", "notice, revision 0"), ("file", "event file came in"),
        *(("scan", f"scan {scan_id[:8]}") for _ in range(3)), ("notice", "notice, revision 1"),
        ("circular", "circular 1 drafted"), ("comment", "circular 1 commented"), ("circular", "circular 1 approved"),
        ("circular", "circular 1 sent as GCN 12345"), ("release", "the alert released to the public"),
        ("retraction", "the alert was retracted"), ("release", "the alert withdrawn from the public"),
    ]  # fmt: skip
    assert [each["who"] for each in steps][-7:] == ["analyst"] * 2 + ["approver"] * 5
    assert [each["milestone"] for each in steps if each["milestone"]] == ["notice", "map", "circular"]


def test_steps_tell_more(site: Site) -> None:
    details = {each["what"]: each["detail"] for each in timeline(site)["steps"]}
    assert details["the alert was retracted"].startswith("reason: <b>noise</b>; issued ")
    assert (
        "against revision 0: moved by 0.49°, energy 210.5 TeV → 180 TeV"
        in details["notice, revision 1 (update), came in"]
    )
    assert "Looks good." in details["circular 1 commented"]
    assert details["the alert withdrawn from the public"] == "reason: it was noise"
    assert any("best fit RA" in each and "deg²" in each for each in details.values())
    assert any(each.startswith("by a person; nside 2, nside 8") for each in details.values())


def test_latencies_are_those_of_the_times(site: Site) -> None:
    found = timeline(site)
    steps, origin = found["steps"], np.datetime64(EVENT_TIME[:-1], "ns")
    assert found["time"] == EVENT_TIME
    for before, step in pairwise(steps):
        moment = np.datetime64(step["time"][:-1], "ns")
        assert step["since_event_s"] == pytest.approx((moment - origin) / np.timedelta64(1, "s"))
        gap = (moment - np.datetime64(before["time"][:-1], "ns")) / np.timedelta64(1, "s")
        assert step["since_before_s"] == pytest.approx(gap)
        assert step["since_before_s"] >= 0
    assert list(found["milestones"]) == ["notice", "map", "circular"]
    assert found["milestones"]["notice"] == steps[1]["since_event_s"]


def test_what_comes_before_its_event_has_a_negative_latency(site: Site) -> None:
    later = (datetime.now(UTC) + timedelta(days=30)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    planned = notice(id=["900001_1"], event_name=None, trigger_time=later, alert_tense="planned")
    assert site.call("analyst", "POST", "/notices", content=planned).status_code == 201
    steps = timeline(site, "role=prediction", "900001_1")["steps"]
    assert [each["kind"] for each in steps] == ["notice", "event"]
    assert steps[0]["since_event_s"] == pytest.approx(-30 * 86400, abs=3600)
    assert (steps[1]["since_event_s"], steps[0]["since_before_s"]) == (0, 0)
    assert "before the event" in steps[0]["detail"]


def test_steps_of_some_kinds(site: Site) -> None:
    found = timeline(site, "kind=notice&kind=event")
    assert [each["kind"] for each in found["steps"]] == ["event", "notice", "notice"]
    assert list(found["milestones"]) == ["notice", "map", "circular"]
    check_problem(site.call("viewer", "GET", f"/alerts/{NAME}/timeline?kind=poem"), 422, "'event', 'notice'")
    check_problem(site.call("viewer", "GET", "/alerts/IceCube-990101A/timeline"), 404, NAME)
    check_problem(site.call(None, "GET", f"/alerts/{NAME}/timeline"), 401)


def test_an_alert_of_which_only_the_file_is_known(site: Site) -> None:
    site.event(event=77)
    found = timeline(site, name="137840_77")
    assert [(each["kind"], each["what"]) for each in found["steps"]] == [
        ("event", "event in the detector"), ("file", "event file came in"),
    ]  # fmt: skip
    assert found["milestones"] == {}


def test_names_that_changed_are_told(site: Site) -> None:
    for event, name in ((1, None), (1, "IceCube-260505C")):
        said = notice(id=[f"900002_{event}"], event_name=name and [name], trigger_time="2026-05-05T00:00:00Z",
                      record_number=0 if name is None else 1)  # fmt: skip
        assert site.call("analyst", "POST", "/notices", content=said).status_code == 201
    found = timeline(site, "kind=name", "900002_1")["steps"]
    assert [(each["what"], each["detail"]) for each in found] == [
        ("called IceCube-260505C from now on", "before: IceCube-260505A")
    ]


def test_scans_that_were_called_off_are_told(site: Site) -> None:
    asked = site.scan(site.event(event=78), seed=5)["id"]
    assert site.call("analyst", "POST", f"/scans/{asked}/cancel").status_code == 200
    other = site.call("analyst", "POST", f"/scans/{asked}/rescan").json()
    assert other["state"] == "queued"
    assert site.call("analyst", "POST", f"/scans/{asked}/workers", json={"workers": 3}).status_code == 200
    changes = {"changes": {"seed": 6}, "replace": True}
    new = site.call("analyst", "POST", f"/scans/{asked}/remix", json=changes).json()["id"]
    assert site.call("analyst", "DELETE", f"/scans/{asked}").status_code == 204
    told = [
        (each["what"].split(") ")[1], each["detail"])
        for each in timeline(site, "kind=scan", "137840_78")["steps"]
        if each["subject_id"] == asked
    ]
    assert told[1:] == [
        ("cancelled", ""), ("queued again", "it was cancelled"), ("given other workers", "usual → 3 workers"),
        ("replaced", f"by scan {new[:8]}"), ("cancelled", ""), ("deleted", ""),
    ]  # fmt: skip


def files(site: Site, name: str = NAME, query: str = "") -> list[dict[str, Any]]:
    return list(site.call("viewer", "GET", f"/alerts/{name}/files?{query}").json()["items"])


def test_every_file_that_is_listed_is_there(site: Site) -> None:
    found = files(site)
    assert {each["format"] for each in found if each["group"] == "scan"} == {*EXPORTS, "zarr"}
    assert {each["group"] for each in found} == {"scan", "record", "notice", "event"}
    alert = [each["format"] for each in found if each["label"] == f"alert {NAME}"]
    assert alert == list(FORMATS)
    for each in found:
        answer = site.call("viewer", "GET", each["url"].removeprefix("/v1"))
        assert answer.status_code == 200, each
        assert answer.headers["content-type"].split(";")[0] == each["media"].split(";")[0]
        if each["size"] is not None:
            assert len(answer.content) == each["size"], each


def test_files_with_regions_of_another_calibration(site: Site) -> None:
    for each in files(site):
        if each["group"] == "scan" and each["format"] in ("json", "geojson", "csv"):
            path = each["url"].removeprefix("/v1")
            usual, other = (site.call("viewer", "GET", path + more).content for more in ("", "&calibration=wilks"))
            assert (usual != other) == each["calibrated"], each["format"]


def test_messages_are_given_back_byte_for_byte(site: Site) -> None:
    with skymist.connect(site.url, site.tokens["viewer"]) as client:
        event = next(each for each in client.files(NAME) if each["group"] == "event")
        assert client.message(event["of"]) == (TABLE.format(run=137840, event=1) + PULSES).encode()
        assert (event["name"], event["size"]) == ("e.csv", len(client.message(event["of"])))
        assert client.timeline(NAME) == timeline(site)
    notices = [each for each in files(site) if each["group"] == "notice"]
    assert [each["name"].rpartition(".")[2] for each in notices] == ["json", "json"]
    answer = site.call("viewer", "GET", notices[0]["url"].removeprefix("/v1"))
    assert answer.headers["content-disposition"] == f"attachment; filename*=UTF-8''{notices[0]['name']}"
    assert answer.headers["content-type"] == "application/octet-stream"
    check_problem(site.call("viewer", "GET", f"/inputs/{'0' * 64}/content"), 404, "there is no message 000000000000")
    check_problem(site.call("viewer", "GET", "/inputs/x/content"), 422)


def test_what_could_not_be_read_is_for_analysts(site: Site) -> None:
    assert site.call("analyst", "POST", "/notices", content=b"noise").status_code == 422
    path = f"/inputs/{hashlib.sha256(b'noise').hexdigest()}/content"
    assert site.call("analyst", "GET", path).content == b"noise"
    check_problem(site.call("viewer", "GET", path), 403, "needs the role analyst")


def test_files_of_an_alert_without_scans(site: Site) -> None:
    take_notice(site.database, revision(event=79, name="IceCube-260304Q"), Tense.TEST)
    found = files(site, "137840_79", "role=test")
    assert {each["group"] for each in found} == {"record", "notice"}
    assert site.scan(site.event(event=80), **BOWL)["state"] == "queued"
    assert {each["group"] for each in files(site, "137840_80")} == {"record", "event"}
