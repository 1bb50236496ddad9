"""Bundles: everything out, in one piece, and where it belongs."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from archives import SITE, Archive, content_hash, documents, files, fill, made, validate, write
from sqlalchemy import select, update

from skymist.errors import ConflictError, RequestError, StoreError, UnknownNameError
from skymist.fair.crate import METADATA
from skymist.records import Database, tables
from skymist.store.place import LocalPlace, place
from skymist.workflow.archive import exchange
from skymist.workflow.archive.bundle import ABOUT, SUMS, UNFINISHED, discard, export, is_complete, is_unfinished
from skymist.workflow.archive.exchange import is_crate
from skymist.workflow.archive.restore import restore, verify


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    with made(tmp_path_factory.mktemp("archive")) as found:
        yield found


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(str(tmp_path / "empty" / "records.sqlite"))) as database:
        yield database


def test_a_crate_is_valid_by_the_tools_of_others(archive: Archive, tmp_path: Path) -> None:
    assert validate(archive.crate, "REQUIRED", tmp_path / "cache") == []
    command = ["sha256sum", "--quiet", "--strict", "-c", SUMS]
    assert subprocess.run(command, cwd=archive.crate, check=False).returncode == 0


def test_a_crate_says_what_is_in_it(archive: Archive) -> None:
    written, there = archive.made, files(archive.crate)
    assert (written.files, written.size) == (len(there), sum(map(len, there.values())))
    assert written.digest == verify(archive.crate).digest == hashlib.sha256(there[SUMS]).hexdigest()
    assert written.doubts == verify(archive.crate).problems == ()
    found = {entity["@id"]: entity for entity in json.loads(there[METADATA])["@graph"]}
    actions = [entity for entity in found.values() if entity["@type"] == "CreateAction"]
    done = [entity for entity in actions if "result" in entity]
    assert (len(actions), len(done)) == (3, 2)
    assert {each["@id"].partition("/")[0] for each in done[0]["result"]} == {"maps", "files"}
    assert done[0]["object"]["@id"].startswith("inputs/")
    assert found["catalog/alerts.csv"]["encodingFormat"] == "text/csv"
    assert sum(key.startswith("metadata/") for key in found) == written.rows["identities"] + 1
    assert "maps/imported/map.zarr/" in found


def test_what_is_told_of_is_there(archive: Archive, empty: Database, tmp_path: Path) -> None:
    empty.upgrade()
    export(empty, tmp_path / "crate", site=SITE)
    for folder in (archive.crate, tmp_path / "crate"):
        keys = [entity["@id"] for entity in json.loads((folder / METADATA).read_bytes())["@graph"]]
        paths = [key for key in keys if ":" not in key and not key.startswith("#")]
        assert len(paths) > 10
        assert all((folder / path).is_dir() == path.endswith("/") for path in paths if (folder / path).exists())
        assert [path for path in paths if not (folder / path).exists()] == []


def test_what_is_written_comes_from_one_state_and_is_told(archive: Archive, tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []

    def late(session: Any) -> Iterator[Any]:
        with archive.database.begin() as other:
            other.execute(update(tables.Alert).values(stream="bronze"))
        try:
            assert set(session.scalars(select(tables.Alert.stream))) != {"bronze"}
            yield from documents(session)
        finally:
            with archive.database.begin() as other:
                other.execute(update(tables.Alert).values(stream="gold"))

    with archive.database.begin() as session:
        session.execute(update(tables.Alert).values(stream="gold"))
    before = content_hash(archive.database)
    written = export(
        archive.database, tmp_path / "c", site=SITE, documents=late, on_progress=lambda *each: told.append(each)
    )
    assert written.content_hash == before
    assert [count for _, count in told] == list(range(1, len(told) + 1))
    assert {path for path, _ in told} == files(tmp_path / "c").keys() - {SUMS}


def test_a_selection_comes_back_as_such(archive: Archive, empty: Database, tmp_path: Path) -> None:
    written = write(archive.database, tmp_path / "crate", alert_ids=archive.alerts[1:])
    assert written.rows["alerts"] == 1
    assert not (tmp_path / "crate" / "maps").exists()
    assert "alerts (1), and what" in (tmp_path / "crate" / METADATA).read_text()
    restore(tmp_path / "crate", empty, tmp_path / "out")
    assert content_hash(empty) == written.content_hash == content_hash(archive.database, archive.alerts[1])
    with pytest.raises(UnknownNameError, match="no alert number is called '77'"):
        write(archive.database, tmp_path / "other", alert_ids=[77])
    assert not (tmp_path / "other").exists()


class _Killed(BaseException):
    pass


@pytest.mark.parametrize("after", [0, 1, 20, 60, "metadata"])
def test_a_killed_export_is_no_crate_and_is_done_again(archive: Archive, tmp_path: Path, after: int | str) -> None:
    def kill(path: str, count: int) -> None:
        if after in (count, path[:-5].removeprefix("ro-crate-")):
            raise _Killed

    folder = tmp_path / "crate"
    if after == 0:
        folder.mkdir()
        (folder / UNFINISHED).write_text("This crate is being removed.\n")
    else:
        with pytest.raises(_Killed):
            write(archive.database, folder, on_progress=kill)
    assert is_crate(folder)
    (folder / "left over").write_text("x")
    assert not is_complete(folder)
    assert verify(folder).problems
    assert write(archive.database, folder).content_hash == archive.made.content_hash
    assert is_complete(folder)
    assert verify(folder).problems == ()


def test_only_an_empty_place_is_written_to(archive: Archive, tmp_path: Path) -> None:
    before = files(archive.crate)
    with pytest.raises(ConflictError, match=f"{archive.crate} holds a crate already; choose another place"):
        write(archive.database, archive.crate)
    assert files(archive.crate) == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(ConflictError, match="holds something else already"):
        write(archive.database, tmp_path / "mine")
    assert files(tmp_path / "mine") == {"thesis.tex": b"x"}
    (tmp_path / "mine" / UNFINISHED).write_text("chapter 3")
    with pytest.raises(ConflictError, match=f"{tmp_path / 'mine'} holds something else already"):
        write(archive.database, tmp_path / "mine")
    assert files(tmp_path / "mine") == {"thesis.tex": b"x", UNFINISHED: b"chapter 3"}
    with pytest.raises(StoreError, match="another process is writing"):
        write(archive.database, tmp_path / "new", on_progress=lambda *_: write(archive.database, tmp_path / "new"))


@pytest.mark.parametrize(
    "path", ["../x", "a//b", "/x", "a\\b", "a\nb", "a/./b", "", SUMS, UNFINISHED, "records/alerts.jsonl"]
)
def test_other_files_have_paths_of_their_own(archive: Archive, tmp_path: Path, path: str) -> None:
    with pytest.raises(RequestError, match=r"is (no path for a file in a crate|in the crate already)"):
        export(archive.database, tmp_path / "crate", site=SITE, tables=lambda _: {path: b""})
    assert not is_complete(tmp_path / "crate")


def test_maps_that_are_gone_or_others_are_told(archive: Archive, empty: Database, tmp_path: Path) -> None:
    restore(archive.crate, empty, tmp_path / "out")
    gone, picture = tmp_path / "out" / "imported" / "map.zarr", next((tmp_path / "out").rglob("*.png"))
    shutil.rmtree(gone)
    picture.write_bytes(b"no picture")
    written = export(empty, tmp_path / "crate", site=SITE)
    assert set(written.doubts) == {f"{gone} is not there", f"{picture} is not what its record says"}
    assert verify(tmp_path / "crate").problems == ()
    assert json.loads((tmp_path / "crate" / ABOUT).read_bytes())["doubts"] == list(written.doubts)
    with empty.begin() as session:
        session.execute(
            update(tables.Artifact).where(tables.Artifact.kind == "png").values(url=f"/x/imported/{gone.name}")
        )
    with pytest.raises(ConflictError, match=r"would both be maps/imported/map\.zarr"):
        export(empty, tmp_path / "other", site=SITE)


def test_a_map_that_is_incomplete_or_another_one_is_told(archive: Archive, empty: Database, tmp_path: Path) -> None:
    restore(archive.crate, empty, tmp_path / "out")
    one, other = sorted((tmp_path / "out").rglob("*.zarr"))[:2]
    assert export(empty, tmp_path / "before", site=SITE).doubts == ()
    shutil.rmtree(one / "nllh" / "c")  # reads as values that nobody has fitted
    shutil.rmtree(other / "status")
    written = export(empty, tmp_path / "crate", site=SITE)
    assert set(written.doubts) == {f"{each} is not what its record says" for each in (one, other)}


@pytest.mark.parametrize("change", ["moved away", "mended"])
def test_it_is_what_is_in_the_crate_that_is_told(
    archive: Archive, empty: Database, tmp_path: Path, change: str
) -> None:
    """Whatever becomes of a map after it was copied."""
    restore(archive.crate, empty, tmp_path / "out")
    kept = tmp_path / "out" / "imported" / "map.zarr"
    if change == "mended":
        shutil.move(kept / "nllh" / "c", tmp_path / "c")

    def after(path: str, _: int) -> None:
        if path.startswith("metadata/") and kept.exists() and change == "moved away":
            shutil.move(kept, tmp_path / "elsewhere.zarr")
        elif path.startswith("metadata/") and (tmp_path / "c").exists():
            shutil.move(tmp_path / "c", kept / "nllh" / "c")

    written = write(empty, tmp_path / "crate", on_progress=after)
    assert written.doubts == (() if change == "moved away" else (f"{kept} is not what its record says",))
    assert kept.exists() == (change == "mended")
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("what", ["map.zarr", "map.zarr/zarr.json", "*.png"])
def test_what_is_removed_meanwhile_is_told(archive: Archive, empty: Database, tmp_path: Path, what: str) -> None:
    restore(archive.crate, empty, tmp_path / "out")
    found = next((tmp_path / "out").rglob(what.partition("/")[0]))
    real = LocalPlace.chunks

    def chunks(self: LocalPlace) -> Iterator[bytes]:
        if str(self).startswith(str(found)):
            place(found / what.partition("/")[2] if "/" in what else found).remove()
        yield from real(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalPlace, "chunks", chunks)
        written = export(empty, tmp_path / "crate", site=SITE)
    assert written.doubts == (f"{found} is not there",)
    assert verify(tmp_path / "crate").problems == ()
    keys = [entity["@id"] for entity in json.loads((tmp_path / "crate" / METADATA).read_bytes())["@graph"]]
    assert not [key for key in keys if found.name in key and not (tmp_path / "crate" / key).exists()]


def test_a_message_that_is_another_one_is_told(archive: Archive, empty: Database, tmp_path: Path) -> None:
    restore(archive.crate, empty, tmp_path / "out")
    with empty.begin() as session:
        item = session.scalars(select(tables.Input).order_by(tables.Input.id)).first()
        assert item is not None
        item.content += b" "
    (doubt,) = export(empty, tmp_path / "crate", site=SITE).doubts
    assert doubt == f"the message {item.id} is another one: its SHA-256 is {hashlib.sha256(item.content).hexdigest()}"


@pytest.mark.parametrize("after", [0, 1, 5])
def test_a_crate_that_is_half_removed_is_none(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    copy, removed = Path(shutil.copytree(archive.crate, tmp_path / "copy")), list[str]()
    real = LocalPlace.remove

    def remove(self: LocalPlace) -> None:
        if len(removed) == after:
            raise _Killed
        removed.append(str(self))
        real(self)

    with monkeypatch.context() as patch:
        patch.setattr(LocalPlace, "remove", remove)
        with pytest.raises(_Killed):
            discard(copy)
    assert not is_complete(copy)
    assert is_unfinished(copy)
    discard(copy)
    assert not copy.exists()


def test_a_crate_is_known_whatever_is_missing_of_it(archive: Archive, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(archive.crate, tmp_path / "copy"))
    for name in (METADATA, "records", SUMS):
        assert is_crate(copy)
        place(copy / name).remove()
    assert not is_crate(copy)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / SUMS).write_text(f"{'0' * 64}  notices/1.json\n")
    (tmp_path / "other" / UNFINISHED).write_text("symphony")
    assert not is_crate(tmp_path / "other")
    assert not is_crate(tmp_path / "other" / SUMS)


def test_the_documents_of_many_alerts(database: Database) -> None:
    """More than a database takes as parameters."""
    fill(database)
    with database.read() as session:
        found = [record.identifier for record, _ in exchange._documents(SITE, range(70_000), session)]
        assert len(found) == len(session.scalars(select(tables.Identity)).all()) > 0


def test_of_a_scan_that_has_not_ended_there_are_records_only(archive: Archive, empty: Database, tmp_path: Path) -> None:
    restore(archive.crate, empty, tmp_path / "out")
    with empty.begin() as session:
        session.execute(update(tables.Scan).values(state=tables.ScanState.RUNNING))
    written = export(empty, tmp_path / "crate", site=SITE)
    assert written.rows["artifacts"] == 6
    assert not (tmp_path / "crate" / "files").exists()
    assert [each.name for each in (tmp_path / "crate" / "maps").iterdir()] == ["imported"]
    assert written.doubts == ()


def test_tables_of_another_version_are_not_exported(tmp_path: Path) -> None:
    with closing(Database(str(tmp_path / "old.sqlite"))) as database:
        database.upgrade("0003")
        with pytest.raises(StoreError, match="run skymist db upgrade"):
            export(database, tmp_path / "crate", site=SITE)
    assert not (tmp_path / "crate").exists()
