"""The map while a scan fills it: two small images, their contours and what to say of them, as one JSON document.

No figure is drawn, and no theme is in it: an image says for each pixel how likely the cell there is, as a number from 1
(the best fit) to `HIGHEST`, or 0 where nothing is known; whoever shows it gives these numbers colours. Which pixels
are in which cell follows from where both are along the sky (HEALPix, nested), so that an image takes some milliseconds
however many cells there are. The same rows give the same document.
"""

import json
import struct
import zlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from skymist.errors import RequestError
from skymist.model import contour as polygons
from skymist.model import region as regions
from skymist.model import sky
from skymist.model import skymap as maps
from skymist.model.contour import Contour
from skymist.model.region import DEFAULT_CALIBRATION, Region
from skymist.model.sky import Floats, Ints
from skymist.plot import curves
from skymist.plot.frames import Frame, Plane, frame_of, hammer_grid
from skymist.plot.view import CONTAINMENTS, reach

WIDE, HIGH = 640, 320
"""Pixels of the whole sky."""
NEAR = 400
"""Pixels along a side of the surroundings of the best fit."""
WIDEST = 1.4
"""Half the side of the widest surroundings: their corners stay on the sky."""

HIGHEST = 63
"""Number of what is least likely; finer shades, which nobody tells apart, would make images larger."""
FRACTION = 0.25
"""Of a pixel: what contours are rounded to."""
APART = 1.5
"""Pixels between two points of a contour, about."""
_LEAST_TS = 1e-3
_FINEST = 2**29

Indices = NDArray[np.uint8]


def picture(skymap: xr.Dataset, frame: str = "equatorial", calibration: str = DEFAULT_CALIBRATION) -> dict[str, Any]:
    """Return what a map looks like as far as it is.

    Parameters
    ----------
    skymap : xarray.Dataset
        Complete or growing; of its columns only ``uniq`` and ``nllh`` matter.
    frame : {"equatorial", "galactic", "local"}
        Of the whole sky; the surroundings of the best fit are always in ICRS, north up.
    calibration : str
        Of the regions.

    Returns
    -------
    dict
        JSON-like. ``sky`` and ``near`` are images with their contours: pixels count from the upper left corner, to the
        right and down, and a TS is ``top * ((number - 1) / (highest - 1))**2``, that of the highest or more.
        ``sky.turn`` turns vectors from ICRS into the frame.

    Raises
    ------
    ReadError
        If no cell has a likelihood.
    UnknownNameError
        If there is no such frame, or calibration.
    RequestError
        If the map does not say where its detector is, and the frame is ``"local"``.
    """
    row = maps.best(skymap)
    uniq, nllh = skymap["uniq"].to_numpy(), skymap["nllh"].to_numpy()
    ra, dec = (float(angle) for angle in sky.centers(uniq[row]))
    tiling = _Tiling.of(skymap)
    find = regions.finder(skymap)
    found = [find(containment, calibration) for containment in CONTAINMENTS]
    lines = _contours(skymap, found)
    return {
        "cells": int(uniq.size),
        "failed": int(np.count_nonzero(~np.isfinite(nllh))),
        "levels": {str(nside): number for nside, number in maps.counts(skymap).items()},
        "complete": bool(skymap.attrs.get("complete")),
        "utc": str(skymap.attrs.get("event", {}).get("utc", "")),
        "best": {**_degrees(ra, dec), "nllh": float(nllh[row]), "nside": int(sky.nside_of(uniq[row]))},
        "calibration": found[0].calibration,
        "highest": HIGHEST,
        "fraction": FRACTION,
        "regions": [_told(each) for each in found],
        "sky": _whole(tiling, frame_of(frame, skymap.attrs), skymap.attrs, found[-1], lines, (ra, dec)),
        "near": _near(tiling, found[-1], lines, (ra, dec)),
    }


