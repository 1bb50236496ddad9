"""Settings of the service: one file, each value of which may be given on the command line instead."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Self, get_args, get_origin, get_type_hints

import yaml

from skymist.errors import ReadError, RequestError, UnknownNameError


@dataclass(frozen=True)
class ServiceSettings:
    """Where things are, and who may come in; see ``docs/howto/service.md``.

    Attributes
    ----------
    database : str
        A file (SQLite) or ``postgresql://USER@HOST/NAME``.
    out : str
        Folder or URL of the maps.
    rules : str or None
        File of rules; those of skymist if None.
    clusters : str or None
        Folder of the site's cluster configurations.
    host, port : str, int
        Where the API listens.
    folders : tuple of str
        Watched for events and notices.
    kafka : mapping or None
        ``topics`` (a mapping of topic to ``notice``, ``event`` or ``heartbeat``) and ``settings`` of librdkafka; a
        value ``$NAME`` is taken from the environment, where secrets belong.
    slots : int
        Ordinary scans at a time.
    circulars : mapping or None
        What the site says of its circulars, and how they are sent; see `skymist.workflow.outgoing`.
    notices : mapping or None
        ``topic`` and ``settings`` of Kafka for notices of ours.
    archive : mapping or None
        Who keeps the archive, and what of it is for everybody; see `skymist.workflow.archive.settings`.
    oidc : mapping or None
        ``issuer``, ``audience``, ``jwks_url``, ``claim`` and ``roles`` of an identity provider, and for people to log
        in there ``authorize_url``, ``token_url``, ``client_id``, ``client_secret`` and ``scope``; a value ``$NAME`` is
        taken from the environment.
    origins : tuple of str
        Under which browsers know the service, if that is not the name that reaches it: behind some reverse proxies.
    dask_dashboard : bool
        Whether clusters serve Dask's dashboard, for operators; on this machine's loopback interface, without a login.
    hooks : tuple of mapping
        Where news are told: by e-mail, webhooks, rooms; see `skymist.workflow.hooks`. Nowhere by default.
    """

    database: str
    out: str
    rules: str | None = None
    clusters: str | None = None
    host: str = "127.0.0.1"
    port: int = 8642
    folders: tuple[str, ...] = ()
    kafka: Mapping[str, Any] | None = None
    slots: int = 4
    circulars: Mapping[str, Any] | None = None
    notices: Mapping[str, Any] | None = None
    archive: Mapping[str, Any] | None = None
    oidc: Mapping[str, Any] | None = field(default=None)
    origins: tuple[str, ...] = ()
    dask_dashboard: bool = False
    hooks: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise RequestError(f"port {self.port}: ports go from 1 to 65535 (0: any that is free)")
        if self.slots < 1:
            raise RequestError(f"slots {self.slots}: at least one scan must be able to run")
        object.__setattr__(self, "origins", tuple(_origin(each) for each in self.origins))

    @classmethod
    def load(cls, path: Path | None, home: Path) -> Self:
        """Return the settings of a file, with everything that it does not name in the folder `home`.

        Raises
        ------
        ReadError
            If the file cannot be read; the message names the file, the key and the valid choices.
        """
        usual: dict[str, Any] = {"database": str(home / "records.sqlite"), "out": str(home / "scans")}
        if path is None:
            return cls(**usual)
        try:
            found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
            return cls(**usual | _checked(found))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ReadError(f"cannot be read: {error}", str(path)) from None
        except RequestError as error:
            raise ReadError(str(error), str(path)) from None

    def changed(self, **values: Any) -> Self:
        """Return them with those values changed that are not None (nor empty)."""
        return replace(self, **{key: value for key, value in values.items() if value not in (None, ())})


def _origin(text: str) -> str:
    """Return an origin, in small letters, as browsers send it."""
    if not re.fullmatch(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", str(text).lower()):
        raise RequestError(f"origins: {text!r} is none; they look like https://alerts.example.org")
    return text.lower()


def revealed(what: str, settings: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return settings with what they keep in the environment, ``$NAME``, in its place: secrets belong there.

    Raises
    ------
    RequestError
        If there is no such variable.
    """
    found = {}
    for key, value in settings.items():
        hidden = isinstance(value, str) and value.startswith("$")
        if hidden and value[1:] not in environment:
            raise RequestError(f"the setting {key} of {what} is in the variable {value[1:]}, which is not set")
        found[str(key)] = environment[value[1:]] if hidden else value
    return found


def _checked(found: Any) -> dict[str, Any]:
    """Return the values of a file, each of the right type."""
    if not isinstance(found, Mapping):
        raise RequestError("settings are a mapping, such as `port: 8642`")
    hints = get_type_hints(ServiceSettings)
    values = {}
    for key, value in found.items():
        if key not in hints:
            raise UnknownNameError("setting", str(key), [item.name for item in fields(ServiceSettings)])
        given = tuple(value) if isinstance(value, list) else value
        if not isinstance(given, _types(hints[key])) or isinstance(given, bool) != (hints[key] is bool):
            raise RequestError(f"{key}: {value!r} is not of its type ({_describe(hints[key])})")
        values[key] = given
    return values


def _types(hint: Any) -> tuple[type, ...]:
    """Return the classes that a value of this type hint may have."""
    parts = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    return tuple(get_origin(part) or part for part in parts)


def _describe(hint: Any) -> str:
    names = {str: "text", int: "a whole number", bool: "true or false", tuple: "a list of texts", Mapping: "a mapping",
             NoneType: "null"}  # fmt: skip
    return " or ".join(names.get(kind, getattr(kind, "__name__", "a mapping")) for kind in _types(hint))
