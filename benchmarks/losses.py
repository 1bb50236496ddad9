"""The fit of a track with losses per cell against iminuit on the same likelihood and starts.

iminuit minimises the NumPy twin in place and time, and, to tell the algorithm's share from the compiler's, our compiled
likelihood. Cells are some near the truth and some spread over the sky; all start from the timing fit. Tells
milliseconds per cell, ratios, and how often either finds a lower minimum by more than 0.1: near the truth that counts,
elsewhere, where no track fits the event, hardly. Needs `iminuit` and the reference data.
"""

from collections.abc import Callable
from operator import itemgetter
from pathlib import Path

import numpy as np
from iminuit import Minuit
from measured import Tell, cell_ms, compared, results

from skymist.model import sky
from skymist.model.event import Event
from skymist.model.sky import Floats, Ints
from skymist.readers.simulated_set import read_simulated
from skymist.reco.losses_reference import nllh
from skymist.reco.track_losses import Data, TrackLosses, from_fit, prepare
from skymist.reco.track_mpe import TrackMPE, plane_frames

Likelihood = Callable[[Floats], float]

SET = Path(__file__).parents[2] / "shared" / "data" / "simulated" / "tracks_real_geometry_dev.npz"
EVENTS = 1, 3, 12, 30
RECO = TrackLosses()
NEAR, FAR = 8, 8  # cells
REPEATS = 5  # of ours, of which the fastest counts
BOUND = 200.0  # m


def per_cell(event: Event, tell: Tell) -> None:
    """Time all on some cells, and compare the minima they find."""
    data = prepare(event, RECO.most_timed)
    assert data
    directions = sky.directions(event.detector, event.time, cells(event))
    start = TrackMPE()(event, directions, None)
    frames = plane_frames(-directions.origin)
    points = from_fit(data, frames, start)
    RECO(event, directions, start)
    ours, fit = min(
        (cell_ms(lambda: RECO(event, directions, start).nllh, NEAR + FAR) for _ in range(REPEATS)), key=itemgetter(0)
    )
    for code, likelihood in (("NumPy", twin), ("compiled", kernel)):
        theirs, found = cell_ms(
            lambda choice=likelihood: [least(choice(data, frames[k]), point) for k, point in enumerate(points)],
            NEAR + FAR,
        )
        gain = found - fit
        for where, part in (("near the truth", gain[:NEAR]), ("elsewhere", gain[NEAR:])):
            figures = compared(ours, theirs, part)
            tell("cells", event=event.name, modules=data.hits, likelihood=code, where=where, **figures)


def cells(event: Event) -> Ints:
    """Return the cells of nside 64 nearest to the truth, and some of nside 8."""
    assert event.truth
    truth = sky.to_sky(event.detector, event.time, event.truth.zenith, event.truth.azimuth)
    near = sky.all_cells(64)
    away = sky.separation(*sky.centers(near), *truth)
    return np.append(near[np.argsort(away)[:NEAR]], sky.uniq_of(8, np.linspace(0, 767, FAR).astype(int)))


def twin(data: Data, frame: Floats) -> Likelihood:
    """Return the nllh of the readable reference."""
    return lambda point: nllh(data, frame, np.asarray(point, float), RECO)


def kernel(data: Data, frame: Floats) -> Likelihood:
    """Return the nllh of the compiled kernel."""
    return lambda point: float(RECO.evaluate(data, frame[None], np.asarray(point, float)[None])[0])


def least(likelihood: Likelihood, start: Floats) -> float:
    """Return the least value that MIGRAD finds from one start, at most `BOUND` from it."""
    minuit = Minuit(likelihood, start, name=("a", "b", "t"))
    minuit.limits = [(start[0] - BOUND, start[0] + BOUND), (start[1] - BOUND, start[1] + BOUND), None]
    minuit.errors = [2.0, 2.0, 10.0]
    minuit.errordef = Minuit.LIKELIHOOD
    return float(minuit.migrad().fval or np.inf)


def main() -> None:
    """Run on some simulated muons."""
    with results("losses") as tell:
        for index in EVENTS:
            per_cell(read_simulated(SET, index), tell)


if __name__ == "__main__":
    main()
