"""Where a thing is kept: a path on disk, or a URL in an object store. Nothing else in `store` knows which.

The address and the credentials of an object store come from the usual variables (``AWS_ENDPOINT_URL``,
``AWS_ACCESS_KEY_ID`` and so on), which obstore reads; no URL, file or message of ours holds them.
"""

import fcntl
import os
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from secrets import token_hex
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol, Self, TypeVar
from urllib.parse import unquote, urlsplit

from skymist.errors import RequestError, StoreError

if TYPE_CHECKING:
    from zarr.abc.store import Store

BUCKETS = "s3", "gs", "az"
"""Schemes of object stores."""

_KNOWN = ", ".join(["a path", "file:///PATH", *(f"{scheme}://BUCKET/KEY" for scheme in BUCKETS)])

PIECE = 1 << 20
"""Bytes that `Place.chunks` reads at a time, or a few more."""

OnWait = Callable[[str], None]
"""Is told, in words for people, why nothing happens for a while."""


class Lock(Protocol):
    """Keeps others from writing until it is closed."""

    def check(self) -> None:
        """Raise StoreError if others may be writing by now."""
        ...

    def close(self) -> None:
        """Let the next one write."""
        ...


class Stamp(NamedTuple):
    """Of one content of a file or object.

    Attributes
    ----------
    content : str
        Another one for another content.
    written : float
        When, in seconds since 1970; object stores count whole ones.
    """

    content: str
    written: float


class Place(ABC):
    """Where a thing is kept; its text is the path or URL. See `place`."""

    commit_seconds: ClassVar[float]
    """The most work, in time, that a killed process loses."""

    @property
    @abstractmethod
    def errors(self) -> tuple[type[Exception], ...]:
        """What libraries raise when it cannot be reached, read or written."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The last part of the path."""

    @abstractmethod
    def __truediv__(self, name: str) -> Self: ...

    @abstractmethod
    def with_name(self, name: str) -> Self:
        """Return a neighbour."""

    @abstractmethod
    def exists(self) -> bool:
        """Tell whether a file or object is there."""

    @abstractmethod
    def stamp(self) -> "Stamp | None":
        """Return what tells this content of a file or object from any other, at little cost; None if there is none."""

    @abstractmethod
    def names(self) -> list[str]:
        """Return the names of the files and folders directly below, sorted; empty if there is nothing."""

    @abstractmethod
    def files(self) -> Iterator[str]:
        """Yield the paths, from here, of all files or objects below."""

    @abstractmethod
    def read_bytes(self) -> bytes:
        """Return the content of a file or object."""

    @abstractmethod
    def chunks(self) -> Iterator[bytes]:
        """Yield the content of a file or object piece by piece."""

    @abstractmethod
    def write_chunks(self, chunks: Iterable[bytes]) -> None:
        """Write a file or object of many pieces whole or not at all; folders are made as needed."""

    def write_bytes(self, content: bytes) -> None:
        """Write a file or object whole or not at all; folders are made as needed."""
        self.write_chunks((content,))

    @abstractmethod
    def remove(self) -> None:
        """Remove a file or object, or all below, if there is any."""

    @abstractmethod
    def sweep(self) -> None:
        """Remove what killed writers left half-written."""

    @abstractmethod
    def zarr_store(self) -> "Store | Path":
        """Return what `zarr` takes as a store."""

    @abstractmethod
    def lock(self, on_wait: OnWait = lambda _: None) -> Lock:
        """Become the one that writes here.

        Raises
        ------
        StoreError
            If another process is writing.
        """

    @abstractmethod
    def reason(self, error: Exception) -> str:
        """Return in a few words what one of `errors` says."""

    @property
    def suffix(self) -> str:
        """The ending of the name, such as ``.gz``."""
        return PurePosixPath(self.name).suffix

    @contextmanager
    def telling(self, done: str) -> Iterator[None]:
        """Turn `errors` into a StoreError that says what cannot be `done` here."""
        try:
            yield
        except self.errors as error:
            raise StoreError(f"{self} cannot be {done}: {self.reason(error)}") from None

    def busy(self) -> StoreError:
        """Return the error of a second writer."""
        return StoreError(f"another process is writing {self}; wait for it or choose another --out")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


Where = str | os.PathLike[str] | Place
"""What functions take for a place: a path, or the text of a path or URL."""


