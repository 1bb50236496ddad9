"""Calls of the REST API: tokens, patience, and answers that are errors."""

import ipaddress
import logging
import os
import random
import re
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

import yaml

from skymist.errors import ConflictError, ReadError, RequestError, SkymistError, StoreError

if TYPE_CHECKING:
    import httpx

PATIENCE_S = 10.0
"""Seconds for which a call is tried again while the service does not answer or has too much to do."""

BUSY = 429, 503
"""Statuses after which the same may be asked again, as nothing was done."""

Taken = TypeVar("Taken")

_log = logging.getLogger(__name__)


class Calls:
    """Sends requests to a service.

    A call is repeated for a while if the service cannot be reached or is busy, unless that could do a thing twice. All
    methods raise

    - `RequestError`, if the service refuses what is asked for: the message says why; `ConflictError` if the state
      that something is in does not allow it, `ReadError` if it cannot read what it was sent,
    - `StoreError`, if the service cannot be reached or does not work.

    Parameters
    ----------
    url : str
        As `checked` returns it.
    token : str or None
    transport : httpx.BaseTransport, optional
        By which requests go instead of the network.

    Raises
    ------
    RequestError
        If a token would go over the network in clear, or httpx is not installed.
    """

    def __init__(self, url: str, token: str | None, transport: "httpx.BaseTransport | None" = None) -> None:
        host, httpx = urlsplit(url).hostname or "", load_httpx()
        if token and url.startswith("http://") and not _is_here(host) and transport is None:
            raise RequestError(f"a token is not sent to {url}, where all on the way could read it: use https://{host}")
        self.url, self.transport = url, transport
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # What goes to this machine goes through no proxy.
        self._http = httpx.Client(
            base_url=f"{url}/v1/", headers=headers, timeout=60.0, follow_redirects=True, transport=transport,
            trust_env=not _is_here(host),
        )  # fmt: skip

    def close(self) -> None:
        """Let go of all connections."""
        self._http.close()

    def get(self, path: str, query: Mapping[str, Any] | None = None, *, patience_s: float = PATIENCE_S) -> Any:
        """Return a document; what is None in `query` is left out."""
        given = {key: value for key, value in (query or {}).items() if value is not None}
        return self.call("GET", path, _json, patience_s=patience_s, params=given or None)

    def post(self, path: str, body: Mapping[str, Any], *, once: bool = True) -> dict[str, Any]:
        """Ask for something to be done, and return the document that comes of it."""
        return dict(self.call("POST", path, _json, once=once, json=dict(body)))

    def put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Have something be as the body says, however often it is asked for, and return the document of it."""
        return dict(self.call("PUT", path, _json, json=dict(body)))

    def delete(self, path: str) -> None:
        """Have something removed."""
        self.call("DELETE", path, lambda _: None)

    def upload(self, path: str, file: Path) -> dict[str, Any]:
        """Send a file, and return the document that comes of it."""
        return self.send(path, file.read_bytes(), file.name)

    def send(self, path: str, content: bytes, file_name: str) -> dict[str, Any]:
        """Send the content of a file, and return the document that comes of it."""
        # Its ending may tell its format; letters that the service does not take are no part of that.
        name = re.sub(r"[^A-Za-z0-9_.+ ()-]", "_", file_name)[-200:]
        query = {"name": re.sub(r"^[^A-Za-z0-9_]", "_", name)}
        headers = {"Content-Type": "application/octet-stream"}
        return dict(self.call("POST", path, _json, content=content, params=query, headers=headers))

    def pages(self, path: str, query: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Yield what is on a list, page after page."""
        page = self.get(path, query)
        yield from page["items"]
        while following := page.get("next"):
            page = self.get(f"{path}?{urlsplit(following).query}")
            yield from page["items"]

    def call(
        self,
        method: str,
        path: str,
        take: "Callable[[httpx.Response], Taken]",
        *,
        once: bool = False,
        patience_s: float = PATIENCE_S,
        **what: Any,
    ) -> Taken:
        """Return what `take` makes of the answer, which it may read bit by bit.

        Parameters
        ----------
        method, path : str
        take : callable
        once : bool
            Whether the service may not be asked again after it has, maybe, heard it.
        patience_s : float
        **what
            As httpx takes it.
        """
        httpx, until, pause_s, told = load_httpx(), time.monotonic() + patience_s, 0.1, False
        while True:
            wait_s = pause_s * random.uniform(0.5, 1.0)  # those who were cut off at once come back one after another
            try:
                with self._http.stream(method, path, **what) as response:
                    if response.is_success:
                        return take(response)
                    response.read()
                failure, again = _problem(response, self.url), response.status_code in BUSY
                wait_s = max(wait_s, _retry_after(response))
            except httpx.RequestError as error:
                failure = StoreError(f"{self.url} cannot be reached: {error or type(error).__name__}")
                again = not once or isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            if not again or time.monotonic() + wait_s > until:
                raise failure
            if isinstance(failure, StoreError) and not told:
                _log.warning("%s; trying again for %.0f s", failure, patience_s)
                told = True
            time.sleep(wait_s)
            pause_s = min(2 * pause_s, 5.0)


