"""bowl: a likelihood known in closed form, to test and demonstrate everything around a reconstruction."""

import time
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from skymist.model.event import Event
from skymist.model.options import check, limits
from skymist.model.reconstruction import Directions, Fit, Status
from skymist.model.sky import separation


@dataclass(frozen=True)
class Bowl:
    """A Gaussian around one place on the sky: nllh = separation**2 / (2 width**2), whatever the event.

    Attributes
    ----------
    ra_deg, dec_deg : float
        The minimum, ICRS.
    width_deg : float
        Standard deviation in each of two directions.
    seconds : float
        Sleep per direction, without the GIL.
    fail_declination_deg : float
        Directions north of it fail.
    """

    ra_deg: float = field(default=120.0, metadata=limits(unit="deg"))
    dec_deg: float = field(default=30.0, metadata=limits(unit="deg"))
    width_deg: float = field(default=1.0, metadata=limits(above=0, unit="deg"))
    seconds: float = field(default=0.0, metadata=limits(minimum=0, unit="s"))
    fail_declination_deg: float = field(default=90.0, metadata=limits(unit="deg"))

    name: ClassVar[str] = "bowl"
    version: ClassVar[str] = "1"

    def __post_init__(self) -> None:
        check(self)

    @property
    def cell_seconds(self) -> tuple[float, float]:
        """Seconds of a cell at the first level and at a finer one."""
        return self.seconds + 1e-5, self.seconds + 1e-5

    def __call__(self, event: Event, directions: Directions, start: Fit | None) -> Fit:  # noqa: ARG002 (the protocol's)
        """Return the closed form; energy, time and vertex are made up from the direction."""
        if self.seconds > 0:
            time.sleep(self.seconds * len(directions))
        ra, dec, width = np.radians([self.ra_deg, self.dec_deg, self.width_deg])
        away = separation(directions.ra, directions.dec, ra, dec)
        failed = directions.dec > np.radians(self.fail_declination_deg)
        known = np.where(failed, np.nan, 1.0)
        return Fit(
            known * away**2 / (2 * width**2),
            (known * 1e5 * (1 + directions.origin[:, 2] ** 2)).astype("<f4"),
            known * (1e4 + 100 * away),
            (known[:, None] * 100 * directions.origin).astype("<f4"),
            np.where(failed, Status.FAILED, Status.OK),
        )
