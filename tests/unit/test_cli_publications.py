"""``skymist circular``, ``notice``, ``match`` and ``catalogs``: as a person uses them, here and at a service."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gcn
import pytest
import yaml
from click.testing import CliRunner, Result
from desks import notice, scan, take_notice
from serving import Site, opened, serving

from skymist.cli import skymist
from skymist.errors import ConflictError, ReadError, RequestError, SkymistError
from skymist.model.alert import Tense
from skymist.records import Database
from skymist.records.tokens import Access
from skymist.workflow.desk import Desk


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv("SKYMIST_DATABASE", str(tmp_path / "records.sqlite"))
    found = Database(str(tmp_path / "records.sqlite"))
    found.upgrade()
    yield found
    found.close()


def run(*words: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(skymist, [str(word) for word in words], input=stdin, standalone_mode=False)


def done(*words: object, stdin: str | None = None) -> str:
    told = run(*words, stdin=stdin)
    assert told.exception is None, told.output
    return str(told.output)


def document(*words: object, stdin: str | None = None) -> dict[str, Any]:
    return dict(json.loads(done(*words, "--json", stdin=stdin).splitlines()[-1]))


def refused(kind: type[SkymistError], words: str, *command: object) -> None:
    told = run(*command)
    assert isinstance(told.exception, kind), told.output
    assert words in str(told.exception)


def test_from_a_draft_to_what_is_approved(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take_notice(database, notice(), Tense.TEST)
    told = done("circular", "draft", "IceCube-260304A", "--role", "test", "--remark", "It is the first.")
    assert "circular 1  revision 1 of 1  draft" in told
    assert "Subject: IceCube-260304A - " in told
    assert "It is the first." in told
    assert told.rstrip().endswith("nothing is wrong")
    assert done("circular", "lint", 1).strip() == "nothing is wrong"
    shown = document("circular", "show", 1)
    text = f"Subject: {shown['subject']}\n\n{shown['body']}"
    (tmp_path / "new.txt").write_text(text.replace("0.83", "0.38"))
    edited = document("circular", "edit", 1, "--file", tmp_path / "new.txt", "--note", "a slip")
    assert (edited["head"], edited["aside"], len(edited["findings"])) == (2, None, 1)
    told = run("circular", "lint", 1)
    assert "error line 3: the far per year is '0.38' here and '0.83' in the records (revision 0, issued" in told.output
    assert told.return_value == 1
    assert "-" in done("circular", "diff", 1)
    late = run("circular", "edit", 1, "--base", 1, "--file", "-", stdin=text + "\nMore.\n")
    assert "kept aside as revision 3" in late.output
    assert document("circular", "edit", 1, "--file", "-", stdin=text + "\nMore.\n")["head"] == 4
    (tmp_path / "new.txt").write_text(text + "\nMore.\n")
    refused(RequestError, "nothing is changed", "circular", "edit", 1, "--file", tmp_path / "new.txt")
    refused(ConflictError, "somebody else has to approve it", "circular", "approve", 1, "--revision", 4)
    Desk(database).approve("circular", 1, 4, "another person")
    assert "state: approved   revision: 4" in done("circular", "send", 1, "--dry-run")
    refused(RequestError, "no settings say where circulars are sent", "circular", "send", 1, "--confirm", "0" * 12)
    assert "circular 1 is sent as 34265" in done("circular", "send", 1, "--by-hand", 34265)
    assert done("circular", "list", "--state", "sent", "--role", "test").count("IceCube-260304A") == 1


def test_the_people_and_the_rest(database: Database) -> None:
    take_notice(database, notice())
    number = document("notice", "draft", "IceCube-260304A")["id"]
    assert "is locked until" in done("notice", "lock", number)
    assert "is not locked" in done("notice", "unlock", number)
    done("notice", "comment", number, "Wait for the map.")
    assert "Wait for the map." in done("notice", "show", number)
    assert "far_per_year" in done("notice", "show", number, "--facts")
    take_notice(database, notice(number=1, ra=41.0))
    told = done("notice", "redraft", number)
    assert "40.1" in told
    assert "41.0" in told
    assert "is withdrawn" in done("notice", "withdraw", number, "--reason", "not needed")
    assert "is draft" in done("notice", "reopen", number)
    refused(RequestError, "no circular is called", "circular", "show", number)
    assert [each["id"] for each in document("notice", "list", "--alert", "IceCube-260304A")["notices"]] == [number]


def test_a_circular_is_sent_from_the_command_line_once(database: Database, tmp_path: Path) -> None:
    take_notice(database, notice(), Tense.TEST)
    number = document("circular", "draft", "IceCube-260304A", "--role", "test")["id"]
    Desk(database).approve("circular", number, 1, "another person")
    with gcn.running() as service:
        config = tmp_path / "site.yaml"
        config.write_text(yaml.safe_dump({"circulars": {"gcn": service.settings()}}))
        preview = document("circular", "send", number, "--dry-run")
        refused(RequestError, f"--confirm {preview['sha256'][:12]}", "circular", "send", number, "--config", config)
        told = done("circular", "send", number, "--config", config, "--confirm", preview["sha256"][:12])
        assert told.strip() == f"circular {number} is sent as 40000"
        assert len(service.circulars) == 1
        again = ("circular", "send", number, "--config", config, "--confirm", preview["sha256"])
        refused(ConflictError, "is sent", *again)
    other = document("circular", "draft", "IceCube-260304A", "--role", "test")["id"]
    Desk(database).approve("circular", other, 1, "another person")
    away = {**service.settings(), "url": "http://127.0.0.1:9", "token_url": "http://127.0.0.1:9/t"}
    config.write_text(yaml.safe_dump({"circulars": {"gcn": away}}))
    sha256 = document("circular", "send", other, "--dry-run")["sha256"]
    failed = run("circular", "send", other, "--config", config, "--confirm", sha256)
    assert failed.return_value == 1
    assert "cannot be reached" in failed.output + failed.stderr


def test_the_same_at_a_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path) as settings, serving(settings) as site:
        take_notice(site.database, notice())
        monkeypatch.setenv("SKYMIST_TOKEN", site.tokens[Access.ANALYST])
        at = ("--server", site.url)
        number = document("circular", "draft", "IceCube-260304A", *at)["id"]
        assert done("circular", "lint", number, *at).strip() == "nothing is wrong"
        refused(RequestError, "needs the role approver", "circular", "approve", number, "--revision", 1, *at)
        _approve_and_send(site, number, monkeypatch, at)


def _approve_and_send(site: Site, number: int, monkeypatch: pytest.MonkeyPatch, at: tuple[str, str]) -> None:
    monkeypatch.setenv("SKYMIST_TOKEN", site.tokens[Access.APPROVER])
    assert "is approved" in done("circular", "approve", number, "--revision", 1, *at)
    monkeypatch.setattr("skymist.cli.publications.WAIT_S", 0.1)
    sha256 = document("circular", "send", number, "--dry-run", *at)["sha256"]
    told = run("circular", "send", number, "--confirm", sha256, *at)  # nobody sends here
    assert told.return_value == 1
    assert "is sending" in told.output


def test_texts_of_files_and_settings_that_are_wrong(database: Database, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Subject: IceCube-230416A - x\n\nTODO\n")
    told = run("circular", "lint", tmp_path / "a.txt")
    assert (told.return_value, "something is still to be filled in" in told.output) == (1, True)
    (tmp_path / "a.txt").write_text("IceCube-230416A\n")
    refused(RequestError, "begins with a line `Subject: ...`", "circular", "lint", tmp_path / "a.txt")
    (tmp_path / "a.txt").write_bytes(b"Subject: \xff")
    refused(ReadError, "no text: byte 9 is not UTF-8", "circular", "lint", tmp_path / "a.txt")
    take_notice(database, notice())
    number = document("circular", "draft", "IceCube-260304A")["id"]
    for words, reason in (
        ({"reportr": "x"}, "no setting of circulars is called 'reportr'"), ({"reporter": 5}, "reporter is text, not 5"),
        ({"templates": "/nowhere"}, "no such folder of templates"), ({"catalogs": "a"}, "catalogs are a list"),
        ({"calibration": "x"}, "no calibration is called 'x'"), ({"real": "no"}, "real is true or false"),
        ({"gcn": {"token": "x"}}, "no setting of gcn is called 'token'"),
        ({"gcn": {"client_id": "x"}}, "the setting token_url"),
        ({"gcn": {"client_id": "$NOT_THERE"}}, "in the variable NOT_THERE, which is not set"),
    ):  # fmt: skip
        (tmp_path / "site.yaml").write_text(yaml.safe_dump({"circulars": words}))
        of_desk = not {"gcn", "real"} & words.keys()
        command = ("draft", "IceCube-260304A") if of_desk else ("send", number, "--confirm", "0" * 12)
        refused(SkymistError, reason, "circular", *command, "--config", tmp_path / "site.yaml")


def test_matches_of_a_map_and_catalogs(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    take_notice(database, notice(event=9, name="IceCube-260303A", ra=40.0))
    scan(database, tmp_path / "scans")
    (path,) = (tmp_path / "scans").rglob("*.zarr")
    told = done("match", path, "--alerts", "--calibration", "wilks")
    assert "neutrino-source candidates" in told
    assert "at least so many: p =" in told
    found = document("match", path, "--catalog", "neutrino-candidates")
    assert found["matches"][0]["catalog"]["sources"] == 20
    refused(RequestError, "no catalog is called 'none'", "match", path, "--catalog", "none")
    refused(SkymistError, "4fgl-dr4 is not here yet", "match", path, "--catalog", "4fgl-dr4")
    listed = document("catalogs", "list")["catalogs"]
    assert {each["name"]: bool(each["here"]) for each in listed} == {
        "3fhl": False, "4fgl-dr4": False, "5bzcat": False, "neutrino-candidates": True,
    }  # fmt: skip
    refused(RequestError, "is a file: there is nothing to fetch", "catalogs", "fetch", "neutrino-candidates")
