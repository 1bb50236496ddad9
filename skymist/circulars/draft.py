"""Draft: facts put into the words of a template, with the place of each fact in the text."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, FileSystemLoader, StrictUndefined, TemplateError, TemplateNotFound, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from skymist.circulars.slots import SLOTS, written
from skymist.errors import ReadError, RequestError, UnknownNameError
from skymist.model.circular import Fact

TEMPLATES = Path(__file__).parent / "templates"
KINDS = "track", "cascade", "update", "retraction", "counterparts", "coincidence"
"""Of circulars: each is a template of that name."""

MOST_SOURCES = 10
"""Of one catalog that a circular names."""

_OPEN, _MIDDLE, _CLOSE = "\ue000", "\ue001", "\ue002"
_MARKED = re.compile(f"{_OPEN}(\\d+){_MIDDLE}(.*?){_CLOSE}", re.DOTALL)
_KEPT_LINE = re.compile(r"(- |[A-Z][\w %\ue000-\ue002-]{0,40}: )")


@dataclass(frozen=True)
class Span:
    """Where in the body of a text a fact stands."""

    start: int
    end: int
    fact: Fact

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-like values."""
        return {"start": self.start, "end": self.end, "fact": self.fact.to_dict()}


@dataclass(frozen=True)
class Draft:
    """A text made of facts.

    Attributes
    ----------
    subject, body : str
        Plain text; a paragraph of the body is one line.
    spans : tuple of Span
        Of the body, in their order.
    """

    subject: str
    body: str
    spans: tuple[Span, ...] = field(default=())


class _Written:
    """A fact in a template: printed as its slot says, with its place marked; `value` is for conditions."""

    def __init__(self, number: int, fact: Fact) -> None:
        self._number, self._fact = number, fact
        self.value = fact.value

    def __str__(self) -> str:
        return f"{_OPEN}{self._number}{_MIDDLE}{written(self._fact)}{_CLOSE}"


def draft(kind: str, facts: Iterable[Fact], folder: Path | None = None) -> Draft:
    """Return the text of a circular.

    Parameters
    ----------
    kind : str
        One of `KINDS`, or the name of a template of the site.
    facts : iterable of Fact
    folder : Path, optional
        The site's own templates (``KIND.txt``, Jinja2), which go before ours, also for the parts that ours include.

    Raises
    ------
    UnknownNameError
        If there is no such template.
    RequestError
        If a fact is missing that the template states.
    ReadError
        If a template of the site makes no sense; the message names the file and the line.
    """
    known = tuple(facts)
    words = {name: _Written(number, fact) for number, (name, fact) in enumerate(_named(known))}
    values = _of_the_event(known, words) | {"matches": _matches(known, words), "others": _others(known, words)}
    try:
        marked = _environment(folder).get_template(f"{kind}.txt").render(values)
    except TemplateNotFound as error:
        if error.name == f"{kind}.txt":
            raise UnknownNameError("template", kind[:80], templates(folder)) from None
        raise ReadError(f"it includes {error.name}, which is not there", f"{kind}.txt") from None
    except UndefinedError as error:
        raise RequestError(_lacking(kind, str(error.message))) from None
    except TemplateError as error:
        where = getattr(error, "filename", None) or f"{kind}.txt"
        raise ReadError(str(error.message), str(where), getattr(error, "lineno", None)) from None
    return _unmarked(_laid_out(marked), known)


def templates(folder: Path | None = None) -> list[str]:
    """Return the kinds of circulars there are: ours, and those of the site that begin with a subject."""
    own = sorted(folder.glob("*.txt")) if folder is not None and folder.is_dir() else []
    more = [path.stem for path in own if re.search(r"^Subject:", path.read_text(encoding="utf-8"), re.MULTILINE)]
    return list(dict.fromkeys([*KINDS, *more]))


