"""A map that another process writes: whether it has grown, and its likelihoods, for who looks often."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
import zarr

from skymist.errors import ReadError
from skymist.model import skymap
from skymist.model.reconstruction import Fit, Status
from skymist.store.place import Place, Stamp
from skymist.store.table import array_of
from skymist.store.tiling import METADATA
from skymist.store.zarr import read_skymap


@dataclass(frozen=True)
class Commit:
    """What a map says of itself after a commit.

    Attributes
    ----------
    rows : int
        That are kept.
    complete : bool
    written : float
        When it was kept, in seconds since 1970.
    attributes : dict
        Of the map.
    """

    rows: int
    complete: bool
    written: float
    attributes: dict[str, Any]

    @property
    def version(self) -> int:
        """A number that is another one after each commit: the rows, and one more once the map is complete."""
        return self.rows + self.complete


def stamp(kept: Place) -> Stamp | None:
    """Return what is another one after each commit, at the cost of one look; None if there is no map yet."""
    return (kept / METADATA).stamp()


def last_commit(kept: Place) -> Commit | None:
    """Return what was committed last; None if nothing was.

    Raises
    ------
    ReadError
        If something else is kept there.
    StoreError
        If it cannot be reached.
    """
    found = stamp(kept)
    if found is None:
        return None
    try:
        attributes = dict(json.loads((kept / METADATA).read_bytes())["attributes"])
        rows = attributes.pop("rows", None)  # written last: without, its maker is making it
        return None if rows is None else Commit(int(rows), bool(attributes["complete"]), found.written, attributes)
    except (KeyError, ValueError, TypeError) as error:
        raise ReadError(f"not a sky map store: {error}", str(kept)) from error


def read_likelihoods(kept: Place, commit: Commit) -> xr.Dataset:
    """Return the map of a commit, of which a growing one has cells and likelihoods only: its other columns are NaN.

    Raises
    ------
    ReadError
        If it cannot be read.
    """
    if commit.complete or commit.attributes.get("schema_version") != skymap.SCHEMA_VERSION:
        return read_skymap(kept)
    try:
        group = zarr.open_group(kept.zarr_store(), mode="r")
        uniq, nllh = (np.asarray(array_of(group, name)[: commit.rows]) for name in ("uniq", "nllh"))
    except kept.errors as error:
        raise ReadError(f"cannot be read: {kept.reason(error)}", str(kept)) from None
    except (ValueError, TypeError, RuntimeError) as error:
        raise ReadError(f"damaged: {error}", str(kept)) from error
    nothing = Fit.failed(len(uniq))
    status = np.where(np.isfinite(nllh), Status.OK, Status.FAILED).astype(np.uint8)
    fit = Fit(nllh, nothing.energy_gev, nothing.time_ns, nothing.vertex, status)
    return skymap.create(uniq, fit, commit.attributes)
