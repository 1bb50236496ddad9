"""SLURM: workers are batch jobs, replaced when they end and gone when the cluster is closed."""

import re
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

from skymist.errors import RequestError

if TYPE_CHECKING:
    from distributed import Client, Security

_WALLTIME = re.compile(r"(?:(\d+)-)?(\d+):(\d\d):(\d\d)")


@dataclass(frozen=True)
class Slurm:
    """Batch jobs of SLURM, each with one or more Dask workers; the scheduler is in this process.

    Attributes
    ----------
    partition, account : str, optional
        As for sbatch; the site's defaults if not given.
    job_directives : tuple of str
        Further lines of ``#SBATCH``.
    prologue : tuple of str
        Shell commands before the worker starts.
    python : str, optional
        Python on the nodes; the one that runs now by default.
    processes, threads : int
        Workers of a job, and threads of each.
    memory : str
        Of a job, such as ``8 GB``.
    walltime : str
        HH:MM:SS or D-HH:MM:SS.
    margin_s : float
        Workers leave so long before the walltime ends, each up to as much earlier again.
    minimum, maximum : int
        Jobs that there are always, and while there is work for them.
    idle_s : float
        Jobs above the minimum that are idle for so long are given back.
    scheduler_host : str, optional
        Under which the nodes reach this machine; see `interface`.
    interface : str, optional
        Network interface of the workers, and of the scheduler if it has no host.
    tls : bool
        Encrypt, and let nobody in without the certificate of this run.
    shared_directory : str
        For certificates; seen by this machine and the nodes.
    log_directory : str
        For what jobs print.
    scratch_directory : str, optional
        Of a worker, on its node.
    worker_ttl_s : float
        A worker that is silent for so long is given up.
    wait_s : float
        How long to wait for the first worker.
    dashboard : bool
        Whether Dask's dashboard is served on the loopback interface of this machine, for whoever has an account on it.
    """

    partition: str | None
    account: str | None
    job_directives: tuple[str, ...]
    prologue: tuple[str, ...]
    python: str | None
    processes: int
    threads: int
    memory: str
    walltime: str
    margin_s: float
    minimum: int
    maximum: int
    idle_s: float
    scheduler_host: str | None
    interface: str | None
    tls: bool
    shared_directory: str
    log_directory: str
    scratch_directory: str | None
    worker_ttl_s: float
    wait_s: float
    dashboard: bool = False

    tools: ClassVar[tuple[str, ...]] = ("sbatch", "squeue", "scancel")

    def __post_init__(self) -> None:
        for key in ("processes", "threads", "minimum", "idle_s", "worker_ttl_s"):
            if getattr(self, key) < 1:
                raise RequestError(f"{key} must be at least 1, not {getattr(self, key)}")
        if self.maximum < self.minimum:
            raise RequestError(f"maximum must be at least minimum ({self.minimum}), not {self.maximum}")
        _bytes(self.memory)
        if not 0 <= 2 * self.margin_s < _seconds(self.walltime):
            raise RequestError(f"margin_s must be less than half the walltime ({self.walltime}), not {self.margin_s}")

    @contextmanager
    def connect(self, name: str, workers: int | None) -> "Iterator[Client]":
        """Submit jobs, yield a client when the first worker is there, and cancel what is left in the queue."""
        from distributed import Client

        _import_jobqueue()
        from skymist.cluster.slurm_jobs import Jobs

        missing = [tool for tool in self.tools if shutil.which(tool) is None]
        if missing:
            raise RequestError(
                f"cluster {name}: {', '.join(missing)} not found; run this where SLURM jobs are submitted"
            )
        job_name = f"skymist-{secrets.token_hex(4)}"
        Path(self.log_directory).expanduser().mkdir(parents=True, exist_ok=True, mode=0o700)
        with (
            self._security() as security,
            Jobs(self, job_name, security, workers) as jobs,
            Client(jobs.cluster, set_as_default=False) as client,
        ):
            jobs.wait_for_one(client, name)
            yield client

    def capacity(self, workers: int | None) -> int:
        """Return how many cells are evaluated at a time once all jobs run."""
        return (workers or self.maximum) * self.processes * self.threads

    def show(self, name: str) -> str:
        """Return the job script, and how many jobs there would be."""
        folder = Path(self.shared_directory).expanduser() / "tls-RUN"
        options = self.job_options("skymist-RUN", _signed(folder) if self.tls else None)
        scheduler = f"{'tls' if self.tls else 'tcp'}://{self.scheduler_host or 'HOST'}:PORT"
        limits = (
            f"# {name}: {self.minimum} to {self.maximum} jobs, more than {self.minimum} while there is work for them"
        )
        job = _import_jobqueue().SLURMJob(scheduler, name="skymist-RUN-NUMBER", **options)
        return f"{job.job_script()}\n{limits}\n"

    def job_options(self, job_name: str, security: "Security | None") -> dict[str, Any]:
        """Return the arguments of a dask-jobqueue job."""
        log = Path(self.log_directory).expanduser() / "%x-%j.log"
        return {
            "queue": self.partition,
            "account": self.account,
            "cores": self.processes * self.threads,
            "processes": self.processes,
            "memory": self.memory,
            "walltime": self.walltime,
            "interface": self.interface,
            "protocol": "tls" if security else "tcp",
            "security": security,
            "local_directory": self.scratch_directory,
            "job_name": job_name,
            "job_extra_directives": [f"--output={log}", *self.job_directives],
            # The threads are Dask's; for its profiler see `skymist.cluster.start`.
            "job_script_prologue": [
                "export OMP_NUM_THREADS=1 DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED=False",
                *self.prologue,
            ],
            # As the job itself and not a child of its shell, a worker that does not heed the signal to end is killed.
            "python": f"exec {self.python or sys.executable}",
            "worker_command": "dask worker",
            "worker_extra_args": self._worker_arguments(),
        }

    def scheduler_options(self) -> dict[str, Any]:
        """Return the arguments of the scheduler: on one interface, its pages on loopback only."""
        return {
            "host": self._listen(),
            "dashboard": self.dashboard,
            "dashboard_address": "127.0.0.1:0",
            "worker_ttl": f"{self.worker_ttl_s} s",
        }

    def _listen(self) -> str:
        """Return the address of this machine for the scheduler, after a try."""
        from distributed.utils import get_ip, get_ip_interface

        try:
            host = self.scheduler_host or (get_ip_interface(self.interface) if self.interface else get_ip())
            socket.create_server((host, 0)).close()
        except (OSError, ValueError) as error:
            place = self.scheduler_host or self.interface
            raise RequestError(f"the scheduler cannot listen on {place} of this machine: {error}") from error
        return str(host)

    def _worker_arguments(self) -> list[str]:
        # Without a nanny, a suspended worker is given up at once; several in a job need theirs.
        several = ["--nworkers", str(self.processes), "--nanny"] if self.processes > 1 else ["--no-nanny"]
        stay = _seconds(self.walltime) - 1.5 * self.margin_s
        # The stagger goes both ways.
        leave = ["--lifetime", f"{stay:.0f}s", "--lifetime-stagger", f"{self.margin_s / 2:.0f}s"]
        return [*several, *leave, "--dashboard-address", "127.0.0.1:0"]

    @contextmanager
    def _security(self) -> "Iterator[Security | None]":
        """Yield a certificate of this run only, in files that nobody else can read."""
        if not self.tls:
            yield None
            return
        from distributed import Security

        shared = Path(self.shared_directory).expanduser()
        shared.mkdir(parents=True, exist_ok=True, mode=0o700)
        with TemporaryDirectory(prefix="tls-", dir=shared) as name:
            try:
                secret = Security.temporary()
            except ImportError:
                raise RequestError("tls needs cryptography: pip install 'skymist[slurm]'") from None
            for path, text in ((_CERTIFICATE, secret.tls_ca_file), (_KEY, secret.tls_worker_key)):
                file = Path(name, path)
                file.touch(mode=0o600)
                file.write_text(text)
            yield _signed(Path(name))


