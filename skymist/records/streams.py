"""How sources of messages are: for whoever watches them from elsewhere."""

from datetime import datetime

from sqlalchemy.orm import Session

from skymist.records import log
from skymist.records.inputs import LONGEST
from skymist.records.tables import Stream, now

LISTENING, SILENT, TROUBLED, STOPPED = "listening", "silent", "troubled", "stopped"


def report(
    session: Session, name: str, state: str, trouble: str = "", lag: int | None = None, heard: datetime | None = None
) -> None:
    """Say how a source is; a change of state is logged."""
    name = name[-LONGEST:]
    stream = session.get(Stream, name, with_for_update=True) or Stream(name=name, state="", trouble="")
    if (stream.state, stream.trouble) != (state, trouble):
        log.note(session, "skymist", state, "stream", name[:64], trouble=trouble)
    stream.state, stream.trouble, stream.lag, stream.changed = state, trouble, lag, now()
    stream.heard = heard or stream.heard
    session.add(stream)
