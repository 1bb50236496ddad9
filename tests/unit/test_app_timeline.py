"""What the timeline of an alert shows, and what its revisions say side by side, without a browser."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymist.app.models.revisions import table
from skymist.app.models.timeline import KINDS, MILESTONES, Timeline, links, person, scale
from skymist.model.alert import Kind, Revision, Tense
from skymist.model.latency import in_words, signed
from skymist.model.revisions import differences, distance_deg, label_of
from skymist.workflow import timeline as made
from skymist.workflow.timeline import KINDS as MADE

TIME = np.datetime64("2026-03-04T05:06:07.123456789", "ns")


def step(**changes: Any) -> dict[str, Any]:
    usual = {"time": "2026-03-04T05:06:50.500000Z", "kind": "notice", "what": "notice came in", "who": "gcn",
             "detail": "", "subject": "revision", "subject_id": "abc", "input_id": None, "milestone": "",
             "since_event_s": 43.4, "since_before_s": 43.4}  # fmt: skip
    return {**usual, **changes}


def revision(number: int | None = 0, **said: Any) -> Revision:
    return Revision(137840, 1, TIME, number, **{"ra": 40.0, "dec": 10.0, "energy_tev": 200.0, **said})


def answer(*revisions: Revision) -> dict[str, Any]:
    kept = [
        {"content": each.to_dict(), "input_id": None if each.kind == Kind.RETRACTION else "f" * 64, "number": 0,
         "received": "2026-03-04T06:00:00Z", "id": each.id}
        for each in revisions
    ]  # fmt: skip
    return {"revisions": kept}


def test_the_page_knows_all_kinds_that_the_service_tells() -> None:
    assert list(KINDS) == list(MADE)
    assert list(MILESTONES) == list(made.MILESTONES)


def test_steps_of_hidden_kinds_are_not_shown() -> None:
    shown = Timeline(told={"steps": [step(), step(kind="scan"), step(kind="scan")], "milestones": {}})
    assert [(each["kind"], each["count"]) for each in shown.kinds] == [("notice", 1), ("scan", 2)]
    shown.hide(["scan", "poem", ""])
    assert shown.hidden == ["scan"]
    assert [each["kind"] for each in shown.shown] == ["notice"]
    assert len(shown.steps) == 3


def test_the_event_itself_has_no_latency() -> None:
    shown = Timeline(told={"steps": [step(kind="event", since_event_s=0.0), step(since_before_s=-2.0)]})
    assert [(each["since"], each["before"]) for each in shown.steps] == [("", ""), ("+43 s", "−2.0 s")]
    assert shown.steps[0]["utc"] == "2026-03-04 05:06:50"


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ({"subject": "scan", "subject_id": "abc"}, ["/scan?id=abc"]),
        ({"subject": "circular", "subject_id": "4"}, ["/circular?id=4"]),
        ({"subject": "notice", "subject_id": "4"}, ["/circular?id=4"]),
        ({"input_id": "f" * 64}, [f"/v1/inputs/{'f' * 64}/content"]),
        ({}, []),
    ],
)
def test_steps_lead_to_what_they_are_of(said: dict[str, Any], where: list[str]) -> None:
    assert [each["href"] for each in links(step(**said))] == where


def test_runners_are_called_runners() -> None:
    assert person("node7:4321:1795959196.31") == "runner on node7"
    assert person("gcn.notices.icecube") == person("gcn.notices.icecube")
    assert person("oidc:someone") == "oidc:someone"


def test_a_scale_without_any_latency_says_so() -> None:
    empty = scale({})
    assert [each["name"] for each in empty["marks"]] == ["event"]
    assert empty["words"] == "Not yet: a notice (entries of catalogs are none), a map, a circular that was sent."


def test_a_scale_says_in_words_what_it_shows() -> None:
    found = scale({"notice": 43.0, "map": 180.0, "circular": 7300.0})
    places = [each["at"] for each in found["marks"]]
    assert places == sorted(places)
    assert found["words"] == (
        "From the event, to the first notice +43 s, to the first map +3.0 min, to the first circular +2.0 h."
    )
    assert scale({"map": 180.0})["words"] == (
        "From the event, to the first map +3.0 min. Not yet: a notice (entries of catalogs are none), a circular that "
        "was sent."
    )
    before = scale({"notice": -86_400.0})["marks"][1]
    assert (before["at"], before["text"]) == (0.0, "−24 h")


@given(st.dictionaries(st.sampled_from(list(MILESTONES)), st.floats(-1e10, 1e10)))
def test_all_of_a_scale_is_on_it(latencies: dict[str, float]) -> None:
    found = scale(latencies)
    assert all(0 <= each["at"] <= 1 for each in (*found["marks"], *found["ticks"]))
    known = sorted((value, mark["at"]) for value, mark in zip(
        [latencies[name] for name in MILESTONES if name in latencies], found["marks"][1:], strict=True
    ))  # fmt: skip
    assert [at for _, at in known] == sorted(at for _, at in known)


@given(st.floats(-1e11, 1e11))
def test_each_latency_has_the_sign_of_its_time(seconds: float) -> None:
    assert signed(seconds)[0] == ("0" if seconds == 0 else "+" if seconds > 0 else "−")
    assert in_words(seconds).endswith("after" if seconds >= 0 else "before")


def test_three_revisions_that_disagree() -> None:
    first = revision(stream="gold", radius_90=0.9)
    second = revision(1, kind=Kind.UPDATE, ra=40.5, dec=10.2, radius_90=0.5, energy_tev=180.0, stream="gold")
    third = revision(2, kind=Kind.UPDATE, ra=40.5, dec=10.2, radius_90=0.5, energy_tev=None, stream="bronze")
    found = table(answer(first, second, third))
    assert [each["label"] for each in found["columns"]] == ["revision 0", "revision 1", "revision 2"]
    rows = {row["label"]: row["cells"] for row in found["rows"]}
    assert [each["changed"] for each in rows["RA Dec (ICRS)"]] == [False, True, False]
    assert rows["RA Dec (ICRS)"][1]["note"] == "0.53° from revision 0"
    assert [each["text"] for each in rows["energy"]] == ["200 TeV", "180 TeV", "–"]
    assert [each["changed"] for each in rows["energy"]] == [False, True, False]
    assert rows["energy"][1]["note"] == "200 TeV in revision 0"
    assert [each["changed"] for each in rows["stream"]] == [False, False, True]
    assert "signalness" not in rows


def test_a_retraction_changes_no_value() -> None:
    taken_back = Revision(137840, 1, TIME, 1, Kind.RETRACTION, comment="noise")
    found = table(answer(revision(), taken_back))
    rows = {row["label"]: row["cells"] for row in found["rows"]}
    assert [each["text"] for each in rows["energy"]] == ["200 TeV", "–"]
    assert [each["changed"] for each in rows["energy"]] == [False, False]
    assert rows["comment"][1] == {"text": "noise", "changed": True, "note": "not in revision 0"}
    assert [each["none"] for each in found["columns"]] == ["", "made here"]
    assert table({"revisions": []}) == {}


def test_what_the_detector_says_is_compared_with_nothing() -> None:
    silent = Revision(137840, 1, TIME, tense=Tense.CURRENT, catalog="event message")
    found = table(answer(silent, revision()), "galactic")
    assert not any(cell["changed"] for row in found["rows"] for cell in row["cells"])
    assert label_of(silent) == "event message"
    assert found["rows"][0]["label"] == "l b (galactic)"


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ({}, {}, []),
        ({"ra": 359.9999, "dec": 0.0}, {"ra": 0.0001, "dec": 0.0}, ["moved by 0.7″"]),
        ({"ra": 10.0, "dec": 89.9}, {"ra": 190.0, "dec": 89.9}, ["moved by 0.20°"]),
        ({"ra": None, "dec": None}, {}, ["position RA 40.00°, Dec +10.00° (not said before)"]),
        ({}, {"ra": None, "dec": None}, ["position not said any more"]),
        ({"energy_tev": 99_999.4}, {"energy_tev": 123_456.0}, ["energy 100000 TeV → 123500 TeV"]),
    ],
)
def test_differences_in_words(before: dict[str, Any], after: dict[str, Any], words: list[str]) -> None:
    assert [str(each) for each in differences(revision(**before), revision(**after))] == words


def test_distances_of_unknown_positions_are_unknown() -> None:
    assert distance_deg(revision(), revision(ra=None, dec=None)) is None
    assert distance_deg(revision(), revision(dec=11.0)) == pytest.approx(1.0)