def quoted(name: str) -> str:
    """Return a name as part of a path."""
    return quote(name, safe="")


def _json(response: "httpx.Response") -> Any:
    response.read()
    try:
        return response.json()
    except ValueError:
        raise StoreError(f"{response.url} gives no answer of skymist's: is that the URL of a service?") from None


def checked(url: str) -> str:
    """Return a URL without what does not matter."""
    if "@" in url:  # it is not repeated: it may hold a secret
        raise RequestError("the URL of a service holds no user or password; a token goes into SKYMIST_TOKEN")
    try:
        parts = urlsplit(url)
        usual = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usual = False
    if not usual or parts.query or parts.fragment:
        raise RequestError(f"{url!r} is no service: it is https://HOST, or http://localhost:PORT on this machine")
    return url.rstrip("/").removesuffix("/v1")


def _is_here(host: str) -> bool:
    """Return whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def kept_token(url: str) -> str | None:
    """Return the token of a service that this user keeps.

    Raises
    ------
    RequestError
        If others may read or write the file, or it is no mapping of URLs to tokens.
    """
    return _kept(_tokens_file()).get(url)


def remember_token(url: str, token: str) -> Path:
    """Keep a token for this user, in the place of an earlier one of that service, and return the file it is in.

    Parameters
    ----------
    url : str
        Of the service.
    token : str
    """
    file = _tokens_file()
    tokens = {**_kept(file), checked(url): token}
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".tokens.", dir=file.parent)  # nobody else may read it, ever
    with os.fdopen(handle, "w") as written:
        yaml.safe_dump(tokens, written)
    os.replace(temporary, file)
    return file


def _tokens_file() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config", "skymist", "tokens.yaml")


def _kept(file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    if mode := stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise RequestError(f"{file} may be used by others (mode {mode | 0o600:04o}): chmod 600 {file}")
    try:
        kept = yaml.safe_load(file.read_text())
    except (yaml.YAMLError, UnicodeDecodeError):
        kept = None  # what is wrong is not repeated: it may be a secret
    if not isinstance(kept, dict) or not all(isinstance(item, str) for pair in kept.items() for item in pair):
        raise RequestError(f"{file} is no mapping of URL: TOKEN")
    return {checked(key): token for key, token in kept.items()}


def load_httpx() -> Any:
    """Return httpx, which only who uses a service needs."""
    try:
        import httpx
    except ModuleNotFoundError:
        raise RequestError("a service is reached by httpx: pip install 'skymist[service]'") from None
    return httpx


def _problem(response: "httpx.Response", url: str) -> SkymistError:
    """Return the error that an answer tells of (RFC 9457)."""
    status = response.status_code
    try:
        said = response.json()
        detail, kind = " ".join(str(said["detail"]).split()), str(said["type"])
    except (ValueError, KeyError, TypeError):
        detail, kind = f"{url} answers {status} {response.reason_phrase}", ""
    if status == 401:
        return RequestError(f"{detail}: a token for {url} goes into SKYMIST_TOKEN or ~/.config/skymist/tokens.yaml")
    if status == 403:
        return RequestError(f"{detail}: ask for a token of a higher role (skymist token create)")
    if status >= 500:
        return StoreError(f"{url}: {detail}")
    if kind.endswith(":unreadable"):
        return ReadError(detail)
    return ConflictError(detail) if status in (409, 410) else RequestError(detail)


def _retry_after(response: "httpx.Response") -> float:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else 0.0
