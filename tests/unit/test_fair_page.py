"""Landing pages, and what a client that wants FAIR metadata makes of them."""

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from fuji import METRICS, PLANTED, persistent, plant, score, unique
from fuji_harvest import DATACITE, JSON_LD, Answer, Assessed, Link, harvest, header_links, page_links, visit
from hypothesis import given, settings
from lxml import html
from records import ALERT, FILES, HOME, KEY, MAP, REVISION, SAMPLES, SCANNED, records

from skymist.errors import RequestError
from skymist.fair.datacite import datacite
from skymist.fair.json_ld import json_ld
from skymist.fair.page import TEMPLATES, citation, links, page
from skymist.fair.record import Access, Agent, File, Quantity, Record, Relation, Status

HOSTILE = "</script x></script><script>alert(1)</script><!-- & \"quoted\" 'text' {{ 7 * 7 }}"
WITHDRAWN = SAMPLES["withdrawn map"]
samples = pytest.mark.parametrize("record", SAMPLES.values(), ids=SAMPLES)


def formats(record: Record) -> dict[str, str]:
    where = record.url or f"{HOME}/records/x"
    kinds = {
        "text/html": "",
        JSON_LD: "?format=jsonld",
        DATACITE: "?format=datacite",
        "application/x-prov": "?format=prov",
    }
    return {kind: where + query for kind, query in kinds.items()}


def written(record: Record) -> str:
    return page(record, json_ld(record), formats(record))


def tree_of(record: Record) -> Any:
    return html.document_fromstring(written(record).encode())


def text_of(record: Record) -> str:
    """Return what a reader sees."""
    body = html.document_fromstring(written(record).replace("</dt>", "</dt> ").encode()).find("body")
    return " ".join(body.text_content().split())


def served(record: Record) -> Assessed:
    """Return the page of a record as a service would give it, with its other formats."""
    documents = {
        "text/html": written(record).encode(),
        JSON_LD: json.dumps(json_ld(record)).encode(),
        DATACITE: json.dumps(datacite(record)).encode(),
    }

    def fetch(url: str, kind: str) -> Answer:
        if kind not in documents or not url.startswith(record.url):
            return 404, {}, b""
        return 200, {"content-type": f"{kind}; charset=utf-8", "link": links(record, formats(record))}, documents[kind]

    return visit(record.url, fetch)


def faults(assessed: Assessed) -> set[str]:
    return {name for name, given in score(assessed).items() if given.earned < given.total}


# The page


@samples
def test_a_page_tells_a_record_to_a_person(record):
    text = text_of(record)
    assert record.title in text
    assert record.identifier in text
    assert record.uuid.urn in text
    assert citation(record) in text
    gone = record.status == Status.WITHDRAWN
    for told in (
        record.description,
        *(file.sha256 for file in record.files),
        *(each.name for each in record.quantities),
    ):
        assert (told in text) != gone
    for source in record.sources:
        assert (source.sha256 in text) != gone
    if record.activity and not gone:
        for told in ("numpy 2.1.3", "options.beta 0.7", "levels [[8, 0], [64, 12], [512, 24]]", "cone none", "seed 7"):
            assert told in text


@samples
def test_a_page_needs_no_script_and_nothing_from_elsewhere(record):
    text, tree = written(record), tree_of(record)
    assert text.startswith("<!DOCTYPE html>\n<html ")
    assert [script.get("type") for script in tree.iter("script")] == [JSON_LD]
    assert not list(tree.iter("iframe", "object", "embed", "form", "base"))
    assert {link.get("rel") for link in tree.iter("link")} & {"stylesheet", "icon", "preload"} == set()
    assert [image.get("src") for image in tree.iter("img")] == [
        file.url for file in record.files if file.kind == "png" and record.status != Status.WITHDRAWN
    ]
    assert all(image.get("alt") for image in tree.iter("img"))
    assert not [name for element in tree.iter() for name in element.keys() if name.startswith("on") or name == "style"]  # noqa: SIM118
    assert "url(" not in text
    assert "@import" not in text


@samples
def test_a_page_is_built_for_everybody(record):
    tree = tree_of(record)
    assert tree.get("lang") == "en"
    assert len(tree.findall(".//h1")) == len(tree.findall(".//main")) == 1
    assert all(heading.get("scope") in ("col", "row") for heading in tree.iter("th"))
    names = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(set(names)) == len(names)
    assert {element.get("aria-labelledby") for element in tree.iterfind(".//*[@aria-labelledby]")} <= set(names)
    assert all(link.text_content().strip() for link in tree.iter("a"))
    levels = [int(heading.tag[1]) for heading in tree.iter("h1", "h2", "h3")]
    assert all(after - before <= 1 for before, after in pairwise(levels))


