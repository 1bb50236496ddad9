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
    planted = mutations(1000, seed=1)
    missed = [
        (what, revision.name, subject, body)
        for revision, what, subject, body in planted
        if not errors(lint(subject, body, facts_of(revision, sources=True)))
    ]
    assert len(missed) <= 0.01 * len(planted), missed[:3]


PUBLISHED = [
    # How circulars have written positions since 2017, with numbers of our own.
    ("RA: 77.43 deg (-0.80 deg/+1.30 deg 90% PSF containment) J2000", "ra", (77.43, 1.30, 0.80)),
    ("RA: 77.43 (+1.30, -0.80 deg  90% PSF containment) J2000", "ra", (77.43, 1.30, 0.80)),
    ("RA: 77.43 [-0.8,+1.3] (deg  90% PSF containment) J2000", "ra", (77.43, 1.3, 0.8)),
    ("RA:  77.43 (+1.30  -0.80 deg  90% PSF containment) J2000", "ra", (77.43, 1.30, 0.80)),
    ("RA:77.43 (+1.30 / -0.80 deg  90% PSF containment) J2000", "ra", (77.43, 1.30, 0.80)),
    ("RA: 77.43 (+1.30/-0.80  deg  90% PSF containment) J2000", "ra", (77.43, 1.30, 0.80)),
    ("RA = 77.43 (+1.30, -0.80) deg (90% PSF containment)", "ra", (77.43, 1.30, 0.80)),
    ("Dec: -26.65 [-2.5,+2.2] (deg 90% PSF containment) J2000", "dec", (-26.65, 2.2, 2.5)),
    ("Dec: +9.14 (+0.81 / -0.76 deg 90% PSF containment) J2000", "dec", (9.14, 0.81, 0.76)),
    ("Decl. = +9.14 (+0.81, -0.76) deg", "dec", (9.14, 0.81, 0.76)),
    ("Declination: 9.14 +/- 0.5 deg", "dec", (9.14, 0.5, 0.5)),
    ("Right Ascension: 05:09:43.2", "ra", (77.43,)),
    ("Dec: -26d 39m 00s", "dec", (-26.65,)),
    ("RA: 4645.8 arcmin (+78, -48 arcmin)", "ra", (77.43, 1.30, 0.80)),
]


@pytest.mark.parametrize(("line", "name", "values"), PUBLISHED, ids=[line for line, *_ in PUBLISHED])
def test_published_ways_to_write_a_position_are_read(line: str, name: str, values: tuple[float, ...]) -> None:
    found = read_circular("IceCube-000000A - x", line)
    for suffix, value in zip(("", "_plus", "_minus"), values, strict=False):
        assert found.values(f"{name}{suffix}") == [pytest.approx(value, abs=1e-9)]
    assert found.unexplained == ()


@pytest.mark.parametrize(
    ("line", "name", "of", "value"),
    [
        ("On 20/05/23 at 02:30:07.59 UT a track was seen.", "date", "", "2020-05-23"),
        ("On 2023-07-24 at 01:49:13.38 UT a track was seen.", "clock", "", "01:49:13.38"),
        ("On January 4, 2019, a track was seen.", "date", "", "2019-01-04"),
        ("On 4 January 2019 a track was seen.", "date", "", "2019-01-04"),
        ("a false alarm rate of 1.174 events per year", "far_per_year", "", 1.174),
        ("a rate of 1e-7 Hz", "far_per_year", "", 3.1536),
        ("selected by the ICECUBE_Astrotrack_GOLD alert stream", "stream", "", "gold"),
        ("the neutrino purity of Gold alerts is 50%", "purity", "", 50),
        ("a moderate probability of being astrophysical", "probability", "", "moderate"),
        ("the energy is most probably 0.29 PeV", "energy_tev", "", 290),
        ("with a signalness of 57%", "signalness", "", pytest.approx(0.57)),
        ("4FGL J0738.4+1539 and 4FGL J0743.1+1713 are 0.1 and 2.1 deg away, respectively.", "separation",
         "4FGL J0743.1+1713", 2.1),
        ("the closest is 4FGL J2227.9+0036 at RA 336.98 deg and Dec 0.62 deg (at a distance of 2.01 degrees)",
         "source_dec", "4FGL J2227.9+0036", 0.62),
        ("The nearest is 4FGL J1756.3+0236 at RA: 269.09 deg, Dec: 2.61 deg (1.37 deg away from it).", "separation",
         "4FGL J1756.3+0236", 1.37),
        ("Ten gamma-ray sources are inside the 90% region.", "sources_inside", "", 10),
        ("see https://gcn.gsfc.nasa.gov/notices_amon_g_b/1_2.amon).", "notice_url", "",
         "https://gcn.gsfc.nasa.gov/notices_amon_g_b/1_2.amon"),
        ("the map: https://example.org/a.fits.gz, with all.", "map_url", "", "https://example.org/a.fits.gz"),
        ("The 90% region has 6.3 square degrees.", "area_90", "", 6.3),
        ("an error radius of 38 arcmin", "radius_90", "", pytest.approx(38 / 60)),
    ],
)  # fmt: skip
def test_published_ways_to_write_the_rest_are_read(line: str, name: str, of: str, value: object) -> None:
    assert read_circular("IceCube-000000A - x", line).values(name, of) == [value]


def test_what_no_record_explains_is_a_warning() -> None:
    known = facts_of(NINE[7])
    made = draft("track", known)
    found = lint(made.subject, made.body + "\nA flare of 4.2 sigma was seen by 2FGL J1111.1+2222.\n", known)
    assert [(each.level, each.rule, each.says) for each in found] == [(Level.WARNING, "unexplained", "4.2")]
    other = lint(made.subject, made.body + "\nIt follows IceCube-220424A.\n", known)
    assert [each.rule for each in errors(other)] == ["disagrees", "one event"]


