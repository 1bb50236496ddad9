"""Energies of an event from its map: deposited, of the muon and of the neutrino, and where they were lost."""

import io
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from skymist import plugins
from skymist.detector import volume
from skymist.errors import RequestError, UnknownNameError
from skymist.model import sky, skymap
from skymist.model.event import TOPOLOGIES, Event
from skymist.model.reconstruction import Directions, Fit
from skymist.model.sky import Floats
from skymist.reco import energy, neutrino
from skymist.reco.cascade import Cascade
from skymist.reco.energy import Estimate, Profile
from skymist.reco.track_losses import TrackLosses
from skymist.store.place import Given, place, write_bytes
from skymist.workflow.events import identify
from skymist.workflow.plain import plain

Document = dict[str, Any]

SPECTRA = 2.19, 2.5
"""Of IceCube's alerts (IceCat-1), and softer, as for cascades and starting tracks."""

THROUGH_GOING, STARTING, CASCADE = TOPOLOGIES
SHOWER_FITS = ("cascade",)
"""Reconstructions whose fit is a shower or two, with their energy."""
SHOWERS = 2
"""A profile with no more entries is of single showers, and not of the segments of a track."""
SAID = "name", "version", "chosen"
"""Of the reconstruction."""
FIGURES = ("png", "pdf", "svg")


class Seen(NamedTuple):
    """What the energies are made from: the topology and why, the profile, and where a starting muon begins (m)."""

    topology: str
    reason: str
    track: Profile
    start_m: float | None = None


def energies(
    event: Event, data: xr.Dataset, spectra: Iterable[float] = SPECTRA, topology: str | None = None
) -> Document:
    """Return the energies of an event, at the best fit of its map.

    Parameters
    ----------
    event : Event
    data : xarray.Dataset
        Its map, of any reconstruction that gives places and times.
    spectra : iterable of float
        The gamma of the spectra E^-gamma that neutrinos may come from.
    topology : str, optional
        One of `TOPOLOGIES`; by default that for which the reconstruction was chosen, if it was; else a cascade if
        the map is one's, or what the losses look like.

    Returns
    -------
    dict
        JSON-like, GeV, None where nothing is known: ``deposited_gev`` and ``muon_energy_gev`` (value, low and
        high of 68 %), ``neutrino_energy_gev`` by spectrum (median, 68 and 90), ``profile``, ``topology`` and
        ``assumptions``; of the ``reconstruction`` also what was ``chosen``, if it was.

    Raises
    ------
    ReadError
        If nothing was found in the map.
    RequestError
        If the map is of another event or its best fit has no place; if the track misses the detector; if a
        spectrum makes no sense.
    UnknownNameError
        If there is no such topology.
    """
    if topology not in (None, *TOPOLOGIES):
        raise UnknownNameError("topology", str(topology), TOPOLOGIES)
    spectra = tuple(dict.fromkeys(spectra))
    direction, fit = _best(event, data)
    flight = -direction.origin[0]
    seen = look(event, data.attrs["reconstruction"], direction, fit, topology)
    deposited, muon = _deposited(seen), _muon(seen)
    edges = energy.crossing(event.detector, seen.track.position[0], flight)
    document: Document = {
        "event": identify(event),
        "reconstruction": {key: value for key, value in data.attrs["reconstruction"].items() if key in SAID},
        "topology": seen.topology,
        "reason": seen.reason,
        "zenith": np.degrees(np.arccos(-flight[2])),
        "length_m": edges[1] - edges[0],
        "start_m": seen.start_m,
        "deposited_gev": deposited._asdict(),
        "muon_energy_gev": None if muon is None else muon._asdict(),
        "neutrino_energy_gev": _neutrino(seen, deposited, muon, -float(flight[2]), spectra),
        "alternatives": _alternatives(seen, deposited, -float(flight[2]), spectra),
        "truth": _truth(event),
        "assumptions": _assumptions(seen, bool(data.attrs["complete"])),
        "profile": _rows(event, seen.track, flight),
    }
    return dict(plain(document))


