"""The jobs of a SLURM cluster while it runs: those that end are replaced, and none is left at the end."""

import asyncio
import time
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from subprocess import run as run_command
from typing import TYPE_CHECKING, Any, Self

import dask.config
from dask_jobqueue.slurm import SLURMCluster, SLURMJob
from distributed import Client, Security
from distributed.core import Status
from distributed.deploy.adaptive import Adaptive

from skymist.errors import ScanError

if TYPE_CHECKING:
    from skymist.cluster.slurm import Slurm

LOOK_S = 5.0
"""Between two looks at the queue, and only while some worker is missing; twice as long after each job that failed."""

LOST_S = 15.0
"""How long a worker may be away before its job is replaced."""

HOPELESS = 2
"""After so many jobs that ended without any worker, none will come."""

GONE_S = 60.0
"""How long cancelled jobs may take to leave the queue."""


class Jobs:
    """Jobs of one name, as a context manager.

    Parameters
    ----------
    settings : Slurm
    job_name : str
        Not used by any other run.
    security : distributed.Security, optional
        None for no encryption.
    count : int, optional
        Exactly so many jobs; as the settings say by default.
    """

    def __init__(self, settings: "Slurm", job_name: str, security: Security | None, count: int | None) -> None:
        self.settings, self.job_name, self.security = settings, job_name, security
        self.limits = (count, count) if count else (settings.minimum, settings.maximum)

    def __enter__(self) -> Self:
        options = self.settings.job_options(self.job_name, self.security)
        self.cluster = SLURMCluster(
            job_cls=_Job, name=self.job_name, scheduler_options=self.settings.scheduler_options(), **options
        )
        # Dask's own care for lost workers would cancel what has replaced them and still waits in the queue.
        self.left_to_us: AbstractContextManager[Any] = dask.config.set(
            {"distributed.deploy.lost-worker-timeout": "1 day"}
        )
        self.keeper = self.cluster.adapt(
            Adaptive=partial(_Keeper, log=self._log),
            minimum_jobs=self.limits[0],
            maximum_jobs=self.limits[1],
            wait_count=max(1, round(self.settings.idle_s)),  # looks, one a second
            target_duration=0.01,  # s of work for which a worker is worth while: only the number of tasks counts
            worker_key=_job_of if self.settings.processes > 1 else None,
        )
        return self

    def __exit__(self, *error: Any) -> None:
        try:
            self.cluster.loop.add_callback(self.keeper.stop)
            self._cancel()  # before the cluster asks workers to retire, which suspended ones do not answer
            self.cluster.close()
        finally:
            self.left_to_us.__exit__(*error)
            self._wait_until_gone()

    def wait_for_one(self, client: Client, name: str) -> None:
        """Wait for the first worker; `ScanError` if none comes."""
        end = time.monotonic() + self.settings.wait_s
        while True:
            try:
                client.wait_for_workers(1, timeout=1)
                return
            except TimeoutError:
                if self.keeper.failures >= HOPELESS:
                    raise ScanError(f"cluster {name}: jobs end before a worker comes: {self.keeper.reason}") from None
                if time.monotonic() > end:
                    raise ScanError(
                        f"cluster {name}: no worker after {self.settings.wait_s:.0f} s; {self._why()}"
                    ) from None

    def _why(self) -> str:
        """Say what SLURM says of the jobs."""
        answer = run_command(_squeue(self.job_name, "%T %r"), capture_output=True, check=False, text=True)
        return f"the queue says: {', '.join(sorted(set(answer.stdout.splitlines()))) or 'no jobs'}"

    def _log(self, job_id: str) -> Path:
        return Path(self.settings.log_directory).expanduser() / f"{self.job_name}-{job_id}.log"

    def _cancel(self) -> None:
        run_command(["scancel", "--name", self.job_name], capture_output=True, check=False)

    def _wait_until_gone(self) -> None:
        end = time.monotonic() + GONE_S
        while left := self._queued():
            if time.monotonic() > end:
                # What is completing has stopped; a node may take long to tidy up after it.
                stuck = [job for job, state in left.items() if state != "COMPLETING"]
                if not stuck:
                    return
                raise ScanError(f"jobs may be left in the queue ({', '.join(stuck)}); scancel --name {self.job_name}")
            self._cancel()
            time.sleep(0.5)

    def _queued(self) -> dict[str, str]:
        """Return the jobs in the queue with their states; something unknown if SLURM does not answer."""
        answer = run_command(_squeue(self.job_name, "%A %T"), capture_output=True, check=False, text=True)
        if answer.returncode:
            return {"squeue fails": answer.stderr}
        return dict(line.split() for line in answer.stdout.splitlines())


def _squeue(job_name: str, what: str = "%A") -> list[str]:
    return ["squeue", "--noheader", f"--format={what}", "--name", job_name]


class _Job(SLURMJob):  # type: ignore[misc]  # dask-jobqueue is not typed
    """A job that remembers when all of its workers were last seen, and why it was refused."""

    seen: float | None = None
    refused: str | None = None

    async def start(self) -> None:
        try:
            await super().start()
        except RuntimeError as error:
            self.refused = str(error).partition("stderr:\n")[2].strip() or str(error)
            self.status = Status.running  # as far as it gets: it is missed in the queue, and tried again

    async def close(self) -> None:
        await super().close()
        self.status = Status.closed


class _Keeper(Adaptive):  # type: ignore[misc]  # distributed is not typed
    """Decides how many jobs there are, and drops those that ended or lost their workers, so that new ones come.

    Dask itself misses jobs that end before they had a worker, and those of several processes.
    """

    def __init__(self, cluster: Any, log: Any, **options: Any) -> None:
        super().__init__(cluster, **options)
        self.log_of = log
        self.next_look = 0.0
        self.failures, self.reason = 0, ""

    async def recommendations(self, target: int) -> dict[str, Any]:
        now = time.monotonic()
        missing = self._missing(now)
        if missing and now > self.next_look:
            await self._drop(missing, now)
            self.next_look = now + LOOK_S * 2 ** min(self.failures, 6)
        return dict(await super().recommendations(target))

    def _missing(self, now: float) -> dict[str, _Job]:
        """Return the jobs that lack a worker."""
        missing = {}
        for name, job in self.cluster.workers.items():
            group = self.cluster.new_spec.get("group", [""])
            if {f"{name}{suffix}" for suffix in group} <= self.observed:
                job.seen, self.failures = now, 0
            else:
                missing[name] = job
        return missing

    async def _drop(self, missing: dict[str, _Job], now: float) -> None:
        queued = await self._queued()
        if queued is None:
            return
        for name, job in missing.items():
            lost = job.seen is not None and now - job.seen > LOST_S
            if lost or job.job_id not in queued:
                if job.seen is None:
                    self.failures += HOPELESS if job.refused else 1
                    self.reason = job.refused or _last_line(self.log_of(job.job_id))
                await job.close()
                self.cluster.workers.pop(name, None)

    async def _queued(self) -> set[str] | None:
        """Return the ids of the jobs in the queue; None if SLURM does not say."""
        process = await asyncio.create_subprocess_exec(
            *_squeue(self.cluster.name), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        answer, _ = await process.communicate()
        return set(answer.decode().split()) if process.returncode == 0 else None


def _job_of(worker: Any) -> str:
    """Return the job of a worker, so that jobs of several processes are given back as a whole."""
    return str(worker.name).rpartition("-")[0]


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").split("\n")
    except OSError:
        return f"nothing in {log}"
    return next((f"{line.strip()} ({log})" for line in reversed(lines) if line.strip()), f"nothing in {log}")
