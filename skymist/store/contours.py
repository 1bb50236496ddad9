"""Contours as files: ECSV tables, region files of DS9 and GeoJSON for the web.

ECSV and DS9 hold the rings as they are on the sphere. GeoJSON is flat: there a ring that crosses the antimeridian
(RA 180) is cut, and closed along the edges of the map, over a pole where it holds one.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO
from typing import Any

import numpy as np

from skymist.model import sky
from skymist.model.contour import Contour
from skymist.model.sky import Floats
from skymist.store.place import Given, write_bytes

Flat = list[list[Floats]]
"""Polygons in longitude and latitude: rings of (n, 2) degrees, the first and the last point the same; holes follow."""

_COLUMNS = {
    "containment": "float64", "polygon": "int64", "ring": "int64", "hole": "bool", "ra": "float64", "dec": "float64",
}  # fmt: skip
_FRAME = "lon is right ascension from -180 to 180, lat is declination: degrees, ICRS, not of the Earth"
_COLOURS = "green", "cyan", "magenta", "yellow", "red"
_WHOLE_SKY_DEG2 = 360**2 / np.pi
_OFF_LINE = 5e-4  # degrees that the middle of a line of the flat map may be from that of its great circle
_HALVINGS = 18  # an edge of nside 1, until it is as short as that
_NUDGE = 1e-6  # degrees that points stay away from the edges of the flat map
_DECIMALS = 7
_CORNERS = np.array([(180.0, 90.0), (-180.0, 90.0), (-180.0, -90.0), (180.0, -90.0)])
_AT = np.array([180.0, 181.0, 361.0, 362.0])  # the corners, along the edge of the map; see _along
_AROUND = 362.0


def write_ecsv(contours: Sequence[Contour], path: Given, meta: Mapping[str, Any] | None = None) -> Given:
    """Write the points of all rings as an Enhanced CSV table (ECSV 1.0; astropy APE 6).

    Columns: ``containment``, ``polygon`` and ``ring`` (numbers from 0), ``hole`` (whether the ring is one), ``ra`` and
    ``dec`` (ICRS, degrees). The region is to the left of a ring; the last point goes on to the first.

    Parameters
    ----------
    contours : sequence of Contour
    path : path, URL or Place
    meta : mapping, optional
        JSON-like: the event, the scan and what else is known. What is known of each contour is added.

    Returns
    -------
    path, URL or Place
        `path`.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    about = {**(meta or {}), "contours": [_facts(each) for each in contours]}
    units = {"ra": ", unit: deg", "dec": ", unit: deg"}
    lines = [
        "%ECSV 1.0", "---", "delimiter: ','", "datatype:",
        *(f"- {{name: {name}, datatype: {kind}{units.get(name, '')}}}" for name, kind in _COLUMNS.items()),
        f"meta: {json.dumps(_finite(about))}", "schema: astropy-2.0",
    ]  # fmt: skip
    text = StringIO()
    text.writelines(f"# {line}\n" for line in lines)
    text.write(",".join(_COLUMNS) + "\n")
    for contour, piece, number, ring in _numbered(contours):
        start = f"{contour.containment},{piece},{number},{number > 0}"
        text.writelines(f"{start},{ra:.9f},{dec:.9f}\n" for ra, dec in _degrees(ring))
    return write_bytes(path, text.getvalue().encode())


def write_ds9(contours: Sequence[Contour], path: Given, meta: Mapping[str, Any] | None = None) -> Given:
    """Write the rings as polygons of a DS9 region file, right ascension from 0 to 360.

    DS9 takes the inside of a polygon to be the smaller part of the sky. So one with the region outside, such as a
    hole, stands there as an excluded polygon, ``-polygon``. All else as for `write_ecsv`.
    """
    lines = ["# Region file format: DS9 version 4.1", "# contours of a neutrino sky map, made by skymist"]
    lines += [f"# {name}: {_plain(value)}" for name, value in (meta or {}).items()]
    lines += ["global width=2", "icrs"]
    shades = {share: _COLOURS[i % len(_COLOURS)] for i, share in enumerate(sorted({c.containment for c in contours}))}
    for contour in contours:
        name = f"{100 * contour.containment:g}%"
        facts = ", ".join(f"{key} {_plain(value)}" for key, value in _facts(contour).items())
        lines.append(f"# {name}: {facts}")
        tail = f"# color={shades[contour.containment]} text={{{name}}} tag={{{name}}}"
        lines += [f"{_polygon(ring)} {tail}" for ring in contour.rings()]
    return write_bytes(path, ("\n".join(lines) + "\n").encode())


