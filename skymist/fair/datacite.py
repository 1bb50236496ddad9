"""DataCite 4.5: what a DOI is registered with, and a citation is made of.

Reference: https://datacite-metadata-schema.readthedocs.io/en/4.5. A record without a DOI is described in the same way:
its names are alternate identifiers then, and the DOI comes beside them when there is one.
"""

import json
from typing import Any

from skymist.fair.licences import access_right, licence
from skymist.fair.record import Access, Agent, Record, Relation, Status, said, stamp
from skymist.model.identity import Thing, uuid_of

SCHEMA = "http://datacite.org/schema/kernel-4"
THESAURUS = "http://astrothesaurus.org"
CONCEPTS = {"Neutrino astronomy": f"{THESAURUS}/uat/1100", "High energy astrophysics": f"{THESAURUS}/uat/739"}
"""Of the Unified Astronomy Thesaurus, that all records are about."""

NO_OBSERVATION = "No observation of the sky: a test or a simulation."
KINDS = {
    Thing.ALERT: "Neutrino alert",
    Thing.REVISION: "Revision of a neutrino alert",
    Thing.SCAN: "Sky scan of a neutrino event",
    Thing.MAP: "Sky map of a neutrino event",
}
"""What a record is, in words."""

_SCHEMES = {"https://orcid.org/": "ORCID", "https://ror.org/": "ROR"}
_NAME_TYPES = {"person": "Personal", "organisation": "Organizational"}
_CONTRIBUTORS = {
    "contact": "ContactPerson",
    "sender": "Distributor",
    "requester": "Researcher",
    "approver": "DataCurator",
    "retracter": "DataCurator",
}


def datacite(record: Record) -> dict[str, Any]:
    """Return a record as JSON of DataCite 4.5; what is not known is left out.

    The sky is no place on Earth: there are no geoLocations.

    Raises
    ------
    RequestError
        If the record has no creator, or a licence that is not known.
    """
    return said(
        {
            "schemaVersion": SCHEMA,
            "doi": record.doi,
            "url": record.url,
            "alternateIdentifiers": [
                {"alternateIdentifier": record.identifier, "alternateIdentifierType": "IVOID"},
                {"alternateIdentifier": record.uuid.urn, "alternateIdentifierType": "URN"},
            ],
            "creators": [_agent(agent) for agent in record.creators],
            "titles": _titles(record),
            "publisher": _publisher(record.publisher),
            "publicationYear": str(record.published.year),
            "types": {"resourceTypeGeneral": "Dataset", "resourceType": KINDS[record.thing]},
            "subjects": _subjects(record),
            "contributors": _contributors(record),
            "dates": _dates(record),
            "language": "en",
            "relatedIdentifiers": [_related(relation) for relation in record.relations],
            "sizes": _unique(f"{file.size} bytes" for file in record.content if not file.is_packed),
            "formats": _unique(file.media_type for file in record.content),
            "version": record.version,
            "rightsList": _rights(record),
            "descriptions": _descriptions(record),
        }
    )


def _unique(values: Any) -> list[Any]:
    return list(dict.fromkeys(values))


def _scheme(identifier: str) -> tuple[str, str]:
    """Return the name and the address of the scheme of an identifier."""
    return next(((name, home) for home, name in _SCHEMES.items() if identifier.startswith(home)), ("URL", ""))


def _agent(agent: Agent) -> dict[str, Any]:
    scheme, home = _scheme(agent.identifier)
    name = {"nameIdentifier": agent.identifier, "nameIdentifierScheme": scheme, "schemeUri": home}
    return said(
        {
            "name": agent.name,
            "nameType": _NAME_TYPES.get(agent.kind),
            "nameIdentifiers": [said(name)] if agent.identifier else [],
        }
    )


def _publisher(agent: Agent) -> dict[str, Any]:
    if not agent.identifier:
        return {"name": agent.name}
    scheme, home = _scheme(agent.identifier)
    names = {"publisherIdentifier": agent.identifier, "publisherIdentifierScheme": scheme, "schemeUri": home}
    return {"name": agent.name, **said(names)}


def _contributors(record: Record) -> list[dict[str, Any]]:
    others = [agent for agent in record.agents if agent.part not in ("creator", "publisher")]
    return [{"contributorType": _CONTRIBUTORS.get(agent.part, "Other"), **_agent(agent)} for agent in others]


def _titles(record: Record) -> list[dict[str, Any]]:
    other = {"title": record.name, "titleType": "AlternativeTitle"}
    return [{"title": record.title}, *([other] if record.name else [])]


def _subjects(record: Record) -> list[dict[str, Any]]:
    concepts = [
        {
            "subject": name,
            "subjectScheme": "Unified Astronomy Thesaurus",
            "schemeUri": THESAURUS,
            "valueUri": url,
        }
        for name, url in CONCEPTS.items()
    ]
    return concepts + [{"subject": word} for word in _unique(record.keywords)]


def _dates(record: Record) -> list[dict[str, Any]]:
    embargo = "end of the embargo" if record.access == Access.EMBARGOED else ""
    dates = [
        {"dateType": "Created", "date": stamp(record.created)},
        {"dateType": "Updated", "date": stamp(record.changed)},
        {"dateType": "Collected", "date": record.time, "dateInformation": "time of the event, UTC"},
        {
            "dateType": "Available",
            "date": stamp(record.released) if record.released else "",
            "dateInformation": embargo,
        },
        {
            "dateType": "Withdrawn",
            "date": stamp(record.ended) if record.ended and record.status == Status.WITHDRAWN else "",
            "dateInformation": _end(record),
        },
    ]
    return [said(date) for date in dates if date["date"]]


def _end(record: Record) -> str:
    return f"{record.status}: {record.reason}" if record.reason else str(record.status)


def _related(relation: Relation) -> dict[str, Any]:
    """Return a relation; DataCite has no type for ``ivo://``, so there stands its page, or else its UUID."""
    target, kind = relation.target, relation.target_type
    if target.startswith("ivo://"):
        target, kind = (relation.url, "URL") if relation.url else (uuid_of(target).urn, "URN")
    return {"relationType": relation.kind, "relatedIdentifier": target, "relatedIdentifierType": kind}


def _rights(record: Record) -> list[dict[str, Any]]:
    terms, access = licence(record.site.licence), access_right(record)
    return [
        {
            "rights": terms.name,
            "rightsUri": terms.url,
            "rightsIdentifier": terms.identifier,
            "rightsIdentifierScheme": "SPDX",
            "schemeUri": "https://spdx.org/licenses/",
        },
        {"rights": access.name, "rightsUri": access.url},
    ]


def _descriptions(record: Record) -> list[dict[str, Any]]:
    texts = [("Abstract", record.description)]
    if record.activity:
        request = json.dumps(record.activity.request, sort_keys=True, ensure_ascii=False, allow_nan=False)
        software = ", ".join(f"{name} {version}" for name, version in record.activity.software.items())
        texts += [("Methods", f"{record.activity.name}: {request}"), ("TechnicalInfo", software)]
    if record.simulated:
        texts.append(("Other", NO_OBSERVATION))
    if record.status != Status.CURRENT:
        texts.append(("Other", _end(record)))
    return [{"description": text, "descriptionType": kind} for kind, text in texts if text]
