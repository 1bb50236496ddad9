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


def dask_cost(event: Event, longest: float) -> None:
    print("\nDask's cost: wall over ideal, sleeping cells")
    for processes, threads, block, cell in ((2, 1, 0.2, 0.02), (4, 16, None, 0.02)):
        with sleepers(processes, threads) as client:
            efficiency = simulated(client, event, processes * threads, block, cell, longest)
        what = "blocks as the engine chooses" if block is None else f"blocks of {block} s"
        print(f"{processes * threads:5} workers, {what:30} {100 * (1 / efficiency - 1):6.1f} %")


def processes_against_calls(event: Event, reconstruction: Reconstruction) -> float:
    """Print the default scan on worker processes against direct calls; return the seconds of a cell."""
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
    print(f"\ndefault scan, {cells} cells: direct calls {alone:.2f} s, on {count} worker processes {together:.2f} s")
    print(f"ratio {together / alone:.2f}, to direct calls on {count} cores {together * count / alone:.2f} (medians)")
    return alone / cells


def scaling(event: Event, reconstruction: Reconstruction) -> None:
    print("\nscaling on this machine, uniform scans on worker processes")
    print(f"{'workers':>8} {'cells':>7} {'cells/s':>8} {'efficiency':>11}")
    alone = 0.0
    for kind, sizes in (("strong", ((1, 32), (2, 32))), ("weak", ((1, 16), (2, 32)))):
        for workers, nside in sizes:
            if workers > len(os.sched_getaffinity(0)):
                continue
            with worker_processes(workers) as client:
                found = max((scan(client, event, reconstruction, (Level(nside, 0),)) for _ in range(3)), key=speed)
            alone = speed(found) if workers == 1 else alone
            print(f"{workers:8} {found.cells:7} {speed(found):8.0f} {speed(found) / workers / alone:11.2f}  {kind}")


def speed(found: Measured) -> float:
    return found.cells / found.seconds


def limit(event: Event, longest: float, counts: tuple[int, ...]) -> float:
    """Print the efficiency by workers and block, and return the most blocks a second."""
    print("\nthe scheduler's limit: efficiency by simulated workers and length of blocks")
    lengths = (0.1, 0.2, 0.5, 1.0, 2.0)
    print(f"{'workers':>8}" + "".join(f"{length:>8.1f} s" for length in lengths) + "   most blocks/s")
    most = 0.0
    for threads in counts:
        with sleepers(4, threads // 4) as client:
            found = [simulated(client, event, threads, length, length / 4, longest) for length in lengths]
        rate = max(efficiency * threads / length for efficiency, length in zip(found, lengths, strict=True))
        most = max(most, rate)
        print(f"{threads:8}" + "".join(f"{efficiency:10.2f}" for efficiency in found) + f"   {rate:13.0f}", flush=True)
    return most


def conclude(rate: float, cell: float) -> None:
    """Print what follows: the block that keeps an efficiency of 90 %, and where cells per second saturate."""

    def block_of(cores: float) -> float:
        return max(0.2, cores / (GOOD * rate))

    print(f"\nFrom {rate:.0f} blocks a second and {1000 * cell:.2f} ms a cell follows, at no more than {GOOD:.0%}")
    print("of that rate: blocks of T s on W cores are W / T a second, so T = W / (0.9 rate), and 0.2 s at least")
    print(f"{'cores':>7} {'block s':>8} {'cells a block':>14} {'cells/s':>12}")
    for cores in (1, 10, 100, 1000):
        print(f"{cores:7} {block_of(cores):8.2f} {block_of(cores) / cell:14.0f} {GOOD * cores / cell:12.3g}")
    wanted = CELLS_A_DAY / A_DAY
    needed = wanted * cell / GOOD
    print(f"{CELLS_A_DAY:.0e} cells a day are {wanted:.3g} a second: {needed:,.0f} cores at {GOOD:.0%}.")
    print(f"One scheduler feeds them with blocks of {block_of(needed):.0f} s ({block_of(needed) / cell:,.0f} cells);")
    print(f"with blocks of 2 s it feeds {2 * GOOD * rate:,.0f} cores: {needed / (2 * GOOD * rate):.1f} schedulers.")


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="shorter, and less exact")
    quick = parser.parse_args().quick
    event, reconstruction = read_event(EVENT), load_reconstruction("track-mpe", {})
    reconstruction(event, sky.directions(event.detector, event.time, sky.all_cells(1)), None)  # compiles
    longest = 5.0 if quick else 15.0
    dask_cost(event, 2 * longest)
    cell = processes_against_calls(event, reconstruction)
    scaling(event, reconstruction)
    conclude(limit(event, longest, (16, 64) if quick else (16, 64, 256, 512)), cell)


if __name__ == "__main__":
    main()
