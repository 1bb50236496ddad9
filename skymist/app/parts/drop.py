"""Where files are chosen or dropped: they come whole and all together, in pieces that may arrive in any order.

Callbacks run in threads. panel-material-ui's file input (0.16) counts on pieces that come one after another, and loses
files where they do not.
"""

import base64
import threading
from collections.abc import Callable, Sequence
from typing import Any

import param
from panel.custom import JSComponent

from skymist.app.parts.assets import script, style

Files = list[tuple[str, bytes]]


class Drop(JSComponent):
    """See ``drop.js``."""

    label = param.String(default="Choose files, or drop them here")
    most_bytes = param.Integer(default=64 * 2**20, doc="Of one file; larger ones are refused by name")
    piece_bytes = param.Integer(default=4 * 2**20, doc="Of a message, which must pass through a WebSocket")
    busy = param.Boolean(doc="Whether files are being looked at")
    disabled = param.Boolean()
    theme = param.String(default="light")

    _esm = script("common", "drop")
    _stylesheets = style("drop")

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._acts: list[Callable[[Files], None]] = []
        self._gathered = Gathered()

    def on_files(self, act: Callable[[Files], None]) -> None:
        """Have a function called with the names and contents of files that were chosen together."""
        self._acts.append(act)

    def _handle_msg(self, data: Any) -> None:
        files = self._gathered.add(data)
        if files is None or self.disabled:
            return
        self.busy = True
        try:
            for act in self._acts:
                act(files)
        finally:
            self.busy = False


class Gathered:
    """Pieces of files that are on their way; a new choice drops what is left of an earlier one."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._choice: Any = None
        self._pieces: dict[tuple[int, int], bytes] = {}

    def add(self, piece: dict[str, Any]) -> Files | None:
        """Keep a piece, and return the files if it was the last that was missing.

        Parameters
        ----------
        piece : dict
            ``choice``: a number that grows with each choice of files; ``names`` and ``counts``: of all files that were
            chosen together, and of how many pieces each has; ``file`` and ``piece``: which this is; ``data``: base64.
        """
        with self._turn:
            if piece["choice"] != self._choice:
                self._choice, self._pieces = piece["choice"], {}
            self._pieces[piece["file"], piece["piece"]] = base64.b64decode(piece["data"])
            wanted: Sequence[tuple[int, int]] = [
                (file, at) for file, count in enumerate(piece["counts"]) for at in range(count)
            ]
            if len(self._pieces) < len(wanted):
                return None
            pieces, self._pieces, self._choice = self._pieces, {}, None
        return [
            (name, b"".join(pieces[file, at] for at in range(count)))
            for file, (name, count) in enumerate(zip(piece["names"], piece["counts"], strict=True))
        ]
