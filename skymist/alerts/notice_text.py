"""GCN's classic notices: lines of KEY: value, as e-mails and the topics gcn.classic.text had them until 2026.

Reference: https://gcn.gsfc.nasa.gov/amon.html
"""

import re

import numpy as np

from skymist.alerts.values import Draft, classic_time, day_number_time, kind_of, shown, systematic, whole
from skymist.errors import ReadError
from skymist.model.alert import STREAMS, Revision, Tense

_LINE = re.compile(r"([A-Z][A-Z0-9_]*):[ \t]*(.*)", re.ASCII)
_J2000 = re.compile(r"([+-]?\d{1,3}(?:\.\d{0,12})?)d[^,]{0,60}\(J2000\)", re.ASCII)
_DATE = re.compile(r"\d{2,4}/\d\d/\d\d", re.ASCII)
_CLOCK = re.compile(r"\d\d:\d\d:\d\d(?:\.\d+)?", re.ASCII)
_SENT = re.compile(r"(?:[A-Z][a-z]{2},? )?(\d{1,2}) ([A-Z][a-z]{2}) (\d\d|\d{4}) (\d\d:\d\d:\d\d(?:\.\d+)?)(?: UTC?)?")
_MONTHS = "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
_TJD_ZERO = "1968-05-24"
_TYPE = {"amon", "icecube", "astrotrack", *STREAMS}
_WORLDS = {"injected": Tense.INJECTION, "test": Tense.TEST}
_DEGREES = {"deg": 1.0, "arcmin": 1 / 60}


def is_notice(content: bytes) -> bool:
    """Return whether content is a classic notice."""
    return re.search(rb"^NOTICE_TYPE:", content, re.MULTILINE) is not None


def read_text(content: bytes) -> Revision:
    """Return what a notice says.

    Raises
    ------
    ReadError
        If it is of none of IceCube's streams, or does not tell run, event and time.
    """
    said = _lines(content)
    draft = Draft()
    stream, tense, retraction = _type(said.pop("NOTICE_TYPE", ""))
    run, event = whole("RUN_NUM", said.pop("RUN_NUM", "")), whole("EVENT_NUM", said.pop("EVENT_NUM", ""))
    when = _time(draft, said.pop("DISCOVERY_DATE", ""), said.pop("DISCOVERY_TIME", ""))
    number = draft.count("REVISION", said.pop("REVISION", ""))
    ra, dec = draft.position(_j2000(draft, said, "SRC_RA"), _j2000(draft, said, "SRC_DEC"))
    comment = said.pop("COMMENTS", "")
    _listen(draft, comment, tense, retraction)
    fields = {
        "number": number,
        "kind": kind_of(number, retraction),
        "tense": tense,
        "issued": draft.time("NOTICE_DATE", _sent(said.pop("NOTICE_DATE", ""))),
        "name": draft.name(said.pop("EVENT_NAME", ""), when),
        "stream": stream,
        "ra": ra,
        "dec": dec,
        "systematic": _systematic(said.get("SRC_ERROR", ""), comment),
        "radius_50": _radius(draft, "SRC_ERROR50", said.pop("SRC_ERROR50", ""), stream),
        "radius_90": _radius(draft, "SRC_ERROR", said.pop("SRC_ERROR", ""), stream),
        "energy_tev": _energy(draft, said.pop("ENERGY", "")),
        "signalness": draft.number("SIGNALNESS", _first(said.pop("SIGNALNESS", "")), 0, 1),
        "far_per_year": draft.number("FAR", _first(said.pop("FAR", "")), 0),
        "map_url": draft.url("SKYMAP_FITS_URL", said.pop("SKYMAP_FITS_URL", "")),
        "comment": comment,
    }
    draft.extra |= {key.lower(): value for key, value in said.items() if value}
    return draft.revision(run, event, when, **fields)


