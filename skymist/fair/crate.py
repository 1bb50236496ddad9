"""RO-Crate 1.2: what is in a folder of an archive, for people and programs that know nothing of skymist.

Reference: https://w3id.org/ro/crate/1.2. The metadata are a flat JSON-LD graph of some dozens of lines of code; the
package `rocrate` would write them only together with the files, to a local disk, and knows no object store.

A file is described if somebody may look for it by itself: maps, figures, tables, the first document of a record. All
others have their checksum beside these metadata.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from skymist.fair.json_ld import AGENTS
from skymist.fair.licences import licence
from skymist.fair.page import environment
from skymist.fair.provenance import activity_iri
from skymist.fair.record import Activity, Agent, Record, Site, said, stamp
from skymist.model.identity import Thing

METADATA, PREVIEW = "ro-crate-metadata.json", "ro-crate-preview.html"
CONTEXT = "https://w3id.org/ro/crate/1.2/context"
PROFILE = "https://w3id.org/ro/crate/1.2"


class Standard(NamedTuple):
    """What a file keeps to."""

    url: str
    name: str


ZARR = Standard("https://zarr-specs.readthedocs.io/en/latest/v3/core/v3.0.html", "Zarr version 3")
FITS = Standard("https://fits.gsfc.nasa.gov/fits_standard.html", "FITS version 4.0")
LINES = Standard("https://jsonlines.org", "JSON Lines")
STANDARDS = {
    "datacite.json": Standard("http://datacite.org/schema/kernel-4", "DataCite metadata 4"),
    "prov.json": Standard("https://www.w3.org/submissions/prov-json/", "W3C PROV-JSON"),
    ".jsonl": LINES,
    ".jsonld": Standard("https://schema.org/Dataset", "schema.org Dataset"),
    ".fits": FITS,
    ".fits.gz": FITS,
    "voevent.xml": Standard("https://www.ivoa.net/documents/VOEvent/20110711", "IVOA VOEvent 2.0"),
    ".vot": Standard("https://www.ivoa.net/documents/VOTable/", "IVOA VOTable"),
}
"""By the ending of a file's name."""

MEDIA_TYPES = {
    ".csv": "text/csv", ".ecsv": "text/plain", ".fits": "application/fits", ".gz": "application/gzip",
    ".html": "text/html", ".json": "application/json", ".jsonl": "application/x-ndjson",
    ".jsonld": "application/ld+json", ".parquet": "application/vnd.apache.parquet", ".pdf": "application/pdf",
    ".png": "image/png", ".txt": "text/plain", ".vot": "application/x-votable+xml", ".xml": "application/xml",
}  # fmt: skip
UNKNOWN_TYPE = "application/octet-stream"


@dataclass(frozen=True)
class Part:
    """A file or folder of the crate.

    Attributes
    ----------
    path : str
        From the crate's root; that of a folder ends with a slash.
    name, description : str
    sha256 : str
        Of a file; of the folder of a map, of its content.
    size : int
        Bytes.
    standard : Standard or None
        What a folder keeps to; that of a file follows from its name.
    parts : tuple of Part
        What of a folder is described.
    """

    path: str
    name: str
    description: str
    sha256: str = ""
    size: int = 0
    standard: Standard | None = None
    parts: tuple["Part", ...] = ()


def metadata(
    title: str,
    description: str,
    published: datetime,
    site: Site,
    parts: Sequence[Part],
    records: Sequence[tuple[Record, Part]] = (),
) -> dict[str, Any]:
    """Return the content of ``ro-crate-metadata.json``.

    Parameters
    ----------
    title, description : str
    published : datetime
        When the crate was made.
    site : Site
    parts : sequence of Part
    records : sequence of (Record, Part)
        Each with its first document. A scan among them is an action; what it made are the parts whose SHA-256 is
        that of a file of a map with the same computation.

    Raises
    ------
    RequestError
        If the licence is not known.
    """
    graph = _Graph(parts)
    right = licence(site.licence)
    root = graph.add(
        "./", "Dataset", title, description, datePublished=stamp(published), license=_ref(right.url),
        publisher=_publisher(graph, site), author=[_agent(graph, agent, site) for agent in site.creators],
        hasPart=[graph.part(each) for each in parts], mentions=[],
    )  # fmt: skip
    graph.add(METADATA, "CreativeWork", "Metadata of this crate", about=root, conformsTo=_ref(PROFILE))
    graph.add(right.url, "CreativeWork", right.name, f"The licence {right.identifier} of SPDX", identifier=site.licence)
    if records:
        made = {
            activity_iri(record, record.activity): _made(graph, record, record.activity)
            for record, _ in records if record.thing == Thing.SCAN and record.activity is not None
        }  # fmt: skip
        shown = [_record(graph, record, part, made) for record, part in records]
        graph.add("metadata/", "Dataset", "Metadata of records", "What is said of each record, by standard",
                  hasPart=shown)  # fmt: skip
        graph["./"]["hasPart"].append(_ref("metadata/"))
    ordered = (METADATA, "./", *(key for key in graph if key not in (METADATA, "./")))
    return {"@context": CONTEXT, "@graph": [_compact(graph[key]) for key in ordered]}


