"""What an interactive chart of a map shows at one moment, as plain arrays: no library of figures is needed for them.

A chart (`skymist.plot.interactive.charts`) is made once and shows one scene after another, so that a change costs no
more than the bytes of what has changed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from skymist.model import sky
from skymist.model.contour import Contour
from skymist.model.sky import Floats
from skymist.plot import curves
from skymist.plot.frames import Curve, Frame, LineName, Plane, decimals, hammer_graticule, hammer_grid, signed
from skymist.plot.interactive import layers
from skymist.plot.interactive.graticules import lines_of, within
from skymist.plot.view import View, bodies_in, change_top, has_galactic_plane, sky_top, zoom_top

Scale = Literal["ts", "probability", "change", "root"]
"""What colours mean: TS, density, a difference of TS, or TS by its root."""

PIXELS = 360
"""Along a side of a plane."""
COLUMNS = 512
"""Across the ellipse of the whole sky."""
_CIRCLE = 180
"""Points of a small circle."""


@dataclass(frozen=True, eq=False)
class Line:
    """Curves of one meaning.

    Attributes
    ----------
    kind : str
        Which look it has.
    name : str
        What the cursor tells of it.
    pieces : list of Curve
    """

    kind: str
    name: str
    pieces: list[Curve]


@dataclass(frozen=True)
class Spot:
    """A position.

    Attributes
    ----------
    kind : str
        Which look it has.
    name : str
        What the cursor tells of it.
    x, y : float
        In the view.
    label : str
        What is written beside it; nothing if empty.
    """

    kind: str
    name: str
    x: float
    y: float
    label: str = ""


@dataclass(frozen=True, eq=False)
class Scene:
    """What a chart shows.

    Attributes
    ----------
    image : (rows, columns) float32
        From the bottom up, NaN where there is nothing.
    box : (left, bottom, width, height)
        Of the image in the view.
    scale : Scale
    limits : (low, high)
        Values at the ends of the colour scale.
    label : str
        Of the colour scale.
    levels : mapping of str to float
        Values that are marked in the colour scale, by what they are.
    lines, spots, texts : tuple
    about : dict
        What turns a place in the view into a position and a value into words, JSON-like: see ``read_out.js``.
    """

    image: NDArray[np.float32]
    box: tuple[float, float, float, float]
    scale: Scale
    limits: tuple[float, float]
    label: str
    levels: Mapping[str, float]
    lines: tuple[Line, ...]
    spots: tuple[Spot, ...]
    texts: tuple[LineName, ...]
    about: dict[str, Any]


class Onto(Protocol):
    """A way to put the sky into a view."""

    def place(self, ra: float, dec: float) -> tuple[float, float]:
        """Return where a position is (radians); NaN where it is not in view."""

    def curve(self, rings: Iterable[Floats], closed: bool = True) -> list[Curve]:
        """Return the pieces of curves of unit vectors."""


@dataclass(frozen=True)
class OntoPlane:
    """The surroundings of a position; x counts degrees to the west, y to the north."""

    plane: Plane

    def place(self, ra: float, dec: float) -> tuple[float, float]:
        """Return where a position is (radians); NaN where it is not in view."""
        if not self.plane.holds(ra, dec):
            return np.nan, np.nan
        x, y = (float(layers.to_degrees(self.plane, pixel)) for pixel in self.plane.to_pixel(ra, dec))
        return x, y

    def curve(self, rings: Iterable[Floats], closed: bool = True) -> list[Curve]:
        """Return the pieces of curves of unit vectors."""
        x, y = curves.in_plane(rings, self.plane, closed)
        return layers.pieces(layers.to_degrees(self.plane, x), layers.to_degrees(self.plane, y))


@dataclass(frozen=True)
class OntoSky:
    """The Hammer ellipse in a frame."""

    frame: Frame

    def place(self, ra: float, dec: float) -> tuple[float, float]:
        """Return where a position is (radians)."""
        x, y = (float(each) for each in self.frame.to_hammer(ra, dec))
        return x, y

    def curve(self, rings: Iterable[Floats], closed: bool = True) -> list[Curve]:
        """Return the pieces of curves of unit vectors."""
        return layers.pieces(*curves.in_frame(rings, self.frame, closed))


def of_plane(view: View, plane: Plane, show: Literal["ts", "probability"], top: float | None = None) -> Scene:
    """Return the surroundings of a position in one map.

    Parameters
    ----------
    view : View
    plane : Plane
    show : {"ts", "probability"}
    top : float, optional
        Upper end of the colour scale, if it is that of several maps.
    """
    onto, places = OntoPlane(plane), plane.grid()
    values = view.ts_at(*places)
    shown = values if show == "ts" else view.density_at(*places)
    found = {f"{each.containment:.0%}": each.ts for each in (view.inner, view.outer) if np.isfinite(each.ts)}
    return Scene(
        np.asarray(shown, np.float32), _box(plane), show, (0.0, scale_top(view, plane, show) if top is None else top),
        layers.TS[1] if show == "ts" else layers.DENSITY[1], found if show == "ts" else {},
        (*_lines_of_plane(plane), *_galactic(onto, plane), *contours_of(view, onto)), spots_of(view, onto, plane),
        _names_of_plane(plane), {**_about_plane(plane), **_about_map(view), "shows": show},
    )  # fmt: skip


def bare_plane(plane: Plane) -> Scene:
    """Return the surroundings of a position of which there is no map yet: lines of coordinates only."""
    onto = OntoPlane(plane)
    lines = (*_lines_of_plane(plane), *_galactic(onto, plane))
    return _bare(_box(plane), lines, _names_of_plane(plane), _about_plane(plane))


def bare_sky(frame: Frame) -> Scene:
    """Return the whole sky without a map."""
    graticule = hammer_graticule(frame)
    return _bare((-2.0, -1.0, 4.0, 2.0), _lines_of_sky(frame), (*graticule.parallels, *graticule.meridians),
                 _about_sky(frame))  # fmt: skip


def _bare(
    box: tuple[float, float, float, float], lines: tuple[Line, ...], texts: tuple[LineName, ...], about: dict[str, Any]
) -> Scene:
    nothing = np.full((1, 1), np.nan, np.float32)
    known = {**about, "shows": "ts", "levels": [None, None], "peak": 0.0}
    return Scene(nothing, box, "ts", (0.0, 1.0), layers.TS[1], {}, lines, (), texts, known)


def scale_top(view: View, plane: Plane, show: Literal["ts", "probability"]) -> float:
    """Return the upper end of the colour scale of the surroundings of a position."""
    if show == "ts" and not np.isfinite(view.outer.ts):
        return zoom_top(view, view.ts_at(*plane.grid()), show)
    return zoom_top(view, np.empty(0), show)


def of_sky(view: View, frame: Frame) -> Scene:
    """Return the whole sky of one map, coloured by the root of TS."""
    onto, grid = OntoSky(frame), hammer_grid(frame, COLUMNS)
    values = view.ts_at(grid.ra, grid.dec)
    graticule = hammer_graticule(frame)
    lines = _lines_of_sky(frame)
    return Scene(
        np.asarray(values, np.float32), (-2.0, -1.0, 4.0, 2.0), "root", (0.0, sky_top(view, values)), layers.TS[1], {},
        (*lines, *contours_of(view, onto)), spots_of(view, onto), (*graticule.parallels, *graticule.meridians),
        {**_about_sky(frame), **_about_map(view), "shows": "ts"},
    )  # fmt: skip


def of_difference(a: View, b: View, plane: Plane, names: tuple[str, str]) -> Scene:
    """Return the difference of TS of two maps around a position, with the 90 % contours of both."""
    onto, places = OntoPlane(plane), plane.grid()
    change, top = a.ts_at(*places) - b.ts_at(*places), change_top(a, b)
    lines = [Line(kind, f"{name}: {_told(view.contours[1])}", onto.curve(view.contours[1].rings()))
             for kind, name, view in zip(("first", "second"), names, (a, b), strict=True)]  # fmt: skip
    spots = [Spot("best", f"best fit of {name}", *onto.place(view.best.ra, view.best.dec), name)
             for name, view in zip(names, (a, b), strict=True)]  # fmt: skip
    return Scene(
        np.asarray(change, np.float32), _box(plane), "change", (-top, top), f"TS of {names[0]} − TS of {names[1]}",
        {"equal": 0.0}, (*_lines_of_plane(plane), *_galactic(onto, plane), *lines), tuple(spots),
        _names_of_plane(plane), {**_about_plane(plane), "shows": "change"},
    )  # fmt: skip


def contours_of(view: View, onto: Onto) -> tuple[Line, ...]:
    """Return the 50 and 90 % contours of a map in a view."""
    kinds = zip(("inner", "outer"), view.contours, strict=True)
    return tuple(Line(kind, _told(found), onto.curve(found.rings())) for kind, found in kinds)


def spots_of(view: View, onto: Onto, plane: Plane | None = None) -> tuple[Spot, ...]:
    """Return Sun, Moon, marks and best fit in a view."""
    bodies = view.bodies if plane is None else bodies_in(plane, view)
    found = [Spot(name.lower(), name, *onto.place(*place), name) for name, place in bodies.items()]
    found += [Spot("mark", name, *onto.place(*place), name) for name, place in view.marks.items()]
    found.append(Spot("best", "best fit", *onto.place(view.best.ra, view.best.dec)))
    return tuple(each for each in found if np.isfinite(each.x))


def circle_of(ra_deg: float, dec_deg: float, radius_deg: float) -> Floats:
    """Return a small circle around a position as a ring of unit vectors, shape (n, 3)."""
    ra, dec, radius = np.radians([ra_deg, dec_deg, radius_deg])
    turn = np.linspace(0, 2 * np.pi, _CIRCLE, endpoint=False)
    east = np.array([-np.sin(ra), np.cos(ra), 0.0])
    north = np.array([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)])
    around = np.sin(turn)[:, None] * east + np.cos(turn)[:, None] * north
    return np.asarray(np.cos(radius) * sky.unit(ra, dec) + np.sin(radius) * around)


def edge_of(plane: Plane) -> Floats:
    """Return the frame of a plane as a ring of unit vectors, as far as there is sky."""
    line = np.linspace(-0.5, plane.pixels - 0.5, 50)
    low, high = np.full(50, -0.5), np.full(50, plane.pixels - 0.5)
    x, y = np.concatenate([line, high, line[::-1], low]), np.concatenate([low, line, high, line[::-1]])
    ra, dec = plane.to_sky(x, y)
    seen = np.isfinite(ra)
    return sky.unit(ra[seen], dec[seen])


def plane_of_all(views: Sequence[View], planes: Sequence[Plane]) -> Plane:
    """Return the plane that holds those of several maps, around the middle of their best fits; that of one is its own.

    Parameters
    ----------
    views : sequence of View
    planes : sequence of Plane
        Of the surroundings of each best fit.
    """
    if len(views) == 1:
        return planes[0]
    middle = np.sum([sky.unit(view.best.ra, view.best.dec) for view in views], axis=0)
    ra, dec = (float(angle) for angle in sky.lonlat(middle))
    far = [np.abs(sky.to_plane(plane.ra, plane.dec, ra, dec)).max() + plane.size for plane in planes]
    return Plane(ra, dec, float(np.clip(np.nanmax(far), 1e-4, WIDEST)), planes[0].pixels)


WIDEST = 1.4
"""Half the side of the widest plane: its corners stay on the sky."""


def _told(found: Contour) -> str:
    size = f"TS {found.ts:.4g}, {found.area_deg2:.4g} deg²{', edge not refined' if found.open else ''}"
    return f"{found.containment:.0%} contour by {found.calibration}: {size}"


def _box(plane: Plane) -> tuple[float, float, float, float]:
    half = float(np.degrees(plane.size))
    return -half, -half, 2 * half, 2 * half


def _lines_of_plane(plane: Plane) -> list[Line]:
    pieces = [piece for _, ra, dec in lines_of(plane) for piece in layers.pieces(*within(plane, ra, dec))]
    return [Line("graticule", "", pieces)]


def _lines_of_sky(frame: Frame) -> tuple[Line, ...]:
    graticule = hammer_graticule(frame)
    (right, left) = graticule.sides
    around = [(np.concatenate([right[at], left[at][::-1]])) for at in (0, 1)]
    galactic = OntoSky(frame).curve(curves.galactic_plane(), closed=False)
    return (
        Line("graticule", "", list(graticule.lines)), Line("edge", "", [(around[0], around[1])]),
        Line("plane", "galactic plane", galactic),
    )  # fmt: skip


def _galactic(onto: Onto, plane: Plane) -> list[Line]:
    if not has_galactic_plane(plane):
        return []
    return [Line("plane", "galactic plane", onto.curve(curves.galactic_plane(), closed=False))]


def _names_of_plane(plane: Plane) -> tuple[LineName, ...]:
    """Return the names of lines where they leave the view: meridians at the bottom, parallels at the left."""
    pole, steps, found = plane.pole(), plane.steps_deg(), []
    for name, ra, dec in lines_of(plane):
        x, y = within(plane, ra, dec)
        if not np.isfinite(x).any():
            continue
        upwards = name.startswith("right")
        at = int(np.nanargmin(x if not upwards else y if not pole else -np.hypot(x, y)))
        text = f"{ra[at] % 360:.{decimals(steps[0])}f}°" if upwards else signed(float(dec[at]), decimals(steps[1]))
        if y[at] < 0.9 * np.degrees(plane.size) and x[at] < 0.9 * np.degrees(plane.size):
            found.append(LineName(text, 0 if upwards else 1, float(x[at]), float(y[at])))
    return tuple(found)


def _about_plane(plane: Plane) -> dict[str, Any]:
    return {"onto": "plane", "ra": float(np.degrees(plane.ra)), "dec": float(np.degrees(plane.dec))}


def _about_sky(frame: Frame) -> dict[str, Any]:
    turn = turn_of(frame)
    return {"onto": "sky", "middle": float(frame.middle), "turn": turn.tolist()}


def turn_of(frame: Frame) -> Floats:
    """Return the rotation from ICRS to a frame, shape (3, 3); aberration (20 arc seconds at most) is left out."""
    axes = np.eye(3)
    turned = sky.unit(*frame.forward(*sky.lonlat(axes)))
    left, _, right = np.linalg.svd(turned.T)
    return np.asarray(left @ right)


def _about_map(view: View) -> dict[str, Any]:
    finite = [float(each.ts) if np.isfinite(each.ts) else None for each in (view.inner, view.outer)]
    return {"levels": finite, "peak": float(view.density.max())}