@settings(max_examples=60)
@given(records())
def test_any_text_stays_text(record):
    tree = tree_of(record)
    assert "".join(tree.find(".//h1").text_content().split()) == "".join(record.title.split())
    assert json.loads(tree.find(".//script").text) == json.loads(json.dumps(json_ld(record)))


def test_a_hostile_text_stays_text():
    record = replace(
        MAP, title=HOSTILE, description=HOSTILE, reason=HOSTILE, status=Status.RETRACTED, keywords=(HOSTILE,),
        agents=(Agent(HOSTILE, "creator"),), quantities=(Quantity(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE),),
        files=(File(HOSTILE, "png", "image/png", f"{HOME}/{HOSTILE}", "0" * 64, 1, HOSTILE),),
        relations=(Relation("References", HOSTILE, title=HOSTILE),),
    )  # fmt: skip
    tree = tree_of(record)
    (script,) = re.findall(r"<script[^>]*>(.*?)</script>\n<style>", written(record), re.DOTALL)
    assert not set("<>&") & set(script)
    assert len(list(tree.iter("script"))) == 1
    assert json.loads(tree.find(".//script").text)["name"] == HOSTILE
    assert tree.find(".//h1").text == HOSTILE
    assert not list(tree.iter(html.etree.Comment))


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", " javascript:alert(1)", "//elsewhere", "http://["]
)
def test_only_addresses_of_the_web_are_links(url):
    record = replace(
        MAP, agents=(Agent("A", "creator", identifier=url),), relations=(Relation("References", "x", url=url),),
        files=(File("f", "png", "image/png", url, "", 1),), url=url, site=replace(MAP.site, home=url, contact=url),
    )  # fmt: skip
    addresses = {element.get(name) for element in tree_of(record).iter() for name in ("href", "src")} - {None}
    assert (url in addresses) == url.startswith("http")


STATES = {
    "Retracted. An air shower. Do not use it": SAMPLES["retracted alert"],
    "Withdrawn. A wrong geometry.": WITHDRAWN,
    f"Superseded. There is a newer version: Record {KEY}_1.": SAMPLES["superseded revision"],
    "Simulated. This is no observation of the sky.": SAMPLES["simulated map"],
    "Embargoed. The content becomes public on 2031-01-01 00:00:00 UTC.": SAMPLES["embargoed map"],
    "Embargoed. The content becomes public later.": replace(SAMPLES["embargoed map"], released=None),
    "Restricted. The content is not public.": SAMPLES["closed alert"],
}


@pytest.mark.parametrize("words", STATES)
def test_how_a_record_stands_is_said_in_words(words):
    assert words in text_of(STATES[words])


def test_a_tombstone_has_no_content():
    tree = tree_of(WITHDRAWN)
    assert not [name for name in tree.xpath("//link/@rel") if name == "item"]
    assert 'rel="item"' not in links(WITHDRAWN, {})
    assert WITHDRAWN.description not in tree.xpath("//meta/@content")
    assert "metadata only access" in text_of(WITHDRAWN).lower()
    for gone in ("Position and time", "Quantities", "Files", "How it was made"):
        assert gone not in text_of(WITHDRAWN)
    for left in ("How to cite", "Identifiers and dates", "Last changed 2023-04-17 08:00:00 UTC"):
        assert left in text_of(WITHDRAWN)


def test_what_says_nothing_is_left_out():
    record = replace(ALERT, quantities=(Quantity("time", ALERT.time, "", "time.epoch"),))
    assert "Quantities" not in text_of(record)
    assert "Quantities" in text_of(ALERT)


def test_size_and_hash_of_a_packed_map_are_said_of_its_content():
    words = text_of(MAP)
    assert f"SHA-256 of its content {MAP.files[0].sha256}" in words
    assert "812" not in words


def test_times_are_utc():
    zone = timezone(timedelta(hours=-5))
    record = replace(ALERT, changed=datetime(2023, 4, 17, 3, tzinfo=zone), created=datetime(2023, 4, 16, 5))
    assert "2023-04-17 08:00:00 UTC" in text_of(record)
    assert "2023-04-16 05:00:00 UTC" in text_of(record)
    assert "2023-04-16 05:22:26.150000000 UTC" in text_of(record)


@pytest.mark.parametrize(
    ("ra", "dec", "words"),
    [
        (0.0, 0.0, "00h 00m 00s +00° 00′ 00″"),
        (359.99999, 89.99999, "00h 00m 00s +90° 00′ 00″"),
        (152.7841, -5.2312, "10h 11m 08s −05° 13′ 52″"),
        (83.63308, -0.01, "05h 34m 32s −00° 00′ 36″"),
    ],
)
def test_positions_are_in_degrees_and_in_hours(ra, dec, words):
    text = text_of(replace(MAP, ra=ra, dec=dec))
    assert all(part in text for part in re.split(r"(?<=s) ", words))
    assert f"{ra:.4f}°" in text


