"""Identifiers that outlive the service: one name for a thing, and the same number made of it everywhere.

The name is an identifier of the IVOA, ``ivo://AUTHORITY/skymist#FRAGMENT`` (IVOA Identifiers 2.0); the number is the
UUID of version 5 (RFC 9562) of that name as a URL. Fragments are given once and kept with the records:

========= ===================================== ========================
thing     fragment                              example
========= ===================================== ========================
alert     ``RUN_EVENT``                         ``137840_57034692``
revision  ``RUN_EVENT_NUMBER``, or ``_CATALOG`` ``137840_57034692_1``
scan      ``scan_`` and 16 digits of its id     ``scan_0123456789abcdef``
map       ``map_`` and 16 digits of its content ``map_0123456789abcdef``
========= ===================================== ========================

What is no observation begins with its role (``test_137840_57034692``), so that it can never be taken for one.
"""

import re
from enum import StrEnum
from uuid import NAMESPACE_URL, UUID, uuid5

from skymist.errors import RequestError
from skymist.model.alert import Role

DIGITS = 16
"""Of a SHA-256 that name a scan or map: two of a million have the same with a probability of 3e-8."""


class Thing(StrEnum):
    """What has an identifier."""

    ALERT = "alert"
    REVISION = "revision"
    SCAN = "scan"
    MAP = "map"


def ivo(authority: str, fragment: str) -> str:
    """Return the IVOA identifier of a thing.

    Raises
    ------
    RequestError
        If the authority is none: three or more letters, digits, dots or dashes, first a letter or digit.

    Examples
    --------
    >>> ivo("example", "137840_57034692")
    'ivo://example/skymist#137840_57034692'
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{2,}", authority):
        raise RequestError(f"{authority!r} is no authority of IVOA identifiers, such as example.org")
    return f"ivo://{authority}/skymist#{fragment}"


def uuid_of(identifier: str) -> UUID:
    """Return the UUID that anybody can make of an identifier."""
    return uuid5(NAMESPACE_URL, identifier)


def alert_fragment(role: Role, run: int, event: int) -> str:
    """Return the fragment of an alert."""
    before = "" if role == Role.OBSERVATION else f"{role}_"
    return f"{before}{run}_{event}"


def revision_fragment(alert: str, number: int | None, catalog: str, revision_id: str, taken: bool) -> str:
    """Return the fragment of a revision; if another one has it, with digits of the revision's own id.

    Examples
    --------
    >>> revision_fragment("137840_57034692", None, "IceCat-1", "0123456789abcdef", taken=False)
    '137840_57034692_icecat-1'
    """
    words = str(number) if number is not None else re.sub(r"[^a-z0-9.-]+", "-", catalog.lower()) or "retraction"
    return f"{alert}_{words}-{revision_id[:8]}" if taken else f"{alert}_{words}"


def content_fragment(thing: Thing, sha256: str) -> str:
    """Return the fragment of a scan (by the SHA-256 of its request) or a map (by that of its content)."""
    return f"{thing}_{sha256[:DIGITS]}"
