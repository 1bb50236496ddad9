"""The pages, served beside the API in one process.

Panel takes seconds to import. So that the API answers at once, that happens in a thread after the start; until then the
door asks whoever wants a page to wait.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.requests import HTTPConnection

from skymist.app.door import Door, Who
from skymist.app.inside import Inside
from skymist.app.sitemap import PAGES

if TYPE_CHECKING:
    from skymist.app.sessions import Pages

NEEDED = "panel", "panel_material_ui", "bokeh_fastapi", "holoviews", "websockets"
"""Packages without which there are no pages."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """For how long what is done with.

    Attributes
    ----------
    look_again_s : float
        Until it is asked again whether who has a page open may still see it.
    linger_s : float
        Until a session ends whose page was lost, or never came.
    check_s : float
        Between two looks for such.
    """

    look_again_s: float = 15.0
    linger_s: float = 60.0
    check_s: float = 5.0


USUAL = Patience()


class Mounted:
    """The pages of an app, as soon as there are any.

    Attributes
    ----------
    pages : Pages or None
    transport : Inside
        By which they ask the API.
    failed : bool
        Whether there will not be any.
    """

    def __init__(self, app: FastAPI, mark: str, patience: Patience) -> None:
        self.app, self.patience, self.transport = app, patience, Inside(app, mark)
        self.pages: Pages | None = None
        self.failed = False

    @property
    def count(self) -> int:
        """How many pages are open."""
        return 0 if self.pages is None else len(self.pages.sessions())

    async def run(self) -> None:
        """Open the pages, and keep their sessions in order until it is cancelled."""
        self.transport.loop = asyncio.get_running_loop()
        await asyncio.to_thread(_load)
        from skymist.app.sessions import Pages

        pages = Pages(self.transport, self.patience.linger_s)
        self.app.router.routes.extend(pages.routes())
        self.pages = pages
        _log.info("the dashboard is open")
        while True:
            await asyncio.sleep(self.patience.check_s)
            await pages.sweep()

    def tell(self, running: "asyncio.Task[None]") -> None:
        """Log why the pages do not run."""
        if not running.cancelled() and (error := running.exception()) is not None:
            self.failed = True
            _log.error("the dashboard does not run: %r", error, exc_info=error)


def mount(
    app: FastAPI, mark: str, who: Who, from_here: Callable[[HTTPConnection], bool], patience: Patience = USUAL
) -> Mounted:
    """Serve all pages beside an API, from a while after it has started.

    Parameters
    ----------
    app : FastAPI
        The API, which answers the pages, too.
    mark : str
        Of requests that come from inside; see `Inside`.
    who, from_here : callable
        As `Door` has them.
    patience : Patience

    Raises
    ------
    ModuleNotFoundError
        If something that they need is not installed.
    """
    for name in NEEDED:
        if find_spec(name) is None:
            raise ModuleNotFoundError(f"no module named {name!r}", name=name)
    mounted, before = Mounted(app, mark, patience), app.router.lifespan_context
    app.add_middleware(Door, who, from_here, lambda: mounted.pages is not None, patience.look_again_s)

    @asynccontextmanager
    async def beside(of: Any) -> AsyncIterator[Any]:
        async with before(of) as state:
            running = asyncio.create_task(mounted.run())
            running.add_done_callback(mounted.tell)
            yield state
            running.cancel()
            await asyncio.wait({running})

    app.router.lifespan_context = beside
    return mounted


def _load() -> None:
    """Import what the pages consist of, so that nobody waits for that later."""
    import_module("skymist.app.sessions")
    panel = logging.getLogger("panel")  # writes to the screen by itself: what matters goes where all goes
    panel.handlers, panel.propagate = [], True
    panel.setLevel(logging.WARNING)
    for page in PAGES.values():
        try:
            import_module(f"skymist.app.pages.{page.name}")
        except Exception:  # noqa: BLE001 (one page is out of order: it says so when it is opened; all others are not)
            _log.exception("the page %s is out of order", page.name)
