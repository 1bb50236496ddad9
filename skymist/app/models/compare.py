"""Comparisons: two texts word by word, and what a text says otherwise than the last notice."""

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skymist.model import sky

SAME, ADDED, REMOVED = "same", "added", "removed"

Parts = list[list[str]]
"""Pairs of one of `SAME`, `ADDED`, `REMOVED` and a text."""


def words(old: str, new: str) -> Parts:
    """Return what is different between two texts, word by word: first by lines, then within those that differ.

    Examples
    --------
    >>> words("RA 5.1 deg", "RA 5.2 deg")
    [['same', 'RA '], ['removed', '5.1'], ['added', '5.2'], ['same', ' deg']]
    """
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    found: Parts = []
    for kind, i, j, k, m in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        one, other = "".join(before[i:j]), "".join(after[k:m])
        if kind == "replace":
            found += _within(_split(one), _split(other))
        elif kind == "equal":
            found.append([SAME, one])
        else:
            found += [[REMOVED, one]] * bool(one) + [[ADDED, other]] * bool(other)
    return _joined(found)


def _split(text: str) -> list[str]:
    """Return words and what is between them; a number keeps its sign and its point."""
    return re.findall(r"\s+|[+-]?\w+(?:[.:-]\w+)*|[^\w\s]", text)


def _within(old: Sequence[str], new: Sequence[str]) -> Iterator[list[str]]:
    for kind, i, j, k, m in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            yield [SAME, "".join(old[i:j])]
            continue
        if i < j:
            yield [REMOVED, "".join(old[i:j])]
        if k < m:
            yield [ADDED, "".join(new[k:m])]


def _joined(parts: Iterable[list[str]]) -> Parts:
    """Return parts with neighbours of one kind as one."""
    found: Parts = []
    for kind, text in parts:
        if found and found[-1][0] == kind:
            found[-1] = [kind, found[-1][1] + text]
        else:
            found.append([kind, text])
    return found


def changes(parts: Parts) -> int:
    """Return at how many places there is a difference."""
    kinds = [kind for kind, _ in parts]
    return sum(kind != SAME and (n == 0 or kinds[n - 1] == SAME) for n, kind in enumerate(kinds))


@dataclass(frozen=True)
class Row:
    """One value, as the notice and the text have it; empty where they do not say it.

    Attributes
    ----------
    label, old, new, change : str
    """

    label: str
    old: str
    new: str
    change: str = ""

    @property
    def differs(self) -> bool:
        """Whether both say it, and not the same, or only one does."""
        return self.old != self.new


_VALUES = (
    ("ra", "Right ascension (J2000)", "°", ".2f"), ("dec", "Declination (J2000)", "°", "+.2f"),
    ("ra_plus", "Error of RA, +", "°", ".2f"), ("ra_minus", "Error of RA, −", "°", ".2f"),
    ("dec_plus", "Error of Dec, +", "°", ".2f"), ("dec_minus", "Error of Dec, −", "°", ".2f"),
    ("radius_90", "Radius with 90 %", "°", ".2f"), ("area_90", "Area with 90 %", " deg²", ".2f"),
    ("energy_tev", "Energy", " TeV", ".4g"), ("far_per_year", "False alarms", " per year", ".3g"),
    ("signalness", "Signalness", "", ".3g"),
)  # fmt: skip


def with_notice(said: Mapping[str, Any], facts: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return the values of a notice beside those of a text, and by how much they differ.

    Parameters
    ----------
    said : mapping
        Content of a revision of the alert, as the service has it.
    facts : iterable of mapping
        Of the text.
    """
    old = said_by(said)
    new = {str(fact["name"]): fact["value"] for fact in facts if not fact.get("of")}
    rows = [_row(label, unit, form, old.get(name), new.get(name)) for name, label, unit, form in _VALUES]
    return [*_moved(old, new), *(row for row in rows if row.old or row.new)]


def said_by(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a revision says, with names as facts have them."""
    errors = content.get("errors_90") or ()
    return {**content, **dict(zip(("ra_plus", "ra_minus", "dec_plus", "dec_minus"), errors, strict=False))}


def _row(label: str, unit: str, form: str, old: Any, new: Any) -> Row:
    one, other = ("" if each is None else f"{float(each):{form}}{unit}" for each in (old, new))
    change = "" if None in (old, new) or one == other else _change(float(old), float(new), unit, form)
    return Row(label, one, other, change)


def _change(old: float, new: float, unit: str, form: str) -> str:
    sign = "+" if new > old else "−"
    return f"{sign}{abs(new - old):{form.lstrip('+')}}{unit}"


def _moved(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the angle between both positions."""
    places = [each.get(name) for each in (old, new) for name in ("ra", "dec")]
    if None in places:
        return
    apart = math.degrees(float(sky.separation(*np.radians(np.array(places, float)))))
    yield Row("Position", "", "", f"moved by {apart:.2f}°" if apart >= 0.005 else "the same")
