"""Public names have words: docstrings that name every parameter, with units, and every variable of the environment."""

import ast
import dataclasses
import enum
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from numpydoc.docscrape import NumpyDocString

import skymist
import skymist.client
import skymist.testing
from skymist.client.archive import Archive
from skymist.client.publications import Publications
from skymist.model import options
from skymist.readers import Format

ROOT = Path(__file__).parents[2]

PUBLIC = {
    **{f"skymist.{name}": getattr(skymist, name) for name in skymist.__all__},
    **{f"skymist.client.{name}": getattr(skymist.client, name) for name in skymist.client.__all__},
    "skymist.client.Archive": Archive,
    "skymist.client.Publications": Publications,
    "skymist.testing.check_reconstruction": skymist.testing.check_reconstruction,
    "skymist.testing.check_coverage": skymist.testing.check_coverage,
    "skymist.model.options.Option": options.Option,
    "skymist.model.options.limits": options.limits,
    "skymist.model.options.options": options.options,
    "skymist.model.options.check": options.check,
    "skymist.readers.Format": Format,
}

UNIT = re.compile(
    r"(?<!')\b(radians?|degrees?|steradians?|metres?|nanoseconds?|seconds?|hours?|days?|years?|photo-electrons?"
    r"|[GT]eV|deg2?|ns|m|s|bits?|per cent|unit vectors?|unit of the option|widths of a cell)\b|°",
    re.IGNORECASE,
)
"""Words that say in what a number is counted."""

SUFFIX = re.compile(r"_(ns|gev|tev|deg|deg2|m|s|pe|bits|seconds|hours|days|sr)$")
"""Ends of names that say the same."""

DIMENSIONLESS = {
    "skymist.BestFit.nllh", "skymist.Fit.nllh", "skymist.Region.ts", "skymist.Region.containment",
    "skymist.region.containment", "skymist.contour.containment", "skymist.compare.containments",
    "skymist.testing.check_coverage.containments", "skymist.testing.check_coverage.doubt",
    "skymist.model.options.Option.above", "skymist.model.options.Option.minimum",
    "skymist.model.options.Option.maximum",
}  # fmt: skip
"""Numbers that are counted in nothing (likelihoods, TS, probabilities), and bounds, which are in the option's unit."""


def callables() -> Iterator[tuple[str, Any]]:
    """Yield all functions and methods of public objects by name."""
    for name, item in PUBLIC.items():
        if not inspect.isclass(item):
            yield name, item
            continue
        for key, member in inspect.getmembers(item):
            own = (getattr(member, "__module__", None) or "").startswith("skymist")
            if inspect.isroutine(member) and own and (not key.startswith("_") or (name, key) == CALL):
                yield f"{name}.{key}", member


CALL = "skymist.Reconstruction", "__call__"


def parameters(function: Any) -> list[str]:
    signature = inspect.signature(function)
    return [name for name in signature.parameters if name not in ("self", "cls") and not name.startswith("_")]


def said(item: Any) -> dict[str, tuple[str, str]]:
    """Return what a docstring says of each parameter or attribute: its type and its words."""
    found = NumpyDocString(inspect.getdoc(item) or "")
    return {
        name.strip().lstrip("*"): (entry.type, " ".join(entry.desc))
        for part in ("Parameters", "Attributes")
        for entry in found[part]
        for name in entry.name.split(",")
    }


FUNCTIONS, CLASSES = dict(callables()), {name: item for name, item in PUBLIC.items() if inspect.isclass(item)}
FIELDS = {name: item for name, item in CLASSES.items() if dataclasses.is_dataclass(item)}


