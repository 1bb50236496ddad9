"""An IceCube physics frame as an Event, whatever it came in."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from skymist.detector.geometry import icecube_86
from skymist.errors import ReadError, UnknownNameError
from skymist.model.event import Event, Particle, Pulses, TimeWindows
from skymist.readers.alert import alert_in_frame, stream_in
from skymist.readers.frame import Frame
from skymist.readers.objects import Header, read_header, read_object, read_particle, read_windows
from skymist.readers.pulses import PulseSets
from skymist.readers.series import Series

DEFAULT_PULSE_SETS = (
    "SplitUncleanedInIcePulses",
    "SplitInIcePulses",
    "InIcePulses",
    "OfflinePulses",
    "InIceDSTPulses",
    "I3SuperDST",
)
"""The set used where none is asked for is the first of these that there is: all in-ice light."""

EXCLUSIONS = ("CalibrationErrata", "SaturationWindows")
_TRUTH = (
    "MCMostEnergeticTrack",
    "MCMostEnergeticMuon",
    "MCMuon",
    "MCMostEnergeticInIce",
    "MCMostEnergeticCascade",
    "MCPrimary1",
    "MCPrimary",
)


def event_of(frame: Frame, pulses: str | None, kind: str = "", alert: Mapping[str, Any] | None = None) -> Event:
    """Return the event of a physics frame.

    Parameters
    ----------
    frame : Frame
        With the objects of its DAQ frame.
    pulses : str or None
        The pulse set; the first of `DEFAULT_PULSE_SETS` that there is if None.
    kind, alert
        What the message around the frame says of it; what the frame says itself if nothing.

    Raises
    ------
    UnknownNameError
        If there is no pulse set called `pulses`.
    ReadError
        If anything that belongs to the event is missing or corrupt.
    """
    header = header_of(frame)
    particles = _particles(frame)
    truth = next((particles[name] for name in _TRUTH if name in particles), None)
    sets = PulseSets(frame)
    chosen = _choose(sets.names, pulses)
    alert = alert or alert_in_frame(frame)
    return Event(
        header.run,
        header.event,
        header.time,
        "simulation" if truth is not None else kind or stream_in(alert),
        icecube_86(),
        pulses_of(sets.read(chosen)),
        chosen,
        sets.names,
        {name: particle for name, particle in particles.items() if not name.startswith("MC")},
        _exclusions(frame),
        alert,
        truth,
    )


def header_of(frame: Frame) -> Header:
    """Return the header of a frame."""
    return read_object(frame, "I3EventHeader", "I3EventHeader", read_header)


def pulses_of(series: Series) -> Pulses:
    """Return a series as it is, IceTop's tanks included if it has them, by module and time.

    Raises
    ------
    ReadError
        If a module's number is beyond all detectors, or a time, charge or width is not finite:
        such an event must be looked at, not scanned.
    """
    om = series.om_of_pulse
    if (np.abs(om) >= 2**15).any():
        raise ReadError("a pulse of a module beyond all detectors")
    keep = np.lexsort([series.time, om[:, 1], om[:, 0]])
    time, charge, width = series.time[keep], series.charge[keep], series.width[keep]
    if not all(np.isfinite(column).all() for column in (time, charge, width)):
        raise ReadError("a pulse whose time, charge or width is not a finite number")
    return Pulses(om[keep, :2].astype("<i2"), time, charge, width, series.flags[keep] & 1 == 1)


def _choose(sets: tuple[str, ...], name: str | None) -> str:
    if name is not None and name not in sets:
        raise UnknownNameError("pulse set", name, sets)
    for default in (name, *DEFAULT_PULSE_SETS):
        if default in sets:
            return str(default)
    raise ReadError(f"no usual pulse set; choose one of: {', '.join(sets) or 'none'}")


def _particles(frame: Frame) -> dict[str, Particle]:
    names = sorted(name for name in frame.objects if frame.class_of(name) == "I3Particle")
    particles = {name: read_object(frame, name, "I3Particle", read_particle) for name in names}
    return {name: it for name, it in particles.items() if np.isfinite([it.zenith, it.azimuth]).all()}


def _exclusions(frame: Frame) -> dict[str, TimeWindows]:
    there = (name for name in EXCLUSIONS if name in frame.objects)
    return {name: read_object(frame, name, "I3TimeWindowSeriesMap", read_windows) for name in there}
