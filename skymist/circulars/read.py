"""Read: what the text of a circular states, whoever wrote it, in the terms of `skymist.circulars.slots`.

Read are our own drafts, edited or not, and the styles in which IceCube has published since 2017: errors in any order
and brackets, days with slashes or in words, angles in degrees, minutes of arc or sexagesimal, sources with separations.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from skymist.model.alert import DAYS_PER_YEAR
from skymist.model.circular import Value

NUMBER = r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
NAME = r"IceCube[- ](?:Cascade[- ])?\d{6}[A-Za-z]{1,2}\b"
SOURCE = r"\b[A-Z0-9][A-Za-z0-9]{1,9}\s(?:B|J)?\d{3,8}(?:\.\d+)?[+-]\d{2,7}(?:\.\d+)?[a-z]?\b"
"""A designation by position, such as 4FGL J0509.4+0542 or TXS 0506+056."""

ANGLES = {"deg": 1.0, "°": 1.0, "arcmin": 1 / 60, "arcsec": 1 / 3600, "h": 15.0, "rad": 57.29577951308232}
_ANGLE = r"deg(?:rees?)?\b|°|arcmin(?:utes?)?\b|arcsec(?:onds?)?\b|rad\b"
RATES = {"year": 1.0, "month": 12.0, "day": DAYS_PER_YEAR, "Hz": DAYS_PER_YEAR * 86_400}
ENERGIES = {"GeV": 1e-3, "TeV": 1.0, "PeV": 1e3, "EeV": 1e6}
WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


@dataclass(frozen=True)
class Statement:
    """One value that a text states.

    Attributes
    ----------
    name : str
        A slot.
    value : str, int or float
        In the unit of its slot.
    start, end : int
        Where it stands in the body; of the subject, both are -1.
    of : str
        Whose it is, such as a source's; empty for the event's.
    digits : int or None
        After the decimal point, as it stands there; None for words, and for what had another unit.
    unit : str
        As it stands there, if it is not the usual one of the slot.
    """

    name: str
    value: Value
    start: int
    end: int
    of: str = ""
    digits: int | None = None
    unit: str = ""


@dataclass(frozen=True)
class Reading:
    """What a text states, in the order of the text, and which numbers in it none of that explains."""

    statements: tuple[Statement, ...]
    unexplained: tuple[tuple[int, int], ...]

    def values(self, name: str, of: str = "") -> list[Value]:
        """Return all that it states of one thing."""
        return [each.value for each in self.statements if (each.name, each.of) == (name, of)]


def read_circular(subject: str, body: str, names: Iterable[str] = ()) -> Reading:
    """Return what a circular states.

    Parameters
    ----------
    subject, body : str
    names : iterable of str
        Of sources, catalogs and events that it may speak of, beside designations by position.
    """
    text = _Text(body, tuple(names))
    found = [Statement("name", standard(each[0]), -1, -1) for each in re.finditer(NAME, subject)]
    for reader in _READERS:
        found += reader(text)
    found = _named(text, found)
    explained = [(each.start, each.end) for each in found] + text.masked
    numbers = ((each.start(), each.end()) for each in re.finditer(rf"(?<![\w.])[+-]?{NUMBER}(?!\w)", body))
    bare = tuple(span for span in numbers if not any(_within(span, other) for other in explained))
    return Reading(tuple(sorted(dict.fromkeys(found), key=lambda each: (each.start, each.end))), bare)


def standard(name: str) -> str:
    """Return the usual writing of an event's name."""
    day = name[-8:].strip("- ").upper() if name[-2].isalpha() else name[-7:].upper()
    return f"IceCube-Cascade {day}" if "cascade" in name.lower() else f"IceCube-{day}"


