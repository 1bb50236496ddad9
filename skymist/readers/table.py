"""Events of any telescope as a table: CSV or Parquet, one row a pulse.

Columns (others are ignored, the order is free):

=============  ====================================================================
``string``     number of the string (line) of the optical module, an integer
``om``         its position on the string, an integer
``time_ns``    leading edge in nanoseconds on the event's own clock
``charge_pe``  charge in photo-electrons
``width_ns``   optional: width of the time bin in nanoseconds (0)
``hlc``        optional: 1 if a neighbour was hit within a microsecond (0)
=============  ====================================================================

The header, in CSV as leading lines ``# key = value``, in Parquet as one JSON object under the key
``skymist`` of the file's metadata. A CSV value that begins with ``{``, ``[`` or ``"`` is JSON.

==============  ===================================================================
``run``         an integer
``event``       an integer
``utc``         ISO 8601, such as ``2022-06-24T16:13:16.405259411``
``detector``    ``icecube-86``, or a geometry file ``NAME.csv`` in the same folder
``kind``        optional: the stream that selected the event
``pulse_set``   optional: a name for the pulses
``truth``       optional, an object: what was simulated, with the keys
                ``zenith, azimuth, x, y, z, time_ns, energy_gev`` and optionally
                ``topology``
``seeds``       optional, an object: name to the same keys
``exclusions``  optional, an object: reason to rows ``[string, om, start_ns, stop_ns]``
``alert``       optional, an object: anything
==============  ===================================================================

Every number must be finite; ``null`` stands for an unknown one in `truth` and `seeds`. What
`write_table` writes is read back bit for bit.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skymist.detector.geometry import detector, read_geometry
from skymist.errors import ReadError, RequestError, UnknownNameError
from skymist.model.detector import Detector
from skymist.model.event import TOPOLOGIES, Event, Particle, Pulses, TimeWindows
from skymist.readers.source import FILE_LIMIT, Format, read_all
from skymist.readers.table_csv import read_csv, write_csv
from skymist.readers.table_parquet import read_parquet, write_parquet

_REQUIRED = ("string", "om", "time_ns", "charge_pe")
_COLUMNS = (*_REQUIRED, "width_ns", "hlc")
_HEADER = ("run", "event", "utc", "detector")
_UTC = re.compile(r"(19[7-9]|20\d|21\d)\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?")
_PARQUET = b"PAR1"
_KNOWN_DETECTORS = ("icecube-86",)


def _sniff(head: bytes, name: str) -> bool:
    return head.startswith((_PARQUET, b"#")) or name.endswith((".csv", ".csv.gz", ".csv.zst", ".parquet"))


def _read(path: Path, pulses: str | None) -> Iterator[Event]:
    data = read_all(path)
    try:
        header, columns = (read_parquet if data.startswith(_PARQUET) else read_csv)(data, _COLUMNS)
        event = _event(header, columns, path.parent)
    except ReadError as error:
        raise error.within(str(path)) from error
    if pulses not in (None, event.pulse_set):
        raise UnknownNameError("pulse set", str(pulses), event.pulse_sets)
    yield event


FORMAT = Format(_sniff, _read)


def write_table(event: Event, path: Path) -> None:
    """Write an event as a table, CSV or Parquet by the suffix of `path`.

    The geometry of a detector that skymist does not know is written next to it.

    Parameters
    ----------
    event : Event
    path : Path
        Ends in ``.csv`` or ``.parquet``.

    Raises
    ------
    RequestError
        If the suffix is neither ``.csv`` nor ``.parquet``.
    """
    writers = {".csv": write_csv, ".parquet": write_parquet}
    if path.suffix not in writers:
        raise RequestError(f"{path}: a table is written as {' or '.join(writers)}")
    header = {
        "run": event.run,
        "event": event.event,
        "utc": event.utc,
        "detector": _write_detector(event.detector, path),
        "kind": event.kind,
        "pulse_set": event.pulse_set,
        "truth": event.truth and _particle_out(event.truth),
        "seeds": {name: _particle_out(seed) for name, seed in event.seeds.items()},
        "exclusions": {name: _windows_out(windows) for name, windows in event.exclusions.items()},
        "alert": dict(event.alert),
    }
    columns = {"string": event.pulses.dom[:, 0], "om": event.pulses.dom[:, 1]}
    columns |= {name: getattr(event.pulses, name) for name in _COLUMNS[2:]}
    writers[path.suffix]({key: item for key, item in header.items() if item not in (None, "", {})}, columns, path)


def _event(header: object, columns: Mapping[str, NDArray[Any]], folder: Path) -> Event:
    if not isinstance(header, dict):
        raise ReadError("the header is not a JSON object")
    missing = [name for name in _REQUIRED if name not in columns] + [f"# {key}" for key in _HEADER if key not in header]
    if missing:
        raise ReadError(f"the table lacks {', '.join(missing)}")
    instrument = _detector(header["detector"], folder)
    pulse_set = str(header.get("pulse_set", ""))
    truth = header.get("truth")
    return Event(
        _integer(header, "run"),
        _integer(header, "event"),
        _time(header["utc"]),
        str(header.get("kind", "unknown")),
        instrument,
        _pulses(columns, instrument),
        pulse_set,
        (pulse_set,) if pulse_set else (),
        {name: _particle(item, name) for name, item in _object(header, "seeds").items()},
        {name: _windows(rows, name) for name, rows in _object(header, "exclusions").items()},
        _object(header, "alert"),
        None if truth is None else _particle(truth, "truth"),
    )


def _pulses(columns: Mapping[str, NDArray[Any]], instrument: Detector) -> Pulses:
    n = len(columns["time_ns"])
    table = {name: np.asarray(columns.get(name, np.zeros(n)), float) for name in _COLUMNS}
    dom = _modules(np.column_stack([table["string"], table["om"]]))
    unknown = np.flatnonzero(instrument.index(dom) < 0)
    if len(unknown):
        raise ReadError(f"{instrument.name} has no module {tuple(dom[unknown[0]].tolist())}", offset=int(unknown[0]))
    with np.errstate(over="ignore"):
        table |= {name: table[name].astype("<f4") for name in ("charge_pe", "width_ns")}
    for name in ("time_ns", "charge_pe", "width_ns", "hlc"):
        _finite(table[name], name)
    order = np.lexsort([table["time_ns"], dom[:, 1], dom[:, 0]])
    return Pulses(dom, table["time_ns"], table["charge_pe"], table["width_ns"], table["hlc"] != 0)[order]


def _modules(numbers: NDArray[np.float64]) -> NDArray[np.int16]:
    wrong = np.flatnonzero(~((np.abs(numbers) < 2**15) & (numbers == np.rint(numbers))).all(axis=1))
    if len(wrong):
        raise ReadError(f"no module is numbered {tuple(numbers[wrong[0]].tolist())}", offset=int(wrong[0]))
    return numbers.astype("<i2")


def _finite(numbers: NDArray[Any], name: str) -> None:
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if len(wrong):
        raise ReadError(f"{name} is not a finite number in row {wrong[0]}", offset=int(wrong[0]))


def _integer(header: Mapping[str, Any], key: str) -> int:
    text = str(header[key])
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise ReadError(f"{key} is not an integer: {text[:40]!r}")
    return int(text)


def _time(text: object) -> np.datetime64:
    try:
        if isinstance(text, str) and _UTC.fullmatch(plain := text.removesuffix("Z")):
            return np.datetime64(plain, "ns")
    except ValueError:
        pass
    raise ReadError(f"utc is no time such as 2022-06-24T16:13:16.405259411: {str(text)[:40]!r}")


def _object(header: Mapping[str, Any], key: str) -> dict[str, Any]:
    item = header.get(key, {})
    if not isinstance(item, dict):
        raise ReadError(f"{key} is not a JSON object")
    return item


def _particle(item: object, name: str) -> Particle:
    keys = [each.name for each in fields(Particle) if each.type is float]
    try:
        values = {key: float("nan") if item[key] is None else float(item[key]) for key in keys}  # type: ignore[index]
        topology = item.get("topology", "")  # type: ignore[attr-defined]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ReadError(f"{name} is not an object with the numbers {', '.join(keys)}") from error
    _finite(np.array([values["zenith"], values["azimuth"]]), f"direction of {name}")
    if topology not in ("", *TOPOLOGIES):
        raise ReadError(f"{name} has the topology {topology!r}; there are: {', '.join(TOPOLOGIES)}")
    return Particle(**values, topology=topology)


def _particle_out(particle: Particle) -> dict[str, Any]:
    values = {key: value for key, value in asdict(particle).items() if value != ""}
    return {key: value if key == "topology" or np.isfinite(value) else None for key, value in values.items()}


def _windows(rows: object, name: str) -> TimeWindows:
    try:
        table = np.array(rows, float).reshape(-1, 4)
    except (TypeError, ValueError, OverflowError) as error:
        raise ReadError(f"exclusions {name} are not rows of [string, om, start_ns, stop_ns]") from error
    _finite(table.ravel(), f"exclusions {name}")
    return TimeWindows(_modules(table[:, :2]), table[:, 2].copy(), table[:, 3].copy())


def _windows_out(windows: TimeWindows) -> list[list[float]]:
    dom = windows.dom.tolist()
    return [[*dom[i], float(windows.start_ns[i]), float(windows.stop_ns[i])] for i in range(len(windows))]


def _detector(name: object, folder: Path) -> Detector:
    """Return a detector by its name, or from a file that must be in the folder of the table."""
    if not isinstance(name, str) or Path(name).name != name or "\0" in name:
        raise ReadError(f"detector is neither a name nor a file in the same folder: {str(name)[:80]!r}")
    path = folder / name
    if name in _KNOWN_DETECTORS:
        return detector(name)
    if not path.is_file() or path.stat().st_size > FILE_LIMIT:
        raise ReadError(f"detector {name[:80]!r} is none of {', '.join(_KNOWN_DETECTORS)} nor a geometry in {folder}")
    return read_geometry(path)


def _write_detector(instrument: Detector, beside: Path) -> str:
    if instrument.name in _KNOWN_DETECTORS:
        return instrument.name
    site = ("latitude_deg", "longitude_deg", "x_bearing_deg")
    lines = [f"# {key} = {getattr(instrument, key)!r}" for key in site] + ["string,om,x,y,z,efficiency"]
    columns = np.column_stack([instrument.position, instrument.efficiency]).tolist()
    rows = zip(instrument.dom.tolist(), columns, strict=True)
    lines += [",".join(map(repr, [*dom, *values])) for dom, values in rows]
    path = beside.with_name(f"{instrument.name}.csv")
    if path == beside:
        raise RequestError(f"{beside}: the geometry of its detector would be written there too")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path.name
