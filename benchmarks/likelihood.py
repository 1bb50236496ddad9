"""The track fit per cell: compiled Newton against iminuit on the same likelihood, starts and bound.

Prints milliseconds per cell and their ratio, and how often and by how much either finds the lower minimum;
also the default scan, called directly on two threads, of each real alert. Needs `iminuit` and the reference data.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import numpy as np
from iminuit import Minuit

from skymist.model import sky
from skymist.model.event import Event
from skymist.model.reconstruction import Fit
from skymist.model.sky import Ints
from skymist.readers import read_event
from skymist.reco.reference import Reference
from skymist.reco.track_mpe import START_REACH, TrackData, TrackMPE, plane_frames, prepare, start_offsets

EVENTS = Path(__file__).parents[2] / "shared" / "data" / "events"
RECO = TrackMPE()
CELLS = 8
BOUND = 4 * START_REACH


def per_cell(event: Event) -> None:
    """Time both on cells spread over the sky, and compare the minima they find."""
    data = prepare(event, RECO.charge_exponent)
    assert data
    directions = sky.directions(event.detector, event.time, sky.uniq_of(8, np.linspace(0, 767, CELLS).astype(int)))
    RECO(event, directions, None)
    begin = time.perf_counter()
    fit = RECO(event, directions, None)
    ours = (time.perf_counter() - begin) / CELLS
    begin = time.perf_counter()
    theirs = [iminuit(event, data, origin) for origin in directions.origin]
    minuit = (time.perf_counter() - begin) / CELLS
    gain = np.array(theirs) - fit.nllh
    print(
        f"  per cell: {ours * 1e3:.3f} ms, iminuit {minuit * 1e3:.1f} ms: {minuit / ours:.0f} times; "
        f"deeper by over 0.1 in {np.mean(gain > 0.1):.0%} of cells, shallower in {np.mean(gain < -0.1):.0%}"
    )


def iminuit(event: Event, data: TrackData, origin: np.ndarray) -> float:
    """Return the least nllh that MIGRAD finds from the starts of `track-mpe`, at most `BOUND` from the centre."""
    reference, frame = Reference(event, RECO), plane_frames(-origin[None])[0]

    def nllh(a: float, b: float, t: float) -> float:
        return reference.nllh(origin, data.center + a * frame[0] + b * frame[1], data.time_ns + t)

    best = np.inf
    for a, b in start_offsets(RECO.starts, RECO.seed):
        minuit = Minuit(nllh, a=a, b=b, t=0.0)
        minuit.limits = [(-BOUND, BOUND), (-BOUND, BOUND), (-6000, 6000)]
        minuit.errordef = Minuit.LIKELIHOOD
        best = min(best, minuit.migrad().fval or np.inf)
    return float(best)


def scan(event: Event, pool: ThreadPoolExecutor) -> int:
    """Evaluate the default levels in blocks on the pool; return the number of cells."""
    cells, fit, total = sky.all_cells(8), None, 0
    for nside, keep in ((64, 12), (512, 24), (0, 0)):
        fit = evaluate(event, cells, fit, pool)
        total += len(cells)
        if nside:
            best = np.argsort(fit.nllh, kind="stable")[:keep]
            finer = sky.children(cells[best], nside)
            fit, cells = fit[np.repeat(best, finer.shape[1])], finer.ravel()
    return total


def evaluate(event: Event, cells: Ints, start: Fit | None, pool: ThreadPoolExecutor) -> Fit:
    """Fit blocks of cells in parallel."""
    directions = sky.directions(event.detector, event.time, cells)
    blocks = np.array_split(np.arange(len(cells)), 8)
    jobs = [pool.submit(RECO, event, directions[b], None if start is None else start[b]) for b in blocks]
    parts = [job.result() for job in jobs]
    return Fit(*(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(Fit)))


def main() -> None:
    """Run on every real alert."""
    with ThreadPoolExecutor(2) as pool:
        for path in sorted(EVENTS.iterdir()):
            event = read_event(path)
            scan(event, pool)
            times = []
            for _ in range(3):
                begin = time.perf_counter()
                cells = scan(event, pool)
                times.append(time.perf_counter() - begin)
            print(f"{event.name}: {cells} cells in {min(times):.2f} s on two threads")
            per_cell(event)


if __name__ == "__main__":
    main()
