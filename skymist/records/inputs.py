"""Messages as they came: each content once, and those that could not be read in quarantine."""

import hashlib

from sqlalchemy import select
from sqlalchemy.orm import Session

from skymist.records import log
from skymist.records.tables import Input, InputStatus

LONGEST = 200
"""Letters of a name."""


def receive(session: Session, content: bytes, kind: str, source: str, position: str = "") -> tuple[Input, bool]:
    """Keep a message, and return its record and whether it is new.

    Parameters
    ----------
    session : Session
    content : bytes
    kind : str
        ``notice`` or ``event``.
    source, position : str
        Where it came from: the topic and offset, the folder and file, or the person; of long ones the end is kept.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    if known := session.get(Input, sha256, with_for_update=True):
        known.times += 1
        return known, False
    kept = Input(id=sha256, source=source[-LONGEST:], position=position[-LONGEST:], kind=kind, content=content)
    session.add(kept)
    session.flush()
    log.note(session, source, "received", "input", sha256, input_id=sha256, position=position, bytes=len(content))
    return kept, True


def quarantine(session: Session, item: Input, reason: str) -> None:
    """Put a message aside that cannot be read, with the reason in words."""
    if (item.status, item.reason) == (InputStatus.QUARANTINED, reason):
        return
    item.status, item.reason = InputStatus.QUARANTINED, reason
    log.note(session, "skymist", "quarantined", "input", item.id, input_id=item.id, reason=reason)


def accept(session: Session, item: Input) -> None:
    """Say that a message could be read."""
    if item.status == InputStatus.QUARANTINED:
        log.note(session, "skymist", "accepted", "input", item.id, input_id=item.id)
    item.status, item.reason = InputStatus.ACCEPTED, ""


def quarantined(session: Session) -> list[Input]:
    """Return the messages that could not be read, the oldest first."""
    query = select(Input).where(Input.status == InputStatus.QUARANTINED).order_by(Input.received, Input.id)
    return list(session.scalars(query))
