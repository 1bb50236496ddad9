"""What a site says of its archive: who keeps it, whether everybody may look, where copies go, and who gives DOIs."""

import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

from skymist.errors import RequestError, UnknownNameError
from skymist.fair.licences import licence
from skymist.fair.record import Agent, Site
from skymist.model.identity import ivo
from skymist.workflow.settings import ServiceSettings, revealed

_LOOPBACK = "127.0.0.1", "::1", "localhost"
_SITE = {item.name for item in fields(Site)}
_MORE = {"public", "snapshots", "datacite"}
_KINDS = "person", "organisation"
_WORDS: dict[Any, str] = {str: "text", float: "a number", int: "a whole number"}


@dataclass(frozen=True)
class SnapshotSettings:
    """Where copies of the archive go, and how often.

    Attributes
    ----------
    to : str
        Folder or URL; each copy has a folder of its own in it.
    every_hours : float
        From the beginning of one to that of the next.
    keep : int
        How many of the latest are kept.

    Raises
    ------
    RequestError
        If something of it makes no sense.
    """

    to: str
    every_hours: float = 24.0
    keep: int = 7

    def __post_init__(self) -> None:
        if not 0 < self.every_hours < math.inf or self.keep < 1:
            raise RequestError("snapshots: every_hours is above 0, and at least 1 is kept")
        if not self.to:
            raise RequestError("snapshots: to is a folder or URL")


@dataclass(frozen=True)
class DataCiteSettings:
    """An account at DataCite, or at what speaks like it.

    Attributes
    ----------
    prefix : str
        Of the DOIs, such as ``10.12345``.
    username, password : str
        Of the repository. They are secrets: settings name variables of the environment.
    url : str
        Of the REST API; https, or on this machine.

    Raises
    ------
    RequestError
        If something of it makes no sense.
    """

    prefix: str
    username: str
    password: str = field(repr=False)
    url: str = "https://api.datacite.org/"

    def __post_init__(self) -> None:
        _check_url("datacite: url", self.url)
        if not re.fullmatch(r"10\.[0-9]{4,9}", self.prefix):
            raise RequestError(f"datacite: {self.prefix!r} is no prefix of DOIs, such as 10.12345")
        if not (self.username and self.password):
            raise RequestError("datacite: username and password are not empty")


@dataclass(frozen=True)
class ArchiveSettings:
    """What a site says of its archive.

    Attributes
    ----------
    site : Site
    public : bool
        Whether the service shows to everybody what was released.
    snapshots : SnapshotSettings or None
    datacite : DataCiteSettings or None
    """

    site: Site = field(default_factory=Site)
    public: bool = False
    snapshots: SnapshotSettings | None = None
    datacite: DataCiteSettings | None = None


def archive_settings(
    archive: Mapping[str, Any] | None, authority: str = Site.authority, environment: Mapping[str, str] = os.environ
) -> ArchiveSettings:
    """Return what a site says of its archive.

    Parameters
    ----------
    archive : mapping or None
        Of the settings; see ``docs/howto/archive.md``.
    authority : str
        That of its notices, which counts if the archive has none of its own.
    environment : mapping
        Where secrets are.

    Raises
    ------
    RequestError
        If something of it makes no sense; the message names the key and the valid choices.
    """
    found = dict(archive or {})
    _check_names("setting of the archive", found, _SITE | _MORE)
    public = found.get("public", False)
    if not isinstance(public, bool):
        raise RequestError(f"archive: public is true or false, not {public!r}")
    return ArchiveSettings(
        _site({"authority": authority, **{key: value for key, value in found.items() if key in _SITE}}),
        public,
        _part(SnapshotSettings, "snapshots", found, environment),
        _part(DataCiteSettings, "datacite", found, environment),
    )


def of_service(found: ServiceSettings, *, account: bool = False) -> ArchiveSettings:
    """Return what the settings of a service say of its archive.

    Parameters
    ----------
    found : ServiceSettings
    account : bool
        Whether the account at DataCite is needed; else its secrets are not even looked for.

    Raises
    ------
    RequestError
        See `archive_settings`.
    """
    said = {key: value for key, value in (found.archive or {}).items() if account or key != "datacite"}
    return archive_settings(said, str((found.circulars or {}).get("authority", Site.authority)))


def _site(given: dict[str, Any]) -> Site:
    creators = given.pop("creators", [])
    for key, value in given.items():
        if not isinstance(value, str) or not (value or key == "contact"):
            raise RequestError(f"archive: {key} is text, not {value!r}")
    if not isinstance(creators, list | tuple):
        raise RequestError("archive: creators are a list, such as [{name: Our Team, kind: organisation}]")
    site = Site(**given, creators=tuple(_creator(each) for each in creators))
    ivo(site.authority, "")
    licence(site.licence)
    _check_url("archive: home", site.home)
    return site


def _creator(given: Any) -> Agent:
    words = {"name": given} if isinstance(given, str) else given
    if not (isinstance(words, Mapping) and words.get("name") and all(isinstance(each, str) for each in words.values())):
        raise RequestError(f"archive: a creator has a name, and may have kind and identifier, not {given!r}")
    _check_names("part of a creator", words, ("name", "kind", "identifier"))
    if words.get("kind", "person") not in _KINDS:
        raise UnknownNameError("kind of creator", words["kind"], _KINDS)
    if not words.get("identifier", "https://").startswith("https://"):
        raise RequestError(
            f"archive: {words['identifier']!r} is no ORCID or ROR as a URL, such as https://orcid.org/..."
        )
    return Agent(part="creator", **words)


def _part(kind: Any, name: str, found: Mapping[str, Any], environment: Mapping[str, str]) -> Any:
    """Return settings that have a class of their own; of what is wrong only the type is told, as it may be a secret."""
    given = found.get(name)
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise RequestError(f"archive: {name} is a mapping, with {', '.join(item.name for item in fields(kind))}")
    _check_names(f"setting of {name}", given, [item.name for item in fields(kind)])
    values = revealed(name, given, environment)
    for item in fields(kind):
        if item.name not in values and item.default is MISSING:
            raise RequestError(f"{name}: {item.name} is missing")
        if item.name in values and not _is_a(item.type, values[item.name]):
            raise RequestError(f"{name}: {item.name} is {_WORDS[item.type]}, not a {type(values[item.name]).__name__}")
    return kind(**values)


def _is_a(kind: Any, value: Any) -> bool:
    return isinstance(value, int | float if kind is float else kind) and not isinstance(value, bool)


def _check_names(what: str, given: Iterable[Any], known: Iterable[str]) -> None:
    for key in given:
        if key not in known:
            raise UnknownNameError(what, str(key), known)


def _check_url(what: str, url: str) -> None:
    """Check that a URL is safe; one with a password would be told in errors."""
    try:
        parts = urlsplit(url)
        safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        plain = parts.hostname and not (parts.username or parts.password or parts.query or parts.fragment)
    except ValueError:
        safe = plain = False
    if not plain:
        raise RequestError(f"{what} is a URL without a name, password, query or fragment, such as https://example.org/")
    if not safe:
        raise RequestError(f"{what} {url!r} is neither https nor on this machine")
