"""FITS files of a sky map: multi-order, as IceCube publishes them, and flat for older tools.

The same map gives the same bytes, and a file appears under its name only when it is complete.
"""

import gzip
import warnings
import zlib
from collections.abc import Mapping
from io import BytesIO

import numpy as np
import xarray as xr
from astropy.io import fits

from skymist.errors import ReadError, RequestError, StoreError
from skymist.model import sky
from skymist.model import skymap as maps
from skymist.model.region import DEFAULT_CALIBRATION, Calibration
from skymist.model.sky import Floats, Ints
from skymist.store.fits_header import Card, Value, describe, pixel_cards, set_cards
from skymist.store.place import Given, Where, place, write_bytes

GZIP = b"\x1f\x8b"
FLAT_LIMIT = 1024
"""The finest nside of a flat map that nobody asked for: 12.6 million pixels, 151 MB."""

_NOTE = "PROBDENSITY is 0 where nothing was fitted."
_FLAT_NOTE = "PROB sums to one; TS is NaN and PROB 0 where nothing was fitted."
_UNREADABLE = (StoreError, OSError, EOFError, zlib.error, ValueError, TypeError, LookupError, AttributeError,
               ArithmeticError, MemoryError)  # fmt: skip
_INVALID = (fits.VerifyError, Warning)

_Spread = tuple[int, Ints, Ints]


