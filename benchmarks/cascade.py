"""The cascade fit per cell against iminuit on the same likelihood and starts.

iminuit minimises the NumPy twin, and, to tell the algorithm's share from the compiler's, our compiled likelihood, once
with differences and once with our slopes. Tells milliseconds per cell, ratios, and how often either finds a lower
minimum by more than 0.1. Needs `iminuit` and the reference data.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from iminuit import Minuit
from measured import Tell, cell_ms, compared, results

from skymist.detector.light import shower_table
from skymist.model import sky
from skymist.model.event import Event
from skymist.model.sky import Floats
from skymist.readers.simulated_set import read_simulated
from skymist.reco.cascade import Cascade, CascadeData, prepare
from skymist.reco.cascade_reference import nllh
from skymist.reco.track_mpe import ice_grid

Likelihood = Callable[[Floats], float]

SET = Path(__file__).parents[2] / "shared" / "data" / "simulated" / "cascades_dev.npz"
EVENTS = 3, 12, 48
RECO = Cascade()
CELLS = 24
BOUND = 200.0  # m


def per_cell(event: Event, tell: Tell) -> None:
    """Time all on cells spread over the sky, and compare the minima they find."""
    data = prepare(event, RECO.charge_weight, RECO.charge_spread)
    assert data
    directions = sky.directions(event.detector, event.time, sky.uniq_of(8, np.linspace(0, 767, CELLS).astype(int)))
    RECO(event, directions, None)
    ours, fit = cell_ms(lambda: RECO(event, directions, None).nllh, CELLS)
    ways = ("NumPy", twin, False), ("compiled", kernel, False), ("compiled, with slopes", kernel, True)
    for code, likelihood, slopes in ways:
        likelihood(data, -directions.origin[0])[0](np.zeros(5))
        theirs, found = cell_ms(
            lambda choice=likelihood, s=slopes: [least(data, *choice(data, -d), s) for d in directions.origin], CELLS
        )
        figures = compared(ours, theirs, found - fit)
        tell("cells", event=event.name, modules=data.light.lit, likelihood=code, **figures)


def twin(data: CascadeData, flight: Floats) -> tuple[Likelihood, None]:
    """Return the nllh of the readable reference."""
    return lambda point: nllh(data.light, flight, point, RECO.charge_weight, RECO.charge_spread), None


def kernel(data: CascadeData, flight: Floats) -> tuple[Likelihood, Callable[[Floats], Floats]]:
    """Return the nllh of the compiled kernel, and its slopes."""
    from skymist.reco.cascade_kernels import evaluate

    light, slope, curve, work = data.light, np.empty(5), np.empty((5, 5)), np.empty((25, 5))
    weights = RECO.charge_weight, RECO.charge_spread
    model = flight, light.modules, light.times, light.first, *ice_grid(), *shower_table(), *weights

    def value(point: Floats) -> float:
        return float(evaluate(*model, np.asarray(point, float), slope, curve, work))

    def slopes(point: Floats) -> Floats:
        value(point)
        return slope.copy()

    return value, slopes


def least(
    data: CascadeData, likelihood: Likelihood, slopes: Callable[[Floats], Floats] | None, use_slopes: bool
) -> float:
    """Return the least value that MIGRAD finds from the start of `cascade`, at most `BOUND` from it."""
    start = np.array([0.0, 0.0, 0.0, 0.0, data.ln_energy])
    minuit = Minuit(likelihood, start, grad=slopes if use_slopes else None, name=("x", "y", "z", "t", "ln_energy"))
    minuit.limits = [(-BOUND, BOUND)] * 3 + [(-1000, 1000), (data.ln_energy - 5, data.ln_energy + 5)]
    minuit.errors = [5.0, 5.0, 5.0, 15.0, 0.2]
    minuit.errordef = Minuit.LIKELIHOOD
    return float(minuit.migrad().fval or np.inf)


def main() -> None:
    """Run on three simulated cascades."""
    with results("cascade") as tell:
        for index in EVENTS:
            per_cell(read_simulated(SET, index), tell)


if __name__ == "__main__":
    main()
