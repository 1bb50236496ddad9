"""The store: what is committed is there, what is not is not, and one process writes."""

import json
import resource
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr

from skymist.errors import ReadError, StoreError
from skymist.model import sky
from skymist.model.reconstruction import Fit
from skymist.model.sky import Ints
from skymist.store import lease, versions
from skymist.store import zarr as store_zarr
from skymist.store.calibration import CalibrationStore, Trials
from skymist.store.diagnostics import read_diagnostics
from skymist.store.lease import LeaseLostError
from skymist.store.place import LocalPlace, place
from skymist.store.tiling import GROUP, remove_tiling
from skymist.store.zarr import SkyMapStore, read_skymap

ATTRIBUTES = {"scan_id": "abc", "request": {"levels": [[8, 0]]}}


def fit_of(uniq: Ints) -> Fit:
    values = uniq.astype(float)
    return Fit(values, values, values, np.column_stack([values] * 3), uniq % 3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "map.zarr"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Run an S3 server in this process; returns its URL."""
    moto = pytest.importorskip("moto.server", reason="needs moto")
    found = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    found.start()
    host, port = found.get_host_and_port()
    yield f"http://{host}:{port}"
    found.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of a new prefix in a bucket."""
    import boto3

    secrets = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "us-east-1"}
    for name, value in {**secrets, "AWS_ENDPOINT_URL": server, "AWS_ALLOW_HTTP": "true"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(lease, "RENEWAL", 0.2)
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="maps")
    return f"s3://maps/{uuid.uuid4()}"


def test_rows_come_back_as_they_were(path: Path) -> None:
    cells = sky.all_cells(4)
    with SkyMapStore(path, ATTRIBUTES) as store:
        for block in np.array_split(cells, 7):
            store.append(block, fit_of(block))
        store.commit(complete=True)
    data = read_skymap(path)
    assert np.array_equal(data["uniq"], cells)
    assert np.array_equal(data["vertex"][:, 2], cells.astype("f4"))
    assert np.array_equal(data["status"], cells % 3)
    assert data.attrs["complete"]
    assert data.attrs["request"] == {"levels": [[8, 0]]}


def test_a_growing_map_shows_its_committed_rows(path: Path) -> None:
    cells = sky.all_cells(2)
    with SkyMapStore(path, ATTRIBUTES) as store:
        store.append(cells[:10], fit_of(cells[:10]))
        store.commit()
        store.append(cells[10:], fit_of(cells[10:]))
        assert read_skymap(path).sizes["cell"] == 10
        assert not read_skymap(path).attrs["complete"]
    assert read_skymap(path).sizes["cell"] == 48


def test_rows_beyond_the_committed_number_are_overwritten(path: Path) -> None:
    cells = sky.all_cells(2)
    with SkyMapStore(path, ATTRIBUTES) as store:
        store.append(cells[:10], fit_of(cells[:10]))
    group = zarr.open_group(path, mode="r+")
    for name in ("uniq", "nllh", "status"):  # a process died here, in the middle of a commit
        array = group[name]
        assert isinstance(array, zarr.Array)
        array.resize((30,))
        array[10:30] = 7
    (path / "nllh" / "c" / "0.1234.partial").write_bytes(b"half")
    assert read_skymap(path).sizes["cell"] == 10
    with SkyMapStore(path, ATTRIBUTES) as store:
        assert np.array_equal(store.uniq, cells[:10])
        store.append(cells[10:], fit_of(cells[10:]))
    data = read_skymap(path)
    assert np.array_equal(data["uniq"], cells)
    assert np.array_equal(data["nllh"], cells.astype(float))
    assert not list(path.rglob("*.partial"))


def test_a_store_cut_off_while_it_was_made_is_made_again(path: Path) -> None:
    with SkyMapStore(path, ATTRIBUTES):
        pass
    about = json.loads((path / "zarr.json").read_text())
    del about["attributes"]["rows"]
    (path / "zarr.json").write_text(json.dumps(about))
    (path / "vertex" / "zarr.json").unlink()
    with SkyMapStore(path, ATTRIBUTES) as store:
        store.append(sky.all_cells(1), fit_of(sky.all_cells(1)))
    assert read_skymap(path).sizes["cell"] == 12


