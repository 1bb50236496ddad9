"""ScanRequest: what was asked for, and the content id under which it is kept and found again."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np

from skymist.errors import RequestError, UnknownNameError
from skymist.model import sky
from skymist.model.event import Event
from skymist.model.reconstruction import Reconstruction
from skymist.model.sky import Ints

MOST_SEEDS = 9
"""A coarser cell and the eight around it: so many fits a cell can start from."""


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
    def parse(cls, text: str, event: Event | None = None) -> Self:
        """Read ``RA,DEC,RADIUS`` or, of a given event, ``SEED,RADIUS``; degrees.

        Parameters
        ----------
        text : str
        event : Event, optional
            Whose earlier reconstructions may be named.

        Raises
        ------
        RequestError
        UnknownNameError
            If the event has no such seed; the message lists those it has.
        """
        name, _, rest = text.partition(",")
        try:
            if event is not None and not _is_number(name):
                return cls.around(event, name.strip(), float(rest))
            ra, dec, radius = (float(part) for part in text.split(","))
        except ValueError:
            usage = "RA,DEC,RADIUS in degrees, such as 139.04,0.37,10, nor SEED,RADIUS, such as OnlineL2_SplineMPE,10"
            raise RequestError(f"cone {text!r} is neither {usage}") from None
        return cls._checked(ra, dec, radius)

    @classmethod
    def around(cls, event: Event, name: str, radius: float) -> Self:
        """Return the circle around an earlier reconstruction of the event.

        Parameters
        ----------
        event : Event
        name : str
            One of ``event.seeds``.
        radius : float
            Degrees.

        Raises
        ------
        RequestError
            If the radius makes no sense, or the seed has no direction.
        UnknownNameError
            If the event has no such seed; the message lists those it has.
        """
        if name not in event.seeds:
            raise UnknownNameError("earlier reconstruction", name, event.seeds)
        seed = event.seeds[name]
        if not np.isfinite([seed.zenith, seed.azimuth]).all():
            raise RequestError(f"no cone around {name}: this earlier reconstruction has no direction")
        ra, dec = np.degrees(sky.to_sky(event.detector, event.time, seed.zenith, seed.azimuth))
        return cls._checked(float(ra), float(dec), radius)

    @classmethod
    def _checked(cls, ra: float, dec: float, radius: float) -> Self:
        if not (np.isfinite(ra) and -90 <= dec <= 90 and 0 < radius <= 180):
            valid = "DEC goes from -90 to 90 and RADIUS from above 0 to 180 degrees"
            raise RequestError(f"a cone of RA {ra}, DEC {dec} and RADIUS {radius}: {valid}")
        return cls(ra % 360, dec, radius)

    def holds(self, uniq: Ints, margin_cells: float = 0.0) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Return which cells have their centre within the radius plus some cell widths, or hold the circle's centre.

        Parameters
        ----------
        uniq : (n,) int64
            NUNIQ numbers.
        margin_cells : float
            By how many widths of a cell the circle is larger for it.
        """
        ra, dec = np.radians(self.ra), np.radians(self.dec)
        reach = np.radians(self.radius) + margin_cells * np.sqrt(sky.area_sr(uniq))
        middle = np.arange(uniq.size) == sky.find(uniq, ra, dec)
        return np.asarray((sky.separation(*sky.centers(uniq), ra, dec) <= reach) | middle)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


DEFAULT_LEVELS = (Level(8, 0), Level(64, 12), Level(512, 24))


def default_levels(reconstruction: Reconstruction) -> tuple[Level, ...]:
    """Return the levels of a scan for which nobody chose any: the reconstruction's own, else `DEFAULT_LEVELS`."""
    return tuple(Level(*level) for level in getattr(reconstruction, "levels", DEFAULT_LEVELS))


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
    seeds : int
        Fits from which each cell starts at the finer levels, the best result counts: that of the coarser cell
        which holds it and then those of the cells around that one, best first; 1 to `MOST_SEEDS`.
    level_options : mapping of int to mapping
        By nside, options that differ from `options` at that level.

    Raises
    ------
    RequestError
        If levels or seeds make no sense, or options are for a level that is not among them.
    """

    event: str
    reconstruction: str
    version: str
    options: Mapping[str, Any] = field(default_factory=dict)
    levels: tuple[Level, ...] = DEFAULT_LEVELS
    cone: Cone | None = None
    seed: int = 0
    seeds: int = 1
    level_options: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _checked(self.levels)
        if not 1 <= self.seeds <= MOST_SEEDS:
            raise RequestError(f"a cell starts from 1 to {MOST_SEEDS} seeds, not from {self.seeds}")
        sides = [level.nside for level in self.levels]
        for nside in self.level_options:
            if nside not in sides:
                raise RequestError(f"options for nside {nside}, but the levels are {', '.join(map(str, sides))}")

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-like values; what came later than the first requests only where it is used."""
        used: dict[str, Any] = {} if self.seeds == 1 else {"seeds": self.seeds}
        if self.level_options:
            used["level_options"] = {str(nside): dict(options) for nside, options in self.level_options.items()}
        return {
            "event": self.event,
            "reconstruction": self.reconstruction,
            "version": self.version,
            "options": dict(self.options),
            "levels": [list(level) for level in self.levels],
            "cone": None if self.cone is None else list(self.cone),
            "seed": self.seed,
            **used,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the request that `to_dict` describes.

        Parameters
        ----------
        values : mapping
        """
        levels = tuple(Level(*level) for level in values["levels"])
        cone = None if values["cone"] is None else Cone(*values["cone"])
        special = {int(nside): options for nside, options in values.get("level_options", {}).items()}
        return cls(**{**values, "levels": levels, "cone": cone, "level_options": special})

    @cached_property
    def id(self) -> str:
        """SHA-256 of the canonical JSON: the same request has the same id, everywhere and always."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()
