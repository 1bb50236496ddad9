"""Files of a sky map, for people and for other tools: one registry, for the command line and for the service."""

import io
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from skymist import plot
from skymist.errors import ReadError, RequestError, UnknownNameError
from skymist.model import region, sky
from skymist.model.contour import Contour, contours
from skymist.model.region import DEFAULT_CALIBRATION, Region
from skymist.plot.drawing import ONE_AT_A_TIME
from skymist.store import contours as outlines
from skymist.store import fits, moc, skyscan
from skymist.store.diagnostics import read_diagnostics
from skymist.store.fits_header import floor_cards
from skymist.store.peers import is_peer_map
from skymist.store.place import LocalPlace, Place, Where, place, write_bytes
from skymist.workflow import products
from skymist.workflow.products import CONTAINMENTS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ENDINGS = re.compile(r"(\.multiorder|\.flat|\.skyscan)?\.(zarr|json|npz|fits)(\.gz)?$")


class Making:
    """A map and what files are made of, each of which is made once, when it is first needed.

    Parameters
    ----------
    data : xarray.Dataset
        A sky map.
    calibration : str
        Of the regions.
    """

    def __init__(self, data: xr.Dataset, calibration: str) -> None:
        self.data, self.calibration = data, calibration

    @cached_property
    def regions(self) -> list[Region]:
        """Those of `CONTAINMENTS`."""
        return [region.region(self.data, share, self.calibration) for share in CONTAINMENTS]

    @cached_property
    def contours(self) -> list[Contour]:
        """Those of `CONTAINMENTS`."""
        return contours(self.data, CONTAINMENTS, self.calibration)

    @cached_property
    def figure(self) -> "Figure":
        """The whole sky and the surroundings of the best fit, with the truth if it is known."""
        return plot.combined_figure(self.data, self.calibration, marks=truth_of(self.data))

    @cached_property
    def meta(self) -> dict[str, Any]:
        """What files say of the map that they are of."""
        event, floor = self.data.attrs["event"], self.data.attrs.get("floor")
        return {
            "run": event["run"], "event": event["event"], "utc": event["utc"], "simulated": bool(event["simulated"]),
            "scan_id": self.data.attrs["scan_id"], "reconstruction": self.data.attrs["reconstruction"]["name"],
            "software": self.data.attrs.get("software", ""), "calibration": self.calibration,
            **({"floor_deg": floor["sigma_deg"]} if floor else {}),
        }  # fmt: skip


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes
    ----------
    write : callable
        (what it is made of, where).
    ending : str
        Usual one of its name.
    media : str
        Its media type.
    about : str
        In a few words, what it is.
    """

    write: Callable[[Making, Place], Any]
    ending: str
    media: str
    about: str


@dataclass(frozen=True)
class Exported:
    """What became of an export in every format.

    Attributes
    ----------
    files : dict
        By format, where it was written.
    failed : dict
        By format, why there is none.
    """

    files: dict[str, Place] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def export(data: xr.Dataset, kind: str, to: Where | None = None, calibration: str = DEFAULT_CALIBRATION) -> Place:
    """Write one file of a sky map.

    Parameters
    ----------
    data : xarray.Dataset
    kind : str
        One of `EXPORTS`.
    to : path, URL or Place, optional
        Beside what the map was read from, under the usual ending, if not given.
    calibration : str
        Of the regions in it.

    Returns
    -------
    Place
        The file.

    Raises
    ------
    UnknownNameError
        If `kind` or the calibration is not known.
    RequestError
        If this map cannot be given in that format, or the file would take the place of the map itself, or ``json``
        that of a result of Skymap Scanner.
    StoreError
        If the file cannot be written.
    """
    return _write(Making(data, calibration), kind, beside(data, kind) if to is None else place(to))


def export_all(data: xr.Dataset, to: Where | None = None, calibration: str = DEFAULT_CALIBRATION) -> Exported:
    """Write a sky map in every format of `EXPORTS`; one that this map cannot be given in holds up no other.

    Parameters
    ----------
    data : xarray.Dataset
    to : path, URL or Place, optional
        A folder; that of the map if not given.
    calibration : str
        Of the regions.

    Raises
    ------
    UnknownNameError
        If there is no such calibration.
    RequestError
        If the calibration does not fit this map, or the map was read from nowhere and no folder is given.
    StoreError
        If a file cannot be written.
    """
    making, found = Making(data, calibration), Exported()
    _ = making.regions  # a calibration that does not fit is wrong for all of them: nothing is written
    for kind in EXPORTS:
        where = beside(data, kind) if to is None else place(to) / name_of(data, kind)
        try:
            found.files[kind] = _write(making, kind, where)
        except (RequestError, ReadError) as error:
            found.failed[kind] = str(error)
    return found


def beside(data: xr.Dataset, kind: str) -> Place:
    """Return where a file goes by default: beside what the map was read from.

    Raises
    ------
    RequestError
        If it was read from nowhere.
    """
    source = _source(data)
    if source is None:
        raise RequestError("the map was read from no file: say where what is made of it goes")
    return source.with_name(name_of(data, kind))


def name_of(data: xr.Dataset, kind: str) -> str:
    """Return the usual name of a file of a map; that of the event if the map was read from nowhere."""
    event = data.attrs["event"]
    source = _source(data)
    stem = _ENDINGS.sub("", source.name if source else "") or f"run{event['run']:08d}.evt{event['event']:012d}"
    floor = f".floor{data.attrs['floor']['sigma_deg']:g}" if "floor" in data.attrs else ""
    return f"{stem}{floor}{format_of(kind).ending}"


def format_of(kind: str) -> Format:
    """Return a format by its name.

    Raises
    ------
    UnknownNameError
    """
    if kind not in EXPORTS:
        raise UnknownNameError("export format", kind, EXPORTS)
    return EXPORTS[kind]


def keep_map(data: xr.Dataset, where: Place) -> None:
    """Refuse a file that would replace a map, or lie in its store; links are followed on disk.

    Raises
    ------
    RequestError
    """
    if "source" not in data.encoding:
        return
    real, kept = (Path(os.path.realpath(str(each))) for each in (where, data.encoding["source"]))
    if real.is_relative_to(kept):
        raise RequestError(f"{where} is the map itself, or in it: give another place for what is made of it")


def truth_of(data: xr.Dataset) -> dict[str, tuple[float, float]]:
    """Return where the particle really came from, as a mark, if the map knows; radians."""
    truth = data.attrs["event"].get("truth")
    return {"truth": (float(np.radians(truth["ra"])), float(np.radians(truth["dec"])))} if truth else {}


def _source(data: xr.Dataset) -> Place | None:
    """Return what a map was read from, under its own name where that was told as ``.`` or ``..``."""
    if "source" not in data.encoding:
        return None
    kept = place(data.encoding["source"])
    return LocalPlace(kept.path.resolve()) if isinstance(kept, LocalPlace) and kept.name in ("", "..") else kept


def _write(making: Making, kind: str, where: Place) -> Place:
    write = format_of(kind).write
    keep_map(making.data, where)
    # The same scan often lies there as JSON and NPZ, and the JSON has the name that our summary would get.
    if kind == "json" and where.exists() and is_peer_map(where.read_bytes()):
        raise RequestError(f"{where} is a map of another program: give another place for what would replace it")
    write(making, where)
    return where


def _fits(making: Making, path: Place) -> None:
    fits.write_multiorder(making.data, path, making.calibration)


def _flat(making: Making, path: Place) -> None:
    fits.write_flat(making.data, path, calibration=making.calibration)


def _figure(making: Making, path: Place, *, kind: str) -> None:
    drawn = io.BytesIO()
    with ONE_AT_A_TIME:
        making.figure.savefig(drawn, format=kind, dpi=150)
    write_bytes(path, drawn.getvalue())


def _csv(making: Making, path: Place) -> None:
    """Every evaluated cell: where it is (degrees), what was fitted there, and what it cost if the map says so."""
    data, uniq = making.data, making.data["uniq"].to_numpy()
    ra, dec = sky.centers(uniq)
    frame = data.drop_dims("axis").to_dataframe().reset_index(drop=True)
    frame.insert(0, "nside", sky.nside_of(uniq))
    frame.insert(1, "ipix_nested", sky.ipix_of(uniq))
    frame.insert(2, "ra", np.degrees(ra))
    frame.insert(3, "dec", np.degrees(dec))
    frame[["x", "y", "z"]] = data["vertex"].to_numpy()
    costs = read_diagnostics(data.encoding["source"]) if "source" in data.encoding else None
    if costs is not None:
        frame = frame.merge(costs.to_dataframe().drop_duplicates("uniq", keep="last"), "left", "uniq")
    write_bytes(path, frame.to_csv(index=False).encode())


def _json(making: Making, path: Place) -> None:
    floor = {key: value for key, value in making.meta.items() if key == "floor_deg"}
    document = {**products.summary(making.data, making.calibration, {}, {}), **floor}
    write_bytes(path, (json.dumps(document, indent=2) + "\n").encode())


def _ecsv(making: Making, path: Place) -> None:
    outlines.write_ecsv(making.contours, path, making.meta)


def _ds9(making: Making, path: Place) -> None:
    outlines.write_ds9(making.contours, path, making.meta)


def _geojson(making: Making, path: Place) -> None:
    outlines.write_geojson(making.contours, path, making.meta)


def _moc(making: Making, path: Place) -> None:
    found = making.regions[-1]
    event, said = making.data.attrs["event"], making.meta
    cards = {
        "OBJECT": f"{event['run']}_{event['event']}", "RUNID": event["run"], "EVENTID": event["event"],
        "DATE-OBS": event["utc"], "SIMULAT": said["simulated"], "SCANID": said["scan_id"],
        "RECO": said["reconstruction"], "CALIBRAT": making.calibration, "CONTAIN": found.containment,
        "TS_LEVEL": found.ts, "AREADEG2": found.area_deg2,
        **{name: value for name, value, _ in floor_cards(making.data.attrs)},
    }  # fmt: skip
    moc.write_moc(found.cells, path, cards)


def _moc_json(making: Making, path: Place) -> None:
    moc.write_moc_json(making.regions[-1].cells, path)


def _skyscan_json(making: Making, path: Place) -> None:
    skyscan.write_json(making.data, path)


def _skyscan_npz(making: Making, path: Place) -> None:
    skyscan.write_npz(making.data, path)


EXPORTS: Mapping[str, Format] = {
    "fits": Format(_fits, ".multiorder.fits.gz", "application/gzip", "probability density, multi-order"),
    "fits-flat": Format(_flat, ".flat.fits.gz", "application/gzip", "probability and TS at one resolution"),
    "png": Format(partial(_figure, kind="png"), ".png", "image/png", "the figure"),
    "pdf": Format(partial(_figure, kind="pdf"), ".pdf", "application/pdf", "the figure"),
    "svg": Format(partial(_figure, kind="svg"), ".svg", "image/svg+xml", "the figure"),
    "csv": Format(_csv, ".csv", "text/csv", "every evaluated cell"),
    "json": Format(_json, ".json", "application/json", "best fit and regions in numbers"),
    "contours-ecsv": Format(_ecsv, ".contours.ecsv", "text/x-ecsv", "50 % and 90 % contours, as a table"),
    "ds9": Format(_ds9, ".contours.reg", "text/plain", "50 % and 90 % contours, as regions"),
    "geojson": Format(_geojson, ".contours.geojson", "application/geo+json", "50 % and 90 % contours, for the web"),
    "moc": Format(_moc, ".moc.fits", "application/fits", "cells of the 90 % region"),
    "moc-json": Format(_moc_json, ".moc.json", "application/json", "cells of the 90 % region"),
    "skyscan-json": Format(_skyscan_json, ".skyscan.json", "application/json", "result as of Skymap Scanner"),
    "skyscan-npz": Format(_skyscan_npz, ".skyscan.npz", "application/zip", "result as of Skymap Scanner, older kind"),
}
"""All formats by name."""