@pytest.mark.parametrize(
    ("subject", "body", "rule", "words"),
    [
        ("", "x", "subject", "there is none"),
        ("A neutrino", "x", "keyword", "only with a keyword"),
        ("Re: IceCube-230416A - x", "x", "reply", "'re:'"),
        ("IceCube-230416A", "x", "pattern", "does not begin with the name"),
        ("IceCube-230416A - " + "x" * 200, "x", "subject", "at most 150 letters"),
        ("IceCube-230416A - x", " \n", "body", "there is none"),
        ("IceCube-230416A - x", "line\n" * 70, "length", "70 lines"),
        ("IceCube-230416A - x", "TODO: more", "placeholder", "still to be filled in"),
        ("IceCube-230416A - x", "a <<<<<<< b ======= c >>>>>>> d", "placeholder", "still to be filled in"),
        ("IceCube-230416A - x", "some <b>bold</b> words", "plain text", "markup"),
        ("IceCube-230416A - x", "some **bold** words", "plain text", "markup"),
        ("IceCube-230416A - x", "3 ° away", "plain text", "cannot show"),
        ("IceCube-230416A - x", "a bell \x07", "plain text", "control character"),
        ("IceCube-230416A - x", "Words.\n\nBest regards,\nThe shift", "signature", "signs circulars itself"),
        ("IceCube-230416A - x", "a line that was broken by hand, as was the habit in the old times\nand goes on here",
         "line wrap", "broken by hand"),
        ("IceCube-230416A - x", "Also IceCube-230417B was seen.", "one event", "about one"),
    ],
)  # fmt: skip
def test_rules_of_gcn(subject: str, body: str, rule: str, words: str) -> None:
    found = lint(subject, body, ())
    assert any(each.rule == rule and words in each.why for each in found), found


def test_clean_text_without_records_has_no_findings() -> None:
    made = draft("track", facts_of(NINE[8], sources=True))
    assert lint(made.subject, made.body, ()) == []


def test_templates_of_a_site_go_before_ours(tmp_path: Path) -> None:
    (tmp_path / "ending.txt").write_text("Call us at once.\n")
    (tmp_path / "short.txt").write_text("Subject: {{ name }} - IceCube in short\n\n{% include 'position.txt' %}\n")
    known = facts_of(NINE[7])
    assert "Call us at once." in draft("track", known, tmp_path).body
    assert draft("short", known, tmp_path).body.startswith("Date: 2023-04-16\nTime: 05:22:26.15 UT\nRA: 345.85 (+0.41,")
    assert templates(tmp_path) == [*KINDS, "short"]
    with pytest.raises(UnknownNameError, match="there are: cascade, coincidence, counterparts, retraction, short"):
        draft("none", known, tmp_path)
    for wrong, words, kind in (
        ("Subject: {{ nme }}\n\nx", "has a slot that there is not: 'nme' is undefined; there are: name", RequestError),
        ("Subject: {{ shift }}\n\nx", "states the angle between the position and that told before", RequestError),
        ("Subject: {{ name }\n\nx", "short.txt, at 1: unexpected '}'", ReadError),
        ("Subject: x\n\n{% include 'gone.txt' %}", "it includes gone.txt, which is not there", ReadError),
        ("{{ name }}\n\nx", "begins with a line `Subject: ...`", ReadError),
        ("Subject: x\n\n{{ ''.__class__.__mro__ }}", "unsafe", ReadError),
    ):
        (tmp_path / "short.txt").write_text(wrong)
        with pytest.raises(kind, match=re.escape(words)):
            draft("short", known, tmp_path)
    with pytest.raises(UnknownNameError, match="no slot of circulars is called 'flux'"):
        draft("track", [*known, Fact("flux", 1.0)])


def test_slots_are_all_documented() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "howto" / "circulars.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|$", guide, re.MULTILINE))
    assert rows == {name: slot.about for name, slot in SLOTS.items()}


def test_numbers_agree_as_exactly_as_they_are_written() -> None:
    dec = Fact("dec", 5.724)
    assert written(dec) == "+5.72"
    assert agrees(dec, 5.72, 2)
    assert agrees(dec, 5.7, 1)
    assert not agrees(dec, 5.73, 2)
    assert not agrees(dec, 6.0, 0)
    assert agrees(Fact("stream", "gold"), "GOLD")
    assert standard("IceCube cascade 230416a") == "IceCube-Cascade 230416A"


def test_merging_loses_no_word() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        base = [f"w{number}" for number in range(12)]
        ours, theirs = list(base), list(base)
        for side, mark in ((ours, "x"), (theirs, "y")):
            for place in rng.choice(12, rng.integers(1, 4), replace=False):
                side[place] = f"{mark}{place}"
        merged = merge(" ".join(base), " ".join(ours), " ".join(theirs))
        new = {word for word in (*ours, *theirs) if word not in base}
        assert new <= set(re.findall(r"[xyw]\d+", merged.text))
        assert (merged.conflicts > 0) == ("<<<<<<<" in merged.text)


def test_changes_of_facts() -> None:
    old, new = [Fact("ra", 1.0), Fact("separation", 2.0, "a")], [Fact("ra", 1.5), Fact("dec", 3.0)]
    assert [(each.name, each.of, each.old, each.new) for each in changes(old, new)] == [
        ("dec", "", None, 3.0), ("ra", "", 1.0, 1.5), ("separation", "a", 2.0, None),
    ]  # fmt: skip
