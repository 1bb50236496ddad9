"""What is known of an alert does not depend on the order in which it came."""

import time
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymist.errors import RequestError
from skymist.model.alert import (
    EVENT_MESSAGE,
    SKY_MAP,
    STREAMS,
    Alert,
    Kind,
    Revision,
    Role,
    Tense,
    base_name,
    by_time,
    letter,
    present,
    same_event,
)

TIME = np.datetime64("2023-04-16T05:22:26.150574", "ns")


def revision(**changes: object) -> Revision:
    return Revision(**{"run": 137840, "event": 57034692, "time": TIME, "number": 0, "stream": "bronze", **changes})


def test_what_is_written_is_read_again() -> None:
    said = revision(
        issued=TIME, errors_90=(0.4, 0.6, 0.8, 0.7), ellipse_90=(2.0, 1.0, 30.0), systematic=False, doubts=("odd",),
        energy_tev=127.3, extra={"p": [1, None]}, tense=Tense.TEST, kind=Kind.UPDATE,
    )  # fmt: skip
    again = Revision.from_dict(said.to_dict())
    assert again == said
    assert again.id == said.id != revision().id
    assert set(revision().to_dict()) == {"run", "event", "time", "number", "kind", "tense", "stream"}
    with pytest.raises(RequestError, match="a revision has no colour; it has catalog, comment"):
        Revision.from_dict({"colour": 1})


def test_worlds_are_kept_apart() -> None:
    roles = {tense: tense.role for tense in Tense}
    assert roles.pop(Tense.CURRENT) == roles.pop(Tense.ARCHIVAL) == Role.OBSERVATION
    assert roles.pop(Tense.PLANNED) == Role.PREDICTION
    assert set(roles.values()) == {Role.TEST}
    assert not same_event(revision(), revision(tense=Tense.INJECTION))


@given(st.permutations([0, 1, 2, 3, 4]))
def test_order_of_arrival_is_irrelevant(order: list[int]) -> None:
    said = [
        revision(catalog="IceCat-1", number=None, ra=1.0),
        revision(ra=2.0),
        revision(number=1, ra=3.0),
        revision(number=1, kind=Kind.RETRACTION),
        revision(number=0, issued=TIME + np.timedelta64(30, "s"), ra=2.5),
    ]
    alert = Alert(tuple(said[i] for i in order))
    assert alert.current is said[3]
    assert alert.retracted
    assert alert.first is said[1]
    assert [said.index(each) for each in alert.revisions] == [0, 1, 4, 2, 3]


@pytest.mark.parametrize("source", [EVENT_MESSAGE, SKY_MAP])
@pytest.mark.parametrize("seconds", [-1, 1])
def test_who_says_nothing_has_neither_the_first_nor_the_last_word(source: str, seconds: int) -> None:
    silent = revision(catalog=source, number=None, time=TIME + np.timedelta64(seconds, "s"))
    entry = revision(catalog="IceCat-1", number=None, ra=1.0)
    alert = Alert((silent, entry))
    assert (alert.first, alert.current, alert.time) == (entry, entry, TIME)
    assert Alert((silent,)).first is Alert((silent,)).current is silent
    assert Alert((silent, revision(kind=Kind.RETRACTION, number=None))).retracted


def test_a_later_revision_takes_a_retraction_back() -> None:
    taken_back = Alert((revision(number=2), revision(number=1, kind=Kind.RETRACTION)))
    assert not taken_back.retracted


def test_without_a_revision_there_is_no_alert() -> None:
    with pytest.raises(RequestError, match=r"^an alert has at least one revision$"):
        Alert(())


def test_a_truncated_number_is_the_same_event_and_told() -> None:
    short, whole = revision(event=5703469), revision(number=1)
    assert same_event(short, whole)
    assert same_event(whole, short)
    assert not same_event(short, revision(time=TIME + np.timedelta64(2, "s")))
    assert not same_event(revision(event=7034692), whole)
    assert not same_event(short, revision(run=137841))
    alert = Alert((short, whole))
    assert alert.event == whole.event
    assert alert.doubts == ("revision 0: the event is 5703469 there and 57034692 elsewhere",)


def test_times_that_differ_are_told() -> None:
    alert = Alert((revision(), revision(number=1, time=TIME + np.timedelta64(51373, "s"), doubts=("no energy",))))
    assert alert.time == TIME
    assert alert.doubts == (
        "revision 1: no energy",
        "revision 1: the time of the event is +51373 s from that of revision 0",
    )


def test_names() -> None:
    assert base_name(revision()) == "IceCube-230416"
    assert base_name(revision(stream="cascade")) == "IceCube-Cascade 230416"
    assert [revision(stream=stream).topology for stream in (*STREAMS, "")] == ["track", "track", "cascade", ""]
    names = [letter(count) for count in range(26 + 26**2 + 1)]
    assert len(set(names)) == len(names)
    assert (names[-1], names[26 + 26 - 1]) == ("AAA", "AZ")


def test_by_time() -> None:
    late, early = revision(time=TIME + np.timedelta64(1, "D")), revision(number=1)
    assert by_time([late, early, revision()]) == [revision(), early, late]


def test_events_a_nanosecond_apart_have_an_order() -> None:
    late, early = revision(run=1, time=TIME + np.timedelta64(1, "ns")), revision(run=2)
    assert by_time([late, early]) == [early, late]


