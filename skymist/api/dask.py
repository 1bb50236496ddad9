"""Dask's own dashboards behind our login: what a runner serves on this machine's loopback interface, for operators.

Nothing of a request says where it goes: the id in its path names a cluster that a runner holds, and the runner has
recorded at which port of this machine its scheduler answers. Only pages are fetched, never followed elsewhere; Dask
sees neither our cookie nor any other header that it does not need, and sets none. Its pages run within a policy that
lets them talk to themselves and to nothing else of this service, which has the same origin.
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from skymist.api.access import find_person, is_foreign, is_from_here
from skymist.api.limits import COOKIE, given_token, token_name
from skymist.records.tokens import Access
from skymist.workflow.operations import held_clusters

if TYPE_CHECKING:
    from httpx import AsyncClient
    from httpx import Response as Answer
    from websockets.asyncio.client import ClientConnection

    from skymist.api.service import Service

MOUNTED = "/dask"
MOST_BYTES = 32 * 2**20
"""Of one file or message."""

MOST_SOCKETS = 64
"""Pages that are open at the same time."""

PATIENCE_S = 30.0
TAKEN = "accept", "accept-language", "if-none-match", "if-modified-since", "user-agent"
"""Headers that Dask is told."""

GIVEN = "content-type", "etag", "last-modified"
"""Headers that it tells."""

CLOSED = "proxy", "jupyter", "api"
"""Pages of a scheduler that lead elsewhere, or do more than show something."""

_ADDRESS = re.compile(r"http://127\.0\.0\.1:([1-9][0-9]{0,4})")
_ID = re.compile(r"[A-Za-z0-9_-]+\.[0-9a-f]{8}")
_HOST = re.compile(r"[A-Za-z0-9.\[\]:_-]+")
_FOREIGN = re.compile(rb"<link[^>]*\shref=\"https?://[^>]*>", re.IGNORECASE)


def dashboard_of(cluster: Mapping[str, Any]) -> dict[str, str]:
    """Return at which path of this service a cluster's dashboard is, or else why it has none."""
    if reason := _why_not(cluster):
        return {"dashboard": "", "no_dashboard": reason}
    return {"dashboard": f"{MOUNTED}/{cluster['id']}/status", "no_dashboard": ""}


def _why_not(cluster: Mapping[str, Any]) -> str:
    host = str(cluster["owner"]).rsplit(":", 2)[0]
    if cluster["state"] != "running":
        return f"the cluster is {cluster['state']}"
    if not cluster["dashboard"]:
        return "it has none: dask_dashboard: true in the settings of the service turns those of local and SLURM on"
    if host != socket.gethostname():
        return f"it is on {host}, where only a service of that machine can see it"
    return "" if _ADDRESS.fullmatch(cluster["dashboard"]) else "it is not on the loopback interface"


