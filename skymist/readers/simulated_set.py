"""Sets of simulated events with their truth: NumPy arrays in one ``.npz``.

Of each pulse; those of event e are the rows from ``offsets[e]`` to ``offsets[e + 1]``:

================  =================================================================
``string, om``    the optical module, integers
``time_ns``       leading edge in nanoseconds on the event's own clock
``charge_pe``     charge in photo-electrons
``hlc``           1 if a neighbour was hit within a microsecond
``offsets``       n + 1 integers for n events
================  =================================================================

Of each event:

================  =================================================================
``truth``         records with the fields ``type`` (1 through-going muon, 2 starting muon, 3
                  electromagnetic cascade, 4 with a hadronic part), ``zenith, azimuth`` (radians,
                  of the origin), ``x, y, z, time_ns`` (of a cascade: of its start), ``energy_GeV``
``losses``        optional: where a muon deposited energy, one row a loss
``loss_columns``  the names of its columns; among them are ``x, y, z, time_ns, energy_GeV``
``loss_offsets``  n + 1 integers, as for the pulses
``detector``      optional: ``icecube-86``, or a geometry file ``NAME.csv`` in the same folder
================  =================================================================

Without ``detector`` the modules stand where IceCube's were built. Pulses do not show that a set was simulated
with another layout, such as the ideal one of IceCube's design: such a set needs its geometry file.

Whatever else a set holds is never read; the truth of a single pulse (``src``) above all.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skymist.detector.geometry import detector, read_geometry
from skymist.detector.light import C, shower_maximum
from skymist.errors import ReadError, UnknownNameError
from skymist.model.detector import Detector
from skymist.model.event import Event, Losses, Particle, Pulses
from skymist.model.sky import Ints, unit
from skymist.readers.npz import Arrays, read_npz
from skymist.readers.series import PULSE_LIMIT
from skymist.readers.source import FILE_LIMIT, Format

_PULSES = ("string", "om", "time_ns", "charge_pe", "hlc")
_REQUIRED = (*_PULSES, "offsets", "truth")
_OPTIONAL = ("losses", "loss_columns", "loss_offsets", "detector")
_TRUTH = ("type", "zenith", "azimuth", "x", "y", "z", "time_ns", "energy_GeV")
_LOSSES = ("x", "y", "z", "time_ns", "energy_GeV")
_TOPOLOGIES = {1: "through-going", 2: "starting", 3: "cascade", 4: "cascade"}

_PULSE_SET, _WIDTH_NS = "simulated", 8.0
_WHEN = np.datetime64("2020-01-01T00:00:00", "ns")
_AS_BUILT = "icecube-86"


@dataclass(frozen=True, eq=False)
class _Set:
    """All events of a set, event e from row ``offsets[e]`` to ``offsets[e + 1]``."""

    detector: Detector
    pulses: Pulses
    offsets: Ints
    truth: Mapping[str, NDArray[Any]]
    losses: Losses
    loss_offsets: Ints

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def event(self, index: int) -> Event:
        """Return one event; the others are not made."""
        pulses = self.pulses[slice(*self.offsets[index : index + 2])]
        pulses = pulses[np.lexsort((pulses.time_ns, pulses.dom[:, 1], pulses.dom[:, 0]))]
        truth = _particle({name: column[index].item() for name, column in self.truth.items()})
        muon = self.losses[slice(*self.loss_offsets[index : index + 2])]
        losses = _shower(truth) if truth.topology == "cascade" else muon
        names = (_PULSE_SET,)
        return Event(
            0, index, _WHEN, "simulation", self.detector, pulses, names[0], names, truth=truth, losses=losses
        )  # fmt: skip


def read_simulated(path: Path, index: int) -> Event:
    """Read event `index` of a set, which counts from 0.

    Raises
    ------
    ReadError
        If the file is no set, or has no such event.
    """
    events = _load(path)
    if not 0 <= index < len(events):
        raise ReadError(f"no event {index}; it has {len(events)}, counted from 0", str(path))
    return events.event(index)


def _sniff(head: bytes, name: str) -> bool:
    return head.startswith(b"PK\x03\x04") and name.endswith(".npz")


def _read(path: Path, pulses: str | None) -> Iterator[Event]:
    if pulses not in (None, _PULSE_SET):
        raise UnknownNameError("pulse set", str(pulses), (_PULSE_SET,))
    events = _load(path)
    yield from map(events.event, range(len(events)))


FORMAT = Format(_sniff, _read)


def _load(path: Path) -> _Set:
    """Read and check all arrays, so that each event can be made from them."""
    try:
        arrays = read_npz(path, _REQUIRED, _OPTIONAL)
        truth = _truth(arrays["truth"])
        instrument = _detector(arrays.get("detector"), path.parent)
        pulses = _pulses(arrays, instrument)
        offsets = _offsets(arrays, "offsets", len(truth["type"]), len(pulses))
        if np.diff(offsets).max(initial=0) > PULSE_LIMIT:
            raise ReadError(f"an event of {np.diff(offsets).max()} pulses; the limit is {PULSE_LIMIT}")
        return _Set(instrument, pulses, offsets, truth, *_losses(arrays, len(truth["type"])))
    except ReadError as error:
        raise error.within(str(path)) from error


def _particle(truth: Mapping[str, float]) -> Particle:
    """Return the truth; a cascade is put where it makes most light, not where it starts."""
    kind, zenith, azimuth, x, y, z, time, energy = (truth[name] for name in _TRUTH)
    topology = _TOPOLOGIES[int(kind)]
    if topology == "cascade":
        ahead = shower_maximum(energy)
        x, y, z = (np.array([x, y, z]) - ahead * unit(azimuth, np.pi / 2 - zenith)).tolist()
        time += ahead / C
    return Particle(zenith, azimuth, x, y, z, time, energy, topology)


def _shower(truth: Particle) -> Losses:
    """Return a cascade as one loss at its light maximum.

    A hadronic part counts in full, as it does in the sets' own deposited energy and among the losses of their muons.
    """
    return Losses(np.array([[truth.x, truth.y, truth.z]]), np.array([truth.energy_gev]))


def _pulses(arrays: Arrays, instrument: Detector) -> Pulses:
    n = arrays["time_ns"].size
    string, om, time, charge, hlc = (_numbers(arrays[name], name, n) for name in _PULSES)
    if string.dtype.kind not in "iu" or om.dtype.kind not in "iu":
        raise ReadError("string and om are integers")
    dom = np.clip(np.column_stack([string, om]), -1, np.iinfo("<i2").max).astype("<i2")
    unknown = np.flatnonzero(instrument.index(dom) < 0)
    if len(unknown):
        first = int(unknown[0])
        raise ReadError(f"{instrument.name} has no module ({string[first]}, {om[first]})", offset=first)
    with np.errstate(over="ignore"):
        pulses = Pulses(dom, time, charge, np.full(n, _WIDTH_NS), hlc != 0)
    _numbers(pulses.charge_pe, "charge_pe", n)
    return pulses


def _truth(truth: NDArray[Any]) -> dict[str, NDArray[Any]]:
    missing = [name for name in _TRUTH if name not in (truth.dtype.names or ())]
    if missing:
        raise ReadError(f"lacks {', '.join(missing)}", "truth")
    columns = {name: _numbers(truth[name], f"truth {name}", truth.size) for name in _TRUTH}
    strange = np.setdiff1d(columns["type"], list(_TOPOLOGIES))
    if len(strange):
        raise ReadError(f"type {strange[0]} is none of {', '.join(map(str, _TOPOLOGIES))}", "truth")
    if (columns["energy_GeV"] <= 0).any():
        raise ReadError("an energy_GeV is not above 0", "truth")
    return columns


def _losses(arrays: Arrays, n: int) -> tuple[Losses, Ints]:
    """Return the losses of all muons, those of each in the order of time, and where each begins."""
    if "losses" not in arrays:
        return Losses(), np.zeros(n + 1, np.int64)
    missing = [name for name in ("loss_columns", "loss_offsets") if name not in arrays]
    if missing:
        raise ReadError(f"it has losses, but lacks {', '.join(missing)}")
    table, names = arrays["losses"], [str(name) for name in arrays["loss_columns"].ravel()]
    if table.ndim != 2 or table.shape[1] != len(names) or not set(_LOSSES) <= set(names):
        raise ReadError(f"not a table with the columns {', '.join(_LOSSES)}", "losses")
    x, y, z, time, energy = (_numbers(table[:, names.index(name)], f"losses {name}", len(table)) for name in _LOSSES)
    offsets = _offsets(arrays, "loss_offsets", n, len(table))
    order = np.lexsort((time, np.repeat(np.arange(n), np.diff(offsets))))
    return Losses(np.column_stack([x, y, z]), energy)[order], offsets


def _offsets(arrays: Arrays, name: str, n: int, rows: int) -> Ints:
    found = _numbers(arrays[name], name, n + 1).astype(np.int64)
    if arrays[name].dtype.kind not in "iu" or found[0] != 0 or found[-1] != rows or (np.diff(found) < 0).any():
        raise ReadError(f"not {n + 1} integers that rise from 0 to {rows}", name)
    return found


def _numbers(column: NDArray[Any], name: str, n: int) -> NDArray[Any]:
    if column.shape != (n,) or column.dtype.kind not in "biuf":
        raise ReadError(f"{column.dtype} of shape {column.shape} is not a column of {n} numbers", name)
    wrong = np.flatnonzero(~np.isfinite(column))
    if len(wrong):
        raise ReadError(f"not a finite number in row {wrong[0]}", name, int(wrong[0]))
    return column


def _detector(name: NDArray[Any] | None, folder: Path) -> Detector:
    """Return the detector as built, or one from a file that must be in the folder of the set."""
    text = _AS_BUILT if name is None else str(name)
    if text == _AS_BUILT:
        return detector(text)
    path = folder / Path(text).name
    if Path(text).name != text or "\0" in text or not path.is_file() or path.stat().st_size > FILE_LIMIT:
        raise ReadError(f"{text[:80]!r} is neither {_AS_BUILT} nor a geometry in {folder}", "detector")
    return read_geometry(path)
