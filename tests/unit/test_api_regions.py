"""What the service says of maps: regions, positions, differences; and the client that asks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from astropy import units as u
from astropy.coordinates import SkyCoord
from maps import of_cells, random_map
from serving import Site, check_problem, opened, serving

import skymist
from skymist.errors import RequestError
from skymist.model import sky, skymap
from skymist.model.region import best_fit, region
from skymist.records.tokens import Access
from skymist.store.zarr import SkyMapStore, read_skymap

ATTRIBUTES = {
    "software": "skymist 0.1.0", "created": "2026-01-02T03:04:05+00:00", "request": {},
    "detector": {"name": "icecube-86", "latitude_deg": -89.99, "longitude_deg": -62.6, "x_bearing_deg": 152.6},
}  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with opened(tmp_path_factory.mktemp("site")) as settings, serving(settings) as found:
        yield found


@pytest.fixture(scope="module")
def event(site: Site) -> str:
    return site.event()


Kept = tuple[str, xr.Dataset]


def keep(site: Site, event: str, seed: int, data: xr.Dataset, *, complete: bool = True) -> Kept:
    """Ask for a scan and put a map where its runner would write it."""
    document = site.scan(event, seed=seed)
    name = f"run00137840.evt000000000001.bowl.{document['id'][:12]}.zarr"
    where = Path(site.database.url.removeprefix("sqlite:///")).parent / "scans" / document["role"] / name
    said = {**data.attrs["event"], "run": 137840, "event": 1}
    with SkyMapStore(
        where, {**data.attrs, **ATTRIBUTES, "scan_id": document["id"], "event": said, "complete": complete}
    ) as store:
        store.append(data["uniq"].to_numpy(), skymap.fit_of(data))
        store.commit(complete=complete)
    return document["id"], read_skymap(where)


@pytest.fixture(scope="module")
def one(site: Site, event: str) -> Kept:
    return keep(site, event, 1, random_map(4, "islands", finest=128))


@pytest.fixture(scope="module")
def two(site: Site, event: str) -> Kept:
    return keep(site, event, 2, random_map(5, "round", finest=128))


def ask(site: Site, path: str) -> dict[str, Any]:
    answer = site.call("viewer", "GET", path)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_regions_are_those_of_the_map(site: Site, one: Kept) -> None:
    scan, data = one
    found = ask(site, f"/scans/{scan}/regions?calibration=wilks")
    assert (found["scan_id"], found["calibration"], list(found["regions"])) == (scan, "wilks", ["50", "90"])
    for share, said in found["regions"].items():
        expected = region(data, float(share) / 100, "wilks")
        assert (said["ts"], said["area_deg2"]) == (expected.ts, expected.area_deg2)
        assert said["contour_area_deg2"] == pytest.approx(expected.area_deg2, rel=0.1)
        corners = {key: getattr(expected, key) for key in ("ra_plus", "ra_minus", "dec_plus", "dec_minus")}
        assert said["errors"]["corners"] == pytest.approx(corners)
        assert all(0 <= said["errors"]["centres"][side] <= corners[side] for side in corners)
    rows = {(row["calibration"], row["containment"]): row["area_deg2"] for row in found["calibrations"]}
    for name in ("wilks", "icecube-2016", "probability"):
        assert rows[name, 0.9] == region(data, 0.9, name).area_deg2
    assert {name for name, _ in rows} & {"resimulated", "population"} == set()


def test_a_position_is_found_in_the_map(site: Site, one: Kept) -> None:
    scan, data = one
    best = best_fit(data)
    at = f"ra={np.degrees(best.ra)}&dec={np.degrees(best.dec)}"
    found = ask(site, f"/scans/{scan}/position?{at}")["position"]
    assert (found["uniq"], found["ts"], found["inside"]) == (best.uniq, 0.0, {"50": True, "90": True})
    assert found["separation_deg"] == pytest.approx(0, abs=1e-6)
    antipode = f"ra={(np.degrees(best.ra) + 180) % 360}&dec={-np.degrees(best.dec)}"
    far = ask(site, f"/scans/{scan}/position?{antipode}")["position"]
    assert far["separation_deg"] == pytest.approx(180, abs=1e-6)
    assert far["searched_probability"] == pytest.approx(1)
    assert far["inside"] == {"50": False, "90": False}


def test_maps_are_compared(site: Site, one: Kept, two: Kept) -> None:
    found = ask(site, f"/scans/{one[0]}/difference?other={two[0]}")
    places = [SkyCoord(fit.ra, fit.dec, unit=u.rad) for fit in (best_fit(one[1]), best_fit(two[1]))]
    assert found["separation_deg"] == pytest.approx(places[0].separation(places[1]).deg)
    assert found["position_angle_deg"] == pytest.approx(places[0].position_angle(places[1]).deg % 360)
    assert (found["a"]["scan_id"], found["b"]["scan_id"], found["same_event"]) == (one[0], two[0], True)
    assert found["overlaps"][1]["area_b_deg2"] == pytest.approx(region(two[1], 0.9).area_deg2)
    cells = [set(each[1]["uniq"].to_numpy().tolist()) for each in (one, two)]
    assert found["cells"]["common"] == len(cells[0] & cells[1])
    assert found["cells"]["only_b"] == len(cells[1] - cells[0])
    back = ask(site, f"/scans/{two[0]}/difference?other={one[0]}")
    assert back["jensen_shannon_bits"] == pytest.approx(found["jensen_shannon_bits"])
    assert ask(site, f"/scans/{one[0]}/difference?other={one[0][:12]}")["jensen_shannon_bits"] == pytest.approx(0)


def test_a_map_that_still_grows_has_regions_that_may_be_larger(site: Site, event: str) -> None:
    data = random_map(6, "round", finest=128)
    rows = data.isel(cell=slice(0, 784))  # all of nside 8, and a part of the best cell
    scan, kept = keep(site, event, 5, rows, complete=False)
    found = ask(site, f"/scans/{scan}/regions")["regions"]["90"]
    assert found["area_deg2"] == region(kept, 0.9).area_deg2
    assert found["open"]
    assert ask(site, f"/scans/{scan}/position?ra=10&dec=20")["position"]["uniq"] is not None


def test_what_makes_no_sense_is_told(site: Site, event: str, one: Kept) -> None:
    scan, bare = one[0], site.scan(event, seed=3)["id"]
    for path in ("regions", "position?ra=1&dec=1", f"difference?other={scan}"):
        check_problem(site.call("viewer", "GET", f"/scans/{bare}/{path}"), 404, "has no map yet")
        check_problem(site.call(None, "GET", f"/scans/{scan}/{path}"), 401)
    check_problem(site.call("viewer", "GET", f"/scans/{scan}/regions?calibration=mine"), 422, "'mine'")
    check_problem(site.call("viewer", "GET", f"/scans/{scan}/regions?calibration=resimulated"), 422, "calibrat")
    for at, where in (("ra=1", "query.dec"), ("ra=1&dec=91", "query.dec"), ("ra=nan&dec=0", "query.ra")):
        check_problem(site.call("viewer", "GET", f"/scans/{scan}/position?{at}"), 422, where)
    check_problem(site.call("viewer", "GET", f"/scans/{scan}/difference?other={bare}"), 404, "has no map yet")
    check_problem(site.call("viewer", "GET", f"/scans/{scan}/difference?other={'0' * 64}"), 422, "no scan is called")
    failed, _ = keep(site, event, 6, of_cells(sky.all_cells(2), np.full(48, np.nan)))
    told = f"no cell of the map of scan {failed[:12]} has a likelihood yet"
    check_problem(site.call("viewer", "GET", f"/scans/{scan}/difference?other={failed}"), 404, told)
    check_problem(site.call("viewer", "GET", f"/scans/{scan}/difference?other=xyz"), 422, "query.other")


def test_a_deleted_scan_is_no_longer_compared(site: Site, event: str, one: Kept) -> None:
    gone = site.scan(event, seed=4)["id"]
    assert site.call("analyst", "POST", f"/scans/{gone}/cancel").status_code == 200
    assert site.call("analyst", "DELETE", f"/scans/{gone}").status_code in (200, 204)
    check_problem(site.call("viewer", "GET", f"/scans/{one[0]}/difference?other={gone}"), 410, "was deleted")


def test_the_client_asks_for_the_same(site: Site, one: Kept, two: Kept) -> None:
    with skymist.connect(site.url, site.tokens[Access.VIEWER]) as service:
        scan, other = (service.get_scan(each[0]) for each in (one, two))
        assert scan.regions("wilks") == ask(site, f"/scans/{one[0]}/regions?calibration=wilks")
        assert scan.position(-5.0, 2.5) == ask(site, f"/scans/{one[0]}/position?ra=355&dec=2.5")
        expected = ask(site, f"/scans/{one[0]}/difference?other={two[0]}")
        assert scan.difference(other) == scan.difference(two[0]) == expected
        with pytest.raises(RequestError, match="'mine'"):
            scan.regions("mine")


@pytest.mark.parametrize("kind", ["contours-ecsv", "ds9", "geojson", "moc", "moc-json", "skyscan-json", "skyscan-npz"])
def test_files_for_other_tools_come_from_the_service(site: Site, one: Kept, kind: str) -> None:
    answer = site.call("viewer", "GET", f"/scans/{one[0]}/result?format={kind}&calibration=wilks")
    assert answer.status_code == 200, answer.text
    assert len(answer.content) > 50
    assert answer.headers["content-disposition"].startswith(f'attachment; filename="{one[0][:12]}.')
