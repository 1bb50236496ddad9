"""How far one scheduler goes: Dask's cost, scaling on this machine, the limit with simulated workers, what follows.

    python benchmarks/scaling.py [--quick]

Real cells are those of the reference event with `track-mpe`, on worker processes. Simulated workers are threads that
sleep as long as a block would compute (`bowl`, `seconds`), some hundreds of them in a few processes: what is measured
is how fast one scheduler and one client hand out blocks and take them back. Efficiency is the time that the cells need
on all threads over the time that passed.
"""

import argparse
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import dask
import numpy as np
from distributed import Client, LocalCluster
from measured import Tell, results

from skymist.cluster import connect
from skymist.model import sky
from skymist.model.event import Event
from skymist.model.reconstruction import Reconstruction
from skymist.model.request import Level, ScanRequest
from skymist.model.rows import MemoryRows
from skymist.readers import read_event
from skymist.reco.bowl import Bowl
from skymist.scan import workers as engine
from skymist.scan.run import run, scan_serially
from skymist.workflow.scan import load_reconstruction

EVENT = Path(__file__).parents[2] / "shared" / "data" / "events" / "138632_31747601.json"
DEFAULT = engine.BLOCK_SECONDS, engine.THREAD_SECONDS
A_DAY = 86_400.0
CELLS_A_DAY = 1e12
GOOD = 0.9
ROUNDS = 13


class Measured(NamedTuple):
    """A scan, or the part of it that was waited for."""

    cells: int
    seconds: float


@contextmanager
def worker_processes(count: int) -> Iterator[Client]:
    """Start as many worker processes, as `skymist scan --cluster local-processes` does."""
    with connect("local-processes", count) as client:
        client.wait_for_workers(count)
        yield client


@contextmanager
def sleepers(processes: int, threads: int) -> Iterator[Client]:
    """Start worker processes of many threads, which have little to do but to wait."""
    dashboard = {"dashboard_address": "127.0.0.1:0", "scheduler_kwargs": {"dashboard": False}}
    silent = {"silence_logs": logging.CRITICAL, **dashboard}
    with (
        dask.config.set({"distributed.worker.profile.enabled": False}),
        LocalCluster(n_workers=processes, threads_per_worker=threads, host="127.0.0.1", **silent) as started,
        Client(started) as client,
    ):
        client.wait_for_workers(processes)
        yield client


@contextmanager
def blocks_of(seconds: float | None) -> Iterator[None]:
    """Make blocks of that length; as the engine chooses if None."""
    if seconds is not None:
        engine.BLOCK_SECONDS, engine.THREAD_SECONDS = (seconds, seconds), 0.0
    try:
        yield
    finally:
        engine.BLOCK_SECONDS, engine.THREAD_SECONDS = DEFAULT


def scan(
    client: Client, event: Event, reconstruction: Reconstruction, levels: tuple[Level, ...], longest: float = np.inf
) -> Measured:
    """Scan, for no longer than that; the time counts from when the workers are ready."""
    rows, done = MemoryRows(), 0
    request = ScanRequest(event.digest, reconstruction.name, reconstruction.version, levels=levels)
    steps = run(request, event, reconstruction, client, rows)
    next(steps)
    began = time.perf_counter()
    for step in steps:
        done = step.done
        if time.perf_counter() > began + longest:
            break
    seconds = time.perf_counter() - began
    steps.close()
    return Measured(done, seconds)


def simulated(client: Client, event: Event, threads: int, block: float | None, cell: float, longest: float) -> float:
    """Return the efficiency with sleeping cells."""
    cells = threads * longest / cell
    nside = max(4, 2 ** round(np.log2(np.sqrt(cells / 12))))
    with blocks_of(block):
        found = scan(client, event, Bowl(seconds=cell), (Level(nside, 0),), longest)
    return found.cells * cell / threads / found.seconds


def dask_cost(event: Event, longest: float, tell: Tell) -> None:
    """Tell by how much a scan of sleeping cells takes longer than they sleep."""
    for processes, threads, block, cell in ((2, 1, 0.2, 0.02), (4, 16, None, 0.02)):
        with sleepers(processes, threads) as client:
            efficiency = simulated(client, event, processes * threads, block, cell, longest)
        tell("cost", workers=processes * threads, block_s=block, overhead=1 / efficiency - 1)


