"""Tokens of an OpenID Connect issuer: signed by a key of its own, for us, and not expired; and how people get one.

References: OpenID Connect Core 1.0, section 3.1 (code flow); RFC 6749, section 4.1; RFC 7636 (PKCE); RFC 9207.
"""

import base64
import hashlib
import json
import secrets
import time
from threading import Lock
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.parse import quote, urlencode
from urllib.request import urlopen

import httpx
import jwt

from skymist.api.settings import Oidc
from skymist.errors import RequestError, StoreError
from skymist.records.tokens import Access

KEEP_S, RETRY_S, PATIENCE_S = 3600.0, 30.0, 5.0
"""Seconds for which keys are kept, between two looks for one that is unknown, and for an answer."""
MOST_BYTES = 2**20


class Detour(NamedTuple):
    """Somebody's way to the issuer and back: what their browser keeps until then, so that no server has to.

    Attributes
    ----------
    state : str
        Comes back with them: who brings another one did not begin here.
    nonce : str
        Is in the token: one that was made for another detour has another.
    verifier : str
        Shows to the issuer that who redeems the code is who sent them.
    to : str
        Where they wanted to go.
    """

    state: str
    nonce: str
    verifier: str
    to: str

    @classmethod
    def begin(cls, to: str) -> "Detour":
        """Return a new one."""
        return cls(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(32), to)

    @classmethod
    def parse(cls, text: str) -> "Detour | None":
        """Return what `kept` wrote, None if it is anything else."""
        try:
            found = json.loads(base64.urlsafe_b64decode(text.encode()))
        except (ValueError, RecursionError):
            return None
        right = isinstance(found, list) and len(found) == 4 and all(isinstance(each, str) and each for each in found)
        return cls(*found) if right else None

    def kept(self) -> str:
        """Return it as the value of a cookie."""
        return base64.urlsafe_b64encode(json.dumps(self).encode()).decode()

    def address(self, oidc: Oidc, back: str) -> str:
        """Return where to send them, from where they come back to the address `back`."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).decode().rstrip("=")
        asked = {
            "response_type": "code", "client_id": oidc.client_id, "redirect_uri": back, "scope": oidc.scope,
            "state": self.state, "nonce": self.nonce, "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        return f"{oidc.authorize_url}{'&' if '?' in str(oidc.authorize_url) else '?'}{urlencode(asked)}"


class Issuer:
    """Checks tokens of one issuer; its keys are fetched when they are needed, and kept.

    Parameters
    ----------
    oidc : Oidc
    """

    def __init__(self, oidc: Oidc) -> None:
        self.oidc = oidc
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched = float("-inf")
        self._lock = Lock()

    def claims(self, token: str) -> dict[str, Any] | None:
        """Return what a token says, None unless it is valid.

        Raises
        ------
        StoreError
            If the keys of the issuer cannot be had.
        """
        try:
            key = self._key(jwt.get_unverified_header(token).get("kid"))
            if key is None:
                return None
            found: dict[str, Any] = jwt.decode(
                token, key, list(self.oidc.algorithms), audience=self.oidc.audiences, issuer=self.oidc.issuer,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )  # fmt: skip
        except (jwt.PyJWTError, ValueError, TypeError):
            return None
        return found

    def redeem(self, code: str, detour: Detour, back: str) -> str:
        """Return the token for the code with which somebody came back.

        Raises
        ------
        RequestError
            If the issuer refuses, or its token is not for this detour.
        StoreError
            If the issuer cannot be asked.
        """
        oidc, url = self.oidc, str(self.oidc.token_url)
        asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": back,
                 "code_verifier": detour.verifier, "client_id": str(oidc.client_id)}  # fmt: skip
        # RFC 6749, section 2.3.1: both are quoted before they are joined.
        names = (quote(str(oidc.client_id), safe=""), quote(oidc.client_secret or "", safe=""))
        own = httpx.BasicAuth(*names) if oidc.client_secret else httpx.USE_CLIENT_DEFAULT
        try:
            with httpx.Client(timeout=PATIENCE_S) as client:
                answer = client.post(url, data=asked, auth=own, headers={"Accept": "application/json"})
            found = answer.json()
        except (httpx.HTTPError, ValueError, RecursionError) as error:
            raise StoreError(f"{url} does not give a token: {error or type(error).__name__}") from None
        token = found.get("id_token") if isinstance(found, dict) and answer.status_code == 200 else None
        if not isinstance(token, str):
            reason = str(found.get("error", "no id_token") if isinstance(found, dict) else "no document")[:80]
            raise RequestError(f"the issuer gives no token: {answer.status_code}, {reason!a}")
        claims = self.claims(token)
        if claims is None or not _is_for(claims, oidc, detour.nonce):
            raise RequestError("the issuer's token is not one for this login")
        return token

    def role(self, claims: dict[str, Any]) -> Access | None:
        """Return the highest role that the claim gives, None if it gives none."""
        given = claims.get(self.oidc.claim)
        words = given if isinstance(given, list) else [given]
        names = {self.oidc.roles[word] for word in words if isinstance(word, str) and word in self.oidc.roles}
        return next((role for role in reversed(Access) if role in names), None)

    def _key(self, kid: str | None) -> jwt.PyJWK | None:
        with self._lock:
            age = time.monotonic() - self._fetched
            if age > KEEP_S or (kid not in self._keys and age > RETRY_S):
                self._keys = {key.key_id: key for key in self._fetch()}
                self._fetched = time.monotonic()
            return self._keys.get(kid)

    def _fetch(self) -> list[jwt.PyJWK]:
        try:
            with urlopen(self.oidc.jwks_url, timeout=PATIENCE_S) as answer:  # noqa: S310 (https only: `Oidc`)
                found = json.loads(answer.read(MOST_BYTES))
            return jwt.PyJWKSet.from_dict(found).keys
        except (URLError, OSError, ValueError, TypeError, AttributeError, jwt.PyJWTError) as error:
            raise StoreError(f"the keys at {self.oidc.jwks_url} cannot be read: {error}") from None


def _is_for(claims: dict[str, Any], oidc: Oidc, nonce: str) -> bool:
    """Return whether a token was made for this service and this detour (OpenID Connect Core, 3.1.3.7)."""
    party = claims.get("azp", oidc.client_id)
    return party == oidc.client_id and secrets.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode())
