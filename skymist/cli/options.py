"""``--option KEY=VALUE``, as given on the command line."""

from skymist.errors import RequestError


def key_values(options: tuple[str, ...]) -> dict[str, str]:
    """Return options that are each KEY=VALUE."""
    for option in options:
        if "=" not in option:
            raise RequestError(f"--option {option!r} is not KEY=VALUE")
    return {key: value for key, _, value in (option.partition("=") for option in options)}


def by_level(options: tuple[str, ...]) -> tuple[dict[str, str], dict[int, dict[str, str]]]:
    """Return the options of all levels, and those of single levels by nside."""
    everywhere: dict[str, str] = {}
    at_level: dict[int, dict[str, str]] = {}
    for where, value in key_values(options).items():
        nside, colon, key = where.rpartition(":")
        if colon and not nside.isdecimal():
            raise RequestError(f"--option {where}={value!r} is not KEY=VALUE or NSIDE:KEY=VALUE")
        (at_level.setdefault(int(nside), {}) if colon else everywhere)[key] = value
    return everywhere, at_level
