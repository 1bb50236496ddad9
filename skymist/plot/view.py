"""What figures of a sky map show, without matplotlib: values at positions, regions, contours, Sun and Moon."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import xarray as xr

from skymist.errors import UnknownNameError
from skymist.model import contour as polygons
from skymist.model import region as regions
from skymist.model import sky
from skymist.model import skymap as maps
from skymist.model.contour import Contour
from skymist.model.region import DEFAULT_CALIBRATION, BestFit, Calibration, Region
from skymist.model.sky import Floats
from skymist.plot.frames import Plane

Marks = Mapping[str, tuple[float, float]]
"""Right ascension and declination of positions to show, by their names; radians."""

Show = Literal["ts", "probability"]
SHOWN = ("ts", "probability")
CONTAINMENTS = (0.5, 0.9)

DEG2 = np.degrees(1.0) ** 2
"""Square degrees in a steradian."""

_LEAST_TS = 1e-3
"""Upper end of a scale of TS at least: a map without information has no TS above 0."""


@dataclass(frozen=True, eq=False)
class View:
    """A sky map, ready to be drawn.

    Attributes
    ----------
    tiling : xarray.Dataset
        Of `skymist.model.skymap.leaves`.
    best : BestFit
    inner, outer : Region
        The 50 and the 90 % region.
    contours : (Contour, Contour)
        Of the same two.
    marks : mapping of str to (ra, dec)
        Radians.
    """

    tiling: xr.Dataset
    best: BestFit
    inner: Region
    outer: Region
    contours: tuple[Contour, Contour]
    marks: Marks

    @property
    def attributes(self) -> dict[Any, Any]:
        """What the map says of itself."""
        return self.tiling.attrs

    @cached_property
    def density(self) -> Floats:
        """Probability by leaf, per square degree."""
        return np.asarray(maps.probability(self.tiling) / DEG2)

    def ts_at(self, ra: Floats, dec: Floats) -> Floats:
        """Return the TS of the leaf at each position, NaN where there is none or no position."""
        return self._at(self.tiling["ts"].to_numpy(), ra, dec)

    def density_at(self, ra: Floats, dec: Floats) -> Floats:
        """Return the probability per square degree at each position, NaN as for `ts_at`."""
        return self._at(self.density, ra, dec)

    def shown_at(self, show: Show, ra: Floats, dec: Floats) -> Floats:
        """Return `ts_at` or `density_at`.

        Raises
        ------
        UnknownNameError
            If it is neither.
        """
        if show not in SHOWN:
            raise UnknownNameError("quantity", show, SHOWN)
        return self.ts_at(ra, dec) if show == "ts" else self.density_at(ra, dec)

    @cached_property
    def bodies(self) -> Marks:
        """Sun and Moon at the time of the event."""
        time = np.datetime64(self.attributes["event"]["utc"], "ns")
        found = {"Sun": sky.sun(time), "Moon": sky.moon(time)}
        return {name: (float(ra), float(dec)) for name, (ra, dec) in found.items()}

    def _at(self, values: Floats, ra: Floats, dec: Floats) -> Floats:
        found = np.full(np.shape(ra), np.nan)
        seen = np.isfinite(ra)
        row = sky.find(self.tiling["uniq"].to_numpy(), ra[seen], dec[seen])
        found[seen] = np.where(row >= 0, values[row], np.nan)
        return found


@dataclass(frozen=True, eq=False)
class Earlier:
    """An earlier result beside which a map is shown.

    Attributes
    ----------
    label : str
    contour : Contour
    ra, dec : float, optional
        Its best fit, radians; a contour alone has none.
    """

    label: str
    contour: Contour
    ra: float | None = None
    dec: float | None = None


def view_of(
    skymap: xr.Dataset, calibration: str | Calibration = DEFAULT_CALIBRATION, marks: Marks | None = None
) -> View:
    """Gather what figures of a map draw.

    Raises
    ------
    ReadError
        If the map has no finite value.
    RequestError, UnknownNameError
        As `skymist.model.region.region` does.
    """
    inner, outer = (regions.region(skymap, containment, calibration) for containment in CONTAINMENTS)
    half, ninety = polygons.contours(skymap, CONTAINMENTS, calibration)
    return View(maps.leaves(skymap), regions.best_fit(skymap), inner, outer, (half, ninety), marks or {})


def earlier_of(given: Sequence[tuple[str, Contour | xr.Dataset]], calibration: str | Calibration) -> list[Earlier]:
    """Return earlier results as they are drawn: of a sky map its 90 % contour and its best fit."""
    found = []
    for label, what in given:
        if isinstance(what, Contour):
            found.append(Earlier(label, what))
        else:
            best = regions.best_fit(what)
            found.append(Earlier(label, polygons.contour(what, 0.9, calibration), best.ra, best.dec))
    return found


def zoom_top(view: View, values: Floats, show: Show) -> float:
    """Return the upper end of the colour scale of the surroundings of the best fit.

    Parameters
    ----------
    view : View
    values : ndarray
        TS or probability per square degree (`show`) at the pixels.
    show : {"ts", "probability"}

    Returns
    -------
    float
        Twice the level of the 90 % region, or the highest TS if that is the whole sky; or the highest density.
    """
    if show == "probability":
        return float(view.density.max())
    top = 2 * view.outer.ts if np.isfinite(view.outer.ts) else float(np.nanmax(values))
    return max(top, _LEAST_TS)


def sky_top(view: View, ts: Floats) -> float:
    """Return the upper end of the colour scale of the whole sky: half of it is below, or the 90 % region in its half.

    Parameters
    ----------
    view : View
    ts : ndarray
        At the pixels, NaN outside of the ellipse.
    """
    seen = ts[np.isfinite(ts)]
    finite = view.outer.ts if np.isfinite(view.outer.ts) else 0.0
    return max(4 * finite, float(np.median(seen)) if seen.size else 0.0, _LEAST_TS)


def change_top(a: View, b: View) -> float:
    """Return the upper end of the colour scale of a difference of TS; its lower end is the negative of it."""
    return max([*(view.outer.ts for view in (a, b) if np.isfinite(view.outer.ts)), _LEAST_TS])


def bodies_in(plane: Plane, view: View) -> Marks:
    """Return those of Sun and Moon that are in a plane."""
    return {name: place for name, place in view.bodies.items() if plane.holds(*place)}


def has_galactic_plane(plane: Plane) -> bool:
    """Return whether the galactic plane crosses a plane around a position."""
    return bool(plane.holds(*sky.galactic_plane(3601)).any())


def reach(region: Region, ra: float, dec: float) -> float:
    """Return how far a region's cells go from a position along x or y of its equal-area plane, at most; radians."""
    x, y = sky.to_plane(*sky.lonlat(sky.corners(region.cells)), ra, dec)
    far = np.abs([x, y])
    return float(np.max(far[np.isfinite(far)], initial=0.0))
