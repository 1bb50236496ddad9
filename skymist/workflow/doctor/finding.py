"""What was looked at, and how it is."""

from collections.abc import Callable
from dataclasses import dataclass

from skymist.errors import SkymistError

OK, LATER, BAD = "ok", "not needed yet", "FAILED"
"""It works; it is not there, which matters only to who wants it; it is wrong."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    part : str
        What it belongs to, such as ``clusters``.
    name : str
    state : str
        `OK`, `LATER` or `BAD`.
    found : str
        In words.
    hint : str
        What to do, if anything.
    """

    part: str
    name: str
    state: str
    found: str
    hint: str = ""


def tried(part: str, name: str, hint: str, look: Callable[[], Finding]) -> Finding:
    """Return what a look finds; what it raises is a finding, too.

    Parameters
    ----------
    part, name, hint : str
        Of the finding that it is then.
    look : callable
    """
    try:
        return look()
    except (SkymistError, OSError) as trouble:
        return Finding(part, name, BAD, str(trouble), hint)
    except ModuleNotFoundError as trouble:
        return Finding(part, name, BAD, f"{trouble.name} is not installed", "pip install 'skymist[service]'")
