"""Sky maps as Zarr v3: one table along ``cell``, written by one process, readable while it grows.

Rows are appended; the number of committed rows is written last. A process killed in between
leaves rows beyond that number, which nobody reads and the next writer overwrites.

A complete map also has a group ``tiling`` (`skymist.store.tiling`), and the metadata of all in one place, where
``xarray.open_zarr`` looks first.
"""

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import numpy as np
import xarray as xr
import zarr

from skymist.errors import ReadError, StoreError
from skymist.model import skymap
from skymist.model.reconstruction import Fit
from skymist.model.rows import MemoryRows
from skymist.model.sky import Floats, Ints
from skymist.store import versions
from skymist.store.commits import PATIENCE, Commits
from skymist.store.diagnostics import DiagnosticsWriter
from skymist.store.lease import LeaseLostError
from skymist.store.place import OnWait, Place, Where, place
from skymist.store.table import array_of
from skymist.store.tiling import COMPRESSOR, METADATA, remove_tiling, write_tiling

CHUNK = 65536
_FILL = {"uniq": 0, "status": 2}


class SkyMapStore:
    """The one writer of a sky map; a context manager that commits and unlocks at the end.

    Parameters
    ----------
    where : path, URL or Place
        A directory or prefix; made if it does not exist, else opened to resume.
    attributes : mapping
        Of the map (JSON-like); ``scan_id`` must be that of an existing store.
    patience : float
        Seconds for which `commit` waits for a store that cannot be written.
    on_wait : callable
        Told, in words, why it waits: for the lease of a killed writer, or a store that cannot be written.

    Attributes
    ----------
    attributes : mapping
        Of the map as it was found, or made.

    Raises
    ------
    StoreError
        If another process is writing it, it is another scan's or of a newer data model, or it cannot be made.
    """

    def __init__(
        self,
        where: Where,
        attributes: Mapping[str, Any],
        *,
        patience: float = PATIENCE,
        on_wait: OnWait = lambda _: None,
    ) -> None:
        self.place = place(where)
        self._lock = self.place.lock(on_wait)
        try:
            with self.place.telling("opened"):
                self._group = _open(self.place, attributes)
            committed = read_skymap(self.place)
        except BaseException:
            self._lock.close()
            raise
        self.attributes = committed.attrs
        self._rows = MemoryRows(committed["uniq"].to_numpy(), skymap.fit_of(committed))
        self._committed = len(self._rows.uniq)
        self._complete, self._changes = bool(committed.attrs["complete"]), dict[str, Any]()
        self._diagnostics = DiagnosticsWriter(self.place)
        self._commits = Commits(self._write, self._unsaved, self.place.commit_seconds, patience, on_wait)

    @property
    def uniq(self) -> Ints:
        """Cells of all rows so far."""
        return self._rows.uniq

    @property
    def fit(self) -> Fit:
        """Fits of all rows so far."""
        return self._rows.fit

    @property
    def rows_kept(self) -> int:
        """How many rows are on disk."""
        return self._committed

    @property
    def complete(self) -> bool:
        """Whether the scan was finished."""
        return self._complete

    @property
    def trouble(self) -> str | None:
        """Why rows cannot be written at present; they wait in memory."""
        return self._commits.trouble

    def append(self, uniq: Ints, fit: Fit) -> None:
        """Add rows; they are kept within `Place.commit_seconds`, if more rows come, or at `commit`.

        Raises
        ------
        StoreError
            If another process took the store over.
        """
        self._rows.append(uniq, fit)
        self._commits.when_due()

    def note(self, uniq: Ints, seconds: Floats, iterations: Ints, evaluations: Ints, worker: str) -> None:
        """Add what cells cost; kept with the next commit."""
        self._diagnostics.add(uniq, seconds, iterations, evaluations, worker)

    def describe(self, changes: Mapping[str, Any]) -> None:
        """Change attributes of the map at the next commit: some things are known only at its end."""
        self._changes.update(changes)

    def commit(self, *, complete: bool = False) -> None:
        """Write the rows that are new since the last commit, then their number.

        Raises
        ------
        StoreError
            If that is not possible for as long as the patience of the store; it says how many rows are lost.
        """
        if complete and not self._complete:
            self._complete = self._changes["complete"] = True
        self._commits.finish()

    def _write(self) -> None:
        first, last = self._committed, len(self.uniq)
        if last == first and not self._changes and not self._diagnostics.pending:
            return
        with self.place.telling("written"):
            self._lock.check()
            _fill(self._group, skymap.create(self.uniq[first:], self.fit[first:], {}), first)
            self._diagnostics.write()
            if self._complete:
                write_tiling(self.place, skymap.create(self.uniq, self.fit, {"complete": True}))
            self._lock.check()
            self._group.attrs.update({"rows": last, **self._changes})
            if self._complete:
                consolidate(self.place)
        self._committed, self._changes = last, {}

    def _unsaved(self) -> int:
        return len(self.uniq) - self._committed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not isinstance(error, LeaseLostError):
                # Whoever interrupts, or has waited in vain already, does not wait.
                self._commits.finish(wait=not isinstance(error, KeyboardInterrupt | StoreError))
        finally:
            self._lock.close()