def look(
    event: Event, reconstruction: Mapping[str, Any], direction: Directions, fit: Fit, topology: str | None
) -> Seen:
    """Return what a fitted event looks like.

    Parameters
    ----------
    event : Event
    reconstruction : mapping
        As maps have it: the ``name``, its ``options``, and under ``chosen`` the topology and why, if it was chosen
        for the event.
    direction, fit : Directions, Fit
        One row each.
    topology : str, optional
        One of `TOPOLOGIES`.
    """
    chosen = {"topology": topology, "why": "as asked for"} if topology else reconstruction.get("chosen", {})
    wanted, flight = chosen.get("topology"), -direction.origin[0]
    if reconstruction["name"] in SHOWER_FITS and wanted in (None, CASCADE):
        shower = plugins.configure(Cascade, reconstruction.get("options", {})).profile(event, direction, fit)
        why = chosen.get("why", f"the map is one of {reconstruction['name']}")
        return Seen(CASCADE, why, energy.profile(shower, event.detector, flight))
    track = energy.profile(TrackLosses().profile(event, direction, fit), event.detector, flight)
    start = energy.vertex(track)
    if wanted is not None:
        return Seen(wanted, chosen["why"], track, start or 0.0 if wanted == STARTING else None)
    if start is None:
        return Seen(THROUGH_GOING, "its light begins where it enters the detector", track)
    return Seen(STARTING, f"it begins {start:.0f} m from where it would have entered the detector", track, start)


def write_profile(document: Mapping[str, Any], path: Given) -> Given:
    """Write the profile as a table (CSV): distance from the entry and place in metres, energy in GeV.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    return write_bytes(path, pd.DataFrame(document["profile"]).to_csv(index=False).encode())


def write_figure(document: Mapping[str, Any], path: Given, theme: str = "light") -> Given:
    """Write the profile as a figure, in the format that the ending of its name says.

    Raises
    ------
    StoreError
        If it cannot be written.
    UnknownNameError
        If the format or the theme is not known.
    """
    from skymist.plot.losses import losses_figure

    kind = place(path).suffix.removeprefix(".").lower()
    if kind not in FIGURES:
        raise UnknownNameError("figure format", kind, FIGURES)
    rows, event = pd.DataFrame(document["profile"]), document["event"]
    vertex = {"vertex": document["start_m"]} if document["start_m"] else {}
    drawn = io.BytesIO()
    losses_figure(
        rows["distance_m"].to_numpy(float),
        rows["energy_gev"].to_numpy(float),
        {"entry": 0.0, **vertex, "exit": document["length_m"]},
        truth_gev=rows["simulated_gev"].to_numpy(float) if "simulated_gev" in rows else None,
        title=f"Run {event['run']}, event {event['event']}: energy along the way",
        lines=sentences(document),
        simulated=event["simulated"],
        theme=theme,  # type: ignore[arg-type]  # it is checked there
    ).savefig(drawn, format=kind, dpi=150)
    return write_bytes(path, drawn.getvalue())


def sentences(document: Mapping[str, Any]) -> list[str]:
    """Return the energies in words, a line each, for figures."""
    muon, where = document["muon_energy_gev"], "vertex" if document["topology"] == STARTING else "entry"
    lines = [f"{document['topology']}: deposited {_spoken(document['deposited_gev'])}"]
    if muon is not None:
        lines.append(f"muon at its {where}: {_spoken(muon)}")
    for gamma, found in document["neutrino_energy_gev"].items():
        low, high = found["90"]
        lines.append(f"neutrino ($E^{{-{gamma}}}$): {in_tev(found['median'])}, 90 % {in_tev(low)} to {in_tev(high)}")
    return lines


def in_tev(energy_gev: float) -> str:
    """Return an energy as people read it, with three digits."""
    for unit, size in (("EeV", 1e9), ("PeV", 1e6), ("TeV", 1e3)):
        if energy_gev >= size:
            return f"{energy_gev / size:.3g} {unit}"
    return f"{energy_gev:.3g} GeV"


def _spoken(estimate: Mapping[str, float]) -> str:
    return f"{in_tev(estimate['value'])}, 68 % {in_tev(estimate['low'])} to {in_tev(estimate['high'])}"


def _best(event: Event, data: xr.Dataset) -> tuple[Directions, Fit]:
    """Return the best fit of a map; `RequestError` if it is of other pulses or says no place."""
    if data.attrs["request"].get("event") != event.digest:
        raise RequestError(f"the map is not of {event.name} with these pulses; give the event that was scanned")
    row = skymap.best(data)
    fit = skymap.fit_of(data)[row : row + 1]
    if not (np.isfinite(fit.vertex).all() and np.isfinite(fit.time_ns).all()):
        raise RequestError(f"the best fit of {data.attrs['reconstruction']['name']} has no place and time")
    return sky.directions(event.detector, event.time, data["uniq"].to_numpy()[row : row + 1]), fit


def _deposited(seen: Seen) -> Estimate:
    """Return what was deposited in the volume; of showers all of it, wherever that is."""
    if len(seen.track) <= SHOWERS:
        return energy.shower_energy(float(seen.track.energy_gev.sum()))
    return energy.deposited_energy(seen.track)


def _muon(seen: Seen) -> Estimate | None:
    if seen.topology == CASCADE:
        return None
    return energy.muon_energy(seen.track, seen.start_m)


def _neutrino(
    seen: Seen, deposited: Estimate, muon: Estimate | None, cos_zenith: float, spectra: tuple[float, ...]
) -> Document:
    if seen.topology == CASCADE:
        return _named(neutrino.electron(deposited, cos_zenith, spectra))
    if seen.start_m is not None:
        way = max(seen.track.length_m - seen.start_m, 0.0)
        return _named(neutrino.starting(muon, deposited, way, cos_zenith, spectra))
    return {} if muon is None else _named(neutrino.through_going(muon, cos_zenith, spectra))


def _alternatives(seen: Seen, deposited: Estimate, cos_zenith: float, spectra: tuple[float, ...]) -> Document:
    """Return the neutrino's energy by what else may have happened."""
    if seen.topology != CASCADE:
        return {}
    return {"neutral current": _named(neutrino.neutral(deposited, cos_zenith, spectra))}


