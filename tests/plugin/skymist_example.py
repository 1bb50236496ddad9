"""A complete plug-in: the distance of the first light in each module from a line."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from skymist.detector.light import C
from skymist.errors import RequestError
from skymist.model.event import Event
from skymist.model.reconstruction import Directions, Fit
from skymist.model.request import Level
from skymist.reco.hits import clean


@dataclass(frozen=True)
class TutorialLine:
    """A particle at the speed of light that is near each module when this sees its first light.

    Good to a few degrees; robust against late light as in Aartsen et al., Nucl. Instrum. Meth. A 736 (2014) 143.

    Attributes
    ----------
    scale_m : float
        Distances count with their squares up to this one, and in proportion beyond (Huber's loss).
    """

    scale_m: float = 60.0

    name: ClassVar[str] = "tutorial-line"
    version: ClassVar[str] = "1"
    levels: ClassVar[tuple[Level, ...]] = (Level(4, 0), Level(16, 12), Level(64, 12))

    def __post_init__(self) -> None:
        if not self.scale_m > 0:
            raise RequestError(f"tutorial-line needs scale_m > 0, not {self.scale_m}")

    def __call__(self, event: Event, directions: Directions, start: Fit | None) -> Fit:
        """Return the sum of losses at each direction; nothing is searched for, so no start is needed."""
        hits, n = clean(event), len(directions)
        if len(hits) < 5:
            return Fit.failed(n)
        time = hits.time_ns.mean()
        flown = C * (hits.time_ns - time)
        # Each hit says where the particle was at `time`: flown back from its module, towards the origin.
        place = event.detector.position[hits.module] + flown[:, None] * directions.origin[:, None]
        vertex = np.median(place, axis=1)
        away = np.linalg.norm(place - vertex[:, None], axis=2) / self.scale_m
        nllh = np.where(away < 1, away**2 / 2, away - 0.5).sum(axis=1)
        return Fit(nllh, np.full(n, np.nan), np.full(n, time), vertex, np.zeros(n, np.uint8))
