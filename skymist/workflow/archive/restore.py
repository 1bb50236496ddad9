"""A crate that `bundle` wrote: whether it is still what it was, and back into a database with its maps."""

import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

from skymist.errors import ConflictError, ReadError, StoreError
from skymist.records import Database, dump, publications
from skymist.records.tokens import OURSELVES
from skymist.store.place import LocalPlace, Place, Where, absolute, place
from skymist.workflow.archive.bundle import ABOUT, FORMAT, SUMS, THREADS, UNFINISHED, canonical

MOST_TOLD = 3
"""Problems that an error names."""

_LINE = re.compile(rb"([0-9a-f]{64})  (.+)")
_NO_FORM = (ValueError, KeyError, TypeError, AttributeError, RecursionError)

Sums = Mapping[str, str | StoreError]
"""SHA-256 of files by path; an error of those that cannot be read."""


@dataclass(frozen=True)
class Verification:
    """What was found of a crate.

    Attributes
    ----------
    where : Place
    files : int
    digest : str
        SHA-256 of its checksums; empty if there are none.
    problems : tuple of str
        In words; none if every byte is what it was.
    """

    where: Place
    files: int
    digest: str
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Restored:
    """What was brought back.

    Attributes
    ----------
    rows : dict of str to int
        By table.
    files : int
        Of maps, and what was drawn of them.
    content_hash : str
        Of the records that came in; see `skymist.records.dump.content_hash`.
    held : int
        Publications that were about to be sent: nothing goes out twice, so somebody has to confirm them anew.
    problems : tuple of str
        Of a damaged crate, in words: what is not as it was, and what could not be taken.
    """

    rows: dict[str, int]
    files: int
    content_hash: str
    held: int
    problems: tuple[str, ...] = ()


def verify(where: Where) -> Verification:
    """Look at every byte of a crate.

    Found and named is each file that was changed, is missing or was added, any change of the checksums themselves, and
    records that do not fit the messages, or that no archive has. Files that were changed together with their checksums
    are what only the digest tells of.

    Raises
    ------
    StoreError
        If the place cannot be reached.
    """
    return _look(place(where))[0]


def restore(where: Where, database: Database, out: Where, *, damaged: bool = False) -> Restored:
    """Bring a crate into an empty database, and its maps into a folder.

    Maps come first, and then all rows or none: one that was killed can be repeated.

    Parameters
    ----------
    where : path, URL or Place
        The crate.
    database : Database
        Without any rows.
    out : path, URL or Place
        Folder of the maps, as the runner has it; each role has its own folder in it.
    damaged : bool
        Whether to take what can be read of a crate that is not what it was: without messages that are others, rows
        that are none, and rows that need them.

    Raises
    ------
    ReadError
        If it is not what it was, or cannot be understood.
    ConflictError
        If the database is not empty, or there are other maps of the same names.
    RequestError
        If it was made by a newer skymist.
    """
    found, sums = _look(place(where))
    if found.problems and not damaged:
        more = f" (and {len(found.problems) - MOST_TOLD} more)" if len(found.problems) > MOST_TOLD else ""
        raise ReadError(f"not what was exported: {'; '.join(found.problems[:MOST_TOLD])}{more}", str(found.where))
    target, kept, left_out = found.where, absolute(out), list[str]()
    about = _about(target, sums)
    dump.check_empty(database, about["tables"])
    with ThreadPoolExecutor(THREADS, "crate") as threads:
        paths = [path for path in sums if path.startswith(("maps/", "files/")) and isinstance(sums[path], str)]
        for _ in threads.map(lambda path: _bring(target / path, kept / path.partition("/")[2]), paths):
            pass
        held: list[int] = []
        rows, content_hash = dump.load(
            database,
            about["tables"],
            {name: _rows(target, sums, name, left_out.append) for name in about["rows"]},
            lambda names: threads.map(partial(_message, target, sums), names),
            partial(_moved, kept),
            "" if found.problems else about["content_hash"],
            lambda session: held.append(publications.hold(session, OURSELVES)),
            left_out.append if found.problems else None,
        )
    return Restored(rows, len(paths), content_hash, held[0], (*found.problems, *left_out))


def _look(target: Place) -> tuple[Verification, Sums]:
    """Return what was found of a crate, and the checksums that its files have, sorted."""
    there = sorted(target.files())
    with ThreadPoolExecutor(THREADS, "crate") as threads:
        sums = dict(zip(there, threads.map(partial(_sum, target), there), strict=True))
    problems = list(_files(target, sums)) or list(_records(target, sums))
    digest = sums.get(SUMS, "")
    return Verification(target, len(sums), digest if isinstance(digest, str) else "", tuple(problems)), sums


