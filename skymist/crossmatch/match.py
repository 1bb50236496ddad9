"""Match: the sources of a catalog in the region of an event, and the nearest outside."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from skymist.crossmatch.catalog import SourceCatalog
from skymist.crossmatch.chance import Chance, Rings, chance
from skymist.model import region as regions
from skymist.model import sky
from skymist.model import skymap as maps
from skymist.model.region import DEFAULT_CALIBRATION, Calibration, Region
from skymist.model.searched import searched
from skymist.model.sky import Floats, Ints

_POINTS = 16
"""On the circle of a source's error, to see whether it crosses a border."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A sky map, ready to be matched with catalogs; see `prepare`."""

    ra: float
    dec: float
    half: Region
    ninety: Region
    cells: Ints
    """Of the tiling, sorted."""
    ts: Floats
    searched: Floats
    """By cell, the probability of all cells that are as dense, or denser."""
    searched_area: Floats
    """The same of their areas, square degrees."""
    rings: Rings
    reach: float
    """How far from the best fit the 90 % region goes, at most; radians."""


@dataclass(frozen=True, eq=False)
class Matches:
    """What a catalog has in a region.

    Attributes
    ----------
    catalog : SourceCatalog
    calibration : str
    rows : (k,) int64
        Of the catalog: sources in the 90 % region, the nearest to the best fit first.
    nearest : int or None
        Row of the source outside that is nearest to the best fit.
    separation : (n,) ndarray
        From the best fit, radians, of all sources.
    inside_50, inside_90 : (n,) ndarray of bool
    searched_probability, searched_area_deg2 : (n,) ndarray
        Probability and area of the part of the map that is as dense as where the source is, or denser; 1 and the area
        of the map for one that is nowhere in it.
    ts : (n,) ndarray
        There; NaN for one that is nowhere in the map.
    edge : (n,) ndarray of bool
        Whether the error of the source reaches over the border of the 90 % region.
    area_50, area_90 : float
        Square degrees.
    chance : Chance
    """

    catalog: SourceCatalog
    calibration: str
    rows: NDArray[np.int64]
    nearest: int | None
    separation: Floats
    inside_50: NDArray[np.bool_]
    inside_90: NDArray[np.bool_]
    searched_probability: Floats
    searched_area_deg2: Floats
    ts: Floats
    edge: NDArray[np.bool_]
    area_50: float
    area_90: float
    chance: Chance

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-like values: degrees, ICRS."""
        return {
            "catalog": self.catalog.about(), "calibration": self.calibration, "area_50": self.area_50,
            "area_90": self.area_90, "inside": [self._row(row) for row in self.rows],
            "nearest": None if self.nearest is None else self._row(self.nearest), "chance": asdict(self.chance),
        }  # fmt: skip

    def _row(self, row: int) -> dict[str, Any]:
        catalog = self.catalog
        error, ts = float(np.degrees(catalog.error_90[row])), float(self.ts[row])
        return {
            "name": str(catalog.names[row]), "ra": float(np.degrees(catalog.ra[row])),
            "dec": float(np.degrees(catalog.dec[row])), "separation_deg": float(np.degrees(self.separation[row])),
            "inside_50": bool(self.inside_50[row]), "inside_90": bool(self.inside_90[row]),
            "edge": bool(self.edge[row]), "searched_probability": float(self.searched_probability[row]),
            "searched_area_deg2": float(self.searched_area_deg2[row]), "ts": None if np.isnan(ts) else ts,
            "error_90_deg": None if np.isnan(error) else error,
            "properties": {key: _plain(values[row]) for key, values in catalog.properties.items()},
        }  # fmt: skip


def prepare(skymap: xr.Dataset, calibration: str | Calibration = DEFAULT_CALIBRATION) -> Prepared:
    """Return a sky map ready for `match`: regions, and the searched probability of each cell.

    Raises
    ------
    ReadError
        If the map has no finite value.
    UnknownNameError
        If no calibration has that name.
    """
    best = regions.best_fit(skymap)
    tiling = maps.leaves(skymap)
    cells, density = tiling["uniq"].to_numpy(), maps.probability(tiling)
    searched_probability, searched_area = searched(tiling["ts"].to_numpy(), density, sky.area_sr(cells))
    by_number = np.argsort(cells)
    cells = cells[by_number]
    half, ninety = (regions.region(skymap, share, calibration) for share in (0.5, 0.9))
    return Prepared(
        best.ra, best.dec, half, ninety, cells, tiling["ts"].to_numpy()[by_number], searched_probability[by_number],
        searched_area[by_number], Rings.of_cells(cells), _reach(ninety, best.ra, best.dec),
    )  # fmt: skip


def match(prepared: Prepared, catalog: SourceCatalog) -> Matches:
    """Return the sources of a catalog in the 50 % and 90 % regions, and what chance gives."""
    ra, dec = catalog.ra, catalog.dec
    at = sky.find(prepared.cells, ra, dec)
    there = at >= 0
    ts = np.where(there, prepared.ts[at], np.nan)
    inside_50, inside_90 = ts <= prepared.half.ts, ts <= prepared.ninety.ts
    separation = sky.separation(ra, dec, prepared.ra, prepared.dec)
    outside = np.flatnonzero(~inside_90)
    # Probabilities of all that is far from the best fit are the same in a computer; TS goes on.
    best = prepared.ts <= np.nanmin(ts, initial=np.inf)
    rows = np.flatnonzero(inside_90)
    return Matches(
        catalog, prepared.ninety.calibration, rows[np.argsort(separation[rows])],
        int(outside[np.argmin(separation[outside])]) if outside.size else None, separation, inside_50, inside_90,
        np.where(there, prepared.searched[at], 1.0),
        np.where(there, prepared.searched_area[at], prepared.searched_area.max(initial=0.0)), ts,
        _edge(prepared, catalog, inside_90, separation), prepared.half.area_deg2, prepared.ninety.area_deg2,
        chance(prepared.rings, prepared.ts <= prepared.ninety.ts, best, dec, rows.size, prepared.ninety.area_deg2,
               prepared.dec),
    )  # fmt: skip


def _edge(
    prepared: Prepared, catalog: SourceCatalog, inside: NDArray[np.bool_], separation: Floats
) -> NDArray[np.bool_]:
    """Return whether the circle of a source's error is partly in the region, and partly not."""
    edge = np.zeros(len(catalog.names), bool)
    rows = np.flatnonzero(separation <= prepared.reach + catalog.error_90)  # not where that is unknown
    if rows.size:
        around = np.linspace(0, 2 * np.pi, _POINTS, endpoint=False)
        ra, dec = _circle(catalog.ra[rows], catalog.dec[rows], catalog.error_90[rows], around)
        edge[rows] = np.any(prepared.ninety.contains(ra, dec) != inside[rows, None], axis=1)
    return edge


def _reach(region: Region, ra: float, dec: float) -> float:
    """Return how far from a position a region goes, at most: cells are at most 1.6 times as long as wide."""
    far = sky.separation(*sky.centers(region.cells), ra, dec)
    return float(np.max(far + 1.6 * np.sqrt(sky.area_sr(region.cells)), initial=0.0))


def _circle(ra: Floats, dec: Floats, radius: Floats, around: Floats) -> tuple[Floats, Floats]:
    """Return points on circles, shape (circles, points)."""
    dec, radius = dec[:, None], radius[:, None]
    sine = np.sin(dec) * np.cos(radius) + np.cos(dec) * np.sin(radius) * np.cos(around)
    east = np.arctan2(np.sin(around) * np.sin(radius) * np.cos(dec), np.cos(radius) - np.sin(dec) * sine)
    return (ra[:, None] + east) % (2 * np.pi), np.arcsin(np.clip(sine, -1, 1))


def _plain(value: Any) -> Any:
    found = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(found, float) and not np.isfinite(found) else found
