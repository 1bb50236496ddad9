"""The bundle: the archive, or a part of it, as one folder that outlives the service; `restore` brings it back.

::

    ro-crate-metadata.json  what all this is, for programs (RO-Crate 1.2); ro-crate-preview.html is for people
    records/TABLE.jsonl     the rows of the database (`skymist.records.dump`); about.json says of which version
    inputs/SHA256           the messages, byte for byte
    maps/ROLE/NAME.zarr/    the sky maps, and files/ROLE/NAME what was drawn of them
    metadata/FRAGMENT/      what is said of each record, by standard
    checksums.sha256        of every other file, as ``sha256sum -c`` reads it

While it is written there is a file ``UNFINISHED`` in it, and that this is removed is the last thing of an export. So
what a killed one left behind is never taken for an archive, and the next export into that place begins anew.
"""

import hashlib
import json
import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from sqlalchemy.orm import Session

from skymist.errors import ConflictError, ReadError, RequestError, StoreError
from skymist.fair import crate
from skymist.fair.crate import Part
from skymist.fair.record import Record, Site
from skymist.model import skymap
from skymist.records import Database, dump
from skymist.records.dump import Placed
from skymist.records.tables import now
from skymist.store.place import Place, Where, place
from skymist.store.zarr import read_skymap

SUMS, UNFINISHED, ABOUT = "checksums.sha256", "UNFINISHED", "records/about.json"
FORMAT = 1
"""Of the layout above."""

THREADS = 16
"""Files that are written or read at a time: object stores are slow for one, and fast for many."""

MOST_DESCRIBED = 5000
"""Records that the metadata of a crate list one by one: validators take some hundredths of a second for each."""

Documents = Callable[[Session], Iterable[tuple[Record, Mapping[str, bytes]]]]
"""Returns the records in the state of the database that a session sees, each with its documents by file name; the
first of them stands for it in the metadata of the crate."""

Tables = Callable[[Session], Mapping[str, bytes]]
"""Returns more files, such as catalogs, by their path in the crate."""

OnProgress = Callable[[str, int], None]
"""Is told of each file that was written, and how many there are by now."""

