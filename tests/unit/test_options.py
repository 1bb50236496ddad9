"""Options of a reconstruction: told to forms, and checked, by the same words."""

from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from skymist import plugins
from skymist.errors import RequestError
from skymist.model.options import Option, check, limits, options


@dataclass(frozen=True)
class Tool:
    """A tool.

    It does something.

    Attributes
    ----------
    width, height : float
        Of the thing,
        in two lines.
    count : int
        How many.
    mode : str
        One of two.

    Notes
    -----
    None.
    """

    width: float = field(default=1.5, metadata=limits(above=0, maximum=10, unit="m"))
    height: float = field(default=1.0, metadata=limits(above=0))
    count: int = field(default=3, metadata=limits(minimum=1, maximum=5))
    mode: str = field(default="fast", metadata=limits(choices=("fast", "slow")))
    most: float | None = field(default=None, metadata=limits(maximum=7))
    free: str = "x"

    name: ClassVar[str] = "tool"

    def __post_init__(self) -> None:
        check(self)


def test_fields_and_docstring_tell_of_options() -> None:
    found = {each.name: each for each in options(Tool)}
    assert list(found) == ["width", "height", "count", "mode", "most", "free"]
    assert found["width"] == Option("width", "float", 1.5, "Of the thing, in two lines.", "m", above=0, maximum=10)
    assert found["height"].about == found["width"].about
    assert (found["most"].type, found["most"].kinds) == ("float | None", ("float", "None"))
    assert [each.rule for each in found.values()] == [
        "0 < width <= 10", "height > 0", "1 <= count <= 5", "mode = fast or slow", "most <= 7", "",
    ]  # fmt: skip
    assert [each.about for each in found.values()][2:] == ["How many.", "One of two.", "", ""]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": 0}, "tool needs 0 < width <= 10, not 0"),
        ({"width": 10.5}, "tool needs 0 < width <= 10, not 10.5"),
        ({"width": None}, "tool needs 0 < width <= 10, not None"),
        ({"width": "wide"}, "tool needs 0 < width <= 10, not wide"),
        ({"width": float("nan")}, "tool needs 0 < width <= 10, not nan"),
        ({"count": 6}, "tool needs 1 <= count <= 5, not 6"),
        ({"mode": "odd"}, "tool needs mode = fast or slow, not odd"),
        ({"most": 8.0}, "tool needs most <= 7, not 8.0"),
    ],
)
def test_other_values_are_refused_with_the_rule(values: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as refusal:
        Tool(**values)
    assert str(refusal.value) == message


def test_the_bounds_themselves_belong_where_they_are_said_to() -> None:
    assert Tool(width=10, count=1, mode="slow", most=7.0) != Tool(count=5, most=None)


@pytest.mark.parametrize("name", plugins.names(plugins.RECONSTRUCTIONS))
def test_what_comes_with_skymist_explains_its_options(name: str) -> None:
    for option in options(plugins.load(plugins.RECONSTRUCTIONS, name)):
        assert option.about.endswith("."), option
        assert option.takes(option.default), option


def test_a_minimum_alone_is_told() -> None:
    assert Option("seconds", "float", 0.0, minimum=0).rule == "seconds >= 0"


def test_limits_are_metadata_of_a_field() -> None:
    nothing = {"above": None, "minimum": None, "maximum": None, "choices": (), "unit": ""}
    assert limits() == nothing
    assert limits(above=1, maximum=3.5, unit="m") == {**nothing, "above": 1, "maximum": 3.5, "unit": "m"}
    assert limits(minimum=-1, choices=("a", 2)) == {**nothing, "minimum": -1, "choices": ("a", 2)}


@pytest.mark.parametrize(
    ("hint", "written"),
    [(int, "int"), (int | str, "int | str"), (Path | None, "Path | None"), (Literal["fast", 2], "fast | 2")],
)
def test_types_are_told_by_their_names(hint: Any, written: str) -> None:
    (found,) = options(make_dataclass("Thing", [("width", hint)]))
    assert (found.type, found.default) == (written, None)
    assert found.kinds == tuple(written.split(" | "))


@pytest.mark.parametrize(
    ("docstring", "about"),
    [
        ("""Width and more.

        width : float
            Before any section.
        """, ""),
        ("""A thing.

        Parameters
        ----------
        width : float
            Of another section.

        Attributes
        ----------
        width : float
            Of the thing.

            In two paragraphs.

        Notes
        -----
        width : float
            Of a later section.
        """, "Of the thing. In two paragraphs."),
        ("""A thing.

        Attributes
        ---
        width : float
            Under a short line.
        """, "Under a short line."),
        ("""A thing.

        Attributes
        --
        width : float
            Under a dash.
        """, ""),
    ],
    ids=["none", "sections", "short", "dash"],
)  # fmt: skip
def test_only_attributes_in_the_docstring_are_options(docstring: str, about: str) -> None:
    (found,) = options(make_dataclass("Thing", [("width", float, 1.5)], namespace={"__doc__": docstring}))
    assert found == Option("width", "float", 1.5, about)


@pytest.mark.parametrize(
    ("rule", "inside", "outside"),
    [
        ({"above": 1, "maximum": 2}, [1.001, 2], [1, 2.001, None, "1.5"]),
        ({"above": 1}, [1.001, 1e9], [1, 0]),
        ({"minimum": 1, "maximum": 2}, [1, 2], [0.999, 2.001]),
        ({"minimum": 1}, [1, 1e9], [0.999]),
        ({"maximum": 2}, [-1e9, 2], [2.001, float("nan")]),
        ({"choices": ("a", None)}, ["a", None], ["b", 1]),
        ({}, [-1e9, "a", None], []),
    ],
)
def test_an_option_takes_what_its_rule_says(rule: dict[str, Any], inside: list[Any], outside: list[Any]) -> None:
    option = Option("width", "float", 1.5, **rule)
    assert [option.takes(value) for value in inside] == [True] * len(inside)
    assert [option.takes(value) for value in outside] == [False] * len(outside)


def test_an_option_that_may_be_none_takes_it_whatever_its_limits() -> None:
    option = Option("width", "float | None", None, above=0)
    assert (option.takes(None), option.takes(0.0), option.takes("None")) == (True, False, False)