@pytest.mark.parametrize(
    ("unit", "markup"), [("deg2", "deg<sup>2</sup>"), ("yr-1", "yr<sup>−1</sup>"), ("TeV", "TeV"), ("<b>", "&lt;b&gt;")]
)
def test_units_are_printed_as_people_write_them(unit, markup):
    assert f"<td>{markup}</td>" in written(replace(MAP, quantities=(Quantity("x", 1.5, unit),)))


@pytest.mark.parametrize(
    ("value", "words"),
    [(True, "yes"), (False, "no"), (0.1, "0.1"), (1e-7, "1e-07"), (7, "7"), (float("nan"), "unknown")],
)
def test_values_are_told_as_they_are(value, words):
    assert f'<td class="number">{words}</td>' in written(replace(MAP, quantities=(Quantity("x", value),)))


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 bytes"), (999, "999 bytes"), (40_001, "40 kB"), (3 * 10**15, "3e+03 TB")]
)
def test_sizes_are_told_in_words(size, words):
    assert f"application/gzip, {words}" in text_of(replace(MAP, files=(replace(FILES[1], size=size),)))


def test_who_a_page_is_by_has_to_be_known():
    with pytest.raises(RequestError, match="no agent whose part is creator"):
        page(replace(MAP, agents=()), {}, {})


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_told_apart(scheme):
    style = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"--(\w+): (#\w{6})", re.findall(r":root \{[^}]*\}", style)[scheme]))
    pairs = [(ink, ground) for ink in ("ink", "pale", "link") for ground in ("ground", "soft")]
    pairs += [("ink", "warned"), ("warn", "warned"), ("ink", "graved"), ("grave", "graved")]
    for ink, ground in pairs:
        dark, bright = sorted((luminance(colours[ink]), luminance(colours[ground])))
        assert (bright + 0.05) / (dark + 0.05) >= 4.5, (ink, ground)  # WCAG 2.2, 1.4.3, AA


# Links


def test_links_say_what_is_where():
    assert header_links(links(MAP, formats(MAP))) == [
        Link("cite-as", f"https://doi.org/{MAP.doi}", ""),
        Link("type", "https://schema.org/Dataset", ""),
        Link("type", "https://schema.org/AboutPage", ""),
        *(Link("describedby", url, kind) for kind, url in formats(MAP).items() if kind != "text/html"),
        Link("item", f"{HOME}/files/map.fits.gz", "application/gzip"),
        Link("item", f"{HOME}/files/map.png", "image/png"),
        Link("license", "https://creativecommons.org/licenses/by/4.0/", ""),
        Link("collection", HOME, ""),
    ]


def test_links_name_who_has_a_name_and_cite_an_address_before_there_is_a_doi():
    orcid = "https://orcid.org/0000-0002-1825-0097"
    assert Link("author", orcid, "") in header_links(
        links(replace(MAP, agents=(Agent("A", "creator", "", orcid),)), {})
    )
    assert header_links(links(REVISION, {}))[0] == Link("cite-as", REVISION.url, "")


def test_the_page_has_the_same_links_as_its_header():
    in_page = [link for link in page_links(tree_of(MAP)) if not link.rel.startswith("schema.")]
    assert in_page == [link for link in header_links(links(MAP, formats(MAP))) if link.rel != "type"]


def test_no_text_breaks_out_of_the_header():
    evil = 'x>; rel="cite-as", <https://evil.example>\r\nSet-Cookie: a=b; "é'
    record = replace(MAP, doi="", url=f"{HOME}/{evil}", files=(File("f", "fits", evil, f"{HOME}/{evil}", "", 1),))
    link = r'<([!-;=?-~]*)>; rel="([a-z-]+)"(?:; type="(?:[^"\\]|\\.)*")?'  # as RFC 8288 has it
    header = links(record, {})
    assert re.fullmatch(f"{link}(, {link})*", header, re.ASCII)
    found = re.findall(link, header)
    assert [rel for _, rel in found] == ["cite-as", "type", "type", "item", "license", "collection"]
    assert all(url.startswith((HOME, "https://schema.org/", "https://creativecommons.org/")) for url, _ in found)


# What a client makes of it


def test_a_page_with_a_doi_and_files_has_full_marks():
    given = score(served(MAP))
    assert {name: (each.earned, each.why) for name, each in given.items()} == {
        name: (metric.total, {}) for name, metric in METRICS.items()
    }
    assert all(all(each.tests.values()) for each in given.values())
    assert [name for name, each in given.items() if each.maturity < 3] == ["FsF-F1-02MD", "FsF-R1.2-01M"]


