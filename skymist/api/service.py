"""What all operations share: made once for an app."""

from pathlib import Path
from threading import Lock
from typing import Annotated

from fastapi import Depends, Request

from skymist.api.limits import Buckets
from skymist.api.live import Live
from skymist.api.metrics import Metrics
from skymist.api.oidc import Issuer
from skymist.api.picturing import Pictures
from skymist.api.settings import ApiSettings
from skymist.fair.record import Site
from skymist.records import Database
from skymist.workflow.desk import Desk
from skymist.workflow.operations import Overview


class Service:
    """The parts of one running service.

    Parameters
    ----------
    settings : ApiSettings
    """

    def __init__(self, settings: ApiSettings) -> None:
        self.settings = settings
        self.buckets = Buckets(settings.limits.per_second, settings.limits.burst)
        self.live = Live(settings.database, settings.limits)
        self.overview = Overview(settings.database, settings.out)
        self.metrics = Metrics(settings.database, self.overview)
        self.desk = Desk(settings.database, settings.desk)
        self.issuer = None if settings.oidc is None else Issuer(settings.oidc)
        self.pictures = Pictures()
        self.drawing = Lock()  # one file at a time is made of a map, so that all other requests find a processor

    @property
    def database(self) -> Database:
        """The records."""
        return self.settings.database

    @property
    def site(self) -> Site:
        """Who keeps the archive."""
        return self.settings.archive.site

    @property
    def clusters(self) -> Path | None:
        """The folder of the site's clusters."""
        return self.settings.clusters


async def _of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Served = Annotated[Service, Depends(_of)]
