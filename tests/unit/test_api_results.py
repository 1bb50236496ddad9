"""What scans give, in all formats and part by part."""

import zipfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import httpx
import pytest
import xarray as xr
import zarr
from distributed import Client
from serving import Site, check_problem, opened, serving

from skymist import cluster
from skymist.model import skymap
from skymist.model.request import ScanRequest
from skymist.records import tables
from skymist.records.tables import Artifact, ScanState
from skymist.store.zarr import SkyMapStore
from skymist.workflow.ingest import load_event
from skymist.workflow.scan import scan_request
from skymist.workflow.wish import configured


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with cluster.connect("local", 1) as found:
        yield found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with opened(tmp_path_factory.mktemp("site")) as settings, serving(settings) as found:
        yield found


@pytest.fixture(scope="module")
def event(site: Site) -> str:
    return site.event()


@pytest.fixture(scope="module")
def mapped(site: Site, event: str, client: Client) -> tuple[str, xr.Dataset]:
    """The id and the map of a scan that was carried out as a runner does, while the records still say it is queued."""
    scan_id = site.scan(event)["id"]
    return scan_id, carry_out(site, scan_id, client)


def folder_of(site: Site) -> Path:
    return Path(site.database.url.removeprefix("sqlite:///")).parent / "scans"


def carry_out(site: Site, scan_id: str, client: Client) -> xr.Dataset:
    with site.database.read() as session:
        scan = session.get_one(tables.Scan, scan_id)
    request, event = ScanRequest.from_dict(scan.request), load_event(site.database, scan.event_id)
    out = folder_of(site) / scan.role
    return scan_request(event, configured(request), request, connect=lambda: nullcontext(client), out=out)


def check_same(store: object, data: xr.Dataset) -> None:
    with xr.open_zarr(store) as found:
        xr.testing.assert_identical(found.load().set_coords("uniq").drop_attrs(), data.drop_attrs())
        assert found.attrs["scan_id"] == data.attrs["scan_id"]


BEGINS = {"json": b"{", "fits": b"\x1f\x8b", "fits-flat": b"\x1f\x8b", "png": b"\x89PNG", "pdf": b"%PDF",
          "svg": b"<?xml", "csv": b"nside", "zarr": b"PK"}  # fmt: skip


@pytest.mark.parametrize("kind", BEGINS)
def test_every_format(site: Site, mapped: tuple[str, xr.Dataset], kind: str) -> None:
    answer = site.call("viewer", "GET", f"/scans/{mapped[0]}/result?format={kind}")
    assert answer.status_code == 200, answer.text
    assert answer.content.startswith(BEGINS[kind])
    assert answer.headers["content-disposition"].startswith(f'attachment; filename="{mapped[0][:12]}.')


def test_numbers(site: Site, mapped: tuple[str, xr.Dataset]) -> None:
    scan, data = mapped
    found = site.call("viewer", "GET", f"/scans/{scan}/result").json()
    assert (found["complete"], found["scan_id"], found["calibration"]) == (True, scan, "icecube-2016")
    assert sum(found["cells"].values()) == data.sizes["cell"]
    wilks = site.call("viewer", "GET", f"/scans/{scan}/result?calibration=wilks").json()
    assert (wilks["calibration"], wilks["best"]) == ("wilks", found["best"])
    check_problem(site.call("viewer", "GET", f"/scans/{scan}/result?calibration=mine"), 422, "'mine'")
    check_problem(site.call("viewer", "GET", f"/scans/{scan}/result?format=gif"), 422, "query.format")


def test_the_whole_map_as_a_zip(site: Site, mapped: tuple[str, xr.Dataset], tmp_path: Path) -> None:
    file = tmp_path / "map.zip"
    file.write_bytes(site.call("viewer", "GET", f"/scans/{mapped[0]}/result?format=zarr").content)
    with zarr.storage.ZipStore(file, mode="r") as store:
        check_same(store, mapped[1])
    zipfile.ZipFile(file).extractall(tmp_path / "map.zarr")
    check_same(tmp_path / "map.zarr", mapped[1])


