"""Lists in parts: each part says where the next one begins, and none counts all records."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Select, and_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from skymist.api.words import Id, Name
from skymist.errors import UnknownNameError

Limit = Annotated[int, Field(ge=1, le=500, description="Most items of this part")]


class Paging(BaseModel):
    """Part of a list."""

    model_config = ConfigDict(extra="forbid")

    limit: Limit = 50


class ByName(Paging):
    """Of records with names."""

    after: Name | None = Field(None, description="Id of the last item that was seen")


class ByNumber(Paging):
    """Of records with numbers."""

    after: Id | None = Field(None, description="Id of the last item that was seen")


def latest_first(
    session: Session,
    query: Select[Any],
    time: InstrumentedAttribute[Any],
    key: InstrumentedAttribute[Any],
    after: Any,
) -> Select[Any]:
    """Return a query in the order of times, those after one record.

    Parameters
    ----------
    session : Session
    query : Select
    time, key : InstrumentedAttribute
        Columns of the time and of the id.
    after
        Id of the last record that was seen; None to begin.

    Raises
    ------
    UnknownNameError
        If there is no such record.
    """
    if after is not None:
        last = session.execute(select(time, key).where(key == after)).first()
        if last is None:
            raise UnknownNameError("record to go on after", str(after), ())
        query = query.where(or_(time < last[0], and_(time == last[0], key < last[1])))
    return query.order_by(time.desc(), key.desc())
