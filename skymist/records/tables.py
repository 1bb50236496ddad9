"""The tables.

What is worked out of other records, such as an alert's stream, stands there only to be searched for. Times are UTC and
timezone-aware; those of events have nanoseconds and are kept as ISO 8601 text, which sorts as they do.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
    column,
    select,
    table,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

from skymist.model.alert import Role
from skymist.model.circular import State

PIXEL_NSIDE = 16
"""Of the pixels by which alerts are found: 3072 of them, some 4 degrees wide."""


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time; SQLite forgets time zones, so they are taken off and put on again."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Refuse local times, of which nobody could say whose they are."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return it with its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def now() -> datetime:
    """Return the present time, UTC."""
    return datetime.now(UTC)


class InputStatus(StrEnum):
    """What became of a message."""

    ACCEPTED = "accepted"
    QUARANTINED = "quarantined"


class ScanState(StrEnum):
    """What a scan is doing; `skymist.records.scans.NEXT` says what may follow what."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Base(DeclarativeBase):
    """All tables."""

    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: JSON, list[Any]: JSON}  # noqa: RUF012 (SQLAlchemy's)


class Input(Base):
    """A message as it came, byte for byte; the same bytes are one input, however often they come."""

    __tablename__ = "inputs"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256 of the content
    source: Mapped[str] = mapped_column(String(200))  # topic, folder or person it first came from
    position: Mapped[str] = mapped_column(String(200), default="")  # offset or file there
    kind: Mapped[str] = mapped_column(String(20))  # notice or event
    content: Mapped[bytes] = mapped_column(LargeBinary)
    received: Mapped[datetime] = mapped_column(default=now)
    times: Mapped[int] = mapped_column(default=1)  # how often it came
    status: Mapped[str] = mapped_column(String(20), default=InputStatus.ACCEPTED, index=True)
    reason: Mapped[str] = mapped_column(default="")  # of the quarantine, in words


