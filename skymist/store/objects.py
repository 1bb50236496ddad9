"""Places in object stores (S3 and what speaks like it, Google, Azure), through obstore."""

import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from skymist.errors import StoreError
from skymist.store.place import PIECE, Lock, OnWait, Place, Stamp

if TYPE_CHECKING:
    import obstore.store
    from zarr.abc.store import Store

RETRIES: Any = {"max_retries": 3, "retry_timeout": timedelta(seconds=5)}
"""Of one request; whoever asks for it tries again later, and does not stand still meanwhile."""

_WORDS = {
    "FileNotFoundError": "there is no such bucket or object",
    "PermissionDeniedError": "permission denied",
    "UnauthenticatedError": "the credentials are not accepted",
}


@dataclass(frozen=True)
class Version:
    """Which content an object has (S3 and Azure go by the tag, Google by the number), and for how many seconds."""

    tag: str | None
    number: str | None
    age: float = field(default=0.0, compare=False)

    def mode(self) -> Any:
        """Return how to write only in its place."""
        known = {"e_tag": self.tag, "version": self.number}
        return {name: value for name, value in known.items() if value is not None}


class ObjectPlace(Place):
    """A key in an object store, or all keys below it.

    Parameters
    ----------
    bucket : str
        ``s3://bucket``.
    key : str
    client : obstore store, optional
        Of the bucket; made if not given.

    Raises
    ------
    StoreError
        If obstore is not installed, or what the environment says of the store makes no sense.
    """

    commit_seconds = 5.0  # a commit takes some dozens of requests, each of them a round trip

    def __init__(self, bucket: str, key: str, client: "obstore.store.ObjectStore | None" = None) -> None:
        self.bucket, self.key = bucket, "/".join(part for part in key.split("/") if part)
        self._client = client or _connect(bucket)

    def __str__(self) -> str:
        return f"{self.bucket}/{self.key}" if self.key else self.bucket

    def __truediv__(self, name: str) -> Self:
        return type(self)(self.bucket, f"{self.key}/{name}", self._client)

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What obstore raises."""
        from obstore.exceptions import BaseError

        return BaseError, OSError

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]

    def with_name(self, name: str) -> Self:
        """Return a neighbour."""
        return type(self)(self.bucket, f"{self.key.rpartition('/')[0]}/{name}", self._client)

    def exists(self) -> bool:
        """Tell whether an object is there."""
        return self.version() is not None

    def stamp(self) -> Stamp | None:
        """Return what tells this content of an object from any other."""
        with self.telling("reached"):
            try:
                found = self._client.head(self.key)
            except FileNotFoundError:
                return None
        return Stamp(f"{found['e_tag']} {found['version']}", found["last_modified"].timestamp())

    def names(self) -> list[str]:
        """Return the last parts of the keys and prefixes directly below, sorted; empty if there is nothing."""
        with self.telling("read"):
            found = self._client.list_with_delimiter(self.key or None)
        keys = (*found["common_prefixes"], *(each["path"] for each in found["objects"]))
        return sorted(key.rpartition("/")[2] for key in keys)

    def files(self) -> Iterator[str]:
        """Yield the keys, from here, of all objects below."""
        with self.telling("read"):
            for batch in self._client.list(self.key or None, chunk_size=1000):
                yield from (found["path"].removeprefix(f"{self.key}/") for found in batch)

    def read_bytes(self) -> bytes:
        """Return the content of an object."""
        return self.read_version()[0]

    def chunks(self) -> Iterator[bytes]:
        """Yield the content of an object piece by piece."""
        with self.telling("read"):
            yield from map(bytes, self._client.get(self.key).stream(min_chunk_size=PIECE))

    def write_bytes(self, content: bytes) -> None:
        """Write an object: it appears as a whole."""
        with self.telling("written"):
            self._client.put(self.key, content)

    def write_chunks(self, chunks: Iterable[bytes]) -> None:
        """Write an object of many pieces, which wait on disk: what breaks off while they are made writes nothing."""
        with self.telling("written"), tempfile.TemporaryFile() as file:
            file.writelines(chunks)
            file.seek(0)
            self._client.put(self.key, file)

    def remove(self) -> None:
        """Remove an object and all below it, if there is any."""
        with self.telling("removed"):
            below = [found["path"] for batch in self._client.list(self.key) for found in batch]
            self._client.delete([self.key, *below])

    def sweep(self) -> None:
        """Do nothing: half an object never appears."""

    def zarr_store(self) -> "Store":
        """Return what `zarr` takes as a store."""
        from zarr.storage import ObjectStore

        return ObjectStore(_connect(str(self)))

    def lock(self, on_wait: OnWait = lambda _: None) -> Lock:
        """Take the lease beside it, for which one may have to wait; see `Lease`."""
        from skymist.store.lease import Lease

        return Lease(self, on_wait)

    def reason(self, error: Exception) -> str:
        """Return the code that the server gave, or what failed; the rest of its answer may name credentials."""
        kind, first = type(error).__name__, str(error).partition("\n")[0]
        code = re.search(r"<Code>(\w+)</Code>", str(error))
        if "169.254.169.254" in first:  # where machines in the cloud get theirs: the last place to look for them
            return "no credentials are set, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        if "error sending request" in first:
            return "the server does not answer"
        words = _WORDS.get(kind) or first.rpartition(" - ")[2].partition("<")[0].strip(" :")
        return f"{words} ({code[1]})" if code else words

    def version(self) -> Version | None:
        """Return which content the object has; None if there is no object."""
        with self.telling("reached"):
            try:
                found = self._client.head(self.key)
            except FileNotFoundError:
                return None
        age = (datetime.now(UTC) - found["last_modified"]).total_seconds()
        return Version(found["e_tag"], found["version"], age)

    def read_version(self) -> tuple[bytes, Version]:
        """Return the content of the object, and which one it is."""
        with self.telling("read"):
            found = self._client.get(self.key)
            return bytes(found.bytes()), Version(found.meta["e_tag"], found.meta["version"])

    def replace(self, content: bytes, before: Version | None) -> Version | None:
        """Write the object if it still is what it was (None: not there), and return what it is now; else None."""
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with self.telling("written"):
            try:
                found = self._client.put(self.key, content, mode=before.mode() if before else "create")
                return Version(found["e_tag"], found["version"])
            except (AlreadyExistsError, PreconditionError):
                return None
            except FileNotFoundError:
                if before is None:  # not the object is missing, but its bucket
                    raise
                return None


def _connect(url: str) -> "obstore.store.ObjectStore":
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError:
        raise StoreError(f"{url} needs obstore: pip install 'skymist[object-store]'") from None
    try:
        return from_url(url, retry_config=RETRIES)
    except (BaseError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise StoreError(f"{url} cannot be used: {reason}") from None
