"""Sessions of pages: each belongs to who opened it, and ends with its tab.

What bokeh-fastapi 0.1.8 leaves open is closed here, in `Socket`: it never tells a session that its page has gone, so
that sessions stay for ever, closes with codes that do not exist, and prints (its issue 19). And in `Pages`: a session's
id may come from whoever asks, and nobody asks whose it is.
"""

import hashlib
import hmac
import logging
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import panel as pn
from bokeh.application.handlers.handler import Handler
from bokeh.util.token import check_token_signature, get_session_id, get_token_payload
from bokeh_fastapi.handler import DocHandler, WSHandler  # type: ignore[import-untyped]
from fastapi import FastAPI
from panel.io.document import extra_socket_handlers
from panel.io.fastapi import add_applications, dispatch_fastapi
from panel.io.server import ComponentResourceHandler
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Match, Mount, Route, WebSocketRoute
from starlette.types import Scope
from starlette.websockets import WebSocket, WebSocketDisconnect
from tornado.web import HTTPError

from skymist.app.door import COMPONENTS, STRANGER
from skymist.app.frame import frame, prepare
from skymist.app.inside import Inside
from skymist.app.parts.lifeline import Lifeline
from skymist.app.sitemap import PAGES, Page
from skymist.app.visit import VISITOR, Visit
from skymist.client.service import Client

if TYPE_CHECKING:
    from bokeh.document import Document
    from bokeh.protocol.message import Message
    from bokeh.server.contexts import ApplicationContext
    from bokeh.server.session import ServerSession
    from tornado.httputil import HTTPServerRequest

URL = "http://127.0.0.1"
"""Of a service that is asked without a network."""

THREADS = 8
"""In which callbacks of pages wait for the service."""

MOST_OPEN = 50
"""Sessions of one person at a time: each takes some megabytes."""

GONE = 1000, 1001
"""Codes with which a browser says that a page was closed or left."""

_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-eval' blob: 'nonce-{0}'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' blob: data:; worker-src 'self' blob:; "
    "frame-ancestors 'none'; form-action 'self'; base-uri 'none'; object-src 'none'"
)
_HEADERS = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}
_FULL = "<!DOCTYPE html><html lang='en'><title>skymist</title><p>You have {0} pages open: please close some.</p></html>"
_OURS = "panel", "panel_material_ui", "skymist"
"""Packages whose components may have files."""

_log = logging.getLogger(__name__)


class Socket(WSHandler):
    """The connection of one page."""

    async def ws_connect(self, websocket: WebSocket) -> None:
        """Speak with a page until it goes; `Pages` has seen that its session's token is right."""
        self._socket, code, session = websocket, 1006, None
        await websocket.accept("bokeh")
        try:
            await self._async_open(websocket, websocket.scope["subprotocols"][1])
            session = self.connection.session
            code = await self._talk()
        except (WebSocketDisconnect, RuntimeError) as error:  # Starlette has both for a page that has gone
            _log.debug("a page has gone: %s", error)
        finally:
            if self.connection is not None:
                self.application.client_lost(self.connection)
            if session is not None and code in GONE:
                session.request_expiration()

    async def _talk(self) -> int:
        """Do what the page says; return the code with which it ends."""
        while (heard := await self._socket.receive())["type"] == "websocket.receive":
            text = heard.get("text")
            message = await self._receive(heard["bytes"] if text is None else text)
            work = None if message is None else await self._handle(message)
            if work:
                await self.send_message(work)
        return int(heard.get("code") or 1005)

    async def _receive(self, fragment: str | bytes) -> "Message[Any] | None":
        """Return a message once it is whole."""
        try:
            whole: Message[Any] | None = await self.receiver.consume(fragment)
        except Exception as error:  # noqa: BLE001 (whatever it is, it comes from what somebody has sent)
            await self._protocol_error(f"{type(error).__name__}: {error}")
            return None
        return whole

    async def _internal_error(self, message: str) -> None:
        _log.error("a page is closed: %s", message)
        await self._socket.close(1011)
        raise WebSocketDisconnect(1011)

    async def _protocol_error(self, message: str) -> None:
        _log.warning("a page is closed, which sent what is no message: %.200r", message)
        await self._socket.close(1002)
        raise WebSocketDisconnect(1002)


extra_socket_handlers[Socket] = dispatch_fastapi


class Owner(Handler):
    """Writes into the token of a session whose it is; the key of the service signs it."""

    def __init__(self, mark: Callable[[], str]) -> None:
        super().__init__()
        self.mark = mark

    def modify_document(self, doc: "Document") -> None:
        """Leave it as it is."""

    def process_request(self, request: "HTTPServerRequest") -> dict[str, Any]:  # noqa: ARG002 (Bokeh's)
        """Return what is added to the token."""
        return {"owner": self.mark()}


class Named(Route):
    """A route by whose path requests are counted, as those of FastAPI are."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether a request is for it, and what that makes known."""
        match, more = super().matches(scope)
        return match, {**more, "route": self}


