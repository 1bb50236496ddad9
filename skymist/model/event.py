"""Event: what a telescope recorded of one neutrino candidate."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from skymist.model.columns import Columns
from skymist.model.detector import Detector


@dataclass(frozen=True, eq=False)
class Pulses(Columns):
    """Light pulses, as equal-length arrays ordered by optical module, then by time.

    Attributes
    ----------
    dom : (n, 2) int16
        String and position on the string of the optical module, as the experiment numbers them. Some may
        not be among the detector's (surface tanks): `Detector.index` gives -1 for them.
    time_ns : (n,) float64
        Leading edge, in nanoseconds on the event's own clock.
    charge_pe : (n,) float32
        Charge in photo-electrons.
    width_ns : (n,) float32
        Width of the time bin in nanoseconds.
    hlc : (n,) bool
        Hard local coincidence: a neighbour was hit within a microsecond.
    """

    dom: NDArray[np.int16]
    time_ns: NDArray[np.float64]
    charge_pe: NDArray[np.float32]
    width_ns: NDArray[np.float32]
    hlc: NDArray[np.bool_]

    LAYOUT: ClassVar = {
        "dom": ("<i2", 2),
        "time_ns": ("<f8",),
        "charge_pe": ("<f4",),
        "width_ns": ("<f4",),
        "hlc": ("?",),
    }


@dataclass(frozen=True, eq=False)
class TimeWindows(Columns):
    """Times in which the pulses of an optical module are not to be trusted (errata, saturation).

    Attributes
    ----------
    dom : (m, 2) int16
        String and position of the module.
    start_ns, stop_ns : (m,) float64
        The window on the event's own clock.
    """

    dom: NDArray[np.int16] = field(default_factory=lambda: np.empty((0, 2), "<i2"))
    start_ns: NDArray[np.float64] = field(default_factory=lambda: np.empty(0, "<f8"))
    stop_ns: NDArray[np.float64] = field(default_factory=lambda: np.empty(0, "<f8"))

    LAYOUT: ClassVar = {"dom": ("<i2", 2), "start_ns": ("<f8",), "stop_ns": ("<f8",)}


@dataclass(frozen=True)
class Particle:
    """An earlier reconstruction (a seed) or a simulated particle.

    Attributes
    ----------
    zenith, azimuth : float
        Where it comes from, in radians and detector coordinates.
    x, y, z : float
        A point on its path (a cascade's vertex), in metres.
    time_ns : float
        When it is there, on the event's own clock.
    energy_gev : float
        NaN where unknown.
    topology : str
        One of `TOPOLOGIES`, empty where unknown.
    """

    zenith: float
    azimuth: float
    x: float
    y: float
    z: float
    time_ns: float
    energy_gev: float = float("nan")
    topology: str = ""


TOPOLOGIES = "through-going", "starting", "cascade"
"""What an event looks like: a muon from outside, one that is made inside, or no muon that could be seen."""


@dataclass(frozen=True, eq=False)
class Losses(Columns):
    """Where energy was deposited that gave light, in the order of time.

    Attributes
    ----------
    position : (n, 3) float64
        Metres.
    energy_gev : (n,) float64
        That an electromagnetic shower of the same light would have.
    """

    position: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 3)))
    energy_gev: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    LAYOUT: ClassVar = {"position": ("<f8", 3), "energy_gev": ("<f8",)}


@dataclass(frozen=True, eq=False)
class Event:
    """One event, complete: nothing else is needed to reconstruct it.

    Attributes
    ----------
    run, event : int
        The experiment's identifiers.
    time : numpy.datetime64[ns]
        UTC, the time for which directions are put on the sky.
    kind : str
        The stream that selected it (``"neutrino"``, ``"hese"``, ``"simulation"``, ...).
    detector : Detector
        Where the optical modules are, and where on Earth.
    pulses : Pulses
        The selected pulse set.
    pulse_set : str
        The name of the selected set.
    pulse_sets : tuple of str
        The names of all sets the source holds.
    seeds : mapping of str to Particle
        Earlier reconstructions.
    exclusions : mapping of str to TimeWindows
        Windows to leave out, by their reason (``"CalibrationErrata"``, ``"SaturationWindows"``).
    alert : mapping
        The alert block of a realtime message as it came; empty if there is none.
    truth : Particle, optional
        What was simulated.
    losses : Losses
        What was simulated; empty if unknown.
    """

    run: int
    event: int
    time: np.datetime64
    kind: str
    detector: Detector
    pulses: Pulses
    pulse_set: str = ""
    pulse_sets: tuple[str, ...] = ()
    seeds: Mapping[str, Particle] = field(default_factory=dict)
    exclusions: Mapping[str, TimeWindows] = field(default_factory=dict)
    alert: Mapping[str, Any] = field(default_factory=dict)
    truth: Particle | None = None
    losses: Losses = field(default_factory=Losses)

    @property
    def name(self) -> str:
        """The identifiers in the experiment's usual writing, e.g. ``run00136766.evt000007637140``."""
        return f"run{self.run:08d}.evt{self.event:012d}"

    @property
    def simulated(self) -> bool:
        """Whether this is simulation, which must never be taken for the sky."""
        return self.truth is not None

    @property
    def mjd(self) -> float:
        """Modified Julian date (UTC)."""
        return float((self.time - np.datetime64("1858-11-17T00:00:00", "ns")) / np.timedelta64(1, "D"))

    @property
    def utc(self) -> str:
        """ISO 8601 with nanoseconds."""
        return str(np.datetime_as_string(self.time, unit="ns"))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that can change a reconstruction: two equal digests give equal maps."""
        sha = hashlib.sha256(f"{self.run} {self.event} {self.utc} {self.detector.digest}".encode())
        sha.update(self.pulses.tobytes())
        for name in sorted(self.exclusions):
            sha.update(name.encode() + self.exclusions[name].tobytes())
        return sha.hexdigest()
