"""Requests of threads to an app in an event loop, without a network."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import Site, opened

from skymist.api import ApiSettings, Limits, create_app
from skymist.api.limits import INSIDE
from skymist.app.inside import Inside
from skymist.client.service import Client
from skymist.errors import ConflictError, ReadError, RequestError, StoreError
from skymist.records.tokens import Access

URL = "http://127.0.0.1"


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    found = Loop()
    yield found.loop
    found.close()


@contextmanager
def asking(app: Any, loop: asyncio.AbstractEventLoop | None, **more: Any) -> Iterator[httpx.Client]:
    inside = Inside(app, INSIDE, **more)
    inside.loop = loop
    with httpx.Client(transport=inside, base_url=URL) as client:
        yield client


async def tell(scope: Any, receive: Any, send: Any) -> None:
    """Answer with what was asked, in two parts."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message.get("more_body", False)
    said = f"{scope['method']} {scope['path']} {scope['query_string'].decode()} {INSIDE in scope} ".encode()
    await send({"type": "http.response.start", "status": 201, "headers": [(b"x-told", b"yes")]})
    await send({"type": "http.response.body", "body": said, "more_body": True})
    await send({"type": "http.response.body", "body": body})


async def fail(scope: Any, receive: Any, send: Any) -> None:
    raise ZeroDivisionError("a secret")


async def wait(scope: Any, receive: Any, send: Any) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        scope["app_ended"].set()


def test_a_request_goes_in_and_its_answer_comes_out(loop: asyncio.AbstractEventLoop) -> None:
    with asking(tell, loop) as client:
        answer = client.post("/v1/x%20y?a=1", content=iter([b"one", b"two"]))
        assert (answer.status_code, answer.headers["x-told"]) == (201, "yes")
        assert answer.text == "POST /v1/x y a=1 True onetwo"
        with client.stream("GET", "/v1/x") as streamed:
            assert b"".join(streamed.iter_bytes()) == b"GET /v1/x  True "


def test_the_mark_cannot_be_made_outside(tmp_path: Path) -> None:
    seen: list[bool] = []

    async def look(scope: Any, receive: Any, send: Any) -> None:
        seen.append(INSIDE in scope)
        await tell(scope, receive, send)

    transport = httpx.ASGITransport(look)

    async def ask() -> None:
        async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
            await client.get("/", headers={INSIDE: "1"}, params={INSIDE: "1"})

    asyncio.run(ask())
    assert seen == [False]


def test_many_threads_ask_at_once(loop: asyncio.AbstractEventLoop) -> None:
    together = asyncio.Barrier(8)  # each waits for the others: none is answered before all are in

    async def meet(scope: Any, receive: Any, send: Any) -> None:
        async with asyncio.timeout(60):
            await together.wait()
        await tell(scope, receive, send)

    with asking(meet, loop) as client, ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda k: client.get(f"/{k}").text, range(64)))
    assert answers == [f"GET /{k}  True " for k in range(64)]


def test_an_app_that_fails_answers_500(loop: asyncio.AbstractEventLoop) -> None:
    with asking(fail, loop) as client:
        answer = client.get("/")
        assert answer.status_code == 500
        assert "secret" not in answer.text


def test_an_answer_that_does_not_come_is_given_up(loop: asyncio.AbstractEventLoop) -> None:
    ended = threading.Event()

    async def waits(scope: Any, receive: Any, send: Any) -> None:
        await wait({**scope, "app_ended": ended}, receive, send)

    with asking(waits, loop, patience_s=0.05) as client, pytest.raises(httpx.ReadTimeout, match=r"within 0\.05 s"):
        client.get("/")
    assert ended.wait(60)  # nothing goes on for nobody


def test_a_service_that_is_stopped_is_away(loop: asyncio.AbstractEventLoop) -> None:
    async def stops(scope: Any, receive: Any, send: Any) -> None:
        raise asyncio.CancelledError

    with asking(stops, loop) as client, pytest.raises(httpx.ConnectError, match="is being stopped"):
        client.get("/")


def test_the_loop_does_not_wait_for_itself(loop: asyncio.AbstractEventLoop) -> None:
    async def ask() -> None:
        with asking(tell, loop) as client:
            client.get("/v1/alerts")

    with pytest.raises(RuntimeError, match=r"GET /v1/alerts .* in the event loop"):
        asyncio.run_coroutine_threadsafe(ask(), loop).result(60)

    async def from_another() -> str:
        with asking(tell, loop) as client:
            return client.get("/").text

    assert asyncio.run(from_another()) == "GET /  True "


def test_before_it_runs_and_after_nobody_is_there() -> None:
    with asking(tell, None) as client, pytest.raises(httpx.ConnectError, match="does not run"):
        client.get("/")
    found = Loop()
    found.close()
    with asking(tell, found.loop) as client, pytest.raises(httpx.ConnectError, match="does not run"):
        client.get("/")


# The API of a service, from inside.


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[ApiSettings]:
    with opened(tmp_path, limits=Limits(per_second=0.001, burst=2)) as found:
        yield found


@pytest.fixture
def site(settings: ApiSettings) -> Iterator[Site]:
    found = Site(URL, settings.database)
    yield found
    found.close()


def test_the_api_answers_from_inside_as_it_does_outside(
    settings: ApiSettings, site: Site, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(settings)
    transport = Inside(app, INSIDE)
    transport.loop = loop

    def client(token: str) -> Client:
        return Client(URL, token, transport)

    viewer = client(site.tokens[Access.VIEWER])
    assert [viewer.me()["role"] for _ in range(9)] == ["viewer"] * 9  # what pages ask counts for no limit
    assert list(viewer.scans()) == []
    with pytest.raises(RequestError, match="this needs the role"):
        list(viewer.quarantine())
    with pytest.raises(RequestError, match="unknown, expired or revoked"):
        client("skymist_no").me()
    with pytest.raises((RequestError, ConflictError, ReadError), match=r"is called .IceCube-170922A."):
        viewer.alert("IceCube-170922A")

    def bug(*_: object) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr("skymist.api.access.find_person", bug)
    with pytest.raises(StoreError, match="a defect of skymist"):
        viewer.me()
