"""What there is: reconstructions, clusters and streams, and whether all works."""

from dataclasses import fields
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Depends, Response
from sqlalchemy import select

from skymist import cluster, plugins
from skymist.api.access import Caller, make_router, operation, refuse_unknown
from skymist.api.answers import (
    ClusterAnswer,
    HealthAnswer,
    MeAnswer,
    OptionAnswer,
    Page,
    ReconstructionAnswer,
    StreamAnswer,
    whole,
)
from skymist.api.problems import answers
from skymist.api.service import Served
from skymist.model.options import Option, options
from skymist.model.request import default_levels
from skymist.records.tables import Stream
from skymist.records.tokens import Access
from skymist.workflow import choice
from skymist.workflow.plain import plain

public, router = APIRouter(prefix="/v1", tags=["system"]), make_router(tags=["system"])

VERSION = version("skymist")
_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_METRICS = operation(Access.VIEWER)
_METRICS["responses"][200] = {
    "description": "In the format of Prometheus",
    "content": {"text/plain": {"schema": {"type": "string"}}},
}


@public.get("/health", responses=answers(), dependencies=[Depends(refuse_unknown)])
def get_health(service: Served) -> HealthAnswer:
    """Tell that the service works and its database can be used; no token is needed."""
    return HealthAnswer(status="ok", version=VERSION, database=service.database.check())


@router.get("/me", **operation(Access.VIEWER))
def get_me(person: Caller) -> MeAnswer:
    """Tell who asks."""
    return MeAnswer.model_validate(person)


@router.get("/metrics", response_class=Response, **_METRICS)
def get_metrics(service: Served) -> Response:
    """Return numbers for Prometheus."""
    return Response(service.metrics.text(), media_type=_TEXT)


@router.get("/clusters", **operation(Access.VIEWER))
def get_clusters(service: Served) -> Page[ClusterAnswer]:
    """List the names of clusters."""
    return whole(ClusterAnswer(name=name) for name in cluster.names(service.clusters))


@router.get("/streams", **operation(Access.VIEWER))
def get_streams(service: Served) -> Page[StreamAnswer]:
    """List the sources of messages and how they are."""
    with service.database.read() as session:
        found = session.scalars(select(Stream).order_by(Stream.name))
        return whole(StreamAnswer.model_validate(each) for each in found)


@router.get("/reconstructions", **operation(Access.VIEWER))
def get_reconstructions() -> Page[ReconstructionAnswer]:
    """List the reconstructions with their options; the first is auto, which runs what fits the event."""
    others = (_reconstruction(name) for name in plugins.names(plugins.RECONSTRUCTIONS))
    return whole([_AUTO, *others])


def _reconstruction(name: str) -> ReconstructionAnswer:
    kind: Any = plugins.load(plugins.RECONSTRUCTIONS, name)
    levels = ",".join(f"{level.nside}:{level.extension}" for level in default_levels(kind))
    about, found = (kind.__doc__ or "").strip().splitlines() or [""], [_option(each) for each in options(kind)]
    return ReconstructionAnswer(name=name, version=kind.version, about=about[0], levels=levels, options=found)


def _option(found: Option) -> OptionAnswer:
    told = {each.name: plain(getattr(found, each.name)) for each in fields(found)}
    return OptionAnswer(**told, rule=found.rule)


_RULE = Option("rule", "str", choice.Auto.rule, "How it chooses.", choices=tuple(choice.RULES))
_AUTO = ReconstructionAnswer(
    name=choice.AUTO, version=choice.Auto.version, about="What fits the event: the map tells which that was, and why.",
    levels="", options=[_option(_RULE)],
)  # fmt: skip
