"""All of IceCat-1 and of GCN's table become the right alerts, whatever is killed meanwhile and told again."""

import csv
import os
import random
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select

from skymist.alerts import split
from skymist.model.alert import Alert, Role
from skymist.records import Database, alerts, tables
from skymist.workflow import ingest

pytestmark = pytest.mark.integration

DIRTY = {
    "133572_82361476": "the time of the event is +86400 s from that of revision 0",
    "134817_29175858": "the event is 2917585 there and 29175858 elsewhere",
    "139204_39158985": "the time of the event is +9588 s from that of revision 0",
    "139977_2910365": "it looks like a retraction",
    "140078_30891383": "the time of the event is +51372 s from that of revision 0",
}
"""Rows of GCN's table that cannot be right."""


WHOLE = {"2917585": "29175858"}
"""The event number that was truncated, and what it was."""


def messages(shared: Path) -> list[tuple[str, bytes]]:
    files = ("icecat1.csv", "amon_gold_bronze.txt")
    return [(name, each) for name in files for each in split((shared / "catalogs" / name).read_bytes(), name)]


def replay(url: str, told: list[tuple[str, bytes]]) -> int:
    """Take all messages; return how many were new."""
    database = Database(url)
    outcomes = [ingest.take(database, content, ingest.NOTICE, source) for source, content in told]
    database.close()
    assert [outcome.reason for outcome in outcomes if outcome.reason] == []
    return sum(outcome.new for outcome in outcomes)


def contents(database: Database) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Return the revisions of each alert by its name, and the number of rows of each table."""
    with database.read() as session:
        found = {
            alert.name: sorted(each.id for each in alert.revisions) for alert in session.scalars(select(tables.Alert))
        }
        counted = {
            table.__tablename__: session.scalar(select(func.count()).select_from(table)) or 0
            for table in (tables.Alert, tables.Alias, tables.Input, tables.Revision, tables.LogEntry)
        }
    return found, counted


def test_every_row_becomes_the_right_alert(shared: Path, database: Database) -> None:
    told = messages(shared)
    assert replay(database.url, told) == len(told) == 348 + 287
    before = contents(database)
    assert replay(database.url, told) == 0
    assert contents(database) == before
    with database.read() as session:
        everything = {f"{alert.run}_{alert.event}": alert for alert in session.scalars(select(tables.Alert))}
        whole = {key: alerts.whole(alert) for key, alert in everything.items()}
    _check_icecat(shared, {key: alert.name for key, alert in everything.items()}, whole)
    _check_table(shared, whole)
    doubts = {key: " ".join(alert.doubts) for key, alert in whole.items() if alert.doubts}
    assert set(doubts) == set(DIRTY)
    assert all(said in doubts[key] for key, said in DIRTY.items())
    assert {alert.role for alert in everything.values()} == {Role.OBSERVATION}


def _check_icecat(shared: Path, names: dict[str, str], whole: dict[str, Alert]) -> None:
    with (shared / "catalogs" / "icecat1.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        key = f"{row['RUNID']}_{row['EVENTID']}"
        assert names[key] == f"IceCube-{row['NAME'].removeprefix('IC')}"
        (entry,) = [each for each in whole[key].revisions if each.catalog == "IceCat-1"]
        assert (entry.ra, entry.dec, entry.energy_tev) == (float(row["RA"]), float(row["DEC"]), float(row["ENERGY"]))


def _check_table(shared: Path, whole: dict[str, Alert]) -> None:
    """Each row, read again here, is a revision of its alert; only one is under another number than its own."""
    text = (shared / "catalogs" / "amon_gold_bronze.txt").read_text()
    rows = [re.split(r"\s+", line.strip()) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert len(rows) == 287
    for run, event, number, date, clock, stream, ra, *_ in rows:
        key = f"{run}_{event}".replace("134817_2917585", "134817_29175858").replace(
            "134817_291758588", "134817_29175858"
        )
        time_of = np.datetime64(f"20{date.replace('/', '-')}T{clock}", "ns")
        (entry,) = [each for each in whole[key].revisions if not each.catalog and each.number == int(number)]
        assert (entry.time, entry.stream, entry.ra) == (time_of, stream.lower(), float(ra))


def test_killed_fifty_times_it_ends_with_the_same(shared: Path, tmp_path: Path) -> None:
    told, rng = messages(shared), random.Random(50)
    clean, killed = (Database(str(tmp_path / f"{name}.sqlite")) for name in ("clean", "killed"))
    for database in (clean, killed):
        database.upgrade()
        database.close()
    began = time.monotonic()
    replay(clean.url, told)
    whole_s = time.monotonic() - began
    ended = sum(_killed_after(rng.uniform(0, whole_s / 8), lambda: replay(killed.url, told)) for _ in range(50))
    assert ended < 50  # or nobody was killed in the middle of anything
    replay(killed.url, told)
    assert contents(killed) == contents(clean)
    for database in (clean, killed):
        database.close()


def _killed_after(seconds: float, work: Callable[[], object]) -> bool:
    """Do the work in a process that is killed after a while; return whether it ended before."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    time.sleep(seconds)
    ended, _ = os.waitpid(child, os.WNOHANG)
    if not ended:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return bool(ended)