class DaskPages:
    """An ASGI app with the dashboards of all clusters: ``/ID/PAGE``.

    Parameters
    ----------
    service : Service
    """

    def __init__(self, service: "Service") -> None:
        self.service = service
        self._http: AsyncClient | None = None
        self._sockets = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with what Dask answers, or refuse."""
        if scope["type"] == "websocket":
            await self._talk(WebSocket(scope, receive, send))
            return
        response = await self._page(Request(scope))
        await response(scope, receive, send)

    async def close(self) -> None:
        """Let go of all connections."""
        if self._http is not None:
            await self._http.aclose()

    async def _page(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            raise HTTPException(405, "Dask's pages are only looked at", {"Allow": "GET, HEAD"})
        await run_in_threadpool(self._admit, request)
        name, path = _parts(request)
        address = await self._address(name)
        here = f"{request.scope['root_path']}/{name}"
        if path in ("", "/"):
            return RedirectResponse(f"{here}/status")
        return _answer(request, await self._fetch(request, address + path), address, here)

    def _admit(self, asked: HTTPConnection) -> None:
        """Refuse whoever is no operator, and who is made to ask by another site."""
        token, by_login = given_token(asked)
        if asked.scope["type"] == "websocket":
            by_login = not token or "origin" in asked.headers  # a browser sends our cookie whoever made it ask
            token = token or asked.cookies.get(COOKIE, "")
            if by_login and not is_from_here(asked, self.service.settings.origins):
                raise HTTPException(403, "a page of another site may not talk to this one")
        elif by_login and is_foreign(Request(asked.scope)):
            raise HTTPException(403, "another site may link to this, but not use your login here")
        person = find_person(self.service, token) if token else None
        if person is None:
            raise HTTPException(401, "log in, or send a token", {"WWW-Authenticate": 'Bearer realm="skymist"'})
        self.service.buckets.admit(token_name(token))
        if not person.role.includes(Access.OPERATOR):
            raise HTTPException(403, f"Dask's pages are for operators; {person.name} is {person.role}")

    async def _address(self, name: str) -> str:
        """Return where the dashboard of a cluster is, as its runner has recorded it."""
        found = await run_in_threadpool(self._held, name)
        if found is None:
            raise HTTPException(404, "no runner holds this cluster (any more); /v1/operations tells which there are")
        if reason := _why_not(found):
            raise HTTPException(404, f"no dashboard: {reason}")
        return str(found["dashboard"])

    def _held(self, name: str) -> dict[str, Any] | None:
        with self.service.database.read() as session:
            return next((each for each in held_clusters(session) if each["id"] == name), None)

    async def _fetch(self, request: Request, url: str) -> "tuple[Answer, bytes]":
        import httpx

        if self._http is None:
            self._http = httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False, follow_redirects=False, verify=False)  # noqa: S501 (loopback, plain HTTP)
        headers = {key: request.headers[key] for key in TAKEN if key in request.headers}
        headers["accept-encoding"], content = "identity", bytearray()
        raw = httpx.URL(url).copy_with(query=request.scope["query_string"] or None)
        try:
            async with self._http.stream(request.method, raw, headers=headers) as answer:
                async for part in answer.aiter_raw():
                    content += part
                    if len(content) > MOST_BYTES:
                        raise HTTPException(502, f"Dask's answer is larger than {MOST_BYTES} bytes")
        except httpx.HTTPError as error:
            raise HTTPException(503, f"Dask's dashboard does not answer: {type(error).__name__}") from None
        return answer, bytes(content)

    async def _talk(self, browser: WebSocket) -> None:
        """Carry messages between a page and Dask until one of them ends, or the login has to be shown again."""
        try:
            async with self._counted(), asyncio.timeout(self.service.settings.limits.stream_seconds):
                await run_in_threadpool(self._admit, browser)
                name, path = _parts(browser)
                address = await self._address(name)
                async with _connected(address + path, browser) as dask:
                    await browser.accept(dask.subprotocol)
                    await _carry(browser, dask)
        except (HTTPException, OSError, TimeoutError, _RefusedError):
            await _hang_up(browser)

    @asynccontextmanager
    async def _counted(self) -> AsyncIterator[None]:
        if self._sockets >= MOST_SOCKETS:
            raise HTTPException(503, "too many pages of Dask's are open")
        self._sockets += 1
        try:
            yield
        finally:
            self._sockets -= 1


class _RefusedError(Exception):
    """Dask does not want to talk."""


def _parts(asked: HTTPConnection) -> tuple[str, str]:
    """Return the cluster and the path at its scheduler, quoted as it came; 404 for whatever is no plain path."""
    raw = asked.scope["raw_path"].decode("ascii", "replace")[len(asked.scope["root_path"]) :]
    _, name, *rest = raw.split("/")
    plain = [unquote(each) for each in rest]
    steps = [step for each in plain for step in re.split(r"[/\\]", each)]
    odd = any(step in (".", "..") for step in steps) or any(not each.isprintable() or "%" in each for each in plain)
    if not _ID.fullmatch(name) or odd or (steps and steps[0] in CLOSED):
        raise HTTPException(404, "there is no such page of Dask's here")
    return name, "".join(f"/{each}" for each in rest)


def _answer(request: Request, found: "tuple[Answer, bytes]", address: str, here: str) -> Response:
    """Return what Dask answers, with our headers."""
    answer, content = found
    headers = {key: answer.headers[key] for key in GIVEN if key in answer.headers}
    headers["content-security-policy"] = _policy(request.headers.get("host", ""), here)
    if answer.is_redirect:
        headers["location"] = _within(answer, address, here)
    if "html" in headers.get("content-type", ""):
        content = _tidied(content)
        headers.pop("etag", None)
    elif "/static" in str(answer.url.path) and "v" in answer.url.params:
        headers["cache-control"] = "private, max-age=86400"  # the version is in its address
    response = Response(content, answer.status_code, headers)
    if request.method == "HEAD":
        response.headers["content-length"] = answer.headers.get("content-length", "0")
    return response


def _tidied(page: bytes) -> bytes:
    """Return a page without what leads out of its own path, which the policy would stop, with words on the console.

    Dask names its files one folder too high, which makes no difference where it is at the top.
    """
    return _FOREIGN.sub(b"", page).replace(b"../../../statics/", b"../../statics/")


def _within(answer: "Answer", address: str, here: str) -> str:
    """Return where Dask leads to, as we call it; it must not lead elsewhere."""
    there = urlsplit(urljoin(str(answer.url), answer.headers["location"]))
    if f"{there.scheme}://{there.netloc}" != address:
        raise HTTPException(502, "Dask leads elsewhere; that is not followed")
    return here + there.path + (f"?{there.query}" if there.query else "")


def _policy(host: str, here: str) -> str:
    """Return what a page of Dask's may do: run as it is, load and talk to what is below its own path.

    Bokeh makes functions of texts and its templates have scripts in them; hence the two that are unsafe.
    """
    place = f"{host}{here}/" if _HOST.fullmatch(host) else "'none'"
    talk = place if place == "'none'" else f"{place} ws://{place} wss://{place}"
    return (
        f"default-src 'none'; script-src {place} 'unsafe-inline' 'unsafe-eval'; style-src {place} 'unsafe-inline'; "
        f"img-src {place} data: blob:; font-src {place} data:; connect-src {talk}; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; sandbox allow-scripts allow-same-origin"
    )


@asynccontextmanager
async def _connected(url: str, browser: WebSocket) -> "AsyncIterator[ClientConnection]":
    """Yield a connection to Dask, for which it is a page of its own that talks."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import WebSocketException
    from websockets.typing import Origin, Subprotocol

    there = urlsplit(url)
    query = browser.scope["query_string"].decode("ascii", "replace")
    try:
        async with connect(
            f"ws://{there.netloc}{there.path}" + (f"?{query}" if query else ""),
            origin=Origin(f"http://localhost:{there.port}"), proxy=None, compression=None, max_size=MOST_BYTES,
            subprotocols=[Subprotocol(each) for each in browser.scope["subprotocols"]], open_timeout=PATIENCE_S,
        ) as dask:  # fmt: skip
            yield dask
    except WebSocketException as error:
        raise _RefusedError from error


async def _carry(browser: WebSocket, dask: "ClientConnection") -> None:
    """Carry messages both ways until one of them ends."""
    ways = [asyncio.create_task(_to_dask(browser, dask)), asyncio.create_task(_to_browser(browser, dask))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
    await _hang_up(browser)


async def _to_dask(browser: WebSocket, dask: "ClientConnection") -> None:
    while (message := await browser.receive())["type"] == "websocket.receive":
        text = message.get("text")
        await dask.send(message["bytes"] if text is None else text)


async def _to_browser(browser: WebSocket, dask: "ClientConnection") -> None:
    async for message in dask:
        await (browser.send_text(message) if isinstance(message, str) else browser.send_bytes(message))


async def _hang_up(browser: WebSocket) -> None:
    """End a conversation, or refuse one that has not begun; maybe the other side has gone already."""
    try:
        await browser.close(1001)
    except (RuntimeError, WebSocketDisconnect):
        return
