"""How sources of messages are: for whoever watches them from elsewhere."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from skymist.records import log
from skymist.records.tables import Stream, now

LISTENING, SILENT, TROUBLED, STOPPED = "listening", "silent", "troubled", "stopped"


def report(
    session: Session,
    name: str,
    state: str,
    trouble: str = "",
    lag: int | None = None,
    heard: datetime | None = None,
    positions: Mapping[str, int] | None = None,
) -> None:
    """Say how a source is; a change of state is logged.

    Parameters
    ----------
    session : Session
    name : str
        Of the source.
    state : str
        `LISTENING`, `SILENT`, `TROUBLED` or `STOPPED`.
    trouble : str
        What is in its way, in words.
    lag : int, optional
        How many messages are yet to be read, if that is known.
    heard : datetime, optional
        When something last came; if not given, what was said before remains.
    positions : mapping of str to int, optional
        Where reading goes on in parts of the source; others remain as they were.
    """
    stream = session.get(Stream, name, with_for_update=True) or Stream(name=name, state="", trouble="")
    if stream.state != state:  # words change all the time, and the log is for ever
        log.note(session, "skymist", state, "stream", name[:64], trouble=trouble)
    stream.state, stream.trouble, stream.lag, stream.changed = state, trouble, lag, now()
    stream.heard = heard or stream.heard
    stream.positions = {**(stream.positions or {}), **(positions or {})}
    session.add(stream)
