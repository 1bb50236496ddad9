"""The command line of the service: the database, tokens, replays, alerts, and scans that a service makes."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from serving import Site, opened, running, serving

from skymist import cli
from skymist.cli.db import own_database
from skymist.cli.serve import listen_at
from skymist.cli.status import BAD_INPUT, INTERRUPTED
from skymist.client import connect, remember_token
from skymist.errors import ConflictError, ReadError, RequestError, StoreError, UnknownNameError
from skymist.records import Database, log, tokens
from skymist.records.tokens import Access
from skymist.workflow.events import demo_path
from skymist.workflow.ingest import NOTICE, take

QUICK = ("--reco", "bowl", "--levels", "2:0,8:4", "--option", "width_deg=5")
ICECAT = (
    "NAME,RUNID,EVENTID,START,EVENTMJD,I3TYPE,RA,DEC,RA_ERR_PLUS,RA_ERR_MINUS,DEC_ERR_PLUS,DEC_ERR_MINUS,ENERGY,FAR,"
    "SIGNAL,CASCADE_SCR,SKIMMING_SCR,START_SCR,STOP_SCR,THRGOING_SCR,CR_VETO,OTHER_I3TYPES\n"
    "IC200102A,1001,11,2020-01-02 03:04:05.5,58850.12784,gfu-gold,10.0,5.0,1,1,1,1,200.0,0.5,0.6,0,0,0,0,1,FALSE,None\n"
    "IC200101A,1000,10,2020-01-01 03:04:05.5,58849.12784,gfu-gold,20.0,6.0,1,1,1,1,150.0,0.5,0.6,0,0,0,0,1,FALSE,None\n"
    "IC200103A,not,a,row\n"
)


def ask(*words: str, status: int = 0) -> Result:
    """Run the command line in this process."""
    result = CliRunner().invoke(cli.skymist, words)
    if status == 0 and result.exception:
        raise result.exception
    assert result.exit_code == status, result.output
    return result


def until(look: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not look():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.05)


def told(*words: str, status: int = 0) -> Any:
    """Run the command line for its JSON document."""
    return json.loads(ask(*words, "--json", status=status).stdout)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user who has nothing yet."""
    for name in ("SKYMIST_TOKEN", "SKYMIST_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def made(home: Path) -> Iterator[Database]:
    """The user's own database."""
    ask("db", "upgrade")
    database = Database(own_database())
    yield database
    database.close()


# Start-up


def test_help_needs_no_package_of_the_service() -> None:
    heavy = "sqlalchemy", "alembic", "fastapi", "httpx", "uvicorn", "numpy", "yaml"
    check = f"import sys; import skymist.cli; sys.exit(', '.join(set({heavy}) & set(sys.modules)) or None)"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("sqlalchemy", ("db", "version")),
        ("httpx", ("scan", "demo", "--server", "http://127.0.0.1:1")),
        ("alembic", ("serve",)),
        ("defusedxml", ("notice", "lint", __file__)),
        ("alembic", ("serve", "--part", "api")),
    ],
)
def test_a_missing_package_is_one_line(home: Path, missing: str, words: tuple[str, ...]) -> None:
    without = f"import sys; sys.modules[{missing!r}] = None; sys.argv[1:] = {list(words)}"
    run = f"{without}; from skymist.cli import main; main()"
    found = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=False)
    assert found.returncode == BAD_INPUT
    assert "pip install 'skymist[service]'" in found.stderr
    assert len(found.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--folder", "nowhere"), "nowhere is no folder that could be watched"),
        (("--rules", "nowhere.yaml"), "nowhere.yaml"),
        (("--config", "nowhere.yaml"), "nowhere.yaml"),
    ],
)
def test_a_service_that_could_not_work_is_not_begun(home: Path, words: tuple[str, ...], reason: str) -> None:
    command = [sys.executable, "-m", "skymist", "serve", *words]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == BAD_INPUT
    assert reason in found.stderr
    assert len(found.stderr.splitlines()) == 1
    assert not any(home.rglob("*.sqlite"))


