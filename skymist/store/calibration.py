"""Pseudo-experiments of a map: a growing table in the group ``calibration/ID`` of the map's own store.

What follows from them stands in the attribute ``calibration`` of the map, where everybody who reads the map finds it.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import numpy as np
import zarr
from numpy.typing import NDArray

from skymist.model.columns import Columns
from skymist.store.zarr import _array, _lock

CHUNK = 4096


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

    Rows are on disk once they were appended: their number is written last, so that a process killed in between
    loses the last ones and no more.

    Parameters
    ----------
    path : Path
        The store of a sky map.
    identity : str
        Of the calibration: another one does not touch its rows.
    attributes : mapping
        Kept beside the rows when they are begun.

    Raises
    ------
    StoreError
        If another process is writing the map.
    """

    def __init__(self, path: Path, identity: str, attributes: Mapping[str, Any]) -> None:
        self.path = path
        self._lock = _lock(path)
        try:
            for leftover in path.rglob("*.partial"):
                leftover.unlink()
            self._group = _open(path, f"calibration/{identity}", attributes)
        except BaseException:
            os.close(self._lock)
            raise

    @property
    def attributes(self) -> dict[str, Any]:
        """What was kept when it was begun."""
        return {key: value for key, value in self._group.attrs.items() if key != "rows"}

    @property
    def trials(self) -> Trials:
        """All rows, in the order in which they came in."""
        return Trials(*(np.asarray(_array(self._group, name)[: self._rows]) for name in Trials.LAYOUT))

    def append(self, trials: Trials) -> None:
        """Add rows."""
        first, last = self._rows, self._rows + len(trials)
        for name in Trials.LAYOUT:
            array = _array(self._group, name)
            array.resize((last,))
            array[first:last] = getattr(trials, name)
        self._group.attrs["rows"] = last

    def publish(self, calibration: Mapping[str, Any]) -> None:
        """Make this (JSON-like) the calibration of the map."""
        zarr.open_group(self.path, mode="r+").attrs["calibration"] = dict(calibration)

    @property
    def _rows(self) -> int:
        return int(str(self._group.attrs["rows"]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._lock)


def _open(path: Path, name: str, attributes: Mapping[str, Any]) -> zarr.Group:
    """Return the group of that name; one without a number of rows was cut off while it was made, and is made again."""
    if (path / name / "zarr.json").exists():
        found = zarr.open_group(path, path=name, mode="r+")
        if "rows" in found.attrs:
            return found
    shutil.rmtree(path / name, ignore_errors=True)
    group = zarr.open_group(path, path=name, mode="w", attributes=dict(attributes))
    for column, (dtype,) in Trials.LAYOUT.items():
        group.create_array(column, shape=(0,), chunks=(CHUNK,), dtype=np.dtype(dtype), dimension_names=["trial"])
    group.attrs["rows"] = 0
    return group
