"""The probability of a complete map for everybody: a group ``tiling`` of small columns beside those of the scan.

``xarray.open_zarr(map, group="tiling")`` has it, and ``xdggs.decode`` of that knows the cells. All of it follows from
the columns of the map: it is made when the scan is complete, and made anew if the map is. Its metadata is written last,
so that a process which is killed leaves none rather than a part.
"""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec
from zarr.storage import MemoryStore

from skymist.model import sky, skymap
from skymist.store.place import Place

GROUP = "tiling"
METADATA = "zarr.json"
NAMES = "cell_ids", "uniq", "probdensity", "ts"
COMPRESSOR = BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle")

_SAID = {"coverage_content_type": "modelResult", "coordinates": "cell_ids uniq"}
_ABOUT: dict[str, dict[str, Any]] = {
    # What xdggs takes for the description of the grid, which must hold nothing else.
    "cell_ids": {"grid_name": "healpix", "level": None, "indexing_scheme": "zuniq"},
    "uniq": {
        "units": "1", "long_name": "HEALPix cell: NUNIQ number, nested order, ICRS",
        "coverage_content_type": "referenceInformation",
    },
    "probdensity": {"units": "sr-1", "long_name": "probability density, flat prior on the sky", **_SAID},
    "ts": {"units": "1", "long_name": "test statistic: twice the negative log-likelihood above its minimum", **_SAID},
}  # fmt: skip
_GROUP: dict[str, Any] = {
    "Conventions": "CF-1.11, ACDD-1.3",
    "title": "Probability of where a particle came from, in HEALPix cells that tile the sky (ICRS)",
    "comment": "cell_ids are HEALPix cells of several resolutions, nested order, in the scheme zuniq of cds-healpix, "
    "(2 ipix + 1) 4**(29 - order), as xdggs has them; uniq has them as 4 nside**2 + ipix. Density times area of a cell "
    "is the probability of the cell. Sky that was not scanned has density 0 and a ts that is NaN.",
}


def write_tiling(kept: Place, data: xr.Dataset) -> None:
    """Write what a complete map says about the whole sky.

    Parameters
    ----------
    kept : Place
        The store of the map, of which the caller is the one writer.
    data : xarray.Dataset
        The map; where no cell of it has a finite likelihood, nothing is written.
    """
    remove_tiling(kept)
    if not np.isfinite(data["nllh"]).any():
        return
    files = _files(skymap.whole_sky(data), data.sizes["cell"])
    for key in sorted(files, key=METADATA.__eq__):
        (kept / GROUP / key).write_bytes(files[key])


def remove_tiling(kept: Place) -> None:
    """Remove it, if there is one: first what says that it is whole."""
    (kept / GROUP / METADATA).remove()
    (kept / GROUP).remove()


def nodes(kept: Place) -> dict[str, dict[str, Any]]:
    """Return the metadata of the group and its columns by path, nothing if there is no tiling."""
    if not (kept / GROUP / METADATA).exists():
        return {}
    group = json.loads((kept / GROUP / METADATA).read_bytes())
    columns = {name: json.loads((kept / GROUP / name / METADATA).read_bytes()) for name in NAMES}
    return {GROUP: group, **{f"{GROUP}/{name}": column for name, column in columns.items()}}


def _files(tiles: xr.Dataset, rows: int) -> dict[str, bytes]:
    """Return the files of the group by key."""
    memory: dict[str, Any] = {}
    group = zarr.create_group(MemoryStore(memory), attributes={**_GROUP, "rows": rows})
    for name, values in _columns(tiles):
        group.create_array(
            name, data=values, chunks=values.shape, dimension_names=["tile"], attributes=_ABOUT[name],
            fill_value=np.nan if values.dtype.kind == "f" else 0, compressors=COMPRESSOR,
        )  # fmt: skip
    return {key: content.to_bytes() for key, content in memory.items()}


def _columns(tiles: xr.Dataset) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    yield "cell_ids", sky.zuniq_of(tiles["uniq"])
    for name in NAMES[1:]:
        yield name, tiles[name].to_numpy()
