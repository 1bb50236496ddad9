"""The audit trail: who did what when, to what and from which input."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from skymist.records.tables import LogEntry

LONGEST = 100
"""Letters of who did something."""


def note(
    session: Session,
    who: str,
    action: str,
    subject: str,
    subject_id: str | int,
    *,
    input_id: str | None = None,
    **details: Any,
) -> None:
    """Add an entry, in the same transaction as what it tells of.

    Parameters
    ----------
    session : Session
    who : str
        The owner of a token, the source of a message or the part of skymist that acts by itself; of a long name the end
        is kept.
    action : str
        A verb in the past tense, such as ``received``.
    subject, subject_id : str
        The kind of record, and which.
    input_id : str, optional
        The message it was done for.
    **details
        JSON-like.
    """
    entry = LogEntry(
        who=who[-LONGEST:],
        action=action,
        subject=subject,
        subject_id=str(subject_id),
        input_id=input_id,
        details=details,
    )
    session.add(entry)


def entries(session: Session, subject: str, subject_id: str | int) -> list[LogEntry]:
    """Return what was done to one record, in that order."""
    query = select(LogEntry).where(LogEntry.subject == subject, LogEntry.subject_id == str(subject_id))
    return list(session.scalars(query.order_by(LogEntry.id)))