def test_at_one_time_runs_then_events_then_numbers_count() -> None:
    ordered = [
        revision(run=1, event=3, number=2), revision(run=2, event=1, number=1), revision(run=2, event=2, number=None),
        revision(run=2, event=2, number=1),
    ]  # fmt: skip
    assert by_time(ordered[::-1]) == ordered


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_truncated_number_is_the_same_event_up_to_a_second(sign: int) -> None:
    second, nanosecond = np.timedelta64(sign, "s"), np.timedelta64(sign, "ns")
    assert same_event(revision(event=5703469), revision(time=TIME + second))
    assert not same_event(revision(event=5703469), revision(time=TIME + second + nanosecond))
    assert same_event(revision(), revision(time=TIME + 3600 * second))
    assert Alert((revision(), revision(number=1, time=TIME + second))).doubts == ()


def test_the_present_is_utc_in_nanoseconds_wherever_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "JST-9")
        time.tzset()
        before, found, after = datetime.now(UTC), present(), datetime.now(UTC)
    time.tzset()
    assert found.dtype == np.dtype("datetime64[ns]")
    assert before <= found.astype("datetime64[us]").item().replace(tzinfo=UTC) <= after


def test_a_revision_is_kept_in_words_and_with_nanoseconds() -> None:
    said = revision(time=np.datetime64("2023-04-16"), issued=TIME, doubts=("odd",), errors_90=(0.4, 0.6, 0.8, 0.7))
    assert said.to_dict() == {
        "run": 137840, "event": 57034692, "time": "2023-04-16T00:00:00.000000000Z", "number": 0, "kind": "initial",
        "tense": "current", "issued": "2023-04-16T05:22:26.150574000Z", "stream": "bronze",
        "errors_90": [0.4, 0.6, 0.8, 0.7], "doubts": ["odd"],
    }  # fmt: skip


def test_a_revision_that_is_read_has_times_kinds_and_tenses() -> None:
    read = Revision.from_dict(
        {"run": 1, "event": 2, "time": "2023-04-16", "issued": "2023-04-16T05Z", "kind": "update", "tense": "test"}
    )
    assert (type(read.kind), type(read.tense)) == (Kind, Tense)
    assert read.time.dtype == read.issued.dtype == np.dtype("datetime64[ns]")
    assert (read.time, read.issued) == (np.datetime64("2023-04-16"), np.datetime64("2023-04-16T05"))
    usual = Revision.from_dict({"run": 1, "event": 2, "time": "2023-04-16"})
    assert (usual.kind, usual.tense) == (Kind.INITIAL, Tense.CURRENT)


def test_id_is_pinned() -> None:
    """A change here gives all revisions that were ever kept other ids."""
    assert revision().id == "9d43b52b5c589f4b26433da355649461ad82241bed465301ed705613f5e1a792"


@pytest.mark.parametrize("step", [np.timedelta64(1, "ns"), np.timedelta64(1, "h")])
def test_of_one_number_the_last_that_was_issued_counts(step: np.timedelta64) -> None:
    for one, other in ((1.0, 2.0), (2.0, 1.0)):
        before, after = revision(ra=one, issued=TIME), revision(ra=other, issued=TIME + step)
        assert Alert((after, before)).revisions == (before, after)
        assert Alert((revision(ra=one), after)).current is after


def test_a_retraction_comes_after_what_it_retracts_and_without_a_number_last() -> None:
    later = revision(number=3, kind=Kind.UPDATE, issued=TIME + np.timedelta64(1, "h"))
    numbered = revision(number=3, kind=Kind.RETRACTION, issued=TIME)
    last = revision(number=None, kind=Kind.RETRACTION, issued=TIME)
    assert Alert((last, numbered, later, revision())).revisions == (revision(), later, numbered, last)


def test_what_others_know_comes_before_what_was_told() -> None:
    silent, entry = (revision(catalog=source, number=None) for source in (SKY_MAP, "IceCat-1"))
    assert Alert((revision(), entry, silent)).revisions == (silent, entry, revision())


def test_the_last_that_says_a_thing_is_found() -> None:
    first, second = revision(ra=1.0, name="IceCube-230416A", energy_tev=0.0), revision(number=1, ra=2.0)
    taken_back = revision(number=2, kind=Kind.RETRACTION, ra=3.0, comment="noise")
    alert = Alert((first, second, taken_back))
    assert [alert.last(name) for name in ("ra", "name", "energy_tev")] == [second, first, first]
    assert alert.last("dec") is alert.last("comment") is None
    assert Alert((taken_back,)).last("comment") is taken_back


@pytest.mark.parametrize(("dec", "radius"), [(0.0, 2 * np.sqrt(2)), (60.0, 2.0), (-60.0, 2.0)])
def test_asymmetric_errors_have_the_radius_of_their_area(dec: float, radius: float) -> None:
    said = revision(dec=dec, errors_90=(1.0, 3.0, 2.5, 5.5))
    assert said.circle_90 == pytest.approx(radius)
    assert revision(dec=dec, errors_90=(1.0, 3.0, 2.5, 5.5), radius_90=0.7).circle_90 == 0.7
    assert revision(errors_90=(1.0, 3.0, 2.5, 5.5)).circle_90 is None