@cache  # it sees by itself when a file of the site has changed
def _environment(folder: Path | None) -> ImmutableSandboxedEnvironment:
    places = [FileSystemLoader(folder)] if folder is not None else []
    return ImmutableSandboxedEnvironment(
        loader=ChoiceLoader([*places, FileSystemLoader(TEMPLATES)]), undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, autoescape=False,
    )  # fmt: skip


def _lacking(kind: str, message: str) -> str:
    """Return what a template states that nothing is known of."""
    name = message.split("'")[1] if "'" in message else ""
    if name not in SLOTS:
        return f"the template {kind} has a slot that there is not: {message}; there are: {', '.join(SLOTS)}"
    hint = ": scan the event first, or wait for its notice" if name in ("ra", "dec") else ""
    return f"the template {kind} states the {SLOTS[name].about} ({name}), of which nothing is known{hint}"


def _named(facts: tuple[Fact, ...]) -> Iterator[tuple[tuple[str, str], Fact]]:
    for fact in facts:
        if fact.name not in SLOTS:
            raise UnknownNameError("slot of circulars", fact.name, SLOTS)
        yield fact.key, fact


def _of_the_event(facts: tuple[Fact, ...], words: Mapping[tuple[str, str], _Written]) -> dict[str, Any]:
    return {fact.name: words[fact.key] for fact in facts if not fact.of}


def _about(name: str, facts: tuple[Fact, ...], words: Mapping[tuple[str, str], _Written]) -> dict[str, Any]:
    """Return all that is known of one source, catalog or other event."""
    return {"name": name, **{fact.name: words[fact.key] for fact in facts if fact.of == name}}


def _matches(facts: tuple[Fact, ...], words: Mapping[tuple[str, str], _Written]) -> list[dict[str, Any]]:
    """Return by catalog its sources in the region, and the nearest of those outside."""
    found = []
    for catalog in (fact for fact in facts if fact.name == "sources_inside"):
        names = [fact.of for fact in facts if fact.name == "catalog" and fact.value == catalog.of and fact.of]
        near = {fact.of: fact.value for fact in facts if fact.name == "inside"}
        sources = [_about(name, facts, words) for name in names]
        found.append({
            **_about(catalog.of, facts, words), "catalog": catalog.of,
            "sources": [each for each in sources if near.get(each["name"]) == "yes"][:MOST_SOURCES],
            "nearest": next((each for each in sources if near.get(each["name"]) == "no"), None),
        })  # fmt: skip
    return found


def _others(facts: tuple[Fact, ...], words: Mapping[tuple[str, str], _Written]) -> list[dict[str, Any]]:
    """Return other events."""
    return [_about(fact.of, facts, words) for fact in facts if fact.name == "days"]


def _laid_out(text: str) -> str:
    """Return a text with each paragraph on one line; lines of a list (``- ``) or with a label (``RA: ``) remain."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    lines = ([" ".join(line.split()) for line in paragraph.split("\n") if line.strip()] for paragraph in paragraphs)
    return "\n\n".join(_joined(each) for each in lines if each)


def _joined(lines: list[str]) -> str:
    text = lines[0]
    for line in lines[1:]:
        text += ("\n" if _KEPT_LINE.match(line) else " ") + line
    return text


def _unmarked(text: str, facts: tuple[Fact, ...]) -> Draft:
    """Return the text without marks, and where they were."""
    head, _, body = text.partition("\n\n")
    if not head.startswith("Subject: "):
        raise ReadError("a template begins with a line `Subject: ...` and an empty one")
    plain, spans, last = "", [], 0
    for mark in _MARKED.finditer(body):
        plain += body[last : mark.start()]
        spans.append(Span(len(plain), len(plain) + len(mark[2]), facts[int(mark[1])]))
        plain, last = plain + mark[2], mark.end()
    return Draft(_MARKED.sub(r"\2", head.removeprefix("Subject: ")), plain + body[last:] + "\n", tuple(spans))
