"""What a figure of an event shows, worked out without matplotlib: hit modules, the axis of a track, two projections."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skymist.errors import RequestError
from skymist.model import sky
from skymist.model.detector import Detector
from skymist.model.event import Event, Particle
from skymist.model.region import BestFit
from skymist.model.sky import Floats
from skymist.plot.captions import Heading

MARGIN_M = 70.0
"""Of a view around modules and light."""
_LARGEST_M = 60.0
_SMALLEST_M = 7.0


@dataclass(frozen=True, eq=False)
class Hits:
    """Modules that saw light.

    Attributes
    ----------
    dom : (n, 2) int16
        String and number of the module on it.
    position : (n, 3) float64
        Metres.
    charge_pe : (n,) float64
        Of all pulses.
    time_ns : (n,) float64
        Of the first pulse, counted from the time at which a tenth of the charge was there.
    radius_m : (n,) float64
        Of the sphere that is drawn: its volume is proportional to the charge, but none is too small to be seen.
    """

    dom: NDArray[np.int16]
    position: Floats
    charge_pe: Floats
    time_ns: Floats
    radius_m: Floats


@dataclass(frozen=True, eq=False)
class Axis:
    """A fitted or simulated particle.

    Attributes
    ----------
    label : str
    zenith, azimuth : float
        Where it comes from, radians.
    vertex : (3,) float64
        Metres.
    cascade : bool
        Whether it is a point rather than a line.
    """

    label: str
    zenith: float
    azimuth: float
    vertex: Floats
    cascade: bool

    @property
    def travel(self) -> Floats:
        """Unit vector along which it flies, shape (3,)."""
        return -sky.unit(self.azimuth, np.pi / 2 - self.zenith)

    def within(self, low: Floats, high: Floats) -> Floats:
        """Return the two points between which its line is in a box, shape (2, 3); none, shape (0, 3), if it misses it.

        Parameters
        ----------
        low, high : (3,) float64
            Corners of the box, metres.
        """
        enters, leaves = cut(self.vertex, self.travel, low, high)
        if enters > leaves:
            return np.empty((0, 3))
        return np.stack([self.vertex + enters * self.travel, self.vertex + leaves * self.travel])


def cut(point: Floats, along: Floats, low: Floats, high: Floats) -> tuple[float, float]:
    """Return for which multiples of `along` a line through a point enters and leaves a box, of any dimension.

    The first is larger than the second if it misses the box.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        sides = np.stack([(low - point) / along, (high - point) / along])
    sides = np.where(np.isnan(sides), np.array([[-np.inf], [np.inf]]), sides)
    return float(sides.min(axis=0).max()), float(sides.max(axis=0).min())


def hits_of(event: Event) -> Hits:
    """Return the modules of an event that saw light, those of the detector.

    Raises
    ------
    RequestError
        If there is none.
    """
    row = event.detector.index(event.pulses.dom)
    here = row >= 0
    if not here.any():
        raise RequestError(f"{event.name} has no pulse in {event.detector.name}: there is nothing to draw")
    time, charge = event.pulses.time_ns[here], event.pulses.charge_pe[here].astype(float)
    modules, at = np.unique(row[here], return_inverse=True)
    total = np.bincount(at, weights=charge).astype(float)
    first = np.full(modules.size, np.inf)
    np.minimum.at(first, at, time)
    begins = _quantile(time, charge, 0.1)
    radius = _LARGEST_M * np.cbrt(np.maximum(total, 0) / max(total.max(), 1e-9))
    detector = event.detector
    return Hits(
        detector.dom[modules], detector.position[modules], total, first - begins, np.maximum(radius, _SMALLEST_M)
    )  # fmt: skip


def time_range(hits: Hits) -> tuple[float, float]:
    """Return the times between which the first pulses of all but a few modules are, in ns."""
    low, high = (_quantile(hits.time_ns, hits.charge_pe, share) for share in (0.02, 0.98))
    low, high = min(low, float(np.quantile(hits.time_ns, 0.05))), max(high, float(np.quantile(hits.time_ns, 0.9)))
    return low, max(high, low + 1.0)


def axis_of(event: Event, fit: BestFit | Particle, label: str, topology: str = "") -> Axis:
    """Return a fit as it is drawn in the detector.

    Parameters
    ----------
    event : Event
        Gives the detector and the time at which the sky stands above it.
    fit : BestFit or Particle
    label : str
    topology : str
        One of `skymist.model.event.TOPOLOGIES`, if `fit` does not say it.
    """
    if isinstance(fit, BestFit):
        zenith, azimuth = (float(angle) for angle in sky.to_detector(event.detector, event.time, fit.ra, fit.dec))
        vertex = np.array(fit.vertex, float)
    else:
        zenith, azimuth, vertex = fit.zenith, fit.azimuth, np.array([fit.x, fit.y, fit.z])
        topology = fit.topology or topology
    return Axis(label, zenith, azimuth, vertex, topology == "cascade")


def axes_of(event: Event, fit: BestFit | Particle | None, topology: str = "") -> list[Axis]:
    """Return what is drawn over the light: ``"fit"`` if there is one, and ``"truth"`` of a simulated event.

    Parameters are those of `axis_of`.
    """
    both = {"fit": fit, "truth": event.truth}
    return [axis_of(event, each, label, topology) for label, each in both.items() if each is not None]


def box_of(places: Floats) -> tuple[Floats, Floats]:
    """Return the lowest and the highest corner of the box in which tracks are drawn, (3,) each; metres."""
    return places.min(axis=0) - MARGIN_M, places.max(axis=0) + MARGIN_M


def strings_of(detector: Detector) -> Floats:
    """Return the first and the last module of each string and a NaN after them, shape (3 n, 3); metres."""
    string = detector.dom[:, 0]
    first = np.flatnonzero(np.diff(string, prepend=string[0] - 1))
    last = np.append(first[1:], len(string)) - 1
    gap = np.full((len(first), 3), np.nan)
    return np.stack([detector.position[first], detector.position[last], gap], axis=1).reshape(-1, 3)


def heading_of(event: Event, hits: Hits) -> Heading:
    """Return which event it is, its kind and detector, and how much light there was."""
    title = f"Run {event.run}, event {event.event}   {event.utc[:19].replace('T', ' ')} UTC"
    counts = f"{hits.charge_pe.size} of {len(event.detector):,} modules hit", f"{hits.charge_pe.sum():,.0f} PE"
    notes = [*([event.kind] if event.kind else []), event.detector.name, *counts]
    return Heading(title, notes, event.simulated)


def side_of(axis: Axis | None) -> Floats:
    """Return the horizontal unit vector to the right of the side view, which shows the track at full length.

    Without a track, or with one from straight above, that is x.
    """
    if axis is None or np.hypot(*axis.travel[:2]) < 0.05:
        return np.array([1.0, 0.0, 0.0])
    right = np.array([axis.travel[0], axis.travel[1], 0.0])
    return np.asarray(right / np.linalg.norm(right))


def _quantile(values: Floats, weights: Floats, share: float) -> float:
    """Return the smallest value up to which there is this share of the weight."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][min(np.searchsorted(total, share * total[-1]), len(values) - 1)])