def _named(ranges: Mapping[float, neutrino.Range]) -> Document:
    return {f"{gamma:g}": {"median": found[0], "68": found[1], "90": found[2]} for gamma, found in ranges.items()}


def _truth(event: Event) -> Document | None:
    """Return what was simulated; the particle's energy is that at its own place."""
    if event.truth is None:
        return None
    known = len(event.losses) > 0
    return {
        "topology": event.truth.topology,
        "energy_gev": event.truth.energy_gev,
        "deposited_gev": volume.deposited(event.losses, event.detector) if known else np.nan,
    }


def _simulated(event: Event, track: Profile, flight: Floats) -> Floats:
    """Return what was really lost in each segment, or nearest to each shower."""
    along = (event.losses.position - track.position[0]) @ flight + track.distance_m[0]
    if len(track) <= SHOWERS:
        sides = np.concatenate([[-np.inf], (track.distance_m[1:] + track.distance_m[:-1]) / 2, [np.inf]])
    else:
        sides = np.append(track.distance_m, track.distance_m[-1] + track.segment_m) - track.segment_m / 2
    return np.histogram(along, sides, weights=event.losses.energy_gev)[0]


def _rows(event: Event, track: Profile, flight: Floats) -> list[Document]:
    columns = {
        "distance_m": track.distance_m,
        **dict(zip("xyz", track.position.T, strict=True)),
        "energy_gev": track.energy_gev,
        "inside": track.inside,
        **({"simulated_gev": _simulated(event, track, flight)} if len(event.losses) else {}),
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _assumptions(seen: Seen, complete: bool) -> list[str]:
    """Return in words what the numbers rest on."""
    relation, showers = energy.muon_relation(), seen.topology == CASCADE
    spectrum = "spectrum E^-gamma, neutrinos and antineutrinos in equal parts, none from the atmosphere"
    through = "the Earth (PREM) absorbs by charged currents (cross-sections of arXiv:1102.0691); nothing is regenerated"
    light = "energies are those of electromagnetic showers of the same light; 68 % as found on simulated events"
    muon = (
        f"muon: mean loss of {relation.bin_m:g} m bins without the largest {100 * relation.dropped:g} %, related to "
        "the energy by simulated muons in perturbed ice; before it is seen it loses dE/dx = a + bE"
    )
    kinds = {
        THROUGH_GOING: "a muon neutrino by a charged current outside the detector",
        STARTING: "a muon neutrino by a charged current at the vertex",
        CASCADE: "an electron neutrino by a charged current, or any by a neutral one; tau neutrinos lie between",
    }
    unfinished = [] if complete else ["the map is not complete: its best fit may change"]
    return [light, *([] if showers else [muon]), f"neutrino: {kinds[seen.topology]}", spectrum, through, *unfinished]