def place(where: Where) -> Place:
    """Return the place of a path (``scans/map.zarr``) or URL (``s3://bucket/scans/map.zarr``).

    Raises
    ------
    RequestError
        If the URL is none of an object store, or holds credentials.
    """
    if isinstance(where, Place):
        return where
    text = os.fspath(where)
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        return LocalPlace(Path(text))
    try:
        url = urlsplit(text)
    except ValueError:
        # The text is not repeated here and below: it may hold a secret.
        raise RequestError(f"a URL is none: give {_KNOWN}") from None
    if "@" in url.netloc or url.query or url.fragment:
        raise RequestError(f"a {url.scheme}:// URL says bucket and key only; credentials belong into the environment")
    if url.scheme == "file" and url.netloc in ("", "localhost"):
        return LocalPlace(Path(unquote(url.path)))
    if url.scheme not in BUCKETS or not url.netloc:
        raise RequestError(f"{text} is no place: give {_KNOWN}")
    if "%" in text:
        # Some libraries take %20 for a space and some do not: of one map, the parts would land in two places.
        raise RequestError(f"{text} is no place: give bucket and key as they are, without %")
    from skymist.store.objects import ObjectPlace

    return ObjectPlace(f"{url.scheme}://{url.netloc}", url.path)


def absolute(where: Where) -> Place:
    """Return the same place as its text has it in any folder, for whoever keeps the text."""
    found = place(where)
    return LocalPlace(found.path.absolute()) if isinstance(found, LocalPlace) else found


Given = TypeVar("Given", bound=Where)


def write_bytes(where: Given, content: bytes) -> Given:
    """Write a file or object whole or not at all, and return its place as it was given.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    place(where).write_bytes(content)
    return where


class LocalPlace(Place):
    """A path on disk.

    Parameters
    ----------
    path : Path
    """

    commit_seconds = 1.0
    errors = (OSError,)

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def __fspath__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str) -> Self:
        return type(self)(self.path / name)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.name

    def with_name(self, name: str) -> Self:
        """Return a neighbour."""
        return type(self)(self.path.with_name(name))

    def exists(self) -> bool:
        """Tell whether a file is there."""
        return self.path.is_file()

    def stamp(self) -> Stamp | None:
        """Return what tells this content of a file from any other: files are written anew, and never changed."""
        with self.telling("read"):
            try:
                found = self.path.stat()
            except FileNotFoundError:
                return None
        return Stamp(f"{found.st_ino}.{found.st_size}.{found.st_mtime_ns}", found.st_mtime_ns / 1e9)

    def names(self) -> list[str]:
        """Return the names of the files and folders directly below, sorted; empty if there is nothing."""
        with self.telling("read"):
            return sorted(os.listdir(self.path)) if self.path.is_dir() else []

    def files(self) -> Iterator[str]:
        """Yield the paths, from here, of all files below; links are not followed."""
        folders = [self.path] if self.path.is_dir() else []
        with self.telling("read"):
            while folders:
                for each in folders.pop().iterdir():
                    if each.is_dir() and not each.is_symlink():
                        folders.append(each)
                    else:
                        yield each.relative_to(self.path).as_posix()

    def read_bytes(self) -> bytes:
        """Return the content of a file."""
        with self.telling("read"):
            return self.path.read_bytes()

    def chunks(self) -> Iterator[bytes]:
        """Yield the content of a file piece by piece."""
        with self.telling("read"), self.path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece

    def write_chunks(self, chunks: Iterable[bytes]) -> None:
        """Write under a temporary name in the same folder, then rename; folders are made as needed."""
        with self.telling("written"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Made by `open`, not by `tempfile`, so that those may read it who may read what this process writes.
            temporary = self.path.with_name(f".{self.name}.{token_hex(4)}")
            with temporary.open("xb") as file:
                try:
                    file.writelines(chunks)
                    file.close()
                    temporary.replace(self.path)
                except BaseException:
                    temporary.unlink()
                    raise

    def remove(self) -> None:
        """Remove a file or folder, if there is one."""
        if self.path.is_dir():
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            self.path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what zarr wrote under temporary names and could not rename."""
        for leftover in self.path.rglob("*.partial"):
            leftover.unlink()

    def zarr_store(self) -> Path:
        """Return what `zarr` takes as a store."""
        return self.path

    def lock(self, on_wait: OnWait = lambda _: None) -> Lock:  # noqa: ARG002 - nobody waits
        """Make the folder and hold it; the system lets go of it when the process ends, however it does."""
        with self.telling("made"):
            self.path.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise self.busy() from None
        return _Held(handle)

    def reason(self, error: Exception) -> str:
        """Return what the system says."""
        return str(getattr(error, "strerror", None) or error)


class _Held:
    """A locked folder."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def check(self) -> None:
        """Do nothing: the system keeps the lock."""

    def close(self) -> None:
        os.close(self._handle)
