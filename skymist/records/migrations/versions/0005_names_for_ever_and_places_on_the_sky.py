"""Names that last, what is public, maps of others; alerts can be searched by place and numbers.

Revision ID: 0005
Revises: 0004
"""

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import sqlalchemy as sa
from alembic import op

from skymist.model import sky

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NUMBERS = "ra", "dec", "x", "y", "z", "radius_90", "energy_tev", "signalness", "far_per_year"
SORTED = "time", "energy_tev", "signalness", "far_per_year", "ra", "dec"


def upgrade() -> None:
    """Go to this version."""
    for name in NUMBERS:
        op.add_column("alerts", sa.Column(name, sa.Double()))
    op.add_column("alerts", sa.Column("pixel", sa.Integer()))
    op.add_column("alerts", sa.Column("public", sa.DateTime(timezone=True)))
    op.drop_index("ix_alerts_stream", "alerts")  # of three streams; it kept better ones from being used
    op.create_index("ix_alerts_place", "alerts", ["role", "pixel", "radius_90", "ra", "dec"])
    for name in SORTED:
        op.create_index(f"ix_alerts_role_{name}", "alerts", ["role", name, "id"])
    op.create_table(
        "imported_maps",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("input_id", sa.String(64), nullable=False),
        sa.Column("alert_id", sa.Integer(), nullable=False),
        sa.Column("file", sa.String(200), nullable=False),
        sa.Column("format", sa.String(40), nullable=False),
        sa.Column("reconstruction", sa.String(100), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["input_id"], ["inputs.id"]),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_imported_maps_alert_id", "imported_maps", ["alert_id"])
    identities = op.create_table(
        "identities",
        sa.Column("fragment", sa.String(120), nullable=False),
        sa.Column("thing", sa.String(20), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("alert_id", sa.Integer()),
        sa.Column("scan_id", sa.String(64)),
        sa.Column("doi", sa.String(200), nullable=False),
        sa.Column("released", sa.DateTime(timezone=True)),
        sa.Column("withdrawn", sa.DateTime(timezone=True)),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"]),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"]),
        sa.PrimaryKeyConstraint("fragment"),
    )
    op.create_index("ix_identities_subject", "identities", ["thing", "subject"])
    op.create_index("ix_identities_alert_id", "identities", ["alert_id"])
    op.create_index("ix_identities_scan_id", "identities", ["scan_id"])
    _fill_numbers()
    op.bulk_insert(identities, list(_names()))


def downgrade() -> None:
    """Go back; names and what was public are lost, and so is that maps of others were imported."""
    op.drop_table("identities")
    op.drop_table("imported_maps")
    for name in SORTED:
        op.drop_index(f"ix_alerts_role_{name}", "alerts")
    op.drop_index("ix_alerts_place", "alerts")
    op.create_index("ix_alerts_stream", "alerts", ["stream"])
    for name in (*NUMBERS, "pixel", "public"):
        op.drop_column("alerts", name)


def _table(name: str, **columns: Any) -> sa.TableClause:
    return sa.table(name, *(sa.column(key, kind) for key, kind in columns.items()))


def _alerts() -> dict[int, tuple[Any, list[Any]]]:
    """Return by id each alert with its revisions, as they were received."""
    alerts = _table("alerts", id=sa.Integer(), role=sa.String(), run=sa.BigInteger(), event=sa.BigInteger(),
                    created=sa.DateTime(timezone=True))  # fmt: skip
    revisions = _table("revisions", id=sa.String(), alert_id=sa.Integer(), content=sa.JSON(),
                       received=sa.DateTime(timezone=True))  # fmt: skip
    found: dict[int, tuple[Any, list[Any]]] = {each.id: (each, []) for each in op.get_bind().execute(sa.select(alerts))}
    for each in op.get_bind().execute(sa.select(revisions).order_by(revisions.c.received, revisions.c.id)):
        found[each.alert_id][1].append(each)
    return found


def _fill_numbers() -> None:
    table = _table("alerts", id=sa.Integer(), pixel=sa.Integer(), **dict.fromkeys(NUMBERS, sa.Double()))
    rows = [{"key": key, **_numbers([each.content for each in revisions])} for key, (_, revisions) in _alerts().items()]
    if rows:
        values: Any = {name: sa.bindparam(f"new_{name}") for name in (*NUMBERS, "pixel")}
        op.get_bind().execute(sa.update(table).where(table.c.id == sa.bindparam("key")).values(values), rows)


