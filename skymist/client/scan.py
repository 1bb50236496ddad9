"""A scan of a service: follow it, take its map home, change it."""

import json
import os
import shutil
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Self

from skymist.client.calls import PATIENCE_S, Calls, load_httpx
from skymist.errors import ReadError, RequestError, ScanError

if TYPE_CHECKING:
    import httpx
    import xarray as xr

    from skymist.scan.progress import Progress

OUTAGE_S = 300.0
"""Seconds for which who waits for a scan stands that the service is away: it goes on when that is started again."""

LARGEST_MAP = 4 * 2**30
"""Bytes to which a downloaded map may unpack."""

ENDED = "complete", "failed", "cancelled"


class Scan:
    """A scan of the service, as it was when it was last asked for; `refresh` asks again.

    Attributes
    ----------
    document : dict
        What the service says of it.
    """

    def __init__(self, calls: Calls, document: dict[str, Any]) -> None:
        self.document, self._calls = document, calls

    def __repr__(self) -> str:
        return f"Scan({self.id[:12]}, {self.state})"

    @property
    def id(self) -> str:
        """SHA-256 of its request."""
        return str(self.document["id"])

    def matches(self, *catalogs: str, calibration: str | None = None) -> dict[str, Any]:
        """Return the sources of catalogs in its regions, and what chance gives; of all catalogs if none is named.

        Parameters
        ----------
        *catalogs : str
            Names of catalogs.
        calibration : str, optional
            Of the regions; the service's usual ones if not given.
        """
        query = {"catalog": list(catalogs) or None, "calibration": calibration}
        return dict(self._calls.get(f"scans/{self.id}/matches", query))

    def regions(self, calibration: str | None = None) -> dict[str, Any]:
        """Return how large its regions are: cells, contours, errors in three conventions, by every calibration.

        Parameters
        ----------
        calibration : str, optional
            Of the regions; the service's usual ones if not given.
        """
        return dict(self._calls.get(f"scans/{self.id}/regions", {"calibration": calibration}))

    def position(self, ra: float, dec: float, calibration: str | None = None) -> dict[str, Any]:
        """Return what its map says of a position (degrees, ICRS): TS, searched probability, and in which regions.

        Parameters
        ----------
        ra, dec : float
            ICRS, degrees.
        calibration : str, optional
            Of the regions; the service's usual ones if not given.
        """
        query = {"ra": ra % 360, "dec": dec, "calibration": calibration}
        return dict(self._calls.get(f"scans/{self.id}/position", query))

    def difference(self, other: "Scan | str", calibration: str | None = None) -> dict[str, Any]:
        """Return how its map (a) compares with that of another scan (b), which may be given by its id.

        Parameters
        ----------
        other : Scan or str
            Or its id.
        calibration : str, optional
            Of the regions; the service's usual ones if not given.
        """
        query = {"other": other.id if isinstance(other, Scan) else other, "calibration": calibration}
        return dict(self._calls.get(f"scans/{self.id}/difference", query))

    @property
    def state(self) -> str:
        """What it is doing: waiting, queued, running, complete, failed or cancelled."""
        return str(self.document["state"])

    @property
    def progress(self) -> "Progress | None":
        """How far it is; None before it has begun."""
        found = self._calls.get(f"scans/{self.id}/progress")["progress"]
        return None if found is None else _progress(found)

    def follow(self, patience_s: float = PATIENCE_S) -> dict[str, Any]:
        """Return its id, state and progress as they are now, which is cheaper than `refresh`; keep them, too.

        The id is another one if another scan took its place.

        Parameters
        ----------
        patience_s : float
            Seconds for which it is tried again while the service does not answer.
        """
        told = dict(self._calls.get(f"scans/{self.id}/progress", patience_s=patience_s))
        self.document = {**self.document, **told} if told["id"] == self.id else told
        return told

    def picture(
        self, after: int | None = None, *, wait: float = 0.0, frame: str = "equatorial", patience_s: float = PATIENCE_S
    ) -> dict[str, Any] | None:
        """Return what its map looks like as far as it is, as small images; see `skymist.plot.live.picture`.

        Parameters
        ----------
        after : int, optional
            The ``version`` that is known, 0 for none: what is returned is another one, or None.
        wait : float
            Seconds to wait for that, 10 at most.
        frame : str
            Of the whole sky: equatorial, galactic or local.
        patience_s : float
            Seconds for which it is tried again while the service does not answer.

        Raises
        ------
        RequestError
            If there is no map yet, and `after` is not given.
        """
        query = {"after": after, "wait": wait or None, "frame": frame}
        given = {key: value for key, value in query.items() if value is not None}
        found = self._calls.call("GET", f"scans/{self.id}/picture", _some, patience_s=patience_s, params=given)
        return None if found is None else dict(found)

    @property
    def summary(self) -> dict[str, Any]:
        """What it has found, as ``skymist scan --json`` says it."""
        found = dict(self._calls.get(f"scans/{self.id}/result", {"format": "json"}))
        return {**found, "outputs": self.links}

    @property
    def links(self) -> dict[str, str]:
        """Where its map, for ``xarray.open_zarr``, and files made of it are; all of them ask for a token."""
        scan = f"{self._calls.url}/v1/scans/{self.id}"
        return {"zarr": f"{scan}/zarr", **{kind: f"{scan}/result?format={kind}" for kind in ("fits", "png")}}

    def refresh(self) -> Self:
        """Ask how it is now.

        Returns
        -------
        Scan
            This one, as it is then.
        """
        self.document = self._calls.get(f"scans/{self.id}", patience_s=OUTAGE_S)
        return self

    def wait(self, on_progress: "Callable[[Progress], None]" = lambda _: None) -> Self:
        """Wait until it has ended, also while the service is started again.

        Parameters
        ----------
        on_progress : callable
            Is told how far it is.

        Returns
        -------
        Scan
            This one, as it is then.

        Raises
        ------
        ScanError
            If it failed or was cancelled.
        """
        follow = partial(_follow, on_progress=on_progress)
        while self.refresh().state not in ENDED:
            self._calls.call("GET", f"scans/{self.id}/events", follow, patience_s=OUTAGE_S)
        if self.state != "complete":
            raise ScanError(f"scan {self.id[:12]} is {self.state}{_because(self.document)}")
        return self

    def skymap(self) -> "xr.Dataset":
        """Return its map, or what there is of it; see `skymist.read_skymap`."""
        from skymist.store.zarr import read_skymap

        folder = tempfile.mkdtemp(prefix="skymist-")
        weakref.finalize(self._calls, shutil.rmtree, folder, ignore_errors=True)  # costs are read from it later
        return read_skymap(self.save("zarr", Path(folder, f"{self.id[:12]}.zarr")))

    def save(self, kind: str, path: str | os.PathLike[str]) -> Path:
        """Write its result into a file, or a map (``zarr``) into a folder; whole or not at all.

        Parameters
        ----------
        kind : str
            zarr, or a format of ``skymist map export``, such as fits, png, csv, geojson or moc.
        path : str or path

        Returns
        -------
        Path
            Where it is.

        Raises
        ------
        RequestError
            If there is a folder already.
        ReadError
            If what came is no map.
        """
        whole = Path(path)
        if kind == "zarr" and whole.exists():
            raise RequestError(f"{whole} is there already")
        whole.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{whole.name}.", dir=whole.parent) as folder:
            part = Path(folder, "part")
            write = partial(_write, path=part)
            self._calls.call("GET", f"scans/{self.id}/result", write, params={"format": kind})
            if kind == "zarr":
                part = _unpacked(part, Path(folder, "unpacked"))
            part.replace(whole)
        return whole

    def cancel(self) -> Self:
        """Cancel it; what was computed is kept.

        Returns
        -------
        Scan
            This one, as it is then.
        """
        return self._ask("cancel")

    def rescan(self) -> Self:
        """Run it once more, after it has ended; what was computed and kept is not computed again.

        Returns
        -------
        Scan
            This one, as it is then.
        """
        return self._ask("rescan")

    def remix(self, *, replace: bool = False, **changes: Any) -> "Scan":
        """Ask for a scan like this one with some words of the wish changed, maybe in its place.

        Parameters
        ----------
        replace : bool
            Whether the new one takes the place of this one.
        **changes
            Words of the wish, as for `Client.scan`.

        Returns
        -------
        Scan
            The new one.
        """
        path, body = f"scans/{self.id}/remix", {"changes": changes, "replace": replace}
        return Scan(self._calls, self._calls.post(path, body, once=False))

    def set_workers(self, number: int) -> Self:
        """Have it run with so many workers.

        Parameters
        ----------
        number : int
            At least 1.

        Returns
        -------
        Scan
            This one, as it is then.
        """
        return self._ask("workers", workers=number)

    def delete(self, *, force: bool = False) -> None:
        """Hide it, a complete one only by force; its map is kept, and `rescan` brings it back.

        Parameters
        ----------
        force : bool
            Whether a complete one is hidden, too.
        """
        query = {"force": "true"} if force else None
        self._calls.call("DELETE", f"scans/{self.id}", lambda _: None, once=True, params=query)

    def _ask(self, what: str, **body: Any) -> Self:
        self.document = self._calls.post(f"scans/{self.id}/{what}", body)
        return self


