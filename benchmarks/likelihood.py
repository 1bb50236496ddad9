"""The track fit per cell against iminuit on the same likelihood, starts and bound.

iminuit minimises the NumPy twin, and, to tell the algorithm's share from the compiler's, our compiled
likelihood as well; SciPy minimises the compiled one with Nelder-Mead and L-BFGS-B. Tells milliseconds per cell, ratios,
and how often either finds a lower minimum by more than 0.1. Needs `iminuit` and the reference data.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from iminuit import Minuit
from measured import Tell, cell_ms, compared, results
from scipy.optimize import minimize

from skymist.detector.light import JITTER
from skymist.model import sky
from skymist.model.event import Event
from skymist.model.sky import Floats
from skymist.readers import read_event
from skymist.reco.arrival import table
from skymist.reco.reference import Reference
from skymist.reco.track_mpe import START_REACH, TrackData, TrackMPE, ice_grid, plane_frames, prepare, start_offsets

Likelihood = Callable[[float, float, float], float]
Choice = Callable[[Event, TrackData, Floats], Likelihood]

EVENTS = Path(__file__).parents[2] / "shared" / "data" / "events"
RECO = TrackMPE()
CELLS = 24
BOUND = 4 * START_REACH


def per_cell(event: Event, tell: Tell) -> None:
    """Time all on cells spread over the sky, and compare the minima they find."""
    data = prepare(event, RECO.charge_exponent)
    assert data
    directions = sky.directions(event.detector, event.time, sky.uniq_of(8, np.linspace(0, 767, CELLS).astype(int)))
    RECO(event, directions, None)
    ours, fit = cell_ms(lambda: RECO(event, directions, None).nllh, CELLS)
    ways = (
        ("MIGRAD", "NumPy", twin),
        ("MIGRAD", "compiled", kernel),
        ("L-BFGS-B", "compiled", kernel),
        ("Nelder-Mead", "compiled", kernel),
    )
    for minimiser, code, likelihood in ways:
        likelihood(event, data, directions.origin[0])(0.0, 0.0, 0.0)

        def theirs(minimiser: str = minimiser, choice: Choice = likelihood) -> list[float]:
            return [least(minimiser, choice(event, data, origin)) for origin in directions.origin]

        milliseconds, found = cell_ms(theirs, CELLS)
        tell(
            "cells", event=event.name, minimiser=minimiser, likelihood=code, **compared(ours, milliseconds, found - fit)
        )


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


def least(minimiser: str, nllh: Likelihood) -> float:
    """Return the least value that is found from the starts of `track-mpe`, at most `BOUND` from the centre."""
    bounds = [(-BOUND, BOUND), (-BOUND, BOUND), (-6000.0, 6000.0)]
    best = np.inf
    for a, b in start_offsets(RECO.starts, RECO.seed):
        if minimiser == "MIGRAD":
            minuit = Minuit(nllh, a=a, b=b, t=0.0)
            minuit.limits = bounds
            minuit.errordef = Minuit.LIKELIHOOD
            found = minuit.migrad().fval or np.inf
        else:
            found = minimize(lambda x: nllh(*x), (a, b, 0.0), method=minimiser, bounds=bounds).fun
        best = min(best, found)
    return float(best)


def main() -> None:
    """Run on every real alert."""
    with results("likelihood") as tell:
        for path in sorted(EVENTS.iterdir()):
            per_cell(read_event(path), tell)


if __name__ == "__main__":
    main()
