"""Send: GCN's service of circulars, over its API; or a link and an e-mail by which a person sends one.

References: https://gcn.nasa.gov/docs/circulars/submitting; the API takes ``POST /api/circulars`` with a JSON document
and a bearer token of the scope ``gcn.nasa.gov/circular-submitter``, and answers with the circular and its number. It
has no key by which the same request could be known again, so whoever is not sure that one arrived has to look for it.
"""

import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx

from skymist.errors import RequestError, SendError

GCN = "https://gcn.nasa.gov"
MAIL = "circulars@gcn.nasa.gov"
CHANNEL = "gcn"
TIMEOUT_S = 30.0
CLOCKS_APART_S = 120.0
"""By which the service's clock and ours may differ."""

MOST_LOOKED_AT = 25
"""Circulars that a search of the archive has found, of which each is looked at."""

_LOOPBACK = "127.0.0.1", "::1", "localhost"


@dataclass(frozen=True)
class GcnSettings:
    """How to come to GCN's service.

    Attributes
    ----------
    token_url : str
        Where a refresh token becomes one that lets in.
    client_id, client_secret, refresh_token : str
        From GCN, for the account that submits. They are secrets: settings name variables of the environment.
    url : str
        Of the service.
    settle_s : float
        For how long the service may take until a circular it has taken can be found.

    Raises
    ------
    RequestError
        If an address is neither https nor on this machine, or one of them is missing.
    """

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    url: str = GCN
    settle_s: float = 60.0

    def __post_init__(self) -> None:
        for key in ("token_url", "client_id", "client_secret", "refresh_token", "url"):
            if not getattr(self, key):
                raise RequestError(f"GCN's circulars need the setting {key}")
        for key in ("token_url", "url"):
            parts = urlsplit(getattr(self, key))
            if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
                raise RequestError(f"{key} {getattr(self, key)!r}: secrets go by https, or to this machine")


def content_of(subject: str, body: str) -> bytes:
    """Return the bytes that the service is sent: the same text gives the same bytes."""
    return json.dumps({"subject": subject, "body": body, "format": "text/plain"}, ensure_ascii=False).encode()


def digest(content: bytes) -> str:
    """Return the SHA-256 of bytes, by which a person confirms them."""
    return hashlib.sha256(content).hexdigest()


def web_link(subject: str, body: str, url: str = GCN) -> str:
    """Return a link to GCN's form with everything filled in."""
    return f"{url}/circulars/new?{urlencode({'subject': subject, 'body': body}, quote_via=quote)}"


def email_text(subject: str, body: str, to: str = MAIL) -> str:
    """Return an e-mail as it is sent, without a sender: plain text, no line of it broken."""
    message = EmailMessage(policy=SMTP.clone(max_line_length=998))
    message["To"], message["Subject"] = to, subject
    message.set_content(body, cte="8bit" if body.isascii() else "quoted-printable")
    return message.as_string().replace("\r\n", "\n")


class Gcn:
    """GCN's service of circulars.

    Parameters
    ----------
    settings : GcnSettings
    """

    name = CHANNEL

    def __init__(self, settings: GcnSettings) -> None:
        self.settings = settings
        self.settle_s = settings.settle_s
        self._client = httpx.Client(timeout=TIMEOUT_S, trust_env=False, follow_redirects=False)
        self._token, self._good_until = "", 0.0

    def content(self, subject: str, body: str) -> bytes:
        """Return the bytes that `send` sends."""
        return content_of(subject, body)

    def request(self, content: bytes) -> str:
        """Return the request as it would go out, without what lets us in."""
        head = f"POST {self.settings.url}/api/circulars\nContent-Type: application/json\nAuthorization: Bearer ..."
        return f"{head}\n\n{content.decode()}"

    def prepare(self) -> None:
        """Get what lets us in, so that nothing but the request itself is left to go wrong.

        Raises
        ------
        SendError
            If that is refused, or the service cannot be reached; nothing was sent.
        """
        if self._token and time.monotonic() < self._good_until:
            return
        door = _host(self.settings.token_url)
        form = {"grant_type": "refresh_token", "client_id": self.settings.client_id,
                "client_secret": self.settings.client_secret, "refresh_token": self.settings.refresh_token}  # fmt: skip
        try:
            answer = self._client.post(self.settings.token_url, data=form)
        except httpx.HTTPError as error:
            raise SendError(f"{door} cannot be reached: {_words(error)}", "not sent") from None
        if answer.status_code != 200:
            outcome = "refused" if answer.status_code < 500 else "not sent"
            raise SendError(f"{door} gives no token: {_told(answer)}", outcome)
        found = _json(answer)
        self._token = str(found.get("access_token", ""))
        self._good_until = time.monotonic() + max(0.0, float(found.get("expires_in", 300)) - 60)
        if not self._token:
            raise SendError(f"{door} answers without a token", "refused")

    def send(self, content: bytes) -> str:
        """Send a circular, and return its number.

        Raises
        ------
        SendError
            With what is known of it.
        """
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        try:
            answer = self._client.post(f"{self.settings.url}/api/circulars", content=content, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise SendError(f"{self._where} cannot be reached: {_words(error)}", "not sent") from None
        except httpx.HTTPError as error:
            raise SendError(f"{self._where} does not answer: {_words(error)}", "unknown") from None
        if answer.status_code in (401, 403):
            self._token = ""
        if 400 <= answer.status_code < 500:
            outcome = "not sent" if answer.status_code in (408, 425, 429) else "refused"
            raise SendError(f"{self._where} does not take it: {_told(answer)}", outcome)
        number = _json(answer).get("circularId") if answer.status_code < 300 else None
        if number is None:
            raise SendError(f"{self._where} answers {_told(answer)}", "unknown")
        return str(number)

    def find(self, content: bytes, since: datetime) -> str | None:
        """Return the number of a circular that arrived since then, None if there is none with the same words.

        Raises
        ------
        SendError
            If the archive cannot be read: then nobody knows.
        """
        wanted = json.loads(content)
        page = self._get("/circulars", {"query": wanted["subject"], "view": "index", "limit": "100"}).text
        numbers = sorted({int(each) for each in re.findall(r"/circulars/(\d+)", page)}, reverse=True)
        for number in numbers[:MOST_LOOKED_AT]:
            found = _json(self._get(f"/circulars/{number}.json", {}))
            same = all(_same(found.get(key, ""), wanted[key]) for key in ("subject", "body"))
            if same and found.get("createdOn", 0) >= 1000 * (since.timestamp() - CLOCKS_APART_S):
                return str(number)
        return None

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    @property
    def _where(self) -> str:
        return _host(self.settings.url)

    def _get(self, path: str, query: Mapping[str, str]) -> httpx.Response:
        try:
            answer = self._client.get(f"{self.settings.url}{path}", params=query)
        except httpx.HTTPError as error:
            raise SendError(f"the archive of {self._where} cannot be read: {_words(error)}", "unknown") from None
        if answer.status_code != 200:
            raise SendError(f"the archive of {self._where} cannot be read: {_told(answer)}", "unknown")
        return answer


def _same(one: Any, other: str) -> bool:
    """Return whether two texts are the same but for the ends of their lines."""
    return isinstance(one, str) and one.replace("\r\n", "\n").strip() == other.strip()


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _told(answer: httpx.Response) -> str:
    words = answer.text.strip()[:200]
    return f"{answer.status_code} {words or answer.reason_phrase}".strip()


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _host(url: str) -> str:
    return urlsplit(url).netloc
