"""Write alerts as the CSV of IceCat-1, which those who have programs for that catalog can read.

Reference: Abbasi et al., Astrophys. J. Suppl. 269 (2023) 25, https://doi.org/10.7910/DVN/SCRUCD
"""

import csv
from collections.abc import Iterable
from io import StringIO
from typing import Any

import numpy as np

from skymist.errors import RequestError
from skymist.model.alert import Kind, Revision

_ERRORS = "RA_ERR_PLUS", "RA_ERR_MINUS", "DEC_ERR_PLUS", "DEC_ERR_MINUS"
_SCORES = "CASCADE_SCR", "SKIMMING_SCR", "START_SCR", "STOP_SCR", "THRGOING_SCR"
COLUMNS = (
    "NAME", "RUNID", "EVENTID", "START", "EVENTMJD", "I3TYPE", "RA", "DEC", *_ERRORS, "ENERGY", "FAR", "SIGNAL",
    *_SCORES, "CR_VETO", "OTHER_I3TYPES",
)  # fmt: skip
"""Of IceCat-1, in its order."""

_MJD_ZERO = np.datetime64("1858-11-17", "ns")
_DAY = np.timedelta64(1, "D")


def write_icecat(revisions: Iterable[Revision]) -> bytes:
    """Return revisions as a table like IceCat-1, a row each; what they do not say is an empty cell.

    Rows of IceCat-1 are read back as the same revisions. Of a notice, there are columns for its event, position, energy
    and rates; not for radii, for its number, or that it is a notice.

    Raises
    ------
    RequestError
        If a revision is a retraction, for which there is no column.
    """
    text = StringIO()
    table = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    table.writeheader()
    for revision in revisions:
        if revision.kind == Kind.RETRACTION:
            raise RequestError(f"a table like IceCat-1 cannot tell that {revision.key} is retracted; leave it out")
        table.writerow({name: _cell(value) for name, value in _row(revision).items()})
    return text.getvalue().encode()


def _row(revision: Revision) -> dict[str, Any]:
    """Return what there is for the columns."""
    # What only catalogs say has these names in catalogs only.
    said = (
        {key.upper(): value for key, value in revision.extra.items()}
        if revision.catalog
        else {"EVENTMJD": _mjd(revision)}
    )
    stream = f"{revision.selection}-{revision.stream}" if revision.selection else revision.stream
    return {
        "NAME": revision.name.replace("IceCube-", "IC", 1) or said.get("EVENT_NAME"),
        "RUNID": revision.run,
        "EVENTID": revision.event,
        "START": _start(revision.time),
        "I3TYPE": stream or said.get("I3TYPE"),
        "RA": revision.ra,
        "DEC": revision.dec,
        **dict(zip(_ERRORS, revision.errors_90 or (), strict=False)),
        "ENERGY": revision.energy_tev,
        "FAR": revision.far_per_year,
        "SIGNAL": revision.signalness,
        **{name: said.get(name) for name in ("EVENTMJD", *_SCORES, "CR_VETO", "OTHER_I3TYPES")},
    }


def _cell(value: Any) -> str:
    """Return a value as that catalog writes it: on one line, which no reader takes for a comment."""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, list):
        value = ",".join(map(str, value)) or "None"
    text = "" if value is None else " ".join(str(value).split())
    return f" {text}" if text.startswith("#") else text


def _start(time: np.datetime64) -> str:
    """Return a time as that catalog writes it, with nanoseconds only where there are such."""
    text = str(np.datetime_as_string(time, unit="ns")).replace("T", " ")
    return text.removesuffix("000")


def _mjd(revision: Revision) -> float:
    return float((revision.time - _MJD_ZERO) / _DAY)
