"""IceCat-1, the catalog of alert tracks from 2011 to 2023: CSV; also tables of other alerts with its columns.

Reference: Abbasi et al., Astrophys. J. Suppl. 269 (2023) 25, https://doi.org/10.7910/DVN/SCRUCD
"""

import csv
from typing import Any

import numpy as np

from skymist.alerts.values import Draft, day_number_time, shown, time, whole
from skymist.errors import ReadError
from skymist.model.alert import STREAMS, Revision, Tense

_CATALOG, _OTHER = "IceCat-1", "IceCat-like table"
_FIRST, _END = np.datetime64("2011-01-01", "ns"), np.datetime64("2024-01-01", "ns")
_SELECTIONS = "gfu", "ehe", "hese"
_ERRORS = "RA_ERR_PLUS", "RA_ERR_MINUS", "DEC_ERR_PLUS", "DEC_ERR_MINUS"
_MJD_ZERO = "1858-11-17"
_BOOLEANS = {"true": True, "false": False}
_NEEDED = {"RUNID", "EVENTID", "START"}


def is_header(line: str) -> bool:
    """Return whether a line has the names of the columns."""
    return set(columns_in(line)) >= _NEEDED


def columns_in(line: str) -> list[str]:
    """Return the names of the columns."""
    return [name.strip().upper() for name in line.split(",")]


def read_row(line: str, columns: list[str]) -> Revision:
    """Return what a row says.

    Raises
    ------
    ReadError
        If it has too few or too many columns, or no run, event or time.
    """
    row = _cells(line, columns)
    draft = Draft()
    run, event = whole("RUNID", row.pop("RUNID")), whole("EVENTID", row.pop("EVENTID"))
    when = time("START", row.pop("START"))
    ra, dec = draft.position(row.pop("RA", None), row.pop("DEC", None))
    selection, stream = _type(draft, row.pop("I3TYPE", ""))
    said = {
        "number": None,
        "tense": Tense.ARCHIVAL,
        "name": draft.name(row.pop("NAME", ""), when),
        "stream": stream,
        "selection": selection,
        "ra": ra,
        "dec": dec,
        "errors_90": _errors(draft, [row.pop(name, None) for name in _ERRORS]),
        "energy_tev": draft.number("ENERGY", row.pop("ENERGY", None), 0),
        "signalness": draft.number("SIGNAL", row.pop("SIGNAL", None), 0, 1),
        "far_per_year": draft.number("FAR", row.pop("FAR", None), 0),
        # Whoever writes other alerts in this form, as we do, has no selection for most of them.
        "catalog": _CATALOG if selection and _FIRST <= when < _END else _OTHER,
    }
    draft.extra |= {name.lower(): _plain(draft, name, value) for name, value in row.items() if value}
    draft.agree(when, day_number_time(draft.extra.get("eventmjd"), _MJD_ZERO), "EVENTMJD")
    return draft.revision(run, event, when, **said)


def _cells(line: str, columns: list[str]) -> dict[str, str]:
    try:
        cells = next(csv.reader([line], strict=True))
    except csv.Error as error:
        raise ReadError(f"not CSV: {error}") from error
    if len(cells) != len(columns):
        raise ReadError(f"{len(cells)} columns, not {len(columns)}")
    return {name: cell.strip() for name, cell in zip(columns, cells, strict=True)}


def _type(draft: Draft, value: str) -> tuple[str, str]:
    """Return selection and stream of what is written as ``gfu-gold``; what came as a notice has no selection."""
    selection, _, stream = value.lower().rpartition("-")
    if selection in ("", *_SELECTIONS) and stream in ("", *STREAMS):
        return selection, stream
    draft.extra["i3type"] = value
    draft.doubts.append(f"I3TYPE is {shown(value)}, not such as gfu-gold")
    return "", ""


def _errors(draft: Draft, values: list[str | None]) -> tuple[float, float, float, float] | None:
    found = [draft.number(name, value, 0) for name, value in zip(_ERRORS, values, strict=True)]
    draft.doubts += [
        f"{name} is above 180" for name, value in zip(_ERRORS, found, strict=True) if value and value > 180
    ]
    plus_ra, minus_ra, plus_dec, minus_dec = found
    if plus_ra is None or minus_ra is None or plus_dec is None or minus_dec is None:
        return None
    return plus_ra, minus_ra, plus_dec, minus_dec


def _plain(draft: Draft, name: str, value: str) -> Any:
    """Return the value of a column that only this catalog has: list, boolean (in any spelling), number or text."""
    if name == "OTHER_I3TYPES":
        return [] if value.lower() in ("", "none") else [each.strip() for each in value.split(",")]
    if name == "CR_VETO":
        if value.lower() not in _BOOLEANS:
            draft.doubts.append(f"CR_VETO is {shown(value)}, neither true nor false")
        return _BOOLEANS.get(value.lower(), value)
    if name == "EVENTMJD" or name.endswith("_SCR"):
        return draft.number(name, value)
    return value
