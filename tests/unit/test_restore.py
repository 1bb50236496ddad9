"""Crates come back without loss, and no byte of them is changed without its being found."""

import hashlib
import json
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from archives import SITE, Archive, content_hash, files, fill, made, write
from obstore.store import MemoryStore
from sqlalchemy import select

from skymist.errors import ConflictError, ReadError, RequestError
from skymist.fair.crate import METADATA, PREVIEW
from skymist.model.circular import State
from skymist.records import Database, dump, publications, tables
from skymist.store.objects import ObjectPlace
from skymist.store.zarr import read_skymap
from skymist.workflow.archive.bundle import ABOUT, SUMS, canonical, discard, export
from skymist.workflow.archive.restore import restore, verify


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    with made(tmp_path_factory.mktemp("archive")) as found:
        yield found


@pytest.fixture
def copy(archive: Archive, tmp_path: Path) -> Path:
    return Path(shutil.copytree(archive.crate, tmp_path / "copy"))


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(str(tmp_path / "empty" / "records.sqlite"))) as database:
        yield database


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The crate of an archive in which there is nothing yet."""
    folder = tmp_path_factory.mktemp("small")
    with closing(Database(str(folder / "records.sqlite"))) as database:
        database.upgrade()
        export(database, folder / "crate", site=SITE)
    return folder / "crate"


class _Killed(BaseException):
    pass


def resum(folder: Path) -> None:
    """Forge the checksums."""
    sums = {path: hashlib.sha256(content).hexdigest() for path, content in files(folder).items()}
    del sums[SUMS]
    (folder / SUMS).write_bytes(canonical(sums))


def flip(content: bytes, at: int, bit: int) -> bytes:
    return content[:at] + bytes([content[at] ^ (1 << bit)]) + content[at + 1 :]


def test_exported_wiped_and_imported_all_is_the_same(archive: Archive, database: Database, tmp_path: Path) -> None:
    """From a file into each kind of database, and from there into a file again."""
    first = restore(archive.crate, database, tmp_path / "one")
    assert content_hash(database) == content_hash(archive.database) == archive.made.content_hash == first.content_hash
    assert files(tmp_path / "one") == files(archive.out)
    assert first.rows == archive.made.rows
    second = write(database, tmp_path / "crate")
    assert second.content_hash == archive.made.content_hash
    before, after = files(archive.crate), files(tmp_path / "crate")
    changed = {path for path in after if after[path] != before[path]}
    assert {METADATA, SUMS} <= changed <= {METADATA, PREVIEW, SUMS}  # the time is in them, whole seconds in the preview
    with closing(Database(str(tmp_path / "two.sqlite"))) as two:
        restore(tmp_path / "crate", two, tmp_path / "two")
        assert content_hash(two) == archive.made.content_hash
        assert files(tmp_path / "two") == files(archive.out)
        with two.read() as session:
            artifacts = session.scalars(select(tables.Artifact).where(tables.Artifact.kind == "zarr")).all()
            urls = [each.url for each in artifacts]
        assert len(urls) == 2
        for url in urls:
            assert Path(url).is_relative_to(tmp_path / "two" / "observation")
            xr.testing.assert_identical(
                read_skymap(url), read_skymap(archive.out / Path(url).relative_to(tmp_path / "two"))
            )


@pytest.mark.parametrize("seed", range(3))
def test_a_flipped_bit_in_any_file_is_found_and_named(archive: Archive, copy: Path, seed: int) -> None:
    rng = random.Random(seed)
    for path, content in files(copy).items():
        if not content:
            continue
        changed = flip(content, rng.randrange(len(content)), rng.randrange(8))
        (copy / path).write_bytes(changed)
        found = verify(copy).problems
        assert found, path
        assert path in " ".join(found)
        (copy / path).write_bytes(content)
    assert verify(copy).problems == ()


def test_a_flip_of_any_byte_of_small_files_is_found(small: Path, tmp_path: Path) -> None:
    copy, rng = Path(shutil.copytree(small, tmp_path / "copy")), random.Random(1)
    for path in (SUMS, ABOUT):
        content = (copy / path).read_bytes()
        for at in range(len(content)):
            (copy / path).write_bytes(flip(content, at, rng.randrange(8)))
            assert path in " ".join(verify(copy).problems), (path, at)
        (copy / path).write_bytes(content)


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "upper case": lambda text: text[:64].upper() + text[64:],
    "one space": lambda text: text.replace(b"  ", b" ", 1),
    "a space at an end": lambda text: text.replace(b"\n", b" \n", 1),
    "another end of line": lambda text: text.replace(b"\n", b"\r\n"),
    "no end": lambda text: text[:-1],
    "two ends": lambda text: text + b"\n",
    "another order": lambda text: b"".join(reversed(text.splitlines(keepends=True))),
    "a line twice": lambda text: text + text.splitlines(keepends=True)[-1],
    "a line fewer": lambda text: b"".join(text.splitlines(keepends=True)[:-1]),
    "binary mode": lambda text: text.replace(b"  ", b" *"),
    "nothing": lambda text: b"",
    "no text": lambda text: b"\xff\xfe" + text,
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_of_the_checksums_is_found(small: Path, tmp_path: Path, change: str) -> None:
    copy = Path(shutil.copytree(small, tmp_path / "copy"))
    (copy / SUMS).write_bytes(CHANGES[change]((small / SUMS).read_bytes()))
    found = verify(copy)
    assert all(SUMS in each for each in found.problems)
    assert found.problems
    assert found.digest != verify(small).digest


def test_what_is_missing_added_or_elsewhere_is_found_and_named(copy: Path) -> None:
    there = files(copy)
    for path in random.Random(1).sample(sorted(there.keys() - {SUMS}), 40):
        content = there[path]
        (copy / path).unlink()
        assert any(path in each and "is missing" in each for each in verify(copy).problems)
        (copy / f"{path}.x").write_bytes(content)
        assert any(f"{path}.x" in each for each in verify(copy).problems)
        (copy / f"{path}.x").unlink()
        (copy / path).write_bytes(content + b"\0")
        assert any(path in each for each in verify(copy).problems)
        (copy / path).write_bytes(content)
    for strange in ("a\nb", "inputs/\udcff", "maps/.hidden"):
        (copy / strange).write_bytes(b"")
        assert any(repr(strange) in each and "is not in" in each for each in verify(copy).problems)
        (copy / strange).unlink()
    (copy / "link").symlink_to(copy / "maps")
    assert "link" in " ".join(verify(copy).problems)


def test_a_damaged_crate_is_refused_unless_that_is_wanted(
    archive: Archive, copy: Path, empty: Database, tmp_path: Path
) -> None:
    picture = next((copy / "files" / "observation").glob("*.png"))
    picture.write_bytes(b"no picture")
    (copy / "inputs" / "new").write_bytes(b"")
    said = rf"{copy}: not what was exported: 'inputs/new' is not in {SUMS}; 'files/.*{picture.name}' is not what {SUMS}"
    with pytest.raises(ReadError, match=said):
        restore(copy, empty, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    restore(copy, empty, tmp_path / "out", damaged=True)
    assert content_hash(empty) == archive.made.content_hash


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        (
            "records/inputs.jsonl",
            rb'"times":1',
            b'"times":2',
            "the records are not those that records/about.json",
        ),
        (
            ABOUT,
            rb'"content_hash": "\w+',
            b'"content_hash": "' + 64 * b"0",
            "the records are not those that records/about.json",
        ),
        (ABOUT, rb'"format": 1', b'"format": 2', "of format 2, and this skymist reads 1"),
        (ABOUT, rb'"rows"', b'"lines"', "no crate of skymist"),
        (ABOUT, rb"^{", b"[", "no crate of skymist"),
        (ABOUT, rb'"tables": "\d+"', b'"tables": 5', "no version and rows"),
    ],
)
def test_forged_checksums_do_not_hide_records_that_do_not_fit(
    copy: Path, empty: Database, tmp_path: Path, path: str, old: bytes, new: bytes, said: str
) -> None:

    before = (copy / path).read_bytes()
    (copy / path).write_bytes(re.sub(old, new, before, count=1))
    assert (copy / path).read_bytes() != before
    resum(copy)
    assert said in " ".join(verify(copy).problems)
    with pytest.raises(ReadError, match=said):
        restore(copy, empty, tmp_path / "out")


def test_a_forged_message_is_found(copy: Path) -> None:
    message = next((copy / "inputs").iterdir())
    message.write_bytes(b"forged")
    resum(copy)
    assert verify(copy).problems == (f"the message '{message.name}' is not there, or another one",)


@pytest.mark.parametrize("url", ["maps/../../etc/x.zarr", "/etc/passwd", "maps/", "tokens/x", "files/./x"])
def test_a_forged_place_leads_nowhere(archive: Archive, copy: Path, empty: Database, tmp_path: Path, url: str) -> None:
    rows = [json.loads(line) for line in (copy / "records/artifacts.jsonl").read_bytes().splitlines()]
    rows[0]["url"] = url
    (copy / "records/artifacts.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    back = restore(copy, empty, tmp_path / "out", damaged=True)
    assert f"records/artifacts.jsonl, line 1: left out: {url!r} is no path of a map or file" in back.problems
    assert back.rows["artifacts"] == len(rows) - 1
    assert files(tmp_path / "out") == files(archive.out)


def forge(folder: Path, path: str, change: Callable[[bytes], bytes]) -> None:
    """Change a file with its checksum, and what is said of it."""
    (folder / path).parent.mkdir(exist_ok=True)
    before = (folder / path).read_bytes() if (folder / path).exists() else b""
    (folder / path).write_bytes(change(before))
    about = json.loads((folder / ABOUT).read_bytes())
    sums = {each.stem: hashlib.sha256(each.read_bytes()).hexdigest() for each in (folder / "records").glob("*.jsonl")}
    about |= {"content_hash": dump.combined(sums), "rows": dict.fromkeys(sums, 0)}
    (folder / ABOUT).write_text(json.dumps(about))
    resum(folder)


@pytest.mark.parametrize("version", ["0005", "0004"])
@pytest.mark.parametrize("damaged", [False, True])
def test_a_crate_brings_no_tokens(small: Path, empty: Database, tmp_path: Path, version: str, damaged: bool) -> None:
    copy, now = Path(shutil.copytree(small, tmp_path / "copy")), tables.now().isoformat()
    if version == "0004":
        for name in ("identities", "imported_maps"):
            (copy / f"records/{name}.jsonl").unlink()
    row = {"id": "1", "hash": "2", "owner": "eve", "role": "operator", "created": now, "expires": now, "revoked": None}
    forge(copy, "records/tokens.jsonl", lambda _: f"{json.dumps(row)}\n".encode())
    (copy / ABOUT).write_bytes(
        re.sub(rb'"tables": "\d+"', f'"tables": "{version}"'.encode(), (copy / ABOUT).read_bytes())
    )
    resum(copy)
    assert verify(copy).problems == ("there are records of tokens, which is no table that is archived",)
    with pytest.raises(ReadError, match="tokens"):
        restore(copy, empty, tmp_path / "out", damaged=damaged)
    empty.upgrade()
    with empty.read() as session:
        assert session.scalars(select(tables.Token)).all() == []


@pytest.mark.parametrize("damaged", [False, True])
def test_a_crate_of_a_newer_skymist_is_whole_and_refused_as_such(
    small: Path, empty: Database, tmp_path: Path, damaged: bool
) -> None:
    """Whatever tables it has, and whatever is in them."""
    copy = Path(shutil.copytree(small, tmp_path / "copy"))
    forge(copy, "records/sightings.jsonl", lambda _: b"")
    forge(copy, "records/inputs.jsonl", lambda _: b'{"hash":"0"}\n')
    (copy / ABOUT).write_bytes(re.sub(rb'"tables": "\d+"', b'"tables": "9999"', (copy / ABOUT).read_bytes()))
    assert ABOUT in " ".join(verify(copy).problems)
    if not damaged:
        with pytest.raises(ReadError, match=f"not what was exported: '{ABOUT}' is not what"):
            restore(copy, empty, tmp_path / "out")
    resum(copy)
    assert verify(copy).problems == ()
    with pytest.raises(RequestError, match="tables of version 9999 are unknown to this skymist"):
        restore(copy, empty, tmp_path / "out", damaged=damaged)


def test_of_a_damaged_crate_comes_what_can_be_read(
    archive: Archive, copy: Path, empty: Database, tmp_path: Path
) -> None:
    events = [json.loads(line)["input_id"] for line in (copy / "records/events.jsonl").read_bytes().splitlines()]
    revisions = [json.loads(line) for line in (copy / "records/revisions.jsonl").read_bytes().splitlines()]
    notice = next(row["input_id"] for row in revisions if row["input_id"] not in (None, *events))
    (copy / "inputs" / notice).write_bytes(flip((copy / "inputs" / notice).read_bytes(), 1, 1))
    other = next(each for each in (copy / "inputs").iterdir() if each.name not in (notice, *events))
    other.unlink()
    lines = (copy / "records/comments.jsonl").read_bytes()
    (copy / "records/comments.jsonl").write_bytes(b"\xff" + lines)
    (copy / "records/aliases.jsonl").unlink()
    about = json.loads((copy / ABOUT).read_bytes())
    del about["content_hash"]
    (copy / ABOUT).write_text(json.dumps(about))
    back = restore(copy, empty, tmp_path / "out", damaged=True)
    told = "\n".join(back.problems)
    for words in (
        f"'inputs/{notice}' is not what {SUMS} says", f"'inputs/{other.name}' of {SUMS} is missing",
        f"the message '{notice}' is not there, or another one", "records/aliases.jsonl cannot be read",
        "records/comments.jsonl, line 1: left out: ", f"the message '{other.name}' is not there",
    ):  # fmt: skip
        assert words in told
    assert (back.rows["inputs"], back.rows["comments"]) == (archive.made.rows["inputs"] - 2, 0)
    assert back.rows["revisions"] == archive.made.rows["revisions"]
    assert back.content_hash == content_hash(empty)
    assert write(empty, tmp_path / "again").doubts == ()
    assert verify(tmp_path / "again").problems == ()


@pytest.mark.parametrize("path", [ABOUT, "records/inputs.jsonl", "records/log.jsonl"])
def test_what_is_nested_without_end_is_told(small: Path, empty: Database, tmp_path: Path, path: str) -> None:
    copy, deep = Path(shutil.copytree(small, tmp_path / "copy")), b"[" * 100_000 + b"]" * 100_000
    if path == ABOUT:
        (copy / path).write_bytes(deep)
        resum(copy)
    else:
        forge(copy, path, lambda _: deep)
    if "log" not in path:
        assert "recursion" in " ".join(verify(copy).problems)
    with pytest.raises(ReadError, match="recursion"):
        restore(copy, empty, tmp_path / "out")


@pytest.mark.parametrize("path", [SUMS, ABOUT, "records/inputs.jsonl", "maps/endless"])
def test_what_has_no_end_is_named_and_not_read(small: Path, empty: Database, tmp_path: Path, path: str) -> None:
    for name, make in (("pipe", os.mkfifo), ("link", lambda file: file.symlink_to("/dev/zero"))):
        copy = Path(shutil.copytree(small, tmp_path / name))
        (copy / path).unlink(missing_ok=True)
        (copy / path).parent.mkdir(exist_ok=True)
        make(copy / path)
        assert f"'{path}' is no file of a crate but a link, a pipe or a device" in verify(copy).problems
        assert (verify(copy).digest == "") == (path == SUMS)
        if path == ABOUT:
            with pytest.raises(ReadError, match="no crate of skymist: there is no such file"):
                restore(copy, empty, tmp_path / "out", damaged=True)
    if path.startswith("maps"):
        back = restore(copy, empty, tmp_path / "out", damaged=True)
        assert back.files == 0


def test_a_killed_import_is_done_again(
    archive: Archive, empty: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise _Killed

    with monkeypatch.context() as patch:
        patch.setattr(dump, "_go_on", killed)  # in the middle of the rows
        with pytest.raises(_Killed):
            restore(archive.crate, empty, tmp_path / "out")
    next((tmp_path / "out").rglob("*.png")).unlink()
    restore(archive.crate, empty, tmp_path / "out")
    assert content_hash(empty) == archive.made.content_hash
    assert files(tmp_path / "out") == files(archive.out)
    with pytest.raises(ConflictError, match="is not empty"):
        restore(archive.crate, empty, tmp_path / "out")


def test_what_was_about_to_be_sent_is_not_sent_by_the_copy(tmp_path: Path) -> None:
    with closing(Database(str(tmp_path / "old.sqlite"))) as old, closing(Database(str(tmp_path / "new.sqlite"))) as new:
        old.upgrade()
        fill(old)
        with old.begin() as session:
            approved = publications.get(session, None, 1)
            publications.ask_to_send(session, approved, "gcn", "0" * 64, "sender")
        write(old, tmp_path / "crate")
        back = restore(tmp_path / "crate", new, tmp_path / "out")
        assert back.held == 1
        with new.read() as session:
            found = publications.get(session, None, 1)
            assert (found.state, found.approver, found.confirmed) == (State.APPROVED, "approver", "")
            assert "copy of the records" in found.error
            assert publications.claim(session, "courier", lambda _: False, timedelta(0)) is None


def test_other_maps_of_the_same_name_stay(archive: Archive, empty: Database, tmp_path: Path) -> None:
    other = tmp_path / "out" / "imported" / "map.zarr" / "zarr.json"
    other.parent.mkdir(parents=True)
    other.write_text("another")
    with pytest.raises(ConflictError, match=r"map\.zarr/zarr\.json is another file than in the crate"):
        restore(archive.crate, empty, tmp_path / "out")
    assert other.read_text() == "another"
    restore(archive.crate, empty, tmp_path / "elsewhere")


def test_object_stores_do_as_well(archive: Archive, empty: Database) -> None:
    memory = MemoryStore()
    there, out = ObjectPlace("s3://bucket", "crates/one", memory), ObjectPlace("s3://bucket", "scans", memory)
    written = write(archive.database, there)
    assert written.content_hash == archive.made.content_hash
    assert verify(there).problems == ()
    restore(there, empty, out)
    assert content_hash(empty) == written.content_hash
    assert {path: (out / path).read_bytes() for path in out.files()} == files(archive.out)
    key = next(path for path in there.files() if path.endswith(".png"))
    (there / key).write_bytes(flip((there / key).read_bytes(), 100, 3))
    assert verify(there).problems == (f"'{key}' is not what {SUMS} says",)
    discard(there)
    assert list(there.files()) == []
    assert verify(there).problems == ("there is nothing at s3://bucket/crates/one",)
