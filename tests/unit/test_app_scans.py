"""The list of scans, and the events of which more can be asked for."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import PULSES, TABLE, Site, opened, running, serving

from skymist.api import ApiSettings
from skymist.app.models.scans import EventChoice, ScanList, changes, event_words, row_of
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
    return [row["id"] for row in view.rows]


def test_there_may_be_none(analyst: Client) -> None:
    view = ScanList("analyst")
    assert view.refresh(analyst) is None
    assert (view.rows, view.loaded, view.filtered, view.more) == ([], True, False, False)
    assert view.refresh(analyst) == {}


def test_filters_show_what_they_say(site: Site, analyst: Client) -> None:
    first, second = site.event(1), site.event(2)
    made = [site.scan(first, seed=seed)["id"] for seed in range(3)] + [site.scan(second)["id"]]
    with site.database.begin() as session:
        session.get_one(tables.Scan, made[1]).rule = "gold"
    site.call("analyst", "POST", f"/scans/{made[0]}/cancel")
    mine = site.call("operator", "POST", "/scans", json={"event": first, "reco": "cascade"}).json()["id"]

    def found(**filters: str) -> list[str]:
        view = ScanList("operator", **filters)
        view.refresh(analyst)
        return ids(view)

    assert found() == [mine, *made[::-1]]
    assert found(state="not ended") == [mine, *made[:0:-1]]
    assert found(state="cancelled") == [made[0]]
    assert found(alert="137840_2") == found(alert=" 137840/2 ") == [made[3]]
    assert found(reconstruction="cascade") == found(by="me") == [mine]
    assert found(by="rules") == [made[1]]
    assert found(by="people") == [mine, made[3], made[2], made[0]]
    assert found(by="me", reconstruction="bowl") == []
    assert found(alert="nobody") == []
    view = ScanList("operator", alert="nobody")
    view.refresh(analyst)
    assert view.trouble.startswith("no alert (observation) is called 'nobody'; there are: IceCube-260304")
    view.alert = ""
    view.refresh(analyst)
    assert (view.trouble, len(view.rows)) == ("", 5)


def test_only_what_changed_is_told(site: Site, analyst: Client) -> None:
    event = site.event()
    first, second = (site.scan(event, seed=seed)["id"] for seed in range(2))
    view = ScanList("analyst")
    assert view.refresh(analyst) is None
    assert ids(view) == [second, first]
    assert view.refresh(analyst) == {}
    site.call("analyst", "POST", f"/scans/{first}/cancel")
    told = view.refresh(analyst)
    assert told == {"state": [(1, "cancelled")], "shown_state": [(1, "⊘ cancelled")]}
    third = site.scan(event, seed=3)["id"]
    assert view.refresh(analyst) is None
    assert ids(view) == [third, second, first]


def test_a_scan_is_seen_to_run_and_end(site: Site, settings: ApiSettings, analyst: Client) -> None:
    site.scan(site.event(), options={"seconds": 0.02})
    view, pause, seen = ScanList("analyst"), threading.Event(), []
    with running(settings):
        for _ in range(6000):
            view.refresh(analyst)
            seen.append(dict(view.rows[0]))
            if view.quiet:
                break
            pause.wait(0.01)
    last = seen[-1]
    assert (last["state"], last["done"], last["level"], last["rate"]) == ("complete", 100, "nside 8", "")
    assert last["took"]
    going = [row for row in seen if row["state"] == "running" and 0 < row["done"] < 100]
    assert going
    assert any(row["rate"].endswith(" cells/s") and row["workers"].startswith("local × ") for row in going)
    percents = [row["done"] for row in seen]
    assert percents == sorted(percents)


def test_more_are_shown_on_demand(site: Site, analyst: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skymist.app.models.scans.PAGE", 2)
    event = site.event()
    made = [site.scan(event, seed=seed)["id"] for seed in range(5)][::-1]
    view = ScanList("analyst")
    view.refresh(analyst)
    assert (ids(view), view.more) == (made[:2], True)
    view.show_more()
    assert view.refresh(analyst) is None
    view.show_more()
    view.refresh(analyst)
    assert (ids(view), view.more) == (made, False)


def test_while_nothing_goes_on_the_list_is_not_asked_for(site: Site, analyst: Client) -> None:
    scan = site.scan(site.event())["id"]
    site.call("analyst", "POST", f"/scans/{scan}/cancel")
    view = ScanList("analyst")
    view.refresh(analyst)
    assert view.quiet
    view.rows = [{**view.rows[0], "took": "for ever"}]
    assert view.refresh(analyst) == {}
    assert view.rows[0]["took"] == "for ever"
    site.call("analyst", "POST", f"/scans/{scan}/rescan")
    assert (view.refresh(analyst) or {})["took"] == [(0, "")]


def test_rows_say_who_and_how_far() -> None:
    scan: dict[str, Any] = {
        "id": "a" * 64, "alert": None, "role": "test", "state": "running", "wanted": "cancelled", "error": "",
        "request": {"reconstruction": "bowl"}, "rule": "gold", "who": "workflow", "cluster": "farm", "workers": 4,
        "created": "2026-01-02T03:04:05Z", "started": None, "finished": None, "progress": None,
    }  # fmt: skip
    row = row_of(scan)
    assert (row["shown_state"], row["alert"], row["who"], row["workers"], row["done"], row["asked"]) == (
        "◌ being cancelled", "", "rule gold", "farm × 4", 0, "2026-01-02 03:04"
    )  # fmt: skip
    assert changes([row], [row]) == {}


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
    monkeypatch.setattr("skymist.app.models.scans.PAGE", 1)
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
