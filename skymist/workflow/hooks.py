"""Hooks: where news go if the site says so (e-mail, webhooks as of Slack, rooms of Matrix); by default nowhere."""

import hashlib
import os
import smtplib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from email.message import EmailMessage
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import httpx

from skymist.errors import RequestError, SendError, UnknownNameError
from skymist.model.alert import Role
from skymist.workflow.news import KINDS, News
from skymist.workflow.settings import revealed

TIMEOUT_S = 20.0
STREAMS = "gold", "bronze", "cascade"
LOOPBACK = "127.0.0.1", "::1", "localhost"
USUAL = ("alert", "retraction", "scan-failed", "draft", "not-sent", "stream")


class Channel(Protocol):
    """A way by which news go."""

    def tell(self, news: News, url: str) -> None:
        """Send it with the address of its page, which may be empty; `SendError` if that was not possible."""


@dataclass(frozen=True)
class Slack:
    """An incoming webhook that takes ``{"text": ...}``, as those of Slack and Mattermost do.

    Attributes
    ----------
    url : str
        The webhook, which is a secret: settings name a variable of the environment.
    """

    url: str

    def __post_init__(self) -> None:
        _check_url("url", self.url)

    def tell(self, news: News, url: str) -> None:
        """Send it."""
        # Of these three letters Slack makes links and mentions; nothing that comes from outside may.
        text = news.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        _post("POST", self.url, {"text": f"{text}\n{url}" if url else text})


@dataclass(frozen=True)
class Matrix:
    """A room of Matrix (Client-Server API, ``PUT .../send/m.room.message/{txnId}``).

    Attributes
    ----------
    url : str
        Of the home server.
    room : str
        Its id: ``!...:SERVER``.
    token : str
        Of the account that writes; a secret.
    """

    url: str
    room: str
    token: str

    def __post_init__(self) -> None:
        _check_url("url", self.url)

    def tell(self, news: News, url: str) -> None:
        """Send it; the server knows the transaction again, so that it is there once however often it is sent."""
        key = hashlib.sha256(f"{self.room} {news.id} {news.text}".encode()).hexdigest()[:32]
        path = f"/_matrix/client/v3/rooms/{quote(self.room, safe='')}/send/m.room.message/{key}"
        body = {"msgtype": "m.text", "body": f"{news.text}\n{url}" if url else news.text}
        _post("PUT", self.url.rstrip("/") + path, body, {"Authorization": f"Bearer {self.token}"})


@dataclass(frozen=True)
class Email:
    """E-mail by SMTP, encrypted unless the server is this machine.

    Attributes
    ----------
    host : str
        Of the server.
    sender : str
        Its address.
    to : sequence of str
        Addresses.
    port : int
        Of the server.
    user, password : str
        Empty: the server asks for none.
    tls : str
        ``starttls``, ``tls`` from the beginning, or ``none`` (this machine only).
    """

    host: str
    sender: str
    to: Sequence[str]
    port: int = 587
    user: str = ""
    password: str = ""
    tls: str = "starttls"

    def __post_init__(self) -> None:
        if self.tls not in ("starttls", "tls", "none"):
            raise UnknownNameError("encryption of e-mail", self.tls, ("starttls", "tls", "none"))
        if self.tls == "none" and self.host not in LOOPBACK:
            raise RequestError(f"e-mail to {self.host} goes encrypted: tls is starttls or tls")
        if not self.to or isinstance(self.to, str):
            raise RequestError("e-mail needs a list of addresses (to)")

    def tell(self, news: News, url: str) -> None:
        """Send it."""
        message = EmailMessage()
        message["Subject"] = f"[skymist] {news.text}"[:200]
        message["From"], message["To"] = self.sender, ", ".join(self.to)
        name = hashlib.sha256(f"{news.id} {news.text}".encode()).hexdigest()[:32]
        message["Message-ID"] = f"<{name}@{self.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(f"{news.text}\n\n{url}\n" if url else f"{news.text}\n")
        try:
            with self._connect() as server:
                if self.user:
                    server.login(self.user, self.password)
                server.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            raise SendError(f"e-mail by {self.host}: {error}", "not sent") from None

    def _connect(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self.tls == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT_S, context=context)
        server = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_S)
        if self.tls == "starttls":
            server.starttls(context=context)
        return server


