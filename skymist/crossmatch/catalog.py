"""Catalogs of sources: tables of any kind, made alike by a small description.

A description is a YAML file::

    title: 4FGL-DR4                  # as circulars call it
    version: gll_psc_v34             # of the catalog
    reference: 2023arXiv230712546B
    file: gll_psc_v34.fit            # beside the description; FITS, ECSV, VOTable or CSV
    sha256: ...                      # optional: nothing else is taken
    table: {url: https://..., query: SELECT ...}   # instead of file: from a TAP service, see `skymist.crossmatch.fetch`
    frame: icrs                      # icrs (the default), fk5, fk4 or galactic
    epoch: J2000                     # equinox of fk5 and fk4
    columns:
      name: Source_Name
      ra: RAJ2000                    # or lon and lat; degrees unless the table or the description says otherwise:
      dec: {column: DEJ2000, unit: deg}     # deg, arcmin, arcsec, hourangle, or sexagesimal text
      error: {column: Conf_95_SemiMajor, unit: deg, containment: 0.95}    # or {value: 2, unit: arcsec, ...}
    keep: [CLASS1, Flux1000]         # further columns to be shown
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.table import Table
from numpy.typing import NDArray

from skymist.errors import ReadError, SkymistError, UnknownNameError
from skymist.model.sky import Floats

FORMATS = {
    ".fits": "fits", ".fit": "fits", ".gz": "fits", ".ecsv": "ascii.ecsv", ".xml": "votable", ".vot": "votable",
    ".votable": "votable", ".csv": "ascii.csv",
}  # fmt: skip
FRAMES = "icrs", "fk5", "fk4", "galactic"
_KEYS = ("title", "version", "reference", "file", "sha256", "table", "frame", "epoch", "columns", "keep", "about")
_COLUMNS = ("name", "ra", "dec", "lon", "lat", "error")
_SIZE_LIMIT = 1 << 30


@dataclass(frozen=True, eq=False)
class SourceCatalog:
    """Sources with their positions.

    Attributes
    ----------
    name : str
        By which it is asked for.
    title : str
        As circulars call it.
    version : str
    reference : str
    sha256 : str
        Of the file that it was read from.
    names : (n,) ndarray of str
    ra, dec : (n,) ndarray
        ICRS, radians.
    error_90 : (n,) ndarray
        Radius of the circle that holds the source with 90 %, radians; NaN where it is not known.
    properties : mapping of str to (n,) ndarray
        Further columns.
    """

    name: str
    title: str
    version: str
    reference: str
    sha256: str
    names: NDArray[np.str_]
    ra: Floats
    dec: Floats
    error_90: Floats
    properties: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def about(self) -> dict[str, Any]:
        """Return which catalog it is, as JSON-like values."""
        return {"name": self.name, "title": self.title, "version": self.version, "reference": self.reference,
                "sha256": self.sha256, "sources": len(self.names)}  # fmt: skip


@dataclass(frozen=True)
class Description:
    """What a description says; see the top of this file.

    Attributes
    ----------
    path : Path
        Of the description.
    words : mapping
    """

    path: Path
    words: Mapping[str, Any]

    @property
    def name(self) -> str:
        """By which the catalog is asked for."""
        return self.path.stem

    @property
    def table(self) -> Mapping[str, str] | None:
        """Where it is fetched from; None if it is a file here."""
        return self.words.get("table")

    def column(self, what: str) -> dict[str, Any]:
        """Return what is said of a column: its name, and more."""
        said = self.words["columns"].get(what)
        return dict(said) if isinstance(said, Mapping) else {} if said is None else {"column": str(said)}


def shipped() -> Path:
    """Return the folder of the descriptions that come with skymist."""
    package = Path(__file__).parents[1]
    return package / "catalogs" if (package / "catalogs").is_dir() else package.parent / "catalogs"


def descriptions(folder: Path | None = None) -> dict[str, Path]:
    """Return descriptions by name: ours, and those of the user's folder, which go before ours."""
    places = [shipped(), *([folder] if folder is not None and folder.is_dir() else [])]
    return {path.stem: path for place in places for path in sorted(place.glob("*.yaml"))}


