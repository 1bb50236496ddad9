"""What a death costs: a scan on worker processes, and one fault at a random moment, again and again.

    python benchmarks/faults.py [--runs 20] [--seed 0] [FAULT ...]

Each run begins a scan against a scheduler and two workers (with nannies) in processes of their own, which are started
again when they end, as SLURM, Kubernetes or systemd do; kills or hinders one part; and waits for the map. It passes if
the map is complete and equal to an undisturbed one, and no cell was computed again after its row was on disk: every
evaluation and every commit is logged with its time. The part "network" needs root: scheduler and workers live in one
network namespace, the client in another, and the link between them goes down for 30 s; so does "store", which fills
the small file system that the map is on.
"""

import argparse
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import psutil
from measured import results

from skymist.model import sky
from skymist.model.event import Event
from skymist.model.reconstruction import Directions, Fit
from skymist.model.request import parse_levels
from skymist.reco.bowl import Bowl
from skymist.store.zarr import SkyMapStore, read_skymap
from skymist.workflow.events import load_event
from skymist.workflow.scan import scan_event

LEVELS = "4:0,16:12,64:12"
SECONDS = 0.008
WORKERS = 2
CUT_SECONDS = 30.0
FULL_SECONDS = 3.0
LONGEST = 300.0
HERE, THERE = f"skymist-cluster-{os.getpid()}", f"skymist-client-{os.getpid()}"  # network namespaces
HERE_ADDRESS, THERE_ADDRESS = "10.77.0.1", "10.77.0.2"


# ---------------------------------------------------------------- in the client's and the workers' processes
@dataclass(frozen=True)
class LoggedBowl(Bowl):
    """A bowl that notes each evaluation: when it began, and where."""

    name: ClassVar[str] = "logged-bowl"
    log: str = ""

    def __call__(self, event: Event, directions: Directions, start: Fit | None) -> Fit:
        began = time.time()
        fit = super().__call__(event, directions, start)
        lines = [
            f"{began} {ra!r} {dec!r}\n" for ra, dec in zip(directions.ra.tolist(), directions.dec.tolist(), strict=True)
        ]
        with (Path(self.log) / f"evaluations.{os.getpid()}").open("a") as file:
            file.write("".join(lines))
        return fit


def client(address: str, folder: Path, full_after: float) -> None:
    """Scan, and note each commit: when it was on disk, and how many rows."""
    write = SkyMapStore._write

    def logged(store: SkyMapStore) -> None:
        write(store)
        with (folder / "commits").open("a") as file:
            file.write(f"{time.time()} {store.rows_kept}\n")

    SkyMapStore._write = logged  # type: ignore[method-assign]
    out = folder / "maps"
    if full_after >= 0:
        threading.Thread(target=fill, args=(out, full_after), daemon=True).start()
    reconstruction = LoggedBowl(seconds=SECONDS, log=str(folder))
    scan_event(load_event("demo"), reconstruction, parse_levels(LEVELS), out=out, cluster_name=address)


def fill(out: Path, after: float) -> None:
    """Leave no room in the file system of the map for some seconds."""
    while not list(out.glob("*.zarr/zarr.json")):
        time.sleep(0.01)
    time.sleep(after)
    ballast = out / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    time.sleep(FULL_SECONDS)
    ballast.unlink()