@dataclass(frozen=True, eq=False)
class _Tiling:
    """Leaves along the sky: where each begins and ends, counted in the finest cells, and its TS."""

    begin: Ints
    end: Ints
    ts: Floats

    @classmethod
    def of(cls, skymap: xr.Dataset) -> "_Tiling":
        leaves = maps.leaves(skymap)
        uniq = leaves["uniq"].to_numpy()
        size = (_FINEST // sky.nside_of(uniq)) ** 2
        begin = sky.ipix_of(uniq) * size
        return cls(begin, begin + size, leaves["ts"].to_numpy())


@dataclass(frozen=True, eq=False)
class _Raster:
    """Pixels of an image that see the sky, in the order of where they are along it.

    Attributes
    ----------
    shape : (int, int)
        Rows and columns.
    order : (n,) int64
        Their places in the image, row by row from the north.
    begin : (n,) int64
        The finest cell that holds the centre of each, ascending.
    """

    shape: tuple[int, int]
    order: Ints
    begin: Ints

    @classmethod
    def of(cls, ra: Floats, dec: Floats) -> "_Raster":
        """Return that of positions of all pixels, rows from south to north, NaN where there is no sky."""
        shape, (ra, dec) = ra.shape, (ra[::-1].ravel(), dec[::-1].ravel())
        seen = np.flatnonzero(np.isfinite(ra))
        cells = sky.ipix_of(sky.cell_at(_FINEST, ra[seen], dec[seen]))
        along = np.argsort(cells, kind="stable")
        return cls((shape[0], shape[1]), seen[along], cells[along])

    def counts(self, tiling: _Tiling) -> Ints:
        """Return how many pixels there are before, in, between and after leaves, alternately; the gaps first."""
        edges = np.searchsorted(self.begin, np.stack([tiling.begin, tiling.end], axis=1).ravel())
        return np.diff(edges, prepend=0, append=self.begin.size)

    def paint(self, counts: Ints, numbers: Indices) -> Indices:
        """Return the image of leaves with these numbers."""
        values = np.zeros(counts.size, np.uint8)
        values[1::2] = numbers
        image = np.zeros(self.shape[0] * self.shape[1], np.uint8)
        image[self.order] = np.repeat(values, counts)
        return image.reshape(self.shape)


def _whole(
    tiling: _Tiling, frame: Frame, attributes: Mapping[Any, Any], outer: Region, lines: list[Contour],
    best: tuple[float, float],
) -> dict[str, Any]:  # fmt: skip
    """Return the whole sky in Hammer projection."""
    raster = _sky_raster(frame.name, _needed(frame, attributes))
    counts = raster.counts(tiling)
    top = _rounded_up(max(4 * _finite(outer.ts), _median(tiling.ts, counts[1::2]), _LEAST_TS))
    x, y = frame.to_hammer(*best)
    return {
        "frame": frame.name, "title": frame.title, "width": WIDE, "height": HIGH, "top": top,
        "middle": float(np.degrees(frame.middle)), "turn": _turn(frame), "best": _packed(*_of_hammer(x, y)),
        "contours": [_paths(*_of_hammer(*curves.in_frame(each.rings(), frame)), (WIDE, HIGH)) for each in lines],
        "image": _encoded(raster.paint(counts, indices(tiling.ts, top))),
    }  # fmt: skip


def _near(tiling: _Tiling, outer: Region, lines: list[Contour], best: tuple[float, float]) -> dict[str, Any]:
    """Return the surroundings of the best fit."""
    plane = _plane(outer, *best)
    raster = _plane_raster(plane)
    counts = raster.counts(tiling)
    seen = tiling.ts[(counts[1::2] > 0) & np.isfinite(tiling.ts)]
    highest = float(seen.max(initial=0.0))
    top = _rounded_up(max(2 * outer.ts if np.isfinite(outer.ts) else highest, _LEAST_TS))
    return {
        **_degrees(plane.ra, plane.dec), "size": plane.size, "side_deg": plane.side_deg, "width": NEAR, "height": NEAR,
        "top": top, "best": _packed(*_of_plane(plane, *plane.to_pixel(*best))),
        "contours": [_paths(*_of_plane(plane, *curves.in_plane(each.rings(), plane)), (NEAR, NEAR)) for each in lines],
        "image": _encoded(raster.paint(counts, indices(tiling.ts, top))),
    }  # fmt: skip


def indices(ts: Floats, top: float) -> Indices:
    """Return the numbers of pixels: 1 at TS 0, the highest from `top` on, by the root between; 0 where TS is NaN."""
    share = np.sqrt(np.clip(np.where(np.isfinite(ts), ts, 0.0) / top, 0.0, 1.0))
    return np.where(np.isnan(ts), 0, 1 + np.rint((HIGHEST - 1) * share)).astype(np.uint8)


def png(image: Indices) -> bytes:
    """Return a grayscale PNG of numbers; cells are areas of one number, which no filter makes smaller."""
    height, width = image.shape
    rows = np.pad(image, ((0, 0), (1, 0)))  # 0 in front of each: as it is
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows.tobytes(), 6)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


