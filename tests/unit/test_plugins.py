"""Plug-ins by name, and their options."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from skymist import plugins
from skymist.errors import RequestError, UnknownNameError


@dataclass(frozen=True)
class Tool:
    name: ClassVar[str] = "tool"
    width: float = 1.5
    count: int = 3
    quick: bool = False
    limit: float | None = None

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("count must not be negative")


def test_built_ins_are_entry_points() -> None:
    assert {"bowl", "track-mpe"} <= set(plugins.names(plugins.RECONSTRUCTIONS))
    assert plugins.load(plugins.RECONSTRUCTIONS, "bowl").name == "bowl"


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"no reconstruction is called 'bawl'; there are: bowl, cascade"):
        plugins.load(plugins.RECONSTRUCTIONS, "bawl")


def test_text_is_read_as_the_fields_type() -> None:
    made = plugins.configure(Tool, {"width": "2", "count": "7", "quick": "yes", "limit": "none"})
    assert made == Tool(2.0, 7, True, None)
    assert plugins.configure(Tool, {"limit": "3.5"}).limit == 3.5
    assert plugins.configure(Tool, {"width": 0.25}) == Tool(0.25)
    assert type(plugins.configure(Tool, {"width": 5}).width) is float  # else 5 and 5.0 were two requests


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"wdith": "1"}, r"no option of tool is called 'wdith'; .*width \(default 1.5\)"),
        ({"count": "1.5"}, "count='1.5' is not of type int"),
        ({"width": "nan"}, "width='nan' is not a finite number"),
        ({"width": "1e999"}, "width='1e999' is not a finite number"),
        ({"quick": "maybe"}, "quick='maybe' is not of type bool"),
        ({"limit": "x"}, "limit='x' is not of type float or NoneType"),
        ({"count": "-1"}, "must not be negative"),
    ],
)
def test_wrong_options_are_named(options: dict[str, str], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        plugins.configure(Tool, options)
