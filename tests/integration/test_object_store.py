"""Scans into a real S3 server: killed, doubled, cut off from it, and with secrets that nobody must learn."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from seaweed import SECRET, Server, running

from skymist.errors import SkymistError
from skymist.model import sky
from skymist.model.reconstruction import Fit
from skymist.store.objects import ObjectPlace
from skymist.store.place import place
from skymist.store.zarr import SkyMapStore, read_skymap

pytestmark = pytest.mark.integration

LOUD = "import logging; logging.basicConfig(level=logging.DEBUG); from skymist.cli import main; main()"
SCAN = ("scan", "demo", "--reco", "bowl", "--levels", "4:0,16:12,64:12", "--json")
SLOW = ("--option", "seconds=0.02")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("seaweed")) as found:
        yield found


def start(*words: str) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", LOUD, *words], stdout=pipe, stderr=pipe, text=True)


def finish(process: "subprocess.Popen[str]") -> tuple[dict[str, Any], str]:
    answer, notes = process.communicate(timeout=120)
    assert process.returncode == 0, notes
    return dict(json.loads(answer)), notes


def by_cell(where: str) -> xr.Dataset:
    skymap = read_skymap(where)
    return skymap.isel(cell=np.argsort(skymap["uniq"].to_numpy())).drop_attrs()


def objects(url: str) -> dict[str, bytes]:
    found = place(url)
    assert isinstance(found, ObjectPlace)
    keys = [each["path"] for batch in found._client.list(found.key) for each in batch]
    return {key: ObjectPlace(found.bucket, key, found._client).read_bytes() for key in keys}


def test_killed_in_the_middle_it_ends_with_the_same_map(server: Server, tmp_path: Path) -> None:
    out = "s3://maps/killed"
    killed = start(*SCAN, *SLOW, "--out", out)
    while not any(key.endswith("uniq/c/0") for key in objects(out)):  # the first rows are committed
        assert killed.poll() is None, killed.communicate()[1]
        time.sleep(0.2)
    killed.send_signal(signal.SIGKILL)
    heard = "".join(killed.communicate())
    (store,) = {key.partition(".zarr")[0] for key in objects(out)}
    part = read_skymap(f"s3://maps/{store}.zarr")
    assert not part.attrs["complete"]
    resumed, notes = finish(start(*SCAN, *SLOW, "--out", out))
    assert "its last writer did not end well" in notes
    local, more = finish(start(*SCAN, *SLOW, "--out", str(tmp_path)))
    url = resumed["outputs"]["zarr"]
    xr.testing.assert_identical(by_cell(url), by_cell(local["outputs"]["zarr"]))
    assert np.array_equal(read_skymap(url)["uniq"][: part.sizes["cell"]], part["uniq"])
    shown, last = finish(start("map", "show", url, "--json"))
    assert shown["best"] == local["best"]
    there = objects(out)
    for ending, begins in ((".multiorder.fits.gz", b"\x1f\x8b"), (".png", b"\x89PNG")):
        assert there[f"{store}{ending}"].startswith(begins)
    assert not any(key.endswith(".lease") for key in there)
    spoken = heard + notes + more + last + json.dumps([resumed, shown])
    assert SECRET not in spoken
    assert not any(SECRET.encode() in key.encode() + content for key, content in there.items())


def test_of_two_writers_the_second_is_refused(server: Server) -> None:
    first = start(*SCAN, "--option", "seconds=0.03", "--out", "s3://maps/two")
    while not any(key.endswith("zarr.json") for key in objects("s3://maps/two")):
        assert first.poll() is None, first.communicate()[1]
        time.sleep(0.1)
    second = start(*SCAN, "--option", "seconds=0.03", "--out", "s3://maps/two")
    answer, notes = second.communicate(timeout=60)
    assert (second.returncode, answer) == (2, "")
    assert "another process is writing s3://maps/two/" in notes
    assert "Traceback" not in notes
    assert finish(first)[0]["complete"]


def test_a_server_that_is_down_for_a_while_ends_nothing(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ObjectPlace, "commit_seconds", 0.1)
    url, blocks = "s3://maps/outage.zarr", np.array_split(sky.all_cells(8), 5)
    with SkyMapStore(url, {"scan_id": "outage"}, patience=60) as store:
        append(store, blocks[0])
        store.commit()
        server.stop()
        try:
            for block in blocks[1:3]:
                time.sleep(0.2)
                append(store, block)
            assert str(store.trouble).endswith("cannot be written: the server does not answer")
            with pytest.raises(SkymistError, match=r"cannot be reached: the server does not answer$"):
                read_skymap(url)
            assert SECRET not in f"{store!r} {store.place!r} {store.place.zarr_store()!r} {store.trouble}"
        finally:
            server.start()
        for block in blocks[3:]:
            append(store, block)
        store.commit(complete=True)
        assert store.trouble is None
    data = read_skymap(url)
    assert data.attrs["complete"]
    assert np.array_equal(data["uniq"], sky.all_cells(8))
    assert np.array_equal(data["nllh"], sky.all_cells(8).astype(float))


def append(store: SkyMapStore, cells: Any) -> None:
    values = cells.astype(float)
    store.append(cells, Fit(values, values, values, np.column_stack([values] * 3), np.zeros(len(cells), "u1")))


def test_wrong_credentials_are_one_clear_error(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    with pytest.raises(SkymistError, match=r"s3://maps/x\.zarr\.lease cannot be written: permission denied") as told:
        SkyMapStore("s3://maps/x.zarr", {"scan_id": "x"})
    assert "another-secret" not in str(told.value)
    assert "tests" not in str(told.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
def test_a_full_file_system_ends_nothing(tmp_path: Path) -> None:
    """In a mount namespace of its own, a file system of 1 MB is filled to the brim, and later emptied."""
    script = tmp_path / "script.py"
    script.write_text(ON_A_FULL_DISK)
    mounted = f"mount -t tmpfs -o size=1m none {tmp_path} || exit 99; exec {sys.executable} - {tmp_path}"
    with script.open() as program:
        command = ["unshare", "--mount", "sh", "-c", mounted]
        done = subprocess.run(command, stdin=program, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 99:
        pytest.skip(f"cannot mount a file system here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    assert "No space left on device" in done.stdout


ON_A_FULL_DISK = """
import sys
from pathlib import Path
import numpy as np
from skymist.model import sky
from skymist.model.reconstruction import Fit
from skymist.store.place import LocalPlace
from skymist.store.zarr import SkyMapStore, read_skymap

LocalPlace.commit_seconds = 0.0
folder, cells = Path(sys.argv[1]), sky.all_cells(16)
rng = np.random.default_rng(1)
values = [rng.normal(size=len(cells)) for _ in range(6)]
fit = Fit(*values[:3], np.column_stack(values[3:]), np.zeros(len(cells), "u1"))
with SkyMapStore(folder / "map.zarr", {"scan_id": "full"}) as store:
    store.append(cells[:100], fit[:100])
    with (folder / "filler").open("wb", buffering=0) as filler:
        try:
            while filler.write(bytes(1000)):
                pass
        except OSError:
            pass
    for first in range(100, 2000, 100):
        store.append(cells[first : first + 100], fit[first : first + 100])
    print(store.trouble)
    assert read_skymap(folder / "map.zarr").sizes["cell"] == 100
    (folder / "filler").unlink()
    store.append(cells[2000:], fit[2000:])
    assert store.trouble is None
data = read_skymap(folder / "map.zarr")
assert np.array_equal(data["uniq"], cells)
assert np.array_equal(data["nllh"], fit.nllh)
"""