class _Text:
    """A body, and where in it names, links and sentences are."""

    def __init__(self, body: str, names: tuple[str, ...]) -> None:
        self.body = body
        self.links = [(m.start(), m.end()) for m in re.finditer(r"https?://[^\s)>\]]+[^\s)>\].,;]|\S+@\S+\.\w+", body)]
        known = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True) if name)
        pattern = f"{known}|{SOURCE}|{NAME}" if known else f"{SOURCE}|{NAME}"
        named = re.finditer(rf"(?<![\w/])(?:{pattern})(?![\w/-])", body)
        self.names = [(m.start(), m.end(), m[0]) for m in named if not self._linked(m.start())]
        self.masked = [*self.links, *((start, end) for start, end, _ in self.names)]
        self.masked += [(m.start(), m.end()) for m in re.finditer(_ONLY_WORDS, body)]
        ends = [m.start() + 1 for m in re.finditer(r"[.;](?=\s+[A-Z\d])|\n", body)]
        self.ends = [end for end in ends if not any(start < end <= stop for start, stop, _ in self.names)]

    def _linked(self, place: int) -> bool:
        return any(start <= place < end for start, end in self.links)

    def sentence(self, place: int) -> tuple[int, int]:
        """Return where the sentence, or line, around a place begins and ends."""
        start = max((end for end in self.ends if end <= place), default=0)
        return start, min((end for end in self.ends if end > place), default=len(self.body))

    def before(self, place: int) -> str:
        """Return the sentence up to a place."""
        return self.body[self.sentence(place)[0] : place]

    def name_before(self, place: int) -> str:
        """Return the last name in the sentence up to a place, empty if there is none."""
        start = self.sentence(place)[0]
        return next((name for first, last, name in reversed(self.names) if start <= first and last <= place), "")

    def names_in(self, start: int, end: int) -> list[str]:
        """Return the names of a part of the text."""
        return [name for first, last, name in self.names if start <= first and last <= end]

    def find(self, pattern: str, flags: int = re.IGNORECASE) -> Iterator[re.Match[str]]:
        """Yield what matches, links left out."""
        return (each for each in re.finditer(pattern, self.body, flags) if not self._linked(each.start()))


_ONLY_WORDS = r"\b\d?[A-Z]{2,}[\w-]*\d[\w-]*|\bGCN (?:Circular )?\d+|\[\d+\]|E\^-?\d+(?:\.\d+)?|\b\dFGL\b|\b\dFHL\b"
"""Designations of catalogs, circulars and references, whose digits are no numbers."""


def _number(match: re.Match[str], group: str, name: str, factor: float = 1.0, **more: Any) -> Statement:
    """Return a statement of a number in a group of a match."""
    text = match[group]
    value = float(text) * factor
    digits = len(text.partition(".")[2]) if factor == 1 and "e" not in text.lower() else None
    return Statement(name, value, *match.span(group), digits=digits, **more)


def _unit_of(text: str) -> str:
    """Return the name of a unit of angles as in `ANGLES`."""
    return next((unit for unit in ANGLES if unit != "h" and text.lower().startswith(unit)), "")


# --- position


_COORDINATE = re.compile(r"\b(?:(?P<ra>R\.?A\.?|Right Ascension)|(?P<dec>Decl?\.?|Declination))\s*[:=]?\s*(?=[+-]?\d)")
_DECIMAL = re.compile(rf"(?P<value>[+-]?{NUMBER})\s*(?P<unit>{_ANGLE})?(?![\dhm:])", re.IGNORECASE)
_SEXAGESIMAL = re.compile(
    r"(?P<sign>[+-]?)(?P<a>\d{1,3})\s*(?P<mark>[hd°:])\s*(?P<b>\d{1,2})\s*[m':]\s*(?P<c>\d{1,2}(?:\.\d+)?)\s*[s\"]?"
)
_ERRORS = re.compile(
    rf"\s*[(\[]?\s*(?P<s1>[+-])\s*(?P<e1>{NUMBER})\s*(?P<u1>{_ANGLE})?\s*[,/]?\s*"
    rf"(?P<s2>[+-])\s*(?P<e2>{NUMBER})[\s\])(]*(?P<u2>{_ANGLE})?",
    re.IGNORECASE,
)
_SYMMETRIC = re.compile(rf"\s*[(\[]?\s*(?:\+/-|±)\s*(?P<e>{NUMBER})\s*(?P<u>{_ANGLE})?", re.IGNORECASE)
_EPOCH = re.compile(r"\b[JB]\d{3,4}(?:\.\d+)?\b|\b[Ee]quinox\s+\w+|\bepoch\s+\w+")
_BEFORE = re.compile(r"\b(before|previous|previously|earlier|initial)\b", re.IGNORECASE)
_REACH = 80
"""Letters after a coordinate within which its errors, their containment and the epoch are."""