def test_two_writers_are_refused_also_from_two_processes(path: Path) -> None:
    with SkyMapStore(path, ATTRIBUTES):
        with pytest.raises(StoreError, match="another process"):
            SkyMapStore(path, ATTRIBUTES)
        code = "import sys, pathlib, skymist.store.zarr as z; z.SkyMapStore(pathlib.Path(sys.argv[1]), {})"
        other = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
        assert "another process is writing" in other.stderr
    with SkyMapStore(path, ATTRIBUTES):
        pass


def test_another_scans_store_is_refused(path: Path) -> None:
    with SkyMapStore(path, ATTRIBUTES):
        pass
    with pytest.raises(StoreError, match="another scan"):
        SkyMapStore(path, {"scan_id": "other"})
    with SkyMapStore(path, ATTRIBUTES):
        pass


def test_what_is_no_store_is_one_clear_error(path: Path) -> None:
    with pytest.raises(ReadError, match=r"no zarr\.json"):
        read_skymap(path)
    path.mkdir()
    (path / "zarr.json").write_text("{")
    with pytest.raises(ReadError, match="not a sky map"):
        read_skymap(path)
    with pytest.raises(StoreError, match="something else than a sky map"):
        SkyMapStore(path, ATTRIBUTES)
    xr.Dataset({"x": ("y", [1])}).to_zarr(path, mode="w", zarr_format=3, consolidated=False)
    with pytest.raises(ReadError, match="not a sky map"):
        read_skymap(path)


def test_nothing_in_a_store_is_a_pickle(path: Path) -> None:
    with SkyMapStore(path, ATTRIBUTES) as store:
        store.append(sky.all_cells(1), fit_of(sky.all_cells(1)))
    assert "pickle" not in "".join(file.read_text() for file in path.rglob("zarr.json"))


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file grow beyond some bytes, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_rows_wait_in_memory_while_the_disk_is_full(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalPlace, "commit_seconds", 0.0)
    blocks = np.array_split(sky.all_cells(4), 4)
    with SkyMapStore(path, ATTRIBUTES) as store:
        store.append(blocks[0], fit_of(blocks[0]))
        assert store.trouble is None
        with full_disk():
            for block in blocks[1:3]:
                store.append(block, fit_of(block))
            assert "map.zarr cannot be written: File too large" in str(store.trouble)
        assert read_skymap(path).sizes["cell"] == len(blocks[0])
        store.append(blocks[3], fit_of(blocks[3]))
        assert store.trouble is None
        store.describe({"reconstruction": {"name": "x"}})
        store.commit(complete=True)
    data = read_skymap(path)
    assert np.array_equal(data["uniq"], sky.all_cells(4))
    assert np.array_equal(data["nllh"], sky.all_cells(4).astype(float))
    assert data.attrs["reconstruction"] == {"name": "x"}


def test_costs_wait_like_rows_also_if_their_table_cannot_be_made(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalPlace, "commit_seconds", 0.0)
    blocks = np.array_split(sky.all_cells(2), 3)
    with SkyMapStore(path, ATTRIBUTES) as store:
        for number, block in enumerate(blocks):
            with full_disk() if number == 0 else nullcontext():
                store.append(block, fit_of(block))
                store.note(block, np.full(len(block), 0.5), block, 2 * block, f"worker {number}")
                assert bool(store.trouble) == (number == 0)
    costs = read_diagnostics(path)
    assert costs is not None
    assert np.array_equal(costs["uniq"], sky.all_cells(2))
    assert np.array_equal(costs["evaluations"], 2 * sky.all_cells(2))
    assert list(dict.fromkeys(costs["worker"].to_numpy().tolist())) == ["worker 0", "worker 1", "worker 2"]
    with SkyMapStore(path, ATTRIBUTES) as store:  # costs without new rows
        store.note(blocks[0], np.ones(len(blocks[0])), blocks[0], blocks[0], "worker 1")
        store.commit(complete=True)
    with xr.open_zarr(path, group="diagnostics") as found:
        assert found.sizes["cell"] == 48 + len(blocks[0])
    again = read_diagnostics(path)
    assert again is not None
    assert again.sizes["cell"] == 48 + len(blocks[0])


