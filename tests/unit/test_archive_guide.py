"""What docs/howto/archive.md says is so: its commands are run in their order, and so is its Python."""

import json
import re
import shlex
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import healpy as hp
import httpx
import numpy as np
import pytest
import xarray as xr
import yaml
from archives import content_hash
from astropy.io.votable import parse_single_table
from click.testing import CliRunner
from desks import notice, scan, take_notice
from guides import commands

from skymist.api import ApiSettings, create_app
from skymist.cli import skymist
from skymist.model.region import best_fit
from skymist.records import Database
from skymist.store.zarr import read_skymap
from skymist.workflow.archive.describe import FORMATS
from skymist.workflow.archive.settings import ArchiveSettings, archive_settings
from skymist.workflow.settings import ServiceSettings
from skymist.workflow.wish import Wish

DOCS = Path(__file__).parents[2] / "docs" / "howto"
GUIDE, SERVICE = ((DOCS / name).read_text(encoding="utf-8") for name in ("archive.md", "service.md"))
NEAR = Wish("bowl", {"ra_deg": 40.2, "dec_deg": 10.1}, levels="2:0,8:12,64:12")
HOME = "https://archive.example.org"
ICECAT = (
    "NAME,RUNID,EVENTID,START,EVENTMJD,I3TYPE,RA,DEC,RA_ERR_PLUS,RA_ERR_MINUS,DEC_ERR_PLUS,DEC_ERR_MINUS,ENERGY,FAR,"
    "SIGNAL,CASCADE_SCR,SKIMMING_SCR,START_SCR,STOP_SCR,THRGOING_SCR,CR_VETO,OTHER_I3TYPES\n"
    "IC200102A,1001,11,2020-01-02 03:04:05.5,58850.12784,gfu-gold,10.0,5.0,1,1,1,1,200.0,0.5,0.6,0,0,0,0,1,FALSE,None\n"
)
SECRETS = {"DATACITE_USERNAME": "EXAMPLE.ARCHIVE", "DATACITE_PASSWORD": "x"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def result(nside: int, *, ra: float, dec: float) -> str:
    """A result as Skymap Scanner made them long ago: upside down, and with nothing that says so."""
    theta, phi = hp.pix2ang(nside, np.arange(hp.nside2npix(nside)))
    away = np.arccos(hp.ang2vec(theta, phi) @ hp.ang2vec(np.pi / 2 + np.radians(dec), np.radians(ra)))
    rows = [[at, 300 + 200 * value**2, 1e4, 2e4] for at, value in enumerate(away.tolist())]
    return json.dumps({f"nside-{nside}": {"columns": ["index", "llh", "E_in", "E_tot"], "data": rows}})


class Account:
    """What was sent to an account at what speaks like DataCite."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.got: list[tuple[str, dict[str, Any]]] = []


class DataCite(BaseHTTPRequestHandler):
    """Answers as DataCite does: a DOI is made once, and can be changed."""

    account: Account

    def do_POST(self) -> None:
        doi = self._take()["doi"]
        if [said["doi"] for _, said in self.account.got].count(doi) > 1:
            self._answer(422, {"errors": [{"source": "doi", "title": "This DOI has already been taken"}]})
        else:
            self._answer(201, {"data": {"id": doi}})

    def do_PUT(self) -> None:
        said = self._take()
        self._answer(200, {"data": {"id": said["doi"], "attributes": said}})

    def _take(self) -> dict[str, Any]:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = dict(body["data"]["attributes"])
        self.account.got.append((self.command, said))
        return said

    def _answer(self, status: int, document: Any) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, *_: Any) -> None:
        pass


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


class Home:
    """The folder of somebody who runs a service with the settings of the guide, and has scanned an alert."""

    def __init__(self, folder: Path, datacite: str) -> None:
        port = free_port()
        self.folder, self.url = folder, f"http://127.0.0.1:{port}"
        (said,) = blocks("yaml")
        settings = yaml.safe_load(said.replace(HOME, self.url))
        settings["archive"]["datacite"]["url"] = datacite
        settings["archive"]["snapshots"]["to"] = str(folder / "snapshots")
        (folder / "service.yaml").write_text(yaml.safe_dump({**settings, "port": port}))
        (folder / "results").mkdir()
        first, second = "run00137840.evt000000000001.GOLD.json", "run00137841.evt000000000005.BRONZE.json"
        (folder / "results" / first).write_text(result(8, ra=40.1, dec=10.2))
        (folder / second).write_text(result(8, ra=200.0, dec=-30.0))
        (folder / "icecat1.csv").write_text(ICECAT)
        (folder / "skymist").mkdir()
        with closing(Database(str(folder / "skymist/records.sqlite"))) as database:
            database.upgrade()
            take_notice(database, notice())
            take_notice(database, notice(number=1, ra=40.3))
            self.scan_id = scan(database, folder / "skymist/scans", NEAR)

    def ask(self, words: str) -> str:
        """Run a command as the guide has it, and return what it prints."""
        made = [path.stem for path in self.folder.glob("maps/*.zarr")]
        words = words.replace("SCAN", self.scan_id).replace("MAP", (made or [""])[0])
        told = CliRunner().invoke(skymist, shlex.split(words)[1:])
        assert told.exit_code == 0, f"{words}\n{told.output}\n{told.exception!r}"
        return told.stdout


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with HTTPServer(("127.0.0.1", 0), DataCite) as server:
        DataCite.account = Account(f"http://127.0.0.1:{server.server_port}/")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield DataCite.account
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, account: Account) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("guide")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SKYMIST_DATABASE", "SKYMIST_CONFIG", "SKYMIST_TOKEN"):
            patch.delenv(name, raising=False)
        for name, value in {**SECRETS, "XDG_DATA_HOME": str(folder), "NO_PROXY": "127.0.0.1"}.items():
            patch.setenv(name, value)
        patch.chdir(folder)
        yield Home(folder, account.url)


@pytest.fixture(scope="module")
def told(home: Home) -> dict[str, str]:
    """What the commands of the guide print, one after the other."""
    return {line: home.ask(line) for line in commands("docs/howto/archive.md")}


def read_settings(text: str, folder: Path) -> ArchiveSettings:
    (folder / "service.yaml").write_text(text)
    return archive_settings(ServiceSettings.load(folder / "service.yaml", folder).archive, environment=SECRETS)


def test_the_settings_are_settings(tmp_path: Path) -> None:
    (said,) = blocks("yaml")
    found = read_settings(said, tmp_path)
    assert (found.site.authority, found.site.licence, found.public) == ("example.org", "CC-BY-4.0", True)
    assert found.site.home == f"{HOME}/public"
    assert [each.kind for each in found.site.creators] == ["organisation"]
    assert found.snapshots is not None
    assert found.datacite is not None
    assert (found.snapshots.keep, found.datacite.password) == (7, "x")


def test_the_settings_of_the_service_are_settings(tmp_path: Path) -> None:
    said, *_ = re.findall(r"```yaml\n(.*?)```", SERVICE, re.DOTALL)
    found = read_settings(said, tmp_path)
    assert (found.site.publisher, found.public) == ("The Example Archive", True)
    assert found.snapshots is not None


def test_the_tables_are_whole() -> None:
    shown = re.findall(r"^\| `([a-z-]+)` \|", GUIDE.partition("| `--as` | what |")[2].partition("##")[0], re.MULTILINE)
    assert sorted(shown) == sorted(FORMATS)
    app = create_app(ApiSettings(Database("sqlite:///none"), "scans", archive=ArchiveSettings(public=True)))
    there = {re.sub(r"{\w+}", "", path) for path in app.openapi()["paths"] if path.startswith("/public")}
    paths = re.findall(r"^\| `(/public\S*)` \|", GUIDE, re.MULTILINE)
    assert {re.sub(r"[A-Z]+", "", path) for path in paths} == there


def test_records_are_public_when_somebody_says_so(told: dict[str, str]) -> None:
    assert {"alert", "revision", "scan", "map", "137840_1"} <= set(told["skymist archive list IceCube-260304A"].split())
    words = "skymist archive release IceCube-260304A --scans"
    assert "2 records will be public from 2100-01-01" in told[f"{words} --at 2100-01-01"]
    assert "2 records are public now" in told[words]
    (withdrawn,) = (line for line in told if line.startswith("skymist archive withdraw"))
    assert "there is a tombstone" in told[withdrawn]


def test_tables_have_the_alert(told: dict[str, str], home: Home) -> None:
    assert "IceCube-260304A" in told["skymist alerts list --cone 40,10,3 --energy 100: --sort -signalness"]
    assert "IceCube-260304A" in told["skymist alerts list --overlaps SCAN"]
    assert list(parse_single_table(home.folder / "alerts.xml").array["name"]) == ["IceCube-260304A"]
    assert (home.folder / "alerts.csv").read_text().splitlines()[1].startswith("IC260304A,137840,1,")
    assert "hats" in (home.folder / "alerts/hats.properties").read_text()
    assert "IceCube-260304A" in (home.folder / "alert.html").read_text()


def test_crates_come_back(told: dict[str, str], home: Home) -> None:
    assert "files are what they were" in told["skymist archive verify crate"]
    with closing(Database(str(home.folder / "again.sqlite"))) as again:
        about = json.loads((home.folder / "crate/records/about.json").read_bytes())
        assert content_hash(again) == about["content_hash"]
    sums = subprocess.run(["sha256sum", "-c", "checksums.sha256"], cwd=home.folder / "crate", capture_output=True)
    assert sums.returncode == 0
    assert len(list((home.folder / "snapshots").glob("*Z"))) == 1


def test_maps_are_made_again(told: dict[str, str]) -> None:
    again = [told[line] for line in told if line.startswith("skymist reproduce")]
    assert ["identical" in each for each in again] == [True, True]


def test_maps_of_others_stand_where_they_should(told: dict[str, str], home: Home) -> None:
    about = {}
    for path in (home.folder / "skymist/scans").glob("*/*.zarr"):
        data = read_skymap(path)
        if "imported" in data.attrs:
            best = best_fit(data)
            about[path.parent.name] = (data.attrs["imported"]["convention"], best.ra, best.dec)
    assert about == {
        "observation": ("mirrored", pytest.approx(np.radians(40.1), abs=0.1), pytest.approx(np.radians(10.2), abs=0.1)),
        "test": ("mirrored", pytest.approx(np.radians(200.0), abs=0.1), pytest.approx(np.radians(-30.0), abs=0.1)),
    }


def test_catalogs_of_others_come_in(told: dict[str, str]) -> None:
    assert "1 messages of alerts, 0 maps" in told["skymist archive import icecat1.csv"]


def test_one_doi_is_registered(told: dict[str, str], account: Account) -> None:
    given = {told[line].strip() for line in told if line.startswith("skymist archive doi")}
    assert given == {"10.12345/skymist.137840_1"}
    assert [(way, said.get("event")) for way, said in account.got] == [
        ("POST", None),
        ("POST", "publish"),
        ("PUT", "publish"),
    ]


def test_the_python_runs(home: Home) -> None:
    home.ask("skymist archive release IceCube-260304A --scans")
    names: dict[str, Any] = {}
    with serving(home), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of NumPy, when ligo.skymap is imported
        for block in blocks("python"):
            exec(compile(block.replace(HOME, home.url), "guide", "exec"), names)
    assert list(names["alerts"]["name"]) == ["IceCube-260304A"]
    assert isinstance(names["scan"], xr.Dataset)
    assert float(names["best"]["probdensity"]) == pytest.approx(names["tiles"]["PROBDENSITY"].max(), rel=1e-6)


@contextmanager
def serving(home: Home) -> Iterator[None]:
    """Run the service with the settings of the guide, as far as it answers."""
    command = [sys.executable, "-m", "skymist", "serve", "--config", "service.yaml", "--part", "api"]
    log = home.folder / "serve.log"
    with log.open("w") as said, subprocess.Popen(command, cwd=home.folder, stderr=said) as process:
        try:
            for _ in range(1200):
                assert process.poll() is None, log.read_text()
                if answers(home.url):
                    break
                time.sleep(0.05)
            yield
        finally:
            process.terminate()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v1/health", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
