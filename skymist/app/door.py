"""Who may see the pages: a token in a cookie, asked for by everything that is a page or belongs to one."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Protocol
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from skymist.app.sitemap import PAGES
from skymist.app.visit import VISITOR, Look, Visitor
from skymist.errors import StoreError

COOKIE, LOOK = "skymist_token", "skymist_look"
"""Who somebody is, and how they want to see things; the API knows the first by the same name."""

HOME, COMPONENTS, STATIC = "/alerts", "/components/", "/static/"

UNKNOWN, STRANGER = 4401, 4403
"""Codes with which a page's connection is closed: who has it open must log in again; it is not theirs."""

_KEPT = "public, max-age=31536000, immutable"
_ASKED_AGAIN = "public, no-cache"
_WAIT = "<!DOCTYPE html><html lang='en'><title>skymist</title><p>{0} This page tries again by itself.</p></html>"

_log = logging.getLogger(__name__)


class Known(Protocol):
    """Somebody whose token is valid."""

    @property
    def name(self) -> str:
        """For the log."""

    @property
    def role(self) -> str:
        """What they may do."""

    @property
    def expires(self) -> datetime:
        """Of the token."""


Who = Callable[[str], Known | None]
"""Returns whose token a text is; None if it is unknown, expired or revoked; `StoreError` if that cannot be told."""


class Door:
    """Middleware: lets in to the pages only who has a valid token.

    Parameters
    ----------
    app : ASGIApp
    who : Who
    from_here : callable
        Returns whether a browser says that a page of this service asks.
    is_open : callable
        Returns whether there are pages yet.
    look_again_s : float
        After which it is asked again whether who has a page open may still see it.
    """

    def __init__(
        self, app: ASGIApp, who: Who, from_here: Callable[[HTTPConnection], bool], is_open: Callable[[], bool],
        look_again_s: float,
    ) -> None:  # fmt: skip
        self.app, self.who, self.from_here, self.is_open = app, who, from_here, is_open
        self.look_again_s = look_again_s
        self.pages = {page.path for page in PAGES.values()}
        self.sockets = {f"{path}/ws" for path in self.pages}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with who asks, or refuse it."""
        path = scope.get("path", "")
        if scope["type"] == "websocket" and path in self.sockets:
            await self._socket(scope, receive, send)
        elif scope["type"] == "http" and (path in self.pages or path.startswith(COMPONENTS)):
            await self._page(scope, receive, send)
        elif scope["type"] == "http" and path == "/":
            await RedirectResponse(HOME)(scope, receive, send)
        else:
            kept = scope["type"] == "http" and path.startswith(STATIC)
            await self.app(scope, receive, _keeping(scope, send) if kept else send)

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = HTTPConnection(scope)
        try:
            known = await self._known(asked)
        except StoreError as error:
            _log.error("%s", error)
            await _wait("The service cannot tell at present who you are.")(scope, receive, send)
            return
        if known is None:
            await _to_login(asked)(scope, receive, send)
        elif not self.is_open():
            await _wait("The dashboard is starting.")(scope, receive, send)
        else:
            VISITOR.set(_visitor(asked, known))
            await self.app(scope, receive, send)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = HTTPConnection(scope)
        try:
            known = await self._known(asked) if self.is_open() else None
        except StoreError as error:
            _log.error("%s", error)
            known = None
        if known is None or not self.from_here(asked):
            if known is not None:
                _log.warning("a connection from another site is refused: %.100r", asked.headers.get("origin"))
            # Before it is accepted: the browser gets an answer with status 403.
            await send({"type": "websocket.close", "code": UNKNOWN if known is None else STRANGER})
            return
        VISITOR.set(_visitor(asked, known))
        await self._watched(partial(self._may_stay, asked, known), scope, receive, send)

    async def _known(self, asked: HTTPConnection) -> Known | None:
        token = asked.cookies.get(COOKIE, "")
        return await run_in_threadpool(self.who, token) if token else None

    async def _watched(
        self, may_stay: Callable[[], Awaitable[bool]], scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Pass on what a page says until either side ends it, or its visitor may not see it any more."""
        ended = False

        async def sending(message: Message) -> None:
            if not ended:
                await send(message)

        talk = asyncio.ensure_future(self.app(scope, receive, sending))
        try:
            while not (await asyncio.wait({talk}, timeout=self.look_again_s))[0]:
                if not await may_stay():
                    await send({"type": "websocket.close", "code": UNKNOWN, "reason": "the login has ended"})
                    ended = True
                    return
            await talk
        finally:
            talk.cancel()
            await asyncio.wait({talk})

    async def _may_stay(self, asked: HTTPConnection, known: Known) -> bool:
        try:
            return await self._known(asked) is not None
        except StoreError:  # whatever the page asks for is checked once more, and refused
            return known.expires > datetime.now(UTC)


def _visitor(asked: HTTPConnection, known: Known) -> Visitor:
    look = Look.parse(asked.cookies.get(LOOK, ""))
    return Visitor(asked.cookies[COOKIE], known.name, str(known.role), look, dict(asked.query_params))


def _to_login(asked: HTTPConnection) -> Response:
    """Return what sends somebody to log in, and later back."""
    if asked.url.path.startswith(COMPONENTS):
        return PlainTextResponse("log in first", 401, {"www-authenticate": 'Bearer realm="skymist"'})
    to = asked.url.path + (f"?{asked.url.query}" if asked.url.query else "")
    return RedirectResponse(f"/login?to={quote(to, safe='')}", 303, {"cache-control": "no-store"})


def _wait(reason: str) -> Response:
    return HTMLResponse(_WAIT.format(reason), 503, {"retry-after": "2", "refresh": "2", "cache-control": "no-store"})


def _keeping(scope: Scope, send: Send) -> Send:
    """Let browsers keep files that are the same for everybody: for ever, if their address has their hash."""
    kept = _KEPT if scope["query_string"].startswith(b"v=") else _ASKED_AGAIN

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] in (200, 206, 304):
            MutableHeaders(scope=message)["cache-control"] = kept
        await send(message)

    return sending
