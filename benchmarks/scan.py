"""The default scan of each real alert: through Dask against the same cells called directly on two threads.

Tells, for each event, seconds of computing and the ratio, both measured side by side in this run.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from measured import results

from skymist import cluster
from skymist.model import sky
from skymist.model.event import Event
from skymist.model.reconstruction import Fit, Reconstruction
from skymist.model.request import ScanRequest
from skymist.model.rows import MemoryRows
from skymist.model.sky import Ints
from skymist.readers import read_event
from skymist.scan import plan
from skymist.scan.run import run
from skymist.workflow.scan import load_reconstruction

EVENTS = Path(__file__).parents[2] / "shared" / "data" / "events"
THREADS, BLOCKS, REPEATS = 2, 8, 5


def directly(
    request: ScanRequest, event: Event, reconstruction: Reconstruction, pool: ThreadPoolExecutor
) -> MemoryRows:
    """Evaluate the plan on threads, a level after the other."""
    rows = MemoryRows()
    while (cells := plan.next_cells(request, rows.uniq, rows.fit.nllh)).size:
        parents = plan.parent_rows(request, cells, rows.uniq)

        def evaluate(part: Ints, cells: Ints = cells, parents: Ints | None = parents, rows: MemoryRows = rows) -> Fit:
            start = None if parents is None else rows.fit[parents[part]]
            return reconstruction(event, sky.directions(event.detector, event.time, cells[part]), start)

        parts = np.array_split(np.arange(len(cells)), BLOCKS)
        fits = list(pool.map(evaluate, parts))
        rows.append(cells, Fit.concatenate(fits))
    return rows


def main() -> None:
    if not EVENTS.is_dir():
        sys.exit("needs the reference events in ../shared/data")
    reconstruction = load_reconstruction("track-mpe", {})
    with (
        results("scan") as tell,
        cluster.connect("local", THREADS) as client,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        for path in sorted(EVENTS.iterdir()):
            event = read_event(path)
            request = ScanRequest(event.digest, reconstruction.name, reconstruction.version)
            direct, through = [], []
            for _ in range(REPEATS):
                began = time.perf_counter()
                expected = directly(request, event, reconstruction, pool)
                direct.append(time.perf_counter() - began)
                rows = MemoryRows()
                steps = run(request, event, reconstruction, client, rows)
                next(steps)
                began = time.perf_counter()
                for _ in steps:
                    pass
                through.append(time.perf_counter() - began)
                assert np.array_equal(np.sort(rows.uniq), np.sort(expected.uniq))
            best = {"direct_s": min(direct), "dask_s": min(through), "ratio": min(through) / min(direct)}
            tell("scans", event=event.name, cells=len(rows.uniq), rounds=REPEATS, threads=THREADS, **best)


if __name__ == "__main__":
    main()
