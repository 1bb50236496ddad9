"""Places: paths and URLs behave alike, one process writes, and nobody learns a secret."""

import os
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from skymist.errors import RequestError, StoreError
from skymist.store import lease
from skymist.store.lease import Lease, LeaseLostError
from skymist.store.objects import ObjectPlace
from skymist.store.place import LocalPlace, Place, absolute, place, write_bytes


def bucket() -> ObjectPlace:
    return ObjectPlace("s3://maps", "scans", MemoryStore())


@pytest.fixture(params=["path", "URL"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return LocalPlace(tmp_path) if request.param == "path" else bucket()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "SECONDS", 1.0)
    monkeypatch.setattr(lease, "RENEWAL", 0.1)


@pytest.fixture
def kept(hurried: None) -> ObjectPlace:
    return bucket() / "map.zarr"


@pytest.fixture
def held(kept: ObjectPlace) -> Iterator[Lease]:
    found = Lease(kept, lambda _: None)
    yield found
    found.close()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("scans/map.zarr", LocalPlace(Path("scans/map.zarr"))),
        ("file:///tmp/my%20maps", LocalPlace(Path("/tmp/my maps"))),
        ("s3://maps/scans//one/", ObjectPlace("s3://maps", "scans/one", MemoryStore())),
        ("s3://maps", ObjectPlace("s3://maps", "", MemoryStore())),
    ],
)
def test_a_text_is_a_path_or_a_url(text: str, found: Place) -> None:
    assert place(text) == found
    assert place(place(text)) == found
    assert place(str(found)) == found


def test_a_text_that_is_kept_leads_there_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert str(absolute("scans/map.zarr")) == f"{tmp_path}/scans/map.zarr"
    assert str(absolute(tmp_path / "map.zarr")) == f"{tmp_path}/map.zarr"
    assert absolute(bucket()) == bucket()


def test_other_urls_are_refused() -> None:
    for text in ("ftp://host/map", "s3:///map", "file://elsewhere/map"):
        with pytest.raises(RequestError, match=rf"{text} is no place.*s3://BUCKET/KEY"):
            place(text)


@pytest.mark.parametrize("text", ["s3://[hunter2/y", "s3://hunter2]/y", "s3://[::hunter2]/y", "file://[hunter2/y"])
def test_what_is_no_url_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(RequestError, match=r"a URL is none: give a path, .*s3://BUCKET/KEY") as told:
        place(text)
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize("text", ["s3://maps/a%20b", "gs://maps/a%", "s3://my%20maps/a"])
def test_keys_are_not_quoted(text: str) -> None:
    with pytest.raises(RequestError, match=f"{text} is no place: give bucket and key as they are, without %"):
        place(text)


@pytest.mark.parametrize(("mask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_who_may_read_a_file_is_what_the_process_says(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        for content in (b"1", b"2"):
            write_bytes(tmp_path / "file", content)
            assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode
    finally:
        os.umask(before)
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(
    "text", ["s3://key:hunter2@maps/a", "gs://hunter2@maps/a", "s3://maps/a?sig=hunter2", "s3://maps/a#hunter2"]
)
def test_credentials_in_a_url_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(RequestError, match="credentials belong into the environment") as told:
        place(text)
    assert "hunter2" not in str(told.value)


def test_without_obstore_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(StoreError, match=r"s3://maps needs obstore: pip install 'skymist\[object-store\]'"):
        place("s3://maps/map.zarr")


def test_what_was_written_is_there_until_it_is_removed(folder: Place) -> None:
    first, second = folder / "a" / "one.fits.gz", folder / "a" / "two"
    assert not first.exists()
    for content in (b"1", b"12"):
        assert write_bytes(first, content) is first
        assert first.read_bytes() == content
    write_bytes(second, b"2")
    assert first.with_name("two") == second
    assert (first.name, first.suffix, str(first)) == ("one.fits.gz", ".gz", f"{folder}/a/one.fits.gz")
    first.remove()
    first.remove()
    assert not first.exists()
    assert second.exists()
    (folder / "a").remove()
    assert not second.exists()


def test_neighbours_with_the_same_beginning_stay(folder: Place) -> None:
    write_bytes(folder / "map" / "x", b"1")
    write_bytes(folder / "map2" / "x", b"1")
    (folder / "map").remove()
    assert (folder / "map2" / "x").exists()


def test_what_is_not_there_cannot_be_read(folder: Place) -> None:
    with pytest.raises(StoreError, match=r"nothing cannot be read: (No such file|there is no such bucket or object)"):
        (folder / "nothing").read_bytes()


def test_what_is_below_is_listed(folder: Place) -> None:
    crate = folder / "crate"
    assert (crate.names(), list(crate.files())) == ([], [])
    for path in ("b/one", "b/c/two", "a.txt", ".hidden"):
        write_bytes(crate / path, b"1")
    write_bytes(folder / "crate2" / "x", b"1")
    assert crate.names() == [".hidden", "a.txt", "b"]
    assert sorted(crate.files()) == [".hidden", "a.txt", "b/c/two", "b/one"]
    assert sorted((crate / "b").files()) == ["c/two", "one"]
    assert ((crate / "a.txt").names(), list((crate / "a.txt").files())) == ([], [])


def test_all_of_a_bucket_is_listed() -> None:
    maps = ObjectPlace("s3://maps", "", MemoryStore())
    write_bytes(maps / "scans" / "one", b"1")
    assert (maps.names(), list(maps.files())) == (["scans"], ["scans/one"])


def test_links_are_listed_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "crate").mkdir()
    write_bytes(tmp_path / "elsewhere" / "x", b"1")
    (tmp_path / "crate" / "folder").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "crate" / "nothing").symlink_to(tmp_path / "nothing")
    assert sorted(LocalPlace(tmp_path / "crate").files()) == ["folder", "nothing"]


