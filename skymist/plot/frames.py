"""Where positions are in a view: coordinate frames, the Hammer ellipse and the plane around a position.

Every frame is right-handed and seen from inside the sphere, so longitudes grow to the left.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from skymist.errors import RequestError, UnknownNameError
from skymist.model import sky
from skymist.model.detector import Detector
from skymist.model.sky import Floats

FrameName = Literal["equatorial", "galactic", "local"]
FRAMES = ("equatorial", "galactic", "local")

_STEPS_DEG = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 45, 90)
_PARALLELS = range(-60, 90, 30)
_MERIDIANS = range(-120, 180, 60)
_SITE = ("latitude_deg", "longitude_deg", "x_bearing_deg")

_Turn = Callable[[Any, Any], tuple[Floats, Floats]]

Curve = tuple[Floats, Floats]
"""x and y of its points."""


@dataclass(frozen=True)
class Frame:
    """Coordinates of the whole sky.

    Attributes
    ----------
    name : str
        One of `FRAMES`.
    title : str
        As people write it.
    middle : float
        Longitude in the middle of the view, radians.
    forward, backward : callable
        (ra, dec) to longitude and latitude, and back; radians.
    zenithal : bool
        Whether people count from the upper pole (zenith angle) instead of from the equator.
    """

    name: str
    title: str
    middle: float
    forward: _Turn
    backward: _Turn
    zenithal: bool = False

    def to_hammer(self, ra: Any, dec: Any) -> tuple[Floats, Floats]:
        """Return the place of ICRS positions on the ellipse."""
        return to_hammer(*self.forward(ra, dec), self.middle)

    def from_hammer(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return the ICRS positions of points of the ellipse, NaN outside of it."""
        lon, lat = from_hammer(x, y, self.middle)
        ra, dec = np.full(lon.shape, np.nan), np.full(lon.shape, np.nan)
        seen = np.isfinite(lon)
        ra[seen], dec[seen] = self.backward(lon[seen], lat[seen])
        return ra, dec

    def latitude(self, degrees: int) -> str:
        """Return how people name a parallel."""
        return f"{90 - degrees}°" if self.zenithal else signed(degrees)


def frame_of(name: str, attributes: Mapping[Any, Any]) -> Frame:
    """Return a frame by its name.

    Parameters
    ----------
    name : str
        One of `FRAMES`: ICRS, galactic, or zenith and azimuth in the detector at the time of the event.
    attributes : mapping
        Of the sky map: ``event`` and, for the detector's frame, ``detector``.

    Raises
    ------
    UnknownNameError
        If there is no such frame.
    RequestError
        If the map does not say where its detector is, and that is needed.
    """
    if name == "equatorial":
        return Frame(name, "ICRS", np.pi, _unchanged, _unchanged)
    if name == "galactic":
        return Frame(name, "galactic coordinates", 0.0, sky.to_galactic, sky.from_galactic)
    if name == "local":
        return _local(attributes)
    raise UnknownNameError("frame", name, FRAMES)


def _unchanged(ra: Any, dec: Any) -> tuple[Floats, Floats]:
    return np.asarray(ra, float), np.asarray(dec, float)


def _local(attributes: Mapping[Any, Any]) -> Frame:
    """Return the detector's frame: latitude counts from its horizon up."""
    site = attributes.get("detector", {})
    if not set(_SITE) <= set(site):
        raise RequestError("the map does not say where its detector is, which the frame 'local' needs")
    place = [float(site[key]) for key in _SITE]
    detector = Detector(str(site.get("name", "")), np.empty((0, 2), np.int16), np.empty((0, 3)), np.empty(0), *place)
    time = np.datetime64(attributes["event"]["utc"], "ns")

    def forward(ra: Any, dec: Any) -> tuple[Floats, Floats]:
        zenith, azimuth = sky.to_detector(detector, time, ra, dec)
        return azimuth, np.pi / 2 - zenith

    def backward(lon: Any, lat: Any) -> tuple[Floats, Floats]:
        return sky.to_sky(detector, time, np.pi / 2 - np.asarray(lat, float), lon)

    return Frame("local", f"zenith and azimuth, {detector.name or 'detector'}", np.pi, forward, backward, zenithal=True)


