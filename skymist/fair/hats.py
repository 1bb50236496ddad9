"""The catalog of alerts in HATS, a folder of Parquet files by place on the sky, with a MOC of where alerts are.

References: https://www.ivoa.net/documents/Notes/HATS (partitions, properties),
https://www.ivoa.net/documents/MOC/20220727
"""

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits

from skymist.errors import RequestError
from skymist.fair.entry import COLUMNS, Column, Entry, Type, values_of
from skymist.fair.parquet import arrow_table, parquet_bytes
from skymist.model import sky
from skymist.model.sky import Ints

ROWS = 50_000
_ORDER, _MOC_ORDER = 29, 8
_INDEX = Column("_healpix_29", Type.WHOLE, "HEALPix cell of order 29 that holds the position, nested", "pos.healpix")
_TOLD = {
    "title": "obs_title",
    "description": "obs_description",
    "rights": "obs_copyright",
    "rights_uri": "obs_copyright_url",
    "citation": "bib_reference",
    "ivoid": "creator_did",
    "publisher": "hats_creator",
    "server_software": "hats_builder",
    "request_date": "hats_creation_date",
}

Tile = tuple[int, int, slice]


def write_hats(entries: Sequence[Entry], about: Mapping[str, str], rows: int = ROWS) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a HATS catalog.

    Alerts without a position have no place in it: their number is the property ``skymist_without_position``.

    Parameters
    ----------
    entries : sequence of Entry
    about : mapping of str to str
        As for `skymist.fair.catalog.write_table`.
    rows : int
        A file has at most so many, unless more alerts are at one place.

    Yields
    ------
    path : str
        Within the folder.
    content : bytes

    Raises
    ------
    RequestError
        If a file can have no row.
    """
    if rows < 1:
        raise RequestError(f"files of a HATS catalog have at least 1 row, not {rows}")
    placed, index = _by_place(entries)
    tiles = list(_tiles(index, rows))
    yield from _dataset(arrow_table((_INDEX, *COLUMNS), {_INDEX.name: index, **values_of(placed)}, about), tiles)
    yield "partition_info.csv", _listed(tiles)
    cells = _joined(np.unique(sky.uniq_of(2**_MOC_ORDER, index >> 2 * (_ORDER - _MOC_ORDER))))
    yield "moc.fits", _moc(cells)
    found = {
        "hats_nrows": len(placed),
        "hats_max_rows": rows,
        "hats_order": max((order for order, *_ in tiles), default=0),
        "moc_sky_fraction": float(sky.area_sr(cells).sum() / (4 * np.pi)),
        "skymist_without_position": len(entries) - len(placed),
    }
    yield "hats.properties", _properties(found, about)


def _dataset(table: pa.Table, tiles: list[Tile]) -> Iterator[tuple[str, bytes]]:
    """Yield the files of the rows, and those that spare readers to open them all."""
    common, footers = BytesIO(), BytesIO()
    pq.write_metadata(table.schema, common)
    whole = pq.read_metadata(common)
    for order, pixel, part in tiles:
        path = f"Norder={order}/Dir={pixel // 10_000 * 10_000}/Npix={pixel}.parquet"
        content = parquet_bytes(table[part])
        footer = pq.read_metadata(BytesIO(content))
        footer.set_file_path(path)
        whole.append_row_groups(footer)
        yield f"dataset/{path}", content
    whole.write_metadata_file(footers)
    yield "dataset/_common_metadata", common.getvalue()
    yield "dataset/_metadata", footers.getvalue()


def _by_place(entries: Sequence[Entry]) -> tuple[list[Entry], Ints]:
    """Return the entries that have a position in the order of their cells, and these cells."""
    ra, dec = (np.array([getattr(each, name) for each in entries], float) for name in ("ra", "dec"))
    rows = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
    cells = sky.cell_at(2**_ORDER, np.radians(ra[rows]), np.radians(dec[rows])) - sky.uniq_of(2**_ORDER, 0)
    order = np.argsort(cells, kind="stable")
    return [entries[row] for row in rows[order]], cells[order]


def _tiles(index: Ints, rows: int, order: int = 0, pixels: range = range(12)) -> Iterator[Tile]:
    """Yield the cells that tile the rows: order, nested pixel and rows; those with too many rows are split in four."""
    for pixel in pixels:
        first, last = np.searchsorted(index, np.array([pixel, pixel + 1]) << 2 * (_ORDER - order))
        if first == last:
            continue
        if last - first <= rows or order == _ORDER:
            yield order, pixel, slice(first, last)
        else:
            yield from _tiles(index, rows, order + 1, range(4 * pixel, 4 * pixel + 4))


def _listed(tiles: list[Tile]) -> bytes:
    return "".join(["Norder,Npix\n", *(f"{order},{pixel}\n" for order, pixel, _ in tiles)]).encode()


def _joined(cells: Ints) -> Ints:
    """Return the fewest cells for those of one resolution: four of one parent become it."""
    found = []
    while cells.size and cells[0] >= 16:  # the first of order 1
        parents, counts = np.unique(cells // 4, return_counts=True)
        full = parents[counts == 4]
        found.append(cells[~np.isin(cells // 4, full)])
        cells = full
    return np.sort(np.concatenate([*found, cells]))


def _moc(cells: Ints) -> bytes:
    table = fits.BinTableHDU.from_columns([fits.Column("UNIQ", "K", array=cells)], name="MOC")
    table.header.update(
        MOCVERS=("2.0", "version of the standard"),
        MOCDIM=("SPACE", "what is covered"),
        ORDERING=("NUNIQ", "numbers of cells"),
        COORDSYS=("C", "celestial (ICRS)"),
        MOCORD_S=(_MOC_ORDER, "finest HEALPix order"),
        MOCTOOL=("skymist", "who made it"),
    )
    content = BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(content)
    return content.getvalue()


def _properties(found: Mapping[str, object], about: Mapping[str, str]) -> bytes:
    """Return the file of properties, in the syntax of Java's, a line each."""
    told = {
        "obs_collection": "skymist_alerts",
        "dataproduct_type": "object",
        "hats_version": "v1.0",
        "hats_frame": "equatorial",
        "hats_col_ra": "ra",
        "hats_col_dec": "dec",
        "hats_col_healpix": _INDEX.name,
        "hats_col_healpix_order": _ORDER,
        "hats_cols_survey_id": "identifier",
        "hats_npix_suffix": ".parquet",
        "hats_builder": "skymist",
        **found,
        **{keyword: about[name] for name, keyword in _TOLD.items() if about.get(name)},
    }
    lines = [f"{key}={' '.join(str(value).split())}\n".replace("\\", "\\\\") for key, value in told.items()]
    return "".join(["#HATS catalog\n", *lines]).encode()