# ---------------------------------------------------------------- the rig
class Rig:
    """A scheduler and workers as processes, each started again when it ends."""

    def __init__(self, address: str = "127.0.0.1", prefix: tuple[str, ...] = ()) -> None:
        port = str(free_port())
        self.address = f"tcp://{address}:{port}"
        dask = (*prefix, sys.executable, "-m", "dask")
        # Also without a dashboard Dask serves HTTP, on all interfaces unless told otherwise.
        quiet = ("--host", address, "--no-dashboard", "--dashboard-address", f"{address}:0")
        scheduler = (*dask, "scheduler", *quiet, "--port", port)
        worker = (*dask, "worker", self.address, *quiet, "--nthreads", "1", "--death-timeout", "20")
        self.commands = [scheduler, *([worker] * WORKERS)]
        self.processes: list[subprocess.Popen[bytes]] = []
        self._stop = threading.Event()
        self._guard = threading.Thread(target=self._keep, daemon=True)

    def __enter__(self) -> "Rig":
        self.processes = [self._start(command) for command in self.commands]
        self._guard.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._guard.join()
        for process in reversed(self.processes):
            process.terminate()
        for process in reversed(self.processes):
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                kill_tree(process.pid)
                process.wait()

    @property
    def scheduler(self) -> int:
        return self.processes[0].pid

    def nanny(self, rng: random.Random) -> int:
        return rng.choice(self.processes[1:]).pid

    def worker(self, rng: random.Random) -> int:
        """Return the id of a worker: the process that a nanny has started to compute."""
        while True:
            for process in rng.sample(self.processes[1:], WORKERS):
                with contextlib.suppress(psutil.NoSuchProcess):
                    for child in psutil.Process(process.pid).children():
                        if "spawn_main" in " ".join(child.cmdline()):
                            return int(child.pid)
            time.sleep(0.05)

    def _start(self, command: tuple[str, ...]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())

    def _keep(self) -> None:
        while not self._stop.wait(0.2):
            for place, process in enumerate(self.processes):
                if process.poll() is not None:
                    self.processes[place] = self._start(self.commands[place])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def kill_tree(pid: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in [*psutil.Process(pid).children(recursive=True), psutil.Process(pid)]:
            process.kill()


def environment() -> dict[str, str]:
    """Return that of a site: no number of threads beyond one, and lost workers given up after 30 s."""
    return {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "30s",
        "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    }


@contextlib.contextmanager
def namespaces() -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Make two network namespaces with a link; yields how commands are begun in each."""
    steps = [f"netns add {HERE}", f"netns add {THERE}", f"-n {HERE} link add link0 type veth peer link0 netns {THERE}"]
    for name, address in ((HERE, HERE_ADDRESS), (THERE, THERE_ADDRESS)):
        steps += [
            f"-n {name} addr add {address}/24 dev link0",
            f"-n {name} link set link0 up",
            f"-n {name} link set lo up",
        ]
    try:
        for step in steps:
            ip(step)
        yield ("ip", "netns", "exec", HERE), ("ip", "netns", "exec", THERE)
    finally:
        for name in (HERE, THERE):
            subprocess.run(["ip", "netns", "del", name], check=False)


def ip(arguments: str) -> None:
    subprocess.run(["ip", *arguments.split()], check=True)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a file system of a few megabytes there."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "skymist-faults", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


# ---------------------------------------------------------------- one run
class Run(NamedTuple):
    """What came of a scan."""

    seconds: float
    equal: bool
    evaluations: int
    cells: int
    again: int  # evaluations that began after the cell was on disk
    notes: str


class Scan:
    """A scan in a process of its own, which can be begun again."""

    def __init__(self, folder: Path, address: str, prefix: tuple[str, ...] = (), full_after: float = -1.0) -> None:
        self.folder, self.began = folder, time.monotonic()
        (folder / "maps").mkdir(exist_ok=True)
        how = ["--client", address, str(folder), "--full-after", str(full_after)]
        self.command = [*prefix, sys.executable, __file__, *how]
        self.process = self._start()

    def _start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(self.command, stderr=subprocess.PIPE, text=True, env=environment())

    def wait_for_rows(self, rng: random.Random, latest: float) -> None:
        """Wait until the map exists, and then a random time."""
        while not list((self.folder / "maps").glob("*.zarr/zarr.json")):
            if self.process.poll() is not None:
                raise RuntimeError(self.process.communicate()[1])
            time.sleep(0.01)
        time.sleep(rng.uniform(0, latest))

    def restart(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.process = self._start()

    def finish(self, expected: dict[int, float]) -> Run:
        _, notes = self.process.communicate(timeout=LONGEST)
        seconds = time.monotonic() - self.began
        (path,) = (self.folder / "maps").glob("*.zarr")
        data = read_skymap(path)
        found = dict(zip(data["uniq"].to_numpy().tolist(), data["nllh"].to_numpy().tolist(), strict=True))
        equal = self.process.returncode == 0 and found == expected and bool(data.attrs["complete"])
        return Run(seconds, equal, *evaluations(self.folder, data["uniq"].to_numpy()), notes)


def evaluations(folder: Path, uniq: np.ndarray) -> tuple[int, int, int]:
    """Return how many evaluations there were, of how many cells, and how many began after their row was on disk."""
    ra, dec = sky.centers(uniq)
    row = {place: number for number, place in enumerate(zip(ra.tolist(), dec.tolist(), strict=True))}
    commits = sorted(
        tuple(float(part) for part in line.split()) for line in (folder / "commits").read_text().splitlines()
    )
    times, rows = np.array(commits).T
    kept = times[np.searchsorted(rows, np.arange(len(uniq)), side="right")]
    done = [line.split() for file in folder.glob("evaluations.*") for line in file.read_text().splitlines()]
    known = [
        (float(began), row[place]) for began, *where in done if (place := (float(where[0]), float(where[1]))) in row
    ]
    again = sum(bool(began > kept[number]) for began, number in known)
    return len(done), len({number for _, number in known}), again


# ---------------------------------------------------------------- the faults
def worker_killed(rig: Rig, folder: Path, rng: random.Random) -> Scan:
    scan = Scan(folder, rig.address)
    scan.wait_for_rows(rng, 3)
    kill(rig.worker(rng))
    return scan


def nanny_killed(rig: Rig, folder: Path, rng: random.Random) -> Scan:
    scan = Scan(folder, rig.address)
    scan.wait_for_rows(rng, 3)
    kill(rig.nanny(rng))
    return scan


def scheduler_killed(rig: Rig, folder: Path, rng: random.Random) -> Scan:
    scan = Scan(folder, rig.address)
    scan.wait_for_rows(rng, 3)
    kill(rig.scheduler)
    return scan


def client_killed(rig: Rig, folder: Path, rng: random.Random) -> Scan:
    scan = Scan(folder, rig.address)
    scan.wait_for_rows(rng, 3)
    scan.restart()
    return scan


def store_full(rig: Rig, folder: Path, rng: random.Random) -> Scan:
    return Scan(folder, rig.address, full_after=rng.uniform(0, 2))


def network_cut(rig: Rig, folder: Path, rng: random.Random) -> Scan:
    scan = Scan(folder, rig.address, ("ip", "netns", "exec", THERE))
    scan.wait_for_rows(rng, 3)
    ip(f"-n {HERE} link set link0 down")
    time.sleep(CUT_SECONDS)
    ip(f"-n {HERE} link set link0 up")
    return scan


def undisturbed(rig: Rig, folder: Path, _: random.Random) -> Scan:
    return Scan(folder, rig.address)


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


FAULTS: dict[str, Callable[[Rig, Path, random.Random], Scan]] = {
    "worker": worker_killed,
    "nanny": nanny_killed,
    "scheduler": scheduler_killed,
    "client": client_killed,
    "store": store_full,
    "network": network_cut,
}


def expected() -> dict[int, float]:
    """Return the map without Dask, by cell."""
    from skymist.model.request import ScanRequest
    from skymist.scan.run import scan_serially

    event, bowl = load_event("demo"), Bowl()
    data = scan_serially(ScanRequest(event.digest, "bowl", "1", levels=parse_levels(LEVELS)), event, bowl)
    return dict(zip(data["uniq"].to_numpy().tolist(), data["nllh"].to_numpy().tolist(), strict=True))


def runs(fault: str, number: int, seed: int) -> Iterator[Run]:
    """Yield what came of each run with that fault, or with ``none``."""
    rng, map_ = random.Random(f"{fault} {seed}"), expected()
    with contextlib.ExitStack() as stack:
        prefix: tuple[str, ...] = ()
        if fault == "network":
            prefix, _ = stack.enter_context(namespaces())
        rig = stack.enter_context(Rig(HERE_ADDRESS if prefix else "127.0.0.1", prefix))
        for _ in range(number):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                (folder / "maps").mkdir()
                with small_disk(folder / "maps") if fault == "store" else contextlib.nullcontext():
                    scan = FAULTS.get(fault, undisturbed)(rig, folder, rng)
                    try:
                        yield scan.finish(map_)
                    finally:
                        kill_tree(scan.process.pid)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("faults", nargs="*", default=list(FAULTS), help=", ".join(FAULTS))
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--client", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--full-after", type=float, default=-1.0, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.client:
        client(asked.client[0], Path(asked.client[1]), asked.full_after)
        return
    with results("faults") as tell:
        for fault in ("none", *asked.faults):
            for run in runs(fault, min(asked.runs, 5) if fault == "none" else asked.runs, asked.seed):
                tell("runs", fault=fault, **{key: value for key, value in run._asdict().items() if key != "notes"})
                if not run.equal or run.again:
                    print(run.notes, file=sys.stderr)


if __name__ == "__main__":
    main()
