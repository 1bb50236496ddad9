"""Simulate events and write them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from skymist.detector.geometry import icecube_86
from skymist.errors import RequestError, UnknownNameError
from skymist.model.event import Event
from skymist.readers import write_table
from skymist.simulate.conditions import Conditions
from skymist.simulate.event import simulate
from skymist.simulate.losses import MAKERS, Floats, random_flight
from skymist.store.simulated_set import write_set

TABLES, SET = (".csv", ".parquet"), ".npz"


def simulate_event(
    seed: int,
    index: int,
    kind: str = "through-going",
    energy_gev: float = 1e5,
    zenith: float | None = None,
    azimuth: float | None = None,
    vertex: Floats | None = None,
    perturbed: bool = False,
) -> Event:
    """Simulate one event in IceCube; it depends on (seed, index) and not on how many others there are.

    Parameters
    ----------
    seed, index : int
        Also its run and event number.
    kind : str
        One of `skymist.model.event.TOPOLOGIES`.
    energy_gev : float
        Of the muon where it enters (through-going), or of the neutrino (starting), or of the shower (cascade).
    zenith, azimuth : float, optional
        Where it comes from, in radians; isotropic if not given.
    vertex : (3,) float64, optional
        Where it starts, or a point on its way, in metres; random if not given.
    perturbed : bool
        In other ice and with another efficiency for each event (`Conditions.drawn`); the particle stays the same.

    Returns
    -------
    Event
        With its truth and its losses.

    Raises
    ------
    UnknownNameError
        If there is no such kind.
    RequestError
        If a muon through `vertex` misses the detector.
    """
    if kind not in MAKERS:
        raise UnknownNameError("kind of event", kind, MAKERS)
    rng = np.random.default_rng([seed, index])
    flight = random_flight(rng, zenith, azimuth)
    truth, losses = MAKERS[kind](energy_gev, icecube_86(), rng, flight, vertex)
    conditions = Conditions.drawn(rng) if perturbed else Conditions()
    return simulate(truth, losses, icecube_86(), rng, conditions, seed, index)


def write_events(out: Path, number: int, make: Callable[[int], Event]) -> Iterator[Path | None]:
    """Make events 0 to `number` and write them as tables, or as one set; see `simulate_event`.

    Parameters
    ----------
    out : Path
        Ends in ``.csv`` or ``.parquet``: a table for each event, with its number before the ending if there are
        several. Ends in ``.npz``: all events in one file, which ``skymist evaluate`` reads.
    number : int
    make : callable
        Takes the index of an event and returns it.

    Yields
    ------
    Path or None
        After each event: the file that is now written, if any.

    Raises
    ------
    RequestError
        If `out` has another ending; nothing is simulated then.
    StoreError
        If the set cannot be written.
    """
    if out.suffix not in (*TABLES, SET):
        raise RequestError(f"{out}: events are written as {', '.join(TABLES)} or {SET}")
    events = []
    for index in range(number):
        event = make(index)
        if out.suffix != SET:
            yield _write_one(event, _numbered(out, index, number))
            continue
        events.append(event)
        yield write_set(events, out) if len(events) == number else None


def parse_vertex(text: str) -> Floats:
    """Read ``X,Y,Z`` in metres.

    Raises
    ------
    RequestError
    """
    try:
        place = np.array([float(part) for part in text.split(",")])
    except ValueError:
        place = np.empty(0)
    if place.shape != (3,) or not np.isfinite(place).all():
        raise RequestError(f"vertex {text!r} is not X,Y,Z in metres")
    return place


def _numbered(out: Path, index: int, number: int) -> Path:
    return out if number == 1 else out.with_name(f"{out.stem}-{index:0{len(str(number - 1))}d}{out.suffix}")


def _write_one(event: Event, path: Path) -> Path:
    write_table(event, path)
    return path
