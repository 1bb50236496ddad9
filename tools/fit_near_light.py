"""Find by how much light near a track is earlier than the table of showers has it: prints `light.NEAR_LIGHT`.

    python tools/fit_near_light.py TRACKS.npz

The gamma density is right for the light of most modules, but not for the first of a hundred photons and more. So
muons simulated photon by photon are simulated again from their losses, and the first hits of all modules compared,
by distance and charge: quantiles of how late they are, in units of their spread. Tries some values of all three
numbers, with the same random numbers. Takes some ten minutes.
"""

import argparse
from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from skymist.detector import light
from skymist.model.event import Event
from skymist.readers import read_events
from skymist.reco.hits import clean
from skymist.reco.reference import closest_approach
from skymist.simulate.event import simulate
from skymist.simulate.losses import flight_of

Floats = NDArray[np.float64]

SHARES, EARLY_NS, REACHES_M = (0.2, 0.4, 0.6), (3.0, 4.0, 5.0), (40.0, 50.0, 60.0)
AGAIN = 2  # times that each event is simulated
DISTANCES, CHARGES = (0, 10, 20, 30, 45, 60, 80), (1, 20, 60, 200, 3000)  # m, PE
QUANTILES = 0.1, 0.25, 0.5, 0.75  # the last tenth is noise and light that strayed
FEWEST = 8  # hits of a bin that counts
LEAST_SPREAD = 3.0  # ns


def first_hits(event: Event) -> Floats:
    """Return distance to the track (m), charge (PE) and how late the first hit is (ns) of each module."""
    hits, truth = clean(event), event.truth
    assert truth is not None
    position, vertex = event.detector.position[hits.module], np.array([truth.x, truth.y, truth.z])
    along, distance, _ = closest_approach(position, -flight_of(truth), vertex)
    late = hits.time_ns - (truth.time_ns + along / light.C + distance * light.DELAY)
    return np.column_stack([distance, hits.charge_pe, late])


def again(events: list[Event]) -> Floats:
    """Return the same of the events simulated again."""
    made: Iterator[Event] = (
        simulate(event.truth, event.losses, event.detector, np.random.default_rng([index, turn]))
        for index, event in enumerate(events)
        for turn in range(AGAIN)
        if event.truth is not None
    )
    return np.concatenate([first_hits(event) for event in made])


def bins(hits: Floats) -> dict[tuple[int, int], Floats]:
    """Return how late hits are, by bin of distance and charge."""
    row, column = np.digitize(hits[:, 0], DISTANCES), np.digitize(hits[:, 1], CHARGES)
    inside = product(range(1, len(DISTANCES)), range(1, len(CHARGES)))
    return {(i, j): hits[(row == i) & (column == j), 2] for i, j in inside}


def difference(seen: Floats, made: Floats) -> float:
    """Return by how much quantiles differ, squared, in units of the spread; summed over the hits that were seen."""
    total, other = 0.0, bins(made)
    for key, late in bins(seen).items():
        if len(late) >= FEWEST and len(other[key]):
            low, high = np.quantile(late, (0.25, 0.75))
            spread = max(high - low, LEAST_SPREAD) / 1.35
            away = (np.quantile(other[key], QUANTILES) - np.quantile(late, QUANTILES)) / spread
            total += len(late) * float(np.mean(away**2))
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tracks", help="muons simulated photon by photon")
    events = [
        event
        for event in read_events(parser.parse_args().tracks)
        if event.truth is not None and event.truth.topology == "through-going"
    ]
    seen = np.concatenate([first_hits(event) for event in events])
    tried = [(0.0, 0.0, REACHES_M[0]), *product(SHARES, EARLY_NS, REACHES_M)]
    found: list[tuple[float, light.NearLight]] = []
    for values in tried:
        light.NEAR_LIGHT = light.NearLight(*values)
        found.append((difference(seen, again(events)), light.NEAR_LIGHT))
        print(f"{found[-1][0]:.1f} {found[-1][1]}", flush=True)
    print(f"best: {min(found)[1]}")


if __name__ == "__main__":
    main()
