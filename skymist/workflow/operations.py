"""How the service is, as one document: what is there, what waits, how long things took, and what is wrong.

What is cheap is looked up at most once a second, whoever asks; what takes a look at many records, every ten.
"""

import os
import platform
import shutil
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any

import psutil
from sqlalchemy import func, make_url, select, text
from sqlalchemy.orm import Session

from skymist.model.circular import State
from skymist.records import Database, runners
from skymist.records.tables import (
    ZARR,
    Artifact,
    ImportedMap,
    Input,
    InputStatus,
    Publication,
    Runner,
    Scan,
    ScanState,
    Stream,
    now,
)
from skymist.scan.progress import Stage
from skymist.store.place import LocalPlace, absolute
from skymist.workflow import latency
from skymist.workflow.process import alive, own_name
from skymist.workflow.trouble import troubles

FRESH_S, SLOW_FRESH_S = 1.0, 10.0
"""Seconds for which what was found is told again."""

MOST = 50
"""Of everything that is listed."""

ACTIVE = ScanState.RUNNING, ScanState.QUEUED, ScanState.WAITING

Document = dict[str, Any]


class Overview:
    """Looks at records and this machine.

    Parameters
    ----------
    database : Database
    out : str
        Where the maps are.
    """

    def __init__(self, database: Database, out: str) -> None:
        self.database, self.out = database, out
        self.owner, self.began = own_name(), now()
        self.look = kept(FRESH_S, self._look)
        self.sizes = kept(SLOW_FRESH_S, self._sizes)
        self._latencies = kept(SLOW_FRESH_S, self._measured)

    def _look(self) -> Document:
        with self.database.read() as session:
            found: Document = {
                "time": now(), "runners": _runners(session), "streams": _streams(session), "queue": _queue(session),
                "scans": _scans(session), "errors": _errors(session),
            }  # fmt: skip
        found["clusters"] = [each for runner in found["runners"] for each in runner.pop("clusters")]
        found["rate"] = sum(each["rate"] for each in found["scans"])
        found["api"] = {"owner": self.owner, "started": self.began}
        found |= {"sizes": self.sizes(), "machine": machine(self.out), "latencies": self._latencies()}
        found["versions"] = {**VERSIONS, "database": self.database.version() or ""}
        return {**found, "troubles": troubles(found)}

    def _measured(self) -> Document:
        with self.database.read() as session:
            return {"edges_s": latency.EDGES_S.tolist(), "stages": latency.histograms(session)}

    def _sizes(self) -> Document:
        is_map, size = Artifact.kind == ZARR, func.coalesce(func.sum(Artifact.size), 0)
        imported = select(func.count(), func.coalesce(func.sum(ImportedMap.size), 0)).select_from(ImportedMap)
        with self.database.read() as session:
            maps = session.execute(select(func.count(), size).where(is_map)).one()
            files = session.execute(select(func.count(), size).where(~is_map)).one()
            others = session.execute(imported).one()
            return {
                "database_bytes": _database_bytes(session, self.database.url),
                "maps": maps[0] + others[0], "maps_bytes": int(maps[1]) + int(others[1]),
                "files": files[0], "files_bytes": int(files[1]),
            }  # fmt: skip


VERSIONS = {
    "skymist": version("skymist"), "python": platform.python_version(), "dask": version("dask"),
    "distributed": version("distributed"),
}  # fmt: skip
"""Of what runs here."""


def kept(seconds: float, find: Callable[[], Document]) -> Callable[[], Document]:
    """Return what finds the same as `find` and looks for it at most once in so many seconds, one thread at a time."""
    lock, found = Lock(), (float("-inf"), Document())

    def look() -> Document:
        nonlocal found
        with lock:
            if time.monotonic() > found[0] + seconds:
                document = find()
                found = (time.monotonic(), document)
            return found[1]

    return look


def machine(out: str) -> Document:
    """Return how much is left of this machine: memory, processors, and the disk of the maps if it is here."""
    memory, (load, _, _) = psutil.virtual_memory(), os.getloadavg()
    found = {"memory_bytes": memory.total, "memory_free_bytes": memory.available, "load": load,
             "processors": os.cpu_count() or 1, "disk_bytes": None, "disk_free_bytes": None}  # fmt: skip
    if isinstance(where := absolute(out), LocalPlace):
        disk = shutil.disk_usage(next(each for each in (where.path, *where.path.parents) if each.exists()))
        found |= {"disk_bytes": disk.total, "disk_free_bytes": disk.free}
    return found


def held_clusters(session: Session) -> list[Document]:
    """Return the clusters that runners hold now, each with its ``owner``; those of runners that are lost are gone."""
    return [each for runner in _runners(session) for each in runner["clusters"]]


def _runners(session: Session) -> list[Document]:
    counts = select(Scan.owner, func.count()).where(Scan.state == ScanState.RUNNING).group_by(Scan.owner)
    running = {row[0]: row[1] for row in session.execute(counts)}
    return [_runner(each, running.get(each.owner, 0)) for each in runners.find(session)]


def _runner(runner: Runner, scans: int) -> Document:
    lost = runners.is_lost(runner, alive)
    clusters = [] if lost else [{**each, "owner": runner.owner} for each in runner.clusters]
    return {"owner": runner.owner, "state": "lost" if lost else "running", "started": runner.started,
            "beat": runner.beat, "slots": runner.slots, "scans": scans, "clusters": clusters}  # fmt: skip


