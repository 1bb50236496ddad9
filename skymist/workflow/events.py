"""Events by any name: read them, describe them."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from skymist.model import sky
from skymist.model.event import Event, Particle
from skymist.readers import fetch, known_events, read_event
from skymist.workflow.plain import plain

DEMO = "demo"


def load_event(source: str, pulses: str | None = None, mirror: Path | None = None) -> Event:
    """Read an event from a file, by the name of a public one, or the bundled ``demo``.

    Parameters
    ----------
    source : str
        A file, the name of a public event (``skymist events list``), or ``demo``.
    pulses : str, optional
        Pulse set; the event's usual one by default.
    mirror : Path, optional
        Folder in which public events are looked for first.

    Raises
    ------
    ReadError
        If the file is not a valid event, or a public one cannot be had.
    UnknownNameError
        If there is no such pulse set.
    """
    path = Path(source)
    if source == DEMO:
        path = demo_path()
    elif not path.exists() and source in known_events():
        path = fetch(source, mirror)
    return read_event(path, pulses)


def demo_path() -> Path:
    """Return the file of the bundled, simulated event."""
    return Path(str(files("skymist.simulate") / "demo.csv"))


def identify(event: Event) -> dict[str, Any]:
    """Return which event this is, and which of its pulses are meant, as JSON-like values."""
    return {
        "run": event.run,
        "event": event.event,
        "utc": event.utc,
        "mjd": event.mjd,
        "kind": event.kind,
        "simulated": event.simulated,
        "pulse_set": event.pulse_set,
    }


def describe_event(event: Event) -> dict[str, Any]:
    """Return what an event holds, as JSON-like values; angles in degrees, None where unknown."""
    pulses = event.pulses
    document: dict[str, Any] = plain(
        {
            **identify(event),
            "detector": event.detector.name,
            "pulse_sets": event.pulse_sets,
            "pulses": {
                "dom": pulses.dom,
                "time_ns": pulses.time_ns,
                "charge_pe": pulses.charge_pe,
                "width_ns": pulses.width_ns,
                "hlc": pulses.hlc,
            },
            "exclusions": {name: len(windows) for name, windows in event.exclusions.items()},
            "seeds": {name: describe_particle(event, seed) for name, seed in event.seeds.items()},
            "truth": None if event.truth is None else describe_particle(event, event.truth),
            "alert": event.alert,
        }
    )
    return document


def describe_particle(event: Event, particle: Particle) -> dict[str, Any]:
    """Return a particle with its place on the sky (ICRS); angles in degrees, None where unknown."""
    ra, dec = sky.to_sky(event.detector, event.time, particle.zenith, particle.azimuth)
    document: dict[str, Any] = plain(
        {
            "ra": np.degrees(ra),
            "dec": np.degrees(dec),
            "zenith": np.degrees(particle.zenith),
            "azimuth": np.degrees(particle.azimuth),
            "x": particle.x,
            "y": particle.y,
            "z": particle.z,
            "time_ns": particle.time_ns,
            "energy_gev": particle.energy_gev,
        }
    )
    return document
