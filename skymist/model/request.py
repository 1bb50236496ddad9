"""ScanRequest: what was asked for, and the content id under which it is kept and found again."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np

from skymist.errors import RequestError
from skymist.model import sky
from skymist.model.sky import Ints


class Level(NamedTuple):
    """One step of refinement: split `extension` cells of the level before down to `nside`.

    The first level has extension 0: it takes the whole sky (or cone).
    """

    nside: int
    extension: int


class Cone(NamedTuple):
    """A circle on the sky, ICRS, degrees."""

    ra: float
    dec: float
    radius: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``RA,DEC,RADIUS`` in degrees.

        Raises
        ------
        RequestError
        """
        try:
            ra, dec, radius = (float(part) for part in text.split(","))
        except ValueError:
            raise RequestError(f"cone {text!r} is not RA,DEC,RADIUS in degrees, such as 139.04,0.37,10") from None
        if not (np.isfinite(ra) and -90 <= dec <= 90 and 0 < radius <= 180):
            raise RequestError(f"cone {text!r}: DEC goes from -90 to 90 and RADIUS from above 0 to 180 degrees")
        return cls(ra % 360, dec, radius)

    def holds(self, uniq: Ints, margin_cells: float = 0.0) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Return which cells have their centre within the radius plus some cell widths."""
        ra, dec = sky.centers(uniq)
        reach = np.radians(self.radius) + margin_cells * np.sqrt(sky.area_sr(uniq))
        return np.asarray(sky.separation(ra, dec, np.radians(self.ra), np.radians(self.dec)) <= reach)


DEFAULT_LEVELS = (Level(8, 0), Level(64, 12), Level(512, 24))


def parse_levels(text: str) -> tuple[Level, ...]:
    """Read ``NSIDE:EXTENSION,...`` such as ``8:0,64:12,512:24``.

    Raises
    ------
    RequestError
        Unless nside are ascending powers of two, the first extension is 0 and the others positive.

    Examples
    --------
    >>> parse_levels("8:0,64:12")
    (Level(nside=8, extension=0), Level(nside=64, extension=12))
    """
    try:
        levels = tuple(Level(*(int(number) for number in part.split(":"))) for part in text.split(","))
    except (ValueError, TypeError):
        raise RequestError(f"levels {text!r} are not NSIDE:EXTENSION,... such as 8:0,64:12,512:24") from None
    return _checked(levels)


def _checked(levels: tuple[Level, ...]) -> tuple[Level, ...]:
    if not levels or levels[0].extension != 0:
        raise RequestError("the first level has extension 0: it takes the whole sky, as in 8:0,64:12,512:24")
    for level in levels:
        sky.level_nside(level.nside)
    for before, level in pairwise(levels):
        if level.nside <= before.nside:
            raise RequestError(f"levels go from coarse to fine, but {level.nside} follows {before.nside}")
        if level.extension < 1:
            raise RequestError(f"level {level.nside} needs the number of cells to split, at least 1")
    return levels


@dataclass(frozen=True)
class ScanRequest:
    """Everything that decides what a scan finds, and nothing else.

    Attributes
    ----------
    event : str
        Digest of the event.
    reconstruction, version : str
        Name and version.
    options : mapping
        Its fields.
    levels : tuple of Level
    cone : Cone, optional
        Only cells in this circle.
    seed : int
        Of all random numbers.
    """

    event: str
    reconstruction: str
    version: str
    options: Mapping[str, Any] = field(default_factory=dict)
    levels: tuple[Level, ...] = DEFAULT_LEVELS
    cone: Cone | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        _checked(self.levels)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-like values."""
        return {
            "event": self.event,
            "reconstruction": self.reconstruction,
            "version": self.version,
            "options": dict(self.options),
            "levels": [list(level) for level in self.levels],
            "cone": None if self.cone is None else list(self.cone),
            "seed": self.seed,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the request that `to_dict` describes."""
        levels = tuple(Level(*level) for level in values["levels"])
        cone = None if values["cone"] is None else Cone(*values["cone"])
        return cls(**{**values, "levels": levels, "cone": cone})

    @cached_property
    def id(self) -> str:
        """SHA-256 of the canonical JSON: the same request has the same id, everywhere and always."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()
