"""What a client finds of a record: in its landing page, in the headers, and in the metadata that these lead to.

It knows JSON-LD of schema.org (a document's own context is enough for it), Dublin Core and the words of Highwire Press
in HTML, JSON of DataCite, and typed links, and gives what they say by the names of F-UJI's
``fuji_server/helper/metadata_mapper.py`` (see `fuji`).
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lxml import html

Answer = tuple[int, Mapping[str, str], bytes]
Fetch = Callable[[str, str], Answer]
"""From a URL and a media type to the status, the headers (names in lower case) and the body."""

JSON_LD = "application/ld+json"
DATACITE = "application/vnd.datacite.datacite+json"


@dataclass(frozen=True)
class Assessed:
    """What a client has got of a landing page, and how it gets more."""

    url: str
    status: int
    headers: Mapping[str, str]
    page: bytes
    fetch: Fetch


class Link(NamedTuple):
    """A typed link of the page or its header."""

    rel: str
    url: str
    type: str


class Content(NamedTuple):
    """A file that the metadata name."""

    url: str
    type: str
    size: str


@dataclass
class Harvest:
    """What the metadata say.

    Attributes
    ----------
    url : str
        Of the landing page.
    elements : dict of str to list of str
        By F-UJI's names.
    contents : list of Content
    related : list of (str, str)
        Type of relation and target.
    namespaces : set of str
        Of the words used in linked data.
    offered : set of (str, str)
        Standards of metadata and how they are had: ``json_in_html``, ``meta_tag``, ``content_negotiation``,
        ``typed_links``.
    """

    url: str
    elements: dict[str, list[str]] = field(default_factory=dict)
    contents: list[Content] = field(default_factory=list)
    related: list[tuple[str, str]] = field(default_factory=list)
    namespaces: set[str] = field(default_factory=set)
    offered: set[tuple[str, str]] = field(default_factory=set)

    def add(self, element: str, values: Iterable[Any]) -> None:
        texts = [str(value).strip() for value in values if value not in (None, "", [], {})]
        if texts:
            self.elements[element] = list(dict.fromkeys([*self.elements.get(element, []), *texts]))


def visit(url: str, fetch: Fetch) -> Assessed:
    """Return a landing page as a browser gets it."""
    status, headers, body = fetch(url, "text/html")
    return Assessed(url, status, headers, body, fetch)


# What is in a page


def harvest(assessed: Assessed) -> Harvest:
    """Return what a page and what it leads to say; of a page that is not there, nothing."""
    found = Harvest(assessed.url)
    if assessed.status != 200 or not assessed.page.strip():
        return found
    tree = html.document_fromstring(assessed.page)
    for script in tree.iterfind(f".//script[@type='{JSON_LD}']"):
        _json_ld(found, parsed(script.text), "json_in_html")
    _metas(found, [(meta.get("name", ""), meta.get("content", "")) for meta in tree.iterfind(".//meta[@name]")])
    links = page_links(tree) + header_links(assessed.headers.get("link", ""))
    _links(found, links)
    for kind in (JSON_LD, DATACITE):
        _document(found, assessed, assessed.url, kind, "content_negotiation")
    for link in dict.fromkeys(link for link in links if link.rel in ("describedby", "alternate")):
        _document(found, assessed, link.url, link.type, "typed_links")
    return found


def page_links(tree: Any) -> list[Link]:
    """Return the typed links of a page."""
    return [Link(*(each.get(name, "") for name in ("rel", "href", "type"))) for each in tree.iterfind("head/link")]


def header_links(header: str) -> list[Link]:
    """Return the typed links of a header ``Link``."""
    links = []
    for url, rest in re.findall(r'<([^>]*)>((?:\s*;\s*\w+="[^"]*")*)', header):
        values = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        links.append(Link(values.get("rel", ""), url, values.get("type", "")))
    return links


def parsed(text: str | bytes | None) -> Any:
    """Return what some JSON says, of none nothing."""
    try:
        return json.loads(text or "null")
    except ValueError:
        return None


def _document(found: Harvest, assessed: Assessed, url: str, kind: str, how: str) -> None:
    if kind not in (JSON_LD, DATACITE):
        return
    status, headers, body = assessed.fetch(url, kind)
    if status == 200 and headers.get("content-type", "").partition(";")[0] == kind:
        (_json_ld if kind == JSON_LD else _datacite)(found, parsed(body), how)


def _links(found: Harvest, links: list[Link]) -> None:
    of = {rel: [link for link in links if link.rel == rel] for rel in ("cite-as", "license", "item")}
    found.add("object_identifier", (link.url for link in of["cite-as"]))
    found.add("license", (link.url for link in of["license"]))
    found.contents += [Content(link.url, link.type, "") for link in of["item"]]


_DUBLIN_CORE = {
    "identifier": "object_identifier", "creator": "creator", "title": "title", "contributor": "contributor",
    "publisher": "publisher", "date": "publication_date", "available": "publication_date", "issued": "publication_date",
    "abstract": "summary", "description": "summary", "subject": "keywords", "type": "object_type",
    "modified": "modified_date", "created": "created_date", "license": "license", "rights": "access_level",
    "accessrights": "access_level", "rightsholder": "right_holder",
}  # fmt: skip
_DUBLIN_CORE_RELATIONS = (
    "relation", "source", "references", "hasversion", "isreferencedby", "isversionof", "replaces", "requires",
    "conformsto", "hasformat", "haspart", "ispartof", "isreplacedby", "isrequiredby",
)  # fmt: skip
_HIGHWIRE = {
    "citation_doi": "object_identifier", "citation_author": "creator", "citation_title": "title",
    "citation_publisher": "publisher", "citation_publication_date": "publication_date", "citation_keywords": "keywords",
}  # fmt: skip


def _metas(found: Harvest, metas: list[tuple[str, str]]) -> None:
    for name, content in metas:
        schema, _, term = name.lower().partition(".")
        if name in _HIGHWIRE:
            found.add(_HIGHWIRE[name], [content])
        elif schema in ("dc", "dcterms") and content:
            found.offered.add(("dublin-core", "meta_tag"))
            if term in _DUBLIN_CORE_RELATIONS:
                found.related.append((term, content))
            elif term in _DUBLIN_CORE:
                found.add(_DUBLIN_CORE[term], [content])


# Linked data

SCHEMA = "http://schema.org/"
TERMS = "http://purl.org/dc/terms/"
_ELEMENTS = {
    f"{SCHEMA}name": "title", f"{SCHEMA}headline": "title", f"{SCHEMA}description": "summary",
    f"{SCHEMA}abstract": "summary", f"{SCHEMA}keywords": "keywords", f"{SCHEMA}creator": "creator",
    f"{SCHEMA}author": "creator", f"{SCHEMA}contributor": "contributor", f"{SCHEMA}publisher": "publisher",
    f"{SCHEMA}provider": "publisher", f"{SCHEMA}copyrightHolder": "right_holder",
    f"{SCHEMA}datePublished": "publication_date", f"{SCHEMA}dateCreated": "created_date",
    f"{SCHEMA}dateModified": "modified_date", f"{SCHEMA}license": "license",
    f"{SCHEMA}conditionsOfAccess": "access_level", f"{TERMS}accessRights": "access_level",
    f"{SCHEMA}identifier": "object_identifier", f"{SCHEMA}sameAs": "object_identifier",
    f"{SCHEMA}url": "object_identifier", "@id": "object_identifier", f"{SCHEMA}variableMeasured": "measured_variable",
}  # fmt: skip
_RELATIONS = {
    *(f"{SCHEMA}{word}" for word in ("isPartOf", "includedInDataCatalog", "subjectOf", "isBasedOn", "citation")),
    *(
        f"{TERMS}{word}"
        for word in (
            "references", "source", "isVersionOf", "isReferencedBy", "isPartOf", "hasVersion", "replaces", "hasPart",
            "isReplacedBy", "requires", "isRequiredBy",
        )
    ),
}  # fmt: skip


def _json_ld(found: Harvest, document: Any, how: str) -> None:
    """Add what a document says of its data set: the first node of that type."""
    if not isinstance(document, dict):
        return
    words = _Words(document.get("@context"))
    nodes = [words.node(node) for node in _list(document.get("@graph", document)) if isinstance(node, dict)]
    record = next((node for node in nodes if f"{SCHEMA}Dataset" in node.get("@type", ())), None)
    if record is None:
        return
    found.offered.add(("schemaorg", how))
    found.namespaces |= words.used
    found.add("object_type", record["@type"])
    for word, values in record.items():
        if word in _ELEMENTS:
            found.add(_ELEMENTS[word], (_text(value) for value in _list(values)))
        elif word in _RELATIONS:
            found.related += [(word, target) for value in _list(values) if (target := _target(value))]
    found.contents += [_content(each) for each in _list(record.get(f"{SCHEMA}distribution"))]


class _Words:
    """The words of a document written out with their namespaces, as far as its own context says them."""

    def __init__(self, context: Any) -> None:
        self.vocabulary, self.prefixes, self.used = "", {}, set()
        for part in _list(context):
            for name, value in part.items() if isinstance(part, dict) else [("@vocab", part)]:
                if name == "@vocab":
                    self.vocabulary = _namespace(value)
                elif isinstance(value, str):
                    self.prefixes[name] = _namespace(value)

    def word(self, word: str) -> str:
        prefix, colon, name = word.partition(":")
        space = self.prefixes.get(prefix, "") if colon else self.vocabulary
        if word.startswith("@") or not space:
            return word
        self.used.add(space)
        return space + (name if colon else word)

    def node(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.node(each) for each in value]
        if not isinstance(value, dict):
            return value
        node = {self.word(key): self.node(each) for key, each in value.items() if key != "@context"}
        if "@type" in node:
            node["@type"] = [self.word(kind) for kind in _list(node["@type"])]
        return node


def _namespace(value: str) -> str:
    value = value.replace("https://schema.org", "http://schema.org")
    return value if value.endswith(("/", "#")) else f"{value}/"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _text(value: Any) -> Any:
    """Return what a node is known by."""
    if not isinstance(value, dict):
        return value
    inner = value.get(f"{SCHEMA}contributor")  # of a role
    named = (value.get(key) for key in (f"{SCHEMA}value", f"{SCHEMA}name", f"{SCHEMA}url", "@id"))
    return _text(inner) if inner else next((text for text in named if text), None)


def _target(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return value.get(f"{SCHEMA}url") or value.get("@id") or value.get(f"{SCHEMA}name")


def _content(value: Any) -> Content:
    node = value if isinstance(value, dict) else {f"{SCHEMA}contentUrl": value}
    url = node.get(f"{SCHEMA}contentUrl") or node.get(f"{SCHEMA}url")
    kind, size = (node.get(f"{SCHEMA}{key}") for key in ("encodingFormat", "contentSize"))
    return Content(*(str(_text(each) or "") for each in (url, kind, size)))


# DataCite

LICENCE = re.compile(r"(creativecommons|opendatacommons|opensource|spdx)\.org/|licen[cs]e", re.I)
"""What rights that are a licence look like."""


def _datacite(found: Harvest, document: Any, how: str) -> None:
    if not isinstance(document, dict):
        return
    found.offered.add(("datacite", how))

    def every(key: str, inner: str) -> list[Any]:
        return [each.get(inner) for each in document.get(key, [])]

    publisher = document.get("publisher")
    rights = [each.get("rightsUri") or each.get("rights", "") for each in document.get("rightsList", [])]
    found.add("object_identifier", [document.get("id"), document.get("doi")])
    found.add("object_identifier", every("alternateIdentifiers", "alternateIdentifier"))
    found.add("creator", every("creators", "name"))
    found.add("contributor", every("contributors", "name"))
    found.add("title", every("titles", "title"))
    found.add("publisher", [publisher.get("name") if isinstance(publisher, dict) else publisher])
    found.add("publication_date", [document.get("publicationYear")])
    found.add("keywords", every("subjects", "subject"))
    found.add("summary", every("descriptions", "description"))
    found.add("object_type", [document.get("types", {}).get("resourceTypeGeneral")])
    found.add("license", filter(LICENCE.search, rights))
    found.add("access_level", (right for right in rights if not LICENCE.search(right)))
    related = document.get("relatedIdentifiers", [])
    found.related += [(each.get("relationType", ""), each.get("relatedIdentifier", "")) for each in related]