def test_many_pieces_are_one_file(folder: Place) -> None:
    pieces = [bytes([k]) * 400_000 for k in range(20)]
    (folder / "a" / "large").write_chunks(iter(pieces))
    assert (folder / "a" / "large").read_bytes() == b"".join(pieces)
    assert b"".join((folder / "a" / "large").chunks()) == b"".join(pieces)
    (folder / "a" / "empty").write_chunks([])
    assert b"".join((folder / "a" / "empty").chunks()) == b""
    with pytest.raises(StoreError, match=r"nothing cannot be read"):
        list((folder / "nothing").chunks())


def test_pieces_that_break_off_leave_what_was_there(folder: Place) -> None:
    def broken() -> Iterator[bytes]:
        yield b"new"
        raise ZeroDivisionError

    for before in ([], [b"old"]):
        for content in before:
            write_bytes(folder / "x", content)
        with pytest.raises(ZeroDivisionError):
            (folder / "x").write_chunks(broken())
        assert folder.names() == ["x"] * len(before)
    assert (folder / "x").read_bytes() == b"old"


def test_a_lease_is_renewed_and_given_back(kept: ObjectPlace, held: Lease) -> None:
    leased = kept.with_name("map.zarr.lease")
    before = leased.version()
    time.sleep(0.5)
    after = leased.version()
    assert before
    assert after
    assert before != after
    held.close()
    assert not leased.exists()


def test_a_second_writer_is_refused(kept: ObjectPlace, held: Lease) -> None:
    with pytest.raises(StoreError, match=r"another process is writing s3://maps/scans/map\.zarr"):
        kept.lock()
    held.check()


def test_the_lease_of_a_killed_writer_expires(kept: ObjectPlace) -> None:
    kept.with_name("map.zarr.lease").write_bytes(b"killed 7\n")
    told: list[str] = []
    began = time.monotonic()
    kept.lock(told.append).close()
    assert time.monotonic() - began >= lease.SECONDS
    assert len(told) == 1
    assert "its last writer did not end well" in told[0]


def test_a_lease_of_long_ago_needs_no_waiting(kept: ObjectPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LONG_AGO", -1.0)
    kept.with_name("map.zarr.lease").write_bytes(b"killed 7\n")
    kept.lock(pytest.fail).close()


def test_a_lease_that_is_given_back_while_one_waits_is_taken(kept: ObjectPlace) -> None:
    leased = kept.with_name("map.zarr.lease")
    leased.write_bytes(b"other 1\n")
    kept.lock(lambda _: leased.remove()).close()


@pytest.mark.parametrize("removed", [True, False])
def test_a_writer_whose_lease_another_took_must_stop(kept: ObjectPlace, held: Lease, removed: bool) -> None:
    leased = kept.with_name("map.zarr.lease")
    leased.write_bytes(b"other 1\n")
    if removed:
        leased.remove()
    with pytest.raises(LeaseLostError, match="another process is writing"):
        held.check()
    held.close()
    assert removed or leased.read_bytes() == b"other 1\n"


def test_a_renewal_whose_answer_was_lost_still_counts(kept: ObjectPlace, held: Lease) -> None:
    leased = kept.with_name("map.zarr.lease")
    leased.write_bytes(leased.read_bytes() + b"again")
    held.check()