@pytest.mark.parametrize("name", sorted({**PUBLIC, **FUNCTIONS}))
def test_every_public_name_has_a_docstring(name: str) -> None:
    item = FUNCTIONS.get(name, PUBLIC.get(name))
    own = item.__dict__.get("__doc__") if inspect.isclass(item) else item.__doc__
    assert own, f"{name} has no docstring"
    assert own.strip().splitlines()[0].endswith((".", ":")), f"{name}: the first line is no sentence"


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_parameter_is_told(name: str) -> None:
    told = said(FUNCTIONS[name])
    assert [each for each in parameters(FUNCTIONS[name]) if each not in told] == []


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_every_field_is_told(name: str) -> None:
    told = said(FIELDS[name])
    missing = [item.name for item in dataclasses.fields(FIELDS[name]) if item.name not in told]
    assert missing == []


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_what_is_returned_is_told(name: str) -> None:
    function, text = FUNCTIONS[name], inspect.getdoc(FUNCTIONS[name]) or ""
    if inspect.signature(function).return_annotation in (None, "None", inspect.Signature.empty):
        return
    told = NumpyDocString(text)
    assert told["Returns"] or told["Yields"] or re.match(r"(Return|Yield|Read) |[^.]* and return ", text)


def numbers() -> Iterator[tuple[str, str, str, str]]:
    """Yield each public number that may have a dimension: where it is, its name, its type in words and what is said."""
    for where, item in {**FUNCTIONS, **FIELDS}.items():
        try:
            hints = get_type_hints(item)
        except (NameError, TypeError):  # a name that is imported for type checkers only
            hints = {}
        for name, (kind, words) in said(item).items():
            hint = str(hints.get(name, ""))
            if re.search(r"\bfloat|ArrayLike|Floats", f"{kind} {hint}") and "mapping" not in kind:
                yield where, name, kind, words


@pytest.mark.parametrize(("where", "name", "kind", "words"), sorted(numbers()))
def test_every_number_says_its_unit(where: str, name: str, kind: str, words: str) -> None:
    known = f"{where}.{name}" in DIMENSIONLESS
    tells = bool(SUFFIX.search(name) or UNIT.search(words) or UNIT.search(kind))
    assert known or tells, f"{where}: {name} has no unit, and is not among those that need none"


def test_numbers_without_a_unit_are_there() -> None:
    assert {f"{where}.{name}" for where, name, *_ in numbers()} >= DIMENSIONLESS


def variables() -> dict[str, str]:
    """Return the variables of the environment that the code reads, with the file that does."""
    found = {}
    for path in (ROOT / "skymist").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            given: list[Any] = []
            if isinstance(node, ast.Call) and re.fullmatch(r"os\.(environ\.\w+|getenv)", ast.unparse(node.func)):
                given = node.args[:1]
            elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
                given = [node.slice]
            elif isinstance(node, ast.keyword) and node.arg == "envvar":
                given = [node.value]
            elif isinstance(node, ast.Constant) and re.fullmatch(r"SKYMIST_[A-Z_]+", str(node.value)):
                given = [node]
            found |= {each.value: str(path) for each in given if isinstance(each, ast.Constant)}
    return found


def test_every_variable_of_the_environment_is_in_the_reference() -> None:
    page = (ROOT / "docs/reference/environment.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`([A-Z][A-Z_0-9]+)`", page))
    found = variables()
    assert {"SKYMIST_TOKEN", "SKYMIST_DATABASE", "SKYMIST_MIRROR", "XDG_DATA_HOME", "NUMBA_CACHE_DIR"} <= set(found)
    assert {name: path for name, path in found.items() if name not in told} == {}


def test_no_variable_is_told_that_nothing_reads() -> None:
    page = (ROOT / "docs/reference/environment.md").read_text(encoding="utf-8")
    ours = set(re.findall(r"^\| `(SKYMIST_[A-Z_]+)`", page, re.MULTILINE))
    files = [path for part in ("skymist", "tests", ".ci") for path in (ROOT / part).rglob("*") if path.is_file()]
    text = "".join(path.read_text(encoding="utf-8") for path in files if path.suffix in (".py", ""))
    assert {name for name in ours if not re.search(rf"\b{name}\b", text)} == set()


def test_status_and_other_choices_are_told_with_their_values() -> None:
    choices = [item for item in CLASSES.values() if issubclass(item, enum.Enum)]
    assert choices
    assert all(inspect.getdoc(item) for item in choices)
