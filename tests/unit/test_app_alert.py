"""What the page of one alert knows and does, against the real service and without a browser."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from desks import notice, scan, take_notice
from serving import Site, opened, running, serving

import skymist
from skymist.api import ApiSettings
from skymist.app.models.alert import AlertView, address_of, grouped, release_words
from skymist.client import Client
from skymist.errors import RequestError
from skymist.model.alert import Tense
from skymist.records.tables import ScanState
from skymist.records.tokens import Access

NAME = "IceCube-260304A"
DAY = timedelta(days=1)


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[ApiSettings]:
    with opened(tmp_path) as found:
        yield found


@pytest.fixture
def site(settings: ApiSettings) -> Iterator[Site]:
    with serving(settings) as found:
        take_notice(found.database, notice())
        yield found


@pytest.fixture
def people(site: Site) -> Iterator[dict[str, Client]]:
    """A client of each role."""
    with ExitStack() as stack:
        yield {str(role): stack.enter_context(skymist.connect(site.url, site.tokens[role])) for role in Access}


def view(people: dict[str, Client], access: str = "viewer", called: str = NAME, **more: Any) -> AlertView:
    found = AlertView(people[access], called, access=access, **more)
    found.load()
    return found


def labels(found: AlertView) -> list[str]:
    return [each.label for each in found.actions]


def test_an_alert_without_any_scan(people: dict[str, Client]) -> None:
    found = view(people, angles="hms")
    head = found.head
    assert (head["name"], head["stream"], head["retraction"], head["scans"]) == (NAME, "gold", "", [])
    facts = dict(head["facts"])
    assert facts["RA Dec (ICRS)"] == "02h40m24.0s +10°12′00″"
    assert facts["Time (UTC)"].startswith("2026-03-04 05:06:07, ")
    assert (facts["Energy"], facts["Error with 90 %"]) == ("210 TeV", "0.90° radius")
    assert facts["False alarms"] == "0.830 per year (1 in 1.2 years)"
    assert (head["release"], head["circulars"], head["before"], head["after"]) == ("not public", [], {}, {})
    assert not found.refresh()


def test_a_viewer_has_no_button_that_would_be_refused(site: Site, people: dict[str, Client]) -> None:
    site.event()
    found = view(people)
    assert found.actions == []
    people["analyst"].circulars.draft(NAME)
    assert found.refresh()
    assert [(each.name, each.href) for each in found.actions] == [("open", "/circular?id=1")]


def test_buttons_of_others(site: Site, people: dict[str, Client]) -> None:
    assert labels(view(people, "analyst")) == ["Draft circular"]
    site.event()
    assert labels(view(people, "analyst")) == ["Draft circular", "New scan"]
    assert labels(view(people, "approver")) == ["Draft circular", "New scan", "Retract", "Release to the public"]
    take_notice(site.database, notice(event=5, name="IceCube-260304T"), Tense.TEST)
    test = AlertView(people["approver"], "137840_5", "test", access="approver")
    test.load()
    assert labels(test) == ["Draft circular", "Retract"]


def test_an_unknown_name_is_told_with_those_that_there_are(people: dict[str, Client]) -> None:
    with pytest.raises(RequestError, match=rf"no alert \(observation\) is called 'nobody'; there are: {NAME}"):
        view(people, called="nobody")
    with pytest.raises(RequestError, match="/alerts lists all"):
        view(people, called="")
    with pytest.raises(RequestError, match="'observation', 'prediction' or 'test'"):
        view(people, role="poem")
    assert not AlertView(people["viewer"], "nobody").refresh()


def test_a_circular_is_two_steps_away(people: dict[str, Client]) -> None:
    analyst = view(people, "analyst")
    assert analyst.draft() == "/circular?id=1"
    assert analyst.draft() == "/circular?id=1"
    assert labels(analyst)[0] == "Open circular"
    assert analyst.head["circulars"] == [{"href": "/circular?id=1", "label": "track 1", "words": "draft"}]
    approver = people["approver"].circulars
    approver.approve(1, 1)
    assert analyst.refresh()
    assert analyst.head["circulars"][0]["words"] == "approved, approved by approver"
    approver.sent_by_hand(1, "GCN 12345")
    assert analyst.refresh()
    assert analyst.head["circulars"][0]["words"] == "sent as GCN 12345"
    assert list(analyst.timeline.told["milestones"]) == ["notice", "circular"]
    assert labels(analyst) == ["Open circular", "Draft update"]
    people["approver"].retract(NAME, "noise")
    assert analyst.refresh()
    assert labels(analyst) == ["Draft retraction", "Open circular"]
    assert analyst.draft() == "/circular?id=2"
    assert analyst.circulars[0]["template"] == "retraction"
    assert [(each.label, each.href) for each in analyst.actions] == [("Open circular", "/circular?id=2")]


def test_a_circular_that_somebody_else_drafted_is_not_drafted_again(people: dict[str, Client]) -> None:
    mine = view(people, "analyst")
    people["approver"].circulars.draft(NAME)
    assert mine.draft() == "/circular?id=1"
    people["analyst"].circulars.withdraw(1)
    assert mine.refresh()
    assert labels(mine) == ["Draft circular"]


def test_a_retraction_is_told_with_who_when_and_why(people: dict[str, Client]) -> None:
    found = view(people, "approver")
    with pytest.raises(RequestError, match="needs a reason"):
        found.retract("  ")
    found.retract("<b>detector</b> noise")
    words = found.head["retraction"]
    assert words.startswith("Retracted by approver, ")
    assert words.endswith(" UTC: <b>detector</b> noise")
    assert "Retract" not in labels(found)
    assert dict(found.head["facts"])["RA Dec (ICRS)"] == "40.10° +10.20°"
    assert dict(found.head["facts"])["Error with 90 %"] == "0.90° radius"


def test_an_alert_is_released_and_withdrawn(people: dict[str, Client]) -> None:
    found = view(people, "approver")
    with pytest.raises(RequestError, match="'soon' is no time"):
        found.release("soon")
    later = datetime.now(UTC) + DAY
    found.release(f"{later:%Y-%m-%d %H:%M}")
    assert found.head["release"] == f"public from {later:%Y-%m-%d %H:%M}:00 UTC on"
    assert "Withdraw from the public" in labels(found)
    found.withdraw("too early")
    assert found.head["release"] == "not public"
    found.release()
    assert found.head["release"].startswith("public since ")
    with pytest.raises(RequestError, match="for a reason"):
        found.withdraw("")
    found.withdraw("it was noise")
    assert found.head["release"].endswith(": it was noise")
    assert "Release to the public" in labels(found)


def test_what_is_new_is_seen(site: Site, people: dict[str, Client], settings: ApiSettings) -> None:
    found = view(people)
    take_notice(site.database, notice(number=1, ra=40.6, radius_90=0.4))
    assert found.refresh()
    assert [each["number"] for each in found.alert["revisions"]] == [0, 1]
    assert dict(found.head["facts"])["Error with 90 %"] == "0.40° radius"
    asked = site.scan(site.event())["id"]
    assert found.refresh()
    assert [(each["words"], each["by"]) for each in found.head["scans"]] == [("queued", "a person")]
    with running(settings):
        people["viewer"].get_scan(asked).wait()
    assert found.refresh()
    assert [each["words"] for each in found.head["scans"]] == ["complete"]
    assert "map" in found.timeline.told["milestones"]
    assert not found.refresh()


def test_how_far_a_scan_is_is_seen_though_nothing_else_is_new(site: Site, people: dict[str, Client]) -> None:
    asked = site.scan(site.event())["id"]
    site.move(asked, ScanState.RUNNING)
    found = view(people)
    assert not found.refresh()
    site.move(asked, progress={"done": 30, "total": 120, "eta": 200.0})
    assert found.refresh()
    assert found.head["scans"][0]["words"] == "running, 25%, 3.3 min left"
    site.move(asked, wanted="cancelled")
    assert found.refresh()
    assert found.head["scans"][0]["words"] == "is being cancelled"


def test_files_of_every_product(site: Site, people: dict[str, Client], settings: ApiSettings) -> None:
    scan(site.database, Path(settings.out))
    found = view(people)
    assert found.groups == []
    found.load_files()
    titles = [each["title"] for each in found.groups]
    assert titles == ["Sky maps", "Event files", "Notices", "Records of the archive"]
    usual = {each["format"]: each for each in found.groups[0]["things"][0]["files"]}
    assert usual["fits"]["size"].endswith("kB")
    assert usual["csv"]["size"] == "made on request"
    found.calibration = "wilks"
    other = {each["format"]: each for each in found.groups[0]["things"][0]["files"]}
    assert other["fits"]["url"] == f"{usual['fits']['url']}&calibration=wilks"
    assert other["fits"]["size"] == "made on request"
    assert other["csv"]["url"] == usual["csv"]["url"]
    take_notice(site.database, notice(number=1))
    assert found.refresh()
    assert len(found.groups[2]["things"]) == 2
    assert grouped([]) == []


def test_neighbours_are_those_in_time(site: Site, people: dict[str, Client]) -> None:
    for event, day in ((2, 3), (3, 5), (4, 4)):
        said = {"id": [f"137840_{event}"], "event_name": [f"IceCube-26030{day}B"], "record_number": 0, "ra": 1.0,
                "trigger_time": f"2026-03-0{day}T05:06:07.123456789Z", "alert_datetime": f"2026-03-0{day}T06:00:00Z",
                "alert_type": "initial", "alert_tense": "current", "pipeline": "Gold", "dec": 1.0}  # fmt: skip
        assert site.call("analyst", "POST", "/notices", content=json.dumps(said).encode()).status_code == 201
    order = ["IceCube-260303B", NAME, "IceCube-260304B", "IceCube-260305B"]
    for before, name, after in zip(["", *order], order, [*order[1:], ""], strict=False):
        found = view(people, called=name)
        assert (found.before, found.after) == (before, after), name
    assert found.head["before"]["href"] == address_of("IceCube-260304B", "observation")
    assert found.head["address"] == address_of("137840_3", "observation")


def test_addresses_are_quoted() -> None:
    assert address_of("IceCube-Cascade 200701B", "test") == "/alert?name=IceCube-Cascade+200701B&role=test"


def test_a_record_that_will_never_be_public() -> None:
    record = {"public": False, "withdrawn": None, "shown_from": None}
    assert release_words(record) == "not public"