def write_geojson(contours: Sequence[Contour], path: Given, meta: Mapping[str, Any] | None = None) -> Given:
    """Write a FeatureCollection in the shape of GeoJSON (RFC 7946): for each contour a MultiPolygon.

    Longitude is right ascension from -180 to 180; the member ``frame`` says so. Outer rings go counter-clockwise, holes
    clockwise; nothing crosses the antimeridian. Lines of the flat map are within 0.001 degrees of great circles.
    Properties are those of the contour and ``run`` and ``event`` of `meta`. All else as for `write_ecsv`.
    """
    meta = meta or {}
    features = [
        {
            "type": "Feature",
            "properties": {**_facts(each), **{key: meta[key] for key in ("run", "event") if key in meta}},
            "geometry": {"type": "MultiPolygon", "coordinates": _coordinates(each)},
        }
        for each in contours
    ]
    document = {"type": "FeatureCollection", "frame": _FRAME, "meta": dict(meta), "features": features}
    return write_bytes(path, json.dumps(_finite(document), allow_nan=False).encode())


def flat_polygons(rings: Iterable[Floats]) -> Flat:
    """Return the polygons of the flat map of right ascension (-180 to 180) and declination that rings bound.

    Parameters
    ----------
    rings : iterable of (n, 3) float64
        Unit vectors; the region is to the left, the last point goes on to the first. None crosses another.

    Returns
    -------
    list of list of (m, 2) float64
        Degrees; closed rings, the outer one (counter-clockwise) first, then its holes (clockwise). Without rings there
        is no polygon.
    """
    closed: list[Floats] = []
    arcs: list[Floats] = []
    for ring in rings:
        points = _on_the_map(ring)
        pieces = _cut(points)
        arcs += pieces
        closed += [] if pieces else [points]
    return _nested([_rounded(ring) for ring in (*closed, *_joined(arcs))])


def _numbered(contours: Sequence[Contour]) -> Iterator[tuple[Contour, int, int, Floats]]:
    for contour in contours:
        for piece, rings in enumerate(contour.polygons):
            for number, ring in enumerate(rings):
                yield contour, piece, number, ring


def _facts(contour: Contour) -> dict[str, Any]:
    names = "containment", "ts", "calibration", "area_deg2", "perimeter_deg", "open"
    return {name: getattr(contour, name) for name in names}