def write_multiorder(
    skymap: xr.Dataset,
    path: Given,
    calibration: str | Calibration = DEFAULT_CALIBRATION,
    header: Mapping[str, Value] | None = None,
) -> Given:
    """Write the native leaves of a map with their probability density.

    Columns UNIQ and PROBDENSITY (1/sr) as in the multi-order maps of gravitational waves
    (Singer & Price 2016, PRD 93, 024013) and of IceCube. Sky that was not scanned has density 0,
    so that the file always covers the sky and integrates to one.

    Parameters
    ----------
    skymap : xarray.Dataset
    path : path, URL or Place
        Compressed when it ends in ``.gz``.
    calibration : str or Calibration
        Of the errors and areas in the header.
    header : mapping, optional
        More keywords, such as ``SENDER``; they replace ours of the same name.

    Returns
    -------
    path, URL or Place
        `path`.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    uniq, density = _tiles(skymap)
    nside = int(sky.nside_of(uniq).max())
    columns = [
        fits.Column("UNIQ", "K", array=uniq),
        fits.Column("PROBDENSITY", "D", unit="sr-1", array=density),
    ]
    cards: list[Card] = [
        *pixel_cards("NUNIQ", "EXPLICIT", nside),
        ("MOCORDER", nside.bit_length() - 1, "finest HEALPix order"),
        *describe(skymap, calibration, _NOTE),
    ]
    return _write(path, columns, cards, header)


def write_flat(
    skymap: xr.Dataset,
    path: Given,
    nside: int | None = None,
    calibration: str | Calibration = DEFAULT_CALIBRATION,
    header: Mapping[str, Value] | None = None,
) -> Given:
    """Write a map at one resolution, nested order: columns PROB, the probability of each pixel, and TS.

    PROB sums to one, and stands first: that is where healpy, Aladin and ligo.skymap look.

    Parameters
    ----------
    skymap, path, calibration, header
        As for `write_multiorder`.
    nside : int, optional
        The finest of the map if not given. Coarser cells get the probability and the lowest TS
        of what they hold. TS is NaN where nothing was evaluated.

    Returns
    -------
    path, URL or Place
        `path`.

    Raises
    ------
    StoreError
        If the file cannot be written.
    RequestError
        If `nside` is no power of two, or was not given and the map is finer than `FLAT_LIMIT`.
    """
    tiling = maps.leaves(skymap)
    uniq = tiling["uniq"].to_numpy()
    nside = _flat_nside(nside, int(sky.nside_of(uniq).max()))
    spread = _spread(nside, uniq)
    columns = [
        fits.Column("PROB", "D", unit="pix-1", array=_held_at(nside, spread, maps.probability(tiling))),
        fits.Column("TS", "E", array=_lowest_at(nside, spread, tiling["ts"].to_numpy())),
    ]
    cards: list[Card] = [
        *pixel_cards("NESTED", "IMPLICIT", nside),
        ("FIRSTPIX", 0, "first pixel"),
        ("LASTPIX", 12 * nside**2 - 1, "last pixel"),
        *describe(skymap, calibration, _FLAT_NOTE),
    ]
    return _write(path, columns, cards, header)


def read_map(path: Where) -> xr.Dataset:
    """Read a multi-order probability map.

    Returns
    -------
    xarray.Dataset
        Dim ``cell``; coordinate ``uniq``, variable ``probdensity`` [1/sr]; the attributes are the
        keywords of the file.

    Raises
    ------
    ReadError
        If it is not such a map.
    """
    try:
        content = place(path).read_bytes()
    except _UNREADABLE as error:
        raise ReadError(f"not a multi-order FITS map: {error}", str(path)) from error
    return read_map_bytes(content, str(path))


def read_map_bytes(content: bytes, source: str = "") -> xr.Dataset:
    """Read a multi-order probability map from the bytes of a file; all else as for `read_map`."""
    try:
        # what astropy only warns of (a truncated file, a garbled card) is an error here
        with warnings.catch_warnings(action="error"), _opened(content) as units:
            cards = {keyword: value for keyword, value in units[1].header.items() if keyword != "COMMENT"}
            if not 0 < cards["TFIELDS"] < 1000:  # astropy makes room for as many columns as are announced
                raise ValueError(f"it announces {cards['TFIELDS']} columns")
            uniq = np.asarray(units[1].data["UNIQ"]).astype(np.int64, casting="same_kind")  # a number is whole, or none
            density = np.asarray(units[1].data["PROBDENSITY"], np.float64)
    except (*_UNREADABLE, *_INVALID) as error:
        raise ReadError(f"not a multi-order FITS map: {error}", source) from error
    if cards.get("ORDERING") != "NUNIQ":
        raise ReadError(f"ORDERING is {cards.get('ORDERING')!r}, a multi-order map has 'NUNIQ'", source)
    if uniq.ndim != 1 or density.ndim != 1:
        raise ReadError("its columns hold more than one number a row", source)
    if not uniq.size or uniq.min() < 4 or np.unique(uniq).size != uniq.size:
        raise ReadError("its UNIQ column holds no cells, impossible ones or one twice", source)
    coords = {"uniq": ("cell", uniq)}
    return xr.Dataset({"probdensity": ("cell", density, {"units": "sr-1"})}, coords, cards)


def _opened(content: bytes) -> fits.HDUList:
    return fits.open(BytesIO(gzip.decompress(content) if content.startswith(GZIP) else content), memmap=False)


def _tiles(skymap: xr.Dataset) -> tuple[Ints, Floats]:
    """Return cells that tile the sky and their densities, in the order of UNIQ."""
    tiles = maps.whole_sky(skymap).sortby("uniq")
    return tiles["uniq"].to_numpy(), tiles["probdensity"].to_numpy()


def _flat_nside(wanted: int | None, finest: int) -> int:
    if wanted is None and finest > FLAT_LIMIT:
        size = f"{12 * finest**2:,} pixels, {144 * finest**2 / 1e9:.1f} GB"
        raise RequestError(f"a flat map of nside {finest} has {size}: give an nside, such as {FLAT_LIMIT}")
    return sky.level_nside(finest if wanted is None else wanted)


def _held_at(nside: int, spread: list[_Spread], density: Floats) -> Floats:
    """Return the probability of every cell of one resolution."""
    flat = np.zeros(12 * nside**2)
    for size, pixels, rows in spread:
        np.add.at(flat, pixels, density[rows] * (np.pi / 3 / max(size, nside) ** 2))
    return flat


def _lowest_at(nside: int, spread: list[_Spread], ts: Floats) -> Floats:
    """Return the lowest TS in every cell of one resolution; NaN where there is none."""
    flat = np.full(12 * nside**2, np.nan)
    for _, pixels, rows in spread:
        np.fmin.at(flat, pixels, ts[rows])
    return flat


def _spread(nside: int, uniq: Ints) -> list[_Spread]:
    """Return, for each resolution of a tiling, its nside, the pixels that its cells touch and the tiling's rows."""
    found = []
    level = sky.nside_of(uniq)
    for size in np.unique(level).tolist():
        rows = np.flatnonzero(level == size)
        if size > nside:
            pixels = sky.ipix_of(sky.parent(uniq[rows], nside))
        else:
            ratio = (nside // size) ** 2
            pixels = (sky.ipix_of(uniq[rows])[:, None] * ratio + np.arange(ratio)).ravel()
            rows = np.repeat(rows, ratio)
        found.append((size, pixels, rows))
    return found


def _write(path: Given, columns: list[fits.Column], cards: list[Card], more: Mapping[str, Value] | None) -> Given:
    table = fits.BinTableHDU.from_columns(columns)
    set_cards(table.header, [*cards, *((keyword.upper(), value, "") for keyword, value in (more or {}).items())])
    content = BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(content)
    data = content.getvalue()
    return write_bytes(path, gzip.compress(data, 6, mtime=0) if place(path).suffix == ".gz" else data)
