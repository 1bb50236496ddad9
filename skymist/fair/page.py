"""Landing page of a record: HTML for people, with what machines look for in such a page.

It needs no script and nothing from elsewhere, so that it works under a strict Content-Security-Policy:
``default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; frame-ancestors 'none'; sandbox allow-downloads``, of
which ``img-src`` is for figures, and ``allow-downloads`` for files that a browser saves.

References: typed links of https://signposting.org/FAIR, level 1 (RFC 8288, RFC 8574), and Dublin Core in HTML as in
https://www.dublincore.org/specifications/dublin-core/dc-html.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from skymist.fair.datacite import KINDS
from skymist.fair.licences import access_right, licence
from skymist.fair.record import Record, Relation, Status, stamp

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"
"""Of the page, and its style."""

FORMATS = {
    "application/ld+json": "schema.org as JSON-LD",
    "application/json": "the record as JSON",
    "application/vnd.datacite.datacite+json": "DataCite as JSON",
    "application/prov+json": "W3C PROV as JSON",
    "application/x-obscore+json": "ObsCore as JSON",
    "application/xml": "VOEvent",
}
"""What is in a document of metadata, by its media type."""

_TERMS = {
    "IsNewVersionOf": "replaces",
    "IsPreviousVersionOf": "isReplacedBy",
    "Obsoletes": "replaces",
    "IsObsoletedBy": "isReplacedBy",
    "IsVersionOf": "isVersionOf",
    "HasVersion": "hasVersion",
    "IsPartOf": "isPartOf",
    "HasPart": "hasPart",
    "IsDerivedFrom": "source",
    "References": "references",
    "IsReferencedBy": "isReferencedBy",
}
_NEWER = "IsPreviousVersionOf", "IsObsoletedBy"


class Link(NamedTuple):
    """A typed link: its relation (RFC 8288), its address and, if it is known, the media type of what is there."""

    rel: str
    url: str
    type: str = ""


def page(record: Record, json_ld: Mapping[str, Any], formats: Mapping[str, str]) -> str:
    """Return the landing page of a record; of a withdrawn one what is left of it: names, dates, reason, citation.

    Parameters
    ----------
    record : Record
    json_ld : mapping
        The record as schema.org says it, to be put into the page.
    formats : mapping of str to str
        Where its metadata can be had, by media type.

    Raises
    ------
    RequestError
        If the record has no creator, or a licence that is not known.
    """
    return (
        environment()
        .get_template("record.html")
        .render(
            record=record,
            site=record.site,
            json_ld=embedded(json_ld),
            formats={kind: url for kind, url in formats.items() if kind != "text/html" and _address(url)},
            links=[link for link in _links(record, formats) if link.rel != "type"],
            terms=list(_terms(record)),
            named=list(_named(record)),
            newer=[relation for relation in record.relations if relation.kind in _NEWER],
            quantities=[quantity for quantity in record.quantities if quantity.value != record.time],
            figures=[file for file in record.files if file.media_type.startswith("image/") and _address(file.url)],
            request=[] if record.activity is None else list(_flat(record.activity.request)),
            citation=citation(record),
            licence=licence(record.site.licence),
            access=access_right(record),
            kind=KINDS[record.thing],
            withdrawn=record.status == Status.WITHDRAWN,
        )
    )


def links(record: Record, formats: Mapping[str, str]) -> str:
    """Return the value of the HTTP header ``Link`` of the landing page.

    Parameters
    ----------
    record : Record
    formats : mapping of str to str
        Where its metadata can be had, by media type.

    Raises
    ------
    RequestError
        If the record has no creator, or a licence that is not known.
    """
    return ", ".join(_in_header(link) for link in _links(record, formats))


def citation(record: Record) -> str:
    """Return how to cite a record: creators (year): title. Version. Publisher. Type. Identifier, as DataCite says."""
    who = "; ".join(agent.name for agent in record.creators)
    name = f"https://doi.org/{record.doi}" if record.doi else record.identifier
    version = f" Version {record.version}." if record.version else ""
    return f"{who} ({_day(record)[:4]}): {record.title}.{version} {record.publisher.name}. Dataset. {name}"


def _day(record: Record) -> str:
    return stamp(record.published)[:10]


def _named(record: Record) -> Iterator[tuple[str, str, str]]:
    yield "DOI", record.doi, f"https://doi.org/{record.doi}" if record.doi else ""
    yield "IVOA identifier", record.identifier, ""
    yield "UUID", record.uuid.urn, ""
    yield "Address", record.url, record.url


def _links(record: Record, formats: Mapping[str, str]) -> Iterator[Link]:
    files = () if record.status == Status.WITHDRAWN else record.files
    cited = f"https://doi.org/{record.doi}" if record.doi else record.url
    found = [
        Link("cite-as", cited),
        Link("type", "https://schema.org/Dataset"),
        Link("type", "https://schema.org/AboutPage"),
        *(Link("describedby", url, kind) for kind, url in formats.items() if kind != "text/html"),
        *(Link("item", file.url, file.media_type) for file in files),
        Link("license", licence(record.site.licence).url),
        *(Link("author", agent.identifier) for agent in record.creators),
        Link("collection", record.site.home),
    ]
    return (link for link in found if _address(link.url))


def _in_header(link: Link) -> str:
    """Return a link as RFC 8288 writes it; commas and semicolons, at which simple readers split, are encoded."""
    url = quote(link.url, safe=":/?#[]@!$&'()*+=%~")
    kind = re.sub(r"[^\x20-\x7e]", "", link.type).replace("\\", "\\\\").replace('"', '\\"')
    return f'<{url}>; rel="{link.rel}"' + (f'; type="{kind}"' if kind else "")


def _terms(record: Record) -> Iterator[tuple[str, str]]:
    """Yield names and contents of the elements ``meta``: Dublin Core, and what search engines for papers read."""
    names = [name for _, name, _ in _named(record) if name]
    people = [agent.name for agent in record.creators]
    yield from (("DC.identifier", name) for name in names)
    yield from (("DC.creator", name) for name in people)
    yield from (("DC.title", record.title), ("DC.publisher", record.publisher.name), ("DC.type", "Dataset"))
    yield from (("DC.language", "en"), ("DCTERMS.license", licence(record.site.licence).url))
    yield from (("DCTERMS.issued", _day(record)), ("DCTERMS.accessRights", access_right(record).url))
    yield from (("DCTERMS.created", stamp(record.created)), ("DCTERMS.modified", stamp(record.changed)))
    yield from ((f"DCTERMS.{_TERMS.get(to.kind, 'relation')}", _place(to) or to.target) for to in record.relations)
    yield from (("citation_title", record.title), ("citation_publication_date", _day(record).replace("-", "/")))
    yield from (("citation_author", name) for name in people)
    yield from (("citation_publisher", record.publisher.name), ("citation_doi", record.doi))
    if record.status != Status.WITHDRAWN:
        yield from (("description", record.description), ("DC.description", record.description))
        yield from (("DC.subject", word) for word in record.keywords)
        yield from (("DC.format", kind) for kind in dict.fromkeys(file.media_type for file in record.files))


def embedded(json_ld: Mapping[str, Any]) -> "Markup":
    """Return JSON that can stand in an element ``script``: no text in it can end that element or begin a comment."""
    from markupsafe import Markup

    text = json.dumps(json_ld, ensure_ascii=False, indent=1)
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return Markup(text)  # noqa: S704 - all that HTML could take for markup has just been escaped


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value if isinstance(value, str) else "none" if value is None else json.dumps(value)


@cache
def environment() -> "Environment":
    """Return what makes pages of templates; whatever is put into them is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, autoescape=True, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    filters = (_address, _date, _dms, _hms, _number, _place, _size, _unit, _words, stamp)
    environment.filters |= {function.__name__.lstrip("_"): function for function in filters}
    environment.globals["FORMATS"] = FORMATS
    return environment


