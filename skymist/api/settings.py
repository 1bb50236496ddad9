"""What a service is told when it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from skymist.errors import RequestError, UnknownNameError
from skymist.records import Database
from skymist.records.tokens import Access
from skymist.workflow.archive.settings import ArchiveSettings
from skymist.workflow.desk_settings import DeskSettings

LOOPBACK = "127.0.0.1", "::1", "localhost"
ASYMMETRIC = "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
"""Signatures that only the issuer can make; with a shared secret, whoever can check one can forge one."""


@dataclass(frozen=True)
class Limits:
    """How much one client may ask for.

    Attributes
    ----------
    per_second : float
        Requests per second and token (or address of who has none), in the long run.
    burst : int
        Requests at once.
    body_bytes, event_bytes : int
        Most bytes of a body, and of the file of an event.
    streams : int
        Clients that watch scans at the same time.
    stream_seconds : float
        After which a client that watches has to come again, with a token that is still valid.
    """

    per_second: float = 50.0
    burst: int = 200
    body_bytes: int = 4 * 2**20
    event_bytes: int = 64 * 2**20
    streams: int = 1000
    stream_seconds: float = 3600.0

    def __post_init__(self) -> None:
        for key, value in vars(self).items():
            if not value > 0:
                raise RequestError(f"the limit {key} must be above 0, not {value}")


_TEXTS = (
    "issuer", "audience", "jwks_url", "claim", "scope", "authorize_url", "token_url", "client_id", "client_secret",
)  # fmt: skip
"""Of `Oidc`; the last four may be missing."""


@dataclass(frozen=True)
class Oidc:
    """An issuer of tokens (OpenID Connect) whose words count.

    Attributes
    ----------
    issuer, audience : str
        Which ``iss`` and ``aud`` a token must have.
    jwks_url : str
        Where the issuer's keys are; https, or on this machine.
    roles : mapping of str to str
        From values of the claim to roles; the highest counts.
    claim : str
        Whose value, or values, name the roles.
    algorithms : tuple of str
        Some of `ASYMMETRIC`.
    authorize_url, token_url : str, optional
        Where people log in, and where what they bring back is changed for a token; https, or on this machine.
    client_id, client_secret : str, optional
        Of this service, as the issuer knows it; without a secret it is a public client.
    scope : str
        What the issuer is asked for.

    Raises
    ------
    RequestError
        If something of it makes no sense.
    """

    issuer: str
    audience: str
    jwks_url: str
    roles: Mapping[str, str]
    claim: str = "groups"
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    authorize_url: str | None = None
    token_url: str | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    scope: str = "openid"

    def __post_init__(self) -> None:
        self._check_texts()
        if len({self.authorize_url is None, self.token_url is None, self.client_id is None}) > 1:
            raise RequestError("to log in by OpenID Connect takes authorize_url, token_url and client_id")
        if "openid" not in self.scope.split():
            raise RequestError(f"scope {self.scope!r}: OpenID Connect needs 'openid' in it")
        if not self.issuer or not self.audience:
            raise RequestError("OpenID Connect needs an issuer and an audience")
        for known, given in ((ASYMMETRIC, self.algorithms), (tuple(Access), self.roles.values())):
            for name in given:
                if name not in known:
                    kind = "signature algorithm" if known is ASYMMETRIC else "role"
                    raise UnknownNameError(kind, str(name), known)

    def _check_texts(self) -> None:
        """Refuse what is of another type than it should be: a file of settings may say anything."""
        if not isinstance(self.roles, Mapping):
            raise RequestError("roles: a mapping from values of the claim to roles, such as {shifters: analyst}")
        for key in _TEXTS:
            value = getattr(self, key)
            if not isinstance(value, str) and not (value is None and key in _TEXTS[-4:]):
                raise RequestError(f"{key}: {value!r} is no text")
            if key.endswith("_url") and value is not None:
                _check_url(key, value)

    @property
    def logs_in(self) -> bool:
        """Whether people can log in there."""
        return self.client_id is not None

    @property
    def audiences(self) -> tuple[str, ...]:
        """For whom a token may be: for the service, or for what it is known as where people log in."""
        return (self.audience,) if self.client_id is None else (self.audience, self.client_id)


def _check_url(key: str, text: str) -> None:
    url = urlsplit(text)
    if url.scheme != "https" and not (url.scheme == "http" and url.hostname in LOOPBACK):
        raise RequestError(f"{key} {text!r}: an issuer is asked by https, or on this machine")


@dataclass(frozen=True)
class ApiSettings:
    """What `skymist.api.create_app` needs.

    Attributes
    ----------
    database : Database
    out : str
        Folder or URL that holds the maps of scans, as the runner has it.
    clusters : Path, optional
        Folder of the site's own cluster configurations.
    limits : Limits
    oidc : Oidc, optional
        An issuer whose tokens are accepted beside our own.
    desk : DeskSettings
        Of circulars.
    archive : ArchiveSettings
        Who keeps the archive, and whether everybody may look.
    origins : tuple of str
        Under which browsers know the service, if that is not the name that reaches it, in small letters.
    """

    database: Database
    out: str
    clusters: Path | None = None
    limits: Limits = field(default_factory=Limits)
    oidc: Oidc | None = None
    desk: DeskSettings = field(default_factory=DeskSettings)
    archive: ArchiveSettings = field(default_factory=ArchiveSettings)
    origins: tuple[str, ...] = ()
