"""Requests of the dashboard to the API of the same process, without the network."""

import asyncio
from typing import Any

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

PATIENCE_S = 120.0
"""Seconds for which an answer is waited for."""


class Inside(httpx.BaseTransport):
    """Carries requests of other threads into an app that runs in an event loop.

    Parameters
    ----------
    app : ASGIApp
    mark : str
        A key that is set in the scope of each request, by which the app knows that it comes from inside.
    """

    def __init__(self, app: ASGIApp, mark: str) -> None:
        async def marked(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, mark: True}, receive, send)

        self._carry: Any = httpx.ASGITransport(marked, raise_app_exceptions=False)
        self.loop: asyncio.AbstractEventLoop | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer, whole: what never ends, such as events as they come, cannot be asked for here."""
        if self.loop is None:
            raise httpx.ConnectError("the service has not started yet", request=request)
        content = request.read()
        asked = httpx.Request(request.method, request.url, headers=request.headers, content=content)
        return asyncio.run_coroutine_threadsafe(self._answer(asked), self.loop).result(PATIENCE_S)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        response = await self._carry.handle_async_request(request)
        content = await response.aread()
        return httpx.Response(response.status_code, headers=response.headers, content=content, request=request)
