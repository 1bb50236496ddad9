"""From a message to a complete, stored map with regions, with nobody watching: how long the service takes.

    python benchmarks/service.py [N]

The whole service (`skymist serve`) runs as a user would start it, with its usual rules. N events (20 if not said), all
of them the real event 138632/31747601 under other numbers and with pulses a nanosecond later each, are put into its
watched folder one after the other, each when the last one is done. Counted is the time from the moment the file is in
place until the first scan of its alert is recorded as complete, with its map, regions, FITS file and figure.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
from measured import results, spread
from sqlalchemy import select

from skymist.model.event import Event
from skymist.readers import read_event, write_table
from skymist.records import Database, tables
from skymist.records.tables import ScanState

EVENT = Path(__file__).parents[2] / "shared" / "data" / "events" / "138632_31747601.json"
PORT = "18642"


def main() -> None:
    """Send in events, one after the other."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with results("service") as tell, tempfile.TemporaryDirectory() as name, serving(Path(name)) as (_, records):
        found = [one(records, Path(name, "incoming"), numbered(read_event(EVENT), n)) for n in range(number + 1)][1:]
        for which, seconds in zip(("first", "refined"), zip(*found, strict=True), strict=True):
            tell("maps", map=which, events=number, **spread(seconds, "s"))


@contextmanager
def serving(home: Path, *options: str) -> Iterator[tuple[str, Database]]:
    """Run the whole service in a folder; yield its URL and its records once it answers."""
    url, incoming = f"http://127.0.0.1:{PORT}", home / "incoming"
    incoming.mkdir()
    database = f"{home}/records.sqlite"
    where = ["--database", database, "--out", f"{home}/scans", "--folder", str(incoming), "--port", PORT]
    command = [sys.executable, "-m", "skymist", "serve", *where, *options]
    with (home / "log").open("w") as log:
        service = subprocess.Popen(command, env={**os.environ, "XDG_CONFIG_HOME": str(home)}, stderr=log)
    try:
        while not answers(url):
            if service.poll() is not None:
                raise SystemExit((home / "log").read_text())
            time.sleep(0.1)
        yield url, Database(database)
    finally:
        service.terminate()
        service.wait()


def answers(url: str) -> bool:
    """Return whether the service is up."""
    try:
        return httpx.get(f"{url}/v1/health", timeout=5).is_success
    except httpx.HTTPError:
        return False


def numbered(event: Event, number: int) -> Event:
    """Return the event as another one."""
    pulses = replace(event.pulses, time_ns=event.pulses.time_ns + number)
    return replace(event, event=event.event + number, pulses=pulses)


def one(records: Database, incoming: Path, event: Event) -> tuple[float, float]:
    """Return the seconds until the first and the last map of one event."""
    hidden = incoming / f".{event.event}.csv"
    write_table(event, hidden)
    began = time.time()
    hidden.rename(incoming / f"{event.event}.csv")
    while True:
        query = select(tables.Scan).join(tables.Event, tables.Event.id == tables.Scan.event_id)
        with records.read() as session:
            scans = session.scalars(query.where(tables.Event.event == event.event)).all()
        if scans and all(scan.state == ScanState.COMPLETE for scan in scans):
            ends = [scan.finished.timestamp() - began for scan in scans if scan.finished]
            return min(ends), max(ends)
        if any(scan.state == ScanState.FAILED for scan in scans):
            raise SystemExit(f"a scan failed: {[scan.error for scan in scans]}")
        time.sleep(0.02)


if __name__ == "__main__":
    main()