CHANNELS: Mapping[str, type[Slack] | type[Matrix] | type[Email]] = {"slack": Slack, "matrix": Matrix, "email": Email}


@dataclass(frozen=True)
class Hook:
    """Where some of the news go.

    Attributes
    ----------
    name : str
        Of the hook, for the log.
    channel : Channel
    when : tuple of str
        Kinds of news (`KINDS`).
    streams : tuple of str
        Of alerts; all if empty.
    roles : tuple of Role
        Worlds of which it tells; news of the service itself always go.
    """

    name: str
    channel: Channel
    when: tuple[str, ...] = USUAL
    streams: tuple[str, ...] = ()
    roles: tuple[Role, ...] = (Role.OBSERVATION,)

    def wants(self, news: News) -> bool:
        """Return whether it tells this."""
        if news.kind not in self.when or (news.role is not None and news.role not in self.roles):
            return False
        return not self.streams or news.role is None or news.stream in self.streams


def make_hooks(given: Sequence[Any], environment: Mapping[str, str] = os.environ) -> list[Hook]:
    """Return the hooks of the settings; what begins with ``$`` is taken from the environment.

    Raises
    ------
    RequestError
        If something of it makes no sense; the message names the hook, the key and the valid choices.
    """
    hooks: list[Hook] = []
    for each in given:
        if not isinstance(each, Mapping) or not isinstance(each.get("name"), str):
            raise RequestError("hooks are a list of mappings, each with a name and a kind")
        if each["name"] in [hook.name for hook in hooks]:
            raise RequestError(f"there are two hooks {each['name']!r}")
        hooks.append(_hook(each, environment))
    return hooks


def _hook(given: Mapping[str, Any], environment: Mapping[str, str]) -> Hook:
    name, kind = given["name"], str(given.get("kind"))
    if kind not in CHANNELS:
        raise UnknownNameError(f"kind of hook {name}", kind, CHANNELS)
    form: Any = CHANNELS[kind]
    keys, own = [item.name for item in fields(form)], ("name", "kind", "when", "streams", "roles")
    for key in given:
        if key not in keys and key not in own:
            raise UnknownNameError(f"setting of hook {name}", str(key), (*own, *keys))
    said = revealed(f"hook {name}", {key: value for key, value in given.items() if key in keys}, environment)
    try:
        channel = form(**said)
    except TypeError:
        raise RequestError(f"hook {name} ({kind}) needs {', '.join(key for key in keys if key not in said)}") from None
    return Hook(
        name, channel, _choices(name, "when", given.get("when", USUAL), KINDS),
        _choices(name, "streams", given.get("streams", ()), STREAMS),
        tuple(map(Role, _choices(name, "roles", given.get("roles", (Role.OBSERVATION,)), tuple(Role)))),
    )  # fmt: skip


def _choices(hook: str, key: str, given: Any, known: Any) -> tuple[str, ...]:
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise RequestError(f"hook {hook}: {key} is a list")
    for value in given:
        if value not in known:
            raise UnknownNameError(f"{key} of hook {hook}", str(value), known)
    return tuple(map(str, given))


def _check_url(key: str, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise RequestError(f"a hook's {key} is https://..., or on this machine")  # it is not repeated: a secret


def _post(method: str, url: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
    where = urlsplit(url).hostname  # the rest may be a secret
    try:
        answer = httpx.request(method, url, json=dict(body), headers=dict(headers or {}), timeout=TIMEOUT_S)
    except httpx.HTTPError as error:
        raise SendError(f"{where} cannot be reached: {type(error).__name__}", "not sent") from None
    if not answer.is_success:
        raise SendError(f"{where} answers {answer.status_code}", "not sent")
