"""Where commands find records: in a database of one's own, or at a service; both give the same documents."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

import click

from skymist.cli.db import opened, user
from skymist.errors import RequestError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from skymist.client import Client
    from skymist.model.alert import Role
    from skymist.records import Database, tables
    from skymist.records.catalog import Search

ROLES = "observation", "prediction", "test"
STREAMS = "gold", "bronze", "cascade"
"""Of alerts, as `skymist.model.alert` has them; that takes too long to import for a word of help."""

ALERT = (
    "name", "role", "run", "event", "time", "stream", "retracted", "ra", "dec", "radius_90", "energy_tev", "signalness",
    "far_per_year", "public", "created",
)  # fmt: skip
REVISION = "id", "number", "input_id", "received", "content"
INPUT = "id", "source", "position", "kind", "received", "times", "status", "reason"
STREAM = "name", "state", "trouble", "lag", "heard", "changed"
SCAN = (
    "id", "event_id", "alert", "role", "state", "wanted", "request", "wish", "chosen", "rule", "after_id", "instead_id",
    "replaced_by", "who", "cluster", "workers", "priority", "attempt", "progress", "summary", "error", "created",
    "started", "finished",
)  # fmt: skip
"""Fields of records that are shown; those of the REST API."""

PART = 500
"""Records that are fetched at a time."""

ID = 12
"""So many digits of a SHA-256 are shown; any beginning that is the only one of its kind will do."""

server_option = click.option(
    "--server", metavar="URL", help="A service (skymist serve) instead of a database; its token is in SKYMIST_TOKEN."
)
role_option = click.option(
    "--role", type=click.Choice(ROLES), default=ROLES[0], show_default=True, help="Of real alerts, or of which others."
)


class Own:
    """A database, with those methods of `skymist.client.Client` that commands need; the same documents come of them."""

    def __init__(self, database: "Database") -> None:
        self._database = database

    def alerts(self, *, overlaps: str | None = None, **filters: Any) -> Iterator[dict[str, Any]]:
        """Yield alerts, the latest first; `filters` are those of ``GET /v1/alerts``."""
        from skymist.records.catalog import find

        after: int | None = None
        with self._database.read() as session:
            search = search_of(session, {**filters, "overlaps": overlaps})
            while found := find(session, search, PART, after):
                yield from _alerts(session, found)
                after = found[-1].id

    def alert(self, name: str, *, role: str) -> dict[str, Any]:
        """Return what is known of an alert."""
        from sqlalchemy import select

        from skymist.model.identity import Thing
        from skymist.records import alerts, identities
        from skymist.records.tables import Alias, Event, Scan

        with self._database.read() as session:
            found = alerts.find(session, name, _role(role))
            whole, same = alerts.whole(found), Event.alert_id == found.id
            aliases = select(Alias.name).where(Alias.alert_id == found.id).order_by(Alias.name)
            events = select(Event.id).where(same).order_by(Event.received.desc())
            scans = select(Scan.id).join(Event, Event.id == Scan.event_id).where(same, Scan.deleted.is_(None))
            return {
                **_alerts(session, [found])[0], "record": identities.of(session, Thing.ALERT, str(found.id)).fragment,
                "current": whole.current.to_dict(), "revisions": len(whole.revisions),
                "doubts": list(whole.doubts), "aliases": list(session.scalars(aliases)),
                "events": list(session.scalars(events)),
                "scans": list(session.scalars(scans.order_by(Scan.created.desc(), Scan.id))),
            }  # fmt: skip

    def revisions(self, name: str, *, role: str) -> list[dict[str, Any]]:
        """Return all revisions of an alert in their order."""
        from skymist.records import alerts

        with self._database.read() as session:
            found = alerts.find(session, name, _role(role))
            by_id = {each.id: each for each in found.revisions}
            return [written(by_id[each.id], REVISION) for each in alerts.whole(found).revisions]

    def retract(self, name: str, reason: str, *, role: str) -> dict[str, Any]:
        """Add a retraction to an alert."""
        from skymist.records import alerts
        from skymist.workflow.service import retract

        with self._database.read() as session:
            alert_id = alerts.find(session, name, _role(role)).id
        retract(self._database, alert_id, reason, user())
        return self.alert(name, role=role)

    def scans(
        self, *, role: str | None = None, alert: str | None = None, state: Sequence[str] = ()
    ) -> "Iterator[OwnScan]":
        """Yield scans, the latest first; deleted ones are left out."""
        from sqlalchemy import select

        from skymist.records import alerts
        from skymist.records.tables import Event, Scan

        query = select(Scan).where(Scan.deleted.is_(None)).order_by(Scan.created.desc(), Scan.id.desc())
        with self._database.read() as session:
            if alert is not None:
                events = select(Event.id).where(
                    Event.alert_id == alerts.find(session, alert, _role(role or ROLES[0])).id
                )
                query = query.where(Scan.event_id.in_(events))
            query = query if role is None else query.where(Scan.role == role)
            for each in session.scalars(query.where(Scan.state.in_(state)) if state else query):
                yield OwnScan(self._database, each)

    def get_scan(self, scan_id: str) -> "OwnScan":
        """Return a scan by its id or the beginning of it."""
        from skymist.records import scans

        with self._database.read() as session:
            return OwnScan(self._database, scans.get(session, scan_id))

    def streams(self) -> list[dict[str, Any]]:
        """Return the sources of messages and how far they were read."""
        from sqlalchemy import select

        from skymist.records.tables import Stream

        with self._database.read() as session:
            return [written(each, STREAM) for each in session.scalars(select(Stream).order_by(Stream.name))]

    def quarantine(self) -> Iterator[dict[str, Any]]:
        """Yield messages that could not be read, the latest first."""
        from skymist.records import inputs

        with self._database.read() as session:
            for each in reversed(inputs.quarantined(session)):
                yield {**written(each, INPUT), "size": len(each.content)}

    def retry(self, input_id: str) -> dict[str, Any]:
        """Try once more to read one of them; `RequestError` with the reason, if that is still not possible."""
        from skymist.workflow.ingest import retry

        if reason := retry(self._database, input_id).reason:
            raise RequestError(reason)
        return {"id": input_id}


class OwnScan:
    """A scan of a database, with those methods of `skymist.client.scan.Scan` that commands need."""

    def __init__(self, database: "Database", record: "tables.Scan") -> None:
        self._database, self.document = database, written(record, SCAN)

    @property
    def links(self) -> dict[str, str]:
        """Where its map and the files that are made of it are."""
        from sqlalchemy import select

        from skymist.records.tables import Artifact

        made = select(Artifact).where(Artifact.scan_id == self.document["id"]).order_by(Artifact.kind.desc())
        with self._database.read() as session:
            return {each.kind: each.url for each in session.scalars(made)}

    def cancel(self) -> Self:
        """Cancel it; what was computed is kept."""
        from skymist.records import scans

        return self._change(scans.cancel)

    def rescan(self) -> Self:
        """Run it once more, after it has ended; what was computed and kept is not computed again."""
        from skymist.records import scans

        return self._change(scans.again)

    def _change(self, change: "Callable[[Session, tables.Scan, str], None]") -> Self:
        from skymist.records import scans

        with self._database.begin() as session:
            scan = scans.locked(session, self.document["id"])
            change(session, scan, user())
            self.document = written(scan, SCAN)
        return self


@contextmanager
def source(server: str | None, database: str) -> "Iterator[Client | Own]":
    """Yield a service, or a database where none is given."""
    if server:
        from skymist.client import connect

        with connect(server) as client:
            yield client
    else:
        with opened(database) as records:
            yield Own(records)


def search_of(session: "Session", words: Mapping[str, Any]) -> "Search":
    """Return what is looked for by filters in words; see `skymist.cli.selection.filter_options`."""
    from skymist.records.catalog import Search

    filters = dict(words)
    overlaps = filters.pop("overlaps", None)
    return Search.parse(filters, region=None if overlaps is None else _region(session, overlaps))


def _region(session: "Session", scan_id: str) -> Any:
    """Return the cells of the 90 % region of a scan."""
    from skymist.model.region import region
    from skymist.records import scans
    from skymist.records.tables import Artifact
    from skymist.store.zarr import read_skymap

    found = session.get(Artifact, (scans.get(session, scan_id).id, "zarr"))
    if found is None:
        raise RequestError(f"scan {scan_id[:ID]} has no map yet")
    return region(read_skymap(found.url), 0.9).cells


def written(record: object, keys: tuple[str, ...]) -> dict[str, Any]:
    """Return some fields of a record as JSON-like values, times as the REST API writes them."""
    values = {key: getattr(record, key) for key in keys}
    times = {key: item.isoformat().replace("+00:00", "Z") for key, item in values.items() if isinstance(item, datetime)}
    return {**values, **times}


def _alerts(session: "Session", found: "Sequence[tables.Alert]") -> list[dict[str, Any]]:
    """Return alerts with how they stand."""
    from dataclasses import asdict

    from skymist.records import standing

    stand = standing.of(session, [each.id for each in found])
    return [{**written(each, ALERT), **asdict(stand[each.id])} for each in found]


def _role(name: str) -> "Role":
    from skymist.model.alert import Role

    return Role(name)
