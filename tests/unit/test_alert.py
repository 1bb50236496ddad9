"""What is known of an alert does not depend on the order in which it came."""

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
    with pytest.raises(RequestError, match="at least one revision"):
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
