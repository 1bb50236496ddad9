"""Merge: two texts made of one become one, and nothing of either is lost."""

import re
from dataclasses import dataclass

from merge3 import Merge3

OURS, BETWEEN, THEIRS = "<<<<<<< ", " ======= ", " >>>>>>>"
"""Around what both have changed, so that a person decides; `skymist.circulars.lint` refuses texts with these."""


@dataclass(frozen=True)
class Merged:
    """A text, and at how many places both sides had changed the same words."""

    text: str
    conflicts: int


def merge(base: str, ours: str, theirs: str) -> Merged:
    """Return both changes of a text, word by word.

    Parameters
    ----------
    base : str
        The text that both were made of.
    ours, theirs : str
        Where both say different things about the same words, the result has both, marked.

    Examples
    --------
    >>> merge("RA 5.1 deg, bronze", "RA 5.2 deg, bronze", "RA 5.1 deg, gold").text
    'RA 5.2 deg, gold'
    """
    parts, conflicts = "", 0
    for group in Merge3(_words(base), _words(ours), _words(theirs)).merge_groups():
        if group[0] != "conflict":
            parts += "".join(group[1])
            continue
        mine, other = "".join(group[2]), "".join(group[3])
        parts += f"{OURS}{mine}{BETWEEN}{other}{THEIRS}"
        conflicts += 1
    return Merged(parts, conflicts)


def _words(text: str) -> list[str]:
    """Return words and what is between them; a number keeps its sign and its point."""
    return re.findall(r"\s|[^\s\w.+-]|[\w.+-]+", text)
