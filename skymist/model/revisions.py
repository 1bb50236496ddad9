"""Revisions side by side: what each says in words, and what one says otherwise than another."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from skymist.model import sky
from skymist.model.alert import Revision


@dataclass(frozen=True)
class Quantity:
    """Something that revisions say.

    Attributes
    ----------
    name : str
        For programs.
    label : str
        For people.
    write : callable
        Revision -> text with its unit; empty if that does not say it.
    """

    name: str
    label: str
    write: Callable[[Revision], str]


@dataclass(frozen=True)
class Difference:
    """What a revision says otherwise than another one; empty where that says nothing of it.

    Attributes
    ----------
    name, label : str
        Of the `Quantity`; ``place`` if just one of two revisions says where.
    old, new : str
    """

    name: str
    label: str
    old: str
    new: str

    def __str__(self) -> str:
        if self.name == MOVED:
            return f"moved by {self.new}"
        if not self.old:
            return f"{self.label} {self.new} (not said before)"
        return f"{self.label} {self.old} → {self.new}" if self.new else f"{self.label} not said any more"


MOVED = "position"


def label_of(revision: Revision) -> str:
    """Return what a revision is called beside others."""
    if revision.catalog:
        return revision.catalog
    return str(revision.kind) if revision.number is None else f"revision {revision.number}"


def differences(before: Revision, after: Revision) -> tuple[Difference, ...]:
    """Return what a revision says otherwise than another one, in the order of `QUANTITIES`; the position first.

    Examples
    --------
    >>> import numpy as np
    >>> one = Revision(1, 1, np.datetime64("2026-01-01"), ra=10.0, dec=0.0, energy_tev=120.0)
    >>> other = Revision(1, 1, np.datetime64("2026-01-01"), ra=10.5, dec=0.0, energy_tev=150.0)
    >>> [str(each) for each in differences(one, other)]
    ['moved by 0.50°', 'energy 120 TeV → 150 TeV']
    """
    found = [_moved(before, after)]
    for each in QUANTITIES:
        if each.name != MOVED and (texts := (each.write(before), each.write(after)))[0] != texts[1]:
            found.append(Difference(each.name, each.label, *texts))
    return tuple(each for each in found if each is not None)


def distance_deg(before: Revision, after: Revision) -> float | None:
    """Return how far two positions are apart, degrees; None if one of them is not told."""
    if before.ra is None or before.dec is None or after.ra is None or after.dec is None:
        return None
    return float(np.degrees(sky.separation(*np.radians([before.ra, before.dec, after.ra, after.dec]))))


def _moved(before: Revision, after: Revision) -> Difference | None:
    distance = distance_deg(before, after)
    if distance is None:
        texts = _position(before), _position(after)
        return None if texts[0] == texts[1] else Difference("place", "position", *texts)
    if distance < 1e-4:
        return None
    return Difference(MOVED, "position", "", f"{distance:.2f}°" if distance >= 0.01 else f"{distance * 3600:.1f}″")


def _position(each: Revision) -> str:
    return "" if each.ra is None or each.dec is None else f"RA {each.ra:.2f}°, Dec {each.dec:+.2f}°"


def _radius(each: Revision) -> str:
    return "" if each.circle_90 is None else f"{each.circle_90:.2f}°"


def _errors(each: Revision) -> str:
    if each.errors_90 is None:
        return ""
    east, west, north, south = each.errors_90
    return f"RA +{east:g}° −{west:g}°, Dec +{north:g}° −{south:g}°"


def _number(name: str, unit: str, each: Revision) -> str:
    value = getattr(each, name)
    if value is None:
        return ""
    return f"{np.format_float_positional(value, precision=4, fractional=False, trim='-')}{unit}"


def _text(name: str, each: Revision) -> str:
    return str(getattr(each, name))


def _systematic(each: Revision) -> str:
    return {None: "", True: "with systematics", False: "statistical only"}[each.systematic]


QUANTITIES = (
    Quantity(MOVED, "position", _position),
    Quantity("radius_90", "radius with 90 %", _radius),
    Quantity("errors_90", "errors with 90 %", _errors),
    Quantity("systematic", "errors are", _systematic),
    Quantity("energy_tev", "energy", partial(_number, "energy_tev", " TeV")),
    Quantity("signalness", "signalness", partial(_number, "signalness", "")),
    Quantity("far_per_year", "false alarms", partial(_number, "far_per_year", " per year")),
    Quantity("stream", "stream", partial(_text, "stream")),
    Quantity("selection", "selection", partial(_text, "selection")),
    Quantity("kind", "kind", partial(_text, "kind")),
    Quantity("tense", "tense", partial(_text, "tense")),
    Quantity("map_url", "sky map", partial(_text, "map_url")),
    Quantity("comment", "comment", partial(_text, "comment")),
)
"""All that is compared, in the order in which people look at it."""
