"""A watched folder: every file that is put there is a message."""

import os
from collections.abc import Generator
from pathlib import Path
from threading import Event

from skymist.alerts.stream import EITHER, QUIET_S, Message
from skymist.errors import RequestError

LIMIT = 64 * 2**20
"""Bytes; larger files are left alone."""

UNFINISHED = ".partial", ".part", ".tmp"
"""Endings of files that somebody is still writing; hidden files are, too."""

_Seen = tuple[int, int]  # size and time of the last change


class Folder:
    """A folder whose files are read once each, in the order of their names, and never changed.

    Nothing is remembered beyond this process: after a restart all are given again, which does no harm.

    Parameters
    ----------
    path : Path
    kind : str
        Of its messages.

    Raises
    ------
    RequestError
        If there is no such folder.
    """

    def __init__(self, path: Path, kind: str = EITHER) -> None:
        if not path.is_dir():
            raise RequestError(f"{path} is no folder that could be watched")
        self.path, self.kind, self.name, self.trouble = path, kind, str(path), ""
        self._seen: dict[str, _Seen] = {}
        self._done: dict[str, _Seen] = {}
        self._refused: dict[str, str] = {}
        self._left = 0

    def messages(self, stop: Event) -> Generator[Message | None, None, None]:
        """Yield files that did not change between two looks; see `Source`."""
        while not stop.is_set():
            for name in self._complete():
                if message := self._read(name):
                    yield message
                if stop.is_set():
                    return
            yield None
            stop.wait(QUIET_S / 2)

    def commit(self, message: Message) -> None:
        """Give a file no more, unless it changes."""
        self._done[message.position] = self._seen[message.position]
        self._left = max(0, self._left - 1)

    def positions(self) -> dict[str, int]:
        """Return nothing: what was read is known by its content."""
        return {}

    def lag(self) -> int | None:
        """Return how many files there are yet to be read."""
        return self._left

    def silent_s(self) -> float | None:
        """Return None: a folder says nothing by itself."""
        return None

    def _complete(self) -> list[str]:
        """Return the names of files that are new and were the same at the last look."""
        now = self._look()
        new = [name for name in sorted(now) if self._done.get(name) != now[name]]
        self._left = len(new)
        complete = [name for name in new if self._seen.get(name) == now[name]]
        self._seen = now
        return complete

    def _look(self) -> dict[str, _Seen]:
        try:
            with os.scandir(self.path) as entries:
                found = {each.name: _seen(each) for each in entries if _is_finished(each.name)}
        except OSError as error:
            self.trouble = f"{self.path} cannot be read: {error.strerror}"
            return {}
        there = {name: seen for name, seen in found.items() if seen}
        self._refused = {name: reason for name, reason in self._refused.items() if name in there}
        self._tell()
        return there

    def _read(self, name: str) -> Message | None:
        """Return the content of a file that did not change meanwhile."""
        if self._seen[name][0] > LIMIT:
            self._refuse(name, f"larger than the limit of {LIMIT} bytes")
            self._done[name] = self._seen[name]
            return None
        try:
            with (self.path / name).open("rb") as file:
                content = file.read(LIMIT + 1)  # no more, however it grows
                now = os.fstat(file.fileno())
        except OSError as error:  # another look may find it mended: the rights of a file, a share that was away
            self._refuse(name, error.strerror or str(error))
            return None
        if (now.st_size, now.st_mtime_ns) != self._seen[name]:
            return None
        if self._refused.pop(name, None):
            self._tell()
        return Message(content, self.kind, self.name, name)

    def _refuse(self, name: str, reason: str) -> None:
        self._refused[name] = reason
        self._tell()

    def _tell(self) -> None:
        """Say which files are left alone, as long as they are there."""
        first = next((f"{self.path / name} cannot be read: {why}" for name, why in self._refused.items()), "")
        more = len(self._refused) - 1
        self.trouble = f"{first}, and {more} more" if more > 0 else first


def _seen(entry: "os.DirEntry[str]") -> _Seen | None:
    """Return the state of a file, None of what is no file or is gone by now."""
    try:
        stat = entry.stat() if entry.is_file() else None
    except OSError:  # also of links that lead in a circle
        return None
    return stat and (stat.st_size, stat.st_mtime_ns)


def _is_finished(name: str) -> bool:
    return not name.startswith(".") and not name.endswith(UNFINISHED)
