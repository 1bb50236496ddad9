"""The part of a page that shows a growing map, without a browser: what it sends, when, and in which words."""

import json
from collections.abc import Callable

import pytest
from maps import ATTRIBUTES, random_map

from skymist.app import feed
from skymist.app.feed import News
from skymist.app.parts import live_map as part
from skymist.app.visit import Look, Visit, Visitor
from skymist.client import connect
from skymist.plot import live

PICTURE = {"version": 3, "stored": 1_000, **live.picture(random_map(0, "round"))}


@pytest.fixture
def takes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Callable[[News], None]]]:
    """Who watches: in which frame, and how they are told."""
    found: list[tuple[str, Callable[[News], None]]] = []

    def watch(client: object, scan_id: str, take: Callable[[News], None], frame: str) -> Callable[[], None]:
        found.append((frame, take))
        return lambda: None

    monkeypatch.setattr(feed, "watch", watch)
    return found


def shown(look: str = "light.deg") -> part.LiveMap:
    visit = Visit(connect("http://127.0.0.1:1", "none"), Visitor("none", "one", "viewer", Look.parse(look)))
    made = part.LiveMap(visit, "0" * 64)
    made.follow()
    return made


def test_only_what_changed_is_sent(takes: list[tuple[str, Callable[[News], None]]]) -> None:
    view, ((frame, take),) = shown(), takes
    assert frame == "equatorial"
    take(News(progress={"state": "running"}))
    assert json.loads(view.facts) == {"version": 0, "words": part.NOTHING}
    sent: list[str] = []
    view.param.watch(lambda *events: sent.extend(event.name for event in events), list(part.parts(PICTURE, "deg")))
    take(News(PICTURE))
    assert sent[-1] == "facts"
    assert set(sent) == {"sky_image", "near_image", "sky", "near", "facts"}
    sent.clear()
    take(News(PICTURE, trouble="nobody answers"))
    assert (sent, view.trouble) == ([], "nobody answers")
    later = {**PICTURE, "version": 4, "near": {**PICTURE["near"], "top": 99.0}}
    take(News(later))
    assert (sent, view.trouble) == (["near", "facts"], "")
    assert json.loads(view.facts)["version"] == 4


def test_who_closes_it_hears_nothing_any_more(takes: list[tuple[str, Callable[[News], None]]]) -> None:
    heard: list[News] = []
    visit = Visit(connect("http://127.0.0.1:1", "none"), Visitor("none", "one", "viewer"))
    view = part.LiveMap(visit, "0" * 64, heard.append)
    view.follow()
    takes[0][1](news := News(progress={"state": "running"}))
    assert heard == [news]
    view.close()
    view.follow()
    assert len(takes) == 1


def test_who_writes_in_another_frame_sees_the_sky_in_it(takes: list[tuple[str, Callable[[News], None]]]) -> None:
    shown("dark.galactic")
    view = shown("dark.local")
    assert [frame for frame, _ in takes] == ["galactic", "local"]
    takes[1][1](News(trouble="the map does not say where its detector is", ended=True))
    assert (takes[2][0], view.trouble) == ("equatorial", "")


def test_the_line_says_what_there_is() -> None:
    facts = json.loads(part.parts({**PICTURE, "complete": False, "failed": 2}, "deg")["facts"])
    assert "2 without a fit) · best fit so far " in facts["line"]
    assert facts["line"].startswith("15,104 cells (768 of nside 8, ")
    assert " · 50 % region " in facts["line"]
    assert ", 90 % region " in facts["line"]
    assert "so far" not in json.loads(part.parts(PICTURE, "hms")["facts"])["line"]
    assert "h" in json.loads(part.parts(PICTURE, "hms")["facts"])["best"]["text"]


def test_every_number_has_a_colour_in_both_themes() -> None:
    light, dark = part.palette("light"), part.palette("dark")
    assert light["cells"][0] == "#0b2a5b"
    assert len(light["cells"]) == len(dark["cells"]) == live.HIGHEST
    assert light["paper"] != dark["paper"]


def test_the_map_of_a_scan_knows_its_detector() -> None:
    data = random_map(0, "round")
    data.attrs["detector"] = ATTRIBUTES["detector"]
    assert "zen" in json.loads(part.parts({**PICTURE, **live.picture(data, "local")}, "local")["facts"])["best"]["text"]