_CERTIFICATE, _KEY = "certificate.pem", "key.pem"


def _signed(folder: Path) -> "Security":
    """Return a Security of files, so that no key is in a job script or representation."""
    from distributed import Security

    certificate, key = str(folder / _CERTIFICATE), str(folder / _KEY)
    roles = {f"tls_{role}_{what}": it for role in ("client", "scheduler", "worker")
             for what, it in (("cert", certificate), ("key", key))}  # fmt: skip
    return Security(require_encryption=True, tls_ca_file=certificate, **roles)


def _import_jobqueue() -> Any:
    """Return dask-jobqueue's part for SLURM.

    At its import it takes over the interrupt signal, with which a person stops a scan and which only the main thread
    may set; so it is kept from that.
    """
    keep, signal.signal = signal.signal, lambda *_: None
    try:
        from dask_jobqueue import slurm
    except ImportError:
        raise RequestError("clusters of kind slurm need dask-jobqueue: pip install 'skymist[slurm]'") from None
    finally:
        signal.signal = keep
    return slurm


def _seconds(walltime: str) -> int:
    """Return the seconds of a walltime.

    >>> _seconds("1-02:00:30")
    93630
    """
    found = _WALLTIME.fullmatch(walltime)
    if found is None:
        raise RequestError(f"walltime must be HH:MM:SS or D-HH:MM:SS, not {walltime!r}")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((24 * days + hours) * 60 + minutes) * 60 + seconds


def _bytes(memory: str) -> int:
    from dask.utils import parse_bytes

    try:
        return int(parse_bytes(memory))
    except ValueError:
        raise RequestError(f"memory must be a number with a unit such as 8 GB, not {memory!r}") from None
