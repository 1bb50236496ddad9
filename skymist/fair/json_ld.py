"""schema.org's Dataset in JSON-LD, as search engines of data read it.

References: https://schema.org/Dataset and the guidelines of https://science-on-schema.org. The context is in the
document, so that it can be read without a network. Where schema.org has no word, Dublin Core (``dcterms``) or PROV has.
"""

from typing import Any

from skymist.fair.datacite import CONCEPTS, KINDS, NO_OBSERVATION, THESAURUS
from skymist.fair.licences import OPEN, access_right, licence
from skymist.fair.provenance import activity_iri, source_iri
from skymist.fair.record import Activity, Agent, File, Quantity, Record, Relation, said, stamp

_IRI = {"@type": "@id"}
CONTEXT = {
    "@vocab": "https://schema.org/",
    "dcterms": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    **dict.fromkeys(("contentUrl", "license", "sameAs", "url", "dcterms:accessRights"), _IRI),
}
AGENTS = {"person": "Person", "organisation": "Organization", "software": "SoftwareApplication"}
_RELATIONS = {
    "IsDerivedFrom": ("isBasedOn", "prov:wasDerivedFrom"),
    "IsNewVersionOf": ("dcterms:replaces", "prov:wasRevisionOf"),
    "Obsoletes": ("dcterms:replaces", "prov:wasRevisionOf"),
    "IsPreviousVersionOf": ("dcterms:isReplacedBy",),
    "IsObsoletedBy": ("dcterms:isReplacedBy",),
    "IsVersionOf": ("isPartOf", "dcterms:isVersionOf"),
    "HasVersion": ("hasPart", "dcterms:hasVersion"),
    "IsPartOf": ("isPartOf",),
    "HasPart": ("hasPart",),
    "IsDocumentedBy": ("subjectOf",),
    "IsDescribedBy": ("subjectOf",),
    "IsReferencedBy": ("subjectOf",),
    "IsCitedBy": ("subjectOf",),
    "Cites": ("citation",),
    "References": ("citation",),
}
"""By DataCite's relationType; whatever else is ``dcterms:relation``."""


def json_ld(record: Record) -> dict[str, Any]:
    """Return a record as a schema.org Dataset; what is not known is left out.

    Its ``@id`` is its IVOA identifier, as in `skymist.fair.provenance`, so that both are one graph.

    Raises
    ------
    RequestError
        If the record has no creator, or a licence that is not known.
    """
    return said(
        {
            "@context": CONTEXT,
            "@id": record.identifier,
            "@type": ["Dataset", "prov:Entity"],
            **_names(record),
            **_people(record),
            **_rights(record),
            **_times(record),
            **_content(record),
            **_origin(record),
        }
    )


def _names(record: Record) -> dict[str, Any]:
    names = [
        ("https://www.ivoa.net/documents/IVOAIdentifiers/", record.identifier, ""),
        ("https://www.rfc-editor.org/rfc/rfc9562", record.uuid.urn, ""),
    ]
    doi = f"https://doi.org/{record.doi}" if record.doi else ""
    if doi:
        names.insert(0, ("https://registry.identifiers.org/registry/doi", f"doi:{record.doi}", doi))
    return {
        "name": record.title,
        "alternateName": record.name,
        "description": record.description,
        "disambiguatingDescription": NO_OBSERVATION if record.simulated else "",
        "identifier": [
            said({"@type": "PropertyValue", "propertyID": scheme, "value": value, "url": url})
            for scheme, value, url in names
        ],
        "url": record.url,
        "sameAs": [*([doi] if doi else []), record.uuid.urn],
        "version": record.version,
        "inLanguage": "en",
        "keywords": list(dict.fromkeys([*CONCEPTS, *record.keywords])),
        "additionalType": KINDS[record.thing],
    }


def _people(record: Record) -> dict[str, Any]:
    others = [agent for agent in record.agents if agent.part not in ("creator", "publisher")]
    catalog = record.identifier.partition("#")[0]
    return {
        "creator": [_agent(agent) for agent in record.creators],
        "contributor": [{"@type": "Role", "roleName": each.part, "contributor": _agent(each)} for each in others],
        "publisher": said({**_agent(record.publisher), "contactPoint": _contact(record.site.contact)}),
        "includedInDataCatalog": said(
            {"@type": "DataCatalog", "@id": catalog, "name": record.site.publisher, "url": record.site.home}
        ),
    }


def _agent(agent: Agent) -> dict[str, Any]:
    return said({"@type": AGENTS.get(agent.kind, "Organization"), "@id": agent.identifier, "name": agent.name})


