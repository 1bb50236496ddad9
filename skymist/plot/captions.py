"""What a figure of a sky map shows, in words, for readers who do not see it."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import xarray as xr

from skymist.errors import UnknownNameError
from skymist.model import region as regions
from skymist.model import sky
from skymist.model import skymap as maps
from skymist.model.calibrations import Row, side_by_side
from skymist.model.event import Event
from skymist.model.region import DEFAULT_CALIBRATION, BestFit, Calibration, Region
from skymist.plot.frames import signed

_OPENINGS = {
    "sky": "The whole sky in Hammer projection, coloured by the test statistic TS",
    "zoom": "The sky around the best fit, coloured cell by cell",
    "combined": "The whole sky on the left, the surroundings of the best fit on the right, coloured by TS",
    "coverage": "The cells that were evaluated, one panel for each resolution",
    "calibrations": "The 90 % contours that several calibrations give, around the best fit",
}
KINDS = (*_OPENINGS, "difference")
_SEEN = {"3d": "in three dimensions", "flat": "from above and from the side"}


class Heading(NamedTuple):
    """What stands above a figure.

    Attributes
    ----------
    title : str
        Which event it is.
    notes : list of str
        How it was made.
    simulated : bool
        Whether that must be said, too.
    """

    title: str
    notes: list[str]
    simulated: bool


def caption(
    kind: str,
    skymap: xr.Dataset,
    calibration: str | Calibration = DEFAULT_CALIBRATION,
    *,
    other: xr.Dataset | None = None,
) -> str:
    """Return what a figure shows: event, best fit, regions and calibration.

    Parameters
    ----------
    kind : str
        ``sky``, ``zoom``, ``combined``, ``coverage``, ``calibrations`` or ``difference``.
    skymap : xarray.Dataset
    calibration : str or Calibration
    other : xarray.Dataset, optional
        The second map of a difference.

    Returns
    -------
    str
        Sentences in one line. Positions are ICRS, all angles in degrees.

    Raises
    ------
    UnknownNameError
        If there is no such kind of figure, or no such calibration.
    """
    if kind == "difference" and other is not None:
        return difference_caption(_facts(skymap, calibration), _facts(other, calibration))
    if kind not in _OPENINGS:
        raise UnknownNameError("figure", kind, KINDS)
    if kind == "coverage":
        return " ".join([_opening(kind, skymap.attrs), _best(regions.best_fit(skymap)), *_counts(skymap)])
    if kind == "calibrations":
        return calibrations_caption(skymap.attrs, regions.best_fit(skymap), side_by_side(skymap))
    return map_caption(kind, _facts(skymap, calibration))


class Facts(Protocol):
    """What is said of a map; a `skymist.plot.view.View` has it."""

    @property
    def attributes(self) -> Mapping[Any, Any]: ...  # noqa: D102
    @property
    def best(self) -> BestFit: ...  # noqa: D102
    @property
    def inner(self) -> Region: ...  # noqa: D102
    @property
    def outer(self) -> Region: ...  # noqa: D102


class _Facts(NamedTuple):
    attributes: Mapping[Any, Any]
    best: BestFit
    inner: Region
    outer: Region


def _facts(skymap: xr.Dataset, calibration: str | Calibration) -> _Facts:
    half, ninety = (regions.region(skymap, containment, calibration) for containment in (0.5, 0.9))
    return _Facts(skymap.attrs, regions.best_fit(skymap), half, ninety)


def map_caption(kind: str, facts: Facts) -> str:
    """Return the caption of a figure of one map whose regions are known."""
    return " ".join([_opening(kind, facts.attributes), _best(facts.best), _regions(facts)])


def calibrations_caption(attributes: Mapping[Any, Any], best: BestFit, rows: Sequence[Row]) -> str:
    """Return the caption of a figure of all calibrations."""
    ninety = [_row(row) for row in rows if row.containment == 0.9]
    return " ".join([_opening("calibrations", attributes), _best(best), *ninety])


def difference_caption(a: Facts, b: Facts) -> str:
    """Return the caption of the difference of two maps."""
    apart = float(np.degrees(sky.separation(a.best.ra, a.best.dec, b.best.ra, b.best.dec)))
    of_a, of_b = (f"{_event(each.attributes)}. {_best(each.best)} {_regions(each)}" for each in (a, b))
    return f"The difference of TS between two sky maps. A: {of_a} B: {of_b} The best fits are {apart:.2f}° apart."


def event_caption(event: Event, n_modules: int, charge_pe: float, *, seen: Literal["3d", "flat"] = "3d") -> str:
    """Return what a figure of an event's pulses shows.

    Parameters
    ----------
    event : Event
    n_modules : int
        Those that saw light.
    charge_pe : float
        Of all of them.
    seen : {"3d", "flat"}
        ``"flat"`` is the figure with two views, ``"3d"`` the one that can be turned.
    """
    kind = "Simulated event" if event.simulated else "Event"
    return (
        f"{kind} {event.event} of run {event.run} in the detector, {_SEEN[seen]}: "
        f"{n_modules} modules that saw light, sized by charge ({charge_pe:.0f} PE in all) and coloured by the time of "
        "their first pulse."
    )


def difference_heading(a: Facts, b: Facts) -> Heading:
    """Return events, how they were reconstructed, and the calibration, of the difference of two maps."""
    both = a.attributes, b.attributes
    first, second = (event_name(each) for each in both)
    made = " − ".join(each["reconstruction"]["name"] for each in both)
    notes = [] if first == second else [f"B: {second}"]
    notes += [made, f"regions: {a.outer.calibration}", "ICRS"]
    notes += [] if all(each["complete"] for each in both) else ["scan not complete"]
    return Heading(first, notes, any(each["event"]["simulated"] for each in both))


def event_name(attributes: Mapping[Any, Any]) -> str:
    """Return run, event and time of a map."""
    event = attributes["event"]
    return f"Run {event['run']}, event {event['event']}   {event['utc'][:19].replace('T', ' ')} UTC"


def notes_of(attributes: Mapping[Any, Any], calibration: str, *more: str) -> list[str]:
    """Return how a map was made: reconstruction, calibration, and whether it is complete."""
    reconstruction = attributes["reconstruction"]
    made = f"{reconstruction['name']} {reconstruction['version']}".strip()
    return [made, f"regions: {calibration}", *more, *([] if attributes["complete"] else ["scan not complete"])]


def _opening(kind: str, attributes: Mapping[Any, Any]) -> str:
    return f"{_OPENINGS[kind]}: {_event(attributes)}."


def _counts(skymap: xr.Dataset) -> list[str]:
    counts = ", ".join(f"{number} cells of nside {nside}" for nside, number in maps.counts(skymap).items())
    return [f"Evaluated: {counts}.", f"{maps.failures(skymap)} of them failed."]


def _event(attributes: Mapping[Any, Any]) -> str:
    event, reconstruction = attributes["event"], attributes["reconstruction"]
    kind = "simulated event" if event["simulated"] else "event"
    unfinished = "" if attributes["complete"] else " (scan not complete)"
    moment = event["utc"][:19].replace("T", " ")
    return f"{kind} {event['event']} of run {event['run']}, {moment} UTC, by {reconstruction['name']}{unfinished}"


def _best(best: BestFit) -> str:
    return f"Best fit: RA {np.degrees(best.ra):.2f}°, Dec {signed(np.degrees(best.dec), 2)}."


def _regions(facts: Facts) -> str:
    return f"Regions by {facts.outer.calibration}: {_region(facts.inner)}; {_region(facts.outer)}."


def _row(row: Row) -> str:
    edge = ", its edge not refined" if row.open else ""
    return f"{row.calibration}: {area(row.area_deg2)} within TS {row.ts:.4g}{edge}."


def _region(region: Region) -> str:
    edge = ", its edge not refined" if region.open else ""
    return (
        f"{region.containment:.0%} in {area(region.area_deg2)} (RA +{region.ra_plus:.2f}° −{region.ra_minus:.2f}°, "
        f"Dec +{region.dec_plus:.2f}° −{region.dec_minus:.2f}°{edge})"
    )


def area(deg2: float) -> str:
    """Return an area with three digits and its unit."""
    return f"{deg2:.3g} deg²" if deg2 < 100 else f"{deg2:.0f} deg²"