def read_skymap(where: Where) -> xr.Dataset:
    """Read the committed rows of a sky map, also of one that is still growing.

    Parameters
    ----------
    where : path, URL or Place

    Raises
    ------
    ReadError
        If there is no sky map there, or one of a data model that this skymist does not know.
    StoreError
        If the object store cannot be reached.
    """
    kept = place(where)
    if not (kept / METADATA).exists():
        raise ReadError("not a sky map store: it has no zarr.json", str(kept))
    try:
        group = zarr.open_group(kept.zarr_store(), mode="r")
        attributes = dict(group.attrs)
        rows = int(str(attributes.pop("rows")))
        current = attributes.get("schema_version") == skymap.SCHEMA_VERSION
        # Array by array: a process that died in a commit leaves them of different lengths.
        names = _columns() if current else sorted(group.array_keys())
        columns = {name: np.asarray(array_of(group, name)[:rows]) for name in names}
        columns, attributes = versions.upgrade(columns, attributes, str(kept))
        data = skymap.validate(skymap.from_columns(columns, attributes), str(kept))
    except kept.errors as error:
        raise ReadError(f"cannot be read: {kept.reason(error)}", str(kept)) from None
    except (KeyError, ValueError, TypeError) as error:
        raise ReadError(f"not a sky map store: {error}", str(kept)) from error
    except RuntimeError as error:  # as decompression calls it
        raise ReadError(f"damaged: {error}", str(kept)) from error
    data.encoding["source"] = str(kept)
    return data


def consolidate(kept: Place) -> None:
    """Put the metadata of all that is in a complete map into that of the map, where xarray looks first.

    What is added later is found there only if this is done again.
    """
    group = zarr.open_group(kept.zarr_store(), mode="r", use_consolidated=False)
    nodes = {name: json.loads((kept / name / METADATA).read_bytes()) for name, _ in group.members(max_depth=None)}
    about = json.loads((kept / METADATA).read_bytes())
    about["consolidated_metadata"] = {"kind": "inline", "must_understand": False, "metadata": nodes}
    (kept / METADATA).write_bytes(json.dumps(about).encode())


def _open(kept: Place, attributes: Mapping[str, Any]) -> zarr.Group:
    """Open the store of a scan to write, or make it."""
    kept.sweep()
    spare = _spare(kept)
    if _is_whole(spare):  # a process died while it brought the store to this version
        _make(kept, read_skymap(spare))
        spare.remove()
    if not _is_whole(kept):  # the number of rows is written last: its maker died while making it
        empty = skymap.create(np.empty(0, np.int64), Fit.failed(0), {**attributes, "complete": False})
        return _make(kept, empty)
    group = zarr.open_group(kept.zarr_store(), mode="r+", use_consolidated=False)  # which does not grow
    found = group.attrs.get("scan_id")
    if found != attributes["scan_id"]:
        raise StoreError(f"{kept} holds another scan ({found}); choose another --out")
    if group.attrs.get("schema_version") == skymap.SCHEMA_VERSION:
        if not group.attrs.get("complete"):
            remove_tiling(kept)  # of a process that died before it could say that the map is complete
        elif "consolidated_metadata" not in json.loads((kept / METADATA).read_bytes()):
            consolidate(kept)  # of one that died right after that
        return group
    data = read_skymap(kept)
    _make(spare, data)
    group = _make(kept, data)
    spare.remove()
    return group


def _is_whole(kept: Place) -> bool:
    """Tell whether there is a store with its number of rows."""
    if not (kept / METADATA).exists():
        return False
    try:
        return "rows" in zarr.open_group(kept.zarr_store(), mode="r").attrs
    except ValueError as error:
        raise StoreError(f"{kept} holds something else than a sky map ({error}); choose another --out") from error


def _spare(kept: Place) -> Place:
    """Return where a copy is kept while a store is brought to this version."""
    return kept.with_name(f"{kept.name}.spare")


def _make(kept: Place, data: xr.Dataset) -> zarr.Group:
    """Make a store of a whole map, in the place of what is there of another; the number of rows is written last."""
    _clear(kept)
    group = zarr.create_group(kept.zarr_store(), attributes=data.attrs)
    for name in _columns():
        _add_column(group, name, data[name])
    _fill(group, data, 0)
    complete = bool(data.attrs.get("complete"))
    if complete:
        write_tiling(kept, data)
    group.attrs["rows"] = data.sizes["cell"]
    if complete:
        consolidate(kept)
    return group


def _add_column(group: zarr.Group, name: str, variable: xr.DataArray) -> None:
    group.create_array(
        name,
        shape=(0, *variable.shape[1:]),
        chunks=(CHUNK, *variable.shape[1:]),
        dtype=variable.dtype,
        fill_value=_FILL.get(name, np.nan),
        compressors=COMPRESSOR,
        dimension_names=[str(dim) for dim in variable.dims],
        attributes=dict(variable.attrs) if name == "uniq" else {**variable.attrs, "coordinates": "uniq"},
    )


def _clear(kept: Place) -> None:
    """Remove the map in a store, of whatever version: first what says how many rows it has."""
    (kept / METADATA).remove()
    remove_tiling(kept)
    for name in _columns():
        (kept / name).remove()


def _fill(group: zarr.Group, data: xr.Dataset, first: int) -> None:
    """Write the rows of a map behind the first ones; it may be repeated if it failed half-way."""
    last = first + data.sizes["cell"]
    for name in _columns() if last > first else ():
        array = array_of(group, name)
        array.resize((last, *array.shape[1:]))
        array[first:last] = data[name].to_numpy()


def _columns() -> tuple[str, ...]:
    empty = skymap.create(np.empty(0, np.int64), Fit.failed(0), {})
    return tuple(str(name) for name in empty.variables)
