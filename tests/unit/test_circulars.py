"""Circulars: drafts state the facts, are read back, and whatever is wrong in them is found."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from nine import PAGES, revisions

from skymist.circulars.draft import KINDS, draft, templates
from skymist.circulars.lint import lint
from skymist.circulars.merge import merge
from skymist.circulars.read import read_circular, standard
from skymist.circulars.slots import SLOTS, agrees, written
from skymist.errors import ReadError, RequestError, UnknownNameError
from skymist.model.alert import Alert, Revision
from skymist.model.circular import Fact, Level, changes, errors
from skymist.workflow import facts

NINE = revisions()
BY_POSITION = "ra", "dec", "ra_plus", "ra_minus", "dec_plus", "dec_minus"

SOURCES = [
    {
        "catalog": {"title": "4FGL-DR4", "version": "v34", "sha256": "ab" * 32}, "nearest": None,
        "inside": [
            {"name": "4FGL J0738.4+1539", "ra": 114.61, "dec": 15.66, "separation_deg": 0.13, "inside_90": True,
             "searched_probability": 0.03},
            {"name": "4FGL J0743.1+1713", "ra": 115.79, "dec": 17.23, "separation_deg": 2.07, "inside_90": True,
             "searched_probability": 0.71},
        ],
        "chance": {"expected_scrambled": 2.04, "p_number": 0.61, "p_best": 0.085},
    },
    {
        "catalog": {"title": "neutrino candidates", "version": "1", "sha256": "cd" * 32}, "inside": [],
        "nearest": {"name": "PKS 0735+178", "ra": 114.5308, "dec": 17.7053, "separation_deg": 2.146,
                    "inside_90": False, "searched_probability": 0.93},
        "chance": {"expected_scrambled": 0.011, "p_number": 1.0, "p_best": 0.4},
    },
]  # fmt: skip


def facts_of(revision: Revision, *, sources: bool = False) -> list[Fact]:
    """The facts of an alert with one revision, as the desk has them."""
    record = SimpleNamespace(name=revision.name, id=1, named_by="sender", stream=revision.stream)
    found = facts.of_alert(record, Alert((revision,)))  # type: ignore[arg-type]
    found += [Fact("reporter", "The IceCube Collaboration"), Fact("contact", "Questions go to roc@icecube.wisc.edu")]
    return [*found, *facts.of_matches(SOURCES, {"p_best": 0.16}, 10)] if sources else found


def linted(revision: Revision, subject: str, body: str, **more: bool) -> list[str]:
    return [str(each) for each in lint(subject, body, facts_of(revision, **more))]


@pytest.mark.parametrize("revision", NINE, ids=[each.name for each in NINE])
@pytest.mark.parametrize("sources", [False, True])
def test_a_draft_read_back_states_the_same_facts_and_is_clean(revision: Revision, sources: bool) -> None:
    known = facts_of(revision, sources=sources)
    made = draft("track", known)
    assert made.subject.startswith(f"{revision.name} - IceCube observation of a high-energy neutrino candidate")
    names = [fact.of for fact in known if fact.of]
    found = read_circular(made.subject, made.body, names)
    for name, value in zip(BY_POSITION, (revision.ra, revision.dec, *revision.errors_90), strict=True):
        assert found.values(name) == [value], name
    assert found.values("name") == [revision.name]
    day, clock = str(revision.time)[:10], str(revision.time + np.timedelta64(5, "ms"))[11:22]
    assert (set(found.values("date")), set(found.values("clock"))) == ({day}, {clock})
    assert found.values("notice_url") == [f"https://gcn.gsfc.nasa.gov/{PAGES[revision.name[-7:]]}"]
    assert found.values("key") == [revision.key]
    assert found.values("far_per_year") == ([] if revision.far_per_year is None else [revision.far_per_year])
    assert found.values("stream") == [revision.stream]
    assert set(found.values("epoch")) == {"J2000"}
    assert found.unexplained == ()
    if sources:
        assert found.values("separation", "4FGL J0743.1+1713") == [2.07]
        assert found.values("source_dec", "PKS 0735+178") == [17.71]
        assert found.values("sources_inside", "4FGL-DR4") == [2]
        assert found.values("sources_inside", "neutrino candidates") == [0]
        assert found.values("p_chance", "4FGL-DR4") == [0.61]
    assert lint(made.subject, made.body, known) == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_circular_is_clean(kind: str) -> None:
    revision = replace(NINE[7], signalness=0.3406, energy_tev=127.29, systematic=False,
                       map_url="https://example.org/IceCube-230416A.fits.gz")  # fmt: skip
    if kind == "cascade":
        revision = replace(revision, stream="cascade", name="IceCube-Cascade 230416A", errors_90=None, radius_90=12.4)
    known = facts_of(revision, sources=True)
    known += [
        Fact("previous_ra", 345.82), Fact("previous_dec", 9.01), Fact("shift", 0.1334), Fact("area_90", 1.46),
        Fact("reconstruction", "track-mpe (version 2)"), Fact("calibration", "icecube-2016"),
        Fact("separation", 0.83, "IceCube-220424A"), Fact("days", 357.12, "IceCube-220424A"),
        Fact("reason", "The surface array saw an air shower at the same time.", source="person"),
    ]  # fmt: skip
    made = draft(kind, facts.merged(known))
    assert lint(made.subject, made.body, known) == []
    assert all(made.body[each.start : each.end] == written(each.fact) for each in made.spans)
    assert not re.search(r"[ \t]$|\n\n\n|  ", made.body, re.MULTILINE)


def mutations(count: int, seed: int) -> list[tuple[Revision, str, str, str]]:
    """Drafts with one planted error each: alert, what was changed, subject, body."""
    rng, found = np.random.default_rng(seed), []
    while len(found) < count:
        revision = NINE[rng.integers(len(NINE))]
        made = draft("track", facts_of(revision, sources=True))
        what = ("digit", "digit", "digit", "sign", "rate", "angle", "epoch", "event", "link")[rng.integers(9)]
        body = MUTATE[what](made.body, made.spans, rng)
        subject = made.subject
        if what == "event" and rng.integers(2):
            subject, body = subject.replace(revision.name, _other(revision.name, rng)), made.body
        if (subject, body) != (made.subject, made.body):
            found.append((revision, what, subject, body))
    return found


def _put(body: str, start: int, end: int, words: str) -> str:
    return body[:start] + words + body[end:]


def _digit(body: str, spans, rng) -> str:
    numbers = [
        each for each in spans if isinstance(each.fact.value, int | float) or each.fact.name in ("date", "clock")
    ]
    span = numbers[rng.integers(len(numbers))]
    places = [place for place in range(span.start, span.end) if body[place].isdigit()]
    place = places[rng.integers(len(places))]
    return _put(body, place, place + 1, str((int(body[place]) + rng.integers(1, 10)) % 10))


def _sign(body: str, spans, rng) -> str:
    if rng.integers(2):
        dec = next(each for each in spans if each.fact.name == "dec")
        return _put(body, dec.start, dec.start + 1, {"+": "-", "-": "+"}[body[dec.start]])
    which = ("RA", "Dec")[rng.integers(2)]
    line = re.search(rf"^{which}: .*$", body, re.MULTILINE)
    errors_of = re.search(r"\(\+([\d.]+), -([\d.]+)", line[0])
    return body if errors_of[1] == errors_of[2] else body.replace(line[0], line[0].replace(", -", ", ~").replace(
        "(+", "(-").replace("~", "+"))  # fmt: skip


def _rate(body: str, spans, rng) -> str:
    rate = re.search(r"([\d.]+) per year", body)
    if rate is None:
        return body
    per_s = f"{float(rate[1]) / (365 * 86400):.3e} Hz"
    return body.replace(rate[0], (f"{rate[1]} Hz", per_s, f"{rate[1]} per month")[rng.integers(3)])


def _angle(body: str, spans, rng) -> str:
    places = [each.start() for each in re.finditer(r"\bdeg\b", body)]
    place = places[rng.integers(len(places))]
    return _put(body, place, place + 3, ("arcmin", "arcsec")[rng.integers(2)])


def _epoch(body: str, spans, rng) -> str:
    places = [each.start() for each in re.finditer("J2000", body)]
    place = places[rng.integers(len(places))]
    return _put(body, place, place + 5, ("B1950", "J2016.0", "J2050")[rng.integers(3)])


def _other(name: str, rng) -> str:
    return name[:-1] + "BCDE"[rng.integers(4)] if rng.integers(2) else NINE[(rng.integers(8) + _index(name)) % 9].name


def _index(name: str) -> int:
    return [each.name for each in NINE].index(name) + 1


def _event(body: str, spans, rng) -> str:
    key = next(each for each in spans if each.fact.name == "key")
    run, event = body[key.start : key.end].split("_")
    return _put(body, key.start, key.end, (f"{run}_{event}1", f"{int(run) + 1}_{event}")[rng.integers(2)])


def _link(body: str, spans, rng) -> str:
    link = next(each for each in spans if each.fact.name == "notice_url")
    return _put(body, link.start, link.end, NOTICE_OF_ANOTHER)


NOTICE_OF_ANOTHER = "https://gcn.gsfc.nasa.gov/notices_amon_g_b/139977_2910365.amon"
MUTATE = {
    "digit": _digit, "sign": _sign, "rate": _rate, "angle": _angle, "epoch": _epoch, "event": _event, "link": _link,
}  # fmt: skip


def test_planted_errors_are_found() -> None:
    planted = mutations(600, seed=1)
    missed = [
        (what, revision.name, subject, body)
        for revision, what, subject, body in planted
        if not errors(lint(subject, body, facts_of(revision, sources=True)))
    ]
    assert len(missed) <= 0.01 * len(planted), missed[:3]
