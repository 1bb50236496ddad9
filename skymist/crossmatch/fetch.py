"""Fetch: catalogs from services of the Virtual Observatory (TAP), kept here under the hash of what came.

A version that was fetched is never changed. The last one counts, unless the description names one by its SHA-256. So
what a circular states can be looked up again years later, and no network is needed once a catalog is here.
"""

import hashlib
import json
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from skymist.crossmatch.catalog import SourceCatalog, describe, read_catalog
from skymist.errors import ReadError, RequestError, StoreError

ENDING = ".ecsv"
MOST_ROWS = 5_000_000
_LOOPBACK = "127.0.0.1", "::1", "localhost"


def load_catalog(which: str | Path, cache: Path, folder: Path | None = None) -> SourceCatalog:
    """Return a catalog: of a file, or the version of a service's that is here.

    Parameters
    ----------
    which : str or Path
        A name, or the file of a description.
    cache : Path
        Where fetched catalogs are.
    folder : Path, optional
        The user's own descriptions.

    Raises
    ------
    UnknownNameError
        If there is no description of that name.
    ReadError
        If it makes no sense, or its table cannot be read.
    StoreError
        If the catalog is a service's and was not fetched yet.
    """
    description = describe(which, folder)
    if description.table is None:
        return read_catalog(description)
    wanted = description.words.get("sha256")
    found = [each for each in versions(description.name, cache) if wanted in (None, each["sha256"])]
    if not found:
        raise StoreError(f"the catalog {description.name} is not here yet: skymist catalogs fetch {description.name}")
    path = cache / description.name / f"{found[-1]['sha256']}{ENDING}"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None
    if hashlib.sha256(content).hexdigest() != found[-1]["sha256"]:
        raise StoreError(f"{path} is damaged: remove it, and fetch {description.name} again")
    return read_catalog(description, content, ENDING)


def versions(name: str, cache: Path) -> list[dict[str, Any]]:
    """Return what was fetched of a catalog, the oldest first: sha256, rows, url, query and time."""
    found = []
    for path in (cache / name).glob("*.json"):
        try:
            found.append(dict(json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError) as error:
            raise StoreError(f"{path} cannot be read: {error}") from None
    return sorted(found, key=lambda each: str(each["time"]))


def fetch(which: str | Path, cache: Path, folder: Path | None = None) -> dict[str, Any]:
    """Fetch a catalog from its service, and keep it; return what `versions` tells of it.

    The same content is the same version, however often it is fetched.

    Raises
    ------
    RequestError
        If it is a file, pyvo is not installed, or the address is neither https nor on this machine.
    ReadError
        If the service cannot be reached, or what comes is not what is described.
    """
    description = describe(which, folder)
    source = description.table
    if source is None:
        raise RequestError(f"the catalog {description.name} is a file: there is nothing to fetch")
    for key in ("url", "query"):
        if not source.get(key):
            raise ReadError(f"its table has no {key}", str(description.path))
    content, rows = _query(str(source["url"]), str(source["query"]))
    read_catalog(description, content, ENDING)  # what cannot be used is not kept
    sha256 = hashlib.sha256(content).hexdigest()
    place = cache / description.name
    about = {"sha256": sha256, "rows": rows, "url": source["url"], "query": source["query"],
             "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"}  # fmt: skip
    known = [each for each in versions(description.name, cache) if each["sha256"] == sha256]
    if known:
        return known[-1]
    try:
        place.mkdir(parents=True, exist_ok=True)
        _write(place / f"{sha256}{ENDING}", content)
        _write(place / f"{sha256}.json", json.dumps(about, indent=2).encode())
    except OSError as error:
        raise StoreError(f"{place}: {error.strerror or error}") from None
    return about


def _query(url: str, query: str) -> tuple[bytes, int]:
    """Return a table of a service as ECSV, and the number of its rows."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise RequestError(f"{url!r}: catalogs are fetched by https, or from this machine")
    try:
        import pyvo
    except ModuleNotFoundError as error:
        raise RequestError(f"catalogs of services need {error.name}: pip install 'skymist[catalogs]'") from None
    try:
        table = pyvo.dal.TAPService(url).run_sync(query, maxrec=MOST_ROWS).to_table()
    except Exception as error:  # noqa: BLE001 (pyvo raises what its parts raise)
        raise ReadError(f"it gives no table: {' '.join(str(error).split())[:300]}", url) from None
    if not len(table):
        raise ReadError("its table has no rows", url)
    table.meta = {}  # of the answer, not of the catalog: it would be another version each time
    with tempfile.TemporaryDirectory(prefix="skymist-") as folder:
        path = Path(folder, "table.ecsv")
        table.write(path, format="ascii.ecsv")
        return path.read_bytes(), len(table)


def _write(path: Path, content: bytes) -> None:
    """Write a file that appears under its name only when it is complete."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(name, path)
