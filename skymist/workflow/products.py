"""From a sky map to what is said of it, as JSON-like values; files are made by `skymist.workflow.exports`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import xarray as xr

from skymist.errors import RequestError
from skymist.model import region, sky, skymap
from skymist.model.approximation import circle, ellipse
from skymist.model.calibrations import side_by_side
from skymist.model.comparison import agreement, compare
from skymist.model.contour import Contour, contours
from skymist.model.detector import Detector
from skymist.model.extent import CENTRES, CONTOUR, CORNERS, of_centres, of_contour, of_corners
from skymist.model.searched import position
from skymist.store.place import Where
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


def regions(
    data: xr.Dataset, calibration: str, containments: Sequence[float] = CONTAINMENTS, *, compared: bool = False
) -> dict[str, Any]:
    """Return what is to be said about the regions of a map, as JSON-like values (degrees).

    Parameters
    ----------
    data : xarray.Dataset
        A sky map.
    calibration : str
    containments : sequence of float
    compared : bool
        Whether to add ``calibrations``: the same regions by all calibrations that fit the map.

    Returns
    -------
    dict
        ``regions`` by containment in percent: ``ts``, ``area_deg2`` of the cells, ``contour_area_deg2`` and
        ``perimeter_deg`` of the polygons, ``pieces`` and ``holes`` of these, ``open``, and ``errors`` by each of
        `skymist.model.extent.CONVENTIONS`: ``ra_plus``, ``ra_minus``, ``dec_plus``, ``dec_minus``.

    Raises
    ------
    RequestError
        If a containment makes no sense or the calibration does not have it.
    """
    outlines = contours(data, containments, calibration)
    find, best = region.finder(data), region.best_fit(data)
    said = {
        _percent(each.containment): _of_contour(each, find(each.containment, calibration), best) for each in outlines
    }
    others = {"calibrations": [asdict(row) for row in side_by_side(data, containments)]} if compared else {}
    return dict(plain({**_about(data, calibration), "regions": said, **others}))


def shapes(data: xr.Dataset, calibration: str, containments: Sequence[float] = CONTAINMENTS) -> dict[str, Any]:
    """Return circle and ellipse for each region of a map with what they lose, as JSON-like values (degrees).

    Raises
    ------
    RequestError
        If a containment makes no sense or the calibration does not have it.
    """
    found = {
        _percent(share): {
            "circle": _in_degrees(asdict(circle(data, share, calibration))),
            "ellipse": _in_degrees(asdict(ellipse(data, share, calibration))),
        }
        for share in containments
    }
    return dict(plain({**_about(data, calibration), "shapes": found}))


def locate(data: xr.Dataset, ra: float, dec: float, calibration: str) -> dict[str, Any]:
    """Return what a map says of a position, as JSON-like values.

    Parameters
    ----------
    data : xarray.Dataset
        A sky map.
    ra, dec : float
        ICRS, degrees.
    calibration : str
        Of the regions.

    Raises
    ------
    RequestError
        If it is no position.
    """
    if not (np.isfinite(ra) and abs(dec) <= 90):
        raise RequestError(f"{ra:g}, {dec:g} is no position on the sky: give right ascension and declination, degrees")
    found = _in_degrees(asdict(position(data, np.radians(ra % 360), np.radians(dec), calibration)))
    return dict(plain({**_about(data, calibration), "position": {**found, "ra": ra % 360, "dec": dec}}))


def difference(a: xr.Dataset, b: xr.Dataset, calibration: str) -> dict[str, Any]:
    """Return how two maps compare, as JSON-like values; see `skymist.model.comparison.Comparison`.

    ``cells`` is how far the same cells have the same values, see `skymist.model.comparison.Agreement`.

    Raises
    ------
    RequestError
        If the calibration does not fit both.
    """
    found, cells = asdict(compare(a, b, CONTAINMENTS, calibration)), asdict(agreement(a, b))
    return dict(plain({"a": _name(a), "b": _name(b), **found, "cells": cells, "calibration": calibration}))


def _about(data: xr.Dataset, calibration: str) -> dict[str, Any]:
    return {**_name(data), "calibration": calibration}


def _name(data: xr.Dataset) -> dict[str, Any]:
    """Return which map it is."""
    event = {key: data.attrs["event"][key] for key in _EVENT}
    reconstruction = data.attrs["reconstruction"]["name"]
    floor = {"floor_deg": data.attrs["floor"]["sigma_deg"]} if "floor" in data.attrs else {}
    return {"scan_id": data.attrs["scan_id"], "event": event, "reconstruction": reconstruction, **floor}


_EVENT = "run", "event", "utc", "kind", "simulated"


def _of_contour(found: Contour, cells: region.Region, best: region.BestFit) -> dict[str, Any]:
    errors = {CORNERS: of_corners(cells), CENTRES: of_centres(cells, best), CONTOUR: of_contour(found, best)}
    return {
        "ts": cells.ts, "area_deg2": cells.area_deg2, "contour_area_deg2": found.area_deg2,
        "perimeter_deg": found.perimeter_deg, "pieces": len(found.polygons),
        "holes": sum(len(rings) - 1 for rings in found.polygons), "open": cells.open,
        "errors": {name: each._asdict() for name, each in errors.items()},
    }  # fmt: skip


def _in_degrees(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "ra": np.degrees(found["ra"]), "dec": np.degrees(found["dec"])}


def _site(data: xr.Dataset) -> Detector:
    """Return the detector of a map as far as directions need it: its place on Earth."""
    nothing = np.empty((0, 2), np.int16), np.empty((0, 3)), np.empty(0)
    return Detector(data.attrs["detector"]["name"], *nothing, *(data.attrs["detector"][key] for key in _PLACE))


_PLACE = ("latitude_deg", "longitude_deg", "x_bearing_deg")


def _percent(share: float) -> str:
    """Return a containment as the name of a region: different ones have different names."""
    return f"{100 * share:.12g}"


def _level(data: xr.Dataset, share: float, calibration: str) -> dict[str, float]:
    found = region.region(data, share, calibration)
    return {"ts": found.ts, "area_deg2": found.area_deg2}


def _region(data: xr.Dataset, share: float, calibration: str) -> dict[str, float | bool]:
    found = region.region(data, share, calibration)
    keys = ("area_deg2", "ra_plus", "ra_minus", "dec_plus", "dec_minus", "ts", "open")
    return {key: getattr(found, key) for key in keys}