def _numbers(contents: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what revisions say last, as the code of this version does (`skymist.records.alerts`)."""
    told = [each for each in contents if each.get("kind") != "retraction"] or contents
    told = sorted(told, key=_order)
    found = {name: _last(told, name).get(name) for name in ("energy_tev", "signalness", "far_per_year")}
    placed = _last(told, "ra")
    ra, dec, radius = placed.get("ra"), placed.get("dec"), placed.get("radius_90")
    x = y = z = pixel = None
    if ra is not None and dec is not None:
        lon, lat = np.radians([ra, dec])
        x, y, z = (float(each) for each in (np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)))
        pixel = int(sky.ipix_of(sky.cell_at(16, lon, lat)))
        if radius is None and (errors := placed.get("errors_90")):
            east, west, north, south = errors
            radius = float(np.sqrt((east + west) / 2 * np.cos(np.radians(dec)) * (north + south) / 2))
    found |= {"ra": ra, "dec": dec, "x": x, "y": y, "z": z, "radius_90": radius, "pixel": pixel}
    return {f"new_{name}": found[name] for name in (*NUMBERS, "pixel")}


def _last(told: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next((each for each in reversed(told) if each.get(name) is not None), {})


def _order(content: Mapping[str, Any]) -> tuple[bool, int, bool, str]:
    retraction, number = content.get("kind") == "retraction", content.get("number")
    number = sys.maxsize if retraction and number is None else number or 0
    return not content.get("catalog"), number, retraction, content.get("issued") or content["time"]


def _names() -> Iterator[dict[str, Any]]:
    """Yield the names of all that there is, as the code of this version gives them (`skymist.model.identity`)."""
    taken: set[str] = set()

    def name(fragment: str, created: Any, **values: Any) -> dict[str, Any]:
        taken.add(fragment)
        usual = {"alert_id": None, "scan_id": None, "doi": "", "released": None, "withdrawn": None, "reason": ""}
        return {**usual, "fragment": fragment, "created": created, **values}

    for key, (alert, revisions) in _alerts().items():
        whole = f"{'' if alert.role == 'observation' else f'{alert.role}_'}{alert.run}_{alert.event}"
        yield name(whole, alert.created, thing="alert", subject=str(key), alert_id=key)
        for each in revisions:
            number, catalog = each.content.get("number"), each.content.get("catalog", "")
            words = str(number) if number is not None else re.sub(r"[^a-z0-9.-]+", "-", catalog.lower()) or "retraction"
            fragment = f"{whole}_{words}"
            fragment = f"{fragment}-{each.id[:8]}" if fragment in taken else fragment
            yield name(fragment, each.received, thing="revision", subject=each.id, alert_id=key)
    yield from _names_of_scans(name, taken)


def _names_of_scans(name: Any, taken: set[str]) -> Iterator[dict[str, Any]]:
    time = sa.DateTime(timezone=True)
    scans = _table("scans", id=sa.String(), event_id=sa.String(), created=time)
    events = _table("events", id=sa.String(), alert_id=sa.Integer())
    artifacts = _table("artifacts", scan_id=sa.String(), kind=sa.String(), sha256=sa.String(), created=time)
    alert_of = {}
    joined = sa.select(scans, events.c.alert_id).join_from(scans, events, events.c.id == scans.c.event_id)
    for each in op.get_bind().execute(joined.order_by(scans.c.created, scans.c.id)):
        alert_of[each.id] = each.alert_id
        same = {"alert_id": each.alert_id, "scan_id": each.id}
        yield name(f"scan_{each.id[:16]}", each.created, thing="scan", subject=each.id, **same)
    for each in op.get_bind().execute(sa.select(artifacts).where(artifacts.c.kind == "zarr")):
        if (fragment := f"map_{each.sha256[:16]}") not in taken:
            same = {"alert_id": alert_of[each.scan_id], "scan_id": each.scan_id}
            yield name(fragment, each.created, thing="map", subject=each.sha256, **same)
