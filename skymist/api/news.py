"""News: what of the log people want to be told at once."""

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field

from skymist.api.access import make_router, operation
from skymist.api.answers import Answer
from skymist.api.service import Served
from skymist.api.words import Id
from skymist.model.alert import Role
from skymist.records.tokens import Access
from skymist.workflow import news

router = make_router(tags=["system"])


class NewsItem(Answer):
    """One thing that has happened."""

    id: int = Field(description="Counts up")
    time: datetime = Field(description="When")
    kind: str = Field(description=", ".join(news.KINDS))
    role: Role | None = Field(description="World that it is of; null for what is of the service itself")
    stream: str = Field(description="gold, bronze, cascade or empty")
    text: str = Field(description="In one line")
    path: str = Field(description="Of the dashboard's page that shows it")


class NewsAnswer(BaseModel):
    """What has happened."""

    items: list[NewsItem] = Field(description="In their order")
    upto: int = Field(description="What ?after= takes to be told what happens from now on")


@router.get("/news", **operation(Access.VIEWER))
def get_news(
    service: Served,
    after: Annotated[Id | None, Query(description="As `upto` of an earlier answer; the latest by default")] = None,
) -> NewsAnswer:
    """Return what has happened, as hooks tell it."""
    with service.database.read() as session:
        found, upto = news.since(session, after)
    return NewsAnswer(items=[NewsItem.model_validate(each) for each in found], upto=upto)
