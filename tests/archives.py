"""A database that has some of everything, for tests of what is exported from it."""

import shutil
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from desks import notice, scan, take_notice
from serving import PULSES, TABLE
from sqlalchemy import select
from sqlalchemy.orm import Session

from skymist.fair.crate import CONTEXT
from skymist.fair.record import Activity, Agent, File, Record, Site, Source
from skymist.model.alert import Tense
from skymist.model.identity import Thing
from skymist.records import Database, dump, identities, inputs, streams, tokens
from skymist.records.publications import CIRCULAR
from skymist.records.tables import Artifact, Event, Identity, ImportedMap, Input, Scan
from skymist.records.tokens import Access
from skymist.store.place import Where
from skymist.workflow import ingest, service
from skymist.workflow.archive.bundle import Exported, export
from skymist.workflow.desk import Desk
from skymist.workflow.wish import Wish


def fill(database: Database) -> tuple[int, int]:
    """Add two alerts with revisions, names, a retraction and an unscanned event, circulars and what nobody could read.

    Returns
    -------
    tuple of int
        The numbers of the alerts.
    """
    first = take_notice(database, notice())
    take_notice(database, notice(number=1, name="IceCube-260304B", ra=40.3))
    other = take_notice(database, notice(event=7, name="", comment="ä\u2028\"'\\"), Tense.TEST)
    service.retract(database, other, "noise", "somebody")
    for content in (b"{", bytes(range(256)), b""):
        ingest.take(database, content, ingest.NOTICE, "folder", "x.json")
    _ask(database, "2:0")
    _write(Desk(database), first, other)
    with database.begin() as session:
        tokens.create(session, "operator", Access.OPERATOR, "test")
        streams.report(session, "folder", streams.LISTENING)
        identities.release(session, identities.of(session, Thing.ALERT, str(first)), "somebody")
    return first, other


def _ask(database: Database, levels: str) -> None:
    """Ask for a scan that nobody carries out."""
    content = (TABLE.format(run=137840, event=1) + PULSES).encode()
    event_id = ingest.take(database, content, ingest.EVENT, "test", "e.csv").event_id
    assert event_id is not None
    service.ask(database, event_id, Wish("bowl", levels=levels), "somebody", rule="first look")


def _write(desk: Desk, first: int, other: int) -> None:
    number = desk.draft(CIRCULAR, first, "shifter")["id"]
    shown = desk.show(CIRCULAR, number)
    for base in (1, 1):  # of two edits of the same the second is kept aside
        desk.edit(CIRCULAR, number, base, shown["subject"], f"{shown['body']}\nMore.\n", "shifter", "a note")
    desk.comment(CIRCULAR, number, "Looks good.", "approver")
    desk.approve(CIRCULAR, number, 2, "approver")
    desk.withdraw(CIRCULAR, desk.draft(CIRCULAR, other, "shifter")["id"], "shifter", "a test")


def add_maps(database: Database, out: Path) -> str:
    """Scan the event, keep the map once more as if it were another's, and ask for one more scan.

    Returns
    -------
    str
        The id of the first scan.
    """
    scan_id = scan(database, out)
    with database.begin() as session:
        kept = {each.kind: each for each in session.scalars(select(Artifact).where(Artifact.scan_id == scan_id))}
        url = out / "imported" / "map.zarr"
        shutil.copytree(kept["zarr"].url, url)
        item, _ = inputs.receive(session, b"a map of others", "event", "somebody", "map.fits")
        alert_id = session.scalars(select(Event.alert_id)).first()
        session.add(ImportedMap(
            id=item.id, input_id=item.id, alert_id=alert_id, file="map.fits", format="multi-order FITS",
            reconstruction="others", url=str(url), sha256=kept["zarr"].sha256, size=kept["zarr"].size, summary={},
        ))  # fmt: skip
    _ask(database, "4:0")
    return scan_id


