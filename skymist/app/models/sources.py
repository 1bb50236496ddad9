"""Known sources in the region of a scan, and what chance gives."""

from collections.abc import Mapping
from typing import Any

import param

from skymist.app.models import angles
from skymist.client.service import Client

UNLIKELY, RARE = 0.05, 0.003
"""Probabilities below which chance is called unlikely, and rare (3 sigma)."""


class Sources(param.Parameterized):
    """The sources of catalogs in the region of one scan."""

    catalog = param.String(doc="Name of the only catalog to match; empty for all that are at hand")

    def __init__(self, client: Client, angles_in: str = "deg", time: str = "", **more: Any) -> None:
        super().__init__(**more)
        self.client, self.angles, self.time = client, angles_in, time
        self.answer: dict[str, Any] = {"matches": [], "trials": {}}
        self.known: dict[str, str] = {}
        self._answers: dict[tuple[str, ...], dict[str, Any]] = {}

    def load(self, scan_id: str, calibration: str, *, growing: bool = False) -> None:
        """Ask for the sources of a scan; the answer for one that is complete is kept."""
        if not self.known:
            self.known = {each["title"]: each["name"] for each in self.client.catalogs()}
        key = scan_id, calibration, self.catalog
        if growing or key not in self._answers:
            wanted = [self.catalog] if self.catalog else []
            self._answers[key] = self.client.get_scan(scan_id).matches(*wanted, calibration=calibration)
        self.answer = self._answers[key]

    def rows(self) -> list[dict[str, Any]]:
        """Return the sources: those in the 90 % regions, the nearest first, then the nearest outside of each catalog.

        Each has id, name, title (of the catalog), ra, dec, separation_deg, searched_probability, region and chance.
        """
        inside = [self._row(match, each) for match in self.answer["matches"] for each in match["inside"]]
        outside = [self._row(match, match["nearest"]) for match in self.answer["matches"] if match["nearest"]]
        return [*sorted(inside, key=_far), *sorted(outside, key=_far)]

    def _row(self, match: Mapping[str, Any], source: Mapping[str, Any]) -> dict[str, Any]:
        region = "50 %" if source["inside_50"] else "90 %" if source["inside_90"] else "outside"
        words = f"{region}, its error crosses the edge" if source["edge"] else region
        return {
            "id": f"{match['catalog']['name']}/{source['name']}", "name": str(source["name"]),
            "title": str(match["catalog"]["title"]), "ra": source["ra"], "dec": source["dec"],
            "position": angles.position(source["ra"], source["dec"], self.angles, self.time),
            "separation_deg": source["separation_deg"], "searched_probability": source["searched_probability"],
            "region": words, "chance": match["chance"]["p_best"],
        }  # fmt: skip

    def words(self) -> list[str]:
        """Return what chance gives, a sentence or two for each catalog and one for all."""
        told = [words_of(each) for each in self.answer["matches"]]
        return [*told, trials_in_words(self.answer["trials"])] if told else []


def _far(row: Mapping[str, Any]) -> float:
    return float(row["separation_deg"])


def words_of(match: Mapping[str, Any]) -> str:
    """Return how many sources of a catalog are in the 90 % region, and how many would be by chance."""
    number, chance = len(match["inside"]), match["chance"]
    of = f"of {match['catalog']['sources']} {match['catalog']['title']}"
    where = f"in the 90 % region of {angles.number(match['area_90'])} deg²"
    there = f"{number} {of} {'is' if number == 1 else 'are'} {where}" if number else f"None {of} is {where}"
    return f"{there}. {expected_in_words(chance['expected_scrambled'])}."


def expected_in_words(expected: float) -> str:
    """Return how many sources lie in such a region by chance.

    Examples
    --------
    >>> expected_in_words(0.0125), expected_in_words(3.2)
    ('By chance there is such a source in 1 of 80 regions like this', 'By chance 3.20 are in a region like this')
    """
    if expected <= 0:
        return "By chance there is never one: the catalog has none at these declinations"
    if expected < 0.5:
        return f"By chance there is such a source in 1 of {angles.number(1 / expected, 2)} regions like this"
    return f"By chance {angles.number(expected)} are in a region like this"


def trials_in_words(trials: Mapping[str, Any]) -> str:
    """Return how probable it is that chance alone gives a source as good as the best."""
    p = trials.get("p_best")
    if p is None:
        return "No catalog has a source that can be compared."
    count = trials["catalogs"]
    looked = "one catalog was" if count == 1 else f"{count} catalogs were"
    verdict = "no sign of a counterpart" if p > UNLIKELY else "worth a look, no discovery" if p > RARE else "rare"
    said = f"{p:.0%}" if p >= 0.01 else angles.number(p, 2)
    return f"That the best source is as good by chance has probability {said}, as {looked} searched: {verdict}."
