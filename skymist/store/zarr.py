"""Sky maps as Zarr v3: one table along ``cell``, written by one process, readable while it grows.

Rows are appended; the number of committed rows is written last. A process killed in between
leaves rows beyond that number, which nobody reads and the next writer overwrites.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec

from skymist.errors import ReadError, StoreError
from skymist.model import skymap
from skymist.model.reconstruction import Fit
from skymist.model.sky import Ints

COMMIT_SECONDS = 1.0
"""The most work, in time, that a killed process loses."""

CHUNK = 65536
_FILL = {"uniq": 0, "status": 2}


class SkyMapStore:
    """The one writer of a sky map on disk; a context manager that commits and unlocks at the end.

    Parameters
    ----------
    path : Path
        A directory; made if it does not exist, else opened to resume.
    attributes : mapping
        Of the map (JSON-like); ``scan_id`` must be that of an existing store.

    Raises
    ------
    StoreError
        If another process is writing it, it is another scan's, or it cannot be made.
    """

    def __init__(self, path: Path, attributes: Mapping[str, Any]) -> None:
        self.path = path
        self._lock = _lock(path)
        try:
            self._group = self._open(attributes)
        except BaseException:
            os.close(self._lock)
            raise
        committed = read_skymap(path)
        self._uniq, self._fit = [committed["uniq"].to_numpy()], [skymap.fit_of(committed)]
        self._committed, self._time = len(self._uniq[0]), time.monotonic()

    def _open(self, attributes: Mapping[str, Any]) -> zarr.Group:
        for leftover in self.path.rglob("*.partial"):
            leftover.unlink()
        if not (self.path / "zarr.json").exists():
            return _create(self.path, attributes)
        group = zarr.open_group(self.path, mode="r+")
        if "rows" not in group.attrs:  # written last: its maker died while making it
            for name in _columns():
                shutil.rmtree(self.path / name, ignore_errors=True)
            (self.path / "zarr.json").unlink()
            return _create(self.path, attributes)
        if group.attrs.get("scan_id") != attributes["scan_id"]:
            raise StoreError(f"{self.path} holds another scan ({group.attrs.get('scan_id')}); choose another --out")
        return group

    trouble: str | None = None

    @property
    def uniq(self) -> Ints:
        """Cells of all rows so far."""
        if len(self._uniq) > 1:
            self._uniq = [np.concatenate(self._uniq)]
        return self._uniq[0]

    @property
    def fit(self) -> Fit:
        """Fits of all rows so far."""
        if len(self._fit) > 1:
            self._fit = [Fit.concatenate(self._fit)]
        return self._fit[0]

    @property
    def rows_kept(self) -> int:
        """How many rows are on disk."""
        return self._committed

    @property
    def complete(self) -> bool:
        """Whether the scan was finished."""
        return bool(self._group.attrs["complete"])

    def append(self, uniq: Ints, fit: Fit) -> None:
        """Add rows; they are on disk within `COMMIT_SECONDS`, if more rows come, or at `commit`."""
        self._uniq.append(np.asarray(uniq, np.int64))
        self._fit.append(fit)
        if time.monotonic() > self._time + COMMIT_SECONDS:
            self.commit()

    def describe(self, name: str, value: Mapping[str, Any]) -> None:
        """Change an attribute of the map: some things are known only at its end."""
        self._group.attrs[name] = dict(value)

    def commit(self, *, complete: bool = False) -> None:
        """Write the rows that are new since the last commit, then their number."""
        data = skymap.create(self.uniq, self.fit, {})
        first, last = self._committed, data.sizes["cell"]
        for name in _columns() if last > first else ():
            array = _array(self._group, name)
            array.resize((last, *array.shape[1:]))
            array[first:last] = data[name].to_numpy()[first:last]
        self._group.attrs.update({"rows": last, "complete": complete or self.complete})
        self._committed, self._time = last, time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.commit()
        finally:
            os.close(self._lock)


def read_skymap(path: Path) -> xr.Dataset:
    """Read the committed rows of a sky map, also of one that is still growing.

    Raises
    ------
    ReadError
        If there is no sky map of this schema at `path`.
    """
    if not (path / "zarr.json").is_file():
        raise ReadError("not a sky map store: it has no zarr.json", str(path))
    try:
        group = zarr.open_group(path, mode="r")
        attributes = dict(group.attrs)
        rows = int(str(attributes.pop("rows")))
        # Array by array: a process that died in a commit leaves them of different lengths.
        columns = {name: np.asarray(_array(group, name)[:rows]) for name in _columns()}
        data = skymap.validate(skymap.from_columns(columns, attributes), str(path))
        data.encoding["source"] = str(path)
        return data
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise ReadError(f"not a sky map store: {error}", str(path)) from error


def _array(group: zarr.Group, name: str) -> "zarr.Array[Any]":
    array = group[name]
    assert isinstance(array, zarr.Array)
    return array


def _columns() -> tuple[str, ...]:
    empty = skymap.create(np.empty(0, np.int64), Fit.failed(0), {})
    return tuple(str(name) for name in empty.variables)


def _create(path: Path, attributes: Mapping[str, Any]) -> zarr.Group:
    empty = skymap.create(np.empty(0, np.int64), Fit.failed(0), attributes)
    group = zarr.create_group(path, attributes={**empty.attrs, "complete": False})
    for name in _columns():
        variable = empty[name]
        group.create_array(
            name,
            shape=variable.shape,
            chunks=(CHUNK, *variable.shape[1:]),
            dtype=variable.dtype,
            fill_value=_FILL.get(name, np.nan),
            compressors=BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"),
            dimension_names=[str(dim) for dim in variable.dims],
            attributes=dict(variable.attrs),
        )
    group.attrs["rows"] = 0
    return group


def _lock(path: Path) -> int:
    """Hold the directory for this process; the system lets go of it when the process ends, however it does."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise StoreError(f"{path} cannot be made: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise StoreError(f"another process is writing {path}; wait for it or choose another --out") from None
    return handle
