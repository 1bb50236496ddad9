"""What people who watch a scan are told: by one thread, whoever of them stays, and whatever happens to the service."""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
from serving import Site, opened, serving
from unit.test_api_pictures import add, growing_map

from skymist.app import feed
from skymist.app.feed import News
from skymist.client import Client, connect
from skymist.records import tokens
from skymist.records.tables import ScanState
from skymist.records.tokens import Access

PATIENCE_S = 60


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with opened(tmp_path_factory.mktemp("site")) as settings, serving(settings) as found:
        yield found


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Each thread ends when nobody watches any more."""
    yield
    assert feed.running() == 0
    for thread in threading.enumerate():
        if thread.name.startswith("scan "):
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


class Watching:
    """One who watches, and remembers what they were told."""

    def __init__(self, client: Client, scan_id: str, frame: str = "equatorial") -> None:
        self.told: queue.Queue[News] = queue.Queue()
        self.stop = feed.watch(client, scan_id, self.told.put, frame)

    def until(self, wanted: Callable[[News], bool]) -> News:
        while not wanted(news := self.told.get(timeout=PATIENCE_S)):
            pass
        return news

    def cells(self, number: int) -> News:
        return self.until(lambda news: news.picture is not None and news.picture["cells"] == number)


@contextmanager
def watching(site: Site, scan: dict[str, Any], given: str = "", frame: str = "equatorial") -> Iterator[Watching]:
    with connect(site.url, given or site.tokens["viewer"]) as client:
        found = Watching(client, scan["id"], frame)
        try:
            yield found
        finally:
            found.stop()


def token(site: Site, name: str) -> tuple[str, str]:
    """Return the id and the text of a new token."""
    with site.database.begin() as session:
        made, text = tokens.create(session, name, Access.VIEWER, "test")
        return made.id, text


def test_a_scan_is_followed_from_its_first_cell_to_its_end(site: Site) -> None:
    scan = site.scan(site.event(), seed=11)
    with watching(site, scan) as one:
        first = one.until(lambda news: news.progress is not None)
        assert (first.picture, first.progress["state"], first.ended) == (None, "queued", False)
        site.move(scan["id"], ScanState.RUNNING)
        with growing_map(site, scan) as store:
            add(store, 0, 50)
            assert not one.cells(50).ended
            add(store, 50, 90)
            one.cells(90)
            store.commit(complete=True)
        site.move(scan["id"], ScanState.COMPLETE)
        last = one.until(lambda news: news.ended)
    assert (last.picture["complete"], last.progress["state"], last.trouble) == (True, "complete", "")
    with watching(site, scan) as late:  # who comes then gets it at once, and no more
        assert late.until(lambda news: news.ended) == last
    assert late.told.empty()


def test_one_thread_serves_all_who_watch(site: Site) -> None:
    scan = site.scan(site.event(), seed=12)
    with growing_map(site, scan) as store, ExitStack() as stack:
        add(store, 0, 20)
        everyone = [stack.enter_context(watching(site, scan)) for _ in range(5)]
        assert feed.running() == 1
        assert len({id(each.cells(20).picture) for each in everyone}) == 1
        everyone[0].stop()
        everyone[0].stop()
        add(store, 20, 30)
        for each in everyone[1:]:
            each.cells(30)
        assert not [news for news in everyone[0].told.queue if news.picture and news.picture["cells"] == 30]
        elsewhere = stack.enter_context(watching(site, scan, frame="galactic"))
        assert elsewhere.cells(30).picture["sky"]["frame"] == "galactic"
        assert feed.running() == 2


def test_whose_token_is_revoked_is_told_so_and_the_others_go_on(site: Site) -> None:
    scan = site.scan(site.event(), seed=13)
    (gone, text), (_, other) = token(site, "one"), token(site, "two")
    with growing_map(site, scan) as store, watching(site, scan, text) as one, watching(site, scan, other) as two:
        add(store, 0, 20)
        one.cells(20)
        two.cells(20)
        with site.database.begin() as session:
            tokens.revoke(session, gone, "test")
        refused = one.until(lambda news: news.ended)
        assert "revoked" in refused.trouble
        add(store, 20, 40)
        assert not two.cells(40).ended
        assert one.told.empty()


def test_a_scan_that_is_not_there_is_said_not_to_be(site: Site) -> None:
    with watching(site, {"id": "0123456789ab"}) as one:
        assert "0123456789ab" in one.until(lambda news: news.ended).trouble


class Line(httpx.BaseTransport):
    """A network that may be down."""

    def __init__(self) -> None:
        self.real, self.down = httpx.HTTPTransport(), False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("nobody is there", request=request)
        return self.real.handle_request(request)

    def close(self) -> None:
        self.real.close()


def test_a_service_that_was_away_is_found_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "PATIENCE_S", 0.0)
    scan, line = site.scan(site.event(), seed=14), Line()
    with growing_map(site, scan) as store, Client(site.url, site.tokens["viewer"], line) as client:
        add(store, 0, 20)
        one = Watching(client, scan["id"])
        one.cells(20)
        line.down = True
        away = one.until(lambda news: news.trouble != "")
        assert "nobody is there" in away.trouble
        assert away.picture["cells"] == 20
        add(store, 20, 40)
        line.down = False
        found = one.cells(40)
        assert (found.trouble, found.ended) == ("", False)
        one.stop()


def test_a_map_that_cannot_be_read_ends_it_in_words(site: Site) -> None:
    scan = site.scan(site.event(), seed=15)
    with growing_map(site, scan) as store:
        add(store, 0, 20)
        file = store.place / "zarr.json"
        kept = file.read_bytes()
        file.write_bytes(b"nothing")
        with watching(site, scan) as one:
            assert "not a sky map" in one.until(lambda news: news.ended).trouble
        file.write_bytes(kept)