_NOT_ENDED = b"This export has not ended: it is no archive yet.\n"
_REMOVED = b"This crate is being removed.\n"
_PATH = re.compile(r"[^\\\x00-\x1f\x7f/]+(/[^\\\x00-\x1f\x7f/]+)*")


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes
    ----------
    where : Place
    files, size : int
        How many, and their bytes.
    rows : dict of str to int
        By table.
    content_hash : str
        Of the records; see `skymist.records.dump.content_hash`.
    digest : str
        SHA-256 of the checksums: who keeps it elsewhere can tell whether this is still that crate.
    doubts : tuple of str
        Maps, files and messages that the records tell of and that are not there, or are others.
    """

    where: Place
    files: int
    size: int
    rows: dict[str, int]
    content_hash: str
    digest: str
    doubts: tuple[str, ...]


def export(
    database: Database,
    to: Where,
    *,
    site: Site,
    alert_ids: Collection[int] | None = None,
    documents: Documents = lambda _: (),
    tables: Tables = lambda _: {},
    on_progress: OnProgress = lambda *_: None,
) -> Exported:
    """Write a crate of all that there is, or of some alerts and what belongs to them.

    Everything is read in one state of the database. Of scans that are not complete there are only the records.

    Parameters
    ----------
    database : Database
    to : path, URL or Place
        A folder that is empty, or has what a killed export has left.
    site : Site
    alert_ids : collection of int, optional
        Numbers of alerts; without, all and everything.
    documents : callable
        See `Documents`.
    tables : callable
        See `Tables`.
    on_progress : callable
        See `OnProgress`.

    Raises
    ------
    ConflictError
        If there is something else already.
    UnknownNameError
        If there is no such alert.
    StoreError
        If something cannot be read or written, or another process is writing there.
    """
    revision, target = database.check(), place(to)
    with dump.one_state(database) as session:
        chosen = dump.choose(session, alert_ids)
        with closing(target.lock()) as lock, ThreadPoolExecutor(THREADS, "crate") as threads:
            _begin(target)
            writer = _Writer(target, threads, on_progress)
            rows, others = _write_records(writer, session, chosen)
            kept = _once(dump.placed(session, chosen))
            missing = _write_maps(writer, kept)
            first = _write_documents(writer, documents(session))
            more = tables(session)
            for path, content in more.items():
                writer.write(path, content)
            writer.finish()
            gone = dict.fromkeys((*missing, *writer.gone))
            changed = _changed(writer, (each for each in kept if each.url not in gone))
            doubts = [*others, *(f"{url} is not there" for url in gone), *changed]
            content_hash = dump.combined({name: writer.sums[f"records/{name}.jsonl"] for name in rows})
            selection = "everything" if chosen is None else f"alerts ({rows['alerts']}), and what belongs to them"
            about = {
                "format": FORMAT, "tables": revision, "content_hash": content_hash, "rows": rows,
                "selection": selection, "doubts": doubts, "software": f"skymist {version('skymist')}",
            }  # fmt: skip
            writer.write(ABOUT, _json(about))
            records = [(record, writer.part(path, record.title, record.description)) for record, path in first]
            parts = [_records(writer, rows), *_inputs(writer, records), *_maps(writer, kept), *_tables(writer, more)]
            _describe(writer, site, selection, parts, records)
            lock.check()
            text = canonical(writer.sums)
            (target / SUMS).write_bytes(text)
            (target / UNFINISHED).remove()
    size, digest = sum(writer.sizes.values()) + len(text), hashlib.sha256(text).hexdigest()
    return Exported(target, len(writer.sums) + 1, size, rows, content_hash, digest, tuple(doubts))


def is_complete(where: Where) -> bool:
    """Return whether a crate was written to its end; `verify` tells whether it is still what it was."""
    found = place(where)
    return (found / SUMS).exists() and not (found / UNFINISHED).exists()


def doubts(where: Where) -> tuple[str, ...]:
    """Return what was doubtful of a crate when it was written; also that nobody knows is doubtful."""
    about = place(where) / ABOUT
    if not about.exists():
        return (f"{about} is not there",)
    try:
        return tuple(map(str, json.loads(about.read_bytes())["doubts"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        return (f"{about} cannot be understood: {error}",)


def is_unfinished(where: Where) -> bool:
    """Return whether there is what a killed export, or a killed `discard`, has left."""
    mark = place(where) / UNFINISHED
    return mark.exists() and mark.read_bytes() in (_NOT_ENDED, _REMOVED)


def discard(where: Where) -> None:
    """Remove a crate; one that is half removed is not taken for a whole one."""
    found = place(where)
    (found / UNFINISHED).write_bytes(_REMOVED)
    _empty(found)
    found.remove()


def _empty(target: Place) -> None:
    """Remove everything but the mark of what is unfinished, the checksums first."""
    (target / SUMS).remove()
    for name in target.names():
        if name != UNFINISHED:
            (target / name).remove()


def canonical(sums: Mapping[str, str]) -> bytes:
    """Return the one text that checksums have, by path: as ``sha256sum`` writes it, sorted."""
    return "".join(f"{sums[path]}  {path}\n" for path in sorted(sums)).encode(errors="surrogateescape")


def _begin(target: Place) -> None:
    """Have an empty place that is marked as unfinished."""
    if target.names() and not is_unfinished(target):
        what = "a crate" if is_complete(target) else "something else"
        raise ConflictError(f"{target} holds {what} already; choose another place")
    (target / UNFINISHED).write_bytes(_NOT_ENDED)
    _empty(target)


class _GoneError(Exception):
    """What was to be copied has been removed meanwhile."""


def _copied(source: Place) -> Iterator[bytes]:
    try:
        yield from source.chunks()
    except StoreError as error:
        if _is_gone(error):
            raise _GoneError from None
        raise


def _is_gone(error: StoreError) -> bool:
    """Return whether something cannot be read because it is not there."""
    return isinstance(error.__context__, FileNotFoundError)


class _Writer:
    """Writes files into a crate, several at a time, and keeps their checksums.

    `gone` are those of what was copied that have been removed meanwhile, in their order.
    """

    def __init__(self, target: Place, threads: Executor, on_progress: OnProgress) -> None:
        self.target, self.on_progress = target, on_progress
        self.sums: dict[str, str] = {}
        self.sizes: dict[str, int] = {}
        self.gone: dict[str, None] = {}
        self._threads, self._waiting = threads, deque[tuple[str, str, Future[tuple[str, int]]]]()

    def write(self, path: str, content: bytes | Iterable[bytes]) -> None:
        """Write a file now."""
        self._check(path)
        self._keep(path, self._put(path, (content,) if isinstance(content, bytes) else content))

    def later(self, path: str, content: bytes | Place, of: str = "") -> None:
        """Write a file, or copy it `of` something, before `finish` ends; only so many wait as can be in memory."""
        self._check(path)
        self.sums[path] = ""
        self._waiting.append((path, of, self._threads.submit(self._copy, path, content)))
        if len(self._waiting) > 2 * THREADS:
            self._keep_next()

    def finish(self) -> None:
        """Wait until everything is written."""
        while self._waiting:
            self._keep_next()

    def part(self, path: str, name: str, description: str) -> Part:
        """Return what a file is that was written."""
        return Part(path, name, description, self.sums[path], self.sizes[path])

    def _check(self, path: str) -> None:
        if not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
            raise RequestError(f"{path!r} is no path for a file in a crate")
        if path in self.sums or path in (SUMS, UNFINISHED):
            raise RequestError(f"{path} is in the crate already")

    def _copy(self, path: str, content: bytes | Place) -> tuple[str, int]:
        return self._put(path, (content,) if isinstance(content, bytes) else _copied(content))

    def _put(self, path: str, chunks: Iterable[bytes]) -> tuple[str, int]:
        sha, size = hashlib.sha256(), 0

        def passing() -> Iterator[bytes]:
            nonlocal size
            for chunk in chunks:
                sha.update(chunk)
                size += len(chunk)
                yield chunk

        (self.target / path).write_chunks(passing())
        return sha.hexdigest(), size

    def _keep_next(self) -> None:
        path, of, future = self._waiting.popleft()
        try:
            self._keep(path, future.result())
        except _GoneError:
            del self.sums[path]
            self.gone[of] = None

    def _keep(self, path: str, found: tuple[str, int]) -> None:
        self.sums[path], self.sizes[path] = found
        self.on_progress(path, len(self.sizes))


def _write_records(writer: _Writer, session: Session, chosen: dump.Chosen) -> tuple[dict[str, int], list[str]]:
    """Write the rows of all tables, and the messages; return how many rows there are, and which messages are others."""
    others = list[str]()

    def take(sha256: str, content: bytes) -> None:
        if (path := f"inputs/{sha256}") not in writer.sums:
            writer.later(path, content)

    rows = {table.name: 0 for table in dump.archived()}
    for table in dump.archived():
        lines = dump.lines(session, table, chosen, take)
        lines = _doubted(lines, others) if table.name == "inputs" else lines
        writer.write(f"records/{table.name}.jsonl", _counted(lines, rows, table.name))
    return rows, others


def _doubted(lines: Iterable[bytes], others: list[str]) -> Iterator[bytes]:
    """Pass messages on, and add to `others` what is not what its id says."""
    for line in lines:
        row = json.loads(line)
        if row["id"] != row["content"]:
            others.append(f"the message {row['id']} is another one: its SHA-256 is {row['content']}")
        yield line


def _counted(lines: Iterable[bytes], counts: dict[str, int], name: str) -> Iterator[bytes]:
    for line in lines:
        counts[name] += 1
        yield line


def _once(kept: Iterable[Placed]) -> list[Placed]:
    """Return what is kept, each once; two things must not be one in the crate."""
    found: dict[str, Placed] = {}
    for each in kept:
        if found.setdefault(each.path, each).url != each.url:
            raise ConflictError(f"{each.url} and {found[each.path].url} would both be {each.path}")
    return list(found.values())


def _write_maps(writer: _Writer, kept: Iterable[Placed]) -> list[str]:
    """Copy maps, file by file, and what was drawn of them; return what is not there."""
    missing = []
    for each in kept:
        source = place(each.url)
        files = {each.path: source} if source.exists() else _files_of(source, each.path)
        if not files:
            missing.append(each.url)
        for path, file in files.items():
            writer.later(path, file, each.url)
    return missing


def _files_of(source: Place, path: str) -> dict[str, Place]:
    """Return the files of a map by the paths that they get; none if there is no map."""
    try:
        files = {f"{path}/{name}": source / name for name in source.files()}
    except StoreError as error:
        if _is_gone(error):  # removed at this moment
            return {}
        raise
    return files if f"{path}/zarr.json" in files else {}


def _changed(writer: _Writer, kept: Iterable[Placed]) -> list[str]:
    """Return what in the crate is not what its record says, which has the hash of a file, or of a map's content."""
    return [
        f"{each.url} is not what its record says"
        for each in kept  # one after the other, as maps may be large
        if (writer.sums.get(each.path) or _content_of(writer.target / each.path)) != each.sha256
    ]


