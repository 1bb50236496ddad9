"""Detector geometries: IceCube as built, or any other from a file."""

from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd

from skymist.errors import ReadError, UnknownNameError
from skymist.model.detector import Detector

_COLUMNS = ("string", "om", "x", "y", "z")


def detector(name: str) -> Detector:
    """Return a known detector by name, or one read from a CSV file by its path.

    Raises
    ------
    UnknownNameError
        If `name` is neither known nor a file.
    ReadError
        If the file is not a geometry.
    """
    if name == "icecube-86":
        return icecube_86()
    if Path(name).is_file():
        return read_geometry(Path(name))
    raise UnknownNameError("detector", name, ["icecube-86", "PATH.csv"])


@cache
def icecube_86() -> Detector:
    """Return IceCube's 5160 in-ice modules as built, within 2 cm of the published positions.

    The x axis points to 152.6081 deg from north because IceCube's azimuth is measured in its own
    grid and the longitude, at the pole, is a rotation of that grid.
    """
    runs = _table("icecube_86_positions.csv")
    counts = (runs["last"] - runs["first"] + 1).to_numpy()
    rows = runs.loc[runs.index.repeat(counts)]
    step = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    dom = np.column_stack([rows["string"], rows["first"] + step]).astype(np.int16)
    position = np.column_stack([rows["x"], rows["y"], rows["z"] + step * rows["spacing"]])
    efficiency = np.ones(len(dom))
    for string, first, last, value in _table("icecube_86_efficiency.csv").itertuples(index=False):
        efficiency[(dom[:, 0] == string) & (dom[:, 1] >= first) & (dom[:, 1] <= last)] = value
    return Detector("icecube-86", dom, position, efficiency, -89.9944, -62.6081, 152.6081)


def read_geometry(path: Path) -> Detector:
    """Read a detector from a CSV file.

    The columns are ``string, om, x, y, z`` (m) and optionally ``efficiency``; lines of the form
    ``# latitude_deg = VALUE``, ``# longitude_deg = VALUE`` and ``# x_bearing_deg = VALUE`` say
    where on Earth it stands.

    Raises
    ------
    ReadError
        If a column or a line is missing or a value is not a finite number.
    """
    try:
        text = path.read_text("utf-8")
        table = pd.read_csv(path, comment="#", skipinitialspace=True, dtype=str)
    except (OSError, ValueError) as error:
        raise ReadError(f"not a detector geometry: {error}", str(path)) from error
    lines = (line[1:].partition("=") for line in text.splitlines() if line.startswith("#") and "=" in line)
    site = {key.strip(): value.strip() for key, _, value in lines}
    missing = [name for name in _COLUMNS if name not in table]
    missing += [name for name in ("latitude_deg", "longitude_deg", "x_bearing_deg") if name not in site]
    if missing:
        raise ReadError(f"a detector geometry needs {', '.join(missing)}", str(path))
    try:
        # Text to float by Python, so that a geometry that was written comes back exactly.
        numbers = table[list(_COLUMNS)].to_numpy(object).astype(float)
        efficiency = table.get("efficiency", pd.Series("1", table.index)).to_numpy(object).astype(float)
        where = [float(site[name]) for name in ("latitude_deg", "longitude_deg", "x_bearing_deg")]
    except ValueError as error:
        raise ReadError(f"not a number in a detector geometry: {error}", str(path)) from error
    if not (len(table) and np.isfinite(numbers).all() and np.isfinite(efficiency).all()):
        raise ReadError("a detector geometry has an empty table or a value that is not finite", str(path))
    if np.abs(numbers[:, :2]).max() > np.iinfo(np.int16).max:
        raise ReadError("a detector geometry numbers strings and modules up to 32767", str(path))
    order = np.lexsort((numbers[:, 1], numbers[:, 0]))
    dom = numbers[order, :2].astype(np.int16)
    if (np.diff(dom, axis=0) == 0).all(axis=1).any():
        raise ReadError("a detector geometry names a module twice", str(path))
    return Detector(path.stem, dom, numbers[order, 2:], efficiency[order], *where)


def _table(name: str) -> pd.DataFrame:
    with (files("skymist.detector") / "tables" / name).open() as stream:
        return pd.read_csv(stream, comment="#")
