"""Pictures of maps as they grow: each is made once for all who ask, and a look at a map that has not grown is cheap."""

import json
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

import numpy as np

from skymist.plot import live
from skymist.store.growing import Commit, last_commit, read_likelihoods, stamp
from skymist.store.place import Place, Stamp

MOST = 64
"""Pictures, and commits, that are kept at a time."""

Value = TypeVar("Value")


class _Latest(Generic[Value]):
    """Values by key; those that were not asked for the longest go first."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, ...], Value] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, *key: str) -> Value | None:
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
            return self._known.get(key)

    def put(self, value: Value, *key: str) -> None:
        with self._lock:
            self._known[key] = value
            self._known.move_to_end(key)
            while len(self._known) > MOST:
                self._known.popitem(last=False)


class Pictures:
    """What is known of maps that somebody watches."""

    def __init__(self) -> None:
        self._places: _Latest[Place] = _Latest()
        self._commits: _Latest[tuple[Stamp, Commit]] = _Latest()
        self._made: _Latest[tuple[int, bytes]] = _Latest()
        self._making = Lock()  # one at a time, so that all other requests find a processor

    def place(self, scan_id: str, find: Callable[[], Place]) -> Place:
        """Return where the map of a scan is; it is asked for only as long as there is none."""
        kept = self._places.get(scan_id)
        if kept is None or stamp(kept) is None:
            kept = find()
            self._places.put(kept, scan_id)
        return kept

    def newer(self, kept: Place, frame: str, after: int | None) -> bytes | None:
        """Return the picture of a map, as JSON, if it is another one than that of version `after`.

        Parameters
        ----------
        kept : Place
            Of the map.
        frame : str
            See `skymist.plot.live.picture`.
        after : int or None

        Returns
        -------
        bytes or None
            None, too, if there is nothing to be seen yet.
        """
        commit = self._look(kept)
        if commit is None or commit.version == after:
            return None
        return self._content(kept, commit, frame) or None

    def _look(self, kept: Place) -> Commit | None:
        """Return the last commit; it is read only if it is not the one that is known."""
        now, known = stamp(kept), self._commits.get(str(kept))
        if now is None or (known is not None and known[0] == now):
            return None if now is None or known is None else known[1]
        commit = last_commit(kept)
        if commit is not None:
            self._commits.put((now, commit), str(kept))
        return commit

    def _content(self, kept: Place, commit: Commit, frame: str) -> bytes:
        """Return the picture of a commit; empty if there is nothing to be seen."""
        with self._making:
            made = self._made.get(str(kept), frame)
            if made is None or made[0] != commit.version:
                made = commit.version, _drawn(kept, commit, frame)
                self._made.put(made, str(kept), frame)
            return made[1]


def _drawn(kept: Place, commit: Commit, frame: str) -> bytes:
    data = read_likelihoods(kept, commit)
    if not np.isfinite(data["nllh"]).any():
        return b""
    about = {"version": commit.version, "stored": round(1000 * commit.written)}
    return json.dumps({**about, **live.picture(data, frame)}, separators=(",", ":")).encode()