def _streams(session: Session) -> list[Document]:
    found = session.scalars(select(Stream).order_by(Stream.name))
    return [
        {"name": each.name, "state": each.state, "trouble": each.trouble, "lag": each.lag, "heard": each.heard,
         "silent_s": _age(each.heard), "told": each.changed, "told_s": _age(each.changed)}
        for each in found
    ]  # fmt: skip


def _age(moment: datetime | None) -> float | None:
    return None if moment is None else max(0.0, (now() - moment).total_seconds())


def _queue(session: Session) -> Document:
    here = Scan.deleted.is_(None)
    counts = select(Scan.state, func.count()).where(here).group_by(Scan.state)
    states = {str(state): 0 for state in ScanState} | {row[0]: row[1] for row in session.execute(counts)}
    query = select(Scan.cluster, Scan.priority, Scan.state, func.count(), func.min(Scan.moved)).where(
        here, Scan.state.in_(ACTIVE)
    )
    groups: dict[tuple[str, int], Document] = {}
    for cluster, priority, state, n, moved in session.execute(query.group_by(Scan.cluster, Scan.priority, Scan.state)):
        empty = {"cluster": cluster, "priority": priority, **dict.fromkeys(map(str, ACTIVE), 0), "oldest_s": None}
        group = groups.setdefault((cluster, priority), empty)
        group[state] = n
        if state == ScanState.QUEUED:
            group["oldest_s"] = _age(moved)
    ordered = sorted(groups.values(), key=lambda group: (-group["priority"], group["cluster"]))
    oldest = max((group["oldest_s"] for group in ordered if group["oldest_s"] is not None), default=None)
    return {"states": states, "oldest_s": oldest, "groups": ordered}


def _scans(session: Session) -> list[Document]:
    """Return what runs, and what is next."""
    order = (Scan.state != ScanState.RUNNING, Scan.state != ScanState.QUEUED, Scan.priority.desc(), Scan.created)
    query = select(Scan).where(Scan.deleted.is_(None), Scan.state.in_(ACTIVE)).order_by(*order).limit(MOST)
    return [_scan(each) for each in session.scalars(query)]


def _scan(scan: Scan) -> Document:
    told: Mapping[str, Any] = (scan.progress or {}) if scan.state == ScanState.RUNNING else {}
    return {
        "id": scan.id, "alert": scan.alert, "reconstruction": scan.request["reconstruction"], "state": scan.state,
        "wanted": scan.wanted, "cluster": scan.cluster, "priority": scan.priority, "asked": scan.workers,
        "waited_s": _age(scan.moved) if scan.state != ScanState.RUNNING else None,
        "running_s": _age(scan.started), "beat_s": _age(scan.beat) if scan.state == ScanState.RUNNING else None,
        "stage": told.get("stage", ""), "trouble": told.get("trouble") or "", "done": told.get("done"),
        "total": told.get("total"), "rate": float(told["rate"]) if told.get("stage") == Stage.RUNNING else 0.0,
        "eta_s": told.get("eta"), "workers": told.get("workers"),
    }  # fmt: skip


def _errors(session: Session) -> Document:
    since = now() - timedelta(days=1)
    return {"scans": _failed(session, since), "quarantine": _unread(session, since), "publications": _unsent(session)}


def _failed(session: Session, since: datetime) -> Document:
    failed = Scan.state == ScanState.FAILED, Scan.deleted.is_(None), Scan.finished > since
    query = select(Scan).where(*failed).order_by(Scan.finished.desc()).limit(MOST)
    items = [
        {"id": each.id, "alert": each.alert, "reconstruction": each.request["reconstruction"], "reason": each.error,
         "time": each.finished}
        for each in session.scalars(query)
    ]  # fmt: skip
    return {"n": session.scalar(select(func.count()).select_from(Scan).where(*failed)) or 0, "items": items}


def _unread(session: Session, since: datetime) -> Document:
    unread = Input.status == InputStatus.QUARANTINED, Input.received > since
    columns = select(Input.id, Input.source, Input.kind, Input.reason, Input.received, Input.times)  # not what it says
    rows = session.execute(columns.where(*unread).order_by(Input.received.desc()).limit(MOST))
    items = [
        {"id": row.id, "source": row.source, "kind": row.kind, "reason": row.reason, "time": row.received,
         "times": row.times}
        for row in rows
    ]  # fmt: skip
    return {"n": session.scalar(select(func.count()).select_from(Input).where(*unread)) or 0, "items": items}


def _unsent(session: Session) -> Document:
    """Return what should have gone out and has not, however long ago."""
    unsent = Publication.error != "", Publication.state.not_in((State.SENT, State.WITHDRAWN))
    query = select(Publication).where(*unsent).order_by(Publication.changed.desc()).limit(MOST)
    items = [
        {"id": each.id, "kind": each.kind, "alert": each.alert, "state": each.state, "reason": each.error,
         "time": each.changed}
        for each in session.scalars(query)
    ]  # fmt: skip
    return {"n": session.scalar(select(func.count()).select_from(Publication).where(*unsent)) or 0, "items": items}


def _database_bytes(session: Session, url: str) -> int:
    """Return how much space the database takes; a file of SQLite has others beside it."""
    if session.get_bind().dialect.name == "sqlite":
        file = make_url(url).database or ""
        there = [Path(file + more) for more in ("", "-wal", "-shm")]
        return sum(each.stat().st_size for each in there if each.exists())
    return int(session.scalar(text("SELECT pg_database_size(current_database())")) or 0)