def test_a_record_without_a_doi_lacks_exactly_that():
    assessed = served(SAMPLES["map of a region"])
    assert faults(assessed) == {"FsF-F1-02MD"}
    lacking = score(assessed)["FsF-F1-02MD"]
    assert lacking.tests == {"FsF-F1-02MD-1": False}
    assert "urn:uuid:" in lacking.why["FsF-F1-02MD-1"]


def test_an_archive_whose_address_lasts_needs_no_doi():
    home = "https://w3id.org/example-archive"
    files = tuple(replace(file, url=file.url.replace(HOME, home)) for file in FILES)
    assert not faults(served(replace(MAP, doi="", url=f"{home}/records/1", files=files)))


@pytest.mark.parametrize("record", [REVISION, SCANNED, ALERT], ids=["revision", "scan", "alert"])
def test_all_kinds_of_records_can_have_full_marks(record):
    assert not faults(served(replace(record, files=FILES[1:], doi=f"10.5072/{record.thing}")))


def test_what_is_not_public_has_no_files_to_be_found():
    closed = replace(MAP, access=Access.CLOSED, files=tuple(replace(file, url="") for file in FILES))
    assert faults(served(closed)) == {"FsF-F3-01M", "FsF-A1.1-01MD", "FsF-A1.2-01MD", "FsF-R1-01M"}


ALSO = {
    "FsF-F1-01MD": {"FsF-F1-02MD", "FsF-F2-01M"},  # what has no name is neither lasting nor can it be cited
    "FsF-F3-01M": {"FsF-A1.1-01MD", "FsF-A1.2-01MD", "FsF-R1-01M"},  # there is nothing of which they could tell
    "FsF-A1.1-01MD": {"FsF-A1.2-01MD"},
    "FsF-I1-01M": {"FsF-I2-01M", "FsF-R1-01M"},  # only linked data has vocabularies and sizes of files
    "FsF-R1.2-01M": {"FsF-F2-01M", "FsF-I2-01M", "FsF-I3-01M"},  # people, dates and relations are its evidence
}
"""Other metrics that have to fall with one."""


@pytest.mark.parametrize("metric", METRICS)
def test_an_omission_costs_its_metric(metric):
    assessed = served(MAP)
    planted = plant(assessed, metric)
    assert faults(planted) == {metric, *ALSO.get(metric, ())}
    assert score(planted)[metric].why


def test_every_metric_has_its_omission():
    assert PLANTED.keys() == METRICS.keys()


def test_of_a_page_that_is_not_there_nothing_is_found():
    given = score(visit(f"{HOME}/nowhere", lambda url, kind: (404, {}, b"gone")))
    assert {each.earned for each in given.values()} == {0}
    assert {why for each in given.values() for why in each.why.values()} == {"there is no page"}


def test_pages_without_metadata_have_none():
    bare = b"<!DOCTYPE html><html lang=en><title>A map</title><p>10.5072/x ivo://a/b CC-BY-4.0</p></html>"
    given = score(Assessed(f"{HOME}/x", 200, {}, bare, lambda url, kind: (406, {}, b"")))
    assert {name for name, each in given.items() if each.earned} == {"FsF-A1.1-01MD", "FsF-A1.2-01MD"}
    assert {given[name].earned for name in ("FsF-A1.1-01MD", "FsF-A1.2-01MD")} == {1}
    assert not harvest(Assessed(f"{HOME}/x", 200, {}, b"", lambda url, kind: (200, {}, b"{"))).elements


def test_a_licence_does_not_say_who_has_access():
    rights = b'<html><meta name="DC.rights" content="https://creativecommons.org/licenses/by/4.0/"></html>'
    given = score(Assessed(f"{HOME}/x", 200, {}, rights, lambda url, kind: (406, {}, b"")))
    assert not given["FsF-A1-01M"].tests["FsF-A1-01M-1"]


@pytest.mark.parametrize(
    ("identifier", "scheme", "lasts"),
    [
        ("10.5072/skymist.1", "doi", True), ("https://doi.org/10.5072/a(2)/b;c", "doi", True),
        ("hdl:20.500/1", "handle", True), ("https://n2t.net/ark:/12345/x", "ark", True),
        ("https://w3id.org/archive/1", "w3id", True), ("urn:nbn:de:101:1-2", "urn", True),
        ("https://purl.org/archive/1", "purl", True),
        ("urn:uuid:1b4e28ba-2fa1-51d2-883f-0016d3cca427", "uuid", False), ("ivo://example/skymist#1_2", "url", False),
        ("http://127.0.0.1:8642/public/1", "url", False), ("ab" * 32, "hash", False), ("137840_57034692", "", False),
        ("", "", False), ("42", "", False),
    ],
)  # fmt: skip
def test_identifiers_are_told_apart(identifier, scheme, lasts):
    assert (unique(identifier), bool(persistent(identifier))) == (scheme, lasts)
