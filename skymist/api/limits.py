"""What protects the service from too much of everything, and its answers from being kept or misread."""

import time
from collections import OrderedDict
from threading import Lock

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from skymist.api.problems import HEADERS, respond
from skymist.api.settings import Limits
from skymist.records.tokens import digest

MOST_BUCKETS = 10_000

INSIDE = "skymist.inside"
"""In the scope of requests that this process sends itself: nobody who asks can say that."""

COOKIE = "skymist_token"
"""Holds the token of who has logged in with a browser; the pages know it by the same name."""


class Buckets:
    """A token bucket for each client: `burst` requests at once, `per_second` in the long run.

    A client is known by its token once that was found valid, and by its address until then: guessing tokens does
    not give new buckets.

    Parameters
    ----------
    per_second : float
    burst : int
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self.per_second, self.burst = per_second, burst
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def admit(self, name: str) -> None:
        """Give a client a bucket of its own."""
        with self._lock:
            self._left.setdefault(name, (float(self.burst), time.monotonic()))

    def take(self, name: str, otherwise: str) -> float:
        """Count a request for `name`, or `otherwise` if it was not admitted.

        Returns
        -------
        float
            Seconds to wait until there may be another one; 0 if this one is within the limit.
        """
        with self._lock:
            key, now = name if name in self._left else otherwise, time.monotonic()
            left, last = self._left.pop(key, (float(self.burst), now))
            left = min(self.burst, left + (now - last) * self.per_second)
            self._left[key] = (left - 1 if left >= 1 else left, now)
            while len(self._left) > MOST_BUCKETS:
                self._left.popitem(last=False)
            return 0.0 if left >= 1 else (1 - left) / self.per_second


def given_token(asked: HTTPConnection) -> tuple[str, bool]:
    """Return the token that comes with a request, empty if there is none, and whether it is that of a browser's login.

    The login counts for what only reads: a browser sends it along whoever made it ask.
    """
    if header := asked.headers.get("authorization"):
        scheme, _, text = header.partition(" ")
        return (text.strip() if scheme.lower() == "bearer" else ""), False
    if asked.scope.get("method") in ("GET", "HEAD"):
        return asked.cookies.get(COOKIE, ""), True
    return "", False


def client_of(scope: Scope) -> tuple[str, str]:
    """Return under which names a client is counted: of its token, and of its address."""
    address = scope["client"][0] if scope.get("client") else "unknown"
    return token_name(given_token(HTTPConnection(scope))[0]), f"address {address}"


def token_name(token: str) -> str:
    """Return the name of a token's bucket; the token itself is not kept."""
    return f"token {digest(token)}"


class Guard:
    """Middleware: limits of rates and bodies, and the headers of all answers.

    Parameters
    ----------
    app : ASGIApp
    limits : Limits
    buckets : Buckets
    """

    def __init__(self, app: ASGIApp, limits: Limits, buckets: Buckets) -> None:
        self.app, self.limits, self.buckets = app, limits, buckets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most = self.limits.event_bytes if scope["path"] == "/v1/events" else self.limits.body_bytes
        sending = _with_headers(send)
        if wait := 0.0 if INSIDE in scope else self.buckets.take(*client_of(scope)):
            headers = {"Retry-After": str(int(wait) + 1)}
            refusal = respond(Request(scope), 429, f"too many requests: wait {wait:.1f} s", headers=headers)
        elif _announced(scope) > most:
            refusal = respond(Request(scope), 413, _too_large(most))
        else:
            await self.app(scope, _counting(receive, most), sending)
            return
        await refusal(scope, receive, sending)


def _announced(scope: Scope) -> int:
    text = dict(scope["headers"]).get(b"content-length", b"0")
    return int(text) if text.isdigit() and len(text) < 20 else 0


def _too_large(most: int) -> str:
    return f"the body is too large: at most {most} bytes are taken"


def _counting(receive: Receive, most: int) -> Receive:
    """Count what really comes: what a client announces need not be true, or be there at all."""
    count = 0

    async def counted() -> Message:
        nonlocal count
        message = await receive()
        count += len(message.get("body", b""))
        if count > most:
            raise HTTPException(413, _too_large(most))
        return message

    return counted


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for key, value in HEADERS.items():
                headers.setdefault(key, value)
        await send(message)

    return sending
