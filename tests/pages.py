"""The dashboard beside a service in this process, and pages of it as a browser has them open."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx
import pytest
from bokeh.protocol import Protocol
from bokeh.protocol.receiver import Receiver
from fastapi import FastAPI
from serving import Site, serving
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from skymist.api import ApiSettings, login
from skymist.api.access import is_from_here
from skymist.api.limits import COOKIE, INSIDE
from skymist.app import mount
from skymist.app.mount import Mounted, Patience
from skymist.app.sessions import Pages

PANELS = [
    pytest.mark.filterwarnings("ignore:.*HTTPServerRequest:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame:DeprecationWarning"),
]
"""Of what Panel 1.9 is warned by Tornado 6.5 and pandas 3: it is not ours to mend."""


class Dashboard:
    """A service with pages.

    Attributes
    ----------
    site : Site
    mounted : Mounted
    """

    def __init__(self, site: Site, mounted: Mounted) -> None:
        self.site, self.mounted = site, mounted
        self.http = httpx.Client(base_url=site.url, timeout=60, trust_env=False)

    @property
    def pages(self) -> Pages:
        assert self.mounted.pages is not None
        return self.mounted.pages

    def get(self, path: str, who: str | None = "viewer", **headers: str) -> httpx.Response:
        """Ask as a browser in which somebody with a role (or a token) has logged in."""
        return self.http.get(path, headers={**self.cookie(who), **headers})

    def cookie(self, who: str | None) -> dict[str, str]:
        return {} if who is None else {"Cookie": f"{COOKIE}={self.site.tokens.get(who, who)}"}

    def page(self, path: str = "/operations", who: str = "viewer") -> str:
        """Open a page, and return the token of its session."""
        answer = self.get(path, who)
        assert answer.status_code == 200, answer.text
        return session_token(answer.text)

    def socket(
        self, token: str, path: str = "/operations", who: str | None = "viewer", origin: str | None = "", **more: Any
    ) -> ClientConnection:
        """Connect a page to its session, as the page of a browser does."""
        url = f"{self.site.url.replace('http', 'ws', 1)}{path}/ws"
        given = {
            "origin": self.site.url if origin == "" else origin,
            "subprotocols": ["bokeh", token],
            "proxy": None,
            "legacy": True,
        }
        return connect(url, additional_headers=self.cookie(who), **{**given, **more})

    def wait_for_sessions(self, count: int) -> None:
        until(lambda: len(self.pages.sessions()) == count)


def until(look: Callable[[], bool], patience_s: float = 120) -> None:
    end = time.monotonic() + patience_s
    while not look():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.02)


def session_token(page: str) -> str:
    return re.findall(r'"token":"([^"]+)"', page)[0]


def hear(socket: ClientConnection) -> Any:
    """Return the next message of a session."""
    receiver = Receiver(Protocol())
    message = None
    while message is None:
        message = _take(receiver, socket.recv(timeout=30))
    return message


def _take(receiver: Receiver, fragment: str | bytes) -> Any:
    """Consume is a coroutine that never waits."""
    try:
        receiver.consume(fragment).send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError


def ended(socket: ClientConnection) -> int:
    """Return the code with which the other side ends a connection, whatever it says before."""
    with pytest.raises(ConnectionClosed) as closed:  # noqa: PT012 (it says more than one thing)
        while True:
            hear(socket)
    assert closed.value.rcvd is not None
    return int(closed.value.rcvd.code)


def say(socket: ClientConnection, kind: str, **more: Any) -> None:
    message = Protocol().create(kind, **more)
    for part in (message.header_json, message.metadata_json, message.content_json):
        socket.send(part)


@contextmanager
def showing(settings: ApiSettings, **patience: float) -> Iterator[Dashboard]:
    """Start a service with pages on loopback, and stop it."""
    mounted: list[Mounted] = []

    def add(app: FastAPI) -> None:
        service, here = app.state.service, partial(is_from_here, origins=settings.origins)
        mounted.append(mount(app, INSIDE, partial(login.who, service), here, Patience(**patience)))
        app.include_router(login.router)

    with serving(settings, "auto", add) as site:
        until(lambda: mounted[0].pages is not None or mounted[0].failed)
        dashboard = Dashboard(site, mounted[0])
        try:
            yield dashboard
        finally:
            dashboard.http.close()
