"""Scans as they go on: one look at the database serves all clients that watch (server-sent events)."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress

from sqlalchemy import RowMapping, select
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from skymist.api.settings import Limits
from skymist.errors import StoreError
from skymist.records import Database
from skymist.records.scans import ENDED
from skymist.records.tables import Scan
from skymist.workflow.plain import plain

PERIOD_S, HEARTBEAT_S = 0.25, 15.0


class _Snapshot:
    """What the database says of a scan at one moment, written once for all who watch it."""

    def __init__(self, row: RowMapping) -> None:
        content = {**row, "deleted": row["deleted"] is not None}
        self.id, self.state = content["id"], content["state"]
        self.ended = self.state in ENDED or content["deleted"]
        self._data = json.dumps(plain(content))  # JSON has no line breaks of its own

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Snapshot) and self._data == other._data

    __hash__ = None  # type: ignore[assignment]

    def event(self, name: str) -> str:
        """Return one server-sent event."""
        return f"event: {name}\ndata: {self._data}\n\n"


class _Watcher:
    """One client: what it has not been told yet, the latest only."""

    def __init__(self) -> None:
        self.latest: _Snapshot | None = None
        self.changed = asyncio.Event()

    def tell(self, snapshot: _Snapshot) -> None:
        self.latest = snapshot
        self.changed.set()


class Live:
    """Tells all clients that watch scans what changed; it looks only as long as there are any.

    Parameters
    ----------
    database : Database
    limits : Limits
    """

    def __init__(self, database: Database, limits: Limits) -> None:
        self.database, self.limits = database, limits
        self._watchers: dict[str, set[_Watcher]] = {}
        self._seen: dict[str, _Snapshot] = {}
        self._poller: asyncio.Task[None] | None = None

    @property
    def count(self) -> int:
        """How many clients watch."""
        return sum(map(len, self._watchers.values()))

    @property
    def full(self) -> bool:
        """Whether no more clients may watch."""
        return self.count >= self.limits.streams

    async def watch(self, scan_id: str) -> AsyncIterator[str]:
        """Yield what a client is sent, until the scan has ended: ``progress``, ``state`` and ``end``."""
        watcher, last, state = self._join(scan_id), time.monotonic() + self.limits.stream_seconds, ""
        try:
            while (left := last - time.monotonic()) > 0:
                try:
                    await asyncio.wait_for(watcher.changed.wait(), min(left, HEARTBEAT_S))
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                watcher.changed.clear()
                now = watcher.latest
                assert now is not None
                if now.state != state:
                    yield now.event("state")
                yield now.event("progress")
                state = now.state
                if now.ended:
                    yield now.event("end")
                    return
        finally:
            self._leave(scan_id, watcher)

    async def close(self) -> None:
        """Stop looking."""
        if self._poller is not None:
            self._poller.cancel()
            with suppress(asyncio.CancelledError):
                await self._poller

    def _join(self, scan_id: str) -> _Watcher:
        watcher = _Watcher()
        self._watchers.setdefault(scan_id, set()).add(watcher)
        if scan_id in self._seen:
            watcher.tell(self._seen[scan_id])
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        return watcher

    def _leave(self, scan_id: str, watcher: _Watcher) -> None:
        self._watchers[scan_id].discard(watcher)
        if not self._watchers[scan_id]:
            del self._watchers[scan_id]
            self._seen.pop(scan_id, None)

    async def _poll(self) -> None:
        while self._watchers:
            with suppress(StoreError, SQLAlchemyError):  # it may be back at the next look
                for snapshot in await run_in_threadpool(self._look, list(self._watchers)):
                    self._spread(snapshot)
            await asyncio.sleep(PERIOD_S)

    def _look(self, ids: list[str]) -> list[_Snapshot]:
        """Return what the database says of some scans."""
        query = select(Scan.id, Scan.state, Scan.wanted, Scan.attempt, Scan.progress, Scan.error, Scan.deleted)
        with self.database.read() as session:
            return [_Snapshot(row) for row in session.execute(query.where(Scan.id.in_(ids))).mappings()]

    def _spread(self, snapshot: _Snapshot) -> None:
        watchers = self._watchers.get(snapshot.id)
        if watchers and self._seen.get(snapshot.id) != snapshot:
            self._seen[snapshot.id] = snapshot
            for watcher in watchers:
                watcher.tell(snapshot)
