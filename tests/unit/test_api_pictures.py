"""Pictures of maps: whoever asks gets the latest, waits for the next, and costs little if there is none."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from maps import ATTRIBUTES, random_map
from obstore.store import MemoryStore
from serving import Site, check_problem, opened, serving

from skymist.api import picturing
from skymist.api.picturing import Pictures
from skymist.client import connect
from skymist.errors import ReadError, RequestError
from skymist.model import skymap
from skymist.records.tables import ScanState
from skymist.store import growing
from skymist.store.objects import ObjectPlace
from skymist.store.place import LocalPlace
from skymist.store.zarr import SkyMapStore

DATA = random_map(0, "round")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with opened(tmp_path_factory.mktemp("site")) as settings, serving(settings) as found:
        yield found


@contextmanager
def growing_map(site: Site, scan: dict[str, Any]) -> Iterator[SkyMapStore]:
    """Write the map of a scan as a runner does."""
    folder = Path(site.database.url.removeprefix("sqlite:///")).parent / "scans" / scan["role"]
    name = f"run{137840:08d}.evt{1:012d}.{scan['request']['reconstruction']}.{scan['id'][:12]}.zarr"
    about = {**ATTRIBUTES, "event": DATA.attrs["event"], "scan_id": scan["id"]}
    with SkyMapStore(folder / name, about) as store:
        yield store


def add(store: SkyMapStore, first: int, last: int) -> None:
    store.append(DATA["uniq"].to_numpy()[first:last], skymap.fit_of(DATA)[first:last])
    store.commit()


def ask(site: Site, scan: dict[str, Any], **query: Any) -> Any:
    return site.as_("viewer").get(f"/scans/{scan['id'][:12]}/picture", params=query)


def test_a_map_is_seen_as_it_grows(site: Site) -> None:
    scan = site.scan(site.event(), seed=1)
    check_problem(ask(site, scan), 404, "is queued and has no map yet")
    assert ask(site, scan, after=0).status_code == 204
    with growing_map(site, scan) as store:
        check_problem(ask(site, scan), 404, "has no map yet")  # it has no rows
        add(store, 0, 700)
        first = ask(site, scan).json()
        assert (first["version"], first["cells"], first["complete"], first["levels"]) == (700, 700, False, {"8": 700})
        known = ask(site, scan, after=700)
        assert (known.status_code, known.content) == (204, b"")
        add(store, 700, 900)
        second = ask(site, scan, after=700).json()
        assert (second["version"], second["levels"]) == (900, {"8": 768, "64": 132})
        assert second["stored"] >= first["stored"]
        store.commit(complete=True)
    last = ask(site, scan, after=900).json()
    assert (last["version"], last["cells"], last["complete"]) == (901, 900, True)
    assert ask(site, scan, after=901).status_code == 204
    galactic = ask(site, scan, frame="galactic").json()
    assert galactic["sky"]["frame"] == "galactic"
    assert galactic["near"] == last["near"]
    check_problem(ask(site, scan, frame="ecliptic"), 422, "query.frame")
    check_problem(ask(site, scan, after=-1), 422, "query.after")
    check_problem(ask(site, scan, wait=11), 422, "query.wait")
    check_problem(site.call(None, "GET", f"/scans/{scan['id']}/picture"), 401)


def test_who_waits_is_answered_when_there_is_more(site: Site) -> None:
    scan = site.scan(site.event(), seed=2)
    found: list[Any] = []
    with growing_map(site, scan) as store:
        add(store, 0, 100)
        waiting = threading.Thread(target=lambda: found.append(ask(site, scan, after=100, wait=10)))
        waiting.start()
        add(store, 100, 200)
        waiting.join()
    assert found[0].json()["version"] == 200
    assert ask(site, scan, after=200, wait=0.1).status_code == 204


def test_cells_that_all_failed_are_no_map_yet(site: Site) -> None:
    scan = site.scan(site.event(), seed=3)
    with growing_map(site, scan) as store:
        store.append(DATA["uniq"].to_numpy()[:5], skymap.fit_of(DATA.assign(nllh=np.nan * DATA["nllh"]))[:5])
        store.commit()
        check_problem(ask(site, scan), 404, "has no map yet")
        assert ask(site, scan, after=0).status_code == 204


def test_a_deleted_scan_has_no_picture(site: Site) -> None:
    scan = site.scan(site.event(), seed=4)
    site.move(scan["id"], ScanState.RUNNING, ScanState.FAILED)
    assert site.call("operator", "DELETE", f"/scans/{scan['id']}").is_success
    check_problem(ask(site, scan), 410, "was deleted")


def test_the_client_takes_pictures(site: Site) -> None:
    scan = site.scan(site.event(), seed=5)
    with growing_map(site, scan) as store, connect(site.url, site.tokens["viewer"]) as client:
        mine = client.refer(scan["id"])
        with pytest.raises(RequestError, match="no map yet"):
            mine.picture()
        assert mine.picture(0) is None
        add(store, 0, 10)
        found = mine.picture(0, frame="galactic")
        assert found is not None
        assert (found["version"], found["sky"]["frame"]) == (10, "galactic")
        assert mine.picture(10, wait=0.05) is None
        with pytest.raises(RequestError, match=r"query\.frame"):
            mine.picture(frame="ecliptic")
        with pytest.raises(RequestError):
            client.refer("../me").picture()


def test_a_picture_is_made_once_for_all_who_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def draw(kept: object, commit: growing.Commit, frame: str) -> bytes:
        made.append(frame)
        return f"{commit.version} {frame}".encode()

    monkeypatch.setattr(picturing, "_drawn", draw)
    kept, pictures = LocalPlace(tmp_path / "map.zarr"), Pictures()
    assert pictures.newer(kept, "equatorial", None) is None
    with SkyMapStore(kept, {"scan_id": "0"}) as store:
        add(store, 0, 10)
        askers = [threading.Thread(target=pictures.newer, args=(kept, "equatorial", 0)) for _ in range(8)]
        for each in askers:
            each.start()
        for each in askers:
            each.join()
        assert made == ["equatorial"]
        assert pictures.newer(kept, "galactic", 0) == b"10 galactic"
        monkeypatch.setattr(LocalPlace, "read_bytes", None)  # a look at what is known reads nothing
        assert pictures.newer(kept, "galactic", 10) is None
        assert pictures.newer(kept, "equatorial", 0) == b"10 equatorial"
    assert made == ["equatorial", "galactic"]


def test_only_so_many_pictures_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picturing, "MOST", 2)
    pictures = Pictures()
    for number in range(4):
        kept = LocalPlace(tmp_path / f"{number}.zarr")
        with SkyMapStore(kept, {"scan_id": str(number)}) as store:
            add(store, 0, 5)
        assert pictures.newer(kept, "equatorial", 0) is not None
    assert (len(pictures._made), len(pictures._commits)) == (2, 2)


def test_a_map_that_is_being_made_is_none_yet_and_others_are_refused(tmp_path: Path) -> None:
    kept = LocalPlace(tmp_path / "map.zarr")
    assert growing.last_commit(kept) is None
    (kept / "zarr.json").write_bytes(b'{"attributes": {"complete": false}}')
    assert growing.last_commit(kept) is None
    (kept / "zarr.json").write_bytes(b'{"attributes": {"complete": false, "rows": "many"}}')
    with pytest.raises(ReadError, match="not a sky map"):
        growing.last_commit(kept)


def test_likelihoods_of_a_growing_map_are_those_of_the_whole_one(tmp_path: Path) -> None:
    kept = LocalPlace(tmp_path / "map.zarr")
    with SkyMapStore(kept, {"scan_id": "0"}) as store:
        add(store, 0, 300)
        commit = growing.last_commit(kept)
        assert commit is not None
        found = growing.read_likelihoods(kept, commit)
        add(store, 300, 400)
    np.testing.assert_array_equal(found["nllh"], DATA["nllh"][:300])
    np.testing.assert_array_equal(found["uniq"], DATA["uniq"][:300])
    np.testing.assert_array_equal(found["status"], DATA["status"][:300])
    (kept / "nllh" / "c" / "0").write_bytes(b"nothing")
    with pytest.raises(ReadError):
        growing.read_likelihoods(kept, commit)


@pytest.mark.parametrize("where", ["path", "URL"])
def test_each_content_has_another_stamp(where: str, tmp_path: Path) -> None:
    folder = LocalPlace(tmp_path) if where == "path" else ObjectPlace("s3://maps", "scans", MemoryStore())
    file = folder / "zarr.json"
    assert file.stamp() is None
    file.write_bytes(b"one")
    one = file.stamp()
    assert file.stamp() == one
    file.write_bytes(b"two")
    two = file.stamp()
    assert one is not None
    assert two is not None
    assert one.content != two.content
    assert two.written >= one.written
