"""Cells of the sky and directions in the detector: the only place that knows HEALPix and astrometry.

Cells are HEALPix pixels in nested order, named by their NUNIQ number ``4 nside**2 + ipix``
(Reinecke & Hivon 2015, A&A 580, A132), in ICRS. Angles are in radians.
"""

from collections.abc import Callable, Iterator

import erfa
import numpy as np
from healpix_geo import nested
from numpy.typing import ArrayLike, NDArray

from skymist.errors import RequestError
from skymist.model.detector import Detector
from skymist.model.reconstruction import Directions

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MJD_ZERO = 2400000.5
_LIGHT_DAYS_PER_AU = erfa.AULT / erfa.DAYSEC


def nside_of(uniq: ArrayLike) -> Ints:
    """Return the resolution of each cell."""
    uniq = np.asarray(uniq, np.int64)
    order = (np.floor(np.log2(uniq // 4)).astype(np.int64)) // 2
    order -= np.left_shift(4, 2 * order) > uniq  # the last cells of the finest order are rounded up
    return np.asarray(np.left_shift(1, order), np.int64)


def ipix_of(uniq: ArrayLike) -> Ints:
    """Return each cell's nested pixel number at its own resolution."""
    uniq = np.asarray(uniq, np.int64)
    return uniq - 4 * nside_of(uniq) ** 2


def uniq_of(nside: ArrayLike, ipix: ArrayLike) -> Ints:
    """Return the NUNIQ number of nested pixels."""
    return 4 * np.asarray(nside, np.int64) ** 2 + np.asarray(ipix, np.int64)


def zuniq_of(uniq: ArrayLike) -> NDArray[np.uint64]:
    """Return the number of each cell that sorts cells of all resolutions along the sky (Z order).

    ``(2 ipix + 1) 4**(29 - order)``, the ``zuniq`` of cds-healpix: the lowest bit that is set says the resolution.
    """
    uniq = np.asarray(uniq, np.int64)
    return ((2 * ipix_of(uniq) + 1) * (2**29 // nside_of(uniq)) ** 2).astype(np.uint64)


def all_cells(nside: int) -> Ints:
    """Return every cell of one resolution."""
    return uniq_of(nside, np.arange(12 * nside**2))


def children(uniq: ArrayLike, nside: int) -> Ints:
    """Return the cells of resolution `nside` inside each (coarser) cell, shape (n, ratio**2)."""
    uniq = np.asarray(uniq, np.int64)
    ratio = (nside // nside_of(uniq)) ** 2
    if uniq.size and (np.unique(ratio).size != 1 or ratio[0] < 1):
        raise ValueError(f"cells of nside {np.unique(nside_of(uniq)).tolist()} have no common children of {nside}")
    return uniq[:, None] * ratio[:1] + np.arange(ratio[0] if uniq.size else 0)


def parent(uniq: ArrayLike, nside: int) -> Ints:
    """Return the cell of resolution `nside` that encloses each (finer) cell."""
    uniq = np.asarray(uniq, np.int64)
    return uniq // (nside_of(uniq) // nside) ** 2


def area_sr(uniq: ArrayLike) -> Floats:
    """Return the solid angle of each cell in steradians."""
    return np.asarray(np.pi / 3 / nside_of(uniq).astype(float) ** 2)


def centers(uniq: ArrayLike) -> tuple[Floats, Floats]:
    """Return right ascension and declination (ICRS, radians) of each cell's centre."""
    uniq = np.asarray(uniq, np.int64)
    ra, dec = np.empty(uniq.shape), np.empty(uniq.shape)
    for order, here, ipix in _by_order(uniq):
        ra[here], dec[here] = nested.healpix_to_lonlat(ipix, order, num_threads=1)
    return np.radians(ra), np.radians(dec)


def cell_at(nside: int, ra: ArrayLike, dec: ArrayLike) -> Ints:
    """Return the cell that holds each position."""
    lon, lat = np.broadcast_arrays(np.degrees(ra) % 360, np.degrees(dec))
    ipix = nested.lonlat_to_healpix(lon.ravel(), lat.ravel(), nside.bit_length() - 1, num_threads=1)
    return uniq_of(nside, ipix.astype(np.int64).reshape(lon.shape))


def find(uniq: ArrayLike, ra: ArrayLike, dec: ArrayLike) -> Ints:
    """Return the index of the cell of `uniq` that holds each position, -1 where none does.

    Cells may be of several resolutions; where they overlap, the finest is taken.
    """
    uniq = np.asarray(uniq, np.int64)
    order = np.argsort(uniq, kind="stable")
    at = np.full(np.broadcast_shapes(np.shape(ra), np.shape(dec)), -1, np.int64)
    levels = np.unique(nside_of(uniq))
    finest = cell_at(int(levels[-1]), ra, dec) if levels.size else at
    for nside in levels:
        cell = finest // (levels[-1] // nside) ** 2  # the cell that encloses it
        place = np.minimum(np.searchsorted(uniq[order], cell), uniq.size - 1)
        at = np.where(uniq[order[place]] == cell, order[place], at)
    return at


def neighbours(uniq: ArrayLike) -> Ints:
    """Return the up to eight cells of the same resolution that touch each cell, shape (n, 8).

    Where there are only seven, or six at nside 1, the cell itself stands in.
    """
    uniq = np.asarray(uniq, np.int64)
    found = np.repeat(uniq[:, None], 8, axis=1)
    for order, here, ipix in _by_order(uniq):
        around = nested.kth_neighbourhood(ipix, order, 1, num_threads=1)[:, 1:]  # the first is the cell itself
        found[here] = np.where(around < 0, found[here], uniq_of(2**order, around))
    return found


def corners(uniq: ArrayLike) -> Floats:
    """Return the four corners of each cell as unit vectors, shape (n, 4, 3)."""
    uniq = np.asarray(uniq, np.int64)
    found = np.empty((uniq.size, 4, 3))
    for order, here, ipix in _by_order(uniq):
        found[here] = unit(*np.radians(nested.vertices(ipix, order, num_threads=1)))
    return found


def uncovered(uniq: ArrayLike) -> Ints:
    """Return the fewest cells that, together with the given ones, tile the whole sky."""
    uniq = np.asarray(uniq, np.int64)
    level = nside_of(uniq)
    split = np.empty(0, np.int64)
    empty, nside = [], 1
    while nside <= level.max(initial=1):
        here = all_cells(1) if nside == 1 else children(split, nside).ravel()
        held = np.sort(parent(uniq[level >= nside], nside))
        held = held[np.diff(held, prepend=0) != 0]  # sorting is faster here than what np.unique does
        empty.append(here[~np.isin(here, held)])
        split = held[~np.isin(held, uniq)]
        nside *= 2
    return np.concatenate(empty)


def unit(ra: ArrayLike, dec: ArrayLike) -> Floats:
    """Return unit vectors, shape (..., 3), of longitudes and latitudes."""
    ra, dec = np.broadcast_arrays(np.asarray(ra, float), np.asarray(dec, float))
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def lonlat(vectors: Floats) -> tuple[Floats, Floats]:
    """Return longitude in [0, 2 pi) and latitude of vectors of shape (..., 3)."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    return np.arctan2(y, x) % (2 * np.pi), np.arctan2(z, np.hypot(x, y))


def separation(ra1: ArrayLike, dec1: ArrayLike, ra2: ArrayLike, dec2: ArrayLike) -> Floats:
    """Return the angle between positions, accurate at all angles (Vincenty)."""
    a, b = unit(ra1, dec1), unit(ra2, dec2)
    return np.asarray(np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), np.sum(a * b, axis=-1)))


def position_angle(ra1: ArrayLike, dec1: ArrayLike, ra2: ArrayLike, dec2: ArrayLike) -> Floats:
    """Return the bearing of the second position as seen from the first, north through east, in [0, 2 pi).

    It is 0 where both are the same.
    """
    angle = np.asarray(erfa.pas(ra1, dec1, ra2, dec2)) % (2 * np.pi)
    return np.where(angle < 2 * np.pi, angle, 0.0)  # the remainder of -1e-17 is 2 pi


def to_plane(ra: ArrayLike, dec: ArrayLike, ra0: float, dec0: float) -> tuple[Floats, Floats]:
    """Project positions on the plane that touches the sky at (`ra0`, `dec0`), keeping areas.

    Lambert's zenithal equal-area projection (ZEA; Calabretta & Greisen 2002, A&A 395, 1077, eq. 69).
    The antipode has no image: it gives infinity or NaN.

    Returns
    -------
    x, y : ndarray
        Radians towards east and north.
    """
    east, north, out = _triad(ra0, dec0)
    vectors = unit(ra, dec)
    x, y, z = (np.sum(vectors * axis, axis=-1) for axis in (east, north, out))
    scale = np.sqrt(2 / np.maximum(1 + z, 1e-15))
    return scale * x, scale * y


def from_plane(x: ArrayLike, y: ArrayLike, ra0: float, dec0: float) -> tuple[Floats, Floats]:
    """Return the positions of points of the plane, NaN for those farther out than the antipode."""
    east, north, out = _triad(ra0, dec0)
    x, y = np.asarray(x, float)[..., None], np.asarray(y, float)[..., None]
    square = x**2 + y**2
    square = np.where(square > 4, np.nan, square)
    return lonlat(np.sqrt(1 - square / 4) * (x * east + y * north) + (1 - square / 2) * out)


def galactic_plane(n: int = 361) -> tuple[Floats, Floats]:
    """Return `n` positions along the galactic equator, starting at the galactic centre."""
    ra, dec = erfa.g2icrs(np.linspace(0, 2 * np.pi, n), 0.0)
    return ra, dec


def to_galactic(ra: ArrayLike, dec: ArrayLike) -> tuple[Floats, Floats]:
    """Return galactic longitude in [0, 2 pi) and latitude of ICRS positions; all in radians.

    The galactic system of 1958 as Hipparcos and erfa have it (ESA 1997, SP-1200, vol. 1, sect. 1.5.3).
    """
    lon, lat = erfa.icrs2g(ra, dec)
    return np.asarray(lon), np.asarray(lat)


def from_galactic(lon: ArrayLike, lat: ArrayLike) -> tuple[Floats, Floats]:
    """Return right ascension in [0, 2 pi) and declination (ICRS) of galactic positions, as in `to_galactic`."""
    ra, dec = erfa.g2icrs(lon, lat)
    return np.asarray(ra), np.asarray(dec)


def sun(time: np.datetime64) -> tuple[float, float]:
    """Return where the Sun is among the stars, seen from the centre of the Earth.

    This is the astrometric place: with the time that light takes, without aberration and deflection, which shift stars
    next to it as much. So it belongs on a map in ICRS; the apparent place is up to 21 arcsec away. From an
    abridged VSOP2000 (`erfa.epv00`; Moisson & Bretagnon 2001, Celest. Mech. Dyn. Astron. 80, 205), good to 0.1 arcsec
    from 1900 to 2100. Seen from the ground it is up to 9 arcsec elsewhere.

    Parameters
    ----------
    time : numpy.datetime64
        UTC.

    Returns
    -------
    ra, dec : float
        ICRS, radians.

    Raises
    ------
    RequestError
        If the time is not known (NaT).
    """
    return _among_stars(time, _sun)


def moon(time: np.datetime64) -> tuple[float, float]:
    """Return where the Moon is among the stars, seen from the centre of the Earth.

    The astrometric place, as for `sun`. From the theory in Meeus (1998, Astronomical Algorithms, p. 337;
    `erfa.moon98`): 3 arcsec RMS, 18 at worst from 1950 to 2100. Seen from the ground it is up to about 1 degree
    elsewhere.

    Parameters
    ----------
    time : numpy.datetime64
        UTC.

    Returns
    -------
    ra, dec : float
        ICRS, radians.

    Raises
    ------
    RequestError
        If the time is not known (NaT).
    """
    return _among_stars(time, _moon)


def level_nside(nside: int) -> int:
    """Return `nside` if it is a resolution that nested HEALPix and 64-bit cell numbers allow.

    Raises
    ------
    RequestError
        If it is not a power of two from 1 to 2**29.
    """
    if not (1 <= nside <= 2**29 and nside & (nside - 1) == 0):
        raise RequestError(f"nside {nside} is not a power of two from 1 to 2**29")
    return nside


def to_sky(detector: Detector, time: np.datetime64, zenith: ArrayLike, azimuth: ArrayLike) -> tuple[Floats, Floats]:
    """Return right ascension and declination (ICRS) of directions in the detector.

    Observed place to ICRS with precession, nutation and aberration (IAU 2006/2000A), no
    refraction, UT1 = UTC and no polar motion: better than 0.05 arcsec for IceCube's conventions.

    Parameters
    ----------
    detector : Detector
        Gives the site and the bearing of its x axis.
    time : numpy.datetime64
        UTC.
    zenith, azimuth : array_like
        Where the particle comes from; azimuth counts from x to y. Radians.

    Returns
    -------
    ra, dec : ndarray
        Radians.
    """
    bearing = np.radians(detector.x_bearing_deg) - np.asarray(azimuth, float)
    astrom = _observer(detector, time)
    ra, dec = erfa.aticq(*erfa.atoiq("A", bearing, np.asarray(zenith, float), astrom), astrom)
    return ra, dec


def to_detector(detector: Detector, time: np.datetime64, ra: ArrayLike, dec: ArrayLike) -> tuple[Floats, Floats]:
    """Return zenith and azimuth in [0, 2 pi) of ICRS positions; the inverse of `to_sky`."""
    astrom = _observer(detector, time)
    star = (np.asarray(ra, float), np.asarray(dec, float), 0.0, 0.0, 0.0, 0.0)
    bearing, zenith, *_ = erfa.atioq(*erfa.atciq(*star, astrom), astrom)
    return zenith, (np.radians(detector.x_bearing_deg) - bearing) % (2 * np.pi)


def directions(detector: Detector, time: np.datetime64, uniq: ArrayLike) -> Directions:
    """Return the directions of cells' centres, in both frames."""
    ra, dec = centers(uniq)
    zenith, azimuth = to_detector(detector, time, ra, dec)
    return Directions(ra, dec, unit(azimuth, np.pi / 2 - zenith))


def _by_order(uniq: Ints) -> Iterator[tuple[int, NDArray[np.bool_], NDArray[np.uint64]]]:
    """Yield each HEALPix order with a mask of its cells and their nested pixel numbers."""
    nside = nside_of(uniq)
    for level in np.unique(nside):
        here = nside == level
        yield int(level).bit_length() - 1, here, ipix_of(uniq[here]).astype(np.uint64)


def _observer(detector: Detector, time: np.datetime64) -> NDArray[np.void]:
    """Return erfa's star-independent parameters (ASTROM) of the site at one moment."""
    place = (np.radians(detector.longitude_deg), np.radians(detector.latitude_deg), 0.0)
    no_air = (0.0, 0.0, 0.0, 0.0, 0.0, 0.5)
    return np.asarray(erfa.apco13(*_julian(time), 0.0, *place, *no_air)[0])


def _julian(time: np.datetime64) -> tuple[float, float]:
    """Return the quasi Julian date (UTC) of a moment in two parts: midnight, and the share of the day since."""
    since = int((time - np.datetime64("1858-11-17T00:00:00", "ns")).astype("timedelta64[ns]").astype(np.int64))
    whole, rest = divmod(since, 86_400_000_000_000)
    return _MJD_ZERO + whole, rest / 86_400e9


def _among_stars(time: np.datetime64, place: Callable[[float, float], Floats]) -> tuple[float, float]:
    """Return the direction from the Earth now to where a body was when the light left it."""
    if np.isnat(time):
        raise RequestError("without a time nobody knows where Sun and Moon are")
    # The plain function warns of each year that has no leap seconds yet: a second is 0.6 arcsec of the Moon at most.
    day, rest, _ = erfa.ufunc.utctai(*_julian(time))
    day, rest = erfa.taitt(day, rest)  # TDB is within 2 ms of that
    earth = _earth(day, rest)
    travel = np.linalg.norm(place(day, rest) - earth) * _LIGHT_DAYS_PER_AU
    ra, dec = lonlat(place(day, rest - travel) - earth)
    return float(ra), float(dec)


def _earth(day: float, rest: float) -> Floats:
    """Return its centre from the barycentre of the Solar System, AU."""
    return np.asarray(erfa.epv00(day, rest)[1]["p"])


def _sun(day: float, rest: float) -> Floats:
    around_sun, around_barycentre = erfa.epv00(day, rest)
    return np.asarray(around_barycentre["p"] - around_sun["p"])


def _moon(day: float, rest: float) -> Floats:
    return np.asarray(_earth(day, rest) + erfa.moon98(day, rest)["p"])


def _triad(ra: float, dec: float) -> tuple[Floats, Floats, Floats]:
    """Return unit vectors to the east, to the north and outwards at a position."""
    east = np.array([-np.sin(ra), np.cos(ra), 0.0])
    out = unit(ra, dec)
    return east, np.cross(out, east), out
