"""How a person sees positions, ages and numbers: one spelling for all pages, always with units.

Minus is a real minus sign, and what is not known is a dash.
"""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from skymist.detector.geometry import icecube_86
from skymist.model import sky

UNKNOWN = "–"
"""What stands where a value is not known."""

NAMES = {
    "deg": "RA Dec (ICRS)",
    "hms": "RA Dec (ICRS)",
    "galactic": "l b (galactic)",
    "local": "zenith azimuth (IceCube)",
}
"""Of the frames; their keys are the words of `skymist.app.visit.ANGLES`."""

_AGES = (("y", 365.25 * 86400), ("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0))
_DAY_TENTHS = 864_000  # of a second of time


def names(angles: str) -> str:
    """Return what a column of positions is called."""
    return NAMES.get(angles, NAMES["deg"])


def position(ra_deg: float | None, dec_deg: float | None, angles: str, time: Any = None) -> str:
    """Return a position as people write it.

    Parameters
    ----------
    ra_deg, dec_deg : float or None
        ICRS.
    angles : {"deg", "hms", "galactic", "local"}
        What makes no sense counts as the first.
    time : str, datetime or numpy.datetime64, optional
        Of the event, UTC: where something is in the detector depends on it. Without it, ``local`` gives ICRS and says
        so.

    Examples
    --------
    >>> position(77.43, 5.72, "deg"), position(77.43, 5.72, "hms"), position(None, None, "deg")
    ('77.43° +5.72°', '05h09m43.2s +05°43′12″', '–')
    """
    if not known(ra_deg, dec_deg) or ra_deg is None or dec_deg is None:
        return UNKNOWN
    ra, dec = float(ra_deg) % 360.0, float(dec_deg)
    if angles == "hms":
        return f"{hours(ra)} {sexagesimal(dec)}"
    if angles == "galactic":
        lon, lat = np.degrees(sky.to_galactic(np.radians(ra), np.radians(dec)))
        return f"l {turned(lon)} b {signed(lat)}"
    if angles == "local" and (when := moment(time)) is not None:
        zenith, azimuth = np.degrees(sky.to_detector(icecube_86(), when, np.radians(ra), np.radians(dec)))
        return f"zen {zenith:.2f}° az {turned(azimuth)}"
    word = " ICRS" if angles == "local" else ""
    return f"{turned(ra)} {signed(dec)}{word}"


def known(*numbers: float | None) -> bool:
    """Return whether all of these are numbers."""
    return all(each is not None and math.isfinite(each) for each in numbers)


def moment(time: Any) -> np.datetime64 | None:
    """Return a time, UTC, of text as the service writes it or of any other form; None if it is none."""
    if isinstance(time, datetime):
        time = (time.astimezone(UTC) if time.tzinfo else time).replace(tzinfo=None)
    try:
        read = np.datetime64(_local_free(time) if isinstance(time, str) else time, "ns")
    except ValueError:
        return None
    return None if np.isnat(read) else read


def _local_free(text: str) -> str:
    """Return a time without its zone, which is UTC in all that the service says."""
    return text.strip().removesuffix("Z").removesuffix("+00:00").replace(" ", "T")


def turned(degrees: float, places: int = 2) -> str:
    """Return an angle from 0 up to, not including, 360 degrees, as it is when it is rounded."""
    return f"{round(float(degrees) % 360, places) % 360:.{places}f}°"


def signed(degrees: float, places: int = 2) -> str:
    """Return an angle with its sign; what is zero when it is rounded is not negative."""
    return f"{round(float(degrees), places) + 0.0:+.{places}f}°".replace("-", "−")


def hours(ra_deg: float) -> str:
    """Return a right ascension in hours, minutes and seconds of time, to 0.1 s."""
    tenths = round(ra_deg % 360 / 360 * _DAY_TENTHS) % _DAY_TENTHS
    minutes, rest = divmod(tenths, 600)
    return f"{minutes // 60:02d}h{minutes % 60:02d}m{rest // 10:02d}.{rest % 10}s"


def sexagesimal(dec_deg: float) -> str:
    """Return a declination in degrees, minutes and seconds of arc; the sign of less than a degree is not lost."""
    seconds = round(abs(dec_deg) * 3600)
    sign = "−" if dec_deg < 0 and seconds else "+"
    minutes, rest = divmod(seconds, 60)
    return f"{sign}{minutes // 60:02d}°{minutes % 60:02d}′{rest:02d}″"


def utc(time: Any) -> str:
    """Return a time to the second, without the word UTC, which stands in the head of a table.

    Examples
    --------
    >>> utc("2017-09-22T20:54:30.436000000Z")
    '2017-09-22 20:54:30'
    """
    read = moment(time)
    return UNKNOWN if read is None else str(read.astype("datetime64[s]")).replace("T", " ")


def age(time: Any, now: Any = None) -> str:
    """Return how long ago something was, in its largest unit.

    Examples
    --------
    >>> age("2024-01-01T00:00:00Z", "2024-01-01T00:12:40Z"), age("2024-01-02T00:00:00Z", "2024-01-01T21:00:00Z")
    ('12 min', 'in 3 h')
    """
    then, present = moment(time), moment(datetime.now(UTC) if now is None else now)
    if then is None or present is None:
        return UNKNOWN
    seconds = float((present - then) / np.timedelta64(1, "s"))
    return f"in {span(-seconds)}" if seconds <= -1 else span(max(seconds, 0.0))


def span(seconds: float | timedelta) -> str:
    """Return a duration in its largest unit, rounded down: ``40 s``, ``12 min``, ``5 h``, ``3 d``, ``7 y``."""
    long = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
    unit, length = next(((name, size) for name, size in _AGES if long >= size), _AGES[-1])
    return f"{math.floor(long / length)} {unit}"


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with so many significant digits, without powers of ten where people can do without."""
    if not known(value) or value is None:
        return UNKNOWN
    if value == 0:
        return "0"
    if 1e-4 <= abs(value) < 1e6:
        rounded = float(f"{value:.{digits}g}")
        places = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
        return f"{rounded:.{places}f}".replace("-", "−")
    mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
    return f"{mantissa}×10^{int(power)}".replace("-", "−")


def radius(degrees: float | None) -> str:
    """Return a radius in degrees.

    Examples
    --------
    >>> radius(0.5342), radius(12.34), radius(None)
    ('0.53°', '12°', '–')
    """
    return f"{number(degrees, 2)}°" if known(degrees) else UNKNOWN


def energy(tev: float | None) -> str:
    """Return an energy, in PeV from there on.

    Examples
    --------
    >>> energy(290), energy(5900), energy(None)
    ('290 TeV', '5.90 PeV', '–')
    """
    if not known(tev) or tev is None:
        return UNKNOWN
    return f"{number(tev / 1000)} PeV" if tev >= 1000 else f"{number(tev)} TeV"


def share(value: float | None) -> str:
    """Return a number from 0 to 1, such as a signalness, with two decimals."""
    return f"{value:.2f}" if known(value) and value is not None else UNKNOWN


def far(per_year: float | None) -> str:
    """Return a rate of false alarms.

    Examples
    --------
    >>> far(2.4), far(None)
    ('2.40 per year', '–')
    """
    return f"{number(per_year)} per year" if known(per_year) else UNKNOWN


def far_in_words(per_year: float | None) -> str:
    """Return a rate of false alarms as one in so many years.

    Examples
    --------
    >>> far_in_words(0.4), far_in_words(24)
    ('1 in 2.5 years', '24 a year')
    """
    if not known(per_year) or per_year is None:
        return UNKNOWN
    if per_year <= 0:
        return "never"
    return f"{number(per_year, 2)} a year" if per_year > 1 else f"1 in {number(1 / per_year, 2)} years"