def _content_of(kept: Place) -> str:
    """Return the hash of the content of a map; nothing if it cannot be read."""
    try:
        return skymap.content_hash(read_skymap(kept))
    except ReadError:
        return ""


def _write_documents(
    writer: _Writer, documents: Iterable[tuple[Record, Mapping[str, bytes]]]
) -> list[tuple[Record, str]]:
    """Write what is said of records; return the first ones, each with the path of its first document."""
    first: list[tuple[Record, str]] = []
    for record, files in documents:
        paths = [f"metadata/{record.fragment}/{name}" for name in files]
        for path, content in zip(paths, files.values(), strict=True):
            writer.later(path, content)
        if paths and len(first) < MOST_DESCRIBED:
            first.append((record, paths[0]))
    return first


def _describe(
    writer: _Writer, site: Site, selection: str, parts: Sequence[Part], records: Sequence[tuple[Record, Part]]
) -> None:
    """Write what the crate is, for programs and for people."""
    words = f"Records, messages and sky maps of neutrino events: {selection}."
    made = crate.metadata(f"Archive of {site.publisher}", words, now(), site, parts, records)
    writer.write(crate.METADATA, _json(made))
    writer.write(crate.PREVIEW, crate.preview(made).encode())


def _records(writer: _Writer, rows: Mapping[str, int]) -> Part:
    """Return what the rows are."""
    about = writer.part(ABOUT, "about", "The version of the tables, and the hash of all rows")
    lines = (writer.part(f"records/{name}.jsonl", name, f"rows of {name}: {count}") for name, count in rows.items())
    return Part("records/", "Records", "Rows of the database", parts=(about, *lines))


