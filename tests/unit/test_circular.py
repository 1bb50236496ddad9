"""Facts of circulars, findings and changes, as they are kept and told."""

from typing import Any

import pytest

from skymist.model.circular import NEXT, Change, Fact, Finding, Level, State, changes, errors

RA = Fact("ra", 40.1, source="revision", source_id="ab", detail="revision 1")


@pytest.mark.parametrize(
    ("fact", "values"),
    [
        (RA, {"name": "ra", "value": 40.1, "source": "revision", "source_id": "ab", "detail": "revision 1"}),
        (Fact("separation", 0, of="PKS 0735+178"), {"name": "separation", "value": 0, "of": "PKS 0735+178"}),
        (Fact("contact", ""), {"name": "contact", "value": ""}),
    ],
)
def test_a_fact_is_kept_without_what_is_empty_but_with_its_value(fact: Fact, values: dict[str, Any]) -> None:
    assert fact.to_dict() == values
    assert Fact.from_dict(values) == fact


def test_a_fact_of_a_source_says_whose_it_is() -> None:
    of_source = Fact("separation", 2.1, of="PKS 0735+178")
    assert (RA.key, RA.label) == (("ra", ""), "ra")
    assert (of_source.key, of_source.label) == (("separation", "PKS 0735+178"), "separation of PKS 0735+178")


def test_a_finding_is_told_with_its_place_and_kept_whole() -> None:
    found = Finding(Level.ERROR, "disagrees", "says 3, not 4", "line 7", "3", "4", "revision 1", 10, 11)
    assert str(found) == "line 7: says 3, not 4"
    assert str(Finding(Level.WARNING, "odd", "looks odd")) == "looks odd"
    assert found.to_dict() == {
        "level": "error", "rule": "disagrees", "why": "says 3, not 4", "where": "line 7", "says": "3",
        "expected": "4", "source": "revision 1", "start": 10, "end": 11,
    }  # fmt: skip


def test_only_errors_keep_a_circular_from_being_approved() -> None:
    grave, light = (Finding(level, "odd", "looks odd") for level in (Level.ERROR, Level.WARNING))
    assert errors([light, grave, light]) == [grave]
    assert errors([light]) == []


def test_changes_are_what_came_went_or_has_another_value() -> None:
    old = [RA, Fact("dec", 1.0), Fact("stream", "gold"), Fact("separation", 2.1, of="A")]
    new = [Fact("dec", 1.0, detail="of another revision"), Fact("stream", "bronze"), Fact("separation", 2.1, of="B")]
    found = changes(old, new)
    assert found == [
        Change("ra", "", 40.1, None),
        Change("separation", "A", 2.1, None),
        Change("separation", "B", None, 2.1),
        Change("stream", "", "gold", "bronze"),
    ]
    assert found[0].to_dict() == {"name": "ra", "of": "", "old": 40.1, "new": None}
    assert changes(old, old[::-1]) == []


def test_nothing_is_sent_that_was_not_approved() -> None:
    before = {state: {each for each in State if state in NEXT[each]} for state in State}
    assert before[State.SENDING] == {State.APPROVED}
    assert before[State.SENT] == {State.APPROVED, State.SENDING}
    assert NEXT[State.SENT] == ()
    assert set(NEXT) == set(State)
