"""What Prometheus collects: what there is in the database, and how long requests take."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute, Session
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from skymist.records import Database, tables
from skymist.records.tables import Alert, Event, Input, InputStatus, ScanState, Stream
from skymist.workflow.operations import Overview

QUANTILES = 0.5, 0.9, 0.99
RECENT, MOST = timedelta(days=1), 10_000
"""Latencies are those of scans that were begun so recently, and of no more of them than this."""

TICK_S, LATE_S = 0.05, (0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""Seconds between two looks at how late the event loop is, and bounds of what is counted."""

STAGES: dict[str, tuple[InstrumentedAttribute[Any], InstrumentedAttribute[Any]]] = {
    "queued": (Event.received, tables.Scan.created),
    "started": (tables.Scan.created, tables.Scan.started),
    "finished": (tables.Scan.started, tables.Scan.finished),
}
"""What happens to an event, each with the times between which it waits for it."""


class Metrics:
    """A registry of its own, so that two apps in one process do not count together.

    Parameters
    ----------
    database : Database
    overview : Overview
    """

    def __init__(self, database: Database, overview: Overview) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Records(database, overview))
        self.seconds = Histogram(
            "skymist_request_seconds", "Time until an answer is complete", ("method", "route", "status"),
            registry=self.registry,
        )  # fmt: skip
        self.late = Histogram(
            "skymist_loop_late_seconds", "How late the event loop is: nobody is answered while it is held up",
            buckets=LATE_S, registry=self.registry,
        )  # fmt: skip

    def count_pages(self, count: Callable[[], int]) -> None:
        """Tell how many pages of the dashboard are open, too."""
        gauge = Gauge("skymist_pages_open", "Pages of the dashboard with a session", registry=self.registry)
        gauge.set_function(count)

    async def time_loop(self) -> None:
        """Count again and again how late the event loop is, until it is cancelled."""
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(TICK_S)
            self.late.observe(max(0.0, time.perf_counter() - begun - TICK_S))

    def text(self) -> bytes:
        """Return all in the text format of Prometheus."""
        return generate_latest(self.registry)


class Timed:
    """Middleware: how long requests take, by route and not by path, of which there are too many.

    Parameters
    ----------
    app : ASGIApp
    metrics : Metrics
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and count it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, receive, sending)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self.metrics.seconds.labels(method, route, status).observe(time.perf_counter() - begun)


_METHODS = "GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH"


class _Records(Collector):
    """Looks into the database whenever somebody asks."""

    def __init__(self, database: Database, overview: Overview) -> None:
        self.database, self.overview = database, overview

    def describe(self) -> list[GaugeMetricFamily]:
        """Return nothing: what there is takes a database, which need not be there yet."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield all that is counted."""
        with self.database.read() as session:
            yield _count(session, "scans", "state", tables.Scan.state, ScanState)
            yield _count(session, "inputs", "status", Input.status, InputStatus)
            yield _alerts(session)
            yield from _streams(session)
            yield _latencies(session)
        yield from _overview(self.overview)


def _overview(overview: Overview) -> Iterator[GaugeMetricFamily]:
    """Yield what is told of clusters, sizes and this machine."""
    found = overview.look()
    families = {
        what: GaugeMetricFamily(f"skymist_cluster_{what}", words, labels=["cluster", "id"])
        for what, words in (("workers", "Workers of a cluster"), ("threads", "Cells that a cluster fits at a time"),
                            ("scans", "Scans that use a cluster"))
    }  # fmt: skip
    for each in found["clusters"]:
        for what, family in families.items():
            if each["id"] and each[what] is not None:
                family.add_metric([each["name"], each["id"]], each[what])
    yield from families.values()
    runners = GaugeMetricFamily("skymist_runners", "Number of runners by state", labels=["state"])
    for state in ("running", "lost"):
        runners.add_metric([state], sum(each["state"] == state for each in found["runners"]))
    yield runners
    yield GaugeMetricFamily("skymist_cells_per_second", "Of all scans that run", value=found["rate"])
    for name, value in {**found["sizes"], **found["machine"]}.items():
        if value is not None and name not in ("load", "processors"):  # which Prometheus has better ways to know
            yield GaugeMetricFamily(f"skymist_{name}", _SIZES[name], value=value)


_SIZES = {
    "database_bytes": "Of the records", "maps": "Number of maps", "maps_bytes": "Of all maps, as they are in memory",
    "files": "Number of files made of maps", "files_bytes": "Of all files made of maps",
    "memory_bytes": "Memory of the machine that answers", "memory_free_bytes": "That can be had",
    "disk_bytes": "Of the disk of the maps", "disk_free_bytes": "That is left of it",
}  # fmt: skip


def _count(
    session: Session, what: str, label: str, column: InstrumentedAttribute[str], known: Iterable[str]
) -> GaugeMetricFamily:
    """Return how many records there are of each kind, 0 where there is none."""
    rows = session.execute(select(column, func.count()).group_by(column))
    found = {row[0]: row[1] for row in rows}
    family = GaugeMetricFamily(f"skymist_{what}", f"Number of {what} by {label}", labels=[label])
    for value in {**dict.fromkeys(map(str, known)), **found}:
        family.add_metric([value], found.get(value, 0))
    return family


def _alerts(session: Session) -> GaugeMetricFamily:
    family = GaugeMetricFamily("skymist_alerts", "Number of alerts", labels=["role", "stream"])
    for role, stream, n in session.execute(
        select(Alert.role, Alert.stream, func.count()).group_by(Alert.role, Alert.stream)
    ):
        family.add_metric([role, stream], n)
    return family


def _streams(session: Session) -> Iterator[GaugeMetricFamily]:
    lag = GaugeMetricFamily("skymist_stream_lag", "Messages that are not read yet", labels=["stream"])
    silent = GaugeMetricFamily(
        "skymist_stream_silent_seconds", "Since the last message or heartbeat", labels=["stream"]
    )
    for stream in session.scalars(select(Stream)):
        if stream.lag is not None:
            lag.add_metric([stream.name], stream.lag)
        if stream.heard is not None:
            silent.add_metric([stream.name], (tables.now() - stream.heard).total_seconds())
    yield lag
    yield silent


def _latencies(session: Session) -> GaugeMetricFamily:
    """Return how long events of the last day waited for each stage."""
    help_text = "From one stage of a scan to the next, of scans of the last day"
    family = GaugeMetricFamily("skymist_stage_seconds", help_text, labels=["stage", "quantile"])
    for stage, (first, last) in STAGES.items():
        query = select(first, last).select_from(tables.Scan).join(Event, Event.id == tables.Scan.event_id).limit(MOST)
        query = query.where(tables.Scan.created > tables.now() - RECENT, last.is_not(None), first.is_not(None))
        waits = [(end - begin).total_seconds() for begin, end in session.execute(query) if end]
        _add_quantiles(family, stage, waits)
    return family


def _add_quantiles(family: GaugeMetricFamily, stage: str, waits: Sequence[float]) -> None:
    for share in QUANTILES if waits else ():
        family.add_metric([stage, str(share)], float(np.quantile(waits, share)))
