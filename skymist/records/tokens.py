"""Tokens: what lets a person or program in; a token is shown once, and only its hash is kept."""

import hashlib
import hmac
import secrets
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from skymist.errors import ConflictError, RequestError, UnknownNameError
from skymist.records import log
from skymist.records.tables import Token, now

PREFIX = "skymist_"
"""Of every token, so that one that was published by mistake can be searched for."""

DAYS, MOST_DAYS = 90, 3650
OURSELVES = "skymist"
"""In the log, what nobody asked for; no token may have that owner."""


class Access(StrEnum):
    """What its owner may do; each may do all that those before it may."""

    VIEWER = "viewer"
    ANALYST = "analyst"
    APPROVER = "approver"
    OPERATOR = "operator"

    def includes(self, other: "Access") -> bool:
        """Return whether it may do what `other` may."""
        order = list(Access)
        return order.index(self) >= order.index(other)


def create(session: Session, owner: str, role: str, who: str, days: int = DAYS) -> tuple[Token, str]:
    """Make a token.

    Parameters
    ----------
    session : Session
    owner : str
        The person or program that it is for; the log will name it.
    role : str
        One of `Access`.
    who : str
        That makes it, for the log.
    days : int
        After which it is of no use any more.

    Returns
    -------
    token : Token
    text : str
        What to send; nobody can tell it again.

    Raises
    ------
    UnknownNameError
        If there is no such role.
    RequestError
        If the owner or the number of days makes no sense.
    """
    if role not in list(Access):
        raise UnknownNameError("role", role[:80], Access)
    _check(owner, days)
    text, made = PREFIX + secrets.token_hex(32), now()
    token = Token(
        id=secrets.token_hex(8), hash=digest(text), owner=owner, role=role, created=made,
        expires=made + timedelta(days=days),
    )  # fmt: skip
    session.add(token)
    session.flush()
    log.note(session, who, "created", "token", token.id, owner=owner, role=role, days=days)
    return token, text


def find(session: Session, text: str) -> Token | None:
    """Return the token of a text, None unless there is one that is neither expired nor revoked."""
    wanted = digest(text)
    token = session.scalar(select(Token).where(Token.hash == wanted))
    if token is None or not hmac.compare_digest(token.hash, wanted):
        return None
    return token if token.revoked is None and token.expires > now() else None


def digest(text: str) -> str:
    """Return the hash of a token; 32 random bytes need no salt."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def everyone(session: Session) -> list[Token]:
    """Return all tokens, the oldest first."""
    return list(session.scalars(select(Token).order_by(Token.created, Token.id)))


def revoke(session: Session, token_id: str, who: str) -> Token:
    """End a token now.

    Raises
    ------
    UnknownNameError
        If there is no such token.
    ConflictError
        If it is revoked already.
    """
    token = session.get(Token, token_id, with_for_update=True)
    if token is None:
        raise UnknownNameError("token", token_id[:80], session.scalars(select(Token.id).limit(5)))
    if token.revoked is not None:
        raise ConflictError(f"token {token.id} of {token.owner} is revoked already")
    token.revoked = now()
    log.note(session, who, "revoked", "token", token.id, owner=token.owner)
    return token


def _check(owner: str, days: int) -> None:
    printable = owner.isprintable() and owner == owner.strip() and 0 < len(owner) <= 100
    if not printable or owner == OURSELVES or ":" in owner:
        raise RequestError(f"a token's owner is a name of 1 to 100 letters without colon, not {OURSELVES}")
    if not 1 <= days <= MOST_DAYS:
        raise RequestError(f"a token lives for 1 to {MOST_DAYS} days, not {days}")
