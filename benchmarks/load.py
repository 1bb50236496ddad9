"""Many scans at once, and very large ones, on two worker processes.

    python benchmarks/load.py [together] [large] [uniform]

together: a realtime scan alone, and with nine others of lower priority on the same cluster.
large:    the client's memory over a scan of 200,000 cells.
uniform:  a whole map of nside 256 (786,432 cells) of a real event, with its rate and memory, into a store.
"""

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from distributed import Client
from measured import Tell, results

from skymist import cluster
from skymist.model.event import Event
from skymist.model.reconstruction import Reconstruction
from skymist.model.request import DEFAULT_LEVELS, Level, ScanRequest
from skymist.model.rows import MemoryRows
from skymist.readers import read_event
from skymist.reco.bowl import Bowl
from skymist.scan.run import Pace, run
from skymist.store.zarr import SkyMapStore
from skymist.workflow.scan import load_reconstruction, scan_event

EVENT = Path(__file__).parents[2] / "shared" / "data" / "events" / "138632_31747601.json"
OTHERS, REPEATS = 9, 3
LARGE = 200_000


def seconds_of(client: Client, event: Event, reconstruction: Reconstruction, seed: int, priority: int) -> float:
    """Return how long a default scan takes from the moment on in which its workers are ready."""
    request = ScanRequest(event.digest, reconstruction.name, reconstruction.version, {}, DEFAULT_LEVELS, None, seed)
    steps = run(request, event, reconstruction, client, MemoryRows(), Pace(priority))
    next(steps)
    began = time.perf_counter()
    for _ in steps:
        pass
    return time.perf_counter() - began


def together(tell: Tell) -> None:
    """Scan in realtime alone and among others; the others have to end, too."""
    event, reconstruction = read_event(EVENT), Bowl(seconds=0.004)
    with cluster.connect("local-processes", 2) as client:
        alone, among = [], []
        for number in range(REPEATS):
            alone.append(seconds_of(client, event, reconstruction, number, 100))
            ended: list[float] = []
            others = [
                threading.Thread(
                    target=lambda n=n, ended=ended: ended.append(seconds_of(client, event, reconstruction, n, n % 3))
                )
                for n in range(OTHERS)
            ]
            for other in others:
                other.start()
            time.sleep(2)
            among.append(seconds_of(client, event, reconstruction, number, 100))
            for other in others:
                other.join()
            tell("together", others=OTHERS, ended=len(ended), alone_s=alone[-1], among_s=among[-1])


@contextmanager
def watched() -> Iterator[list[float]]:
    """Note this process's memory (MB) twice a second."""
    found: list[float] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.5):
            found.append(psutil.Process(os.getpid()).memory_info().rss / 1e6)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def large(tell: Tell) -> None:
    """Watch the client over a scan of very many cells."""
    event, levels = read_event(EVENT), (Level(128, 0),)
    request = ScanRequest(event.digest, "bowl", "1", levels=levels)
    with (
        tempfile.TemporaryDirectory() as folder,
        cluster.connect("local-processes", 2) as client,
        SkyMapStore(Path(folder) / "map.zarr", {"scan_id": request.id, "request": request.to_dict()}) as store,
        watched() as memory,
    ):
        began = time.perf_counter()
        steps = run(request, event, Bowl(seconds=0.0003), client, store)
        for step in steps:
            if step.done >= LARGE:
                break
        steps.close()
        seconds = time.perf_counter() - began
    tenth = memory[len(memory) // 10 :]
    middle = statistics.median(tenth)
    tell(
        "memory", what="200,000 cells", cells=LARGE, seconds=seconds, per_second=LARGE / seconds,
        median_mb=middle, least_mb=min(tenth), most_mb=max(tenth), map_mb=None,
    )  # fmt: skip


def uniform(tell: Tell) -> None:
    """Scan the whole sky finely, into a store."""
    event, reconstruction = read_event(EVENT), load_reconstruction("track-mpe", {})
    with tempfile.TemporaryDirectory() as folder, watched() as memory:
        began = time.perf_counter()
        data = scan_event(event, reconstruction, (Level(256, 0),), out=folder, cluster_name="local-processes")
        seconds = time.perf_counter() - began
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()) / 1e6
    cells = data.sizes["cell"]
    tell(
        "memory", what="uniform, nside 256", cells=cells, seconds=seconds, per_second=cells / seconds,
        median_mb=statistics.median(memory), least_mb=min(memory), most_mb=max(memory), map_mb=size,
    )  # fmt: skip


def main() -> None:
    parts = {"together": together, "large": large, "uniform": uniform}
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("parts", nargs="*", default=list(parts), choices=[*parts, []])
    asked = parser.parse_args().parts
    with results("load") as tell:
        for name in asked:
            parts[name](tell)


if __name__ == "__main__":
    main()
