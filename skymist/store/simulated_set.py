"""Write sets of simulated events; `skymist.readers.simulated_set` says what is in them, and reads them."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skymist.detector.light import C, shower_maximum
from skymist.errors import RequestError
from skymist.model.event import TOPOLOGIES, Event, Particle
from skymist.model.sky import unit
from skymist.store.place import write_bytes

KNOWN_DETECTOR = "icecube-86"
LOSS_COLUMNS = ("x", "y", "z", "time_ns", "energy_GeV")
TRUTH = np.dtype(
    [("event_id", "<i4"), ("type", "i1")]
    + [(name, "<f8") for name in ("zenith", "azimuth", "dir_x", "dir_y", "dir_z", "x", "y", "z")]
    + [(name, "<f8") for name in ("time_ns", "energy_GeV", "e_dep_GeV")]
)


def write_set(events: Sequence[Event], path: Path) -> Path:
    """Write events with their truth into one file.

    Losses of a muon are its light, step by step, as energies of electromagnetic showers. What the format does not
    hold is left out: identifiers of the run, widths of pulses, and saturation windows.

    Raises
    ------
    RequestError
        If an event is not simulated, or not in IceCube as built.
    StoreError
        If the file cannot be written.
    """
    truth = [_known_truth(event) for event in events]
    pulses = [event.pulses for event in events]
    losses = [_losses(event, particle) for event, particle in zip(events, truth, strict=True)]
    dom = np.concatenate([each.dom for each in pulses])
    arrays = {
        "string": dom[:, 0],
        "om": dom[:, 1],
        "time_ns": np.concatenate([each.time_ns for each in pulses]),
        "charge_pe": np.concatenate([each.charge_pe for each in pulses]),
        "hlc": np.concatenate([each.hlc for each in pulses]).astype("u1"),
        "offsets": _offsets([len(each) for each in pulses]),
        "truth": np.array([_record(*pair) for pair in zip(events, truth, strict=True)], TRUTH),
        "losses": np.concatenate(losses),
        "loss_columns": np.array(LOSS_COLUMNS),
        "loss_offsets": _offsets([len(each) for each in losses]),
        "detector": np.array(KNOWN_DETECTOR),
    }
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return write_bytes(path, file.getvalue())


def _known_truth(event: Event) -> Particle:
    if event.truth is None or event.truth.topology not in TOPOLOGIES:
        raise RequestError(f"{event.name}: a set holds simulated events that are {', '.join(TOPOLOGIES)}")
    if event.detector.name != KNOWN_DETECTOR:
        raise RequestError(f"{event.name}: a set holds events of {KNOWN_DETECTOR}, not of {event.detector.name}")
    return event.truth


def _record(event: Event, truth: Particle) -> tuple[float, ...]:
    """Return a row of the truth; in a set, cascades are where they start and not where they are brightest."""
    flight = _flight(truth)
    ahead = shower_maximum(truth.energy_gev) if truth.topology == "cascade" else 0.0
    place = np.array([truth.x, truth.y, truth.z]) - ahead * flight
    kind, time = 1 + TOPOLOGIES.index(truth.topology), truth.time_ns - ahead / C
    light = float(event.losses.energy_gev.sum())
    return event.event, kind, truth.zenith, truth.azimuth, *flight, *place, time, truth.energy_gev, light


def _losses(event: Event, truth: Particle) -> NDArray[np.float64]:
    """Return rows of the losses of a muon; a cascade is said by its truth."""
    if truth.topology == "cascade":
        return np.empty((0, len(LOSS_COLUMNS)))
    place = event.losses.position
    time = truth.time_ns + (place - [truth.x, truth.y, truth.z]) @ _flight(truth) / C
    return np.column_stack([place, time, event.losses.energy_gev])


def _flight(truth: Particle) -> NDArray[np.float64]:
    return -unit(truth.azimuth, np.pi / 2 - truth.zenith)


def _offsets(lengths: list[int]) -> NDArray[np.int64]:
    return np.append(0, np.cumsum(lengths, dtype=np.int64))
