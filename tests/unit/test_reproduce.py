"""Making a map again: the same comes out, or it is said by how much not, and what has changed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr
from click.testing import CliRunner, Result

from skymist import cluster
from skymist.cli.reproduce import reproduce as command
from skymist.errors import ReadError, RequestError, UnknownNameError
from skymist.model import skymap
from skymist.model.identity import Thing
from skymist.model.request import ScanRequest, parse_levels
from skymist.plugins import RECONSTRUCTIONS, load
from skymist.reco.bowl import Bowl
from skymist.records import Database, identities, scans, tables
from skymist.records.tables import Artifact, ScanState
from skymist.scan.progress import Progress
from skymist.store.zarr import read_skymap
from skymist.workflow import ingest, service
from skymist.workflow.archive.recorded import of_scan
from skymist.workflow.events import demo_path, load_event
from skymist.workflow.reproduce import compare, of_map, reproduce
from skymist.workflow.scan import load_reconstruction, scan_event, scan_request
from skymist.workflow.simulate import simulate_event, write_events
from skymist.workflow.wish import Wish, configured

EVENTS = "127907/20178442", "130322/1414689", "136766/7637140", "138632/31747601"
SMALL = parse_levels("2:0,4:4")


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A small map of the bundled event."""
    found = scan_event(load_event("demo"), Bowl(fail_declination_deg=60.0), SMALL, out=tmp_path / "kept")
    return Path(found.encoding["source"])


def again(path: Path, **more: Any) -> Any:
    return reproduce(*of_map(path), workers=1, **more)


def change(path: Path, name: str, row: int, by: float) -> None:
    array = zarr.open_group(path, mode="r+")[name]
    assert isinstance(array, zarr.Array)
    values = np.asarray(array[:])
    values[row] += by
    array[:] = values


@pytest.mark.parametrize(
    ("name", "levels", "event"),
    [
        *(("track-mpe", None, event) for event in EVENTS),
        ("track-losses", "2:0,4:6", EVENTS[2]),
        ("cascade", "4:0,8:4", EVENTS[1]),
    ],
)
def test_the_maps_of_real_events(shared: Path, tmp_path: Path, name: str, levels: str | None, event: str) -> None:
    mirror = shared / "events"
    steps = None if levels is None else parse_levels(levels)
    made = scan_event(load_event(event, mirror=mirror), load_reconstruction(name, {}), steps, out=tmp_path, workers=2)
    found = reproduce(*of_map(made.encoding["source"], mirror=mirror), workers=1)
    assert (found.identical, found.verdict, found.changed) == (True, "identical", "")
    assert found.content.then == found.content.now == skymap.content_hash(made)
    assert (found.cells, found.only_then, found.only_now) == (made.sizes["cell"], 0, 0)
    assert (found.nllh, found.best_deg) == (0, 0)


def test_another_pulse_set_is_found_again(shared: Path, tmp_path: Path) -> None:
    mirror = shared / "events"
    event = load_event(EVENTS[3], "InIceDSTPulses", mirror)
    made = scan_event(event, Bowl(), SMALL, out=tmp_path)
    assert reproduce(*of_map(made.encoding["source"], mirror=mirror)).identical


def test_a_map_that_is_not_the_same_says_by_how_much(kept: Path) -> None:
    fine = read_skymap(kept)
    assert np.isnan(fine["nllh"]).any()
    change(kept, "nllh", 5, 0.25)
    found = again(kept)
    assert not found.identical
    assert (found.nllh, found.cells, found.only_then, found.only_now) == (0.25, fine.sizes["cell"], 0, 0)
    assert found.content.now == skymap.content_hash(fine) != found.content.then
    assert found.verdict.startswith("different: likelihoods differ by up to 0.25, ")
    assert found.verdict.endswith("no version and no kind of machine has changed")
    change(kept, "nllh", 5, np.nan)
    assert again(kept).nllh == np.inf
    assert again(kept).to_dict()["nllh"] is None


def test_another_best_fit_and_other_areas_are_told(kept: Path) -> None:
    data = read_skymap(kept)
    worst = int(data["nllh"].argmax(...)["cell"])
    change(kept, "nllh", worst, -2 * float(data["nllh"][worst]))
    found = again(kept)
    assert found.best_deg > 30
    assert found.area_50_deg2.then > found.area_50_deg2.now > 0
    assert f"{found.area_90_deg2.then:.4g} and {found.area_90_deg2.now:.4g} deg2" in found.verdict


def test_rounding_is_told_as_such(kept: Path) -> None:
    change(kept, "nllh", 5, 1e-11)
    found = again(kept)
    assert (found.identical, found.verdict.partition(";")[0]) == (False, "the likelihoods are the same within 1e-09")


