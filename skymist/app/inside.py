"""Requests of the dashboard to the API of the same process, without the network."""

import asyncio
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as TooLate
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
    patience_s : float
        Seconds for which an answer is waited for.

    Attributes
    ----------
    loop : asyncio.AbstractEventLoop or None
        In which the app runs; None until it does.
    """

    def __init__(self, app: ASGIApp, mark: str, patience_s: float = PATIENCE_S) -> None:
        async def marked(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, mark: True}, receive, send)

        self._carry: Any = httpx.ASGITransport(marked, raise_app_exceptions=False)
        self.patience_s = patience_s
        self.loop: asyncio.AbstractEventLoop | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer, whole: what never ends, such as events as they come, cannot be asked for here.

        Raises
        ------
        httpx.ConnectError
            If the app does not run, or not any more.
        httpx.ReadTimeout
            If no answer comes in time.
        RuntimeError
            If it is the app's own loop that asks: it cannot wait for itself.
        """
        if self.loop is None or self.loop.is_closed():
            raise httpx.ConnectError("the service does not run", request=request)
        if asyncio._get_running_loop() is self.loop:
            raise RuntimeError(
                f"{request.method} {request.url.path} was asked for in the event loop: do so in a thread"
            )
        asked = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
        answer = asyncio.run_coroutine_threadsafe(self._answer(asked), self.loop)
        try:
            return answer.result(self.patience_s)
        except TooLate:
            answer.cancel()
            raise httpx.ReadTimeout(f"no answer within {self.patience_s:g} s", request=request) from None
        except CancelledError:
            raise httpx.ConnectError("the service is being stopped", request=request) from None

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        response = await self._carry.handle_async_request(request)
        content = await response.aread()
        return httpx.Response(response.status_code, headers=response.headers, content=content, request=request)
