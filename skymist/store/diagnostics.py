"""What each cell of a map cost: a growing table in the group ``diagnostics`` of the map's own store, if asked for."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from skymist.model.columns import Columns
from skymist.model.sky import Floats, Ints
from skymist.store.place import Place, Where, place
from skymist.store.table import fill_table, open_table, read_table

GROUP = "diagnostics"


@dataclass(frozen=True, eq=False)
class Diagnostics(Columns):
    """What evaluations cost, in the order in which they came in.

    Attributes
    ----------
    uniq : (n,) int64
        Cells.
    seconds : (n,) float64
        Of computing.
    iterations, evaluations : (n,) int32
        See `skymist.model.effort.Effort`; 0 where a reconstruction does not say.
    worker : (n,) int32
        Place in the attribute ``workers``, a list of names.
    """

    uniq: Ints
    seconds: Floats
    iterations: NDArray[np.int32]
    evaluations: NDArray[np.int32]
    worker: NDArray[np.int32]

    LAYOUT: ClassVar = {
        "uniq": ("<i8",), "seconds": ("<f8",), "iterations": ("<i4",), "evaluations": ("<i4",), "worker": ("<i4",),
    }  # fmt: skip


class DiagnosticsWriter:
    """Takes in what blocks cost, and writes it when the map is written.

    Parameters
    ----------
    kept : Place
        The store of a sky map, of which the caller is the one writer.
    """

    def __init__(self, kept: Place) -> None:
        self._kept = kept
        self._group: zarr.Group | None = None  # made with the first rows: most scans are not asked
        self._rows, self._workers = 0, list[str]()
        self._new: list[tuple[Ints, Floats, Ints, Ints, str]] = []

    @property
    def pending(self) -> bool:
        """Whether something was added and not written yet."""
        return bool(self._new)

    def add(self, uniq: Ints, seconds: Floats, iterations: Ints, evaluations: Ints, worker: str) -> None:
        """Add the cells of a block."""
        self._new.append((uniq, seconds, iterations, evaluations, worker))

    def write(self) -> None:
        """Write what is new, then the number of rows; it may be repeated if it failed half-way."""
        if not self._new:
            return
        group = self._opened()
        table = Diagnostics.concatenate([self._of_block(*block) for block in self._new])
        fill_table(group, self._rows, table)
        rows = self._rows + len(table)
        group.attrs.update({"workers": self._workers, "rows": rows})
        self._rows, self._new = rows, []

    def _opened(self) -> zarr.Group:
        """Return the group; one that is there already goes on."""
        if self._group is None:
            group = open_table(self._kept, GROUP, Diagnostics, "cell", {"workers": []})
            self._rows = len(read_table(group, Diagnostics))
            self._workers = [str(name) for name in group.attrs["workers"]]  # type: ignore[union-attr]
            self._group = group
        return self._group

    def _of_block(self, uniq: Ints, seconds: Floats, iterations: Ints, evaluations: Ints, worker: str) -> Diagnostics:
        if worker not in self._workers:
            self._workers.append(worker)
        place = np.full(len(uniq), self._workers.index(worker))
        return Diagnostics(uniq, seconds, iterations, evaluations, place)  # type: ignore[arg-type]


def read_diagnostics(where: Where) -> xr.Dataset | None:
    """Return what the cells of a map cost; None if that was not asked for.

    Parameters
    ----------
    where : path, URL or Place

    Returns
    -------
    xarray.Dataset
        Dim ``cell``; ``uniq``, ``seconds``, ``iterations``, ``evaluations`` and ``worker`` (a name).
    """
    kept = place(where)
    if not (kept / GROUP / "zarr.json").exists():
        return None
    with kept.telling("read"):
        group = zarr.open_group(kept.zarr_store(), path=GROUP, mode="r")
        table = read_table(group, Diagnostics)
    names = np.array([str(name) for name in group.attrs["workers"]])  # type: ignore[union-attr]
    columns = {name: ("cell", getattr(table, name)) for name in Diagnostics.LAYOUT}
    return xr.Dataset({**columns, "worker": ("cell", names[table.worker])})
