"""Records of the archive in words, and the documents that say them in the words of others."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from skymist.alerts.write_voevent import write_voevent
from skymist.errors import UnknownNameError
from skymist.fair.datacite import datacite
from skymist.fair.json_ld import json_ld
from skymist.fair.obscore import obscore
from skymist.fair.page import page
from skymist.fair.provenance import provenance_json
from skymist.fair.record import Site, Status
from skymist.model.identity import Thing
from skymist.records.tables import Identity
from skymist.workflow.archive import of_alerts, of_scans
from skymist.workflow.archive.writer import Described, Writer, content_bytes


class Format(NamedTuple):
    """A way of saying a record.

    Attributes
    ----------
    media_type : str
    file : str
        Name of the file in which it is kept.
    write : callable
        Described -> bytes.
    """

    media_type: str
    file: str
    write: Callable[[Described], bytes]


def describe(session: Session, site: Site, identity: Identity, *, public: bool = False) -> Described:
    """Return a record in words.

    Parameters
    ----------
    session : Session
    site : Site
    identity : Identity
    public : bool
        Whether it is for everybody: then no person is named, and no private record is told of.
    """
    kinds = {
        Thing.ALERT: of_alerts.alert,
        Thing.REVISION: of_alerts.revision,
        Thing.SCAN: of_scans.scan,
        Thing.MAP: of_scans.imported_map if identity.scan_id is None else of_scans.map_of_scan,
    }
    found = kinds[Thing(identity.thing)](Writer(session, site, public), identity)
    return _tombstone(found) if public and found.record.status == Status.WITHDRAWN else found


def formats(found: Described) -> dict[str, Format]:
    """Return the ways in which a record can be said, by name."""
    return {name: each for name, each in FORMATS.items() if name != "voevent" or found.revision is not None}


def document(found: Described, name: str) -> bytes:
    """Return a record in one of its formats.

    Raises
    ------
    UnknownNameError
        If it has no such format.
    """
    known = formats(found)
    if name not in known:
        raise UnknownNameError("format of this record", name[:80], known)
    return known[name].write(found)


def documents(found: Described) -> dict[str, bytes]:
    """Return all documents of a record by file name."""
    return {each.file: each.write(found) for each in formats(found).values()}


def links(found: Described) -> dict[str, tuple[str, str]]:
    """Return by format its media type and URL."""
    return {name: (each.media_type, f"{found.record.url}/{name}") for name, each in formats(found).items()}


def _tombstone(found: Described) -> Described:
    """Return what is left for everybody of the content of a record that was withdrawn."""
    record = found.record
    return Described(record, {"identifier": record.identifier, "status": record.status, "reason": record.reason})


def _written(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def _html(found: Described) -> bytes:
    named = {each.media_type: f"{found.record.url}/{name}" for name, each in formats(found).items() if name != "html"}
    return page(found.record, json_ld(found.record), named).encode()


def _voevent(found: Described) -> bytes:
    assert found.revision is not None  # else it has no such format
    record, said = found.record, found.revision
    sent = said.time if said.issued is None else said.issued
    return write_voevent(
        said, sent=sent, authority=record.site.authority, tense=said.tense, author=record.creators[0].name,
        ivorn=record.identifier, before_ivorn=found.before,
    )  # fmt: skip


FORMATS = {
    "datacite": Format(
        "application/vnd.datacite.datacite+json", "datacite.json", lambda found: _written(datacite(found.record))
    ),
    "json-ld": Format("application/ld+json", "schema.org.jsonld", lambda found: _written(json_ld(found.record))),
    "json": Format("application/json", "content.json", lambda found: content_bytes(found.content)),
    "prov": Format("application/prov+json", "prov.json", lambda found: _written(provenance_json(found.record))),
    "obscore": Format("application/x-obscore+json", "obscore.json", lambda found: _written(obscore(found.record))),
    "voevent": Format("application/xml", "voevent.xml", _voevent),
    "html": Format("text/html", "index.html", _html),
}
"""All formats, by name."""