def _inputs(writer: _Writer, records: Iterable[tuple[Record, Part]]) -> Iterator[Part]:
    """Yield what the messages are, if there are any, with those that were scanned."""
    scanned = {f"inputs/{each.sha256}": each for record, _ in records if record.activity for each in record.sources}
    inputs = tuple(
        writer.part(path, each.name, f"{each.kind} received {each.received:%Y-%m-%d %H:%M:%S} UTC")
        for path, each in scanned.items()
        if path in writer.sums
    )
    if any(path.startswith("inputs/") for path in writer.sums):
        yield Part("inputs/", "Inputs", "Messages byte for byte, by their SHA-256", parts=inputs)


def _maps(writer: _Writer, kept: Iterable[Placed]) -> Iterator[Part]:
    """Yield what the maps are, and what was drawn of them."""
    for each in kept:
        name, inner = each.path.rpartition("/")[2], f"{each.path}/zarr.json"
        if each.path in writer.sums:
            yield writer.part(each.path, name, "Made of a sky map")
        elif inner in writer.sums:
            parts = (writer.part(inner, "zarr.json", "What is in the map"),)
            yield Part(f"{each.path}/", name, "A sky map", each.sha256, standard=crate.ZARR, parts=parts)


def _tables(writer: _Writer, paths: Iterable[str]) -> Iterator[Part]:
    for path in paths:
        yield writer.part(path, path.rpartition("/")[2], "Made of the records")


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
