"""A watched folder: every file that is put there is a message."""

import os
from collections.abc import Iterator
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
        self._left = 0

    def messages(self, stop: Event) -> Iterator[Message | None]:
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
                found = {each.name: each.stat() for each in entries if each.is_file() and _is_finished(each.name)}
        except OSError as error:
            self.trouble = f"{self.path} cannot be read: {error.strerror}"
            return {}
        self.trouble = ""
        return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in found.items()}

    def _read(self, name: str) -> Message | None:
        """Return the content of a file; what cannot be read is told and tried again when it changes."""
        try:
            if self._seen[name][0] > LIMIT:
                raise OSError(0, f"larger than the limit of {LIMIT} bytes")
            content = (self.path / name).read_bytes()
        except OSError as error:
            self.trouble = f"{self.path / name} cannot be read: {error.strerror}"
            self._done[name] = self._seen[name]
            return None
        return Message(content, self.kind, self.name, name)


def _is_finished(name: str) -> bool:
    return not name.startswith(".") and not name.endswith(UNFINISHED)