def _address(url: str) -> str:
    """Return an address that a page may link to; of others, such as ``javascript:...``, nothing."""
    return url if re.match(r"https?://", url, re.IGNORECASE) else ""


def _place(relation: Relation) -> str:
    """Return where the other side of a relation can be seen, or nothing."""
    return _address(relation.url) or _address(relation.iri)


def _words(name: str) -> str:
    """Return ``IsNewVersionOf`` as words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()


def _date(when: datetime) -> str:
    return f"{stamp(when)[:19].replace('T', ' ')} UTC"


def _hms(ra: float) -> str:
    seconds = round(ra * 240) % 86400
    return f"{seconds // 3600:02}h {seconds // 60 % 60:02}m {seconds % 60:02}s"


def _dms(dec: float) -> str:
    seconds = round(abs(dec) * 3600)
    return f"{'−' if dec < 0 else '+'}{seconds // 3600:02}° {seconds // 60 % 60:02}′ {seconds % 60:02}″"


def _number(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "unknown" if math.isnan(value) else f"{value:.7g}"
    return str(value)


def _size(size: int) -> str:
    if size < 1000:
        return f"{size} bytes"
    step = min(int(math.log10(size) / 3), 4)
    return f"{size / 1000**step:.3g} {' kMGT'[step]}B"


def _unit(unit: str) -> "Markup":
    """Return a unit as it is printed: ``deg2`` and ``yr-1`` with raised powers."""
    from markupsafe import Markup, escape

    parts = re.split(r"(?<=[A-Za-z])(-?\d+)", unit)
    printed = (
        Markup("<sup>{}</sup>").format(part.replace("-", "−")) if n % 2 else escape(part)
        for n, part in enumerate(parts)
    )
    return Markup("").join(printed)
