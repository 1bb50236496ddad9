"""What a scan would take, from what earlier ones took."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from serving import BOWL, Site, check_problem, opened, running, serving

from skymist.api import ApiSettings
from skymist.client import connect
from skymist.model.request import Cone, Level, ScanRequest
from skymist.workflow import choice
from skymist.workflow.estimate import CellSeconds, Earlier, estimate, judge, spent_on_cells

LEVELS = (Level(8, 0), Level(64, 12), Level(512, 24))
REQUEST = ScanRequest("e", "tool", "1", {"starts": 5, "seed": 0}, LEVELS)


def earlier(
    seconds: tuple[float | None, ...] = (0.4, 0.2, 0.1),
    request: ScanRequest = REQUEST,
    event: str = "e",
    kind: str = "",
) -> Earlier:
    levels = [
        {"nside": level.nside, "done": 1, "failed": 0, "total": 1, "cell_seconds": each}
        for level, each in zip(request.levels, seconds, strict=True)
    ]
    return Earlier(request.to_dict(), {"levels": levels}, event, kind)


def test_cells_are_counted_by_level_and_cost_what_they_cost() -> None:
    found = estimate(REQUEST, CellSeconds(0.1, {64: 0.02, 512: 0.01}), 4, "a guess")
    assert [(each.nside, each.cells, each.seconds) for each in found.levels] == [
        (8, 768, pytest.approx(76.8)), (64, 768, pytest.approx(15.36)), (512, 1536, pytest.approx(15.36))
    ]  # fmt: skip
    assert found.cells == 3072
    assert found.thread_seconds == pytest.approx(107.52)
    assert found.wall_seconds == pytest.approx(107.52 / 4)
    assert estimate(REQUEST, CellSeconds(0.1, {64: 0.02}), None, "").wall_seconds is None
    unknown = estimate(REQUEST, None, 4, "unknown")
    assert (unknown.cells, unknown.thread_seconds, unknown.wall_seconds) == (3072, None, None)


def test_cones_have_fewer_cells_and_seeds_cost_more() -> None:
    seconds = CellSeconds(0.1, {64: 0.02})
    cone = estimate(replace(REQUEST, cone=Cone(10, 10, 5)), seconds, 1, "")
    assert cone.levels[0].cells < 30
    several = estimate(replace(REQUEST, seeds=3), seconds, 1, "")
    once = estimate(REQUEST, seconds, 1, "")
    assert several.levels[0].seconds == once.levels[0].seconds
    assert several.levels[1].seconds == pytest.approx(3 * (once.levels[1].seconds or 0))


def test_a_level_costs_what_the_nearest_known_one_did() -> None:
    seconds = CellSeconds(0.1, {16: 0.04, 256: 0.01})
    assert [seconds.at(nside) for nside in (8, 16, 32, 64, 128, 256, 1024)] == [
        0.04, 0.04, 0.04, 0.04, 0.01, 0.01, 0.01
    ]  # fmt: skip
    assert CellSeconds(0.1, {}).at(64) == 0.1


def test_the_scans_that_are_most_alike_decide() -> None:
    other = replace(REQUEST, options={"starts": 9, "seed": 0})
    seeded = replace(REQUEST, options={"starts": 5, "seed": 7})
    this, alike = earlier((1.0, 1.0, 1.0)), earlier((2.0, 2.0, 2.0), seeded, "f", "gold")
    same, different = earlier((3.0, 3.0, 3.0), event="g", kind="hese"), earlier((4.0, 4.0, 4.0), other)

    def told(*scans: Earlier, stated: tuple[float, float] | None = None) -> tuple[float | None, str]:
        seconds, basis = judge(REQUEST, "gold", scans, stated)
        return None if seconds is None else seconds.first, basis

    assert told(this, alike, same, different) == (1.0, "a scan by tool of this event, with the same options")
    assert told(alike, same) == (2.0, "a scan by tool of events of the stream gold, with the same options")
    assert told(same, same, same, different) == (3.0, "the median of 3 scans by tool with the same options")
    assert told(different, stated=(0.5, 0.1)) == (0.5, "what tool says of its speed on one processor")
    assert told(different) == (4.0, "a scan by tool with other options")
    assert told()[0] is None
    assert "unknown: no scan by tool was completed here" in told()[1]


def test_the_median_counts_and_what_was_not_timed_does_not() -> None:
    scans = [earlier((each, each / 2, each / 4)) for each in (1.0, 2.0, 50.0)]
    seconds, _ = judge(REQUEST, "", [*scans, earlier((None, 9.0, 9.0))])
    assert seconds == CellSeconds(2.0, {64: 1.0, 512: 0.5})
    assert spent_on_cells(earlier((None, None, None))) is None
    assert spent_on_cells(earlier(request=replace(REQUEST, seeds=2))) == CellSeconds(0.4, {64: 0.1, 512: 0.05})


def test_scans_of_before_levels_were_timed_are_left_out() -> None:
    old = Earlier(REQUEST.to_dict(), {"levels": [{"nside": 8, "done": 1, "failed": 0, "total": 1}]}, "e", "")
    assert judge(REQUEST, "", [old])[0] is None


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiSettings]:
    with opened(tmp_path_factory.mktemp("site")) as found:
        yield found


@pytest.fixture(scope="module")
def site(settings: ApiSettings) -> Iterator[Site]:
    with serving(settings) as found:
        yield found


def asked(site: Site, role: str = "viewer", **body: Any) -> dict[str, Any]:
    answer = site.call(role, "POST", "/estimates", json={"event": "137840/1", **BOWL, **body})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_the_service_tells_what_a_scan_would_be_and_begins_nothing(site: Site) -> None:
    event = site.event()
    found = asked(site, options={"seconds": 0.5}, cluster="local", workers=3)
    assert (found["event_id"], found["reconstruction"], found["why"], found["state"]) == (event, "bowl", "", None)
    assert [(each["nside"], each["cells"]) for each in found["levels"]] == [(2, 48), (8, 64)]
    assert (found["cells"], found["threads"]) == (112, 3)
    assert found["thread_seconds"] == pytest.approx(56, rel=0.01)
    assert found["wall_seconds"] == pytest.approx(56 / 3, rel=0.01)
    assert found["basis"] == "what bowl says of its speed on one processor"
    assert site.call("viewer", "GET", "/scans").json()["items"] == []
    scan = site.scan(event, options={"seconds": 0.5})
    known = asked(site, options={"seconds": 0.5})
    assert (known["scan_id"], known["state"]) == (scan["id"], "queued")
    site.call("analyst", "DELETE", f"/scans/{scan['id']}")
    assert asked(site, options={"seconds": 0.5})["state"] is None


def test_earlier_scans_say_how_long_the_next_one_takes(site: Site, settings: ApiSettings) -> None:
    site.event()
    with running(settings), connect(site.url, site.tokens["analyst"]) as client:
        scan = client.scan("137840/1", options={"seconds": 0.001}, **BOWL).wait()
        levels = scan.refresh().document["progress"]["levels"]
    assert all(level["cell_seconds"] > 0.001 for level in levels)
    found = asked(site, options={"seconds": 0.001}, seed=5)
    assert found["basis"] == "a scan by bowl of this event, with the same options"
    assert found["thread_seconds"] == pytest.approx(sum(each["done"] * each["cell_seconds"] for each in levels))


def test_auto_is_chosen_once_and_says_why(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.event(4)
    first = asked(site, event="137840/4", reco="auto", levels=None)
    assert first["reconstruction"] in ("cascade", "track-losses", "track-mpe")
    assert first["why"]
    monkeypatch.setitem(choice.RULES, "likelihood", lambda *_: pytest.fail("it is chosen again"))
    again = asked(site, event="137840/4", reco="auto", levels=None, seeds=2)
    assert (again["reconstruction"], again["why"]) == (first["reconstruction"], first["why"])
    assert again["scan_id"] != first["scan_id"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"options": {"width_deg": 0}}, "bowl needs width_deg > 0, not 0"),
        ({"options": {"depth": 1}}, "no option of bowl is called 'depth'"),
        ({"levels": "8:1"}, "the first level has extension 0"),
        ({"cone": "here,3"}, "no earlier reconstruction is called 'here'"),
        ({"cluster": "cloud"}, "no cluster is called 'cloud'"),
        ({"event": "1/2"}, "no event is called '1/2'"),
        ({"reco": "bowls"}, "no reconstruction is called 'bowls'"),
        ({"workers": 0}, "body.workers"),
        ({"colour": 1}, "body.colour"),
    ],
)
def test_what_would_be_refused_is_refused(site: Site, body: dict[str, Any], reason: str) -> None:
    site.event()
    answer = site.call("viewer", "POST", "/estimates", json={"event": "137840/1", **BOWL, **body})
    check_problem(answer, 422, reason)
    begun = site.call("analyst", "POST", "/scans", json={"event": "137840/1", **BOWL, **body})
    assert begun.json()["detail"] == answer.json()["detail"]


def test_who_has_no_token_is_told_nothing(site: Site) -> None:
    check_problem(site.call(None, "POST", "/estimates", json={"event": "137840/1"}), 401)


def test_a_cluster_of_the_site_says_how_much_it_does_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "clusters"
    folder.mkdir()
    (folder / "farm.yaml").write_text("kind: slurm\nprocesses: 2\nthreads: 3\nminimum: 1\nmaximum: 5\n")
    (folder / "pods.yaml").write_text("kind: kubernetes\nmaximum: 7\nthreads: 2\n")
    with opened(tmp_path, clusters=folder) as settings, serving(settings) as site:
        site.event()
        assert [asked(site, cluster=name)["threads"] for name in ("farm", "pods")] == [30, 14]
        assert asked(site, cluster="farm", workers=2)["threads"] == 12
