"""IceCube's searches for tracks in coincidence with gravitational waves: JSON of GCN's topic for them.

They are no alerts of their own: the tracks that they name were no alerts, and get no names. Reference: the schema
gcn/notices/icecube/lvk_nu_track_search.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from skymist.alerts.values import Draft, shown, time
from skymist.errors import ReadError

_KIND = "lvk_nu_track_search"
_SIZE_LIMIT = 1 << 20


@dataclass(frozen=True)
class Track:
    """A track in coincidence with a gravitational wave.

    Attributes
    ----------
    key : str
        RUN_EVENT, or empty.
    seconds : float or None
        From the gravitational wave to the track.
    ra, dec, radius_90 : float or None
        Degrees, ICRS.
    p_generic, p_bayesian : float or None
        Probabilities that background is as good.
    """

    key: str
    seconds: float | None
    ra: float | None
    dec: float | None
    radius_90: float | None
    p_generic: float | None
    p_bayesian: float | None


@dataclass(frozen=True)
class TrackSearch:
    """What a search has found.

    Attributes
    ----------
    reference : str
        The gravitational wave, such as S230914ak.
    time : numpy.datetime64[ns]
        Of it, UTC.
    p_generic, p_bayesian : float or None
        Of all tracks together.
    ra, dec : float or None
        Most probable direction of a common source, degrees, ICRS.
    tracks : tuple of Track
    doubts : tuple of str
        What in it cannot be right, in words.
    """

    reference: str
    time: np.datetime64
    p_generic: float | None
    p_bayesian: float | None
    ra: float | None
    dec: float | None
    tracks: tuple[Track, ...]
    doubts: tuple[str, ...]


def is_search(content: bytes) -> bool:
    """Return whether content is such a search: it says so in its schema or type."""
    if len(content) > _SIZE_LIMIT or not content.lstrip().startswith(b"{"):
        return False
    try:
        notice = json.loads(content)
    except (ValueError, RecursionError):
        return False
    schema, kind = str(notice.get("$schema", "")), str(notice.get("type", ""))
    return _KIND in schema or "nu track search" in kind.lower()


def read_search(content: bytes) -> TrackSearch:
    """Return what a search says.

    Raises
    ------
    ReadError
        If it does not tell which gravitational wave, or when.
    """
    notice, draft = json.loads(content), Draft()
    reference = notice.get("ref_ID")
    if not isinstance(reference, str) or not reference:
        raise ReadError(f"its ref_ID names no gravitational wave: {shown(reference)}")
    best = notice.get("most_probable_direction")
    ra, dec = draft.position(best.get("ra"), best.get("dec")) if isinstance(best, dict) else (None, None)
    listed = notice.get("coincident_events") or []
    if not isinstance(listed, list):
        draft.doubts.append(f"coincident_events is {shown(listed)}, no list")
        listed = []
    tracks = tuple(_track(draft, each) for each in listed if isinstance(each, dict))
    told = draft.number("n_events_coincident", notice.get("n_events_coincident"), 0)
    if told is not None and told != len(tracks):
        draft.doubts.append(f"n_events_coincident is {told:g}, and {len(tracks)} are listed")
    return TrackSearch(
        reference, time("trigger_time", notice.get("trigger_time")), *_chances(draft, notice, "pval"), ra, dec, tracks,
        tuple(draft.doubts),
    )  # fmt: skip


def _track(draft: Draft, said: dict[str, Any]) -> Track:
    place = said.get("localization")
    place = place if isinstance(place, dict) else {}
    names = said.get("id")
    key = next((each for each in (names if isinstance(names, list) else [names]) if isinstance(each, str)), "")
    error = place.get("ra_dec_error")
    return Track(
        key, draft.number("event_dt", said.get("event_dt")), *draft.position(place.get("ra"), place.get("dec")),
        draft.radius("ra_dec_error", error[0] if isinstance(error, list) and error else error),
        *_chances(draft, said, "event_pval"),
    )  # fmt: skip


def _chances(draft: Draft, said: dict[str, Any], prefix: str) -> tuple[float | None, float | None]:
    generic, bayesian = (f"{prefix}_{each}" for each in ("generic", "bayesian"))
    return draft.number(generic, said.get(generic), 0, 1), draft.number(bayesian, said.get(bayesian), 0, 1)
