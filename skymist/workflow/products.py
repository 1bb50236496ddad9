"""From a sky map to what people take away: one summary, and files."""

import io
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from skymist import plot
from skymist.errors import UnknownNameError
from skymist.model import region, sky, skymap
from skymist.model.detector import Detector
from skymist.store import fits
from skymist.store.diagnostics import read_diagnostics
from skymist.store.place import Place, Where, place, write_bytes
from skymist.workflow.plain import plain

CONTAINMENTS = (0.5, 0.9)
COMPARED = ("wilks", "icecube-2016", region.RESIMULATED.name)
STAGES = ("read", "setup", "compute", "write")


def summary(
    data: xr.Dataset, calibration: str, seconds: Mapping[str, float], outputs: Mapping[str, Where | None]
) -> dict[str, Any]:
    """Return what is to be said about a map, as JSON-like values (degrees, ICRS, None where unknown).

    Parameters
    ----------
    data : xarray.Dataset
        A sky map.
    calibration : str
        Of the regions.
    seconds : mapping
        By stage, 0 for those of `STAGES` that are missing; the total is added.
    outputs : mapping
        Files by kind: paths or URLs.

    Raises
    ------
    ReadError
        If no cell has a finite value.
    UnknownNameError
        If no calibration has that name.
    """
    best = region.best_fit(data)
    zenith, azimuth = sky.to_detector(_site(data), np.datetime64(data.attrs["event"]["utc"], "ns"), best.ra, best.dec)
    document = {
        "scan_id": data.attrs["scan_id"],
        "event": {key: data.attrs["event"][key] for key in ("run", "event", "utc", "mjd", "kind")},
        "reconstruction": data.attrs["reconstruction"],
        "best": {
            "ra": np.degrees(best.ra),
            "dec": np.degrees(best.dec),
            "zenith": np.degrees(zenith),
            "azimuth": np.degrees(azimuth),
            "nllh": best.nllh,
            "energy_gev": best.energy_gev,
            "ra_interpolated": np.degrees(best.ra_interpolated),
            "dec_interpolated": np.degrees(best.dec_interpolated),
        },
        "calibration": calibration,
        "regions": {_percent(share): _region(data, share, calibration) for share in CONTAINMENTS},
        "resimulated": resimulated(data),
        "cells": {str(nside): count for nside, count in skymap.counts(data).items()},
        "failed_cells": skymap.failures(data),
        "complete": bool(data.attrs["complete"]),
        "simulated": bool(data.attrs["event"]["simulated"]),
        "truth": data.attrs["event"].get("truth"),
        "seconds": {**dict.fromkeys(STAGES, 0.0), **seconds, "total": sum(seconds.values())},
        "outputs": {kind: None if path is None else str(path) for kind, path in outputs.items()},
    }
    return dict(plain(document))


def resimulated(data: xr.Dataset) -> dict[str, Any] | None:
    """Return the map's own calibration, and under ``compared`` what it changes; None if it has none.

    ``compared`` has by calibration and containment the ``ts`` and the ``area_deg2`` of the region.
    """
    if "calibration" not in data.attrs:
        return None
    compared = {name: {_percent(share): _level(data, share, name) for share in CONTAINMENTS} for name in COMPARED}
    return dict(plain({**data.attrs["calibration"], "compared": compared}))


def export(
    data: xr.Dataset, kind: str, where: Where | None = None, calibration: str = region.DEFAULT_CALIBRATION
) -> Place:
    """Write one file of a sky map.

    Parameters
    ----------
    data : xarray.Dataset
    kind : str
        One of `EXPORTS`.
    where : path, URL or Place, optional
        Beside the store that the map was read from, under the usual ending, if not given.
    calibration : str
        Of the regions named in it.

    Returns
    -------
    Place
        The file.

    Raises
    ------
    UnknownNameError
        If `kind` is not known.
    StoreError
        If the file cannot be written.
    """
    if kind not in EXPORTS:
        raise UnknownNameError("export format", kind, EXPORTS)
    write, ending = EXPORTS[kind]
    if where is None:
        store = place(data.encoding["source"])
        where = store.with_name(store.name.removesuffix(".zarr") + ending)
    write(data, place(where), calibration)
    return place(where)


def _fits(data: xr.Dataset, path: Place, calibration: str) -> None:
    fits.write_multiorder(data, path, calibration)


def _flat(data: xr.Dataset, path: Place, calibration: str) -> None:
    fits.write_flat(data, path, calibration=calibration)


def _figure(data: xr.Dataset, path: Place, calibration: str, *, kind: str) -> None:
    truth, drawn = data.attrs["event"].get("truth"), io.BytesIO()
    marks = {"truth": (np.radians(truth["ra"]), np.radians(truth["dec"]))} if truth else {}
    plot.combined_figure(data, calibration, marks=marks).savefig(drawn, format=kind, dpi=150)
    write_bytes(path, drawn.getvalue())


def _csv(data: xr.Dataset, path: Place, _: str) -> None:
    """Every evaluated cell: where it is (degrees), what was fitted there, and what it cost if the map says so."""
    uniq = data["uniq"].to_numpy()
    ra, dec = sky.centers(uniq)
    frame = data.drop_dims("axis").to_dataframe().reset_index(drop=True)
    frame.insert(0, "nside", sky.nside_of(uniq))
    frame.insert(1, "ipix_nested", sky.ipix_of(uniq))
    frame.insert(2, "ra", np.degrees(ra))
    frame.insert(3, "dec", np.degrees(dec))
    frame[["x", "y", "z"]] = data["vertex"].to_numpy()
    if (costs := read_diagnostics(data.encoding["source"])) is not None:
        frame = frame.merge(costs.to_dataframe().drop_duplicates("uniq", keep="last"), "left", "uniq")
    write_bytes(path, frame.to_csv(index=False).encode())


def _json(data: xr.Dataset, path: Place, calibration: str) -> None:
    write_bytes(path, (json.dumps(summary(data, calibration, {}, {}), indent=2) + "\n").encode())


EXPORTS: dict[str, tuple[Callable[[xr.Dataset, Place, str], None], str]] = {
    "fits": (_fits, ".multiorder.fits.gz"),
    "fits-flat": (_flat, ".flat.fits.gz"),
    "png": (partial(_figure, kind="png"), ".png"),
    "pdf": (partial(_figure, kind="pdf"), ".pdf"),
    "svg": (partial(_figure, kind="svg"), ".svg"),
    "csv": (_csv, ".csv"),
    "json": (_json, ".json"),
}
"""Export formats: how each is written, and the usual ending of its file."""


def _site(data: xr.Dataset) -> Detector:
    """Return the detector of a map as far as directions need it: its place on Earth."""
    nothing = np.empty((0, 2), np.int16), np.empty((0, 3)), np.empty(0)
    return Detector(data.attrs["detector"]["name"], *nothing, *(data.attrs["detector"][key] for key in _PLACE))


_PLACE = ("latitude_deg", "longitude_deg", "x_bearing_deg")


def _percent(share: float) -> str:
    return f"{100 * share:g}"


def _level(data: xr.Dataset, share: float, calibration: str) -> dict[str, float]:
    found = region.region(data, share, calibration)
    return {"ts": found.ts, "area_deg2": found.area_deg2}


def _region(data: xr.Dataset, share: float, calibration: str) -> dict[str, float | bool]:
    found = region.region(data, share, calibration)
    keys = ("area_deg2", "ra_plus", "ra_minus", "dec_plus", "dec_minus", "ts", "open")
    return {key: getattr(found, key) for key in keys}
