"""Maps, positions and sources of an alert: against the real service, with a real event and two scans of it."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from maps import random_map
from serving import Site, opened, running, serving

import skymist
from skymist.app.models import angles, sources
from skymist.app.models.maps import Maps, name_of
from skymist.app.models.places import read_position
from skymist.app.models.shelf import Shelf
from skymist.app.models.sources import Sources
from skymist.client import Client
from skymist.errors import RequestError
from skymist.model import sky
from skymist.plot.frames import Plane, frame_of
from skymist.plot.interactive import scenes
from skymist.plot.interactive.scenes import OntoPlane, OntoSky, Scene
from skymist.plot.view import View, view_of
from skymist.plot.zoom import plane_of
from skymist.records.tokens import Access

SITE = {"name": "icecube-86", "latitude_deg": -89.9944, "longitude_deg": -62.6081, "x_bearing_deg": 152.6081}
SAID = {"run": 136766, "event": 7637140, "time": "2022-06-24T16:13:16.405259411Z"}


@pytest.fixture(scope="module")
def scanned(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, list[str]]]:
    """A service with a real event and two complete scans of it; their ids, the latest first."""
    with opened(tmp_path_factory.mktemp("service")) as settings, serving(settings) as site:
        with skymist.connect(site.url, site.tokens[Access.ANALYST]) as client, running(settings):
            event = client.post_event(shared / "events" / "run00136766-evt000007637140-GOLD.pkl")["event_id"]
            made = [client.scan(event, reco=reco, levels=levels).wait()
                    for reco, levels in (("bowl", "4:0,16:8"), ("track-mpe", "4:0,16:8"))]  # fmt: skip
        yield site, [each.id for each in reversed(made)]


@pytest.fixture
def client(scanned: tuple[Site, list[str]]) -> Iterator[Client]:
    site, _ = scanned
    with skymist.connect(site.url, site.tokens[Access.VIEWER]) as found:
        yield found


def alert_of(client: Client) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    alert = client.alert("136766_7637140")
    return alert, [each.document for each in client.scans(alert="136766_7637140")]


def loaded(client: Client, **more: Any) -> Maps:
    found = Maps(client, *alert_of(client), **{"shelf": Shelf(), **more})
    found.load()
    return found


def test_the_latest_complete_map_is_shown_first(scanned: Any, client: Client) -> None:
    _, (latest, earlier) = scanned
    found = loaded(client)
    assert (found.scan, found.chosen, found.there) == (latest[:12], [latest[:12]], [latest[:12]])
    assert set(found.choices().values()) == {latest[:12], earlier[:12]}
    assert any(name.startswith("track-mpe, nside 16, 20") for name in found.choices())
    assert found.calibration == "icecube-2016"
    assert {"wilks", "icecube-2016", "probability"} <= set(found.calibrations())
    ((name, scene),) = found.zooms()
    assert name == "track-mpe"
    assert scene.image.shape == (scenes.PIXELS, scenes.PIXELS)
    assert scene.image.nbytes + found.whole().image.nbytes < 1.1 * 2**20
    assert set(scene.levels) == {"50%", "90%"}
    assert "track-mpe" in found.caption()


def test_maps_stand_side_by_side_in_one_plane_and_one_scale(scanned: Any, client: Client) -> None:
    _, (latest, earlier) = scanned
    found = loaded(client, scan=earlier[:12], others=[latest[:12]], difference=True, calibration="wilks")
    (a, first), (b, second), (both, change) = found.zooms()
    assert (a, b, both) == ("bowl", "track-mpe", "bowl − track-mpe")
    assert first.box == second.box == change.box
    assert first.limits == second.limits
    np.testing.assert_allclose(change.image, first.image - second.image, rtol=1e-4, atol=1e-3)
    told = found.compared()
    assert told is not None
    assert (told["a"]["scan_id"], told["b"]["scan_id"], told["calibration"]) == (earlier, latest, "wilks")
    assert [each.name for each in change.spots] == ["best fit of bowl", "best fit of track-mpe"]
    assert "Beside it track-mpe" in found.caption()


def test_names_and_calibrations_that_do_not_exist_are_replaced(client: Client) -> None:
    found = loaded(client, scan="nonsense", others=["neither"], calibration="none")
    assert (found.there, found.calibration) == ([found.scan], "icecube-2016")
    assert found.compared() is None


def test_the_numbers_of_regions_are_those_of_the_service(scanned: Any, client: Client) -> None:
    found = loaded(client)
    assert found.regions() == client.get_scan(scanned[1][0]).regions()
    assert found.regions() is found.regions()


def test_somebody_looks_elsewhere_and_comes_back(client: Client) -> None:
    found = loaded(client)
    home = found.plane
    assert home is not None
    assert found.look_on_sky(0.0, 0.0)
    assert (found.plane.ra, found.plane.dec) == pytest.approx((np.pi, 0.0))  # type: ignore[union-attr]
    assert not found.look_on_sky(2.0, 1.0)
    found.closer(1)
    assert found.plane.size == pytest.approx(home.size / 1.6)  # type: ignore[union-attr]
    half = float(np.degrees(found.plane.size))  # type: ignore[union-attr]
    assert not found.look_within(-half, half, -half, half)
    assert found.look_within(-half, 0, 0, half)
    assert found.plane.size == pytest.approx(np.radians(half) / 2)  # type: ignore[union-attr]
    assert found.plane.dec > 0  # type: ignore[union-attr]
    assert found.plane.ra > np.pi  # type: ignore[union-attr]  # x grows to the west
    kept = found.plane
    found.load()
    assert found.plane == kept
    found.home()
    assert found.plane == home


def test_notices_are_circles_of_their_radius(client: Client) -> None:
    alert, scans = alert_of(client)
    said = {**SAID, "ra": 224.12, "dec": 41.31, "radius_90": 1.5}
    alert["revisions"] = [{"content": content} for content in (
        {**said, "number": 0}, {**said, "number": 1}, {**said, "ra": 224.5, "errors_90": [2.2, 1.9, 1.4, 1.5],
                                                        "radius_90": None, "catalog": "IceCat-1"}, SAID)]  # fmt: skip
    found = Maps(client, alert, scans, shelf=Shelf())
    found.load()
    one, other = found.circles()
    assert (one.name, one.place) == ("revision 0, revision 1", (224.12, 41.31, 1.5))
    assert other.name == "IceCat-1"
    assert other.place[2] == pytest.approx(1.5, abs=0.1)
    assert "224.12° +41.31°, 90 % within 1.5°" in one.words
    found.look_at(*np.radians([224.12, 41.31]), np.radians(4.0))
    lines, spots = found.over_zoom()
    x, y = lines[0].pieces[0]
    assert np.hypot(x, y) == pytest.approx(1.5, abs=0.001)
    assert [each.label for each in spots] == ["revision 0, revision 1", "IceCat-1"]
    assert "what the zoom shows" in [each.name for each in found.over_whole()[0]]
    found.notices = False
    assert found.over_zoom() == ([], [])


def test_without_a_map_there_is_what_was_told(client: Client) -> None:
    alert, _ = alert_of(client)
    alert["revisions"] = [{"content": {**SAID, "ra": 224.12, "dec": 41.31, "radius_90": 1.5}}]
    found = Maps(client, alert, [], "local", shelf=Shelf())
    found.load()
    assert not found.ready
    ((name, scene),) = found.zooms()
    assert name == "no map yet"
    assert np.isnan(scene.image).all()
    assert scene.about["ra"] == pytest.approx(224.12)
    assert found.whole().texts
    assert {"Sun", "Moon"} <= {each.name for each in found.over_whole()[1]}
    assert found.locate("10 20") is None
    assert "no map yet" in found.caption()
    assert list(found.turns()) == ["galactic"]
    alert["revisions"] = []
    nothing = Maps(client, alert, [], shelf=Shelf())
    nothing.load()
    assert nothing.plane is None
    with pytest.raises(RequestError, match="no map yet"):
        nothing.closer(1)


def test_a_better_map_is_shown_when_it_is_there_unless_somebody_chose_one(scanned: Any, client: Client) -> None:
    _, (latest, earlier) = scanned
    alert, scans = alert_of(client)
    before = [{**scans[0], "state": "queued"}, scans[1]]
    found = Maps(client, alert, before, shelf=Shelf())
    found.load()
    assert found.scan == earlier[:12]
    assert list(found.choices().values()) == [earlier[:12]]
    assert not found.take(alert, before)
    assert found.take(alert, scans)
    found.load()
    assert found.scan == latest[:12]
    found.scan, found.by_hand = earlier[:12], True
    assert not found.take(alert, before)
    assert not found.take(alert, scans)
    assert found.scan == earlier[:12]


def test_maps_are_downloaded_once_for_all_and_dropped_when_there_are_many(scanned: Any, client: Client) -> None:
    shelf = Shelf(most=1)
    one, other = (client.get_scan(each) for each in scanned[1])
    kept = shelf.get(one)
    assert shelf.get(client.get_scan(one.id)) is kept
    assert kept.view("wilks") is kept.view("wilks")
    shelf.get(other)
    assert len(shelf) == 1
    assert shelf.get(one) is not kept
    assert shelf.bytes == kept.data.nbytes > 0
    growing = type(one)(one._calls, {**one.document, "state": "running", "progress": {"done": 5}})
    shelf.get(growing)
    assert len(shelf) == 1  # of a growing map only the last state is kept


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("77.36 5.69", (77.36, 5.69)),
        ("RA 77.36°, Dec −5.69°", (77.36, -5.69)),
        ("-10 +5", (350.0, 5.0)),
        ("5h09m26.4s +5d41m24s", (77.36, 5.69)),
        ("05:09:26.4 -00:41:24", (77.36, -0.69)),
        ("05 09 26.4 -05 41 24", (77.36, -5.69)),
        ("5h09m +5°41′", (77.25, 5 + 41 / 60)),
    ],
)
def test_positions_are_read_as_people_write_them(text: str, known: tuple[float, float]) -> None:
    assert read_position(text) == pytest.approx(known)


@pytest.mark.parametrize("text", ["", "somewhere", "77.36", "77 95", "5h61m00s +5d00m00s", "1 2 3", "5h -5d", "999 0"])
def test_what_is_no_position_is_said_with_the_choices(text: str) -> None:
    with pytest.raises(RequestError, match=r"is no position: write degrees such as 77\.36 5\.69.*TXS 0506\+056"):
        read_position(text, ["TXS 0506+056"])


def test_a_position_is_found_in_the_map_and_marked(scanned: Any, client: Client) -> None:
    found = loaded(client, calibration="wilks")
    best = found.views()[0].best
    ra, dec = (float(np.degrees(angle)) for angle in (best.ra, best.dec))
    answer = found.locate(f"{ra:.6f} {dec:.6f}")
    assert answer is not None
    assert answer["inside"] == {"50": True, "90": True}
    assert answer["ts"] == pytest.approx(0)
    (spot,) = (each for each in found.over_zoom()[1] if each.kind == "place")
    assert (spot.x, spot.y) == pytest.approx(OntoPlane(found.plane).place(best.ra, best.dec), abs=1e-3)  # type: ignore[arg-type]
    found.sources = [{"id": "a/b", "name": "Nearby", "title": "a catalog", "ra": 1.0, "dec": 2.0}]
    answer = found.locate("nearby")
    assert answer is not None
    assert (answer["ra"], answer["dec"]) == (1.0, 2.0)
    assert found.look_at_place()
    assert not found.look_at_place()
    assert found.plane.ra == pytest.approx(np.radians(1.0))  # type: ignore[union-attr]
    with pytest.raises(RequestError, match="Nearby"):
        found.locate("far away")


def test_sources_come_with_what_chance_gives(scanned: Any, client: Client) -> None:
    _, (latest, _) = scanned
    found = Sources(client)
    found.load(latest, "wilks")
    rows = found.rows()
    assert "neutrino-source candidates" in found.known
    assert rows
    assert [each["region"] for each in rows if each["region"] == "outside"] == ["outside"] * len(
        [each for each in found.answer["matches"] if each["nearest"]]
    )
    assert found.words()[-1].endswith(("no sign of a counterpart.", "no discovery.", "rare."))
    maps = loaded(client)
    maps.sources, maps.picked = rows, rows[0]["id"]
    spots = [each for each in maps.over_whole()[1] if each.kind in ("source", "picked")]
    assert [each.kind for each in spots].count("picked") == 1
    found.catalog = "no-such"
    with pytest.raises(RequestError, match="no catalog is called 'no-such'"):
        found.load(latest, "wilks")


def test_chance_is_told_honestly() -> None:
    match = {"catalog": {"title": "blazars", "sources": 100}, "area_90": 16.8, "inside": [{}],
             "chance": {"expected_scrambled": 0.0125}}  # fmt: skip
    assert sources.words_of(match) == (
        "1 of 100 blazars is in the 90 % region of 16.8 deg². By chance there is such a source in 1 of 80 regions like "
        "this."
    )
    assert sources.words_of({**match, "inside": []}).startswith("None of 100 blazars is in the 90 % region")
    assert "never" in sources.expected_in_words(0.0)
    for p, word in ((0.4, "no sign"), (0.01, "no discovery"), (0.0001, "rare")):
        assert word in sources.trials_in_words({"catalogs": 2, "p_best": p})
    assert "2 catalogs were searched" in sources.trials_in_words({"catalogs": 2, "p_best": 0.4})
    assert sources.trials_in_words({}) == "No catalog has a source that can be compared."


def test_scans_are_named_by_what_tells_them_apart() -> None:
    document = {"id": "0123456789ab", "state": "running", "created": "2026-03-04T05:06:07Z",
                "request": {"reconstruction": "track-mpe", "levels": [[8, 0], [32, 12]]}}  # fmt: skip
    assert name_of(document) == "track-mpe, nside 32, running, 2026-03-04 05:06 UTC, 012345"


# What a chart is told, and what the page's script makes of it under the cursor.


def banana() -> xr.Dataset:
    return random_map(3, "banana", finest=256).assign_attrs(detector=SITE)


def view() -> View:
    return view_of(banana(), "wilks")


def test_a_scene_shows_the_values_of_the_map_where_they_are() -> None:
    seen, plane = view(), plane_of(view())
    scene = scenes.of_plane(seen, plane, "ts")
    np.testing.assert_allclose(scene.image, seen.ts_at(*plane.grid()), rtol=1e-6)
    density = scenes.of_plane(seen, plane, "probability", top=7.0)
    assert density.limits == (0.0, 7.0)
    np.testing.assert_allclose(density.image, seen.density_at(*plane.grid()), rtol=1e-5, atol=1e-30)
    peak = scene.about["peak"]
    np.testing.assert_allclose(peak * np.exp(-scene.image / 2), density.image, rtol=1e-3, atol=1e-12)
    assert {"inner", "outer", "graticule"} <= {each.kind for each in scene.lines}
    assert all(each.text.endswith("°") for each in scene.texts)


def test_the_frame_of_the_zoom_is_where_its_corners_are() -> None:
    plane = Plane(1.0, 0.5, 0.05)
    ra, dec = sky.lonlat(scenes.edge_of(plane))
    x, y = sky.to_plane(ra, dec, plane.ra, plane.dec)
    assert np.maximum(np.abs(x), np.abs(y)) == pytest.approx(plane.size)
    assert OntoSky(frame_of("equatorial", {})).curve([scenes.edge_of(plane)])
    assert np.isnan(OntoPlane(plane).place(4.0, 0.0)).all()


@pytest.mark.parametrize("name", ["equatorial", "galactic", "local"])
def test_a_frame_is_a_rotation(name: str) -> None:
    frame = frame_of(name, banana().attrs)
    ra, dec = np.array([0.3, 2.0, 5.0]), np.array([-1.2, 0.1, 0.8])
    turned = sky.unit(*frame.forward(ra, dec))
    assert sky.unit(ra, dec) @ scenes.turn_of(frame).T == pytest.approx(turned, abs=2e-4)  # aberration is left out


SCRIPT = Path(skymist.__file__).parent / "app" / "parts" / "read_out.js"


def copied(folder: Path) -> str:
    """Return the address of the script as a module: by its ending alone it is none for node."""
    file = folder / "read_out.mjs"
    shutil.copy(SCRIPT, file)
    return file.as_uri()


@pytest.mark.parametrize("name", ["plane", "equatorial", "galactic", "local"])
def test_the_cursor_is_where_the_plane_or_the_ellipse_says(name: str, tmp_path: Path) -> None:
    seen = view()
    frame = frame_of("equatorial" if name == "plane" else name, banana().attrs)
    scene = scenes.of_plane(seen, plane_of(seen), "ts") if name == "plane" else scenes.of_sky(seen, frame)
    rng = np.random.default_rng(5)
    left, bottom, width, height = scene.box
    x, y = left + width * rng.uniform(size=20), bottom + height * rng.uniform(size=20)
    found = told_by_script(scene, x.tolist(), y.tolist(), tmp_path)
    if name == "plane":
        plane = plane_of(seen)
        half = (plane.pixels - 1) / 2
        ra, dec = plane.to_sky(*(each / np.degrees(plane.step) + half for each in (x, y)))
    else:
        ra, dec = frame.from_hammer(x, y)
    inside = np.isfinite(ra)
    assert [each is not None for each in found] == inside.tolist()
    places = np.radians([each for each in found if each is not None])
    assert sky.separation(places[:, 0], places[:, 1], ra[inside], dec[inside]) == pytest.approx(0, abs=2e-4)


def told_by_script(scene: Scene, x: list[float], y: list[float], folder: Path) -> Any:
    code = (
        f"import {{skyOf}} from {json.dumps(copied(folder))};"
        f"const about = {json.dumps(scene.about)}, x = {json.dumps(x)}, y = {json.dumps(y)};"
        "console.log(JSON.stringify(x.map((each, at) => skyOf(about, each, y[at]))));"
    )
    return run_module(code)


def run_module(code: str) -> Any:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    arguments = [node, "--input-type=module", "-e", code]
    return json.loads(subprocess.run(arguments, capture_output=True, text=True, check=True).stdout)


def test_the_cursor_is_written_as_positions_are_everywhere(tmp_path: Path) -> None:
    time = "2026-03-04T05:06:07"
    local = frame_of("local", {"event": {"utc": time}, "detector": SITE})
    turns = {"galactic": scenes.turn_of(frame_of("galactic", {})).tolist(), "local": scenes.turn_of(local).tolist()}
    places = [(77.3582, 5.6931), (0.0, -0.001), (359.999, -89.5), (224.12, 41.31)]
    code = (
        f"import {{written}} from {json.dumps(copied(tmp_path))};"
        f"const turns = {json.dumps(turns)}, places = {json.dumps(places)};"
        "console.log(JSON.stringify(['deg', 'hms', 'galactic', 'local'].map((angles) =>"
        " places.map(([ra, dec]) => written(ra, dec, angles, turns)))));"
    )
    deg, hms, galactic, zenith = run_module(code)
    assert deg == [angles.position(*place, "deg") for place in places]
    assert hms == [angles.position(*place, "hms") for place in places]
    assert galactic == [angles.position(*place, "galactic") for place in places]
    for text, place in zip(zenith, places, strict=True):
        known = angles.position(*place, "local", time)
        assert [word for word in text.split() if not word[0].isdigit()] == ["zen", "az"]
        numbers = [[float(word.rstrip("°")) for word in each.split() if word[0].isdigit()] for each in (text, known)]
        assert numbers[0][0] == pytest.approx(numbers[1][0], abs=0.02)


def test_the_cursor_tells_ts_density_and_region(tmp_path: Path) -> None:
    code = (
        f"import {{told, valueAt}} from {json.dumps(copied(tmp_path))};"
        "const ts = {shows: 'ts', levels: [1.4, 4.6], peak: 0.5}, density = {...ts, shows: 'probability'};"
        "const image = Object.assign(new Float32Array([0, 1, 2, 3, 4, 5]), {shape: [2, 3]});"
        "const data = {image: [image], x: [-3], y: [-2], dw: [6], dh: [4]};"
        "console.log(JSON.stringify([told(ts, 1), told(ts, 2), told(ts, 50), told(density, 0.5 * Math.exp(-1)),"
        " told({...ts, levels: [null, null]}, 9), told(ts, NaN), told({shows: 'change'}, -4.5), told(density, 0),"
        " valueAt(data, -2.9, -1.9), valueAt(data, 2.9, 1.9), String(valueAt(data, 3.1, 0))]));"
    )
    known = [
        "TS 1 · 0.303 per deg² · in the 50 % region", "TS 2 · 0.184 per deg² · in the 90 % region",
        "TS 50 · 6.9×10^−12 per deg² · outside of the 90 % region", "TS 2 · 0.184 per deg² · in the 90 % region",
        "TS 9 · 0.00555 per deg² · in the 50 % region", "nothing was scanned here", "ΔTS −4.5",
        "TS beyond 1000 · 0 per deg² · outside of the 90 % region", 0, 5, "NaN",
    ]  # fmt: skip
    assert run_module(code) == known