def processes_against_calls(event: Event, reconstruction: Reconstruction, tell: Tell) -> float:
    """Tell of the default scan on worker processes against direct calls; return the seconds of a cell."""
    request = ScanRequest(event.digest, reconstruction.name, reconstruction.version)
    direct, through = [], []
    count = len(os.sched_getaffinity(0))
    with worker_processes(count) as client:
        for _ in range(ROUNDS):
            began = time.perf_counter()
            data = scan_serially(request, event, reconstruction)
            direct.append(time.perf_counter() - began)
            through.append(scan(client, event, reconstruction, request.levels).seconds)
    cells, alone, together = data.sizes["cell"], float(np.median(direct)), float(np.median(through))
    tell("default", cells=cells, workers=count, rounds=ROUNDS, direct_s=alone, dask_s=together, ratio=together / alone)
    return alone / cells


def scaling(event: Event, reconstruction: Reconstruction, tell: Tell) -> None:
    """Tell how fast uniform scans are on worker processes of this machine."""
    alone = 0.0
    for kind, sizes in (("strong", ((1, 32), (2, 32))), ("weak", ((1, 16), (2, 32)))):
        for workers, nside in sizes:
            if workers > len(os.sched_getaffinity(0)):
                continue
            with worker_processes(workers) as client:
                found = max((scan(client, event, reconstruction, (Level(nside, 0),)) for _ in range(3)), key=speed)
            alone = speed(found) if workers == 1 else alone
            efficiency = speed(found) / workers / alone
            tell(
                "scaling", kind=kind, workers=workers, cells=found.cells, per_second=speed(found), efficiency=efficiency
            )


def speed(found: Measured) -> float:
    return found.cells / found.seconds


def limit(event: Event, longest: float, counts: tuple[int, ...], tell: Tell) -> float:
    """Tell the efficiency by workers and block, and return the most blocks a second."""
    lengths = (0.1, 0.2, 0.5, 1.0, 2.0)
    most = 0.0
    for threads in counts:
        with sleepers(4, threads // 4) as client:
            found = [simulated(client, event, threads, length, length / 4, longest) for length in lengths]
        for length, efficiency in zip(lengths, found, strict=True):
            rate = efficiency * threads / length
            tell("limit", workers=threads, block_s=length, efficiency=efficiency, blocks_per_second=rate)
            most = max(most, rate)
    return most


def conclude(rate: float, cell: float, tell: Tell) -> None:
    """Tell what follows: the block that keeps an efficiency of 90 %, and where cells per second saturate."""

    def block_of(cores: float) -> float:
        return max(0.2, cores / (GOOD * rate))

    for cores in (1, 10, 100, 1000):
        block = block_of(cores)
        tell("follows", cores=cores, block_s=block, cells_a_block=block / cell, cells_per_second=GOOD * cores / cell)
    needed = CELLS_A_DAY / A_DAY * cell / GOOD
    tell(
        "a day", cells=CELLS_A_DAY, cell_ms=1e3 * cell, most_blocks_per_second=rate, cores=needed,
        block_s=block_of(needed), cells_a_block=block_of(needed) / cell,
        cores_with_blocks_of_2_s=2 * GOOD * rate, schedulers=needed / (2 * GOOD * rate),
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="shorter, and less exact")
    quick = parser.parse_args().quick
    event, reconstruction = read_event(EVENT), load_reconstruction("track-mpe", {})
    reconstruction(event, sky.directions(event.detector, event.time, sky.all_cells(1)), None)  # compiles
    longest = 5.0 if quick else 15.0
    with results("scaling") as tell:
        dask_cost(event, 2 * longest, tell)
        cell = processes_against_calls(event, reconstruction, tell)
        scaling(event, reconstruction, tell)
        conclude(limit(event, longest, (16, 64) if quick else (16, 64, 256, 512), tell), cell, tell)


if __name__ == "__main__":
    main()