class _Graph(dict[str, dict[str, Any]]):
    """Entities by their ``@id``."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self.paths = {each.sha256: each.path for each in _walk(parts) if each.sha256}

    def add(self, key: str, kind: str, name: str, description: str = "", **more: Any) -> dict[str, str]:
        """Add an entity, unless there is one with that ``@id``, and return a reference to it."""
        entity = {"@id": key, "@type": kind, "name": name, "description": description, **more}
        self.setdefault(key, entity)
        return _ref(key)

    def part(self, part: Part, **more: Any) -> dict[str, str]:
        """Add a file, or a folder with what is described of it."""
        if part.path.endswith("/"):
            inner = [self.part(each) for each in part.parts]
            more = {"hasPart": inner, "conformsTo": self.standard(part.standard), **more}
            return self.add(part.path, "Dataset", part.name, part.description, **more)
        more = {"conformsTo": self.standard(_by_ending(STANDARDS, part.path)), **more}
        kind = _by_ending(MEDIA_TYPES, part.path) or UNKNOWN_TYPE
        return self.add(part.path, "File", part.name, part.description, encodingFormat=kind,
                        contentSize=str(part.size), sha256=part.sha256, **more)  # fmt: skip

    def standard(self, standard: Standard | None) -> dict[str, str] | None:
        """Add what a part keeps to."""
        return None if standard is None else self.add(standard.url, "CreativeWork", standard.name)


def _record(graph: _Graph, record: Record, part: Part, made: Mapping[str, dict[str, str]]) -> dict[str, str]:
    """Add the first document of a record, which stands for it, and what it is about; to a scan, what it made."""
    action = made.get(activity_iri(record, record.activity)) if record.activity is not None else None
    kept = [graph.paths[each.sha256] for each in record.files if each.sha256 in graph.paths]
    about = action
    if record.thing == Thing.MAP:
        about = next((_ref(path) for path in kept if path.endswith("/")), None)
        if action is not None:
            graph[action["@id"]]["result"] += [_ref(path) for path in kept]
    doi = f"https://doi.org/{record.doi}" if record.doi else ""
    return graph.part(
        part, identifier=[each for each in (record.identifier, doi) if each], about=about, version=record.version,
        dateCreated=stamp(record.created), dateModified=stamp(record.changed), creativeWorkStatus=str(record.status),
    )  # fmt: skip


def _made(graph: _Graph, record: Record, activity: Activity) -> dict[str, str]:
    """Add the action that a scan is: the software and the inputs; `_record` adds what came out."""
    software = [" ".join(each) for each in activity.software.items()] or ["skymist unknown"]
    name, _, version = software[0].partition(" ")
    digest = hashlib.sha256("\n".join(software).encode()).hexdigest()
    tool = graph.add(
        f"#software_{digest[:16]}", "SoftwareApplication", name, "Sky maps of neutrino events", version=version,
        url=record.site.home, softwareRequirements=software[1:],
    )  # fmt: skip
    action = graph.add(
        record.identifier, "CreateAction", activity.name, record.title, instrument=tool,
        object=[_ref(graph.paths[each.sha256]) for each in record.sources if each.sha256 in graph.paths],
        result=[],
        startTime=activity.started and stamp(activity.started), endTime=activity.ended and stamp(activity.ended),
    )  # fmt: skip
    graph["./"]["mentions"].append(action)
    return action


def _publisher(graph: _Graph, site: Site) -> dict[str, str]:
    """Add who keeps the archive: under the identifier that it has, if it is among the creators."""
    same = [agent for agent in site.creators if agent.name == site.publisher]
    key, kind = (_key(same[0]), AGENTS.get(same[0].kind, "Organization")) if same else ("#publisher", "Organization")
    return graph.add(key, kind, site.publisher, url=site.home, contactPoint=_contact(graph, site.contact))


def _contact(graph: _Graph, address: str) -> dict[str, str] | None:
    if not address:
        return None
    key, word = (address, "url") if "://" in address else (f"mailto:{address}", "email")
    return graph.add(key, "ContactPoint", "Contact", contactType="archive", **{word: address})


def _agent(graph: _Graph, agent: Agent, site: Site) -> dict[str, str]:
    kind = AGENTS.get(agent.kind, "Organization")
    if kind == "Person" and agent.name != site.publisher:
        return graph.add(_key(agent), kind, agent.name, affiliation=_publisher(graph, site))
    return graph.add(_key(agent), kind, agent.name, url=agent.identifier)


def _key(agent: Agent) -> str:
    return agent.identifier or f"#agent_{quote(agent.name, safe='')}"


def preview(crate: Mapping[str, Any]) -> str:
    """Return a page that shows people what the metadata say."""
    entities = {entity["@id"]: entity for entity in crate["@graph"]}
    root, parts = entities["./"], ("File", "Dataset")
    right, publisher = (entities[root[key]["@id"]]["name"] for key in ("license", "publisher"))
    made = f"{root['datePublished'][:19].replace('T', ' ')} UTC"
    return environment().get_template("crate.html").render(
        root=root, metadata=METADATA, site={"publisher": publisher}, json_ld="",
        terms=[("Licence", right), ("Publisher", publisher), ("Made", made)],
        parts=[{"description": "", **each} for key, each in entities.items() if each["@type"] in parts and key != "./"],
    )  # fmt: skip


def _walk(parts: Iterable[Part]) -> Iterator[Part]:
    for each in parts:
        yield each
        yield from _walk(each.parts)


def _by_ending(choices: Mapping[str, Any], path: str) -> Any:
    return next((choices[ending] for ending in choices if path.endswith(ending)), None)


def _ref(key: str) -> dict[str, str]:
    return {"@id": key}


def _compact(entity: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entity as RO-Crate wants it: nothing empty, and a list of one as that one."""
    return {
        key: value[0] if isinstance(value, list) and len(value) == 1 else value for key, value in said(entity).items()
    }
