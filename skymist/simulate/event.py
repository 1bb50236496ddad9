"""From truth and losses to an event."""

import numpy as np

from skymist.model.detector import Detector
from skymist.model.event import Event, Losses, Particle
from skymist.simulate.conditions import Conditions
from skymist.simulate.photons import photons
from skymist.simulate.readout import read_out

PULSE_SET = "simulated"
SATURATED = "SaturationWindows"
WHEN = np.datetime64("2026-01-01T00:00:00", "ns")


def simulate(
    truth: Particle,
    losses: Losses,
    detector: Detector,
    rng: np.random.Generator,
    conditions: Conditions | None = None,
    run: int = 0,
    event: int = 0,
) -> Event:
    """Return the event that a particle with these losses makes.

    Parameters
    ----------
    truth : Particle
        Its direction, a place on its path, and when it is there.
    losses : Losses
        Where it makes light, as `skymist.simulate.losses` makes them, or a reconstruction finds them.
    detector : Detector
    rng : numpy.random.Generator
    conditions : Conditions, optional
        The nominal ones if not given.
    run, event : int
        Identifiers to give it.
    """
    light = photons(truth, losses, detector, conditions or Conditions(), rng)
    pulses, saturated = read_out(light, detector, truth.time_ns, rng)
    exclusions = {SATURATED: saturated} if len(saturated) else {}
    return Event(
        run, event, WHEN, "simulation", detector, pulses, PULSE_SET, (PULSE_SET,),
        exclusions=exclusions, truth=truth, losses=losses,
    )  # fmt: skip
