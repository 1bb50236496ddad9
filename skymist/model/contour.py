"""Contours: the edge of a region as polygons on the sphere, interpolated between the cells.

A region (`skymist.model.region`) is a set of cells, and its edge a staircase. Here the centres of the leaves are the
nodes of the Delaunay triangulation of the sphere, which is their convex hull (Renka 1997, ACM TOMS 23, 416), and the
root of TS is linear in each triangle: near its minimum a negative log-likelihood is a paraboloid, so that its root
grows with the distance.

Nothing is projected, so that contours may cross right ascension 0, hold a pole, or more than half of the sky.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from skymist.errors import RequestError
from skymist.model import sky
from skymist.model import skymap as maps
from skymist.model.region import DEFAULT_CALIBRATION, Calibration, Region, finder
from skymist.model.sky import Floats, Ints

_CLOSEST = 1e-3
"""No crossing is nearer to a node than this share of the edge, so that no ring has twice the same point."""
_LONE = 0.35
"""The same for a node that has at most one neighbour on its side: what is narrower than a cell is not resolved, and a
polygon of one cell keeps a size that this cell may have."""
_FLATTEST = -0.1
"""The hull of nodes has to hold the centre of the sphere, with this distance to spare."""
_FEW = 500
"""Of that many nodes or fewer all are looked at."""
_RAISE = 1e-3
"""Of a cell's area; see `_raised`."""
_TOUCHES = 1e-14
"""By how much a node has to be within a circle (height over its plane) for more than rounding."""
_WHOLE_SKY_DEG2 = float(4 * np.pi * np.degrees(1.0) ** 2)
_START = np.array([0.47360513, -0.61803399, 0.62747003])
"""Arcs start in this direction, which no centre or corner of cells has, nor a plane through two of them."""
_AT_ONCE = 80_000
"""Pairs of a position and a segment that are looked at at once: they stay in the cache, and a product of matrices that
small in one thread, which is faster where others work as well."""