def test_a_port_that_another_process_has_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        threading.Timer(0.5, other.close).start()
        found = listen_at("127.0.0.1", port, stop)
    assert found is not None
    with found:
        assert found.getsockname()[1] == port
        assert caplog.text.count("in use by another process") == 1
        threading.Timer(0.3, stop.set).start()
        assert listen_at("127.0.0.1", port, stop) is None


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(RequestError, match=r"nothing can listen at port 8642 of 192\.0\.2\.1"):
        listen_at("192.0.2.1", 8642, threading.Event())


# Database


def test_the_database_is_made_kept_and_unmade(home: Path) -> None:
    where = home / "data" / "skymist" / "records.sqlite"
    assert told("db", "version")["version"] is None
    with pytest.raises(StoreError, match="skymist db upgrade makes it"):
        ask("db", "check")
    assert not where.exists()
    first = told("db", "upgrade")
    assert (first["before"], where.exists()) == (None, True)
    assert told("db", "upgrade")["before"] == told("db", "version")["version"] == first["version"]
    assert told("db", "check")["ok"]
    assert "nothing to do" in ask("db", "upgrade").stdout
    assert told("db", "downgrade", "base")["version"] is None
    with pytest.raises(StoreError, match="run skymist db upgrade"):
        ask("db", "check")
    with pytest.raises(RequestError, match="nowhere"):
        ask("db", "downgrade", "nowhere")


