"""What is looked at, and what is said to be done, when something is not as it has to be."""

import json
import socket
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import issuer
import pytest
from serving import opened, serving
from unit.test_cli import Shell, shell

from skymist import plugins
from skymist.errors import RequestError
from skymist.model.reconstruction import Fit
from skymist.reco.track_mpe import TrackMPE
from skymist.records import Database
from skymist.workflow.doctor import BAD, LATER, OK, Finding, of_installation, of_service
from skymist.workflow.settings import ServiceSettings

__all__ = ["shell"]


def look(folder: Path, out: Path | None = None) -> dict[str, Finding]:
    return {each.name: each for each in of_installation(folder, out or folder)}


def look_at(folder: Path, **settings: Any) -> dict[str, Finding]:
    usual = {"database": str(folder / "records.sqlite"), "out": str(folder), "port": free_port()}
    return {each.name: each for each in of_service(ServiceSettings(**{**usual, **settings}))}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def test_this_machine_is_as_it_has_to_be(tmp_path: Path) -> None:
    found = look(tmp_path)
    assert [each for each in found.values() if each.state == BAD] == []
    assert found["skymist"].found == version("skymist")
    assert {"Python", "skymist[service]", "reconstructions", "readers", "maps", "local", "slurm", "kubernetes"} <= {
        *found
    }
    assert not {"skymist[dev]", "skymist[servers]"} & {*found}
    assert found["track-mpe"].found.endswith("degrees from the truth")


@pytest.mark.parametrize(("package", "name", "state", "hint"), [
    ("fastapi", "skymist[service]", LATER, "pip install 'skymist[service]'"),
    ("numpy", "skymist", BAD, "pip install --upgrade skymist"),
])  # fmt: skip
def test_a_package_that_is_not_there_is_named_with_what_needs_it(
    package: str, name: str, state: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def installed(wanted: str) -> str:
        if wanted == package:
            raise PackageNotFoundError(wanted)
        return version(wanted)

    monkeypatch.setattr("skymist.workflow.doctor.installation.version", installed)
    found = look(tmp_path)[name]
    assert (found.state, found.found, found.hint) == (state, f"{package} is not installed", hint)


def test_a_package_that_is_too_old_is_named_with_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {"numpy": "1.26.0"}
    monkeypatch.setattr("skymist.workflow.doctor.installation.version", lambda name: old.get(name) or version(name))
    assert look(tmp_path)["skymist"].found == "numpy is 1.26.0, needed is >=2.0"


def test_a_plug_in_that_cannot_be_imported_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = plugins.load

    def fails(group: str, name: str) -> Any:
        if name == "cascade":
            raise RequestError("reconstruction 'cascade' cannot be imported: no module named 'x'")
        return load(group, name)

    monkeypatch.setattr(plugins, "load", fails)
    found = look(tmp_path)
    assert (found["cascade"].state, "reconstructions" in found, "readers" in found) == (BAD, False, True)


def test_a_cluster_of_ones_own_that_makes_no_sense_is_named_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("kind: cray")
    (tmp_path / "laptop.yaml").write_text("kind: local")
    found = look(tmp_path)
    assert (found["mine"].state, found["mine"].hint) == (BAD, f"mend {tmp_path / 'mine.yaml'}")
    assert "kind must be one of" in found["mine"].found
    assert (found["laptop"].state, found["laptop"].found) == (OK, "own, kind local")


def test_a_scheduler_that_is_elsewhere_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda tool: None)
    found = look(tmp_path)["slurm"]
    assert (found.state, "not found: sbatch" in found.found) == (LATER, True)


def test_where_no_map_can_be_written_another_place_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    assert look(tmp_path, tmp_path / "file" / "scans")["maps"].state == BAD
    assert look(tmp_path, tmp_path / "not" / "yet")["maps"].state == OK
    monkeypatch.setattr("skymist.workflow.doctor.installation.ROOM_GB", 1e9)
    full = look(tmp_path)["maps"]
    assert (full.state, full.hint) == (BAD, "--out, or the setting out, names another place")


def test_cells_that_come_out_wrong_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = TrackMPE.__call__

    def wrong(self: TrackMPE, *given: Any) -> Fit:
        fit = right(self, *given)
        return Fit(-fit.nllh, fit.energy_gev, fit.time_ns, fit.vertex, fit.status)

    monkeypatch.setattr(TrackMPE, "__call__", wrong)
    assert look(tmp_path)["track-mpe"].state == BAD


def test_a_site_with_the_usual_settings_is_well(tmp_path: Path) -> None:
    found = look_at(tmp_path)
    assert {name: each.state for name, each in found.items()} == {
        "database": LATER, "maps": OK, "logging in": OK, "circulars": OK, "hooks": OK, "address": OK,
    }  # fmt: skip
    assert (found["circulars"].found, found["hooks"].found) == ("nothing is sent", "news go nowhere")