def _follow(response: "httpx.Response", on_progress: "Callable[[Progress], None]") -> None:
    """Pass on what the service tells, until it says that the scan has ended or the connection breaks."""
    with suppress(load_httpx().TransportError):
        for name, data in _told(response.iter_lines()):
            if name == "progress" and data["progress"]:
                on_progress(_progress(data["progress"]))


def _told(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    """Yield names and data of server-sent events."""
    name, data = "message", ""
    for line in lines:
        key, _, value = line.partition(":")
        if key == "event":
            name = value.strip()
        elif key == "data":
            data += value
        elif not line and data:
            yield name, json.loads(data)
            name, data = "message", ""


def _progress(found: Mapping[str, Any]) -> "Progress":
    """Return the progress that `Progress.to_dict` describes."""
    from skymist.scan.progress import BestSoFar, LevelProgress, Progress, SlowCell, Stage

    values = {item.name: found[item.name] for item in fields(Progress)}
    values["stage"] = Stage(values["stage"])
    values["levels"] = tuple(LevelProgress(**each) for each in values["levels"])
    values["slowest"] = tuple(SlowCell(**each) for each in values["slowest"])
    values["best"] = None if values["best"] is None else BestSoFar(**values["best"])
    return Progress(**values)


def _some(response: "httpx.Response") -> Any:
    """Return the document of an answer; None if it has none."""
    content = response.read()
    return json.loads(content) if content else None


def _because(document: Mapping[str, Any]) -> str:
    return f": {document['error']}" if document.get("error") else ""


def _write(response: "httpx.Response", path: Path) -> None:
    with path.open("wb") as file:
        for part in response.iter_bytes():
            file.write(part)


def _unpacked(file: Path, folder: Path) -> Path:
    """Unpack a map; what would land elsewhere, or be larger than any map, is refused."""
    try:
        with zipfile.ZipFile(file) as packed:
            names = [PurePosixPath(name) for name in packed.namelist()]
            if any(name.is_absolute() or ".." in name.parts for name in names):
                raise ReadError("a name in it leads out of it", "map of the service")
            if sum(item.file_size for item in packed.infolist()) > LARGEST_MAP:
                raise ReadError(f"it unpacks to more than {LARGEST_MAP:,} bytes", "map of the service")
            packed.extractall(folder)
    except (zipfile.BadZipFile, RuntimeError, ValueError, OSError, EOFError, zlib.error) as error:
        raise ReadError(f"cannot be unpacked: {error}", "map of the service") from None
    return folder
