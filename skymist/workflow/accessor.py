"""``map.skymist``: what can be asked of a sky map, at the map itself.

Importing this module makes the accessor known to xarray; whatever gives out maps does so (`skymist.workflow.maps`,
`skymist.workflow.scan`). What the methods need is imported when they are called.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from skymist.errors import RequestError

if TYPE_CHECKING:
    from skymist.model.comparison import Comparison
    from skymist.model.contour import Contour
    from skymist.model.region import BestFit, Calibration, Region
    from skymist.model.searched import Position
    from skymist.plot.page import Page

SHARES = (0.5, 0.9)


@xr.register_dataset_accessor("skymist")  # type: ignore[no-untyped-call]
class SkyMap:
    """A sky map's own methods; where no calibration is given, it is the usual one of the map.

    Parameters
    ----------
    data : xarray.Dataset
        A sky map, see `skymist.model.skymap`.

    Raises
    ------
    RequestError
        If the dataset is no sky map.

    Examples
    --------
    >>> import skymist
    >>> skymist.read_skymap("scans/run137840.zarr").skymist.regions()[1].area_deg2  # doctest: +SKIP
    2.24
    """

    def __init__(self, data: xr.Dataset) -> None:
        if not {"uniq", "nllh", "status"} <= set(data.variables) or "event" not in data.attrs:
            raise RequestError("this dataset is no sky map: .skymist is for what skymist.load_map reads")
        self._data = data

    def best_fit(self) -> "BestFit":
        """Return the best cell, see `skymist.model.region.BestFit`; radians."""
        from skymist.model.region import best_fit

        return best_fit(self._data)

    def regions(
        self, containments: Sequence[float] = SHARES, calibration: "str | Calibration | None" = None
    ) -> "list[Region]":
        """Return the regions, see `skymist.model.region.region`."""
        from skymist.model.region import region

        return [region(self._data, share, self._by(calibration)) for share in containments]

    def contours(
        self, containments: Sequence[float] = SHARES, calibration: "str | Calibration | None" = None
    ) -> "list[Contour]":
        """Return the contours, see `skymist.model.contour.contours`."""
        from skymist.model.contour import contours

        return contours(self._data, containments, self._by(calibration))

    def position(self, ra: float, dec: float, calibration: "str | Calibration | None" = None) -> "Position":
        """Return what the map says of a position, given in degrees (ICRS); see `skymist.model.searched.position`.

        Raises
        ------
        RequestError
            If it is no position.
        """
        from skymist.model.searched import position

        return position(self._data, float(np.radians(ra % 360)), float(np.radians(dec)), self._by(calibration))

    def compare(self, other: xr.Dataset, calibration: "str | Calibration | None" = None) -> "Comparison":
        """Return how another map differs, see `skymist.model.comparison.compare`.

        If only one of both is a density, they are compared by probability where no calibration is given.
        """
        from skymist.model.comparison import compare
        from skymist.workflow.figures import common_calibration

        return compare(self._data, other, SHARES, calibration or common_calibration(self._data, other))

    def draw(self, kind: str = "combined", **wishes: Any) -> "Page":
        """Return a figure of the map; `kind` and wishes as for `skymist.show`."""
        from skymist.workflow.figures import draw
        from skymist.workflow.show import look_of

        return draw(kind, self._data, look_of(self._data, kind, **wishes))

    def show(self, **how: Any) -> Any:
        """Show the map, see `skymist.show`."""
        from skymist.workflow.show import show

        return show(self._data, **how)

    def _by(self, calibration: "str | Calibration | None") -> "str | Calibration":
        from skymist.workflow.maps import usual_calibration

        return calibration or usual_calibration(self._data)
