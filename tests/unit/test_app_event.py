"""An event in the detector: its file from the service, its light, and the lines over it."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving import Site, check_problem, opened, running, serving

import skymist
from skymist.app.models import event as models
from skymist.app.models.event import EventModel, read_bytes
from skymist.app.models.shelf import Shelf
from skymist.client import Client
from skymist.errors import ReadError, RequestError
from skymist.model import sky
from skymist.plot.pulses import hits_of
from skymist.records.tokens import Access
from skymist.workflow.events import demo_path

REAL = "event_HESE_2017-11-28.json"
SCRIPT = Path(skymist.__file__).parent / "app" / "parts" / "event_view.js"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service with the demo and two scans of it."""
    with opened(tmp_path_factory.mktemp("service")) as settings, serving(settings) as found:
        with skymist.connect(found.url, found.tokens[Access.ANALYST]) as client, running(settings):
            for reco in ("bowl", "track-mpe"):
                client.scan(str(demo_path()), reco=reco, levels="4:0").wait()
        yield found


@pytest.fixture
def client(site: Site) -> Iterator[Client]:
    with skymist.connect(site.url, site.tokens[Access.VIEWER]) as found:
        yield found


def scans_of(client: Client) -> list[dict[str, Any]]:
    return [each.document for each in client.scans()]


def loaded(client: Client, **more: Any) -> EventModel:
    found = EventModel(client, "139_0", scans_of(client), shelf=Shelf(), **more)
    found.load()
    return found


def test_a_viewer_gets_the_file_of_an_event_as_it_came(site: Site, client: Client) -> None:
    assert client.event_file("139_0") == demo_path().read_bytes()
    answer = site.call("viewer", "GET", "/events/139_0/file")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == 'attachment; filename="demo.csv"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    check_problem(site.call(None, "GET", "/events/139_0/file"), 401)
    check_problem(site.call("viewer", "GET", "/events/nothing/file"), 404, "no event is called 'nothing'")


def test_a_file_has_a_harmless_name(site: Site) -> None:
    content = demo_path().read_bytes().replace(b"# event = 0", b"# event = 7")
    asked = "/events?name=a%20(1).csv"
    event = site.call("analyst", "POST", asked, content=content).json()["event_id"]
    answer = site.call("viewer", "GET", f"/events/{event}/file")
    assert answer.headers["content-disposition"] == 'attachment; filename="a__1_.csv"'
    assert answer.content == content


def test_an_event_is_told_with_its_light_and_its_lines(client: Client) -> None:
    found = loaded(client)
    event, hits = found.read
    scene = found.scene()
    assert len(scene["modules"]["x"]) == len(scene["modules"]["time"]) == hits.charge_pe.size
    assert max(scene["modules"]["size"]) == 1
    assert scene["simulated"]
    assert scene["times"]["first"] < scene["times"]["low"] < scene["times"]["high"] < scene["times"]["last"]
    assert [(line["name"], line["kind"]) for line in scene["lines"]] == [
        ("best fit of track-mpe", "fit"), ("truth", "truth"),
    ]  # fmt: skip
    assert len(json.dumps(scene)) < 100_000
    ends = np.array([scene["lines"][1][axis] for axis in "xyz"]).T
    along = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
    assert event.truth is not None
    towards = -sky.unit(event.truth.azimuth, np.pi / 2 - event.truth.zenith)
    assert along == pytest.approx(towards, abs=1e-3)
    assert scene["lines"][1]["travel"] == pytest.approx(towards)
    facts = dict(found.facts())
    assert facts["charge"].startswith("1,829 PE; half of it in ")
    assert "SIMULATED" in facts["event"]
    assert "172 modules that saw light" in found.caption()
    assert "truth: from " in found.caption()


def test_another_scan_or_none_can_be_chosen(client: Client) -> None:
    found = loaded(client)
    names = {name.split(",")[0]: scan for name, scan in found.choices().items()}
    assert set(names) == {"bowl", "track-mpe"}
    assert found.scan == names["track-mpe"]
    found.scan = names["bowl"]
    assert found.scene()["lines"][0]["name"] == "best fit of bowl"
    found.scan = ""
    assert [line["kind"] for line in found.scene()["lines"]] == ["truth"]
    assert not found.take(scans_of(client))
    assert found.take([{**each, "state": "running"} for each in scans_of(client)])
    assert found.choices() == {}


def test_an_event_is_read_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "_EVENTS", {})
    one, other = loaded(client), loaded(client)
    assert one.read[0] is other.read[0]
    monkeypatch.setattr(models, "_MOST", 0)
    monkeypatch.setattr(models, "_EVENTS", {})
    loaded(client)
    assert models._EVENTS == {}


def test_before_it_is_loaded_nothing_is_said_of_it(client: Client) -> None:
    with pytest.raises(RequestError, match="not loaded yet"):
        EventModel(client, "139_0", []).scene()
    with pytest.raises(RequestError, match="no event is called 'other'"):
        EventModel(client, "other", []).load()
    with pytest.raises(ReadError):
        read_bytes(b"nothing", "../../event.json")


def test_earlier_fits_of_a_real_event_are_lines_with_their_names(shared: Path, client: Client, site: Site) -> None:
    with skymist.connect(site.url, site.tokens[Access.ANALYST]) as analyst:
        event_id = analyst.post_event(shared / "events" / REAL)["event_id"]
    found = EventModel(client, event_id, [], "hms")
    found.load()
    lines = {line["name"]: line for line in found.scene()["lines"]}
    assert {"HESE_CascadeLlhVertexFit", "OnlineL2_SplineMPE"} <= set(lines)
    assert {line["kind"] for line in lines.values()} == {"earlier"}
    assert all("zenith" in line["told"] for line in lines.values())
    assert found.read[0].digest == skymist.load_event(str(shared / "events" / REAL)).digest == event_id
    assert found.read[1].charge_pe == pytest.approx(hits_of(found.read[0]).charge_pe)
    assert "h" in found.caption().rpartition("from ")[2]


def run_script(code: str, folder: Path) -> Any:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    file = folder / "event_view.mjs"
    shutil.copy(SCRIPT, file)
    program = f"import * as script from {json.dumps(file.as_uri())};\n{code}"
    done = subprocess.run([node, "--input-type=module", "-e", program], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_the_slider_shows_light_up_to_a_time_and_all_at_its_end(tmp_path: Path) -> None:
    code = (
        "const modules = {time: [-5, 0, 10, 500], charge: [1, 2, 3.6, 1000]}, times = {first: -1, last: 20};"
        "const at = (time) => script.lit({modules, times}, time);"
        "console.log(JSON.stringify([at(-1), at(0), at(19), at(20), script.summary(modules, at(10))]));"
    )
    assert run_script(code, tmp_path) == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3], "3 of 4 modules, 7 PE"]


def test_the_eye_looks_along_the_track_from_where_it_comes(tmp_path: Path) -> None:
    code = (
        "const [x, z] = [[1, 0, 0], [0, 0, -1]];"
        "console.log(JSON.stringify(['along', 'side', 'top'].map((kind) => [x, z].map((travel) =>"
        " script.cameraOf(kind, travel)))));"
    )
    along, side, top = run_script(code, tmp_path)
    eyes = [[[camera["eye"][axis] for axis in "xyz"] for camera in both] for both in (along, side, top)]
    assert eyes[0] == [[-2, 0, 0], [0, 0, 2]]
    assert along[1]["up"] == {"x": 0, "y": 1, "z": 0}  # not along the line of sight
    assert [eyes[1][0][0], abs(eyes[1][0][1])] == [0, 2]
    assert eyes[2][0] == [0, 0, 2.1]
