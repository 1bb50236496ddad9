"""Coverage maps (MOC) of regions, as FITS and as JSON, after the IVOA's recommendation MOC 2.0 of 2022.

A MOC is a set of cells without overlaps, in which four siblings are their parent. Files do not depend on the order
of the cells that they are made of.
"""

import json
from collections.abc import Mapping
from io import BytesIO

import numpy as np
from astropy.io import fits

from skymist.model import sky
from skymist.model.cells import union
from skymist.model.sky import Ints
from skymist.store.fits_header import Card, Value, set_cards
from skymist.store.place import Given, write_bytes


def write_moc(cells: Ints, path: Given, meta: Mapping[str, Value] | None = None) -> Given:
    """Write a MOC as FITS: NUNIQ numbers in ascending order, ICRS.

    Parameters
    ----------
    cells : (n,) int64
        NUNIQ numbers; overlaps count once.
    path : path, URL or Place
    meta : mapping, optional
        More keywords, such as ``MOCID`` or ``OBJECT``; those of more than eight characters follow the
        HIERARCH convention.

    Returns
    -------
    path, URL or Place
        `path`.

    Raises
    ------
    StoreError
        If the file cannot be written.
    RequestError
        If a number is that of no cell.
    """
    cells = np.sort(union(cells))
    table = fits.BinTableHDU.from_columns([fits.Column("UNIQ", "K", array=cells)])
    set_cards(table.header, [*_cards(cells), *((key.upper(), value, "") for key, value in (meta or {}).items())])
    content = BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(content)
    return write_bytes(path, content.getvalue())


def write_moc_json(cells: Ints, path: Given) -> Given:
    """Write a MOC as JSON: pixel numbers (nested) by order, coarse ones first; all else as for `write_moc`.

    The empty MOC is ``{"0": []}``.
    """
    cells = np.sort(union(cells))
    orders = _order(cells)
    found = {str(order): sky.ipix_of(cells[orders == order]).tolist() for order in np.unique(orders).tolist()}
    return write_bytes(path, json.dumps(found or {"0": []}).encode())


def _cards(cells: Ints) -> list[Card]:
    return [
        ("EXTNAME", "MOC", ""),
        ("MOCVERS", "2.0", "version of the MOC standard"),
        ("MOCDIM", "SPACE", "physical dimension"),
        ("ORDERING", "NUNIQ", "how cells are numbered"),
        ("COORDSYS", "C", "celestial (ICRS)"),
        ("MOCORD_S", int(_order(cells).max(initial=0)), "finest HEALPix order"),
        ("MOCTOOL", "skymist", "who made this MOC"),
    ]


def _order(cells: Ints) -> Ints:
    return np.log2(sky.nside_of(cells)).round().astype(np.int64)
