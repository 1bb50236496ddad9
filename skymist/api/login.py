"""Who comes in with a browser: they show a token once, or fetch one from an issuer, and a cookie keeps it.

The cookie is the token itself: nothing is kept here, and a token that is revoked opens nothing from then on. Scripts
cannot read it, and other sites cannot have it sent along with what changes something.
"""

import base64
import hashlib
import logging
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse

from skymist.api.access import Person, find_person, is_from_here
from skymist.api.limits import COOKIE, token_name
from skymist.api.oidc import Detour, Issuer
from skymist.api.service import Served, Service
from skymist.errors import RequestError, StoreError
from skymist.records.tables import now

if TYPE_CHECKING:
    from jinja2 import Environment

router = APIRouter(include_in_schema=False)

HOME = "/alerts"
"""Where people go who did not ask for another page."""

DETOUR, DETOUR_S = "skymist_detour", 600
"""Cookie of who is at the issuer, and for how many seconds they may stay there."""

BACK = "/login/callback"
"""Where the issuer sends them; it must know this address."""

MOST_LETTERS, MOST_TO = 3800, 1000
"""Of a token and of an address that a cookie can hold: browsers take 4096 for all of it."""

_TEMPLATES = Path(__file__).parent / "templates"
_UNKNOWN = "This token is unknown, expired or revoked."
_STRANGER = "This form has to be sent from the login page of this service itself."
_AWAY = "Tokens cannot be checked at present; please try again in a moment."

_log = logging.getLogger(__name__)


