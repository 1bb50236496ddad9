"""Records of the archive in words: what all kinds of them say, and where it comes from."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from skymist.fair.record import Access, Agent, File, Record, Relation, Site, Source, Status
from skymist.model import alert as model
from skymist.model.alert import Role
from skymist.model.identity import Thing, ivo
from skymist.records import identities, tables
from skymist.records.tables import Identity, now

COLLABORATION = Agent("IceCube Collaboration", "creator", "organisation")
JSON = "json"
MEDIA = {
    "zarr": "application/zip", "fits": "application/gzip", "png": "image/png", JSON: "application/json",
    "original": "application/octet-stream",
}  # fmt: skip
PARTS = {"asked for": "requester", "retracted": "retracter", "released": "approver"}
"""By what the log says that somebody did, what they are for the record."""

_PROGRAMS = "skymist", "workflow"


@dataclass(frozen=True)
class Described:
    """A record, and what it is about.

    Attributes
    ----------
    record : Record
    content : mapping
        What we keep of it, JSON-like.
    revision : skymist.model.alert.Revision or None
        What telescopes were told, if it is an alert (the current one) or a revision.
    before : str
        Identifier of the revision that it takes the place of, or empty.
    """

    record: Record
    content: Mapping[str, Any]
    revision: model.Revision | None = None
    before: str = ""


def content_bytes(content: Mapping[str, Any]) -> bytes:
    """Return the content of a record as a file; the same content gives the same bytes."""
    return (json.dumps(content, sort_keys=True, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()


class Writer:
    """Makes the parts that records have in common.

    Parameters
    ----------
    session : Session
    site : Site
    public : bool
        Whether it is for everybody: then no person is named and no private record is told of.
    """

    def __init__(self, session: Session, site: Site, public: bool) -> None:
        self.session, self.site, self.public = session, site, public

    def record(self, identity: Identity, content: Mapping[str, Any], **said: Any) -> Record:
        """Return a record; what it says beside what all of them do is given, and `files` go before its content."""
        alert = self.alert_of(identity)
        role = Role.OBSERVATION if alert is None else Role(alert.role)
        own = {"status": Status.CURRENT, "reason": "", **said}
        if (ended := identities.public_until(self.session, identity)) is not None:
            why = identities.why_gone(self.session, identity)
            own |= {"status": Status.WITHDRAWN, "reason": why, "ended": ended}
        if own.get("ended") is not None:
            own["changed"] = max(own["changed"], own["ended"])
        own["files"] = (*own.get("files", ()), self._content_file(identity, content))
        made = Record(
            identifier=self.ivo(identity.fragment), thing=Thing(identity.thing), doi=identity.doi, site=self.site,
            url=self.url(identity.fragment), simulated=role != Role.OBSERVATION, **self._access(identity),
            name="" if alert is None else alert.name, event="" if alert is None else self.whole(identity)[0].fragment,
            time="" if alert is None else alert.time, keywords=_keywords(identity, alert), **own,
        )  # fmt: skip
        return _tombstone(made) if self.public and made.status == Status.WITHDRAWN else made

    def ivo(self, fragment: str) -> str:
        """Return an identifier."""
        return ivo(self.site.authority, fragment)

    def url(self, fragment: str) -> str:
        """Return the landing page of a record."""
        return f"{self.site.home.rstrip('/')}/records/{fragment}"

    def file_url(self, identity: Identity, kind: str) -> str:
        """Return where a file of a record is."""
        return f"{self.url(identity.fragment)}/{kind}"

    def of(self, thing: Thing, subject: str) -> Identity:
        """Return the identity of a thing."""
        return identities.of(self.session, thing, subject)

    def whole(self, identity: Identity) -> list[Identity]:
        """Return the identity of the alert that a record belongs to; nothing if there is none."""
        return [] if identity.alert_id is None else [self.of(Thing.ALERT, str(identity.alert_id))]

    def alert_of(self, identity: Identity) -> tables.Alert | None:
        """Return the alert that a record belongs to."""
        return None if identity.alert_id is None else self.session.get_one(tables.Alert, identity.alert_id)

    def to(self, kind: str, found: Iterable[Identity]) -> Iterator[Relation]:
        """Yield relations of one kind to other records."""
        for each in self.told(found):
            yield Relation(kind, self.ivo(each.fragment), url=self.url(each.fragment))

    def told(self, found: Iterable[Identity]) -> list[Identity]:
        """Return those of other records that may be named."""
        return [each for each in found if not self.public or identities.is_public(self.session, each)]

    def authors(self) -> tuple[Agent, ...]:
        """Return who made what this site has made."""
        return self.site.creators or (Agent(self.site.publisher, "creator", "organisation"),)

    def people(self, subject: str, subject_id: str) -> Iterator[Agent]:
        """Yield who had a part in a record, as the log has it; outside the site nobody is told."""
        if self.public:
            return
        did = select(tables.LogEntry.action, tables.LogEntry.who).where(
            tables.LogEntry.subject == subject, tables.LogEntry.subject_id == subject_id,
            tables.LogEntry.action.in_(PARTS),
        )  # fmt: skip
        for part, who in sorted({(PARTS[action], who) for action, who in self.session.execute(did)}):
            yield Agent(who, part, "software" if who in _PROGRAMS else "person")

    def inputs(self, ids: Iterable[str | None]) -> tuple[Source, ...]:
        """Return the messages that a record was made of."""
        wanted = [each for each in dict.fromkeys(ids) if each is not None]
        item = tables.Input
        columns = item.id, item.source, item.position, item.kind, item.received
        found = self.session.execute(select(*columns).where(item.id.in_(wanted)).order_by(item.received, item.id))
        return tuple(
            Source(sha256, self._source(source, position), kind, received)
            for sha256, source, position, kind, received in found
        )

    def _source(self, source: str, position: str) -> str:
        """Return where a message came from; names of people, folders and files are for the site alone."""
        return "message to the site" if self.public else f"{source} {position}".strip()

    def _access(self, identity: Identity) -> dict[str, Any]:
        own = identities.carrier(self.session, identity)
        if identities.is_public(self.session, identity):
            return {"access": Access.OPEN, "released": own.released}
        ahead = own.withdrawn is None and own.released is not None and own.released > now()
        return {"access": Access.EMBARGOED if ahead else Access.CLOSED, "released": own.released}

    def _content_file(self, identity: Identity, content: Mapping[str, Any]) -> File:
        data = content_bytes(content)
        name, url = f"{identity.fragment}.json", self.file_url(identity, JSON)
        sha256 = hashlib.sha256(data).hexdigest()
        return File(name, JSON, MEDIA[JSON], url, sha256, len(data), "what the archive keeps of it")


def _tombstone(record: Record) -> Record:
    """Return what is left of a record for everybody: its names, and why there is no more."""
    title, gone = f"{record.name or record.fragment}: {record.thing}, withdrawn", f"It was withdrawn: {record.reason}"
    return replace(record, title=title, description=gone, files=(), quantities=(), sources=(), activity=None,
                   keywords=(), time="", ra=None, dec=None, radius_90=None, area_90_deg2=None)  # fmt: skip


def _keywords(identity: Identity, alert: tables.Alert | None) -> tuple[str, ...]:
    usual = ("neutrino astronomy", "multi-messenger astronomy", "IceCube", "alert")
    more = (alert.name, alert.stream) if alert is not None else ()
    kind = {Thing.MAP: "sky map", Thing.SCAN: "reconstruction"}.get(Thing(identity.thing), "")
    return tuple(each for each in (*usual, *more, kind) if each)