def test_every_database_can_be_named(home: Path, monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    ask("db", "upgrade", "--database", database_url)
    assert told("alerts", "list", "--database", database_url) == {"alerts": []}
    monkeypatch.setenv("SKYMIST_DATABASE", database_url)
    assert told("quarantine", "list") == {"quarantine": []}
    assert told("stream", "status") == {"streams": []}
    with pytest.raises(RequestError, match="mysql:// is no database"):
        ask("alerts", "list", "--database", "mysql://h/x")


# Tokens


def test_tokens_are_made_listed_and_revoked(made: Database) -> None:
    shown = told("token", "create", "--role", "analyst", "--owner", "shift", "--days", "3")
    with made.read() as session:
        found = tokens.find(session, shown["token"])
        assert found is not None
        assert (found.id, found.owner, found.role) == (shown["id"], "shift", "analyst")
        assert (found.expires - found.created).days == 3
    listed = ask("token", "list").stdout
    assert "shift" in listed
    assert shown["token"] not in listed
    assert told("token", "revoke", shown["id"])["revoked"]
    with made.read() as session:
        assert tokens.find(session, shown["token"]) is None
        assert [each.action for each in log.entries(session, "token", shown["id"])] == ["created", "revoked"]
        assert all(each.who.startswith("command line: ") for each in log.entries(session, "token", shown["id"]))


def test_only_the_token_is_an_answer(made: Database) -> None:
    result = ask("token", "create", "--role", "viewer", "--owner", "shift")
    assert len(result.stdout.split()) == 1
    with made.read() as session:
        assert tokens.find(session, result.stdout.strip()) is not None
    with pytest.raises(UnknownNameError, match="no role is called 'king'; there are: analyst"):
        ask("token", "create", "--role", "king", "--owner", "shift")
    with pytest.raises(UnknownNameError, match="no token is called 'x'"):
        ask("token", "revoke", "x")


# Replay


def test_a_replay_says_what_came_of_it_and_a_second_one_changes_nothing(made: Database) -> None:
    Path("icecat.csv").write_text(ICECAT)
    document = told("stream", "replay", "icecat.csv")
    assert (document["messages"], document["new"], document["alerts"]) == (3, 3, 2)
    (bad,) = document["quarantined"]
    assert bad["reason"]
    before = told("alerts", "list")
    assert [each["name"] for each in before["alerts"]] == ["IceCube-200102A", "IceCube-200101A"]
    text = ask("stream", "replay", "icecat.csv").stdout
    assert "messages: 3 (0 new), alerts: 2, in quarantine: 1" in text
    assert "nothing changed" in text
    assert told("alerts", "list") == before


def test_a_folder_is_replayed_in_the_order_of_events_and_at_speed(
    made: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    header, late, early, _ = ICECAT.splitlines()
    Path("archive/deep").mkdir(parents=True)
    Path("archive/a.csv").write_text(f"{header}\n{late}\n")
    Path("archive/deep/b.csv").write_text(f"{header}\n{early}\n")
    slept: list[float] = []
    clock = SimpleNamespace(sleep=slept.append, monotonic=lambda: 0.0)
    monkeypatch.setattr(import_module("skymist.cli.stream"), "time", clock)
    assert told("stream", "replay", "archive", "--speed", "1000")["alerts"] == 2
    assert slept[0] == 0
    assert slept[1] == pytest.approx(86.4)  # a day between the events
    with made.read() as session:
        named = [each.subject_id for each in log.entries(session, "alert", 1)]
    assert named
    assert told("alerts", "show", "IceCube-200101A")["run"] == 1000


def test_doubts_are_told(made: Database) -> None:
    header, row, *_ = ICECAT.splitlines()
    Path("two.csv").write_text(f"{header}\n{row}\n{row.replace('03:04:05.5', '05:04:05.5')}\n")
    document = told("stream", "replay", "two.csv")
    assert list(document["doubts"]) == ["IceCube-200102A"]
    assert "IceCat-1: the time of the event is +7200 s from that of IceCat-1" in document["doubts"]["IceCube-200102A"]
    assert "doubtful: IceCube-200102A" in ask("stream", "replay", "two.csv").stdout


def test_a_folder_may_hold_events_too(made: Database) -> None:
    Path("archive").mkdir()
    Path("archive/icecat.csv").write_text(ICECAT)
    Path("archive/demo.csv").write_bytes(demo_path().read_bytes())
    document = told("stream", "replay", "archive")
    assert (document["messages"], document["alerts"], len(document["quarantined"])) == (4, 3, 1)
    assert len(told("alerts", "list", "--role", "test")["alerts"]) == 1
    assert len(told("alerts", "list")["alerts"]) == 2


# Listening


def test_listening_keeps_what_comes_until_it_is_stopped(made: Database) -> None:
    Path("inbox").mkdir()
    Path("inbox/a.csv").write_text(ICECAT)  # a row of it is bad, which does not lose the others
    Path("inbox/b.txt").write_text("no notice")
    words = [sys.executable, "-m", "skymist", "stream", "listen", "--folder", "inbox", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        outcomes = [json.loads(process.stdout.readline()) for _ in range(4)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert [bool(each["reason"]) for each in outcomes] == [False, False, True, True]
    assert len(told("alerts", "list")["alerts"]) == 2
    (stream,) = told("stream", "status")["streams"]
    assert (stream["name"], stream["state"]) == ("inbox", "stopped")
    assert "inbox" in ask("stream", "status").stdout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("topics: {}", "no topics and settings"),
        ("topics: [x]\nsettings: {}", "no topics and settings"),
        ("{", "cannot be read"),
        ("topics: {t: notice}\nsettings: {group.id: $NOBODY_HAS_SET}", "variable NOBODY_HAS_SET, which is not set"),
        ("topics: {t: letter}\nsettings: {group.id: g, bootstrap.servers: h}", "no kind of the topic t is called"),
    ],
)
def test_settings_of_topics_that_make_no_sense_are_told(made: Database, content: str, message: str) -> None:
    Path("kafka.yaml").write_text(content)
    with pytest.raises((RequestError, ReadError), match=message):
        ask("stream", "listen", "--kafka", "kafka.yaml")


def test_there_must_be_something_to_listen_to(made: Database) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(RequestError, match="nothing to listen to"):
        ask("stream", "listen")
    with pytest.raises(RequestError, match="nowhere is no folder"):
        ask("stream", "listen", "--folder", "nowhere")
    assert signal.getsignal(signal.SIGTERM) == before


# Alerts and the quarantine


@pytest.fixture
def replayed(made: Database) -> Database:
    Path("icecat.csv").write_text(ICECAT)
    ask("stream", "replay", "icecat.csv")
    return made


def test_alerts_are_shown_by_any_name_and_retracted_with_a_reason(replayed: Database) -> None:
    found = told("alerts", "show", "200102a")
    assert found == told("alerts", "show", "1001/11")
    assert (found["name"], found["retracted"], len(found["revisions"])) == ("IceCube-200102A", False, 1)
    assert told("alerts", "list", "--stream", "bronze") == {"alerts": []}
    assert len(told("alerts", "list", "--limit", "1")["alerts"]) == 1
    with pytest.raises(RequestError, match="reason"):
        ask("alerts", "retract", "200102A", "--reason", " ")
    assert told("alerts", "retract", "200102A", "--reason", "a fault")["retracted"]
    assert "retracted" in ask("alerts", "show", "200102A").stdout
    assert "a fault" in ask("alerts", "show", "200102A").stdout
    with pytest.raises(RequestError, match="retracted already"):
        ask("alerts", "retract", "200102A", "--reason", "a fault")
    with pytest.raises(
        UnknownNameError, match=r"no alert \(observation\) is called '200109A'; there are: IceCube-2001"
    ):
        ask("alerts", "show", "200109A")


def test_the_quarantine_is_listed_and_tried_again(replayed: Database) -> None:
    (bad,) = told("quarantine", "list")["quarantine"]
    assert bad["kind"] == NOTICE
    assert bad["reason"] in ask("quarantine", "list").stdout
    tried = told("quarantine", "retry", status=1)["retried"]
    assert tried == [{"id": bad["id"], "reason": bad["reason"]}]
    assert told("quarantine", "retry", bad["id"][:8], status=1)["retried"] == tried
    with pytest.raises(UnknownNameError, match="no message in quarantine is called 'x'"):
        ask("quarantine", "retry", "x")


def test_what_a_later_version_understands_leaves_the_quarantine(
    replayed: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from skymist.workflow import ingest

    good = ingest.read_revisions(ICECAT.rpartition("IC200103A")[0].encode())
    monkeypatch.setattr(ingest, "read_revisions", lambda *_: good)
    assert "accepted" in ask("quarantine", "retry").stdout
    assert told("quarantine", "list") == {"quarantine": []}


# By way of a service


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with opened(tmp_path_factory.mktemp("site")) as settings, serving(settings) as found, running(settings):
        yield found


@pytest.fixture
def server(site: Site) -> tuple[str, str]:
    """The words that name a service, whose token this user keeps."""
    remember_token(site.url, site.tokens[Access.OPERATOR])
    return "--server", site.url


def test_a_scan_of_a_service_reads_as_one_made_here(server: tuple[str, str], home: Path) -> None:
    here, there = told("scan", "demo", *QUICK), told("scan", "demo", *QUICK, *server)
    assert there["seconds"]["compute"] > 0
    for varying in (here, there):
        varying.pop("seconds")
    assert there.pop("outputs").keys() == here.pop("outputs").keys()
    assert there == here
    lines = [ask("scan", "demo", *QUICK, *more).stdout.splitlines() for more in ((), server)]
    assert lines[0][:7] == lines[1][:7]
    assert "simulated" in lines[0][0]


def test_results_are_brought_home_if_there_is_a_place_for_them(server: tuple[str, str], home: Path) -> None:
    outputs = told("scan", "demo", *QUICK, *server, "--out", "maps")["outputs"]
    assert {kind: Path(path).parent for kind, path in outputs.items()} == dict.fromkeys(
        ("zarr", "fits", "png"), Path("maps")
    )
    assert told("map", "show", outputs["zarr"])["cells"] == {"2": 48, "8": 64}


def test_regions_come_in_any_calibration(server: tuple[str, str], home: Path) -> None:
    wilks = told("scan", "demo", *QUICK, *server, "--calibration", "wilks")
    assert wilks["calibration"] == "wilks"
    here = told("scan", "demo", *QUICK, "--calibration", "wilks")
    assert wilks["regions"] == here["regions"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--ahead", "0.5"), "leave out --ahead or --server"),
        (("--diagnose", "--pulses", "X"), "--diagnose"),
        (("--calibration", "luck"), "no calibration is called 'luck'"),
        (("--option", "width_deg"), "is not KEY=VALUE"),
        (("--reco", "magic"), "no reconstruction is called 'magic'; there are"),
        (("--cluster", "slurm", "--levels", "3:0"), "3"),
    ],
)
def test_mistakes_are_told_as_they_are_here(
    server: tuple[str, str], home: Path, words: tuple[str, ...], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        ask("scan", "demo", *server, *words)


def test_a_name_that_is_no_file_is_the_services(server: tuple[str, str], site: Site, home: Path) -> None:
    told("scan", "demo", *QUICK, *server)
    (alert,) = told("alerts", "list", "--role", "test", *server)["alerts"]
    found = told("scan", f"{alert['run']}/{alert['event']}", *QUICK, *server)
    assert found["scan_id"] == told("scan", "demo", *QUICK, *server)["scan_id"]
    with pytest.raises(RequestError, match="no event is called '1/2'; there are"):
        ask("scan", "1/2", *QUICK, *server)


def test_an_interrupted_client_leaves_the_scan_running(
    server: tuple[str, str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    words = ("scan", "demo", *QUICK, "--option", "width_deg=9", *server)
    with monkeypatch.context() as patch:
        patch.setattr("skymist.client.scan.Scan.wait", interrupt)
        result = ask(*words, status=INTERRUPTED)
    assert f"goes on at {server[1]}" in result.stderr
    assert told(*words)["complete"]


def test_records_by_way_of_the_service_are_those_of_the_database(
    server: tuple[str, str], site: Site, home: Path
) -> None:
    here = ("--database", site.database.url)
    take(site.database, ICECAT.rpartition("IC200103A")[0].encode(), NOTICE, "a test")
    take(site.database, b"no notice", NOTICE, "a test")
    for words in (
        ("alerts", "list"),
        ("alerts", "show", "IceCube-200102A"),
        ("quarantine", "list"),
        ("stream", "status"),
    ):
        assert told(*words, *server) == told(*words, *here)
        assert told(*words, *here)
    (bad,) = told("quarantine", "list", *server)["quarantine"]
    assert bad["reason"] in told("quarantine", "retry", *server, status=1)["retried"][0]["reason"]
    assert told("alerts", "retract", "200101A", "--reason", "a fault", *server)["retracted"]
    assert told("alerts", "show", "200101A", *here)["retracted"]


@pytest.mark.parametrize(
    "words",
    [
        ("--since", "2020-01-02"),
        ("--until", "2020-01-02T00:00:00"),
        ("--since", "2020-01-02T05:04:05.25+02:00"),
        ("--energy", " 180 : 500", "--signalness", " : 0.7"),
        ("--cone", " 10, 5, 1", "--sort", "-energy"),
        ("--name", "", "--far", "0.1 :"),
    ],
)
def test_filters_mean_the_same_by_way_of_the_service(
    server: tuple[str, str], site: Site, home: Path, words: tuple[str, ...]
) -> None:
    take(site.database, ICECAT.rpartition("IC200103A")[0].encode(), NOTICE, "a test")
    there, here = (told("alerts", "list", *words, *where) for where in (server, ("--database", site.database.url)))
    assert there == here
    assert here["alerts"]


def test_filters_that_make_no_sense_are_told_as_they_are_here(server: tuple[str, str], home: Path) -> None:
    for words, message in ((("--since", "soon"), "'soon' is no time"), (("--energy", "5"), "'5' is no range")):
        with pytest.raises(RequestError, match=message):
            ask("alerts", "list", *words, *server)


def test_scans_are_listed_shown_and_brought_home(server: tuple[str, str], site: Site, home: Path) -> None:
    own, tests = ("--database", site.database.url), ("--role", "test")
    made = told("scan", "demo", *QUICK, *server)
    listed = told("scans", "list", *tests, *server)
    assert listed == told("scans", "list", *tests, *own)
    (found,) = [each for each in listed["scans"] if each["id"] == made["scan_id"]]
    assert listed == told("scans", "list", *tests, "--alert", found["alert"], "--state", "complete", *server)
    assert listed == told("scans", "list", *tests, "--alert", "139/0", "--state", "complete", *server)
    assert listed == told("scans", "list", *tests, "--alert", "139/0", "--state", "complete", *own)
    assert told("scans", "list", *server) == told("scans", "list", *tests, "--state", "failed", *own) == {"scans": []}
    for where in (server, own):
        rows = ask("scans", "list", *tests, "--limit", "1", *where).stdout.splitlines()
        assert rows[0].split()[:3] == ["id", "alert", "rule"]
        assert "100 %" in rows[1]
        assert found["id"][:12] in ask("alerts", "show", found["alert"], *tests, *where).stdout
        shown = ask("scans", "show", found["id"][:8], *where).stdout.splitlines()
        assert shown[0].startswith(f"{found['id'][:12]}  complete  {found['alert']}  asked for by a person")
        assert "90 % region" in "\n".join(shown)
    there, here = (told("scans", "show", found["id"], *where) for where in (server, own))
    links, files = there["summary"].pop("outputs"), here["summary"].pop("outputs")
    assert there == here
    assert all(link.startswith(server[1]) for link in links.values())
    assert all(Path(file).exists() for file in files.values())
    outputs = told("scans", "get", found["id"][:8], *server)["outputs"]
    assert told("map", "show", outputs["zarr"])["scan_id"] == found["id"]


@pytest.mark.parametrize("by_service", [True, False])
def test_scans_are_cancelled_and_run_again(server: tuple[str, str], site: Site, home: Path, by_service: bool) -> None:
    where = server if by_service else ("--database", site.database.url)
    with connect(server[1]) as client:
        slow = {"reco": "bowl", "levels": "16:0", "options": {"seconds": 0.02}, "seed": int(by_service)}
        scan = client.scan(demo_path(), **slow)
        until(lambda: scan.refresh().state == "running")
        assert scan.id[:12] in ask("scans", "show", scan.id, *where).stdout
        ask("scans", "cancel", scan.id[:10], *where)
        until(lambda: scan.refresh().state == "cancelled")
        assert told("scans", "rescan", scan.id, *where)["attempt"] == 2
        assert "is cancel" in ask("scans", "cancel", scan.id, *where).stdout
        until(lambda: scan.refresh().state == "cancelled")
        with pytest.raises(RequestError, match="is cancelled; from there it can become queued, not cancelled"):
            ask("scans", "cancel", scan.id, *where)
    with pytest.raises(RequestError, match="no scan is called '00000000'; there are"):
        ask("scans", "show", "00000000", *where)


def test_records_are_shown_released_and_withdrawn(server: tuple[str, str], site: Site, home: Path) -> None:
    take(site.database, ICECAT.rpartition("IC200103A")[0].encode(), NOTICE, "a test")
    here = ("--database", site.database.url)
    shown = [ask("archive", "show", "IC200102A", "--as", "json", *where).stdout for where in (server, here)]
    assert shown[0] == shown[1]
    remember_token(site.url, site.tokens[Access.APPROVER])
    words = ("IceCube-200102A", "--record", "1000_10")
    later = ask("archive", "release", *words, "--at", "2100-01-01", *server).stdout
    assert later == "2 records will be public from 2100-01-01 00:00:00 UTC on\n"
    gone = ("archive", "withdraw", "IceCube-200102A", "--reason", "not ours")
    assert ask(*gone, *server).stdout == "1001_11 is private again; nobody has seen it\n"
    assert ask("archive", "release", *words, *server).stdout == "2 records are public now\n"
    assert {each["access"] for each in told("archive", "list", *here)["records"]} >= {"open"}
    assert ask(*gone, *server).stdout == "1001_11 is private again; there is a tombstone\n"
    record = f"scan_{site.scan(site.event(event=77))['id'][:16]}"
    hidden = f"0 records are public now\n{record} is released, but is shown only while its alert is public"
    assert ask("archive", "release", "--record", record, *server).stdout.startswith(hidden)
    partly = CliRunner().invoke(cli.skymist, ["archive", "release", "1000_10", "--record", "1000_10_icecat-1", *server])
    assert isinstance(partly.exception, ConflictError)
    assert partly.stdout == "1 record is public now\n"  # what was done before is told
    for words, message in (
        (("release", "--all"), "--all and --scans need the database"),
        (("release", "IC200102A", "--scans"), "--all and --scans need the database"),
        (("release", "IC200102A", "--stream", "gold"), "leave out --stream"),
        (("release", "1000_10", "--role", "test"), "is called '1000_10'"),
        (("release", "IceCube-200102A", record), r"no alert \(observation\) is called 'scan_"),
        (("show", "1001_11", "--public"), "--public needs the database"),
        (("show", "1_1"), "no record of the archive is called '1_1'"),
        (("show", "IceCube 260304X"), r"no alert \(observation\) is called 'IceCube 260304X'"),
        (("release", "--record", ".."), "'..' is no id of a record"),
    ):
        with pytest.raises(RequestError, match=message):
            ask("archive", *words, *server)
    assert "withdrawn" in {each["access"] for each in told("archive", "list", "1001_11", *here)["records"]}