class Alert(Base):
    """All that is known of one event; see `skymist.model.alert.Alert`."""

    __tablename__ = "alerts"
    __table_args__ = (
        UniqueConstraint("role", "run", "event"),
        UniqueConstraint("role", "name"),
        *(
            Index(f"ix_alerts_role_{name}", "role", name, "id")
            for name in ("time", "energy_tev", "signalness", "far_per_year", "ra", "dec")
        ),
        Index("ix_alerts_place", "role", "pixel", "radius_90", "ra", "dec"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(String(20), default=Role.OBSERVATION)
    run: Mapped[int] = mapped_column(BigInteger)
    event: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(String(60))
    named_by: Mapped[str] = mapped_column(String(20))  # "sender" or "order"
    time: Mapped[str] = mapped_column(String(40), index=True)
    stream: Mapped[str] = mapped_column(String(20), default="")
    retracted: Mapped[bool] = mapped_column(default=False)
    ra: Mapped[float | None]  # degrees, ICRS, as last told; so are those below
    dec: Mapped[float | None]
    x: Mapped[float | None]  # of the unit vector, so that any database finds what is near
    y: Mapped[float | None]
    z: Mapped[float | None]
    pixel: Mapped[int | None]  # nested, at PIXEL_NSIDE
    radius_90: Mapped[float | None]
    energy_tev: Mapped[float | None]
    signalness: Mapped[float | None]
    far_per_year: Mapped[float | None]
    public: Mapped[datetime | None]  # from then on; see its identity
    created: Mapped[datetime] = mapped_column(default=now)
    changed: Mapped[datetime] = mapped_column(default=now)
    due: Mapped[bool] = mapped_column(default=True, index=True)  # the workflow has yet to look at what is new

    revisions: Mapped[list["Revision"]] = relationship(back_populates="alert", order_by="Revision.received")


class Alias(Base):
    """Any other name of an alert: earlier names, and numbers that were truncated."""

    __tablename__ = "aliases"

    role: Mapped[str] = mapped_column(String(20), primary_key=True)
    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    alert_id: Mapped[int] = mapped_column(ForeignKey("alerts.id"), index=True)


class Revision(Base):
    """One revision, as `skymist.model.alert.Revision.to_dict` writes it."""

    __tablename__ = "revisions"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)  # of the content
    alert_id: Mapped[int] = mapped_column(ForeignKey("alerts.id"), index=True)
    input_id: Mapped[str | None] = mapped_column(ForeignKey("inputs.id"))  # None if a person made it
    number: Mapped[int | None]
    content: Mapped[dict[str, Any]]
    received: Mapped[datetime] = mapped_column(default=now)

    alert: Mapped[Alert] = relationship(back_populates="revisions")


class Event(Base):
    """What the detector recorded, ready to be scanned; the bytes are those of its input."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_run_event", "run", "event"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)  # digest: what can change a reconstruction
    input_id: Mapped[str] = mapped_column(ForeignKey("inputs.id"))
    file: Mapped[str] = mapped_column(String(200))  # name it had, whose ending may tell its format
    role: Mapped[str] = mapped_column(String(20))
    run: Mapped[int] = mapped_column(BigInteger)
    event: Mapped[int] = mapped_column(BigInteger)
    time: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(40))
    alert_id: Mapped[int | None] = mapped_column(ForeignKey("alerts.id"), index=True)
    received: Mapped[datetime] = mapped_column(default=now)


_LOG = table("log", *(column(name) for name in ("id", "action", "subject", "subject_id")), column("who", String))
"""That of `LogEntry`, which comes later."""


class Scan(Base):
    """One scan; its id is that of its request, so the same request is the same scan."""

    __tablename__ = "scans"
    __table_args__ = (Index("ix_scans_state_priority", "state", "priority"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    event_id: Mapped[str] = mapped_column(ForeignKey("events.id"), index=True)
    role: Mapped[str] = mapped_column(String(20))
    request: Mapped[dict[str, Any]]  # what decides about the map
    wish: Mapped[dict[str, Any]]  # the words in which it was asked for
    chosen: Mapped[dict[str, Any] | None]  # how the reconstruction was chosen
    rule: Mapped[str] = mapped_column(String(60), default="")  # that asked for it; empty if a person did
    after_id: Mapped[str | None] = mapped_column(String(64))  # waits until this scan has ended
    instead_id: Mapped[str | None] = mapped_column(String(64))  # is a fallback of this scan
    fallback_id: Mapped[str | None] = mapped_column(String(64))  # has this scan as its fallback
    replaced_by: Mapped[str | None] = mapped_column(String(64))
    cluster: Mapped[str] = mapped_column(String(200), default="local")
    workers: Mapped[int | None]
    priority: Mapped[int] = mapped_column(default=0)
    stalled_s: Mapped[float | None]  # without any new cell for so long it counts as stalled
    moved: Mapped[datetime] = mapped_column(default=now)  # when it was queued, or cells came in
    state: Mapped[str] = mapped_column(String(20), default=ScanState.QUEUED)
    wanted: Mapped[str] = mapped_column(String(20), default="")  # "cancelled" while it is running
    attempt: Mapped[int] = mapped_column(default=1)
    deaths: Mapped[int] = mapped_column(default=0)  # of runners in this attempt
    owner: Mapped[str | None] = mapped_column(String(100))  # the runner that has it
    beat: Mapped[datetime | None]  # when that was last heard of
    progress: Mapped[dict[str, Any] | None]
    summary: Mapped[dict[str, Any] | None]
    error: Mapped[str] = mapped_column(default="")
    created: Mapped[datetime] = mapped_column(default=now, index=True)
    started: Mapped[datetime | None]
    finished: Mapped[datetime | None]
    deleted: Mapped[datetime | None]

    alert: Mapped[str | None] = column_property(
        select(Alert.name)
        .join(Event, Event.alert_id == Alert.id)
        .where(Event.id == event_id)
        .correlate_except(Alert, Event)
        .scalar_subquery()
    )  # the name that it has now
    who: Mapped[str | None] = column_property(
        select(_LOG.c.who)
        .where(_LOG.c.subject == "scan", _LOG.c.subject_id == id, _LOG.c.action == "asked for")
        .order_by(_LOG.c.id)
        .limit(1)
        .scalar_subquery()
    )  # who asked for it first


class ImportedMap(Base):
    """A sky map that others made; its file is kept as it came."""

    __tablename__ = "imported_maps"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256 of the file, which is that of its input
    input_id: Mapped[str] = mapped_column(ForeignKey("inputs.id"))
    alert_id: Mapped[int] = mapped_column(ForeignKey("alerts.id"), index=True)
    file: Mapped[str] = mapped_column(String(200))  # name it had
    format: Mapped[str] = mapped_column(String(40))
    reconstruction: Mapped[str] = mapped_column(String(100))
    url: Mapped[str]  # of our map of it
    sha256: Mapped[str] = mapped_column(String(64), unique=True, index=True)  # of the content of our map
    size: Mapped[int] = mapped_column(BigInteger)
    summary: Mapped[dict[str, Any]]
    created: Mapped[datetime] = mapped_column(default=now)


class Identity(Base):
    """What a thing is called for ever, and how it stands to the world; see `skymist.records.identities`."""

    __tablename__ = "identities"
    __table_args__ = (Index("ix_identities_subject", "thing", "subject"),)

    fragment: Mapped[str] = mapped_column(String(120), primary_key=True)  # of ivo://AUTHORITY/skymist#FRAGMENT
    thing: Mapped[str] = mapped_column(String(20))  # alert, revision, scan or map
    subject: Mapped[str] = mapped_column(String(64))  # its id; of a map, the SHA-256 of its content
    alert_id: Mapped[int | None] = mapped_column(ForeignKey("alerts.id"), index=True)
    scan_id: Mapped[str | None] = mapped_column(ForeignKey("scans.id"), index=True)  # of a scan, and of its map
    doi: Mapped[str] = mapped_column(String(200), default="")
    released: Mapped[datetime | None]  # public from then on
    withdrawn: Mapped[datetime | None]  # not public any more; a tombstone tells that it was
    reason: Mapped[str] = mapped_column(default="")  # why, in words
    created: Mapped[datetime] = mapped_column(default=now)


ZARR = "zarr"
"""The kind of artifact that is the map itself; its hash is of its content."""


class Artifact(Base):
    """A file that a scan gave."""

    __tablename__ = "artifacts"

    scan_id: Mapped[str] = mapped_column(ForeignKey("scans.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20), primary_key=True)  # zarr, fits, png, ...
    url: Mapped[str]
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    created: Mapped[datetime] = mapped_column(default=now)


class Stream(Base):
    """A source of messages, as far as it was read."""

    __tablename__ = "streams"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    state: Mapped[str] = mapped_column(String(20), default="connecting")
    trouble: Mapped[str] = mapped_column(default="")
    lag: Mapped[int | None]
    heard: Mapped[datetime | None]  # the last message or heartbeat
    changed: Mapped[datetime] = mapped_column(default=now)


class Runner(Base):
    """A process that carries out scans, as it last told of itself; it takes its row with it when it ends."""

    __tablename__ = "runners"

    owner: Mapped[str] = mapped_column(String(100), primary_key=True)  # as scans name it
    slots: Mapped[int]  # ordinary scans at a time
    clusters: Mapped[list[Any]]  # see `skymist.cluster.pool.Held.to_dict`
    started: Mapped[datetime] = mapped_column(default=now)
    beat: Mapped[datetime] = mapped_column(default=now)


class Publication(Base):
    """What we tell the world: a circular or a notice, in its revisions; see `skymist.records.publications`."""

    __tablename__ = "publications"
    __table_args__ = (
        # Whatever goes wrong elsewhere: nothing is sent that nobody has approved, word for word.
        CheckConstraint(
            "state NOT IN ('sending', 'sent') OR (approved IS NOT NULL AND approved = head AND approver <> '')",
            name="sent_is_approved",
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20), index=True)  # circular or notice
    template: Mapped[str] = mapped_column(String(60))
    alert_id: Mapped[int] = mapped_column(ForeignKey("alerts.id"), index=True)
    role: Mapped[str] = mapped_column(String(20))  # the world in which it is told; that of the alert, for a circular
    state: Mapped[str] = mapped_column(String(20), default=State.DRAFT, index=True)
    head: Mapped[int] = mapped_column(default=1)  # the revision that counts
    approved: Mapped[int | None]  # the revision that was
    approver: Mapped[str] = mapped_column(String(100), default="")
    locked_by: Mapped[str] = mapped_column(String(100), default="")  # who is editing
    locked_until: Mapped[datetime | None]
    channel: Mapped[str] = mapped_column(String(60), default="")  # by which it is sent
    confirmed: Mapped[str] = mapped_column(String(64), default="")  # SHA-256 of the bytes that go out
    sender: Mapped[str] = mapped_column(String(100), default="")  # who confirmed them
    owner: Mapped[str | None] = mapped_column(String(100))  # the process that sends it
    beat: Mapped[datetime | None]  # when that was last heard of
    tried: Mapped[datetime | None]  # when it may have gone out; None if it has certainly not
    error: Mapped[str] = mapped_column(default="")  # why it has not gone out, in words
    number: Mapped[str] = mapped_column(String(200), default="")  # what it is called where it went
    sent: Mapped[datetime | None]
    created: Mapped[datetime] = mapped_column(default=now)
    changed: Mapped[datetime] = mapped_column(default=now, index=True)

    texts: Mapped[list["Text"]] = relationship(back_populates="publication", order_by="Text.number")
    comments: Mapped[list["Comment"]] = relationship(order_by="Comment.id")
    alert: Mapped[str] = column_property(
        select(Alert.name).where(Alert.id == alert_id).correlate_except(Alert).scalar_subquery()
    )  # the name that it has now


class Text(Base):
    """One revision of a publication; none is ever changed."""

    __tablename__ = "texts"

    publication_id: Mapped[int] = mapped_column(ForeignKey("publications.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)  # counts up from 1
    base: Mapped[int | None]  # the revision that it was made of
    aside: Mapped[bool] = mapped_column(default=False)  # kept, but somebody else's came before
    who: Mapped[str] = mapped_column(String(100))
    note: Mapped[str] = mapped_column(default="")
    subject: Mapped[str]
    body: Mapped[str]
    made: Mapped[str]  # the body as the facts alone make it
    facts: Mapped[list[Any]]  # see `skymist.model.circular.Fact.to_dict`
    created: Mapped[datetime] = mapped_column(default=now)

    publication: Mapped[Publication] = relationship(back_populates="texts")


class Comment(Base):
    """What somebody has to say about a publication."""

    __tablename__ = "comments"

    id: Mapped[int] = mapped_column(primary_key=True)
    publication_id: Mapped[int] = mapped_column(ForeignKey("publications.id"), index=True)
    number: Mapped[int]  # the revision that was the last then
    who: Mapped[str] = mapped_column(String(100))
    text: Mapped[str]
    created: Mapped[datetime] = mapped_column(default=now)


class Scratch(Base):
    """What somebody has typed and not saved yet; it goes when it is saved, or nothing can be saved any more."""

    __tablename__ = "scratches"

    publication_id: Mapped[int] = mapped_column(ForeignKey("publications.id"), primary_key=True)
    who: Mapped[str] = mapped_column(String(100), primary_key=True)
    base: Mapped[int]  # the revision that is being edited
    subject: Mapped[str]
    body: Mapped[str]
    changed: Mapped[datetime] = mapped_column(default=now)


class Token(Base):
    """What lets a person or program in; only a hash of it is kept."""

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    owner: Mapped[str] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(20))
    created: Mapped[datetime] = mapped_column(default=now)
    expires: Mapped[datetime]
    revoked: Mapped[datetime | None]


class LogEntry(Base):
    """Who did what when, to what and from which input. The database itself refuses to change or remove an entry."""

    __tablename__ = "log"
    __table_args__ = (Index("ix_log_subject", "subject", "subject_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    time: Mapped[datetime] = mapped_column(default=now)
    who: Mapped[str] = mapped_column(String(100))
    action: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(20))  # alert, scan, event, input, token, stream, circular, notice
    subject_id: Mapped[str] = mapped_column(String(64))
    input_id: Mapped[str | None] = mapped_column(String(64))
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
