"""One scan, followed by those who look, against the real service and a real runner."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import panel as pn
import pytest
from serving import Site, opened, running, serving

from skymist.api import ApiSettings
from skymist.app import feed
from skymist.app.feed import News
from skymist.app.models.launch import Launch
from skymist.app.models.scan import ScanView
from skymist.app.pages.scan import ScanPage
from skymist.app.visit import Visit, Visitor
from skymist.client import Client, connect
from skymist.errors import ConflictError, RequestError, StoreError
from skymist.records.tables import ScanState

SLOW = {"options": {"seconds": 0.01}}
"""A second or so of computing."""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiSettings]:
    with opened(tmp_path_factory.mktemp("site")) as found:
        yield found


@pytest.fixture(scope="module")
def site(settings: ApiSettings) -> Iterator[Site]:
    with serving(settings) as found:
        yield found


@pytest.fixture
def analyst(site: Site) -> Iterator[Client]:
    with connect(site.url, site.tokens["analyst"]) as client:
        yield client


@pytest.fixture
def viewer(site: Site) -> Iterator[Client]:
    with connect(site.url, site.tokens["viewer"]) as client:
        yield client


def until(view: ScanView, client: Client, what: Callable[[ScanView], bool]) -> ScanView:
    """Look again and again until something is so."""
    pause = threading.Event()
    for _ in range(6000):
        view.poll(client)
        if what(view):
            return view
        pause.wait(0.01)
    raise AssertionError(view)


def view_of(scan: str, client: Client) -> ScanView:
    view = ScanView(asked=scan)
    view.load(client)
    return view


def test_a_scan_that_was_launched_is_followed_to_its_end(
    site: Site, settings: ApiSettings, analyst: Client, viewer: Client
) -> None:
    site.event()
    form = Launch(event="137840/1")
    form.load(analyst)
    for name, value in {"reco": "bowl", "levels": "2:0,8:4", "options.seconds": "0.01"}.items():
        form.put(name, value)
    view = view_of(form.start(analyst), analyst)
    other = view_of(view.id[:12], viewer)
    assert (view.state, other.state, view.bars, view.numbers, view.ended) == ("queued", "queued", [], {}, False)
    assert view.title == "bowl of IceCube-260304A"
    assert (view.facts["options"], view.facts["asked for by"]) == ("seconds = 0.01", "analyst")
    with running(settings):
        until(view, analyst, lambda it: it.state == "running" and bool(it.bars) and it.bars[0]["done"] > 0)
        assert {"rate, last 5 s", "mean rate", "remains", "workers"} <= set(view.numbers)
        assert (view.result("deg"), view.files) == ({}, [])
        until(view, analyst, lambda it: it.ended)
    assert view.state == "complete"
    assert [(each["name"], each["done"], each["failed"], each["total"]) for each in view.bars] == [
        ("nside 2", 48, 0, 48), ("nside 8", 64, 0, 64)
    ]  # fmt: skip
    assert view.bars[0]["note"].endswith("ms a cell")
    slow = view.slow_cells
    assert len(slow) == 5
    assert all(each["seconds"] >= 0.01 and 0 <= each["ra"] < 360 and abs(each["dec"]) <= 90 for each in slow)
    found = view.result("deg")
    assert list(found["facts"]) == ["best fit, RA Dec (ICRS)", "50 % region", "90 % region", "energy", "cells", "took"]
    assert found["facts"]["cells"] == "112"
    assert (found["alert"], found["href"]) == ("IceCube-260304A", "/alert?name=IceCube-260304A&role=observation")
    assert view.trouble == ""
    until(other, viewer, lambda it: it.state == "complete")  # who looked all the time sees the same
    assert (other.result("deg"), other.bars) == (found, view.bars)


def told_of(page: ScanPage, heard: list[Callable[[News], None]], client: Client) -> dict[str, Any]:
    """Tell a page what the service says now, as its feed does; return it."""
    told = client.refer(page.model.id).follow()
    heard[-1](News(progress=told, ended=told["state"] in feed.ENDED))
    return told


def test_a_page_follows_by_what_its_map_hears(
    site: Site, settings: ApiSettings, analyst: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pn.state, "execute", lambda act, schedule: act())  # in a thread, where there are some
    heard: list[Callable[[News], None]] = []
    monkeypatch.setattr(feed, "watch", lambda client, scan, take, frame: heard.append(take) or (lambda: None))
    scan = site.scan(site.event(), seed=16, **SLOW)["id"]
    page = ScanPage(Visit(analyst, Visitor("none", "one", "analyst", query={"id": scan})))
    polls: list[str] = []
    poll = page.model.poll
    monkeypatch.setattr(page.model, "poll", lambda client: (polls.append(page.model.state), poll(client)))
    page.model.load(analyst)
    told_of(page, heard, analyst)
    assert (polls, len(heard)) == ([], 1)
    seen, pause = set(), threading.Event()
    with running(settings):
        while not page.model.ended:
            told = told_of(page, heard, analyst)
            seen.add(str(page.model.progress))
            assert told["state"] == page.model.state or page.model.ended
            pause.wait(0.01)
    assert set(polls) <= {"queued", "running"}
    assert len(polls) <= 2 < len(seen)  # it is asked for only when it begins, and when it ends
    assert page.model.result("deg")
    page.model.rescan(analyst)
    assert len(heard) == 2  # the map follows once more
    heard[-1](News(trouble="this token was revoked", ended=True))
    assert polls[-1] == "queued"
    analyst.get_scan(scan).cancel()
    told_of(page, heard, analyst)
    assert page.model.state == "cancelled"


def test_a_page_asks_rarely_unless_nothing_is_heard(
    site: Site, analyst: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pn.state, "execute", lambda act, schedule: act())
    monkeypatch.setattr(feed, "watch", lambda *given: lambda: None)
    scan = site.scan(site.event(), seed=17)["id"]
    page = ScanPage(Visit(analyst, Visitor("none", "one", "analyst", query={"id": scan})))
    page.model.load(analyst)
    polls: list[None] = []
    monkeypatch.setattr(page.model, "poll", lambda client: polls.append(None))
    page._look()
    page._look()
    assert len(polls) == 2
    page._hear(News(progress=analyst.refer(scan).follow()))
    page._look()
    page._look()
    assert len(polls) == 3
    page._hear(News(trouble="the map cannot be read", ended=True))
    assert len(polls) == 4
    page._look()
    assert len(polls) == 5


def test_positions_are_in_the_persons_frame(site: Site, settings: ApiSettings, analyst: Client) -> None:
    scan = site.scan(site.event(), seed=5)["id"]
    with running(settings):
        view = until(view_of(scan, analyst), analyst, lambda it: it.ended)
    hours, galactic = view.result("hms")["facts"], view.result("galactic")["facts"]
    assert "h" in hours["best fit, RA Dec (ICRS)"]
    assert galactic["best fit, l b (galactic)"].startswith("l ")


def test_every_format_can_be_downloaded(site: Site, settings: ApiSettings, analyst: Client) -> None:
    scan = site.scan(site.event(), seed=6)["id"]
    with running(settings):
        view = until(view_of(scan, analyst), analyst, lambda it: it.ended)
    assert {"fits", "png", "json", "geojson", "moc", "zarr"} <= {each["name"] for each in view.files}
    for each in view.files:
        answer = site.call("viewer", "GET", each["url"].removeprefix("/v1"))
        assert answer.status_code == 200, each
        assert answer.content


def test_a_running_scan_is_cancelled_and_run_again(
    site: Site, settings: ApiSettings, analyst: Client, viewer: Client
) -> None:
    scan = site.scan(site.event(), options={"seconds": 0.05})["id"]
    view, other = view_of(scan, analyst), view_of(scan, viewer)
    with running(settings):
        until(view, analyst, lambda it: it.state == "running")
        view.cancel(analyst)
        assert view.state in ("cancelling", "cancelled")
        until(view, analyst, lambda it: it.state == "cancelled")
        with pytest.raises(ConflictError, match="is cancelled"):
            view.cancel(analyst)
        until(other, viewer, lambda it: it.state == "cancelled")
        view.rescan(analyst)
        assert view.state in ("queued", "running")
        until(view, analyst, lambda it: it.state == "complete")
        until(other, viewer, lambda it: it.state == "complete")
    assert (view.facts["attempt"], other.facts["attempt"]) == ("2", "2")


def test_a_viewer_may_look_and_no_more(site: Site, viewer: Client) -> None:
    view = view_of(site.scan(site.event(), seed=7)["id"], viewer)
    for act in (view.cancel, view.rescan, lambda client: view.set_workers(client, 2)):
        with pytest.raises(RequestError, match="this needs the role analyst"):
            act(viewer)
    assert view.state == "queued"


def test_workers_are_set(site: Site, analyst: Client) -> None:
    view = view_of(site.scan(site.event(), seed=8)["id"], analyst)
    view.set_workers(analyst, 3)
    assert "workers 3" in view.facts["cluster"]
    view.cancel(analyst)
    with pytest.raises(ConflictError, match="have not ended"):
        view.set_workers(analyst, 4)


def test_who_looks_at_a_scan_that_is_replaced_sees_the_new_one(site: Site, analyst: Client, viewer: Client) -> None:
    event = site.event()
    base = site.scan(event, seed=9)
    view = view_of(base["id"], viewer)
    form = Launch(event=event, base=base)
    form.load(analyst)
    form.put("options.width_deg", "3")
    form.replace = True
    new = form.start(analyst)
    view.poll(viewer)
    assert (view.id, view.successor, view.facts["options"]) == (new, True, "width_deg = 3.0")
    fresh = view_of(base["id"][:12], viewer)
    assert (fresh.id, fresh.successor) == (new, True)
    assert not view_of(new[:12], viewer).successor


def test_a_deleted_scan_can_be_brought_back(site: Site, analyst: Client) -> None:
    scan = site.scan(site.event(), seed=10)["id"]
    view = view_of(scan, analyst)
    analyst.get_scan(scan).delete()
    view.poll(analyst)
    assert (view.state, view.ended) == ("deleted", True)
    assert "Rescan brings it back" in view.trouble
    fresh = view_of(scan, analyst)
    assert (fresh.state, fresh.title, fresh.facts) == ("deleted", f"Scan {scan[:12]}", {})
    fresh.poll(analyst)
    fresh.rescan(analyst)
    view.poll(analyst)
    assert (fresh.state, view.state, fresh.id) == ("queued", "queued", scan)


def test_what_went_wrong_is_said(site: Site, analyst: Client) -> None:
    scan = site.scan(site.event(), seed=11)["id"]
    site.move(scan, ScanState.RUNNING, ScanState.FAILED, error="the disk is full")
    view = view_of(scan, analyst)
    assert (view.state, view.trouble) == ("failed", "the disk is full")


def test_trouble_of_a_running_scan_is_said(site: Site, analyst: Client) -> None:
    scan = site.scan(site.event(), seed=12)["id"]
    progress: dict[str, Any] = {
        "stage": "no workers", "trouble": "no worker is connected", "seconds": 1.0, "rate": 0.0, "mean_rate": 0.0,
        "eta": None, "slowest": [], "best": None, "workers": 0, "threads": 0, "done": 0, "total": 48, "nside": 0,
        "levels": [{"nside": 2, "done": 0, "failed": 0, "total": 48, "cell_seconds": None}],
    }  # fmt: skip
    site.move(scan, ScanState.RUNNING, progress=progress)
    view = view_of(scan, analyst)
    assert (view.trouble, view.numbers["remains"], view.bars[0]["note"]) == (
        "no worker is connected", "not known yet", ""
    )  # fmt: skip
    assert view.slow_cells == []


def test_an_unknown_scan_is_named(viewer: Client) -> None:
    with pytest.raises(RequestError, match="no scan is called"):
        ScanView(asked="0" * 12).load(viewer)
    with pytest.raises(RequestError, match="no scan is named"):
        ScanView().load(viewer)


def test_a_scan_goes_on_while_the_service_is_started_again(tmp_path: Path) -> None:
    with opened(tmp_path) as settings:
        with serving(settings) as site, connect(site.url, site.tokens["analyst"]) as client:
            token = site.tokens["analyst"]
            scan = site.scan(site.event(), **SLOW)["id"]
            view = view_of(scan, client)
        with running(settings):
            with pytest.raises(StoreError), connect(site.url, token) as client:
                client.refer(scan).follow(patience_s=0.0)
            with serving(settings) as again, connect(again.url, token) as client:
                assert until(view, client, lambda it: it.ended).state == "complete"
    assert view.result("deg")["facts"]["cells"].startswith("112")
