"""A wish that grows while somebody fills a form in, against the real service."""

from collections.abc import Iterator
from typing import Any

import pytest
from serving import BOWL, Site, opened, serving

from skymist.app.models.launch import Launch, duration, expected, read_option
from skymist.client import Client, connect
from skymist.errors import RequestError
from skymist.model.options import Option


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with opened(tmp_path_factory.mktemp("site")) as settings, serving(settings) as found:
        yield found


@pytest.fixture
def analyst(site: Site) -> Iterator[Client]:
    with connect(site.url, site.tokens["analyst"]) as client:
        yield client


@pytest.fixture
def viewer(site: Site) -> Iterator[Client]:
    with connect(site.url, site.tokens["viewer"]) as client:
        yield client


def form(site: Site, client: Client, **params: Any) -> Launch:
    site.event()
    made = Launch(event="137840/1", **params)
    made.load(client)
    return made


def bowl(site: Site, client: Client) -> Launch:
    made = form(site, client)
    made.put("reco", "bowl")
    made.put("levels", "2:0,8:4")
    return made


def test_it_offers_what_the_service_has(site: Site, viewer: Client) -> None:
    made = form(site, viewer)
    assert made.reconstructions[0]["name"] == "auto"
    assert {"bowl", "cascade", "track-losses", "track-mpe"} <= {each["name"] for each in made.reconstructions}
    assert made.clusters[0] == "local"
    assert [(each.name, each.choices) for each in made.options] == [("rule", ("likelihood", "icecube"))]
    made.put("reco", "track-mpe")
    assert [each.name for each in made.options] == ["charge_exponent", "light_weight", "starts"]
    exponent = made.options[0]
    assert (exponent.default, exponent.rule) == (0.6, "0 < charge_exponent <= 1")
    assert exponent.about.startswith("beta; smaller values widen the contours.")
    assert made.value("options.starts") == 5
    made.put("reco", "bowl")
    assert [each.unit for each in made.options] == ["deg", "deg", "deg", "s", "deg"]


def test_only_what_was_changed_is_asked_for(site: Site, viewer: Client) -> None:
    made = bowl(site, viewer)
    assert made.body() == {"reco": "bowl", "levels": "2:0,8:4"}
    made.put("options.width_deg", " 2.5 ")
    made.put("options.ra_deg", "120")
    made.put("workers", "3")
    assert made.body() == {"reco": "bowl", "levels": "2:0,8:4", "options": {"width_deg": 2.5}, "workers": 3}
    assert made.changed("options.width_deg")
    assert not made.changed("options.ra_deg")
    made.put("options.width_deg", "")
    made.put("workers", "")
    assert made.body() == {"reco": "bowl", "levels": "2:0,8:4"}
    made.put("options.width_deg", "2.5")
    made.put("reco", "cascade")
    assert made.body() == {"reco": "cascade", "levels": "2:0,8:4"}


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("options.width_deg", "0", "needs width_deg > 0"),
        ("options.width_deg", "wide", "'wide' is not a number"),
        ("options.width_deg", "nan", "'nan' is not a number"),
        ("options.seconds", "-1", "needs seconds >= 0"),
        ("levels", "8", "are not NSIDE:EXTENSION"),
        ("levels", "8:1", "the first level has extension 0"),
        ("cone", "10,20", "such as 139.04,0.37,10"),
        ("cone", "10,95,3", "DEC goes from -90 to 90"),
        ("cone", "SplineMPE", "RA,DEC,RADIUS or SEED,RADIUS"),
        ("seeds", "10", "a whole number from 1 to 9"),
        ("seeds", "1.5", "a whole number from 1 to 9"),
        ("seed", "-1", "from 0 to 4,294,967,295"),
        ("workers", "0", "from 1 to 100,000"),
        ("priority", "high", "a whole number"),
    ],
)
def test_what_makes_no_sense_is_said_at_the_field(
    site: Site, analyst: Client, name: str, value: str, reason: str
) -> None:
    made = bowl(site, analyst)
    made.put(name, value)
    assert list(made.errors) == [name]
    assert reason in made.errors[name]
    made.look(analyst)
    assert made.estimate is None
    assert made.start(analyst) == ""
    made.put(name, str(made.default(name)))
    assert made.errors == {}


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("cone", "SplineMPE,5", "no earlier reconstruction is called 'SplineMPE'"),
        ("levels", "9:0", "9"),
        ("cluster", "cloud", "no cluster is called 'cloud'"),
    ],
)
def test_what_the_service_would_refuse_is_said_at_the_field(
    site: Site, viewer: Client, name: str, value: str, reason: str
) -> None:
    made = bowl(site, viewer)
    made.put(name, value)
    made.look(viewer)
    assert list(made.errors) == [name]
    assert reason in made.errors[name]
    made.put(name, str(made.default(name)))
    made.look(viewer)
    assert made.errors == {}
    assert made.estimate is not None


def test_seeds_of_the_event_are_known_once_it_was_asked_about(site: Site, viewer: Client) -> None:
    made = bowl(site, viewer)
    made.look(viewer)
    assert (made.estimate or {})["seeds"] == []
    made.put("cone", "SplineMPE,5")
    assert made.errors == {"cone": "the event has no earlier reconstruction 'SplineMPE'; there are: none"}


def test_an_unknown_event_belongs_to_no_field(site: Site, viewer: Client) -> None:
    made = bowl(site, viewer)
    made.event = "1/2"
    made.look(viewer)
    assert made.errors[""].startswith("no event is called '1/2'")


