"""Lint: whether a text keeps the rules of GCN's circulars, and whether all that it states is so.

Rules: https://gcn.nasa.gov/docs/circulars/styleguide and the checks of the service itself.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from skymist.circulars.read import NAME, Reading, Statement, read_circular, standard
from skymist.circulars.slots import OBSERVATION, agrees, written
from skymist.model.circular import Fact, Finding, Level

ERROR, WARNING = Level.ERROR, Level.WARNING
MOST_LINES, LONGEST_SUBJECT = 60, 150

REPLIES = "re:", "fwd:", "fw:", "aw:", "automatic reply", "out of office", "vacation", "subject:"
"""With which GCN takes a subject for an answer of a machine."""

_PLACEHOLDER = re.compile(r"<{7} | >{7}|\{\{|\}\}|\{%|\bTODO\b|\bTBD\b|\bXXX+\b|\?\?\?")
_SIGNATURE = re.compile(r"^\s*(--\s*$|(best|kind|warm)( regards| wishes)?,?\s*$|sincerely|cheers,?\s*$)", re.IGNORECASE)
_MARKUP = re.compile(r"</?[a-zA-Z][^>\n]{0,80}>|\*\*|^#{1,6} |\]\(https?:|^\s*\|.*\|\s*$|```|&[a-z]+;", re.MULTILINE)
_ERRORS_OF_POSITION = "ra_plus", "ra_minus", "dec_plus", "dec_minus"


def lint(subject: str, body: str, facts: Iterable[Fact]) -> list[Finding]:
    """Return all that is wrong in a circular, or may be, in the order of the text.

    Parameters
    ----------
    subject, body : str
    facts : iterable of Fact
        As the records, the map and the catalogs have them now. Without any, only the rules are looked at.
    """
    known = tuple(facts)
    found = [*_of_subject(subject, known), *_of_body(body), *_of_events(subject, body, known)]
    if known:
        found += _of_values(subject, body, known)
    return sorted(found, key=lambda each: (-1 if each.start is None else each.start, each.rule))


def _of_subject(subject: str, facts: tuple[Fact, ...]) -> Iterator[Finding]:
    place = "subject"
    if not subject.strip():
        yield Finding(ERROR, "subject", "there is none", place)
        return
    if "icecube" not in subject.lower():
        yield Finding(ERROR, "keyword", "GCN takes it only with a keyword it knows: IceCube", place)
    if reply := next((word for word in REPLIES if re.search(rf"(^|\s){re.escape(word)}", subject.lower())), None):
        yield Finding(ERROR, "reply", f"GCN takes it for an answer of a machine because of {reply!r}", place)
    if "\n" in subject or len(subject) > LONGEST_SUBJECT:
        yield Finding(ERROR, "subject", f"it is one line of at most {LONGEST_SUBJECT} letters", place)
    if not re.match(rf"{NAME}(?: - |: )\S", subject):
        why = "it does not begin with the name of the event and ' - ', by which GCN puts circulars together"
        yield Finding(ERROR if facts else WARNING, "pattern", why, place, says=subject[:40])


def _of_body(body: str) -> Iterator[Finding]:
    lines = body.strip("\n").split("\n")
    if not body.strip():
        yield Finding(ERROR, "body", "there is none", "body")
    if len(lines) >= MOST_LINES:
        yield Finding(ERROR, "length", f"{len(lines)} lines; it should have less than {MOST_LINES}", "body")
    for pattern, rule, why, level in (
        (_PLACEHOLDER, "placeholder", "something is still to be filled in", ERROR),
        (_MARKUP, "plain text", "markup, which readers of plain text see as it is", WARNING),
        (re.compile(r"[\x00-\x08\x0b-\x1f\x7f]"), "plain text", "a control character", ERROR),
        (re.compile(r"[^\x00-\x7f]"), "plain text", "a letter that some readers of e-mail cannot show", WARNING),
    ):
        if each := pattern.search(body):
            yield _at(body, level, rule, why, each.start(), each.end())
    yield from _of_lines(body, lines)


def _of_lines(body: str, lines: list[str]) -> Iterator[Finding]:
    start = 0
    for number, line in enumerate(lines):
        if _SIGNATURE.match(line) and number >= len(lines) - 8:
            yield _at(body, WARNING, "signature", "GCN signs circulars itself", start, start + len(line))
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if 55 <= len(line) <= 100 and re.search(r"[\w,]$", line) and re.match(r"[a-z]", following):
            why = "the line is broken by hand; readers' screens break lines"
            yield _at(body, WARNING, "line wrap", why, start, start + len(line))
            return
        start += len(line) + 1


def _of_events(subject: str, body: str, facts: tuple[Fact, ...]) -> Iterator[Finding]:
    """Yield a finding if it is about more than one event."""
    mine = standard(found[0]) if (found := re.match(NAME, subject)) else ""
    ours = {fact.of for fact in facts} | {fact.value for fact in facts if fact.name == "name"} or {mine}
    for each in re.finditer(rf"(?<![\w/.]){NAME}", body):  # those in links are compared with the links of the records
        if standard(each[0]) not in ours:
            why = "another event: a circular is about one"
            yield _at(body, ERROR, "one event", why, *each.span(), says=each[0], expected=mine)


def _of_values(subject: str, body: str, facts: tuple[Fact, ...]) -> Iterator[Finding]:
    by_key = {fact.key: fact for fact in facts}
    reading = read_circular(subject, body, {fact.of for fact in facts if fact.of} | _names_among(facts))
    for statement in reading.statements:
        if finding := _checked(body, statement, by_key):
            yield finding
    yield from _missing(reading, by_key)
    for start, end in reading.unexplained:
        why = "a number that no record explains"
        yield _at(body, WARNING, "unexplained", why, start, end, says=body[start:end])


def _names_among(facts: tuple[Fact, ...]) -> set[str]:
    """Return values that have digits and are no numbers: catalogs, reconstructions, sentences of people."""
    words = "reconstruction", "calibration", "reporter", "contact", "topic", "catalog"
    return {str(fact.value) for fact in facts if fact.name in words}


def _checked(body: str, statement: Statement, facts: Mapping[tuple[str, str], Fact]) -> Finding | None:
    """Return what is wrong with a statement, if anything is."""
    fact = _meant(statement, facts)
    if fact is None:
        return _unknown(body, statement)
    if _agrees(fact, statement):
        return _odd_unit(body, statement, fact)
    says = body[statement.start : statement.end] if statement.start >= 0 else str(statement.value)
    says += f" {statement.unit}" if statement.unit and statement.unit not in says else ""
    why = f"the {fact.label.replace('_', ' ')} is {says!r} here and {written(fact)!r} in the records"
    return _at(body, ERROR, "disagrees", why, statement.start, statement.end, says, written(fact), _source(fact))


def _meant(statement: Statement, facts: Mapping[tuple[str, str], Fact]) -> Fact | None:
    """Return the fact that a statement is of; a count or a separation may leave open whose it is, if there is one."""
    if found := facts.get((statement.name, statement.of)):
        return found
    if statement.of or statement.name not in ("sources_inside", "separation"):
        return None
    all_of_it = [fact for (name, _), fact in facts.items() if name == statement.name]
    return all_of_it[0] if len(all_of_it) == 1 else None


def _agrees(fact: Fact, statement: Statement) -> bool:
    if fact.name == "clock":
        return _same_clock(str(fact.value), str(statement.value))
    if fact.name.endswith("ra") and not 0 <= float(statement.value) <= 360:
        return False
    if statement.unit and isinstance(statement.value, float):
        return abs(statement.value - float(fact.value)) <= max(0.005, 1e-3 * abs(float(fact.value)))
    return agrees(fact, statement.value, statement.digits)


def _same_clock(known: str, says: str) -> bool:
    """Return whether two times of day are the same, as exactly as the shorter one is written: to 0.1 s at least."""
    short = min(len(known), len(says))
    return known[:short] == says[:short] and (short >= len("00:00:00.0") or known == says)


def _unknown(body: str, statement: Statement) -> Finding | None:
    if statement.name in ("epoch", "containment"):  # of records without a position
        return None
    what = statement.name.replace("_", " ") + (f" of {statement.of}" if statement.of else "")
    says = body[statement.start : statement.end] if statement.start >= 0 else str(statement.value)
    level = ERROR if statement.name in ("name", "key", "notice_url") else WARNING
    return _at(body, level, "unknown", f"no record tells the {what}", statement.start, statement.end, says)


def _odd_unit(body: str, statement: Statement, fact: Fact) -> Finding | None:
    """Return a finding for a value that is right, but in a unit in which circulars do not tell it."""
    if not statement.unit or statement.unit == "sexagesimal":
        return None
    why = f"circulars do not tell the {fact.label.replace('_', ' ')} in {statement.unit}"
    says = body[statement.start : statement.end]
    return _at(body, ERROR, "unit", why, statement.start, statement.end, says, written(fact), _source(fact))


def _missing(reading: Reading, facts: Mapping[tuple[str, str], Fact]) -> Iterator[Finding]:
    """Yield what has to be stated, and cannot be found."""
    if ("reason", "") in facts:
        wanted: tuple[str, ...] = ("name",)
    else:
        wanted = (*OBSERVATION, *_ERRORS_OF_POSITION, "radius_90", "containment")
    for name in wanted:
        fact = facts.get((name, ""))
        if fact is not None and not reading.values(name):
            why = f"the {name.replace('_', ' ')} is not told, or not so that it can be read"
            yield Finding(ERROR, "missing", why, "body", expected=written(fact), source=_source(fact))


def _source(fact: Fact) -> str:
    return fact.detail or " ".join(filter(None, (fact.source, fact.source_id[:12])))


def _at(
    body: str, level: Level, rule: str, why: str, start: int, end: int, says: str = "", expected: str = "",
    source: str = "",
) -> Finding:  # fmt: skip
    """Return a finding at a place of the body; of the subject, `start` is -1."""
    if start < 0:
        return Finding(level, rule, why, "subject", says, expected, source)
    where = f"line {body.count(chr(10), 0, start) + 1}"
    return Finding(level, rule, why, where, says, expected, source, start, end)
