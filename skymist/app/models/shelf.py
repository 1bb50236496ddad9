"""Maps in memory, shared by all sessions: each is downloaded once."""

import tempfile
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

from skymist.client.scan import Scan
from skymist.plot.view import View, view_of
from skymist.store.zarr import read_skymap

_KEPT_BYTES = 128 * 2**20
_KEPT = 24


@dataclass(eq=False)
class Kept:
    """A map in memory with what was made of it.

    Attributes
    ----------
    data : xarray.Dataset
    views : dict
        By calibration.
    """

    data: xr.Dataset
    views: dict[str, View] = field(default_factory=dict)

    def view(self, calibration: str) -> View:
        """Return what figures of it draw; one at a time is made."""
        if calibration not in self.views:
            self.views[calibration] = view_of(self.data, calibration)
        return self.views[calibration]


class Shelf:
    """Maps that were looked at last, shared by all who look; of a growing one the last state that was asked for.

    A map comes from the service with the token of who asks for it first. Whoever looks has asked for the scan before.

    Parameters
    ----------
    most, most_bytes : int
        The maps that were not looked at for longest are dropped.
    """

    def __init__(self, most: int = _KEPT, most_bytes: int = _KEPT_BYTES) -> None:
        self.most, self.most_bytes = most, most_bytes
        self._maps: OrderedDict[tuple[Any, ...], Kept] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, scan: Scan) -> Kept:
        """Return the map of a scan as it is now.

        Raises
        ------
        RequestError
            If it has none yet.
        """
        key = state_of(scan.document)
        with self._lock:
            if key in self._maps:
                self._maps.move_to_end(key)
                return self._maps[key]
        made = Kept(_download(scan))
        with self._lock:
            for other in [each for each in self._maps if each[0] == key[0]]:
                del self._maps[other]
            self._maps[key] = made
            while len(self._maps) > 1 and (len(self._maps) > self.most or self.bytes > self.most_bytes):
                self._maps.popitem(last=False)
        return made

    @property
    def bytes(self) -> int:
        """What the maps need; views of them about as much again."""
        return sum(each.data.nbytes for each in self._maps.values())

    def __len__(self) -> int:
        return len(self._maps)


SHELF = Shelf()


def state_of(document: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what changes whenever the map of a scan does."""
    done = (document.get("progress") or {}).get("done")
    return document["id"], document["state"], document.get("attempt"), done


def _download(scan: Scan) -> xr.Dataset:
    with tempfile.TemporaryDirectory(prefix="skymist-") as folder:
        return read_skymap(scan.save("zarr", Path(folder, "map.zarr"))).load()
