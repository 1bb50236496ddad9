"""One event to a map: what follows when the scheduler is lost, and what the map says of how it was computed."""

import getpass
import json
import os
import platform
import socket
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
import zarr

from skymist.errors import SchedulerLostError
from skymist.fair.record import Site
from skymist.model import skymap
from skymist.model.request import parse_levels
from skymist.reco.bowl import Bowl
from skymist.scan.progress import Progress, Stage
from skymist.store.zarr import read_skymap
from skymist.workflow import environment, scan
from skymist.workflow.events import load_event

READY = Progress(Stage.READY, None, (), 0.0, 0.0, 0.0, None, (), None, 2, 2)


class Schedulers:
    """Of each in turn, what is seen before it dies; the last one lives."""

    def __init__(self, *lives: list[Progress]) -> None:
        self.lives = list(lives)

    def begin(self, client: Any) -> Iterator[Progress]:
        yield from self.lives.pop(0)
        if self.lives:
            raise SchedulerLostError("the Dask scheduler was lost")


@pytest.fixture
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)


@pytest.mark.usefixtures("_hurry")
def test_a_scheduler_lost_before_the_first_progress_is_told_and_replaced() -> None:
    waits: list[str] = []
    steps = scan._steps(nullcontext, Schedulers([], [READY]).begin, waits.append)
    assert list(steps) == [READY]
    assert waits == ["the Dask scheduler was lost; looking for another"]


@pytest.mark.usefixtures("_hurry")
def test_a_scheduler_lost_later_is_a_stage() -> None:
    steps = list(scan._steps(nullcontext, Schedulers([READY], [READY]).begin, pytest.fail))
    assert [step.stage for step in steps] == [Stage.READY, Stage.NO_SCHEDULER, Stage.READY]
    assert steps[1].trouble == "the Dask scheduler was lost; looking for another"


@pytest.mark.usefixtures("_hurry")
def test_one_that_never_was_there_is_an_error() -> None:
    def connect() -> Any:
        raise SchedulerLostError("no scheduler answers at tcp://127.0.0.1:9")

    with pytest.raises(SchedulerLostError, match="no scheduler answers"):
        list(scan._steps(connect, Schedulers([READY]).begin, pytest.fail))


def scanned(out: Path, cluster: str = "local", **more: Any) -> xr.Dataset:
    return scan.scan_event(load_event("demo"), Bowl(), parse_levels("2:0,4:4"), out=out, cluster_name=cluster, **more)


def interrupted(out: Path) -> Path:
    """Begin a scan and let it be interrupted when something is done."""

    def interrupt(step: Progress) -> None:
        if step.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scanned(out, on_progress=interrupt)
    return next(out.glob("*.zarr"))


def test_a_map_says_how_it_was_computed(tmp_path: Path) -> None:
    data = scanned(tmp_path)
    (found,) = data.attrs["provenance"]["stretches"]
    assert set(found["software"]) == {"python", *environment.PACKAGES}
    assert found["software"]["python"] == platform.python_version()
    assert found["software"]["numpy"] == version("numpy")
    assert found["host"]["machine"] == platform.machine()
    assert found["host"]["processor"]
    assert (found["cluster"], found["workers"], found["starts"]) == ("local", 1, 1)
    started, ended = (datetime.fromisoformat(found[name]) for name in ("started", "ended"))
    assert started < ended
    assert str(started.tzinfo) == "UTC"
    assert "worker" not in found  # which was this process
    assert data.attrs["id"] == f"map_{skymap.content_hash(data)[:16]}"
    assert "license" not in data.attrs
    again = scanned(tmp_path)
    assert again.attrs["provenance"] == data.attrs["provenance"]


def test_no_person_machine_or_folder_is_named(tmp_path: Path) -> None:
    cluster = tmp_path / "mine.yaml"
    cluster.write_text("kind: local\nprocesses: false\nworkers: 1\n")
    data = scanned(tmp_path, str(cluster))
    told = json.dumps(data.attrs["provenance"])
    assert data.attrs["provenance"]["stretches"][0]["cluster"] == "mine"
    for name in (getpass.getuser(), socket.gethostname(), str(tmp_path), os.getcwd(), str(Path.home())):
        assert name not in told
    assert environment.cluster_name("tls://node17.example.org:8786") == "a running scheduler"


def test_the_same_content_however_it_was_computed(tmp_path: Path) -> None:
    whole = scanned(tmp_path / "one")
    interrupted(tmp_path / "two")
    parts = scanned(tmp_path / "two", site=Site())
    assert skymap.content_hash(parts) == skymap.content_hash(whole)
    assert parts.attrs["license"].endswith("CC-BY-4.0.html")
    assert parts.attrs["scan_id"] == whole.attrs["scan_id"]


def test_a_resumed_scan_says_how_often_it_was_begun(tmp_path: Path) -> None:
    kept = interrupted(tmp_path)
    (before,) = read_skymap(kept).attrs["provenance"]["stretches"]
    assert "ended" not in before
    (found,) = scanned(tmp_path).attrs["provenance"]["stretches"]
    assert (found["starts"], found["started"]) == (2, before["started"])
    assert found["ended"] > before["started"]


def test_a_scan_resumed_with_other_software_says_so(tmp_path: Path) -> None:
    kept = interrupted(tmp_path)
    group = zarr.open_group(kept, mode="r+")
    (before,) = read_skymap(kept).attrs["provenance"]["stretches"]
    before["software"]["numpy"] = "1.0.0"
    group.attrs["provenance"] = {"stretches": [before]}
    data = scanned(tmp_path)
    one, two = data.attrs["provenance"]["stretches"]
    assert one == before
    assert (two["software"]["numpy"], two["starts"]) == (version("numpy"), 1)
    assert len(data.attrs["history"].splitlines()) == 2


def test_a_scan_that_an_older_skymist_began_is_finished(tmp_path: Path) -> None:
    kept = interrupted(tmp_path)
    group = zarr.open_group(kept, mode="r+")
    del group.attrs["provenance"]
    (found,) = scanned(tmp_path).attrs["provenance"]["stretches"]
    assert found["starts"] == 1


def test_a_worker_that_is_another_machine_speaks_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = environment.here("bowl")
    elsewhere = {"software": {**real["software"], "numpy": "1.0.0"}, "host": {**real["host"], "processor": "abacus"}}
    monkeypatch.setattr(environment, "here", Elsewhere(elsewhere))
    data = scanned(tmp_path, "local-processes", workers=1)
    (found,) = data.attrs["provenance"]["stretches"]
    assert (found["software"]["numpy"], found["host"]["processor"]) == ("1.0.0", "abacus")
    assert found["worker"] == real


class Elsewhere:
    """`here` of a process that is somewhere else than its workers: they know the real one by its name."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.found = found

    def __call__(self, _: str) -> dict[str, Any]:
        return self.found

    def __reduce__(self) -> str | tuple[Any, ...]:
        return getattr, (environment, "here")
