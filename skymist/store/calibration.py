"""Pseudo-experiments of a map: a growing table in the group ``calibration/ID`` of the map's own store.

What follows from them stands in the attribute ``calibration`` of the map, where everybody who reads the map finds it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Self

import numpy as np
import zarr
from numpy.typing import NDArray

from skymist.errors import StoreError
from skymist.model.columns import Columns
from skymist.store.commits import PATIENCE, Commits
from skymist.store.lease import LeaseLostError
from skymist.store.place import OnWait, Where, place
from skymist.store.table import fill_table, open_table, read_table
from skymist.store.zarr import consolidate


@dataclass(frozen=True, eq=False)
class Trials(Columns):
    """How well pseudo-experiments found their truth.

    Attributes
    ----------
    index : (n,) int64
        The number of each, which with the seed decides its random numbers.
    ts : (n,) float64
        Test statistic of the leaf that holds the truth; infinite if no region would hold it.
    error_deg : (n,) float64
        From the best cell to the truth; NaN if nothing was found.
    """

    index: NDArray[np.int64]
    ts: NDArray[np.float64]
    error_deg: NDArray[np.float64]

    LAYOUT: ClassVar = {"index": ("<i8",), "ts": ("<f8",), "error_deg": ("<f8",)}


class CalibrationStore:
    """The one writer of a calibration; a context manager that keeps others from writing the map.

    Rows are kept within `Place.commit_seconds`: their number is written last, so that a process killed in between
    loses the last ones and no more.

    Parameters
    ----------
    where : path, URL or Place
        The store of a sky map.
    identity : str
        Of the calibration: another one does not touch its rows.
    attributes : mapping
        Kept beside the rows when they are begun.
    patience : float
        Seconds for which the end waits for a store that cannot be written.
    on_wait : callable
        Told, in words, why it waits: for the lease of a killed writer, or a store that cannot be written.

    Raises
    ------
    StoreError
        If another process is writing the map, or it cannot be written.
    """

    def __init__(
        self,
        where: Where,
        identity: str,
        attributes: Mapping[str, Any],
        *,
        patience: float = PATIENCE,
        on_wait: OnWait = lambda _: None,
    ) -> None:
        self.place = place(where)
        self._lock = self.place.lock(on_wait)
        try:
            with self.place.telling("opened"):
                self.place.sweep()
                self._group = open_table(self.place, f"calibration/{identity}", Trials, "trial", attributes)
                self._attributes = dict(self._group.attrs)
                self._committed = int(str(self._attributes.pop("rows")))
                self._trials, self._published = read_table(self._group, Trials), dict[str, Any]()
        except BaseException:
            self._lock.close()
            raise
        self._commits = Commits(self._write, self._unsaved, self.place.commit_seconds, patience, on_wait)

    @property
    def attributes(self) -> dict[str, Any]:
        """What was kept when it was begun."""
        return dict(self._attributes)

    @property
    def trials(self) -> Trials:
        """All rows, in the order in which they came in."""
        return self._trials

    def append(self, trials: Trials) -> None:
        """Add rows."""
        self._trials = Trials.concatenate([self._trials, trials])
        self._commits.when_due()

    def publish(self, calibration: Mapping[str, Any]) -> None:
        """Make this (JSON-like) the calibration of the map."""
        self._published = {"calibration": dict(calibration)}
        self._commits.finish()

    def _write(self) -> None:
        first, last = self._committed, len(self._trials)
        with self.place.telling("written"):
            self._lock.check()
            fill_table(self._group, first, self._trials[first:])
            self._lock.check()
            self._group.attrs["rows"] = last
            if self._published:
                whole = zarr.open_group(self.place.zarr_store(), mode="r+")
                whole.attrs.update(self._published)
                if whole.attrs.get("complete"):
                    consolidate(self.place)
        self._committed, self._published = last, {}

    def _unsaved(self) -> int:
        return len(self._trials) - self._committed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not isinstance(error, LeaseLostError) and self._unsaved():
                self._commits.finish(wait=not isinstance(error, KeyboardInterrupt | StoreError))
        finally:
            self._lock.close()