def test_other_columns_that_differ_are_named(kept: Path) -> None:
    group = zarr.open_group(kept, mode="r+")
    energy, status = group["energy"], group["status"]
    assert isinstance(energy, zarr.Array)
    assert isinstance(status, zarr.Array)
    energy[:] = np.asarray(energy[:]) * np.float32(1 + 1e-7)
    assert again(kept).others == ()
    energy[:] = np.asarray(energy[:]) * 100
    status[3] = 0 if np.asarray(status[3]) else 1
    found = again(kept)
    assert (found.identical, found.nllh, found.others) == (False, 0, ("energy", "status"))
    words = "the likelihoods are the same within 1e-09, but these differ: energy, status"
    assert found.verdict.partition(";")[0] == words
    assert found.to_dict()["others"] == ["energy", "status"]


@pytest.mark.parametrize(
    "about",
    [None, [], {"stretches": None}, {"stretches": [{}]}, {"stretches": ["x", {"software": None, "host": {}}]},
     {"stretches": [{"software": {"numpy": "1"}, "host": {"processor": "x"}, "worker": None}]}],
)  # fmt: skip
def test_what_a_map_says_badly_counts_as_not_said(kept: Path, about: Any) -> None:
    data = read_skymap(kept)
    found = compare(data.assign_attrs(provenance=about), data)
    assert found.identical
    assert found.recorded == ("worker" in str(about))
    assert bool(found.changed)


def test_missing_cells_are_counted(kept: Path) -> None:
    group = zarr.open_group(kept, mode="r+")
    group.attrs["rows"] = int(str(group.attrs["rows"])) - 3
    found = again(kept)
    assert (found.identical, found.only_then, found.only_now) == (False, 0, 3)
    assert "3 only in the new one" in found.verdict


def test_what_has_changed_is_told(kept: Path) -> None:
    group = zarr.open_group(kept, mode="r+")
    about: Any = group.attrs["provenance"]
    stretch = about["stretches"][0]
    stretch["software"] = {**stretch["software"], "numpy": "1.0.0", "a-plug-in": "3"}
    stretch["host"]["processor"] = "abacus"
    group.attrs["provenance"] = about
    found = again(kept)
    assert found.identical
    assert set(found.software) == {"numpy", "a-plug-in"}
    assert found.software["numpy"].then == "1.0.0"
    assert found.software["a-plug-in"].now is None
    assert found.host["processor"].then == "abacus"
    assert "a-plug-in 3 is now none, numpy 1.0.0 is now " in found.changed
    stretch["worker"] = {"software": {"numpy": "0.9"}, "host": {"processor": "slide rule"}}
    group.attrs["provenance"] = about
    assert again(kept).host["processor"].then == "slide rule"


def test_a_map_that_does_not_say_how_it_was_made_is_compared_too(kept: Path) -> None:
    del zarr.open_group(kept, mode="r+").attrs["provenance"]
    found = again(kept)
    assert (found.identical, found.recorded, dict(found.software)) == (True, False, {})
    assert "does not say" in found.changed


def test_another_version_of_the_reconstruction_is_tried_only_if_asked(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load(RECONSTRUCTIONS, "bowl"), "version", "2")
    with pytest.raises(RequestError, match=r"made by bowl 1 \(skymist .*\), version 2 is installed: .* --anyway"):
        again(kept)
    found = again(kept, anyway=True)
    assert found.identical
    assert found.software["the reconstruction bowl"].then == "1"
    assert found.changed == "the reconstruction bowl 1 is now 2"


def test_what_cannot_be_made_again_is_refused(kept: Path, tmp_path: Path) -> None:
    data, event = of_map(kept)
    with pytest.raises(RequestError, match=r"is not of run00000009\.evt000000000000 with the pulses"):
        reproduce(data, simulate_event(9, 0))
    refused = [
        ({"request": None}, RequestError, "does not say how it was made"),
        ({"request": {"colour": 1}}, ReadError, "its request is none that this skymist knows"),
        ({"complete": False}, RequestError, "is not complete"),
    ]
    for attributes, kind, words in refused:
        with pytest.raises(kind, match=words):
            reproduce(data.assign_attrs(attributes), event)
    with pytest.raises(RequestError, match=r"is the map itself, or a copy: choose another --out"):
        reproduce(data, event, out=kept.parent)
    shutil.copytree(kept, tmp_path / "copy" / kept.name)
    with pytest.raises(RequestError, match=r"is the map itself, or a copy"):
        reproduce(data, event, out=tmp_path / "copy")


def test_an_event_that_nobody_knows_has_to_be_given(tmp_path: Path) -> None:
    file = tmp_path / "event.csv"
    assert list(write_events(file, 1, lambda _: simulate_event(9, 0))) == [file]
    made = scan_event(load_event(str(file)), Bowl(), SMALL, out=tmp_path).encoding["source"]
    with pytest.raises(RequestError, match="9/0 is no public event: give its file with --event"):
        of_map(made)
    assert reproduce(*of_map(made, str(file))).identical


