"""``skymist archive`` and ``skymist reproduce``: as a person uses them."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml
from click import BadParameter
from click.testing import CliRunner, Result
from desks import notice, scan, take_notice
from sqlalchemy import select

from skymist.alerts.write_json import write_json
from skymist.cli import skymist
from skymist.cli.status import FAILED
from skymist.errors import ConflictError, ReadError, RequestError, SkymistError, UnknownNameError
from skymist.model.alert import Tense, present
from skymist.model.skymap import content_hash
from skymist.records import Database, tables
from skymist.store.fits import write_multiorder
from skymist.store.zarr import read_skymap
from skymist.workflow.wish import Wish


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv("SKYMIST_DATABASE", str(tmp_path / "records.sqlite"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    found = Database(str(tmp_path / "records.sqlite"))
    found.upgrade()
    take_notice(found, notice())
    take_notice(found, notice(event=2, name="IceCube-260304B", ra=100.0, dec=-60.0, energy_tev=None))
    take_notice(found, notice(event=3, name="IceCube-260304C"), Tense.TEST)
    yield found
    found.close()


def run(*words: object) -> Result:
    return CliRunner().invoke(skymist, [str(word) for word in words], standalone_mode=False)


def done(*words: object) -> str:
    told = run(*words)
    assert told.exception is None, (told.output, told.exception)
    return str(told.output)


def document(*words: object) -> dict[str, Any]:
    return dict(json.loads(done(*words, "--json")))


def refused(kind: type[SkymistError], words: str, *command: object) -> None:
    told = run(*command)
    assert isinstance(told.exception, kind), (told.output, told.exception)
    assert words in str(told.exception)


def access(*words: object) -> dict[str, str]:
    return {each["record"]: each["access"] for each in document("archive", "list", *words)["records"]}


def test_who_may_see_what(database: Database) -> None:
    assert access() == {"137840_1": "private", "137840_1_0": "private", "137840_2": "private", "137840_2_0": "private"}
    assert "1 record will be public from 2100-01-01" in done("archive", "release", "137840_1", "--at", "2100-01-01")
    assert access("IceCube-260304A") == dict.fromkeys(("137840_1", "137840_1_0"), "embargoed")
    assert "1 record is public now" in done("archive", "release", "--all", "--since", "2026-01-01")
    assert "1 record is public now" in done("archive", "release", "IceCube-260304A")  # an embargo is ended by name
    assert set(access().values()) == {"open"}
    assert "there is a tombstone" in done("archive", "withdraw", "137840_1", "--reason", "of another event")
    assert access("137840/1") == dict.fromkeys(("137840_1", "137840_1_0"), "withdrawn")
    assert "of another event" in done("archive", "show", "137840_1", "--as", "html", "--public")
    refused(RequestError, "name alerts or a --record, or say --all", "archive", "release")
    refused(ConflictError, "no observation but a test", "archive", "release", "--record", "test_137840_3")
    refused(UnknownNameError, "no record of the archive is called '1_1'", "archive", "show", "1_1")
    refused(RequestError, "no account at DataCite", "archive", "doi", "137840_2")
    refused(RequestError, "'soon' is no time", "archive", "release", "137840_1", "--at", "soon")


def test_the_settings_say_who_and_where(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = {"prefix": "10.5072", "username": "$NOBODY_SET_THIS", "password": "$NOBODY_SET_THIS"}
    settings = {"database": str(tmp_path / "records.sqlite"), "archive": {"authority": "site.org", "datacite": secret}}
    (tmp_path / "service.yaml").write_text(yaml.safe_dump(settings))
    monkeypatch.delenv("SKYMIST_DATABASE")
    told = document("archive", "list", "--config", tmp_path / "service.yaml")["records"]
    assert told[0]["identifier"].startswith("ivo://site.org/skymist#")
    refused(RequestError, "NOBODY_SET_THIS, which is not set", "archive", "doi", "137840_1", "--config",
            tmp_path / "service.yaml")  # fmt: skip


def test_tables_are_of_what_is_asked_for(database: Database, tmp_path: Path) -> None:
    assert "2 alerts" in done("archive", "table", "--to", tmp_path / "all.csv")
    for kind in ("ecsv", "votable", "parquet", "icecat"):
        assert ": 1 alerts" in done("archive", "table", "IceCube-260304A", "--format", kind, "--to", tmp_path / kind)
        assert (tmp_path / kind).stat().st_size > 100
    done("archive", "table", "--format", "hats", "--to", tmp_path / "hats")
    assert (tmp_path / "hats" / "hats.properties").exists()
    names = [each["name"] for each in document("alerts", "list", "--cone", "100,-60,1")["alerts"]]
    assert names == ["IceCube-260304B"]
    assert document("alerts", "list", "--energy", "1:", "--sort", "dec")["alerts"][0]["energy_tev"] == 210.5
    refused(RequestError, "'1,2' is neither RA,DEC,RADIUS", "alerts", "list", "--cone", "1,2")
    refused(UnknownNameError, "no order of the catalog", "alerts", "list", "--sort", "colour")


def test_alerts_are_named_or_filtered(database: Database, tmp_path: Path) -> None:
    name, to = "IceCube-260304A", ("--to", tmp_path / "new")
    for words in (("list",), ("release",), ("table", *to), ("export", *to)):
        refused(RequestError, "not both: leave out --stream", "archive", *words, name, "--stream", "gold")
    refused(RequestError, "leave out --energy, --sort", "archive", "list", name, "--sort", "ra", "--energy", "1:")
    refused(RequestError, "name alerts or say --all, not both", "archive", "release", name, "--all")
    refused(RequestError, "leave out --since", "archive", "release", "--record", "137840_1", "--since", "2026-01-01")
    for more in ((name,), ("--stream", "gold"), ("--role", "test")):
        refused(RequestError, "--everything leaves nothing out", "archive", "export", *to, "--everything", *more)
    assert list(access("IceCube-260304C", "--role", "test")) == ["test_137840_3", "test_137840_3_0"]
    assert not (tmp_path / "new").exists()
    assert set(access().values()) == {"private"}


def test_what_finds_nothing_is_told(database: Database, tmp_path: Path) -> None:
    for command in (("alerts", "list"), ("archive", "list"), ("archive", "release", "--all")):
        told = run(*command, "--stream", "pink")
        assert isinstance(told.exception, BadParameter)
        assert "'gold', 'bronze', 'cascade'" in str(told.exception)
    refused(RequestError, "no alert fits", "archive", "release", "--all", "--stream", "cascade")
    refused(RequestError, "no alert fits", "archive", "export", "--stream", "cascade", "--to", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_records_have_names_and_alerts_have_ids(database: Database) -> None:
    shown = done("archive", "show", "137840_1", "--as", "json")
    assert done("archive", "show", "IC260304A", "--as", "json") == shown
    assert done("archive", "show", "ivo://example/skymist#137840_1", "--as", "json") == shown
    assert list(access("test_137840_3")) == ["test_137840_3", "test_137840_3_0"]
    assert list(access("ivo://example/skymist#137840_2")) == ["137840_2", "137840_2_0"]
    refused(ConflictError, "no observation but a test", "archive", "release", "test_137840_3")
    refused(UnknownNameError, "'137840_1_0'; there are: IceCube-260304A, IceCube-260304B", "archive", "list",
            "137840_1_0")  # fmt: skip
    refused(
        UnknownNameError, "no alert (test) is called '137840_1'", "archive", "release", "137840_1", "--role", "test"
    )
    assert list(access("test_137840_3", "--role", "test")) == ["test_137840_3", "test_137840_3_0"]
    assert "1 record is public now" in done("archive", "release", "137840_1")
    assert "137840_1 is private again" in done("archive", "withdraw", "IceCube-260304A", "--reason", "not ours")


def test_a_scan_waits_for_its_alert(database: Database, tmp_path: Path) -> None:
    record = f"scan_{scan(database, tmp_path / 'scans')[:16]}"
    told = done("archive", "release", "--record", record).splitlines()
    assert told == ["0 records are public now", f"{record} is released, but waits for its alert, 137840_1"]
    assert "1 record is public now" in done("archive", "release", "--record", "137840_1")
    assert access("137840_1")[record] == "open"
    done("archive", "withdraw", "137840_1", "--reason", "not ours")
    assert "2 records are public now" in done("archive", "release", "137840_1", "--scans")
    with database.begin() as session:
        session.get_one(tables.Scan, session.get_one(tables.Identity, record).subject).deleted = tables.now()
    assert "but stays hidden: deleted on" in done("archive", "release", "--record", record)


def test_all_leaves_alone_what_somebody_has_decided(database: Database) -> None:
    for name in ("137840_1", "137840_2"):
        done("archive", "release", name)
    done("archive", "withdraw", "137840_1", "--reason", "not ours")
    told = run("archive", "release", "--all", "--at", "2100-01-01")
    assert told.stdout == "0 records will be public from 2100-01-01 00:00:00 UTC on\n"
    assert "137840_1 is withdrawn: name it to bring it back" in told.stderr
    assert "137840_2 is public already" in told.stderr
    done("archive", "withdraw", "137840_2", "--reason", "neither")
    with database.begin() as session:  # as if nobody had seen it
        own = session.get_one(tables.Identity, "137840_2")
        own.withdrawn, own.released = None, datetime(2100, 1, 1, tzinfo=UTC)
    told = run("archive", "release", "--all")
    assert "137840_2 is under an embargo until 2100-01-01T00:00:00Z: name it to end that" in told.stderr
    assert access("137840_1")["137840_1"] == "withdrawn"
    assert "1 record is public now" in done("archive", "release", "137840_2")


def test_what_would_be_ignored_is_refused(database: Database, tmp_path: Path) -> None:
    for more in (("--scans",), ("--role", "test")):
        refused(RequestError, "are about alerts: name them", "archive", "release", "--record", "137840_1", *more)
    done("archive", "export", "137840_1", "--to", tmp_path / "crate")
    for more in (("--reco", "x"), ("--utc", "soon"), ("--convention", "mirrored")):
        refused(RequestError, "are for maps of others", "archive", "import", tmp_path / "crate", *more)
    (tmp_path / "x.json").write_text("{}")
    refused(RequestError, "--damaged is for a crate", "archive", "import", tmp_path / "x.json", "--damaged")
    refused(UnknownNameError, "no alert (observation) is called 'IceCube-260304Z'", "archive", "show",
            "IceCube-260304Z")  # fmt: skip


def test_old_partitions_are_not_left_between_new_ones(database: Database, tmp_path: Path) -> None:
    done("archive", "table", "--format", "hats", "--to", tmp_path / "hats")
    before = {path: path.read_bytes() for path in (tmp_path / "hats").rglob("*") if path.is_file()}
    refused(ConflictError, "hats is not empty", "archive", "table", "--format", "hats", "--cone", "100,-60,1", "--to",
            tmp_path / "hats")  # fmt: skip
    assert before == {path: path.read_bytes() for path in (tmp_path / "hats").rglob("*") if path.is_file()}


def test_tables_are_of_what_overlaps(database: Database, tmp_path: Path) -> None:
    scan_id = scan(database, tmp_path / "scans", Wish("bowl", {"ra_deg": 40.1, "dec_deg": 10.2}, levels="2:0,8:12"))
    assert {name[:8] for name in access("--overlaps", scan_id[:12])} >= {"137840_1"}
    assert "137840_2" not in access("--overlaps", scan_id[:12])
    for name in (f"scan_{scan_id[:16]}", f"ivo://example/skymist#scan_{scan_id[:16]}"):
        assert access("--overlaps", name) == access("--overlaps", scan_id[:12])
        assert len(document("alerts", "list", "--overlaps", name)["alerts"]) == 1
    done("archive", "table", "--overlaps", scan_id[:12], "--to", tmp_path / "near.csv")
    assert "IceCube-260304B" not in (tmp_path / "near.csv").read_text()
    made = document("archive", "export", "--overlaps", scan_id[:12], "--to", tmp_path / "near")
    assert made["rows"]["alerts"] == 1


def test_doubts_of_an_export_are_an_exit_status(database: Database, tmp_path: Path) -> None:
    scan_id = scan(database, tmp_path / "scans")
    with database.read() as session:
        figure = Path(session.get_one(tables.Artifact, (scan_id, "png")).url)
    figure.unlink()
    told = CliRunner().invoke(skymist, ["archive", "export", "IceCube-260304A", "--to", str(tmp_path / "crate")])
    assert told.exit_code == FAILED
    assert "doubtful:" in told.stderr
    assert "digest" in told.stdout
    done("archive", "verify", tmp_path / "crate")


def test_no_crate_is_taken_apart(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done("archive", "snapshot", "--to", tmp_path / "outer" / "snapshots")
    (crate,) = (tmp_path / "outer" / "snapshots").glob("*Z")
    (tmp_path / "more.csv").write_text("not read")
    monkeypatch.chdir(crate)
    for words in (
        (crate, tmp_path / "more.csv"),
        (tmp_path / "more.csv", crate),
        (crate.parent,),
        (tmp_path / "outer",),
    ):
        refused(RequestError, "is a crate (or holds one", "archive", "import", *words)
    for words in (("",), (tmp_path / "more.csv", "")):
        refused(RequestError, "an empty argument", "archive", "import", *words)
    (tmp_path / "maps" / "x.zarr").mkdir(parents=True)
    (tmp_path / "maps" / "x.zarr" / "zarr.json").write_text("{}")
    refused(RequestError, "x.zarr is a Zarr store", "archive", "import", tmp_path / "maps")
    refused(RequestError, "may be given by its URL", "archive", "import", tmp_path / "more.csv", "s3://a/b")
    with database.read() as session:
        assert {each.source for each in session.scalars(select(tables.Input))} == {"test"}


def test_nothing_is_read_if_something_is_missing(database: Database, tmp_path: Path) -> None:
    (tmp_path / "good.json").write_bytes(write_json(notice(event=4, name="IceCube-260304D"), sent=present()))
    words = ("archive", "import", tmp_path / "good.json")
    refused(RequestError, "nothing.csv: no such file or folder", *words, tmp_path / "nothing.csv")
    assert "137840_4" not in access()
    assert document(*words)["alerts"] == 1


def test_what_is_not_read_is_told_by_its_path(database: Database, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.csv").write_text(f"not read {folder}")
    (tmp_path / "a" / "secret.csv").write_text("not read")
    (tmp_path / "a" / "gone.csv").symlink_to(tmp_path / "nowhere")
    Path(os.fsdecode(os.fsencode(tmp_path / "b") + b"/\xff.csv")).write_text("not read")
    told = json.loads(run("archive", "import", tmp_path / "a", tmp_path / "b", "--json").stdout)["failed"]
    assert set(told) == {str(tmp_path / name) for name in ("a/same.csv", "a/secret.csv", "b/same.csv", "b/\ufffd.csv")}
    assert told[str(tmp_path / "b/\ufffd.csv")] == "its name is no UTF-8: rename it"


def test_what_cannot_be_opened_is_told_with_the_rest(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deny(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "other.csv").write_text("not read")
    monkeypatch.setattr("skymist.workflow.archive.exchange.import_file", deny)
    told = CliRunner().invoke(skymist, ["archive", "import", str(tmp_path / "other.csv")])
    assert told.exit_code == FAILED
    assert "0 messages of alerts" in told.stdout
    assert "other.csv: Permission denied" in told.stderr


def test_snapshots_stay_as_many_as_is_said(database: Database, tmp_path: Path) -> None:
    settings = {"archive": {"snapshots": {"to": str(tmp_path / "theirs"), "keep": 1}}}
    (tmp_path / "service.yaml").write_text(yaml.safe_dump(settings))
    words, years = ("archive", "snapshot", "--config", tmp_path / "service.yaml"), count(2001)

    def kept(folder: str, *more: object) -> int:
        made = list[Path]()
        for _ in range(3):
            done(*words, *more)
            made = sorted((tmp_path / folder).glob("*Z"))
            made[-1].rename(tmp_path / folder / f"{next(years)}0101T000000Z")
        return len(made)

    assert kept("theirs") == 1
    assert kept("theirs", "--keep", 2) == 2
    assert kept("ours", "--to", tmp_path / "ours") == 1
    assert kept("others", "--to", tmp_path / "others", "--keep", 2) == 2


def test_out_and_back_again(database: Database, tmp_path: Path) -> None:
    scan_id = scan(database, tmp_path / "scans")
    found = document("alerts", "list", "--overlaps", scan_id[:12])["alerts"]
    assert {each["name"] for each in found} <= {"IceCube-260304A", "IceCube-260304B"}
    made = document("archive", "export", "--everything", "--to", tmp_path / "crate")
    assert (made["rows"]["alerts"], made["doubts"]) == (3, [])
    told = document("archive", "verify", tmp_path / "crate", "--digest", made["digest"])
    assert told["problems"] == []
    back = document("archive", "import", tmp_path / "crate", "--database", tmp_path / "new.sqlite", "--out",
                    tmp_path / "new")  # fmt: skip
    assert back["content_hash"] == made["content_hash"]
    (tmp_path / "crate" / "records" / "alerts.jsonl").write_text("{}\n")
    assert "alerts.jsonl" in run("archive", "verify", tmp_path / "crate").output
    refused(ReadError, "not what was exported", "archive", "import", tmp_path / "crate", "--database",
            tmp_path / "other.sqlite")  # fmt: skip
    refused(ConflictError, "holds a crate already", "archive", "export", "--to", tmp_path / "crate")
    assert "digest" in done("archive", "snapshot", "--to", tmp_path / "snapshots")
    assert len(list((tmp_path / "snapshots").iterdir())) >= 1
    refused(RequestError, "nowhere to put it", "archive", "snapshot")


def test_a_scan_is_made_again_by_any_of_its_names(database: Database, tmp_path: Path) -> None:
    scan_id = scan(database, tmp_path / "scans")
    names = [each["record"] for each in document("archive", "list", "IceCube-260304A")["records"]]
    (made,) = [each for each in names if each.startswith("map_")]
    for name in (scan_id[:10], f"scan_{scan_id[:16]}", made, f"ivo://example/skymist#{made}"):
        assert document("reproduce", name)["identical"] is True
    refused(UnknownNameError, "no record of the archive", "reproduce", "map_0123456789abcdef")


def test_maps_of_others_come_in(database: Database, tmp_path: Path) -> None:
    scan_id = scan(database, tmp_path / "scans")
    with database.read() as session:
        made = session.get_one(tables.Artifact, (scan_id, "zarr"))
    write_multiorder(read_skymap(made.url), tmp_path / "theirs.fits.gz")
    (tmp_path / "broken.fits").write_bytes(b"SIMPLE  =                    T" + bytes(500))
    told = document("archive", "import", tmp_path / "theirs.fits.gz", "--out", tmp_path / "maps")
    assert (told["maps"], told["failed"]) == (1, {})
    assert document("archive", "import", tmp_path / "theirs.fits.gz", "--out", tmp_path / "maps")["known"] == 1
    failed = run("archive", "import", tmp_path / "broken.fits", tmp_path / "theirs.fits.gz", "--json")
    assert str(tmp_path / "broken.fits") in json.loads(failed.stdout)["failed"]
    maps = {name for name in access("IceCube-260304A") if name.startswith("map_")}
    (imported,) = maps - {f"map_{content_hash(read_skymap(made.url))[:16]}"}
    assert "made by others" in done("archive", "show", imported, "--as", "datacite")
    refused(RequestError, "was not made here", "reproduce", imported)