def _positions(text: _Text) -> Iterator[Statement]:
    marks = list(_COORDINATE.finditer(text.body))
    for place, mark in enumerate(marks):
        ends = [start for start, _, _ in text.names if start > mark.end()]  # all that follows is said of another
        ends += [each.start() for each in marks[place + 1 :]]
        ends += [end for end in (text.body.find("\n", mark.end()), len(text.body)) if end >= 0]
        yield from _coordinate(text, mark, min(mark.end() + _REACH, *ends))


def _coordinate(text: _Text, mark: re.Match[str], stop: int) -> Iterator[Statement]:
    """Yield one coordinate, its errors and what is said of them, up to a place in the text."""
    name = "ra" if mark["ra"] else "dec"
    labelled = text.body[: mark.start()].rpartition("\n")[2].strip(" -*") == ""
    of = "" if labelled else text.name_before(mark.start())
    of = "" if re.fullmatch(NAME, of) else of
    found = _SEXAGESIMAL.match(text.body, mark.end(), stop) or _DECIMAL.match(text.body, mark.end(), stop)
    if found is None:
        return
    prefix = "source_" if of else "previous_" if _BEFORE.search(text.before(mark.start())) and not labelled else ""
    errors = _ERRORS.match(text.body, found.end(), stop)
    value = _value(found, prefix + name, of, (errors and (errors["u2"] or errors["u1"])) or "")
    yield value
    if errors and errors["s1"] != errors["s2"]:
        yield from _both_errors(errors, name, _unit_of(errors["u2"] or errors["u1"] or value.unit) or "deg", of)
    elif symmetric := _SYMMETRIC.match(text.body, found.end(), stop):
        unit = _unit_of(symmetric["u"] or value.unit) or "deg"
        for side in ("plus", "minus"):
            yield _number(symmetric, "e", f"{name}_{side}", ANGLES[unit], of=of)
    rest = text.body[found.end() : stop]
    for each in _EPOCH.finditer(rest):
        start = found.end() + each.start()
        yield Statement("epoch", each[0], start, start + len(each[0]))


def _value(found: re.Match[str], name: str, of: str, unit_of_errors: str) -> Statement:
    """Return a coordinate in degrees."""
    groups = found.groupdict()
    if "mark" in groups:
        sign = -1.0 if groups["sign"] == "-" else 1.0
        hours = name.endswith("ra") and groups["mark"] in "h:"
        degrees = float(groups["a"]) + float(groups["b"]) / 60 + float(groups["c"]) / 3600
        return Statement(name, sign * degrees * (15 if hours else 1), *found.span(), of, 2, "sexagesimal")
    said = groups["unit"] or unit_of_errors
    unit = _unit_of(said) or "deg"
    statement = _number(found, "value", name, ANGLES[unit], of=of)
    return statement if unit in ("deg", "°") else replace(statement, unit=said)


def _both_errors(errors: re.Match[str], name: str, unit: str, of: str) -> Iterator[Statement]:
    for sign, group in (("s1", "e1"), ("s2", "e2")):
        side = "plus" if errors[sign] == "+" else "minus"
        usual = unit in ("deg", "°")
        yield _number(errors, group, f"{name}_{side}", ANGLES[unit], of=of, unit="" if usual else unit)


# --- day and time


_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_DAY = re.compile(r"(?<![\w/-])(?:(\d{4})|(\d\d))[/-](\d\d)[/-](\d\d)(?![\w/-])")
_DAY_IN_WORDS = re.compile(
    rf"\b(?:(?P<m1>{'|'.join(_MONTHS)}) (?P<d1>\d{{1,2}})|(?P<d2>\d{{1,2}}) (?P<m2>{'|'.join(_MONTHS)})),? "
    r"(?P<year>\d{4})\b",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"(?<![\d:])(\d\d:\d\d:\d\d(?:\.\d+)?)(?![\d:])")


def _times(text: _Text) -> Iterator[Statement]:
    for each in text.find(_DAY.pattern):
        year = each[1] or f"20{each[2]}"
        yield Statement("date", f"{year}-{each[3]}-{each[4]}", *each.span())
    for each in text.find(_DAY_IN_WORDS.pattern):
        month = _MONTHS.index((each["m1"] or each["m2"]).lower()) + 1
        day = int(each["d1"] or each["d2"])
        yield Statement("date", f"{each['year']}-{month:02d}-{day:02d}", *each.span())
    for each in text.find(_CLOCK.pattern):
        # Right ascensions are written so, too.
        if not re.search(_COORDINATE.pattern.replace("(?=[+-]?\\d)", "$"), text.body[: each.start()]):
            yield Statement("clock", each[1], *each.span())


