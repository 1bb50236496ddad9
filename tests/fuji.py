"""A scorer for the metrics of F-UJI 0.8 that need no network: how findable, accessible, interoperable and reusable.

It sees what any client sees: a landing page with its headers, and the metadata that it gets by content negotiation or
from the links of the page. Metrics, tests, points and maturity are those of ``fuji_server/yaml/metrics_v0.8.yaml`` at
https://github.com/pangaea-data-publisher/fuji; what counts as an identifier, a protocol, a registered vocabulary or a
word of provenance is what its ``helper/identifier_helper.py``, ``data/standard_uri_protocols.yaml``,
``data/linked_vocab.yaml`` and ``helper/metadata_mapper.py`` say, of which here is what records of ours could have.

Left out is what asks others: whether a PID system redirects (FsF-F1-02MD-2, half of that metric's point, and -5), and
FsF-F1-02MD-4, which has no points. Where this scorer differs it is stricter: F-UJI takes the address that it was given
for an identifier of the metadata, which every page of the web has; here only what the metadata say counts, a handle
needs its ``hdl:``, and a vocabulary has to be in the words of linked data, not just in their objects.

A persistent identifier (FsF-F1-02MD-1) is a DOI, handle, ARK, PURL, w3id.org address or URN. For F-UJI ``ivo://`` is
none of them (it is unique, as a URL is), nor is ``urn:uuid:...`` (unique, as a UUID). So a record has this point if it
has a DOI, or if the archive's address is one of w3id.org or a PURL.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from fuji_harvest import JSON_LD, LICENCE, Answer, Assessed, Harvest, harvest, header_links, parsed
from lxml import html

# Identifiers, protocols, vocabularies

_PERSISTENT = {
    "doi": r"(doi:\s*|(https?://)?(dx\.)?doi\.org/)?10\.\d+(\.\d+)*/.+",
    "handle": r"(hdl:\s*|(https?://)?hdl\.handle\.net/)\d+(\.\d+)*/.+",
    "ark": r"(https?://[^/]+/)?ark:/?\d+/.+",
    "purl": r"https?://purl\.(org|oclc\.org|archive\.org|net|com)/.+",
    "w3id": r"https://(www\.)?w3id\.org/.+",
    "urn": r"urn:(?!uuid:)[a-z0-9][a-z0-9-]{1,31}:.+",
}
_PROTOCOLS = {
    "http": True, "https": True, "ftp": True, "sftp": True, "ssh": True, "wss": True, "ws": False, "telnet": False,
    "ftam": False,
}  # fmt: skip
"""And whether there is authentication in them."""

_PROVENANCE = {"http://www.w3.org/ns/prov#", "http://purl.org/pav/"}
_VOCABULARIES = _PROVENANCE | {
    "http://www.w3.org/ns/dcat#", "http://www.w3.org/ns/adms#", "http://www.w3.org/ns/dqv#",
    "http://www.openarchives.org/ore/terms/", "http://creativecommons.org/ns#", "http://purl.org/dc/dcmitype/",
    "http://qudt.org/schema/qudt/", "http://purl.org/spar/datacite/",
}  # fmt: skip
"""Registered ones; schema.org, Dublin Core, SKOS, FOAF and the like are taken for granted and do not count."""

_PROVENANCE_ELEMENTS = (
    "contributor", "creator", "publisher", "right_holder", "created_date", "publication_date", "modified_date",
)  # fmt: skip
_PROVENANCE_RELATIONS = (
    "hasformat", "isformatof", "isversionof", "isnewversionof", "isreferencedby", "isreplacedby", "references",
    "isderivedfrom", "isbasedon", "hasversion", "obsoletes", "replaces",
)  # fmt: skip


def persistent(identifier: str) -> str:
    """Return the scheme of a persistent identifier, or nothing."""
    return next((name for name, form in _PERSISTENT.items() if re.fullmatch(form, identifier, re.I)), "")


def unique(identifier: str) -> str:
    """Return the scheme of a globally unique identifier, or nothing."""
    if scheme := persistent(identifier):
        return scheme
    if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128}", identifier):
        return "hash"
    parts = urlsplit(identifier)
    if parts.scheme and parts.netloc:
        return "url"
    try:
        return "uuid" if UUID(identifier) else ""
    except ValueError:
        return ""


# Metrics


def _lacks(found: Harvest, elements: Iterable[str]) -> str:
    lacking = [element for element in elements if not found.elements.get(element)]
    return f"no {', '.join(lacking)}" if lacking else ""


_CITED = "creator", "title", "object_identifier", "publication_date", "publisher", "object_type"
_IN_PAGE = "json_in_html", "meta_tag"
_ELSEWHERE = "content_negotiation", "typed_links"


def _identified(found: Harvest, scheme: Callable[[str], str]) -> str:
    names = found.elements.get("object_identifier", [])
    fault = f"none of the identifiers is {scheme.__name__}: {', '.join(names) or 'there are none'}"
    return "" if any(map(scheme, names)) else fault


def _data_identified(found: Harvest) -> str:
    return "" if any(unique(content.url) for content in found.contents) else "no file has an identifier"


def _indexed(found: Harvest) -> str:
    offered = {(standard, how) for standard in ("schemaorg", "dublin-core") for how in _IN_PAGE}
    return "" if offered & found.offered else "neither schema.org nor Dublin Core in the page"


def _formal(found: Harvest, ways: Iterable[str]) -> str:
    offered = {("schemaorg", way) for way in ways}
    return "" if offered & found.offered else f"no JSON-LD by {' or '.join(ways)}"


def _accessible(found: Harvest) -> str:
    levels = [level for level in found.elements.get("access_level", []) if not LICENCE.search(level)]
    return "" if levels else "nothing says who has access; a licence does not"


def _open_to(url: str, authentication: bool) -> bool:
    scheme = urlsplit(url).scheme
    return scheme in _PROTOCOLS and (_PROTOCOLS[scheme] or not authentication)


def _page_protocol(found: Harvest, authentication: bool) -> str:
    return "" if _open_to(found.url, authentication) else f"the protocol of {found.url}"


def _data_protocol(found: Harvest, authentication: bool) -> str:
    urls = [content.url for content in found.contents]
    return "" if any(_open_to(url, authentication) for url in urls) else f"of files: {', '.join(urls) or 'none'}"


def _registered(found: Harvest) -> str:
    return "" if found.namespaces & _VOCABULARIES else f"of {', '.join(sorted(found.namespaces)) or 'none'} none counts"


def _related_by(found: Harvest, readable: bool) -> str:
    targets = [target for _, target in found.related if not readable or persistent(target) or unique(target) == "url"]
    return "" if targets else "no related resource" + (" with an address or identifier" if readable else "")


def _described(found: Harvest) -> str:
    whole = [content for content in found.contents if content.url and content.type and content.size]
    return "" if whole else "no file has an address, a type and a size"


def _traced(found: Harvest) -> str:
    words = {re.split(r"[/#]", word)[-1].lower() for word, _ in found.related}
    said = [element for element in _PROVENANCE_ELEMENTS if found.elements.get(element)]
    return "" if said or words & set(_PROVENANCE_RELATIONS) else "neither people nor dates nor versions nor origins"


class Check(NamedTuple):
    """A test of a metric: points, level of maturity, and what says why it fails, or nothing if it passes."""

    points: float
    maturity: int
    fault: Callable[[Harvest], str]


class Metric(NamedTuple):
    """A metric: points in all, whether its tests add up or each alone is enough, and the tests by name."""

    total: float
    cumulative: bool
    tests: dict[str, Check]


METRICS = {
    "FsF-F1-01MD": Metric(1, True, {
        "FsF-F1-01MD-1": Check(1, 3, lambda found: _identified(found, unique)),
        "FsF-F1-01MD-2": Check(0, 3, _data_identified),
    }),
    "FsF-F1-02MD": Metric(0.5, False, {
        "FsF-F1-02MD-1": Check(0.5, 1, lambda found: _identified(found, persistent)),
    }),
    "FsF-F2-01M": Metric(2, True, {
        "FsF-F2-01M-2": Check(1, 2, lambda found: _lacks(found, _CITED)),
        "FsF-F2-01M-3": Check(1, 3, lambda found: _lacks(found, (*_CITED, "summary", "keywords"))),
    }),
    "FsF-F3-01M": Metric(1, True, {
        "FsF-F3-01M-2": Check(1, 3, lambda found: "" if any(file.url for file in found.contents) else "no file"),
    }),
    "FsF-F4-01M": Metric(2, True, {"FsF-F4-01M-1": Check(2, 3, _indexed)}),
    "FsF-A1-01M": Metric(1, False, {"FsF-A1-01M-1": Check(1, 3, _accessible)}),
    "FsF-A1.1-01MD": Metric(2, True, {
        "FsF-A1.1-01MD-1": Check(1, 3, lambda found: _page_protocol(found, False)),
        "FsF-A1.1-01MD-2": Check(1, 3, lambda found: _data_protocol(found, False)),
    }),
    "FsF-A1.2-01MD": Metric(2, True, {
        "FsF-A1.2-01MD-1": Check(1, 3, lambda found: _page_protocol(found, True)),
        "FsF-A1.2-01MD-2": Check(1, 3, lambda found: _data_protocol(found, True)),
    }),
    "FsF-I1-01M": Metric(2, False, {
        "FsF-I1-01M-1": Check(2, 2, lambda found: _formal(found, _IN_PAGE)),
        "FsF-I1-01M-2": Check(2, 3, lambda found: _formal(found, _ELSEWHERE)),
    }),
    "FsF-I2-01M": Metric(2, True, {"FsF-I2-01M-2": Check(2, 3, _registered)}),
    "FsF-I3-01M": Metric(2, False, {
        "FsF-I3-01M-1": Check(2, 2, lambda found: _related_by(found, False)),
        "FsF-I3-01M-2": Check(2, 3, lambda found: _related_by(found, True)),
    }),
    "FsF-R1-01M": Metric(2, True, {
        "FsF-R1-01M-1": Check(1, 1, lambda found: _lacks(found, ["object_type"])),
        "FsF-R1-01M-2": Check(1, 3, _described),
        "FsF-R1-01M-3": Check(0, 3, lambda found: _lacks(found, ["measured_variable"])),
    }),
    "FsF-R1.1-01M": Metric(1, True, {"FsF-R1.1-01M-1": Check(1, 3, lambda found: _lacks(found, ["license"]))}),
    "FsF-R1.2-01M": Metric(1, False, {
        "FsF-R1.2-01M-1": Check(1, 2, _traced),
        "FsF-R1.2-01M-2": Check(1, 2, lambda found: "" if found.namespaces & _PROVENANCE else "neither PROV nor PAV"),
    }),
}  # fmt: skip


class Score(NamedTuple):
    """What a metric was given.

    Attributes
    ----------
    earned, total : float
        Points.
    maturity : int
        0 to 3: the highest of the tests passed.
    tests : dict of str to bool
        Which passed.
    why : dict of str to str
        What the others lack.
    """

    earned: float
    total: float
    maturity: int
    tests: dict[str, bool]
    why: dict[str, str]


def score(assessed: Assessed) -> dict[str, Score]:
    """Return the score of every metric; of a page that is not there all are 0."""
    found = harvest(assessed)
    return {name: _scored(metric, found, assessed.status == 200) for name, metric in METRICS.items()}


def _scored(metric: Metric, found: Harvest, there: bool) -> Score:
    faults = {name: check.fault(found) if there else "there is no page" for name, check in metric.tests.items()}
    passed = [check for name, check in metric.tests.items() if not faults[name]]
    points = [check.points for check in passed] or [0.0]
    return Score(
        earned=sum(points) if metric.cumulative else max(points),
        total=metric.total,
        maturity=max((check.maturity for check in passed), default=0),
        tests={name: not fault for name, fault in faults.items()},
        why={name: fault for name, fault in faults.items() if fault},
    )


# Planted omissions


class Fault(NamedTuple):
    """What is wrong with metadata: regular expressions of names that are left out, and of those whose text is another.

    Names are keys of JSON, names of ``meta``, relations of links, ``script`` for a page's JSON-LD, and media types.
    """

    drop: str = "(?!)"
    alter: str = "(?!)"
    old: str = ""
    new: str = ""

    def drops(self, name: str) -> bool:
        return re.fullmatch(self.drop, name) is not None

    def text(self, name: str, text: str) -> str:
        return re.sub(self.old, self.new, text) if re.fullmatch(self.alter, name) else text

    def json(self, value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: self.json(each, key) for key, each in value.items() if not self.drops(key)}
        if isinstance(value, list):
            return [self.json(each, name) for each in value]
        return self.text(name, value) if isinstance(value, str) else value


PLANTED = {
    "FsF-F1-01MD": Fault(r"identifier|@id|url|sameAs|doi|id|alternateIdentifiers|DC\.identifier|citation_doi|cite-as"),
    "FsF-F1-02MD": Fault(alter=".*", old=r"(doi:|https://doi\.org/)?10\.\d+/\S+", new="https://example.org/record"),
    "FsF-F2-01M": Fault(r"keywords|subjects|DC\.subject|citation_keywords"),
    "FsF-F3-01M": Fault(r"distribution|item"),
    "FsF-F4-01M": Fault(r"script|DC\..*|DCTERMS\..*"),
    "FsF-A1-01M": Fault(r"conditionsOfAccess|dcterms:accessRights|DCTERMS\.accessRights|rightsList"),
    "FsF-A1.1-01MD": Fault(alter="contentUrl|item", old="^https?:", new="ivo:"),
    "FsF-A1.2-01MD": Fault(alter="contentUrl|item", old="^https?:", new="telnet:"),
    "FsF-I1-01M": Fault(r"script|application/ld\+json"),
    "FsF-I2-01M": Fault("prov(:.*)?"),
    "FsF-I3-01M": Fault(
        r"isPartOf|hasPart|includedInDataCatalog|subjectOf|isBasedOn|citation|relatedIdentifiers"
        r"|(dcterms:|DCTERMS\.)(relation|source|references|is\w+|has\w+|replaces)"
    ),
    "FsF-R1-01M": Fault("contentSize"),
    "FsF-R1.1-01M": Fault(r"license|rightsList|DCTERMS\.license"),
    "FsF-R1.2-01M": Fault(
        r"prov(:.*)?|(citation_|DC\.)?(creators?|author|contributors?|publisher)|date\w+|dates|publicationYear"
        r"|DCTERMS\.(issued|created|modified)|citation_publication_date"
        r"|isPartOf|hasPart|includedInDataCatalog|subjectOf|isBasedOn|citation|relatedIdentifiers"
        r"|(dcterms:|DCTERMS\.)(relation|source|references|is\w+|has\w+|replaces)"
    ),
}
"""An omission by metric that costs it points."""


def plant(assessed: Assessed, metric: str) -> Assessed:
    """Return the page as it would be if what a metric asks for were left out of it and of all other metadata."""
    fault = PLANTED[metric]

    def fetch(url: str, kind: str) -> Answer:
        status, headers, body = assessed.fetch(url, kind)
        if fault.drops(kind):
            return 406, {}, b""
        return status, headers, json.dumps(fault.json(parsed(body))).encode() if kind.endswith("json") else body

    header = ", ".join(
        f'<{fault.text(link.rel, link.url)}>; rel="{link.rel}"' + (f'; type="{link.type}"' if link.type else "")
        for link in header_links(assessed.headers.get("link", ""))
        if not fault.drops(link.rel)
    )
    return replace(
        assessed, page=_planted(assessed.page, fault), headers={**assessed.headers, "link": header}, fetch=fetch
    )


def _planted(page: bytes, fault: Fault) -> bytes:
    tree = html.document_fromstring(page)
    named = [(meta, meta.get("name"), "content") for meta in tree.iterfind(".//meta[@name]")]
    named += [(link, link.get("rel"), "href") for link in tree.iterfind("head/link")]
    for element, name, attribute in named:
        element.set(attribute, fault.text(name, element.get(attribute, "")))
        if fault.drops(name):
            element.drop_tree()
    for script in tree.findall(f".//script[@type='{JSON_LD}']"):
        script.text = json.dumps(fault.json(parsed(script.text))).replace("<", "\\u003c")
        if fault.drops("script"):
            script.drop_tree()
    return html.tostring(tree, encoding="utf-8", doctype="<!DOCTYPE html>")
