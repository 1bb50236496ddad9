"""Scans are watched as they go on, by many at once and with one look at the database."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import Site, check_problem, opened, serving

from skymist.api import ApiSettings, Limits
from skymist.api.live import Live
from skymist.errors import StoreError
from skymist.records import Database
from skymist.records.tables import ScanState


@pytest.fixture
def site(database: Database, tmp_path: Path) -> Iterator[Site]:
    with serving(ApiSettings(database, str(tmp_path / "scans"))) as found:
        yield found


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Site]:
    """With SQLite, and not for many."""
    with opened(tmp_path, limits=Limits(streams=3)) as settings, serving(settings) as found:
        yield found


def told(answer: httpx.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    name = ""
    for line in answer.iter_lines():
        key, _, value = line.partition(": ")
        if key == "event":
            name = value
        elif key == "data":
            yield name, json.loads(value)


def test_a_scan_is_watched_until_it_has_ended(site: Site) -> None:
    scan = site.scan(site.event())["id"]
    with site.as_("viewer").stream("GET", f"/scans/{scan}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        events = told(answer)
        assert [next(events)[0], next(events)[1]["progress"]] == ["state", None]
        site.move(scan, ScanState.RUNNING)
        assert next(events)[1]["state"] == "running"
        next(events)
        for share in (0.25, 0.5):
            site.move(scan, progress={"share": share})
            name, snapshot = next(events)
            assert (name, snapshot["progress"]) == ("progress", {"share": share})
        site.move(scan, ScanState.COMPLETE)
        assert [name for name, _ in events] == ["state", "progress", "end"]
    ended = site.call("viewer", "GET", f"/scans/{scan}/events")
    assert [name for name, _ in told(ended)] == ["state", "progress", "end"]


def test_one_look_serves_all_who_watch(quick: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    scan, looks = quick.scan(quick.event())["id"], list[list[str]]()
    original = Live._look
    monkeypatch.setattr(Live, "_look", lambda self, ids: looks.append(ids) or original(self, ids))
    with ExitStack() as stack:
        streams = [
            stack.enter_context(quick.as_(role).stream("GET", f"/scans/{scan}/events"))
            for role in ("viewer", "analyst", "approver")
        ]
        events = [told(each) for each in streams]
        assert [next(each)[0] for each in events] == ["state"] * 3
        check_problem(quick.call("operator", "GET", f"/scans/{scan}/events"), 503, "too many clients watch")
        assert all(ids == [scan] for ids in looks)
        quick.move(scan, ScanState.CANCELLED)
        assert [[name for name, _ in each][-1] for each in events] == ["end"] * 3
    count = len(looks)
    assert quick.call("viewer", "GET", f"/scans/{scan}/events").status_code == 200
    assert len(looks) - count <= 2


def test_heartbeats_outages_and_the_end_of_a_stream(quick: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = quick.scan(quick.event())["id"]
    original, looks = Live._look, list[int]()

    def look(self: Live, ids: list[str]) -> list[dict[str, Any]]:
        looks.append(1)
        if len(looks) < 3:
            raise StoreError("the database is away")
        return original(self, ids)

    monkeypatch.setattr(Live, "_look", look)
    monkeypatch.setattr("skymist.api.live.HEARTBEAT_S", 0.02)
    monkeypatch.setattr("skymist.api.live.PERIOD_S", 0.05)

    async def watch() -> list[str]:
        live = Live(quick.database, Limits(stream_seconds=0.5))
        said = [text async for text in live.watch(scan)]
        assert live.count == 0
        await live.close()
        return said

    said = asyncio.run(watch())
    assert said[0] == said[-1] == ": still here\n\n"
    assert [text.split("\n")[0] for text in said if not text.startswith(":")] == ["event: state", "event: progress"]