def test_patience_ends_with_the_number_of_rows_that_are_lost(path: Path) -> None:
    cells = sky.all_cells(1)
    told: list[str] = []
    with SkyMapStore(path, ATTRIBUTES, patience=0.1, on_wait=told.append) as store:
        store.append(cells[:5], fit_of(cells[:5]))
        store.commit()
        store.append(cells[5:], fit_of(cells[5:]))
        with full_disk(), pytest.raises(StoreError, match=r"^7 rows are not kept: .*map\.zarr cannot be .*too large$"):
            store.commit(complete=True)
        assert read_skymap(path).sizes["cell"] == 5
    assert [text.partition("; ")[2] for text in told] == ["tried again for up to 0 s"]
    data = read_skymap(path)  # there is room again at the end
    assert data.sizes["cell"] == 12
    assert data.attrs["complete"]


def test_a_store_that_was_removed_is_one_clear_error(path: Path) -> None:
    with pytest.raises(StoreError, match=r"12 rows are not kept: .*map\.zarr cannot be written: its column .* is gone"):
        removed_while_written(path)


def removed_while_written(path: Path) -> None:
    with SkyMapStore(path, ATTRIBUTES, patience=0.1) as store:
        shutil.rmtree(path)
        store.append(sky.all_cells(1), fit_of(sky.all_cells(1)))


def older(path: Path) -> None:
    """Turn a store into one of a version 0 that never was: microseconds, and no status."""
    group = zarr.open_group(path, mode="r+")
    times = np.asarray(group["time"][:])  # type: ignore[index]
    del group["time"], group["status"]
    group.create_array("time_us", data=times / 1000, dimension_names=["cell"])
    group.attrs["schema_version"] = 0


def first_step(columns: versions.Columns, attributes: versions.Attributes) -> tuple[versions.Columns, Any]:
    columns = {**columns, "time": columns.pop("time_us") * 1000, "status": np.zeros(len(columns["uniq"]), "u1")}
    return columns, {**attributes, "migrated": True}