class Refused(Exception):
    """Somebody is not let in.

    Parameters
    ----------
    status : int
    reason : str
        For them.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


@router.get("/login")
async def get_login(request: Request, service: Served) -> Response:
    """Return the page to log in; who is in already goes on."""
    to, token = local(request.query_params.get("to", "")), request.cookies.get(COOKIE, "")
    if not token:
        return _page(service, to)
    try:
        await _person(service, token)
    except Refused as why:
        ended = "Your login has ended: its token has expired or was revoked." if why.reason == _UNKNOWN else why.reason
        answer = _page(service, to, ended, why.status)
        if why.status < 500:
            answer.delete_cookie(COOKIE)
        return answer
    return RedirectResponse(to, 303)


@router.post("/login")
async def post_login(request: Request, service: Served) -> Response:
    """Let somebody in who shows a valid token."""
    form = parse_qs((await request.body()).decode(errors="replace"), max_num_fields=None)
    to, token = local(form.get("to", [""])[-1]), form.get("token", [""])[-1].strip()
    try:
        if not is_from_here(request, service.settings.origins):
            raise Refused(403, _STRANGER)
        if not token:
            raise Refused(422, "Please enter a token.")
        person = await _person(service, token)
    except Refused as why:
        _log.warning("login refused: %s", why.reason)
        return _page(service, to, why.reason, why.status)
    return _let_in(request, service, person, token, to)


@router.post("/logout")
async def post_logout(request: Request, service: Served) -> Response:
    """Forget who this is."""
    if not is_from_here(request, service.settings.origins):
        return _page(service, HOME, _STRANGER, 403)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE)
    return answer


@router.get("/login/oidc")
async def get_oidc(request: Request, service: Served) -> Response:
    """Send somebody to the issuer."""
    issuer = service.issuer
    if issuer is None or not issuer.oidc.logs_in:
        return _page(service, HOME, "This service knows no other place to log in.", 404)
    detour = Detour.begin(local(request.query_params.get("to", "")))
    answer = RedirectResponse(detour.address(issuer.oidc, _own(request, service) + BACK), 303)
    answer.set_cookie(DETOUR, detour.kept(), DETOUR_S, path="/login", httponly=True, samesite="lax",
                      secure=_is_secure(request, service))  # fmt: skip
    return answer


@router.get(BACK)
async def get_callback(request: Request, service: Served) -> Response:
    """Let somebody in who comes back from the issuer."""
    detour, issuer = Detour.parse(request.cookies.get(DETOUR, "")), service.issuer
    to = local(detour.to) if detour else HOME
    try:
        if detour is None or issuer is None or detour.state != request.query_params.get("state"):
            raise Refused(403, "This login did not begin in this browser, or took too long; please begin again.")
        token = await _redeemed(request, service, issuer, detour)
        person = await _person(service, token)
        answer = _let_in(request, service, person, token, to)
    except Refused as why:
        _log.warning("login refused: %s", why.reason)
        answer = _page(service, to, why.reason, why.status)
    answer.delete_cookie(DETOUR, path="/login")
    return answer


async def _redeemed(request: Request, service: Service, issuer: Issuer, detour: Detour) -> str:
    said = request.query_params
    if said.get("iss", issuer.oidc.issuer) != issuer.oidc.issuer:
        raise Refused(403, "This answer comes from another issuer.")
    if "code" not in said:
        reason = said.get("error", "")
        known = reason if re.fullmatch("[a-z_]{1,40}", reason) else "no reason is given"
        raise Refused(403, f"The identity provider does not let you in ({known}).")
    try:
        token = await run_in_threadpool(issuer.redeem, said["code"], detour, _own(request, service) + BACK)
    except StoreError as error:
        _log.error("login: %s", error)
        raise Refused(503, "The identity provider does not answer; please try again in a moment.") from None
    except RequestError as error:
        _log.warning("login: %s", error)
        raise Refused(403, "The identity provider does not confirm who you are; please begin again.") from None
    if len(token) > MOST_LETTERS:
        raise Refused(403, "The identity provider's token is too long for a cookie; its operators can shorten it.")
    return token


async def _person(service: Service, token: str) -> Person:
    """Return whose token it is.

    Raises
    ------
    Refused
    """
    if len(token) > MOST_LETTERS:
        raise Refused(401, _UNKNOWN)
    try:
        person = await run_in_threadpool(find_person, service, token)
    except HTTPException as error:
        raise Refused(error.status_code, f"You may not come in here: {error.detail}.") from None
    except (StoreError, SQLAlchemyError) as error:
        _log.error("login: %s", error if isinstance(error, StoreError) else type(error).__name__)
        raise Refused(503, _AWAY) from None
    if person is None:
        raise Refused(401, _UNKNOWN)
    return person


def who(service: Service, token: str) -> Person | None:
    """Return whose token this is, None if it is of no use here; the login page tells them why.

    Raises
    ------
    StoreError
        If that cannot be told at present.
    """
    try:
        return find_person(service, token)
    except HTTPException:
        return None
    except SQLAlchemyError as error:
        raise StoreError(f"the database cannot be used at present: {type(error).__name__}") from None


def _let_in(request: Request, service: Service, person: Person, token: str, to: str) -> Response:
    """Send somebody to where they wanted to go, with the cookie."""
    service.buckets.admit(token_name(token))
    _log.info("login of %s", person.name)
    answer = RedirectResponse(to, 303)
    seconds = max(0, int((person.expires - now()).total_seconds()))
    secure = _is_secure(request, service)
    answer.set_cookie(COOKIE, token, seconds, path="/", httponly=True, samesite="lax", secure=secure)
    return answer


def local(to: str) -> str:
    """Return an address of this service, another one than that if it is none: nobody is sent elsewhere from here."""
    right = len(to) <= MOST_TO and re.fullmatch(r"/(?![/\\])[!-\[\]-~]*", to)
    return to if right and urlsplit(to).path.partition("/")[2].partition("/")[0] not in ("login", "logout") else HOME


def _own(request: Request, service: Service) -> str:
    """Return the origin of this service as the browser knows it; a proxy in between may speak another scheme."""
    host = request.headers.get("host", "").lower()
    known = (each for each in service.settings.origins if urlsplit(each).netloc == host)
    alone = service.settings.origins[0] if len(service.settings.origins) == 1 else f"{request.url.scheme}://{host}"
    return next(known, alone)


def _is_secure(request: Request, service: Service) -> bool:
    """Return whether the browser speaks https, which a proxy in between may not tell."""
    said = (
        request.url.scheme,
        urlsplit(request.headers.get("origin", "")).scheme,
        urlsplit(_own(request, service)).scheme,
    )
    return "https" in said


def _page(service: Service, to: str, problem: str = "", status: int = 200) -> Response:
    """Return the page to log in, with what went wrong before."""
    issuer = service.issuer
    elsewhere = urlsplit(issuer.oidc.issuer).netloc if issuer and issuer.oidc.logs_in else ""
    template, policy = _environment().get_template("login.html"), _policy()
    headers = {"content-security-policy": policy, "referrer-policy": "same-origin",
               "cross-origin-opener-policy": "same-origin"}  # fmt: skip
    if status == 401:
        headers["www-authenticate"] = 'Bearer realm="skymist"'
    return HTMLResponse(template.render(to=to, problem=problem, elsewhere=elsewhere), status, headers)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined)


@cache
def _policy() -> str:
    """Return what a browser may do with the page: show it in its own style, and send the form back."""
    style = (_TEMPLATES / "login.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(f"\n{style}".encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
