"""Knowledge: all that records, the map of a scan and catalogs say of an alert now, as facts for a text."""

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from sqlalchemy import select
from sqlalchemy.orm import Session

from skymist.circulars.draft import MOST_SOURCES
from skymist.errors import SkymistError, StoreError, UnknownNameError
from skymist.model import alert as model
from skymist.model.alert import Role, Tense, present
from skymist.model.circular import Fact, Finding, Level, State
from skymist.records import Database, alerts, publications, tables
from skymist.records.tables import Publication, ScanState
from skymist.store.zarr import read_skymap
from skymist.workflow import facts as facts_of
from skymist.workflow.desk_settings import DeskSettings
from skymist.workflow.earlier import earlier_alerts
from skymist.workflow.match import match_map


def gather(
    database: Database, settings: DeskSettings, alert_id: int, scan_id: str | None = None, who: str = ""
) -> list[Fact]:
    """Return all that is known of an alert now.

    That is what its revisions say, a scan, and which sources and other alerts are in its region.

    Parameters
    ----------
    database : Database
    settings : DeskSettings
    alert_id : int
    scan_id : str, optional
        The scan that somebody has chosen; the last one that is complete by default.
    who : str
        Who has.

    Raises
    ------
    UnknownNameError
        If the alert has no such scan that is complete.
    StoreError
        If the map of the scan cannot be read.
    """
    with database.read() as session:
        record = session.get_one(tables.Alert, alert_id)
        found, stores = alerts.whole(record), _maps(session, alert_id, scan_id)
    known = [*_of_site(settings), *facts_of.of_alert(record, found)]
    if not stores:
        return known
    scan, url = stores[0]
    try:
        skymap = read_skymap(url)
    except SkymistError as error:
        raise StoreError(f"the map of scan {scan[:12]} cannot be read: {error}") from None
    placed = facts_of.of_map(skymap, scan, settings.calibration)
    if settings.map_url:
        link = settings.map_url.replace("{name}", record.name).replace("{scan}", scan)
        placed.append(Fact("map_url", link.replace(" ", "%20"), source="setting", source_id="map_url"))
    if scan_id is not None:
        placed.append(Fact("scan", scan, source="person", source_id=who))
    return facts_of.merged(known, placed, _of_the_region(database, settings, skymap, record, found))


def again(
    database: Database, settings: DeskSettings, alert_id: int, old: Sequence[Fact], scan_id: str | None = None,
    who: str = "",
) -> list[Fact]:  # fmt: skip
    """Return all that is known now for a text that was drafted before; parameters and errors as of `gather`.

    Parameters
    ----------
    old : sequence of Fact
        Of the text. What is of it alone stays, as does the scan that somebody has chosen while that is there.
    """
    stay = [each for each in old if each.source in ("person", "circular", "publication")]
    choice = next((each for each in stay if each.name == "scan"), None)
    if scan_id is None and choice is not None and _is_complete(database, alert_id, str(choice.value)):
        scan_id, who = str(choice.value), choice.source_id
    now = gather(database, settings, alert_id, scan_id, who)
    return facts_of.merged(now, [each for each in stay if each is not choice])


def stale(old: Sequence[Fact], new: Sequence[Fact], last: str | None) -> list[Finding]:
    """Return a finding if a text was drafted from another map than the last one; a warning if somebody chose that."""
    drafted = _scan_of(old)
    if drafted == last:
        return []
    one, other = ("no scan" if each is None else each[:12] for each in (drafted, last))
    if any(each.name == "scan" for each in new):
        why = f"it was drafted from {one}, which a person has chosen; the last map is of {other}"
        return [Finding(Level.WARNING, "old map", why, "the map", one, other)]
    why = f"it was drafted from {one}; the last map is of {other}: draft it again"
    return [Finding(Level.ERROR, "stale map", why, "the map", one, other)]


def before(record: tables.Alert, earlier: Sequence[Publication], known: Sequence[Fact]) -> list[Fact]:
    """Return where the last circular that was sent, else the first notice, has put an alert."""
    now = {each.key: each for each in known}
    told = [each for each in earlier if each.state == State.SENT]
    if told:
        said = (Fact.from_dict(each) for each in publications.text(told[-1]).facts)
        return list(facts_of.moved(now, {each.key: each for each in said}, f"circular {told[-1].id}"))
    first = alerts.whole(record).first
    if first.ra is None or first.dec is None:
        return []
    place = {("ra", ""): Fact("ra", first.ra), ("dec", ""): Fact("dec", first.dec)}
    return list(facts_of.moved(now, place, "the first notice"))


def of_notice(earlier: Sequence[Publication], tense: Tense) -> Iterator[Fact]:
    """Yield what only a notice says: its number among those that were sent, its tense, and when it was made."""
    yield Fact("record_number", sum(each.state == State.SENT for each in earlier), source="publication")
    yield Fact("tense", str(tense), source="person")
    yield Fact("issued", f"{np.datetime_as_string(present(), 'ms')}Z", source="publication")


def complete_scan(session: Session, alert_id: int) -> str | None:
    """Return the id of the last complete scan of an alert, None if there is none."""
    return next((scan for scan, _ in _maps(session, alert_id, None)), None)


def _maps(session: Session, alert_id: int, scan_id: str | None) -> list[tuple[str, str]]:
    """Return scans of an alert that are complete, with their maps, the last one first."""
    query = (
        select(tables.Scan.id, tables.Artifact.url)
        .join(tables.Event, tables.Event.id == tables.Scan.event_id)
        .join(tables.Artifact, tables.Artifact.scan_id == tables.Scan.id)
        .where(tables.Event.alert_id == alert_id, tables.Artifact.kind == "zarr")
        .where(tables.Scan.state == ScanState.COMPLETE, tables.Scan.deleted.is_(None))
        .order_by(tables.Scan.finished.desc(), tables.Scan.id)
    )
    found = [(scan, url) for scan, url in session.execute(query)]
    if scan_id is None:
        return found
    named = [each for each in found if each[0].startswith(scan_id)]
    if len(named) != 1 or len(scan_id) < 8:
        raise UnknownNameError("complete scan of this alert", scan_id[:80], (scan[:12] for scan, _ in found))
    return named


def _is_complete(database: Database, alert_id: int, scan_id: str) -> bool:
    with database.read() as session:
        return any(scan == scan_id for scan, _ in _maps(session, alert_id, None))


def _scan_of(known: Sequence[Fact]) -> str | None:
    """Return the scan that a position comes from."""
    return next((each.source_id for each in known if each.source == "scan"), None)


def _of_site(settings: DeskSettings) -> list[Fact]:
    said = {"reporter": settings.reporter, "contact": settings.contact}
    return [Fact(name, words, source="setting", source_id=name) for name, words in said.items() if words]


def _of_the_region(
    database: Database, settings: DeskSettings, skymap: xr.Dataset, record: tables.Alert, found: model.Alert
) -> list[Fact]:
    others = earlier_alerts(database, found.time, Role(record.role), record.id)
    sources = match_map(skymap, settings.catalogs, settings.calibration)
    known = list(facts_of.of_matches(sources["matches"], sources["trials"], MOST_SOURCES))
    if len(others.names):
        near = match_map(skymap, [others], settings.calibration)
        known += facts_of.of_others(near["matches"], found.time)
    return known
