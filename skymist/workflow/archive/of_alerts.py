"""Alerts and their revisions as records of the archive: what telescopes were told."""

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import select

from skymist.fair.record import Agent, Quantity, Relation, Status
from skymist.model import alert as model
from skymist.model.alert import SILENT, Role
from skymist.model.circular import State
from skymist.model.identity import Thing
from skymist.records import alerts, tables
from skymist.records.tables import Identity
from skymist.workflow.archive.writer import COLLABORATION, Described, Writer

ICECAT = Relation("IsDerivedFrom", "10.7910/DVN/SCRUCD", "DOI", title="IceCat-1")

_SAID = {
    "energy_tev": ("TeV", "phys.energy;phys.particle.neutrino", "most probable energy of the neutrino"),
    "signalness": ("", "stat.probability", "probability of being astrophysical"),
    "far_per_year": ("yr-1", "arith.rate", "false alarms like this one, or more signal-like"),
    "circle_90": ("deg", "stat.error;pos.eq", "radius of a circle that holds the source with 90 %"),
    "radius_50": ("deg", "stat.error;pos.eq", "radius of a circle that holds the source with 50 %"),
}
_ERRORS = "ra_plus_90", "ra_minus_90", "dec_plus_90", "dec_minus_90"


def alert(writer: Writer, identity: Identity) -> Described:
    """Return an alert, with all its revisions."""
    kept = writer.session.get_one(tables.Alert, identity.alert_id)
    whole = alerts.whole(kept)
    shown = [each for each in whole.revisions if not writer.public or each.catalog not in SILENT]
    said = model.Alert(tuple(shown)) if shown else None
    versions = [writer.of(Thing.REVISION, each.id) for each in shown]
    inputs = {each.id: each.input_id for each in kept.revisions}
    content = {
        "identifier": writer.ivo(identity.fragment), "name": kept.name, "run": kept.run, "event": kept.event,
        "time": kept.time, "stream": kept.stream, "retracted": kept.retracted,
        "doubts": [] if said is None else list(said.doubts),
        "revisions": [each.to_dict() for each in shown],
    }  # fmt: skip
    record = writer.record(
        identity, content, **_standing(kept, whole, Status.CURRENT), version=str(len(shown)),
        title=f"{kept.name}: {_what(kept, None if said is None else said.current)}",
        description=_told(kept, _told_so_far(len(shown))),
        created=kept.created, changed=kept.changed,
        agents=(*_tellers(writer, shown), *writer.people("alert", str(kept.id)),
                *writer.people("identity", identity.fragment)),
        quantities=tuple(_quantities(kept, said)), **_place(None if said is None else said.last("ra")),
        relations=(*writer.to("HasVersion", versions), *_made_of(writer, kept), *_circulars(writer, kept),
                   *_cited(shown)),
        sources=writer.inputs(inputs[each.id] for each in shown),
    )  # fmt: skip
    return Described(record, content, None if said is None else alerts.named(said.current, kept))


def revision(writer: Writer, identity: Identity) -> Described:
    """Return one revision of an alert."""
    kept = writer.session.get_one(tables.Revision, identity.subject)
    whole, said = alerts.whole(kept.alert), model.Revision.from_dict(kept.content)
    before, after = ([writer.of(Thing.REVISION, each) for each in some] for some in _neighbours(whole, kept.id))
    content = {"identifier": writer.ivo(identity.fragment), "name": kept.alert.name, **kept.content}
    about = said.catalog or ("retraction" if said.number is None else f"revision {said.number}")
    alone = model.Alert((said,))
    record = writer.record(
        identity, content, **_standing(kept.alert, whole, Status.SUPERSEDED if after else Status.CURRENT),
        title=f"{kept.alert.name}, {about}: {_what(kept.alert, said)}",
        description=_told(kept.alert, "What telescopes were told of a candidate"),
        version=said.catalog or ("retraction" if said.number is None else str(said.number)),
        created=kept.received, changed=kept.received, agents=_tellers(writer, [said]),
        quantities=tuple(_quantities(kept.alert, alone)), **_place(alone.last("ra")),
        relations=(*writer.to("IsVersionOf", writer.whole(identity)), *writer.to("IsNewVersionOf", before),
                   *writer.to("IsPreviousVersionOf", after), *_cited([said])),
        sources=writer.inputs([kept.input_id]),
    )  # fmt: skip
    return Described(
        record, content, alerts.named(said, kept.alert), *(writer.ivo(each.fragment) for each in writer.told(before))
    )


