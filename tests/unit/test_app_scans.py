"""The list of scans, and the events of which more can be asked for."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import PULSES, TABLE, Site, opened, running, serving

from skymist.api import ApiSettings
from skymist.app.models import scan_rows
from skymist.app.models.counts import of_scans
from skymist.app.models.scan import ENDED
from skymist.app.models.scans import STATE_FILTERS, EventChoice, ScanList, event_words
from skymist.client import Client, connect
from skymist.errors import RequestError
from skymist.records import tables


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[ApiSettings]:
    with opened(tmp_path) as found:
        yield found


@pytest.fixture
def site(settings: ApiSettings) -> Iterator[Site]:
    with serving(settings) as found:
        yield found


@pytest.fixture
def analyst(site: Site) -> Iterator[Client]:
    with connect(site.url, site.tokens["analyst"]) as client:
        yield client


def ids(view: ScanList) -> list[str]:
    return [scan["id"] for scan in view.items]


def cells(view: ScanList, number: int = 0) -> dict[str, str]:
    """Return what a row says, by its columns."""
    row = scan_rows.rows(view.items)[number]
    return {key: " ".join(part["text"] for part in parts) for key, parts in row["cells"].items()}


def test_there_may_be_none(analyst: Client) -> None:
    view = ScanList(analyst, "analyst")
    view.load()
    assert (view.items, view.loaded, view.narrowed(), view.more) == ([], True, False, False)
    view.look()
    assert not view.look()


def test_filters_show_what_they_say(site: Site, analyst: Client) -> None:
    first, second = site.event(1), site.event(2)
    made = [site.scan(first, seed=seed)["id"] for seed in range(3)] + [site.scan(second)["id"]]
    with site.database.begin() as session:
        session.get_one(tables.Scan, made[1]).rule = "gold"
    site.call("analyst", "POST", f"/scans/{made[0]}/cancel")
    mine = site.call("operator", "POST", "/scans", json={"event": first, "reco": "cascade"}).json()["id"]

    def found(**filters: str) -> list[str]:
        view = ScanList(analyst, "operator").take(filters)
        view.load()
        assert view.values() == filters
        return ids(view)

    assert found() == [mine, *made[::-1]]
    assert found(state="not ended") == [mine, *made[:0:-1]]
    assert found(state="waiting") == [mine, *made[:0:-1]]
    assert found(state="cancelled") == [made[0]]
    assert found(alert="137840_2") == found(alert=" 137840/2 ") == [made[3]]
    assert found(reconstruction="cascade") == found(by="me") == [mine]
    assert found(by="rules") == [made[1]]
    assert found(by="people") == [mine, made[3], made[2], made[0]]
    assert found(by="me", reconstruction="bowl") == []


def test_counts_lead_to_what_they_are_of() -> None:
    found = of_scans({"running": 2, "queued": 1}, "waiting")
    assert [(each["text"], each["href"], each["current"]) for each in found] == [
        ("2 scans running", "/scans?state=running", False), ("1 scan waiting", "/scans?state=waiting", True)
    ]  # fmt: skip
    assert {each["key"] for each in found} <= set(STATE_FILTERS)
    assert [each["text"] for each in of_scans({}, "")] == ["no scans running", "no scans waiting"]


def test_an_alert_that_is_not_there_is_named(site: Site, analyst: Client) -> None:
    site.scan(site.event())
    view = ScanList(analyst, "operator", alert="nobody")
    view.load()
    assert view.trouble.startswith("no alert (observation) is called 'nobody'; there are: IceCube-260304")
    assert (ids(view), view.look()) == ([], False)
    view.alert = ""
    view.load()
    assert (view.trouble, len(view.items)) == ("", 1)


def test_what_changes_is_seen_and_what_is_new_is_told(site: Site, analyst: Client) -> None:
    event = site.event()
    first, second = (site.scan(event, seed=seed)["id"] for seed in range(2))
    view = ScanList(analyst, "analyst")
    view.load()
    assert (ids(view), view.fresh) == ([second, first], [])
    site.call("analyst", "POST", f"/scans/{first}/cancel")
    assert view.look()
    assert (cells(view, 1)["state"], view.fresh) == ("⊘ cancelled", [])
    third = site.scan(event, seed=3)["id"]
    assert view.look()
    assert (ids(view), view.fresh) == ([third, second, first], [third])


def test_a_scan_is_seen_to_run_and_end(site: Site, settings: ApiSettings, analyst: Client) -> None:
    site.scan(site.event(), options={"seconds": 0.02})
    view, pause, seen = ScanList(analyst, "analyst"), threading.Event(), []
    view.load()
    with running(settings):
        for _ in range(6000):
            view.look()
            seen.append((view.items[0]["state"], cells(view), scan_rows.rows(view.items)[0]["cells"]["progress"][0]))
            if seen[-1][0] in ENDED:
                break
            pause.wait(0.01)
    state, last, bar = seen[-1]
    assert (state, bar, last["speed"]) == ("complete", {"text": "100 %", "meter": 100}, "nside 8")
    assert last["took"] != "–"
    going = [told for state, told, bar in seen if state == "running" and 0 < bar["meter"] < 100]
    assert going
    assert any(" cells/s" in told["speed"] and told["where"].startswith("local × ") for told in going)
    percents = [bar["meter"] for _, _, bar in seen]
    assert percents == sorted(percents)


def test_pages_follow_each_other(site: Site, analyst: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skymist.app.models.listing.PAGE", 2)
    event = site.event()
    made = [site.scan(event, seed=seed)["id"] for seed in range(5)][::-1]
    view = ScanList(analyst, "analyst")
    found = []
    for page in (1, 3, 2):
        view.page = page
        view.load()
        found.append((ids(view), view.more))
    assert found == [(made[:2], True), (made[4:], False), (made[2:4], True)]


def test_while_nothing_goes_on_the_list_is_not_asked_for(site: Site, analyst: Client) -> None:
    scan = site.scan(site.event())["id"]
    site.call("analyst", "POST", f"/scans/{scan}/cancel")
    view = ScanList(analyst, "analyst")
    view.load()
    view.look()
    assert not view.look()
    site.call("analyst", "POST", f"/scans/{scan}/rescan")
    assert view.look()
    assert cells(view)["state"] == "◔ queued"
    assert view.look()


def test_rows_say_who_and_how_far() -> None:
    scan: dict[str, Any] = {
        "id": "a" * 64, "alert": None, "role": "test", "state": "running", "wanted": "cancelled", "error": "",
        "request": {"reconstruction": "bowl"}, "rule": "gold", "who": "workflow", "cluster": "farm", "workers": 4,
        "created": "2026-01-02T03:04:05Z", "started": None, "finished": None, "progress": None,
    }  # fmt: skip
    (row,) = scan_rows.rows([scan], [scan["id"]])
    assert {key: parts[0]["text"] for key, parts in row["cells"].items()} == {
        "scan": "a" * 12, "state": "◌ being cancelled", "alert": "–", "reconstruction": "bowl", "progress": "0 %",
        "speed": "–", "where": "farm × 4", "took": "–", "asked": "2026-01-02 03:04", "who": "rule gold",
    }  # fmt: skip
    assert (row["fresh"], row["href"]) == (True, f"/scan?id={'a' * 64}")
    failed = {**scan, "state": "failed", "wanted": None, "error": "no worker came", "alert": "IceCube-1A"}
    cells = scan_rows.rows([failed])[0]["cells"]
    assert (cells["speed"][0]["text"], cells["alert"][0]["href"]) == (
        "no worker came", "/alert?name=IceCube-1A&role=test"
    )  # fmt: skip


def test_each_cell_has_its_column() -> None:
    keys = [column["key"] for column in scan_rows.COLUMNS]
    assert {column["under"] for column in scan_rows.COLUMNS if "under" in column} <= set(keys)


def test_events_can_be_chosen_by_any_name(site: Site, analyst: Client) -> None:
    first, second = site.event(1), site.event(2)
    choice = EventChoice()
    choice.load(analyst)
    assert list(choice.options.values()) == [second, first]
    assert next(iter(choice.options)).startswith("137840/2, 2026-03-04 05:06:07 UTC")
    named = EventChoice(event="137840_1")
    named.load(analyst)
    assert named.event == first
    unknown = EventChoice(event="nobody")
    with pytest.raises(RequestError, match="no event is called 'nobody'"):
        unknown.load(analyst)


def test_an_event_of_long_ago_is_offered_if_it_was_named(
    site: Site, analyst: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (site.event(number) for number in (1, 2, 3))
    monkeypatch.setattr("skymist.app.models.scans.MOST_EVENTS", 1)
    choice = EventChoice(event="137840_1")
    choice.load(analyst)
    assert [each["id"] for each in choice.events] == [first, third]
    assert second not in choice.options.values()


def test_a_file_is_sent_in_and_chosen(site: Site, analyst: Client) -> None:
    content = (TABLE.format(run=137841, event=9) + PULSES).encode()
    choice = EventChoice()
    found = choice.upload(analyst, "../my event.csv", content)
    assert (choice.event, choice.alerts) == (found, ["IceCube-260304A"])
    assert analyst.event(found)["file"] == "my event.csv"
    assert choice.upload(analyst, "again.csv", content) == found
    assert len(choice.events) == 1
    with pytest.raises(RequestError, match=r"the file 'none\.csv' is empty"):
        choice.upload(analyst, "none.csv", b"")
    with pytest.raises(RequestError, match=r"noise\.csv: the table lacks"):
        choice.upload(analyst, "noise.csv", b"no event at all")
    with connect(site.url, site.tokens["viewer"]) as viewer, pytest.raises(RequestError, match="the role analyst"):
        choice.upload(viewer, "e.csv", content)


def test_events_are_told_apart_by_their_words() -> None:
    event = {"run": 1, "event": 2, "time": "2026-01-02T03:04:05.5Z", "kind": "gold", "role": "test", "id": "ab" * 32}
    assert event_words(event) == "1/2, 2026-01-02 03:04:05 UTC, gold, test, abababab"
