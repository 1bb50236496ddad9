"""The table of gold and bronze alerts since 2019, as text, that GCN keeps on the web.

Reference: https://gcn.gsfc.nasa.gov/amon_icecube_gold_bronze_events.html
"""

import re

from skymist.alerts.values import Draft, classic_time, kind_of, shown, systematic, whole
from skymist.errors import ReadError
from skymist.model.alert import Revision

_ARCMIN = 1 / 60
_STREAMS = "gold", "bronze"
_NEEDED = {"Run", "EventNum", "Date", "Time"}


def is_header(line: str) -> bool:
    """Return whether a line has the names of the columns."""
    return line[:1] == "#" and set(columns_in(line)) >= _NEEDED


def columns_in(line: str) -> list[str]:
    """Return the names of the columns."""
    return re.sub(r"Time\s+UT(?!\S)", "Time", line[1:]).split()


def read_row(line: str, columns: list[str]) -> Revision:
    """Return what a row says; rows are of notices that were sent in realtime.

    Raises
    ------
    ReadError
        If it is too short, or has no run, event or time.
    """
    row = dict(zip(columns, line.split(maxsplit=len(columns) - 1), strict=False))
    if len(row) < len(columns) - (columns[-1] == "Comments"):
        raise ReadError(f"{len(row)} columns, not {len(columns)}")
    draft = Draft()
    run, event = whole("Run", row.pop("Run")), whole("EventNum", row.pop("EventNum"))
    number = draft.count("Rev", row.pop("Rev", None))
    ra, dec = draft.position(row.pop("RA", None), row.pop("Dec", None))
    comment = row.pop("Comments", "").strip()
    said = {
        "number": number,
        "kind": kind_of(number),
        "stream": _stream(draft, row.pop("Notice", "")),
        "ra": ra,
        "dec": dec,
        "systematic": systematic(comment),
        "radius_50": draft.radius("Err50", row.pop("Err50", None), _ARCMIN),
        "radius_90": draft.radius("Err90", row.pop("Err90", None), _ARCMIN),
        "energy_tev": draft.number("Energy", row.pop("Energy", None), 0),
        "signalness": draft.number("Signalness", row.pop("Signalness", None), 0, 1),
        "far_per_year": draft.number("FAR", row.pop("FAR", None), 0),
        "comment": comment,
    }
    when = classic_time("Date with Time", row.pop("Date"), row.pop("Time"))
    draft.extra |= {name.lower(): value for name, value in row.items()}
    return draft.revision(run, event, when, **said)


def _stream(draft: Draft, value: str) -> str:
    if value.lower() in _STREAMS:
        return value.lower()
    draft.extra["notice"] = value
    draft.doubts.append(f"Notice is {shown(value)}, neither GOLD nor BRONZE")
    return ""
