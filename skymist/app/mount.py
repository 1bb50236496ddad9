"""The pages, served beside the API in one process."""

import asyncio
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import panel as pn
from fastapi import FastAPI
from panel.io.fastapi import add_applications

from skymist.app.door import Door, Known
from skymist.app.frame import frame, prepare
from skymist.app.inside import Inside
from skymist.app.pages import PAGES, Page
from skymist.app.visit import VISITOR, Visit
from skymist.client.service import Client

URL = "http://127.0.0.1"
"""Of a service that is asked without a network."""
THREADS = 8
"""In which callbacks of pages wait for the service."""


def mount(app: FastAPI, mark: str, who: Callable[[str], Known | None]) -> Any:
    """Serve all pages beside an API.

    Parameters
    ----------
    app : FastAPI
        The API, which answers the pages, too.
    mark : str
        Of requests that come from inside; see `Inside`.
    who : callable
        Returns whose token a text is; None if it is unknown, expired or revoked.
    """
    app.add_middleware(Door, who)
    pn.config.nthreads = THREADS
    transport = Inside(app, mark)
    pages = {page.path: _opened(page, transport) for page in PAGES.values()}
    titles = {page.path: f"{page.title} - skymist" for page in PAGES.values()}
    return add_applications(
        pages, app=app, title=titles, sign_sessions=True, secret_key=secrets.token_bytes(32), include_headers=[],
        include_cookies=[], check_unused_sessions_milliseconds=5000, unused_session_lifetime_milliseconds=15000,
    )  # fmt: skip


def _opened(page: Page, transport: Inside) -> Callable[[], Any]:
    """Return what makes a page for whoever asks; Panel wants a plain function."""

    def make() -> Any:
        transport.loop = transport.loop or asyncio.get_running_loop()
        visitor = VISITOR.get()
        prepare(page, visitor.look)
        return frame(page, Visit(Client(URL, visitor.token, transport), visitor))

    return make
