"""The service over HTTP, put together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from skymist.api import (
    admin,
    alerts,
    catalog,
    changes,
    estimates,
    events,
    files,
    intake,
    matches,
    news,
    operations,
    overview,
    pictures,
    problems,
    public,
    publications,
    records,
    regions,
    results,
    scans,
    system,
    timeline,
)
from skymist.api.dask import MOUNTED, DaskPages
from skymist.api.limits import Guard
from skymist.api.metrics import Timed
from skymist.api.service import Service
from skymist.api.settings import ApiSettings

_PARTS = (
    scans, changes, estimates, results, pictures, regions, matches, news, overview, alerts, timeline, files, catalog,
    records, publications, events, intake, system, operations, admin,
)  # fmt: skip
ROUTERS = [system.public, *(each.router for each in _PARTS)]


def create_app(settings: ApiSettings) -> FastAPI:
    """Return the app, for an ASGI server to run.

    Parameters
    ----------
    settings : ApiSettings
    """
    service = Service(settings)
    dask = DaskPages(service)

    @asynccontextmanager
    async def live(_: FastAPI) -> AsyncIterator[None]:
        timing = asyncio.create_task(service.metrics.time_loop())
        yield
        timing.cancel()
        await service.live.close()
        await dask.close()

    app = FastAPI(
        title="skymist", version=version("skymist"), openapi_url="/v1/openapi.json", docs_url=None, redoc_url=None,
        redirect_slashes=False, lifespan=live,
    )  # fmt: skip
    app.state.service = service
    app.add_middleware(Guard, settings.limits, service.buckets)
    app.add_middleware(Timed, service.metrics)
    problems.install(app)
    for router in [*ROUTERS, public.router] if settings.archive.public else ROUTERS:
        app.include_router(router)
    app.mount(MOUNTED, dask)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    app.openapi()  # takes a while, for which no request shall wait
    return app


def _document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document; it is made once."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        schemas = document["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        made = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(made.pop("$defs"), Problem=made)
        app.openapi_schema = document
    return app.openapi_schema
