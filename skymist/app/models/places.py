"""Positions as people write them."""

import re
from collections.abc import Sequence

import numpy as np

from skymist.errors import RequestError

_NUMBER = r"[+-]?\d+(?:\.\d*)?"
_DEGREES = re.compile(rf"({_NUMBER})\s*°?\s*[,\s]\s*({_NUMBER})\s*°?")
_SIXTY = re.compile(
    r"(\d{1,2})\s*[h:\s]\s*(\d{1,2})\s*(?:[m:\s]\s*(?:(\d+(?:\.\d*)?)\s*s?)?)?\s*,?\s*"
    r"([+-]?)(\d{1,2})\s*[d°:\s]\s*(\d{1,2})\s*(?:[m'′:\s]\s*(?:(\d+(?:\.\d*)?)\s*[s\"″]?)?)?"
)


def read_position(text: str, names: Sequence[str] = ()) -> tuple[float, float]:
    """Return right ascension and declination, degrees, as people write them.

    Examples
    --------
    >>> read_position("77.36 5.69"), read_position("5h09m26.4s +5d41m24s")
    ((77.36, 5.69), (77.36, 5.69))

    Raises
    ------
    RequestError
        If it is none; it says how to write one, and the `names` that are known.
    """
    plain = text.strip().replace("−", "-")
    plain = re.sub(r"\b(ra|dec)\b\s*=?", " ", plain, flags=re.IGNORECASE).strip()
    if found := _DEGREES.fullmatch(plain):
        ra, dec = float(found[1]), float(found[2])
    elif found := _SIXTY.fullmatch(plain):
        ra = round(15 * _sixtieth(*found.group(1, 2, 3)), 9)
        dec = round(_sixtieth(*found.group(5, 6, 7)), 9) * (-1 if found[4] == "-" else 1)
    else:
        ra = dec = np.nan
    if not (np.isfinite(ra) and -360 <= ra <= 360 and abs(dec) <= 90):
        sources = f", or a source: {', '.join(names[:8])}" if names else ""
        raise RequestError(
            f"{text.strip()[:60]!r} is no position: write degrees such as 77.36 5.69, or 05h09m26s +05d41m36s{sources}"
        )
    return ra % 360, dec


def _sixtieth(whole: str, minutes: str, seconds: str | None) -> float:
    parts = float(minutes), float(seconds or 0)
    if max(parts) >= 60:
        return np.nan
    return float(whole) + parts[0] / 60 + parts[1] / 3600