@dataclass(frozen=True, eq=False)
class Contour:
    """The edge of a region, as closed polygons of great circles.

    Attributes
    ----------
    containment : float
        Such as 0.9.
    calibration : str
    ts : float
        The level, that of the region.
    polygons : tuple of tuples of (n, 3) ndarray
        For each connected piece its rings of unit vectors, at least three, the first not repeated at the end. The
        region lies to the left of one who walks along a ring, seen from outside the sphere. The first ring of a piece
        is its outer one, which cuts off the largest part of the sky; the others are holes. The piece with the best fit
        comes first, then the larger ones. None where the region is the whole sky.
    area_deg2, perimeter_deg : float
        Of all pieces together, exact for the polygons.
    open : bool
        Whether it may go on beyond what was looked at; see `skymist.model.region.Region`.
    """

    containment: float
    calibration: str
    ts: float
    polygons: tuple[tuple[Floats, ...], ...]
    area_deg2: float
    perimeter_deg: float
    open: bool

    def rings(self) -> tuple[Floats, ...]:
        """Return the rings of all polygons."""
        return tuple(ring for piece in self.polygons for ring in piece)

    def contains(self, ra: ArrayLike, dec: ArrayLike) -> NDArray[np.bool_]:
        """Return whether positions (ICRS, radians) lie within the polygons.

        How often the arc from a position to another one crosses segments tells whether both are in or out. The other
        one is the same for all, and arrives at one segment from the left or not. So polygons may be of any size.
        """
        at = sky.unit(ra, dec)
        rings = self.rings()
        if not rings:
            return np.ones(at.shape[:-1], bool)
        points, lengths = np.concatenate(rings), [len(ring) for ring in rings]
        after = np.arange(len(points)) + 1
        last = np.cumsum(lengths) - 1
        after[last] -= lengths
        flat = at.reshape(-1, 3)
        parts = np.array_split(flat, 1 + len(flat) * len(points) // _AT_ONCE)
        return np.concatenate([_within(part, points, after) for part in parts]).reshape(at.shape[:-1])


def contour(skymap: xr.Dataset, containment: float, calibration: str | Calibration = DEFAULT_CALIBRATION) -> Contour:
    """Return the contour of the region that holds the truth with the given probability.

    Its level is that of `skymist.model.region.region`, and whoever is in the region by its TS is within the contour.
    Leaves that failed are no nodes: the surface goes on over them. Sky that was not scanned has infinite TS; the
    contour runs half-way to it. Where the level is the TS of a leaf itself, as with the calibration ``probability``,
    any level up to that of the next leaf is as good, and the contour is drawn in the middle.

    Parameters
    ----------
    skymap : xarray.Dataset
        A sky map.
    containment : float
        Share of the truth, between 0 and 1.
    calibration : str or Calibration
        Of the region.

    Raises
    ------
    RequestError, UnknownNameError, ReadError
        As `skymist.model.region.region` does; the first also if the region is one of cells too small to be told apart.
    """
    return contours(skymap, (containment,), calibration)[0]


def contours(
    skymap: xr.Dataset,
    containments: Sequence[float] = (0.5, 0.9),
    calibration: str | Calibration = DEFAULT_CALIBRATION,
) -> list[Contour]:
    """Return the contours of several containments, as `contour` does, with what they share done once."""
    find = finder(skymap)
    return of_regions(skymap, [find(containment, calibration) for containment in containments])


def of_regions(skymap: xr.Dataset, regions: Sequence[Region]) -> list[Contour]:
    """Return the contours of regions of a map, as `contour` does."""
    surface = _surface(skymap)
    return [_drawn(surface, found) for found in regions]


class _Surface(NamedTuple):
    """What all contours of a map share: nodes, as unit vectors, and their TS, infinite where nobody looked.

    `raised` are the nodes for their hull; see `_raised`. `near` are the nodes whose cells touch each one's, the node
    itself where these are smaller, shape (n, 8); `spread` are some all over the sky. Nodes that are not those of a
    tiling have neither.
    """

    at: Floats
    ts: Floats
    raised: Floats
    near: Ints | None = None
    spread: Ints | None = None


def _surface(skymap: xr.Dataset) -> _Surface:
    """Return the nodes of a map; leaves that failed are some only if the others do not hold the sky."""
    tiling = maps.leaves(skymap)
    uniq, ts = tiling["uniq"].to_numpy(), tiling["ts"].to_numpy()
    rest = _not_scanned(uniq)
    uniq, ts = np.concatenate([uniq, rest]), np.concatenate([ts, np.full(rest.size, np.inf)])
    at = sky.unit(*sky.centers(uniq))
    raised = _raised(uniq, at)
    known = ~np.isnan(ts)
    if not known.all() and _holds_the_sky(at[known]):
        return _Surface(at[known], ts[known], raised[known])
    return _Surface(at, np.where(known, ts, np.inf), raised, *_near(uniq))


def _raised(uniq: Ints, at: Floats) -> Floats:
    """Return nodes a very little off the sphere, by their number.

    Centres of cells often lie four to a circle, and two triangulations are as good. So it is always the same one.
    """
    share = uniq % 9973 * ((1 + np.sqrt(5)) / 2) % 1
    return np.asarray(at * (1 + _RAISE * share * sky.area_sr(uniq))[:, None])


def _not_scanned(uniq: Ints) -> Ints:
    """Return cells that tile the sky outside a tiling: no larger than their neighbours in it where they touch it."""
    rest = sky.uncovered(uniq) if _gaps(uniq) else np.empty(0, np.int64)
    if not rest.size:
        return rest
    rim = np.setdiff1d(sky.neighbours(uniq), uniq)
    at = sky.find(rest, *sky.centers(rim))
    rim = rim[(at >= 0) & (sky.nside_of(rest[at]) <= sky.nside_of(rim))]
    for nside in np.unique(sky.nside_of(rim)):  # the finer ones count
        rim = np.setdiff1d(rim, sky.parent(rim[sky.nside_of(rim) > nside], int(nside)))
    return np.concatenate([rim, sky.uncovered(np.concatenate([uniq, rim]))])


def _gaps(uniq: Ints) -> bool:
    """Return whether a tiling leaves some of the sky out, by counting the finest cells."""
    nside = sky.nside_of(uniq)
    finest = int(nside.max())
    return int(np.sum((finest // nside) ** 2)) != 12 * finest**2


def _near(uniq: Ints) -> tuple[Ints, Ints]:
    """Return `near` and `spread` of `_Surface` for cells that tile the sky."""
    along = np.argsort(sky.zuniq_of(uniq))
    begins = _begin(uniq[along])
    around = sky.neighbours(uniq)
    holder = along[np.searchsorted(begins, _begin(around), "right") - 1]
    nside = sky.nside_of(uniq)
    near = np.where(nside[holder] <= nside[:, None], holder, np.arange(len(uniq))[:, None])
    return near, np.unique(along[np.searchsorted(begins, _begin(sky.all_cells(2)), "right") - 1])


def _begin(uniq: Ints) -> Ints:
    """Return where cells begin along the sky, counted in the smallest cells that there can be."""
    nside = sky.nside_of(uniq)
    return (uniq - 4 * nside**2) * (2**29 // nside) ** 2


def _holds_the_sky(at: Floats) -> bool:
    """Return whether the centre of the sphere is within the hull of nodes, and not only just."""
    from scipy.spatial import QhullError

    try:
        return bool(_hull(at)[1][:, 3].max() < _FLATTEST)
    except (QhullError, ValueError):  # too few
        return False


def _hull(at: Floats) -> tuple[Ints, Floats]:
    """Return triangles, counter-clockwise seen from outside, and their planes: normal and minus the distance."""
    from scipy.spatial import ConvexHull  # takes a while to import

    hull = ConvexHull(at)
    triangles = hull.simplices.astype(np.int64)
    a, b, c = at[triangles].swapaxes(0, 1)
    clockwise = np.sum(np.cross(b - a, c - a) * hull.equations[:, :3], axis=-1) < 0
    triangles[clockwise] = triangles[clockwise][:, ::-1]
    return triangles, np.asarray(hull.equations)


def _triangles(surface: _Surface, inside: NDArray[np.bool_]) -> Ints:
    """Return triangles of nodes, among them all that have nodes both in the region and out of it.

    Nodes far from the edge are left out: they change no triangle whose circumscribed circle holds none of them.
    """
    from scipy.spatial import KDTree

    kept = _near_edge(surface, inside)
    while True:
        triangles, planes = _hull(surface.raised[kept])
        triangles = np.flatnonzero(kept)[triangles]
        if kept.all():
            return triangles
        out = np.flatnonzero(~kept)
        centre, down = np.split(planes[_mixed(triangles, inside)], [3], axis=1)
        nearest = out[KDTree(surface.at[out]).query(centre, range(1, min(4, out.size) + 1))[1]]
        within = np.sum(centre[:, None] * surface.raised[nearest], axis=-1) + down > _TOUCHES
        if not within.any():
            return triangles
        kept[nearest[within]] = True


def _near_edge(surface: _Surface, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which nodes are within three cells of the edge, and some all over the sky that keep the hull round."""
    near, spread = surface.near, surface.spread
    if near is None or spread is None or len(near) < _FEW:
        return np.ones(len(inside), bool)
    kept = np.zeros(len(inside), bool)
    unlike = inside[near] != inside[:, None]
    kept[near[unlike]] = True
    kept |= unlike.any(axis=1)
    for _ in range(2):
        touching = kept[near].any(axis=1)
        kept[near[kept]] = True
        kept |= touching
    kept[spread] = kept[np.argmin(surface.ts)] = True
    return kept


def _mixed(triangles: Ints, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which triangles have nodes inside as well as outside."""
    return np.asarray(inside[triangles].any(axis=1) & ~inside[triangles].all(axis=1))


def _drawn(surface: _Surface, found: Region) -> Contour:
    """Return one contour."""
    inside = np.isfinite(surface.ts) & (surface.ts <= found.ts)
    about = found.containment, found.calibration, found.ts
    if inside.all():
        return Contour(*about, (), _WHOLE_SKY_DEG2, 0.0, found.open)
    triangles = _triangles(surface, inside)
    begin, end = _segments(triangles, inside)
    if not begin.size:
        nside = int(sky.nside_of(found.cells).max())
        raise RequestError(f"cells of nside {nside} are too small for a contour: the arithmetic cannot tell them apart")
    points = _crossings(surface, triangles, inside, begin, found.ts)
    order, starts = _walk(begin, end, len(inside))
    rings = np.split(points[order], starts[1:])
    pieces = _pieces(triangles, inside)
    polygons, area = _polygons(rings, pieces[begin[order[starts], 0]], int(pieces[np.argmin(surface.ts)]))
    perimeter = sum(float(_angles(ring, np.roll(ring, -1, axis=0)).sum()) for ring in rings)
    return Contour(*about, polygons, float(np.degrees(np.degrees(area))), float(np.degrees(perimeter)), found.open)


def _segments(triangles: Ints, inside: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Return the edges (inner node, outer node) at which segments begin and end, shape (n, 2): one in each triangle.

    Counter-clockwise from the edge that leaves the region to the one that enters it again, it is on the left.
    """
    mixed = triangles[_mixed(triangles, inside)]
    edges = np.stack([mixed, np.roll(mixed, -1, axis=1)], axis=-1)
    first, second = np.moveaxis(inside[edges], -1, 0)
    return edges[first & ~second], edges[~first & second][:, ::-1]


def _crossings(surface: _Surface, triangles: Ints, inside: NDArray[np.bool_], edges: Ints, level: float) -> Floats:
    """Return where the level is crossed on edges (inner node, outer node), unit vectors."""
    root = np.sqrt(surface.ts)
    lowest_out = root[~inside].min()
    between = np.isfinite(lowest_out) and level == surface.ts[inside].max()
    wanted = (np.sqrt(level) + lowest_out) / 2 if between else np.sqrt(level)
    inner, outer = root[edges].T
    known = np.isfinite(outer) & (outer > inner)  # of values that differ by rounding only, roots are the same
    share = np.full(len(edges), 0.5)
    share[known] = (wanted - inner[known]) / (outer[known] - inner[known])
    margin = np.where(_lone(triangles, inside), _LONE, _CLOSEST)[edges]
    share = np.clip(share, margin[:, 0], 1 - margin[:, 1])
    a, b = surface.at[edges].swapaxes(0, 1)
    points = a + share[:, None] * (b - a)
    return np.asarray(points / np.linalg.norm(points, axis=-1, keepdims=True))


def _lone(triangles: Ints, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which nodes have at most one neighbour on the same side as they."""
    near = np.roll(triangles, -1, axis=1)  # each edge is one of two triangles, in opposite directions
    alike = inside[triangles] == inside[near]
    return np.asarray(np.bincount(triangles[alike], minlength=len(inside)) <= 1)


def _walk(begin: Ints, end: Ints, nodes: int) -> tuple[Ints, Ints]:
    """Return the order of segments along the rings, one ring after the other, and where each ring starts in it."""
    key = begin @ [nodes, 1]
    by_key = np.argsort(key)
    follows = by_key[np.searchsorted(key[by_key], end @ [nodes, 1])]
    # Pointer jumping: after k rounds each knows the lowest of the 2**k segments that follow, then how far off it is.
    rounds = len(begin).bit_length()
    ring, hop = np.arange(len(begin)), follows
    for _ in range(rounds):
        ring, hop = np.minimum(ring, ring[hop]), hop[hop]
    first = ring == np.arange(len(begin))
    left, hop = np.where(first, 0, 1), np.where(first, ring, follows)
    for _ in range(rounds):
        left, hop = left + left[hop], hop[hop]
    order = np.lexsort((-left, ~first, ring))
    return order, np.flatnonzero(first[order])


def _pieces(triangles: Ints, inside: NDArray[np.bool_]) -> Ints:
    """Return the number of the connected piece that each node inside belongs to."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    near = np.roll(triangles, -1, axis=1)
    both = inside[triangles] & inside[near]
    graph = coo_array((np.ones(np.count_nonzero(both), bool), (triangles[both], near[both])), (len(inside),) * 2)
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _polygons(rings: list[Floats], piece: Ints, best: int) -> tuple[tuple[tuple[Floats, ...], ...], float]:
    """Return the rings by piece, in the order that `Contour` promises, and the area of all, steradians."""
    area = np.array([_area_to_left(ring) for ring in rings])
    whole = {int(each): 4 * np.pi - float(np.sum(4 * np.pi - area[piece == each])) for each in np.unique(piece)}
    order = sorted(whole, key=lambda each: (each != best, -whole[each]))
    polygons = (sorted(np.flatnonzero(piece == each), key=lambda ring: area[ring]) for each in order)
    return tuple(tuple(rings[ring] for ring in members) for members in polygons), sum(whole.values())


def _area_to_left(ring: Floats) -> float:
    """Return the area to the left of a ring, steradians, from 0 to 4 pi.

    Triangles with a point in the midst are summed, with sign (Van Oosterom & Strackee 1983, IEEE TBME 30, 125): that
    is the area but for multiples of 4 pi. The point is on the side where the ring is, and only differences are
    multiplied, so that it is exact for small rings and small holes too.
    """
    ahead = np.roll(ring, -1, axis=0)
    towards = np.cross(ring - ring[0], ahead - ring[0]).sum(axis=0)
    size = np.linalg.norm(towards)
    middle = np.copysign(1 / size, ring.sum(axis=0) @ towards) * towards if size > 0 else ring[0]
    volume = np.cross(ring - middle, ahead - middle) @ middle
    rest = 1 + ring @ middle + ahead @ middle + np.sum(ring * ahead, axis=-1)
    return float(2 * np.arctan2(volume, rest).sum() % (4 * np.pi))


def _angles(a: Floats, b: Floats) -> Floats:
    """Return the angles between unit vectors."""
    return np.asarray(2 * np.arcsin(np.minimum(np.linalg.norm(b - a, axis=-1) / 2, 1.0)))


def _within(at: Floats, points: Floats, after: Ints) -> NDArray[np.bool_]:
    """Return whether unit vectors lie to the left of rings, of which `after` is the next point of each."""
    steps = points[after] - points
    normals = np.cross(points, steps)
    from_side = normals @ _START / np.linalg.norm(normals, axis=-1)
    goal = int(np.argmax(np.abs(from_side)))  # the segment that is met least aslant
    first = _crossed(_START[None], points[goal] + steps[goal] / 2, points, normals, after)[:, 0]
    first[goal] = False
    start_is_in = (from_side[goal] > 0) ^ bool(np.count_nonzero(first) % 2)
    return np.asarray(start_is_in ^ np.logical_xor.reduce(_crossed(at, _START, points, normals, after), axis=0))


def _crossed(at: Floats, goal: Floats, points: Floats, normals: Floats, after: Ints) -> NDArray[np.bool_]:
    """Return which segments are crossed by the arcs from each position to a goal, shape (segment, position)."""
    left = normals @ at.T > 0
    ahead = points @ np.cross(at, goal).T >= 0
    goal_left = (normals @ goal > 0)[:, None]
    return np.asarray((left != goal_left) & (ahead != ahead[after]) & (ahead == goal_left))