def _neighbours(whole: model.Alert, revision_id: str) -> tuple[list[str], list[str]]:
    """Return which revision one took the place of, and which took its place; catalogs stand beside what was sent."""
    line = [each.id for each in whole.revisions if not each.catalog]
    if revision_id not in line:
        return [], []
    at = line.index(revision_id)
    return line[max(at - 1, 0) : at], line[at + 1 : at + 2]


def _standing(kept: tables.Alert, whole: model.Alert, status: Status) -> dict[str, Any]:
    if not whole.retracted:
        return {"status": status}
    ended = next(each.received for each in kept.revisions if each.id == whole.current.id)
    why = whole.current.comment or "taken back by who had sent it"
    return {"status": Status.RETRACTED, "reason": why, "ended": ended}


def _tellers(writer: Writer, revisions: Iterable[model.Revision]) -> tuple[Agent, ...]:
    """Return who told it: the collaboration, if anything was told; else it is known here alone."""
    return (COLLABORATION,) if any(each.catalog not in SILENT for each in revisions) else writer.authors()


def _what(kept: tables.Alert, said: model.Revision | None) -> str:
    what = "test of a neutrino alert" if kept.role == Role.TEST else "neutrino alert"
    shape = "" if said is None else said.topology or "track"
    selection = " ".join(dict.fromkeys(each for each in (kept.stream, shape) if each))
    return f"{what} ({selection})" if selection else what


def _told(kept: tables.Alert, what: str) -> str:
    when = kept.time[:19].replace("T", " ")
    more = (
        " It was retracted." if kept.retracted else "",
        "" if kept.role == Role.OBSERVATION else " It is no observation.",
    )
    return (
        f"{what} for an astrophysical neutrino that IceCube saw on {when} UTC, in run {kept.run} as "
        f"event {kept.event}.{''.join(more)}"
    )


def _told_so_far(revisions: int) -> str:
    if not revisions:
        return "A candidate"
    count = "One revision" if revisions == 1 else f"{revisions} revisions"
    return f"{count} of what telescopes were told of a candidate"


def _quantities(kept: tables.Alert, said: model.Alert | None) -> Iterator[Quantity]:
    """Yield when the event was, and what is said in numbers, of each the last word."""
    yield Quantity("time", kept.time, "", "time.epoch", "of the event, UTC")
    if said is None:
        return
    for name, (unit, ucd, about) in _SAID.items():
        if (last := said.last(name)) is not None:
            yield Quantity("radius_90" if name == "circle_90" else name, getattr(last, name), unit, ucd, about)
    if (last := said.last("errors_90")) is not None:
        for name, value in zip(_ERRORS, last.errors_90 or (), strict=True):
            yield Quantity(name, value, "deg", "stat.error;pos.eq", "90 % error to that side, as coordinates differ")


def _place(said: model.Revision | None) -> dict[str, Any]:
    return {} if said is None else {"ra": said.ra, "dec": said.dec, "radius_90": said.circle_90}


def _made_of(writer: Writer, kept: tables.Alert) -> Iterator[Relation]:
    made = select(Identity).where(Identity.alert_id == kept.id, Identity.thing.in_((Thing.SCAN, Thing.MAP)))
    yield from writer.to("IsSourceOf", writer.session.scalars(made.order_by(Identity.created, Identity.fragment)))


def _circulars(writer: Writer, kept: tables.Alert) -> Iterator[Relation]:
    item = tables.Publication
    sent = select(item.number).where(item.alert_id == kept.id, item.kind == "circular", item.state == State.SENT)
    for number in writer.session.scalars(sent.order_by(item.id)):
        if number.isdigit():
            url = f"https://gcn.nasa.gov/circulars/{number}"
            yield Relation("IsDocumentedBy", url, url=url, title=f"GCN Circular {number}")


def _cited(revisions: Iterable[model.Revision]) -> tuple[Relation, ...]:
    return (ICECAT,) if any(each.catalog == "IceCat-1" for each in revisions) else ()