def _finite(value: Any) -> Any:
    """Return what JSON can hold: no number of numpy, and null in the place of what is not finite."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _plain(value: Any) -> str:
    """Return a value in one line."""
    text = value if isinstance(value, str) else json.dumps(_finite(value))
    return " ".join(text.split())


def _degrees(ring: Floats) -> Floats:
    ra, dec = sky.lonlat(ring)
    return np.stack([np.degrees(ra), np.degrees(dec)], axis=-1)


def _polygon(ring: Floats) -> str:
    area = np.cross(ring, np.roll(ring, -1, axis=0)).sum(axis=0)  # twice the vector area of the loop
    sign = "-" if area @ ring.mean(axis=0) < 0 else ""
    return f"{sign}polygon({','.join(f'{value:.7f}' for value in _degrees(ring).ravel())})"


def _coordinates(contour: Contour) -> list[list[list[list[float]]]]:
    rings = contour.rings()
    all_of_it = not rings and contour.area_deg2 > _WHOLE_SKY_DEG2 / 2
    found = [[_box()]] if all_of_it else flat_polygons(rings)
    return [[ring.tolist() for ring in polygon] for polygon in found]


def _box() -> Floats:
    """Return the edge of the map, counter-clockwise."""
    return np.asarray(_CORNERS[[0, 1, 2, 3, 0]])


def _on_the_map(ring: Floats) -> Floats:
    """Return longitude, from -180 to less than 180, and latitude of a ring, with points between if it is curved."""
    vectors = np.concatenate([ring, ring[:1]])
    for _ in range(_HALVINGS):
        middle = vectors[:-1] + vectors[1:]
        bent = np.flatnonzero(_off_line(vectors, middle) > np.radians(_OFF_LINE))
        if not bent.size:
            break
        vectors = np.insert(vectors, bent + 1, middle[bent] / np.linalg.norm(middle[bent], axis=1)[:, None], axis=0)
    points = _degrees(vectors[:-1])
    lon = (points[:, 0] + 180) % 360 - 180
    on_it = 180 - np.abs(lon) < _NUDGE
    # what lies on the antimeridian goes to the side that the ring comes from, so that to touch it is not to cross it
    known = np.maximum.accumulate(np.where(on_it, -1, np.arange(lon.size)))
    known[known < 0] = known[-1]
    lon[on_it] = np.copysign(180 - _NUDGE, lon[known[on_it]])
    return np.stack([lon, np.clip(points[:, 1], -90 + _NUDGE, 90 - _NUDGE)], axis=1)


def _off_line(vectors: Floats, middle: Floats) -> Floats:
    """Return how far the middle of each edge is from where the flat map has it; radians."""
    lon, lat = sky.lonlat(vectors)
    step = (np.diff(lon) + np.pi) % (2 * np.pi) - np.pi
    return sky.separation(lon[:-1] + step / 2, (lat[:-1] + lat[1:]) / 2, *sky.lonlat(middle))


def _cut(points: Floats) -> list[Floats]:
    """Return the parts of a ring between its crossings of the antimeridian; none if it does not cross."""
    lon, lat = points.T
    after = np.roll(points, -1, axis=0)
    cuts = np.flatnonzero(np.abs(after[:, 0] - lon) > 180)
    side = np.where(lon[cuts] > 0, 180.0, -180.0)  # on which it leaves
    way = (side - lon[cuts]) / (after[cuts, 0] + 2 * side - lon[cuts])
    at = lat[cuts] + way * (after[cuts, 1] - lat[cuts])
    leaving, entering = np.stack([side, at], axis=1), np.stack([-side, at], axis=1)
    rolled = np.concatenate([points, points])
    ends = np.append(cuts[1:], cuts[:1] + len(points)) + 1
    return [
        np.concatenate([entering[[i]], rolled[cuts[i] + 1 : ends[i]], leaving[[(i + 1) % cuts.size]]])
        for i in range(cuts.size)
    ]


def _along(points: Floats) -> Floats:
    """Return where points of the right and left edge are on the way around the map, which goes counter-clockwise.

    0 to 180 is the right edge, up; 181 to 361 the left one, down; the upper and the lower edge are 1 long.
    """
    lon, lat = points.T
    return np.asarray(np.where(lon > 0, lat + 90, 271 - lat))


def _joined(arcs: Sequence[Floats]) -> list[Floats]:
    """Return the rings that arcs make with the edge of the map, the region being to the left of both.

    From where an arc leaves the map, its ring follows the edge up to where the next one enters.
    """
    if not arcs:
        return []
    starts, ends = _along(np.stack([arc[0] for arc in arcs])), _along(np.stack([arc[-1] for arc in arcs]))
    order = np.argsort(starts)
    after = order[np.searchsorted(starts[order], ends, side="right") % len(arcs)]
    rings, left = [], set(range(len(arcs)))
    while left:
        here, ring = min(left), []
        while here in left:
            left.remove(here)
            ring += [arcs[here], _corners(ends[here], starts[after[here]])]
            here = int(after[here])
        rings.append(np.concatenate(ring))
    return rings


def _corners(start: float, end: float) -> Floats:
    """Return the corners of the map between two places on its edge."""
    ahead = (_AT - start) % _AROUND
    order = np.argsort(ahead)
    return np.asarray(_CORNERS[order][ahead[order] < (end - start) % _AROUND])


def _rounded(points: Floats) -> Floats:
    """Return a closed ring without points that are the same when rounded."""
    points = np.round(points, _DECIMALS) + 0.0  # no -0
    points = points[np.any(points != np.roll(points, 1, axis=0), axis=1)]
    return np.concatenate([points, points[:1]])


def _nested(rings: Sequence[Floats]) -> Flat:
    """Return polygons: each hole with the smallest ring around it, or with the edge of the map if there is none."""
    rings = [ring for ring in rings if len(ring) > 3]
    outer = sorted((ring for ring in rings if _area(ring) > 0), key=_area)
    polygons, rest = [[ring] for ring in outer], [_box()]
    for hole in (ring for ring in rings if _area(ring) < 0):
        around = next((polygon for polygon in polygons if _holds(polygon[0], hole[0])), rest)
        around.append(hole)
    return polygons if len(rest) == 1 else [*polygons, rest]


def _area(ring: Floats) -> float:
    x, y = (ring - ring[0]).T
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2


def _holds(ring: Floats, point: Floats) -> bool:
    """Return whether a point is inside: a ray to the right crosses the ring an odd number of times."""
    x, y = (ring - point).T
    crosses = (y[:-1] > 0) != (y[1:] > 0)
    right = (x[:-1] * y[1:] - x[1:] * y[:-1])[crosses] * np.sign(y[1:] - y[:-1])[crosses] > 0
    return bool(np.count_nonzero(right) % 2)
