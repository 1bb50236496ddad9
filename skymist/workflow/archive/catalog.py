"""The catalog as its users see it: rows of alerts, and tables of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import islice

from sqlalchemy import select
from sqlalchemy.orm import Session

from skymist.alerts.write_icecat import write_icecat
from skymist.errors import UnknownNameError
from skymist.fair.catalog import TABLES, write_table
from skymist.fair.entry import Entry
from skymist.fair.hats import write_hats
from skymist.fair.licences import licence
from skymist.fair.record import Site, stamp
from skymist.model import alert as model
from skymist.model.alert import SILENT
from skymist.model.identity import Thing, ivo
from skymist.records import identities, tables
from skymist.records.alerts import named
from skymist.records.tables import Identity

ICECAT = "icecat"
FORMATS: Mapping[str, tuple[str, str]] = {**TABLES, ICECAT: ("text/csv", ".icecat.csv")}
"""Tables of the catalog: media type and usual ending of each. IceCat-1's columns are read by whoever reads that."""

_AT_ONCE = 1000


def entries(session: Session, site: Site, found: Iterable[tables.Alert], *, public: bool = False) -> list[Entry]:
    """Return rows of the catalog.

    Parameters
    ----------
    session : Session
    site : Site
    found : iterable of Alert
    public : bool
        Whether they are for everybody: then private maps are not told of.
    """
    return [row for batch in _batches(found) for row in _rows(session, site, batch, public)]


def table(session: Session, site: Site, found: Sequence[tables.Alert], kind: str, *, public: bool = False,
          query: str = "") -> bytes:  # fmt: skip
    """Return the catalog as a file.

    Parameters
    ----------
    kind : str
        One of `FORMATS`.
    query : str
        What was asked for, to be told in the file.

    Raises
    ------
    UnknownNameError
        If there is no such kind.
    """
    if kind not in FORMATS:
        raise UnknownNameError("table", kind[:80], FORMATS)
    if kind == ICECAT:
        return write_icecat(_last_words(session, found, public))
    return write_table(entries(session, site, found, public=public), kind, about(site, query))


def hats(session: Session, site: Site, found: Sequence[tables.Alert], query: str = "") -> Iterator[tuple[str, bytes]]:
    """Yield the files of the catalog as HATS has it: partitions by place, and a map of where there is anything."""
    yield from write_hats(entries(session, site, found), about(site, query))


def about(site: Site, query: str = "") -> dict[str, str]:
    """Return what tables say of where they come from, in the words of the IVOA's note on the origin of data."""
    right = licence(site.licence)
    return {
        "title": f"Neutrino alerts of {site.publisher}", "publisher": site.publisher, "rights": right.name,
        "rights_uri": right.url, "ivoid": f"ivo://{site.authority}/skymist", "query": query,
        "request_date": stamp(datetime.now(UTC).replace(microsecond=0)), "reference_url": site.home,
        "server_software": f"skymist {version('skymist')}",
    }  # fmt: skip


def _batches(found: Iterable[tables.Alert]) -> Iterator[list[tables.Alert]]:
    alerts = iter(found)
    while batch := list(islice(alerts, _AT_ONCE)):
        yield batch


def _rows(session: Session, site: Site, found: Sequence[tables.Alert], public: bool) -> Iterator[Entry]:
    ids = [each.id for each in found]
    query = select(Identity).where(Identity.alert_id.in_(ids), Identity.thing == Thing.ALERT)
    own = {each.alert_id: each for each in session.scalars(query)}
    maps = {each.alert_id: each for each in identities.maps(session, ids, tables.now() if public else None)}
    said = _revisions(session, ids, public)
    for each in found:
        yield _row(site, each, own[each.id], maps.get(each.id), said.get(each.id))


def _revisions(session: Session, ids: Sequence[int], public: bool) -> dict[int, model.Alert]:
    query = select(tables.Revision).where(tables.Revision.alert_id.in_(ids))
    by_alert: dict[int, list[model.Revision]] = {}
    for each in session.scalars(query):
        said = model.Revision.from_dict(each.content)
        if not public or said.catalog not in SILENT:
            by_alert.setdefault(each.alert_id, []).append(said)
    return {key: model.Alert(tuple(some)) for key, some in by_alert.items()}


def _row(site: Site, alert: tables.Alert, own: Identity, made: Identity | None, said: model.Alert | None) -> Entry:
    placed = None if said is None else said.last("errors_90")
    errors: Sequence[float | None] = (placed and placed.errors_90) or (None,) * 4
    home = site.home.rstrip("/")
    return Entry(
        identifier=ivo(site.authority, own.fragment), name=alert.name, role=alert.role, run=alert.run,
        event=alert.event, time=alert.time, stream=alert.stream, retracted=alert.retracted,
        released="" if own.released is None else stamp(own.released), radius_90=alert.radius_90,
        revision=None if said is None else said.current.number, ra=alert.ra, dec=alert.dec,
        ra_plus_90=errors[0], ra_minus_90=errors[1], dec_plus_90=errors[2], dec_minus_90=errors[3],
        energy_tev=alert.energy_tev, signalness=alert.signalness, far_per_year=alert.far_per_year,
        map_identifier="" if made is None else ivo(site.authority, made.fragment),
        map_url="" if made is None else f"{home}/records/{made.fragment}", url=f"{home}/records/{own.fragment}",
        doi=own.doi,
    )  # fmt: skip


def _last_words(session: Session, found: Iterable[tables.Alert], public: bool) -> Iterator[model.Revision]:
    """Yield of each alert that was not retracted what was said last."""
    for batch in _batches(found):
        said = _revisions(session, [each.id for each in batch], public)
        for each in batch:
            if each.id in said and not said[each.id].retracted:
                yield named(said[each.id].current, each)