SITE = Site(
    publisher="The archive",
    creators=(
        Agent("The archive", "creator", "organisation", "https://ror.org/02mhbdp94"),
        Agent("The shift", "creator", "person", "https://orcid.org/0000-0002-1825-0097"),
    ),
    contact="archive@example.org",
)


def documents(session: Session) -> Iterator[tuple[Record, dict[str, bytes]]]:
    """Yield a record of each identity, with two documents."""
    for each in session.scalars(select(Identity).order_by(Identity.fragment)):
        yield record(session, each), {"datacite.json": b"{}", "prov.json": each.fragment.encode()}


def record(session: Session, identity: Identity) -> Record:
    files, sources, activity = (), (), None
    if identity.scan_id is not None:
        kept = session.scalars(select(Artifact).where(Artifact.scan_id == identity.scan_id))
        if identity.thing == Thing.MAP:
            files = tuple(File(each.url, each.kind, "", "", each.sha256, each.size) for each in kept)
        known = session.scalars(select(Input).join(Event).join(Scan).where(Scan.id == identity.scan_id))
        sources = tuple(Source(each.id, each.position, each.kind, each.received) for each in known)
        request = session.get_one(Scan, identity.scan_id).request
        software = {"skymist": "0.1.0", "numpy": "2.0"}
        activity = Activity("sky scan with bowl", request, software, started=identity.created)
    return Record(
        f"ivo://example/skymist#{identity.fragment}", Thing(identity.thing), f"The {identity.thing}", "What it is.",
        "1", identity.created, identity.created, SITE, SITE.creators, files=files, sources=sources, activity=activity,
    )  # fmt: skip


def validate(folder: Path, severity: str, cache: Path) -> list[str]:
    """Return what the validator of RO-Crates has to say, without a network.

    It wants the JSON-LD context from the Web, or from its cache: in there goes that of the package `rocrate`, in
    which our words mean the same.
    """
    from importlib.resources import files
    from io import BytesIO

    import requests
    from requests_cache import CachedSession
    from rocrate_validator import services
    from urllib3 import HTTPResponse

    body = files("rocrate").joinpath("data/ro-crate.jsonld").read_bytes()
    answer = requests.Response()
    answer.status_code, answer.url, answer._content = 200, CONTEXT, body
    answer.headers["Content-Type"] = "application/ld+json"
    answer.request = requests.Request("GET", CONTEXT).prepare()
    answer.raw = HTTPResponse(BytesIO(body), answer.headers, 200, preload_content=False)
    with CachedSession(str(cache), backend="sqlite") as session:
        session.cache.save_response(answer)
    settings = services.ValidationSettings(
        rocrate_uri=str(folder), profile_identifier="ro-crate-1.2", requirement_severity=severity, offline=True,
        cache_path=cache,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it uses what rdflib is about to drop
        result = services.validate(settings)
    assert result.passed() == (not result.get_issues())
    return [str(each.message) for each in result.get_issues()]


CATALOG = {"catalog/alerts.csv": b"name\nIceCube-260304A\n"}


@dataclass(frozen=True)
class Archive:
    """A database, its maps, and a crate of both."""

    database: Database
    out: Path
    alerts: tuple[int, int]
    made: Exported

    @property
    def crate(self) -> Path:
        return Path(str(self.made.where))


@contextmanager
def made(folder: Path) -> Iterator[Archive]:
    """Make an archive with real maps in a folder."""
    with closing(Database(str(folder / "records.sqlite"))) as database:
        database.upgrade()
        alerts = fill(database)
        add_maps(database, folder / "scans")
        yield Archive(database, folder / "scans", alerts, write(database, folder / "crate"))


def write(database: Database, to: Where, **more: Any) -> Exported:
    return export(database, to, site=SITE, documents=documents, tables=lambda _: CATALOG, **more)


def content_hash(database: Database, *alert_ids: int) -> str:
    with dump.one_state(database) as session:
        return dump.content_hash(session, alert_ids or None)


def files(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}
