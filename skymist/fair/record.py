"""Record: all that is said of an alert, revision, scan or map, whatever standard it is then said in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote
from uuid import UUID

from skymist.errors import RequestError
from skymist.model.identity import Thing, uuid_of

_RESOLVERS = {
    "DOI": "https://doi.org/", "bibcode": "https://ui.adsabs.harvard.edu/abs/", "arXiv": "https://arxiv.org/abs/",
}  # fmt: skip


class Status(StrEnum):
    """How a record stands to the world."""

    CURRENT = "current"
    SUPERSEDED = "superseded"
    RETRACTED = "retracted"
    WITHDRAWN = "withdrawn"


class Access(StrEnum):
    """Who may have the content."""

    OPEN = "open"
    EMBARGOED = "embargoed"
    CLOSED = "closed"


@dataclass(frozen=True)
class Agent:
    """A person, organisation or program that had a part in it.

    Attributes
    ----------
    name : str
    part : str
        What it did: ``creator``, ``publisher``, ``contact``, ``sender``, ``requester``, ``approver``, ``retracter``.
    kind : str
        ``person``, ``organisation`` or ``software``.
    identifier : str
        ORCID or ROR as a URL, or empty.
    """

    name: str
    part: str
    kind: str = "person"
    identifier: str = ""


@dataclass(frozen=True)
class Site:
    """Who keeps the archive, and what may be done with what is in it.

    Attributes
    ----------
    authority : str
        Of its identifiers: a name that it has registered with the IVOA, or ``example``.
    publisher : str
        Who keeps it, as records and maps name them.
    creators : tuple of Agent
        Of maps and scans; of alerts it is who sent them.
    licence : str
        SPDX identifier.
    contact : str
        Address of a person or team, or empty.
    home : str
        URL below which the public view is.
    """

    authority: str = "example"
    publisher: str = "skymist archive"
    creators: tuple[Agent, ...] = ()
    licence: str = "CC-BY-4.0"
    contact: str = ""
    home: str = "http://127.0.0.1:8642/public"


@dataclass(frozen=True)
class Quantity:
    """A number or word that a record states.

    Attributes
    ----------
    name : str
        Such as ``energy_tev``.
    value : str, int, float or bool
    unit : str
        In the VO's spelling, such as ``TeV``, ``deg``, ``deg2``, ``yr-1``; empty if it has none.
    ucd : str
        IVOA's word for what it is, or empty.
    description : str
    """

    name: str
    value: str | int | float | bool
    unit: str = ""
    ucd: str = ""
    description: str = ""


@dataclass(frozen=True)
class File:
    """A file of the record.

    Attributes
    ----------
    name : str
        Such as ``map.multiorder.fits.gz``.
    kind : str
        ``zarr``, ``fits``, ``png``, ``json``, ``voevent`` ...
    media_type : str
    url : str
        Where it can be had, or empty.
    sha256 : str
        Of its bytes; of a Zarr map, of its content.
    size : int
        Bytes; of a Zarr map, of its arrays.
    description : str
    """

    name: str
    kind: str
    media_type: str
    url: str
    sha256: str
    size: int
    description: str = ""

    @property
    def is_packed(self) -> bool:
        """Whether it is a folder, which is packed when somebody asks: hash and size are not those of what comes."""
        return self.kind == "zarr"


@dataclass(frozen=True)
class Relation:
    """How it stands to another record or publication.

    Attributes
    ----------
    kind : str
        A relationType of DataCite 4.5, such as ``IsNewVersionOf``, ``IsDerivedFrom``, ``IsVersionOf``, ``HasVersion``,
        ``IsSourceOf``, ``IsDocumentedBy``, ``Obsoletes``.
    target : str
        Identifier: ``ivo://...``, a DOI without scheme, a URL or a bibcode.
    target_type : str
        relatedIdentifierType of DataCite 4.5 (``DOI``, ``URL``, ``bibcode``); instead of an ``ivo://``, which has none,
        there stands its `url`.
    url : str
        Where the other one can be seen, or empty.
    title : str
        Of the other one, or empty.
    """

    kind: str
    target: str
    target_type: str = "URL"
    url: str = ""
    title: str = ""

    @property
    def iri(self) -> str:
        """The target as an IRI."""
        resolver = _RESOLVERS.get(self.target_type)
        return self.target if resolver is None else resolver + quote(self.target, safe="/:;()")


@dataclass(frozen=True)
class Source:
    """A message that it was made of, byte for byte.

    Attributes
    ----------
    sha256 : str
    name : str
        Topic and offset, file or catalog.
    kind : str
        ``notice`` or ``event``.
    received : datetime
        UTC.
    """

    sha256: str
    name: str
    kind: str
    received: datetime


@dataclass(frozen=True)
class Activity:
    """The computation that made it.

    Attributes
    ----------
    name : str
        Such as ``sky scan with track-mpe``.
    request : mapping
        All that decides about the result (`skymist.model.request.ScanRequest.to_dict`): options, levels, seed ...
    software : mapping of str to str
        Version by name, first skymist's own.
    host : mapping of str to str
        What kind of machine it was (system, processor, Python); no names of machines.
    cluster : str
        Where it ran, in the words of its configuration.
    started, ended : datetime or None
        UTC.
    """

    name: str
    request: Mapping[str, Any]
    software: Mapping[str, str] = field(default_factory=dict)
    host: Mapping[str, str] = field(default_factory=dict)
    cluster: str = ""
    started: datetime | None = None
    ended: datetime | None = None


@dataclass(frozen=True)
class Record:
    """All that is said of one thing.

    Attributes
    ----------
    identifier : str
        ``ivo://AUTHORITY/skymist#FRAGMENT``; see `skymist.model.identity`.
    thing : Thing
    title, description : str
    version : str
        Of the content: the revision's number, or that of a map.
    created, changed : datetime
        UTC: when the record was made, and when it last was changed.
    site : Site
    agents : tuple of Agent
        At least one creator.
    doi : str
        Without scheme; empty while there is none.
    status : Status
    reason : str
        Why it was retracted or withdrawn, in words.
    ended : datetime or None
        When it was retracted or withdrawn; UTC.
    access : Access
    released : datetime or None
        When it was, or will be, public; UTC.
    url : str
        Landing page.
    time : str
        Of the event, ISO 8601, UTC, with nanoseconds and ``Z``.
    ra, dec : float or None
        Degrees, ICRS.
    radius_90 : float or None
        Degrees.
    area_90_deg2 : float or None
    quantities : tuple of Quantity
    files : tuple of File
    relations : tuple of Relation
    sources : tuple of Source
    activity : Activity or None
    simulated : bool
        Whether it is no observation of the sky.
    keywords : tuple of str
    name : str
        Of the event, such as ``IceCube-230416A``, or empty.
    event : str
        Fragment of the alert that all records of the event belong to, such as ``137840_57034692``; where it is empty,
        the record stands alone.
    facility, instrument : str
        What observed the event.
    """

    identifier: str
    thing: Thing
    title: str
    description: str
    version: str
    created: datetime
    changed: datetime
    site: Site
    agents: tuple[Agent, ...]
    doi: str = ""
    status: Status = Status.CURRENT
    reason: str = ""
    ended: datetime | None = None
    access: Access = Access.CLOSED
    released: datetime | None = None
    url: str = ""
    time: str = ""
    ra: float | None = None
    dec: float | None = None
    radius_90: float | None = None
    area_90_deg2: float | None = None
    quantities: tuple[Quantity, ...] = ()
    files: tuple[File, ...] = ()
    relations: tuple[Relation, ...] = ()
    sources: tuple[Source, ...] = ()
    activity: Activity | None = None
    simulated: bool = False
    keywords: tuple[str, ...] = ()
    name: str = ""
    event: str = ""
    facility: str = "IceCube"
    instrument: str = "IC86"

    @property
    def fragment(self) -> str:
        """The part of the identifier that names it within the archive."""
        return self.identifier.partition("#")[2]

    @property
    def uuid(self) -> UUID:
        """The number that anybody can make of its identifier."""
        return uuid_of(self.identifier)

    @property
    def creators(self) -> tuple[Agent, ...]:
        """Who is to be cited.

        Raises
        ------
        RequestError
            If there is nobody.
        """
        found = tuple(agent for agent in self.agents if agent.part == "creator")
        if not found:
            raise RequestError(f"{self.identifier} has no agent whose part is creator, whom a citation needs")
        return found

    @property
    def publisher(self) -> Agent:
        """Who keeps it: the agent with that part, else the site's."""
        found = (agent for agent in self.agents if agent.part == "publisher")
        return next(found, Agent(self.site.publisher, "publisher", "organisation"))

    @property
    def published(self) -> datetime:
        """When it was, or will be, public; where nobody has said so, when it was made."""
        return self.released or self.created

    @property
    def content(self) -> tuple[File, ...]:
        """Its files; of what was withdrawn there are none any more."""
        return () if self.status == Status.WITHDRAWN else self.files


def said(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of some values says anything: neither None nor empty."""
    return {key: value for key, value in values.items() if value not in (None, "", [], (), {})}


def stamp(when: datetime) -> str:
    """Return a time as ISO 8601, UTC, with ``Z``; one without a zone is UTC.

    Examples
    --------
    >>> stamp(datetime(2023, 4, 16, 5, 22, 26))
    '2023-04-16T05:22:26Z'
    """
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