@pytest.fixture
def old(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with SkyMapStore(path, ATTRIBUTES) as store:
        store.append(sky.all_cells(1), fit_of(sky.all_cells(1)))
    older(path)
    monkeypatch.setitem(versions.STEPS, 0, first_step)
    return path


def test_a_store_of_an_older_version_is_read_and_resumed(old: Path) -> None:
    assert np.allclose(read_skymap(old)["time"], sky.all_cells(1))
    assert zarr.open_group(old, mode="r").attrs["schema_version"] == 0
    cells = sky.all_cells(2)
    with SkyMapStore(old, ATTRIBUTES) as store:
        store.append(cells, fit_of(cells))
    data = read_skymap(old)
    assert zarr.open_group(old, mode="r").attrs["schema_version"] == 1
    assert np.allclose(data["time"], np.append(sky.all_cells(1), cells))
    assert data.attrs["migrated"]
    assert [path.name for path in old.parent.iterdir()] == ["map.zarr"]


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_killed_while_it_is_migrated_nothing_is_lost(old: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    steps = iter(range(1, 10))

    with monkeypatch.context() as patch:
        for name in ("_fill", "_clear"):
            real = getattr(store_zarr, name)

            def counted(*values: Any, real: Any = real) -> None:
                if next(steps) == at:
                    raise KeyboardInterrupt
                real(*values)

            patch.setattr(store_zarr, name, counted)
        with pytest.raises(KeyboardInterrupt):
            SkyMapStore(old, ATTRIBUTES)
    with SkyMapStore(old, ATTRIBUTES) as store:
        assert np.allclose(store.fit.time_ns, sky.all_cells(1))
    assert [path.name for path in old.parent.iterdir()] == ["map.zarr"]


def test_a_newer_version_is_refused_by_both_names(path: Path) -> None:
    with SkyMapStore(path, ATTRIBUTES):
        pass
    zarr.open_group(path, mode="r+").attrs["schema_version"] = 7
    for use in (lambda: read_skymap(path), lambda: SkyMapStore(path, ATTRIBUTES)):
        with pytest.raises(ReadError, match=r"map\.zarr: its data model is version 7; this skymist knows version 1"):
            use()
    zarr.open_group(path, mode="r+").attrs["schema_version"] = 1
    with SkyMapStore(path, ATTRIBUTES):  # the lock was let go of
        pass


def test_a_store_behind_a_url_is_the_same(bucket: str, path: Path) -> None:
    cells = sky.all_cells(4)
    for where in (bucket + "/map.zarr", path):
        for part in (cells[:50], cells[50:]):
            with SkyMapStore(where, ATTRIBUTES) as store:
                assert np.array_equal(store.uniq, cells[: len(store.uniq)])
                store.append(part, fit_of(part))
        xr.testing.assert_identical(read_skymap(bucket + "/map.zarr"), read_skymap(where))
    assert read_skymap(bucket + "/map.zarr").encoding["source"] == bucket + "/map.zarr"
    assert not (place(bucket) / "zarr.json").exists()


def test_xarray_finds_pseudo_experiments_of_a_complete_map(path: Path) -> None:
    with SkyMapStore(path, ATTRIBUTES) as scan:
        scan.append(sky.all_cells(1), fit_of(sky.all_cells(1)))
        scan.commit(complete=True)
    with CalibrationStore(path, "one", {"seed": 1}) as store:
        store.append(Trials(np.arange(6), np.linspace(0, 1, 6), np.ones(6)))
        store.publish({"id": "one"})
    assert xr.open_zarr(path, group="calibration/one").sizes["trial"] == 6
    assert xr.open_zarr(path).attrs["calibration"] == {"id": "one"}


def test_pseudo_experiments_are_kept_behind_a_url(bucket: str) -> None:
    with SkyMapStore(bucket, ATTRIBUTES) as scan:
        scan.append(sky.all_cells(1), fit_of(sky.all_cells(1)))
    rows = Trials(np.arange(6), np.linspace(0, 1, 6), np.ones(6))
    for part in (rows[:4], rows[4:]):
        with CalibrationStore(bucket, "one", {"seed": 1}) as store:
            store.append(part)
            with pytest.raises(StoreError, match="another process is writing"):
                store.place.lock()
    with CalibrationStore(bucket, "one", {"seed": 1}) as store:
        assert np.array_equal(store.trials.index, rows.index)
        assert np.array_equal(store.trials.ts, rows.ts)
        assert store.attributes == {"seed": 1}
        store.publish({"id": "one"})
    data = read_skymap(bucket)
    assert data.attrs["calibration"] == {"id": "one"}
    assert data.sizes["cell"] == 12


def test_a_cut_off_store_behind_a_url_is_made_again(bucket: str) -> None:
    with SkyMapStore(bucket, ATTRIBUTES):
        pass
    about = place(bucket) / "zarr.json"
    about.write_bytes(about.read_bytes().replace(b'"rows"', b'"none"'))
    with SkyMapStore(bucket, ATTRIBUTES) as store:
        store.append(sky.all_cells(1), fit_of(sky.all_cells(1)))
    assert read_skymap(bucket).sizes["cell"] == 12


def overtaken(bucket: str) -> None:
    cells = sky.all_cells(1)
    with SkyMapStore(bucket, ATTRIBUTES) as store:
        store.append(cells[:5], fit_of(cells[:5]))
        store.commit()
        place(f"{bucket}.lease").write_bytes(b"other 1\n")
        store.append(cells[5:], fit_of(cells[5:]))
        store.commit()


def test_a_writer_that_another_took_over_from_writes_no_more(bucket: str) -> None:
    with pytest.raises(LeaseLostError, match="another process is writing"):
        overtaken(bucket)
    assert read_skymap(bucket).sizes["cell"] == 5
    assert place(f"{bucket}.lease").exists()


def completed(where: Path | str, cells: Ints) -> None:
    with SkyMapStore(where, ATTRIBUTES) as store:
        store.append(cells, fit_of(cells))
        store.commit(complete=True)


def check_tiling(where: Path) -> None:
    with xr.open_zarr(where, group=GROUP) as found:
        assert np.array_equal(np.sort(found["uniq"]), sky.all_cells(2))
        assert float((found["probdensity"] * sky.area_sr(found["uniq"])).sum()) == pytest.approx(1)
        assert found["probdensity"].attrs["units"] == "sr-1"
        assert set(found.coords) == {"cell_ids", "uniq"}
        assert found.attrs["rows"] == 48


def test_a_complete_map_opens_at_once_in_xarray(path: Path) -> None:
    completed(path, sky.all_cells(2))
    with xr.open_zarr(path) as found:  # a warning would be an error
        data = read_skymap(path)
        xr.testing.assert_identical(found.load().drop_attrs(deep=False), data.drop_attrs(deep=False))
        assert set(found.coords) == {"uniq"}
        assert found["time"].dtype == np.float64  # on the event's clock, which is no calendar
    for variable in data.variables.values():
        assert set(variable.attrs) >= {"units", "long_name", "coverage_content_type"}
    assert data["status"].attrs["flag_meanings"] == "ok not_converged failed"
    check_tiling(path)
    with xr.open_datatree(path, engine="zarr") as tree:
        assert list(tree.children) == [GROUP]


def test_a_complete_map_opens_at_once_also_when_more_was_said_of_it(path: Path) -> None:
    completed(path, sky.all_cells(2))
    with CalibrationStore(path, "one", {"seed": 1}) as store:
        store.append(Trials(np.arange(6), np.linspace(0, 1, 6), np.ones(6)))
        store.publish({"id": "one"})
    assert read_skymap(path).attrs["calibration"] == {"id": "one"}
    check_tiling(path)
    with SkyMapStore(path, ATTRIBUTES) as again:
        again.describe({"title": "a map"})
    assert read_skymap(path).attrs["title"] == "a map"
    check_tiling(path)


@pytest.mark.parametrize("at", range(1, 10))
def test_a_process_that_dies_leaves_the_tiling_of_its_map_or_none(
    path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    cells, real, calls = sky.all_cells(2), LocalPlace.write_bytes, iter(range(1, 100))

    def dies(where: LocalPlace, content: bytes) -> None:
        if next(calls) >= at:
            raise KeyboardInterrupt
        real(where, content)

    with SkyMapStore(path, ATTRIBUTES) as store:
        store.append(cells[:30], fit_of(cells[:30]))
    with monkeypatch.context() as patch:
        patch.setattr(LocalPlace, "write_bytes", dies)
        with pytest.raises(KeyboardInterrupt):
            completed(path, cells[30:])
    assert not (path / GROUP / "zarr.json").exists()
    assert not read_skymap(path).attrs["complete"]
    with SkyMapStore(path, ATTRIBUTES) as store:
        assert len(store.uniq) == 30
        assert not (path / GROUP).exists()
    completed(path, cells[30:])
    check_tiling(path)


def test_a_tiling_of_rows_that_were_never_kept_is_gone_when_the_scan_goes_on(path: Path) -> None:
    cells = sky.all_cells(2)
    completed(path, cells)
    about = json.loads((path / "zarr.json").read_text())
    del about["consolidated_metadata"]
    about["attributes"] |= {"rows": 30, "complete": False}  # the process died before it could write that
    (path / "zarr.json").write_text(json.dumps(about))
    with SkyMapStore(path, ATTRIBUTES) as store:
        assert len(store.uniq) == 30
        assert not (path / GROUP).exists()
    completed(path, cells[30:])
    check_tiling(path)


def test_a_map_whose_process_died_before_its_last_write_gets_that(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("skymist.store.zarr.consolidate", dies)
        with pytest.raises(KeyboardInterrupt):
            completed(path, sky.all_cells(2))
    assert read_skymap(path).attrs["complete"]
    assert "consolidated_metadata" not in json.loads((path / "zarr.json").read_text())
    with SkyMapStore(path, ATTRIBUTES) as store:
        assert store.complete
    assert "consolidated_metadata" in json.loads((path / "zarr.json").read_text())
    check_tiling(path)


@pytest.mark.parametrize("name", ["uniq", "nllh", "status"])
def test_a_broken_chunk_is_told(path: Path, name: str) -> None:
    completed(path, sky.all_cells(2))
    (chunk,) = (each for each in (path / name / "c").rglob("*") if each.is_file())
    chunk.write_bytes(chunk.read_bytes()[:-1])
    with pytest.raises(ReadError, match=r"damaged: .*decompress"):
        read_skymap(path)


def test_a_map_without_a_tiling_is_read(path: Path) -> None:
    completed(path, sky.all_cells(2))
    remove_tiling(place(path))
    assert read_skymap(path).sizes["cell"] == 48


def test_a_complete_store_of_an_older_version_gets_its_tiling(old: Path) -> None:
    zarr.open_group(old, mode="r+").attrs["complete"] = True
    with SkyMapStore(old, ATTRIBUTES) as store:
        assert store.complete
    with xr.open_zarr(old, group=GROUP) as found:
        assert found.sizes["tile"] == 12


def test_a_map_behind_a_url_has_its_tiling(bucket: str, path: Path) -> None:
    for where in (bucket + "/map.zarr", path):
        completed(where, sky.all_cells(2))
    other = xr.open_zarr(place(bucket + "/map.zarr").zarr_store(), group=GROUP)
    xr.testing.assert_identical(other.load(), xr.open_zarr(path, group=GROUP).load())