def _lines(content: bytes) -> dict[str, str]:
    """Return the values by key: lines without a key go on with the one before, and comments come in several."""
    said: dict[str, list[str]] = {}
    parts: list[str] = []
    for line in content.decode("utf-8-sig", "replace").split("\n"):
        found = _LINE.match(line)
        if found:
            # Of what is said twice, the first counts.
            parts = said.setdefault(found[1], []) if found[1] == "COMMENTS" or found[1] not in said else []
        if found or line[:1].isspace():
            parts.append((found[2] if found else line).strip())
    return {key: " ".join(filter(None, parts)) for key, parts in said.items()}


def _type(text: str) -> tuple[str, Tense, bool]:
    """Return stream, tense and whether it is a retraction; any word nobody knows may mean that it is not real."""
    words = set(text.lower().split())
    streams = [stream for stream in STREAMS if stream in words]
    if len(streams) != 1 or not words <= {*_TYPE, *_WORLDS, "retraction"}:
        known = (
            "ICECUBE Astrotrack Gold, ICECUBE Astrotrack Bronze and ICECUBE Cascade, also Injected, Test or Retraction"
        )
        raise ReadError(f"NOTICE_TYPE is {shown(text)}; read are {known}")
    tense = next((tense for word, tense in _WORLDS.items() if word in words), Tense.CURRENT)
    return streams[0], tense, "retraction" in words


def _listen(draft: Draft, comment: str, tense: Tense, retraction: bool) -> None:
    """Note what comments say that the type of the notice does not."""
    if not retraction and re.search("retract", comment, re.IGNORECASE):
        draft.doubts.append("its comments speak of a retraction")
    if tense == Tense.CURRENT and re.search(r"\b(test|injected)\b", comment, re.IGNORECASE):
        draft.doubts.append("its comments speak of a test")


def _time(draft: Draft, day: str, clock: str) -> np.datetime64:
    date, of_day = _DATE.search(day), _CLOCK.search(clock)
    if not (date and of_day):
        raise ReadError(f"no yy/mm/dd and hh:mm:ss in DISCOVERY_DATE {shown(day)} and DISCOVERY_TIME {shown(clock)}")
    when = classic_time("DISCOVERY_DATE with DISCOVERY_TIME", date[0], of_day[0])
    days = draft.number("DISCOVERY_DATE", _first(day)) if "TJD" in day else None
    seconds = draft.number("DISCOVERY_TIME", _first(clock)) if "SOD" in clock else None
    draft.agree(when, day_number_time(days, _TJD_ZERO, seconds), "the time in TJD and SOD")
    return when


def _sent(text: str) -> str:
    """Return a date such as Wed 23 Aug 23 08:27:06 UT as ISO 8601; what is none, as it is."""
    found = _SENT.fullmatch(" ".join(text.split()))
    if not found or found[2] not in _MONTHS:
        return text
    day, month, year, clock = found.groups()
    return f"{'20'[: 4 - len(year)]}{year}-{_MONTHS.index(month) + 1:02}-{day.rjust(2, '0')}T{clock}"


def _j2000(draft: Draft, said: dict[str, str], key: str) -> str:
    """Take out a coordinate, which is told in three epochs."""
    text = said.pop(key, "")
    found = _J2000.search(text)
    if text and not found:
        draft.doubts.append(f"{key} has nothing in degrees for J2000: {shown(text)}")
    return found[1] if found else ""


def _first(text: str) -> str:
    """Return what stands before the unit."""
    return text.split()[0] if text else ""


def _radius(draft: Draft, name: str, text: str, stream: str) -> float | None:
    """Return a radius in degrees: they are in degrees for cascades and in minutes of arc for tracks."""
    usual = "deg" if stream == "cascade" else "arcmin"
    unit = next((unit for unit in ("arcmin", "deg") if unit in text), usual)
    if unit != usual:
        draft.doubts.append(f"{name} is in {unit}, not in {usual} as usual for this stream")
    return draft.radius(name, _first(text), _DEGREES[unit])


def _systematic(error: str, comment: str) -> bool | None:
    found = systematic(error)
    return systematic(comment) if found is None else found


def _energy(draft: Draft, text: str) -> float | None:
    if text and "[TeV]" not in text:
        draft.doubts.append(f"ENERGY is {shown(text)}; taken for TeV")
    return draft.number("ENERGY", _first(text), 0)
