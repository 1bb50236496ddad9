"""Sessions end with their pages: none is left over, and nothing of it."""

import gc
import logging
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import panel as pn
import pytest
from pages import PANELS, Dashboard, ended, hear, say, showing, until
from serving import opened
from websockets.exceptions import InvalidStatus

from skymist.app.pages import operations
from skymist.app.parts.again import again
from skymist.app.sitemap import PAGES
from skymist.app.visit import Visit

pytestmark = PANELS


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """Yield a service whose sessions end soon after their pages are lost."""
    with opened(tmp_path_factory.mktemp("site")) as settings, showing(settings, check_s=0.05, linger_s=0.5) as found:
        yield found


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """Yield a service whose sessions wait for their pages."""
    with opened(tmp_path_factory.mktemp("site")) as settings, showing(settings, check_s=0.05, linger_s=600) as found:
        yield found


class Thing:
    """Something that a page holds."""


@pytest.fixture
def things(monkeypatch: pytest.MonkeyPatch) -> Callable[[], tuple[int, int]]:
    """Have a page hold something; return how many there are, and how often it was told that its session has ended."""
    made: list[weakref.ref[Thing]] = []
    told: list[str] = []

    def page(visit: Visit) -> Any:
        thing, button = Thing(), pn.widgets.Button(label="press")
        made.append(weakref.ref(thing))
        button.on_click(lambda _: str(thing))
        pn.state.onload(lambda: str((thing, visit)))
        again(lambda: str((thing, button)), 20)
        pn.state.on_session_destroyed(lambda context: told.append(context.id))
        return pn.Column(button, pn.bind(lambda clicks: f"{thing} {clicks}", button.param.clicks))

    monkeypatch.setattr(operations, "page", page)

    def count() -> tuple[int, int]:
        gc.collect()
        return sum(each() is not None for each in made), len(told)

    return count


def test_of_closed_pages_nothing_is_left(slow: Dashboard, things: Callable[[], tuple[int, int]]) -> None:
    sockets = [slow.socket(slow.page()) for _ in range(20)]
    for socket in sockets:
        assert hear(socket).msgtype == "ACK"
        say(socket, "PULL-DOC-REQ")
    assert len(slow.pages.sessions()) == 20
    documents = [weakref.ref(session.document) for session in slow.pages.sessions()]
    for socket in sockets:
        socket.close(1001)
    slow.wait_for_sessions(0)  # they do not linger: their pages have said good-bye
    until(lambda: things() == (0, 20))
    until(lambda: gc.collect() >= 0 and all(each() is None for each in documents))
    assert len(slow.pages.owners) == 0
    assert slow.pages.bokeh._clients == set()


def test_a_page_that_was_fetched_and_never_connected_is_not_kept(
    quick: Dashboard, things: Callable[[], tuple[int, int]]
) -> None:
    for _ in range(3):
        quick.page()
    quick.wait_for_sessions(0)
    until(lambda: things() == (0, 3))


@pytest.mark.parametrize("name", [page.name for page in PAGES.values()])
def test_of_each_page_nothing_is_left(slow: Dashboard, name: str) -> None:
    with slow.socket(slow.page(f"/{name}"), f"/{name}") as socket:
        hear(socket)
        say(socket, "PULL-DOC-REQ")
        assert hear(socket).msgtype == "PULL-DOC-REPLY"
        document = weakref.ref(slow.pages.sessions()[0].document)
    slow.wait_for_sessions(0)
    until(lambda: gc.collect() >= 0 and document() is None)


def end_all(dashboard: Dashboard) -> None:
    """End the sessions whose pages have gone without a word, now."""
    until(lambda: all(session.connection_count == 0 for session in dashboard.pages.sessions()))
    for session in dashboard.pages.sessions():
        session.request_expiration()
    dashboard.wait_for_sessions(0)


def test_a_page_whose_connection_breaks_is_waited_for(slow: Dashboard) -> None:
    token = slow.page()
    with slow.socket(token) as socket:
        hear(socket)
        socket.socket.shutdown(2)  # nothing is said
    until(lambda: slow.pages.sessions()[0].connection_count == 0)
    with slow.socket(token) as socket:
        assert hear(socket).msgtype == "ACK"
        socket.close(1000)
    slow.wait_for_sessions(0)


def test_a_page_of_which_nothing_is_left_cannot_be_connected(slow: Dashboard) -> None:
    token = slow.page()
    end_all(slow)
    with pytest.raises(InvalidStatus, match="403"):
        slow.socket(token)
    assert slow.pages.sessions() == []


@pytest.mark.parametrize(
    "parts",
    [["x", "{}", "{}"], ["{}", "{}", "{}"], [b"\x00"], ['{"msgtype": "X"}', "{}", "{}"], ["[" * 5000, "{}", "{}"],
     ["[]", "1", "null"], ["1", "1", "1"]],
)  # fmt: skip
def test_what_is_no_message_ends_a_connection_without_a_traceback(
    slow: Dashboard, caplog: pytest.LogCaptureFixture, parts: list[str | bytes]
) -> None:
    with slow.socket(slow.page()) as socket:
        hear(socket)
        for part in parts:
            socket.send(part)
        assert ended(socket) == 1002
    end_all(slow)
    assert any("what is no message" in record.getMessage() for record in caplog.records)
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize("events", ["5", '[{"kind": "ModelChanged"}]', '[{"kind": "X"}]'])
def test_a_change_that_makes_no_sense_is_refused(slow: Dashboard, events: str) -> None:
    with slow.socket(slow.page()) as socket:
        hear(socket)
        for part in ('{"msgtype": "PATCH-DOC", "msgid": "1"}', "{}", f'{{"events": {events}}}'):
            socket.send(part)
        assert hear(socket).msgtype == "ERROR"
        say(socket, "PULL-DOC-REQ")
        assert hear(socket).msgtype == "PULL-DOC-REPLY"
        socket.close(1001)
    slow.wait_for_sessions(0)


def test_pages_that_go_away_are_no_news(
    slow: Dashboard, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.WARNING):
        for code in (1000, 1001, 4000):
            slow.socket(slow.page()).close(code)
        for _ in range(3):
            socket = slow.socket(slow.page())
            socket.socket.shutdown(2)
            socket.close()
        end_all(slow)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert capfd.readouterr() == ("", "")


def test_one_person_cannot_have_any_number_of_pages(slow: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skymist.app.sessions.MOST_OPEN", 3)
    for _ in range(3):
        assert slow.get("/operations", "analyst").status_code == 200
    answer = slow.get("/operations", "analyst")
    assert answer.status_code == 503
    assert "You have 3 pages open" in answer.text
    assert slow.get("/operations", "operator").status_code == 200
    end_all(slow)
    assert slow.get("/operations", "analyst").status_code == 200
    end_all(slow)