def _contact(address: str) -> dict[str, Any]:
    if not address:
        return {}
    return {"@type": "ContactPoint", "contactType": "contact", "url" if "://" in address else "email": address}


def _rights(record: Record) -> dict[str, Any]:
    access = access_right(record)
    return {
        "license": licence(record.site.licence).url,
        "conditionsOfAccess": access.name,
        "dcterms:accessRights": access.url,
        "isAccessibleForFree": access == OPEN,
        "creativeWorkStatus": str(record.status),
        "correction": record.reason,
    }


def _times(record: Record) -> dict[str, Any]:
    return {
        "dateCreated": stamp(record.created),
        "dateModified": stamp(record.changed),
        "datePublished": stamp(record.published),
        "temporalCoverage": record.time,
    }


def _content(record: Record) -> dict[str, Any]:
    concepts = [
        {"@type": "DefinedTerm", "@id": url, "name": name, "inDefinedTermSet": THESAURUS}
        for name, url in CONCEPTS.items()
    ]
    return {
        "about": concepts,
        "spatialCoverage": _place(record),
        "variableMeasured": [_quantity(quantity) for quantity in record.quantities],
        "distribution": [_download(file) for file in record.content],
    }


def _place(record: Record) -> dict[str, Any]:
    """Return where on the sky it is: schema.org's shapes are on Earth, so it is said in properties."""
    if record.ra is None or record.dec is None:
        return {}
    values = [
        Quantity("right ascension", record.ra, "deg", "pos.eq.ra"),
        Quantity("declination", record.dec, "deg", "pos.eq.dec"),
    ]
    if record.radius_90 is not None:
        what = "Radius of a circle around it that holds the source with 90 %."
        values.append(Quantity("radius_90", record.radius_90, "deg", "stat.error;pos.eq", what))
    if record.area_90_deg2 is not None:
        what = "Area of the region that holds the source with 90 %."
        values.append(Quantity("area_90", record.area_90_deg2, "deg2", "phys.angArea;pos.eq", what))
    return {"@type": "Place", "name": "Sky, ICRS", "additionalProperty": [_quantity(each) for each in values]}


def _quantity(quantity: Quantity) -> dict[str, Any]:
    return said(
        {
            "@type": "PropertyValue",
            "name": quantity.name,
            "value": quantity.value,
            "unitText": quantity.unit,
            "propertyID": quantity.ucd,
            "description": quantity.description,
        }
    )


def _download(file: File) -> dict[str, Any]:
    content = {"@type": "PropertyValue", "propertyID": "SHA-256 of the content", "value": file.sha256}
    return said(
        {
            "@type": "DataDownload",
            "name": file.name,
            "description": file.description,
            "contentUrl": file.url,
            "encodingFormat": file.media_type,
            **({"identifier": content} if file.is_packed else {"contentSize": f"{file.size} B", "sha256": file.sha256}),
        }
    )


def _origin(record: Record) -> dict[str, Any]:
    """Return what it was made of, by what, and how it stands to others."""
    found: dict[str, list[dict[str, Any]]] = {}
    for source in record.sources:
        node = {"@id": source_iri(source), "@type": "Message", "name": source.name}
        found.setdefault("isBasedOn", []).append({**node, "dateReceived": stamp(source.received)})
        found.setdefault("prov:wasDerivedFrom", []).append({"@id": node["@id"]})
    for relation in record.relations:
        first, *others = _RELATIONS.get(relation.kind, ("dcterms:relation",))
        found.setdefault(first, []).append(_related(relation))
        for word in others:
            found.setdefault(word, []).append({"@id": relation.iri})
    return {**found, **(_made(record, record.activity) if record.activity else {})}


def _related(relation: Relation) -> dict[str, Any]:
    return said({"@id": relation.iri, "@type": "CreativeWork", "name": relation.title, "url": relation.url})


def _made(record: Record, activity: Activity) -> dict[str, Any]:
    programs = [
        {"@type": "SoftwareApplication", "name": name, "softwareVersion": version}
        for name, version in activity.software.items()
    ]
    made = {
        "@id": activity_iri(record, activity),
        "@type": ["prov:Activity", "CreateAction"],
        "name": activity.name,
        "startTime": stamp(activity.started) if activity.started else "",
        "endTime": stamp(activity.ended) if activity.ended else "",
        "instrument": programs,
    }
    return {"measurementTechnique": activity.name, "prov:wasGeneratedBy": said(made)}