class Pages:
    """All pages, each request for which makes a session.

    Parameters
    ----------
    transport : Inside
        By which they ask the API.
    linger_s : float
        For how long a session stays whose page was lost, or never came.
    """

    def __init__(self, transport: Inside, linger_s: float) -> None:
        pn.config.nthreads = THREADS  # type: ignore[misc]
        self.key, self.linger_s = secrets.token_bytes(32), linger_s
        self.owners: WeakKeyDictionary[ServerSession, str] = WeakKeyDictionary()
        made = {page.path: partial(_make, page, transport) for page in PAGES.values()}
        titles = {page.path: f"{page.title} - skymist" for page in PAGES.values()}
        # Its routes are not used, but its sessions; `add_application` would drop half of what is said here.
        self.bokeh = add_applications(
            {path: _plain(make) for path, make in made.items()}, app=FastAPI(), title=titles, sign_sessions=True,
            secret_key=self.key, include_headers=[], include_cookies=[],
        )  # fmt: skip
        self.contexts: dict[str, ApplicationContext] = self.bokeh._applications
        for context in self.contexts.values():
            context.application.add(Owner(self._mark))

    def routes(self) -> Iterator[BaseRoute]:
        """Yield them, with what they consist of."""
        for path, context in self.contexts.items():
            yield Named(path, partial(self._show, DocHandler(self.bokeh, context)), methods=["GET"])
            yield WebSocketRoute(f"{path}/ws", partial(self._hear, context))
        yield Named(COMPONENTS + "{path:path}", _component, methods=["GET"])
        yield from (route for route in self.bokeh.app.routes if isinstance(route, Mount))

    async def sweep(self) -> None:
        """End the sessions whose pages have gone."""
        for context in self.contexts.values():
            await context._cleanup_sessions(int(self.linger_s * 1000))

    def sessions(self) -> "list[ServerSession]":
        """Return those that there are."""
        return [session for context in self.contexts.values() for session in context.sessions]

    def _mark(self) -> str:
        """Return by which a visitor is known again: of their token, which it does not tell."""
        return hmac.new(self.key, VISITOR.get().token.encode(), hashlib.sha256).hexdigest()

    async def _show(self, handler: DocHandler, request: Request) -> Response:
        mark = self._mark()
        count = sum(owner == mark for session, owner in self.owners.items() if not session.destroyed)
        if count >= MOST_OPEN:
            return HTMLResponse(_FULL.format(count), 503, {**_HEADERS, "retry-after": str(int(self.linger_s))})
        session = await handler.get_session(request, None)  # never one that the request names
        self.owners[session] = mark
        document = session.document
        document.config.update(reconnect_session=False, notify_connection_status=False)  # `Lifeline` does that
        text = DocHandler.render_session(
            session, resources=self.bokeh.resources(), title=document.title, template=document.template,
            template_variables=document.template_variables,
        )  # fmt: skip
        text = "</main></body>".join(text.replace("<body>", "<body><main>", 1).rsplit("</body>", 1))
        nonce = secrets.token_urlsafe(16)
        policy = {"content-security-policy": _POLICY.format(nonce)}
        return HTMLResponse(_signed(text, nonce), headers={**_HEADERS, **policy})

    async def _hear(self, context: "ApplicationContext", websocket: WebSocket) -> None:
        asked = websocket.scope["subprotocols"]
        if len(asked) != 2 or asked[0] != "bokeh" or not self._is_theirs(context, asked[1]):
            await websocket.close(STRANGER)
            return
        await Socket(self.bokeh, context).ws_connect(websocket)

    def _is_theirs(self, context: "ApplicationContext", token: str) -> bool:
        """Return whether a token is one of ours, not too old, of a session that is there, and of who asks."""
        try:
            right = check_token_signature(token, self.key, signed=True)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            return False
        if not right or get_session_id(token) not in context._sessions:
            return False
        said = get_token_payload(token)
        return said["session_expiry"] > time.time() and hmac.compare_digest(str(said.get("owner")), self._mark())


def _plain(make: Callable[[], Any]) -> Callable[[], Any]:
    """Return a function, which Panel wants: it asks for the name."""

    def made() -> Any:
        return make()

    return made


def _make(page: Page, transport: Inside) -> Any:
    visitor = VISITOR.get()
    prepare(page, visitor.look)
    Lifeline().servable()
    return frame(page, Visit(Client(URL, visitor.token, transport), visitor))


async def _component(request: Request) -> Response:
    """Return a file of a component; what is asked for is never imported for that."""
    path = request.path_params["path"]
    module = path.partition("/")[0]
    try:
        if module not in sys.modules or module.partition(".")[0] not in _OURS:
            raise HTTPError(404)
        found = ComponentResourceHandler.parse_url_path(ComponentResourceHandler, path)  # type: ignore[arg-type]
    except HTTPError:
        return PlainTextResponse("there is no such file", 404)
    return FileResponse(found, headers={"cache-control": "private, no-cache"})


class _Scripts(HTMLParser):
    """Finds where the scripts of a page begin, that are written in it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[tuple[int, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where one begins."""
        given = dict(attrs)
        if tag == "script" and "src" not in given and given.get("type") != "application/json":
            self.found.append(self.getpos())


def _signed(page: str, nonce: str) -> str:
    """Return a page in which each of its scripts says the word without which a browser runs none."""
    scripts, lines = _Scripts(), page.split("\n")
    scripts.feed(page)
    for line, place in reversed(scripts.found):
        text, behind = lines[line - 1], place + len("<script")
        lines[line - 1] = f'{text[:behind]} nonce="{nonce}"{text[behind:]}'
    return "\n".join(lines)
