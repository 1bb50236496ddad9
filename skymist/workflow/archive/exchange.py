"""The archive as a whole: bundles and snapshots with everything that is said of each record, and what comes back."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from skymist.alerts.stream import EITHER, Message
from skymist.fair.crate import METADATA
from skymist.fair.record import Record, Site
from skymist.model.alert import Role
from skymist.records import Database, catalog, dump
from skymist.records.catalog import Search
from skymist.records.tables import Identity
from skymist.store.peers import is_peer_map
from skymist.store.place import Where
from skymist.workflow.archive import bundle
from skymist.workflow.archive.bundle import Exported, OnProgress
from skymist.workflow.archive.catalog import FORMATS, table
from skymist.workflow.archive.describe import describe, documents
from skymist.workflow.archive.imports import import_map
from skymist.workflow.archive.settings import ArchiveSettings
from skymist.workflow.archive.snapshot import Snapshots
from skymist.workflow.listen import parts, take_message

IMPORT = "import"
"""Source of messages that a person has brought."""

_AT_ONCE = 500


def export_archive(
    database: Database, site: Site, to: Where, alert_ids: Collection[int] | None = None,
    on_progress: OnProgress = lambda *_: None,
) -> Exported:  # fmt: skip
    """Write a crate with all that is said of its records, and the catalog of its alerts; see `bundle.export`."""
    return bundle.export(
        database, to, site=site, alert_ids=alert_ids, documents=partial(_documents, site, alert_ids),
        tables=partial(_tables, site, alert_ids), on_progress=on_progress,
    )  # fmt: skip


def snapshots(database: Database, settings: ArchiveSettings) -> Snapshots | None:
    """Return what makes the snapshots that the settings ask for."""
    asked = settings.snapshots
    if asked is None:
        return None
    return Snapshots(
        database, asked.to, asked.every_hours * 3600, asked.keep, site=settings.site,
        documents=partial(_documents, settings.site, None), tables=partial(_tables, settings.site, None),
    )  # fmt: skip


def is_crate(where: Path) -> bool:
    """Return whether a path looks like a crate, whole or not."""
    if not where.is_dir():
        return False
    marks = METADATA, bundle.ABOUT, "records/inputs.jsonl"
    sums = where / bundle.SUMS
    return (
        any((where / name).exists() for name in marks)
        or bundle.is_unfinished(where)
        or (sums.is_file() and bundle.ABOUT.encode() in sums.read_bytes())
    )


@dataclass
class Imported:
    """What became of files.

    Attributes
    ----------
    alerts, maps, known : int
        Messages that told of alerts, maps, and what of both was known before.
    failed : dict of str to str
        Why others could not be read, by file.
    """

    alerts: int = 0
    maps: int = 0
    known: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def import_file(database: Database, file: Path, out: Where, who: str, found: Imported, **of_maps: Any) -> None:
    """Take in a catalog, notices, an event or a map of others.

    Parameters
    ----------
    database : Database
    file : Path
    out : path, URL or Place
        Folder of the maps.
    who : str
        For the log.
    found : Imported
        Is added to.
    **of_maps
        See `skymist.workflow.archive.imports.import_map`.

    Raises
    ------
    ReadError
        If it is a map that cannot be read.
    RequestError
        If it is a map that does not say enough.
    """
    content = file.read_bytes()
    if is_peer_map(content):
        _, new = import_map(database, content, file.name, out, who, **of_maps)
        found.maps, found.known = found.maps + new, found.known + (not new)
        return
    for message in parts(Message(content, EITHER, IMPORT, file.name)):
        outcome = take_message(database, message)
        if outcome.reason:
            found.failed[message.position] = outcome.reason
        else:
            found.alerts, found.known = found.alerts + outcome.new, found.known + (not outcome.new)


def _documents(
    site: Site, alert_ids: Collection[int] | None, session: Session
) -> Iterator[tuple[Record, Mapping[str, bytes]]]:
    query = select(Identity).order_by(Identity.fragment)
    if alert_ids is not None:
        query = query.where(dump.among(Identity.alert_id, alert_ids))
    for batch in session.scalars(query.execution_options(yield_per=_AT_ONCE)).partitions():
        for identity in batch:
            found = describe(session, site, identity)
            yield found.record, documents(found)


def _tables(site: Site, alert_ids: Collection[int] | None, session: Session) -> dict[str, bytes]:
    """Return the catalog of each role that there is, as tables."""
    written, wanted = {}, None if alert_ids is None else set(alert_ids)
    for role in Role:
        found = catalog.find(session, Search(role))
        chosen = [each for each in found if wanted is None or each.id in wanted]
        for kind in FORMATS if chosen else ():
            written[f"catalog/{role}{FORMATS[kind][1]}"] = table(session, site, chosen, kind)
    return written