def test_a_map_is_read_part_by_part_over_http(site: Site, mapped: tuple[str, xr.Dataset]) -> None:
    pytest.importorskip("aiohttp")
    pytest.importorskip("fsspec")
    headers = {"Authorization": f"Bearer {site.tokens['viewer']}"}
    url = f"{site.url}/v1/scans/{mapped[0]}/zarr"
    check_same(zarr.storage.FsspecStore.from_url(url, {"headers": headers}, read_only=True), mapped[1])


def test_what_was_made_at_the_end_is_not_made_again(site: Site, event: str, client: Client, tmp_path: Path) -> None:
    scan = site.scan(event, seed=1)["id"]
    carry_out(site, scan, client)
    file = tmp_path / "made.png"
    file.write_bytes(b"made before")
    with site.database.begin() as session:
        session.add(Artifact(scan_id=scan, kind="png", url=str(file), sha256="", size=11))
    site.move(scan, ScanState.RUNNING, ScanState.COMPLETE, summary={"kept": True})
    path = f"/scans/{scan}/result"
    assert site.call("viewer", "GET", f"{path}?format=png").content == b"made before"
    assert site.call("viewer", "GET", path).json() == {"kept": True}
    assert site.call("viewer", "GET", f"{path}?calibration=wilks").json()["calibration"] == "wilks"
    file.unlink()
    assert site.call("viewer", "GET", f"{path}?format=png").content.startswith(b"\x89PNG")


def test_a_map_that_still_grows(site: Site, event: str, mapped: tuple[str, xr.Dataset]) -> None:
    document = site.scan(event, seed=2)
    scan, data = document["id"], mapped[1]
    check_problem(site.call("viewer", "GET", f"/scans/{scan}/result"), 404, "is queued and has no map yet")
    check_problem(site.call("viewer", "GET", f"/scans/{scan}/zarr/zarr.json"), 404, "is queued and has no map yet")
    name = Path(data.encoding["source"]).name.replace(mapped[0][:12], scan[:12])
    attributes = {**data.attrs, "scan_id": scan, "complete": False}
    with SkyMapStore(folder_of(site) / document["role"] / name, attributes) as store:
        check_problem(site.call("viewer", "GET", f"/scans/{scan}/result"), 404, "no cell of the map")
        store.append(data["uniq"].to_numpy()[:40], skymap.fit_of(data)[:40])
        store.commit()
        found = site.call("viewer", "GET", f"/scans/{scan}/result").json()
        assert (found["complete"], sum(found["cells"].values())) == (False, 40)
        column = site.call("viewer", "GET", f"/scans/{scan}/zarr/uniq/zarr.json").json()
        assert column["shape"] == [40]


KEYS = (
    "", "x", "%2e%2e", "%2e%2e/%2e%2e/records.sqlite", "%2e%2e%2f%2e%2e%2frecords.sqlite", "uniq/%2e%2e/zarr.json",
    "/etc/passwd", "uniq/c/1", "uniq/c/-1", "uniq/c/0%00", "zarr.json%00", "c/0", ".zgroup", "none/zarr.json",
    "uniq%5c..%5czarr.json", "%ED%A0%80", "uniq/c/" + "9" * 300,
)  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_no_key_leads_out_of_a_map(site: Site, mapped: tuple[str, xr.Dataset], key: str) -> None:
    answer = site.call("viewer", "GET", f"/scans/{mapped[0]}/zarr/{key}")
    assert answer.status_code in (404, 422)
    check_problem(answer, answer.status_code)


def test_results_are_for_those_who_may_see_them(site: Site, mapped: tuple[str, xr.Dataset]) -> None:
    for path in ("result", "zarr/zarr.json", "zarr/uniq/c/0"):
        answer: httpx.Response = site.call(None, "GET", f"/scans/{mapped[0]}/{path}")
        check_problem(answer, 401)
