"""Options of a reconstruction: what they are, and which values they take."""

import re
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any, get_args, get_type_hints

from skymist.errors import RequestError

Number = int | float


@dataclass(frozen=True)
class Option:
    """An option: a field of the reconstruction's dataclass.

    Attributes
    ----------
    name : str
    type : str
        bool, int, float or str, or several of them (``float | None``).
    default : object
        None if there is none.
    about : str
        In words, as the docstring of the class has them under ``Attributes``.
    unit : str
        Empty if it has none.
    above, minimum, maximum : float, optional
        It is greater than `above`, and goes from `minimum` to `maximum`.
    choices : tuple
        Its only values; empty if there are others.
    """

    name: str
    type: str
    default: Any
    about: str = ""
    unit: str = ""
    above: Number | None = None
    minimum: Number | None = None
    maximum: Number | None = None
    choices: tuple[Any, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of the types it may have."""
        return tuple(kind.strip() for kind in self.type.split("|"))

    @property
    def rule(self) -> str:
        """Which values it takes, such as ``0 < starts <= 100``; empty if any."""
        if self.choices:
            return f"{self.name} = {' or '.join(map(str, self.choices))}"
        if self.above is None and self.minimum is None:
            return "" if self.maximum is None else f"{self.name} <= {self.maximum:g}"
        if self.maximum is None:
            return f"{self.name} > {self.above:g}" if self.above is not None else f"{self.name} >= {self.minimum:g}"
        least = f"{self.above:g} <" if self.above is not None else f"{self.minimum:g} <="
        return f"{least} {self.name} <= {self.maximum:g}"

    def takes(self, value: Any) -> bool:
        """Return whether a value keeps to the rule.

        Parameters
        ----------
        value : object
        """
        if self.choices:
            return value in self.choices
        if not self.rule:
            return True
        if value is None or isinstance(value, str):
            return value is None and "None" in self.kinds
        low = (self.above is None or value > self.above) and (self.minimum is None or value >= self.minimum)
        return bool(low and (self.maximum is None or value <= self.maximum))


def limits(
    *,
    above: Number | None = None,
    minimum: Number | None = None,
    maximum: Number | None = None,
    choices: tuple[Any, ...] = (),
    unit: str = "",
) -> dict[str, Any]:
    """Return the metadata of a field that is an option: which values it takes, see `Option`.

    Parameters
    ----------
    above, minimum, maximum : float, optional
        In the unit of the option: it is greater than `above`, and goes from `minimum` to `maximum`.
    choices : tuple
        Its only values.
    unit : str
        Such as ``m``; empty if it has none.

    Examples
    --------
    >>> from dataclasses import dataclass, field
    >>> @dataclass(frozen=True)
    ... class Line:
    ...     scale_m: float = field(default=60.0, metadata=limits(above=0, unit="m"))
    >>> options(Line)[0].rule
    'scale_m > 0'
    """
    return {"above": above, "minimum": minimum, "maximum": maximum, "choices": choices, "unit": unit}


@cache
def options(kind: Any) -> tuple[Option, ...]:
    """Return the options of a reconstruction, which may say of each with `limits` which values it takes.

    Parameters
    ----------
    kind : type
        Its dataclass.
    """
    hints, words = get_type_hints(kind), _words(kind.__doc__ or "")
    return tuple(
        Option(
            item.name, _written(hints[item.name]), None if item.default is MISSING else item.default,
            words.get(item.name, ""), **{key: item.metadata[key] for key in _LIMITS if key in item.metadata},
        )
        for item in fields(kind)
    )  # fmt: skip


_LIMITS = "unit", "above", "minimum", "maximum", "choices"


def check(reconstruction: Any) -> None:
    """Refuse values that the options of a reconstruction do not take; for its ``__post_init__``.

    Parameters
    ----------
    reconstruction : Reconstruction

    Raises
    ------
    RequestError
    """
    kind: Any = type(reconstruction)
    for option in options(kind):
        value = getattr(reconstruction, option.name)
        if not option.takes(value):
            raise RequestError(f"{reconstruction.name} needs {option.rule}, not {value}")


def _written(hint: Any) -> str:
    return " | ".join("None" if kind is type(None) else getattr(kind, "__name__", str(kind)) for kind in _kinds(hint))


def _kinds(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) or (hint,)


_ENTRY = re.compile(r"^(\w+(?:, \w+)*) : .*$")


def _words(docstring: str) -> dict[str, str]:
    """Return what a docstring in numpy's style says of attributes, each in one line."""
    found: dict[str, str] = {}
    names: list[str] = []
    inside, lines = False, [line.strip() for line in docstring.splitlines()]
    for text, below in zip(lines, [*lines[1:], ""], strict=True):
        if _is_rule(below):
            inside, names = text == "Attributes", []
        elif inside and (entry := _ENTRY.match(text)):
            names = entry[1].split(", ")
        else:
            found.update({name: f"{found.get(name, '')} {text}".strip() for name in names})
    return found


def _is_rule(line: str) -> bool:
    """Return whether a line is what stands below the head of a section."""
    return len(line) > 2 and set(line) == {"-"}
