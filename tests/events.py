"""Events from the reference data, for tests and benchmarks."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from skymist.detector.geometry import icecube_86
from skymist.model.event import Event, Particle, Pulses, TimeWindows
from skymist.readers.simulated_set import read_simulated


def from_decoded(path: Path, pulse_set: str | None = None) -> Event:
    """Return a real or officially simulated event from its JSON form."""
    source = json.loads(path.read_text())
    sets = source["pulse_sets"]
    name = pulse_set or source.get("default_pulse_set", "")
    rows = np.array(source["pulses"])
    rows = rows[sets[name]] if name else rows
    rows = rows[np.lexsort((rows[:, 3], rows[:, 1], rows[:, 0]))]
    return Event(
        source["run"],
        source["event"],
        np.datetime64(source["utc"][:29], "ns"),
        source.get("event_type", "simulation"),
        icecube_86(),
        Pulses(rows[:, :2], rows[:, 3], rows[:, 4], rows[:, 5], rows[:, 6].astype(int) & 1),
        name,
        tuple(sets),
        exclusions={key: _windows(source, key) for key in ("CalibrationErrata", "SaturationWindows")},
        truth=_truth(source),
    )


def from_simulated(path: Path, index: int) -> Event:
    """Return an event of our own photon-by-photon simulation."""
    return read_simulated(path, index)


def _windows(source: dict[str, Any], key: str) -> TimeWindows:
    rows = np.array(source.get("time_windows", {}).get(key, [])).reshape(-1, 4)
    return TimeWindows(rows[:, :2].astype("<i2"), rows[:, 2], rows[:, 3])


def _truth(source: dict[str, Any]) -> Particle | None:
    if "truth" not in source:
        return None
    muon = source["truth"]["MCMostEnergeticTrack"]
    place = (muon[key] for key in ("zenith", "azimuth", "x", "y", "z", "time", "energy"))
    return Particle(*(float(value) for value in place))
