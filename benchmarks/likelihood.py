"""The track fit per cell against iminuit on the same likelihood, starts and bound.

iminuit minimises the NumPy twin, and, to tell the algorithm's share from the compiler's, our compiled
likelihood as well. Prints milliseconds per cell, ratios, and how often either finds a lower minimum by
more than 0.1. Needs `iminuit` and the reference data.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from iminuit import Minuit

from skymist.detector.light import JITTER
from skymist.model import sky
from skymist.model.event import Event
from skymist.model.sky import Floats
from skymist.readers import read_event
from skymist.reco.arrival import table
from skymist.reco.reference import Reference
from skymist.reco.track_mpe import START_REACH, TrackData, TrackMPE, ice_grid, plane_frames, prepare, start_offsets

Likelihood = Callable[[float, float, float], float]

EVENTS = Path(__file__).parents[2] / "shared" / "data" / "events"
RECO = TrackMPE()
CELLS = 24
BOUND = 4 * START_REACH


def per_cell(event: Event) -> None:
    """Time all on cells spread over the sky, and compare the minima they find."""
    data = prepare(event, RECO.charge_exponent)
    assert data
    directions = sky.directions(event.detector, event.time, sky.uniq_of(8, np.linspace(0, 767, CELLS).astype(int)))
    RECO(event, directions, None)
    ours, fit = timed(lambda: RECO(event, directions, None).nllh)
    print(f"{event.name}: {ours:.2f} ms a cell")
    for name, likelihood in (("NumPy twin", twin), ("compiled likelihood", kernel)):
        likelihood(event, data, directions.origin[0])(0.0, 0.0, 0.0)
        theirs, found = timed(
            lambda choice=likelihood: [least(choice(event, data, origin)) for origin in directions.origin]
        )
        gain = np.array(found) - fit
        print(
            f"  iminuit on the {name}: {theirs:.1f} ms, {theirs / ours:.0f} times; "
            f"we are deeper in {np.mean(gain > 0.1):.0%} of cells, shallower in {np.mean(gain < -0.1):.0%}"
        )


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return milliseconds per cell, and the result."""
    begin = time.perf_counter()
    result = work()
    return (time.perf_counter() - begin) / CELLS * 1e3, result


def twin(event: Event, data: TrackData, origin: Floats) -> Likelihood:
    """Return the nllh of the readable reference."""
    reference, frame = Reference(event, RECO), plane_frames(-origin[None])[0]
    return lambda a, b, t: reference.nllh(origin, data.center + a * frame[0] + b * frame[1], data.time_ns + t)


def kernel(_: Event, data: TrackData, origin: Floats) -> Likelihood:
    """Return the nllh of the compiled kernel."""
    from skymist.reco.kernels import evaluate

    frame, out = plane_frames(-origin[None])[0], np.empty(10)
    model = (frame, data.hits, data.silent, table(JITTER), *ice_grid(), RECO.light_weight)

    def nllh(a: float, b: float, t: float) -> float:
        evaluate(*model, np.array([a, b, t]), out)
        return float(out[0] + data.constant)

    return nllh


def least(nllh: Likelihood) -> float:
    """Return the least value that MIGRAD finds from the starts of `track-mpe`, at most `BOUND` from the centre."""
    best = np.inf
    for a, b in start_offsets(RECO.starts, RECO.seed):
        minuit = Minuit(nllh, a=a, b=b, t=0.0)
        minuit.limits = [(-BOUND, BOUND), (-BOUND, BOUND), (-6000, 6000)]
        minuit.errordef = Minuit.LIKELIHOOD
        best = min(best, minuit.migrad().fval or np.inf)
    return float(best)


def main() -> None:
    """Run on every real alert."""
    for path in sorted(EVENTS.iterdir()):
        per_cell(read_event(path))


if __name__ == "__main__":
    main()