@dataclass(frozen=True, eq=False)
class Grid:
    """A raster: where the centres of its pixels are in the view, ascending, and on the sky (radians)."""

    x: Floats
    y: Floats
    ra: Floats
    dec: Floats

    @property
    def range(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The outer edges of the first and the last pixel, along x and along y."""
        return _edges(self.x), _edges(self.y)


def _edges(line: Floats) -> tuple[float, float]:
    half = (line[1] - line[0]) / 2
    return float(line[0] - half), float(line[-1] + half)


def hammer_grid(frame: Frame, columns: int) -> Grid:
    """Return the pixels of the Hammer ellipse, half as many rows as columns; those outside of it have no position.

    Together they fill abs(x) <= 2 and abs(y) <= 1: the first centre is half a pixel within.
    """
    x, y = ((2 * np.arange(n) + 1 - n) / (columns / 2) for n in (columns, columns // 2))
    return Grid(x, y, *frame.from_hammer(*np.meshgrid(x, y)))


class LineName(NamedTuple):
    """What a line of a graticule is called, and where that is written; `degrees` are those from the middle."""

    text: str
    degrees: int
    x: float
    y: float


@dataclass(frozen=True, eq=False)
class Graticule:
    """Lines of equal longitude and latitude on the Hammer ellipse.

    Attributes
    ----------
    lines : tuple of Curve
        Parallels and meridians.
    sides : (Curve, Curve)
        The right and the left half of the outline, each from south to north.
    parallels, meridians : tuple of LineName
        The former are named at the right edge, the latter at the equator.
    """

    lines: tuple[Curve, ...]
    sides: tuple[Curve, Curve]
    parallels: tuple[LineName, ...]
    meridians: tuple[LineName, ...]


def hammer_graticule(frame: Frame) -> Graticule:
    """Return the graticule of a frame, every 30 degrees of latitude and 60 of longitude."""
    turn, tilt = np.linspace(-np.pi, np.pi, 181), np.linspace(-np.pi / 2, np.pi / 2, 91)
    up, across = np.radians(_PARALLELS), np.radians(_MERIDIANS)
    lines = [hammer_of_offset(turn, each) for each in up] + [hammer_of_offset(each, tilt) for each in across]
    middle = np.degrees(frame.middle)
    return Graticule(
        tuple(lines), (hammer_of_offset(-np.pi, tilt), hammer_of_offset(np.pi, tilt)),
        _names([frame.latitude(each) for each in _PARALLELS], _PARALLELS, hammer_of_offset(-np.pi, up)),
        _names([f"{round(middle + each) % 360}°" for each in _MERIDIANS], _MERIDIANS, hammer_of_offset(across, 0.0)),
    )  # fmt: skip


def _names(texts: Sequence[str], degrees: Sequence[int], at: Curve) -> tuple[LineName, ...]:
    return tuple(map(LineName, texts, degrees, at[0].tolist(), at[1].tolist()))


def to_hammer(lon: Any, lat: Any, middle: float = np.pi) -> tuple[Floats, Floats]:
    """Project on the Hammer ellipse (Calabretta & Greisen 2002, A&A 395, 1077, sect. 5.3.3 without its scale).

    Parameters
    ----------
    lon, lat : array_like
        Radians.
    middle : float
        The longitude of x = 0.

    Returns
    -------
    x, y : ndarray
        abs(x) <= 2 and abs(y) <= 1; longitudes grow to the left.
    """
    half = ((middle - np.asarray(lon, float) + np.pi) % (2 * np.pi) - np.pi) / 2
    return _ellipse(half, lat)


def from_hammer(x: Any, y: Any, middle: float = np.pi) -> tuple[Floats, Floats]:
    """Return longitude in [0, 2 pi) and latitude of points of the ellipse, NaN outside."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    square = np.where(x**2 / 4 + y**2 <= 1, x**2 / 8 + y**2 / 2, np.nan)
    z = np.sqrt(1 - square)
    half = np.arctan2(z * x / np.sqrt(2), 2 * z**2 - 1)
    return (middle - 2 * half) % (2 * np.pi), np.arcsin(np.clip(z * y * np.sqrt(2), -1, 1))


def hammer_of_offset(offset: Any, lat: Any) -> tuple[Floats, Floats]:
    """Project points whose longitude is `offset` from the middle, from -pi to pi: that keeps both sides of the seam."""
    return _ellipse(-np.asarray(offset, float) / 2, lat)


def _ellipse(half: Floats, lat: Any) -> tuple[Floats, Floats]:
    scale = 1 / np.sqrt(1 + np.cos(lat) * np.cos(half))
    return np.asarray(2 * scale * np.cos(lat) * np.sin(half)), np.asarray(scale * np.sin(lat))


@dataclass(frozen=True)
class Plane:
    """A square, equal-area image (ZEA) around a position, north up and east to the left.

    Attributes
    ----------
    ra, dec : float
        Its middle, radians.
    size : float
        Half a side, radians in the plane.
    pixels : int
        Along a side.
    """

    ra: float
    dec: float
    size: float
    pixels: int = 480

    @property
    def step(self) -> float:
        """Side of a pixel, radians."""
        return 2 * self.size / self.pixels

    @property
    def side_deg(self) -> float:
        """Side of the image in degrees on the sky, along the middle."""
        return float(np.degrees(4 * np.arcsin(min(self.size / 2, 1.0))))

    def to_pixel(self, ra: Any, dec: Any) -> tuple[Floats, Floats]:
        """Return column and row of positions; the first pixel's centre is 0, 0."""
        x, y = sky.to_plane(ra, dec, self.ra, self.dec)
        middle = (self.pixels - 1) / 2
        return middle - x / self.step, middle + y / self.step

    def to_sky(self, column: Any, row: Any) -> tuple[Floats, Floats]:
        """Return the positions of pixels, NaN where the sky ends."""
        middle = (self.pixels - 1) / 2
        x, y = (middle - np.asarray(column, float)) * self.step, (np.asarray(row, float) - middle) * self.step
        return sky.from_plane(x, y, self.ra, self.dec)

    def grid(self) -> tuple[Floats, Floats]:
        """Return the positions of all pixels, shape (pixels, pixels), from south to north."""
        line = np.arange(self.pixels)
        return self.to_sky(*np.meshgrid(line, line))

    def holds(self, ra: Any, dec: Any) -> Any:
        """Return whether positions are in the image."""
        x, y = sky.to_plane(ra, dec, self.ra, self.dec)
        return np.maximum(np.abs(x), np.abs(y)) <= self.size

    def pole(self) -> int:
        """Return +1 or -1 if that pole is in the image, else 0."""
        return next((pole for pole in (1, -1) if self.holds(0.0, pole * np.pi / 2)), 0)

    def reach_deg(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return the lowest and the highest of the degrees to the east of the middle, and of declination, in view."""
        ra, dec = (np.degrees(angle) for angle in self._edge())
        east = (ra - np.degrees(self.ra) + 180) % 360 - 180
        dec = np.append(dec, 90.0 * self.pole()) if self.pole() else dec
        return (float(east.min()), float(east.max())), (float(dec.min()), float(dec.max()))

    def steps_deg(self) -> tuple[float, float]:
        """Return how far apart lines of right ascension and of declination are: a few of each; 45 degrees at a pole."""
        (west, east), (low, high) = self.reach_deg()
        return 45.0 if self.pole() else step_deg(east - west), step_deg(high - low)

    def _edge(self) -> tuple[Floats, Floats]:
        """Return positions along the frame, as far as there is sky."""
        line = np.linspace(-0.5, self.pixels - 0.5, 200)
        low, high = np.full(200, -0.5), np.full(200, self.pixels - 0.5)
        x, y = np.concatenate([line, line, low, high]), np.concatenate([low, high, line, line])
        ra, dec = self.to_sky(x, y)
        return ra[np.isfinite(ra)], dec[np.isfinite(dec)]


def step_deg(span: float, most: int = 5) -> float:
    """Return the round step that divides a range of degrees into no more than so many parts."""
    return next((step for step in _STEPS_DEG if span / step <= most), _STEPS_DEG[-1])


def decimals(step: float) -> int:
    """Return how many decimals the multiples of a step have."""
    return max(0, int(np.ceil(-np.log10(step) - 1e-9)))


def signed(degrees: float, places: int = 0) -> str:
    """Return degrees with a sign, unless they are zero."""
    return f"{degrees:+.{places}f}°".replace("-", "−") if round(degrees, places) else "0°"
