"""Readers: bytes of any known kind become an `Event`.

Formats register in the entry-point group ``skymist.readers`` as a `Format`. A source that is
corrupt, hostile or of no known kind gives one `ReadError`, in bounded memory and time.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from skymist.errors import ReadError, RequestError
from skymist.model.event import Event
from skymist.plugins import READERS, load, names
from skymist.readers.public import fetch, known_events
from skymist.readers.source import Format, head
from skymist.readers.table import write_table

__all__ = ["Format", "fetch", "known_events", "read_event", "read_events", "write_table"]


def read_event(source: str | Path, pulses: str | None = None) -> Event:
    """Read the (first) event of a file.

    Parameters
    ----------
    source : str or Path
        A realtime message, a frame file or a table, told apart by content, then by suffix.
    pulses : str, optional
        The pulse set to use; the format's usual one if not given.

    Raises
    ------
    ReadError
        If the file is none of these, or corrupt; with the position in bytes after decompression.
    UnknownNameError
        If the event has no pulse set of that name.
    """
    for event in read_events(source, pulses):
        return event
    raise ReadError("no event", str(source))


def read_events(source: str | Path, pulses: str | None = None) -> Iterator[Event]:
    """Read all events of a file, one after the other; see `read_event`.

    Parameters
    ----------
    source : str or Path
    pulses : str, optional
        As for `read_event`.
    """
    path = Path(source)
    first, name = head(path), path.name.lower()
    for known in _formats().values():
        if known.sniff(first, name):
            return known.read(path, pulses)
    raise ReadError(f"of no known kind; there are: {', '.join(_formats()) or 'none'}", str(path))


@cache
def _formats() -> dict[str, Format]:
    """Return the registered formats by name."""
    found = {name: load(READERS, name) for name in names(READERS)}
    wrong = [name for name, item in found.items() if not isinstance(item, Format)]
    if wrong:
        raise RequestError(f"reader {wrong[0]!r} is no skymist.readers.Format")
    return {name: item for name, item in found.items() if isinstance(item, Format)}