def test_a_reproduction_that_was_interrupted_goes_on(kept: Path, tmp_path: Path) -> None:
    def interrupt(step: Progress) -> None:
        if step.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        again(kept, out=tmp_path / "again", on_progress=interrupt)
    assert again(kept, out=tmp_path / "again").identical
    new = read_skymap(tmp_path / "again" / kept.name)
    assert new.attrs["provenance"]["stretches"][0]["starts"] == 2


# Scans of the records


@pytest.fixture
def database(tmp_path: Path) -> Any:
    found = Database(str(tmp_path / "records.sqlite"))
    found.upgrade()
    yield found
    found.close()


@pytest.fixture
def recorded(database: Database, tmp_path: Path) -> tuple[Database, str]:
    """The records, and a scan in them that was carried out."""
    outcome = ingest.take(database, demo_path().read_bytes(), ingest.EVENT, "test", "demo.csv")
    assert outcome.event_id is not None
    scan, _ = service.ask(database, outcome.event_id, Wish("bowl", {"width_deg": 2.0}, "2:0,4:4"), "test")
    request = ScanRequest.from_dict(scan.request)
    made = carry_out(database, outcome.event_id, request, tmp_path / "scans")
    with database.begin() as session:
        known = scans.locked(session, scan.id)
        for state in (ScanState.RUNNING, ScanState.COMPLETE):
            scans.move(session, known, state, "test")
        url = made.encoding["source"]
        kept = Artifact(scan_id=scan.id, kind="zarr", url=url, sha256=skymap.content_hash(made), size=1)
        scans.keep(session, [kept], "test")
    return database, scan.id


def carry_out(database: Database, event_id: str, request: ScanRequest, out: Path) -> xr.Dataset:
    event = ingest.load_event(database, event_id)
    return scan_request(event, configured(request), request, connect=lambda: cluster.connect("local", 1), out=out)


def test_a_scan_of_the_records(recorded: tuple[Database, str]) -> None:
    database, scan = recorded
    found = reproduce(*of_scan(database, scan[:8]), workers=1)
    assert found.identical
    assert found.scan_id == scan
    with database.read() as session:
        assert session.get_one(Artifact, (scan, "zarr")).sha256 == found.content.now


def test_a_map_that_a_later_run_replaced_cannot_be_made_again(recorded: tuple[Database, str]) -> None:
    database, scan = recorded
    with database.begin() as session:
        made = session.get_one(Artifact, (scan, "zarr"))
        name = identities.of(session, Thing.MAP, made.sha256).fragment
        assert of_scan(database, name)[0].attrs["scan_id"] == scan
        made.sha256 = "0" * 64
    with pytest.raises(RequestError, match=f"{name} is not there any more: a later run of scan {scan[:12]} replaced"):
        of_scan(database, name)


def test_a_scan_without_a_map_is_refused(recorded: tuple[Database, str]) -> None:
    database, scan = recorded
    with pytest.raises(UnknownNameError, match="no scan is called '00000000'"):
        of_scan(database, "00000000")
    with database.begin() as session:
        session.get_one(tables.Scan, scan).deleted = tables.now()
    with pytest.raises(RequestError, match=f"scan {scan[:12]} was deleted"):
        of_scan(database, scan)
    with database.begin() as session:
        session.get_one(tables.Scan, scan).deleted = None
        session.delete(session.get_one(Artifact, (scan, "zarr")))
    with pytest.raises(RequestError, match=f"scan {scan[:12]} is complete and has no map"):
        of_scan(database, scan)


# The command line


@pytest.fixture
def ask() -> Callable[..., Result]:
    """Run the command; its exit status has to be the one that is given."""

    def run(*words: object, status: int = 0) -> Result:
        found = CliRunner().invoke(command, [str(word) for word in words])
        assert found.exit_code == status, found.output
        return found

    return run


def test_the_command_says_whether_a_map_is_the_same(ask: Callable[..., Result], kept: Path) -> None:
    assert ": identical" in ask(kept).stdout
    change(kept, "nllh", 5, 0.25)
    assert "differ by up to 0.25" in ask(kept, status=1).stdout
    found = json.loads(ask(kept, "--event", "demo", "--json", "--workers", 1, status=1).stdout)
    assert (found["identical"], found["nllh"], found["content"]["then"]) == (
        False, 0.25, skymap.content_hash(read_skymap(kept))
    )  # fmt: skip


def test_the_command_finds_scans_of_the_records(ask: Callable[..., Result], recorded: tuple[Database, str]) -> None:
    database, scan = recorded
    found = json.loads(ask(scan[:12], "--database", database.url, "--json").stdout)
    assert (found["scan_id"], found["verdict"]) == (scan, "identical")
    with pytest.raises(RequestError, match="--event is for a MAP"):
        raise_of(ask(scan[:12], "--database", database.url, "--event", "demo", status=1))


def raise_of(result: Result) -> None:
    assert result.exception is not None
    raise result.exception
