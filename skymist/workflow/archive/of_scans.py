"""Scans and maps as records of the archive: what was computed, how, and of what."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select

from skymist.errors import SkymistError
from skymist.fair.record import Activity, File, Quantity, Status
from skymist.model.identity import Thing
from skymist.records import tables
from skymist.records.identities import deletion
from skymist.records.tables import ZARR, Identity
from skymist.store.zarr import read_skymap
from skymist.workflow.archive.writer import COLLABORATION, MEDIA, Described, Writer
from skymist.workflow.environment import cluster_name

_FILES = {
    ZARR: "the map: all cells with likelihood, energy, vertex and status",
    "png": "figure: the whole sky, and the 50 % and 90 % regions from near",
    "fits": "probability density, multi-order HEALPix",
}  # fmt: skip
_OF_MACHINES = "outputs", "seconds"
"""Of a summary: paths and times of the machine that made it."""


def scan(writer: Writer, identity: Identity) -> Described:
    """Return a scan: what was asked for, how it was done and what came of it."""
    kept = writer.session.get_one(tables.Scan, identity.subject)
    content = {
        "identifier": writer.ivo(identity.fragment), "state": kept.state, "request": kept.request,
        "chosen": kept.chosen, "rule": kept.rule, "attempt": kept.attempt, "summary": _shared(kept.summary),
        "cluster": cluster_name(kept.cluster), **({} if writer.public else {"error": kept.error}),
    }  # fmt: skip
    maps = _maps_of(writer, kept)
    record = writer.record(
        identity, content, **_standing(kept, Status.SUPERSEDED if kept.replaced_by else Status.CURRENT),
        title=f"Sky scan of {_target(kept)} with {_reco(kept)}",
        description=f"A scan of the sky for where {_target(kept)} came from: in every HEALPix cell, from coarse to "
        f"fine, {_reco(kept)} maximises a likelihood. It is {kept.state}.",
        version=str(kept.attempt), created=kept.created, changed=kept.finished or kept.started or kept.created,
        agents=(*writer.authors(), *writer.people("scan", kept.id), *writer.people("identity", identity.fragment)),
        relations=(*writer.to("IsSourceOf", maps), *writer.to("IsDerivedFrom", writer.whole(identity)),
                   *_replaced(writer, kept)),
        **_computed(writer, kept, maps[-1] if maps else None),
    )  # fmt: skip
    return Described(record, content)


def map_of_scan(writer: Writer, identity: Identity) -> Described:
    """Return the map of a scan; one that a later run of the same scan has overwritten is told of, but not there."""
    kept = writer.session.get_one(tables.Scan, identity.scan_id)
    maps = _maps_of(writer, kept)
    at = [each.fragment for each in maps].index(identity.fragment)
    own, overwritten = writer.of(Thing.SCAN, kept.id), bool(maps[at + 1 :])
    content = {
        "identifier": writer.ivo(identity.fragment), "scan": writer.ivo(own.fragment), "sha256": identity.subject,
        "request": kept.request, "summary": None if overwritten else _shared(kept.summary),
    }  # fmt: skip
    record = writer.record(
        identity, content, **_standing(kept, Status.SUPERSEDED if overwritten or kept.replaced_by else Status.CURRENT),
        title=f"Sky map of {_target(kept)}: {_reco(kept)}",
        description=f"Likelihood, energy and vertex in every HEALPix cell that {_reco(kept)} has evaluated. The "
        f"probability of where {_target(kept)} came from follows from the likelihood.",
        version=str(at + 1), created=identity.created, changed=identity.created,
        agents=(*writer.authors(), *writer.people("scan", kept.id)), files=tuple(_files(writer, kept, identity)),
        relations=(*writer.to("IsDerivedFrom", [own, *writer.whole(identity)]),
                   *writer.to("IsNewVersionOf", maps[max(at - 1, 0) : at]),
                   *writer.to("IsPreviousVersionOf", maps[at + 1 : at + 2]), *_replaced(writer, kept)),
        **_computed(writer, kept, identity, overwritten=overwritten),
    )  # fmt: skip
    return Described(record, content)


def imported_map(writer: Writer, identity: Identity) -> Described:
    """Return a map that others have made."""
    imported = tables.ImportedMap
    kept = writer.session.scalars(select(imported).where(imported.sha256 == identity.subject)).one()
    alert = writer.session.get_one(tables.Alert, kept.alert_id)
    content = {
        "identifier": writer.ivo(identity.fragment), "file": kept.file, "format": kept.format,
        "sha256": identity.subject, "reconstruction": kept.reconstruction, "summary": _shared(kept.summary),
    }  # fmt: skip
    original = File(
        kept.file, "original", MEDIA["original"], writer.file_url(identity, "original"), kept.id, kept.size,
        f"the map as it came: {kept.format}",
    )  # fmt: skip
    record = writer.record(
        identity, content, title=f"Sky map of {alert.name}: {kept.reconstruction}, made by others",
        description=f"A sky map of {alert.name} that others have made, imported from {kept.file} ({kept.format}).",
        version="1", created=kept.created, changed=kept.created, agents=(COLLABORATION,), files=(original,),
        relations=tuple(writer.to("IsDerivedFrom", writer.whole(identity))), sources=writer.inputs([kept.input_id]),
        quantities=tuple(_measured(kept.summary)), **_best(kept.summary),
    )  # fmt: skip
    return Described(record, content)


def _computed(writer: Writer, kept: tables.Scan, of: Identity | None, *, overwritten: bool = False) -> dict[str, Any]:
    """Return what scan and map have in common; of a map that was overwritten, only what it was made of is known."""
    sources = writer.inputs([writer.session.get_one(tables.Event, kept.event_id).input_id])
    if overwritten:
        return {"sources": sources}
    return {
        "activity": None if kept.started is None else _activity(writer, kept, of), "sources": sources,
        "quantities": tuple(_measured(kept.summary)), **_best(kept.summary),
    }  # fmt: skip


def _activity(writer: Writer, kept: tables.Scan, of: Identity | None) -> Activity:
    stretches = _stretches(writer, kept, of)
    last: Mapping[str, Any] = stretches[-1] if stretches else {}
    machine = last.get("worker", last)
    software = dict(machine.get("software", {}))
    own = {"skymist": software.pop("skymist")} if "skymist" in software else {}
    return Activity(
        f"sky scan with {_reco(kept)}", kept.request, {**own, **software},
        {key: str(value) for key, value in machine.get("host", {}).items()},
        str(last.get("cluster") or cluster_name(kept.cluster)), kept.started, kept.finished,
    )  # fmt: skip


def _stretches(writer: Writer, kept: tables.Scan, of: Identity | None) -> tuple[Mapping[str, Any], ...]:
    """Return how a map was computed, as it says itself; nothing if it is not there any more."""
    made = writer.session.get(tables.Artifact, (kept.id, ZARR))
    if of is None or made is None or made.sha256 != of.subject:
        return ()
    try:
        return tuple(read_skymap(made.url).attrs.get("provenance", {}).get("stretches", ()))
    except SkymistError:
        return ()


def _files(writer: Writer, kept: tables.Scan, identity: Identity) -> Iterator[File]:
    made = {
        each.kind: each
        for each in writer.session.scalars(select(tables.Artifact).where(tables.Artifact.scan_id == kept.id))
    }
    if ZARR not in made or made[ZARR].sha256 != identity.subject:
        return
    for kind, each in sorted(made.items()):
        name, media = each.url.rpartition("/")[2], MEDIA.get(kind, MEDIA["original"])
        yield File(name, kind, media, writer.file_url(identity, kind), each.sha256, each.size, _FILES.get(kind, ""))


def _maps_of(writer: Writer, kept: tables.Scan) -> list[Identity]:
    """Return the maps that a scan has given, in their order; the one that is there is the last."""
    query = select(Identity).where(Identity.scan_id == kept.id, Identity.thing == Thing.MAP)
    made = writer.session.get(tables.Artifact, (kept.id, ZARR))
    found = writer.session.scalars(query.order_by(Identity.created, Identity.fragment))
    return sorted(found, key=lambda each: made is not None and each.subject == made.sha256)


def _replaced(writer: Writer, kept: tables.Scan) -> Iterator[Any]:
    before = writer.session.scalars(select(tables.Scan.id).where(tables.Scan.replaced_by == kept.id))
    yield from writer.to("Obsoletes", [writer.of(Thing.SCAN, each) for each in before])
    if kept.replaced_by is not None:
        yield from writer.to("IsObsoletedBy", [writer.of(Thing.SCAN, kept.replaced_by)])


def _standing(kept: tables.Scan, status: Status) -> dict[str, Any]:
    if kept.deleted is None:
        return {"status": status}
    return {"status": Status.WITHDRAWN, "reason": deletion(kept.deleted), "ended": kept.deleted}


def _best(summary: Mapping[str, Any] | None) -> dict[str, Any]:
    if summary is None:
        return {}
    best, area = summary["best"], summary["regions"]["90"]["area_deg2"]
    return {"ra": best["ra"], "dec": best["dec"], "area_90_deg2": area}


def _measured(summary: Mapping[str, Any] | None) -> Iterator[Quantity]:
    """Yield what a scan has found in numbers."""
    if summary is None:
        return
    for share, found in summary["regions"].items():
        about = f"area of the {share} % region, calibration {summary['calibration']}"
        yield Quantity(f"area_{share}", found["area_deg2"], "deg2", "phys.angArea;pos.eq", about)
    if summary["best"]["energy_gev"] is not None:
        yield Quantity("energy_gev", summary["best"]["energy_gev"], "GeV", "phys.energy", "at the best fit")
    yield Quantity("cells", sum(summary["cells"].values()), "", "meta.number", "evaluated cells")


def _shared(summary: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if summary is None else {key: value for key, value in summary.items() if key not in _OF_MACHINES}


def _reco(kept: tables.Scan) -> str:
    return f"{kept.request['reconstruction']} {kept.request['version']}"


def _target(kept: tables.Scan) -> str:
    return kept.alert or f"event {kept.event_id[:12]}"