def describe(which: str | Path, folder: Path | None = None) -> Description:
    """Return the description of a catalog.

    Parameters
    ----------
    which : str or Path
        A name, or the file of a description.
    folder : Path, optional
        The user's own descriptions.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    ReadError
        If it makes no sense; the message names the file, the key and the valid choices.
    """
    known = descriptions(folder)
    path = Path(which) if Path(which).suffix in (".yaml", ".yml") else known.get(str(which))
    if path is None:
        raise UnknownNameError("catalog", str(which), known)
    try:
        words = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ReadError(f"cannot be read: {error}", str(path)) from None
    try:
        return Description(path, _checked(words))
    except SkymistError as error:
        raise ReadError(str(error), str(path)) from None


def read_catalog(description: Description, content: bytes | None = None, ending: str = "") -> SourceCatalog:
    """Return the catalog of a description.

    Parameters
    ----------
    description : Description
    content : bytes, optional
        Of its table; by default, the file that it names is read.
    ending : str
        Of the name of the file that the content is of.

    Raises
    ------
    ReadError
        If the table cannot be read, or is not the one that is described.
    """
    source = str(description.path)
    if content is None:
        path = description.path.parent / str(description.words["file"])
        source, ending = str(path), path.suffix
        content = _bytes(path)
    sha256 = hashlib.sha256(content).hexdigest()
    wanted = description.words.get("sha256")
    if wanted is not None and sha256 != str(wanted).lower():
        raise ReadError(f"its SHA-256 is {sha256[:12]}..., not {str(wanted)[:12]}... as described", source)
    try:
        return _catalog(description, _table(content, ending), sha256)
    except ReadError as error:
        raise error.within(source) from None


def _checked(words: Any) -> Mapping[str, Any]:
    if not isinstance(words, Mapping):
        raise ReadError("a description is a mapping with a title, a file and columns")
    columns = words.get("columns")
    if not isinstance(columns, Mapping):
        raise ReadError("it needs columns, at least name, ra and dec")
    for what, given, known in (("key", words, _KEYS), ("column", columns, _COLUMNS)):
        if unknown := [key for key in given if key not in known]:
            raise UnknownNameError(f"{what} of a description", str(unknown[0]), known)
    pair = ("lon", "lat") if "lon" in columns else ("ra", "dec")
    for key in ("name", *pair):
        if key not in columns:
            raise ReadError(f"its columns have no {key}")
    if ("file" in words) == ("table" in words):
        raise ReadError("it names either a file or a table of a service")
    if words.get("frame", "icrs") not in FRAMES:
        raise UnknownNameError("frame", str(words["frame"]), FRAMES)
    return {"title": "", "version": "", "reference": "", "keep": (), "frame": "icrs", **words}


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _SIZE_LIMIT:
            raise ReadError(f"larger than {_SIZE_LIMIT} bytes", str(path))
        return path.read_bytes()
    except OSError as error:
        raise ReadError(f"cannot be read: {error.strerror or error}", str(path)) from None


def _table(content: bytes, ending: str) -> Table:
    kind = FORMATS.get(ending.lower())
    if kind is None:
        raise ReadError(f"its ending {ending!r} tells no format; there are: {', '.join(FORMATS)}")
    stream: Any = BytesIO(content)
    if kind.startswith("ascii"):
        stream = content.decode("utf-8-sig", "replace")
    try:
        table = Table.read(stream, format=kind)
    except Exception as error:  # noqa: BLE001 (astropy's readers raise all kinds of exceptions at what is no table)
        raise ReadError(f"no table ({kind}): {' '.join(str(error).split())[:200]}") from None
    if not len(table):
        raise ReadError("the table has no rows")
    return table


def _catalog(description: Description, table: Table, sha256: str) -> SourceCatalog:
    words = description.words
    names = np.array([str(each).strip() for each in _column(table, description.column("name")["column"])])
    ra, dec = _positions(description, table)
    good = np.isfinite(ra) & np.isfinite(dec)
    if not good.all():
        row = int(np.flatnonzero(~good)[0]) + 1
        raise ReadError(f"row {row} ({names[row - 1]}) has no position")
    if np.any(np.abs(dec) > np.pi / 2 + 1e-9):
        row = int(np.argmax(np.abs(dec))) + 1
        raise ReadError(f"row {row} ({names[row - 1]}) has a declination beyond the poles: are its units right?")
    kept = {str(name): _plain(_column(table, str(name))) for name in words["keep"]}
    title = str(words["title"] or description.name)
    return SourceCatalog(
        description.name, title, str(words["version"]), str(words["reference"]), sha256, names, ra, dec,
        _errors(description, table), kept,
    )  # fmt: skip


