"""FITS files of a sky map: multi-order, as IceCube publishes them, and flat for older tools.

The same map gives the same bytes, and a file appears under its name only when it is complete.
"""

import gzip
import json
import warnings
import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
import xarray as xr
from astropy.io import fits

from skymist.errors import ReadError, StoreError
from skymist.model import region as regions
from skymist.model import sky
from skymist.model import skymap as maps
from skymist.model.region import DEFAULT_CALIBRATION, Calibration
from skymist.model.sky import Floats, Ints
from skymist.store.place import Given, Where, place, write_bytes

Value = str | int | float | bool
Card = tuple[str, Value, str]

GZIP = b"\x1f\x8b"
_SIMULATED = "SIMULATED EVENT, NOT AN OBSERVATION OF THE SKY"
_UNREADABLE = (StoreError, OSError, EOFError, zlib.error, ValueError, TypeError, LookupError, AttributeError,
               ArithmeticError, MemoryError)  # fmt: skip
_INVALID = (fits.VerifyError, Warning)


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
        *_pixel_cards("NUNIQ", "EXPLICIT", nside),
        ("MOCORDER", nside.bit_length() - 1, "finest HEALPix order"),
        *_describe(skymap, calibration),
    ]
    return _write(path, columns, cards, header)


def write_flat(
    skymap: xr.Dataset,
    path: Given,
    nside: int | None = None,
    calibration: str | Calibration = DEFAULT_CALIBRATION,
    header: Mapping[str, Value] | None = None,
) -> Given:
    """Write a map at one resolution: probability density (1/sr) and TS, nested order.

    Parameters
    ----------
    skymap, path, calibration, header
        As for `write_multiorder`.
    nside : int, optional
        The finest of the map if not given. Coarser cells get the mean density and the lowest TS
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
        If `nside` is no power of two.
    """
    tiling = maps.leaves(skymap)
    uniq = tiling["uniq"].to_numpy()
    nside = sky.level_nside(nside or int(sky.nside_of(uniq).max()))
    columns = [
        fits.Column("PROBDENSITY", "D", unit="sr-1", array=_mean_at(nside, uniq, maps.probability(tiling))),
        fits.Column("TS", "E", array=_lowest_at(nside, uniq, tiling["ts"].to_numpy())),
    ]
    cards: list[Card] = [
        *_pixel_cards("NESTED", "IMPLICIT", nside),
        ("FIRSTPIX", 0, "first pixel"),
        ("LASTPIX", 12 * nside**2 - 1, "last pixel"),
        *_describe(skymap, calibration),
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


def _mean_at(nside: int, uniq: Ints, density: Floats) -> Floats:
    """Return the density of every cell of one resolution, from a tiling."""
    flat = np.zeros(12 * nside**2)
    for cells, pixels, rows in _spread(nside, uniq):
        np.add.at(flat, pixels, density[rows] * np.minimum(sky.area_sr(cells) * 3 / np.pi * nside**2, 1))
    return flat


def _lowest_at(nside: int, uniq: Ints, ts: Floats) -> Floats:
    """Return the lowest TS in every cell of one resolution, from a tiling; NaN where there is none."""
    flat = np.full(12 * nside**2, np.nan)
    for _, pixels, rows in _spread(nside, uniq):
        np.fmin.at(flat, pixels, ts[rows])
    return flat


def _spread(nside: int, uniq: Ints) -> list[tuple[Ints, Ints, Ints]]:
    """Return, for each resolution of a tiling, its cells, the pixels they touch and the tiling's rows."""
    found = []
    level = sky.nside_of(uniq)
    for size in np.unique(level):
        rows = np.flatnonzero(level == size)
        if size > nside:
            pixels = sky.ipix_of(sky.parent(uniq[rows], nside))
        else:
            inside = sky.children(uniq[rows], nside)
            rows, pixels = np.repeat(rows, inside.shape[1]), sky.ipix_of(inside.ravel())
        found.append((uniq[rows], pixels, rows))
    return found


def _pixel_cards(ordering: str, indexing: str, nside: int) -> list[Card]:
    return [
        ("EXTNAME", "SKYMAP", ""),
        ("PIXTYPE", "HEALPIX", "HEALPix pixelisation"),
        ("ORDERING", ordering, "pixel ordering scheme"),
        ("COORDSYS", "C", "celestial (ICRS)"),
        ("INDXSCHM", indexing, "how pixels are numbered"),
        ("NSIDE", nside, "finest resolution"),
    ]


def _describe(skymap: xr.Dataset, calibration: str | Calibration) -> list[Card]:
    """Return what the header says of the event, the fit and the regions."""
    return [*_event_cards(skymap.attrs), *_origin_cards(skymap.attrs), *_region_cards(skymap, calibration)]


def _event_cards(attributes: Mapping[str, Any]) -> list[Card]:
    event = attributes["event"]
    cards: list[Card] = [
        ("OBJECT", f"{event['run']}_{event['event']}", "unique identifier: run_event"),
        ("RUNID", event["run"], "run number"),
        ("EVENTID", event["event"], "event number"),
        ("DATE-OBS", event["utc"], "UTC of the event"),
        ("TIMESYS", "UTC", "time scale"),
        ("MJD-OBS", event["mjd"], "[d] the same as modified Julian date"),
        ("EVENT-TYPE", event["kind"], "stream that selected it"),
        ("RADESYS", "ICRS", "frame of RA and DEC"),
        ("SIMULATED", bool(event["simulated"]), "whether this is simulation"),
    ]
    if event["simulated"]:
        cards.insert(0, ("COMMENT", _SIMULATED, ""))
    return cards


def _origin_cards(attributes: Mapping[str, Any]) -> list[Card]:
    """Return which scan by which program made the map."""
    reconstruction = attributes["reconstruction"]
    return [
        ("SENDER", "skymist", "who made this map"),
        ("CREATOR", attributes["software"], "software"),
        ("DATE", attributes["created"].removesuffix("Z").removesuffix("+00:00"), "UTC at which the scan was made"),
        ("SCANID", attributes["scan_id"], ""),
        ("RECO", reconstruction["name"], "reconstruction"),
        ("RECOVERS", reconstruction["version"], "its version"),
        ("RECOOPTS", json.dumps(reconstruction["options"], sort_keys=True), "its options"),
        ("COMPLETE", bool(attributes["complete"]), "whether the scan was finished"),
    ]


def _region_cards(skymap: xr.Dataset, calibration: str | Calibration) -> list[Card]:
    best = regions.best_fit(skymap)
    calibration = regions.find_calibration(calibration)
    cards: list[Card] = [
        ("CALIBRAT", calibration.name, "how containment becomes a TS level"),
        ("RA", np.degrees(best.ra), "[deg] best fit, centre of its cell"),
        ("DEC", np.degrees(best.dec), "[deg] best fit, centre of its cell"),
        ("NLLH", best.nllh, "-ln L at the best fit"),
    ]
    if np.isfinite(best.energy_gev):
        cards.append(("ENERGY", best.energy_gev, "[GeV] at the best fit"))
    for percent in (50, 90):
        found = regions.region(skymap, percent / 100, calibration)
        for side in ("RA_ERR_PLUS", "RA_ERR_MINUS", "DEC_ERR_PLUS", "DEC_ERR_MINUS"):
            value = getattr(found, side.lower().replace("_err", ""))
            cards.append((f"{side}_{percent}", value, f"[deg] {percent}% region"))
        cards.append((f"CONTOUR AREA ({percent}%)", found.area_deg2, "[deg2]"))
        cards.append((f"TS_LEVEL_{percent}", found.ts, "2 Delta(-ln L)"))
        cards.append((f"OPEN_{percent}", found.open, "reaches unscanned sky"))
    return cards


def _write(path: Given, columns: list[fits.Column], cards: list[Card], more: Mapping[str, Value] | None) -> Given:
    table = fits.BinTableHDU.from_columns(columns)
    for keyword, value, comment in cards:
        _set(table.header, keyword, value, comment)
    for keyword, value in (more or {}).items():
        _set(table.header, keyword.upper(), value, "")
    content = BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(content)
    data = content.getvalue()
    return write_bytes(path, gzip.compress(data, 6, mtime=0) if place(path).suffix == ".gz" else data)


def _set(header: fits.Header, keyword: str, value: Value, comment: str) -> None:
    """Set one keyword; the long ones follow the HIERARCH convention."""
    if keyword == "COMMENT":
        header.add_comment(value)
        return
    if isinstance(value, np.generic):
        value = value.item()
    header[keyword if len(keyword) <= 8 else f"HIERARCH {keyword}"] = (value, comment)