# --- rates, energies, probabilities


def _rates(text: _Text) -> Iterator[Statement]:
    pattern = (
        rf"(?<![\w.+-])(?P<v>{NUMBER})\s*(?:false alarms?|events?|alerts?|times)?\s*"
        r"(?:(?:per|a|/|each)\s*(?P<per>year|yr|month|day|second|s\b)|(?P<hz>Hz|s\^?-1|yr\^?-1))"
    )
    for each in text.find(pattern):
        word = (each["per"] or each["hz"]).lower()
        unit = "year" if word.startswith("y") else "Hz" if word[0] in "hs" else word
        yield _number(each, "v", "far_per_year", RATES[unit], unit="" if unit == "year" else unit)


def _energies(text: _Text) -> Iterator[Statement]:
    for each in text.find(rf"(?<![\w.+-])(?P<v>{NUMBER})\s*(?P<unit>GeV|TeV|PeV|EeV)\b"):
        if "energ" in text.body[slice(*text.sentence(each.start()))].lower():
            unit = next(name for name in ENERGIES if name.lower() == each["unit"].lower())
            yield _number(each, "v", "energy_tev", ENERGIES[unit], unit="" if unit == "TeV" else unit)


def _probabilities(text: _Text) -> Iterator[Statement]:
    for each in text.find(rf"signalness[^.\d\n]{{0,40}}(?P<v>{NUMBER})\s*(?P<percent>%)?"):
        yield _number(each, "v", "signalness", 0.01 if each["percent"] else 1.0)
    for each in text.find(rf"(?<![\w.])(?P<v>{NUMBER})\s?%"):
        after = text.body[each.end() : each.end() + 60]
        sentence = text.body[slice(*text.sentence(each.start()))]
        if re.match(r"\s*(?:\w+\s+){0,3}?(?:region|containment|radius|error|uncertainty|localization)", after):
            yield _number(each, "v", "containment")
        elif re.search("purity|on average", sentence, re.IGNORECASE):
            yield _number(each, "v", "purity")
    for each in text.find(r"\b(high|moderate|low) (?:probability|chance) of"):
        yield Statement("probability", each[1].lower(), *each.span(1))
    streams = r"\b(gold|bronze|cascade)(?= stream| alerts? stream)|\bICECUBE_Astrotrack_(GOLD|BRONZE)\b"
    for each in text.find(streams):
        group = 1 if each[1] else 2
        yield Statement("stream", each[group].lower(), *each.span(group))


# --- regions


_MOVES = r"\b(?:moves?|moved|shift(?:s|ed)?)\s+(?:by|of)\s+"


def _regions(text: _Text) -> Iterator[Statement]:
    for each in text.find(rf"(?<![\w.])(?P<v>{NUMBER})\s*(?:deg2|deg\^2|deg²|square degrees?|sq\.? ?deg)"):
        yield _number(each, "v", "area_90")
    for each in text.find(rf"\bradius[^.\d\n]{{0,20}}(?P<v>{NUMBER})\s*(?P<unit>{_ANGLE})"):
        unit = _unit_of(each["unit"]) or "deg"
        yield _number(each, "v", "radius_90", ANGLES[unit], unit="" if unit in ("deg", "°") else unit)
    for each in text.find(rf"{_MOVES}(?P<v>{NUMBER})\s*(?P<unit>{_ANGLE})"):
        yield _number(each, "v", "shift", ANGLES[_unit_of(each["unit"]) or "deg"])


# --- sources


_AWAY = re.compile(
    rf"(?<![\w.+-])(?P<all>(?:{NUMBER}(?:,\s*(?:and\s+)?|\s+and\s+))*{NUMBER})\s*(?P<unit>{_ANGLE})"
    r"(?=,?\s+(?:away|from|off|distant))",
    re.IGNORECASE,
)
_DISTANCE = re.compile(
    rf"(?:distance|separation|offset|separated)\s+(?:of|by)\s+(?P<all>{NUMBER})\s*(?P<unit>{_ANGLE})", re.IGNORECASE
)


