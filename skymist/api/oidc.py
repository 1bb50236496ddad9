"""Tokens of an OpenID Connect issuer: signed by a key of its own, for us, and not expired."""

import json
import time
from threading import Lock
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import jwt

from skymist.api.settings import Oidc
from skymist.errors import StoreError
from skymist.records.tokens import Access

KEEP_S, RETRY_S, PATIENCE_S = 3600.0, 30.0, 5.0
"""Seconds for which keys are kept, between two looks for one that is unknown, and for an answer."""
MOST_BYTES = 2**20


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
                token, key, list(self.oidc.algorithms), audience=self.oidc.audience, issuer=self.oidc.issuer,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )  # fmt: skip
        except (jwt.PyJWTError, ValueError, TypeError):
            return None
        return found

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