def test_the_estimate_follows_what_is_changed(site: Site, viewer: Client) -> None:
    made = bowl(site, viewer)
    made.put("options.seconds", "0.5")
    assert made.stale
    made.look(viewer)
    assert not made.stale
    assert made.estimate is not None
    assert made.estimate["state"] is None
    words = expected(made.estimate, "local")
    assert words.startswith("At most 112 cells (48 at nside 2 + 64 at nside 8): about 56 s of one processor, about ")
    made.put("options.seconds", "5")
    made.look(viewer)
    assert "about 9 min 20 s of one processor" in expected(made.estimate, "local")


def test_a_scan_is_started_once(site: Site, analyst: Client) -> None:
    made = bowl(site, analyst)
    made.put("options.ra_deg", "11")
    found = made.start(analyst)
    assert made.started is not None
    assert (made.started["id"], made.started["state"], made.was_there) == (found, "queued", False)
    again = bowl(site, analyst)
    again.put("options.ra_deg", "11.0")
    again.look(analyst)
    assert (again.estimate or {})["state"] == "queued"
    assert again.start(analyst) == found
    assert again.was_there


def test_a_viewer_is_refused_in_words(site: Site, viewer: Client) -> None:
    made = bowl(site, viewer)
    made.put("options.ra_deg", "12")
    assert made.start(viewer) == ""
    assert made.started is None
    assert made.errors[""].startswith("this needs the role analyst")


def test_a_remix_starts_from_the_other_scan(site: Site, analyst: Client) -> None:
    site.event()
    base = site.scan("137840/1", options={"ra_deg": 20, "width_deg": 2}, workers=2, priority=5)
    made = form(site, analyst, base=base)
    assert [made.value(name) for name in ("reco", "levels", "options.ra_deg", "workers")] == ["bowl", "2:0,8:4", 20, 2]
    assert made.changes == {}
    assert made.body() == {**base["wish"], "workers": 2, "priority": 5}
    assert made.start(analyst) == ""
    assert "nothing is changed" in made.errors[""]
    made.put("options.width_deg", "3")
    assert (made.changes, made.changed("options.ra_deg")) == ({"options": {"width_deg": 3.0}}, False)
    made.start(analyst)
    assert made.started is not None
    assert made.started["wish"]["options"] == {"ra_deg": 20, "width_deg": 3.0}
    assert (made.started["workers"], made.started["priority"]) == (2, 5)
    assert analyst.get_scan(base["id"]).id == base["id"]


def test_a_remix_takes_the_place_of_the_other_one_if_that_is_wanted(site: Site, analyst: Client) -> None:
    site.event()
    base = site.scan("137840/1", options={"ra_deg": 21}, cone="21,30,20")
    made = form(site, analyst, base=base)
    made.put("cone", "")
    made.replace = True
    found = made.start(analyst)
    assert analyst.get_scan(base["id"]).id == found
    assert analyst.get_scan(found).document["request"]["cone"] is None


def test_a_remix_with_another_reconstruction_leaves_its_options_behind(site: Site, analyst: Client) -> None:
    site.event()
    base = site.scan("137840/1", options={"ra_deg": 22}, level_options={"8": {"width_deg": 2}})
    made = form(site, analyst, base=base)
    made.put("reco", "cascade")
    made.put("options.starts", "2")
    made.look(analyst)
    assert (made.errors, (made.estimate or {})["reconstruction"]) == ({}, "cascade")
    found = made.start(analyst)
    assert found == (made.estimate or {})["scan_id"]
    document = analyst.get_scan(found).document
    assert (document["wish"]["options"], document["wish"]["level_options"]) == ({"starts": 2}, {})


def test_options_of_plug_ins_that_say_little_are_read_by_their_type() -> None:
    free, maybe, name = Option("a", "float", 1.5), Option("b", "float | None", None), Option("c", "str", "x")
    assert read_option(free, "2", 1.5) == 2.0
    assert read_option(free, "", 1.5) == 1.5
    assert read_option(maybe, "", None) is None
    assert read_option(name, "", "x") == ""
    assert read_option(Option("d", "bool", True), False, True) is False
    with pytest.raises(RequestError, match=r"'2\.5' is not a whole number"):
        read_option(Option("e", "int", 1), "2.5", 1)


def test_durations_are_told_as_people_do() -> None:
    seconds = 0.0, 3.21, 59.4, 59.6, 3599, 3601, 86399, 90000, None
    assert [duration(each) for each in seconds] == [
        "less than 0.1 s", "3.2 s", "59 s", "1 min", "59 min 59 s", "1 h", "23 h 59 min", "1 d 1 h", "unknown",
    ]  # fmt: skip


def test_what_is_unknown_is_said() -> None:
    levels = [{"nside": 8, "cells": 768, "seconds": None}]
    told = {"levels": levels, "cells": 768, "thread_seconds": None, "wall_seconds": None, "threads": 2}
    assert expected(told, "local") == "At most 768 cells (768 at nside 8); how long they take is unknown."


def test_defaults_are_those_of_the_service(site: Site, analyst: Client) -> None:
    site.event()
    made = form(site, analyst)
    assert made.body() == {}
    scan = site.scan("137840/1", **{**BOWL, "options": {"ra_deg": 30}})
    assert {name: scan["wish"][name] or "" for name in ("cone",)} == {"cone": made.default("cone")}
    assert (scan["wish"]["seeds"], scan["wish"]["seed"]) == (made.default("seeds"), made.default("seed"))
    assert (scan["cluster"], scan["priority"]) == (made.default("cluster"), made.default("priority"))


def test_a_scan_that_is_there_need_only_be_opened(site: Site, viewer: Client) -> None:
    site.event()
    scan = site.scan("137840/1", options={"ra_deg": 40})
    made = bowl(site, viewer)
    made.put("options.ra_deg", "40")
    assert made.known == ""
    made.look(viewer)
    assert made.known == scan["id"]
    made.replace = True
    assert made.known == ""