def test_a_database_is_empty_or_old_or_as_it_has_to_be(database_url: str, tmp_path: Path) -> None:
    records = Database(database_url)
    try:
        first = look_at(tmp_path, database=database_url)["database"]
        assert (first.state, first.hint) in {
            (LATER, "skymist serve makes it"), (LATER, "skymist db upgrade makes them")
        }  # fmt: skip
        records.upgrade()
        assert look_at(tmp_path, database=database_url)["database"].state == OK
        records.downgrade("-1")
        old = look_at(tmp_path, database=database_url)["database"]
        assert (old.state, old.hint, "run skymist db upgrade" in old.found) == (BAD, "make a backup first", True)
    finally:
        records.close()


@pytest.mark.parametrize(("settings", "name", "words"), [
    ({"database": "postgresql://nobody@127.0.0.1:9/x"}, "database", "refused"),
    ({"database": "mongo://x"}, "database", "sqlite"),
    ({"folders": ("missing",)}, "folder missing", "no such folder"),
    ({"kafka": {"topics": {"a": "notice"}, "settings": {"bootstrap.servers": "127.0.0.1:9"}}}, "streams", ".0.0.1:9"),
    ({"kafka": {"topics": {"a": "notice"}, "settings": {}}}, "streams", "needs the setting bootstrap.servers"),
    ({"kafka": {"topics": {}, "settings": {"sasl.password": "$NOT_SET"}}}, "streams", "NOT_SET, which is not set"),
    ({"notices": {"topic": "a", "settings": {}}}, "notices of ours", "bootstrap.servers"),
    ({"oidc": {"jwks_url": "http://127.0.0.1:9/keys"}}, "logging in", "cannot be reached"),
    ({"oidc": {"jwks_url": "ftp://x"}}, "logging in", "has to be an https address"),
    ({"circulars": {"nonsense": 1}}, "circulars", "no setting of circulars is called 'nonsense'"),
    ({"hooks": ({"name": "x"},)}, "hooks", "x"),
])  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(
    settings: dict[str, Any], name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skymist.workflow.doctor.service.PATIENCE_S", 1.0)
    found = look_at(tmp_path, **settings)[name]
    assert found.state == BAD, found
    assert words in found.found
    assert found.hint


def test_an_identity_provider_is_asked_for_its_keys(tmp_path: Path) -> None:
    with issuer.issuing() as found:
        said = look_at(tmp_path, oidc={"issuer": "https://id.example.org", "jwks_url": found.url})["logging in"]
        assert (said.state, said.found) == (OK, "by tokens of https://id.example.org (1 key), and of skymist")


def test_a_port_is_free_or_skymist_answers_there_or_something_else(tmp_path: Path) -> None:
    with opened(tmp_path) as settings, serving(settings) as site:
        port = int(site.url.rpartition(":")[2])
        here = look_at(tmp_path, port=port)["address"]
        assert (here.state, here.found) == (OK, f"skymist {version('skymist')} answers at 127.0.0.1:{port}")
        keys = look_at(tmp_path, oidc={"jwks_url": f"{site.url}/v1/health"})["logging in"]
        assert (keys.state, keys.found) == (BAD, f"{site.url}/v1/health has no keys")
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = look_at(tmp_path, port=other.getsockname()[1])["address"]
        assert taken.state == BAD


def test_the_command_says_it_in_lines_or_as_json(shell: Shell, tmp_path: Path) -> None:
    status, answer, notes = shell("doctor", "--cluster-configs", str(tmp_path))
    assert (status, notes, answer.splitlines()[-1]) == (0, "", "nothing is wrong")
    assert shell.json("doctor", "--cluster-configs", str(tmp_path))["ok"]
    (tmp_path / "site.yaml").write_text(f"database: {tmp_path}/x.sqlite\nfolders: [missing]\nport: {free_port()}\n")
    words = ("doctor", "--cluster-configs", str(tmp_path / "none"), "--config", str(tmp_path / "site.yaml"))
    status, answer, _ = shell(*words)
    assert status == 1
    assert "FAILED          service: folder missing: there is no such folder\n" in answer
    status, answer, _ = shell(*words, "--json")
    told = json.loads(answer)
    assert (status, told["ok"]) == (1, False)
    assert {"part": "service", "name": "folder missing", "state": BAD, "found": "there is no such folder",
            "hint": "mkdir -p missing"} in told["findings"]  # fmt: skip


def test_settings_that_make_no_sense_are_one_line(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("colour: blue")
    status, _, notes = shell("doctor", "--config", str(tmp_path / "site.yaml"))
    assert status == 2
    assert "no setting is called 'colour'" in notes