def _column(table: Table, name: str) -> Any:
    if name not in table.colnames:
        raise ReadError(str(UnknownNameError("column of the table", name, table.colnames)))
    return table[name]


def _positions(description: Description, table: Table) -> tuple[Floats, Floats]:
    """Return ICRS positions in radians, right ascensions from 0 to 2 pi."""
    keys = ("lon", "lat") if "lon" in description.words["columns"] else ("ra", "dec")
    first, second = (_angles(table, description.column(key), hours=key == "ra", row_name=key) for key in keys)
    frame, epoch = description.words["frame"], description.words.get("epoch")
    more = {"equinox": str(epoch)} if epoch is not None and frame in ("fk5", "fk4") else {}
    if frame == "icrs":
        return first % (2 * np.pi), second
    place = SkyCoord(first * units.rad, second * units.rad, frame=frame, **more).icrs
    return np.asarray(place.ra.rad) % (2 * np.pi), np.asarray(place.dec.rad)


def _angles(table: Table, said: Mapping[str, Any], *, hours: bool, row_name: str) -> Floats:
    """Return a column of angles in radians; text is sexagesimal, of right ascension in hours."""
    column = _column(table, str(said["column"]))
    if column.dtype.kind in "US":
        parsed = [_sexagesimal(str(text), hours, place, row_name) for place, text in enumerate(column, 1)]
        return np.radians(parsed)
    unit = _unit(said.get("unit") or column.unit or "deg")
    values: Floats = np.ma.filled(np.ma.asarray(getattr(column, "data", column), float), np.nan)
    return np.asarray(values * float((1 * unit).to_value(units.rad)))


def _sexagesimal(text: str, hours: bool, row: int, what: str) -> float:
    sign = -1.0 if text.strip().startswith("-") else 1.0
    parts = text.replace(":", " ").replace("h", " ").replace("m", " ").replace("s", " ").replace("d", " ").split()
    try:
        numbers = [abs(float(part)) for part in parts]
        degrees = sum(number / 60**place for place, number in enumerate(numbers[:3]))
    except ValueError:
        raise ReadError(f"row {row}: the {what} is {text!r}, no angle such as 05:09:25.96") from None
    if not numbers:
        return float("nan")
    return float(sign * degrees * (15 if hours else 1))


def _unit(word: Any) -> Any:
    try:
        unit = units.Unit(word)
        (1 * unit).to(units.rad)
    except (ValueError, TypeError, units.UnitConversionError):
        raise ReadError(f"{word} is no unit of angles: deg, arcmin, arcsec, hourangle, rad") from None
    return unit


def _errors(description: Description, table: Table) -> Floats:
    """Return radii of 90 %, of Gaussian errors of whatever containment (two dimensions), in radians."""
    said = description.column("error")
    if not said:
        return np.full(len(table), np.nan)
    held = float(said.get("containment", 0.9))
    if not 0 < held < 1:
        raise ReadError(f"an error holds a share of sources between 0 and 1, not {held}")
    scale = float(np.sqrt(np.log1p(-0.9) / np.log1p(-held)))
    if "value" in said:
        return np.full(len(table), float((said["value"] * _unit(said.get("unit", "deg"))).to_value(units.rad))) * scale
    found = _angles(table, said, hours=False, row_name="error") * scale
    return np.asarray(np.where(found > 0, found, np.nan))


def _plain(column: Any) -> NDArray[Any]:
    """Return a column as plain numbers or words, those that are missing as NaN or empty."""
    values = np.ma.asarray(getattr(column, "data", column))
    if values.dtype.kind in "iufb":
        return np.asarray(np.ma.filled(values.astype(float), np.nan))
    # A column decodes the bytes of FITS, its values do not.
    return np.array(["" if each is np.ma.masked else str(each).strip() for each in column])