def _sum(target: Place, path: str) -> str | StoreError:
    file, sha = target / path, sha256()
    try:
        if isinstance(file, LocalPlace) and not stat.S_ISREG(os.lstat(file).st_mode):
            return StoreError(f"{path!r} is no file of a crate but a link, a pipe or a device")  # it may have no end
        for chunk in file.chunks():
            sha.update(chunk)
    except OSError as error:
        return StoreError(f"{file} cannot be read: {file.reason(error)}")
    except StoreError as error:
        return error
    return sha.hexdigest()


def _files(target: Place, found: Sums) -> Iterator[str]:
    """Yield how the files differ from the checksums."""
    if SUMS not in found:
        yield f"{SUMS} is missing" if found else f"there is nothing at {target}"
        return
    if UNFINISHED in found:
        yield f"its export has not ended, or it is being removed: there is a file {UNFINISHED}"
    yield from (str(each) for each in found.values() if isinstance(each, StoreError))
    if isinstance(found[SUMS], str):
        sums = {path: str(each) for path, each in found.items() if path not in (SUMS, UNFINISHED)}
        yield from _differences((target / SUMS).read_bytes(), sums)


def _differences(text: bytes, sums: Mapping[str, str]) -> Iterator[str]:
    """Yield how checksums differ from the one text that fits the files."""
    if text == canonical(sums):
        return
    said, odd = dict[str, str](), False
    for number, line in enumerate(text.removesuffix(b"\n").split(b"\n"), 1):
        if parts := _LINE.fullmatch(line):
            said[parts[2].decode(errors="surrogateescape")] = parts[1].decode()
        else:
            yield f"{SUMS}, line {number}, is no checksum"
            odd = True
    for path in sorted(sums.keys() - said.keys()):
        yield f"{path!r} is not in {SUMS}"
    for path in sorted(said.keys() - sums.keys()):
        yield f"{path!r} of {SUMS} is missing"
    for path in sorted(path for path in said.keys() & sums.keys() if said[path] != sums[path]):
        yield f"{path!r} is not what {SUMS} says"
    if said == sums and not odd:
        yield f"{SUMS} is not as it was written"


def _records(target: Place, found: Sums) -> Iterator[str]:
    """Yield where records do not fit each other or the messages."""
    try:
        about = _about(target, found)
        known = about["tables"] in dump.versions()  # of what a newer skymist archives nothing is known
        if known and (others := about["rows"].keys() - {table.name for table in dump.archived()}):
            yield f"there are records of {min(others)}, which is no table that is archived"
        sums = {name: str(found.get(f"records/{name}.jsonl")) for name in about["rows"]}
        if dump.combined(sums) != about.get("content_hash"):
            yield f"the records are not those that {ABOUT} tells of"
        for line in _lines(target / "records/inputs.jsonl") if known else ():
            row = json.loads(line)
            if not row["id"] == row["content"] == found.get(f"inputs/{row['content']}"):
                yield f"the message {row['id']!r} is not there, or another one"
    except (*_NO_FORM, ReadError) as error:
        yield f"the records cannot be understood: {error}"


def _about(target: Place, found: Sums) -> dict[str, Any]:
    """Return what a crate says of its records."""
    try:
        if not isinstance(found.get(ABOUT), str):
            raise ValueError("there is no such file")
        about = dict(json.loads((target / ABOUT).read_bytes()))
        if about["format"] != FORMAT:
            raise ReadError(f"of format {about['format']}, and this skymist reads {FORMAT}", str(target))
        if not (isinstance(about["tables"], str) and isinstance(about["rows"], dict)):
            raise ValueError("no version and rows of tables in it")
    except (*_NO_FORM, StoreError) as error:
        raise ReadError(f"no crate of skymist: {error}", str(target / ABOUT)) from None
    return about


def _rows(target: Place, found: Sums, name: str, left_out: Callable[[str], object]) -> Iterator[bytes]:
    """Yield the lines of a table, none if they cannot be read."""
    path = f"records/{name}.jsonl"
    if isinstance(found.get(path), str):
        yield from _lines(target / path)
    else:
        left_out(f"{path} cannot be read")


def _lines(file: Place) -> Iterator[bytes]:
    """Yield the lines of a file, however long it is."""
    rest = b""
    for chunk in file.chunks():
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    if rest:
        yield rest


def _message(target: Place, found: Sums, name: str) -> bytes | None:
    path = f"inputs/{name}"
    return (target / path).read_bytes() if isinstance(found.get(path), str) else None


def _bring(file: Place, to: Place) -> None:
    """Copy a file, unless it is there already."""
    content = file.read_bytes()
    if not to.exists():
        to.write_bytes(content)
    elif to.read_bytes() != content:
        raise ConflictError(f"{to} is another file than in the crate; choose another place for the maps")


def _moved(kept: Place, path: str) -> str:
    """Return where that is now which had a path in the crate."""
    folder, *parts = path.split("/")
    if folder not in ("maps", "files") or not parts or {"", ".", ".."} & set(parts):
        raise ValueError(f"{path!r} is no path of a map or file")
    return str(kept / "/".join(parts))
