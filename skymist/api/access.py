"""Who asks, and what they may do."""

from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from skymist.api.limits import given_token, token_name
from skymist.api.problems import answers
from skymist.api.service import Service
from skymist.records import tokens
from skymist.records.tokens import Access

_bearer = HTTPBearer(auto_error=False, scheme_name="token", description="A token: `Authorization: Bearer skymist_...`")
Handler = Callable[[Request], Coroutine[Any, Any, Response]]
MOST_LETTERS = 8192


@dataclass(frozen=True)
class Person:
    """Who asks: a person or a program.

    Attributes
    ----------
    name : str
        For the log.
    role : Access
    expires : datetime
        Of the token.
    """

    name: str
    role: Access
    expires: datetime


class Route(APIRoute):
    """An operation that knows who asks, and that they have its role, before it reads what they send."""

    def get_route_handler(self) -> Handler:
        """Return what answers a request; there is none for an operation without a role."""
        role, answer = Access((self.openapi_extra or {})["x-role"]), super().get_route_handler()

        async def guarded(request: Request) -> Response:
            request.state.person = await run_in_threadpool(_admit, request, role)
            await refuse_unknown(request)
            return await answer(request)

        return guarded


def make_router(prefix: str = "/v1", **more: Any) -> APIRouter:
    """Return a router for operations that need a role; see `operation`."""
    return APIRouter(prefix=prefix, route_class=Route, dependencies=[Depends(_bearer)], **more)


async def _caller(request: Request) -> Person:
    person: Person = request.state.person
    return person


Caller = Annotated[Person, Depends(_caller)]
"""Who asks."""


async def refuse_unknown(request: Request) -> None:
    """Refuse query parameters that an operation does not have: a misspelt filter must not mean all."""
    document, path = request.app.openapi(), request.scope["route"].path
    operation = document["paths"].get(path, {}).get(request.method.lower(), {})
    known = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
    for name in request.query_params:
        if name not in known:
            choices = ", ".join(known) or "none"
            raise HTTPException(422, f"there is no query parameter {name[:80]!a} here; there are: {choices}")


def _admit(request: Request, role: Access) -> Person:
    """Return who asks; 401 if that cannot be told, 403 if they have not the role."""
    service: Service = request.app.state.service
    text, by_browser = given_token(request)
    if not text:
        raise _unknown("a token is needed: Authorization: Bearer skymist_...")
    if by_browser and is_foreign(request):
        raise HTTPException(403, "another site may link to this, but not use your login here")
    person = find_person(service, text)
    if person is None:
        raise _unknown("the token is unknown, expired or revoked", ', error="invalid_token"')
    service.buckets.admit(token_name(text))
    if not person.role.includes(role):
        raise HTTPException(403, f"this needs the role {role}; {person.name} is {person.role}")
    return person


def is_foreign(request: Request) -> bool:
    """Return whether a browser says that another site made it ask, and not by a link that somebody follows.

    References: https://www.w3.org/TR/fetch-metadata.
    """
    site = request.headers.get("sec-fetch-site", "none")
    followed = (
        request.headers.get("sec-fetch-mode") == "navigate" and request.headers.get("sec-fetch-dest") == "document"
    )
    return site not in ("same-origin", "none") and not followed


def is_from_here(asked: HTTPConnection, origins: Collection[str]) -> bool:
    """Return whether a page of this service asks: one of the same host, or of `origins`.

    Only browsers say where a page is from (``Origin``), and they always say so where it matters.
    """
    origin, host = asked.headers.get("origin", "").lower(), asked.headers.get("host", "").lower()
    return origin in origins or (host != "" and origin in (f"http://{host}", f"https://{host}"))


def find_person(service: Service, text: str) -> Person | None:
    """Return whose token this is, None if it is unknown, expired or revoked; 403 if it gives no role."""
    if len(text) > MOST_LETTERS:
        return None
    if text.startswith(tokens.PREFIX):
        with service.database.read() as session:
            token = tokens.find(session, text)
        return None if token is None else Person(token.owner, Access(token.role), token.expires)
    claims = service.issuer.claims(text) if service.issuer else None
    if claims is None or service.issuer is None:
        return None
    role, name = service.issuer.role(claims), f"oidc:{claims['sub']}"
    if role is None or not name.isprintable() or len(name) > 100:
        raise HTTPException(403, f"none of the values of {service.issuer.oidc.claim} in your token gives a role")
    return Person(name, role, datetime.fromtimestamp(claims["exp"], UTC))


def _unknown(reason: str, more: str = "") -> HTTPException:
    return HTTPException(401, reason, {"WWW-Authenticate": f'Bearer realm="skymist"{more}'})


def operation(role: Access, *statuses: int, **more: Any) -> dict[str, Any]:
    """Return what OpenAPI is told of an operation: the role that it needs (``x-role``), and its problems.

    Parameters
    ----------
    role : Access
    *statuses : int
        Of problems, beside those that every operation has.
    **more
        Further parts of its entry in the OpenAPI document.
    """
    return {"responses": answers(401, 403, *statuses), "openapi_extra": {"x-role": str(role), **more}}


RAW = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string",
       "format": "binary", "minLength": 1}}}}}  # fmt: skip
"""What OpenAPI is told of an operation that takes bytes as they are."""


async def _raw(request: Request) -> bytes:
    """Return the body; `skymist.api.limits.Guard` counts."""
    content = await request.body()
    if not content:
        raise HTTPException(422, "the body is empty")
    return content


RawBody = Annotated[bytes, Depends(_raw)]