def _plane(outer: Region, ra: float, dec: float) -> Plane:
    """Return the part of the sky around a best fit that is shown.

    It is as large as the 90 % region asks for, in steps of a root of two, and has its middle in the middle of a cell of
    a quarter of its size: so it stays where it is while the scan refines what it shows.
    """
    wanted = max(1.25 * reach(outer, ra, dec), 3 * float(np.sqrt(sky.area_sr(outer.cells).min())))
    smaller = max(0, int(np.floor(2 * np.log2(WIDEST / wanted)))) if wanted < WIDEST else 0
    size = WIDEST / 2 ** (smaller / 2)
    order = max(0, int(np.ceil(np.log2(np.sqrt(np.pi / 3) / (size / 4)))))
    middle_ra, middle_dec = sky.centers(sky.cell_at(2**order, ra, dec))
    return Plane(float(middle_ra), float(middle_dec), size, NEAR)


@lru_cache(8)
def _sky_raster(name: str, needed: str) -> _Raster:
    grid = hammer_grid(frame_of(name, json.loads(needed)), WIDE)
    return _Raster.of(grid.ra, grid.dec)


@lru_cache(32)
def _plane_raster(plane: Plane) -> _Raster:
    return _Raster.of(*plane.grid())


def _needed(frame: Frame, attributes: Mapping[Any, Any]) -> str:
    """Return what a frame depends on, as JSON."""
    return json.dumps({key: attributes[key] for key in ("event", "detector")} if frame.zenithal else {})


def _turn(frame: Frame) -> list[list[float]]:
    """Return the matrix that turns vectors from ICRS into a frame."""
    axes = frame.forward(np.array([0.0, np.pi / 2, 0.0]), np.array([0.0, 0.0, np.pi / 2]))
    return [[round(float(each), 7) for each in row] for row in sky.unit(*axes).T]


def _contours(skymap: xr.Dataset, found: list[Region]) -> list[Contour]:
    """Return the contours of regions; none where cells are too small to be told apart."""
    try:
        return polygons.of_regions(skymap, found)
    except RequestError:
        return []


def _paths(x: Floats, y: Floats, size: tuple[int, int]) -> list[list[int]]:
    """Return curves as lists of steps, in `FRACTION` of a pixel, the first of them from the corner: x, y, x, y ...

    What is far out of the image is left out, and what is nearer to the point before than `APART`.
    """
    width, height = size
    gone = ~((np.abs(x - width / 2) < 1.5 * width) & (np.abs(y - height / 2) < 1.5 * height))
    found = []
    for part in np.split(np.arange(x.size), np.flatnonzero(np.diff(gone)) + 1):
        if part.size < 2 or gone[part[0]]:
            continue
        along = np.cumsum(np.hypot(np.diff(x[part], prepend=x[part[0]]), np.diff(y[part], prepend=y[part[0]]))) / APART
        kept = part[np.append(np.diff(np.floor(along), prepend=-1)[:-1] > 0, True)]
        places = np.rint(np.stack([x[kept], y[kept]], axis=-1) / FRACTION).astype(int)
        found.append(np.diff(places, axis=0, prepend=0).ravel().tolist())
    return found


def _packed(x: Any, y: Any) -> list[float]:
    return [round(float(x), 1), round(float(y), 1)]


def _of_hammer(x: Any, y: Any) -> tuple[Any, Any]:
    return (x + 2) * WIDE / 4, (1 - y) * HIGH / 2


def _of_plane(plane: Plane, column: Any, row: Any) -> tuple[Any, Any]:
    return column + 0.5, plane.pixels - row - 0.5


def _told(region: Region) -> dict[str, Any]:
    level = region.ts if np.isfinite(region.ts) else None
    return {"containment": region.containment, "ts": level, "area_deg2": region.area_deg2, "open": region.open}


def _encoded(image: Indices) -> str:
    return b64encode(png(image)).decode()


def _degrees(ra: float, dec: float) -> dict[str, float]:
    return {"ra": float(np.degrees(ra)), "dec": float(np.degrees(dec))}


def _finite(value: float) -> float:
    return value if np.isfinite(value) else 0.0


def _median(ts: Floats, counts: Ints) -> float:
    """Return the median of what is known of the pixels of an image."""
    known = np.isfinite(ts)
    order = np.argsort(ts[known])
    total = np.cumsum(counts[known][order])
    return float(ts[known][order][np.searchsorted(total, total[-1] / 2)]) if total.size and total[-1] else 0.0


def _rounded_up(top: float) -> float:
    """Return a number with two digits that is no smaller: an image stays the same while it changes a little."""
    unit = 10.0 ** (np.floor(np.log10(top)) - 1)
    return float(f"{np.ceil(top / unit - 1e-9) * unit:.6g}")
