"""Who may see the pages: a token in a cookie, asked for by everything that is a page or belongs to one."""

from collections.abc import Callable
from typing import Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from skymist.app.pages import PAGES
from skymist.app.visit import VISITOR, Look, Visitor

COOKIE, LOOK = "skymist_token", "skymist_look"


class Known(Protocol):
    """Somebody whose token is valid."""

    @property
    def name(self) -> str:
        """For the log."""

    @property
    def role(self) -> str:
        """What they may do."""


class Door:
    """Middleware: lets in to the pages only who has a valid token.

    Parameters
    ----------
    app : ASGIApp
    who : callable
        Returns whose token a text is; None if it is unknown, expired or revoked.
    """

    def __init__(self, app: ASGIApp, who: Callable[[str], Known | None]) -> None:
        self.app, self.who = app, who
        self.guarded = {page.path for page in PAGES.values()} | {f"{page.path}/ws" for page in PAGES.values()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with who asks, or refuse it."""
        if scope["type"] == "http" and scope["path"] == "/":
            await RedirectResponse("/alerts")(scope, receive, send)
            return
        if scope["type"] not in ("http", "websocket") or scope["path"] not in self.guarded:
            await self.app(scope, receive, send)
            return
        asked = HTTPConnection(scope)
        token = asked.cookies.get(COOKIE, "")
        known = await run_in_threadpool(self.who, token) if token else None
        if known is None:
            await RedirectResponse("/login", 303)(scope, receive, send)
            return
        look = Look.parse(asked.cookies.get(LOOK, ""))
        VISITOR.set(Visitor(token, known.name, str(known.role), look, dict(asked.query_params)))
        await self.app(scope, receive, _with_headers(send))


POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' blob: data:; worker-src 'self' blob:; "
    "frame-ancestors 'none'; form-action 'self'; base-uri 'none'; object-src 'none'"
)


def _with_headers(send: Send) -> Send:
    from starlette.datastructures import MutableHeaders
    from starlette.types import Message

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["content-security-policy"] = POLICY
        await send(message)

    return sending
