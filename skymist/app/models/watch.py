"""What a screen on the wall tells: the last alert, what is running, what waits for somebody, what has happened."""

from itertools import islice
from typing import Any

import param

from skymist.client.service import Client

ALERTS, NEWS = 8, 10
UNFINISHED = "waiting", "queued", "running"
DECISIONS = {"draft": "to be read", "approved": "to be sent"}


class Watch(param.Parameterized):
    """The state of a site, as of the last look.

    Parameters
    ----------
    client : Client
    """

    alerts = param.List(doc="The latest ones, as GET /v1/alerts lists them")
    scans = param.List(doc="What is not finished")
    decisions = param.List(doc="Publications that wait for somebody")
    streams = param.List()
    news = param.List(doc="The latest first")
    shown = param.String(doc="Id of the scan whose map is shown; empty: there is none")

    def __init__(self, client: Client, **given: Any) -> None:
        super().__init__(**given)
        self._client, self._upto = client, None

    def look(self) -> list[dict[str, Any]]:
        """Ask the service how things are, and return what is new since the last look (nothing at the first one)."""
        first = self._upto is None
        told = self._client.news(self._upto)
        self._upto = told["upto"]
        fresh: list[dict[str, Any]] = told["items"]
        if fresh or first or self.scans:
            self._load()
        self.streams = list(self._client.streams())
        self.news = [*reversed(fresh), *self.news][:NEWS]
        return [] if first else fresh

    def _load(self) -> None:
        self.alerts = list(islice(self._client.alerts(limit=ALERTS), ALERTS))
        self.scans = [each.document for each in islice(self._client.scans(state=list(UNFINISHED)), ALERTS)]
        waiting = self._client.circulars.find(state=list(DECISIONS), role="observation")
        self.decisions = list(islice(waiting, ALERTS))
        self.shown = self._find_map()

    def _find_map(self) -> str:
        """Return the scan to look at: the most urgent that runs, else the last complete one of the latest alert."""
        running = [each for each in self.scans if each["state"] == "running"]
        if running:
            return str(max(running, key=lambda each: each["priority"])["id"])
        for alert in self.alerts:
            key = f"{alert['run']}_{alert['event']}"
            for scan in self._client.scans(alert=key, state=["complete"], limit=1, fields="id"):
                return scan.id
        return ""
