"""Whatever goes wrong becomes one JSON document (RFC 9457), and never a traceback."""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from skymist.errors import ConflictError, ReadError, RequestError, SkymistError, StoreError, UnknownNameError

MEDIA = "application/problem+json"
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""Of every answer: nobody may keep it, guess what it is, or run what is in it."""

_log = logging.getLogger(__name__)


class Fault(BaseModel):
    """One thing that is wrong in a request."""

    where: str = Field(description="Place in the request, such as body.levels")
    what: str = Field(description="What is wrong there")


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="about:blank, or a URN of the kind of problem")
    title: str = Field(description="The status in words")
    status: int = Field(description="The HTTP status")
    detail: str = Field(description="What is wrong, where, and the valid choices")
    instance: str = Field(description="Path of the request")
    faults: list[Fault] | None = Field(None, description="All that is wrong in the request, if it can be told apart")
    known: list[str] | None = Field(None, description="The valid names, if an unknown one was given")
    input: str | None = Field(None, description="Id of a message that was kept though it cannot be read")


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what to tell OpenAPI about these statuses; those that every operation has are among them."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA: schema}, "headers": _headers(status)}
        for status in sorted({*statuses, 400, 422, 429, 500, 503})
    }


def _headers(status: int) -> dict[str, Any]:
    name = {401: "WWW-Authenticate", 429: "Retry-After", 307: "Location", 308: "Location"}.get(status)
    return {name: {"schema": {"type": "string"}, "required": True}} if name else {}


def respond(
    request: Request, status: int, detail: str, kind: str = "", headers: dict[str, str] | None = None, **more: Any
) -> JSONResponse:
    """Return the answer that tells of a problem.

    Parameters
    ----------
    request : Request
    status : int
    detail : str
        In words.
    kind : str
        Of the problem, for programs; empty if the status says all.
    headers : dict, optional
    **more
        Further fields of `Problem`.
    """
    title = HTTPStatus(status).phrase
    problem = {"type": f"urn:skymist:{kind}" if kind else "about:blank", "title": title, "status": status,
               "detail": detail or title, "instance": request.scope["path"], **more}  # fmt: skip
    return JSONResponse(problem, status, {**HEADERS, **(headers or {})}, MEDIA)


def install(app: FastAPI) -> None:
    """Have an app answer all errors in this way."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(SkymistError, _ours)
    app.add_exception_handler(SQLAlchemyError, _database)
    app.add_exception_handler(Exception, _bug)


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_allowed(request)) or headers.get("Allow", "")
    more = {"input": headers.pop(INPUT)} if INPUT in headers else {}
    return respond(request, error.status_code, str(error.detail), headers=headers, **more)


def _allowed(request: Request) -> list[str]:
    """Return the methods that a path has; each route knows only its own."""
    document: dict[str, Any] = request.app.openapi()["paths"]
    return sorted(
        method.upper()
        for path, methods in document.items()
        if compile_path(path)[0].match(request.scope["path"])
        for method in methods
    )


INPUT = "skymist-input"
"""Header of an HTTPException that names a message which was kept."""


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = [{"where": _place(each["loc"]), "what": str(each["msg"])} for each in error.errors()]
    detail = "; ".join(f"{each['where']}: {each['what']}" for each in faults[:3])
    return respond(request, 422, detail, "invalid", faults=faults)


def _place(loc: Sequence[Any]) -> str:
    """Return the place of a fault; keys are the client's, who may have written anything."""
    return ".".join(str(part)[:40].encode("ascii", "backslashreplace").decode() for part in loc)[:200]


async def _ours(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, UnknownNameError):
        in_path = any(str(value)[:80] == error.name for value in request.path_params.values())
        return respond(request, 404 if in_path else 422, _text(error), "unknown-name", known=list(error.known))
    if isinstance(error, ConflictError):
        return respond(request, 409, _text(error), "conflict")
    if isinstance(error, RequestError):
        return respond(request, 422, _text(error), "invalid")
    if isinstance(error, ReadError):
        return respond(request, 422, _text(error), "unreadable")
    if isinstance(error, StoreError):
        _log.error("%r: %s", request.scope["path"], error)
        return respond(request, 503, "a store or the database cannot be used at present", "store")
    return await _bug(request, error)


async def _database(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, IntegrityError):
        return respond(request, 409, "somebody else asked for the same at the same moment: ask again", "conflict")
    if isinstance(error, DataError):
        return respond(request, 422, "a value does not fit into the database", "invalid")
    _log.error("%r: %s", request.scope["path"], type(error).__name__)
    return respond(request, 503, "the database cannot be used at present", "store")


async def _bug(request: Request, error: Exception) -> JSONResponse:
    _log.error("%s %r: %r", request.method, request.scope["path"], error)
    return respond(request, 500, "this is a defect of skymist; its log says more", "defect")


def _text(error: SkymistError) -> str:
    return str(error).encode("utf-8", "backslashreplace").decode()[:2000]
