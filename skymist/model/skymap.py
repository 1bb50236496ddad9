"""SkyMap: the table of every cell a scan evaluated, as a plain `xarray.Dataset`.

One dimension, ``cell``; one row for each evaluation, coarse and fine, in the order in which they
were made. So the map is also the log of the scan and all that is needed to resume it.

========== ============== ======= ======================================================
variable   dimensions     type    meaning
========== ============== ======= ======================================================
uniq       cell           int64   HEALPix cell: NUNIQ number, nested order, ICRS (coordinate)
nllh       cell           float64 negative log-likelihood at its maximum; NaN where failed
energy     cell           float32 GeV, NaN where unknown
time       cell           float64 ns on the event's clock
vertex     cell, axis     float32 m, detector coordinates (axis: x, y, z)
status     cell           uint8   0 ok, 1 not converged, 2 failed
========== ============== ======= ======================================================

Attributes: ``schema_version``, ``request``, ``scan_id``, ``event``, ``reconstruction``,
``software``, ``created`` (UTC) and ``complete``; ``provenance`` says how it was computed, and those of the ACDD
(`skymist.fair.acdd`) tell people and catalogs what it is.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from skymist.errors import ReadError
from skymist.model import sky
from skymist.model.reconstruction import Fit, Status
from skymist.model.sky import Floats, Ints

SCHEMA_VERSION = 1

_MODEL = {"coverage_content_type": "modelResult"}
_ABOUT: dict[str, dict[str, Any]] = {
    "uniq": {
        "units": "1", "long_name": "HEALPix cell: NUNIQ number, nested order, ICRS",
        "coverage_content_type": "referenceInformation",
    },
    "nllh": {"units": "1", "long_name": "negative log-likelihood at its maximum for this direction", **_MODEL},
    "energy": {"units": "GeV", "long_name": "energy at the maximum", **_MODEL},
    "time": {"units": "ns", "long_name": "when the particle is at the vertex, on the event's own clock", **_MODEL},
    "vertex": {"units": "m", "long_name": "point on the track, or place of the cascade: x, y, z of the detector",
               **_MODEL},
    "status": {
        "units": "1", "long_name": "how the fit ended", "standard_name": "status_flag",
        "flag_values": [int(each) for each in Status], "flag_meanings": " ".join(each.name.lower() for each in Status),
        "coverage_content_type": "qualityInformation",
    },
}  # fmt: skip
_TYPES = {"uniq": "<i8", "nllh": "<f8", "energy": "<f4", "time": "<f8", "vertex": "<f4", "status": "u1"}
_FIELDS = {"nllh": "nllh", "energy": "energy_gev", "time": "time_ns", "vertex": "vertex", "status": "status"}
_DIMS = {"vertex": ("cell", "axis")}


def create(uniq: Ints, fit: Fit, attributes: Mapping[str, Any]) -> xr.Dataset:
    """Return a sky map of evaluated cells.

    Parameters
    ----------
    uniq : (n,) int64
    fit : Fit
        n rows.
    attributes : mapping
        JSON-like; the schema version is added.

    Returns
    -------
    xarray.Dataset
    """
    columns = {"uniq": np.asarray(uniq, np.int64), **{name: getattr(fit, field) for name, field in _FIELDS.items()}}
    return from_columns(columns, {**attributes, "schema_version": SCHEMA_VERSION})


def from_columns(columns: Mapping[str, NDArray[Any]], attributes: Mapping[str, Any]) -> xr.Dataset:
    """Return a sky map of stored columns, by name; see `validate` for whether they are right."""
    variables = {
        name: (_DIMS.get(name, ("cell",)), values, dict(_ABOUT.get(name, {}))) for name, values in columns.items()
    }
    return xr.Dataset(variables, attrs=dict(attributes)).set_coords("uniq")


def fit_of(skymap: xr.Dataset) -> Fit:
    """Return the rows of a map as a `Fit`."""
    return Fit(**{field: skymap[name].to_numpy() for name, field in _FIELDS.items()})


def validate(skymap: xr.Dataset, source: str = "sky map") -> xr.Dataset:
    """Return the map if it follows the schema.

    Raises
    ------
    ReadError
        If a variable is missing or misshapen, a cell is twice in it or no cell, or if it was
        written by a newer schema.
    """
    version = skymap.attrs.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ReadError(f"schema version {version!r}; this skymist reads version {SCHEMA_VERSION}", source)
    for name in ("uniq", *_FIELDS):
        if name not in skymap or skymap[name].dims != _DIMS.get(name, ("cell",)):
            raise ReadError(f"not a sky map: it has no variable {name!r} along 'cell'", source)
    uniq = skymap["uniq"].to_numpy()
    if uniq.size and uniq.min() < 4:
        raise ReadError(f"{uniq.min()} is not the number of a HEALPix cell", source)
    if np.unique(uniq).size != uniq.size:
        raise ReadError("a cell stands in it twice", source)
    return skymap


def best(skymap: xr.Dataset) -> int:
    """Return the row of the lowest negative log-likelihood.

    Of equal values the finest cell counts, then the lowest number; NaN never does.

    Raises
    ------
    ReadError
        If no cell has a finite value.
    """
    nllh, uniq = skymap["nllh"].to_numpy(), skymap["uniq"].to_numpy()
    rows = np.flatnonzero(np.isfinite(nllh))
    if not rows.size:
        raise ReadError("the sky map has no cell with a finite likelihood", str(skymap.attrs.get("scan_id", "")))
    return int(rows[np.lexsort((uniq[rows], -sky.nside_of(uniq[rows]), nllh[rows]))[0]])


def leaves(skymap: xr.Dataset) -> xr.Dataset:
    """Return the finest description of each place: a tiling without overlaps.

    Where a cell was refined, its children stand for it. A child that failed, or was not evaluated
    yet, takes its parent's value, so that neither a failure nor a scan in progress makes a hole;
    once the scan is complete, what was never evaluated lies outside its cone and is left out.

    Returns
    -------
    xarray.Dataset
        Dim ``cell`` sorted along the sky; ``uniq``, ``nllh``, ``ts`` = 2 (nllh - best),
        ``row`` (of the map that gave the value) and ``evaluated`` (False where a parent's value stands in).
    """
    uniq, nllh = skymap["uniq"].to_numpy(), skymap["nllh"].to_numpy()
    nside = sky.nside_of(uniq)
    tiles, rows = np.empty(0, np.int64), np.empty(0, np.int64)
    for level in np.unique(nside):
        here = np.flatnonzero((nside == level) & (np.isfinite(nllh) | (level == nside.min())))
        tiles, rows = _refine(tiles, rows, uniq[here], here)
    if skymap.attrs.get("complete"):
        scanned = np.isin(tiles, uniq)
        tiles, rows = tiles[scanned], rows[scanned]
    along_sky = np.argsort(tiles * (sky.nside_of(tiles.max(initial=4)) // sky.nside_of(tiles)) ** 2)
    tiles, rows = tiles[along_sky], rows[along_sky]
    value = nllh[rows]
    return xr.Dataset(
        {
            "nllh": ("cell", value),
            "ts": ("cell", 2 * (value - nllh[best(skymap)])),
            "row": ("cell", rows),
            "evaluated": ("cell", uniq[rows] == tiles),
        },
        {"uniq": ("cell", tiles)},
        skymap.attrs,
    )


def probability(tiling: xr.Dataset) -> Floats:
    """Return the probability density per steradian of each leaf, flat prior on the sky.

    exp(-nllh), normalised so that the sum over density times area is one; a leaf without value has none.
    """
    nllh = tiling["nllh"].to_numpy()
    weight = np.where(np.isfinite(nllh), np.exp(np.nanmin(nllh) - nllh), 0.0)
    return np.asarray(weight / np.sum(weight * sky.area_sr(tiling["uniq"].to_numpy())))


def whole_sky(skymap: xr.Dataset) -> xr.Dataset:
    """Return a map as people use it: cells that tile the whole sky, and their probability.

    Sky that was not scanned has density 0, so that the density always integrates to one.

    Returns
    -------
    xarray.Dataset
        Dim ``tile`` sorted along the sky; ``uniq``, ``probdensity`` [1/sr] as of `probability`, and ``ts``, which is
        NaN where nothing was scanned.
    """
    tiling = leaves(skymap)
    scanned = tiling["uniq"].to_numpy()
    rest = sky.uncovered(scanned)
    uniq = np.concatenate([scanned, rest])
    density = np.concatenate([probability(tiling), np.zeros(rest.size)])
    ts = np.concatenate([tiling["ts"].to_numpy(), np.full(rest.size, np.nan)])
    order = np.argsort(sky.zuniq_of(uniq))
    columns = {"probdensity": ("tile", density[order]), "ts": ("tile", ts[order])}
    return xr.Dataset(columns, {"uniq": ("tile", uniq[order])})


def content_hash(skymap: xr.Dataset) -> str:
    """Return the SHA-256 of what was asked for and what was found: the same map has the same, wherever it is kept.

    It does not depend on the order in which cells were evaluated, nor on how, when and where. It is that of the
    canonical JSON of the request (``null`` where nobody knows it) and of the columns, by name, as little-endian
    numbers in the order of ``uniq``; all NaN are one.
    """
    request = json.dumps(skymap.attrs.get("request"), sort_keys=True, separators=(",", ":"))
    sha = hashlib.sha256(request.encode())
    order = np.argsort(skymap["uniq"].to_numpy())
    for name, kind in sorted(_TYPES.items()):
        values = skymap[name].to_numpy()[order].astype(kind)
        if values.dtype.kind == "f":
            values[np.isnan(values)] = np.nan  # which may have any of many bit patterns
        sha.update(name.encode() + values.tobytes())
    return sha.hexdigest()


def counts(skymap: xr.Dataset) -> dict[int, int]:
    """Return the number of evaluated cells by nside."""
    nside, number = np.unique(sky.nside_of(skymap["uniq"].to_numpy()), return_counts=True)
    return {int(n): int(count) for n, count in zip(nside, number, strict=True)}


def failures(skymap: xr.Dataset) -> int:
    """Return the number of cells that could not be fitted."""
    return int(np.count_nonzero(skymap["status"].to_numpy() == Status.FAILED))


def _refine(tiles: Ints, rows: Ints, fine: Ints, fine_rows: Ints) -> tuple[Ints, Ints]:
    """Put cells of one resolution in the place of the coarser tiles that hold them."""
    if not tiles.size or not fine.size:
        return np.concatenate([tiles, fine]), np.concatenate([rows, fine_rows])
    level = int(sky.nside_of(fine[0]))
    refined: NDArray[np.bool_] = np.zeros(tiles.size, bool)
    for coarse in np.unique(sky.nside_of(tiles)):
        refined |= np.isin(tiles, sky.parent(fine, int(coarse)))
    inside = [
        (sky.children(tiles[at], level).ravel(), np.repeat(rows[at], (level // int(coarse)) ** 2))
        for coarse in np.unique(sky.nside_of(tiles[refined]))
        for at in [np.flatnonzero(refined & (sky.nside_of(tiles) == coarse))]
    ]
    new = np.concatenate([fine, *(cells for cells, _ in inside)])
    new_rows = np.concatenate([fine_rows, *(parents for _, parents in inside)])
    new, first = np.unique(new, return_index=True)  # keeps the evaluated one: it stands first
    return np.concatenate([tiles[~refined], new]), np.concatenate([rows[~refined], new_rows[first]])