def _separations(text: _Text) -> Iterator[Statement]:
    for pattern in (_AWAY, _DISTANCE):
        for each in text.find(pattern.pattern):
            if re.search(f"{_MOVES}$", text.before(each.start())):
                continue
            numbers = list(re.finditer(NUMBER, each["all"]))
            named = text.names_in(text.sentence(each.start())[0], each.start())
            several = list(dict.fromkeys(named))[-len(numbers) :]
            owners = several if len(numbers) > 1 else [text.name_before(each.start())]
            unit = _unit_of(each["unit"]) or "deg"
            for number, of in zip(numbers, [*owners, *[""] * len(numbers)], strict=False):
                yield _separation(number, each.start("all"), ANGLES[unit], of, unit)


def _separation(number: re.Match[str], start: int, factor: float, of: str, unit: str) -> Statement:
    digits = len(number[0].partition(".")[2]) if factor == 1 else None
    usual = "" if unit in ("deg", "°") else unit
    span = start + number.start(), start + number.end()
    return Statement("separation", float(number[0]) * factor, *span, of, digits, usual)


def _counts(text: _Text) -> Iterator[Statement]:
    for each in text.find(r"\bsources of (?P<of>[^\n:]+?) in the \d+% region: (?P<v>\d+)"):
        yield _number(each, "v", "sources_inside", of=each["of"])
    for each in text.find(r"\bno source of (?P<of>[^\n]+?) is in the \d+% region"):
        yield Statement("sources_inside", 0, each.start(), each.start() + 2, each["of"], 0)
    words = "|".join(WORDS)
    for each in text.find(rf"\b(?P<v>{words}) (?:[\w-]+ ){{0,3}}sources?\b(?! of\b)[^.\n]{{0,120}}\d+% "):
        yield Statement("sources_inside", WORDS.index(each["v"].lower()), *each.span("v"), "", 0)


def _chances(text: _Text) -> Iterator[Statement]:
    owner = ""
    pattern = (
        r"(?:\bsources? of (?P<of>[^\n:]+?) (?:is )?in the \d+% region)"
        rf"|(?:\bby chance (?P<expected>{NUMBER}) )"
        rf"|(?:\bat least so many with a probability of (?P<p>{NUMBER}))"
        rf"|(?:\bas good as this by chance with a probability of (?P<best>{NUMBER}))"
    )
    for each in text.find(pattern):
        owner = each["of"] or owner
        for group, name, of in (("expected", "expected_by_chance", owner), ("p", "p_chance", owner),
                                ("best", "p_global", "")):  # fmt: skip
            if each[group]:
                yield _number(each, group, name, of=of)


# --- names and links


def _links(text: _Text) -> Iterator[Statement]:
    for start, end in text.links:
        link = text.body[start:end]
        notice = re.search(r"notices_amon\w*/(\d+_\d+)\.amon", link)
        if notice:
            yield Statement("notice_url", link, start, end)
        elif re.search(r"\.(?:fits|fit)(?:\.gz)?$", link):
            yield Statement("map_url", link, start, end)


def _ids(text: _Text) -> Iterator[Statement]:
    for each in text.find(r"(?<![\w./])(\d{5,7}_\d{4,12})(?!\w)"):
        yield Statement("key", each[1], *each.span())


def _days(text: _Text) -> Iterator[Statement]:
    for each in text.find(rf"(?<![\w.])(?P<v>{NUMBER}) days? (?P<which>before|after)"):
        factor = 1.0 if each["which"].lower() == "before" else -1.0
        yield replace(_number(each, "v", "days", of=text.name_before(each.start())), value=float(each["v"]) * factor)


def _named(text: _Text, found: list[Statement]) -> list[Statement]:
    """Return statements with those of names, each of which is the event's or that of what is said of it."""
    owners = {each.of for each in found}
    for start, end, name in text.names:
        if re.fullmatch(NAME, name) and name not in owners:
            found.append(Statement("name", standard(name), start, end))
    return found


def _within(span: tuple[int, int], other: tuple[int, int]) -> bool:
    return other[0] <= span[0] + 1 and span[1] <= other[1]


_READERS: tuple[Callable[[_Text], Iterable[Statement]], ...] = (
    _positions, _times, _rates, _energies, _probabilities, _regions, _separations, _counts, _chances, _links, _ids,
    _days,
)  # fmt: skip


def moment(date: str, clock: str) -> datetime:
    """Return the time that a day and a time of day tell; ValueError if they are none."""
    return datetime.fromisoformat(f"{date}T{clock}")
