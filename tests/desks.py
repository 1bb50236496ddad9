"""A desk with an alert, and with a scan of it that has ended."""

import threading
import time
from pathlib import Path

from serving import PULSES, TABLE

from skymist.alerts.write_json import write_json
from skymist.model.alert import Kind, Revision, Tense, present
from skymist.records import Database, scans
from skymist.records.tables import ScanState
from skymist.workflow import ingest, service
from skymist.workflow.rules import Rules
from skymist.workflow.runner import Runner, RunnerSettings
from skymist.workflow.wish import Wish

BOWL = Wish("bowl", levels="2:0,8:12,64:12")


def take_notice(database: Database, revision: Revision, tense: Tense = Tense.CURRENT) -> int:
    """Have a notice of a revision come in, and return the number of its alert."""
    content = write_json(revision, sent=present(), tense=tense)
    return ingest.take(database, content, ingest.NOTICE, "test").alert_ids[0]


def notice(event: int = 1, number: int = 0, **said: object) -> Revision:
    """A revision of the event that `scan` scans."""
    import numpy as np

    time_of_event = np.datetime64("2026-03-04T05:06:07.123456789", "ns")
    kind = Kind.UPDATE if number else Kind.INITIAL
    given = {
        "name": "IceCube-260304A", "stream": "gold", "ra": 40.1, "dec": 10.2, "radius_90": 0.9, "energy_tev": 210.5,
        "signalness": 0.61, "far_per_year": 0.83, "kind": kind,
    } | said  # fmt: skip
    return Revision(137840, event, time_of_event, number, **given)  # type: ignore[arg-type]


def scan(database: Database, out: Path, wish: Wish = BOWL, event: int = 1) -> str:
    """Scan an event, and return the id of the scan."""
    content = (TABLE.format(run=137840, event=event) + PULSES).encode()
    event_id = ingest.take(database, content, ingest.EVENT, "test", "e.csv").event_id
    assert event_id is not None
    found, _ = service.ask(database, event_id, wish, "test")
    stop = threading.Event()
    thread = threading.Thread(
        target=Runner(database, Rules(()), RunnerSettings(out, tick_s=0.02, beat_s=0.05)).run, args=(stop,)
    )
    thread.start()
    try:
        until = time.monotonic() + 60
        while True:
            with database.read() as session:
                state = scans.get(session, found.id).state
            if state in (ScanState.COMPLETE, ScanState.FAILED):
                break
            assert time.monotonic() < until
            time.sleep(0.02)
    finally:
        stop.set()
        thread.join()
    assert state == ScanState.COMPLETE
    return found.id
