"""How long after an event something happened, in words: with its sign, as not everything comes after it."""

_UNITS = (
    ("ms", 1e-3, 1.0), ("s", 1.0, 120.0), ("min", 60.0, 7200.0), ("h", 3600.0, 172_800.0),
    ("d", 86_400.0, 63_072_000.0),
)  # fmt: skip
_YEAR = 31_557_600.0


def size(seconds: float) -> str:
    """Return how long that is, in the unit that people would choose.

    Examples
    --------
    >>> size(0.039), size(2), size(43.1), size(3600), size(90_000), size(1e9)
    ('39 ms', '2.0 s', '43 s', '60 min', '25 h', '32 y')
    """
    long = abs(seconds)
    unit, length = next(((unit, length) for unit, length, limit in _UNITS if long < limit), ("y", _YEAR))
    value = long / length
    return f"{value:.1f} {unit}" if value < 9.95 and unit != "ms" else f"{value:.0f} {unit}"


def signed(seconds: float) -> str:
    """Return it with a sign: what came before the event has a minus.

    Examples
    --------
    >>> signed(43.1), signed(-3600), signed(0)
    ('+43 s', '−60 min', '0 s')
    """
    if seconds == 0:
        return "0 s"
    sign = "+" if seconds > 0 else "−"
    return f"{sign}{size(seconds)}"


def in_words(seconds: float) -> str:
    """Return it in words.

    Examples
    --------
    >>> in_words(43.1), in_words(-3600)
    ('43 s after', '60 min before')
    """
    return f"{size(seconds)} {'after' if seconds >= 0 else 'before'}"
