"""The runner: takes scans from the queue, carries them out on clusters, and keeps what they give."""

import hashlib
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import xarray as xr
from sqlalchemy.orm import Session

from skymist.cluster.pool import Pool
from skymist.errors import SkymistError, own_fault
from skymist.fair.record import Site
from skymist.model import skymap
from skymist.model.region import DEFAULT_CALIBRATION
from skymist.model.request import ScanRequest
from skymist.records import Database, alerts, patiently, scans, tables
from skymist.records.tables import Artifact, ScanState
from skymist.scan.progress import Progress
from skymist.scan.run import Pace
from skymist.store.place import Where, absolute, place
from skymist.workflow import exports, ingest, products
from skymist.workflow.desk import Desk
from skymist.workflow.desk_settings import DeskSettings
from skymist.workflow.plain import plain
from skymist.workflow.presence import Presence
from skymist.workflow.process import alive, own_name
from skymist.workflow.rules import Rules
from skymist.workflow.scan import Stopwatch, scan_request
from skymist.workflow.schedule import fall_back, schedule
from skymist.workflow.wish import configured

REALTIME = 100
"""Scans of this priority and more wait for no free place."""

MOST_AT_ONCE = 16
"""Scans of whatever priority that one runner has at a time."""

KINDS = "fits", "png"
"""Files that are made of each map."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunnerSettings:
    """How scans are carried out.

    Attributes
    ----------
    out : path, URL or Place
        Folder of the maps; each role has its own folder in it.
    clusters : Path, optional
        The user's own cluster configurations.
    slots : int
        Ordinary scans at a time.
    tick_s : float
        How often the records are looked at.
    beat_s : float
        How often it says that it is alive.
    silence_s : float
        After which another runner takes its scans.
    idle_s : float
        After which a cluster that nobody uses is stopped; threads of this machine stay.
    cell_limit : float
        Seconds after which a single cell is given up.
    desk : DeskSettings, optional
        Of circulars, which are drafted of what was scanned; without, none are.
    site : Site, optional
        The archive that maps are made for, which they name then.
    dask_dashboard : bool
        Whether clusters serve Dask's dashboard on the loopback interface; see `skymist.cluster.pool.Pool`.
    """

    out: Where = "scans"
    clusters: Path | None = None
    slots: int = 4
    tick_s: float = 0.1
    beat_s: float = 0.5
    silence_s: float = 60.0
    idle_s: float = 600.0
    cell_limit: float = 600.0
    desk: DeskSettings | None = None
    site: Site | None = None
    dask_dashboard: bool = False


class _EndedError(Exception):
    """The scan is no longer wanted, or no longer ours."""


@dataclass
class _Job:
    """A scan that this runner has."""

    scan: tables.Scan
    progress: dict[str, Any] | None = None
    end: str = ""  # why it has to end: cancelled, lost or stopped
    began: float = field(default_factory=time.monotonic)

    def take(self, progress: Progress) -> None:
        """Keep how far it is, and end it if it has to."""
        self.progress = plain(progress.to_dict())
        self.check()

    def check(self) -> None:
        if self.end:
            raise _EndedError


class Runner:
    """Carries out scans until it is stopped; may be killed at any moment and goes on where it was.

    Parameters
    ----------
    database : Database
    rules : Rules
    settings : RunnerSettings
    """

    def __init__(self, database: Database, rules: Rules, settings: RunnerSettings) -> None:
        self.database, self.rules, self.settings = database, rules, settings
        self.owner = own_name()
        self._pool = Pool(settings.clusters, dashboards=settings.dask_dashboard)
        self._desk = None if settings.desk is None else Desk(database, settings.desk)
        self._jobs: dict[str, _Job] = {}
        self._lock = threading.Lock()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; scans that are running then are queued again, with what they have found."""
        beats = threading.Thread(target=self._beat, args=(stop,), name="beats", daemon=True)
        presence = Presence(self.database, self.owner, self.settings.slots, self._pool)
        telling = threading.Thread(target=presence.run, args=(stop,), name="presence", daemon=True)
        beats.start()
        telling.start()
        with ThreadPoolExecutor(MOST_AT_ONCE, "scan") as threads:
            while not stop.wait(self.settings.tick_s):
                patiently(partial(self._look, threads), stop)
            for job in self._running():
                job.end = job.end or "stopped"
        beats.join()
        telling.join()
        self._pool.close()

    def _look(self, threads: ThreadPoolExecutor) -> None:
        """Do whatever the records ask for."""
        schedule(self.database, self.rules, self._desk)
        fall_back(self.database, self.rules)
        silence = timedelta(seconds=self.settings.silence_s)
        with self.database.read() as session:  # who writes has to wait for his turn, and others for him
            due = scans.ready(session) or scans.gone(session, alive, silence)
        if due:
            with self.database.begin() as session:
                scans.release(session)
                scans.recover(session, alive, silence)
        while (scan := self._claim()) is not None:
            job = _Job(scan)
            with self._lock:
                self._jobs[scan.id] = job
            threads.submit(self._carry_out, job)
        self._pool.rest(self.settings.idle_s)

    def _claim(self) -> tables.Scan | None:
        busy = len(self._running())
        if busy >= MOST_AT_ONCE:
            return None
        with self.database.read() as session:
            if not scans.queued(session):
                return None
        with self.database.begin() as session:
            return scans.claim(session, self.owner, REALTIME if busy >= self.settings.slots else None)

    def _running(self) -> list[_Job]:
        with self._lock:
            return list(self._jobs.values())

    def _carry_out(self, job: _Job) -> None:
        """Scan, and record how it ended, whatever happens."""
        state, error, summary = ScanState.FAILED, "", None
        artifacts: list[Artifact] = []
        try:
            summary, artifacts = self._scan(job)
            state = ScanState.COMPLETE
        except _EndedError:
            state = ScanState.CANCELLED if job.end == "cancelled" else ScanState.QUEUED
        except (SkymistError, OSError) as trouble:
            error = str(trouble)
        except Exception as trouble:  # noqa: BLE001 (a reconstruction may raise anything)
            _log.exception("scan %s", job.scan.id)
            error = own_fault(trouble)
        finally:
            self._end(job, state, error, summary, artifacts)

    def _scan(self, job: _Job) -> tuple[dict[str, Any], list[Artifact]]:
        scan, watch = job.scan, Stopwatch()
        event = ingest.load_event(self.database, scan.event_id)
        request = ScanRequest.from_dict(scan.request)
        watch.lap("read")
        data = scan_request(
            event, configured(request), request, connect=partial(self._pool.connect, scan.cluster, scan.workers),
            cluster_name=scan.cluster, chosen=scan.chosen, site=self.settings.site,
            out=absolute(self.settings.out) / scan.role, on_progress=job.take,
            pace=Pace(scan.priority, cell_limit=self.settings.cell_limit), watch=watch,
        )  # fmt: skip
        job.check()
        artifacts = _artifacts(scan.id, data)
        watch.lap("write")
        return products.summary(data, DEFAULT_CALIBRATION, watch.seconds, {}), artifacts  # who asks is told where it is

    def _end(
        self, job: _Job, state: ScanState, error: str, summary: dict[str, Any] | None, artifacts: list[Artifact]
    ) -> None:
        """Record the end of a scan; while the database is away, wait for it."""

        def write() -> None:
            with self.database.begin() as session:
                scans.beat(session, job.scan.id, self.owner, job.progress)
                if scans.finish(session, job.scan.id, self.owner, state, error, summary):
                    scans.keep(session, artifacts, self.owner)
                    if state == ScanState.COMPLETE and self._desk is not None:
                        _announce(session, job.scan.event_id)

        patiently(write, threading.Event())
        with self._lock:
            del self._jobs[job.scan.id]

    def _beat(self, stop: threading.Event) -> None:
        """Say again and again how far each scan is, and hear whether it is still wanted."""
        while not (stop.is_set() and not self._running()):
            patiently(self._beat_once, stop)
            time.sleep(self.settings.beat_s)

    def _beat_once(self) -> None:
        jobs = sorted(self._running(), key=lambda job: job.scan.id)  # rows are locked in one order by all
        if jobs:
            with self.database.begin() as session:
                for job in jobs:
                    job.end = scans.beat(session, job.scan.id, self.owner, job.progress) or job.end


def _announce(session: Session, event_id: str) -> None:
    """Have the workflow look once more at the alert of an event: there is a map of it."""
    event = session.get_one(tables.Event, event_id)
    if event.alert_id is not None:
        alerts.announce(session.get_one(tables.Alert, event.alert_id))


def _artifacts(scan_id: str, data: xr.Dataset) -> list[Artifact]:
    """Write the files of a map, and return them with their hashes; that of the map itself is of its content."""
    store = place(data.encoding["source"])
    content = skymap.content_hash(data)
    found = [Artifact(scan_id=scan_id, kind="zarr", url=str(store), sha256=content, size=int(data.nbytes))]
    for kind in KINDS:
        file = exports.export(data, kind)
        written = file.read_bytes()
        sha256 = hashlib.sha256(written).hexdigest()
        found.append(Artifact(scan_id=scan_id, kind=kind, url=str(file), sha256=sha256, size=len(written)))
    return found
